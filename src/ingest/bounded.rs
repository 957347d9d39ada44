//! Where rows do not fit into memory, and where holders are to be known before they have keys: rows are read once to be
//! counted, and once more to go to partitions.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arrow::array::Array;
use rayon::prelude::*;
use ruint::aliases::U256;

use super::sieve::Sieve;
use super::{Context, Counted, Ingest, in_order, recorded};
use crate::columns::Amounts;
use crate::error::{Error, Result};
use crate::groups::chunk::{self, Origin, Part as Rows, Reading, Task};
use crate::groups::cuts::Cuts;
use crate::groups::owners::{self, ByOwner, Excessive, Holding, Merged, OwnerRouter};
use crate::groups::registry::Registry;
use crate::groups::route::{Partitions, Record, Routed, Router};
use crate::groups::sample::{self, Sampler};
use crate::groups::worker::{Distinct, Known, Left, Worker, Workers};
use crate::groups::{self, Counts, Exact, Groups, amount_of, each_amount, each_key, place_error};
use crate::memory::Bounds;
use crate::moments::{Sums, Total};
use crate::numbers::key::{self, Key};
use crate::numbers::wide::U320;
use crate::options::{Options, Owners};
use crate::record::Stage;
use crate::spill::Spill;

/// Bytes of owners' tables in a partition, where there is room for more: measured on 10^7 rows, a third quicker than
/// tables of 150 MB.
const SMALL: u64 = 16 << 20;

/// Bytes of owners that are written at a time, at least.
const LEAST_LOT: u64 = 4 << 10;

/// Keys of all groups, on disk.
pub struct Spilled<'s> {
    routed: Routed<'s, Key>,
    /// Of each group, what keys leave out of amounts, where they leave out anything.
    left: Vec<Option<U320>>,
}

