//! How keys of many segments are shared out: to the CPU, packed into workgroups, or sorted by passes; and in how many
//! portions, by what the device holds.

use std::ops::Range;

use rayon::prelude::*;

use crate::backend::words::{MOST_KEYS, RECORD, WIDEST};
use crate::kernels::{LEAST_CLASS, SLOTS};
use crate::numbers::key::{Key, exponent};

/// What a device holds at once. Derived from its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Words of a binding.
    pub words: usize,
    /// Keys of all portions that are there at once.
    pub keys: usize,
    /// Keys of a tile.
    pub tile: usize,
    /// Digits of a pass.
    pub digits: usize,
}

impl Room {
    /// For a device with bindings of so many bytes, buffers of so many, and tiles and digits as set.
    ///
    /// A plane of keys is one binding of four bytes a key. All four planes together take no more than the largest
    /// buffer that the device offers: what memory it has, nobody says, but it offers to hold that much.
    pub fn new(binding: u64, buffer: u64, tile: u32, digit_bits: u32) -> Self {
        let tile = (tile as usize).clamp(1, MOST_KEYS);
        let words = (binding.min(buffer) / 4).min(u64::from(u32::MAX) / 4) as usize;
        let budget = (buffer / 16) as usize;
        // The smallest devices have less than four tiles; there a binding is all there is to go by.
        let keys = budget.max(2 * words.min(4 * tile));
        Self { words, keys, tile, digits: 1 << digit_bits }
    }

    /// Keys of the only portion.
    pub fn whole(&self) -> usize {
        self.words.min(self.keys)
    }

    /// Keys of one portion of several: the next one is there before the one ahead of it has gone.
    pub fn portion(&self) -> usize {
        self.words.min(self.keys / 2)
    }

    /// The largest segment that can be sorted by passes.
    pub fn largest_segment(&self) -> usize {
        // Its counts, its records and its tiles' table have to fit a binding too.
        let tiles = (self.words / self.digits).min(self.words / RECORD);
        self.portion().min(tiles * self.tile)
    }
}

/// What is known of the bits of some keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits {
    /// Those that some key has.
    pub any: u64,
    /// Those that every key has.
    pub all: u64,
}

impl Bits {
    /// Of no keys.
    pub const NONE: Self = Self { any: 0, all: !0 };

    /// Of some keys.
    pub fn of(keys: &[Key]) -> Self {
        keys.iter().fold(Self::NONE, |bits, &key| bits.join(Self { any: key, all: key }))
    }

    /// Of these keys and others.
    pub fn join(self, other: Self) -> Self {
        Self { any: self.any | other.any, all: self.all & other.all }
    }

    /// Those in which two keys differ.
    pub fn varying(self) -> u64 {
        self.any & !self.all
    }
}

/// Who sorts a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The CPU: it has no keys, amounts of 2^128 or more, or more keys than the device holds.
    Host,
    /// The packed kernel; what its keys are like.
    Packed(Bits),
    /// Passes of the radix sort; what its keys are like.
    Large(Bits),
}

/// The places of all segments.
pub fn places(keys: &[Key], offsets: &[usize], room: &Room) -> Vec<Place> {
    offsets.par_windows(2).map(|o| place(&keys[o[0]..o[1]], room)).collect()
}

fn place(keys: &[Key], room: &Room) -> Place {
    let scan = |keys: &[Key]| (Bits::of(keys), keys.iter().copied().max().unwrap_or(0));
    let join = |a: (Bits, Key), b: (Bits, Key)| (a.0.join(b.0), a.1.max(b.1));
    let (bits, max) = keys.par_chunks(1 << 16).map(scan).reduce(|| (Bits::NONE, 0), join);
    if keys.is_empty() || exponent(max) > WIDEST || keys.len() > room.largest_segment() {
        Place::Host
    } else if keys.len() <= SLOTS as usize {
        Place::Packed(bits)
    } else {
        Place::Large(bits)
    }
}

/// Portions of large segments of these lengths: one where the device holds them all, so that they can stay there.
pub fn loads(lengths: &[usize], room: &Room) -> Vec<Range<usize>> {
    let cost = |keys: usize| {
        let tiles = keys.div_ceil(room.tile);
        [keys, tiles * room.digits, tiles * RECORD]
    };
    let of = |keys: usize| portions(lengths, cost, [keys, room.words, room.words]);
    let whole = of(room.whole());
    if whole.len() < 2 { whole } else { of(room.portion()) }
}

/// Portions of small segments of these lengths, each of at most so many keys.
pub fn packs(lengths: &[usize], room: &Room, most: u64) -> Vec<Range<usize>> {
    let most = room.portion().min(usize::try_from(most).unwrap_or(usize::MAX));
    portions(lengths, |keys| [keys, RECORD, 0], [most, room.words, 0])
}

/// Cuts segments where the next one would not fit.
fn portions(lengths: &[usize], cost: impl Fn(usize) -> [usize; 3], room: [usize; 3]) -> Vec<Range<usize>> {
    let mut portions: Vec<Range<usize>> = Vec::new();
    let mut used = [0; 3];
    for (i, &keys) in lengths.iter().enumerate() {
        let cost = cost(keys);
        let next: [usize; 3] = std::array::from_fn(|k| used[k] + cost[k]);
        match portions.last_mut() {
            Some(portion) if (0..3).all(|k| next[k] <= room[k]) => {
                portion.end = i + 1;
                used = next;
            }
            _ => {
                portions.push(i..i + 1);
                used = cost;
            }
        }
    }
    portions
}

