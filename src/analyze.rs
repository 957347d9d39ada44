//! An analysis from paths to results: input → columns → groups → plan → backend → moments → metrics → results.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::backend::choose::{Made, Work, choose};
use crate::engine::{self, Measured, Total};
use crate::error::{Error, Result};
use crate::groups::chunk::{self, Chunk, Task};
use crate::groups::schema::GroupSchema;
use crate::groups::{self, Groups};
use crate::input::file::InputFile;
use crate::input::roles::{self, Encoding, KeySource, Roles};
use crate::input::{Source, discover};
use crate::metrics::{self, Metric};
use crate::moments::Ask;
use crate::numbers::key;
use crate::numbers::wide::U320;
use crate::options::{Options, Snapshot};
use crate::plan::Plan;
use crate::record::{Recorder, Stage};
use crate::results::{self, MeasuredRow, Results, Row, columns::median_twice};

/// What an analysis may look at while it runs.
pub struct Context<'a> {
    /// Takes what ran where.
    pub recorder: &'a Recorder,
    /// Whether the user wants to stop.
    pub interrupted: &'a (dyn Fn() -> bool + Sync),
}

/// The outcome of an analysis.
pub struct Analysis {
    /// One row per group.
    pub results: Results,
    /// What the user should know, in full sentences.
    pub warnings: Vec<String>,
    /// What was computed where.
    pub plan: Plan,
    /// What each file's columns were taken for, in words.
    pub inputs: Vec<String>,
    /// What computed and why, where devices were looked at.
    pub device: Option<String>,
    /// How many groups had comparisons that only their exact amounts decide.
    pub ties: usize,
}

/// Analyzes the snapshots behind `options.paths`.
pub fn analyze(options: &Options, context: &Context<'_>) -> Result<Analysis> {
    let metrics = metrics::select(metrics::catalog(&options.extras), &options.metrics)?;
    let input = Input::open(options)?;
    let mut warnings = input.warnings(options);

    let tasks = input.tasks();
    let chunks = input.read(&tasks, options, context)?;
    let mut groups = groups::unite(&chunks, &input.schema)?;
    let rows: u64 = groups.counts.iter().map(|c| c.rows).sum();
    let recorder = context.recorder;
    let column = recorder.time(Stage::Group, "all", rows, 0, || {
        groups::gather(chunks, &mut groups, options.owners, &input.files)
    });
    let groups::Column { mut keys, offsets, totals } = column?;

    let median = results::median_asks();
    let asks: Vec<&Ask> = metrics.iter().flat_map(|m| &m.asks).chain(&median).collect();
    let choice = choose(&options.device, keys.len())?;
    let plan = Plan::new(&offsets, &metrics, &asks, &choice.name(), &choice.why);
    let mut fallbacks: Vec<String> = Vec::new();
    let mut rows = Vec::with_capacity(groups.keys.len());
    let mut open = Vec::new();
    let mut rest = &mut keys[..];
    for (index, batch) in plan.batches.iter().enumerate() {
        if (context.interrupted)() {
            return Err(Error::Interrupted);
        }
        let offsets: Vec<usize> =
            offsets[batch.start..=batch.end].iter().map(|o| o - offsets[batch.start]).collect();
        let (keys, tail) = rest.split_at_mut(offsets[batch.len()]);
        rest = tail;
        let totals = &totals[batch.clone()];
        let work = Work { index, keys, offsets: &offsets, totals, needs: plan.needs };
        let (mut measured, made) = choice.compute.measure(work, &asks, recorder, options.require_gpu)?;
        fallbacks.extend(made.note.clone());
        let undecided: Vec<usize> = (0..batch.len()).filter(|&i| measured[i].open).collect();
        if !undecided.is_empty() {
            input.settle(
                &groups,
                &tasks,
                batch.start,
                &undecided,
                &mut measured,
                totals,
                options,
                context,
            )?;
            open.extend(undecided);
        }
        let finish = || -> Vec<Row> {
            measured
                .into_par_iter()
                .enumerate()
                .map(|(i, measured)| row(&groups, batch.start + i, &measured, &totals[i], &metrics, &made))
                .collect()
        };
        rows.extend(recorder.time(Stage::Finish, format!("batch {index}"), batch.len() as u64, 0, finish));
    }
    if let Some(first) = fallbacks.first() {
        let (failed, all) = (fallbacks.len(), plan.batches.len());
        warnings.push(format!("{first}; {failed} of {all} batches were computed on the CPU instead"));
    }
    warnings.extend(suspicions(&rows, &groups, &input.schema));
    let provenance = input.provenance(options);
    let group_columns = input.schema.columns_of(&groups.keys)?;
    let results =
        results::table(&input.schema.fields, group_columns, &rows, &metrics, options.decimals, provenance)?;
    let device = choice.looked.then(|| format!("computed on {}: {}", choice.name(), choice.why));
    Ok(Analysis { results, warnings, plan, inputs: input.describe(), device, ties: open.len() })
}

