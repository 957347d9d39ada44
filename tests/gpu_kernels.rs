//! Every buffer that a kernel leaves is the one that its twin leaves, workgroups in any order.

use concentra::backend::words::{self, RECORD};
use concentra::cpu::twins::Group;
use concentra::games::Game;
use concentra::games::sample::sample;
use concentra::gpu::Gpu;
use concentra::gpu::device::Setup;
use concentra::gpu::layout::{Pass, blocks, passes, tile_table};
use concentra::kernels::{
    CHUNK, DOWNSWEEP, DOWNSWEEP_ORDER, DRAW, Kernel, PACK, PREFIX, Params, REDUCE, SCAN_DOWN, SCAN_REDUCE,
    SCAN_SPINE, SEARCH, UPSWEEP,
};
use concentra::moments::Needs;
use concentra::numbers::key::Key;
use concentra::numbers::log2;
use concentra::numbers::wide::U320;
use ruint::aliases::U256;

use crate::devices::tested;
use crate::random::Random;

/// What kernels are run on: only the twin where there is no device.
struct Bench {
    gpus: Vec<Gpu>,
    digit_bits: u32,
    random: Random,
}

impl Bench {
    fn new(digit_bits: u32) -> Self {
        let open = |adapter| Gpu::open(&adapter, Setup { digit_bits, ..Setup::default() }).unwrap();
        Self { gpus: tested().into_iter().map(open).collect(), digit_bits, random: Random(7) }
    }

    /// Runs a kernel's twin twice, the second time with shuffled workgroups, and the kernel on every device.
    fn run(
        &mut self,
        kernel: &'static Kernel,
        buffers: &[&[u32]],
        params: Params,
        workgroups: u32,
        unit: u32,
    ) -> Vec<Vec<u32>> {
        let buffers: Vec<Vec<u32>> = buffers.iter().map(|words| words.to_vec()).collect();
        let mut order: Vec<u32> = (0..workgroups).collect();
        let twin = |order: &[u32]| {
            let mut out = buffers.clone();
            for &index in order {
                (kernel.twin)(&Group { index, params: &params, digit_bits: self.digit_bits }, &mut out);
            }
            out
        };
        let expected = twin(&order);
        self.random.shuffle(&mut order);
        assert!(twin(&order) == expected, "{}: the order of workgroups shows", kernel.name);
        for gpu in &self.gpus {
            let got = gpu.run_kernel(kernel, &buffers, params, workgroups, unit).unwrap();
            for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
                let differs = (0..got.len()).find(|&at| got[at] != expected[at]);
                assert_eq!(differs, None, "{}: buffer {} on {gpu:?}", kernel.name, i + 1);
            }
        }
        expected
    }

    /// Scans a matrix, chunk by chunk.
    fn scan(&mut self, matrix: &[u32]) -> Vec<u32> {
        let chunks = matrix.len().div_ceil(CHUNK as usize);
        let params = Params { count: matrix.len() as u32, ..Params::default() };
        let over_spine = Params { count: chunks as u32, ..Params::default() };
        let spine = vec![0; chunks];
        let reduced = self.run(&SCAN_REDUCE, &[matrix, &spine], params, chunks as u32, CHUNK);
        let spine = self.run(&SCAN_SPINE, &[&reduced[1]], over_spine, 1, chunks as u32);
        let mut scanned = self.run(&SCAN_DOWN, &[matrix, &spine[0]], params, chunks as u32, CHUNK);
        let mut sum = 0;
        for (scanned, count) in scanned[0].iter().zip(matrix) {
            assert_eq!(*scanned, sum);
            sum += count;
        }
        scanned.swap_remove(0)
    }

    /// Sorts segments of these lengths, pass by pass.
    fn sort(&mut self, keys: &[Key], lengths: &[usize], tile: usize) {
        assert_eq!(lengths.iter().sum::<usize>(), keys.len());
        let digits = 1 << self.digit_bits;
        let table: Vec<u32> = tile_table(tile, digits, lengths).concat();
        let tiles = (table.len() / 4) as u32;
        let [mut lo, mut hi] = planes(keys);
        let mut places: Vec<u32> = (0..keys.len() as u32).collect();
        let varying = keys.iter().fold(0, |any, k| any | k) & !keys.iter().fold(!0, |all, k| all & k);
        for Pass { high, shift } in passes(varying, self.digit_bits) {
            let params = Params { count: tiles, shift, ..Params::default() };
            let (key, other) = if high { (&hi, &lo) } else { (&lo, &hi) };
            let matrix = vec![0; tiles as usize * digits];
            let counted = self.run(&UPSWEEP, &[&table, key, &matrix], params, tiles, 1);
            let scanned = self.scan(&counted[2]);
            let empty = vec![0; keys.len()];
            let moved = [&table[..], key, other, &scanned, &empty, &empty];
            let moved = self.run(&DOWNSWEEP, &moved, params, tiles, 1);
            // The same keys, with the places that they came from.
            let ordered = [&table[..], key, other, &places, &scanned, &empty, &empty, &empty];
            let mut ordered = self.run(&DOWNSWEEP_ORDER, &ordered, params, tiles, 1);
            assert_eq!(ordered[5..7], moved[4..6]);
            places = ordered.swap_remove(7);
            (lo, hi) = if high {
                (moved[5].clone(), moved[4].clone())
            } else {
                (moved[4].clone(), moved[5].clone())
            };
        }
        let mut expected = keys.to_vec();
        let mut rest = &mut expected[..];
        for &length in lengths {
            let (head, tail) = rest.split_at_mut(length);
            head.sort_unstable();
            rest = tail;
        }
        assert_eq!([lo, hi], planes(&expected));
        let mut expected: Vec<u32> = (0..keys.len() as u32).collect();
        let mut rest = &mut expected[..];
        for &length in lengths {
            let (head, tail) = rest.split_at_mut(length);
            head.sort_by_key(|&at| keys[at as usize]);
            rest = tail;
        }
        assert_eq!(places, expected);
    }
}

