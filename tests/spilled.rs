//! Rows that do not fit into memory: the same bits by way of the disk, and what may go wrong on it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, Decimal128Array, StringArray};
use concentra::ingest::Context;
use concentra::options::{Options, Owners};
use concentra::record::Recorder;
use concentra::{Error, Result};

use crate::shell::Shell;
use crate::support::{Folder, Table, analyze_everywhere, f64s, options, texts, try_analyze, u64s};

/// Groups of 1 to 2000 rows, in no order.
const SIZES: [usize; 6] = [2000, 1, 7, 700, 40, 1200];

/// The rows of groups of `SIZES` in a scrambled order: each row's group and a number of its own.
fn rows() -> Vec<(usize, u64)> {
    let mut rows: Vec<(usize, u64)> =
        SIZES.iter().enumerate().flat_map(|(group, &n)| (0..n as u64).map(move |i| (group, i))).collect();
    rows.sort_by_key(|&(group, i)| (i * 5 + group as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    rows
}

/// Files of all rows, with amounts of every kind: name, amounts.
fn inputs() -> Vec<(&'static str, ArrayRef)> {
    let rows = rows();
    let of = |amount: &dyn Fn(u64) -> u128| -> Vec<u128> { rows.iter().map(|&(_, i)| amount(i)).collect() };
    let spread = of(&|i| 1 + u128::from(i.wrapping_mul(7919) % 1009) * 1_000_000_000_000_000_003);
    // Most are one amount, which no border between values may divide badly.
    let equal = of(&|i| if i.is_multiple_of(9) { u128::from(i) } else { 400 });
    // Holders in pairs of amounts that keys round: half the total is a tie.
    let ties = of(&|i| 500_000_000_000_000_000_000_000_001 + u128::from(i / 2));
    let decimals: Vec<String> =
        rows.iter().map(|&(_, i)| format!("{}.{}", i % 13, i.wrapping_mul(31) % 1000)).collect();
    let doubles: Vec<f64> = rows.iter().map(|&(_, i)| (i % 97) as f64 * 0.1).collect();
    let shorts: Vec<u64> = spread.iter().map(|&a| a as u64).collect();
    let exact = Decimal128Array::from_iter_values(ties.iter().map(|&a| a as i128));
    vec![
        ("integers", u64s(&shorts)),
        ("text", texts(&spread)),
        ("equal", texts(&equal)),
        ("ties", Arc::new(exact.with_precision_and_scale(38, 0).unwrap())),
        ("decimals", texts(&decimals)),
        ("doubles", f64s(&doubles)),
    ]
}

/// Every fifth owner has a row already, in another case.
fn owners() -> ArrayRef {
    let owner = |&(_, i): &(usize, u64)| {
        if i.is_multiple_of(5) { format!("0xAB{:04X}", i / 10) } else { format!("0xab{i:04x}") }
    };
    Arc::new(StringArray::from_iter_values(rows().iter().map(owner)))
}

fn write(folder: &Folder, name: &str, amounts: ArrayRef) -> std::path::PathBuf {
    let tokens: Vec<String> = rows().iter().map(|(group, _)| format!("token-{group}")).collect();
    let columns = [("token", texts(&tokens)), ("owner", owners()), ("balance", amounts)];
    folder.write_row_groups(&format!("{name}.parquet"), &columns, 300)
}

fn table(options: &Options) -> Result<Table> {
    try_analyze(options).map(|analysis| Table(analysis.results.table().unwrap()))
}

/// Partitions of one holder, of a few, of a group and of all: the result is the same in every bit.
#[test]
fn partitions_of_any_size_give_the_same_bits() {
    let folder = Folder::new();
    for (name, amounts) in inputs() {
        let path = write(&folder, name, amounts);
        for owners in [Owners::Trust, Owners::Merge] {
            for pooled in [false, true] {
                let by = if pooled { concentra::options::By::Nothing } else { options(&path).by };
                let options = Options { owners, by, ..options(&path) };
                let expected = table(&options).unwrap();
                for spill_beyond in [1, 37, 300, 1000, 1 << 20] {
                    let options = Options { spill_beyond: Some(spill_beyond), ..options.clone() };
                    let analysis = try_analyze(&options).unwrap();
                    assert_eq!(
                        expected.0,
                        analysis.results.table().unwrap(),
                        "{name}, {owners:?}, {spill_beyond}"
                    );
                    // Amounts are read again, and sorted range by range, in these.
                    assert!(analysis.ties > 0 || name != "ties" || pooled);
                }
            }
        }
    }
}

/// The same on every adapter: whole groups and value ranges are measured there, too.
#[test]
fn partitions_give_the_same_bits_on_devices() {
    let folder = Folder::new();
    for (name, amounts) in inputs() {
        let path = write(&folder, name, amounts);
        analyze_everywhere(&options(&path));
    }
}

#[test]
fn the_plan_tells_partitions_and_bytes() {
    let folder = Folder::new();
    let (_, amounts) = inputs().swap_remove(0);
    let path = write(&folder, "plan", amounts);
    let analysis = try_analyze(&Options { spill_beyond: Some(1000), ..options(&path) }).unwrap();
    let plan = analysis.plan.to_string();
    let n: usize = SIZES.iter().sum();
    // Two groups are cut: their keys take 8 bytes, those of the others 12.
    let bytes = 8 * (2000 + 1200) + 12 * (n - 3200);
    let line = plan.lines().find(|line| line.starts_with("memory")).unwrap();
    let expected = format!("{:.1} kB expected on disk", bytes as f64 / 1e3);
    assert!(line.contains(&expected) && line.contains("partitions of up to 1000 holders"), "{line}");
    assert!(line.ends_with(&format!("; {:.1} kB written", bytes as f64 / 1e3)), "{line}");
    let in_memory = try_analyze(&options(&path)).unwrap().plan.to_string();
    assert!(in_memory.contains("nothing on disk"), "{in_memory}");
}

/// Errors name the same rows.
#[test]
fn errors_are_the_same_by_way_of_the_disk() {
    let folder = Folder::new();
    let run = |name: &str, columns: &[(&str, ArrayRef)], owners: Owners| {
        let path = folder.write_row_groups(&format!("{name}.parquet"), columns, 3);
        let in_memory = table(&Options { owners, ..options(&path) }).unwrap_err().to_string();
        let spilled = table(&Options { owners, spill_beyond: Some(2), ..options(&path) });
        assert_eq!(in_memory, spilled.unwrap_err().to_string());
        in_memory
    };
    let six = ["a", "b", "c", "d", "b", "a"];
    let plain = u64s(&[1, 2, 3, 4, 5, 6]);
    let twice = [("owner", texts(&six)), ("balance", plain.clone())];
    assert!(run("twice", &twice, Owners::Check).contains("row 5"));
    let nobody = Arc::new(StringArray::from(vec![Some("a"), Some("b"), None, Some("c"), None, Some("d")]));
    assert!(run("nobody", &[("owner", nobody), ("balance", plain)], Owners::Merge).contains("row 3"));
    let negative = texts(&["1", "2", "3", "4", "-5", "6"]);
    assert!(run("negative", &[("balance", negative)], Owners::Trust).contains("row 5"));
    let mixed = texts(&["0.1", "2", "3", "4", "5", &"9".repeat(77)]);
    assert!(run("mixed", &[("balance", mixed)], Owners::Trust).contains("row 6"));
    let apart = f64s(&[1e300, 1.0, 1.0, 1.0, 1e-300, 1.0]);
    assert!(run("apart", &[("balance", apart)], Owners::Trust).contains("row 2"));
}

/// Analyzes by way of the disk, and does something to the file once it was read so many times in part.
fn disturbed(path: &Path, batches: usize, disturb: impl Fn() + Sync) -> Error {
    let (recorder, seen) = (Recorder::default(), AtomicUsize::new(0));
    let interrupted = || {
        if seen.fetch_add(1, Ordering::Relaxed) == batches {
            disturb();
        }
        false
    };
    let progress = concentra::progress::Progress::hidden();
    let context = Context { recorder: &recorder, interrupted: &interrupted, progress: &progress };
    let options = Options { spill_beyond: Some(100), ..options(path) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| concentra::analyze::analyze(&options, &context)).err().expect("an error")
}

#[test]
fn files_that_vanish_or_change_between_two_reads_are_errors() {
    let folder = Folder::new();
    let amounts: Vec<u64> = (1000..2000).collect();
    let plain = |name: &str, amounts: &[u64]| {
        let tokens: Vec<u64> = amounts.iter().map(|_| 1).collect();
        folder.write_row_groups(name, &[("token", u64s(&tokens)), ("balance", u64s(amounts))], 100)
    };
    let path = plain("vanishes.parquet", &amounts);
    // Ten row groups are counted, and read again.
    let error = disturbed(&path, 13, || fs::remove_file(&path).unwrap());
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains("vanishes.parquet"), "{error}");
    // The same number of bytes, where zeros stand for amounts.
    let path = plain("changes.parquet", &amounts);
    let nulls: Vec<u64> = amounts.iter().map(|a| if a.is_multiple_of(2) { 0 } else { *a }).collect();
    let other = plain("other.parquet", &nulls);
    let error = disturbed(&path, 13, || fs::write(&path, fs::read(&other).unwrap()).unwrap());
    let said = error.to_string();
    assert!(
        said.contains("changed between two reads") || said.contains("was replaced while being read"),
        "{said}"
    );
}

#[test]
fn a_temporary_folder_that_is_none_is_an_error_before_the_work() {
    let folder = Folder::new();
    let (_, amounts) = inputs().swap_remove(0);
    let path = write(&folder, "plan", amounts);
    let temp_dir = Some(folder.path().join("nowhere"));
    let error = table(&Options { spill_beyond: Some(1000), temp_dir, ..options(&path) }).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("nowhere") && said.contains("--temp-dir"), "{said}");
}

