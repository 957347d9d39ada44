// The lanes of all six sums of one tile.

// Two a word, and two that only ever take zeros.
var<workgroup> lanes: array<atomic<u32>, 64>;

fn clear_lanes(thread: u32) {
    if (thread < 64u) {
        atomicStore(&lanes[thread], 0u);
    }
}

// All sums of the record at `to`, one thread each.
fn write_sums(thread: u32, to: u32) {
    if (thread < SUMS) {
        write_sum(thread, 2u * word_of(thread), to);
    }
}

// Adds the tile's keys from the i-th on to lanes, every 256th of those before `end`, and returns the next one's index.
fn sum_keys(start: u32, from_key: u32, end: u32, needs: u32) -> u32 {
    var i = from_key;
    var run = Narrow();
    var e = 0u;
    loop {
        var key = vec2<u32>(0u, 0u);
        if (i < end) {
            key = vec2<u32>(lo[start + i], hi[start + i]);
        }
        if (i >= end || exponent_of(key) != e) {
            flush(run, e, 0u, SUMS, 0u);
            if (i >= end) {
                break;
            }
            run = Narrow();
            e = exponent_of(key);
        }
        run = with_key(run, key, i + 1u, needs);
        i += THREADS;
    }
    return i;
}
