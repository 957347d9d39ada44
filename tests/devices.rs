//! The adapters that tests run on, and `twins!`, which runs a body on the CPU and on each of them.
//!
//! `CONCENTRA_TEST_GPU` is `auto` (all adapters found, a loud word where there are none), `require` (none is a failure)
//! or `off`. `CONCENTRA_TEST_ADAPTER` takes those only whose name has that in it.

#[cfg(feature = "gpu")]
use concentra::gpu::adapters::{Adapter, adapters};

/// The adapters to test.
#[cfg(feature = "gpu")]
pub(crate) fn tested() -> Vec<Adapter> {
    let mode = std::env::var("CONCENTRA_TEST_GPU").unwrap_or_else(|_| "auto".into());
    assert!(["auto", "require", "off"].contains(&&mode[..]), "CONCENTRA_TEST_GPU={mode}");
    if mode == "off" {
        skipped("CONCENTRA_TEST_GPU=off");
        return vec![];
    }
    let name = std::env::var("CONCENTRA_TEST_ADAPTER").unwrap_or_default().to_lowercase();
    let found: Vec<Adapter> =
        adapters().into_iter().filter(|a| a.name().to_lowercase().contains(&name)).collect();
    if found.is_empty() {
        assert_ne!(mode, "require", "no adapter found, and CONCENTRA_TEST_GPU=require");
        skipped("no adapter found");
    }
    found
}

/// Says on the terminal, past the test harness, that a test did not run.
#[cfg(feature = "gpu")]
fn skipped(why: &str) {
    use std::io::Write;
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    drop(writeln!(std::io::stderr(), "SKIPPED on GPUs: {name}: {why}"));
}

/// Whether an adapter is the slow one of the software rasterisers: the largest inputs are not for it.
#[cfg(feature = "gpu")]
pub(crate) fn is_slow(adapter: &Adapter) -> bool {
    adapter.name().contains("SwiftShader")
}

/// Runs a body, a function of a backend, on the CPU and on every adapter.
macro_rules! twins {
    ($name:ident, |$backend:ident| $body:block) => {
        mod $name {
            use super::*;

            fn body<B: concentra::backend::Backend>($backend: &B) $body

            #[test]
            fn cpu() {
                body(&concentra::cpu::Cpu);
            }

            #[cfg(feature = "gpu")]
            #[test]
            fn adapters() {
                for adapter in crate::devices::tested() {
                    let setup = concentra::gpu::device::Setup::default();
                    body(&concentra::gpu::Gpu::open(&adapter, setup).unwrap());
                }
            }
        }
    };
}
pub(crate) use twins;
