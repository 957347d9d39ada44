//! `--records`, `--trace` and `--timing`: what ran where, and for how long.

use std::collections::{HashMap, HashSet};
use std::fs;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{UInt32Type, UInt64Type};
use serde_json::Value;

use crate::shell::{Shell, numbers, read, text};

/// Three files, one of them in two row groups and one without rows.
fn shell() -> Shell {
    let shell = Shell::new();
    for (name, holders) in [("a", 90_000), ("b", 7), ("c", 0)] {
        let groups: Vec<String> = (0..holders).map(|i| format!("t{}", i % 3)).collect();
        let groups = text(groups.iter().map(String::as_str));
        let properties = parquet::file::properties::WriterProperties::builder();
        let properties = properties.set_max_row_group_row_count(Some(60_000)).build();
        let columns = vec![("token", groups), ("balance", numbers((0..holders).map(|i| i * i + 1)))];
        shell.parquet_with(&format!("in/{name}.parquet"), columns, properties);
    }
    shell
}

fn texts(table: &RecordBatch, name: &str) -> Vec<Option<String>> {
    table.column_by_name(name).expect(name).as_string::<i32>().iter().map(|t| t.map(str::to_owned)).collect()
}

fn wide(table: &RecordBatch, name: &str) -> Vec<Option<u64>> {
    table.column_by_name(name).expect(name).as_primitive::<UInt64Type>().iter().collect()
}

fn narrow(table: &RecordBatch, name: &str) -> Vec<Option<u32>> {
    table.column_by_name(name).expect(name).as_primitive::<UInt32Type>().iter().collect()
}

#[test]
fn a_row_for_every_file_and_task() {
    let shell = shell();
    shell.run("analyze in -j 2 --device cpu --records r.parquet -o out.parquet").ok();
    let table = read(&shell.path("r.parquet"));
    let (stages, inputs) = (texts(&table, "stage"), texts(&table, "input"));
    let whole: Vec<usize> =
        (0..table.num_rows()).filter(|&row| wide(&table, "piece_of")[row].is_none()).collect();
    let of_stage = |stage: &str| -> Vec<usize> {
        whole.iter().copied().filter(|&row| stages[row].as_deref() == Some(stage)).collect()
    };
    let files = |stage: &str| -> Vec<String> {
        let mut files: Vec<String> = of_stage(stage).iter().filter_map(|&row| inputs[row].clone()).collect();
        files.sort();
        files
    };
    assert_eq!(files("open"), ["in/a.parquet", "in/b.parquet", "in/c.parquet"]);
    assert_eq!(files("read"), ["in/a.parquet", "in/a.parquet", "in/b.parquet", "in/c.parquet"]);
    let rows = wide(&table, "rows");
    let sum = |stage: &str| of_stage(stage).iter().filter_map(|&row| rows[row]).sum::<u64>();
    assert_eq!((sum("read"), sum("sort"), sum("finish")), (90_007, 90_007, 6));
    let sorted = of_stage("sort")[0];
    assert_eq!((wide(&table, "first_group")[sorted], wide(&table, "last_group")[sorted]), (Some(0), Some(5)));
    assert_eq!(wide(&table, "bytes_in")[sorted], Some(8 * 90_007));
    assert_eq!(texts(&table, "backend")[sorted].as_deref(), Some("cpu"));
    assert!(texts(&table, "status").iter().all(|status| status.as_deref() == Some("ok")));
    assert!(narrow(&table, "attempts").iter().all(|&attempts| attempts == Some(1)));
    assert_eq!(texts(&table, "run").into_iter().collect::<HashSet<_>>().len(), 1);
}

#[test]
fn workers_share_tasks_in_pieces() {
    let shell = shell();
    shell.run("analyze in -j 2 --device cpu --records r.parquet -o out.parquet").ok();
    let table = read(&shell.path("r.parquet"));
    let (numbers, of, workers) = (wide(&table, "event"), wide(&table, "piece_of"), narrow(&table, "worker"));
    let row_of: HashMap<u64, usize> = numbers.iter().flatten().copied().zip(0..).collect();
    assert_eq!(row_of.len(), table.num_rows(), "numbers are each event's own");
    let pieces: Vec<usize> = (0..table.num_rows()).filter(|&row| of[row].is_some()).collect();
    assert!(!pieces.is_empty());
    let (starts, lasts) = (wide(&table, "start_ns"), wide(&table, "duration_ns"));
    for piece in pieces {
        let whole = row_of[&of[piece].unwrap()];
        assert_eq!(texts(&table, "stage")[piece], texts(&table, "stage")[whole]);
        assert!(workers[piece].is_some_and(|worker| worker < 2) && workers[whole].is_none());
        let end = |row: usize| starts[row].unwrap() + lasts[row].unwrap();
        assert!(starts[piece] >= starts[whole] && end(piece) <= end(whole), "a piece lies within its task");
    }
}

