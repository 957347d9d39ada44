//! Columns to files, files to results, results to values, and how far a value may be off.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, Float64Array, RecordBatch, StringArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type, UInt64Type};
use concentra::analyze::Analysis;
use concentra::ingest::Context;
use concentra::metrics::{Extras, Kind, catalog};
use concentra::moments::Fraction;
#[cfg(feature = "gpu")]
use concentra::options::Device;
use concentra::options::{By, Options};
use concentra::record::Recorder;
use concentra::{Error, Result};
use num_bigint::BigUint;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

/// The folder of real data, where the environment names one; a test without it says so.
pub(crate) fn real_data(test: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("CONCENTRA_REAL_DATA") else {
        // Past the capture of passing tests, in one piece.
        let said = format!("SKIPPED: {test}: set CONCENTRA_REAL_DATA\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
        return None;
    };
    let folder = PathBuf::from(folder);
    assert!(folder.join("GOLDEN.json").is_file(), "CONCENTRA_REAL_DATA: no GOLDEN.json in {folder:?}");
    Some(folder)
}

/// A temporary folder to write tables into.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes one table.
    pub(crate) fn write(&self, name: &str, columns: &[(&str, ArrayRef)]) -> PathBuf {
        self.write_row_groups(name, columns, usize::MAX)
    }

    /// Writes one table in row groups of at most so many rows.
    pub(crate) fn write_row_groups(&self, name: &str, columns: &[(&str, ArrayRef)], rows: usize) -> PathBuf {
        let path = self.path().join(name);
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.iter().map(|(name, c)| (*name, c.clone(), true)),
        )
        .unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows)).build();
        let file = File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        path
    }
}

pub(crate) fn u64s(values: &[u64]) -> ArrayRef {
    Arc::new(UInt64Array::from(values.to_vec()))
}

pub(crate) fn f64s(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

pub(crate) fn texts<S: ToString>(values: &[S]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values.iter().map(S::to_string)))
}

/// 32 bytes each, big-endian.
pub(crate) fn words(values: &[BigUint]) -> ArrayRef {
    Arc::new(FixedSizeBinaryArray::try_from_iter(values.iter().map(word)).unwrap())
}

pub(crate) fn word(value: &BigUint) -> [u8; 32] {
    let bytes = value.to_bytes_be();
    let mut word = [0; 32];
    word[32 - bytes.len()..].copy_from_slice(&bytes);
    word
}

/// The options that analyze one path and are otherwise the defaults.
pub(crate) fn options(path: &Path) -> Options {
    Options { paths: vec![path.to_str().unwrap().to_owned()], ..Options::default() }
}

/// The same for one distribution.
pub(crate) fn pooled(path: &Path) -> Options {
    Options { by: By::Nothing, ..options(path) }
}

/// What `--top 5,20 --threshold 0.66,3/4` asks for.
pub(crate) fn extras() -> Extras {
    let threshold = |ending: &str, a, b| (ending.to_owned(), Fraction::new(a, b));
    Extras { top: vec![5, 20], thresholds: vec![threshold("0_66", 66, 100), threshold("3_4", 3, 4)] }
}

pub(crate) fn try_analyze(options: &Options) -> Result<Analysis> {
    let recorder = Recorder::default();
    concentra::analyze::analyze(
        options,
        &Context {
            recorder: &recorder,
            interrupted: &|| false,
            progress: &concentra::progress::Progress::hidden(),
        },
    )
}

/// In a pool of so many threads.
pub(crate) fn analyze_in(threads: usize, options: &Options) -> Analysis {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| try_analyze(options)).unwrap()
}

#[track_caller]
pub(crate) fn analyze(options: &Options) -> Table {
    let table = |options: &Options| match try_analyze(options) {
        Ok(analysis) => Table(analysis.results.table().unwrap()),
        Err(error) => panic!("{error} ({:?})", std::error::Error::source(&error)),
    };
    let in_memory = table(options);
    // Every analysis gives the same bits where its rows do not fit into memory.
    let rows: u64 = (0..in_memory.rows()).filter_map(|row| in_memory.count("n_rows", row)).sum();
    let spill_beyond = Some((rows as usize / 5).max(3));
    assert_eq!(in_memory.0, table(&Options { spill_beyond, ..options.clone() }).0, "spilled to disk");
    in_memory
}

/// The same, and with the same bits on every adapter but the slow ones.
#[track_caller]
pub(crate) fn analyze_everywhere(options: &Options) -> Table {
    let expected = analyze(options);
    #[cfg(feature = "gpu")]
    for adapter in crate::devices::tested().iter().filter(|adapter| !crate::devices::is_slow(adapter)) {
        let device = Device::Named(adapter.name().to_owned());
        let found = analyze(&Options { device, require_gpu: true, ..options.clone() });
        expected.assert_same(&found, &["backend", "adapter", "backend_note"], adapter.name());
        for row in 0..found.rows() {
            // Rows that the shaders leave to the CPU say why.
            let on_device = found.text("adapter", row).as_deref() == Some(adapter.name());
            assert!(
                on_device
                    || found.text("backend_note", row).is_some()
                    || found.count("n_holders", row) == Some(0)
            );
        }
    }
    expected
}

/// The row that an error names.
#[track_caller]
pub(crate) fn row_of(result: Result<Analysis>) -> u64 {
    match result {
        Err(Error::Cell { place, .. }) => place.row,
        Err(other) => panic!("{other} names no row"),
        Ok(_) => panic!("an error was expected"),
    }
}

