//! What an analysis was asked for, validated: the high-level counterpart of the command line.

use std::path::{Path, PathBuf};

use crate::cli::{
    AnalyzeArgs, CompareArgs, InputArgs, MeasureArgs, MergeArgs, MetricArgs, NegativesArg, OwnersArg,
    SourceArgs,
};
use crate::cloud::{is_address, is_same};
use crate::columns::table::Table;
use crate::columns::text::{Number, parse};
use crate::error::{Error, Result};
use crate::memory;
use crate::metrics::Extras;
use crate::moments::Fraction;
use crate::numbers::unit::{Unit, unit_of};

pub mod change;
pub mod grid;
pub mod play;
pub mod snapshot;

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

/// Owners that are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exclusion {
    /// Addresses that nobody holds the key of.
    Burn,
    /// Owners that the labels call contracts.
    Contracts,
    /// Owners that have this label.
    Label(String),
    /// Owners of this entity.
    Entity(String),
    /// Those in a file.
    List(PathBuf),
}

impl std::fmt::Display for Exclusion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Burn => f.write_str("burn"),
            Self::Contracts => f.write_str("contracts"),
            Self::Label(label) => write!(f, "label:{label}"),
            Self::Entity(name) => write!(f, "entity:{name}"),
            Self::List(path) => write!(f, "{}", path.display()),
        }
    }
}

impl From<&str> for Exclusion {
    fn from(text: &str) -> Self {
        match text {
            "burn" => Self::Burn,
            "contracts" => Self::Contracts,
            _ => match text.split_once(':') {
                Some(("label", label)) => Self::Label(label.trim().to_owned()),
                Some(("entity", name)) => Self::Entity(name.trim().to_owned()),
                _ => Self::List(text.into()),
            },
        }
    }
}

/// What a token is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Price {
    /// The same in all groups.
    Number(Number),
    /// In this column, one price a group.
    Column(String),
}

/// How many of the largest holders count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Top {
    /// So many.
    Count(u64),
    /// This share of them, rounded up.
    Share(Fraction),
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
    /// The CPU and one of those at once.
    Both(Box<Device>),
}

impl Device {
    /// The device, where the CPU works beside it.
    pub fn beside_cpu(&self) -> Option<&Self> {
        match self {
            Self::Both(device) => Some(device),
            _ => None,
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Named(name) => name,
            Self::Both(device) => return write!(f, "cpu+{device}"),
        })
    }
}

impl From<&str> for Device {
    fn from(text: &str) -> Self {
        match &text.to_lowercase()[..] {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu,
            both if both.starts_with("cpu+") => match Self::from(text[4..].trim()) {
                device @ (Self::Gpu | Self::Named(_)) => Self::Both(Box::new(device)),
                _ => Self::Named(text.to_owned()),
            },
            _ => Self::Named(text.to_owned()),
        }
    }
}

/// Everything that decides the numbers of an analysis, and where they are computed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Files, folders, globs or `-`.
    pub paths: Vec<String>,
    /// Tables in memory.
    pub tables: Vec<Table>,
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
    /// Owners that are left out of every group.
    pub exclude: Vec<Exclusion>,
    /// Files that say what owners are.
    pub labels: Vec<PathBuf>,
    /// Whether owners of one entity are one; they are then merged.
    pub entities: bool,
    /// In how many rounds contracts are looked through, if they are: owners are then merged.
    pub look_through: Option<u32>,
    /// Holders of less do not count: in the unit as written, divided by ten to the power of `decimals`.
    pub min_amount: Option<Number>,
    /// Holders of what is worth less do not count.
    pub min_value: Option<(Number, Price)>,
    /// Smaller holders than these do not count.
    pub top_holders: Option<Top>,
    /// Whether amounts are of all time so far: their differences between snapshots are meant.
    pub cumulative: bool,
    /// The column of what holders earned, which may be negative.
    pub reward: Option<String>,
    /// A file that has it, where it is not beside the amounts.
    pub rewards: Option<PathBuf>,
    /// A file of owners' cohorts, and the column that has them.
    pub cohorts: Option<(PathBuf, String)>,
    /// The column of prices by which flows are valued.
    pub priced_by: Option<String>,
    /// A file of them.
    pub prices: Option<PathBuf>,
    /// The column of what a quota is a share of.
    pub quota_of: Option<String>,
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
    /// What 1 is worth in every group; else what its amounts need.
    pub unit: Option<Unit>,
    /// Whether to go on without files that cannot be used, and without the groups that need them.
    pub keep_going: bool,
    /// Bytes that may be resident; three quarters of what there is where none are given. It decides no number.
    pub memory_limit: Option<u64>,
    /// Where to keep what does not fit.
    pub temp_dir: Option<PathBuf>,
    /// Keep everything on disk, and so many holders at a time in memory: what large inputs do, for small ones.
    pub spill_beyond: Option<usize>,
}

