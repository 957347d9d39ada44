//! `concentra generate`: reproducible bytes, the same amounts in every encoding, refusals.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Float64Type, UInt32Type};
use clap::Parser;
use concentra::Error;
use concentra::generate::{GenerateArgs, run};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ruint::aliases::U256;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: GenerateArgs,
}

fn generate(output: &Path, flags: &str) -> concentra::Result<Vec<PathBuf>> {
    let output = output.to_str().expect("temporary folders have plain names");
    let words = ["generate", "-o", output].into_iter().chain(flags.split_whitespace());
    run(
        &Cli::try_parse_from(words).expect("the flags are known").args,
        &|| false,
        &concentra::progress::Progress::hidden(),
    )
}

fn read(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().map(|batch| batch.unwrap()).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = cast(batch.column_by_name(column).expect(column), &DataType::Utf8).unwrap();
    column.as_string::<i32>().iter().map(|text| text.unwrap().to_owned()).collect()
}

fn binaries(batch: &RecordBatch, column: &str) -> Vec<Vec<u8>> {
    let column = cast(batch.column_by_name(column).expect(column), &DataType::Binary).unwrap();
    column.as_binary::<i32>().iter().map(|bytes| bytes.unwrap().to_vec()).collect()
}

/// The amounts in raw units of 6 decimals, doubles rounded.
fn amounts(batch: &RecordBatch, encoding: &str) -> Vec<U256> {
    let big_endian = |column| binaries(batch, column).iter().map(|b| U256::from_be_slice(b)).collect();
    let column = batch.columns().last().unwrap();
    match encoding {
        "cryo" => big_endian("balance_binary"),
        "binary" | "binary-view" | "fixed-binary" => big_endian("balance"),
        "decimal128" | "numeric" => {
            let values = column.as_primitive::<Decimal128Type>().values();
            values.iter().map(|&value| U256::from(value)).collect()
        }
        "decimal256" => {
            let values = column.as_primitive::<Decimal256Type>().values();
            values.iter().map(|value| U256::from_be_bytes(value.to_be_bytes())).collect()
        }
        "f64" => {
            let values = column.as_primitive::<Float64Type>().values();
            values.iter().map(|value| U256::from((value * 1e6).round() as u128)).collect()
        }
        "decimal-text" => texts(batch, "balance").iter().map(|text| scaled(text)).collect(),
        _ => texts(batch, "balance").iter().map(|text| text.parse().unwrap()).collect(),
    }
}

/// Text with up to 6 decimals, in millionths.
fn scaled(text: &str) -> U256 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(!fraction.ends_with('0'), "{text}");
    format!("{whole}{fraction:0<6}").parse().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_wherever_they_are_written() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let flags = "--rows 40000 --groups 12 --snapshots 3 --group-sizes zipf --duplicate-owners 5%";
    for encoding in ["cryo", "text", "f64"] {
        let flags = format!("{flags} --encoding {encoding}");
        let a = generate(&one.path().join("a.parquet"), &flags).unwrap();
        let b = generate(&two.path().join("b.parquet"), &format!("{flags} --overwrite")).unwrap();
        assert_eq!(fs::read(&a[0]).unwrap(), fs::read(&b[0]).unwrap());
        let other = format!("{flags} --overwrite --seed 2");
        let b = generate(&two.path().join("b.parquet"), &other).unwrap();
        assert_ne!(fs::read(&a[0]).unwrap(), fs::read(&b[0]).unwrap());
        fs::remove_file(&a[0]).unwrap();
    }
}

#[test]
fn known_rows_come_out_on_every_platform() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    for (shape, expected) in KNOWN {
        let flags = format!("--rows 4 --seed 7 --encoding text --zeros 0 --overwrite --shape {shape}");
        generate(&path, &flags).unwrap();
        assert_eq!(texts(&read(&path), "balance"), expected, "{shape}");
    }
}

/// Pinned results: another libm, rounding or generator would change them.
const KNOWN: [(&str, [&str; 4]); 3] = [
    ("mixed", ["5", "4", "400000000000000000000", "221468627172746570649"]),
    (
        "lognormal",
        ["8085027121884795676", "6897124696458168477", "302386232218227930693", "166182726222929243033"],
    ),
    (
        "pareto",
        ["102010465943274677020", "101659496397265235101", "157153197049185760837", "136119251009019259801"],
    ),
];

