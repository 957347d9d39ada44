//! Holders on their way to partitions: past the cuts, and by rank where only the largest count.

use std::mem::take;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytemuck::Zeroable;
use hashbrown::HashMap;
use rayon::prelude::*;

use super::spilled::Spilled;
use super::{Context, Counted};
use crate::error::{Error, Result};
use crate::groups::Exact;
use crate::groups::cuts::{Cuts, add, kept};
use crate::groups::route::{Amount, Held, Partitions, Record, Routed, Router, amount};
use crate::groups::worker::{Left, Worker, Workers};
use crate::memory::Bounds;
use crate::numbers::key::{self, Key};
use crate::numbers::wide::U320;
use crate::options::Options;
use crate::record::{Stage, Volume};
use crate::spill::Spill;

/// What holders are sent through.
pub(super) struct Sieve<'s> {
    cuts: Cuts,
    way: Way<'s>,
    /// Of each group, holders that are entities.
    entities: Vec<AtomicU64>,
    /// Groups that are larger than a partition: a sample of their keys.
    samples: HashMap<usize, Vec<Key>>,
}

enum Way<'s> {
    /// All that are left count.
    Keys(Router<'s, Key>),
    /// Only the largest: exact amounts, to be ranked by.
    Ranks(Router<'s, Held>),
}

/// Takes a holder: its group by rank, its amount above zero, whether nothing was cut off that, and whether it is an
/// entity.
pub(super) type Put<'p> = dyn FnMut(u32, Exact, bool, bool) -> Result<()> + 'p;

/// Records that one thread takes on at a time.
const LOT: usize = 1 << 12;

impl<'s> Sieve<'s> {
    /// For groups of so many holders at most, as they are counted; a sample is one of amounts.
    pub(super) fn new(
        cuts: Cuts,
        counted: &Counted,
        by_rank: bool,
        bounds: Bounds,
        spill: &'s Spill,
        sample: impl Fn(usize) -> Vec<Amount>,
    ) -> Self {
        let holders = counted.holders();
        let sample = |group: usize| -> Vec<Amount> {
            let keeps = |record: &Amount| cuts.keeps(group as u32, Exact::Wide(amount(*record)));
            sample(group).into_iter().filter(keeps).collect()
        };
        let keys_of = |group: usize| -> Vec<Key> {
            sample(group).into_iter().map(|record| key::of(amount(record)).0).collect()
        };
        let mut samples = HashMap::new();
        let way = if by_rank {
            let large = holders.iter().enumerate().filter(|(_, n)| **n > bounds.keys as u64);
            samples = large.map(|(group, _)| (group, keys_of(group))).collect();
            let of_held = |group: usize| -> Vec<Held> {
                sample(group).into_iter().map(|record| Held::of(amount(record), 0)).collect()
            };
            // A record is five times as long as a key, and gets its group beside it.
            let partitions = Partitions::new(&holders, bounds.keys / 6, of_held);
            Way::Ranks(Router::new(partitions, spill, bounds.buffers))
        } else {
            let partitions = Partitions::new(&holders, bounds.keys, keys_of);
            Way::Keys(Router::new(partitions, spill, bounds.buffers))
        };
        let entities = holders.iter().map(|_| AtomicU64::new(0)).collect();
        Self { cuts, way, entities, samples }
    }

    /// Sends what `work` puts in.
    pub(super) fn with(&self, left: &mut Left, work: impl FnOnce(&mut Put<'_>) -> Result<()>) -> Result<()> {
        let mut cut: HashMap<u32, (u64, U320)> = HashMap::new();
        match &self.way {
            Way::Keys(router) => router.with(|buffers| {
                work(&mut |group, amount, whole, is_entity| {
                    if !self.cuts.keeps(group, amount) {
                        add(&mut cut, group, 1, U320::from(amount.wide()));
                        return Ok(());
                    }
                    if is_entity {
                        self.entities[group as usize].fetch_add(1, Ordering::Relaxed);
                    }
                    router.send(buffers, group, left.key(group, amount, whole))
                })
            })?,
            Way::Ranks(router) => router.with(|buffers| {
                work(&mut |group, amount, whole, is_entity| {
                    if !self.cuts.keeps(group, amount) {
                        add(&mut cut, group, 1, U320::from(amount.wide()));
                        return Ok(());
                    }
                    router.send(buffers, group, Held::new(amount.wide(), whole, is_entity))
                })
            })?,
        }
        if !cut.is_empty() {
            self.cuts.cut(cut);
        }
        Ok(())
    }

    /// All holders of each group, in no order, for a sieve without cuts that has them by rank.
    pub(super) fn held(self, groups: usize) -> Result<Vec<Vec<Held>>> {
        let Way::Ranks(router) = self.way else { unreachable!("they came by rank") };
        let routed = router.finish()?;
        let mut of_groups: Vec<Vec<Held>> = vec![vec![]; groups];
        for at in 0..routed.partitions.len() {
            let all = Mutex::new(&mut of_groups);
            routed.each_block(at, |records, groups| {
                let mut of_groups = all.lock().unwrap_or_else(PoisonError::into_inner);
                records.iter().zip(groups).for_each(|(&held, &group)| of_groups[group as usize].push(held));
            })?;
        }
        Ok(of_groups)
    }

    /// Once all holders are in: keeps the largest, and settles the groups' counts.
    pub(super) fn finish(
        self,
        workers: Workers,
        counted: &mut Counted,
        bounds: Bounds,
        spill: &'s Spill,
        options: &Options,
        context: &Context<'_>,
    ) -> Result<Spilled<'s>> {
        let Self { cuts, way, entities, samples } = self;
        let router = match way {
            Way::Keys(router) => router,
            Way::Ranks(router) => {
                let routed = router.finish()?;
                let holders = counted.holders();
                let mut left: Vec<u64> = vec![0; holders.len()];
                // What came past the least amount is what partitions hold.
                present(&routed, &mut left)?;
                let most: Vec<u64> = left.iter().map(|&n| kept(options.top_holders.as_ref(), n)).collect();
                let sample = |group: usize| {
                    let mut keys = samples.get(&group).cloned().unwrap_or_default();
                    keys.sort_unstable_by(|a, b| b.cmp(a));
                    // The largest part of the sample, as of the group.
                    let part = keys.len() as u128 * u128::from(most[group]) / u128::from(left[group].max(1));
                    keys.truncate(part as usize);
                    keys
                };
                let keys = Router::new(Partitions::new(&most, bounds.keys, sample), spill, bounds.buffers);
                let mut keeper = Keeper {
                    most,
                    cuts: &cuts,
                    entities: &entities,
                    workers: &workers,
                    keys: &keys,
                    records: vec![],
                    held: vec![],
                };
                for at in (0..routed.partitions.len()).rev() {
                    if (context.interrupted)() {
                        return Err(Error::Interrupted);
                    }
                    let (task, n) = (format!("ranks {at}"), routed.records(at) as u64);
                    let volume = Volume::new(n, n * 44, 0);
                    context.recorder.time(Stage::Merge, task, volume, || keeper.keep(&routed, at))?;
                }
                keys
            }
        };
        cuts.finish(options, &mut counted.groups);
        for (counts, entities) in counted.groups.counts.iter_mut().zip(entities) {
            counts.entities = entities.into_inner();
        }
        Spilled::new(router, workers, counted.groups.keys.len())
    }
}

/// How many records of each group there are.
fn present(routed: &Routed<'_, Held>, of_groups: &mut [u64]) -> Result<()> {
    for (at, partition) in routed.partitions.iter().enumerate() {
        if partition.is_range {
            of_groups[partition.groups.start] += routed.records(at) as u64;
            continue;
        }
        let counts: Vec<AtomicU64> = partition.groups.clone().map(|_| AtomicU64::new(0)).collect();
        routed.each_block(at, |_, groups| {
            for &group in groups {
                counts[group as usize - partition.groups.start].fetch_add(1, Ordering::Relaxed);
            }
        })?;
        for (group, count) in partition.groups.clone().zip(counts) {
            of_groups[group] += count.into_inner();
        }
    }
    Ok(())
}

/// Sends the largest holders on, as many as each group may still have, and cuts off the others.
struct Keeper<'k> {
    /// Of each group.
    most: Vec<u64>,
    cuts: &'k Cuts,
    entities: &'k [AtomicU64],
    workers: &'k Workers,
    keys: &'k Router<'k, Key>,
    /// Kept from one partition to the next.
    records: Vec<Held>,
    held: Vec<(u32, Held)>,
}

