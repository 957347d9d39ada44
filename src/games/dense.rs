//! Games of small weights: how many coalitions of each size have each weight (Brams & Affuso 1976; Matsui & Matsui 2000).
//!
//! A voter's swings are the coalitions of the others that weigh from `q − w` to `q − 1`. Those of the others follow from
//! those of all by taking the voter out again, `c' = c(s) − c'(s − w)`, which over ranges of weights is a short sum of
//! prefix sums with alternating signs.

use num_bigint::BigUint;

use super::count::{Count, with_count};
use super::{Game, Swings};
use crate::numbers::wide::U320;

/// Additions of words at most.
const WORK: u128 = 1 << 31;
/// Bytes of the table at most.
const BYTES: u128 = 1 << 28;

/// The swings, where the table is not too large.
pub(crate) fn swings(game: &Game) -> Option<Swings> {
    let n = game.weights.len();
    // A game and its dual, in which the others have to block, have the same swings.
    let dual = game.total - game.quota + U320::from(1u8);
    let quota = u32::try_from(game.quota.min(dual)).ok()?;
    let words = (n as u128).div_ceil(64).max(2);
    let cells = u128::from(quota) * (n as u128 + 1);
    if cells * n as u128 * words / 2 > WORK || cells * words * 8 > BYTES {
        return None;
    }
    with_count!(n, count(game, quota as usize))
}

fn count<C: Count>(game: &Game, quota: usize) -> Option<Swings> {
    let n = game.weights.len();
    // Weights of the quota and more are the same.
    let weight =
        |i: usize| u32::try_from(game.weights[i]).map_or(quota, |weight| (weight as usize).min(quota));
    // By size, coalitions of each weight below the quota.
    let mut table = vec![C::default(); (n + 1) * quota];
    table[0] = C::ONE;
    for i in 0..n {
        let weight = weight(i);
        for size in (0..=i).rev() {
            let (lower, upper) = table.split_at_mut((size + 1) * quota);
            let (from, to) = (&lower[size * quota..], &mut upper[..quota]);
            for (to, &from) in to[weight..].iter_mut().zip(from) {
                *to = to.add(from);
            }
        }
    }
    // Of each size, those of at most each weight.
    for row in table.chunks_mut(quota) {
        let mut sum = C::default();
        for cell in row {
            sum = sum.add(*cell);
            *cell = sum;
        }
    }
    let below = |size: usize, weight: usize| {
        if weight == 0 { C::default() } else { table[size * quota + weight - 1] }
    };
    let losing: BigUint = (0..=n).map(|size| below(size, quota).big()).sum();
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
            for taken in 0..=size {
                let start = end.saturating_sub(weight);
                let range = below(size - taken, end).sub(below(size - taken, start));
                sum = if taken % 2 == 0 { sum.add(range) } else { sum.sub(range) };
                if start == 0 {
                    break;
                }
                end = start;
            }
            sum.big()
        };
        by_size.push((0..n).map(swings).collect());
    }
    // What loses the dual wins the game.
    let winning = if U320::from(quota) == game.quota { (BigUint::from(1u8) << n) - losing } else { losing };
    if U320::from(quota) != game.quota {
        // The dual's swings are the game's with everybody else on the other side.
        by_size.iter_mut().for_each(|by_size| by_size.reverse());
    }
    Some(Swings { players: n, winning, by_size })
}
