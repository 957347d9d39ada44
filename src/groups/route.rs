//! Rows that do not fit into memory, on their way to partitions of groups, or of one group's values, on disk.

use std::mem::{size_of, take};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;
use ruint::aliases::U256;

use crate::engine::visits::{join, outline};
use crate::error::Result;
use crate::moments::Sums;
use crate::numbers::key::Key;
use crate::spill::{Block, Spill};

/// What is kept of a row: its key, or its exact amount. The order is that of amounts.
pub trait Record: Pod + Ord + Send + Sync + 'static {
    /// Of an exact amount.
    fn of(amount: U256, key: Key) -> Self;

    /// What is known of records unsorted, beyond their number.
    fn outline(records: &[Self]) -> Sums;
}

impl Record for Key {
    fn of(_: U256, key: Key) -> Self {
        key
    }

    fn outline(records: &[Self]) -> Sums {
        outline(records)
    }
}

/// An exact amount, its most significant word first.
pub type Amount = [u64; 4];

impl Record for Amount {
    fn of(amount: U256, _: Key) -> Self {
        let mut words = amount.into_limbs();
        words.reverse();
        words
    }

    fn outline(records: &[Self]) -> Sums {
        Sums { n: records.len() as u64, ..Sums::default() }
    }
}

/// An exact amount, and whether it is an entity's and whether nothing was cut off it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
pub struct Held {
    amount: Amount,
    flags: u64,
}

impl Held {
    /// A holder.
    pub fn new(amount: U256, whole: bool, is_entity: bool) -> Self {
        Self { amount: Amount::of(amount, 0), flags: u64::from(is_entity) << 1 | u64::from(whole) }
    }

    /// What it holds.
    pub fn amount(self) -> U256 {
        amount(self.amount)
    }

    /// Whether nothing was cut off its amount.
    pub fn is_whole(self) -> bool {
        self.flags & 1 == 1
    }

    /// Whether it is an entity.
    pub fn is_entity(self) -> bool {
        self.flags >> 1 == 1
    }
}

impl Record for Held {
    fn of(amount: U256, _: Key) -> Self {
        Self::new(amount, false, false)
    }

    fn outline(records: &[Self]) -> Sums {
        Sums { n: records.len() as u64, ..Sums::default() }
    }
}

/// The amount that a record holds.
pub fn amount(mut words: Amount) -> U256 {
    words.reverse();
    U256::from_limbs(words)
}

/// Some groups whole, or one group's values within a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The groups, by rank.
    pub groups: Range<usize>,
    /// Whether it is one of many ranges of its group's values.
    pub is_range: bool,
}

/// Where the records of groups go.
#[derive(Debug)]
pub struct Partitions<R> {
    /// In the order of groups, and of values within a group.
    pub all: Vec<Partition>,
    /// Of each group: its first partition, and which cut it has.
    homes: Vec<Home>,
    /// Of each group that is cut: the borders between its ranges, ascending.
    borders: Vec<Vec<R>>,
}

#[derive(Debug, Clone, Copy)]
struct Home {
    partition: u32,
    /// [`WHOLE`] where the group is not cut.
    cut: u32,
}

const WHOLE: u32 = u32::MAX;

/// Value ranges are planned for so much of the room: a sample is off by a few percent, and of equal values at several
/// borders the outer ranges get up to twice their share.
const FILLED: f64 = 0.48;

impl<R: Record> Partitions<R> {
    /// Plans partitions of at most so many records for groups of so many. Borders between the values of a group are
    /// those of its sample.
    pub fn new(holders: &[u64], most: usize, mut sample: impl FnMut(usize) -> Vec<R>) -> Self {
        let most = most.max(1) as u64;
        let (mut all, mut borders): (Vec<Partition>, Vec<Vec<R>>) = (vec![], vec![]);
        let mut homes = Vec::with_capacity(holders.len());
        let mut room = 0;
        for (group, &n) in holders.iter().enumerate() {
            let cut = n > most;
            if cut {
                let ranges = (n as f64 / (most as f64 * FILLED)).ceil() as usize;
                homes.push(Home { partition: all.len() as u32, cut: borders.len() as u32 });
                let mut sample = sample(group);
                sample.sort_unstable();
                let border = |range: usize| sample.get(sample.len() * range / ranges).copied();
                let of_group: Vec<R> = (1..ranges).filter_map(border).collect();
                let ranges = of_group.len() + 1;
                all.extend((0..ranges).map(|_| Partition { groups: group..group + 1, is_range: true }));
                borders.push(of_group);
                room = 0;
                continue;
            }
            match all.last_mut() {
                Some(last) if n <= room && !last.is_range => last.groups.end = group + 1,
                _ => {
                    all.push(Partition { groups: group..group + 1, is_range: false });
                    room = most;
                }
            }
            room -= n;
            homes.push(Home { partition: all.len() as u32 - 1, cut: WHOLE });
        }
        Self { all, homes, borders }
    }
}

