//! Keys of rows as numbers: a row is told apart by integers, and only the first row of each key is encoded.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use hashbrown::HashMap;

use crate::error::{Error, Result};

/// Numbers the distinct keys of a file, as far as one thread reads it, in order of appearance.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    columns: Vec<Numbered>,
}

/// One key column: with the columns before it.
#[derive(Debug, Default)]
struct Numbered {
    coder: Coder,
    /// By the number of the columns before, whether this one is null, and its code.
    numbers: HashMap<(u32, bool, u64), u32>,
    /// The numbers of small codes where the columns before are all alike: most inputs have one column that varies.
    direct: Vec<u32>,
    /// How many numbers are given.
    given: u32,
}

/// Codes below this may have their numbers in a plain table.
const SMALL: u64 = 1 << 18;

impl Numbered {
    /// The number of a key, and whether it is new.
    #[inline]
    fn number(&mut self, key: (u32, bool, u64)) -> (u32, bool) {
        let next = self.given;
        let known = match key {
            (0, false, code) if code < SMALL => {
                if self.direct.len() <= code as usize {
                    self.direct.resize(code as usize + 1, u32::MAX);
                }
                &mut self.direct[code as usize]
            }
            _ => self.numbers.entry(key).or_insert(u32::MAX),
        };
        let is_new = *known == u32::MAX;
        if is_new {
            *known = next;
            self.given += 1;
        }
        (*known, is_new)
    }
}

impl Numbering {
    /// The number of each row's key, and the rows that are the first of a new number, in its order. The same columns
    /// in every call.
    pub(super) fn number(&mut self, columns: &[ArrayRef]) -> Result<(Vec<u32>, Vec<u32>)> {
        let rows = columns.first().map_or(0, Array::len);
        self.columns.resize_with(columns.len(), Numbered::default);
        let mut ids = vec![0; rows];
        let mut firsts = Vec::new();
        for (numbered, column) in self.columns.iter_mut().zip(columns) {
            let codes = numbered.coder.codes(column)?;
            let nulls = column.logical_nulls();
            firsts.clear();
            // Neighbours are often of one key.
            let mut last = ((0, false, 0), None);
            for (row, (id, &code)) in ids.iter_mut().zip(&codes).enumerate() {
                let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                let key = (*id, is_null, if is_null { 0 } else { code });
                *id = match last {
                    (same, Some(id)) if same == key => id,
                    _ => {
                        let (id, is_new) = numbered.number(key);
                        if is_new {
                            firsts.push(row as u32);
                        }
                        last = (key, Some(id));
                        id
                    }
                };
            }
        }
        Ok((ids, firsts))
    }
}

/// Makes codes of one column: equal codes, equal values. Codes of nulls are arbitrary.
#[derive(Debug, Default)]
struct Coder {
    /// The values of the last dictionary, and their codes.
    dictionary: Option<(ArrayRef, Vec<u64>)>,
    converter: Option<RowConverter>,
    known: HashMap<Vec<u8>, u64>,
}

impl Coder {
    fn codes(&mut self, column: &ArrayRef) -> Result<Vec<u64>> {
        if let DataType::Dictionary(..) = column.data_type() {
            let column = column.as_any_dictionary();
            let codes = self.dictionary(column.values())?;
            return Ok(if codes.is_empty() {
                vec![0; column.len()]
            } else {
                column.normalized_keys().into_iter().map(|key| codes[key]).collect()
            });
        }
        let data = column.to_data();
        Ok(match column.data_type().primitive_width() {
            Some(1) => integers::<u8>(&data),
            Some(2) => integers::<u16>(&data),
            Some(4) => integers::<u32>(&data),
            Some(8) => integers::<u64>(&data),
            _ => self.bytes(column)?,
        })
    }

    /// The codes of a dictionary's values. Batches of one row group share it.
    fn dictionary(&mut self, values: &ArrayRef) -> Result<&[u64]> {
        let known = self.dictionary.take().filter(|(last, _)| last.to_data().ptr_eq(&values.to_data()));
        let known = match known {
            Some(known) => known,
            None => (values.clone(), self.bytes(values)?),
        };
        Ok(&self.dictionary.insert(known).1)
    }

