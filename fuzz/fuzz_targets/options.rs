//! Any arguments are options or a usage error.

#![no_main]

use std::ffi::OsString;

use concentra::cli::Command;
use concentra::run::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let arguments = std::iter::once("concentra").chain(text.split('\n')).map(OsString::from);
    let arguments: Vec<OsString> = arguments.collect();
    let Ok(cli) = parse(&arguments) else { return };
    match &cli.command {
        Command::Analyze(args) => drop(args.options()),
        Command::Sweep(args) => drop(args.grid()),
        Command::Power(args) => drop(args.play()),
        Command::Compare(args) => drop(args.comparison()),
        Command::Inspect(args) => drop(args.input.options()),
        _ => {}
    }
});
