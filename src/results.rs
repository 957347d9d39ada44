//! One row per group: the result table, each column with its documentation.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Float64Builder, Int32Array, ListBuilder, RecordBatch, StringArray,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::groups::Counts;
use crate::metrics::{Doc, Kind, Metric, Value};
use crate::moments::Ask;
use crate::numbers::key::Key;
use crate::numbers::unit::Unit;
use crate::numbers::wide::U320;

pub mod cohorts;
pub mod columns;
mod lots;
pub mod profits;

pub use lots::{Results, Source};

/// The version of the result's schema: it changes when a column changes its name, type or meaning.
pub const SCHEMA_VERSION: &str = "1";

/// What is known of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where its rows went.
    pub counts: Counts,
    /// What excluded owners hold of all that it has.
    pub excluded_share: f64,
    /// The share that contracts had which were looked through.
    pub looked_through_share: f64,
    /// What holders hold that are cut off, of all that holders have.
    pub below_share: f64,
    /// What its integers are worth.
    pub unit: Unit,
    /// What its holders gave; `None` without holders.
    pub measured: Option<MeasuredRow>,
    /// What they earned, where that was asked for.
    pub profits: Option<Box<profits::Profits>>,
    /// Its cohorts, where those were asked for.
    pub split: Option<Box<cohorts::Split>>,
}

/// What the holders of a group gave.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredRow {
    /// `A`.
    pub total: U320,
    /// Whether every working amount equals its exact amount.
    pub exact: bool,
    /// The largest key.
    pub largest: Key,
    /// Twice the median.
    pub median_twice: U320,
    /// The backend that computed the row.
    pub backend: &'static str,
    /// Its device.
    pub adapter: Option<String>,
    /// Why another one did not.
    pub note: Option<String>,
    /// Of each metric.
    pub values: Vec<Value>,
}

/// The ranks that the median needs: the holders before the middle one or two.
pub fn median_asks() -> [Ask; 2] {
    [Ask::Below(Box::new(|n| (n - 1) / 2)), Ask::Below(Box::new(|n| n / 2))]
}

/// Refuses group columns that have the name of a result column.
pub fn refuse_clashes(group_fields: &[Field], metrics: &[Metric]) -> Result<()> {
    let result = |name: &str| {
        columns::FIXED.iter().any(|c| c.name == name)
            || metrics.iter().any(|m| m.name == name)
            || profits::COLUMNS.iter().chain(cohorts::COLUMNS).any(|c| c.name == name)
            || ["cohort", "share"].contains(&name)
    };
    match group_fields.iter().find(|field| result(field.name())) {
        None => Ok(()),
        Some(clash) => Err(Error::Usage(format!(
            "the group column `{}` has the name of a result column; rename it in the input or leave it out of --by",
            clash.name()
        ))),
    }
}

/// What an analysis looks at beside what holders hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// What they earned.
    pub rewards: bool,
    /// Their cohorts.
    pub cohorts: bool,
}

/// The columns of some rows.
pub fn batch(
    group_fields: &[Field],
    group_columns: Vec<ArrayRef>,
    rows: &[Row],
    metrics: &[Metric],
    decimals: u8,
    asked: Asked,
) -> Result<RecordBatch> {
    let mut fields: Vec<Field> = group_fields.to_vec();
    let mut arrays = group_columns;
    let mut add = |name: &str, doc: &Doc, array: ArrayRef| {
        fields.push(Field::new(name, array.data_type().clone(), true).with_metadata(metadata(doc)));
        arrays.push(array);
    };
    let fixed: Vec<ArrayRef> =
        columns::FIXED.par_iter().map(|column| (column.array)(rows, decimals)).collect();
    for (column, array) in columns::FIXED.iter().zip(fixed) {
        add(column.name, &column.doc, array);
    }
    let kinds: Vec<Kind> = metrics.iter().map(|metric| metric.kind).collect();
    let of_metrics: Vec<ArrayRef> =
        kinds.par_iter().enumerate().map(|(i, &kind)| metric_array(rows, i, kind)).collect();
    for (metric, array) in metrics.iter().zip(of_metrics) {
        add(&metric.name, metric.doc, array);
    }
    let profits = profits::COLUMNS.iter().filter(|_| asked.rewards);
    for column in profits.chain(cohorts::COLUMNS.iter().filter(|_| asked.cohorts)) {
        add(column.name, &column.doc, (column.array)(rows));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(Error::arrow("build the result"))
}

/// A column's documentation as field metadata.
fn metadata(doc: &Doc) -> HashMap<String, String> {
    [
        ("title", doc.title),
        ("formula", doc.formula),
        ("unit", doc.unit),
        ("range", doc.range),
        ("source", doc.source),
        ("reading", doc.reading),
        ("elsewhere", doc.elsewhere),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .collect()
}

fn metric_array(rows: &[Row], metric: usize, kind: Kind) -> ArrayRef {
    let values = rows.iter().map(|row| row.measured.as_ref().map(|m| &m.values[metric]));
    match kind {
        Kind::Number => Arc::new(Float64Array::from_iter(values.map(|value| match value {
            Some(Value::Number(x)) => *x,
            _ => None,
        }))),
        Kind::Count => Arc::new(UInt64Array::from_iter(values.map(|value| match value {
            Some(Value::Count(x)) => *x,
            _ => None,
        }))),
        Kind::List(_) => {
            let item = Arc::new(Field::new("element", DataType::Float64, false));
            let mut lists = ListBuilder::new(Float64Builder::new()).with_field(item);
            for value in values {
                match value {
                    Some(Value::List(Some(list))) => {
                        lists.values().append_slice(list);
                        lists.append(true);
                    }
                    _ => lists.append(false),
                }
            }
            Arc::new(lists.finish())
        }
    }
}

/// A column of counts.
pub(crate) fn counts(rows: &[Row], of: impl Fn(&Counts) -> u64) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| of(&row.counts))))
}

/// A column of doubles over groups with holders.
pub(crate) fn numbers(rows: &[Row], of: impl Fn(&Row, &MeasuredRow) -> Option<f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter(rows.iter().map(|row| of(row, row.measured.as_ref()?))))
}

/// A column of text.
pub(crate) fn texts(rows: &[Row], of: impl Fn(&Row) -> Option<String>) -> ArrayRef {
    Arc::new(StringArray::from_iter(rows.iter().map(of)))
}

/// A column of small integers over groups with holders.
pub(crate) fn integers(rows: &[Row], of: impl Fn(&Row) -> Option<i32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter(rows.iter().map(of)))
}

/// A column of truths over groups with holders.
pub(crate) fn truths(rows: &[Row], of: impl Fn(&Row) -> Option<bool>) -> ArrayRef {
    Arc::new(BooleanArray::from_iter(rows.iter().map(of)))
}
