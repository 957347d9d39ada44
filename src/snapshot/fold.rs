//! The sums: what every holder of every token gained and lost between the blocks that were asked for.
//!
//! Sums are of integers modulo 2^256 with a count of the times they wrapped, so they are exact, and their order does not
//! matter. Holders are spread over many small tables, each of which stays in a core's cache while it takes its share of
//! a batch.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use rayon::prelude::*;
use ruint::aliases::U256;

use crate::columns::owner::{Owners, is_zero};
use crate::groups::chunk::Ids;

/// Tables; a power of two. Measured with 20 million transfers of two million holders: 64 take a fifth longer, 1,024 as
/// long.
const TABLES: usize = 256;
/// The bytes of a holder, and of its place in a table that is a little over half full.
pub(super) const OF_ENTRY: u64 = 140;
/// The epoch of transfers that are of no interest.
pub(super) const LATE: u32 = u32::MAX;

/// A holder's name: its bytes, or the number of a long one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name([u64; 3]);

/// Names that are longer than most.
#[derive(Debug, Default)]
pub(super) struct LongNames(Mutex<Known>);

/// Their numbers, and they by their numbers.
#[derive(Debug, Default)]
struct Known {
    numbers: HashMap<Vec<u8>, u64>,
    names: Vec<Box<[u8]>>,
}

/// A length that stands for a long name.
const LONG: u8 = u8::MAX;

impl Name {
    fn of(name: &[u8], long: &LongNames) -> Self {
        let mut bytes = [0; 24];
        if name.len() < bytes.len() {
            bytes[..name.len()].copy_from_slice(name);
            bytes[23] = name.len() as u8;
        } else {
            bytes[..8].copy_from_slice(&long.number(name).to_le_bytes());
            bytes[23] = LONG;
        }
        Self(bytemuck::cast(bytes))
    }

    /// The owner's bytes.
    pub(super) fn bytes(&self, long: &LongNames) -> Box<[u8]> {
        let bytes: [u8; 24] = bytemuck::cast(self.0);
        match bytes[23] {
            LONG => long.name(self.0[0].to_le()),
            length => bytes[..usize::from(length)].into(),
        }
    }

    /// In the order of the owners' bytes.
    pub(super) fn compare(&self, other: &Self, long: &LongNames) -> std::cmp::Ordering {
        let (a, b): ([u8; 24], [u8; 24]) = (bytemuck::cast(self.0), bytemuck::cast(other.0));
        match (a[23], b[23]) {
            (LONG, _) | (_, LONG) => self.bytes(long).cmp(&other.bytes(long)),
            (of_a, of_b) => a[..usize::from(of_a)].cmp(&b[..usize::from(of_b)]),
        }
    }
}

impl LongNames {
    fn number(&self, name: &[u8]) -> u64 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { numbers, names } = &mut *known;
        *numbers.entry_ref(name).or_insert_with(|| {
            names.push(name.into());
            names.len() as u64 - 1
        })
    }

    fn name(&self, number: u64) -> Box<[u8]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).names[number as usize].clone()
    }
}

/// A signed sum of amounts: `wraps · 2^256 + low`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum {
    low: U256,
    wraps: i32,
}

impl Sum {
    fn gain(&mut self, amount: U256) {
        let (low, wrapped) = self.low.overflowing_add(amount);
        *self = Self { low, wraps: self.wraps + i32::from(wrapped) };
    }

    fn lose(&mut self, amount: U256) {
        let (low, wrapped) = self.low.overflowing_sub(amount);
        *self = Self { low, wraps: self.wraps - i32::from(wrapped) };
    }

    fn add(&mut self, other: Self) {
        self.gain(other.low);
        self.wraps += other.wraps;
    }

    /// Whether it is below zero.
    pub(super) fn is_negative(self) -> bool {
        self.wraps < 0
    }

    /// The amount, where it is one of 256 bits.
    pub(super) fn amount(self) -> Option<U256> {
        (self.wraps == 0).then_some(self.low)
    }

