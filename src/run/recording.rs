//! What a computing command tells of itself: `--timing`, `--records` and `--trace`.

use std::path::PathBuf;

use super::{Message, Tell};
use crate::cli::{Format, Manners, RecordArgs};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::record::Recorder;
use crate::records;

/// A recorder, and where what it saw goes.
pub(super) struct Recording {
    pub(super) recorder: Recorder,
    timing: bool,
    records: Option<Output>,
    trace: Option<Output>,
}

impl Recording {
    /// Opens what is written beside these results.
    pub(super) fn open(args: &RecordArgs, overwrite: bool, results: &[&Output]) -> Result<Self> {
        let open = |path: &PathBuf| Output::open(Some(path), None, overwrite);
        let records = args.records.as_ref().map(open).transpose()?;
        if records.as_ref().is_some_and(|records| !records.is_exact()) {
            return Err(Error::Usage("--records: name a .parquet, .csv, .json or .ndjson file".into()));
        }
        let trace = args.trace.as_ref().map(|path| Output::open(Some(path), Some(Format::Json), overwrite));
        let trace = trace.transpose()?;
        let same = |a: &Output, others: &[&Output]| others.iter().any(|b| a.is_same(b));
        for (flag, output) in [("--records", &records), ("--trace", &trace)] {
            if output.as_ref().is_some_and(|output| same(output, results)) {
                return Err(Error::Usage(format!("{flag}: name another file than the result's")));
            }
        }
        if let (Some(records), Some(trace)) = (&records, &trace)
            && records.is_same(trace)
        {
            return Err(Error::Usage("--trace: name another file than --records".into()));
        }
        let detailed = args.timing || records.is_some() || trace.is_some();
        let recorder = if detailed { Recorder::in_pieces() } else { Recorder::default() };
        Ok(Self { recorder, timing: args.timing, records, trace })
    }

    /// Tells and writes what was seen, also of work that failed.
    pub(super) fn finish(self, manners: &Manners, tell: Tell<'_>) -> Result<()> {
        if self.timing {
            tell(Message::Note(&self.recorder.to_string()));
        }
        let records = match self.records {
            Some(output) => output.write(&records::table(&self.recorder)?, &manners.look(true))?,
            None => None,
        };
        let trace = match self.trace {
            Some(output) => output.write_text(&records::trace(&self.recorder))?,
            None => None,
        };
        for (what, path) in [("records", records), ("trace", trace)] {
            if let Some(path) = path.filter(|_| !manners.quiet) {
                tell(Message::Note(&format!("{what} written to {}", path.display())));
            }
        }
        Ok(())
    }
}
