//! What must not matter: threads, the order of rows and files, how a table is cut, which unit amounts are written in.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, UInt32Array};
use arrow::compute::take;
use concentra::cli::Format;
use concentra::options::{By, Negatives, Options, Owners, Snapshot};
use concentra::output::{Output, table::Look};
use concentra::{Error, analyze::Analysis};

use crate::support::{
    Folder, Table, analyze, analyze_in, assert_value, extras, f64s, options, pooled, row_of, texts,
    try_analyze, u64s, values,
};

/// A table of 7 groups, with nulls, zeros, negatives, repeated owners in both cases, and amounts of many magnitudes.
struct Sample {
    tokens: Vec<String>,
    owners: Vec<String>,
    amounts: Vec<Option<i128>>,
}

impl Sample {
    fn new(rows: usize, negatives: bool) -> Self {
        let mut seed = 11u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 20
        };
        let (mut tokens, mut owners, mut amounts) = (vec![], vec![], vec![]);
        for row in 0..rows {
            // Groups of very different sizes.
            tokens.push(format!("0x{:02x}", (random() % 64).leading_zeros() % 7));
            let owner = format!("0x{:040x}", random() % (rows as u64 / 3));
            owners.push(if row % 2 == 0 { owner } else { owner.to_uppercase().replacen('X', "x", 1) });
            let amount = (i128::from(random()) * i128::from(random())) >> (random() % 80);
            amounts.push(match random() % 20 {
                0 => None,
                1 | 2 => Some(0),
                3 if negatives => Some(-1 - amount),
                _ => Some(amount),
            });
        }
        Self { tokens, owners, amounts }
    }

    fn rows(&self) -> usize {
        self.tokens.len()
    }

    fn columns(&self) -> Vec<(&'static str, ArrayRef)> {
        let amounts = self.amounts.iter().map(|amount| amount.map(|a| a.to_string()));
        vec![
            ("token", texts(&self.tokens)),
            ("address", texts(&self.owners)),
            ("balance", Arc::new(StringArray::from_iter(amounts))),
        ]
    }

    /// The rows in this order, or some of them.
    fn rows_of(&self, order: impl IntoIterator<Item = usize>) -> Vec<(&'static str, ArrayRef)> {
        let order = UInt32Array::from_iter_values(order.into_iter().map(|row| row as u32));
        let pick = |(name, column): (&'static str, ArrayRef)| (name, take(&column, &order, None).unwrap());
        self.columns().into_iter().map(pick).collect()
    }
}

/// By token alone, with everything beyond the catalog.
fn by_token(path: PathBuf) -> Options {
    Options { snapshot: Snapshot::Nothing, extras: extras(), ..options(&path) }
}

fn table(analysis: Analysis) -> Table {
    Table(analysis.results.table().unwrap())
}

const OWNERS: [Owners; 2] = [Owners::Trust, Owners::Merge];

#[test]
fn threads() {
    let folder = Folder::new();
    let sample = Sample::new(20_000, true);
    let path = folder.write_row_groups("a.parquet", &sample.columns(), 777);
    for owners in OWNERS {
        let options = Options { owners, negatives: Negatives::Drop, ..by_token(path.clone()) };
        let one = table(analyze_in(1, &options));
        assert_eq!(one.rows(), 7);
        for threads in [2, 7] {
            table(analyze_in(threads, &options)).assert_same(&one, &[], &format!("{threads} threads"));
        }
    }
}

/// A thread goes from file to file, whatever their amounts are; a group's unit is that of its own rows.
#[test]
fn files_of_every_kind_side_by_side() {
    let folder = Folder::new();
    let amounts: [(&str, ArrayRef); 8] = [
        ("a", texts(&["1.25", "3.75", "0.5"])),
        ("b", f64s(&[0.1, 0.25, 7.0])),
        ("c", u64s(&[5, 7, 0])),
        ("a", texts(&["2", "11"])),
        ("b", f64s(&[1e-30, 3.0])),
        ("d", texts(&["0.125", "4", "0.0625"])),
        ("c", texts(&["2.5", "0"])),
        ("e", texts(&["10", "20"])),
    ];
    for (i, (token, column)) in amounts.iter().enumerate() {
        let tokens = texts(&vec![token; column.len()]);
        // In the order of names, and again with a row group for each row.
        for (part, rows) in [("whole", usize::MAX), ("rows", 1)] {
            fs::create_dir_all(folder.path().join(part).join(token)).unwrap();
            let name = format!("{part}/{token}/{i}.parquet");
            let columns = [("token", tokens.clone()), ("balance", column.clone())];
            folder.write_row_groups(&name, &columns, rows);
            fs::create_dir_all(folder.path().join(format!("{part}-mixed"))).unwrap();
            folder.write_row_groups(&format!("{part}-mixed/{i}.parquet"), &columns, rows);
        }
    }
    for part in ["whole", "rows"] {
        for threads in [1, 2] {
            let mixed = table(analyze_in(threads, &by_token(folder.path().join(format!("{part}-mixed")))));
            assert_eq!(mixed.rows(), 5);
            for (row, token) in ["a", "b", "c", "d", "e"].iter().enumerate() {
                let alone = table(analyze_in(1, &by_token(folder.path().join(part).join(token))));
                Table(mixed.0.slice(row, 1)).assert_same(&alone, &[], &format!("{part}: {token}"));
            }
        }
    }
}

