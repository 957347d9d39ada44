//! Bad cells, bad files: named, with a remedy, and never a panic.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    ArrayRef, BinaryArray, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int64Array, StringArray,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};

use crate::shell::{Shell, numbers, text};

#[test]
fn cells_that_are_no_amounts_are_named() {
    let shell = Shell::new();
    let above = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
    let hex65 = format!("0x1{}", "0".repeat(64));
    let digits = "write digits with at most one point";
    for (cell, problem, remedy) in [
        ("", "is empty", "write null"),
        ("  ", "is empty", "write null"),
        ("1,234.5", "has a comma", digits),
        ("1,5", "has a comma", digits),
        ("{'coin': 5}", "is not a number", digits),
        ("1_000", "is not a number", digits),
        ("12 ETH", "is not a number", digits),
        (" 12", "is not a number", digits),
        ("0x", "is not a number", digits),
        ("1.2.3", "is not a number", digits),
        ("12\u{e9}", "is not a number", digits),
        ("NaN", "is no finite number", "write null"),
        ("-Infinity", "is no finite number", "write null"),
        ("-5", "is negative", "--negatives drop"),
        (above, "is beyond 256 bits", "at most 2^256"),
        ("1e999999999999999999999", "is beyond 256 bits", "at most 2^256"),
        (&hex65, "is beyond 256 bits", "at most 2^256"),
    ] {
        shell.parquet("bad.parquet", vec![("balance", text(["1", "2", cell, "x"]))]);
        let place = "bad.parquet: column `balance`, row 3: ";
        shell.run("analyze bad.parquet").fails(1, &[place, problem, remedy]);
    }
}

#[test]
fn cells_of_every_type_are_checked() {
    let shell = Shell::new();
    let double = |x: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![1.0, 2.0, x])) };
    let bytes = |n: usize| -> ArrayRef {
        let (good, bad) = (vec![0; 32], vec![1; n]);
        Arc::new(BinaryArray::from_vec(vec![&good, &good, &bad]))
    };
    let cents = Decimal128Array::from(vec![1, 2, -150]).with_precision_and_scale(20, 2).unwrap();
    for (column, problem, remedy) in [
        (double(f64::NAN), "NaN is no amount", "write null"),
        (double(f64::INFINITY), "inf is no amount", "write null"),
        (double(f64::NEG_INFINITY), "inf is no amount", "write null"),
        (double(-0.5), "-0.5 is negative", "--negatives drop"),
        (
            Arc::new(Int64Array::from(vec![1, 2, i64::MIN])) as ArrayRef,
            "-9223372036854775808 is negative",
            "--negatives drop",
        ),
        (Arc::new(cents) as ArrayRef, "-1.50 is negative", "--negatives drop"),
        (bytes(0), "0 bytes are no amount", "32 bytes, big-endian"),
        (bytes(20), "20 bytes are no amount", "32 bytes, big-endian"),
        (bytes(33), "33 bytes are no amount", "32 bytes, big-endian"),
    ] {
        shell.parquet("bad.parquet", vec![("amount", column)]);
        shell
            .run("analyze bad.parquet")
            .fails(1, &["bad.parquet: column `amount`, row 3: ", problem, remedy]);
        // Where a file fails, none is analyzed, and the bad one is named.
        shell.parquet("a_good.parquet", vec![("amount", numbers([1]))]);
        shell.run("analyze .").fails(1, &["bad.parquet: column `amount`, row 3"]);
    }
    let addresses: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter([[1u8; 20]].into_iter()).unwrap());
    shell.parquet("w.parquet", vec![("owed", addresses)]);
    shell
        .run("analyze w.parquet --amount owed")
        .fails(1, &["w.parquet: column `owed`", "binary amounts have 32 bytes"]);
    shell.parquet("b.parquet", vec![("owed", Arc::new(arrow::array::BooleanArray::from(vec![true])))]);
    shell.run("analyze b.parquet --amount owed").fails(1, &["b.parquet: column `owed`", "Boolean"]);
}

