//! Large segments: sorted by radix passes and summed, as many at a time as the device holds.

use super::Core;
use super::buffers::{Buffer, Download, Use};
use super::commands::{Commands, Dispatch};
use super::fault::Fault;
use super::layout::{Bits, Pass, Room, passes, tile_table};
use super::portions::Segment;
use super::transfer::{Keys, Planes, begin, finish, upload_table};
use crate::backend::words::{self, RECORD};
use crate::kernels::{
    CHUNK, DOWNSWEEP, DOWNSWEEP_ORDER, Params, REDUCE, SCAN_DOWN, SCAN_REDUCE, SCAN_SPINE, UPSWEEP,
};
use crate::moments::Needs;

/// A tile of a load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    /// The segment it belongs to.
    pub(super) segment: usize,
    /// Where it starts within the planes.
    pub(super) start: u32,
    /// Its keys.
    pub(super) length: u32,
}

/// Sorted segments on the device.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) planes: Planes,
    pub(super) tiles: Vec<Tile>,
    /// One a tile.
    pub(super) records: Vec<u32>,
}

/// A load that the device works on.
pub(super) struct Started {
    planes: Planes,
    tiles: Vec<Tile>,
    records: Download,
    /// The sorted keys, where they do not stay.
    keys: Option<Keys>,
}

