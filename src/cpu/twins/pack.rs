//! Small segments, many to a workgroup: sorted and summed in shared memory.

use super::shared::Shared;
use super::sums::{Narrow, SUMS, word_of, write_sum};
use super::{Group, THREADS};
use crate::backend::words::{FIRST, LAST, NEEDS_LOGS, NEEDS_ROOTS, NEEDS_SQUARES, RECORD};
use crate::numbers::key::{Key, exponent};

const SLOTS: usize = crate::kernels::SLOTS as usize;
const SEGMENT_LANES: usize = 24;
const LANES: usize = 1538;

/// The slots' two planes.
struct Slots {
    lo: Shared,
    hi: Shared,
}

impl Slots {
    fn read(&mut self, thread: usize, at: usize) -> Key {
        u64::from(self.lo.read(thread, at)) | u64::from(self.hi.read(thread, at)) << 32
    }

    fn write(&mut self, thread: usize, at: usize, key: Key) {
        self.lo.write(thread, at, key as u32);
        self.hi.write(thread, at, (key >> 32) as u32);
    }

    fn barrier(&mut self) {
        self.lo.barrier();
        self.hi.barrier();
    }

    /// Sorts each run of `size` slots.
    fn sort(&mut self, size: usize) {
        let mut width = 2;
        while width <= size {
            let mut stride = width / 2;
            while stride > 0 {
                for thread in 0..THREADS {
                    for pair in (thread..SLOTS / 2).step_by(THREADS) {
                        let a = 2 * pair - (pair & (stride - 1));
                        let (x, y) = (self.read(thread, a), self.read(thread, a + stride));
                        let ascending = a & (size - 1) & width == 0;
                        if (x > y) == ascending {
                            self.write(thread, a, y);
                            self.write(thread, a + stride, x);
                        }
                    }
                }
                self.barrier();
                stride /= 2;
            }
            width *= 2;
        }
    }
}

/// The first sum of a round.
fn sum_of(round: usize) -> usize {
    [0, 2, 3, SUMS][round]
}

/// Buffers: logarithms, blocks, segments, both planes, records.
pub fn pack(group: &Group<'_>, buffers: &mut [Vec<u32>]) {
    let [_, blocks, segments, lo, hi, records] = buffers else { panic!("six buffers") };
    let Some(entry) = group.entry() else { return };
    let [first, count, class] = std::array::from_fn(|i| blocks[4 * entry + i] as usize);
    let size = 1 << class;
    let segment = |i: usize| (segments[2 * (first + i)] as usize, segments[2 * (first + i) + 1] as usize);
    // Where a slot's key lies.
    let place = |slot: usize| {
        let (of, within) = (slot >> class, slot & (size - 1));
        (of < count)
            .then(|| segment(of))
            .filter(|&(_, length)| within < length)
            .map(|(start, _)| start + within)
    };
    let mut slots = Slots { lo: Shared::new(SLOTS), hi: Shared::new(SLOTS) };
    for slot in 0..SLOTS {
        let key = place(slot).map_or(u64::MAX, |at| u64::from(lo[at]) | u64::from(hi[at]) << 32);
        slots.write(slot % THREADS, slot, key);
    }
    slots.barrier();
    slots.sort(size);
    for slot in 0..SLOTS {
        if let Some(at) = place(slot) {
            let key = slots.read(slot % THREADS, slot);
            (lo[at], hi[at]) = (key as u32, (key >> 32) as u32);
        }
    }
    let mut lanes = Shared::new(LANES);
    for round in 0..3 {
        (0..LANES).for_each(|lane| lanes.write(lane % THREADS, lane, 0));
        lanes.barrier();
        let needs = group.params.needs & [0, NEEDS_SQUARES, NEEDS_LOGS | NEEDS_ROOTS][round];
        let sums = sum_of(round)..sum_of(round + 1);
        for thread in 0..THREADS {
            let (mine, ranked) = ((thread * 4) >> class, (thread * 4) & (size - 1));
            let length = if mine < count { segment(mine).1 } else { 0 };
            let (mut run, mut e) = (Narrow::default(), 0);
            for i in 0..length.saturating_sub(ranked).min(4) {
                let key = slots.read(thread, thread * 4 + i);
                if exponent(key) != e {
                    run.flush(&mut lanes, thread, e, sums.clone(), mine * SEGMENT_LANES);
                    run = Narrow::default();
                    e = exponent(key);
                }
                run.push(key, (ranked + i + 1) as u32, needs);
            }
            run.flush(&mut lanes, thread, e, sums.clone(), mine * SEGMENT_LANES);
        }
        lanes.barrier();
        for thread in 0..THREADS {
            let (written, sum) = (thread / 4, sums.start + thread % 4);
            if written < count && sum < sums.end {
                let lane = written * SEGMENT_LANES + 2 * (word_of(sum) - word_of(sums.start));
                write_sum(
                    &mut lanes,
                    thread,
                    sum,
                    lane,
                    &mut records[(first + written) * RECORD..][..RECORD],
                );
            }
        }
        lanes.barrier();
    }
    for thread in (3..THREADS).step_by(4).filter(|thread| thread / 4 < count) {
        let written = thread / 4;
        let start = written << class;
        let (low, high) = (slots.read(thread, start), slots.read(thread, start + segment(written).1 - 1));
        let record = &mut records[(first + written) * RECORD..][..RECORD];
        record[FIRST..FIRST + 2].copy_from_slice(&[low as u32, (low >> 32) as u32]);
        record[LAST..].copy_from_slice(&[high as u32, (high >> 32) as u32, 0]);
    }
}
