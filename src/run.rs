//! The spine: from arguments to an exit code, one short function per command.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{CommandFactory, FromArgMatches};

use crate::analyze::{Analysis, analyze};
use crate::change::change;
use crate::choose::calibration::Calibration;
use crate::cli::{
    AnalyzeArgs, ChangeArgs, Cli, Color, Command, CompareArgs, CompletionsArgs, DevicesArgs, FlowsArgs,
    Format, InspectArgs, InspectFormat, ManArgs, Manners, MergeArgs, MetricsArgs, MetricsFormat, PowerArgs,
    ReportArgs, ReportFormat, SnapshotArgs, SweepArgs,
};
use crate::cloud::is_address;
use crate::compare::{self, compare};
use crate::devices::calibrate::calibrate;
use crate::error::{Error, Result};
use crate::flows::flows;
use crate::generate::{self, GenerateArgs};
use crate::ingest::Context;
use crate::input::discover;
use crate::inspect::{self, inspect};
use crate::memory::Memory;
use crate::options::{Options, keep};
use crate::output::{Output, Prepared, print, table::Look};
use crate::partial::merge::Parts;
use crate::partial::partial;
use crate::power::power;
use crate::progress::Progress;
use crate::record::Recorder;
use crate::report::Report;
use crate::results::Results;
use crate::snapshot::snapshot;
use crate::sweep::{self, sweep};
use crate::{config, dataset, devices, glossary};

mod recording;

use recording::Recording;

