//! Counter-based random numbers: a pure function of seed, stream and index, so that nothing is stored.

/// One independent sequence of random numbers, read at any index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    key: u64,
}

/// 2^64 divided by the golden ratio, the step of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Stream {
    /// The sequence `purpose` of a seed; different purposes are independent.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let key = purpose.bytes().fold(mix(seed ^ STEP), |key, byte| mix(key ^ u64::from(byte)));
        Self { key }
    }

    /// The sub-sequence number `index`: one a token, one a group.
    pub(super) fn nth(self, index: u64) -> Self {
        Self { key: self.bits(index) }
    }

    /// 64 random bits.
    pub(crate) fn bits(self, index: u64) -> u64 {
        // The second round with the key parts sequences whose keys differ by a multiple of the step.
        mix(mix(self.key.wrapping_add(index.wrapping_add(1).wrapping_mul(STEP))) ^ self.key)
    }

    /// Uniform in (0, 1), never 0 or 1: quantile functions stay finite.
    pub(super) fn unit(self, index: u64) -> f64 {
        to_unit(self.bits(index))
    }

    /// Uniform in `0..bound`.
    pub(super) fn below(self, index: u64, bound: u64) -> u64 {
        ((u128::from(self.bits(index)) * u128::from(bound)) >> 64) as u64
    }

    /// `N` random bytes.
    pub(super) fn bytes<const N: usize>(self, index: u64) -> [u8; N] {
        let words = self.nth(index);
        let mut bytes = [0; N];
        for (chunk, word) in bytes.chunks_mut(8).zip(0..) {
            chunk.copy_from_slice(&words.bits(word).to_be_bytes()[..chunk.len()]);
        }
        bytes
    }
}

/// The middle of one of 2^52 equal steps of (0, 1).
pub(super) fn to_unit(bits: u64) -> f64 {
    // Of 53 bits the last sum would round up to 1; of 52 it is exact.
    ((bits >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2714064.2660195).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A random permutation of `0..n` that stores nothing: a Feistel network on the next power of four, walked
/// until it lands below `n` again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permutation {
    stream: Stream,
    n: u64,
    half: u32,
}

impl Permutation {
    /// The permutation of `0..n` that belongs to this stream.
    pub(super) fn new(stream: Stream, n: u64) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        Self { stream, n, half: bits.div_ceil(2).max(1) }
    }

    /// Where `index` goes.
    pub(super) fn at(self, mut index: u64) -> u64 {
        debug_assert!(index < self.n);
        let mask = (1 << self.half) - 1;
        loop {
            let (mut left, mut right) = (index >> self.half, index & mask);
            for round in 0..4 {
                (left, right) = (right, left ^ (self.stream.bits(right << 2 | round) & mask));
            }
            index = left << self.half | right;
            if index < self.n {
                return index;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_hit_everything_once() {
        for n in [1, 2, 3, 17, 64, 65, 1000] {
            let permutation = Permutation::new(Stream::new(1, "test"), n);
            let mut seen: Vec<_> = (0..n).map(|i| permutation.at(i)).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..n));
        }
    }

    #[test]
    fn numbers_depend_on_seed_purpose_and_index() {
        let stream = Stream::new(1, "amount");
        assert_ne!(stream.bits(0), stream.bits(1));
        assert_ne!(stream.bits(0), Stream::new(2, "amount").bits(0));
        assert_ne!(stream.bits(0), Stream::new(1, "owner").bits(0));
        assert_eq!(stream.bytes::<20>(7)[..8], stream.nth(7).bits(0).to_be_bytes());
    }

    #[test]
    fn units_are_uniform_and_open() {
        assert!(to_unit(0) > 0.0 && to_unit(u64::MAX) < 1.0);
        let stream = Stream::new(1, "test");
        let mean = (0..10_000).map(|i| stream.unit(i)).sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert!((0..1000).all(|i| stream.below(i, 7) < 7));
    }
}
