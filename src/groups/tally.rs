//! How many rows of each group went where, and what their amounts ask of its unit.

use arrow::buffer::NullBuffer;

use super::Counts;
use super::chunk::{DROPPED, Ids, Part};
use super::excluded::Tallied;
use crate::columns::{Amounts, Scales, Values};
use crate::numbers::unit::{Span, bits_of_double};

/// Of the rows that one thread read, by the registry's numbers.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    of_groups: Vec<Tally>,
    kind: Kind,
    /// Rows in the tallies.
    tallied: u64,
    /// What was tallied before the kind changed. `zero` also where zeros count as holders.
    pub(super) settled: Vec<(Counts, Span)>,
    /// What owners had that were left out.
    pub(super) excluded: Tallied,
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

impl Tallies {
    /// Counts a part's rows by what becomes of them, and drops those that hold nothing. Where amounts go to slots, it
    /// is enough that theirs is zero.
    pub(super) fn count(
        &mut self,
        part: &mut Part,
        amounts: &Amounts,
        excluded: &[u32],
        sum: bool,
        in_slots: bool,
        groups: usize,
    ) {
        self.of_groups.resize(groups, Tally::NONE);
        self.settled.resize(groups, <(Counts, Span)>::default());
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
        self.exclude(part, amounts, excluded, sum);
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
                    self.settled[id as usize].1.merge(Span::of_decimals(amounts.scales.at(row)));
                }
            });
        }
    }

    /// Drops the rows of owners that are left out, and sums them where that is asked for. What is null has no amount to
    /// leave out.
    fn exclude(&mut self, part: &mut Part, amounts: &Amounts, excluded: &[u32], sum: bool) {
        if excluded.is_empty() {
            return;
        }
        let ids = part.ids.by_row(part.rows);
        let has_amount = |row: u32| amounts.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row as usize));
        for &row in excluded.iter().filter(|&&row| has_amount(row)) {
            let id = std::mem::replace(&mut ids[row as usize], DROPPED);
            self.settled[id as usize].0.excluded += 1;
            if sum {
                self.excluded.add(id, amounts, row as usize);
            }
        }
    }

    /// `holds` says whether a row's amount is more than zero; those of rows without one and below zero are zero.
    fn tally(&mut self, part: &mut Part, amounts: &Amounts, in_slots: bool, holds: impl Fn(usize) -> bool) {
        let nulls = amounts.nulls.as_ref().filter(|nulls| nulls.null_count() > 0);
        if let Ids::All(id) = part.ids {
            let nothing = (0..part.rows).filter(|&row| !holds(row)).count();
            if nothing == 0 || in_slots {
                let (null, negative) = (nulls.map_or(0, NullBuffer::null_count), amounts.negative.len());
                let counts = &mut self.settled[id as usize].0;
                counts.null += null as u64;
                counts.negative += negative as u64;
                let tally = &mut self.of_groups[id as usize];
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
            self.settled[ids[row] as usize].0.null += 1;
            ids[row] = DROPPED;
        }
        for &row in &amounts.negative {
            let id = &mut ids[row as usize];
            if *id != DROPPED {
                self.settled[*id as usize].0.negative += 1;
                *id = DROPPED;
            }
        }
        for (row, id) in ids.iter_mut().enumerate().filter(|(_, id)| **id != DROPPED) {
            let tally = &mut self.of_groups[*id as usize];
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
                let mut bits = self.of_groups[*id as usize].bits;
                values.iter().for_each(|&value| merge(&mut bits, value));
                self.of_groups[*id as usize].bits = bits;
            }
            Ids::Each(_) => {
                ids.each(values.len(), |row, id| merge(&mut self.of_groups[id as usize].bits, values[row]));
            }
        }
    }

    /// Takes what was tallied over into the groups' counts and spans.
    pub(super) fn settle(&mut self) {
        for (tally, (counts, span)) in self.of_groups.iter_mut().zip(&mut self.settled) {
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
