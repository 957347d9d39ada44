//! Published values and closed forms, through the whole pipeline.

use std::f64::consts::LN_2;

use concentra::options::{By, Options};

use crate::support::{Folder, Table, analyze_everywhere as analyze, options, pooled, texts, u64s};

fn measure(amounts: &[u64]) -> Table {
    let folder = Folder::new();
    analyze(&pooled(&folder.write("a.parquet", &[("balance", u64s(amounts))])))
}

#[track_caller]
fn assert_near(table: &Table, name: &str, expected: f64, tolerance: f64) {
    let actual = table.number(name, 0).unwrap_or_else(|| panic!("{name} is null"));
    assert!((actual - expected).abs() <= tolerance, "{name} is {actual}, not {expected}");
}

/// R package ineq, manual (`Gini`, `Atkinson`, `Herfindahl`, `Rosenbluth`); the further digits from rationals.
const INEQ: [u64; 10] = [541, 1463, 2445, 3438, 4437, 5401, 6392, 8304, 11904, 22261];

#[test]
fn the_example_of_ineq() {
    let table = measure(&INEQ);
    assert_near(&table, "gini", 76922.0 / 166465.0, 1e-14);
    // The sample form: times n/(n − 1).
    assert_near(&table, "gini", 0.513434589186 * 9.0 / 10.0, 1e-12);
    assert_near(&table, "atkinson_0_5", 0.179659098046, 1e-9);
    assert_near(&table, "atkinson_1", 0.351825059735, 1e-9);
    assert_near(&table, "hhi", 408080053.0 / 2216847698.0, 1e-14);
    assert_near(&table, "rosenbluth", 0.185905095876, 1e-12);
    assert_near(&table, "theil_t", 0.362341242344, 1e-9);
    assert_near(&table, "theil_l", 0.433594649520, 1e-9);
    assert_near(&table, "hoover", 0.337806746163, 1e-12);
    assert_near(&table, "shannon_entropy", 2.799180181448, 1e-9);
    // hhi = (1 + CV²)/n
    let cv = (table.number("hhi", 0).unwrap() * 10.0 - 1.0).sqrt();
    assert!((cv - 0.916958182882).abs() < 1e-11, "{cv}");
    // As printed.
    for (name, printed) in [
        ("gini", 0.4620911),
        ("atkinson_0_5", 0.1796591),
        ("atkinson_1", 0.3518251),
        ("hhi", 0.1840812),
        ("rosenbluth", 0.1859051),
    ] {
        assert_near(&table, name, printed, 5e-8);
    }
}

/// Edinburgh's tokenomics-decentralization, its tests. It counts zeros as holders and reaches a threshold with `>=`:
/// `[3,2,1]` at one half is 1 there, 2 here.
#[test]
fn the_examples_of_tokenomics_decentralization() {
    let table = measure(&[3, 2, 1]);
    assert_near(&table, "gini", 2.0 / 9.0, 1e-14);
    assert_near(&table, "hhi", 0.3889, 5e-5);
    assert_near(&table, "shannon_entropy", 1.459, 5e-4);
    assert_near(&table, "theil_t", 0.087, 5e-4);
    assert_eq!(table.count("nakamoto_1_2", 0), Some(2));
    let table = measure(&[3, 2, 1, 1, 1, 1]);
    assert_near(&table, "gini", 0.24074, 5e-6);
    assert_near(&table, "hhi", 0.2099, 5e-5);
    assert_near(&table, "shannon_entropy", 2.419, 5e-4);
    assert_near(&table, "theil_t", 0.115, 5e-4);
    assert_near(&measure(&[5, 4, 3, 2, 1]), "gini", 0.26667, 5e-6);
    assert_near(&measure(&[368, 156, 20, 7, 10, 49, 22, 1]), "gini", 0.67792, 5e-6);
    assert_near(&measure(&[8, 6, 3, 3]), "hhi", 0.2950, 1e-14);
}