/// The first error in the order of rows is told, however many threads look for one.
#[test]
fn threads_find_the_same_error() {
    let folder = Folder::new();
    let sample = Sample::new(20_000, true);
    let path = folder.write_row_groups("a.parquet", &sample.columns(), 500);
    let first = sample.amounts.iter().position(|amount| amount.is_some_and(|a| a < 0)).unwrap() as u64 + 1;
    let options = by_token(path);
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| row_of(try_analyze(&options))), first, "{threads} threads");
    }
}

#[test]
fn the_order_of_rows() {
    let folder = Folder::new();
    let sample = Sample::new(5_000, false);
    let n = sample.rows();
    for owners in OWNERS {
        let run = |columns: &[(&str, ArrayRef)]| {
            analyze(&Options { owners, ..by_token(folder.write("a.parquet", columns)) })
        };
        let written = run(&sample.columns());
        run(&sample.rows_of((0..n).rev())).assert_same(&written, &[], "reversed");
        // 1237 is prime to n.
        run(&sample.rows_of((0..n).map(|row| row * 1237 % n))).assert_same(&written, &[], "shuffled");
        let mut grouped: Vec<usize> = (0..n).collect();
        grouped.sort_by_key(|&row| (&sample.tokens[row], std::cmp::Reverse(sample.amounts[row])));
        run(&sample.rows_of(grouped)).assert_same(&written, &[], "sorted");
    }
}

/// Several files, row groups of one row, groups that occur in every file: one table all the same.
#[test]
fn how_a_table_is_cut() {
    let folder = Folder::new();
    let sample = Sample::new(3_000, false);
    let n = sample.rows();
    let whole = folder.write("whole.parquet", &sample.columns());
    let parts: Vec<PathBuf> = [(0, 1), (1, 900), (900, 900), (900, 2_999), (2_999, n)]
        .into_iter()
        .enumerate()
        .map(|(i, (from, to))| {
            let name = format!("part-{i}.parquet");
            folder.write_row_groups(&name, &sample.rows_of(from..to), 1 + 50 * i)
        })
        .collect();
    for owners in OWNERS {
        let expected = analyze(&Options { owners, ..by_token(whole.clone()) });
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]] {
            let paths = order.iter().map(|&i| parts[i].to_str().unwrap().to_owned()).collect();
            let options = Options { paths, owners, ..by_token(whole.clone()) };
            analyze(&options).assert_same(&expected, &[], &format!("{owners:?} {order:?}"));
        }
        for rows in [1, 7, 1024] {
            let path = folder.write_row_groups("cut.parquet", &sample.columns(), rows);
            let cut = analyze(&Options { owners, ..by_token(path) });
            cut.assert_same(&expected, &[], &format!("row groups of {rows}"));
        }
    }
}

/// With a snapshot column part files are one table without a word; without one, each file is a snapshot.
#[test]
fn part_files_with_and_without_a_snapshot_column() {
    let folder = Folder::new();
    let sample = Sample::new(900, false);
    let write = |name: &str, rows: std::ops::Range<usize>, snapshot: bool| {
        let mut columns = sample.rows_of(rows.clone());
        if snapshot {
            columns.push(("block_number", u64s(&rows.map(|row| row as u64 % 2).collect::<Vec<_>>())));
        }
        folder.write(name, &columns).to_str().unwrap().to_owned()
    };
    let whole = write("whole.parquet", 0..900, true);
    let parts = vec![write("b.parquet", 300..900, true), write("a.parquet", 0..300, true)];
    let run = |paths: Vec<String>| {
        let analysis = try_analyze(&Options { paths, ..Options::default() }).unwrap();
        (analysis.of_files.iter().any(|warning| warning.contains("--snapshot none")), table(analysis))
    };
    let (_, expected) = run(vec![whole]);
    let (warned, parted) = run(parts);
    assert!(!warned);
    parted.assert_same(&expected, &[], "parts");
    assert_eq!(expected.rows(), 14);

    let parts = vec![write("b.parquet", 300..900, false), write("a.parquet", 0..300, false)];
    let (warned, stems) = run(parts);
    assert!(warned, "stems as snapshots are said");
    assert_eq!(stems.rows(), 14);
    assert_eq!((stems.text("snapshot", 0), stems.text("snapshot", 13)), (Some("a".into()), Some("b".into())));
}

