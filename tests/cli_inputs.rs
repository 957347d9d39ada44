//! Which files are read, and how files of different makes go side by side.

use std::fs;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int64Array,
    TimestampMillisecondArray, UInt16Array,
};
use serde_json::{Value, json};

use crate::shell::{Columns, Shell, counts_of, numbers, read, text};

fn one(amount: u64) -> Columns<'static> {
    vec![("balance", numbers([amount]))]
}

/// A column of every row, missing where it is null.
fn column(rows: &[Value], name: &str) -> Vec<Value> {
    rows.iter().map(|row| row[name].clone()).collect()
}

#[test]
fn standard_input_is_spooled() {
    let shell = Shell::with_holders();
    let bytes = fs::read(shell.path("h.parquet")).unwrap();
    let rows = shell.pipe(bytes.clone(), "analyze - --format json").json();
    assert_eq!((&rows[0]["snapshot"], &rows[0]["total"]), (&json!("stdin"), &json!("100")));
    // Together with a file, and read twice where ties need the exact amounts.
    let rows = shell.pipe(bytes.clone(), "analyze h.parquet - --by none --format json").json();
    assert_eq!((&rows[0]["n_rows"], &rows[0]["nakamoto_1_2"]), (&json!(6), &json!(3)));
    shell.pipe(bytes.clone(), "analyze - -q -o r.parquet").silent();
    shell.pipe(bytes[..bytes.len() / 2].to_vec(), "analyze -").fails(1, &["-: ", "cut short"]);
    shell.pipe(vec![], "analyze -").fails(1, &["-: the file is empty"]);
    shell.pipe(b"a,b\n1,2\n3,4\n".to_vec(), "analyze -").fails(1, &["-: this is no Parquet file"]);
    assert!(shell.temporary().is_empty(), "{:?}", shell.temporary());
}

#[test]
fn folders_are_searched_and_hidden_names_skipped() {
    let shell = Shell::new();
    for (i, name) in [
        "lake/a.parquet",
        "lake/deep/er/b.PARQUET",
        "lake/c.parq",
        "lake/d.pq",
        "lake/.hidden.parquet",
        "lake/_part.parquet",
        "lake/_delta_log/e.parquet",
        "lake/.trash/f.parquet",
    ]
    .iter()
    .enumerate()
    {
        shell.parquet(name, one(1 << i));
    }
    shell.file("lake/README.md", "no parquet");
    shell.file("lake/_SUCCESS", "");
    let row = shell.group("lake --by none");
    assert_eq!((&row["n_rows"], &row["total"]), (&json!(4), &json!("15")));
    assert_eq!(shell.group("lake/deep --by none")["total"], "2");
    // A file is read whatever its name, if the user names it.
    assert_eq!(shell.group("lake/.hidden.parquet lake/_part.parquet --by none")["total"], "48");
    fs::create_dir(shell.path("empty")).unwrap();
    shell.run("analyze lake empty").fails(2, &["empty: no Parquet files there"]);
    shell.run("analyze lake/README.md").fails(1, &["lake/README.md: this is no Parquet file"]);
}

#[cfg(unix)]
#[test]
fn links_may_form_loops() {
    let shell = Shell::new();
    let file = shell.parquet("lake/a.parquet", one(5));
    std::os::unix::fs::symlink("..", shell.path("lake/loop")).unwrap();
    std::os::unix::fs::symlink(&file, shell.path("lake/again.parquet")).unwrap();
    let row = shell.group("lake --by none");
    assert_eq!(row["total"], "5", "a file and the links to it are one");
}

