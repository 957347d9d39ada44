//! The flags of `concentra generate`, as typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The flags that describe the rows of one snapshot; a scenario and a log have their own.
const ROWS: [&str; 13] = [
    "rows",
    "groups",
    "snapshots",
    "group_sizes",
    "order",
    "shape",
    "sigma",
    "alpha",
    "zeros",
    "decimals",
    "duplicate_owners",
    "no_owner",
    "encoding",
];
/// Those that describe its file.
const FILE: [&str; 2] = ["compression", "row_group_rows"];

/// Make seeded snapshots: any size, any shape, every encoding.
///
/// The same seed and flags give the same bytes on every machine.
#[derive(Debug, Clone, Args)]
pub struct GenerateArgs {
    /// The file to write; with --scenario and --transfers the folder, made if missing
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Replace what exists already
    #[arg(long)]
    pub overwrite: bool,
    /// Another seed gives other owners and amounts of the same shape
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write a small coherent set of files for examples instead of one snapshot
    #[arg(long, conflicts_with_all = ROWS, conflicts_with_all = FILE)]
    pub scenario: Option<Scenario>,
    /// Write a log of N transfers of three tokens, and the balances that they make, instead of one snapshot
    #[arg(long, value_name = "N", value_parser = parse_transfers, conflicts_with_all = ROWS, conflicts_with = "scenario")]
    pub transfers: Option<u64>,

    /// Rows in all: 1000000, 1_000_000 or 2e8
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "1e6", help_heading = "Size")]
    pub rows: u64,
    /// Groups in all: one token at one snapshot each
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "1", help_heading = "Size")]
    pub groups: u64,
    /// Spread the groups over this many weekly block numbers
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "1", help_heading = "Size")]
    pub snapshots: u64,
    /// How the rows are shared out among the groups
    #[arg(long, value_enum, default_value_t, help_heading = "Size")]
    pub group_sizes: GroupSizes,
    /// Where the rows of a group stand
    #[arg(long, value_enum, default_value_t, help_heading = "Size")]
    pub order: Order,

    /// The distribution of the amounts in a group
    #[arg(long, value_enum, default_value_t, help_heading = "Amounts")]
    pub shape: Shape,
    /// Spread of the lognormal body: its Gini is erf(sigma / 2)
    #[arg(long, value_name = "X", default_value_t = 2.0, help_heading = "Amounts")]
    pub sigma: f64,
    /// Index of the Pareto tail: its Gini is 1 / (2 alpha - 1)
    #[arg(long, value_name = "X", default_value_t = 1.3, help_heading = "Amounts")]
    pub alpha: f64,
    /// Share of zero amounts, as 0.02 or 2% [default: 2% if mixed, else 0]
    #[arg(long, value_name = "SHARE", value_parser = parse_share, help_heading = "Amounts")]
    pub zeros: Option<f64>,
    /// Decimals of the token [default: 18; u64 and i64: 6, as USDC; numeric: 9]
    ///
    /// Amounts stay below 9e12 tokens, so u64 and i64 hold at most 6 decimals, decimal128 25, all others 60.
    #[arg(long, value_name = "N", help_heading = "Amounts")]
    pub decimals: Option<u8>,

    /// Share of rows whose owner has a row already, in another letter case
    #[arg(long, value_name = "SHARE", value_parser = parse_share, default_value = "0", help_heading = "Owners")]
    pub duplicate_owners: f64,
    /// Leave the owner column out: a light file for benchmarks
    #[arg(long, help_heading = "Owners")]
    pub no_owner: bool,

    /// How the amounts are written
    #[arg(long, value_enum, default_value_t, help_heading = "File")]
    pub encoding: Encoding,
    /// Compression of the pages
    #[arg(long, value_enum, default_value_t, help_heading = "File")]
    pub compression: Codec,
    /// Rows in a row group
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "1_048_576", help_heading = "File")]
    pub row_group_rows: u64,
}

/// A ready-made set of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Two chains, three tokens, LPs, votes, transfers, labels and cohorts
    Defi,
}

