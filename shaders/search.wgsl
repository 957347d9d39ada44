// Ranks by a bound, one workgroup a query. The host chose the tile by the sums of all tiles, so one tile decides.

const KEY_AT_MOST = 1u;

// start, length, what is bounded, and the bound in five words.
@group(0) @binding(1) var<storage, read> queries: array<array<u32, 8>>;
@group(0) @binding(2) var<storage, read> lo: array<u32>;
@group(0) @binding(3) var<storage, read> hi: array<u32>;
@group(0) @binding(4) var<storage, read_write> found: array<u32>;

// Five words of each thread's sum.
var<workgroup> sums: array<u32, 1280>;

struct Wide {
    low: vec4<u32>,
    high: u32,
}

fn with_value(sum: Wide, at: u32) -> Wide {
    let h = hi[at];
    let value = shl128(vec4<u32>(lo[at], h & 0xffffffu, 0u, 0u), h >> 24u);
    let low = add128(sum.low, value);
    return Wide(low, sum.high + u32(less128(low, value)));
}

fn below(a: Wide, b: Wide) -> bool {
    return a.high < b.high || (a.high == b.high && less128(a.low, b.low));
}

// How many keys are at most the bound.
fn keys_at_most(start: u32, length: u32, bound: vec2<u32>) -> u32 {
    var low = 0u;
    var high = length;
    while (low < high) {
        let middle = (low + high) / 2u;
        let h = hi[start + middle];
        if (h < bound.y || (h == bound.y && lo[start + middle] <= bound.x)) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low;
}

// How many of the smallest keys sum to less than the bound: over threads first, then within one thread's keys.
fn sum_below(start: u32, length: u32, share: u32, bound: Wide) -> u32 {
    var sum = Wide(vec4<u32>(), 0u);
    var rank = 0u;
    for (var t = 0u; t < THREADS; t += 1u) {
        let low = vec4<u32>(sums[t], sums[THREADS + t], sums[2u * THREADS + t], sums[3u * THREADS + t]);
        let total = add128(sum.low, low);
        let next = Wide(total, sum.high + sums[4u * THREADS + t] + u32(less128(total, low)));
        if (!below(next, bound)) {
            break;
        }
        sum = next;
        rank = min(rank + share, length);
    }
    while (rank < length) {
        sum = with_value(sum, start + rank);
        if (!below(sum, bound)) {
            break;
        }
        rank += 1u;
    }
    return rank;
}

@compute @workgroup_size(256)
fn search(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let entry = entry_of(workgroup, workgroups);
    if (entry >= params.count) {
        return;
    }
    let start = queries[entry][0];
    let length = queries[entry][1];
    let share = (length + THREADS - 1u) / THREADS;
    let by_key = queries[entry][2] == KEY_AT_MOST;
    if (!by_key) {
        var sum = Wide(vec4<u32>(), 0u);
        for (var i = min(thread * share, length); i < min((thread + 1u) * share, length); i += 1u) {
            sum = with_value(sum, start + i);
        }
        sums[thread] = sum.low.x;
        sums[THREADS + thread] = sum.low.y;
        sums[2u * THREADS + thread] = sum.low.z;
        sums[3u * THREADS + thread] = sum.low.w;
        sums[4u * THREADS + thread] = sum.high;
    }
    workgroupBarrier();
    if (thread == 0u) {
        if (by_key) {
            found[entry] = keys_at_most(start, length, vec2<u32>(queries[entry][3], queries[entry][4]));
        } else {
            let low = vec4<u32>(queries[entry][3], queries[entry][4], queries[entry][5], queries[entry][6]);
            found[entry] = sum_below(start, length, share, Wide(low, queries[entry][7]));
        }
    }
}
