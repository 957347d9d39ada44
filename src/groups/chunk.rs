//! One row group of one file: its amounts, its groups, its owners.

use std::ops::Range;

use arrow::array::ArrayRef;

use super::registry::Registry;
use super::sample::Sampler;
use super::schema::{GroupSchema, projected};
use super::worker::{Distinct, Known, Left, Worker};
use super::{amount_of, place_error};
use crate::columns::{self, Amounts, BadCell, Values, owner};
use crate::error::{Error, Place, Result};
use crate::input::file::InputFile;
use crate::input::guard::damaged;
use crate::input::roles::Roles;
use crate::numbers::unit::Unit;
use crate::options::{Negatives, Options, Owners};
use crate::population::Population;

/// The group of a row that is counted but holds nothing.
pub const DROPPED: u32 = u32::MAX;

/// What to read: one row group of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// The file's index.
    pub file: usize,
    /// The row group, none for a file without any.
    pub row_group: Option<usize>,
    /// The file's rows before it.
    pub first_row: u64,
    /// Its own, by the footer.
    pub rows: usize,
}

/// Where rows come from, for messages.
#[derive(Debug)]
pub struct Origin {
    /// The file's index.
    pub file: usize,
    /// The amount column's name.
    pub amount: String,
    /// The owner column's name, if owners were read.
    pub owner: String,
}

/// The rows of one task.
#[derive(Debug)]
pub struct Chunk<'s> {
    /// Whose they are.
    pub origin: Origin,
    /// Batch by batch.
    pub parts: Vec<Part>,
    /// A word for each row, where the amounts of its parts may lie.
    pub slots: &'s mut [u64],
}

/// One record batch.
#[derive(Debug)]
pub struct Part {
    /// The file's rows before it.
    pub first_row: u64,
    /// How many it has.
    pub rows: usize,
    /// The groups of its rows, by the registry's numbers.
    pub ids: Ids,
    /// How many of them hold something, where all are of one group.
    pub kept: usize,
    /// What its rows hold.
    pub held: Held,
    /// The owner of each row, where owners are compared.
    pub owners: Option<owner::Owners>,
    /// What each row earned, where that is read.
    pub earned: Option<Earned>,
}

/// What rows earned, those that hold nothing too.
#[derive(Debug)]
pub struct Earned {
    /// Magnitudes, and which of them are negative.
    pub rewards: Amounts,
    /// The group of every row.
    pub ids: Ids,
    /// Rows of owners that are left out, ascending.
    pub excluded: Vec<u32>,
}

/// The group of each row.
#[derive(Debug, Clone)]
pub enum Ids {
    /// All rows are of one group. Where their amounts lie in slots, zero is that of a row which holds nothing; else all
    /// hold something.
    All(u32),
    /// Row by row, [`DROPPED`] where a row is counted but holds nothing.
    Each(Vec<u32>),
}

impl Ids {
    /// Calls `f` with every kept row and its group.
    #[inline]
    pub fn each(&self, rows: usize, mut f: impl FnMut(usize, u32)) {
        match self {
            Self::All(id) => (0..rows).for_each(|row| f(row, *id)),
            Self::Each(ids) => {
                ids.iter().enumerate().filter(|(_, id)| **id != DROPPED).for_each(|(row, &id)| f(row, id));
            }
        }
    }

    /// The same until it fails.
    pub fn try_each<E>(&self, rows: usize, mut f: impl FnMut(usize, u32) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::All(id) => (0..rows).try_for_each(|row| f(row, *id)),
            Self::Each(ids) => {
                let mut kept = ids.iter().enumerate().filter(|(_, id)| **id != DROPPED);
                kept.try_for_each(|(row, &id)| f(row, id))
            }
        }
    }

    /// The group of a row.
    #[inline]
    pub fn at(&self, row: usize) -> u32 {
        match self {
            Self::All(id) => *id,
            Self::Each(ids) => ids[row],
        }
    }

    /// Row by row, so that rows can be dropped.
    pub fn by_row(&mut self, rows: usize) -> &mut [u32] {
        if let Self::All(id) = self {
            *self = Self::Each(vec![*id; rows]);
        }
        let Self::Each(ids) = self else { unreachable!("made so above") };
        ids
    }
}

/// What rows hold.
#[derive(Debug)]
pub enum Held {
    /// Exact amounts, whose units are not known before all rows are read.
    Amounts(Amounts),
    /// Keys, in these slots. What they leave out of the amounts is summed already.
    Keys(Range<usize>),
    /// The bits of doubles, in these slots.
    Doubles(Range<usize>),
}

/// The columns that a file's task reads, ascending.
pub fn projection(reading: &Reading<'_>, file: usize) -> Vec<usize> {
    let roles = &reading.roles[file];
    let owner = roles.owner.filter(|_| reading.needs_owners());
    let price = roles.price.filter(|_| reading.prices);
    let reward = roles.reward.filter(|_| reading.rewards);
    let others = [roles.amount].into_iter().chain(owner).chain(price).chain(reward);
    let mut roots: Vec<usize> = reading.schema.columns(file).chain(others).collect();
    roots.sort_unstable();
    roots.dedup();
    roots
}

