//! An exact reference in big rationals, written from the definitions alone, against the pipeline on small groups of
//! every magnitude.

use arrow::array::ArrayRef;
use concentra::options::{Options, Owners, Snapshot};
use num_bigint::{BigInt, BigUint};
use num_rational::BigRational;
use proptest::prelude::*;

use crate::support::{
    Folder, Table, Value, analyze, assert_value, extras, f64s, options, pooled, row_of, texts, try_analyze,
    u64s, values, words,
};

mod amounts;
mod rational;

use amounts::{Decimal, amount, decimal, doubles, groups, supply, with_repeats};
use rational::{Reference, Unit, integer, nearest, plain, power, whole};

/// A row of the result against the reference; `zeros` rows beside the amounts.
#[track_caller]
fn assert_group(table: &Table, row: usize, amounts: Vec<BigUint>, zeros: u64, unit: Unit) {
    let count = |name| table.count(name, row).unwrap();
    assert_eq!(count("n_rows"), amounts.len() as u64 + zeros);
    assert_eq!(count("n_zero"), zeros);
    assert_eq!(count("n_holders"), amounts.len() as u64);
    for name in ["n_null", "n_excluded", "n_negative", "n_merged", "n_below"] {
        assert_eq!(count(name), 0, "{name}");
    }
    if amounts.is_empty() {
        assert_eq!(table.text("total", row).as_deref(), Some("0"));
        for (name, value) in values(table, row, &extras()) {
            let null = matches!(value, Value::Number(None) | Value::Count(None) | Value::List(None));
            assert!(null, "{name} of nobody is {value:?}");
        }
        return;
    }
    let shown = format!("{amounts:?} {unit:?}");
    let reference = Reference::new(amounts);
    let total = integer(&reference.total) * unit.worth();
    assert_eq!(table.text("total", row).unwrap(), plain(&total), "{shown}");
    let near = |name: &str, expected: BigRational, tolerance: f64| {
        let (actual, expected) = (table.number(name, row).unwrap(), nearest(&expected));
        assert!(
            (actual - expected).abs() <= (tolerance * expected).max(1e-323),
            "{shown}: {name} {actual} {expected}"
        );
    };
    near("total_f64", total.clone(), 0.0);
    near("mean", total / whole(reference.n()), 1e-14);
    near("median", integer(&reference.median_twice()) * unit.worth() / whole(2), 1e-14);
    let log2 = if let Unit::Binary(u) = unit { u } else { 0 };
    assert_eq!(table.integer("unit_log2", row), Some(log2), "{shown}");
    assert_eq!(table.text("backend", row).as_deref(), Some("cpu"));
    let expected = reference.metrics();
    let actual = values(table, row, &extras());
    assert!(actual.len() - expected.len() <= 1, "the reference knows every metric");
    for (name, actual) in &actual {
        if let Some(expected) = expected.get(name) {
            assert_value(name, actual, expected, &shown);
        }
    }
}

/// Groups as one table, their rows taken in turns.
fn table_of<T: Clone>(groups: &[Vec<T>], column: impl Fn(&[T]) -> ArrayRef) -> concentra::Result<Table> {
    let (mut names, mut cells) = (Vec::new(), Vec::new());
    for row in 0..groups.iter().map(Vec::len).max().unwrap_or(0) {
        for (group, amounts) in groups.iter().enumerate() {
            if let Some(amount) = amounts.get(row) {
                names.push(format!("group {group}"));
                cells.push(amount.clone());
            }
        }
    }
    let folder = Folder::new();
    let path =
        folder.write_row_groups("a.parquet", &[("token", texts(&names)), ("balance", column(&cells))], 37);
    let options = Options { extras: extras(), snapshot: Snapshot::Nothing, ..options(&path) };
    try_analyze(&options).map(|analysis| Table(analysis.results.table().unwrap()))
}

