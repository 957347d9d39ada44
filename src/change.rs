//! `change`: what happens between two snapshots of an asset.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Float64Builder, Int64Array, ListBuilder, RecordBatch,
    StringArray, UInt32Array, UInt64Array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, UInt64Type};
use rayon::prelude::*;

use crate::analyze::{Beside, analyze_files, check};
use crate::choose::Opened;
use crate::cumulative;
use crate::error::{Error, Result};
use crate::groups::schema::GroupSchema;
use crate::ingest::{Context, OF_PLAYER};
use crate::memory::{self, Memory};
use crate::metrics::{self, Kind};
use crate::numbers::unit::Unit;
use crate::numbers::wide::ratio;
use crate::options::Options;
use crate::options::change::Change;
use crate::results::Results;
use crate::timeline::{by_time, nameless, series, snapshots};

pub mod pair;
pub mod vintages;

use pair::{Holders, Pair, compare};
use vintages::{Vintage, vintages};

/// What was found.
pub struct Changes {
    /// A row per asset and pair of snapshots.
    pub results: Results,
    /// A row per asset, snapshot and vintage, where those were asked for.
    pub vintages: Option<Results>,
    /// What the user should know, in full sentences.
    pub warnings: Vec<String>,
    /// What computed and why, where devices were looked at.
    pub device: Option<String>,
}

/// Bytes of a holder of a pair that is compared, beside itself.
const OF_PAIRED: u64 = 100;

/// Compares the snapshots of every asset.
pub fn change(asked: &Change, context: &Context<'_>) -> Result<Changes> {
    check(&asked.options)?;
    let (ingest, options) = &cumulative::open(&asked.options, context)?;
    let (times, assets) = snapshots(ingest, options, "change")?;
    let schema = &ingest.schema;
    let metrics = metrics::select(metrics::catalog(&options.extras), &options.metrics)?;
    let clash = |field: &&Field| {
        let own =
            COLUMNS.iter().chain(&VINTAGES).any(|(name, _)| *name == field.name() && *name != "snapshot");
        own || field.name().strip_prefix("d_").is_some_and(|name| metrics.iter().any(|m| m.name == name))
    };
    if let Some(clash) = schema.fields.iter().find(clash) {
        return Err(Error::Usage(format!(
            "the group column `{}` has the name of a result column; rename it in the input or leave it out of --by",
            clash.name()
        )));
    }
    // The metrics of every group, and then its holders by name.
    let opened = Opened::default();
    let files: Vec<usize> = (0..ingest.files.len()).collect();
    let beside = Beside { opened: &opened, cohorts: None };
    let analysis = analyze_files(ingest.part(&files), options, context, beside)?;
    let measured = analysis.results.table()?;
    let counted = ingest.count(usize::MAX, options, context)?;
    let memory = Memory::of(options.memory_limit).beside(ingest.population.bytes());
    let players = ingest.players(&counted, &memory, options, context)?;
    let keys = &counted.groups.keys;
    if keys.len() != measured.num_rows() {
        return Err(Error::changed("of all files".into()));
    }
    let units = &counted.groups.units;
    let holders: Vec<Holders> =
        players.into_par_iter().zip(units).map(|(own, &unit)| Holders::new(own, unit)).collect();

    let columns = schema.columns_of(keys)?;
    let (order, shown) = by_time(&columns, &times)?;
    let series = series(&columns, &times, &assets, &order)?;
    let mut warnings = analysis.of_files;
    warnings.extend(analysis.warnings);
    warnings.extend(nameless(&shown));
    let pairs = pairs(&series, &shown, asked)?;
    let paired = |groups: &&Vec<usize>| pairs.iter().all(|(from, _)| !groups.contains(from));
    let alone = if pairs.len() < 10_000 { series.iter().filter(paired).count() } else { 0 };
    if alone > 0 {
        let assets = if alone == 1 { "1 asset has".into() } else { format!("{alone} assets have") };
        warnings.push(format!("{assets} no pair of snapshots, and no change"));
    }
    context.progress.start("comparing", pairs.len() as u64);
    // So many pairs at a time as there is memory for beside all holders.
    let rows: u64 = holders.iter().map(|holders| holders.players.len() as u64).sum();
    let of_pair = |&(from, to): &(usize, usize)| holders[from].players.len() + holders[to].players.len();
    let largest = pairs.iter().map(of_pair).max().unwrap_or(0) as u64 * OF_PAIRED;
    let room = memory.room(keys.len()).saturating_sub(rows * OF_PLAYER);
    if largest > room {
        return Err(Error::Memory(format!(
            "a pair of snapshots takes about {} beside all holders; allow more memory, or read fewer files at a time",
            memory::show(largest)
        )));
    }
    let at_once = usize::try_from(room / largest.max(1)).unwrap_or(usize::MAX).max(1);
    let one = |&(from, to): &(usize, usize)| {
        if (context.interrupted)() {
            return Err(Error::Interrupted);
        }
        let pair = compare(&holders[from], &holders[to]);
        context.progress.add(1);
        Ok(pair)
    };
    let mut found: Vec<Pair> = Vec::with_capacity(pairs.len());
    for some in pairs.chunks(at_once.min(pairs.len().max(1))) {
        found.extend(some.par_iter().map(one).collect::<Result<Vec<Pair>>>()?);
    }

    let mut provenance = ingest.provenance(options);
    let said = serde_json::json!({ "every": asked.every, "between": asked.between });
    provenance.insert("concentra.change".into(), said.to_string());
    let keys =
        Keys { columns: &columns, times: &times, assets: &assets, shown: &shown, schema: &ingest.schema };
    let results = table(&keys, &pairs, &found, &measured, options, provenance.clone())?;
    let vintages = match asked.vintages {
        true => {
            Some(vintage_table(&keys, &vintages(&series, &holders), units, options.decimals, provenance)?)
        }
        false => None,
    };
    Ok(Changes { results, vintages, warnings, device: analysis.device })
}

