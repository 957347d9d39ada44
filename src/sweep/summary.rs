//! How far each metric of each group moves over the settings of a sweep.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array,
};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, UInt64Type};

use super::SETTINGS;
use crate::error::{Error, Result};
use crate::results::{Results, columns::FIXED};

/// The columns beside those of groups.
pub const COLUMNS: [&str; 7] = ["metric", "n_settings", "min", "max", "range", "min_at", "max_at"];

/// A row per group and metric, from the rows of so many settings a group: the least value, the largest, their
/// difference, and the first settings that have them. Settings in which the metric is not defined do not count.
pub fn summarize(results: &Results, settings: usize) -> Result<Results> {
    let schema = &results.schema;
    let (group_columns, first) =
        (results.group_columns - SETTINGS.len(), results.group_columns + FIXED.len());
    let metrics: Vec<usize> = (first..schema.fields().len())
        .filter(|&column| !matches!(schema.field(column).data_type(), DataType::List(_)))
        .collect();
    let mut fields: Vec<Field> =
        schema.fields()[..group_columns].iter().map(|field| field.as_ref().clone()).collect();
    let types = [
        DataType::Utf8,
        DataType::UInt64,
        DataType::Float64,
        DataType::Float64,
        DataType::Float64,
        DataType::Utf8,
        DataType::Utf8,
    ];
    fields.extend(COLUMNS.iter().zip(types).map(|(name, kind)| Field::new(*name, kind, true)));
    let provenance = schema.metadata().clone();
    let mut all = Results::new(&Schema::new(fields), group_columns, provenance, u64::MAX, None);
    let table = results.table()?;
    for start in (0..table.num_rows()).step_by(LOT * settings) {
        let rows = (LOT * settings).min(table.num_rows() - start);
        let lot = table.slice(start, rows);
        let groups: Vec<RecordBatch> =
            (0..rows / settings).map(|group| lot.slice(group * settings, settings)).collect();
        let of_groups: Vec<RecordBatch> = groups
            .iter()
            .map(|group| of_group(group, group_columns, &metrics, &all))
            .collect::<Result<_>>()?;
        let together = concat_batches(&all.schema, &of_groups);
        all.push(&together.map_err(Error::arrow("summarize the sweep"))?)?;
    }
    Ok(all)
}

/// Groups that are put together at a time.
const LOT: usize = 256;

/// The least and the largest value of a metric, and the rows that have them first.
#[derive(Default, Clone, Copy)]
struct Extent {
    n: u64,
    least: Option<(f64, usize)>,
    largest: Option<(f64, usize)>,
}

fn of_group(group: &RecordBatch, keys: usize, metrics: &[usize], all: &Results) -> Result<RecordBatch> {
    let extents: Vec<Extent> = metrics.iter().map(|&metric| extent(group.column(metric))).collect();
    let first = UInt64Array::from(vec![0; metrics.len()]);
    let key = |column: &ArrayRef| take(column, &first, None).map_err(Error::arrow("summarize the sweep"));
    let mut columns: Vec<ArrayRef> = group.columns()[..keys].iter().map(key).collect::<Result<_>>()?;
    let schema = group.schema();
    let names = metrics.iter().map(|&metric| schema.field(metric).name().as_str());
    let value = |of: fn(&Extent) -> Option<(f64, usize)>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(extents.iter().map(|extent| of(extent).map(|at| at.0))))
    };
    let range = |extent: &Extent| extent.largest.zip(extent.least).map(|(high, low)| high.0 - low.0);
    let place = |of: fn(&Extent) -> Option<(f64, usize)>| -> ArrayRef {
        let settings = extents.iter().map(|extent| of(extent).map(|at| setting(group, keys, at.1)));
        Arc::new(StringArray::from_iter(settings))
    };
    columns.extend([
        Arc::new(StringArray::from_iter_values(names)) as ArrayRef,
        Arc::new(UInt64Array::from_iter_values(extents.iter().map(|extent| extent.n))),
        value(|extent| extent.least),
        value(|extent| extent.largest),
        Arc::new(Float64Array::from_iter(extents.iter().map(range))),
        place(|extent| extent.least),
        place(|extent| extent.largest),
    ]);
    RecordBatch::try_new(all.schema.clone(), columns).map_err(Error::arrow("summarize the sweep"))
}

fn extent(column: &ArrayRef) -> Extent {
    let value = |row: usize| match column.data_type() {
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row) as f64,
        _ => column.as_primitive::<Float64Type>().value(row),
    };
    let mut extent = Extent::default();
    for row in (0..column.len()).filter(|&row| column.is_valid(row)) {
        let value = value(row);
        extent.n += 1;
        if extent.least.is_none_or(|(least, _)| value < least) {
            extent.least = Some((value, row));
        }
        if extent.largest.is_none_or(|(largest, _)| value > largest) {
            extent.largest = Some((value, row));
        }
    }
    extent
}

/// A setting in the words of the command line; nothing is said of what is as it is without asking.
fn setting(group: &RecordBatch, keys: usize, row: usize) -> String {
    let mut said = vec![];
    for (i, name) in SETTINGS.iter().enumerate() {
        let column = group.column(keys + i);
        let flag = name.replace('_', "-");
        match column.as_any().downcast_ref::<BooleanArray>() {
            Some(on) if on.value(row) => said.push(format!("--{flag} on")),
            Some(_) => {}
            None => {
                let value = column.as_string::<i32>().value(row);
                if !["none", "0", "all"].contains(&value) {
                    said.push(format!("--{flag} {value}"));
                }
            }
        }
    }
    if said.is_empty() { "no option".into() } else { said.join(" ") }
}