#[test]
fn limits_are_inside() {
    let shell = Shell::new();
    let largest = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let hex = format!("0x{}", "f".repeat(64));
    shell.parquet("l.parquet", vec![("value", text([largest, &hex, "-0", "0.0", "1e0"]))]);
    let row = shell.group("l.parquet");
    // 2 (2^256 − 1) + 1
    assert_eq!(
        row["total"],
        "231584178474632390847141970017375815706539969331281128078915168015826259279871"
    );
    assert_eq!((row["n_holders"].as_u64(), row["n_zero"].as_u64()), (Some(3), Some(2)));
    // A tenth beside the largest needs more than 256 bits.
    shell.parquet("m.parquet", vec![("value", text(["0.1", largest]))]);
    shell
        .run("analyze m.parquet")
        .fails(1, &["m.parquet: column `value`, row 2", "beyond 256 bits", "groups of their own"]);
    let doubles: ArrayRef = Arc::new(Float64Array::from(vec![1e300, 1e-300, -0.0]));
    shell.parquet("d.parquet", vec![("value", doubles)]);
    shell.run("analyze d.parquet").fails(1, &["d.parquet: column `value`, row 2", "2^255 times smaller"]);
    let merged = vec![("owner", text(["x", "x"])), ("value", text([largest, "1"]))];
    shell.parquet("o.parquet", merged);
    shell
        .run("analyze o.parquet --owners merge")
        .fails(1, &["o.parquet: column `value`, row 2", "beyond 256 bits"]);
}

#[test]
fn rows_are_counted_within_their_file() {
    let shell = Shell::new();
    let rows = 70_000;
    for bad in [1, 4096, 32_768, 32_769, 50_000, 50_001, 70_000] {
        let cells = StringArray::from_iter(
            (1..=rows).map(|row| (row != 7).then_some(if row == bad { "?" } else { "5" })),
        );
        let groups = WriterProperties::builder().set_max_row_group_row_count(Some(50_000)).build();
        shell.parquet_with("big.parquet", vec![("balance", Arc::new(cells))], groups);
        shell
            .run("analyze big.parquet")
            .fails(1, &[&format!("big.parquet: column `balance`, row {bad}: \"?\"")]);
    }
    // Of several the first one is named, whatever the threads do.
    let cells =
        StringArray::from_iter_values((1..=rows).map(|row| if row % 10_000 == 0 { "?" } else { "5" }));
    let groups = WriterProperties::builder().set_max_row_group_row_count(Some(5_000)).build();
    shell.parquet_with("big.parquet", vec![("balance", Arc::new(cells))], groups);
    for _ in 0..10 {
        shell.run("analyze big.parquet -j 7").fails(1, &["row 10000: "]);
    }
}

#[test]
fn files_that_are_not_parquet_are_named() {
    let shell = Shell::with_holders();
    let whole = fs::read(shell.path("h.parquet")).unwrap();
    for (name, bytes, problem) in [
        ("empty.parquet", vec![], "the file is empty (0 bytes)"),
        ("short.parquet", b"PA".to_vec(), "too short to be Parquet"),
        ("magic.parquet", b"PAR1".to_vec(), "cut short"),
        ("text.parquet", b"address,balance\n0x,1\n".to_vec(), "no Parquet file"),
        ("half.parquet", whole[..whole.len() / 2].to_vec(), "cut short or damaged"),
        ("sealed.parquet", [b"PARE", &whole[4..whole.len() - 4], b"PARE"].concat(), "encrypted"),
    ] {
        shell.file(name, bytes);
        shell.run(&format!("analyze {name}")).fails(1, &[&format!("{name}: "), problem]);
        shell.run(&format!("analyze h.parquet {name}")).fails(1, &[&format!("{name}: "), problem]);
        shell.run("analyze .").fails(1, &[name, problem]);
        fs::remove_file(shell.path(name)).unwrap();
    }
}

/// Small files of every page encoding and codec.
fn samples(shell: &Shell) -> Vec<Vec<u8>> {
    let columns = || {
        let tokens = (0..40).map(|i| if i % 3 == 0 { "A" } else { "B" });
        let amounts: Vec<String> = (0..40u32).map(|i| format!("{}.{i}", i * i)).collect();
        vec![
            ("block_number", numbers((0..40).map(|i| i / 20))),
            ("token", text(tokens)),
            ("balance", text(amounts.iter().map(String::as_str))),
        ]
    };
    let builder = || WriterProperties::builder().set_max_row_group_row_count(Some(25));
    [
        builder().set_compression(Compression::UNCOMPRESSED).build(),
        builder().set_compression(Compression::UNCOMPRESSED).set_dictionary_enabled(false).build(),
        builder().set_writer_version(WriterVersion::PARQUET_2_0).set_dictionary_enabled(false).build(),
        builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build(),
        builder().set_compression(Compression::SNAPPY).set_writer_version(WriterVersion::PARQUET_2_0).build(),
    ]
    .into_iter()
    .map(|properties| fs::read(shell.parquet_with("sample.parquet", columns(), properties)).unwrap())
    .collect()
}

