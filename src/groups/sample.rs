//! Some rows by chance, to know how the amounts of a group are spread before they are read again.

use std::sync::{Mutex, PoisonError};

use ruint::aliases::U256;

use super::chunk::{DROPPED, Ids, Origin, Part};
use super::route::Record;
use super::{Exact, Groups, amount_of};
use crate::columns::{Amounts, Scales, Values};
use crate::numbers::key;
use crate::numbers::unit::Unit;
use crate::numbers::wide::U320;

/// Takes rows of all tasks.
#[derive(Debug)]
pub struct Sampler {
    /// Rows from one to the next, on average.
    step: u64,
    taken: Mutex<Vec<Sample>>,
}

/// A row that was taken, its unit not known yet.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// The registry's number.
    group: u32,
    amount: Raw,
}

/// An amount as it is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Raw {
    /// With decimals after the point.
    Exact(U256, u8),
    /// As it is.
    Double(f64),
}

impl std::fmt::Display for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(digits, decimals) => {
                f.write_str(&Unit::Decimal(*decimals).plain(&U320::from(*digits), 0))
            }
            Self::Double(amount) => write!(f, "{amount}"),
        }
    }
}

/// Rows that are taken, about so many: the size of the hundredth part is then known to four percent.
const SAMPLES: u64 = 1 << 16;

impl Sampler {
    /// Of so many rows in all.
    pub fn of(rows: u64) -> Self {
        Self { step: rows.div_ceil(SAMPLES).max(1), taken: Mutex::default() }
    }

    /// Takes rows that hold something. Which ones is chance, so that no order of rows deceives, but the same chance
    /// in every run.
    pub fn take(&self, origin: &Origin, part: &Part, amounts: &Amounts) {
        let mut state = mix(mix(origin.file as u64) ^ part.first_row);
        let mut gap = |mean: u64| {
            state = mix(state);
            state % (2 * mean - 1)
        };
        let mut taken = vec![];
        let mut row = gap(self.step) / 2;
        while let Ok(at) = usize::try_from(row)
            && at < part.rows
        {
            let group = match &part.ids {
                Ids::All(id) => *id,
                Ids::Each(ids) => ids[at],
            };
            if group != DROPPED && !amounts.values.is_zero(at) {
                taken.push(Sample { group, amount: Raw::of(amounts, at) });
            }
            row += 1 + gap(self.step);
        }
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).extend(taken);
    }

    /// All that were taken.
    pub fn samples(self) -> Vec<Sample> {
        self.taken.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Raw {
    /// Of one row.
    pub fn of(amounts: &Amounts, row: usize) -> Self {
        let exact = |amount| Self::Exact(amount, amounts.scales.at(row));
        match &amounts.values {
            Values::Short(values) => exact(U256::from(values[row])),
            Values::Narrow(values) => exact(U256::from(values[row])),
            Values::Wide(values) => exact(values[row]),
            Values::Double(values) => Self::Double(values[row]),
        }
    }

    /// In its group's unit.
    pub fn amount(self, unit: Unit) -> Option<Exact> {
        let (values, scale) = match self {
            Self::Exact(amount, scale) => (Values::Wide(vec![amount]), scale),
            Self::Double(amount) => (Values::Double(vec![amount]), 0),
        };
        let one = Amounts { values, scales: Scales::Same(scale), nulls: None, negative: vec![] };
        amount_of(&one, 0, unit).ok().map(|(amount, _)| amount)
    }
}

/// Splitmix64's way from one number to the next, a permutation without pattern (Steele, Lea, Flood 2014,
/// doi:10.1145/2660193.2660195).
fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The records of a group's sample. What cannot be scaled is left out: an error comes when it is read again.
pub fn records<R: Record>(samples: &[Sample], groups: &Groups, group: usize) -> Vec<R> {
    let own = samples.iter().filter(|sample| groups.ranks[sample.group as usize] as usize == group);
    own.filter_map(|sample| sample.amount.amount(groups.units[group])).map(record).collect()
}

/// What is kept of an amount.
pub fn record<R: Record>(amount: Exact) -> R {
    let amount: U256 = amount.wide();
    R::of(amount, key::of(amount).0)
}
