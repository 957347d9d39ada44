//! From paths to keys side by side by group: input → columns → groups.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::columns;
use crate::error::{Error, Result};
use crate::groups::chunk::{self, Chunk, Reading, Task};
use crate::groups::registry::Registry;
use crate::groups::sample::{Sample, Sampler};
use crate::groups::scatter::scatter;
use crate::groups::schema::GroupSchema;
use crate::groups::worker::{Distinct, Workers};
use crate::groups::{self, Column, Groups};

use crate::input::file::InputFile;
use crate::input::roles::{self, Encoding, KeyColumn, KeySource, Roles};
use crate::input::{Source, discover};
use crate::memory::Bounds;
use crate::options::{By, Options, Owners, Snapshot};
use crate::population::Population;
use crate::progress::Progress;
use crate::record::{self, Recorder, Stage, Volume};
use crate::results;
use crate::spill::Spill;

mod by_owner;
mod hold;
mod lost;
mod passes;
mod players;
mod rewards;
mod settle;
mod sieve;
mod spilled;
mod through;

pub use hold::{Hold, Ranked};
use lost::Faults;
pub use lost::{Absent, Lost};
pub use players::{OF_PLAYER, Player};
pub use rewards::{Earner, Earners, Earnings};
pub use spilled::{Part, Spilled};

/// The opened files and what their columns are.
pub struct Ingest {
    /// By name.
    pub files: Vec<InputFile>,
    /// Of each file.
    pub roles: Vec<Roles>,
    /// The group columns of all files.
    pub schema: GroupSchema,
    /// Who is counted.
    pub population: Arc<Population>,
    /// Whether contracts are looked through.
    looks_through: bool,
    notes: Vec<String>,
    /// What a result says of its making, where the files are themselves made of others.
    said: Option<HashMap<String, String>>,
    /// Files that cannot be used, where the others are gone on with.
    pub lost: Vec<Lost>,
    /// Whether no file at all is a result, too: others are analyzed elsewhere.
    pub may_be_empty: bool,
    /// What else went wrong, where that is of interest.
    faults: Option<Faults>,
}

/// What an analysis may look at while it runs.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Takes what ran where.
    pub recorder: &'a Recorder,
    /// Whether the user wants to stop.
    pub interrupted: &'a (dyn Fn() -> bool + Sync),
    /// Shows how far the work is.
    pub progress: &'a Progress,
}

/// What is known of all rows once they were read.
pub struct Counted {
    /// Their groups.
    pub groups: Groups,
    tasks: Vec<Task>,
    registry: Registry,
    samples: Vec<Sample>,
}

impl Ingest {
    /// Opens the files behind the paths and finds out what their columns are. No page is read.
    pub fn open(options: &Options, context: &Context<'_>) -> Result<Self> {
        Self::open_for(Population::load(options)?, options, context)
    }

    /// The same for a population that is known already.
    pub fn open_for(population: Population, options: &Options, context: &Context<'_>) -> Result<Self> {
        let (sources, notes) =
            discover(&options.paths, &options.tables, options.temp_dir.as_deref(), context.interrupted)?;
        let population = Arc::new(population);
        Ok(Self { notes, ..Self::of(sources, population, options, context)? })
    }

