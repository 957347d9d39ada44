//! Hill's estimate of the tail's exponent.

use std::f64::consts::LN_2;

use super::{Doc, Kind, Metric, Value};
use crate::moments::{Ask, Moments, Needs};
use crate::numbers::log2::{self, FRACTION_BITS};

const DOC: Doc = Doc {
    title: "Hill estimate of the tail exponent",
    formula: "k / Σ_{i<=k} ln(x_[i]/x_[k+1]), k = min(n−1, max(10, ⌈n/100⌉))",
    unit: "1",
    range: "above 0",
    source: "Hill 1975, doi:10.1214/aos/1176343247",
    reading: "The exponent α of a Pareto tail through the largest holders: the smaller, the heavier the tail; below \
              2 the variance, below 1 the mean of such a tail is infinite. Not defined where the top is all equal.",
    elsewhere: "Tools differ in k, which decides much; some report ξ = 1/α.",
};

/// The logarithms are rounded, so a smaller mean than this is no signal: 2^−28 per holder, in their last bits.
const LEAST: i128 = 1 << (FRACTION_BITS - 28);

/// `hill_alpha`.
pub(super) fn metric() -> Metric {
    Metric {
        name: "hill_alpha".into(),
        doc: &DOC,
        kind: Kind::Number,
        needs: Needs::LOGS,
        asks: vec![
            Ask::LogsBelow(Box::new(|n| n.saturating_sub(tail(n) + 1))),
            Ask::LogsBelow(Box::new(|n| n - tail(n))),
        ],
        value: Box::new(value),
    }
}

/// `k = min(n−1, max(10, ⌈n/100⌉))`.
fn tail(n: u64) -> u64 {
    n.saturating_sub(1).min(n.div_ceil(100).max(10))
}

/// The integer logarithm may swap neighbours by its last bit: the sum is signed.
fn value(m: &Moments) -> Value {
    let (n, k) = (m.n(), tail(m.n()));
    if k == 0 {
        return Value::Number(None);
    }
    let top = m.sums.logs - m.below(n - k).logs;
    let threshold = log2::of(m.below(n - k - 1).next);
    // At most 2^72 each.
    let sum = top as i128 - i128::from(k) * i128::from(threshold);
    if sum < i128::from(k) * LEAST {
        return Value::Number(None);
    }
    let mean = sum as f64 / k as f64 / (1u64 << FRACTION_BITS) as f64;
    Value::number(1.0 / (LN_2 * mean))
}

#[cfg(test)]
mod tests {
    use std::f64::consts::LN_2;

    use crate::metrics::testing::{assert_close, examples, number};

    /// `None` for one holder and where the mean of the binary logarithms is below 2^−28.
    fn textbook(x: &[u64]) -> Option<f64> {
        let mut x = x.to_vec();
        x.sort_unstable_by(|a, b| b.cmp(a));
        let k = (x.len() - 1).min(x.len().div_ceil(100).max(10));
        let sum: f64 = x[..k].iter().map(|&a| (a as f64 / x[k] as f64).ln()).sum();
        (k > 0 && sum / LN_2 >= k as f64 * libm::exp2(-28.0)).then(|| k as f64 / sum)
    }

    #[test]
    fn is_the_textbook_definition() {
        for x in examples() {
            match textbook(&x) {
                Some(alpha) => assert_close(number("hill_alpha", &x), alpha, 4e-9 * alpha.max(1.0)),
                None => assert_eq!(number("hill_alpha", &x), None),
            }
        }
    }

    #[test]
    fn closed_forms() {
        // 20 powers of two, k = 10: Σ j·ln 2 for j = 1..10.
        let powers: Vec<u64> = (0..20).map(|i| 1 << i).collect();
        assert_close(number("hill_alpha", &powers), 10.0 / (55.0 * LN_2), 1e-15);
        // Pareto's quantiles, α = 2: (n/i)^(1/2).
        let n = 100_000u64;
        let pareto: Vec<u64> = (1..=n).map(|i| (1e9 * (n as f64 / i as f64).sqrt()) as u64).collect();
        assert_close(number("hill_alpha", &pareto), 2.0, 0.01);
    }

    #[test]
    fn null_without_a_tail() {
        assert_eq!(number("hill_alpha", &[7]), None);
        assert_eq!(number("hill_alpha", &[7; 50]), None);
        // A difference below the logarithm's resolution, and around the threshold 2^−28 (in binary logarithms).
        let pair = |difference: u64| number("hill_alpha", &[1 << 55, (1 << 55) + difference]);
        assert_eq!(pair(1), None);
        assert_eq!(pair(1 << 26), None);
        let alpha = (1u64 << 27) as f64;
        assert_close(pair(1 << 28), alpha, 4e-9 * alpha);
    }

    #[test]
    fn neighbours_that_swap_logarithms_are_null_too() {
        use crate::moments::{Below, Moments, Sums};
        let m = Moments {
            // The larger logarithm is one bit less than that of 2^40, the smaller.
            sums: Sums { n: 2, first: 1 << 40, last: (1 << 40) + 1, logs: (80 << 32) - 1, ..Sums::default() },
            total: Default::default(),
            below: vec![
                Below { next: 1 << 40, ..Below::default() },
                Below { rank: 1, logs: 40 << 32, next: (1 << 40) + 1, ..Below::default() },
            ],
            mean_rank: None,
            exceeding: vec![],
            at_least: vec![],
        };
        assert_eq!(super::value(&m), crate::metrics::Value::Number(None));
    }
}
