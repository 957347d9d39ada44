//! What users bring that is none of the usual, and what `inspect` says of what `analyze` does.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, NullArray, TimestampMicrosecondArray};
use serde_json::Value;

use crate::shell::{FORMATS, Shell, numbers, text};

fn doubles(cells: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(cells.to_vec()))
}

#[test]
fn times_of_a_zone_are_group_columns() {
    let shell = Shell::new();
    let day = 86_400_000_000;
    for zone in ["UTC", "+00:00", "Europe/Berlin"] {
        let times = TimestampMicrosecondArray::from(vec![0, day]).with_timezone(zone);
        shell.parquet("t.parquet", vec![("block_timestamp", Arc::new(times)), ("balance", numbers([3, 5]))]);
        for format in FORMATS {
            shell.run(&format!("analyze t.parquet --format {format}")).ok();
        }
        assert_eq!(shell.groups("t.parquet").len(), 2, "{zone}");
    }
    // Midnights of UTC unite with dates and with their text.
    let utc = TimestampMicrosecondArray::from(vec![day]).with_timezone("UTC");
    shell.parquet("lake/a.parquet", vec![("day", Arc::new(utc)), ("balance", numbers([3]))]);
    shell.parquet(
        "lake/b.parquet",
        vec![("day", Arc::new(Date32Array::from(vec![1]))), ("balance", numbers([5]))],
    );
    shell.parquet("lake/c.parquet", vec![("day", text(["1970-01-02"])), ("balance", numbers([7]))]);
    let groups = shell.groups("lake");
    assert_eq!(groups.len(), 1, "{groups:?}");
    assert_eq!((&groups[0]["day"], &groups[0]["n_holders"]), (&Value::from("1970-01-02"), &Value::from(3)));
}

#[test]
fn bits_of_doubles_that_are_cut_off_are_told() {
    let shell = Shell::new();
    shell.parquet("cut.parquet", vec![("balance", doubles(&[2f64.powi(255), 1.75, 1.75]))]);
    let ran = shell.run("analyze cut.parquet --format json").ok();
    let ran = ran.says(&["group snapshot=cut has doubles that span more than 255 bits"]);
    assert_eq!(ran.json()[0]["exact"], false);
    shell.parquet("fits.parquet", vec![("balance", doubles(&[2f64.powi(200), 1.75, 1.75]))]);
    assert!(!shell.run("analyze fits.parquet").ok().stderr.contains("255 bits"));
    shell.parquet("below.parquet", vec![("balance", doubles(&[1e300, 1e-300]))]);
    shell
        .run("analyze below.parquet")
        .fails(1, &["below.parquet", "`balance`", "row 2", "2^255 times smaller"]);
}

#[test]
fn the_first_bad_sum_is_told_whatever_the_hash() {
    let shell = Shell::new();
    let largest = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let owners: Vec<String> = (0..80).map(|row| format!("owner{}", row % 40)).collect();
    let balances = text(std::iter::repeat_n(largest, 80));
    shell.parquet(
        "o.parquet",
        vec![("owner", text(owners.iter().map(String::as_str))), ("balance", balances)],
    );
    for _ in 0..4 {
        shell.run("analyze o.parquet --owners merge").fails(1, &["row 41:", "beyond 256 bits", "not ids"]);
    }
}

#[test]
fn ties_in_every_batch_are_read_once_more() {
    let shell = Shell::new();
    // Two equal holders of 27 digits each: half the total is a tie that no working amount decides.
    let groups = 30_000;
    let tokens: Vec<String> = (0..groups).flat_map(|g| [format!("t{g}"), format!("t{g}")]).collect();
    let balances = std::iter::repeat_n("500000000000000000000000001", 2 * groups);
    shell.parquet(
        "t.parquet",
        vec![("token", text(tokens.iter().map(String::as_str))), ("balance", text(balances))],
    );
    let ran =
        shell.run("analyze t.parquet --by token --timing --explain --format csv --metrics nakamoto_1_2").ok();
    assert!(ran.stdout.lines().skip(1).all(|line| line.ends_with(",2")), "half is not more than half");
    assert!(ran.stderr.contains("ties      30000 groups"), "{}", ran.stderr);
    let batches = ran.stderr.lines().find(|line| line.starts_with("keys")).unwrap();
    assert!(!batches.contains(" 1 batches"), "{batches}");
    let read = ran.stderr.lines().find(|line| line.starts_with("ties")).unwrap();
    let rows: u64 = read.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert_eq!(rows, 2 * groups as u64, "{read}");
}

