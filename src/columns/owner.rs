//! Owners as bytes: `0x` + hex compares whatever its case, everything else as written.

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, GenericByteArray, types::GenericBinaryType};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

/// Owners of one batch: a tag (0 text, 1 bytes), then the bytes.
pub type Owners = GenericByteArray<GenericBinaryType<i32>>;

const TEXT: u8 = 0;
const BYTES: u8 = 1;

/// The owners of a batch; null stays null. Other types than text and binary compare by their text.
pub fn decode(column: &ArrayRef) -> Result<Owners, ArrowError> {
    let mut out = BinaryBuilder::with_capacity(column.len(), column.len() * 24);
    each(column, |owner| out.append_option(owner))?;
    Ok(out.finish())
}

/// Calls `f` with the owner of each row of a batch, in order.
pub fn each(column: &ArrayRef, mut f: impl FnMut(Option<&[u8]>)) -> Result<(), ArrowError> {
    let mut buffer = Vec::with_capacity(64);
    each_cell(column, |cell, is_text| match cell {
        None => f(None),
        Some(cell) => {
            canonical(cell, is_text, &mut buffer);
            f(Some(&buffer));
        }
    })
}

/// Calls `f` with the cell of each row of a batch, in order, and whether it is text.
pub fn each_cell(column: &ArrayRef, mut f: impl FnMut(Option<&[u8]>, bool)) -> Result<(), ArrowError> {
    use DataType as T;
    match column.data_type() {
        T::Binary => column.as_binary::<i32>().iter().for_each(|cell| f(cell, false)),
        T::LargeBinary => column.as_binary::<i64>().iter().for_each(|cell| f(cell, false)),
        T::BinaryView => column.as_binary_view().iter().for_each(|cell| f(cell, false)),
        T::FixedSizeBinary(_) => column.as_fixed_size_binary().iter().for_each(|cell| f(cell, false)),
        T::Utf8 => column.as_string::<i32>().iter().for_each(|cell| f(cell.map(str::as_bytes), true)),
        T::Utf8View => column.as_string_view().iter().for_each(|cell| f(cell.map(str::as_bytes), true)),
        T::Dictionary(_, values) => return each_cell(&cast(column, values)?, f),
        _ => {
            let text = cast(column, &T::LargeUtf8)?;
            text.as_string::<i64>().iter().for_each(|cell| f(cell.map(str::as_bytes), true));
        }
    }
    Ok(())
}

/// The owner of a cell: a tag, then its bytes.
pub fn canonical(cell: &[u8], is_text: bool, out: &mut Vec<u8>) {
    out.clear();
    if let [b'0', b'x' | b'X', digits @ ..] = cell
        && is_text
        && !digits.is_empty()
    {
        out.push(BYTES);
        if digits.len() % 2 == 0 && push_hex(digits, out) {
            return;
        }
        out.clear();
        if digits.iter().all(u8::is_ascii_hexdigit) {
            // Half a byte is no byte string, but its case still does not matter.
            out.push(TEXT);
            out.extend(cell.iter().map(u8::to_ascii_lowercase));
            return;
        }
    }
    out.push(if is_text { TEXT } else { BYTES });
    out.extend_from_slice(cell);
}

/// Appends the bytes that an even number of digits spells, eight digits at a time; false where some are none.
fn push_hex(digits: &[u8], out: &mut Vec<u8>) -> bool {
    let (eights, rest) = digits.as_chunks::<8>();
    for &eight in eights {
        let Some(bytes) = eight_digits(u64::from_le_bytes(eight)) else { return false };
        out.extend_from_slice(&bytes);
    }
    if !rest.is_empty() {
        let mut eight = [b'0'; 8];
        eight[..rest.len()].copy_from_slice(rest);
        let Some(bytes) = eight_digits(u64::from_le_bytes(eight)) else { return false };
        out.extend_from_slice(&bytes[..rest.len() / 2]);
    }
    true
}

