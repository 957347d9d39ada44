//! A table that is in memory already, read as if it were a file.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal256Array, RecordBatch, RecordBatchOptions, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Fields, Schema, SchemaRef, i256};
use arrow::error::ArrowError;

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
    /// Of batches of this schema. Text that is no UTF-8 is refused: whoever handed it over may not have looked.
    pub fn new(schema: &Schema, batches: Vec<RecordBatch>) -> Result<Self> {
        let refuse = |problem: String| Error::Schema { file: "the table".into(), problem };
        let told = schema.metadata().clone();
        let fields = schema.fields().iter().enumerate();
        let columns = |at: usize| batches.iter().map(move |batch| batch.column(at));
        let schema = fields.map(|(at, field)| {
            if is_text(field.data_type())
                && columns(at).any(|column| column.to_data().validate_full().is_err())
            {
                return Err(refuse(format!("column `{}` has text that is no UTF-8", field.name())));
            }
            let wide = matches!(field.data_type(), DataType::Decimal128(..)) && columns(at).any(is_beyond);
            Ok(plain(field, wide))
        });
        let schema = Arc::new(Schema::new_with_metadata(schema.collect::<Result<Vec<_>>>()?, told));
        let mut pieces = vec![];
        for batch in &batches {
            let columns = batch.columns().iter().zip(schema.fields());
            let columns = columns.map(|(column, field)| as_type(column, field.data_type()));
            let columns = columns.collect::<Result<Vec<_>, _>>().map_err(Error::arrow("read the table"))?;
            let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &rows);
            let batch = batch.map_err(Error::arrow("read the table"))?;
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

/// A column's type as files have it: dictionaries of numbers, and what is encoded by runs, become plain. Bytes that are
/// a type of their own (`arrow.opaque`) become a type that holds nothing, as they are no amount and no owner.
fn plain(field: &FieldRef, wide: bool) -> Field {
    let nullable = Field::new(field.name(), field.data_type().clone(), true);
    match field.data_type() {
        _ if field.metadata().get("ARROW:extension:name").is_some_and(|name| name == "arrow.opaque") => {
            nullable.with_data_type(DataType::Struct(Fields::empty()))
        }
        DataType::Decimal128(_, scale) if wide => nullable.with_data_type(DataType::Decimal256(39, *scale)),
        DataType::Dictionary(_, values) if !values.is_string() && !values.is_binary() => {
            nullable.with_data_type(values.as_ref().clone())
        }
        DataType::RunEndEncoded(_, values) => nullable.with_data_type(values.data_type().clone()),
        _ => nullable,
    }
}

fn is_text(of: &DataType) -> bool {
    match of {
        DataType::Dictionary(_, values) => is_text(values),
        of => of.is_string(),
    }
}

/// Whether some number has more digits than its type says: DuckDB's HUGEINT has 39.
fn is_beyond(column: &ArrayRef) -> bool {
    let Some(column) = column.as_primitive_opt::<Decimal128Type>() else { return false };
    column.iter().flatten().any(|number| number.unsigned_abs() >= 10u128.pow(38))
}

fn as_type(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    match (column.data_type(), to) {
        (own, to) if own == to => Ok(column.clone()),
        (_, DataType::Struct(_)) => Ok(Arc::new(StructArray::new_empty_fields(column.len(), None))),
        (DataType::Decimal128(..), DataType::Decimal256(precision, scale)) => {
            let wide =
                column.as_primitive::<Decimal128Type>().iter().map(|number| number.map(i256::from_i128));
            Ok(Arc::new(wide.collect::<Decimal256Array>().with_precision_and_scale(*precision, *scale)?))
        }
        _ => cast(column, to),
    }
}
