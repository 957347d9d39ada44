//! The record in which kernels write a tile's sums: words of 32 bits, the lowest first.

use crate::moments::{Needs, Sums};
use crate::numbers::key::Key;
use crate::numbers::wide::{U192, U320, U384, U576};

/// Words of a record.
pub const RECORD: usize = 36;
/// Where `Σv` starts: five words.
pub const AMOUNT: usize = 0;
/// Where `Σ i·v` starts: five words.
pub const RANKED: usize = 5;
/// Where `Σv²` starts: nine words.
pub const SQUARES: usize = 10;
/// Where `ΣL` starts: two words.
pub const LOGS: usize = 19;
/// Where `Σ v·L` starts: six words.
pub const PRODUCTS: usize = 21;
/// Where `Σ√v` starts: four words.
pub const ROOTS: usize = 27;
/// Where the first key starts: two words.
pub const FIRST: usize = 31;
/// Where the last key starts: two words. In answers to prefix queries, the key after the prefix.
pub const LAST: usize = 33;
/// The largest exponent whose sums fit a record: of amounts below 2^128.
pub const WIDEST: u32 = 72;
/// The most keys whose sums fit a record, and whose lanes do not overflow on the way.
pub const MOST_KEYS: usize = 1 << 15;

/// The bit of `Σv²` in the wanted sums.
pub const NEEDS_SQUARES: u32 = 1;
/// The bit of `ΣL` and `Σ v·L`.
pub const NEEDS_LOGS: u32 = 2;
/// The bit of `Σ√v`.
pub const NEEDS_ROOTS: u32 = 4;

/// The wanted sums as kernels read them.
pub fn bits(needs: Needs) -> u32 {
    u32::from(needs.squares) * NEEDS_SQUARES
        + u32::from(needs.logs) * NEEDS_LOGS
        + u32::from(needs.roots) * NEEDS_ROOTS
}

/// The sums of a record over `n` keys.
pub fn sums(record: &[u32], n: u64) -> Sums {
    Sums {
        n,
        first: key_at(record, FIRST),
        last: key_at(record, LAST),
        amount: U320::from_limbs(limbs(&record[AMOUNT..RANKED])),
        ranked: U384::from_limbs(limbs(&record[RANKED..SQUARES])),
        squares: U576::from_limbs(limbs(&record[SQUARES..LOGS])),
        logs: u128::from(key_at(record, LOGS)),
        products: U384::from_limbs(limbs(&record[PRODUCTS..ROOTS])),
        roots: U192::from_limbs(limbs(&record[ROOTS..FIRST])),
    }
}

/// The 64 bits at `at`.
pub fn key_at(record: &[u32], at: usize) -> Key {
    u64::from(record[at]) | u64::from(record[at + 1]) << 32
}

fn limbs<const N: usize>(words: &[u32]) -> [u64; N] {
    let word = |i: usize| u64::from(words.get(i).copied().unwrap_or(0));
    std::array::from_fn(|i| word(2 * i) | word(2 * i + 1) << 32)
}
