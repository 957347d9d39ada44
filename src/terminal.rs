//! A command at a terminal: parse, run, exit status; colours, logs and Ctrl-C.

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::sync::atomic::Ordering;

use anstyle::{AnsiColor, Style};

use crate::cli::Color;
use crate::error::{Error, chain};
use crate::input::guard::keep_quiet;
use crate::run::{INTERRUPTED, Message, parse, run};

/// Runs the command that was typed, the program's name first, and returns its exit status.
pub fn main(arguments: &[OsString]) -> u8 {
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Where nobody reads there is nobody to tell.
            drop(error.print());
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    choose_color(cli.manners.color);
    log(cli.manners.verbose);
    keep_quiet();
    stop_on_ctrl_c();
    match run(&cli, &tell) {
        Ok(()) => 0,
        Err(error) if is_closed_pipe(&error) => 0,
        Err(error) => {
            say("error", AnsiColor::Red, &chain(&error));
            error.exit_code()
        }
    }
}

fn choose_color(color: Color) {
    match color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
}

fn log(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        // Where stderr is closed there is nobody to tell.
        .log_internal_errors(false)
        .init();
}

/// The first Ctrl-C stops the work and cleans up, the second one does not wait for that.
fn stop_on_ctrl_c() {
    let handler = || {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        say("warning", AnsiColor::Yellow, &format!("Ctrl-C will not clean up: {error}"));
    }
}

/// Whoever read our output has seen enough.
fn is_closed_pipe(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::BrokenPipe)
}

fn tell(message: Message<'_>) {
    match message {
        Message::Warning(text) => say("warning", AnsiColor::Yellow, text),
        Message::Note(text) => drop(writeln!(anstream::stderr(), "{text}")),
    }
}

fn say(label: &str, color: AnsiColor, text: &str) {
    let style = Style::new().bold().fg_color(Some(color.into()));
    // Where stderr is closed there is nobody to tell.
    drop(writeln!(anstream::stderr(), "{style}{label}:{style:#} {text}"));
}