    /// The same for files that are found already.
    pub fn of(
        sources: Vec<Source>,
        population: Arc<Population>,
        options: &Options,
        context: &Context<'_>,
    ) -> Result<Self> {
        let opened: Vec<(Source, Opening)> =
            sources.into_par_iter().map(|source| (source.clone(), open(source, options, context))).collect();
        let (mut files, mut roles, mut lost) = (vec![], vec![], vec![]);
        for (source, opened) in opened {
            match opened {
                Ok((file, of_file)) => {
                    files.push(file);
                    roles.push(of_file);
                }
                Err(unusable) if options.keep_going => lost.push((source, unusable)),
                Err((error, _)) => return Err(error),
            }
        }
        if files.is_empty() && !lost.is_empty() {
            return Err(lost.swap_remove(0).1.0);
        }
        // Files of no use may have group columns all the same: their types count, so that their groups are known.
        let keys =
            |file: &InputFile| roles::find(&file.source, file.schema(), options).keys.unwrap_or_default();
        let of_lost: Vec<Vec<KeyColumn>> =
            lost.iter().map(|(_, (_, file))| file.as_deref().map(keys).unwrap_or_default()).collect();
        let useful = files.iter().zip(&roles).map(|(file, roles)| (file, &roles.keys[..]));
        let known = lost.iter().zip(&of_lost).filter_map(|((_, (_, file)), keys)| {
            Some((file.as_deref()?, &keys[..])).filter(|_| !keys.is_empty() || options.by == By::Nothing)
        });
        let all: Vec<(&InputFile, &[KeyColumn])> = useful.chain(known).collect();
        let schema = GroupSchema::unite(&all);
        let mut next = files.len();
        let lost = lost.into_iter().zip(&of_lost).map(|((source, (error, file)), keys)| {
            let known = file.filter(|_| !keys.is_empty() || options.by == By::Nothing);
            let opened = known.map(|file| {
                next += 1;
                (schema.part(&[next - 1]), *file)
            });
            Lost::unread(source, &error, opened)
        });
        let lost: Vec<Lost> = lost.collect();
        let schema = schema.part(&(0..files.len()).collect::<Vec<_>>());
        let looks_through = options.look_through.is_some();
        let faults = options.keep_going.then(Faults::default);
        Ok(Self {
            files,
            roles,
            schema,
            population,
            looks_through,
            notes: vec![],
            said: None,
            lost,
            may_be_empty: false,
            faults,
        })
    }

    /// Whether a group column tells snapshots apart: by its role, or by its name where --by names columns.
    pub fn is_snapshot(&self, column: usize, options: &Options) -> bool {
        let name = self.schema.fields[column].name();
        match options.by {
            By::Columns(_) => match &options.snapshot {
                Snapshot::Column(column) => name.eq_ignore_ascii_case(column),
                _ => roles::is_snapshot(name),
            },
            _ => {
                let mut keys = self.roles.iter().flat_map(|roles| &roles.keys);
                keys.any(|key| key.name.eq_ignore_ascii_case(name) && key.order.0 == 0)
            }
        }
    }

    /// The same with some of its files, in this order; the group columns stay those of all.
    pub fn part(&self, files: &[usize]) -> Self {
        Self {
            files: files.iter().map(|&file| self.files[file].clone()).collect(),
            roles: files.iter().map(|&file| self.roles[file].clone()).collect(),
            schema: self.schema.part(files),
            population: Arc::clone(&self.population),
            looks_through: self.looks_through,
            notes: self.notes.clone(),
            said: self.said.clone(),
            lost: self.lost.clone(),
            may_be_empty: self.may_be_empty,
            faults: self.faults.as_ref().map(|_| Faults::default()),
        }
    }

    /// Reads all rows into their groups, so many at most.
    pub fn gather(&self, most: usize, options: &Options, context: &Context<'_>) -> Result<(Counted, Column)> {
        if options.owners != Owners::Trust || options.cuts() {
            return self.gather_counted(most, options, context);
        }
        self.gather_rows(most, false, options, context)
    }

    /// The same where each row is a holder; wishes what keys leave out of amounts too.
    fn gather_rows(
        &self,
        most: usize,
        with_rests: bool,
        options: &Options,
        context: &Context<'_>,
    ) -> Result<(Counted, Column)> {
        let tasks = self.tasks();
        let rows = self.rows();
        context.progress.start("reading", rows);
        let (registry, mut workers) = (Registry::new(most), Workers::default());
        // What becomes a key at once leaves its rest behind.
        let decimals = self.decimals().filter(|_| !with_rests);
        // A damaged footer may promise more rows than there is memory: they are then read without slots, and found out.
        let slots = if with_rests { self.has_doubles() } else { self.fits_slots() };
        let wanted = if slots { usize::try_from(rows).unwrap_or(0) } else { 0 };
        let mut slots = bytemuck::try_zeroed_vec(wanted).unwrap_or_default();
        let sampler = Sampler::of(rows);
        let reading = self.reading(&registry, options.owners, options, context);
        let reading = Reading { decimals, sampler: Some(&sampler), prices: true, ..reading };
        let (chunks, of_task) = self.read(&tasks, &reading, &workers, &mut slots, context)?;
        let (groups, mut column) = context.recorder.time(Stage::Group, "all", Volume::rows(rows), || {
            let groups = groups::unite(&registry, &mut workers, of_task, &self.schema, options)?;
            let column = scatter(chunks, &groups, with_rests, workers, &self.files)?;
            Ok::<_, Error>((groups, column))
        })?;
        column.scratch = slots;
        Ok((Counted { groups, tasks, registry, samples: sampler.samples() }, column))
    }

