//! A column of a record batch to exact amounts, in every encoding that producers write.

use arrow::array::{
    Array, ArrayAccessor, ArrayRef, ArrowPrimitiveType, AsArray, OffsetSizeTrait, PrimitiveArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type, i256,
};
use ruint::aliases::U256;

use crate::numbers::unit::power_of_ten;

pub mod owner;
pub mod table;
pub mod text;

/// The amounts of one batch, row by row; null rows hold zero, and negative ones too unless their sign was asked for.
#[derive(Debug)]
pub struct Amounts {
    /// The magnitudes.
    pub values: Values,
    /// Decimals after the point.
    pub scales: Scales,
    /// Which rows are null.
    pub nulls: Option<NullBuffer>,
    /// Which rows are negative, ascending.
    pub negative: Vec<u32>,
}

/// Magnitudes, as narrow as the batch allows.
#[derive(Debug, PartialEq)]
pub enum Values {
    /// All below 2^64.
    Short(Vec<u64>),
    /// All below 2^128.
    Narrow(Vec<u128>),
    /// Up to 2^256 − 1.
    Wide(Vec<U256>),
    /// Doubles, none negative.
    Double(Vec<f64>),
}

impl Values {
    /// How many rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Short(values) => values.len(),
            Self::Narrow(values) => values.len(),
            Self::Wide(values) => values.len(),
            Self::Double(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a row's amount is zero.
    pub fn is_zero(&self, row: usize) -> bool {
        match self {
            Self::Short(values) => values[row] == 0,
            Self::Narrow(values) => values[row] == 0,
            Self::Wide(values) => values[row].is_zero(),
            Self::Double(values) => values[row] == 0.0,
        }
    }
}

/// Decimals after the point of each amount, trailing zeros ignored where it is text.
#[derive(Debug, PartialEq, Eq)]
pub enum Scales {
    /// The same for every row.
    Same(u8),
    /// By row.
    Each(Vec<u8>),
}

impl Scales {
    /// The decimals of a row.
    #[inline]
    pub fn at(&self, row: usize) -> u8 {
        match self {
            Self::Same(scale) => *scale,
            Self::Each(scales) => scales[row],
        }
    }
}

/// A cell that holds no amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCell {
    /// Its row within the batch.
    pub row: usize,
    /// What is wrong with it.
    pub problem: String,
    /// What the user can do.
    pub remedy: String,
}

impl BadCell {
    fn new(row: usize, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { row, problem: problem.into(), remedy: remedy.into() }
    }

    fn negative(row: usize, shown: impl std::fmt::Display) -> Self {
        Self::new(row, format!("the amount {shown} is negative"), "drop such rows with --negatives drop")
    }
}

/// The decimals of all amounts of a type, where the type alone tells.
pub fn decimals(data_type: &DataType) -> Option<u8> {
    use DataType as T;
    match data_type {
        T::Dictionary(_, values) => decimals(values),
        T::Decimal32(_, scale)
        | T::Decimal64(_, scale)
        | T::Decimal128(_, scale)
        | T::Decimal256(_, scale) => Some(u8::try_from(*scale).unwrap_or(0)),
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => Some(0),
        other => other.is_integer().then_some(0),
    }
}

/// Decodes a column of amounts. Where negatives are not dropped, the first one is an error.
pub fn decode(column: &ArrayRef, drop_negatives: bool) -> Result<Amounts, BadCell> {
    decode_with(column, if drop_negatives { Negative::Dropped } else { Negative::Refused })
}

/// Decodes a column of amounts that may be negative: such rows hold their magnitude.
pub fn decode_signed(column: &ArrayRef) -> Result<Amounts, BadCell> {
    decode_with(column, Negative::Kept)
}

/// What becomes of a negative amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Negative {
    Refused,
    Dropped,
    Kept,
}

