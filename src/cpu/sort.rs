//! Segmented sort of keys, as fast as the CPU can. The shaders' radix sort is in [`super::twins`].
//!
//! A segment is sorted by how far its keys are above the least: large ones are first dealt out by the highest bits of that
//! to buckets that fit a core's cache, all threads together; a bucket then takes two passes over the highest
//! sixteen bits in which its own keys differ, and what is still equal in those is sorted by comparison, mostly a key or two.

use std::slice::IterMut;

use rayon::prelude::*;

use crate::numbers::key::Key;
use crate::record::Shared;

/// Segments of more keys are sorted by several threads, with a copy in scratch memory.
pub const SPLIT: usize = 1 << 16;
/// Below this a comparison sort is as fast.
const SMALL: usize = 1 << 10;
/// Keys of a bucket: with its copy it fits a second-level cache.
const BUCKET: usize = 1 << 13;
/// Buckets of one deal, at most twice as many, as bits: each has a cache line that is being written to.
const DEAL_BITS: u32 = 11;
/// Values that a deal tells apart, as bits.
const FINE_BITS: u32 = 16;
/// Bits that the two passes sort by.
const WINDOW: u32 = 16;

/// Sorts each segment ascending in place. Threads share by keys, so one group of 10^8 and 10^5 groups of ten
/// balance alike. Copies of large segments are made in `scratch`, which grows where it has to.
pub fn sort(keys: &mut [Key], offsets: &[usize], scratch: &mut Vec<Key>) {
    let largest = offsets.windows(2).map(|segment| segment[1] - segment[0]).max().unwrap_or(0);
    // Large segments one after the other, each by all threads.
    if largest > SPLIT && largest > scratch.len() {
        // Not resized, for that would copy what is in it.
        *scratch = vec![0; largest];
    }
    let shared = &Shared::here();
    let mut rest = keys;
    let mut start = 0;
    for s in 0..offsets.len().saturating_sub(1) {
        if offsets[s + 1] - offsets[s] > SPLIT {
            let (small, tail) = rest.split_at_mut(offsets[s] - offsets[start]);
            let (large, tail) = tail.split_at_mut(offsets[s + 1] - offsets[s]);
            sort_small(small, &offsets[start..=s], shared);
            let n = large.len();
            deal(large, &mut scratch[..n], shared);
            rest = tail;
            start = s + 1;
        }
    }
    sort_small(rest, &offsets[start..], shared);
}

/// Segments of at most [`SPLIT`] keys.
fn sort_small(keys: &mut [Key], offsets: &[usize], shared: &Shared) {
    let segments = offsets.len().saturating_sub(1);
    if segments <= 1 || keys.len() <= SPLIT {
        shared.time(keys.len(), || sort_each(keys, offsets));
    } else {
        // Near the middle by keys, with at least one segment on either side.
        let middle = offsets[0] + keys.len() / 2;
        let border = offsets.partition_point(|&o| o < middle).clamp(1, segments - 1);
        let (low, high) = keys.split_at_mut(offsets[border] - offsets[0]);
        rayon::join(
            || sort_small(low, &offsets[..=border], shared),
            || sort_small(high, &offsets[border..], shared),
        );
    }
}

/// Small segments one after the other.
fn sort_each(keys: &mut [Key], offsets: &[usize]) {
    let mut copy = Vec::new();
    let mut rest = keys;
    for segment in offsets.windows(2) {
        let (head, tail) = rest.split_at_mut(segment[1] - segment[0]);
        if head.len() <= SMALL {
            head.sort_unstable();
        } else {
            copy.resize(copy.len().max(head.len()), 0);
            let copy = &mut copy[..head.len()];
            copy.copy_from_slice(head);
            sort_copied(head, copy);
        }
        rest = tail;
    }
}

/// The least key and the greatest.
#[derive(Clone, Copy)]
struct Span {
    least: Key,
    most: Key,
}

impl Span {
    const NONE: Self = Self { least: Key::MAX, most: 0 };

