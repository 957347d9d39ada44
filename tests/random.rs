//! Numbers that look random, the same in every run.

use concentra::numbers::key::Key;

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A key of an amount of 1 to `bits` bits, each length equally likely.
    pub(crate) fn key(&mut self, bits: u64) -> Key {
        let wanted = 1 + self.next() % bits;
        let mantissa = (self.next() >> 8) | 1 << 55;
        if wanted <= 56 { mantissa >> (56 - wanted) } else { mantissa | (wanted - 56) << 56 }
    }

    #[cfg(feature = "gpu")]
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, (self.next() % (i as u64 + 1)) as usize);
        }
    }
}
