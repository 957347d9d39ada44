//! `-o DIR/`: results as a Parquet dataset whose parts are finished one by one, so that a batch can be stopped at any
//! moment and gone on with.
//!
//! Input files that can share groups are measured together; every such set is in one part. A part takes its name when it
//! is whole, and only then the manifest its line, so reading all parts gives each row once, whatever happens.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, RecordBatch};
use hashbrown::HashSet;
use serde_json::{Map, Value};

use crate::analyze::{Analysis, Beside, NO_COHORT, NOBODY_LOOKED_THROUGH, analyze_files, check, cohorts};
use crate::choose::Opened;
use crate::cli::Format;
use crate::error::{Error, Result};
use crate::groups::extent::{Extent, encoded};
use crate::ingest::{Context, Ingest, Lost};
use crate::input::file::InputFile;
use crate::input::{Source, fixed_part};
use crate::numbers::digest::digest;
use crate::options::{Exclusion, Options};
use crate::output::{Output, TEMPORARY, table::Look};
use crate::progress::Progress;
use crate::record::{Stage, Volume};

pub mod manifest;
mod packs;

use manifest::{Manifest, Part, is_part};
use packs::{Overlaps, packs};

const LOCK: &str = "_lock";

/// What a batch came to.
#[derive(Debug, Default)]
pub struct Batch {
    /// Groups in the folder.
    pub rows: u64,
    /// Parts that were there already.
    pub kept: usize,
    /// Parts that were made now.
    pub made: usize,
    /// Parts that were there, and are made of inputs that changed or are gone.
    pub removed: usize,
    /// What the user should know, in full sentences.
    pub warnings: Vec<String>,
    /// Files that could not be used, why, and the groups that are absent for it.
    pub lost: Vec<String>,
    /// How many files those are.
    pub lost_files: usize,
    /// What computed and why, where devices were looked at.
    pub device: Option<String>,
}

/// Whether results written to this path are a dataset.
pub fn is_folder(path: &Path) -> bool {
    path.to_string_lossy().ends_with('/') || path.is_dir()
}

/// What one part is made from.
struct Pack {
    /// The part's name.
    name: String,
    /// Of all that it is made from.
    digest: String,
    files: Vec<usize>,
    /// Files that were never opened, which its groups may need.
    lost: Vec<usize>,
    rows: u64,
}

