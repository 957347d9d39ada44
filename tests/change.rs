//! `change`: snapshots of an asset beside each other.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::shell::{Shell, counts_of, numbers, read, text};
use crate::support::real_data;

/// A snapshot of some owners at a block; owners with nothing are left out.
fn snapshot(shell: &Shell, block: u64, token: &str, amounts: &[u64]) {
    let held: Vec<(String, u64)> = amounts
        .iter()
        .enumerate()
        .filter(|(_, n)| **n > 0)
        .map(|(i, n)| (format!("0x{i:040x}"), *n))
        .collect();
    shell.parquet(
        &format!("in/{token}-{block}.parquet"),
        vec![
            ("block_number", numbers(held.iter().map(|_| block))),
            ("token", text(held.iter().map(|_| token))),
            ("owner", text(held.iter().map(|(owner, _)| &owner[..]))),
            ("balance", numbers(held.iter().map(|(_, n)| *n))),
        ],
    );
}

fn shell() -> Shell {
    let shell = Shell::new();
    for (block, amounts) in [(9, [50, 30, 20, 0]), (10, [30, 30, 0, 40]), (100, [30, 30, 1, 39])] {
        snapshot(&shell, block, "x", &amounts);
    }
    snapshot(&shell, 9, "y", &[1, 2, 3, 4]);
    snapshot(&shell, 100, "y", &[2, 4, 6, 8]);
    snapshot(&shell, 9, "z", &[5]);
    shell
}

#[test]
fn consecutive_snapshots_of_each_asset() {
    let shell = shell();
    let ran = shell.run("change in --format json --metrics gini,nakamoto_1_2,lorenz").ok();
    assert!(ran.stderr.contains("1 asset has no pair of snapshots"), "{}", ran.stderr);
    let rows = ran.json();
    let of = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<Value>>();
    assert_eq!(of("token"), ["x", "x", "y"]);
    assert_eq!(of("snapshot_from"), [9, 10, 9], "blocks in their order, not in that of their digits");
    assert_eq!(of("snapshot_to"), [10, 100, 100]);
    assert_eq!(
        (of("n_entered"), of("n_exited"), of("n_stayed")),
        (
            vec![1.into(), 1.into(), 0.into()],
            vec![1.into(), 0.into(), 0.into()],
            vec![2.into(), 3.into(), 4.into()],
        )
    );
    assert_eq!(of("moved_share"), [0.4, 0.01, 0.0]);
    assert_eq!(of("rank_correlation")[2], 1.0);
    let growth: Vec<f64> =
        rows[2]["growth_decile"].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    assert!(!growth.is_empty() && growth.iter().all(|&grown| grown == 2.0), "twice as much each");
    // The changes are those of two rows of analyze.
    let measured = shell.groups("in --owners merge --metrics gini,nakamoto_1_2,lorenz");
    let row = |token: &str, block: u64| {
        measured.iter().find(|row| row["token"] == token && row["block_number"] == block).unwrap()
    };
    for change in &rows {
        let token = change["token"].as_str().unwrap();
        let at = |name: &str| row(token, change[name].as_u64().unwrap());
        let (from, to) = (at("snapshot_from"), at("snapshot_to"));
        let number = |row: &Value, name: &str| row[name].as_f64().unwrap();
        for name in ["gini", "nakamoto_1_2"] {
            assert_eq!(number(change, &format!("d_{name}")), number(to, name) - number(from, name));
        }
        let lorenz = |row: &Value, name: &str, p: usize| row[name][p].as_f64().unwrap();
        assert_eq!(lorenz(change, "d_lorenz", 50), lorenz(to, "lorenz", 50) - lorenz(from, "lorenz", 50));
    }
}

#[test]
fn which_snapshots() {
    let shell = shell();
    let pairs = |line: &str| -> Vec<(Value, Value)> {
        let rows = shell.run(&format!("change in --metrics gini --format json {line}")).json();
        rows.iter().map(|row| (row["snapshot_from"].clone(), row["snapshot_to"].clone())).collect()
    };
    let pair = |from: u64, to: u64| (Value::from(from), Value::from(to));
    assert_eq!(pairs("--every 2"), [pair(9, 100)]);
    assert_eq!(pairs("--between 9,100"), [pair(9, 100), pair(9, 100)]);
    assert_eq!(pairs("--between 100,9"), [pair(100, 9), pair(100, 9)]);
    assert_eq!(pairs("--by block_number,token").len(), 3);
    for (line, status, parts) in [
        ("change in --between 9,11", 2, &["--between 9,11", "9 to 100"][..]),
        ("change in --between 9", 2, &["FROM,TO"]),
        ("change in --between 9,100 --every 2", 2, &["--every"]),
        ("change in --by none", 2, &["snapshots"]),
        ("change in --by token", 2, &["snapshots"]),
        ("change in --look-through", 2, &["--look-through"]),
        ("change in --top-holders 3", 2, &["--top-holders"]),
        ("change in --metrics ginni", 2, &["gini"]),
        ("change in -o in/x-9.parquet --overwrite", 0, &[]),
    ] {
        let ran = shell.run(line);
        assert_eq!(ran.status, Some(status), "{line}: {}", ran.stderr);
        ran.says(parts);
    }
    shell.parquet("named.parquet", vec![("balance", numbers([1]))]);
    shell.run("change named.parquet").fails(1, &["named.parquet", "--owner"]);
}

