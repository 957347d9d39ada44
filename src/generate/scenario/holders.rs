//! Weekly holder snapshots in three encodings and three layouts: a cryo file a block, Hive folders, one long
//! table.

use std::sync::Arc;

use arrow::array::{Date32Array, Float64Array, Int32Array, UInt32Array, UInt64Array};

use super::super::amount::{to_tokens, write_tokens};
use super::super::encoding::{cryo_columns, decimal128};
use super::super::rows::binaries;
use super::cast::{Address, Cast};
use super::files::{Table, constant, hex, text, wide};
use super::ledger::{Balances, Ledger};
use super::{ETHEREUM, FIRST_DAY, WEEKS, snapshot_block};
use crate::Result;

/// LARK as cryo's `erc20_balances`, a file a snapshot.
pub(super) fn lark(cast: &Cast, ledger: &Ledger) -> Result<Vec<Table>> {
    let file = |(week, balances): (usize, &Balances)| {
        let (block, n) = (snapshot_block(week), balances.len());
        let [binary, string, double] = cryo_columns(&wide(balances.values().copied()));
        Table::new(
            format!("holders/lark/ethereum__erc20_balances__{block}.parquet"),
            vec![
                ("block_number", Arc::new(UInt32Array::from_value(block, n))),
                ("erc20", binaries(balances.keys().map(|_| cast.lark))),
                ("address", binaries(balances.keys().copied())),
                ("balance_binary", binary),
                ("balance_string", string),
                ("balance_f64", double),
                ("chain_id", Arc::new(UInt64Array::from_value(ETHEREUM, n))),
            ],
        )
    };
    ledger.weeks.iter().enumerate().map(file).collect()
}

/// CNDR as a BigQuery export, a Hive folder a week.
pub(super) fn cndr(cast: &Cast, ledger: &Ledger) -> Result<Vec<Table>> {
    let file = |(week, balances): (&str, &Balances)| {
        Table::new(
            format!("holders/cndr/week={week}/balances.parquet"),
            vec![
                ("token_address", hex(balances.keys().map(|_| cast.cndr))),
                ("address", hex(balances.keys().copied())),
                ("balance", decimal128(&wide(balances.values().copied()), 0)?),
            ],
        )
    };
    WEEKS.into_iter().zip(&ledger.weeks).map(file).collect()
}

/// One row of the table of Base.
struct Row {
    day: i32,
    token: Address,
    owner: Address,
    balance: u128,
    decimals: u8,
}

/// MICA, and LARK as bridged to Base, as Allium's `fungible_balances_daily` in one file.
pub(super) fn base(cast: &Cast, mica: &Ledger, lark: &Ledger) -> Result<Table> {
    let mut rows = Vec::new();
    let mut bridged = Balances::new();
    for week in 0..WEEKS.len() {
        // Nobody comes back in these weeks: what went into the escrow is what exists on the other side.
        for transfer in lark.transfers[week].iter().filter(|transfer| transfer.to == cast.bridge) {
            *bridged.entry(transfer.from).or_default() += transfer.value;
        }
        let day = FIRST_DAY + 7 * week as i32;
        for (token, decimals, balances) in [(cast.mica, 6, &mica.weeks[week]), (cast.lark, 18, &bridged)] {
            let row = |(&owner, &balance)| Row { day, token, owner, balance, decimals };
            rows.extend(balances.iter().map(row));
        }
    }
    let amounts = wide(rows.iter().map(|row| row.balance));
    let doubles = rows.iter().zip(&amounts).map(|(row, amount)| to_tokens(amount, row.decimals));
    let strings = rows.iter().zip(&amounts).map(|(row, amount)| {
        let mut text = String::new();
        write_tokens(&mut text, amount, row.decimals);
        text
    });
    Table::new(
        "holders/base.parquet".into(),
        vec![
            ("date", Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.day)))),
            ("chain", constant("base", rows.len())),
            ("token_address", hex(rows.iter().map(|row| row.token))),
            ("address", hex(rows.iter().map(|row| row.owner))),
            ("balance_str", text(strings)),
            ("balance", Arc::new(Float64Array::from_iter_values(doubles))),
            (
                "token_decimals",
                Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.decimals.into()))),
            ),
        ],
    )
}