#[test]
fn globs_are_expanded() {
    let shell = Shell::new();
    for (name, amount) in
        [("w1.parquet", 1), ("w2.parquet", 2), ("w10.parquet", 4), ("x/w3.parquet", 8), ("[w].pq", 16)]
    {
        shell.parquet(name, one(amount));
    }
    for (pattern, total) in [
        ("w?.parquet", "3"),
        ("w[12].parquet", "3"),
        ("w*.parquet", "7"),
        ("*/w*.parquet", "8"),
        ("**/w*.parquet", "15"),
        ("[w].pq", "16"),
    ] {
        assert_eq!(shell.group(&format!("{pattern} --by none"))["total"], total, "{pattern}");
    }
    // A glob may name folders.
    assert_eq!(shell.group("x* --by none")["total"], "8");
    shell.run("analyze y*.parquet").fails(2, &["y*.parquet: no Parquet files there"]);
    shell.run("analyze w[1.parquet").fails(2, &["w[1.parquet: not a valid pattern"]);
    shell.run("analyze missing.parquet").fails(1, &["missing.parquet: cannot open the file", "because"]);
}

#[test]
fn a_file_given_twice_is_read_once() {
    let shell = Shell::with_holders();
    let absolute = shell.path("h.parquet");
    for paths in [
        "h.parquet h.parquet",
        "h.parquet ./h.parquet",
        "h.parquet .",
        "h.parquet *.parquet",
        &absolute.display().to_string(),
    ] {
        let ran = shell.run(&format!("analyze --format json --by none h.parquet {paths}")).ok();
        assert!(ran.stderr.contains("h.parquet: given more than once, read once"), "{paths}: {}", ran.stderr);
        assert_eq!(ran.json()[0]["n_rows"], 3, "{paths}");
    }
}

#[test]
fn the_order_of_paths_does_not_show() {
    let shell = Shell::new();
    for name in ["a", "b", "c"] {
        shell
            .parquet(&format!("{name}.parquet"), vec![("day", text(["x", "y"])), ("value", numbers([1, 2]))]);
    }
    shell.run("analyze a.parquet b.parquet c.parquet -o 1.parquet").ok();
    shell.run("analyze c.parquet a.parquet b.parquet -o 2.parquet").ok();
    assert!(fs::read(shell.path("1.parquet")).unwrap() == fs::read(shell.path("2.parquet")).unwrap());
}

#[test]
fn a_group_may_lie_in_several_files() {
    let shell = Shell::new();
    let part = |amounts: [u64; 2]| {
        vec![("day", text(["d", "e"])), ("address", text(["x", "y"])), ("balance", numbers(amounts))]
    };
    shell.parquet("lake/part-0.parquet", part([50, 1]));
    shell.parquet("lake/part-1.parquet", part([30, 1]));
    shell.parquet("lake/part-2.parquet", part([20, 1]));
    let rows = shell.groups("lake");
    assert_eq!((rows.len(), &rows[0]["n_holders"], &rows[0]["gini"]), (2, &json!(3), &json!(0.2)));
    assert_eq!((&rows[0]["nakamoto_1_2"], &rows[1]["gini"]), (&json!(2), &json!(0.0)));
    let merged = shell.groups("lake --owners merge");
    assert_eq!(column(&merged, "n_holders"), [1, 1]);
    shell
        .run("analyze lake --owners check")
        .fails(1, &["lake/part-1.parquet: column `address`, row 1", "lake/part-0.parquet, row 1"]);
    // Decimals in one file and text in another, still one unit.
    let decimals: ArrayRef =
        Arc::new(Decimal128Array::from(vec![2050, 100]).with_precision_and_scale(20, 2).unwrap());
    shell.parquet("lake/part-3.parquet", vec![("day", text(["d", "e"])), ("balance", decimals)]);
    shell
        .parquet("lake/part-4.parquet", vec![("day", text(["d", "e"])), ("balance", text(["0.125", "1e1"]))]);
    assert_eq!(column(&shell.groups("lake"), "total"), ["120.625", "14"]);
    shell.parquet(
        "lake/part-5.parquet",
        vec![("day", text(["d"])), ("balance", Arc::new(Float64Array::from(vec![0.5])))],
    );
    shell.run("analyze lake").fails(1, &["group day=d", "doubles in one file", "--amount"]);
}