    fn of(keys: &[Key]) -> Self {
        keys.iter().fold(Self::NONE, |span, &key| span.join(Self { least: key, most: key }))
    }

    #[inline]
    fn join(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    fn bits(self) -> u32 {
        64 - (self.most - self.least).leading_zeros()
    }
}

/// Sorts a large segment; `copy` is as long.
fn deal(keys: &mut [Key], copy: &mut [Key], shared: &Shared) {
    // Files are often sorted, and others show soon that they are not.
    if keys.is_sorted() {
        return;
    }
    let threads = rayon::current_num_threads();
    let block = keys.len().div_ceil(4 * threads).max(SPLIT / 4);
    let span = |keys: &[Key]| shared.time(keys.len(), || Span::of(keys));
    let span = keys.par_chunks(block).map(span).reduce(|| Span::NONE, Span::join);
    let (least, high) = (span.least, span.bits());
    let bits = (keys.len().ilog2() - 4).min(FINE_BITS).min(high);
    let shift = high - bits;
    let fine = |key: Key| ((key - least) >> shift) as usize;
    let counts: Vec<Vec<u32>> = keys
        .par_chunks(block)
        .map(|keys| {
            let mut counts = vec![0; 1 << bits];
            shared.time(keys.len(), || keys.iter().for_each(|&key| counts[fine(key)] += 1));
            counts
        })
        .collect();
    // Neighbouring values share a bucket while they fit it, for amounts crowd around a few.
    let full = BUCKET.max(keys.len() >> DEAL_BITS);
    let mut bucket_of: Vec<u16> = Vec::with_capacity(1 << bits);
    let mut sizes = vec![0];
    for value in 0..1usize << bits {
        let count = counts.iter().map(|counts| counts[value] as usize).sum::<usize>();
        let last = sizes.len() - 1;
        if sizes[last] > 0 && sizes[last] + count > full {
            sizes.push(count);
        } else {
            sizes[last] += count;
        }
        bucket_of.push((sizes.len() - 1) as u16);
    }
    // Each block's share of each bucket, as slices of the copy that do not overlap.
    let shares: Vec<Vec<usize>> = counts
        .into_par_iter()
        .map(|counts| {
            let mut shares = vec![0; sizes.len()];
            bucket_of
                .iter()
                .zip(counts)
                .for_each(|(&bucket, count)| shares[bucket as usize] += count as usize);
            shares
        })
        .collect();
    let mut targets: Vec<Vec<IterMut<'_, Key>>> =
        shares.iter().map(|_| Vec::with_capacity(sizes.len())).collect();
    let mut rest = &mut *copy;
    for bucket in 0..sizes.len() {
        for (shares, targets) in shares.iter().zip(&mut targets) {
            let (share, tail) = std::mem::take(&mut rest).split_at_mut(shares[bucket]);
            targets.push(share.iter_mut());
            rest = tail;
        }
    }
    let bucket = |key: Key| bucket_of[fine(key)] as usize;
    keys.par_chunks(block).zip(targets).for_each(|(keys, mut targets)| {
        shared.time(keys.len(), || {
            for &key in keys {
                if let Some(slot) = targets[bucket(key)].next() {
                    *slot = key;
                }
            }
        });
    });

    let mut buckets = Vec::with_capacity(sizes.len());
    let (mut keys, mut copy) = (keys, copy);
    for size in sizes {
        let (head, tail) = std::mem::take(&mut keys).split_at_mut(size);
        let (head_copy, tail_copy) = std::mem::take(&mut copy).split_at_mut(size);
        (keys, copy) = (tail, tail_copy);
        buckets.push((head, head_copy));
    }
    // One that has most of the keys is dealt out again; what is left to distinguish has fewer bits each time.
    let (large, small): (Vec<_>, Vec<_>) =
        buckets.into_iter().partition(|(keys, _)| keys.len() > 128 * BUCKET);
    for (keys, copy) in large {
        keys.copy_from_slice(copy);
        deal(keys, copy, shared);
    }
    let sort = |(keys, copy): (&mut [Key], &mut [Key])| shared.time(copy.len(), || sort_copied(keys, copy));
    small.into_par_iter().for_each(sort);
}

/// Sorts keys that lie in `copy` into `keys`, whatever is there.
fn sort_copied(keys: &mut [Key], copy: &mut [Key]) {
    if keys.len() <= SMALL {
        keys.copy_from_slice(copy);
        keys.sort_unstable();
        return;
    }
    let span = Span::of(copy);
    let least = span.least;
    let low = span.bits().saturating_sub(WINDOW);
    let digit = |key: Key, pass: u32| ((key - least) >> (low + 8 * pass)) as usize & 0xff;
    let mut counts = [[0u32; 256]; 2];
    for &key in &*copy {
        counts[0][digit(key, 0)] += 1;
        counts[1][digit(key, 1)] += 1;
    }
    let mut starts = counts.map(|counts| {
        let mut end = 0;
        counts.map(|count| {
            end += count;
            end - count
        })
    });
    for &key in &*copy {
        let at = &mut starts[0][digit(key, 0)];
        keys[*at as usize] = key;
        *at += 1;
    }
    for &key in &*keys {
        let at = &mut starts[1][digit(key, 1)];
        copy[*at as usize] = key;
        *at += 1;
    }
    keys.copy_from_slice(copy);
    if low > 0 {
        keys.chunk_by_mut(|a, b| (a - least) >> low == (b - least) >> low)
            .filter(|run| run.len() > 1)
            .for_each(<[Key]>::sort_unstable);
    }
}

/// The order that sorts each segment ascending, equal keys as they are.
pub fn order(keys: &[Key], offsets: &[usize]) -> Vec<u32> {
    let of_segments = offsets.par_windows(2).map(|segment| {
        let own = &keys[segment[0]..segment[1]];
        // The key above its place: one comparison decides both.
        let pairs = own.par_iter().zip(0u32..own.len() as u32);
        let mut pairs: Vec<u128> = pairs.map(|(&key, at)| u128::from(key) << 32 | u128::from(at)).collect();
        pairs.par_sort_unstable();
        pairs.into_par_iter().map(|pair| pair as u32).collect::<Vec<u32>>()
    });
    of_segments.collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(keys: &[Key], lengths: &[usize]) {
        let mut offsets = vec![0];
        for length in lengths {
            let end: usize = (offsets[offsets.len() - 1] + length).min(keys.len());
            offsets.push(end);
        }
        offsets.push(keys.len());
        let mut expected = keys.to_vec();
        for segment in offsets.windows(2) {
            expected[segment[0]..segment[1]].sort();
        }
        let mut fast = keys.to_vec();
        sort(&mut fast, &offsets, &mut vec![7; 9]);
        assert_eq!(fast, expected);
    }

    proptest! {
        #[test]
        fn sorts_every_segment(
            keys in prop::collection::vec(any::<u64>(), 0..600), mask in any::<u64>(),
            lengths in prop::collection::vec(0usize..200, 0..12),
        ) {
            let keys: Vec<Key> = keys.into_iter().map(|k| k & mask).collect();
            check(&keys, &lengths);
        }
    }

    #[test]
    fn shapes_at_the_edges() {
        for n in [0usize, 1, 2, SMALL, SMALL + 1, 5000, SPLIT - 1, SPLIT + 1, 3 * SPLIT, 200 * BUCKET] {
            let random = |i: usize| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            for keys in [
                (0..n).map(random).collect::<Vec<_>>(),
                vec![7; n],
                (0..n).map(|i| 5 | (i as u64 & 1) << 63).collect(),
                (0..n as u64).rev().collect(),
                // Nearly all in one bucket, and equal in more than the passes look at.
                (0..n).map(|i| if i == 0 { !0 } else { random(i) >> 40 }).collect(),
                (0..n).map(|i| random(i) & (0xffff << 47 | 0xf)).collect(),
            ] {
                check(&keys, &[]);
                check(&keys, &[1, 0, n / 2, 3]);
            }
        }
    }
}