/// scikit-bio: Hill numbers of `[1,2,3,4,5]` of order 0, ½, 1, 2 and ∞.
#[test]
fn hill_numbers() {
    let table = measure(&[1, 2, 3, 4, 5]);
    let number = |name| table.number(name, 0).unwrap();
    assert_eq!(table.count("n_holders", 0), Some(5));
    let near = |actual: f64, expected: f64| assert!((actual - expected).abs() < 1e-8, "{actual} {expected}");
    near(5.0 * (1.0 - number("atkinson_0_5")), 4.68423304);
    near(number("shannon_entropy").exp2(), 4.43598780);
    near(number("effective_holders"), 4.09090909);
    near(1.0 / number("max_share"), 3.0);
    near(number("min_entropy").exp2(), 3.0);
}

/// PySAL's inequality package: product per head of the states of Mexico in 1940, and their regions.
const MEXICO: [u64; 32] = [
    10384, 22361, 9573, 3758, 2934, 8578, 8537, 6909, 17816, 12132, 4359, 2181, 4414, 5309, 3408, 3327, 6936,
    4836, 9073, 1892, 3569, 11016, 21965, 4372, 4840, 6399, 2459, 7508, 3605, 5203, 7990, 3734,
];
const REGIONS: [u64; 32] =
    [2, 1, 2, 5, 5, 1, 1, 3, 4, 2, 3, 5, 3, 3, 4, 3, 3, 2, 1, 5, 3, 3, 5, 2, 2, 1, 5, 1, 3, 3, 5, 2];

#[test]
fn mexico_in_1940() {
    let table = measure(&MEXICO);
    assert_near(&table, "gini", 0.3537237117345285, 1e-14);
    assert_near(&table, "theil_t", 0.20894344230358597, 1e-9);
    assert_near(&table, "hhi", 0.046937542928579275, 1e-15);
    assert_near(&table, "hoover", 0.2600371903862527, 1e-14);
}

#[test]
fn mexico_by_region_decomposes() {
    let folder = Folder::new();
    let path = folder.write("a.parquet", &[("region", u64s(&REGIONS)), ("balance", u64s(&MEXICO))]);
    let table = analyze(&Options { by: By::Columns(vec!["region".into()]), ..options(&path) });
    assert_eq!(table.rows(), 5);
    let (mut total, mut mean, mut within, mut between) = (0.0, 0.0, 0.0, 0.0);
    for row in 0..5 {
        total += table.number("total_f64", row).unwrap();
    }
    mean += total / 32.0;
    for row in 0..5 {
        let share = table.number("total_f64", row).unwrap() / total;
        within += share * table.number("theil_t", row).unwrap();
        between += share * (table.number("mean", row).unwrap() / mean).ln();
    }
    assert!((within - 0.17435454225688188).abs() < 1e-9, "{within}");
    assert!((between - 0.03458890004670408).abs() < 1e-14, "{between}");
}

/// PySAL keeps zeros as holders, and finds T = ln 2 between the two halves. Here zeros are no holders.
#[test]
fn zeros_are_no_holders() {
    let table = measure(&[0, 0, 0, 10, 10, 10]);
    assert_eq!(table.count("n_rows", 0), Some(6));
    assert_eq!(table.count("n_zero", 0), Some(3));
    assert_eq!(table.count("n_holders", 0), Some(3));
    // All equal: exactly at the bounds.
    for (name, bound) in [
        ("gini", 0.0),
        ("hoover", 0.0),
        ("hhi_normalized", 0.0),
        ("theil_t", 0.0),
        ("theil_l", 0.0),
        ("atkinson_0_5", 0.0),
        ("atkinson_1", 0.0),
        ("entropy_normalized", 1.0),
        ("effective_holders", 3.0),
    ] {
        assert_eq!(table.number(name, 0), Some(bound), "{name}");
    }
}

/// Closed forms: 1..n has Gini (n−1)/(3n) and HHI 2(2n+1)/(3n(n+1)).
#[test]
fn ranks_and_squares() {
    for n in [2, 3, 10, 100, 4095, 4096, 4097, 100_000] {
        let table = measure(&(1..=n).rev().collect::<Vec<_>>());
        let n = n as f64;
        assert_near(&table, "gini", (n - 1.0) / (3.0 * n), 1e-14);
        let hhi = 2.0 * (2.0 * n + 1.0) / (3.0 * n * (n + 1.0));
        assert_near(&table, "hhi", hhi, 1e-14 * hhi);
    }
    // 1..100 and their squares: rationals and 120-bit logarithms.
    let table = measure(&(1..=100).collect::<Vec<_>>());
    assert_near(&table, "gini", 0.33, 1e-14);
    assert_near(&table, "atkinson_0_5", 0.107202991420902, 1e-9);
    assert_near(&table, "atkinson_1", 0.247669517924073, 1e-9);
    assert_near(&table, "theil_t", 0.188272596003428, 1e-9);
    assert_near(&table, "theil_l", 0.284579580725679, 1e-9);
    assert_near(&table, "rosenbluth", 0.0149253731343284, 1e-14);
    let table = measure(&(1..=100).map(|i| i * i).collect::<Vec<_>>());
    assert_near(&table, "gini", 0.497462686567164, 1e-14);
    assert_near(&table, "theil_t", 0.42694175865887, 1e-9);
}

