//! The one recorder of what ran where and for how long; `--timing`, `--records` and `--trace` are views of it.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use crate::error::Result;

mod summary;

pub use summary::StageSummary;

/// The stages of an analysis, in the order in which data flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Footers of files.
    Open,
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
    /// Results to a part of a folder.
    Write,
}

impl Stage {
    /// The stage's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
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
            Self::Write => "write",
        }
    }
}

/// Which piece of work: what it is called, and what is known of where it comes from and who does it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Task {
    /// `batch 3`, `partition 2`, or a file's name.
    pub name: String,
    /// The input file.
    pub file: Option<Arc<str>>,
    /// The file's row group.
    pub row_group: Option<usize>,
    /// Groups, by their numbers in the result.
    pub groups: Option<Range<usize>>,
    /// `cpu` or `gpu`.
    pub backend: Option<&'static str>,
    /// The device's name.
    pub adapter: Option<Arc<str>>,
}

impl Task {
    /// Work on a file, or on a row group of it.
    pub fn of_file(name: &str, row_group: Option<usize>) -> Self {
        Self { name: name.to_owned(), file: Some(name.into()), row_group, ..Self::default() }
    }

    /// The same task, done by a backend.
    pub fn by(&self, backend: &'static str, adapter: Option<&str>) -> Self {
        Self { backend: Some(backend), adapter: adapter.map(Into::into), ..self.clone() }
    }
}

impl From<String> for Task {
    fn from(name: String) -> Self {
        Self { name, ..Self::default() }
    }
}

impl From<&str> for Task {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

impl From<&Self> for Task {
    fn from(task: &Self) -> Self {
        task.clone()
    }
}

/// How much a piece of work handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Volume {
    /// Rows, keys, queries or groups.
    pub rows: u64,
    /// Bytes that it reads.
    pub bytes_in: u64,
    /// Bytes that it makes of them.
    pub bytes_out: u64,
}

impl Volume {
    /// Rows of which no bytes are told.
    pub fn rows(rows: u64) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Rows, and the bytes that they are before and after.
    pub fn new(rows: u64, bytes_in: u64, bytes_out: u64) -> Self {
        Self { rows, bytes_in, bytes_out }
    }
}

/// One piece of work that one worker did, or that several shared.
#[derive(Debug, Clone)]
pub struct Event {
    /// What tells it from all others of its recorder.
    pub number: u64,
    /// The event that it is a share of.
    pub piece_of: Option<u64>,
    /// What kind of work.
    pub stage: Stage,
    /// Which piece.
    pub task: Arc<Task>,
    /// The thread's number in its pool, 0 outside one; none where several shared it.
    pub worker: Option<usize>,
    /// How much.
    pub volume: Volume,
    /// Since the recorder was made.
    pub start_ns: u64,
    /// How long it took.
    pub duration_ns: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it failed.
    pub error: Option<String>,
}

/// Collects events from every thread and backend.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Instant,
    began: SystemTime,
    /// Whether shares of tasks are events of their own.
    in_pieces: bool,
    next: AtomicU64,
    workers: AtomicUsize,
    events: Mutex<Vec<Event>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            began: SystemTime::now(),
            in_pieces: false,
            next: AtomicU64::new(0),
            workers: AtomicUsize::new(0),
            events: Mutex::default(),
        }
    }
}

thread_local! {
    /// What this thread is in the middle of.
    static CURRENT: RefCell<Option<Pieces>> = const { RefCell::new(None) };
    static RETRIES: Cell<u32> = const { Cell::new(0) };
}

/// Takes note that the work in hand had to be tried again.
pub fn retried() {
    RETRIES.set(RETRIES.get() + 1);
}

impl Recorder {
    /// One that also records what each worker did of work that several share.
    pub fn in_pieces() -> Self {
        Self(Arc::new(Inner { in_pieces: true, ..Inner::default() }))
    }

    /// Another one that records as much.
    pub fn like(&self) -> Self {
        if self.0.in_pieces { Self::in_pieces() } else { Self::default() }
    }

    /// When it was made.
    pub fn began(&self) -> SystemTime {
        self.0.began
    }

    /// Nanoseconds since it was made.
    pub fn elapsed_ns(&self) -> u64 {
        nanoseconds(self.0.origin.elapsed())
    }

