//! Rows to groups: dense ids, each group's unit and total, and its keys side by side.

use std::collections::HashMap;

use rayon::prelude::*;
use ruint::aliases::U256;

use crate::columns::{Amounts, Values};
use crate::error::{Error, Place, Result};
use crate::input::file::InputFile;
use crate::moments::Total;
use crate::numbers::key::{self, Key};
use crate::numbers::unit::{Span, Unit, key_of_double, of_double, power_of_ten};
use crate::numbers::wide::U320;
use crate::options::Owners;

pub mod chunk;
mod codes;
pub mod merge;
pub mod schema;

use chunk::{Chunk, DROPPED, Part};

/// How many rows of a group went where, in the words of the result's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All rows.
    pub rows: u64,
    /// Null amounts.
    pub null: u64,
    /// Negative amounts, dropped.
    pub negative: u64,
    /// Rows that vanished into another of the same owner.
    pub merged: u64,
    /// Holders of nothing.
    pub zero: u64,
    /// What is left.
    pub holders: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.null += other.null;
        self.negative += other.negative;
        self.merged += other.merged;
        self.zero += other.zero;
        self.holders += other.holders;
    }
}

/// All groups, in the order of their keys.
#[derive(Debug)]
pub struct Groups {
    /// Row-encoded keys, ascending.
    pub keys: Vec<Box<[u8]>>,
    /// Of each group.
    pub counts: Vec<Counts>,
    /// Of each group.
    pub units: Vec<Unit>,
    /// For each task, the global id of each of its local groups.
    pub of_task: Vec<Vec<u32>>,
    /// Groups of doubles with bits below their unit.
    pub cut: Vec<u32>,
}

/// Gives every local group of the chunks its global id, by the order of keys, so that neither tasks nor their order
/// show.
pub fn unite(chunks: &[Chunk], schema: &schema::GroupSchema) -> Result<Groups> {
    let mut keys: Vec<&[u8]> = chunks.iter().flat_map(|c| c.groups.keys().map(|key| &**key)).collect();
    keys.par_sort_unstable();
    keys.dedup();
    let ids: HashMap<&[u8], u32> = keys.iter().enumerate().map(|(id, &key)| (key, id as u32)).collect();
    let mut counts = vec![Counts::default(); keys.len()];
    let mut spans = vec![Span::default(); keys.len()];
    let of_task = chunks
        .iter()
        .map(|chunk| {
            let global: Vec<u32> = chunk.groups.keys().map(|key| ids[&**key]).collect();
            for (local, &id) in global.iter().enumerate() {
                counts[id as usize].add(&chunk.groups.counts[local]);
                spans[id as usize].merge(chunk.groups.spans[local]);
            }
            global
        })
        .collect();
    let units = spans.iter().enumerate().map(|(id, span)| {
        span.unit().ok_or_else(|| Error::Group {
            group: schema.show(keys[id]),
            problem: "its rows are doubles in one file and exact amounts in another, which share no unit"
                .into(),
            remedy: "choose columns of one kind with --amount, or keep the files apart".into(),
        })
    });
    let units = units.collect::<Result<Vec<_>>>()?;
    let below = |id: &u32| spans[*id as usize].bits.is_some_and(|(low, _)| low < units[*id as usize].log2());
    let cut = (0..units.len() as u32).filter(below).collect();
    // The widths of sums are made for as many.
    if let Some(id) = counts.iter().position(|counts| counts.holders > 1 << 32) {
        return Err(Error::Group {
            group: schema.show(keys[id]),
            problem: "it has more than 2^32 holders".into(),
            remedy: "split it".into(),
        });
    }
    Ok(Groups { keys: keys.into_iter().map(Box::from).collect(), counts, units, of_task, cut })
}

/// An exact amount in its group's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exact {
    /// Below 2^128.
    Narrow(u128),
    /// Any.
    Wide(U256),
}

impl Exact {
    /// As 256 bits.
    pub fn wide(self) -> U256 {
        match self {
            Self::Narrow(a) => U256::from(a),
            Self::Wide(a) => a,
        }
    }

    fn key(self) -> (Key, bool) {
        match self {
            Self::Narrow(a) => key::of_u128(a),
            Self::Wide(a) => key::of(a),
        }
    }
}

