//! The engine's answers are the same on the CPU and on every adapter.

use concentra::backend::Backend;
use std::time::Duration;

use concentra::cpu::Cpu;
use concentra::engine::{self, Batch, Measured};
use concentra::gpu::Gpu;
use concentra::gpu::counters::Counters;
use concentra::gpu::device::Setup;
use concentra::metrics;
use concentra::moments::Total;
use concentra::moments::{Ask, Needs};
use concentra::numbers::key::{self, Key};
use concentra::numbers::wide::U320;
use concentra::record::Recorder;

use crate::devices::{is_slow, tested};
use crate::random::Random;

/// Measures groups of these keys with all metrics.
pub(crate) fn measure<B: concentra::backend::Backend>(
    backend: &B,
    groups: &[Vec<Key>],
    cut: usize,
) -> concentra::Result<Vec<Measured>> {
    let metrics = metrics::catalog(&Default::default());
    let asks: Vec<&Ask> = metrics.iter().flat_map(|m| &m.asks).collect();
    let totals: Vec<Total> = groups
        .iter()
        .map(|keys| Total {
            amount: keys.iter().fold(U320::ZERO, |sum, &k| sum + U320::from(key::value(k))),
            exact: keys.len() % 2 == 0,
        })
        .collect();
    let mut keys = groups.concat();
    let mut offsets = vec![0];
    offsets.extend(groups.iter().scan(0, |sum, keys| {
        *sum += keys.len();
        Some(*sum)
    }));
    let (offsets, ranges) = engine::cut(&mut keys, &offsets, cut);
    let batch = Batch { index: 0, keys: &mut keys, offsets: &offsets, ranges: &ranges, totals: &totals };
    engine::measure(backend, batch, Needs::ALL, &asks, &Recorder::default())
}

/// Opens every adapter in some way.
fn gpus(setup: &Setup) -> Vec<Gpu> {
    tested().iter().map(|adapter| Gpu::open(adapter, setup.clone()).unwrap()).collect()
}

fn groups(lengths: &[usize], bits: u64, seed: u64) -> Vec<Vec<Key>> {
    let mut random = Random(seed);
    let mut group = |n: usize| {
        let mut keys: Vec<Key> = (0..n).map(|_| random.key(bits)).collect();
        // Ties within the group.
        (1..n).step_by(3).for_each(|i| keys[i] = keys[i - 1]);
        keys
    };
    lengths.iter().map(|&n| group(n)).collect()
}

#[test]
fn random_groups_have_the_same_moments() {
    let gpus = gpus(&Setup::default());
    let mut random = Random(41);
    for round in 0..6 {
        let mut lengths: Vec<usize> = (0..200).map(|_| (random.next() % 40) as usize).collect();
        lengths.extend([1000, 1500, 30_000 + 7 * round, 1024, 1025, 8192, 8193]);
        // Some groups beyond 2^128 in every other round.
        let groups = groups(&lengths, [128, 200][round % 2], round as u64);
        let expected = measure(&Cpu, &groups, usize::MAX).unwrap();
        for gpu in &gpus {
            assert!(measure(gpu, &groups, gpu.largest_segment()).unwrap() == expected, "round {round}");
        }
    }
}

#[test]
fn one_huge_group_beside_many_tiny_ones() {
    let mut lengths: Vec<usize> = (0..100_000).map(|i| 1 + i % 3).collect();
    lengths.push(300_000);
    let groups = groups(&lengths, 100, 43);
    let expected = measure(&Cpu, &groups, usize::MAX).unwrap();
    for gpu in gpus(&Setup::default()) {
        assert!(measure(&gpu, &groups, gpu.largest_segment()).unwrap() == expected);
    }
}

