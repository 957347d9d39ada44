//! Who is counted: owners left out and owners of one entity, against files without those rows and with those owners.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, ListBuilder, StringArray, StringBuilder};
use concentra::columns::text::parse;
use concentra::moments::Fraction;
use concentra::options::{Exclusion, Negatives, Options, Owners, Top};
use num_bigint::BigUint;
use proptest::prelude::*;

use crate::shell::Shell;
use crate::support::{Folder, Table, analyze, f64s, options, real_data, texts, try_analyze, u64s};

/// Columns that say how many were left out or merged, and where a result comes from.
const COUNTED: [&str; 5] = ["n_rows", "n_excluded", "excluded_share", "n_merged", "n_entities"];

fn write(folder: &Folder, name: &str, rows: &[(String, String, ArrayRef)]) -> PathBuf {
    let tokens: Vec<&String> = rows.iter().map(|row| &row.0).collect();
    let owners: Vec<&String> = rows.iter().map(|row| &row.1).collect();
    let amounts: Vec<&dyn arrow::array::Array> = rows.iter().map(|row| row.2.as_ref()).collect();
    let amounts = arrow::compute::concat(&amounts).unwrap();
    let columns = [("token", texts(&tokens)), ("owner", texts(&owners)), ("balance", amounts)];
    folder.write_row_groups(&format!("{name}.parquet"), &columns, 7)
}

fn list(folder: &Folder, name: &str, text: &str) -> Vec<Exclusion> {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    vec![Exclusion::List(path)]
}

