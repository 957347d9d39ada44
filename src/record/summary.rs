//! What a recorder saw, in a few lines: `--timing`.

use std::fmt;

use super::{Event, Recorder, Stage};

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
    /// The longest piece that one worker did.
    pub longest: Option<(String, u64)>,
}

impl Recorder {
    /// Per stage: pieces of work, rows, bytes, and the time of all workers added up.
    pub fn summary(&self) -> Vec<StageSummary> {
        let mut stages: Vec<StageSummary> = Vec::new();
        for event in self.events() {
            if stages.last().is_none_or(|s| s.stage != event.stage) {
                let stage = event.stage;
                stages.push(StageSummary { stage, tasks: 0, rows: 0, bytes: 0, busy_ns: 0, longest: None });
            }
            let stage = stages.last_mut().expect("just pushed");
            if event.piece_of.is_none() {
                stage.tasks += 1;
                stage.rows += event.volume.rows;
                stage.bytes += event.volume.bytes_in;
            }
            if event.worker.is_some() {
                stage.busy_ns += event.duration_ns;
                if stage.longest.as_ref().is_none_or(|(_, longest)| *longest < event.duration_ns) {
                    stage.longest = Some((event.task.name.clone(), event.duration_ns));
                }
            }
        }
        stages
    }

    /// How long each worker had work in hand. What a worker does while it waits for others is within its own work, and
    /// counts once.
    pub fn busy(&self) -> Vec<u64> {
        let mut busy = vec![0; self.workers()];
        let mut ends = vec![0; self.workers()];
        let mut events: Vec<Event> = self.events();
        events.retain(|event| event.worker.is_some_and(|worker| worker < busy.len()));
        events.sort_by_key(|event| event.start_ns);
        for event in events {
            let worker = event.worker.unwrap_or(0);
            let end = event.start_ns + event.duration_ns;
            busy[worker] += end.saturating_sub(event.start_ns.max(ends[worker]));
            ends[worker] = ends[worker].max(end);
        }
        busy
    }

    /// The busiest worker's time over the mean of all: 1 where all had as much to do.
    pub fn balance(&self) -> f64 {
        let busy = self.busy();
        let (most, all) = (busy.iter().max().copied().unwrap_or(0), busy.iter().sum::<u64>());
        if all == 0 { 1.0 } else { most as f64 * busy.len() as f64 / all as f64 }
    }
}

/// The stages in a table, how evenly the workers were loaded, and what no number of workers could shorten.
impl fmt::Display for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |ns: u64| ns as f64 / 1e6;
        let stages = self.summary();
        write!(f, "stage    tasks        rows         bytes     busy ms")?;
        for s in &stages {
            let (name, busy) = (s.stage.name(), milliseconds(s.busy_ns));
            write!(f, "\n{name:<7} {:>6} {:>11} {:>13} {busy:>11.1}", s.tasks, s.rows, s.bytes)?;
        }
        write!(f, "\nwall {:>46.1}", milliseconds(self.elapsed_ns()))?;
        let workers = self.workers();
        write!(f, "\nbalance {:>43.2}  busiest of {workers} workers over their mean", self.balance())?;
        let longest: Vec<_> = stages.iter().filter_map(|s| Some((s.stage, s.longest.as_ref()?))).collect();
        let sum: u64 = longest.iter().map(|(_, (_, ns))| ns).sum();
        let mut slowest = longest;
        slowest.sort_by_key(|(_, (_, ns))| std::cmp::Reverse(*ns));
        let slowest = slowest
            .iter()
            .take(3)
            .map(|(stage, (task, ns))| format!("{} {:.1} ({task})", stage.name(), milliseconds(*ns)));
        let slowest = slowest.collect::<Vec<_>>().join(", ");
        write!(f, "\ncritical {:>42.1}  longest pieces: {slowest}", milliseconds(sum))
    }
}
