//! What one unit of a group's integers is worth: a power of ten for text and decimals, of two for doubles.

use num_bigint::BigUint;
use ruint::aliases::U256;

use super::key::{self, Key};
use super::wide::{U320, U384, ratio, to_f64};

/// The worth of 1 in a group's exact amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// `10^−d`.
    Decimal(u8),
    /// `2^u`: every double is a whole number of some power of two.
    Binary(i32),
}

/// `10^k` for every power that fits 256 bits (`k <= 77`).
pub fn power_of_ten(k: u8) -> Option<U256> {
    static POWERS: std::sync::LazyLock<[U256; 78]> = std::sync::LazyLock::new(|| {
        let mut power = U256::from(1u8);
        std::array::from_fn(|k| {
            if k > 0 {
                power *= U256::from(10u8);
            }
            power
        })
    });
    POWERS.get(k as usize).copied()
}

/// A positive finite double as `m·2^x`, `m` odd.
#[inline]
pub fn dyadic(d: f64) -> (u64, i32) {
    let bits = d.to_bits();
    let (fraction, biased) = (bits & ((1 << 52) - 1), (bits >> 52) as i32 & 0x7ff);
    let (m, x) = if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
    (m >> m.trailing_zeros(), x + m.trailing_zeros() as i32)
}

/// The lowest bit set of a positive finite double and the highest, as powers of two: from −1074 to 1023.
#[inline]
pub fn bits_of_double(d: f64) -> (i32, i32) {
    let (m, x) = dyadic(d);
    (x, x + 63 - m.leading_zeros() as i32)
}

/// What a group's amounts ask of its unit. Merging is commutative, so neither row nor file order matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// The largest number of decimals, where the group has exact amounts.
    pub decimals: Option<u8>,
    /// The lowest bit set and the highest, where it has doubles.
    pub bits: Option<(i32, i32)>,
}

impl Span {
    /// The span of one amount with `decimals` after its point.
    pub fn of_decimals(decimals: u8) -> Self {
        Self { decimals: Some(decimals), bits: None }
    }

    /// Takes in another part of the group.
    pub fn merge(&mut self, other: Self) {
        self.decimals = self.decimals.max(other.decimals);
        self.bits = match (self.bits, other.bits) {
            (Some((low, high)), Some((l, h))) => Some((low.min(l), high.max(h))),
            (a, b) => a.or(b),
        };
    }

    /// Makes room for shares of doubles: a unit up to 2^64 times smaller, as far as 256 bits go and 32 of them are left for
    /// sums; tells how many bits it is.
    pub fn refine(&mut self) -> i32 {
        let Some((low, high)) = &mut self.bits else { return 0 };
        let spare = (223 - (*high - *low)).clamp(0, 64);
        *low -= spare;
        spare
    }

    /// The unit that was asked for, if any, instead of its own; `None` where amounts are not counted in it. Doubles may
    /// have bits below it, as they may below their own.
    pub fn counted_in(&self, own: Unit, asked: Option<Unit>) -> Option<Unit> {
        match (asked, own) {
            (None, own) => Some(own),
            (Some(Unit::Decimal(asked)), Unit::Decimal(own)) => {
                (asked >= own).then_some(Unit::Decimal(asked))
            }
            (Some(Unit::Binary(asked)), Unit::Binary(_)) => {
                let highest = self.bits.map_or(asked, |(_, high)| high);
                (highest - asked <= 255).then_some(Unit::Binary(asked))
            }
            // Nothing above zero has no unit of its own.
            (Some(asked @ Unit::Binary(_)), _) if self.decimals.is_none() => Some(asked),
            _ => None,
        }
    }

    /// The group's unit; `None` where doubles and exact amounts are mixed, for they share none.
    pub fn unit(&self) -> Option<Unit> {
        match (self.decimals, self.bits) {
            (Some(_), Some(_)) => None,
            (_, Some((low, high))) => Some(Unit::Binary(low.max(high - 255))),
            (decimals, None) => Some(Unit::Decimal(decimals.unwrap_or(0))),
        }
    }
}

/// A positive double in units of `2^unit`, rounded down, and whether nothing was cut off; zero where it is below
/// the unit. It fits because a unit is at least `2^(E−255)`.
pub fn of_double(d: f64, unit: i32) -> (U256, bool) {
    let (m, x) = dyadic(d);
    if x >= unit {
        return (U256::from(m) << (x - unit) as usize, true);
    }
    (U256::from(m.checked_shr((unit - x) as u32).unwrap_or(0)), false)
}

/// The key of a positive double in units of `2^unit`; `None` where the unit cuts bits off.
#[inline]
pub fn key_of_double(d: f64, unit: i32) -> Option<Key> {
    let (m, x) = dyadic(d);
    (x >= unit).then(|| key::of_shifted(m, (x - unit) as u32))
}

