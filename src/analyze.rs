//! An analysis from paths to results: input → columns → groups → plan → backend → moments → metrics → results.

use std::ops::Range;
use std::path::PathBuf;

use arrow::array::RecordBatch;
use rayon::prelude::*;

use crate::choose::{Choice, Made, Opened, Work};
use crate::cohorts;
use crate::cumulative;
use crate::engine::Measured;
use crate::engine::visits::measure_ranges;
use crate::error::{Error, Result};
use crate::groups::schema::GroupSchema;
use crate::groups::{Counts, Groups};
use crate::ingest::{Absent, Context, Counted, Ingest, Lost, Part, Spilled, have};
use crate::memory::{self, Bounds, Memory};
use crate::metrics::{self, Extras, Metric, Value};
use crate::moments::{Ask, Total};
use crate::numbers::key;
use crate::numbers::unit::{Unit, power_of_ten};
use crate::numbers::wide::{U320, ratio};
use crate::options::Options;
use crate::plan::{Plan, QUERIES};
use crate::population::cohorts::Cohorts;
use crate::profits;
use crate::record::{Shared, Stage, Task, Volume};
use crate::results::cohorts::Split;
use crate::results::{self, Asked, MeasuredRow, Results, Row, columns::median_twice, profits::Profits};
use crate::spill::Spill;

/// The outcome of an analysis.
pub struct Analysis {
    /// One row per group.
    pub results: Results,
    /// What the files themselves give reason to say, in full sentences.
    pub of_files: Vec<String>,
    /// What else the user should know.
    pub warnings: Vec<String>,
    /// What was computed where.
    pub plan: Plan,
    /// What computed and why, where devices were looked at.
    pub device: Option<String>,
    /// How many groups had comparisons that only their exact amounts decide.
    pub ties: usize,
    /// A row per group and cohort, where those were asked for.
    pub cohorts: Option<Results>,
    /// Files that could not be used, why, and the groups that are absent for it.
    pub lost: Vec<Loss>,
}

/// A file that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// As the user named it.
    pub file: String,
    /// It, what is wrong with it, and the groups that are absent for it.
    pub line: String,
    /// Whether it failed while it was read, and may not the next time.
    pub was_read: bool,
}

/// Analyzes the snapshots behind `options.paths`.
pub fn analyze(options: &Options, context: &Context<'_>) -> Result<Analysis> {
    check(options)?;
    let cohorts = cohorts(options)?;
    let beside = Beside { opened: &Opened::default(), cohorts: cohorts.as_ref() };
    let (ingest, options) = cumulative::open(options, context)?;
    analyze_files(ingest, &options, context, beside)
}

/// What several analyses share.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// Devices that are open.
    pub opened: &'a Opened,
    /// Of owners, where they were asked for.
    pub cohorts: Option<&'a Cohorts>,
}

/// The cohorts of owners, where they were asked for.
pub fn cohorts(options: &Options) -> Result<Option<Cohorts>> {
    let read = |(path, column): &(PathBuf, String)| Cohorts::read(path, column);
    options.cohorts.as_ref().map(read).transpose()
}

/// Analyzes files that are open; with `--keep-going`, all those that can be.
pub fn analyze_files(
    mut ingest: Ingest,
    options: &Options,
    context: &Context<'_>,
    beside: Beside<'_>,
) -> Result<Analysis> {
    loop {
        match try_files(&ingest, options, context, beside) {
            Err(error) => ingest = ingest.without(error)?,
            analysis => return analysis,
        }
    }
}

/// Refuses metrics that are unknown, or that are there without being asked for.
pub fn check(options: &Options) -> Result<()> {
    for name in &options.metrics {
        let with = |columns: &[results::profits::Column]| columns.iter().any(|column| column.name == *name);
        let flags = [(results::profits::COLUMNS, "--reward"), (results::cohorts::COLUMNS, "--cohorts")];
        if let Some((_, flag)) = flags.into_iter().find(|(columns, _)| with(columns)) {
            let problem = format!("--metrics: `{name}` is no choice, it is there with {flag}; leave it out");
            return Err(Error::Usage(problem));
        }
    }
    metrics::select(metrics::catalog(&options.extras), &options.metrics).map(drop)
}