fn planes(keys: &[Key]) -> [Vec<u32>; 2] {
    [keys.iter().map(|&k| k as u32).collect(), keys.iter().map(|&k| (k >> 32) as u32).collect()]
}

fn log_table() -> Vec<u32> {
    log2::TABLE.iter().flat_map(|&(r, log)| [r, log as u32, (log >> 32) as u32, 0]).collect()
}

/// Keys as they come, equal, differing in one bit, in the top bit, ascending, descending.
fn patterns(n: usize, random: &mut Random) -> Vec<Vec<Key>> {
    let ascending: Vec<Key> = (1..=n as u64).map(|i| i << 20).collect();
    vec![
        (0..n).map(|_| random.next()).collect(),
        vec![0x1234_5678_9abc_def0; n],
        (0..n).map(|_| 5 | (random.next() & 1) << 31).collect(),
        (0..n).map(|_| 5 | (random.next() & 1) << 63).collect(),
        ascending.iter().rev().copied().collect(),
        ascending,
    ]
}

#[test]
fn every_pass_of_the_sort() {
    let tile = 2048;
    for digit_bits in [8, 4] {
        let mut bench = Bench::new(digit_bits);
        for n in [1, 2, 255, 256, 257, tile - 1, tile, tile + 1, 3 * tile + 5] {
            for keys in patterns(n, &mut Random(n as u64)) {
                bench.sort(&keys, &[n], tile);
            }
        }
    }
}

#[test]
fn segments_and_tiles_of_any_size() {
    let mut random = Random(3);
    for (digit_bits, tile) in [(8, 300), (8, 8192), (4, 5000)] {
        let mut bench = Bench::new(digit_bits);
        let lengths = [1, tile, 2, tile + 1, tile - 1, 2 * tile + 17, 1];
        let keys: Vec<Key> = (0..lengths.iter().sum()).map(|_| random.next() & 0xff_0000_ffff).collect();
        bench.sort(&keys, &lengths, tile);
    }
}

#[test]
fn scans_of_every_length() {
    let mut bench = Bench::new(8);
    // The last one has a spine of more than one chunk.
    for n in [1, 7, 2047, 2048, 2049, 3 * 2048 + 1, 2048 * 2048 + 5] {
        let counts: Vec<u32> = (0..n).map(|i| i % 7).collect();
        bench.scan(&counts);
    }
}

/// Sorted keys of magnitudes up to 2^bits, many of them equal.
fn sorted(n: usize, bits: u64, random: &mut Random) -> Vec<Key> {
    let mut keys: Vec<Key> = (0..n).map(|_| random.key(bits)).collect();
    (1..n).step_by(3).for_each(|i| keys[i] = keys[i - 1]);
    keys.sort_unstable();
    keys
}