    /// The same in two readings, all in memory, where holders are to be known before they have keys.
    fn gather_counted(
        &self,
        most: usize,
        options: &Options,
        context: &Context<'_>,
    ) -> Result<(Counted, Column)> {
        let spill = Spill::new(None, u64::MAX);
        let mut counted = self.count(most, options, context)?;
        let spilled = self.spill(&mut counted, Bounds::NONE, &spill, options, context)?;
        let offsets = counted.groups.offsets();
        let (mut keys, mut totals) = (vec![], vec![]);
        for part in spilled.parts() {
            let Part::Groups(groups, partition) = part else { unreachable!("there are no bounds to cut by") };
            (keys, totals) = spilled.groups(&groups, partition, &offsets)?;
        }
        Ok((counted, Column { keys, offsets, totals, scratch: vec![], rests: None }))
    }

    /// Bytes of memory that rows take while they are gathered and sorted, at most. Measured: 16 to 25 for words, 29 to
    /// 45 for amounts as they are, and some 70 with owners of 20 bytes.
    pub fn bytes(&self, options: &Options) -> u64 {
        let of_row = match options.owners {
            _ if self.looks_through => through::OF_HOLDER,
            Owners::Merge | Owners::Check => 80 + self.owner_bytes(),
            Owners::Trust if self.fits_slots() => 26,
            Owners::Trust => 50,
        };
        let of_cuts = if options.top_holders.is_some() { 80 } else { 0 };
        self.rows().saturating_mul(of_row + of_cuts)
    }

    /// Bytes of an owner on average, as far as footers tell: a dictionary says less than its rows have.
    fn owner_bytes(&self) -> u64 {
        let of_file =
            |(file, roles): (&InputFile, &Roles)| roles.owner.map_or(0, |owner| file.plain_bytes(owner));
        let bytes: u64 = self.files.iter().zip(&self.roles).map(of_file).sum();
        (bytes / self.rows().max(1)).max(24)
    }

    /// All rows, by the footers.
    fn rows(&self) -> u64 {
        self.files.iter().map(InputFile::rows).fold(0, u64::saturating_add)
    }

    /// Whether the amounts of some rows, as they are read, fit a word: doubles do, and keys.
    fn fits_slots(&self) -> bool {
        self.has_doubles() || self.decimals().is_some()
    }

    fn has_doubles(&self) -> bool {
        self.roles.iter().any(|roles| roles.encoding == Encoding::Double)
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

    /// Reads tasks in parallel.
    fn read<'s>(
        &self,
        tasks: &[Task],
        reading: &Reading<'_>,
        workers: &Workers,
        slots: &'s mut [u64],
        context: &Context<'_>,
    ) -> Result<(Vec<Chunk<'s>>, Vec<Distinct>)> {
        let mut rest = slots;
        let of_tasks: Vec<&mut [u64]> = tasks
            .iter()
            .map(|task| {
                let rows = task.rows.min(rest.len());
                let (own, tail) = std::mem::take(&mut rest).split_at_mut(rows);
                rest = tail;
                own
            })
            .collect();
        let chunks = in_order(tasks.par_iter().zip(of_tasks), self.faults.as_ref(), |(task, slots)| {
            let read =
                move || workers.with(task.file, move |worker| chunk::read(reading, task, slots, worker));
            recorded(reading, task, Stage::Read, context, read)
        })?;
        Ok(chunks.into_iter().unzip())
    }