/// A row's amount in its group's unit and whether nothing was cut off, or what is wrong with it.
#[inline]
pub fn amount_of(amounts: &Amounts, row: usize, unit: Unit) -> Result<(Exact, bool), &'static str> {
    let narrow = |a: u128, scale: u8| {
        let Unit::Decimal(decimals) = unit else { return Ok((Exact::Narrow(a), true)) };
        if a == 0 || scale == decimals {
            return Ok((Exact::Narrow(a), true));
        }
        scaled(U256::from(a), decimals - scale).map(|a| (Exact::Wide(a), true))
    };
    match &amounts.values {
        Values::Short(values) => narrow(u128::from(values[row]), amounts.scales.at(row)),
        Values::Narrow(values) => narrow(values[row], amounts.scales.at(row)),
        Values::Wide(values) => match unit {
            Unit::Decimal(decimals) if !values[row].is_zero() => {
                scaled(values[row], decimals - amounts.scales.at(row)).map(|a| (Exact::Wide(a), true))
            }
            _ => Ok((Exact::Wide(values[row]), true)),
        },
        Values::Double(values) => {
            let d = values[row];
            if d == 0.0 {
                return Ok((Exact::Narrow(0), true));
            }
            let (a, exact) = of_double(d, unit.log2());
            if a.is_zero() {
                return Err("the double is more than 2^255 times smaller than the group's largest amount");
            }
            Ok((Exact::Wide(a), exact))
        }
    }
}

fn scaled(a: U256, decimals: u8) -> Result<U256, &'static str> {
    let scaled = power_of_ten(decimals).and_then(|power| a.checked_mul(power));
    scaled.ok_or("the amount is beyond 256 bits at the number of decimals that its group needs")
}

/// The keys of all groups side by side, and their exact totals.
#[derive(Debug)]
pub struct Column {
    /// Keys of the holders, in any order within a group.
    pub keys: Vec<Key>,
    /// Where each group starts, and the end.
    pub offsets: Vec<usize>,
    /// Of each group.
    pub totals: Vec<Total>,
}

/// Brings all amounts into their groups. Chunks are consumed as they are used up.
pub fn gather(
    mut chunks: Vec<Chunk>,
    groups: &mut Groups,
    owners: Owners,
    files: &[InputFile],
) -> Result<Column> {
    match owners {
        Owners::Trust => scatter(chunks, groups, files),
        Owners::Check => {
            merge::check(&chunks, groups, files)?;
            merge::drop_zeros(groups, &mut chunks);
            scatter(chunks, groups, files)
        }
        Owners::Merge => {
            let merged = merge::merge(&chunks, groups, files, |_| true)?;
            drop(chunks);
            Ok(merge::column(merged, groups))
        }
    }
}

/// A chunk's keys side by side, group by group in the order of global ids.
struct Grouped {
    keys: Vec<Key>,
    /// Local groups in that order, and where each one's keys start, and the end.
    order: Vec<u32>,
    offsets: Vec<usize>,
    /// Of each group in that order.
    totals: Vec<Total>,
}

/// Groups each chunk's rows, then brings each group's keys together: both in long runs, for memory in random order is
/// what would take the time.
fn scatter(chunks: Vec<Chunk>, groups: &Groups, files: &[InputFile]) -> Result<Column> {
    let grouped: Vec<Result<Grouped>> = chunks
        .into_par_iter()
        .zip(&groups.of_task)
        .map(|(chunk, global)| group(&chunk, global, groups, files))
        .collect();
    // The error told is that of the first chunk.
    let mut grouped = grouped.into_iter().collect::<Result<Vec<Grouped>>>()?;
    let mut totals = vec![Total { amount: U320::ZERO, exact: true }; groups.keys.len()];
    let mut runs: Vec<(u32, u32, u32)> = Vec::new();
    for (c, (chunk, global)) in grouped.iter().zip(&groups.of_task).enumerate() {
        for (at, &local) in chunk.order.iter().enumerate() {
            let id = global[local as usize];
            totals[id as usize].amount += chunk.totals[at].amount;
            totals[id as usize].exact &= chunk.totals[at].exact;
            runs.push((id, c as u32, at as u32));
        }
    }
    let offsets = offsets(groups);
    if grouped.len() == 1 {
        return Ok(Column { keys: std::mem::take(&mut grouped[0].keys), offsets, totals });
    }
    runs.par_sort_unstable();
    let mut keys: Vec<Key> = vec![0; offsets[groups.keys.len()]];
    let mut rest = &mut keys[..];
    let pieces: Vec<(&mut [Key], &[Key])> = runs
        .iter()
        .map(|&(_, c, at)| {
            let Grouped { keys, offsets, .. } = &grouped[c as usize];
            let run = &keys[offsets[at as usize]..offsets[at as usize + 1]];
            let (piece, tail) = std::mem::take(&mut rest).split_at_mut(run.len());
            rest = tail;
            (piece, run)
        })
        .collect();
    pieces.into_par_iter().for_each(|(piece, run)| piece.copy_from_slice(run));
    Ok(Column { keys, offsets, totals })
}

