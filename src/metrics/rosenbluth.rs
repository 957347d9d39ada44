//! The Rosenbluth index.

use super::{Doc, Kind, Metric, Value};
use crate::moments::{Moments, Needs};
use crate::numbers::wide::{U384, ratio};

const DOC: Doc = Doc {
    title: "Rosenbluth index",
    formula: "1 / (2 Σ i·p_[i] − 1) = 1 / (n (1 − gini))",
    unit: "1",
    range: "1/n to 1",
    source: "Rosenbluth 1955; Hall & Tideman 1967, doi:10.1080/01621459.1967.10482897",
    reading: "Weighs each share by its rank, so that the number of holders counts as well as the inequality among \
              them. Its inverse is a number of equal holders.",
    elsewhere: "Also named after Hall and Tideman; both formulas agree.",
};

/// `rosenbluth`.
pub(super) fn metric() -> Metric {
    Metric {
        name: "rosenbluth".into(),
        doc: &DOC,
        kind: Kind::Number,
        needs: Needs::NONE,
        asks: vec![],
        value: Box::new(value),
    }
}

/// `A / ((2n+1) A − 2 Σ i·x_(i))`: the subtraction is exact, and at least `A`.
fn value(m: &Moments) -> Value {
    let least = 1.0 / m.n() as f64;
    if m.all_equal() {
        return Value::number(least);
    }
    let weight = U384::from(2 * m.n() + 1) * U384::from(m.amount()) - (m.sums.ranked << 1);
    Value::clamped(ratio(&m.amount(), &weight), least, 1.0)
}

#[cfg(test)]
mod tests {
    use crate::metrics::testing::{INEQ, assert_close, examples, number};

    /// `1 / (2 Σ i·p_[i] − 1)`, ranks descending from 1.
    fn textbook(x: &[u64]) -> f64 {
        let mut x = x.to_vec();
        x.sort_unstable_by(|a, b| b.cmp(a));
        let total: f64 = x.iter().map(|&a| a as f64).sum();
        let ranked: f64 = (1..).zip(&x).map(|(i, &a)| f64::from(i) * a as f64 / total).sum();
        1.0 / (2.0 * ranked - 1.0)
    }

    #[test]
    fn is_the_textbook_definition() {
        for x in examples() {
            assert_close(number("rosenbluth", &x), textbook(&x), 1e-13);
        }
    }

    #[test]
    fn published_and_exact_values() {
        assert_close(number("rosenbluth", &INEQ), 0.185905095876, 1e-12);
        let ranks: Vec<u64> = (1..=100).collect();
        assert_close(number("rosenbluth", &ranks), 0.0149253731343284, 1e-15);
        for n in 1..200 {
            assert_eq!(number("rosenbluth", &vec![(1 << 55) - 1; n]), Some(1.0 / n as f64));
        }
    }
}
