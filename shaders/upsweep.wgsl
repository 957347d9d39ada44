// First third of a radix pass: counts the digits of each tile into the matrix `[segment][digit][tile]`.

override DIGIT_BITS: u32 = 8u;

// start, length, and where the counts lie: digit d at z + d·w.
@group(0) @binding(1) var<storage, read> tiles: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> plane: array<u32>;
@group(0) @binding(3) var<storage, read_write> matrix: array<u32>;

var<workgroup> counts: array<atomic<u32>, 256>;

@compute @workgroup_size(256)
fn upsweep(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let entry = entry_of(workgroup, workgroups);
    if (entry >= params.count) {
        return;
    }
    let tile = tiles[entry];
    let digits = 1u << DIGIT_BITS;
    atomicStore(&counts[thread], 0u);
    workgroupBarrier();
    for (var i = thread; i < tile.y; i += THREADS) {
        let digit = (plane[tile.x + i] >> params.shift) & (digits - 1u);
        atomicAdd(&counts[digit], 1u);
    }
    workgroupBarrier();
    if (thread < digits) {
        matrix[tile.z + thread * tile.w] = atomicLoad(&counts[thread]);
    }
}