#[test]
fn every_encoding_holds_the_same_amounts() {
    let folder = tempfile::tempdir().unwrap();
    let exact = [
        "cryo",
        "binary",
        "binary-view",
        "fixed-binary",
        "hex",
        "text",
        "decimal-text",
        "large-text",
        "text-view",
        "dictionary-text",
        "decimal128",
        "decimal256",
        "u64",
        "i64",
        "f64",
    ];
    for shape in ["mixed", "pareto", "dust", "ties", "uniform"] {
        let mut expected = None;
        for encoding in exact {
            let path = folder.path().join(format!("{shape}-{encoding}.parquet"));
            let flags = format!("--rows 3000 --groups 5 --shape {shape} --encoding {encoding} --decimals 6");
            generate(&path, &flags).unwrap();
            let amounts = amounts(&read(&path), encoding);
            assert_eq!(amounts.len(), 3000);
            let expected = expected.get_or_insert_with(|| amounts.clone());
            for (row, (amount, expected)) in amounts.iter().zip(expected).enumerate() {
                // A double in tokens rounds the largest ones.
                let near = encoding == "f64" && amount.abs_diff(*expected) <= *expected >> 50;
                assert!(amount == expected || near, "{encoding}, {shape}, row {row}: {amount} {expected}");
            }
        }
    }
    for (encoding, like) in [("numeric", "text"), ("decimal128", "text")] {
        let decimals = if encoding == "numeric" { 9 } else { 25 };
        let path = |name: &str| folder.path().join(format!("{name}-{decimals}.parquet"));
        let flags = format!("--rows 1000 --decimals {decimals} --encoding");
        generate(&path(encoding), &format!("{flags} {encoding}")).unwrap();
        generate(&path(like), &format!("{flags} {like}")).unwrap();
        assert_eq!(amounts(&read(&path(encoding)), encoding), amounts(&read(&path(like)), like));
    }
}

#[test]
fn rows_groups_and_owners_are_as_many_as_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    for order in ["shuffled", "grouped", "sorted"] {
        for sizes in ["even", "zipf", "huge"] {
            let flags =
                "--rows 2e4 --groups 40 --snapshots 4 --encoding text --overwrite --duplicate-owners 0.1";
            generate(&path, &format!("{flags} --order {order} --group-sizes {sizes}")).unwrap();
            let batch = read(&path);
            assert_eq!(batch.num_rows(), 20_000);
            let blocks = batch.column_by_name("block_number").unwrap().as_primitive::<UInt32Type>();
            let keys: Vec<_> = blocks.values().iter().copied().zip(texts(&batch, "token")).collect();
            let mut groups: BTreeMap<_, Vec<String>> = BTreeMap::new();
            for (key, owner) in keys.iter().zip(texts(&batch, "address")) {
                groups.entry(key).or_default().push(owner);
            }
            assert_eq!(groups.len(), 40);
            let changes = keys.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert_eq!(changes == 39, order != "shuffled");
            let written: usize = groups.values().map(Vec::len).sum();
            let distinct = |fold: fn(&String) -> String| -> usize {
                groups.values().map(|owners| owners.iter().map(fold).collect::<BTreeSet<_>>().len()).sum()
            };
            let owners = distinct(|owner| owner.to_lowercase());
            assert!((0.08..0.12).contains(&(1.0 - owners as f64 / written as f64)), "{owners}");
            assert!(distinct(String::clone) > owners, "duplicates differ in case");
            if sizes == "huge" {
                assert_eq!(groups.values().map(Vec::len).max(), Some(10_000));
            }
        }
    }
}

#[test]
fn sorted_groups_descend_and_owners_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    generate(&path, "--rows 5000 --order sorted --encoding f64 --no-owner --row-group-rows 1000").unwrap();
    let batch = read(&path);
    let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["block_number", "token", "balance"]);
    assert!(amounts(&batch, "f64").is_sorted_by(|a, b| a >= b));
    let file = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    assert_eq!(file.metadata().num_row_groups(), 5);
}

#[test]
fn empty_files_and_wide_amounts_can_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    generate(&path, "--rows 0 --compression none").unwrap();
    assert_eq!(read(&path).num_rows(), 0);
    let flags = "--rows 1000 --decimals 60 --shape pareto --overwrite --compression lz4";
    generate(&path, flags).unwrap();
    let amounts = amounts(&read(&path), "cryo");
    assert!(amounts.iter().all(|amount| amount.bit_len() > 200));
}