/// Which groups are compared.
pub(crate) fn pairs(
    series: &[Vec<usize>],
    shown: &[Option<String>],
    asked: &Change,
) -> Result<Vec<(usize, usize)>> {
    let Some((from, to)) = &asked.between else {
        let of_asset = |groups: &Vec<usize>| -> Vec<(usize, usize)> {
            let taken: Vec<usize> = groups.iter().copied().step_by(asked.every).collect();
            taken.windows(2).map(|pair| (pair[0], pair[1])).collect()
        };
        return Ok(series.iter().flat_map(of_asset).collect());
    };
    let of_asset = |groups: &Vec<usize>| {
        let at =
            |wanted: &String| groups.iter().copied().find(|&group| shown[group].as_ref() == Some(wanted));
        at(from).zip(at(to))
    };
    let pairs: Vec<(usize, usize)> = series.iter().filter_map(of_asset).collect();
    if pairs.is_empty() {
        let name = |group: &usize| shown[*group].clone().unwrap_or_default();
        let longest = series.iter().max_by_key(|groups| groups.len());
        let some = match longest.map(|groups| &groups[..]) {
            None | Some([]) => "there are none".to_owned(),
            Some([one]) => format!("there is {}", name(one)),
            Some([first, .., last]) => format!("there are {} to {}", name(first), name(last)),
        };
        return Err(Error::Usage(format!("--between {from},{to}: no asset has both snapshots; {some}")));
    }
    Ok(pairs)
}

