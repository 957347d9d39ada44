//! Games of small weights: how many coalitions of each size have each weight (Brams & Affuso 1976; Matsui & Matsui 2000).
//!
//! A voter's swings are the coalitions of the others that weigh from `q − w` to `q − 1`. Those of the others follow from
//! those of all by taking the voter out again, `c' = c(s) − c'(s − w)`, which over ranges of weights is a short sum of
//! prefix sums with alternating signs.

use std::sync::{Mutex, PoisonError};

use num_bigint::BigUint;

use super::count::{Count, with_count};
use super::{Game, Swings};
use crate::numbers::wide::U320;

/// Tables of fewer bytes are made side by side.
const SMALL: u128 = 1 << 25;
static TURN: Mutex<()> = Mutex::new(());

/// Additions of words at most.
const WORK: u128 = 1 << 31;
/// Bytes of the table at most.
const BYTES: u128 = 1 << 28;

/// The swings by size, or of all sizes as one, where the table is not too large.
pub(crate) fn swings(game: &Game, by_size: bool) -> Option<Swings> {
    let n = game.weights.len();
    // A game and its dual, in which the others have to block, have the same swings.
    let dual = game.total - game.quota + U320::from(1u8);
    let quota = u32::try_from(game.quota.min(dual)).ok()?;
    // Of a cell, as wide as `with_count` makes it.
    let words = match n {
        0..=127 => 2,
        128..=255 => 4,
        256..=511 => 8,
        _ => 32,
    };
    let rows = if by_size { n as u128 + 1 } else { 1 };
    let cells = u128::from(quota) * rows;
    if cells * n as u128 * words / 4 > WORK || cells * words * 8 > BYTES {
        return None;
    }
    // One large table at a time: games are played on all threads.
    let turn = (cells * words * 8 > SMALL).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner));
    let swings = with_count!(n, count(game, quota as usize, by_size));
    drop(turn);
    swings
}

fn count<C: Count>(game: &Game, quota: usize, sized: bool) -> Option<Swings> {
    let n = game.weights.len();
    // Weights of the quota and more are the same.
    let weight =
        |i: usize| u32::try_from(game.weights[i]).map_or(quota, |weight| (weight as usize).min(quota));
    let mut table =
        if sized { table_by_size::<C>(&weight, n, quota) } else { table_of_all(&weight, n, quota) };
    // Of each row, those of at most each weight.
    for row in table.chunks_mut(quota) {
        let mut sum = C::default();
        for cell in row {
            sum = sum.add(*cell);
            *cell = sum;
        }
    }
    let row = if sized { quota } else { 0 };
    let below =
        |size: usize, weight: usize| if weight == 0 { C::default() } else { table[size * row + weight - 1] };
    let sizes = if sized { 0..=n } else { 0..=0 };
    let losing: BigUint = sizes.map(|size| below(size, quota).big()).sum();
    let mut by_size: Vec<Vec<BigUint>> = Vec::with_capacity(n);
    for i in 0..n {
        // The last one of the same weight has the same.
        if i > 0 && game.weights[i] == game.weights[i - 1] {
            by_size.push(by_size[i - 1].clone());
            continue;
        }
        let weight = weight(i);
        let swings = |size: usize| {
            let (mut sum, mut end) = (C::default(), quota);
            for taken in 0.. {
                let Some(left) = (if sized { size.checked_sub(taken) } else { Some(0) }) else { break };
                let start = end.saturating_sub(weight);
                let range = below(left, end).sub(below(left, start));
                sum = if taken % 2 == 0 { sum.add(range) } else { sum.sub(range) };
                if start == 0 {
                    break;
                }
                end = start;
            }
            sum.big()
        };
        by_size.push((0..if sized { n } else { 1 }).map(swings).collect());
    }
    // What loses the dual wins the game.
    let is_dual = U320::from(quota) != game.quota;
    let winning = if is_dual { losing } else { (BigUint::from(1u8) << n) - losing };
    if is_dual {
        // The dual's swings are the game's with everybody else on the other side.
        by_size.iter_mut().for_each(|by_size| by_size.reverse());
    }
    Some(Swings { players: n, winning, by_size })
}

/// Coalitions of each weight below the quota, a row for each size.
fn table_by_size<C: Count>(weight: &impl Fn(usize) -> usize, n: usize, quota: usize) -> Vec<C> {
    let mut table = vec![C::default(); (n + 1) * quota];
    table[0] = C::ONE;
    // The lightest first: coalitions of so many of the first voters weigh no more than the last of them, and no less
    // than the first, and nothing else is looked at.
    let mut sums = vec![0];
    for (added, i) in (0..n).rev().enumerate() {
        let weight = weight(i);
        for size in (0..=added).rev() {
            let (low, high) = (sums[size], sums[added] - sums[added - size]);
            let end = (high + 1).min(quota.saturating_sub(weight));
            if low >= end {
                continue;
            }
            let (lower, upper) = table.split_at_mut((size + 1) * quota);
            let from = &lower[size * quota + low..size * quota + end];
            let to = &mut upper[low + weight..end + weight];
            for (to, &from) in to.iter_mut().zip(from) {
                *to = to.add(from);
            }
        }
        sums.push(sums[added] + weight);
    }
    table
}

/// The same of all sizes in one row.
fn table_of_all<C: Count>(weight: &impl Fn(usize) -> usize, n: usize, quota: usize) -> Vec<C> {
    let mut table = vec![C::default(); quota];
    table[0] = C::ONE;
    let mut heaviest = 0;
    for i in (0..n).rev() {
        let weight = weight(i);
        for at in (0..(heaviest + 1).min(quota.saturating_sub(weight))).rev() {
            table[at + weight] = table[at + weight].add(table[at]);
        }
        heaviest += weight;
    }
    table
}
