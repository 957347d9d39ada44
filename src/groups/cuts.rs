//! Tail cuts: holders that are too small to count, and those beyond so many of the largest.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;
use num_bigint::BigUint;
use ruint::aliases::U256;

use super::{Exact, Groups};
use crate::columns::text::Number;
use crate::numbers::unit::Unit;
use crate::numbers::wide::U320;
use crate::options::{Options, Top};

/// The least amounts that count, and what was cut off.
#[derive(Debug, Default)]
pub struct Cuts {
    /// Of each group, in its unit; none where no amount of 256 bits reaches it. Empty where all amounts count.
    least: Vec<Option<U256>>,
    /// How many were cut off each group, and what they hold.
    below: Mutex<HashMap<u32, (u64, U320)>>,
}

impl Cuts {
    /// For groups whose units are known.
    pub fn of(options: &Options, groups: &Groups) -> Self {
        let Some(least) = &options.min_amount else { return Self::default() };
        let mut of_units: HashMap<(i32, u8), Option<U256>> = HashMap::new();
        let of_group = |unit: &Unit| {
            let key = match unit {
                Unit::Decimal(decimals) => (i32::MAX, *decimals),
                Unit::Binary(exponent) => (*exponent, 0),
            };
            *of_units.entry(key).or_insert_with(|| in_unit(least, options.decimals, *unit))
        };
        Self { least: groups.units.iter().map(of_group).collect(), below: Mutex::default() }
    }

    /// Whether an amount counts.
    pub fn keeps(&self, group: u32, amount: Exact) -> bool {
        match self.least.get(group as usize) {
            None => true,
            Some(least) => least.is_some_and(|least| amount.wide() >= least),
        }
    }

    /// Takes note of what is cut off.
    pub fn cut(&self, cut: HashMap<u32, (u64, U320)>) {
        let mut below = self.below.lock().unwrap_or_else(PoisonError::into_inner);
        for (group, (n, sum)) in cut {
            add(&mut below, group, n, sum);
        }
    }

    /// The counts of holders without those cut off, and what these hold. Where a least amount is asked for, zeros
    /// are below it; else those beyond the largest holders are.
    pub fn finish(self, options: &Options, groups: &mut Groups) {
        let below = self.below.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (id, counts) in groups.counts.iter_mut().enumerate() {
            let n = below.get(&(id as u32)).map_or(0, |cut| cut.0);
            counts.below += n;
            counts.holders -= n;
            let zeros = match (&options.min_amount, &options.top_holders) {
                (Some(_), _) | (None, Some(Top::Share(_))) => counts.zero,
                (None, Some(Top::Count(most))) => {
                    counts.zero.saturating_sub(most - counts.holders.min(*most))
                }
                (None, None) => 0,
            };
            counts.below += zeros;
            counts.zero -= zeros;
        }
        groups.below = below.into_iter().map(|(group, (_, sum))| (group, sum)).collect();
    }
}

/// Adds to what is cut off a group.
pub fn add(below: &mut HashMap<u32, (u64, U320)>, group: u32, n: u64, sum: U320) {
    let own = below.entry(group).or_default();
    own.0 += n;
    own.1 += sum;
}

/// How many of a group's holders are kept at most.
pub fn kept(top: Option<&Top>, holders: u64) -> u64 {
    match top {
        None => holders,
        Some(Top::Count(most)) => holders.min(*most),
        Some(Top::Share(share)) => {
            let product = u128::from(holders) * u128::from(share.numerator);
            product.div_ceil(u128::from(share.denominator)) as u64
        }
    }
}

/// The least integer in a unit that is worth the number, of which `decimals` digits more stand before the point.
fn in_unit(least: &Number, decimals: u8, unit: Unit) -> Option<U256> {
    let ten = |power: u32| BigUint::from(10u8).pow(power);
    let digits = BigUint::from_bytes_le(&least.digits.to_le_bytes::<32>()) * ten(decimals.into());
    // numerator / denominator = least · 10^decimals / unit, rounded up.
    let (numerator, denominator) = match unit {
        Unit::Decimal(of_unit) => (digits * ten(of_unit.into()), ten(least.decimals.into())),
        Unit::Binary(exponent) if exponent < 0 => (digits << -exponent, ten(least.decimals.into())),
        Unit::Binary(exponent) => (digits, ten(least.decimals.into()) << exponent),
    };
    let rounded = (numerator + &denominator - 1u8) / denominator;
    (rounded.bits() <= 256).then(|| U256::from_le_slice(&rounded.to_bytes_le()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::text::parse;

    #[test]
    fn least_amounts_are_rounded_up_to_the_unit() {
        let least = |text: &str, decimals, unit| in_unit(&parse(text).unwrap(), decimals, unit);
        assert_eq!(least("1.5", 0, Unit::Decimal(1)), Some(U256::from(15u8)));
        assert_eq!(least("1.5", 0, Unit::Decimal(0)), Some(U256::from(2u8)));
        assert_eq!(least("0.001", 18, Unit::Decimal(0)), Some(U256::from(10u64.pow(15))));
        assert_eq!(least("0.3", 0, Unit::Binary(-2)), Some(U256::from(2u8)));
        assert_eq!(least("9", 0, Unit::Binary(2)), Some(U256::from(3u8)));
        assert_eq!(least("1", 77, Unit::Decimal(70)), None);
    }

    #[test]
    fn so_many_of_so_many() {
        let share = |n, d| Some(Top::Share(crate::moments::Fraction::new(n, d)));
        assert_eq!(kept(share(10, 100).as_ref(), 101), 11);
        assert_eq!(kept(share(100, 100).as_ref(), 7), 7);
        assert_eq!(kept(share(1, 1000).as_ref(), 0), 0);
        assert_eq!(kept(Some(&Top::Count(5)), 3), 3);
    }
}
