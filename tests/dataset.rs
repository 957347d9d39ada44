//! `-o DIR/`: parts that are finished one by one, whatever happens in between.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use arrow::array::AsArray;

use crate::shell::{PROGRAM, Shell, counts_of, numbers, read, text};

/// So many snapshots of one token, in files of their own.
fn snapshots(shell: &Shell, files: usize, rows: u64) {
    for file in 0..files {
        let amounts = numbers((0..rows).map(|i| (i * 7919 + file as u64 * 31) % 1009 + 1));
        shell.parquet(&format!("in/s{file:03}.parquet"), vec![("balance", amounts)]);
    }
}

/// All files of a folder by name, those of its lock and its temporary files apart.
fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let file = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read(path).unwrap())
    };
    entries.map(file).collect()
}

/// The snapshots in all parts; no part is damaged, and no row is in two.
fn rows(folder: &Path) -> Vec<(String, u64)> {
    let mut rows = vec![];
    for name in bytes(folder).keys().filter(|name| !name.starts_with(['.', '_'])) {
        assert!(name.ends_with(".parquet"), "{name}");
        let table = read(&folder.join(name));
        let snapshots = table.column(0).as_string::<i32>().iter().map(|name| name.unwrap().to_owned());
        rows.extend(snapshots.zip(counts_of(&table, "n_rows").iter().copied()));
    }
    rows.sort();
    let mut once = rows.clone();
    once.dedup_by(|a, b| a.0 == b.0);
    assert_eq!(once, rows, "each row once");
    rows
}

/// Cuts the end off a file.
fn cut(shell: &Shell, name: &str) {
    let bytes = fs::read(shell.path(name)).unwrap();
    fs::write(shell.path(name), &bytes[..bytes.len() - 5]).unwrap();
}

