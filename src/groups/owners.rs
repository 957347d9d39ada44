//! Rows by their owners: those of one owner in one group go to one partition, and partitions are merged or checked
//! one by one.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::mem::take;
use std::sync::{Mutex, PoisonError};

use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable};
use ruint::aliases::U256;

use super::Exact;
use super::chunk::Origin;
use crate::columns::owner;
use crate::error::{Error, Place, Result};
use crate::input::file::InputFile;
use crate::population;
use crate::spill::{Block, Spill};

/// Bytes that an owner takes while a partition is merged: address, amount, and its place in tables.
pub const BYTES: u64 = 192;

/// What one owner holds in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// By rank.
    pub group: u32,
    /// Exactly.
    pub amount: U256,
    /// Whether nothing of it was cut off.
    pub whole: bool,
    /// Whether the owner is an entity.
    pub is_entity: bool,
}

/// A partition's owners.
#[derive(Debug, Default)]
pub struct Merged {
    /// What they hold.
    pub holdings: Vec<Holding>,
    /// Owners whose amounts sum to more than 256 bits hold, by group.
    pub excessive: Vec<Excessive>,
    known: Known,
}

impl Merged {
    /// The owner of a holding, by its number.
    pub fn owner(&self, holding: usize) -> &[u8] {
        self.known.owner(holding as u32).1
    }
}

/// An owner of more than 256 bits hold: the group by rank, and the owner.
pub type Excessive = (u32, Box<[u8]>);

/// Sends rows to the partitions of their owners, from many threads.
#[derive(Debug)]
pub struct OwnerRouter<'s> {
    contents: Vec<Mutex<Vec<Block>>>,
    spill: &'s Spill,
    hasher: DefaultHashBuilder,
    /// Bytes that are written at a time.
    lot: usize,
    idle: Mutex<Vec<Buffers>>,
}

/// One thread's rows on their way.
pub type Buffers = Vec<Vec<u8>>;

/// All rows by their owners.
#[derive(Debug)]
pub struct ByOwner<'s> {
    /// Of each partition.
    contents: Vec<Vec<Block>>,
    spill: &'s Spill,
    hasher: DefaultHashBuilder,
}

/// What is known of a row beside its owner.
pub trait Payload: Sized {
    /// Appends it.
    fn write(&self, bytes: &mut Vec<u8>);
    /// Takes it from the front.
    fn read(bytes: &mut &[u8]) -> Self;
}

