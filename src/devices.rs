//! What this machine can compute on: `concentra devices`.

use serde_json::{Value, json};

use crate::choose::WORTH_A_GPU;
use crate::choose::calibration::{Calibration, Rates, SMALL};

pub mod calibrate;

/// What is known of one adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// As its driver names it; `--device` takes any part of it.
    pub name: String,
    /// discrete, integrated, virtual, other or software.
    pub kind: &'static str,
    /// Vulkan, Metal or D3D12.
    pub interface: String,
    /// Driver and version.
    pub driver: String,
    /// A processor that plays a GPU; `auto` and `gpu` never take it.
    pub software: bool,
    /// The limits that matter, by name.
    pub limits: Vec<(&'static str, u64)>,
}

/// Every adapter that can run the kernels, in the order in which they are taken.
#[cfg(feature = "gpu")]
pub fn devices() -> Vec<Device> {
    let device = |adapter: &crate::gpu::adapters::Adapter| Device {
        name: adapter.name().to_owned(),
        kind: adapter.kind(),
        interface: adapter.interface(),
        driver: adapter.driver(),
        software: adapter.is_software(),
        limits: adapter.limits(),
    };
    crate::gpu::adapters::adapters().iter().map(device).collect()
}

/// This build knows no adapters.
#[cfg(not(feature = "gpu"))]
pub fn devices() -> Vec<Device> {
    vec![]
}

impl Device {
    /// Interface and driver: what figures belong to.
    fn reached_by(&self) -> String {
        format!("{}, {}", self.interface, self.driver)
    }
}

/// From how many holders on `auto` takes a device: in one group, and in small ones; none: never.
fn pays_from(device: &Device, calibration: Option<&Calibration>) -> Option<[Option<u64>; 2]> {
    if device.software {
        return None;
    }
    let Some(calibration) = calibration else { return Some([Some(WORTH_A_GPU as u64); 2]) };
    let own = calibration.of(&device.name, &device.reached_by())?;
    let from = calibration.pays_from(own, rayon::current_num_threads());
    from.iter().any(Option::is_some).then_some(from)
}

/// To read.
pub fn text(devices: &[Device], calibration: Option<&Calibration>) -> String {
    let threads = rayon::current_num_threads();
    let mut text = format!("cpu\n  threads    {threads}\n");
    text += &calibration.map_or_else(String::new, |calibration| figures(&calibration.cpu_with(threads)));
    for device in devices {
        text += &format!("\n{}\n  kind       {}\n", device.name, device.kind);
        text += &format!("  interface  {}\n  driver     {}\n", device.interface, device.driver);
        if let Some(own) = calibration.and_then(|c| c.of(&device.name, &device.reached_by())) {
            text += &figures(&own.rates);
            text += &format!("  upload     {}B/s\n", si(own.upload));
            text += &format!("  start      {:.2} s\n", own.rates.start);
        }
        for (name, limit) in &device.limits {
            text += &format!("  {name} {limit}\n");
        }
    }
    text += &format!("\nauto takes {}\n", verdict(devices, calibration));
    text
}

fn figures(rates: &Rates) -> String {
    let (large, small) = (si(rates.large), si(rates.small));
    format!("  measured   {large} holders/s in one group, {small} in groups of {SMALL}\n")
}

/// Three digits and a unit's prefix.
fn si(x: f64) -> String {
    let (scale, prefix) =
        [(1e9, "G"), (1e6, "M"), (1e3, "k")].into_iter().find(|(scale, _)| x >= *scale).unwrap_or((1.0, ""));
    let scaled = x / scale;
    let decimals = if scaled < 9.995 { 2 } else { usize::from(scaled < 99.95) };
    format!("{scaled:.decimals$} {prefix}").trim_end().to_owned()
}