/// Result columns by name.
#[derive(Debug)]
pub(crate) struct Table(pub(crate) RecordBatch);

impl Table {
    pub(crate) fn rows(&self) -> usize {
        self.0.num_rows()
    }

    #[track_caller]
    fn column(&self, name: &str, row: usize) -> Option<&ArrayRef> {
        let column = self.0.column_by_name(name).unwrap_or_else(|| panic!("no result column {name}"));
        column.is_valid(row).then_some(column)
    }

    #[track_caller]
    pub(crate) fn number(&self, name: &str, row: usize) -> Option<f64> {
        Some(self.column(name, row)?.as_primitive::<Float64Type>().value(row))
    }

    #[track_caller]
    pub(crate) fn count(&self, name: &str, row: usize) -> Option<u64> {
        Some(self.column(name, row)?.as_primitive::<UInt64Type>().value(row))
    }

    #[track_caller]
    pub(crate) fn integer(&self, name: &str, row: usize) -> Option<i32> {
        Some(self.column(name, row)?.as_primitive::<Int32Type>().value(row))
    }

    #[track_caller]
    pub(crate) fn truth(&self, name: &str, row: usize) -> Option<bool> {
        Some(self.column(name, row)?.as_boolean().value(row))
    }

    #[track_caller]
    pub(crate) fn list(&self, name: &str, row: usize) -> Option<Vec<f64>> {
        let list = self.column(name, row)?.as_list::<i32>().value(row);
        Some(list.as_primitive::<Float64Type>().values().to_vec())
    }

    /// A column of any simple type, as text.
    #[track_caller]
    pub(crate) fn text(&self, name: &str, row: usize) -> Option<String> {
        let text = cast(self.column(name, row)?, &DataType::Utf8).unwrap();
        Some(text.as_string::<i32>().value(row).to_owned())
    }

    /// The row whose columns have these values.
    #[track_caller]
    pub(crate) fn find(&self, key: &[(&str, &str)]) -> usize {
        let is =
            |row: &usize| key.iter().all(|(name, value)| self.text(name, *row).as_deref() == Some(value));
        let rows: Vec<usize> = (0..self.rows()).filter(is).collect();
        assert_eq!(rows.len(), 1, "groups of {key:?}");
        rows[0]
    }

    /// Every count of rows adds up.
    #[track_caller]
    pub(crate) fn assert_rows_add_up(&self) {
        let parts = ["n_null", "n_excluded", "n_negative", "n_merged", "n_below", "n_zero", "n_holders"];
        for row in 0..self.rows() {
            let sum: u64 = parts.iter().map(|part| self.count(part, row).unwrap()).sum();
            assert_eq!(self.count("n_rows", row), Some(sum), "row {row}");
        }
    }

    /// The same columns with the same bits; `except` are not compared.
    #[track_caller]
    pub(crate) fn assert_same(&self, other: &Self, except: &[&str], what: &str) {
        let names = |t: &Self| -> Vec<String> {
            t.0.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
        };
        assert_eq!(names(self), names(other), "{what}");
        for (i, name) in names(self).iter().enumerate().filter(|(_, name)| !except.contains(&name.as_str())) {
            // Doubles in the data of arrays compare by their bits.
            let (a, b) = (self.0.column(i).to_data(), other.0.column(i).to_data());
            assert_eq!(a, b, "{what}: {name}");
        }
    }
}

/// A metric's value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Number(Option<f64>),
    Count(Option<u64>),
    List(Option<Vec<f64>>),
}

/// Every metric of a row of the result.
pub(crate) fn values(table: &Table, row: usize, extras: &Extras) -> Vec<(String, Value)> {
    let value = |name: &str, kind| match kind {
        Kind::Number => Value::Number(table.number(name, row)),
        Kind::Count => Value::Count(table.count(name, row)),
        Kind::List(_) => Value::List(table.list(name, row)),
    };
    catalog(extras).iter().map(|metric| (metric.name.clone(), value(&metric.name, metric.kind))).collect()
}

/// How far a metric may be off its exact value: the accuracy that the documentation of the metrics promises.
pub(crate) fn tolerance(metric: &str, expected: f64) -> f64 {
    match metric {
        "gini" | "hoover" | "hhi_normalized" => 1e-14,
        "shannon_entropy" | "entropy_normalized" | "min_entropy" | "theil_t" | "theil_l" | "atkinson_0_5"
        | "atkinson_1" => 1e-9,
        // Relative, itself in proportion to α: fixed-point logarithms have an absolute error.
        "hill_alpha" => 4e-9 * expected * expected,
        _ => 1e-14 * expected.abs(),
    }
}

/// Asserts that a value is what it should be, as near as promised; counts exactly.
#[track_caller]
pub(crate) fn assert_value(name: &str, actual: &Value, expected: &Value, what: &str) {
    let near = |a: f64, e: f64| {
        let (off, allowed) = ((a - e).abs(), tolerance(name, e));
        assert!(off <= allowed, "{what}: {name} is {a}, not {e}: off by {off:e}, allowed {allowed:e}");
    };
    match (actual, expected) {
        (Value::Number(Some(a)), Value::Number(Some(e))) => near(*a, *e),
        (Value::List(Some(a)), Value::List(Some(e))) => {
            assert_eq!(a.len(), e.len(), "{what}: {name}");
            a.iter().zip(e).for_each(|(&a, &e)| near(a, e));
        }
        _ => assert_eq!(actual, expected, "{what}: {name}"),
    }
}