/// Sends records to their partitions, from many threads.
#[derive(Debug)]
pub struct Router<'s, R> {
    partitions: Partitions<R>,
    /// Of each partition, what came so far.
    contents: Vec<Mutex<Contents>>,
    spill: &'s Spill,
    /// Records that are written at a time.
    lot: usize,
    /// Buffers of threads that are not routing now.
    idle: Mutex<Vec<Buffers<R>>>,
}

/// What a partition holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    blocks: Vec<Block>,
    /// What is known of its records.
    pub outline: Sums,
}

/// One thread's records on their way.
#[derive(Debug)]
pub struct Buffers<R> {
    of_partitions: Vec<(Vec<u32>, Vec<R>)>,
    /// Deals records that equal a border to both sides.
    turn: usize,
}

/// All partitions filled.
#[derive(Debug)]
pub struct Routed<'s, R> {
    /// In the order of groups, and of values within a group.
    pub partitions: Vec<Partition>,
    /// Of each partition.
    pub contents: Vec<Contents>,
    spill: &'s Spill,
    marker: std::marker::PhantomData<R>,
}

impl<'s, R: Record> Router<'s, R> {
    /// Buffers of all threads together take at most so many bytes.
    pub fn new(partitions: Partitions<R>, spill: &'s Spill, bytes: u64) -> Self {
        let lots = partitions.all.len() as u64 * rayon::current_num_threads() as u64;
        let lot = bytes / lots.max(1) / (size_of::<R>() as u64 + 4);
        let contents = partitions.all.iter().map(|_| Mutex::default()).collect();
        let lot = (lot as usize).clamp(16, 1 << 14);
        Self { partitions, contents, spill, lot, idle: Mutex::default() }
    }

    /// Routes records with buffers that no other thread has meanwhile.
    pub fn with<T>(&self, work: impl FnOnce(&mut Buffers<R>) -> Result<T>) -> Result<T> {
        let lock = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = lock().pop();
        let partitions = self.partitions.all.len();
        let mut buffers =
            idle.unwrap_or_else(|| Buffers { of_partitions: vec![<_>::default(); partitions], turn: 0 });
        let done = work(&mut buffers);
        lock().push(buffers);
        done
    }

    /// Sends one record of a group.
    #[inline]
    pub fn send(&self, buffers: &mut Buffers<R>, group: u32, record: R) -> Result<()> {
        let Home { partition, cut } = self.partitions.homes[group as usize];
        let mut at = partition as usize;
        if cut != WHOLE {
            let borders = &self.partitions.borders[cut as usize];
            let low = borders.partition_point(|border| *border < record);
            at += low;
            if borders.get(low) == Some(&record) {
                // Of equal records each may lie in any of the ranges that they reach.
                let equal = borders[low..].partition_point(|border| *border == record);
                buffers.turn = buffers.turn.wrapping_add(1);
                at += buffers.turn % (equal + 1);
            }
        }
        let (groups, records) = &mut buffers.of_partitions[at];
        if records.capacity() == 0 {
            records.reserve_exact(self.lot);
        }
        if cut == WHOLE {
            groups.push(group);
        }
        records.push(record);
        if records.len() >= self.lot { self.flush(at, groups, records) } else { Ok(()) }
    }

    fn flush(&self, at: usize, groups: &mut Vec<u32>, records: &mut Vec<R>) -> Result<()> {
        let block = self.spill.write(&[bytemuck::cast_slice(records), bytemuck::cast_slice(groups)])?;
        let own = R::outline(records);
        let mut contents = self.contents[at].lock().unwrap_or_else(PoisonError::into_inner);
        contents.outline = join(&contents.outline, &own);
        contents.blocks.push(block);
        groups.clear();
        records.clear();
        Ok(())
    }

    /// Once every thread is done: writes what is left in buffers.
    pub fn finish(self) -> Result<Routed<'s, R>> {
        let mut idle = take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for buffers in &mut idle {
            for (at, (groups, records)) in buffers.of_partitions.iter_mut().enumerate() {
                if !records.is_empty() {
                    self.flush(at, groups, records)?;
                }
            }
        }
        let own = |contents: Mutex<Contents>| contents.into_inner().unwrap_or_else(PoisonError::into_inner);
        let contents = self.contents.into_iter().map(own).collect();
        let (partitions, marker) = (self.partitions.all, std::marker::PhantomData);
        Ok(Routed { partitions, contents, spill: self.spill, marker })
    }
}

