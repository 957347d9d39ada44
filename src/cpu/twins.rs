//! The shaders once more in Rust, file by file under the same names: the same tiles, threads, phases between barriers
//! and buffers, so that every intermediate buffer can be compared. They are written to be read beside the shaders, and
//! slow; the kernels that run are in the modules above.
//!
//! Their shared memory watches over itself: an access that another thread's in the same phase could change panics, so
//! running a twin shows that its shader has no race between barriers, which no software driver would.

use crate::kernels::Params;

pub mod block_scan;
pub mod downsweep;
pub mod downsweep_order;
pub mod draw;
pub mod pack;
pub mod prefix;
mod radix_scatter;
pub mod reduce;
pub mod scan_down;
pub mod scan_reduce;
pub mod scan_spine;
pub mod search;
pub mod shared;
pub mod sums;
pub mod tile_sums;
pub mod upsweep;

/// Threads of a workgroup.
pub const THREADS: usize = crate::kernels::THREADS as usize;

/// What a workgroup of a twin is told.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// Its linear index within the dispatch.
    pub index: u32,
    /// The dispatch's parameters.
    pub params: &'a Params,
    /// Bits of a digit.
    pub digit_bits: u32,
}

impl Group<'_> {
    /// The entry of the table that it takes, unless there are fewer.
    fn entry(&self) -> Option<usize> {
        let entry = self.params.first + self.index;
        (entry < self.params.count).then_some(entry as usize)
    }
}

/// A workgroup's work on the buffers of bindings 1, 2, ….
pub type Twin = fn(&Group<'_>, &mut [Vec<u32>]);
