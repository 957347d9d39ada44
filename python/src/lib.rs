//! concentra for Python: runs a command on paths and Arrow tables, and hands what it finds on as Arrow streams.
//!
//! What users see is `concentra/__init__.py`; this is what cannot be written there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ffi::FFI_ArrowSchema;
use arrow::ffi_stream::{ArrowArrayStreamReader, FFI_ArrowArrayStream};
use arrow_pyarrow::FromPyArrow;
use concentra::columns::table::Table;
use concentra::error::Error;
use concentra::input::guard;
use concentra::output::{Output, table};
use concentra::progress::Progress;
use concentra::results::Results;
use concentra::session::{Found, execute};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};

mod html;

create_exception!(
    concentra,
    ConcentraError,
    PyException,
    "Something went wrong; the message says what and what to do."
);
create_exception!(
    concentra,
    UsageError,
    ConcentraError,
    "A request that contradicts itself or names something unknown."
);
create_exception!(concentra, InputError, ConcentraError, "An input that is not what it should be.");
create_exception!(
    concentra,
    DeviceError,
    ConcentraError,
    "A device that is not there or failed, or two that differ."
);
create_exception!(
    concentra,
    MemoryLimitError,
    ConcentraError,
    "Not even what must be in memory fits into it."
);

/// How often a running command looks for Ctrl-C, and tells how far it is.
const LOOK: Duration = Duration::from_millis(50);

/// A table of results.
#[pyclass(module = "concentra", frozen, name = "Table")]
struct PyTable {
    results: Arc<Results>,
    /// All its rows.
    batches: Vec<RecordBatch>,
}

impl PyTable {
    fn new(results: Results) -> Result<Self, Error> {
        let batches = results.batches().collect::<Result<_, _>>()?;
        Ok(Self { results: Arc::new(results), batches })
    }

    fn schema(&self) -> SchemaRef {
        self.results.schema.clone()
    }
}