#[test]
fn stems_are_snapshots_and_that_is_said() {
    let shell = Shell::new();
    for (name, amount) in [("2025-01-06", 2), ("2025-01-13", 3), ("2025-01-20", 4)] {
        shell.parquet(&format!("lp/{name}.parquet"), one(amount));
    }
    let ran = shell.run("analyze lp --format json").ok();
    assert!(
        ran.stderr.contains("3 files have no snapshot column") && ran.stderr.contains("--snapshot none"),
        "{}",
        ran.stderr
    );
    let rows = ran.json();
    assert_eq!(column(&rows, "snapshot"), ["2025-01-06", "2025-01-13", "2025-01-20"]);
    assert_eq!(column(&rows, "total"), ["2", "3", "4"]);
    let pooled = shell.run("analyze lp --format json --snapshot none").silent().json();
    assert_eq!((pooled.len(), &pooled[0]["total"]), (1, &json!("9")));
    assert!(pooled[0].get("snapshot").is_none());
    // Nothing to say where it was asked for, or where there is one file only.
    shell.run("analyze lp --snapshot filename").silent();
    shell.run("analyze lp/2025-01-06.parquet").silent();
}

#[test]
fn hive_folders_are_columns() {
    let shell = Shell::new();
    for (folder, amount) in [
        ("week=10/chain=base", 1),
        ("week=2/chain=base", 2),
        ("week=2/chain=a%2Fb%20%C3%A9", 4),
        ("week=__HIVE_DEFAULT_PARTITION__/chain=base", 8),
        ("week=-3/chain=__HIVE_DEFAULT_PARTITION__", 16),
    ] {
        shell.parquet(&format!("lake/{folder}/p.parquet"), one(amount));
    }
    let rows = shell.run("analyze lake --format json").silent().json();
    assert_eq!(
        column(&rows, "week"),
        [json!(null), json!(-3), json!(2), json!(2), json!(10)],
        "integers, null first"
    );
    assert_eq!(
        column(&rows, "chain"),
        [json!("base"), json!(null), json!("a/b é"), json!("base"), json!("base")]
    );
    assert_eq!(column(&rows, "total"), ["8", "16", "4", "2", "1"]);
    assert_eq!(column(&shell.groups("lake --by chain"), "total"), ["16", "4", "11"]);
    assert_eq!(column(&shell.groups("lake --snapshot chain"), "total"), ["16", "4", "11"]);
    // The path given may lie below them, and a glob may name them.
    assert_eq!(shell.group("lake/week=10")["week"], 10);
    assert_eq!(column(&shell.groups("lake/week=2/*/p.parquet"), "total"), ["4", "2"]);
    shell.run("analyze lake --by wek").fails(1, &["no column `wek` for --by", "did you mean `week`"]);
    // 007 is a name.
    shell.parquet("lake/week=007/chain=base/p.parquet", one(32));
    let rows = shell.groups("lake --by week");
    let weeks = [json!(null), json!("-3"), json!("007"), json!("10"), json!("2")];
    assert_eq!(column(&rows, "week"), weeks, "as text, one is not an integer");
}

#[test]
fn the_file_wins_over_its_folder() {
    let shell = Shell::new();
    shell.parquet("week=7/p.parquet", vec![("week", numbers([1, 2])), ("balance", numbers([1, 1]))]);
    assert_eq!(column(&shell.groups("week=7"), "week"), [1, 2]);
}

