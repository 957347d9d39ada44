//! Rewards against capital: the published shape of real positions, and every column against exact fractions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow::array::ArrayRef;
use concentra::options::{Exclusion, Options, Owners};
use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::prelude::*;

use crate::random::Random;
use crate::shell::{Shell, numbers, text};
use crate::support::{Folder, Table, analyze, analyze_everywhere, f64s, real_data, texts, try_analyze, u64s};

fn options(path: &Path, reward: &str) -> Options {
    let paths = vec![path.to_str().unwrap().to_owned()];
    Options { paths, amount: Some("capital".into()), reward: Some(reward.into()), ..Options::default() }
}

#[test]
fn fees_of_real_positions() {
    let Some(folder) = real_data("fees_of_real_positions") else { return };
    let golden = std::fs::read_to_string(folder.join("GOLDEN.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&golden).unwrap();
    let name = "lp/univ3_positions_base.parquet capital=approx_starting_weth reward=weth_fees_earned";
    let golden = &golden[name];
    let path = folder.join("lp/univ3_positions_base.parquet");
    let by = concentra::options::By::Nothing;
    let of = |reward: &str| Options {
        amount: Some("approx_starting_weth".into()),
        by: by.clone(),
        ..options(&path, reward)
    };
    let fees = analyze_everywhere(&of("weth_fees_earned"));
    assert_eq!(fees.count("n_holders", 0), golden["n"].as_u64());
    for (column, exact) in [
        ("capital_gini", "gini_capital"),
        ("reward_concentration", "concentration_reward"),
        ("kakwani", "kakwani"),
    ] {
        let (found, exact) = (fees.number(column, 0).unwrap(), golden[exact].as_f64().unwrap());
        assert!((found - exact).abs() < 1e-14, "{column}: {found} and {exact}");
    }
    assert_eq!(fees.number("capital_gini", 0), fees.number("gini", 0));
    let warnings = try_analyze(&of("weth_fees_earned")).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("97.2 % of the rewards")), "{warnings:?}");
    assert_eq!(fees.count("n_no_capital", 0), Some(1));

    let pnl = analyze(&of("net_pnl_in_weth"));
    for column in ["reward_concentration", "kakwani", "reward_top_1pct_share", "concentration_curve"] {
        assert_eq!(pnl.text(column, 0), None, "{column}");
    }
    let note = pnl.text("reward_note", 0).unwrap();
    assert!(note.contains(&pnl.text("reward_total", 0).unwrap()) && note.contains("above 0"), "{note}");
}

type Fraction = BigRational;

fn whole(x: i128) -> Fraction {
    Fraction::from(BigInt::from(x))
}

