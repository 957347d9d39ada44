//! Sortable floats: an exact 256-bit amount as 64 bits whose integer order is the amounts' order.
//!
//! A key is `e·2^56 + m`, its value `v = m·2^e`. Below 2^56 an amount is its own key (`e = 0`); from there on
//! `m` holds the 56 leading bits (`2^55 <= m < 2^56`) and `e = bits(a) − 56 <= 200`. So `v <= a < v·(1 + 2^−55)`
//! at every magnitude, one wei of dust keeps its value beside 2^256−1, and one sort width serves all.

use ruint::aliases::U256;

use super::wide::U320;

/// A sortable float. Zero is the key of zero; zero amounts are no holders, so kernels never meet it.
pub type Key = u64;

/// Significant bits of a key.
pub const MANTISSA_BITS: u32 = 56;
/// The largest exponent: of amounts of 256 bits.
pub const MAX_EXPONENT: u32 = 256 - MANTISSA_BITS;

const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;

/// `e`, at most [`MAX_EXPONENT`].
#[inline]
pub const fn exponent(key: Key) -> u32 {
    (key >> MANTISSA_BITS) as u32
}

/// `m`, below 2^56.
#[inline]
pub const fn mantissa(key: Key) -> u64 {
    key & MANTISSA
}

/// The key of an amount below 2^128, and whether it holds the amount exactly.
#[inline]
pub const fn of_u128(a: u128) -> (Key, bool) {
    let bits = 128 - a.leading_zeros();
    if bits <= MANTISSA_BITS {
        return (a as u64, true);
    }
    let e = bits - MANTISSA_BITS;
    let m = (a >> e) as u64;
    (((e as u64) << MANTISSA_BITS) | m, (m as u128) << e == a)
}

/// The key of any amount, and whether it holds the amount exactly.
#[inline]
pub fn of(a: U256) -> (Key, bool) {
    let limbs = a.as_limbs();
    if limbs[2] | limbs[3] == 0 {
        return of_u128(u128::from(limbs[0]) | u128::from(limbs[1]) << 64);
    }
    let e = a.bit_len() - MANTISSA_BITS as usize;
    let m = (a >> e).as_limbs()[0];
    (((e as u64) << MANTISSA_BITS) | m, a.trailing_zeros() >= e)
}

/// The key of `m·2^shift`, which holds it exactly; `m` is below 2^56 and not zero, the product below 2^256.
#[inline]
pub const fn of_shifted(m: u64, shift: u32) -> Key {
    let bits = 64 - m.leading_zeros() + shift;
    if bits <= MANTISSA_BITS {
        return m << shift;
    }
    ((bits - MANTISSA_BITS) as u64) << MANTISSA_BITS | m << (MANTISSA_BITS - (bits - shift))
}

/// The value `m·2^e` that a key stands for.
#[inline]
pub fn value(key: Key) -> U256 {
    U256::from(mantissa(key)) << exponent(key) as usize
}

/// The same for an amount below 2^128.
#[inline]
pub fn value_narrow(key: Key) -> u128 {
    u128::from(mantissa(key)) << exponent(key)
}

/// `Σv` of keys in any order.
pub fn sum(keys: &[Key]) -> U320 {
    // Nearly all values are below 2^128, and a carry is counted in a word.
    let (mut low, mut carries, mut wide) = (0u128, 0u64, U320::ZERO);
    for &key in keys {
        if exponent(key) <= 128 - MANTISSA_BITS {
            let (sum, carry) = low.overflowing_add(u128::from(mantissa(key)) << exponent(key));
            low = sum;
            carries += u64::from(carry);
        } else {
            wide += U320::from(value(key));
        }
    }
    wide + U320::from_limbs([low as u64, (low >> 64) as u64, carries, 0, 0])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Amounts of every magnitude, each bit length equally likely.
    pub(crate) fn amount() -> impl Strategy<Value = U256> {
        (prop::array::uniform4(any::<u64>()), 0usize..=256).prop_map(|(limbs, bits)| {
            if bits == 0 { U256::ZERO } else { U256::from_limbs(limbs) >> (256 - bits) }
        })
    }

    proptest! {
        #[test]
        fn keys_order_as_amounts(a in amount(), b in amount()) {
            let (ka, kb) = (of(a).0, of(b).0);
            if a <= b { prop_assert!(ka <= kb) }
            if ka < kb { prop_assert!(a < b) }
            prop_assert_eq!(ka.cmp(&kb), value(ka).cmp(&value(kb)));
        }

        #[test]
        fn sums_are_those_of_values(amounts in prop::collection::vec(amount(), 0..40)) {
            let keys: Vec<Key> = amounts.into_iter().map(|a| of(a).0).collect();
            let expected = keys.iter().fold(U320::ZERO, |sum, &key| sum + U320::from(value(key)));
            prop_assert_eq!(sum(&keys), expected);
        }

        #[test]
        fn value_is_within_one_part_in_2_to_the_55(a in amount()) {
            let (key, exact) = of(a);
            let v = value(key);
            prop_assert!(v <= a);
            prop_assert_eq!(exact, v == a);
            // a < v·(1 + 2^−55), with no rounding on the way.
            let (a, v) = (num_bigint::BigUint::from_bytes_le(a.as_le_slice()),
                          num_bigint::BigUint::from_bytes_le(v.as_le_slice()));
            if !exact { prop_assert!((a << 55u32) < (&v << 55u32) + &v) }
            prop_assert_eq!(of(value(key)), (key, true), "a value is its own key");
        }

        #[test]
        fn narrow_and_wide_agree(a in any::<u128>(), shift in 0u32..128) {
            let a = a >> shift;
            prop_assert_eq!(of_u128(a), of(U256::from(a)));
        }
    }

    #[test]
    fn the_largest_amount_beside_dust() {
        let (key, exact) = of(U256::MAX);
        assert_eq!((exponent(key), mantissa(key), exact), (MAX_EXPONENT, MANTISSA, false));
        assert_eq!(of(U256::from(1u8)), (1, true));
        assert_eq!(of(U256::ZERO), (0, true));
        for edge in [(1u128 << 55) - 1, 1 << 55, (1 << 56) - 1, 1 << 56, 1 << 57] {
            assert_eq!(value(of_u128(edge).0), U256::from(edge));
        }
        assert_eq!(value(of_u128((1 << 56) + 1).0), U256::from(1u128 << 56));
    }
}
