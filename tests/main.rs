//! The one integration binary.

mod cli_options;
mod cli_output;
mod generate;
mod shell;