/// Every column from its definition.
struct Reference {
    n: i128,
    total: Fraction,
    numbers: Vec<(&'static str, Option<Fraction>)>,
    curve: Option<Vec<Fraction>>,
    yields: Vec<Option<Fraction>>,
}

fn gini(values: &[Fraction]) -> Option<Fraction> {
    let mut values = values.to_vec();
    values.sort();
    let (n, total) = (whole(values.len() as i128), values.iter().sum::<Fraction>());
    if values.is_empty() {
        return None;
    }
    let ranked: Fraction = values.iter().zip(1..).map(|(v, i)| v * whole(i)).sum();
    Some(whole(2) * ranked / (&n * total) - (&n + whole(1)) / n)
}

/// Of capital and reward of each holder.
fn reference(holders: &[(Fraction, Fraction)]) -> Reference {
    let mut holders = holders.to_vec();
    holders.sort();
    let n = holders.len();
    // Each holder of a block of equal capital has the block's mean rank and its mean reward.
    let mut ranks = vec![];
    let mut rewards = vec![];
    for block in holders.chunk_by(|a, b| a.0 == b.0) {
        let (start, size) = (ranks.len() as i128, block.len() as i128);
        let mean = block.iter().map(|holder| &holder.1).sum::<Fraction>() / whole(size);
        for _ in 0..size {
            ranks.push(whole(2 * start + size + 1) / whole(2));
            rewards.push(mean.clone());
        }
    }
    let total: Fraction = rewards.iter().sum();
    let positive = total > whole(0);
    let of_poorest = |x: &Fraction| -> Fraction {
        let floor = x.floor();
        let k = usize::try_from(floor.to_integer()).unwrap();
        let part = if k < n { (x - floor) * &rewards[k] } else { whole(0) };
        rewards[..k].iter().sum::<Fraction>() + part
    };
    let count = whole(n as i128);
    let index = positive.then(|| {
        let ranked: Fraction = ranks.iter().zip(&rewards).map(|(rank, reward)| rank * reward).sum();
        whole(2) * ranked / (&count * &total) - (&count + whole(1)) / &count
    });
    let capital_gini = gini(&holders.iter().map(|holder| holder.0.clone()).collect::<Vec<_>>());
    let winners: Vec<Fraction> =
        holders.iter().map(|holder| holder.1.clone()).filter(|reward| *reward > whole(0)).collect();
    let richest = |percent: usize| {
        let poor = n - (n * percent).div_ceil(100);
        positive.then(|| whole(1) - of_poorest(&whole(poor as i128)) / &total)
    };
    let kakwani = index.clone().zip(capital_gini.clone()).map(|(index, gini)| index - gini);
    let numbers = vec![
        ("capital_gini", capital_gini),
        ("reward_gini", gini(&winners)),
        ("reward_concentration", index),
        ("kakwani", kakwani),
        ("reward_top_1pct_share", richest(1)),
        ("reward_top_10pct_share", richest(10)),
    ];
    let point = |p: usize| of_poorest(&(whole((n * p) as i128) / whole(100))) / &total;
    let yields = (0..10)
        .map(|j| {
            let range = j * n / 10..(j + 1) * n / 10;
            let capital: Fraction = holders[range.clone()].iter().map(|holder| &holder.0).sum();
            (!range.is_empty()).then(|| rewards[range].iter().sum::<Fraction>() / capital)
        })
        .collect();
    let curve = positive.then(|| (0..=100).map(point).collect());
    Reference { n: n as i128, total, numbers, curve, yields }
}

fn double(x: &Fraction) -> f64 {
    // Far more digits than a double has.
    let scaled = (x * Fraction::from(BigInt::from(10).pow(60))).round().to_integer();
    format!("{scaled}e-60").parse().unwrap()
}

fn assert_is(table: &Table, row: usize, holders: &[(Fraction, Fraction)]) {
    let reference = reference(holders);
    assert_eq!(table.count("n_holders", row), Some(reference.n as u64));
    let absolute: Fraction = holders.iter().map(|(_, r)| if *r < whole(0) { -r } else { r.clone() }).sum();
    // What is promised of indices of signed rewards.
    let slack = if reference.total > whole(0) { 1.0 + double(&(absolute / &reference.total)) } else { 1.0 };
    let close = |what: &str, found: f64, exact: &Fraction, scale: f64| {
        let exact = double(exact);
        assert!((found - exact).abs() <= 1e-14 * scale, "{what}: {found} and {exact}");
    };
    for (name, exact) in &reference.numbers {
        let found = table.number(name, row);
        assert_eq!(found.is_some(), exact.is_some(), "{name}");
        if let (Some(found), Some(exact)) = (found, exact) {
            close(name, found, exact, slack);
        }
    }
    let curve = table.list("concentration_curve", row);
    assert_eq!(curve.is_some(), reference.curve.is_some());
    for (p, (found, exact)) in curve.iter().flatten().zip(reference.curve.iter().flatten()).enumerate() {
        close(&format!("the curve at {p} %"), *found, exact, slack);
    }
    if reference.n == 0 {
        return;
    }
    let list = table.0.column_by_name("yield_decile").unwrap();
    let list = arrow::array::AsArray::as_list::<i32>(list).value(row);
    let list: Vec<Option<f64>> =
        arrow::array::AsArray::as_primitive::<arrow::datatypes::Float64Type>(&list).iter().collect();
    assert_eq!(list.len(), 10);
    for (found, exact) in list.iter().zip(&reference.yields) {
        assert_eq!(found.is_some(), exact.is_some());
        if let (Some(found), Some(exact)) = (found, exact) {
            close("a yield", *found, exact, double(exact).abs().max(1e-300) * 10.0 + slack);
        }
    }
}

/// Amounts in a way of writing them, and as fractions.
fn column(kind: u8, values: &[i64]) -> (ArrayRef, Vec<Fraction>) {
    let exact = |scale: &dyn Fn(i64) -> Fraction| values.iter().map(|&v| scale(v)).collect();
    match kind {
        0 => {
            let column: ArrayRef = std::sync::Arc::new(arrow::array::Int64Array::from(values.to_vec()));
            (column, exact(&|v| whole(v.into())))
        }
        1 => {
            let cell = |v: &i64| format!("{}{}.{}", if *v < 0 { "-" } else { "" }, v.abs() / 8, v.abs() % 8);
            let fraction = |v: i64| {
                let size = whole((v.abs() / 8).into()) + whole((v.abs() % 8).into()) / whole(10);
                if v < 0 { -size } else { size }
            };
            (texts(&values.iter().map(cell).collect::<Vec<_>>()), exact(&fraction))
        }
        2 => (
            f64s(&values.iter().map(|&v| v as f64 * 0.375).collect::<Vec<_>>()),
            exact(&|v| whole((v * 3).into()) / whole(8)),
        ),
        // Keys do not tell these apart.
        _ => (
            texts(
                &values
                    .iter()
                    .map(|v| format!("{}{:04}", 10i128.pow(30) * i128::from(v.signum()), v.abs()))
                    .collect::<Vec<_>>(),
            ),
            exact(&|v| whole(v.signum().into()) * (whole(10i128.pow(34)) + whole(v.abs().into()))),
        ),
    }
}

fn write(folder: &Folder, name: &str, columns: &[(&str, ArrayRef)]) -> PathBuf {
    folder.write_row_groups(&format!("{name}.parquet"), columns, 7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_column_is_its_definition(
        kinds in (0u8..4, 0u8..4),
        rows in prop::collection::vec((0u8..2, 0u8..9, 0i64..40, -300i64..900), 1..70),
        merge in any::<bool>(),
        out in any::<bool>(),
    ) {
        let folder = Folder::new();
        let (capital, capitals) = column(kinds.0, &rows.iter().map(|row| row.2).collect::<Vec<_>>());
        let (reward, rewards) = column(kinds.1, &rows.iter().map(|row| row.3).collect::<Vec<_>>());
        let owners: Vec<String> = rows.iter().map(|row| format!("o{}", row.1)).collect();
        let tokens: Vec<String> = rows.iter().map(|row| format!("t{}", row.0)).collect();
        let keys = [("token", texts(&tokens)), ("owner", texts(&owners))];
        let all = [&keys[..], &[("capital", capital.clone()), ("earned", reward.clone())]].concat();
        let path = write(&folder, "all", &all);
        let mut wanted = Options { owners: if merge { Owners::Merge } else { Owners::Trust }, ..options(&path, "earned") };
        if out {
            let list = folder.path().join("out.txt");
            std::fs::write(&list, "o3\n").unwrap();
            wanted.exclude = vec![Exclusion::List(list)];
        }
        let table = analyze(&wanted);

        let mut holders: BTreeMap<(String, String), (Fraction, Fraction)> = BTreeMap::new();
        for i in (0..rows.len()).filter(|&i| !(out && rows[i].1 == 3)) {
            let owner = if merge { owners[i].clone() } else { i.to_string() };
            let own = holders.entry((tokens[i].clone(), owner)).or_insert((whole(0), whole(0)));
            own.0 += &capitals[i];
            own.1 += &rewards[i];
        }
        for group in 0..table.rows() {
            let token = table.text("token", group).unwrap();
            let of_group: Vec<_> = holders.iter().filter(|(key, _)| key.0 == token).map(|(_, held)| held.clone()).collect();
            let (with, without): (Vec<_>, Vec<_>) = of_group.into_iter().partition(|held| held.0 > whole(0));
            assert_is(&table, group, &with);
            let lost: Vec<_> = without.iter().filter(|held| held.1 != whole(0)).collect();
            prop_assert_eq!(table.count("n_no_capital", group), Some(lost.len() as u64));
            let sum = |of: Fraction, name: &str| {
                let text = table.text(name, group).unwrap();
                let found: f64 = text.parse().unwrap();
                assert!((found - double(&of)).abs() <= 1e-15 * double(&of).abs(), "{name}: {text}");
            };
            sum(without.iter().map(|held| &held.1).sum(), "reward_no_capital");
            sum(with.iter().map(|held| &held.1).sum(), "reward_total");
        }

        // Capital and rewards in two files: the same as owners merged from one.
        if merge {
            let place = |name: &str, column: (&'static str, ArrayRef)| write(&folder, name, &[&keys[..], &[column]].concat());
            let (held, earned) = (place("held", ("capital", capital)), place("earned", ("earned", reward)));
            let none = concentra::options::Snapshot::Nothing;
            let one = Options { snapshot: none.clone(), ..wanted.clone() };
            let two = Options {
                paths: vec![held.to_str().unwrap().to_owned()],
                rewards: Some(earned),
                snapshot: none,
                ..wanted
            };
            analyze(&one).assert_same(&analyze(&two), &[], "two files");
        }
    }
}

#[test]
fn order_of_rows_and_device_change_nothing() {
    let mut random = Random(9);
    let mut rows: Vec<(u64, i64)> =
        (0..6000).map(|_| (1 + random.next() % 500, (random.next() % 2000) as i64 - 300)).collect();
    let folder = Folder::new();
    let table = |name: &str, rows: &[(u64, i64)]| {
        let capital = u64s(&rows.iter().map(|row| row.0).collect::<Vec<_>>());
        let reward: ArrayRef =
            std::sync::Arc::new(arrow::array::Int64Array::from_iter_values(rows.iter().map(|row| row.1)));
        let path = write(&folder, name, &[("capital", capital), ("earned", reward)]);
        analyze_everywhere(&Options {
            snapshot: concentra::options::Snapshot::Nothing,
            ..options(&path, "earned")
        })
    };
    let first = table("a", &rows);
    rows.sort_unstable();
    first.assert_same(&table("b", &rows), &[], "sorted");
    let fraction = |row: &(u64, i64)| (whole(row.0.into()), whole(row.1.into()));
    assert_is(&first, 0, &rows.iter().map(fraction).collect::<Vec<_>>());
}

#[test]
fn what_is_wrong_with_rewards_is_told() {
    let shell = Shell::new();
    let owners = || ("owner", text(["a", "b", "c"]));
    shell.parquet(
        "h.parquet",
        vec![owners(), ("capital", numbers([5, 3, 0])), ("earned", text(["1.5", "x", "2"]))],
    );
    shell
        .run("analyze h.parquet --amount capital --reward earned")
        .fails(1, &["h.parquet", "`earned`", "row 2"]);
    shell
        .run("analyze h.parquet --amount capital --reward nothing")
        .fails(1, &["--reward", "nothing", "earned"]);
    shell
        .run("analyze h.parquet --amount capital --reward earned --look-through")
        .fails(2, &["--look-through"]);
    shell
        .run("analyze h.parquet --amount capital --reward earned --top-holders 2")
        .fails(2, &["--top-holders"]);
    shell
        .parquet("r.parquet", vec![("token", text(["t"])), ("owner", text(["a"])), ("earned", numbers([5]))]);
    shell.run("analyze h.parquet --amount capital --rewards r.parquet --reward earned").fails(2, &["--by"]);
    shell.run("analyze h.parquet --metrics kakwani").fails(2, &["`kakwani`", "--reward"]);
    // One column as both would say that everybody earns in proportion.
    shell
        .run("analyze h.parquet --amount capital --reward capital")
        .fails(1, &["`capital` is both", "--amount"]);
    shell.parquet(
        "other.parquet",
        vec![("token", text(["u"])), ("owner", text(["a"])), ("capital", numbers([5]))],
    );
    let line = "analyze other.parquet --amount capital --rewards r.parquet --reward earned --by token";
    shell.run(line).fails(2, &["--rewards", "none of its groups", "t", "u"]);
    // Numbers are compared as the capital's, unless that would change them.
    let chain = |chains: &[f64]| -> ArrayRef { f64s(chains) };
    shell.parquet(
        "int.parquet",
        vec![("chain", numbers([1])), ("owner", text(["a"])), ("capital", numbers([5]))],
    );
    for (name, chains, joined) in [("same", 1.0, true), ("other", 1.5, false)] {
        let file = format!("{name}.parquet");
        shell.parquet(
            &file,
            vec![("chain", chain(&[chains])), ("owner", text(["a"])), ("earned", numbers([4]))],
        );
        let line = format!(
            "analyze int.parquet --amount capital --rewards {file} --reward earned --by chain --format json"
        );
        let ran = shell.run(&line);
        if joined {
            assert_eq!(ran.ok().json()[0]["reward_total"], "4");
        } else {
            ran.fails(2, &["none of its groups"]);
        }
    }
    // Groups are as written; only where that finds none does the case of an address not matter.
    let tokens = |a, b| ("token", text([a, b]));
    let both = || ("owner", text(["a", "a"]));
    shell.parquet("x.parquet", vec![tokens("0xAB", "0xab"), both(), ("capital", numbers([5, 5]))]);
    shell.parquet("y.parquet", vec![tokens("0xab", "0xAB"), both(), ("earned", numbers([7, 3]))]);
    let line =
        "analyze x.parquet --amount capital --rewards y.parquet --reward earned --by token --format json";
    let rows = shell.run(line).ok().json();
    assert_eq!((&rows[0]["reward_total"], &rows[1]["reward_total"]), (&"3".into(), &"7".into()));
    shell.parquet("held.parquet", vec![owners(), ("capital", numbers([5, 3, 0]))]);
    shell.parquet("earned.parquet", vec![owners(), ("reward", numbers([2, 0, 9]))]);
    let line = "analyze held.parquet --amount capital --rewards earned.parquet --snapshot none --format json";
    let ran = shell.run(line).ok();
    ran.says(&["81.8 % of the rewards lies with owners of no capital"]);
}