    /// As text.
    pub(super) fn show(self) -> String {
        let low = num_bigint::BigInt::from_bytes_le(num_bigint::Sign::Plus, self.low.as_le_slice());
        let wraps: num_bigint::BigInt = num_bigint::BigInt::from(self.wraps) << 256;
        (low + wraps).to_string()
    }
}

/// What a holder of a token gained in an epoch; after [`Tables::finish`], what it has since.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// The number of the token's group; after all is read, its place among them.
    pub(super) token: u32,
    /// The first snapshot that it counts for.
    pub(super) epoch: u32,
    /// Whose.
    pub(super) name: Name,
    /// How much.
    pub(super) sum: Sum,
    /// How many transfers it received more than it sent.
    pub(super) received: i64,
}

/// The transfers of a batch.
pub(super) struct Moves {
    /// The group of each row's token.
    pub(super) tokens: Ids,
    /// The first snapshot that each row counts for, or [`LATE`].
    pub(super) epochs: Vec<u32>,
    /// Who sent.
    pub(super) from: Owners,
    /// Who received.
    pub(super) to: Owners,
    /// How much.
    pub(super) amounts: Vec<U256>,
}

/// All sums so far.
pub(super) struct Tables {
    tables: Vec<Mutex<HashTable<Entry>>>,
    hasher: DefaultHashBuilder,
    /// Owners of unusual length.
    pub(super) long: LongNames,
    entries: AtomicU64,
}

