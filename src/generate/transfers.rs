//! `--transfers N`: a log of transfers in cryo's columns, and the balances that it makes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array};
use ruint::aliases::U256;

use super::encoding::cryo_columns;
use super::random::Stream;
use super::rows::binaries;
use super::writer::{Layout, Writer, refuse_existing};
use crate::progress::Progress;
use crate::{Error, Result};

/// Files of the log, and snapshots of the balances.
const PARTS: u64 = 4;
/// Transfers of a block.
const IN_BLOCK: u64 = 150;
const FIRST_BLOCK: u64 = 20_000_000;
const BATCH_ROWS: usize = 1 << 16;
/// Of the tokens: how many bits their supply has, and which share of transfers is theirs, in 256ths. One is beyond 128
/// bits, as tokens are that take a cut of every transfer.
const TOKENS: [(usize, u64); 3] = [(90, 150), (205, 60), (52, 46)];

/// A transfer; addresses by their numbers, none for the zero address.
struct Transfer {
    block: u64,
    token: usize,
    from: Option<usize>,
    to: Option<usize>,
    amount: U256,
}

/// Who has what.
struct Ledger {
    stream: Stream,
    /// By token and holder.
    balances: [Vec<U256>; TOKENS.len()],
    tokens: [[u8; 20]; TOKENS.len()],
    holders: Vec<[u8; 20]>,
}

impl Ledger {
    fn new(seed: u64, transfers: u64) -> Self {
        let holders = usize::try_from(transfers / 10).unwrap_or(usize::MAX).max(16);
        let (addresses, tokens) = (Stream::new(seed, "holders"), Stream::new(seed, "tokens"));
        Self {
            stream: Stream::new(seed, "transfers"),
            balances: TOKENS.map(|_| vec![U256::ZERO; holders]),
            tokens: std::array::from_fn(|token| tokens.bytes(token as u64)),
            holders: (0..holders as u64).map(|holder| addresses.bytes(holder)).collect(),
        }
    }

    /// Makes the transfer of this number and books it.
    fn next(&mut self, number: u64) -> Transfer {
        let draw = self.stream.nth(number);
        let share = draw.below(0, 256);
        let upto = |token: usize| TOKENS[..=token].iter().map(|(_, share)| share).sum::<u64>();
        let token = (0..TOKENS.len()).find(|&token| share < upto(token)).unwrap_or(0);
        // Few take part in most transfers, as exchanges and pools do.
        let anybody = |index: u64| {
            let place = draw.unit(index);
            (self.holders.len() as f64 * place * place * place) as usize
        };
        let balances = &mut self.balances[token];
        let mut tried = (10..14).map(anybody);
        let sender = tried.find(|&holder| !balances[holder].is_zero()).filter(|_| draw.below(1, 100) >= 3);
        let recipient = (draw.below(2, 100) > 0 || sender.is_none()).then(|| anybody(3));
        let amount = match sender {
            None => {
                U256::from_limbs(std::array::from_fn(|limb| draw.bits(20 + limb as u64)))
                    >> (256 - TOKENS[token].0)
            }
            Some(_) if draw.below(4, 50) == 0 => U256::ZERO,
            Some(holder) if draw.below(5, 8) == 0 => balances[holder],
            Some(holder) => balances[holder] / U256::from(2 + draw.below(6, 1000)),
        };
        if let Some(holder) = sender {
            balances[holder] -= amount;
        }
        if let Some(holder) = recipient {
            balances[holder] += amount;
        }
        Transfer { block: block_of(number), token, from: sender, to: recipient, amount }
    }

    fn address(&self, holder: Option<usize>) -> [u8; 20] {
        holder.map_or([0; 20], |holder| self.holders[holder])
    }

