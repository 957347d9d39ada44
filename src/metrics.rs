//! The metrics: each one file with its documentation as data and a pure function of [`Moments`].
//!
//! To add one: write `metrics/name.rs`, and add its line to the `catalog!` below.

use crate::error::{Error, Result, nearest};
use crate::moments::{Ask, Fraction, Moments, Needs};

mod mean_log;
pub mod profits;

/// What a metric is, for help texts, the footer of Parquet results and the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doc {
    /// A few words: "Gini coefficient".
    pub title: &'static str,
    /// In the symbols of the documentation: `x_(i)` ascending, `x_[i]` descending, `A` total, `μ` mean.
    pub formula: &'static str,
    /// "1" for pure numbers, "bits", "nats", "holders".
    pub unit: &'static str,
    /// The values it can take.
    pub range: &'static str,
    /// Who defined it; a DOI where there is one.
    pub source: &'static str,
    /// How to read it.
    pub reading: &'static str,
    /// How other tools define the same name differently; empty where they agree.
    pub elsewhere: &'static str,
}

/// The type of a metric's column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A double.
    Number,
    /// An unsigned integer.
    Count,
    /// A list of doubles of this length.
    List(usize),
}

/// A metric's value for one group; `None` where it is not defined.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A finite double.
    Number(Option<f64>),
    /// An unsigned integer.
    Count(Option<u64>),
    /// Finite doubles.
    List(Option<Vec<f64>>),
}

impl Value {
    /// A double; none where it is not finite, for results never hold NaN or infinity.
    pub fn number(x: f64) -> Self {
        Self::Number(x.is_finite().then_some(x))
    }

    /// A double that can only leave its range by rounding.
    pub fn clamped(x: f64, low: f64, high: f64) -> Self {
        // `clamp` would panic on a NaN bound and keep a NaN value.
        Self::number(if x.is_nan() { x } else { x.max(low).min(high) })
    }
}

/// One column of the result.
pub struct Metric {
    /// The column's name.
    pub name: String,
    /// Its documentation.
    pub doc: &'static Doc,
    /// Its type.
    pub kind: Kind,
    /// The sums it reads beyond `n`, `Σv` and `Σ i·v`.
    pub needs: Needs,
    /// The positions it reads.
    pub asks: Vec<Ask>,
    /// The metric itself. It is never called for a group without holders: every metric of one is null.
    pub value: Box<dyn Fn(&Moments) -> Value + Send + Sync>,
}

/// What the user may add to the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extras {
    /// `--top`: numbers of largest holders.
    pub top: Vec<u64>,
    /// `--threshold`: fractions of the total, with their column names' endings (`0_66`).
    pub thresholds: Vec<(String, Fraction)>,
}

/// Declares the module of each line and enters its metrics, in the order of the result's columns.
macro_rules! catalog {
    ($extras:ident: $($module:ident => $metrics:expr,)*) => {
        $(pub mod $module;)*

        /// Every metric, in the order of the result's columns.
        pub fn catalog($extras: &Extras) -> Vec<Metric> {
            [$($metrics),*].into_iter().flatten().collect()
        }
    };
}

catalog! { extras:
    gini => vec![gini::metric()],
    hoover => vec![hoover::metric()],
    hhi => hhi::family(),
    rosenbluth => vec![rosenbluth::metric()],
    entropy => entropy::family(),
    theil => theil::family(),
    atkinson => atkinson::family(),
    palma => vec![palma::metric()],
    max_share => vec![max_share::metric()],
    top_share => top_share::family(&extras.top),
    bottom_share => vec![bottom_share::metric()],
    nakamoto => nakamoto::of_thresholds(&extras.thresholds),
    whales => vec![whales::metric()],
    hill => vec![hill::metric()],
    lorenz => vec![lorenz::metric()],
}

/// Every metric's value for a group.
pub fn values(metrics: &[Metric], moments: &Moments) -> Vec<Value> {
    metrics.iter().map(|metric| (metric.value)(moments)).collect()
}

