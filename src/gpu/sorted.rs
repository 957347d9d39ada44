//! Segments sorted where each is best sorted, and their sums.

use std::panic::resume_unwind;
use std::thread;

use rayon::prelude::*;

use super::Core;
use super::fault::Fault;
use super::large::Load;
use super::layout::{Bits, Place, Room, places};
use super::portions::{self, Segment};
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
    let mut sums = vec![Sums::default(); offsets.len().saturating_sub(1)];
    let load = share_out(core, room, keys, offsets, &mut sums).sort(core, room, needs)?;
    let resident = load.map(|load| Resident::new(load, sums.len()));
    let on_device =
        |segment: usize| resident.as_ref().is_some_and(|r| r.of_segment[segment] < r.of_segment[segment + 1]);
    let tiles = Tiles::of(offsets, TILE, |segment| !on_device(segment));
    Ok(Sorted { host: cpu::Sorted::new(keys, offsets, tiles, needs), sums, resident })
}

/// Segments by who sorts them. Those without keys are sorted.
#[derive(Default)]
struct Shares<'a> {
    host: Vec<Segment<'a>>,
    small: Vec<Segment<'a>>,
    large: Vec<Segment<'a>>,
}

fn share_out<'a>(
    core: &Core,
    room: &Room,
    keys: &'a mut [Key],
    offsets: &[usize],
    sums: &'a mut [Sums],
) -> Shares<'a> {
    let places = places(keys, offsets, room);
    let mut shares = Shares::default();
    let mut rest = keys;
    for (index, (place, sums)) in places.into_iter().zip(sums).enumerate() {
        let (keys, tail) = std::mem::take(&mut rest).split_at_mut(offsets[index + 1] - offsets[index]);
        rest = tail;
        let (share, bits) = match place {
            Place::Host if keys.is_empty() => continue,
            Place::Host => (&mut shares.host, Bits::NONE),
            Place::Packed(bits) => (&mut shares.small, bits),
            Place::Large(bits) => (&mut shares.large, bits),
        };
        share.push(Segment { index, keys, bits, sums });
    }
    let host_keys: usize = shares.host.iter().map(|segment| segment.keys.len()).sum();
    core.count(|counters| counters.host_keys += host_keys as u64);
    shares
}

impl Shares<'_> {
    /// Sorts and sums all of them, those of the host while the device works. What stays on the device is returned.
    fn sort(self, core: &Core, room: &Room, needs: Needs) -> Result<Option<Load>, Fault> {
        let Self { mut host, mut small, mut large } = self;
        let mut on_device = || portions::sort(core, room, &mut small, &mut large, needs);
        // Kernels that are timed have the machine for themselves.
        if host.is_empty() || core.device.setup.timed {
            let load = on_device()?;
            sort_on_host(&mut host, needs);
            return Ok(load);
        }
        thread::scope(|scope| {
            // A thread of its own, for it mostly waits; those of the pool sort.
            let device = scope.spawn(on_device);
            sort_on_host(&mut host, needs);
            device.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

/// What the device does not sort.
fn sort_on_host(segments: &mut [Segment<'_>], needs: Needs) {
    segments.par_iter_mut().for_each(|segment| {
        segment.keys.par_sort_unstable();
        let tiles = Tiles::new(&[0, segment.keys.len()]);
        reduce::reduce(segment.keys, &tiles, needs).iter().for_each(|sums| segment.sums.append(sums));
    });
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
