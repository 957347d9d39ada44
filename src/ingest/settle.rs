//! What only exact amounts decide: they are read again, for all open groups at once, since a group's rows may lie
//! anywhere.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use ruint::aliases::U256;

use super::by_owner::of_holdings;
use super::passes::{Pass, same_groups};
use super::{Context, Counted, Ingest};
use crate::engine::{Measured, Settling};
use crate::error::{Error, Result};
use crate::groups::chunk::Task;
use crate::groups::owners::{Holding, Merged};
use crate::groups::route::{Amount, Partitions, Record, Routed, Router, amount};
use crate::groups::sample;
use crate::groups::worker::{Distinct, Workers};
use crate::groups::{amount_of, place_error};
use crate::memory::Bounds;
use crate::moments::Total;
use crate::numbers::key::{self, Key};
use crate::options::{Options, Owners};
use crate::record::Stage;
use crate::spill::Spill;

impl Ingest {
    /// Reads the exact amounts of open groups, ascending, again and decides their counts; tells how many bytes went to
    /// disk.
    pub fn settle(
        &self,
        counted: &Counted,
        totals: &[Total],
        open: &mut [(usize, Measured)],
        bounds: Bounds,
        options: &Options,
        context: &Context<'_>,
    ) -> Result<u64> {
        let Counted { groups, tasks, registry, .. } = counted;
        let mut wanted = vec![false; groups.keys.len()];
        // Of each open group, the smallest key: what is below it was cut off.
        let mut least = vec![Key::MAX; groups.keys.len()];
        for (id, measured) in &*open {
            wanted[*id] = true;
            least[*id] = measured.moments.as_ref().map_or(Key::MAX, |moments| moments.sums.first);
        }
        let counts = |group: u32, amount: U256| key::of(amount).0 >= least[group as usize];
        let is_wanted = |&number: &u32| wanted[groups.ranks[number as usize] as usize];
        let has_wanted = |groups: &Distinct| groups.as_ref().is_none_or(|ids| ids.iter().any(is_wanted));
        // Who is looked through may be of any group.
        let all = options.look_through.is_some();
        let again: Vec<Task> = tasks
            .iter()
            .zip(&groups.of_task)
            .filter(|(_, ids)| all || has_wanted(ids))
            .map(|(task, _)| *task)
            .collect();
        let holders: Vec<u64> =
            wanted.iter().zip(counted.holders()).map(|(&wanted, n)| if wanted { n } else { 0 }).collect();
        let spill = Spill::new(options.temp_dir.as_deref(), bounds.buffers);
        context.progress.start("reading ties", again.iter().map(|task| task.rows as u64).sum());
        let partitions = |sample: &dyn Fn(usize) -> Vec<Amount>| {
            // An amount is four times as long as a key, and is sorted where it lies.
            Router::new(Partitions::new(&holders, bounds.keys / 4, sample), &spill, bounds.buffers)
        };
        let workers = Workers::default();
        let owners = if options.owners == Owners::Merge { Owners::Merge } else { Owners::Trust };
        let pass = Pass { tasks: &again, registry, workers: &workers, owners, sampler: None, rewards: false };
        // Of those who are left: who is cut off does not come.
        let left = |group: usize, sample: Vec<Amount>| -> Vec<Amount> {
            sample.into_iter().filter(|&record| counts(group as u32, amount(record))).collect()
        };
        let routed = if owners == Owners::Merge {
            let by_owner = self.owner_router(bounds, &spill);
            self.visit(&pass, Stage::Ties, options, context, |origin, part, amounts, _| {
                same_groups(registry, groups)?;
                let wanted = |group: u32| all || wanted[group as usize];
                self.send_owners(&by_owner, groups, wanted, origin, part, amounts)
            })?;
            let by_owner = by_owner.finish()?;
            if all {
                let looked = self.looked_through(&by_owner, counted, bounds, options, context)?;
                let router = partitions(&|group| left(group, looked.sample(group)));
                looked.holders.par_iter().enumerate().filter(|(group, _)| wanted[*group]).try_for_each(
                    |(group, holders)| {
                        router.with(|buffers| {
                            let group = group as u32;
                            let mut held = holders.iter().filter(|held| counts(group, held.0));
                            held.try_for_each(|held| router.send(buffers, group, Amount::of(held.0, 0)))
                        })
                    },
                )?;
                router.finish()?
            } else {
                let mut router = None;
                let excessive = self.each_merged(&by_owner, bounds, context, |merged| {
                    let router = router
                        .get_or_insert_with(|| partitions(&|group| left(group, of_holdings(merged, group))));
                    merged.par_iter().try_for_each(|merged: &Merged| {
                        router.with(|buffers| {
                            let held =
                                |held: &&Holding| !held.amount.is_zero() && counts(held.group, held.amount);
                            let mut held = merged.holdings.iter().filter(held);
                            held.try_for_each(|held| {
                                router.send(buffers, held.group, Amount::of(held.amount, 0))
                            })
                        })
                    })
                })?;
                if !excessive.is_empty() {
                    return Err(Error::changed("of an owner with too much".into()));
                }
                router.unwrap_or_else(|| partitions(&|_| vec![])).finish()?
            }
        } else {
            let router = partitions(&|group| left(group, counted.sample(group)));
            self.visit(&pass, Stage::Ties, options, context, |origin, part, amounts, _| {
                same_groups(registry, groups)?;
                router.with(|buffers| {
                    part.ids.try_each(part.rows, |row, number| {
                        let group = groups.ranks[number as usize];
                        if !wanted[group as usize] || amounts.values.is_zero(row) {
                            return Ok(());
                        }
                        // What was an amount when it was read first is none any more.
                        let (amount, _) = amount_of(amounts, row, groups.units[group as usize])
                            .map_err(|problem| place_error(origin, part, row, &self.files, problem))?;
                        if !counts(group, amount.wide()) {
                            return Ok(());
                        }
                        router.send(buffers, group, sample::record(amount))
                    })
                })
            })?;
            router.finish()?
        };
        self.decide(&routed, counted, totals, open, context)?;
        Ok(spill.bytes())
    }