#[test]
fn results_are_files_like_all_others() {
    let shell = shell();
    shell.run("change in --decimals 2 -o c.parquet").ok().says(&["3 rows written to c.parquet"]);
    let table = read(&shell.path("c.parquet"));
    let schema = table.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names[..4], ["token", "snapshot_from", "snapshot_to", "n_entered"]);
    assert!(names.contains(&"d_hhi") && names.contains(&"growth_decile"));
    let shown = shell.run("change in --metrics gini").ok().stdout;
    assert!(shown.contains("snapshot_from") && shown.contains("d_gini"), "{shown}");
    // Permuted input, other threads: the same bytes.
    shell.run("change in --decimals 2 -j 1 -o one.parquet").ok();
    assert_eq!(
        std::fs::read(shell.path("one.parquet")).unwrap(),
        std::fs::read(shell.path("c.parquet")).unwrap()
    );
    let limited = shell.run("change in --memory-limit 128MB --format csv --metrics gini").ok();
    assert_eq!(limited.stdout, shell.run("change in --format csv --metrics gini").ok().stdout);
}

/// Snapshots in the order of time, whatever they are written as.
#[test]
fn snapshots_in_their_order() {
    let shell = Shell::new();
    let write = |name: &str, owner: &str, amount: u64| {
        shell.parquet(name, vec![("owner", text([owner])), ("balance", numbers([amount]))])
    };
    // Numbers that are names.
    for (block, owner) in [("9990000", "a"), ("10000000", "b"), ("10000500", "b")] {
        write(&format!("stems/{block}.parquet"), owner, 1);
    }
    let rows = shell.run("change stems --format json --metrics gini").json();
    let from = |rows: &[Value]| rows.iter().map(|row| row["snapshot_from"].clone()).collect::<Vec<_>>();
    assert_eq!(from(&rows), ["9990000", "10000000"]);
    assert_eq!((rows[0]["n_entered"].as_u64(), rows[1]["n_stayed"].as_u64()), (Some(1), Some(1)));
    // By dates and by blocks: they are not set beside each other. Without any: in no pair.
    let dated = |name: &str, date: Option<&str>| {
        use std::sync::Arc;
        let dates = Arc::new(arrow::array::StringArray::from(vec![date]));
        shell.parquet(name, vec![("date", dates), ("owner", text(["a"])), ("balance", numbers([1]))])
    };
    dated("mixed/a.parquet", Some("2024-01-02"));
    dated("mixed/b.parquet", Some("2024-01-01"));
    dated("mixed/c.parquet", None);
    shell.parquet(
        "mixed/d.parquet",
        vec![("block_number", numbers([5])), ("owner", text(["a"])), ("balance", numbers([1]))],
    );
    let ran = shell.run("change mixed --format json --metrics gini").ok();
    ran.json().iter().for_each(|row| assert_eq!(row["snapshot_from"], "2024-01-01"));
    let ran = shell.run("change mixed --format json --metrics gini").says(&["1 group has no snapshot"]);
    assert_eq!(ran.json().len(), 1);
    // A column of any name.
    shell.parquet(
        "named.parquet",
        vec![("at", text(["x", "y"])), ("who", text(["a", "a"])), ("balance", numbers([1, 2]))],
    );
    let line = "change named.parquet --by snapshot --snapshot at --owner who --metrics gini --format json";
    assert_eq!(shell.run(line).json().len(), 1);
    shell.run("change mixed --by date,block_number").fails(1, &["block_number"]);
    shell.parquet(
        "two.parquet",
        vec![
            ("date", text(["x"])),
            ("hour", numbers([1])),
            ("owner", text(["a"])),
            ("balance", numbers([1])),
        ],
    );
    shell.run("change two.parquet --by hour,date").fails(2, &["several snapshots"]);
    shell.parquet(
        "d.parquet",
        vec![
            ("date", text(["x"])),
            ("d_gini", text(["x"])),
            ("owner", text(["a"])),
            ("balance", numbers([1])),
        ],
    );
    shell.run("change d.parquet --by date,d_gini").fails(2, &["d_gini"]);
}

