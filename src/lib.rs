//! Who really holds, earns and decides: exact concentration metrics of token-holder and LP snapshots.
//!
//! Data flows one way, and imports follow it:
//!
//! ```text
//! cli → options → run → analyze:
//!   input → columns → groups → plan → backend{cpu|gpu} → moments → metrics → results → output
//! ```
//!
//! Kernels do integer work only and return [`moments`]; [`metrics`] are pure functions of those integers, shared by
//! every backend. So two backends agree where their integers do, a new metric touches no kernel, and a new backend
//! touches no metric.

pub mod cli;
pub mod config;
pub mod options;
pub mod run;
pub mod session;
pub mod terminal;

pub mod analyze;
pub mod change;
pub mod cloud;
pub mod cohorts;
pub mod columns;
pub mod compare;
pub mod cumulative;
pub mod dataset;
pub mod flows;
pub mod groups;
pub mod ingest;
pub mod input;
pub mod inspect;
pub mod memory;
pub mod partial;
pub mod plan;
pub mod population;
pub mod power;
pub mod profits;
pub mod snapshot;
pub mod spill;
pub mod sweep;
pub mod timeline;

pub mod backend;
pub mod choose;
pub mod cpu;
pub mod devices;
pub mod engine;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod kernels;
pub mod moments;

pub mod glossary;
pub mod metrics;
pub mod output;
pub mod progress;
pub mod report;
pub mod results;

pub mod error;
pub mod games;
pub mod generate;
pub mod numbers;
pub mod record;
pub mod records;

pub use error::{Error, Result};
