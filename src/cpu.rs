//! The rayon backend: the reference for the shaders, and what runs where there is no GPU.
//!
//! Each kernel is a plain function over one tile (a workgroup's share), run for all tiles in parallel.

use std::sync::OnceLock;

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

/// Segments sorted in place.
#[derive(Debug)]
pub struct Sorted<'k> {
    /// All keys.
    pub keys: &'k [Key],
    /// Where each segment starts, and the end.
    pub offsets: &'k [usize],
    /// How workgroups share the keys.
    pub tiles: Tiles,
    below_tile: OnceLock<Vec<U320>>,
}

impl<'k> Sorted<'k> {
    /// Segments that are sorted where `tiles` has tiles of them.
    pub fn new(keys: &'k [Key], offsets: &'k [usize], tiles: Tiles) -> Self {
        Self { keys, offsets, tiles, below_tile: OnceLock::new() }
    }

    /// `Σv` of a tile's segment below the tile, for every tile.
    fn below_tile(&self) -> &[U320] {
        self.below_tile.get_or_init(|| prefix::below_tiles(self.keys, &self.tiles))
    }
}

impl Backend for Cpu {
    type Sorted<'k> = Sorted<'k>;

    fn name(&self) -> &'static str {
        "cpu"
    }

    fn adapter(&self) -> Option<&str> {
        None
    }

    fn sort<'k>(&'k self, keys: &'k mut [Key], offsets: &'k [usize], _: Needs) -> Result<Sorted<'k>> {
        sort::sort(keys, offsets);
        Ok(Sorted::new(keys, offsets, Tiles::new(offsets)))
    }

    fn reduce(&self, sorted: &Sorted<'_>, needs: Needs) -> Result<Vec<Sums>> {
        Ok(reduce::reduce(sorted.keys, &sorted.tiles, needs))
    }

    fn search(&self, sorted: &Sorted<'_>, queries: &[Search]) -> Result<Vec<u64>> {
        Ok(search::search(sorted, queries))
    }

    fn prefix(&self, sorted: &Sorted<'_>, queries: &[Prefix]) -> Result<Vec<Below>> {
        Ok(prefix::prefix(sorted, queries))
    }
}