#[test]
fn sums_of_tiles() {
    let mut bench = Bench::new(8);
    let mut random = Random(11);
    let largest = (72 << 56) | ((1u64 << 56) - 1);
    for needs in [Needs::NONE, Needs::SQUARES, Needs::LOGS, Needs::ROOTS, Needs::ALL] {
        for (lengths, tile) in [(vec![1, 2, 255, 256, 257, 3000], 1000), (vec![8191, 8193, 40000], 8192)] {
            let table: Vec<u32> = tile_table(tile, 256, &lengths).concat();
            let mut keys = Vec::new();
            for (i, &n) in lengths.iter().enumerate() {
                keys.extend(if i == 2 { vec![largest; n] } else { sorted(n, 128, &mut random) });
            }
            let [lo, hi] = planes(&keys);
            let tiles = (table.len() / 4) as u32;
            let records = vec![0; tiles as usize * RECORD];
            let params = Params { count: tiles, needs: words::bits(needs), ..Params::default() };
            let out = bench.run(&REDUCE, &[&log_table(), &table, &lo, &hi, &records], params, tiles, 1);
            for (record, tile) in out[4].chunks(RECORD).zip(table.chunks(4)) {
                let keys = &keys[tile[0] as usize..][..tile[1] as usize];
                let expected = concentra::cpu::reduce::reduce_tile(keys, needs);
                assert_eq!(words::sums(record, keys.len() as u64), expected);
            }
        }
    }
}

#[test]
fn small_segments() {
    let mut bench = Bench::new(8);
    let mut random = Random(13);
    let mut lengths: Vec<usize> =
        vec![1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 100, 255, 256, 257, 511, 512, 513, 1023, 1024];
    lengths.extend((0..200).map(|i| 1 + i % 23));
    let keys: Vec<Vec<Key>> = lengths
        .iter()
        .enumerate()
        .map(|(i, &n)| {
            let mut keys = sorted(n, [128, 56, 90][i % 3], &mut random);
            random.shuffle(&mut keys);
            keys
        })
        .collect();
    let starts: Vec<usize> = lengths
        .iter()
        .scan(0, |sum, &n| {
            *sum += n;
            Some(*sum - n)
        })
        .collect();
    let (order, blocks) = blocks(&lengths);
    let block_table: Vec<u32> = blocks.iter().flat_map(|b| [b.first, b.count, b.class, 0]).collect();
    let segments: Vec<u32> = order.iter().flat_map(|&i| [starts[i] as u32, lengths[i] as u32]).collect();
    let [lo, hi] = planes(&keys.concat());
    for needs in [Needs::NONE, Needs::ALL] {
        let params = Params { count: blocks.len() as u32, needs: words::bits(needs), ..Params::default() };
        let records = vec![0; lengths.len() * RECORD];
        let buffers = [&log_table()[..], &block_table, &segments, &lo, &hi, &records];
        let out = bench.run(&PACK, &buffers, params, blocks.len() as u32, 1);
        for (record, &i) in out[5].chunks(RECORD).zip(&order) {
            let mut expected = keys[i].clone();
            expected.sort_unstable();
            let range = starts[i]..starts[i] + lengths[i];
            assert_eq!([out[3][range.clone()].to_vec(), out[4][range].to_vec()], planes(&expected));
            let sums = concentra::cpu::reduce::reduce_tile(&expected, needs);
            assert_eq!(words::sums(record, lengths[i] as u64), sums);
        }
    }
}

#[test]
fn walks_to_asked_ranks() {
    let mut bench = Bench::new(8);
    let mut random = Random(17);
    let keys = sorted(20_000, 128, &mut random);
    let [lo, hi] = planes(&keys);
    let asked: [(u32, &[u32]); 4] =
        [(0, &[0, 1, 2, 255, 256, 257, 8191]), (8192, &[8000]), (0, &[100, 100, 101]), (16384, &[0, 3615])];
    let (mut walks, mut ranks) = (vec![], vec![]);
    for (start, of_tile) in asked {
        walks.extend([start, ranks.len() as u32, of_tile.len() as u32, 0]);
        ranks.extend_from_slice(of_tile);
    }
    for needs in [Needs::NONE, Needs::LOGS] {
        let params = Params { count: 4, needs: words::bits(needs), ..Params::default() };
        let records = vec![0; ranks.len() * RECORD];
        let buffers = [&log_table()[..], &walks, &ranks, &lo, &hi, &records];
        let out = bench.run(&PREFIX, &buffers, params, 4, 1);
        let mut records = out[5].chunks(RECORD);
        for (start, of_tile) in asked {
            for &rank in of_tile {
                let keys = &keys[start as usize..];
                let sums = concentra::cpu::reduce::reduce_tile(&keys[..rank as usize], needs);
                let record = records.next().unwrap();
                let got = words::sums(record, rank.into());
                assert_eq!((got.amount, got.logs), (sums.amount, sums.logs));
                assert_eq!(words::key_at(record, words::LAST), keys[rank as usize]);
            }
        }
    }
}

