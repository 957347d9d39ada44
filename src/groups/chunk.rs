//! One row group of one file: its amounts, its local groups, its owners.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use hashbrown::HashMap;

use super::Counts;
use super::codes::Numbering;
use super::schema::{GroupSchema, projected};
use crate::columns::{self, Amounts, Values, owner};
use crate::error::{Error, Place, Result};
use crate::input::file::InputFile;
use crate::input::roles::Roles;
use crate::numbers::unit::Span;
use crate::options::{Negatives, Options, Owners};

/// The local group of a row that is counted but holds nothing.
pub const DROPPED: u32 = u32::MAX;

/// What to read: one row group of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// The file's index.
    pub file: usize,
    /// The row group, none for a file without any.
    pub row_group: Option<usize>,
    /// The file's rows before it.
    pub first_row: u64,
}

/// The rows of one task.
#[derive(Debug)]
pub struct Chunk {
    /// The file's index.
    pub file: usize,
    /// The amount column's name.
    pub amount: String,
    /// The owner column's name, if owners were read.
    pub owner: String,
    /// Batch by batch.
    pub parts: Vec<Part>,
    /// The groups that occur in it.
    pub groups: LocalGroups,
}

/// One record batch.
#[derive(Debug)]
pub struct Part {
    /// The file's rows before it.
    pub first_row: u64,
    /// The local group of each row, or [`DROPPED`].
    pub ids: Vec<u32>,
    /// The amount of each row.
    pub amounts: Amounts,
    /// The owner of each row, where owners are compared.
    pub owners: Option<owner::Owners>,
}

/// The groups of one chunk in order of appearance.
#[derive(Debug, Default)]
pub struct LocalGroups {
    ids: HashMap<Box<[u8]>, u32>,
    order: Vec<Box<[u8]>>,
    /// Of each group; with owners compared, zeros still count as holders.
    pub counts: Vec<Counts>,
    /// Of each group.
    pub spans: Vec<Span>,
    /// Of each group, the zeros that count as holders.
    pub zeros: Vec<u64>,
}

impl LocalGroups {
    /// The row-encoded keys.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Box<[u8]>> {
        self.order.iter()
    }

    fn id(&mut self, key: &[u8]) -> u32 {
        if let Some(&id) = self.ids.get(key) {
            return id;
        }
        let id = self.order.len() as u32;
        self.ids.insert(key.into(), id);
        self.order.push(key.into());
        self.counts.push(Counts::default());
        self.spans.push(Span::default());
        self.zeros.push(0);
        id
    }
}

/// The columns that a file's task reads, ascending.
pub fn projection(schema: &GroupSchema, file: usize, roles: &Roles, options: &Options) -> Vec<usize> {
    let owner = roles.owner.filter(|_| options.owners != Owners::Trust);
    let mut roots: Vec<usize> = schema.columns(file).chain([roles.amount]).chain(owner).collect();
    roots.sort_unstable();
    roots.dedup();
    roots
}

/// Reads one task.
pub fn read(
    task: &Task,
    file: &InputFile,
    roles: &Roles,
    schema: &GroupSchema,
    options: &Options,
    interrupted: &dyn Fn() -> bool,
) -> Result<Chunk> {
    let field = |column: usize| file.schema().field(column).name().clone();
    let owner = roles.owner.filter(|_| options.owners != Owners::Trust);
    let mut chunk = Chunk {
        file: task.file,
        amount: field(roles.amount),
        owner: owner.map(field).unwrap_or_default(),
        parts: vec![],
        groups: LocalGroups::default(),
    };
    let roots = projection(schema, task.file, roles, options);
    let converter = schema.converter()?;
    let (mut numbering, mut local) = (Numbering::default(), Vec::new());
    let mut first_row = task.first_row;
    let constant = schema.is_constant(task.file);
    if constant {
        // One group, also where there are no rows at all.
        let key = schema.rows(&converter, task.file, file, 1, |_| unreachable!("no column is read"))?;
        chunk.groups.id(if schema.fields.is_empty() { &[] } else { key.row(0).data() });
    }
    let Some(row_group) = task.row_group else { return Ok(chunk) };
    for batch in file.read(row_group, &roots)? {
        if interrupted() {
            return Err(Error::Interrupted);
        }
        let batch = batch?;
        let rows = batch.num_rows();
        let ids = if constant {
            vec![0; rows]
        } else {
            let keys: Vec<ArrayRef> =
                schema.columns(task.file).map(|column| projected(&batch, &roots, column)).collect();
            let (mut ids, firsts) = numbering.number(&keys)?;
            let firsts = UInt32Array::from(firsts);
            let first = |column| take(&projected(&batch, &roots, column), &firsts, None);
            let find = |column| first(column).map_err(Error::arrow("find a group's first row"));
            let keys = schema.rows(&converter, task.file, file, firsts.len(), find)?;
            local.extend(keys.iter().map(|key| chunk.groups.id(key.as_ref())));
            ids.iter_mut().for_each(|id| *id = local[*id as usize]);
            ids
        };
        let amounts = decode(&projected(&batch, &roots, roles.amount), &chunk, file, first_row, options)?;
        let owners = owner.map(|column| owner::decode(&projected(&batch, &roots, column))).transpose();
        let owners = owners.map_err(Error::arrow("read the owner column"))?;
        let mut part = Part { first_row, ids, amounts, owners };
        chunk.groups.count(&mut part);
        chunk.parts.push(part);
        first_row += rows as u64;
    }
    Ok(chunk)
}

fn decode(
    column: &ArrayRef,
    chunk: &Chunk,
    file: &InputFile,
    first_row: u64,
    options: &Options,
) -> Result<Amounts> {
    columns::decode(column, options.negatives == Negatives::Drop).map_err(|bad| Error::Cell {
        place: Place {
            file: file.source.shown.clone(),
            column: chunk.amount.clone(),
            row: first_row + bad.row as u64 + 1,
        },
        problem: bad.problem,
        remedy: bad.remedy,
    })
}

impl LocalGroups {
    /// Counts a part's rows by what becomes of them, and drops those that hold nothing.
    fn count(&mut self, part: &mut Part) {
        let mut negative = part.amounts.negative.iter().peekable();
        let nulls = part.amounts.nulls.as_ref();
        // Among owners that will be merged, a zero is a row like any other.
        let keep_zeros = part.owners.is_some();
        for (row, id) in part.ids.iter_mut().enumerate() {
            let group = *id as usize;
            let counts = &mut self.counts[group];
            counts.rows += 1;
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                counts.null += 1;
                *id = DROPPED;
            } else if negative.next_if(|&&at| at as usize == row).is_some() {
                counts.negative += 1;
                *id = DROPPED;
            } else {
                let span = span(&part.amounts, row);
                if span.is_none() && !keep_zeros {
                    counts.zero += 1;
                    *id = DROPPED;
                } else {
                    counts.holders += 1;
                    self.zeros[group] += u64::from(span.is_none());
                }
                self.spans[group].merge(span.unwrap_or_default());
            }
        }
    }
}

/// What a row's amount asks of its group's unit; `None` for zero.
#[inline]
fn span(amounts: &Amounts, row: usize) -> Option<Span> {
    let zero = match &amounts.values {
        Values::Short(values) => values[row] == 0,
        Values::Narrow(values) => values[row] == 0,
        Values::Wide(values) => values[row].is_zero(),
        Values::Double(values) => return (values[row] > 0.0).then(|| Span::of_double(values[row])),
    };
    (!zero).then(|| Span::of_decimals(amounts.scales.at(row)))
}
