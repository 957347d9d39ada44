//! Theil's two indices.

use std::f64::consts::LN_2;

use super::{Doc, Kind, Metric, Value, mean_log};
use crate::moments::{Moments, Needs};

const T: Doc = Doc {
    title: "Theil T index",
    formula: "mean((x/μ) ln(x/μ))",
    unit: "nats",
    range: "0 to ln n",
    source: "Theil 1967; decomposition: Shorrocks 1980, doi:10.2307/1913126",
    reading: "The entropy missing from its maximum: 0 where all hold the same, ln n where one holds everything. \
              Sensitive to the top; it splits exactly into parts between and within cohorts.",
    elsewhere: "Some tools divide it by ln n, or use binary logarithms (this value over ln 2).",
};

const L: Doc = Doc {
    title: "Theil L index (mean log deviation)",
    formula: "mean(ln(μ/x))",
    unit: "nats",
    range: "0 and up",
    source: "Theil 1967; Shorrocks 1980, doi:10.2307/1913126",
    reading: "By how much, in logarithms, the typical holder falls short of the mean. Sensitive to the bottom, so \
              dust raises it.",
    elsewhere: "Not defined where zero balances are kept as holders; tools then drop them, or report infinity.",
};

/// `theil_t`, `theil_l`.
pub(super) fn family() -> Vec<Metric> {
    vec![metric("theil_t", &T, t), metric("theil_l", &L, l)]
}

fn metric(name: &str, doc: &'static Doc, value: fn(&Moments) -> Value) -> Metric {
    Metric {
        name: name.into(),
        doc,
        kind: Kind::Number,
        needs: Needs::LOGS,
        asks: vec![],
        value: Box::new(value),
    }
}

/// `ln 2 · (Σ v·log2 v / A − log2 μ)`.
fn t(m: &Moments) -> Value {
    if m.all_equal() {
        return Value::number(0.0);
    }
    let nats = LN_2 * (mean_log::by_amount(m) - mean_log::of_mean(m));
    Value::clamped(nats, 0.0, libm::log(m.n() as f64))
}

fn l(m: &Moments) -> Value {
    Value::clamped(mean_log_deviation(m), 0.0, f64::INFINITY)
}

/// `ln 2 · (log2 μ − (Σ log2 v)/n)`, exactly 0 where all are equal; rounding may leave it just below 0.
pub(super) fn mean_log_deviation(m: &Moments) -> f64 {
    if m.all_equal() {
        return 0.0;
    }
    LN_2 * (mean_log::of_mean(m) - mean_log::by_holder(m))
}

#[cfg(test)]
mod tests {
    use crate::metrics::testing::{INEQ, MEXICO, assert_close, examples, number};

    fn relative(x: &[u64]) -> Vec<f64> {
        let mean = x.iter().map(|&a| a as f64).sum::<f64>() / x.len() as f64;
        x.iter().map(|&a| a as f64 / mean).collect()
    }

    #[test]
    fn are_the_textbook_definitions() {
        for x in examples() {
            let (r, n) = (relative(&x), x.len() as f64);
            assert_close(number("theil_t", &x), r.iter().map(|r| r * r.ln()).sum::<f64>() / n, 1e-9);
            assert_close(number("theil_l", &x), r.iter().map(|r| -r.ln()).sum::<f64>() / n, 1e-9);
        }
    }

    #[test]
    fn published_values() {
        assert_close(number("theil_t", &INEQ), 0.362341242344, 1e-9);
        assert_close(number("theil_l", &INEQ), 0.433594649520, 1e-9);
        assert_close(number("theil_t", &MEXICO), 0.20894344230358597, 1e-9);
        assert_close(number("theil_t", &[3, 2, 1]), 0.087, 5e-4);
        assert_close(number("theil_t", &[3, 2, 1, 1, 1, 1]), 0.115, 5e-4);
        let ranks: Vec<u64> = (1..=100).collect();
        assert_close(number("theil_t", &ranks), 0.188272596003428, 1e-9);
        assert_close(number("theil_l", &ranks), 0.284579580725679, 1e-9);
        let squares: Vec<u64> = (1..=100).map(|i| i * i).collect();
        assert_close(number("theil_t", &squares), 0.42694175865887, 1e-9);
    }

    #[test]
    fn equal_holders_are_exactly_zero() {
        for n in 1..200 {
            for name in ["theil_t", "theil_l"] {
                assert_eq!(number(name, &vec![12_345_678_901; n]), Some(0.0));
            }
        }
    }
}
