//! Samples of voting games, taken on the device.

use std::ops::Range;

use super::Core;
use super::commands::{Commands, Dispatch};
use super::fault::Fault;
use super::transfer::{fetch, upload_table};
use crate::games::Game;
use crate::games::sample::Counts;
use crate::kernels::{DRAW, Params, THREADS, VOTERS};

/// Samples of one dispatch at most: a count of them fits a word.
const MOST: u64 = 1 << 24;

/// Whether a game's voters and weights fit the kernel.
pub fn fits(game: &Game) -> bool {
    game.weights.len() <= VOTERS && game.total.bit_len() < 127
}

/// Takes the samples of these numbers.
pub(super) fn sample(core: &Core, game: &Game, seed: u64, numbers: Range<u64>) -> Result<Counts, Fault> {
    let words =
        |limbs: &[u64]| [limbs[0] as u32, (limbs[0] >> 32) as u32, limbs[1] as u32, (limbs[1] >> 32) as u32];
    let voters = game.weights.len();
    let weights: Vec<u32> = game.weights.iter().flat_map(|weight| words(weight.as_limbs())).collect();
    let weights = upload_table(core, &weights)?;
    let mut counts = Counts::new(game);
    for start in (numbers.start..numbers.end).step_by(MOST as usize) {
        let samples = MOST.min(numbers.end - start);
        let mut table = vec![voters as u32, samples as u32];
        table.extend([start, seed].iter().flat_map(|&word| [word as u32, (word >> 32) as u32]));
        table.extend(words(game.quota.as_limbs()));
        let (table, swings) = (upload_table(core, &table)?, upload_table(core, &vec![0; 2 * voters + 1])?);
        let workgroups = samples.div_ceil(THREADS.into()) as u32;
        // Each voter is looked at up to four times.
        let items = samples * 4 * voters as u64;
        let mut commands = Commands::new(core);
        commands.push(Dispatch {
            kernel: &DRAW,
            buffers: &[&table, &weights, &swings],
            params: Params { count: workgroups, ..Params::default() },
            workgroups,
            unit: 1,
            items,
            bytes: 16 * items,
        })?;
        commands.run()?;
        let mut words = Vec::with_capacity(2 * voters + 1);
        fetch(core, &swings, 2 * voters + 1, |window| words.extend_from_slice(window))?;
        let mut words = words.into_iter().map(u64::from);
        counts.add(&Counts {
            samples,
            banzhaf: words.by_ref().take(voters).collect(),
            shapley_shubik: words.by_ref().take(voters).collect(),
            winning: words.next().unwrap_or(0),
        });
    }
    Ok(counts)
}
