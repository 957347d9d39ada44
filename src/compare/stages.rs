//! The stages of a comparison: how long each took, and what it moved.

use std::time::Duration;

use crate::choose::Compute;
use crate::record::{Recorder, Stage};

/// One stage of one run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    /// Its name.
    pub stage: &'static str,
    /// How long it took.
    pub wall: Duration,
    /// The same by the device's own clock, where it has one.
    pub device: Option<Duration>,
    /// Keys that went through it.
    pub keys: u64,
    /// Bytes moved, where they are counted: over the bus, or in the device's memory.
    pub bytes: Option<u64>,
    /// Dispatches, on a device.
    pub dispatches: Option<u64>,
    /// Passes of the sort over a key, on average.
    pub passes: Option<f64>,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// From the first batch to the last.
    pub wall: Duration,
    /// Keys that a device left to the CPU.
    pub host_keys: u64,
    steps: Vec<Step>,
}

/// One stage of all runs. What is moved is the same in each of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// What each run did.
    pub step: Step,
    /// Of each run, ascending.
    pub walls: Vec<Duration>,
    /// The same by the device's own clock, where it has one.
    pub devices: Vec<Duration>,
}

impl Figures {
    /// The shortest run.
    pub fn min(&self) -> Option<Duration> {
        self.walls.first().copied()
    }

    /// The middle run, or the mean of the middle two.
    pub fn median(&self) -> Option<Duration> {
        median(&self.walls)
    }

    /// The shortest time by the device's own clock.
    pub fn device_min(&self) -> Option<Duration> {
        self.devices.first().copied()
    }

    /// The middle time by the device's own clock.
    pub fn device_median(&self) -> Option<Duration> {
        median(&self.devices)
    }

    /// The time by which rates are reckoned: the device's own, else the wall's, of the shortest run.
    fn time(&self) -> Option<f64> {
        let time = self.device_min().or(self.min())?.as_secs_f64();
        (time > 0.0).then_some(time)
    }

    /// Keys a second.
    pub fn rate(&self) -> Option<f64> {
        self.time().map(|time| self.step.keys as f64 / time).filter(|_| self.step.keys > 0)
    }

    /// Bytes a key.
    pub fn bytes_per_key(&self) -> Option<f64> {
        self.step.bytes.map(|bytes| bytes as f64 / self.step.keys as f64).filter(|b| b.is_finite())
    }

    /// Bytes a second, in GB.
    pub fn gigabytes(&self) -> Option<f64> {
        self.step.bytes.zip(self.time()).map(|(bytes, time)| bytes as f64 / time / 1e9)
    }
}

fn median(ascending: &[Duration]) -> Option<Duration> {
    let n = ascending.len();
    (n > 0).then(|| (ascending[(n - 1) / 2] + ascending[n / 2]) / 2)
}

/// The stages of all runs and, with these times, their whole.
pub fn figures(samples: &[Sample], walls: Vec<Duration>, keys: u64) -> Vec<Figures> {
    let ascending = |mut times: Vec<Duration>| {
        times.sort();
        times
    };
    let steps = samples.first().map_or(&[][..], |sample| &sample.steps);
    let stage = |(i, step): (usize, &Step)| Figures {
        step: step.clone(),
        walls: ascending(samples.iter().map(|sample| sample.steps[i].wall).collect()),
        devices: ascending(samples.iter().filter_map(|sample| sample.steps[i].device).collect()),
    };
    let mut figures: Vec<Figures> = steps.iter().enumerate().map(stage).collect();
    let whole = Step { stage: "all", keys, ..Step::default() };
    figures.push(Figures { step: whole, walls: ascending(walls), devices: vec![] });
    figures
}

/// What a recorder saw of some stage.
fn recorded(recorder: &Recorder, stage: Stage) -> Step {
    let of_stage = recorder.summary().into_iter().find(|s| s.stage == stage);
    let (busy, rows) = of_stage.map_or((0, 0), |s| (s.busy_ns, s.rows));
    Step { stage: stage.name(), wall: Duration::from_nanos(busy), keys: rows, ..Step::default() }
}

