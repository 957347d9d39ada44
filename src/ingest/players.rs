//! Holders with their names: who has how much, in memory.

use std::sync::{Mutex, PoisonError};

use arrow::array::Array;
use rayon::prelude::*;
use ruint::aliases::U256;

use super::passes::{Pass, same_groups};
use super::{Context, Counted, Ingest};
use crate::error::{Error, Result};
use crate::groups::cuts::Cuts;
use crate::groups::worker::Workers;
use crate::groups::{Exact, amount_of, owners, place_error};
use crate::memory::{self, Memory};
use crate::options::{Options, Owners};
use crate::record::Stage;

/// Bytes that a holder takes.
pub const OF_PLAYER: u64 = 160;

/// A holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    /// The owner's bytes, or the entity's; none where the file has no owners.
    pub owner: Option<Box<[u8]>>,
    /// What it has, in the group's unit.
    pub amount: U256,
}

impl Ingest {
    /// The holders of every group, the largest first, equal ones by their owners' bytes.
    pub fn players(
        &self,
        counted: &Counted,
        memory: &Memory,
        options: &Options,
        context: &Context<'_>,
    ) -> Result<Vec<Vec<Player>>> {
        let Counted { groups, tasks, registry, .. } = counted;
        let needed = self.rows().saturating_mul(OF_PLAYER);
        if needed > memory.room(groups.keys.len()) {
            let needed = memory::show(needed);
            return Err(Error::Memory(format!(
                "all holders are held in memory, about {needed}; allow more memory, or read fewer files at a time"
            )));
        }
        let has_owners = self.roles.iter().all(|roles| roles.owner.is_some());
        let named = if has_owners { Owners::Merge } else { Owners::Trust };
        let workers = Workers::default();
        let pass = Pass { tasks, registry, workers: &workers, owners: named, sampler: None, rewards: false };
        let all: Mutex<Vec<(u32, Player)>> = Mutex::default();
        context.progress.start("reading holders", self.rows());
        self.visit(&pass, Stage::Read, options, context, |origin, part, amounts, _| {
            same_groups(registry, groups)?;
            let mut rows = vec![];
            part.ids.try_each(part.rows, |row, number| {
                if amounts.values.is_zero(row) {
                    return Ok(());
                }
                let group = groups.ranks[number as usize];
                let (amount, _) = amount_of(amounts, row, groups.units[group as usize])
                    .map_err(|problem| place_error(origin, part, row, &self.files, problem))?;
                let owner = match &part.owners {
                    Some(owners) if owners.is_null(row) && options.owners != Owners::Trust => {
                        return Err(owners::null_owner(origin, part.first_row + row as u64 + 1, &self.files));
                    }
                    Some(owners) if !owners.is_null(row) => {
                        Some(self.population.holder(owners.value(row)).into())
                    }
                    _ => None,
                };
                rows.push((group, Player { owner, amount: amount.wide() }));
                Ok(())
            })?;
            all.lock().unwrap_or_else(PoisonError::into_inner).append(&mut rows);
            Ok(())
        })?;
        let cuts = Cuts::of(options, groups, &self.schema)?;
        let mut rows = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        rows.par_sort_unstable_by(|a, b| (a.0, &a.1.owner).cmp(&(b.0, &b.1.owner)));
        let mut of_groups: Vec<Vec<Player>> = groups.keys.iter().map(|_| vec![]).collect();
        for (group, row) in rows {
            let own: &mut Vec<Player> = &mut of_groups[group as usize];
            match own.last_mut() {
                Some(last) if options.owners != Owners::Trust && last.owner == row.owner => {
                    if options.owners == Owners::Check {
                        return Err(Error::Group {
                            group: self.schema.show(&groups.keys[group as usize]),
                            problem: format!("{} has several rows", shown(row.owner.as_deref())),
                            remedy: "merge them with --owners merge, or count each row with --owners trust"
                                .into(),
                        });
                    }
                    last.amount = last.amount.checked_add(row.amount).ok_or_else(|| Error::Group {
                        group: self.schema.show(&groups.keys[group as usize]),
                        problem: format!("{} has more than 256 bits hold", shown(row.owner.as_deref())),
                        remedy: "amounts are at most 2^256 − 1; are they amounts, not ids?".into(),
                    })?;
                }
                _ => own.push(row),
            }
        }
        of_groups.par_iter_mut().enumerate().for_each(|(group, players)| {
            players.retain(|player| cuts.keeps(group as u32, Exact::Wide(player.amount)));
            players.sort_by_key(|player| std::cmp::Reverse(player.amount));
        });
        Ok(of_groups)
    }
}

fn shown(owner: Option<&[u8]>) -> String {
    owner.map_or_else(|| "an owner".into(), crate::population::show)
}