fn ndjson(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_folder_is_the_same_result_in_parts() {
    let shell = Shell::new();
    snapshots(&shell, 100, 20);
    shell.run("analyze in -o out/").ok().says(&["100 groups in", "parts in out/"]);
    let names: Vec<String> = bytes(&shell.path("out")).into_keys().collect();
    assert!(names.iter().filter(|name| name.starts_with("part-")).count() > 1, "{names:?}");
    let others: Vec<&String> = names.iter().filter(|name| !name.starts_with("part-")).collect();
    assert_eq!(others, ["_lock", "_manifest.ndjson"]);
    let mut parts: Vec<serde_json::Value> = vec![];
    let mut columns = vec![];
    for name in names.iter().filter(|name| name.starts_with("part-")) {
        let part = read(&shell.path("out").join(name));
        columns.push(part.schema().fields().clone());
        let mut writer = arrow::json::ArrayWriter::new(vec![]);
        writer.write(&part).unwrap();
        writer.finish().unwrap();
        parts.extend(serde_json::from_slice::<Vec<serde_json::Value>>(&writer.into_inner()).unwrap());
    }
    assert!(columns.iter().all(|fields| *fields == columns[0]), "one schema");
    parts.sort_by_key(|row| row["snapshot"].as_str().unwrap().to_owned());
    let whole: Vec<serde_json::Value> = shell.run("analyze in --format json").json();
    let some = ["snapshot", "n_rows", "total", "gini", "hhi", "backend"];
    for (part, whole) in parts.iter().zip(&whole) {
        some.iter().for_each(|name| assert_eq!(part[name], whole[name], "{name}"));
    }
    assert_eq!(parts.len(), whole.len());
}

#[test]
fn only_what_is_missing_or_changed_is_made_again() {
    let shell = Shell::new();
    snapshots(&shell, 200, 20);
    shell.run("analyze in -o out/").ok();
    let before = bytes(&shell.path("out"));
    shell.run("analyze in -o out").ok().says(&["nothing was missing or changed"]);
    assert_eq!(bytes(&shell.path("out")), before);
    // A lost part, and one that is cut short.
    let parts: Vec<&String> = before.keys().filter(|name| name.starts_with("part-")).collect();
    fs::remove_file(shell.path("out").join(parts[0])).unwrap();
    fs::write(shell.path("out").join(parts[1]), "PAR1").unwrap();
    shell.run("analyze in -o out").ok().says(&["2 made"]);
    assert_eq!(bytes(&shell.path("out")), before);
    // A changed input, one more, and one fewer.
    shell.parquet("in/s050.parquet", vec![("balance", numbers([1, 2, 3]))]);
    shell.run("analyze in -o out").ok().says(&["1 made"]);
    shell.parquet("in/s0505.parquet", vec![("balance", numbers([1, 2]))]);
    fs::remove_file(shell.path("in/s000.parquet")).unwrap();
    let ran = shell.run("analyze in -o out").ok();
    assert!(!ran.stderr.contains(" 0 kept") && ran.stderr.contains("kept"), "{}", ran.stderr);
    let found = rows(&shell.path("out"));
    assert_eq!(found.len(), 200);
    assert!(found.contains(&("s050".into(), 3)) && found.contains(&("s0505".into(), 2)));
    // As if all had been made at once.
    shell.run("analyze in -o fresh/").ok();
    assert_eq!(bytes(&shell.path("out")), bytes(&shell.path("fresh")));
    shell.run("analyze in -o out --overwrite").ok().says(&["made"]);
    assert_eq!(bytes(&shell.path("out")), bytes(&shell.path("fresh")));
}

/// Rows of one group in several files are measured together, wherever their files end up.
#[test]
fn groups_across_files_are_whole() {
    let shell = Shell::new();
    for file in 0..60u64 {
        let blocks = numbers((0..4).map(|i| file / 2 * 10 + i));
        shell.parquet(
            &format!("in/{file:02}.parquet"),
            vec![("block_number", blocks), ("balance", numbers((0..4).map(|i| file + i + 1)))],
        );
    }
    shell.run("analyze in -o out/").ok();
    let mut found: Vec<(u64, u64)> = vec![];
    for name in bytes(&shell.path("out")).keys().filter(|name| name.starts_with("part-")) {
        let table = read(&shell.path("out").join(name));
        let rows = counts_of(&table, "block_number").iter().copied();
        found.extend(rows.zip(counts_of(&table, "n_rows").iter().copied()));
    }
    found.sort_unstable();
    let expected: Vec<(u64, u64)> =
        (0..30).flat_map(|pair| (0..4).map(move |i| (pair * 10 + i, 2))).collect();
    assert_eq!(found, expected);
    // One more file joins two groups of blocks that were apart.
    shell.parquet("in/99.parquet", vec![("block_number", numbers([0, 290])), ("balance", numbers([1, 1]))]);
    shell.run("analyze in -o out").ok();
    shell.run("analyze in -o fresh/").ok();
    assert_eq!(bytes(&shell.path("out")), bytes(&shell.path("fresh")));
}

/// Holders of a contract's token count in its place, whichever file they are in.
#[test]
fn contracts_are_looked_through_across_parts() {
    let shell = Shell::new();
    let address = |at: u64| format!("0x{at:040x}");
    for at in 0..90u64 {
        let owners = [address(1000 + (at + 1) % 90), address(5), address(6 + at)];
        let token = address(1000 + at);
        shell.parquet(
            &format!("in/{at:02}.parquet"),
            vec![
                ("token_address", text([&token[..]; 3])),
                ("owner", text(owners.iter().map(String::as_str))),
                ("balance", numbers([50 + at, 30, 20])),
            ],
        );
    }
    let options = "--snapshot none --look-through";
    let whole = shell.run(&format!("analyze in {options} --format json")).json();
    shell.run(&format!("analyze in {options} -o out/")).ok();
    let mut found: Vec<(Vec<u64>, usize)> = vec![];
    for name in bytes(&shell.path("out")).keys().filter(|name| name.starts_with("part-")) {
        let table = read(&shell.path("out").join(name));
        found.push((counts_of(&table, "n_looked_through").to_vec(), table.num_rows()));
    }
    let looked: u64 = found.iter().flat_map(|(counts, _)| counts).sum();
    let expected: u64 = whole.iter().map(|row| row["n_looked_through"].as_u64().unwrap()).sum();
    assert!(expected > 80);
    assert_eq!((looked, found.iter().map(|(_, rows)| rows).sum::<usize>()), (expected, 90));
    // Of a file that is lost, all groups may need the holders.
    cut(&shell, "in/17.parquet");
    let ran = shell.run(&format!("analyze in {options} --keep-going --format json"));
    assert_eq!((ran.status, ran.stdout.trim()), (Some(3), "[]"));
}

/// A group that is in two files although their statistics say that it cannot be.
#[test]
fn wrong_statistics_are_found_out() {
    let shell = Shell::new();
    let write = |name: &str, blocks: [u64; 2]| {
        let columns = vec![("block_number", numbers(blocks)), ("balance", numbers([1, 2]))];
        shell.parquet(name, columns)
    };
    for at in 0..80 {
        write(&format!("in/{at:02}.parquet"), [at * 10, at * 10]);
    }
    let path = write("in/000.parquet", [0x0101_0101_0101, 0x0202_0202_0202]);
    write("in/y.parquet", [0x0202_0202_0202; 2]);
    shell.run("analyze in --metrics gini -o out/").ok();
    // The greatest block, wherever the footer tells it.
    let mut bytes = fs::read(&path).unwrap();
    let pages =
        bytes.len() - u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap()) as usize - 8;
    let greatest = 0x0202_0202_0202u64.to_le_bytes();
    for at in pages..bytes.len() - 8 {
        if bytes[at..].starts_with(&greatest) {
            bytes[at + 5] = 1;
        }
    }
    fs::write(path, bytes).unwrap();
    fs::remove_dir_all(shell.path("out")).unwrap();
    let ran = shell.run("analyze in --metrics gini -o out/");
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    ran.says(&["statistics", "are wrong", "parts are finished"]);
    shell.run("analyze in --metrics gini -o whole.csv").ok();
    // Also where the other file comes later.
    let later = fs::read(shell.path("in/y.parquet")).unwrap();
    fs::remove_file(shell.path("in/y.parquet")).unwrap();
    shell.run("analyze in --metrics gini -o later/").ok();
    fs::write(shell.path("in/y.parquet"), later).unwrap();
    shell.run("analyze in --metrics gini -o later/").fails(1, &["statistics", "are wrong"]);
}