/// How a device is set up changes no bit: tiles, digits, bindings, workgroups, the order of rows.
#[test]
fn setups_change_no_bit() {
    let mut lengths = vec![70_000, 3, 9000, 2000, 1025, 40_000];
    lengths.extend((0..300).map(|i| i % 50));
    let plain = groups(&lengths, 128, 47);
    let expected = measure(&Cpu, &plain, usize::MAX).unwrap();
    let mut shuffled = plain.clone();
    shuffled.iter_mut().for_each(|keys| Random(53).shuffle(keys));
    let all = Setup::default();
    let setups = [
        Setup { tile: 1000, ..all.clone() },
        Setup { tile: 32_768, ..all.clone() },
        Setup { digit_bits: 4, ..all.clone() },
        Setup { timed: true, ..all.clone() },
        Setup { portion: 5000, tile: 1024, ..all.clone() },
        Setup { binding: Some(64 << 10), ..all.clone() },
        Setup { binding: Some(64 << 10), workgroups: Some(8), tile: 512, ..all.clone() },
        Setup { workgroups: Some(8), tile: 256, ..all.clone() },
        Setup { binding: Some(1 << 20), digit_bits: 4, ..all },
    ];
    for setup in setups {
        for gpu in gpus(&setup) {
            for groups in [&plain, &shuffled] {
                assert!(measure(&gpu, groups, gpu.largest_segment()).unwrap() == expected, "{setup:?}");
            }
            let counters = gpu.take_counters();
            assert_eq!(setup.timed, counters.kernels["pack"].time > Duration::ZERO);
            if setup.binding == Some(64 << 10) {
                assert!(counters.loads >= 2 * 8, "{} loads", counters.loads);
            }
        }
    }
}

/// More tiles than one dimension of a dispatch has workgroups. One byte varies, so that there are few passes.
#[test]
fn more_than_65_535_tiles() {
    for adapter in tested().iter().filter(|adapter| !is_slow(adapter)) {
        let gpu = Gpu::open(adapter, Setup { tile: 16, ..Setup::default() }).unwrap();
        let mut random = Random(59);
        let group: Vec<Key> = (0..65_600 * 16).map(|_| 1 | (random.next() & 0xff) << 12).collect();
        let expected = measure(&Cpu, std::slice::from_ref(&group), usize::MAX).unwrap();
        assert!(measure(&gpu, &[group], gpu.largest_segment()).unwrap() == expected);
        assert!(gpu.take_counters().kernels["upsweep"].workgroups > 65_535);
    }
}

/// Bytes moved, passes and dispatches, by the backend's own count.
#[test]
fn moves_no_more_than_promised() {
    for adapter in tested().iter().filter(|adapter| !is_slow(adapter)) {
        let gpu = Gpu::open(adapter, Setup::default()).unwrap();
        let n = 1 << 20;
        let mut random = Random(61);
        let mut keys: Vec<Key> = (0..n).map(|_| random.next()).collect();
        // All 64 bits vary, though as amounts such keys would be too large: the sort alone is asked for.
        keys.iter_mut().for_each(|key| *key &= !(0xc0 << 56));
        keys[0] |= 1;
        let wide = keys.iter().filter(|&&key| key >> 56 > 72).count();
        assert_eq!(wide, 0);
        let offsets = [0, n];
        let mut of_cpu = keys.clone();
        let expected = Cpu.sort(&mut of_cpu, &offsets, Needs::ALL).unwrap();
        let sorted = gpu.sort(&mut keys, &offsets, Needs::ALL).unwrap();
        // A million logarithms and roots of any mantissa.
        let sums = gpu.reduce(&sorted, Needs::ALL).unwrap();
        assert_eq!(sums, Cpu.reduce(&expected, Needs::ALL).unwrap());
        let counters = gpu.take_counters();
        let bytes = counters.bytes_of(&Counters::SORT) as f64 / n as f64;
        assert_eq!(counters.passes, 8);
        assert!(bytes <= 170.0 && bytes / 8.0 <= 21.0, "{bytes} bytes a key");
        let sums = counters.bytes_of(&["reduce"]) as f64 / n as f64;
        assert!(sums <= 8.1, "{sums} bytes a key");

        // Segments of 64 keys on average, up to 1,023, apart from the 8 bytes of the sorted keys.
        let mut packed: Vec<Key> = (0..64 * 2000).map(|_| random.key(100)).collect();
        let mut offsets: Vec<usize> = (0..=2000).map(|i| i * 64).collect();
        (1..2000).step_by(2).for_each(|i| offsets[i] += (random.next() % 60) as usize);
        drop(gpu.sort(&mut packed, &offsets, Needs::ALL).unwrap());
        let counters = gpu.take_counters();
        let bytes = counters.bytes_of(&["pack"]) as f64 / packed.len() as f64;
        assert!(bytes - 8.0 <= 12.0, "{bytes} bytes a key");
        assert_eq!(counters.dispatches(), 1);
    }
}
