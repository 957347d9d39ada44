//! What this machine can compute on: `concentra devices`.

use serde_json::{Value, json};

use crate::choose::WORTH_A_GPU;

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

/// What `--device auto` takes for many holders.
fn auto(devices: &[Device]) -> Option<&Device> {
    devices.iter().find(|device| !device.software)
}

/// To read.
pub fn text(devices: &[Device]) -> String {
    let mut text = format!("cpu\n  threads    {}\n", rayon::current_num_threads());
    for device in devices {
        text += &format!("\n{}\n  kind       {}\n", device.name, device.kind);
        text += &format!("  interface  {}\n  driver     {}\n", device.interface, device.driver);
        for (name, limit) in &device.limits {
            text += &format!("  {name} {limit}\n");
        }
    }
    text += &match auto(devices) {
        Some(device) => {
            format!("\nauto takes {} from {WORTH_A_GPU} holders on (a guess), else the cpu\n", device.name)
        }
        None => "\nauto takes the cpu: there is no hardware adapter\n".to_owned(),
    };
    text
}

/// One document.
pub fn json(devices: &[Device]) -> String {
    let device = |device: &Device| -> Value {
        let limits: serde_json::Map<_, _> =
            device.limits.iter().map(|&(name, limit)| (name.to_owned(), limit.into())).collect();
        json!({
            "name": device.name, "kind": device.kind, "interface": device.interface, "driver": device.driver,
            "software": device.software, "limits": limits,
        })
    };
    let adapters: Vec<Value> = devices.iter().map(device).collect();
    let auto = auto(devices).map(|device| &device.name);
    let document = json!({
        "threads": rayon::current_num_threads(), "adapters": adapters,
        "auto": { "adapter": auto, "from_holders": auto.map(|_| WORTH_A_GPU) },
    });
    format!("{document:#}\n")
}
