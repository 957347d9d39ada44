//! The command line: what may be typed. What it means is [`crate::options`].

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::generate::GenerateArgs;
use crate::output::Format;

/// Who really holds, earns and decides? Exact concentration metrics of token-holder and LP snapshots.
#[derive(Debug, Parser)]
#[command(name = "concentra", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Whether to colour output
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say on stderr what each file's columns were taken for
    #[arg(short, long, global = true)]
    pub verbose: bool,
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
    /// Make snapshots to try things on: of any size and shape, or a whole scenario
    Generate(GenerateArgs),
}

/// `concentra analyze`.
#[derive(Debug, Args)]
pub struct AnalyzeArgs {
    /// Parquet files, folders (searched for them), globs, or - for stdin
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,
    /// Write the results here instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The format; else by the extension of -o, a table on stdout
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Replace an existing file
    #[arg(long)]
    pub overwrite: bool,

    /// Group by these columns alone, or by `none`: all rows are one group
    #[arg(long, value_name = "COL,…", value_delimiter = ',', help_heading = "Columns")]
    pub by: Vec<String>,
    /// The column of amounts
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    pub amount: Option<String>,
    /// The column of owners
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    pub owner: Option<String>,
    /// The column of snapshots; `filename`: the file's name; `none`: pool them
    #[arg(long, value_name = "COL", help_heading = "Columns")]
    pub snapshot: Option<String>,

    /// Rows of one owner: each a holder, added up, or refused
    #[arg(long, value_name = "HOW", default_value = "trust", help_heading = "Population")]
    pub owners: OwnersArg,
    /// Negative amounts: refused, or dropped and counted
    #[arg(long, value_name = "HOW", default_value = "error", help_heading = "Population")]
    pub negatives: NegativesArg,

    /// Divide total, mean and median by 10^N
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Metrics")]
    pub decimals: u8,
    /// Only these metrics (all by default)
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', help_heading = "Metrics")]
    pub metrics: Vec<String>,
    /// Shares of the K largest holders too, as top_K_share
    #[arg(long, value_name = "K,…", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..), help_heading = "Metrics")]
    pub top: Vec<u64>,
    /// Nakamoto coefficients at T too (0.66 or 3/4), as nakamoto_T
    #[arg(long, value_name = "T,…", value_delimiter = ',', help_heading = "Metrics")]
    pub threshold: Vec<String>,

    /// Where to compute: auto, cpu, gpu, or part of an adapter's name. It changes no number
    #[arg(long, value_name = "DEVICE", default_value = "auto", help_heading = "Execution")]
    pub device: String,
    /// Fail where the device does, instead of computing on the CPU
    #[arg(long, help_heading = "Execution")]
    pub require_gpu: bool,
    /// Threads, all cores by default
    #[arg(short = 'j', long, value_name = "N", help_heading = "Execution")]
    pub threads: Option<std::num::NonZeroUsize>,
    /// Say on stderr what was computed where, and how long it took
    #[arg(long, help_heading = "Execution")]
    pub explain: bool,
}

/// `--owners`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OwnersArg {
    /// Each row is one holder
    Trust,
    /// Rows of one owner in a group are one holder
    Merge,
    /// An owner's second row in a group is an error
    Check,
}

/// `--negatives`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NegativesArg {
    /// A negative amount is an error
    Error,
    /// Negative amounts are dropped and counted
    Drop,
}
