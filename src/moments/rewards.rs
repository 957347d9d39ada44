//! What is known of a group's rewards, as exact integers: sums in the order of capital.

use ruint::aliases::U256;

use crate::numbers::signed::{Signed, Sum};
use crate::numbers::wide::{U320, U384};

/// Rewards of holders in the ascending order of their capital. Holders of equal capital are a block, of which each has
/// the mean rank and the mean reward, so that their order among themselves does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rewards {
    /// The number of holders.
    pub n: u64,
    /// `R`, their sum.
    pub total: Sum,
    /// `Σ 2·rank_i·r_i`, ranks ascending from 1.
    pub ranked: Signed<U384>,
    /// What the asked numbers of holders have, ascending.
    pub poorest: Vec<Poorest>,
}

/// The so many poorest holders, the last block of them perhaps in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Poorest {
    /// How many, in hundredths of a holder.
    pub hundredths: u128,
    /// Holders below the block.
    pub below: u64,
    /// What they earned.
    pub reward: Sum,
    /// What they hold.
    pub capital: U320,
    /// Holders of the block.
    pub block: u64,
    /// What all of them earned.
    pub block_reward: Sum,
    /// What each of them holds.
    pub block_capital: U256,
}

impl Rewards {
    /// Of holders, the poorest first: what each holds and earned. `asked` are numbers of holders in hundredths, none
    /// beyond all of them.
    pub fn of(holders: &[(U256, Sum)], asked: impl IntoIterator<Item = u128>) -> Self {
        let mut asked: Vec<u128> = asked.into_iter().collect();
        asked.sort_unstable();
        asked.dedup();
        let mut asked = asked.into_iter().peekable();
        let mut rewards = Self { n: holders.len() as u64, ..Self::default() };
        let (mut below, mut capital) = (0, U320::ZERO);
        for block in holders.chunk_by(|a, b| a.0 == b.0) {
            let size = block.len() as u64;
            let mut earned = Sum::default();
            block.iter().for_each(|holder| earned += holder.1);
            while let Some(hundredths) = asked.next_if(|&asked| asked < u128::from(below + size) * 100) {
                rewards.poorest.push(Poorest {
                    hundredths,
                    below,
                    reward: rewards.total,
                    capital,
                    block: size,
                    block_reward: earned,
                    block_capital: block[0].0,
                });
            }
            // The mean of the ranks below + 1 ..= below + size, twice.
            rewards.ranked += earned.times(2 * below + size + 1);
            rewards.total += earned;
            capital += U320::from(block[0].0) * U320::from(size);
            below += size;
        }
        let all = |hundredths| {
            let block = Poorest { block: 1, ..Poorest::default() };
            Poorest { hundredths, below, reward: rewards.total, capital, ..block }
        };
        let rest: Vec<Poorest> = asked.map(all).collect();
        rewards.poorest.extend(rest);
        rewards
    }

    /// The so many hundredths of a holder that are poorest.
    ///
    /// # Panics
    /// Where they were not asked for.
    pub fn poorest(&self, hundredths: u128) -> Poorest {
        let at = self.poorest.binary_search_by_key(&hundredths, |poorest| poorest.hundredths);
        self.poorest[at.expect("it was asked for")]
    }
}