/// Runs the command on a damaged file: a result or an error that names it, soon. What it said.
#[track_caller]
fn outcome(shell: &Shell, bytes: &[u8], what: &str) -> (bool, String) {
    shell.file("damaged.parquet", bytes);
    let start = Instant::now();
    let ran = shell.run("analyze damaged.parquet --metrics gini -o result.csv --overwrite -q -j 2");
    assert!(start.elapsed() < Duration::from_secs(20), "{what}: {:?}", start.elapsed());
    assert!(matches!(ran.status, Some(0 | 1)), "{what}: {:?} {}", ran.status, ran.stderr);
    let good = ran.status == Some(0);
    assert!(good || ran.stderr.contains("error: damaged.parquet: "), "{what}: {}", ran.stderr);
    (good, ran.stderr)
}

#[test]
fn truncated_files_are_errors() {
    let shell = Shell::new();
    for (i, whole) in samples(&shell).iter().enumerate() {
        assert_eq!(outcome(&shell, whole, "whole"), (true, String::new()));
        for at in (0..20).map(|k| k * whole.len() / 20).chain(whole.len() - 12..whole.len()) {
            let what = format!("sample {i} cut at {at}");
            let (good, said) = outcome(&shell, &whole[..at], &what);
            assert!(!good && said.starts_with("error: damaged.parquet: "), "{what}: {said}");
        }
    }
}

/// Where the footer of a file begins.
fn footer(whole: &[u8]) -> usize {
    let length = whole[whole.len() - 8..][..4].try_into().unwrap();
    whole.len() - 8 - u32::from_le_bytes(length) as usize
}

/// Flips one bit of some bytes and hands on what became of it.
fn flip(shell: &Shell, whole: &[u8], bytes: impl Iterator<Item = usize>, mut judge: impl FnMut(bool, &str)) {
    for at in bytes {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1 << (at % 8);
        let what = format!("bit {} of byte {at} of {}", at % 8, whole.len());
        let (good, said) = outcome(shell, &bytes, &what);
        judge(good, &format!("{what}: {said}"));
    }
}

#[test]
fn flipped_bits_of_pages_are_told() {
    let shell = Shell::new();
    let (mut good, mut bad) = (0, 0);
    for (i, sample) in samples(&shell).iter().enumerate() {
        flip(
            &shell,
            sample,
            (i..footer(sample)).step_by(11),
            |is_good, _| {
                if is_good { good += 1 } else { bad += 1 }
            },
        );
    }
    assert!(good > 10 && bad > 10, "{good} good, {bad} bad");
}

#[test]
fn flipped_bits_never_panic() {
    let shell = Shell::new();
    let mut panics = Vec::new();
    for (i, sample) in samples(&shell).iter().enumerate() {
        for at in (i..sample.len()).step_by(17) {
            let mut bytes = sample.clone();
            bytes[at] ^= 1 << (at % 8);
            shell.file("damaged.parquet", bytes);
            let ran = shell.run("analyze damaged.parquet -q");
            if !matches!(ran.status, Some(0 | 1)) || ran.stderr.contains("panicked") {
                panics.push(format!("sample {i}, byte {at}: {:?} {}", ran.status, ran.stderr));
            }
        }
    }
    assert!(panics.is_empty(), "{} panics, the first is {}", panics.len(), panics[0]);
}

/// Footers that say more rows than the pages have: a few more, and more than there is memory for.
#[test]
fn rows_that_a_footer_promises_must_be_there() {
    let shell = Shell::new();
    let path = shell.parquet("h.parquet", vec![("balance", numbers(1..=1000))]);
    let bytes = fs::read(path).unwrap();
    let (pages, footer) = bytes[..bytes.len() - 8].split_at(footer(&bytes));
    // Twice the number, seven bits a byte, the lowest first.
    let promised = |twice: u64| -> Vec<u8> {
        let bytes = twice.max(1).ilog2() / 7;
        (0..=bytes).map(|i| (twice >> (7 * i)) as u8 & 0x7f | if i < bytes { 0x80 } else { 0 }).collect()
    };
    let written = promised(2000);
    assert!(footer.windows(written.len()).any(|bytes| bytes == written));
    for rows in [1001u64, 8000, 1 << 40, 1 << 61] {
        let (mut changed, mut at) = (Vec::new(), 0);
        while at < footer.len() {
            let is_count = footer[at..].starts_with(&written);
            changed.extend(if is_count { promised(2 * rows) } else { vec![footer[at]] });
            at += if is_count { written.len() } else { 1 };
        }
        let length = u32::try_from(changed.len()).unwrap().to_le_bytes();
        shell.file("h.parquet", [pages, &changed, &length, b"PAR1"].concat());
        shell.run("analyze h.parquet --by none").fails(1, &["h.parquet"]);
    }
}
