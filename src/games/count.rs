//! Numbers of coalitions, as wide as a game needs: arithmetic wraps around, and what is asked for fits.

use num_bigint::BigUint;
use ruint::Uint;

/// An unsigned integer that wraps around.
pub trait Count: Copy + Default + PartialEq + Send + Sync {
    /// Bits.
    const BITS: usize;
    /// 1.
    const ONE: Self;
    /// `self + other`.
    fn add(self, other: Self) -> Self;
    /// `self − other`.
    fn sub(self, other: Self) -> Self;
    /// `self · other`.
    fn mul(self, other: Self) -> Self;
    /// Without bounds.
    fn big(self) -> BigUint;
}

impl Count for u128 {
    const BITS: usize = 128;
    const ONE: Self = 1;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }

    fn big(self) -> BigUint {
        self.into()
    }
}

impl<const BITS: usize, const LIMBS: usize> Count for Uint<BITS, LIMBS> {
    const BITS: usize = BITS;
    const ONE: Self = Self::ONE;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }

    fn big(self) -> BigUint {
        BigUint::from_bytes_le(self.as_le_slice())
    }
}

/// Does something with the narrowest count that holds `2^$players`, or nothing where none does.
macro_rules! with_count {
    ($players:expr, $function:ident($($argument:expr),*)) => {
        match $players {
            0..=127 => $function::<u128>($($argument),*),
            128..=255 => $function::<ruint::Uint<256, 4>>($($argument),*),
            256..=511 => $function::<ruint::Uint<512, 8>>($($argument),*),
            512..=2047 => $function::<ruint::Uint<2048, 32>>($($argument),*),
            _ => None,
        }
    };
}
pub(crate) use with_count;
