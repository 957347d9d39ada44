//! The command line: what may be typed. What it means is [`crate::options`].

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::generate::GenerateArgs;
use crate::progress::When;

/// Who really holds, earns and decides?
///
/// Exact concentration metrics of token-holder and LP snapshots in Parquet.
#[derive(Debug, Parser)]
#[command(
    name = "concentra",
    version,
    max_term_width = 80,
    arg_required_else_help = true,
    after_help = "Options may also stand in a file (--config FILE) or in variables\n\
                  (CONCENTRA_OWNERS=merge is --owners merge). What is typed wins over a variable,\n\
                  a variable over the file. Exit status: 0 done, 1 failed, 2 wrong usage,\n\
                  4 no such device or it failed, 130 interrupted."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options common to all commands.
    #[command(flatten)]
    pub manners: Manners,
}

/// How to behave.
#[derive(Debug, Args)]
#[command(next_help_heading = "Manners")]
pub struct Manners {
    /// Read options from this TOML file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print all options as TOML, each with where it comes from
    #[arg(long, global = true)]
    pub print_config: bool,
    /// When to colour: auto, always, never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: Color,
    /// When to show progress: auto, always, never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub progress: When,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log to stderr what is done; twice: each piece of work
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure how concentrated each snapshot is: one row per group
    Analyze(AnalyzeArgs),
    /// Measure it in many settings: how much do the figures depend on who is counted
    Sweep(SweepArgs),
    /// Find out who decides: voting power of every voter in every group
    Power(PowerArgs),
    /// Merge what analyze --partial wrote of several parts of the same holders
    Merge(MergeArgs),
    /// Compare the snapshots of each asset: who came, who went, what moved, do the rich get richer
    Change(ChangeArgs),
    /// Follow capital from asset to asset between snapshots
    Flows(FlowsArgs),
    /// Build holder snapshots from transfer logs: who had what at these blocks
    Snapshot(SnapshotArgs),
    /// Show results on a page: curves, histories, shares, and a table that sorts and filters
    Report(ReportArgs),
    /// Measure the same on several devices: are all bits equal, and how fast is each
    Compare(CompareArgs),
    /// Show what files hold, and what analyze would make of them
    Inspect(InspectArgs),
    /// Explain the metrics: formula, range, source, how to read them
    Metrics(MetricsArgs),
    /// List what this machine can compute on
    Devices(DevicesArgs),
    /// Make snapshots to try things on: of any size and shape
    Generate(GenerateArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write one per command into a folder
    Man(ManArgs),
    /// What `--print-config` prints, instead of running a command
    #[command(skip)]
    Config(String),
}

/// What to read and how: common to commands that read snapshots.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// Parquet files, folders (searched for them), globs, or - for stdin
    #[arg(value_name = "PATH", required_unless_present = "print_config")]
    pub paths: Vec<String>,

    /// Group by these columns instead of snapshot, chain and asset; `none`: all rows are one group
    #[arg(long, value_name = "COL,…", value_delimiter = ',', help_heading = "Columns")]
    pub by: Vec<String>,
    /// The column of amounts (`concentra inspect` shows which is found)
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    pub amount: Option<String>,
    /// The column of owners
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    pub owner: Option<String>,
    /// The column of snapshots; `filename`: the file's name; `none`: pool them
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    pub snapshot: Option<String>,

    /// What to do where an owner has several rows in a group
    #[arg(long, value_name = "HOW", default_value = "trust", help_heading = "Population")]
    pub owners: OwnersArg,
    /// What to do with a negative amount
    #[arg(long, value_name = "HOW", default_value = "error", help_heading = "Population")]
    pub negatives: NegativesArg,
    /// What owners are: Parquet or CSV with address and entity, name, labels or is_contract
    #[arg(long, value_name = "FILE,…", value_delimiter = ',', help_heading = "Population")]
    pub labels: Vec<PathBuf>,
    /// Look contracts through in so many rounds at most
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = "Population")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
    pub look_through_depth: u32,
    /// What a token is worth: a number, or a column with one price a group; flows also takes a file of prices
    #[arg(long, value_name = "COL|N", help_heading = "Population")]
    pub price: Option<String>,
}