    /// Codes of values that are no integers: by their bytes, those of text and binary as they are, others row-encoded.
    fn bytes(&mut self, values: &ArrayRef) -> Result<Vec<u64>> {
        if let Some(text) = values.as_string_opt::<i32>() {
            return Ok(self.known((0..text.len()).map(|i| text.value(i).as_bytes())));
        }
        if let Some(bytes) = values.as_binary_opt::<i32>() {
            return Ok(self.known((0..bytes.len()).map(|i| bytes.value(i))));
        }
        let failed = "compare group columns";
        let converter = match &mut self.converter {
            Some(converter) => converter,
            none => none.insert(
                RowConverter::new(vec![SortField::new(values.data_type().clone())])
                    .map_err(Error::arrow(failed))?,
            ),
        };
        let rows = converter.convert_columns(std::slice::from_ref(values)).map_err(Error::arrow(failed))?;
        Ok(self.known(rows.iter().map(|row| row.data())))
    }

    fn known<'v>(&mut self, values: impl ExactSizeIterator<Item = &'v [u8]>) -> Vec<u64> {
        // Few keys make up most rows of most batches.
        let mut recent: [Option<(&[u8], u64)>; RECENT] = [None; RECENT];
        let mut codes = Vec::with_capacity(values.len());
        for value in values {
            let recent = &mut recent[place(value)];
            codes.push(match *recent {
                Some((same, code)) if same == value => code,
                _ => {
                    let next = self.known.len() as u64;
                    let code = *self.known.entry_ref(value).or_insert(next);
                    *recent = Some((value, code));
                    code
                }
            });
        }
        codes
    }
}

/// Keys of a batch that are found without the table of all; a power of two.
const RECENT: usize = 64;

/// Where a key is looked for first: by its last bytes, which differ where numbers are written out.
#[inline]
fn place(value: &[u8]) -> usize {
    let word = value.last_chunk().map_or(value.len() as u64, |&last| u64::from_le_bytes(last));
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - RECENT.ilog2())) as usize
}

fn integers<T: arrow::datatypes::ArrowNativeType + Into<u64>>(data: &arrow::array::ArrayData) -> Vec<u64> {
    data.buffer::<T>(0)[..data.len()].iter().map(|&value| value.into()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Int64Array, StringArray, UInt32Array};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn dictionary(cells: &[Option<&str>]) -> ArrayRef {
        Arc::new(cells.iter().copied().collect::<DictionaryArray<Int32Type>>())
    }

    #[test]
    fn equal_keys_have_one_number_across_batches_and_dictionaries() {
        let mut numbering = Numbering::default();
        let text = [Some("b"), None, Some("a"), Some("b"), Some("b")];
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(1), None, Some(1), Some(-1)]));
        let (ids, firsts) = numbering.number(&[dictionary(&text), numbers.clone()]).unwrap();
        assert_eq!((&ids[..], &firsts[..]), (&[0, 1, 2, 0, 3][..], &[0, 1, 2, 4][..]));
        // Another dictionary, in another order, and slices that begin elsewhere.
        let again = [Some("x"), Some("a"), Some("b"), None, Some("b"), Some("a")];
        let numbers: ArrayRef =
            Arc::new(Int64Array::from(vec![Some(9), None, Some(1), Some(1), Some(-1), Some(5)]));
        let (ids, firsts) = numbering.number(&[dictionary(&again).slice(1, 5), numbers.slice(1, 5)]).unwrap();
        assert_eq!((&ids[..], &firsts[..]), (&[2, 0, 1, 3, 4][..], &[4][..]));
    }

    #[test]
    fn every_kind_of_column_tells_its_values_apart() {
        let integers: ArrayRef = Arc::new(UInt32Array::from(vec![Some(0), None, Some(7), Some(0), None]));
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some(""), None, Some("7"), Some(""), None]));
        let nothing: ArrayRef = dictionary(&[None, None]);
        for column in [integers, text] {
            let (ids, firsts) = Numbering::default().number(&[column]).unwrap();
            assert_eq!((&ids[..], &firsts[..]), (&[0, 1, 2, 0, 1][..], &[0, 1, 2][..]));
        }
        assert_eq!(Numbering::default().number(&[nothing]).unwrap(), (vec![0, 0], vec![0]));
    }
}