#[test]
fn searches_by_keys_and_by_sums() {
    let mut bench = Bench::new(8);
    let mut random = Random(19);
    let keys = sorted(8192, 128, &mut random);
    let [lo, hi] = planes(&keys);
    let value = |key: Key| concentra::numbers::key::value(key);
    let (mut queries, mut expected) = (vec![], vec![]);
    for (start, length) in [(0usize, 8192usize), (5, 1), (100, 257), (8000, 192), (7, 0), (0, 4097)] {
        let tile = &keys[start..start + length];
        for i in [0, 1, length / 2, length.saturating_sub(1)] {
            let Some(&key) = tile.get(i) else { continue };
            for key in [key - 1, key, key + 1] {
                queries.extend([start as u32, length as u32, 1, key as u32, (key >> 32) as u32, 0, 0, 0]);
                expected.push(tile.iter().filter(|&&k| k <= key).count() as u32);
            }
            let sum: ruint::aliases::U256 = tile[..=i].iter().map(|&k| value(k)).sum();
            let one = ruint::aliases::U256::from(1u8);
            for bound in [sum - one, sum, sum + one] {
                let limbs = bound.as_limbs();
                let word = |i: usize| (limbs[i / 2] >> (32 * (i % 2))) as u32;
                let bound_words = std::array::from_fn::<u32, 5, _>(word);
                queries.extend([start as u32, length as u32, 0]);
                queries.extend(bound_words);
                let mut running = ruint::aliases::U256::ZERO;
                let below = tile.iter().take_while(|&&k| {
                    running += value(k);
                    running < bound
                });
                expected.push(below.count() as u32);
            }
        }
        queries.extend([start as u32, length as u32, 1, u32::MAX, u32::MAX, 0, 0, 0]);
        expected.push(length as u32);
    }
    let count = expected.len() as u32;
    let params = Params { count, ..Params::default() };
    let found = vec![0; expected.len()];
    let out = bench.run(&SEARCH, &[&queries, &lo, &hi, &found], params, count, 1);
    assert_eq!(out[3], expected);
}

#[test]
fn every_draw_of_a_game() {
    let mut bench = Bench::new(8);
    for (voters, samples, bits) in
        [(1usize, 1u32, 3u64), (5, 300, 40), (127, 256, 60), (129, 513, 56), (600, 64, 56)]
    {
        let mut weights: Vec<u128> =
            (0..voters).map(|_| 1 + u128::from(bench.random.next() >> (64 - bits))).collect();
        // Some beyond two words, some equal.
        weights.iter_mut().step_by(7).for_each(|weight| *weight <<= 50);
        (1..voters).step_by(3).for_each(|i| weights[i] = weights[i - 1]);
        weights.sort_unstable_by(|a, b| b.cmp(a));
        let total: u128 = weights.iter().sum();
        let words = |x: u128| (0..4).map(move |i| (x >> (32 * i)) as u32);
        for quota in [total / 2 + 1, total / 3 + 1, total, 1] {
            let mut game = vec![voters as u32, samples, 0xffff_fff0, 3, 9, 1];
            game.extend(words(quota));
            let weights: Vec<u32> = weights.iter().flat_map(|&weight| words(weight)).collect();
            let workgroups = samples.div_ceil(256);
            let params = Params { count: workgroups, ..Params::default() };
            let drawn = bench.run(&DRAW, &[&game, &weights, &vec![0; 2 * voters + 1]], params, workgroups, 1);
            let counts = &drawn[2];
            let game = Game::new(
                &weights
                    .chunks(4)
                    .map(|w| {
                        U256::from_limbs([
                            u64::from(w[0]) | u64::from(w[1]) << 32,
                            u64::from(w[2]) | u64::from(w[3]) << 32,
                            0,
                            0,
                        ])
                    })
                    .collect::<Vec<_>>(),
                &U320::from(quota),
            );
            let first = 3 << 32 | 0xffff_fff0;
            let expected = sample(&game, 1 << 32 | 9, first..first + u64::from(samples));
            let found: Vec<u64> = counts.iter().map(|&count| count.into()).collect();
            assert_eq!(found[..voters], expected.banzhaf);
            assert_eq!(found[voters..2 * voters], expected.shapley_shubik);
            assert_eq!(found[2 * voters], expected.winning);
        }
    }
}
