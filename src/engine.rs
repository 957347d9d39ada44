//! The pipeline from keys to moments, written once over [`Backend`].
//!
//! Two phases: the sums of every value range, then, with the totals known, the positions that metrics ask for.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;
use ruint::aliases::U256;

use crate::backend::{Backend, Bound, Prefix, Search};
use crate::error::Result;
use crate::moments::{
    Ask, Below, Fraction, Moments, Needs, Sums, Total, locate_key, locate_rank, locate_sum,
};
use crate::numbers::key::{self, Key};
use crate::numbers::tie;
use crate::numbers::wide::{U320, U384};
use crate::record::{Recorder, Stage, Task, Volume};

mod ranges;
mod tails;
pub mod visits;

pub use ranges::cut;
pub use tails::{Floor, Kept, Tails, measure_tails};

/// The keys of some groups: group `g` has the segments `ranges[g]..ranges[g + 1]`, its disjoint value ranges in
/// ascending order; segment `s` has the keys `offsets[s]..offsets[s + 1]`.
#[derive(Debug)]
pub struct Batch<'a> {
    /// A number to record the work under.
    pub index: usize,
    /// The first group's number among all.
    pub first: usize,
    /// All keys, in any order within a segment.
    pub keys: &'a mut [Key],
    /// Where each segment starts, and the end.
    pub offsets: &'a [usize],
    /// Where each group's segments start, and the end.
    pub ranges: &'a [usize],
    /// Of each group.
    pub totals: &'a [Total],
}

impl Batch<'_> {
    /// What it is recorded as where a backend works on it.
    fn task<B: Backend>(&self, backend: &B) -> Task {
        let groups = Some(self.first..self.first + self.totals.len());
        Task { groups, ..Task::from(format!("batch {}", self.index)) }.by(backend.name(), backend.adapter())
    }
}

/// A group's moments, and whether a comparison of exact amounts is still open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// None where the group has no holders.
    pub moments: Option<Moments>,
    /// Some counts are only what the working amounts make certain, until [`Settling`] has seen the exact amounts.
    pub open: bool,
}

impl Measured {
    /// The first number in which two groups differ, with both values, if any.
    pub fn difference(&self, other: &Self) -> Option<String> {
        match (&self.moments, &other.moments) {
            (Some(ours), Some(theirs)) => ours
                .difference(theirs)
                .or_else(|| (self.open != other.open).then(|| "whether a comparison is open".into())),
            (None, None) => None,
            (Some(_), None) => Some("holders and none".into()),
            (None, Some(_)) => Some("no holders and some".into()),
        }
    }
}

/// The moments of every group of a batch.
pub fn measure<B: Backend>(
    backend: &B,
    batch: Batch<'_>,
    needs: Needs,
    asks: &[&Ask],
    recorder: &Recorder,
) -> Result<Vec<Measured>> {
    let Batch { ranges, totals, .. } = batch;
    let task = batch.task(backend);
    let (sorted, sums) = sort(backend, batch, needs, &task, recorder)?;
    let whole = |(g, &total): (usize, &Total)| {
        let ranges = ranges[g]..ranges[g + 1];
        Group { segment: ranges.start, ..Group::new(&sums[ranges], total) }
    };
    let groups: Vec<Group<'_>> = totals.par_iter().enumerate().map(whole).collect();
    ask(backend, &sorted, &groups, asks, &task, recorder)
}

/// The sums of segments, sorted where they lie.
pub fn sums_of<B: Backend>(backend: &B, keys: &mut [Key], offsets: &[usize]) -> Result<Vec<Sums>> {
    let sorted = backend.sort(keys, offsets, Needs::ALL)?;
    backend.reduce(&sorted, Needs::ALL)
}

