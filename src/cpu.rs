//! The rayon backend: the reference for the shaders, and what runs where there is no GPU.
//!
//! Sums and prefixes are plain functions over one tile (a workgroup's share), run for all tiles in parallel.

use std::sync::{Mutex, OnceLock, PoisonError};

use crate::backend::{Backend, Prefix, Search};
use crate::error::Result;
use crate::moments::{Below, Needs, Sums};
use crate::numbers::key::Key;
use crate::numbers::wide::U320;

pub mod prefix;
pub mod reduce;
pub mod search;
pub mod sort;
pub mod tiles;
pub mod twins;

use tiles::Tiles;

/// The backend; its threads are those of the rayon pool it is called in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu;

/// The same with scratch memory for copies of large segments, which it keeps from one batch to the next.
#[derive(Debug, Default)]
pub struct CpuWithScratch(Mutex<Vec<Key>>);

impl CpuWithScratch {
    /// With some memory, whatever is in it.
    pub fn new(scratch: Vec<Key>) -> Self {
        Self(Mutex::new(scratch))
    }
}

/// Segments sorted in place.
#[derive(Debug)]
pub struct Sorted<'k> {
    /// All keys.
    pub keys: &'k [Key],
    /// Where each segment starts, and the end.
    pub offsets: &'k [usize],
    /// How workgroups share the keys.
    pub tiles: Tiles,
    /// The sums that its queries may be about.
    needs: Needs,
    marks: OnceLock<Vec<Mark>>,
    /// All sums of every tile.
    of_tiles: OnceLock<Vec<Sums>>,
}

/// `Σv` and `ΣL` of a tile and of all tiles of its segment below it.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    amount: U320,
    amount_below: U320,
    logs: u128,
    logs_below: u128,
}

impl<'k> Sorted<'k> {
    /// Segments that are sorted where `tiles` has tiles of them.
    pub fn new(keys: &'k [Key], offsets: &'k [usize], tiles: Tiles, needs: Needs) -> Self {
        Self { keys, offsets, tiles, needs, marks: OnceLock::new(), of_tiles: OnceLock::new() }
    }

    /// The sums of every tile.
    fn of_tiles(&self) -> &[Sums] {
        self.of_tiles.get_or_init(|| reduce::reduce_tiles(self.keys, &self.tiles, self.needs))
    }

    /// Of every tile.
    fn marks(&self) -> &[Mark] {
        self.marks.get_or_init(|| {
            let needs = Needs { logs: self.needs.logs, ..Needs::NONE };
            marks(&reduce::reduce_tiles(self.keys, &self.tiles, needs), &self.tiles)
        })
    }
}

fn marks(of_tiles: &[Sums], tiles: &Tiles) -> Vec<Mark> {
    let mut marks = Vec::with_capacity(of_tiles.len());
    for segment in 0..tiles.segments() {
        let (mut amount_below, mut logs_below) = (U320::ZERO, 0);
        for &Sums { amount, logs, .. } in &of_tiles[tiles.segment(segment)] {
            marks.push(Mark { amount, amount_below, logs, logs_below });
            amount_below += amount;
            logs_below += logs;
        }
    }
    marks
}

impl Backend for Cpu {
    type Sorted<'k> = Sorted<'k>;

    fn name(&self) -> &'static str {
        "cpu"
    }

    fn adapter(&self) -> Option<&str> {
        None
    }

    fn sort<'k>(&'k self, keys: &'k mut [Key], offsets: &'k [usize], needs: Needs) -> Result<Sorted<'k>> {
        sort::sort(keys, offsets, &mut Vec::new());
        Ok(Sorted::new(keys, offsets, Tiles::new(offsets), needs))
    }

    fn order(&self, keys: &[Key], offsets: &[usize]) -> Result<Vec<u32>> {
        Ok(sort::order(keys, offsets))
    }

    fn reduce(&self, sorted: &Sorted<'_>, needs: Needs) -> Result<Vec<Sums>> {
        debug_assert_eq!(needs, sorted.needs, "what sorting was told");
        let of_tiles = sorted.of_tiles();
        sorted.marks.get_or_init(|| marks(of_tiles, &sorted.tiles));
        Ok(reduce::append_tiles(of_tiles, &sorted.tiles))
    }

    fn reduce_below(&self, sorted: &Sorted<'_>, ranks: &[(usize, u64)], _: Needs) -> Result<Vec<Sums>> {
        Ok(reduce::reduce_below(sorted, ranks))
    }

    fn search(&self, sorted: &Sorted<'_>, queries: &[Search]) -> Result<Vec<u64>> {
        Ok(search::search(sorted, queries))
    }

    fn prefix(&self, sorted: &Sorted<'_>, queries: &[Prefix]) -> Result<Vec<Below>> {
        Ok(prefix::prefix(sorted, queries))
    }
}

impl Backend for CpuWithScratch {
    type Sorted<'k> = Sorted<'k>;

    fn name(&self) -> &'static str {
        Cpu.name()
    }

    fn adapter(&self) -> Option<&str> {
        None
    }

    fn sort<'k>(&'k self, keys: &'k mut [Key], offsets: &'k [usize], needs: Needs) -> Result<Sorted<'k>> {
        // Taken out, for a thread that waits in the sort may begin another.
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = std::mem::take(&mut *lock());
        sort::sort(keys, offsets, &mut scratch);
        *lock() = scratch;
        Ok(Sorted::new(keys, offsets, Tiles::new(offsets), needs))
    }

    fn order(&self, keys: &[Key], offsets: &[usize]) -> Result<Vec<u32>> {
        Cpu.order(keys, offsets)
    }

    fn reduce(&self, sorted: &Sorted<'_>, needs: Needs) -> Result<Vec<Sums>> {
        Cpu.reduce(sorted, needs)
    }

    fn reduce_below(&self, sorted: &Sorted<'_>, ranks: &[(usize, u64)], needs: Needs) -> Result<Vec<Sums>> {
        Cpu.reduce_below(sorted, ranks, needs)
    }

    fn search(&self, sorted: &Sorted<'_>, queries: &[Search]) -> Result<Vec<u64>> {
        Cpu.search(sorted, queries)
    }

    fn prefix(&self, sorted: &Sorted<'_>, queries: &[Prefix]) -> Result<Vec<Below>> {
        Cpu.prefix(sorted, queries)
    }
}
