//! The sum of each chunk of 2,048 counts into the spine.

use super::block_scan::BlockScan;
use super::{Group, THREADS};
use crate::kernels::CHUNK;

/// Buffers: matrix, spine.
pub fn scan_reduce(group: &Group<'_>, buffers: &mut [Vec<u32>]) {
    let [matrix, spine] = buffers else { panic!("two buffers") };
    let (chunk, count) = ((group.params.first + group.index) as usize, group.params.count as usize);
    let start = chunk * CHUNK as usize;
    if start >= count {
        return;
    }
    let sums: [u32; THREADS] = std::array::from_fn(|thread| {
        (0..8).map(|i| start + i * THREADS + thread).filter(|&at| at < count).map(|at| matrix[at]).sum()
    });
    let before = BlockScan::default().scan(&sums);
    spine[chunk] = before[THREADS - 1] + sums[THREADS - 1];
}
