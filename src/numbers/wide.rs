//! Wide unsigned integers for exact sums, and the one way they become doubles.
//!
//! Widths, for at most 2^32 holders of a group, each amount below 2^256 (`L` = log2 in 32 fraction bits, below
//! 2^40; roots in 31 fraction bits, below 2^159): `Σv` < 2^288, `Σ i·v` < 2^320, `Σv²` < 2^544,
//! `Σ v·L` < 2^328, `ΣL` < 2^72, `Σ√v` < 2^191. Each type below is the next multiple of 64 bits above, and the
//! comparisons that multiply a sum by a count (2^32) or by 2^55 stay inside [`U384`].

use ruint::Uint;

/// `Σv` and exact totals: 2^32 amounts of 256 bits are 288 bits.
pub type U320 = Uint<320, 5>;
/// `Σ i·v` (320 bits) and `Σ v·L` (328 bits).
pub type U384 = Uint<384, 6>;
/// `Σv²`: 544 bits.
pub type U576 = Uint<576, 9>;
/// `Σ√v`: 191 bits.
pub type U192 = Uint<192, 3>;

/// The nearest double, ties to even. At most 2^576, so never infinite.
pub fn to_f64<const BITS: usize, const LIMBS: usize>(x: &Uint<BITS, LIMBS>) -> f64 {
    let bits = x.bit_len();
    if bits <= 64 {
        return x.as_limbs()[0] as f64;
    }
    let shift = bits - 64;
    let top = (*x >> shift).as_limbs()[0];
    // The lowest of 64 bits is far below the 53 that stay: it can carry "something was cut off".
    let sticky = u64::from(x.trailing_zeros() < shift);
    libm::scalbn((top | sticky) as f64, shift as i32)
}

/// `a / b` as a double: the nearest one but for one case in some 2^40. `b` must not be zero.
///
/// The quotient of the leading doubles is corrected by its remainder, which a fused multiply-add gives exactly.
pub fn ratio<const A: usize, const AL: usize, const B: usize, const BL: usize>(
    a: &Uint<A, AL>,
    b: &Uint<B, BL>,
) -> f64 {
    let ((a, a_rest), a_shift) = split(a);
    let ((b, b_rest), b_shift) = split(b);
    let q = a / b;
    let rest = libm::fma(-q, b, a) + (a_rest - q * b_rest);
    libm::scalbn(q + rest / b, a_shift - b_shift)
}

/// The 128 leading bits as the sum of two doubles, and how far they were shifted.
fn split<const BITS: usize, const LIMBS: usize>(x: &Uint<BITS, LIMBS>) -> ((f64, f64), i32) {
    let shift = x.bit_len().saturating_sub(127);
    let top = *x >> shift;
    let limbs = top.as_limbs();
    let top = u128::from(limbs[0]) | u128::from(limbs.get(1).copied().unwrap_or(0)) << 64;
    let leading = top as f64;
    // The double as an integer by its bits: the conversion costs more than all the rest.
    let exponent = (leading.to_bits() >> 52) as i32 - 1075;
    let mantissa = u128::from((leading.to_bits() & ((1 << 52) - 1)) | 1 << 52);
    let rounded = if exponent >= 0 { mantissa << exponent } else { top };
    let rest = top.wrapping_sub(rounded) as i128;
    let rest = if exponent < 64 - 1 { rest as i64 as f64 } else { rest as f64 };
    ((leading, rest), shift as i32)
}

/// `log2 x` as a double, for `x >= 1`.
pub fn log2<const BITS: usize, const LIMBS: usize>(x: &Uint<BITS, LIMBS>) -> f64 {
    libm::log2(to_f64(x))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rounds_as_the_decimal_text_does(limbs in prop::array::uniform5(any::<u64>()), shift in 0usize..320) {
            let x = U320::from_limbs(limbs) >> shift;
            // The standard library rounds decimal text correctly.
            prop_assert_eq!(to_f64(&x), x.to_string().parse::<f64>().unwrap());
        }
    }

    proptest! {
        #[test]
        fn quotients_are_rounded_once(
            a in prop::array::uniform5(any::<u64>()), b in prop::array::uniform5(any::<u64>()),
            s in 0usize..310, t in 0usize..310,
        ) {
            let (a, b) = (U320::from_limbs(a) >> s, (U320::from_limbs(b) >> t) | U320::from(1u8));
            let q = ratio(&a, &b);
            // Whole and fraction by long division, with more bits than a double has.
            let shift = (130 + b.bit_len()).saturating_sub(a.bit_len());
            let exact = (ruint::Uint::<1024, 16>::from(a) << shift) / ruint::Uint::<1024, 16>::from(b);
            let expected = libm::scalbn(to_f64(&(exact | ruint::Uint::from(1u8))), -(shift as i32));
            prop_assert_eq!(q, if a.is_zero() { 0.0 } else { expected });
        }
    }

    #[test]
    fn ties_go_to_even() {
        for x in [(1u128 << 90) + (1 << 37), (1 << 90) + (3 << 37), (1 << 90) + (1 << 37) + 1] {
            assert_eq!(to_f64(&U320::from(x)), x as f64);
        }
    }
}
