//! `--cumulative`: differences between the snapshots of ledgers that tell what came so far.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use num_bigint::BigInt;
use serde_json::Value;

use crate::shell::{Shell, numbers, read, text};
use crate::support::real_data;

/// Each owner's sum so far of two campaigns, week by week.
fn shell() -> Shell {
    let shell = Shell::new();
    let rows: [(u64, &str, &str, &str); 13] = [
        (1, "x", "a", "10"),
        (1, "x", "b", "1.5"),
        (2, "x", "a", "13"),
        (2, "x", "b", "1.5"),
        // From nothing.
        (2, "x", "c", "4"),
        (2, "y", "a", "7"),
        // Restated: b has less than before, and c is gone.
        (3, "x", "a", "20"),
        (3, "x", "b", "1.25"),
        (3, "y", "A", "2"),
        (3, "y", "a", "8"),
        // y is not in week 4.
        (4, "x", "a", "21"),
        (5, "x", "a", "21"),
        (5, "y", "a", "9"),
    ];
    shell.parquet(
        "in.parquet",
        vec![
            ("week", numbers(rows.iter().map(|row| row.0))),
            ("campaign", text(rows.iter().map(|row| row.1))),
            ("user", text(rows.iter().map(|row| row.2))),
            ("cumulative_reward", text(rows.iter().map(|row| row.3))),
        ],
    );
    shell
}

