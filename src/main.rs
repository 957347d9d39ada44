//! Parse, run, exit code.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::error::Error as _;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anstyle::{AnsiColor, Style};
use concentra::cli::Color;
use concentra::error::Error;
use concentra::input::guard::is_guarded;
use concentra::run::{INTERRUPTED, Message, parse, run};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let cli = parse(&arguments).unwrap_or_else(|error| error.exit());
    choose_color(cli.manners.color);
    log(cli.manners.verbose);
    keep_quiet_about_damaged_files();
    stop_on_ctrl_c();
    match run(&cli, &tell) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say("error", AnsiColor::Red, &chain(&error));
            ExitCode::from(error.exit_code())
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

/// A decoder's panic on a damaged file becomes an error; only panics of our own are for the hook.
fn keep_quiet_about_damaged_files() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_guarded() {
            hook(panic);
        }
    }));
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

/// An error and what caused it, on one line each.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!("\n  because: {error}");
        cause = error.source();
    }
    text
}
