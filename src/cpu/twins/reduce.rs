//! All sums of each sorted tile in one read of its keys.

use super::tile_sums::{clear_lanes, sum_keys, write_sums};
use super::{Group, THREADS};
use crate::backend::words::{FIRST, LAST, RECORD};

/// Buffers: logarithms, tiles, both planes, records.
pub fn reduce(group: &Group<'_>, buffers: &mut [Vec<u32>]) {
    let [_, tiles, lo, hi, records] = buffers else { panic!("five buffers") };
    let Some(entry) = group.entry() else { return };
    let [start, length] = std::array::from_fn(|i| tiles[4 * entry + i] as usize);
    let key = |i: usize| u64::from(lo[start + i]) | u64::from(hi[start + i]) << 32;
    let mut lanes = clear_lanes();
    for thread in 0..THREADS {
        sum_keys(&mut lanes, thread, key, thread, length, group.params.needs);
    }
    lanes.barrier();
    let record = &mut records[entry * RECORD..][..RECORD];
    write_sums(&mut lanes, record);
    let last = start + length - 1;
    record[FIRST..FIRST + 2].copy_from_slice(&[lo[start], hi[start]]);
    record[LAST..].copy_from_slice(&[lo[last], hi[last], 0]);
}
