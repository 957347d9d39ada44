//! Which columns of a file are read, and what they are taken for.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray, Float64Array, ListArray};
use arrow::datatypes::Int32Type;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::json;

use crate::shell::{Columns, Shell, numbers, text};

#[test]
fn amount_columns_are_found_best_first() {
    let shell = Shell::new();
    let binary = |n: u8| -> ArrayRef {
        let mut bytes = [0; 32];
        bytes[31] = n;
        Arc::new(FixedSizeBinaryArray::try_from_iter([bytes].into_iter()).unwrap())
    };
    let double: ArrayRef = Arc::new(Float64Array::from(vec![4.0]));
    let all: Columns<'_> = vec![
        ("token_decimals", numbers([18])),
        ("balance_f64", double.clone()),
        ("balance", numbers([3])),
        ("balance_string", text(["2"])),
        ("balance_binary", binary(1)),
    ];
    for (best, total) in [(5, "1"), (4, "2"), (3, "3"), (2, "4")] {
        shell.parquet("x.parquet", all[..best].to_vec());
        let ran = shell.run("analyze x.parquet --format json --by none").silent();
        assert_eq!(ran.json()[0]["total"], total, "the {best} first columns");
    }
    // A double although an exact column exists.
    shell.parquet("x.parquet", all);
    let ran = shell.run("analyze x.parquet --format json --by none --amount balance_f64").ok();
    assert!(
        ran.stderr
            .contains("x.parquet: amounts are taken from the double `balance_f64` although `balance_binary`"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.json()[0]["unit_log2"], 2);
    // No name is known, but one number is left.
    shell.parquet(
        "y.parquet",
        vec![("tokenId", numbers([9])), ("blockNumber", numbers([9])), ("liquidity", numbers([5]))],
    );
    assert_eq!(shell.group("y.parquet --by none")["total"], "5");
    shell.parquet(
        "z.parquet",
        vec![("liquidity", numbers([5])), ("fees", double), ("tick_lower", numbers([1]))],
    );
    shell.run("analyze z.parquet").fails(1, &["z.parquet", "--amount: liquidity, fees\n"]);
    shell.parquet("n.parquet", vec![("name", text(["x"])), ("tick_lower", numbers([1]))]);
    shell
        .run("analyze n.parquet")
        .fails(1, &["n.parquet: no column is recognised as the amount", "--amount", "name, tick_lower"]);
    shell
        .run("analyze z.parquet --amount fee")
        .fails(1, &["no column `fee` for --amount", "did you mean `fees`"]);
    shell
        .run("analyze z.parquet --owner liquidty")
        .fails(1, &["`liquidty` for --owner", "did you mean `liquidity`"]);
}

#[test]
fn nested_columns_hold_neither_groups_nor_amounts() {
    let shell = Shell::new();
    let list: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), Some(2)])]));
    // Columns after a nested one are found all the same.
    shell.parquet(
        "l.parquet",
        vec![("labels", list.clone()), ("token", text(["T"])), ("balance", numbers([3]))],
    );
    let row = shell.group("l.parquet");
    assert_eq!((&row["token"], &row["total"]), (&json!("T"), &json!("3")));
    shell.run("analyze l.parquet --by labels").fails(1, &["l.parquet", "`labels` is nested"]);
    shell.run("analyze l.parquet --amount labels").fails(1, &["l.parquet", "`labels`", "holds no amounts"]);
    shell.parquet("m.parquet", vec![("balance", list), ("value", numbers([4]))]);
    assert_eq!(shell.group("m.parquet")["total"], "4");
}

#[test]
fn only_the_columns_needed_are_read() {
    let shell = Shell::new();
    let plain = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .build();
    let path = shell.parquet_with(
        "h.parquet",
        vec![
            ("note", text(["n", "m"])),
            ("address", text(["x", "y"])),
            ("token", text(["T", "T"])),
            ("balance", numbers([1, 2])),
        ],
        plain,
    );
    let reader = SerializedFileReader::new(fs::File::open(&path).unwrap()).unwrap();
    let chunk = |i: usize| reader.metadata().row_group(0).column(i).byte_range();
    let whole = fs::read(&path).unwrap();
    let spoil = |columns: &[usize]| {
        let mut bytes = whole.clone();
        for (start, length) in columns.iter().map(|&i| chunk(i)) {
            bytes[start as usize..(start + length) as usize].fill(0xff);
        }
        fs::write(&path, bytes).unwrap();
    };
    spoil(&[0, 1]);
    assert_eq!(shell.group("h.parquet --snapshot none")["total"], "3");
    spoil(&[0, 1, 2]);
    assert_eq!(shell.group("h.parquet --by none")["total"], "3");
    let damaged = ["h.parquet: it cannot be decoded"];
    shell.run("analyze h.parquet --snapshot none").fails(1, &damaged);
    spoil(&[1]);
    for line in ["--owners merge", "--owners check", "--by address"] {
        shell.run(&format!("analyze h.parquet {line}")).fails(1, &damaged);
    }
    assert_eq!(shell.group("h.parquet --snapshot none --owners merge --owner note")["n_holders"], 2);
    spoil(&[3]);
    shell.run("analyze h.parquet --by none").fails(1, &damaged);
}

#[test]
fn suspicious_amounts_are_warned_about() {
    let shell = Shell::new();
    let warnings = |amounts: ArrayRef| {
        let rows = amounts.len();
        shell.parquet("w.parquet", vec![("token", text(vec!["T"; rows])), ("balance", amounts)]);
        shell.run("analyze w.parquet --snapshot none").ok().stderr
    };
    let dominated = "warning: group token=T has one amount above all others together";
    assert!(warnings(numbers([51, 30, 20])).contains(dominated));
    assert_eq!(warnings(numbers([50, 30, 20])), "", "not above");
    assert_eq!(warnings(numbers([9, 1])), "", "of two, one is always larger");
    // 2^127 each: together they reach 2^128, with one more they are above it.
    let half = "170141183460469231731687303715884105728";
    assert_eq!(warnings(text([half, "0x7fffffffffffffffffffffffffffffff"])), "");
    let huge = warnings(text([half, half, "1"]));
    assert!(huge.contains("warning: group token=T has a total above 2^128"), "{huge}");
    assert!(warnings(numbers([])).contains("warning: the input has no rows"));
    shell.parquet("v.parquet", vec![("token", text(["T"])), ("balance", numbers([1]))]);
    shell.parquet("w.parquet", vec![("token", text([])), ("balance", numbers([]))]);
    shell.run("analyze v.parquet w.parquet --by token").ok().says(&["warning: w.parquet has no rows"]);
}
