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

// The sums in the order of their lanes.
const SUMS = 6u;

struct Narrow {
    amount: vec2<u32>,
    logs: vec2<u32>,
    ranked: vec4<u32>,
    squares: vec4<u32>,
    products: vec4<u32>,
    roots: vec4<u32>,
}

// The first word of a sum.
fn word_of(sum: u32) -> u32 {
    switch sum {
        case 0u: { return AMOUNT; }
        case 1u: { return RANKED; }
        case 2u: { return SQUARES; }
        case 3u: { return LOGS; }
        case 4u: { return PRODUCTS; }
        case 5u: { return ROOTS; }
        default: { return FIRST; }
    }
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
    let low = (x << vec4<u32>(s)) | vec4<u32>(0u, over.xyz);
    for (var i = 0u; i < 4u; i += 1u) {
        add_lanes(at + 2u * i, low[i]);
    }
    add_lanes(at + 8u, over.w);
}

// Adds the sums from `first` up to `end` to lanes, the first one's starting at `lane`.
fn flush(run: Narrow, e: u32, first: u32, end: u32, lane: u32) {
    var values = array<vec4<u32>, 6>(
        vec4<u32>(run.amount, 0u, 0u),
        run.ranked,
        run.squares,
        vec4<u32>(run.logs, 0u, 0u),
        run.products,
        run.roots,
    );
    for (var sum = first; sum < end; sum += 1u) {
        // Logarithms and roots have no exponent, squares have it twice.
        var shift = e;
        if (sum == 2u) {
            shift = 2u * e;
        }
        if (sum == 3u || sum == 5u) {
            shift = 0u;
        }
        add_shifted(lane + 2u * (word_of(sum) - word_of(first)), values[sum], shift);
    }
}

// One sum's lanes, carried into the words of the record at `record`.
fn write_sum(sum: u32, lane: u32, record: u32) {
    var carry = 0u;
    let start = word_of(sum);
    let words = word_of(sum + 1u) - start;
    for (var i = 0u; i < words; i += 1u) {
        let low = atomicLoad(&lanes[lane + 2u * i]) + carry;
        let high = atomicLoad(&lanes[lane + 2u * i + 1u]) + (low >> 16u);
        records[record + start + i] = (low & 0xffffu) | (high << 16u);
        carry = high >> 16u;
    }
}
