//! The engine's answers are the same on the CPU and on every adapter.

use concentra::cpu::Cpu;
use concentra::engine::{self, Batch, Measured, Total};
use concentra::gpu::Gpu;
use concentra::gpu::device::Setup;
use concentra::metrics;
use concentra::moments::{Ask, Needs};
use concentra::numbers::key::{self, Key};
use concentra::numbers::wide::U320;
use concentra::record::Recorder;

use crate::devices::tested;
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

#[test]
fn small() {
    let mut random = Random(1);
    let groups: Vec<Vec<Key>> = [1, 2, 0, 100, 1024, 1025, 5000, 20000, 16]
        .iter()
        .map(|&n| (0..n).map(|_| random.key(100)).collect())
        .collect();
    let expected = measure(&Cpu, &groups, usize::MAX).unwrap();
    for adapter in tested() {
        let gpu = Gpu::open(&adapter, Setup::default()).unwrap();
        let got = measure(&gpu, &groups, gpu.largest_segment()).unwrap();
        for (g, (a, b)) in expected.iter().zip(&got).enumerate() {
            assert_eq!(a, b, "group {g}");
        }
    }
}
