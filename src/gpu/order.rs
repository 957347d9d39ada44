//! The order of large segments, found on the device: keys are sorted with the places that they came from.

use std::ops::Range;

use rayon::prelude::*;

use super::Core;
use super::buffers::Buffer;
use super::commands::Commands;
use super::fault::Fault;
use super::large::{Sizes, push_passes};
use super::layout::{Bits, Place, Room, loads, passes, places, tile_table};
use super::transfer::{Planes, fetch, upload_table};
use crate::cpu;
use crate::numbers::key::Key;

/// The order of every segment: of large ones from the device, of all others from the host.
pub(super) fn order(core: &Core, room: &Room, keys: &[Key], offsets: &[usize]) -> Result<Vec<u32>, Fault> {
    // Six planes of words where a sort without places has four.
    let room = Room { keys: room.keys / 3 * 2, ..*room };
    let (mut large, mut order) = (vec![], vec![vec![]; offsets.len().saturating_sub(1)]);
    let mut host = vec![];
    for (segment, place) in places(keys, offsets, &room).into_iter().enumerate() {
        match place {
            Place::Large(bits) => large.push((segment, bits)),
            Place::Host | Place::Packed(_) => host.push(segment),
        }
    }
    let own = |segment: usize| &keys[offsets[segment]..offsets[segment + 1]];
    let lengths: Vec<usize> = large.iter().map(|&(segment, _)| own(segment).len()).collect();
    for Range { start, end } in loads(&lengths, &room) {
        let portion: Vec<(&[Key], Bits)> =
            large[start..end].iter().map(|&(segment, bits)| (own(segment), bits)).collect();
        let mut places = &order_portion(core, &room, &portion)?[..];
        for &(segment, _) in &large[start..end] {
            let (head, tail) = places.split_at(own(segment).len());
            order[segment] = head.to_vec();
            places = tail;
        }
    }
    let of_host: Vec<Vec<u32>> =
        host.par_iter().map(|&segment| cpu::sort::order(own(segment), &[0, own(segment).len()])).collect();
    host.into_iter().zip(of_host).for_each(|(segment, places)| order[segment] = places);
    Ok(order.concat())
}

/// The order of segments that the device holds together, each by its own places.
fn order_portion(core: &Core, room: &Room, segments: &[(&[Key], Bits)]) -> Result<Vec<u32>, Fault> {
    let lengths: Vec<usize> = segments.iter().map(|(keys, _)| keys.len()).collect();
    let n: usize = lengths.iter().sum();
    let table = tile_table(room.tile, room.digits, &lengths);
    let tiles = table.len();
    let table = upload_table(core, table.as_flattened())?;
    let bits = segments.iter().fold(Bits::NONE, |bits, segment| bits.join(segment.1));
    let mut planes = Planes::upload(core, n, bits, segments.iter().map(|segment| segment.0))?;
    let places: Vec<u32> = lengths.iter().flat_map(|&length| 0..length as u32).collect();
    let mut places: Buffer = upload_table(core, &places)?;
    let varying = segments.iter().fold(0, |bits, segment| bits | segment.1.varying());
    let passes = passes(varying, room.digits.trailing_zeros());
    let sizes = Sizes { keys: n as u64, tiles: tiles as u64, counts: (tiles * room.digits) as u64 };
    let mut commands = Commands::new(core);
    push_passes(&mut commands, &passes, &sizes, &table, &mut planes, Some(&mut places))?;
    commands.run()?;
    core.count(|counters| {
        counters.passes += passes.len() as u64;
        counters.key_passes += passes.len() as u64 * n as u64;
        counters.loads += 1;
        counters.large_keys += n as u64;
    });
    let mut order = Vec::with_capacity(n);
    fetch(core, &places, n, |words| order.extend_from_slice(words))?;
    Ok(order)
}
