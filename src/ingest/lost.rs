//! `--keep-going`: files that cannot be used cost the groups that need them, and only those.

use std::error::Error as _;
use std::sync::{Mutex, PoisonError};

use hashbrown::HashSet;

use super::{Counted, Ingest};
use crate::error::{Error, Result};
use crate::groups::extent::Extent;
use crate::groups::schema::{GroupSchema, projected};
use crate::input::Source;
use crate::input::file::InputFile;

/// A file that cannot be used.
#[derive(Debug, Clone)]
pub struct Lost {
    /// Which.
    pub source: Source,
    /// Why, on one line.
    pub problem: String,
    /// Whether no other files share a group, where that is known before any is read: then it is taken to share none.
    pub alone: Option<bool>,
    /// Whether it failed while it was read, and may not the next time.
    pub was_read: bool,
    /// What it was opened as, where that went well.
    opened: Option<(GroupSchema, InputFile)>,
}

/// Errors of tasks that ran beside the one that failed first.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Error>>);

impl Faults {
    pub(super) fn push(&self, error: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(error);
    }

    fn take(&self) -> Vec<Error> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Groups that are left out of a result.
#[derive(Debug, Default)]
pub struct Absent {
    /// Of each group, whether it is.
    pub groups: Vec<bool>,
    /// Of each lost file, what became of its groups.
    pub told: Vec<String>,
}

impl Lost {
    /// A file that could not be opened, or whose columns are of no use but for its group columns.
    pub(super) fn unread(source: Source, error: &Error, opened: Option<(GroupSchema, InputFile)>) -> Self {
        let problem = problem(&source, error);
        Self { source, problem, alone: None, was_read: false, opened }
    }

    /// What is known of its groups without reading it.
    pub fn extent(&self, schema: &GroupSchema, files: &[InputFile]) -> Result<Extent> {
        match &self.opened {
            Some((schema, file)) => Extent::of_file(schema, 0, file),
            None => Extent::of_path(schema, files, &self.source),
        }
    }

    /// Whether its groups may be taken for its own, where no others share one: nothing at all is known of them.
    pub fn is_unknown(&self, extent: &Extent) -> bool {
        self.opened.is_none() && extent.is_any()
    }

    /// It, what is wrong with it, and what follows.
    pub fn line(&self, told: &str) -> String {
        format!("{}: {}; {told}", self.source.shown, self.problem)
    }
}

/// The keys of all rows of a file, the schema's only one, by its group columns alone; none where they cannot be read.
fn keys_of(schema: &GroupSchema, file: &InputFile) -> Option<HashSet<Box<[u8]>>> {
    if schema.fields.is_empty() {
        return Some(HashSet::from_iter([[].into()]));
    }
    let converter = schema.converter().ok()?;
    let mut roots: Vec<usize> = schema.columns(0).collect();
    roots.sort_unstable();
    roots.dedup();
    let mut keys = HashSet::new();
    if roots.is_empty() {
        let rows = schema.rows(&converter, 0, file, 1, |_| unreachable!("no column is read")).ok()?;
        keys.insert(rows.row(0).data().into());
        return Some(keys);
    }
    for row_group in 0..file.row_groups().len() {
        let mut left = file.row_groups().nth(row_group)?;
        for batch in file.read(row_group, &roots).ok()? {
            let batch = batch.ok()?;
            left = left.checked_sub(batch.num_rows())?;
            let find = |column| Ok(projected(&batch, &roots, column));
            let rows = schema.rows(&converter, 0, file, batch.num_rows(), find).ok()?;
            for row in &rows {
                if !keys.contains(row.data()) {
                    keys.insert(row.data().into());
                }
            }
        }
        if left > 0 {
            return None;
        }
    }
    Some(keys)
}

/// An error and its causes, without the file's name in front.
fn problem(source: &Source, error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text.strip_prefix(&format!("{}: ", source.shown)).unwrap_or(&text).to_owned()
}

impl Ingest {
    /// The same without the files that are to blame for an error, where the others shall be gone on with; the error where
    /// no file is to blame.
    pub fn without(mut self, error: Error) -> Result<Self> {
        let Some(faults) = &self.faults else { return Err(error) };
        let mut lost: Vec<(usize, Lost)> = vec![];
        for fault in std::iter::once(&error).chain(&faults.take()) {
            let shown = fault.file();
            let blamed = self.files.iter().position(|file| Some(&file.source.shown) == shown.as_ref());
            let Some(at) = blamed else { continue };
            if lost.iter().all(|(file, _)| *file != at) {
                let file = self.files[at].clone();
                let (source, problem) = (file.source.clone(), problem(&file.source, fault));
                let opened = Some((self.schema.part(&[at]), file));
                lost.push((at, Lost { source, problem, alone: None, was_read: true, opened }));
            }
        }
        if lost.is_empty() {
            return Err(error);
        }
        let kept: Vec<usize> =
            (0..self.files.len()).filter(|at| lost.iter().all(|(file, _)| file != at)).collect();
        if kept.is_empty() && !self.may_be_empty {
            return Err(error);
        }
        lost.sort_by_key(|(at, _)| *at);
        self = self.part(&kept);
        self.lost.extend(lost.into_iter().map(|(_, lost)| lost));
        Ok(self)
    }

