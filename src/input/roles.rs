//! Which column of a file plays which role: by its name, by its type, or by the user's word.

use arrow::datatypes::{DataType, Schema};

use super::Source;
use crate::error::{Error, Result, nearest};
use crate::options::{By, Options, Owners, Snapshot};

const SNAPSHOT: &[&str] = &[
    "snapshot",
    "snapshot_date",
    "block_number",
    "block",
    "date",
    "day",
    "week",
    "month",
    "epoch",
    "epoch_hour",
    "hour",
    "timestamp",
    "block_timestamp",
    "time",
    "end_block",
];
pub(super) const CHAIN: &[&str] = &["chain_id", "chain", "network"];
pub(super) const ASSET: &[&str] =
    &["erc20", "token_address", "contract_address", "token", "asset", "campaign", "pool", "vault", "market"];
/// Names of columns that hold owners.
pub const OWNER: &[&str] =
    &["address", "holder", "owner", "account", "wallet", "provider", "user", "voter", "identity"];
const AMOUNT: &[&str] = &[
    "balance",
    "eth_balance",
    "raw_balance",
    "amount",
    "value",
    "reward",
    "cumulative_reward",
    "voting_power",
    "weight",
    "share",
    "shares",
];
/// Endings of amount columns that hold the same amount in another encoding.
const SUFFIXES: &[&str] = &["_binary", "_string", "_str", "", "_f64"];
/// Parts of names that mark a number as no amount.
const NO_AMOUNT: &[&str] = &[
    "id",
    "ids",
    "tick",
    "decimals",
    "block",
    "blocknumber",
    "time",
    "timestamp",
    "date",
    "day",
    "week",
    "month",
    "year",
    "hour",
    "epoch",
    "index",
    "nonce",
    "expiration",
    "start",
    "end",
    "chain",
    "u32",
    "u64",
];

/// Whether a column of this name holds snapshots.
pub fn is_snapshot(name: &str) -> bool {
    SNAPSHOT.iter().any(|snapshot| snapshot.eq_ignore_ascii_case(name))
}

/// Whether a column of this name is that of an asset.
pub fn is_asset(name: &str) -> bool {
    ASSET.iter().any(|asset| asset.eq_ignore_ascii_case(name))
}

/// Where a group column's values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A column of the file.
    Column(usize),
    /// A `key=value` folder, by its index.
    Hive(usize),
    /// The file's stem.
    Stem,
}

/// A group column of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumn {
    /// Its name, as in the file.
    pub name: String,
    /// Where it stands among all group columns of all files: its role, then its preference within it.
    pub order: (usize, usize),
    /// Where its values come from.
    pub source: KeySource,
}

impl KeyColumn {
    /// The role that it plays.
    pub fn role(&self, options: &Options) -> &'static str {
        match (&options.by, self.order.0) {
            (By::Roles, 0) => "snapshot",
            (By::Roles, 1) => "chain",
            (By::Roles, 2) => "asset",
            _ => "group",
        }
    }
}

/// How exactly a column can hold amounts, the better ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// 32 bytes, big-endian.
    Binary,
    /// Decimal or hex text.
    Text,
    /// An integer or a decimal.
    Number,
    /// A double, which keeps 53 bits.
    Double,
}

/// The roles of one file's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// The group columns.
    pub keys: Vec<KeyColumn>,
    /// The amount's column.
    pub amount: usize,
    /// How it holds amounts.
    pub encoding: Encoding,
    /// The owner's column, where one is found.
    pub owner: Option<usize>,
    /// The column of prices, where one is asked for, or of what quotas are shares of.
    pub price: Option<usize>,
    /// The column of rewards, where one is asked for.
    pub reward: Option<usize>,
    /// An exact amount column that was passed over for a double.
    pub exact_instead: Option<String>,
}

/// How a column of this type holds amounts; `None` where it cannot.
pub fn encoding(data_type: &DataType) -> Option<Encoding> {
    use DataType as T;
    match data_type {
        T::Dictionary(_, values) => encoding(values),
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(32) => Some(Encoding::Binary),
        T::Utf8 | T::LargeUtf8 | T::Utf8View => Some(Encoding::Text),
        T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..) => Some(Encoding::Number),
        t if t.is_integer() => Some(Encoding::Number),
        // A column of nothing but nulls: it says whose name it has, and is passed over for any other.
        T::Null => Some(Encoding::Double),
        t if t.is_floating() => Some(Encoding::Double),
        _ => None,
    }
}

/// What a file's columns are, as far as they can be told.
#[derive(Debug)]
pub struct Found {
    /// The group columns.
    pub keys: Result<Vec<KeyColumn>>,
    /// The owner's column.
    pub owner: Result<Option<usize>>,
    /// The amount's column and how it holds amounts.
    pub amount: Result<(usize, Encoding)>,
    /// All columns whose names say that they are amounts, best first.
    pub amounts: Vec<(usize, Encoding)>,
}