/// The bytes of eight digits in a word, the first in its lowest byte. Each step does the same to all eight.
fn eight_digits(word: u64) -> Option<[u8; 4]> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // Letters are 0x41 to 0x46 and 0x61 to 0x66, digits 0x30 to 0x39. The sixth bit tells them apart.
    let letters = word >> 6 & ONES;
    let values = (word & (15 * ONES)) + 9 * letters;
    // Ten and more are letters, and none is above fifteen.
    let fits = (values + 6 * ONES) >> 4 & ONES == letters && values & (16 * ONES) == 0;
    // The fourth bit is that of digits alone; they have the fifth too, and none has the seventh.
    let upper = (word >> 4 ^ letters) & (word >> 5 | letters) & ONES == ONES && word & (128 * ONES) == 0;
    let pairs = (values << 4 | values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    (fits && upper).then_some(((fours | fours >> 16) as u32).to_le_bytes())
}

/// Whether an owner is the zero address, which nobody has: tokens come from there, and go there.
pub fn is_zero(owner: &[u8]) -> bool {
    match owner {
        [TEXT, b'0', b'x', digits @ ..] => !digits.is_empty() && digits.iter().all(|&digit| digit == b'0'),
        [BYTES, bytes @ ..] => !bytes.is_empty() && bytes.iter().all(|&byte| byte == 0),
        _ => false,
    }
}

/// An owner's own bytes, where they are what it is.
pub fn bytes(owner: &[u8]) -> Option<&[u8]> {
    match owner {
        [BYTES, bytes @ ..] => Some(bytes),
        _ => None,
    }
}

/// The owner of some bytes.
pub fn of_bytes(bytes: &[u8]) -> Box<[u8]> {
    [&[BYTES], bytes].concat().into()
}

/// An owner as messages show it.
pub fn show(owner: &[u8]) -> String {
    match owner.split_first() {
        Some((&BYTES, bytes)) => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
            "0x".chars().chain(digits.map(|digit| char::from(DIGITS[usize::from(digit)]))).collect()
        }
        Some((_, text)) => String::from_utf8_lossy(text).into_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BinaryArray, StringArray};

    use super::*;

    #[test]
    fn digits_are_told_from_everything_else() {
        // Each byte in each place, the others being digits.
        for place in 0..8 {
            for byte in 0..=255u8 {
                let mut digits = *b"12aB9fE0";
                digits[place] = byte;
                let text: Option<String> = digits
                    .iter()
                    .all(u8::is_ascii_hexdigit)
                    .then(|| String::from_utf8(digits.to_vec()).unwrap());
                let expected = text.map(|text| u32::from_str_radix(&text, 16).unwrap().to_be_bytes());
                assert_eq!(eight_digits(u64::from_le_bytes(digits)), expected, "{digits:?}");
            }
        }
        let mut out = vec![];
        assert!(push_hex(b"00Ff102030a0", &mut out));
        assert_eq!(out, [0, 255, 16, 32, 48, 160]);
    }

    #[test]
    fn hex_compares_as_bytes_and_names_as_written() {
        let text: ArrayRef = Arc::new(StringArray::from(vec![
            Some("0xAb01"),
            Some("0Xab01"),
            Some("Ab01"),
            Some("0xABC"),
            Some("0xabc"),
            Some("0xzz"),
            None,
        ]));
        let text = decode(&text).unwrap();
        let binary: ArrayRef = Arc::new(BinaryArray::from_vec(vec![&[0xab, 0x01], b"Ab01"]));
        let binary = decode(&binary).unwrap();
        assert_eq!(text.value(0), text.value(1));
        assert_eq!(text.value(0), binary.value(0));
        assert_ne!(text.value(2), binary.value(1), "a name is not the bytes it is spelled with");
        assert_eq!(text.value(3), text.value(4));
        assert_eq!(show(text.value(5)), "0xzz");
        assert_eq!(show(text.value(0)), "0xab01");
        assert!(text.is_null(6));
    }
}
