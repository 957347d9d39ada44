//! The rows of a result as they are finished: in memory, and on disk where they are too many; or as they are made.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch, interleave_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::error::{Error, Result};
use crate::spill::{Block, Spill};

/// The result of an analysis: group columns first, then the columns of every result.
#[derive(Debug)]
pub struct Results {
    /// The columns, with their documentation and where the result comes from.
    pub schema: SchemaRef,
    /// How many group columns.
    pub group_columns: usize,
    lots: Vec<Lot>,
    /// Bytes that may still stay in memory.
    room: u64,
    spill: Spill,
    /// What makes the rows when they are read, where they are not kept.
    source: Option<Box<dyn Source>>,
    /// Whether the user wants to stop, where making rows takes its time.
    stop: Option<fn() -> bool>,
}

/// Makes rows when they are read: of what takes less memory than they do.
pub trait Source: std::fmt::Debug + Send + Sync {
    /// How many rows there are.
    fn rows(&self) -> usize;

    /// Columns whose values are nearly all different, of which a dictionary would be of no use.
    fn distinct(&self) -> &[&'static str] {
        &[]
    }

    /// All rows, in order, batch by batch.
    fn batches(&self) -> Box<dyn Iterator<Item = Result<RecordBatch>> + '_>;
}

/// Consecutive rows.
#[derive(Debug)]
struct Lot {
    rows: usize,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(RecordBatch),
    Disk(Block),
}

impl Results {
    /// Without rows yet. Those of so many bytes stay in memory.
    pub fn new(
        schema: &Schema,
        group_columns: usize,
        provenance: HashMap<String, String>,
        room: u64,
        folder: Option<&Path>,
    ) -> Self {
        let schema = Arc::new(schema.clone().with_metadata(provenance));
        Self {
            schema,
            group_columns,
            lots: vec![],
            room,
            spill: Spill::new(folder, 0),
            source: None,
            stop: None,
        }
    }

    /// One batch that is there already.
    pub fn of(table: RecordBatch, group_columns: usize) -> Self {
        let mut results = Self::new(table.schema_ref(), group_columns, HashMap::new(), u64::MAX, None);
        results.schema = table.schema();
        results.lots.push(Lot { rows: table.num_rows(), place: Place::Memory(table) });
        results
    }

    /// Of rows that are made when they are read.
    pub fn made(schema: SchemaRef, group_columns: usize, source: Box<dyn Source>) -> Self {
        let results = Self::new(&schema, group_columns, HashMap::new(), 0, None);
        Self { schema, source: Some(source), ..results }
    }

    /// The same, made no further once the user wants to stop.
    pub fn stopping(self, stop: fn() -> bool) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// Bytes that went to disk.
    pub fn spilled(&self) -> u64 {
        self.spill.bytes()
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        let made = self.source.as_ref().map_or(0, |source| source.rows());
        made + self.lots.iter().map(|lot| lot.rows).sum::<usize>()
    }

    /// Columns whose values are known to be nearly all different.
    pub fn distinct(&self) -> &[&'static str] {
        self.source.as_ref().map_or(&[], |source| source.distinct())
    }

