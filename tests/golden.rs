//! Exact values on real data: `GOLDEN.json` beside the data, computed there with big integers and rationals.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use concentra::metrics::{Extras, Kind, catalog};
use concentra::options::{By, Exclusion, Options, Owners};
use serde_json::{Map, Value as Json};

use crate::support::{Table, Value, analyze_everywhere as analyze, assert_value, options, pooled, real_data};

/// How an entry of the file comes about.
#[derive(Clone, Copy)]
enum Case {
    /// The file alone, as it is. `total`, `mean` and `median` are in this power of ten.
    File(u32),
    /// The file of doubles: the golden amounts are in some power of two.
    Doubles,
    /// One week, rows of one owner merged.
    MergedWeek,
    /// All weeks as one distribution, rows of one owner merged.
    MergedWeeks,
    /// Some of many groups.
    ByToken,
    /// This column of the positions.
    Amount(&'static str),
    /// One proposal of the votes.
    Proposal,
    /// The doubles without two owners, by name.
    WithoutEscrows,
    /// Not a distribution of §2 of the metrics, or not yet possible.
    Elsewhere,
}

const CRV: &str = "holders/crv_top1000_2025-02-12.parquet";
const POSITIONS: &str = "lp/univ3_positions_base.parquet";
const VOTES: &str = "governance/snapshot_votes_2022.parquet";
const WEEKS: &str = "lp/balancer_weekly";
const BY_TOKEN: &str = "lp/balancer_by_token.parquet";

/// Every entry, so that none is silently lost.
fn case(entry: &str) -> Option<Case> {
    Some(match entry {
        "holders/uni_airdrop_2020-09-01.parquet"
        | "holders/ens_airdrop_2021-10-31.parquet"
        | "holders/eth_genesis.parquet" => Case::File(0),
        CRV => Case::Doubles,
        "holders/crv_top1000_2025-02-12.parquet minus Voting Escrow, Curve Vesting Escrow" => {
            Case::WithoutEscrows
        }
        "lp/balancer_weekly/week_001.parquet"
        | "lp/balancer_weekly/week_007.parquet"
        | "lp/balancer_weekly/week_020.parquet"
        | "lp/balancer_weekly/week_057.parquet"
        | "lp/balancer_weekly/week_083.parquet"
        | "lp/balancer_weekly/week_097.parquet" => Case::File(18),
        "lp/balancer_weekly/week_007.parquet owners merged by address" => Case::MergedWeek,
        "lp/balancer_weekly all 97 weeks, owners merged by address" => Case::MergedWeeks,
        "lp/balancer_by_token.parquet by week,chain,token" => Case::ByToken,
        // Profits against capital: `tests/profits.rs`.
        "lp/univ3_positions_base.parquet capital=approx_starting_weth reward=weth_fees_earned" => {
            Case::Elsewhere
        }
        "lp/univ3_positions_base.parquet capital" => Case::Amount("approx_starting_weth"),
        "lp/univ3_positions_base.parquet fees" => Case::Amount("weth_fees_earned"),
        _ if entry.starts_with(VOTES) => Case::Proposal,
        _ => return None,
    })
}

fn golden(data: &Path) -> Map<String, Json> {
    serde_json::from_slice(&fs::read(data.join("GOLDEN.json")).unwrap()).unwrap()
}

fn number(entry: &Map<String, Json>, name: &str) -> f64 {
    entry[name].as_f64().unwrap()
}

/// Every metric that the entry has; all of them unless it is a short one.
fn assert_metrics(table: &Table, row: usize, entry: &Map<String, Json>, what: &str) -> usize {
    let mut compared = 0;
    for metric in catalog(&Extras::default()) {
        let name = metric.name.as_str();
        let Some(json) = entry.get(name) else { continue };
        let (actual, expected) = match metric.kind {
            Kind::Number => (Value::Number(table.number(name, row)), Value::Number(json.as_f64())),
            Kind::Count => (Value::Count(table.count(name, row)), Value::Count(json.as_u64())),
            Kind::List(_) => {
                let list = json.as_array().map(|list| list.iter().map(|x| x.as_f64().unwrap()).collect());
                (Value::List(table.list(name, row)), Value::List(list))
            }
        };
        assert_value(name, &actual, &expected, what);
        compared += 1;
    }
    compared
}

/// A whole entry. Its `n_rows` counts after leaving out and merging, ours before.
fn assert_entry(table: &Table, row: usize, entry: &Json, decimals: Option<u32>, what: &str) {
    let entry = entry.as_object().unwrap();
    assert_eq!(assert_metrics(table, row, entry, what), catalog(&Extras::default()).len(), "{what}");
    let count = |name| table.count(name, row).unwrap();
    assert_eq!(entry["n_rows"], count("n_rows") - count("n_excluded") - count("n_merged"), "{what}");
    assert_eq!(entry["n_zero"], count("n_zero"), "{what}");
    assert_eq!(entry["n_holders"], count("n_holders"), "{what}");
    let near = |name: &str, unit: f64| {
        let (actual, expected) = (table.number(name, row).unwrap(), number(entry, name) * unit);
        assert!((actual / expected - 1.0).abs() <= 1e-14, "{what}: {name} is {actual}, not {expected}");
    };
    let total = table.text("total", row).unwrap();
    let written = entry["total"].as_str().unwrap();
    let unit = match decimals {
        Some(decimals) => {
            assert_eq!(raw(&total, decimals), written, "{what}: total");
            10f64.powi(-(decimals as i32))
        }
        None => {
            // Doubles: in which power of two the entry counts, it does not say.
            let ratio: f64 = table.number("total_f64", row).unwrap() / written.parse::<f64>().unwrap();
            assert_eq!(ratio.to_bits() << 12, 0, "{what}: {ratio} is no power of two");
            ratio
        }
    };
    near("mean", unit);
    near("median", unit);
    table.assert_rows_add_up();
}

/// Plain decimal text as a whole number of `10^-decimals`.
fn raw(text: &str, decimals: u32) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let decimals = decimals as usize;
    assert!(fraction.len() <= decimals, "{text}");
    let digits = format!("{whole}{fraction:0<decimals$}");
    digits.trim_start_matches('0').to_owned()
}