/// What a comparison of devices was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The first is what the others are measured by; none: all that make sense.
    pub devices: Vec<Device>,
    /// How often each does the work.
    pub runs: u32,
    /// Of the device's memory, in GB/s.
    pub bandwidth: Option<f64>,
}

impl Options {
    /// The same for differences between snapshots, where wished; refuses what does not go with them.
    pub fn of_differences(self, wished: bool) -> Result<Self> {
        let clashes = [
            (self.has_rewards(), "--reward and --rewards"),
            (self.look_through.is_some(), "--look-through"),
            (self.price().is_some(), "--price with a column"),
            (self.keep_going, "--keep-going"),
        ];
        match clashes.into_iter().find(|(given, _)| *given && wished) {
            Some((_, flag)) => Err(Error::Usage(format!("{flag}: not with --cumulative"))),
            None => Ok(Self { cumulative: wished, ..self }),
        }
    }

    /// Whether rewards are looked at.
    pub fn has_rewards(&self) -> bool {
        self.reward.is_some() || self.rewards.is_some()
    }

    /// Whether holders of little are cut off.
    pub fn has_least(&self) -> bool {
        self.min_amount.is_some() || self.min_value.is_some()
    }

    /// The same with owners of one entity as one, and contracts looked through in so many rounds, where wished: owners
    /// are then merged.
    pub fn merging(self, entities: bool, look_through: Option<u32>) -> Result<Self> {
        let wish = match (entities, look_through) {
            (true, _) => "--entities",
            (false, Some(_)) => "--look-through",
            (false, None) => return Ok(self),
        };
        if self.owners == Owners::Check {
            return Err(Error::Usage(format!("{wish} merges owners, --owners check refuses to")));
        }
        Ok(Self { owners: Owners::Merge, entities, look_through, ..self })
    }

    /// The column of prices, if one is to be read.
    pub fn price(&self) -> Option<&str> {
        match &self.min_value {
            Some((_, Price::Column(name))) => Some(name),
            _ => None,
        }
    }

    /// Whether small holders are cut off.
    pub fn cuts(&self) -> bool {
        self.has_least() || self.top_holders.is_some()
    }

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
        say("look-through", self.look_through.map(|depth| depth.to_string()));
        let number = |number: &Number| format!("{}e-{}", number.digits, number.decimals);
        say("min-amount", self.min_amount.as_ref().map(number));
        say("min-value", self.min_value.as_ref().map(|(least, _)| number(least)));
        say(
            "price",
            self.min_value.as_ref().map(|(_, price)| match price {
                Price::Number(price) => number(price),
                Price::Column(name) => name.clone(),
            }),
        );
        say(
            "top-holders",
            self.top_holders.map(|top| match top {
                Top::Count(most) => most.to_string(),
                Top::Share(Fraction { numerator, denominator }) => format!("{numerator}/{denominator}"),
            }),
        );
        say("cumulative", self.cumulative.then(|| "true".into()));
        say("price", self.priced_by.clone());
        say("reward", self.reward.clone());
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        say("rewards", self.rewards.as_ref().map(name));
        say("price", self.prices.as_ref().map(name));
        let cohorts = |(path, column): &(PathBuf, String)| format!("{} {column}", name(path));
        say("cohorts", self.cohorts.as_ref().map(cohorts));
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

/// Refuses an output that is one of the inputs.
pub fn keep<'p>(mut inputs: impl Iterator<Item = &'p String>, output: Option<&Path>) -> Result<()> {
    if let Some(address) = output.and_then(Path::to_str).filter(|path| is_address(path)) {
        if inputs.any(|path| is_same(path, address)) {
            return Err(Error::Usage(format!("{address}: is an input; name another object with -o")));
        }
        return Ok(());
    }
    let Some(output) = output.and_then(|path| path.canonicalize().ok()) else {
        return Ok(());
    };
    let same = |path: &&String| Path::new(path).canonicalize().is_ok_and(|path| path == output);
    match inputs.find(same) {
        Some(path) if output.is_file() => {
            Err(Error::Usage(format!("{path}: is an input; name another file with -o")))
        }
        _ => Ok(()),
    }
}

