//! What does not fit into memory: a temporary file without a name, which is gone with the process however that ends.

use std::fs::File;
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use hashbrown::DefaultHashBuilder;

use crate::error::{Error, Result};

/// A file that only grows, made when the first byte goes to disk. Threads write and read it side by side, each at its
/// own place.
#[derive(Debug)]
pub struct Spill {
    folder: PathBuf,
    file: OnceLock<File>,
    end: AtomicU64,
    /// Bytes that may still stay in memory.
    room: AtomicU64,
    /// Tells whether what comes back is what was written.
    hasher: DefaultHashBuilder,
}

/// Some bytes of it.
#[derive(Debug, Clone)]
pub struct Block {
    /// How many.
    pub bytes: usize,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Memory(Arc<[u8]>),
    Disk { at: u64, sum: u64 },
}

impl Spill {
    /// In a folder, the system's temporary one by default; the first `room` bytes stay in memory.
    pub fn new(folder: Option<&Path>, room: u64) -> Self {
        let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
        let (file, end, room) = (OnceLock::new(), AtomicU64::new(0), AtomicU64::new(room));
        Self { folder, file, end, room, hasher: DefaultHashBuilder::default() }
    }

    /// The file. Where the file system can (`O_TMPFILE`), it never has a name; elsewhere it loses it at once.
    pub fn file(&self) -> Result<&File> {
        if self.file.get().is_none() {
            let made = tempfile::tempfile_in(&self.folder).map_err(|source| self.failed(source))?;
            // Another thread may have made one meanwhile: this one is gone with its handle.
            let _ = self.file.set(made);
        }
        Ok(self.file.get().expect("just made"))
    }

    /// Writes bytes that lie in several pieces.
    pub fn write(&self, pieces: &[&[u8]]) -> Result<Block> {
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        let room = |room: u64| room.checked_sub(bytes as u64);
        if self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok() {
            return Ok(Block { bytes, place: Place::Memory(pieces.concat().into()) });
        }
        let at = self.end.fetch_add(bytes as u64, Ordering::Relaxed);
        let whole = pieces.concat();
        write_all_at(self.file()?, &whole, at).map_err(|source| self.failed(source))?;
        Ok(Block { bytes, place: Place::Disk { at, sum: self.hasher.hash_one(&whole) } })
    }

    /// Reads a block back.
    pub fn read(&self, block: &Block, into: &mut [u8]) -> Result<()> {
        match &block.place {
            Place::Memory(bytes) => into.copy_from_slice(bytes),
            Place::Disk { at, sum } => {
                read_exact_at(self.file()?, into, *at).map_err(|source| self.failed(source))?;
                if self.hasher.hash_one(&*into) != *sum {
                    let other = "other bytes came back than were written";
                    return Err(self.failed(io::Error::new(io::ErrorKind::InvalidData, other)));
                }
            }
        }
        Ok(())
    }

    /// Bytes that went to disk so far.
    pub fn bytes(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Spill { folder: self.folder.clone(), source }
    }
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        let written = file.seek_write(bytes, at)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        let read = file.seek_read(bytes, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        at += read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back_and_the_folder_stays_empty() {
        let folder = tempfile::tempdir().unwrap();
        for room in [0, 300, 1 << 20] {
            let spill = Spill::new(Some(folder.path()), room);
            let write = |i: u8| spill.write(&[&[i; 3], &vec![i; i.into()]]).unwrap();
            let blocks: Vec<Block> = (0..100).map(write).collect();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
            for (i, block) in blocks.iter().enumerate().rev() {
                let mut bytes = vec![0; block.bytes];
                spill.read(block, &mut bytes).unwrap();
                assert_eq!(bytes, vec![i as u8; i + 3]);
            }
            let all = 300 + 99 * 50;
            assert!(spill.bytes() <= all && spill.bytes() + room >= all, "{} on disk", spill.bytes());
        }
    }

    #[test]
    fn a_folder_that_is_not_there_and_a_file_that_is_short_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = Spill::new(Some(&folder.path().join("none")), 10);
        assert!(nowhere.write(&[b"fits"]).is_ok());
        assert!(matches!(nowhere.write(&[b"does not fit"]), Err(Error::Spill { .. })));
        let spill = Spill::new(Some(folder.path()), 0);
        let block = spill.write(&[b"all of it"]).unwrap();
        write_all_at(spill.file().unwrap(), b"none", 0).unwrap();
        assert!(matches!(spill.read(&block, &mut [0; 9]), Err(Error::Spill { .. })), "other bytes");
        spill.file().unwrap().set_len(4).unwrap();
        assert!(matches!(spill.read(&block, &mut [0; 9]), Err(Error::Spill { .. })), "too few");
    }
}
