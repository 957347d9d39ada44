//! The one integration binary.

mod devices;
mod generate;
#[cfg(feature = "gpu")]
mod gpu_engine;
