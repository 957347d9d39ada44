//! What can be said of the shaders without a device: they are valid WGSL of the core language, every backend of naga
//! writes them, they agree with the Rust side, and each has its twin.

use std::collections::HashMap;
use std::path::Path;

use concentra::backend::words;
use concentra::kernels::{Access, CHUNK, KERNELS, Kernel, LEAST_CLASS, RANKS, SLOTS, THREADS, TILE, VOTERS};
use naga::back;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess};

/// Digit widths to build a kernel with.
pub(crate) fn widths(kernel: &Kernel) -> Vec<Option<u32>> {
    if kernel.digits { vec![None, Some(8), Some(4)] } else { vec![None] }
}

fn parse(kernel: &Kernel) -> (Module, ModuleInfo) {
    valid(kernel.name, &kernel.source())
}

/// The module of a source that naga accepts.
pub(crate) fn valid(name: &str, source: &str) -> (Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(source)));
    // No capability beyond the core: no 64-bit integers, no subgroups, no floats of other widths.
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(source)));
    (module, info)
}

#[test]
fn every_backend_writes_every_shader() {
    let validator = std::process::Command::new("spirv-val").arg("--version").output().is_ok();
    let folder = tempfile::tempdir().unwrap();
    for kernel in &KERNELS {
        let (module, info) = parse(kernel);
        for width in widths(kernel) {
            let constants: HashMap<String, f64> =
                width.iter().map(|&bits| ("DIGIT_BITS".into(), bits.into())).collect();
            let entry = Some((ShaderStage::Compute, kernel.name));
            let (module, info) = back::pipeline_constants::process_overrides(
                &module,
                &info,
                entry,
                &constants.into_iter().collect(),
            )
            .unwrap();

            let options = back::spv::Options { lang_version: (1, 3), ..Default::default() };
            let words = back::spv::write_vec(&module, &info, &options, None).unwrap();
            if validator {
                let path = folder.path().join(format!("{}.spv", kernel.name));
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                std::fs::write(&path, bytes).unwrap();
                let mut command = std::process::Command::new("spirv-val");
                let out = command.args(["--target-env", "vulkan1.1"]).arg(&path).output().unwrap();
                assert!(out.status.success(), "{}: {}", kernel.name, String::from_utf8_lossy(&out.stderr));
            }

            let options = back::msl::Options { fake_missing_bindings: true, ..Default::default() };
            back::msl::write_string(&module, &info, &options, &Default::default()).unwrap();

            let mut text = String::new();
            let options =
                back::hlsl::Options { shader_model: back::hlsl::ShaderModel::V6_0, ..Default::default() };
            let pipeline = back::hlsl::PipelineOptions::default();
            back::hlsl::Writer::new(&mut text, &options, &pipeline).write(&module, &info, None).unwrap();

            let mut text = String::new();
            let options =
                back::glsl::Options { version: back::glsl::Version::Desktop(450), ..Default::default() };
            let pipeline = back::glsl::PipelineOptions {
                shader_stage: ShaderStage::Compute,
                entry_point: kernel.name.into(),
                multiview: None,
            };
            let policies = naga::proc::BoundsCheckPolicies::default();
            back::glsl::Writer::new(&mut text, &module, &info, &options, &pipeline, policies)
                .and_then(|mut writer| writer.write())
                .unwrap();
        }
    }
    if !validator {
        use std::io::Write;
        drop(writeln!(std::io::stderr(), "SKIPPED: spirv-val is not installed"));
    }
}

#[test]
fn no_shader_has_a_float() {
    for kernel in &KERNELS {
        let (module, _) = parse(kernel);
        for (_, ty) in module.types.iter() {
            let (naga::TypeInner::Scalar(scalar) | naga::TypeInner::Vector { scalar, .. }) = ty.inner else {
                continue;
            };
            let is_integer = matches!(scalar.kind, naga::ScalarKind::Uint | naga::ScalarKind::Bool);
            assert!(is_integer && scalar.width <= 4, "{}: {scalar:?}", kernel.name);
        }
    }
}

#[test]
fn bindings_workgroups_and_shared_memory_are_those_of_the_table() {
    for kernel in &KERNELS {
        let (module, _) = parse(kernel);
        let entries: Vec<_> =
            module.entry_points.iter().map(|e| (e.name.as_str(), e.workgroup_size)).collect();
        assert_eq!(entries, [(kernel.name, [THREADS, 1, 1])]);

        let mut bindings = HashMap::new();
        let mut shared = 0;
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        for (_, variable) in module.global_variables.iter() {
            match variable.space {
                AddressSpace::WorkGroup => shared += layouter[variable.ty].size,
                AddressSpace::Uniform | AddressSpace::Storage { .. } => {
                    let binding = variable.binding.as_ref().unwrap();
                    assert_eq!(binding.group, 0);
                    bindings.insert(binding.binding, variable.space);
                }
                _ => {}
            }
        }
        assert!(shared <= 16_384, "{}: {shared} bytes of shared memory", kernel.name);
        assert!(kernel.bindings.len() <= 8, "{}", kernel.name);
        assert_eq!(bindings.remove(&0), Some(AddressSpace::Uniform), "{}", kernel.name);
        for (i, access) in kernel.bindings.iter().enumerate() {
            let Some(AddressSpace::Storage { access: found }) = bindings.remove(&(i as u32 + 1)) else {
                panic!("{}: no storage buffer at {}", kernel.name, i + 1)
            };
            let writes = found.contains(StorageAccess::STORE);
            assert_eq!(writes, *access == Access::Write, "{}: binding {}", kernel.name, i + 1);
        }
        assert!(bindings.is_empty(), "{}: {bindings:?} are not in the table", kernel.name);
    }
}

