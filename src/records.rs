//! What a recorder saw, whole: a table with a row per event, and a trace for Perfetto.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray, UInt32Array, UInt64Array};
use arrow::datatypes::{Field, Schema};
use serde_json::json;

use crate::error::{Error, Result};
use crate::record::{Event, Recorder};
use crate::results::Results;

/// What the columns are, in their order.
const COLUMNS: [(&str, &str); 21] = [
    ("run", "the run: microseconds since 1970 at its start, and its process"),
    ("event", "number of the event within its run"),
    ("piece_of", "the event that this is a worker's share of; null for whole tasks"),
    (
        "stage",
        "open, count, read, spill, merge, load, group, sort, reduce, search, prefix, finish, sample or write",
    ),
    ("task", "the task's name"),
    ("input", "the input file as the user named it, where the task is on one"),
    ("row_group", "its row group"),
    (
        "first_group",
        "the first of the groups that the task is on, as they are numbered in the result, or in its part of a folder",
    ),
    ("last_group", "the last of them"),
    ("backend", "cpu or gpu, where kernels ran"),
    ("adapter", "the device, where it was one"),
    ("worker", "the thread's number; null where several shared the task, whose shares are rows of their own"),
    ("started", "when it started, UTC"),
    ("start_ns", "nanoseconds after the start of the run"),
    ("duration_ns", "how many nanoseconds it took"),
    ("rows", "rows, keys, queries or groups handled"),
    ("bytes_in", "bytes read; null where they are not told"),
    ("bytes_out", "bytes made of them; null where they are not told"),
    ("attempts", "how often it was tried"),
    ("status", "ok, or failed"),
    ("error", "why it failed"),
];

/// The events, a row each, by stage and start.
pub fn table(recorder: &Recorder) -> Result<Results> {
    let events = recorder.events();
    let began = recorder.began().duration_since(UNIX_EPOCH).unwrap_or_default();
    let run = format!("{}-{}", began.as_micros(), std::process::id());
    let texts = |of: &dyn Fn(&Event) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(events.iter().map(of)))
    };
    let narrow = |of: &dyn Fn(&Event) -> Option<usize>| -> ArrayRef {
        Arc::new(UInt32Array::from_iter(events.iter().map(|event| of(event).map(|n| n as u32))))
    };
    let wide = |of: &dyn Fn(&Event) -> Option<u64>| -> ArrayRef {
        Arc::new(UInt64Array::from_iter(events.iter().map(of)))
    };
    let starts = events.iter().map(|event| (began.as_nanos() + u128::from(event.start_ns)) as i64);
    let columns: [ArrayRef; COLUMNS.len()] = [
        texts(&|_| Some(run.clone())),
        wide(&|event| Some(event.number)),
        wide(&|event| event.piece_of),
        texts(&|event| Some(event.stage.name().into())),
        texts(&|event| Some(event.task.name.clone())),
        texts(&|event| event.task.file.as_deref().map(Into::into)),
        narrow(&|event| event.task.row_group),
        wide(&|event| groups(event).map(|groups| groups.start as u64)),
        wide(&|event| groups(event).map(|groups| groups.end as u64 - 1)),
        texts(&|event| event.task.backend.map(Into::into)),
        texts(&|event| event.task.adapter.as_deref().map(Into::into)),
        narrow(&|event| event.worker),
        Arc::new(TimestampNanosecondArray::from_iter_values(starts).with_timezone("UTC")),
        wide(&|event| Some(event.start_ns)),
        wide(&|event| Some(event.duration_ns)),
        wide(&|event| Some(event.volume.rows)),
        wide(&|event| told(event.volume.bytes_in)),
        wide(&|event| told(event.volume.bytes_out)),
        narrow(&|event| Some(event.attempts as usize)),
        texts(&|event| Some(if event.error.is_some() { "failed" } else { "ok" }.into())),
        texts(&|event| event.error.clone()),
    ];
    let fields = COLUMNS.iter().zip(&columns).map(|((name, title), column)| {
        let title = HashMap::from([("title".to_owned(), (*title).to_owned())]);
        Field::new(*name, column.data_type().clone(), true).with_metadata(title)
    });
    let schema = Schema::new(fields.collect::<Vec<_>>()).with_metadata(HashMap::from([
        ("concentra.version".into(), env!("CARGO_PKG_VERSION").into()),
        ("concentra.workers".into(), recorder.workers().to_string()),
    ]));
    let table = RecordBatch::try_new(Arc::new(schema), columns.to_vec());
    Ok(Results::of(table.map_err(Error::arrow("build the records"))?, 0))
}

/// Bytes, where there are any to tell of.
fn told(bytes: u64) -> Option<u64> {
    (bytes > 0).then_some(bytes)
}

fn groups(event: &Event) -> Option<Range<usize>> {
    event.task.groups.clone().filter(|groups| !groups.is_empty())
}

/// The same in Chrome's trace format, which Perfetto reads: a track per worker, one of tasks that several share, and one
/// per device.
pub fn trace(recorder: &Recorder) -> String {
    let workers = recorder.workers() as u64;
    let mut devices: Vec<String> = Vec::new();
    let mut shown = vec![];
    for event in recorder.events() {
        let device = event.task.adapter.as_deref().map(|adapter| {
            let known = devices.iter().position(|device| device == adapter);
            known.unwrap_or_else(|| {
                devices.push(adapter.to_owned());
                devices.len() - 1
            })
        });
        let track = match (device, event.worker) {
            (Some(device), _) => workers + 1 + device as u64,
            (None, Some(worker)) => worker as u64,
            (None, None) => workers,
        };
        let microseconds = |ns: u64| ns as f64 / 1e3;
        shown.push(json!({
            "name": format!("{} {}", event.stage.name(), event.task.name), "cat": event.stage.name(), "ph": "X",
            "ts": microseconds(event.start_ns), "dur": microseconds(event.duration_ns), "pid": 1, "tid": track,
            "args": {
                "event": event.number, "piece_of": event.piece_of, "input": event.task.file.as_deref(),
                "row_group": event.task.row_group, "first_group": groups(&event).map(|groups| groups.start),
                "status": if event.error.is_some() { "failed" } else { "ok" }, "rows": event.volume.rows, "bytes_in": event.volume.bytes_in,
                "bytes_out": event.volume.bytes_out, "attempts": event.attempts, "error": event.error,
            },
        }));
    }
    let names = (0..workers).map(|worker| format!("worker {worker}"));
    let names = names.chain(["tasks of several workers".to_owned()]).chain(devices);
    let name = |what: &str, track: usize, name: &str| json!({"name": what, "ph": "M", "pid": 1, "tid": track, "args": {"name": name}});
    let mut all = vec![name("process_name", 0, "concentra")];
    all.extend(names.enumerate().map(|(track, text)| name("thread_name", track, &text)));
    all.append(&mut shown);
    json!({"traceEvents": all, "displayTimeUnit": "ms"}).to_string()
}
