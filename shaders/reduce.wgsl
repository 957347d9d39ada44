// All sums of each sorted tile in one read of its keys, ranked from 1 within the tile.

// start, length.
@group(0) @binding(2) var<storage, read> tiles: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> lo: array<u32>;
@group(0) @binding(4) var<storage, read> hi: array<u32>;
@group(0) @binding(5) var<storage, read_write> records: array<u32>;

@compute @workgroup_size(256)
fn reduce(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let entry = entry_of(workgroup, workgroups);
    if (entry >= params.count) {
        return;
    }
    let tile = tiles[entry];
    clear_lanes(thread);
    workgroupBarrier();
    _ = sum_keys(tile.x, thread, tile.y, params.needs);
    workgroupBarrier();
    let to = entry * RECORD;
    write_sums(thread, to);
    if (thread == 6u) {
        records[to + FIRST] = lo[tile.x];
        records[to + FIRST + 1u] = hi[tile.x];
    }
    if (thread == 7u) {
        let last = tile.x + tile.y - 1u;
        records[to + LAST] = lo[last];
        records[to + LAST + 1u] = hi[last];
        records[to + RECORD - 1u] = 0u;
    }
}
