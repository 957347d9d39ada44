// The square root of a key, rounded to nearest, word for word as src/numbers/sqrt.rs has it.

// The root of m·2^e is r·2^k / 2^31: r in x and y, k in z.
fn sqrt_of(m: vec2<u32>, e: u32) -> vec3<u32> {
    var x = m;
    var zeros = 0u;
    if (x.y == 0u) {
        x = vec2<u32>(0u, x.x);
        zeros = 32u;
    }
    var s = countLeadingZeros(x.y);
    zeros += s;
    // To 63 or 64 bits, whichever leaves an even exponent.
    let odd = (e + zeros) & 1u;
    let shift = zeros - odd;
    x = vec2<u32>(x.x << s, (x.y << s) | ((x.x >> 1u) >> (31u - s)));
    if (odd == 1u) {
        x = vec2<u32>((x.x >> 1u) | (x.y << 31u), x.y >> 1u);
    }
    // Two bits of x a step. The remainder is at most twice the root, so 30 steps stay within a word.
    var root = 0u;
    var rest = 0u;
    for (var i = 0u; i < 30u; i += 1u) {
        let word = select(x.x, x.y, i < 16u);
        rest = (rest << 2u) | ((word >> (30u - 2u * (i & 15u))) & 3u);
        let test = (root << 2u) | 1u;
        root <<= 1u;
        if (rest >= test) {
            rest -= test;
            root |= 1u;
        }
    }
    // The last two steps need one word more.
    var wide = vec2<u32>(rest, 0u);
    for (var i = 0u; i < 2u; i += 1u) {
        wide = vec2<u32>((wide.x << 2u) | ((x.x >> (2u - 2u * i)) & 3u), (wide.y << 2u) | (wide.x >> 30u));
        let test = vec2<u32>((root << 2u) | 1u, root >> 30u);
        root <<= 1u;
        if (wide.y > test.y || (wide.y == test.y && wide.x >= test.x)) {
            wide = vec2<u32>(wide.x - test.x, wide.y - test.y - u32(wide.x < test.x));
            root |= 1u;
        }
    }
    // (root + 1/2)² = root² + root + 1/4: up where the remainder exceeds the root.
    let up = u32(wide.y > 0u || wide.x > root);
    let r = root + up;
    return vec3<u32>(r, u32(r < root), (e + 62u - shift) / 2u);
}
