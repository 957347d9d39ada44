//! What a folder of results holds: which options made it, and which parts are finished.
//!
//! Lines of JSON, the first about all parts and then one for each, appended when the part has its name. So a stop at any
//! moment loses one line at most, and its part is made again.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::output::temporary;

/// The manifest's name: readers of datasets pass over names that begin so.
pub const NAME: &str = "_manifest.ndjson";

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// The version that made it, and the options that decide numbers.
    pub made_by: Map<String, Value>,
    /// Input files that could not be used and are in no part, and what to tell of them.
    pub lost: Vec<(String, String)>,
    /// Finished parts, by name.
    pub parts: Vec<Part>,
}

/// One file of results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name in the folder.
    pub name: String,
    /// Of all that it was made from.
    pub digest: String,
    /// Input files.
    pub files: u64,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Input files that could not be used, and what to tell of them: what is wrong, and what is absent for it.
    pub lost: Vec<(String, String)>,
    /// Whether it is to be made again, because a file failed while it was read.
    pub again: bool,
}

impl Part {
    /// Whether it says something of an input file that could not be used.
    pub fn tells(&self, file: &str) -> bool {
        self.lost.iter().any(|(other, _)| other == file)
    }

    fn line(&self) -> String {
        let Self { name, digest, files, rows, bytes, lost, again } = self;
        let line = json!({
            "part": name, "digest": digest, "files": files, "rows": rows, "bytes": bytes, "lost": lost, "again": again,
        });
        format!("{line}\n")
    }

    fn of(line: &Value) -> Option<Self> {
        let text = |name: &str| line.get(name)?.as_str().map(str::to_owned);
        let number = |name: &str| line.get(name)?.as_u64();
        Some(Self {
            name: text("part").filter(|name| is_part(name))?,
            digest: text("digest")?,
            files: number("files")?,
            rows: number("rows")?,
            bytes: number("bytes")?,
            lost: pairs(line.get("lost")?)?,
            again: line.get("again")?.as_bool()?,
        })
    }
}

/// Files and what to tell of them.
fn pairs(value: &Value) -> Option<Vec<(String, String)>> {
    let pair = |pair: &Value| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_str()?.to_owned()));
    value.as_array()?.iter().map(pair).collect()
}

/// Whether a file's name is that of a part.
pub fn is_part(name: &str) -> bool {
    let middle = name.strip_prefix("part-").and_then(|rest| rest.strip_suffix(".parquet"));
    middle.is_some_and(|middle| middle.len() == 16 && middle.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl Manifest {
    /// What its lines say. Only the last may be cut short; parts that are told twice are as they are told last.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut lines = text.split_inclusive(|&b| b == b'\n');
        let Value::Object(mut made_by) = serde_json::from_slice(lines.next()?).ok()? else { return None };
        let lost = made_by.remove("lost").map_or(Some(vec![]), |lost| pairs(&lost))?;
        let mut manifest = Self { made_by, lost, parts: vec![] };
        let mut lines = lines.peekable();
        while let Some(line) = lines.next() {
            let part = serde_json::from_slice(line).ok().and_then(|line| Part::of(&line));
            match part {
                Some(part) => manifest.put(part),
                None if lines.peek().is_none() && !line.ends_with(b"\n") => {}
                None => return None,
            }
        }
        Some(manifest)
    }

    fn put(&mut self, part: Part) {
        match self.parts.binary_search_by(|other| other.name.cmp(&part.name)) {
            Ok(at) => self.parts[at] = part,
            Err(at) => self.parts.insert(at, part),
        }
    }

    /// Reads the manifest of a folder, where there is one.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(NAME);
        match fs::read(&path) {
            Ok(text) => match Self::parse(&text) {
                Some(manifest) => Ok(Some(manifest)),
                None => Err(Error::Usage(format!(
                    "{}: this is no manifest of concentra, or it is damaged; name another folder, or begin anew with \
                     --overwrite",
                    path.display()
                ))),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read the file", path, error)),
        }
    }

    /// Writes it anew, whole or not at all.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(NAME);
        let failed = |e| Error::io("write the file", &path, e);
        let mut first = self.made_by.clone();
        if !self.lost.is_empty() {
            first.insert("lost".into(), json!(self.lost));
        }
        let mut text = format!("{}\n", Value::Object(first));
        self.parts.iter().for_each(|part| text += &part.line());
        let mut file = temporary(folder).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&path).map_err(|e| failed(e.error))?;
        sync(folder)
    }

    /// Takes in a part that has its name, here and on disk.
    pub fn append(&mut self, folder: &Path, part: Part) -> Result<()> {
        let path: PathBuf = folder.join(NAME);
        let failed = |e| Error::io("write the file", &path, e);
        sync(folder)?;
        let mut file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        file.write_all(part.line().as_bytes()).and_then(|()| file.sync_data()).map_err(failed)?;
        self.put(part);
        Ok(())
    }
}

/// Names outlast a loss of power only once their folder is on disk. Not every system has that for folders.
fn sync(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|e| Error::io("write into the folder", folder, e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(at: u64) -> Part {
        Part {
            name: format!("part-{at:016x}.parquet"),
            digest: "d".into(),
            files: 1,
            rows: at,
            bytes: 9,
            lost: vec![("a.parquet".into(), "a.parquet: gone".into())],
            again: false,
        }
    }

    #[test]
    fn lines_come_back_and_the_last_may_be_cut_short() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), None);
        let made_by = json!({"concentra": "1"}).as_object().unwrap().clone();
        let lost = vec![("b".to_owned(), "b: gone".to_owned())];
        let mut manifest = Manifest { made_by, lost, parts: vec![] };
        manifest.write(folder.path()).unwrap();
        for at in [7, 3, 5] {
            manifest.append(folder.path(), part(at)).unwrap();
        }
        manifest.append(folder.path(), Part { again: true, ..part(3) }).unwrap();
        assert_eq!(manifest.parts.len(), 3);
        assert_eq!(Manifest::read(folder.path()).unwrap().as_ref(), Some(&manifest));
        let text = fs::read(folder.path().join(NAME)).unwrap();
        assert_eq!(text.iter().filter(|&&b| b == b'\n').count(), 5, "appended, not written anew");
        let last = text.len() - text.split(|&b| b == b'\n').rev().nth(1).unwrap().len() - 1;
        for end in last..text.len() - 1 {
            let short = Manifest::parse(&text[..end]).unwrap();
            assert_eq!((short.parts.len(), short.parts[0].again), (3, false), "cut at {end}");
        }
        assert_eq!(Manifest::parse(&[&text[..], b"{}\n"].concat()), None, "no part");
        assert_eq!(Manifest::parse(&[&text[..last - 9], b"\n", &text[last..]].concat()), None, "cut within");
        manifest.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), Some(manifest));
    }

    #[test]
    fn names_of_parts() {
        assert!(is_part("part-0123456789abcdef.parquet"));
        for other in
            ["part-1.parquet", "part-0123456789abcdeg.parquet", "../part-0123456789abcdef.parquet", ""]
        {
            assert!(!is_part(other), "{other}");
        }
    }
}
