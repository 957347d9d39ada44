//! An analysis in many settings: how much figures depend on who is counted.
//!
//! Rows are read once. Populations, which differ in who is left out and who is one, are counted one by one; tails are
//! cut off a population by ranges of one sorted order, so that they cost searches and no sort.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{concat_batches, interleave_record_batch};
use arrow::datatypes::{DataType, Field};
use rayon::prelude::*;
use ruint::aliases::U256;

use crate::analyze::{Suspicious, nobody_looked_through, row};
use crate::choose::{Choice, choose};
use crate::engine::{Floor, Kept, Settling, Tails};
use crate::error::{Error, Result};
use crate::groups::cuts::{Cuts, cut_off, kept};
use crate::ingest::{Context, Hold, Ingest};
use crate::memory::{self, Memory};
use crate::metrics::{self, Metric};
use crate::moments::{Ask, Total};
use crate::numbers::key::Key;
use crate::numbers::tie;
use crate::numbers::wide::U320;
use crate::options::Options;
use crate::options::grid::{Grid, Tail, Who};
use crate::plan::{Plan, QUERIES};
use crate::population::{Population, Sources};
use crate::results::{self, Asked, Results, Row};

pub mod summary;

/// The columns that say which setting a row is of.
pub const SETTINGS: [&str; 6] =
    ["exclude", "entities", "look_through", "min_amount", "min_value", "top_holders"];

/// The outcome of a sweep.
pub struct Sweep {
    /// A row per group and setting: the group's columns, the setting's, and those of an analysis.
    pub results: Results,
    /// How many settings.
    pub settings: usize,
    /// What the user should know, in full sentences.
    pub warnings: Vec<String>,
    /// What computed and why, where devices were looked at.
    pub device: Option<String>,
}

impl Sweep {
    /// The results to be read, without the settings that are the same in all rows.
    pub fn varying(&self) -> Result<Results> {
        let table = self.results.table()?;
        let varies = |&column: &usize| {
            let values = table.column(column);
            let is_setting = SETTINGS.contains(&&table.schema_ref().field(column).name()[..]);
            !is_setting || (1..values.len()).any(|row| values.slice(row, 1) != values.slice(0, 1))
        };
        let kept: Vec<usize> = (0..table.num_columns()).filter(varies).collect();
        let keys = kept.iter().filter(|&&column| column < self.results.group_columns).count();
        let table = table.project(&kept).map_err(Error::arrow("show the result"))?;
        Ok(Results::of(table, keys))
    }
}

/// Analyzes the snapshots behind the grid's paths in each of its settings.
pub fn sweep(grid: &Grid, context: &Context<'_>) -> Result<Sweep> {
    let common = &grid.common;
    let metrics = metrics::select(metrics::catalog(&common.extras), &common.metrics)?;
    let widest = grid.widest()?;
    let sources = Sources::read(&widest)?;
    let population = Population::of(&sources, &widest)?;
    let mut ingest = Ingest::open_for(population, &widest, context)?;
    results::refuse_clashes(&ingest.schema.fields, &metrics)?;
    let taken =
        |name: &str| SETTINGS.contains(&name) || (grid.summarizes && summary::COLUMNS.contains(&name));
    if let Some(clash) = ingest.schema.fields.iter().find(|field| taken(field.name())) {
        return Err(Error::Usage(format!(
            "the group column `{}` has the name of a column of the sweep; rename it in the input or leave it out of --by",
            clash.name()
        )));
    }
    ingest.describe().iter().for_each(|line| tracing::info!("{line}"));
    if grid.populations.len() > 1 {
        ingest.load(&widest, context)?;
    }
    let median = results::median_asks();
    let asks: Vec<&Ask> = metrics.iter().flat_map(|m| &m.asks).chain(&median).collect();

    let (mut choice, mut failed): (Option<Choice>, Vec<String>) = (None, vec![]);
    let (mut tables, mut warnings, mut populations) = (vec![], vec![], vec![]);
    for who in &grid.populations {
        let options = grid.population(who)?;
        ingest.count_by(Population::of(&sources, &options)?, &options);
        let mut hold = ingest.hold(&options, context)?;
        fits(&ingest, &hold, grid, &metrics)?;
        if choice.is_none() {
            let scratch = std::mem::take(&mut hold.column.scratch);
            choice = Some(choose(&options.device, &hold.column.offsets, scratch)?);
        }
        let choice = choice.as_ref().expect("it was just made");
        let counter = Counter { ingest: &ingest, metrics: &metrics, asks: &asks, choice, grid, context };
        let (table, suspicions) = counter.count(who, &options, hold, &mut failed)?;
        tables.push(table);
        for warning in ingest.warnings(&options).into_iter().chain(suspicions) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        populations.push(said_of(who, &options, &ingest.population));
    }
    if let Some(first) = failed.first() {
        warnings.push(format!("{first}; {} batches were computed on the CPU instead", failed.len()));
    }

    ingest.population = Arc::default();
    let mut provenance = ingest.provenance(common);
    let sweep = serde_json::json!({ "axes": grid.axes(), "populations": populations });
    provenance.insert("concentra.sweep".into(), sweep.to_string());
    let keys = ingest.schema.fields.len() + SETTINGS.len();
    let mut all = Results::new(tables[0].schema_ref(), keys, provenance, u64::MAX, None);
    let tails = grid.tails.len();
    let parts: Vec<&RecordBatch> = tables.iter().collect();
    let groups = tables[0].num_rows() / tails;
    // Group by group, population by population, tail by tail.
    let of_group = |group: usize| {
        (0..parts.len())
            .flat_map(move |part| (group * tails..(group + 1) * tails).map(move |row| (part, row)))
    };
    let indices: Vec<(usize, usize)> = (0..groups).flat_map(of_group).collect();
    if let [only] = &parts[..] {
        all.push(only)?;
    }
    for lot in indices.chunks(LOT).filter(|_| parts.len() > 1) {
        let rows = interleave_record_batch(&parts, lot).map_err(Error::arrow("put the result together"))?;
        all.push(&rows)?;
    }
    let device = choice.filter(|choice| choice.looked);
    let device = device.map(|choice| format!("computed on {}: {}", choice.name(), choice.why));
    Ok(Sweep { results: all, settings: parts.len() * tails, warnings, device })
}

