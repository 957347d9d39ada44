//! Keys of all groups on disk, and how they come back.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::error::Result;
use crate::groups::route::{Routed, Router};
use crate::groups::worker::Workers;
use crate::moments::{Sums, Total};
use crate::numbers::key::{self, Key};
use crate::numbers::wide::U320;

/// Keys of all groups, on disk.
pub struct Spilled<'s> {
    routed: Routed<'s, Key>,
    /// Of each group, what keys leave out of amounts, where they leave out anything.
    left: Vec<Option<U320>>,
}

/// Some groups as they are loaded, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Whole groups of one partition.
    Groups(Range<usize>, usize),
    /// One group in the value ranges of these partitions.
    Ranges(usize, Range<usize>),
}

impl Part {
    /// Its groups.
    pub fn groups(&self) -> Range<usize> {
        match self {
            Self::Groups(groups, _) => groups.clone(),
            Self::Ranges(group, _) => *group..group + 1,
        }
    }
}

impl<'s> Spilled<'s> {
    pub(super) fn new(router: Router<'s, Key>, mut workers: Workers, groups: usize) -> Result<Self> {
        let routed = router.finish()?;
        let mut left = vec![None; groups];
        for worker in workers.all() {
            for (group, more) in worker.left.all() {
                let sum: &mut Option<U320> = &mut left[group as usize];
                *sum = Some(sum.unwrap_or(U320::ZERO) + more);
            }
        }
        Ok(Self { routed, left })
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> usize {
        self.routed.partitions.len()
    }

    /// All groups in their order.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = vec![];
        for (at, partition) in self.routed.partitions.iter().enumerate() {
            match parts.last_mut() {
                Some(Part::Ranges(group, ranges))
                    if partition.is_range && *group == partition.groups.start =>
                {
                    ranges.end = at + 1;
                }
                _ if partition.is_range => parts.push(Part::Ranges(partition.groups.start, at..at + 1)),
                _ => parts.push(Part::Groups(partition.groups.clone(), at)),
            }
        }
        parts
    }

    /// The keys of whole groups and their totals; `offsets` are those of all groups.
    pub fn groups(
        &self,
        groups: &Range<usize>,
        partition: usize,
        offsets: &[usize],
    ) -> Result<(Vec<Key>, Vec<Total>)> {
        let borders = &offsets[groups.start..=groups.end];
        let start = borders[0];
        let place = |group: usize| borders[group] - start;
        // Each key is written once, by one thread: relaxed stores are a safe parallel scatter.
        let keys: Vec<AtomicU64> = bytemuck::zeroed_vec(place(groups.len()));
        let next: Vec<AtomicUsize> = (0..groups.len()).map(|group| AtomicUsize::new(place(group))).collect();
        self.routed.each_block(partition, |records, of| {
            for (&key, &group) in records.iter().zip(of) {
                let at = next[group as usize - groups.start].fetch_add(1, Ordering::Relaxed);
                keys[at].store(key, Ordering::Relaxed);
            }
        })?;
        let keys: Vec<Key> = keys.into_iter().map(AtomicU64::into_inner).collect();
        let totals = (0..groups.len())
            .into_par_iter()
            .map(|group| self.total(groups.start + group, key::sum(&keys[place(group)..place(group + 1)])));
        let totals = totals.collect();
        Ok((keys, totals))
    }

    /// What is known of the value ranges of a group, none of them empty, and its total.
    pub fn outlines(&self, group: usize, partitions: Range<usize>) -> (Vec<usize>, Vec<Sums>, Total) {
        let filled = partitions.filter(|&at| self.routed.records(at) > 0);
        let outlined = filled.map(|at| (at, self.routed.contents[at].outline));
        let (partitions, outlines): (Vec<usize>, Vec<Sums>) = outlined.unzip();
        let amount = outlines.iter().fold(U320::ZERO, |sum, outline| sum + outline.amount);
        (partitions, outlines, self.total(group, amount))
    }

    /// The keys of one value range.
    pub fn range(&self, partition: usize, keys: &mut Vec<Key>) -> Result<()> {
        keys.resize(self.routed.records(partition), 0);
        self.routed.read_range(partition, keys)
    }

    /// The total of a group whose keys sum to this.
    fn total(&self, group: usize, amount: U320) -> Total {
        match self.left[group] {
            Some(left) => Total { amount: amount + left, exact: false },
            None => Total { amount, exact: true },
        }
    }
}
