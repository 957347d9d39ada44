//! Tint, the other WGSL compiler: it checks what naga does not, that every thread of a workgroup reaches each barrier.
//!
//! `CONCENTRA_TEST_TINT` names the folder that the npm package `webgpu` is installed in (Dawn for Node, which brings
//! Tint). It needs a Vulkan driver, if only to open a device.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use concentra::kernels::{Access, KERNELS, Kernel, UPSWEEP};
use serde_json::{Value as Json, json};

use crate::shaders::{valid, widths};

/// What the script is given of a shader: the text and the constants as the backend gives them to wgpu.
fn shader(kernel: &Kernel, source: &str, width: Option<u32>) -> Json {
    let storage = kernel.bindings.iter().map(|access| match access {
        Access::Read => "read-only-storage",
        Access::Write => "storage",
    });
    let bindings: Vec<&str> = std::iter::once("uniform").chain(storage).collect();
    let constants = width.map_or(json!({}), |bits| json!({ "DIGIT_BITS": bits }));
    json!({ "name": kernel.name, "source": source, "constants": constants, "bindings": bindings })
}

/// What Tint has against each shader.
fn tint(folder: &str, shaders: &[Json]) -> Vec<Option<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tint.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut node = command.spawn().expect("node is installed");
    // It reads everything before it writes.
    node.stdin.take().unwrap().write_all(json!(shaders).to_string().as_bytes()).unwrap();
    let out = node.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// A shader with some of its text exchanged.
fn broken(kernel: &Kernel, from: &str, to: &str) -> String {
    let source = kernel.source();
    assert_eq!(source.matches(from).count(), 1, "{from}");
    source.replace(from, to)
}

#[test]
fn accepts_every_shader_and_rejects_non_uniform_barriers() {
    let Ok(folder) = std::env::var("CONCENTRA_TEST_TINT") else {
        drop(writeln!(std::io::stderr(), "SKIPPED: Tint: set CONCENTRA_TEST_TINT"));
        return;
    };
    let mut shaders = Vec::new();
    for kernel in &KERNELS {
        shaders.extend(widths(kernel).into_iter().map(|width| shader(kernel, &kernel.source(), width)));
    }
    let good = shaders.len();
    // Naga has nothing against a barrier that some threads pass by, nor against a thread that leaves before one.
    let passed_by = broken(&UPSWEEP, "if (thread < digits) {", "if (thread < digits) { workgroupBarrier();");
    let left = broken(&UPSWEEP, "if (entry >= params.count)", "if (entry + thread >= params.count)");
    for source in [&passed_by, &left] {
        valid(UPSWEEP.name, source);
        shaders.push(shader(&UPSWEEP, source, None));
    }
    // Nor against more shared memory than WebGPU promises.
    let large = broken(&UPSWEEP, "array<atomic<u32>, 256>", "array<atomic<u32>, 4097>");
    valid(UPSWEEP.name, &large);
    shaders.push(shader(&UPSWEEP, &large, None));

    let said = tint(&folder, &shaders);
    assert_eq!(said.len(), shaders.len());
    for (shader, said) in shaders.iter().zip(&said[..good]) {
        assert_eq!(*said, None, "{} with {}", shader["name"], shader["constants"]);
    }
    for said in &said[good..good + 2] {
        let said = said.as_deref().unwrap_or_default();
        assert!(said.contains("must only be called from uniform control flow"), "{said:?}");
    }
    let said = said[good + 2].as_deref().unwrap_or_default();
    assert!(said.contains("use of workgroup storage"), "{said:?}");
}
