// The exclusive sum over a workgroup's threads, in two levels of sixteen: three barriers, no order relied on.

var<workgroup> parts: array<u32, 256>;
var<workgroup> sixteens: array<u32, 16>;

// The sum of `part` over all threads before this one. Every thread must call it.
fn block_scan(thread: u32, part: u32) -> u32 {
    // Whoever read the last scan's result is done.
    workgroupBarrier();
    parts[thread] = part;
    workgroupBarrier();
    if (thread < 16u) {
        var sum = 0u;
        for (var i = 0u; i < 16u; i += 1u) {
            sum += parts[thread * 16u + i];
        }
        sixteens[thread] = sum;
    }
    workgroupBarrier();
    var before = 0u;
    for (var i = 0u; i < thread / 16u; i += 1u) {
        before += sixteens[i];
    }
    for (var i = thread & 0xfffffff0u; i < thread; i += 1u) {
        before += parts[i];
    }
    return before;
}

// The sum over all threads, after `block_scan`.
fn block_total() -> u32 {
    var sum = 0u;
    for (var i = 0u; i < 16u; i += 1u) {
        sum += sixteens[i];
    }
    return sum;
}
