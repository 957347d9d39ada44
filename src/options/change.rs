//! What changes were asked for.

use super::{By, Options, Snapshot};
use crate::cli::{ChangeArgs, OwnersArg};
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
        for (asked, flag) in [
            (options.look_through.is_some(), "--look-through"),
            (options.top_holders.is_some(), "--top-holders"),
        ] {
            if asked {
                return Err(Error::Usage(format!("{flag} is not for change, which follows owners")));
            }
        }
        if options.by == By::Nothing || options.snapshot == Snapshot::Nothing {
            let problem = "change needs snapshots: leave out --by none and --snapshot none";
            return Err(Error::Usage(problem.into()));
        }
        let owners = if self.input.source.owners == OwnersArg::Check { Owners::Check } else { Owners::Merge };
        let between = match self.between.as_slice() {
            [] => None,
            [from, to] if from != to => Some((from.trim().to_owned(), to.trim().to_owned())),
            _ => return Err(Error::Usage("--between: give two snapshots as FROM,TO".into())),
        };
        Ok(Change {
            options: Options { owners, ..options },
            every: self.every.into(),
            between,
            vintages: self.vintages.is_some(),
        })
    }
}
