//! All holders of all groups, contracts looked through, those left out and entities after that.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use hashbrown::{HashMap, HashSet};
use rayon::prelude::*;
use ruint::aliases::U256;

use super::sieve::Sieve;
use super::{Context, Counted, Ingest};
use crate::columns::owner;
use crate::error::{Error, Result};
use crate::groups::Exact;
use crate::groups::cuts::Cuts;
use crate::groups::look_through::{Book, Through};
use crate::groups::owners::ByOwner;
use crate::groups::route::{Amount, Record};
use crate::groups::schema::convert;
use crate::groups::worker::{Worker, Workers};
use crate::memory::{self, Bounds};
use crate::numbers::wide::{U320, ratio};
use crate::options::Options;
use crate::population;
use crate::spill::Spill;

/// Bytes that a holder takes here: its owner, its balance before and after. Measured on 3·10^6 holders.
pub(super) const OF_HOLDER: u64 = 340;

/// Bytes of what a contract passes on to one of its holders.
const OF_SHARE: u64 = 64;

/// Who holds what once contracts are looked through.
pub(super) struct Looked {
    /// Of each group: amounts above zero, and whether an entity holds them.
    pub(super) holders: Vec<Vec<(U256, bool)>>,
    /// Of each group.
    through: Vec<Through>,
    /// Of each group, what it has in all.
    totals: Vec<U320>,
    /// Groups of which something was cut off.
    cut: Vec<bool>,
    /// Of each group: owners before.
    owners: Vec<u64>,
    /// Of each group: owners of nothing, then and now.
    zeros: Vec<u64>,
    /// Of each group: holders that are left out, and what they hold.
    excluded: Vec<(u64, U320)>,
}

/// Of each snapshot, which owners are groups of it; and which snapshot each group is of.
type Contracts = (Vec<HashMap<u32, usize>>, Vec<usize>);

impl Looked {
    /// What a group's holders hold.
    pub(super) fn sample(&self, group: usize) -> Vec<Amount> {
        self.holders[group].iter().map(|held| Amount::of(held.0, 0)).collect()
    }
}

impl Ingest {
    /// Merges all owners and looks through contracts.
    pub(super) fn looked_through(
        &self,
        by_owner: &ByOwner<'_>,
        counted: &Counted,
        bounds: Bounds,
        options: &Options,
        context: &Context<'_>,
    ) -> Result<Looked> {
        let needed = self.rows() * OF_HOLDER;
        // Nothing else is in memory meanwhile.
        if needed > bounds.owners.saturating_add(bounds.owners / 2) {
            return Err(Error::Memory(format!(
                "--look-through holds all owners in memory, about {}; allow more with --memory-limit, or analyze \
                 fewer snapshots at a time",
                memory::show(needed)
            )));
        }
        let groups = counted.groups.keys.len();
        let (mut book, mut cut) = (Book::new(groups), vec![false; groups]);
        let (mut owners, mut nothing) = (vec![0; groups], vec![vec![]; groups]);
        let excessive = self.each_merged(by_owner, bounds, context, |merged| {
            for merged in merged {
                for (i, held) in merged.holdings.iter().enumerate() {
                    let group = held.group as usize;
                    owners[group] += 1;
                    cut[group] |= !held.whole;
                    let owner = book.number(merged.owner(i));
                    if held.amount.is_zero() {
                        nothing[group].push(owner);
                    } else {
                        book.groups[group].push((owner, held.amount));
                    }
                }
            }
            Ok(())
        })?;
        if !excessive.is_empty() {
            return Err(self.excess(excessive, counted, options, context));
        }
        let (contracts, snapshots) = self.contracts(&book, counted)?;
        // Who is left out has its part of what a contract holds all the same: nobody else gets it.
        let weights = book.weights(&contracts);
        let shares = book.shares(&contracts, &snapshots, &weights);
        let needed = shares.saturating_mul(OF_SHARE);
        if needed > bounds.owners {
            return Err(Error::Memory(format!(
                "--look-through passes balances on to {shares} holders, about {}; allow more with --memory-limit, or \
                 analyze fewer assets at a time",
                memory::show(needed)
            )));
        }
        let sum =
            |holders: &Vec<(u32, U256)>| holders.iter().fold(U320::ZERO, |sum, h| sum + U320::from(h.1));
        let totals = book.groups.par_iter().map(sum).collect();
        let depth = options.look_through.unwrap_or(0);
        let beyond = |group: usize| Error::Group {
            group: self.schema.show(&counted.groups.keys[group]),
            problem: "what one owner holds by way of contracts is beyond 256 bits".into(),
            remedy: "amounts are at most 2^256 − 1; are they amounts, not ids?".into(),
        };
        let interrupted = || (context.interrupted)();
        let through = book.look_through(&contracts, &snapshots, &weights, depth, &interrupted);
        if interrupted() {
            return Err(Error::Interrupted);
        }
        let through = through.map_err(|(group, _)| beyond(group))?;
        let mut excluded = self.leave_out(&mut book);
        let of_groups = std::mem::take(&mut book.groups);
        let counted: Vec<Result<_>> = of_groups
            .into_par_iter()
            .zip(&nothing)
            .enumerate()
            .map(|(group, (holders, nothing))| {
                let held: HashSet<u32> = holders.iter().map(|held| held.0).collect();
                // Who had nothing may have something by now.
                let still = nothing.iter().filter(|owner| !held.contains(*owner));
                let out = |owner: &&u32| self.population.is_excluded(&book.owners[**owner as usize]);
                let (out, zeros): (Vec<&u32>, Vec<&u32>) = still.partition(out);
                let mut of_holders: HashMap<&[u8], U256> = HashMap::with_capacity(holders.len());
                for (number, amount) in holders {
                    let holder = self.population.holder(&book.owners[number as usize]);
                    let own = of_holders.entry(holder).or_default();
                    *own = own.checked_add(amount).ok_or_else(|| beyond(group))?;
                }
                let holders: Vec<(U256, bool)> = of_holders
                    .into_iter()
                    .map(|(holder, amount)| (amount, population::is_entity(holder)))
                    .collect();
                Ok((holders, zeros.len() as u64, out.len() as u64))
            })
            .collect();
        let (mut holders, mut zeros) = (Vec::with_capacity(groups), Vec::with_capacity(groups));
        // The error told is that of the first group.
        for (group, counted) in counted.into_iter().enumerate() {
            let (of_group, of_nothing, out) = counted?;
            holders.push(of_group);
            zeros.push(of_nothing);
            excluded[group].0 += out;
        }
        Ok(Looked { holders, through, totals, cut, owners, zeros, excluded })
    }

