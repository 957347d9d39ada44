//! All sums of sorted segments in one read of the keys.

use rayon::prelude::*;

use super::Sorted;
use super::tiles::Tiles;
use crate::moments::{Needs, Sums};
use crate::numbers::key::{Key, exponent, mantissa};
use crate::numbers::wide::{U192, U320, U384, U576};
use crate::numbers::{log2, sqrt};
use crate::record::Shared;

/// Tiles that a thread sums at a time.
const SHARE: usize = 64;

/// The sums of each segment: tiles in parallel, then each segment's tiles appended in order.
pub fn reduce(keys: &[Key], tiles: &Tiles, needs: Needs) -> Vec<Sums> {
    append_tiles(&reduce_tiles(keys, tiles, needs), tiles)
}

/// The sums of each tile.
pub(super) fn reduce_tiles(keys: &[Key], tiles: &Tiles, needs: Needs) -> Vec<Sums> {
    let shared = Shared::here();
    let shares = tiles.keys.par_chunks(SHARE).flat_map_iter(|share| {
        let sums = share.iter().map(|range| reduce_tile(&keys[range.clone()], needs));
        shared.time(share.len(), || sums.collect::<Vec<Sums>>())
    });
    shares.collect()
}

/// The sums of each segment from those of its tiles.
pub(super) fn append_tiles(of_tiles: &[Sums], tiles: &Tiles) -> Vec<Sums> {
    (0..tiles.segments())
        .into_par_iter()
        .map(|segment| {
            let mut sums = Sums::default();
            of_tiles[tiles.segment(segment)].iter().for_each(|tile| sums.append(tile));
            sums
        })
        .collect()
}

/// The sums of the smallest keys of segments up to ranks: those of whole tiles appended, and one tile in part.
pub(crate) fn reduce_below(sorted: &Sorted<'_>, ranks: &[(usize, u64)]) -> Vec<Sums> {
    let mut order: Vec<usize> = (0..ranks.len()).collect();
    order.sort_unstable_by_key(|&i| ranks[i]);
    let of_segments: Vec<&[usize]> = order.chunk_by(|&a, &b| ranks[a].0 == ranks[b].0).collect();
    let found: Vec<(usize, Sums)> = of_segments
        .into_par_iter()
        .flat_map_iter(|of_segment| {
            let segment = ranks[of_segment[0]].0;
            let mut tiles = sorted.tiles.segment(segment);
            // Of the tiles below, and of all keys that were walked so far: ranks within a tile share its walk.
            let (mut lower, mut sums, mut walked) =
                (Sums::default(), Sums::default(), sorted.offsets[segment]);
            of_segment.iter().map(move |&i| {
                let end = sorted.offsets[segment] + ranks[i].1 as usize;
                while !tiles.is_empty() && sorted.tiles.keys[tiles.start].end <= end {
                    lower.append(&sorted.of_tiles()[tiles.start]);
                    (sums, walked) = (lower, sorted.tiles.keys[tiles.start].end);
                    tiles.start += 1;
                }
                sums.append(&reduce_tile(&sorted.keys[walked..end], sorted.needs));
                walked = end;
                (i, sums)
            })
        })
        .collect();
    let mut below = vec![Sums::default(); ranks.len()];
    found.into_iter().for_each(|(i, sums)| below[i] = sums);
    below
}

/// Sums of mantissas that share one exponent: narrow while the exponent lasts, widened once when it changes.
#[derive(Default)]
struct Run {
    amount: u128,
    ranked: u128,
    squares: u128,
    products: u128,
}

/// The sums of one tile of ascending keys, ranked from 1. Equal neighbours share one logarithm and one root.
pub fn reduce_tile(keys: &[Key], needs: Needs) -> Sums {
    // Compiled for each set of needs, so that no key asks what is needed.
    match (needs.squares, needs.logs, needs.roots) {
        (true, true, true) => tile::<true, true, true>(keys),
        (true, true, false) => tile::<true, true, false>(keys),
        (true, false, true) => tile::<true, false, true>(keys),
        (true, false, false) => tile::<true, false, false>(keys),
        (false, true, true) => tile::<false, true, true>(keys),
        (false, true, false) => tile::<false, true, false>(keys),
        (false, false, true) => tile::<false, false, true>(keys),
        (false, false, false) => tile::<false, false, false>(keys),
    }
}

fn tile<const SQUARES: bool, const LOGS: bool, const ROOTS: bool>(keys: &[Key]) -> Sums {
    let (Some(&first), Some(&last)) = (keys.first(), keys.last()) else {
        return Sums::default();
    };
    let mut sums = Sums { n: keys.len() as u64, first, last, ..Sums::default() };
    // Roots below 2^128 are below 2^95 in fixed point, so a tile of them stays narrow.
    let narrow_roots = exponent(last) <= 72;
    let (mut roots, mut logs) = (0u128, 0u128);
    let mut run = Run::default();
    let mut e = exponent(first);
    let mut start = 0;
    while start < keys.len() {
        let key = keys[start];
        let mut end = start + 1;
        while end < keys.len() && keys[end] == key {
            end += 1;
        }
        if exponent(key) != e {
            sums.flush(&run, e);
            run = Run::default();
            e = exponent(key);
        }
        // Ranks start + 1 ..= end. Factors are words, for a wide one costs several multiplications.
        let count = (end - start) as u64;
        let ranks = ((start + 1 + end) * (end - start) / 2) as u64;
        let m = u128::from(mantissa(key));
        run.amount += m * u128::from(count);
        run.ranked += m * u128::from(ranks);
        if SQUARES {
            run.squares += times(m * m, count);
        }
        if LOGS {
            let log = log2::of(key);
            logs += u128::from(log) * u128::from(count);
            run.products += times(m * u128::from(log), count);
        }
        if ROOTS {
            let (root, shift) = sqrt::of(key);
            let root = u128::from(root) * u128::from(count);
            if narrow_roots {
                roots += root << shift;
            } else {
                sums.roots += U192::from(root) << shift as usize;
            }
        }
        start = end;
    }
    sums.flush(&run, e);
    sums.logs = logs;
    sums.roots += U192::from(roots);
    sums
}

/// Mostly one key stands for one holder.
#[inline]
fn times(x: u128, count: u64) -> u128 {
    if count == 1 { x } else { x * u128::from(count) }
}

impl Sums {
    fn flush(&mut self, run: &Run, e: u32) {
        let e = e as usize;
        self.amount += U320::from(run.amount) << e;
        self.ranked += U384::from(run.ranked) << e;
        self.squares += U576::from(run.squares) << (2 * e);
        self.products += U384::from(run.products) << e;
    }
}
