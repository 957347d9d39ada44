//! `concentra generate`: seeded snapshots of any size and shape, in every encoding the reader takes.
//!
//! Every value of row `i` is a pure function of the seed and `i`, so nothing is stored but one window of
//! batches and one number a group, and the same request gives the same bytes on every machine.

mod amount;
mod args;
mod encoding;
mod groups;
mod normal;
mod options;
pub(crate) mod random;
mod rows;
mod scenario;
mod shape;
mod transfers;
mod writer;

use std::path::PathBuf;

use rayon::prelude::*;

use crate::Result;
use crate::progress::Progress;
use options::Options;
use rows::Rows;
use writer::Writer;

pub use args::{Codec, Encoding, GenerateArgs, GroupSizes, Order, Scenario, Shape};

/// Rows in one record batch.
const BATCH_ROWS: u64 = 16_384;
/// Batches made in parallel before they are written in order: what bounds the memory.
const WINDOW: u64 = 8;

/// Writes what `args` ask for and returns the files written, in the order of writing.
///
/// Refuses to replace a file without `overwrite`; an existing file stays whole if anything fails.
pub fn run(args: &GenerateArgs, interrupted: &dyn Fn() -> bool, progress: &Progress) -> Result<Vec<PathBuf>> {
    if args.scenario == Some(Scenario::Defi) {
        return scenario::write(&options::output(args)?, args.seed, args.overwrite);
    }
    if let Some(transfers) = args.transfers {
        let (folder, layout) = (options::output(args)?, options::layout(args)?);
        return transfers::write(&folder, transfers, args.seed, layout, interrupted, progress);
    }
    let options = Options::new(args)?;
    let rows = Rows::new(&options);
    let mut writer = Writer::create(&options.output, rows.schema(), options.layout)?;
    let batches = options.rows.div_ceil(BATCH_ROWS);
    progress.start("generating", options.rows);
    for window in (0..batches).step_by(WINDOW as usize) {
        let made: Result<Vec<_>> = (window..batches.min(window + WINDOW))
            .into_par_iter()
            .map(|batch| {
                let first = batch * BATCH_ROWS;
                rows.batch(first..options.rows.min(first + BATCH_ROWS))
            })
            .collect();
        if interrupted() {
            return Err(crate::Error::Interrupted);
        }
        for batch in made? {
            writer.write(&batch)?;
            progress.add(batch.num_rows() as u64);
        }
    }
    Ok(vec![writer.finish()?])
}