/// How the rows are shared out among the groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum GroupSizes {
    /// All alike
    #[default]
    Even,
    /// The k-th group's size falls as 1/k: few huge ones, many small ones
    Zipf,
    /// One group has half of all rows, the others share the rest
    Huge,
}

/// Where the rows of a group stand in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Anywhere
    #[default]
    Shuffled,
    /// Side by side, amounts in no order
    Grouped,
    /// Side by side, the largest amount first
    Sorted,
}

/// The distribution of the amounts in a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// Lognormal body, Pareto tail, dust of a few wei, ties as of an airdrop
    #[default]
    Mixed,
    /// Lognormal, median 400 tokens
    Lognormal,
    /// Pareto from 100 tokens upwards
    Pareto,
    /// Everybody has 400 tokens
    Equal,
    /// 16 different amounts, powers of two
    Ties,
    /// Nearly everything below a million wei, 5 % half a lognormal
    Dust,
    /// Uniform up to 800 tokens
    Uniform,
}

/// How the amounts are written. All but `cryo` write `block_number`, `token`, `address` and `balance`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    /// cryo erc20_balances: binary addresses, balance as binary, text, double
    #[default]
    Cryo,
    /// 32 bytes, big-endian, variable-length binary
    Binary,
    /// 32 bytes, big-endian, binary view
    BinaryView,
    /// 32 bytes, big-endian, FixedSizeBinary(32)
    FixedBinary,
    /// 0x and up to 64 digits
    Hex,
    /// Integer text
    Text,
    /// Text with a point, in tokens, trailing zeros trimmed
    DecimalText,
    /// Integer text, 64-bit offsets
    LargeText,
    /// Integer text, string view
    TextView,
    /// Integer text, dictionary
    DictionaryText,
    /// Decimal128(38, 0)
    Decimal128,
    /// Decimal128(38, 9), in tokens, as BigQuery NUMERIC
    Numeric,
    /// Decimal256(76, 0)
    Decimal256,
    /// Unsigned 64-bit integer, token of 6 decimals
    U64,
    /// Signed 64-bit integer, token of 6 decimals
    I64,
    /// Double, in tokens
    F64,
}

/// Compression of the pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Codec {
    /// Zstandard
    #[default]
    Zstd,
    /// Snappy
    Snappy,
    /// LZ4, raw blocks, as cryo writes
    Lz4,
    /// None
    None,
}

/// A number of transfers: block numbers are 32-bit.
fn parse_transfers(text: &str) -> Result<u64, String> {
    let count = parse_count(text)?;
    if (1..=1 << 36).contains(&count) { Ok(count) } else { Err("is between 1 and 2^36".into()) }
}

/// `1000000`, `1_000_000` or `2e8`, exactly.
fn parse_count(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()),
        None => (digits.as_str(), Some(0)),
    };
    let count = mantissa.parse::<u64>().ok().zip(exponent.and_then(|e| 10u64.checked_pow(e)));
    count
        .and_then(|(m, power)| m.checked_mul(power))
        .ok_or_else(|| format!("`{text}` is not a count; write it as 1000000, 1_000_000 or 1e6"))
}

/// `0.02` or `2%`.
fn parse_share(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    match number.trim().parse::<f64>() {
        Ok(x) if (0.0..=unit).contains(&x) => Ok(x / unit),
        _ => Err(format!("`{text}` is not a share; write it as 0.02 or 2%")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_exactly() {
        assert_eq!(parse_count("2e8"), Ok(200_000_000));
        assert_eq!(parse_count("1_000_000"), Ok(1_000_000));
        assert_eq!(parse_count("0"), Ok(0));
        for bad in ["", "-1", "1.5e3", "1e40", "e5", "2e", "many"] {
            assert!(parse_count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shares_are_fractions_or_percentages() {
        assert_eq!(parse_share("2%"), Ok(0.02));
        assert_eq!(parse_share("0.5"), Ok(0.5));
        for bad in ["2", "101%", "-0.1", "NaN", ""] {
            assert!(parse_share(bad).is_err(), "{bad}");
        }
    }
}
