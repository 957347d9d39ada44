// Last third of a radix pass that finds an order: moves each tile's keys, and with each the place that it came from.

// start, length, and where the counts lie: digit d at z + d·w.
@group(0) @binding(1) var<storage, read> tiles: array<vec4<u32>>;
// The plane that has the digit, the other one, and places.
@group(0) @binding(2) var<storage, read> key_plane: array<u32>;
@group(0) @binding(3) var<storage, read> other_plane: array<u32>;
@group(0) @binding(4) var<storage, read> places: array<u32>;
@group(0) @binding(5) var<storage, read> matrix: array<u32>;
@group(0) @binding(6) var<storage, read_write> key_sorted: array<u32>;
@group(0) @binding(7) var<storage, read_write> other_sorted: array<u32>;
@group(0) @binding(8) var<storage, read_write> places_sorted: array<u32>;

var<private> carried: array<u32, 8>;

fn carry_load(i: u32, at: u32, inside: bool) {
    carried[i] = 0u;
    if (inside) {
        carried[i] = places[at];
    }
}

// By way of the shared memory, as keys go.
fn carry_move(thread: u32, strided: bool) {
    workgroupBarrier();
    for (var i = 0u; i < KEYS; i += 1u) {
        exchange[ranks[i]] = carried[i];
    }
    workgroupBarrier();
    for (var i = 0u; i < KEYS; i += 1u) {
        carried[i] = exchange[select(thread * KEYS + i, i * THREADS + thread, strided)];
    }
}

fn carry_store(i: u32, to: u32) {
    places_sorted[to] = carried[i];
}

@compute @workgroup_size(256)
fn downsweep_order(
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