/// Rows of the result ascend by the group columns as their types order them.
#[test]
fn groups_are_in_order() {
    let folder = Folder::new();
    let blocks = [10u64, 9, 100, 9, 10, 2];
    let tokens = ["b", "B", "a", "", "a", "é"];
    let columns = [("block_number", u64s(&blocks)), ("token", texts(&tokens)), ("balance", u64s(&[1; 6]))];
    let result = analyze(&options(&folder.write("a.parquet", &columns)));
    let keys: Vec<(u64, String)> = (0..result.rows())
        .map(|row| (result.count("block_number", row).unwrap(), result.text("token", row).unwrap()))
        .collect();
    let mut expected: Vec<(u64, String)> =
        blocks.iter().copied().zip(tokens.iter().map(|&token| token.to_owned())).collect();
    expected.sort();
    assert_eq!(keys, expected);
    let by = By::Columns(vec!["token".into(), "block_number".into()]);
    let result = analyze(&Options { by, ..options(&folder.write("a.parquet", &columns)) });
    let mut swapped: Vec<(String, u64)> = expected.into_iter().map(|(block, token)| (token, block)).collect();
    swapped.sort();
    let keys: Vec<(String, u64)> = (0..result.rows())
        .map(|row| (result.text("token", row).unwrap(), result.count("block_number", row).unwrap()))
        .collect();
    assert_eq!(keys, swapped);
}

/// A group's result depends on its own rows alone.
#[test]
fn other_groups_do_not_matter() {
    let folder = Folder::new();
    let sample = Sample::new(2_000, false);
    let all = analyze(&by_token(folder.write("a.parquet", &sample.columns())));
    for row in 0..all.rows() {
        let token = all.text("token", row).unwrap();
        let rows = (0..sample.rows()).filter(|&row| sample.tokens[row] == token);
        let alone = analyze(&by_token(folder.write("b.parquet", &sample.rows_of(rows))));
        alone.assert_same(&Table(all.0.slice(row, 1)), &[], &token);
    }
}

/// Every row is counted in exactly one place, and each count is what the rows say.
#[test]
fn rows_are_accounted_for() {
    let folder = Folder::new();
    let sample = Sample::new(6_000, true);
    let path = folder.write("a.parquet", &sample.columns());
    for owners in OWNERS {
        let result = analyze(&Options { owners, negatives: Negatives::Drop, ..by_token(path.clone()) });
        result.assert_rows_add_up();
        for row in 0..result.rows() {
            let token = result.text("token", row).unwrap();
            let rows: Vec<usize> = (0..sample.rows()).filter(|&row| sample.tokens[row] == token).collect();
            let count = |keep: &dyn Fn(Option<i128>) -> bool| {
                rows.iter().filter(|&&row| keep(sample.amounts[row])).count() as u64
            };
            let actual = |name| result.count(name, row).unwrap();
            assert_eq!(actual("n_rows"), rows.len() as u64);
            assert_eq!(actual("n_null"), count(&|amount| amount.is_none()));
            assert_eq!(actual("n_negative"), count(&|amount| amount.is_some_and(|a| a < 0)));
            assert_eq!((actual("n_excluded"), actual("n_below")), (0, 0));
            // What each owner holds; rows of nobody else are merged.
            let mut holdings: HashMap<String, i128> = HashMap::new();
            let kept = rows.iter().filter_map(|&row| Some((row, sample.amounts[row].filter(|&a| a >= 0)?)));
            for (at, amount) in kept {
                let owner = match owners {
                    Owners::Merge => sample.owners[at].to_lowercase(),
                    _ => at.to_string(),
                };
                *holdings.entry(owner).or_default() += amount;
            }
            let zeros = holdings.values().filter(|&&amount| amount == 0).count() as u64;
            assert_eq!(actual("n_zero"), zeros, "{owners:?}");
            assert_eq!(actual("n_holders"), holdings.len() as u64 - zeros, "{owners:?}");
            let merged = count(&|amount| amount.is_some_and(|a| a >= 0)) - holdings.len() as u64;
            assert_eq!(actual("n_merged"), merged, "{owners:?}");
            assert!(owners == Owners::Trust || rows.len() < 300 || merged > 0);
            let total: i128 = holdings.values().sum();
            assert_eq!(result.text("total", row).unwrap(), total.to_string());
            let largest = *holdings.values().max().unwrap();
            let share = result.number("max_share", row).unwrap() * total as f64 / largest as f64;
            assert!((share - 1.0).abs() < 1e-13, "{owners:?} {share}");
        }
    }
}

