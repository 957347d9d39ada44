//! What a comparison found, to read and as a table for notebooks.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{Field, Schema};
use comfy_table::{Cell, CellAlignment};

use super::stages::Figures;
use super::{Compared, Comparison};
use crate::error::{Error, Result};
use crate::output::table::{bare, lines, thousands};
use crate::results::Results;

/// To read.
pub fn text(comparison: &Comparison) -> String {
    let Comparison { keys, groups, runs, devices, .. } = comparison;
    let keys = thousands(&keys.to_string());
    let groups =
        if *groups == 1 { "one group".into() } else { format!("{} groups", thousands(&groups.to_string())) };
    let runs = if *runs == 1 { "one run".into() } else { format!("{runs} runs") };
    let mut text = format!("{keys} holders in {groups}; {runs} on each device after one to warm up\n");
    for device in devices {
        text += &section(comparison, device);
    }
    let others = &devices[1.min(devices.len())..];
    let Some(first) = devices.first() else { return text };
    text += "\n";
    if others.is_empty() {
        text += &format!("nothing compared: {} is the only device\n", first.name());
    }
    for other in others {
        let verdict = match &other.difference {
            None => format!("equal: {} and {}: every moment of {groups}", first.name(), other.name()),
            Some(what) => format!("DIFFERENT: {} and {}: {what}", first.name(), other.name()),
        };
        text += &format!("{verdict}\n");
    }
    text
}

/// One device.
fn section(comparison: &Comparison, device: &Compared) -> String {
    let mut text = match &device.driver {
        None => format!("\n{} ({} threads)\n", device.name(), comparison.threads),
        Some(driver) => format!("\n{} ({driver})\n", device.name()),
    };
    let heads: Vec<&Column> =
        COLUMNS.iter().filter(|c| device.stages.iter().any(|f| (c.text)(comparison, f).is_some())).collect();
    let mut table = bare();
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    table.add_row([Cell::new("stage")].into_iter().chain(heads.iter().map(|c| right(c.head.into()))));
    // What there was nothing to do for says nothing.
    for figures in device.stages.iter().filter(|f| f.step.keys > 0) {
        let cells = heads.iter().map(|c| right((c.text)(comparison, figures).unwrap_or_default()));
        table.add_row([Cell::new(figures.step.stage)].into_iter().chain(cells));
    }
    for line in lines(&table) {
        text += &format!("  {line}\n");
    }
    for note in notes(comparison, device) {
        text += &format!("  {note}\n");
    }
    text
}

/// A column of the text.
struct Column {
    head: &'static str,
    text: fn(&Comparison, &Figures) -> Option<String>,
}

const COLUMNS: &[Column] = &[
    Column { head: "min ms", text: |_, f| f.min().map(milliseconds) },
    Column { head: "median ms", text: |_, f| f.median().map(milliseconds) },
    Column { head: "device ms", text: |_, f| f.device_min().map(milliseconds) },
    Column { head: "bytes", text: |_, f| f.step.bytes.map(|b| thousands(&b.to_string())) },
    Column { head: "B/key", text: |_, f| f.bytes_per_key().map(|b| format!("{b:.1}")) },
    Column { head: "GB/s", text: |_, f| f.gigabytes().map(|g| format!("{g:.2}")) },
    Column { head: "of all", text: |c, f| share(c, f).map(|share| format!("{:.1} %", share * 100.0)) },
    Column { head: "passes", text: |_, f| f.step.passes.map(|p| format!("{p:.1}")) },
    Column { head: "dispatches", text: |_, f| f.step.dispatches.map(|d| d.to_string()) },
    Column { head: "Mkeys/s", text: |_, f| f.rate().map(|rate| format!("{:.2}", rate / 1e6)) },
];

