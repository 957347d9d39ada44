//! The Herfindahl–Hirschman index, its normalised form and its inverse.

use ruint::Uint;

use super::{Doc, Kind, Metric, Value};
use crate::moments::{Moments, Needs};
use crate::numbers::wide::{U576, ratio};

/// `(n−1) A²` is below `2^32 · 2^576`: 608 bits.
type U640 = Uint<640, 10>;

const HHI: Doc = Doc {
    title: "Herfindahl–Hirschman index",
    formula: "Σ p_i²",
    unit: "1",
    range: "1/n to 1",
    source: "Hirschman 1945; Herfindahl 1950",
    reading: "The chance that two units drawn at random (with replacement) belong to the same holder. Its inverse \
              is the number of equal holders of the same concentration.",
    elsewhere: "Antitrust authorities use shares in per cent: 10⁴ times this value.",
};

const NORMALIZED: Doc = Doc {
    title: "Normalised Herfindahl–Hirschman index",
    formula: "(Σ p_i² − 1/n) / (1 − 1/n)",
    unit: "1",
    range: "0 to 1",
    source: "rescaled from Hirschman 1945 and Herfindahl 1950",
    reading: "0: all hold the same, however many they are. Near 1: one holds nearly everything. It compares groups \
              of different sizes; not defined for a single holder.",
    elsewhere: "Some tools report 0 or 1 for a single holder.",
};

const EFFECTIVE: Doc = Doc {
    title: "Effective number of holders",
    formula: "1 / Σ p_i²",
    unit: "holders",
    range: "1 to n",
    source: "Laakso & Taagepera 1979, doi:10.1177/001041407901200101; Hill number of order 2: Hill 1973, \
             doi:10.2307/1934352",
    reading: "As concentrated as this many holders of equal amounts would be.",
    elsewhere: "Some tools use the exponential of the entropy (the Hill number of order 1), which is larger.",
};

/// `hhi`, `hhi_normalized`, `effective_holders`.
pub(super) fn family() -> Vec<Metric> {
    vec![
        metric("hhi", &HHI, hhi),
        metric("hhi_normalized", &NORMALIZED, normalized),
        metric("effective_holders", &EFFECTIVE, effective),
    ]
}

fn metric(name: &str, doc: &'static Doc, value: fn(&Moments) -> Value) -> Metric {
    Metric {
        name: name.into(),
        doc,
        kind: Kind::Number,
        needs: Needs::SQUARES,
        asks: vec![],
        value: Box::new(value),
    }
}

/// `A²`, below 2^576.
fn amount_squared(m: &Moments) -> U576 {
    let a = U576::from(m.amount());
    a * a
}

/// `Σv² / A²`.
fn hhi(m: &Moments) -> Value {
    let least = 1.0 / m.n() as f64;
    if m.all_equal() {
        return Value::number(least);
    }
    Value::clamped(ratio(&m.sums.squares, &amount_squared(m)), least, 1.0)
}

/// `(n Σv² − A²) / ((n−1) A²)`: the subtraction is exact.
fn normalized(m: &Moments) -> Value {
    if m.n() == 1 {
        return Value::Number(None);
    }
    let a2 = U640::from(amount_squared(m));
    let excess = U640::from(m.n()) * U640::from(m.sums.squares) - a2;
    Value::clamped(ratio(&excess, &(U640::from(m.n() - 1) * a2)), 0.0, 1.0)
}

/// `A² / Σv²`.
fn effective(m: &Moments) -> Value {
    let most = m.n() as f64;
    if m.all_equal() {
        return Value::number(most);
    }
    Value::clamped(ratio(&amount_squared(m), &m.sums.squares), 1.0, most)
}

#[cfg(test)]
mod tests {
    use crate::metrics::testing::{INEQ, MEXICO, assert_close, examples, number};

    /// `Σ p_i²`.
    fn textbook(x: &[u64]) -> f64 {
        let total: f64 = x.iter().map(|&a| a as f64).sum();
        x.iter().map(|&a| (a as f64 / total).powi(2)).sum()
    }

    #[test]
    fn are_the_textbook_definitions() {
        for x in examples() {
            let (hhi, n) = (textbook(&x), x.len() as f64);
            assert_close(number("hhi", &x), hhi, 1e-14);
            assert_close(number("effective_holders", &x), 1.0 / hhi, 1e-13);
            if x.len() > 1 {
                assert_close(number("hhi_normalized", &x), (hhi - 1.0 / n) / (1.0 - 1.0 / n), 1e-14);
            }
        }
    }

    #[test]
    fn published_and_closed_forms() {
        assert_close(number("hhi", &INEQ), 408_080_053.0 / 2_216_847_698.0, 1e-15);
        assert_close(number("hhi", &[3, 2, 1]), 0.3889, 5e-5);
        assert_close(number("hhi", &[3, 2, 1, 1, 1, 1]), 0.2099, 5e-5);
        assert_close(number("hhi", &[8, 6, 3, 3]), 0.2950, 1e-15);
        assert_close(number("hhi", &MEXICO), 0.046937542928579275, 1e-16);
        // scikit-bio: Hill number of order 2.
        assert_close(number("effective_holders", &[1, 2, 3, 4, 5]), 4.09090909, 5e-9);
        for n in [2, 10, 1000] {
            let ranks: Vec<u64> = (1..=n).collect();
            let expected = (2 * (2 * n + 1)) as f64 / (3 * n * (n + 1)) as f64;
            assert_close(number("hhi", &ranks), expected, 1e-15);
        }
    }

    #[test]
    fn equal_holders_are_exact() {
        for n in 1..200 {
            let x = vec![(1 << 55) - 1; n];
            assert_eq!(number("hhi", &x), Some(1.0 / n as f64));
            assert_eq!(number("effective_holders", &x), Some(n as f64));
            assert_eq!(number("hhi_normalized", &x), (n > 1).then_some(0.0));
        }
    }
}
