//! Ranks by a bound: tile sums first, then one tile, so no prefix array is ever stored.

use rayon::prelude::*;

use super::Sorted;
use super::prefix::Walk;
use crate::backend::{Bound, Search};
use crate::numbers::wide::U320;

/// Answers every query.
pub(crate) fn search(sorted: &Sorted<'_>, queries: &[Search]) -> Vec<u64> {
    queries
        .par_iter()
        .map(|query| {
            let keys = &sorted.keys[sorted.offsets[query.segment]..sorted.offsets[query.segment + 1]];
            match query.bound {
                Bound::KeyAtMost(key) => keys.partition_point(|&k| k <= key) as u64,
                Bound::SumBelow(bound) => sum_below(sorted, query.segment, &bound),
            }
        })
        .collect()
}

/// The largest rank whose prefix sum is below `bound`; 0 where even the first key reaches it.
fn sum_below(sorted: &Sorted<'_>, segment: usize, bound: &U320) -> u64 {
    let tiles = sorted.tiles.segment(segment);
    let below = &sorted.below_tile()[tiles.clone()];
    // The last tile with a sum below it that is still below the bound.
    let Some(tile) = below.partition_point(|sum| sum < bound).checked_sub(1) else {
        return 0;
    };
    let range = sorted.tiles.keys[tiles.start + tile].clone();
    let rest = *bound - below[tile];
    let mut walk = Walk::default();
    let within = sorted.keys[range.clone()].iter().take_while(|&&key| {
        walk.push(key);
        walk.amount() < rest
    });
    (range.start - sorted.offsets[segment] + within.count()) as u64
}