    /// Takes out of the book who is left out: how many of each group, and what they hold.
    fn leave_out(&self, book: &mut Book) -> Vec<(u64, U320)> {
        let mut excluded = vec![(0, U320::ZERO); book.groups.len()];
        if !self.population.excludes() {
            return excluded;
        }
        let owners = &book.owners;
        book.groups.par_iter_mut().zip(&mut excluded).for_each(|(holders, (n, sum))| {
            holders.retain(|&(owner, amount)| {
                let out = self.population.is_excluded(&owners[owner as usize]);
                if out {
                    *n += 1;
                    *sum += U320::from(amount);
                }
                !out
            });
        });
        excluded
    }

    /// Of each snapshot, which owners are groups of it; and which snapshot each group is of.
    fn contracts(&self, book: &Book, counted: &Counted) -> Result<Contracts> {
        let assets = self.schema.assets();
        if assets.is_empty() {
            return Err(Error::Usage(
                "--look-through needs groups by asset: a column like token, asset or erc20".into(),
            ));
        }
        let keys = &counted.groups.keys;
        let columns = self.schema.columns_of(keys)?;
        let texts = |column: &ArrayRef| convert(column, &DataType::Utf8);
        let others: Vec<ArrayRef> = columns
            .iter()
            .enumerate()
            .filter(|(column, _)| !assets.contains(column))
            .map(|(_, column)| texts(column))
            .collect::<Result<_>>()?;
        let of_assets = assets.iter().map(|&column| {
            owner::decode(&columns[column]).map_err(Error::arrow("compare assets with owners"))
        });
        let of_assets = of_assets.collect::<Result<Vec<_>>>()?;
        let mut numbers: HashMap<Vec<Option<String>>, usize> = HashMap::new();
        let (mut contracts, mut snapshots) =
            (Vec::<HashMap<u32, usize>>::new(), Vec::with_capacity(keys.len()));
        for (group, key) in keys.iter().enumerate() {
            let text = |column: &ArrayRef| {
                column.is_valid(group).then(|| column.as_string::<i32>().value(group).to_owned())
            };
            let next = numbers.len();
            let snapshot = *numbers.entry(others.iter().map(text).collect()).or_insert(next);
            if snapshot == contracts.len() {
                contracts.push(HashMap::new());
            }
            snapshots.push(snapshot);
            let asset = of_assets.iter().find(|asset| asset.is_valid(group));
            // An asset that owns nothing is looked for by nobody.
            let Some(asset) = asset.and_then(|asset| book.find(asset.value(group))) else { continue };
            if let Some(other) = contracts[snapshot].insert(asset, group) {
                return Err(Error::Group {
                    group: self.schema.show(key),
                    problem: format!("it is the same asset as group {}", self.schema.show(&keys[other])),
                    remedy: "write each asset in one way to look through it".into(),
                });
            }
        }
        Ok((contracts, snapshots))
    }

    /// Sends holders through a sieve once contracts are looked through; the groups' counts become those of holders.
    #[expect(clippy::too_many_arguments, reason = "what is read, by what, and where it goes")]
    pub(super) fn sieve_looked_through<'s>(
        &self,
        by_owner: &ByOwner<'_>,
        counted: &mut Counted,
        by_rank: bool,
        bounds: Bounds,
        spill: &'s Spill,
        options: &Options,
        context: &Context<'_>,
    ) -> Result<(Sieve<'s>, Workers)> {
        let looked = self.looked_through(by_owner, counted, bounds, options, context)?;
        let cuts = Cuts::of(options, &counted.groups, &self.schema)?;
        let groups = &mut counted.groups;
        for group in 0..groups.keys.len() {
            let (counts, (n, sum)) = (&mut groups.counts[group], looked.excluded[group]);
            counts.merged = counts.holders - looked.owners[group];
            counts.zero = looked.zeros[group];
            counts.excluded += n;
            counts.holders = looked.holders[group].len() as u64;
            let Through { contracts, passed } = looked.through[group];
            counts.looked_through = contracts;
            groups.excluded.add_sum(group as u32, groups.units[group], sum);
            if contracts > 0 {
                groups.looked_through.insert(group as u32, ratio(&passed, &looked.totals[group]));
            }
        }
        let sieve = Sieve::new(cuts, counted, by_rank, bounds, spill, |group| looked.sample(group));
        let workers = Workers::default();
        looked.holders.par_iter().enumerate().try_for_each(|(group, holders)| {
            workers.with(0, |Worker { left, .. }| {
                sieve.with(left, |put| {
                    let whole = !looked.cut[group];
                    holders.iter().try_for_each(|&(amount, is_entity)| {
                        put(group as u32, Exact::Wide(amount), whole, is_entity)
                    })
                })
            })
        })?;
        Ok((sieve, workers))
    }
}
