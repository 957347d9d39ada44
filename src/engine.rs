//! The pipeline from keys to moments, written once over [`Backend`].
//!
//! Two phases: the sums of every value range, then, with the totals known, the positions that metrics ask for.

use crate::backend::{Backend, Bound, Prefix, Search};
use crate::error::Result;
use crate::moments::{
    Ask, Below, Fraction, Moments, Needs, Sums, Total, locate_key, locate_rank, locate_sum,
};
use crate::numbers::key::{self, Key};
use crate::numbers::tie;
use crate::numbers::wide::{U320, U384};
use crate::record::{Recorder, Stage};
use ruint::aliases::U256;

mod ranges;

pub use ranges::cut;

/// The keys of some groups: group `g` has the segments `ranges[g]..ranges[g + 1]`, its disjoint value ranges in
/// ascending order; segment `s` has the keys `offsets[s]..offsets[s + 1]`.
#[derive(Debug)]
pub struct Batch<'a> {
    /// A number to record the work under.
    pub index: usize,
    /// All keys, in any order within a segment.
    pub keys: &'a mut [Key],
    /// Where each segment starts, and the end.
    pub offsets: &'a [usize],
    /// Where each group's segments start, and the end.
    pub ranges: &'a [usize],
    /// Of each group.
    pub totals: &'a [Total],
}

/// A group's moments, and whether a comparison of exact amounts is still open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// None where the group has no holders.
    pub moments: Option<Moments>,
    /// Some counts are only what the working amounts make certain, until [`settle`] has seen the exact amounts.
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
    let Batch { index, keys, offsets, ranges, totals } = batch;
    let task = format!("batch {index}");
    let (n, bytes) = (keys.len() as u64, size_of_val(keys) as u64);

    let sorted = recorder.time(Stage::Sort, &task, n, bytes, || backend.sort(keys, offsets, needs))?;
    let sums = recorder.time(Stage::Reduce, &task, n, bytes, || backend.reduce(&sorted, needs))?;
    let groups: Vec<Group<'_>> = totals
        .iter()
        .enumerate()
        .map(|(g, &total)| Group::new(&sums[ranges[g]..ranges[g + 1]], total))
        .collect();

    let mut searches = Queries::default();
    for (g, group) in groups.iter().enumerate().filter(|(_, group)| group.sums.n > 0) {
        for ask in asks {
            group.search(ask, &mut |located, bound| {
                searches.push(located.lower, Search { segment: ranges[g] + located.range, bound });
            });
        }
    }
    let found = recorder.time(Stage::Search, &task, searches.asked.len() as u64, 0, || {
        backend.search(&sorted, &searches.asked)
    })?;
    let mut found = found.into_iter().zip(&searches.lower).map(|(rank, lower)| rank + lower.n);

    let mut measured = Vec::with_capacity(groups.len());
    let mut prefixes = Queries::default();
    for (g, group) in groups.iter().enumerate() {
        let mut out = Measured { moments: None, open: false };
        if group.sums.n > 0 {
            let (moments, open) = group.counts(asks, &mut found);
            for (rank, logs) in group.ranks(asks, moments.mean_rank) {
                let at = locate_rank(group.ranges, rank);
                let query = Prefix { segment: ranges[g] + at.range, rank: rank - at.lower.n, logs };
                prefixes.push(at.lower, query);
            }
            out = Measured { moments: Some(moments), open };
        }
        measured.push((out, prefixes.asked.len()));
    }
    let below = recorder.time(Stage::Prefix, &task, prefixes.asked.len() as u64, 0, || {
        backend.prefix(&sorted, &prefixes.asked)
    })?;
    let mut answers =
        below.into_iter().zip(&prefixes.lower).zip(&prefixes.asked).map(|((below, lower), query)| Below {
            rank: below.rank + lower.n,
            amount: below.amount + lower.amount,
            logs: if query.logs { below.logs + lower.logs } else { 0 },
            next: below.next,
        });
    let mut taken = 0;
    Ok(measured
        .into_iter()
        .map(|(mut out, end)| {
            if let Some(moments) = &mut out.moments {
                moments.below = answers.by_ref().take(end - taken).collect();
            }
            taken = end;
            out
        })
        .collect())
}