#[test]
fn different_schemas_go_side_by_side() {
    let shell = Shell::new();
    let day: ArrayRef = Arc::new(Date32Array::from(vec![20_094]));
    shell.parquet("a.parquet", vec![("date", day), ("chain_id", numbers([1])), ("balance", numbers([1]))]);
    shell.parquet(
        "b.parquet",
        vec![("date", text(["2025-01-06"])), ("token", text(["T"])), ("reward", text(["2"]))],
    );
    let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![
        20_094 * 86_400_000,
        20_094 * 86_400_000 + 90_061_000,
    ]));
    shell.parquet("c.parquet", vec![("date", time), ("amount", numbers([4, 8]))]);
    shell.parquet("d.parquet", vec![("balance", numbers([16]))]);
    shell.parquet("e.parquet", vec![("block", numbers([7])), ("balance", numbers([32]))]);
    let ran = shell.run("analyze a.parquet b.parquet c.parquet d.parquet e.parquet --format csv").ok();
    let header = ran.stdout.lines().next().unwrap();
    assert!(header.starts_with("snapshot,block,date,chain_id,token,n_rows,"), "{header}");
    let rows = shell.groups("a.parquet b.parquet c.parquet d.parquet e.parquet");
    assert_eq!(column(&rows, "total"), ["4", "2", "1", "8", "32", "16"]);
    let same = json!("2025-01-06");
    assert_eq!(
        column(&rows, "date"),
        [same.clone(), same.clone(), same, json!("2025-01-07T01:01:01"), json!(null), json!(null)]
    );
    assert_eq!(column(&rows, "token")[..3], [json!(null), json!("T"), json!(null)]);
    assert_eq!(column(&rows, "chain_id")[..3], [json!(null), json!(null), json!(1)]);
    assert_eq!((&rows[4]["block"], &rows[5]["snapshot"]), (&json!(7), &json!("d")));
}

#[test]
fn integers_are_widened() {
    let shell = Shell::new();
    let signed: ArrayRef = Arc::new(Int64Array::from(vec![-1, 7]));
    let short: ArrayRef = Arc::new(UInt16Array::from(vec![7, 9]));
    shell.parquet("s.parquet", vec![("block_number", signed), ("balance", numbers([1, 2]))]);
    shell.parquet("u.parquet", vec![("block_number", numbers([7, u64::MAX])), ("balance", numbers([4, 8]))]);
    shell.parquet("h.parquet", vec![("BLOCK_NUMBER", short), ("balance", numbers([16, 32]))]);
    let json = shell.run("analyze s.parquet u.parquet h.parquet --format json --metrics gini").ok().stdout;
    for plain in [":-1,", ":7,", ":9,", ":18446744073709551615,"] {
        assert!(json.contains(plain), "{plain} in {json}");
    }
    let rows: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(column(&rows, "total"), ["1", "22", "32", "8"], "sorted as numbers");
    shell.run("analyze u.parquet h.parquet -o r.parquet").ok();
    assert_eq!(counts_of(&read(&shell.path("r.parquet")), "BLOCK_NUMBER"), [7, 9, u64::MAX]);
    shell.parquet("t.parquet", vec![("block_number", text(["7"])), ("balance", numbers([64]))]);
    let rows = shell.groups("s.parquet u.parquet t.parquet");
    let blocks = ["-1", "18446744073709551615", "7"];
    assert_eq!(column(&rows, "block_number"), blocks, "beside text, integers are text");
    assert_eq!(column(&rows, "total"), ["1", "8", "70"]);
}

#[test]
fn bytes_and_their_text_are_one_key() {
    let shell = Shell::new();
    let token: ArrayRef = Arc::new(BinaryArray::from_vec(vec![&[0xab, 0xcd]]));
    let fixed: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter([[0xab, 0xcd]].into_iter()).unwrap());
    shell.parquet("b.parquet", vec![("token", token), ("balance", numbers([1]))]);
    shell.parquet("f.parquet", vec![("token", fixed), ("balance", numbers([2]))]);
    shell.parquet("t.parquet", vec![("token", text(["0xabcd"])), ("balance", numbers([4]))]);
    let group = |files: &str| shell.group(&format!("{files} --snapshot none"));
    for (files, total) in
        [("b.parquet", "1"), ("b.parquet f.parquet", "3"), ("b.parquet f.parquet t.parquet", "7")]
    {
        assert_eq!(
            (&group(files)["token"], &group(files)["total"]),
            (&json!("0xabcd"), &json!(total)),
            "{files}"
        );
    }
}

#[test]
fn globs_skip_hidden_names_and_the_result_in_the_making() {
    let shell = Shell::new();
    shell.parquet("lake/a.parquet", one(1));
    shell.run("analyze lake/* -o lake/r.csv").ok();
    fs::remove_file(shell.path("lake/r.csv")).unwrap();
    shell.file("lake/.checkpoint", "no parquet");
    assert_eq!(shell.group("lake/* --by none")["total"], "1");
}
