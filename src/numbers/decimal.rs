//! Numbers in text, of which results of millions of holders are full.

use ruint::aliases::U256;

/// Nineteen digits are as many as a word holds. The highest bit of this is set, as dividing by it takes for granted.
const CHUNK: u64 = 10u64.pow(19);
const DIGITS: usize = 19;
/// Five chunks of 256 bits, and what is written before the first.
pub const BYTES: usize = 5 * DIGITS + 5;

/// The digits of a number, in a buffer that is used again.
pub fn digits(number: U256, buffer: &mut [u8; BYTES]) -> &str {
    let mut limbs = *number.as_limbs();
    let mut start = buffer.len();
    let mut left = limbs.len();
    loop {
        while left > 1 && limbs[left - 1] == 0 {
            left -= 1;
        }
        // The last chunk of what is left, and the quotient in its place.
        let chunk = match limbs[..left] {
            [word] if word < CHUNK => std::mem::take(&mut limbs[0]),
            _ => limbs[..left].iter_mut().rev().fold(0, |high, limb| {
                let (quotient, rest) = divide(high, *limb);
                *limb = quotient;
                rest
            }),
        };
        let pieces = [chunk / 10u64.pow(16), chunk / 100_000_000 % 100_000_000, chunk % 100_000_000];
        let places = buffer[start - 24..start].as_chunks_mut().0;
        places.iter_mut().zip(pieces).for_each(|(place, piece)| *place = eight(piece as u32));
        // The next chunk overwrites what is more than nineteen digits.
        start -= DIGITS;
        if limbs[..left].iter().all(|&limb| limb == 0) {
            break;
        }
    }
    let zeros = buffer[start..].iter().take_while(|&&digit| digit == b'0').count();
    let digits = &buffer[(start + zeros).min(buffer.len() - 1)..];
    std::str::from_utf8(digits).expect("digits are ASCII")
}

/// The quotient and the rest of `high · 2^64 + low` by [`CHUNK`], of which `high` is less. By the reciprocal, after N. Möller
/// and T. Granlund, 2011, algorithm 4 (doi:10.1109/TC.2010.143).
fn divide(high: u64, low: u64) -> (u64, u64) {
    const RECIPROCAL: u64 = (u128::MAX / CHUNK as u128 - (1 << 64)) as u64;
    let estimate = u128::from(RECIPROCAL) * u128::from(high) + (u128::from(high) << 64 | u128::from(low));
    let mut quotient = ((estimate >> 64) as u64).wrapping_add(1);
    let mut rest = low.wrapping_sub(quotient.wrapping_mul(CHUNK));
    if rest > estimate as u64 {
        quotient = quotient.wrapping_sub(1);
        rest = rest.wrapping_add(CHUNK);
    }
    if rest >= CHUNK {
        quotient = quotient.wrapping_add(1);
        rest -= CHUNK;
    }
    (quotient, rest)
}

/// The digits of a number of eight at most, zeros before them: all are found at once, each in a byte of a word.
fn eight(number: u32) -> [u8; 8] {
    // Each line halves the pieces: four digits in 32 bits, two in 16, one in 8. Multiplying and shifting divides.
    let fours = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = (fours * 10_486) >> 20 & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours - 100 * hundreds) << 16;
    let tens = (twos * 103) >> 10 & 0x000f_000f_000f_000f;
    let ones = tens | (twos - 10 * tens) << 8;
    (ones | u64::from_ne_bytes([b'0'; 8])).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn digits_are_those_of_the_library(limbs in any::<[u64; 4]>(), shift in 0usize..257) {
            let number = U256::from_limbs(limbs).checked_shr(shift).unwrap_or_default();
            let mut buffer = [0; BYTES];
            prop_assert_eq!(digits(number, &mut buffer), number.to_string());
        }
    }

    #[test]
    fn powers_of_ten_and_their_neighbours() {
        let mut power = U256::ONE;
        for _ in 0..78 {
            for number in [power - U256::ONE, power, power + U256::ONE] {
                assert_eq!(digits(number, &mut [0; BYTES]), number.to_string());
            }
            power = power.wrapping_mul(U256::from(10));
        }
        assert_eq!(digits(U256::MAX, &mut [0; BYTES]), U256::MAX.to_string());
    }
}
