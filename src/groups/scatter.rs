//! Every row's key to its group's part of the column.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::chunk::{Chunk, Held, Ids, Part};
use super::worker::{Slot, Worker, Workers};
use super::{Column, Groups, amount_of, offsets, place_error};
use crate::columns::Values;
use crate::error::Result;
use crate::input::file::InputFile;
use crate::moments::Total;
use crate::numbers::key::{self, Key};
use crate::numbers::unit::key_of_double;

/// The column that is written.
struct Target<'a> {
    groups: &'a Groups,
    /// Each key is written once, by one thread: relaxed stores are a safe parallel scatter.
    keys: Vec<AtomicU64>,
    /// Where each group's next keys go.
    next: Vec<AtomicUsize>,
}

/// Each chunk reserves room in its groups and fills it. Chunks are consumed as they are used up.
pub(super) fn scatter(
    chunks: Vec<Chunk>,
    groups: &Groups,
    mut workers: Workers,
    files: &[InputFile],
) -> Result<Column> {
    let offsets = offsets(groups);
    let target = Target {
        groups,
        keys: bytemuck::zeroed_vec(offsets[groups.keys.len()]),
        next: offsets[..groups.keys.len()].iter().map(|&start| AtomicUsize::new(start)).collect(),
    };
    let done: Vec<Result<()>> = chunks
        .into_par_iter()
        .map(|chunk| workers.with(chunk.file, |worker| target.fill(&chunk, worker, files)))
        .collect();
    // The error told is that of the first chunk.
    done.into_iter().collect::<Result<()>>()?;
    let keys: Vec<Key> = target.keys.into_iter().map(AtomicU64::into_inner).collect();
    let totals = offsets
        .par_windows(2)
        .map(|group| Total { amount: key::sum(&keys[group[0]..group[1]]), exact: true });
    let mut totals: Vec<Total> = totals.collect();
    for worker in workers.all() {
        for (number, left) in worker.left.all() {
            let total = &mut totals[groups.ranks[number as usize] as usize];
            total.amount += left;
            total.exact = false;
        }
    }
    Ok(Column { keys, offsets, totals })
}

impl Target<'_> {
    fn fill(&self, chunk: &Chunk, worker: &mut Worker, files: &[InputFile]) -> Result<()> {
        let Worker { slots, left, .. } = worker;
        slots.resize(self.groups.keys.len(), Slot::default());
        let mut met = Vec::new();
        for part in &chunk.parts {
            let mut count = |id: u32, rows: usize| {
                let slot = &mut slots[id as usize];
                if slot.next == 0 {
                    met.push(id);
                }
                slot.next += rows;
            };
            match &part.ids {
                Ids::All(id) if part.rows > 0 => count(*id, part.rows),
                ids => ids.each(part.rows, |_, id| count(id, 1)),
            }
        }
        for &number in &met {
            let slot = &mut slots[number as usize];
            let group = self.groups.ranks[number as usize] as usize;
            slot.unit = self.groups.units[group].log2();
            slot.next = self.next[group].fetch_add(slot.next, Ordering::Relaxed);
        }
        let filled = chunk.parts.iter().try_for_each(|part| self.fill_part(chunk, part, slots, left, files));
        met.iter().for_each(|&number| slots[number as usize] = Slot::default());
        filled
    }

    fn fill_part(
        &self,
        chunk: &Chunk,
        part: &Part,
        slots: &mut [Slot],
        left: &mut super::worker::Left,
        files: &[InputFile],
    ) -> Result<()> {
        let put = |slot: &mut Slot, key: Key| {
            self.keys[slot.next].store(key, Ordering::Relaxed);
            slot.next += 1;
        };
        let mut by_amount = |row: usize, id: u32, slot: &mut Slot| {
            let unit = self.groups.units[self.groups.ranks[id as usize] as usize];
            let (amount, whole) = amount_of(part.amounts(), row, unit)
                .map_err(|problem| place_error(chunk, part, row, files, problem))?;
            put(slot, left.key(id, amount, whole));
            Ok(())
        };
        match &part.held {
            Held::Keys(keys) => {
                part.ids.each(part.rows, |row, id| put(&mut slots[id as usize], keys[row]));
                Ok(())
            }
            Held::Amounts(amounts) => match &amounts.values {
                Values::Double(values) => part.ids.try_each(part.rows, |row, id| {
                    let slot = &mut slots[id as usize];
                    match key_of_double(values[row], slot.unit) {
                        Some(key) => {
                            put(slot, key);
                            Ok(())
                        }
                        None => by_amount(row, id, slot),
                    }
                }),
                _ => part.ids.try_each(part.rows, |row, id| by_amount(row, id, &mut slots[id as usize])),
            },
        }
    }
}
