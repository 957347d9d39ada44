//! What goes wrong in a batch costs what needs it, and nothing else.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use concentra::ingest::Context;
use concentra::options::Options;
use concentra::progress::Progress;
use concentra::record::Recorder;
use serde_json::Value;

use crate::shell::{Ran, Shell, numbers, text};

/// A file with a row for each group and amount.
fn write(shell: &Shell, name: &str, rows: &[(&str, u64)]) {
    let groups = text(rows.iter().map(|(group, _)| *group));
    shell.parquet(name, vec![("token", groups), ("balance", numbers(rows.iter().map(|(_, n)| *n)))]);
}

/// Cuts the end off a file.
fn cut(shell: &Shell, name: &str) {
    let path = shell.path(name);
    let bytes = fs::read(&path).unwrap();
    fs::write(path, &bytes[..bytes.len() - 5]).unwrap();
}

/// Overwrites a column's pages and leaves the footer as it is.
fn spoil(path: &Path, column: usize) {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let (start, length) = reader.metadata().row_group(0).column(column).byte_range();
    let mut bytes = fs::read(path).unwrap();
    bytes[start as usize..(start + length) as usize].fill(0xee);
    fs::write(path, bytes).unwrap();
}

/// It ended with status 3 and said all of this; the column's values in its rows.
#[track_caller]
fn kept(ran: Ran, column: &str, parts: &[&str]) -> Vec<String> {
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    let rows: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    ran.says(parts).says(&["error: ", "could not be used"]);
    rows.iter().map(|row| row[column].as_str().unwrap_or_default().to_owned()).collect()
}

const LINE: &str = "analyze in --format json --keep-going";

#[test]
fn a_corrupt_file_costs_its_own_snapshot() {
    let shell = Shell::new();
    for name in ["a", "b", "c"] {
        write(&shell, &format!("in/{name}.parquet"), &[("x", 1), ("y", 2)]);
    }
    let whole = shell.run("analyze in --format json").json();
    cut(&shell, "in/b.parquet");
    shell.run("analyze in -o r.parquet").fails(1, &["b.parquet", "cut short"]);
    assert!(!shell.path("r.parquet").exists());
    let ran = shell.run(LINE);
    let rows: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(rows, [&whole[..2], &whole[4..]].concat(), "the others are what they were");
    let told = ["b.parquet", "cut short", "no group needs it, by its path", "1 file could not be used"];
    assert_eq!(kept(ran, "snapshot", &told[..2]), ["a", "a", "c", "c"]);
    // It is told, also where nothing else is, and it is in the records.
    kept(shell.run(&format!("{LINE} -q --records r.json")), "snapshot", &["b.parquet", "cut short"]);
    let records: Vec<Value> = serde_json::from_slice(&fs::read(shell.path("r.json")).unwrap()).unwrap();
    let failed: Vec<&Value> = records.iter().filter(|event| event["status"] == "failed").collect();
    assert_eq!((failed.len(), &failed[0]["input"]), (1, &"in/b.parquet".into()));
    // The result says of itself what it is without.
    assert_eq!(shell.run("analyze in -o r.parquet --keep-going").status, Some(3));
    let footer = String::from_utf8_lossy(&fs::read(shell.path("r.parquet")).unwrap()).into_owned();
    assert!(footer.contains("concentra.lost") && footer.contains("b.parquet"));
}

#[test]
fn groups_of_a_folder_need_all_of_its_files() {
    let shell = Shell::new();
    for (name, amount) in [("week=1/x", 1), ("week=1/y", 2), ("week=2/x", 3), ("week=10/x", 4)] {
        shell.parquet(&format!("in/{name}.parquet"), vec![("balance", numbers([amount, 5]))]);
    }
    cut(&shell, "in/week=1/y.parquet");
    let ran = shell.run(LINE).says(&["group week=1 is absent"]);
    assert_eq!(ran.stdout.matches("\"n_rows\":2").count(), 2, "{}", ran.stdout);
    assert!(!ran.stdout.contains("\"week\":1,"), "{}", ran.stdout);
}

