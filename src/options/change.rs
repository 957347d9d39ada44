//! What changes were asked for.

use std::path::{Path, PathBuf};

use super::{By, Options, Snapshot};
use crate::cli::{ChangeArgs, FlowsArgs, InputArgs, OwnersArg};
use crate::columns::text::parse;
use crate::error::{Error, Result};
use crate::memory;
use crate::options::Owners;

/// Which snapshots are compared, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is read and measured; owners are merged or checked.
    pub options: Options,
    /// Of each asset's snapshots, the first and every so many-th after it are compared.
    pub every: usize,
    /// These two alone, as they are written in the result.
    pub between: Option<(String, String)>,
    /// Whether owners are grouped by when they came, too.
    pub vintages: bool,
}

impl ChangeArgs {
    /// What the arguments mean.
    pub fn change(&self) -> Result<Change> {
        let memory_limit = self.memory_limit.as_deref().map(memory::parse).transpose()?;
        let options = Options { memory_limit, ..self.measure.options(self.input.options()?)? };
        let options = followed(options, &self.input, "change")?.of_differences(self.cumulative)?;
        let between = between(&self.pairs.between)?;
        Ok(Change { options, every: self.pairs.every.into(), between, vintages: self.vintages.is_some() })
    }
}

impl FlowsArgs {
    /// What the arguments mean.
    pub fn flows(&self) -> Result<Change> {
        let memory_limit = self.memory_limit.as_deref().map(memory::parse).transpose()?;
        // Who is worth too little is told by the same prices.
        let price = self.input.source.price.as_deref();
        if price.is_some_and(|price| parse(price.trim()).is_ok()) {
            return Err(Error::Usage(
                "--price: name a column or a file; one price for all changes no flow".into(),
            ));
        }
        let prices = self.prices();
        if prices.is_some() && self.input.min_value.is_some() {
            return Err(Error::Usage("--min-value goes with a column of prices, not with a file".into()));
        }
        let options = self.input.options_with(price.filter(|_| self.input.min_value.is_some()))?;
        let priced_by = price.filter(|_| prices.is_none()).map(str::to_owned);
        let options = followed(Options { memory_limit, priced_by, prices, ..options }, &self.input, "flows")?;
        Ok(Change {
            options,
            every: self.pairs.every.into(),
            between: between(&self.pairs.between)?,
            vintages: false,
        })
    }

    /// The file of prices, where there is one by this name or it is called as one.
    fn prices(&self) -> Option<PathBuf> {
        let path = Path::new(self.input.source.price.as_deref()?);
        let named =
            path.extension().is_some_and(|e| ["csv", "parquet", "parq", "pq"].iter().any(|own| e == *own));
        (named || path.is_file()).then(|| path.to_owned())
    }

    /// Refuses an output that is an input.
    pub fn keep(&self) -> Result<()> {
        let prices = self.prices().map(|path| path.to_string_lossy().into_owned());
        let lists: Vec<String> = self.input.exclude.iter().cloned().chain(prices).collect();
        self.input.source.keep(&lists, self.output.as_deref())
    }
}

/// The options of a command that follows owners.
fn followed(options: Options, input: &InputArgs, command: &str) -> Result<Options> {
    for (asked, flag) in
        [(options.look_through.is_some(), "--look-through"), (options.top_holders.is_some(), "--top-holders")]
    {
        if asked {
            return Err(Error::Usage(format!("{flag} is not for {command}, which follows owners")));
        }
    }
    if options.by == By::Nothing || options.snapshot == Snapshot::Nothing {
        return Err(Error::Usage(format!(
            "{command} needs snapshots: leave out --by none and --snapshot none"
        )));
    }
    let owners = if input.source.owners == OwnersArg::Check { Owners::Check } else { Owners::Merge };
    Ok(Options { owners, ..options })
}

fn between(named: &[String]) -> Result<Option<(String, String)>> {
    match named {
        [] => Ok(None),
        [from, to] if from.trim() != to.trim() => Ok(Some((from.trim().to_owned(), to.trim().to_owned()))),
        _ => Err(Error::Usage("--between: give two snapshots as FROM,TO".into())),
    }
}
