//! concentra's side.

use std::time::Duration;

use concentra::backend::{Backend, Prefix};
use concentra::cpu::Cpu;
use concentra::gpu::Gpu;
use concentra::gpu::adapters::{adapters, find};
use concentra::gpu::counters::Counters;
use concentra::gpu::device::Setup;
use concentra::moments::{Needs, Sums};

use crate::{Failure, Time};

/// The device, with every kernel waited for, so that kernels are timed and nothing else is.
pub struct Ours {
    gpu: Gpu,
}

/// What a sort must find.
pub struct Expected {
    sorted: Vec<u64>,
    sums: Vec<Sums>,
}

/// What a sort took.
pub struct Sorted {
    /// All passes.
    pub sort: Time,
    /// The scans within them.
    pub scan: Time,
    /// Counts that were scanned.
    pub counts: u64,
}

impl Expected {
    /// For keys that are sorted already.
    pub fn new(mut sorted: Vec<u64>) -> Result<Self, Failure> {
        let offsets = [0, sorted.len()];
        let on_cpu = Cpu.sort(&mut sorted, &offsets, Needs::ALL)?;
        let sums = Cpu.reduce(&on_cpu, Needs::ALL)?;
        drop(on_cpu);
        Ok(Self { sorted, sums })
    }
}

impl Ours {
    pub fn open(name: &str) -> Result<Self, Failure> {
        let adapters = adapters();
        let adapter = find(&adapters, name).ok_or_else(|| format!("no adapter is named {name}"))?;
        let patience = Duration::from_secs(600);
        Ok(Self { gpu: Gpu::open(adapter, Setup { timed: true, patience, ..Setup::default() })? })
    }

    pub fn device(&self) -> String {
        format!("{}, {}", self.gpu.adapter().unwrap_or_default(), self.gpu.driver())
    }

    /// Sorts a copy and checks it. Of all orders of the keys, only the ascending one has the greatest `Σ i·v`, and that
    /// is one of the sums; a thousand ranks are looked up besides.
    pub fn sort(&self, keys: &[u64], expected: &Expected) -> Result<Sorted, Failure> {
        let mut keys = keys.to_vec();
        let offsets = [0, keys.len()];
        self.gpu.take_counters();
        let sorted = self.gpu.sort(&mut keys, &offsets, Needs::ALL)?;
        let counters = self.gpu.take_counters();
        let rank = |rank| Prefix { segment: 0, rank: rank as u64, logs: false };
        let ranks: Vec<Prefix> = (0..offsets[1]).step_by(offsets[1].div_ceil(1000)).map(rank).collect();
        let found = self.gpu.prefix(&sorted, &ranks)?;
        let is_right = ranks.iter().zip(&found).all(|(p, f)| f.next == expected.sorted[p.rank as usize]);
        if counters.large_keys != offsets[1] as u64 {
            return Err("the device did not sort all keys".into());
        }
        if !is_right || self.gpu.reduce(&sorted, Needs::ALL)? != expected.sums {
            return Err("concentra: wrong order".into());
        }
        Ok(Sorted {
            sort: self.time(&counters, &Counters::SORT),
            scan: self.time(&counters, &["scan_reduce", "scan_spine", "scan_down"]),
            counts: counters.kernels["scan_reduce"].items,
        })
    }

    fn time(&self, counters: &Counters, kernels: &[&str]) -> Time {
        let work = || kernels.iter().filter_map(|name| counters.kernels.get(name));
        let device: Duration = work().map(|work| work.device_time).sum();
        Time { wall: work().map(|work| work.time).sum(), device: self.gpu.has_clock().then_some(device) }
    }
}
