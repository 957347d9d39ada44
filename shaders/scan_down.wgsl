// Exclusive scan of the matrix, last of three: scans each chunk from what the spine says lies below it.

const CHUNK = 2048u;

@group(0) @binding(1) var<storage, read_write> matrix: array<u32>;
@group(0) @binding(2) var<storage, read> spine: array<u32>;

@compute @workgroup_size(256)
fn scan_down(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let chunk = entry_of(workgroup, workgroups);
    // `count` is the number of elements here.
    if (chunk * CHUNK >= params.count) {
        return;
    }
    let start = chunk * CHUNK + thread * 8u;
    var values: array<u32, 8>;
    var sum = 0u;
    for (var i = 0u; i < 8u; i += 1u) {
        values[i] = 0u;
        if (start + i < params.count) {
            values[i] = matrix[start + i];
        }
        sum += values[i];
    }
    var running = spine[chunk] + block_scan(thread, sum);
    for (var i = 0u; i < 8u; i += 1u) {
        if (start + i < params.count) {
            matrix[start + i] = running;
        }
        running += values[i];
    }
}
