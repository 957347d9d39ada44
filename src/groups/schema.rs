//! The group columns of all files as one schema, and keys as bytes that compare in its order.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use arrow::row::{RowConverter, Rows, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, Result};
use crate::input::file::InputFile;
use crate::input::roles::{KeyColumn, KeySource, is_asset};

/// The group columns: the union over all files, null where a file has none.
#[derive(Debug, Clone)]
pub struct GroupSchema {
    /// Their names and types in the result.
    pub fields: Vec<Field>,
    /// For each file, where each column's values come from.
    sources: Vec<Vec<Option<KeySource>>>,
    /// Whether hexadecimal text is one whatever its case.
    lowers: bool,
}

impl GroupSchema {
    /// Unites the group columns of all files: by name, its case ignored; integers widened, otherwise text.
    pub fn unite(files: &[(&InputFile, &[KeyColumn])]) -> Self {
        let mut columns: Vec<((usize, usize), String)> = Vec::new();
        for key in files.iter().flat_map(|(_, keys)| *keys) {
            match columns.iter_mut().find(|(_, name)| name.eq_ignore_ascii_case(&key.name)) {
                // The spelling, like the order, must not depend on which file comes first.
                Some((order, name)) => {
                    *order = (*order).min(key.order);
                    name.clone_from(&name.as_str().min(&key.name).to_owned());
                }
                None => columns.push((key.order, key.name.clone())),
            }
        }
        columns.sort();
        let sources: Vec<Vec<Option<KeySource>>> = files
            .iter()
            .map(|(_, keys)| {
                let source = |name: &String| keys.iter().find(|key| key.name.eq_ignore_ascii_case(name));
                columns.iter().map(|(_, name)| source(name).map(|key| key.source.clone())).collect()
            })
            .collect();
        let fields = columns.iter().enumerate().map(|(i, (_, name))| {
            let hive = hive_type(files, &sources, i);
            let types = files.iter().zip(&sources).filter_map(|((file, _), sources)| {
                Some(match sources[i].as_ref()? {
                    KeySource::Column(column) => plain(file.schema().field(*column).data_type()),
                    KeySource::Hive(_) => hive.clone(),
                    KeySource::Stem => DataType::Utf8,
                })
            });
            let united = types.reduce(|a, b| widen(&a, &b)).unwrap_or(DataType::Utf8);
            Field::new(name, united, true)
        });
        Self { fields: fields.collect(), sources, lowers: false }
    }

    /// Of these columns, where there are no files to take them from.
    pub fn of(fields: Vec<Field>) -> Self {
        Self { fields, sources: vec![], lowers: false }
    }

    /// The same columns for some of the files, in this order.
    pub fn part(&self, files: &[usize]) -> Self {
        let sources = files.iter().map(|&file| self.sources[file].clone()).collect();
        Self { fields: self.fields.clone(), sources, lowers: self.lowers }
    }

    /// The same where addresses in text are one whatever their case: they are written in small letters.
    pub fn lowering(self) -> Self {
        Self { lowers: true, ..self }
    }

    /// Where a file's values of a group column come from; none where it has no such column.
    pub fn source_of(&self, file: usize, column: usize) -> Option<&KeySource> {
        self.sources[file][column].as_ref()
    }

    /// The file columns that the group columns of a file need.
    pub fn columns(&self, file: usize) -> impl Iterator<Item = usize> + '_ {
        self.sources[file].iter().filter_map(|source| match source {
            Some(KeySource::Column(column)) => Some(*column),
            _ => None,
        })
    }

    /// A new converter; the bytes it makes compare with every other's.
    pub fn converter(&self) -> Result<RowConverter> {
        let fields = self.fields.iter().map(|field| SortField::new(field.data_type().clone())).collect();
        RowConverter::new(fields).map_err(Error::arrow("compare group columns"))
    }

    /// The keys of a batch of one file; `find` gives the batch's column for a column of the file.
    pub fn rows(
        &self,
        converter: &RowConverter,
        file: usize,
        source: &InputFile,
        rows: usize,
        find: impl Fn(usize) -> Result<ArrayRef>,
    ) -> Result<Rows> {
        let columns = self.fields.iter().zip(&self.sources[file]).map(|(field, from)| {
            let text = |value: &str| Arc::new(StringArray::from(vec![value; rows])) as ArrayRef;
            let column = match from {
                Some(KeySource::Column(column)) => find(*column)?,
                Some(KeySource::Hive(i)) => match &source.source.hive[*i].1 {
                    Some(value) => text(value),
                    None => new_null_array(field.data_type(), rows),
                },
                Some(KeySource::Stem) => text(&source.source.stem),
                None => new_null_array(field.data_type(), rows),
            };
            let column = convert(&column, field.data_type())?;
            Ok(if self.lowers { lower(column) } else { column })
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        converter.convert_columns(&columns).map_err(Error::arrow("compare group columns"))
    }

    /// Whether all rows of a file are of one group, without reading any.
    pub fn is_constant(&self, file: usize) -> bool {
        self.columns(file).next().is_none()
    }

    /// Which group columns name the asset.
    pub fn assets(&self) -> Vec<usize> {
        let names = self.fields.iter().enumerate();
        names.filter(|(_, field)| is_asset(field.name())).map(|(column, _)| column).collect()
    }

    /// Keys back as columns.
    pub fn columns_of(&self, keys: &[Box<[u8]>]) -> Result<Vec<ArrayRef>> {
        if self.fields.is_empty() {
            return Ok(vec![]);
        }
        let converter = self.converter()?;
        let parser = converter.parser();
        let rows = keys.iter().map(|key| parser.parse(key));
        converter.convert_rows(rows).map_err(Error::arrow("write group columns"))
    }

    /// A key as messages name its group: `week=7, token=0x…`.
    pub fn show(&self, key: &[u8]) -> String {
        let Ok(columns) = self.columns_of(&[key.into()]) else { return "?".into() };
        let shown = self.fields.iter().zip(columns).filter_map(|(field, column)| {
            let text = convert(&column, &DataType::Utf8).ok().filter(|text| text.is_valid(0))?;
            Some(printable(&format!("{}={}", field.name(), text.as_string::<i32>().value(0))))
        });
        let shown: Vec<String> = shown.collect();
        if self.fields.is_empty() {
            return "of all rows".into();
        }
        if shown.is_empty() { "without a key".into() } else { shown.join(", ") }
    }
}

/// The type of a `key=value` column: integers where every value is one.
fn hive_type(
    files: &[(&InputFile, &[KeyColumn])],
    sources: &[Vec<Option<KeySource>>],
    column: usize,
) -> DataType {
    let mut values = files.iter().zip(sources).filter_map(|((file, _), sources)| match &sources[column] {
        Some(KeySource::Hive(i)) => file.source.hive[*i].1.as_deref(),
        _ => None,
    });
    // Leading zeros and signs are part of a name: 007 is no integer.
    let integer = |value: &str| value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
    if values.all(integer) { DataType::Int64 } else { DataType::Utf8 }
}

/// A column's type without its encoding.
pub(super) fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}