impl Unit {
    /// `unit_log2`: the exponent of two, 0 for decimal units.
    pub fn log2(self) -> i32 {
        match self {
            Self::Decimal(_) => 0,
            Self::Binary(u) => u,
        }
    }

    /// An exact amount as plain decimal text, divided by `10^decimals`, without trailing zeros after its point.
    pub fn plain(self, amount: &U320, decimals: u8) -> String {
        match self {
            Self::Decimal(d) => point(amount.to_string(), d as usize + decimals as usize),
            Self::Binary(_) => self.text(&BigUint::from_bytes_le(amount.as_le_slice()), decimals.into()),
        }
    }

    /// The finer of two units; none where one is of doubles and the other is not.
    pub fn finer(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Decimal(a), Self::Decimal(b)) => Some(Self::Decimal(a.max(b))),
            (Self::Binary(a), Self::Binary(b)) => Some(Self::Binary(a.min(b))),
            _ => None,
        }
    }

    /// How many of a finer unit of its kind it is.
    pub fn times(self, finer: Self) -> BigUint {
        match (finer, self) {
            (Self::Decimal(finer), Self::Decimal(own)) => {
                BigUint::from(10u8).pow(finer.saturating_sub(own).into())
            }
            (Self::Binary(finer), Self::Binary(own)) => BigUint::from(1u8) << own.abs_diff(finer),
            _ => BigUint::from(1u8),
        }
    }

    /// An amount of any size as plain decimal text, divided by `10^decimals`, without trailing zeros after its point.
    pub fn text(self, amount: &BigUint, decimals: usize) -> String {
        match self {
            Self::Decimal(own) => point(amount.to_string(), usize::from(own) + decimals),
            Self::Binary(exponent) if exponent >= 0 => {
                point((amount << exponent.unsigned_abs()).to_string(), decimals)
            }
            // a·2^−k = a·5^k / 10^k
            Self::Binary(exponent) => {
                let k = exponent.unsigned_abs();
                point((amount * BigUint::from(5u8).pow(k)).to_string(), k as usize + decimals)
            }
        }
    }

    /// `amount / (count·10^decimals)` as a double; `None` where no double can hold it.
    pub fn quotient(self, amount: &U320, count: u64, decimals: u8) -> Option<f64> {
        let (shift, tens) = match self {
            Self::Decimal(d) => (0, d as u32 + decimals as u32),
            Self::Binary(u) => (u, decimals as u32),
        };
        // One rounding where the divisor is an integer that fits; it nearly always does.
        let divisor =
            u8::try_from(tens).ok().and_then(power_of_ten).map(|ten| U384::from(ten) * U384::from(count));
        let q = match divisor {
            Some(divisor) => ratio(amount, &divisor),
            None => to_f64(amount) / count as f64 / ten_to_the(tens),
        };
        let q = libm::scalbn(q, shift);
        (q.is_finite() && (q > 0.0 || amount.is_zero())).then_some(q)
    }
}

/// `1e-18` or `2^-52`.
pub fn unit_text(unit: Unit) -> String {
    match unit {
        Unit::Decimal(decimals) => format!("1e-{decimals}"),
        Unit::Binary(exponent) => format!("2^{exponent}"),
    }
}

/// The unit of such a text.
pub fn unit_of(text: &str) -> Option<Unit> {
    let decimals = |text: &str| text.parse().ok().filter(|&decimals: &u8| decimals <= 77).map(Unit::Decimal);
    let twos = |text: &str| text.parse().ok().filter(|x| (-1400..=1100).contains(x)).map(Unit::Binary);
    match text.strip_prefix("1e-") {
        Some(rest) => decimals(rest),
        None if text == "1" => Some(Unit::Decimal(0)),
        None => twos(text.strip_prefix("2^")?),
    }
}

/// `a / b` as a double, off by less than two units of its last place; 0 where `b` is zero.
pub fn quotient(a: &BigUint, b: &BigUint) -> f64 {
    if a.bits() == 0 || b.bits() == 0 {
        return 0.0;
    }
    // 64 or 65 bits of the quotient.
    let shift = 64 + b.bits() as i64 - a.bits() as i64;
    let q = if shift >= 0 { (a << shift as u64) / b } else { a / (b << (-shift) as u64) };
    let digits =
        q.iter_u64_digits().rev().fold(0.0, |q, digit| q * 18_446_744_073_709_551_616.0 + digit as f64);
    libm::scalbn(digits, (-shift) as i32)
}

/// `10^k`, correctly rounded: parsing is, repeated multiplication is not.
fn ten_to_the(k: u32) -> f64 {
    format!("1e{k}").parse().unwrap_or(f64::INFINITY)
}

