//! Parquet: exact, documented, the same bytes for the same results.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowLeafColumn, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::results::Results;

/// Writes the results with their provenance in the footer.
pub fn write(out: &mut (dyn Write + Send), results: &Results) -> Result<()> {
    // Beside the Arrow schema, where readers without Arrow find it; a map has no order, a file must have one.
    let mut provenance: Vec<KeyValue> = results
        .schema
        .metadata()
        .iter()
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
        .collect();
    provenance.sort_by(|a, b| a.key.cmp(&b.key));
    let properties = WriterProperties::builder()
        .set_created_by(concat!("concentra version ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(provenance));
    let of_column = |properties: WriterPropertiesBuilder, &name: &&'static str| {
        let column = ColumnPath::from(name);
        let properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_statistics_enabled(column.clone(), EnabledStatistics::None);
        match results.schema.field_with_name(name).map(Field::data_type) {
            // Hashes are as short as they can be, once their lengths lie elsewhere.
            Ok(DataType::Binary) => properties
                .set_column_encoding(column.clone(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
                .set_column_compression(column, Compression::UNCOMPRESSED),
            _ => properties,
        }
    };
    let properties = results.distinct().iter().fold(properties, of_column).build();
    // The footer's own entries suffice: the schema would repeat them.
    let schema = Arc::new(results.schema.as_ref().clone().with_metadata(Default::default()));
    let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties)).map_err(failed)?;
    let (mut file, columns) = writer.into_serialized_writer().map_err(failed)?;
    let side_by_side = rayon::current_num_threads();
    let mut first = 0;
    let mut encoded: Vec<Vec<ArrowColumnChunk>> = vec![];
    // What is encoded is written while the next is encoded.
    let mut write = |row_groups: Vec<Vec<RecordBatch>>| -> Result<(), ParquetError> {
        let encode = |(index, rows): (usize, Vec<RecordBatch>)| {
            let rows = concat_batches(&schema, &rows)?;
            encode(&rows, columns.create_column_writers(first + index)?)
        };
        let made = row_groups.len();
        let mut append = |encoded: Vec<Vec<ArrowColumnChunk>>| -> Result<(), ParquetError> {
            for chunks in encoded {
                let mut row_group = file.next_row_group()?;
                chunks.into_iter().try_for_each(|chunk| chunk.append_to_row_group(&mut row_group))?;
                row_group.close()?;
            }
            Ok(())
        };
        let last = std::mem::take(&mut encoded);
        let (next, appended) = rayon::join(
            || row_groups.into_par_iter().enumerate().map(encode).collect::<Result<_, _>>(),
            || append(last),
        );
        encoded = next?;
        first += made;
        appended
    };
    let row_group = rows_of(schema.fields().len());
    // Row groups of the same rows however many were finished at a time: the file tells nothing of that.
    let (mut whole, mut waiting, mut rows): (Vec<Vec<RecordBatch>>, Vec<RecordBatch>, usize) =
        (vec![], vec![], 0);
    for batch in results.batches() {
        let mut rest = RecordBatch::try_new(schema.clone(), batch?.columns().to_vec())
            .map_err(Error::arrow("write the result"))?;
        while rest.num_rows() > 0 {
            let own = rest.num_rows().min(row_group - rows);
            waiting.push(rest.slice(0, own));
            rest = rest.slice(own, rest.num_rows() - own);
            rows += own;
            if rows == row_group {
                whole.push(std::mem::take(&mut waiting));
                rows = 0;
            }
            if whole.len() == side_by_side {
                write(std::mem::take(&mut whole)).map_err(failed)?;
            }
        }
    }
    whole.extend((rows > 0).then_some(waiting));
    write(whole).map_err(failed)?;
    // What was encoded last.
    write(vec![]).map_err(failed)?;
    file.close().map(drop).map_err(failed)
}

/// Rows of a row group of so many columns: some 12 MB before they are encoded.
fn rows_of(columns: usize) -> usize {
    (1usize << ((1usize << 19) / columns.max(1)).max(1).ilog2()).clamp(1 << 13, 1 << 16)
}

/// Encodes and compresses the columns of a row group side by side.
fn encode(
    rows: &RecordBatch,
    writers: Vec<ArrowColumnWriter>,
) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
    let schema = rows.schema();
    let leaves: Vec<Vec<ArrowLeafColumn>> = schema
        .fields()
        .iter()
        .zip(rows.columns())
        .map(|(field, column)| compute_leaves(field, column))
        .collect::<Result<_, _>>()?;
    let leaves: Vec<ArrowLeafColumn> = leaves.into_iter().flatten().collect();
    let encode = |(leaf, mut writer): (ArrowLeafColumn, ArrowColumnWriter)| {
        writer.write(&leaf)?;
        writer.close()
    };
    leaves.into_par_iter().zip(writers).map(encode).collect()
}

fn failed(error: ParquetError) -> Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(cause) => Error::io("write", "the result", *cause),
            Err(cause) => Error::Arrow {
                action: "write the result",
                source: arrow::error::ArrowError::ExternalError(cause),
            },
        },
        other => Error::Arrow { action: "write the result", source: other.into() },
    }
}