/// What to read, and who is counted.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// What to read.
    #[command(flatten)]
    pub source: SourceArgs,

    /// Leave owners out: burn (addresses without a key), contracts, label:NAME, entity:NAME, or a file of owners
    #[arg(long, value_name = "SPEC,…", value_delimiter = ',', help_heading = "Population")]
    pub exclude: Vec<String>,
    /// Count the owners of one entity, as the labels tell, as one holder
    #[arg(long, help_heading = "Population")]
    pub entities: bool,
    /// Count the holders of a contract's own token in its place, where the snapshot has them: pools, vaults, wrappers
    #[arg(long, help_heading = "Population")]
    pub look_through: bool,
    /// Cut off holders of less than this, in the unit as written, or in tokens where --decimals is given
    #[arg(long, value_name = "X", help_heading = "Population")]
    pub min_amount: Option<String>,
    /// Cut off holders of what is worth less than this, by --price of the same unit
    #[arg(long, value_name = "X", help_heading = "Population")]
    pub min_value: Option<String>,
    /// Keep the N largest holders, or P% of them
    #[arg(long, value_name = "N|P%", help_heading = "Population")]
    pub top_holders: Option<String>,
}

/// `concentra analyze`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    concentra analyze snapshots/ -o results.parquet    a row per snapshot, chain, asset\n  \
    concentra analyze f.parquet --by date,token --decimals 18\n  \
    concentra analyze f.parquet --metrics gini,hhi --threshold 0.66 --format csv\n  \
    concentra analyze part-*.parquet --snapshot none   part files are one snapshot")]
pub struct AnalyzeArgs {
    /// What to read.
    #[command(flatten)]
    pub input: InputArgs,

    /// Amounts are of all time so far: measure what came between each snapshot and the one before
    #[arg(long, help_heading = "Population")]
    pub cumulative: bool,

    /// Write the results here instead of to stdout; DIR/ with a slash: a dataset of parts that can be gone on with
    #[arg(short, long, value_name = "FILE|DIR/", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// The format; else by the extension of -o, a table on stdout
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<Format>,
    /// Replace an existing file
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// Write sums and amounts of these holders, to be merged with those of other parts (`concentra merge`)
    #[arg(long, help_heading = "Output")]
    pub partial: bool,
    /// With --partial: count in this unit, 1e-18 or 2^-40 for doubles, so that parts agree on one
    #[arg(long, value_name = "UNIT", requires = "partial", help_heading = "Output")]
    pub unit: Option<String>,

    /// Measure profits against capital: the column of what holders earned, which may be negative. Name the capital with
    /// --amount
    #[arg(long, value_name = "COL", help_heading = "Rewards")]
    pub reward: Option<String>,
    /// The file that has it, joined by group and owner: owners are merged
    #[arg(long, value_name = "FILE", help_heading = "Rewards")]
    pub rewards: Option<PathBuf>,

    /// A file of owners and their cohorts: team, investors, exchange, community
    #[arg(long, value_name = "FILE", help_heading = "Cohorts")]
    pub cohorts: Option<PathBuf>,
    /// Its column of cohorts
    #[arg(long, value_name = "COL", default_value = "cohort", help_heading = "Cohorts")]
    pub cohort_column: String,
    /// Write a row per group and cohort here
    #[arg(long, value_name = "FILE", help_heading = "Cohorts")]
    pub cohort_table: Option<PathBuf>,

    /// What to measure.
    #[command(flatten)]
    pub measure: MeasureArgs,

