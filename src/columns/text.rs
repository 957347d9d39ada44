//! Amounts written as text: decimal with point and exponent, or `0x` hex. Nothing is rounded and nothing guessed.

use ruint::aliases::U256;

use crate::numbers::unit::power_of_ten;

/// A number as it was written: `digits / 10^decimals`, without trailing zeros after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// All digits as one integer.
    pub digits: U256,
    /// How many of them stand after the point.
    pub decimals: u8,
    /// Whether it is below zero; minus zero is not.
    pub negative: bool,
}

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadText {
    /// Nothing is written.
    Empty,
    /// It has thousands separators, or a decimal comma: which, nobody can tell.
    Comma,
    /// `NaN`, `inf` and the like.
    NotFinite,
    /// It has spaces, underscores, units, or is no number at all.
    NotANumber,
    /// It does not fit 256 bits.
    TooLarge,
    /// More than 255 digits after the point.
    TooFine,
}

impl BadText {
    /// What is wrong, after the quoted cell.
    pub fn problem(self) -> &'static str {
        match self {
            Self::Empty => "is empty, which is no amount",
            Self::Comma => "has a comma, which may separate thousands or decimals",
            Self::NotFinite => "is no finite number",
            Self::NotANumber => "is not a number",
            Self::TooLarge => "is beyond 256 bits",
            Self::TooFine => "has more than 255 decimals",
        }
    }

    /// What to do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Empty | Self::NotFinite => "write null where the amount is unknown",
            Self::Comma => "write digits with at most one point",
            Self::NotANumber => "write digits with at most one point and an exponent, or 0x and hex digits",
            Self::TooLarge => "amounts are at most 2^256 − 1",
            Self::TooFine => "round the column when writing it",
        }
    }
}

/// Parses an amount.
pub fn parse(text: &str) -> Result<Number, BadText> {
    let (negative, unsigned) = match text.as_bytes() {
        [] => return Err(BadText::Empty),
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (digits, decimals) = match unsigned {
        [b'0', b'x' | b'X', hex @ ..] => (parse_hex(hex)?, 0),
        decimal => match parse_short(decimal) {
            Some((digits, decimals)) => (U256::from(digits), decimals),
            None => parse_decimal(decimal).ok_or_else(|| complaint(text)).flatten()?,
        },
    };
    Ok(Number { digits, decimals, negative: negative && !digits.is_zero() })
}

/// Digits of which every number fits 128 bits.
const SHORT: usize = 38;

/// What nearly all amounts are: some digits, perhaps with a point among them. `None` for all else.
fn parse_short(text: &[u8]) -> Option<(u128, u8)> {
    let (whole, fraction) = match text.iter().position(|&b| b == b'.') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &text[..0]),
    };
    let zeros = fraction.iter().rev().take_while(|&&b| b == b'0').count();
    let digits = whole.len() + fraction.len();
    let fraction = &fraction[..fraction.len() - zeros];
    if digits == 0 || whole.len() + fraction.len() > SHORT {
        return None;
    }
    let sum = push_digits(push_digits(0, whole)?, fraction)?;
    Some((sum, if sum == 0 { 0 } else { fraction.len() as u8 }))
}

/// Appends digits to a number: eight at a time, as one word.
fn push_digits(mut sum: u128, digits: &[u8]) -> Option<u128> {
    let (eights, rest) = digits.as_chunks::<8>();
    for &eight in eights {
        sum = sum * 100_000_000 + u128::from(eight_digits(u64::from_le_bytes(eight))?);
    }
    let (mut tail, mut power) = (0u64, 1u64);
    for digit in rest.iter().map(|b| b.wrapping_sub(b'0')) {
        if digit > 9 {
            return None;
        }
        tail = tail * 10 + u64::from(digit);
        power *= 10;
    }
    Some(sum * u128::from(power) + u128::from(tail))
}

