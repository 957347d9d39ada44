//! The smallest and the largest positive amount, exactly, whatever the decimals of each.

use std::cmp::Ordering;

use num_bigint::BigUint;
use ruint::aliases::U256;

use crate::columns::{Amounts, Values};
use crate::numbers::unit::Unit;
use crate::numbers::wide::U320;

/// Extremes of positive amounts.
#[derive(Debug, Default)]
pub struct Range {
    /// The smallest and the largest, none where there is no positive amount.
    pub extremes: Option<(Amount, Amount)>,
}

/// A positive amount as it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// An integer and its decimals.
    Exact(U256, u8),
    /// A double.
    Double(f64),
}

impl Amount {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Double(a), Self::Double(b)) => a.total_cmp(b),
            (Self::Exact(a, s), Self::Exact(b, t)) if s == t => a.cmp(b),
            (Self::Exact(a, s), Self::Exact(b, t)) => scaled(a, *t).cmp(&scaled(b, *s)),
            // One column has one kind.
            _ => Ordering::Equal,
        }
    }
}

fn scaled(a: &U256, tens: u8) -> BigUint {
    BigUint::from_bytes_le(a.as_le_slice()) * BigUint::from(10u8).pow(tens.into())
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(a, decimals) => f.write_str(&Unit::Decimal(*decimals).plain(&U320::from(*a), 0)),
            Self::Double(x) => write!(f, "{x}"),
        }
    }
}

impl Range {
    /// Takes in a batch, and says how many of its amounts are zero.
    pub(super) fn take(&mut self, amounts: &Amounts) -> u64 {
        let scale = |row| amounts.scales.at(row);
        match &amounts.values {
            Values::Short(v) => {
                self.each(v.iter().enumerate().map(|(i, &a)| Amount::Exact(U256::from(a), scale(i))))
            }
            Values::Narrow(v) => {
                self.each(v.iter().enumerate().map(|(i, &a)| Amount::Exact(U256::from(a), scale(i))))
            }
            Values::Wide(v) => self.each(v.iter().enumerate().map(|(i, &a)| Amount::Exact(a, scale(i)))),
            Values::Double(v) => self.each(v.iter().map(|&a| Amount::Double(a))),
        }
    }

    fn each(&mut self, amounts: impl Iterator<Item = Amount>) -> u64 {
        let mut zeros = 0;
        for amount in amounts {
            if matches!(amount, Amount::Exact(U256::ZERO, _) | Amount::Double(0.0)) {
                zeros += 1;
                continue;
            }
            let (low, high) = self.extremes.get_or_insert((amount, amount));
            if amount.compare(low).is_lt() {
                *low = amount;
            }
            if amount.compare(high).is_gt() {
                *high = amount;
            }
        }
        zeros
    }
}