    /// Threads, as many as cores by default
    #[arg(short = 'j', long, value_name = "N", value_parser = threads, help_heading = "Execution")]
    pub threads: Option<NonZeroUsize>,
    /// Memory to stay within, from 128MB on: 2G, 150MB or 1.5GiB; three quarters of the machine's by default. What does
    /// not fit waits on disk. It changes no number
    #[arg(long, value_name = "SIZE", help_heading = "Execution")]
    pub memory_limit: Option<String>,
    /// Where what does not fit into memory waits, the system's temporary folder by default
    #[arg(long, value_name = "DIR", help_heading = "Execution")]
    pub temp_dir: Option<PathBuf>,
    /// Go on without files that cannot be used, and leave out the groups that need them; exit status 3 then
    #[arg(long, help_heading = "Execution")]
    pub keep_going: bool,
    /// Say on stderr what is computed where, and why
    #[arg(long, help_heading = "Execution")]
    pub explain: bool,
    /// What the command tells of itself.
    #[command(flatten)]
    pub record: RecordArgs,
}

/// What a computing command tells of itself.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Say on stderr how long each stage took, and how evenly threads were loaded
    #[arg(long, help_heading = "Execution")]
    pub timing: bool,
    /// Write here what ran where and for how long: a row per task, and per thread's share of it
    #[arg(long, value_name = "FILE", help_heading = "Execution")]
    pub records: Option<PathBuf>,
    /// Write the same here as a trace, to be opened in ui.perfetto.dev
    #[arg(long, value_name = "FILE", help_heading = "Execution")]
    pub trace: Option<PathBuf>,
}

/// What to measure.
#[derive(Debug, Args)]
pub struct MetricArgs {
    /// Divide total, mean and median by 10^N (18 for most tokens in wei)
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Metrics")]
    pub decimals: u8,
    /// Only these metrics, as `concentra metrics` lists them (all by default)
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', help_heading = "Metrics")]
    pub metrics: Vec<String>,
    /// Shares of the K largest holders too, as top_K_share
    #[arg(long, value_name = "K,…", value_delimiter = ',', help_heading = "Metrics")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub top: Vec<u64>,
    /// Nakamoto coefficients at T too (0.66 or 3/4), as nakamoto_T
    #[arg(long, value_name = "T,…", value_delimiter = ',', help_heading = "Metrics")]
    pub threshold: Vec<String>,
}

/// What to measure, and where.
#[derive(Debug, Args)]
pub struct MeasureArgs {
    /// What to measure.
    #[command(flatten)]
    pub what: MetricArgs,

    /// Where to compute: auto, cpu, gpu, or part of an adapter's name; analyze also cpu+gpu or cpu+NAME, both at once. It
    /// changes no number
    #[arg(long, value_name = "DEVICE", default_value = "auto", help_heading = "Execution")]
    pub device: String,
    /// Fail where the device does, instead of computing on the CPU
    #[arg(long, help_heading = "Execution")]
    pub require_gpu: bool,
}

/// `concentra merge`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    concentra analyze part-0.parquet --by token --partial -o p0.parquet   on one machine\n  \
    concentra analyze part-1.parquet --by token --partial -o p1.parquet   on another\n  \
    concentra merge p0.parquet p1.parquet -o results.parquet")]
pub struct MergeArgs {
    /// Files that analyze --partial wrote, folders of them, globs
    #[arg(value_name = "PART", required_unless_present = "print_config")]
    pub parts: Vec<String>,

    /// What to measure.
    #[command(flatten)]
    pub what: MetricArgs,

    /// Write the results here instead of to stdout
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// The format; else by the extension of -o, a table on stdout
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<Format>,
    /// Replace an existing file
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,

    /// Threads, as many as cores by default
    #[arg(short = 'j', long, value_name = "N", value_parser = threads, help_heading = "Execution")]
    pub threads: Option<NonZeroUsize>,
}

/// `concentra sweep`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    concentra sweep f.parquet --top-holders all,1000,100 --min-amount 0,1,100\n  \
    concentra sweep f.parquet --exclude none,burn --entities off,on --labels l.csv\n  \
    concentra sweep f.parquet --top-holders all,10% -o a.parquet --summary b.csv")]
pub struct SweepArgs {
    /// What to read.
    #[command(flatten)]
    pub source: SourceArgs,