impl Tables {
    pub(super) fn new() -> Self {
        Self {
            tables: (0..TABLES).map(|_| Mutex::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            long: LongNames::default(),
            entries: AtomicU64::new(0),
        }
    }

    /// How many entries there are.
    pub(super) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Takes a batch of transfers. Those of nothing, and from an owner to itself, change nothing.
    pub(super) fn add(&self, moves: &Moves) {
        // Both sides of each transfer: what its sender lost, and what its recipient gained.
        let mut sides: Vec<(u64, Name, u32)> = Vec::with_capacity(2 * moves.epochs.len());
        let mut counts = [0u32; TABLES + 1];
        moves.tokens.each(moves.epochs.len(), |row, token| {
            let (from, to) = (moves.from.value(row), moves.to.value(row));
            if moves.epochs[row] == LATE || moves.amounts[row].is_zero() || from == to {
                return;
            }
            for (owner, side) in [(from, 0), (to, 1)] {
                if is_zero(owner) {
                    continue;
                }
                let name = Name::of(owner, &self.long);
                let hash = self.hasher.hash_one((token, name));
                counts[table_of(hash) + 1] += 1;
                sides.push((hash, name, (row as u32) << 1 | side));
            }
        });
        (0..TABLES).for_each(|table| counts[table + 1] += counts[table]);
        let mut order = vec![0u32; sides.len()];
        let mut next = counts;
        for (at, (hash, ..)) in sides.iter().enumerate() {
            let place = &mut next[table_of(*hash)];
            order[*place as usize] = at as u32;
            *place += 1;
        }
        // Threads begin at different tables, so that they seldom wait for each other.
        let threads = rayon::current_num_threads().max(1);
        let first = rayon::current_thread_index().unwrap_or(0) * TABLES / threads;
        for table in (first..TABLES).chain(0..first) {
            let own = &order[counts[table] as usize..counts[table + 1] as usize];
            if own.is_empty() {
                continue;
            }
            let mut entries = self.tables[table].lock().unwrap_or_else(PoisonError::into_inner);
            let before = entries.len();
            for &at in own {
                let (hash, name, side) = sides[at as usize];
                let (row, gains) = ((side >> 1) as usize, side & 1 == 1);
                let (token, epoch) = (moves.tokens.at(row), moves.epochs[row]);
                let same = |entry: &Entry| entry.name == name && entry.token == token && entry.epoch == epoch;
                let rehash = |entry: &Entry| self.hasher.hash_one((entry.token, entry.name));
                let new = || Entry { token, epoch, name, sum: Sum::default(), received: 0 };
                let entry = entries.entry(hash, same, rehash).or_insert_with(new).into_mut();
                if gains {
                    entry.sum.gain(moves.amounts[row]);
                    entry.received += 1;
                } else {
                    entry.sum.lose(moves.amounts[row]);
                    entry.received -= 1;
                }
            }
            self.entries.fetch_add((entries.len() - before) as u64, Ordering::Relaxed);
        }
    }

    /// What every holder has from each epoch on in which that changes, in the order of tokens, owners and epochs within
    /// each of many lists; a holder's are in one list. Tokens get these places.
    pub(super) fn finish(self, places: &[u32]) -> (Vec<Vec<Entry>>, LongNames) {
        let Self { tables, long, .. } = self;
        let finish = |table: Mutex<HashTable<Entry>>| {
            let table = table.into_inner().unwrap_or_else(PoisonError::into_inner);
            let place = |entry: Entry| Entry { token: places[entry.token as usize], ..entry };
            let mut entries: Vec<Entry> = table.into_iter().map(place).collect();
            entries.sort_unstable_by(|a, b| {
                a.token.cmp(&b.token).then_with(|| a.name.compare(&b.name, &long)).then(a.epoch.cmp(&b.epoch))
            });
            let mut last: Option<Entry> = None;
            for entry in &mut entries {
                if let Some(last) = last.filter(|last| last.token == entry.token && last.name == entry.name) {
                    entry.sum.add(last.sum);
                    entry.received += last.received;
                }
                last = Some(*entry);
            }
            entries
        };
        (tables.into_par_iter().map(finish).collect(), long)
    }
}

/// The table of a holder. A table's own places are told by the other bits.
fn table_of(hash: u64) -> usize {
    (hash >> 32) as usize % TABLES
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::*;
    use crate::columns::owner::decode;

    fn owners(names: Vec<String>) -> Owners {
        decode(&(Arc::new(StringArray::from(names)) as ArrayRef)).unwrap()
    }

    proptest! {
        /// In any order and batches, sums are those of integers without bounds.
        #[test]
        fn sums_are_exact(
            rows in prop::collection::vec((0u32..3, 0u32..4, 0u8..6, 0u8..6, any::<[u64; 4]>()), 1..200),
            cut in 0usize..200,
        ) {
            // One name in three is long.
            let name = |i: u8| if i % 3 == 2 { format!("{i}-{}", "x".repeat(40)) } else { format!("0x{i:040x}") };
            let tables = Tables::new();
            let (first, second) = rows.split_at(cut.min(rows.len()));
            for rows in [second, first] {
                tables.add(&Moves {
                    tokens: Ids::Each(rows.iter().map(|row| row.0).collect()),
                    epochs: rows.iter().map(|row| if row.1 == 3 { LATE } else { row.1 }).collect(),
                    from: owners(rows.iter().map(|row| name(row.2)).collect()),
                    to: owners(rows.iter().map(|row| name(row.3)).collect()),
                    amounts: rows.iter().map(|row| U256::from_limbs(row.4)).collect(),
                });
            }
            let (lists, long) = tables.finish(&[2, 1, 0]);
            for entry in lists.iter().flatten() {
                let shown = crate::columns::owner::show(&entry.name.bytes(&long));
                let mut expected = num_bigint::BigInt::ZERO;
                let earlier = rows.iter().filter(|row| 2 - row.0 == entry.token && row.1 <= entry.epoch);
                for row in earlier {
                    let amount = num_bigint::BigInt::from_bytes_le(
                        num_bigint::Sign::Plus, U256::from_limbs(row.4).as_le_slice());
                    expected += if name(row.3) == shown { amount.clone() } else { 0.into() };
                    expected -= if name(row.2) == shown { amount } else { 0.into() };
                }
                prop_assert_eq!(entry.sum.show(), expected.to_string());
                prop_assert!(!is_zero(&entry.name.bytes(&long)));
            }
            let touched = |row: &&(u32, u32, u8, u8, [u64; 4])| row.1 < 3 && row.2 != row.3;
            prop_assert_eq!(lists.iter().all(Vec::is_empty), rows.iter().filter(touched).count() == 0);
        }
    }
}
