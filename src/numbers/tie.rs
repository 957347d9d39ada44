//! The tie rule: what working amounts decide about exact amounts, and what must be read again.
//!
//! Keys know `v <= a < v·(1 + 2^−55)`. A comparison of exact amounts with a bound is therefore certain where the
//! values pass the bound, impossible where they miss it by more than that factor, and open in between.

use ruint::{Uint, aliases::U256};

use super::key::{self, Key};
use super::wide::{U320, U384};

/// Sums of values on either side of what a bound on exact sums leaves open.
///
/// A sum of exact amounts exceeds `bound` for certain where the sum of values exceeds [`Bound::certain`], and only
/// if it exceeds [`Bound::possible`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Values above this are above the bound.
    pub certain: U320,
    /// Values up to this are not.
    pub possible: U320,
}

impl Bound {
    /// `Σa > bound`, where `Σv <= Σa < Σv·(1 + 2^−55)`.
    ///
    /// `Σa >= bound + 1` needs `Σv·(2^55 + 1) > (bound + 1)·2^55`.
    pub fn on_sums(bound: U320, exact: bool) -> Self {
        if exact {
            return Self { certain: bound, possible: bound };
        }
        let numerator = (U384::from(bound) + U384::from(1u8)) << 55;
        let possible = U320::from(numerator / U384::from((1u64 << 55) + 1));
        Self { certain: bound, possible: possible.min(bound) }
    }
}

/// `⌊total·numerator/denominator⌋`: an integer sum exceeds the fraction if and only if it exceeds this.
pub fn fraction(total: &U320, numerator: u64, denominator: u64) -> U320 {
    U320::from(U384::from(*total) * U384::from(numerator) / U384::from(denominator))
}

/// Keys on either side of what `a >= least` leaves open, as `(certain, possible)`: amounts whose key is at least
/// `certain` pass, those below `possible` do not. `None` where no amount of 256 bits passes.
pub fn at_least(least: &U320) -> Option<(Key, Key)> {
    let least = U256::from_limbs_slice_checked(least)?;
    let (key, exact) = key::of(least);
    // The next key up is the next larger value; past the last one nothing is certain.
    Some(if exact { (key, key) } else { (key + 1, key) })
}

/// Narrowing that says when it would lose bits.
trait Narrow {
    fn from_limbs_slice_checked(wide: &U320) -> Option<U256>;
}

impl Narrow for U256 {
    fn from_limbs_slice_checked(wide: &U320) -> Option<U256> {
        (wide.bit_len() <= 256).then(|| Uint::from_limbs_slice(&wide.as_limbs()[..4]))
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;
    use proptest::prelude::*;

    use super::*;

    fn tokens(percent: &[u64]) -> Vec<U256> {
        // 10^9 tokens of 18 decimals.
        let supply = U256::from(10u8).pow(U256::from(27u8));
        percent.iter().map(|&p| supply * U256::from(p) / U256::from(100u8)).collect()
    }

    fn total(amounts: &[U256]) -> U320 {
        amounts.iter().map(|&a| U320::from(a)).fold(U320::ZERO, |s, a| s + a)
    }

    fn big<const B: usize, const L: usize>(x: Uint<B, L>) -> BigUint {
        BigUint::from_bytes_le(x.as_le_slice())
    }

    #[test]
    fn half_of_a_round_supply_is_open_and_not_decided_wrongly() {
        let amounts = tokens(&[50, 30, 20]);
        let a = total(&amounts);
        let bound = Bound::on_sums(fraction(&a, 1, 2), false);
        let top = U320::from(key::value(key::of(amounts[0]).0));
        assert!(top <= bound.certain, "one holder of exactly half does not exceed it");
        assert!(top > bound.possible, "but its value alone cannot tell");
        let two = top + U320::from(key::value(key::of(amounts[1]).0));
        assert!(two > bound.certain);
    }

    #[test]
    fn four_whales_of_exactly_one_percent_and_more() {
        let amounts = tokens(&[97, 1, 1, 1]);
        let least = (total(&amounts) + U320::from(99u8)) / U320::from(100u8);
        let (certain, possible) = at_least(&least).unwrap();
        let one = key::of(amounts[1]).0;
        assert!(one >= possible, "one per cent may pass");
        assert_eq!(
            one >= certain,
            key::of(amounts[1]).1,
            "and passes for certain only where the key is exact"
        );
    }

    #[test]
    fn the_largest_amount_beside_dust() {
        let a = total(&[U256::MAX, U256::from(1u8)]);
        let bound = Bound::on_sums(fraction(&a, 1, 2), false);
        assert!(U320::from(key::value(key::of(U256::MAX).0)) > bound.certain);
        assert_eq!(at_least(&(a + a)), None);
    }

    proptest! {
        #[test]
        fn what_is_certain_is_true_and_what_is_impossible_false(
            amounts in prop::collection::vec(any::<u128>(), 1..20),
            shift in 0u32..100, numerator in 1u64..100, k in 1usize..20,
        ) {
            let amounts: Vec<U256> = amounts.iter().map(|a| U256::from(a >> shift)).collect();
            let k = k.min(amounts.len());
            let a = total(&amounts);
            let exact_sum = total(&amounts[..k]);
            let values = amounts[..k].iter().map(|&a| U320::from(key::value(key::of(a).0)))
                .fold(U320::ZERO, |s, v| s + v);
            let exact = amounts.iter().all(|&a| key::of(a).1);
            let bound = Bound::on_sums(fraction(&a, numerator, 100), exact);
            // The textbook comparison in rationals: Σa/A > numerator/100.
            let truth = big(exact_sum) * 100u8 > big(a) * numerator;
            if values > bound.certain { prop_assert!(truth) }
            if values <= bound.possible { prop_assert!(!truth) }
        }

        #[test]
        fn single_amounts(x in any::<u128>(), y in any::<u128>(), near in -3i64..3, low in 0u32..127) {
            let x = x >> low;
            for least in [y, (x as i128).wrapping_add(near as i128) as u128] {
                let (certain, possible) = at_least(&U320::from(least)).unwrap();
                let k = key::of_u128(x).0;
                if k >= certain { prop_assert!(x >= least) }
                if k < possible { prop_assert!(x < least) }
            }
        }

        #[test]
        fn mixed_decimals_compare_after_scaling(x in any::<u64>(), y in any::<u64>(), d in 0u8..19) {
            // x whole tokens against y of 10^−d: the one unit of the group is 10^−d.
            let scaled = U256::from(x) * super::super::unit::power_of_ten(d).unwrap();
            let truth = big(scaled).cmp(&BigUint::from(y));
            let (kx, ky) = (key::of(scaled).0, key::of(U256::from(y)).0);
            if kx != ky { prop_assert_eq!(kx.cmp(&ky), truth) }
        }
    }
}