/// Puts a point before the last `decimals` digits and cuts trailing zeros after it.
pub fn point(digits: String, decimals: usize) -> String {
    if decimals == 0 {
        return digits;
    }
    let digits = format!("{digits:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_text() {
        for unit in [Unit::Decimal(0), Unit::Decimal(18), Unit::Binary(-1074), Unit::Binary(3)] {
            assert_eq!(unit_of(&unit_text(unit)), Some(unit));
        }
        for bad in ["", "1e18", "1e-78", "2^", "2^x", "3", "10"] {
            assert_eq!(unit_of(bad), None, "{bad}");
        }
    }

    /// The span of one positive finite double.
    fn of_one(d: f64) -> Span {
        Span { decimals: None, bits: Some(bits_of_double(d)) }
    }

    #[test]
    fn plain_text() {
        let n = |x: u64| U320::from(x);
        assert_eq!(Unit::Decimal(0).plain(&n(1500), 0), "1500");
        assert_eq!(Unit::Decimal(3).plain(&n(1500), 0), "1.5");
        assert_eq!(Unit::Decimal(0).plain(&n(1500), 5), "0.015");
        assert_eq!(Unit::Decimal(2).plain(&n(0), 0), "0");
        assert_eq!(Unit::Binary(-1).plain(&n(3), 0), "1.5");
        assert_eq!(Unit::Binary(4).plain(&n(3), 1), "4.8");
        assert_eq!(Unit::Binary(-3).plain(&n(1), 2), "0.00125");
    }

    #[test]
    fn doubles_are_refined_as_far_as_sums_have_room() {
        for (bits, spare) in [((0, 10), 64), ((-100, 100), 23), ((-130, 100), 0), ((-300, 100), 0)] {
            let mut span = Span { decimals: None, bits: Some(bits) };
            assert_eq!(span.refine(), spare, "{bits:?}");
            assert_eq!(span.bits, Some((bits.0 - spare, bits.1)));
        }
        assert_eq!(Span::of_decimals(3).refine(), 0);
    }

    #[test]
    fn doubles_and_exact_amounts_share_no_unit() {
        let mut span = Span::of_decimals(18);
        assert_eq!(span.unit(), Some(Unit::Decimal(18)));
        span.merge(of_one(0.5));
        assert_eq!(span.unit(), None);
    }

    #[test]
    fn a_unit_spans_at_most_256_bits() {
        let mut span = of_one(f64::MAX);
        span.merge(of_one(1.5));
        assert_eq!(span.unit(), Some(Unit::Binary(1023 - 255)));
        assert_eq!(of_double(1.5, 768), (U256::ZERO, false));
        assert_eq!(of_double(f64::MAX, 768).0.bit_len(), 256);
        assert_eq!(of_double(5e-324, -1074), (U256::from(1u8), true));
    }

    #[test]
    fn a_mean_beyond_the_doubles_is_none() {
        assert_eq!(Unit::Binary(1000).quotient(&(U320::from(1u8) << 100), 1, 0), None);
        assert_eq!(Unit::Decimal(0).quotient(&U320::ZERO, 1, 0), Some(0.0));
    }

    proptest! {
        #[test]
        fn text_round_trips_through_the_exact_double(d in prop::num::f64::POSITIVE | prop::num::f64::SUBNORMAL) {
            let d = d.abs();
            prop_assume!(d > 0.0 && d.is_finite());
            let unit = of_one(d).unit().unwrap();
            let (a, exact) = of_double(d, unit.log2());
            prop_assert!(exact);
            prop_assert_eq!(unit.plain(&U320::from(a), 0).parse::<f64>().unwrap(), d);
            prop_assert_eq!(unit.quotient(&U320::from(a), 1, 0), Some(d));
        }

        #[test]
        fn keys_of_doubles_are_those_of_their_amounts(d in 1e-9f64..1e30, down in 0i32..130) {
            let unit = of_one(d).unit().unwrap().log2();
            let (a, _) = of_double(d, unit - down);
            prop_assert_eq!(key_of_double(d, unit - down), Some(key::of(a).0));
            prop_assert!(key::of(a).1);
            prop_assert_eq!(key_of_double(d, unit + 1), None);
        }

        #[test]
        fn rounding_down_loses_less_than_a_unit(d in 1e-9f64..1e9, up in 1i32..60) {
            let unit = of_one(d).unit().unwrap().log2() + up;
            let (a, exact) = of_double(d, unit);
            prop_assert!(!exact);
            let back = libm::scalbn(a.as_limbs()[0] as f64, unit);
            prop_assert!(back <= d && d - back < libm::scalbn(1.0, unit));
        }
    }
}
