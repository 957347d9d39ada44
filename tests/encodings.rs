//! Every encoding of the same amounts gives the same bits in every result column.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BinaryViewArray, Decimal32Array, Decimal64Array,
    Decimal128Array, Decimal256Array, DictionaryArray, Float16Array, Float32Array, Int32Array,
    LargeBinaryArray, LargeStringArray, PrimitiveArray, StringArray, StringViewArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
};
use concentra::options::{Options, Snapshot};
use num_bigint::BigUint;

use crate::support::{
    Folder, Table, analyze, extras, f64s, options, row_of, texts, try_analyze, word, words,
};

/// One column over two groups, the first of them with a null and a zero.
fn measure(column: &ArrayRef) -> Table {
    let folder = Folder::new();
    let rows = column.len();
    let groups: Vec<&str> = (0..rows).map(|row| if row % 3 == 1 { "b" } else { "a" }).collect();
    let path = folder.write_row_groups(
        "a.parquet",
        &[("token", texts(&groups)), ("balance", column.clone())],
        rows / 2 + 1,
    );
    analyze(&Options { snapshot: Snapshot::Nothing, extras: extras(), ..options(&path) })
}

/// Compares all columns, bit by bit, with those of text.
fn assert_all_same(amounts: &[BigUint], columns: Vec<(&str, ArrayRef)>) {
    let expected = measure(&texts(amounts));
    assert_eq!(expected.rows(), 2);
    expected.assert_rows_add_up();
    for (name, column) in columns {
        assert_eq!(column.len(), amounts.len(), "{name}");
        measure(&column).assert_same(&expected, &[], &format!("{name} as {}", column.data_type()));
    }
}

fn primitive<T: ArrowPrimitiveType>(amounts: &[BigUint]) -> ArrayRef
where
    T::Native: TryFrom<u64>,
{
    let cell = |amount: &BigUint| T::Native::try_from(small(amount)).ok();
    let column: PrimitiveArray<T> = amounts.iter().map(cell).collect();
    assert_eq!(column.null_count(), 0, "every amount fits");
    Arc::new(column)
}

fn small(amount: &BigUint) -> u64 {
    assert!(amount.bits() <= 64);
    amount.to_u64_digits().first().copied().unwrap_or(0)
}

fn hex(amounts: &[BigUint], cell: impl Fn(usize, String) -> String) -> ArrayRef {
    let cells = amounts.iter().enumerate().map(|(row, amount)| cell(row, amount.to_str_radix(16)));
    texts(&cells.collect::<Vec<_>>())
}

/// Text in all its types and spellings, and 32 bytes in all theirs.
fn wide(amounts: &[BigUint]) -> Vec<(&'static str, ArrayRef)> {
    let strings: Vec<String> = amounts.iter().map(BigUint::to_string).collect();
    let dressed = |dress: &dyn Fn(&String) -> String| texts(&strings.iter().map(dress).collect::<Vec<_>>());
    let bytes: Vec<[u8; 32]> = amounts.iter().map(word).collect();
    let slices = || bytes.iter().map(|word| &word[..]);
    let dictionary: DictionaryArray<Int32Type> = strings.iter().map(String::as_str).collect();
    let pad = |digits: String| format!("{digits:0>64}");
    vec![
        ("large text", Arc::new(LargeStringArray::from_iter_values(&strings))),
        ("text view", Arc::new(StringViewArray::from_iter_values(&strings))),
        ("text dictionary", Arc::new(dictionary)),
        ("large text dictionary", large_dictionary(&strings)),
        ("hex", hex(amounts, |_, digits| format!("0x{digits}"))),
        ("upper-case hex", hex(amounts, |_, digits| format!("0X{}", digits.to_uppercase()))),
        ("hex of 64 digits", hex(amounts, |_, digits| format!("0x{}", pad(digits)))),
        (
            "hex with some zeros before it",
            hex(amounts, |row, digits| {
                let length = (digits.len() + row % 4).min(64);
                format!("0x{digits:0>length$}")
            }),
        ),
        ("leading zeros", dressed(&|digits| format!("000{digits}"))),
        ("a plus", dressed(&|digits| format!("+{digits}"))),
        ("a point", dressed(&|digits| format!("{digits}."))),
        ("zeros after the point", dressed(&|digits| format!("{digits}.000"))),
        ("an exponent of zero", dressed(&|digits| format!("{digits}e0"))),
        ("scientific", dressed(&|digits| scientific(digits))),
        ("moved by a negative exponent", dressed(&|digits| format!("{digits}0000E-4"))),
        ("binary", Arc::new(BinaryArray::from_iter_values(slices()))),
        ("large binary", Arc::new(LargeBinaryArray::from_iter_values(slices()))),
        ("binary view", Arc::new(BinaryViewArray::from_iter_values(slices()))),
        ("fixed binary", words(amounts)),
    ]
}

