//! Parts of an analysis, merged: the bits of one machine, however holders were shared out.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take};
use concentra::Result;
use concentra::ingest::Context;
use concentra::input::discover;
use concentra::numbers::unit::Unit;
use concentra::options::{By, Exclusion, Options};
use concentra::partial::merge::{Merged, Parts};
use concentra::partial::{RUN, partial};
use concentra::progress::Progress;
use concentra::record::Recorder;
use num_bigint::BigUint;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use crate::shell::{Shell, numbers};
use crate::support::{Folder, Table, analyze, extras, f64s, options, real_data, texts, u64s, words};

fn part(options: &Options) -> RecordBatch {
    let recorder = Recorder::default();
    let context = Context { recorder: &recorder, interrupted: &|| false, progress: &Progress::hidden() };
    partial(options, &context).unwrap().results.table().unwrap()
}

/// Writes a part's table as a file.
fn written(folder: &Folder, name: &str, table: &RecordBatch) -> PathBuf {
    let own = columns_of(table);
    let columns: Vec<(&str, ArrayRef)> =
        own.iter().map(|(name, column)| (name.as_str(), column.clone())).collect();
    folder.write_row_groups(name, &columns, 3)
}

fn parts_of(paths: &[PathBuf]) -> Result<Parts> {
    let paths: Vec<String> = paths.iter().map(|path| path.to_str().unwrap().to_owned()).collect();
    Parts::read(discover(&paths, &[], None, &|| false)?.0)
}

fn merged(paths: &[PathBuf], options: &Options) -> Result<Merged> {
    parts_of(paths)?.merge(options, &|| false)
}

/// All rows of a file.
fn rows_of(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let rows: Vec<RecordBatch> = reader.build().unwrap().map(std::result::Result::unwrap).collect();
    concat_batches(&schema, &rows).unwrap()
}

/// Columns by their names.
fn columns_of(rows: &RecordBatch) -> Vec<(String, ArrayRef)> {
    let schema = rows.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    names.zip(rows.columns().iter().cloned()).collect()
}

/// A result without who computed it where.
fn without_backend(table: &RecordBatch) -> RecordBatch {
    let kept: Vec<usize> = (0..table.num_columns())
        .filter(|&i| {
            !["backend", "adapter", "backend_note"].contains(&table.schema().field(i).name().as_str())
        })
        .collect();
    let table = table.project(&kept).unwrap();
    // Nor of where it comes from: parts are other files than the whole.
    let schema = table.schema().as_ref().clone().with_metadata(Default::default());
    RecordBatch::try_new(Arc::new(schema), table.columns().to_vec()).unwrap()
}

/// Amounts of one group in each encoding.
#[derive(Debug, Clone)]
enum Amounts {
    Whole(Vec<u64>),
    Text(Vec<String>),
    Words(Vec<BigUint>),
    Doubles(Vec<f64>),
}

impl Amounts {
    fn column(&self) -> ArrayRef {
        match self {
            Self::Whole(values) => u64s(values),
            Self::Text(values) => texts(values),
            Self::Words(values) => words(values),
            Self::Doubles(values) => f64s(values),
        }
    }

    /// With one more, of nothing.
    fn with_nothing(&self) -> ArrayRef {
        match self {
            Self::Whole(values) => u64s(&[&values[..], &[0]].concat()),
            Self::Text(values) => texts(&[&values[..], &["0".to_owned()]].concat()),
            Self::Words(values) => words(&[&values[..], &[BigUint::default()]].concat()),
            Self::Doubles(values) => f64s(&[&values[..], &[0.0]].concat()),
        }
    }

    fn len(&self) -> usize {
        self.column().len()
    }
}

fn amounts(n: std::ops::Range<usize>) -> impl Strategy<Value = Amounts> {
    let few = prop::sample::select(vec![0u64, 1, 2, 5, 1 << 55, (1 << 56) - 1, 1 << 60, u64::MAX]);
    let whole = prop_oneof![few, 0..1000u64, any::<u64>()];
    let text = (any::<u64>(), 0usize..20).prop_map(|(x, decimals)| {
        let digits = format!("{x:020}");
        if decimals == 0 {
            x.to_string()
        } else {
            format!("{}.{}", &digits[..20 - decimals], &digits[20 - decimals..])
        }
    });
    let word = (prop::array::uniform4(any::<u64>()), 0u32..250).prop_map(|(limbs, shift)| {
        limbs.iter().fold(BigUint::default(), |sum, &limb| (sum << 64) + limb) >> shift
    });
    let double = (0u64..1 << 53, -40i32..40).prop_map(|(m, e)| m as f64 * 2f64.powi(e));
    prop_oneof![
        prop::collection::vec(whole, n.clone()).prop_map(Amounts::Whole),
        prop::collection::vec(text, n.clone()).prop_map(Amounts::Text),
        prop::collection::vec(word, n.clone()).prop_map(Amounts::Words),
        prop::collection::vec(double, n).prop_map(Amounts::Doubles),
    ]
}

