//! Columns shared by the files, and the files that are not holders: transfers, labels, cohorts.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, ListBuilder, RecordBatch, StringArray, StringBuilder, UInt32Array, UInt64Array,
};
use ruint::aliases::U256;

use super::super::encoding::cryo_columns;
use super::super::random::Stream;
use super::super::rows::{binaries, write_address};
use super::cast::{Address, Cast};
use super::ledger::{Ledger, Transfer};
use super::{ETHEREUM, snapshot_block};
use crate::{Error, Result};

/// A file of the scenario.
pub(super) struct Table {
    /// Within the folder.
    pub(super) path: String,
    pub(super) batch: RecordBatch,
}

impl Table {
    /// Columns in order, all nullable as producers declare them.
    pub(super) fn new(path: String, columns: Vec<(&str, ArrayRef)>) -> Result<Self> {
        let columns = columns.into_iter().map(|(name, column)| (name, column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns);
        Ok(Self { path, batch: batch.map_err(Error::arrow("build a table of the scenario"))? })
    }
}

/// Amounts as wide integers.
pub(super) fn wide(amounts: impl IntoIterator<Item = u128>) -> Vec<U256> {
    amounts.into_iter().map(U256::from).collect()
}

/// Text.
pub(super) fn text<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// Lower-case hexadecimal addresses.
pub(super) fn hex(addresses: impl IntoIterator<Item = Address>) -> ArrayRef {
    text(addresses.into_iter().map(|address| {
        let mut text = String::new();
        write_address(&mut text, &address, 0);
        text
    }))
}

/// The same text in every row.
pub(super) fn constant(value: &str, rows: usize) -> ArrayRef {
    text(std::iter::repeat_n(value, rows))
}

/// cryo's `erc20_transfers` of LARK, four weeks a file.
pub(super) fn transfers(cast: &Cast, lark: &Ledger, seed: u64) -> Result<Vec<Table>> {
    let hashes = Stream::new(seed, "transaction hash");
    let mut number = 0;
    let file = |(index, weeks): (usize, &[Vec<Transfer>])| {
        let rows = weeks.concat();
        let n = rows.len();
        let numbers = number..number + n as u64;
        number += n as u64;
        let (first, last) = (snapshot_block(4 * index), snapshot_block(4 * index + weeks.len() - 1));
        let first = first - super::BLOCKS_PER_WEEK;
        let indices = |bound| {
            let draw = move |number| hashes.nth(bound).below(number, bound) as u32;
            Arc::new(UInt32Array::from_iter_values(numbers.clone().map(draw)))
        };
        let [binary, string, double] = cryo_columns(&wide(rows.iter().map(|row| row.value)));
        Table::new(
            format!("transfers/ethereum__erc20_transfers__{first}_to_{}.parquet", last - 1),
            vec![
                ("block_number", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.block)))),
                ("transaction_index", indices(180)),
                ("log_index", indices(400)),
                ("transaction_hash", binaries::<32>(numbers.clone().map(|number| hashes.bytes(number)))),
                ("erc20", binaries(rows.iter().map(|_| cast.lark))),
                ("from_address", binaries(rows.iter().map(|row| row.from))),
                ("to_address", binaries(rows.iter().map(|row| row.to))),
                ("value_binary", binary),
                ("value_string", string),
                ("value_f64", double),
                ("chain_id", Arc::new(UInt64Array::from_value(ETHEREUM, n))),
            ],
        )
    };
    lark.transfers.chunks(4).enumerate().map(file).collect()
}

/// What block explorers know: entities with several wallets, contracts, tags.
pub(super) fn labels(cast: &Cast) -> Result<Table> {
    let actors = &cast.actors;
    let known = |value: &'_ str| Some(value.to_owned()).filter(|value| !value.is_empty());
    let mut tags = ListBuilder::new(StringBuilder::new());
    for actor in actors {
        actor.labels.iter().for_each(|label| tags.values().append_value(label));
        tags.append(true);
    }
    Table::new(
        "labels.parquet".into(),
        vec![
            ("address", hex(actors.iter().map(|actor| actor.address))),
            ("entity", Arc::new(actors.iter().map(|actor| known(actor.entity)).collect::<StringArray>())),
            ("name", Arc::new(actors.iter().map(|actor| known(&actor.name)).collect::<StringArray>())),
            ("labels", Arc::new(tags.finish())),
            (
                "is_contract",
                Arc::new(actors.iter().map(|actor| Some(actor.is_contract)).collect::<BooleanArray>()),
            ),
        ],
    )
}

/// A governance token of which a pool and a vault hold most, the pool's shares, of which the vault holds half, and
/// the vault's shares: who really holds the token is only seen through both.
pub(super) fn shares() -> Result<Table> {
    let address = |begins: &str| format!("0x{begins:0<40}");
    let [token, pool, vault] = ["600d", "9001", "7a17"].map(address);
    let [ann, bob, cid] = ["a1", "b2", "c3"].map(address);
    let rows = [
        (&token, &pool, 600_000u64),
        (&token, &vault, 300_000),
        (&token, &ann, 100_000),
        (&pool, &vault, 50_000),
        (&pool, &ann, 25_000),
        (&pool, &bob, 25_000),
        (&vault, &bob, 9_000),
        (&vault, &cid, 1_000),
    ];
    Table::new(
        "lp/shares.parquet".into(),
        vec![
            ("date", constant(super::WEEKS[11], rows.len())),
            ("token", text(rows.iter().map(|row| row.0))),
            ("address", text(rows.iter().map(|row| row.1))),
            ("balance", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.2)))),
        ],
    )
}

/// One cohort an address, the community included.
pub(super) fn cohorts(cast: &Cast) -> Result<Table> {
    let mut cohorts: BTreeMap<Address, &str> =
        cast.retail.iter().map(|&address| (address, "community")).collect();
    cohorts.extend(cast.actors.iter().map(|actor| (actor.address, actor.cohort)));
    Table::new(
        "cohorts.parquet".into(),
        vec![("address", hex(cohorts.keys().copied())), ("cohort", text(cohorts.values()))],
    )
}