fn large_dictionary(strings: &[String]) -> ArrayRef {
    let mut distinct = strings.to_vec();
    distinct.sort();
    distinct.dedup();
    let keys = strings.iter().map(|text| distinct.binary_search(text).unwrap() as i32);
    let keys = Int32Array::from_iter_values(keys);
    let values = Arc::new(LargeStringArray::from_iter_values(&distinct));
    Arc::new(DictionaryArray::new(keys, values))
}

/// `18000000` as `1.8E+7`.
fn scientific(digits: &str) -> String {
    let (first, rest) = digits.split_at(1);
    match rest.trim_end_matches('0') {
        "" => format!("{first}E+{}", rest.len()),
        kept => format!("{first}.{kept}E+{}", rest.len()),
    }
}

fn decimals(amounts: &[BigUint]) -> Vec<(&'static str, ArrayRef)> {
    let values = amounts.iter().map(|amount| i128::from(small(amount)));
    let decimal128 = Decimal128Array::from_iter_values(values).with_precision_and_scale(38, 0).unwrap();
    vec![("decimal", Arc::new(decimal128)), ("wide decimal", decimal256(amounts))]
}

fn decimal256(amounts: &[BigUint]) -> ArrayRef {
    let cells = amounts.iter().map(|amount| i256::from_string(&amount.to_string()).unwrap());
    Arc::new(Decimal256Array::from_iter_values(cells).with_precision_and_scale(76, 0).unwrap())
}

fn integers(amounts: &[u64]) -> Vec<BigUint> {
    amounts.iter().map(|&amount| amount.into()).collect()
}

fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 11
}

#[test]
fn amounts_below_a_hundred() {
    let mut seed = 5;
    // Odd ones among them in both groups, so that the unit of doubles is one.
    let amounts =
        integers(&(0..60).map(|row| if row < 2 { 1 } else { random(&mut seed) % 100 }).collect::<Vec<_>>());
    let doubles: Vec<f64> = amounts.iter().map(|amount| small(amount) as f64).collect();
    let double = f64s(&doubles);
    let narrow = |to: &DataType| cast(&double, to).unwrap();
    let decimal = amounts.iter().map(|amount| small(amount) as i64);
    let decimal64 = Decimal64Array::from_iter_values(decimal.clone());
    let decimal32 = Decimal32Array::from_iter_values(decimal.map(|value| value as i32));
    let halves = narrow(&DataType::Float16);
    assert!(halves.as_any().is::<Float16Array>());
    let singles = Arc::new(Float32Array::from_iter_values(doubles.iter().map(|&d| d as f32)));
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("u8", primitive::<UInt8Type>(&amounts)),
        ("u16", primitive::<UInt16Type>(&amounts)),
        ("u32", primitive::<UInt32Type>(&amounts)),
        ("u64", primitive::<UInt64Type>(&amounts)),
        ("i8", primitive::<Int8Type>(&amounts)),
        ("i16", primitive::<Int16Type>(&amounts)),
        ("i32", primitive::<Int32Type>(&amounts)),
        ("i64", primitive::<Int64Type>(&amounts)),
        ("decimal 32", Arc::new(decimal32.with_precision_and_scale(9, 0).unwrap())),
        ("decimal 64", Arc::new(decimal64.with_precision_and_scale(18, 0).unwrap())),
        ("f16", halves),
        ("f32", singles),
        ("f64", double),
    ];
    columns.extend(decimals(&amounts));
    columns.extend(wide(&amounts));
    assert_all_same(&amounts, columns);
}

#[test]
fn amounts_that_a_double_just_holds() {
    let mut seed = 6;
    let amounts: Vec<u64> =
        (0..400u32).map(|row| if row < 2 { 1 } else { random(&mut seed) >> (row % 53) }).collect();
    let doubles = f64s(&amounts.iter().map(|&amount| amount as f64).collect::<Vec<_>>());
    let amounts = integers(&amounts);
    let mut columns = vec![
        ("u64", primitive::<UInt64Type>(&amounts)),
        ("i64", primitive::<Int64Type>(&amounts)),
        ("f64", doubles),
    ];
    columns.extend(decimals(&amounts));
    columns.extend(wide(&amounts));
    assert_all_same(&amounts, columns);
}

