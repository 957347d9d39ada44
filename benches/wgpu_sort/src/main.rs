//! concentra's sort beside the crate `wgpu_sort`: the same keys, the same driver, alternating, every answer checked.
//!
//! Prints a Markdown table. `cargo run --release -- [PART OF AN ADAPTER'S NAME]`, SwiftShader if nothing is named.

use std::time::{Duration, Instant};

use rayon::prelude::*;

mod ours;
mod peer;

use ours::{Expected, Ours};
use peer::Peer;

type Failure = Box<dyn std::error::Error>;

const SIZES: [usize; 3] = [1 << 16, 1 << 18, 1 << 20];
/// Timed runs, after one to warm up.
const RUNS: usize = 5;

/// How long some work took.
#[derive(Debug, Clone, Copy)]
struct Time {
    wall: Duration,
    /// By the device's own clock, where it has one.
    device: Option<Duration>,
}

/// A row of the table: the same work in all runs.
struct Row {
    what: String,
    items: u64,
    times: Vec<Time>,
}

impl Row {
    fn new(what: &str) -> Self {
        Self { what: what.to_owned(), items: 0, times: vec![] }
    }

    fn add(&mut self, run: usize, items: u64, time: Time) {
        self.items = items;
        if run > 0 {
            self.times.push(time);
        }
    }

    fn print(&self, keys: usize) {
        let wall = median(self.times.iter().map(|time| time.wall));
        let device = median(self.times.iter().filter_map(|time| time.device));
        let Some(wall) = wall else { return };
        let milliseconds = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
        let device = device.map_or("–".to_owned(), milliseconds);
        let rate = self.items as f64 / wall.as_secs_f64() / 1e6;
        println!(
            "| {keys} | {} | {} | {} | {device} | {rate:.3} |",
            self.what,
            self.items,
            milliseconds(wall)
        );
    }
}

fn median(times: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times.get(times.len() / 2).copied()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Sorts on the CPU, and how long that took.
fn par_sort(keys: &[u64]) -> (Vec<u64>, Time) {
    let mut sorted = keys.to_vec();
    let started = Instant::now();
    sorted.par_sort_unstable();
    (sorted, Time { wall: started.elapsed(), device: None })
}

fn measure(n: usize, ours: &Ours, peer: &Peer) -> Result<(), Failure> {
    let mut random = Random(n as u64);
    let words: Vec<u32> = (0..n).map(|_| random.next() as u32).collect();
    // The peer's keys below a constant, so that 32 bits vary.
    let narrow: Vec<u64> = words.iter().map(|&word| 1 << 55 | u64::from(word)).collect();
    // The same below 24 bits more of the mantissa and an exponent: amounts of up to 128 bits, all that the device sorts.
    let high = |random: &mut Random| random.next() % 73 << 24 | random.next() >> 40;
    let wide: Vec<u64> =
        words.iter().map(|&word| (high(&mut random) << 32 | u64::from(word)).max(1)).collect();
    let widths = [("32 varying bits, 4 passes", &narrow), ("63 varying bits, 8 passes", &wide)];
    let expected: Vec<Expected> =
        widths.iter().map(|(_, keys)| Expected::new(par_sort(keys).0)).collect::<Result<_, _>>()?;

    let name = format!("wgpu_sort, 32-bit pairs, 4 passes, subgroup size {}", peer.subgroup_size);
    let mut of_peer = Row::new(&name);
    let mut sorts = widths.map(|(width, _)| Row::new(&format!("concentra, 64-bit keys, {width}")));
    let mut scans = widths.map(|(width, _)| Row::new(&format!("of which scans of counts, {width}")));
    let mut cpu = Row::new("rayon `par_sort_unstable`, 64-bit keys, 63 varying bits");
    for run in 0..=RUNS {
        of_peer.add(run, n as u64, peer.sort(&words)?);
        for (width, (_, keys)) in widths.iter().enumerate() {
            let sorted = ours.sort(keys, &expected[width])?;
            sorts[width].add(run, n as u64, sorted.sort);
            scans[width].add(run, sorted.counts, sorted.scan);
        }
        cpu.add(run, n as u64, par_sort(&wide).1);
    }
    let [narrow_sort, wide_sort] = &sorts;
    let [narrow_scan, wide_scan] = &scans;
    let rows = [&of_peer, narrow_sort, narrow_scan, wide_sort, wide_scan, &cpu].into_iter();
    rows.for_each(|row| row.print(n));
    Ok(())
}

/// The peer must be told a subgroup size. Of those with right answers the quickest.
fn quickest(name: &str) -> Result<Peer, Failure> {
    let mut random = Random(1);
    let words: Vec<u32> = (0..SIZES[0]).map(|_| random.next() as u32).collect();
    let mut best: Option<(Duration, Peer)> = None;
    // SwiftShader's subgroups have four threads. Told of more, the peer gives a wrong order or waits for ever.
    for subgroup_size in [1, 4] {
        let peer = Peer::open(name, subgroup_size)?;
        match peer.sort(&words).and_then(|_| peer.sort(&words)) {
            Ok(time) => {
                eprintln!("wgpu_sort, subgroup size {subgroup_size}: {:.3} s", time.wall.as_secs_f64());
                if best.as_ref().is_none_or(|&(wall, _)| time.wall < wall) {
                    best = Some((time.wall, peer));
                }
            }
            Err(why) => eprintln!("wgpu_sort, subgroup size {subgroup_size}: {why}"),
        }
    }
    best.map(|(_, peer)| peer).ok_or_else(|| "wgpu_sort: no subgroup size gives right answers".into())
}

fn main() -> Result<(), Failure> {
    let name = std::env::args().nth(1).unwrap_or("SwiftShader".to_owned());
    let ours = Ours::open(&name)?;
    let peer = quickest(&name)?;
    println!("{}; {} threads; median of {RUNS} runs\n", ours.device(), rayon::current_num_threads());
    println!("| keys | sort | items | wall ms | device ms | million items/s |");
    println!("|--:|---|--:|--:|--:|--:|");
    SIZES.iter().try_for_each(|&n| measure(n, &ours, &peer))
}