    /// Leave out nobody (none), or whom analyze leaves out: burn, contracts, label:NAME, entity:NAME or a file; several
    /// at once as A+B
    #[arg(
        long,
        value_name = "SPEC,…",
        value_delimiter = ',',
        default_value = "none",
        help_heading = "Settings"
    )]
    pub exclude: Vec<String>,
    /// Count each owner (off), or those of one entity as one (on)
    #[arg(
        long,
        value_name = "off,on",
        value_delimiter = ',',
        default_value = "off",
        help_heading = "Settings"
    )]
    pub entities: Vec<Switch>,
    /// Count contracts (off), or the holders of their tokens in their place (on)
    #[arg(
        long,
        value_name = "off,on",
        value_delimiter = ',',
        default_value = "off",
        help_heading = "Settings"
    )]
    pub look_through: Vec<Switch>,
    /// Cut off holders of less than this, in tokens with --decimals; 0: nobody
    #[arg(long, value_name = "X,…", value_delimiter = ',', default_value = "0", help_heading = "Settings")]
    pub min_amount: Vec<String>,
    /// Cut off holders of what is worth less than this, by --price; 0: nobody
    #[arg(long, value_name = "X,…", value_delimiter = ',', default_value = "0", help_heading = "Settings")]
    pub min_value: Vec<String>,
    /// Keep all holders, or the N largest, or P% of them
    #[arg(
        long,
        value_name = "all|N|P%,…",
        value_delimiter = ',',
        default_value = "all",
        help_heading = "Settings"
    )]
    pub top_holders: Vec<String>,

    /// Write the results here instead of to stdout
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// The format; else by the extension of -o, a table on stdout
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<Format>,
    /// Write the least, the largest and the range of each metric of each group here
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub summary: Option<PathBuf>,
    /// Replace existing files
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,

    /// What to measure.
    #[command(flatten)]
    pub measure: MeasureArgs,

    /// Threads, as many as cores by default
    #[arg(short = 'j', long, value_name = "N", value_parser = threads, help_heading = "Execution")]
    pub threads: Option<NonZeroUsize>,
    /// What the command tells of itself.
    #[command(flatten)]
    pub record: RecordArgs,
}

/// One side of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Not done
    #[value(alias = "false", alias = "0", alias = "no")]
    Off,
    /// Done
    #[value(alias = "true", alias = "1", alias = "yes")]
    On,
}

/// Which snapshots are set beside each other.
#[derive(Debug, Args)]
pub struct PairArgs {
    /// Compare every N-th snapshot of an asset, from the first one on
    #[arg(long, value_name = "N", default_value = "1", value_parser = threads, help_heading = "Snapshots")]
    pub every: NonZeroUsize,
    /// Compare these two alone
    #[arg(
        long,
        value_name = "FROM,TO",
        value_delimiter = ',',
        conflicts_with = "every",
        help_heading = "Snapshots"
    )]
    pub between: Vec<String>,
}

/// `concentra change`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    concentra change holders/ --decimals 18 -o change.parquet\n  \
    concentra change weekly/ --every 4 --metrics gini,nakamoto_1_2\n  \
    concentra change weekly/ --between week_001,week_052")]
pub struct ChangeArgs {
    /// What to read.
    #[command(flatten)]
    pub input: InputArgs,

    /// Amounts are of all time so far: measure what came between each snapshot and the one before
    #[arg(long, help_heading = "Population")]
    pub cumulative: bool,

    /// Which snapshots.
    #[command(flatten)]
    pub pairs: PairArgs,
    /// Write here what those hold who came first: a row per asset, snapshot and first snapshot of its owners
    #[arg(long, value_name = "FILE", help_heading = "Snapshots")]
    pub vintages: Option<PathBuf>,

    /// Write the results here instead of to stdout
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// The format; else by the extension of -o, a table on stdout
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<Format>,
    /// Replace an existing file
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,

    /// What to measure.
    #[command(flatten)]
    pub measure: MeasureArgs,

