//! Small segments: many to a workgroup, sorted and summed in one dispatch.

use super::Core;
use super::buffers::Use;
use super::commands::{Commands, Dispatch};
use super::fault::Fault;
use super::large::{fetch, fetch_keys, upload, upload_table};
use super::layout::blocks;
use crate::backend::words::{self, RECORD};
use crate::kernels::{PACK, Params, SLOTS};
use crate::moments::{Needs, Sums};
use crate::numbers::key::Key;

/// The sorted keys and the sums of some segments, in their order.
pub(super) struct Packed {
    pub(super) keys: Vec<Key>,
    pub(super) sums: Vec<Sums>,
}

/// Sorts and sums some small segments of `keys`.
pub(super) fn pack(
    core: &Core,
    keys: &[Key],
    offsets: &[usize],
    segments: &[usize],
    needs: Needs,
) -> Result<Packed, Fault> {
    let slice = |&segment: &usize| &keys[offsets[segment]..offsets[segment + 1]];
    let lengths: Vec<usize> = segments.iter().map(|s| slice(s).len()).collect();
    let mut n = 0;
    let starts: Vec<u32> = lengths
        .iter()
        .map(|&length| {
            n += length;
            (n - length) as u32
        })
        .collect();
    let (order, blocks) = blocks(&lengths);
    let block_table: Vec<u32> = blocks.iter().flat_map(|b| [b.first, b.count, b.class, 0]).collect();
    let segment_table: Vec<u32> = order.iter().flat_map(|&i| [starts[i], lengths[i] as u32]).collect();

    let block_words = upload_table(core, &block_table)?;
    let segment_words = upload_table(core, &segment_table)?;
    let plane = || core.pool.take(&core.device, Use::Storage, n as u64 * 4);
    let (lo, hi) = (plane()?, plane()?);
    upload(core, segments.iter().map(slice), &lo, &hi)?;
    let records = core.pool.take(&core.device, Use::Storage, (segments.len() * RECORD) as u64 * 4)?;
    let mut commands = Commands::new(core);
    commands.push(Dispatch {
        kernel: &PACK,
        buffers: &[&core.log_table, &block_words, &segment_words, &lo, &hi, &records],
        params: Params { count: blocks.len() as u32, needs: words::bits(needs), ..Params::default() },
        workgroups: blocks.len() as u32,
        unit: 1,
        // Time goes by slots, full or not.
        items: u64::from(SLOTS) * blocks.len() as u64,
        bytes: 16 * n as u64 + 16 * blocks.len() as u64 + (8 + 4 * RECORD as u64) * segments.len() as u64,
    })?;
    commands.run()?;
    core.count(|counters| counters.packed_keys += n as u64);

    let mut words = Vec::with_capacity(segments.len() * RECORD);
    fetch(core, &records, segments.len() * RECORD, |window| words.extend_from_slice(window))?;
    let mut sums = vec![Sums::default(); segments.len()];
    for (record, &i) in words.chunks(RECORD).zip(&order) {
        sums[i] = words::sums(record, lengths[i] as u64);
    }
    Ok(Packed { keys: fetch_keys(core, &lo, &hi, n)?, sums })
}
