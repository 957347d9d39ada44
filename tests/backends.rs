//! What every backend must answer, by plain arithmetic on sorted keys.

use concentra::backend::{Backend, Bound, Prefix, Search};
use concentra::moments::{Below, Needs, Sums};
use concentra::numbers::key::{Key, value};
use concentra::numbers::wide::{U192, U320, U384, U576};
use concentra::numbers::{log2, sqrt};

use crate::devices::twins;
use crate::random::Random;

crate::devices::twins!(sorts_sums_and_answers, |backend| {
    let mut random = Random(23);
    // Tiny, packed, at the edges of packing and tiles, several tiles; some with amounts beyond 2^128.
    let lengths = [0, 1, 2, 17, 64, 1023, 1024, 1025, 2048, 8191, 8192, 8193, 0, 20_000, 3];
    for bits in [20, 56, 128, 256] {
        let segments: Vec<Vec<Key>> = lengths
            .iter()
            .map(|&n| {
                let mut keys: Vec<Key> = (0..n).map(|_| random.key(bits)).collect();
                (1..n).step_by(5).for_each(|i| keys[i] = keys[i / 2]);
                keys
            })
            .collect();
        check(backend, &segments, &mut random);
    }
});

crate::devices::twins!(shapes_at_the_edges, |backend| {
    let mut random = Random(29);
    let n = 9000;
    let largest = (72 << 56) | ((1 << 56) - 1);
    let mut bit = |low: Key, bit: u32| (0..n).map(|_| low | (random.next() & 1) << bit).collect();
    let one_bit: Vec<Key> = bit(1, 30);
    let exponents: Vec<Key> = bit(1 << 55, 62);
    let ascending: Vec<Key> = (1..=n).collect();
    let segments = [
        vec![1; n as usize],
        vec![largest; n as usize],
        one_bit,
        exponents,
        ascending.iter().rev().copied().collect(),
        ascending,
        vec![largest; 40],
    ];
    check(backend, &segments, &mut Random(31));
});

fn check<B: Backend>(backend: &B, segments: &[Vec<Key>], random: &mut Random) {
    let mut keys = segments.concat();
    let mut offsets = vec![0];
    for segment in segments {
        offsets.push(offsets[offsets.len() - 1] + segment.len());
    }
    let sorted = backend.sort(&mut keys, &offsets, Needs::ALL).unwrap();
    let sums = backend.reduce(&sorted, Needs::ALL).unwrap();
    let (mut searches, mut found) = (vec![], vec![]);
    let (mut prefixes, mut below) = (vec![], vec![]);
    for (segment, keys) in segments.iter().enumerate() {
        let mut keys = keys.clone();
        keys.sort_unstable();
        assert_eq!(sums[segment], plain(&keys), "segment {segment} of {} keys", keys.len());
        for _ in 0..if keys.is_empty() { 0 } else { 6 } {
            let at = (random.next() % keys.len() as u64) as usize;
            for key in [keys[at] - 1, keys[at], keys[at] + 1] {
                searches.push(Search { segment, bound: Bound::KeyAtMost(key) });
                found.push(keys.partition_point(|&k| k <= key) as u64);
            }
            let part = plain(&keys[..=at]);
            for bound in [part.amount - U320::from(1u8), part.amount, part.amount + U320::from(1u8)] {
                searches.push(Search { segment, bound: Bound::SumBelow(bound) });
                let mut sum = U320::ZERO;
                let rank = keys.iter().take_while(|&&k| {
                    sum += U320::from(value(k));
                    sum < bound
                });
                found.push(rank.count() as u64);
            }
            for (rank, logs) in [(at, true), (at + 1, false), (keys.len(), true), (0, true)] {
                let part = plain(&keys[..rank]);
                prefixes.push(Prefix { segment, rank: rank as u64, logs });
                below.push(Below {
                    rank: rank as u64,
                    amount: part.amount,
                    logs: if logs { part.logs } else { 0 },
                    next: keys.get(rank).copied().unwrap_or(0),
                });
            }
        }
        searches.push(Search { segment, bound: Bound::SumBelow(U320::MAX) });
        found.push(keys.len() as u64);
        searches.push(Search { segment, bound: Bound::SumBelow(U320::ZERO) });
        found.push(0);
    }
    assert_eq!(backend.search(&sorted, &searches).unwrap(), found);
    assert_eq!(backend.prefix(&sorted, &prefixes).unwrap(), below);
}

/// The sums by their definitions.
fn plain(keys: &[Key]) -> Sums {
    let mut sums = Sums { n: keys.len() as u64, ..Sums::default() };
    let (Some(&first), Some(&last)) = (keys.first(), keys.last()) else { return sums };
    (sums.first, sums.last) = (first, last);
    for (i, &key) in keys.iter().enumerate() {
        let v = value(key);
        sums.amount += U320::from(v);
        sums.ranked += U384::from(v) * U384::from(i + 1);
        sums.squares += U576::from(v) * U576::from(v);
        sums.logs += u128::from(log2::of(key));
        sums.products += U384::from(v) * U384::from(log2::of(key));
        let (r, k) = sqrt::of(key);
        sums.roots += U192::from(r) << k as usize;
    }
    sums
}

twins!(order, |backend| {
    let mut random = Random(11);
    let lengths = [0, 1, 700, 5000, 1024, 1025, 20_000];
    for bits in [3, 40, 120, 200] {
        let segments: Vec<Vec<u64>> =
            lengths.iter().map(|&n| (0..n).map(|_| random.key(bits)).collect()).collect();
        let mut offsets = vec![0];
        segments.iter().for_each(|segment| offsets.push(offsets[offsets.len() - 1] + segment.len()));
        let found = backend.order(&segments.concat(), &offsets).unwrap();
        let expected: Vec<u32> = segments
            .iter()
            .flat_map(|segment| {
                let mut order: Vec<u32> = (0..segment.len() as u32).collect();
                order.sort_by_key(|&at| segment[at as usize]);
                order
            })
            .collect();
        assert!(found == expected, "{bits} bits");
    }
});
