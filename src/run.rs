//! The spine: from parsed arguments to an exit code, one short function per command.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::analyze::{Analysis, Context, analyze};
use crate::cli::{AnalyzeArgs, Cli, Color, Command, NegativesArg, OwnersArg};
use crate::error::{Error, Result};
use crate::generate::{self, GenerateArgs};
use crate::metrics::Extras;
use crate::moments::Fraction;
use crate::options::{By, Device, Negatives, Options, Owners, Snapshot};
use crate::output::{Output, table::Look};
use crate::record::Recorder;

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

/// Runs the command.
pub fn run(cli: &Cli, tell: Tell<'_>) -> Result<()> {
    match &cli.command {
        Command::Analyze(args) => run_analyze(cli, args, tell),
        Command::Generate(args) => run_generate(cli, args, tell),
    }
}

fn run_generate(cli: &Cli, args: &GenerateArgs, tell: Tell<'_>) -> Result<()> {
    let written = generate::run(args)?;
    if !cli.quiet {
        written.iter().for_each(|path| tell(Message::Note(&format!("written {}", path.display()))));
    }
    Ok(())
}

fn run_analyze(cli: &Cli, args: &AnalyzeArgs, tell: Tell<'_>) -> Result<()> {
    let options = args.options()?;
    let output = Output::open(args.output.as_deref(), args.format, args.overwrite)?;
    let recorder = Recorder::default();
    let context = Context { recorder: &recorder, interrupted: &|| INTERRUPTED.load(Ordering::Relaxed) };
    let analysis = in_pool(args.threads.map(usize::from), || analyze(&options, &context))??;
    if cli.verbose {
        analysis.inputs.iter().for_each(|line| tell(Message::Note(line)));
    }
    if !cli.quiet {
        if let Some(device) = &analysis.device {
            tell(Message::Note(device));
        }
        analysis.warnings.iter().for_each(|warning| tell(Message::Warning(warning)));
    }
    if args.explain {
        tell(Message::Note(&explain(&analysis, &recorder)));
    }
    let look = Look { color: cli.bold(), chosen: !args.metrics.is_empty() };
    let written = output.write(&analysis.results, &look)?;
    if let Some(path) = written.filter(|_| !cli.quiet) {
        let rows = analysis.results.table.num_rows();
        tell(Message::Note(&format!("{rows} groups written to {}", path.display())));
    }
    Ok(())
}

/// Runs in a pool of so many threads, or in the one of all cores.
fn in_pool<T: Send>(threads: Option<usize>, work: impl FnOnce() -> T + Send) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    let pool = pool.map_err(|e| Error::io("start threads", "-j", io::Error::other(e)))?;
    Ok(pool.install(work))
}

fn explain(analysis: &Analysis, recorder: &Recorder) -> String {
    let mut text =
        format!("{}\nties      {} groups read again for their exact amounts\n", analysis.plan, analysis.ties);
    text += "stage     tasks       rows        bytes    busy ms\n";
    for s in recorder.summary() {
        let milliseconds = s.busy_ns as f64 / 1e6;
        text += &format!(
            "{:<9} {:>5} {:>10} {:>12} {milliseconds:>10.1}\n",
            s.stage.name(),
            s.tasks,
            s.rows,
            s.bytes
        );
    }
    text.trim_end().to_owned()
}

impl Cli {
    fn bold(&self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
            }
        }
    }
}

impl AnalyzeArgs {
    /// What the arguments mean.
    pub fn options(&self) -> Result<Options> {
        let by = match &self.by[..] {
            [] => By::Roles,
            [one] if one == "none" => By::Nothing,
            columns => By::Columns(columns.to_vec()),
        };
        let snapshot = match self.snapshot.as_deref() {
            None => Snapshot::Auto,
            Some("filename") => Snapshot::Filename,
            Some("none") => Snapshot::Nothing,
            Some(column) => Snapshot::Column(column.to_owned()),
        };
        if snapshot != Snapshot::Auto
            && let By::Columns(columns) = &by
            && !columns.iter().any(|c| c.eq_ignore_ascii_case("snapshot"))
        {
            return Err(Error::Usage(
                "--by replaces the snapshot; add `snapshot` to --by, or drop --snapshot".into(),
            ));
        }
        let device = match Device::from(&self.device[..]) {
            Device::Cpu if self.require_gpu => {
                return Err(Error::Usage("--require-gpu contradicts --device cpu".into()));
            }
            Device::Auto if self.require_gpu => Device::Gpu,
            device => device,
        };
        let thresholds = self.threshold.iter().map(|text| threshold(text)).collect::<Result<_>>()?;
        Ok(Options {
            paths: self.paths.clone(),
            by,
            amount: self.amount.clone(),
            owner: self.owner.clone(),
            snapshot,
            owners: match self.owners {
                OwnersArg::Trust => Owners::Trust,
                OwnersArg::Merge => Owners::Merge,
                OwnersArg::Check => Owners::Check,
            },
            negatives: match self.negatives {
                NegativesArg::Error => Negatives::Error,
                NegativesArg::Drop => Negatives::Drop,
            },
            decimals: self.decimals,
            metrics: self.metrics.clone(),
            extras: Extras { top: self.top.clone(), thresholds },
            device,
            require_gpu: self.require_gpu,
        })
    }
}

/// `0.66` or `3/4`, exactly, with the ending of its column's name.
fn threshold(text: &str) -> Result<(String, Fraction)> {
    let parsed = match text.split_once('/') {
        Some((n, d)) => {
            n.parse().ok().zip(d.parse().ok()).map(|(n, d)| (format!("{n}_{d}"), Fraction::new(n, d)))
        }
        None => text.strip_prefix("0.").filter(|digits| digits.len() <= 18).and_then(|digits| {
            let numerator = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
            Some((format!("0_{digits}"), Fraction::new(numerator, 10u64.pow(digits.len() as u32))))
        }),
    };
    let largest = 10u64.pow(18);
    parsed
        .filter(|(_, f)| 0 < f.numerator && f.numerator < f.denominator && f.denominator <= largest)
        .ok_or_else(|| {
            Error::Usage(format!(
                "--threshold {text}: write a decimal or a fraction between 0 and 1, like 0.66 or 3/4"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_exact() {
        assert_eq!(threshold("0.66").unwrap(), ("0_66".into(), Fraction::new(66, 100)));
        assert_eq!(threshold("3/4").unwrap(), ("3_4".into(), Fraction::new(3, 4)));
        for bad in
            ["0", "1", "1.0", "0.0", "0.", "4/3", "0/5", "1/0", "x", "-0.5", "0.+5", "0.1234567890123456789"]
        {
            assert!(threshold(bad).is_err(), "{bad}");
        }
    }
}