#[test]
fn other_options_need_another_folder() {
    let shell = Shell::new();
    snapshots(&shell, 3, 20);
    shell.run("analyze in -o out/").ok();
    let before = bytes(&shell.path("out"));
    let refused = shell.run("analyze in -o out/ --decimals 6");
    refused.fails(2, &["was made in another way", "decimals", "--overwrite"]);
    assert_eq!(bytes(&shell.path("out")), before);
    shell.run("analyze in -o out/ --decimals 6 --overwrite").ok();
    assert_ne!(bytes(&shell.path("out")), before);
    // Lists count by what is in them.
    shell.file("list.txt", "0xaa\n");
    fs::remove_dir_all(shell.path("in")).unwrap();
    let owners = || text(["0xaa", "0xbb", "0xcc"]);
    shell.parquet("in/a.parquet", vec![("owner", owners()), ("balance", numbers([1, 2, 3]))]);
    shell.run("analyze in -o listed/ --exclude list.txt").ok();
    shell.file("list.txt", "0xbb\n");
    shell.run("analyze in -o listed/ --exclude list.txt").fails(2, &["was made in another way"]);
}

#[test]
fn places_that_are_no_place_for_results() {
    let shell = Shell::new();
    snapshots(&shell, 2, 5);
    shell.parquet("mine/mine.parquet", vec![("balance", numbers([1]))]);
    for (line, parts) in [
        ("-o mine", &["mine.parquet", "would be read as one"][..]),
        ("-o in", &["results and inputs"]),
        ("-o in/out/", &["results and inputs"]),
        ("-o out/ --format csv", &["--format"]),
        ("-o out/ --explain", &["--explain"]),
        ("-o out/ --rewards mine/mine.parquet --reward balance", &["--rewards"]),
        ("./**/*.parquet -o out/", &["results and inputs"]),
        ("-o mine/sub/ --records mine/sub/r.parquet", &[]),
    ] {
        let ran = shell.run(&format!("analyze in {line}"));
        assert!(matches!(ran.status, Some(1 | 2)), "{line}: {}", ran.stderr);
        ran.says(parts);
    }
    shell.run("analyze in -o no/folder/").fails(1, &["no/folder/", "cannot make the folder"]);
    // Where nobody may write, root neither.
    if cfg!(target_os = "linux") {
        shell.run("analyze in -o /proc/results/").fails(1, &["/proc/results/", "cannot make the folder"]);
    }
    shell.run("analyze in -o out/").ok();
    shell.run("analyze in -o out/ --records out/r.parquet").fails(2, &["r.parquet", "elsewhere"]);
    shell.file("out/_manifest.ndjson", "{\n");
    shell.run("analyze in -o out/").fails(2, &["_manifest.ndjson", "--overwrite"]);
    shell.run("analyze in -o out/ --overwrite").ok();
    shell
        .pipe(fs::read(shell.path("in/s000.parquet")).unwrap(), "analyze - -o other/")
        .fails(2, &["standard input"]);
    // What names of results begin with is left alone; so are files that are no Parquet.
    shell.file("out/_notes.parquet", "mine");
    shell.file("out/notes.txt", "mine");
    shell.run("analyze in -o out/").ok();
    assert!(shell.path("out/notes.txt").exists() && shell.path("out/_notes.parquet").exists());
}

