//! Rows to groups: dense ids, each group's unit and total, and its keys side by side.

use ruint::aliases::U256;

use crate::columns::{Amounts, Values};
use crate::error::{Error, Place, Result};
use crate::input::file::InputFile;
use crate::moments::Total;
use crate::numbers::key::{self, Key};
use crate::numbers::unit::{Span, Unit, key_of_double, of_double, power_of_ten};
use crate::numbers::wide::U320;
use crate::options::{Options, Owners};

pub mod chunk;
mod codes;
pub mod cuts;
pub mod excluded;
pub mod extent;
pub mod keys;
pub mod look_through;
pub mod owners;
pub mod prices;
pub mod registry;
pub mod route;
pub mod sample;
pub mod scatter;
pub mod schema;
mod tally;
pub mod worker;

use chunk::{Origin, Part};
use excluded::Excluded;
use prices::Prices;
use registry::Registry;
use worker::{Distinct, Left, Workers};

/// How many rows of a group went where, in the words of the result's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All rows.
    pub rows: u64,
    /// Null amounts.
    pub null: u64,
    /// Rows of owners that are left out.
    pub excluded: u64,
    /// Negative amounts, dropped.
    pub negative: u64,
    /// Rows that vanished into another of the same owner.
    pub merged: u64,
    /// Holders that are entities.
    pub entities: u64,
    /// Owners that were looked through.
    pub looked_through: u64,
    /// Holders that are cut off.
    pub below: u64,
    /// Holders of nothing.
    pub zero: u64,
    /// What is left.
    pub holders: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.null += other.null;
        self.excluded += other.excluded;
        self.negative += other.negative;
        self.merged += other.merged;
        self.below += other.below;
        self.entities += other.entities;
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
    /// Groups of doubles with bits below their unit.
    pub cut: Vec<u32>,
    /// The group of each number of the registry.
    pub ranks: Vec<u32>,
    /// For each task, the registry's numbers of its groups.
    pub of_task: Vec<Distinct>,
    /// What owners have that are left out, by rank.
    pub excluded: Excluded,
    /// The share that contracts had which were looked through, by rank.
    pub looked_through: hashbrown::HashMap<u32, f64>,
    /// What their tokens are worth, where it was asked for, by rank.
    pub prices: Prices<u32>,
    /// What holders have that are cut off, by rank and in the group's unit.
    pub below: hashbrown::HashMap<u32, U320>,
}

impl Groups {
    /// Where each group's holders begin, and the end.
    pub fn offsets(&self) -> Vec<usize> {
        let mut offsets = vec![0];
        let mut end = 0;
        offsets.extend(self.counts.iter().map(|counts| {
            end += counts.holders as usize;
            end
        }));
        offsets
    }
}

/// Puts groups in the order of their keys, so that neither tasks nor their order show, and finds their units. Zeros
/// are no holders, unless owners are not known yet.
pub fn unite(
    registry: &Registry,
    workers: &mut Workers,
    of_task: Vec<Distinct>,
    schema: &schema::GroupSchema,
    options: &Options,
) -> Result<Groups> {
    let (keys, ranks) = registry.ranked();
    let (counts, mut spans) = tallied(workers, &ranks, options.owners != Owners::Trust);
    let refine = |span: &mut Span| if options.look_through.is_some() { span.refine() } else { 0 };
    let spare: Vec<i32> = spans.iter_mut().map(refine).collect();
    let units = spans.iter().enumerate().map(|(id, span)| {
        let wrong = |problem: &str, remedy: &str| Error::Group {
            group: schema.show(&keys[id]),
            problem: problem.into(),
            remedy: remedy.into(),
        };
        let own = span.unit().ok_or_else(|| {
            wrong(
                "its rows are doubles in one file and exact amounts in another, which share no unit",
                "choose columns of one kind with --amount, or keep the files apart",
            )
        })?;
        span.counted_in(own, options.unit).ok_or_else(|| {
            wrong(
                "its amounts are no whole numbers of the unit, or more than 256 bits of it",
                "give a --unit as fine as the finest amount, 2^x for doubles",
            )
        })
    });
    let units = units.collect::<Result<Vec<_>>>()?;
    let below = |id: &u32| {
        let id = *id as usize;
        spans[id].bits.is_some_and(|(low, _)| low + spare[id] < units[id].log2())
    };
    let cut = (0..units.len() as u32).filter(below).collect();
    // The widths of sums are made for as many.
    if let Some(id) = counts.iter().position(|counts| counts.holders > 1 << 32) {
        return Err(Error::Group {
            group: schema.show(&keys[id]),
            problem: "it has more than 2^32 holders".into(),
            remedy: "split it".into(),
        });
    }
    let mut excluded = Excluded::default();
    for worker in workers.all() {
        excluded.merge(&worker.known.tallies.excluded, &ranks);
    }
    let mut prices = Prices::default();
    for worker in workers.all() {
        prices.merge(&worker.known.prices, |number: u32| ranks[number as usize]);
    }
    let (looked_through, below) = Default::default();
    Ok(Groups { keys, counts, units, cut, ranks, of_task, excluded, looked_through, prices, below })
}