fn shared_out(
    amounts: &Amounts,
    groups: &[u8],
    shares: &[u8],
    options: &Options,
) -> std::result::Result<(), TestCaseError> {
    let folder = Folder::new();
    let n = amounts.len();
    // One group has no holders at all, others none in some parts.
    let nobody = n as u64;
    let group = (0..n).map(|i| u64::from(groups[i % groups.len()] % 3)).chain([nobody]);
    let group: Vec<u64> = group.collect();
    let (columns, n) = ([("token", u64s(&group)), ("balance", amounts.with_nothing())], n + 1);
    let all = folder.write("all.parquet", &columns);
    let options = Options { paths: vec![all.to_str().unwrap().into()], ..options.clone() };
    let whole = analyze(&options);
    let paths: Vec<PathBuf> = (0..3u8)
        .map(|share| {
            let own: Vec<u32> =
                (0..n as u32).filter(|&i| shares[i as usize % shares.len()] % 3 == share).collect();
            let rows = UInt32Array::from(own);
            let columns =
                columns.each_ref().map(|(name, column)| (*name, take(column, &rows, None).unwrap()));
            let path = folder.write(&format!("{share}.parquet"), &columns);
            let options = Options {
                paths: vec![path.to_str().unwrap().into()],
                extras: Default::default(),
                ..options.clone()
            };
            written(&folder, &format!("part-{share}.parquet"), &part(&options))
        })
        .collect();
    let merged = merged(&paths, &options).unwrap().results.table().unwrap();
    prop_assert_eq!(without_backend(&merged), without_backend(&whole.0));
    Ok(())
}