/// The quantiles of a distribution at the middles of n equal parts of probability.
fn quantiles(n: usize, quantile: impl Fn(f64) -> f64) -> Vec<u64> {
    (0..n).map(|i| quantile((i as f64 + 0.5) / n as f64).round() as u64).collect()
}

/// Pareto(α): Gini 1/(2α−1), Theil T 1/(α−1) − ln(α/(α−1)), top share q: q^(1−1/α), Hill α.
#[test]
fn a_pareto_tail() {
    for (alpha, tolerance) in [(3.0f64, 1e-3), (2.0, 8e-3)] {
        let table = measure(&quantiles(100_000, |p| 1e9 * (1.0 - p).powf(-1.0 / alpha)));
        assert_near(&table, "gini", 1.0 / (2.0 * alpha - 1.0), tolerance);
        let theil = 1.0 / (alpha - 1.0) - (alpha / (alpha - 1.0)).ln();
        assert_near(&table, "theil_t", theil, 4.0 * tolerance);
        // ln x − ln x_min is exponential of mean 1/α.
        assert_near(&table, "theil_l", (alpha / (alpha - 1.0)).ln() - 1.0 / alpha, tolerance);
        // μ = α/(α−1) is exceeded with probability (1 − 1/α)^α.
        let hoover = (alpha - 1.0).powf(alpha - 1.0) / alpha.powf(alpha);
        assert_near(&table, "hoover", hoover, tolerance);
        for (name, q) in [("top_0_1pct_share", 0.001f64), ("top_1pct_share", 0.01), ("top_10pct_share", 0.1)]
        {
            assert_near(&table, name, q.powf(1.0 - 1.0 / alpha), tolerance);
        }
        let half = 1.0 - 0.5f64.powf(1.0 - 1.0 / alpha);
        assert_near(&table, "bottom_50pct_share", half, tolerance);
        assert_near(&table, "hill_alpha", alpha, 0.02);
    }
}

/// Lognormal(σ): Gini erf(σ/2), T = L = σ²/2, Atkinson 1 − exp(−ε σ²/2), Hoover erf(σ/√8).
#[test]
fn a_lognormal_crowd() {
    let normal = |p: f64| {
        let (mut low, mut high) = (-9.0, 9.0);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            let below = libm::erfc(-middle / 2f64.sqrt()) / 2.0 < p;
            *(if below { &mut low } else { &mut high }) = middle;
        }
        low
    };
    for (sigma, tolerance) in [(0.5f64, 1e-4), (1.0, 1e-3), (1.5, 1e-2)] {
        let table = measure(&quantiles(40_000, |p| (25.0 + sigma * normal(p)).exp()));
        assert_near(&table, "gini", libm::erf(sigma / 2.0), tolerance);
        assert_near(&table, "hoover", libm::erf(sigma / 8f64.sqrt()), tolerance);
        assert_near(&table, "theil_t", sigma * sigma / 2.0, tolerance * 2.0);
        assert_near(&table, "theil_l", sigma * sigma / 2.0, tolerance);
        assert_near(&table, "atkinson_0_5", 1.0 - (-sigma * sigma / 4.0).exp(), tolerance);
        assert_near(&table, "atkinson_1", 1.0 - (-sigma * sigma / 2.0).exp(), tolerance);
        // n·hhi = 1 + CV² = exp(σ²); the tail carries much of it.
        let normalized = 40_000.0 * table.number("hhi", 0).unwrap();
        assert!((normalized / (sigma * sigma).exp() - 1.0).abs() < 30.0 * tolerance, "{normalized}");
        assert_near(&table, "median", 25f64.exp(), 25f64.exp() * 1e-6);
    }
}

