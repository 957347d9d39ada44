//! The share of the largest holder.

use super::{Doc, Kind, Metric, Value};
use crate::moments::{Moments, Needs};
use crate::numbers::key;
use crate::numbers::wide::ratio;

const DOC: Doc = Doc {
    title: "Share of the largest holder",
    formula: "p_[1]",
    unit: "1",
    range: "1/n to 1",
    source: "dominance index: Berger & Parker 1970, doi:10.1126/science.168.3937.1345",
    reading: "What the largest holds alone; above 1/2 it outvotes all others together.",
    elsewhere: "Explorers often divide by the total supply instead of the sum of the holders counted.",
};

/// `max_share`.
pub(super) fn metric() -> Metric {
    Metric {
        name: "max_share".into(),
        doc: &DOC,
        kind: Kind::Number,
        needs: Needs::NONE,
        asks: vec![],
        value: Box::new(value),
    }
}

fn value(m: &Moments) -> Value {
    Value::clamped(ratio(&key::value(m.sums.last), &m.amount()), 0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use crate::metrics::testing::{assert_close, examples, number};

    #[test]
    fn is_the_textbook_definition() {
        for x in examples() {
            let total: f64 = x.iter().map(|&a| a as f64).sum();
            let largest = *x.iter().max().expect("a holder") as f64;
            assert_close(number("max_share", &x), largest / total, 1e-14);
            assert_eq!(number("max_share", &x), number("top_1_share", &x));
        }
    }

    #[test]
    fn exact_values() {
        assert_eq!(number("max_share", &[7]), Some(1.0));
        assert_eq!(number("max_share", &[7; 8]), Some(0.125));
        assert_eq!(number("max_share", &[97, 1, 1, 1]), Some(0.97));
    }
}