/// An empty tenth is null in every format.
#[test]
fn empty_tenths() {
    let shell = Shell::new();
    snapshot(&shell, 1, "x", &[1, 2]);
    snapshot(&shell, 2, "x", &[3, 4]);
    let csv = shell.run("change in --metrics gini --format csv").ok().stdout;
    assert!(csv.contains("[null,null,null,null,3.0,null,null,null,null,2.0]"), "{csv}");
}

/// Owners by when they came; those who come back are no newcomers.
#[test]
fn vintages_of_owners() {
    let shell = Shell::new();
    for (block, amounts) in [(1, [50, 30, 20, 0]), (2, [60, 0, 0, 40]), (3, [10, 20, 0, 70])] {
        snapshot(&shell, block, "x", &amounts);
    }
    shell.run("change in --metrics gini --vintages v.json -o c.csv").ok().says(&["5 rows written to v.json"]);
    let rows: Vec<Value> = serde_json::from_slice(&std::fs::read(shell.path("v.json")).unwrap()).unwrap();
    let row = |row: &Value| {
        let number = |name: &str| row[name].as_u64().unwrap();
        (
            number("snapshot"),
            number("vintage"),
            number("n_holders"),
            row["total"].as_str().unwrap().to_owned(),
            row["share"].as_f64().unwrap(),
        )
    };
    let found: Vec<_> = rows.iter().map(row).collect();
    let expected = [
        (1, 1, 3, "100", 1.0),
        (2, 1, 1, "60", 0.6),
        (2, 2, 1, "40", 0.4),
        (3, 1, 2, "30", 0.3),
        (3, 2, 1, "70", 0.7),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(a, b, c, d, e)| (a, b, c, d.to_owned(), e)).collect();
    assert_eq!(found, expected);
    shell.run("change in --vintages c2.csv -o ./c2.csv").fails(2, &["--vintages"]);
}

/// Every week of real LP rewards: entered, exited and stayed reconcile with plain maps, and the regime's change stands out.
#[test]
fn weeks_of_real_rewards() {
    let Some(folder) = real_data("change::weeks_of_real_rewards") else { return };
    let folder = folder.join("lp/balancer_weekly");
    let shell = Shell::new();
    let words = ["change", folder.to_str().unwrap(), "--format", "json", "--metrics", "gini"];
    let rows = shell.run_words(&words).json();
    assert_eq!(rows.len(), 96);
    let mut weeks: BTreeMap<u64, BTreeMap<String, f64>> = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let week: u64 = stem.trim_start_matches("week_").parse().unwrap();
        let table = read(&path);
        let texts = |name: &str| -> Vec<Option<String>> {
            let column = table.column_by_name(name).expect(name);
            let text = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).unwrap();
            use arrow::array::AsArray;
            text.as_string::<i32>().iter().map(|cell| cell.map(str::to_lowercase)).collect()
        };
        let (owners, amounts) = (texts(OWNER), texts(AMOUNT));
        let own = weeks.entry(week).or_default();
        for (owner, amount) in owners.into_iter().zip(amounts) {
            let amount: f64 = amount.unwrap().parse().unwrap();
            *own.entry(owner.unwrap()).or_default() += amount;
        }
    }
    let weeks: Vec<(u64, BTreeMap<String, f64>)> = weeks
        .into_iter()
        .map(|(week, own)| (week, own.into_iter().filter(|(_, amount)| *amount > 0.0).collect()))
        .collect();
    for (row, pair) in rows.iter().zip(weeks.windows(2)) {
        let ((from, before), (to, after)) = (&pair[0], &pair[1]);
        assert_eq!((row["snapshot_from"].as_u64(), row["snapshot_to"].as_u64()), (Some(*from), Some(*to)));
        let stayed = before.keys().filter(|owner| after.contains_key(*owner)).count();
        let count = |name: &str| row[name].as_u64().unwrap() as usize;
        assert_eq!((count("n_stayed"), count("n_exited")), (stayed, before.len() - stayed), "{from}");
        assert_eq!(count("n_entered"), after.len() - stayed, "{from}");
        let (all_before, all_after): (f64, f64) = (before.values().sum(), after.values().sum());
        let owners: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let share = |of: &BTreeMap<String, f64>, owner: &String, all: f64| {
            of.get(owner).copied().unwrap_or(0.0) / all
        };
        let moved: f64 = owners
            .into_iter()
            .map(|owner| (share(before, owner, all_before) - share(after, owner, all_after)).abs())
            .sum();
        assert!((row["moved_share"].as_f64().unwrap() - moved / 2.0).abs() < 1e-9, "{from}");
    }
    // Each week's vintages are all who earn in it, and all that they earn.
    let line = [
        "change",
        folder.to_str().unwrap(),
        "-q",
        "--metrics",
        "gini",
        "-o",
        "c.parquet",
        "--vintages",
        "v.parquet",
    ];
    shell.run_words(&line).ok();
    let vintages = read(&shell.path("v.parquet"));
    let mut sums: BTreeMap<i64, (u64, f64)> = BTreeMap::new();
    {
        use arrow::array::AsArray;
        use arrow::datatypes::{Float64Type, Int32Type};
        let week = vintages.column_by_name("snapshot").unwrap().as_primitive::<Int32Type>();
        let since = vintages.column_by_name("vintage").unwrap().as_primitive::<Int32Type>();
        let share = vintages.column_by_name("share").unwrap().as_primitive::<Float64Type>();
        for (row, holders) in counts_of(&vintages, "n_holders").iter().enumerate() {
            assert!(since.value(row) <= week.value(row));
            let sum = sums.entry(week.value(row).into()).or_default();
            *sum = (sum.0 + holders, sum.1 + share.value(row));
        }
    }
    assert_eq!(sums.len(), 97);
    for (week, own) in &weeks {
        let (holders, share) = sums[&(*week as i64)];
        assert_eq!(holders, own.len() as u64);
        assert!((share - 1.0).abs() < 1e-12);
    }
    // Most of those who earned in week 56 earned nothing in the next.
    let left = |row: &Value| {
        let count = |name: &str| row[name].as_f64().unwrap();
        count("n_exited") / (count("n_exited") + count("n_stayed"))
    };
    let most = rows.iter().max_by(|a, b| left(a).total_cmp(&left(b))).unwrap();
    assert_eq!(most["snapshot_to"], 57);
}

