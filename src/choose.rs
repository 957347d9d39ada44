//! Which backend computes, why, and what happens when a device fails.

use std::ops::Range;
#[cfg(feature = "gpu")]
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::backend::Backend;
#[cfg(feature = "gpu")]
use crate::backend::words::WIDEST;
use crate::cpu::sort::SPLIT;
use crate::cpu::{Cpu, CpuWithScratch};
use crate::engine::visits::{Answers, Visit, visit};
use crate::engine::{self, Batch, Kept, Measured, Tails};
use crate::error::{Error, Result};
use crate::games::Game;
use crate::games::sample::{Counts, sample};
#[cfg(feature = "gpu")]
use crate::gpu::{
    Gpu,
    adapters::{Adapter, adapters, find},
    device::Setup,
    games,
};
#[cfg(feature = "gpu")]
use crate::kernels::VOTERS;
use crate::moments::{Ask, Moments, Needs, Total};
use crate::numbers::key::Key;
#[cfg(feature = "gpu")]
use crate::numbers::key::exponent;
use crate::options::Device;
use crate::record::{Recorder, Stage, Task, Volume};

pub mod calibration;
mod share;

use calibration::{Calibration, Load};
pub use share::Lot;

/// From so many keys on, `auto` looks for a GPU where none was measured. A guess: loading a driver and compiling
/// shaders take some 0.3 s, in which two cores sort and sum some 2^25 keys.
pub const WORTH_A_GPU: usize = 1 << 26;

/// The backend that computes.
#[derive(Debug)]
pub enum Compute {
    /// Rayon.
    Cpu(CpuWithScratch),
    /// A device.
    #[cfg(feature = "gpu")]
    Gpu(Arc<Gpu>),
}

/// Who did some work: backend, device, and why not the device that was chosen.
pub type By = (&'static str, Option<String>, Option<String>);

/// A backend, and why it was taken.
#[derive(Debug)]
pub struct Choice {
    /// The backend.
    pub compute: Compute,
    /// Why this one.
    pub why: String,
    /// Whether devices were looked at.
    pub looked: bool,
    /// The CPU, where it works beside a device.
    beside: Option<CpuWithScratch>,
}

/// Who really computed the groups of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// `cpu` or `gpu`.
    pub backend: &'static str,
    /// The device's name.
    pub adapter: Option<String>,
    /// Why not the device that was chosen.
    pub note: Option<String>,
    /// Groups of more keys were cut into value ranges.
    largest: usize,
}

impl Made {
    /// By the CPU, because nothing else was to.
    pub fn on_cpu() -> Self {
        Self { backend: "cpu", adapter: None, note: None, largest: usize::MAX }
    }
}

/// Chooses one backend for groups whose keys lie at `offsets`. The CPU may use the scratch memory.
pub fn choose(device: &Device, offsets: &[usize], scratch: Vec<Key>) -> Result<Choice> {
    if device.beside_cpu().is_some() {
        return Err(only_analyze(device));
    }
    Opened::default().choose(device, offsets, scratch)
}

fn only_analyze(device: &Device) -> Error {
    Error::Usage(format!("--device {device}: only analyze uses both at once"))
}

/// Devices that were asked for and are open, for the next batch.
#[derive(Debug, Default)]
pub struct Opened(Mutex<Vec<(Device, Compute)>>);

impl Opened {
    /// The same as [`choose`]; what was asked for before is opened once.
    pub fn choose(&self, device: &Device, offsets: &[usize], scratch: Vec<Key>) -> Result<Choice> {
        let mut choice = self.choose_any(device, offsets)?;
        let is_of_use = offsets.windows(2).any(|group| group[1] - group[0] > SPLIT);
        let Choice { compute, beside, .. } = &mut choice;
        match (compute, beside) {
            (Compute::Cpu(cpu), _) | (_, Some(cpu)) if is_of_use => *cpu = CpuWithScratch::new(scratch),
            _ => {}
        }
        Ok(choice)
    }

    fn choose_any(&self, device: &Device, offsets: &[usize]) -> Result<Choice> {
        let asked = device.beside_cpu().unwrap_or(device);
        match asked {
            Device::Cpu => Ok(cpu("asked for with --device cpu".into(), false)),
            Device::Auto => Ok(auto(Load::of(offsets))),
            Device::Gpu | Device::Named(_) | Device::Both(_) => {
                let why = format!("asked for with --device {device}");
                let beside = device.beside_cpu().map(|_| CpuWithScratch::default());
                Ok(Choice { compute: self.open(asked)?, why, looked: true, beside })
            }
        }
    }

