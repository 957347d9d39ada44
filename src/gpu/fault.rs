//! What can go wrong on a device, and how tests make it go wrong.

use std::time::Duration;

use thiserror::Error;

/// A device that could not do its work. Its results are never used; the work is redone elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// It has no memory for a buffer.
    #[error("out of memory")]
    OutOfMemory,
    /// It is gone: removed, reset by its driver, or lost for lack of memory.
    #[error("the device was lost ({0})")]
    Lost(String),
    /// It did not finish in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// It refused a command: a defect of concentra or of the driver.
    #[error("refused: {0}")]
    Refused(String),
}

impl Fault {
    /// Whether the device may still serve other work.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::OutOfMemory)
    }
}

/// Where a fault may be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Before a buffer of so many bytes is created.
    Create(u64),
    /// Before commands are submitted.
    Submit,
    /// Before submitted work is waited for.
    Wait,
}

/// Decides at each step whether the device fails there. The real one never does: real devices fail by themselves.
pub trait Inject: std::fmt::Debug + Send + Sync {
    /// The fault at this step, if any.
    fn fault(&self, step: Step) -> Option<Fault>;
}

/// No injected faults.
#[derive(Debug, Clone, Copy, Default)]
pub struct Never;

impl Inject for Never {
    fn fault(&self, _: Step) -> Option<Fault> {
        None
    }
}