#[test]
fn constants_agree_with_rust() {
    let expected: HashMap<&str, u32> = [
        ("THREADS", THREADS),
        ("CHUNK", CHUNK),
        ("SLOTS", SLOTS),
        ("RECORD", words::RECORD as u32),
        ("AMOUNT", words::AMOUNT as u32),
        ("RANKED", words::RANKED as u32),
        ("SQUARES", words::SQUARES as u32),
        ("LOGS", words::LOGS as u32),
        ("PRODUCTS", words::PRODUCTS as u32),
        ("ROOTS", words::ROOTS as u32),
        ("FIRST", words::FIRST as u32),
        ("LAST", words::LAST as u32),
        ("NEEDS_SQUARES", words::NEEDS_SQUARES),
        ("NEEDS_LOGS", words::NEEDS_LOGS),
        ("NEEDS_ROOTS", words::NEEDS_ROOTS),
    ]
    .into();
    let mut seen = 0;
    for kernel in &KERNELS {
        let (module, _) = parse(kernel);
        for (_, constant) in module.constants.iter() {
            let Some(&expected) = constant.name.as_deref().and_then(|name| expected.get(name)) else {
                continue;
            };
            let value = &module.global_expressions[constant.init];
            assert!(
                matches!(value, naga::Expression::Literal(naga::Literal::U32(v)) if *v == expected),
                "{}: {:?} is {value:?}, not {expected}",
                kernel.name,
                constant.name
            );
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} constants were found");
}

/// Lavapipe stops all loops of a thread after 65,535 iterations together, without a word.
#[test]
fn no_thread_loops_long() {
    const MOST: u32 = 16_384;
    let keys_a_thread = TILE.div_ceil(THREADS);
    // A block scan: sixteen parts, before it and within it, and the total.
    let block_scan = 16 + 15 + 15 + 16;
    let nibble = 8 * 9 + block_scan;
    let root = 32;
    let flush = 6 * 5;
    let log_classes = SLOTS.ilog2();
    let bounds = [
        ("upsweep", keys_a_thread),
        ("scan_reduce", 8 + block_scan),
        // A matrix fills a binding of 2^31 bytes at most.
        ("scan_spine", (1u32 << 29).div_ceil(CHUNK).div_ceil(CHUNK) * (1 + 16 + block_scan)),
        ("scan_down", 16 + block_scan),
        ("downsweep", TILE.div_ceil(2048) * (8 * 3 + 2 * nibble)),
        ("downsweep_order", TILE.div_ceil(2048) * (8 * 3 + 2 * (nibble + 16))),
        // Each key may be the first of its exponent.
        ("reduce", keys_a_thread * (1 + root + flush) + flush + 9),
        ("prefix", keys_a_thread * (1 + root + flush) + RANKS * (1 + flush + 9)),
        (
            "pack",
            2 * SLOTS / THREADS
                + log_classes * (log_classes + 1) / 2 * (2 + SLOTS / 2 / THREADS)
                + 3 * (7 + 5 * (1 + root + flush) + 9),
        ),
        // Two kinds, each voter once to sum and once to see who swings.
        ("draw", 4 * VOTERS as u32),
        ("search", keys_a_thread + THREADS + keys_a_thread + 14),
    ];
    assert!(LEAST_CLASS >= 4 && bounds.len() == KERNELS.len());
    for (name, iterations) in bounds {
        assert!(KERNELS.iter().any(|kernel| kernel.name == name));
        assert!(iterations <= MOST, "{name}: {iterations}");
    }
}

#[test]
fn every_shader_has_a_twin_of_its_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let numbers = ["log2", "sqrt"];
    // Shared by kernels: parameters and wide integers, which Rust has anyway.
    let plumbing = ["common", "wide"];
    let mut found = 0;
    for entry in std::fs::read_dir(root.join("shaders")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "wgsl") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        found += 1;
        if numbers.contains(&name) {
            assert!(root.join(format!("src/numbers/{name}.rs")).is_file());
        } else if !plumbing.contains(&name) {
            assert!(root.join(format!("src/cpu/twins/{name}.rs")).is_file(), "{name} has no twin");
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(KERNELS.iter().any(|k| k.parts.contains(&&text[..])), "no kernel uses {name}.wgsl");
    }
    assert_eq!(found, 19);
}

/// Only `src/gpu` names wgpu, so that everything else builds without it.
#[test]
fn only_the_gpu_backend_names_wgpu() {
    fn walk(folder: &Path, check: &mut dyn FnMut(&Path)) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, check);
            } else {
                check(&path);
            }
        }
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    walk(&source, &mut |path| {
        let inside = path.starts_with(source.join("gpu")) || path == source.join("gpu.rs");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(inside || !text.contains("wgpu::"), "{}", path.display());
    });
}