impl Ingest {
    /// Reads all rows to know their groups, so many at most.
    pub fn count(&self, most: usize, options: &Options, context: &Context<'_>) -> Result<Counted> {
        let tasks = self.tasks();
        context.progress.start("counting", self.rows());
        let (registry, mut workers) = (Registry::new(most), Workers::default());
        let sampler = Sampler::of(self.rows());
        let owners = Owners::Trust;
        let pass =
            Pass { tasks: &tasks, registry: &registry, workers: &workers, owners, sampler: Some(&sampler) };
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
        context.progress.start("partitioning", self.rows());
        let cuts = Cuts::of(options, &counted.groups, &self.schema)?;
        match options.owners {
            Owners::Trust if !options.cuts() => {
                let router = counted.router(bounds, spill);
                let workers =
                    self.again(counted, Owners::Trust, options, context, |origin, part, amounts, left| {
                        let refuse =
                            |row, problem: &str| place_error(origin, part, row, &self.files, problem);
                        router.with(|buffers| {
                            let put = |group, key| router.send(buffers, group, key);
                            each_key(part, amounts, &counted.groups, left, refuse, put)
                        })
                    })?;
                Spilled::new(router, workers, counted.groups.keys.len())
            }
            Owners::Trust => {
                let sieve = Sieve::new(cuts, counted, bounds, spill, options, |group| counted.sample(group));
                let workers =
                    self.again(counted, Owners::Trust, options, context, |origin, part, amounts, left| {
                        let refuse =
                            |row, problem: &str| place_error(origin, part, row, &self.files, problem);
                        sieve.with(left, |put| {
                            each_amount(part, amounts, &counted.groups, refuse, |group, amount, whole| {
                                put(group, amount, whole, false)
                            })
                        })
                    })?;
                sieve.finish(workers, counted, bounds, spill, options, context)
            }
            Owners::Check => {
                // Rows go two ways at once.
                let half = Bounds { buffers: bounds.buffers / 2, ..bounds };
                let by_owner = self.owner_router(half, spill);
                let sieve = Sieve::new(cuts, counted, half, spill, options, |group| counted.sample(group));
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
                sieve.finish(workers, counted, bounds, spill, options, context)
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
                    return self.spill_looked_through(&by_owner, counted, bounds, spill, options, context);
                }
                let [owners, zeros] = [(); 2].map(|()| atomics(&counted.groups));
                let (mut sieve, mut cuts) = (None, Some(cuts));
                let workers = Workers::default();
                let excessive = self.each_merged(&by_owner, bounds, context, |merged| {
                    // The first lot of owners is a sample of them all.
                    let sieve = sieve.get_or_insert_with(|| {
                        let sample = |group| of_holdings(merged, group);
                        Sieve::new(cuts.take().unwrap_or_default(), counted, bounds, spill, options, sample)
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
                let sieve = sieve.expect("there is a lot at least");
                sieve.finish(workers, counted, bounds, spill, options, context)
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
        let reading = Reading { sampler, prices, ..reading };
        // What holds nothing has no key; where owners are looked at, it must be told from what has no amount.
        let in_slots = |_: &Rows, _: &Amounts| pass.owners == Owners::Trust;
        in_order(pass.tasks.par_iter(), |task| {
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
        let pass = Pass { tasks, registry, workers: &workers, owners, sampler: None };
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

    /// Calls `each` with every kept row, its group by rank and its owner.
    fn each_owner(
        &self,
        origin: &Origin,
        part: &Rows,
        groups: &Groups,
        mut each: impl FnMut(usize, u32, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let owners = part.owners.as_ref().expect("owners are read where they are compared");
        part.ids.try_each(part.rows, |row, number| {
            if owners.is_null(row) {
                return Err(owners::null_owner(origin, part.first_row + row as u64 + 1, &self.files));
            }
            let owner = owners.value(row);
            // Entities come after contracts were looked through.
            let holder = if self.looks_through { owner } else { self.population.holder(owner) };
            each(row, groups.ranks[number as usize], holder)
        })
    }

    /// Partitions of owners, each small enough for one thread.
    pub(super) fn owner_router<'s>(&self, bounds: Bounds, spill: &'s Spill) -> OwnerRouter<'s> {
        // In small ones tables stay in a core's cache; blocks on disk should not be too small either.
        let of_thread = (bounds.owners / rayon::current_num_threads() as u64).min(SMALL);
        let most = bounds.buffers / (rayon::current_num_threads() as u64 * LEAST_LOT);
        let partitions = (self.rows() * owners::BYTES).div_ceil(of_thread.max(1)).clamp(1, most.max(1));
        OwnerRouter::new(partitions as usize, spill, bounds.buffers)
    }

    /// Sends the rows of wanted groups to partitions by their owners.
    pub(super) fn send_owners(
        &self,
        router: &OwnerRouter<'_>,
        groups: &Groups,
        wanted: impl Fn(u32) -> bool,
        origin: &Origin,
        part: &Rows,
        amounts: &Amounts,
    ) -> Result<()> {
        router.with(|buffers| {
            self.each_owner(origin, part, groups, |row, group, owner| {
                if !wanted(group) {
                    return Ok(());
                }
                let amount = amount_of(amounts, row, groups.units[group as usize])
                    .map_err(|problem| place_error(origin, part, row, &self.files, problem))?;
                router.send(buffers, group, owner, &amount)
            })
        })
    }

    /// Merges partitions of owners, as many at a time as there are threads, or one where it is large; tells which owners
    /// hold too much.
    pub(super) fn each_merged(
        &self,
        by_owner: &ByOwner<'_>,
        bounds: Bounds,
        context: &Context<'_>,
        mut each: impl FnMut(&[Merged]) -> Result<()>,
    ) -> Result<Vec<Excessive>> {
        let mut excessive = vec![];
        for lot in lots(by_owner, bounds) {
            if (context.interrupted)() {
                return Err(Error::Interrupted);
            }
            let merge = |partition| {
                let bytes = by_owner.bytes(partition);
                let merge = || by_owner.merge(partition);
                context.recorder.time(Stage::Merge, format!("owners {partition}"), 0, bytes, merge)
            };
            let mut merged: Vec<Merged> = lot.into_par_iter().map(merge).collect::<Result<_>>()?;
            merged.iter_mut().for_each(|merged| excessive.append(&mut merged.excessive));
            each(&merged)?;
        }
        Ok(excessive)
    }

    /// The first row, in the order of files and rows, with which one of these owners holds too much.
    pub(super) fn excess(
        &self,
        excessive: Vec<Excessive>,
        counted: &Counted,
        options: &Options,
        context: &Context<'_>,
    ) -> Error {
        let mut sums: HashMap<Excessive, U256> =
            excessive.into_iter().map(|owner| (owner, U256::ZERO)).collect();
        let Counted { groups, tasks, registry, .. } = counted;
        let reading = self.reading(registry, Owners::Merge, options, context);
        let mut known = Known::default();
        for task in tasks {
            let origin = Origin::of(&reading, task);
            let read = chunk::visit(
                &reading,
                task,
                &mut known,
                &origin,
                |_, _| false,
                |part, amounts| {
                    same_groups(registry, groups)?;
                    self.each_owner(&origin, &part, groups, |row, group, owner| {
                        let Some(sum) = sums.get_mut(&(group, owner.into())) else { return Ok(()) };
                        let refuse = |problem| place_error(&origin, &part, row, &self.files, problem);
                        let (amount, _) =
                            amount_of(&amounts, row, groups.units[group as usize]).map_err(refuse)?;
                        *sum = sum.checked_add(amount.wide()).ok_or_else(|| {
                            owners::excess(&origin, part.first_row + row as u64 + 1, owner, &self.files)
                        })?;
                        Ok(())
                    })
                },
            );
            if let Err(error) = read {
                return error;
            }
        }
        Error::changed("of an owner with too much".into())
    }

    /// Refuses an owner's second row in a group: the first such row in the order of files and rows.
    fn check(
        &self,
        by_owner: &ByOwner<'_>,
        bounds: Bounds,
        before: &[u64],
        context: &Context<'_>,
    ) -> Result<()> {
        let mut first: Option<(u64, u64, Vec<u8>)> = None;
        for lot in lots(by_owner, bounds) {
            if (context.interrupted)() {
                return Err(Error::Interrupted);
            }
            let seconds: Vec<_> =
                lot.into_par_iter().map(|partition| by_owner.second(partition)).collect::<Result<_>>()?;
            first = first.into_iter().chain(seconds.into_iter().flatten()).min();
        }
        let Some((second, first, owner)) = first else { return Ok(()) };
        let place = |row: u64| {
            let file = before.partition_point(|&start| start <= row) - 1;
            (file, row - before[file] + 1)
        };
        let file = place(second).0;
        let column = self.roles[file].owner.map(|column| self.files[file].schema().field(column).name());
        let column = column.map_or("", String::as_str);
        Err(owners::second_row(place(second), place(first), column, &owner, &self.files))
    }

    /// The rows of all files before each.
    fn rows_before(&self) -> Vec<u64> {
        let mut rows = 0;
        let before = self.files.iter().map(|file| {
            let before = rows;
            rows += file.rows();
            before
        });
        before.collect()
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
}

/// Partitions that fit into memory together, at most one for each thread.
fn lots(by_owner: &ByOwner<'_>, bounds: Bounds) -> Vec<Range<usize>> {
    let mut lots: Vec<Range<usize>> = vec![];
    let mut taken = 0;
    for partition in 0..by_owner.partitions() {
        // Records on disk are at least a fifth of what their owners take in memory.
        let bytes = by_owner.bytes(partition) * 5;
        match lots.last_mut() {
            Some(lot) if lot.len() < rayon::current_num_threads() && taken + bytes <= bounds.owners => {
                lot.end = partition + 1;
                taken += bytes;
            }
            _ => {
                lots.push(partition..partition + 1);
                taken = bytes;
            }
        }
    }
    lots
}

fn atomics(groups: &Groups) -> Vec<AtomicU64> {
    (0..groups.keys.len()).map(|_| AtomicU64::new(0)).collect()
}

/// What is kept of a group's holders.
pub(super) fn of_holdings<R: Record>(merged: &[Merged], group: usize) -> Vec<R> {
    let all = merged.iter().flat_map(|merged| &merged.holdings);
    let own = all.filter(|held| held.group as usize == group && !held.amount.is_zero());
    own.map(|held| sample::record(Exact::Wide(held.amount))).collect()
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