/// Refuses a result that is larger than the memory.
fn fits(ingest: &Ingest, hold: &Hold, grid: &Grid, metrics: &[Metric]) -> Result<()> {
    let settings = grid.populations.len() * grid.tails.len();
    let rows = hold.counted.groups.keys.len() as u64 * settings as u64;
    // Numbers of eight bytes mostly, twice while they are put in order.
    let columns = results::columns::FIXED.len() + metrics.len() + POINTS;
    let needed = rows.saturating_mul(16 * columns as u64);
    if needed > Memory::of(None).room(0) {
        return Err(Error::Memory(format!(
            "a result of {rows} rows takes about {}; ask for fewer settings or --metrics, or sweep {} in parts",
            memory::show(needed),
            ingest.files.first().map_or("the input", |file| &file.source.shown)
        )));
    }
    Ok(())
}

/// Points of the Lorenz curve, which is a column of lists.
const POINTS: usize = 101;

/// What provenance says of a population.
fn said_of(who: &Who, options: &Options, population: &Population) -> serde_json::Value {
    let mut said = serde_json::json!({
        "exclude": who.named(),
        "entities": who.entities,
        "look-through": who.look_through,
        "owners": format!("{:?}", options.owners).to_lowercase(),
    });
    for (name, value) in population.provenance() {
        // Beside what was asked for: whom that was.
        said[format!("{name}-known")] = value;
    }
    said
}

/// Rows that become columns at a time.
const LOT: usize = 1 << 13;

/// What every population is counted with.
struct Counter<'a> {
    ingest: &'a Ingest,
    metrics: &'a [Metric],
    asks: &'a [&'a Ask],
    choice: &'a Choice,
    grid: &'a Grid,
    context: &'a Context<'a>,
}

/// A tail's options, and the least amounts that count.
struct Cut {
    options: Options,
    least: Cuts,
}