fn try_files(
    ingest: &Ingest,
    options: &Options,
    context: &Context<'_>,
    Beside { opened, cohorts }: Beside<'_>,
) -> Result<Analysis> {
    let metrics = metrics::select(metrics::catalog(&options.extras), &options.metrics)?;
    results::refuse_clashes(&ingest.schema.fields, &metrics)?;
    ingest.describe().iter().for_each(|line| tracing::info!("{line}"));
    let median = results::median_asks();
    let asks: Vec<&Ask> = metrics.iter().flat_map(|m| &m.asks).chain(&median).collect();
    let memory = Memory::of(options.memory_limit).beside(ingest.population.bytes());
    let work = Analyst { ingest, metrics: &metrics, asks: &asks, memory, options, context, opened, cohorts };
    let outcome = match work.in_memory()? {
        Some(outcome) => outcome,
        None => work.spilled()?,
    };
    let Outcome { results, plan, choice, fallbacks, suspicions, ties, cohorts: table, absent } = outcome;
    let of_files = ingest.warnings(options);
    let mut warnings = vec![];
    if let Some(first) = fallbacks.first() {
        let (failed, all) = (fallbacks.len(), plan.batches.len());
        warnings.push(format!("{first}; {failed} of {all} batches were computed on the CPU instead"));
    }
    warnings.extend(suspicions);
    let device = choice.looked.then(|| format!("computed on {}: {}", choice.name(), choice.why));
    let loss = |(lost, told): (&Lost, &String)| Loss {
        file: lost.source.shown.clone(),
        line: lost.line(told),
        was_read: lost.was_read,
    };
    let lost = ingest.lost.iter().zip(&absent.told).map(loss).collect();
    Ok(Analysis { results, of_files, warnings, plan, device, ties, cohorts: table, lost })
}

/// What to tell where no holder has a cohort.
pub const NO_COHORT: &str = "--cohorts: no holder is in the file of cohorts";

/// What to tell where contracts were to be looked through and there are none.
pub const NOBODY_LOOKED_THROUGH: &str =
    "--look-through: no owner is the asset of another group that agrees in all other group columns";

/// What every way through an analysis needs.
struct Analyst<'a> {
    ingest: &'a Ingest,
    metrics: &'a [Metric],
    asks: &'a [&'a Ask],
    memory: Memory,
    options: &'a Options,
    context: &'a Context<'a>,
    opened: &'a Opened,
    /// Of owners, where they were asked for.
    cohorts: Option<&'a Cohorts>,
}

/// What every way comes to.
struct Outcome {
    results: Results,
    plan: Plan,
    choice: Choice,
    /// Why batches were not computed where they should have been.
    fallbacks: Vec<String>,
    suspicions: Vec<String>,
    ties: usize,
    cohorts: Option<Results>,
    absent: Absent,
}

