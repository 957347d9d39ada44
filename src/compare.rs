//! The same work on several devices: whether all moments are equal, and where the time goes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::choose::{Compute, all_devices};
use crate::engine::Measured;
use crate::error::{Error, Result};
use crate::groups::Column;
use crate::ingest::{Context, Ingest};
use crate::metrics::{self, Metric};
use crate::moments::Ask;
use crate::numbers::key::Key;
use crate::options::{Device, Options, Trial};
use crate::plan::Plan;
use crate::record::{Recorder, Stage, Volume};
use crate::results::median_asks;

pub mod report;
pub mod stages;

use stages::{Figures, Sample};

/// What a comparison found.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The number of holders.
    pub keys: usize,
    /// The number of groups.
    pub groups: usize,
    /// How often each device did the work.
    pub runs: u32,
    /// Threads of the CPU.
    pub threads: usize,
    /// Of the devices' memory, in GB/s.
    pub bandwidth: Option<f64>,
    /// In the order asked for; the first is what the others are measured by.
    pub devices: Vec<Compared>,
    /// What the user should know, in full sentences.
    pub warnings: Vec<String>,
    /// What a file of figures says of its making.
    pub provenance: HashMap<String, String>,
}

/// One device.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// As it was asked for.
    pub device: String,
    /// The adapter's name, where there is one to name.
    pub adapter: Option<String>,
    /// Driver and interface.
    pub driver: Option<String>,
    /// Where the time went; the last are all stages together.
    pub stages: Vec<Figures>,
    /// Keys that it left to the CPU: amounts of 2^128 or more.
    pub host_keys: u64,
    /// The first group and number that differ from the first device's.
    pub difference: Option<String>,
}

impl Comparison {
    /// The whole work's time on the first device over that on this one.
    pub fn speed_up(&self, device: &Compared) -> Option<f64> {
        let time = |device: &Compared| device.stages.last().and_then(Figures::min).map(|t| t.as_secs_f64());
        time(self.devices.first()?).zip(time(device)).map(|(first, own)| first / own)
    }

    /// An error where moments differ.
    pub fn verdict(&self) -> Result<()> {
        let Some(first) = self.devices.first() else { return Ok(()) };
        let differs = |other: &Compared| {
            let what = other.difference.as_ref()?;
            Some(Error::Unequal(format!("{} and {} differ: {what}", first.name(), other.name())))
        };
        self.devices.iter().find_map(differs).map_or(Ok(()), Err)
    }
}

impl Compared {
    /// `cpu`, or the adapter's name.
    pub fn name(&self) -> &str {
        self.adapter.as_deref().unwrap_or(&self.device)
    }
}

/// Loads the snapshots behind `options.paths` once and measures them on each device.
pub fn compare(options: &Options, trial: &Trial, context: &Context<'_>) -> Result<Comparison> {
    let metrics = metrics::select(metrics::catalog(&options.extras), &options.metrics)?;
    let named = |device: &Device| Contestant::open(device);
    let devices = if trial.devices.is_empty() { all_devices() } else { trial.devices.clone() };
    // A device that cannot be had is an error before hours of reading.
    let contestants: Vec<Contestant> = devices.iter().map(named).collect::<Result<_>>()?;

    let ingest = Ingest::open(options, context)?;
    let (counted, mut column) = ingest.gather(usize::MAX, options, context)?;
    let keys = std::mem::take(&mut column.keys);
    let median = median_asks();
    let asks: Vec<&Ask> = metrics.iter().flat_map(|m| &m.asks).chain(&median).collect();
    let plan = Plan::new(&column.offsets, &metrics, &asks, "", "");
    let work = Work { keys: &keys, column: &column, plan: &plan, metrics: &metrics, asks: &asks, context };

    let runs_of = |contestant: &Contestant| u64::from(contestant.runs(trial.runs));
    let all: u64 = contestants.iter().map(|c| runs_of(c) * keys.len() as u64).sum();
    context.progress.start("comparing", all);
    let mut expected: Option<Vec<Measured>> = None;
    let mut compared = Vec::with_capacity(contestants.len());
    for contestant in contestants {
        let mut difference = None;
        let mut check = |measured: Vec<Measured>| match &expected {
            None => expected = Some(measured),
            Some(expected) => {
                difference = difference.take().or_else(|| {
                    let (group, what) = first_difference(expected, &measured)?;
                    let key = ingest.schema.show(&counted.groups.keys[group]);
                    Some(format!("group {key}: {what}"))
                });
            }
        };
        let (stages, host_keys) = contestant.race(&work, trial.runs, &mut check)?;
        compared.push(Compared {
            device: contestant.device.to_string(),
            adapter: contestant.plain.adapter().map(str::to_owned),
            driver: contestant.plain.driver(),
            stages,
            host_keys,
            difference,
        });
    }
    Ok(Comparison {
        keys: keys.len(),
        groups: plan.groups,
        runs: trial.runs,
        threads: rayon::current_num_threads(),
        bandwidth: trial.bandwidth,
        devices: compared,
        warnings: ingest.warnings(options),
        provenance: ingest.provenance(options),
    })
}

