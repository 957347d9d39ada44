//! Random coalitions of a voting game, one of each kind a thread, and whom each of them makes swing.

use super::{Group, THREADS};
use crate::games::philox::philox;

/// Buffers: the game, weights of four words each, counts.
pub fn draw(group: &Group<'_>, buffers: &mut [Vec<u32>]) {
    let [game, weights, counts] = buffers else { panic!("three buffers") };
    let Some(entry) = group.entry() else { return };
    let first = u64::from(game[2]) | u64::from(game[3]) << 32;
    for thread in 0..THREADS {
        let sample = entry * THREADS + thread;
        if sample < game[1] as usize {
            let number = first.wrapping_add(sample as u64);
            (0..2).for_each(|kind| draw_kind(game, weights, counts, number, kind));
        }
    }
}

/// Who is in the coalition, voter after voter.
struct Members {
    number: u64,
    key: [u32; 2],
    kind: u32,
    /// Of the second kind: who draws less is in.
    below: u32,
    words: [u32; 4],
}

impl Members {
    fn new(game: &[u32], number: u64, kind: u32) -> Self {
        let mut members = Self { number, key: [game[4], game[5]], kind, below: 0, words: [0; 4] };
        members.words = members.philox(0);
        members.below = members.words[0];
        members
    }

    fn philox(&self, block: u32) -> [u32; 4] {
        philox([block, self.kind, self.number as u32, (self.number >> 32) as u32], self.key)
    }

    fn is_member(&mut self, voter: usize) -> bool {
        if self.kind == 0 {
            if voter.is_multiple_of(128) {
                self.words = self.philox(voter as u32 / 128);
            }
            return self.words[voter / 32 % 4] >> (voter % 32) & 1 == 1;
        }
        if voter.is_multiple_of(4) {
            self.words = self.philox(voter as u32 / 4 + 1);
        }
        self.words[voter % 4] < self.below
    }
}

fn draw_kind(game: &[u32], weights: &[u32], counts: &mut [u32], number: u64, kind: u32) {
    let voters = game[0] as usize;
    let wide = |words: &[u32]| (0..4).fold(0u128, |sum, i| sum | u128::from(words[i]) << (32 * i));
    let (quota, mut sum) = (wide(&game[6..]), 0u128);
    let mut drawn = Members::new(game, number, kind);
    for voter in 0..voters {
        if drawn.is_member(voter) {
            sum = sum.wrapping_add(wide(&weights[4 * voter..]));
        }
    }
    let wins = sum >= quota;
    let margin = if wins { sum - quota } else { quota - sum - 1 };
    drawn = Members::new(game, number, kind);
    for voter in 0..voters {
        if margin >= wide(&weights[4 * voter..]) {
            break;
        }
        if drawn.is_member(voter) == wins {
            counts[kind as usize * voters + voter] += 1;
        }
    }
    if wins && kind == 0 {
        counts[2 * voters] += 1;
    }
}
