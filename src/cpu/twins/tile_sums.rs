//! The lanes of all six sums of one tile.

use super::THREADS;
use super::shared::Shared;
use super::sums::{Narrow, SUMS, word_of, write_sum};
use crate::numbers::key::{Key, exponent};

/// Lanes, all zero after a barrier.
pub fn clear_lanes() -> Shared {
    let mut lanes = Shared::new(64);
    (0..64).for_each(|thread| lanes.write(thread, thread, 0));
    lanes.barrier();
    lanes
}

/// All sums of a record, one thread each.
pub fn write_sums(lanes: &mut Shared, record: &mut [u32]) {
    (0..SUMS).for_each(|thread| write_sum(lanes, thread, thread, 2 * word_of(thread), record));
}

/// Adds a thread's keys from the i-th on to lanes, every 256th of those before `end`, and returns the next one's index.
pub fn sum_keys(
    lanes: &mut Shared,
    thread: usize,
    key: impl Fn(usize) -> Key,
    from: usize,
    end: usize,
    needs: u32,
) -> usize {
    let mut i = from;
    let (mut run, mut e) = (Narrow::default(), 0);
    loop {
        if i >= end || exponent(key(i)) != e {
            run.flush(lanes, thread, e, 0..SUMS, 0);
            if i >= end {
                break i;
            }
            run = Narrow::default();
            e = exponent(key(i));
        }
        run.push(key(i), i as u32 + 1, needs);
        i += THREADS;
    }
}