    /// Threads, as many as cores by default
    #[arg(short = 'j', long, value_name = "N", value_parser = threads, help_heading = "Execution")]
    pub threads: Option<NonZeroUsize>,
    /// Memory to stay within: analysis waits on disk, but all holders are held at once, or it is an error
    #[arg(long, value_name = "SIZE", help_heading = "Execution")]
    pub memory_limit: Option<String>,
    /// What the command tells of itself.
    #[command(flatten)]
    pub record: RecordArgs,
}

/// `concentra flows`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    concentra flows holders/ --price usd --every 4 -o flows.parquet\n  \
    concentra flows rewards.parquet --between 57,58")]
pub struct FlowsArgs {
    /// What to read.
    #[command(flatten)]
    pub input: InputArgs,

    /// Which snapshots.
    #[command(flatten)]
    pub pairs: PairArgs,

    /// Write the results here instead of to stdout
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// The format; else by the extension of -o, a table on stdout
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<Format>,
    /// Replace an existing file
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,

    /// Threads, as many as cores by default
    #[arg(short = 'j', long, value_name = "N", value_parser = threads, help_heading = "Execution")]
    pub threads: Option<NonZeroUsize>,
    /// Memory that all holders must fit into, or it is an error
    #[arg(long, value_name = "SIZE", help_heading = "Execution")]
    pub memory_limit: Option<String>,
    /// What the command tells of itself.
    #[command(flatten)]
    pub record: RecordArgs,
}

/// `concentra snapshot`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    concentra snapshot transfers/ --at 21564000,21614400 -o holders.parquet\n  \
    concentra snapshot token_transfers.parquet --at 19000000 --only 0xc18360217d8f7ab5e7c516566761ea12ce7f9d72")]
pub struct SnapshotArgs {
    /// Parquet files of transfers, folders (searched for them), globs, or - for stdin
    #[arg(value_name = "PATH", required_unless_present = "print_config")]
    pub paths: Vec<String>,

    /// Who had what before the transactions of these blocks
    #[arg(
        long,
        value_name = "BLOCK,…",
        value_delimiter = ',',
        required_unless_present = "print_config",
        help_heading = "Snapshots"
    )]
    pub at: Vec<u64>,
    /// These tokens alone
    #[arg(long, value_name = "TOKEN,…", value_delimiter = ',', help_heading = "Snapshots")]
    pub only: Vec<String>,
    /// What to do with a holder of less than nothing, which a log with gaps makes
    #[arg(long, value_name = "HOW", default_value = "error", help_heading = "Snapshots")]
    pub negatives: NegativesArg,
    /// What to do with a token whose transfers look like those of single ids (ERC-721)
    #[arg(long, value_name = "HOW", default_value = "error", help_heading = "Snapshots")]
    pub nfts: NftsArg,

    /// The column of block numbers
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    pub block: Option<String>,
    /// The column of tokens
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    pub token: Option<String>,
    /// The column of senders
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    pub from: Option<String>,
    /// The column of recipients
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    pub to: Option<String>,
    /// The column of amounts
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    pub amount: Option<String>,

    /// Write the snapshots here instead of to stdout
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// The format; else by the extension of -o, a table on stdout
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<Format>,
    /// Replace an existing file
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,

    /// Threads, as many as cores by default
    #[arg(short = 'j', long, value_name = "N", value_parser = threads, help_heading = "Execution")]
    pub threads: Option<NonZeroUsize>,
    /// Memory that all holders must fit into, or it is an error
    #[arg(long, value_name = "SIZE", help_heading = "Execution")]
    pub memory_limit: Option<String>,
    /// Folder for what comes from standard input (the system's temporary one)
    #[arg(long, value_name = "DIR", help_heading = "Execution")]
    pub temp_dir: Option<PathBuf>,
    /// What the command tells of itself.
    #[command(flatten)]
    pub record: RecordArgs,
}

/// What to do with a token that is none of amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum NftsArg {
    /// Refuse it
    #[default]
    Error,
    /// Leave it out
    Drop,
    /// Take its ids for amounts
    Keep,
}