/// The first group whose moments differ, and how.
pub fn first_difference(expected: &[Measured], measured: &[Measured]) -> Option<(usize, String)> {
    let pairs = expected.iter().zip(measured).enumerate();
    pairs.into_iter().find_map(|(group, (a, b))| Some((group, a.difference(b)?)))
}

/// What each device has to do.
struct Work<'a> {
    /// Sorting rearranges keys, so each run gets a copy of these.
    keys: &'a [Key],
    column: &'a Column,
    plan: &'a Plan,
    metrics: &'a [Metric],
    asks: &'a [&'a Ask],
    context: &'a Context<'a>,
}

/// A device, opened twice: as `analyze` opens it, for the time of the whole, and with every kernel waited for, for the
/// times of the stages.
struct Contestant {
    device: Device,
    plain: Compute,
    timed: Compute,
}

impl Contestant {
    fn open(device: &Device) -> Result<Self> {
        let (plain, timed) = (Compute::open(device, false)?, Compute::open(device, true)?);
        Ok(Self { device: device.clone(), plain, timed })
    }

    /// How often the work is done in all; each opened device warms up first: shaders are compiled at their first use.
    fn runs(&self, runs: u32) -> u32 {
        if self.has_own_clock() { 2 * (runs + 1) } else { runs + 1 }
    }

    /// Whether stages are timed apart from the whole.
    fn has_own_clock(&self) -> bool {
        self.timed.adapter().is_some()
    }

    /// What a run is recorded as.
    fn name(&self, run: u32) -> String {
        let warming = if run == 0 { " to warm up" } else { "" };
        format!("{}, run {run}{warming},", self.device)
    }

    /// Does the work and hands the moments of each run to `check`.
    fn race(
        &self,
        work: &Work<'_>,
        runs: u32,
        check: &mut impl FnMut(Vec<Measured>),
    ) -> Result<(Vec<Figures>, u64)> {
        let mut samples: Vec<Sample> = Vec::new();
        let mut walls: Vec<Duration> = Vec::new();
        for run in 0..=runs {
            let (measured, sample) = work.once(&self.plain, &self.name(run))?;
            check(measured);
            if run > 0 {
                walls.push(sample.wall);
                samples.push(sample);
            }
        }
        if self.has_own_clock() {
            samples.clear();
            for run in 0..=runs {
                let (measured, sample) =
                    work.once(&self.timed, &format!("{}, each kernel waited for,", self.name(run)))?;
                check(measured);
                if run > 0 {
                    samples.push(sample);
                }
            }
        }
        let host_keys = samples.first().map_or(0, |sample| sample.host_keys);
        Ok((stages::figures(&samples, walls, work.keys.len() as u64), host_keys))
    }
}

impl Work<'_> {
    /// One run: the moments of all groups, and what it took.
    fn once(&self, compute: &Compute, name: &str) -> Result<(Vec<Measured>, Sample)> {
        let recorder = Recorder::default();
        let mut keys = self.keys.to_vec();
        let column = self.column;
        let mut all = Vec::with_capacity(self.plan.groups);
        compute.forget();
        let started = Instant::now();
        for work in self.plan.works(&mut keys, &column.offsets, &column.totals) {
            if (self.context.interrupted)() {
                return Err(Error::Interrupted);
            }
            let (index, holders) = (work.index, work.keys.len() as u64);
            let (measured, _) = compute.measure(work, self.asks, &recorder, true)?;
            let finish = || {
                let moments = measured.iter().filter_map(|measured| measured.moments.as_ref());
                Ok(moments.map(|moments| metrics::values(self.metrics, moments).len()).sum::<usize>())
            };
            let task = format!("batch {index}");
            let values = recorder.time(Stage::Finish, task, Volume::rows(holders), finish)?;
            tracing::debug!(values, "finished");
            all.extend(measured);
            self.context.progress.add(holders);
        }
        let wall = started.elapsed();
        self.context.recorder.append(&recorder, name);
        Ok((all, Sample::new(wall, &recorder, compute)))
    }
}
