//! The command in a folder of its own, as a user runs it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::concat_batches;
use arrow::datatypes::UInt64Type;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_concentra");

/// Every format of results.
pub(crate) const FORMATS: [&str; 4] = ["table", "parquet", "csv", "json"];

/// Longer than any test's command may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Named columns of a file.
pub(crate) type Columns<'a> = Vec<(&'a str, ArrayRef)>;

/// A folder to work in, and one for temporary files.
pub(crate) struct Shell {
    folder: TempDir,
    temporary: TempDir,
}

/// What a command left.
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), temporary: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a Parquet file, its folders with it.
    pub(crate) fn parquet(&self, name: &str, columns: Columns<'_>) -> PathBuf {
        self.parquet_with(name, columns, WriterProperties::builder().build())
    }

    pub(crate) fn parquet_with(
        &self,
        name: &str,
        columns: Columns<'_>,
        properties: WriterProperties,
    ) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)));
        let batch = batch.unwrap();
        let file = File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        path
    }

    /// Any file.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// `h.parquet` with three rows, two of them of the owner `0xAA`, in different cases: 50, 30 and 20.
    pub(crate) fn with_holders() -> Self {
        let shell = Self::new();
        shell.parquet(
            "h.parquet",
            vec![("address", text(["0xaa", "0xbb", "0xAA"])), ("balance", numbers([50, 30, 20]))],
        );
        shell
    }

    /// `many.parquet` with so many groups that no pipe holds their results.
    pub(crate) fn with_many_groups() -> Self {
        let shell = Self::new();
        let names: Vec<String> = (0..4000).map(|i| format!("token-{}", i / 2)).collect();
        let amounts = (0..4000).map(|i| i % 97 + 1);
        let names = text(names.iter().map(String::as_str));
        shell.parquet("many.parquet", vec![("token", names), ("balance", numbers(amounts))]);
        shell
    }

    /// The program, in the folder, with nothing of the caller's environment that changes output.
    pub(crate) fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(PROGRAM);
        command.current_dir(self.folder.path()).env("TMPDIR", self.temporary.path());
        command.env("XDG_CACHE_HOME", self.temporary.path());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs the words of a line.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn run_words(&self, words: &[&str]) -> Ran {
        let mut command = self.command();
        command.args(words);
        finish(command, vec![])
    }

    /// Runs the words of a line with bytes on standard input.
    pub(crate) fn pipe(&self, input: Vec<u8>, line: &str) -> Ran {
        let mut command = self.command();
        command.args(line.split_whitespace());
        finish(command, input)
    }

    /// The one group of an analysis as JSON.
    pub(crate) fn group(&self, line: &str) -> Value {
        let mut rows = self.groups(line);
        assert_eq!(rows.len(), 1, "{line}: {rows:?}");
        rows.remove(0)
    }

    /// The groups of an analysis as JSON.
    pub(crate) fn groups(&self, line: &str) -> Vec<Value> {
        self.run(&format!("analyze --format json {line}")).json()
    }

    /// All files and folders below the folder, hidden ones too.
    pub(crate) fn everything(&self) -> Vec<String> {
        let mut names = Vec::new();
        list(self.folder.path(), self.folder.path(), &mut names);
        names.sort();
        names
    }

    pub(crate) fn temporary_folder(&self) -> PathBuf {
        self.temporary.path().to_owned()
    }

    /// What is left in the folder of temporary files.
    pub(crate) fn temporary(&self) -> Vec<String> {
        let mut names = Vec::new();
        list(self.temporary.path(), self.temporary.path(), &mut names);
        names
    }
}

pub(crate) fn finish(command: std::process::Command, input: Vec<u8>) -> Ran {
    let output = assert_cmd::Command::from_std(command).write_stdin(input).timeout(LIMIT).output().unwrap();
    Ran {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        bytes: output.stdout,
    }
}

fn list(folder: &Path, below: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        names.push(path.strip_prefix(below).unwrap().to_string_lossy().into_owned());
        if path.is_dir() {
            list(&path, below, names);
        }
    }
}

impl Ran {
    /// It ended well; what it said is for the caller to judge.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// It ended well and had nothing to say.
    #[track_caller]
    pub(crate) fn silent(self) -> Self {
        let ran = self.ok();
        assert_eq!(ran.stderr, "");
        ran
    }

    /// It failed with a status and an error that contains all of these, and wrote no data.
    #[track_caller]
    pub(crate) fn fails(self, status: i32, parts: &[&str]) -> Self {
        assert_eq!(self.status, Some(status), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "data beside an error");
        assert!(self.stderr.starts_with("error: "), "{}", self.stderr);
        self.says(parts)
    }

    /// All of these are on stderr.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "`{part}` is not in: {}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Its data as JSON objects.
    #[track_caller]
    pub(crate) fn json(self) -> Vec<Value> {
        let ran = self.ok();
        match serde_json::from_str(&ran.stdout) {
            Ok(Value::Array(rows)) => rows,
            other => panic!("no array of rows: {other:?} in {}", ran.stdout),
        }
    }
}

/// A text column.
pub(crate) fn text<'a>(cells: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(cells))
}

/// A column of unsigned integers.
pub(crate) fn numbers(cells: impl IntoIterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(cells))
}

/// A Parquet file's rows in one batch.
pub(crate) fn read(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().map(|batch| batch.unwrap()).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// A column of counts.
pub(crate) fn counts_of<'a>(batch: &'a RecordBatch, name: &str) -> &'a [u64] {
    batch.column_by_name(name).expect(name).as_primitive::<UInt64Type>().values()
}