/// The metrics of these names, all where there are none, in the order of the catalog. What the user added to the
/// catalog was asked for, and stays.
pub fn select(all: Vec<Metric>, names: &[String]) -> Result<Vec<Metric>> {
    for name in names {
        if all.iter().any(|m| m.name == *name) {
            continue;
        }
        let family = [("nakamoto_", "--threshold"), ("top_", "--top")].into_iter();
        if let Some((_, flag)) = family.into_iter().find(|(family, _)| name.starts_with(family)) {
            return Err(Error::Usage(format!("there is no metric `{name}`; add it with {flag}")));
        }
        let near = nearest(name, all.iter().map(|m| m.name.as_str()));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(Error::Usage(format!("there is no metric `{name}`{hint}")));
    }
    let standard: Vec<String> = catalog(&Extras::default()).into_iter().map(|m| m.name).collect();
    let wanted = |m: &Metric| names.is_empty() || names.contains(&m.name) || !standard.contains(&m.name);
    Ok(all.into_iter().filter(wanted).collect())
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use std::f64::consts::LN_2;

    use proptest::prelude::*;

    use super::testing::{assert_close, examples, moments, number, value};
    use super::*;
    use crate::moments::{Below, Sums};
    use crate::numbers::key;
    use crate::numbers::wide::{U192, U320, U384, U576};
    use crate::numbers::{log2, sqrt};

    const NAMES: [&str; 29] = [
        "gini",
        "hoover",
        "hhi",
        "hhi_normalized",
        "effective_holders",
        "rosenbluth",
        "shannon_entropy",
        "entropy_normalized",
        "min_entropy",
        "theil_t",
        "theil_l",
        "atkinson_0_5",
        "atkinson_1",
        "palma",
        "max_share",
        "top_1_share",
        "top_10_share",
        "top_100_share",
        "top_1000_share",
        "top_0_1pct_share",
        "top_1pct_share",
        "top_10pct_share",
        "bottom_50pct_share",
        "nakamoto_1_3",
        "nakamoto_1_2",
        "nakamoto_2_3",
        "whales_1pct",
        "hill_alpha",
        "lorenz",
    ];

    fn extras() -> Extras {
        Extras { top: vec![20, 5], thresholds: vec![("0_66".into(), Fraction::new(66, 100))] }
    }

    /// The smallest and largest value of a metric of `n` holders.
    fn bounds(name: &str, n: u64) -> (f64, f64) {
        let n = n as f64;
        match name {
            "gini" | "hoover" | "hhi_normalized" | "entropy_normalized" | "atkinson_0_5" | "atkinson_1" => {
                (0.0, 1.0)
            }
            "hhi" | "rosenbluth" => (1.0 / n, 1.0),
            "effective_holders" => (1.0, n),
            "shannon_entropy" | "min_entropy" => (0.0, libm::log2(n)),
            "theil_t" => (0.0, libm::log(n)),
            "theil_l" | "hill_alpha" => (0.0, f64::MAX),
            "palma" => (0.25, f64::MAX),
            "bottom_50pct_share" => (0.0, 0.5),
            "whales_1pct" => (0.0, n.min(100.0)),
            _ if name.starts_with("nakamoto") => (1.0, n),
            _ => (0.0, 1.0),
        }
    }

    /// Asserts that a value has the metric's type, is finite and within bounds, and null only where the contract
    /// allows it.
    #[track_caller]
    fn assert_sound(metric: &Metric, m: &Moments) {
        let (name, n) = (metric.name.as_str(), m.n());
        let (low, high) = bounds(name, n);
        let check = |x: f64| assert!(x >= low && x <= high, "{name} of {n} is {x}");
        match ((metric.value)(m), metric.kind) {
            (Value::Number(Some(x)), Kind::Number) => check(x),
            (Value::Number(None), Kind::Number) => match name {
                "hhi_normalized" | "entropy_normalized" => assert_eq!(n, 1),
                "palma" => assert!(n < 3),
                _ => assert_eq!(name, "hill_alpha"),
            },
            (Value::Count(Some(k)), Kind::Count) => check(k as f64),
            (Value::List(Some(x)), Kind::List(length)) => {
                assert_eq!(x.len(), length);
                x.into_iter().for_each(check);
            }
            (other, kind) => panic!("{name} is {other:?}, not a {kind:?}"),
        }
    }

    #[test]
    fn names_are_those_of_the_contract_in_order() {
        let names: Vec<String> = catalog(&Extras::default()).into_iter().map(|m| m.name).collect();
        assert_eq!(names, NAMES);
        let mut unique: Vec<String> = catalog(&extras()).into_iter().map(|m| m.name).collect();
        assert_eq!(unique.len(), NAMES.len() + 3);
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), NAMES.len() + 3);
    }

    #[test]
    fn every_metric_is_documented() {
        for Metric { name, doc, .. } in catalog(&extras()) {
            for text in [doc.title, doc.formula, doc.unit, doc.range, doc.source, doc.reading] {
                assert!(!text.trim().is_empty() && !text.contains("  "), "{name}: {text:?}");
            }
        }
    }

    #[test]
    fn every_metric_of_every_example_is_sound() {
        for metric in catalog(&extras()) {
            for mut x in examples() {
                x.sort_unstable();
                assert_sound(&metric, &moments(&x, &metric.asks));
            }
        }
    }

    #[test]
    fn asked_ranks_suffice_for_every_number_of_holders() {
        for metric in catalog(&extras()) {
            for n in (1..=230).chain([999, 1000, 1001, 1100]) {
                let ranks: Vec<u64> = (1..=n).collect();
                assert_sound(&metric, &moments(&ranks, &metric.asks));
                if n < 20 {
                    assert_sound(&metric, &moments(&vec![7; n as usize], &metric.asks));
                }
            }
        }
    }

    /// 2^32 holders: `poor` of one unit, all others of the largest value there is.
    fn widest(poor: u64, asks: &[Ask]) -> Moments {
        let n = 1u64 << 32;
        let rich = (key::MAX_EXPONENT as u64) << key::MANTISSA_BITS | ((1 << key::MANTISSA_BITS) - 1);
        let (v, (root, shift)) = (key::value(rich), sqrt::of(rich));
        let below = |rank: u64| {
            let (ones, riches) = (rank.min(poor), rank.saturating_sub(poor));
            Below {
                rank,
                amount: U320::from(ones) + U320::from(riches) * U320::from(v),
                logs: u128::from(riches) * u128::from(log2::of(rich)),
                next: if rank < poor { 1 } else { rich },
            }
        };
        // Σ i over the first `k` ranks.
        let triangle = |k: u64| U384::from(u128::from(k) * (u128::from(k) + 1) / 2);
        let all = below(n);
        let riches = n - poor;
        let mut m = Moments {
            sums: Sums {
                n,
                first: if poor > 0 { 1 } else { rich },
                last: rich,
                amount: all.amount,
                ranked: triangle(poor) + (triangle(n) - triangle(poor)) * U384::from(v),
                squares: U576::from(poor) + U576::from(riches) * U576::from(v) * U576::from(v),
                logs: all.logs,
                products: U384::from(riches) * U384::from(v) * U384::from(log2::of(rich)),
                roots: (U192::from(poor) << 31) + ((U192::from(riches) * U192::from(root)) << shift as usize),
            },
            total: all.amount,
            below: vec![],
            mean_rank: None,
            exceeding: vec![],
            at_least: vec![],
        };
        for ask in asks {
            match ask {
                Ask::Below(rank) | Ask::LogsBelow(rank) => m.below.push(below(rank(n))),
                Ask::Mean => {
                    m.mean_rank = Some(poor);
                    m.below.push(below(poor));
                }
                Ask::Exceeding(f) => m.exceeding.push((*f, riches * f.numerator / f.denominator + 1)),
                Ask::AtLeast(f) => m.at_least.push((*f, if riches <= 100 { riches } else { 0 })),
            }
        }
        m.below.sort_by_key(|b| b.rank);
        m.below.dedup_by_key(|b| b.rank);
        m
    }

    #[test]
    fn the_widest_group_overflows_nothing() {
        let n = (1u64 << 32) as f64;
        for metric in catalog(&extras()) {
            for poor in [1, 1 << 31, (1 << 32) - 1] {
                let m = widest(poor, &metric.asks);
                assert_sound(&metric, &m);
                let Value::Number(x) = (metric.value)(&m) else { continue };
                // The rich share all equally, what the poor hold vanishes.
                let (rich, poor) = (n - poor as f64, poor as f64 / n);
                let expected = match metric.name.as_str() {
                    "gini" | "hoover" | "atkinson_0_5" => poor,
                    "hhi" | "max_share" | "rosenbluth" => 1.0 / rich,
                    "hhi_normalized" => (1.0 / rich - 1.0 / n) / (1.0 - 1.0 / n),
                    "effective_holders" => rich,
                    "shannon_entropy" | "min_entropy" => libm::log2(rich),
                    "entropy_normalized" => libm::log2(rich) / 32.0,
                    "theil_t" => libm::log(n / rich),
                    "theil_l" => 256.0 * LN_2 * poor + libm::log(rich / n),
                    _ => continue,
                };
                assert_close(x, expected, 1e-9);
            }
        }
    }

    fn amounts() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec((1u64..1 << 53, 0u32..53).prop_map(|(a, shift)| (a >> shift).max(1)), 1..80)
    }

    proptest! {
        #[test]
        fn identities(x in amounts()) {
            let n = x.len() as f64;
            let of = |name| number(name, &x).expect("a defined value");
            assert_close(number("theil_t", &x), n.ln() - of("shannon_entropy") * LN_2, 1e-9);
            assert_close(number("atkinson_1", &x), 1.0 - (-of("theil_l")).exp(), 1e-9);
            let rosenbluth = 1.0 / (n * (1.0 - of("gini")));
            assert_close(number("rosenbluth", &x), rosenbluth, 1e-12);
            let mean = x.iter().map(|&a| a as f64).sum::<f64>() / n;
            let variance = x.iter().map(|&a| (a as f64 - mean).powi(2)).sum::<f64>() / n;
            assert_close(number("hhi", &x), (1.0 + variance / (mean * mean)) / n, 1e-12);
            assert_close(number("effective_holders", &x), 1.0 / of("hhi"), 1e-12);
        }

        #[test]
        fn scale_invariance(x in amounts()) {
            let larger: Vec<u64> = x.iter().map(|a| a * 8).collect();
            for metric in catalog(&extras()) {
                let name = &metric.name;
                let (a, b) = (value(name, &extras(), &x), value(name, &extras(), &larger));
                match (&a, &b, metric.needs.logs | metric.needs.roots) {
                    (Value::Number(Some(a)), Value::Number(Some(b)), true) => assert_close(Some(*a), *b, 1e-9),
                    _ => prop_assert_eq!(a, b, "{}", name),
                }
            }
        }

        #[test]
        fn replication_invariance(x in amounts()) {
            let twice: Vec<u64> = x.iter().flat_map(|&a| [a, a]).collect();
            for name in ["gini", "hoover"] {
                assert_close(number(name, &x), number(name, &twice).expect("a defined value"), 1e-14);
            }
            for name in ["theil_t", "theil_l", "atkinson_0_5", "atkinson_1"] {
                assert_close(number(name, &x), number(name, &twice).expect("a defined value"), 1e-9);
            }
        }

        #[test]
        fn permutation_invariance_and_soundness(x in amounts()) {
            let mut sorted = x.clone();
            sorted.sort_unstable();
            let reversed: Vec<u64> = x.iter().rev().copied().collect();
            for metric in catalog(&extras()) {
                assert_sound(&metric, &moments(&sorted, &metric.asks));
                let of = |x: &[u64]| value(&metric.name, &extras(), x);
                prop_assert_eq!(of(&x), of(&reversed));
            }
        }
    }
}
