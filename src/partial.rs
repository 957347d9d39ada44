//! A part of an analysis: what one machine finds of its own holders, so that others can go on with it.
//!
//! The holders of each group lie in *runs*, ascending: their exact sums ([`crate::moments::Sums`]) for whoever combines
//! value ranges, and their exact amounts for the few runs in which an answer lies. [`merge`] combines them.

use std::collections::HashMap;

use rayon::prelude::*;
use ruint::aliases::U256;

use crate::cpu::Cpu;
use crate::engine::sums_of;
use crate::error::{Error, Result};
use crate::ingest::{Context, Ingest};
use crate::memory::Memory;
use crate::moments::Sums;
use crate::numbers::key::{self, Key};
use crate::numbers::unit::Unit;
use crate::numbers::wide::U320;
use crate::options::Options;
use crate::results::Results;

pub mod merge;
pub mod runs;

use runs::{Own, Run, write};

/// Holders of a run: few enough to be looked at for one answer, many enough that their sums are little beside them.
pub const RUN: usize = 4096;

/// What one machine found.
#[derive(Debug)]
pub struct Partial {
    /// A row per group and run.
    pub results: Results,
    /// What the user should know, in full sentences.
    pub warnings: Vec<String>,
}

/// Finds the runs of every group.
///
/// # Errors
/// Those of an analysis; [`Error::Memory`] where the holders do not fit into memory together.
pub fn partial(options: &Options, context: &Context<'_>) -> Result<Partial> {
    let ingest = Ingest::open(options, context)?;
    let own = runs::COLUMNS.iter().map(|(name, _)| *name);
    if let Some(clash) =
        own.clone().find(|name| ingest.schema.fields.iter().any(|field| field.name() == name))
    {
        return Err(Error::Usage(format!(
            "the group column `{clash}` has the name of a column of partial results; rename it in the input or leave it \
             out of --by"
        )));
    }
    ingest.describe().iter().for_each(|line| tracing::info!("{line}"));
    let counted = ingest.count(usize::MAX, options, context)?;
    let memory = Memory::of(options.memory_limit).beside(ingest.population.bytes());
    let holders = ingest.players(&counted, &memory, options, context)?;
    let groups = &counted.groups;
    context.progress.start("summing", holders.iter().map(|holders| holders.len() as u64).sum());
    let mut found: Vec<(usize, Run, Vec<U256>)> = vec![];
    for (group, holders) in holders.into_iter().enumerate() {
        if (context.interrupted)() {
            return Err(Error::Interrupted);
        }
        // The largest came first.
        let amounts: Vec<U256> = holders.into_iter().rev().map(|holder| holder.amount).collect();
        let own = Own { counts: groups.counts[group], excluded: groups.excluded.sums(group as u32) };
        let whole = !groups.cut.contains(&(group as u32));
        let mut runs = cut(&amounts, groups.units[group], whole)?;
        if runs.is_empty() {
            runs.push((Run::empty(groups.units[group]), vec![]));
        }
        runs[0].0.own = own;
        context.progress.add(amounts.len() as u64);
        found.extend(runs.into_iter().map(|(run, amounts)| (group, run, amounts)));
    }
    let mut provenance: HashMap<String, String> = ingest.provenance(options);
    provenance.insert("concentra.partial".into(), runs::VERSION.into());
    let results = write(&ingest.schema, &groups.keys, &found, provenance)?;
    Ok(Partial { results, warnings: ingest.warnings(options) })
}

/// Ascending amounts of one group, in runs with their sums. They are `whole` where the unit cuts nothing off.
pub fn cut(amounts: &[U256], unit: Unit, whole: bool) -> Result<Vec<(Run, Vec<U256>)>> {
    let keys: Vec<(Key, bool)> = amounts.par_iter().map(|&amount| key::of(amount)).collect();
    let offsets: Vec<usize> = (0..amounts.len()).step_by(RUN).chain([amounts.len()]).collect();
    let mut sorted: Vec<Key> = keys.iter().map(|key| key.0).collect();
    let sums = if amounts.is_empty() { vec![] } else { sums_of(&Cpu, &mut sorted, &offsets)? };
    let run = |(sums, range): (&Sums, &[usize])| {
        let own = range[0]..range[1];
        let total = amounts[own.clone()].iter().fold(U320::ZERO, |sum, &amount| sum + U320::from(amount));
        let exact = whole && keys[own.clone()].iter().all(|key| key.1);
        (Run { unit, sums: *sums, total, exact, own: Own::default() }, amounts[own].to_vec())
    };
    Ok(sums.iter().zip(offsets.windows(2)).map(run).collect())
}