/// What tasks are read with.
pub struct Reading<'a> {
    /// The files of the tasks.
    pub files: &'a [InputFile],
    /// What their columns are.
    pub roles: &'a [Roles],
    /// Their group columns.
    pub schema: &'a GroupSchema,
    /// The user's word.
    pub options: &'a Options,
    /// What is done with owners in this reading: they are left unread where they are trusted.
    pub owners: Owners,
    /// The decimals of all amounts, where the types of their columns tell and rows may become keys at once.
    pub decimals: Option<u8>,
    /// Whether prices are read.
    pub prices: bool,
    /// Whether rewards are read.
    pub rewards: bool,
    /// Takes some rows by chance, where they were not read before.
    pub sampler: Option<&'a Sampler>,
    /// Who is counted.
    pub population: &'a Population,
    /// The keys of groups.
    pub registry: &'a Registry,
    /// Whether the user wants to stop.
    pub interrupted: &'a (dyn Fn() -> bool + Sync),
}

impl Reading<'_> {
    /// Whether owners are looked at.
    fn needs_owners(&self) -> bool {
        self.owners != Owners::Trust || self.population.excludes()
    }
}

impl Origin {
    /// Of a task's rows.
    pub fn of(reading: &Reading<'_>, task: &Task) -> Self {
        let (file, roles) = (&reading.files[task.file], &reading.roles[task.file]);
        let field = |column: usize| file.schema().field(column).name().clone();
        let owner = roles.owner.filter(|_| reading.needs_owners());
        Self { file: task.file, amount: field(roles.amount), owner: owner.map(field).unwrap_or_default() }
    }
}

/// Reads one task, into a slot for each of its rows or without any, and tells which groups it has rows of.
pub fn read<'s>(
    reading: &Reading<'_>,
    task: &Task,
    slots: &'s mut [u64],
    worker: &mut Worker,
) -> Result<(Chunk<'s>, Distinct)> {
    let Worker { known, left, .. } = worker;
    let origin = Origin::of(reading, task);
    let rows = slots.len();
    let own = |part: &Part| {
        let at = (part.first_row - task.first_row) as usize;
        at..at + part.rows
    };
    let in_slots = |part: &Part, amounts: &Amounts| {
        let is_double = matches!(amounts.values, Values::Double(_));
        own(part).end <= rows && (is_double || reading.decimals.is_some())
    };
    let mut parts = vec![];
    let distinct = visit(reading, task, known, &origin, in_slots, |mut part, amounts| {
        let own = own(&part);
        part.held = match (&amounts.values, reading.decimals) {
            _ if !in_slots(&part, &amounts) => Held::Amounts(amounts),
            (Values::Double(values), _) => {
                let slots = slots[own.clone()].iter_mut();
                slots.zip(values).for_each(|(slot, value)| *slot = value.to_bits());
                Held::Doubles(own)
            }
            (_, decimals) => {
                let unit = Unit::Decimal(decimals.unwrap_or(0));
                let wrong = keys(&mut slots[own.clone()], &part, &amounts, unit, left).err();
                if let Some((row, problem)) = wrong {
                    return Err(place_error(&origin, &part, row, reading.files, problem));
                }
                Held::Keys(own)
            }
        };
        parts.push(part);
        Ok(())
    })?;
    Ok((Chunk { origin, parts, slots }, distinct))
}

