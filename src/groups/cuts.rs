//! Tail cuts: holders that are too small to count, and those beyond so many of the largest.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;
use num_bigint::BigUint;
use ruint::aliases::U256;

use super::prices::Ratio;
use super::schema::GroupSchema;
use super::{Counts, Exact, Groups};
use crate::columns::text::Number;
use crate::error::{Error, Result};
use crate::numbers::unit::Unit;
use crate::numbers::wide::U320;
use crate::options::{Options, Price, Top};

/// The least amounts that count, and what was cut off.
#[derive(Debug, Default)]
pub struct Cuts {
    /// Of each group, in its unit; none where no amount of 256 bits reaches it. Empty where all amounts count.
    least: Vec<Option<U256>>,
    /// How many were cut off each group, and what they hold.
    below: Mutex<HashMap<u32, (u64, U320)>>,
}

impl Cuts {
    /// For groups whose units are known, and their prices where those are asked for.
    pub fn of(options: &Options, groups: &Groups, schema: &GroupSchema) -> Result<Self> {
        if !options.has_least() {
            return Ok(Self::default());
        }
        let of_group = |group: usize| {
            let unit = groups.units[group];
            let amount = options.min_amount.map(|least| least_amount(least, options.decimals));
            let value = match &options.min_value {
                None => None,
                Some((least, Price::Number(price))) => {
                    let price = least_amount(*price, 0);
                    Some(worth(least_amount(*least, options.decimals), &price))
                }
                Some((least, Price::Column(name))) => {
                    let error = |problem: String, remedy: &str| Error::Group {
                        group: schema.show(&groups.keys[group]),
                        problem,
                        remedy: remedy.into(),
                    };
                    let price = groups.prices.of(group as u32).map_err(|prices| {
                        let problem = format!("its prices in `{name}` differ: {prices}");
                        error(problem, "give each group one price")
                    })?;
                    let price = price.ok_or_else(|| {
                        error(format!("it has no price in `{name}`"), "fill it in, or leave the group out")
                    })?;
                    Some(worth(least_amount(*least, options.decimals), &price))
                }
            };
            // What is worth nothing reaches no value.
            let in_units = [amount, value].into_iter().flatten().map(|least| in_unit(least, unit));
            Ok(in_units.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).flatten())
        };
        let least = (0..groups.keys.len()).map(of_group).collect::<Result<_>>()?;
        Ok(Self { least, below: Mutex::default() })
    }

    /// Whether an amount counts.
    pub fn keeps(&self, group: u32, amount: Exact) -> bool {
        match self.least.get(group as usize) {
            None => true,
            Some(least) => least.is_some_and(|least| amount.wide() >= least),
        }
    }

    /// The least amount that counts in a group, in its unit: zero where all do, none where nothing does.
    pub fn least(&self, group: u32) -> Option<U256> {
        self.least.get(group as usize).map_or(Some(U256::ZERO), |least| *least)
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
            cut_off(options, counts, below.get(&(id as u32)).map_or(0, |cut| cut.0));
        }
        groups.below = below.into_iter().map(|(group, (_, sum))| (group, sum)).collect();
    }
}

/// The counts of a group off which so many holders are cut.
pub fn cut_off(options: &Options, counts: &mut Counts, n: u64) {
    counts.below += n;
    counts.holders -= n;
    let zeros = match (options.has_least(), &options.top_holders) {
        (true, _) | (false, Some(Top::Share(_))) => counts.zero,
        (false, Some(Top::Count(most))) => counts.zero.saturating_sub(most - counts.holders.min(*most)),
        (false, None) => 0,
    };
    counts.below += zeros;
    counts.zero -= zeros;
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

/// A number of tokens, of which `decimals` digits more stand before the point in the unit as written.
pub fn least_amount(least: Number, decimals: u8) -> Ratio {
    let ten = |power: u8| BigUint::from(10u8).pow(power.into());
    (BigUint::from_bytes_le(&least.digits.to_le_bytes::<32>()) * ten(decimals), ten(least.decimals))
}

/// How much is worth a value at a price; beyond all numbers where the price is zero.
fn worth(value: Ratio, price: &Ratio) -> Ratio {
    (value.0 * &price.1, value.1 * &price.0)
}

/// The least integer in a unit that is no less; none where 256 bits do not reach it.
pub fn in_unit((numerator, denominator): Ratio, unit: Unit) -> Option<U256> {
    let (numerator, denominator) = match unit {
        Unit::Decimal(decimals) => (numerator * BigUint::from(10u8).pow(decimals.into()), denominator),
        Unit::Binary(exponent) if exponent < 0 => (numerator << -exponent, denominator),
        Unit::Binary(exponent) => (numerator, denominator << exponent),
    };
    if denominator.bits() == 0 {
        return None;
    }
    let rounded = (numerator + &denominator - 1u8) / denominator;
    (rounded.bits() <= 256).then(|| U256::from_le_slice(&rounded.to_bytes_le()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::text::parse;

    #[test]
    fn least_amounts_are_rounded_up_to_the_unit() {
        let number = |text: &str, decimals| least_amount(parse(text).unwrap(), decimals);
        let least = |text: &str, decimals, unit| in_unit(number(text, decimals), unit);
        assert_eq!(least("1.5", 0, Unit::Decimal(1)), Some(U256::from(15u8)));
        assert_eq!(least("1.5", 0, Unit::Decimal(0)), Some(U256::from(2u8)));
        assert_eq!(least("0.001", 18, Unit::Decimal(0)), Some(U256::from(10u64.pow(15))));
        assert_eq!(least("0.3", 0, Unit::Binary(-2)), Some(U256::from(2u8)));
        assert_eq!(least("9", 0, Unit::Binary(2)), Some(U256::from(3u8)));
        assert_eq!(least("1", 77, Unit::Decimal(70)), None);
        let valued =
            |value: &str, price: &str| in_unit(worth(number(value, 2), &number(price, 0)), Unit::Decimal(0));
        assert_eq!(valued("10", "0.3"), Some(U256::from(3334u16)));
        assert_eq!(valued("10", "0"), None);
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
