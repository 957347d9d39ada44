//! Segments on their way through the device, portion by portion: the next one is uploaded and submitted while the device
//! works on the one ahead of it, so that neither waits for the other.

use std::ops::Range;

use super::Core;
use super::fault::Fault;
use super::large::{self, Load};
use super::layout::{Bits, Room, loads, packs};
use super::pack;
use crate::moments::{Needs, Sums};
use crate::numbers::key::Key;

/// A segment, and where its sums go. Its keys are replaced by the sorted ones all at once.
pub(super) struct Segment<'k> {
    pub(super) index: usize,
    pub(super) keys: &'k mut [Key],
    pub(super) bits: Bits,
    pub(super) sums: &'k mut Sums,
}

impl Segment<'_> {
    /// Writes sorted keys, side by side, to their segments.
    pub(super) fn put(segments: &mut [Segment<'_>], sorted: &[Key]) {
        let mut rest = sorted;
        for segment in segments {
            let (head, tail) = rest.split_at(segment.keys.len());
            segment.keys.copy_from_slice(head);
            rest = tail;
        }
    }
}

/// How the segments of a portion are sorted.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Packed,
    /// `stays` where the sorted keys are not fetched.
    Load {
        stays: bool,
    },
}

/// Segments that go to the device together.
struct Portion<'a, 'k> {
    segments: &'a mut [Segment<'k>],
    keys: usize,
    kind: Kind,
}

/// What the device does with them.
enum Work {
    Packed(pack::Started),
    Load(large::Started),
}

impl<'a, 'k> Portion<'a, 'k> {
    /// Cuts segments into portions.
    fn cut(segments: &'a mut [Segment<'k>], ranges: &[Range<usize>], kind: Kind) -> Vec<Self> {
        let mut rest = segments;
        let mut portions = Vec::with_capacity(ranges.len());
        for range in ranges {
            let (segments, tail) = std::mem::take(&mut rest).split_at_mut(range.len());
            rest = tail;
            let keys = segments.iter().map(|segment| segment.keys.len()).sum();
            portions.push(Self { segments, keys, kind });
        }
        portions
    }

    fn start(&self, core: &Core, room: &Room, needs: Needs) -> Result<Work, Fault> {
        Ok(match self.kind {
            Kind::Packed => Work::Packed(pack::start(core, self.segments, needs)?),
            Kind::Load { stays } => Work::Load(large::start(core, room, self.segments, needs, stays)?),
        })
    }

    /// The load, where it is to stay.
    fn finish(self, core: &Core, work: Work) -> Result<Option<Load>, Fault> {
        match work {
            Work::Packed(packed) => packed.finish(core, self.segments).map(|()| None),
            Work::Load(load) => {
                let load = load.finish(core, self.segments)?;
                Ok(matches!(self.kind, Kind::Load { stays: true }).then_some(load))
            }
        }
    }
}

/// Sorts and sums small segments and large ones. Where the device holds all large ones, they stay there.
pub(super) fn sort<'k>(
    core: &Core,
    room: &Room,
    small: &mut [Segment<'k>],
    large: &mut [Segment<'k>],
    needs: Needs,
) -> Result<Option<Load>, Fault> {
    let lengths =
        |segments: &[Segment<'_>]| -> Vec<usize> { segments.iter().map(|s| s.keys.len()).collect() };
    let packs = packs(&lengths(small), room, core.device.setup.portion);
    let loads = loads(&lengths(large), room);
    let stays = loads.len() == 1;
    let small = Portion::cut(small, &packs, Kind::Packed);
    let large = Portion::cut(large, &loads, Kind::Load { stays });
    in_turn(core, room, small.into_iter().chain(large), needs)
}

/// Starts each portion before the one ahead of it is finished. The last one may stay.
fn in_turn<'a, 'k: 'a>(
    core: &Core,
    room: &Room,
    portions: impl Iterator<Item = Portion<'a, 'k>>,
    needs: Needs,
) -> Result<Option<Load>, Fault> {
    let mut ahead: Option<(Portion<'_, '_>, Work)> = None;
    let mut finish = |(portion, work): (Portion<'_, '_>, Work)| portion.finish(core, work);
    for portion in portions {
        // Kernels that are timed have the device for themselves.
        let alone = |(ahead, _): &mut (Portion<'_, '_>, Work)| {
            core.device.setup.timed || ahead.keys + portion.keys > room.keys
        };
        ahead.take_if(alone).map_or(Ok(None), &mut finish)?;
        let work = match portion.start(core, room, needs) {
            // Perhaps it has memory for one of them.
            Err(Fault::OutOfMemory) if ahead.is_some() => {
                ahead.take().map_or(Ok(None), &mut finish)?;
                portion.start(core, room, needs)?
            }
            work => work?,
        };
        ahead.replace((portion, work)).map_or(Ok(None), &mut finish)?;
    }
    ahead.map_or(Ok(None), finish)
}
