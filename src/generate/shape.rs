//! Distributions of amounts, each as one quantile function: drawn at random numbers it gives a sample, drawn
//! at descending ones a sorted list.

use ruint::aliases::U256;

use super::amount::{from_tokens, scale};
use super::args::Shape;
use super::normal::normal_quantile;
use super::options::Options;

/// Tokens of the median holder, and of everybody in a tie.
const TYPICAL: u64 = 400;
/// Tokens of the smallest holder of a Pareto distribution.
const PARETO_FROM: f64 = 100.0;
/// Where the Pareto tail takes over from the lognormal body of `mixed`.
const TAIL_FROM: f64 = 0.95;

/// The amounts of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amounts {
    shape: Shape,
    sigma: f64,
    alpha: f64,
    zeros: f64,
    decimals: u8,
}

impl Amounts {
    /// What the options ask for.
    pub(super) fn new(options: &Options) -> Self {
        let &Options { shape, sigma, alpha, zeros, decimals, .. } = options;
        Self { shape, sigma, alpha, zeros, decimals }
    }

    /// The amount below which a share `u` of the holders is, `0 < u < 1`; `noise` fills the digits a double
    /// cannot hold.
    pub(super) fn quantile(&self, u: f64, noise: u64) -> U256 {
        if u < self.zeros {
            return U256::ZERO;
        }
        let u = (u - self.zeros) / (1.0 - self.zeros);
        let tokens = |tokens| self.tokens(tokens, noise);
        match self.shape {
            Shape::Mixed => self.mixed(u, noise),
            Shape::Lognormal => tokens(self.lognormal(u)),
            Shape::Pareto => tokens(self.pareto(u)),
            Shape::Equal => self.whole(TYPICAL),
            Shape::Ties => self.whole(1 << (u * 16.0) as u32),
            Shape::Dust if u < 0.95 => dust(u / 0.95, 1e6),
            Shape::Dust => tokens(self.lognormal(0.5 + 0.5 * (u - 0.95) / 0.05)),
            Shape::Uniform => tokens(u * 2.0 * TYPICAL as f64),
        }
    }

    /// Ascending in `u`: 10 % dust, the lower half of the body, 12 % ties at its median, the upper half and
    /// the tail.
    fn mixed(&self, u: f64, noise: u64) -> U256 {
        let body = |p: f64| {
            let tokens = if p < TAIL_FROM {
                self.lognormal(p)
            } else {
                self.lognormal(TAIL_FROM) * self.tail((p - TAIL_FROM) / (1.0 - TAIL_FROM))
            };
            // Above the dust, however wide the body is.
            self.tokens(tokens, noise).max(U256::from(1000u64))
        };
        match u {
            _ if u < 0.10 => dust(u / 0.10, 1e3),
            _ if u < 0.40 => body(0.5 * (u - 0.10) / 0.30),
            _ if u < 0.52 => self.whole(TYPICAL),
            _ => body(0.5 + 0.5 * (u - 0.52) / 0.48),
        }
    }

    fn lognormal(&self, p: f64) -> f64 {
        // A quotient may round to 0 or 1, where the normal quantile is infinite.
        let p = p.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON / 2.0);
        TYPICAL as f64 * libm::exp(self.sigma * normal_quantile(p))
    }

    fn pareto(&self, p: f64) -> f64 {
        PARETO_FROM * self.tail(p)
    }

    /// Pareto quantile from 1.
    fn tail(&self, p: f64) -> f64 {
        libm::pow((1.0 - p).clamp(f64::EPSILON / 2.0, 1.0), -1.0 / self.alpha)
    }

    /// Never zero: those are asked for with `zeros`.
    fn tokens(&self, tokens: f64, noise: u64) -> U256 {
        from_tokens(tokens, self.decimals, noise).max(U256::ONE)
    }

    fn whole(&self, tokens: u64) -> U256 {
        U256::from(tokens) * scale(self.decimals)
    }
}

/// 1 to `limit` raw units, log-uniform.
fn dust(p: f64, limit: f64) -> U256 {
    U256::from(libm::exp(p * libm::log(limit)).max(1.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::super::amount::to_tokens;
    use super::*;

    fn amounts(shape: Shape) -> Amounts {
        Amounts { shape, sigma: 2.0, alpha: 1.3, zeros: 0.02, decimals: 18 }
    }

    const SHAPES: [Shape; 7] = [
        Shape::Mixed,
        Shape::Lognormal,
        Shape::Pareto,
        Shape::Equal,
        Shape::Ties,
        Shape::Dust,
        Shape::Uniform,
    ];

    #[test]
    fn quantiles_ascend() {
        for shape in SHAPES {
            let values: Vec<_> =
                (1..5000).map(|i| amounts(shape).quantile(f64::from(i) / 5000.0, 0)).collect();
            assert!(values.is_sorted(), "{shape:?}");
            assert_eq!(values.iter().filter(|a| a.is_zero()).count(), 99, "{shape:?}");
        }
    }

    #[test]
    fn extremes_are_finite() {
        for shape in SHAPES {
            for u in [0.02, 0.4, 0.52, 1.0 - f64::EPSILON / 2.0] {
                let amount = amounts(shape).quantile(u, u64::MAX);
                assert!(!amount.is_zero() && to_tokens(&amount, 18) <= 9.001e12, "{shape:?} {u}");
            }
        }
    }

    #[test]
    fn the_gini_is_the_closed_form() {
        for (shape, expected) in
            [(Shape::Lognormal, libm::erf(0.5)), (Shape::Pareto, 1.0 / 3.0), (Shape::Uniform, 1.0 / 3.0)]
        {
            let amounts = Amounts { shape, sigma: 1.0, alpha: 2.0, zeros: 0.0, decimals: 18 };
            let n = 20_000;
            let values = (0..n).map(|i| to_tokens(&amounts.quantile((i as f64 + 0.5) / n as f64, 0), 18));
            let (mut weighted, mut total) = (0.0, 0.0);
            for (i, value) in values.enumerate() {
                weighted += (i + 1) as f64 * value;
                total += value;
            }
            let gini = 2.0 * weighted / (n as f64 * total) - (n as f64 + 1.0) / n as f64;
            assert!((gini - expected).abs() < 0.01, "{shape:?}: {gini} against {expected}");
        }
    }
}
