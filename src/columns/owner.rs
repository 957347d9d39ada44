//! Owners as bytes: `0x` + hex compares whatever its case, everything else as written.

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, GenericByteArray, types::GenericBinaryType};
use arrow::compute::cast;
use arrow::datatypes::DataType;

/// Owners of one batch: a tag (0 text, 1 bytes), then the bytes.
pub type Owners = GenericByteArray<GenericBinaryType<i32>>;

const TEXT: u8 = 0;
const BYTES: u8 = 1;

/// The owners of a batch; null stays null. Other types than text and binary compare by their text.
pub fn decode(column: &ArrayRef) -> Result<Owners, arrow::error::ArrowError> {
    let mut out = BinaryBuilder::with_capacity(column.len(), column.len() * 24);
    let mut buffer = Vec::new();
    let mut push = |cell: Option<(&[u8], bool)>| match cell {
        None => out.append_null(),
        Some((bytes, is_text)) => {
            canonical(bytes, is_text, &mut buffer);
            out.append_value(&buffer);
        }
    };
    match column.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let binary = cast(column, &DataType::LargeBinary)?;
            binary.as_binary::<i64>().iter().for_each(|cell| push(cell.map(|bytes| (bytes, false))));
        }
        DataType::Dictionary(_, values) => return decode(&cast(column, values)?),
        _ => {
            let text = cast(column, &DataType::LargeUtf8)?;
            text.as_string::<i64>().iter().for_each(|cell| push(cell.map(|text| (text.as_bytes(), true))));
        }
    }
    Ok(out.finish())
}

fn canonical(cell: &[u8], is_text: bool, out: &mut Vec<u8>) {
    out.clear();
    match cell {
        [b'0', b'x' | b'X', hex @ ..]
            if is_text && !hex.is_empty() && hex.iter().all(u8::is_ascii_hexdigit) =>
        {
            if hex.len() % 2 == 0 {
                out.push(BYTES);
                out.extend(hex.chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])));
            } else {
                // Half a byte is no byte string, but its case still does not matter.
                out.push(TEXT);
                out.extend(cell.iter().map(u8::to_ascii_lowercase));
            }
        }
        _ => {
            out.push(if is_text { TEXT } else { BYTES });
            out.extend_from_slice(cell);
        }
    }
}

fn nibble(digit: u8) -> u8 {
    (digit as char).to_digit(16).unwrap_or(0) as u8
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

/// An owner as messages show it.
pub fn show(owner: &[u8]) -> String {
    match owner.split_first() {
        Some((&BYTES, bytes)) => {
            format!("0x{}", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
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
