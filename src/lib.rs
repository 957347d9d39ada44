//! Who really holds, earns and decides: exact concentration metrics of token-holder and LP snapshots.

pub mod error;
pub mod metrics;
pub mod moments;
pub mod numbers;

pub use error::{Error, Result};