fn decode_with(column: &ArrayRef, negative: Negative) -> Result<Amounts, BadCell> {
    use DataType as T;
    let context = Context { nulls: column.logical_nulls(), negative };
    match column.data_type() {
        T::Dictionary(_, values) => {
            let plain =
                cast(column, values).map_err(|e| BadCell::new(0, e.to_string(), "write plain values"))?;
            decode_with(&plain, negative)
        }
        T::Null => {
            let rows = column.len();
            Ok(context.amounts(Values::Short(vec![0; rows]), Scales::Same(0), vec![]))
        }
        T::UInt8 => context.integers::<UInt8Type>(column),
        T::UInt16 => context.integers::<UInt16Type>(column),
        T::UInt32 => context.integers::<UInt32Type>(column),
        T::UInt64 => context.integers::<UInt64Type>(column),
        T::Int8 => context.integers::<Int8Type>(column),
        T::Int16 => context.integers::<Int16Type>(column),
        T::Int32 => context.integers::<Int32Type>(column),
        T::Int64 => context.integers::<Int64Type>(column),
        T::Decimal32(_, scale) => context.decimals::<Decimal32Type>(column, *scale),
        T::Decimal64(_, scale) => context.decimals::<Decimal64Type>(column, *scale),
        T::Decimal128(_, scale) => context.decimals::<Decimal128Type>(column, *scale),
        T::Decimal256(_, scale) => context.wide_decimals(column, *scale),
        T::Float16 => context.doubles(column.as_primitive::<Float16Type>(), f64::from),
        T::Float32 => context.doubles(column.as_primitive::<Float32Type>(), f64::from),
        T::Float64 => context.doubles(column.as_primitive::<Float64Type>(), |x| x),
        T::Utf8 => context.strings::<i32>(column),
        T::LargeUtf8 => context.strings::<i64>(column),
        T::Utf8View => context.text(column.as_string_view()),
        T::Binary => context.binary(column.as_binary::<i32>()),
        T::LargeBinary => context.binary(column.as_binary::<i64>()),
        T::BinaryView => context.binary(column.as_binary_view()),
        T::FixedSizeBinary(_) => context.binary(column.as_fixed_size_binary()),
        other => {
            Err(BadCell::new(0, format!("a column of type {other} holds no amounts"), "choose with --amount"))
        }
    }
}

struct Context {
    nulls: Option<NullBuffer>,
    negative: Negative,
}

impl Context {
    fn valid(&self, row: usize) -> bool {
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
    }

    /// Whether no row is null and each value is fine: most columns are taken as they are.
    fn is_plain<T: ArrowPrimitiveType>(
        &self,
        column: &PrimitiveArray<T>,
        fine: impl Fn(T::Native) -> bool,
    ) -> bool {
        let nulls = self.nulls.as_ref().is_some_and(|nulls| nulls.null_count() > 0);
        // Without a way out in the middle, which would keep the loop from being vectorised.
        !nulls && column.values().iter().fold(true, |all, &value| all & fine(value))
    }

    fn amounts(self, values: Values, scales: Scales, negative: Vec<u32>) -> Amounts {
        Amounts { values, scales, nulls: self.nulls, negative }
    }

    /// Takes note of a negative row, or refuses it.
    fn negative(
        &self,
        row: usize,
        shown: impl std::fmt::Display,
        rows: &mut Vec<u32>,
    ) -> Result<(), BadCell> {
        if self.negative == Negative::Refused {
            return Err(BadCell::negative(row, shown));
        }
        rows.push(row as u32);
        Ok(())
    }

    fn keeps(&self) -> bool {
        self.negative == Negative::Kept
    }

    fn integers<T>(self, column: &ArrayRef) -> Result<Amounts, BadCell>
    where
        T: ArrowPrimitiveType,
        T::Native: Into<i128>,
    {
        let column = column.as_primitive::<T>();
        if self.is_plain(column, |value| value.into() >= 0) {
            let values = column.values().iter().map(|&value| value.into() as u64).collect();
            return Ok(self.amounts(Values::Short(values), Scales::Same(0), vec![]));
        }
        let mut negative = Vec::new();
        let mut values = Vec::with_capacity(column.len());
        for (row, &value) in column.values().iter().enumerate() {
            let value: i128 = if self.valid(row) { value.into() } else { 0 };
            if value < 0 {
                self.negative(row, value, &mut negative)?;
            }
            values.push(if self.keeps() { value.unsigned_abs() as u64 } else { value.max(0) as u64 });
        }
        Ok(self.amounts(Values::Short(values), Scales::Same(0), negative))
    }