impl Analyst<'_> {
    /// All rows in memory at once; none where they do not fit.
    fn in_memory(&self) -> Result<Option<Outcome>> {
        let Self { ingest, options, context, .. } = self;
        let bytes = ingest.bytes(options);
        if options.spill_beyond.is_some() || bytes > self.memory.room(0) {
            return Ok(None);
        }
        let most = self.memory.groups(bytes);
        let (counted, mut column) = match ingest.gather(most, options, context) {
            Err(Error::Memory(_)) => return Ok(None),
            gathered => gathered?,
        };
        let mut keys = std::mem::take(&mut column.keys);
        let choice =
            self.opened.choose(&options.device, &column.offsets, std::mem::take(&mut column.scratch))?;
        let resident = keys.len() as u64 * memory::OF_KEY * choice.compute.copies() as u64;
        let Ok(bounds) = self.memory.bounds(counted.groups.keys.len(), resident) else { return Ok(None) };
        let all = 0..counted.groups.keys.len();
        let (queries, why) = (bounds.queries.min(QUERIES), &choice.why);
        let (offsets, name) = (&column.offsets, choice.name());
        let mut plan = Plan::of_parts(&[all], queries, offsets, self.metrics, self.asks, &name, why);
        plan.memory = format!("{}all rows at once, {} at most", self.limit(), memory::show(bytes));
        let mut report = Report::new(self, &counted, bounds)?;
        report.look_at_rewards(&choice)?;
        report.look_at_cohorts(&choice)?;
        context.progress.start("measuring", plan.keys as u64);
        for work in plan.works(&mut keys, &column.offsets, &column.totals) {
            report.measure(&choice, work)?;
            report.settle_if_many(&column.totals)?;
        }
        drop(keys);
        Ok(Some(report.outcome(choice, plan, column.totals)?))
    }

    /// The limit, where one was given.
    fn limit(&self) -> String {
        self.options.memory_limit.map_or_else(String::new, |limit| format!("{}: ", memory::show(limit)))
    }

    /// Rows wait on disk and are in memory part by part.
    fn spilled(&self) -> Result<Outcome> {
        let Self { ingest, options, context, memory, .. } = self;
        let most = |bounds: Bounds| options.spill_beyond.unwrap_or(bounds.keys);
        memory.bounds(0, 0)?;
        let mut counted = ingest.count(memory.groups(0), options, context)?;
        let bounds = memory.bounds(counted.groups.keys.len(), 0)?;
        let choice = self.opened.choose(&options.device, &counted.groups.offsets(), vec![])?;
        let keys = most(bounds).min(choice.compute.largest()) / choice.compute.copies();
        let bounds = Bounds { keys, ..bounds };

        let spill = Spill::new(options.temp_dir.as_deref(), 0);
        spill.file()?;
        let expected = memory::show(ingest.expects(&counted, bounds, options));
        tracing::info!("memory is short: {expected} expected on disk");
        let spilled = ingest.spill(&mut counted, bounds, &spill, options, context)?;
        let offsets = counted.groups.offsets();
        let parts = spilled.parts();
        let ranges: Vec<Range<usize>> = parts.iter().map(Part::groups).collect();
        let queries = bounds.queries.min(QUERIES);
        let (name, why) = (choice.name(), &choice.why);
        let mut plan = Plan::of_parts(&ranges, queries, &offsets, self.metrics, self.asks, &name, why);
        plan.memory = format!(
            "{}{} partitions of up to {} holders, {expected} expected on disk",
            self.limit(),
            spilled.partitions(),
            bounds.keys,
        );
        let mut report = Report { written: spill.bytes(), ..Report::new(self, &counted, bounds)? };
        report.look_at_rewards(&choice)?;
        report.look_at_cohorts(&choice)?;
        context.progress.start("measuring", plan.keys as u64);
        let mut totals = Vec::with_capacity(counted.groups.keys.len());
        for part in parts {
            match part {
                Part::Groups(groups, partition) => {
                    let n = (offsets[groups.end] - offsets[groups.start]) as u64;
                    let task = format!("partition {partition}");
                    let load = || spilled.groups(&groups, partition, &offsets);
                    let (mut keys, own) =
                        context.recorder.time(Stage::Load, task, Volume::new(n, n * 12, n * 8), load)?;
                    for work in plan.works_of(groups, &mut keys, &offsets, &own) {
                        report.measure(&choice, work)?;
                    }
                    totals.extend(own);
                }
                Part::Ranges(group, partitions) => {
                    totals.push(report.measure_ranges(&choice, &plan, &spilled, group, partitions)?);
                }
            }
            report.settle_if_many(&totals)?;
        }
        drop(spilled);
        report.outcome(choice, plan, totals)
    }
}

/// Groups that a thread finishes at a time.
const SHARE: usize = 256;

