//! What a thread keeps from one task to the next: the numbers of keys, and what its rows add up to by group.

use std::sync::{Mutex, PoisonError};

use arrow::buffer::NullBuffer;
use hashbrown::HashMap;

use super::chunk::{DROPPED, Ids, Part};
use super::codes::Numbering;
use super::{Counts, Exact};
use crate::columns::{Amounts, Scales, Values};
use crate::numbers::key::{self, Key};
use crate::numbers::unit::{Span, bits_of_double};
use crate::numbers::wide::U320;

/// As many workers as there ever were at once; whoever has a task takes one.
#[derive(Debug, Default)]
pub struct Workers(Mutex<Vec<Worker>>);

/// One of them.
#[derive(Debug, Default)]
pub struct Worker {
    /// The keys of one file, which it probably goes on with.
    pub(super) keys: Keys,
    pub(super) met: Met,
    pub(super) left: Left,
    /// A place for each group, all zero between tasks.
    pub(super) slots: Vec<Slot>,
    pub(super) seen: Seen,
}

/// Keys of a file by the numbers that its columns are given.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) file: Option<usize>,
    pub(super) numbering: Numbering,
    /// The registry's number of each key.
    pub(super) registered: Vec<u32>,
}

/// Where a group's next key goes.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Slot {
    pub(super) next: usize,
    pub(super) unit: i32,
}

/// The groups that a task has rows of, each once; none where they are too many to be worth listing.
pub type Distinct = Option<Box<[u32]>>;

/// Groups that one task has rows of.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By group, the last task that has it.
    tasks: Vec<u32>,
    task: u32,
    groups: Vec<u32>,
}

impl Seen {
    pub(super) fn begin(&mut self) {
        self.groups.clear();
        self.task += 1;
    }

    pub(super) fn add(&mut self, ids: &Ids, groups: usize) {
        self.tasks.resize(groups, 0);
        let mut add = |id: u32| {
            if std::mem::replace(&mut self.tasks[id as usize], self.task) != self.task {
                self.groups.push(id);
            }
        };
        match ids {
            Ids::All(id) => add(*id),
            Ids::Each(ids) => ids.iter().for_each(|&id| add(id)),
        }
    }

    /// What was added since the task began.
    pub(super) fn distinct(&self, rows: u64) -> Distinct {
        // A list that is long beside the rows would take memory and spare nobody reading them again.
        (self.groups.len() as u64 <= rows / 16 + 1).then(|| self.groups.as_slice().into())
    }
}

impl Workers {
    /// Does something with a worker, one that knows the file where there is one.
    pub fn with<T>(&self, file: usize, work: impl FnOnce(&mut Worker) -> T) -> T {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut idle = lock();
        let knows = idle.iter().position(|worker| worker.keys.file == Some(file));
        let taken = knows.map(|at| idle.swap_remove(at)).or_else(|| idle.pop());
        drop(idle);
        let mut worker = taken.unwrap_or_default();
        let done = work(&mut worker);
        lock().push(worker);
        done
    }

    /// All of them, once all tasks are done.
    pub(super) fn all(&mut self) -> &mut [Worker] {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many rows of each group went where, and what their amounts ask of its unit; by the registry's numbers.
#[derive(Debug, Default)]
pub(super) struct Met {
    tallies: Vec<Tally>,
    kind: Kind,
    /// Rows in the tallies.
    tallied: u64,
    /// What was tallied before the kind changed. `zero` also where zeros count as holders.
    pub(super) groups: Vec<(Counts, Span)>,
}

/// What every row changes: groups are met in any order, so it is small enough for many to stay in cache.
#[derive(Debug, Clone, Copy)]
struct Tally {
    /// Rows that have an amount.
    rows: u32,
    /// Of them, those whose amount is zero.
    zeros: u32,
    /// The lowest bit and the highest of doubles.
    bits: (i16, i16),
}

impl Tally {
    const NONE: Self = Self { rows: 0, zeros: 0, bits: (i16::MAX, i16::MIN) };
}

/// What tallied rows have in common: a change is rare, so it is not noted row by row.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[default]
    Unknown,
    /// Exact amounts with so many decimals.
    Decimals(u8),
    /// Exact amounts, each with decimals of its own.
    Each,
    Doubles,
}

impl Met {
    /// Counts a part's rows by what becomes of them, and drops those that hold nothing. Where amounts go to slots, it
    /// is enough that theirs is zero.
    pub(super) fn count(&mut self, part: &mut Part, amounts: &Amounts, in_slots: bool, groups: usize) {
        self.tallies.resize(groups, Tally::NONE);
        self.groups.resize(groups, <(Counts, Span)>::default());
        let kind = match (&amounts.values, &amounts.scales) {
            (Values::Double(_), _) => Kind::Doubles,
            (_, Scales::Same(scale)) => match self.kind {
                // Decimals that changed once go on to change.
                Kind::Each => Kind::Each,
                Kind::Decimals(other) if other != *scale => Kind::Each,
                _ => Kind::Decimals(*scale),
            },
            (_, Scales::Each(_)) => Kind::Each,
        };
        if kind != self.kind || self.tallied + part.rows as u64 > u64::from(u32::MAX) {
            self.settle();
            self.kind = kind;
        }
        self.tallied += part.rows as u64;
        match &amounts.values {
            Values::Short(values) => self.tally(part, amounts, in_slots, |row| values[row] != 0),
            Values::Narrow(values) => self.tally(part, amounts, in_slots, |row| values[row] != 0),
            Values::Wide(values) => self.tally(part, amounts, in_slots, |row| !values[row].is_zero()),
            Values::Double(values) => {
                self.tally(part, amounts, in_slots, |row| values[row] > 0.0);
                self.tally_bits(&part.ids, values);
            }
        }
        if kind == Kind::Each {
            part.ids.each(part.rows, |row, id| {
                if !amounts.values.is_zero(row) {
                    self.groups[id as usize].1.merge(Span::of_decimals(amounts.scales.at(row)));
                }
            });
        }
    }

