// What the two downsweeps share: a tile's keys to where the scanned matrix says, equal digits in order. What goes with a
// key is moved by `carry_load`, `carry_move` and `carry_store`, which each of them has.
//
// A tile is walked in sub-tiles of 2,048 keys, eight adjacent ones a thread. Each is first sorted in shared memory by
// its digit, nibble by nibble (packed counters per thread, scanned: stable by construction, no atomics), so that
// neighbouring threads write neighbouring keys.

override DIGIT_BITS: u32 = 8u;

const SUBTILE = 2048u;
const KEYS = 8u;

// Counters first, then the keys on their way to other threads.
var<workgroup> exchange: array<u32, 2048>;
// Where the next key of each digit goes.
var<workgroup> next: array<u32, 256>;
// What to add to a key's place in the sorted sub-tile.
var<workgroup> offset: array<u32, 256>;

var<private> keys: array<u32, 8>;
var<private> others: array<u32, 8>;
var<private> ranks: array<u32, 8>;

// Sorts the sub-tile by four bits of its keys. A thread's keys are then the 8·thread + i-th, or with `strided` the
// 256·i + thread-th; `exchange` holds all keys.
fn sort_nibble(thread: u32, shift: u32, strided: bool) {
    // Sixteen counters a thread, two to a word: digit d in the half d / 8 of row d % 8.
    workgroupBarrier();
    for (var row = 0u; row < 8u; row += 1u) {
        exchange[row * THREADS + thread] = 0u;
    }
    for (var i = 0u; i < KEYS; i += 1u) {
        let digit = (keys[i] >> shift) & 15u;
        let at = (digit & 7u) * THREADS + thread;
        let half = (digit >> 3u) * 16u;
        let counter = exchange[at];
        ranks[i] = (counter >> half) & 0xffffu;
        exchange[at] = counter + (1u << half);
    }
    workgroupBarrier();
    // Rows in order, threads in order within a row: that is the order of digits, then of keys.
    var words: array<u32, 8>;
    var sum = 0u;
    for (var i = 0u; i < 8u; i += 1u) {
        words[i] = exchange[thread * 8u + i];
        sum += words[i];
    }
    var running = block_scan(thread, sum);
    // Digits of the upper halves come after all those of the lower halves.
    running += (block_total() & 0xffffu) << 16u;
    for (var i = 0u; i < 8u; i += 1u) {
        exchange[thread * 8u + i] = running;
        running += words[i];
    }
    workgroupBarrier();
    for (var i = 0u; i < KEYS; i += 1u) {
        let digit = (keys[i] >> shift) & 15u;
        let start = exchange[(digit & 7u) * THREADS + thread] >> ((digit >> 3u) * 16u);
        ranks[i] += start & 0xffffu;
    }
    workgroupBarrier();
    for (var i = 0u; i < KEYS; i += 1u) {
        exchange[ranks[i]] = others[i];
    }
    workgroupBarrier();
    for (var i = 0u; i < KEYS; i += 1u) {
        others[i] = exchange[select(thread * KEYS + i, i * THREADS + thread, strided)];
    }
    carry_move(thread, strided);
    workgroupBarrier();
    for (var i = 0u; i < KEYS; i += 1u) {
        exchange[ranks[i]] = keys[i];
    }
    workgroupBarrier();
    for (var i = 0u; i < KEYS; i += 1u) {
        keys[i] = exchange[select(thread * KEYS + i, i * THREADS + thread, strided)];
    }
}

// Moves the keys of a tile.
fn scatter(tile: vec4<u32>, thread: u32) {
    let mask = (1u << DIGIT_BITS) - 1u;
    if (thread <= mask) {
        next[thread] = matrix[tile.z + thread * tile.w];
    }
    for (var start = 0u; start < tile.y; start += SUBTILE) {
        let length = min(SUBTILE, tile.y - start);
        for (var i = 0u; i < KEYS; i += 1u) {
            let at = thread * KEYS + i;
            // Beyond the end: the largest digit, after all keys, so these stay last and are not written.
            keys[i] = 0xffffffffu;
            others[i] = 0u;
            if (at < length) {
                keys[i] = key_plane[tile.x + start + at];
                others[i] = other_plane[tile.x + start + at];
            }
            carry_load(i, tile.x + start + at, at < length);
        }
        sort_nibble(thread, params.shift, DIGIT_BITS == 4u);
        if (DIGIT_BITS == 8u) {
            sort_nibble(thread, params.shift + 4u, true);
        }
        // A digit starts where its left neighbour differs.
        for (var i = 0u; i < KEYS; i += 1u) {
            let at = i * THREADS + thread;
            let digit = (keys[i] >> params.shift) & mask;
            let left = exchange[max(at, 1u) - 1u];
            if (at < length && (at == 0u || ((left >> params.shift) & mask) != digit)) {
                offset[digit] = next[digit] - at;
            }
        }
        workgroupBarrier();
        for (var i = 0u; i < KEYS; i += 1u) {
            let at = i * THREADS + thread;
            if (at < length) {
                let digit = (keys[i] >> params.shift) & mask;
                let to = offset[digit] + at;
                key_sorted[to] = keys[i];
                other_sorted[to] = others[i];
                carry_store(i, to);
                // Its last key says where the next sub-tile goes on.
                let right = exchange[min(at + 1u, SUBTILE - 1u)];
                if (at + 1u == length || ((right >> params.shift) & mask) != digit) {
                    next[digit] = to + 1u;
                }
            }
        }
    }
}
