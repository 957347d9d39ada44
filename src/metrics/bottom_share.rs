//! The share of the smaller half of the holders.

use super::{Doc, Kind, Metric, Value};
use crate::moments::{Ask, Moments, Needs};
use crate::numbers::wide::ratio;

const DOC: Doc = Doc {
    title: "Share of the smaller half",
    formula: "(x_(1)+..+x_(k)) / A, k = ⌊n/2⌋",
    unit: "1",
    range: "0 to 1/2",
    source: "bottom shares as in Piketty, Saez & Zucman 2018, doi:10.1093/qje/qjx043",
    reading: "What the poorer half of the holders hold together; of an odd number the middle one is left out.",
    elsewhere: "Some tools interpolate on the Lorenz curve, which takes half of the middle holder in.",
};

/// `bottom_50pct_share`.
pub(super) fn metric() -> Metric {
    Metric {
        name: "bottom_50pct_share".into(),
        doc: &DOC,
        kind: Kind::Number,
        needs: Needs::NONE,
        asks: vec![Ask::Below(Box::new(half))],
        value: Box::new(value),
    }
}

/// `⌊n/2⌋`.
fn half(n: u64) -> u64 {
    n / 2
}

fn value(m: &Moments) -> Value {
    Value::clamped(ratio(&m.below(half(m.n())).amount, &m.amount()), 0.0, 0.5)
}

#[cfg(test)]
mod tests {
    use crate::metrics::testing::{assert_close, examples, number};

    #[test]
    fn is_the_textbook_definition() {
        for mut x in examples() {
            x.sort_unstable();
            let sum = |x: &[u64]| x.iter().map(|&a| a as f64).sum::<f64>();
            assert_close(number("bottom_50pct_share", &x), sum(&x[..x.len() / 2]) / sum(&x), 1e-14);
        }
    }

    #[test]
    fn exact_values() {
        assert_eq!(number("bottom_50pct_share", &[7]), Some(0.0));
        assert_eq!(number("bottom_50pct_share", &[7; 8]), Some(0.5));
        assert_eq!(number("bottom_50pct_share", &[4, 3, 1]), Some(0.125));
    }
}