#[test]
fn one_run_at_a_time() {
    let shell = Shell::new();
    snapshots(&shell, 2, 5);
    shell.run("analyze in -o out/").ok();
    let lock = fs::OpenOptions::new().write(true).open(shell.path("out/_lock")).unwrap();
    lock.lock().unwrap();
    fs::write(shell.path("out/_lock"), "4711").unwrap();
    shell.run("analyze in -o out/").fails(2, &["another run (process 4711)", "out/"]);
    drop(lock);
    // Whoever held it is gone, though its number is still there.
    shell.run("analyze in -o out/").ok();
    assert_eq!(fs::read(shell.path("out/_lock")).unwrap(), b"");
}

#[test]
fn a_batch_goes_on_without_files_that_fail() {
    let shell = Shell::new();
    snapshots(&shell, 100, 20);
    let path = shell.path("in/s040.parquet");
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() - 5]).unwrap();
    shell.run("analyze in -o out/").fails(1, &["s040.parquet", "cut short"]);
    let ran =
        shell.run("analyze in -o out/ --keep-going").says(&["s040.parquet", "1 file could not be used"]);
    assert_eq!(ran.status, Some(3));
    assert_eq!(rows(&shell.path("out")).len(), 99);
    let ran = shell.run("analyze in -o out/ --keep-going").says(&["s040.parquet", "nothing was missing"]);
    assert_eq!(ran.status, Some(3), "it is still told");
    let manifest = fs::read_to_string(shell.path("out/_manifest.ndjson")).unwrap();
    assert!(manifest.lines().next().unwrap().contains("s040.parquet"), "and it is written down: {manifest}");
    // Its pages, not its footer: its part is tried again each time.
    let mut bytes = good.clone();
    bytes[4..30].fill(0xee);
    fs::write(&path, bytes).unwrap();
    // What is wrong must be mended first: the same command would end there again.
    let ran = shell.run("analyze in -o strict/").says(&["s040.parquet", "parts are finished in strict/"]);
    assert!(ran.status == Some(1) && !ran.stderr.contains("the same command"), "{}", ran.stderr);
    for _ in 0..2 {
        let ran = shell.run("analyze in -o out/ --keep-going").says(&["s040.parquet", "1 made"]);
        assert_eq!((ran.status, rows(&shell.path("out")).len()), (Some(3), 99));
    }
    let parts = ndjson(&shell.path("out/_manifest.ndjson"));
    assert_eq!(parts.iter().filter(|part| part["again"] == true).count(), 1);
    fs::write(&path, good).unwrap();
    shell.run("analyze in -o out/").ok();
    assert_eq!(rows(&shell.path("out")).len(), 100);
}

/// Where nothing is left of a part, it is empty, and the others are made.
#[test]
fn a_part_of_which_all_files_fail() {
    let shell = Shell::new();
    for file in 0..6 {
        let blocks = numbers([1, 2].into_iter().chain((0..9).map(|row| file * 100 + 10 + row)));
        shell.parquet(
            &format!("in/{file}.parquet"),
            vec![("block_number", blocks), ("balance", numbers(1..=11))],
        );
    }
    // One part, for all share groups; and all of them fail.
    for file in 0..6 {
        let path = shell.path(&format!("in/{file}.parquet"));
        let mut bytes = fs::read(&path).unwrap();
        bytes[4..200].fill(0xee);
        fs::write(path, bytes).unwrap();
    }
    shell.parquet("in/good.parquet", vec![("block_number", numbers([9999])), ("balance", numbers([3]))]);
    let ran = shell.run("analyze in -o out/ --keep-going").says(&["6 files could not be used"]);
    assert_eq!(ran.status, Some(3));
    let rows: u64 =
        ndjson(&shell.path("out/_manifest.ndjson")).iter().filter_map(|part| part["rows"].as_u64()).sum();
    assert_eq!(rows, 1);
}

