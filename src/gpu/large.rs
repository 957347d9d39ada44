//! Large segments: uploaded, sorted by radix passes and summed, as many at a time as the device holds.

use std::time::Instant;

use super::Core;
use super::buffers::{Buffer, Use, download};
use super::commands::{Commands, Dispatch};
use super::fault::Fault;
use super::layout::{Pass, Room, passes, tile_table};
use crate::backend::words::{self, RECORD};
use crate::kernels::{CHUNK, DOWNSWEEP, Params, REDUCE, SCAN_DOWN, SCAN_REDUCE, SCAN_SPINE, UPSWEEP};
use crate::moments::Needs;
use crate::numbers::key::Key;

/// Keys of one upload: enough to keep a bus busy, little enough to stay in caches while planes are told apart.
const UPLOAD: usize = 1 << 20;

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
    pub(super) lo: Buffer,
    pub(super) hi: Buffer,
    pub(super) tiles: Vec<Tile>,
    /// One a tile.
    pub(super) records: Vec<u32>,
    keys: usize,
}

/// Uploads keys as two planes.
pub(super) fn upload<'k>(
    core: &Core,
    slices: impl Iterator<Item = &'k [Key]>,
    lo: &Buffer,
    hi: &Buffer,
) -> Result<(), Fault> {
    let started = Instant::now();
    let mut at = 0;
    let (mut low, mut high) = (Vec::with_capacity(UPLOAD), Vec::with_capacity(UPLOAD));
    let mut send = |low: &mut Vec<u32>, high: &mut Vec<u32>| {
        let sent = core.device.scoped(|| {
            core.device.queue.write_buffer(lo, at, bytemuck::cast_slice(low));
            core.device.queue.write_buffer(hi, at, bytemuck::cast_slice(high));
        });
        at += low.len() as u64 * 4;
        low.clear();
        high.clear();
        sent
    };
    for slice in slices {
        for part in slice.chunks(UPLOAD) {
            if low.len() + part.len() > UPLOAD {
                send(&mut low, &mut high)?;
            }
            low.extend(part.iter().map(|&key| key as u32));
            high.extend(part.iter().map(|&key| (key >> 32) as u32));
        }
    }
    send(&mut low, &mut high)?;
    core.count(|counters| {
        counters.uploaded += 2 * at;
        counters.upload_time += started.elapsed();
    });
    Ok(())
}

/// Uploads a table.
pub(super) fn upload_table(core: &Core, words: &[u32]) -> Result<Buffer, Fault> {
    let buffer = core.pool.take(&core.device, Use::Storage, words.len() as u64 * 4)?;
    core.device.scoped(|| core.device.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(words)))?;
    core.count(|counters| counters.uploaded += words.len() as u64 * 4);
    Ok(buffer)
}

/// Fetches words.
pub(super) fn fetch(
    core: &Core,
    buffer: &Buffer,
    words: usize,
    take: impl FnMut(&[u32]),
) -> Result<(), Fault> {
    let started = Instant::now();
    download(&core.device, &core.pool, buffer, words, take)?;
    core.count(|counters| {
        counters.downloaded += words as u64 * 4;
        counters.download_time += started.elapsed();
    });
    Ok(())
}

/// Sorts and sums some segments of `keys`, whose bits vary where `varying` says.
pub(super) fn sort(
    core: &Core,
    room: &Room,
    keys: &[Key],
    offsets: &[usize],
    segments: &[usize],
    varying: u64,
    needs: Needs,
) -> Result<Load, Fault> {
    let slice = |&segment: &usize| &keys[offsets[segment]..offsets[segment + 1]];
    let n: usize = segments.iter().map(|s| slice(s).len()).sum();
    let lengths: Vec<usize> = segments.iter().map(|s| slice(s).len()).collect();
    let table = tile_table(room.tile, room.digits, &lengths);
    let of_tiles = segments
        .iter()
        .zip(&lengths)
        .flat_map(|(&segment, length)| std::iter::repeat_n(segment, length.div_ceil(room.tile)));
    let tiles: Vec<Tile> =
        of_tiles.zip(&table).map(|(segment, &[start, length, ..])| Tile { segment, start, length }).collect();
    let table = upload_table(core, table.as_flattened())?;
    let plane = || core.pool.take(&core.device, Use::Storage, n as u64 * 4);
    let (mut lo, mut hi) = (plane()?, plane()?);
    upload(core, segments.iter().map(slice), &lo, &hi)?;

    let mut commands = Commands::new(core);
    let passes = passes(varying, room.digits.trailing_zeros());
    if !passes.is_empty() {
        let (mut other_lo, mut other_hi) = (plane()?, plane()?);
        let counts = tiles.len() * room.digits;
        let matrix = core.pool.take(&core.device, Use::Storage, counts as u64 * 4)?;
        let spine = core.pool.take(&core.device, Use::Storage, (counts as u64).div_ceil(CHUNK.into()) * 4)?;
        for pass in &passes {
            let from = if pass.high { [&hi, &lo] } else { [&lo, &hi] };
            let to = if pass.high { [&other_hi, &other_lo] } else { [&other_lo, &other_hi] };
            let sizes = Sizes { keys: n as u64, tiles: tiles.len() as u64, counts: counts as u64 };
            push_pass(&mut commands, pass, &sizes, &table, from, to, &matrix, &spine)?;
            std::mem::swap(&mut lo, &mut other_lo);
            std::mem::swap(&mut hi, &mut other_hi);
        }
    }
    let records = core.pool.take(&core.device, Use::Storage, (tiles.len() * RECORD) as u64 * 4)?;
    commands.push(Dispatch {
        kernel: &REDUCE,
        buffers: &[&core.log_table, &table, &lo, &hi, &records],
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
    let mut host = Vec::with_capacity(tiles.len() * RECORD);
    fetch(core, &records, tiles.len() * RECORD, |words| host.extend_from_slice(words))?;
    Ok(Load { lo, hi, tiles, records: host, keys: n })
}

/// How much a pass has to do.
struct Sizes {
    keys: u64,
    tiles: u64,
    counts: u64,
}

/// One pass: upsweep, scan, downsweep.
#[expect(clippy::too_many_arguments, reason = "they are the pass's buffers")]
fn push_pass(
    commands: &mut Commands<'_>,
    pass: &Pass,
    sizes: &Sizes,
    table: &Buffer,
    from: [&Buffer; 2],
    to: [&Buffer; 2],
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
    commands.push(Dispatch {
        kernel: &DOWNSWEEP,
        buffers: &[table, from[0], from[1], matrix, to[0], to[1]],
        params: over_tiles,
        workgroups: tiles as u32,
        unit: 1,
        items: keys,
        bytes: 16 * keys + 16 * tiles + 4 * counts,
    })
}

impl Load {
    /// Fetches the sorted keys, in the order of the load's segments.
    pub(super) fn fetch_keys(&self, core: &Core) -> Result<Vec<Key>, Fault> {
        fetch_keys(core, &self.lo, &self.hi, self.keys)
    }
}

/// Fetches two planes and joins them.
pub(super) fn fetch_keys(core: &Core, lo: &Buffer, hi: &Buffer, n: usize) -> Result<Vec<Key>, Fault> {
    let mut keys: Vec<Key> = Vec::with_capacity(n);
    fetch(core, lo, n, |words| keys.extend(words.iter().map(|&low| Key::from(low))))?;
    let mut at = 0;
    fetch(core, hi, n, |words| {
        for (key, &high) in keys[at..].iter_mut().zip(words) {
            *key |= Key::from(high) << 32;
        }
        at += words.len();
    })?;
    Ok(keys)
}
