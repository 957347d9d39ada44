//! Segmented sort of keys, as fast as the CPU can. The shaders' radix sort is in [`super::twins`].

use rayon::prelude::*;

use crate::numbers::key::Key;

/// From here on one segment is worth sorting by several threads.
const SPLIT: usize = 1 << 16;

/// Sorts each segment ascending in place. Threads share by keys, so one group of 10^8 and 10^5 groups of ten
/// balance alike.
pub fn sort(keys: &mut [Key], offsets: &[usize]) {
    let segments = offsets.len().saturating_sub(1);
    if segments == 1 && keys.len() > SPLIT {
        keys.par_sort_unstable();
    } else if segments <= 1 || keys.len() <= SPLIT {
        let mut rest = keys;
        for segment in offsets.windows(2) {
            let (head, tail) = rest.split_at_mut(segment[1] - segment[0]);
            head.sort_unstable();
            rest = tail;
        }
    } else {
        // Near the middle by keys, with at least one segment on either side.
        let middle = offsets[0] + keys.len() / 2;
        let border = offsets.partition_point(|&o| o < middle).clamp(1, segments - 1);
        let (low, high) = keys.split_at_mut(offsets[border] - offsets[0]);
        rayon::join(|| sort(low, &offsets[..=border]), || sort(high, &offsets[border..]));
    }
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
        sort(&mut fast, &offsets);
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
        for n in [0usize, 1, 2, 255, 256, 257, SPLIT - 1, SPLIT + 1, 3 * SPLIT] {
            let random = |i: usize| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            for keys in [
                (0..n).map(random).collect::<Vec<_>>(),
                vec![7; n],
                (0..n).map(|i| 5 | (i as u64 & 1) << 63).collect(),
                (0..n as u64).rev().collect(),
            ] {
                check(&keys, &[]);
                check(&keys, &[1, 0, n / 2, 3]);
            }
        }
    }
}