impl Sample {
    /// What a run took.
    pub fn new(wall: Duration, recorder: &Recorder, compute: &Compute) -> Self {
        #[cfg(feature = "gpu")]
        if let Compute::Gpu(gpu) = compute {
            return Self::on_device(wall, recorder, &gpu.take_counters(), gpu.has_clock());
        }
        let _ = compute;
        let stages = [Stage::Sort, Stage::Reduce, Stage::Search, Stage::Prefix, Stage::Finish];
        Self { wall, host_keys: 0, steps: stages.map(|stage| recorded(recorder, stage)).into() }
    }

    #[cfg(feature = "gpu")]
    fn on_device(
        wall: Duration,
        recorder: &Recorder,
        counters: &crate::gpu::counters::Counters,
        clock: bool,
    ) -> Self {
        let finish = recorded(recorder, Stage::Finish);
        let keys = finish.keys;
        let kernels = |stage: &'static str, names: &[&str], keys: u64| {
            let work: Vec<_> = names.iter().filter_map(|name| counters.kernels.get(name)).collect();
            Step {
                stage,
                wall: work.iter().map(|work| work.time).sum(),
                device: clock.then(|| work.iter().map(|work| work.device_time).sum()),
                keys,
                bytes: Some(counters.bytes_of(names)),
                dispatches: Some(work.iter().map(|work| work.dispatches).sum()),
                passes: None,
            }
        };
        let bus = |stage: &'static str, wall: Duration, bytes: u64| Step {
            stage,
            wall,
            keys,
            bytes: Some(bytes),
            ..Step::default()
        };
        let large = counters.large_keys;
        let passes = (large > 0).then(|| counters.key_passes as f64 / large as f64);
        let items = |name: &str| counters.kernels.get(name).map_or(0, |work| work.items);
        let mut steps = vec![
            bus("upload", counters.upload_time, counters.uploaded),
            kernels("moments", &["pack"], counters.packed_keys),
            Step { passes, ..kernels("sort", &["upsweep", "downsweep"], large) },
            Step { passes, ..kernels("scan", &["scan_reduce", "scan_spine", "scan_down"], large) },
            kernels("reduce", &["reduce"], large),
            kernels("search", &["search"], items("search")),
            kernels("prefix", &["prefix"], items("prefix")),
            bus("download", counters.download_time, counters.downloaded),
            finish,
        ];
        let known: Duration = steps.iter().map(|step| step.wall).sum();
        let host = Step { stage: "host", wall: wall.saturating_sub(known), keys, ..Step::default() };
        steps.push(host);
        Self { wall, host_keys: counters.host_keys, steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(milliseconds: u64) -> Sample {
        let wall = Duration::from_millis(milliseconds);
        let step = Step { stage: "sort", wall, keys: 1000, bytes: Some(165_000), ..Step::default() };
        Sample { wall, host_keys: 0, steps: vec![step] }
    }

    #[test]
    fn runs_are_told_by_the_shortest_and_the_middle_one() {
        let samples = [9, 2, 4, 8].map(sample);
        let walls = samples.iter().map(|sample| sample.wall).collect();
        let figures = figures(&samples, walls, 1000);
        assert_eq!(figures.iter().map(|f| f.step.stage).collect::<Vec<_>>(), ["sort", "all"]);
        for f in &figures {
            assert_eq!(f.min(), Some(Duration::from_millis(2)));
            assert_eq!(f.median(), Some(Duration::from_millis(6)));
            assert_eq!(f.rate(), Some(500_000.0));
        }
        assert_eq!(figures[0].bytes_per_key(), Some(165.0));
        assert_eq!(figures[0].gigabytes(), Some(0.0825));
        assert_eq!((figures[1].bytes_per_key(), figures[1].gigabytes()), (None, None));
    }
}
