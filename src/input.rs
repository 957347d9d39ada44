//! Paths to Parquet files: files, folders, globs and standard input, in an order of their own.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempPath;

use crate::cloud::{Object, is_address};
use crate::columns::table::Table;
use crate::error::{Error, Result};

pub mod file;
pub mod guard;
pub mod log;
mod pages;
pub mod roles;

/// One Parquet file to read.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Its name below the path that the user gave, with `/` between folders.
    pub name: String,
    /// As messages name it.
    pub shown: String,
    /// Its name without the extension: the snapshot where it has no snapshot column.
    pub stem: String,
    /// `key=value` folders above it.
    pub hive: Vec<(String, Option<String>)>,
    /// What it is, where it is no file.
    pub table: Option<Table>,
    /// The object that it is, where it is in an object store.
    pub object: Option<Arc<Object>>,
    /// Standard input, kept until it is no longer needed, and the handle that says so to others.
    _spool: Option<Arc<(TempPath, File)>>,
}

/// The sources behind the given paths and tables, sorted by name so that their order never matters, and what the user
/// should know about them.
///
/// Standard input is kept in the folder, the system's temporary one by default.
pub fn discover(
    paths: &[String],
    tables: &[Table],
    folder: Option<&Path>,
    interrupted: &dyn Fn() -> bool,
) -> Result<(Vec<Source>, Vec<String>)> {
    let mut sources: Vec<Source> = tables.iter().map(Source::of_table).collect();
    let mut warnings = Vec::new();
    let mut seen = HashSet::new();
    for path in paths {
        let mut found = Vec::new();
        if path == "-" && sources.iter().any(|source: &Source| source.shown == "-") {
            return Err(Error::Usage("standard input can be read once; give - once".into()));
        } else if path == "-" {
            found.push(spool(folder, interrupted)?);
        } else if path.is_empty() {
            return Err(Error::Usage("a PATH is empty".into()));
        } else if is_address(path) {
            add_objects(path, &mut found)?;
        } else if Path::new(path).exists() {
            add(Path::new(path), &mut found)?;
        } else if path.contains(['*', '?', '[']) {
            expand(path, &mut found)?;
        } else {
            let missing =
                std::io::Error::new(std::io::ErrorKind::NotFound, "there is no such file or folder");
            return Err(Error::io("open the file", path, missing));
        }
        if found.is_empty() {
            return Err(Error::Usage(format!("{path}: no Parquet files there (*.parquet, *.parq or *.pq)")));
        }
        // A pattern may match a folder and the files in it; that is no mistake of the user's.
        let mut here = HashSet::new();
        for source in found {
            let real = fs::canonicalize(&source.path).unwrap_or_else(|_| source.path.clone());
            if !here.insert(real.clone()) {
                continue;
            }
            if seen.insert(real) {
                sources.push(source);
            } else {
                warnings.push(format!("{}: given more than once, read once", source.shown));
            }
        }
    }
    sources.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    Ok((sources, warnings))
}

fn expand(pattern: &str, sources: &mut Vec<Source>) -> Result<()> {
    // Hidden files are hidden from patterns too, results in the making among them.
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let paths = glob::glob_with(pattern, options)
        .map_err(|e| Error::Usage(format!("{pattern}: not a valid pattern: {e}")))?;
    for path in paths {
        let path = path.map_err(|e| {
            let folder = e.path().to_owned();
            Error::io("search the folder", folder, e.into())
        })?;
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('_'));
        if hidden
            && !Path::new(pattern).file_name().is_some_and(|name| name.to_string_lossy().starts_with('_'))
        {
            continue;
        }
        let below = fixed_part(pattern);
        add_below(&path, &below, sources)?;
    }
    Ok(())
}

/// The folders of a pattern before its first wildcard.
pub fn fixed_part(pattern: &str) -> PathBuf {
    Path::new(pattern)
        .components()
        .take_while(|c| !c.as_os_str().to_string_lossy().contains(['*', '?', '[']))
        .collect()
}

fn add(path: &Path, sources: &mut Vec<Source>) -> Result<()> {
    let below = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    add_below(path, below, sources)
}