/// Sorts a batch, and sums its segments.
fn sort<'k, B: Backend>(
    backend: &'k B,
    batch: Batch<'k>,
    needs: Needs,
    task: &Task,
    recorder: &Recorder,
) -> Result<(B::Sorted<'k>, Vec<Sums>)> {
    let Batch { keys, offsets, .. } = batch;
    let (n, bytes) = (keys.len() as u64, size_of_val(keys) as u64);
    let volume = Volume::new(n, bytes, bytes);
    let sorted = recorder.time(Stage::Sort, task, volume, || backend.sort(keys, offsets, needs))?;
    let volume = Volume::new(n, bytes, 0);
    let sums = recorder.time(Stage::Reduce, task, volume, || backend.reduce(&sorted, needs))?;
    Ok((sorted, sums))
}

/// The moments of groups whose sums are known.
fn ask<B: Backend>(
    backend: &B,
    sorted: &B::Sorted<'_>,
    groups: &[Group<'_>],
    asks: &[&Ask],
    task: &Task,
    recorder: &Recorder,
) -> Result<Vec<Measured>> {
    // Shares of groups, so that threads ask and answer side by side.
    let shares: Vec<Range<usize>> =
        (0..groups.len()).step_by(SHARE).map(|g| g..(g + SHARE).min(groups.len())).collect();
    let searches: Vec<Searches> = shares
        .par_iter()
        .map(|share| {
            let mut searches = Searches::default();
            for g in share.clone().filter(|&g| groups[g].sums.n > 0) {
                for ask in asks {
                    let before = searches.asked.len();
                    groups[g].search(ask, &mut |located, bound| {
                        let cut = groups[g].cut_at(located.range);
                        let bound = match bound {
                            Bound::SumBelow(sum) => Bound::SumBelow(sum + cut.amount),
                            Bound::KeyAtMost(key) => Bound::KeyAtMost(key),
                        };
                        searches.lower.push((located.lower.n, cut.n));
                        searches.asked.push(Search { segment: groups[g].segment + located.range, bound });
                    });
                    searches.of_ask.push((searches.asked.len() - before) as u8);
                }
            }
            searches
        })
        .collect();
    let asked: Vec<Search> = searches.iter().flat_map(|searches| &searches.asked).copied().collect();
    let volume = Volume::rows(asked.len() as u64);
    let found = recorder.time(Stage::Search, task, volume, || backend.search(sorted, &asked))?;

    let found = pieces(&found, searches.iter().map(|searches| searches.asked.len()));
    let counted: Vec<Counted> = (&shares, &searches, found)
        .into_par_iter()
        .map(|(share, searches, found)| {
            // Whoever is cut off is not below anything.
            let below = |(rank, (lower, cut)): (&u64, &(u64, u64))| rank.saturating_sub(*cut) + lower;
            let mut found = found.iter().zip(&searches.lower).map(below);
            let mut of_ask = searches.of_ask.chunks(asks.len().max(1));
            let mut counted = Counted::default();
            for g in share.clone() {
                let mut measured = Measured { moments: None, open: false };
                if groups[g].sums.n > 0 {
                    let bounds = of_ask.next().unwrap_or_default();
                    let (moments, open) = groups[g].counts(asks, bounds, &mut found);
                    for (rank, logs) in groups[g].ranks(asks, moments.mean_rank) {
                        let at = locate_rank(&groups[g].ranges, rank);
                        let cut = groups[g].cut_at(at.range);
                        let (segment, rank) = (groups[g].segment + at.range, rank - at.lower.n + cut.n);
                        let query = Prefix { segment, rank, logs };
                        // Below zero where something is cut off; what is answered makes up for it.
                        counted.lower.push((
                            at.lower.n.wrapping_sub(cut.n),
                            at.lower.amount.wrapping_sub(cut.amount),
                            at.lower.logs.wrapping_sub(cut.logs),
                        ));
                        counted.asked.push(query);
                    }
                    measured = Measured { moments: Some(moments), open };
                }
                counted.measured.push((measured, counted.asked.len()));
            }
            counted
        })
        .collect();
    let asked: Vec<Prefix> = counted.iter().flat_map(|counted| &counted.asked).copied().collect();
    let volume = Volume::rows(asked.len() as u64);
    let below = recorder.time(Stage::Prefix, task, volume, || backend.prefix(sorted, &asked))?;

    let below = pieces(&below, counted.iter().map(|counted| counted.asked.len()));
    let measured: Vec<Vec<Measured>> =
        (counted, below).into_par_iter().map(|(counted, below)| counted.answered(below)).collect();
    Ok(measured.into_iter().flatten().collect())
}

/// Groups that one thread asks for at a time.
const SHARE: usize = 64;

/// Consecutive pieces of these lengths.
fn pieces<T>(all: &[T], lengths: impl Iterator<Item = usize>) -> Vec<&[T]> {
    let mut rest = all;
    let piece = |length| {
        let (piece, tail) = rest.split_at(length);
        rest = tail;
        piece
    };
    lengths.map(piece).collect()
}

/// The searches of a share.
#[derive(Default)]
struct Searches {
    asked: Vec<Search>,
    /// Of each search: keys below the range that answers it, and keys of that range that are cut off.
    lower: Vec<(u64, u64)>,
    /// How many searches each ask of each group became.
    of_ask: Vec<u8>,
}

/// A share after its searches: all but the sums at asked ranks.
#[derive(Default)]
struct Counted {
    /// Of each group, and where its queries end.
    measured: Vec<(Measured, usize)>,
    asked: Vec<Prefix>,
    /// Of each query: keys, amounts and logarithms below the range that answers it, less those of it that are cut off.
    lower: Vec<(u64, U320, u128)>,
}

impl Counted {
    /// With the answers in their places.
    fn answered(self, below: &[Below]) -> Vec<Measured> {
        let mut answers =
            below.iter().zip(&self.lower).zip(&self.asked).map(|((below, &(n, amount, logs)), query)| {
                Below {
                    rank: below.rank.wrapping_add(n),
                    amount: below.amount.wrapping_add(amount),
                    logs: if query.logs { below.logs.wrapping_add(logs) } else { 0 },
                    next: below.next,
                }
            });
        let mut taken = 0;
        let answered = self.measured.into_iter().map(|(mut measured, end)| {
            if let Some(moments) = &mut measured.moments {
                moments.below = answers.by_ref().take(end - taken).collect();
            }
            taken = end;
            measured
        });
        answered.collect()
    }
}

/// One group after the first phase, or what is left of one.
struct Group<'a> {
    ranges: Cow<'a, [Sums]>,
    sums: Sums,
    total: Total,
    /// The segment of its first range.
    segment: usize,
    /// What is cut off that range.
    cut: Lower,
}

