//! Runs as rows of a table: written and read.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, RecordBatch, StringArray, UInt8Array,
    UInt32Array, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, UInt8Type, UInt64Type};
use ruint::{Uint, aliases::U256};

use crate::error::{Error, Result};
use crate::groups::Counts;
use crate::groups::schema::GroupSchema;
use crate::moments::Sums;
use crate::numbers::key::{self, MAX_EXPONENT, exponent, mantissa};
use crate::numbers::unit::{Unit, unit_of, unit_text};
use crate::numbers::wide::U320;
use crate::results::Results;

/// What the footer says of the columns' version.
pub const VERSION: &str = "1";

/// What a run's holders come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Own {
    /// Where the rows of its group went, in the group's first run; the holders are the run's own.
    pub counts: Counts,
    /// What excluded owners of the group have, by unit, in its first run.
    pub excluded: Vec<(Unit, U320)>,
}

/// Holders of one group, adjacent in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What 1 is worth.
    pub unit: Unit,
    /// Over the working amounts.
    pub sums: Sums,
    /// Of the exact amounts.
    pub total: U320,
    /// Whether every working amount is exact.
    pub exact: bool,
    /// What stands in the first run of a group alone.
    pub own: Own,
}

impl Run {
    /// The highest bit of the largest holder, as a power of two; none without holders.
    pub fn highest(&self) -> Option<i32> {
        let bits = exponent(self.sums.last) + u64::BITS - mantissa(self.sums.last).leading_zeros();
        (self.sums.n > 0).then(|| self.unit.log2() + bits as i32 - 1)
    }

    /// Whether these amounts, ascending, are its holders.
    pub fn is_of(&self, amounts: &[U256]) -> bool {
        let total = amounts.iter().fold(U320::ZERO, |sum, &amount| sum + U320::from(amount));
        let key = |amount: Option<&U256>| amount.map_or(0, |&amount| key::of(amount).0);
        let (first, last) = (key(amounts.first()), key(amounts.last()));
        let exact = amounts.iter().all(|&amount| key::of(amount).1);
        // Doubles may be cut off, which amounts do not show.
        let flag = self.exact == exact || (!self.exact && matches!(self.unit, Unit::Binary(_)));
        (amounts.len() as u64, first, last, total)
            == (self.sums.n, self.sums.first, self.sums.last, self.total)
            && flag
    }

    /// Of nobody.
    pub fn empty(unit: Unit) -> Self {
        Self { unit, sums: Sums::default(), total: U320::ZERO, exact: true, own: Own::default() }
    }
}

/// The columns after the group's, and what they say.
pub const COLUMNS: [(&str, &str); 21] = [
    ("run", "The run's number within its group in this part; rows of one group ascend."),
    ("decimals", "Amounts are whole numbers of 10^-decimals; null for doubles."),
    ("unit_log2", "Amounts are whole numbers of 2^unit_log2; null for all but doubles."),
    ("n_rows", "Rows of the group, in its first run; 0 in the others, as all counts but n_holders."),
    ("n_zero", "Holders of nothing."),
    ("n_null", "Null amounts."),
    ("n_excluded", "Rows of excluded owners."),
    ("n_negative", "Negative amounts, dropped."),
    ("excluded", "What excluded owners have, as JSON: pairs of unit and integer."),
    ("n_holders", "Holders of the run."),
    ("first", "The smallest working amount, as a key."),
    ("last", "The largest."),
    ("exact", "Whether every working amount is exact."),
    ("total", "The sum of the exact amounts, in the unit."),
    ("amount", "The sum of the working amounts v."),
    ("ranked", "The sum of i·v, ranks ascending from 1 within the run."),
    ("squares", "The sum of v²."),
    ("logs", "The sum of log2 v, 32 fraction bits."),
    ("products", "The sum of v·log2 v, 32 fraction bits."),
    ("roots", "The sum of √v, 31 fraction bits."),
    (
        "amounts",
        "Null where they were left behind; else the exact amounts, ascending: the difference of each to the one before, 7 bits a byte, the lowest first.",
    ),
];

