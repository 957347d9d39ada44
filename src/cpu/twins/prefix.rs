//! Prefix sums at asked ranks: each tile that holds some is walked once, for all of its ranks in ascending order.

use super::tile_sums::{clear_lanes, sum_keys, write_sums};
use super::{Group, THREADS};
use crate::backend::words::{FIRST, LAST, RECORD};

/// Buffers: logarithms, walks, ranks, both planes, records.
pub fn prefix(group: &Group<'_>, buffers: &mut [Vec<u32>]) {
    let [_, walks, ranks, lo, hi, records] = buffers else { panic!("six buffers") };
    let Some(entry) = group.entry() else { return };
    let [start, first, count] = std::array::from_fn(|i| walks[4 * entry + i] as usize);
    let key = |i: usize| u64::from(lo[start + i]) | u64::from(hi[start + i]) << 32;
    let mut lanes = clear_lanes();
    let mut at: [usize; THREADS] = std::array::from_fn(|thread| thread);
    for asked in first..first + count {
        let rank = ranks[asked] as usize;
        for (thread, i) in at.iter_mut().enumerate() {
            *i = sum_keys(&mut lanes, thread, key, *i, rank, group.params.needs);
        }
        lanes.barrier();
        let record = &mut records[asked * RECORD..][..RECORD];
        write_sums(&mut lanes, record);
        record[FIRST..FIRST + 2].copy_from_slice(&[lo[start], hi[start]]);
        record[LAST..].copy_from_slice(&[lo[start + rank], hi[start + rank], ranks[asked]]);
        lanes.barrier();
    }
}