    /// How many threads there were to do the work.
    pub fn workers(&self) -> usize {
        self.0.workers.load(Ordering::Relaxed).max(1)
    }

    /// Runs one piece of work and records it.
    pub fn time<T>(
        &self,
        stage: Stage,
        task: impl Into<Task>,
        volume: Volume,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let task = Arc::new(task.into());
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::new(AtomicBool::new(false));
        let pieces = self.0.in_pieces.then(|| Pieces {
            recorder: self.clone(),
            of: number,
            stage,
            task: task.clone(),
            shared: shared.clone(),
        });
        let outer = CURRENT.replace(pieces);
        let retries = RETRIES.replace(0);
        let start = Instant::now();
        let result = work();
        let duration = start.elapsed();
        CURRENT.set(outer);
        let attempts = 1 + RETRIES.replace(retries);
        let Volume { rows, bytes_in, .. } = volume;
        let (name, ms) = (&task.name, duration.as_millis());
        tracing::debug!(stage = stage.name(), task = name, rows, bytes = bytes_in, ms, "done");
        let mut event = self.event(number, stage, task, volume, start, nanoseconds(duration));
        if shared.load(Ordering::Relaxed) {
            event.worker = None;
        }
        self.push(Event { attempts, error: result.as_ref().err().map(ToString::to_string), ..event });
        result
    }

    fn event(
        &self,
        number: u64,
        stage: Stage,
        task: Arc<Task>,
        volume: Volume,
        start: Instant,
        duration_ns: u64,
    ) -> Event {
        let start_ns = nanoseconds(start.duration_since(self.0.origin));
        let worker = Some(rayon::current_thread_index().unwrap_or(0));
        let (attempts, error, piece_of) = (1, None, None);
        Event { number, piece_of, stage, task, worker, volume, start_ns, duration_ns, attempts, error }
    }

    fn push(&self, event: Event) {
        self.0.workers.fetch_max(rayon::current_num_threads(), Ordering::Relaxed);
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// Takes over what another recorded since this one was made, under a name before each task's.
    pub fn append(&self, other: &Self, name: &str) {
        let later = nanoseconds(other.0.origin.saturating_duration_since(self.0.origin));
        let events = other.events();
        let first = self.0.next.fetch_add(other.0.next.load(Ordering::Relaxed), Ordering::Relaxed);
        for event in events {
            let task = Task { name: format!("{name} {}", event.task.name), ..(*event.task).clone() };
            self.push(Event {
                number: first + event.number,
                piece_of: event.piece_of.map(|number| first + number),
                task: Arc::new(task),
                start_ns: later + event.start_ns,
                ..event
            });
        }
    }

    /// All events so far, by stage and start.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.0.events.lock().unwrap_or_else(PoisonError::into_inner).clone();
        events.sort_by_key(|e| (e.stage, e.start_ns, e.number));
        events
    }
}

/// What a thread is in the middle of, for all threads that share it.
#[derive(Debug, Clone)]
struct Pieces {
    recorder: Recorder,
    of: u64,
    stage: Stage,
    task: Arc<Task>,
    shared: Arc<AtomicBool>,
}

/// The work that the calling thread has in hand, to be shared: each worker times its pieces of it. Kernels need not
/// know whether anybody records.
#[derive(Debug, Clone)]
pub struct Shared(Option<Pieces>);

impl Shared {
    /// What the calling thread has in hand.
    pub fn here() -> Self {
        Self(CURRENT.with_borrow(Clone::clone))
    }

    /// Runs a piece, and records it where that is wished.
    #[inline]
    pub fn time<T>(&self, rows: usize, work: impl FnOnce() -> T) -> T {
        let Some(pieces) = &self.0 else { return work() };
        let start = Instant::now();
        let result = work();
        let duration_ns = nanoseconds(start.elapsed());
        pieces.shared.store(true, Ordering::Relaxed);
        let (recorder, task) = (&pieces.recorder, pieces.task.clone());
        let number = recorder.0.next.fetch_add(1, Ordering::Relaxed);
        let volume = Volume::rows(rows as u64);
        let event = recorder.event(number, pieces.stage, task, volume, start, duration_ns);
        recorder.push(Event { piece_of: Some(pieces.of), ..event });
        result
    }
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
