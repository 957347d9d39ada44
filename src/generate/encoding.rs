//! Amounts as an Arrow column, in every encoding the reader takes.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BinaryViewBuilder, Decimal128Array, Decimal256Array, FixedSizeBinaryBuilder,
    Float64Array, Int64Array, LargeStringBuilder, StringBuilder, StringDictionaryBuilder, StringViewBuilder,
    UInt64Array,
};
use arrow::datatypes::{DataType, Int32Type, i256};
use ruint::aliases::U256;

use super::amount::{to_f64, to_tokens, write_integer, write_tokens};
use super::args::Encoding;
use crate::{Error, Result};

/// The columns an encoding writes for the amounts, in order.
pub(super) fn fields(encoding: Encoding) -> Vec<(&'static str, DataType)> {
    let dictionary = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let data_type = match encoding {
        Encoding::Cryo => {
            return vec![
                ("balance_binary", DataType::Binary),
                ("balance_string", DataType::Utf8),
                ("balance_f64", DataType::Float64),
            ];
        }
        Encoding::Binary => DataType::Binary,
        Encoding::BinaryView => DataType::BinaryView,
        Encoding::FixedBinary => DataType::FixedSizeBinary(32),
        Encoding::Hex | Encoding::Text | Encoding::DecimalText => DataType::Utf8,
        Encoding::LargeText => DataType::LargeUtf8,
        Encoding::TextView => DataType::Utf8View,
        Encoding::DictionaryText => dictionary(),
        Encoding::Decimal128 => DataType::Decimal128(38, 0),
        Encoding::Numeric => DataType::Decimal128(38, 9),
        Encoding::Decimal256 => DataType::Decimal256(76, 0),
        Encoding::U64 => DataType::UInt64,
        Encoding::I64 => DataType::Int64,
        Encoding::F64 => DataType::Float64,
    };
    vec![("balance", data_type)]
}

/// The columns of `fields`.
pub(super) fn columns(encoding: Encoding, amounts: &[U256], decimals: u8) -> Result<Vec<ArrayRef>> {
    let integers = || texts(amounts, write_integer);
    let column: ArrayRef = match encoding {
        Encoding::Cryo => return Ok(cryo_columns(amounts).to_vec()),
        Encoding::Binary => binary(amounts),
        Encoding::BinaryView => {
            let mut builder = BinaryViewBuilder::with_capacity(amounts.len());
            amounts.iter().for_each(|a| builder.append_value(a.to_be_bytes::<32>()));
            Arc::new(builder.finish())
        }
        Encoding::FixedBinary => {
            let mut builder = FixedSizeBinaryBuilder::with_capacity(amounts.len(), 32);
            for amount in amounts {
                builder.append_value(amount.to_be_bytes::<32>()).map_err(defect)?;
            }
            Arc::new(builder.finish())
        }
        Encoding::Hex => texts(amounts, |text, a| text.push_str(&format!("{a:#x}"))),
        Encoding::Text => integers(),
        Encoding::DecimalText => texts(amounts, |text, a| write_tokens(text, a, decimals)),
        Encoding::LargeText => {
            let mut builder = LargeStringBuilder::with_capacity(amounts.len(), amounts.len() * 24);
            each_text(amounts, write_integer, |text| builder.append_value(text));
            Arc::new(builder.finish())
        }
        Encoding::TextView => {
            let mut builder = StringViewBuilder::with_capacity(amounts.len());
            each_text(amounts, write_integer, |text| builder.append_value(text));
            Arc::new(builder.finish())
        }
        Encoding::DictionaryText => {
            let mut builder = StringDictionaryBuilder::<Int32Type>::new();
            each_text(amounts, write_integer, |text| builder.append_value(text));
            Arc::new(builder.finish())
        }
        Encoding::Decimal128 => decimal128(amounts, 0)?,
        Encoding::Numeric => decimal128(amounts, 9)?,
        Encoding::Decimal256 => {
            let values = amounts.iter().map(|a| i256::from_be_bytes(a.to_be_bytes::<32>()));
            let array = Decimal256Array::from_iter_values(values);
            Arc::new(array.with_precision_and_scale(76, 0).map_err(defect)?)
        }
        Encoding::U64 => Arc::new(UInt64Array::from(narrow::<u64>(amounts)?)),
        Encoding::I64 => Arc::new(Int64Array::from(narrow::<i64>(amounts)?)),
        Encoding::F64 => {
            Arc::new(Float64Array::from_iter_values(amounts.iter().map(|a| to_tokens(a, decimals))))
        }
    };
    Ok(vec![column])
}

/// cryo's three columns of the same integers: binary, text and rounded double.
pub(super) fn cryo_columns(amounts: &[U256]) -> [ArrayRef; 3] {
    let doubles = Float64Array::from_iter_values(amounts.iter().map(to_f64));
    [binary(amounts), texts(amounts, write_integer), Arc::new(doubles)]
}

/// `Decimal128(38, scale)` of integers in units of 10^-`scale`.
pub(super) fn decimal128(amounts: &[U256], scale: i8) -> Result<ArrayRef> {
    let array = Decimal128Array::from(narrow::<i128>(amounts)?);
    Ok(Arc::new(array.with_precision_and_scale(38, scale).map_err(defect)?))
}

/// Text written by `write`, one amount after the other.
pub(super) fn texts(amounts: &[U256], write: impl Fn(&mut String, &U256)) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(amounts.len(), amounts.len() * 24);
    each_text(amounts, write, |text| builder.append_value(text));
    Arc::new(builder.finish())
}

fn each_text(amounts: &[U256], write: impl Fn(&mut String, &U256), mut append: impl FnMut(&str)) {
    let mut text = String::new();
    for amount in amounts {
        text.clear();
        write(&mut text, amount);
        append(&text);
    }
}

fn binary(amounts: &[U256]) -> ArrayRef {
    let mut builder = BinaryBuilder::with_capacity(amounts.len(), amounts.len() * 32);
    amounts.iter().for_each(|a| builder.append_value(a.to_be_bytes::<32>()));
    Arc::new(builder.finish())
}

fn narrow<T: TryFrom<U256>>(amounts: &[U256]) -> Result<Vec<T>> {
    let narrow = amounts.iter().map(|&a| T::try_from(a).ok()).collect::<Option<_>>();
    // The options keep the amounts within the type: see MAX_TOKENS.
    narrow.ok_or_else(|| Error::Usage("an amount exceeds its --encoding; give fewer --decimals".into()))
}

fn defect(source: arrow::error::ArrowError) -> Error {
    Error::Arrow { action: "build the amounts", source }
}
