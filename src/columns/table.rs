//! A table that is in memory already, read as if it were a file.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use crate::error::{Error, Result};

/// Rows of one piece of work, where batches are larger.
const PIECE: usize = 1 << 17;

/// Record batches of one schema. They are looked at where they are, and not copied.
#[derive(Debug, Clone)]
pub struct Table(Arc<Pieces>);

#[derive(Debug)]
struct Pieces {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

/// Only the same table is equal: nobody looks through all rows for that.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Table {}

impl Table {
    /// Of batches of this schema.
    pub fn new(schema: &Schema, batches: Vec<RecordBatch>) -> Result<Self> {
        let schema = Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>()));
        let mut pieces = vec![];
        for batch in batches {
            let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
                if column.data_type() == field.data_type() {
                    return Ok(column.clone());
                }
                cast(column, field.data_type())
            });
            let columns = columns.collect::<Result<_, _>>().map_err(Error::arrow("read the table"))?;
            let batch =
                RecordBatch::try_new(schema.clone(), columns).map_err(Error::arrow("read the table"))?;
            let starts = (0..batch.num_rows()).step_by(PIECE);
            pieces.extend(starts.map(|start| batch.slice(start, PIECE.min(batch.num_rows() - start))));
        }
        Ok(Self(Arc::new(Pieces { schema, batches: pieces })))
    }

    /// Its columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    /// Its rows, piece by piece.
    pub fn pieces(&self) -> &[RecordBatch] {
        &self.0.batches
    }
}

/// A column's type as files have it: dictionaries of numbers, and what is encoded by runs, become plain.
fn plain(field: &FieldRef) -> Field {
    let nullable = Field::new(field.name(), field.data_type().clone(), true);
    match field.data_type() {
        DataType::Dictionary(_, values) if !values.is_string() && !values.is_binary() => {
            nullable.with_data_type(values.as_ref().clone())
        }
        DataType::RunEndEncoded(_, values) => nullable.with_data_type(values.data_type().clone()),
        _ => nullable,
    }
}
