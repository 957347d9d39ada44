//! The GPU backend: compute shaders through wgpu. Nothing outside this module names wgpu.
//!
//! Large segments are sorted by radix passes and stay on the device, where queries find them; small ones are packed
//! into workgroups, sorted and summed at once, and come back sorted. Each portion is submitted before the one ahead of
//! it is waited for. What the shaders do not do - amounts of 2^128 and more - is left to the CPU's kernels.

use std::sync::{Mutex, OnceLock, PoisonError};

use crate::backend::{Backend, Prefix, Search};
use crate::error::{Error, Result};
use crate::games::sample::Counts;
use crate::moments::{Below, Needs, Sums};
use crate::numbers::key::Key;
use crate::numbers::log2;

pub mod adapters;
mod buffers;
mod clock;
mod commands;
pub mod counters;
pub mod device;
pub mod fault;
pub mod games;
mod kernel_run;
mod large;
pub mod layout;
mod order;
mod pack;
mod pipelines;
mod portions;
mod query;
mod sorted;
mod transfer;

pub use commands::KEYS_PER_SUBMISSION;
pub use sorted::Sorted;

use buffers::{Buffer, Pool, Use};
use counters::Counters;
use device::{Device, Setup};
use fault::Fault;
use layout::Room;
use pipelines::Pipelines;

/// The backend on one opened device.
#[derive(Debug)]
pub struct Gpu {
    core: Core,
    room: Room,
    /// One batch at a time: they share parameters and memory.
    turn: Mutex<()>,
    gone: OnceLock<Fault>,
}

/// What all of its work shares.
#[derive(Debug)]
struct Core {
    device: Device,
    pipelines: Pipelines,
    pool: Pool,
    params: Buffer,
    log_table: Buffer,
    counters: Mutex<Counters>,
}

impl Core {
    fn count(&self, add: impl FnOnce(&mut Counters)) {
        add(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Gpu {
    /// Opens an adapter.
    pub fn open(adapter: &adapters::Adapter, setup: Setup) -> Result<Self> {
        let open = || {
            let device = Device::open(adapter, setup)?;
            let pool = Pool::default();
            let params = commands::params_buffer(&pool, &device)?;
            let table: Vec<u32> =
                log2::TABLE.iter().flat_map(|&(r, log)| [r, log as u32, (log >> 32) as u32, 0]).collect();
            let log_table = pool.take(&device, Use::Storage, table.len() as u64 * 4)?;
            device.scoped(|| device.queue.write_buffer(&log_table, 0, bytemuck::cast_slice(&table)))?;
            let (limits, setup) = (&device.limits, &device.setup);
            let (binding, buffer) = (limits.max_storage_buffer_binding_size, limits.max_buffer_size);
            let room = Room::new(binding, buffer, setup.tile, setup.digit_bits);
            let (pipelines, counters) = (Pipelines::default(), Mutex::default());
            let core = Core { device, pipelines, pool, params, log_table, counters };
            Ok(Self { core, room, turn: Mutex::default(), gone: OnceLock::new() })
        };
        open().map_err(|fault: Fault| error(adapter.name(), &fault))
    }

    /// The largest segment that the device sorts; larger ones are left to the CPU, so cut them into value ranges.
    pub fn largest_segment(&self) -> usize {
        self.room.largest_segment()
    }

    /// Takes samples of a game that fits the device.
    pub fn sample(
        &self,
        game: &crate::games::Game,
        seed: u64,
        numbers: std::ops::Range<u64>,
    ) -> Result<Counts> {
        self.attempt(|| games::sample(&self.core, game, seed, numbers))
    }

    /// The interface that the device is reached by, and its driver.
    pub fn driver(&self) -> &str {
        self.core.device.driver()
    }

    /// Whether the device is a processor that plays a GPU.
    pub fn is_software(&self) -> bool {
        self.core.device.is_software()
    }

    /// Whether the device tells how long its kernels take.
    pub fn has_clock(&self) -> bool {
        self.core.device.tick.is_some()
    }

    /// What the device did since this was last asked.
    pub fn take_counters(&self) -> Counters {
        std::mem::take(&mut self.core.counters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why nothing more can be had from this device, if so.
    pub fn gone(&self) -> Option<&Fault> {
        self.gone.get()
    }

    /// Does some work of a batch, unless the device is gone.
    fn attempt<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.gone.get().map_or_else(work, |fault| Err(fault.clone()));
        done.map_err(|fault| {
            if !fault.is_passing() {
                self.gone.get_or_init(|| fault.clone());
            }
            error(self.core.device.name(), &fault)
        })
    }
}

fn error(adapter: &str, fault: &Fault) -> Error {
    Error::Device { adapter: adapter.to_owned(), problem: fault.to_string() }
}

impl Backend for Gpu {
    type Sorted<'k> = Sorted<'k>;

    fn name(&self) -> &'static str {
        "gpu"
    }

    fn adapter(&self) -> Option<&str> {
        Some(self.core.device.name())
    }

    fn sort<'k>(&'k self, keys: &'k mut [Key], offsets: &'k [usize], needs: Needs) -> Result<Sorted<'k>> {
        self.attempt(|| sorted::sort(&self.core, &self.room, keys, offsets, needs))
    }

    fn order(&self, keys: &[Key], offsets: &[usize]) -> Result<Vec<u32>> {
        self.attempt(|| order::order(&self.core, &self.room, keys, offsets))
    }

    fn reduce(&self, sorted: &Sorted<'_>, _: Needs) -> Result<Vec<Sums>> {
        Ok(sorted.sums.clone())
    }

    fn reduce_below(&self, sorted: &Sorted<'_>, ranks: &[(usize, u64)], needs: Needs) -> Result<Vec<Sums>> {
        self.attempt(|| query::reduce_below(&self.core, sorted, ranks, needs))
    }

    fn search(&self, sorted: &Sorted<'_>, queries: &[Search]) -> Result<Vec<u64>> {
        self.attempt(|| query::search(&self.core, sorted, queries))
    }

    fn prefix(&self, sorted: &Sorted<'_>, queries: &[Prefix]) -> Result<Vec<Below>> {
        self.attempt(|| query::prefix(&self.core, sorted, queries))
    }
}
