//! The sums: what every holder of every token gained and lost between the blocks that were asked for.
//!
//! Sums are of integers modulo 2^256 with a count of the times they wrapped, so they are exact, and their order does not
//! matter. Holders are spread over many tables, so that threads seldom wait for each other.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hashbrown::DefaultHashBuilder;
use rayon::prelude::*;
use ruint::aliases::U256;

use super::entries::{Entries, Entry, Key, Sum};
use super::names::{Name, Names, OtherNames};
use crate::groups::chunk::Ids;

/// Tables; a power of two.
const TABLES: usize = 128;
/// Sides that a table takes at a time.
const SIDES: usize = 1 << 6;
/// Bytes of a holder, and of its place in a table.
const OF_ENTRY: u64 = 130;
/// The epoch of transfers that are of no interest.
pub(super) const LATE: u32 = u32::MAX >> 1;

/// The transfers of a batch.
pub(super) struct Moves {
    /// The group of each row's token.
    pub(super) tokens: Ids,
    /// The first snapshot that each row counts for, or [`LATE`].
    pub(super) epochs: Vec<u32>,
    /// Who sent.
    pub(super) from: Vec<Name>,
    /// Who received.
    pub(super) to: Vec<Name>,
    /// How much.
    pub(super) amounts: Vec<U256>,
}

impl Moves {
    /// Calls `f` with every row that counts: its token, its epoch, who sent, who received and how much.
    #[inline]
    pub(super) fn each(&self, mut f: impl FnMut(u32, u32, &Name, &Name, U256)) {
        let (epochs, amounts) = (self.epochs.iter(), self.amounts.iter());
        let rows = epochs.zip(amounts).zip(self.from.iter().zip(&self.to)).enumerate();
        for (row, ((&epoch, &amount), (from, to))) in rows {
            // Transfers of nothing change nothing.
            if epoch != LATE && !amount.is_zero() {
                f(self.tokens.at(row), epoch, from, to, amount);
            }
        }
    }
}

/// One side of a transfer: what its sender lost, or its recipient gained.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Side {
    /// What is lost is gained modulo 2^256, and wraps.
    gain: U256,
    key: Key,
    /// Of the holder, the token and the epoch; its lowest bit says whether it is lost instead.
    hash: u32,
}

impl Side {
    #[inline]
    fn of(amount: U256, key: Key, hash: u64, is_lost: bool) -> Self {
        let gain = if is_lost { amount.wrapping_neg() } else { amount };
        Self { gain, key, hash: (hash >> 32) as u32 & !1 | u32::from(is_lost) }
    }

    #[inline]
    fn sum(&self) -> Sum {
        Sum { low: self.gain, wraps: -((self.hash & 1) as i32) }
    }
}

/// Entries, and where they are found by their hashes.
#[derive(Debug, Default)]
struct Table {
    /// One more than an entry's place, and eight bits of its hash; zero where there is none. Their number is a power of
    /// two.
    slots: Vec<u32>,
    entries: Entries,
}

/// Bits of a slot that are the place.
const PLACE: u32 = 24;
/// A table of more entries is told to be full: what other threads are about to bring still has places.
const FULL: usize = (1 << PLACE) - (1 << 20);

/// Where the entry of a hash is looked for first, among so many slots less one.
#[inline]
fn first_slot(hash: u32, mask: usize) -> usize {
    (hash >> 1) as usize & mask
}

/// What a slot has of a hash.
#[inline]
fn tag(hash: u32) -> u32 {
    hash >> 24
}

impl Table {
    /// Takes some sides. All entries are looked up before any is changed: so the memory that they lie in is waited for
    /// once, and not entry by entry.
    fn fold(&mut self, sides: &[Side], places: &mut Vec<u32>, hasher: &Hasher) {
        self.reserve(sides.len(), hasher);
        places.clear();
        let mask = self.slots.len() - 1;
        places.extend(sides.iter().map(|side| self.slots[first_slot(side.hash, mask)]));
        for (place, side) in places.iter_mut().zip(sides) {
            *place = self.likely(side.hash, *place);
        }
        for (place, side) in places.iter_mut().zip(sides) {
            // One word of the key: the less is done here, the more entries are on their way at once.
            let word = place.checked_sub(1).map_or(0, |at| self.entries.at(at as usize).key.words[1]);
            *place = if word == side.key.words[1] { *place } else { 0 };
        }
        for (&place, side) in places.iter().zip(sides) {
            let likely = (place as usize).checked_sub(1).filter(|&at| self.entries.at(at).key == side.key);
            let at = likely.unwrap_or_else(|| self.place(side));
            let entry = self.entries.at_mut(at);
            let mut sum = entry.sum();
            sum.add(side.sum());
            entry.set(sum);
        }
    }

