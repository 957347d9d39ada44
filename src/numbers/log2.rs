//! The binary logarithm of a key in integers: 32 fraction bits, u32 arithmetic only, the same on every device.
//!
//! `v = m·2^e` is normalised to `f` in [1, 2); a table of 256 reciprocals brings `f` to `1 + t`, `t < 2^−8`, and
//! four terms of the series give `log2(1 + t)` in 39 fraction bits. The result is within 2^−32.5 of the true
//! value, exact at powers of two, and below `B` for every `v < 2^B`. Neighbouring values may swap order by one last
//! bit, so differences of logarithms are taken as signed.

use super::key::{Key, exponent, mantissa};

/// Fraction bits of [`of`].
pub const FRACTION_BITS: u32 = 32;

/// `1/((k+1)·ln 2)` in 31 fraction bits, the coefficients of `log2(1 + t)/t`.
const C: [u32; 4] = [3_098_164_009, 1_549_082_005, 1_032_721_336, 774_541_002];

/// For each leading byte of the mantissa's fraction: a reciprocal `r` in 31 fraction bits, rounded up so that
/// `f·r >= 1`, and `−log2 r` in 39 fraction bits.
pub static TABLE: [(u32, u64); 256] = table();

const fn table() -> [(u32, u64); 256] {
    let mut table = [(1u32 << 31, 0u64); 256];
    let mut i = 1;
    while i < 256 {
        let r = ((1u64 << 39).div_ceil(256 + i as u64)) as u32;
        table[i] = (r, (1 << 39) - fraction_of_log2(r));
        i += 1;
    }
    table
}

/// `log2(r / 2^30)` in 39 fraction bits, rounded, for `2^30 <= r < 2^31`: each squaring yields one bit.
const fn fraction_of_log2(r: u32) -> u64 {
    let mut x = (r as u128) << 33; // 63 fraction bits
    let (mut log, mut bit) = (0u64, 0);
    while bit < 41 {
        x = (x * x) >> 63;
        log <<= 1;
        if x >= 1 << 64 {
            x >>= 1;
            log |= 1;
        }
        bit += 1;
    }
    (log + 2) >> 2
}

#[inline]
const fn mulhi(a: u32, b: u32) -> u32 {
    ((a as u64 * b as u64) >> 32) as u32
}

/// `log2 v` in 32 fraction bits, for `v >= 1`: below 2^40.
#[inline]
pub fn of(key: Key) -> u64 {
    let m = mantissa(key);
    let zeros = m.leading_zeros();
    let x = m << zeros; // f in 63 fraction bits
    let (r, neglog) = TABLE[(x >> 55) as usize & 0xff];
    let (hi, lo) = (x >> 32, x & 0xffff_ffff);
    let t62 = (hi * r as u64 + ((lo * r as u64) >> 32)) - (1 << 62);
    let t = (t62 >> 22) as u32; // 40 fraction bits, t < 2^−8
    let p = C[2] - (mulhi(t, C[3]) >> 8);
    let p = C[1] - (mulhi(t, p) >> 8);
    let p = C[0] - (mulhi(t, p) >> 8);
    let fraction = (neglog + mulhi(t, p) as u64 + 64) >> 7;
    let whole = (exponent(key) + 63 - zeros) as u64;
    (whole << FRACTION_BITS) | if fraction > 0xffff_ffff { 0xffff_ffff } else { fraction }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::numbers::{key, wide};

    const UNIT: f64 = 1.0 / (1u64 << FRACTION_BITS) as f64;

    #[test]
    fn exact_at_powers_of_two() {
        for b in 0..256 {
            assert_eq!(of(key::of(ruint::aliases::U256::from(1u8) << b).0), (b as u64) << 32);
        }
    }

    #[test]
    fn below_the_bit_length() {
        for b in 1..=56u64 {
            assert!(of((1 << b) - 1) < b << 32, "2^{b} − 1");
        }
        assert!(of(key::of(ruint::aliases::U256::MAX).0) < 256 << 32);
    }

    #[test]
    fn close_around_every_seam_of_the_table() {
        for cell in 0..256u64 {
            let start = (1 << 55) + (cell << 47);
            for m in (-2000i64..2000).map(|d| start.wrapping_add_signed(d * 3)).filter(|&m| m >= 1 << 55) {
                let error = of(m) as f64 * UNIT - libm::log2(m as f64);
                assert!(error.abs() < 0.75 * UNIT, "{m}: {error}");
            }
        }
    }

    proptest! {
        #[test]
        fn within_the_promised_error(m in (1u64 << 55)..(1 << 56), e in 0u32..=200, small in 0u32..55) {
            let k = (u64::from(e) << 56) | m;
            let truth = libm::log2(m as f64 / (1u64 << 55) as f64);
            let fraction = of(k) as f64 * UNIT - f64::from(e + 55);
            prop_assert!((fraction - truth).abs() < 0.75 * UNIT, "{} {}", fraction, truth);
            prop_assert_eq!(of(k) >> 32, u64::from(e) + 55);
            let m = m >> small;
            let truth = wide::log2(&wide::U320::from(m));
            prop_assert!((of(m) as f64 * UNIT - truth).abs() < 0.75 * UNIT);
        }
    }
}