#[test]
fn identities_of_the_contract() {
    let mut seed = 1u64;
    let amounts: Vec<u64> = (0..3000)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 1) >> (seed % 61)
        })
        .map(|amount| amount.max(1))
        .collect();
    let table = measure(&amounts);
    let number = |name| table.number(name, 0).unwrap();
    let n = amounts.len() as f64;
    let near = |a: f64, b: f64, tolerance: f64| assert!((a - b).abs() <= tolerance * b.abs(), "{a} {b}");
    near(number("theil_t"), n.ln() - number("shannon_entropy") * LN_2, 1e-9);
    near(number("atkinson_1"), 1.0 - (-number("theil_l")).exp(), 1e-12);
    near(number("rosenbluth"), 1.0 / (n * (1.0 - number("gini"))), 1e-12);
    near(number("effective_holders"), 1.0 / number("hhi"), 1e-14);
    near(number("hhi_normalized"), (number("hhi") - 1.0 / n) / (1.0 - 1.0 / n), 1e-12);
    near(number("entropy_normalized"), number("shannon_entropy") / n.log2(), 1e-12);
    near(number("min_entropy"), -number("max_share").log2(), 1e-12);
    assert_eq!(number("max_share"), number("top_1_share"));
    assert_eq!(number("bottom_50pct_share"), table.list("lorenz", 0).unwrap()[50]);
    // Each holder twice: the population's inequality stays.
    let twice = measure(&amounts.iter().flat_map(|&a| [a, a]).collect::<Vec<_>>());
    for (name, tolerance) in [
        ("gini", 1e-14),
        ("hoover", 1e-14),
        ("theil_t", 1e-9),
        ("theil_l", 1e-9),
        ("atkinson_0_5", 1e-9),
        ("atkinson_1", 1e-9),
    ] {
        assert_near(&twice, name, number(name), 2.0 * tolerance);
    }
    near(twice.number("hhi", 0).unwrap() * 2.0, number("hhi"), 2e-14);
}

/// A true tie is no majority: 10⁹ tokens of 18 decimals, whose halves no 56 bits hold.
#[test]
fn ties_are_decided_from_exact_amounts() {
    let folder = Folder::new();
    let tokens = |percent: &[u64]| {
        texts(&percent.iter().map(|p| format!("{p}{}", "0".repeat(25))).collect::<Vec<_>>())
    };
    for (percent, half, whales) in [(&[50, 30, 20][..], 2, 3), (&[97, 1, 1, 1], 1, 4), (&[99, 1], 1, 2)] {
        let path = folder.write("a.parquet", &[("balance", tokens(percent))]);
        let table = analyze(&pooled(&path));
        assert_eq!(table.text("total", 0).unwrap(), format!("1{}", "0".repeat(27)));
        assert_eq!(table.count("nakamoto_1_2", 0), Some(half), "{percent:?}");
        assert_eq!(table.count("whales_1pct", 0), Some(whales), "{percent:?}");
    }
}

#[test]
fn undefined_values_are_null() {
    let table = measure(&[7]);
    for name in ["hhi_normalized", "entropy_normalized", "palma", "hill_alpha"] {
        assert_eq!(table.number(name, 0), None, "{name}");
    }
    assert_eq!((table.number("gini", 0), table.number("hhi", 0)), (Some(0.0), Some(1.0)));
    assert_eq!(measure(&[5, 5]).number("hill_alpha", 0), None);
    // Nobody holds anything: counts, a total of 0, and nothing else.
    let table = measure(&[0, 0]);
    assert_eq!(table.text("total", 0).as_deref(), Some("0"));
    let filled: Vec<String> = table
        .0
        .schema_ref()
        .fields()
        .iter()
        .zip(table.0.columns())
        .filter(|(_, column)| column.null_count() == 0)
        .map(|(field, _)| field.name().clone())
        .collect();
    let expected = [
        "n_rows",
        "n_holders",
        "n_zero",
        "n_null",
        "n_excluded",
        "n_negative",
        "n_merged",
        "n_below",
        "total",
        "excluded_share",
        "below_share",
        "looked_through_share",
        "n_looked_through",
        "n_entities",
    ];
    assert_eq!(filled, expected);
}