/// The smallest keys of a range.
#[derive(Debug, Clone, Copy, Default)]
struct Lower {
    n: u64,
    amount: U320,
    logs: u128,
}

impl<'a> Group<'a> {
    fn new(ranges: &'a [Sums], total: Total) -> Self {
        let mut sums = Sums::default();
        ranges.iter().for_each(|range| sums.append(range));
        Self { ranges: Cow::Borrowed(ranges), sums, total, segment: 0, cut: Lower::default() }
    }

    /// What is cut off a range.
    fn cut_at(&self, range: usize) -> Lower {
        if range == 0 { self.cut } else { Lower::default() }
    }

    /// The searches of one ask: one where the answer is certain, two where values may leave it open.
    fn search(&self, ask: &Ask, push: &mut impl FnMut(crate::moments::Located, Bound)) {
        match ask {
            Ask::Below(_) | Ask::LogsBelow(_) => {}
            Ask::Mean => push_key(&self.ranges, self.mean_key(), push),
            Ask::Exceeding(fraction) => {
                for exceed in self.bounds(*fraction) {
                    // S_k > x if and only if the n − k smallest sum to less than Σv − x.
                    let rest = self.sums.amount.saturating_sub(exceed);
                    let at = locate_sum(&self.ranges, &rest);
                    push(at, Bound::SumBelow(rest.saturating_sub(at.lower.amount)));
                }
            }
            Ask::AtLeast(fraction) => {
                for key in self.least_keys(*fraction) {
                    push_key(&self.ranges, key - 1, push);
                }
            }
        }
    }

