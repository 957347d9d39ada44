//! A log, batch by batch: its transfers before the last block that was asked for.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, UInt64Type};
use rayon::prelude::*;
use ruint::aliases::U256;

use super::Logs;
use super::fold::{LATE, Moves};
use super::names::{Name, OtherNames};
use crate::columns::owner;
use crate::columns::{self, Amounts, BadCell, Values};
use crate::error::{Error, Place, Result};
use crate::groups::keys::FileKeys;
use crate::groups::registry::Registry;
use crate::groups::schema::projected;
use crate::ingest::Context;
use crate::input::file::InputFile;
use crate::input::log::Log;
use crate::input::roles::KeySource;
use crate::numbers::unit::power_of_ten;
use crate::options::snapshot::Asked;
use crate::population::list;
use crate::record::{Stage, Task, Volume};

/// Rows of a batch: so few that what is made of them stays in a core's cache.
const BATCH_ROWS: usize = 1 << 12;

/// Reads a log.
pub(super) struct Reader<'a> {
    pub(super) logs: &'a Logs,
    pub(super) asked: &'a Asked,
    pub(super) registry: &'a Registry,
    /// Tokens that alone count, as they compare; all where there are none.
    pub(super) only: HashSet<Box<[u8]>>,
    /// Owners that are no addresses.
    pub(super) others: &'a OtherNames,
    pub(super) context: &'a Context<'a>,
}

/// Transfers of a batch, and what else it tells.
pub(super) struct Transfers {
    pub(super) moves: Moves,
    /// The first and the last block.
    pub(super) blocks: Option<(u64, u64)>,
    /// Tokens of those that were asked for.
    pub(super) found: HashSet<Box<[u8]>>,
}

/// Tokens as they compare.
pub(super) fn canonical(tokens: &[String]) -> HashSet<Box<[u8]>> {
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    list::canonical(&tokens).into_iter().collect()
}