/// Bytes of an open group, held until it is settled: its row and what becomes of it, and each of its positions.
const OF_OPEN: u64 = 6 << 10;
const OF_POSITION: u64 = 80;

/// What is found of groups, in their order.
struct Report<'a> {
    analyst: &'a Analyst<'a>,
    counted: &'a Counted,
    bounds: Bounds,
    results: Results,
    fallbacks: Vec<String>,
    suspicious: Suspicious,
    open: Vec<(usize, Measured)>,
    /// Of the open groups, without values.
    rows: Vec<Row>,
    /// Of each group, where rewards were asked for.
    profits: Vec<Profits>,
    /// Of each group, where cohorts were asked for.
    splits: Vec<Split>,
    /// Bytes of the open groups.
    held: u64,
    /// What the user should know of rewards.
    warnings: Vec<String>,
    /// Bytes on disk so far.
    written: u64,
    ties: usize,
}

impl<'a> Report<'a> {
    fn new(analyst: &'a Analyst<'a>, counted: &'a Counted, bounds: Bounds) -> Result<Self> {
        let Analyst { ingest, metrics, options, .. } = analyst;
        let fields = &ingest.schema.fields;
        let keys = ingest.schema.columns_of(&[])?;
        let none = results::batch(fields, keys, &[], metrics, options.decimals, asked(options))?;
        let (provenance, folder) = (ingest.provenance(options), options.temp_dir.as_deref());
        let results = Results::new(&none.schema(), fields.len(), provenance, bounds.results, folder);
        Ok(Self {
            analyst,
            counted,
            bounds,
            results,
            fallbacks: vec![],
            suspicious: Suspicious::default(),
            open: vec![],
            rows: vec![],
            profits: vec![],
            splits: vec![],
            held: 0,
            warnings: vec![],
            written: 0,
            ties: 0,
        })
    }

    /// Looks at rewards, where they were asked for.
    fn look_at_rewards(&mut self, choice: &Choice) -> Result<()> {
        let Analyst { ingest, memory, options, context, .. } = self.analyst;
        if !options.has_rewards() {
            return Ok(());
        }
        let (counted, compute) = (self.counted, &choice.compute);
        let earned = ingest.earnings(counted, memory, options, context)?;
        self.warnings.extend(earned.warnings);
        let gini = metrics::select(metrics::catalog(&Extras::default()), &["gini".into()])?;
        let require_gpu = options.require_gpu;
        let (profits, failed) =
            profits::profits(earned.of_groups, &counted.groups, &gini[0], compute, require_gpu, context)?;
        self.fallbacks.extend(failed);
        if let Some((group, share)) = profits::worst(&profits) {
            let group = ingest.schema.show(&counted.groups.keys[group]);
            let part =
                if share.is_finite() { format!("{:.1} % of", share * 100.0) } else { "a part of".into() };
            self.warnings.push(format!(
                "group {group}: {part} the rewards lies with owners of no capital, who are no holders \
                 (reward_no_capital)"
            ));
        }
        self.profits = profits;
        Ok(())
    }

    /// Splits groups by cohorts, where that was asked for.
    fn look_at_cohorts(&mut self, choice: &Choice) -> Result<()> {
        let Analyst { ingest, memory, options, context, cohorts, .. } = self.analyst;
        let Some(cohorts) = cohorts else { return Ok(()) };
        let players = ingest.players(self.counted, memory, options, context)?;
        let changed = players
            .iter()
            .zip(&self.counted.groups.counts)
            .position(|(players, counts)| players.len() as u64 != counts.holders);
        if let Some(group) = changed {
            return Err(Error::changed(ingest.schema.show(&self.counted.groups.keys[group])));
        }
        let (splits, failed) =
            cohorts::split(players, cohorts, &choice.compute, options.require_gpu, context)?;
        self.fallbacks.extend(failed);
        let nobody = |split: &Split| split.parts.iter().all(|part| part.cohort.is_none());
        if splits.iter().all(nobody) {
            self.warnings.push(NO_COHORT.into());
        }
        self.splits = splits;
        Ok(())
    }

