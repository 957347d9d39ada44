//! Weighted voting games: who can decide, exactly where that can be found out, and by samples elsewhere.
//!
//! A coalition wins if its weight is at least the quota. `banzhaf`: the share of the coalitions of the others that a voter
//! turns (Banzhaf 1965; Penrose 1946, doi:10.2307/2981392). `shapley_shubik`: the share of all orders in which a voter is
//! the one who turns (Shapley & Shubik 1954, doi:10.2307/1951053).

use num_bigint::BigUint;
use ruint::aliases::U256;

use crate::numbers::unit::quotient;
use crate::numbers::wide::U320;

pub mod count;
pub mod dense;
pub mod diagram;
pub mod philox;
pub mod sample;

/// A game `[quota; weights]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Game {
    /// Descending, above zero, without a common divisor.
    pub weights: Vec<U256>,
    /// Above zero, in the same unit.
    pub quota: U320,
    /// Of all weights.
    pub total: U320,
}

/// What one voter can do.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Power {
    /// Absolute.
    pub banzhaf: f64,
    /// Of all voters together; none where nobody turns anything.
    pub banzhaf_normalized: Option<f64>,
    /// See above; 0 where it was not asked for.
    pub shapley_shubik: f64,
}

/// The indices of all voters, in the order of the game.
#[derive(Debug, Clone, PartialEq)]
pub struct Indices {
    /// Of each voter.
    pub powers: Vec<Power>,
    /// The share of all coalitions that win.
    pub power_to_act: f64,
}

/// Swings of each distinct weight, as integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Swings {
    /// Voters that count: the others turn nothing.
    pub(crate) players: usize,
    /// Winning coalitions of these.
    pub(crate) winning: BigUint,
    /// Of each player: by the size of the coalitions of the other players that it turns, or all sizes as one.
    pub(crate) by_size: Vec<Vec<BigUint>>,
}

impl Game {
    /// Of weights above zero, in descending order, and a quota above zero.
    pub fn new(weights: &[U256], quota: &U320) -> Self {
        let divisor = weights.iter().fold(U256::ZERO, |divisor, &weight| divisor.gcd(weight));
        let divisor = if divisor.is_zero() { U256::from(1u8) } else { divisor };
        let weights: Vec<U256> = weights.iter().map(|&weight| weight / divisor).collect();
        let total = weights.iter().fold(U320::ZERO, |sum, &weight| sum + U320::from(weight));
        // Sums are multiples of the divisor: the next one decides.
        // Whatever nobody reaches is the same.
        let quota = quota.div_ceil(U320::from(divisor)).min(total + U320::from(1u8));
        Self { weights, quota, total }
    }

    /// Weights and quota as 128 bits, where all sums of them fit.
    pub(crate) fn narrow(&self) -> Option<(Vec<u128>, u128)> {
        let word = |limbs: &[u64]| u128::from(limbs[0]) | u128::from(limbs[1]) << 64;
        let weights = || self.weights.iter().map(|weight| word(weight.as_limbs())).collect();
        (self.total.bit_len() < 127).then(|| (weights(), word(self.quota.as_limbs())))
    }

    /// The smallest number of voters who can win; none where all together cannot.
    pub fn min_coalition(&self) -> Option<u64> {
        let mut sum = U320::ZERO;
        let reached = self.weights.iter().position(|&weight| {
            sum += U320::from(weight);
            sum >= self.quota
        });
        reached.map(|at| at as u64 + 1)
    }

    /// How many can keep all others from winning.
    pub fn vetoes(&self) -> usize {
        let holds = |weight: &U256| self.total >= self.quota && self.total - U320::from(*weight) < self.quota;
        self.weights.partition_point(holds)
    }

    /// Whether the first voter alone wins, and nobody does without it.
    pub fn has_dictator(&self) -> bool {
        self.weights.first().is_some_and(|&first| U320::from(first) >= self.quota) && self.vetoes() == 1
    }

    /// The indices, where they can be found out exactly within a budget; it goes further for Banzhaf's alone.
    pub fn exact(&self, both: bool) -> Option<Indices> {
        if self.quota > self.total {
            let powers = vec![Power::default(); self.weights.len()];
            return Some(Indices { powers, power_to_act: 0.0 });
        }
        let swings = dense::swings(self, both).or_else(|| diagram::swings(self, both))?;
        Some(self.indices(&swings, both))
    }

