//! Every row's key to its group's part of the column.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::chunk::{Chunk, Held, Ids, Part};
use super::worker::{Cursor, Left, Worker, Workers};
use super::{Column, Groups, Rests, amount_of, amount_of_double, place_error};
use crate::error::Result;
use crate::input::file::InputFile;
use crate::moments::Total;
use crate::numbers::key::{self, Key};
use crate::numbers::unit::key_of_double;
use crate::numbers::wide::U320;
use crate::record::Shared;

/// Keys that a thread sums at a time.
const SUMMED: usize = 1 << 16;

/// The column that is written.
struct Target<'a> {
    groups: &'a Groups,
    /// Each key is written once, by one thread: relaxed stores are a safe parallel scatter.
    keys: Vec<AtomicU64>,
    /// What each key leaves out of its amount, where that is wanted.
    rests: Option<Vec<AtomicU64>>,
    /// Where each group's next keys go.
    next: Vec<AtomicUsize>,
}

/// Each chunk reserves room in its groups and fills it. Chunks are consumed as they are used up. What keys leave out of
/// amounts is scattered too where it is wanted, of rows that are not keys yet.
pub fn scatter(
    chunks: Vec<Chunk<'_>>,
    groups: &Groups,
    with_rests: bool,
    mut workers: Workers,
    files: &[InputFile],
) -> Result<Column> {
    let offsets = groups.offsets();
    let holders = offsets[groups.keys.len()];
    let target = Target {
        groups,
        keys: bytemuck::zeroed_vec(holders),
        rests: with_rests.then(|| bytemuck::zeroed_vec(holders)),
        next: offsets[..groups.keys.len()].iter().map(|&start| AtomicUsize::new(start)).collect(),
    };
    let shared = Shared::here();
    let done: Vec<Result<()>> = chunks
        .into_par_iter()
        .map(|chunk| {
            let rows = chunk.parts.iter().map(|part| part.rows).sum();
            let fill = || workers.with(chunk.origin.file, |worker| target.fill(&chunk, worker, files));
            shared.time(rows, fill)
        })
        .collect();
    // The error told is that of the first chunk.
    done.into_iter().collect::<Result<()>>()?;
    let own = |words: Vec<AtomicU64>| words.into_iter().map(AtomicU64::into_inner).collect();
    let (keys, rests): (Vec<Key>, Option<Vec<u64>>) = (own(target.keys), target.rests.map(own));
    let totals = offsets.par_windows(2).map(|group| {
        let parts = keys[group[0]..group[1]]
            .par_chunks(SUMMED)
            .map(|keys| shared.time(keys.len(), || key::sum(keys)));
        Total { amount: parts.reduce(|| U320::ZERO, |a, b| a + b), exact: true }
    });
    let mut totals: Vec<Total> = totals.collect();
    let mut untold = vec![false; groups.keys.len()];
    for worker in workers.all() {
        worker.left.untold().for_each(|number| untold[groups.ranks[number as usize] as usize] = true);
        for (number, left) in worker.left.all() {
            let total = &mut totals[groups.ranks[number as usize] as usize];
            total.amount += left;
            total.exact = false;
        }
    }
    let rests = rests.map(|all| Rests { all, untold });
    Ok(Column { keys, offsets, totals, scratch: vec![], rests })
}

impl Target<'_> {
    fn fill(&self, chunk: &Chunk<'_>, worker: &mut Worker, files: &[InputFile]) -> Result<()> {
        let Worker { cursors, left, .. } = worker;
        cursors.resize(self.groups.keys.len(), Cursor::default());
        let mut met = Vec::new();
        for part in &chunk.parts {
            let mut count = |id: u32, rows: usize| {
                let cursor = &mut cursors[id as usize];
                if cursor.next == 0 {
                    met.push(id);
                }
                cursor.next += rows;
            };
            match &part.ids {
                Ids::All(id) if part.kept > 0 => count(*id, part.kept),
                Ids::All(_) => {}
                ids => ids.each(part.rows, |_, id| count(id, 1)),
            }
        }
        for &number in &met {
            let cursor = &mut cursors[number as usize];
            let group = self.groups.ranks[number as usize] as usize;
            cursor.unit = self.groups.units[group].log2();
            cursor.next = self.next[group].fetch_add(cursor.next, Ordering::Relaxed);
        }
        let filled =
            chunk.parts.iter().try_for_each(|part| self.fill_part(chunk, part, cursors, left, files));
        met.iter().for_each(|&number| cursors[number as usize] = Cursor::default());
        filled
    }

    fn fill_part(
        &self,
        chunk: &Chunk<'_>,
        part: &Part,
        cursors: &mut [Cursor],
        left: &mut Left,
        files: &[InputFile],
    ) -> Result<()> {
        let put = |cursor: &mut Cursor, key: Key| {
            self.keys[cursor.next].store(key, Ordering::Relaxed);
            cursor.next += 1;
        };
        let put_exact = |cursor: &mut Cursor, left: &mut Left, id: u32, (amount, whole)| {
            let key = match &self.rests {
                None => left.key(id, amount, whole),
                Some(rests) => {
                    let (key, rest) = left.key_and_rest(id, amount, whole);
                    rests[cursor.next].store(rest, Ordering::Relaxed);
                    key
                }
            };
            put(cursor, key);
        };
        let unit = |id: u32| self.groups.units[self.groups.ranks[id as usize] as usize];
        let refuse = |row, problem| place_error(&chunk.origin, part, row, files, problem);
        match &part.held {
            Held::Keys(own) => {
                let keys = &chunk.slots[own.clone()];
                part.ids.each(part.rows, |row, id| {
                    if keys[row] != 0 {
                        put(&mut cursors[id as usize], keys[row]);
                    }
                });
                Ok(())
            }
            Held::Doubles(own) => {
                let doubles = &chunk.slots[own.clone()];
                part.ids.try_each(part.rows, |row, id| {
                    let (cursor, double) = (&mut cursors[id as usize], f64::from_bits(doubles[row]));
                    if double == 0.0 {
                        return Ok(());
                    }
                    match key_of_double(double, cursor.unit) {
                        Some(key) => put(cursor, key),
                        None => {
                            let amount = amount_of_double(double, unit(id));
                            put_exact(cursor, left, id, amount.map_err(|problem| refuse(row, problem))?);
                        }
                    }
                    Ok(())
                })
            }
            Held::Amounts(amounts) => part.ids.try_each(part.rows, |row, id| {
                let amount = amount_of(amounts, row, unit(id)).map_err(|problem| refuse(row, problem))?;
                put_exact(&mut cursors[id as usize], left, id, amount);
                Ok(())
            }),
        }
    }
}
