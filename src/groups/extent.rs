//! Which keys a file can have rows of, as far as its path and its footer tell.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field};
use arrow::row::{RowConverter, SortField};

use super::schema::{GroupSchema, convert, plain};
use crate::error::{Error, Result};
use crate::input::Source;
use crate::input::file::InputFile;
use crate::input::roles::KeySource;

/// A range of values for each group column. Bounds may be too wide, never too narrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent(Vec<Side>);

/// The values of one group column, as bytes that compare in their order; null is below all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// Nothing is known of them.
    Any,
    /// There are none.
    Nothing,
    /// From the least to the greatest.
    Within(Box<[u8]>, Box<[u8]>),
}

impl Side {
    fn of(least: &[u8], most: &[u8]) -> Self {
        Self::Within(least.into(), most.into())
    }

    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, side) | (side, Self::Nothing) => side,
            (Self::Within(a, b), Self::Within(c, d)) => Self::Within(a.min(c), b.max(d)),
            _ => Self::Any,
        }
    }

    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => false,
            (Self::Within(a, b), Self::Within(c, d)) => a <= d && c <= b,
            _ => true,
        }
    }
}

impl Extent {
    /// Of a file's rows: the file of this number in the schema.
    pub fn of_file(schema: &GroupSchema, file: usize, input: &InputFile) -> Result<Self> {
        let side = |column: usize| {
            let field = &schema.fields[column];
            match schema.source_of(file, column) {
                None => exact(field, None),
                Some(KeySource::Stem) => exact(field, Some(&input.source.stem)),
                Some(KeySource::Hive(i)) => exact(field, input.source.hive[*i].1.as_deref()),
                Some(KeySource::Column(root)) => in_column(field, *root, input),
            }
        };
        (0..schema.fields.len()).map(side).collect::<Result<_>>().map(Self)
    }

    /// Of a file that was never opened, and is taken to be laid out like the others: what they all have from their
    /// paths, it has from its own.
    pub fn of_path(schema: &GroupSchema, files: &[InputFile], source: &Source) -> Result<Self> {
        let side = |column: usize| {
            let field = &schema.fields[column];
            let all = |is: &dyn Fn(usize, &KeySource) -> bool| {
                let of_file = |file| schema.source_of(file, column).is_some_and(|key| is(file, key));
                !files.is_empty() && (0..files.len()).all(of_file)
            };
            if all(&|_, key| *key == KeySource::Stem) {
                return exact(field, Some(&source.stem));
            }
            let named = source.hive.iter().find(|(name, _)| name.eq_ignore_ascii_case(field.name()));
            let folders = |file: usize, key: &KeySource| match key {
                KeySource::Hive(i) => files[file].source.hive[*i].0.eq_ignore_ascii_case(field.name()),
                _ => false,
            };
            match named {
                Some((_, value)) if all(&folders) => exact(field, value.as_deref()),
                _ => Ok(Side::Any),
            }
        };
        (0..schema.fields.len()).map(side).collect::<Result<_>>().map(Self)
    }

    /// Of these values of each column.
    pub fn new(sides: Vec<Side>) -> Self {
        Self(sides)
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.0.len()
    }

    /// The least and the greatest value of a column, where they are known.
    pub fn range(&self, column: usize) -> Option<(&[u8], &[u8])> {
        match &self.0[column] {
            Side::Within(least, most) => Some((least, most)),
            Side::Any | Side::Nothing => None,
        }
    }

    /// Whether both can have rows of one group.
    pub fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a.meets(b))
    }

    /// The same where nothing is known of some columns.
    pub fn forgetting(mut self, columns: &[usize]) -> Self {
        columns.iter().for_each(|&column| self.0[column] = Side::Any);
        self
    }

    /// Whether nothing is known.
    pub fn is_any(&self) -> bool {
        self.0.iter().all(|side| *side == Side::Any)
    }

    /// Whether a group is within, by its encoded value of each column.
    pub fn holds<'v>(&self, value: impl Fn(usize) -> &'v [u8]) -> bool {
        self.0.iter().enumerate().all(|(column, side)| match side {
            Side::Any => true,
            Side::Nothing => false,
            Side::Within(least, most) => **least <= *value(column) && *value(column) <= **most,
        })
    }

    /// Whether a value of each column is known, and not only a range.
    pub fn is_one(&self) -> bool {
        self.0.iter().all(|side| matches!(side, Side::Within(least, most) if least == most))
    }

    /// Which of these groups it can have rows of; `columns` are their keys.
    pub fn has(&self, columns: &[ArrayRef], groups: usize) -> Result<Vec<bool>> {
        let values = encoded(columns)?;
        Ok((0..groups).map(|group| self.holds(|column| &values[column][group])).collect())
    }
}

/// The keys of groups as an extent compares them: for each column, the value of each group.
pub fn encoded(columns: &[ArrayRef]) -> Result<Vec<Vec<Box<[u8]>>>> {
    let of = |column: &ArrayRef| encode(&Field::new("", column.data_type().clone(), true), column);
    columns.iter().map(of).collect()
}

/// Values of one column as bytes that compare in their order.
fn encode(field: &Field, column: &ArrayRef) -> Result<Vec<Box<[u8]>>> {
    let failed = "compare group columns";
    let converter = RowConverter::new(vec![SortField::new(field.data_type().clone())]);
    let column = convert(column, field.data_type())?;
    let rows = converter.map_err(Error::arrow(failed))?.convert_columns(&[column]);
    Ok(rows.map_err(Error::arrow(failed))?.iter().map(|row| row.data().into()).collect())
}

/// One value, in text; none where it is no value of the column.
fn exact(field: &Field, value: Option<&str>) -> Result<Side> {
    let column: ArrayRef = match value {
        Some(value) => {
            let text: ArrayRef = Arc::new(StringArray::from(vec![value]));
            let column = convert(&text, field.data_type())?;
            if convert(&column, &DataType::Utf8)?.to_data() != text.to_data() {
                return Ok(Side::Nothing);
            }
            column
        }
        None => new_null_array(field.data_type(), 1),
    };
    let value = &encode(field, &column)?[0];
    Ok(Side::of(value, value))
}

/// What the statistics of a file's column tell.
fn in_column(field: &Field, root: usize, input: &InputFile) -> Result<Side> {
    let null = &encode(field, &new_null_array(field.data_type(), 1))?[0];
    let mut all = Side::Nothing;
    for (row_group, rows) in input.row_groups().enumerate().filter(|(_, rows)| *rows > 0) {
        let Some(told) = input.bounds(row_group, root) else { return Ok(Side::Any) };
        // Numbers in text are in another order.
        let (from, to) = (plain(told.bounds.data_type()), field.data_type());
        let keeps_order = to != &DataType::Utf8
            || matches!(from, DataType::Utf8 | DataType::Binary | DataType::FixedSizeBinary(_));
        let Ok(bounds) = encode(field, &told.bounds) else { return Ok(Side::Any) };
        if told.nulls > 0 {
            all = all.join(Side::of(null, null));
        }
        if told.nulls == rows as u64 {
            continue;
        }
        if told.bounds.is_null(0) || told.bounds.is_null(1) || !(keeps_order || bounds[0] == bounds[1]) {
            return Ok(Side::Any);
        }
        if bounds[0] > bounds[1] {
            return Ok(Side::Any);
        }
        all = all.join(Side::of(&bounds[0], &bounds[1]));
    }
    Ok(all)
}
