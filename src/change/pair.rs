//! Two snapshots of one asset: who came, who went, and how far what they have moved. Integers up to the last division.

use std::cmp::Ordering;

use hashbrown::HashSet;
use ruint::Uint;
use ruint::aliases::U256;

use crate::ingest::Player;
use crate::metrics::profits::{asked, yield_decile};
use crate::moments::rewards::Rewards;
use crate::numbers::signed::Sum;
use crate::numbers::unit::Unit;
use crate::numbers::wide::{U320, ratio};

/// Products of an amount and a total, summed over all owners: below 2^(256 + 320 + 33).
type U704 = Uint<704, 11>;

/// The holders of an asset at one time.
#[derive(Debug)]
pub struct Holders {
    /// The largest first, each owner once.
    pub players: Vec<Player>,
    /// What their amounts are worth.
    pub unit: Unit,
    /// Their places among the players, by owner.
    by_owner: Vec<u32>,
    total: U320,
}

/// What became of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pair {
    /// Owners who hold only at the later time.
    pub entered: u64,
    /// Owners who hold only at the earlier time.
    pub exited: u64,
    /// Owners who hold at both.
    pub stayed: u64,
    /// Half of what all owners' shares differ by.
    pub moved_share: Option<f64>,
    /// Of the ten largest, and all who have as much as the tenth.
    pub top_10_overlap: Option<f64>,
    /// Of the hundred largest.
    pub top_100_overlap: Option<f64>,
    /// Spearman's, over those who stayed.
    pub rank_correlation: Option<f64>,
    /// What each tenth of the earlier holders has later, of what it had.
    pub growth: Option<Vec<Option<f64>>>,
}

impl Holders {
    /// Of players, the largest first, each owner once.
    pub fn new(players: Vec<Player>, unit: Unit) -> Self {
        let mut by_owner: Vec<u32> = (0..players.len() as u32).collect();
        by_owner.sort_unstable_by(|&a, &b| players[a as usize].owner.cmp(&players[b as usize].owner));
        let total = players.iter().fold(U320::ZERO, |sum, player| sum + U320::from(player.amount));
        Self { players, unit, by_owner, total }
    }

    /// What all of them hold.
    pub fn total(&self) -> U320 {
        self.total
    }

    /// The owners of the `k` largest amounts, and of amounts that equal the smallest of those.
    fn top(&self, k: usize) -> HashSet<&Option<Box<[u8]>>> {
        let Some(last) = self.players.get(k - 1).or(self.players.last()) else { return HashSet::new() };
        let top = self.players.iter().take_while(|player| player.amount >= last.amount);
        top.map(|player| &player.owner).collect()
    }
}

/// Compares an earlier snapshot with a later one.
pub fn compare(before: &Holders, after: &Holders) -> Pair {
    let joined = join(before, after);
    let count = |is: fn(&(Option<u32>, Option<u32>)) -> bool| joined.iter().filter(|pair| is(pair)).count();
    let entered = count(|(earlier, _)| earlier.is_none()) as u64;
    let exited = count(|(_, later)| later.is_none()) as u64;
    Pair {
        entered,
        exited,
        stayed: joined.len() as u64 - entered - exited,
        moved_share: moved_share(before, after, &joined),
        top_10_overlap: overlap(before, after, 10),
        top_100_overlap: overlap(before, after, 100),
        rank_correlation: rank_correlation(before, after, &joined),
        growth: growth(before, after, &joined),
    }
}

/// Every owner of either time, with its place at each.
type Joined = Vec<(Option<u32>, Option<u32>)>;

fn join(before: &Holders, after: &Holders) -> Joined {
    let (mut ours, mut theirs) =
        (before.by_owner.iter().copied().peekable(), after.by_owner.iter().copied().peekable());
    let mut joined = Vec::with_capacity(before.players.len().max(after.players.len()));
    loop {
        let order = match (ours.peek(), theirs.peek()) {
            (None, None) => return joined,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(&a), Some(&b)) => before.players[a as usize].owner.cmp(&after.players[b as usize].owner),
        };
        joined.push(match order {
            Ordering::Less => (ours.next(), None),
            Ordering::Greater => (None, theirs.next()),
            Ordering::Equal => (ours.next(), theirs.next()),
        });
    }
}

