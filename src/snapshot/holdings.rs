//! What all holders have: who holds something at a snapshot, and who has what nobody can have.

use std::collections::{BTreeMap, HashSet};

use rayon::prelude::*;
use ruint::aliases::U256;

use super::SHOWN;
use super::entries::{Entries, Entry};
use super::fold::Tables;
use super::names::Names;
use crate::columns::owner;
use crate::error::{Error, Result};
use crate::options::Negatives;
use crate::options::snapshot::Asked;

/// What all holders have, from each epoch on in which that changes.
pub(super) struct Holdings {
    lists: Vec<Entries>,
    /// Where each holder's entries start in a list.
    starts: Vec<Vec<u32>>,
    pub(super) names: Names,
}

/// A holder in a snapshot, in the order in which they are written, but for close neighbours.
#[derive(Clone, Copy)]
pub(super) struct Holding {
    token: u32,
    /// The opposite of its balance's leading bits.
    leading: u32,
    /// Where its entry is.
    place: (u32, u32),
}

/// Holders that are sorted at a time, roughly.
const RANGE: usize = 1 << 15;

/// Consecutive holders of a snapshot, in pieces.
#[derive(Default)]
pub(super) struct Range(Vec<Vec<Holding>>);

impl Range {
    pub(super) fn rows(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

/// The length of a number and its bits after the first: larger numbers have no larger opposite of it.
fn leading(amount: &U256) -> u32 {
    const BITS: usize = 23;
    let length = amount.bit_len();
    let top = if length > BITS { *amount >> (length - BITS - 1) } else { *amount << (BITS + 1 - length) };
    !((length as u32) << BITS | (top.as_limbs()[0] as u32 & ((1 << BITS) - 1)))
}

impl Holdings {
    /// Of tokens that get these places.
    pub(super) fn of(tables: Tables, places: &[u32]) -> Self {
        let (lists, names) = tables.finish(places);
        let mut holdings = Self { lists, starts: vec![], names };
        holdings.start();
        holdings
    }

    fn start(&mut self) {
        let starts = |entries: &Entries| -> Vec<u32> {
            let is_first = |&at: &u32| at == 0 || !entries.at(at as usize).is_of(entries.at(at as usize - 1));
            (0..entries.len() as u32).filter(is_first).collect()
        };
        self.starts = self.lists.par_iter().map(starts).collect();
    }

    pub(super) fn entry(&self, row: &Holding) -> &Entry {
        self.lists[row.place.0 as usize].at(row.place.1 as usize)
    }

    /// Leaves out all holders of some tokens.
    pub(super) fn drop(&mut self, tokens: &HashSet<u32>) {
        if !tokens.is_empty() {
            self.lists.par_iter_mut().for_each(|list| list.retain(|entry| !tokens.contains(&entry.token())));
            self.start();
        }
    }

    /// Refuses holders of what no holder can have, or tells of them.
    pub(super) fn check(&self, asked: &Asked, names: &[String]) -> Result<Vec<String>> {
        let beyond = |entry: &&Entry| entry.sum().amount().is_none();
        let mut beyond: Vec<&Entry> =
            self.lists.par_iter().flat_map_iter(Entries::iter).filter(beyond).collect();
        beyond.par_sort_unstable_by(|a, b| {
            (a.epoch(), a.token())
                .cmp(&(b.epoch(), b.token()))
                .then_with(|| a.name().compare(&b.name(), &self.names))
        });
        let show = |entry: &Entry| {
            let (owner, block) =
                (owner::show(&entry.name().owner(&self.names)), asked.at[entry.epoch() as usize]);
            format!("{owner} has {} at block {block}", entry.sum().show())
        };
        if let Some(entry) = beyond.iter().find(|entry| !entry.sum().is_negative()) {
            return Err(Error::Group {
                group: names[entry.token() as usize].clone(),
                problem: format!("{}, more than 256 bits hold", show(entry)),
                remedy: "no token can have so much: is the column of amounts one of ids?".into(),
            });
        }
        let Some(first) = beyond.first() else { return Ok(vec![]) };
        let mut of_tokens = BTreeMap::new();
        for entry in &beyond {
            let (owners, _) = of_tokens.entry(entry.token()).or_insert((HashSet::new(), *entry));
            owners.insert(entry.name().owner(&self.names));
        }
        let holders: usize = of_tokens.values().map(|(owners, _)| owners.len()).sum();
        if asked.negatives == Negatives::Error {
            let others = match (holders - 1, of_tokens.len()) {
                (0, _) => String::new(),
                (1, _) => ", and another holder has less than nothing".into(),
                (n, 1) => format!(", and {n} other holders have less than nothing"),
                (n, tokens) => format!(", and {n} other holders of {tokens} tokens have less than nothing"),
            };
            return Err(Error::Group {
                group: names[first.token() as usize].clone(),
                problem: format!("{}{others}: transfers are missing from the log", show(first)),
                remedy:
                    "add the files of all blocks from the token's first on, or leave such holders out with \
                         --negatives drop"
                        .into(),
            });
        }
        let mut told: Vec<String> = of_tokens
            .iter()
            .take(SHOWN)
            .map(|(&token, (owners, first))| {
                let holders =
                    if owners.len() == 1 { "1 holder".into() } else { format!("{} holders", owners.len()) };
                format!(
                    "{}: {holders} left out who would have less than nothing ({}): transfers are missing from the log",
                    names[token as usize],
                    show(first)
                )
            })
            .collect();
        told.extend(
            (of_tokens.len() > SHOWN).then(|| format!("… and of {} other tokens", of_tokens.len() - SHOWN)),
        );
        Ok(told)
    }

    /// The places of a list's entries that say what somebody has at a snapshot.
    fn held(&self, list: usize, epoch: u32) -> impl Iterator<Item = (usize, U256)> + '_ {
        let (entries, starts) = (&self.lists[list], &self.starts[list]);
        let ends = starts.iter().skip(1).map(|&end| end as usize).chain([entries.len()]);
        let last = move |(&start, end): (&u32, usize)| {
            let (start, mut low, mut high) = (start as usize, start as usize, end);
            while low < high {
                let middle = low.midpoint(high);
                if entries.at(middle).epoch() <= epoch {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            low.checked_sub(1).filter(|&at| at >= start)
        };
        let last = starts.iter().zip(ends).filter_map(last);
        last.filter_map(|at| Some((at, entries.at(at).sum().amount().filter(|balance| !balance.is_zero())?)))
    }

    /// How many rows all snapshots have, of which there are so many.
    pub(super) fn rows_of(&self, snapshots: u32) -> usize {
        let of_list = |entries: &Entries| -> usize {
            let until = |at: usize| match (at + 1 < entries.len()).then(|| entries.at(at + 1)) {
                Some(next) if next.is_of(entries.at(at)) => next.epoch(),
                _ => snapshots,
            };
            let is_held =
                |at: &usize| entries.at(*at).sum().amount().is_some_and(|balance| !balance.is_zero());
            let held = (0..entries.len()).filter(is_held);
            held.map(|at| (until(at) - entries.at(at).epoch()) as usize).sum()
        };
        self.lists.par_iter().map(of_list).sum()
    }

    /// Who holds something at a snapshot, in ranges that follow each other: by token, the largest first. What is in a
    /// range has no order yet: it takes less memory to sort one after the other.
    pub(super) fn ranges(&self, epoch: u32) -> Vec<Range> {
        let of_entry = |entry: &Entry| (entry.token(), leading(&entry.sum().low));
        // Where ranges begin is as good as it may be: some of them are larger than others.
        let holders: usize = self.starts.iter().map(Vec::len).sum();
        let ranges = holders.div_ceil(RANGE).max(1);
        let sampled = if ranges > 1 { &self.lists[..] } else { &[] };
        let mut sample: Vec<(u32, u32)> =
            sampled.par_iter().flat_map_iter(|list| list.iter().step_by(RANGE / 128).map(of_entry)).collect();
        sample.par_sort_unstable();
        let mut starts: Vec<(u32, u32)> =
            (1..ranges).filter_map(|range| sample.get(sample.len() * range / ranges).copied()).collect();
        starts.dedup();
        let pieces = if ranges > 1 { 8 * rayon::current_num_threads() } else { 1 };
        let some = self.lists.len().div_ceil(pieces).max(1);
        let of_lists = |(index, lists): (usize, &[Entries])| -> Vec<Vec<Holding>> {
            let mut ranges = vec![vec![]; starts.len() + 1];
            for (list, entries) in (index * some..).zip(lists) {
                for (at, balance) in self.held(list, epoch) {
                    let (token, leading) = (entries.at(at).token(), leading(&balance));
                    let range = starts.partition_point(|&start| start <= (token, leading));
                    ranges[range].push(Holding { token, leading, place: (list as u32, at as u32) });
                }
            }
            ranges
        };
        let of_lists: Vec<Vec<Vec<Holding>>> =
            self.lists.par_chunks(some).enumerate().map(of_lists).collect();
        let mut ranges: Vec<Range> = (0..=starts.len()).map(|_| Range::default()).collect();
        for own in of_lists {
            ranges.iter_mut().zip(own).for_each(|(range, own)| range.0.push(own));
        }
        ranges
    }

    /// The rows of a range, in order.
    pub(super) fn sort(&self, range: Range) -> Vec<Holding> {
        let mut rows = range.0.concat();
        rows.par_sort_unstable_by(|a, b| {
            (a.token, a.leading).cmp(&(b.token, b.leading)).then_with(|| {
                let (a, b) = (self.entry(a), self.entry(b));
                b.sum().amount().cmp(&a.sum().amount()).then_with(|| a.name().compare(&b.name(), &self.names))
            })
        });
        rows
    }
}
