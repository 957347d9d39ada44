//! Progress on long work, only where somebody watches.

use std::io::{self, IsTerminal, Write, stderr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// Work that takes less shows nothing of itself unasked.
const LONG: Duration = Duration::from_millis(700);

/// When to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Rows done out of all, on stderr.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// After how long it is shown; none: never.
    patience: Option<Duration>,
    begun: Instant,
    shown: OnceLock<()>,
}

impl Progress {
    /// Shown once the work has taken a while, or not at all.
    pub fn new(when: When) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        let style =
            ProgressStyle::with_template("{msg} {wide_bar} {human_pos} of {human_len} rows, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let patience = match when {
            When::Auto => stderr().is_terminal().then_some(LONG),
            When::Always => Some(Duration::ZERO),
            When::Never => None,
        };
        Self { bar, patience, begun: Instant::now(), shown: OnceLock::new() }
    }

    /// Nobody watches.
    pub fn hidden() -> Self {
        Self::new(When::Never)
    }

    /// For somebody who looks from time to time, on another thread.
    pub fn watch(&self) -> Watch {
        Watch(self.bar.clone())
    }

    /// Begins a stage of so many rows.
    pub fn start(&self, stage: &'static str, rows: u64) {
        self.bar.set_length(rows);
        self.bar.set_position(0);
        self.bar.set_message(stage);
    }

    /// More rows are done.
    pub fn add(&self, rows: u64) {
        if self.patience.is_some_and(|patience| self.begun.elapsed() >= patience) {
            self.shown.get_or_init(|| {
                self.bar.set_draw_target(if stderr().is_terminal() {
                    ProgressDrawTarget::stderr_with_hz(10)
                } else {
                    // Asked for although nobody's terminal is there: a line now and then.
                    ProgressDrawTarget::term_like_with_hz(Box::new(Lines), 1)
                });
            });
        }
        self.bar.inc(rows);
    }

    /// Wipes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// How far the work is.
#[derive(Debug, Clone)]
pub struct Watch(ProgressBar);

impl Watch {
    /// The stage, how many rows of it are done, and how many there are.
    pub fn now(&self) -> (String, u64, u64) {
        (self.0.message(), self.0.position(), self.0.length().unwrap_or(0))
    }
}

/// A terminal that cannot move its cursor.
#[derive(Debug)]
struct Lines;

impl TermLike for Lines {
    fn width(&self) -> u16 {
        80
    }
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn write_line(&self, line: &str) -> io::Result<()> {
        writeln!(stderr(), "{}", line.trim_end())
    }
    fn write_str(&self, line: &str) -> io::Result<()> {
        if line.trim().is_empty() { Ok(()) } else { self.write_line(line) }
    }
    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        stderr().flush()
    }
}