/// Analyzes the snapshots behind `options.paths` into a folder: only what is missing there, or changed.
pub fn analyze_into(
    folder: &Path,
    overwrite: bool,
    options: &Options,
    context: &Context<'_>,
) -> Result<Batch> {
    check(options)?;
    keep_apart(folder, options)?;
    let mut ingest = Ingest::open(options, context)?;
    let ranges = Ranges::of(&ingest, options)?;
    let packs = plan(&mut ingest, &ranges, options)?;
    let (opened, cohorts) = (Opened::default(), cohorts(options)?);
    let beside = Beside { opened: &opened, cohorts: cohorts.as_ref() };
    opened.prepare(&options.device)?;
    let mut folder = Folder::open(folder, overwrite, made_by(&ingest, options))?;
    let (missing, removed) = folder.keep(&packs)?;
    let mut batch = Batch { kept: packs.len() - missing.len(), removed, ..Batch::default() };
    // One bar for all parts, not several for each.
    let hidden = Progress::hidden();
    context.progress.start("analyzing", missing.iter().map(|pack| pack.rows).sum());
    let mut warnings: Vec<(String, usize)> = vec![];
    // Statistics may be wrong that were right about fewer files.
    let kept = packs.iter().filter(|pack| missing.iter().all(|other| other.name != pack.name));
    if !missing.is_empty() {
        for pack in kept {
            let keys = folder.part(pack, ingest.schema.fields.len())?;
            ranges.check(&keys, &pack.files, &ingest).map_err(|error| folder.stopped(error, packs.len()))?;
        }
    }
    for pack in missing {
        let mut part = ingest.part(&pack.files);
        part.may_be_empty = true;
        part.lost = pack.lost.iter().map(|&lost| ingest.lost[lost].clone()).collect();
        let recorder = context.recorder.like();
        let own = Context { progress: &hidden, recorder: &recorder, ..*context };
        let made = analyze_files(part, options, &own, beside).and_then(|analysis| {
            if (context.interrupted)() {
                return Err(Error::Interrupted);
            }
            let of_groups = |batch: RecordBatch| batch.columns()[..analysis.results.group_columns].to_vec();
            let keys = analysis.results.batches().map(|batch| batch.map(of_groups));
            ranges.check(&keys.collect::<Result<Vec<_>>>()?, &pack.files, &ingest)?;
            let volume = Volume::rows(analysis.results.rows() as u64);
            recorder.time(Stage::Write, "results", volume, || folder.add(pack, &analysis))?;
            Ok(analysis)
        });
        context.recorder.append(&recorder, &format!("{}:", pack.name));
        let analysis = made.map_err(|error| folder.stopped(error, packs.len()))?;
        batch.made += 1;
        batch.device = batch.device.or(analysis.device);
        for warning in analysis.warnings {
            match warnings.iter_mut().find(|(other, _)| *other == warning) {
                Some((_, times)) => *times += 1,
                None => warnings.push((warning, 1)),
            }
        }
        context.progress.add(pack.rows);
    }
    let silent = |lost: &&Lost| folder.manifest.parts.iter().all(|part| !part.tells(&lost.source.shown));
    let told = |lost: &Lost| match lost.alone {
        Some(true) => lost.line("its groups are unknown, and taken for its own: no other files share one"),
        _ => lost.line("no group of the others needs it"),
    };
    let silent = ingest.lost.iter().filter(silent);
    folder.manifest.lost = silent.map(|lost| (lost.source.shown.clone(), told(lost))).collect();
    folder.manifest.write(&folder.path).map_err(|error| folder.stopped(error, packs.len()))?;
    // That nobody is there can be said where it is so in all parts.
    warnings.retain(|(warning, times)| {
        *times == packs.len() || ![NO_COHORT, NOBODY_LOOKED_THROUGH].contains(&&warning[..])
    });
    batch.warnings = ingest.warnings(options);
    batch.warnings.extend(warnings.into_iter().map(|(warning, _)| warning));
    let parts = &folder.manifest.parts;
    batch.rows = parts.iter().map(|part| part.rows).sum();
    let mut lost: Vec<(String, String)> = parts.iter().flat_map(|part| part.lost.iter().cloned()).collect();
    lost.extend(folder.manifest.lost.iter().cloned());
    lost.sort();
    lost.dedup();
    batch.lost_files = lost.iter().map(|(file, _)| file).collect::<HashSet<_>>().len();
    batch.lost = lost.into_iter().map(|(_, line)| line).collect();
    Ok(batch)
}

/// Refuses inputs that cannot be told apart from results, or known again.
fn keep_apart(folder: &Path, options: &Options) -> Result<()> {
    let usage = |problem: String| Err(Error::Usage(problem));
    if options.paths.iter().any(|path| path == "-") {
        return usage("standard input cannot be gone on with; give -o a file, or the input a name".into());
    }
    if options.rewards.is_some() {
        // Parts would miss the groups of others in it.
        return usage("--rewards: give -o a file, not a folder".into());
    }
    // A folder that is not there yet lies where its parent does.
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = |parent: PathBuf| parent.join(folder.file_name().unwrap_or_default());
    let Ok(real) = folder.canonicalize().or_else(|_| parent.canonicalize().map(named)) else { return Ok(()) };
    for path in &options.paths {
        let there = Path::new(path).canonicalize().or_else(|_| {
            let fixed = fixed_part(path);
            let fixed = if fixed.as_os_str().is_empty() { Path::new(".") } else { &fixed };
            fixed.canonicalize()
        });
        if let Ok(input) = there
            && (real.starts_with(&input) || input.starts_with(&real))
        {
            return usage(format!(
                "{}: results and inputs ({path}) would lie in one folder; name another with -o",
                folder.display()
            ));
        }
    }
    Ok(())
}

