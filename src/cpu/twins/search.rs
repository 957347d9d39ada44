//! Ranks by a bound, one workgroup a query.

use ruint::aliases::U256;

use super::shared::Shared;
use super::{Group, THREADS};
use crate::numbers::key::{Key, value};

const KEY_AT_MOST: u32 = 1;

/// Buffers: queries, both planes, found.
pub fn search(group: &Group<'_>, buffers: &mut [Vec<u32>]) {
    let [queries, lo, hi, found] = buffers else { panic!("four buffers") };
    let Some(entry) = group.entry() else { return };
    let query = &queries[8 * entry..][..8];
    let (start, length) = (query[0] as usize, query[1] as usize);
    let share = length.div_ceil(THREADS);
    let key = |i: usize| u64::from(lo[start + i]) | u64::from(hi[start + i]) << 32;
    if query[2] == KEY_AT_MOST {
        let bound = u64::from(query[3]) | u64::from(query[4]) << 32;
        found[entry] = keys_at_most(length, key, bound);
        return;
    }
    let mut sums = Shared::new(5 * THREADS);
    for thread in 0..THREADS {
        let mine = (thread * share).min(length)..((thread + 1) * share).min(length);
        let words = words(mine.fold(U256::ZERO, |sum, i| sum + value(key(i))));
        (0..5).for_each(|word| sums.write(thread, word * THREADS + thread, words[word]));
    }
    sums.barrier();
    found[entry] = sum_below(&mut sums, length, share, key, from_words(|i| query[3 + i]));
}

/// How many keys are at most the bound.
fn keys_at_most(length: usize, key: impl Fn(usize) -> Key, bound: Key) -> u32 {
    let (mut low, mut high) = (0, length);
    while low < high {
        let middle = (low + high) / 2;
        if key(middle) <= bound { low = middle + 1 } else { high = middle }
    }
    low as u32
}

/// How many of the smallest keys sum to less than the bound: over threads first, then within one thread's keys.
fn sum_below(sums: &mut Shared, length: usize, share: usize, key: impl Fn(usize) -> Key, bound: U256) -> u32 {
    let (mut sum, mut rank) = (U256::ZERO, 0);
    for t in 0..THREADS {
        let next = sum + from_words(|word| sums.read(0, word * THREADS + t));
        if next >= bound {
            break;
        }
        sum = next;
        rank = (rank + share).min(length);
    }
    while rank < length {
        sum += value(key(rank));
        if sum >= bound {
            break;
        }
        rank += 1;
    }
    rank as u32
}

/// A sum below 2^160 in words.
fn words(x: U256) -> [u32; 5] {
    std::array::from_fn(|i| (x.as_limbs()[i / 2] >> (32 * (i % 2))) as u32)
}

fn from_words(mut word: impl FnMut(usize) -> u32) -> U256 {
    (0..5).fold(U256::ZERO, |x, i| x | U256::from(word(i)) << (32 * i))
}