    fn batch(&self, first: u64, rows: &[Transfer]) -> Result<RecordBatch> {
        let amounts: Vec<U256> = rows.iter().map(|row| row.amount).collect();
        let [binary, string, double] = cryo_columns(&amounts);
        let index = (first..).take(rows.len()).map(|number| (number % IN_BLOCK) as u32);
        let chain = UInt64Array::from_value(1, rows.len());
        table(vec![
            (
                "block_number",
                Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.block as u32))),
            ),
            ("log_index", Arc::new(UInt32Array::from_iter_values(index))),
            ("erc20", binaries(rows.iter().map(|row| self.tokens[row.token]))),
            ("from_address", binaries(rows.iter().map(|row| self.address(row.from)))),
            ("to_address", binaries(rows.iter().map(|row| self.address(row.to)))),
            ("value_binary", binary),
            ("value_string", string),
            ("value_f64", double),
            ("chain_id", Arc::new(chain)),
        ])
    }

    /// Everybody's balances, those of nothing too.
    fn snapshot(&self, block: u64) -> Result<RecordBatch> {
        let all =
            || (0..TOKENS.len()).flat_map(|token| (0..self.holders.len()).map(move |holder| (token, holder)));
        let amounts: Vec<U256> = all().map(|(token, holder)| self.balances[token][holder]).collect();
        let [binary, string, double] = cryo_columns(&amounts);
        table(vec![
            ("block_number", Arc::new(UInt32Array::from_value(block as u32, amounts.len()))),
            ("erc20", binaries(all().map(|(token, _)| self.tokens[token]))),
            ("address", binaries(all().map(|(_, holder)| self.holders[holder]))),
            ("balance_binary", binary),
            ("balance_string", string),
            ("balance_f64", double),
            ("chain_id", Arc::new(UInt64Array::from_value(1, amounts.len()))),
        ])
    }
}

fn block_of(number: u64) -> u64 {
    FIRST_BLOCK + number / IN_BLOCK
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).map_err(Error::arrow("build a part of the log"))
}

/// Writes the log and the balances into `folder` and returns the paths.
pub(super) fn write(
    folder: &Path,
    transfers: u64,
    seed: u64,
    layout: Layout,
    interrupted: &dyn Fn() -> bool,
    progress: &Progress,
) -> Result<Vec<PathBuf>> {
    // Parts end with a block.
    let end = |part: u64| match part {
        PARTS => transfers,
        part => (transfers / PARTS * part) / IN_BLOCK * IN_BLOCK,
    };
    let paths = |part: u64| {
        let (first, after) = (block_of(end(part)), block_of(end(part + 1).max(1) - 1) + 1);
        let log = format!("transfers/ethereum__erc20_transfers__{first}_to_{}.parquet", after - 1);
        let balances = format!("balances/ethereum__erc20_balances__{after}.parquet");
        (folder.join(log), folder.join(balances), after)
    };
    // Small logs have fewer parts.
    let parts: Vec<u64> = (0..PARTS).filter(|&part| end(part + 1) > end(part)).collect();
    for &part in &parts {
        let (log, balances, _) = paths(part);
        refuse_existing(&log, layout.overwrite)?;
        refuse_existing(&balances, layout.overwrite)?;
    }
    for name in ["transfers", "balances"] {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("make the folder", &folder, e))?;
    }
    progress.start("generating", transfers);
    let (mut ledger, mut written) = (Ledger::new(seed, transfers), vec![]);
    for part in parts {
        let (log, balances, after) = paths(part);
        let mut writer = Writer::create(&log, ledger.batch(0, &[])?.schema(), layout)?;
        for first in (end(part)..end(part + 1)).step_by(BATCH_ROWS) {
            if interrupted() {
                return Err(Error::Interrupted);
            }
            let numbers = first..end(part + 1).min(first + BATCH_ROWS as u64);
            let rows: Vec<Transfer> = numbers.map(|number| ledger.next(number)).collect();
            writer.write(&ledger.batch(first, &rows)?)?;
            progress.add(rows.len() as u64);
        }
        written.push(writer.finish()?);
        let table = ledger.snapshot(after)?;
        let mut writer = Writer::create(&balances, table.schema(), layout)?;
        writer.write(&table)?;
        written.push(writer.finish()?);
    }
    Ok(written)
}
