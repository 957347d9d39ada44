//! The Gini coefficient.

use super::{Doc, Kind, Metric, Value};
use crate::moments::{Moments, Needs};
use crate::numbers::wide::{U384, ratio};

const DOC: Doc = Doc {
    title: "Gini coefficient",
    formula: "2 Σ i·x_(i) / (n A) − (n+1)/n",
    unit: "1",
    range: "0 to 1 − 1/n",
    source: "Gini 1912; computation by ranks: Sen 1973, doi:10.1093/0198281935.001.0001",
    reading: "0: all hold the same. Near 1: one holds nearly everything. Half the mean difference between two \
              holders, in units of the mean.",
    elsewhere: "This is the population form; the sample form is larger by n/(n−1). Tools that keep zero balances \
                as holders report a larger value.",
};

/// `gini`.
pub(super) fn metric() -> Metric {
    Metric {
        name: "gini".into(),
        doc: &DOC,
        kind: Kind::Number,
        needs: Needs::NONE,
        asks: vec![],
        value: Box::new(value),
    }
}

/// `(2 Σ i·x_(i) − (n+1) A) / (n A)`: the subtraction is exact, so nothing cancels.
fn value(m: &Moments) -> Value {
    let (n, a) = (U384::from(m.n()), U384::from(m.amount()));
    let excess = (m.sums.ranked << 1) - (n + U384::from(1u8)) * a;
    Value::clamped(ratio(&excess, &(n * a)), 0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use crate::metrics::testing::{assert_close, number};

    /// `Σ_i Σ_j |x_i − x_j| / (2 n² μ)`.
    fn textbook(x: &[u64]) -> f64 {
        let difference: u128 =
            x.iter().flat_map(|&a| x.iter().map(move |&b| u128::from(a.abs_diff(b)))).sum();
        let total: u128 = x.iter().map(|&a| u128::from(a)).sum();
        difference as f64 / (2 * x.len() as u128 * total) as f64
    }

    #[test]
    fn is_the_textbook_definition() {
        for x in crate::metrics::testing::examples() {
            assert_close(number("gini", &x), textbook(&x), 1e-14);
        }
    }

    #[test]
    fn published_and_closed_forms() {
        // R package ineq, manual: Ilocos-style example, Gini 76922/166465.
        let ineq = [541, 1463, 2445, 3438, 4437, 5401, 6392, 8304, 11904, 22261];
        assert_close(number("gini", &ineq), 76922.0 / 166_465.0, 1e-15);
        let n = 1000;
        let ranks: Vec<u64> = (1..=n).collect();
        assert_close(number("gini", &ranks), (n - 1) as f64 / (3 * n) as f64, 1e-15);
        assert_eq!(number("gini", &[7; 9]), Some(0.0));
        assert_eq!(number("gini", &[7]), Some(0.0));
    }
}