impl SourceArgs {
    /// Refuses to replace an input, or one of these lists, by the command's own result.
    pub fn keep(&self, lists: &[String], output: Option<&Path>) -> Result<()> {
        let labels: Vec<String> =
            self.labels.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        keep(self.paths.iter().chain(&labels).chain(lists), output)
    }

    /// What the arguments mean, for everybody who is in the input.
    pub fn options(&self) -> Result<Options> {
        let by = match &self.by[..] {
            [] => By::Roles,
            [one] if one == "none" => By::Nothing,
            columns => By::Columns(columns.to_vec()),
        };
        let snapshot = match self.snapshot.as_deref() {
            None => Snapshot::Auto,
            Some("filename") => Snapshot::Filename,
            Some("none") => Snapshot::Nothing,
            Some(column) => Snapshot::Column(column.to_owned()),
        };
        let named =
            matches!(&by, By::Columns(columns) if columns.iter().any(|c| c.eq_ignore_ascii_case("snapshot")));
        let contradiction = match (&by, &snapshot) {
            (By::Roles, _) | (_, Snapshot::Auto) => false,
            (_, Snapshot::Nothing) => named,
            _ => !named,
        };
        if contradiction {
            return Err(Error::Usage(
                "--by replaces the snapshot: name `snapshot` in --by to group by it, or drop --snapshot"
                    .into(),
            ));
        }
        Ok(Options {
            paths: self.paths.clone(),
            by,
            amount: self.amount.clone(),
            owner: self.owner.clone(),
            snapshot,
            owners: match self.owners {
                OwnersArg::Trust => Owners::Trust,
                OwnersArg::Merge => Owners::Merge,
                OwnersArg::Check => Owners::Check,
            },
            negatives: match self.negatives {
                NegativesArg::Error => Negatives::Error,
                NegativesArg::Drop => Negatives::Drop,
            },
            labels: self.labels.clone(),
            ..Options::default()
        })
    }
}

impl InputArgs {
    /// Refuses to replace an input by its own result.
    pub fn keep(&self, output: Option<&Path>) -> Result<()> {
        self.source.keep(&self.exclude, output)
    }

    /// What the arguments mean.
    pub fn options(&self) -> Result<Options> {
        self.options_with(self.source.price.as_deref())
    }

    /// The same where a price is for something else, or there is none.
    fn options_with(&self, price: Option<&str>) -> Result<Options> {
        let least = |text: &String| above_zero("--min-amount", text);
        let options = Options {
            exclude: self.exclude.iter().map(|text| Exclusion::from(text.trim())).collect(),
            min_amount: self.min_amount.as_ref().map(least).transpose()?,
            min_value: min_value(self.min_value.as_deref(), price)?,
            top_holders: self.top_holders.as_deref().map(top_holders).transpose()?,
            ..self.source.options()?
        };
        let depth = self.look_through.then_some(self.source.look_through_depth);
        options.merging(self.entities, depth)
    }
}

impl CompareArgs {
    /// What the arguments mean.
    pub fn comparison(&self) -> Result<(Options, Trial)> {
        let devices: Vec<Device> = self.devices.iter().map(|name| Device::from(name.trim())).collect();
        if devices.contains(&Device::Auto) || devices.contains(&Device::Named(String::new())) {
            return Err(Error::Usage(
                "--devices: name cpu, gpu, or parts of the names that `concentra devices` lists".into(),
            ));
        }
        if self.bandwidth.is_some_and(|bandwidth| !(bandwidth.is_finite() && bandwidth > 0.0)) {
            return Err(Error::Usage("--bandwidth: give a number of GB/s above 0".into()));
        }
        Ok((self.input.options()?, Trial { devices, runs: self.runs, bandwidth: self.bandwidth }))
    }
}

impl MetricArgs {
    /// The options with what these arguments mean.
    pub fn options(&self, options: Options) -> Result<Options> {
        let thresholds = self.threshold.iter().map(|text| threshold(text)).collect::<Result<_>>()?;
        Ok(Options {
            decimals: self.decimals,
            metrics: self.metrics.iter().map(|name| name.trim().to_owned()).collect(),
            extras: Extras { top: self.top.clone(), thresholds },
            ..options
        })
    }
}

impl MergeArgs {
    /// What the arguments mean.
    pub fn options(&self) -> Result<Options> {
        self.what.options(Options::default())
    }
}

