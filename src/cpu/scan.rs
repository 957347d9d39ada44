//! Exclusive scan of the sort's count matrix: reduce, then scan, then add down. The shader's twin.

/// Elements of one workgroup.
pub const CHUNK: usize = 2048;

/// Replaces each element by the sum of those before it, in three steps as the shader does: no look-back, because
/// no order of workgroups may be relied on. Returns the total.
pub fn scan(matrix: &mut [u32]) -> u32 {
    let mut spine: Vec<u32> = matrix.chunks(CHUNK).map(scan_reduce).collect();
    let total = scan_spine(&mut spine);
    matrix.chunks_mut(CHUNK).zip(spine).for_each(|(chunk, base)| scan_down(chunk, base));
    total
}

/// One workgroup: the sum of its chunk.
fn scan_reduce(chunk: &[u32]) -> u32 {
    chunk.iter().sum()
}

/// The sums of the chunks, scanned.
fn scan_spine(sums: &mut [u32]) -> u32 {
    let mut total = 0;
    for sum in sums {
        total += std::mem::replace(sum, total);
    }
    total
}

/// One workgroup: scans its chunk from what lies below it.
fn scan_down(chunk: &mut [u32], mut base: u32) {
    for count in chunk {
        base += std::mem::replace(count, base);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_running_sum_across_chunks() {
        for n in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
            let counts: Vec<u32> = (0..n as u32).map(|i| i % 5).collect();
            let mut scanned = counts.clone();
            let total = scan(&mut scanned);
            let mut sum = 0;
            for (i, count) in counts.iter().enumerate() {
                assert_eq!(scanned[i], sum);
                sum += count;
            }
            assert_eq!(total, sum);
        }
    }
}
