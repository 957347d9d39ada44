//! Parquet: exact, documented, the same bytes for the same results.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::results::Results;

/// Writes the results with their provenance in the footer.
pub fn write(out: &mut (dyn Write + Send), results: &Results) -> Result<()> {
    // Beside the Arrow schema, where readers without Arrow find it; a map has no order, a file must have one.
    let mut provenance: Vec<KeyValue> = results
        .table
        .schema_ref()
        .metadata()
        .iter()
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
        .collect();
    provenance.sort_by(|a, b| a.key.cmp(&b.key));
    let properties = WriterProperties::builder()
        .set_created_by(concat!("concentra version ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(provenance))
        .build();
    // The footer's own entries suffice: the schema would repeat them.
    let schema = results.table.schema().as_ref().clone().with_metadata(Default::default());
    // `with_schema` would refuse a schema with less metadata.
    let columns = results.table.columns().to_vec();
    let table = RecordBatch::try_new(Arc::new(schema), columns).map_err(Error::arrow("write the result"))?;
    let write = || -> Result<(), ParquetError> {
        let mut writer = ArrowWriter::try_new(out, table.schema(), Some(properties))?;
        writer.write(&table)?;
        writer.close().map(drop)
    };
    write().map_err(failed)
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
