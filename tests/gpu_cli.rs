//! `--device`, from the outside.

use std::path::Path;
use std::process::Output;

use crate::devices::tested;

fn concentra(arguments: &[&str]) -> Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_concentra")).args(arguments).output().unwrap()
}

/// A file of some groups.
fn snapshot(folder: &Path) -> String {
    let path = folder.join("holders.parquet").to_str().unwrap().to_owned();
    let out = concentra(&["generate", "--rows", "20000", "--groups", "40", "-o", &path]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    path
}

/// The result as text, without the columns that say where it was computed.
fn numbers(out: &Output) -> Vec<serde_json::Value> {
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout.clone()).unwrap();
    let mut rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    for row in &mut rows {
        let columns = row.as_object_mut().unwrap();
        ["backend", "adapter", "backend_note"].iter().for_each(|name| drop(columns.remove(*name)));
    }
    rows
}

#[test]
fn an_adapter_by_part_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = snapshot(folder.path());
    let expected = numbers(&concentra(&["analyze", &path, "--device", "cpu", "--format", "json"]));
    assert_eq!(expected.len(), 40);
    for adapter in tested() {
        let name = adapter.name().to_uppercase();
        let analyze = ["analyze", &path, "--device", &name, "--format", "json", "--require-gpu"];
        let out = concentra(&analyze);
        assert_eq!(numbers(&out), expected);
        let (told, rows) = (String::from_utf8_lossy(&out.stderr), String::from_utf8_lossy(&out.stdout));
        assert!(told.contains(&format!("computed on gpu ({})", adapter.name())), "{told}");
        assert!(rows.contains("\"backend\":\"gpu\"") && rows.contains(adapter.name()), "{rows}");
        let quiet = concentra(&[&analyze[..], &["-q"]].concat());
        assert!(!String::from_utf8_lossy(&quiet.stderr).contains("computed on"));
    }
}

#[test]
fn an_unknown_name_lists_the_adapters() {
    let folder = tempfile::tempdir().unwrap();
    let path = snapshot(folder.path());
    let out = concentra(&["analyze", &path, "--device", "no such adapter"]);
    let told = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(4), "{told}");
    for adapter in tested() {
        assert!(told.contains(adapter.name()), "{told}");
    }
}

#[test]
fn gpu_means_hardware() {
    if tested().iter().any(|adapter| !adapter.is_software()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = snapshot(folder.path());
    for flags in [&["--device", "gpu"][..], &["--require-gpu"]] {
        let out = concentra(&[&["analyze", &path], flags].concat());
        let told = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(4), "{told}");
        assert!(told.contains("no hardware adapter"), "{told}");
    }
    let out = concentra(&["analyze", &path, "--require-gpu", "--device", "cpu"]);
    assert_eq!(out.status.code(), Some(2));
}

#[test]
fn devices_are_listed_with_what_auto_takes() {
    let adapters = crate::devices::tested();
    let shell = crate::shell::Shell::new();
    let ran = shell.run("devices --format json");
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let listed = document["adapters"].as_array().unwrap();
    for adapter in &adapters {
        let found =
            listed.iter().find(|device| device["name"] == adapter.name()).expect("every adapter is listed");
        assert_eq!(found["software"], adapter.is_software());
        for (name, limit) in adapter.limits() {
            assert_eq!(found["limits"][name], limit, "{name}");
        }
    }
    let hardware =
        listed.iter().find(|device| device["software"] == false).map(|device| device["name"].clone());
    assert_eq!(document["auto"]["adapter"], hardware.unwrap_or_default());
    let text = shell.run("devices").stdout;
    assert!(adapters.iter().all(|adapter| text.contains(adapter.name())), "{text}");
    assert!(text.lines().last().unwrap().starts_with("auto takes"), "{text}");
}
