//! The square root of a key in integers: 33 significant bits, rounded to nearest, the same on every device.

use super::key::{Key, exponent, mantissa};

/// Fraction bits of the fixed-point root: `√1` needs 31 to keep 32 significant bits.
pub const FRACTION_BITS: u32 = 31;

/// `√v` for `v >= 1` as `(r, k)`: the root is `r·2^k / 2^31`, `2^31 <= r <= 2^32`, `k <= 127`.
///
/// `r` is nearest to the true root of `v`'s mantissa, so the relative error is at most 2^−32.
#[inline]
pub fn of(key: Key) -> (u64, u32) {
    let (m, e) = (mantissa(key), exponent(key));
    let zeros = m.leading_zeros();
    // Shift to 63 or 64 bits, whichever leaves an even exponent.
    let shift = zeros - ((e + zeros) & 1);
    let x = m << shift;
    let root = floor(x);
    // (root + ½)² = root² + root + ¼: round up where the remainder exceeds the root.
    let r = root + u64::from(x - root * root > root);
    (r, (e + 62 - shift) / 2)
}

/// `⌊√x⌋` for `x >= 2^62`: the processor's root, put right where rounding made it one too large or too small.
#[inline]
fn floor(x: u64) -> u64 {
    // Without its lowest two bits x fits a signed word, which converts faster; the root is off by less than one.
    let root = ((((x >> 2) as i64) as f64).sqrt() * 2.0) as u64;
    let root = root.min(u64::from(u32::MAX));
    let rest = x.wrapping_sub(root * root) as i64;
    if rest < 0 {
        root - 1
    } else if rest as u64 > 2 * root {
        root + 1
    } else {
        root
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::numbers::key;

    fn value((r, k): (u64, u32)) -> f64 {
        libm::scalbn(r as f64, k as i32 - FRACTION_BITS as i32)
    }

    #[test]
    fn squares_are_exact() {
        for root in (1u64..1 << 28).step_by(7919) {
            assert_eq!(value(of(root * root)), root as f64);
        }
        for half in 0..128 {
            let power = ruint::aliases::U256::from(1u8) << (2 * half);
            assert_eq!(value(of(key::of(power).0)), libm::scalbn(1.0, half));
        }
    }

    #[test]
    fn the_floor_is_exact_around_every_kind_of_square() {
        for root in (1u64 << 31..1 << 32).step_by(65_521).chain([1 << 31, (1 << 32) - 1]) {
            let square = root * root;
            for x in [square, square + 1, square + 2 * root - 1, square + 2 * root] {
                assert_eq!(floor(x), root);
            }
            if root > 1 << 31 {
                assert_eq!(floor(square - 1), root - 1);
            }
        }
        assert_eq!(floor(u64::MAX), (1 << 32) - 1);
    }

    proptest! {
        #[test]
        fn the_floor_is_exact(x in 1u64 << 62..) {
            prop_assert_eq!(floor(x), x.isqrt());
        }

        #[test]
        fn within_the_promised_error(m in (1u64 << 55)..(1 << 56), e in 0u32..=200, small in 0u32..55) {
            for k in [(u64::from(e) << 56) | m, m >> small] {
                let (r, shift) = of(k);
                prop_assert!((1 << 31..=1u64 << 32).contains(&r) && shift <= 127);
                let truth = libm::sqrt(libm::scalbn(key::mantissa(k) as f64, key::exponent(k) as i32));
                prop_assert!((value((r, shift)) / truth - 1.0).abs() < libm::exp2(-32.0) * 1.000001);
            }
        }
    }
}