/// The type that holds both: the wider integer, otherwise text.
fn widen(a: &DataType, b: &DataType) -> DataType {
    use DataType::{Binary, Decimal128, FixedSizeBinary, Int16, Int32, Int64, UInt64, Utf8};
    if a == b {
        return a.clone();
    }
    match (a, b) {
        (Binary | FixedSizeBinary(_), Binary | FixedSizeBinary(_)) => Binary,
        (Decimal128(20, 0), other) | (other, Decimal128(20, 0)) if other.is_integer() => Decimal128(20, 0),
        (a, b) if a.is_integer() && b.is_integer() => {
            let width = |t: &DataType| t.primitive_width().unwrap_or(8);
            if a.is_signed_integer() == b.is_signed_integer() {
                return if width(a) >= width(b) { a.clone() } else { b.clone() };
            }
            let (signed, unsigned) = if a.is_signed_integer() { (a, b) } else { (b, a) };
            if unsigned == &UInt64 {
                return Decimal128(20, 0);
            }
            let least =
                [Int16, Int32, Int64].into_iter().find(|t| width(t) > width(unsigned)).unwrap_or(Int64);
            if width(signed) >= width(&least) { signed.clone() } else { least }
        }
        _ => Utf8,
    }
}

/// A column as another type; bytes become `0x` text.
pub fn convert(column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let failed = Error::arrow("convert a group column");
    if column.data_type() == to {
        return Ok(column.clone());
    }
    let bytes = matches!(plain(column.data_type()), DataType::Binary | DataType::FixedSizeBinary(_));
    if to != &DataType::Utf8 || !bytes {
        if to == &DataType::Utf8 && column.data_type().is_temporal() {
            return shown(column);
        }
        return cast(column, to).map_err(failed);
    }
    let binary = cast(column, &DataType::LargeBinary).map_err(failed)?;
    let binary = binary.as_binary::<i64>();
    let mut text = StringBuilder::with_capacity(binary.len(), binary.len() * 42);
    for cell in binary {
        text.append_option(cell.map(|bytes| {
            bytes.iter().fold("0x".to_owned(), |mut hex, byte| {
                hex.push_str(&format!("{byte:02x}"));
                hex
            })
        }));
    }
    Ok(Arc::new(text.finish()))
}

/// Hexadecimal text in small letters.
fn lower(column: ArrayRef) -> ArrayRef {
    let Some(text) = column.as_string_opt::<i32>() else { return column };
    let is_hex = |text: &str| {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let lower = |text: &str| if is_hex(text) { text.to_ascii_lowercase() } else { text.to_owned() };
    Arc::new(text.iter().map(|cell| cell.map(lower)).collect::<StringArray>())
}

/// Times as text; midnights as dates.
fn shown(column: &ArrayRef) -> Result<ArrayRef> {
    let failed = Error::arrow("write a time");
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options).map_err(failed)?;
    let mut text = StringBuilder::new();
    for row in 0..column.len() {
        let value = column.is_valid(row).then(|| formatter.value(row).to_string());
        text.append_option(value.map(midnight));
    }
    Ok(Arc::new(text.finish()))
}

/// A time that is a midnight is a date; that of a zone is one where the zone is UTC.
fn midnight(time: String) -> String {
    let date = time.strip_suffix("T00:00:00Z").or_else(|| time.strip_suffix("T00:00:00"));
    date.map(str::to_owned).unwrap_or(time)
}

/// Text without control characters, which would break lines or colour terminals.
pub fn printable(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars().fold(String::new(), |mut out, c| {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

/// The column of a projected batch that holds a column of the file.
pub fn projected(batch: &RecordBatch, roots: &[usize], column: usize) -> ArrayRef {
    let at = roots.binary_search(&column).expect("the projection holds every column that is read");
    batch.column(at).clone()
}
