// Random coalitions of a voting game, one of each kind a thread, and whom each of them makes swing.
//
// What is drawn is a function of the seed and the sample's number: Philox 4×32-10. Weights descend, so those who can turn
// a coalition come first.

// Voters, samples, the first sample's number, the seed, the quota: low words first.
@group(0) @binding(1) var<storage, read> game: array<u32, 10>;
@group(0) @binding(2) var<storage, read> weights: array<vec4<u32>>;
// Swings of each voter, by kind, and at last how many coalitions of the first kind win.
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;

fn round(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    let a = mul32(0xd2511f53u, counter.x);
    let b = mul32(0xcd9e8d57u, counter.z);
    return vec4<u32>(b.y ^ counter.y ^ key.x, b.x, a.y ^ counter.w ^ key.y, a.x);
}

fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    let weyl = vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
    var x = round(counter, key);
    x = round(x, key + weyl);
    x = round(x, key + 2u * weyl);
    x = round(x, key + 3u * weyl);
    x = round(x, key + 4u * weyl);
    x = round(x, key + 5u * weyl);
    x = round(x, key + 6u * weyl);
    x = round(x, key + 7u * weyl);
    x = round(x, key + 8u * weyl);
    return round(x, key + 9u * weyl);
}

fn sub128(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    return add128(add128(a, ~b), vec4<u32>(1u, 0u, 0u, 0u));
}

// Who is in the coalition, voter after voter.
struct Members {
    number: vec2<u32>,
    kind: u32,
    // Of the second kind: who draws less is in.
    below: u32,
    words: vec4<u32>,
}

fn members(number: vec2<u32>, kind: u32) -> Members {
    let first = philox(vec4<u32>(0u, kind, number), vec2<u32>(game[4], game[5]));
    return Members(number, kind, first.x, first);
}

fn is_member(members: ptr<function, Members>, voter: u32) -> bool {
    let key = vec2<u32>(game[4], game[5]);
    if ((*members).kind == 0u) {
        if (voter % 128u == 0u) {
            (*members).words = philox(vec4<u32>(voter / 128u, 0u, (*members).number), key);
        }
        return (((*members).words[(voter / 32u) % 4u] >> (voter % 32u)) & 1u) == 1u;
    }
    if (voter % 4u == 0u) {
        (*members).words = philox(vec4<u32>(voter / 4u + 1u, 1u, (*members).number), key);
    }
    return (*members).words[voter % 4u] < (*members).below;
}

fn draw_kind(number: vec2<u32>, kind: u32) {
    let voters = game[0];
    let quota = vec4<u32>(game[6], game[7], game[8], game[9]);
    var sum = vec4<u32>();
    var drawn = members(number, kind);
    for (var voter = 0u; voter < voters; voter += 1u) {
        if (is_member(&drawn, voter)) {
            sum = add128(sum, weights[voter]);
        }
    }
    let wins = !less128(sum, quota);
    // What it has to spare, or lacks to be one below the quota.
    var margin = sub128(sum, quota);
    if (!wins) {
        margin = sub128(sub128(quota, sum), vec4<u32>(1u, 0u, 0u, 0u));
    }
    drawn = members(number, kind);
    for (var voter = 0u; voter < voters; voter += 1u) {
        if (!less128(margin, weights[voter])) {
            break;
        }
        if (is_member(&drawn, voter) == wins) {
            atomicAdd(&counts[kind * voters + voter], 1u);
        }
    }
    if (wins && kind == 0u) {
        atomicAdd(&counts[2u * voters], 1u);
    }
}

@compute @workgroup_size(256)
fn draw(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let entry = entry_of(workgroup, workgroups);
    if (entry >= params.count) {
        return;
    }
    let sample = entry * THREADS + thread;
    if (sample >= game[1]) {
        return;
    }
    let number = add64(vec2<u32>(game[2], game[3]), vec2<u32>(sample, 0u));
    draw_kind(number, 0u);
    draw_kind(number, 1u);
}