/// One amount of a kind.
fn cell(kind: u8, value: u64) -> ArrayRef {
    match kind {
        0 => u64s(&[value]),
        1 => texts(&[format!("{}.{}", value / 8, value % 8)]),
        2 => f64s(&[value as f64 * 0.3]),
        _ => texts(&[format!("{value}000000000000000000001")]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// What is measured is what a file without the rows gives, and with entities in place of their owners.
    #[test]
    fn it_is_as_if_the_rows_were_not_there(
        kind in 0u8..4,
        rows in prop::collection::vec((0u8..3, 0u8..12, 0u64..5000), 1..60),
        out in prop::collection::btree_set(0u8..12, 0..5),
        merge in any::<bool>(),
    ) {
        let folder = Folder::new();
        let row = |&(token, owner, value): &(u8, u8, u64)| {
            (format!("t{token}"), format!("0xA{owner:x}"), cell(kind, value))
        };
        let all: Vec<_> = rows.iter().map(row).collect();
        // A row of its own that stays, so that no group is gone altogether.
        let stays = |token: u8| (format!("t{token}"), "keeper".to_owned(), cell(kind, 7));
        let stay: Vec<_> = (0..3).map(stays).collect();
        let kept: Vec<_> =
            rows.iter().filter(|row| !out.contains(&row.1)).map(row).chain(stay.clone()).collect();
        let all: Vec<_> = all.into_iter().chain(stay).collect();
        let names: String = out.iter().map(|owner| format!("0Xa{owner:X}\n")).collect();
        let owners = if merge { Owners::Merge } else { Owners::Trust };
        let base = Options { owners, snapshot: concentra::options::Snapshot::Nothing, ..Options::default() };
        let at = |path: PathBuf| Options { paths: vec![path.to_str().unwrap().to_owned()], ..base.clone() };
        let exclude = list(&folder, "out.txt", &names);
        let found = analyze(&Options { exclude, ..at(write(&folder, "all", &all)) });
        let expected = analyze(&at(write(&folder, "kept", &kept)));
        expected.assert_same(&found, &COUNTED, "left out");
        for group in 0..found.rows() {
            let token = found.text("token", group).unwrap();
            let of = |rows: &[(String, String, ArrayRef)]| rows.iter().filter(|row| row.0 == token).count() as u64;
            prop_assert_eq!(found.count("n_excluded", group).unwrap(), of(&all) - of(&kept));
            // What is left out and what is kept are all there is, as far as doubles tell.
            let sum = |table: &Table| table.number("total_f64", group).unwrap();
            let whole = analyze(&at(write(&folder, "all", &all)));
            let share = found.number("excluded_share", group).unwrap();
            prop_assert!((share - (1.0 - sum(&found) / sum(&whole))).abs() < 1e-12);
        }
    }
}

/// Amounts as whole numbers, small ones and ones that keys round.
fn amount(huge: bool, value: u64) -> BigUint {
    if huge { BigUint::from(value) * BigUint::from(10u8).pow(21) + 1u8 } else { value.into() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Cuts keep what a file of the holders that are left has, in memory and by way of the disk.
    #[test]
    fn cuts_keep_the_largest(
        huge in any::<bool>(),
        rows in prop::collection::vec((0u8..3, 0u8..9, 0u64..40), 1..80),
        least in prop::option::of(1u64..30),
        top in prop::option::of(prop_oneof![(1u64..12).prop_map(Top::Count), (1u64..100).prop_map(|p| {
            Top::Share(Fraction::new(p, 100))
        })]),
        merge in any::<bool>(),
    ) {
        let folder = Folder::new();
        // By token: the amounts of its holders, zeros too.
        let mut holders: BTreeMap<u8, Vec<BigUint>> = BTreeMap::new();
        if merge {
            let mut sums: BTreeMap<(u8, u8), BigUint> = BTreeMap::new();
            for &(token, owner, value) in &rows {
                *sums.entry((token, owner)).or_default() += amount(huge, value);
            }
            sums.into_iter().for_each(|((token, _), sum)| holders.entry(token).or_default().push(sum));
        } else {
            rows.iter().for_each(|&(token, _, value)| holders.entry(token).or_default().push(amount(huge, value)));
        }
        let limit = least.map(|least| amount(huge, least));
        let mut kept = vec![];
        let mut expected: Vec<(u64, u64, u64)> = vec![];
        for (token, amounts) in &mut holders {
            let all = amounts.len() as u64;
            amounts.sort_by(|a, b| b.cmp(a));
            amounts.retain(|amount| limit.as_ref().is_none_or(|limit| amount >= limit));
            let positive = amounts.iter().filter(|amount| **amount > BigUint::ZERO).count() as u64;
            let most = match top {
                None => u64::MAX,
                Some(Top::Count(most)) => most,
                Some(Top::Share(share)) => (positive * share.numerator).div_ceil(share.denominator),
            };
            amounts.truncate(usize::try_from(most).unwrap_or(usize::MAX));
            let zeros = amounts.iter().filter(|amount| **amount == BigUint::ZERO).count() as u64;
            expected.push((amounts.len() as u64 - zeros, zeros, all - amounts.len() as u64));
            let cell = |amount: &BigUint| (format!("t{token}"), "x".to_owned(), texts(&[amount.to_string()]));
            // A group without holders has a row of its own, too.
            kept.extend(amounts.iter().map(cell));
            if amounts.is_empty() {
                kept.push(cell(&BigUint::ZERO));
            }
        }
        let all: Vec<_> = rows
            .iter()
            .map(|&(token, owner, value)| {
                (format!("t{token}"), format!("o{owner}"), texts(&[amount(huge, value).to_string()]))
            })
            .collect();
        let base = Options { snapshot: concentra::options::Snapshot::Nothing, ..Options::default() };
        let at = |path: PathBuf| Options { paths: vec![path.to_str().unwrap().to_owned()], ..base.clone() };
        let min_amount = limit.map(|limit| parse(&limit.to_string()).unwrap());
        let owners = if merge { Owners::Merge } else { Owners::Trust };
        let cut = Options { owners, min_amount, top_holders: top, ..at(write(&folder, "all", &all)) };
        let found = analyze(&cut);
        let left = analyze(&at(write(&folder, "kept", &kept)));
        let counted = ["n_rows", "n_merged", "n_below", "below_share", "n_zero"];
        left.assert_same(&found, &counted, "cut");
        found.assert_rows_add_up();
        let whole = analyze(&Options { min_amount: None, top_holders: None, ..cut });
        for (group, &(n, zeros, below)) in expected.iter().enumerate() {
            let count = |name: &str| found.count(name, group).unwrap();
            prop_assert_eq!((count("n_holders"), count("n_zero"), count("n_below")), (n, zeros, below));
            let total = |table: &Table| table.number("total_f64", group).unwrap_or(0.0);
            let share = if total(&whole) > 0.0 { 1.0 - total(&found) / total(&whole) } else { 0.0 };
            prop_assert!((found.number("below_share", group).unwrap() - share).abs() < 1e-12);
        }
    }
}

/// Shares of what is left out are of all that a group has, whatever is cut off besides.
#[test]
fn shares_of_all_that_there_is() {
    let folder = Folder::new();
    let columns = [("owner", texts(&["x", "a", "b", "c"])), ("balance", u64s(&[10, 50, 30, 10]))];
    let path = folder.write("s.parquet", &columns);
    let exclude = list(&folder, "x.txt", "x\n");
    let table = analyze(&Options { exclude, top_holders: Some(Top::Count(1)), ..options(&path) });
    assert_eq!(
        (table.number("excluded_share", 0), table.number("below_share", 0)),
        (Some(0.1), Some(40.0 / 90.0))
    );
}

/// Half the total is a tie among those who are left: exact amounts decide, without those cut off.
#[test]
fn ties_after_cuts() {
    let folder = Folder::new();
    let tie = "500000000000000000000000001";
    let amounts = [tie, tie, "1", "7", "300000000000000000000000001", "12"];
    let path = folder.write("t.parquet", &[("balance", texts(&amounts))]);
    let min_amount = Some(parse("400000000000000000000000000").unwrap());
    for cut in [
        Options { min_amount, ..options(&path) },
        Options { top_holders: Some(Top::Count(2)), ..options(&path) },
        Options { top_holders: Some(Top::Share(Fraction::new(1, 3))), ..options(&path) },
    ] {
        let table = analyze(&cut);
        assert_eq!((table.count("n_holders", 0), table.count("nakamoto_1_2", 0)), (Some(2), Some(2)));
        assert_eq!(table.count("n_below", 0), Some(4));
        assert!(try_analyze(&cut).unwrap().ties > 0);
    }
}

/// Values by one price for all, and by the price of each group.
#[test]
fn cuts_by_value() {
    let shell = Shell::new();
    let columns = |prices: ArrayRef| {
        let tokens = texts(&["a", "a", "b", "b", "b"]);
        vec![("token", tokens), ("balance", u64s(&[10, 3, 10, 3, 0])), ("price", prices)]
    };
    let holders = |line: &str| -> Vec<(u64, u64)> {
        let groups = shell.groups(&format!("v.parquet --by token {line}"));
        groups.iter().map(|g| (g["n_holders"].as_u64().unwrap(), g["n_below"].as_u64().unwrap())).collect()
    };
    for prices in [f64s(&[0.5, 0.5, 2.0, 2.0, 2.0]), texts(&["0.5", "0.50", "2", "2", "2.0"])] {
        shell.parquet("v.parquet", columns(prices));
        assert_eq!(holders("--min-value 5 --price price"), [(1, 1), (2, 1)]);
        assert_eq!(holders("--min-value 5 --price price --min-amount 4"), [(1, 1), (1, 2)]);
        assert_eq!(holders("--min-value 5.0001 --price price"), [(0, 2), (2, 1)]);
        assert_eq!(holders("--min-value 9 --price 3"), [(2, 0), (2, 1)]);
    }
    let fails = |line: &str, status: i32, said: &[&str]| {
        shell.run(&format!("analyze v.parquet --by token --min-value 1 {line}")).fails(status, said);
    };
    fails("", 2, &["--min-value needs --price"]);
    fails("--price prize", 1, &["no column `prize` for --price", "did you mean `price`?"]);
    shell.parquet("v.parquet", columns(f64s(&[0.5, 0.25, 2.0, 2.0, 2.0])));
    fails("--price price", 1, &["group token=a: its prices in `price` differ: 0.5 and 0.25"]);
    shell.parquet(
        "v.parquet",
        columns(Arc::new(arrow::array::Float64Array::from(vec![Some(0.5), None, None, None, None]))),
    );
    fails("--price price", 1, &["group token=b: it has no price in `price`"]);
    shell.parquet("v.parquet", columns(f64s(&[0.5, 0.5, -2.0, 2.0, 2.0])));
    fails("--price price", 1, &["v.parquet: column `price`, row 3", "negative"]);
    shell.parquet("v.parquet", columns(f64s(&[0.5, 0.0, 2.0, 2.0, 2.0])));
    fails("--price price", 1, &["v.parquet: column `price`, row 2", "the price is 0"]);
}

#[test]
fn cuts_in_tokens() {
    let shell = Shell::new();
    let wei = ["2500000000000000000", "1000000000000000000", "999999999999999999", "0"];
    shell.parquet("w.parquet", vec![("balance", texts(&wei))]);
    let group = shell.group("w.parquet --min-amount 1 --decimals 18");
    assert_eq!([&group["n_holders"], &group["n_below"], &group["n_zero"]], [2, 2, 0]);
    let group = shell.group("w.parquet --top-holders 50%");
    assert_eq!([&group["n_holders"], &group["n_below"], &group["n_zero"]], [2, 2, 0]);
    shell.run("analyze w.parquet --top-holders 0").fails(2, &["--top-holders 0", "1000", "10%"]);
    shell.run("analyze w.parquet --min-amount 1,5").fails(2, &["--min-amount 1,5", "comma"]);
    shell.run("analyze w.parquet --min-amount 1 --top-holders 2 -o r.parquet").ok();
    let footers = crate::cli_output::footer(&shell.path("r.parquet"));
    let footer = &footers.iter().find(|(key, _)| key == "concentra.options").unwrap().1;
    assert_eq!((&footer["min-amount"], &footer["top-holders"]), (&"1e-0".into(), &"2".into()));
}

/// Rows of one entity are one holder: the same as merging a file that names the entity as owner.
#[test]
fn entities_are_holders() {
    let folder = Folder::new();
    let row = |token: &str, owner: &str, amount: u64| (token.to_owned(), owner.to_owned(), u64s(&[amount]));
    let rows = [
        row("a", "0x01", 5),
        row("a", "0x02", 6),
        row("a", "0x03", 7),
        row("a", "Vault", 9),
        row("b", "0x01", 0),
        row("b", "0X02", 0),
        row("b", "0x04", 3),
        row("a", "0x01", 1),
    ];
    let labels = folder.write(
        "labels.parquet",
        &[
            ("address", texts(&["0x01", "0x02", "0x03", "0x05"])),
            ("entity", Arc::new(StringArray::from(vec![Some("Vault"), Some("Vault"), None, Some("Other")]))),
        ],
    );
    let path = write(&folder, "all", &rows);
    let trusted = Options { snapshot: concentra::options::Snapshot::Nothing, ..options(&path) };
    let merged = Options { owners: Owners::Merge, ..trusted };
    let found = analyze(&Options { labels: vec![labels], entities: true, ..merged.clone() });
    // An owner that is called as the entity is not the entity: names are no labels.
    let renamed: Vec<_> = rows
        .iter()
        .map(|(token, owner, amount)| {
            let owner = if ["0x01", "0x02", "0X02"].contains(&&owner[..]) { "entity" } else { owner };
            (token.clone(), owner.to_owned(), amount.clone())
        })
        .collect();
    let path = write(&folder, "renamed", &renamed);
    let expected = analyze(&Options { paths: vec![path.to_str().unwrap().to_owned()], ..merged });
    expected.assert_same(&found, &["n_entities"], "entities");
    let counts = |name: &str| [found.count(name, 0).unwrap(), found.count(name, 1).unwrap()];
    // In the second group the entity holds nothing.
    assert_eq!((counts("n_holders"), counts("n_entities")), ([3, 1], [1, 0]));
    assert_eq!((counts("n_merged"), counts("n_zero")), ([2, 1], [0, 1]));
}

/// Null amounts are null whoever owns them; a negative amount of an owner that is left out is no error.
#[test]
fn exclusion_comes_after_nulls_and_before_negatives() {
    let folder = Folder::new();
    let amounts: ArrayRef =
        Arc::new(Int64Array::from(vec![Some(5), None, Some(-3), None, Some(-1), Some(0)]));
    let columns = [("owner", texts(&["a", "x", "x", "a", "a", "x"])), ("balance", amounts)];
    let path = folder.write("n.parquet", &columns);
    let exclude = list(&folder, "x.csv", "owner\nx\n");
    let refused = Options { exclude: exclude.clone(), ..options(&path) };
    assert_eq!(
        crate::support::row_of(try_analyze(&refused)),
        5,
        "the negative amount of somebody who counts"
    );
    let table = analyze(&Options { negatives: Negatives::Drop, ..refused });
    let count = |name: &str| table.count(name, 0).unwrap();
    assert_eq!([count("n_rows"), count("n_null"), count("n_excluded"), count("n_negative")], [6, 2, 2, 1]);
    assert_eq!((count("n_holders"), count("n_zero")), (1, 0));
    // What is left out holds nothing.
    assert_eq!(table.number("excluded_share", 0), Some(0.0));
    // Nobody is left.
    let exclude = list(&folder, "all.txt", "a\nx\n");
    let table = analyze(&Options { exclude, ..options(&path) });
    assert_eq!((table.count("n_holders", 0), table.text("total", 0).as_deref()), (Some(0), Some("0")));
    assert_eq!((table.number("excluded_share", 0), table.number("gini", 0)), (Some(1.0), None));
}

/// The names of a shell's files of labels, and the rows in them.
fn labelled() -> Shell {
    let shell = Shell::new();
    let zero = "0x0000000000000000000000000000000000000000";
    let dead = "0x000000000000000000000000000000000000dEaD";
    let owners = ["0xAA", "0xbb", "0xcc", zero, dead];
    shell.parquet("h.parquet", vec![("address", texts(&owners)), ("balance", u64s(&[10, 20, 30, 25, 15]))]);
    let mut lists = ListBuilder::new(StringBuilder::new());
    for labels in [&["CEX", "hot"][..], &["cex"], &["bridge"]] {
        labels.iter().for_each(|label| lists.values().append_value(label));
        lists.append(true);
    }
    shell.parquet(
        "l.parquet",
        vec![
            ("Address", texts(&["0xaa", "0xbb", "0xCC"])),
            ("labels", Arc::new(lists.finish())),
            ("is_contract", Arc::new(BooleanArray::from(vec![Some(false), Some(true), None]))),
        ],
    );
    shell.file(
        "l.csv",
        "address,entity,labels,is_contract\n0xAA,Exchange,cex; hot,no\n0xbb,Exchange,CEX,yes\n0xCC,,bridge,\n",
    );
    shell
}

#[test]
fn exclusions_by_kind_and_label() {
    let shell = labelled();
    let holders = |line: &str| {
        let group = shell.group(&format!("h.parquet {line}"));
        (
            group["n_holders"].as_u64().unwrap(),
            group["n_excluded"].as_u64().unwrap(),
            group["excluded_share"].as_f64(),
        )
    };
    assert_eq!(holders("--exclude burn"), (3, 2, Some(0.4)));
    for labels in ["l.parquet", "l.csv"] {
        assert_eq!(holders(&format!("--labels {labels} --exclude label:Cex")), (3, 2, Some(0.3)), "{labels}");
        assert_eq!(holders(&format!("--labels {labels} --exclude contracts")), (4, 1, Some(0.2)), "{labels}");
        let both = format!("--labels {labels} --exclude contracts,burn --exclude label:bridge");
        assert_eq!(holders(&both), (1, 4, Some(0.9)), "{labels}");
    }
    assert_eq!(holders("--labels l.csv --exclude entity:EXCHANGE"), (3, 2, Some(0.3)));
    let group = shell.group("h.parquet --labels l.csv --entities");
    assert_eq!([&group["n_holders"], &group["n_merged"], &group["n_entities"]], [4, 1, 1]);
    // It is in the provenance what was left out.
    shell.run("analyze h.parquet --labels l.csv --entities --exclude burn -o r.parquet").ok();
    let footers = crate::cli_output::footer(&shell.path("r.parquet"));
    let footer = &footers.iter().find(|(key, _)| key == "concentra.options").unwrap().1;
    assert_eq!(footer["exclude"][0]["exclude"], "burn");
    assert_eq!(footer["exclude"][0]["owners"], concentra::population::BURN.len());
    assert_eq!((&footer["entities"]["owners"], &footer["owners"]), (&2.into(), &"merge".into()));
    assert_eq!(footer["labels"][0]["name"], "l.csv");
    // A result does not replace what it was made with, and other lists have other digests.
    shell
        .run("analyze h.parquet --labels l.parquet -o l.parquet --overwrite")
        .fails(2, &["l.parquet: is an input"]);
    let digest = |list: &str| {
        shell.file("out.txt", list);
        shell.run("analyze h.parquet --exclude out.txt -o d.parquet --overwrite").ok();
        let footers = crate::cli_output::footer(&shell.path("d.parquet"));
        let footer = &footers.iter().find(|(key, _)| key == "concentra.options").unwrap().1;
        (footer["exclude"][0]["owners"].clone(), footer["exclude"][0]["digest"].clone())
    };
    assert_eq!(digest("0xAA\n0xbb\n"), digest("\u{feff}0xBB\n0xaa\n0xAa\n"));
    assert_ne!(digest("0xaa\n0xbb\n"), digest("0xaa\n0xcc\n"));
}

#[test]
fn what_is_missing_or_wrong_is_told() {
    let shell = labelled();
    let fails = |line: &str, said: &[&str]| shell.run(&format!("analyze h.parquet {line}")).fails(2, said);
    fails("--exclude contracts", &["--exclude contracts needs --labels FILE"]);
    fails("--entities", &["--entities needs --labels FILE"]);
    fails("--labels l.parquet --entities", &["--entities", "l.parquet has no column `entity`"]);
    fails(
        "--labels l.parquet --exclude label:brigde",
        &["label:brigde", "among the 3", "did you mean label:bridge?"],
    );
    fails("--labels l.csv --exclude entity:Exchnage", &["entity:Exchnage", "did you mean entity:exchange?"]);
    fails("--labels l.csv --entities --owners check", &["--entities merges owners"]);
    let fails = |line: &str, said: &[&str]| shell.run(&format!("analyze h.parquet {line}")).fails(1, said);
    fails("--exclude nobody.txt", &["nobody.txt", "burn, contracts, label:NAME"]);
    fails("--labels h.parquet", &["h.parquet", "no column is called entity, name, labels, is_contract"]);
    shell.file("bad.csv", "address,is_contract\n0xaa,perhaps\n");
    fails("--labels bad.csv", &["bad.csv: column `is_contract`, row 1: `perhaps` is neither true nor false"]);
    // What might be an owner is no header, and what is more than an owner none at all.
    shell.file("bare.csv", "0xaa\n0xbb\n");
    fails("--exclude bare.csv", &["bare.csv", "no column is called address", "it has 0xaa"]);
    shell.file("more.txt", "\u{feff}0xaa\n0xbb,Binance\n");
    fails("--exclude more.txt", &["more.txt", "row 2: `0xbb,Binance` is more than an owner"]);
    shell.file("list.json", "[]");
    fails("--exclude list.json", &["list.json", "not from .json"]);
    shell.file("two.csv", "x,y\n1,2\n");
    fails("--exclude two.csv", &["two.csv", "it has x, y"]);
    shell.parquet("anonymous.parquet", vec![("balance", u64s(&[1]))]);
    shell.run("analyze anonymous.parquet --exclude burn").fails(1, &["no owner column", "--exclude"]);
    shell.file("other.txt", "0xdd\n");
    let ran = shell.run("analyze h.parquet --exclude other.txt --exclude burn").ok();
    assert!(
        ran.stderr.contains("--exclude other.txt: none of its 1 owners is in the input"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    shell.file("twice.csv", "address,name\n0xAa,One\n0xaA,Two\n0xaa,One\n");
    let ran = shell.run("analyze h.parquet --labels twice.csv").ok();
    assert!(
        ran.stderr.contains("1 row has other names than an earlier one (0xaa is `One` and `Two`)"),
        "{}",
        ran.stderr
    );
}

/// The published files load as they are; a number of addresses is there twice by case.
#[test]
fn published_labels() {
    let Some(data) = real_data("population: labels") else { return };
    let labels = |name: &str| data.join("labels").join(name);
    let path = data.join("holders/crv_top1000_2025-02-12.parquet");
    let both = vec![labels("edinburgh_ethereum.parquet"), labels("etherscan_ethereum.parquet")];
    let exclude = vec![Exclusion::Contracts, Exclusion::Label("binance".into())];
    let analysis = Options { labels: both, exclude, entities: true, owners: Owners::Merge, ..options(&path) };
    let table = analyze(&analysis);
    table.assert_rows_add_up();
    let count = |name: &str| table.count(name, 0).unwrap();
    assert_eq!((count("n_rows"), count("n_excluded"), count("n_entities")), (1000, 37, 24));
    let warnings = try_analyze(&analysis).unwrap().of_files;
    assert!(warnings.iter().any(|w| w.contains("171 rows have other names")), "{warnings:?}");
    // The README of the data: 173 addresses are in the second file twice by case.
    let twice = vec![labels("etherscan_ethereum.parquet")];
    let exclude = vec![Exclusion::Label("curve-fi".into())];
    let table = analyze(&Options { labels: twice, exclude, ..options(&path) });
    assert!(table.count("n_excluded", 0) > Some(0));
}
