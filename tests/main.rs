//! The one integration binary.

mod docs;
mod generate;
mod walls;
