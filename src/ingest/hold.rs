//! Rows that are read once and counted in many ways, and their holders in the order of what they hold.

use std::mem::take;
use std::sync::Arc;

use arrow::array::RecordBatch;
use rayon::prelude::*;
use ruint::aliases::U256;

use super::{Context, Counted, Ingest, in_order, recorded};
use crate::error::{Error, Result};
use crate::groups::Column;
use crate::groups::chunk::{self, Reading};
use crate::groups::registry::Registry;
use crate::groups::route::Held;
use crate::memory::Bounds;
use crate::moments::Total;
use crate::numbers::key::{self, Key};
use crate::numbers::wide::U320;
use crate::options::{Options, Owners};
use crate::population::Population;
use crate::record::Stage;
use crate::spill::Spill;

/// All holders of all groups.
pub struct Hold {
    /// Their groups.
    pub counted: Counted,
    /// Their keys.
    pub column: Column,
    /// Of each group: its holders by rank where keys do not tell all of them, else none.
    pub ranked: Vec<Ranked>,
}

/// The holders of a group, the largest first.
#[derive(Debug, Default)]
pub struct Ranked {
    held: Vec<Held>,
    /// At every so many holders, all of them so far.
    marks: Vec<Largest>,
}

/// Some of the largest holders of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Largest {
    /// What they hold.
    pub amount: U320,
    /// How many are entities.
    pub entities: u64,
    /// How many have a key that is not all of what they hold.
    pub inexact: u64,
}

/// Holders from one mark to the next.
const STEP: usize = 1 << 10;

impl Ingest {
    /// Reads the columns that any of the options need, once: from now on all rows come from memory.
    pub fn load(&mut self, options: &Options, context: &Context<'_>) -> Result<()> {
        let tasks = self.tasks();
        context.progress.start("loading", self.rows());
        let registry = Registry::new(usize::MAX);
        let needs_owners = options.owners != Owners::Trust || !options.exclude.is_empty();
        let owners = if needs_owners { Owners::Merge } else { Owners::Trust };
        let reading = Reading { prices: true, ..self.reading(&registry, owners, options, context) };
        let roots: Vec<Vec<usize>> =
            (0..self.files.len()).map(|file| chunk::projection(&reading, file)).collect();
        let read = in_order(tasks.par_iter(), |task| {
            recorded(&reading, task, Stage::Read, context, || {
                let Some(row_group) = task.row_group else { return Ok(vec![]) };
                let batches = reading.files[task.file].read(row_group, &roots[task.file])?;
                let uninterrupted =
                    |batch| if (context.interrupted)() { Err(Error::Interrupted) } else { batch };
                batches.map(uninterrupted).collect::<Result<Vec<RecordBatch>>>()
            })
        })?;
        let mut of_files: Vec<Vec<Vec<RecordBatch>>> = self.files.iter().map(|_| vec![]).collect();
        tasks.iter().zip(read).for_each(|(task, batches)| of_files[task.file].push(batches));
        for ((file, roots), batches) in self.files.iter_mut().zip(roots).zip(of_files) {
            file.keep(roots, batches);
        }
        Ok(())
    }

    /// Counts another population from now on.
    pub fn count_by(&mut self, options: &Options) -> Result<()> {
        self.population = Arc::new(Population::load(options)?);
        self.looks_through = options.look_through.is_some();
        Ok(())
    }

    /// Reads all holders, none cut off.
    pub fn hold(&self, options: &Options, context: &Context<'_>) -> Result<Hold> {
        let spill = Spill::new(None, u64::MAX);
        if options.owners == Owners::Trust {
            let (mut counted, column) = self.gather(usize::MAX, options, context)?;
            let wanted = |group: u32| !column.totals[group as usize].exact;
            let groups = counted.groups.keys.len();
            if !(0..groups as u32).any(wanted) {
                let ranked = (0..groups).map(|_| Ranked::default()).collect();
                return Ok(Hold { counted, column, ranked });
            }
            let bounds = Bounds::NONE;
            let (sieve, _) = self.sieve(&mut counted, true, &wanted, bounds, &spill, options, context)?;
            let ranked = sieve.ranked(groups)?.into_par_iter().map(Ranked::new).collect();
            return Ok(Hold { counted, column, ranked });
        }
        let mut counted = self.count(usize::MAX, options, context)?;
        let (sieve, _) = self.sieve(&mut counted, true, &|_| true, Bounds::NONE, &spill, options, context)?;
        let ranked = sieve.ranked(counted.groups.keys.len())?;
        let ranked: Vec<Ranked> = ranked.into_par_iter().map(Ranked::new).collect();
        let offsets = counted.groups.offsets();
        let mut keys: Vec<Key> = vec![0; offsets[offsets.len() - 1]];
        let (mut rest, mut of_groups) = (&mut keys[..], Vec::with_capacity(ranked.len()));
        for (group, ranked) in offsets.windows(2).zip(&ranked) {
            let (own, tail) = take(&mut rest).split_at_mut(group[1] - group[0]);
            of_groups.push((own, ranked));
            rest = tail;
        }
        of_groups.into_par_iter().for_each(|(keys, ranked)| {
            let pairs = keys.par_iter_mut().zip(ranked.held.par_iter().rev());
            pairs.for_each(|(key, held)| *key = key::of(held.amount()).0);
        });
        let total = |ranked: &Ranked| ranked.largest(ranked.held.len() as u64).total();
        let totals = ranked.iter().map(total).collect();
        Ok(Hold { counted, column: Column { keys, offsets, totals, scratch: vec![] }, ranked })
    }
}

impl Ranked {
    fn new(held: Vec<Held>) -> Self {
        let mut all = Largest::default();
        let mut marks = vec![all];
        for lot in held.chunks(STEP) {
            lot.iter().for_each(|held| all.add(*held));
            marks.push(all);
        }
        Self { held, marks }
    }

    /// Whether keys tell all of these holders.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// How many hold at least this.
    pub fn at_least(&self, least: U256) -> u64 {
        self.held.partition_point(|held| held.amount() >= least) as u64
    }

    /// The so many largest.
    pub fn largest(&self, n: u64) -> Largest {
        let n = n as usize;
        let mut all = self.marks.get(n / STEP).copied().unwrap_or_default();
        self.held[n / STEP * STEP..n].iter().for_each(|held| all.add(*held));
        all
    }

    /// What the so many largest hold each, the largest first.
    pub fn amounts(&self, n: u64) -> Vec<U256> {
        self.held[..n as usize].iter().map(|held| held.amount()).collect()
    }
}

impl Largest {
    fn add(&mut self, held: Held) {
        let (_, exact) = key::of(held.amount());
        self.amount += U320::from(held.amount());
        self.entities += u64::from(held.is_entity());
        self.inexact += u64::from(!exact || !held.is_whole());
    }

    /// Their total.
    pub fn total(&self) -> Total {
        Total { amount: self.amount, exact: self.inexact == 0 }
    }
}