/// Do large pools grow faster? Pools as owners, against plain doubles.
#[test]
fn growth_of_pools() {
    let Some(folder) = real_data("change::growth_of_pools") else { return };
    let path = folder.join("lp/univ3_pool_days.parquet");
    let shell = Shell::new();
    let words = ["change", path.to_str().unwrap(), "--owner", "pool", "--amount", "tvl_usd", "--by", "date"];
    let rows = shell
        .run_words(&[&words[..], &["--every", "30", "--metrics", "gini", "--format", "json"]].concat())
        .json();
    assert!(rows.len() > 5, "{}", rows.len());
    let table = read(&path);
    let text = |name: &str| -> Vec<String> {
        use arrow::array::AsArray;
        let column =
            arrow::compute::cast(table.column_by_name(name).unwrap(), &arrow::datatypes::DataType::Utf8);
        column.unwrap().as_string::<i32>().iter().map(|cell| cell.unwrap_or_default().to_owned()).collect()
    };
    let (pools, dates, values) = (text("pool"), text("date"), text("tvl_usd"));
    let mut days: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for ((pool, date), value) in pools.into_iter().zip(dates).zip(values) {
        let value: f64 = value.parse().unwrap_or(0.0);
        if value > 0.0 {
            *days.entry(date[..10].to_owned()).or_default().entry(pool).or_default() += value;
        }
    }
    for row in &rows {
        let day = |name: &str| days.get(&row[name].as_str().unwrap()[..10]).cloned().unwrap_or_default();
        let (before, after) = (day("snapshot_from"), day("snapshot_to"));
        if before.is_empty() {
            assert_eq!(row["growth_decile"], Value::Null);
            continue;
        }
        let mut pools: Vec<(&String, f64)> = before.iter().map(|(pool, value)| (pool, *value)).collect();
        pools.sort_by(|a, b| a.1.total_cmp(&b.1));
        let n = pools.len();
        for (tenth, grown) in row["growth_decile"].as_array().unwrap().iter().enumerate() {
            let own = &pools[tenth * n / 10..(tenth + 1) * n / 10];
            let was: f64 = own.iter().map(|(_, value)| value).sum();
            let is: f64 = own.iter().filter_map(|(pool, _)| after.get(*pool)).sum();
            match grown.as_f64() {
                None => assert!(own.is_empty()),
                Some(grown) => assert!((grown - is / was).abs() <= 1e-9 * (is / was), "{grown} {}", is / was),
            }
        }
    }
}

const OWNER: &str = "provider";
const AMOUNT: &str = "reward";