#[test]
fn inspect_says_what_analyze_does() {
    let shell = Shell::new();
    let nulls = |n: usize| -> ArrayRef { Arc::new(NullArray::new(n)) };
    shell.parquet("good.parquet", vec![("owner", text(["a", "b"])), ("balance", numbers([1, 2]))]);
    shell.parquet("twice.parquet", vec![("owner", text(["a", "a"])), ("balance", numbers([1, 2]))]);
    shell.parquet("empty.parquet", vec![("owner", text([])), ("balance", numbers([]))]);
    shell.parquet("nothing.parquet", vec![("owner", text(["a"])), ("balance", nulls(1))]);
    shell.parquet("below.parquet", vec![("owner", text(["a", "b"])), ("balance", doubles(&[1e300, 1e-300]))]);
    shell.parquet("gini.parquet", vec![("gini", text(["a", "b"])), ("balance", numbers([1, 2]))]);
    shell.run("analyze good.parquet -o result.parquet").ok();
    for file in ["good", "twice", "empty", "nothing", "below", "gini", "result"] {
        for flags in ["", "--owners merge", "--owners check", "--by none", "--by gini", "--snapshot none"] {
            let analyzed = shell.run(&format!("analyze {file}.parquet --format json {flags}"));
            let inspected = shell.run(&format!("inspect {file}.parquet --format json {flags}"));
            assert_eq!(inspected.status, Some(0), "{file} {flags}: {}", inspected.stderr);
            let document: Value = serde_json::from_str(&inspected.stdout).unwrap();
            let verdict = &document["files"][0]["analyze"];
            assert_eq!(
                verdict["measures"],
                Value::from(analyzed.status == Some(0)),
                "{file} {flags}: {verdict}"
            );
            if analyzed.status == Some(0) {
                assert_eq!(verdict["groups"], Value::from(analyzed.json().len()), "{file} {flags}");
            }
        }
    }
}

#[test]
fn inspect_tells_what_can_be_read_and_fails_for_the_rest() {
    let shell = Shell::with_holders();
    shell.file("torn.parquet", b"PAR1 and no more");
    let ran = shell.run("inspect . --format json");
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.starts_with("error: ./torn.parquet"), "{}", ran.stderr);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["files"].as_array().unwrap().len(), 1);
    assert_eq!(document["unreadable"].as_array().unwrap().len(), 1);
    assert_eq!(document["together"]["measures"], false);
}

#[test]
fn control_characters_stay_in_the_data() {
    let shell = Shell::new();
    shell
        .parquet("c.parquet", vec![("token", text(["\u{1b}[31mred", "A\nB"])), ("balance", numbers([1, 2]))]);
    for format in ["table", "markdown"] {
        let ran = shell.run(&format!("analyze c.parquet --by token --format {format}")).ok();
        assert!(!ran.stdout.contains('\u{1b}') && ran.stdout.contains("A\\nB"), "{}", ran.stdout);
    }
    let tokens: Vec<Value> =
        shell.groups("c.parquet --by token").iter().map(|g| g["token"].clone()).collect();
    assert_eq!(tokens, ["\u{1b}[31mred", "A\nB"]);
}

#[test]
fn links_are_followed_and_contradictions_refused() {
    let shell = Shell::with_holders();
    let input = "h.parquet";
    #[cfg(unix)]
    {
        shell.file("real.csv", "old");
        std::os::unix::fs::symlink(shell.path("real.csv"), shell.path("link.csv")).unwrap();
        shell.run(&format!("analyze {input} -o link.csv --overwrite")).ok();
        assert!(std::fs::symlink_metadata(shell.path("link.csv")).unwrap().is_symlink());
        assert!(std::fs::read_to_string(shell.path("real.csv")).unwrap().contains("gini"));
    }
    for line in
        ["--by none --snapshot nope", "--by snapshot --snapshot none", "--by address --snapshot filename"]
    {
        shell.run(&format!("analyze {input} {line}")).fails(2, &["--by replaces the snapshot"]);
    }
    shell.run("analyze - -").fails(2, &["once"]);
    let added = shell.run(&format!("analyze {input} --metrics gini --top 2 --format csv")).ok();
    assert!(added.stdout.lines().next().unwrap().ends_with("gini,top_2_share"), "{}", added.stdout);
    shell.run(&format!("analyze {input} --metrics nakamoto_0_9")).fails(2, &["add it with --threshold"]);
}