    /// The counts, from the ranks found for the searches in the same order, so many for each ask.
    fn counts(&self, asks: &[&Ask], bounds: &[u8], found: &mut impl Iterator<Item = u64>) -> (Moments, bool) {
        let n = self.sums.n;
        let mut moments = Moments {
            sums: self.sums,
            total: self.total.amount,
            below: vec![],
            mean_rank: None,
            exceeding: vec![],
            at_least: vec![],
        };
        let mut open = false;
        for (ask, &bounds) in asks.iter().zip(bounds) {
            let mut counts = found.by_ref().take(bounds.into()).map(|rank| n - rank);
            let Some(count) = counts.next() else { continue };
            open |= counts.filter(|&other| other != count).count() > 0;
            match ask {
                Ask::Below(_) | Ask::LogsBelow(_) => {}
                Ask::Mean => moments.mean_rank = Some(n - count),
                Ask::Exceeding(f) => moments.exceeding.push((*f, count)),
                Ask::AtLeast(f) => moments.at_least.push((*f, count)),
            }
        }
        (moments, open)
    }

    /// Every asked rank once, ascending, and whether with logarithms.
    fn ranks(&self, asks: &[&Ask], mean_rank: Option<u64>) -> Vec<(u64, bool)> {
        let n = self.sums.n;
        let mut ranks: Vec<(u64, bool)> = asks
            .iter()
            .filter_map(|ask| match ask {
                Ask::Below(rank) => Some((rank(n), false)),
                Ask::LogsBelow(rank) => Some((rank(n), true)),
                Ask::Mean => mean_rank.map(|rank| (rank, false)),
                Ask::Exceeding(_) | Ask::AtLeast(_) => None,
            })
            .collect();
        ranks.sort_unstable();
        // With logarithms sorts after without: the later of two equal ranks has both.
        ranks.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            earlier.1 |= same && later.1;
            same
        });
        ranks
    }

    /// `v` is at most the mean where its key is at most this.
    fn mean_key(&self) -> Key {
        key::of(narrow(self.sums.amount / U320::from(self.sums.n))).0
    }

    /// Sums of values that exceed the fraction for certain and perhaps, or the one bound that decides.
    fn bounds(&self, fraction: Fraction) -> Vec<U320> {
        let bound = tie::fraction(&self.total.amount, fraction.numerator, fraction.denominator);
        let bound = tie::Bound::on_sums(bound, self.total.exact);
        if bound.certain == bound.possible {
            vec![bound.certain]
        } else {
            vec![bound.certain, bound.possible]
        }
    }

    /// Keys whose amounts reach the fraction for certain and perhaps, or the one key that decides.
    fn least_keys(&self, fraction: Fraction) -> Vec<Key> {
        let least = least(&self.total.amount, fraction);
        match tie::at_least(&least) {
            // Above every amount: all keys are smaller.
            None => vec![Key::MAX],
            Some((certain, possible)) if self.total.exact || certain == possible => vec![certain.max(1)],
            Some((certain, possible)) => vec![certain.max(1), possible.max(1)],
        }
    }
}

fn push_key(ranges: &[Sums], key: Key, push: &mut impl FnMut(crate::moments::Located, Bound)) {
    push(locate_key(ranges, key), Bound::KeyAtMost(key));
}

/// `⌈total·fraction⌉`, the least amount that reaches the fraction.
pub(crate) fn least(total: &U320, fraction: Fraction) -> U320 {
    let product = U384::from(*total) * U384::from(fraction.numerator);
    U320::from(product.div_ceil(U384::from(fraction.denominator)))
}

