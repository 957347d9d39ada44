//! What an asset is worth in a snapshot: by a column of the snapshots, or by a file of its own.

use std::path::Path;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use hashbrown::{HashMap, HashSet};

use crate::columns::{self, owner};
use crate::error::{Error, Place, Result};
use crate::groups::Groups;
use crate::groups::chunk::Ids;
use crate::groups::prices::{Prices, Ratio};
use crate::groups::schema::{GroupSchema, convert};
use crate::population::list;

/// The prices of all groups.
pub(super) enum PricesOf<'a> {
    /// Of rows of theirs.
    Column(&'a Groups),
    /// Of a file.
    File(FilePrices),
}

/// The prices of a file.
pub(super) struct FilePrices {
    /// By number.
    prices: Prices<u32>,
    numbers: HashMap<Key, u32>,
    /// The key of each group.
    of_groups: Vec<Key>,
    /// Which part of a key is that of a snapshot.
    is_time: Vec<bool>,
}

/// The column of a file that has the prices.
const PRICE: &str = "price";

/// Some columns of a group, or of a row of the file, as they compare.
type Key = Vec<Option<Box<[u8]>>>;

impl PricesOf<'_> {
    /// The price of a group: none where none is written, an error where two are.
    pub(super) fn of(&self, group: usize) -> Result<Option<Ratio>, String> {
        match self {
            Self::Column(groups) => groups.prices.of(group as u32),
            Self::File(file) => file.find(&file.of_groups[group]),
        }
    }

    /// The price of a group's asset in the snapshot of another group, where the asset is not: a file may tell it.
    pub(super) fn later(&self, group: usize, snapshot: usize) -> Result<Option<Ratio>, String> {
        let Self::File(file) = self else { return Ok(None) };
        let parts = file.of_groups[group].iter().zip(&file.of_groups[snapshot]).zip(&file.is_time);
        let key: Key = parts.map(|((own, of), is_time)| if *is_time { of } else { own }.clone()).collect();
        file.find(&key)
    }

    /// All prices that a file has of assets that are there.
    pub(super) fn all(&self) -> impl Iterator<Item = Ratio> + '_ {
        let file = match self {
            Self::Column(_) => None,
            Self::File(file) => Some(file),
        };
        let all = |file: &FilePrices| -> Vec<Ratio> {
            let there: HashSet<Key> = file.of_groups.iter().map(|key| file.asset(key)).collect();
            let own = file.numbers.keys().filter(|key| there.contains(&file.asset(key)));
            own.filter_map(|key| file.find(key).ok().flatten()).collect()
        };
        file.into_iter().flat_map(all)
    }

    /// Those of a file, joined by all of its columns that are group columns: it needs one at least.
    pub(super) fn read(path: &Path, schema: &GroupSchema, times: &[usize], groups: &Groups) -> Result<Self> {
        let refuse = |problem: String| Error::Schema { file: path.display().to_string(), problem };
        let batches =
            list::table(path)?.ok_or_else(|| refuse("prices are read from .parquet or .csv".into()))?;
        let has = batches[0].schema();
        let has = |name: &str| has.fields().iter().any(|field| field.name().eq_ignore_ascii_case(name));
        let common: Vec<usize> =
            (0..schema.fields.len()).filter(|&at| has(schema.fields[at].name())).collect();
        let names: Vec<&str> = schema.fields.iter().map(|field| field.name().as_str()).collect();
        if common.is_empty() {
            return Err(refuse(format!(
                "prices are joined by group columns, and none is there: name some of {} as the snapshots do",
                names.join(", ")
            )));
        }
        let columns = schema.columns_of(&groups.keys)?;
        let of_groups = keys(common.iter().map(|&column| columns[column].clone()), groups.keys.len())?;
        let (mut prices, mut numbers, mut first_row) = (Prices::default(), HashMap::new(), 0);
        for batch in batches {
            let rows = batch.num_rows();
            let column = |name: &str| list::column(&batch, &[name]).map(|(_, column)| column);
            let price = column(PRICE).ok_or_else(|| list::no_column(path, &[PRICE], &batch))?;
            let refuse = |row: usize, problem: String| Error::Cell {
                place: Place {
                    file: path.display().to_string(),
                    column: PRICE.into(),
                    row: first_row + row as u64 + 1,
                },
                problem,
                remedy: "write prices as numbers above 0, and null where one is unknown".into(),
            };
            let decoded = columns::decode(&price, false).map_err(|bad| refuse(bad.row, bad.problem))?;
            let is_null = |row: usize| decoded.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            if let Some(row) = (0..rows).find(|&row| decoded.values.is_zero(row) && !is_null(row)) {
                return Err(refuse(row, "the price is 0".into()));
            }
            let of_rows = keys(common.iter().filter_map(|&at| column(schema.fields[at].name())), rows)?;
            let number = |key: Key| {
                let next = numbers.len() as u32;
                *numbers.entry(key).or_insert(next)
            };
            prices.add(&Ids::Each(of_rows.into_iter().map(number).collect()), &decoded, |id| id);
            first_row += rows as u64;
        }
        let is_time = common.iter().map(|column| times.contains(column)).collect();
        Ok(Self::File(FilePrices { prices, numbers, of_groups, is_time }))
    }
}

impl FilePrices {
    /// The part of a key that is no snapshot's.
    fn asset(&self, key: &Key) -> Key {
        key.iter()
            .zip(&self.is_time)
            .filter(|(_, is_time)| !**is_time)
            .map(|(part, _)| part.clone())
            .collect()
    }

    fn find(&self, key: &Key) -> Result<Option<Ratio>, String> {
        self.numbers.get(key).map_or(Ok(None), |&number| self.prices.of(number))
    }
}

/// The keys of rows.
fn keys(columns: impl Iterator<Item = ArrayRef>, rows: usize) -> Result<Vec<Key>> {
    let mut keys: Vec<Key> = vec![vec![]; rows];
    for column in columns {
        // Addresses compare whatever their case, numbers by their digits, dates as they are written.
        let mut at = keys.iter_mut();
        let text = convert(&column, &DataType::Utf8)?;
        let each = |cell: Option<&[u8]>| at.next().expect("a cell a row").push(cell.map(Into::into));
        owner::each(&text, each).map_err(Error::arrow("compare group columns"))?;
    }
    Ok(keys)
}
