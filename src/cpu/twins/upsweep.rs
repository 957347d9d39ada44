//! Counts the digits of each tile into the matrix `[segment][digit][tile]`.

use super::shared::Shared;
use super::{Group, THREADS};

/// Buffers: tiles, plane, matrix.
pub fn upsweep(group: &Group<'_>, buffers: &mut [Vec<u32>]) {
    let [tiles, plane, matrix] = buffers else { panic!("three buffers") };
    let Some(entry) = group.entry() else { return };
    let [start, length, base, stride] = std::array::from_fn(|i| tiles[4 * entry + i] as usize);
    let digits = 1 << group.digit_bits;
    let mut counts = Shared::new(256);
    for thread in 0..THREADS {
        counts.write(thread, thread, 0);
    }
    counts.barrier();
    for thread in 0..THREADS {
        for i in (thread..length).step_by(THREADS) {
            let digit = (plane[start + i] >> group.params.shift) as usize & (digits - 1);
            counts.add(thread, digit, 1);
        }
    }
    counts.barrier();
    for thread in 0..digits {
        matrix[base + thread * stride] = counts.read(thread, thread);
    }
}
