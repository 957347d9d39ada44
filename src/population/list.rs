//! Files of labels and of owners: Parquet, CSV with a header, or a line for each owner.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};

use super::Owner;
use crate::columns::owner;
use crate::error::{Error, Place, Result};
use crate::input::Source;
use crate::input::file::InputFile;
use crate::input::roles::OWNER;

/// The owners of a list.
pub fn read(path: &Path) -> Result<Vec<Owner>> {
    let Some(batches) = table(path)? else { return lines(path) };
    let names: Vec<&str> = OWNER.iter().copied().chain(["name"]).collect();
    let is_parquet = !extension(path).eq("csv");
    let mut owners = Vec::new();
    for batch in batches {
        let column = match column(&batch, &names) {
            Some((_, column)) => column,
            // The first line of a CSV might be an owner.
            None if batch.num_columns() == 1 && is_parquet => batch.column(0).clone(),
            None => return Err(no_column(path, &names, &batch)),
        };
        owners.extend(of_column(&column)?.into_iter().flatten());
    }
    Ok(owners)
}

/// Owners as they compare.
pub fn canonical(owners: &[&str]) -> Vec<Owner> {
    let text: ArrayRef = Arc::new(StringArray::from(owners.to_vec()));
    of_column(&text).unwrap_or_default().into_iter().flatten().collect()
}

/// The owners of a column, row by row.
pub fn of_column(column: &ArrayRef) -> Result<Vec<Option<Owner>>> {
    let owners = owner::decode(column).map_err(Error::arrow("read a list of owners"))?;
    Ok(owners.iter().map(|owner| owner.map(Into::into)).collect())
}

/// A line for each owner; what begins with `#` is a comment.
fn lines(path: &Path) -> Result<Vec<Owner>> {
    let text = fs::read_to_string(path)
        .map_err(|e| Error::io("read the list of owners (or give burn, contracts, label:NAME)", path, e))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut owners = Vec::new();
    for (row, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.contains([',', '\t', ';']) || line.contains(" #") {
            let shown: String = line.chars().take(60).collect();
            let problem = format!("row {}: `{shown}` is more than an owner; write an owner a line", row + 1);
            return Err(Error::Schema { file: path.display().to_string(), problem });
        }
        owners.push(line);
    }
    Ok(canonical(&owners))
}

/// The error of a cell of a list.
fn bad(path: &Path, column: &str, row: usize, problem: String, remedy: &str) -> Error {
    let place = Place { file: path.display().to_string(), column: column.to_owned(), row: row as u64 + 1 };
    Error::Cell { place, problem, remedy: remedy.into() }
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// The batches of a Parquet or CSV file, one at least; none where it is plain text by its name.
pub fn table(path: &Path) -> Result<Option<Vec<RecordBatch>>> {
    match &extension(path)[..] {
        "parquet" | "parq" | "pq" => parquet(path).map(Some),
        "csv" => csv(path).map(Some),
        "" | "txt" | "list" => Ok(None),
        other => Err(Error::Schema {
            file: path.display().to_string(),
            problem: format!("lists are read from .parquet, .csv or .txt, not from .{other}"),
        }),
    }
}

fn parquet(path: &Path) -> Result<Vec<RecordBatch>> {
    let file = InputFile::open(Source::named(path))?;
    let roots: Vec<usize> = (0..file.schema().fields().len()).collect();
    let mut batches = vec![];
    for row_group in 0..file.row_groups().len() {
        for batch in file.read(row_group, &roots)? {
            batches.push(batch?);
        }
    }
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(file.schema().clone()));
    }
    Ok(batches)
}

