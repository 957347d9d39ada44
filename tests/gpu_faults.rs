//! A device that fails: right numbers from the CPU, honest rows, or an error where the device is required.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use concentra::choose::{Compute, Work};
use concentra::cpu::Cpu;
use concentra::engine::Measured;
use concentra::error::Error;
use concentra::gpu::Gpu;
use concentra::gpu::device::Setup;
use concentra::gpu::fault::{Fault, Inject, Step};
use concentra::metrics;
use concentra::moments::Total;
use concentra::moments::{Ask, Needs};
use concentra::numbers::key::{self, Key};
use concentra::numbers::wide::U320;
use concentra::record::Recorder;

use crate::devices::{is_slow, tested};
use crate::gpu_engine::measure;
use crate::random::Random;

/// Fails once, after some steps of a kind.
#[derive(Debug)]
struct Once {
    fault: Fault,
    countdown: AtomicUsize,
}

impl Inject for Once {
    fn fault(&self, step: Step) -> Option<Fault> {
        let concerned = match self.fault {
            Fault::OutOfMemory => matches!(step, Step::Create(_)),
            Fault::Timeout(_) => step == Step::Wait,
            _ => step == Step::Submit,
        };
        let now = concerned && self.countdown.fetch_sub(1, Ordering::Relaxed) == 1;
        now.then(|| self.fault.clone())
    }
}

/// Memory that does not suffice for a while: a pool that tries again is refused again.
#[derive(Debug)]
struct Shortage {
    created: AtomicUsize,
    first: usize,
}

impl Shortage {
    fn has_begun(&self) -> bool {
        self.created.load(Ordering::Relaxed) > self.first
    }
}

impl Inject for Shortage {
    fn fault(&self, step: Step) -> Option<Fault> {
        let Step::Create(_) = step else { return None };
        let at = self.created.fetch_add(1, Ordering::Relaxed);
        (self.first..self.first + 2).contains(&at).then_some(Fault::OutOfMemory)
    }
}

/// Memory that never suffices for large buffers.
#[derive(Debug)]
struct NoRoom;

impl Inject for NoRoom {
    fn fault(&self, step: Step) -> Option<Fault> {
        matches!(step, Step::Create(size) if size > 1 << 16).then_some(Fault::OutOfMemory)
    }
}

fn groups() -> Vec<Vec<Key>> {
    let mut random = Random(71);
    let mut group = |n: usize| (0..n).map(|_| random.key(120)).collect();
    [5, 40_000, 1, 100, 3000].map(&mut group).into()
}

/// Measures as an analysis does: the backend, its note, and whether the numbers are the CPU's.
fn attempt(compute: &Compute, require_gpu: bool) -> concentra::Result<(String, Option<String>, bool)> {
    let groups = groups();
    static EXPECTED: OnceLock<Vec<Measured>> = OnceLock::new();
    let expected = EXPECTED.get_or_init(|| measure(&Cpu, &groups, usize::MAX).unwrap());
    let metrics = metrics::catalog(&Default::default());
    let asks: Vec<&Ask> = metrics.iter().flat_map(|m| &m.asks).collect();
    let totals: Vec<Total> = groups
        .iter()
        .map(|keys| Total {
            amount: keys.iter().fold(U320::ZERO, |sum, &k| sum + U320::from(key::value(k))),
            exact: keys.len() % 2 == 0,
        })
        .collect();
    let mut offsets = vec![0];
    groups.iter().for_each(|keys| offsets.push(offsets[offsets.len() - 1] + keys.len()));
    let mut keys = groups.concat();
    let work = Work { index: 0, first: 0, keys: &mut keys, offsets, totals: &totals, needs: Needs::ALL };
    let (measured, made) = compute.measure(work, &asks, &Recorder::default(), require_gpu)?;
    let (backend, adapter, note) = made.row(measured[1].moments.as_ref().unwrap());
    assert_eq!(adapter.is_some(), backend == "gpu");
    Ok((backend.into(), note, measured == *expected))
}