    fn decimals<T: DecimalType>(self, column: &ArrayRef, scale: i8) -> Result<Amounts, BadCell>
    where
        T::Native: Into<i128>,
    {
        let column = column.as_primitive::<T>();
        let mut negative = Vec::new();
        let values = if self.is_plain(column, |value| value.into() >= 0) {
            column.values().iter().map(|&value| value.into() as u128).collect()
        } else {
            let mut values = Vec::with_capacity(column.len());
            for (row, &value) in column.values().iter().enumerate() {
                let value: i128 = if self.valid(row) { value.into() } else { 0 };
                if value < 0 {
                    self.negative(row, column.value_as_string(row), &mut negative)?;
                }
                values.push(if self.keeps() { value.unsigned_abs() } else { value.max(0) as u128 });
            }
            values
        };
        match u8::try_from(scale) {
            Ok(scale) => Ok(self.amounts(Values::Narrow(values), Scales::Same(scale), negative)),
            Err(_) => {
                let values = values.into_iter().map(U256::from).collect();
                self.hundreds(values, scale.unsigned_abs(), negative)
            }
        }
    }

    fn wide_decimals(self, column: &ArrayRef, scale: i8) -> Result<Amounts, BadCell> {
        let column = column.as_primitive::<Decimal256Type>();
        let mut negative = Vec::new();
        let mut values = Vec::with_capacity(column.len());
        for (row, &value) in column.values().iter().enumerate() {
            let mut value = if self.valid(row) { value } else { i256::ZERO };
            if value < i256::ZERO {
                self.negative(row, column.value_as_string(row), &mut negative)?;
                value = if self.keeps() { value.wrapping_neg() } else { i256::ZERO };
            }
            values.push(U256::from_le_bytes(value.to_le_bytes()));
        }
        match u8::try_from(scale) {
            Ok(scale) => Ok(self.amounts(Values::Wide(values), Scales::Same(scale), negative)),
            Err(_) => self.hundreds(values, scale.unsigned_abs(), negative),
        }
    }

    /// Decimals of a negative scale count in tens, hundreds and so on.
    fn hundreds(self, mut values: Vec<U256>, zeros: u8, negative: Vec<u32>) -> Result<Amounts, BadCell> {
        for (row, value) in values.iter_mut().enumerate().filter(|(_, value)| !value.is_zero()) {
            let scaled = power_of_ten(zeros).and_then(|ten| value.checked_mul(ten));
            *value = scaled
                .ok_or_else(|| BadCell::new(row, "the amount is beyond 256 bits", "leave the row out"))?;
        }
        Ok(self.amounts(Values::Wide(values), Scales::Same(0), negative))
    }

    fn doubles<T: ArrowPrimitiveType>(
        self,
        column: &PrimitiveArray<T>,
        widen: impl Fn(T::Native) -> f64,
    ) -> Result<Amounts, BadCell> {
        if self.is_plain(column, |value| (0.0..f64::INFINITY).contains(&widen(value))) {
            let values = column.values().iter().map(|&value| widen(value)).collect();
            return Ok(self.amounts(Values::Double(values), Scales::Same(0), vec![]));
        }
        let mut negative = Vec::new();
        let mut values = Vec::with_capacity(column.len());
        for (row, &value) in column.values().iter().enumerate() {
            let value = if self.valid(row) { widen(value) } else { 0.0 };
            if !value.is_finite() {
                let problem = format!("{value} is no amount");
                return Err(BadCell::new(row, problem, "write null where the amount is unknown"));
            }
            if value < 0.0 {
                self.negative(row, value, &mut negative)?;
            }
            values.push(if self.keeps() { value.abs() } else { value.max(0.0) });
        }
        Ok(self.amounts(Values::Double(values), Scales::Same(0), negative))
    }

