//! Moves each tile's keys, and with each the place that it came from.

use super::Group;
use super::radix_scatter::scatter;

/// Buffers: tiles, the plane that has the digit, the other one, places, matrix, and all three planes sorted.
pub fn downsweep_order(group: &Group<'_>, buffers: &mut [Vec<u32>]) {
    let [tiles, key_plane, other_plane, places, matrix, key_sorted, other_sorted, places_sorted] = buffers
    else {
        panic!("eight buffers")
    };
    let Some(entry) = group.entry() else { return };
    let from = [&other_plane[..], places, key_plane];
    let mut to = [&mut other_sorted[..], places_sorted, key_sorted];
    scatter(group, &tiles[4 * entry..], matrix, &from, &mut to);
}
