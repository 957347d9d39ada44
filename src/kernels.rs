//! The table of kernels: their WGSL, their bindings, and the sizes that Rust and WGSL share.

use crate::cpu::twins::{self, Twin};

/// Threads of every workgroup.
pub const THREADS: u32 = 256;
/// Counts that one workgroup scans.
pub const CHUNK: u32 = 2048;
/// Keys that one workgroup sorts, reduces or walks, unless told otherwise: 8,192 keys make the matrix 0.6 of the 20.6
/// bytes that a pass moves for each key. A tile's lanes hold up to [`crate::backend::words::MOST_KEYS`].
pub const TILE: u32 = 8192;
/// Keys that a workgroup of the packed kernel holds.
pub const SLOTS: u32 = 1024;
/// The smallest size class of packed segments: 2^4 slots.
pub const LEAST_CLASS: u32 = 4;

/// Voters of a game that is drawn on a device: a thread looks at each of them up to four times.
pub const VOTERS: usize = 4096;

/// Asked ranks that one workgroup answers, so that its loop over them stays short.
pub const RANKS: u32 = 256;

/// What a kernel does with a storage buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only reads.
    Read,
    /// Writes, perhaps after reading.
    Write,
}

use Access::{Read, Write};

/// A compute shader. Binding 0 is the uniform of its parameters, storage buffers follow.
#[derive(Debug, Clone, Copy)]
pub struct Kernel {
    /// The basename of its file, its entry point and its CPU twin.
    pub name: &'static str,
    /// Its WGSL, in the order in which the parts are joined; the last one is its own file.
    pub parts: &'static [&'static str],
    /// Its storage buffers, from binding 1 on.
    pub bindings: &'static [Access],
    /// Whether the width of a digit can be overridden.
    pub digits: bool,
    /// The same in Rust.
    pub twin: Twin,
}

impl Kernel {
    /// The whole module.
    pub fn source(&self) -> String {
        self.parts.concat()
    }
}

macro_rules! wgsl {
    ($name:literal) => {
        include_str!(concat!("../shaders/", $name, ".wgsl"))
    };
}

const COMMON: &str = wgsl!("common");
const SCAN: &str = wgsl!("block_scan");
const SCATTER: &str = wgsl!("radix_scatter");
const WIDE: &str = wgsl!("wide");
const LOG2: &str = wgsl!("log2");
const SQRT: &str = wgsl!("sqrt");
const SUMS: &str = wgsl!("sums");
const TILE_SUMS: &str = wgsl!("tile_sums");

/// Counts a tile's digits.
pub const UPSWEEP: Kernel = Kernel {
    name: "upsweep",
    parts: &[COMMON, wgsl!("upsweep")],
    bindings: &[Read, Read, Write],
    digits: true,
    twin: twins::upsweep::upsweep,
};
/// Sums a chunk of counts.
pub const SCAN_REDUCE: Kernel = Kernel {
    name: "scan_reduce",
    parts: &[COMMON, SCAN, wgsl!("scan_reduce")],
    bindings: &[Read, Write],
    digits: false,
    twin: twins::scan_reduce::scan_reduce,
};
/// Scans the sums of chunks.
pub const SCAN_SPINE: Kernel = Kernel {
    name: "scan_spine",
    parts: &[COMMON, SCAN, wgsl!("scan_spine")],
    bindings: &[Write],
    digits: false,
    twin: twins::scan_spine::scan_spine,
};
/// Scans a chunk of counts.
pub const SCAN_DOWN: Kernel = Kernel {
    name: "scan_down",
    parts: &[COMMON, SCAN, wgsl!("scan_down")],
    bindings: &[Write, Read],
    digits: false,
    twin: twins::scan_down::scan_down,
};
/// Moves a tile's keys.
pub const DOWNSWEEP: Kernel = Kernel {
    name: "downsweep",
    parts: &[COMMON, SCAN, SCATTER, wgsl!("downsweep")],
    bindings: &[Read, Read, Read, Read, Write, Write],
    digits: true,
    twin: twins::downsweep::downsweep,
};
/// Moves a tile's keys with the places that they came from.
pub const DOWNSWEEP_ORDER: Kernel = Kernel {
    name: "downsweep_order",
    parts: &[COMMON, SCAN, SCATTER, wgsl!("downsweep_order")],
    bindings: &[Read, Read, Read, Read, Read, Write, Write, Write],
    digits: true,
    twin: twins::downsweep_order::downsweep_order,
};
/// Sums a sorted tile.
pub const REDUCE: Kernel = Kernel {
    name: "reduce",
    parts: &[COMMON, WIDE, LOG2, SQRT, SUMS, TILE_SUMS, wgsl!("reduce")],
    bindings: &[Read, Read, Read, Read, Write],
    digits: false,
    twin: twins::reduce::reduce,
};
/// Sorts and sums small segments.
pub const PACK: Kernel = Kernel {
    name: "pack",
    parts: &[COMMON, WIDE, LOG2, SQRT, SUMS, wgsl!("pack")],
    bindings: &[Read, Read, Read, Write, Write, Write],
    digits: false,
    twin: twins::pack::pack,
};
/// Finds ranks in tiles.
pub const SEARCH: Kernel = Kernel {
    name: "search",
    parts: &[COMMON, WIDE, wgsl!("search")],
    bindings: &[Read, Read, Read, Write],
    digits: false,
    twin: twins::search::search,
};
/// Sums a tile's smallest keys.
pub const PREFIX: Kernel = Kernel {
    name: "prefix",
    parts: &[COMMON, WIDE, LOG2, SQRT, SUMS, TILE_SUMS, wgsl!("prefix")],
    bindings: &[Read, Read, Read, Read, Read, Write],
    digits: false,
    twin: twins::prefix::prefix,
};

/// Draws coalitions of a voting game.
pub const DRAW: Kernel = Kernel {
    name: "draw",
    parts: &[COMMON, WIDE, wgsl!("draw")],
    bindings: &[Read, Read, Write],
    digits: false,
    twin: twins::draw::draw,
};

/// Every kernel.
pub const KERNELS: [Kernel; 11] = [
    UPSWEEP,
    SCAN_REDUCE,
    SCAN_SPINE,
    SCAN_DOWN,
    DOWNSWEEP,
    DOWNSWEEP_ORDER,
    REDUCE,
    PACK,
    SEARCH,
    PREFIX,
    DRAW,
];

/// A kernel's parameters, as `shaders/common.wgsl` declares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Params {
    /// The table's entry of the first workgroup.
    pub first: u32,
    /// Entries of the table.
    pub count: u32,
    /// The lowest bit of the digit.
    pub shift: u32,
    /// Wanted sums.
    pub needs: u32,
}

impl Params {
    /// In the order of the declaration.
    pub fn words(self) -> [u32; 4] {
        [self.first, self.count, self.shift, self.needs]
    }
}