/// What `auto` takes, and by what.
fn verdict(devices: &[Device], calibration: Option<&Calibration>) -> String {
    let Some(first) = devices.iter().find(|device| !device.software) else {
        return "the cpu: there is no hardware adapter".into();
    };
    if calibration.is_none() {
        return format!("{} from {WORTH_A_GPU} holders on (a guess), else the cpu", first.name);
    }
    let pays = |device: &Device| {
        let [large, small] = pays_from(device, calibration)?;
        let large = large.map(|keys| format!("from {keys} holders on in one group"));
        let small = small.map(|keys| format!("from {keys} holders on in groups of {SMALL}"));
        let from: Vec<String> = large.into_iter().chain(small).collect();
        Some(format!("{} {}", device.name, from.join(", ")))
    };
    let pay: Vec<String> = devices.iter().filter_map(pays).collect();
    if pay.is_empty() {
        "the cpu: no adapter was measured to be faster".into()
    } else {
        format!("what should be done first: {}; else the cpu (measured)", pay.join("; "))
    }
}

/// One document.
pub fn json(devices: &[Device], calibration: Option<&Calibration>) -> String {
    let threads = rayon::current_num_threads();
    let device = |device: &Device| -> Value {
        let limits: serde_json::Map<_, _> =
            device.limits.iter().map(|&(name, limit)| (name.to_owned(), limit.into())).collect();
        let measured = calibration.and_then(|c| {
            let own = c.of(&device.name, &device.reached_by())?;
            let mut measured = own.rates.json();
            measured["upload_bytes_per_second"] = own.upload.into();
            Some(measured)
        });
        json!({
            "name": device.name, "kind": device.kind, "interface": device.interface, "driver": device.driver,
            "software": device.software, "limits": limits, "measured": measured,
        })
    };
    let adapters: Vec<Value> = devices.iter().map(device).collect();
    let taken = |device: &Device| {
        let [large, small] = pays_from(device, calibration)?;
        Some(json!({ "adapter": device.name, "from_holders": large, "from_holders_in_small_groups": small }))
    };
    let auto: Vec<Value> = devices.iter().filter_map(taken).collect();
    let document = json!({
        "threads": threads, "measured": calibration.map(|c| c.cpu_with(threads).json()), "adapters": adapters,
        "auto": { "is_a_guess": calibration.is_none(), "takes": auto },
    });
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choose::calibration::Calibrated;

    #[test]
    fn numbers_have_three_digits() {
        let shown = [0.5, 9.994, 9.996, 123.4, 999.0, 1e3, 45_678.0, 1.5e9, 12e9].map(si);
        assert_eq!(shown, ["0.50", "9.99", "10.0", "123", "999", "1.00 k", "45.7 k", "1.50 G", "12.0 G"]);
    }

    #[test]
    fn the_listing_says_what_auto_takes() {
        let device = |name: &str, software| Device {
            name: name.into(),
            kind: "discrete",
            interface: "Vulkan".into(),
            driver: "a driver".into(),
            software,
            limits: vec![],
        };
        let calibrated = |name: &str, software, rate: f64| Calibrated {
            name: name.into(),
            driver: "Vulkan, a driver".into(),
            software,
            upload: 5e9,
            rates: Rates { start: 0.5, large: rate, small: rate },
        };
        let threads = rayon::current_num_threads();
        let cpu = Rates { start: 0.0, large: 1e7, small: 2e9 };
        let of = |adapters: Vec<Calibrated>| Calibration { cpu, threads, adapters };
        let devices = [device("card", false), device("rasteriser", true)];

        assert_eq!(verdict(&devices[1..], None), "the cpu: there is no hardware adapter");
        assert!(verdict(&devices, None).starts_with("card from 67108864 holders on (a guess)"));
        let fast = of(vec![calibrated("card", false, 1e9), calibrated("rasteriser", true, 1e12)]);
        let told = verdict(&devices, Some(&fast));
        assert_eq!(
            told,
            "what should be done first: card from 5050506 holders on in one group; else the cpu (measured)"
        );
        let slow = of(vec![calibrated("card", false, 1e6), calibrated("rasteriser", true, 1e12)]);
        assert_eq!(verdict(&devices, Some(&slow)), "the cpu: no adapter was measured to be faster");
        // Figures of another driver are nobody's.
        let mut other = fast.clone();
        other.adapters[0].driver = "Vulkan, its successor".into();
        assert_eq!(verdict(&devices, Some(&other)), "the cpu: no adapter was measured to be faster");
        assert!(text(&devices, Some(&fast)).contains("1.00 G holders/s in one group"));
    }
}
