//! From paths to keys side by side by group: input → columns → groups.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::columns;
use crate::engine::{self, Measured};
use crate::error::{Error, Result};
use crate::groups::chunk::{self, Chunk, Reading, Task};
use crate::groups::registry::Registry;
use crate::groups::schema::GroupSchema;
use crate::groups::worker::{Distinct, Workers};
use crate::groups::{self, Column, Groups};
use crate::input::file::InputFile;
use crate::input::roles::{self, Encoding, KeyColumn, KeySource, Roles};
use crate::input::{Source, discover};
use crate::numbers::wide::U320;
use crate::options::{Options, Owners, Snapshot};
use crate::progress::Progress;
use crate::record::{Recorder, Stage};
use crate::results;

/// The opened files and what their columns are.
pub struct Ingest {
    /// By name.
    pub files: Vec<InputFile>,
    /// Of each file.
    pub roles: Vec<Roles>,
    /// The group columns of all files.
    pub schema: GroupSchema,
    notes: Vec<String>,
}

/// What an analysis may look at while it runs.
pub struct Context<'a> {
    /// Takes what ran where.
    pub recorder: &'a Recorder,
    /// Whether the user wants to stop.
    pub interrupted: &'a (dyn Fn() -> bool + Sync),
    /// Shows how far the work is.
    pub progress: &'a Progress,
}

/// All rows in their groups.
pub struct Gathered {
    /// The groups.
    pub groups: Groups,
    /// Their keys and totals.
    pub column: Column,
    tasks: Vec<Task>,
    registry: Registry,
}

impl Ingest {
    /// Opens the files behind the paths and finds out what their columns are. No page is read.
    pub fn open(options: &Options, interrupted: &(dyn Fn() -> bool + Sync)) -> Result<Self> {
        let (sources, notes) = discover(&options.paths, interrupted)?;
        Ok(Self { notes, ..Self::of(sources, options)? })
    }

    /// The same for files that are found already.
    pub fn of(sources: Vec<Source>, options: &Options) -> Result<Self> {
        let opened: Vec<Result<(InputFile, Roles)>> =
            sources.into_par_iter().map(|source| open(source, options)).collect();
        let (files, roles): (Vec<_>, Vec<_>) =
            opened.into_iter().collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let schema = GroupSchema::unite(&files, &roles);
        Ok(Self { files, roles, schema, notes: vec![] })
    }

    /// Reads all rows into their groups.
    pub fn gather(&self, options: &Options, context: &Context<'_>) -> Result<Gathered> {
        let tasks = self.tasks();
        let rows = self.files.iter().map(InputFile::rows).fold(0, u64::saturating_add);
        context.progress.start("reading", rows);
        let (registry, mut workers) = (Registry::default(), Workers::default());
        let decimals = self.decimals().filter(|_| options.owners == Owners::Trust);
        // A damaged footer may promise more rows than there is memory: they are then read without slots, and found out.
        let wanted = if self.fits_slots(options) { usize::try_from(rows).unwrap_or(0) } else { 0 };
        let mut slots = bytemuck::try_zeroed_vec(wanted).unwrap_or_default();
        let of_rows = Slots { decimals, of_rows: &mut slots };
        let (chunks, of_task) = self.read(&tasks, &registry, &workers, of_rows, options, context)?;
        let (groups, mut column) = context.recorder.time(Stage::Group, "all", rows, 0, || {
            let keep_zeros = options.owners != Owners::Trust;
            let mut groups = groups::unite(&registry, &mut workers, of_task, &self.schema, keep_zeros)?;
            let column = groups::gather(chunks, &mut groups, workers, options.owners, &self.files)?;
            Ok::<_, Error>((groups, column))
        })?;
        column.scratch = slots;
        Ok(Gathered { groups, column, tasks, registry })
    }

    /// Whether the amounts of some rows, as they are read, fit a word: doubles do, and keys.
    fn fits_slots(&self, options: &Options) -> bool {
        let doubles = self.roles.iter().any(|roles| roles.encoding == Encoding::Double);
        options.owners == Owners::Trust && (doubles || self.decimals().is_some())
    }