fn by_token() -> Options {
    Options { by: By::Columns(vec!["token".into()]), extras: extras(), ..Options::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_shares_merge_to_the_whole(
        amounts in amounts(1..60),
        groups in prop::collection::vec(any::<u8>(), 1..7),
        shares in prop::collection::vec(any::<u8>(), 1..11),
    ) {
        shared_out(&amounts, &groups, &shares, &by_token())?;
    }
}

/// A holder's amount at each rank: spread over all magnitudes, in steps of ties.
fn large(n: u64) -> Vec<BigUint> {
    (0..n).map(|i| (BigUint::from(i / 3 + 1) << (i / 400 % 120)) + BigUint::from(i / 5 % 3)).collect()
}

#[test]
fn ranges_of_one_large_group_merge_by_their_sums() {
    let folder = Folder::new();
    let mut amounts = large(40_000);
    amounts.sort();
    let options = Options { by: By::Nothing, extras: extras(), ..Options::default() };
    let all = folder.write("all.parquet", &[("balance", words(&amounts))]);
    let whole = analyze(&Options { paths: vec![all.to_str().unwrap().into()], ..options.clone() });
    let mut paths = vec![];
    // Ranges of values, the smaller holders last; equal ones stand on either side of a border.
    for (number, range) in [25_000..40_000, 9_001..25_000, 0..9_001].into_iter().enumerate() {
        let path = folder.write(&format!("{number}.parquet"), &[("balance", words(&amounts[range]))]);
        let options = Options {
            paths: vec![path.to_str().unwrap().into()],
            extras: Default::default(),
            ..options.clone()
        };
        paths.push(written(&folder, &format!("part-{number}.parquet"), &part(&options)));
    }
    let table = merged(&paths, &options).unwrap().results.table().unwrap();
    assert_eq!(without_backend(&table), without_backend(&whole.0));

    let parts = parts_of(&paths).unwrap();
    let few =
        Options { metrics: vec!["gini".into(), "hhi".into()], extras: Default::default(), ..options.clone() };
    let wanted = parts.wanted(&few).unwrap();
    let runs = 40_000usize.div_ceil(RUN);
    // The median lies in one of them; at one border holders of one key stand in two parts, and amounts tell their order.
    assert!((1..=3).contains(&wanted.len()), "of {runs} runs: {wanted:?}");

    // Those are enough: the others may stay behind.
    let left: Vec<PathBuf> = paths
        .iter()
        .scan(0, |before, path| {
            let table = rows_of(path);
            let own = *before..*before + table.num_rows();
            *before = own.end;
            let last = table.num_columns() - 1;
            let packed = table.column(last).as_any().downcast_ref::<BinaryArray>().unwrap();
            let kept = own.zip(packed).map(|(run, bytes)| bytes.filter(|_| wanted.contains(&run)));
            let kept: ArrayRef = Arc::new(kept.collect::<BinaryArray>());
            let columns: Vec<ArrayRef> = table.columns()[..last].iter().cloned().chain([kept]).collect();
            let table = RecordBatch::try_new(table.schema(), columns).unwrap();
            Some(written(&folder, &format!("left-{}", path.file_name().unwrap().to_str().unwrap()), &table))
        })
        .collect();
    let light = merged(&left, &few).unwrap().results.table().unwrap();
    let expected = analyze(&Options { paths: vec![all.to_str().unwrap().into()], ..few });
    assert_eq!(without_backend(&light), without_backend(&expected.0));
    let Err(error) = merged(&left, &options) else { panic!("amounts are missing") };
    assert!(error.to_string().contains("missing in its part"), "{error}");
}

#[test]
fn real_ties_across_parts_are_decided_exactly() {
    // Half of 10^27 and 1 % of it to the last digit, in two parts.
    let percent = |p: u32| BigUint::from(p) * BigUint::from(10u8).pow(25);
    let folder = Folder::new();
    let all = [97, 1, 1, 1].map(percent);
    for (amounts, cut) in [(&all[..], 2), (&[50, 30, 20].map(percent)[..], 1)] {
        let options = Options { by: By::Nothing, ..Options::default() };
        let path = folder.write("all.parquet", &[("balance", words(amounts))]);
        let whole = analyze(&Options { paths: vec![path.to_str().unwrap().into()], ..options.clone() });
        let paths: Vec<PathBuf> = [&amounts[..cut], &amounts[cut..]]
            .iter()
            .enumerate()
            .map(|(number, own)| {
                let path = folder.write("own.parquet", &[("balance", words(own))]);
                let options = Options { paths: vec![path.to_str().unwrap().into()], ..options.clone() };
                written(&folder, &format!("tie-{number}.parquet"), &part(&options))
            })
            .collect();
        let table = merged(&paths, &options).unwrap().results.table().unwrap();
        assert_eq!(without_backend(&table), without_backend(&whole.0));
    }
}

/// Parts of these amounts, merged, and the whole.
fn both(parts: &[Vec<BigUint>], options: &Options) -> (RecordBatch, RecordBatch) {
    let folder = Folder::new();
    let all = folder.write("all.parquet", &[("balance", words(&parts.concat()))]);
    let whole = analyze(&Options { paths: vec![all.to_str().unwrap().into()], ..options.clone() });
    let paths: Vec<PathBuf> = parts
        .iter()
        .enumerate()
        .map(|(number, own)| {
            let path = folder.write(&format!("{number}.parquet"), &[("balance", words(own))]);
            let own = Options {
                paths: vec![path.to_str().unwrap().into()],
                extras: Default::default(),
                ..options.clone()
            };
            written(&folder, &format!("part-{number}.parquet"), &part(&own))
        })
        .collect();
    let table = merged(&paths, options).unwrap().results.table().unwrap();
    (without_backend(&table), without_backend(&whole.0))
}

#[test]
fn holders_of_one_key_in_many_runs_of_two_parts_are_in_order() {
    // All of one key, which does not hold them exactly: only amounts tell who is larger, and counts depend on it.
    let base = BigUint::from(1u8) << 80;
    let of = |range: std::ops::Range<u64>, step: u64| -> Vec<BigUint> {
        range.map(|i| &base + BigUint::from(i * step % 16_000_000)).collect()
    };
    let small = |n: u64| -> Vec<BigUint> { (1..n).map(BigUint::from).collect() };
    let thresholds = (1..20).map(|i| (format!("{i}_20"), concentra::moments::Fraction::new(i, 20))).collect();
    let extras = concentra::metrics::Extras { top: vec![3, 5_000], thresholds };
    let options = Options { by: By::Nothing, extras, ..Options::default() };
    for parts in [
        vec![of(0..9_000, 1_777), [small(100), of(0..3_000, 5_003)].concat()],
        vec![[small(3_000), of(0..6_000, 1_777)].concat(), of(0..5_000, 977)],
        vec![of(0..5_000, 31), of(0..5_000, 3_001), of(0..2_000, 7_919)],
    ] {
        let (merged, whole) = both(&parts, &options);
        assert_eq!(merged, whole);
    }
}

#[test]
fn units_of_parts_without_holders_say_nothing() {
    let shell = Shell::new();
    for (name, amounts, unit) in [("a", [0, 0], "--unit 1e-18"), ("b", [5, 7], "")] {
        shell.parquet(&format!("{name}.parquet"), vec![("balance", numbers(amounts))]);
        let ran = shell.run(&format!("analyze {name}.parquet --by none --partial {unit} -o p{name}.parquet"));
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    }
    let ran = shell.run("merge pa.parquet pb.parquet --format json");
    let groups: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&groups[0]["total"], &groups[0]["n_zero"]), (&"12".into(), &2.into()));
}