/// Merging before is merging here, and owners that are distinct already pass the check with the same result.
#[test]
fn owners_merged_beforehand() {
    let folder = Folder::new();
    let sample = Sample::new(4_000, false);
    let merged =
        analyze(&Options { owners: Owners::Merge, ..by_token(folder.write("a.parquet", &sample.columns())) });
    let mut holdings: HashMap<(String, String), i128> = HashMap::new();
    for row in 0..sample.rows() {
        if let Some(amount) = sample.amounts[row] {
            let owner = sample.owners[row].to_lowercase();
            *holdings.entry((sample.tokens[row].clone(), owner)).or_default() += amount;
        }
    }
    let mut distinct = Sample { tokens: vec![], owners: vec![], amounts: vec![] };
    for ((token, owner), amount) in holdings {
        distinct.tokens.push(token);
        distinct.owners.push(owner);
        distinct.amounts.push(Some(amount));
    }
    let path = folder.write("b.parquet", &distinct.columns());
    for owners in [Owners::Trust, Owners::Merge, Owners::Check] {
        let result = analyze(&Options { owners, ..by_token(path.clone()) });
        result.assert_same(&merged, &["n_rows", "n_null", "n_merged"], &format!("{owners:?}"));
        for row in 0..result.rows() {
            assert_eq!(result.count("n_merged", row), Some(0));
            let rows = result.count("n_holders", row).unwrap() + result.count("n_zero", row).unwrap();
            assert_eq!(result.count("n_rows", row), Some(rows));
        }
    }
}

/// The second row of an owner, by bytes for hex and as written for names, is an error that names it.
#[test]
fn checked_owners() {
    let folder = Folder::new();
    let run = |owners: &[&str], tokens: &[&str], check: Owners| {
        let columns =
            [("token", texts(tokens)), ("address", texts(owners)), ("balance", u64s(&vec![1; owners.len()]))];
        try_analyze(&Options { owners: check, ..by_token(folder.write("a.parquet", &columns)) })
    };
    let same = ["a"; 4];
    let check = Owners::Check;
    assert_eq!(row_of(run(&["0xAb", "0xcd", "0xaB", "0xab"], &same, check)), 3);
    assert_eq!(row_of(run(&["bob", "Bob", "carl", "bob"], &same, check)), 4);
    assert!(run(&["bob", "Bob", "BOB", "0xb0b"], &same, check).is_ok());
    assert!(run(&["0xab", "0xab", "0xAB", "0xab"], &["a", "b", "c", "d"], check).is_ok(), "other groups");
    for owners in [Owners::Merge, Owners::Check] {
        let address = Arc::new(StringArray::from(vec![Some("x"), None]));
        let columns: [(&str, ArrayRef); 2] = [("address", address), ("balance", u64s(&[1, 2]))];
        let path = folder.write("b.parquet", &columns);
        assert_eq!(row_of(try_analyze(&Options { owners, ..by_token(path.clone()) })), 2);
        assert_eq!(analyze(&by_token(path)).count("n_holders", 0), Some(2), "each row is one holder");
    }
}

/// Sums of one owner that leave 256 bits are an error, the sum of all owners is not.
#[test]
fn an_owner_of_too_much() {
    let folder = Folder::new();
    let max = format!("0x{}", "f".repeat(64));
    let run = |owners: [&str; 3]| {
        let columns = [("address", texts(&owners)), ("balance", texts(&["1", max.as_str(), "1"]))];
        try_analyze(&Options { owners: Owners::Merge, ..by_token(folder.write("a.parquet", &columns)) })
    };
    assert_eq!(row_of(run(["a", "b", "b"])), 3);
    assert_eq!(row_of(run(["a", "a", "b"])), 2);
    let result = table(run(["a", "b", "a"]).unwrap());
    // 2^256 + 1
    let total = "115792089237316195423570985008687907853269984665640564039457584007913129639937";
    assert_eq!(result.text("total", 0).as_deref(), Some(total));
}