    /// The decimals of all amounts, where the types of all files tell.
    fn decimals(&self) -> Option<u8> {
        let of_file = |(file, roles): (&InputFile, &Roles)| {
            columns::decimals(file.schema().field(roles.amount).data_type())
        };
        let mut of_files = self.files.iter().zip(&self.roles).map(of_file);
        let first = of_files.next()??;
        of_files.all(|other| other == Some(first)).then_some(first)
    }

    /// What to read, in the order of files and rows.
    fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        for (file, input) in self.files.iter().enumerate() {
            let mut first_row = 0;
            if input.row_groups().len() == 0 {
                tasks.push(Task { file, row_group: None, first_row, rows: 0 });
            }
            for (row_group, rows) in input.row_groups().enumerate() {
                tasks.push(Task { file, row_group: Some(row_group), first_row, rows });
                first_row += rows as u64;
            }
        }
        tasks
    }

    /// Reads tasks in parallel. The error returned is that of the first task in order that fails.
    fn read<'s>(
        &self,
        tasks: &[Task],
        registry: &Registry,
        workers: &Workers,
        slots: Slots<'s>,
        options: &Options,
        context: &Context<'_>,
    ) -> Result<(Vec<Chunk<'s>>, Vec<Distinct>)> {
        let Slots { decimals, of_rows } = slots;
        let (files, roles, schema) = (&self.files[..], &self.roles[..], &self.schema);
        let interrupted = context.interrupted;
        let reading = Reading { files, roles, schema, options, decimals, registry, interrupted };
        let failed = AtomicUsize::new(usize::MAX);
        let mut rest = of_rows;
        let of_tasks: Vec<&mut [u64]> = tasks
            .iter()
            .map(|task| {
                let rows = task.rows.min(rest.len());
                let (own, tail) = std::mem::take(&mut rest).split_at_mut(rows);
                rest = tail;
                own
            })
            .collect();
        let chunks: Vec<Option<Result<(Chunk<'_>, Distinct)>>> = tasks
            .par_iter()
            .zip(of_tasks)
            .enumerate()
            .map(|(i, (task, slots))| {
                if i > failed.load(Ordering::Relaxed) {
                    return None;
                }
                let chunk = read_one(&reading, task, slots, workers, context);
                if chunk.is_err() {
                    failed.fetch_min(i, Ordering::Relaxed);
                }
                Some(chunk)
            })
            .collect();
        // A task is only left out after one before it failed, so the error comes first.
        let chunks: Vec<(Chunk<'_>, Distinct)> = chunks.into_iter().flatten().collect::<Result<_>>()?;
        Ok(chunks.into_iter().unzip())
    }

    /// Reads the exact amounts of undecided groups again and decides their counts. All at once: one group's rows may
    /// lie anywhere.
    pub fn settle(
        &self,
        gathered: &Gathered,
        undecided: &mut [(usize, Measured)],
        options: &Options,
        context: &Context<'_>,
    ) -> Result<()> {
        let Gathered { groups, column, tasks, registry } = gathered;
        let mut wanted = vec![false; groups.keys.len()];
        undecided.iter().for_each(|&(id, _)| wanted[id] = true);
        let is_wanted = |&number: &u32| wanted[groups.ranks[number as usize] as usize];
        let has_wanted = |groups: &Distinct| groups.as_ref().is_none_or(|ids| ids.iter().any(is_wanted));
        let again: Vec<Task> = tasks
            .iter()
            .zip(&groups.of_task)
            .filter(|(_, ids)| has_wanted(ids))
            .map(|(task, _)| *task)
            .collect();
        let (chunks, _) =
            self.read(&again, registry, &Workers::default(), Slots::default(), options, context)?;
        if registry.keys() > groups.keys.len() {
            return Err(changed("of rows that are new".into()));
        }
        let work = || groups::exact_amounts(&chunks, groups, options.owners, &self.files, &wanted);
        let exact = context.recorder.time(Stage::Ties, "all", undecided.len() as u64, 0, work);
        // What was an amount when it was read first is none any more.
        let mut exact = exact.map_err(|_| changed("of rows that are new".into()))?;
        for (id, measured) in undecided {
            let mut amounts = exact.remove(&(*id as u32)).unwrap_or_default();
            let total = amounts.iter().fold(U320::ZERO, |sum, &a| sum + U320::from(a));
            if total != column.totals[*id].amount {
                return Err(changed(self.schema.show(&groups.keys[*id])));
            }
            engine::settle(measured, &mut amounts);
        }
        Ok(())
    }

    /// What the files themselves give reason to say.
    pub fn warnings(&self, options: &Options) -> Vec<String> {
        let mut warnings = self.notes.clone();
        let rows: u64 = self.files.iter().map(InputFile::rows).sum();
        let empty: Vec<&str> =
            self.files.iter().filter(|f| f.rows() == 0).map(|f| f.source.shown.as_str()).collect();
        if rows == 0 {
            warnings.push("the input has no rows".into());
        } else if !empty.is_empty() {
            warnings.push(format!("{} no rows", have(&empty, empty.len())));
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

    /// Each file's roles in words.
    pub fn describe(&self) -> Vec<String> {
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
    pub fn provenance(&self, options: &Options) -> HashMap<String, String> {
        let inputs: Vec<serde_json::Value> = self
            .files
            .iter()
            .zip(&self.roles)
            .map(|(file, roles)| {
                let name = |column: usize| file.schema().field(column).name().clone();
                let key = |key: &KeyColumn| {
                    let from = match key.source {
                        KeySource::Column(_) => "column",
                        KeySource::Hive(_) => "folder",
                        KeySource::Stem => "file name",
                    };
                    serde_json::json!({ "role": key.role(options), "name": key.name, "from": from })
                };
                let keys: Vec<_> = roles.keys.iter().map(key).collect();
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

/// Words for the rows of some tasks, where their amounts fit; none where exact amounts are needed as they are.
#[derive(Default)]
struct Slots<'s> {
    /// Of all amounts, where their types tell: they become keys at once.
    decimals: Option<u8>,
    of_rows: &'s mut [u64],
}

fn read_one<'s>(
    reading: &Reading<'_>,
    task: &Task,
    slots: &'s mut [u64],
    workers: &Workers,
    context: &Context<'_>,
) -> Result<(Chunk<'s>, Distinct)> {
    let (file, roles) = (&reading.files[task.file], &reading.roles[task.file]);
    let roots = chunk::projection(reading.schema, task.file, roles, reading.options);
    let rows = task.rows as u64;
    let bytes = task.row_group.map_or(0, |row_group| file.column_bytes(row_group, &roots));
    let read = move || workers.with(task.file, move |worker| chunk::read(reading, task, slots, worker));
    let chunk = context.recorder.time(Stage::Read, &file.source.name, rows, bytes, read);
    context.progress.add(rows);
    chunk
}

fn changed(group: String) -> Error {
    Error::Group {
        group,
        problem: "its amounts changed between two reads".into(),
        remedy: "run again when the files are no longer written to".into(),
    }
}

fn open(source: Source, options: &Options) -> Result<(InputFile, Roles)> {
    let file = InputFile::open(source)?;
    if file.is_result() && options.amount.is_none() {
        return Err(Error::Schema {
            file: file.source.shown,
            problem: "this is a result of concentra, not a snapshot; keep results out of the folder, or name a column \
                      with --amount"
                .into(),
        });
    }
    let roles = roles::assign(&file.source, file.schema(), options)?;
    Ok((file, roles))
}

/// `a has`, `a and b have`, `a and 3 others have`, of `all` that are named by their first two at most.
pub fn have<S: AsRef<str>>(names: &[S], all: usize) -> String {
    match names {
        [one] => format!("{} has", one.as_ref()),
        [a, b] if all == 2 => format!("{} and {} have", a.as_ref(), b.as_ref()),
        [first, ..] => format!("{} and {} others have", first.as_ref(), all - 1),
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