#[test]
fn a_unit_that_cuts_bits_of_doubles_off_is_refused() {
    let folder = Folder::new();
    let path = folder.write("x.parquet", &[("balance", f64s(&[1.5, 4.0]))]);
    let options = |unit| Options { by: By::Nothing, unit: Some(Unit::Binary(unit)), ..options(&path) };
    let paths = [0, -1, -1_100].map(|unit| {
        let of_unit = std::panic::catch_unwind(|| part(&options(unit)));
        of_unit.ok().map(|table| written(&folder, &format!("{unit}.parquet"), &table))
    });
    let Err(error) = merged(&[paths[0].clone().unwrap()], &Options::default()) else {
        panic!("bits are lost")
    };
    assert!(error.to_string().contains("--unit 2^"), "{error}");
    assert!(merged(&[paths[1].clone().unwrap()], &Options::default()).is_ok());
    assert!(paths[2].is_none(), "more than 256 bits");
}

#[test]
fn forged_parts_are_refused() {
    let folder = Folder::new();
    let path = folder.write("x.parquet", &[("balance", u64s(&[5, 7, 1 << 60]))]);
    let table = part(&Options { by: By::Nothing, ..options(&path) });
    let forge = |name: &str, column: ArrayRef| {
        let at = table.schema().index_of(name).unwrap();
        let mut columns = table.columns().to_vec();
        columns[at] = column;
        let forged = RecordBatch::try_new(table.schema(), columns).unwrap();
        merged(&[written(&folder, "forged.parquet", &forged)], &Options::default())
    };
    assert!(forge("n_holders", u64s(&[3])).is_ok());
    let int = |x: i32| -> ArrayRef { Arc::new(arrow::array::Int32Array::from(vec![x])) };
    let byte = |x: u8| -> ArrayRef { Arc::new(arrow::array::UInt8Array::from(vec![x])) };
    let bytes = |x: &[u8]| -> ArrayRef { Arc::new(BinaryArray::from(vec![x])) };
    for (name, column) in [
        ("n_holders", u64s(&[1 << 63])),
        ("n_holders", u64s(&[0])),
        ("n_rows", u64s(&[u64::MAX])),
        ("unit_log2", int(i32::MIN)),
        ("decimals", byte(78)),
        ("total", texts(&["1"])),
        ("total", texts(&[""])),
        ("total", texts(&["1152921504606846989"])),
        ("first", u64s(&[0])),
        ("last", u64s(&[u64::MAX])),
        ("amounts", bytes(&[0, 5, 7])),
        ("amounts", bytes(&[5, 7])),
        ("amounts", bytes(&[0xff])),
        ("ranked", texts(&["7"])),
    ] {
        let Err(error) = forge(name, column) else { panic!("{name} is believed") };
        assert!(error.to_string().contains("again"), "{error}");
    }
}

#[test]
fn a_given_unit_spares_the_reading_of_amounts() {
    let folder = Folder::new();
    let texts_of = |from: u32, to: u32| -> Vec<String> { (from..to).map(|i| format!("{i}.5")).collect() };
    let options = |path: &PathBuf, unit| Options { by: By::Nothing, unit, ..options(path) };
    let (fine, coarse) = (
        folder.write("fine.parquet", &[("balance", texts(&texts_of(5_000, 20_000)))]),
        folder.write("coarse.parquet", &[("balance", texts(&(1..5_000).collect::<Vec<u32>>()))]),
    );
    let mut wanted = vec![];
    for unit in [None, Some(Unit::Decimal(3))] {
        let paths = [("a", &fine), ("b", &coarse)]
            .map(|(name, path)| written(&folder, &format!("{name}.parquet"), &part(&options(path, unit))));
        let few = Options { metrics: vec!["gini".into()], ..Options::default() };
        wanted.push(parts_of(&paths).unwrap().wanted(&few).unwrap().len());
        let table = Table(merged(&paths, &few).unwrap().results.table().unwrap());
        assert_eq!(table.count("n_holders", 0), Some(19_999));
    }
    assert!(wanted[0] >= 5 && wanted[1] <= 2, "{wanted:?}");
}

