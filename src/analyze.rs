//! An analysis from paths to results: input → columns → groups → plan → backend → moments → metrics → results.

use rayon::prelude::*;

use crate::choose::{Made, choose};
use crate::engine::Measured;
use crate::error::{Error, Result};
use crate::groups::Groups;
use crate::groups::schema::GroupSchema;
use crate::ingest::{Context, Gathered, Ingest, have};
use crate::metrics::{self, Metric, Value};
use crate::moments::Ask;
use crate::numbers::key;
use crate::numbers::unit::{Unit, power_of_ten};
use crate::numbers::wide::U320;
use crate::options::Options;
use crate::plan::Plan;
use crate::record::Stage;
use crate::results::{self, MeasuredRow, Results, Row, columns::median_twice};

/// The outcome of an analysis.
pub struct Analysis {
    /// One row per group.
    pub results: Results,
    /// What the user should know, in full sentences.
    pub warnings: Vec<String>,
    /// What was computed where.
    pub plan: Plan,
    /// What computed and why, where devices were looked at.
    pub device: Option<String>,
    /// How many groups had comparisons that only their exact amounts decide.
    pub ties: usize,
}

/// Analyzes the snapshots behind `options.paths`.
pub fn analyze(options: &Options, context: &Context<'_>) -> Result<Analysis> {
    let metrics = metrics::select(metrics::catalog(&options.extras), &options.metrics)?;
    let ingest = Ingest::open(options, context.interrupted)?;
    results::refuse_clashes(&ingest.schema.fields, &metrics)?;
    ingest.describe().iter().for_each(|line| tracing::info!("{line}"));
    let mut gathered = ingest.gather(options, context)?;
    let mut keys = std::mem::take(&mut gathered.column.keys);
    let scratch = std::mem::take(&mut gathered.column.scratch);
    let Gathered { groups, column, .. } = &gathered;

    let median = results::median_asks();
    let asks: Vec<&Ask> = metrics.iter().flat_map(|m| &m.asks).chain(&median).collect();
    let choice = choose(&options.device, &column.offsets, scratch)?;
    let plan = Plan::new(&column.offsets, &metrics, &asks, &choice.name(), &choice.why);
    let recorder = context.recorder;
    let mut fallbacks: Vec<String> = Vec::new();
    let mut rows = Vec::with_capacity(groups.keys.len());
    let mut open = Vec::new();
    context.progress.start("measuring", plan.keys as u64);
    for (work, batch) in plan.works(&mut keys, &column.offsets, &column.totals).zip(&plan.batches) {
        if (context.interrupted)() {
            return Err(Error::Interrupted);
        }
        let (index, holders) = (work.index, work.keys.len() as u64);
        let (measured, made) = choice.compute.measure(work, &asks, recorder, options.require_gpu)?;
        fallbacks.extend(made.note.clone());
        let finish = || -> Vec<Row> {
            let row = |(i, measured)| row(&gathered, batch.start + i, measured, &metrics, &made);
            measured.par_iter().enumerate().map(row).collect()
        };
        rows.extend(recorder.time(Stage::Finish, format!("batch {index}"), batch.len() as u64, 0, finish));
        open.extend((batch.start..).zip(measured).filter(|(_, measured)| measured.open));
        context.progress.add(holders);
    }
    if !open.is_empty() {
        ingest.settle(&gathered, &mut open, options, context)?;
        // Only counts are settled: who computed the row stays as it is.
        for (id, measured) in &open {
            let settled = values(measured, &metrics);
            if let (Some(row), Some(settled)) = (&mut rows[*id].measured, settled) {
                row.values = settled;
            }
        }
    }
    let mut warnings = ingest.warnings(options);
    if let Some(first) = fallbacks.first() {
        let (failed, all) = (fallbacks.len(), plan.batches.len());
        warnings.push(format!("{first}; {failed} of {all} batches were computed on the CPU instead"));
    }
    warnings.extend(suspicions(&rows, groups, &ingest.schema));
    let provenance = ingest.provenance(options);
    let group_columns = ingest.schema.columns_of(&groups.keys)?;
    let results =
        results::table(&ingest.schema.fields, group_columns, &rows, &metrics, options.decimals, provenance)?;
    let device = choice.looked.then(|| format!("computed on {}: {}", choice.name(), choice.why));
    Ok(Analysis { results, warnings, plan, device, ties: open.len() })
}

fn values(measured: &Measured, metrics: &[Metric]) -> Option<Vec<Value>> {
    measured.moments.as_ref().map(|moments| metrics::values(metrics, moments))
}

fn row(gathered: &Gathered, id: usize, measured: &Measured, metrics: &[Metric], made: &Made) -> Row {
    let (groups, total) = (&gathered.groups, &gathered.column.totals[id]);
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
    Row { counts: groups.counts[id], unit: groups.units[id], measured }
}

/// Signs that a column holds something else than amounts, or more than doubles hold.
fn suspicions(rows: &[Row], groups: &Groups, schema: &GroupSchema) -> Vec<String> {
    let name = |id: usize| format!("group {}", schema.show(&groups.keys[id]));
    let find = |suspicious: &dyn Fn(&Row, &MeasuredRow) -> bool| -> Vec<usize> {
        let measured =
            rows.iter().enumerate().filter_map(|(id, row)| Some((id, row, row.measured.as_ref()?)));
        measured.filter(|(_, row, m)| suspicious(row, m)).map(|(id, _, _)| id).collect()
    };
    let mut warnings = Vec::new();
    let mut warn = |groups: Vec<usize>, what: &str| {
        if !groups.is_empty() {
            let shown: Vec<String> = groups.iter().take(2).map(|&id| name(id)).collect();
            warnings.push(format!("{} {what}", have(&shown, groups.len())));
        }
    };
    let dominates = |row: &Row, m: &MeasuredRow| {
        row.counts.holders > 2 && U320::from(key::value(m.largest)) << 1 > m.total
    };
    warn(find(&dominates), "one amount above all others together; is it a balance?");
    // In whole units as written: 10^22 tokens of 18 decimals are many, but no ids.
    let huge = |row: &Row, m: &MeasuredRow| match row.unit {
        Unit::Decimal(d) => power_of_ten(d).is_some_and(|ten| (m.total / U320::from(ten)).bit_len() > 128),
        Unit::Binary(_) => false,
    };
    warn(find(&huge), "a total above 2^128; are these amounts, not ids?");
    let cut = groups.cut.iter().map(|&id| id as usize).collect();
    warn(cut, "doubles that span more than 255 bits: what lies below the group's unit is cut off");
    warnings
}