/// A file that cannot be opened, where its folder says which groups it has: they are absent from then on, and back with
/// it.
#[test]
fn groups_go_and_come_with_their_files() {
    let shell = Shell::new();
    let write = |name: &str| shell.parquet(name, vec![("balance", numbers([1, 2]))]);
    for week in 1..70 {
        write(&format!("in/week={week}/a.parquet"));
    }
    shell.run("analyze in -o out/ --keep-going").ok();
    write("in/week=7/b.parquet");
    cut(&shell, "in/week=7/b.parquet");
    let ran = shell.run("analyze in -o out/ --keep-going").says(&["group week=7 is absent", "1 made"]);
    assert_eq!(ran.status, Some(3));
    shell.run("analyze in -o out/ --keep-going").says(&["group week=7 is absent", "nothing was missing"]);
    fs::remove_file(shell.path("in/week=7/b.parquet")).unwrap();
    shell.run("analyze in -o out/ --keep-going").ok().says(&["69 groups", "1 made"]);
    shell.run("analyze in -o fresh/").ok();
    assert_eq!(bytes(&shell.path("out")), bytes(&shell.path("fresh")));
}

#[test]
fn parts_that_go_are_told() {
    let shell = Shell::new();
    snapshots(&shell, 200, 20);
    shell.run("analyze in -o out/").ok();
    let ran = shell
        .run("analyze in/s199.parquet -o out/")
        .ok()
        .says(&["1 group in 1 part", "removed whose inputs"]);
    assert!(!ran.stderr.contains("kept"), "{}", ran.stderr);
    // However the same input is written.
    shell.run("analyze in -o out/").ok();
    shell.run("analyze ./in -o out/").ok().says(&["nothing was missing"]);
    let full = shell.path("in");
    shell.run_words(&["analyze", full.to_str().unwrap(), "-o", "out/"]).ok().says(&["nothing was missing"]);
    // What cannot be gone on with leaves nothing behind.
    shell.run("analyze in -o gone/ --device nobody").fails(4, &["nobody"]);
    assert!(!shell.path("gone").exists());
}

/// Groups are those that a file of no use has now, not those that it had.
#[test]
fn lost_files_that_change() {
    let shell = Shell::new();
    let blocks = vec![("block_number", numbers([1, 2, 3])), ("balance", numbers([5, 6, 7]))];
    shell.parquet("in/a.parquet", blocks);
    let lost = |block: u64| {
        shell.parquet("in/b.parquet", vec![("block_number", numbers([block])), ("colour", text(["red"]))]);
        let ran = shell.run("analyze in -o out/ --keep-going");
        assert_eq!(ran.status, Some(3), "{}", ran.stderr);
        let name = bytes(&shell.path("out")).into_keys().find(|name| name.starts_with("part-")).unwrap();
        counts_of(&read(&shell.path("out").join(name)), "block_number").to_vec()
    };
    assert_eq!((lost(1), lost(3)), (vec![2, 3], vec![1, 2]));
}

/// A manifest whose last line was cut short is mended before another is appended.
#[test]
fn a_torn_manifest() {
    let shell = Shell::new();
    snapshots(&shell, 200, 20);
    shell.run("analyze in -o out/").ok();
    let before = bytes(&shell.path("out"));
    let manifest = &before["_manifest.ndjson"];
    let lines = manifest.split_inclusive(|&b| b == b'\n').count();
    assert!(lines > 3);
    fs::write(shell.path("out/_manifest.ndjson"), &manifest[..manifest.len() - 20]).unwrap();
    // The run that finds it ends at the first part that it makes.
    let last = before.keys().rfind(|name| name.starts_with("part-")).unwrap();
    fs::remove_file(shell.path("out").join(last)).unwrap();
    fs::create_dir(shell.path("out").join(last)).unwrap();
    assert_ne!(shell.run("analyze in -o out/").status, Some(0));
    fs::remove_dir(shell.path("out").join(last)).unwrap();
    shell.run("analyze in -o out/").ok().says(&["1 made"]);
    assert_eq!(bytes(&shell.path("out")), before);
}

/// The command goes on as it is, its records with it.
#[test]
fn records_of_a_batch() {
    let shell = Shell::new();
    snapshots(&shell, 100, 20);
    let line = "analyze in -o out/ --records r.json --trace t.json";
    shell.run(line).ok();
    let records: Vec<serde_json::Value> =
        serde_json::from_slice(&fs::read(shell.path("r.json")).unwrap()).unwrap();
    let of = |stage: &str| records.iter().filter(|event| event["stage"] == stage).count();
    assert_eq!((of("open"), of("read")), (100, 100));
    let sorted: HashSet<&str> = records
        .iter()
        .filter(|event| event["stage"] == "sort")
        .map(|event| event["task"].as_str().unwrap())
        .collect();
    assert!(sorted.len() > 1 && sorted.iter().all(|task| task.starts_with("part-")), "{sorted:?}");
    shell.run(line).ok().says(&["nothing was missing"]);
}

