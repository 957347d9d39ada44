//! Early adopters' advantage: what those hold who came first.

use hashbrown::HashMap;
use rayon::prelude::*;

use super::pair::Holders;
use crate::numbers::wide::U320;

/// What the owners hold in one snapshot who came with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vintage {
    /// The group of the snapshot.
    pub group: usize,
    /// The group of the snapshot in which these owners first hold something.
    pub since: usize,
    /// How many of them hold something.
    pub holders: u64,
    /// What they hold together.
    pub amount: U320,
    /// What all hold.
    pub total: U320,
}

/// The vintages of every asset's snapshots, whoever of them is still there; `series` are the groups of each asset in the
/// order of time.
pub fn vintages(series: &[Vec<usize>], holders: &[Holders]) -> Vec<Vintage> {
    let of_series: Vec<Vec<Vintage>> = series.par_iter().map(|groups| of_asset(groups, holders)).collect();
    of_series.concat()
}

fn of_asset(groups: &[usize], holders: &[Holders]) -> Vec<Vintage> {
    let mut since: HashMap<Option<&[u8]>, usize> = HashMap::new();
    let mut all = vec![];
    for (at, &group) in groups.iter().enumerate() {
        let own = &holders[group];
        let total = own.total();
        let mut of_vintages = vec![(0u64, U320::ZERO); at + 1];
        for player in &own.players {
            let first = *since.entry(player.owner.as_deref()).or_insert(at);
            of_vintages[first].0 += 1;
            of_vintages[first].1 += U320::from(player.amount);
        }
        let there = of_vintages.into_iter().enumerate().filter(|(_, (holders, _))| *holders > 0);
        all.extend(there.map(|(first, (holders, amount))| Vintage {
            group,
            since: groups[first],
            holders,
            amount,
            total,
        }));
    }
    all
}
