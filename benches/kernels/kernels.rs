//! Every kernel of every backend by size and shape, with keys or queries a second. Answers are checked before anything is
//! timed. A device makes its sums while it sorts: its `reduce` only hands them over.
//!
//! The CPU, and the adapters whose names have `CONCENTRA_BENCH_ADAPTER` in them: unset, all hardware ones.

use std::hint::black_box;
use std::time::Duration;

use concentra::backend::{Backend, Bound, Prefix, Search};
use concentra::cpu::{Cpu, CpuWithScratch};
use concentra::gpu::Gpu;
use concentra::gpu::adapters::adapters;
use concentra::gpu::device::Setup;
use concentra::moments::{Needs, Sums};
use concentra::numbers::key::{self, Key};
use concentra::numbers::wide::U320;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use rdst::RadixSort;
use voracious_radix_sort::RadixSort as VoraciousSort;

/// Keys and where their segments start and end.
struct Shape {
    name: &'static str,
    keys: Vec<Key>,
    offsets: Vec<usize>,
}

/// SplitMix64.
fn random(i: u64) -> u64 {
    let mut z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Amounts log-uniform below 2^128.
fn amounts(n: usize) -> Vec<Key> {
    let key = |i: u64| (random(i) % 73) << 56 | 1 << 55 | random(!i) >> 9;
    (0..n as u64).map(key).collect()
}

fn shapes(n: usize) -> Vec<Shape> {
    let shape = |name, keys: Vec<Key>, segment: usize| {
        let offsets = (0..keys.len()).step_by(segment).chain([keys.len()]).collect();
        Shape { name, keys, offsets }
    };
    let mut ascending = amounts(n);
    ascending.sort_unstable();
    vec![
        shape("one group", amounts(n), n),
        shape("one group, sorted", ascending, n),
        shape("one group, one byte varies", (0..n as u64).map(|i| 1 | (random(i) & 0xff) << 8).collect(), n),
        shape("one group, equal", vec![1 << 55; n], n),
        shape("groups of 1,000", amounts(n), 1000),
        shape("groups of 64", amounts(n), 64),
    ]
}

/// What is asked of each segment: half of the total, and every hundredth of the holders.
fn questions(sums: &[Sums]) -> (Vec<Search>, Vec<Prefix>) {
    let asked = |(segment, sums): (usize, &Sums)| {
        let half = Search { segment, bound: Bound::SumBelow(sums.amount >> 1) };
        let of_ranks = (0..100).map(move |p| Prefix { segment, rank: sums.n * p / 100, logs: false });
        (half, of_ranks.collect::<Vec<_>>())
    };
    let (searches, prefixes): (Vec<_>, Vec<_>) = sums.iter().enumerate().map(asked).unzip();
    (searches, prefixes.concat())
}

/// Asserts the answers of a backend by plain arithmetic over sorted keys.
fn check<B: Backend>(backend: &B, shape: &Shape) {
    let mut keys = shape.keys.clone();
    let sorted = backend.sort(&mut keys, &shape.offsets, Needs::ALL).unwrap();
    let sums = backend.reduce(&sorted, Needs::ALL).unwrap();
    let (searches, prefixes) = questions(&sums);
    let found = backend.search(&sorted, &searches).unwrap();
    let below = backend.prefix(&sorted, &prefixes).unwrap();
    let mut below = below.iter();
    for (segment, range) in shape.offsets.windows(2).enumerate() {
        let mut keys = shape.keys[range[0]..range[1]].to_vec();
        keys.sort_unstable();
        let prefix: Vec<U320> = std::iter::once(U320::ZERO)
            .chain(keys.iter().scan(U320::ZERO, |sum, &k| {
                *sum += U320::from(key::value(k));
                Some(*sum)
            }))
            .collect();
        assert_eq!(sums[segment].amount, prefix[keys.len()], "{}", shape.name);
        let half = prefix[keys.len()] >> 1;
        let rank = prefix[1..].partition_point(|sum| *sum < half);
        assert_eq!(found[segment], rank as u64, "{}", shape.name);
        for (query, below) in
            prefixes[100 * segment..100 * (segment + 1)].iter().zip(below.by_ref().take(100))
        {
            assert_eq!(below.amount, prefix[query.rank as usize], "{}", shape.name);
        }
    }
}

fn bench<B: Backend>(criterion: &mut Criterion, name: &str, backend: &B, sizes: &[usize]) {
    for &n in sizes {
        for shape in shapes(n) {
            check(backend, &shape);
            let mut group = criterion.benchmark_group(format!("{name}/{}", shape.name));
            group.throughput(Throughput::Elements(n as u64)).sample_size(10);
            group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800));
            let fresh = || shape.keys.clone();
            group.bench_function(BenchmarkId::new("sort", n), |bencher| {
                bencher.iter_batched_ref(
                    fresh,
                    |keys| drop(backend.sort(keys, &shape.offsets, Needs::ALL).unwrap()),
                    BatchSize::PerIteration,
                );
            });
            let mut keys = fresh();
            let sorted = backend.sort(&mut keys, &shape.offsets, Needs::ALL).unwrap();
            let sums = backend.reduce(&sorted, Needs::ALL).unwrap();
            let (searches, prefixes) = questions(&sums);
            group.bench_function(BenchmarkId::new("reduce", n), |bencher| {
                bencher.iter(|| black_box(backend.reduce(&sorted, Needs::ALL).unwrap()));
            });
            group.throughput(Throughput::Elements(searches.len() as u64));
            group.bench_function(BenchmarkId::new("search", n), |bencher| {
                bencher.iter(|| black_box(backend.search(&sorted, &searches).unwrap()));
            });
            group.throughput(Throughput::Elements(prefixes.len() as u64));
            group.bench_function(BenchmarkId::new("prefix", n), |bencher| {
                bencher.iter(|| black_box(backend.prefix(&sorted, &prefixes).unwrap()));
            });
        }
    }
}

/// Sorts that users of Rust would take, on the keys of one group.
fn peers(criterion: &mut Criterion, n: usize) {
    type Sort = fn(&mut [Key]);
    let sorts: [(&str, Sort); 3] = [
        ("rayon", |keys| rayon::slice::ParallelSliceMut::par_sort_unstable(keys)),
        ("rdst", |keys| keys.radix_sort_unstable()),
        ("voracious", |keys| keys.voracious_mt_sort(rayon::current_num_threads())),
    ];
    for shape in shapes(n).into_iter().take(4) {
        let mut group = criterion.benchmark_group(format!("peers/{}", shape.name));
        group.throughput(Throughput::Elements(n as u64)).sample_size(10);
        group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800));
        for (name, sort) in sorts {
            group.bench_function(BenchmarkId::new(name, n), |bencher| {
                bencher.iter_batched_ref(|| shape.keys.clone(), |keys| sort(keys), BatchSize::PerIteration);
            });
        }
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    check(&Cpu, &shapes(10_000)[0]);
    bench(&mut criterion, "cpu", &CpuWithScratch::default(), &[1 << 16, 1 << 20, 1 << 22]);
    peers(&mut criterion, 1 << 22);
    let wanted = std::env::var("CONCENTRA_BENCH_ADAPTER").ok();
    for adapter in adapters() {
        let name = adapter.name().to_lowercase();
        let is_wanted =
            wanted.as_ref().map_or(!adapter.is_software(), |part| name.contains(&part.to_lowercase()));
        if is_wanted {
            let gpu = Gpu::open(&adapter, Setup::default()).unwrap();
            bench(&mut criterion, adapter.name(), &gpu, &[1 << 16]);
        }
    }
    criterion.final_summary();
}
