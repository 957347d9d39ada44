//! Opening a Parquet file: its footer, and errors that say what is wrong with it.

use std::io;
use std::sync::{Arc, PoisonError};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::reader::Length;

use super::Source;
use super::guard::{damaged, guard};
use super::pages::{Pages, Refused};
use crate::columns::table::Table;
use crate::error::{Error, Result};

/// Rows of one record batch: large enough to amortise a batch, small enough to stay in cache.
const BATCH_ROWS: usize = 1 << 15;

/// An opened file: its footer is read, its pages are not.
#[derive(Debug, Clone)]
pub struct InputFile {
    /// What it is and where.
    pub source: Source,
    /// Its size in bytes; none where it is a table in memory.
    pub bytes: u64,
    contents: Contents,
    loaded: Option<Loaded>,
}

/// What is behind it.
#[derive(Debug, Clone)]
enum Contents {
    Parquet(ArrowReaderMetadata),
    Memory(Table),
}

/// What a footer tells of a column.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// No value is below the first of these or above the second; null where all are null, or nothing is told.
    pub bounds: ArrayRef,
    /// How many are null.
    pub nulls: u64,
}

/// Rows that stay in memory.
#[derive(Debug, Clone)]
struct Loaded {
    /// Their columns, ascending.
    roots: Vec<usize>,
    /// Of each row group.
    batches: Vec<Vec<RecordBatch>>,
}

impl InputFile {
    /// Reads the footer.
    pub fn open(source: Source) -> Result<Self> {
        if let Some(table) = &source.table {
            let contents = Contents::Memory(table.clone());
            return Ok(Self { source, bytes: 0, contents, loaded: None });
        }
        let (bytes, metadata) = guard(&source, || footer(&source))?;
        Ok(Self { source, bytes, contents: Contents::Parquet(metadata), loaded: None })
    }

    /// The Arrow schema of its columns.
    pub fn schema(&self) -> &SchemaRef {
        match &self.contents {
            Contents::Parquet(metadata) => metadata.schema(),
            Contents::Memory(table) => table.schema(),
        }
    }

    /// The number of rows by the footer.
    pub fn rows(&self) -> u64 {
        self.row_groups().map(|rows| rows as u64).fold(0, u64::saturating_add)
    }

    /// The rows of each row group, or piece of a table.
    pub fn row_groups(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        let (count, of): (usize, Box<dyn Fn(usize) -> usize + '_>) = match &self.contents {
            Contents::Parquet(metadata) => {
                let groups = metadata.metadata().row_groups();
                (groups.len(), Box::new(|at| usize::try_from(groups[at].num_rows()).unwrap_or(0)))
            }
            Contents::Memory(table) => (table.pieces().len(), Box::new(|at| table.pieces()[at].num_rows())),
        };
        (0..count).map(of)
    }

    /// What wrote it, as it says itself.
    pub fn written_by(&self) -> String {
        let Contents::Parquet(metadata) = &self.contents else { return "memory".into() };
        metadata.metadata().file_metadata().created_by().unwrap_or("an unnamed writer").to_owned()
    }

    /// Compressed bytes of some columns of a row group.
    pub fn column_bytes(&self, row_group: usize, roots: &[usize]) -> u64 {
        let metadata = match &self.contents {
            Contents::Parquet(metadata) => metadata.metadata(),
            Contents::Memory(table) => {
                let piece = &table.pieces()[row_group];
                return roots.iter().map(|&root| in_memory(piece, root)).sum();
            }
        };
        let descriptor = metadata.file_metadata().schema_descr();
        let group = metadata.row_group(row_group);
        let leaves = group.columns().iter().enumerate();
        let wanted = leaves.filter(|(leaf, _)| roots.contains(&descriptor.get_column_root_idx(*leaf)));
        wanted.map(|(_, column)| u64::try_from(column.compressed_size()).unwrap_or(0)).sum()
    }

    /// Uncompressed bytes of a column in all row groups.
    pub fn plain_bytes(&self, root: usize) -> u64 {
        let metadata = match &self.contents {
            Contents::Parquet(metadata) => metadata.metadata(),
            Contents::Memory(table) => {
                return table.pieces().iter().map(|piece| in_memory(piece, root)).sum();
            }
        };
        let descriptor = metadata.file_metadata().schema_descr();
        let leaves = metadata.row_groups().iter().flat_map(|group| group.columns().iter().enumerate());
        let own = leaves.filter(|(leaf, _)| descriptor.get_column_root_idx(*leaf) == root);
        own.map(|(_, column)| u64::try_from(column.uncompressed_size()).unwrap_or(0)).sum()
    }