    fn strings<O: OffsetSizeTrait>(self, column: &ArrayRef) -> Result<Amounts, BadCell> {
        self.text(column.as_string::<O>())
    }

    fn text<'a>(self, column: impl ArrayAccessor<Item = &'a str>) -> Result<Amounts, BadCell> {
        let mut builder = Builder::with_capacity(column.len());
        let mut negative = Vec::new();
        for row in 0..column.len() {
            if !self.valid(row) {
                builder.push(U256::ZERO, 0);
                continue;
            }
            let cell = column.value(row);
            let number = text::parse(cell).map_err(|bad| {
                let problem = format!("{} {}", quote(cell), bad.problem());
                BadCell::new(row, problem, bad.remedy())
            })?;
            if number.negative {
                self.negative(row, quote(cell), &mut negative)?;
            }
            if number.negative && !self.keeps() {
                builder.push(U256::ZERO, 0);
            } else {
                builder.push(number.digits, number.decimals);
            }
        }
        let (values, scales) = builder.finish();
        Ok(self.amounts(values, scales, negative))
    }

    fn binary<'a>(self, column: impl ArrayAccessor<Item = &'a [u8]>) -> Result<Amounts, BadCell> {
        let mut wide = vec![U256::ZERO; column.len()];
        for (row, value) in wide.iter_mut().enumerate().filter(|(row, _)| self.valid(*row)) {
            let cell = column.value(row);
            let bytes = <&[u8; 32]>::try_from(cell).map_err(|_| {
                let problem = format!("{} bytes are no amount", cell.len());
                BadCell::new(row, problem, "binary amounts have 32 bytes, big-endian")
            })?;
            *value = U256::from_be_bytes(*bytes);
        }
        let is_narrow = |value: &U256| matches!(value.as_limbs(), [_, _, 0, 0]);
        let values = match wide.iter().all(is_narrow) {
            true => Values::Narrow(wide.iter().map(U256::wrapping_to).collect()),
            false => Values::Wide(wide),
        };
        Ok(self.amounts(values, Scales::Same(0), Vec::new()))
    }
}

/// Collects magnitudes as narrow as they come.
struct Builder {
    values: Values,
    scales: Scales,
}

impl Builder {
    fn with_capacity(rows: usize) -> Self {
        Self { values: Values::Narrow(Vec::with_capacity(rows)), scales: Scales::Same(0) }
    }

    fn push(&mut self, value: U256, scale: u8) {
        let row = match &mut self.values {
            Values::Narrow(values) => match u128::try_from(value) {
                Ok(value) => {
                    values.push(value);
                    values.len() - 1
                }
                Err(_) => {
                    let mut wide: Vec<U256> = values.iter().map(|&v| U256::from(v)).collect();
                    wide.push(value);
                    let row = wide.len() - 1;
                    self.values = Values::Wide(wide);
                    row
                }
            },
            Values::Wide(values) => {
                values.push(value);
                values.len() - 1
            }
            Values::Short(_) | Values::Double(_) => unreachable!("the builder starts narrow"),
        };
        match &mut self.scales {
            Scales::Each(scales) => scales.push(scale),
            Scales::Same(same) if row == 0 => *same = scale,
            Scales::Same(same) if *same == scale => {}
            Scales::Same(same) => {
                let mut scales = vec![*same; row];
                scales.push(scale);
                self.scales = Scales::Each(scales);
            }
        }
    }

    fn finish(self) -> (Values, Scales) {
        (self.values, self.scales)
    }
}

/// A cell as messages show it: quoted, cut where it is long.
fn quote(cell: &str) -> String {
    const SHOWN: usize = 60;
    match cell.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &cell[..end]),
        None => format!("{cell:?}"),
    }
}