    /// Opens the device that is asked for by name, before anything else is done.
    pub fn prepare(&self, device: &Device) -> Result<()> {
        match device.beside_cpu().unwrap_or(device) {
            Device::Auto | Device::Cpu => Ok(()),
            asked => self.open(asked).map(drop),
        }
    }

    fn open(&self, device: &Device) -> Result<Compute> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, compute)) = open.iter().find(|(other, _)| other == device) {
            return Ok(compute.clone());
        }
        let compute = Compute::open(device, false)?;
        open.push((device.clone(), compute.clone()));
        Ok(compute)
    }
}

fn cpu(why: String, looked: bool) -> Choice {
    Choice { compute: Compute::Cpu(CpuWithScratch::default()), why, looked, beside: None }
}

/// What should be done first, by what was measured or else by a guess. Drivers are loaded only where a GPU should win.
fn auto(load: Load) -> Choice {
    if cfg!(not(feature = "gpu")) {
        return cpu("the only backend of this build".into(), false);
    }
    let Some(calibration) = Calibration::load() else {
        return if load.keys() < WORTH_A_GPU {
            cpu(format!("below {WORTH_A_GPU} holders a GPU is not expected to pay (a guess)"), false)
        } else {
            let why = format!("from {WORTH_A_GPU} holders on a GPU is expected to pay (a guess)");
            hardware(|_, _| true, why, "there is no hardware adapter")
        };
    };
    let threads = rayon::current_num_threads();
    let here = calibration.cpu_with(threads).seconds(load);
    match calibration.fastest(load, threads) {
        None => {
            cpu(format!("no GPU should need less than {here:.2} s (measured by devices --calibrate)"), false)
        }
        Some(fastest) => {
            let there = fastest.rates.seconds(load);
            let why =
                format!("{there:.2} s expected, {here:.2} s on the CPU (measured by devices --calibrate)");
            let gone =
                format!("{} with the driver measured is not here: run devices --calibrate", fastest.name);
            hardware(|name, driver| name == fastest.name && driver == fastest.driver, why, &gone)
        }
    }
}

/// The first hardware adapter of which a name and a driver are wanted, or the CPU and why.
#[cfg(feature = "gpu")]
fn hardware(wanted: impl Fn(&str, &str) -> bool, why: String, none: &str) -> Choice {
    let all = adapters();
    let mut hardware = all.iter().filter(|adapter| !adapter.is_software());
    match hardware.find(|adapter| wanted(adapter.name(), &adapter.reached_by())) {
        None => cpu(none.into(), true),
        Some(adapter) => match Gpu::open(adapter, Setup::default()) {
            Ok(gpu) => Choice { compute: Compute::Gpu(Arc::new(gpu)), why, looked: true, beside: None },
            Err(error) => cpu(error.to_string(), true),
        },
    }
}

/// This build knows no adapters.
#[cfg(not(feature = "gpu"))]
fn hardware(_: impl Fn(&str, &str) -> bool, _: String, none: &str) -> Choice {
    cpu(none.into(), false)
}

/// The adapter that is asked for.
#[cfg(feature = "gpu")]
fn adapter(device: &Device) -> Result<Adapter> {
    let all = adapters();
    let (found, problem) = match device {
        Device::Named(name) => (find(&all, name), "no adapter has that in its name"),
        _ => (all.iter().find(|adapter| !adapter.is_software()), "there is no hardware adapter"),
    };
    found.cloned().ok_or_else(|| Error::NoDevice(format!("{device}: {problem}; {}", list(&all))))
}

/// The CPU and every hardware adapter, or every software one where there is none.
pub fn all_devices() -> Vec<Device> {
    #[cfg_attr(not(feature = "gpu"), expect(unused_mut, reason = "this build knows no adapters"))]
    let mut devices = vec![Device::Cpu];
    #[cfg(feature = "gpu")]
    {
        let all = adapters();
        let software = all.iter().all(Adapter::is_software);
        let taken = all.iter().filter(|adapter| adapter.is_software() == software);
        devices.extend(taken.map(|adapter| Device::Named(adapter.name().to_owned())));
    }
    devices
}

