//! Games of few deciding voters, whatever their weights: a decision diagram (Bolus 2011, doi:10.1016/j.ejor.2010.09.020).
//!
//! Voters join or not, the heaviest first. What their coalition weighs matters only by what the rest can still decide: all
//! weights of an interval leave the same game and are one node. Once every coalition has won or lost, those who were not
//! asked are dummies, however many they are.

use std::collections::BTreeMap;
use std::ops::{Add, Sub};

use num_bigint::BigUint;

use super::count::{Count, with_count};
use super::{Game, Swings};
use crate::numbers::wide::U320;

/// Nodes at most.
const NODES: usize = 1 << 16;
/// Voters who are asked at most: each is a call within a call.
const DEEPEST: usize = 600;
/// Multiplications at most, and words of polynomials.
const WORK: u128 = 1 << 30;
const WORDS: u128 = 1 << 26;

/// What a coalition weighs.
trait Weight: Copy + Ord + Add<Output = Self> + Sub<Output = Self> {
    const ZERO: Self;
    const ONE: Self;
    const MAX: Self;
}

impl Weight for u128 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    const MAX: Self = u128::MAX;
}

impl Weight for U320 {
    const ZERO: Self = U320::ZERO;
    const ONE: Self = U320::ONE;
    const MAX: Self = U320::MAX;
}

/// A coalition has lost, has won, or the voters from here on decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Lost,
    Won,
    Node(usize),
}

/// A node: what comes where its voter joins and where not.
#[derive(Debug, Clone, Copy)]
struct Node {
    with: Next,
    without: Next,
}

/// Nodes by the voter who is asked.
#[derive(Debug, Default)]
struct Level<W> {
    nodes: Vec<Node>,
    /// By the lowest weight of the node's interval: the highest one, and the node.
    intervals: BTreeMap<W, (W, usize)>,
}

struct Builder<W> {
    weights: Vec<W>,
    /// Of the voters from each on.
    rest: Vec<W>,
    quota: W,
    levels: Vec<Level<W>>,
    nodes: usize,
}

impl<W: Weight> Builder<W> {
    /// What follows for coalitions of this weight, and of which others too; none beyond the budget.
    fn build(&mut self, level: usize, weight: W) -> Option<(Next, W, W)> {
        if weight >= self.quota {
            return Some((Next::Won, self.quota, W::MAX));
        }
        if weight + self.rest[level] < self.quota {
            return Some((Next::Lost, W::ZERO, self.quota - self.rest[level] - W::ONE));
        }
        if level == DEEPEST {
            return None;
        }
        if self.levels.len() == level {
            self.levels.push(Level { nodes: vec![], intervals: BTreeMap::new() });
        }
        if let Some((&low, &(high, node))) = self.levels[level].intervals.range(..=weight).next_back()
            && weight <= high
        {
            return Some((Next::Node(node), low, high));
        }
        let own = self.weights[level];
        let (with, with_low, with_high) = self.build(level + 1, weight + own)?;
        let (without, low, high) = self.build(level + 1, weight)?;
        let with_low = if with_low > own { with_low - own } else { W::ZERO };
        let with_high = if with_high == W::MAX { W::MAX } else { with_high - own };
        let (low, high) = (low.max(with_low), high.min(with_high));
        self.nodes += 1;
        if self.nodes > NODES {
            return None;
        }
        let level = &mut self.levels[level];
        let node = level.nodes.len();
        level.nodes.push(Node { with, without });
        level.intervals.insert(low, (high, node));
        Some((Next::Node(node), low, high))
    }
}

/// The nodes of each voter, where they are not too many.
fn build<W: Weight>(weights: Vec<W>, quota: W) -> Option<Vec<Vec<Node>>> {
    let mut rest = vec![W::ZERO; weights.len() + 1];
    for i in (0..weights.len()).rev() {
        rest[i] = rest[i + 1] + weights[i];
    }
    let mut builder = Builder { weights, rest, quota, levels: vec![], nodes: 0 };
    builder.build(0, W::ZERO)?;
    Some(builder.levels.into_iter().map(|level| level.nodes).collect())
}

