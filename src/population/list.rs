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
use crate::error::{Error, Result};
use crate::input::Source;
use crate::input::file::InputFile;

/// Names of the columns that hold owners.
pub const OWNER: [&str; 5] = ["address", "owner", "holder", "account", "name"];

/// The owners of a list.
pub fn read(path: &Path) -> Result<Vec<Owner>> {
    let Some(batches) = table(path)? else { return lines(path) };
    let mut owners = Vec::new();
    for batch in batches {
        let column = match column(&batch, &OWNER) {
            Some(column) => column,
            None if batch.num_columns() == 1 => batch.column(0).clone(),
            None => return Err(no_column(path, &OWNER, &batch)),
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
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(canonical(&lines.collect::<Vec<_>>()))
}

/// The batches of a Parquet or CSV file; none where it is neither by its name.
pub fn table(path: &Path) -> Result<Option<Vec<RecordBatch>>> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match &extension[..] {
        "parquet" | "parq" | "pq" => parquet(path).map(Some),
        "csv" => csv(path).map(Some),
        _ => Ok(None),
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
    let reader = ReaderBuilder::new(schema).with_format(format).build(open()?).map_err(failed)?;
    reader.map(|batch| batch.map_err(failed)).collect()
}

/// The first column with one of these names, whatever its case.
pub fn column(batch: &RecordBatch, names: &[&str]) -> Option<ArrayRef> {
    let named = |name: &&str| {
        batch.schema_ref().fields().iter().position(|field| field.name().eq_ignore_ascii_case(name))
    };
    names.iter().find_map(named).map(|column| batch.column(column).clone())
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

/// Whether each row says yes.
pub fn truths(path: &Path, column: &ArrayRef) -> Result<Vec<Option<bool>>> {
    if let Some(truths) = column.as_boolean_opt() {
        return Ok(truths.iter().collect());
    }
    let truth = |(row, text): (usize, Option<String>)| match text.as_deref().map(str::to_lowercase).as_deref()
    {
        None => Ok(None),
        Some("true" | "t" | "yes" | "1") => Ok(Some(true)),
        Some("false" | "f" | "no" | "0") => Ok(Some(false)),
        Some(other) => Err(Error::Schema {
            file: path.display().to_string(),
            problem: format!("row {}: `{other}` is neither true nor false", row + 1),
        }),
    };
    texts(column)?.into_iter().enumerate().map(truth).collect()
}
