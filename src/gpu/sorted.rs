//! Segments sorted where each is best sorted, and their sums.

use rayon::prelude::*;

use super::Core;
use super::fault::Fault;
use super::large::{self, Load};
use super::layout::{Place, Room, loads, packs, places};
use super::pack;
use crate::backend::{TILE, words};
use crate::cpu::tiles::Tiles;
use crate::cpu::{self, reduce};
use crate::moments::{Needs, Sums};
use crate::numbers::key::Key;
use crate::numbers::wide::U320;

/// Sorted segments: large ones on the device where all of them fit, all others on the host.
#[derive(Debug)]
pub struct Sorted<'k> {
    /// Segments that are sorted on the host; the others have no tiles here.
    pub(super) host: cpu::Sorted<'k>,
    /// Of every segment.
    pub(super) sums: Vec<Sums>,
    /// The others.
    pub(super) resident: Option<Resident>,
}

/// Segments on the device.
#[derive(Debug)]
pub(super) struct Resident {
    pub(super) load: Load,
    /// The first tile of each segment, and the number of tiles; segments elsewhere have none.
    pub(super) of_segment: Vec<usize>,
    /// `Σv` of a tile's segment below the tile.
    pub(super) below: Vec<U320>,
    /// `ΣL` of a tile's segment below the tile.
    pub(super) logs_below: Vec<u128>,
}

/// Sorts every segment.
pub(super) fn sort<'k>(
    core: &Core,
    room: &Room,
    keys: &'k mut [Key],
    offsets: &'k [usize],
    needs: Needs,
) -> Result<Sorted<'k>, Fault> {
    let places = places(keys, offsets, room);
    let mut sums = vec![Sums::default(); places.len()];
    pack_small(core, room, keys, offsets, &places, needs, &mut sums)?;
    let resident = sort_large(core, room, keys, offsets, &places, needs, &mut sums)?;
    sort_on_host(core, keys, offsets, &places, needs, &mut sums);
    let on_device =
        |segment: usize| resident.as_ref().is_some_and(|r| r.of_segment[segment] < r.of_segment[segment + 1]);
    let tiles = Tiles::of(offsets, TILE, |segment| !on_device(segment));
    Ok(Sorted { host: cpu::Sorted::new(keys, offsets, tiles), sums, resident })
}

/// What the device does not sort.
fn sort_on_host(
    core: &Core,
    keys: &mut [Key],
    offsets: &[usize],
    places: &[Place],
    needs: Needs,
    sums: &mut [Sums],
) {
    let is_here = |segment: usize| places[segment] == Place::Host;
    let mut count = 0;
    for segment in (0..places.len()).filter(|&segment| is_here(segment)) {
        let keys = &mut keys[offsets[segment]..offsets[segment + 1]];
        count += keys.len() as u64;
        keys.par_sort_unstable();
    }
    let tiles = Tiles::of(offsets, TILE, is_here);
    for (segment, reduced) in reduce::reduce(keys, &tiles, needs).into_iter().enumerate() {
        if is_here(segment) {
            sums[segment] = reduced;
        }
    }
    core.count(|counters| counters.host_keys += count);
}

/// Small segments, as many at a time as the device holds.
fn pack_small(
    core: &Core,
    room: &Room,
    keys: &mut [Key],
    offsets: &[usize],
    places: &[Place],
    needs: Needs,
    sums: &mut [Sums],
) -> Result<(), Fault> {
    let small: Vec<usize> = (0..places.len()).filter(|&s| places[s] == Place::Packed).collect();
    for portion in packs(&small, offsets, room) {
        let segments = &small[portion];
        let packed = pack::pack(core, keys, offsets, segments, needs)?;
        put(keys, offsets, segments, &packed.keys);
        for (&segment, &of_segment) in segments.iter().zip(&packed.sums) {
            sums[segment] = of_segment;
        }
    }
    Ok(())
}

/// Writes sorted segments to their places.
fn put(keys: &mut [Key], offsets: &[usize], segments: &[usize], sorted: &[Key]) {
    let mut rest = sorted;
    for &segment in segments {
        let to = &mut keys[offsets[segment]..offsets[segment + 1]];
        let (head, tail) = rest.split_at(to.len());
        to.copy_from_slice(head);
        rest = tail;
    }
}

/// Large segments. Where they do not fit the device together, they come back sorted, load by load.
fn sort_large(
    core: &Core,
    room: &Room,
    keys: &mut [Key],
    offsets: &[usize],
    places: &[Place],
    needs: Needs,
    sums: &mut [Sums],
) -> Result<Option<Resident>, Fault> {
    let large: Vec<usize> = (0..places.len()).filter(|&s| matches!(places[s], Place::Large { .. })).collect();
    let portions = loads(&large, offsets, room);
    let is_whole = portions.len() == 1;
    for portion in portions {
        let segments = &large[portion];
        let varying = segments.iter().fold(0, |bits, &segment| match places[segment] {
            Place::Large { varying } => bits | varying,
            Place::Host | Place::Packed => bits,
        });
        let load = large::sort(core, room, keys, offsets, segments, varying, needs)?;
        for (tile, record) in load.tiles.iter().zip(load.records.chunks(words::RECORD)) {
            sums[tile.segment].append(&words::sums(record, tile.length.into()));
        }
        if is_whole {
            return Ok(Some(Resident::new(load, places.len())));
        }
        put(keys, offsets, segments, &load.fetch_keys(core)?);
    }
    Ok(None)
}

impl Resident {
    fn new(load: Load, segments: usize) -> Self {
        let mut of_segment = vec![0; segments + 1];
        load.tiles.iter().for_each(|tile| of_segment[tile.segment + 1] += 1);
        for segment in 0..segments {
            of_segment[segment + 1] += of_segment[segment];
        }
        let (mut below, mut logs_below) = (Vec::new(), Vec::new());
        let (mut sums, mut segment) = (Sums::default(), usize::MAX);
        for (tile, record) in load.tiles.iter().zip(load.records.chunks(words::RECORD)) {
            if tile.segment != segment {
                (sums, segment) = (Sums::default(), tile.segment);
            }
            below.push(sums.amount);
            logs_below.push(sums.logs);
            sums.append(&words::sums(record, tile.length.into()));
        }
        Self { load, of_segment, below, logs_below }
    }
}
