//! Khronos' validation layer: it checks every call that reaches a Vulkan driver, and that commands which use the same
//! memory are ordered.
//!
//! `CONCENTRA_TEST_VALIDATION` names the folder with the layer and its manifest.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use crate::devices::tested;
use crate::shell::Shell;

/// What the layer says of one run of `compare` on an adapter.
fn said(shell: &Shell, layer: &Path, adapter: &str, files: &[&str], enabled: &str, reported: &str) -> String {
    let (settings, log) = (shell.path("vk_layer_settings.txt"), shell.path("validation.log"));
    let lines = [
        "khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG".into(),
        format!("khronos_validation.log_filename = {}", log.display()),
        format!("khronos_validation.report_flags = {reported}"),
        format!("khronos_validation.enables = {enabled}"),
    ];
    std::fs::write(&settings, lines.join("\n")).unwrap();
    let mut command: Command = shell.command();
    command.args(["compare", "--runs", "1", "--devices"]).arg(format!("cpu,{adapter}")).args(files);
    command.env("VK_LAYER_PATH", layer).env("VK_INSTANCE_LAYERS", "VK_LAYER_KHRONOS_validation");
    command.env("VK_LAYER_SETTINGS_PATH", &settings).env("VK_LOADER_DEBUG", "layer");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && stdout.contains("\nequal: "), "{stdout}{stderr}");
    assert!(stderr.contains("VK_LAYER_KHRONOS_validation"), "the layer was not loaded: {stderr}");
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    drop(std::fs::remove_file(&log));
    said
}

/// Whether a line of the log begins a message that counts. In debug builds naga says that the source is WGSL, which
/// the SPIR-V tools of 2023 do not know yet.
fn is_fault(line: &str) -> bool {
    line.contains("msgNum: ") && !line.contains("Invalid source language operand: 10")
}

#[test]
fn the_layer_has_nothing_to_say() {
    let Some(layer) = std::env::var_os("CONCENTRA_TEST_VALIDATION") else {
        drop(writeln!(std::io::stderr(), "SKIPPED: validation layer: set CONCENTRA_TEST_VALIDATION"));
        return;
    };
    let layer = Path::new(&layer);
    let shell = Shell::new();
    shell.run("generate --rows 20000 --groups 300 -o small.parquet").ok();
    shell.run("generate --rows 50000 --groups 2 -o large.parquet").ok();
    for adapter in tested() {
        let synchronization = "VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT";
        let files = ["small.parquet", "large.parquet"];
        let faults = said(&shell, layer, adapter.name(), &files, synchronization, "error,warn");
        let faults: Vec<&str> = faults.lines().filter(|line| is_fault(line)).collect();
        assert!(faults.is_empty(), "{}: {faults:#?}", adapter.name());
        // It can speak: of good practice it always has something to say.
        let practices = "VK_VALIDATION_FEATURE_ENABLE_BEST_PRACTICES_EXT";
        let hints = said(&shell, layer, adapter.name(), &files[..1], practices, "error,warn,perf,info");
        assert!(hints.contains("BestPractices"), "{}: {hints:?}", adapter.name());
    }
}