    /// Decides open groups, partition by partition from the last: within a group from its largest amounts on.
    fn decide(
        &self,
        routed: &Routed<'_, Amount>,
        counted: &Counted,
        totals: &[Total],
        open: &mut [(usize, Measured)],
        context: &Context<'_>,
    ) -> Result<()> {
        let mut ranges: Option<(usize, Settling<'_>)> = None;
        let mut open = open.iter_mut().rev().peekable();
        let check = |id: usize, settling: Settling<'_>| {
            if settling.finish() == totals[id].amount {
                Ok(())
            } else {
                Err(Error::changed(self.schema.show(&counted.groups.keys[id])))
            }
        };
        for (at, partition) in routed.partitions.iter().enumerate().rev() {
            if (context.interrupted)() {
                return Err(Error::Interrupted);
            }
            if partition.is_range {
                let group = partition.groups.start;
                if ranges.as_ref().is_none_or(|(id, _)| *id != group) {
                    if let Some((id, settling)) = ranges.take() {
                        check(id, settling)?;
                    }
                    let next = open.next_if(|(id, _)| *id == group);
                    ranges = next.map(|(id, measured)| (*id, Settling::new(measured)));
                }
                let mut amounts: Vec<Amount> = vec![[0; 4]; routed.records(at)];
                routed.read_range(at, &mut amounts)?;
                if let Some((_, settling)) = &mut ranges {
                    settling.take(&mut amounts.into_iter().map(amount).collect::<Vec<U256>>());
                }
                continue;
            }
            let of_groups: Mutex<HashMap<u32, Vec<U256>>> = Mutex::default();
            routed.each_block(at, |records, groups| {
                let mut of_groups = of_groups.lock().unwrap_or_else(PoisonError::into_inner);
                for (&record, &group) in records.iter().zip(groups) {
                    let holders = counted.groups.counts[group as usize].holders as usize;
                    let own = of_groups.entry(group).or_insert_with(|| Vec::with_capacity(holders));
                    own.push(amount(record));
                }
            })?;
            let mut of_groups = of_groups.into_inner().unwrap_or_else(PoisonError::into_inner);
            while let Some((id, measured)) = open.next_if(|(id, _)| partition.groups.contains(id)) {
                let mut settling = Settling::new(measured);
                settling.take(&mut of_groups.remove(&(*id as u32)).unwrap_or_default());
                check(*id, settling)?;
            }
        }
        ranges.map_or(Ok(()), |(id, settling)| check(id, settling))
    }
}