fn row(
    groups: &Groups,
    id: usize,
    measured: &Measured,
    total: &Total,
    metrics: &[Metric],
    made: &Made,
) -> Row {
    let measured = measured.moments.as_ref().map(|moments| {
        let (backend, adapter, note) = made.row(moments);
        MeasuredRow {
            total: total.amount,
            exact: total.exact,
            largest: moments.sums.last,
            median_twice: median_twice(moments),
            backend,
            adapter,
            note,
            values: metrics.iter().map(|metric| (metric.value)(moments)).collect(),
        }
    });
    Row { counts: groups.counts[id], unit: groups.units[id], measured }
}

/// The opened files and what their columns are.
struct Input {
    files: Vec<InputFile>,
    roles: Vec<Roles>,
    schema: GroupSchema,
    notes: Vec<String>,
}

impl Input {
    fn open(options: &Options) -> Result<Self> {
        let (sources, notes) = discover(&options.paths)?;
        let opened: Vec<Result<(InputFile, Roles)>> =
            sources.into_par_iter().map(|source| open(source, options)).collect();
        let (files, roles): (Vec<_>, Vec<_>) =
            opened.into_iter().collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let schema = GroupSchema::unite(&files, &roles);
        Ok(Self { files, roles, schema, notes })
    }

    /// What to read, in the order of files and rows.
    fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        for (file, input) in self.files.iter().enumerate() {
            let mut first_row = 0;
            if input.row_groups().len() == 0 {
                tasks.push(Task { file, row_group: None, first_row });
            }
            for (row_group, rows) in input.row_groups().enumerate() {
                tasks.push(Task { file, row_group: Some(row_group), first_row });
                first_row += rows as u64;
            }
        }
        tasks
    }

    /// Reads tasks in parallel. The error returned is that of the first task in order that fails.
    fn read(&self, tasks: &[Task], options: &Options, context: &Context<'_>) -> Result<Vec<Chunk>> {
        let failed = AtomicUsize::new(usize::MAX);
        let chunks: Vec<Option<Result<Chunk>>> = tasks
            .par_iter()
            .enumerate()
            .map(|(i, task)| {
                if i > failed.load(Ordering::Relaxed) {
                    return None;
                }
                let chunk = self.read_one(task, options, context);
                if chunk.is_err() {
                    failed.fetch_min(i, Ordering::Relaxed);
                }
                Some(chunk)
            })
            .collect();
        // A task is only left out after one before it failed, so the error comes first.
        chunks.into_iter().flatten().collect()
    }

    fn read_one(&self, task: &Task, options: &Options, context: &Context<'_>) -> Result<Chunk> {
        let (file, roles) = (&self.files[task.file], &self.roles[task.file]);
        let roots = chunk::projection(&self.schema, task.file, roles, options);
        let (rows, bytes) = match task.row_group {
            Some(group) => (file.row_groups().nth(group).unwrap_or(0), file.column_bytes(group, &roots)),
            None => (0, 0),
        };
        let read = || {
            // A damaged page may make a decoder panic; that is the file's fault, and is told as such.
            catch_unwind(AssertUnwindSafe(|| {
                chunk::read(task, file, roles, &self.schema, options, context.interrupted)
            }))
            .unwrap_or_else(|_| Err(file.damaged(None)))
        };
        context.recorder.time(Stage::Read, &file.source.name, rows as u64, bytes, read)
    }

    /// Reads the exact amounts of undecided groups again and decides their counts.
    #[expect(clippy::too_many_arguments, reason = "it needs the batch and the input alike")]
    fn settle(
        &self,
        groups: &Groups,
        tasks: &[Task],
        first_group: usize,
        undecided: &[usize],
        measured: &mut [Measured],
        totals: &[Total],
        options: &Options,
        context: &Context<'_>,
    ) -> Result<()> {
        let mut wanted = vec![false; groups.keys.len()];
        undecided.iter().for_each(|&i| wanted[first_group + i] = true);
        let (mut again, mut of_task) = (Vec::new(), Vec::new());
        for (task, global) in tasks.iter().zip(&groups.of_task) {
            if global.iter().any(|&id| wanted[id as usize]) {
                again.push(*task);
                of_task.push(global.clone());
            }
        }
        let chunks = self.read(&again, options, context)?;
        let part = Groups { of_task, keys: vec![], counts: vec![], units: groups.units.clone() };
        let work = || groups::exact_amounts(&chunks, &part, options.owners, &self.files, &wanted);
        let mut exact = context.recorder.time(Stage::Ties, "all", undecided.len() as u64, 0, work)?;
        for &i in undecided {
            let mut amounts = exact.remove(&((first_group + i) as u32)).unwrap_or_default();
            let total = amounts.iter().fold(U320::ZERO, |sum, &a| sum + U320::from(a));
            if total != totals[i].amount {
                return Err(Error::Group {
                    group: self.schema.show(&groups.keys[first_group + i]),
                    problem: "its amounts changed between two reads".into(),
                    remedy: "run again when the files are no longer written to".into(),
                });
            }
            engine::settle(&mut measured[i], &mut amounts);
        }
        Ok(())
    }

    /// What the files themselves give reason to say.
    fn warnings(&self, options: &Options) -> Vec<String> {
        let mut warnings = self.notes.clone();
        let rows: u64 = self.files.iter().map(InputFile::rows).sum();
        let empty: Vec<&str> =
            self.files.iter().filter(|f| f.rows() == 0).map(|f| f.source.shown.as_str()).collect();
        if rows == 0 {
            warnings.push("the input has no rows".into());
        } else if !empty.is_empty() {
            warnings.push(format!("{} no rows", have(&empty)));
        }
        let doubles: Vec<String> = self
            .files
            .iter()
            .zip(&self.roles)
            .filter_map(|(file, roles)| {
                let exact = roles.exact_instead.as_ref()?;
                let double = file.schema().field(roles.amount).name();
                Some(format!(
                    "{}: amounts are taken from the double `{double}` although `{exact}` is exact",
                    file.source.shown
                ))
            })
            .collect();
        warnings.extend(some(&doubles));
        let stems = self.roles.iter().filter(|r| r.keys.iter().any(|k| k.source == KeySource::Stem)).count();
        if stems > 1 && options.snapshot == Snapshot::Auto {
            warnings.push(format!(
                "{stems} files have no snapshot column: each file's name is its snapshot; if they are parts of one \
                 table, pool them with --snapshot none"
            ));
        }
        warnings
    }

    /// Each file's roles in words, for `-v`.
    fn describe(&self) -> Vec<String> {
        let describe = |(file, roles): (&InputFile, &Roles)| {
            let name = |column: usize| file.schema().field(column).name().as_str();
            let mut text =
                format!("{}: {} rows, amount `{}`", file.source.shown, file.rows(), name(roles.amount));
            text += match roles.encoding {
                Encoding::Binary => " (32 bytes)",
                Encoding::Text => " (text)",
                Encoding::Number => " (numbers)",
                Encoding::Double => " (doubles)",
            };
            if let Some(owner) = roles.owner {
                text += &format!(", owner `{}`", name(owner));
            }
            let keys: Vec<String> = roles
                .keys
                .iter()
                .map(|key| match key.source {
                    KeySource::Column(_) => format!("`{}`", key.name),
                    KeySource::Hive(_) => format!("`{}` (folder)", key.name),
                    KeySource::Stem => format!("`{}` (file name)", key.name),
                })
                .collect();
            if keys.is_empty() { text } else { format!("{text}, groups by {}", keys.join(", ")) }
        };
        self.files.iter().zip(&self.roles).map(describe).collect()
    }

    /// What a result file says of its making: only what decides its numbers.
    fn provenance(&self, options: &Options) -> HashMap<String, String> {
        let inputs: Vec<serde_json::Value> = self
            .files
            .iter()
            .zip(&self.roles)
            .map(|(file, roles)| {
                let name = |column: usize| file.schema().field(column).name().clone();
                let keys: Vec<&str> = roles.keys.iter().map(|key| key.name.as_str()).collect();
                serde_json::json!({
                    "name": file.source.name, "rows": file.rows(), "bytes": file.bytes,
                    "amount": name(roles.amount), "owner": roles.owner.map(name), "group": keys,
                })
            })
            .collect();
        let options: serde_json::Map<_, _> =
            options.provenance().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        HashMap::from([
            ("concentra.schema_version".into(), results::SCHEMA_VERSION.into()),
            ("concentra.version".into(), env!("CARGO_PKG_VERSION").into()),
            ("concentra.options".into(), serde_json::Value::Object(options).to_string()),
            ("concentra.inputs".into(), serde_json::Value::Array(inputs).to_string()),
        ])
    }
}

