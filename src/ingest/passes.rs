//! Where rows do not fit into memory, and where holders are to be known before they have keys: rows are read once to be
//! counted, and once more to go to partitions.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::by_owner::of_holdings;
use super::sieve::Sieve;
use super::spilled::Spilled;
use super::{Context, Counted, Ingest, in_order, recorded};
use crate::columns::Amounts;
use crate::error::{Error, Result};
use crate::groups::chunk::{self, Origin, Part as Rows, Reading, Task};
use crate::groups::cuts::Cuts;
use crate::groups::owners::Holding;
use crate::groups::registry::Registry;
use crate::groups::route::{Partitions, Record, Router};
use crate::groups::sample::{self, Sampler};
use crate::groups::worker::{Distinct, Left, Worker, Workers};
use crate::groups::{self, Counts, Exact, Groups, each_amount, each_key, place_error};
use crate::memory::Bounds;
use crate::numbers::key::Key;
use crate::options::{Options, Owners};
use crate::record::Stage;
use crate::spill::Spill;

impl Ingest {
    /// Reads all rows to know their groups, so many at most.
    pub fn count(&self, most: usize, options: &Options, context: &Context<'_>) -> Result<Counted> {
        let tasks = self.tasks();
        context.progress.start("counting", self.rows());
        let (registry, mut workers) = (Registry::new(most), Workers::default());
        let sampler = Sampler::of(self.rows());
        let owners = Owners::Trust;
        let pass = Pass {
            tasks: &tasks,
            registry: &registry,
            workers: &workers,
            owners,
            sampler: Some(&sampler),
            rewards: false,
        };
        let of_task = self.visit(&pass, Stage::Count, options, context, |_, _, _, _| Ok(()))?;
        let groups = groups::unite(&registry, &mut workers, of_task, &self.schema, options)?;
        Ok(Counted { groups, tasks, registry, samples: sampler.samples() })
    }

    /// Bytes that will go to disk: keys, those of many groups with the group's number, and owners with their amounts,
    /// some 48 a row.
    pub fn expects(&self, counted: &Counted, bounds: Bounds, options: &Options) -> u64 {
        let of_keys = |n: u64| n * if n > bounds.keys as u64 { 8 } else { 12 };
        let keys: u64 = counted.holders().into_iter().map(of_keys).sum();
        let of_owners = if options.owners == Owners::Trust { 0 } else { 48 };
        let of_ranks = if options.top_holders.is_some() { 44 } else { 0 };
        keys + self.rows() * (of_owners + of_ranks)
    }

