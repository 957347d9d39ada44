//! Scans each chunk from what the spine says lies below it.

use super::Group;
use super::block_scan::BlockScan;
use super::scan_spine::scan_chunk;
use crate::kernels::CHUNK;

/// Buffers: matrix, spine.
pub fn scan_down(group: &Group<'_>, buffers: &mut [Vec<u32>]) {
    let [matrix, spine] = buffers else { panic!("two buffers") };
    let (chunk, count) = ((group.params.first + group.index) as usize, group.params.count as usize);
    let start = chunk * CHUNK as usize;
    if start >= count {
        return;
    }
    let words = &mut matrix[start..count.min(start + CHUNK as usize)];
    scan_chunk(&mut BlockScan::default(), words, spine[chunk]);
}
