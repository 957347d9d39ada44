//! `--scenario defi`: twelve weeks of three tokens on two chains, small enough to read, coherent enough to
//! compare.
//!
//! The ledgers are simulated first; every file is a view of them, so that transfers fold to the snapshots,
//! the bridge holds what exists on the other chain and rewards are the transfers that paid them.

mod cast;
mod cndr;
mod dice;
mod files;
mod holders;
mod lark;
mod ledger;
mod liquidity;
mod lp_files;
mod mica;
mod votes;

use std::path::{Path, PathBuf};

use super::writer::{Layout, Writer, refuse_existing};
use crate::{Error, Result};
use cast::Cast;
use files::Table;

/// Mondays, one snapshot each.
const WEEKS: [&str; 12] = [
    "2025-01-06",
    "2025-01-13",
    "2025-01-20",
    "2025-01-27",
    "2025-02-03",
    "2025-02-10",
    "2025-02-17",
    "2025-02-24",
    "2025-03-03",
    "2025-03-10",
    "2025-03-17",
    "2025-03-24",
];
/// The first Monday, in days since 1970.
const FIRST_DAY: i32 = 20_094;
/// Ethereum's block at the first snapshot.
const FIRST_BLOCK: u32 = 21_564_000;
/// Ethereum's blocks in a week.
const BLOCKS_PER_WEEK: u32 = 50_400;
/// Ethereum's chain id.
const ETHEREUM: u64 = 1;
/// Base's chain id.
const BASE: u64 = 8453;

/// The block of a week's snapshot.
fn snapshot_block(week: usize) -> u32 {
    FIRST_BLOCK + week as u32 * BLOCKS_PER_WEEK
}

/// Writes the files into `folder` and returns their paths.
pub(super) fn write(folder: &Path, seed: u64, overwrite: bool) -> Result<Vec<PathBuf>> {
    let tables = tables(seed)?;
    let paths: Vec<_> = tables.iter().map(|table| folder.join(&table.path)).collect();
    // All of them before any: half a scenario helps nobody.
    for path in &paths {
        refuse_existing(path, overwrite)?;
    }
    for (table, path) in tables.iter().zip(&paths) {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|e| Error::io("make the folder", parent, e))?;
        }
        let mut writer = Writer::create(path, table.batch.schema(), Layout::sample(overwrite))?;
        writer.write(&table.batch)?;
        writer.finish()?;
    }
    Ok(paths)
}

fn tables(seed: u64) -> Result<Vec<Table>> {
    let cast = Cast::new(seed);
    let positions = liquidity::positions(&cast, seed);
    let lark = lark::simulate(&cast, &positions, seed);
    let cndr = cndr::simulate(&cast, seed);
    let mica = mica::simulate(&cast, seed);
    let mut tables = holders::lark(&cast, &lark)?;
    tables.extend(holders::cndr(&cast, &cndr)?);
    tables.push(holders::base(&cast, &mica, &lark)?);
    tables.extend(files::transfers(&cast, &lark, seed)?);
    tables.push(lp_files::positions(&cast, &positions, seed)?);
    tables.extend(lp_files::weekly(&cast, &lark)?);
    tables.push(files::shares()?);
    tables.push(votes::table(&cast, &lark, &cndr, seed)?);
    tables.push(files::labels(&cast)?);
    tables.push(files::cohorts(&cast)?);
    Ok(tables)
}