/// Queries, and what lies below the range that answers each.
struct Queries<Q> {
    asked: Vec<Q>,
    lower: Vec<Sums>,
}

impl<Q> Default for Queries<Q> {
    fn default() -> Self {
        Self { asked: vec![], lower: vec![] }
    }
}

impl<Q> Queries<Q> {
    fn push(&mut self, lower: Sums, query: Q) {
        self.asked.push(query);
        self.lower.push(lower);
    }
}

/// One group after the first phase.
struct Group<'a> {
    ranges: &'a [Sums],
    sums: Sums,
    total: Total,
}

impl<'a> Group<'a> {
    fn new(ranges: &'a [Sums], total: Total) -> Self {
        let mut sums = Sums::default();
        ranges.iter().for_each(|range| sums.append(range));
        Self { ranges, sums, total }
    }

    /// The searches of one ask: one where the answer is certain, two where values may leave it open.
    fn search(&self, ask: &Ask, push: &mut impl FnMut(crate::moments::Located, Bound)) {
        match ask {
            Ask::Below(_) | Ask::LogsBelow(_) => {}
            Ask::Mean => push_key(self.ranges, self.mean_key(), push),
            Ask::Exceeding(fraction) => {
                for exceed in self.bounds(*fraction) {
                    // S_k > x if and only if the n − k smallest sum to less than Σv − x.
                    let rest = self.sums.amount.saturating_sub(exceed);
                    let at = locate_sum(self.ranges, &rest);
                    push(at, Bound::SumBelow(rest.saturating_sub(at.lower.amount)));
                }
            }
            Ask::AtLeast(fraction) => {
                for key in self.least_keys(*fraction) {
                    push_key(self.ranges, key - 1, push);
                }
            }
        }
    }

    /// The counts, from the ranks found for the searches in the same order.
    fn counts(&self, asks: &[&Ask], found: &mut impl Iterator<Item = u64>) -> (Moments, bool) {
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
        let mut count = |bounds: usize| {
            let counts: Vec<u64> = found.by_ref().take(bounds).map(|rank| n - rank).collect();
            open |= counts.windows(2).any(|pair| pair[0] != pair[1]);
            counts.first().copied().unwrap_or(0)
        };
        for ask in asks {
            match ask {
                Ask::Below(_) | Ask::LogsBelow(_) => {}
                Ask::Mean => moments.mean_rank = Some(n - count(1)),
                Ask::Exceeding(f) => moments.exceeding.push((*f, count(self.bounds(*f).len()))),
                Ask::AtLeast(f) => moments.at_least.push((*f, count(self.least_keys(*f).len()))),
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
fn least(total: &U320, fraction: Fraction) -> U320 {
    let product = U384::from(*total) * U384::from(fraction.numerator);
    U320::from(product.div_ceil(U384::from(fraction.denominator)))
}

/// A mean of values below 2^256 is below 2^256.
fn narrow(x: U320) -> U256 {
    U256::from_limbs_slice(&x.as_limbs()[..4])
}

/// Decides every count of a group from its exact amounts, in any order.
pub fn settle(measured: &mut Measured, exact: &mut [U256]) {
    let Some(moments) = &mut measured.moments else { return };
    exact.sort_unstable_by(|a, b| b.cmp(a));
    for (fraction, count) in &mut moments.exceeding {
        let bound = tie::fraction(&moments.total, fraction.numerator, fraction.denominator);
        let mut sum = U320::ZERO;
        let reach = exact.iter().position(|&a| {
            sum += U320::from(a);
            sum > bound
        });
        *count = reach.map_or(exact.len(), |i| i + 1) as u64;
    }
    for (fraction, count) in &mut moments.at_least {
        let least = least(&moments.total, *fraction);
        *count = exact.partition_point(|&a| U320::from(a) >= least) as u64;
    }
    measured.open = false;
}