/// Above 2^53, where a double would round, up to 2^64 − 1.
#[test]
fn amounts_beyond_the_doubles() {
    let mut seed = 7;
    let mut amounts: Vec<u64> =
        (0..300).map(|_| (random(&mut seed) << 11) | (random(&mut seed) % 2048)).collect();
    amounts.extend([u64::MAX, u64::MAX - 1, (1 << 53) + 1, 0, 1, 0]);
    let amounts = integers(&amounts);
    let mut columns = vec![("u64", primitive::<UInt64Type>(&amounts))];
    columns.extend(decimals(&amounts));
    columns.extend(wide(&amounts));
    assert_all_same(&amounts, columns);
}

/// Up to 76 digits, which Decimal256 holds, and to 2^256 − 1, which it does not.
#[test]
fn amounts_of_all_widths() {
    let mut seed = 8;
    let mut amounts: Vec<BigUint> = (0..300u32)
        .map(|row| {
            let digits = (0..4).fold(BigUint::default(), |x, _| (x << 53) + random(&mut seed));
            digits >> (row % 200)
        })
        .collect();
    amounts.push(BigUint::default());
    let mut columns = wide(&amounts);
    columns.push(("wide decimal", decimal256(&amounts)));
    assert_all_same(&amounts, columns);

    let max = BigUint::from(2u8).pow(256) - 1u8;
    amounts.extend([max.clone(), max, 1u8.into()]);
    assert_all_same(&amounts, wide(&amounts));
}

#[test]
fn the_largest_amount_is_exact_in_every_encoding() {
    let max = BigUint::from(2u8).pow(256) - 1u8;
    let folder = Folder::new();
    for (name, column) in [("text", texts(&[&max]))].into_iter().chain(wide(std::slice::from_ref(&max))) {
        let table = analyze(&options(&folder.write("a.parquet", &[("balance", column)])));
        assert_eq!(table.text("total", 0).unwrap(), max.to_string(), "{name}");
        assert_eq!(table.number("total_f64", 0), Some(2f64.powi(256)), "{name}");
        // 56 bits do not hold 256 of them.
        assert_eq!(table.truth("exact", 0), Some(false), "{name}");
    }
    let beyond = [format!("{}", &max + 1u8), format!("0x1{}", "0".repeat(64)), "1.2E+77".into()];
    for text in beyond {
        let path = folder.write("a.parquet", &[("balance", texts(&["7", &text]))]);
        assert_eq!(row_of(try_analyze(&options(&path))), 2, "{text}");
    }
}

/// Decimals of a scale are text with as many decimals, where one amount needs them all.
#[test]
fn amounts_with_decimals() {
    let mut seed = 9;
    let mut raw: Vec<i64> = (0..200u32).map(|row| (random(&mut seed) >> (row % 50)) as i64).collect();
    // In either group an amount whose last decimal is not zero.
    raw.splice(0..2, [1, 1]);
    raw.push(500_000);
    let point = |digits: &i64| {
        let digits = format!("{digits:0>7}");
        let (whole, fraction) = digits.split_at(digits.len() - 6);
        format!("{whole}.{fraction}")
    };
    let written: Vec<String> = raw.iter().map(point).collect();
    let trimmed: Vec<String> =
        written.iter().map(|text| text.trim_end_matches('0').trim_end_matches('.').to_owned()).collect();
    let bare: Vec<String> = trimmed.iter().map(|text| text.trim_start_matches('0').to_owned()).collect();
    let bare: Vec<String> =
        bare.into_iter().map(|text| if text.is_empty() { "0".into() } else { text }).collect();
    let exponents: Vec<String> = raw.iter().map(|digits| format!("{digits}e-6")).collect();
    let d64 = Decimal64Array::from(raw.clone()).with_precision_and_scale(18, 6).unwrap();
    let d128 = Decimal128Array::from_iter_values(raw.iter().map(|&x| x.into()));
    let d128 = d128.with_precision_and_scale(38, 6).unwrap();
    let d256 = Decimal256Array::from_iter_values(raw.iter().map(|&x| i256::from_i128(x.into())));
    let d256 = d256.with_precision_and_scale(76, 6).unwrap();
    let expected = measure(&texts(&written));
    assert_eq!(expected.text("total", 0).unwrap().split_once('.').unwrap().1.len(), 6);
    for (name, column) in [
        ("trimmed", texts(&trimmed)),
        ("without a leading zero", texts(&bare)),
        ("exponents", texts(&exponents)),
        ("view", Arc::new(StringViewArray::from_iter_values(&written)) as ArrayRef),
        ("decimal 64", Arc::new(d64)),
        ("decimal 128", Arc::new(d128)),
        ("decimal 256", Arc::new(d256)),
    ] {
        measure(&column).assert_same(&expected, &[], name);
    }
    // Integers are the same distribution in another unit.
    let integers = measure(&texts(&raw));
    let amounts = ["total", "total_f64", "mean", "median"];
    integers.assert_same(&expected, &amounts, "in millionths");
}