/// Set when the user wants to stop.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What a command has to say beside its data, for the caller to print on stderr.
pub type Tell<'a> = &'a dyn Fn(Message<'_>);

/// A message for stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Something the user should know.
    Warning(&'a str),
    /// Something the user asked for.
    Note(&'a str),
}

/// What the arguments ask for; the file's and the variables' options are in it.
pub fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let usage = |error: Error| Cli::command().error(clap::error::ErrorKind::ValueValidation, error);
    let file = config::file(arguments.get(1..).unwrap_or_default());
    let (command, from_file) = config::apply(Cli::command(), file.as_deref()).map_err(usage)?;
    let matches = command.clone().try_get_matches_from(arguments)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    if cli.manners.print_config {
        cli.command = Command::Config(config::print(&command, &matches, &from_file));
    }
    Ok(cli)
}

/// Runs the command.
pub fn run(cli: &Cli, tell: Tell<'_>) -> Result<()> {
    let manners = &cli.manners;
    match &cli.command {
        Command::Analyze(args) => run_analyze(manners, args, tell),
        Command::Sweep(args) => run_sweep(manners, args, tell),
        Command::Power(args) => run_power(manners, args, tell),
        Command::Merge(args) => run_merge(manners, args, tell),
        Command::Change(args) => run_change(manners, args, tell),
        Command::Flows(args) => run_flows(manners, args, tell),
        Command::Snapshot(args) => run_snapshot(manners, args, tell),
        Command::Report(args) => run_report(manners, args, tell),
        Command::Compare(args) => run_compare(manners, args, tell),
        Command::Inspect(args) => run_inspect(manners, args),
        Command::Metrics(args) => run_metrics(args),
        Command::Devices(args) => run_devices(manners, args, tell),
        Command::Generate(args) => run_generate(manners, args, tell),
        Command::Completions(args) => run_completions(args),
        Command::Man(args) => run_man(args),
        Command::Config(text) => print(text),
    }
}

fn run_analyze(manners: &Manners, args: &AnalyzeArgs, tell: Tell<'_>) -> Result<()> {
    let options = args.options()?;
    args.keep()?;
    if args.partial {
        return run_partial(manners, args, &options, tell);
    }
    if let Some(folder) = args.output.as_deref().filter(|path| dataset::is_folder(path)) {
        if folder.to_str().is_some_and(is_address) {
            let why = "a folder of parts is on a disk, where it can be gone on with; name an object, or copy the folder";
            return Err(Error::Usage(format!("{}: {why}", folder.display())));
        }
        return run_batch(manners, args, &options, folder, tell);
    }
    let output = Output::open(args.output.as_deref(), args.format, args.overwrite)?;
    let table = beside(&output, "--cohort-table", args.cohort_table.as_deref(), args.overwrite)?;
    let others: Vec<&Output> = std::iter::once(&output).chain(&table).collect();
    let recording = Recording::open(&args.record, args.overwrite, &others)?;
    let analysis = watched(manners, recording, Some(threads(args, &options)), tell, |context| {
        analyze(&options, context)
    })?;
    if !manners.quiet {
        analysis.device.iter().for_each(|device| tell(Message::Note(device)));
        let warnings = analysis.of_files.iter().chain(&analysis.warnings);
        warnings.for_each(|warning| tell(Message::Warning(warning)));
    }
    analysis.lost.iter().for_each(|lost| tell(Message::Warning(&lost.line)));
    if args.explain {
        tell(Message::Note(&explain(&analysis)));
    }
    if interrupted() {
        return Err(Error::Interrupted);
    }
    let table = match (table, &analysis.cohorts) {
        (Some(output), Some(table)) => Some(output.prepare(table, &manners.look(true))?),
        _ => None,
    };
    let look = manners.look(!args.measure.what.metrics.is_empty());
    let prepared = output.prepare(&analysis.results, &look)?;
    let table = table.map_or(Ok(None), Prepared::finish)?;
    let written = prepared.finish()?;
    if let (Some(path), Some(table)) = (table, &analysis.cohorts)
        && !manners.quiet
    {
        tell(Message::Note(&format!("{} cohorts written to {}", table.rows(), path.display())));
    }
    if let Some(path) = written.filter(|_| !manners.quiet) {
        let rows = analysis.results.rows();
        let groups = if rows == 1 { "group" } else { "groups" };
        tell(Message::Note(&format!("{rows} {groups} written to {}", path.display())));
    }
    incomplete(analysis.lost.len())
}

fn run_partial(manners: &Manners, args: &AnalyzeArgs, options: &Options, tell: Tell<'_>) -> Result<()> {
    let output = Output::open(args.output.as_deref(), args.format, args.overwrite)?;
    if !output.is_parquet() {
        return Err(Error::Usage("--partial: what is merged is Parquet; name a file with -o".into()));
    }
    let recording = Recording::open(&args.record, args.overwrite, &[&output])?;
    let found =
        watched(manners, recording, Some(threads(args, options)), tell, |context| partial(options, context))?;
    if !manners.quiet {
        found.warnings.iter().for_each(|warning| tell(Message::Warning(warning)));
    }
    write_all(manners, vec![(output, &found.results)], &manners.look(true), tell)
}

fn run_merge(manners: &Manners, args: &MergeArgs, tell: Tell<'_>) -> Result<()> {
    let options = args.options()?;
    keep(args.parts.iter(), args.output.as_deref())?;
    let output = Output::open(args.output.as_deref(), args.format, args.overwrite)?;
    let (sources, warnings) = discover(&args.parts, &[], None, &interrupted)?;
    let merge = || Parts::read(sources)?.merge(&options, &interrupted);
    let merged = in_pool(args.threads.map(usize::from), merge)??;
    if !manners.quiet {
        warnings.iter().chain(&merged.warnings).for_each(|warning| tell(Message::Warning(warning)));
    }
    let look = manners.look(!args.what.metrics.is_empty());
    write_all(manners, vec![(output, &merged.results)], &look, tell)
}

/// Threads that an analysis may use.
fn threads(args: &AnalyzeArgs, options: &Options) -> usize {
    let wanted = args.threads.or(std::thread::available_parallelism().ok()).map_or(1, usize::from);
    wanted.min(Memory::of(options.memory_limit).threads())
}

/// Analyzes into a folder, part by part.
fn run_batch(
    manners: &Manners,
    args: &AnalyzeArgs,
    options: &Options,
    folder: &Path,
    tell: Tell<'_>,
) -> Result<()> {
    let given = [
        (
            args.format.is_some_and(|format| format != Format::Parquet),
            "--format: the parts of a folder are Parquet",
        ),
        (args.cohort_table.is_some(), "--cohort-table: give -o a file, not a folder"),
        (args.cumulative, "--cumulative: give -o a file, not a folder; differences are between parts"),
        (args.explain, "--explain: give -o a file, not a folder; each part has a plan of its own"),
    ];
    if let Some((_, problem)) = given.iter().find(|(given, _)| *given) {
        return Err(Error::Usage((*problem).into()));
    }
    // The same command goes on with the folder: what it records of itself is replaced.
    let recording = Recording::open(&args.record, true, &[])?;
    for path in [&args.record.records, &args.record.trace].into_iter().flatten() {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let within = |real: PathBuf| parent.canonicalize().is_ok_and(|parent| parent.starts_with(real));
        if folder.canonicalize().is_ok_and(within) {
            let problem = "would be read as a part of the result; name a file elsewhere";
            return Err(Error::Usage(format!("{}: {problem}", path.display())));
        }
    }
    let work = |context: &Context<'_>| dataset::analyze_into(folder, args.overwrite, options, context);
    let batch = watched(manners, recording, Some(threads(args, options)), tell, work)?;
    if !manners.quiet {
        batch.device.iter().for_each(|device| tell(Message::Note(device)));
        batch.warnings.iter().for_each(|warning| tell(Message::Warning(warning)));
    }
    batch.lost.iter().for_each(|lost| tell(Message::Warning(lost)));
    if !manners.quiet {
        let (rows, all) = (batch.rows, batch.kept + batch.made);
        let groups = if rows == 1 { "group" } else { "groups" };
        let mut what = match (batch.made, batch.kept) {
            (0, _) => "nothing was missing or changed".to_owned(),
            (made, 0) => format!("{made} made"),
            (made, kept) => format!("{made} made, {kept} kept"),
        };
        if batch.removed > 0 {
            what += &format!(", {} removed whose inputs are others now", batch.removed);
        }
        let parts = if all == 1 { "part" } else { "parts" };
        tell(Message::Note(&format!("{rows} {groups} in {all} {parts} in {}: {what}", folder.display())));
    }
    incomplete(batch.lost_files)
}

/// The error of a result without some files.
fn incomplete(lost: usize) -> Result<()> {
    match lost {
        0 => Ok(()),
        1 => Err(Error::Incomplete(
            "1 file could not be used; the result is without the groups that need it".into(),
        )),
        n => Err(Error::Incomplete(format!(
            "{n} files could not be used; the result is without the groups that need them"
        ))),
    }
}

fn run_sweep(manners: &Manners, args: &SweepArgs, tell: Tell<'_>) -> Result<()> {
    let grid = args.grid()?;
    let outputs = [args.output.as_deref(), args.summary.as_deref()];
    for output in outputs {
        args.source.keep(&grid.lists(), output)?;
    }
    let output = Output::open(args.output.as_deref(), args.format, args.overwrite)?;
    let summary = beside(&output, "--summary", args.summary.as_deref(), args.overwrite)?;
    let others: Vec<&Output> = std::iter::once(&output).chain(&summary).collect();
    let recording = Recording::open(&args.record, args.overwrite, &others)?;
    let swept =
        watched(manners, recording, args.threads.map(usize::from), tell, |context| sweep(&grid, context))?;
    if !manners.quiet {
        swept.device.iter().for_each(|device| tell(Message::Note(device)));
        swept.warnings.iter().for_each(|warning| tell(Message::Warning(warning)));
    }
    if interrupted() {
        return Err(Error::Interrupted);
    }
    let look = manners.look(!args.measure.what.metrics.is_empty());
    let shown = if output.is_exact() { None } else { Some(swept.varying()?) };
    let results = shown.as_ref().unwrap_or(&swept.results);
    let summary = match summary {
        Some(output) => Some((output, sweep::summary::summarize(&swept.results, swept.settings)?)),
        None => None,
    };
    let (summary, summarized): (Vec<Output>, Vec<Results>) = summary.into_iter().unzip();
    let mut outputs: Vec<(Output, &Results)> = summary.into_iter().zip(&summarized).collect();
    outputs.push((output, results));
    write_all(manners, outputs, &look, tell)
}

fn run_power(manners: &Manners, args: &PowerArgs, tell: Tell<'_>) -> Result<()> {
    let play = args.play()?;
    for output in [args.output.as_deref(), args.games.as_deref()] {
        args.input.keep(output)?;
    }
    let output = Output::open(args.output.as_deref(), args.format, args.overwrite)?;
    let games = beside(&output, "--games", args.games.as_deref(), args.overwrite)?;
    let others: Vec<&Output> = std::iter::once(&output).chain(&games).collect();
    let recording = Recording::open(&args.record, args.overwrite, &others)?;
    let powers =
        watched(manners, recording, args.threads.map(usize::from), tell, |context| power(&play, context))?;
    if !manners.quiet {
        powers.device.iter().for_each(|device| tell(Message::Note(device)));
        powers.warnings.iter().for_each(|warning| tell(Message::Warning(warning)));
    }
    if interrupted() {
        return Err(Error::Interrupted);
    }
    let mut outputs: Vec<(Output, &Results)> =
        games.map(|games| (games, &powers.games)).into_iter().collect();
    outputs.push((output, &powers.voters));
    write_all(manners, outputs, &manners.look(true), tell)
}

fn run_change(manners: &Manners, args: &ChangeArgs, tell: Tell<'_>) -> Result<()> {
    let asked = args.change()?;
    for output in [args.output.as_deref(), args.vintages.as_deref()] {
        args.input.keep(output)?;
    }
    let output = Output::open(args.output.as_deref(), args.format, args.overwrite)?;
    let vintages = beside(&output, "--vintages", args.vintages.as_deref(), args.overwrite)?;
    let others: Vec<&Output> = std::iter::once(&output).chain(&vintages).collect();
    let recording = Recording::open(&args.record, args.overwrite, &others)?;
    let changes =
        watched(manners, recording, args.threads.map(usize::from), tell, |context| change(&asked, context))?;
    if !manners.quiet {
        changes.device.iter().for_each(|device| tell(Message::Note(device)));
        changes.warnings.iter().for_each(|warning| tell(Message::Warning(warning)));
    }
    if interrupted() {
        return Err(Error::Interrupted);
    }
    let look = manners.look(!args.measure.what.metrics.is_empty());
    let mut outputs: Vec<(Output, &Results)> = vintages.into_iter().zip(&changes.vintages).collect();
    outputs.push((output, &changes.results));
    write_all(manners, outputs, &look, tell)
}

fn run_flows(manners: &Manners, args: &FlowsArgs, tell: Tell<'_>) -> Result<()> {
    let asked = args.flows()?;
    args.keep()?;
    let output = Output::open(args.output.as_deref(), args.format, args.overwrite)?;
    let recording = Recording::open(&args.record, args.overwrite, &[&output])?;
    let found =
        watched(manners, recording, args.threads.map(usize::from), tell, |context| flows(&asked, context))?;
    if !manners.quiet {
        found.warnings.iter().for_each(|warning| tell(Message::Warning(warning)));
    }
    if interrupted() {
        return Err(Error::Interrupted);
    }
    write_all(manners, vec![(output, &found.results)], &manners.look(true), tell)
}

fn run_snapshot(manners: &Manners, args: &SnapshotArgs, tell: Tell<'_>) -> Result<()> {
    let asked = args.asked()?;
    args.keep(args.output.as_deref())?;
    let output = Output::open(args.output.as_deref(), args.format, args.overwrite)?;
    let recording = Recording::open(&args.record, args.overwrite, &[&output])?;
    let built = watched(manners, recording, args.threads.map(usize::from), tell, |context| {
        snapshot(&asked, context)
    })?;
    if !manners.quiet {
        built.warnings.iter().for_each(|warning| tell(Message::Warning(warning)));
    }
    if interrupted() {
        return Err(Error::Interrupted);
    }
    let results = built.results.stopping(interrupted);
    write_all(manners, vec![(output, &results)], &manners.look(true), tell)
}

fn run_report(manners: &Manners, args: &ReportArgs, tell: Tell<'_>) -> Result<()> {
    let format = args.chosen();
    if format == ReportFormat::Html && args.plot.is_some() {
        return Err(Error::Usage("--plot: one picture is SVG; leave out --format html".into()));
    }
    if args.output.is_none() && io::stdout().is_terminal() {
        return Err(Error::Usage("a page is not for a terminal; name a file with -o, or pipe it".into()));
    }
    keep(args.results.iter(), args.output.as_deref())?;
    let wanted: &[&str] = match format {
        ReportFormat::Html => &["html", "htm"],
        ReportFormat::Svg => &["svg"],
    };
    let extension =
        args.output.as_deref().and_then(Path::extension).map(|e| e.to_string_lossy().to_lowercase());
    if let Some(extension) = extension.filter(|extension| !wanted.contains(&&extension[..])) {
        let problem = format!("-o: a file of .{extension} is no {}; name it .{}", wanted[0], wanted[0]);
        return Err(Error::Usage(problem));
    }
    let output = Output::open(args.output.as_deref(), Some(Format::Table), args.overwrite)?;
    let report = Report::read(&args.results, args.title.as_deref(), &interrupted)?;
    let text = match format {
        ReportFormat::Html => report.html(),
        ReportFormat::Svg => report.svg(args.plot.as_deref())?,
    };
    if let Some(path) = output.write_text(&text)?.filter(|_| !manners.quiet) {
        tell(Message::Note(&format!("written {}", path.display())));
    }
    Ok(())
}

/// Writes results whole: all are before any has its name.
fn write_all(manners: &Manners, outputs: Vec<(Output, &Results)>, look: &Look, tell: Tell<'_>) -> Result<()> {
    let prepare =
        |(output, results): (Output, &Results)| Ok((results.rows(), output.prepare(results, look)?));
    let prepared: Vec<(usize, Prepared)> = outputs.into_iter().map(prepare).collect::<Result<_>>()?;
    for (rows, prepared) in prepared {
        if let Some(path) = prepared.finish()?.filter(|_| !manners.quiet) {
            let what = if rows == 1 { "row" } else { "rows" };
            tell(Message::Note(&format!("{rows} {what} written to {}", path.display())));
        }
    }
    Ok(())
}

fn run_compare(manners: &Manners, args: &CompareArgs, tell: Tell<'_>) -> Result<()> {
    let (options, trial) = args.comparison()?;
    args.input.keep(args.output.as_deref())?;
    let figures = match (&args.output, args.format) {
        (None, None | Some(Format::Table)) => None,
        (path, format) => Some(Output::open(path.as_deref(), format, args.overwrite)?),
    };
    if figures.as_ref().is_some_and(|output| !output.is_exact()) {
        return Err(Error::Usage("figures are written as parquet, csv, json or ndjson".into()));
    }
    let others: Vec<&Output> = figures.iter().collect();
    let recording = Recording::open(&args.record, args.overwrite, &others)?;
    let comparison = watched(manners, recording, args.threads.map(usize::from), tell, |context| {
        compare(&options, &trial, context)
    })?;
    if !manners.quiet {
        comparison.warnings.iter().for_each(|warning| tell(Message::Warning(warning)));
    }
    if args.output.is_some() || figures.is_none() {
        print(&compare::report::text(&comparison))?;
    }
    if let Some(output) = figures {
        let written = output.write(&compare::report::table(&comparison)?, &manners.look(true))?;
        if let Some(path) = written.filter(|_| !manners.quiet) {
            tell(Message::Note(&format!("figures written to {}", path.display())));
        }
    }
    comparison.verdict()
}

/// Opens a second output of a command beside its first.
fn beside(first: &Output, flag: &str, path: Option<&Path>, overwrite: bool) -> Result<Option<Output>> {
    let second = path.map(|path| Output::open(Some(path), None, overwrite)).transpose()?;
    match &second {
        Some(second) if second.is_same(first) => {
            Err(Error::Usage(format!("{flag}: name another file than -o")))
        }
        _ => Ok(second),
    }
}

/// Does a command's work in a pool, and tells what was recorded of it, also where it fails.
fn watched<T: Send>(
    manners: &Manners,
    recording: Recording,
    threads: Option<usize>,
    tell: Tell<'_>,
    work: impl FnOnce(&Context<'_>) -> Result<T> + Send,
) -> Result<T> {
    let (recorder, progress) = (recording.recorder.clone(), Progress::new(manners.progress));
    let context = Context { recorder: &recorder, interrupted: &interrupted, progress: &progress };
    let done = in_pool(threads, || work(&context));
    progress.finish();
    let recorded = recording.finish(manners, tell);
    let done = done??;
    recorded.map(|()| done)
}

fn run_inspect(manners: &Manners, args: &InspectArgs) -> Result<()> {
    let (recorder, progress) = (Recorder::default(), Progress::new(manners.progress));
    let context = Context { recorder: &recorder, interrupted: &interrupted, progress: &progress };
    let report = inspect(&args.input.options()?, &context);
    progress.finish();
    let report = report?;
    print(&match args.format {
        InspectFormat::Table => inspect::text(&report),
        InspectFormat::Json => inspect::json(&report),
    })?;
    // What could be read is told; that something could not is an error all the same.
    report.unreadable.into_iter().next().map_or(Ok(()), Err)
}

fn run_metrics(args: &MetricsArgs) -> Result<()> {
    let entries = match &args.name {
        Some(name) => vec![glossary::entry(name)?],
        None => glossary::entries(),
    };
    print(&match args.format {
        MetricsFormat::Json => glossary::json(&entries),
        MetricsFormat::Markdown => glossary::markdown(&entries),
        MetricsFormat::Table if args.name.is_some() => glossary::page(&entries[0]),
        MetricsFormat::Table => glossary::list(),
    })
}

fn run_devices(manners: &Manners, args: &DevicesArgs, tell: Tell<'_>) -> Result<()> {
    let calibration = if args.calibrate {
        let (recorder, progress) = (Recorder::default(), Progress::new(manners.progress));
        let context = Context { recorder: &recorder, interrupted: &interrupted, progress: &progress };
        let calibration = calibrate(&context);
        progress.finish();
        let calibration = calibration?;
        let path = calibration.save()?;
        if !manners.quiet {
            tell(Message::Note(&format!("figures kept in {}", path.display())));
        }
        Some(calibration)
    } else {
        Calibration::load()
    };
    let devices = devices::devices();
    print(&match args.format {
        InspectFormat::Table => devices::text(&devices, calibration.as_ref()),
        InspectFormat::Json => devices::json(&devices, calibration.as_ref()),
    })
}

fn run_generate(manners: &Manners, args: &GenerateArgs, tell: Tell<'_>) -> Result<()> {
    let progress = Progress::new(manners.progress);
    let written = generate::run(args, &interrupted, &progress);
    progress.finish();
    let written = written?;
    if !manners.quiet {
        written.iter().for_each(|path| tell(Message::Note(&format!("written {}", path.display()))));
    }
    Ok(())
}

fn run_completions(args: &CompletionsArgs) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "concentra", &mut text);
    print(&String::from_utf8_lossy(&text))
}

fn run_man(args: &ManArgs) -> Result<()> {
    let Some(folder) = &args.output else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(|e| Error::io("write", "the page", e))?;
        return print(&String::from_utf8_lossy(&page));
    };
    let failed = |e| Error::io("write the pages into", PathBuf::from(folder), e);
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)
}

fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Runs in a pool of so many threads, or in one of all cores.
pub(crate) fn in_pool<T: Send>(threads: Option<usize>, work: impl FnOnce() -> T + Send) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    let pool = pool.map_err(|e| Error::io("start threads", "-j", io::Error::other(e)))?;
    Ok(pool.install(work))
}

fn explain(analysis: &Analysis) -> String {
    format!("{}\nties      {} groups read again for their exact amounts", analysis.plan, analysis.ties)
}

impl Manners {
    /// How tables look on this terminal.
    fn look(&self, chosen: bool) -> Look {
        let terminal = io::stdout().is_terminal();
        let color = match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        };
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Look { color, chosen, width: width.filter(|_| terminal) }
    }
}
