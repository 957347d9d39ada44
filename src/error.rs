//! Everything that can go wrong, with the file, the column, the row and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

/// What the library returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in the input something was found: the row counts from 1 within its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it.
    pub file: String,
    /// The column's name.
    pub column: String,
    /// The row within the file, the first being 1.
    pub row: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: column `{}`, row {}", self.file, self.column, self.row)
    }
}

/// An error, told so that the reader can act on it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// What was attempted, as a verb with its object: "open the file".
        action: &'static str,
        /// The path concerned.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file that is not Parquet, is cut short or is damaged.
    #[error("{file}: {problem}")]
    Parquet {
        /// The file as the user named it.
        file: String,
        /// What is wrong and what to do.
        problem: String,
        /// What the reader said.
        source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    },
    /// A cell that is not what its column promises.
    #[error("{place}: {problem}; {remedy}")]
    Cell {
        /// Where it is.
        place: Place,
        /// What is wrong with it.
        problem: String,
        /// What the user can do.
        remedy: String,
    },
    /// A file whose columns do not fit the request.
    #[error("{file}: {problem}")]
    Schema {
        /// The file as the user named it.
        file: String,
        /// What is missing or ambiguous, and the flag that settles it.
        problem: String,
    },
    /// A group whose rows cannot be one distribution.
    #[error("group {group}: {problem}; {remedy}")]
    Group {
        /// The group's key, as it is written in the result.
        group: String,
        /// What is wrong.
        problem: String,
        /// What the user can do.
        remedy: String,
    },
    /// A request that contradicts itself or names something unknown. Exit status 2.
    #[error("{0}")]
    Usage(String),
    /// The result would replace an existing file.
    #[error("{}: exists already; give --overwrite to replace it, or name another file", .0.display())]
    Exists(PathBuf),
    /// A device that was asked for is not there. Exit status 4.
    #[error("{0}")]
    NoDevice(String),
    /// A device could not do its work, and the CPU was not to stand in. Exit status 4.
    #[error("{adapter}: {problem}")]
    Device {
        /// The device's name.
        adapter: String,
        /// What went wrong.
        problem: String,
    },
    /// Two devices gave different numbers: a defect of concentra, of a driver or of a device.
    #[error("{0}")]
    Unequal(String),
    /// Temporary data could not be kept: what does not fit into memory, or standard input.
    #[error(
        "{}: cannot keep temporary data in this folder; name one with more room with --temp-dir, or allow more memory \
         with --memory-limit", folder.display()
    )]
    Spill {
        /// The temporary folder.
        folder: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Not even what must be in memory fits into it.
    #[error("{0}")]
    Memory(String),
    /// Some files could not be used, and what needs them is absent. Exit status 3.
    #[error("{0}")]
    Incomplete(String),
    /// A batch ended early; what is finished stays.
    #[error("{}; {left}", if source.is_none() { "interrupted" } else { "stopped" })]
    Stopped {
        /// What is finished, and how to go on.
        left: String,
        /// Why it ended, where nobody interrupted it.
        source: Option<Box<Error>>,
    },
    /// The user pressed Ctrl-C.
    #[error("interrupted; nothing was written")]
    Interrupted,
    /// Arrow could not build or write a table: a defect of concentra, not of the input.
    #[error("internal: {action}")]
    Arrow {
        /// What was attempted.
        action: &'static str,
        /// The cause.
        source: arrow::error::ArrowError,
    },
}

impl Error {
    /// An operating-system error with what was attempted and where.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::Io { action, path: path.as_ref().to_owned(), source }
    }

    /// Wraps an Arrow error: `.map_err(Error::arrow("write the table"))`.
    pub fn arrow(action: &'static str) -> impl FnOnce(arrow::error::ArrowError) -> Self {
        move |source| Self::Arrow { action, source }
    }

    /// The input file that is to blame, as the user named it, where one is.
    pub fn file(&self) -> Option<String> {
        match self {
            Self::Parquet { file, .. } | Self::Schema { file, .. } => Some(file.clone()),
            Self::Cell { place, .. } => Some(place.file.clone()),
            Self::Io { path, .. } => Some(path.display().to_string()),
            _ => None,
        }
    }

    /// The error of a group whose rows are not those that were read before.
    pub fn changed(group: String) -> Self {
        Self::Group {
            group,
            problem: "its amounts changed between two reads".into(),
            remedy: "run again when the files are no longer written to".into(),
        }
    }

    /// The process's exit status for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Exists(_) => 2,
            Self::Incomplete(_) => 3,
            Self::NoDevice(_) | Self::Device { .. } => 4,
            Self::Stopped { source: Some(source), .. } => source.exit_code(),
            Self::Interrupted | Self::Stopped { source: None, .. } => 130,
            _ => 1,
        }
    }
}

/// An error and what caused it, on one line each.
pub fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!("\n  because: {error}");
        cause = error.source();
    }
    text
}

/// The candidate most like `name`, if any is like it at all.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| {
            let (a, b) = (name.to_lowercase(), candidate.to_lowercase());
            // One slip in a short word is little likeness, but a slip all the same.
            let slip = strsim::osa_distance(&a, &b) <= 1;
            (if slip { 1.0 } else { strsim::jaro_winkler(&a, &b) }, candidate)
        })
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
