// Last third of a radix pass: moves each tile's keys to where the scanned matrix says, equal digits in order.

// start, length, and where the counts lie: digit d at z + d·w.
@group(0) @binding(1) var<storage, read> tiles: array<vec4<u32>>;
// The plane that has the digit, and the other one.
@group(0) @binding(2) var<storage, read> key_plane: array<u32>;
@group(0) @binding(3) var<storage, read> other_plane: array<u32>;
@group(0) @binding(4) var<storage, read> matrix: array<u32>;
@group(0) @binding(5) var<storage, read_write> key_sorted: array<u32>;
@group(0) @binding(6) var<storage, read_write> other_sorted: array<u32>;

// Nothing goes with keys.
fn carry_load(i: u32, at: u32, inside: bool) {}
fn carry_move(thread: u32, strided: bool) {}
fn carry_store(i: u32, to: u32) {}

@compute @workgroup_size(256)
fn downsweep(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let entry = entry_of(workgroup, workgroups);
    if (entry >= params.count) {
        return;
    }
    scatter(tiles[entry], thread);
}