/// A table of runs, group by group.
pub fn write(
    schema: &GroupSchema,
    keys: &[Box<[u8]>],
    runs: &[(usize, Run, Vec<U256>)],
    provenance: HashMap<String, String>,
) -> Result<Results> {
    let own: Vec<Box<[u8]>> = runs.iter().map(|(group, _, _)| keys[*group].clone()).collect();
    let mut columns = schema.columns_of(&own)?;
    let mut number = 0;
    let numbers = runs.iter().enumerate().map(|(i, (group, _, _))| {
        number = if i > 0 && runs[i - 1].0 == *group { number + 1 } else { 0 };
        number
    });
    let numbers: ArrayRef = Arc::new(UInt32Array::from_iter_values(numbers));
    let count = |of: fn(&Run) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(runs.iter().map(|(_, run, _)| of(run))))
    };
    let text = |of: &dyn Fn(&Run) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(runs.iter().map(|(_, run, _)| of(run))))
    };
    let decimals = runs.iter().map(|(_, run, _)| match run.unit {
        Unit::Decimal(decimals) => Some(decimals),
        Unit::Binary(_) => None,
    });
    let twos = runs.iter().map(|(_, run, _)| match run.unit {
        Unit::Decimal(_) => None,
        Unit::Binary(exponent) => Some(exponent),
    });
    columns.extend([
        numbers,
        Arc::new(UInt8Array::from_iter(decimals)),
        Arc::new(Int32Array::from_iter(twos)),
        count(|run| run.own.counts.rows),
        count(|run| run.own.counts.zero),
        count(|run| run.own.counts.null),
        count(|run| run.own.counts.excluded),
        count(|run| run.own.counts.negative),
        text(&|run| excluded_text(&run.own.excluded)),
        count(|run| run.sums.n),
        count(|run| run.sums.first),
        count(|run| run.sums.last),
        Arc::new(BooleanArray::from_iter(runs.iter().map(|(_, run, _)| Some(run.exact)))),
        text(&|run| run.total.to_string()),
        text(&|run| run.sums.amount.to_string()),
        text(&|run| run.sums.ranked.to_string()),
        text(&|run| run.sums.squares.to_string()),
        text(&|run| run.sums.logs.to_string()),
        text(&|run| run.sums.products.to_string()),
        text(&|run| run.sums.roots.to_string()),
        Arc::new(BinaryArray::from_iter_values(runs.iter().map(|(_, _, amounts)| pack(amounts)))),
    ]);
    let mut fields = schema.fields.clone();
    fields.extend(COLUMNS.iter().zip(&columns[schema.fields.len()..]).map(|((name, reading), column)| {
        let told = HashMap::from([("reading".to_owned(), (*reading).to_owned())]);
        Field::new(*name, column.data_type().clone(), true).with_metadata(told)
    }));
    let schema_of_all = Arc::new(Schema::new(fields).with_metadata(provenance));
    let table = RecordBatch::try_new(schema_of_all, columns).map_err(Error::arrow("build the result"))?;
    Ok(Results::of(table, schema.fields.len()))
}

/// Rows with plain text, whoever carried the table.
pub fn plain(rows: &RecordBatch) -> Result<RecordBatch> {
    let schema = rows.schema();
    let first = schema.index_of(COLUMNS[0].0).map_err(Error::arrow("find the runs"))?;
    let columns = rows.columns().iter().enumerate().map(|(at, column)| match column.data_type() {
        DataType::LargeUtf8 | DataType::Utf8View if at > first => cast(column, &DataType::Utf8),
        _ => Ok(column.clone()),
    });
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>().map_err(Error::arrow("read the runs"))?;
    let fields = schema.fields().iter().zip(&columns);
    let fields = fields.map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, columns).map_err(Error::arrow("read the runs"))
}

/// The run of a row, without its amounts.
pub fn read(rows: &RecordBatch, row: usize) -> Option<Run> {
    let column = |name: &str| rows.column_by_name(name).filter(|column| column.is_valid(row));
    let count = |name: &str| -> Option<u64> {
        // Whoever carried the table may have other integers.
        let one = cast(&column(name)?.slice(row, 1), &DataType::UInt64).ok()?;
        Some(one.as_primitive_opt::<UInt64Type>().filter(|one| one.is_valid(0))?.value(0))
    };
    let text = |name: &str| Some(column(name)?.as_string_opt::<i32>()?.value(row));
    let decimals = column("decimals").and_then(|c| Some(c.as_primitive_opt::<UInt8Type>()?.value(row)));
    let twos = column("unit_log2").and_then(|c| Some(c.as_primitive_opt::<Int32Type>()?.value(row)));
    let unit = match (decimals, twos) {
        (Some(decimals), None) => Unit::Decimal(decimals),
        (None, Some(exponent)) => Unit::Binary(exponent),
        _ => return None,
    };
    let sums = Sums {
        n: count("n_holders")?,
        first: count("first")?,
        last: count("last")?,
        amount: wide(text("amount")?)?,
        ranked: wide(text("ranked")?)?,
        squares: wide(text("squares")?)?,
        logs: text("logs")?.parse().ok()?,
        products: wide(text("products")?)?,
        roots: wide(text("roots")?)?,
    };
    let counts = Counts {
        rows: count("n_rows")?,
        zero: count("n_zero")?,
        null: count("n_null")?,
        excluded: count("n_excluded")?,
        negative: count("n_negative")?,
        ..Counts::default()
    };
    let own = Own { counts, excluded: excluded_of(text("excluded")?)? };
    let exact = column("exact")?.as_boolean_opt()?.value(row);
    let run = Run { unit, sums, total: wide(text("total")?)?, exact, own };
    is_sound(&run).then_some(run)
}

