//! Prefix sums at asked ranks: only tiles that hold an asked rank are read again.

use rayon::prelude::*;

use super::Sorted;
use crate::backend::Prefix;
use crate::moments::Below;
use crate::numbers::key::{Key, exponent, mantissa};
use crate::numbers::log2;
use crate::numbers::wide::U320;
use crate::record::Shared;

/// A running `Σv` over ascending keys: narrow while the exponent lasts.
#[derive(Default)]
struct Walk {
    done: U320,
    run: u128,
    exponent: u32,
}

impl Walk {
    /// Adds a key at least as large as those before it.
    #[inline]
    fn push(&mut self, key: Key) {
        if exponent(key) != self.exponent {
            self.done = self.amount();
            self.run = 0;
            self.exponent = exponent(key);
        }
        self.run += u128::from(mantissa(key));
    }

    /// `Σv` so far.
    fn amount(&self) -> U320 {
        self.done + (U320::from(self.run) << self.exponent as usize)
    }
}

/// Segments that a thread asks at a time.
const SHARE: usize = 128;

/// Answers every query. Each tile that holds an asked rank is walked once, for all of its ranks.
pub(crate) fn prefix(sorted: &Sorted<'_>, queries: &[Prefix]) -> Vec<Below> {
    let ascends = |a: &Prefix, b: &Prefix| (a.segment, a.rank) <= (b.segment, b.rank);
    if queries.is_sorted_by(ascends) {
        return answer(sorted, queries);
    }
    let mut order: Vec<usize> = (0..queries.len()).collect();
    order.par_sort_unstable_by_key(|&i| (queries[i].segment, queries[i].rank));
    let ascending: Vec<Prefix> = order.iter().map(|&i| queries[i]).collect();
    let mut below = vec![Below::default(); queries.len()];
    for (answer, i) in answer(sorted, &ascending).into_iter().zip(order) {
        below[i] = answer;
    }
    below
}

/// Queries in ascending order.
fn answer(sorted: &Sorted<'_>, queries: &[Prefix]) -> Vec<Below> {
    let mut below = vec![Below::default(); queries.len()];
    let mut rest = &mut below[..];
    let of_segments: Vec<(&[Prefix], &mut [Below])> = queries
        .chunk_by(|a, b| a.segment == b.segment)
        .map(|queries| {
            let (answers, tail) = std::mem::take(&mut rest).split_at_mut(queries.len());
            rest = tail;
            (queries, answers)
        })
        .collect();
    let shared = Shared::here();
    of_segments.into_par_iter().chunks(SHARE).for_each(|share| {
        let asked = share.iter().map(|(queries, _)| queries.len()).sum();
        let answer = |(queries, answers)| answer_segment(sorted, queries, answers);
        shared.time(asked, || share.into_iter().for_each(answer));
    });
    below
}

/// The queries of one segment.
fn answer_segment(sorted: &Sorted<'_>, queries: &[Prefix], answers: &mut [Below]) {
    let segment = queries[0].segment;
    let tiles = sorted.tiles.segment(segment);
    let end = sorted.offsets[segment + 1];
    let end_of = |query: &Prefix| sorted.offsets[segment] + query.rank as usize;
    if tiles.is_empty() {
        return;
    }
    let mut asked = queries.iter().zip(answers).peekable();
    while let Some((query, _)) = asked.peek() {
        // The tile in which its rank ends; the last one for the rank of all keys.
        let ranges = &sorted.tiles.keys[tiles.clone()];
        let at = ranges.partition_point(|range| range.end <= end_of(query)).min(ranges.len() - 1);
        let (range, mark) = (ranges[at].clone(), sorted.marks()[tiles.start + at]);
        let mut walk = Walk::default();
        let mut walked = range.start;
        let is_last = at + 1 == ranges.len();
        while let Some((query, answer)) = asked.next_if(|(q, _)| is_last || end_of(q) < range.end) {
            let to = end_of(query);
            sorted.keys[walked..to].iter().for_each(|&key| walk.push(key));
            walked = to;
            *answer = Below {
                rank: query.rank,
                amount: mark.amount_below + walk.amount(),
                logs: if query.logs {
                    mark.logs_below + logs(&sorted.keys[range.clone()], to - range.start, mark.logs)
                } else {
                    0
                },
                next: if to < end { sorted.keys[to] } else { 0 },
            };
        }
    }
}

/// `ΣL` of the first keys of a tile, from the end that is nearer.
fn logs(tile: &[Key], first: usize, all: u128) -> u128 {
    let sum = |keys: &[Key]| keys.iter().map(|&key| u128::from(log2::of(key))).sum::<u128>();
    if first <= tile.len() / 2 { sum(&tile[..first]) } else { all - sum(&tile[first..]) }
}