/// Looks for the roles of a file's columns.
pub fn find(source: &Source, schema: &Schema, options: &Options) -> Found {
    let finder = Finder { source, schema };
    let keys = finder.keys(options);
    let owner = match &options.owner {
        Some(name) => finder.named(name, "--owner").map(Some),
        None => Ok(OWNER.iter().find_map(|name| finder.like(name))),
    };
    let owner = owner.and_then(|owner| match owner {
        None if options.entities || options.look_through.is_some() => Err(finder.error(
            "no owner column is recognised, which --entities and --look-through need; name it with --owner",
        )),
        None if options.owners != Owners::Trust => {
            Err(finder.error("no owner column is recognised; name it with --owner, or use --owners trust"))
        }
        None if options.cohorts.is_some() => {
            Err(finder.error("no owner column is recognised, which --cohorts needs; name it with --owner"))
        }
        None if !options.exclude.is_empty() => {
            Err(finder.error("no owner column is recognised, which --exclude needs; name it with --owner"))
        }
        owner => Ok(owner),
    });
    let taken = keys.as_deref().unwrap_or(&[]);
    let amount = finder.amount(options.amount.as_deref(), taken, owner.as_ref().ok().copied().flatten());
    Found { keys, owner, amount, amounts: finder.amounts().collect() }
}

/// Finds the roles of a file's columns.
pub fn assign(source: &Source, schema: &Schema, options: &Options) -> Result<Roles> {
    let found = find(source, schema, options);
    let (keys, owner, (amount, encoding)) = (found.keys?, found.owner?, found.amount?);
    let price = options.price().map(|name| (name, "--price"));
    let price = price.or(options.priced_by.as_deref().map(|name| (name, "--price")));
    let price = price.or(options.quota_of.as_deref().map(|name| (name, "--quota-of")));
    let price = price.map(|(name, flag)| Finder { source, schema }.named(name, flag)).transpose()?;
    // Where rewards have a file of their own, they are no column here.
    let reward = options.reward.as_ref().filter(|_| options.rewards.is_none());
    let reward = reward.map(|name| Finder { source, schema }.named(name, "--reward")).transpose()?;
    if reward == Some(amount) {
        let name = schema.field(amount).name();
        return Err(Error::Schema {
            file: source.shown.clone(),
            problem: format!("`{name}` is both the amount and the reward; name the capital with --amount"),
        });
    }
    let exact = found.amounts.iter().find(|&&(_, other)| other < Encoding::Double);
    let exact_instead = exact.filter(|_| encoding == Encoding::Double);
    let exact_instead = exact_instead.map(|&(column, _)| schema.field(column).name().clone());
    Ok(Roles { keys, amount, encoding, owner, price, reward, exact_instead })
}

/// Finds columns of a file by their names.
pub(super) struct Finder<'a> {
    pub(super) source: &'a Source,
    pub(super) schema: &'a Schema,
}

