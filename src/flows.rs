//! `flows`: the rotation of capital between assets, from one snapshot to another.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, StringArray, UInt32Array, UInt64Array};
use arrow::compute::take;
use num_bigint::{BigInt, BigUint, Sign};

use crate::change::{Rows, pairs};
use crate::error::{Error, Result};
use crate::groups::Groups;
use crate::groups::extent::encoded;
use crate::groups::prices::Ratio;
use crate::ingest::{Context, Ingest, OF_PLAYER};
use crate::memory::{self, Memory};
use crate::numbers::unit::Unit;
use crate::options::change::Change;
use crate::results::Results;
use crate::timeline::{by_time, named_by, nameless, snapshots};

mod prices;
mod rotate;

use prices::PricesOf;
use rotate::{Cell, Move, rotate};

/// Bytes of a holder beside what it has.
const OF_MOVE: u64 = 160;

/// What was found.
pub struct Flows {
    /// A row per pair of snapshots, asset that was left and asset that was entered.
    pub results: Results,
    /// What the user should know, in full sentences.
    pub warnings: Vec<String>,
}

/// Finds the flows between the assets of all snapshots.
pub fn flows(asked: &Change, context: &Context<'_>) -> Result<Flows> {
    let options = &asked.options;
    let ingest = Ingest::open(options, context)?;
    let (times, assets) = snapshots(&ingest, options, "flows")?;
    if assets.is_empty() {
        let problem = "flows are between assets, and there is no asset column: name it in --by";
        return Err(Error::Usage(problem.into()));
    }
    let schema = &ingest.schema;
    let counted = ingest.count(usize::MAX, options, context)?;
    let memory = Memory::of(options.memory_limit).beside(ingest.population.bytes());
    let players = ingest.players(&counted, &memory, options, context)?;
    let groups = &counted.groups;

    let columns = schema.columns_of(&groups.keys)?;
    let (order, shown) = by_time(&columns, &times)?;
    let mut warnings = ingest.warnings(options);
    warnings.extend(nameless(&shown));
    // One group stands for each moment; moments are numbered in their order. Snapshots that are named by different
    // columns are on different timelines.
    let (mut timelines, mut moments): (Vec<Vec<usize>>, Vec<Vec<usize>>) = (vec![], vec![]);
    let mut moment_of = vec![None; groups.keys.len()];
    let (mut last, mut column) = (None, None);
    for &group in &order {
        let named = named_by(&columns, &times, group);
        if column != named {
            timelines.push(vec![]);
        }
        if (column, last) != (named, shown[group].as_ref()) {
            moments.push(vec![]);
            timelines.last_mut().expect("just pushed").push(group);
        }
        (last, column) = (shown[group].as_ref(), named);
        moments.last_mut().expect("just pushed").push(group);
        moment_of[group] = Some(moments.len() - 1);
    }
    let asset_of = numbered(&columns, &assets)?;
    // In the order of assets, so that two moments can be walked side by side.
    moments.iter_mut().for_each(|groups| groups.sort_by_key(|&group| asset_of[group]));
    let pairs = pairs(&timelines, &shown, asked)?;
    if pairs.is_empty() {
        warnings.push("there are no two snapshots to compare".into());
    }
    let of_pair = |&(from, to): &(usize, usize)| Some((&moments[moment_of[from]?], &moments[moment_of[to]?]));
    let compared: Vec<(&Vec<usize>, &Vec<usize>)> = pairs.iter().filter_map(of_pair).collect();
    let involved = compared.iter().flat_map(|(before, after)| before.iter().chain(*after)).copied();
    let held: Vec<usize> = involved.filter(|&group| !players[group].is_empty()).collect();
    let nobody = |&&group: &&usize| assets.iter().all(|&column| columns[column].is_null(group));
    if let Some(&group) = held.iter().find(nobody) {
        return Err(Error::Group {
            group: schema.show(&groups.keys[group]),
            problem: "its asset is null, which stands for outside".into(),
            remedy: "name the asset, or leave such rows out".into(),
        });
    }
    let prices = match &options.prices {
        Some(path) => PricesOf::read(path, schema, &times, groups)?,
        None => PricesOf::Column(groups),
    };
    let has_prices = options.priced_by.is_some() || options.prices.is_some();
    let priced: Vec<usize> = match has_prices {
        true => compared.iter().flat_map(|(_, after)| after.iter().copied()).collect(),
        false => vec![],
    };
    let others: Vec<usize> = order.iter().copied().filter(|&group| !players[group].is_empty()).collect();
    let worth = Worth::of(groups, &ingest, &held, &priced, &prices)?.beside(groups, &others, &prices);
    let all: u64 = players.iter().map(|own| own.len() as u64).sum();
    let room = memory.room(groups.keys.len()).saturating_sub(all * OF_PLAYER);
    context.progress.start("comparing", pairs.len() as u64);
    let (mut cells, mut absent): (Vec<(usize, usize, Cell)>, u64) = (vec![], 0);
    for (&(from, to), (before, after)) in pairs.iter().zip(&compared) {
        let holders = before.iter().chain(*after).map(|&group| players[group].len() as u64);
        let needed = holders.sum::<u64>() * OF_MOVE;
        if needed > room {
            return Err(Error::Memory(format!(
                "a pair of snapshots takes about {} beside all holders; allow more memory, or read fewer files at a time",
                memory::show(needed)
            )));
        }
        let mut moves: Vec<Move<'_>> = vec![];
        let (mut earlier, mut later) = (before.iter().copied().peekable(), after.iter().copied().peekable());
        while let Some(asset) = earlier.peek().into_iter().chain(later.peek()).map(|&g| asset_of[g]).min() {
            if (context.interrupted)() {
                return Err(Error::Interrupted);
            }
            let before = earlier.next_if(|&group| asset_of[group] == asset);
            let after = later.next_if(|&group| asset_of[group] == asset);
            absent += u64::from(before.is_some() != after.is_some());
            let sides = [(before, Sign::Minus), (after, Sign::Plus)];
            let is_held = |(group, _): &(Option<usize>, Sign)| group.is_some_and(|g| !players[g].is_empty());
            if !sides.iter().any(is_held) {
                continue;
            }
            let show = |group: usize| schema.show(&groups.keys[group]);
            let price = worth.price((before, after), to, &prices, show)?;
            for (group, sign) in sides {
                let Some(group) = group else { continue };
                let scale = groups.units[group].times(worth.finest) * &price;
                moves.extend(players[group].iter().map(|player| {
                    let value = BigUint::from_bytes_le(player.amount.as_le_slice()) * &scale;
                    let value = BigInt::from_biguint(sign, value);
                    Move { owner: player.owner.as_deref(), asset, value }
                }));
            }
        }
        cells.extend(rotate(moves).into_iter().map(|cell| (from, to, cell)));
        context.progress.add(1);
    }
    if absent > 0 {
        let times = if absent == 1 { "1 time".into() } else { format!("{absent} times") };
        warnings.push(format!(
            "{times} an asset is in one of two snapshots alone: there nobody holds any in the other"
        ));
    }
    let mut provenance = ingest.provenance(options);
    let said = serde_json::json!({ "every": asked.every, "between": asked.between });
    provenance.insert("concentra.change".into(), said.to_string());

    let mut of_asset = vec![0; asset_of.iter().max().map_or(0, |last| last + 1)];
    asset_of.iter().enumerate().for_each(|(group, &asset)| of_asset[asset] = group as u32);
    let matrix = Matrix { cells: &cells, of_asset: &of_asset, columns: &columns, shown: &shown };
    Ok(Flows { results: matrix.table(&ingest, &assets, &times, &worth, provenance)?, warnings })
}

