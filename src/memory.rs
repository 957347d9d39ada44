//! How much memory the work may take, and what fits into it.

use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

use crate::error::{Error, Result};

/// The least that `--memory-limit` takes.
pub const LEAST: u64 = 128_000_000;

/// A limit for the resident memory of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// In bytes.
    pub limit: u64,
}

/// The shares of it where rows do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Holders that are measured at a time.
    pub keys: usize,
    /// Bytes of all buffers on the way to disk.
    pub buffers: u64,
    /// Bytes of tables of owners.
    pub owners: u64,
    /// Bytes of finished results.
    pub results: u64,
    /// Questions that are asked of the groups of a batch.
    pub queries: u64,
}

impl Bounds {
    /// As much as there is.
    pub const NONE: Self =
        Self { keys: usize::MAX, buffers: 16 << 20, owners: u64::MAX, results: u64::MAX, queries: u64::MAX };
}

/// The program, and what its threads share.
const BASE: u64 = 40 << 20;
/// Of each thread: pages of several columns, compressed and not, and the batches made of them. Measured with two threads:
/// 60 to 80 MB together with the program.
const OF_THREAD: u64 = 10 << 20;
/// Of each group, and of each group and thread: keys, counts and tallies. Measured with two threads: 630 bytes.
const OF_GROUP: u64 = 300;
const OF_GROUP_AND_THREAD: u64 = 150;
/// A thread for so much of the limit at most.
const FOR_THREAD: u64 = 64_000_000;
/// A key, and its copy while it is sorted.
pub const OF_KEY: u64 = 16;
/// An answer, and what becomes of it until it is a cell of the results.
const OF_QUERY: u64 = 500;

impl Memory {
    /// The limit that was asked for, or three quarters of what the machine has, or its control group where that has less;
    /// what has hardly any is not refused for that.
    pub fn of(limit: Option<u64>) -> Self {
        Self { limit: limit.unwrap_or_else(|| (available() / 4 * 3).max(LEAST)) }
    }

    /// What is left beside so many bytes.
    pub fn beside(self, bytes: u64) -> Self {
        Self { limit: self.limit.saturating_sub(bytes) }
    }

    /// So many threads at most, so that rows have room beside them.
    pub fn threads(&self) -> usize {
        usize::try_from(self.limit / FOR_THREAD).unwrap_or(usize::MAX).max(1)
    }

    /// What is left for rows where there are so many groups.
    pub fn room(&self, groups: usize) -> u64 {
        let threads = rayon::current_num_threads() as u64;
        let of_groups = groups as u64 * (OF_GROUP + OF_GROUP_AND_THREAD * threads);
        self.limit.saturating_sub(BASE + OF_THREAD * threads + of_groups)
    }

    /// As many groups as there may be beside so many bytes of rows.
    pub fn groups(&self, rows: u64) -> usize {
        let threads = rayon::current_num_threads() as u64;
        let room = (self.room(0)).saturating_sub(rows.max(self.limit / 8));
        usize::try_from(room / (OF_GROUP + OF_GROUP_AND_THREAD * threads)).unwrap_or(usize::MAX)
    }

    /// The shares of what is left beside so many groups, and bytes of rows that stay.
    pub fn bounds(&self, groups: usize, rows: u64) -> Result<Bounds> {
        let room = self.room(groups).saturating_sub(rows);
        if room < (self.limit / 8).max(LEAST / 8) {
            let threads = rayon::current_num_threads();
            return Err(Error::Memory(format!(
                "{threads} threads, {groups} groups and lists of owners leave too little memory for rows; allow more with \
                 --memory-limit, or less of them"
            )));
        }
        Ok(Bounds {
            keys: (room / 8 * 5 / OF_KEY) as usize,
            buffers: room / 8,
            owners: room / 8 * 5,
            results: room / 8,
            queries: room / 8 / OF_QUERY,
        })
    }
}

/// What the machine has, or its control group.
fn available() -> u64 {
    let ram = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let Ok(mut system) = System::new_with_specifics(ram) else { return u64::MAX };
    let machine = system.total_memory();
    let own = sysinfo::get_current_pid().ok();
    let group = own.and_then(|pid| {
        let processes = ProcessesToUpdate::Some(&[pid]);
        system.refresh_processes_specifics(processes, false, ProcessRefreshKind::nothing());
        system.process(pid)?.cgroup_limits()
    });
    group.map_or(machine, |group| machine.min(group.total_memory))
}

/// `2G`, `150MB`, `1.5GiB` in bytes: powers of ten, or of two with an `i`.
pub fn parse(text: &str) -> Result<u64> {
    let refuse = |why: &str| Error::Usage(format!("--memory-limit {text}: {why}"));
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match &unit.trim().to_ascii_lowercase()[..] {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(refuse("write a size like 2G, 150MB or 1.5GiB")),
    };
    let number: f64 = number.parse().map_err(|_| refuse("write a size like 2G, 150MB or 1.5GiB"))?;
    let bytes = (number * unit as f64) as u64;
    if bytes < LEAST {
        return Err(refuse("the least is 128MB"));
    }
    Ok(bytes)
}

/// Bytes as people read them.
pub fn show(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let sizes = [
            ("2G", 2_000_000_000),
            ("150MB", 150_000_000),
            ("1.5GiB", 3 << 29),
            ("128000000", LEAST),
            ("1 TB", 1_000_000_000_000),
            ("131072KiB", 128 << 20),
        ];
        for (text, bytes) in sizes {
            assert_eq!(parse(text).unwrap(), bytes, "{text}");
        }
        for bad in ["", "G", "2X", "127MB", "-1G", "1..5G", "0", "1e9", "NaN"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_machine_has_memory() {
        assert!(available() > LEAST);
    }
}