/// One chunk's rows by group. Totals are the values of keys, and what keys leave out of the amounts.
fn group(chunk: &Chunk, global: &[u32], groups: &Groups, files: &[InputFile]) -> Result<Grouped> {
    let units: Vec<Unit> = global.iter().map(|&id| groups.units[id as usize]).collect();
    let mut order: Vec<u32> = (0..global.len() as u32).collect();
    order.sort_unstable_by_key(|&local| global[local as usize]);
    let mut offsets = vec![0];
    let mut next = vec![0; global.len()];
    let mut end = 0;
    for &local in &order {
        next[local as usize] = end;
        end += chunk.groups.counts[local as usize].holders as usize;
        offsets.push(end);
    }
    let mut keys: Vec<Key> = vec![0; end];
    let mut put = |local: usize, key: Key| {
        keys[next[local]] = key;
        next[local] += 1;
    };
    let mut left = vec![Left::default(); global.len()];
    for part in &chunk.parts {
        let rows = part.ids.iter().enumerate().filter(|(_, id)| **id != DROPPED);
        for (row, local) in rows.map(|(row, &id)| (row, id as usize)) {
            if let (Values::Double(values), Unit::Binary(unit)) = (&part.amounts.values, units[local])
                && let Some(key) = (values[row] > 0.0).then(|| key_of_double(values[row], unit)).flatten()
            {
                put(local, key);
                continue;
            }
            let (amount, whole) = amount_of(&part.amounts, row, units[local])
                .map_err(|problem| place_error(chunk, part, row, files, problem))?;
            let (key, exact) = amount.key();
            if key != 0 {
                put(local, key);
                if !(exact & whole) {
                    left[local].add(amount, key);
                }
            }
        }
    }
    let totals = order.iter().zip(offsets.windows(2)).map(|(&local, run)| {
        let left = &left[local as usize];
        let amount = key::sum(&keys[run[0]..run[1]]) + U320::from(left.narrow) + left.wide;
        Total { amount, exact: !left.some }
    });
    let totals = totals.collect();
    Ok(Grouped { keys, order, offsets, totals })
}

/// What keys leave out of their amounts.
#[derive(Debug, Clone, Copy, Default)]
struct Left {
    /// Of amounts below 2^128: less than 2^72 each, and of fewer than 2^32 rows.
    narrow: u128,
    wide: U320,
    /// Whether anything was left out, here or of a double below its unit.
    some: bool,
}

impl Left {
    fn add(&mut self, amount: Exact, key: Key) {
        self.some = true;
        match amount {
            Exact::Narrow(amount) => self.narrow += amount - key::value(key).to::<u128>(),
            Exact::Wide(amount) => self.wide += U320::from(amount - key::value(key)),
        }
    }
}

/// Where each group's holders begin, and the end.
fn offsets(groups: &Groups) -> Vec<usize> {
    let mut offsets = vec![0];
    let mut end = 0;
    offsets.extend(groups.counts.iter().map(|counts| {
        end += counts.holders as usize;
        end
    }));
    offsets
}

/// Calls `f` with every kept row of a part, its local group and its amount.
fn each<E>(
    part: &Part,
    units: &[Unit],
    mut f: impl FnMut(usize, usize, Result<(Exact, bool), &'static str>) -> Result<(), E>,
) -> Result<(), E> {
    for (row, &id) in part.ids.iter().enumerate() {
        if id != DROPPED {
            f(row, id as usize, amount_of(&part.amounts, row, units[id as usize]))?;
        }
    }
    Ok(())
}

/// The exact amounts of the wanted groups' holders, for what only they decide.
pub fn exact_amounts(
    chunks: &[Chunk],
    groups: &Groups,
    owners: Owners,
    files: &[InputFile],
    wanted: &[bool],
) -> Result<HashMap<u32, Vec<U256>>> {
    let mut exact: HashMap<u32, Vec<U256>> = HashMap::new();
    if owners == Owners::Merge {
        for (id, amount, _) in
            merge::merge(chunks, groups, files, |id| wanted[id as usize])?.into_iter().flatten()
        {
            if !amount.is_zero() {
                exact.entry(id).or_default().push(amount);
            }
        }
        return Ok(exact);
    }
    for (chunk, global) in chunks.iter().zip(&groups.of_task) {
        let units: Vec<Unit> = global.iter().map(|&id| groups.units[id as usize]).collect();
        for part in &chunk.parts {
            each(part, &units, |row, local, amount| {
                let id = global[local];
                let (amount, _) = amount.map_err(|problem| place_error(chunk, part, row, files, problem))?;
                if wanted[id as usize] && !amount.wide().is_zero() {
                    exact.entry(id).or_default().push(amount.wide());
                }
                Ok::<(), Error>(())
            })?;
        }
    }
    Ok(exact)
}

/// An error in a row that only the whole group shows.
fn place_error(chunk: &Chunk, part: &Part, row: usize, files: &[InputFile], problem: &str) -> Error {
    let remedy = if problem.starts_with("the sum") {
        "amounts are at most 2^256 − 1; are they amounts, not ids?"
    } else {
        "leave the row out, or keep amounts of such different sizes in groups of their own"
    };
    Error::Cell {
        place: Place {
            file: files[chunk.file].source.shown.clone(),
            column: chunk.amount.clone(),
            row: part.first_row + row as u64 + 1,
        },
        problem: problem.into(),
        remedy: remedy.into(),
    }
}
