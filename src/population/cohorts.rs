//! Which cohort each owner is of: team, investors, exchange, community.

use std::path::Path;

use hashbrown::HashMap;

use super::Owner;
use super::list::{column, no_column, of_column, table, texts};
use crate::columns::owner;
use crate::error::{Error, Result};
use crate::input::roles::OWNER;

/// Owners by cohort.
#[derive(Debug, Default)]
pub struct Cohorts {
    /// In order.
    pub names: Vec<String>,
    of: HashMap<Owner, u32>,
}

impl Cohorts {
    /// Reads a file with a column of owners and this one. An owner has one cohort.
    pub fn read(path: &Path, name: &str) -> Result<Self> {
        let wrong = |problem: String| Error::Schema { file: path.display().to_string(), problem };
        let batches = table(path)?.ok_or_else(|| wrong("cohorts are read from .parquet or .csv".into()))?;
        let mut of: HashMap<Owner, String> = HashMap::new();
        for batch in batches {
            let owners = column(&batch, OWNER).ok_or_else(|| no_column(path, OWNER, &batch))?.1;
            let cohorts = column(&batch, &[name]).ok_or_else(|| no_column(path, &[name], &batch))?.1;
            for (owner, cohort) in of_column(&owners)?.into_iter().zip(texts(&cohorts)?) {
                let (Some(owner), Some(cohort)) = (owner, cohort) else { continue };
                if let Some(other) = of.get(&owner).filter(|other| **other != cohort) {
                    return Err(wrong(format!(
                        "{} is of two cohorts, `{other}` and `{cohort}`; give each owner one",
                        owner::show(&owner)
                    )));
                }
                of.insert(owner, cohort);
            }
        }
        let mut names: Vec<String> = of.values().cloned().collect();
        names.sort_unstable();
        names.dedup();
        let number = |name: &String| names.partition_point(|other| other < name) as u32;
        let of = of.iter().map(|(owner, name)| (owner.clone(), number(name))).collect();
        Ok(Self { names, of })
    }

    /// The cohort of an owner, if it has one.
    pub fn of(&self, owner: Option<&[u8]>) -> Option<u32> {
        self.of.get(owner?).copied()
    }
}