    /// Measures whole groups.
    fn measure(&mut self, choice: &Choice, work: Work<'_>) -> Result<()> {
        let Analyst { asks, options, context, .. } = self.analyst;
        if (context.interrupted)() {
            return Err(Error::Interrupted);
        }
        let (index, start, totals, holders) = (work.index, work.first, work.totals, work.keys.len() as u64);
        for lot in choice.measure(work, asks, context.recorder, options.require_gpu)? {
            let own = lot.first - start..lot.first - start + lot.measured.len();
            self.fallbacks.extend(lot.made.note.clone());
            self.finish(index, lot.first, lot.measured, &totals[own], &lot.made)?;
        }
        context.progress.add(holders);
        Ok(())
    }

    /// Measures a group by its value ranges, and tells its total.
    fn measure_ranges(
        &mut self,
        choice: &Choice,
        plan: &Plan,
        spilled: &Spilled<'_>,
        group: usize,
        partitions: Range<usize>,
    ) -> Result<Total> {
        let Analyst { asks, options, context, .. } = self.analyst;
        let (partitions, outlines, total) = spilled.outlines(group, partitions);
        let holders: u64 = outlines.iter().map(|outline| outline.n).sum();
        if holders != self.counted.groups.counts[group].holders {
            return Err(Error::changed(self.analyst.ingest.schema.show(&self.counted.groups.keys[group])));
        }
        let (mut keys, mut failed, mut note) = (Vec::new(), 0, None);
        let measured = if outlines.is_empty() {
            Measured { moments: None, open: false }
        } else {
            measure_ranges(&outlines, total, asks, |range, asked| {
                if (context.interrupted)() {
                    return Err(Error::Interrupted);
                }
                let (task, n) = (format!("partition {}", partitions[range]), outlines[range].n);
                let load = || spilled.range(partitions[range], &mut keys);
                context.recorder.time(Stage::Load, &task[..], Volume::new(n, n * 8, n * 8), load)?;
                let (recorder, require) = (context.recorder, options.require_gpu);
                let (answers, why) =
                    choice.compute.visit(&task, &mut keys, plan.needs, asked, recorder, require)?;
                failed += usize::from(why.is_some());
                note = note.take().or(why);
                context.progress.add(n);
                Ok(answers)
            })?
        };
        let made = choice.compute.made(failed, partitions.len(), note);
        self.fallbacks.extend(made.note.clone());
        let index = plan.batches.partition_point(|batch| batch.end <= group);
        self.finish(index, group, vec![measured], &[total], &made)?;
        Ok(total)
    }

    /// Moments to rows of the result.
    fn finish(
        &mut self,
        index: usize,
        first: usize,
        measured: Vec<Measured>,
        totals: &[Total],
        made: &Made,
    ) -> Result<()> {
        let Analyst { metrics, context, .. } = self.analyst;
        let (n, counted) = (measured.len(), self.counted);
        let groups = Some(first..first + n);
        let task = Task { groups, ..Task::from(format!("batch {index}")) };
        context.recorder.time(Stage::Finish, task, Volume::rows(n as u64), || {
            let groups = &counted.groups;
            let row = |(i, measured): (usize, &Measured)| {
                let (counts, below) = (groups.counts[first + i], groups.below.get(&((first + i) as u32)));
                let below = below.copied().unwrap_or_default();
                let row = row(groups, first + i, counts, &below, &totals[i], measured, metrics, made);
                let profits = self.profits.get(first + i).cloned().map(Box::new);
                Row { profits, split: self.splits.get(first + i).cloned().map(Box::new), ..row }
            };
            // Shares of groups, so that what a thread records is more than a row.
            let (shared, shares) = (Shared::here(), measured.par_chunks(SHARE).enumerate());
            let rows = shares.flat_map_iter(|(share, own)| {
                let rows = own.iter().enumerate().map(|(i, measured)| row((share * SHARE + i, measured)));
                shared.time(own.len(), || rows.collect::<Vec<Row>>())
            });
            let rows: Vec<Row> = rows.collect();
            let batch = self.batch(&counted.groups.keys[first..first + n], &rows)?;
            self.suspicious.add(first, &rows);
            let open = measured.into_iter().zip(rows).enumerate().filter(|(_, (measured, _))| measured.open);
            for (i, (measured, row)) in open {
                let positions = measured.moments.as_ref().map_or(0, |moments| moments.below.len() as u64);
                self.held += OF_OPEN + OF_POSITION * positions;
                self.open.push((first + i, measured));
                let measured = row.measured.map(|measured| MeasuredRow { values: vec![], ..measured });
                self.rows.push(Row { measured, ..row });
            }
            self.results.push(&batch)
        })
    }

