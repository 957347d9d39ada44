//! The one integration binary.

mod generate;
mod walls;
