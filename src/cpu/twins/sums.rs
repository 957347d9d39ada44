//! Exact sums of keys below 2^128: narrow ones of a thread, added to lanes of sixteen bits in shared memory.

use super::shared::Shared;
use crate::backend::words::{
    AMOUNT, FIRST, LOGS, NEEDS_LOGS, NEEDS_ROOTS, NEEDS_SQUARES, PRODUCTS, RANKED, ROOTS, SQUARES,
};
use crate::numbers::key::{Key, mantissa};
use crate::numbers::{log2, sqrt};

/// How many sums.
pub const SUMS: usize = 6;

/// A thread's sums at one exponent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Narrow {
    amount: u128,
    ranked: u128,
    squares: u128,
    logs: u128,
    products: u128,
    roots: u128,
}

/// The first word of a sum.
pub fn word_of(sum: usize) -> usize {
    [AMOUNT, RANKED, SQUARES, LOGS, PRODUCTS, ROOTS, FIRST][sum]
}

impl Narrow {
    /// Adds a key of this rank.
    pub fn push(&mut self, key: Key, rank: u32, needs: u32) {
        let m = u128::from(mantissa(key));
        self.amount += m;
        self.ranked += m * u128::from(rank);
        if needs & NEEDS_SQUARES != 0 {
            self.squares += m * m;
        }
        if needs & NEEDS_LOGS != 0 {
            let log = u128::from(log2::of(key));
            self.logs += log;
            self.products += m * log;
        }
        if needs & NEEDS_ROOTS != 0 {
            let (r, k) = sqrt::of(key);
            self.roots += u128::from(r) << k;
        }
    }

    /// Adds the sums from `first` up to `end` to lanes, the first one's starting at `lane`.
    pub fn flush(
        &self,
        lanes: &mut Shared,
        thread: usize,
        e: u32,
        sums: std::ops::Range<usize>,
        lane: usize,
    ) {
        let values = [self.amount, self.ranked, self.squares, self.logs, self.products, self.roots];
        let first = sums.start;
        for sum in sums {
            let shift = match sum {
                2 => 2 * e,
                3 | 5 => 0,
                _ => e,
            };
            add_shifted(lanes, thread, lane + 2 * (word_of(sum) - word_of(first)), values[sum], shift);
        }
    }
}

/// Adds two words' worth of lanes.
fn add_lanes(lanes: &mut Shared, thread: usize, lane: usize, x: u32) {
    if x != 0 {
        lanes.add(thread, lane, x & 0xffff);
        lanes.add(thread, lane + 1, x >> 16);
    }
}

/// Adds x·2^shift to the sum whose lanes start at `lane`.
fn add_shifted(lanes: &mut Shared, thread: usize, lane: usize, x: u128, shift: u32) {
    let (s, at) = (shift & 15, lane + (shift >> 4) as usize);
    let low = x << s;
    for i in 0..4 {
        add_lanes(lanes, thread, at + 2 * i, (low >> (32 * i)) as u32);
    }
    add_lanes(lanes, thread, at + 8, ((x >> 1) >> (127 - s)) as u32);
}

/// One sum's lanes, carried into the words of a record.
pub fn write_sum(lanes: &mut Shared, thread: usize, sum: usize, lane: usize, record: &mut [u32]) {
    let mut carry = 0;
    let start = word_of(sum);
    for i in 0..word_of(sum + 1) - start {
        let low = lanes.read(thread, lane + 2 * i) + carry;
        let high = lanes.read(thread, lane + 2 * i + 1) + (low >> 16);
        record[start + i] = (low & 0xffff) | (high << 16);
        carry = high >> 16;
    }
}
