//! Exact 256-bit amounts: from doubles of tokens to raw units, and back to what encodings need.

use ruint::aliases::U256;

/// No amount exceeds this many tokens: times 10^6 it still fits a signed 64-bit integer.
pub(super) const MAX_TOKENS: f64 = 9e12;

/// 10^`decimals`.
pub(super) fn scale(decimals: u8) -> U256 {
    U256::from(10u64).pow(U256::from(decimals))
}

/// `tokens` in raw units, truncated; the bits below the double's precision are taken from `noise`, since real
/// balances have digits down to the last wei.
pub(super) fn from_tokens(tokens: f64, decimals: u8, noise: u64) -> U256 {
    let tokens = tokens.clamp(0.0, MAX_TOKENS);
    let exponent = (tokens.to_bits() >> 52) as usize;
    if exponent == 0 {
        return U256::ZERO;
    }
    // tokens = mantissa · 2^-shift, and the shift is positive because MAX_TOKENS is below 2^52.
    let mantissa = tokens.to_bits() & ((1 << 52) - 1) | 1 << 52;
    let whole = (U256::from(mantissa) * scale(decimals)) >> (1075 - exponent);
    let spare = whole.bit_len().saturating_sub(53);
    let noise = U256::from_limbs([noise, noise.rotate_left(21), noise.rotate_left(42), 0]);
    let mask = (U256::from(1u8) << spare) - U256::from(1u8);
    (whole & !mask) | (noise & mask)
}

/// The nearest double, ties to even.
pub(super) fn to_f64(amount: &U256) -> f64 {
    let shift = amount.bit_len().saturating_sub(127);
    let top = (*amount >> shift).to::<u128>();
    let lost = (U256::from(top) << shift) != *amount;
    // What was shifted out only matters as "not exactly halfway", which the lowest of 127 bits can carry.
    (top | u128::from(lost)) as f64 * power_of_two(shift)
}

/// The amount in tokens, as a double.
pub(super) fn to_tokens(amount: &U256, decimals: u8) -> f64 {
    to_f64(amount) / to_f64(&scale(decimals))
}

fn power_of_two(exponent: usize) -> f64 {
    f64::from_bits((1023 + exponent as u64) << 52)
}

/// Integer text, appended. Most amounts fit 128 bits, where formatting is several times faster.
pub(super) fn write_integer(text: &mut String, amount: &U256) {
    use std::fmt::Write;
    // Writing to a String cannot fail.
    let _ = match u128::try_from(*amount) {
        Ok(amount) => write!(text, "{amount}"),
        Err(_) => write!(text, "{amount}"),
    };
}

/// Text with a point, in tokens, without trailing zeros, appended.
pub(super) fn write_tokens(text: &mut String, amount: &U256, decimals: u8) {
    let decimals = usize::from(decimals);
    let start = text.len();
    write_integer(text, amount);
    let missing = (decimals + 1).saturating_sub(text.len() - start);
    text.insert_str(start, &"0".repeat(missing));
    text.insert(text.len() - decimals, '.');
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(amount: u128, decimals: u8) -> String {
        let mut text = String::from("x");
        write_tokens(&mut text, &U256::from(amount), decimals);
        text
    }

    #[test]
    fn tokens_have_a_point_and_no_trailing_zeros() {
        assert_eq!(tokens(0, 18), "x0");
        assert_eq!(tokens(1, 18), "x0.000000000000000001");
        assert_eq!(tokens(1_500_000, 6), "x1.5");
        assert_eq!(tokens(400_000_000, 6), "x400");
        assert_eq!(tokens(1200, 0), "x1200");
    }

    #[test]
    fn doubles_of_tokens_become_exact_integers() {
        assert_eq!(from_tokens(0.5, 6, 0), U256::from(500_000));
        assert_eq!(from_tokens(1e-30, 18, u64::MAX), U256::ZERO);
        assert_eq!(from_tokens(0.0, 18, u64::MAX), U256::ZERO);
        assert_eq!(from_tokens(f64::MAX, 6, 0) / scale(6), U256::from(9_000_000_000_000u64));
        let noisy = from_tokens(1e9, 60, 0x1234_5678_9abc_def1);
        assert!((to_tokens(&noisy, 60) / 1e9 - 1.0).abs() < 1e-15);
        assert_ne!(noisy % scale(20), U256::ZERO);
    }

    #[test]
    fn the_nearest_double_is_taken() {
        assert_eq!(to_f64(&U256::from(u64::MAX)), u64::MAX as f64);
        assert_eq!(to_f64(&U256::MAX), 2f64.powi(256));
        let halfway = U256::from((1u64 << 53) | 1) << 146;
        assert_eq!(to_f64(&halfway), 2f64.powi(199));
        assert_eq!(to_f64(&(halfway | U256::from(1u8))), ((1u64 << 53) + 2) as f64 * 2f64.powi(146));
    }
}