#[test]
fn groups_of_a_damaged_column_are_known() {
    let shell = Shell::new();
    let by = format!("{LINE} --by token");
    write(&shell, "in/a.parquet", &[("x", 1), ("y", 2)]);
    write(&shell, "in/b.parquet", &[("y", 3), ("z", 4)]);
    write(&shell, "in/c.parquet", &[("z", 5), ("m", 5)]);
    spoil(&shell.path("in/b.parquet"), 1);
    // By the keys of its rows, which can still be read.
    let told = ["in/b.parquet: ", "2 groups are absent, token=y to token=z"];
    assert_eq!(kept(shell.run(&by), "token", &told), ["m", "x"]);
    // By its statistics: nothing from y to z.
    spoil(&shell.path("in/b.parquet"), 0);
    assert_eq!(kept(shell.run(&by), "token", &["which it may have"]), ["m", "x"]);
    // By nothing: other files share a group, so it may have rows of each.
    cut(&shell, "in/b.parquet");
    write(&shell, "in/d.parquet", &[("z", 5)]);
    assert!(kept(shell.run(&by), "token", &["4 groups are absent", "which it may have"]).is_empty());
}

#[test]
fn files_that_share_no_group_are_taken_for_their_own() {
    let shell = Shell::new();
    for at in 0..4u64 {
        let blocks = numbers([at, at]);
        let name = format!("in/{at}.parquet");
        shell.parquet(&name, vec![("block_number", blocks), ("balance", numbers([at + 1, 1]))]);
    }
    cut(&shell, "in/2.parquet");
    let ran = shell.run(LINE).says(&["in/2.parquet", "its groups are unknown", "no other files share one"]);
    assert_eq!((ran.status, ran.stdout.matches("\"n_rows\":2").count()), (Some(3), 3));
    // One other file proves nothing.
    fs::remove_file(shell.path("in/0.parquet")).unwrap();
    fs::remove_file(shell.path("in/1.parquet")).unwrap();
    let ran = shell.run(LINE).says(&["group block_number=3 is absent"]);
    assert_eq!((ran.status, ran.stdout.trim()), (Some(3), "[]"));
}

/// Also where a file has more groups than are listed while it is read.
#[test]
fn many_small_groups_are_known_to_be_shared_or_not() {
    let shell = Shell::new();
    let file = |name: &str, first: u64| {
        let blocks = numbers((first..first + 300).map(|row| row / 2));
        let amounts = numbers((0..300).map(|row| row + 1));
        shell.parquet(name, vec![("block_number", blocks), ("balance", amounts)]);
    };
    (0..4).for_each(|at| file(&format!("in/{at}.parquet"), 300 * at));
    cut(&shell, "in/2.parquet");
    let ran = shell.run(&format!("{LINE} --metrics gini")).says(&["no other files share one"]);
    assert_eq!((ran.status, ran.stdout.matches("n_rows").count()), (Some(3), 450));
    file("in/1.parquet", 0);
    let ran = shell.run(&format!("{LINE} --metrics gini")).says(&["300 groups are absent"]);
    assert_eq!((ran.status, ran.stdout.matches("n_rows").count()), (Some(3), 0));
}

/// The folder tells the week and the file the token: groups of that week may need it, whether other files share any or
/// not.
#[test]
fn folders_tell_part_of_a_key() {
    for weeks in [1, 5] {
        let shell = Shell::new();
        for week in 0..weeks {
            write(&shell, &format!("in/week={week}/a.parquet"), &[("x", 1), ("y", 2)]);
        }
        write(&shell, "in/week=9/a.parquet", &[("x", 1), ("y", 2)]);
        write(&shell, "in/week=9/b.parquet", &[("x", 10), ("y", 20)]);
        cut(&shell, "in/week=9/b.parquet");
        let ran = shell.run(LINE).says(&["2 groups are absent, week=9", "which it may have"]);
        assert_eq!(
            (ran.status, ran.stdout.matches("n_rows").count()),
            (Some(3), 2 * weeks),
            "{}",
            ran.stdout
        );
        shell.run("analyze in -o out/ --keep-going").says(&["2 groups are absent, week=9"]);
    }
}