    /// From integers to indices.
    fn indices(&self, swings: &Swings, both: bool) -> Indices {
        let players = swings.players;
        let one = BigUint::from(1u8);
        let coalitions = &one << (players - 1);
        let totals: Vec<BigUint> = swings.by_size.iter().map(|by_size| by_size.iter().sum()).collect();
        let all: BigUint = totals.iter().sum();
        // k! (players − 1 − k)! for each size k, and players!.
        let mut factorials = vec![one];
        for k in 1..=if both { players } else { 0 } {
            factorials.push(&factorials[k - 1] * BigUint::from(k));
        }
        let orders: Vec<BigUint> =
            (0..factorials.len() - 1).map(|k| &factorials[k] * &factorials[players - 1 - k]).collect();
        let power = |(by_size, total): (&Vec<BigUint>, &BigUint)| {
            let pivotal: BigUint = by_size.iter().zip(&orders).map(|(swings, orders)| swings * orders).sum();
            Power {
                banzhaf: quotient(total, &coalitions),
                banzhaf_normalized: (all.bits() > 0).then(|| quotient(total, &all)),
                shapley_shubik: quotient(&pivotal, &factorials[factorials.len() - 1]),
            }
        };
        let mut powers: Vec<Power> = swings.by_size.iter().zip(&totals).map(power).collect();
        let nothing = Power { banzhaf_normalized: (all.bits() > 0).then_some(0.0), ..Power::default() };
        powers.resize(self.weights.len(), nothing);
        Indices { powers, power_to_act: quotient(&swings.winning, &(coalitions << 1)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn game(quota: u64, weights: &[u64]) -> Game {
        let mut weights: Vec<U256> = weights.iter().map(|&weight| U256::from(weight)).collect();
        weights.sort_unstable_by(|a, b| b.cmp(a));
        Game::new(&weights, &U320::from(quota))
    }

    /// By looking at every coalition.
    fn brute(game: &Game) -> (Vec<Vec<u64>>, u64) {
        let n = game.weights.len();
        let weight = |coalition: usize| -> U320 {
            (0..n)
                .filter(|i| coalition >> i & 1 == 1)
                .map(|i| U320::from(game.weights[i]))
                .fold(U320::ZERO, |a, b| a + b)
        };
        let wins = |coalition: usize| weight(coalition) >= game.quota;
        let mut by_size = vec![vec![0; n]; n];
        for (i, by_size) in by_size.iter_mut().enumerate() {
            for coalition in (0..1 << n).filter(|coalition| coalition >> i & 1 == 0) {
                if !wins(coalition) && wins(coalition | 1 << i) {
                    by_size[coalition.count_ones() as usize] += 1;
                }
            }
        }
        (by_size, (0..1 << n).filter(|&coalition| wins(coalition)).count() as u64)
    }

    /// Swings of all voters, those of no player too, as if all were players.
    fn spread(swings: &Swings, n: usize) -> Vec<Vec<BigUint>> {
        // Each dummy may join or not.
        let mut by_size = swings.by_size.clone();
        by_size.resize(n, vec![]);
        for by_size in &mut by_size {
            by_size.resize(swings.players, BigUint::default());
            for _ in swings.players..n {
                by_size.push(BigUint::default());
                for k in (1..by_size.len()).rev() {
                    by_size[k] = &by_size[k] + &by_size[k - 1];
                }
            }
        }
        by_size
    }

    proptest! {
        #[test]
        fn both_ways_count_what_is_there(
            weights in prop::collection::vec(1u64..40, 1..10), quota in 1u64..200, scale in 0u32..70,
        ) {
            let mut game = game(quota, &weights);
            prop_assume!(game.quota <= game.total);
            if scale > 40 {
                // Too large for a table: nearly multiples of something large.
                let large = |weight: &U256| (*weight << (scale as usize * 3)) + (*weight * U256::from(weight.as_limbs()[0] % 3));
                let weights: Vec<U256> = game.weights.iter().map(large).collect();
                game = Game::new(&weights, &(game.quota << (scale as usize * 3)));
                prop_assume!(game.quota <= game.total);
            }
            let (by_size, winning) = brute(&game);
            let n = game.weights.len();
            let expected: Vec<Vec<BigUint>> =
                by_size.iter().map(|by_size| by_size.iter().map(|&x| BigUint::from(x)).collect()).collect();
            for swings in [dense::swings(&game, true), diagram::swings(&game, true)].into_iter().flatten() {
                prop_assert_eq!(spread(&swings, n), expected.clone());
                prop_assert_eq!(&swings.winning << (n - swings.players), BigUint::from(winning));
            }
            prop_assert!(diagram::swings(&game, true).is_some());
            // All sizes as one are the sums over sizes.
            for (sized, whole) in [
                (dense::swings(&game, true), dense::swings(&game, false)),
                (diagram::swings(&game, true), diagram::swings(&game, false)),
            ] {
                let (Some(sized), Some(whole)) = (sized, whole) else { continue };
                let sums: Vec<Vec<BigUint>> = sized.by_size.iter().map(|by_size| vec![by_size.iter().sum()]).collect();
                prop_assert_eq!((sums, sized.winning), (whole.by_size, whole.winning));
            }
            prop_assert!(scale > 40 || dense::swings(&game, true).is_some());
        }
    }

    #[test]
    fn who_decides_alone() {
        let dictator = game(6, &[7, 2, 2]);
        assert!(dictator.has_dictator() && dictator.vetoes() == 1 && dictator.min_coalition() == Some(1));
        let vetoes = game(16, &[9, 9, 7, 3, 1, 1]);
        assert!(!vetoes.has_dictator() && vetoes.vetoes() == 0 && vetoes.min_coalition() == Some(2));
        assert_eq!(game(11, &[6, 5, 1]).vetoes(), 2);
        // Two who win alone decide nothing alone.
        assert!(!game(3, &[5, 5]).has_dictator());
        let never = game(9, &[4, 4]);
        assert_eq!((never.min_coalition(), never.vetoes()), (None, 0));
        assert!(never.exact(true).unwrap().powers.iter().all(|power| *power == Power::default()));
    }

    #[test]
    fn a_common_divisor_decides_nothing() {
        let plain = game(6, &[4, 3, 2, 1]);
        let scaled = game(5_999, &[4000, 3000, 2000, 1000]);
        assert_eq!(plain, scaled);
        assert_eq!(plain.exact(true), scaled.exact(true));
    }

    #[test]
    fn seventy_equal_voters_do_not_overflow() {
        let seventy = game(36, &[1; 70]);
        let exact = seventy.exact(true).unwrap();
        assert!(exact.powers.iter().all(|power| (power.shapley_shubik - 1.0 / 70.0).abs() < 1e-17));
        assert!((exact.powers[0].banzhaf - 0.0950).abs() < 1e-4, "{}", exact.powers[0].banzhaf);
        assert_eq!(dense::swings(&seventy, true), diagram::swings(&seventy, true));
    }
}