/// The tiles of segments of these lengths that lie one after the other: start, length, and where the counts lie, digit
/// `d` at `base + d·stride`. So the matrix is `[segment][digit][tile]`.
pub fn tile_table(tile: usize, digits: usize, lengths: &[usize]) -> Vec<[u32; 4]> {
    let mut table = Vec::new();
    let mut start = 0;
    for &keys in lengths {
        let (before, stride) = (table.len(), keys.div_ceil(tile));
        for i in 0..stride {
            let length = tile.min(keys - i * tile) as u32;
            table.push([start, length, (before * digits + i) as u32, stride as u32]);
            start += length;
        }
    }
    table
}

/// The size class of a small segment: it gets 2^class slots.
pub fn class(keys: usize) -> u32 {
    (keys as u32).next_power_of_two().trailing_zeros().max(LEAST_CLASS)
}

/// Segments of one class in one workgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The first one, in the order of classes.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Their class.
    pub class: u32,
}

/// Small segments of these lengths by class: their order, and the blocks of that order.
pub fn blocks(lengths: &[usize]) -> (Vec<usize>, Vec<Block>) {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&i| class(lengths[i]));
    let mut blocks: Vec<Block> = Vec::new();
    for (at, &i) in order.iter().enumerate() {
        let class = class(lengths[i]);
        match blocks.last_mut() {
            Some(block) if block.class == class && block.count < SLOTS >> class => block.count += 1,
            _ => blocks.push(Block { first: at as u32, count: 1, class }),
        }
    }
    (order, blocks)
}

/// The passes over varying bits: the lowest bit of each digit, within the low and the high plane.
pub fn passes(varying: u64, digit_bits: u32) -> Vec<Pass> {
    let mut passes = Vec::new();
    for (high, mut bits) in [(false, varying as u32), (true, (varying >> 32) as u32)] {
        while bits != 0 {
            // A digit stays within its plane.
            let shift = bits.trailing_zeros().min(32 - digit_bits);
            passes.push(Pass { high, shift });
            bits &= !((((1u64 << digit_bits) - 1) << shift) as u32);
        }
    }
    passes
}

/// One pass of the radix sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Whether the digit lies in the high plane.
    pub high: bool,
    /// The digit's lowest bit.
    pub shift: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_cover_the_varying_bits_once() {
        for (varying, bits, count) in [
            (0, 8, 0),
            (!0, 8, 8),
            (!0, 4, 16),
            (1 << 63, 8, 1),
            (0xff << 28, 8, 2),
            (0x101, 8, 2),
            (0x81, 8, 1),
        ] {
            let passes = passes(varying, bits);
            assert_eq!(passes.len(), count, "{varying:x}");
            let covered = passes.iter().fold(0u64, |covered, pass| {
                let digit = (((1u64 << bits) - 1) << pass.shift) as u32;
                covered | u64::from(digit) << (32 * u32::from(pass.high))
            });
            assert_eq!(covered & varying, varying);
        }
    }

    #[test]
    fn blocks_hold_segments_of_one_class() {
        let lengths = [1, 1024, 16, 17, 600, 3, 5, 33, 64];
        let (order, blocks) = blocks(&lengths);
        assert_eq!(blocks.iter().map(|b| b.count).sum::<u32>(), lengths.len() as u32);
        for block in blocks {
            assert!(block.count << block.class <= SLOTS);
            for &i in &order[block.first as usize..][..block.count as usize] {
                assert!(lengths[i] <= 1 << block.class);
            }
        }
    }

    #[test]
    fn portions_fit_the_smallest_device_and_the_largest() {
        let lengths: Vec<usize> = (0..5000).map(|i| 1025 + (i * 7919) % 15000).collect();
        for (binding, buffer) in [(64 << 10, 64 << 10), (128 << 20, 256 << 20), ((1 << 31) - 4, 1 << 36)] {
            let room = Room::new(binding, buffer, 8192, 8);
            assert!(room.largest_segment() >= 16384, "{room:?}");
            for lengths in [&lengths[..], &lengths[..4]] {
                let loads = loads(lengths, &room);
                assert_eq!((loads[0].start, loads[loads.len() - 1].end), (0, lengths.len()));
                let keys = |load: &Range<usize>| lengths[load.clone()].iter().sum::<usize>();
                // Two that follow each other are there together.
                assert!(loads.windows(2).all(|two| keys(&two[0]) + keys(&two[1]) <= room.keys));
                assert!(loads.len() > 1 || keys(&loads[0]) <= room.keys);
                for load in loads {
                    let tiles: usize = lengths[load.clone()].iter().map(|n| n.div_ceil(room.tile)).sum();
                    assert!(keys(&load) * 4 <= binding as usize);
                    assert!(
                        tiles * room.digits * 4 <= binding as usize && tiles * RECORD * 4 <= binding as usize
                    );
                }
            }
        }
    }

    #[test]
    fn bits_of_keys_that_differ_between_segments() {
        let [a, b] = [Bits::of(&[0b1100, 0b1110]), Bits::of(&[0b0100])];
        assert_eq!((a.varying(), b.varying(), a.join(b).varying()), (0b10, 0, 0b1010));
        assert_eq!(a.join(Bits::NONE), a);
        assert_eq!(Bits::NONE.varying(), 0);
    }
}