/// A file without amounts has group columns all the same.
#[test]
fn a_file_of_no_use_costs_its_groups() {
    let shell = Shell::new();
    for (name, tokens) in [("a", ["x", "y"]), ("b", ["y", "z"]), ("c", ["m", "z"])] {
        let columns = vec![("token", text(tokens)), ("balance", numbers([1, 2]))];
        shell.parquet(&format!("in/{name}.parquet"), columns);
    }
    shell.parquet("in/bad.parquet", vec![("token", text(["y", "q"])), ("colour", text(["red", "blue"]))]);
    let line = format!("{LINE} --by token");
    assert_eq!(
        kept(shell.run(&line), "token", &["in/bad.parquet", "2 groups are absent, token=q to token=y"]),
        ["m", "x", "z"]
    );
    let ran = shell
        .run("analyze in --by token -o out/ --keep-going")
        .says(&["in/bad.parquet", "token=q to token=y"]);
    assert_eq!(ran.status, Some(3));
    ran.says(&["3 groups in"]);
}

/// Tokens in text and in bytes are the same ones, also those of a file of no use.
#[test]
fn keys_written_in_another_way() {
    use std::sync::Arc;
    let shell = Shell::new();
    for (name, byte) in [("a", 0xab), ("c", 0xcd)] {
        let tokens = arrow::array::FixedSizeBinaryArray::try_from_iter([vec![byte; 2]].into_iter()).unwrap();
        let columns = vec![("token", Arc::new(tokens) as arrow::array::ArrayRef), ("balance", numbers([1]))];
        shell.parquet(&format!("in/{name}.parquet"), columns);
    }
    shell.parquet("in/b.parquet", vec![("token", text(["0xabab"])), ("colour", text(["red"]))]);
    let line = format!("{LINE} --by token");
    assert_eq!(kept(shell.run(&line), "token", &["token=0xabab is absent"]), ["0xcdcd"]);
    // It shares a group with another, so that nothing is taken for its own.
    shell.parquet("in/d.parquet", vec![("token", text(["0xcdcd"])), ("balance", numbers([1]))]);
    cut(&shell, "in/d.parquet");
    assert!(kept(shell.run(&line), "token", &["which it may have"]).is_empty());
}

/// A value that is none of the column's is no group's.
#[test]
fn folders_of_another_kind_cost_nothing() {
    for name in ["week=x", "week=007"] {
        let shell = Shell::new();
        for week in ["7", "8", "__HIVE_DEFAULT_PARTITION__"] {
            shell.parquet(&format!("in/week={week}/a.parquet"), vec![("balance", numbers([1, 2]))]);
        }
        shell.parquet(&format!("in/{name}/a.parquet"), vec![("balance", numbers([1, 2]))]);
        cut(&shell, &format!("in/{name}/a.parquet"));
        let ran = shell.run(LINE).says(&[name, "1 file could not"]);
        assert_eq!((ran.status, ran.stdout.matches("n_rows").count()), (Some(3), 3), "{name}");
    }
}

#[test]
fn bad_cells_and_missing_columns_cost_their_file() {
    let shell = Shell::new();
    for (name, cells) in [("a", ["1", "2"]), ("b", ["3", "1,000"]), ("d", ["5", "6"])] {
        shell.parquet(&format!("in/{name}.parquet"), vec![("balance", text(cells))]);
    }
    shell.parquet("in/c.parquet", vec![("colour", text(["red"]))]);
    std::os::unix::fs::symlink("nowhere", shell.path("in/e.parquet")).unwrap();
    let told = ["in/b.parquet: column `balance`, row 2", "in/c.parquet", "in/e.parquet", "3 files could not"];
    assert_eq!(kept(shell.run(LINE), "snapshot", &told), ["a", "d"]);
    shell.run("analyze in").fails(1, &["in/c.parquet"]);
}

#[test]
fn nothing_is_left_of_nothing() {
    let shell = Shell::with_holders();
    cut(&shell, "h.parquet");
    shell.run("analyze h.parquet --keep-going").fails(1, &["h.parquet", "cut short"]);
    // What all groups need is no loss to go on with.
    write(&shell, "in/a.parquet", &[("x", 1)]);
    shell.parquet("r.parquet", vec![("owner", text(["a"])), ("reward", numbers([1]))]);
    cut(&shell, "r.parquet");
    shell.run(&format!("{LINE} --rewards r.parquet")).fails(1, &[]);
}

