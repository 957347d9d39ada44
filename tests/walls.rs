//! The walls between modules: what may name what.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `src`, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join("src"), &mut files);
    assert!(files.len() > 50, "the sources are where this test looks for them");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path.strip_prefix(root().join("src")).unwrap().to_owned(), text)
    };
    files.into_iter().map(read).collect()
}

/// The top module of a file: `groups/merge.rs` is in `groups`.
fn module(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Lines of code: comments and test modules at the end of a file are left out.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Modules in the order in which they may import each other: each only those before it, or of its own line.
const ORDER: &[&[&str]] = &[
    &["error", "numbers"],
    &["record", "progress", "generate", "memory", "spill", "cloud"],
    &["moments", "games", "cli"],
    &["metrics", "backend", "config"],
    &["options", "columns", "kernels", "cpu"],
    &["engine", "input", "gpu"],
    &["population"],
    &["groups", "choose"],
    &["results"],
    &["ingest"],
    &["plan", "profits", "cohorts", "inspect", "devices", "timeline", "cumulative"],
    &["output", "glossary", "records"],
    &["analyze", "compare", "power", "snapshot", "report", "partial"],
    &["sweep", "dataset", "change", "flows"],
    &["run", "session", "terminal"],
];

#[test]
fn imports_run_one_way() {
    let rank = |module: &str| ORDER.iter().position(|line| line.contains(&module));
    let mut checked = 0;
    for (path, text) in sources() {
        let from = module(&path);
        if ["main", "lib"].contains(&from.as_str()) {
            continue;
        }
        let own = rank(&from).unwrap_or_else(|| panic!("`{from}` has no place in the order"));
        for line in code(&text) {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                let named: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(to) = rank(&named) else { continue };
                assert!(to <= own, "{}: `{from}` may not import `{named}`: {line}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "the imports are where this test looks for them");
}

#[test]
fn metrics_know_neither_tables_nor_devices() {
    for (path, text) in sources().into_iter().filter(|(path, _)| module(path) == "metrics") {
        for word in ["arrow", "parquet", "wgpu", "rayon"] {
            assert!(!code(&text).any(|line| line.contains(word)), "{} names {word}", path.display());
        }
    }
}

#[test]
fn only_the_gpu_backend_names_wgpu() {
    for (path, text) in sources().into_iter().filter(|(path, _)| module(path) != "gpu") {
        assert!(!code(&text).any(|line| line.contains("wgpu")), "{} names wgpu", path.display());
    }
}

#[test]
fn the_library_never_prints() {
    for (path, text) in sources().into_iter().filter(|(path, _)| module(path) != "main") {
        for word in ["println!", "print!(", "eprint!(", "eprintln!", "dbg!"] {
            assert!(!code(&text).any(|line| line.contains(word)), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn nothing_is_unsafe() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    for (path, text) in sources() {
        assert!(!code(&text).any(|line| line.contains("unsafe ")), "{}", path.display());
    }
}

#[test]
fn one_arrow_in_the_lock_file() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in ["arrow", "arrow-array", "parquet"] {
        let entry = format!("name = \"{name}\"\nversion = \"59.");
        assert_eq!(lock.matches(&format!("name = \"{name}\"\n")).count(), 1, "{name}");
        assert_eq!(lock.matches(&entry).count(), 1, "{name} is pinned to 59");
    }
}