/// Chrome's format: every event has a track that is named, and those of a worker nest.
#[test]
fn a_trace_is_well_formed() {
    let shell = shell();
    shell.run("analyze in -j 2 --trace t.json -o out.parquet").ok().says(&["trace written to t.json"]);
    let trace: Value = serde_json::from_slice(&fs::read(shell.path("t.json")).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    assert_eq!(events.iter().filter(|event| event["name"] == "process_name").count(), 1);
    let tracks: HashMap<u64, &str> = events
        .iter()
        .filter(|event| event["name"] == "thread_name")
        .map(|event| (event["tid"].as_u64().unwrap(), event["args"]["name"].as_str().unwrap()))
        .collect();
    let mut of_tracks: HashMap<u64, Vec<(f64, f64)>> = HashMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let (start, lasts) = (event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap());
        assert!(start >= 0.0 && lasts >= 0.0 && event["pid"] == 1);
        of_tracks.entry(event["tid"].as_u64().unwrap()).or_default().push((start, start + lasts));
    }
    assert!(of_tracks.keys().all(|track| tracks.contains_key(track)));
    for (track, mut intervals) in of_tracks {
        if !tracks[&track].starts_with("worker") {
            continue;
        }
        intervals.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
        let mut open: Vec<f64> = vec![];
        for (start, end) in intervals {
            while open.last().is_some_and(|&last| last <= start) {
                open.pop();
            }
            // Microseconds are rounded in decimal.
            assert!(open.last().is_none_or(|&last| end <= last + 0.01), "intervals of a worker nest");
            open.push(end);
        }
    }
}

#[test]
fn what_failed_is_in_the_records() {
    let shell = shell();
    let good = fs::read(shell.path("in/a.parquet")).unwrap();
    shell.file("in/a.parquet", &good[..good.len() - 9]);
    let line = "analyze in --records r.json --trace t.json -o out.parquet";
    shell.run(line).says(&["a.parquet", "cut short"]);
    let records: Value = serde_json::from_slice(&fs::read(shell.path("r.json")).unwrap()).unwrap();
    let failed: Vec<&Value> =
        records.as_array().unwrap().iter().filter(|event| event["status"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!((&failed[0]["stage"], &failed[0]["input"]), (&"open".into(), &"in/a.parquet".into()));
    assert!(failed[0]["error"].as_str().unwrap().contains("cut short"));
    assert!(!shell.path("out.parquet").exists());
}

#[test]
fn every_computing_command_keeps_records() {
    let shell = shell();
    for (line, stage) in [
        ("sweep in --top-holders all,10 --format csv", "sort"),
        ("power in --by none --players 3 --samples 100 --method sample --format csv", "sample"),
        ("compare in --devices cpu --runs 1", "sort"),
    ] {
        shell.run(&format!("{line} --records r.csv --overwrite")).ok();
        let records = fs::read_to_string(shell.path("r.csv")).unwrap();
        assert!(records.lines().any(|line| line.split(',').nth(3) == Some(stage)), "{line}: {records}");
        assert!(records.contains("open"), "{line}");
    }
}

#[test]
fn records_have_a_place_of_their_own() {
    let shell = Shell::with_holders();
    for (line, parts) in [
        ("-o a.parquet --records a.parquet", "--records"),
        ("-o a.json --trace ./a.json", "--trace"),
        ("--records a.json --trace a.json", "--trace"),
        ("--records a.md", "--records"),
        ("--format csv --records -", "--records"),
    ] {
        shell.run(&format!("analyze h.parquet {line}")).fails(2, &[parts]);
    }
    shell.file("r.csv", "mine");
    shell.run("analyze h.parquet --records r.csv").fails(2, &["r.csv", "--overwrite"]);
    assert_eq!(shell.everything(), ["h.parquet", "r.csv"]);
}

#[test]
fn timing_tells_balance_and_critical_path() {
    let shell = shell();
    let ran = shell.run("analyze in -j 2 --timing --format csv").ok();
    for name in ["open", "read", "sort", "wall", "balance", "critical"] {
        assert!(ran.stderr.lines().any(|line| line.starts_with(name)), "{name}: {}", ran.stderr);
    }
    let balance = ran.stderr.lines().find(|line| line.starts_with("balance")).unwrap();
    let balance: f64 = balance.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((1.0..=2.0).contains(&balance), "{balance}");
}

/// A device's work is told as its own.
#[cfg(feature = "gpu")]
#[test]
fn devices_are_named() {
    let shell = shell();
    for adapter in crate::devices::tested() {
        let words = ["analyze", "in", "--device", adapter.name(), "--records", "r.json", "--overwrite"];
        shell.run_words(&[&words[..], &["--format", "csv"]].concat()).ok();
        let records: Value = serde_json::from_slice(&fs::read(shell.path("r.json")).unwrap()).unwrap();
        let sorted = records.as_array().unwrap().iter().find(|event| event["stage"] == "sort").unwrap();
        assert_eq!((&sorted["backend"], &sorted["adapter"]), (&"gpu".into(), &adapter.name().into()));
    }
}

/// Intervals within one another count once, and idle workers count as workers.
#[test]
fn balance_of_a_recorder() {
    use concentra::record::{Recorder, Stage, Volume};
    let recorder = Recorder::default();
    assert_eq!(recorder.balance(), 1.0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let nap = || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        Ok(())
    };
    pool.install(|| {
        let inner = || recorder.time(Stage::Sort, "inner", Volume::default(), nap);
        recorder.time(Stage::Read, "outer", Volume::default(), inner).unwrap();
    });
    // One of two workers did all.
    assert!((recorder.balance() - 2.0).abs() < 1e-9, "{}", recorder.balance());
    let (busy, events) = (recorder.busy(), recorder.events());
    assert_eq!(busy.iter().sum::<u64>(), events[0].duration_ns, "the outer event, once");
}
