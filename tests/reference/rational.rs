//! Every metric of §2 of the metrics, in rationals, by its definition.

use std::collections::HashMap;

use num_bigint::{BigInt, BigUint};
use num_rational::BigRational;

use crate::support::Value;

/// The double nearest to a rational.
pub(super) fn nearest(x: &BigRational) -> f64 {
    let (numerator, denominator) = (x.numer().magnitude(), x.denom().magnitude());
    if numerator.bits() == 0 {
        return 0.0;
    }
    // A quotient of 66 or 67 bits, its lowest one telling whether anything was cut off.
    let shift = 66 + denominator.bits() as i64 - numerator.bits() as i64;
    let (a, b) = if shift >= 0 {
        (numerator << shift, denominator.clone())
    } else {
        (numerator.clone(), denominator << -shift)
    };
    let quotient = &a / &b;
    let sticky = u128::from(&quotient * &b != a);
    let digits = quotient.to_u64_digits();
    let quotient = u128::from(digits[0]) | u128::from(digits.get(1).copied().unwrap_or(0)) << 64;
    let magnitude = libm::scalbn((quotient | sticky) as f64, -i32::try_from(shift).unwrap());
    if x.numer().sign() == num_bigint::Sign::Minus { -magnitude } else { magnitude }
}

pub(super) fn integer(x: &BigUint) -> BigRational {
    BigRational::from_integer(BigInt::from(x.clone()))
}

pub(super) fn whole(x: usize) -> BigRational {
    BigRational::from_integer(BigInt::from(x))
}

pub(super) fn power(base: u8, exponent: u32) -> BigUint {
    BigUint::from(base).pow(exponent)
}

/// A population: exact amounts in units, and what the unit is worth.
pub(super) struct Reference {
    ascending: Vec<BigUint>,
    pub(super) total: BigUint,
}

impl Reference {
    pub(super) fn new(mut amounts: Vec<BigUint>) -> Self {
        amounts.sort();
        let total = amounts.iter().sum();
        Self { ascending: amounts, total }
    }

    pub(super) fn n(&self) -> usize {
        self.ascending.len()
    }

    fn sum(&self, amounts: &[BigUint]) -> BigRational {
        integer(&amounts.iter().sum())
    }

    fn share(&self, amounts: &[BigUint]) -> BigRational {
        self.sum(amounts) / integer(&self.total)
    }

    /// Of the k largest.
    fn top(&self, k: usize) -> f64 {
        nearest(&self.share(&self.ascending[self.n() - k.min(self.n())..]))
    }

    /// `max(1, ⌈n·p⌉)` largest, p one in so many.
    fn top_part(&self, one_in: usize) -> f64 {
        self.top(self.n().div_ceil(one_in).max(1))
    }

    fn mean(&self) -> BigRational {
        integer(&self.total) / whole(self.n())
    }

    /// `Σ_i Σ_j |x_i − x_j| / (2 n² μ)`.
    pub(super) fn gini(&self) -> BigRational {
        let mut differences = BigUint::default();
        for (i, low) in self.ascending.iter().enumerate() {
            for high in &self.ascending[i..] {
                differences += high - low;
            }
        }
        integer(&differences) / (whole(self.n()) * integer(&self.total))
    }

    /// `Σ|x − μ| / (2A)`.
    fn hoover(&self) -> BigRational {
        let mean = self.mean();
        let off = |x: &BigUint| {
            let x = integer(x);
            if x > mean { x - &mean } else { &mean - x }
        };
        self.ascending.iter().map(off).sum::<BigRational>() / (whole(2) * integer(&self.total))
    }

    pub(super) fn hhi(&self) -> BigRational {
        let shares = self.ascending.iter().map(|x| self.share(std::slice::from_ref(x)));
        shares.map(|p| &p * &p).sum()
    }

    /// The smallest k with `S_k > t·A`.
    pub(super) fn nakamoto(&self, numerator: u64, denominator: u64) -> u64 {
        let bound = &self.total * numerator;
        let mut sum = BigUint::default();
        let reach = self.ascending.iter().rev().position(|x| {
            sum += x;
            &sum * denominator > bound
        });
        reach.unwrap() as u64 + 1
    }

    /// `x/μ` of each.
    fn relative(&self) -> Vec<f64> {
        let mean = self.mean();
        self.ascending.iter().map(|x| nearest(&(integer(x) / &mean))).collect()
    }

    /// The mean of the `k` logarithms of the largest over the next one.
    fn hill_logs(&self) -> Option<(usize, f64)> {
        let n = self.n();
        let k = (n - 1).min(n.div_ceil(100).max(10));
        let next = (k > 0).then(|| integer(&self.ascending[n - k - 1]))?;
        let log = |x: &BigUint| nearest(&((integer(x) - &next) / &next)).ln_1p();
        Some((k, self.ascending[n - k..].iter().map(log).sum()))
    }

    fn lorenz(&self) -> Vec<f64> {
        let point = |p: usize| {
            let (i, part) = (self.n() * p / 100, self.n() * p % 100);
            let mut below = self.sum(&self.ascending[..i]);
            if part > 0 {
                below += integer(&self.ascending[i]) * whole(part) / whole(100);
            }
            nearest(&(below / integer(&self.total)))
        };
        (0..=100).map(point).collect()
    }