#[test]
fn by_hand() {
    let shell = shell();
    let ran = shell.run("analyze in.parquet --cumulative --format json").ok().says(&[
        "differences begin with snapshot 1,",
        "1 time an asset was absent from snapshots",
        "4 cumulative amounts in 3 groups are below those before, or gone (the first: week=3, campaign=x, b by -0.25)",
        "n_negative",
    ]);
    let rows = ran.json();
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            let count = |name: &str| row[name].as_u64().unwrap();
            let (campaign, total) = (row["campaign"].as_str().unwrap(), row["total"].as_str().unwrap_or("–"));
            (count("week"), campaign, count("n_holders"), count("n_zero"), count("n_negative"), total)
        })
        .collect();
    let expected = [
        (2, "x", 2, 1, 0, "7"),
        (2, "y", 1, 0, 0, "7"),
        (3, "x", 1, 0, 2, "7"),
        (3, "y", 2, 0, 0, "3"),
        (4, "x", 1, 0, 1, "1"),
        (5, "x", 0, 1, 0, "0"),
        // a has 9 where it had 8, and the 2 of A are gone.
        (5, "y", 1, 0, 1, "1"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn change_compares_differences() {
    let shell = shell();
    let rows = shell.run("change in.parquet --cumulative --metrics gini --format json").ok().json();
    let x: Vec<&Value> = rows.iter().filter(|row| row["campaign"] == "x").collect();
    assert_eq!((x[0]["snapshot_from"].as_u64(), x[0]["snapshot_to"].as_u64()), (Some(2), Some(3)));
    // Of a and c, who earned in week 2, a earned in week 3.
    assert_eq!((x[0]["n_stayed"].as_u64(), x[0]["n_exited"].as_u64()), (Some(1), Some(1)));
    // Who is left out is so after differences were taken.
    let rows = shell.run("analyze in.parquet --cumulative --top-holders 1 --format json").ok().json();
    assert_eq!(rows[0]["total"], "4");
    shell.file("list.csv", "address\na\n");
    let rows = shell.run("analyze in.parquet --cumulative --exclude list.csv --format json").ok().json();
    assert_eq!((rows[0]["total"].as_str(), rows[0]["n_excluded"].as_u64()), (Some("4"), Some(1)));
    shell.run("analyze in.parquet --cumulative -o out.parquet").ok();
    let footer = read(&shell.path("out.parquet")).schema().metadata().clone();
    assert!(
        footer["concentra.inputs"].contains("in.parquet")
            && footer["concentra.options"].contains("cumulative")
    );
    for (line, parts) in [
        ("analyze in.parquet --cumulative --snapshot none", &["--cumulative needs snapshots"][..]),
        ("analyze in.parquet --cumulative --reward week", &["--cumulative"]),
        ("analyze in.parquet --cumulative --look-through", &["--cumulative"]),
        ("analyze in.parquet --cumulative --keep-going", &["--cumulative"]),
        ("analyze in.parquet --cumulative -o out/", &["--cumulative"]),
    ] {
        shell.run(line).fails(2, parts);
    }
}

/// Real ledgers of rewards, by campaign, against integers without bounds; and a restatement made by hand.
#[test]
fn real_ledgers() {
    let Some(folder) = real_data("cumulative::real_ledgers") else { return };
    let folder = folder.join("lp/merkl_ethereum_cumulative");
    let mut weeks: BTreeMap<u64, BTreeMap<String, BTreeMap<String, BigInt>>> = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let table = read(&entry.unwrap().path());
        let texts = |name: &str| -> Vec<String> {
            let text = cast(table.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
            text.as_string::<i32>().iter().map(|cell| cell.unwrap().to_owned()).collect()
        };
        let [hours, campaigns, owners, amounts] =
            ["epoch_hour", "campaign", "provider", "cumulative_reward"].map(texts);
        for (row, hour) in hours.iter().enumerate() {
            let week = weeks.entry(hour.parse().unwrap()).or_default();
            let own = week.entry(campaigns[row].clone()).or_default();
            let amount: BigInt = amounts[row].parse().unwrap();
            *own.entry(owners[row].to_lowercase()).or_default() += amount;
        }
    }
    // By campaign and week: how many earned, how many were restated, and all that was earned.
    let mut expected: BTreeMap<(u64, String), (u64, u64, BigInt)> = BTreeMap::new();
    let mut before: BTreeMap<&String, &BTreeMap<String, BigInt>> = BTreeMap::new();
    for (at, (hour, campaigns)) in weeks.iter().enumerate() {
        for (campaign, own) in campaigns {
            let nobody = BTreeMap::new();
            let earlier = before.insert(campaign, own);
            if at == 0 {
                continue;
            }
            let earlier = earlier.unwrap_or(&nobody);
            let entry = expected.entry((*hour, campaign.clone())).or_default();
            for owner in own.keys().chain(earlier.keys().filter(|owner| !own.contains_key(*owner))) {
                let zero = BigInt::ZERO;
                let gained = own.get(owner).unwrap_or(&zero) - earlier.get(owner).unwrap_or(&zero);
                match gained.cmp(&BigInt::ZERO) {
                    std::cmp::Ordering::Greater => *entry = (entry.0 + 1, entry.1, &entry.2 + gained),
                    std::cmp::Ordering::Less => entry.1 += 1,
                    std::cmp::Ordering::Equal => {}
                }
            }
        }
    }
    let shell = Shell::new();
    let line = format!(
        "analyze {} --cumulative --by epoch_hour,campaign --metrics gini --format json",
        folder.display()
    );
    let rows = shell.run(&line).ok().json();
    assert!(rows.len() > 1000 && rows.len() == expected.len());
    for row in &rows {
        let key = (row["epoch_hour"].as_u64().unwrap(), row["campaign"].as_str().unwrap().to_owned());
        let (holders, restated, total) = &expected[&key];
        assert_eq!(row["n_holders"].as_u64(), Some(*holders), "{key:?}");
        assert_eq!(row["n_negative"].as_u64(), Some(*restated), "{key:?}");
        assert_eq!(row["total"].as_str().unwrap_or("0"), total.to_string(), "{key:?}");
    }
    let line = format!(
        "change {} --cumulative --by epoch_hour,campaign --metrics gini --format json",
        folder.display()
    );
    assert!(shell.run(&line).ok().json().len() > 1000);
}

/// A snapshot in which nobody has anything is one all the same.
#[test]
fn nobody_has_anything() {
    let shell = Shell::new();
    shell.parquet(
        "in.parquet",
        vec![
            ("week", numbers([1, 2, 3, 4])),
            ("campaign", text(["x"; 4])),
            ("user", text(["a"; 4])),
            ("cumulative_reward", numbers([0, 0, 0, 5])),
        ],
    );
    let rows = shell.run("analyze in.parquet --cumulative --metrics gini --format json").ok().json();
    let found: Vec<_> = rows.iter().map(|row| (row["week"].as_u64(), row["n_holders"].as_u64())).collect();
    assert_eq!(found, [(Some(2), Some(0)), (Some(3), Some(0)), (Some(4), Some(1))]);
    let rows = shell.run("change in.parquet --cumulative --metrics gini --format json").ok().json();
    assert_eq!(rows.iter().map(|row| row["n_entered"].as_u64()).collect::<Vec<_>>(), [Some(0), Some(1)]);
}
