//! The one integration binary.

mod generate;
