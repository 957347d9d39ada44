//! The exact arithmetic everything else rests on: keys, units, logarithms, roots, wide sums, ties.

pub mod decimal;
pub mod digest;
pub mod key;
pub mod log2;
pub mod signed;
pub mod sqrt;
pub mod tie;
pub mod unit;
pub mod wide;