/// The counts and spans of all groups, by rank.
pub fn tallied(workers: &mut Workers, ranks: &[u32], keep_zeros: bool) -> (Vec<Counts>, Vec<Span>) {
    let mut counts = vec![Counts::default(); ranks.len()];
    let mut spans = vec![Span::default(); ranks.len()];
    for worker in workers.all() {
        worker.known.tallies.settle();
        for ((tallied, span), &rank) in worker.known.tallies.settled.iter().zip(ranks) {
            counts[rank as usize].add(tallied);
            spans[rank as usize].merge(*span);
        }
    }
    for counts in &mut counts {
        counts.holders = counts.rows;
        counts.rows += counts.null + counts.excluded + counts.negative;
        if !keep_zeros {
            counts.holders -= counts.zero;
        }
    }
    (counts, spans)
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
        scaled(U256::from(a), decimals, scale).map(|a| (Exact::Wide(a), true))
    };
    match &amounts.values {
        Values::Short(values) => narrow(u128::from(values[row]), amounts.scales.at(row)),
        Values::Narrow(values) => narrow(values[row], amounts.scales.at(row)),
        Values::Wide(values) => match unit {
            Unit::Decimal(decimals) if !values[row].is_zero() => {
                scaled(values[row], decimals, amounts.scales.at(row)).map(|a| (Exact::Wide(a), true))
            }
            _ => Ok((Exact::Wide(values[row]), true)),
        },
        Values::Double(values) => amount_of_double(values[row], unit),
    }
}

fn amount_of_double(d: f64, unit: Unit) -> Result<(Exact, bool), &'static str> {
    if d == 0.0 {
        return Ok((Exact::Narrow(0), true));
    }
    let (a, exact) = of_double(d, unit.log2());
    if a.is_zero() {
        return Err("the double is more than 2^255 times smaller than the group's largest amount");
    }
    Ok((Exact::Wide(a), exact))
}

/// An amount of some decimals at its group's number of them.
fn scaled(a: U256, decimals: u8, own: u8) -> Result<U256, &'static str> {
    let power = decimals.checked_sub(own).and_then(power_of_ten);
    let scaled = power.and_then(|power| a.checked_mul(power));
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
    /// What rows were read into: as many words, for others to use.
    pub scratch: Vec<u64>,
    /// Where they were asked for.
    pub rests: Option<Rests>,
}

/// What keys leave out of amounts.
#[derive(Debug)]
pub struct Rests {
    /// Of each key.
    pub all: Vec<u64>,
    /// Of each group, whether some are beyond a word and not told.
    pub untold: Vec<bool>,
}

/// Every amount of a part that is not zero, and its group by rank: exactly, and whether nothing was cut off.
pub fn each_amount(
    part: &Part,
    amounts: &Amounts,
    groups: &Groups,
    refuse: impl Fn(usize, &str) -> Error,
    mut put: impl FnMut(u32, Exact, bool) -> Result<()>,
) -> Result<()> {
    part.ids.try_each(part.rows, |row, number| {
        if amounts.values.is_zero(row) {
            return Ok(());
        }
        let group = groups.ranks[number as usize];
        let (amount, whole) =
            amount_of(amounts, row, groups.units[group as usize]).map_err(|problem| refuse(row, problem))?;
        put(group, amount, whole)
    })
}

/// Every amount of a part that is not zero, and its group by rank: its key, with what that leaves out of it in `left`
/// by the same rank.
pub fn each_key(
    part: &Part,
    amounts: &Amounts,
    groups: &Groups,
    left: &mut Left,
    refuse: impl Fn(usize, &str) -> Error,
    mut put: impl FnMut(u32, Key) -> Result<()>,
) -> Result<()> {
    part.ids.try_each(part.rows, |row, number| {
        if amounts.values.is_zero(row) {
            return Ok(());
        }
        let group = groups.ranks[number as usize];
        let unit = groups.units[group as usize];
        let direct = match (&amounts.values, unit) {
            (Values::Double(values), Unit::Binary(unit)) => key_of_double(values[row], unit),
            _ => None,
        };
        let key = match direct {
            Some(key) => key,
            None => {
                let (amount, whole) =
                    amount_of(amounts, row, unit).map_err(|problem| refuse(row, problem))?;
                left.key(group, amount, whole)
            }
        };
        put(group, key)
    })
}

/// An error in a row that only the whole group shows.
pub fn place_error(origin: &Origin, part: &Part, row: usize, files: &[InputFile], problem: &str) -> Error {
    Error::Cell {
        place: Place {
            file: files[origin.file].source.shown.clone(),
            column: origin.amount.clone(),
            row: part.first_row + row as u64 + 1,
        },
        problem: problem.into(),
        remedy: "leave the row out, or keep amounts of such different sizes in groups of their own".into(),
    }
}
