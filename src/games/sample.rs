//! Indices by samples: coalitions drawn at random, each read for all voters at once.
//!
//! For Banzhaf every voter joins with probability one half; for Shapley–Shubik all with the same probability, which is itself
//! drawn (Owen 1972, doi:10.1287/mnsc.18.5.64). Where a coalition wins, its members swing whose weight is above what it has to
//! spare; where it loses, the others whose weight is what it lacks or more.
//!
//! A sample is a function of the seed and its number, and counts are sums: neither threads nor devices change them, and
//! a game's counts depend on nothing but itself.

use rayon::prelude::*;

use super::Game;
use super::philox::philox;
use crate::numbers::wide::U320;

/// What samples count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Samples of each of both kinds.
    pub samples: u64,
    /// Swings of each voter, every voter in with probability one half.
    pub banzhaf: Vec<u64>,
    /// Swings of each voter, all in with the same drawn probability.
    pub shapley_shubik: Vec<u64>,
    /// Winning coalitions of the first kind.
    pub winning: u64,
}

/// The kinds of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One bit a voter.
    Banzhaf = 0,
    /// One word a voter, below the sample's own word.
    ShapleyShubik = 1,
}

/// Samples that one thread takes at a time.
const LOT: u64 = 1 << 10;

impl Counts {
    /// Of a game, before the first sample.
    pub fn new(game: &Game) -> Self {
        let none = vec![0; game.weights.len()];
        Self { samples: 0, banzhaf: none.clone(), shapley_shubik: none, winning: 0 }
    }

    /// Adds samples.
    pub fn add(&mut self, other: &Self) {
        self.samples += other.samples;
        self.winning += other.winning;
        let sums = [(&mut self.banzhaf, &other.banzhaf), (&mut self.shapley_shubik, &other.shapley_shubik)];
        for (own, others) in sums {
            own.iter_mut().zip(others).for_each(|(own, other)| *own += other);
        }
    }
}

/// The estimate of a probability and its standard error, smoothed as of one more hit and one more miss.
pub fn estimate(hits: u64, samples: u64) -> (f64, f64) {
    let n = samples as f64;
    let smooth = (hits as f64 + 1.0) / (n + 2.0);
    (hits as f64 / n, (smooth * (1.0 - smooth) / n).sqrt())
}

/// Takes the samples of these numbers.
pub fn sample(game: &Game, seed: u64, numbers: std::ops::Range<u64>) -> Counts {
    let lots: Vec<u64> = (numbers.start..numbers.end).step_by(LOT as usize).collect();
    let narrow = game.narrow();
    let wide: Vec<U320> = match narrow {
        Some(_) => vec![],
        None => game.weights.iter().map(|&weight| U320::from(weight)).collect(),
    };
    let of_lot = |start: &u64| {
        let numbers = *start..(start + LOT).min(numbers.end);
        match &narrow {
            Some((weights, quota)) => draw(weights, *quota, game, seed, numbers),
            None => draw(&wide, game.quota, game, seed, numbers),
        }
    };
    let add = |mut a: Counts, b: Counts| {
        a.add(&b);
        a
    };
    lots.par_iter().map(of_lot).reduce(|| Counts::new(game), add)
}

fn draw<W>(weights: &[W], quota: W, game: &Game, seed: u64, numbers: std::ops::Range<u64>) -> Counts
where
    W: Copy + Ord + Default + std::ops::AddAssign + std::ops::Sub<Output = W>,
{
    let mut counts = Counts { samples: numbers.end - numbers.start, ..Counts::new(game) };
    let mut members: Vec<u32> = vec![0; weights.len().div_ceil(32)];
    for number in numbers {
        for kind in [Kind::Banzhaf, Kind::ShapleyShubik] {
            join(&mut members, weights.len(), seed, number, kind);
            let is_member = |voter: usize| members[voter / 32] >> (voter % 32) & 1 == 1;
            let mut sum = W::default();
            for (voter, &weight) in weights.iter().enumerate() {
                if is_member(voter) {
                    sum += weight;
                }
            }
            let wins = sum >= quota;
            // Weights descend: those who can turn it come first.
            let turning = if wins {
                let spare = sum - quota;
                weights.partition_point(|&weight| weight > spare)
            } else {
                let lacking = quota - sum;
                weights.partition_point(|&weight| weight >= lacking)
            };
            let swings = match kind {
                Kind::Banzhaf => &mut counts.banzhaf,
                Kind::ShapleyShubik => &mut counts.shapley_shubik,
            };
            for (voter, swings) in swings[..turning].iter_mut().enumerate() {
                *swings += u64::from(is_member(voter) == wins);
            }
            counts.winning += u64::from(wins && kind == Kind::Banzhaf);
        }
    }
    counts
}

/// Who is in a sample's coalition, a bit a voter.
fn join(members: &mut [u32], voters: usize, seed: u64, number: u64, kind: Kind) {
    let key = [seed as u32, (seed >> 32) as u32];
    let words = |block: u32| philox([block, kind as u32, number as u32, (number >> 32) as u32], key);
    match kind {
        Kind::Banzhaf => {
            for (block, members) in members.chunks_mut(4).enumerate() {
                let words = words(block as u32);
                members.iter_mut().zip(words).for_each(|(member, word)| *member = word);
            }
            if !voters.is_multiple_of(32)
                && let Some(last) = members.last_mut()
            {
                *last &= (1 << (voters % 32)) - 1;
            }
        }
        Kind::ShapleyShubik => {
            // The first block's first word is the probability.
            let below = words(0)[0];
            members.fill(0);
            for block in 0..voters.div_ceil(4) {
                for (i, word) in words(block as u32 + 1).into_iter().enumerate() {
                    let voter = 4 * block + i;
                    if voter < voters {
                        members[voter / 32] |= u32::from(word < below) << (voter % 32);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ruint::aliases::U256;

    use super::*;

    #[test]
    fn estimates_lie_around_what_is_exact() {
        let weights: Vec<U256> = [9u64, 9, 7, 5, 3, 3, 1, 1].iter().map(|&w| U256::from(w)).collect();
        for (quota, scale) in [(20u64, 0), (30, 0), (20, 200)] {
            let weights: Vec<U256> =
                weights.iter().map(|&w| (w << scale) + U256::from(u8::from(scale > 0))).collect();
            let game = Game::new(&weights, &(U320::from(quota) << scale));
            let exact = game.exact(true).unwrap();
            for seed in [1, 2] {
                let counts = sample(&game, seed, 0..20_000);
                assert_eq!(counts, {
                    let mut halves = sample(&game, seed, 0..7777);
                    halves.add(&sample(&game, seed, 7777..20_000));
                    halves
                });
                for (i, power) in exact.powers.iter().enumerate() {
                    for (hits, exact) in
                        [(counts.banzhaf[i], power.banzhaf), (counts.shapley_shubik[i], power.shapley_shubik)]
                    {
                        let (estimate, error) = estimate(hits, counts.samples);
                        assert!((estimate - exact).abs() < 5.0 * error, "{estimate} ± {error}, {exact}");
                    }
                }
                let (estimate, error) = estimate(counts.winning, counts.samples);
                assert!((estimate - exact.power_to_act).abs() < 5.0 * error);
            }
        }
    }
}