#[test]
fn counts_and_the_excluded_add_up() {
    let shell = Shell::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    std::os::unix::fs::symlink(data, shell.path("data")).unwrap();
    let options = "--by chain,token_address --exclude burn,contracts --labels data/labels.parquet";
    let ran = shell.run(&format!("analyze data/holders/base.parquet {options} -o whole.parquet -q"));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    // Dates are parts: each has some of the rows of every group.
    let table = rows_of(&shell.path("whole.parquet"));
    let rows = rows_of(&shell.path("data/holders/base.parquet"));
    let mut names = String::new();
    for (number, start) in (0..rows.num_rows()).step_by(rows.num_rows().div_ceil(3)).enumerate() {
        let own = rows.slice(start, rows.num_rows().div_ceil(3).min(rows.num_rows() - start));
        let columns = columns_of(&own);
        let columns = columns.iter().map(|(name, column)| (name.as_str(), column.clone())).collect();
        shell.parquet(&format!("rows/{number}.parquet"), columns);
        let line = format!("analyze rows/{number}.parquet {options} --partial -o p{number}.parquet -q");
        let ran = shell.run(&line);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        names += &format!(" p{number}.parquet");
    }
    let ran = shell.run(&format!("merge{names} -o merged.parquet"));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert_eq!(without_backend(&rows_of(&shell.path("merged.parquet"))), without_backend(&table));
}

#[test]
fn refuses_what_parts_cannot_know() {
    let shell = Shell::with_holders();
    for (line, says) in [
        ("analyze h.parquet --partial -o p.parquet --owners merge", "--owners: not with --partial"),
        ("analyze h.parquet --partial -o p.parquet --top-holders 5", "not with --partial"),
        ("analyze h.parquet --partial -o p.parquet --metrics gini", "to merge"),
        ("analyze h.parquet --partial -o p.csv", "is Parquet"),
        ("analyze h.parquet --partial", "is Parquet"),
        ("analyze h.parquet --unit 1e-3 -o p.parquet", "--partial"),
        ("analyze h.parquet --partial --unit 3 -o p.parquet", "write it as 1e-18"),
        ("analyze h.parquet --partial --unit 2^-3 -o p.parquet", "no whole numbers of the unit"),
        ("merge h.parquet", "is no partial result"),
    ] {
        let ran = shell.run(line);
        assert!(ran.status != Some(0) && ran.stderr.contains(says), "{line}: {}", ran.stderr);
    }
    assert!(!shell.path("p.parquet").exists());
    shell.run("analyze h.parquet --by none --partial -o p.parquet");
    shell.run("analyze h.parquet --by address --partial -o q.parquet");
    shell.run("analyze h.parquet --by none --exclude burn --partial -o r.parquet");
    for (line, says) in
        [("merge p.parquet q.parquet", "other columns"), ("merge p.parquet r.parquet", "other options")]
    {
        let ran = shell.run(line);
        assert!(ran.status == Some(1) && ran.stderr.contains(says), "{line}: {}", ran.stderr);
    }
    assert_eq!(shell.run("merge p.parquet --metrics gini --format csv").status, Some(0));
}

#[test]
fn weeks_of_rewards_in_parts() {
    let Some(real) = real_data("weeks_of_rewards_in_parts") else { return };
    let folder = Folder::new();
    let by_week = |path: &Path| Options {
        by: By::Columns(vec!["chain".into(), "token".into()]),
        exclude: vec![Exclusion::Burn],
        ..options(path)
    };
    let path = real.join("lp/balancer_by_token.parquet");
    let whole = analyze(&by_week(&path));
    let rows = rows_of(&path);
    let paths: Vec<PathBuf> = (0..rows.num_rows())
        .step_by(200_000)
        .map(|start| {
            let own = columns_of(&rows.slice(start, 200_000.min(rows.num_rows() - start)));
            let columns: Vec<(&str, ArrayRef)> =
                own.iter().map(|(name, c)| (name.as_str(), c.clone())).collect();
            let rows = folder.write(&format!("rows-{start}.parquet"), &columns);
            written(&folder, &format!("part-{start}.parquet"), &part(&by_week(&rows)))
        })
        .collect();
    assert!(paths.len() > 2);
    let table = merged(&paths, &Options::default()).unwrap().results.table().unwrap();
    assert_eq!(without_backend(&table), without_backend(&whole.0));
}