/// The columns of every pair, with their readings.
const COLUMNS: [(&str, &str); 10] = [
    ("snapshot_from", "The earlier snapshot."),
    ("snapshot_to", "The later snapshot."),
    ("n_entered", "Owners who hold something later and held nothing before."),
    ("n_exited", "Owners who held something before and hold nothing later."),
    ("n_stayed", "Owners who hold something at both times."),
    (
        "moved_share",
        "½ Σ |p_i(later) − p_i(earlier)| over all owners: the part of everything that changed hands. 0: nothing, 1: all.",
    ),
    (
        "top_10_overlap",
        "Owners in both tops of ten, of those in either (Jaccard); all who are tied at the tenth rank are in the top.",
    ),
    ("top_100_overlap", "The same of a hundred."),
    (
        "rank_correlation",
        "Spearman's rank correlation of what those have who stayed, ties at their mean rank; null where fewer than two stayed or all have as much.",
    ),
    (
        "growth_decile",
        "What each tenth of the earlier holders, the poorest first, has later over what it had: do the rich get richer? Ties share their block's mean; null in the list where a tenth has nobody.",
    ),
];

/// The columns of vintages, with their readings.
const VINTAGES: [(&str, &str); 5] = [
    ("snapshot", "The snapshot."),
    ("vintage", "The snapshot in which these owners first hold something."),
    ("n_holders", "How many of them hold something in this one."),
    ("total", "What they hold together, exactly, in text."),
    ("share", "That of what all hold."),
];

/// The keys of groups, and what their columns are.
struct Keys<'a> {
    columns: &'a [ArrayRef],
    times: &'a [usize],
    assets: &'a [usize],
    shown: &'a [Option<String>],
    schema: &'a GroupSchema,
}

impl Keys<'_> {
    /// The columns that name the assets of some groups.
    fn assets(&self, groups: &UInt32Array) -> Result<(Vec<Field>, Vec<ArrayRef>)> {
        let fields = self.assets.iter().map(|&column| self.schema.fields[column].clone()).collect();
        let arrays = self.assets.iter().map(|&column| taken(&self.columns[column], groups));
        Ok((fields, arrays.collect::<Result<_>>()?))
    }

    /// The snapshots of some groups: in words where files name them differently.
    fn snapshots(&self, groups: &UInt32Array) -> Result<ArrayRef> {
        match self.times {
            [one] => taken(&self.columns[*one], groups),
            _ => Ok(Arc::new(StringArray::from_iter(
                groups.values().iter().map(|&group| self.shown[group as usize].as_ref()),
            ))),
        }
    }
}

fn taken(column: &ArrayRef, groups: &UInt32Array) -> Result<ArrayRef> {
    take(column, groups, None).map_err(Error::arrow("build the result"))
}

/// The columns of one table.
#[derive(Default)]
pub(crate) struct Rows {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Rows {
    pub(crate) fn add(&mut self, name: &str, reading: &str, array: ArrayRef) {
        let reading = HashMap::from([("reading".to_owned(), reading.to_owned())]);
        self.fields.push(Field::new(name, array.data_type().clone(), true).with_metadata(reading));
        self.arrays.push(array);
    }

    pub(crate) fn finish(self, keys: usize, provenance: HashMap<String, String>) -> Result<Results> {
        let schema = Schema::new(self.fields).with_metadata(provenance);
        let table = RecordBatch::try_new(Arc::new(schema), self.arrays);
        Ok(Results::of(table.map_err(Error::arrow("build the result"))?, keys))
    }
}

/// A row per pair.
fn table(
    keys: &Keys<'_>,
    pairs: &[(usize, usize)],
    found: &[Pair],
    measured: &RecordBatch,
    options: &Options,
    provenance: HashMap<String, String>,
) -> Result<Results> {
    let from: UInt32Array = pairs.iter().map(|pair| pair.0 as u32).collect();
    let to: UInt32Array = pairs.iter().map(|pair| pair.1 as u32).collect();
    let (fields, arrays) = keys.assets(&from)?;
    let mut rows = Rows { fields, arrays };
    let numbers = |of: fn(&Pair) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(found.iter().map(of)))
    };
    let counts =
        |of: fn(&Pair) -> u64| -> ArrayRef { Arc::new(UInt64Array::from_iter_values(found.iter().map(of))) };
    let own: [ArrayRef; COLUMNS.len()] = [
        keys.snapshots(&from)?,
        keys.snapshots(&to)?,
        counts(|pair| pair.entered),
        counts(|pair| pair.exited),
        counts(|pair| pair.stayed),
        numbers(|pair| pair.moved_share),
        numbers(|pair| pair.top_10_overlap),
        numbers(|pair| pair.top_100_overlap),
        numbers(|pair| pair.rank_correlation),
        lists(found.iter().map(|pair| pair.growth.clone())),
    ];
    COLUMNS.iter().zip(own).for_each(|((name, reading), array)| rows.add(name, reading, array));
    for metric in metrics::select(metrics::catalog(&options.extras), &options.metrics)? {
        let column = measured.column_by_name(&metric.name).expect("it was measured");
        let reading = format!("The change of {}.", metric.name);
        rows.add(&format!("d_{}", metric.name), &reading, difference(column, metric.kind, pairs));
    }
    rows.finish(keys.assets.len() + 2, provenance)
}

