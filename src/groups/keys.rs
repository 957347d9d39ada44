//! The group of each row of a file, wherever its group columns come from.

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;

use super::chunk::Ids;
use super::codes::Numbering;
use super::registry::Registry;
use super::schema::{GroupSchema, projected};
use crate::error::{Error, Result};
use crate::input::file::InputFile;

/// Keys of a file by the numbers that its columns are given.
#[derive(Debug, Default)]
pub struct FileKeys {
    file: Option<usize>,
    numbering: Numbering,
    /// The registry's number of each key.
    registered: Vec<u32>,
}

impl FileKeys {
    /// Whether they are those of this file.
    pub fn is_of(&self, file: usize) -> bool {
        self.file == Some(file)
    }

    /// Turns to a file, by its index.
    pub fn begin(
        &mut self,
        schema: &GroupSchema,
        registry: &Registry,
        file: usize,
        input: &InputFile,
    ) -> Result<()> {
        if !self.is_of(file) {
            *self = Self { file: Some(file), ..Self::default() };
        }
        if schema.is_constant(file) && self.registered.is_empty() {
            // One group, also where there are no rows at all.
            let converter = schema.converter()?;
            let key = schema.rows(&converter, file, input, 1, |_| unreachable!("no column is read"))?;
            let key = if schema.fields.is_empty() { &[][..] } else { key.row(0).data() };
            self.registered = registry.numbers(std::iter::once(key));
        }
        Ok(())
    }

    /// The groups of a batch's rows, of the columns `roots` of the file that it began with.
    pub fn ids(
        &mut self,
        schema: &GroupSchema,
        registry: &Registry,
        input: &InputFile,
        batch: &RecordBatch,
        roots: &[usize],
    ) -> Result<Ids> {
        let file = self.file.expect("it began with a file");
        if schema.is_constant(file) {
            return Ok(Ids::All(self.registered[0]));
        }
        let columns: Vec<ArrayRef> =
            schema.columns(file).map(|column| projected(batch, roots, column)).collect();
        let (mut ids, firsts) = self.numbering.number(&columns)?;
        if !firsts.is_empty() {
            let firsts = UInt32Array::from(firsts);
            let first = |column| take(&projected(batch, roots, column), &firsts, None);
            let find = |column| first(column).map_err(Error::arrow("find a group's first row"));
            let converter = schema.converter()?;
            let rows = schema.rows(&converter, file, input, firsts.len(), find)?;
            self.registered.extend(registry.numbers(rows.iter().map(|row| row.data())));
        }
        ids.iter_mut().for_each(|id| *id = self.registered[*id as usize]);
        Ok(match ids.first() {
            Some(&first) if ids.iter().all(|&id| id == first) => Ids::All(first),
            _ => Ids::Each(ids),
        })
    }
}
