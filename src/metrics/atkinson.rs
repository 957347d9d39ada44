//! Atkinson's index, with an aversion to inequality of ½ and of 1.

use super::{Doc, Kind, Metric, Value, theil};
use crate::moments::{Moments, Needs};
use crate::numbers::sqrt::FRACTION_BITS;
use crate::numbers::wide::{U384, ratio};

const HALF: Doc = Doc {
    title: "Atkinson index, ε = 0.5",
    formula: "1 − (mean √(x/μ))²",
    unit: "1",
    range: "0 to 1 − 1/n",
    source: "Atkinson 1970, doi:10.1016/0022-0531(70)90039-6",
    reading: "The part of the total that a society mildly averse to inequality would give up to have the rest held \
              equally.",
    elsewhere: "Other tools let ε be chosen; 0.5 is the usual default. Zero balances kept as holders raise it.",
};

const ONE: Doc = Doc {
    title: "Atkinson index, ε = 1",
    formula: "1 − exp(mean ln x)/μ = 1 − exp(−theil_l)",
    unit: "1",
    range: "0 to 1",
    source: "Atkinson 1970, doi:10.1016/0022-0531(70)90039-6",
    reading: "One minus the ratio of the geometric to the arithmetic mean. More averse to inequality than ε = 0.5, \
              so dust weighs more.",
    elsewhere: "It is 1 as soon as one zero balance is kept as a holder.",
};

/// `atkinson_0_5`, `atkinson_1`.
pub(super) fn family() -> Vec<Metric> {
    vec![metric("atkinson_0_5", &HALF, Needs::ROOTS, half), metric("atkinson_1", &ONE, Needs::LOGS, one)]
}

fn metric(name: &str, doc: &'static Doc, needs: Needs, value: fn(&Moments) -> Value) -> Metric {
    Metric { name: name.into(), doc, kind: Kind::Number, needs, asks: vec![], value: Box::new(value) }
}

/// `(n A − (Σ√v)²) / (n A)`, the subtraction in integers. With the roots' fraction bits twice, both sides are below
/// `2^320 · 2^62`; rounded roots of nearly equal holders may exceed it by a little.
fn half(m: &Moments) -> Value {
    if m.all_equal() {
        return Value::number(0.0);
    }
    let whole = (U384::from(m.n()) * U384::from(m.amount())) << (2 * FRACTION_BITS as usize);
    let roots = U384::from(m.sums.roots);
    Value::clamped(ratio(&whole.saturating_sub(roots * roots), &whole), 0.0, 1.0)
}

fn one(m: &Moments) -> Value {
    Value::clamped(-libm::expm1(-theil::mean_log_deviation(m)), 0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use crate::metrics::testing::{INEQ, assert_close, examples, number};

    #[test]
    fn are_the_textbook_definitions() {
        for x in examples() {
            let n = x.len() as f64;
            let mean = x.iter().map(|&a| a as f64).sum::<f64>() / n;
            let roots = x.iter().map(|&a| (a as f64 / mean).sqrt()).sum::<f64>() / n;
            let logs = x.iter().map(|&a| (a as f64).ln()).sum::<f64>() / n;
            assert_close(number("atkinson_0_5", &x), 1.0 - roots * roots, 1e-9);
            assert_close(number("atkinson_1", &x), 1.0 - logs.exp() / mean, 1e-9);
        }
    }

    #[test]
    fn published_values() {
        assert_close(number("atkinson_0_5", &INEQ), 0.179659098046, 1e-9);
        assert_close(number("atkinson_1", &INEQ), 0.351825059735, 1e-9);
        let ranks: Vec<u64> = (1..=100).collect();
        assert_close(number("atkinson_0_5", &ranks), 0.107202991420902, 1e-9);
        assert_close(number("atkinson_1", &ranks), 0.247669517924073, 1e-9);
        // scikit-bio: the Hill number of order ½ is n·(1 − atkinson_0_5).
        let hill = number("atkinson_0_5", &[1, 2, 3, 4, 5]).map(|a| 5.0 * (1.0 - a));
        assert_close(hill, 4.68423304, 1e-8);
    }

    #[test]
    fn equal_holders_are_exactly_zero() {
        for n in 1..200 {
            for name in ["atkinson_0_5", "atkinson_1"] {
                let value = number(name, &vec![12_345_678_901; n]).expect("a defined value");
                assert_eq!(value.to_bits(), 0, "plain zero, not its negative");
            }
        }
    }
}
