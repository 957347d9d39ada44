//! The Hoover index.

use super::{Doc, Kind, Metric, Value};
use crate::moments::{Ask, Moments, Needs};
use crate::numbers::wide::{U384, ratio};

const DOC: Doc = Doc {
    title: "Hoover index",
    formula: "Σ|x_i − μ| / (2A) = max_k (k/n − (x_(1)+..+x_(k))/A)",
    unit: "1",
    range: "0 to 1 − 1/n",
    source: "Hoover 1936, doi:10.2307/1927875; also called Robin Hood, Schutz or Pietra index",
    reading: "The part of the total that would have to change hands for all to hold the same. The largest vertical \
              distance between the Lorenz curve and the diagonal.",
    elsewhere: "The relative mean deviation is twice this value.",
};

/// `hoover`.
pub(super) fn metric() -> Metric {
    Metric {
        name: "hoover".into(),
        doc: &DOC,
        kind: Kind::Number,
        needs: Needs::NONE,
        asks: vec![Ask::Mean],
        value: Box::new(value),
    }
}

/// `(k A − n P_k) / (n A)` for the `k` holders of at most the mean: the subtraction is exact.
fn value(m: &Moments) -> Value {
    let poor = m.below_mean();
    let (n, a) = (U384::from(m.n()), U384::from(m.amount()));
    let lack = U384::from(poor.rank) * a - n * U384::from(poor.amount);
    Value::clamped(ratio(&lack, &(n * a)), 0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use crate::metrics::testing::{INEQ, MEXICO, assert_close, examples, number};

    /// `Σ|x_i − μ| / (2A)`, times n above and below.
    fn textbook(x: &[u64]) -> f64 {
        let n = x.len() as u128;
        let total: u128 = x.iter().map(|&a| u128::from(a)).sum();
        let deviation: u128 = x.iter().map(|&a| (n * u128::from(a)).abs_diff(total)).sum();
        deviation as f64 / (2 * n * total) as f64
    }

    #[test]
    fn is_the_textbook_definition() {
        for x in examples() {
            assert_close(number("hoover", &x), textbook(&x), 1e-14);
        }
    }

    #[test]
    fn published_and_exact_values() {
        assert_close(number("hoover", &INEQ), 0.337806746163, 1e-12);
        assert_close(number("hoover", &MEXICO), 0.2600371903862527, 1e-14);
        assert_eq!(number("hoover", &[1, 3]), Some(0.25));
        assert_eq!(number("hoover", &[7; 9]), Some(0.0));
        assert_eq!(number("hoover", &[7]), Some(0.0));
    }
}
