//! What owners had that are left out: exact sums that need no unit, since no unit is theirs.

use hashbrown::HashMap;
use num_bigint::BigUint;

use crate::columns::{Amounts, Values};
use crate::numbers::unit::{Unit, dyadic, quotient};
use crate::numbers::wide::U320;

/// Sums by group, and by what 1 is worth in them: the order in which amounts come never shows.
#[derive(Debug, Clone, Default)]
pub struct Excluded<G>(HashMap<G, HashMap<Worth, U320>>);

/// `10^-d` or `2^x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Worth {
    Decimal(u8),
    Binary(i32),
}

impl<G: std::hash::Hash + Eq + Copy> Excluded<G> {
    /// Adds the amount of a row, nothing where it is negative.
    pub(super) fn add(&mut self, group: G, amounts: &Amounts, row: usize) {
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
            *self.0.entry(group).or_default().entry(worth).or_default() += amount;
        }
    }

    /// Takes in sums of other rows, whose groups have other names.
    pub(super) fn merge<H: Copy>(&mut self, other: &Excluded<H>, rename: impl Fn(H) -> G) {
        for (&group, sums) in &other.0 {
            let own = self.0.entry(rename(group)).or_default();
            for (&worth, &sum) in sums {
                *own.entry(worth).or_default() += sum;
            }
        }
    }

    /// The share of what is left out in all that a group has, where holders have this total; 0 where nothing is left out.
    pub fn share(&self, group: G, unit: Unit, total: &U320) -> f64 {
        let Some(sums) = self.0.get(&group) else { return 0.0 };
        let own = match unit {
            Unit::Decimal(decimals) => Worth::Decimal(decimals),
            Unit::Binary(exponent) => Worth::Binary(exponent),
        };
        // Everything as integers of one worth: 10^-tens · 2^-twos.
        let worths = sums.keys().chain([&own]);
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
        let mut excluded = Excluded::<u32>::default();
        assert_eq!(excluded.share(0, Unit::Decimal(3), &U320::from(5u8)), 0.0);
        excluded.add(0, &decimal(15, 1), 0);
        excluded.add(0, &decimal(25, 2), 0);
        // 1.75 beside 5.25
        assert_eq!(excluded.share(0, Unit::Decimal(3), &U320::from(5250u16)), 0.25);
        assert_eq!(excluded.share(0, Unit::Decimal(0), &U320::ZERO), 1.0);
        let values = Values::Double(vec![0.75, -0.0, 3e300]);
        let doubles = Amounts { values, scales: Scales::Same(0), nulls: None, negative: vec![] };
        excluded.add(1, &doubles, 0);
        excluded.add(1, &doubles, 1);
        // 0.75 beside 9 halves
        assert_eq!(excluded.share(1, Unit::Binary(-1), &U320::from(9u8)), 0.75 / 5.25);
        excluded.add(2, &doubles, 2);
        assert_eq!(excluded.share(2, Unit::Binary(-1), &U320::from(9u8)), 1.0);
        let mut other = Excluded::<u8>::default();
        other.add(7, &decimal(175, 2), 0);
        excluded.merge(&other, |_| 0u32);
        assert_eq!(excluded.share(0, Unit::Decimal(2), &U320::from(350u16)), 0.5);
    }
}