fn amount(holders: &Holders, place: Option<u32>) -> U256 {
    place.map_or(U256::ZERO, |place| holders.players[place as usize].amount)
}

/// `½ Σ |a/A − b/B|` as `Σ |a·B − b·A| / 2AB`; none where nobody holds anything at one of both times.
fn moved_share(before: &Holders, after: &Holders, joined: &Joined) -> Option<f64> {
    if before.total.is_zero() || after.total.is_zero() {
        return None;
    }
    let (of_before, of_after) = (U704::from(before.total), U704::from(after.total));
    let moved = joined.iter().fold(U704::ZERO, |sum, &(earlier, later)| {
        let was = U704::from(amount(before, earlier)) * of_after;
        let is = U704::from(amount(after, later)) * of_before;
        sum + was.abs_diff(is)
    });
    Some(ratio(&moved, &((of_before * of_after) << 1)))
}

/// How many owners are in both tops, of those who are in either (Jaccard).
fn overlap(before: &Holders, after: &Holders, k: usize) -> Option<f64> {
    let (ours, theirs) = (before.top(k), after.top(k));
    let both = ours.intersection(&theirs).count();
    let either = ours.len() + theirs.len() - both;
    (either > 0).then(|| both as f64 / either as f64)
}

/// Spearman's correlation of the ranks of those who stayed, equal amounts having their mean rank; none where fewer than
/// two stayed, or all have as much at one of both times.
fn rank_correlation(before: &Holders, after: &Holders, joined: &Joined) -> Option<f64> {
    let stayed: Vec<(u32, u32)> = joined.iter().filter_map(|&(a, b)| a.zip(b)).collect();
    let ours = ranks(stayed.iter().map(|&(a, _)| before.players[a as usize].amount).collect());
    let theirs = ranks(stayed.iter().map(|&(_, b)| after.players[b as usize].amount).collect());
    let product = |a: &[i64], b: &[i64]| -> i128 {
        a.iter().zip(b).map(|(&a, &b)| i128::from(a) * i128::from(b)).sum()
    };
    let (both, own, their) = (product(&ours, &theirs), product(&ours, &ours), product(&theirs, &theirs));
    if own == 0 || their == 0 {
        return None;
    }
    // Exact where the ranks are the same, or the reverse.
    let scale = if own == their { own as f64 } else { (own as f64).sqrt() * (their as f64).sqrt() };
    Some((both as f64 / scale).clamp(-1.0, 1.0))
}

/// Twice the mean rank of each amount, less twice the mean of all ranks: integers whose sum is zero.
fn ranks(amounts: Vec<U256>) -> Vec<i64> {
    let n = amounts.len() as i64;
    let mut order: Vec<u32> = (0..amounts.len() as u32).collect();
    order.sort_unstable_by_key(|&at| amounts[at as usize]);
    let mut ranks = vec![0; amounts.len()];
    let mut below = 0;
    for block in order.chunk_by(|&a, &b| amounts[a as usize] == amounts[b as usize]) {
        let size = block.len() as i64;
        // The first is below + 1, the last below + size.
        block.iter().for_each(|&at| ranks[at as usize] = 2 * below + 1 + size - (n + 1));
        below += size;
    }
    ranks
}

