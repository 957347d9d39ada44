//! The kernels as one trait, and the constants that every implementation shares.

use crate::error::Result;
use crate::moments::{Below, Needs, Sums};
use crate::numbers::key::Key;
use crate::numbers::wide::U320;

pub mod words;

/// Keys that one workgroup walks. Sums within a tile fit 128 bits: `m² < 2^112` and 2^12 of them stay below 2^124.
pub const TILE: usize = 4096;

/// A place to run kernels. A *segment* is one group's keys, or those of one value range of it.
///
/// Every method is exact, so any two backends return the same integers.
pub trait Backend: Sync {
    /// Keys where the backend works on them, sorted within each segment.
    type Sorted<'k>: Sync
    where
        Self: 'k;

    /// `cpu` or `gpu`.
    fn name(&self) -> &'static str;

    /// The device's name, where there is one to name.
    fn adapter(&self) -> Option<&str>;

    /// Sorts each segment ascending: segment `s` is `keys[offsets[s]..offsets[s + 1]]`. Keys are not zero. `needs` is
    /// what [`Backend::reduce`] will be asked for, so that small segments can be summed while they are at hand.
    ///
    /// Whether it fails or not, each segment has the keys it had, in any order.
    fn sort<'k>(
        &'k self,
        keys: &'k mut [Key],
        offsets: &'k [usize],
        needs: Needs,
    ) -> Result<Self::Sorted<'k>>;

    /// The order that sorts each segment ascending: for each place, which of the segment's keys belongs there. Equal keys
    /// stay in the order in which they are.
    fn order(&self, keys: &[Key], offsets: &[usize]) -> Result<Vec<u32>>;

    /// The sums of each segment.
    fn reduce(&self, sorted: &Self::Sorted<'_>, needs: Needs) -> Result<Vec<Sums>>;

    /// How many of a segment's smallest keys stay within a bound, for each query.
    fn search(&self, sorted: &Self::Sorted<'_>, queries: &[Search]) -> Result<Vec<u64>>;

    /// The sums of a segment's smallest keys up to a rank, neither none nor all of them, for each pair of segment and
    /// rank; `needs` as for [`Backend::reduce`].
    fn reduce_below(
        &self,
        sorted: &Self::Sorted<'_>,
        ranks: &[(usize, u64)],
        needs: Needs,
    ) -> Result<Vec<Sums>>;

    /// The smallest keys of a segment up to a rank, for each query.
    fn prefix(&self, sorted: &Self::Sorted<'_>, queries: &[Prefix]) -> Result<Vec<Below>>;
}

/// A query for a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// The segment's index.
    pub segment: usize,
    /// What the smallest keys stay within.
    pub bound: Bound,
}

/// A bound on a segment's smallest keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Their values sum to less than this.
    SumBelow(U320),
    /// Each key is at most this.
    KeyAtMost(Key),
}

/// A query for a prefix sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// The segment's index.
    pub segment: usize,
    /// How many of its smallest keys, at most all.
    pub rank: u64,
    /// Whether their logarithms are wanted too; the needs at sorting must have had them.
    pub logs: bool,
}
