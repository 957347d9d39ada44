//! The mean binary logarithms that entropies, Theil's indices and Atkinson's rest on, as doubles.

use crate::moments::Moments;
use crate::numbers::log2::FRACTION_BITS;
use crate::numbers::wide::{U320, log2, ratio};

/// What the last bit of a fixed-point logarithm is worth.
const LAST_BIT: f64 = 1.0 / (1u64 << FRACTION_BITS) as f64;

/// `Σ p log2 x`: the mean over the amount.
pub(super) fn by_amount(m: &Moments) -> f64 {
    ratio(&m.sums.products, &m.amount()) * LAST_BIT
}

/// `(Σ log2 x)/n`: the mean over the holders.
pub(super) fn by_holder(m: &Moments) -> f64 {
    m.sums.logs as f64 / m.n() as f64 * LAST_BIT
}

/// `log2 μ`.
pub(super) fn of_mean(m: &Moments) -> f64 {
    libm::log2(ratio(&m.amount(), &U320::from(m.n())))
}

/// `log2 A`.
pub(super) fn of_amount(m: &Moments) -> f64 {
    log2(&m.amount())
}
