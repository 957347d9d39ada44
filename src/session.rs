//! A command for a program that takes what it finds as tables: what notebooks are made of.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches};

use crate::analyze::analyze;
use crate::change::change;
use crate::cli::{Cli, Command, RecordArgs};
use crate::columns::table::Table;
use crate::compare::{self, compare};
use crate::error::{Error, Result};
use crate::flows::flows;
use crate::generate;
use crate::ingest::Context;
use crate::input::discover;
use crate::options::Options;
use crate::partial::merge::Parts;
use crate::partial::partial;
use crate::power::power;
use crate::progress::Progress;
use crate::record::Recorder;
use crate::records;
use crate::results::Results;
use crate::run::in_pool;
use crate::snapshot::snapshot;
use crate::sweep::{self, sweep};

/// What a command found.
#[derive(Debug, Default)]
pub struct Found {
    /// Its table, and those that were asked for besides, by name.
    pub tables: Vec<(&'static str, Results)>,
    /// Files that it wrote.
    pub written: Vec<PathBuf>,
    /// What the user should know, in full sentences.
    pub warnings: Vec<String>,
    /// What computed and why, where devices were looked at; what a comparison found.
    pub note: Option<String>,
}

/// Runs a command of the command line, its options as they are typed there, on tables besides its paths. What would be
/// written is returned.
///
/// # Errors
/// Those of the command; [`Error::Usage`] where the arguments are wrong, or name where to write.
pub fn execute(
    arguments: &[String],
    tables: Vec<Table>,
    interrupted: &(dyn Fn() -> bool + Sync),
    progress: &Progress,
) -> Result<Found> {
    let command = parse(arguments)?;
    let recorder = Recorder::in_pieces();
    let context = Context { recorder: &recorder, interrupted, progress };
    let own = |options: Options| Options { tables: tables.clone(), paths: paths(&options.paths), ..options };
    let mut found = match &command {
        Command::Analyze(args) => {
            returned(&[&args.output, &args.cohort_table], &args.record)?;
            let options = own(args.options()?);
            if args.partial {
                let part = pooled(args.threads, || partial(&options, &context))?;
                let tables = named([("", Some(part.results))]);
                return Ok(Found { tables, warnings: part.warnings, ..Found::default() });
            }
            let analysis = pooled(args.threads, || analyze(&options, &context))?;
            let lost = analysis.lost.iter().map(|lost| lost.line.clone());
            Found {
                warnings: [analysis.of_files, analysis.warnings].concat().into_iter().chain(lost).collect(),
                note: analysis.device,
                tables: named([("", Some(analysis.results)), ("cohort_table", analysis.cohorts)]),
                ..Found::default()
            }
        }
        Command::Sweep(args) => {
            returned(&[&args.output, &args.summary], &args.record)?;
            let mut grid = args.grid()?;
            grid.summarizes = true;
            grid.common = own(grid.common);
            let swept = pooled(args.threads, || sweep(&grid, &context))?;
            let summary = sweep::summary::summarize(&swept.results, swept.settings)?;
            Found {
                tables: named([("", Some(swept.results)), ("summary", Some(summary))]),
                warnings: swept.warnings,
                note: swept.device,
                ..Found::default()
            }
        }
        Command::Power(args) => {
            returned(&[&args.output, &args.games], &args.record)?;
            let mut play = args.play()?;
            play.options = own(play.options);
            let powers = pooled(args.threads, || power(&play, &context))?;
            Found {
                tables: named([("", Some(powers.voters)), ("games", Some(powers.games))]),
                warnings: powers.warnings,
                note: powers.device,
                ..Found::default()
            }
        }
        Command::Change(args) => {
            returned(&[&args.output, &args.vintages], &args.record)?;
            let mut asked = args.change()?;
            (asked.options, asked.vintages) = (own(asked.options), true);
            let changes = pooled(args.threads, || change(&asked, &context))?;
            Found {
                tables: named([("", Some(changes.results)), ("vintages", changes.vintages)]),
                warnings: changes.warnings,
                note: changes.device,
                ..Found::default()
            }
        }
        Command::Flows(args) => {
            returned(&[&args.output], &args.record)?;
            let mut asked = args.flows()?;
            asked.options = own(asked.options);
            let found = pooled(args.threads, || flows(&asked, &context))?;
            Found { tables: named([("", Some(found.results))]), warnings: found.warnings, ..Found::default() }
        }
        Command::Snapshot(args) => {
            returned(&[&args.output], &args.record)?;
            let mut asked = args.asked()?;
            (asked.paths, asked.tables) = (paths(&asked.paths), tables.clone());
            let built = pooled(args.threads, || snapshot(&asked, &context))?;
            Found { tables: named([("", Some(built.results))]), warnings: built.warnings, ..Found::default() }
        }
        Command::Merge(args) => {
            let options = args.options()?;
            let (sources, warnings) = discover(&paths(&args.parts), &tables, None, interrupted)?;
            let merged = pooled(args.threads, || Parts::read(sources)?.merge(&options, interrupted))?;
            let warnings = [warnings, merged.warnings].concat();
            Found { tables: named([("", Some(merged.results))]), warnings, ..Found::default() }
        }
        Command::Compare(args) => {
            returned(&[&args.output], &args.record)?;
            let (options, trial) = args.comparison()?;
            let options = own(options);
            let comparison = pooled(args.threads, || compare(&options, &trial, &context))?;
            comparison.verdict()?;
            Found {
                tables: named([("", Some(compare::report::table(&comparison)?))]),
                note: Some(compare::report::text(&comparison)),
                warnings: comparison.warnings,
                ..Found::default()
            }
        }
        Command::Generate(args) => {
            let written = generate::run(args, interrupted, progress)?;
            return Ok(Found { written, ..Found::default() });
        }
        _ => return Err(Error::Usage("this command makes no table".into())),
    };
    progress.finish();
    if interrupted() {
        return Err(Error::Interrupted);
    }
    found.tables.push(("records", records::table(&recorder)?));
    Ok(found)
}

/// The rows of partial results, counted through all tables, whose amounts a merger needs: the others can stay where they
/// are. Arguments are those of the merger.
///
/// # Errors
/// Those of the merger.
pub fn wanted(arguments: &[String], tables: Vec<Table>) -> Result<Vec<usize>> {
    let Command::Merge(args) = parse(arguments)? else {
        return Err(Error::Usage("only merge wants amounts".into()));
    };
    let (sources, _) = discover(&paths(&args.parts), &tables, None, &|| false)?;
    Parts::read(sources)?.wanted(&args.options()?)
}

/// The flags of a command, without their dashes; none where there is no such command.
pub fn flags(command: &str) -> Vec<String> {
    let program = Cli::command();
    let command = program.find_subcommand(command);
    let arguments = command.into_iter().flat_map(clap::Command::get_arguments);
    arguments.filter_map(|argument| argument.get_long()).map(str::to_owned).collect()
}

/// Stands for a path where there are only tables.
pub const NO_PATH: &str = "\u{0}";

fn paths(given: &[String]) -> Vec<String> {
    given.iter().filter(|path| *path != NO_PATH).cloned().collect()
}

fn parse(arguments: &[String]) -> Result<Command> {
    let program = ["concentra".to_owned()];
    let matches = Cli::command().try_get_matches_from(program.iter().chain(arguments));
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| {
        // The first paragraph says what is wrong; the others are about a command line.
        let text = error.render().to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        Error::Usage(first.trim().trim_start_matches("error: ").to_owned())
    })?;
    Ok(cli.command)
}

/// Refuses to write: what is found is returned.
fn returned(outputs: &[&Option<PathBuf>], record: &RecordArgs) -> Result<()> {
    let records = [&record.records, &record.trace];
    if record.timing || outputs.iter().copied().chain(records).any(Option::is_some) {
        return Err(Error::Usage("results are returned: write them from there".into()));
    }
    Ok(())
}

fn named<const N: usize>(tables: [(&'static str, Option<Results>); N]) -> Vec<(&'static str, Results)> {
    tables.into_iter().filter_map(|(name, table)| Some((name, table?))).collect()
}

fn pooled<T: Send>(threads: Option<NonZeroUsize>, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    in_pool(threads.map(usize::from), work)?
}
