//! The one integration binary.

mod support;

mod combine;
mod docs;
mod encodings;
mod generate;
mod golden;
mod invariance;
mod oracles;
mod reference;
mod walls;