    /// What tasks are read with.
    fn reading<'a>(
        &'a self,
        registry: &'a Registry,
        owners: Owners,
        options: &'a Options,
        context: &'a Context<'_>,
    ) -> Reading<'a> {
        Reading {
            files: &self.files,
            roles: &self.roles,
            schema: &self.schema,
            options,
            owners,
            decimals: None,
            prices: false,
            rewards: false,
            sampler: None,
            population: &self.population,
            registry,
            interrupted: context.interrupted,
        }
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
        warnings.extend(self.population.warnings());
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

    /// The same where the files are made of others: what a result says of its making, and what there is to tell.
    pub fn made_of(self, said: HashMap<String, String>, notes: Vec<String>) -> Self {
        Self { said: Some(said), notes, ..self }
    }

    /// What a result file says of its making: only what decides its numbers.
    pub fn provenance(&self, options: &Options) -> HashMap<String, String> {
        if let Some(said) = &self.said {
            return said.clone();
        }
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
        let mut options: serde_json::Map<_, _> =
            options.provenance().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        options
            .extend(self.population.provenance().into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut provenance = HashMap::from([
            ("concentra.schema_version".into(), results::SCHEMA_VERSION.into()),
            ("concentra.version".into(), env!("CARGO_PKG_VERSION").into()),
            ("concentra.options".into(), serde_json::Value::Object(options).to_string()),
            ("concentra.inputs".into(), serde_json::Value::Array(inputs).to_string()),
        ]);
        if !self.lost.is_empty() {
            let lost = self
                .lost
                .iter()
                .map(|lost| serde_json::json!({ "name": lost.source.name, "problem": lost.problem }));
            provenance.insert("concentra.lost".into(), serde_json::Value::Array(lost.collect()).to_string());
        }
        provenance
    }
}

/// Does tasks in parallel. The error returned is that of the first task in order that fails; those of all others go to
/// `faults`, where there is interest in them.
fn in_order<T: Send, D: Send>(
    tasks: impl IndexedParallelIterator<Item = T>,
    faults: Option<&Faults>,
    work: impl Fn(T) -> Result<D> + Sync,
) -> Result<Vec<D>> {
    let failed = AtomicUsize::new(usize::MAX);
    let done: Vec<Option<Result<D>>> = tasks
        .enumerate()
        .map(|(i, task)| {
            if i > failed.load(Ordering::Relaxed) {
                return None;
            }
            let done = work(task);
            if let Err(error) = &done
                && (faults.is_none() || matches!(error, Error::Interrupted))
            {
                failed.fetch_min(i, Ordering::Relaxed);
            }
            Some(done)
        })
        .collect();
    // A task is only left out after one before it failed, so the error comes first.
    let mut done = done.into_iter().flatten();
    let all: Result<Vec<D>> = done.by_ref().collect();
    if let Some(faults) = faults {
        done.filter_map(Result::err).for_each(|error| faults.push(error));
    }
    all
}

/// Reads one task and takes note of it.
fn recorded<T>(
    reading: &Reading<'_>,
    task: &Task,
    stage: Stage,
    context: &Context<'_>,
    read: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let file = &reading.files[task.file];
    let roots = chunk::projection(reading, task.file);
    let rows = task.rows as u64;
    let bytes = task.row_group.map_or(0, |row_group| file.column_bytes(row_group, &roots));
    let (name, volume) = (&file.source.shown, Volume::new(rows, bytes, 0));
    let read = context.recorder.time(stage, record::Task::of_file(name, task.row_group), volume, read);
    context.progress.add(rows);
    read
}

/// Why a file is of no use, and the file where it could be opened.
type Unusable = (Error, Option<Box<InputFile>>);

/// A file and its roles, or neither.
type Opening = Result<(InputFile, Roles), Unusable>;

/// Opens a file and takes note of it.
fn open(source: Source, options: &Options, context: &Context<'_>) -> Opening {
    let task = record::Task::of_file(&source.shown, None);
    let mut opened = None;
    let open = || {
        let file = opened.insert(InputFile::open(source)?);
        if file.is_result() && options.amount.is_none() {
            return Err(Error::Schema {
                file: file.source.shown.clone(),
                problem: "this is a result of concentra, not a snapshot; keep results out of the folder, or name a \
                          column with --amount"
                    .into(),
            });
        }
        roles::assign(&file.source, file.schema(), options)
    };
    match (context.recorder.time(Stage::Open, task, Volume::default(), open), opened) {
        (Ok(roles), Some(file)) => Ok((file, roles)),
        (Err(error), file) => Err((error, file.map(Box::new))),
        (Ok(_), None) => unreachable!("roles are those of an opened file"),
    }
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
