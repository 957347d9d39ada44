//! An amount in text is what its digits say, by another way of reading them, or it is refused.

#![no_main]

use concentra::columns::text::parse;
use libfuzzer_sys::fuzz_target;
use num_bigint::BigUint;

fuzz_target!(|text: &str| {
    let Ok(number) = parse(text) else { return };
    let digits = BigUint::from_bytes_be(&number.digits.to_be_bytes::<32>());
    // `whole.fraction` with an exponent or without one, or hexadecimal.
    let text = text.trim().trim_start_matches('-').trim_start_matches('+');
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        assert_eq!(BigUint::parse_bytes(hex.as_bytes(), 16).unwrap_or_default(), digits, "{text}");
        return;
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let all = BigUint::parse_bytes(if all.is_empty() { b"0" } else { all.as_bytes() }, 10).expect(text);
    if all == BigUint::ZERO || digits == BigUint::ZERO {
        // Whatever its exponent.
        assert_eq!(all, digits, "{text}");
        return;
    }
    let exponent: i64 = exponent.parse().expect(text);
    // all · 10^(exponent − len) = digits · 10^−decimals
    let shift = exponent - fraction.len() as i64 + i64::from(number.decimals);
    assert!(shift.unsigned_abs() < 100_000, "{text}");
    let power = BigUint::from(10u8).pow(shift.unsigned_abs() as u32);
    if shift >= 0 {
        assert_eq!(all * power, digits, "{text}");
    } else {
        assert_eq!(all, digits * power, "{text}");
    }
});