/// Deletes a file once the analysis has begun to read, and analyzes.
fn vanishing(keep_going: bool, spill_beyond: Option<usize>) -> concentra::Result<(usize, Vec<String>)> {
    let shell = Shell::new();
    for name in ["a", "b", "c"] {
        write(&shell, &format!("in/{name}.parquet"), &[("x", 1), ("y", 2)]);
    }
    let (calls, path) = (AtomicUsize::new(0), shell.path("in/c.parquet"));
    let interrupted = || {
        // The first is asked while paths are looked for, later ones while files are read.
        if calls.fetch_add(1, Ordering::Relaxed) == 1 {
            fs::remove_file(&path).unwrap();
        }
        false
    };
    let options = Options {
        paths: vec![shell.path("in").to_str().unwrap().into()],
        keep_going,
        spill_beyond,
        ..Options::default()
    };
    let (recorder, progress) = (Recorder::default(), Progress::hidden());
    let context = Context { recorder: &recorder, interrupted: &interrupted, progress: &progress };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let analysis = pool.install(|| concentra::analyze::analyze(&options, &context))?;
    Ok((analysis.results.rows(), analysis.lost.into_iter().map(|loss| loss.line).collect()))
}

#[test]
fn a_file_that_vanishes() {
    for spill_beyond in [None, Some(1)] {
        let error = vanishing(false, spill_beyond).err().unwrap().to_string();
        assert!(error.contains("c.parquet: cannot open the file"), "{error}");
        let (rows, lost) = vanishing(true, spill_beyond).unwrap();
        assert_eq!((rows, lost.len()), (4, 1));
        assert!(lost[0].contains("c.parquet") && lost[0].contains("No such file"), "{lost:?}");
    }
}

/// What fuzzing found: memory for two gigabytes in a file of two kilobytes, and a list of 2^60 elements that is skipped
/// beyond the end of its file.
#[test]
fn files_that_lie_about_their_size() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/findings");
    let shell = Shell::new();
    for (name, says) in [("page-of-2-gb", "a page claims"), ("header-without-end", "end of file")] {
        fs::copy(folder.join(format!("{name}.parquet")), shell.path("h.parquet")).unwrap();
        for owners in ["trust", "merge"] {
            let line = format!("analyze h.parquet --owners {owners}");
            shell.run(&line).fails(1, &["h.parquet", "cannot be decoded", says]);
        }
    }
}

/// Thousands of files with flipped bits, or cut short: each is analyzed or refused.
#[test]
fn thousands_of_damaged_files() {
    let shell = Shell::new();
    let owners: Vec<String> = (0..60).map(|i| format!("0x{:040x}", i % 41)).collect();
    let tokens: Vec<String> = (0..60).map(|i| format!("t{}", i % 3)).collect();
    let path = shell.parquet(
        "whole.parquet",
        vec![
            ("token", text(tokens.iter().map(String::as_str))),
            ("owner", text(owners.iter().map(String::as_str))),
            ("balance", numbers((0..60).map(|i| i * i * i))),
        ],
    );
    let whole = fs::read(path).unwrap();
    let damaged = shell.path("d.parquet");
    let mut seed = 7u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let (mut good, mut bad) = (0, 0);
    for round in 0..4000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random(3) {
            let at = random(bytes.len());
            bytes[at] ^= 1 << random(8);
        }
        if round % 8 == 0 {
            bytes.truncate(random(whole.len()));
        }
        fs::write(&damaged, bytes).unwrap();
        let options = Options {
            owners: if round % 2 == 0 { Default::default() } else { concentra::options::Owners::Merge },
            ..crate::support::options(&damaged)
        };
        match crate::support::try_analyze(&options) {
            Ok(analysis) => {
                good += 1;
                assert!(analysis.results.rows() > 0 || round % 8 == 0);
            }
            Err(error) => {
                bad += 1;
                assert_ne!(error.to_string(), "", "{error:?}");
            }
        }
    }
    assert!(good > 100 && bad > 1000, "{good} good, {bad} bad");
}
