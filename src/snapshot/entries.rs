//! What holders have, exactly.

use ruint::aliases::U256;

use super::names::Name;

/// A signed sum of amounts: `wraps · 2^256 + low`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum {
    pub(super) low: U256,
    pub(super) wraps: i32,
}

impl Sum {
    #[inline]
    pub(super) fn add(&mut self, other: Self) {
        let (low, wrapped) = self.low.overflowing_add(other.low);
        *self = Self { low, wraps: self.wraps + other.wraps + i32::from(wrapped) };
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

/// What a holder of a token gained in an epoch; after [`Entries::finish`], what it has since. As large as a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Entry {
    low: U256,
    wraps: i32,
    pub(super) key: Key,
}

/// Whose an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// The number of the token's group; after all is read, its place among them.
    pub(super) token: u32,
    /// Twice the epoch, and whether the name is no address.
    pub(super) when: u32,
    pub(super) words: [u32; 5],
}

impl Entry {
    /// Of somebody who has nothing yet.
    pub(super) fn new(key: Key) -> Self {
        Self { low: U256::ZERO, wraps: 0, key }
    }

    /// The number of the token's group; after all is read, its place among them.
    pub(super) fn token(&self) -> u32 {
        self.key.token
    }

    /// Whose.
    pub(super) fn name(&self) -> Name {
        Name { words: self.key.words, other: self.key.when & 1 }
    }

    /// The first snapshot that it counts for.
    pub(super) fn epoch(&self) -> u32 {
        self.key.when >> 1
    }

    /// How much.
    pub(super) fn sum(&self) -> Sum {
        Sum { low: self.low, wraps: self.wraps }
    }

    /// Whether two are of one holder of one token.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.key.token == other.key.token && self.name() == other.name()
    }

    #[inline]
    pub(super) fn set(&mut self, sum: Sum) {
        (self.low, self.wraps) = (sum.low, sum.wraps);
    }
}

/// Entries side by side in blocks, so that none is moved to make room for more.
#[derive(Debug, Default)]
pub(super) struct Entries {
    blocks: Vec<Vec<Entry>>,
}

/// Entries of a block.
const BLOCK: usize = 1 << 9;

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.blocks.split_last().map_or(0, |(last, whole)| whole.len() * BLOCK + last.len())
    }

    #[inline]
    pub(super) fn at(&self, at: usize) -> &Entry {
        &self.blocks[at / BLOCK][at % BLOCK]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, at: usize) -> &mut Entry {
        &mut self.blocks[at / BLOCK][at % BLOCK]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.blocks.iter().flatten()
    }

    pub(super) fn push(&mut self, entry: Entry) {
        match self.blocks.last_mut().filter(|block| block.len() < BLOCK) {
            Some(block) => block.push(entry),
            None => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(entry);
                self.blocks.push(block);
            }
        }
    }

    /// Leaves out what is not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        let mut kept = Self::default();
        for block in std::mem::take(&mut self.blocks) {
            block.into_iter().filter(&keep).for_each(|entry| kept.push(entry));
        }
        *self = kept;
    }

    /// Makes of what each holder gained in an epoch what it has since. A holder's entries follow each other afterwards, and
    /// tokens have these places.
    pub(super) fn finish(&mut self, places: &[u32]) {
        let first = self.iter().next().map(Entry::epoch);
        let is_one = self.iter().all(|entry| Some(entry.epoch()) == first);
        self.blocks.iter_mut().flatten().for_each(|entry| entry.key.token = places[entry.token() as usize]);
        if is_one {
            // A holder has one entry.
            return;
        }
        self.sort();
        for at in 1..self.len() {
            let last = *self.at(at - 1);
            let entry = self.at_mut(at);
            if last.is_of(entry) {
                let mut sum = entry.sum();
                sum.add(last.sum());
                entry.set(sum);
            }
        }
    }

    /// By holder, token and epoch, in the memory that they have.
    fn sort(&mut self) {
        let leading = |[first, second, ..]: [u32; 5]| u64::from(first) << 32 | u64::from(second);
        let order_of = |Key { token, when, words }: Key| (words, when & 1, token, when);
        let mut order: Vec<(u64, u32)> =
            self.iter().zip(0..).map(|(entry, at)| (leading(entry.key.words), at)).collect();
        order.sort_unstable_by(|(a, at_a), (b, at_b)| {
            let order_of = |at: u32| order_of(self.at(at as usize).key);
            a.cmp(b).then_with(|| order_of(*at_a).cmp(&order_of(*at_b)))
        });
        // Each takes the place of the one that comes there, round and round.
        for start in 0..order.len() {
            let (saved, mut at) = (*self.at(start), start);
            loop {
                let next = std::mem::replace(&mut order[at].1, at as u32) as usize;
                if next == start {
                    *self.at_mut(at) = saved;
                    break;
                }
                *self.at_mut(at) = *self.at(next);
                at = next;
            }
        }
    }
}
