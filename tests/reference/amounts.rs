//! Populations to test with, as they occur and as they are hardest.

use std::fmt::Debug;

use num_bigint::{BigInt, BigUint};
use proptest::prelude::*;
use proptest::sample::Index;

use super::rational::power;

/// From dust to 2^256 − 1, near powers of two, and zero.
pub(super) fn amount() -> impl Strategy<Value = BigUint> {
    prop_oneof![
        4 => (any::<[u64; 4]>(), 0u32..256).prop_map(|(limbs, shift)| {
            let bytes: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
            BigUint::from_bytes_le(&bytes) >> shift
        }),
        2 => (0u64..1000).prop_map(BigUint::from),
        2 => (1u32..=256, 0u8..3).prop_map(|(bits, less)| power(2, bits).max(4u8.into()) - 1u8 - less),
        1 => (50u32..70, 0u8..9).prop_map(|(bits, more)| power(2, bits) + more),
        1 => Just(power(2, 256) - 1u8),
    ]
}

/// Some amounts occur several times, anywhere.
pub(super) fn with_repeats<T: Clone + Debug>(
    amount: impl Strategy<Value = T>,
    size: usize,
) -> impl Strategy<Value = Vec<T>> {
    (prop::collection::vec(amount, 1..size), prop::collection::vec(any::<(Index, Index)>(), 0..size / 2))
        .prop_map(|(mut amounts, repeats)| {
            for (of, at) in repeats {
                let copy = amounts[of.index(amounts.len())].clone();
                amounts.insert(at.index(amounts.len() + 1), copy);
            }
            amounts
        })
}

pub(super) fn groups<T: Clone + Debug, S: Strategy<Value = Vec<T>>>(
    group: S,
) -> impl Strategy<Value = Vec<Vec<T>>> {
    prop::collection::vec(group, 1..4)
}

/// Parts of 300 that add up to 300, so that sums often are exactly 1/3, 1/2, 2/3, 0.66 or 3/4 of the whole.
pub(super) fn parts() -> impl Strategy<Value = Vec<u64>> {
    let cut = prop_oneof![
        4 => prop::sample::select(vec![100u64, 150, 198, 200, 225, 75, 50, 102]),
        2 => (1u64..100).prop_map(|percent| 3 * percent),
        1 => 1u64..300,
    ];
    prop::collection::vec(cut, 0..12).prop_map(|mut cuts| {
        cuts.extend([0, 300]);
        cuts.sort_unstable();
        cuts.dedup();
        cuts.windows(2).map(|cut| cut[1] - cut[0]).collect()
    })
}

/// Supplies of 10⁹ tokens of 18 decimals, shuffled, times an odd factor so that 56 bits do not hold the amounts; a
/// wei more or less here and there breaks a tie either way.
pub(super) fn supply() -> impl Strategy<Value = Vec<BigUint>> {
    let parts = parts().prop_shuffle();
    let wei = prop::collection::vec((any::<Index>(), -1i64..=1), 0..3);
    (parts, any::<u32>(), wei).prop_map(|(parts, factor, wei)| {
        let unit = power(10, 27) / 100u8 * (factor | 1);
        let mut amounts: Vec<BigInt> = parts.iter().map(|part| BigInt::from(&unit * *part)).collect();
        for (at, more) in wei {
            let at = at.index(amounts.len());
            amounts[at] += more;
        }
        amounts.iter().map(|a| a.magnitude().clone()).collect()
    })
}

/// Decimal text: digits, decimals, and zeros written after them.
#[derive(Debug, Clone)]
pub(super) struct Decimal {
    digits: BigUint,
    decimals: u32,
    zeros: usize,
}

impl Decimal {
    pub(super) fn text(&self) -> String {
        let (digits, decimals) = (self.digits.to_string(), self.decimals as usize);
        let digits = format!("{digits:0>width$}", width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let fraction = format!("{fraction}{}", "0".repeat(self.zeros));
        if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
    }

    /// Decimals without trailing zeros, 0 for zero.
    pub(super) fn needed(&self) -> u32 {
        let mut decimals = self.decimals;
        let mut digits = self.digits.clone();
        while decimals > 0 && digits.bits() > 0 && &digits % 10u8 == BigUint::default() {
            digits /= 10u8;
            decimals -= 1;
        }
        if digits.bits() > 0 { decimals } else { 0 }
    }

    /// As a whole number of `10^-unit`.
    pub(super) fn at(&self, unit: u32) -> BigUint {
        &self.digits * power(10, unit) / power(10, self.decimals)
    }
}

pub(super) fn decimal() -> impl Strategy<Value = Decimal> {
    let digits = prop_oneof![
        (any::<u128>(), 0u32..128).prop_map(|(digits, shift)| BigUint::from(digits >> shift)),
        (1u64..1000, 0u32..20).prop_map(|(digits, zeros)| digits * power(10, zeros)),
        Just(BigUint::default()),
    ];
    let decimals = prop_oneof![Just(0u32), Just(6), Just(18), 0u32..38];
    (digits, decimals, 0usize..3).prop_map(|(digits, decimals, zeros)| Decimal { digits, decimals, zeros })
}

/// Doubles within 200 binary orders of magnitude of each other, subnormal ones among them.
pub(super) fn doubles() -> impl Strategy<Value = Vec<f64>> {
    let least = prop_oneof![Just(-1074), Just(-60), -1074i32..700];
    let one = (any::<u64>(), 0u32..64, 0i32..140);
    (least, prop::collection::vec(one, 1..30)).prop_map(|(least, amounts)| {
        let amount = |(m, shift, more): (u64, u32, i32)| {
            // At most 53 bits, so that nothing is rounded.
            libm::scalbn((m >> 11 >> (shift % 53)) as f64, least + more)
        };
        amounts.into_iter().map(amount).collect()
    })
}