/// An amount, and whether nothing of it was cut off.
impl Payload for (Exact, bool) {
    fn write(&self, bytes: &mut Vec<u8>) {
        let (amount, whole) = self;
        match amount {
            Exact::Narrow(amount) => {
                bytes.push(u8::from(*whole) << 1);
                bytes.extend(amount.to_le_bytes());
            }
            Exact::Wide(amount) => {
                bytes.push(u8::from(*whole) << 1 | 1);
                bytes.extend(amount.to_le_bytes::<32>());
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Self {
        let [tag] = front(bytes);
        let amount = match tag & 1 {
            0 => Exact::Narrow(u128::from_le_bytes(front(bytes))),
            _ => Exact::Wide(U256::from_le_bytes::<32>(front(bytes))),
        };
        (amount, tag & 2 != 0)
    }
}

/// The number of a row among all files' rows, from 0.
impl Payload for u64 {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Self {
        Self::from_le_bytes(front(bytes))
    }
}

fn front<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (front, rest) = bytes.split_first_chunk().expect("records are read as they were written");
    *bytes = rest;
    *front
}

impl<'s> OwnerRouter<'s> {
    /// To so many partitions. Buffers of all threads together take at most so many bytes.
    pub fn new(partitions: usize, spill: &'s Spill, bytes: u64) -> Self {
        let lots = partitions as u64 * rayon::current_num_threads() as u64;
        let lot = (bytes / lots.max(1)).clamp(1 << 10, 1 << 16) as usize;
        let contents = (0..partitions).map(|_| Mutex::default()).collect();
        Self { contents, spill, hasher: DefaultHashBuilder::default(), lot, idle: Mutex::default() }
    }

    /// Routes rows with buffers that no other thread has meanwhile.
    pub fn with<T>(&self, work: impl FnOnce(&mut Buffers) -> Result<T>) -> Result<T> {
        let lock = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = lock().pop();
        let mut buffers = idle.unwrap_or_else(|| vec![vec![]; self.contents.len()]);
        let done = work(&mut buffers);
        lock().push(buffers);
        done
    }

    /// Sends one row of a group.
    pub fn send(&self, buffers: &mut Buffers, group: u32, owner: &[u8], of_row: &impl Payload) -> Result<()> {
        let hash = self.hasher.hash_one((group, owner));
        // The middle bits, for hash tables live on the others.
        let at = (hash >> 32) as usize % self.contents.len();
        let bytes = &mut buffers[at];
        if bytes.capacity() == 0 {
            bytes.reserve_exact(self.lot + 256);
        }
        bytes.extend(group.to_le_bytes());
        bytes.extend((owner.len() as u32).to_le_bytes());
        bytes.extend(owner);
        of_row.write(bytes);
        if bytes.len() >= self.lot { self.flush(at, bytes) } else { Ok(()) }
    }

    fn flush(&self, at: usize, bytes: &mut Vec<u8>) -> Result<()> {
        let block = self.spill.write(&[bytes])?;
        self.contents[at].lock().unwrap_or_else(PoisonError::into_inner).push(block);
        bytes.clear();
        Ok(())
    }

    /// Once every thread is done: writes what is left in buffers.
    pub fn finish(self) -> Result<ByOwner<'s>> {
        for mut buffers in take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner)) {
            for (at, bytes) in buffers.iter_mut().enumerate().filter(|(_, bytes)| !bytes.is_empty()) {
                self.flush(at, bytes)?;
            }
        }
        let own = |blocks: Mutex<_>| blocks.into_inner().unwrap_or_else(PoisonError::into_inner);
        let contents = self.contents.into_iter().map(own).collect();
        Ok(ByOwner { contents, spill: self.spill, hasher: self.hasher })
    }
}

/// The owners that a partition has, each once in each group.
#[derive(Debug, Default)]
struct Known {
    table: HashTable<u32>,
    /// Of each: its group, and where its bytes end among all.
    of: Vec<(u32, usize)>,
    bytes: Vec<u8>,
}

impl Known {
    fn owner(&self, i: u32) -> (u32, &[u8]) {
        let (group, end) = self.of[i as usize];
        let start = i.checked_sub(1).map_or(0, |before| self.of[before as usize].1);
        (group, &self.bytes[start..end])
    }

    /// The number of an owner in a group, and whether it is new.
    fn number(&mut self, hasher: &DefaultHashBuilder, group: u32, owner: &[u8]) -> (usize, bool) {
        let mut table = take(&mut self.table);
        let hash = hasher.hash_one((group, owner));
        let same = |&i: &u32| self.owner(i) == (group, owner);
        let found = match table.entry(hash, same, |&i| hasher.hash_one(self.owner(i))) {
            Entry::Occupied(entry) => (*entry.get(), false),
            Entry::Vacant(entry) => {
                let next = self.of.len() as u32;
                entry.insert(next);
                (next, true)
            }
        };
        self.table = table;
        if found.1 {
            self.bytes.extend(owner);
            self.of.push((group, self.bytes.len()));
        }
        (found.0 as usize, found.1)
    }
}

