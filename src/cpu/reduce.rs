//! All sums of sorted segments in one read of the keys.

use rayon::prelude::*;

use super::tiles::Tiles;
use crate::moments::{Needs, Sums};
use crate::numbers::key::{Key, exponent, mantissa};
use crate::numbers::wide::{U192, U320, U384, U576};
use crate::numbers::{log2, sqrt};

/// The sums of each segment: tiles in parallel, then each segment's tiles appended in order.
pub fn reduce(keys: &[Key], tiles: &Tiles, needs: Needs) -> Vec<Sums> {
    let of_tiles: Vec<Sums> =
        tiles.keys.par_iter().map(|range| reduce_tile(&keys[range.clone()], needs)).collect();
    (0..tiles.segments())
        .into_par_iter()
        .map(|segment| {
            let mut sums = Sums::default();
            of_tiles[tiles.segment(segment)].iter().for_each(|tile| sums.append(tile));
            sums
        })
        .collect()
}

/// Sums of mantissas that share one exponent: narrow while the exponent lasts, widened once when it changes.
#[derive(Default)]
struct Run {
    amount: u128,
    ranked: u128,
    squares: u128,
    products: u128,
}

/// The sums of one tile of ascending keys, ranked from 1. Equal neighbours share one logarithm and one root.
pub fn reduce_tile(keys: &[Key], needs: Needs) -> Sums {
    let (Some(&first), Some(&last)) = (keys.first(), keys.last()) else {
        return Sums::default();
    };
    let mut sums = Sums { n: keys.len() as u64, first, last, ..Sums::default() };
    // Roots below 2^128 are below 2^95 in fixed point, so a tile of them stays narrow.
    let narrow_roots = exponent(last) <= 72;
    let mut roots = 0u128;
    let mut run = Run::default();
    let mut e = exponent(first);
    let mut i = 0;
    while i < keys.len() {
        let key = keys[i];
        let start = i;
        i += 1;
        while i < keys.len() && keys[i] == key {
            i += 1;
        }
        let count = (i - start) as u128;
        if exponent(key) != e {
            sums.flush(&run, e);
            run = Run::default();
            e = exponent(key);
        }
        let m = u128::from(mantissa(key));
        // Ranks start + 1 ..= i.
        let ranks = ((start + 1 + i) * (i - start) / 2) as u128;
        run.amount += m * count;
        run.ranked += m * ranks;
        if needs.squares {
            run.squares += m * m * count;
        }
        if needs.logs {
            let log = u128::from(log2::of(key));
            sums.logs += log * count;
            run.products += m * log * count;
        }
        if needs.roots {
            let (r, shift) = sqrt::of(key);
            let root = u128::from(r) * count;
            if narrow_roots {
                roots += root << shift;
            } else {
                sums.roots += U192::from(root) << shift as usize;
            }
        }
    }
    sums.flush(&run, e);
    sums.roots += U192::from(roots);
    sums
}

impl Sums {
    fn flush(&mut self, run: &Run, e: u32) {
        let e = e as usize;
        self.amount += U320::from(run.amount) << e;
        self.ranked += U384::from(run.ranked) << e;
        self.squares += U576::from(run.squares) << (2 * e);
        self.products += U384::from(run.products) << e;
    }
}
