// The lanes of all six sums of one tile.

// Two a word, and two that only ever take zeros.
var<workgroup> lanes: array<atomic<u32>, 64>;

fn clear_lanes(thread: u32) {
    if (thread < 64u) {
        atomicStore(&lanes[thread], 0u);
    }
}

fn flush(run: Narrow, e: u32) {
    add_shifted(2u * AMOUNT, vec4<u32>(run.amount, 0u, 0u), e);
    add_shifted(2u * RANKED, run.ranked, e);
    add_shifted(2u * SQUARES, run.squares, 2u * e);
    add_shifted(2u * LOGS, vec4<u32>(run.logs, 0u, 0u), 0u);
    add_shifted(2u * PRODUCTS, run.products, e);
    add_shifted(2u * ROOTS, run.roots, 0u);
}

// All sums of the record that starts at `to`, one thread each.
fn write_sums(thread: u32, to: u32) {
    switch thread {
        case 0u: { write_words(2u * AMOUNT, to + AMOUNT, RANKED - AMOUNT); }
        case 1u: { write_words(2u * RANKED, to + RANKED, SQUARES - RANKED); }
        case 2u: { write_words(2u * SQUARES, to + SQUARES, LOGS - SQUARES); }
        case 3u: { write_words(2u * LOGS, to + LOGS, PRODUCTS - LOGS); }
        case 4u: { write_words(2u * PRODUCTS, to + PRODUCTS, ROOTS - PRODUCTS); }
        case 5u: { write_words(2u * ROOTS, to + ROOTS, FIRST - ROOTS); }
        default: {}
    }
}