/// `concentra power`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    concentra power votes.parquet --by dao,proposal_id -o power.parquet --games games.csv\n  \
    concentra power holders.parquet --quota 2/3 --players 10\n  \
    concentra power votes.parquet --by proposal_id --quota-of token_supply --quota 0.04")]
pub struct PowerArgs {
    /// What to read.
    #[command(flatten)]
    pub input: InputArgs,

    /// More than this share of all weights wins: 1/2, 2/3 or 0.66
    #[arg(long, value_name = "F", default_value = "1/2", help_heading = "Game")]
    pub quota: String,
    /// At least this weight wins, in the unit as written
    #[arg(long, value_name = "W", conflicts_with_all = ["quota", "quota_of"], help_heading = "Game")]
    pub quota_weight: Option<String>,
    /// More than the share --quota of this column wins, a token's supply for example: one value a group
    #[arg(long, value_name = "COL", help_heading = "Game")]
    pub quota_of: Option<String>,

    /// Report the N heaviest voters of each group; all of them play
    #[arg(long, value_name = "N", help_heading = "Voters", value_parser = clap::value_parser!(u64).range(1..))]
    pub players: Option<u64>,
    /// auto: exact where it can be, else by samples; exact: or an error; sample: always by samples
    #[arg(
        long,
        value_name = "HOW",
        default_value = "auto",
        help_heading = "Voters",
        hide_possible_values = true
    )]
    pub method: MethodArg,
    /// Which indices: both, or banzhaf alone, which is much quicker to find and more often exact
    #[arg(
        long,
        value_name = "WHICH",
        default_value = "both",
        help_heading = "Voters",
        hide_possible_values = true
    )]
    pub index: IndexArg,
    /// So many samples of each kind, instead of --until-se
    #[arg(long, value_name = "N", conflicts_with = "until_se", help_heading = "Voters")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    pub samples: Option<u64>,
    /// Samples until no standard error is above this
    #[arg(long, value_name = "X", default_value = "0.001", help_heading = "Voters")]
    pub until_se: f64,
    /// What samples are drawn by: the same seed, the same counts
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Voters")]
    pub seed: u64,

    /// Write the results here instead of to stdout
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// The format; else by the extension of -o, a table on stdout
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<Format>,
    /// Write a row per game here: its quota, its smallest winning coalition, dictators and vetoes
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub games: Option<PathBuf>,
    /// Replace existing files
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,

    /// Where to take samples: auto, cpu, gpu, or part of an adapter's name. It changes no number
    #[arg(long, value_name = "DEVICE", default_value = "auto", help_heading = "Execution")]
    pub device: String,
    /// Fail where the device does, instead of computing on the CPU
    #[arg(long, help_heading = "Execution")]
    pub require_gpu: bool,
    /// Threads, as many as cores by default
    #[arg(short = 'j', long, value_name = "N", value_parser = threads, help_heading = "Execution")]
    pub threads: Option<NonZeroUsize>,
    /// What the command tells of itself.
    #[command(flatten)]
    pub record: RecordArgs,
}

/// `--index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IndexArg {
    /// Banzhaf and Shapley–Shubik
    Both,
    /// Banzhaf
    Banzhaf,
}

/// `--method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodArg {
    /// Exact where it can be, else by samples
    Auto,
    /// Exact, or an error
    Exact,
    /// By samples
    Sample,
}

/// `concentra report`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    concentra report results.parquet -o report.html\n  \
    concentra report holders.parquet change.parquet power.parquet -o report.html\n  \
    concentra report results.parquet --plot lorenz -o lorenz.svg")]
pub struct ReportArgs {
    /// Results in Parquet: files that analyze, power and change wrote, or folders of them
    #[arg(value_name = "RESULT", required_unless_present = "print_config")]
    pub results: Vec<String>,

    /// What stands above the page
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Only this picture, as SVG; a name that is none shows those that there are
    #[arg(long, value_name = "NAME")]
    pub plot: Option<String>,