/// Whether a run may be what it says: its keys are keys, and no sum is beyond what so many holders come to, so that
/// those of many runs stay within their widths.
fn is_sound(run: &Run) -> bool {
    let Run { sums, total, own, .. } = run;
    let Sums { n, first, last, amount, ranked, squares, logs, products, roots } = sums;
    let Counts { rows, zero, null, excluded, negative, .. } = own.counts;
    let unit = match run.unit {
        Unit::Decimal(decimals) => decimals <= 77,
        Unit::Binary(exponent) => (-1400..=1100).contains(&exponent),
    };
    let few = [*n, rows, zero, null, excluded, negative].iter().all(|&count| count <= 1 << 40);
    let widths = amount.bit_len() <= 288
        && total.bit_len() <= 288
        && ranked.bit_len() <= 320
        && squares.bit_len() <= 544
        && logs >> 72 == 0
        && products.bit_len() <= 328
        && roots.bit_len() <= 192 - 8;
    let keys = if *n == 0 {
        (*first, *last) == (0, 0) && *total == U320::ZERO && *sums == Sums::default()
    } else {
        *n <= 1 << 32 && *first > 0 && first <= last && exponent(*last) <= MAX_EXPONENT
    };
    // v <= a < v·(1 + 2^−55), and doubles that are cut off are those of their unit.
    let near = amount <= total && (*total - *amount) <= (*amount >> 55) + U320::from(*n);
    unit && few && widths && keys && near
}

/// The amounts of a row; none where they are damaged.
pub fn amounts(rows: &RecordBatch, row: usize) -> Option<Vec<U256>> {
    let packed = rows.column_by_name("amounts")?;
    let packed = cast(&packed.slice(row, 1), &DataType::Binary).ok()?;
    let packed = packed.as_binary_opt::<i32>().filter(|packed| packed.is_valid(0))?;
    unpack(packed.value(0))
}

fn wide<const BITS: usize, const LIMBS: usize>(text: &str) -> Option<Uint<BITS, LIMBS>> {
    Uint::from_str_radix(text, 10)
        .ok()
        .filter(|_| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
}

fn excluded_text(sums: &[(Unit, U320)]) -> String {
    let pairs: Vec<_> =
        sums.iter().map(|(unit, sum)| serde_json::json!([unit_text(*unit), sum.to_string()])).collect();
    serde_json::Value::from(pairs).to_string()
}

fn excluded_of(text: &str) -> Option<Vec<(Unit, U320)>> {
    let pairs: Vec<(String, String)> = serde_json::from_str::<serde_json::Value>(text)
        .ok()?
        .as_array()?
        .iter()
        .map(|pair| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_str()?.to_owned())))
        .collect::<Option<_>>()?;
    pairs.iter().map(|(unit, sum)| Some((unit_of(unit)?, wide(sum)?))).collect()
}

/// Ascending amounts as differences.
fn pack(amounts: &[U256]) -> Vec<u8> {
    let (mut bytes, mut before) = (vec![], U256::ZERO);
    for &amount in amounts {
        let mut rest = amount - before;
        before = amount;
        loop {
            let seven = (rest.as_limbs()[0] & 0x7f) as u8;
            rest >>= 7;
            if rest.is_zero() {
                bytes.push(seven);
                break;
            }
            bytes.push(seven | 0x80);
        }
    }
    bytes
}

/// The amounts again; none where the bytes end within one, or it is beyond 256 bits.
fn unpack(bytes: &[u8]) -> Option<Vec<U256>> {
    let (mut amounts, mut before) = (vec![], U256::ZERO);
    let (mut rest, mut shift) = (U256::ZERO, 0);
    for &byte in bytes {
        let seven = U256::from(byte & 0x7f);
        if shift > 252 || (shift == 252 && byte & 0x7f > 0xf) {
            return None;
        }
        rest |= seven << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            before = before.checked_add(rest)?;
            amounts.push(before);
            (rest, shift) = (U256::ZERO, 0);
        }
    }
    (shift == 0).then_some(amounts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amount() -> impl Strategy<Value = U256> {
        (prop::array::uniform4(any::<u64>()), 0usize..=255)
            .prop_map(|(limbs, shift)| U256::from_limbs(limbs) >> shift)
    }

    proptest! {
        #[test]
        fn amounts_come_back(mut amounts in prop::collection::vec(amount(), 0..60)) {
            amounts.sort_unstable();
            prop_assert_eq!(unpack(&pack(&amounts)), Some(amounts));
        }

        #[test]
        fn any_bytes_are_amounts_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(amounts) = unpack(&bytes) {
                prop_assert!(amounts.windows(2).all(|pair| pair[0] <= pair[1]));
            }
        }
    }

    #[test]
    fn the_largest_amount_and_no_more() {
        assert_eq!(unpack(&pack(&[U256::MAX])), Some(vec![U256::MAX]));
        let mut beyond = vec![0xff; 36];
        beyond.push(0x10);
        assert_eq!(unpack(&beyond), None);
        assert_eq!(unpack(&[0x80]), None);
    }
}
