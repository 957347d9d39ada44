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
    holders: Holders,
    /// At every so many holders, all of them so far.
    marks: Vec<Largest>,
}

#[derive(Debug)]
enum Holders {
    Records(Vec<Held>),
    /// Nobody is an entity, and nothing was cut off: keys, and below them what they leave out.
    Pairs(Vec<u128>),
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
        let read = in_order(tasks.par_iter(), None, |task| {
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
    pub fn count_by(&mut self, population: Population, options: &Options) {
        self.population = Arc::new(population);
        self.looks_through = options.look_through.is_some();
    }

    /// Reads all holders, none cut off.
    pub fn hold(&self, options: &Options, context: &Context<'_>) -> Result<Hold> {
        let spill = Spill::new(None, u64::MAX);
        if options.owners == Owners::Trust {
            let (mut counted, mut column) = self.gather_rows(usize::MAX, true, options, context)?;
            let rests = column.rests.take().expect("rests were wished for");
            let groups = counted.groups.keys.len();
            let mut ranked: Vec<Ranked> = (0..groups)
                .into_par_iter()
                .map(|group| {
                    if column.totals[group].exact || rests.untold[group] {
                        return Ranked::default();
                    }
                    let own = column.offsets[group]..column.offsets[group + 1];
                    let pairs = column.keys[own.clone()].par_iter().zip(&rests.all[own]);
                    let mut pairs: Vec<u128> =
                        pairs.map(|(&key, &rest)| u128::from(key) << 64 | u128::from(rest)).collect();
                    pairs.par_sort_unstable_by(|a, b| b.cmp(a));
                    Ranked::new(Holders::Pairs(pairs))
                })
                .collect();
            if rests.untold.contains(&true) {
                let (wanted, none) = (|group: u32| rests.untold[group as usize], Bounds::NONE);
                let (sieve, _) = self.sieve(&mut counted, true, &wanted, none, &spill, options, context)?;
                for (group, held) in sieve.held(groups)?.into_iter().enumerate() {
                    if !rests.untold[group] {
                        continue;
                    }
                    ranked[group] = Ranked::of(held);
                    let n = ranked[group].holders.len() as u64;
                    if ranked[group].largest(n).amount != column.totals[group].amount {
                        return Err(Error::changed(self.schema.show(&counted.groups.keys[group])));
                    }
                }
            }
            return Ok(Hold { counted, column, ranked });
        }
        let mut counted = self.count(usize::MAX, options, context)?;
        let (sieve, _) = self.sieve(&mut counted, true, &|_| true, Bounds::NONE, &spill, options, context)?;
        let held = sieve.held(counted.groups.keys.len())?;
        let ranked: Vec<Ranked> = held.into_par_iter().map(Ranked::of).collect();
        let offsets = counted.groups.offsets();
        let mut keys: Vec<Key> = vec![0; offsets[offsets.len() - 1]];
        let (mut rest, mut of_groups) = (&mut keys[..], Vec::with_capacity(ranked.len()));
        for (group, ranked) in offsets.windows(2).zip(&ranked) {
            let (own, tail) = take(&mut rest).split_at_mut(group[1] - group[0]);
            of_groups.push((own, ranked));
            rest = tail;
        }
        of_groups.into_par_iter().for_each(|(keys, ranked)| {
            let of_holder = |(at, key): (usize, &mut Key)| *key = key::of(ranked.holders.at(at).amount).0;
            keys.par_iter_mut().enumerate().for_each(of_holder);
        });
        let total = |ranked: &Ranked| ranked.largest(ranked.holders.len() as u64).total();
        let totals = ranked.iter().map(total).collect();
        let column = Column { keys, offsets, totals, scratch: vec![], rests: None };
        Ok(Hold { counted, column, ranked })
    }
}

/// One of a group's holders.
struct Holder {
    amount: U256,
    is_entity: bool,
    is_exact: bool,
}

impl Default for Holders {
    fn default() -> Self {
        Self::Pairs(vec![])
    }
}

impl Holders {
    fn len(&self) -> usize {
        match self {
            Self::Records(held) => held.len(),
            Self::Pairs(pairs) => pairs.len(),
        }
    }

    fn at(&self, rank: usize) -> Holder {
        match self {
            Self::Records(held) => {
                let (held, amount) = (held[rank], held[rank].amount());
                let is_exact = held.is_whole() && key::of(amount).1;
                Holder { amount, is_entity: held.is_entity(), is_exact }
            }
            Self::Pairs(pairs) => {
                let (key, rest) = ((pairs[rank] >> 64) as Key, pairs[rank] as u64);
                let amount = key::value(key) + U256::from(rest);
                Holder { amount, is_entity: false, is_exact: rest == 0 }
            }
        }
    }
}

impl Ranked {
    /// Of holders in no order.
    fn of(mut held: Vec<Held>) -> Self {
        // Mostly a key and a word beside it say all, and are sorted in half the time.
        let pair = |held: &Held| {
            let (key, _) = key::of(held.amount());
            let rest = u64::try_from(held.amount() - key::value(key)).ok()?;
            (held.is_whole() && !held.is_entity()).then(|| u128::from(key) << 64 | u128::from(rest))
        };
        if let Some(mut pairs) = held.par_iter().map(pair).collect::<Option<Vec<u128>>>() {
            drop(held);
            pairs.par_sort_unstable_by(|a, b| b.cmp(a));
            return Self::new(Holders::Pairs(pairs));
        }
        held.par_sort_unstable_by(|a, b| b.cmp(a));
        Self::new(Holders::Records(held))
    }

    fn new(holders: Holders) -> Self {
        let n = holders.len();
        let lots: Vec<Largest> = (0..n.div_ceil(STEP))
            .into_par_iter()
            .map(|lot| {
                let mut largest = Largest::default();
                (lot * STEP..n.min((lot + 1) * STEP)).for_each(|rank| largest.add(&holders.at(rank)));
                largest
            })
            .collect();
        let mut all = Largest::default();
        let marks = std::iter::once(all).chain(lots.iter().map(|lot| {
            all = all.and(lot);
            all
        }));
        let marks = marks.collect();
        Self { holders, marks }
    }

    /// Whether keys tell all of these holders.
    pub fn is_empty(&self) -> bool {
        self.holders.len() == 0
    }

    /// How many hold at least this.
    pub fn at_least(&self, least: U256) -> u64 {
        let (mut low, mut high) = (0, self.holders.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.holders.at(middle).amount >= least { low = middle + 1 } else { high = middle }
        }
        low as u64
    }

    /// The so many largest.
    pub fn largest(&self, n: u64) -> Largest {
        let n = n as usize;
        let mut all = self.marks.get(n / STEP).copied().unwrap_or_default();
        (n / STEP * STEP..n).for_each(|rank| all.add(&self.holders.at(rank)));
        all
    }

    /// What the so many largest hold each, the largest first.
    pub fn amounts(&self, n: u64) -> Vec<U256> {
        (0..n as usize).map(|rank| self.holders.at(rank).amount).collect()
    }
}

impl Largest {
    fn add(&mut self, holder: &Holder) {
        self.amount += U320::from(holder.amount);
        self.entities += u64::from(holder.is_entity);
        self.inexact += u64::from(!holder.is_exact);
    }

    fn and(self, other: &Self) -> Self {
        Self {
            amount: self.amount + other.amount,
            entities: self.entities + other.entities,
            inexact: self.inexact + other.inexact,
        }
    }

    /// Their total.
    pub fn total(&self) -> Total {
        Total { amount: self.amount, exact: self.inexact == 0 }
    }
}
