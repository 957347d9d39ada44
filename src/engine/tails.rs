//! Groups without their smallest holders, in many settings: ranges of one sorted order, which is sorted and summed once.

use std::borrow::Cow;

use super::{Batch, Group, Lower, Measured, ask, sort};
use crate::backend::{Backend, Bound, Prefix, Search};
use crate::error::Result;
use crate::moments::{Ask, Needs, Sums, Total, locate_key, locate_rank};
use crate::numbers::key::Key;
use crate::numbers::wide::U320;
use crate::record::Recorder;

/// Which of a group's holders are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Floor {
    /// Those below this key, and of the others all but as many as are kept; 0 and 1 are below all keys.
    Key(Key),
    /// So many of the smallest.
    Rank(u64),
}

/// What is cut off groups, in some settings each.
pub struct Tails<'a> {
    /// How many settings.
    pub settings: usize,
    /// Of a group of the batch in a setting.
    pub floor: &'a (dyn Fn(usize, usize) -> Floor + Sync),
    /// How many of so many holders above the floor's key are kept in a setting.
    pub kept: &'a (dyn Fn(usize, u64) -> u64 + Sync),
    /// The exact total of a group of the batch without so many of its smallest holders; the working amounts of the
    /// others sum to this.
    pub total: &'a (dyn Fn(usize, u64, U320) -> Total + Sync),
}

/// What is left of a group in a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// How many of the smallest holders are cut off.
    pub cut: u64,
    /// Their exact total.
    pub total: Total,
    /// The others.
    pub measured: Measured,
}

/// The moments of what is left of every group of a batch in every setting: setting by setting within a group.
pub fn measure_tails<B: Backend>(
    backend: &B,
    batch: Batch<'_>,
    needs: Needs,
    asks: &[&Ask],
    tails: &Tails<'_>,
    recorder: &Recorder,
) -> Result<Vec<Kept>> {
    let Batch { ranges, totals, .. } = batch;
    let task = batch.task(backend);
    let (sorted, sums) = sort(backend, batch, needs, &task, recorder)?;
    let ranges_of = |g: usize| &sums[ranges[g]..ranges[g + 1]];
    let holders = |g: usize| ranges_of(g).iter().map(|range| range.n).sum::<u64>();

    let mut searches: Vec<Search> = vec![];
    let mut cuts: Vec<Cut> = vec![];
    for (g, &first) in ranges[..totals.len()].iter().enumerate() {
        for setting in 0..tails.settings {
            cuts.push(match (tails.floor)(g, setting) {
                Floor::Rank(rank) => Cut::Rank(rank),
                Floor::Key(..=1) => Cut::Rank(holders(g) - (tails.kept)(setting, holders(g))),
                Floor::Key(key) => {
                    let at = locate_key(ranges_of(g), key - 1);
                    let (segment, bound) = (first + at.range, Bound::KeyAtMost(key - 1));
                    searches.push(Search { segment, bound });
                    Cut::Found { search: searches.len() - 1, lower: at.lower.n }
                }
            });
        }
    }
    let found = backend.search(&sorted, &searches)?;
    let cuts: Vec<(usize, u64)> = cuts
        .iter()
        .enumerate()
        .map(|(i, cut)| {
            let (g, setting) = (i / tails.settings, i % tails.settings);
            match *cut {
                Cut::Rank(rank) => (g, rank),
                Cut::Found { search, lower } => {
                    let above = holders(g) - (found[search] + lower);
                    (g, holders(g) - (tails.kept)(setting, above))
                }
            }
        })
        .collect();

    // Settings that cut off the same are measured once.
    let mut distinct = cuts.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let within: Vec<Option<(usize, u64)>> = distinct
        .iter()
        .map(|&(g, cut)| {
            let at = locate_rank(ranges_of(g), cut);
            (at.lower.n < cut && cut < holders(g)).then(|| (ranges[g] + at.range, cut - at.lower.n))
        })
        .collect();
    let ranks: Vec<(usize, u64)> = within.iter().flatten().copied().collect();
    let nexts: Vec<Prefix> =
        ranks.iter().map(|&(segment, rank)| Prefix { segment, rank, logs: false }).collect();
    let lower = backend.reduce_below(&sorted, &ranks, needs)?;
    let nexts = backend.prefix(&sorted, &nexts)?;
    let mut below = lower.iter().zip(nexts);
    let groups: Vec<Group<'_>> = distinct
        .iter()
        .zip(&within)
        .map(|(&(g, cut), within)| {
            let first = locate_rank(ranges_of(g), cut).range;
            let rest = if cut < holders(g) { &ranges_of(g)[first..] } else { &[] };
            let whole = Group { segment: ranges[g] + first, ..Group::new(rest, Total::default()) };
            let group = match within.and_then(|_| below.next()) {
                Some((lower, next)) => whole.without(lower, next.next),
                None => whole,
            };
            let amount = group.sums.amount;
            Group { total: (tails.total)(g, cut, amount), ..group }
        })
        .collect();
    let measured = ask(backend, &sorted, &groups, asks, &task, recorder)?;
    let kept = |cut: &(usize, u64)| {
        let at = distinct.binary_search(cut).expect("every cut is among the distinct ones");
        Kept { cut: cut.1, total: groups[at].total, measured: measured[at].clone() }
    };
    Ok(cuts.iter().map(kept).collect())
}

/// How many of the smallest holders are cut off.
enum Cut {
    Rank(u64),
    /// Those that a search finds, and those below its range.
    Found {
        search: usize,
        lower: u64,
    },
}

impl Group<'_> {
    /// Without the smallest holders of its first range, whose sums these are; `next` is the key after them.
    fn without(self, lower: &Sums, next: Key) -> Self {
        let mut ranges = self.ranges.into_owned();
        ranges[0] = ranges[0].above(lower, next);
        let cut = Lower { n: lower.n, amount: lower.amount, logs: lower.logs };
        let mut sums = Sums::default();
        ranges.iter().for_each(|range| sums.append(range));
        Self { ranges: Cow::Owned(ranges), sums, cut, ..self }
    }
}
