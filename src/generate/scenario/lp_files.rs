//! The files of liquidity providers: positions with capital and rewards, and what was paid each week.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, UInt64Array};

use super::super::amount::write_integer;
use super::super::encoding::{decimal128, texts};
use super::WEEKS;
use super::cast::{Address, Cast};
use super::dice::Dice;
use super::files::{Table, constant, hex, text, wide};
use super::lark::EMISSION;
use super::ledger::{Ledger, split};
use super::liquidity::Position;
use crate::{Error, Result};

/// Dollars of a LARK's smallest unit, in millionths: 0.80 dollars a token.
const LARK_PER_MICRO_DOLLAR: u128 = 1_250_000_000_000;
/// Rewards of twelve weeks over the capital of a pool without LARK emissions.
const PROGRAMME: f64 = 0.05;

/// All positions at the last snapshot, in dollars of 6 decimals.
pub(super) fn positions(cast: &Cast, positions: &[Position], seed: u64) -> Result<Table> {
    let mut dice = Dice::new(seed, "position results");
    let rewards = rewards(cast, positions, &mut dice);
    let results: Vec<i128> = positions
        .iter()
        .zip(&rewards)
        .map(|(position, &reward)| {
            // Impermanent loss: many small positions lose more than they earn.
            let loss = position.capital as f64 * dice.lognormal(0.03, 0.8).min(0.6);
            reward as i128 - loss as i128
        })
        .collect();
    let pools = || positions.iter().map(|position| &cast.pools[position.pool]);
    Table::new(
        "lp/positions.parquet".into(),
        vec![
            ("pool", hex(pools().map(|pool| pool.address))),
            ("pool_name", text(pools().map(|pool| pool.name))),
            ("chain_id", Arc::new(UInt64Array::from_iter_values(pools().map(|pool| pool.chain)))),
            ("token_id", Arc::new(UInt64Array::from_iter_values(70_001..70_001 + positions.len() as u64))),
            ("provider", hex(positions.iter().map(|position| position.provider))),
            ("capital", decimal128(&wide(positions.iter().map(|position| position.capital)), 6)?),
            ("reward", decimal128(&wide(rewards), 6)?),
            ("pnl", signed(results)?),
        ],
    )
}

/// Emissions by weight and time, and fees by capital.
fn rewards(cast: &Cast, positions: &[Position], dice: &mut Dice) -> Vec<u128> {
    let mut rewards = Vec::new();
    for pool in 0..cast.pools.len() {
        let of_pool: Vec<_> = positions.iter().filter(|position| position.pool == pool).collect();
        let capital: u128 = of_pool.iter().map(|position| position.capital).sum();
        let total = match pool {
            0 => EMISSION / LARK_PER_MICRO_DOLLAR * WEEKS.len() as u128,
            _ => (capital as f64 * PROGRAMME) as u128,
        };
        let weeks = |position: &Position| (WEEKS.len() - position.since) as f64;
        let weights: Vec<_> = of_pool.iter().map(|position| position.weight * weeks(position)).collect();
        for (position, reward) in of_pool.iter().zip(split(total, &weights)) {
            let fees = position.capital as f64 * weeks(position) * dice.between(0.000_5, 0.001_5);
            rewards.push(reward + fees as u128);
        }
    }
    rewards
}

/// LARK paid to the providers of LARK/WETH, a file a week: its name is the snapshot.
pub(super) fn weekly(cast: &Cast, lark: &Ledger) -> Result<Vec<Table>> {
    let mut cumulative: BTreeMap<Address, u128> = BTreeMap::new();
    let mut tables = Vec::new();
    for (week, transfers) in WEEKS.into_iter().zip(&lark.transfers) {
        let paid: Vec<_> = transfers.iter().filter(|transfer| transfer.from == cast.rewards).collect();
        let so_far = wide(paid.iter().map(|transfer| {
            let sum = cumulative.entry(transfer.to).or_default();
            *sum += transfer.value;
            *sum
        }));
        tables.push(Table::new(
            format!("lp/weekly/{week}.parquet"),
            vec![
                ("campaign", constant(cast.pools[0].name, paid.len())),
                ("user", hex(paid.iter().map(|transfer| transfer.to))),
                ("reward", texts(&wide(paid.iter().map(|transfer| transfer.value)), write_integer)),
                ("cumulative_reward", texts(&so_far, write_integer)),
            ],
        )?);
    }
    Ok(tables)
}

fn signed(values: Vec<i128>) -> Result<ArrayRef> {
    let array = Decimal128Array::from(values).with_precision_and_scale(38, 6);
    Ok(Arc::new(array.map_err(Error::arrow("build the results"))?))
}