impl MeasureArgs {
    /// The options with what these arguments mean.
    pub fn options(&self, options: Options) -> Result<Options> {
        let options = self.what.options(options)?;
        Ok(Options {
            device: device(&self.device, self.require_gpu)?,
            require_gpu: self.require_gpu,
            ..options
        })
    }
}

impl AnalyzeArgs {
    /// Refuses to replace an input by its own result.
    pub fn keep(&self) -> Result<()> {
        let rewards = self.rewards.iter().chain(&self.cohorts);
        let rewards = rewards.map(|path| path.to_string_lossy().into_owned());
        let lists: Vec<String> = self.input.exclude.iter().cloned().chain(rewards).collect();
        self.input.source.keep(&lists, self.output.as_deref())?;
        self.input.source.keep(&lists, self.cohort_table.as_deref())
    }

    /// What the arguments mean.
    pub fn options(&self) -> Result<Options> {
        let memory_limit = self.memory_limit.as_deref().map(memory::parse).transpose()?;
        let options = Options {
            memory_limit,
            keep_going: self.keep_going,
            temp_dir: self.temp_dir.clone(),
            reward: self.reward.clone(),
            cohorts: self.cohorts.clone().map(|path| (path, self.cohort_column.clone())),
            rewards: self.rewards.clone(),
            ..self.input.options()?
        };
        let options = options.of_differences(self.cumulative)?;
        if options.has_rewards() && options.look_through.is_some() {
            return Err(Error::Usage(
                "--look-through passes on balances, not rewards: drop one of the two".into(),
            ));
        }
        if options.has_rewards() && options.top_holders.is_some() {
            let why = "--top-holders cuts through equal holders, whose rewards differ: use --min-amount";
            return Err(Error::Usage(why.into()));
        }
        for (asked, flag) in [
            (options.entities, "--entities"),
            (options.look_through.is_some(), "--look-through"),
            (options.top_holders.is_some(), "--top-holders"),
        ] {
            if asked && options.cohorts.is_some() {
                return Err(Error::Usage(format!(
                    "{flag} leaves no owners whose cohort is known: drop --cohorts"
                )));
            }
        }
        for (asked, flag) in [
            (self.cohort_table.is_some(), "--cohort-table"),
            (self.cohort_column != "cohort", "--cohort-column"),
        ] {
            if asked && options.cohorts.is_none() {
                return Err(Error::Usage(format!("{flag} needs --cohorts FILE")));
            }
        }
        let options = match (&options.rewards, options.owners) {
            (Some(_), Owners::Check) => {
                return Err(Error::Usage("--rewards merges owners, --owners check refuses to".into()));
            }
            (Some(_), _) => Options { owners: Owners::Merge, ..options },
            (None, _) => options,
        };
        let options = self.measure.options(options)?;
        if self.partial { self.in_part(options) } else { Ok(options) }
    }

    /// The same for a part: what is decided by all holders together is for `merge`, or not possible.
    fn in_part(&self, options: Options) -> Result<Options> {
        let what = &self.measure.what;
        let measured = !(what.metrics.is_empty()
            && what.top.is_empty()
            && what.threshold.is_empty()
            && what.decimals == 0);
        if measured {
            return Err(Error::Usage(
                "--partial writes what every metric needs: give --metrics, --top, --threshold and --decimals to merge".into(),
            ));
        }
        for (asked, flag) in [
            (options.owners != Owners::Trust, "--owners"),
            (options.look_through.is_some(), "--look-through"),
            (options.cuts(), "--min-amount, --min-value and --top-holders"),
            (options.has_rewards(), "--reward and --rewards"),
            (options.cohorts.is_some(), "--cohorts"),
            (options.cumulative, "--cumulative"),
            (options.keep_going, "--keep-going"),
            (self.explain, "--explain"),
            (!matches!(options.device, Device::Auto | Device::Cpu), "--device and --require-gpu"),
        ] {
            if asked {
                return Err(Error::Usage(format!(
                    "{flag}: not with --partial, which sees some of the holders and knows nothing of the others"
                )));
            }
        }
        let unit = |text: &String| {
            unit_of(text).ok_or_else(|| {
                Error::Usage(format!("--unit {text}: write it as 1e-18, or 2^-40 for doubles"))
            })
        };
        Ok(Options { unit: self.unit.as_ref().map(unit).transpose()?, ..options })
    }
}

/// Where to compute.
fn device(name: &str, require_gpu: bool) -> Result<Device> {
    match Device::from(name) {
        Device::Cpu if require_gpu => Err(Error::Usage("--require-gpu contradicts --device cpu".into())),
        Device::Auto if require_gpu => Ok(Device::Gpu),
        device => Ok(device),
    }
}