#[cfg(feature = "gpu")]
fn list(adapters: &[Adapter]) -> String {
    let names: Vec<String> = adapters.iter().map(|a| format!("`{}` ({})", a.name(), a.kind())).collect();
    if names.is_empty() {
        "this machine has none".into()
    } else {
        format!("this machine has {}", names.join(", "))
    }
}

impl Clone for Compute {
    /// The same device; scratch memory of its own.
    fn clone(&self) -> Self {
        match self {
            Self::Cpu(_) => Self::Cpu(CpuWithScratch::default()),
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => Self::Gpu(Arc::clone(gpu)),
        }
    }
}

impl Choice {
    /// The backend's name and its device's.
    pub fn name(&self) -> String {
        let name = self.compute.adapter().map_or("cpu".into(), |adapter| format!("gpu ({adapter})"));
        if self.beside.is_some() { format!("cpu and {name}") } else { name }
    }

    /// Measures groups on the backend; on both where the CPU works beside a device.
    pub fn measure(
        &self,
        work: Work<'_>,
        asks: &[&Ask],
        recorder: &Recorder,
        require_gpu: bool,
    ) -> Result<Vec<Lot>> {
        if let Some(cpu) = &self.beside {
            return share::measure(&self.compute, cpu, work, asks, recorder, require_gpu);
        }
        let first = work.first;
        let (measured, made) = self.compute.measure(work, asks, recorder, require_gpu)?;
        Ok(vec![Lot { first, measured, made }])
    }
}

impl Compute {
    /// Opens a device that is named, or any hardware one; where it is `timed`, each of its kernels is waited for.
    #[cfg(feature = "gpu")]
    pub fn open(device: &Device, timed: bool) -> Result<Self> {
        if device.beside_cpu().is_some() {
            return Err(only_analyze(device));
        }
        if *device == Device::Cpu {
            return Ok(Self::Cpu(CpuWithScratch::default()));
        }
        let setup = Setup { timed, ..Setup::default() };
        Gpu::open(&adapter(device)?, setup).map(|gpu| Self::Gpu(Arc::new(gpu)))
    }

    /// This build has the CPU only.
    #[cfg(not(feature = "gpu"))]
    pub fn open(device: &Device, _: bool) -> Result<Self> {
        match device {
            Device::Cpu => Ok(Self::Cpu(CpuWithScratch::default())),
            _ => Err(Error::NoDevice("this build has no GPU backend; build with --features gpu".into())),
        }
    }

    /// Forgets what a device counted so far.
    pub fn forget(&self) {
        #[cfg(feature = "gpu")]
        if let Self::Gpu(gpu) = self {
            gpu.take_counters();
        }
    }

    /// Bytes that reached a device since it last forgot, and how long that took.
    pub fn uploaded(&self) -> Option<(u64, Duration)> {
        match self {
            Self::Cpu(_) => None,
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => {
                let counters = gpu.take_counters();
                Some((counters.uploaded, counters.upload_time))
            }
        }
    }

    /// Whether a device is a processor that plays a GPU.
    pub fn is_software(&self) -> bool {
        match self {
            Self::Cpu(_) => false,
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => gpu.is_software(),
        }
    }

    /// The interface that a device is reached by, and its driver.
    pub fn driver(&self) -> Option<String> {
        match self {
            Self::Cpu(_) => None,
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => Some(gpu.driver().to_owned()),
        }
    }

    /// The device's name, where there is one to name.
    pub fn adapter(&self) -> Option<&str> {
        match self {
            Self::Cpu(_) => None,
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => gpu.adapter(),
        }
    }
}

/// Groups to measure together: the keys of group `g` are `keys[offsets[g]..offsets[g + 1]]`.
#[derive(Debug)]
pub struct Work<'a> {
    /// A number to record the work under.
    pub index: usize,
    /// The first group's number among all.
    pub first: usize,
    /// All keys, in any order within a group.
    pub keys: &'a mut [Key],
    /// Where each group starts, and the end.
    pub offsets: Vec<usize>,
    /// Of each group.
    pub totals: &'a [Total],
    /// The sums that metrics need.
    pub needs: Needs,
}

impl Compute {
    /// Measures groups. Where a device fails, nothing of it is used: the CPU measures them all, unless the device is
    /// required.
    pub fn measure(
        &self,
        work: Work<'_>,
        asks: &[&Ask],
        recorder: &Recorder,
        require_gpu: bool,
    ) -> Result<(Vec<Measured>, Made)> {
        self.run(work, &Whole { asks, recorder }, require_gpu)
    }