/// The swings by size, or of all sizes as one, where the diagram is not too large.
pub(crate) fn swings(game: &Game, by_size: bool) -> Option<Swings> {
    let levels = match game.narrow() {
        Some((weights, quota)) => build(weights, quota)?,
        None => build(game.weights.iter().map(|&weight| U320::from(weight)).collect(), game.quota)?,
    };
    let players = levels.len();
    let (mut work, mut words) = (0u128, 0u128);
    for (level, nodes) in levels.iter().enumerate() {
        let lengths = if by_size { (level as u128 + 1, (players - level) as u128) } else { (1, 1) };
        let (n, (above, below)) = (nodes.len() as u128, lengths);
        work += n * above * below;
        words += n * below * (players as u128).div_ceil(64).max(2);
    }
    if work * (players as u128).div_ceil(64).pow(2) > WORK || words > WORDS {
        return None;
    }
    with_count!(players, count(&levels, game, by_size))
}

fn count<C: Count>(levels: &[Vec<Node>], game: &Game, sized: bool) -> Option<Swings> {
    let players = levels.len();
    // Whoever joins makes a coalition so much larger.
    let step = usize::from(sized);
    // Coalitions of the last so many players by size.
    let mut all = vec![vec![C::ONE]];
    for n in 0..players {
        if !sized {
            all.push(vec![all[n][0].add(all[n][0])]);
            continue;
        }
        let row: Vec<C> = (0..=n + 1)
            .map(|k| {
                let at = |k: usize| all[n].get(k).copied().unwrap_or_default();
                if k == 0 { C::ONE } else { at(k).add(at(k - 1)) }
            })
            .collect();
        all.push(row);
    }
    // Winning ones of the players from each level on, node by node.
    let mut winning: Vec<Vec<Vec<C>>> = vec![vec![]; players + 1];
    let of = |winning: &[Vec<Vec<C>>], level: usize, next: Next| -> Vec<C> {
        match next {
            Next::Lost => vec![],
            Next::Won => all[players - level].clone(),
            Next::Node(node) => winning[level][node].clone(),
        }
    };
    for level in (0..players).rev() {
        let nodes = levels[level].iter().map(|node| {
            let (with, without) = (of(&winning, level + 1, node.with), of(&winning, level + 1, node.without));
            let mut sum = vec![C::default(); (players - level) * step + 1];
            without.iter().enumerate().for_each(|(k, &x)| sum[k] = sum[k].add(x));
            with.iter().enumerate().for_each(|(k, &x)| sum[k + step] = sum[k + step].add(x));
            sum
        });
        winning[level] = nodes.collect();
    }
    // Coalitions of the players before each level that lead to a node.
    let mut leading = vec![vec![C::ONE]];
    let mut by_size: Vec<Vec<BigUint>> = Vec::with_capacity(players);
    for (level, nodes) in levels.iter().enumerate() {
        let mut next =
            vec![vec![C::default(); (level + 1) * step + 1]; levels.get(level + 1).map_or(0, Vec::len)];
        let mut swings = vec![C::default(); if sized { players } else { 1 }];
        let counted = level > 0 && game.weights[level] == game.weights[level - 1];
        for (node, leading) in nodes.iter().zip(&leading) {
            if let Next::Node(to) = node.without {
                leading.iter().enumerate().for_each(|(k, &x)| next[to][k] = next[to][k].add(x));
            }
            if let Next::Node(to) = node.with {
                leading.iter().enumerate().for_each(|(k, &x)| next[to][k + step] = next[to][k + step].add(x));
            }
            if counted {
                continue;
            }
            let mut turned = of(&winning, level + 1, node.with);
            for (k, &x) in of(&winning, level + 1, node.without).iter().enumerate() {
                turned[k] = turned[k].sub(x);
            }
            for (a, &leading) in leading.iter().enumerate().filter(|(_, leading)| **leading != C::default()) {
                for (b, &turned) in turned.iter().enumerate() {
                    if turned != C::default() {
                        swings[a + b] = swings[a + b].add(leading.mul(turned));
                    }
                }
            }
        }
        by_size.push(match counted {
            true => by_size[level - 1].clone(),
            false => swings.into_iter().map(C::big).collect(),
        });
        leading = next;
    }
    let winning = winning[0][0].iter().map(|count| count.big()).sum();
    Some(Swings { players, winning, by_size })
}