    /// Every metric by its name. `hill_alpha` is left out where it may or may not be null.
    pub(super) fn metrics(&self) -> HashMap<String, Value> {
        let n = self.n();
        let (size, one) = (whole(n), whole(1));
        let relative = self.relative();
        let mean = |f: &dyn Fn(f64) -> f64| relative.iter().map(|&r| f(r)).sum::<f64>() / n as f64;
        let shares: Vec<f64> = relative.iter().map(|r| r / n as f64).collect();
        let entropy: f64 = shares.iter().map(|p| -p * p.log2()).sum();
        let (gini, hhi) = (self.gini(), self.hhi());
        let several = |x: f64| (n > 1).then_some(x);
        let bottom = 4 * n / 10;
        let mut out = HashMap::new();
        let mut number = |name: &str, x: Option<f64>| out.insert(name.to_owned(), Value::Number(x));
        number("gini", Some(nearest(&gini)));
        number("hoover", Some(nearest(&self.hoover())));
        number("hhi", Some(nearest(&hhi)));
        let excess = (n > 1).then(|| (&hhi - &one / &size) / (&one - &one / &size));
        number("hhi_normalized", excess.map(|x| nearest(&x)));
        number("effective_holders", Some(nearest(&(&one / &hhi))));
        number("rosenbluth", Some(nearest(&(&one / (&size * (&one - &gini))))));
        number("shannon_entropy", Some(entropy));
        number("entropy_normalized", several(entropy / (n as f64).log2()));
        number("min_entropy", Some(-self.top(1).log2()));
        number("theil_t", Some(mean(&|r| r * r.ln())));
        number("theil_l", Some(mean(&|r| -r.ln())));
        number("atkinson_0_5", Some(1.0 - mean(&f64::sqrt).powi(2)));
        number("atkinson_1", Some(1.0 - mean(&f64::ln).exp()));
        let palma = (bottom > 0)
            .then(|| self.sum(&self.ascending[n - n.div_ceil(10)..]) / self.sum(&self.ascending[..bottom]));
        number("palma", palma.map(|x| nearest(&x)));
        number("max_share", Some(self.top(1)));
        for k in [1, 5, 10, 20, 100, 1000] {
            number(&format!("top_{k}_share"), Some(self.top(k)));
        }
        number("top_0_1pct_share", Some(self.top_part(1000)));
        number("top_1pct_share", Some(self.top_part(100)));
        number("top_10pct_share", Some(self.top_part(10)));
        number("bottom_50pct_share", Some(nearest(&self.share(&self.ascending[..n / 2]))));
        match self.hill_logs() {
            None => drop(number("hill_alpha", None)),
            Some((k, logs)) => {
                // Null where the fixed-point mean, in bits, is below 2^−28; its error is below 2^−31.
                let bits = logs / std::f64::consts::LN_2 / k as f64;
                let (least, error) = (2f64.powi(-28), 2f64.powi(-31));
                if bits < least - error {
                    number("hill_alpha", None);
                } else if bits > least + error {
                    number("hill_alpha", Some(k as f64 / logs));
                }
            }
        }
        let mut count = |name: &str, k: u64| out.insert(name.to_owned(), Value::Count(Some(k)));
        for (ending, a, b) in [("1_3", 1, 3), ("1_2", 1, 2), ("2_3", 2, 3), ("0_66", 66, 100), ("3_4", 3, 4)]
        {
            count(&format!("nakamoto_{ending}"), self.nakamoto(a, b));
        }
        let whales = self.ascending.iter().filter(|&x| x * 100u8 >= self.total).count();
        count("whales_1pct", whales as u64);
        out.insert("lorenz".into(), Value::List(Some(self.lorenz())));
        out
    }

    /// Twice the median.
    pub(super) fn median_twice(&self) -> BigUint {
        &self.ascending[(self.n() - 1) / 2] + &self.ascending[self.n() / 2]
    }

    /// Whether 56 bits hold every amount.
    pub(super) fn exact(&self) -> bool {
        self.ascending.iter().all(|x| x.bits() - x.trailing_zeros().unwrap() <= 56)
    }
}

/// What a whole number of units is worth.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    /// `10^−d`.
    Decimals(u32),
    /// `2^u`.
    Binary(i32),
}

impl Unit {
    pub(super) fn worth(self) -> BigRational {
        let one = BigInt::from(1);
        match self {
            Self::Decimals(d) => BigRational::new(one, power(10, d).into()),
            Self::Binary(u) if u < 0 => BigRational::new(one, power(2, u.unsigned_abs()).into()),
            Self::Binary(u) => integer(&power(2, u.unsigned_abs())),
        }
    }
}

/// A rational that is a finite decimal, as plain text.
pub(super) fn plain(x: &BigRational) -> String {
    let floor = x.to_integer();
    let (mut rest, mut text) = (x - &floor, floor.to_string());
    if rest > whole(0) {
        text.push('.');
    }
    while rest > whole(0) {
        rest *= whole(10);
        text += &rest.to_integer().to_string();
        rest = rest.fract();
    }
    text
}
