//! CSV and JSON: exact, bytes as `0x` text, lists in CSV as JSON text.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};

use crate::error::{Error, Result};
use crate::groups::schema::convert;
use crate::results::Results;

/// Writes a header and a line per group.
pub fn csv(out: &mut (dyn Write + Send), results: &Results) -> Result<()> {
    let empty = RecordBatch::new_empty(results.schema.clone());
    for (index, batch) in std::iter::once(Ok(empty)).chain(results.batches()).enumerate() {
        let batch = plain(&batch?, true)?;
        // The writer turns a closed pipe or a full disk into text, so it does not write there itself.
        let mut text = Vec::new();
        let writer = arrow::csv::WriterBuilder::new().with_header(index == 0);
        writer.build(&mut text).write(&batch).map_err(failed)?;
        out.write_all(&text).map_err(|e| Error::io("write", "the result", e))?;
    }
    Ok(())
}

/// Writes one array with an object per group, a line each; absent values are `null`.
pub fn json(out: &mut (dyn Write + Send), results: &Results) -> Result<()> {
    objects(out, results, [b"[\n", b",\n", b"\n]\n", b"[]\n"])
}

/// Writes an object per group, a line each.
pub fn ndjson(out: &mut (dyn Write + Send), results: &Results) -> Result<()> {
    objects(out, results, [b"", b"\n", b"\n", b""])
}

/// Writes objects with what comes before, between and after them, or instead where there are none.
fn objects(
    out: &mut (dyn Write + Send),
    results: &Results,
    [open, between, close, none]: [&[u8]; 4],
) -> Result<()> {
    let failed_io = |e| Error::io("write", "the result", e);
    let mut before = open;
    for batch in results.batches() {
        let batch = plain(&batch?, false)?;
        for row in 0..batch.num_rows() {
            out.write_all(std::mem::replace(&mut before, between)).map_err(failed_io)?;
            let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
            let mut line = builder.build::<_, arrow::json::writer::LineDelimited>(Vec::new());
            line.write(&batch.slice(row, 1)).map_err(failed)?;
            line.finish().map_err(failed)?;
            out.write_all(line.into_inner().trim_ascii_end()).map_err(failed_io)?;
        }
    }
    out.write_all(if results.rows() == 0 { none } else { close }).map_err(failed_io)
}

/// Rows with every column in a type that text formats can show.
pub(super) fn plain(table: &RecordBatch, lists_as_text: bool) -> Result<RecordBatch> {
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (vec![], vec![]);
    for (field, column) in table.schema_ref().fields().iter().zip(table.columns()) {
        let column = match column.data_type() {
            DataType::List(_) if lists_as_text => Arc::new(lists(column)?) as ArrayRef,
            t @ (DataType::Binary | DataType::FixedSizeBinary(_)) if !t.is_nested() => {
                convert(column, &DataType::Utf8)?
            }
            t if t.is_temporal() => convert(column, &DataType::Utf8)?,
            _ => column.clone(),
        };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(failed)
}

/// Each list as a JSON array.
fn lists(column: &ArrayRef) -> Result<StringArray> {
    let text = column.as_list::<i32>().iter().map(|list| {
        let Some(list) = list else { return Ok(None) };
        let numbers: Vec<Option<f64>> = list.as_primitive::<Float64Type>().iter().collect();
        let text = serde_json::to_string(&numbers);
        text.map(Some).map_err(|e| failed(arrow::error::ArrowError::ExternalError(Box::new(e))))
    });
    text.collect()
}

fn failed(source: arrow::error::ArrowError) -> Error {
    match source {
        arrow::error::ArrowError::IoError(_, cause) => Error::io("write", "the result", cause),
        source => Error::Arrow { action: "write the result", source },
    }
}
