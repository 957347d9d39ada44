// Exact sums of keys below 2^128. A thread keeps narrow sums at one exponent; when the exponent changes, it adds them
// to lanes of sixteen bits in shared memory. A lane takes fewer than 2^16 addends, so no carry is lost, and the order
// of threads does not matter.

// Words of a record, and where each sum starts. Two lanes make a word.
const RECORD = 36u;
const AMOUNT = 0u;
const RANKED = 5u;
const SQUARES = 10u;
const LOGS = 19u;
const PRODUCTS = 21u;
const ROOTS = 27u;
const FIRST = 31u;
const LAST = 33u;

const NEEDS_SQUARES = 1u;
const NEEDS_LOGS = 2u;
const NEEDS_ROOTS = 4u;

struct Narrow {
    amount: vec2<u32>,
    logs: vec2<u32>,
    ranked: vec4<u32>,
    squares: vec4<u32>,
    products: vec4<u32>,
    roots: vec4<u32>,
}

fn mantissa_of(key: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(key.x, key.y & 0xffffffu);
}

fn exponent_of(key: vec2<u32>) -> u32 {
    return key.y >> 24u;
}

// The narrow sums with one key more, which has this rank.
fn with_key(run: Narrow, key: vec2<u32>, rank: u32, needs: u32) -> Narrow {
    var sums = run;
    let m = mantissa_of(key);
    sums.amount = add64(sums.amount, m);
    sums.ranked = add128(sums.ranked, mul64(m, vec2<u32>(rank, 0u)));
    if ((needs & NEEDS_SQUARES) != 0u) {
        sums.squares = add128(sums.squares, mul64(m, m));
    }
    if ((needs & NEEDS_LOGS) != 0u) {
        let log = log2_of(m, exponent_of(key));
        sums.logs = add64(sums.logs, log);
        sums.products = add128(sums.products, mul64(m, log));
    }
    if ((needs & NEEDS_ROOTS) != 0u) {
        let root = sqrt_of(m, exponent_of(key));
        sums.roots = add128(sums.roots, shl128(vec4<u32>(root.xy, 0u, 0u), root.z));
    }
    return sums;
}

// Adds two words' worth of lanes.
fn add_lanes(lane: u32, x: u32) {
    if (x != 0u) {
        atomicAdd(&lanes[lane], x & 0xffffu);
        atomicAdd(&lanes[lane + 1u], x >> 16u);
    }
}

// Adds x·2^shift to the sum whose lanes start at `lane`.
fn add_shifted(lane: u32, x: vec4<u32>, shift: u32) {
    let s = shift & 15u;
    let at = lane + (shift >> 4u);
    let over = (x >> vec4<u32>(1u)) >> vec4<u32>(31u - s);
    add_lanes(at, x.x << s);
    add_lanes(at + 2u, (x.y << s) | over.x);
    add_lanes(at + 4u, (x.z << s) | over.y);
    add_lanes(at + 6u, (x.w << s) | over.z);
    add_lanes(at + 8u, over.w);
}

// One sum's lanes, carried into words.
fn write_words(lane: u32, to: u32, words: u32) {
    var carry = 0u;
    for (var i = 0u; i < words; i += 1u) {
        let low = atomicLoad(&lanes[lane + 2u * i]) + carry;
        let high = atomicLoad(&lanes[lane + 2u * i + 1u]) + (low >> 16u);
        records[to + i] = (low & 0xffffu) | (high << 16u);
        carry = high >> 16u;
    }
}
