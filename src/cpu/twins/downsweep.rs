//! Moves each tile's keys to where the scanned matrix says, equal digits in order.

use super::Group;
use super::radix_scatter::scatter;

/// Buffers: tiles, the plane that has the digit, the other one, matrix, and both planes sorted.
pub fn downsweep(group: &Group<'_>, buffers: &mut [Vec<u32>]) {
    let [tiles, key_plane, other_plane, matrix, key_sorted, other_sorted] = buffers else {
        panic!("six buffers")
    };
    let Some(entry) = group.entry() else { return };
    let (from, mut to) = ([&other_plane[..], key_plane], [&mut other_sorted[..], key_sorted]);
    scatter(group, &tiles[4 * entry..], matrix, &from, &mut to);
}
