//! The columns of a transfer log: who sent how much of which token to whom, and in which block.

use arrow::datatypes::{DataType, Schema};

use super::Source;
use super::roles::{ASSET, CHAIN, Encoding, Finder, KeyColumn, KeySource, encoding};
use crate::error::Result;
use crate::options::snapshot::Named;

const BLOCK: &[&str] = &["block_number", "blocknumber", "block", "block_num"];
const FROM: &[&str] = &["from_address", "from", "sender", "src", "from_addr"];
const TO: &[&str] = &["to_address", "to", "recipient", "receiver", "dst", "to_addr"];
/// What a transfer's amount is called first; whatever a balance may be called comes after.
const VALUE: &[&str] = &["value", "amount", "raw_amount", "quantity", "raw_value"];
/// How columns begin that hold ids of single tokens.
const TOKEN_ID: [&str; 3] = ["token_id", "tokenid", "token_ids"];

/// The roles of a log's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The block's number.
    pub block: usize,
    /// Who sent.
    pub from: usize,
    /// Who received.
    pub to: usize,
    /// How much.
    pub amount: usize,
    /// The chain's and the token's columns, where there are such.
    pub keys: Vec<KeyColumn>,
}

/// Finds the roles of a log's columns, or says why it is none.
pub fn find(source: &Source, schema: &Schema, named: &Named) -> Result<Log> {
    let finder = Finder { source, schema };
    let column = |name: &Option<String>, names: &[&str], flag: &str, what: &str| match name {
        Some(name) => finder.named(name, flag),
        None => names.iter().find_map(|name| finder.like(name)).ok_or_else(|| {
            finder.error(format!(
                "this is no transfer log: no column is recognised as {what}; name it with {flag} (it has {})",
                finder.columns().join(", ")
            ))
        }),
    };
    let block = column(&named.block, BLOCK, "--block", "the block's number")?;
    let of_block = schema.field(block).data_type();
    let is_number = |of: &DataType| {
        of.is_integer()
            || matches!(
                of,
                DataType::Decimal32(_, 0) | DataType::Decimal64(_, 0) | DataType::Decimal128(_, 0)
            )
            || of.is_string()
            || matches!(of, DataType::Dictionary(_, values) if values.is_string() || values.is_integer())
    };
    if !is_number(of_block) {
        let name = schema.field(block).name();
        return Err(finder.error(format!(
            "`{name}` of type {of_block} holds no block numbers; name their column with --block"
        )));
    }
    let from = column(&named.from, FROM, "--from", "the sender")?;
    let to = column(&named.to, TO, "--to", "the recipient")?;
    if from == to {
        return Err(finder.error("--from and --to name one column"));
    }
    let amount = amount(&finder, named)?;
    let mut keys: Vec<KeyColumn> = finder.role(CHAIN, 1).into_iter().collect();
    keys.extend(match &named.token {
        Some(name) => {
            let (name, source) = finder.named_key(name, "--token")?;
            Some(KeyColumn { name, order: (2, 0), source })
        }
        None => finder.role(ASSET, 2),
    });
    let of_keys = keys.iter().filter_map(|key| match key.source {
        KeySource::Column(column) => Some(column),
        _ => None,
    });
    for column in [from, to].into_iter().chain(of_keys) {
        let of = schema.field(column).data_type();
        if of.is_nested() && !matches!(of, DataType::Dictionary(..)) {
            return Err(finder.error(format!(
                "`{}` is nested (of type {of}) and holds neither owners nor tokens; name another column",
                schema.field(column).name()
            )));
        }
    }
    Ok(Log { block, from, to, amount, keys })
}

/// The column of amounts: one that keeps every digit, and no ids.
fn amount(finder: &Finder<'_>, named: &Named) -> Result<usize> {
    let is_id = |name: &str| TOKEN_ID.iter().any(|id| name.to_ascii_lowercase().starts_with(id));
    let mut names = finder.schema.fields().iter().map(|field| field.name());
    let id = names.find(|name| is_id(name));
    let refuse_ids = |id: &String| {
        finder.error(format!(
            "`{id}` makes these transfers of single tokens (ERC-721, ERC-1155), which are no amounts; balances are of \
             ERC-20 tokens"
        ))
    };
    let (column, encoding) = match &named.amount {
        Some(name) if is_id(name) => return Err(refuse_ids(name)),
        Some(name) => {
            let column = finder.named(name, "--amount")?;
            let encoding = encoding(finder.schema.field(column).data_type());
            (column, encoding.ok_or_else(|| finder.unusable(column))?)
        }
        None => {
            if let Some(id) = id {
                return Err(refuse_ids(id));
            }
            let named: Vec<(usize, Encoding)> = finder.amounts_of(VALUE).chain(finder.amounts()).collect();
            // An exact one before a double, whatever they are called.
            let exact = named.iter().find(|(_, encoding)| *encoding < Encoding::Double).or(named.first());
            *exact.ok_or_else(|| {
                finder.error(format!(
                    "no column is recognised as the amount; name it with --amount (it has {})",
                    finder.columns().join(", ")
                ))
            })?
        }
    };
    if *finder.schema.field(column).data_type() == DataType::Null {
        return Err(finder.error(format!(
            "`{}` holds nothing but nulls; name the column of amounts with --amount",
            finder.schema.field(column).name()
        )));
    }
    if encoding == Encoding::Double {
        return Err(finder.error(format!(
            "`{}` of type {} keeps 53 bits of an amount, and balances of such would be wrong; name another column with \
             --amount, or export text or numbers",
            finder.schema.field(column).name(),
            finder.schema.field(column).data_type()
        )));
    }
    Ok(column)
}