impl<R: Record> Routed<'_, R> {
    /// The number of records of a partition.
    pub fn records(&self, partition: usize) -> usize {
        self.contents[partition].outline.n as usize
    }

    /// Reads a partition of whole groups back, block by block on all threads: records, and the group of each.
    pub fn each_block(&self, partition: usize, each: impl Fn(&[R], &[u32]) + Sync) -> Result<()> {
        let width = size_of::<R>() + size_of::<u32>();
        self.contents[partition].blocks.par_iter().try_for_each_init(Vec::new, |bytes, block| {
            bytes.resize(block.bytes, 0);
            self.spill.read(block, bytes)?;
            let (records, groups) = bytes.split_at(bytes.len() / width * size_of::<R>());
            // Bytes lie anywhere in memory.
            let records: Vec<R> = bytemuck::pod_collect_to_vec(records);
            let groups: Vec<u32> = bytemuck::pod_collect_to_vec(groups);
            each(&records, &groups);
            Ok(())
        })
    }

    /// Reads a value range back, on all threads, into as many records as it has.
    pub fn read_range(&self, partition: usize, mut into: &mut [R]) -> Result<()> {
        let blocks = &self.contents[partition].blocks;
        let mut places: Vec<(&Block, &mut [R])> = Vec::with_capacity(blocks.len());
        for block in blocks {
            let (own, rest) = take(&mut into).split_at_mut(block.bytes / size_of::<R>());
            places.push((block, own));
            into = rest;
        }
        places
            .into_par_iter()
            .try_for_each(|(block, own)| self.spill.read(block, bytemuck::cast_slice_mut(own)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows = Vec<(u32, Key)>;

    /// Sends and reads back: each partition's records with their groups.
    fn routed(holders: &[u64], most: usize, rows: &[(u32, Key)]) -> Vec<(Partition, Sums, Rows)> {
        let spill = Spill::new(None, 10_000);
        let sample =
            |group: usize| rows.iter().filter(|row| row.0 as usize == group).map(|row| row.1).collect();
        let router = Router::new(Partitions::new(holders, most, sample), &spill, 4096);
        rows.par_chunks(100)
            .try_for_each(|rows| {
                router.with(|buffers| rows.iter().try_for_each(|&(g, key)| router.send(buffers, g, key)))
            })
            .unwrap();
        let routed = router.finish().unwrap();
        let read = |(at, partition): (usize, &Partition)| {
            let found = Mutex::new(vec![]);
            if partition.is_range {
                let mut keys = vec![0; routed.records(at)];
                routed.read_range(at, &mut keys).unwrap();
                let group = partition.groups.start as u32;
                found.lock().unwrap().extend(keys.into_iter().map(|key| (group, key)));
            } else {
                let each = |records: &[Key], groups: &[u32]| {
                    found.lock().unwrap().extend(groups.iter().copied().zip(records.iter().copied()));
                };
                routed.each_block(at, each).unwrap();
            }
            (partition.clone(), routed.contents[at].outline, found.into_inner().unwrap())
        };
        routed.partitions.iter().enumerate().map(read).collect()
    }

    #[test]
    fn every_record_lies_once_in_a_partition_of_its_group_and_value() {
        let holders = [10, 3000, 0, 500, 490, 20, 5000, 1];
        let mut rows: Vec<(u32, Key)> = vec![];
        for (group, &n) in holders.iter().enumerate() {
            // The last large group is mostly one value.
            let key = |i: u64| {
                if group == 6 && !i.is_multiple_of(10) { 77 } else { 1 + i.wrapping_mul(7919) % 1009 }
            };
            rows.extend((0..n).map(|i| (group as u32, key(i))));
        }
        let found = routed(&holders, 1000, &rows);
        let mut all: Vec<(u32, Key)> = vec![];
        let mut last = (0, 0);
        for (partition, sums, records) in found {
            assert!(records.len() <= 1000, "{partition:?}: {}", records.len());
            assert!(records.iter().all(|(group, _)| partition.groups.contains(&(*group as usize))));
            let keys: Vec<Key> = records.iter().map(|record| record.1).collect();
            assert_eq!(sums, outline(&keys));
            if partition.is_range {
                assert!(last <= (partition.groups.start, sums.first), "ranges ascend");
                last = (partition.groups.start, sums.last);
            }
            all.extend(records);
        }
        all.sort_unstable();
        rows.sort_unstable();
        assert_eq!(all, rows);
    }
}
