//! What was measured of this machine's devices, where it is kept, and how long work should take by it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::kernels::SLOTS;

/// Figures count for the version that measured them: another may sort faster.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The figures of a machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The CPU's.
    pub cpu: Rates,
    /// How many threads had them.
    pub threads: usize,
    /// Of each adapter that was measured.
    pub adapters: Vec<Calibrated>,
}

/// An adapter and its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// As its driver names it.
    pub name: String,
    /// Its interface and driver: with another driver the figures are void.
    pub driver: String,
    /// A processor that plays a GPU: told, never taken.
    pub software: bool,
    /// Bytes a second that reach its memory.
    pub upload: f64,
    /// Its figures.
    pub rates: Rates,
}

/// How fast a device is, uploads and downloads included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Seconds until it works: drivers, shaders.
    pub start: f64,
    /// Keys a second in one large group.
    pub large: f64,
    /// Keys a second in groups of [`SMALL`].
    pub small: f64,
}

/// Keys of the small groups that are measured.
pub const SMALL: usize = 64;

/// Work, as far as its duration is told by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Keys in groups that are sorted by passes over all of them.
    pub large: usize,
    /// Keys in groups that many share a workgroup.
    pub small: usize,
}

impl Load {
    /// The work of groups whose keys lie at `offsets`.
    pub fn of(offsets: &[usize]) -> Self {
        let mut load = Self::default();
        for keys in offsets.windows(2).map(|group| group[1] - group[0]) {
            let class = if keys > SLOTS as usize { &mut load.large } else { &mut load.small };
            *class += keys;
        }
        load
    }

    /// All keys.
    pub fn keys(&self) -> usize {
        self.large + self.small
    }
}

impl Rates {
    /// Seconds that a load should take.
    pub fn seconds(&self, load: Load) -> f64 {
        self.start + load.large as f64 / self.large + load.small as f64 / self.small
    }

    /// The same with another number of threads: kernels on the CPU scale with them.
    fn scaled(&self, factor: f64) -> Self {
        Self { start: self.start, large: self.large * factor, small: self.small * factor }
    }

    /// What is told of it, and kept.
    pub fn json(&self) -> Value {
        json!({
            "start_seconds": self.start, "holders_per_second_in_one_group": self.large,
            "holders_per_second_in_small_groups": self.small,
        })
    }

    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            start: value["start_seconds"].as_f64().filter(|x| x.is_finite() && *x >= 0.0)?,
            large: positive(&value["holders_per_second_in_one_group"])?,
            small: positive(&value["holders_per_second_in_small_groups"])?,
        })
    }
}

fn positive(value: &Value) -> Option<f64> {
    value.as_f64().filter(|x| x.is_finite() && *x > 0.0)
}

impl Calibrated {
    /// What is told of it, and kept.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name, "driver": self.driver, "software": self.software,
            "upload_bytes_per_second": self.upload, "rates": self.rates.json(),
        })
    }

    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            name: value["name"].as_str()?.to_owned(),
            driver: value["driver"].as_str()?.to_owned(),
            software: value["software"].as_bool()?,
            upload: positive(&value["upload_bytes_per_second"])?,
            rates: Rates::read(&value["rates"])?,
        })
    }
}

impl Calibration {
    /// The CPU's figures with so many threads.
    pub fn cpu_with(&self, threads: usize) -> Rates {
        self.cpu.scaled(threads as f64 / self.threads as f64)
    }

    /// The hardware adapter that should be done first, where that is before the CPU.
    pub fn fastest(&self, load: Load, threads: usize) -> Option<&Calibrated> {
        let time = |adapter: &&Calibrated| adapter.rates.seconds(load);
        let adapters = self.adapters.iter().filter(|adapter| !adapter.software);
        let first = adapters.min_by(|a, b| time(a).total_cmp(&time(b)))?;
        (time(&first) < self.cpu_with(threads).seconds(load)).then_some(first)
    }

    /// From how many holders on an adapter should be done before the CPU: in one group, and in small ones.
    pub fn pays_from(&self, adapter: &Calibrated, threads: usize) -> [Option<u64>; 2] {
        let (cpu, own) = (self.cpu_with(threads), adapter.rates);
        [(cpu.large, own.large), (cpu.small, own.small)].map(|(cpu_rate, rate)| {
            let keys = (own.start - cpu.start) / (1.0 / cpu_rate - 1.0 / rate);
            (rate > cpu_rate).then(|| keys.max(1.0).ceil() as u64)
        })
    }

    /// What was measured of an adapter with this driver.
    pub fn of(&self, name: &str, driver: &str) -> Option<&Calibrated> {
        self.adapters.iter().find(|adapter| adapter.name == name && adapter.driver == driver)
    }

    /// One document.
    pub fn json(&self) -> Value {
        let adapters: Vec<Value> = self.adapters.iter().map(Calibrated::json).collect();
        json!({ "concentra": VERSION, "threads": self.threads, "cpu": self.cpu.json(), "adapters": adapters })
    }