#[pymethods]
impl PyTable {
    /// The table as a stream of Arrow batches, as the Arrow PyCapsule interface has it.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // Whoever wishes for other types casts them: the interface allows to give what there is.
        drop(requested_schema);
        let schema = self.schema();
        let batches =
            self.batches.iter().map(|batch| RecordBatch::try_new(schema.clone(), batch.columns().to_vec()));
        let batches: Vec<Result<RecordBatch, ArrowError>> = batches.collect();
        let reader: Box<dyn RecordBatchReader + Send> =
            Box::new(RecordBatchIterator::new(batches, schema.clone()));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), c"arrow_array_stream")
    }

    /// The columns as an Arrow schema.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.schema().as_ref())
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    fn __len__(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The names of the columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// What the table says of its making, as the footer of a Parquet file does.
    #[getter]
    fn metadata(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let entries = PyDict::new(py);
        for (key, value) in self.schema().metadata() {
            entries.set_item(key, value)?;
        }
        Ok(entries.unbind())
    }

    /// The first rows, as the command line shows them.
    fn _text(&self, rows: usize) -> PyResult<String> {
        let look = table::Look { color: false, chosen: false, width: None };
        let first = concat_batches(&self.schema(), &self.batches).map_err(Error::arrow("show the table"));
        let first = first.map(|all| all.slice(0, rows.min(all.num_rows()))).map_err(raise)?;
        table::render(&Results::of(first, self.results.group_columns), &look).map_err(raise)
    }

    /// The first rows as HTML.
    fn _html(&self, rows: usize) -> PyResult<String> {
        html::table(&self.schema(), &self.batches, rows)
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Writes a file, as the command line does.
    fn _write(&self, py: Python<'_>, path: std::path::PathBuf, overwrite: bool) -> PyResult<()> {
        let look = table::Look { color: false, chosen: true, width: None };
        let write = || Output::open(Some(&path), None, overwrite)?.write(&self.results, &look).map(drop);
        py.detach(write).map_err(raise)
    }
}

/// What a command found: tables by name, files, warnings and a note.
type Tuple = (Vec<(&'static str, PyTable)>, Vec<std::path::PathBuf>, Vec<String>, Option<String>);

/// Runs a command. `look` is called now and then with the stage, the rows that are done, and all.
#[pyfunction]
fn _run(
    py: Python<'_>,
    arguments: Vec<String>,
    tables: Vec<Bound<'_, PyAny>>,
    look: Option<Bound<'_, PyAny>>,
) -> PyResult<Tuple> {
    let streams =
        tables.iter().map(ArrowArrayStreamReader::from_pyarrow_bound).collect::<PyResult<Vec<_>>>()?;
    let stop = AtomicBool::new(false);
    let progress = Progress::hidden();
    let watch = progress.watch();
    let found = std::thread::scope(|scope| {
        let (done, waited) = channel();
        let waited = Mutex::new(waited);
        let (stop, progress) = (&stop, &progress);
        scope.spawn(move || {
            let interrupted = || stop.load(Ordering::Relaxed);
            let work = || -> Result<Tuple, Error> {
                let read = |stream| read(stream, &interrupted);
                let tables = streams.into_iter().map(read).collect::<Result<_, Error>>()?;
                let Found { tables, written, warnings, note } =
                    execute(&arguments, tables, &interrupted, progress)?;
                let table = |(name, results)| Ok((name, PyTable::new(results)?));
                let tables = tables.into_iter().map(table).collect::<Result<Vec<_>, Error>>()?;
                Ok((tables, written, warnings, note))
            };
            let found = catch_unwind(AssertUnwindSafe(work));
            let _ = done.send(found);
        });
        let mut wrong = None;
        loop {
            match py.detach(|| waited.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LOOK)) {
                Ok(found) => {
                    let defect = |_| ConcentraError::new_err("a defect of concentra: see standard error");
                    let found = found.map_err(defect).and_then(|found| found.map_err(raise));
                    return wrong.map_or(found, Err);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(ConcentraError::new_err("a defect of concentra: see standard error"));
                }
            }
            let (stage, rows, all) = watch.now();
            let told = look.as_ref().map_or(Ok(()), |look| look.call1((stage, rows, all)).map(drop));
            if let Err(error) = py.check_signals().and(told) {
                // The work ends soon; what made it end is told.
                wrong.get_or_insert(error);
                stop.store(true, Ordering::Relaxed);
            }
        }
    })?;
    Ok(found)
}

/// The table of a stream. Whoever makes it may need the interpreter.
fn read(stream: ArrowArrayStreamReader, interrupted: &dyn Fn() -> bool) -> Result<Table, Error> {
    let schema = stream.schema();
    let mut batches = vec![];
    for batch in stream {
        if interrupted() {
            return Err(Error::Interrupted);
        }
        let broken = |error: ArrowError| match error.to_string() {
            // A stream of Python's that was stopped says so in words alone.
            text if text.contains("KeyboardInterrupt") => Error::Interrupted,
            text => Error::Schema { file: "the table".into(), problem: format!("its stream broke: {text}") },
        };
        batches.push(batch.map_err(broken)?);
    }
    Table::new(&schema, batches)
}

/// The rows of partial results whose amounts a merger with these arguments needs.
#[pyfunction]
fn _wanted(py: Python<'_>, arguments: Vec<String>, tables: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<usize>> {
    let streams =
        tables.iter().map(ArrowArrayStreamReader::from_pyarrow_bound).collect::<PyResult<Vec<_>>>()?;
    py.detach(|| {
        let tables = streams.into_iter().map(|stream| read(stream, &|| false)).collect::<Result<_, Error>>();
        concentra::session::wanted(&arguments, tables?)
    })
    .map_err(raise)
}

/// The flags of a command.
#[pyfunction]
fn _flags(command: &str) -> Vec<String> {
    concentra::session::flags(command)
}

/// The devices of this machine, as JSON.
#[pyfunction]
fn _devices(py: Python<'_>) -> String {
    py.detach(|| {
        let calibration = concentra::choose::calibration::Calibration::load();
        concentra::devices::json(&concentra::devices::devices(), calibration.as_ref())
    })
}

/// The metrics, or one of them, as JSON.
#[pyfunction]
#[pyo3(signature = (name=None))]
fn _metrics(name: Option<&str>) -> PyResult<String> {
    let entries = match name {
        Some(name) => vec![concentra::glossary::entry(name).map_err(raise)?],
        None => concentra::glossary::entries(),
    };
    Ok(concentra::glossary::json(&entries))
}

/// The command line; the exit status.
#[pyfunction]
fn _main(py: Python<'_>, arguments: Vec<std::ffi::OsString>) -> u8 {
    py.detach(|| concentra::terminal::main(&arguments))
}

/// An error as Python has it: its causes in the message, and the file that is to blame.
fn raise(error: Error) -> PyErr {
    let text = concentra::error::chain(&error);
    let file = error.file();
    let raised = match &error {
        Error::Interrupted | Error::Stopped { source: None, .. } => PyKeyboardInterrupt::new_err(text),
        Error::Usage(_) | Error::Exists(_) => UsageError::new_err(text),
        Error::Parquet { .. }
        | Error::Cell { .. }
        | Error::Schema { .. }
        | Error::Group { .. }
        | Error::Io { .. } => InputError::new_err(text),
        Error::NoDevice(_) | Error::Device { .. } | Error::Unequal(_) => DeviceError::new_err(text),
        Error::Memory(_) => MemoryLimitError::new_err(text),
        _ => ConcentraError::new_err(text),
    };
    Python::attach(|py| {
        let _ = raised.value(py).setattr("file", file);
    });
    raised
}

#[pymodule]
fn _concentra(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    guard::keep_quiet();
    module.add_class::<PyTable>()?;
    for function in [
        wrap_pyfunction!(_run, module)?,
        wrap_pyfunction!(_wanted, module)?,
        wrap_pyfunction!(_flags, module)?,
        wrap_pyfunction!(_devices, module)?,
        wrap_pyfunction!(_metrics, module)?,
        wrap_pyfunction!(_main, module)?,
    ] {
        module.add_function(function)?;
    }
    for (name, class) in [
        ("ConcentraError", py.get_type::<ConcentraError>()),
        ("UsageError", py.get_type::<UsageError>()),
        ("InputError", py.get_type::<InputError>()),
        ("DeviceError", py.get_type::<DeviceError>()),
        ("MemoryLimitError", py.get_type::<MemoryLimitError>()),
    ] {
        module.add(name, class)?;
    }
    // Those that Python raises have one, too.
    py.get_type::<ConcentraError>().setattr("file", py.None())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("_NO_PATH", concentra::session::NO_PATH)
}
