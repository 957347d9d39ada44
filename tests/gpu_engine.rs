//! The engine's answers are the same on the CPU and on every adapter.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use concentra::backend::Backend;
use concentra::backend::words::RECORD;
use concentra::cpu::Cpu;
use concentra::engine::{self, Batch, Measured};
use concentra::gpu::Gpu;
use concentra::gpu::counters::Counters;
use concentra::gpu::device::Setup;
use concentra::gpu::fault::{Fault, Inject, Step};
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
    let batch =
        Batch { index: 0, first: 0, keys: &mut keys, offsets: &offsets, ranges: &ranges, totals: &totals };
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

/// What all keys of a load have in common is neither uploaded nor downloaded with each of them, and changes no bit.
#[test]
fn moves_only_what_varies() {
    let low = 0xffff_ffff;
    // What all keys have, what varies, and the planes in which it does.
    let shapes: [(Key, Key, u64); 5] = [
        (1, low, 1),
        (3 << 56 | 1 << 55, low, 1),
        (7, 0xff << 40, 1),
        (9 << 32 | 9, 0, 0),
        (1, !(0xc0 << 56), 2),
    ];
    let mut random = Random(67);
    for (common, varying, planes) in shapes {
        for segments in [vec![60_000], vec![50; 1000], vec![14_000, 40, 9000, 16_000, 1, 15_000]] {
            let n: usize = segments.iter().sum();
            let mut group =
                |n: usize| (0..n).map(|_| common | random.next() & varying & !(0xc0 << 56)).collect();
            let groups: Vec<Vec<Key>> = segments.iter().map(|&n| group(n)).collect();
            let expected = measure(&Cpu, &groups, usize::MAX).unwrap();
            // The second one takes several loads, all of which come back.
            for setup in [Setup::default(), Setup { binding: Some(64 << 10), ..Setup::default() }] {
                for gpu in gpus(&setup) {
                    assert!(measure(&gpu, &groups, gpu.largest_segment()).unwrap() == expected, "{common:x}");
                    gpu.take_counters();
                    let mut keys = groups.concat();
                    let mut offsets = vec![0];
                    segments.iter().for_each(|n| offsets.push(offsets[offsets.len() - 1] + n));
                    let (offsets, _) = engine::cut(&mut keys, &offsets, gpu.largest_segment());
                    drop(gpu.sort(&mut keys, &offsets, Needs::ALL).unwrap());
                    let counters = gpu.take_counters();
                    let sent = counters.uploaded as f64 / n as f64;
                    // Tables, and a piece of each plane that is the same throughout but not zero.
                    let least = (4 * planes) as f64;
                    assert!((least..least + 1.0).contains(&sent), "{common:x}: {sent} bytes a key");
                    let (whole, small) = (counters.loads < 2, counters.packed_keys);
                    let records = counters.kernels.get("reduce").map_or(0, |work| work.workgroups)
                        + offsets.windows(2).filter(|o| (1..=1024).contains(&(o[1] - o[0]))).count() as u64;
                    let back = if whole { small } else { n as u64 };
                    assert_eq!(counters.downloaded, 4 * planes * back + 4 * RECORD as u64 * records);
                }
            }
        }
    }
}

/// Notes what was submitted and what waited for.
#[derive(Debug, Default)]
struct Log(Mutex<Vec<Step>>);

impl Inject for Log {
    fn fault(&self, step: Step) -> Option<Fault> {
        self.0.lock().unwrap().push(step);
        None
    }
}

#[test]
fn the_next_load_is_submitted_before_the_one_ahead_is_waited_for() {
    for adapter in tested() {
        for timed in [false, true] {
            let log = Arc::new(Log::default());
            let setup = Setup { binding: Some(64 << 10), faults: log.clone(), timed, ..Setup::default() };
            let gpu = Gpu::open(&adapter, setup).unwrap();
            log.0.lock().unwrap().clear();
            // Three loads that are alike.
            let mut keys = groups(&[16_000; 3], 100, 73).concat();
            drop(gpu.sort(&mut keys, &[0, 16_000, 32_000, 48_000], Needs::ALL).unwrap());
            assert_eq!(gpu.take_counters().loads, 3);
            let steps = log.0.lock().unwrap();
            let submissions = |steps: &[Step]| steps.iter().filter(|step| **step == Step::Submit).count();
            let first = steps.iter().position(|step| *step == Step::Wait).unwrap();
            let ahead = submissions(&steps[..first]);
            if timed {
                assert!(3 * ahead < submissions(&steps), "{ahead} submissions before the first wait");
            } else {
                assert_eq!(3 * ahead, 2 * submissions(&steps));
            }
        }
    }
}