/// The version, and the options that decide numbers.
fn made_by(ingest: &Ingest, options: &Options) -> Map<String, Value> {
    let provenance = ingest.provenance(options);
    let of = |name: &str| Value::from(provenance.get(name).cloned().unwrap_or_default());
    let names = ["concentra.version", "concentra.schema_version", "concentra.options"];
    names.iter().map(|name| (name.trim_start_matches("concentra.").to_owned(), of(name))).collect()
}

/// Which groups files can have rows of.
struct Ranges {
    extents: Vec<Extent>,
    /// Columns by which files are not told apart.
    ignored: Vec<usize>,
    overlaps: Overlaps,
}

impl Ranges {
    fn of(ingest: &Ingest, options: &Options) -> Result<Self> {
        // Who looks through contracts needs the groups of their tokens, too.
        let ignored = if options.look_through.is_some() { ingest.schema.assets() } else { vec![] };
        let extent = |file: usize| Extent::of_file(&ingest.schema, file, &ingest.files[file]);
        let extents = (0..ingest.files.len()).map(|file| Ok(extent(file)?.forgetting(&ignored)));
        let extents: Vec<Extent> = extents.collect::<Result<_>>()?;
        let overlaps = Overlaps::new(&extents);
        Ok(Self { extents, ignored, overlaps })
    }

    fn of_lost(&self, ingest: &Ingest, lost: &Lost) -> Result<Extent> {
        Ok(lost.extent(&ingest.schema, &ingest.files)?.forgetting(&self.ignored))
    }

    /// That no other file can have rows of these groups. Else the statistics in a footer are wrong, and a group may be in
    /// two parts.
    fn check(&self, keys: &[Vec<ArrayRef>], own: &[usize], ingest: &Ingest) -> Result<()> {
        for columns in keys {
            let values = encoded(columns)?;
            let stranger = (0..values.first().map_or(0, Vec::len)).find_map(|row| {
                let value = |column: usize| &values[column][row][..];
                let mut able = self.overlaps.files(&self.extents, &value);
                able.find(|file| own.binary_search(file).is_err())
            });
            if let Some(stranger) = stranger {
                let name = |file: usize| ingest.files[file].source.shown.clone();
                return Err(Error::Schema {
                    file: name(stranger),
                    problem: format!(
                        "the statistics in its footer, or in one beside {}, are wrong: both can have rows of a group, \
                         and say that they cannot; give -o a file, not a folder",
                        name(own[0])
                    ),
                });
            }
        }
        Ok(())
    }
}

/// The parts to be, in the order of their inputs.
fn plan(ingest: &mut Ingest, ranges: &Ranges, options: &Options) -> Result<Vec<Pack>> {
    let sets = ranges.overlaps.sets(&ranges.extents);
    let of_lost = ingest.lost.iter().map(|lost| ranges.of_lost(ingest, lost));
    let of_lost: Vec<Extent> = of_lost.collect::<Result<_>>()?;
    // Of a file that was never opened, the others tell whether files share groups at all.
    if sets.len() > 1 {
        let known = of_lost.iter().zip(&ingest.lost).filter(|(extent, lost)| !lost.is_unknown(extent));
        let meets = |lost: &Extent| ranges.extents.iter().any(|extent| extent.meets(lost));
        let alone = sets.len() == ingest.files.len() && !known.into_iter().any(|(extent, _)| meets(extent));
        ingest.lost.iter_mut().for_each(|lost| lost.alone = Some(alone));
    }
    let rows: Vec<u64> = ingest.files.iter().map(InputFile::rows).collect();
    let name = |file: usize| ingest.files[file].source.name.clone();
    let side = side_inputs(options);
    let columns: Vec<String> =
        ingest.schema.fields.iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
    let mut names = HashSet::new();
    packs(&sets, name, &rows)
        .into_iter()
        .map(|pack| {
            let mut files: Vec<usize> = sets[pack].concat();
            files.sort_unstable();
            let mut words: Vec<String> = columns.iter().chain(&side).cloned().collect();
            for &file in &files {
                words.push(identity(&ingest.files[file].source));
            }
            let needs = |&lost: &usize| {
                let unknown = ingest.lost[lost].is_unknown(&of_lost[lost]);
                let is_own = unknown && ingest.lost[lost].alone == Some(true);
                !is_own && files.iter().any(|&file| ranges.extents[file].meets(&of_lost[lost]))
            };
            let lost: Vec<usize> = (0..ingest.lost.len()).filter(needs).collect();
            for &lost in &lost {
                let Lost { source, problem, .. } = &ingest.lost[lost];
                words.push(format!("without {} {problem}", identity(source)));
            }
            let digest_of = |words: &[String]| digest(words.iter().map(String::as_bytes));
            // The first file's name, again and again until no other part has it.
            let mut first = vec![name(files[0])];
            let mut name = digest_of(&first);
            while !names.insert(name) {
                first.push(first[0].clone());
                name = digest_of(&first);
            }
            Ok(Pack {
                name: format!("part-{name:016x}.parquet"),
                digest: format!("{:016x}", digest_of(&words)),
                rows: files.iter().map(|&file| rows[file]).sum(),
                files,
                lost,
            })
        })
        .collect()
}

