// Small segments, many to a workgroup: sorted and summed in shared memory, keys and sums written once.
//
// A block takes segments of one size class: each gets 2^class slots, filled up with keys above all keys.

const SLOTS = 1024u;
// Lanes of a segment in one round, and of all segments of a block: 64 at most, as classes start at 16 slots.
const SEGMENT_LANES = 24u;
const ROUNDS = 3u;

// The first segment, how many, the class.
@group(0) @binding(2) var<storage, read> blocks: array<vec4<u32>>;
// start, length.
@group(0) @binding(3) var<storage, read> segments: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> lo: array<u32>;
@group(0) @binding(5) var<storage, read_write> hi: array<u32>;
@group(0) @binding(6) var<storage, read_write> records: array<u32>;

var<workgroup> slot_lo: array<u32, 1024>;
var<workgroup> slot_hi: array<u32, 1024>;
// And two that only ever take zeros.
var<workgroup> lanes: array<atomic<u32>, 1538>;

// Sorts each run of `size` slots. The direction follows from the place within the run, so runs do not mix.
fn sort_slots(thread: u32, size: u32) {
    for (var width = 2u; width <= size; width <<= 1u) {
        for (var stride = width >> 1u; stride > 0u; stride >>= 1u) {
            for (var pair = thread; pair < SLOTS / 2u; pair += THREADS) {
                let a = 2u * pair - (pair & (stride - 1u));
                let b = a + stride;
                let x = vec2<u32>(slot_lo[a], slot_hi[a]);
                let y = vec2<u32>(slot_lo[b], slot_hi[b]);
                let above = x.y > y.y || (x.y == y.y && x.x > y.x);
                let ascending = (a & (size - 1u) & width) == 0u;
                if (above == ascending) {
                    slot_lo[a] = y.x;
                    slot_hi[a] = y.y;
                    slot_lo[b] = x.x;
                    slot_hi[b] = x.y;
                }
            }
            workgroupBarrier();
        }
    }
}

// The first sum of a round. They sum amounts, then squares, then logarithms and roots.
fn sum_of(round: u32) -> u32 {
    switch round {
        case 0u: { return 0u; }
        case 1u: { return 2u; }
        case 2u: { return 3u; }
        default: { return SUMS; }
    }
}

@compute @workgroup_size(256)
fn pack(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let entry = entry_of(workgroup, workgroups);
    if (entry >= params.count) {
        return;
    }
    let block = blocks[entry];
    let size = 1u << block.z;
    for (var i = thread; i < SLOTS; i += THREADS) {
        let within = i & (size - 1u);
        var key = vec2<u32>(0xffffffffu, 0xffffffffu);
        if ((i >> block.z) < block.y) {
            let segment = segments[block.x + (i >> block.z)];
            if (within < segment.y) {
                key = vec2<u32>(lo[segment.x + within], hi[segment.x + within]);
            }
        }
        slot_lo[i] = key.x;
        slot_hi[i] = key.y;
    }
    workgroupBarrier();
    sort_slots(thread, size);
    for (var i = thread; i < SLOTS; i += THREADS) {
        let within = i & (size - 1u);
        if ((i >> block.z) < block.y) {
            let segment = segments[block.x + (i >> block.z)];
            if (within < segment.y) {
                lo[segment.x + within] = slot_lo[i];
                hi[segment.x + within] = slot_hi[i];
            }
        }
    }
    // Four adjacent slots a thread, all of one segment.
    let mine = (thread * 4u) >> block.z;
    let ranked = (thread * 4u) & (size - 1u);
    var length = 0u;
    if (mine < block.y) {
        length = segments[block.x + mine].y;
    }
    let end = min(max(length, ranked) - ranked, 4u);
    let written = thread >> 2u;
    for (var round = 0u; round < ROUNDS; round += 1u) {
        for (var i = thread; i < 1538u; i += THREADS) {
            atomicStore(&lanes[i], 0u);
        }
        workgroupBarrier();
        var needs = 0u;
        if (round == 1u) {
            needs = params.needs & NEEDS_SQUARES;
        }
        if (round == 2u) {
            needs = params.needs & (NEEDS_LOGS | NEEDS_ROOTS);
        }
        let first = sum_of(round);
        let last = sum_of(round + 1u);
        var run = Narrow();
        var e = 0u;
        for (var i = 0u; i <= end; i += 1u) {
            let slot = min(thread * 4u + i, SLOTS - 1u);
            let key = vec2<u32>(slot_lo[slot], slot_hi[slot]);
            if (i == end || exponent_of(key) != e) {
                flush(run, e, first, last, mine * SEGMENT_LANES);
                run = Narrow();
                e = exponent_of(key);
            }
            if (i < end) {
                run = with_key(run, key, ranked + i + 1u, needs);
            }
        }
        workgroupBarrier();
        // Four threads a segment write what the round summed.
        let sum = first + (thread & 3u);
        if (written < block.y && sum < last) {
            let lane = written * SEGMENT_LANES + 2u * (word_of(sum) - word_of(first));
            write_sum(sum, lane, (block.x + written) * RECORD);
        }
        workgroupBarrier();
    }
    if (written < block.y && (thread & 3u) == 3u) {
        let to = (block.x + written) * RECORD;
        let first = written << block.z;
        let last = first + segments[block.x + written].y - 1u;
        records[to + FIRST] = slot_lo[first];
        records[to + FIRST + 1u] = slot_hi[first];
        records[to + LAST] = slot_lo[last];
        records[to + LAST + 1u] = slot_hi[last];
        records[to + RECORD - 1u] = 0u;
    }
}
