//! The Palma ratio.

use super::{Doc, Kind, Metric, Value};
use crate::moments::{Ask, Moments, Needs};
use crate::numbers::wide::ratio;

const DOC: Doc = Doc {
    title: "Palma ratio",
    formula: "(share of the top ⌈n/10⌉) / (share of the bottom ⌊4n/10⌋)",
    unit: "1",
    range: "1/4 and up",
    source: "Palma 2011, doi:10.1111/j.1467-7660.2011.01694.x; as a ratio: Cobham & Sumner 2013",
    reading: "How many times what the bottom 40 % hold together the top 10 % hold; 1/4 where all hold the same. Not \
              defined below three holders.",
    elsewhere: "National statistics take the shares of interpolated deciles; here holders are whole.",
};

/// `palma`.
pub(super) fn metric() -> Metric {
    Metric {
        name: "palma".into(),
        doc: &DOC,
        kind: Kind::Number,
        needs: Needs::NONE,
        asks: vec![Ask::Below(Box::new(|n| n - top(n))), Ask::Below(Box::new(bottom))],
        value: Box::new(value),
    }
}

/// `⌈n/10⌉`.
fn top(n: u64) -> u64 {
    n.div_ceil(10)
}

/// `⌊4n/10⌋`.
fn bottom(n: u64) -> u64 {
    4 * n / 10
}

fn value(m: &Moments) -> Value {
    let poor = m.below(bottom(m.n())).amount;
    if poor.is_zero() {
        return Value::Number(None);
    }
    Value::clamped(ratio(&m.largest(top(m.n())), &poor), 0.25, f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use crate::metrics::testing::{assert_close, examples, number};

    #[test]
    fn is_the_textbook_definition() {
        for mut x in examples() {
            x.sort_unstable();
            let n = x.len() as f64;
            let (top, bottom) = ((n / 10.0).ceil() as usize, (n * 4.0 / 10.0).floor() as usize);
            let sum = |x: &[u64]| x.iter().map(|&a| a as f64).sum::<f64>();
            if bottom == 0 {
                assert_eq!(number("palma", &x), None);
            } else {
                assert_close(number("palma", &x), sum(&x[x.len() - top..]) / sum(&x[..bottom]), 1e-14);
            }
        }
    }

    #[test]
    fn exact_values() {
        assert_eq!(number("palma", &[7]), None);
        assert_eq!(number("palma", &[9, 1]), None);
        assert_eq!(number("palma", &[3, 2, 1]), Some(3.0));
        assert_eq!(number("palma", &[7; 30]), Some(0.25));
        let ranks: Vec<u64> = (1..=10).collect();
        assert_eq!(number("palma", &ranks), Some(1.0));
    }
}