fn open(source: Source, options: &Options) -> Result<(InputFile, Roles)> {
    let file = InputFile::open(source)?;
    let roles = roles::assign(&file.source, file.schema(), options)?;
    Ok((file, roles))
}

/// Signs that a column holds something else than amounts.
fn suspicions(rows: &[Row], groups: &Groups, schema: &GroupSchema) -> Vec<String> {
    let name = |id: usize| format!("group {}", schema.show(&groups.keys[id]));
    let find = |suspicious: &dyn Fn(&Row, &MeasuredRow) -> bool| -> Vec<String> {
        let measured =
            rows.iter().enumerate().filter_map(|(id, row)| Some((id, row, row.measured.as_ref()?)));
        measured.filter(|(_, row, m)| suspicious(row, m)).map(|(id, _, _)| name(id)).collect()
    };
    let mut warnings = Vec::new();
    let dominated =
        find(&|row, m| row.counts.holders > 2 && U320::from(key::value(m.largest)) << 1 > m.total);
    if !dominated.is_empty() {
        warnings.push(format!("{} one amount above all others together; is it a balance?", have(&dominated)));
    }
    let huge = find(&|_, m| m.total.bit_len() > 128);
    if !huge.is_empty() {
        warnings.push(format!("{} a total above 2^128; are these amounts, not ids?", have(&huge)));
    }
    warnings
}

/// `a has`, or `3 groups (a, b, …) have`.
fn have<S: AsRef<str>>(names: &[S]) -> String {
    match names {
        [one] => format!("{} has", one.as_ref()),
        [a, b] => format!("{} and {} have", a.as_ref(), b.as_ref()),
        [first, ..] => format!("{} and {} others have", first.as_ref(), names.len() - 1),
        [] => String::new(),
    }
}

/// The first few, and how many more.
fn some(messages: &[String]) -> Vec<String> {
    const SHOWN: usize = 3;
    let mut out: Vec<String> = messages.iter().take(SHOWN).cloned().collect();
    if messages.len() > SHOWN {
        out.push(format!("… and the same for {} more files", messages.len() - SHOWN));
    }
    out
}
