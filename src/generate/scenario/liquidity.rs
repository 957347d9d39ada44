//! Liquidity positions: capital follows a Pareto law, and rewards grow faster than capital.

use super::cast::{Address, Cast};
use super::dice::Dice;

/// Rewards go by capital to this power: large providers hold narrow ranges and move them in time.
const ADVANTAGE: f64 = 1.15;
/// Positions of each pool.
const PER_POOL: [usize; 4] = [60, 50, 70, 30];

/// One position.
pub(super) struct Position {
    /// Index of the pool.
    pub(super) pool: usize,
    pub(super) provider: Address,
    /// The first week with rewards: the large ones were there from the start.
    pub(super) since: usize,
    /// In millionths of a dollar; 0 where the position was closed.
    pub(super) capital: u128,
    /// What its rewards are in proportion to.
    pub(super) weight: f64,
}

/// All positions, pool by pool.
pub(super) fn positions(cast: &Cast, seed: u64) -> Vec<Position> {
    let mut dice = Dice::new(seed, "liquidity");
    let mut positions = Vec::new();
    for (pool, &count) in PER_POOL.iter().enumerate() {
        let large = [cast.investors[0], cast.whales[0], cast.whales[1 + pool], cast.treasury];
        for index in 0..count {
            let (provider, dollars) = match large.get(index) {
                Some(&provider) => (provider, dice.between(250_000.0, 900_000.0)),
                // The last ones repeat an owner: one provider, several ranges.
                None if index + 6 > count => (large[index % 2], dice.between(20_000.0, 60_000.0)),
                None => (cast.someone(&mut dice), 500.0 * dice.pareto(0.9).min(400.0)),
            };
            // A few took their capital out and still have rewards to claim.
            let closed = index == 20;
            let capital = if closed { 0 } else { dice.raw(dollars, 6) };
            let weight = libm::pow(if closed { 50.0 } else { dollars }, ADVANTAGE);
            let late = index >= large.len() && dice.chance(0.5);
            let since = if late { dice.between(1.0, 9.0) as usize } else { 0 };
            positions.push(Position { pool, provider, since, capital, weight });
        }
    }
    positions
}