/// `Σ after / Σ before` in each tenth of the earlier holders by what they had, both in the units as written.
fn growth(before: &Holders, after: &Holders, joined: &Joined) -> Option<Vec<Option<f64>>> {
    let mut later: Vec<U256> = vec![U256::ZERO; before.players.len()];
    for &(earlier, place) in joined {
        if let Some(earlier) = earlier {
            later[earlier as usize] = amount(after, place);
        }
    }
    let holders: Vec<(U256, Sum)> = before
        .players
        .iter()
        .zip(later)
        .rev()
        .map(|(player, later)| (player.amount, Sum::new(U320::from(later), false)))
        .collect();
    let grown = Rewards::of(&holders, asked(holders.len() as u64));
    (!holders.is_empty()).then(|| yield_decile(&grown, after.unit, before.unit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holders(amounts: &[(u8, u64)]) -> Holders {
        let mut players: Vec<Player> = amounts
            .iter()
            .filter(|(_, amount)| *amount > 0)
            .map(|&(owner, amount)| Player { owner: Some([owner].into()), amount: U256::from(amount) })
            .collect();
        players.sort_by_key(|player| std::cmp::Reverse(player.amount));
        Holders::new(players, Unit::Decimal(0))
    }

    #[test]
    fn by_hand() {
        let before = holders(&[(1, 50), (2, 30), (3, 20)]);
        let after = holders(&[(1, 30), (2, 30), (4, 40)]);
        let pair = compare(&before, &after);
        assert_eq!((pair.entered, pair.exited, pair.stayed), (1, 1, 2));
        // |0.5 − 0.3| + |0.3 − 0.3| + 0.2 + 0.4, halved.
        assert_eq!(pair.moved_share, Some(0.4));
        assert_eq!(pair.top_10_overlap, Some(0.5));
        assert_eq!(pair.rank_correlation, None, "both have as much later");
        let growth = pair.growth.unwrap();
        // Tenths of three holders: the fourth begins with the second one, the seventh with the third.
        assert_eq!(growth.iter().flatten().collect::<Vec<_>>(), [&0.0, &1.0, &0.6]);
        let same = compare(&before, &before);
        assert_eq!((same.moved_share, same.rank_correlation), (Some(0.0), Some(1.0)));
        let nobody = compare(&before, &holders(&[]));
        assert_eq!((nobody.exited, nobody.moved_share, nobody.top_10_overlap), (3, None, Some(0.0)));
    }

    #[test]
    fn tops_take_all_who_are_tied() {
        let before: Vec<(u8, u64)> = (0..20).map(|owner| (owner, if owner < 9 { 100 } else { 7 })).collect();
        let after: Vec<(u8, u64)> =
            (0..20).map(|owner| (owner, if owner < 9 { 100 } else { owner.into() })).collect();
        // All twenty are tied at rank ten before; ten are in the top after.
        assert_eq!(compare(&holders(&before), &holders(&after)).top_10_overlap, Some(0.5));
    }

    fn snapshot() -> impl Strategy<Value = Vec<(u8, u64)>> {
        prop::collection::btree_map(any::<u8>(), 0u64..50, 0..40).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        /// `moved_share` is a metric of distributions, and the rest what plain maps say.
        #[test]
        fn distances_and_counts(a in snapshot(), b in snapshot(), c in snapshot()) {
            let (x, y, z) = (holders(&a), holders(&b), holders(&c));
            let moved = |from: &Holders, to: &Holders| compare(from, to).moved_share;
            prop_assert_eq!(moved(&x, &y), moved(&y, &x));
            if let (Some(xy), Some(yz), Some(xz)) = (moved(&x, &y), moved(&y, &z), moved(&x, &z)) {
                prop_assert!(xz <= xy + yz + 1e-12);
                prop_assert!((0.0..=1.0).contains(&xy));
                let share = |holders: &Holders, owner: u8| {
                    let own = holders.players.iter().find(|p| p.owner.as_deref() == Some(&[owner][..]));
                    own.map_or(0.0, |player| ratio(&player.amount, &holders.total))
                };
                let plain: f64 = (0..=255).map(|owner| (share(&x, owner) - share(&y, owner)).abs()).sum();
                prop_assert!((xy - plain / 2.0).abs() < 1e-12);
            }
            let (pair, back) = (compare(&x, &y), compare(&y, &x));
            prop_assert_eq!((pair.entered, pair.exited, pair.stayed), (back.exited, back.entered, back.stayed));
            prop_assert_eq!(pair.stayed + pair.exited, x.players.len() as u64);
            prop_assert_eq!(pair.stayed + pair.entered, y.players.len() as u64);
            prop_assert_eq!(pair.rank_correlation, back.rank_correlation);
            prop_assert!(pair.rank_correlation.is_none_or(|r| (-1.0..=1.0).contains(&r)));
            // Splitting a period composes: whoever is there at its end and not at its start came in one of both parts.
            let (first, second) = (compare(&x, &z), compare(&z, &y));
            let net = |pair: &Pair| pair.entered as i64 - pair.exited as i64;
            prop_assert_eq!(net(&pair), net(&first) + net(&second));
            prop_assert!(pair.entered <= first.entered + second.entered);
        }
    }
}