    /// One more than the place of the entry that is probably this hash's, whose first slot is known; zero where there is
    /// none.
    #[inline]
    fn likely(&self, hash: u32, mut found: u32) -> u32 {
        let mask = self.slots.len() - 1;
        let mut slot = first_slot(hash, mask);
        while found != 0 && found >> PLACE != tag(hash) {
            slot = (slot + 1) & mask;
            found = self.slots[slot];
        }
        found & ((1 << PLACE) - 1)
    }

    /// The place of a side's entry, which is made where there is none.
    fn place(&mut self, side: &Side) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = first_slot(side.hash, mask);
        while self.slots[slot] != 0 {
            let at = (self.slots[slot] & ((1 << PLACE) - 1)) as usize - 1;
            if self.slots[slot] >> PLACE == tag(side.hash) && self.entries.at(at).key == side.key {
                return at;
            }
            slot = (slot + 1) & mask;
        }
        let at = self.entries.len();
        self.entries.push(Entry::new(side.key));
        self.slots[slot] = tag(side.hash) << PLACE | (at as u32 + 1);
        at
    }

    /// Makes room for so many entries more: a quarter of the slots stays free.
    fn reserve(&mut self, more: usize, hasher: &Hasher) {
        let slots = ((self.entries.len() + more) / 3 * 4 + 8).next_power_of_two();
        if slots <= self.slots.len() {
            return;
        }
        self.slots.clear();
        self.slots.resize(slots, 0);
        for (at, entry) in (1..).zip(self.entries.iter()) {
            let Key { token, when, words } = entry.key;
            let hash = (hasher.of(&Name { words, other: when & 1 }, token, when >> 1) >> 32) as u32;
            let mut slot = first_slot(hash, slots - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (slots - 1);
            }
            self.slots[slot] = tag(hash) << PLACE | at;
        }
    }
}

/// All sums so far.
pub(super) struct Tables {
    tables: Vec<Mutex<Table>>,
    hasher: Hasher,
    /// Owners that are no addresses.
    pub(super) others: OtherNames,
    entries: AtomicU64,
    /// What threads spread sides with.
    spread: Mutex<Vec<Spread>>,
}

/// Sides that wait until a table has enough of them: a table is far away, and the less often it is visited the better.
#[derive(Debug)]
struct Spread {
    /// Of each table.
    sides: Vec<Vec<Side>>,
    places: Vec<u32>,
}

impl Spread {
    fn new() -> Self {
        Self { sides: (0..TABLES).map(|_| Vec::new()).collect(), places: vec![] }
    }
}

impl Tables {
    pub(super) fn new() -> Self {
        Self {
            tables: (0..TABLES).map(|_| Mutex::default()).collect(),
            hasher: Hasher::new(),
            others: OtherNames::default(),
            entries: AtomicU64::new(0),
            spread: Mutex::default(),
        }
    }

    /// How many entries there are.
    pub(super) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// What holders take, and their names where they are long.
    pub(super) fn bytes(&self) -> u64 {
        self.entries() * OF_ENTRY + self.others.bytes()
    }

    /// So many there may be: half of what there are places for, as tables differ in size.
    pub(super) const MOST: u64 = (TABLES as u64) << (PLACE - 1);

    /// Takes a batch of transfers.
    pub(super) fn add(&self, moves: &Moves) {
        let idle = || self.spread.lock().unwrap_or_else(PoisonError::into_inner);
        let mut spread = idle().pop().unwrap_or_else(Spread::new);
        moves.each(|token, epoch, from, to, amount| {
            // What an owner sends itself changes nothing.
            if from == to {
                return;
            }
            for (name, is_lost) in [(from, true), (to, false)] {
                if *name == Name::NOBODY {
                    continue;
                }
                let hash = self.hasher.of(name, token, epoch);
                let key = Key { token, when: epoch << 1 | name.other, words: name.words };
                let table = hash as usize % TABLES;
                let sides = &mut spread.sides[table];
                sides.push(Side::of(amount, key, hash, is_lost));
                if sides.len() == SIDES {
                    self.fold(table, sides, &mut spread.places);
                }
            }
        });
        idle().push(spread);
    }

