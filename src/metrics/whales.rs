//! The number of large holders.

use super::{Doc, Kind, Metric, Value};
use crate::moments::{Ask, Fraction, Needs};

const DOC: Doc = Doc {
    title: "Whales",
    formula: "#{i: 100·x_i >= A}",
    unit: "holders",
    range: "0 to min(n, 100)",
    source: "a convention of explorers and analytics sites, without a publication of reference",
    reading: "How many hold at least one per cent of the total each.",
    elsewhere: "Elsewhere a whale may be defined by a fixed amount, by its value in dollars, or by the supply \
                instead of the sum of the holders counted.",
};

const LEAST: Fraction = Fraction::new(1, 100);

/// `whales_1pct`.
pub(super) fn metric() -> Metric {
    Metric {
        name: "whales_1pct".into(),
        doc: &DOC,
        kind: Kind::Count,
        needs: Needs::NONE,
        asks: vec![Ask::AtLeast(LEAST)],
        value: Box::new(|m| Value::Count(m.at_least(LEAST))),
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::testing::{count, examples};

    #[test]
    fn is_the_textbook_definition() {
        for x in examples() {
            let total: u128 = x.iter().map(|&a| u128::from(a)).sum();
            let whales = x.iter().filter(|&&a| 100 * u128::from(a) >= total).count() as u64;
            assert_eq!(count("whales_1pct", &x), Some(whales));
        }
    }

    #[test]
    fn exactly_one_per_cent_is_enough() {
        assert_eq!(count("whales_1pct", &[97, 1, 1, 1]), Some(4));
        assert_eq!(count("whales_1pct", &[98, 1, 1, 1]), Some(1));
        assert_eq!(count("whales_1pct", &[7; 100]), Some(100));
        assert_eq!(count("whales_1pct", &[7; 101]), Some(0));
        assert_eq!(count("whales_1pct", &[7]), Some(1));
    }
}
