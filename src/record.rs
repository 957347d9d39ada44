//! The one recorder of what ran where and for how long; `--explain` and `--timing` are views of it.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The stages of an analysis, in the order in which data flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The same as reading, but rows are only counted, where they do not fit into memory.
    Count,
    /// Parquet pages to exact amounts or keys, and the numbers of their groups.
    Read,
    /// Read again, to partitions on disk.
    Spill,
    /// Owners' rows back from disk, and one holder made of each.
    Merge,
    /// Partitions back from disk.
    Load,
    /// Exact amounts to keys, side by side by group.
    Group,
    /// Keys sorted within each group.
    Sort,
    /// Sums.
    Reduce,
    /// Ranks by a bound.
    Search,
    /// Prefix sums at ranks.
    Prefix,
    /// Comparisons that only the exact amounts decide.
    Ties,
    /// Moments to metrics.
    Finish,
    /// Random coalitions of voting games.
    Sample,
}

impl Stage {
    /// The stage's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Read => "read",
            Self::Spill => "spill",
            Self::Merge => "merge",
            Self::Load => "load",
            Self::Group => "group",
            Self::Sort => "sort",
            Self::Reduce => "reduce",
            Self::Search => "search",
            Self::Prefix => "prefix",
            Self::Ties => "ties",
            Self::Finish => "finish",
            Self::Sample => "sample",
        }
    }
}

/// One piece of work that one worker did.
#[derive(Debug, Clone)]
pub struct Event {
    /// What kind of work.
    pub stage: Stage,
    /// Which piece: an input file's name, or a batch's number.
    pub task: String,
    /// The thread's number in its pool, 0 outside one.
    pub worker: usize,
    /// Rows, keys or groups handled.
    pub rows: u64,
    /// Bytes read or moved.
    pub bytes: u64,
    /// Since the recorder was made.
    pub start_ns: u64,
    /// How long it took.
    pub duration_ns: u64,
}

/// Collects events from every thread and backend.
#[derive(Debug)]
pub struct Recorder {
    origin: Instant,
    events: Mutex<Vec<Event>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { origin: Instant::now(), events: Mutex::default() }
    }
}

impl Recorder {
    /// Runs one piece of work and records it.
    pub fn time<T>(
        &self,
        stage: Stage,
        task: impl Into<String>,
        rows: u64,
        bytes: u64,
        work: impl FnOnce() -> T,
    ) -> T {
        let start = Instant::now();
        let result = work();
        let task = task.into();
        tracing::debug!(stage = stage.name(), task, rows, bytes, ms = start.elapsed().as_millis(), "done");
        let event = Event {
            stage,
            task,
            worker: rayon::current_thread_index().unwrap_or(0),
            rows,
            bytes,
            start_ns: nanoseconds(start.duration_since(self.origin)),
            duration_ns: nanoseconds(start.elapsed()),
        };
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        result
    }

    /// All events so far, by stage and start.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner).clone();
        events.sort_by_key(|e| (e.stage, e.start_ns));
        events
    }

    /// Per stage: pieces of work, rows, bytes, and the time of all workers added up.
    pub fn summary(&self) -> Vec<StageSummary> {
        let mut stages: Vec<StageSummary> = Vec::new();
        for event in self.events() {
            if stages.last().is_none_or(|s| s.stage != event.stage) {
                stages.push(StageSummary { stage: event.stage, tasks: 0, rows: 0, bytes: 0, busy_ns: 0 });
            }
            let stage = stages.last_mut().expect("just pushed");
            stage.tasks += 1;
            stage.rows += event.rows;
            stage.bytes += event.bytes;
            stage.busy_ns += event.duration_ns;
        }
        stages
    }
}

/// What one stage did altogether.
#[derive(Debug, Clone)]
pub struct StageSummary {
    /// The stage.
    pub stage: Stage,
    /// Pieces of work.
    pub tasks: u64,
    /// Rows, keys or groups handled.
    pub rows: u64,
    /// Bytes read or moved.
    pub bytes: u64,
    /// Time of all workers added up.
    pub busy_ns: u64,
}

/// The stages in a table: `--timing`.
impl fmt::Display for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stage    tasks        rows         bytes     busy ms")?;
        for s in self.summary() {
            let (name, milliseconds) = (s.stage.name(), s.busy_ns as f64 / 1e6);
            write!(f, "\n{name:<7} {:>6} {:>11} {:>13} {milliseconds:>11.1}", s.tasks, s.rows, s.bytes)?;
        }
        write!(f, "\nwall {:>46.1}", self.origin.elapsed().as_secs_f64() * 1e3)
    }
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
