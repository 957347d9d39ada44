//! One owner after the other: what it left, and what it entered instead.

use std::collections::BTreeMap;

use num_bigint::{BigInt, BigUint, Sign};
use rayon::prelude::*;

/// What an owner has of an asset: below zero at the earlier time, above it at the later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Move<'a> {
    pub(super) owner: Option<&'a [u8]>,
    pub(super) asset: usize,
    pub(super) value: BigInt,
}

/// What went from one asset to another; none stands for outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) from: Option<usize>,
    pub(super) to: Option<usize>,
    pub(super) amount: BigUint,
    pub(super) owners: u64,
}

/// Amount and owners by origin and destination; what is outside comes last.
type Matrix = BTreeMap<(usize, usize), (BigUint, u64)>;

/// An asset, and how much more or less of it there is.
type Change = (usize, BigUint);

const OUTSIDE: usize = usize::MAX;

/// The matrix of all owners' flows. With `F` and `G` the totals of an owner's falls and rises and `M` the smaller of both,
/// `⌊M·fall_a·rise_b / (F·G)⌋` goes from `a` to `b`; what is left of a fall goes outside, and what is left of a rise comes
/// from there. So rows and columns sum to falls and rises, exactly.
pub(super) fn rotate(mut moves: Vec<Move<'_>>) -> Vec<Cell> {
    moves.par_sort_unstable_by(|a, b| (a.owner, a.asset).cmp(&(b.owner, b.asset)));
    let owners: Vec<&[Move<'_>]> = moves.chunk_by(|a, b| a.owner == b.owner).collect();
    let add = |mut matrix: Matrix, own: &&[Move<'_>]| {
        of_owner(own, &mut matrix);
        matrix
    };
    let join = |a: Matrix, b: Matrix| {
        let (mut more, less) = if a.len() >= b.len() { (a, b) } else { (b, a) };
        for (key, (amount, owners)) in less {
            let cell = more.entry(key).or_default();
            cell.0 += amount;
            cell.1 += owners;
        }
        more
    };
    let matrix = owners.par_iter().fold(Matrix::new, add).reduce(Matrix::new, join);
    let side = |asset: usize| (asset != OUTSIDE).then_some(asset);
    let cell = |((from, to), (amount, owners))| Cell { from: side(from), to: side(to), amount, owners };
    matrix.into_iter().map(cell).collect()
}

fn of_owner(moves: &[Move<'_>], matrix: &mut Matrix) {
    let (mut falls, mut rises): (Vec<Change>, Vec<Change>) = (vec![], vec![]);
    for of_asset in moves.chunk_by(|a, b| a.asset == b.asset) {
        let change: BigInt = of_asset.iter().map(|own| &own.value).sum();
        match change.sign() {
            Sign::Minus => falls.push((of_asset[0].asset, change.into_parts().1)),
            Sign::Plus => rises.push((of_asset[0].asset, change.into_parts().1)),
            Sign::NoSign => {}
        }
    }
    let mut put = |from: usize, to: usize, amount: BigUint| {
        if amount != BigUint::ZERO {
            let cell = matrix.entry((from, to)).or_default();
            cell.0 += amount;
            cell.1 += 1;
        }
    };
    let sum = |all: &[Change]| all.iter().map(|(_, amount)| amount).sum::<BigUint>();
    let (fallen, risen) = (sum(&falls), sum(&rises));
    let both = (&fallen).min(&risen);
    let mut entered: Vec<BigUint> = vec![BigUint::ZERO; rises.len()];
    for (from, fall) in &falls {
        let mut left = fall.clone();
        for ((to, rise), entered) in rises.iter().zip(&mut entered) {
            let flow = both * fall * rise / (&fallen * &risen);
            left -= &flow;
            *entered += &flow;
            put(*from, *to, flow);
        }
        put(*from, OUTSIDE, left);
    }
    for ((to, rise), entered) in rises.into_iter().zip(entered) {
        put(OUTSIDE, to, rise - entered);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moves(all: &[(u8, usize, i64)]) -> Vec<Move<'_>> {
        all.iter()
            .map(|(owner, asset, value)| Move {
                owner: Some(std::slice::from_ref(owner)),
                asset: *asset,
                value: BigInt::from(*value),
            })
            .collect()
    }

    #[test]
    fn by_hand() {
        // Nine of asset 0 become five of 1 and one of 2; another owner comes with four of 1.
        let all = [(1, 0, -9), (1, 1, 5), (1, 2, 1), (2, 1, -3), (2, 1, 7)];
        let cell = |from, to, amount: u64, owners| Cell { from, to, amount: amount.into(), owners };
        assert_eq!(
            rotate(moves(&all)),
            [
                cell(Some(0), Some(1), 5, 1),
                cell(Some(0), Some(2), 1, 1),
                cell(Some(0), None, 3, 1),
                cell(None, Some(1), 4, 1),
            ]
        );
    }

    proptest! {
        /// Rows and columns sum to falls and rises, whatever the order of moves.
        #[test]
        fn reconciles(mut all in prop::collection::vec((0u8..6, 0usize..4, -1000i64..1000), 0..60), seed in any::<u64>()) {
            let found = rotate(moves(&all));
            let mut net = [0i64; 4];
            all.iter().for_each(|(_, asset, value)| net[*asset] += value);
            for (asset, net) in net.iter().enumerate() {
                let sum = |is: &dyn Fn(&Cell) -> bool| -> BigInt {
                    found.iter().filter(|cell| is(cell)).map(|cell| BigInt::from(cell.amount.clone())).sum()
                };
                let (entered, left) = (sum(&|cell| cell.to == Some(asset)), sum(&|cell| cell.from == Some(asset)));
                prop_assert_eq!(entered - left, BigInt::from(*net));
            }
            prop_assert!(found.iter().all(|cell| cell.from != cell.to));
            let n = all.len().max(1);
            all.rotate_left((seed as usize) % n);
            prop_assert_eq!(rotate(moves(&all)), found);
        }
    }
}
