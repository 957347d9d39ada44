//! What an analysis was asked for, validated: the high-level counterpart of the command line.

use crate::metrics::Extras;

/// What makes a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum By {
    /// The snapshot, chain and asset columns found in each file.
    #[default]
    Roles,
    /// These columns alone.
    Columns(Vec<String>),
    /// Nothing: all rows are one distribution.
    Nothing,
}

/// Where a row's snapshot comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Snapshot {
    /// A recognised column, else the file's stem.
    #[default]
    Auto,
    /// This column.
    Column(String),
    /// The file's stem.
    Filename,
    /// There is none: snapshots are pooled.
    Nothing,
}

/// What rows of the same owner are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Owners {
    /// Each row is one holder.
    #[default]
    Trust,
    /// Rows of one owner are one holder.
    Merge,
    /// An owner's second row in a group is an error.
    Check,
}

/// What a negative amount is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Negatives {
    /// An error naming its row.
    #[default]
    Error,
    /// Dropped and counted.
    Drop,
}

/// Where to compute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Device {
    /// Wherever it should be fastest; never on a software adapter.
    #[default]
    Auto,
    /// The rayon backend.
    Cpu,
    /// Any hardware adapter.
    Gpu,
    /// The first adapter with this in its name, whatever its case.
    Named(String),
}

impl From<&str> for Device {
    fn from(text: &str) -> Self {
        match text {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu,
            name => Self::Named(name.to_owned()),
        }
    }
}

/// Everything that decides the numbers of an analysis, and where they are computed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Files, folders, globs or `-`.
    pub paths: Vec<String>,
    /// What makes a group.
    pub by: By,
    /// The amount column, if not by its name.
    pub amount: Option<String>,
    /// The owner column, if not by its name.
    pub owner: Option<String>,
    /// Where the snapshot comes from.
    pub snapshot: Snapshot,
    /// What rows of the same owner are.
    pub owners: Owners,
    /// What a negative amount is.
    pub negatives: Negatives,
    /// `total`, `total_f64`, `mean` and `median` are divided by ten to this power.
    pub decimals: u8,
    /// Names of metrics, all where empty.
    pub metrics: Vec<String>,
    /// Metrics beyond the catalog's.
    pub extras: Extras,
    /// Where to compute. It decides no number.
    pub device: Device,
    /// Whether to fail where a device does, instead of computing on the CPU.
    pub require_gpu: bool,
}

impl Options {
    /// The options that decide numbers, as written into results: name and value, only where they differ from the
    /// default.
    pub fn provenance(&self) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        let mut say = |name, value: Option<String>| out.extend(value.map(|v| (name, v)));
        say(
            "by",
            match &self.by {
                By::Roles => None,
                By::Columns(columns) => Some(columns.join(",")),
                By::Nothing => Some("none".into()),
            },
        );
        say("amount", self.amount.clone());
        say("owner", self.owner.clone());
        say(
            "snapshot",
            match &self.snapshot {
                Snapshot::Auto => None,
                Snapshot::Column(column) => Some(column.clone()),
                Snapshot::Filename => Some("filename".into()),
                Snapshot::Nothing => Some("none".into()),
            },
        );
        say(
            "owners",
            match self.owners {
                Owners::Trust => None,
                Owners::Merge => Some("merge".into()),
                Owners::Check => Some("check".into()),
            },
        );
        say("negatives", (self.negatives == Negatives::Drop).then(|| "drop".into()));
        say("decimals", (self.decimals > 0).then(|| self.decimals.to_string()));
        say("metrics", (!self.metrics.is_empty()).then(|| self.metrics.join(",")));
        let list = |items: Vec<String>| (!items.is_empty()).then(|| items.join(","));
        say("top", list(self.extras.top.iter().map(u64::to_string).collect()));
        let thresholds = self.extras.thresholds.iter();
        say(
            "threshold",
            list(thresholds.map(|(_, f)| format!("{}/{}", f.numerator, f.denominator)).collect()),
        );
        out
    }
}
