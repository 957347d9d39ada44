//! Entropies of the shares: Shannon's, its evenness, and the min-entropy.

use std::f64::consts::LOG2_E;

use super::{Doc, Kind, Metric, Value, mean_log};
use crate::moments::{Moments, Needs};
use crate::numbers::key;
use crate::numbers::wide::{U320, ratio};

const SHANNON: Doc = Doc {
    title: "Shannon entropy",
    formula: "−Σ p_i log2 p_i",
    unit: "bits",
    range: "0 to log2 n",
    source: "Shannon 1948, doi:10.1002/j.1538-7305.1948.tb01338.x",
    reading: "The larger, the more dispersed. Two to its power is a number of equal holders (the Hill number of \
              order 1).",
    elsewhere: "Ecology and R packages often use natural logarithms: this value times ln 2.",
};

const NORMALIZED: Doc = Doc {
    title: "Normalised entropy (evenness)",
    formula: "−Σ p_i log2 p_i / log2 n",
    unit: "1",
    range: "0 to 1",
    source: "Pielou 1966, doi:10.1016/0022-5193(66)90013-0",
    reading: "1: all hold the same. Near 0: one holds nearly everything. Not defined for a single holder.",
    elsewhere: "Some tools report 0 or 1 for a single holder, or one minus this value.",
};

const MIN: Doc = Doc {
    title: "Min-entropy",
    formula: "−log2 p_[1]",
    unit: "bits",
    range: "0 to log2 n",
    source: "the entropy of order ∞: Rényi 1961",
    reading: "The entropy that the largest holder alone leaves: each bit less doubles the largest share.",
    elsewhere: "",
};

/// `shannon_entropy`, `entropy_normalized`, `min_entropy`.
pub(super) fn family() -> Vec<Metric> {
    vec![
        metric("shannon_entropy", &SHANNON, Needs::LOGS, shannon),
        metric("entropy_normalized", &NORMALIZED, Needs::LOGS, normalized),
        metric("min_entropy", &MIN, Needs::NONE, min),
    ]
}

fn metric(name: &str, doc: &'static Doc, needs: Needs, value: fn(&Moments) -> Value) -> Metric {
    Metric { name: name.into(), doc, kind: Kind::Number, needs, asks: vec![], value: Box::new(value) }
}

/// `log2 A − Σ v·log2 v / A`.
fn bits(m: &Moments) -> f64 {
    mean_log::of_amount(m) - mean_log::by_amount(m)
}

/// `log2 n`, the entropy of equal holders.
fn most(m: &Moments) -> f64 {
    libm::log2(m.n() as f64)
}

fn shannon(m: &Moments) -> Value {
    if m.all_equal() {
        return Value::number(most(m));
    }
    Value::clamped(bits(m), 0.0, most(m))
}

fn normalized(m: &Moments) -> Value {
    if m.n() == 1 {
        return Value::Number(None);
    }
    if m.all_equal() {
        return Value::number(1.0);
    }
    Value::clamped(bits(m) / most(m), 0.0, 1.0)
}

/// `log2(1 + (A − x)/x)` of the largest `x`: the subtraction is exact, so a share near 1 keeps its digits.
fn min(m: &Moments) -> Value {
    if m.all_equal() {
        return Value::number(most(m));
    }
    let largest = U320::from(key::value(m.sums.last));
    let odds = ratio(&(m.amount() - largest), &largest);
    Value::clamped(libm::log1p(odds) * LOG2_E, 0.0, most(m))
}

#[cfg(test)]
mod tests {
    use crate::metrics::testing::{INEQ, assert_close, examples, number};

    fn shares(x: &[u64]) -> Vec<f64> {
        let total: f64 = x.iter().map(|&a| a as f64).sum();
        x.iter().map(|&a| a as f64 / total).collect()
    }

    #[test]
    fn are_the_textbook_definitions() {
        for x in examples() {
            let p = shares(&x);
            let entropy: f64 = p.iter().map(|p| -p * p.log2()).sum();
            let largest = p.iter().copied().fold(0.0, f64::max);
            assert_close(number("shannon_entropy", &x), entropy, 1e-9);
            assert_close(number("min_entropy", &x), -largest.log2(), 1e-13);
            if x.len() > 1 {
                assert_close(number("entropy_normalized", &x), entropy / (x.len() as f64).log2(), 1e-9);
            }
        }
    }

    #[test]
    fn published_values() {
        assert_close(number("shannon_entropy", &INEQ), 2.799180181448, 1e-9);
        assert_close(number("shannon_entropy", &[3, 2, 1]), 1.459, 5e-4);
        assert_close(number("shannon_entropy", &[3, 2, 1, 1, 1, 1]), 2.419, 5e-4);
        // scikit-bio: Hill numbers of order 1 and ∞.
        let hill = |name| number(name, &[1, 2, 3, 4, 5]).map(f64::exp2);
        assert_close(hill("shannon_entropy"), 4.43598780, 5e-9);
        assert_close(hill("min_entropy"), 3.0, 1e-14);
    }

    #[test]
    fn equal_holders_are_exact() {
        for n in 1..200 {
            let (x, most) = (vec![12_345_678_901; n], Some(libm::log2(n as f64)));
            assert_eq!(number("shannon_entropy", &x), most);
            assert_eq!(number("min_entropy", &x), most);
            assert_eq!(number("entropy_normalized", &x), (n > 1).then_some(1.0));
        }
    }

    #[test]
    fn a_share_near_one_keeps_its_digits() {
        let dust = 1.0 / (1u64 << 55) as f64;
        let value = number("min_entropy", &[1, 1 << 55]).expect("a defined value");
        assert!((value / (dust * std::f64::consts::LOG2_E) - 1.0).abs() < 1e-14);
    }
}