/// Every cell is text; an empty one is null.
fn csv(path: &Path) -> Result<Vec<RecordBatch>> {
    let failed = |source| match source {
        arrow::error::ArrowError::IoError(_, cause) => Error::io("read the list", path, cause),
        other => Error::Schema { file: path.display().to_string(), problem: format!("no CSV: {other}") },
    };
    let open = || File::open(path).map_err(|e| Error::io("read the list", path, e));
    let format = Format::default().with_header(true);
    let (found, _) = format.infer_schema(open()?, Some(0)).map_err(failed)?;
    let fields = found.fields().iter().map(|field| Field::new(field.name().trim(), DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let reader = ReaderBuilder::new(schema.clone()).with_format(format).build(open()?).map_err(failed)?;
    let mut batches = vec![RecordBatch::new_empty(schema.clone())];
    for batch in reader {
        let batch = batch.map_err(failed)?;
        let trimmed = batch.columns().iter().map(|column| {
            let cells = column.as_string::<i32>().iter().map(|cell| cell.map(str::trim));
            Arc::new(cells.collect::<StringArray>()) as ArrayRef
        });
        batches.push(RecordBatch::try_new(schema.clone(), trimmed.collect()).map_err(failed)?);
    }
    Ok(batches)
}

/// The first column with one of these names, whatever its case, and its name.
pub fn column(batch: &RecordBatch, names: &[&str]) -> Option<(String, ArrayRef)> {
    let named = |name: &&str| {
        batch.schema_ref().fields().iter().position(|field| field.name().eq_ignore_ascii_case(name))
    };
    let found = names.iter().find_map(named)?;
    Some((batch.schema_ref().field(found).name().clone(), batch.column(found).clone()))
}

/// The error of a file without such a column.
pub fn no_column(path: &Path, names: &[&str], batch: &RecordBatch) -> Error {
    let has: Vec<&str> = batch.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
    Error::Schema {
        file: path.display().to_string(),
        problem: format!("no column is called {}; it has {}", names.join(", "), has.join(", ")),
    }
}

/// The text of each row; empty text is none.
pub fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>> {
    let text = arrow::compute::cast(column, &DataType::LargeUtf8).map_err(Error::arrow("read labels"))?;
    let text = text.as_string::<i64>();
    Ok(text.iter().map(|cell| cell.map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)).collect())
}

/// Several texts of each row: a list, or text with `;`, `,` or `|` between them.
pub fn many(column: &ArrayRef) -> Result<Vec<Vec<String>>> {
    if let DataType::List(_) | DataType::LargeList(_) = column.data_type() {
        let text = DataType::List(Arc::new(Field::new("element", DataType::LargeUtf8, true)));
        let lists = arrow::compute::cast(column, &text).map_err(Error::arrow("read labels"))?;
        let lists = lists.as_list::<i32>();
        return lists
            .iter()
            .map(|list| Ok(list.map(|list| texts(&list)).transpose()?.unwrap_or_default()))
            .map(|texts: Result<Vec<Option<String>>>| Ok(texts?.into_iter().flatten().collect()))
            .collect();
    }
    let split = |text: String| -> Vec<String> {
        text.split([';', ',', '|']).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
    };
    Ok(texts(column)?.into_iter().map(|text| text.map(split).unwrap_or_default()).collect())
}

/// Whether each row says yes; so many rows of the file come before.
pub fn truths(path: &Path, name: &str, column: &ArrayRef, before: usize) -> Result<Vec<Option<bool>>> {
    if let Some(truths) = column.as_boolean_opt() {
        return Ok(truths.iter().collect());
    }
    let truth = |(row, text): (usize, Option<String>)| match text.as_deref().map(str::to_lowercase).as_deref()
    {
        None => Ok(None),
        Some("true" | "t" | "yes" | "1" | "1.0") => Ok(Some(true)),
        Some("false" | "f" | "no" | "0" | "0.0") => Ok(Some(false)),
        Some(other) => {
            let problem = format!("`{other}` is neither true nor false");
            Err(bad(path, name, before + row, problem, "write true or false, or nothing"))
        }
    };
    texts(column)?.into_iter().enumerate().map(truth).collect()
}