    /// Reads all rows again, and sends their keys to partitions. Where owners are merged, the groups' counts become
    /// those of owners.
    pub fn spill<'s>(
        &self,
        counted: &mut Counted,
        bounds: Bounds,
        spill: &'s Spill,
        options: &Options,
        context: &Context<'_>,
    ) -> Result<Spilled<'s>> {
        if options.owners != Owners::Trust || options.cuts() {
            let by_rank = options.top_holders.is_some();
            let (sieve, workers) =
                self.sieve(counted, by_rank, &|_| true, bounds, spill, options, context)?;
            return sieve.finish(workers, counted, bounds, spill, options, context);
        }
        // What most inputs are: doubles become keys by their bits, without exact amounts on the way.
        context.progress.start("partitioning", self.rows());
        let router = counted.router(bounds, spill);
        let workers =
            self.again(counted, Owners::Trust, options, context, |origin, part, amounts, left| {
                let refuse = |row, problem: &str| place_error(origin, part, row, &self.files, problem);
                router.with(|buffers| {
                    let put = |group, key| router.send(buffers, group, key);
                    each_key(part, amounts, &counted.groups, left, refuse, put)
                })
            })?;
        Spilled::new(router, workers, counted.groups.keys.len())
    }

    /// Reads all rows again, and sends their holders through a sieve, those of wanted groups where rows are holders.
    #[expect(clippy::too_many_arguments, reason = "what is read, by what, and where it goes")]
    pub(super) fn sieve<'s>(
        &self,
        counted: &mut Counted,
        by_rank: bool,
        wanted: &(dyn Fn(u32) -> bool + Sync),
        bounds: Bounds,
        spill: &'s Spill,
        options: &Options,
        context: &Context<'_>,
    ) -> Result<(Sieve<'s>, Workers)> {
        context.progress.start("partitioning", self.rows());
        let cuts = Cuts::of(options, &counted.groups, &self.schema)?;
        match options.owners {
            Owners::Trust => {
                let sieve = Sieve::new(cuts, counted, by_rank, bounds, spill, |group| counted.sample(group));
                let workers =
                    self.again(counted, Owners::Trust, options, context, |origin, part, amounts, left| {
                        let refuse =
                            |row, problem: &str| place_error(origin, part, row, &self.files, problem);
                        sieve.with(left, |put| {
                            each_amount(part, amounts, &counted.groups, refuse, |group, amount, whole| {
                                if wanted(group) { put(group, amount, whole, false) } else { Ok(()) }
                            })
                        })
                    })?;
                Ok((sieve, workers))
            }
            Owners::Check => {
                // Rows go two ways at once.
                let half = Bounds { buffers: bounds.buffers / 2, ..bounds };
                let by_owner = self.owner_router(half, spill);
                let sieve = Sieve::new(cuts, counted, by_rank, half, spill, |group| counted.sample(group));
                let before = self.rows_before();
                let workers =
                    self.again(counted, Owners::Check, options, context, |origin, part, amounts, left| {
                        let refuse =
                            |row, problem: &str| place_error(origin, part, row, &self.files, problem);
                        by_owner.with(|buffers| {
                            self.each_owner(origin, part, &counted.groups, |row, group, owner| {
                                let number = before[origin.file] + part.first_row + row as u64;
                                by_owner.send(buffers, group, owner, &number)
                            })
                        })?;
                        sieve.with(left, |put| {
                            each_amount(part, amounts, &counted.groups, refuse, |group, amount, whole| {
                                put(group, amount, whole, false)
                            })
                        })
                    })?;
                self.check(&by_owner.finish()?, bounds, &before, context)?;
                for counts in &mut counted.groups.counts {
                    counts.holders -= counts.zero;
                }
                Ok((sieve, workers))
            }
            Owners::Merge => {
                let router = self.owner_router(bounds, spill);
                let workers =
                    self.again(counted, Owners::Merge, options, context, |origin, part, amounts, _| {
                        self.send_owners(&router, &counted.groups, |_| true, origin, part, amounts)
                    })?;
                drop(workers);
                let by_owner = router.finish()?;
                if options.look_through.is_some() {
                    return self
                        .sieve_looked_through(&by_owner, counted, by_rank, bounds, spill, options, context);
                }
                let [owners, zeros] = [(); 2].map(|()| atomics(&counted.groups));
                let (mut sieve, mut cuts) = (None, Some(cuts));
                let workers = Workers::default();
                let excessive = self.each_merged(&by_owner, bounds, context, |merged| {
                    // The first lot of owners is a sample of them all.
                    let sieve = sieve.get_or_insert_with(|| {
                        let sample = |group| of_holdings(merged, group);
                        Sieve::new(cuts.take().unwrap_or_default(), counted, by_rank, bounds, spill, sample)
                    });
                    merged.par_iter().try_for_each(|merged| {
                        workers.with(0, |Worker { left, .. }| {
                            sieve.with(left, |put| {
                                merged.holdings.iter().try_for_each(
                                    |&Holding { group, amount, whole, is_entity }| {
                                        let count = |of: &[AtomicU64]| {
                                            of[group as usize].fetch_add(1, Ordering::Relaxed)
                                        };
                                        count(&owners);
                                        if amount.is_zero() {
                                            count(&zeros);
                                            return Ok(());
                                        }
                                        put(group, Exact::Wide(amount), whole, is_entity)
                                    },
                                )
                            })
                        })
                    })
                })?;
                if !excessive.is_empty() {
                    return Err(self.excess(excessive, counted, options, context));
                }
                for (id, counts) in counted.groups.counts.iter_mut().enumerate() {
                    let counted = |of: &[AtomicU64]| of[id].load(Ordering::Relaxed);
                    counts.merged = counts.holders - counted(&owners);
                    counts.zero = counted(&zeros);
                    counts.holders = counted(&owners) - counts.zero;
                }
                Ok((sieve.expect("there is a lot at least"), workers))
            }
        }
    }

    /// Goes through tasks in parallel; parts are let go once they were seen.
    pub(super) fn visit(
        &self,
        pass: &Pass<'_>,
        stage: Stage,
        options: &Options,
        context: &Context<'_>,
        each: impl Fn(&Origin, &mut Rows, &Amounts, &mut Left) -> Result<()> + Sync,
    ) -> Result<Vec<Distinct>> {
        let reading = self.reading(pass.registry, pass.owners, options, context);
        // What is read for the first time is sampled, and has its prices looked at.
        let (sampler, prices) = (pass.sampler, pass.sampler.is_some());
        let reading = Reading { sampler, prices, rewards: pass.rewards, ..reading };
        // What holds nothing has no key; where owners are looked at, it must be told from what has no amount.
        let in_slots = |_: &Rows, _: &Amounts| pass.owners == Owners::Trust;
        in_order(pass.tasks.par_iter(), self.faults.as_ref(), |task| {
            let visit = || {
                pass.workers.with(task.file, |Worker { known, left, .. }| {
                    let origin = Origin::of(&reading, task);
                    chunk::visit(&reading, task, known, &origin, in_slots, |mut part, amounts| {
                        each(&origin, &mut part, &amounts, left)
                    })
                })
            };
            recorded(&reading, task, stage, context, visit)
        })
    }

    /// Reads all rows a second time, and makes sure that they are the same.
    fn again(
        &self,
        counted: &Counted,
        owners: Owners,
        options: &Options,
        context: &Context<'_>,
        each: impl Fn(&Origin, &mut Rows, &Amounts, &mut Left) -> Result<()> + Sync,
    ) -> Result<Workers> {
        let Counted { groups, tasks, registry, .. } = counted;
        let workers = Workers::default();
        let pass = Pass { tasks, registry, workers: &workers, owners, sampler: None, rewards: false };
        self.visit(&pass, Stage::Spill, options, context, |origin, part, amounts, left| {
            same_groups(registry, groups)?;
            each(origin, part, amounts, left)
        })?;
        self.unchanged(workers, groups)
    }

    /// Refuses rows that are not those that were counted.
    fn unchanged(&self, mut workers: Workers, groups: &Groups) -> Result<Workers> {
        let (counts, _) = groups::tallied(&mut workers, &groups.ranks, true);
        let raw = |c: &Counts| (c.rows, c.null, c.excluded, c.negative, c.zero);
        match counts.iter().zip(&groups.counts).position(|(now, then)| raw(now) != raw(then)) {
            Some(id) => Err(Error::changed(self.schema.show(&groups.keys[id]))),
            None => Ok(workers),
        }
    }
}

