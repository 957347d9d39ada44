//! The one integration binary.

mod shell;
mod support;

mod backends;
mod change;
mod cli_columns;
mod cli_errors;
mod cli_inputs;
mod cli_options;
mod cli_output;
mod cli_process;
mod cli_real;
mod cli_unusual;
#[cfg(feature = "cloud")]
mod cloud;
mod cohorts;
mod combine;
mod compare;
mod cumulative;
mod dataset;
mod devices;
mod docs;
mod encodings;
mod faults;
mod flows;
mod generate;
mod golden;
#[cfg(feature = "gpu")]
mod gpu_cli;
#[cfg(feature = "gpu")]
mod gpu_engine;
#[cfg(feature = "gpu")]
mod gpu_faults;
#[cfg(feature = "gpu")]
mod gpu_kernels;
mod invariance;
#[cfg(feature = "gpu")]
mod limits;
mod look_through;
mod oracles;
mod partial;
mod population;
mod power;
mod profits;
mod random;
mod records;
mod reference;
mod report;
#[cfg(feature = "gpu")]
mod shaders;
mod snapshot;
mod spilled;
mod sweep;
#[cfg(feature = "gpu")]
mod tint;
#[cfg(feature = "gpu")]
mod validation;
mod walls;
