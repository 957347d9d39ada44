//! What snapshots were asked for.

use std::path::{Path, PathBuf};

use crate::cli::{NegativesArg, NftsArg, SnapshotArgs};
use crate::columns::table::Table;
use crate::error::{Error, Result};
use crate::memory;
use crate::options::Negatives;

/// Columns that the user names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// The block's number.
    pub block: Option<String>,
    /// The token.
    pub token: Option<String>,
    /// Who sent.
    pub from: Option<String>,
    /// Who received.
    pub to: Option<String>,
    /// How much.
    pub amount: Option<String>,
}

/// Which snapshots are built of a transfer log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Files, folders and patterns.
    pub paths: Vec<String>,
    /// Tables in memory.
    pub tables: Vec<Table>,
    /// Blocks, ascending, each once.
    pub at: Vec<u64>,
    /// Columns by name.
    pub named: Named,
    /// These tokens alone; all where there are none.
    pub only: Vec<String>,
    /// What a holder of less than nothing is.
    pub negatives: Negatives,
    /// What a token is whose transfers are those of single ids.
    pub nfts: NftsArg,
    /// What holders must fit into.
    pub memory_limit: Option<u64>,
    /// Where results wait that do not.
    pub temp_dir: Option<PathBuf>,
}

impl SnapshotArgs {
    /// What the arguments mean.
    pub fn asked(&self) -> Result<Asked> {
        let mut at = self.at.clone();
        at.sort_unstable();
        at.dedup();
        if self.only.iter().any(|token| token.trim().is_empty()) {
            return Err(Error::Usage("--only: a token is empty".into()));
        }
        let negatives = if self.negatives == NegativesArg::Drop { Negatives::Drop } else { Negatives::Error };
        Ok(Asked {
            paths: self.paths.clone(),
            tables: vec![],
            at,
            named: Named {
                block: self.block.clone(),
                token: self.token.clone(),
                from: self.from.clone(),
                to: self.to.clone(),
                amount: self.amount.clone(),
            },
            only: self.only.iter().map(|token| token.trim().to_owned()).collect(),
            negatives,
            nfts: self.nfts,
            memory_limit: self.memory_limit.as_deref().map(memory::parse).transpose()?,
            temp_dir: self.temp_dir.clone(),
        })
    }

    /// Refuses an output that is an input.
    pub fn keep(&self, output: Option<&Path>) -> Result<()> {
        super::keep(self.paths.iter(), output)
    }
}
