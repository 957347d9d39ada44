//! Files as found in the wild: the right numbers, or the right error.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::PathBuf;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use num_bigint::BigUint;

use crate::shell::{Shell, read};

/// The folder of real data; loudly none.
fn real(below: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("CONCENTRA_REAL_DATA") else {
        // Straight to stderr: libtest would keep it to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED: set CONCENTRA_REAL_DATA to test {below}");
        return None;
    };
    let path = PathBuf::from(root).join(below);
    assert!(path.exists(), "CONCENTRA_REAL_DATA is set, but there is no {}", path.display());
    Some(path)
}

/// A text column as written.
fn cells(path: &std::path::Path, column: &str) -> Vec<String> {
    let batch = read(path);
    let column = cast(batch.column_by_name(column).expect(column), &DataType::Utf8).unwrap();
    column.as_string::<i32>().iter().map(|cell| cell.expect("no nulls").to_owned()).collect()
}

/// A decimal in units of 10^-18.
fn atto(cell: &str) -> BigUint {
    let (whole, fraction) = cell.split_once('.').unwrap_or((cell, ""));
    assert!(fraction.len() <= 18, "{cell}");
    format!("{whole}{fraction:0<18}").parse().unwrap()
}

/// The Gini coefficient, rounded once at the end.
fn gini(amounts: &[BigUint]) -> f64 {
    let mut sorted = amounts.to_vec();
    sorted.sort();
    let n = sorted.len();
    let total: BigUint = sorted.iter().sum();
    let ranked: BigUint = sorted.iter().enumerate().map(|(i, x)| x * (i + 1)).sum();
    // (2 ranked − (n + 1) total) / (n total), to 18 decimals.
    let numerator = ranked * 2u32 - &total * (n + 1);
    let decimals = numerator * BigUint::from(10u32).pow(18) / (total * n);
    decimals.to_string().parse::<f64>().unwrap() / 1e18
}

#[test]
fn zeros_are_no_holders() {
    let Some(path) = real("dirty/reva_zero_heavy.parquet") else { return };
    let amounts: Vec<BigUint> = cells(&path, "balance").iter().map(|cell| atto(cell)).collect();
    let holders: Vec<BigUint> = amounts.iter().filter(|a| **a != BigUint::ZERO).cloned().collect();
    let shell = Shell::new();
    let row = shell.group(path.to_str().unwrap());
    assert_eq!(row["n_rows"], amounts.len());
    assert_eq!(row["n_holders"], holders.len());
    assert_eq!(row["n_zero"], amounts.len() - holders.len());
    assert!(holders.len() < amounts.len(), "there are zeros");
    assert_eq!(atto(row["total"].as_str().unwrap()), holders.iter().sum());
    assert!((row["gini"].as_f64().unwrap() - gini(&holders)).abs() < 1e-14);
    let largest = holders.iter().max().unwrap();
    let whales = holders.iter().filter(|a| *a * 100u32 >= holders.iter().sum::<BigUint>()).count();
    assert_eq!(row["whales_1pct"], whales);
    let mut sum = BigUint::ZERO;
    let mut descending = holders.clone();
    descending.sort_by(|a, b| b.cmp(a));
    assert_eq!(&descending[0], largest);
    let total: BigUint = holders.iter().sum();
    let over = descending.iter().position(|a| {
        sum += a;
        &sum * 2u32 > total
    });
    assert_eq!(row["nakamoto_1_2"], over.unwrap() + 1);
}

#[test]
fn bech32_owners_are_merged_as_written() {
    let Some(path) = real("dirty/cyclone_bech32_duplicates.parquet") else { return };
    let amounts: Vec<BigUint> = cells(&path, "amount").iter().map(|cell| cell.parse().unwrap()).collect();
    let owners = cells(&path, "address");
    let mut of_owner: BTreeMap<&str, BigUint> = BTreeMap::new();
    for (owner, amount) in owners.iter().zip(&amounts) {
        *of_owner.entry(owner).or_default() += amount;
    }
    assert!(of_owner.len() < owners.len(), "there are duplicates");
    let shell = Shell::new();
    let total = amounts.iter().sum::<BigUint>().to_string();
    let trusted = shell.group(path.to_str().unwrap());
    let zeros = amounts.iter().filter(|a| **a == BigUint::ZERO).count();
    assert_eq!(
        (&trusted["n_rows"], trusted["total"].as_str()),
        (&amounts.len().into(), Some(total.as_str()))
    );
    assert_eq!((&trusted["n_holders"], &trusted["n_zero"]), (&(amounts.len() - zeros).into(), &zeros.into()));
    let merged = shell.group(&format!("{} --owners merge", path.display()));
    let held: Vec<BigUint> = of_owner.values().filter(|a| **a != BigUint::ZERO).cloned().collect();
    assert_eq!(merged["total"].as_str(), Some(total.as_str()));
    assert_eq!(merged["n_holders"], held.len());
    assert_eq!(merged["n_merged"], owners.len() - of_owner.len());
    assert!((merged["gini"].as_f64().unwrap() - gini(&held)).abs() < 1e-14);
    // The first owner who comes a second time is named.
    let mut seen = HashMap::new();
    let (row, first) =
        (0..owners.len()).find_map(|row| Some((row, seen.insert(&owners[row], row)?))).unwrap();
    let parts = [format!("row {}: {}", row + 1, owners[row]), format!("row {})", first + 1)];
    let ran = shell.run(&format!("analyze {} --owners check", path.display()));
    ran.fails(1, &[&parts[0], &parts[1], "cyclone_bech32_duplicates.parquet: column `address`"]);
}