#[test]
fn existing_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    generate(&path, "--rows 10").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(generate(&path, "--rows 20"), Err(Error::Exists(p)) if p == path));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(matches!(generate(folder.path(), "--rows 20"), Err(Error::Usage(_))));
    let nowhere = folder.path().join("missing").join("a.parquet");
    assert!(matches!(generate(&nowhere, "--rows 20"), Err(Error::Io { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn contradictions_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    for flags in [
        "--rows 5 --groups 6",
        "--groups 0",
        "--groups 6 --snapshots 4",
        "--sigma -1 ",
        "--alpha NaN",
        "--encoding u64 --decimals 7",
        "--encoding decimal128 --decimals 26",
        "--encoding numeric --decimals 18",
        "--decimals 61",
        "--no-owner",
        "--encoding text --no-owner --duplicate-owners 1%",
        "--row-group-rows 0",
    ] {
        let words = flags.replace("--sigma ", "--sigma=");
        assert!(matches!(generate(&path, &words), Err(Error::Usage(_))), "{flags}");
    }
    let args = Cli::try_parse_from(["generate"]).unwrap().args;
    assert!(matches!(run(&args, &|| false, &concentra::progress::Progress::hidden()), Err(Error::Usage(_))));
    assert!(!path.exists());
}

fn scenario(folder: &Path, seed: u64) -> Vec<PathBuf> {
    generate(folder, &format!("--scenario defi --seed {seed}")).unwrap()
}

#[test]
fn the_sample_in_data_is_what_its_readme_says_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    // A folder that does not exist yet is made.
    let new = folder.path().join("new");
    let files = scenario(&new, 1);
    let mut bytes = 0;
    for file in &files {
        let name = file.strip_prefix(&new).unwrap();
        let (made, kept) = (fs::read(file).unwrap(), fs::read(data.join(name)).unwrap());
        bytes += made.len();
        assert!(made == kept, "{} differs; make data/ again with the command in its README", name.display());
    }
    assert!(bytes < 1_000_000, "{bytes}");
    let other = scenario(&folder.path().join("other"), 2);
    let same = |(a, b): (&PathBuf, &PathBuf)| fs::read(a).unwrap() == fs::read(b).unwrap();
    let same: Vec<_> = files.iter().zip(&other).filter(|pair| same(*pair)).map(|(file, _)| file).collect();
    // Made by hand, so that its numbers can be told.
    assert_eq!(same, [&new.join("lp/shares.parquet")]);
    assert!(matches!(generate(&new, "--scenario defi"), Err(Error::Exists(_))));
    assert_eq!(generate(&new, "--scenario defi --overwrite").unwrap(), files);
}

#[test]
fn transfers_fold_to_the_balances_of_every_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let files = scenario(folder.path(), 3);
    let of = |part: &str| -> Vec<_> {
        files.iter().filter(|file| file.to_str().unwrap().contains(part)).map(|file| read(file)).collect()
    };
    let mut transfers = Vec::new();
    for batch in of("erc20_transfers") {
        let blocks = batch.column_by_name("block_number").unwrap().as_primitive::<UInt32Type>();
        let ends = binaries(&batch, "from_address").into_iter().zip(binaries(&batch, "to_address"));
        let values = binaries(&batch, "value_binary").into_iter().zip(texts(&batch, "value_string"));
        for ((&block, (from, to)), (value, text)) in blocks.values().iter().zip(ends).zip(values) {
            let value = U256::from_be_slice(&value);
            assert_eq!(value.to_string(), text);
            transfers.push((block, from, to, value));
        }
    }
    assert!(transfers.is_sorted_by_key(|transfer| transfer.0));
    let snapshots = of("erc20_balances");
    assert_eq!(snapshots.len(), 12);
    for batch in snapshots {
        let block = batch.column_by_name("block_number").unwrap().as_primitive::<UInt32Type>().value(0);
        let mut folded: BTreeMap<Vec<u8>, U256> = BTreeMap::new();
        for (at, from, to, value) in &transfers {
            assert_ne!(*at, block, "before or after the block's transactions is the same");
            if *at < block {
                if *from != [0; 20] {
                    *folded.get_mut(from).unwrap() -= *value;
                }
                *folded.entry(to.clone()).or_default() += *value;
            }
        }
        let balances = amounts(&batch, "cryo");
        assert!(folded.into_iter().eq(binaries(&batch, "address").into_iter().zip(balances)));
    }
}

#[test]
fn the_bridge_holds_what_exists_on_the_other_chain() {
    let folder = tempfile::tempdir().unwrap();
    let files = scenario(folder.path(), 1);
    let find = |part: &str| read(files.iter().rfind(|file| file.to_str().unwrap().contains(part)).unwrap());
    let labels = find("labels");
    let named = |name: &str| {
        let row = cast(labels.column_by_name("name").unwrap(), &DataType::Utf8).unwrap();
        let row = row.as_string::<i32>().iter().position(|other| other == Some(name)).unwrap();
        texts(&labels, "address")[row].clone()
    };
    let snapshot = find("erc20_balances");
    let bridge = named("LARK bridge escrow");
    let owners = binaries(&snapshot, "address")
        .into_iter()
        .map(|bytes| format!("0x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
    let locked =
        owners.zip(texts(&snapshot, "balance_string")).find(|(owner, _)| *owner == bridge).unwrap().1;
    let base = find("holders/base");
    let rows = texts(&base, "date").into_iter().zip(texts(&base, "token_decimals"));
    let bridged: U256 = rows
        .zip(texts(&base, "balance_str"))
        .filter(|((date, decimals), _)| date == "2025-03-24" && decimals == "18")
        .map(|(_, text)| {
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            format!("{whole}{fraction:0<18}").parse::<U256>().unwrap()
        })
        .sum();
    assert_eq!(locked, bridged.to_string());
}