/// No file may grow beyond a few kilobytes: what a full disk does.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing() {
    let shell = Shell::new();
    snapshots(&shell, 100, 20);
    shell.run("analyze in -o whole/").ok();
    let largest = bytes(&shell.path("whole")).values().map(Vec::len).max().unwrap();
    let script = "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"";
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", script, "sh", &(largest / 512 - 1).to_string()]).arg(PROGRAM);
    limited.args(["analyze", "in", "-o", "out/", "-j", "1"]).stdin(Stdio::null());
    limited.current_dir(shell.path("."));
    let ran = crate::shell::finish(limited, vec![]);
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    ran.says(&["parts are finished in out/", "the same command goes on", "because"]);
    rows(&shell.path("out"));
    assert!(bytes(&shell.path("out")).keys().all(|name| !name.ends_with(".tmp")));
    shell.run("analyze in -o out/").ok();
    assert_eq!(bytes(&shell.path("out")), bytes(&shell.path("whole")));
}

/// A moment between none and this.
fn moment(seed: &mut u64, most: Duration) -> Duration {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    most.mul_f64((*seed >> 33) as f64 / (1u64 << 31) as f64)
}

#[cfg(unix)]
#[test]
fn ctrl_c_says_how_to_go_on() {
    let shell = Shell::new();
    snapshots(&shell, 200, 6000);
    let began = Instant::now();
    shell.run("analyze in -o whole/").ok();
    let lasts = began.elapsed();
    let (mut seed, mut stopped) = (3, 0);
    for round in 0..40 {
        let mut command = shell.command();
        command.args(["analyze", "in", "-o", &format!("out{round}/")]).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        std::thread::sleep(lasts.mul_f64(0.2) + moment(&mut seed, lasts.mul_f64(0.7)));
        let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if kill.unwrap().success() && output.status.code() == Some(130) && said.contains("parts are finished")
        {
            assert!(said.contains("interrupted") && said.contains("the same command goes on"), "{said}");
            assert!(bytes(&shell.path(&format!("out{round}"))).keys().all(|name| !name.ends_with(".tmp")));
            stopped += 1;
            if stopped == 3 {
                break;
            }
        }
    }
    assert_eq!(stopped, 3, "runs that were stopped while they worked");
}

/// 300 files, one of twenty of them corrupt, killed at twenty random moments and gone on with: in the end all bytes are
/// those of a run that nobody disturbed, and at each moment the folder is a valid result.
#[test]
fn soak() {
    let shell = Shell::new();
    snapshots(&shell, 300, 2000);
    for file in (7..300).step_by(20) {
        let path = shell.path(&format!("in/s{file:03}.parquet"));
        let mut bytes = fs::read(&path).unwrap();
        // Footers and pages by turns.
        let damage = if file % 40 == 7 { bytes.len() - 30..bytes.len() } else { 4..40 };
        bytes[damage].fill(0xee);
        fs::write(path, bytes).unwrap();
    }
    let line = |folder: &str| format!("analyze in -o {folder}/ --keep-going -q");
    let began = Instant::now();
    assert_eq!(shell.run(&line("whole")).status, Some(3));
    let lasts = began.elapsed();
    let whole = rows(&shell.path("whole"));
    assert_eq!(whole.len(), 285);
    let whole: HashSet<(String, u64)> = whole.into_iter().collect();

    let (mut seed, mut kills, mut within, mut folder) = (1, 0, 0, 0);
    while kills < 20 {
        let name = format!("killed{folder}");
        let mut command = std::process::Command::new(PROGRAM);
        command.args(line(&name).split_whitespace()).current_dir(shell.path("."));
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(moment(&mut seed, lasts.mul_f64(0.7)));
        if let Some(status) = child.try_wait().unwrap() {
            // It was faster: the next moments are for another folder.
            assert_eq!(status.code(), Some(3));
            folder += 1;
            continue;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        if shell.path(&name).exists() {
            let found = rows(&shell.path(&name));
            assert!(found.iter().all(|row| whole.contains(row)));
            within += usize::from(!found.is_empty() && found.len() < whole.len());
        }
    }
    for folder in 0..=folder {
        let name = format!("killed{folder}");
        assert_eq!(shell.run(&line(&name)).status, Some(3));
        assert_eq!(bytes(&shell.path(&name)), bytes(&shell.path("whole")), "{name}");
    }
    assert!(within > 2, "{within} kills between the first part and the last");
}