/// Files that all parts are made from.
fn side_inputs(options: &Options) -> Vec<String> {
    let lists = options.exclude.iter().filter_map(|exclusion| match exclusion {
        Exclusion::List(path) => Some(path),
        _ => None,
    });
    let cohorts = options.cohorts.as_ref().map(|(path, _)| path);
    let all = options.labels.iter().chain(lists).chain(cohorts);
    all.map(|path| format!("{} {}", path.display(), Source::named(path).version())).collect()
}

/// What tells a file from what it was, or will be.
fn identity(source: &Source) -> String {
    format!("{} {}", source.name, source.version())
}

/// A folder of results that nobody else writes into.
struct Folder {
    path: PathBuf,
    manifest: Manifest,
    _lock: Lock,
}

/// Held until the process ends, however it does; the number in it is that of the process.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // A number without a lock is no matter.
        let _ = self.0.set_len(0);
    }
}

impl Folder {
    /// Takes a folder, which is made where it is not there.
    fn open(path: &Path, overwrite: bool, made_by: Map<String, Value>) -> Result<Self> {
        if !path.is_dir() {
            fs::create_dir(path).map_err(|e| Error::io("make the folder", path, e))?;
        }
        let _lock = lock(path)?;
        let found = match Manifest::read(path) {
            Err(_) if overwrite => Some(Manifest::default()),
            found => found?,
        };
        refuse_strangers(path, found.is_some())?;
        let fresh = Manifest { made_by, ..Manifest::default() };
        let manifest = match found {
            Some(found) if found.made_by == fresh.made_by && !overwrite => found,
            Some(found) if !overwrite => return Err(Error::Usage(differs(path, &found, &fresh))),
            _ => {
                fresh.write(path)?;
                fresh
            }
        };
        Ok(Self { path: path.to_owned(), manifest, _lock })
    }

