//! Who really holds, earns and decides: exact concentration metrics of token-holder and LP snapshots.

pub mod error;
pub mod generate;

pub use error::{Error, Result};
