//! One workgroup scans the spine, chunk after chunk.

use super::block_scan::BlockScan;
use super::{Group, THREADS};
use crate::kernels::CHUNK;

/// Buffers: spine.
pub fn scan_spine(group: &Group<'_>, buffers: &mut [Vec<u32>]) {
    let [spine] = buffers else { panic!("one buffer") };
    let count = group.params.count as usize;
    let mut block = BlockScan::default();
    let mut base = 0;
    for start in (0..count).step_by(CHUNK as usize) {
        scan_chunk(&mut block, &mut spine[start..count.min(start + CHUNK as usize)], base);
        base += block.total(0);
    }
}

/// Scans at most 2,048 words, eight adjacent ones a thread, from what lies below them.
pub(super) fn scan_chunk(block: &mut BlockScan, words: &mut [u32], base: u32) {
    let of_thread = |thread: usize| (thread * 8).min(words.len())..(thread * 8 + 8).min(words.len());
    let sums: [u32; THREADS] = std::array::from_fn(|thread| words[of_thread(thread)].iter().sum());
    let before = block.scan(&sums);
    for (thread, before) in before.into_iter().enumerate() {
        let mut running = base + before;
        let range = (thread * 8).min(words.len())..(thread * 8 + 8).min(words.len());
        for word in &mut words[range] {
            running += std::mem::replace(word, running);
        }
    }
}
