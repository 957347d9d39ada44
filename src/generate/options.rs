//! The flags of `concentra generate`, as meant: checked against each other.

use std::path::PathBuf;

use super::args::{Codec, Encoding, GenerateArgs, GroupSizes, Order, Shape};
use super::writer::Layout;
use crate::{Error, Result};

/// More rows than any chain has holders; keeps every product of two counts within 128 bits.
const MAX_ROWS: u64 = 1 << 40;
/// One `u64` a group is kept in memory.
const MAX_GROUPS: u64 = 1 << 27;
/// Block numbers are 32-bit and a week apart.
const MAX_SNAPSHOTS: u64 = 50_000;

/// One snapshot file, validated.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) output: PathBuf,
    pub(super) seed: u64,
    pub(super) rows: u64,
    pub(super) groups: u64,
    pub(super) snapshots: u64,
    pub(super) group_sizes: GroupSizes,
    pub(super) order: Order,
    pub(super) shape: Shape,
    pub(super) sigma: f64,
    pub(super) alpha: f64,
    pub(super) zeros: f64,
    pub(super) decimals: u8,
    pub(super) duplicate_owners: f64,
    pub(super) owners: bool,
    pub(super) encoding: Encoding,
    pub(super) layout: Layout,
}

impl Options {
    /// Checks what was typed and fills in what depends on something else.
    pub(super) fn new(args: &GenerateArgs) -> Result<Self> {
        check("--rows", args.rows <= MAX_ROWS, "is at most 2^40")?;
        check("--groups", (1..=MAX_GROUPS).contains(&args.groups), "is between 1 and 2^27")?;
        let fits = args.rows == 0 || args.groups <= args.rows;
        check("--groups", fits, "cannot exceed --rows: each group has at least one row")?;
        check("--snapshots", (1..=MAX_SNAPSHOTS).contains(&args.snapshots), "is between 1 and 50000")?;
        let divides = args.groups.is_multiple_of(args.snapshots);
        check("--snapshots", divides, "must divide --groups: every token is in every snapshot")?;
        check("--sigma", (0.0..=10.0).contains(&args.sigma), "is between 0 and 10")?;
        check("--alpha", (0.1..=100.0).contains(&args.alpha), "is between 0.1 and 100")?;
        let default_zeros = if args.shape == Shape::Mixed { 0.02 } else { 0.0 };
        let zeros = args.zeros.unwrap_or(default_zeros);
        check("--zeros", (0.0..=1.0).contains(&zeros), "is a share between 0 and 1")?;
        let duplicates = args.duplicate_owners;
        check("--duplicate-owners", (0.0..=1.0).contains(&duplicates), "is a share between 0 and 1")?;
        let owners = !args.no_owner;
        check("--no-owner", owners || duplicates == 0.0, "leaves nothing for --duplicate-owners")?;
        let cryo = args.encoding == Encoding::Cryo;
        check("--no-owner", owners || !cryo, "needs another --encoding: cryo files have owners")?;
        Ok(Self {
            output: output(args)?,
            seed: args.seed,
            rows: args.rows,
            groups: args.groups,
            snapshots: args.snapshots,
            group_sizes: args.group_sizes,
            order: args.order,
            shape: args.shape,
            sigma: args.sigma,
            alpha: args.alpha,
            zeros,
            decimals: decimals(args)?,
            duplicate_owners: duplicates,
            owners,
            encoding: args.encoding,
            layout: layout(args)?,
        })
    }
}

/// Where to write, which has no default: a generator should not surprise a folder.
pub(super) fn output(args: &GenerateArgs) -> Result<PathBuf> {
    let missing = || Error::Usage("say where to write: -o PATH".into());
    args.output.clone().filter(|path| !path.as_os_str().is_empty()).ok_or_else(missing)
}

/// How files are laid out.
pub(super) fn layout(args: &GenerateArgs) -> Result<Layout> {
    check("--row-group-rows", args.row_group_rows >= 1, "is at least 1")?;
    Ok(Layout {
        compression: args.compression,
        zstd_level: 3,
        row_group_rows: usize::try_from(args.row_group_rows).unwrap_or(usize::MAX),
        overwrite: args.overwrite,
    })
}

fn decimals(args: &GenerateArgs) -> Result<u8> {
    let (default, max) = match args.encoding {
        Encoding::U64 | Encoding::I64 => (6, 6),
        Encoding::Numeric => (9, 9),
        Encoding::Decimal128 => (18, 25),
        _ => (18, 60),
    };
    let decimals = args.decimals.unwrap_or(default);
    if args.encoding == Encoding::Numeric && decimals != 9 {
        return Err(Error::Usage("--encoding numeric has 9 decimals; leave --decimals out".into()));
    }
    if decimals > max {
        return Err(Error::Usage(format!(
            "--decimals {decimals} is more than this --encoding can hold: at most {max}"
        )));
    }
    Ok(decimals)
}

fn check(flag: &str, holds: bool, rule: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Usage(format!("{flag} {rule}"))) }
}

impl Layout {
    /// Small files for people to look at: better compressed, in one row group. Levels 5 to 12 of zstd are
    /// avoided, as its row-based match finder may depend on the processor.
    pub(super) fn sample(overwrite: bool) -> Self {
        Self { compression: Codec::Zstd, zstd_level: 15, row_group_rows: 1 << 20, overwrite }
    }
}
