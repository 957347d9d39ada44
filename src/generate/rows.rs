//! Row number → snapshot, token, owner and amount; rows → record batches.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, RecordBatch, StringBuilder, StringDictionaryBuilder, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use ruint::aliases::U256;

use super::args::{Encoding, Order};
use super::encoding;
use super::groups::Groups;
use super::options::Options;
use super::random::{Permutation, Stream, to_unit};
use super::shape::Amounts;
use crate::{Error, Result};

/// The block of the first snapshot.
const FIRST_BLOCK: u64 = 19_000_000;
/// Blocks of 12 seconds in a week.
const BLOCKS_PER_WEEK: u64 = 50_400;
/// How often a duplicate looks for an owner to repeat before it takes the first one.
const PICKS: u64 = 32;

/// All rows of a file, none of them stored.
#[derive(Debug)]
pub(super) struct Rows {
    options: Options,
    schema: SchemaRef,
    groups: Groups,
    shuffle: Permutation,
    amounts: Amounts,
    amount_stream: Stream,
    owner_stream: Stream,
    token_stream: Stream,
    duplicate_stream: Stream,
}

/// One row, its owner as a number.
struct Row {
    group: u64,
    owner: u64,
    /// Bits that say which letters of the address are upper case; 0 for the first row of an owner.
    upper: u64,
    amount: U256,
}

impl Rows {
    /// The rows these options describe.
    pub(super) fn new(options: &Options) -> Self {
        let stream = |purpose| Stream::new(options.seed, purpose);
        Self {
            options: options.clone(),
            schema: Arc::new(Schema::new(fields(options))),
            groups: Groups::new(options.rows, options.groups, options.group_sizes),
            shuffle: Permutation::new(stream("order"), options.rows),
            amounts: Amounts::new(options),
            amount_stream: stream("amount"),
            owner_stream: stream("owner"),
            token_stream: stream("token"),
            duplicate_stream: stream("duplicate"),
        }
    }

    /// The columns of every batch.
    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The rows numbered `range`.
    pub(super) fn batch(&self, range: Range<u64>) -> Result<RecordBatch> {
        let rows: Vec<Row> = range.map(|index| self.row(index)).collect();
        let amounts: Vec<U256> = rows.iter().map(|row| row.amount).collect();
        let blocks = UInt32Array::from_iter_values(rows.iter().map(|row| self.block(row.group)));
        let mut columns: Vec<ArrayRef> = vec![Arc::new(blocks)];
        let cryo = self.options.encoding == Encoding::Cryo;
        if cryo {
            columns
                .push(binaries::<20>(rows.iter().map(|row| self.token_stream.bytes(self.token(row.group)))));
            columns.push(binaries::<20>(rows.iter().map(|row| self.owner_stream.bytes(row.owner))));
        } else {
            columns.push(self.tokens(&rows));
            if self.options.owners {
                columns.push(self.owners(&rows));
            }
        }
        columns.extend(encoding::columns(self.options.encoding, &amounts, self.options.decimals)?);
        if cryo {
            columns.push(Arc::new(UInt64Array::from_value(1, rows.len())));
        }
        RecordBatch::try_new(self.schema(), columns).map_err(Error::arrow("build a batch"))
    }

    fn row(&self, index: u64) -> Row {
        let position = match self.options.order {
            Order::Shuffled => self.shuffle.at(index),
            Order::Grouped | Order::Sorted => index,
        };
        let (group, rank, size) = self.groups.at(position);
        let stream = self.amount_stream.nth(group);
        let bits = stream.bits(rank);
        let u = match self.options.order {
            // One draw from each of `size` equal slices of the distribution, from the top down.
            Order::Sorted => ((size - rank) as f64 - to_unit(bits)) / size as f64,
            Order::Shuffled | Order::Grouped => to_unit(bits),
        };
        let amount = self.amounts.quantile(u, bits.rotate_left(32) ^ stream.bits(!rank));
        let (owner, upper) = self.owner(group, rank);
        Row { group, owner, upper, amount }
    }

    /// Owners are numbered by their rank, so that groups share them; a duplicate repeats one that is no
    /// duplicate.
    fn owner(&self, group: u64, rank: u64) -> (u64, u64) {
        let share = self.options.duplicate_owners;
        let stream = self.duplicate_stream.nth(group);
        let is_duplicate = |rank| rank > 0 && stream.unit(rank) < share;
        if share == 0.0 || !is_duplicate(rank) {
            return (rank, 0);
        }
        let picks = stream.nth(rank);
        let owner = (0..PICKS).map(|i| picks.below(i, rank)).find(|&pick| !is_duplicate(pick));
        (owner.unwrap_or(0), picks.bits(PICKS) | 1)
    }

    fn token(&self, group: u64) -> u64 {
        group / self.options.snapshots
    }

    fn block(&self, group: u64) -> u32 {
        // The options keep this within 32 bits.
        (FIRST_BLOCK + group % self.options.snapshots * BLOCKS_PER_WEEK) as u32
    }

    fn tokens(&self, rows: &[Row]) -> ArrayRef {
        let mut builder = StringDictionaryBuilder::<Int32Type>::new();
        let mut text = String::new();
        for row in rows {
            text.clear();
            // Writing to a String cannot fail.
            let _ = write!(text, "TOKEN-{:06}", self.token(row.group));
            builder.append_value(&text);
        }
        Arc::new(builder.finish())
    }

    fn owners(&self, rows: &[Row]) -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(rows.len(), rows.len() * 42);
        let mut text = String::new();
        for row in rows {
            text.clear();
            write_address(&mut text, &self.owner_stream.bytes(row.owner), row.upper);
            builder.append_value(&text);
        }
        Arc::new(builder.finish())
    }
}

fn fields(options: &Options) -> Vec<Field> {
    let token = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let mut columns = vec![("block_number", DataType::UInt32)];
    let amounts = encoding::fields(options.encoding);
    match options.encoding {
        Encoding::Cryo => {
            columns.extend([("erc20", DataType::Binary), ("address", DataType::Binary)]);
            columns.extend(amounts);
            columns.push(("chain_id", DataType::UInt64));
        }
        _ => {
            columns.push(("token", token));
            if options.owners {
                columns.push(("address", DataType::Utf8));
            }
            columns.extend(amounts);
        }
    }
    columns.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect()
}

/// Variable-length binaries of a fixed length.
pub(super) fn binaries<const N: usize>(values: impl Iterator<Item = [u8; N]>) -> ArrayRef {
    let mut builder = BinaryBuilder::new();
    values.for_each(|value| builder.append_value(value));
    Arc::new(builder.finish())
}

/// `0x` and 40 digits, letter `i` in upper case where bit `i` of `upper` is set.
pub(super) fn write_address(text: &mut String, address: &[u8; 20], upper: u64) {
    const DIGITS: [&[u8; 16]; 2] = [b"0123456789abcdef", b"0123456789ABCDEF"];
    text.push_str("0x");
    let nibbles = address.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    text.extend(nibbles.enumerate().map(|(i, nibble)| {
        let case = usize::from(upper >> i & 1 == 1);
        char::from(DIGITS[case][usize::from(nibble)])
    }));
}