impl ByOwner<'_> {
    /// How many partitions there are.
    pub fn partitions(&self) -> usize {
        self.contents.len()
    }

    /// Bytes of a partition.
    pub fn bytes(&self, partition: usize) -> u64 {
        self.contents[partition].iter().map(|block| block.bytes as u64).sum()
    }

    fn each<P: Payload>(
        &self,
        partition: usize,
        mut visit: impl FnMut(u32, &[u8], P) -> Result<()>,
    ) -> Result<()> {
        let mut block = Vec::new();
        for at in &self.contents[partition] {
            block.resize(at.bytes, 0);
            self.spill.read(at, &mut block)?;
            let mut rest = &block[..];
            while !rest.is_empty() {
                let group = u32::from_le_bytes(front(&mut rest));
                let length = u32::from_le_bytes(front(&mut rest));
                let (owner, tail) = rest.split_at(length as usize);
                rest = tail;
                visit(group, owner, P::read(&mut rest))?;
            }
        }
        Ok(())
    }

    /// The holders of a partition: each owner's amounts summed exactly.
    pub fn merge(&self, partition: usize) -> Result<Merged> {
        let (mut known, mut merged) = (Known::default(), Merged::default());
        let mut excessive = HashSet::new();
        self.each(partition, |group, owner, (amount, whole): (Exact, bool)| {
            let (at, is_new) = known.number(&self.hasher, group, owner);
            if is_new {
                let is_entity = population::is_entity(owner);
                merged.holdings.push(Holding { group, amount: amount.wide(), whole, is_entity });
                return Ok(());
            }
            let holding = &mut merged.holdings[at];
            holding.whole &= whole;
            match holding.amount.checked_add(amount.wide()) {
                Some(more) => holding.amount = more,
                None if excessive.insert(at) => merged.excessive.push((group, owner.into())),
                None => {}
            }
            Ok(())
        })?;
        merged.known = known;
        Ok(merged)
    }

    /// An owner's second row in a group, the first row of that owner there, and the owner: of all such second rows the
    /// one that comes first.
    pub fn second(&self, partition: usize) -> Result<Option<(u64, u64, Vec<u8>)>> {
        let (mut known, mut firsts) = (Known::default(), Vec::<u64>::new());
        let mut second: Option<(u64, usize)> = None;
        self.each(partition, |group, owner, row: u64| {
            let (at, is_new) = known.number(&self.hasher, group, owner);
            if is_new {
                firsts.push(row);
                return Ok(());
            }
            // Blocks come in any order.
            let first = &mut firsts[at];
            let later = row.max(*first);
            *first = row.min(*first);
            if second.is_none_or(|(earliest, _)| later < earliest) {
                second = Some((later, at));
            }
            Ok(())
        })?;
        Ok(second.map(|(row, at)| (row, firsts[at], known.owner(at as u32).1.to_vec())))
    }
}

/// The error of a row that nobody owns.
pub fn null_owner(origin: &Origin, row: u64, files: &[InputFile]) -> Error {
    Error::Cell {
        place: Place { file: files[origin.file].source.shown.clone(), column: origin.owner.clone(), row },
        problem: "the owner is null".into(),
        remedy: "leave the row out, or count it as an owner of its own with --owners trust".into(),
    }
}

/// The error of an owner's second row in a group; rows are told by their file and number.
pub fn second_row(
    second: (usize, u64),
    first: (usize, u64),
    column: &str,
    owner: &[u8],
    files: &[InputFile],
) -> Error {
    let owner = owner::show(owner);
    let earlier = format!("{}, row {}", files[first.0].source.shown, first.1);
    Error::Cell {
        place: Place { file: files[second.0].source.shown.clone(), column: column.to_owned(), row: second.1 },
        problem: format!("{owner} has a row already in this group ({earlier})"),
        remedy: "add such rows up with --owners merge, or count each with --owners trust".into(),
    }
}

/// The error of a row with which an owner holds more than 256 bits hold.
pub fn excess(origin: &Origin, row: u64, owner: &[u8], files: &[InputFile]) -> Error {
    Error::Cell {
        place: Place { file: files[origin.file].source.shown.clone(), column: origin.amount.clone(), row },
        problem: format!("the sum of the amounts of {} is beyond 256 bits", owner::show(owner)),
        remedy: "amounts are at most 2^256 − 1; are they amounts, not ids?".into(),
    }
}
