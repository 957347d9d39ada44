//! One row group of one file: its amounts, its local groups, its owners.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use hashbrown::HashMap;

use super::Counts;
use super::codes::Numbering;
use super::schema::{GroupSchema, projected};
use crate::columns::{self, Amounts, Scales, Values, owner};
use crate::error::{Error, Place, Result};
use crate::input::file::InputFile;
use crate::input::roles::Roles;
use crate::numbers::unit::{Span, bits_of_double};
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
    tallies: Vec<Tally>,
    decimals: Decimals,
}

/// What every row changes: groups are met in any order, so it is small enough for many to stay in cache.
#[derive(Debug, Clone, Copy)]
struct Tally {
    /// Rows that have an amount.
    rows: u32,
    /// The lowest bit and the highest of doubles.
    bits: (i16, i16),
}

/// Decimals of exact amounts: nearly always the same in all rows, which then need not be asked one by one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Decimals {
    #[default]
    Unknown,
    Same(u8),
    ByRow,
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
        self.tallies.push(Tally { rows: 0, bits: (i16::MAX, i16::MIN) });
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
    chunk.groups.finish(owner.is_some());
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
        self.drop_unknown(part);
        let Part { ids, amounts, owners, .. } = part;
        // Among owners that will be merged, a zero is a row like any other.
        let keep_zeros = owners.is_some();
        match &amounts.values {
            Values::Short(values) => {
                self.tally_exact(ids, &amounts.scales, keep_zeros, |row| values[row] != 0);
            }
            Values::Narrow(values) => {
                self.tally_exact(ids, &amounts.scales, keep_zeros, |row| values[row] != 0);
            }
            Values::Wide(values) => {
                self.tally_exact(ids, &amounts.scales, keep_zeros, |row| !values[row].is_zero());
            }
            Values::Double(values) => self.tally(ids, keep_zeros, |tally, row| {
                let holds = values[row] > 0.0;
                if holds {
                    let (low, high) = bits_of_double(values[row]);
                    let (lowest, highest) = tally.bits;
                    tally.bits = (lowest.min(low as i16), highest.max(high as i16));
                }
                holds
            }),
        }
    }

    /// Drops rows without an amount and negative ones.
    fn drop_unknown(&mut self, part: &mut Part) {
        if let Some(nulls) = part.amounts.nulls.as_ref().filter(|nulls| nulls.null_count() > 0) {
            for (_, id) in part.ids.iter_mut().enumerate().filter(|(row, _)| nulls.is_null(*row)) {
                self.counts[*id as usize].null += 1;
                *id = DROPPED;
            }
        }
        for &row in &part.amounts.negative {
            let id = &mut part.ids[row as usize];
            self.counts[*id as usize].negative += 1;
            *id = DROPPED;
        }
    }

    /// Counts rows with an amount; `holds` says whether it is more than zero.
    fn tally(&mut self, ids: &mut [u32], keep_zeros: bool, holds: impl Fn(&mut Tally, usize) -> bool) {
        for (row, id) in ids.iter_mut().enumerate().filter(|(_, id)| **id != DROPPED) {
            let tally = &mut self.tallies[*id as usize];
            tally.rows += 1;
            if !holds(tally, row) {
                self.zeros[*id as usize] += 1;
                if !keep_zeros {
                    *id = DROPPED;
                }
            }
        }
    }

    /// The same of amounts with decimals.
    fn tally_exact(
        &mut self,
        ids: &mut [u32],
        scales: &Scales,
        keep_zeros: bool,
        holds: impl Fn(usize) -> bool,
    ) {
        match (self.decimals, scales) {
            (Decimals::Unknown, Scales::Same(scale)) => self.decimals = Decimals::Same(*scale),
            (Decimals::Same(known), Scales::Same(scale)) if known == *scale => {}
            _ => {
                self.spread_decimals();
                self.decimals = Decimals::ByRow;
                for (row, &id) in ids.iter().enumerate().filter(|&(row, &id)| id != DROPPED && holds(row)) {
                    self.spans[id as usize].merge(Span::of_decimals(scales.at(row)));
                }
            }
        }
        self.tally(ids, keep_zeros, |_, row| holds(row));
    }

    /// Tells every group that holds something the decimals of all rows so far.
    fn spread_decimals(&mut self) {
        if let Decimals::Same(scale) = self.decimals {
            for ((span, tally), zeros) in self.spans.iter_mut().zip(&self.tallies).zip(&self.zeros) {
                if u64::from(tally.rows) > *zeros {
                    span.merge(Span::of_decimals(scale));
                }
            }
        }
    }

    /// Counts and spans once all rows are counted.
    fn finish(&mut self, keep_zeros: bool) {
        self.spread_decimals();
        let groups = self.counts.iter_mut().zip(&mut self.spans).zip(&mut self.zeros).zip(&self.tallies);
        for (((counts, span), zeros), tally) in groups {
            let (low, high) = tally.bits;
            if low <= high {
                span.merge(Span { decimals: None, bits: Some((low.into(), high.into())) });
            }
            let rows = u64::from(tally.rows);
            counts.rows = rows + counts.null + counts.negative;
            counts.holders = rows;
            if !keep_zeros {
                counts.zero = std::mem::take(zeros);
                counts.holders -= counts.zero;
            }
        }
    }
}