    fn batch(&self, keys: &[Box<[u8]>], rows: &[Row]) -> Result<RecordBatch> {
        let Analyst { ingest, metrics, options, .. } = self.analyst;
        let columns = ingest.schema.columns_of(keys)?;
        results::batch(&ingest.schema.fields, columns, rows, metrics, options.decimals, asked(options))
    }

    /// The same once open groups take much memory.
    fn settle_if_many(&mut self, totals: &[Total]) -> Result<()> {
        if self.held > self.bounds.results { self.settle(totals) } else { Ok(()) }
    }

    /// Decides what is open among the groups whose totals these are.
    fn settle(&mut self, totals: &[Total]) -> Result<()> {
        let Analyst { ingest, metrics, options, context, .. } = self.analyst;
        let (mut open, mut rows) = (std::mem::take(&mut self.open), std::mem::take(&mut self.rows));
        if open.is_empty() {
            return Ok(());
        }
        (self.ties, self.held) = (self.ties + open.len(), 0);
        self.written += ingest.settle(self.counted, totals, &mut open, self.bounds, options, context)?;
        // Only counts are settled: who computed the row stays as it is.
        for ((_, measured), row) in open.iter().zip(&mut rows) {
            if let (Some(row), Some(settled)) = (&mut row.measured, values(measured, metrics)) {
                row.values = settled;
            }
        }
        let numbers: Vec<usize> = open.iter().map(|(id, _)| *id).collect();
        let keys: Vec<Box<[u8]>> = numbers.iter().map(|&id| self.counted.groups.keys[id].clone()).collect();
        let batch = self.batch(&keys, &rows)?;
        self.results.replace(&numbers, &batch)
    }

    /// Decides what is still open, and ends.
    fn outcome(mut self, choice: Choice, mut plan: Plan, totals: Vec<Total>) -> Result<Outcome> {
        self.settle(&totals)?;
        plan.memory += &match self.written + self.results.spilled() {
            0 => "; nothing on disk".to_owned(),
            bytes => format!("; {} written", memory::show(bytes)),
        };
        let Analyst { ingest, options, .. } = self.analyst;
        let absent = ingest.absent(self.counted)?;
        if absent.groups.contains(&true) {
            let keep: Vec<bool> = absent.groups.iter().map(|absent| !absent).collect();
            self.results.retain(&keep)?;
            self.suspicious.retain(&keep);
            let absent = self.splits.iter_mut().zip(&keep).filter(|(_, keep)| !**keep);
            absent.for_each(|(split, _)| split.parts.clear());
        }
        let mut suspicions = self.suspicious.warnings(&self.counted.groups, &ingest.schema);
        suspicions.append(&mut self.warnings);
        suspicions.extend(nobody_looked_through(options, &self.counted.groups));
        let cohorts = match self.analyst.cohorts {
            Some(cohorts) => {
                let (groups, schema) = (&self.counted.groups, &ingest.schema);
                let provenance = ingest.provenance(options);
                let decimals = options.decimals;
                Some(cohorts::table(&self.splits, cohorts, groups, schema, provenance, decimals)?)
            }
            None => None,
        };
        let Self { results, fallbacks, ties, .. } = self;
        Ok(Outcome { results, plan, choice, fallbacks, suspicions, ties, cohorts, absent })
    }
}