    /// `holds` says whether a row's amount is more than zero; those of rows without one and below zero are zero.
    fn tally(&mut self, part: &mut Part, amounts: &Amounts, in_slots: bool, holds: impl Fn(usize) -> bool) {
        let nulls = amounts.nulls.as_ref().filter(|nulls| nulls.null_count() > 0);
        if let Ids::All(id) = part.ids {
            let nothing = (0..part.rows).filter(|&row| !holds(row)).count();
            if nothing == 0 || in_slots {
                let (null, negative) = (nulls.map_or(0, NullBuffer::null_count), amounts.negative.len());
                let counts = &mut self.groups[id as usize].0;
                counts.null += null as u64;
                counts.negative += negative as u64;
                let tally = &mut self.tallies[id as usize];
                tally.rows += (part.rows - null - negative) as u32;
                tally.zeros += (nothing - null - negative) as u32;
                part.kept = part.rows - nothing;
                return;
            }
        }
        // Among owners that will be compared, a zero is a row like any other.
        let keep_zeros = part.owners.is_some();
        let ids = part.ids.by_row(part.rows);
        for row in nulls.into_iter().flat_map(|nulls| (0..nulls.len()).filter(|&row| nulls.is_null(row))) {
            self.groups[ids[row] as usize].0.null += 1;
            ids[row] = DROPPED;
        }
        for &row in &amounts.negative {
            let id = &mut ids[row as usize];
            self.groups[*id as usize].0.negative += 1;
            *id = DROPPED;
        }
        for (row, id) in ids.iter_mut().enumerate().filter(|(_, id)| **id != DROPPED) {
            let tally = &mut self.tallies[*id as usize];
            tally.rows += 1;
            if !holds(row) {
                tally.zeros += 1;
                if !keep_zeros {
                    *id = DROPPED;
                }
            }
        }
    }

    fn tally_bits(&mut self, ids: &Ids, values: &[f64]) {
        let merge = |bits: &mut (i16, i16), value: f64| {
            if value > 0.0 {
                let (low, high) = bits_of_double(value);
                *bits = (bits.0.min(low as i16), bits.1.max(high as i16));
            }
        };
        match ids {
            Ids::All(id) => {
                let mut bits = self.tallies[*id as usize].bits;
                values.iter().for_each(|&value| merge(&mut bits, value));
                self.tallies[*id as usize].bits = bits;
            }
            Ids::Each(_) => {
                ids.each(values.len(), |row, id| merge(&mut self.tallies[id as usize].bits, values[row]));
            }
        }
    }

    /// Takes what was tallied over into the groups' counts and spans.
    pub(super) fn settle(&mut self) {
        for (tally, (counts, span)) in self.tallies.iter_mut().zip(&mut self.groups) {
            let Tally { rows, zeros, bits: (low, high) } = std::mem::replace(tally, Tally::NONE);
            counts.rows += u64::from(rows);
            counts.zero += u64::from(zeros);
            match self.kind {
                Kind::Decimals(scale) if rows > zeros => span.merge(Span::of_decimals(scale)),
                Kind::Doubles if low <= high => {
                    span.merge(Span { decimals: None, bits: Some((low.into(), high.into())) });
                }
                _ => {}
            }
        }
        self.tallied = 0;
    }
}

/// What keys leave out of amounts, by the registry's numbers.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Of amounts below 2^128: less than 2^72 each, and of fewer than 2^32 rows.
    narrow: Vec<u128>,
    /// Of larger ones. An entry, even of zero, also says that something was left out of a double.
    wide: HashMap<u32, U320>,
}

impl Left {
    /// The key of an amount in its group's unit. Nothing was cut off it before where it is `whole`.
    #[inline]
    pub(super) fn key(&mut self, id: u32, amount: Exact, whole: bool) -> Key {
        let (key, exact) = amount.key();
        if !exact {
            match amount {
                Exact::Narrow(amount) => {
                    if self.narrow.len() <= id as usize {
                        self.narrow.resize(id as usize + 1, 0);
                    }
                    self.narrow[id as usize] += amount - key::value_narrow(key);
                }
                Exact::Wide(amount) => {
                    *self.wide.entry(id).or_insert(U320::ZERO) += U320::from(amount - key::value(key));
                }
            }
        }
        if !whole {
            self.wide.entry(id).or_insert(U320::ZERO);
        }
        key
    }

    /// What was left out of each group's amounts.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, U320)> + '_ {
        let narrow = self.narrow.iter().enumerate().filter(|(_, left)| **left != 0);
        let narrow = narrow.map(|(id, &left)| (id as u32, U320::from(left)));
        narrow.chain(self.wide.iter().map(|(&id, &left)| (id, left)))
    }
}
