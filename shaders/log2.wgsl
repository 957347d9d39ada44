// The binary logarithm of a key in 32 fraction bits, word for word as src/numbers/log2.rs has it.

// Per leading byte of the mantissa's fraction: the reciprocal r, and -log2 r in 39 fraction bits.
@group(0) @binding(1) var<storage, read> log_table: array<vec4<u32>>;

// log2 of m·2^e, for m >= 1.
fn log2_of(m: vec2<u32>, e: u32) -> vec2<u32> {
    var x = m;
    var zeros = 0u;
    if (x.y == 0u) {
        x = vec2<u32>(0u, x.x);
        zeros = 32u;
    }
    let shift = countLeadingZeros(x.y);
    zeros += shift;
    x = vec2<u32>(x.x << shift, (x.y << shift) | ((x.x >> 1u) >> (31u - shift)));
    let row = log_table[(x.y >> 23u) & 0xffu];
    var t62 = mul32(x.y, row.x);
    t62 = add64(t62, vec2<u32>(mul32(x.x, row.x).y, 0u));
    let t = ((t62.y - 0x40000000u) << 10u) | (t62.x >> 22u);
    var p = 1032721336u - (mul32(t, 774541002u).y >> 8u);
    p = 1549082005u - (mul32(t, p).y >> 8u);
    p = 3098164009u - (mul32(t, p).y >> 8u);
    let sum = add64(row.yz, vec2<u32>(mul32(t, p).y + 64u, 0u));
    // Rounding up to the next whole number would leave the bit length.
    let fraction = select((sum.y << 25u) | (sum.x >> 7u), 0xffffffffu, (sum.y >> 7u) != 0u);
    return vec2<u32>(fraction, e + 63u - zeros);
}