impl Counter<'_> {
    /// The rows of one population: group by group, tail by tail; and what the user should know of them.
    fn count(
        &self,
        who: &Who,
        options: &Options,
        hold: Hold,
        failed: &mut Vec<String>,
    ) -> Result<(RecordBatch, Vec<String>)> {
        let Self { ingest, metrics, asks, choice, grid, context } = self;
        let Hold { counted, mut column, ranked } = hold;
        let groups = &counted.groups;
        let cut = |tail: &Tail| {
            let options = tail.options(options);
            Ok(Cut { least: Cuts::of(&options, groups, &ingest.schema)?, options })
        };
        let cuts: Vec<Cut> = grid.tails.iter().map(cut).collect::<Result<_>>()?;
        let all = 0..groups.keys.len();
        let queries = (QUERIES / cuts.len() as u64).max(1);
        let (offsets, totals) = (&column.offsets, &column.totals);
        let plan = Plan::of_parts(&[all], queries, offsets, metrics, asks, &choice.name(), &choice.why);
        context.progress.start("measuring", plan.keys as u64);
        let (mut batches, mut suspicious) = (vec![], Suspicious::default());
        for work in plan.works(&mut column.keys, offsets, totals) {
            if (context.interrupted)() {
                return Err(Error::Interrupted);
            }
            let (first, n, holders) = (work.first, work.totals.len(), work.keys.len() as u64);
            let floor = |group: usize, setting: usize| {
                let (group, n) = (first + group, groups.counts[first + group].holders);
                let Some(least) = cuts[setting].least.least(group as u32) else { return Floor::Rank(n) };
                let ranked = &ranked[group];
                if ranked.is_empty() {
                    return Floor::Key(least_key(least));
                }
                Floor::Rank(n - kept(cuts[setting].options.top_holders.as_ref(), ranked.at_least(least)))
            };
            let total = |group: usize, cut: u64, amount: U320| {
                let (group, n) = (first + group, groups.counts[first + group].holders);
                let ranked = &ranked[group];
                if ranked.is_empty() {
                    Total { amount, exact: true }
                } else {
                    ranked.largest(n - cut).total()
                }
            };
            let tails = Tails {
                settings: cuts.len(),
                floor: &floor,
                kept: &|setting, n| kept(cuts[setting].options.top_holders.as_ref(), n),
                total: &total,
            };
            let (kept, made) =
                choice.compute.measure_tails(work, asks, &tails, context.recorder, options.require_gpu)?;
            failed.extend(made.note.clone());
            let rows: Vec<Row> = kept
                .into_par_iter()
                .enumerate()
                .map(|(i, kept)| {
                    let (group, cut) = (first + i / cuts.len(), &cuts[i % cuts.len()]);
                    let ranked = &ranked[group];
                    let mut counts = groups.counts[group];
                    cut_off(&cut.options, &mut counts, kept.cut);
                    if !ranked.is_empty() {
                        counts.entities = ranked.largest(counts.holders).entities;
                    }
                    let Kept { total, mut measured, .. } = kept;
                    if measured.open {
                        let mut settling = Settling::new(&mut measured);
                        settling.take(&mut ranked.amounts(counts.holders));
                        settling.finish();
                    }
                    let below = totals[group].amount - total.amount;
                    row(groups, group, counts, &below, &total, &measured, metrics, &made)
                })
                .collect();
            let of_first: Vec<Row> = rows.iter().step_by(cuts.len()).cloned().collect();
            suspicious.add(first, &of_first);
            let keys: Vec<Box<[u8]>> = (first..first + n)
                .flat_map(|group| std::iter::repeat_n(groups.keys[group].clone(), cuts.len()))
                .collect();
            for (rows, keys) in rows.chunks(LOT).zip(keys.chunks(LOT)) {
                batches.push(self.batch(who, batches_rows(&batches), keys, rows)?);
            }
            context.progress.add(holders);
        }
        let schema = match batches.first() {
            Some(batch) => batch.schema(),
            None => self.batch(who, 0, &[], &[])?.schema(),
        };
        let table = concat_batches(&schema, &batches).map_err(Error::arrow("put the result together"))?;
        let mut suspicions = suspicious.warnings(groups, &ingest.schema);
        suspicions.extend(nobody_looked_through(options, groups));
        Ok((table, suspicions))
    }

    /// Rows as columns; the first of them is the population's row of this number.
    fn batch(&self, who: &Who, first: usize, keys: &[Box<[u8]>], rows: &[Row]) -> Result<RecordBatch> {
        let Self { ingest, metrics, grid, .. } = self;
        let tail = |row: usize| &grid.tails[(first + row) % grid.tails.len()];
        let n = rows.len();
        let texts = |of: &dyn Fn(usize) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values((0..n).map(of)))
        };
        let switch = |on: bool| -> ArrayRef { Arc::new(BooleanArray::from(vec![on; n])) };
        let settings: [ArrayRef; 6] = [
            texts(&|_| who.exclude.clone()),
            switch(who.entities),
            switch(who.look_through.is_some()),
            texts(&|row| tail(row).min_amount.clone()),
            texts(&|row| tail(row).min_value.clone()),
            texts(&|row| tail(row).top_holders.clone()),
        ];
        let mut fields = ingest.schema.fields.clone();
        let mut columns = ingest.schema.columns_of(keys)?;
        for (name, column) in SETTINGS.iter().zip(settings) {
            let kind =
                if *column.data_type() == DataType::Boolean { DataType::Boolean } else { DataType::Utf8 };
            let reading = HashMap::from([("reading".to_owned(), "The setting of this row.".to_owned())]);
            fields.push(Field::new(*name, kind, false).with_metadata(reading));
            columns.push(column);
        }
        results::batch(&fields, columns, rows, metrics, grid.common.decimals, Asked::default())
    }
}

fn batches_rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// The least key whose amount is no less; none is above 2^256.
fn least_key(least: U256) -> Key {
    tie::at_least(&U320::from(least)).map_or(Key::MAX, |(certain, _)| certain)
}
