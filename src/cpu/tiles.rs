//! The tile table: how workgroups share the keys of all segments.

use std::ops::Range;

use crate::backend::TILE;

/// Every tile lies in one segment, so no kernel searches for segment borders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiles {
    /// The keys of each tile.
    pub keys: Vec<Range<usize>>,
    /// The first tile of each segment, and the number of tiles.
    pub of_segment: Vec<usize>,
}

impl Tiles {
    /// Cuts each segment into tiles of [`TILE`] keys.
    pub fn new(offsets: &[usize]) -> Self {
        Self::with_size(offsets, TILE)
    }

    /// Cuts each segment into tiles of at most `size` keys.
    pub fn with_size(offsets: &[usize], size: usize) -> Self {
        Self::of(offsets, size, |_| true)
    }

    /// Cuts some segments into tiles of at most `size` keys; the others have none.
    pub fn of(offsets: &[usize], size: usize, wanted: impl Fn(usize) -> bool) -> Self {
        let mut keys = Vec::with_capacity(offsets.len());
        let mut of_segment = Vec::with_capacity(offsets.len());
        for (s, segment) in offsets.windows(2).enumerate() {
            of_segment.push(keys.len());
            let end = if wanted(s) { segment[1] } else { segment[0] };
            let starts = (segment[0]..end).step_by(size);
            keys.extend(starts.map(|start| start..(start + size).min(segment[1])));
        }
        of_segment.push(keys.len());
        Self { keys, of_segment }
    }

    /// The tiles of one segment.
    pub fn segment(&self, segment: usize) -> Range<usize> {
        self.of_segment[segment]..self.of_segment[segment + 1]
    }

    /// The number of segments.
    pub fn segments(&self) -> usize {
        self.of_segment.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_each_segment_once() {
        let tiles = Tiles::with_size(&[0, 0, 5, 9, 9, 10], 4);
        assert_eq!(tiles.keys, [0..4, 4..5, 5..9, 9..10]);
        assert_eq!(tiles.of_segment, [0, 0, 2, 3, 3, 4]);
        assert_eq!((tiles.segment(1), tiles.segments()), (0..2, 5));
    }
}
