//! Prefix sums at asked ranks: only tiles that hold an asked rank are read again.

use rayon::prelude::*;

use super::Sorted;
use super::tiles::Tiles;
use crate::backend::Prefix;
use crate::moments::Below;
use crate::numbers::key::{Key, exponent, mantissa};
use crate::numbers::log2;
use crate::numbers::wide::U320;

/// `Σv` of a tile's segment below the tile, for every tile.
pub(super) fn below_tiles(keys: &[Key], tiles: &Tiles) -> Vec<U320> {
    let mut sums: Vec<U320> = tiles.keys.par_iter().map(|range| amount(&keys[range.clone()])).collect();
    for segment in 0..tiles.segments() {
        let mut below = U320::ZERO;
        for sum in &mut sums[tiles.segment(segment)] {
            below += std::mem::replace(sum, below);
        }
    }
    sums
}

/// `Σv` of one tile.
fn amount(keys: &[Key]) -> U320 {
    let mut walk = Walk::default();
    keys.iter().for_each(|&key| walk.push(key));
    walk.amount()
}

/// A running `Σv` over ascending keys: narrow while the exponent lasts.
#[derive(Default)]
pub(super) struct Walk {
    done: U320,
    run: u128,
    exponent: u32,
}

impl Walk {
    /// Adds a key at least as large as those before it.
    #[inline]
    pub(super) fn push(&mut self, key: Key) {
        if exponent(key) != self.exponent {
            self.done = self.amount();
            self.run = 0;
            self.exponent = exponent(key);
        }
        self.run += u128::from(mantissa(key));
    }

    /// `Σv` so far.
    pub(super) fn amount(&self) -> U320 {
        self.done + (U320::from(self.run) << self.exponent as usize)
    }
}

/// Answers every query. Each tile that holds an asked rank is walked once, for all of its ranks.
pub(crate) fn prefix(sorted: &Sorted<'_>, queries: &[Prefix]) -> Vec<Below> {
    let below_tile = sorted.below_tile();
    let logs_below = logs_below_tiles(sorted, queries);
    let mut order: Vec<(usize, u64, usize)> =
        queries.iter().enumerate().map(|(i, q)| (tile_of(sorted, q), q.rank, i)).collect();
    order.par_sort_unstable();
    let answers: Vec<Vec<(usize, Below)>> = order
        // A segment without keys has no tile of its own: it names the next segment's.
        .chunk_by(|a, b| a.0 == b.0 && queries[a.2].segment == queries[b.2].segment)
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|asked| {
            let tile = asked[0].0;
            let segment = queries[asked[0].2].segment;
            let end = sorted.offsets[segment + 1];
            let keys = sorted.tiles.keys.get(tile).cloned().unwrap_or(end..end);
            let base = below_tile.get(tile).filter(|_| tile < sorted.tiles.of_segment[segment + 1]);
            let base = *base.unwrap_or(&U320::ZERO);
            let mut walk = Walk::default();
            let (mut at, mut logs) = (keys.start, 0u128);
            let with_logs = asked.iter().any(|&(_, _, i)| queries[i].logs);
            asked
                .iter()
                .map(|&(_, rank, i)| {
                    let to = sorted.offsets[segment] + rank as usize;
                    for &key in &sorted.keys[at.min(to)..to] {
                        walk.push(key);
                        if with_logs {
                            logs += u128::from(log2::of(key));
                        }
                    }
                    at = to.max(at);
                    let logs = if queries[i].logs { logs + logs_below[i] } else { 0 };
                    let next = if to < end { sorted.keys[to] } else { 0 };
                    (i, Below { rank, amount: base + walk.amount(), logs, next })
                })
                .collect()
        })
        .collect();
    let mut below = vec![Below::default(); queries.len()];
    for (i, answer) in answers.into_iter().flatten() {
        below[i] = answer;
    }
    below
}

/// The tile in which a query's rank ends; the last one of the segment for the rank of all its keys.
fn tile_of(sorted: &Sorted<'_>, query: &Prefix) -> usize {
    let tiles = sorted.tiles.segment(query.segment);
    let key = sorted.offsets[query.segment] + query.rank as usize;
    let within = sorted.tiles.keys[tiles.clone()].partition_point(|range| range.end <= key);
    tiles.start + within.min(tiles.len().saturating_sub(1))
}

/// `ΣL` of the tiles below each query's tile, for queries that want logarithms.
fn logs_below_tiles(sorted: &Sorted<'_>, queries: &[Prefix]) -> Vec<u128> {
    queries
        .par_iter()
        .map(|query| {
            if !query.logs {
                return 0;
            }
            let start = sorted.offsets[query.segment];
            let tile = tile_of(sorted, query);
            let end = sorted.tiles.keys.get(tile).map_or(start, |range| range.start.max(start));
            sorted.keys[start..end].par_iter().map(|&key| u128::from(log2::of(key))).sum()
        })
        .collect()
}