fn add_below(path: &Path, below: &Path, sources: &mut Vec<Source>) -> Result<()> {
    if path.is_dir() {
        let mut visited = HashSet::new();
        search(path, below, &mut visited, sources)
    } else {
        sources.push(source(path, below));
        Ok(())
    }
}

/// Searches a folder and those below it; links may form loops.
fn search(
    folder: &Path,
    below: &Path,
    visited: &mut HashSet<PathBuf>,
    sources: &mut Vec<Source>,
) -> Result<()> {
    let real = fs::canonicalize(folder).map_err(|e| Error::io("search the folder", folder, e))?;
    if !visited.insert(real) {
        return Ok(());
    }
    let entries = fs::read_dir(folder).map_err(|e| Error::io("search the folder", folder, e))?;
    for entry in entries {
        let path = entry.map_err(|e| Error::io("search the folder", folder, e))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(['.', '_']) {
            continue;
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if path.is_dir() {
            search(&path, below, visited, sources)?;
        } else if ["parquet", "parq", "pq"].contains(&extension.as_str()) {
            sources.push(source(&path, below));
        }
    }
    Ok(())
}

/// Objects with the names of Parquet files, hidden ones left out; an object that was named has any name.
fn add_objects(address: &str, sources: &mut Vec<Source>) -> Result<()> {
    let below = if address.contains(['*', '?', '[']) { fixed_part(address) } else { PathBuf::from(address) };
    for object in Object::find(address)? {
        let path = PathBuf::from(object.address());
        let is_named = object.address() == address;
        let rest = path.strip_prefix(&below).unwrap_or(&path);
        let hidden = rest.components().any(|part| part.as_os_str().to_string_lossy().starts_with(['.', '_']));
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if is_named || (!hidden && ["parquet", "parq", "pq"].contains(&extension.as_str())) {
            let below = if is_named { path.parent().unwrap_or(Path::new("")) } else { &below };
            sources.push(Source { object: Some(Arc::new(object)), ..source(&path, below) });
        }
    }
    Ok(())
}

impl Source {
    /// Its first bytes.
    pub fn begin(&self, buffer: &mut [u8]) -> std::io::Result<()> {
        match &self.object {
            Some(object) => {
                let bytes = object.read(0..object.bytes().min(buffer.len() as u64))?;
                if bytes.len() < buffer.len() {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                buffer.copy_from_slice(&bytes);
                Ok(())
            }
            None => File::open(&self.path)?.read_exact(buffer),
        }
    }

    /// What changes when its contents do.
    pub fn version(&self) -> String {
        if let Some(object) = &self.object {
            return format!("{} {}", object.bytes(), object.version());
        }
        let metadata = fs::metadata(&self.path);
        let modified = metadata.as_ref().ok().and_then(|metadata| metadata.modified().ok());
        let modified =
            modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0, |at| at.as_nanos());
        format!("{} {modified}", metadata.map_or(0, |metadata| metadata.len()))
    }

    /// One file by its name.
    pub fn named(path: &Path) -> Self {
        source(path, path.parent().unwrap_or(Path::new("")))
    }

    /// A table in memory.
    pub fn of_table(table: &Table) -> Self {
        Self { table: Some(table.clone()), ..Self::named(Path::new("the table")) }
    }

    /// A temporary file in a folder, the system's temporary one by default, that `write` makes.
    pub fn made(
        folder: Option<&Path>,
        shown: &str,
        write: impl FnOnce(&mut File) -> Result<()>,
    ) -> Result<Self> {
        let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
        let failed = |e| Error::io("keep a temporary file in", &folder, e);
        sweep(&folder);
        let (mut file, path) = make(&folder).map_err(failed)?;
        write(&mut file)?;
        Ok(Self::kept(shown, shown, path, file))
    }

    fn kept(shown: &str, stem: &str, path: TempPath, held: File) -> Self {
        Self {
            path: path.to_path_buf(),
            name: shown.into(),
            shown: shown.into(),
            stem: stem.into(),
            hive: vec![],
            table: None,
            object: None,
            _spool: Some(Arc::new((path, held))),
        }
    }
}

fn source(path: &Path, below: &Path) -> Source {
    let name = path.strip_prefix(below).unwrap_or(path);
    let name: Vec<_> = name.components().map(|c| c.as_os_str().to_string_lossy()).collect();
    let folders = path.parent().into_iter().flat_map(Path::components);
    Source {
        name: name.join("/"),
        shown: path.display().to_string(),
        stem: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        hive: folders.filter_map(|c| hive(&c.as_os_str().to_string_lossy())).collect(),
        path: path.to_owned(),
        table: None,
        object: None,
        _spool: None,
    }
}

/// `key=value` of a folder's name, the value with its %-escapes undone; the default partition is null.
fn hive(folder: &str) -> Option<(String, Option<String>)> {
    let (key, value) = folder.split_once('=').filter(|(key, _)| !key.is_empty())?;
    let value = (value != "__HIVE_DEFAULT_PARTITION__").then(|| unescape(value));
    Some((unescape(key), value))
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Parquet is read from its end, and groups may be read twice: standard input becomes a file first. It is copied on a
/// thread of its own, so that Ctrl-C need not wait for whoever writes.
fn spool(folder: Option<&Path>, interrupted: &dyn Fn() -> bool) -> Result<Source> {
    let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
    let failed = |e| Error::io("copy standard input into", &folder, e);
    sweep(&folder);
    let (mut file, path) = make(&folder).map_err(failed)?;
    let held = file.try_clone().map_err(failed)?;
    let (done, copied) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(std::io::copy(&mut std::io::stdin().lock(), &mut file)));
    loop {
        match copied.recv_timeout(Duration::from_millis(50)) {
            Ok(copied) => {
                copied.map_err(failed)?;
                break;
            }
            Err(RecvTimeoutError::Timeout) if interrupted() => return Err(Error::Interrupted),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(failed(std::io::Error::other("reading it failed")));
            }
        }
    }
    Ok(Source::kept("-", "stdin", path, held))
}