/// Goes through one task batch by batch, counts its rows, drops those that hold nothing, and hands each part on with
/// its amounts. Where `in_slots` says so, it is enough that the amount of a row that holds nothing is zero.
pub fn visit(
    reading: &Reading<'_>,
    task: &Task,
    known: &mut Known,
    origin: &Origin,
    in_slots: impl Fn(&Part, &Amounts) -> bool,
    mut each: impl FnMut(Part, Amounts) -> Result<()>,
) -> Result<Distinct> {
    let &Reading { schema, options, registry, .. } = reading;
    let (file, roles) = (&reading.files[task.file], &reading.roles[task.file]);
    let owner = roles.owner.filter(|_| reading.needs_owners());
    let roots = projection(reading, task.file);
    known.keys.begin(schema, registry, task.file, file)?;
    known.seen.begin();
    let batches = task.row_group.map(|row_group| file.read(row_group, &roots)).transpose()?;
    let mut first_row = task.first_row;
    for batch in batches.into_iter().flatten() {
        if (reading.interrupted)() {
            return Err(Error::Interrupted);
        }
        let batch = batch?;
        let rows = batch.num_rows();
        let ids = known.keys.ids(schema, registry, file, &batch, &roots)?;
        let groups = registry.keys();
        if registry.is_full() {
            return Err(Error::Memory(format!(
                "there are more than {} groups, too many for the memory; allow more with --memory-limit, or analyze \
                 fewer groups at a time",
                registry.most()
            )));
        }
        known.seen.add(&ids, groups);
        if let Some(price) = roles.price.filter(|_| reading.prices) {
            let what = if options.quota_of.is_some() { "total of a quota" } else { "price" };
            let name = file.schema().field(price).name();
            let column = projected(&batch, &roots, price);
            let prices = columns::decode(&column, true).map_err(refuse(file, name, first_row))?;
            if let Some(&row) = prices.negative.first() {
                let (problem, remedy) = (format!("the {what} is negative"), format!("a {what} is above 0"));
                return Err(refuse(file, name, first_row)(BadCell { row: row as usize, problem, remedy }));
            }
            let is_null = |row: usize| prices.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            if let Some(row) = (0..rows).find(|&row| prices.values.is_zero(row) && !is_null(row)) {
                let (problem, remedy) = (format!("the {what} is 0"), "write null where it is unknown".into());
                return Err(refuse(file, name, first_row)(BadCell { row, problem, remedy }));
            }
            known.prices.add(&ids, &prices, |id| id);
        }
        let owners = owner.map(|column| owner::decode(&projected(&batch, &roots, column))).transpose();
        let owners = owners.map_err(Error::arrow("read the owner column"))?;
        let mut excluded = match owners.as_ref().filter(|_| reading.population.excludes()) {
            Some(owners) => excluded(owners, reading.population),
            None => vec![],
        };
        let column = projected(&batch, &roots, roles.amount);
        let amounts = decode(&column, &excluded, origin, file, first_row, options)?;
        if options.look_through.is_some() {
            // Who is left out is so after contracts were looked through; less than nothing weighs nothing there.
            excluded.retain(|row| amounts.negative.binary_search(row).is_ok());
        }
        let owners = owners.filter(|_| reading.owners != Owners::Trust);
        let reward = roles.reward.filter(|_| reading.rewards);
        let earned = reward.map(|column| {
            let name = file.schema().field(column).name();
            let rewards = columns::decode_signed(&projected(&batch, &roots, column));
            let rewards = rewards.map_err(refuse(file, name, first_row))?;
            Ok::<_, Error>(Earned { rewards, ids: ids.clone(), excluded: excluded.clone() })
        });
        let earned = earned.transpose()?;
        let mut part = Part { first_row, rows, ids, kept: rows, held: Held::Keys(0..0), owners, earned };
        let in_slots = in_slots(&part, &amounts);
        // What is left out is summed once, in the first reading.
        let sum = reading.sampler.is_some();
        known.tallies.count(&mut part, &amounts, &excluded, sum, in_slots, groups);
        if let Some(sampler) = reading.sampler {
            sampler.take(origin, &part, &amounts);
        }
        each(part, amounts)?;
        first_row += rows as u64;
    }
    let read = first_row - task.first_row;
    // The reader takes what the pages have.
    if read != task.rows as u64 {
        return Err(damaged(&file.source, None));
    }
    Ok(known.seen.distinct(read))
}

/// Puts the keys of a part's kept rows into their slots; fails with a row and what is wrong with it.
fn keys(
    slots: &mut [u64],
    part: &Part,
    amounts: &Amounts,
    unit: Unit,
    left: &mut Left,
) -> Result<(), (usize, &'static str)> {
    part.ids.try_each(part.rows, |row, id| {
        let (amount, whole) = amount_of(amounts, row, unit).map_err(|problem| (row, problem))?;
        slots[row] = left.key(id, amount, whole);
        Ok(())
    })
}

/// The error of a bad cell in a batch that begins with this row.
fn refuse(file: &InputFile, column: &str, first_row: u64) -> impl FnOnce(BadCell) -> Error {
    move |bad| Error::Cell {
        place: Place {
            file: file.source.shown.clone(),
            column: column.to_owned(),
            row: first_row + bad.row as u64 + 1,
        },
        problem: bad.problem,
        remedy: bad.remedy,
    }
}

/// The rows of owners that are left out, ascending.
fn excluded(owners: &owner::Owners, population: &Population) -> Vec<u32> {
    let rows = owners.iter().enumerate();
    let excluded = rows.filter(|(_, owner)| owner.is_some_and(|owner| population.is_excluded(owner)));
    excluded.map(|(row, _)| row as u32).collect()
}

/// The amounts of a batch. A negative one is no error where its owner is left out.
fn decode(
    column: &ArrayRef,
    excluded: &[u32],
    origin: &Origin,
    file: &InputFile,
    first_row: u64,
    options: &Options,
) -> Result<Amounts> {
    let drop = options.negatives == Negatives::Drop;
    let refuse = |start: usize| refuse(file, &origin.amount, first_row + start as u64);
    let amounts = columns::decode(column, drop || !excluded.is_empty()).map_err(refuse(0))?;
    if !drop && !excluded.is_empty() {
        let counted = amounts.negative.iter().find(|row| excluded.binary_search(row).is_err());
        if let Some(&row) = counted {
            columns::decode(&column.slice(row as usize, 1), false).map_err(refuse(row as usize))?;
        }
    }
    Ok(amounts)
}
