//! The one integration binary.

mod support;

mod combine;
mod encodings;
mod generate;
mod golden;
mod invariance;
mod oracles;
mod reference;
mod walls;