    /// The groups that need a lost file.
    pub fn absent(&self, counted: &Counted) -> Result<Absent> {
        let keys = &counted.groups.keys;
        let mut absent = Absent { groups: vec![false; keys.len()], told: vec![] };
        if self.lost.is_empty() {
            return Ok(absent);
        }
        let columns = self.schema.columns_of(keys)?;
        for lost in &self.lost {
            // Who looks through contracts needs the groups of their tokens, too.
            let assets = if self.looks_through { self.schema.assets() } else { vec![] };
            let own = lost.opened.as_ref().filter(|_| !self.looks_through);
            if let Some(own) = own.and_then(|(schema, file)| keys_of(schema, file)) {
                let hit = (0..keys.len()).filter(|&group| own.contains(&keys[group]));
                hit.for_each(|group| absent.groups[group] = true);
                let mut own: Vec<&[u8]> = own.iter().map(|key| &key[..]).collect();
                own.sort_unstable();
                absent.told.push(self.tell(&own));
                continue;
            }
            let extent = lost.extent(&self.schema, &self.files)?.forgetting(&assets);
            let is_own = lost.is_unknown(&extent)
                && match lost.alone {
                    Some(alone) => alone,
                    None => !self.looks_through && self.share_no_group(counted)?,
                };
            if is_own {
                let told = "its groups are unknown, and taken for its own: no other files share one";
                absent.told.push(told.into());
                continue;
            }
            let needing = extent.has(&columns, keys.len())?;
            let why = if extent.is_one() { "by its path" } else { "which it may have" };
            let hit: Vec<usize> = (0..keys.len()).filter(|&group| needing[group]).collect();
            let shown: Vec<&[u8]> = hit.iter().map(|&group| &keys[group][..]).collect();
            let told = self.tell(&shown);
            absent.told.push(if hit.is_empty() { told } else { format!("{told}, {why}") });
            hit.into_iter().for_each(|group| absent.groups[group] = true);
        }
        Ok(absent)
    }

    /// `group a is absent`, or the first and the last of many.
    fn tell(&self, keys: &[&[u8]]) -> String {
        let show = |key: &[u8]| self.schema.show(key);
        match keys {
            [] => "no group needs it".into(),
            [one] => format!("group {} is absent", show(one)),
            [a, .., z] => format!("{} groups are absent, {} to {}", keys.len(), show(a), show(z)),
        }
    }

    /// Whether each group lies in one file alone, of two at least.
    fn share_no_group(&self, counted: &Counted) -> Result<bool> {
        let groups = &counted.groups;
        let mut of_files: Vec<Option<HashSet<usize>>> = vec![Some(HashSet::new()); self.files.len()];
        for (task, own) in counted.tasks.iter().zip(&groups.of_task) {
            let of_file = &mut of_files[task.file];
            match (own, of_file.as_mut()) {
                (Some(own), Some(of_file)) => {
                    of_file.extend(own.iter().map(|&number| groups.ranks[number as usize] as usize));
                }
                // Too many to be listed.
                _ => *of_file = None,
            }
        }
        let mut file_of: Vec<Option<usize>> = vec![None; groups.keys.len()];
        for (file, listed) in of_files.into_iter().enumerate() {
            let own = match listed {
                Some(own) => own,
                None => match keys_of(&self.schema.part(&[file]), &self.files[file]) {
                    Some(own) => own.iter().filter_map(|key| groups.keys.binary_search(key).ok()).collect(),
                    None => return Ok(false),
                },
            };
            for group in own {
                if *file_of[group].get_or_insert(file) != file {
                    return Ok(false);
                }
            }
        }
        // Files of no use share groups, too.
        for (schema, file) in self.lost.iter().filter_map(|lost| lost.opened.as_ref()) {
            let Some(own) = keys_of(schema, file) else { return Ok(false) };
            let own = own.iter().filter_map(|key| groups.keys.binary_search(key).ok());
            if own.into_iter().any(|group| file_of[group].is_some()) {
                return Ok(false);
            }
        }
        Ok(self.files.len() > 1)
    }
}
