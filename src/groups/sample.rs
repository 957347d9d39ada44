//! Some rows by chance, to know how the amounts of a group are spread before they are read again.

use ruint::aliases::U256;

use super::chunk::{DROPPED, Ids, Origin, Part};
use super::route::Record;
use super::{Exact, Groups, amount_of};
use crate::columns::{Amounts, Scales, Values};
use crate::numbers::key;

/// The rows to take: one of so many.
#[derive(Debug, Clone, Copy)]
pub struct Sampler {
    /// Rows from one to the next, on average.
    pub step: u64,
}

/// A row that was taken, its unit not known yet.
#[derive(Debug)]
pub struct Sample {
    /// The registry's number.
    group: u32,
    /// One row.
    amounts: Amounts,
}

impl Sampler {
    /// Takes rows that hold something. Which ones is chance, so that no order of rows deceives, but the same chance
    /// in every run.
    pub fn take(&self, origin: &Origin, part: &Part, amounts: &Amounts, into: &mut Vec<Sample>) {
        let mut state = mix(mix(origin.file as u64) ^ part.first_row);
        let mut gap = |mean: u64| {
            state = mix(state);
            state % mean.saturating_mul(2).saturating_sub(1).max(1)
        };
        let mut row = gap(self.step) / 2;
        while let Ok(at) = usize::try_from(row)
            && at < part.rows
        {
            let group = match &part.ids {
                Ids::All(id) => *id,
                Ids::Each(ids) => ids[at],
            };
            if group != DROPPED && !amounts.values.is_zero(at) {
                into.push(Sample { group, amounts: one(amounts, at) });
            }
            row = row.saturating_add(1 + gap(self.step));
        }
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

fn one(amounts: &Amounts, row: usize) -> Amounts {
    let values = match &amounts.values {
        Values::Short(values) => Values::Short(vec![values[row]]),
        Values::Narrow(values) => Values::Narrow(vec![values[row]]),
        Values::Wide(values) => Values::Wide(vec![values[row]]),
        Values::Double(values) => Values::Double(vec![values[row]]),
    };
    Amounts { values, scales: Scales::Same(amounts.scales.at(row)), nulls: None, negative: vec![] }
}

/// The records of a group's sample. What cannot be scaled is left out: an error comes when it is read again.
pub fn records<R: Record>(samples: &[Sample], groups: &Groups, group: usize) -> Vec<R> {
    let own = samples.iter().filter(|sample| groups.ranks[sample.group as usize] as usize == group);
    let amount = |sample: &Sample| amount_of(&sample.amounts, 0, groups.units[group]).ok();
    own.filter_map(amount).map(|(amount, _)| record(amount)).collect()
}

/// What is kept of an amount.
pub fn record<R: Record>(amount: Exact) -> R {
    let amount: U256 = amount.wide();
    R::of(amount, key::of(amount).0)
}