impl Reader<'_> {
    /// Calls `take` with every batch, in parallel and in any order.
    pub(super) fn each(
        &self,
        what: &'static str,
        take: impl Fn(Transfers) -> Result<()> + Sync,
    ) -> Result<()> {
        self.context.progress.start(what, self.logs.files.iter().map(InputFile::rows).sum());
        let files = self.logs.files.iter().enumerate();
        let tasks: Vec<(usize, usize, u64, usize)> = files
            .flat_map(|(file, input)| {
                let mut first = 0;
                input.row_groups().enumerate().map(move |(row_group, rows)| {
                    let own = (file, row_group, first, rows);
                    first += rows as u64;
                    own
                })
            })
            .collect();
        tasks.par_iter().try_for_each(|&(file, row_group, first_row, rows)| {
            let input = &self.logs.files[file];
            let roots = self.roots(file);
            let bytes = input.column_bytes(row_group, &roots);
            let task = Task::of_file(&input.source.shown, Some(row_group));
            let read = || {
                let log = &self.logs.roles[file];
                if self.is_late(input, row_group, log) {
                    let blocks = Some((u64::MAX, u64::MAX));
                    return take(Transfers { moves: Moves::none(), blocks, found: HashSet::new() });
                }
                let mut keys = FileKeys::default();
                keys.begin(&self.logs.schema, self.registry, file, input)?;
                let mut first_row = first_row;
                for batch in input.read_by(row_group, &roots, BATCH_ROWS)? {
                    if (self.context.interrupted)() {
                        return Err(Error::Interrupted);
                    }
                    let batch = batch?;
                    take(self.transfers(input, log, &mut keys, &batch, &roots, first_row)?)?;
                    first_row += batch.num_rows() as u64;
                }
                Ok(())
            };
            self.context.recorder.time(Stage::Read, task, Volume::new(rows as u64, bytes, 0), read)?;
            self.context.progress.add(rows as u64);
            Ok(())
        })
    }

    /// The columns of a file that are read, ascending.
    fn roots(&self, file: usize) -> Vec<usize> {
        let log = &self.logs.roles[file];
        let own = [log.block, log.from, log.to, log.amount];
        let mut roots: Vec<usize> = self.logs.schema.columns(file).chain(own).collect();
        roots.sort_unstable();
        roots.dedup();
        roots
    }

    /// Whether the footer tells that no transfer of a row group is before the last block.
    fn is_late(&self, input: &InputFile, row_group: usize, log: &Log) -> bool {
        let least = || {
            let bounds = input.bounds(row_group, log.block)?.bounds;
            let numbers =
                cast(&bounds, &DataType::UInt64).ok().filter(|_| bounds.data_type().is_integer())?;
            let numbers = numbers.as_primitive::<UInt64Type>();
            numbers.is_valid(0).then(|| numbers.value(0))
        };
        self.asked.at.last().zip(least()).is_some_and(|(&last, least)| least >= last)
    }

    fn transfers(
        &self,
        input: &InputFile,
        log: &Log,
        keys: &mut FileKeys,
        batch: &RecordBatch,
        roots: &[usize],
        first_row: u64,
    ) -> Result<Transfers> {
        let bad = |column: usize, row: usize, problem: String, remedy: &str| Error::Cell {
            place: Place {
                file: input.source.shown.clone(),
                column: input.schema().field(column).name().clone(),
                row: first_row + row as u64 + 1,
            },
            problem,
            remedy: remedy.into(),
        };
        let blocks = blocks(&projected(batch, roots, log.block));
        let blocks = blocks.map_err(|row| {
            bad(
                log.block,
                row,
                "this is no block number".into(),
                "write it as a number, or leave the row out",
            )
        })?;
        let mut last = (0, self.asked.at.partition_point(|&at| at == 0));
        let mut epoch = |block: u64| {
            if block != last.0 {
                last = (block, self.asked.at.partition_point(|&at| at <= block));
            }
            if last.1 < self.asked.at.len() { last.1 as u32 } else { LATE }
        };
        let mut epochs: Vec<u32> = blocks.values().iter().map(|&block| epoch(block)).collect();
        let found = self.keep_only(input, log, batch, roots, &mut epochs)?;
        // What does not count is not looked at, whatever it is.
        let counting: Vec<u32> =
            (0..).zip(&epochs).filter(|(_, epoch)| **epoch != LATE).map(|(row, _)| row).collect();
        let all = counting.len() == epochs.len();
        let rows = UInt32Array::from(counting);
        let taken = (!all).then(|| take_record_batch(batch, &rows)).transpose();
        let taken = taken.map_err(Error::arrow("read transfers"))?;
        let batch = taken.as_ref().unwrap_or(batch);
        epochs.retain(|&epoch| epoch != LATE);
        let bad = |column: usize, row: usize, problem: String, remedy: &str| {
            bad(column, rows.value(row) as usize, problem, remedy)
        };
        let tokens = keys.ids(&self.logs.schema, self.registry, input, batch, roots)?;
        let side = |column: usize| -> Result<Vec<Name>> {
            let (mut names, mut missing, mut buffer) = (Vec::with_capacity(epochs.len()), None, vec![]);
            let each = |owner: Option<&[u8]>, is_text: bool| match (owner, owner.map(TryInto::try_into)) {
                // Nearly all; in a way of its own that keeps them out of memory until they are where they belong.
                (_, Some(Ok(address))) if !is_text => names.push(Name::of_address(address)),
                (Some(owner), _) => names.push(Name::of(owner, is_text, &mut buffer, self.others)),
                (None, _) => {
                    missing.get_or_insert(names.len());
                    names.push(Name::NOBODY);
                }
            };
            owner::each_cell(&projected(batch, roots, column), each)
                .map_err(Error::arrow("read a column of owners"))?;
            let remedy = "write the zero address where tokens are made or destroyed";
            missing.map_or(Ok(names), |row| Err(bad(column, row, "there is no owner".into(), remedy)))
        };
        let (from, to) = (side(log.from)?, side(log.to)?);
        let decoded = columns::decode(&projected(batch, roots, log.amount), false);
        let decoded = decoded.map_err(|BadCell { row, problem, .. }| {
            bad(log.amount, row, problem, "leave the row out, or write the amount that was transferred")
        })?;
        let missing = |row: usize| decoded.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        if let Some(row) = (0..epochs.len()).find(|&row| missing(row)) {
            let remedy = "write how much was transferred, or leave the row out";
            return Err(bad(log.amount, row, "there is no amount".into(), remedy));
        }
        let amounts = whole(decoded).map_err(|row| {
            let problem = "this is no whole number, and tokens are transferred in whole smallest units";
            bad(log.amount, row, problem.into(), "name the column of raw amounts with --amount")
        })?;
        let extent = |(first, last): (u64, u64), &block: &u64| (first.min(block), last.max(block));
        let blocks = blocks.values().first().map(|&one| blocks.values().iter().fold((one, one), extent));
        Ok(Transfers { moves: Moves { tokens, epochs, from, to, amounts }, blocks, found })
    }

    /// Turns to others than the tokens that were asked for a blind eye; which of those there are.
    fn keep_only(
        &self,
        input: &InputFile,
        log: &Log,
        batch: &RecordBatch,
        roots: &[usize],
        epochs: &mut [u32],
    ) -> Result<HashSet<Box<[u8]>>> {
        let mut found = HashSet::new();
        let Some(token) = log.keys.iter().find(|key| key.order.0 == 2).filter(|_| !self.only.is_empty())
        else {
            return Ok(found);
        };
        match token.source {
            KeySource::Column(column) => {
                let tokens = owner::decode(&projected(batch, roots, column));
                let tokens = tokens.map_err(Error::arrow("read the column of tokens"))?;
                for (epoch, token) in
                    epochs.iter_mut().zip(tokens.iter()).filter(|(epoch, _)| **epoch != LATE)
                {
                    match token.and_then(|token| self.only.get(token)) {
                        Some(token) if !found.contains(token) => drop(found.insert(token.clone())),
                        Some(_) => {}
                        None => *epoch = LATE,
                    }
                }
            }
            KeySource::Hive(folder) => {
                let own = input.source.hive[folder].1.iter().cloned().collect::<Vec<_>>();
                found = &canonical(&own) & &self.only;
                if found.is_empty() {
                    epochs.fill(LATE);
                }
            }
            KeySource::Stem => {}
        }
        Ok(found)
    }
}