/// How a file of standard input is called.
const SPOOL: (&str, &str) = ("concentra-stdin-", ".parquet");

/// Makes a file that is locked for as long as its process lives.
fn make(folder: &Path) -> std::io::Result<(File, TempPath)> {
    loop {
        let file = tempfile::Builder::new().prefix(SPOOL.0).suffix(SPOOL.1).tempfile_in(folder)?;
        let (file, path) = file.into_parts();
        // Shared, so that it can be read by other handles everywhere. Where there are no locks, nothing is swept away.
        if let Err(error) = file.lock_shared()
            && error.kind() != std::io::ErrorKind::Unsupported
        {
            return Err(error);
        }
        // Somebody may have swept it away before it was locked.
        if path.exists() {
            return Ok((file, path));
        }
    }
}

/// Removes what processes left that were killed: files that nobody holds a lock on.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_spool = name.starts_with(SPOOL.0) && name.ends_with(SPOOL.1);
        let Some(file) = File::open(&path).ok().filter(|_| is_spool) else { continue };
        if file.try_lock().is_ok() {
            // Locked until it is gone, or else somebody could begin to use it. Whether it goes or not, it is not ours
            // to mind.
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_processes_left_is_swept_away() {
        let folder = tempfile::tempdir().unwrap();
        let (_held, path) = make(folder.path()).unwrap();
        let left = folder.path().join("concentra-stdin-left.parquet");
        fs::write(&left, "PAR1").unwrap();
        let other = folder.path().join("concentra-other.parquet");
        fs::write(&other, "PAR1").unwrap();
        sweep(folder.path());
        assert_eq!((path.exists(), left.exists(), other.exists()), (true, false, true));
    }

    #[test]
    fn hive_folders() {
        assert_eq!(hive("week=12"), Some(("week".into(), Some("12".into()))));
        assert_eq!(hive("name=a%2Fb%"), Some(("name".into(), Some("a/b%".into()))));
        assert_eq!(hive("day=__HIVE_DEFAULT_PARTITION__"), Some(("day".into(), None)));
        assert_eq!((hive("plain"), hive("=x")), (None, None));
    }

    #[test]
    fn names_lie_below_the_given_path() {
        let s = source(Path::new("lake/week=3/part-0.parquet"), Path::new("lake"));
        assert_eq!((s.name.as_str(), s.stem.as_str()), ("week=3/part-0.parquet", "part-0"));
        assert_eq!(s.hive, [("week".to_owned(), Some("3".to_owned()))]);
        assert_eq!(fixed_part("a/b/*.parquet"), Path::new("a/b"));
    }
}
