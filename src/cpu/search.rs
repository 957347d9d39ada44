//! Ranks by a bound: tile sums first, then one tile, so no prefix array is ever stored.

use rayon::prelude::*;

use super::Sorted;
use crate::backend::{Bound, Search};
use crate::numbers::key::{Key, exponent, mantissa};
use crate::numbers::wide::U320;
use crate::record::Shared;

/// Queries that a thread answers at a time.
const SHARE: usize = 256;

/// Answers every query.
pub(crate) fn search(sorted: &Sorted<'_>, queries: &[Search]) -> Vec<u64> {
    let shared = Shared::here();
    let rank = |query: &Search| {
        let keys = &sorted.keys[sorted.offsets[query.segment]..sorted.offsets[query.segment + 1]];
        match query.bound {
            Bound::KeyAtMost(key) => keys.partition_point(|&k| k <= key) as u64,
            Bound::SumBelow(bound) => sum_below(sorted, query.segment, &bound),
        }
    };
    let shares = queries
        .par_chunks(SHARE)
        .flat_map_iter(|share| shared.time(share.len(), || share.iter().map(rank).collect::<Vec<u64>>()));
    shares.collect()
}

/// The largest rank whose prefix sum is below `bound`; 0 where even the first key reaches it.
fn sum_below(sorted: &Sorted<'_>, segment: usize, bound: &U320) -> u64 {
    let tiles = sorted.tiles.segment(segment);
    let marks = &sorted.marks()[tiles.clone()];
    // The last tile with a sum below it that is still below the bound.
    let Some(tile) = marks.partition_point(|mark| mark.amount_below < *bound).checked_sub(1) else {
        return 0;
    };
    let range = sorted.tiles.keys[tiles.start + tile].clone();
    let end = range.end - sorted.offsets[segment];
    let rest = *bound - marks[tile].amount_below;
    if marks[tile].amount < rest {
        return end as u64;
    }
    // From the largest down, for what is asked is mostly how few hold much: those that must go until less than `rest`
    // is left.
    (end - largest_above(&sorted.keys[range], marks[tile].amount - rest)) as u64
}

/// The least number of the largest keys whose values sum to more than `excess`.
fn largest_above(keys: &[Key], mut excess: U320) -> usize {
    let mut taken = 0;
    for run in keys.chunk_by(|a, b| exponent(*a) == exponent(*b)).rev() {
        let e = exponent(run[0]) as usize;
        // Mantissas exceed it in their own unit if and only if they exceed it rounded down.
        let limit = u128::try_from(excess >> e).unwrap_or(u128::MAX);
        let mut sum = 0u128;
        for &key in run.iter().rev() {
            sum += u128::from(mantissa(key));
            taken += 1;
            if sum > limit {
                return taken;
            }
        }
        excess -= U320::from(sum) << e;
    }
    taken
}
