//! Looking through: where an owner in one group is itself an asset of the same snapshot, whose holders are another group,
//! its balance is passed on to those holders, in proportion to what they hold of it.
//!
//! All contracts at once in each round, with the balances of the snapshot as weights throughout, so that cycles and
//! contracts that hold themselves are no special cases. In integers: each holder gets the floor, the units that are left
//! go one each to the largest fractions, ties by the owner's bytes. What contracts still have after the last round stays
//! with them. Every total is conserved to the unit.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use rayon::prelude::*;
use ruint::aliases::U256;

use crate::numbers::wide::{U320, U576};

/// The holders of all groups, their owners as numbers.
#[derive(Debug, Default)]
pub struct Book {
    numbers: HashMap<Box<[u8]>, u32>,
    /// Of each number.
    pub owners: Vec<Box<[u8]>>,
    /// Of each group, in no order, each owner once.
    pub groups: Vec<Vec<(u32, U256)>>,
}

/// What became of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Through {
    /// Owners that were looked through.
    pub contracts: u64,
    /// What they had and do not have any more.
    pub passed: U320,
}

/// A holder of more than 256 bits hold: the group, and the owner's number.
pub type Excess = (usize, u32);

impl Book {
    /// For so many groups.
    pub fn new(groups: usize) -> Self {
        Self { groups: vec![vec![]; groups], ..Self::default() }
    }

    /// The number of an owner.
    pub fn number(&mut self, owner: &[u8]) -> u32 {
        if let Some(&number) = self.numbers.get(owner) {
            return number;
        }
        let next = self.owners.len() as u32;
        self.numbers.insert(owner.into(), next);
        self.owners.push(owner.into());
        next
    }

    /// The number of an owner, if it has any.
    pub fn find(&self, owner: &[u8]) -> Option<u32> {
        self.numbers.get(owner).copied()
    }

    /// What is held of each contract's token: the weights by which its balances are passed on.
    pub fn weights(&self, contracts: &[HashMap<u32, usize>]) -> HashMap<usize, Weights> {
        let wanted: BTreeSet<usize> = contracts.iter().flat_map(HashMap::values).copied().collect();
        let of = |group: usize| (group, Weights::of(&self.groups[group], &self.owners));
        wanted.into_par_iter().map(of).collect::<Vec<_>>().into_iter().collect()
    }

    /// To how many holders a first round passes balances on.
    pub fn shares(
        &self,
        contracts: &[HashMap<u32, usize>],
        snapshots: &[usize],
        weights: &HashMap<usize, Weights>,
    ) -> u64 {
        let of_group = |(group, holders): (usize, &Vec<(u32, U256)>)| -> u64 {
            let contracts = &contracts[snapshots[group]];
            let shares = holders.iter().filter_map(|(owner, amount)| {
                let holders = weights[contracts.get(owner)?].of.len() as u64;
                // Nobody gets less than a unit.
                Some(u64::try_from(*amount).map_or(holders, |units| units.min(holders)))
            });
            shares.sum()
        };
        self.groups.par_iter().enumerate().map(of_group).sum()
    }

    /// Passes balances on, in so many rounds at most; `contracts` says of each snapshot which owners are groups of it, and
    /// `snapshots` which snapshot each group is of.
    pub fn look_through(
        &mut self,
        contracts: &[HashMap<u32, usize>],
        snapshots: &[usize],
        weights: &HashMap<usize, Weights>,
        depth: u32,
        interrupted: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Through>, Excess> {
        let pass = |(group, holders): (usize, &mut Vec<(u32, U256)>)| {
            let mut through = Through::default();
            let contracts = &contracts[snapshots[group]];
            let contract = |owner: u32| {
                let weights = &weights[contracts.get(&owner)?];
                (!weights.total.is_zero()).then_some(weights)
            };
            let mut seen = BTreeSet::new();
            let mut balances: HashMap<u32, U256> = holders.drain(..).collect();
            let in_contracts = |balances: &HashMap<u32, U256>| {
                let held = balances.iter().filter(|(owner, _)| contract(**owner).is_some());
                held.fold(U320::ZERO, |sum, (_, &amount)| sum + U320::from(amount))
            };
            let before = in_contracts(&balances);
            for _ in 0..depth {
                let passing: Vec<(u32, U256)> = balances
                    .iter()
                    .filter(|(owner, amount)| !amount.is_zero() && contract(**owner).is_some())
                    .map(|(&owner, &amount)| (owner, amount))
                    .collect();
                if passing.is_empty() {
                    break;
                }
                for (owner, _) in &passing {
                    balances.insert(*owner, U256::ZERO);
                    seen.insert(*owner);
                }
                for (owner, amount) in passing {
                    if interrupted() {
                        return Ok(through);
                    }
                    let weights = contract(owner).expect("it was one just now");
                    for (&(holder, _), share) in weights.of.iter().zip(weights.shares(amount)) {
                        if !share.is_zero() {
                            let balance = balances.entry(holder).or_default();
                            *balance = balance.checked_add(share).ok_or((group, holder))?;
                        }
                    }
                }
            }
            through.contracts = seen.len() as u64;
            through.passed = before - in_contracts(&balances);
            // Who passed everything on is no holder any more, and who got nothing never was one.
            holders.extend(balances.into_iter().filter(|(_, amount)| !amount.is_zero()));
            Ok(through)
        };
        let passed: Vec<Result<Through, Excess>> = self.groups.par_iter_mut().enumerate().map(pass).collect();
        // The error told is that of the first group.
        passed.into_iter().collect()
    }
}

/// What the holders of a contract's token hold.
#[derive(Debug)]
pub struct Weights {
    /// By the owners' bytes.
    of: Vec<(u32, U256)>,
    total: U320,
}

impl Weights {
    fn of(holders: &[(u32, U256)], owners: &[Box<[u8]>]) -> Self {
        let mut of: Vec<(u32, U256)> = holders.iter().filter(|held| !held.1.is_zero()).copied().collect();
        of.sort_unstable_by(|a, b| owners[a.0 as usize].cmp(&owners[b.0 as usize]));
        let total = of.iter().fold(U320::ZERO, |sum, &(_, amount)| sum + U320::from(amount));
        Self { of, total }
    }

    /// An amount shared out, by the largest remainders.
    fn shares(&self, amount: U256) -> Vec<U256> {
        let total = U576::from(self.total);
        let mut fractions: Vec<(U576, usize)> = Vec::with_capacity(self.of.len());
        let mut shares: Vec<U256> = Vec::with_capacity(self.of.len());
        let mut left = amount;
        for (i, &(_, weight)) in self.of.iter().enumerate() {
            let (share, fraction) = (U576::from(amount) * U576::from(weight)).div_rem(total);
            let share = U256::from_limbs_slice(&share.as_limbs()[..4]);
            left -= share;
            shares.push(share);
            fractions.push((fraction, i));
        }
        // There are fewer units left than holders.
        let units = usize::try_from(left).unwrap_or(0).min(fractions.len());
        if units > 0 {
            let larger = |a: &(U576, usize), b: &(U576, usize)| b.0.cmp(&a.0).then(a.1.cmp(&b.1));
            if units < fractions.len() {
                fractions.select_nth_unstable_by(units, larger);
            }
            fractions[..units].iter().for_each(|&(_, i)| shares[i] += U256::from(1u8));
        }
        shares
    }
}