/// A least value and what it is measured by.
fn min_value(least: Option<&str>, price: Option<&str>) -> Result<Option<(Number, Price)>> {
    match (least, price) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(Error::Usage("--min-value needs --price, a number or a column".into())),
        (None, Some(_)) => Err(Error::Usage("--price is for --min-value".into())),
        (Some(least), Some(price)) => {
            let least = above_zero("--min-value", least)?;
            let price = match parse(price.trim()) {
                Ok(_) => Price::Number(above_zero("--price", price)?),
                Err(_) => Price::Column(price.to_owned()),
            };
            Ok(Some((least, price)))
        }
    }
}

/// A number above zero.
fn above_zero(flag: &str, text: &str) -> Result<Number> {
    let wrong = |why: &str| Error::Usage(format!("{flag} {text}: {why}"));
    match parse(text.trim()) {
        Ok(number) if number.negative || number.digits.is_zero() => Err(wrong("give a number above 0")),
        Ok(number) => Ok(number),
        Err(bad) => Err(wrong(bad.problem())),
    }
}

/// `1000` or `10%`.
fn top_holders(text: &str) -> Result<Top> {
    let wrong =
        || Error::Usage(format!("--top-holders {text}: give a number like 1000, or a share like 10%"));
    let Some(percent) = text.strip_suffix('%') else {
        return text.parse().ok().filter(|&most| most > 0).map(Top::Count).ok_or_else(wrong);
    };
    let number = parse(percent.trim()).map_err(|_| wrong())?;
    let numerator = u64::try_from(number.digits).ok();
    let denominator = 10u64.checked_pow(u32::from(number.decimals) + 2);
    let share = numerator.zip(denominator).filter(|(n, d)| 0 < *n && n <= d && *d <= 10u64.pow(18));
    share.map(|(n, d)| Top::Share(Fraction::new(n, d))).filter(|_| !number.negative).ok_or_else(wrong)
}

/// `0.66` or `3/4`, exactly, with the ending of its column's name.
fn threshold(text: &str) -> Result<(String, Fraction)> {
    let parsed = match text.split_once('/') {
        Some((n, d)) => {
            n.parse().ok().zip(d.parse().ok()).map(|(n, d)| (format!("{n}_{d}"), Fraction::new(n, d)))
        }
        None => text.strip_prefix("0.").filter(|digits| digits.len() <= 18).and_then(|digits| {
            let numerator = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
            Some((format!("0_{digits}"), Fraction::new(numerator, 10u64.pow(digits.len() as u32))))
        }),
    };
    let largest = 10u64.pow(18);
    parsed
        .filter(|(_, f)| 0 < f.numerator && f.numerator < f.denominator && f.denominator <= largest)
        .ok_or_else(|| {
            Error::Usage(format!(
                "--threshold {text}: write a decimal or a fraction between 0 and 1, like 0.66 or 3/4"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_exact() {
        assert_eq!(top_holders("1000").unwrap(), Top::Count(1000));
        assert_eq!(top_holders("0.1%").unwrap(), Top::Share(Fraction::new(1, 1000)));
        assert_eq!(top_holders("100%").unwrap(), Top::Share(Fraction::new(100, 100)));
        for bad in ["0", "-1", "0%", "101%", "-5%", "x", "%", "1.5"] {
            assert!(top_holders(bad).is_err(), "{bad}");
        }
        assert_eq!(above_zero("--min-amount", "0.5").unwrap().decimals, 1);
        for bad in ["0", "-1", "", "1,5", "NaN"] {
            assert!(above_zero("--min-amount", bad).is_err(), "{bad}");
        }
        let column = Some("0x".into());
        assert_eq!(min_value(Some("1"), Some("0x")).unwrap().map(|(_, p)| p), column.map(Price::Column));
        assert!(min_value(Some("1"), None).is_err() && min_value(None, Some("1")).is_err());
    }

    #[test]
    fn thresholds_are_exact() {
        assert_eq!(threshold("0.66").unwrap(), ("0_66".into(), Fraction::new(66, 100)));
        assert_eq!(threshold("3/4").unwrap(), ("3_4".into(), Fraction::new(3, 4)));
        for bad in
            ["0", "1", "1.0", "0.0", "0.", "4/3", "0/5", "1/0", "x", "-0.5", "0.+5", "0.1234567890123456789"]
        {
            assert!(threshold(bad).is_err(), "{bad}");
        }
    }
}