/// The cells of all pairs of snapshots, and what they are about.
struct Matrix<'a> {
    /// Groups of the earlier and the later snapshot, and a cell between them.
    cells: &'a [(usize, usize, Cell)],
    /// A group of each asset.
    of_asset: &'a [u32],
    columns: &'a [ArrayRef],
    shown: &'a [Option<String>],
}

impl Matrix<'_> {
    fn table(
        &self,
        ingest: &Ingest,
        assets: &[usize],
        times: &[usize],
        worth: &Worth,
        provenance: HashMap<String, String>,
    ) -> Result<Results> {
        let mut rows = Rows::default();
        let left: UInt32Array = self.of(|cell| Some(self.of_asset[cell.from?]));
        let entered: UInt32Array = self.of(|cell| Some(self.of_asset[cell.to?]));
        let sides = [
            ("from_", &left, "What was left; null: it came from outside."),
            ("to_", &entered, "What was entered; null: it went outside."),
        ];
        for (prefix, groups, reading) in sides {
            for &column in assets {
                let name = format!("{prefix}{}", ingest.schema.fields[column].name());
                rows.add(&name, reading, self.taken(column, groups)?);
            }
        }
        let earlier: UInt32Array = self.cells.iter().map(|&(from, _, _)| Some(from as u32)).collect();
        let later: UInt32Array = self.cells.iter().map(|&(_, to, _)| Some(to as u32)).collect();
        let snapshots = [
            ("snapshot_from", &earlier, "The earlier snapshot."),
            ("snapshot_to", &later, "The later snapshot."),
        ];
        for (name, groups, reading) in snapshots {
            let shown = groups.values().iter().map(|&group| self.shown[group as usize].as_ref());
            let array = match times {
                [one] => self.taken(*one, groups)?,
                _ => Arc::new(StringArray::from_iter(shown)),
            };
            rows.add(name, reading, array);
        }
        let amounts: Vec<String> = self.cells.iter().map(|(_, _, cell)| worth.plain(&cell.amount)).collect();
        let doubles = amounts.iter().map(|text| text.parse().ok().filter(|x: &f64| x.is_finite()));
        rows.add("amount_f64", "How much, as a double.", Arc::new(Float64Array::from_iter(doubles)));
        rows.add("amount", "How much, exactly, in text.", Arc::new(StringArray::from_iter_values(&amounts)));
        let owners = UInt64Array::from_iter_values(self.cells.iter().map(|(_, _, cell)| cell.owners));
        rows.add("n_owners", "Whose.", Arc::new(owners));
        rows.finish(2 * assets.len() + 2, provenance)
    }

    fn of(&self, group: impl Fn(&Cell) -> Option<u32>) -> UInt32Array {
        self.cells.iter().map(|(_, _, cell)| group(cell)).collect()
    }

    /// A group column of some groups; null where there is no group.
    fn taken(&self, column: usize, groups: &UInt32Array) -> Result<ArrayRef> {
        take(&self.columns[column], groups, None).map_err(Error::arrow("build the result"))
    }
}