/// What an analysis looks at.
fn asked(options: &Options) -> Asked {
    Asked { rewards: options.has_rewards(), cohorts: options.cohorts.is_some() }
}

fn values(measured: &Measured, metrics: &[Metric]) -> Option<Vec<Value>> {
    measured.moments.as_ref().map(|moments| metrics::values(metrics, moments))
}

/// A group's row: its counts, what is cut off it, its exact total and what was measured of it.
#[expect(clippy::too_many_arguments, reason = "they are what a row is made of")]
pub(crate) fn row(
    groups: &Groups,
    id: usize,
    counts: Counts,
    below: &U320,
    total: &Total,
    measured: &Measured,
    metrics: &[Metric],
    made: &Made,
) -> Row {
    let measured = measured.moments.as_ref().zip(values(measured, metrics)).map(|(moments, values)| {
        let (backend, adapter, note) = made.row(moments);
        MeasuredRow {
            total: total.amount,
            exact: total.exact,
            largest: moments.sums.last,
            median_twice: median_twice(moments),
            backend,
            adapter,
            note,
            values,
        }
    });
    let unit = groups.units[id];
    let all = below + total.amount;
    let excluded_share = groups.excluded.share(id as u32, unit, &all);
    let below_share = if below.is_zero() { 0.0 } else { ratio(below, &all) };
    let looked_through_share = groups.looked_through.get(&(id as u32)).copied().unwrap_or(0.0);
    Row {
        counts,
        excluded_share,
        looked_through_share,
        below_share,
        unit,
        measured,
        profits: None,
        split: None,
    }
}

/// What to tell where contracts were to be looked through and there are none.
pub(crate) fn nobody_looked_through(options: &Options, groups: &Groups) -> Option<String> {
    let nobody = options.look_through.is_some() && groups.looked_through.is_empty();
    nobody.then(|| NOBODY_LOOKED_THROUGH.into())
}

/// Groups with signs that a column holds something else than amounts.
#[derive(Default)]
pub(crate) struct Suspicious {
    /// One amount above all others together.
    dominated: Vec<usize>,
    /// A total beyond reason.
    huge: Vec<usize>,
}

impl Suspicious {
    /// Looks at the rows of groups from this one on.
    pub(crate) fn add(&mut self, first: usize, rows: &[Row]) {
        for (i, row) in rows.iter().enumerate() {
            let Some(measured) = &row.measured else { continue };
            if row.counts.holders > 2 && U320::from(key::value(measured.largest)) << 1 > measured.total {
                self.dominated.push(first + i);
            }
            // In whole units as written: 10^22 tokens of 18 decimals are many, but no ids.
            let Unit::Decimal(decimals) = row.unit else { continue };
            if power_of_ten(decimals).is_some_and(|ten| (measured.total / U320::from(ten)).bit_len() > 128) {
                self.huge.push(first + i);
            }
        }
    }

    /// Forgets groups that are not kept.
    fn retain(&mut self, keep: &[bool]) {
        self.dominated.retain(|&group| keep[group]);
        self.huge.retain(|&group| keep[group]);
    }

    /// What to tell of them, and of groups with more than doubles hold.
    pub(crate) fn warnings(&self, groups: &Groups, schema: &GroupSchema) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut warn = |of: &[usize], what: &str| {
            if !of.is_empty() {
                let name = |&id: &usize| format!("group {}", schema.show(&groups.keys[id]));
                let shown: Vec<String> = of.iter().take(2).map(name).collect();
                warnings.push(format!("{} {what}", have(&shown, of.len())));
            }
        };
        warn(&self.dominated, "one amount above all others together; is it a balance?");
        warn(&self.huge, "a total above 2^128; are these amounts, not ids?");
        let cut: Vec<usize> = groups.cut.iter().map(|&id| id as usize).collect();
        warn(&cut, "doubles that span more than 255 bits: what lies below the group's unit is cut off");
        warnings
    }
}
