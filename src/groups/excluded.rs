//! What owners had that are left out: exact sums that need no unit, since no unit is theirs.

use hashbrown::HashMap;
use num_bigint::BigUint;

use crate::columns::{Amounts, Values};
use crate::numbers::unit::{Unit, dyadic, quotient};
use crate::numbers::wide::U320;

/// Sums by group, and by what 1 is worth in them: the order in which amounts come never shows.
#[derive(Debug, Clone, Default)]
pub struct Excluded(HashMap<u32, Vec<(Worth, U320)>>);

/// The same while rows are read, by the registry's numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Tallied(HashMap<(u32, Worth), U320>);

/// `10^-d` or `2^x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Worth {
    Decimal(u8),
    Binary(i32),
}

impl Worth {
    fn of(unit: Unit) -> Self {
        match unit {
            Unit::Decimal(decimals) => Self::Decimal(decimals),
            Unit::Binary(exponent) => Self::Binary(exponent),
        }
    }
}

impl Tallied {
    /// Adds the amount of a row, nothing where it is negative.
    pub(super) fn add(&mut self, group: u32, amounts: &Amounts, row: usize) {
        let scale = amounts.scales.at(row);
        let (amount, worth) = match &amounts.values {
            Values::Short(values) => (U320::from(values[row]), Worth::Decimal(scale)),
            Values::Narrow(values) => (U320::from(values[row]), Worth::Decimal(scale)),
            Values::Wide(values) => (U320::from(values[row]), Worth::Decimal(scale)),
            Values::Double(values) if values[row] > 0.0 => {
                let (mantissa, exponent) = dyadic(values[row]);
                (U320::from(mantissa), Worth::Binary(exponent))
            }
            Values::Double(_) => return,
        };
        if !amount.is_zero() {
            *self.0.entry((group, worth)).or_default() += amount;
        }
    }
}

impl Excluded {
    /// What is left out of a group, by what 1 is worth in it.
    pub(crate) fn sums(&self, group: u32) -> Vec<(Unit, U320)> {
        let unit = |worth: &Worth| match worth {
            Worth::Decimal(decimals) => Unit::Decimal(*decimals),
            Worth::Binary(exponent) => Unit::Binary(*exponent),
        };
        self.0.get(&group).into_iter().flatten().map(|(worth, sum)| (unit(worth), *sum)).collect()
    }

    /// Adds what owners have in their group's unit.
    pub(crate) fn add_sum(&mut self, group: u32, unit: Unit, sum: U320) {
        if !sum.is_zero() {
            self.note(group, Worth::of(unit), sum);
        }
    }

    fn note(&mut self, group: u32, worth: Worth, sum: U320) {
        let sums = self.0.entry(group).or_default();
        match sums.iter_mut().find(|(other, _)| *other == worth) {
            Some((_, own)) => *own += sum,
            None => sums.push((worth, sum)),
        }
    }

    /// Takes in what was tallied, groups by rank.
    pub(super) fn merge(&mut self, tallied: &Tallied, ranks: &[u32]) {
        for (&(group, worth), &sum) in &tallied.0 {
            self.note(ranks[group as usize], worth, sum);
        }
    }

    /// The share of what is left out in all that a group has, where holders have this total; 0 where nothing is left out.
    pub fn share(&self, group: u32, unit: Unit, total: &U320) -> f64 {
        let Some(sums) = self.0.get(&group) else { return 0.0 };
        let own = Worth::of(unit);
        // Everything as integers of one worth: 10^-tens · 2^-twos.
        let worths = sums.iter().map(|(worth, _)| worth).chain([&own]);
        let (mut tens, mut twos) = (0, 0);
        for worth in worths {
            match worth {
                Worth::Decimal(decimals) => tens = tens.max(u32::from(*decimals)),
                Worth::Binary(exponent) => twos = twos.max(-exponent),
            }
        }
        let integer = |worth: &Worth, sum: &U320| {
            let sum = BigUint::from_bytes_le(sum.as_le_slice());
            match worth {
                Worth::Decimal(decimals) => {
                    (sum * BigUint::from(10u8).pow(tens - u32::from(*decimals))) << twos
                }
                Worth::Binary(exponent) => (sum * BigUint::from(10u8).pow(tens)) << (exponent + twos),
            }
        };
        let excluded: BigUint = sums.iter().map(|(worth, sum)| integer(worth, sum)).sum();
        let all = &excluded + integer(&own, total);
        quotient(&excluded, &all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Scales;

    fn decimal(value: u64, scale: u8) -> Amounts {
        let values = Values::Short(vec![value]);
        Amounts { values, scales: Scales::Same(scale), nulls: None, negative: vec![] }
    }

    #[test]
    fn shares_are_of_all_that_a_group_has() {
        let mut tallied = Tallied::default();
        tallied.add(0, &decimal(15, 1), 0);
        tallied.add(0, &decimal(25, 2), 0);
        let values = Values::Double(vec![0.75, -0.0, 3e300]);
        let doubles = Amounts { values, scales: Scales::Same(0), nulls: None, negative: vec![] };
        (0..3).for_each(|row| tallied.add(if row == 2 { 2 } else { 1 }, &doubles, row));
        let mut excluded = Excluded::default();
        assert_eq!(excluded.share(0, Unit::Decimal(3), &U320::from(5u8)), 0.0);
        excluded.merge(&tallied, &[0, 1, 2]);
        // 1.75 beside 5.25
        assert_eq!(excluded.share(0, Unit::Decimal(3), &U320::from(5250u16)), 0.25);
        assert_eq!(excluded.share(0, Unit::Decimal(0), &U320::ZERO), 1.0);
        // 0.75 beside 9 halves
        assert_eq!(excluded.share(1, Unit::Binary(-1), &U320::from(9u8)), 0.75 / 5.25);
        assert_eq!(excluded.share(2, Unit::Binary(-1), &U320::from(9u8)), 1.0);
        excluded.merge(&tallied, &[0, 1, 2]);
        assert_eq!(excluded.share(0, Unit::Decimal(2), &U320::from(350u16)), 0.5);
        excluded.add_sum(7, Unit::Decimal(1), U320::from(5u8));
        assert_eq!(excluded.share(7, Unit::Decimal(0), &U320::from(2u8)), 0.2);
    }
}