/// The assets of groups, numbered in their order.
fn numbered(columns: &[ArrayRef], assets: &[usize]) -> Result<Vec<usize>> {
    let values = encoded(columns)?;
    let groups = columns.first().map_or(0, Array::len);
    let key =
        |group: usize| -> Vec<&[u8]> { assets.iter().map(|&column| &values[column][group][..]).collect() };
    let mut keys: Vec<Vec<&[u8]>> = (0..groups).map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    Ok((0..groups).map(|group| keys.binary_search(&key(group)).expect("it is one of them")).collect())
}

/// How amounts of all groups become whole numbers of one unit.
struct Worth {
    /// Decimals of the finest amount, or the lowest exponent of doubles.
    finest: Unit,
    priced: bool,
    /// Decimals of the finest price.
    price_decimals: u32,
}

impl Worth {
    /// Of groups that somebody holds, and of those whose prices count.
    fn of(
        groups: &Groups,
        ingest: &Ingest,
        held: &[usize],
        priced: &[usize],
        prices: &PricesOf<'_>,
    ) -> Result<Self> {
        let mut finest = None;
        for &group in held {
            let unit = groups.units[group];
            finest = Some(finest.unwrap_or(unit).finer(unit).ok_or_else(|| {
                let is_double = |&&group: &&usize| matches!(groups.units[group], Unit::Binary(_));
                let double = held.iter().find(is_double).map_or(group, |group| *group);
                Error::Group {
                    group: ingest.schema.show(&groups.keys[double]),
                    problem: "its amounts are doubles, and those of others are not".into(),
                    remedy: "flows need one kind of amounts: write all as text or numbers".into(),
                }
            })?);
        }
        let mut price_decimals = 0;
        for &group in priced {
            let price = prices.of(group).map_err(|two| Error::Group {
                group: ingest.schema.show(&groups.keys[group]),
                problem: format!("it has two prices, {two}"),
                remedy: "a group has one price: name what tells them apart in --by".into(),
            })?;
            price_decimals = price_decimals.max(price.map_or(0, decimals));
        }
        Ok(Self { finest: finest.unwrap_or(Unit::Decimal(0)), priced: !priced.is_empty(), price_decimals })
    }

    /// The same, as fine as other groups need it too: so a pair gives the same digits whichever pairs are asked for.
    fn beside(mut self, groups: &Groups, others: &[usize], prices: &PricesOf<'_>) -> Self {
        for &group in others {
            self.finest = self.finest.finer(groups.units[group]).unwrap_or(self.finest);
            if self.priced
                && let Ok(Some(price)) = prices.of(group)
            {
                self.price_decimals = self.price_decimals.max(decimals(price));
            }
        }
        for price in prices.all().filter(|_| self.priced) {
            self.price_decimals = self.price_decimals.max(decimals(price));
        }
        self
    }

    /// What one is worth at the later time, where an asset is then or was before.
    fn price(
        &self,
        (before, after): (Option<usize>, Option<usize>),
        later: usize,
        prices: &PricesOf<'_>,
        show: impl Fn(usize) -> String,
    ) -> Result<BigUint> {
        if !self.priced {
            return Ok(1u8.into());
        }
        let own = after.and_then(|group| prices.of(group).ok().flatten());
        let price = match before.filter(|_| after.is_none()) {
            Some(before) => prices.later(before, later).map_err(|two| Error::Group {
                group: show(before),
                problem: format!("it has two prices, {two}"),
                remedy: "a group has one price: name what tells them apart in --by".into(),
            })?,
            None => own,
        };
        let Some((numerator, denominator)) = price else {
            return Err(Error::Group {
                group: after.or(before).map_or_else(String::new, show),
                problem: "it has no price at the later of two snapshots".into(),
                remedy: "write one on a row of it there, give a file of prices, or leave the asset out"
                    .into(),
            });
        };
        Ok(numerator * BigUint::from(10u8).pow(self.price_decimals) / denominator)
    }

    /// A value as it is written: in the unit of amounts, or of prices.
    fn plain(&self, value: &BigUint) -> String {
        self.finest.text(value, self.price_decimals as usize)
    }
}

/// How many decimals a price has: its denominator is a power of ten or of two.
fn decimals((_, denominator): Ratio) -> u32 {
    let twos = denominator.trailing_zeros().unwrap_or(0);
    if denominator == BigUint::from(1u8) << twos {
        return twos as u32;
    }
    let mut decimals = 0;
    while BigUint::from(10u8).pow(decimals) % &denominator != BigUint::ZERO {
        decimals += 1;
    }
    decimals
}