#[test]
fn the_cpu_stands_in_wherever_it_fails() {
    let faults = [
        Fault::OutOfMemory,
        Fault::Lost("injected".into()),
        Fault::Timeout(Duration::from_secs(1)),
        Fault::Refused("injected".into()),
    ];
    for adapter in tested() {
        for fault in &faults {
            let mut failed = 0;
            // Every other step on a quick device, a few on a slow one.
            let stride = if is_slow(&adapter) { 4 } else { 2 };
            for step in (3..60).step_by(stride) {
                let faults = Arc::new(Once { fault: fault.clone(), countdown: AtomicUsize::new(step) });
                // Small bindings, so that there are several loads to fail in.
                let setup = Setup { faults: faults.clone(), binding: Some(64 << 10), ..Setup::default() };
                let gpu = Gpu::open(&adapter, setup).unwrap();
                let compute = Compute::Gpu(std::sync::Arc::new(gpu));
                let (backend, note, right) = attempt(&compute, false).unwrap();
                assert!(right, "{fault} at step {step}");
                let happened = faults.countdown.load(Ordering::Relaxed) as isize <= 0;
                // A pool that is out of memory gives its unused buffers back and tries once more.
                if happened && *fault != Fault::OutOfMemory {
                    failed += 1;
                    assert_eq!(backend, "cpu");
                    assert!(note.unwrap().contains(&fault.to_string()));
                    // The next batch does not touch the device again.
                    let (backend, _, right) = attempt(&compute, false).unwrap();
                    assert!(right && backend == "cpu");
                } else {
                    assert_eq!((&backend[..], note), ("gpu", None));
                }
                if !happened {
                    break;
                }
            }
            assert!(failed > 2 || *fault == Fault::OutOfMemory, "{fault} happened {failed} times");
        }
    }
}

/// Where a device has no memory for a second load, the first one is finished before. In any case it serves the next
/// batch.
#[test]
fn short_of_memory_it_takes_one_load_at_a_time() {
    for adapter in tested() {
        let mut computed = [0; 2];
        // Two buffers are there from the start.
        for first in (2..60).step_by(if is_slow(&adapter) { 3 } else { 1 }) {
            let faults = Arc::new(Shortage { created: AtomicUsize::new(0), first });
            let setup = Setup { faults: faults.clone(), binding: Some(64 << 10), ..Setup::default() };
            let compute = Compute::Gpu(std::sync::Arc::new(Gpu::open(&adapter, setup).unwrap()));
            let (backend, note, right) = attempt(&compute, false).unwrap();
            assert!(right, "at buffer {first}");
            if !faults.has_begun() {
                break;
            }
            assert_eq!(note.is_some(), backend == "cpu");
            computed[usize::from(backend == "gpu")] += 1;
            let (backend, _, right) = attempt(&compute, true).unwrap();
            assert!(right && backend == "gpu");
        }
        assert!(computed.iter().all(|&times| times > 1), "cpu and gpu: {computed:?}");
    }
}

#[test]
fn no_memory_is_no_end() {
    for adapter in tested() {
        let gpu = Gpu::open(&adapter, Setup { faults: Arc::new(NoRoom), ..Setup::default() }).unwrap();
        let compute = Compute::Gpu(std::sync::Arc::new(gpu));
        let (backend, note, right) = attempt(&compute, false).unwrap();
        assert!(right && backend == "cpu" && note.unwrap().contains("out of memory"));
        let error = attempt(&compute, true).unwrap_err();
        assert!(matches!(error, Error::Device { .. }) && error.exit_code() == 4, "{error}");
    }
}

#[test]
fn a_required_device_that_is_lost_is_an_error() {
    for adapter in tested() {
        let fault = Fault::Lost("injected".into());
        let faults = Arc::new(Once { fault, countdown: AtomicUsize::new(2) });
        let gpu = Gpu::open(&adapter, Setup { faults, ..Setup::default() }).unwrap();
        let error = attempt(&Compute::Gpu(std::sync::Arc::new(gpu)), true).unwrap_err();
        assert!(error.to_string().contains("lost"), "{error}");
    }
}

/// SwiftShader refuses a buffer of 1 GiB; lavapipe grants anything.
#[test]
fn a_real_lack_of_memory() {
    for adapter in tested().iter().filter(|adapter| is_slow(adapter)) {
        let gpu = Gpu::open(adapter, Setup::default()).unwrap();
        let error = gpu.try_buffer(1 << 30).unwrap_err();
        assert!(error.to_string().ends_with("out of memory"), "{error}");
        // That is no reason to give the device up.
        assert!(gpu.gone().is_none());
        let (backend, note, right) = attempt(&Compute::Gpu(std::sync::Arc::new(gpu)), true).unwrap();
        assert!(right && backend == "gpu" && note.is_none());
    }
}

/// A device that really takes longer than it may. Where the machine is busy, the work may be done before anybody waits
/// for it: that is an answer in time, so it is tried again until one comes late.
#[test]
fn patience_ends() {
    for adapter in tested() {
        let late = (0..20).any(|_| {
            let setup = Setup { patience: Duration::from_nanos(1), ..Setup::default() };
            let gpu = Gpu::open(&adapter, setup).unwrap();
            let (backend, note, right) = attempt(&Compute::Gpu(std::sync::Arc::new(gpu)), false).unwrap();
            assert!(right, "late or not, the numbers are right");
            match &backend[..] {
                "cpu" => {
                    assert!(
                        note.as_deref().is_some_and(|note| note.contains("no answer within")),
                        "{note:?}"
                    );
                }
                _ => assert!(note.is_none(), "{note:?}"),
            }
            backend == "cpu"
        });
        assert!(late, "{}: twenty answers within a nanosecond", adapter.name());
    }
}
