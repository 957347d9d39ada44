//! What a device was made to do, counted where it is asked for: bytes moved, passes, dispatches.

use std::collections::BTreeMap;
use std::time::Duration;

/// The work of one kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Dispatches.
    pub dispatches: u64,
    /// Workgroups of all dispatches.
    pub workgroups: u64,
    /// Keys, matrix elements or queries that it was given.
    pub items: u64,
    /// Bytes of device memory that it reads and writes, each binding's use counted once.
    pub bytes: u64,
    /// Wall time, only where each dispatch is waited for (`Setup::timed`).
    pub time: Duration,
    /// The same by the device's own clock; zero where it has none.
    pub device_time: Duration,
}

/// The work of a device since it was opened or [`super::Gpu::take_counters`] was called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// Of each kernel, by its name.
    pub kernels: BTreeMap<&'static str, Work>,
    /// Submissions with dispatches.
    pub submissions: u64,
    /// Passes of the radix sort, over whatever keys were loaded.
    pub passes: u64,
    /// Keys times the passes that each went through.
    pub key_passes: u64,
    /// Device-fulls of large segments.
    pub loads: u64,
    /// Keys sorted by passes.
    pub large_keys: u64,
    /// Keys sorted in shared memory.
    pub packed_keys: u64,
    /// Keys left to the CPU: of groups beyond 2^128.
    pub host_keys: u64,
    /// Bytes sent to the device.
    pub uploaded: u64,
    /// Wall time of sending: until the driver has taken the data; where each dispatch is waited for, until it is there.
    pub upload_time: Duration,
    /// Bytes fetched from the device.
    pub downloaded: u64,
    /// Wall time of fetching, which includes waiting for work submitted before.
    pub download_time: Duration,
}

impl Counters {
    /// Bytes that some kernels moved.
    pub fn bytes_of(&self, kernels: &[&str]) -> u64 {
        kernels.iter().filter_map(|name| self.kernels.get(name)).map(|work| work.bytes).sum()
    }

    /// Dispatches of all kernels.
    pub fn dispatches(&self) -> u64 {
        self.kernels.values().map(|work| work.dispatches).sum()
    }

    /// The radix sort's kernels.
    pub const SORT: [&str; 5] = ["upsweep", "scan_reduce", "scan_spine", "scan_down", "downsweep"];
}
