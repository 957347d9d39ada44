//! Rows sent to partitions by their owners, and the partitions merged or checked.

use std::collections::HashMap;
use std::ops::Range;

use arrow::array::Array;
use rayon::prelude::*;
use ruint::aliases::U256;

use super::passes::same_groups;
use super::{Context, Counted, Ingest};
use crate::columns::Amounts;
use crate::error::{Error, Result};
use crate::groups::chunk::{self, Origin, Part as Rows};
use crate::groups::owners::{self, ByOwner, Excessive, Merged, OwnerRouter};
use crate::groups::route::Record;
use crate::groups::sample;
use crate::groups::worker::Known;
use crate::groups::{Exact, Groups, amount_of, place_error};
use crate::memory::Bounds;
use crate::options::{Options, Owners};
use crate::record::{Stage, Volume};
use crate::spill::Spill;

/// Bytes of owners' tables in a partition, where there is room for more: measured on 10^7 rows, a third quicker than
/// tables of 150 MB.
const SMALL: u64 = 16 << 20;

/// Bytes of owners that are written at a time, at least.
const LEAST_LOT: u64 = 4 << 10;

impl Ingest {
    /// Calls `each` with every kept row, its group by rank and its owner.
    pub(super) fn each_owner(
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
                let volume = Volume::new(0, bytes, 0);
                context.recorder.time(Stage::Merge, format!("owners {partition}"), volume, merge)
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
    pub(super) fn check(
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
    pub(super) fn rows_before(&self) -> Vec<u64> {
        let mut rows = 0;
        let before = self.files.iter().map(|file| {
            let before = rows;
            rows += file.rows();
            before
        });
        before.collect()
    }
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

/// What is kept of a group's holders.
pub(super) fn of_holdings<R: Record>(merged: &[Merged], group: usize) -> Vec<R> {
    let all = merged.iter().flat_map(|merged| &merged.holdings);
    let own = all.filter(|held| held.group as usize == group && !held.amount.is_zero());
    own.map(|held| sample::record(Exact::Wide(held.amount))).collect()
}