/// 1.6 million rows of text, which do not fit into the least limit.
fn large() -> Shell {
    let shell = Shell::new();
    shell.run("generate --rows 1_600_000 --groups 40 --encoding text --no-owner -o large.parquet").ok();
    shell
}

const LIMITED: &str = "analyze large.parquet --memory-limit 128MB -o r.parquet";

/// The peak of resident memory as the kernel knows it, in bytes, and how the command ended.
#[cfg(target_os = "linux")]
fn peak(shell: &Shell, line: &str) -> (u64, Option<i32>) {
    let mut command = shell.command();
    let mut child = command.args(line.split_whitespace()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let ended = child.try_wait().unwrap();
        let text = fs::read_to_string(&status).unwrap_or_default();
        let high = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
        peak = high.and_then(|kb| kb.parse::<u64>().ok()).map_or(peak, |kb| peak.max(kb * 1024));
        if let Some(status) = ended {
            return (peak, status.code());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_stays_within_the_limit_and_the_result_is_the_same_file() {
    let shell = large();
    shell.run("analyze large.parquet -q -o whole.parquet").ok();
    let whole = fs::read(shell.path("whole.parquet")).unwrap();
    for line in [LIMITED, "analyze large.parquet --memory-limit 128MB -o p.parquet --by none"] {
        let (bytes, code) = peak(&shell, &format!("{line} -q"));
        assert_eq!(code, Some(0));
        assert!(20_000_000 < bytes && bytes < 141_000_000, "{bytes} bytes at the peak: {line}");
        let ran = shell.run(&format!("{line} --overwrite --explain")).ok();
        assert!(ran.stderr.contains("memory    128.0 MB: "), "{}", ran.stderr);
        assert!(ran.stderr.contains(" expected on disk; "), "{}", ran.stderr);
        if line == LIMITED {
            assert_eq!(fs::read(shell.path("r.parquet")).unwrap(), whole);
        }
        assert!(shell.temporary().is_empty());
    }
}

#[test]
fn limits_are_sizes() {
    let shell = Shell::with_holders();
    for bad in ["64MB", "much", "0", "-1G"] {
        shell
            .run_words(&["analyze", "h.parquet", &format!("--memory-limit={bad}")])
            .fails(2, &["--memory-limit", bad]);
    }
    shell.run("analyze h.parquet --memory-limit 1.5GiB").ok();
}

/// More groups than there is memory for are too many, however few rows each has.
#[test]
fn too_many_groups_are_an_error() {
    let shell = Shell::new();
    shell.run("generate --rows 500_000 --groups 500_000 --encoding u64 --no-owner -o g.parquet").ok();
    shell
        .run("analyze g.parquet --memory-limit 128MB -o r.parquet")
        .fails(1, &["groups, too many for the memory", "--memory-limit"]);
    assert_eq!(shell.everything(), ["g.parquet"]);
}

/// The operating system refuses to write beyond some bytes, the last write before falling short.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_loses_nothing() {
    let shell = large();
    shell.file("r.parquet", "an earlier result");
    let mut command = std::process::Command::new("sh");
    let script = format!(
        "trap '' XFSZ; ulimit -f 4001; exec '{}' {LIMITED} --overwrite --temp-dir here",
        crate::shell::PROGRAM
    );
    fs::create_dir(shell.path("here")).unwrap();
    let output = command.args(["-c", &script]).current_dir(shell.path(".")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("here: cannot keep temporary data") && said.contains("--temp-dir"), "{said}");
    assert!(said.contains("too large"), "the system's own words: {said}");
    assert_eq!(shell.everything(), ["here", "large.parquet", "r.parquet"]);
    assert_eq!(fs::read(shell.path("r.parquet")).unwrap(), b"an earlier result");
}

/// Waits until a command has a file open in a folder, whether it has a name or not.
#[cfg(target_os = "linux")]
fn wait_for_spill(id: u32, folder: &Path) {
    let start = std::time::Instant::now();
    let folder = fs::canonicalize(folder).unwrap();
    let open = || {
        let handles = fs::read_dir(format!("/proc/{id}/fd")).unwrap();
        let targets = handles.flatten().filter_map(|handle| fs::read_link(handle.path()).ok());
        targets.into_iter().any(|target| target.starts_with(&folder) && target != folder)
    };
    while !open() {
        assert!(start.elapsed() < std::time::Duration::from_secs(60), "nothing is spilled");
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_is_left_on_disk_however_it_ends() {
    let shell = large();
    fs::create_dir(shell.path("results")).unwrap();
    for (signal, code) in [("-INT", Some(130)), ("-TERM", Some(130)), ("-KILL", None)] {
        let mut command = shell.command();
        command.args([
            "analyze",
            "large.parquet",
            "--memory-limit",
            "128MB",
            "-o",
            "results/r.csv",
            "-j",
            "1",
        ]);
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        wait_for_spill(child.id(), &shell.temporary_folder());
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), code, "{signal}");
        assert!(shell.temporary().is_empty(), "{signal}: {:?}", shell.temporary());
    }
}

/// Standard input needs a name to be read by; the next run removes what a killed one left.
#[cfg(target_os = "linux")]
#[test]
fn standard_input_of_a_killed_run_is_removed_by_the_next() {
    let shell = Shell::with_holders();
    let mut command = shell.command();
    let mut child = command.args(["analyze", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    wait_for_spill(child.id(), &shell.temporary_folder());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(shell.temporary().len(), 1);
    shell.pipe(fs::read(shell.path("h.parquet")).unwrap(), "analyze - --by none").ok();
    assert!(shell.temporary().is_empty());
}