    fn read(value: &Value) -> Option<Self> {
        let adapters: Option<Vec<Calibrated>> =
            value["adapters"].as_array()?.iter().map(Calibrated::read).collect();
        let threads = usize::try_from(value["threads"].as_u64()?).ok().filter(|&threads| threads > 0)?;
        let is_ours = value["concentra"] == VERSION;
        is_ours.then_some(Self { cpu: Rates::read(&value["cpu"])?, threads, adapters: adapters? })
    }

    /// The figures that are kept, if any are, and if this version measured them.
    pub fn load() -> Option<Self> {
        let text = fs::read(path()?).ok()?;
        Self::read(&serde_json::from_slice(&text).ok()?)
    }

    /// Keeps the figures: where.
    pub fn save(&self) -> Result<PathBuf> {
        let path = path().ok_or_else(|| Error::Usage("no home folder to keep the figures in".into()))?;
        let write = |folder: &Path| {
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            writeln!(file, "{:#}", self.json())?;
            file.persist(&path).map_err(|error| error.error)
        };
        let written = path.parent().map_or(Ok(()), |folder| write(folder).map(drop));
        written.map_err(|error| Error::io("keep the figures", &path, error))?;
        Ok(path)
    }
}

/// Where figures are kept: in the user's cache folder.
fn path() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.cache_dir().join("concentra").join("calibration.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration() -> Calibration {
        let adapter = |name: &str, software, start, large, small| Calibrated {
            name: name.into(),
            driver: "Vulkan, a driver 1.2".into(),
            software,
            upload: 1e10,
            rates: Rates { start, large, small },
        };
        Calibration {
            cpu: Rates { start: 0.0, large: 20e6, small: 40e6 },
            threads: 2,
            adapters: vec![
                adapter("card", false, 0.5, 1e9, 2e9),
                adapter("board", false, 0.1, 60e6, 20e6),
                adapter("rasteriser", true, 0.0, 1e12, 1e12),
            ],
        }
    }

    #[test]
    fn the_first_to_be_done_is_taken() {
        let calibration = calibration();
        let taken = |large, small, threads| {
            calibration.fastest(Load { large, small }, threads).map(|adapter| &adapter.name[..])
        };
        // 1 M keys: 0.05 s here, 0.12 s on the board. 4 M: 0.2 and 0.17. 40 M: 2, 0.77 and 0.54 on the card.
        assert_eq!(taken(1_000_000, 0, 2), None);
        assert_eq!(taken(4_000_000, 0, 2), Some("board"));
        assert_eq!(taken(40_000_000, 0, 2), Some("card"));
        // The board is slower than the CPU at small groups; the card pays later there.
        assert_eq!(taken(0, 4_000_000, 2), None);
        assert_eq!(taken(0, 40_000_000, 2), Some("card"));
        // With more threads here it pays later.
        assert_eq!(taken(4_000_000, 0, 8), None);
        assert_eq!(taken(0, 0, 2), None);
    }

    #[test]
    fn it_pays_from_where_both_take_the_same_time() {
        let calibration = calibration();
        let [large, small] = calibration.pays_from(&calibration.adapters[0], 2);
        for (keys, load) in [(large, (1, 0)), (small, (0, 1))] {
            let keys = keys.unwrap() as usize;
            let load = |keys: usize| Load { large: keys * load.0, small: keys * load.1 };
            let wins = |keys| {
                calibration.adapters[0].rates.seconds(load(keys)) < calibration.cpu.seconds(load(keys))
            };
            assert!(wins(keys + 1) && !wins(keys - 1), "{keys}");
        }
        assert_eq!(calibration.pays_from(&calibration.adapters[1], 2)[1], None);
    }

    #[test]
    fn groups_count_by_how_they_are_sorted() {
        let slots = SLOTS as usize;
        let offsets = [0, 5, 5 + slots, 6 + 2 * slots, 6 + 2 * slots];
        assert_eq!(Load::of(&offsets), Load { large: slots + 1, small: slots + 5 });
        assert_eq!(Load::of(&[0]).keys(), 0);
    }

    #[test]
    fn kept_figures_come_back_and_others_do_not() {
        let calibration = calibration();
        assert_eq!(Calibration::read(&calibration.json()), Some(calibration.clone()));
        let spoilt = |change: &dyn Fn(&mut Value)| {
            let mut document = calibration.json();
            change(&mut document);
            Calibration::read(&document)
        };
        assert_eq!(spoilt(&|d| d["concentra"] = "0.0.1".into()), None);
        assert_eq!(spoilt(&|d| d["threads"] = 0.into()), None);
        assert_eq!(spoilt(&|d| d["cpu"]["start_seconds"] = (-1).into()), None);
        assert_eq!(
            spoilt(&|d| d["adapters"][0]["rates"]["holders_per_second_in_one_group"] = 0.into()),
            None
        );
        assert_eq!(spoilt(&|d| d["adapters"][1]["name"] = Value::Null), None);
    }
}
