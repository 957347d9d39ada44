//! Shares of the largest holders, by number and by percentile.

use super::{Doc, Kind, Metric, Value};
use crate::moments::{Ask, Needs};
use crate::numbers::wide::ratio;

const BY_NUMBER: Doc = Doc {
    title: "Share of the k largest holders",
    formula: "S_min(k,n) / A",
    unit: "1",
    range: "k/n to 1",
    source: "concentration ratio CR_k: Hall & Tideman 1967, doi:10.1080/01621459.1967.10482897",
    reading: "What the k largest hold together; 1 where there are at most k holders.",
    elsewhere: "Explorers often divide by the total supply instead of the sum of the holders counted.",
};

const BY_PERCENTILE: Doc = Doc {
    title: "Share of the largest holders, by percentile",
    formula: "S_k / A, k = max(1, ⌈n·p⌉)",
    unit: "1",
    range: "p to 1",
    source: "top shares as in Atkinson, Piketty & Saez 2011, doi:10.1257/jel.49.1.3",
    reading: "What the richest p of the holders hold together, at least one holder.",
    elsewhere: "Some tools round n·p down or to nearest, or interpolate on the Lorenz curve.",
};

/// By number of holders, with those that the user adds, then by percentile.
pub(super) fn family(extra: &[u64]) -> Vec<Metric> {
    let mut metrics = of_holders(extra);
    metrics.extend(of_percentiles());
    metrics
}

/// `top_1_share` … `top_1000_share` and those the user adds.
fn of_holders(extra: &[u64]) -> Vec<Metric> {
    let mut ks = vec![1, 10, 100, 1000];
    ks.extend(extra);
    ks.sort_unstable();
    ks.dedup();
    ks.into_iter().map(|k| share(format!("top_{k}_share"), &BY_NUMBER, move |n| k.min(n))).collect()
}

/// `top_0_1pct_share`, `top_1pct_share`, `top_10pct_share`.
fn of_percentiles() -> Vec<Metric> {
    [("0_1", 1000), ("1", 100), ("10", 10)]
        .map(|(p, parts)| {
            share(format!("top_{p}pct_share"), &BY_PERCENTILE, move |n: u64| n.div_ceil(parts).max(1))
        })
        .into()
}

fn share(name: String, doc: &'static Doc, k: impl Fn(u64) -> u64 + Copy + Send + Sync + 'static) -> Metric {
    Metric {
        name,
        doc,
        kind: Kind::Number,
        needs: Needs::NONE,
        asks: vec![Ask::Below(Box::new(move |n| n - k(n)))],
        value: Box::new(move |m| Value::clamped(ratio(&m.largest(k(m.n())), &m.amount()), 0.0, 1.0)),
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::testing::{assert_close, examples, number};

    fn textbook(x: &[u64], k: usize) -> f64 {
        let mut x = x.to_vec();
        x.sort_unstable_by(|a, b| b.cmp(a));
        let sum = |x: &[u64]| x.iter().map(|&a| u128::from(a)).sum::<u128>() as f64;
        sum(&x[..k.min(x.len())]) / sum(&x)
    }

    #[test]
    fn are_the_textbook_definitions() {
        for x in examples() {
            for k in [1, 10, 100, 1000] {
                assert_close(number(&format!("top_{k}_share"), &x), textbook(&x, k), 1e-14);
            }
            for (name, percent) in
                [("top_0_1pct_share", 0.1), ("top_1pct_share", 1.0), ("top_10pct_share", 10.0)]
            {
                let k = (x.len() as f64 * percent / 100.0).ceil() as usize;
                assert_close(number(name, &x), textbook(&x, k), 1e-14);
            }
        }
    }
}