/// A row per asset, snapshot and vintage.
fn vintage_table(
    keys: &Keys<'_>,
    vintages: &[Vintage],
    units: &[Unit],
    decimals: u8,
    provenance: HashMap<String, String>,
) -> Result<Results> {
    let groups: UInt32Array = vintages.iter().map(|vintage| vintage.group as u32).collect();
    let since: UInt32Array = vintages.iter().map(|vintage| vintage.since as u32).collect();
    let (fields, arrays) = keys.assets(&groups)?;
    let mut rows = Rows { fields, arrays };
    let holders = UInt64Array::from_iter_values(vintages.iter().map(|vintage| vintage.holders));
    let totals = vintages.iter().map(|vintage| units[vintage.group].plain(&vintage.amount, decimals));
    let shares = vintages.iter().map(|vintage| ratio(&vintage.amount, &vintage.total));
    let own: [ArrayRef; VINTAGES.len()] = [
        keys.snapshots(&groups)?,
        keys.snapshots(&since)?,
        Arc::new(holders),
        Arc::new(StringArray::from_iter_values(totals)),
        Arc::new(Float64Array::from_iter_values(shares)),
    ];
    VINTAGES.iter().zip(own).for_each(|((name, reading), array)| rows.add(name, reading, array));
    rows.finish(keys.assets.len() + 2, provenance)
}

/// The later value less the earlier one, of every pair; null where either is.
fn difference(column: &ArrayRef, kind: Kind, pairs: &[(usize, usize)]) -> ArrayRef {
    match kind {
        Kind::Number => {
            let values = column.as_primitive::<Float64Type>();
            let at = |group: usize| values.is_valid(group).then(|| values.value(group));
            let changes = pairs.iter().map(|&(from, to)| Some(at(to)? - at(from)?));
            Arc::new(Float64Array::from_iter(changes))
        }
        Kind::Count => {
            let values = column.as_primitive::<UInt64Type>();
            let at = |group: usize| values.is_valid(group).then(|| values.value(group) as i64);
            let changes = pairs.iter().map(|&(from, to)| Some(at(to)? - at(from)?));
            Arc::new(Int64Array::from_iter(changes))
        }
        Kind::List(_) => {
            let values = column.as_list::<i32>();
            let at = |group: usize| values.is_valid(group).then(|| values.value(group));
            lists(pairs.iter().map(|&(from, to)| {
                let (from, to) = (at(from)?, at(to)?);
                let (from, to) = (from.as_primitive::<Float64Type>(), to.as_primitive::<Float64Type>());
                Some(to.values().iter().zip(from.values()).map(|(to, from)| Some(to - from)).collect())
            }))
        }
    }
}

/// A column of lists of doubles.
fn lists(values: impl Iterator<Item = Option<Vec<Option<f64>>>>) -> ArrayRef {
    let item = Arc::new(Field::new("element", DataType::Float64, true));
    let mut lists = ListBuilder::new(Float64Builder::new()).with_field(item);
    for value in values {
        let is_there = value.is_some();
        value.into_iter().flatten().for_each(|number| lists.values().append_option(number));
        lists.append(is_there);
    }
    Arc::new(lists.finish())
}