impl Keeper<'_> {
    /// One partition. Of a group's ranges the last comes first.
    fn keep(&mut self, routed: &Routed<'_, Held>, at: usize) -> Result<()> {
        let partition = &routed.partitions[at];
        if partition.is_range {
            let mut records = take(&mut self.records);
            records.resize(routed.records(at), Held::zeroed());
            routed.read_range(at, &mut records)?;
            records.par_sort_unstable_by(|a, b| b.cmp(a));
            self.keep_group(partition.groups.start as u32, &records, |held| *held)?;
            self.records = records;
            return Ok(());
        }
        let mut held = take(&mut self.held);
        held.clear();
        held.reserve(routed.records(at));
        let all = Mutex::new(held);
        routed.each_block(at, |records, groups| {
            let pairs = groups.iter().copied().zip(records.iter().copied());
            all.lock().unwrap_or_else(PoisonError::into_inner).extend(pairs);
        })?;
        let mut held = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        held.par_sort_unstable_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
        for of_group in held.chunk_by(|a, b| a.0 == b.0) {
            self.keep_group(of_group[0].0, of_group, |held| held.1)?;
        }
        self.held = held;
        Ok(())
    }

    /// One group's holders, the largest first.
    fn keep_group<T: Sync>(
        &mut self,
        group: u32,
        of_group: &[T],
        held: impl Fn(&T) -> Held + Sync,
    ) -> Result<()> {
        let rest = &mut self.most[group as usize];
        let own = of_group.len().min(usize::try_from(*rest).unwrap_or(usize::MAX));
        *rest -= own as u64;
        let (largest, others) = of_group.split_at(own);
        if !others.is_empty() {
            let sum = others.iter().fold(U320::ZERO, |sum, other| sum + U320::from(held(other).amount()));
            self.cuts.cut(HashMap::from([(group, (others.len() as u64, sum))]));
        }
        let are_entities = largest.iter().map(|holder| u64::from(held(holder).is_entity())).sum();
        self.entities[group as usize].fetch_add(are_entities, Ordering::Relaxed);
        largest.par_chunks(LOT).try_for_each(|lot| {
            self.workers.with(0, |Worker { left, .. }| {
                self.keys.with(|buffers| {
                    lot.iter().try_for_each(|holder| {
                        let held = held(holder);
                        let whole = held.is_whole();
                        self.keys.send(buffers, group, left.key(group, Exact::Wide(held.amount()), whole))
                    })
                })
            })
        })
    }
}
