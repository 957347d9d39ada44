//! Measures what this machine's devices do, so that `--device auto` need not guess.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::choose::calibration::{Calibrated, Calibration, Rates, SMALL};
use crate::choose::{Compute, all_devices};
use crate::error::{Error, Result};
use crate::generate::random::Stream;
use crate::ingest::Context;
use crate::metrics::{Metric, catalog};
use crate::moments::{Ask, Total};
use crate::numbers::key::{self, Key, MANTISSA_BITS};
use crate::numbers::wide::U320;
use crate::options::Device;
use crate::plan::Plan;
use crate::results::median_asks;

/// The first size tried, and the largest: a quarter of a gigabyte of keys.
const SIZES: [usize; 2] = [1 << 16, 1 << 25];

/// A run this long tells a rate; a shorter one is tried with four times the keys.
const LONG_ENOUGH: Duration = Duration::from_millis(200);

/// Runs of each size; the shortest counts.
const RUNS: u32 = 3;

/// The exponents of keys below 2^128: larger amounts are the CPU's on every device.
const EXPONENTS: u64 = 128 - MANTISSA_BITS as u64 + 1;

/// Measures the CPU and every hardware adapter, or every software one where there is none.
pub fn calibrate(context: &Context<'_>) -> Result<Calibration> {
    let metrics = catalog(&Default::default());
    let (mut cpu, mut adapters) = (None, Vec::new());
    let devices = all_devices();
    context.progress.start("calibrating", devices.len() as u64);
    for device in devices {
        let begun = Instant::now();
        let compute = Compute::open(&device, false)?;
        let trial = Trial { compute: &compute, metrics: &metrics, context };
        let small = Keys::new(SIZES[0], SMALL);
        trial.run(&Keys::new(SIZES[0], SIZES[0]))?;
        trial.run(&small)?;
        let first = begun.elapsed();
        // What the first work takes beyond its repetition: drivers are loaded and shaders compiled.
        let start = first.saturating_sub(trial.shortest(&small)? * 2);
        let start = if device == Device::Cpu { 0.0 } else { start.as_secs_f64() };
        let rates = Rates { start, large: trial.rate(usize::MAX)?, small: trial.rate(SMALL)? };
        match (compute.adapter(), compute.driver()) {
            (Some(name), Some(driver)) => adapters.push(Calibrated {
                name: name.to_owned(),
                driver,
                software: compute.is_software(),
                upload: upload(&device, &metrics, context)?,
                rates,
            }),
            _ => cpu = Some(rates),
        }
        context.progress.add(1);
    }
    let cpu = cpu.ok_or_else(|| Error::NoDevice("no CPU to measure".into()))?;
    Ok(Calibration { cpu, threads: rayon::current_num_threads(), adapters })
}

/// Bytes a second that reach a device's memory, while each upload is waited for.
fn upload(device: &Device, metrics: &[Metric], context: &Context<'_>) -> Result<f64> {
    let compute = Compute::open(device, true)?;
    let trial = Trial { compute: &compute, metrics, context };
    let keys = Keys::new(SIZES[0] * 4, usize::MAX);
    let mut best: f64 = 0.0;
    for _ in 0..RUNS {
        compute.forget();
        trial.run(&keys)?;
        let (bytes, time) = compute.uploaded().unwrap_or_default();
        best = best.max(bytes as f64 / time.as_secs_f64().max(1e-9));
    }
    Ok(best)
}

/// Keys log-uniform below 2^128 in groups of one size.
struct Keys {
    keys: Vec<Key>,
    offsets: Vec<usize>,
    totals: Vec<Total>,
}

impl Keys {
    fn new(n: usize, group: usize) -> Self {
        let stream = Stream::new(1, "calibration");
        let key = |i: u64| {
            let bits = stream.bits(i);
            let mantissa = bits >> (64 - MANTISSA_BITS) | 1 << (MANTISSA_BITS - 1);
            (bits % EXPONENTS) << MANTISSA_BITS | mantissa
        };
        let keys: Vec<Key> = (0..n as u64).into_par_iter().map(key).collect();
        let total = |keys: &[Key]| {
            let values = keys.par_iter().map(|&key| U320::from(key::value(key)));
            Total { amount: values.reduce(|| U320::ZERO, |a, b| a + b), exact: true }
        };
        let totals = keys.chunks(group.min(n)).map(total).collect();
        let offsets = (0..n).step_by(group.min(n)).chain([n]).collect();
        Self { keys, offsets, totals }
    }
}

/// A device at work.
struct Trial<'a> {
    compute: &'a Compute,
    metrics: &'a [Metric],
    context: &'a Context<'a>,
}

impl Trial<'_> {
    /// Measures the moments of all groups, as an analysis does: how long it took.
    fn run(&self, keys: &Keys) -> Result<Duration> {
        if (self.context.interrupted)() {
            return Err(Error::Interrupted);
        }
        let median = median_asks();
        let asks: Vec<&Ask> = self.metrics.iter().flat_map(|metric| &metric.asks).chain(&median).collect();
        let plan = Plan::new(&keys.offsets, self.metrics, &asks, "", "");
        let mut sorted = keys.keys.clone();
        let begun = Instant::now();
        for work in plan.works(&mut sorted, &keys.offsets, &keys.totals) {
            self.compute.measure(work, &asks, self.context.recorder, true)?;
        }
        Ok(begun.elapsed())
    }

    fn shortest(&self, keys: &Keys) -> Result<Duration> {
        let mut shortest = Duration::MAX;
        for _ in 0..RUNS {
            shortest = shortest.min(self.run(keys)?);
        }
        Ok(shortest)
    }

    /// Keys a second in groups of one size, at the first size that takes long enough to tell.
    fn rate(&self, group: usize) -> Result<f64> {
        let mut n = SIZES[0];
        loop {
            let time = self.shortest(&Keys::new(n, group))?;
            if time >= LONG_ENOUGH || n >= SIZES[1] {
                return Ok(n as f64 / time.as_secs_f64());
            }
            n *= 4;
        }
    }
}