    /// Keeps the parts that are what they should be, and removes all others; the packs that are missing, and how many parts
    /// were finished and are none of these any more.
    fn keep<'p>(&mut self, packs: &'p [Pack]) -> Result<(Vec<&'p Pack>, usize)> {
        let whole = |part: &Part| {
            let there = fs::metadata(self.path.join(&part.name)).is_ok_and(|file| file.len() == part.bytes);
            there && !part.again
        };
        let is_kept = |part: &Part| {
            let wanted = packs.iter().any(|pack| pack.name == part.name && pack.digest == part.digest);
            wanted && whole(part)
        };
        let gone = |part: &&Part| packs.iter().all(|pack| pack.name != part.name);
        let removed = self.manifest.parts.iter().filter(gone).count();
        let parts: Vec<Part> = self.manifest.parts.drain(..).filter(is_kept).collect();
        self.manifest.parts = parts;
        // First the manifest forgets them: what it tells of is always there. A last line that was cut short goes, too.
        self.manifest.write(&self.path)?;
        let kept: HashSet<&str> = self.manifest.parts.iter().map(|part| &part.name[..]).collect();
        let failed = |e| Error::io("search the folder", &self.path, e);
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            let temporary = name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1);
            if temporary || (is_part(&name) && !kept.contains(&name[..])) {
                let path = self.path.join(&name);
                fs::remove_file(&path).map_err(|e| Error::io("remove the file", path, e))?;
            }
        }
        Ok((packs.iter().filter(|pack| !kept.contains(&pack.name[..])).collect(), removed))
    }

    /// The group columns of a part that is there.
    fn part(&self, pack: &Pack, columns: usize) -> Result<Vec<Vec<ArrayRef>>> {
        let file = InputFile::open(Source::named(&self.path.join(&pack.name)))?;
        let roots: Vec<usize> = (0..columns).collect();
        let mut keys = vec![];
        for row_group in 0..file.row_groups().len() {
            for batch in file.read(row_group, &roots)? {
                keys.push(batch?.columns().to_vec());
            }
        }
        Ok(keys)
    }

    /// A part that is made: under its name, and then in the manifest.
    fn add(&mut self, pack: &Pack, analysis: &Analysis) -> Result<()> {
        let path = self.path.join(&pack.name);
        let look = Look { color: false, chosen: false, width: None };
        Output::open(Some(&path), Some(Format::Parquet), true)?.write(&analysis.results, &look)?;
        let bytes = fs::metadata(&path).map_err(|e| Error::io("open the file", &path, e))?.len();
        let part = Part {
            name: pack.name.clone(),
            digest: pack.digest.clone(),
            files: pack.files.len() as u64,
            rows: analysis.results.rows() as u64,
            bytes,
            lost: analysis.lost.iter().map(|loss| (loss.file.clone(), loss.line.clone())).collect(),
            again: analysis.lost.iter().any(|loss| loss.was_read),
        };
        self.manifest.append(&self.path, part)
    }

    /// An error with what is finished for all that, and how to go on.
    fn stopped(&self, error: Error, all: usize) -> Error {
        let (done, path) = (self.manifest.parts.len(), self.path.display());
        let mut left = format!("{done} of {all} parts are finished in {path}");
        // Else what is wrong must be mended first.
        if matches!(error, Error::Interrupted | Error::Io { .. } | Error::Spill { .. } | Error::Device { .. })
        {
            left += "; the same command goes on from there";
        }
        match error {
            Error::Interrupted => Error::Stopped { left, source: None },
            other => Error::Stopped { left, source: Some(Box::new(other)) },
        }
    }
}

/// Locks a folder for this process.
fn lock(folder: &Path) -> Result<Lock> {
    let path = folder.join(LOCK);
    let failed = |e| Error::io("lock the folder with", &path, e);
    let mut open = OpenOptions::new();
    let mut file = open.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Who it is helps, and is no matter.
            let _ = file.read_to_string(&mut holder);
            let holder =
                if holder.is_empty() { String::new() } else { format!(" (process {})", holder.trim()) };
            return Err(Error::Usage(format!(
                "{}: another run{holder} writes into this folder; wait for it, or name another",
                folder.display()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let number = std::process::id().to_string();
    let written =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(number.as_bytes()));
    written.map_err(failed)?;
    Ok(Lock(file))
}

/// Refuses a folder with Parquet files of somebody else: reading it would give their rows too.
fn refuse_strangers(folder: &Path, known: bool) -> Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        let failed = |e| Error::io("search the folder", &inner, e);
        for entry in fs::read_dir(&inner).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with(['.', '_']) {
                continue;
            }
            let own = known && inner == folder && is_part(&name);
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".parquet") && !own {
                return Err(Error::Usage(format!(
                    "{}: is no part of this result, and would be read as one; name another folder with -o",
                    path.display()
                )));
            }
        }
    }
    Ok(())
}

/// What of two manifests differs.
fn differs(folder: &Path, found: &Manifest, fresh: &Manifest) -> String {
    let show = |manifest: &Manifest, name: &str| match manifest.made_by.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "nothing".into(),
    };
    let names = fresh.made_by.keys().filter(|name| found.made_by.get(*name) != fresh.made_by.get(*name));
    let differences: Vec<String> =
        names.map(|name| format!("{name} {}, now {}", show(found, name), show(fresh, name))).collect();
    format!(
        "{}: was made in another way ({}); name another folder, or begin anew with --overwrite",
        folder.display(),
        differences.join("; ")
    )
}
