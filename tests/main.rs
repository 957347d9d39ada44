//! The one integration binary.

mod shell;
mod support;

mod cli_columns;
mod cli_errors;
mod cli_inputs;
mod cli_options;
mod cli_output;
mod cli_process;
mod cli_real;
mod cli_unusual;
mod combine;
mod docs;
mod encodings;
mod generate;
mod golden;
mod invariance;
mod oracles;
mod reference;
mod walls;