/// Amounts in any unit are the same distribution: to the bit where the digits are the same, else as near as promised.
#[test]
fn the_unit_of_text() {
    let folder = Folder::new();
    let mut seed = 3u64;
    let digits: Vec<u64> = (0..800)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // None ends in zero, so that every unit is the last digit.
            (seed >> (9 + seed % 50)) / 10 * 10 + 1 + seed % 9
        })
        .collect();
    let run = |write: &dyn Fn(&u64) -> String| {
        let column = texts(&digits.iter().map(write).collect::<Vec<_>>());
        let options =
            Options { extras: extras(), ..pooled(&folder.write("a.parquet", &[("balance", column)])) };
        analyze(&options)
    };
    let expected = run(&|x| x.to_string());
    let written = ["total", "total_f64", "mean", "median"];
    for k in [1, 6, 18, 30, 55] {
        let below = |x: &u64| {
            let padded = format!("{x:0>width$}", width = k + 1);
            let (whole, fraction) = padded.split_at(padded.len() - k);
            format!("{whole}.{fraction}")
        };
        run(&below).assert_same(&expected, &written, &format!("10^-{k}"));
        run(&|x| format!("{x}e-{k}")).assert_same(&expected, &written, &format!("e-{k}"));
        let larger = run(&|x| format!("{x}{}", "0".repeat(k)));
        for ((name, a), (_, b)) in values(&larger, 0, &extras()).iter().zip(&values(&expected, 0, &extras()))
        {
            assert_value(name, a, b, &format!("10^{k}"));
        }
        let total = format!("{}{}", expected.text("total", 0).unwrap(), "0".repeat(k));
        assert_eq!(larger.text("total", 0), Some(total));
    }
    run(&|x| format!("{x}.0")).assert_same(&expected, &[], "a zero after the point");
}

/// `--decimals` divides the four amounts and nothing else.
#[test]
fn decimals_divide_the_four_amounts() {
    let folder = Folder::new();
    let amounts = ["1500000000000000000", "500000000000000000", "1000000000000000001"];
    let path = folder.write("a.parquet", &[("balance", texts(&amounts))]);
    let raw = analyze(&pooled(&path));
    let tokens = analyze(&Options { decimals: 18, ..pooled(&path) });
    tokens.assert_same(&raw, &["total", "total_f64", "mean", "median"], "decimals");
    assert_eq!(tokens.text("total", 0).as_deref(), Some("3.000000000000000001"));
    for name in ["total_f64", "mean", "median"] {
        let (raw, tokens) = (raw.number(name, 0).unwrap(), tokens.number(name, 0).unwrap());
        assert!((tokens * 1e18 / raw - 1.0).abs() < 1e-15, "{name}: {tokens} {raw}");
    }
    assert_eq!(tokens.number("total_f64", 0), Some(3.0));
}

/// Choosing metrics changes none of them.
#[test]
fn the_metrics_asked_for() {
    let folder = Folder::new();
    let sample = Sample::new(1_500, false);
    let path = folder.write("a.parquet", &sample.columns());
    let all = analyze(&by_token(path.clone()));
    for metric in concentra::metrics::catalog(&extras()) {
        let one = analyze(&Options { metrics: vec![metric.name.clone()], ..by_token(path.clone()) });
        assert!(one.0.num_columns() < all.0.num_columns());
        let (a, b) = (one.0.column_by_name(&metric.name), all.0.column_by_name(&metric.name));
        assert_eq!(a.unwrap().to_data(), b.unwrap().to_data(), "{}", metric.name);
    }
}

/// Two runs write the same bytes, whatever the number of threads.
#[test]
fn the_bytes_of_a_result() {
    let folder = Folder::new();
    let sample = Sample::new(5_000, true);
    let input = folder.write_row_groups("a.parquet", &sample.columns(), 321);
    let options = Options { negatives: Negatives::Drop, owners: Owners::Merge, ..by_token(input) };
    for format in [Format::Parquet, Format::Csv, Format::Json] {
        let run = |threads: usize| {
            let path = folder.path().join(format!("result-{threads}"));
            let output = Output::open(Some(&path), Some(format), false).unwrap();
            let results = analyze_in(threads, &options).results;
            output.write(&results, &Look { color: false, chosen: false, width: None }).unwrap();
            let bytes = fs::read(&path).unwrap();
            assert!(matches!(Output::open(Some(&path), Some(format), false), Err(Error::Exists(_))));
            fs::remove_file(path).unwrap();
            bytes
        };
        let one = run(1);
        assert!(one.len() > 3_000);
        assert!(one == run(1) && one == run(2) && one == run(7), "{format:?}");
    }
}