#[test]
fn what_nobody_can_read_is_named() {
    let shell = Shell::new();
    for (name, parts) in [
        (
            "etherscan_export_thousands",
            ["column `balance`, row 1: \"186,877,209.667021338987810827\"", "comma"],
        ),
        ("lotus_python_repr", ["column `balance`, row 1: \"{'coin': 1007207}\"", "is not a number"]),
    ] {
        let Some(path) = real(&format!("dirty/{name}.parquet")) else { return };
        shell.run(&format!("analyze {}", path.display())).fails(1, &[name, parts[0], parts[1]]);
    }
}

#[test]
fn files_of_other_writers_are_read() {
    let Some(folder) = real("interop") else { return };
    let shell = Shell::new();
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "parquet"));
    paths.sort();
    assert!(paths.len() >= 9);
    let mut pooled: BTreeMap<String, (u64, u128)> = BTreeMap::new();
    for path in &paths {
        // Events have no amounts: blocks and times are not taken for one.
        let ran = shell.run(&format!("analyze {}", path.display()));
        let name = path.file_name().unwrap().to_string_lossy();
        ran.fails(1, &[&name, "no column is recognised as the amount", "--amount", "event", "blockNumber"]);
        let batch = read(path);
        let blocks = cast(batch.column_by_name("blockNumber").unwrap(), &DataType::Int64).unwrap();
        let mut of_event: BTreeMap<String, (u64, u128)> = BTreeMap::new();
        for (event, block) in cells(path, "event").iter().zip(blocks.as_primitive::<Int64Type>().values()) {
            for sums in [&mut of_event, &mut pooled] {
                let (rows, sum) = sums.entry(event.clone()).or_default();
                *rows += 1;
                *sum += *block as u128;
            }
        }
        assert_eq!(
            sums(&shell.groups(&format!("{} --by event --amount blockNumber", path.display()))),
            of_event
        );
    }
    let pattern = folder.join("*.parquet");
    assert_eq!(
        sums(&shell.groups(&format!("{} --by event --amount blockNumber", pattern.display()))),
        pooled
    );
}

fn sums(rows: &[serde_json::Value]) -> BTreeMap<String, (u64, u128)> {
    let pair = |row: &serde_json::Value| {
        let total = row["total"].as_str().unwrap().parse().unwrap();
        (row["event"].as_str().unwrap().to_owned(), (row["n_rows"].as_u64().unwrap(), total))
    };
    rows.iter().map(pair).collect()
}

/// Any column can be the owner: value locked over pools, day by day, and votes over DAOs.
#[test]
fn pools_and_daos_are_owners_too() {
    let Some(data) = real("lp").map(|lp| lp.parent().unwrap().to_owned()) else { return };
    let shell = Shell::new();
    let pools = data.join("lp/univ3_pool_days.parquet");
    let line = "--by date --owner pool --amount tvl_usd --metrics hhi,max_share --format json";
    let found = shell.run(&format!("analyze {} {line}", pools.display())).ok().json();
    // The same from doubles, day by day.
    let batch = read(&pools);
    let column = |name: &str, to: &DataType| cast(batch.column_by_name(name).unwrap(), to).unwrap();
    let days = column("date", &DataType::Int64);
    let (days, locked) = (days.as_primitive::<Int64Type>(), column("tvl_usd", &DataType::Float64));
    let locked = locked.as_primitive::<Float64Type>();
    let mut of_days: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for row in 0..batch.num_rows() {
        let of_day = of_days.entry(days.value(row)).or_default();
        of_day.extend(Some(locked.value(row)).filter(|value| locked.is_valid(row) && *value > 0.0));
    }
    assert_eq!(found.len(), of_days.len());
    for (row, values) in found.iter().zip(of_days.values()) {
        assert_eq!(row["n_holders"], values.len());
        if values.is_empty() {
            continue;
        }
        let total: f64 = values.iter().sum();
        let hhi: f64 = values.iter().map(|value| (value / total).powi(2)).sum();
        assert!((row["hhi"].as_f64().unwrap() - hhi).abs() < 1e-12);
        let largest = values.iter().copied().fold(0.0, f64::max) / total;
        assert!((row["max_share"].as_f64().unwrap() - largest).abs() < 1e-12);
    }
    let votes = data.join("governance/snapshot_votes_2022.parquet");
    let line = "--by none --owner dao --owners merge --metrics hhi,nakamoto_1_2 --format json";
    let daos = shell.run(&format!("analyze {} {line}", votes.display())).ok().json();
    let mut of_daos: BTreeMap<String, f64> = BTreeMap::new();
    for (dao, votes) in cells(&votes, "dao").into_iter().zip(cells(&votes, "voting_power")) {
        *of_daos.entry(dao).or_default() += votes.parse::<f64>().unwrap();
    }
    let mut votes: Vec<f64> = of_daos.into_values().collect();
    votes.sort_by(|a, b| b.total_cmp(a));
    let total: f64 = votes.iter().sum();
    let fewest = (1..).find(|&k| votes[..k].iter().sum::<f64>() > total / 2.0).unwrap();
    assert_eq!((&daos[0]["n_holders"], &daos[0]["nakamoto_1_2"]), (&votes.len().into(), &fewest.into()));
    let hhi: f64 = votes.iter().map(|votes| (votes / total).powi(2)).sum();
    assert!((daos[0]["hhi"].as_f64().unwrap() - hhi).abs() < 1e-12);
}
