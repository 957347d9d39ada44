//! Signed sums: a magnitude and a sign.

use std::ops::{AddAssign, Neg, Sub};

use num_bigint::{BigInt, BigUint, Sign};
use ruint::Uint;

use super::wide::{U320, U384};

/// A signed integer of a wide magnitude. Zero is not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signed<U> {
    /// The magnitude.
    pub size: U,
    /// The sign.
    pub negative: bool,
}

/// A sum of up to 2^32 signed amounts of 256 bits.
pub type Sum = Signed<U320>;

impl<const BITS: usize, const LIMBS: usize> Signed<Uint<BITS, LIMBS>> {
    /// Of a magnitude and a sign.
    pub fn new(size: Uint<BITS, LIMBS>, negative: bool) -> Self {
        Self { size, negative: negative && !size.is_zero() }
    }

    /// Whether it is above zero.
    pub fn is_positive(&self) -> bool {
        !self.negative && !self.size.is_zero()
    }

    /// As an integer without bounds.
    pub fn big(&self) -> BigInt {
        let sign = if self.negative { Sign::Minus } else { Sign::Plus };
        BigInt::from_biguint(sign, BigUint::from_bytes_le(self.size.as_le_slice()))
    }
}

impl Sum {
    /// So many times it.
    pub fn times(&self, count: u64) -> Signed<U384> {
        Signed::new(U384::from(self.size) * U384::from(count), self.negative)
    }
}

impl<const BITS: usize, const LIMBS: usize> AddAssign for Signed<Uint<BITS, LIMBS>> {
    fn add_assign(&mut self, other: Self) {
        *self = if self.negative == other.negative {
            Self::new(self.size + other.size, self.negative)
        } else if self.size >= other.size {
            Self::new(self.size - other.size, self.negative)
        } else {
            Self::new(other.size - self.size, other.negative)
        };
    }
}

impl<const BITS: usize, const LIMBS: usize> Neg for Signed<Uint<BITS, LIMBS>> {
    type Output = Self;

    fn neg(self) -> Self {
        Self::new(self.size, !self.negative)
    }
}

impl<const BITS: usize, const LIMBS: usize> Sub for Signed<Uint<BITS, LIMBS>> {
    type Output = Self;

    fn sub(mut self, other: Self) -> Self {
        self += -other;
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_adds_as_integers_do(values in prop::collection::vec(any::<i64>(), 0..9), count in any::<u32>()) {
            let of = |x: i64| Sum::new(U320::from(x.unsigned_abs()), x < 0);
            let mut sum = Sum::default();
            values.iter().for_each(|&x| sum += of(x));
            let expected: i128 = values.iter().map(|&x| i128::from(x)).sum();
            prop_assert_eq!(sum.big(), BigInt::from(expected));
            prop_assert_eq!((sum - of(7)).big(), BigInt::from(expected - 7));
            prop_assert_eq!(sum.is_positive(), expected > 0);
            prop_assert_eq!(sum.times(count.into()).big(), BigInt::from(expected) * count);
        }
    }
}