impl Finder<'_> {
    pub(super) fn error(&self, problem: impl Into<String>) -> Error {
        Error::Schema { file: self.source.shown.clone(), problem: problem.into() }
    }

    /// The column of this name, exactly or else but for its case.
    pub(super) fn like(&self, name: &str) -> Option<usize> {
        let fields = self.schema.fields();
        let exact = fields.iter().position(|f| f.name() == name);
        exact.or_else(|| fields.iter().position(|f| f.name().eq_ignore_ascii_case(name)))
    }

    /// The column that the user named.
    pub(super) fn named(&self, name: &str, flag: &str) -> Result<usize> {
        self.like(name).ok_or_else(|| self.missing(name, flag))
    }

    fn missing(&self, name: &str, flag: &str) -> Error {
        let columns = self.columns();
        let near = nearest(name, columns.iter().map(String::as_str));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        self.error(format!("there is no column `{name}` for {flag}{hint} (it has {})", columns.join(", ")))
    }

    pub(super) fn columns(&self) -> Vec<String> {
        let files = self.schema.fields().iter().map(|f| f.name().clone());
        files.chain(self.source.hive.iter().map(|(key, _)| key.clone())).collect()
    }

    /// The source of a group column's values: a column, else a folder.
    pub(super) fn key(&self, name: &str) -> Option<(String, KeySource)> {
        let column = self.like(name).map(|i| (self.schema.field(i).name().clone(), KeySource::Column(i)));
        column.or_else(|| {
            let i = self.source.hive.iter().position(|(key, _)| key.eq_ignore_ascii_case(name))?;
            Some((self.source.hive[i].0.clone(), KeySource::Hive(i)))
        })
    }

    fn keys(&self, options: &Options) -> Result<Vec<KeyColumn>> {
        let stem = || KeyColumn { name: "snapshot".into(), order: (0, 0), source: KeySource::Stem };
        let key = |(name, source), order| KeyColumn { name, order, source };
        let mut keys = Vec::new();
        match &options.by {
            By::Nothing => {}
            By::Columns(names) => {
                for (i, name) in names.iter().enumerate() {
                    let is_snapshot = name.eq_ignore_ascii_case("snapshot");
                    let found = match &options.snapshot {
                        Snapshot::Filename if is_snapshot => None,
                        Snapshot::Column(column) if is_snapshot => {
                            Some(self.named_key(column, "--snapshot")?)
                        }
                        _ => self.key(name),
                    };
                    keys.push(match found {
                        Some(found) => key(found, (i, 0)),
                        None if is_snapshot => KeyColumn { order: (i, 0), ..stem() },
                        None => return Err(self.missing(name, "--by")),
                    });
                }
            }
            By::Roles => {
                match &options.snapshot {
                    Snapshot::Nothing => {}
                    Snapshot::Filename => keys.push(stem()),
                    Snapshot::Column(column) => {
                        keys.push(key(self.named_key(column, "--snapshot")?, (0, 0)));
                    }
                    Snapshot::Auto => {
                        // A table in memory has no name to be a snapshot.
                        let named = || self.source.table.is_none().then(stem);
                        keys.extend(self.role(SNAPSHOT, 0).or_else(named));
                    }
                }
                keys.extend(self.role(CHAIN, 1));
                keys.extend(self.role(ASSET, 2));
            }
        }
        for key in &keys {
            if let KeySource::Column(i) = key.source
                && self.schema.field(i).data_type().is_nested()
                && !matches!(self.schema.field(i).data_type(), DataType::Dictionary(..))
            {
                return Err(self.error(format!(
                    "column `{}` is nested and cannot be a group column; use --by",
                    key.name
                )));
            }
        }
        Ok(keys)
    }

    pub(super) fn named_key(&self, name: &str, flag: &str) -> Result<(String, KeySource)> {
        self.key(name).ok_or_else(|| self.missing(name, flag))
    }

    pub(super) fn role(&self, names: &[&str], role: usize) -> Option<KeyColumn> {
        names.iter().enumerate().find_map(|(preference, name)| {
            let (name, source) = self.key(name)?;
            Some(KeyColumn { name, order: (role, preference), source })
        })
    }

    /// Columns whose names say that they are amounts, best first.
    pub(super) fn amounts(&self) -> impl Iterator<Item = (usize, Encoding)> + '_ {
        self.amounts_of(AMOUNT)
    }

    /// Columns of these names, and of how they end, best first.
    pub(super) fn amounts_of(&self, names: &'static [&str]) -> impl Iterator<Item = (usize, Encoding)> + '_ {
        names.iter().flat_map(move |name| {
            let columns = SUFFIXES.iter().filter_map(move |suffix| self.like(&format!("{name}{suffix}")));
            let mut columns: Vec<(usize, Encoding)> =
                columns.filter_map(|i| Some((i, encoding(self.schema.field(i).data_type())?))).collect();
            columns.sort_by_key(|&(_, encoding)| encoding);
            columns
        })
    }

    /// The error of an amount column of a type that holds none.
    pub(super) fn unusable(&self, column: usize) -> Error {
        let field = self.schema.field(column);
        let wide = matches!(field.data_type(), DataType::FixedSizeBinary(_));
        let want =
            if wide { "binary amounts have 32 bytes" } else { "amounts are numbers, text or 32 bytes" };
        self.error(format!(
            "column `{}` of type {} holds no amounts: {want}",
            field.name(),
            field.data_type()
        ))
    }

    fn amount(
        &self,
        named: Option<&str>,
        keys: &[KeyColumn],
        owner: Option<usize>,
    ) -> Result<(usize, Encoding)> {
        if let Some(name) = named {
            let column = self.named(name, "--amount")?;
            let encoding = encoding(self.schema.field(column).data_type());
            return Ok((column, encoding.ok_or_else(|| self.unusable(column))?));
        }
        if let Some(found) = self.amounts().next() {
            return Ok(found);
        }
        let named = AMOUNT
            .iter()
            .find_map(|name| self.like(name))
            .filter(|&column| matches!(self.schema.field(column).data_type(), DataType::FixedSizeBinary(_)));
        if let Some(column) = named {
            return Err(self.unusable(column));
        }
        let taken = |i: usize| owner == Some(i) || keys.iter().any(|key| key.source == KeySource::Column(i));
        let numeric: Vec<(usize, Encoding)> = (0..self.schema.fields().len())
            .filter(|&i| !taken(i) && !no_amount(self.schema.field(i).name()))
            .filter_map(|i| Some((i, encoding(self.schema.field(i).data_type())?)))
            .filter(|&(_, encoding)| encoding >= Encoding::Number)
            .collect();
        match numeric[..] {
            [only] => Ok(only),
            [] => Err(self.error(format!(
                "no column is recognised as the amount; name it with --amount (it has {})",
                self.columns().join(", ")
            ))),
            _ => {
                let names: Vec<&str> =
                    numeric.iter().map(|&(i, _)| self.schema.field(i).name().as_str()).collect();
                Err(self.error(format!(
                    "several columns could be the amount; choose with --amount: {}",
                    names.join(", ")
                )))
            }
        }
    }
}

/// Whether a number of this name is a time, an id, a tick or the like.
fn no_amount(name: &str) -> bool {
    // blockNumber and block_number alike.
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.ends_with(|c: char| c.is_ascii_uppercase()) {
            words.push('_');
        }
        words.push(c);
    }
    words.to_lowercase().split('_').any(|word| NO_AMOUNT.contains(&word))
}
