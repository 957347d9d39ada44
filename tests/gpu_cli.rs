//! `--device`, from the outside.

use std::fs;
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
    // Nothing is measured yet: the first hardware adapter is guessed to pay from some size on.
    let hardware = listed.iter().filter(|device| device["software"] == false);
    let taken = document["auto"]["takes"].as_array().unwrap();
    assert!(taken.iter().map(|taken| &taken["adapter"]).eq(hardware.map(|device| &device["name"])));
    assert_eq!(document["auto"]["is_a_guess"], true);
    let text = shell.run("devices").stdout;
    assert!(adapters.iter().all(|adapter| text.contains(adapter.name())), "{text}");
    assert!(text.lines().last().unwrap().starts_with("auto takes"), "{text}");
}

/// What is measured is kept, listed, and decides; software adapters are measured where there are no others, and never
/// taken, whatever the figures say.
#[test]
fn figures_are_measured_kept_and_used() {
    let shell = crate::shell::Shell::new();
    let ran = shell.run("devices --calibrate --format json");
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    // Drivers write to stderr, too.
    let kept = ran.stderr.lines().find_map(|line| line.split_once("figures kept in "));
    let kept = kept.expect("where figures are kept").1.to_owned();
    let listed: serde_json::Value = serde_json::from_str(&shell.run("devices --format json").stdout).unwrap();
    let ours: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(listed, ours);
    let rates = ["start_seconds", "holders_per_second_in_one_group", "holders_per_second_in_small_groups"];
    assert!(rates.iter().all(|name| listed["measured"][name].is_f64()), "{listed:#}");
    for device in listed["adapters"].as_array().unwrap() {
        let is_first_kind = device["software"] == listed["adapters"][0]["software"];
        assert_eq!(device["measured"]["upload_bytes_per_second"].is_f64(), is_first_kind, "{device:#}");
    }

    shell.run("generate --rows 2000 -o h.parquet");
    let why = |figures: &serde_json::Value| {
        fs::write(&kept, figures.to_string()).unwrap();
        let ran = shell.run("analyze h.parquet --explain --format csv");
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        ran.stderr.lines().find(|line| line.contains("backend ")).expect("a line of the plan").to_owned()
    };
    let mut figures: serde_json::Value = serde_json::from_str(&fs::read_to_string(&kept).unwrap()).unwrap();
    figures["cpu"]["start_seconds"] = 100.0.into();
    for adapter in figures["adapters"].as_array_mut().unwrap() {
        adapter["software"] = true.into();
    }
    let told = why(&figures);
    assert!(
        told.contains("cpu: no GPU should need less than 100.00 s (measured by devices --calibrate)"),
        "{told}"
    );

    // An adapter that is faster, but gone.
    let gone = serde_json::json!({
        "name": "a card", "driver": "Vulkan, a driver", "software": false, "upload_bytes_per_second": 1e9,
        "rates": { rates[0]: 1.0, rates[1]: 1e9, rates[2]: 1e9 },
    });
    figures["adapters"].as_array_mut().unwrap().push(gone);
    let told = why(&figures);
    assert!(told.contains("cpu: a card with the driver measured is not here"), "{told}");

    // What cannot be used is not: a guess again.
    for spoilt in [serde_json::json!({ "concentra": "0.0.0" }), serde_json::json!([])] {
        assert!(why(&spoilt).contains("(a guess)"));
    }
}

/// The device takes the largest groups and the CPU the smallest, until they meet: the same numbers.
#[test]
fn the_cpu_beside_a_device() {
    let folder = tempfile::tempdir().unwrap();
    let path = snapshot(folder.path());
    let expected = numbers(&concentra(&["analyze", &path, "--device", "cpu", "--format", "json"]));
    for adapter in tested() {
        let device = format!("CPU+{}", adapter.name());
        let line = ["analyze", &path, "--device", &device, "--explain", "-j", "2", "--format", "json"];
        let out = concentra(&line);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(said.contains(&format!("cpu and gpu ({})", adapter.name())), "{said}");
        assert_eq!(numbers(&out), expected);
        // As a dataset, where several parts share one opened device.
        let parts = folder.path().join(adapter.name().replace(' ', "-")).join("");
        let parts = parts.to_str().unwrap();
        assert!(concentra(&["analyze", &path, "--device", &device, "-o", parts]).status.success());
        for command in ["sweep", "power"] {
            let out = concentra(
                &[command, &path, "--device", &device, "--method", "sample"]
                    [..if command == "power" { 6 } else { 4 }],
            );
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(out.status.code() == Some(2) && said.contains("only analyze"), "{command}: {said}");
        }
    }
    for nobody in ["cpu+nobody", "cpu+cpu"] {
        let out = concentra(&["analyze", &path, "--device", nobody]);
        assert_eq!(out.status.code(), Some(4), "{}", String::from_utf8_lossy(&out.stderr));
    }
}