    /// Reads some columns of text and bytes where their pages lie, which spares a copy of each value.
    pub fn view(&mut self, roots: &[usize]) -> Result<()> {
        let Contents::Parquet(metadata) = &mut self.contents else { return Ok(()) };
        let view = |(root, field): (usize, &FieldRef)| match field.data_type() {
            DataType::Binary if roots.contains(&root) => {
                Arc::new(field.as_ref().clone().with_data_type(DataType::BinaryView))
            }
            DataType::Utf8 if roots.contains(&root) => {
                Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
            }
            _ => field.clone(),
        };
        let schema = metadata.schema();
        let fields: Vec<FieldRef> = schema.fields().iter().enumerate().map(view).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        let options = ArrowReaderOptions::new().with_schema(schema);
        *metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options)
            .map_err(|e| damaged(&self.source, Some(Arc::new(e))))?;
        Ok(())
    }

    /// Keeps the batches of every row group, as they were read with these columns, for whoever reads them next.
    pub fn keep(&mut self, roots: Vec<usize>, batches: Vec<Vec<RecordBatch>>) {
        self.loaded = Some(Loaded { roots, batches });
    }

    /// The batches of one row group, only the columns `roots` (ascending) in them.
    pub fn read(
        &self,
        row_group: usize,
        roots: &[usize],
    ) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + '_>> {
        self.read_by(row_group, roots, BATCH_ROWS)
    }

    /// The same in batches of so many rows, unless they are loaded.
    pub fn read_by(
        &self,
        row_group: usize,
        roots: &[usize],
        rows: usize,
    ) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + '_>> {
        match (&self.loaded, &self.contents) {
            (None, Contents::Parquet(metadata)) => {
                Ok(Box::new(self.read_pages(metadata, row_group, roots, rows)?))
            }
            (None, Contents::Memory(table)) => {
                let piece = &table.pieces()[row_group];
                let starts = (0..piece.num_rows()).step_by(rows);
                let own = move |start: usize| {
                    let batch = piece.slice(start, rows.min(piece.num_rows() - start));
                    batch.project(roots).map_err(Error::arrow("read the table"))
                };
                Ok(Box::new(starts.map(own).collect::<Vec<_>>().into_iter()))
            }
            (Some(loaded), _) => {
                let at = |root| loaded.roots.binary_search(root).expect("what is read was loaded");
                let columns: Vec<usize> = roots.iter().map(at).collect();
                let own = move |batch: &RecordBatch| {
                    batch.project(&columns).map_err(Error::arrow("read what was loaded"))
                };
                Ok(Box::new(loaded.batches[row_group].iter().map(own)))
            }
        }
    }

    fn read_pages<'a>(
        &'a self,
        metadata: &'a ArrowReaderMetadata,
        row_group: usize,
        roots: &[usize],
        rows: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + 'a> {
        let pages =
            Pages::open(&self.source).map_err(|e| Error::io("open the file", &self.source.shown, e))?;
        let pages = pages.within(metadata.metadata().row_group(row_group));
        let refused = pages.refused();
        let refuse = |e| damaged(&self.source, Some(Arc::new(e)));
        let mask = ProjectionMask::roots(metadata.parquet_schema(), roots.iter().copied());
        let mut batches = guard(&self.source, || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(pages, metadata.clone())
                .with_projection(mask)
                .with_row_groups(vec![row_group])
                .with_batch_size(rows)
                .build()
                .map_err(refuse)
        })?;
        let mut left = self.row_groups().nth(row_group).unwrap_or(0);
        let mut next = move || {
            let batch = batches.next().transpose().map_err(|e| match taken(&refused) {
                Some(refused) => Error::io("read the file", &self.source.shown, refused),
                None => damaged(&self.source, Some(Arc::new(e))),
            })?;
            // The decoder takes what the pages have, however much more that is than the footer says.
            let rows = batch.as_ref().map_or(0, RecordBatch::num_rows);
            left = left.checked_sub(rows).ok_or_else(|| damaged(&self.source, None))?;
            Ok(batch)
        };
        Ok(std::iter::from_fn(move || guard(&self.source, &mut next).transpose()))
    }

    /// What the statistics of a column in a row group tell; none where there are none that can be relied upon.
    pub fn bounds(&self, row_group: usize, root: usize) -> Option<Bounds> {
        let Contents::Parquet(metadata) = &self.contents else { return None };
        let metadata = metadata.metadata();
        let group = metadata.row_group(row_group);
        let descriptor = metadata.file_metadata().schema_descr();
        let leaf = (0..group.columns().len()).find(|&leaf| descriptor.get_column_root_idx(leaf) == root)?;
        let statistics = group.column(leaf).statistics()?;
        let field = self.schema().field(root);
        // What old writers say of text and unsigned numbers is in the order of signed ones.
        let is_signed = matches!(group.column(leaf).column_type(), PhysicalType::INT32 | PhysicalType::INT64)
            && !field.data_type().is_unsigned_integer();
        // Floating-point statistics leave NaN out.
        if (!is_signed && statistics.is_min_max_deprecated()) || field.data_type().is_floating() {
            return None;
        }
        let of = StatisticsConverter::try_new(field.name(), self.schema(), descriptor).ok()?;
        let (least, most) = (of.row_group_mins([group]).ok()?, of.row_group_maxes([group]).ok()?);
        let bounds = concat(&[&least, &most]).ok()?;
        Some(Bounds { bounds, nulls: statistics.null_count_opt()? })
    }

    /// What the footer tells in pairs, the Arrow schema left out.
    pub fn told(&self) -> Vec<(String, String)> {
        let metadata = match &self.contents {
            Contents::Parquet(metadata) => metadata,
            Contents::Memory(table) => {
                let pairs = table.schema().metadata().iter();
                return pairs.map(|(key, value)| (key.clone(), value.clone())).collect();
            }
        };
        let footer = metadata.metadata().file_metadata().key_value_metadata();
        let pairs = footer.into_iter().flatten().filter(|entry| entry.key != "ARROW:schema");
        pairs.filter_map(|entry| Some((entry.key.clone(), entry.value.clone()?))).collect()
    }

    /// Whether concentra wrote it as a result; snapshots that it built are input as others are.
    pub fn is_result(&self) -> bool {
        let is_file = matches!(self.contents, Contents::Parquet(_));
        is_file && self.told().iter().any(|(key, _)| key == "concentra.schema_version")
    }
}