impl Moves {
    fn none() -> Self {
        let (tokens, epochs) = (crate::groups::chunk::Ids::Each(vec![]), vec![]);
        Self { tokens, epochs, from: vec![], to: vec![], amounts: vec![] }
    }
}

/// Block numbers, or the row of what is none.
fn blocks(column: &ArrayRef) -> Result<UInt64Array, usize> {
    let numbers = cast(column, &DataType::UInt64).map_err(|_| 0usize)?;
    let numbers = numbers.as_primitive::<UInt64Type>().clone();
    match (0..numbers.len()).find(|&row| numbers.is_null(row)) {
        Some(row) => Err(row),
        None => Ok(numbers),
    }
}

/// Amounts as integers, or the row of what is none.
fn whole(amounts: Amounts) -> Result<Vec<U256>, usize> {
    let wide: Vec<U256> = match amounts.values {
        Values::Short(values) => values.into_iter().map(U256::from).collect(),
        Values::Narrow(values) => values.into_iter().map(U256::from).collect(),
        Values::Wide(values) => values,
        Values::Double(_) => unreachable!("columns of doubles are refused"),
    };
    if amounts.scales == columns::Scales::Same(0) {
        return Ok(wide);
    }
    let whole = |(row, amount): (usize, U256)| match amounts.scales.at(row) {
        0 => Ok(amount),
        _ if amount.is_zero() => Ok(amount),
        decimals => power_of_ten(decimals)
            .map(|power| amount.div_rem(power))
            .and_then(|(whole, rest)| rest.is_zero().then_some(whole))
            .ok_or(row),
    };
    wide.into_iter().enumerate().map(whole).collect()
}

/// What is known of a log once it is read.
#[derive(Default)]
pub(super) struct Facts {
    /// The first and the last block.
    blocks: Option<(u64, u64)>,
    /// Tokens of those that were asked for.
    found: HashSet<Box<[u8]>>,
}

impl Facts {
    /// Takes note of a batch.
    pub(super) fn take(&mut self, Transfers { blocks, found, .. }: &Transfers) {
        self.blocks = match (self.blocks, *blocks) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (own, other) => own.or(other),
        };
        self.found.extend(found.iter().cloned());
    }

    /// What the log gives reason to say.
    pub(super) fn warnings(&self, asked: &Asked) -> Vec<String> {
        let mut warnings = vec![];
        match self.blocks {
            None => warnings.push("the log has no transfers".into()),
            Some((first, last)) => {
                let early = asked.at.partition_point(|&at| at <= first);
                if early > 0 {
                    let block = asked.at[early - 1];
                    warnings
                        .push(format!("there are no transfers before block {block}: its snapshot is empty"));
                }
                let late = asked.at.partition_point(|&at| at <= last.saturating_add(1));
                if let Some(block) = asked.at.get(late) {
                    warnings.push(format!(
                        "the last transfer is in block {last}: that nothing happened until block {block} is taken for \
                         granted"
                    ));
                }
            }
        }
        let shown = |token: &&String| !canonical(std::slice::from_ref(*token)).is_subset(&self.found);
        warnings.extend(
            asked.only.iter().filter(shown).map(|token| format!("--only {token}: no transfers of it")),
        );
        warnings
    }
}