    /// Write it here instead of to stdout
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// The format; else by the extension of -o, or SVG with --plot
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<ReportFormat>,
    /// Replace an existing file
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
}

/// The formats of `report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// A page that needs nothing else
    Html,
    /// One picture
    Svg,
}

impl ReportArgs {
    /// The format that is asked for, whichever way.
    pub fn chosen(&self) -> ReportFormat {
        let extension = self.output.as_ref().and_then(|path| path.extension());
        let is_svg = extension.is_some_and(|extension| extension.eq_ignore_ascii_case("svg"));
        let unasked = if self.plot.is_some() || is_svg { ReportFormat::Svg } else { ReportFormat::Html };
        self.format.unwrap_or(unasked)
    }
}

/// `concentra compare`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    concentra compare snapshots/                          the CPU and every GPU\n  \
    concentra compare f.parquet --devices cpu,NVIDIA --bandwidth 936\n  \
    concentra compare f.parquet --runs 20 -o runs.parquet    for a notebook\n\n\
    Exit status 1 where moments differ, 4 where a device is missing or fails.")]
pub struct CompareArgs {
    /// What to read.
    #[command(flatten)]
    pub input: InputArgs,

    /// Which to compare: cpu, gpu, parts of adapters' names; the first is what the others are measured by. Unasked: the
    /// CPU and every hardware adapter, or the software ones where there is no other
    #[arg(long, value_name = "DEVICE,…", value_delimiter = ',', help_heading = "Execution")]
    pub devices: Vec<String>,
    /// How often each device does the work, after once to warm up
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Execution")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// The memory bandwidth of the device: show the share of it that each stage reaches
    #[arg(long, value_name = "GB/s", help_heading = "Execution")]
    pub bandwidth: Option<f64>,
    /// Threads of the CPU, as many as cores by default
    #[arg(short = 'j', long, value_name = "N", value_parser = threads, help_heading = "Execution")]
    pub threads: Option<NonZeroUsize>,
    /// What the command tells of itself.
    #[command(flatten)]
    pub record: RecordArgs,

    /// Write the figures here too: a row per device and stage
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// The format of the figures: parquet, csv, json or ndjson; else by the extension of -o
    #[arg(long, value_name = "FORMAT", help_heading = "Output", hide_possible_values = true)]
    pub format: Option<Format>,
    /// Replace an existing file
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns, rounded to be read
    Table,
    /// Exact, with documentation and provenance
    Parquet,
    /// Exact; lists as JSON text
    Csv,
    /// Exact; one array of objects
    Json,
    /// Exact; an object a line
    Ndjson,
    /// The table for documents, rounded
    Markdown,
}

impl Format {
    /// The format that a file's extension names.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "md" => Some(Self::Markdown),
            "txt" => Some(Self::Table),
            _ => None,
        }
    }
}

/// `concentra inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// What to read.
    #[command(flatten)]
    pub input: InputArgs,
    /// The format
    #[arg(long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    pub format: InspectFormat,
}

/// The formats of `inspect` and `devices`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InspectFormat {
    /// To read
    Table,
    /// One document
    Json,
}

/// `concentra metrics`.
#[derive(Debug, Args)]
pub struct MetricsArgs {
    /// The column to explain; all are listed without it
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// The format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: MetricsFormat,
}

/// The formats of `metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MetricsFormat {
    /// To read
    Table,
    /// One array of objects
    Json,
    /// A table for documents
    Markdown,
}

/// `concentra devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Measure each device, and keep the figures for --device auto
    #[arg(long)]
    pub calibrate: bool,

    /// The format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: InspectFormat,
}

/// `concentra completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `concentra man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page per command into this folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

fn threads(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "not a number from 1 on")
}

/// `--owners`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OwnersArg {
    /// Each row is one holder
    Trust,
    /// Rows of one owner are one holder
    Merge,
    /// An owner's second row is an error
    Check,
}

/// `--negatives`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NegativesArg {
    /// Refuse it, naming its row
    Error,
    /// Drop the row, and count it
    Drop,
}
