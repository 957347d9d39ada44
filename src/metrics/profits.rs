//! Profits against capital: pure functions of [`Rewards`] and the moments of the capital.

use num_bigint::{BigInt, BigUint, Sign};

use crate::moments::Moments;
use crate::moments::rewards::{Poorest, Rewards};
use crate::numbers::unit::{Unit, quotient};
use ruint::Uint;

/// Points of the concentration curve.
pub const POINTS: u64 = 101;
/// Parts of the holders that yields are told of.
pub const DECILES: u64 = 10;

/// The numbers of holders, in hundredths, that the functions below read.
pub fn asked(n: u64) -> impl Iterator<Item = u128> {
    let curve = (0..POINTS).map(move |p| u128::from(n) * u128::from(p));
    let deciles = (0..=DECILES).map(move |j| 100 * decile(n, j));
    curve.chain(deciles).chain([richest(n, 1), richest(n, 10)])
}

/// Where a decile begins.
fn decile(n: u64, j: u64) -> u128 {
    u128::from(n) * u128::from(j) / u128::from(DECILES)
}

/// All but the ⌈n·p⌉ richest, in hundredths.
fn richest(n: u64, percent: u64) -> u128 {
    let n = u128::from(n);
    100 * (n - (n * u128::from(percent)).div_ceil(100))
}

/// A fraction: the denominator is above zero.
struct Fraction(BigInt, BigInt);

impl Fraction {
    fn double(&self) -> Option<f64> {
        let size = quotient(self.0.magnitude(), self.1.magnitude());
        Some(if self.0.sign() == Sign::Minus { -size } else { size }).filter(|x| x.is_finite())
    }

    fn minus(&self, other: &Self) -> Self {
        Self(&self.0 * &other.1 - &other.0 * &self.1, &self.1 * &other.1)
    }
}

fn big<const BITS: usize, const LIMBS: usize>(x: &Uint<BITS, LIMBS>) -> BigInt {
    BigUint::from_bytes_le(x.as_le_slice()).into()
}

/// `R`, where it is positive: shares of it mean something.
fn total(rewards: &Rewards) -> Option<BigInt> {
    rewards.total.is_positive().then(|| rewards.total.big())
}

/// `2 Σ rank_i·r_i − (n+1) R` over `n R`.
fn concentration(rewards: &Rewards) -> Option<Fraction> {
    let (n, total) = (BigInt::from(rewards.n), total(rewards)?);
    Some(Fraction(rewards.ranked.big() - (&n + 1) * &total, n * total))
}

/// `reward_concentration`: the concentration index of rewards in the order of capital.
pub fn reward_concentration(rewards: &Rewards) -> Option<f64> {
    concentration(rewards)?.double()
}

/// `kakwani`: that index less the Gini coefficient of the capital (Kakwani 1977, doi:10.2307/2231833).
pub fn kakwani(rewards: &Rewards, capital: &Moments) -> Option<f64> {
    let (n, amount) = (BigInt::from(capital.n()), big(&capital.amount()));
    let gini = Fraction((big(&capital.sums.ranked) << 1) - (&n + 1) * &amount, n * amount);
    concentration(rewards)?.minus(&gini).double()
}

/// What the poorest earned; of a block in part, the same part of what it earned.
fn earned(poorest: &Poorest) -> Fraction {
    let block = BigInt::from(poorest.block) * 100;
    let part = BigInt::from(poorest.hundredths - 100 * u128::from(poorest.below));
    Fraction(poorest.reward.big() * &block + poorest.block_reward.big() * part, block)
}

/// What the poorest hold, a whole number of them.
fn held(poorest: &Poorest) -> BigInt {
    let part = BigInt::from(poorest.hundredths / 100 - u128::from(poorest.below));
    big(&poorest.capital) + big(&poorest.block_capital) * part
}

/// `reward_top_1pct_share` and `reward_top_10pct_share`: what the ⌈n·p⌉ richest by capital earned of all.
pub fn top_share(rewards: &Rewards, percent: u64) -> Option<f64> {
    let total = total(rewards)?;
    let Fraction(poor, one) = earned(&rewards.poorest(richest(rewards.n, percent)));
    Fraction(&total * &one - poor, total * one).double()
}

/// `concentration_curve`: what the poorest p % by capital earned of all.
pub fn concentration_curve(rewards: &Rewards) -> Option<Vec<f64>> {
    let total = total(rewards)?;
    (0..POINTS)
        .map(|p| {
            let Fraction(poor, one) = earned(&rewards.poorest(u128::from(rewards.n) * u128::from(p)));
            Fraction(poor, one * &total).double()
        })
        .collect()
}

/// `yield_decile`: reward by capital in each tenth of the holders by capital, both in the units as written; none where
/// a tenth has no holders.
pub fn yield_decile(rewards: &Rewards, reward_unit: Unit, capital_unit: Unit) -> Vec<Option<f64>> {
    let (reward_worth, capital_worth) = (worth(reward_unit), worth(capital_unit));
    (0..DECILES)
        .map(|j| {
            let [from, to] = [j, j + 1].map(|j| rewards.poorest(100 * decile(rewards.n, j)));
            let capital = held(&to) - held(&from);
            if capital.sign() != Sign::Plus {
                return None;
            }
            let Fraction(reward, one) = earned(&to).minus(&earned(&from));
            let reward = reward * &reward_worth.0 * &capital_worth.1;
            Fraction(reward, one * capital * &reward_worth.1 * &capital_worth.0).double()
        })
        .collect()
}

/// What one is worth, as a fraction.
fn worth(unit: Unit) -> (BigInt, BigInt) {
    let one = || BigInt::from(1);
    match unit {
        Unit::Decimal(decimals) => (one(), BigInt::from(10).pow(decimals.into())),
        Unit::Binary(exponent) if exponent < 0 => (one(), one() << exponent.unsigned_abs()),
        Unit::Binary(exponent) => (one() << exponent.unsigned_abs(), one()),
    }
}