/// A mean of values below 2^256 is below 2^256.
fn narrow(x: U320) -> U256 {
    U256::from_limbs_slice(&x.as_limbs()[..4])
}

/// Decides the counts of a group from its exact amounts, the largest first and in as many lots as they come.
#[derive(Debug)]
pub struct Settling<'m> {
    measured: &'m mut Measured,
    /// Amounts seen so far.
    seen: u64,
    sum: U320,
    /// The counts that are decided so far.
    exceeding: Vec<Option<u64>>,
    at_least: Vec<u64>,
}

impl<'m> Settling<'m> {
    /// Of a group with open comparisons.
    pub fn new(measured: &'m mut Measured) -> Self {
        let asked = |count: fn(&Moments) -> usize| measured.moments.as_ref().map_or(0, count);
        let (exceeding, at_least) = (asked(|m| m.exceeding.len()), asked(|m| m.at_least.len()));
        Self {
            measured,
            seen: 0,
            sum: U320::ZERO,
            exceeding: vec![None; exceeding],
            at_least: vec![0; at_least],
        }
    }

    /// The next lot without a look at its amounts, of which these are the number, the sum and the extreme keys: tells
    /// whether it decides nothing.
    pub fn pass(&mut self, sums: &Sums, total: &U320) -> bool {
        let Some(moments) = &self.measured.moments else { return true };
        let sum = self.sum + *total;
        let exceeds = moments.exceeding.iter().zip(&self.exceeding).any(|((fraction, _), reached)| {
            reached.is_none() && sum > tie::fraction(&moments.total, fraction.numerator, fraction.denominator)
        });
        let mut reached = vec![];
        for (fraction, _) in &moments.at_least {
            match tie::at_least(&least(&moments.total, *fraction)) {
                Some((certain, _)) if sums.first >= certain => reached.push(sums.n),
                Some((_, possible)) if sums.last >= possible => return false,
                _ => reached.push(0),
            }
        }
        if exceeds {
            return false;
        }
        self.at_least.iter_mut().zip(reached).for_each(|(count, more)| *count += more);
        (self.sum, self.seen) = (sum, self.seen + sums.n);
        true
    }

    /// The next lot: none of its amounts is above one of those before; their order among themselves is free.
    pub fn take(&mut self, exact: &mut [U256]) {
        let Some(moments) = &self.measured.moments else { return };
        exact.sort_unstable_by(|a, b| b.cmp(a));
        // Smaller ones than there are holders are cut off.
        let rest = usize::try_from(moments.n() - self.seen).unwrap_or(usize::MAX);
        let exact = &exact[..exact.len().min(rest)];
        for ((fraction, _), count) in moments.at_least.iter().zip(&mut self.at_least) {
            let least = least(&moments.total, *fraction);
            *count += exact.partition_point(|&a| U320::from(a) >= least) as u64;
        }
        let bound = |&(f, _): &(Fraction, u64)| tie::fraction(&moments.total, f.numerator, f.denominator);
        let bounds: Vec<U320> = moments.exceeding.iter().map(bound).collect();
        for &amount in exact {
            self.sum += U320::from(amount);
            self.seen += 1;
            for (bound, reached) in bounds.iter().zip(&mut self.exceeding) {
                if reached.is_none() && self.sum > *bound {
                    *reached = Some(self.seen);
                }
            }
        }
    }

    /// All amounts are seen: the sum of them, and the counts take their places.
    pub fn finish(self) -> U320 {
        if let Some(moments) = &mut self.measured.moments {
            let settled = moments.exceeding.iter_mut().zip(self.exceeding);
            settled.for_each(|((_, count), reached)| *count = reached.unwrap_or(self.seen));
            let settled = moments.at_least.iter_mut().zip(self.at_least);
            settled.for_each(|((_, count), exact)| *count = exact);
        }
        self.measured.open = false;
        self.sum
    }
}
