//! Who really holds, earns and decides: exact concentration metrics of token-holder and LP snapshots.

pub mod analyze;
pub mod backend;
pub mod cli;
pub mod columns;
pub mod cpu;
pub mod engine;
pub mod error;
pub mod groups;
pub mod input;
pub mod metrics;
pub mod moments;
pub mod numbers;
pub mod options;
pub mod output;
pub mod plan;
pub mod record;
pub mod results;
pub mod run;

pub use error::{Error, Result};
