// Exclusive scan of the matrix, first of three: the sum of each chunk of 2,048 counts into the spine.

const CHUNK = 2048u;

@group(0) @binding(1) var<storage, read> matrix: array<u32>;
@group(0) @binding(2) var<storage, read_write> spine: array<u32>;

@compute @workgroup_size(256)
fn scan_reduce(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let chunk = entry_of(workgroup, workgroups);
    // `count` is the number of elements here.
    if (chunk * CHUNK >= params.count) {
        return;
    }
    var sum = 0u;
    for (var i = 0u; i < 8u; i += 1u) {
        let at = chunk * CHUNK + i * THREADS + thread;
        if (at < params.count) {
            sum += matrix[at];
        }
    }
    let before = block_scan(thread, sum);
    if (thread == THREADS - 1u) {
        spine[chunk] = before + sum;
    }
}