/// Eight digits in a word, the first in its lowest byte: neighbours are joined to pairs, pairs to fours, fours to eight.
fn eight_digits(word: u64) -> Option<u64> {
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    // Digits are 0x30 to 0x39: their high half is 3, also after six is added. A carry out of a byte needs one above 0xf9,
    // which the first comparison rules out.
    if word & HIGH != ZEROS || (word + 0x0606_0606_0606_0606) & HIGH != ZEROS {
        return None;
    }
    // What overflows belongs to bytes behind the last.
    let pairs = (word & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul(10 << 8 | 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 << 16 | 1) >> 16;
    Some((fours & 0x0000_ffff_0000_ffff).wrapping_mul(10_000 << 32 | 1) >> 32)
}

/// Which of the usual kinds of dirt a text is.
fn complaint(text: &str) -> BadText {
    let lower = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    if text.trim().is_empty() {
        BadText::Empty
    } else if ["nan", "inf", "infinity"].contains(&lower.as_str()) {
        BadText::NotFinite
    } else if text.contains(',') && text.bytes().all(|b| b.is_ascii_digit() || b",.+-eE".contains(&b)) {
        BadText::Comma
    } else {
        BadText::NotANumber
    }
}

fn parse_hex(hex: &[u8]) -> Result<U256, BadText> {
    if hex.is_empty() || !hex.iter().all(u8::is_ascii_hexdigit) {
        return Err(BadText::NotANumber);
    }
    if hex.len() > 64 {
        return Err(BadText::TooLarge);
    }
    Ok(hex.iter().fold(U256::ZERO, |value, &digit| {
        let digit = (digit as char).to_digit(16).unwrap_or(0);
        (value << 4) | U256::from(digit)
    }))
}

/// Digits, an optional point, an optional exponent. `None` where the text is something else.
fn parse_decimal(text: &[u8]) -> Option<Result<(U256, u8), BadText>> {
    let (number, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (whole, fraction) = match number.iter().position(|&b| b == b'.') {
        Some(at) => (&number[..at], &number[at + 1..]),
        None => (number, &number[..0]),
    };
    let all_digits = whole.iter().chain(fraction).all(u8::is_ascii_digit);
    (all_digits && whole.len() + fraction.len() > 0).then(|| scale(whole, fraction, exponent))
}

/// An exponent, saturated: beyond any amount it no longer matters how far.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |value, d| (value * 10 + i64::from(d - b'0')).min(1 << 40));
    Some(if negative { -value } else { value })
}

/// `whole.fraction · 10^exponent` as an integer and its decimals, trailing zeros after the point dropped.
fn scale(whole: &[u8], fraction: &[u8], exponent: i64) -> Result<(U256, u8), BadText> {
    let mut fraction = fraction;
    let mut whole = whole;
    let mut decimals = fraction.len() as i64 - exponent;
    while decimals > 0 {
        let last = if fraction.is_empty() { &mut whole } else { &mut fraction };
        match last.split_last() {
            Some((b'0', rest)) => *last = rest,
            Some(_) => break,
            // Nothing but zeros.
            None => return Ok((U256::ZERO, 0)),
        }
        decimals -= 1;
    }
    let mut sum = Sum::default();
    whole.iter().chain(fraction).try_for_each(|digit| sum.push(digit - b'0'))?;
    let digits = sum.finish()?;
    if digits.is_zero() {
        return Ok((U256::ZERO, 0));
    }
    if decimals > 0 {
        return Ok((digits, u8::try_from(decimals).map_err(|_| BadText::TooFine)?));
    }
    let power = u8::try_from(-decimals).ok().and_then(power_of_ten);
    Ok((power.and_then(|power| digits.checked_mul(power)).ok_or(BadText::TooLarge)?, 0))
}

/// Decimal digits to an integer: 19 at a time fit a machine word.
#[derive(Default)]
struct Sum {
    done: U256,
    word: u64,
    digits: u8,
}

impl Sum {
    fn push(&mut self, digit: u8) -> Result<(), BadText> {
        if self.digits == 19 {
            self.flush()?;
        }
        self.word = self.word * 10 + u64::from(digit);
        self.digits += 1;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BadText> {
        let word = U256::from(self.word);
        self.done = if self.done.is_zero() {
            word
        } else {
            let power = power_of_ten(self.digits).ok_or(BadText::TooLarge)?;
            let shifted = self.done.checked_mul(power).ok_or(BadText::TooLarge)?;
            shifted.checked_add(word).ok_or(BadText::TooLarge)?
        };
        (self.word, self.digits) = (0, 0);
        Ok(())
    }

    fn finish(mut self) -> Result<U256, BadText> {
        self.flush()?;
        Ok(self.done)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ok(text: &str) -> (String, u8) {
        let number = parse(text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert!(!number.negative, "{text}");
        (number.digits.to_string(), number.decimals)
    }

    #[test]
    fn numbers() {
        for (text, digits, decimals) in [
            ("0", "0", 0),
            ("00", "0", 0),
            ("-0.0", "0", 0),
            ("+7", "7", 0),
            ("007", "7", 0),
            ("1.50", "15", 1),
            (".5", "5", 1),
            ("5.", "5", 0),
            ("100", "100", 0),
            ("1.8E+7", "18000000", 0),
            ("1.8e-2", "18", 3),
            ("1200e-2", "12", 0),
            ("1200e-3", "12", 1),
            ("0e99999999999999999999", "0", 0),
            ("0x0", "0", 0),
            ("0XfF", "255", 0),
            ("0x00000000000000000000000000000000000000000000000000000000000000001", "", 0),
            ("5.127042573826e-06", "5127042573826", 18),
            ("1e-255", "1", 255),
            ("186877209.667021338987810827", "186877209667021338987810827", 18),
            (
                "115792089237316195423570985008687907853269984665640564039457584007913129639935",
                "115792089237316195423570985008687907853269984665640564039457584007913129639935",
                0,
            ),
        ] {
            if digits.is_empty() {
                assert_eq!(parse(text), Err(BadText::TooLarge), "65 hex digits");
            } else {
                assert_eq!(ok(text), (digits.to_owned(), decimals), "{text}");
            }
        }
        assert!(parse("-3").unwrap().negative);
    }

    #[test]
    fn dirt() {
        for (text, bad) in [
            ("", BadText::Empty),
            ("  ", BadText::Empty),
            ("1,234.5", BadText::Comma),
            ("1,5", BadText::Comma),
            ("{'coin': 5}", BadText::NotANumber),
            ("NaN", BadText::NotFinite),
            ("-inf", BadText::NotFinite),
            ("1_000", BadText::NotANumber),
            (" 1", BadText::NotANumber),
            ("1 ", BadText::NotANumber),
            ("\u{feff}1", BadText::NotANumber),
            ("1.2.3", BadText::NotANumber),
            ("1e", BadText::NotANumber),
            ("e5", BadText::NotANumber),
            (".", BadText::NotANumber),
            ("-", BadText::NotANumber),
            ("--1", BadText::NotANumber),
            ("0x", BadText::NotANumber),
            ("0xg", BadText::NotANumber),
            ("٣", BadText::NotANumber),
            ("1e-256", BadText::TooFine),
            ("1e78", BadText::TooLarge),
            (
                "115792089237316195423570985008687907853269984665640564039457584007913129639936",
                BadText::TooLarge,
            ),
        ] {
            assert_eq!(parse(text), Err(bad), "{text:?}");
        }
    }

    proptest! {
        /// The quick way answers as the slow one, or not at all.
        #[test]
        fn short_numbers_are_read_alike(text in "[0-9]{0,24}\\.?[0-9]{0,24}|[0-9.,e-]{0,20}|.{8,16}") {
            if let Some((digits, decimals)) = parse_short(text.as_bytes()) {
                prop_assert_eq!(parse_decimal(text.as_bytes()), Some(Ok((U256::from(digits), decimals))));
            }
        }

        #[test]
        fn every_integer_round_trips(limbs in prop::array::uniform4(any::<u64>()), shift in 0usize..256) {
            let value = U256::from_limbs(limbs) >> shift;
            prop_assert_eq!(parse(&value.to_string()).unwrap().digits, value);
            let hex = parse(&format!("{value:#x}")).unwrap();
            prop_assert_eq!((hex.digits, hex.decimals), (value, 0));
        }

        #[test]
        fn the_point_may_move(digits in 1u64.., decimals in 0usize..30, exponent in -20i64..20) {
            let text = digits.to_string();
            let padded = format!("{text:0>width$}", width = decimals + 1);
            let (whole, fraction) = padded.split_at(padded.len() - decimals);
            let a = parse(&format!("{whole}.{fraction}e{exponent}")).unwrap();
            let b = parse(&format!("{text}e{}", exponent - decimals as i64)).unwrap();
            prop_assert_eq!(a, b);
        }

        #[test]
        fn nothing_panics(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
