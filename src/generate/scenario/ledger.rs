//! Balances and the transfers that made them.

use std::collections::BTreeMap;

use ruint::aliases::U256;

use super::cast::{Address, BURN, ZERO};
use super::{BLOCKS_PER_WEEK, WEEKS, snapshot_block};

/// One transfer event; mints come from the zero address.
#[derive(Clone, Copy)]
pub(super) struct Transfer {
    pub(super) block: u32,
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) value: u128,
}

/// Balances by owner; who sold everything stays, with zero.
pub(super) type Balances = BTreeMap<Address, u128>;

/// A token's past, week by week.
pub(super) struct Ledger {
    balances: Balances,
    /// The balances at each snapshot.
    pub(super) weeks: Vec<Balances>,
    /// The transfers before each snapshot, since the one before.
    pub(super) transfers: Vec<Vec<Transfer>>,
}

impl Ledger {
    /// Nothing minted yet.
    pub(super) fn new() -> Self {
        Self { balances: Balances::new(), weeks: Vec::new(), transfers: vec![Vec::new()] }
    }

    /// What an owner has now.
    pub(super) fn balance(&self, owner: Address) -> u128 {
        self.balances.get(&owner).copied().unwrap_or(0)
    }

    /// Creates tokens.
    pub(super) fn mint(&mut self, to: Address, value: u128) {
        self.record(ZERO, to, value);
    }

    /// Moves tokens, at most what there is.
    pub(super) fn send(&mut self, from: Address, to: Address, value: u128) {
        let value = value.min(self.balance(from));
        if value > 0 && from != to {
            *self.balances.entry(from).or_default() -= value;
            self.record(from, to, value);
        }
    }

    /// Moves a share of what there is, in 1/1000; all of it if 1000.
    pub(super) fn send_share(&mut self, from: Address, to: Address, per_mille: u128) {
        self.send(
            from,
            to,
            self.balance(from) / 1000 * per_mille + self.balance(from) % 1000 * per_mille / 1000,
        );
    }

    /// Pays `total` from one owner to many, by weight.
    pub(super) fn pay(&mut self, from: Address, total: u128, to: &[Address], weights: &[f64]) {
        for (&owner, value) in to.iter().zip(split(total, weights)) {
            self.send(from, owner, value);
        }
    }

    /// Burnt tokens stay in the supply of the token, at the burn address.
    pub(super) fn burn(&mut self, from: Address, value: u128) {
        self.send(from, BURN, value);
    }

    /// Takes the snapshot: the week's transfers get rising blocks, all of them before it.
    pub(super) fn close_week(&mut self) {
        let week = self.weeks.len();
        let first = snapshot_block(week) - BLOCKS_PER_WEEK + 1;
        let transfers = &mut self.transfers[week];
        let count = transfers.len().max(1) as u32;
        for (transfer, index) in transfers.iter_mut().zip(0..) {
            transfer.block = first + (BLOCKS_PER_WEEK - 2) / count * index;
        }
        self.weeks.push(self.balances.clone());
        if self.weeks.len() < WEEKS.len() {
            self.transfers.push(Vec::new());
        }
    }

    fn record(&mut self, from: Address, to: Address, value: u128) {
        *self.balances.entry(to).or_default() += value;
        if let Some(week) = self.transfers.last_mut() {
            week.push(Transfer { block: 0, from, to, value });
        }
    }
}

/// Integers in proportion to the weights that add up to `total`; the largest weight gets what is left over.
pub(super) fn split(total: u128, weights: &[f64]) -> Vec<u128> {
    let sum: f64 = weights.iter().sum();
    let part = |weight: &f64| {
        let share = U256::from((weight / sum * (1u64 << 52) as f64) as u64);
        let product: U256 = (U256::from(total) * share) >> 52;
        product.to::<u128>().min(total)
    };
    let mut parts: Vec<u128> = weights.iter().map(part).collect();
    let given: u128 = parts.iter().sum();
    if let Some(largest) = (0..parts.len()).max_by(|&a, &b| weights[a].total_cmp(&weights[b])) {
        parts[largest] = parts[largest] + total - given;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_add_up() {
        for total in [0, 1, 7, 10u128.pow(26)] {
            let parts = split(total, &[1.0, 2.5, 0.1, 1e-9]);
            assert_eq!(parts.iter().sum::<u128>(), total);
        }
        assert_eq!(split(100, &[1.0, 3.0]), [25, 75]);
    }

    #[test]
    fn transfers_fold_to_balances() {
        let (a, b) = ([1; 20], [2; 20]);
        let mut ledger = Ledger::new();
        ledger.mint(a, 1000);
        ledger.send(a, b, 2000);
        ledger.send_share(b, a, 250);
        ledger.close_week();
        assert_eq!(ledger.weeks[0], Balances::from([(a, 250), (b, 750)]));
        assert!(ledger.transfers[0].windows(2).all(|pair| pair[0].block < pair[1].block));
        assert!(ledger.transfers[0][2].block < snapshot_block(0));
    }
}