/// A row of a group that was not there before has no place to go.
pub(super) fn same_groups(registry: &Registry, groups: &Groups) -> Result<()> {
    if registry.keys() > groups.keys.len() {
        return Err(Error::changed("of rows that are new".into()));
    }
    Ok(())
}

/// What is gone through.
pub(super) struct Pass<'a> {
    pub(super) tasks: &'a [Task],
    pub(super) registry: &'a Registry,
    pub(super) workers: &'a Workers,
    /// What is done with owners.
    pub(super) owners: Owners,
    pub(super) sampler: Option<&'a Sampler>,
    /// Whether rewards are read.
    pub(super) rewards: bool,
}

fn atomics(groups: &Groups) -> Vec<AtomicU64> {
    (0..groups.keys.len()).map(|_| AtomicU64::new(0)).collect()
}

impl Counted {
    /// Of each group.
    pub(super) fn holders(&self) -> Vec<u64> {
        self.groups.counts.iter().map(|counts| counts.holders).collect()
    }

    pub(super) fn router<'s>(&self, bounds: Bounds, spill: &'s Spill) -> Router<'s, Key> {
        let sample = |group| sample::records(&self.samples, &self.groups, group);
        let partitions = Partitions::new(&self.holders(), bounds.keys, sample);
        Router::new(partitions, spill, bounds.buffers)
    }

    pub(super) fn sample<R: Record>(&self, group: usize) -> Vec<R> {
        sample::records(&self.samples, &self.groups, group)
    }
}