    /// Empties some sides of a table into it.
    fn fold(&self, table: usize, sides: &mut Vec<Side>, places: &mut Vec<u32>) {
        let mut table = self.tables[table].lock().unwrap_or_else(PoisonError::into_inner);
        let before = table.entries.len();
        if before > FULL {
            self.entries.fetch_add(Self::MOST, Ordering::Relaxed);
        }
        table.fold(sides, places, &self.hasher);
        self.entries.fetch_add((table.entries.len() - before) as u64, Ordering::Relaxed);
        sides.clear();
    }

    /// Takes what is still spread, once all is read.
    pub(super) fn settle(&self) {
        let spreads = std::mem::take(&mut *self.spread.lock().unwrap_or_else(PoisonError::into_inner));
        spreads.into_par_iter().for_each(|Spread { sides, mut places }| {
            for (table, mut sides) in sides.into_iter().enumerate() {
                self.fold(table, &mut sides, &mut places);
            }
        });
    }

    /// What every holder has from each epoch on in which that changes, in many lists; a holder's entries follow each
    /// other. Tokens get these places.
    pub(super) fn finish(self, places: &[u32]) -> (Vec<Entries>, Names) {
        let finish = |table: Mutex<Table>| {
            let Table { mut entries, .. } = table.into_inner().unwrap_or_else(PoisonError::into_inner);
            entries.finish(places);
            entries
        };
        (self.tables.into_par_iter().map(finish).collect(), self.others.known())
    }
}

/// Hashes of holders, by keys of its own.
struct Hasher([u64; 4]);

impl Hasher {
    fn new() -> Self {
        let random = DefaultHashBuilder::default();
        Self(std::array::from_fn(|key| random.hash_one(key) | 1))
    }

    /// Its lower half is of the holder and the token alone. Products whose halves are joined, as in wyhash.
    #[inline]
    fn of(&self, name: &Name, token: u32, epoch: u32) -> u64 {
        let fold = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            product as u64 ^ (product >> 64) as u64
        };
        let Self([k0, k1, k2, k3]) = self;
        let [a, b, c, d, e] = name.words;
        let own = fold((u64::from(a) << 32 | u64::from(b)) ^ k2, *k0)
            ^ fold((u64::from(c) << 32 | u64::from(d)) ^ k3, *k1);
        let own = fold(own ^ (u64::from(e) << 32 | u64::from(token)), *k2);
        let upper = fold(own ^ u64::from(epoch), *k3);
        upper & !u64::from(u32::MAX) | own & u64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::*;
    use crate::columns::owner;

    fn names(names: Vec<String>, others: &OtherNames) -> Vec<Name> {
        let (column, mut names) = (Arc::new(StringArray::from(names)) as ArrayRef, vec![]);
        let mut buffer = vec![];
        let each = |cell: Option<&[u8]>, is_text| {
            names.push(Name::of(cell.unwrap(), is_text, &mut buffer, others));
        };
        owner::each_cell(&column, each).unwrap();
        names
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
                    from: names(rows.iter().map(|row| name(row.2)).collect(), &tables.others),
                    to: names(rows.iter().map(|row| name(row.3)).collect(), &tables.others),
                    amounts: rows.iter().map(|row| U256::from_limbs(row.4)).collect(),
                });
            }
            tables.settle();
            let (lists, others) = tables.finish(&[2, 1, 0]);
            for entry in lists.iter().flat_map(Entries::iter) {
                let shown = owner::show(&entry.name().owner(&others));
                let mut expected = num_bigint::BigInt::ZERO;
                let earlier = rows.iter().filter(|row| 2 - row.0 == entry.token() && row.1 <= entry.epoch());
                for row in earlier {
                    let amount = num_bigint::BigInt::from_bytes_le(
                        num_bigint::Sign::Plus, U256::from_limbs(row.4).as_le_slice());
                    expected += if name(row.3) == shown { amount.clone() } else { 0.into() };
                    expected -= if name(row.2) == shown { amount } else { 0.into() };
                }
                prop_assert_eq!(entry.sum().show(), expected.to_string());
                prop_assert_ne!(entry.name(), Name::NOBODY);
            }
            let touched = |row: &&(u32, u32, u8, u8, [u64; 4])| row.1 < 3 && row.2 != row.3;
            prop_assert_eq!(lists.iter().all(|list| list.len() == 0), rows.iter().filter(touched).count() == 0);
        }
    }
}