/// Integers in 32 bytes.
fn check_words(groups: &[Vec<BigUint>]) {
    let table = table_of(groups, words).unwrap();
    assert_eq!(table.rows(), groups.len());
    for (row, group) in groups.iter().enumerate() {
        let (zeros, amounts): (Vec<_>, Vec<_>) = group.iter().cloned().partition(|x| x.bits() == 0);
        let exact = Reference::new(amounts.clone()).exact();
        assert_eq!(table.truth("exact", row), (!amounts.is_empty()).then_some(exact), "{amounts:?}");
        assert_group(&table, row, amounts, zeros.len() as u64, Unit::Decimals(0));
    }
}

/// `m·2^x` exactly, in units of `2^unit`, rounded down.
fn units(d: f64, unit: i32) -> BigUint {
    let bits = d.to_bits();
    let (fraction, exponent) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
    let (m, x) = if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
    let m = BigUint::from(m);
    if x >= unit { m << (x - unit) } else { m >> (unit - x) }
}

/// The lowest bit set in any of them, and the highest.
fn bits_of(doubles: &[f64]) -> (i32, i32) {
    let positive = doubles.iter().filter(|&&d| d > 0.0).map(|&d| units(d, -1074));
    let ends = positive.map(|a| (a.trailing_zeros().unwrap() as i32 - 1074, a.bits() as i32 - 1075));
    ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 0))
}