/// Bytes of a column of a batch.
fn in_memory(batch: &RecordBatch, root: usize) -> u64 {
    batch.column(root).to_data().get_slice_memory_size().unwrap_or(0) as u64
}

fn footer(source: &Source) -> Result<(u64, ArrowReaderMetadata)> {
    let file = Pages::open(source).map_err(|e| Error::io("open the file", &source.shown, e))?;
    let (bytes, refused) = (file.len(), file.refused());
    let refuse = |e| match taken(&refused) {
        Some(refused) => Error::io("read the file", &source.shown, refused),
        None => not_parquet(source, bytes, e),
    };
    let mut metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(refuse)?;
    let writer = metadata.metadata().file_metadata().created_by().unwrap_or_default();
    if let Some(schema) = readable(metadata.schema(), writer) {
        let options = ArrowReaderOptions::new().with_schema(schema);
        metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options).map_err(refuse)?;
    }
    Ok((bytes, metadata))
}

fn taken(refused: &Refused) -> Option<io::Error> {
    refused.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// The schema with dictionaries of numbers and of bytes of one length as plain columns, where it has any: the reader makes
/// dictionaries of text and of bytes of any length only.
fn readable(schema: &Schema, writer: &str) -> Option<SchemaRef> {
    let is_made = |values: &DataType| match values {
        // The reader's own writer writes these as bytes of any length, in a column that says otherwise.
        DataType::FixedSizeBinary(_) => writer.starts_with("parquet-rs"),
        other => other.is_string() || other.is_binary(),
    };
    let plain = |field: &FieldRef| match field.data_type() {
        DataType::Dictionary(_, values) if !is_made(values) => {
            Arc::new(field.as_ref().clone().with_data_type(values.as_ref().clone()))
        }
        _ => field.clone(),
    };
    let fields: Vec<FieldRef> = schema.fields().iter().map(plain).collect();
    let changed = fields.iter().zip(schema.fields()).any(|(a, b)| a != b);
    changed.then(|| Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())))
}

/// What a file is that has no readable footer.
fn not_parquet(source: &Source, bytes: u64, error: ParquetError) -> Error {
    let mut magic = [0; 4];
    let begins = source.begin(&mut magic);
    let problem = match &magic {
        _ if bytes == 0 => "the file is empty (0 bytes); write it again",
        b"PAR1" if bytes < 12 => "the file is cut short; fetch it again",
        b"PAR1" => "the footer cannot be read: the file is cut short or damaged; fetch it again",
        b"PARE" => "the footer is encrypted, which is not supported; write it without encryption",
        _ if begins.is_err() => "the file is too short to be Parquet",
        _ => "this is no Parquet file (it does not begin with PAR1); convert it first",
    };
    Error::Parquet { file: source.shown.clone(), problem: problem.into(), source: Some(Arc::new(error)) }
}
