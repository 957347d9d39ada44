// Exclusive scan of the matrix, second of three: one workgroup scans the spine, chunk after chunk.

const CHUNK = 2048u;

@group(0) @binding(1) var<storage, read_write> spine: array<u32>;

@compute @workgroup_size(256)
fn scan_spine(@builtin(local_invocation_index) thread: u32) {
    var base = 0u;
    for (var start = 0u; start < params.count; start += CHUNK) {
        var values: array<u32, 8>;
        var sum = 0u;
        for (var i = 0u; i < 8u; i += 1u) {
            let at = start + thread * 8u + i;
            values[i] = 0u;
            if (at < params.count) {
                values[i] = spine[at];
            }
            sum += values[i];
        }
        var running = base + block_scan(thread, sum);
        for (var i = 0u; i < 8u; i += 1u) {
            let at = start + thread * 8u + i;
            if (at < params.count) {
                spine[at] = running;
            }
            running += values[i];
        }
        base += block_total();
    }
}
