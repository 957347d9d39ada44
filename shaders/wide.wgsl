// Integers beyond 32 bits as vectors of words, the lowest first.

// a·b.
fn mul32(a: u32, b: u32) -> vec2<u32> {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let low = al * bl;
    let left = ah * bl;
    let right = al * bh;
    let middle = (low >> 16u) + (left & 0xffffu) + (right & 0xffffu);
    return vec2<u32>(
        (low & 0xffffu) | (middle << 16u),
        ah * bh + (left >> 16u) + (right >> 16u) + (middle >> 16u),
    );
}

// a + b modulo 2^64.
fn add64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + u32(low < a.x));
}

// a + b modulo 2^128.
fn add128(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let x = a.x + b.x;
    let y = a.y + b.y;
    let z = a.z + b.z;
    let cx = u32(x < a.x);
    let yc = y + cx;
    let cy = u32(y < a.y) | u32(yc < cx);
    let zc = z + cy;
    let cz = u32(z < a.z) | u32(zc < cy);
    return vec4<u32>(x, yc, zc, a.w + b.w + cz);
}

// a·b.
fn mul64(a: vec2<u32>, b: vec2<u32>) -> vec4<u32> {
    let low = mul32(a.x, b.x);
    let left = mul32(a.y, b.x);
    let right = mul32(a.x, b.y);
    let high = mul32(a.y, b.y);
    let product = add128(vec4<u32>(low, high), vec4<u32>(0u, left, 0u));
    return add128(product, vec4<u32>(0u, right, 0u));
}

// x·2^s for s below 128, cut to 128 bits.
fn shl128(x: vec4<u32>, s: u32) -> vec4<u32> {
    var y = select(x, vec4<u32>(0u, 0u, x.xy), (s & 64u) != 0u);
    y = select(y, vec4<u32>(0u, y.xyz), (s & 32u) != 0u);
    let t = s & 31u;
    // A shift by 32 is not defined, so the words' high parts take two shifts.
    let over = (y >> vec4<u32>(1u)) >> vec4<u32>(31u - t);
    return (y << vec4<u32>(t)) | vec4<u32>(0u, over.xyz);
}

// Whether a < b.
fn less128(a: vec4<u32>, b: vec4<u32>) -> bool {
    if (a.w != b.w) {
        return a.w < b.w;
    }
    if (a.z != b.z) {
        return a.z < b.z;
    }
    if (a.y != b.y) {
        return a.y < b.y;
    }
    return a.x < b.x;
}
