//! Segmented sort of keys: the fast one that runs, and the workgroup twin that a shader is compared with.

use rayon::prelude::*;

use super::scan;
use super::tiles::Tiles;
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

/// Bits of a digit.
const DIGIT_BITS: u32 = 8;
const DIGITS: usize = 1 << DIGIT_BITS;

/// Sorts as the shaders do: stable LSD radix passes over the varying bits only, each pass an *upsweep* (tile
/// histograms into a `[segment][digit][tile]` matrix), a scan of that matrix, and a *downsweep* (stable scatter).
/// The matrix keeps segments apart, so keys carry no segment bits.
pub fn sort_twin(keys: &mut [Key], offsets: &[usize], tile: usize) {
    let tiles = Tiles::with_size(offsets, tile);
    let (any, all) = keys.iter().fold((0, !0), |(any, all), &k| (any | k, all & k));
    let mut varying = any & !all;
    let mut other = vec![0; keys.len()];
    let mut matrix = vec![0u32; DIGITS * tiles.keys.len()];
    let (mut from, mut to) = (&mut *keys, &mut other[..]);
    let mut passes = 0;
    while varying != 0 {
        let shift = varying.trailing_zeros();
        for segment in 0..tiles.segments() {
            for tile in tiles.segment(segment) {
                upsweep(&from[tiles.keys[tile].clone()], shift, &mut matrix, &place(&tiles, segment, tile));
            }
        }
        scan::scan(&mut matrix);
        for segment in 0..tiles.segments() {
            for tile in tiles.segment(segment) {
                let place = place(&tiles, segment, tile);
                downsweep(&from[tiles.keys[tile].clone()], shift, &matrix, &place, to);
            }
        }
        std::mem::swap(&mut from, &mut to);
        varying &= !((DIGITS as u64 - 1) << shift);
        passes += 1;
    }
    if passes % 2 == 1 {
        keys.copy_from_slice(&other);
    }
}

/// Where a tile's counts lie: digit `d` at `base + d·stride`.
struct Place {
    base: usize,
    stride: usize,
}

fn place(tiles: &Tiles, segment: usize, tile: usize) -> Place {
    let of_segment = tiles.segment(segment);
    Place { base: DIGITS * of_segment.start + (tile - of_segment.start), stride: of_segment.len() }
}

fn digit(key: Key, shift: u32) -> usize {
    (key >> shift) as usize & (DIGITS - 1)
}

/// One workgroup: counts its tile's digits.
fn upsweep(tile: &[Key], shift: u32, matrix: &mut [u32], place: &Place) {
    let mut counts = [0u32; DIGITS];
    tile.iter().for_each(|&key| counts[digit(key, shift)] += 1);
    for (d, count) in counts.into_iter().enumerate() {
        matrix[place.base + d * place.stride] = count;
    }
}

/// One workgroup: writes its tile's keys where the scanned matrix says, equal digits in order.
fn downsweep(tile: &[Key], shift: u32, matrix: &[u32], place: &Place, to: &mut [Key]) {
    let mut next: [u32; DIGITS] = std::array::from_fn(|d| matrix[place.base + d * place.stride]);
    for &key in tile {
        let slot = &mut next[digit(key, shift)];
        to[*slot as usize] = key;
        *slot += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(keys: &[Key], lengths: &[usize], tile: usize) {
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
        let mut twin = keys.to_vec();
        sort_twin(&mut twin, &offsets, tile);
        assert_eq!(twin, expected);
    }

    proptest! {
        #[test]
        fn both_sort_every_segment(
            keys in prop::collection::vec(any::<u64>(), 0..600), mask in any::<u64>(),
            lengths in prop::collection::vec(0usize..200, 0..12), tile in 1usize..70,
        ) {
            let keys: Vec<Key> = keys.into_iter().map(|k| k & mask).collect();
            check(&keys, &lengths, tile);
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
                check(&keys, &[], 2048);
                check(&keys, &[1, 0, n / 2, 3], 2048);
            }
        }
    }
}
