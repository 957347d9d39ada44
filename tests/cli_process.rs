//! Pipes, full disks and signals.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::shell::{FORMATS, Shell};

/// Reads so many lines of what a command writes, then closes the pipe.
fn head(command: &mut Command, lines: usize) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    // The command holds the last writer, else nothing is ever closed.
    command.stdout(Stdio::null());
    let mut reader = BufReader::with_capacity(64, reader);
    for _ in 0..lines {
        reader.read_until(b'\n', &mut Vec::new()).unwrap();
    }
    drop(reader);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[test]
fn a_closed_pipe_is_no_error() {
    let shell = Shell::with_many_groups();
    for format in FORMATS {
        for lines in [0, 1] {
            let mut command = shell.command();
            command.args(["analyze", "many.parquet", "-q", "--format", format]);
            assert_eq!(head(&mut command, lines), (Some(0), String::new()), "{format} after {lines} lines");
        }
    }
    // Nor is nobody to hear the warnings.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = shell.command();
    command.args(["analyze", "many.parquet", "-v", "--explain"]).stdout(Stdio::null()).stderr(writer);
    assert_eq!(command.status().unwrap().code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let shell = Shell::with_many_groups();
    for format in FORMATS {
        let mut command = shell.command();
        command.args(["analyze", "many.parquet", "-q", "--format", format]);
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{format}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.starts_with("error: ") && said.contains("No space left"), "{format}: {said}");
    }
}

/// Waits for a file with this ending, as a sign of life.
#[cfg(unix)]
fn wait_for(folder: &Path, ending: &str) {
    let start = Instant::now();
    let found = || {
        let mut entries = fs::read_dir(folder).unwrap();
        entries.any(|entry| entry.unwrap().file_name().to_string_lossy().ends_with(ending))
    };
    while !found() {
        assert!(start.elapsed() < Duration::from_secs(60), "no *{ending} appeared");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a signal; what the command says before it ends, and that it ends soon.
#[cfg(unix)]
fn interrupt(mut child: Child, signal: &str) -> (Option<i32>, String) {
    let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_secs(10) {
            child.kill().unwrap();
            panic!("{signal} does not stop the command");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (status.code(), said)
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing_behind() {
    let shell = Shell::new();
    shell.run("generate --rows 2_500_000 --encoding text --row-group-rows 50000 -o big.parquet").ok();
    fs::create_dir(shell.path("results")).unwrap();
    for signal in ["-INT", "-TERM"] {
        let mut command = shell.command();
        command.args(["analyze", "big.parquet", "-o", "results/r.parquet", "-j", "1"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for(&shell.path("results"), ".tmp");
        let (status, said) = interrupt(child, signal);
        assert_eq!((status, said.as_str()), (Some(130), "error: interrupted; nothing was written\n"));
        assert_eq!(shell.everything(), ["big.parquet", "results"], "{signal}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_waiting_for_standard_input() {
    let shell = Shell::new();
    let mut command = shell.command();
    command.args(["analyze", "-", "-o", "r.csv"]).stdin(Stdio::piped());
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&shell.temporary_folder(), ".parquet");
    assert_eq!(interrupt(child, "-INT").0, Some(130));
    assert_eq!((shell.everything(), shell.temporary()), (vec![], vec![]));
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_generating() {
    let shell = Shell::new();
    fs::create_dir(shell.path("made")).unwrap();
    let mut command = shell.command();
    command.args(["generate", "--rows", "3e6", "--encoding", "text", "-o", "made/g.parquet"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&shell.path("made"), "");
    assert_eq!(interrupt(child, "-INT").0, Some(130));
    assert_eq!(shell.everything(), ["made"]);
}

#[test]
fn long_work_shows_its_progress_where_it_is_asked_for() {
    let shell = Shell::new();
    let make = "generate --rows 300000 --encoding text --seed 3 --overwrite -o big.parquet";
    let shown = shell.run(&format!("{make} --progress always")).ok().stderr;
    assert!(shown.contains("generating") && shown.contains("300,000 rows"), "{shown}");
    // No terminal, no bar; and data stays alone on stdout.
    let silent = shell.run(make).ok().stderr;
    assert!(!silent.contains("generating"), "{silent}");
}