    /// Appends rows.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let lot = self.lot(batch)?;
        self.lots.push(lot);
        Ok(())
    }

    /// Puts rows in the places of others; their numbers ascend.
    pub fn replace(&mut self, numbers: &[usize], rows: &RecordBatch) -> Result<()> {
        let rows = self.described(rows)?;
        let (mut start, mut next) = (0, 0);
        for at in 0..self.lots.len() {
            let end = start + self.lots[at].rows;
            let own = next + numbers[next..].partition_point(|&number| number < end);
            if own > next {
                let old = self.read(&self.lots[at])?;
                let mut indices: Vec<(usize, usize)> = (0..old.num_rows()).map(|row| (0, row)).collect();
                (next..own).for_each(|new| indices[numbers[new] - start] = (1, new));
                let mended = interleave_record_batch(&[&old, &rows], &indices);
                if let Place::Memory(old) = &self.lots[at].place {
                    self.room += old.get_array_memory_size() as u64;
                }
                self.lots[at] = self.lot(&mended.map_err(Error::arrow("settle the result"))?)?;
            }
            (start, next) = (end, own);
        }
        Ok(())
    }

    /// Leaves out the rows that are not to be kept.
    pub fn retain(&mut self, keep: &[bool]) -> Result<()> {
        let mut start = 0;
        for lot in std::mem::take(&mut self.lots) {
            let end = start + lot.rows;
            let kept = BooleanArray::from(keep[start..end].to_vec());
            let rows = filter_record_batch(&self.read(&lot)?, &kept);
            let rows = rows.map_err(Error::arrow("leave out rows"))?;
            let lot = self.lot(&rows)?;
            self.lots.push(lot);
            start = end;
        }
        Ok(())
    }

    /// All rows, as many at a time as they were finished.
    pub fn batches(&self) -> impl Iterator<Item = Result<RecordBatch>> + '_ {
        let stop = || self.stop.is_some_and(|stop| stop());
        let made = self.source.iter().flat_map(|source| source.batches());
        let made = made.map(move |batch| if stop() { Err(Error::Interrupted) } else { batch });
        made.chain(self.lots.iter().map(|lot| self.read(lot)))
    }

    /// All rows at once.
    pub fn table(&self) -> Result<RecordBatch> {
        let batches: Vec<RecordBatch> = self.batches().collect::<Result<_>>()?;
        concat_batches(&self.schema, &batches).map_err(Error::arrow("put the result together"))
    }

    fn described(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())
            .map_err(Error::arrow("build the result"))
    }

    fn lot(&mut self, batch: &RecordBatch) -> Result<Lot> {
        let rows = batch.num_rows();
        let bytes = batch.get_array_memory_size() as u64;
        if let Some(room) = self.room.checked_sub(bytes) {
            self.room = room;
            return Ok(Lot { rows, place: Place::Memory(self.described(batch)?) });
        }
        // The documentation of columns need not be written again and again.
        let field =
            |field: &Arc<arrow::datatypes::Field>| field.as_ref().clone().with_metadata(HashMap::new());
        let plain = Arc::new(Schema::new(self.schema.fields().iter().map(field).collect::<Vec<_>>()));
        let write = || -> Result<Vec<u8>, arrow::error::ArrowError> {
            let batch = RecordBatch::try_new(plain.clone(), batch.columns().to_vec())?;
            let mut writer = StreamWriter::try_new(Vec::new(), &plain)?;
            writer.write(&batch)?;
            writer.into_inner()
        };
        let bytes = write().map_err(Error::arrow("keep a part of the result"))?;
        Ok(Lot { rows, place: Place::Disk(self.spill.write(&[&bytes])?) })
    }

    fn read(&self, lot: &Lot) -> Result<RecordBatch> {
        match &lot.place {
            Place::Memory(batch) => Ok(batch.clone()),
            Place::Disk(block) => {
                let mut bytes = vec![0; block.bytes];
                self.spill.read(block, &mut bytes)?;
                let read = || StreamReader::try_new(&bytes[..], None)?.next().transpose();
                let batch = read().map_err(Error::arrow("read a part of the result"))?;
                self.described(&batch.unwrap_or_else(|| RecordBatch::new_empty(self.schema.clone())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray, ListArray, UInt64Array};
    use arrow::datatypes::{DataType, Field, Float64Type, UInt64Type};

    use super::*;

    fn rows(numbers: std::ops::Range<u64>, shift: u64) -> RecordBatch {
        let lists = numbers.clone().map(|i| (i % 3 > 0).then(|| vec![Some(i as f64); i as usize % 4]));
        let lists = ListArray::from_iter_primitive::<Float64Type, _, _>(lists);
        let numbers = UInt64Array::from_iter(numbers.map(|i| (i % 5 > 0).then_some(i + shift)));
        RecordBatch::try_from_iter_with_nullable([
            ("number", Arc::new(numbers) as _, true),
            ("list", Arc::new(lists) as _, true),
        ])
        .unwrap()
    }

    #[test]
    fn rows_are_the_same_in_memory_and_on_disk_and_can_be_replaced() {
        let number = Field::new("number", DataType::UInt64, true)
            .with_metadata(HashMap::from([("unit".into(), "rows".into())]));
        let schema = Schema::new(vec![number, rows(0..1, 0).schema().field(1).clone()]);
        let tables: Vec<RecordBatch> = [u64::MAX, 3000, 0]
            .into_iter()
            .map(|room| {
                let provenance = HashMap::from([("made".into(), "here".into())]);
                let mut results = Results::new(&schema, 1, provenance, room, None);
                for start in [0, 100, 100, 150] {
                    results.push(&rows(start..start + 50, 0)).unwrap();
                }
                let new: Vec<usize> = vec![1, 49, 50, 149, 199];
                results.replace(&new, &rows(1..6, 1000)).unwrap();
                assert_eq!((results.rows(), results.spill.bytes() > 0), (200, room < u64::MAX));
                results.table().unwrap()
            })
            .collect();
        assert!(tables.iter().all(|table| *table == tables[0]));
        let numbers = tables[0].column(0).as_primitive::<UInt64Type>();
        assert_eq!((numbers.value(1), numbers.value(2), numbers.value(49)), (1001, 2, 1002));
        assert_eq!((numbers.value(149), numbers.is_null(199)), (1004, true));
        assert_eq!(tables[0].schema().metadata()["made"], "here");
        assert_eq!(tables[0].schema().field(0).metadata()["unit"], "rows");
    }
}