    /// The same of what is left of groups in some settings.
    pub fn measure_tails(
        &self,
        work: Work<'_>,
        asks: &[&Ask],
        tails: &Tails<'_>,
        recorder: &Recorder,
        require_gpu: bool,
    ) -> Result<(Vec<Kept>, Made)> {
        self.run(work, &InSettings { tails, whole: Whole { asks, recorder } }, require_gpu)
    }

    /// Takes samples of a game; tells who did: backend, device, and why not another.
    pub fn sample(
        &self,
        game: &Game,
        seed: u64,
        numbers: Range<u64>,
        recorder: &Recorder,
        require_gpu: bool,
    ) -> Result<(Counts, By)> {
        let n = numbers.end - numbers.start;
        let on_cpu = |note| (sample(game, seed, numbers.clone()), (Cpu.name(), None, note));
        recorder.time(Stage::Sample, self.task("games"), Volume::rows(n), || match self {
            Self::Cpu(_) => {
                let _ = require_gpu;
                Ok(on_cpu(None))
            }
            #[cfg(feature = "gpu")]
            Self::Gpu(_) if !games::fits(game) => {
                let why = format!("more than {VOTERS} voters, or weights that sum to 2^126 or more");
                Ok(on_cpu(Some(why)))
            }
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => match gpu.sample(game, seed, numbers.clone()) {
                Ok(counts) => Ok((counts, (gpu.name(), gpu.adapter().map(str::to_owned), None))),
                Err(error @ Error::Device { .. }) if !require_gpu => Ok(on_cpu(Some(error.to_string()))),
                Err(error) => Err(error),
            },
        })
    }

    /// The order that sorts each segment, and why it was not the device that found it.
    pub fn order(
        &self,
        keys: &[Key],
        offsets: &[usize],
        recorder: &Recorder,
        require_gpu: bool,
    ) -> Result<(Vec<u32>, Option<String>)> {
        let (n, bytes) = (keys.len() as u64, size_of_val(keys) as u64);
        let on_cpu = || Cpu.order(keys, offsets);
        recorder.time(Stage::Sort, self.task("rewards"), Volume::new(n, bytes, 4 * n), || match self {
            Self::Cpu(_) => {
                let _ = require_gpu;
                Ok((on_cpu()?, None))
            }
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => match gpu.order(keys, offsets) {
                Ok(order) => Ok((order, None)),
                Err(error @ Error::Device { .. }) if !require_gpu => Ok((on_cpu()?, Some(error.to_string()))),
                Err(error) => Err(error),
            },
        })
    }

    /// Work of this name on this backend.
    fn task(&self, name: &str) -> Task {
        let backend = match self {
            Self::Cpu(_) => Cpu.name(),
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => gpu.name(),
        };
        Task::from(name).by(backend, self.adapter())
    }

