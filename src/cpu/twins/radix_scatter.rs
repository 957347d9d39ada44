//! What the two downsweeps share: a tile's keys to where the scanned matrix says, equal digits in order, and with each
//! what goes with it.

#![expect(clippy::needless_range_loop, reason = "indices are threads and their keys, as in the shader")]

use super::block_scan::BlockScan;
use super::shared::Shared;
use super::{Group, THREADS};

const SUBTILE: usize = 2048;
const KEYS: usize = 8;

/// The keys of all threads, and the shared memory.
struct State {
    exchange: Shared,
    block: BlockScan,
    /// Those that have the digit come last.
    planes: Vec<Vec<[u32; KEYS]>>,
}

/// Moves the keys of a tile: start, length, and where its counts lie. Planes come from `from` and go to `to`; the last of
/// each has the digit.
pub(super) fn scatter(
    group: &Group<'_>,
    tile: &[u32],
    matrix: &[u32],
    from: &[&[u32]],
    to: &mut [&mut [u32]],
) {
    let [tile, length, base, stride] = std::array::from_fn(|i| tile[i] as usize);
    let (shift, mask) = (group.params.shift, (1u32 << group.digit_bits) - 1);
    let digit = |key: u32| ((key >> shift) & mask) as usize;
    let last = from.len() - 1;
    let mut state = State {
        exchange: Shared::new(SUBTILE),
        block: BlockScan::default(),
        planes: vec![vec![[0; KEYS]; THREADS]; from.len()],
    };
    let (mut next, mut offset) = (Shared::new(256), Shared::new(256));
    for thread in 0..=mask as usize {
        next.write(thread, thread, matrix[base + thread * stride]);
    }
    for start in (0..length).step_by(SUBTILE) {
        let here = SUBTILE.min(length - start);
        for thread in 0..THREADS {
            for i in 0..KEYS {
                let at = thread * KEYS + i;
                for (plane, from) in state.planes.iter_mut().zip(from) {
                    plane[thread][i] = if at < here { from[tile + start + at] } else { 0 };
                }
                if at >= here {
                    state.planes[last][thread][i] = u32::MAX;
                }
            }
        }
        state.sort_nibble(shift, group.digit_bits == 4);
        if group.digit_bits == 8 {
            state.sort_nibble(shift + 4, true);
        }
        next.barrier();
        offset.barrier();
        for thread in 0..THREADS {
            for i in 0..KEYS {
                let at = i * THREADS + thread;
                let this = digit(state.planes[last][thread][i]);
                let left = digit(state.exchange.read(thread, at.max(1) - 1));
                if at < here && (at == 0 || left != this) {
                    let to = next.read(thread, this).wrapping_sub(at as u32);
                    offset.write(thread, this, to);
                }
            }
        }
        next.barrier();
        offset.barrier();
        state.exchange.barrier();
        for thread in 0..THREADS {
            for i in 0..KEYS {
                let at = i * THREADS + thread;
                if at < here {
                    let this = digit(state.planes[last][thread][i]);
                    let place = offset.read(thread, this).wrapping_add(at as u32);
                    for (plane, to) in state.planes.iter().zip(to.iter_mut()) {
                        to[place as usize] = plane[thread][i];
                    }
                    let right = digit(state.exchange.read(thread, (at + 1).min(SUBTILE - 1)));
                    if at + 1 == here || right != this {
                        next.write(thread, this, place + 1);
                    }
                }
            }
        }
    }
}

impl State {
    /// Sorts the sub-tile by four bits of its keys. A thread's keys are then the 8·thread + i-th, or with `strided`
    /// the 256·i + thread-th; `exchange` holds all keys.
    fn sort_nibble(&mut self, shift: u32, strided: bool) {
        let Self { exchange, block, planes } = self;
        let keys = &planes[planes.len() - 1];
        let nibble = |key: u32| ((key >> shift) & 15) as usize;
        let mut ranks = vec![[0u32; KEYS]; THREADS];
        exchange.barrier();
        for thread in 0..THREADS {
            (0..8).for_each(|row| exchange.write(thread, row * THREADS + thread, 0));
            for i in 0..KEYS {
                let digit = nibble(keys[thread][i]);
                let (at, half) = ((digit & 7) * THREADS + thread, (digit >> 3) * 16);
                let counter = exchange.read(thread, at);
                ranks[thread][i] = (counter >> half) & 0xffff;
                exchange.write(thread, at, counter + (1 << half));
            }
        }
        exchange.barrier();
        let words: Vec<[u32; 8]> =
            (0..THREADS).map(|t| std::array::from_fn(|i| exchange.read(t, t * 8 + i))).collect();
        let before = block.scan(&std::array::from_fn(|t| words[t].iter().sum()));
        exchange.barrier();
        for thread in 0..THREADS {
            let mut running = before[thread] + ((block.total(thread) & 0xffff) << 16);
            for i in 0..8 {
                exchange.write(thread, thread * 8 + i, running);
                running += words[thread][i];
            }
        }
        exchange.barrier();
        for thread in 0..THREADS {
            for i in 0..KEYS {
                let digit = nibble(keys[thread][i]);
                let start = exchange.read(thread, (digit & 7) * THREADS + thread) >> ((digit >> 3) * 16);
                ranks[thread][i] += start & 0xffff;
            }
        }
        for plane in planes {
            exchange.barrier();
            for thread in 0..THREADS {
                (0..KEYS).for_each(|i| exchange.write(thread, ranks[thread][i] as usize, plane[thread][i]));
            }
            exchange.barrier();
            for thread in 0..THREADS {
                for i in 0..KEYS {
                    let at = if strided { i * THREADS + thread } else { thread * KEYS + i };
                    plane[thread][i] = exchange.read(thread, at);
                }
            }
        }
    }
}