fn check_doubles(groups: &[Vec<f64>]) {
    let table = table_of(groups, f64s).unwrap();
    for (row, group) in groups.iter().enumerate() {
        let (low, high) = bits_of(group);
        let unit = low.max(high - 255);
        let positive = group.iter().filter(|&&d| d > 0.0);
        let amounts: Vec<BigUint> = positive.map(|&d| units(d, unit)).collect();
        let zeros = (group.len() - amounts.len()) as u64;
        // 56 bits hold every double, so only what lies below the unit is lost.
        assert_eq!(table.truth("exact", row), (!amounts.is_empty()).then_some(low == unit), "{group:?}");
        assert_group(&table, row, amounts, zeros, Unit::Binary(unit));
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn amounts_of_every_magnitude(groups in groups(with_repeats(amount(), 40))) {
        check_words(&groups);
    }

    #[test]
    fn amounts_of_one_magnitude(
        group in (0u32..200).prop_flat_map(|bits| with_repeats((1u64..1 << 56).prop_map(move |x| {
            BigUint::from(x) << bits
        }), 90)),
    ) {
        check_words(&[group]);
    }

    #[test]
    fn supplies_in_round_parts(groups in groups(supply())) {
        check_words(&groups);
    }

    #[test]
    fn text_of_mixed_decimals(groups in groups(with_repeats(decimal(), 30))) {
        let table = table_of(&groups, |cells| {
            texts(&cells.iter().map(Decimal::text).collect::<Vec<_>>())
        }).unwrap();
        for (row, group) in groups.iter().enumerate() {
            let decimals = group.iter().map(Decimal::needed).max().unwrap();
            let amounts = group.iter().map(|x| x.at(decimals)).filter(|x| x.bits() > 0).collect::<Vec<_>>();
            let zeros = (group.len() - amounts.len()) as u64;
            let exact = Reference::new(amounts.clone()).exact();
            assert_eq!(table.truth("exact", row), (!amounts.is_empty()).then_some(exact), "{amounts:?}");
            assert_group(&table, row, amounts, zeros, Unit::Decimals(decimals));
        }
    }

    #[test]
    fn doubles_of_one_span(groups in groups(doubles())) {
        check_doubles(&groups);
    }

    /// The smallest amount is near the unit that 256 bits below the largest amount leave.
    #[test]
    fn doubles_of_the_widest_span(
        top in -800i32..1023, below in 200i32..310, m in 1u64..1 << 53, rest in prop::collection::vec(0i32..200, 0..9),
    ) {
        let large = libm::scalbn(1.75, top);
        let small = libm::scalbn(m as f64, top - below - 26);
        prop_assume!(small > 0.0);
        let mut group: Vec<f64> = rest.iter().map(|&less| libm::scalbn(1.25, top - less)).collect();
        group.extend([small, large]);
        // Exactly: E − 255 is the least unit, whatever lies below it is cut off.
        let unit = top - 255;
        let lost = units(small, -1074) >> (unit + 1074).max(0) == BigUint::default();
        if lost {
            let result = table_of(&[group.clone()], f64s).map(|_| ());
            let message = result.unwrap_err().to_string();
            let row = format!("column `balance`, row {}", group.len() - 1);
            prop_assert!(message.contains(&row), "{message}");
        } else {
            check_doubles(&[group]);
        }
    }
}

#[test]
fn the_reference_knows_what_everybody_knows() {
    let of = |amounts: &[u64]| Reference::new(amounts.iter().map(|&a| a.into()).collect());
    assert_eq!(of(&[3, 2, 1]).gini(), BigRational::new(2.into(), 9.into()));
    assert_eq!(of(&[3, 2, 1]).hhi(), BigRational::new(14.into(), 36.into()));
    assert_eq!(of(&[3, 2, 1]).nakamoto(1, 2), 2);
    assert_eq!(nearest(&BigRational::new(1.into(), 3.into())), 1.0 / 3.0);
    assert_eq!(nearest(&BigRational::new((-7).into(), 4.into())), -1.75);
    assert_eq!(plain(&BigRational::new(25.into(), 8.into())), "3.125");
    let all = Reference::new((1u64..=30).map(BigUint::from).collect()).metrics();
    let names: Vec<String> =
        concentra::metrics::catalog(&extras()).into_iter().map(|metric| metric.name).collect();
    assert_eq!(all.len(), names.len());
    assert!(names.iter().all(|name| all.contains_key(name)));
}

/// The ties of the contract, in every order and at scales that no 56 bits hold, are decided from exact amounts.
#[test]
fn true_ties() {
    for percent in
        [&[50u64, 30, 20][..], &[97, 1, 1, 1], &[1, 97, 1, 1], &[25, 25, 25, 25], &[66, 34], &[34, 33, 33]]
    {
        for factor in [1u64, 3, 7, 12_345_678_901, u64::MAX] {
            for more in [-1i64, 0, 1] {
                let unit = BigInt::from(power(10, 25) * factor);
                let mut amounts: Vec<BigInt> = percent.iter().map(|&p| &unit * p).collect();
                amounts[0] += more;
                check_words(&[amounts.iter().map(|a| a.magnitude().clone()).collect()]);
            }
        }
    }
    let folder = Folder::new();
    let amounts: Vec<BigUint> = [50u8, 30, 20].iter().map(|&p| power(10, 25) * p).collect();
    let path = folder.write("a.parquet", &[("balance", words(&amounts))]);
    let analysis = try_analyze(&options(&path)).unwrap();
    assert_eq!(analysis.ties, 1, "amounts were read again");
}

/// Parts of one owner's amount, in several rows and files, tie as their sum does.
#[test]
fn true_ties_of_merged_owners() {
    let folder = Folder::new();
    let write = |name: &str, rows: &[(&str, u8)]| {
        let owners: Vec<&str> = rows.iter().map(|(owner, _)| *owner).collect();
        let amounts: Vec<BigUint> = rows.iter().map(|&(_, part)| power(10, 25) * part).collect();
        folder.write(name, &[("address", texts(&owners)), ("balance", words(&amounts))]);
    };
    write("a.parquet", &[("0xAA", 25), ("0xbb", 30), ("0xcc", 0)]);
    write("b.parquet", &[("0xDD", 19), ("0xaa", 25), ("0xdd", 1)]);
    let run = |owners| {
        let analysis = try_analyze(&Options { owners, ..pooled(folder.path()) }).unwrap();
        assert_eq!(analysis.ties, 1);
        Table(analysis.results.table().unwrap())
    };
    let merged = run(Owners::Merge);
    assert_eq!((merged.count("n_holders", 0), merged.count("n_merged", 0)), (Some(3), Some(2)));
    assert_eq!(merged.count("nakamoto_1_2", 0), Some(2), "half is no majority");
    let trusted = run(Owners::Trust);
    assert_eq!((trusted.count("n_holders", 0), trusted.count("nakamoto_1_2", 0)), (Some(5), Some(2)));
    assert_eq!(trusted.count("whales_1pct", 0), Some(5), "one per cent exactly");
}

/// More groups than are computed at once, all of them tied, each at its own scale, over two files.
#[test]
fn true_ties_in_many_groups() {
    const GROUPS: u64 = 30_000;
    let folder = Folder::new();
    for (name, parts) in [("a.parquet", &[50u8, 20][..]), ("b.parquet", &[29, 1])] {
        let rows = || (0..GROUPS).flat_map(|group| parts.iter().map(move |&part| (group, part)));
        let groups: Vec<u64> = rows().map(|(group, _)| group).collect();
        let amounts: Vec<BigUint> =
            rows().map(|(group, part)| power(10, 25) * (2 * group + 1) * part).collect();
        let columns = [("block_number", u64s(&groups)), ("balance", words(&amounts))];
        folder.write_row_groups(name, &columns, 1_000);
    }
    let analysis = try_analyze(&options(folder.path())).unwrap();
    assert!(analysis.plan.batches.len() > 1, "{} batch", analysis.plan.batches.len());
    let table = Table(analysis.results.table().unwrap());
    assert_eq!((table.rows() as u64, analysis.ties as u64), (GROUPS, GROUPS));
    for row in 0..table.rows() {
        let counts =
            ["block_number", "nakamoto_1_2", "nakamoto_1_3", "whales_1pct"].map(|c| table.count(c, row));
        assert_eq!(counts, [Some(row as u64), Some(2), Some(1), Some(4)]);
    }
}

/// A total beyond 256 bits, and dust beside the largest amount.
#[test]
fn the_largest_amounts() {
    let max = power(2, 256) - 1u8;
    check_words(&[
        vec![max.clone(); 7],
        vec![max.clone(), 1u8.into()],
        vec![max.clone()],
        vec![&max - 1u8, max],
    ]);
}

/// Fewer decimals than 256 bits leave room for are an error that names the row that does not fit.
#[test]
fn scaled_beyond_256_bits() {
    let folder = Folder::new();
    let max = (power(2, 256) - 1u8).to_string();
    for (cells, row) in [
        (vec!["1", &max, "0.5"], 2),
        (vec!["0.5", "3", &max], 3),
        (vec![&*max, "0.0000000000000000000000000000000000000000000000000000000000000000000000000000001"], 1),
    ] {
        let path = folder.write("a.parquet", &[("balance", texts(&cells))]);
        assert_eq!(row_of(try_analyze(&options(&path))), row, "{cells:?}");
    }
    // In groups of their own they do not share a unit.
    let path =
        folder.write("a.parquet", &[("token", texts(&["a", "b"])), ("balance", texts(&[&*max, "0.5"]))]);
    let table = analyze(&options(&path));
    assert_eq!((table.text("total", 0), table.text("total", 1)), (Some(max), Some("0.5".into())));
}

/// Doubles at the borders of their range: the smallest and the largest, alone and with what their units just hold.
#[test]
fn doubles_at_the_borders() {
    let tiny = 5e-324;
    check_doubles(&[
        vec![tiny],
        vec![tiny, tiny, 0.0],
        vec![tiny, f64::MIN_POSITIVE],
        vec![tiny, libm::scalbn(1.0, -1074 + 255)],
        vec![f64::MAX],
        vec![f64::MAX, libm::scalbn(1.0, 1023 - 255)],
        // One bit of this one is below the unit.
        vec![f64::MAX, libm::scalbn(1.5, 1023 - 255)],
        vec![0.1, 0.2, 0.3],
        vec![1.0, 0.1],
        vec![0.0],
    ]);
    let folder = Folder::new();
    for (cells, row) in [
        (vec![tiny, libm::scalbn(1.0, -1074 + 256)], 1),
        (vec![1.0, f64::MAX, 0.0, libm::scalbn(1.9, 1023 - 256)], 1),
        (vec![f64::MAX, 0.0, libm::scalbn(1.9, 1023 - 256)], 3),
    ] {
        let path = folder.write("a.parquet", &[("balance", f64s(&cells))]);
        assert_eq!(row_of(try_analyze(&options(&path))), row, "{cells:?}");
    }
}
