//! For the tests of metrics: the moments of a few integers by the definitions, without any kernel.

use super::{Extras, Value, catalog};
use crate::moments::{Ask, Below, Moments, Sums};
use crate::numbers::key::{self, Key};
use crate::numbers::wide::{U192, U320, U384, U576};
use crate::numbers::{log2, sqrt};

/// Small distributions of many shapes: single, equal, tied, skewed, long.
pub(crate) fn examples() -> Vec<Vec<u64>> {
    let mut seed = 7u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    vec![
        vec![1],
        vec![5, 5],
        vec![3, 2, 1],
        vec![97, 1, 1, 1],
        vec![368, 156, 20, 7, 10, 49, 22, 1],
        (1..=100).collect(),
        (1..=100).map(|i| i * i).collect(),
        (0..257).map(|_| 1 + random() % 10).collect(),
        (0..1500).map(|_| 1 + (1 << (random() % 40)) + random() % 1000).collect(),
    ]
}

/// The example of the R package ineq's manual.
pub(crate) const INEQ: [u64; 10] = [541, 1463, 2445, 3438, 4437, 5401, 6392, 8304, 11904, 22261];

/// Product per head of the states of Mexico in 1940, the example of PySAL's inequality package.
pub(crate) const MEXICO: [u64; 32] = [
    10384, 22361, 9573, 3758, 2934, 8578, 8537, 6909, 17816, 12132, 4359, 2181, 4414, 5309, 3408, 3327, 6936,
    4836, 9073, 1892, 3569, 11016, 21965, 4372, 4840, 6399, 2459, 7508, 3605, 5203, 7990, 3734,
];

/// The catalog's metric `name` over positive integers.
pub(crate) fn value(name: &str, extras: &Extras, amounts: &[u64]) -> Value {
    let metric = catalog(extras).into_iter().find(|m| m.name == name).expect("a metric of the catalog");
    let mut keys: Vec<Key> = amounts.iter().map(|&a| key::of_u128(a.into()).0).collect();
    assert!(amounts.iter().zip(&keys).all(|(&a, &k)| a == k), "examples stay below 2^56");
    keys.sort_unstable();
    (metric.value)(&moments(&keys, &metric.asks))
}

/// The same, of a metric that is a double.
pub(crate) fn number(name: &str, amounts: &[u64]) -> Option<f64> {
    match value(name, &Extras::default(), amounts) {
        Value::Number(x) => x,
        other => panic!("{name} is {other:?}"),
    }
}

/// The same, of a metric that is a count.
pub(crate) fn count(name: &str, amounts: &[u64]) -> Option<u64> {
    match value(name, &Extras::default(), amounts) {
        Value::Count(x) => x,
        other => panic!("{name} is {other:?}"),
    }
}

/// The same, of a metric that is a list, always defined.
pub(crate) fn list(name: &str, amounts: &[u64]) -> Vec<f64> {
    match value(name, &Extras::default(), amounts) {
        Value::List(Some(x)) => x,
        other => panic!("{name} is {other:?}"),
    }
}

/// Asserts that a defined value is within `tolerance` of the expected one, absolutely or relatively.
#[track_caller]
pub(crate) fn assert_close(actual: Option<f64>, expected: f64, tolerance: f64) {
    let actual = actual.expect("a defined value");
    let error = (actual - expected).abs();
    assert!(error <= tolerance * expected.abs().max(1.0), "{actual} is not {expected}: off by {error:e}");
}

/// The moments of ascending keys below 2^56, with the answers to `asks`.
pub(crate) fn moments(keys: &[Key], asks: &[Ask]) -> Moments {
    let n = keys.len() as u64;
    let below = |rank: u64| Below {
        rank,
        amount: keys[..rank as usize].iter().map(|&k| U320::from(k)).fold(U320::ZERO, |s, v| s + v),
        logs: keys[..rank as usize].iter().map(|&k| u128::from(log2::of(k))).sum(),
        next: keys.get(rank as usize).copied().unwrap_or(0),
    };
    let total = below(n).amount;
    let mut sums = Sums { n, first: keys[0], last: keys[keys.len() - 1], amount: total, ..Sums::default() };
    for (i, &k) in (1u64..).zip(keys) {
        let (root, shift) = sqrt::of(k);
        sums.ranked += U384::from(i) * U384::from(k);
        sums.squares += U576::from(k) * U576::from(k);
        sums.logs += u128::from(log2::of(k));
        sums.products += U384::from(k) * U384::from(log2::of(k));
        sums.roots += U192::from(root) << shift as usize;
    }
    let mut m = Moments { sums, total, below: vec![], mean_rank: None, exceeding: vec![], at_least: vec![] };
    let (a, big) = (total, |k: Key| U320::from(k));
    for ask in asks {
        match ask {
            Ask::Below(rank) | Ask::LogsBelow(rank) => m.below.push(below(rank(n))),
            Ask::Mean => {
                let rank = keys.iter().filter(|&&k| big(k) * U320::from(n) <= a).count() as u64;
                m.mean_rank = Some(rank);
                m.below.push(below(rank));
            }
            Ask::Exceeding(f) => {
                let exceeds = |k: &u64| {
                    (a - below(n - k).amount) * U320::from(f.denominator) > a * U320::from(f.numerator)
                };
                m.exceeding.push((*f, (1..=n).find(exceeds).expect("all holders exceed any fraction")));
            }
            Ask::AtLeast(f) => {
                let holds = |&&k: &&Key| big(k) * U320::from(f.denominator) >= a * U320::from(f.numerator);
                m.at_least.push((*f, keys.iter().filter(holds).count() as u64));
            }
        }
    }
    m.below.sort_by_key(|b| b.rank);
    m.below.dedup_by_key(|b| b.rank);
    m
}
