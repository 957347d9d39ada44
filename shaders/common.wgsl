// What every kernel shares: 256 threads, its parameters, and which entry of its table a workgroup takes.

const THREADS = 256u;

struct Params {
    // The entry of this dispatch's first workgroup; large tables take several dispatches.
    first: u32,
    // Entries of the table: workgroups beyond them have nothing to do.
    count: u32,
    // The lowest bit of the digit.
    shift: u32,
    // Wanted sums, bit by bit: squares, logarithms, roots.
    needs: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

// Dispatches are two-dimensional, because one dimension ends at 65,535 workgroups.
fn entry_of(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
    return params.first + workgroup.y * workgroups.x + workgroup.x;
}
