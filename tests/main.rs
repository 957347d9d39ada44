//! The one integration binary.

mod cli_columns;
mod cli_errors;
mod cli_inputs;
mod cli_options;
mod cli_output;
mod cli_process;
mod cli_real;
mod generate;
mod shell;
