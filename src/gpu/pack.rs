//! Small segments: many to a workgroup, sorted and summed in one dispatch.

use super::Core;
use super::buffers::{Download, Use};
use super::commands::{Commands, Dispatch};
use super::fault::Fault;
use super::layout::{Bits, blocks};
use super::portions::Segment;
use super::transfer::{Keys, Planes, begin, finish, upload_table};
use crate::backend::words::{self, RECORD};
use crate::kernels::{PACK, Params, SLOTS};
use crate::moments::Needs;

/// Small segments that the device works on.
pub(super) struct Started {
    /// In the order of the blocks.
    records: Download,
    order: Vec<usize>,
    keys: Keys,
}

/// Has some small segments sorted and summed.
pub(super) fn start(core: &Core, segments: &[Segment<'_>], needs: Needs) -> Result<Started, Fault> {
    let lengths: Vec<usize> = segments.iter().map(|segment| segment.keys.len()).collect();
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
    let bits = segments.iter().fold(Bits::NONE, |bits, segment| bits.join(segment.bits));
    let planes = Planes::upload(core, n, bits, segments.iter().map(|segment| &*segment.keys))?;
    let records = core.pool.take(&core.device, Use::Storage, (segments.len() * RECORD) as u64 * 4)?;
    let mut commands = Commands::new(core);
    commands.push(Dispatch {
        kernel: &PACK,
        buffers: &[&core.log_table, &block_words, &segment_words, &planes.lo, &planes.hi, &records],
        params: Params { count: blocks.len() as u32, needs: words::bits(needs), ..Params::default() },
        workgroups: blocks.len() as u32,
        unit: 1,
        // Time goes by slots, full or not.
        items: u64::from(SLOTS) * blocks.len() as u64,
        bytes: 16 * n as u64 + 16 * blocks.len() as u64 + (8 + 4 * RECORD as u64) * segments.len() as u64,
    })?;
    commands.run()?;
    core.count(|counters| counters.packed_keys += n as u64);
    let records = begin(core, &records, segments.len() * RECORD)?;
    Ok(Started { records, order, keys: planes.download(core)? })
}

impl Started {
    /// Waits for them; puts the sorted keys and their sums into the segments.
    pub(super) fn finish(self, core: &Core, segments: &mut [Segment<'_>]) -> Result<(), Fault> {
        let mut records = Vec::with_capacity(segments.len() * RECORD);
        finish(core, self.records, |words| records.extend_from_slice(words))?;
        Segment::put(segments, &self.keys.finish(core)?);
        for (record, i) in records.chunks(RECORD).zip(self.order) {
            *segments[i].sums = words::sums(record, segments[i].keys.len() as u64);
        }
        Ok(())
    }
}
