//! The documentation runs: each `$ ` line of a ```` ```console ```` block, its output compared with the lines below it.
//!
//! The examples of a page run in order in one empty folder in which `data` is the sample, and `concentra` is the built
//! program. A line that is `…` alone stands for any lines. `CONCENTRA_BLESS=1` writes the real output into the pages
//! instead: all of it, or around one `…` as many lines as stood there.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::CommandFactory;
use concentra::cli::Cli;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rayon::prelude::*;

const ANY: &str = "…";
/// Text between these comments is what a command prints, as it is.
const OUTPUT: &str = "<!-- output of `";
/// A command that has this goes on up to a line `END`.
const HERE: &str = "<<'END'";
const END: &str = "<!-- end of output -->";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md if there is one, and docs/*.md.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        fs::read_dir(root().join("docs")).unwrap().map(|e| e.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|e| e == "md"));
    pages.extend(Some(root().join("README.md")).filter(|path| path.exists()));
    pages.sort();
    pages
}

/// A piece of a page: text to keep, or a command and what it should print.
enum Piece {
    Text(String),
    Example { line: usize, command: String, expected: Vec<String> },
}

fn pieces(page: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut lines = page.lines().enumerate().peekable();
    let mut in_block = false;
    while let Some((at, line)) = lines.next() {
        let text = Piece::Text(line.to_owned());
        let mut command = match line.strip_prefix("$ ").filter(|_| in_block) {
            Some(command) => command.to_owned(),
            None if line.starts_with(OUTPUT) && !in_block => {
                let command = line[OUTPUT.len()..].split('`').next().unwrap_or_default();
                command.to_owned()
            }
            None => {
                in_block = line.starts_with("```") && line.trim_end() == "```console";
                pieces.push(text);
                continue;
            }
        };
        pieces.push(text);
        let mut here = command.contains(HERE);
        while command.ends_with('\\') || here {
            let (_, more) = lines.next().expect("a command goes on after a backslash");
            here = command.contains(HERE) && more != "END";
            pieces.push(Piece::Text(more.to_owned()));
            command = format!("{command}\n{more}");
        }
        let mut expected = Vec::new();
        let ends = |l: &str| if in_block { l == "```" || l.starts_with("$ ") } else { l == END };
        while let Some((_, line)) = lines.next_if(|(_, line)| !ends(line)) {
            expected.push(line.to_owned());
        }
        if in_block && lines.peek().is_some_and(|(_, line)| *line == "```") {
            in_block = false;
        }
        pieces.push(Piece::Example { line: at + 1, command, expected });
        if !in_block && let Some((_, end)) = lines.next() {
            pieces.push(Piece::Text(end.to_owned()));
        }
    }
    pieces
}

/// Standard output and standard error as they come, without blanks at the ends of lines.
fn run(command: &str, folder: &Path) -> Vec<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_concentra"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = [program.parent().unwrap().to_owned()].into_iter().chain(std::env::split_paths(&path));
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("exec 2>&1\n{command}")).current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CONCENTRA_"))
    {
        shell.env_remove(name);
    }
    shell.env("PATH", std::env::join_paths(path).unwrap()).env("LC_ALL", "C.UTF-8");
    let output = shell.output().expect("sh is there");
    let text = String::from_utf8(output.stdout).expect("output is text");
    text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect()
}

fn matches(expected: &[String], real: &[String]) -> bool {
    match expected {
        [] => real.is_empty(),
        [any, rest @ ..] if any == ANY => (0..=real.len()).any(|skip| matches(rest, &real[skip..])),
        [line, rest @ ..] => real.first() == Some(line) && matches(rest, &real[1..]),
    }
}

/// The real output, with the one `…` of the expected output where it was.
fn blessed(expected: &[String], real: Vec<String>) -> Vec<String> {
    if matches(expected, &real) {
        return expected.to_vec();
    }
    let parts: Vec<&[String]> = expected.split(|line| line == ANY).collect();
    match parts[..] {
        [head, tail] if head.len() + tail.len() < real.len() => {
            let (start, end) = (&real[..head.len()], &real[real.len() - tail.len()..]);
            [start, &[ANY.to_owned()], end].concat()
        }
        _ => real,
    }
}

/// Lines that only one side has, in their surroundings.
fn difference(expected: &[String], real: &[String]) -> String {
    let same = expected.iter().zip(real).take_while(|(a, b)| a == b).count();
    let rest = |lines: &[String]| lines.len() - same;
    let tail = expected.iter().rev().zip(real.iter().rev()).take_while(|(a, b)| a == b).count();
    let tail = tail.min(rest(expected)).min(rest(real));
    let show = |sign: char, lines: &[String]| -> String {
        lines.iter().map(|line| format!("    {sign} {line}\n")).collect()
    };
    show(' ', &expected[same.saturating_sub(2)..same])
        + &show('-', &expected[same..expected.len() - tail])
        + &show('+', &real[same..real.len() - tail])
}

/// Runs a page; what went wrong, and the page as it should be.
fn check(path: &Path) -> (String, String) {
    let page = fs::read_to_string(path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("data"), folder.path().join("data")).unwrap();
    let name = path.strip_prefix(root()).unwrap().display();
    let (mut failures, mut out) = (String::new(), String::new());
    for piece in pieces(&page) {
        match piece {
            Piece::Text(line) => out += &format!("{line}\n"),
            Piece::Example { line, command, expected } => {
                let real = run(&command, folder.path());
                if !matches(&expected, &real) {
                    let difference = difference(&expected, &real);
                    failures += &format!("{name}:{line}: $ {command}\n{difference}\n");
                }
                blessed(&expected, real).iter().for_each(|line| out += &format!("{line}\n"));
            }
        }
    }
    (failures, out)
}

#[test]
fn every_example_prints_what_the_page_says() {
    let bless = std::env::var_os("CONCENTRA_BLESS").is_some_and(|value| value == "1");
    let checked: Vec<(PathBuf, (String, String))> =
        pages().into_par_iter().map(|page| (page.clone(), check(&page))).collect();
    let mut failures = String::new();
    for (path, (failed, page)) in checked {
        if bless {
            fs::write(path, page).unwrap();
        } else {
            failures += &failed;
        }
    }
    assert!(
        failures.is_empty(),
        "- expected, + real; CONCENTRA_BLESS=1 writes the real output\n\n{failures}"
    );
}

/// The page on results names what a result in Parquet says of itself.
#[test]
fn every_footer_key_is_explained() {
    let page = fs::read_to_string(root().join("docs/analyze.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let result = folder.path().join("out.parquet");
    let data = root().join("data/lp/positions.parquet");
    run(&format!("concentra analyze '{}' -o '{}'", data.display(), result.display()), folder.path());
    let file = fs::File::open(result).expect("a result is written");
    let metadata = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let footer = metadata.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    let own: BTreeSet<&str> =
        footer.iter().map(|entry| entry.key.as_str()).filter(|key| key.starts_with("concentra.")).collect();
    let fields = metadata.schema().fields().iter();
    let documented: BTreeSet<&str> =
        fields.flat_map(|field| field.metadata().keys()).map(String::as_str).collect();
    assert!(own.len() == 4 && documented.contains("formula"), "{own:?} {documented:?}");
    for key in own.iter().chain(&documented) {
        assert!(page.contains(&format!("`{key}`")), "docs/analyze.md does not explain {key}");
    }
}

/// Pages that are linked from the index, and links that lead somewhere.
#[test]
fn every_page_is_in_the_index_and_every_link_leads_somewhere() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(
            name == "README.md" || index.contains(&format!("]({name})")),
            "{name} is not in docs/README.md"
        );
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            if link.contains("://") {
                continue;
            }
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{name}: {link} leads nowhere");
            if !heading.is_empty() {
                let target = fs::read_to_string(&target).unwrap();
                let headings: BTreeSet<String> =
                    target.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
                assert!(headings.contains(heading), "{name}: {link} leads to no heading");
            }
        }
    }
}

/// A heading's name in links.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Each command's page names each of its options, and the page on configuration those of all commands.
#[test]
fn every_option_is_explained() {
    let page = |name: &str| fs::read_to_string(root().join(format!("docs/{name}.md"))).unwrap();
    let explains = |page: &str, text: &str, command: &clap::Command| {
        for option in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(text.contains(&format!("`--{option}")), "docs/{page}.md does not explain --{option}");
        }
    };
    let command = Cli::command();
    explains("configuration", &page("configuration"), &command);
    for command in command.get_subcommands() {
        let page_name = match command.get_name() {
            "completions" | "man" => "completions-and-man",
            name => name,
        };
        explains(page_name, &page(page_name), command);
    }
}
