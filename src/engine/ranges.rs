//! Groups that are larger than a device holds, cut into value ranges.

use rayon::prelude::*;

use crate::numbers::key::Key;

/// Cuts groups of more than `largest` keys into value ranges of at most so many, rearranging their keys: the offsets
/// of all segments, and where each group's segments start, and the end.
///
/// Equal keys may lie on both sides of a border; nothing that is asked of ranges minds.
pub fn cut(keys: &mut [Key], offsets: &[usize], largest: usize) -> (Vec<usize>, Vec<usize>) {
    let (mut borders, mut ranges) = (vec![0], vec![0]);
    for group in offsets.windows(2) {
        let n = group[1] - group[0];
        let pieces = n.div_ceil(largest).max(1);
        split(&mut keys[group[0]..group[1]], pieces);
        borders.extend((1..=pieces).map(|piece| group[0] + border(n, pieces, piece)));
        ranges.push(borders.len() - 1);
    }
    (borders, ranges)
}

/// Where a piece of `n` keys ends: all pieces have nearly the same size.
fn border(n: usize, pieces: usize, piece: usize) -> usize {
    (n as u128 * piece as u128 / pieces as u128) as usize
}

/// Moves every key into its piece.
fn split(keys: &mut [Key], pieces: usize) {
    if pieces < 2 {
        return;
    }
    // In halves, so that each key is looked at as often as the pieces can be halved.
    let mut parts = vec![(keys, 0, pieces)];
    let n = parts[0].0.len();
    while parts.iter().any(|(_, first, end)| end - first > 1) {
        parts = parts
            .into_par_iter()
            .flat_map_iter(|(keys, first, end)| {
                if end - first < 2 {
                    return vec![(keys, first, end)];
                }
                let middle = (first + end) / 2;
                let at = border(n, pieces, middle) - border(n, pieces, first);
                keys.select_nth_unstable(at);
                let (low, high) = keys.split_at_mut(at);
                vec![(low, first, middle), (high, middle, end)]
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_ascend_and_keep_every_key() {
        for n in [0usize, 1, 7, 8, 9, 1000] {
            for modulus in [1, 3, 1 << 20] {
                let keys: Vec<Key> = (0..n as u64).map(|i| i.wrapping_mul(7919) % modulus).collect();
                let mut cut_keys = [&keys[..], &[5], &keys].concat();
                let (borders, ranges) = cut(&mut cut_keys, &[0, n, n + 1, 2 * n + 1], 8);
                assert_eq!((ranges.len(), borders[borders.len() - 1]), (4, 2 * n + 1));
                for (group, start) in [(0, 0), (2, n + 1)] {
                    let segments = &borders[ranges[group]..=ranges[group + 1]];
                    assert!(segments.windows(2).all(|s| s[1] - s[0] <= 8));
                    for pair in segments.windows(3) {
                        let low = cut_keys[pair[0]..pair[1]].iter().max();
                        assert!(low <= cut_keys[pair[1]..pair[2]].iter().min());
                    }
                    let mut sorted = cut_keys[start..start + n].to_vec();
                    sorted.sort_unstable();
                    let mut expected = keys.clone();
                    expected.sort_unstable();
                    assert_eq!(sorted, expected);
                }
            }
        }
    }
}