/// A scale that no amount needs makes the integers larger, and with them the keys, but not the result in its unit.
#[test]
fn an_unused_scale() {
    let folder = Folder::new();
    let column = Decimal128Array::from(vec![1_500, 2_500, 0]).with_precision_and_scale(20, 2).unwrap();
    let table = analyze(&options(&folder.write("a.parquet", &[("balance", Arc::new(column))])));
    assert_eq!(table.text("total", 0).as_deref(), Some("40"));
    assert_eq!((table.number("mean", 0), table.number("median", 0)), (Some(20.0), Some(20.0)));
    // Parquet has no negative scales; text has exponents.
    let text = texts(&["1.5E3", "25e+2"]);
    let table = analyze(&options(&folder.write("b.parquet", &[("balance", text)])));
    assert_eq!((table.text("total", 0).as_deref(), table.number("mean", 0)), (Some("4000"), Some(2000.0)));
}

/// Nulls in every kind of column are counted, whatever bytes lie below them.
#[test]
fn nulls_in_every_encoding() {
    let valid = |row: usize| row % 5 != 2;
    let amounts: Vec<u64> = (0..50).map(|row| row * 7 % 23).collect();
    let text = |row: usize| valid(row).then(|| amounts[row].to_string());
    let strings = StringArray::from_iter((0..50).map(text));
    let expected = measure(&(Arc::new(strings.clone()) as ArrayRef));
    assert_eq!(expected.count("n_null", 0).unwrap() + expected.count("n_null", 1).unwrap(), 10);
    let strings = Arc::new(strings) as ArrayRef;
    for to in [
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::UInt8,
        DataType::Int64,
        DataType::UInt64,
        DataType::Float64,
        DataType::Decimal128(38, 0),
        DataType::Decimal256(76, 0),
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    ] {
        measure(&cast(&strings, &to).unwrap()).assert_same(&expected, &[], &to.to_string());
    }
    let cells = (0..50).map(|row| valid(row).then(|| word(&amounts[row].into())));
    let cells: Vec<Option<[u8; 32]>> = cells.collect();
    let binary = BinaryArray::from_iter(cells.iter().map(Option::as_ref));
    let binary = Arc::new(binary) as ArrayRef;
    for to in [DataType::Binary, DataType::BinaryView, DataType::FixedSizeBinary(32)] {
        measure(&cast(&binary, &to).unwrap()).assert_same(&expected, &[], &to.to_string());
    }
}

/// A dictionary is a way to write a column, not another type.
fn assert_same_in_a_dictionary(plain: &ArrayRef) {
    let to = DataType::Dictionary(Box::new(DataType::Int32), Box::new(plain.data_type().clone()));
    let dictionary = dictionary(plain);
    assert_eq!(dictionary.data_type(), &to);
    measure(&dictionary).assert_same(&measure(plain), &[], &to.to_string());
}

fn dictionary(plain: &ArrayRef) -> ArrayRef {
    let keys = Int32Array::from_iter_values(0..plain.len() as i32);
    Arc::new(DictionaryArray::new(keys, plain.clone()))
}

fn some_amounts() -> Vec<BigUint> {
    integers(&[5, 7, 7, 0, 12, 99, 5, 3, 1 << 40, 12, 1])
}

#[test]
fn a_dictionary_of_text_or_bytes() {
    let amounts = some_amounts();
    let text = texts(&amounts);
    for to in [DataType::Utf8, DataType::LargeUtf8] {
        assert_same_in_a_dictionary(&cast(&text, &to).unwrap());
    }
    let bytes = words(&amounts);
    for to in [DataType::Binary, DataType::LargeBinary, DataType::FixedSizeBinary(32)] {
        assert_same_in_a_dictionary(&cast(&bytes, &to).unwrap());
    }
}

#[test]
fn a_dictionary_of_numbers() {
    let text = texts(&some_amounts());
    for to in [DataType::UInt64, DataType::Int64, DataType::Float64] {
        assert_same_in_a_dictionary(&cast(&text, &to).unwrap());
    }
}

#[test]
fn a_dictionary_of_decimals() {
    let text = texts(&some_amounts());
    for to in [
        DataType::Decimal64(18, 0),
        DataType::Decimal128(18, 2),
        DataType::Decimal128(38, 0),
        DataType::Decimal256(76, 3),
    ] {
        assert_same_in_a_dictionary(&cast(&text, &to).unwrap());
    }
}