    fn run<J: Job>(&self, work: Work<'_>, job: &J, require_gpu: bool) -> Result<(J::Done, Made)> {
        match self {
            Self::Cpu(cpu) => {
                let _ = require_gpu;
                on_cpu(cpu, work, job, None)
            }
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => {
                let Work { index, first, keys, offsets, totals, needs } = work;
                let (borders, ranges) = engine::cut(keys, &offsets, gpu.largest_segment());
                let batch =
                    Batch { index, first, keys: &mut *keys, offsets: &borders, ranges: &ranges, totals };
                match job.run(&**gpu, batch, needs) {
                    Ok(measured) => {
                        let adapter = gpu.adapter().map(str::to_owned);
                        let largest = gpu.largest_segment();
                        Ok((measured, Made { backend: gpu.name(), adapter, note: None, largest }))
                    }
                    Err(error @ Error::Device { .. }) if !require_gpu => {
                        let work = Work { index, first, keys, offsets, totals, needs };
                        on_cpu(&CpuWithScratch::default(), work, job, Some(error.to_string()))
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }
}

impl Compute {
    /// Holders of one group that are sorted at once at most.
    pub fn largest(&self) -> usize {
        match self {
            Self::Cpu(_) => usize::MAX,
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => gpu.largest_segment(),
        }
    }

    /// How much more memory than on the CPU a key takes where a processor plays the device, whose memory is then the
    /// process's.
    pub fn copies(&self) -> usize {
        if self.is_software() { 4 } else { 1 }
    }

    /// Sorts one value range of a group and answers what is asked of it, and says why it was not the device that did.
    pub fn visit(
        &self,
        task: &str,
        keys: &mut [Key],
        needs: Needs,
        asked: &Visit,
        recorder: &Recorder,
        require_gpu: bool,
    ) -> Result<(Answers, Option<String>)> {
        let on_cpu = |cpu: &CpuWithScratch, keys: &mut [Key]| visit(cpu, task, keys, needs, asked, recorder);
        match self {
            Self::Cpu(cpu) => {
                let _ = require_gpu;
                Ok((on_cpu(cpu, keys)?, None))
            }
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => match visit(&**gpu, task, keys, needs, asked, recorder) {
                Ok(answers) => Ok((answers, None)),
                Err(error @ Error::Device { .. }) if !require_gpu => {
                    Ok((on_cpu(&CpuWithScratch::default(), keys)?, Some(error.to_string())))
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Who computed a group whose value ranges, so many of all, failed on the device for this reason.
    pub fn made(&self, failed: usize, all: usize, note: Option<String>) -> Made {
        let note =
            note.map(|note| format!("{note}; {failed} of {all} value ranges were computed on the CPU"));
        match self {
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) if failed < all => {
                let adapter = gpu.adapter().map(str::to_owned);
                Made { backend: gpu.name(), adapter, note, largest: 0 }
            }
            _ => Made { backend: Cpu.name(), adapter: None, note, largest: usize::MAX },
        }
    }
}

/// Measures groups on the CPU.
fn measure_on_cpu(
    cpu: &CpuWithScratch,
    work: Work<'_>,
    asks: &[&Ask],
    recorder: &Recorder,
) -> Result<(Vec<Measured>, Made)> {
    on_cpu(cpu, work, &Whole { asks, recorder }, None)
}

/// What to measure of a batch, on any backend.
trait Job {
    type Done;

    fn run<B: Backend>(&self, backend: &B, batch: Batch<'_>, needs: Needs) -> Result<Self::Done>;
}

struct Whole<'a> {
    asks: &'a [&'a Ask],
    recorder: &'a Recorder,
}

impl Job for Whole<'_> {
    type Done = Vec<Measured>;

    fn run<B: Backend>(&self, backend: &B, batch: Batch<'_>, needs: Needs) -> Result<Vec<Measured>> {
        engine::measure(backend, batch, needs, self.asks, self.recorder)
    }
}

struct InSettings<'a> {
    tails: &'a Tails<'a>,
    whole: Whole<'a>,
}

impl Job for InSettings<'_> {
    type Done = Vec<Kept>;

    fn run<B: Backend>(&self, backend: &B, batch: Batch<'_>, needs: Needs) -> Result<Vec<Kept>> {
        let Whole { asks, recorder } = self.whole;
        engine::measure_tails(backend, batch, needs, asks, self.tails, recorder)
    }
}

fn on_cpu<J: Job>(
    cpu: &CpuWithScratch,
    work: Work<'_>,
    job: &J,
    note: Option<String>,
) -> Result<(J::Done, Made)> {
    let Work { index, first, keys, offsets, totals, needs } = work;
    let ranges: Vec<usize> = (0..offsets.len()).collect();
    let batch = Batch { index, first, keys, offsets: &offsets, ranges: &ranges, totals };
    let measured = job.run(cpu, batch, needs)?;
    Ok((measured, Made { backend: Cpu.name(), adapter: None, note, largest: usize::MAX }))
}

impl Made {
    /// Backend, device and note of one group's row.
    pub fn row(&self, moments: &Moments) -> (&'static str, Option<String>, Option<String>) {
        let whole = (self.backend, self.adapter.clone(), self.note.clone());
        #[cfg(feature = "gpu")]
        if self.adapter.is_some() && exponent(moments.sums.last) > WIDEST {
            if moments.n() <= self.largest as u64 {
                return (Cpu.name(), None, Some("amounts of 2^128 or more".into()));
            }
            let note = "value ranges with amounts of 2^128 or more: on the CPU";
            return (self.backend, self.adapter.clone(), Some(note.into()));
        }
        let _ = (moments, self.largest);
        whole
    }
}