/// What the table does not say.
fn notes(comparison: &Comparison, device: &Compared) -> Vec<String> {
    let mut notes = Vec::new();
    let stage = |name: &str| device.stages.iter().find(|f| f.step.stage == name && f.step.keys > 0);
    if let (Some(sort), Some(scan)) = (stage("sort"), stage("scan"))
        && let (Some(moved), Some(scanned), Some(passes)) =
            (sort.step.bytes, scan.step.bytes, sort.step.passes)
    {
        let each = (moved + scanned) as f64 / sort.step.keys as f64;
        let mut note = format!("sort and scan move {each:.1} bytes a key");
        if passes > 0.0 {
            write!(note, ": {:.1} a pass", each / passes).expect("text grows");
        }
        notes.push(note);
    }
    if let Some(packed) = stage("moments").and_then(Figures::bytes_per_key) {
        notes.push(format!("small groups move {packed:.1} bytes a key, 8.0 of them sorted keys going back"));
    }
    if device.host_keys > 0 {
        let keys = thousands(&device.host_keys.to_string());
        notes.push(format!("{keys} holders of groups with amounts of 2^128 or more were left to the CPU"));
    }
    if let Some(speed_up) = comparison.speed_up(device).filter(|_| device != &comparison.devices[0]) {
        notes.push(format!("{speed_up:.2} times as fast as {}", comparison.devices[0].name()));
    }
    notes
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

/// The share of the given bandwidth that a stage reaches; what goes over the bus has another one.
fn share(comparison: &Comparison, figures: &Figures) -> Option<f64> {
    figures.step.dispatches?;
    Some(figures.gigabytes()? / comparison.bandwidth?)
}

/// A row per device and stage.
pub fn table(comparison: &Comparison) -> Result<Results> {
    let rows: Vec<(&Compared, &Figures)> = comparison
        .devices
        .iter()
        .flat_map(|device| device.stages.iter().map(move |figures| (device, figures)))
        .collect();
    let texts = |of: fn(&Compared, &Figures) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(rows.iter().map(|(device, figures)| of(device, figures))))
    };
    let counts = |of: fn(&Figures) -> Option<u64>| -> ArrayRef {
        Arc::new(UInt64Array::from_iter(rows.iter().map(|(_, figures)| of(figures))))
    };
    let numbers = |of: &dyn Fn(&Compared, &Figures) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(rows.iter().map(|(device, figures)| of(device, figures))))
    };
    let is_compared = comparison.devices.len() > 1;
    let is_whole = |figures: &Figures| figures.step.stage == "all";
    let columns: Vec<(&str, &str, ArrayRef)> = vec![
        ("device", "as it was asked for", texts(|device, _| Some(device.device.clone()))),
        ("adapter", "its name; null for the cpu", texts(|device, _| device.adapter.clone())),
        ("driver", "interface and driver; null for the cpu", texts(|device, _| device.driver.clone())),
        ("stage", "what was done; all: everything", texts(|_, f| Some(f.step.stage.to_owned()))),
        (
            "runs",
            "runs after one to warm up",
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|_| comparison.runs))),
        ),
        ("keys", "keys that went through the stage", counts(|f| Some(f.step.keys))),
        ("wall_min_ns", "shortest wall time", counts(|f| f.min().map(nanoseconds))),
        ("wall_median_ns", "middle wall time", counts(|f| f.median().map(nanoseconds))),
        (
            "device_min_ns",
            "shortest time by the device's own clock",
            counts(|f| f.device_min().map(nanoseconds)),
        ),
        (
            "device_median_ns",
            "middle time by the device's own clock",
            counts(|f| f.device_median().map(nanoseconds)),
        ),
        ("bytes", "moved: over the bus, or in the device's memory", counts(|f| f.step.bytes)),
        ("dispatches", "of kernels", counts(|f| f.step.dispatches)),
        ("passes", "of the radix sort over a key", numbers(&|_, f| f.step.passes)),
        ("bytes_per_key", "bytes / keys", numbers(&|_, f| f.bytes_per_key())),
        ("keys_per_second", "keys / time: the device's own, else the wall's", numbers(&|_, f| f.rate())),
        ("gigabytes_per_second", "bytes / time / 10^9", numbers(&|_, f| f.gigabytes())),
        ("bandwidth_share", "of the bandwidth that was given", numbers(&|_, f| share(comparison, f))),
        (
            "speed_up",
            "wall time of the first device / that of this one; for all stages only",
            numbers(&|device, f| comparison.speed_up(device).filter(|_| is_whole(f))),
        ),
        (
            "equal",
            "whether all moments equal the first device's; null where there is no other",
            Arc::new(BooleanArray::from_iter(
                rows.iter().map(|(device, _)| is_compared.then(|| device.difference.is_none())),
            )),
        ),
        (
            "difference",
            "the first group and number that differ",
            texts(|device, _| device.difference.clone()),
        ),
    ];
    let field = |(name, reading, array): &(&str, &str, ArrayRef)| {
        let documented = [("reading".to_owned(), (*reading).to_owned())].into();
        Field::new(*name, array.data_type().clone(), true).with_metadata(documented)
    };
    let fields: Vec<Field> = columns.iter().map(field).collect();
    let schema = Schema::new_with_metadata(fields, comparison.provenance.clone());
    let arrays = columns.into_iter().map(|(.., array)| array).collect();
    let table = RecordBatch::try_new(Arc::new(schema), arrays).map_err(Error::arrow("build the figures"))?;
    Ok(Results::of(table, 0))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
