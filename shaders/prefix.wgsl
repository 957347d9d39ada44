// Prefix sums at asked ranks: each tile that holds some is walked once, for all of its ranks in ascending order.

// start, the first rank, how many.
@group(0) @binding(2) var<storage, read> walks: array<vec4<u32>>;
// How many of the tile's keys.
@group(0) @binding(3) var<storage, read> ranks: array<u32>;
@group(0) @binding(4) var<storage, read> lo: array<u32>;
@group(0) @binding(5) var<storage, read> hi: array<u32>;
// One a rank; the key after the prefix takes the place of the last one.
@group(0) @binding(6) var<storage, read_write> records: array<u32>;

@compute @workgroup_size(256)
fn prefix(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let entry = entry_of(workgroup, workgroups);
    if (entry >= params.count) {
        return;
    }
    let walk = walks[entry];
    clear_lanes(thread);
    workgroupBarrier();
    var i = thread;
    for (var asked = walk.y; asked < walk.y + walk.z; asked += 1u) {
        let rank = ranks[asked];
        i = sum_keys(walk.x, i, rank, params.needs);
        workgroupBarrier();
        let to = asked * RECORD;
        write_sums(thread, to);
        if (thread == 6u) {
            records[to + FIRST] = lo[walk.x];
            records[to + FIRST + 1u] = hi[walk.x];
        }
        if (thread == 7u) {
            records[to + LAST] = lo[walk.x + rank];
            records[to + LAST + 1u] = hi[walk.x + rank];
            records[to + RECORD - 1u] = rank;
        }
        workgroupBarrier();
    }
}