/// Has some segments sorted and summed; `stays` where the sorted keys are not fetched.
pub(super) fn start(
    core: &Core,
    room: &Room,
    segments: &[Segment<'_>],
    needs: Needs,
    stays: bool,
) -> Result<Started, Fault> {
    let lengths: Vec<usize> = segments.iter().map(|segment| segment.keys.len()).collect();
    let n: usize = lengths.iter().sum();
    let table = tile_table(room.tile, room.digits, &lengths);
    let of_tiles = segments
        .iter()
        .flat_map(|segment| std::iter::repeat_n(segment.index, segment.keys.len().div_ceil(room.tile)));
    let tiles: Vec<Tile> =
        of_tiles.zip(&table).map(|(segment, &[start, length, ..])| Tile { segment, start, length }).collect();
    let table = upload_table(core, table.as_flattened())?;
    let bits = segments.iter().fold(Bits::NONE, |bits, segment| bits.join(segment.bits));
    let mut planes = Planes::upload(core, n, bits, segments.iter().map(|segment| &*segment.keys))?;

    let mut commands = Commands::new(core);
    // Bits that vary between segments only need no pass.
    let varying = segments.iter().fold(0, |bits, segment| bits | segment.bits.varying());
    let passes = passes(varying, room.digits.trailing_zeros());
    let sizes =
        Sizes { keys: n as u64, tiles: tiles.len() as u64, counts: (tiles.len() * room.digits) as u64 };
    push_passes(&mut commands, &passes, &sizes, &table, &mut planes, None)?;
    let records = core.pool.take(&core.device, Use::Storage, (tiles.len() * RECORD) as u64 * 4)?;
    commands.push(Dispatch {
        kernel: &REDUCE,
        buffers: &[&core.log_table, &table, &planes.lo, &planes.hi, &records],
        params: Params { count: tiles.len() as u32, needs: words::bits(needs), ..Params::default() },
        workgroups: tiles.len() as u32,
        unit: 1,
        items: n as u64,
        bytes: 8 * n as u64 + (16 + 4 * RECORD as u64) * tiles.len() as u64,
    })?;
    commands.run()?;
    core.count(|counters| {
        counters.passes += passes.len() as u64;
        counters.key_passes += passes.len() as u64 * n as u64;
        counters.loads += 1;
        counters.large_keys += n as u64;
    });
    let records = begin(core, &records, tiles.len() * RECORD)?;
    let keys = if stays { None } else { Some(planes.download(core)?) };
    Ok(Started { planes, tiles, records, keys })
}

impl Started {
    /// Waits for the load; puts sums into its segments and, where they do not stay, the sorted keys.
    pub(super) fn finish(self, core: &Core, segments: &mut [Segment<'_>]) -> Result<Load, Fault> {
        let Self { planes, tiles, records: download, keys } = self;
        let mut records = Vec::with_capacity(tiles.len() * RECORD);
        finish(core, download, |words| records.extend_from_slice(words))?;
        if let Some(keys) = keys {
            Segment::put(segments, &keys.finish(core)?);
        }
        let mut of_tiles = tiles.iter().zip(records.chunks(RECORD)).peekable();
        for segment in segments {
            while let Some((tile, record)) = of_tiles.next_if(|(tile, _)| tile.segment == segment.index) {
                segment.sums.append(&words::sums(record, tile.length.into()));
            }
        }
        Ok(Load { planes, tiles, records })
    }
}

/// How much a pass has to do.
pub(super) struct Sizes {
    pub(super) keys: u64,
    pub(super) tiles: u64,
    pub(super) counts: u64,
}

/// All passes; the planes are those that have the keys in the end, and the places that go with them.
pub(super) fn push_passes(
    commands: &mut Commands<'_>,
    passes: &[Pass],
    sizes: &Sizes,
    table: &Buffer,
    planes: &mut Planes,
    mut places: Option<&mut Buffer>,
) -> Result<(), Fault> {
    if passes.is_empty() {
        return Ok(());
    }
    let core = commands.core();
    let take = |words: u64| core.pool.take(&core.device, Use::Storage, words * 4);
    let (mut other_lo, mut other_hi) = (take(sizes.keys)?, take(sizes.keys)?);
    let (matrix, spine) = (take(sizes.counts)?, take(sizes.counts.div_ceil(CHUNK.into()))?);
    let mut other_places = places.as_ref().map(|_| take(sizes.keys)).transpose()?;
    for pass in passes {
        let (lo, hi) = (&planes.lo, &planes.hi);
        let mut from = if pass.high { vec![hi, lo] } else { vec![lo, hi] };
        let mut to = if pass.high { vec![&other_hi, &other_lo] } else { vec![&other_lo, &other_hi] };
        from.extend(places.as_deref());
        to.extend(other_places.as_ref());
        push_pass(commands, pass, sizes, table, &from, &to, &matrix, &spine)?;
        if let (Some(places), Some(other)) = (places.as_deref_mut(), &mut other_places) {
            std::mem::swap(places, other);
        }
        std::mem::swap(&mut planes.lo, &mut other_lo);
        std::mem::swap(&mut planes.hi, &mut other_hi);
    }
    Ok(())
}

/// One pass: upsweep, scan, downsweep.
#[expect(clippy::too_many_arguments, reason = "they are the pass's buffers")]
fn push_pass(
    commands: &mut Commands<'_>,
    pass: &Pass,
    sizes: &Sizes,
    table: &Buffer,
    from: &[&Buffer],
    to: &[&Buffer],
    matrix: &Buffer,
    spine: &Buffer,
) -> Result<(), Fault> {
    let &Sizes { keys, tiles, counts } = sizes;
    let chunks = counts.div_ceil(CHUNK.into());
    let over_tiles = Params { count: tiles as u32, shift: pass.shift, ..Params::default() };
    let over_counts = Params { count: counts as u32, ..Params::default() };
    commands.push(Dispatch {
        kernel: &UPSWEEP,
        buffers: &[table, from[0], matrix],
        params: over_tiles,
        workgroups: tiles as u32,
        unit: 1,
        items: keys,
        bytes: 4 * keys + 16 * tiles + 4 * counts,
    })?;
    commands.push(Dispatch {
        kernel: &SCAN_REDUCE,
        buffers: &[matrix, spine],
        params: over_counts,
        workgroups: chunks as u32,
        unit: CHUNK,
        items: counts,
        bytes: 4 * counts + 4 * chunks,
    })?;
    commands.push(Dispatch {
        kernel: &SCAN_SPINE,
        buffers: &[spine],
        params: Params { count: chunks as u32, ..Params::default() },
        workgroups: 1,
        unit: chunks as u32,
        items: chunks,
        bytes: 8 * chunks,
    })?;
    commands.push(Dispatch {
        kernel: &SCAN_DOWN,
        buffers: &[matrix, spine],
        params: over_counts,
        workgroups: chunks as u32,
        unit: CHUNK,
        items: counts,
        bytes: 8 * counts + 4 * chunks,
    })?;
    let buffers: Vec<&Buffer> = std::iter::once(table)
        .chain(from.iter().copied())
        .chain([matrix])
        .chain(to.iter().copied())
        .collect();
    commands.push(Dispatch {
        kernel: if from.len() > 2 { &DOWNSWEEP_ORDER } else { &DOWNSWEEP },
        buffers: &buffers,
        params: over_tiles,
        workgroups: tiles as u32,
        unit: 1,
        items: keys,
        bytes: 8 * from.len() as u64 * keys + 16 * tiles + 4 * counts,
    })
}