#[test]
fn every_entry_of_the_golden_file_is_known() {
    let Some(data) = real_data("golden") else { return };
    let golden = golden(&data);
    let unknown: Vec<&String> = golden.keys().filter(|entry| case(entry).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let elsewhere = golden.keys().filter(|entry| matches!(case(entry), Some(Case::Elsewhere))).count();
    assert_eq!((golden.len(), elsewhere), (25, 1));
    let proposals = golden.keys().filter(|entry| matches!(case(entry), Some(Case::Proposal))).count();
    assert_eq!(proposals, 8);
}

#[test]
fn each_file_alone() {
    let Some(data) = real_data("golden: files") else { return };
    let mut compared = 0;
    for (name, entry) in &golden(&data) {
        let decimals = match case(name) {
            Some(Case::File(decimals)) => Some(decimals),
            Some(Case::Doubles) => None,
            _ => continue,
        };
        let table = analyze(&options(&data.join(name)));
        assert_eq!(table.rows(), 1, "{name}");
        assert_entry(&table, 0, entry, decimals, name);
        let unit = table.integer("unit_log2", 0).unwrap();
        assert_eq!(unit < 0, decimals.is_none(), "{name}: 2^{unit}");
        compared += 1;
    }
    assert_eq!(compared, 10);
}

/// The authors of the data leave two escrows out and publish 997 holders, Gini 0.8402, Nakamoto 23.
#[test]
fn owners_left_out_by_name() {
    let Some(data) = real_data("golden: without escrows") else { return };
    let folder = crate::support::Folder::new();
    let list = folder.path().join("escrows.txt");
    fs::write(&list, "# Contracts that lock tokens.\nVoting Escrow\n\n  Curve Vesting Escrow\n").unwrap();
    let exclude = vec![Exclusion::List(list)];
    let table = analyze(&Options { exclude, ..options(&data.join(CRV)) });
    let mut compared = 0;
    for (name, entry) in &golden(&data) {
        let Some(Case::WithoutEscrows) = case(name) else { continue };
        assert_entry(&table, 0, entry, None, name);
        compared += 1;
    }
    assert_eq!(compared, 1);
    assert_eq!((table.count("n_excluded", 0), table.count("n_holders", 0)), (Some(3), Some(997)));
    assert_eq!(table.count("nakamoto_1_2", 0), Some(23));
    assert_eq!((table.number("gini", 0).unwrap() * 1e4).round(), 8402.0);
}

#[test]
fn owners_merged_by_address() {
    let Some(data) = real_data("golden: merged") else { return };
    let golden = golden(&data);
    let weeks = data.join(WEEKS);
    let table = analyze(&Options { owners: Owners::Merge, ..options(&weeks) });
    let mut compared = 0;
    for (name, entry) in &golden {
        match case(name) {
            Some(Case::MergedWeek) => {
                let row = table.find(&[("week", "7")]);
                assert_entry(&table, row, entry, Some(18), name);
            }
            Some(Case::MergedWeeks) => {
                let table = analyze(&Options { owners: Owners::Merge, ..pooled(&weeks) });
                assert_entry(&table, 0, entry, Some(18), name);
                assert_eq!(table.count("n_rows", 0), Some(790_975), "the README of the data");
            }
            _ => continue,
        }
        compared += 1;
    }
    assert_eq!(compared, 2);
    // The README of the data: weeks 3–8 each hold one provider twice by case.
    assert_eq!(table.rows(), 97);
    for row in 0..97 {
        let week: u64 = table.text("week", row).unwrap().parse().unwrap();
        assert_eq!(week, row as u64 + 1);
        let merged = if (3..=8).contains(&week) { 1 } else { 0 };
        assert_eq!(table.count("n_merged", row), Some(merged), "week {week}");
    }
}

#[test]
fn groups_by_week_chain_and_token() {
    let Some(data) = real_data("golden: by token") else { return };
    let golden = golden(&data);
    let entry = &golden["lp/balancer_by_token.parquet by week,chain,token"];
    let by = |columns: &[&str]| By::Columns(columns.iter().map(|&c| c.to_owned()).collect());
    let path = data.join(BY_TOKEN);
    let table = analyze(&Options { by: by(&["week", "chain", "token"]), ..options(&path) });
    assert_eq!(table.rows() as u64, entry["groups"], "groups");
    let some = entry["some"].as_object().unwrap();
    assert_eq!(some.len(), 8);
    for (group, entry) in some {
        let key: Vec<&str> = group.split('/').collect();
        let row = table.find(&[("week", key[0]), ("chain", key[1]), ("token", key[2])]);
        let entry = entry.as_object().unwrap();
        // All but the number of holders and the total are metrics.
        assert_eq!(assert_metrics(&table, row, entry, group), entry.len() - 2, "{group}");
        assert_eq!(entry["n_holders"], table.count("n_holders", row).unwrap(), "{group}");
        assert_eq!(entry["total"], raw(&table.text("total", row).unwrap(), 18), "{group}");
    }
    // The same columns are found by their names.
    table.assert_same(&analyze(&options(&path)), &[], "by roles");
}

#[test]
fn capital_and_fees_of_positions() {
    let Some(data) = real_data("golden: positions") else { return };
    let mut compared = 0;
    for (name, entry) in &golden(&data) {
        let Some(Case::Amount(column)) = case(name) else { continue };
        let table = analyze(&Options { amount: Some(column.into()), ..pooled(&data.join(POSITIONS)) });
        assert_entry(&table, 0, entry, Some(0), name);
        compared += 1;
    }
    assert_eq!(compared, 2);
}

#[test]
fn votes_by_proposal() {
    let Some(data) = real_data("golden: votes") else { return };
    let by = By::Columns(vec!["dao".into(), "proposal_id".into()]);
    let table = analyze(&Options { by, ..options(&data.join(VOTES)) });
    let mut compared = BTreeSet::new();
    for (name, entry) in &golden(&data) {
        let Some(Case::Proposal) = case(name) else { continue };
        let group = name.strip_prefix(VOTES).unwrap().trim_start();
        let (dao, proposal) = group.rsplit_once('/').unwrap();
        let row = table.find(&[("dao", dao), ("proposal_id", proposal)]);
        assert_entry(&table, row, entry, Some(18), name);
        compared.insert(row);
    }
    assert_eq!(compared.len(), 8);
}

/// Figures that anybody can look up: the airdrops' numbers of recipients, and values computed from them with
/// rationals, each rounded once.
#[test]
fn figures_to_the_last_bit() {
    let Some(data) = real_data("golden: figures") else { return };
    let table = analyze(&options(&data.join("holders")));
    assert_eq!(table.rows(), 4);
    let uni = table.find(&[("snapshot", "uni_airdrop_2020-09-01")]);
    assert_eq!(table.count("n_holders", uni), Some(252_803));
    assert_eq!(table.number("gini", uni), Some(0.32490729688385767));
    assert_eq!(table.count("nakamoto_1_2", uni), Some(65_304));
    let ens = table.find(&[("snapshot", "ens_airdrop_2021-10-31")]);
    assert_eq!(table.count("n_holders", ens), Some(137_689));
    assert_eq!(table.number("gini", ens), Some(0.4027105030357092));
    assert_eq!(table.count("nakamoto_1_2", ens), Some(33_389));
    // The README of the data: 467 groups, 97 weeks; the empty addresses of the genesis block.
    let genesis = table.find(&[("block_number", "0")]);
    assert_eq!(table.count("n_zero", genesis), Some(2));
    assert_eq!(analyze(&options(&data.join(WEEKS))).rows(), 97);
}
