//! Random numbers in sequence, and amounts made of them.

use super::super::amount::from_tokens;
use super::super::normal::normal_quantile;
use super::super::random::Stream;

/// A stream read from its start.
pub(super) struct Dice {
    stream: Stream,
    next: u64,
}

impl Dice {
    /// The sequence `purpose` of a seed.
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        Self { stream: Stream::new(seed, purpose), next: 0 }
    }

    fn step(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Uniform between two numbers.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.stream.unit(self.step())
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.between(0.0, 1.0) < probability
    }

    /// One of them.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let index = self.step();
        from[self.stream.below(index, from.len() as u64) as usize]
    }

    /// Lognormal around a median.
    pub(super) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * normal_quantile(self.between(0.0, 1.0)))
    }

    /// Pareto from 1 upwards.
    pub(super) fn pareto(&mut self, alpha: f64) -> f64 {
        libm::pow(self.between(0.0, 1.0), -1.0 / alpha)
    }

    /// Raw units, with digits down to the last one.
    pub(super) fn raw(&mut self, tokens: f64, decimals: u8) -> u128 {
        let index = self.step();
        // The scenario's supplies are far below 2^128.
        from_tokens(tokens, decimals, self.stream.bits(index)).to::<u128>()
    }
}
