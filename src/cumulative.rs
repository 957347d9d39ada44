//! `--cumulative`: what came to each owner between two snapshots, of ledgers that tell what came to it so far.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema};
use num_bigint::{BigInt, BigUint, Sign};
use parquet::arrow::ArrowWriter;
use rayon::prelude::*;

use crate::columns::owner;
use crate::error::{Error, Result};
use crate::groups::Groups;
use crate::ingest::{Context, Ingest, OF_PLAYER, Player};
use crate::input::Source;
use crate::memory::{self, Memory};
use crate::options::{By, Negatives, Options, Owners, Snapshot};
use crate::population::Population;
use crate::timeline::{by_time, named_by, nameless, series, snapshots};

/// Opens the input as it is, or the differences of its snapshots, with the options to go on with.
pub fn open(options: &Options, context: &Context<'_>) -> Result<(Ingest, Options)> {
    if !options.cumulative {
        return Ok((Ingest::open(options, context)?, options.clone()));
    }
    // Whoever is left out or merged later is there first, or its differences would be wrong.
    let plain = Options {
        exclude: vec![],
        labels: vec![],
        entities: false,
        min_amount: None,
        min_value: None,
        top_holders: None,
        cohorts: None,
        owners: if options.owners == Owners::Check { Owners::Check } else { Owners::Merge },
        ..options.clone()
    };
    let ingest = Ingest::open(&plain, context)?;
    let Differences { source, fields, notes } = differences(&ingest, &plain, context)?;
    let by = fields[..fields.len() - 2].iter().map(|field| field.name().clone()).collect();
    let [.., owner, amount] = &fields[..] else { unreachable!("an owner and an amount come last") };
    let own = Options {
        paths: vec![],
        tables: vec![],
        by: By::Columns(by),
        owner: Some(owner.name().clone()),
        amount: Some(amount.name().clone()),
        snapshot: match &options.snapshot {
            Snapshot::Column(column) => Snapshot::Column(column.clone()),
            _ => Snapshot::Auto,
        },
        // They are told of, and counted.
        negatives: Negatives::Drop,
        ..options.clone()
    };
    let population = Arc::new(Population::load(options)?);
    let notes = [ingest.warnings(&plain), notes].concat();
    let said = ingest.provenance(options);
    let ingest = Ingest::of(vec![source], population, &own, context)?;
    Ok((ingest.made_of(said, notes), own))
}

/// A file of differences.
struct Differences {
    source: Source,
    /// Group columns, the owner and the amount.
    fields: Vec<Field>,
    notes: Vec<String>,
}

/// Bytes of a difference.
const OF_ROW: u64 = 150;

/// What came to whom in one snapshot since another.
struct Row {
    group: u32,
    owner: Option<Box<[u8]>>,
    /// Below zero where the ledger was restated; none in the one row of a group in which nobody has anything.
    amount: Option<String>,
}

fn differences(ingest: &Ingest, options: &Options, context: &Context<'_>) -> Result<Differences> {
    let (times, assets) = snapshots(ingest, options, "--cumulative")?;
    let counted = ingest.count(usize::MAX, options, context)?;
    let memory = Memory::of(options.memory_limit).beside(ingest.population.bytes());
    let players = ingest.players(&counted, &memory, options, context)?;
    let groups = &counted.groups;
    let held: u64 = players.iter().map(|own| own.len() as u64).sum();
    let needed = held * (OF_PLAYER + 2 * OF_ROW);
    if needed > memory.room(groups.keys.len()) {
        return Err(Error::Memory(format!(
            "all sums and their differences are held in memory, about {}; allow more with --memory-limit, or read fewer \
             files at a time",
            memory::show(needed)
        )));
    }
    let columns = ingest.schema.columns_of(&groups.keys)?;
    let (order, shown) = by_time(&columns, &times)?;
    let moment = |group: usize| (named_by(&columns, &times, group), shown[group].as_deref());
    // Moments in their order, on as many timelines as there are columns that name them.
    let mut moments: HashMap<_, usize> = HashMap::new();
    let mut firsts: BTreeMap<Option<usize>, Option<&str>> = BTreeMap::new();
    for &group in &order {
        let next = moments.len();
        moments.entry(moment(group)).or_insert(next);
        firsts.entry(moment(group).0).or_insert(moment(group).1);
    }
    let of_assets = series(&columns, &times, &assets, &order)?;
    let of_asset = |own: &Vec<usize>| -> Result<Vec<Row>> {
        let mut rows = vec![];
        let mut before: Option<usize> = None;
        for &group in own {
            if (context.interrupted)() {
                return Err(Error::Interrupted);
            }
            // Before its first snapshot an asset had nobody, but where all begins, nobody knows.
            if before.is_some() || firsts[&moment(group).0] != moment(group).1 {
                rows.extend(since(before, group, &players, groups, ingest)?);
            }
            before = Some(group);
        }
        Ok(rows)
    };
    let rows = of_assets.par_iter().map(of_asset).collect::<Result<Vec<Vec<Row>>>>()?;
    let rows: Vec<Row> = rows.into_iter().flatten().collect();
    let mut notes: Vec<String> = nameless(&shown).into_iter().collect();
    for first in firsts.values().flatten() {
        notes.push(format!("differences begin with snapshot {first}, which has no row itself"));
    }
    let gap = |pair: &[usize]| moments[&moment(pair[1])] - moments[&moment(pair[0])] > 1;
    let gaps = of_assets.iter().flat_map(|own| own.windows(2)).filter(|pair| gap(pair)).count();
    if gaps > 0 {
        let times = if gaps == 1 { "1 time".into() } else { format!("{gaps} times") };
        notes.push(format!(
            "{times} an asset was absent from snapshots: the difference is that since it was there"
        ));
    }
    let is_restated = |row: &&Row| row.amount.as_ref().is_some_and(|amount| amount.starts_with('-'));
    let restated: Vec<&Row> = rows.iter().filter(|row| is_restated(row)).collect();
    if let Some(first) = restated.first() {
        let mut of: Vec<u32> = restated.iter().map(|row| row.group).collect();
        of.sort_unstable();
        of.dedup();
        notes.push(format!(
            "{} cumulative amounts in {} groups are below those before, or gone (the first: {}, {} by {}): such \
             restatements are left out and counted in n_negative",
            restated.len(),
            of.len(),
            ingest.schema.show(&groups.keys[first.group as usize]),
            first.owner.as_deref().map_or_else(|| "an owner".into(), owner::show),
            first.amount.as_deref().unwrap_or_default()
        ));
    }
    let free = |wanted: &str| {
        let taken =
            |name: &str| ingest.schema.fields.iter().any(|field| field.name().eq_ignore_ascii_case(name));
        let mut name = wanted.to_owned();
        while taken(&name) {
            name.push('_');
        }
        Field::new(name, DataType::Utf8, true)
    };
    let mut fields = ingest.schema.fields.clone();
    fields.extend([free("owner"), free("amount")]);
    let schema = Arc::new(Schema::new(fields.clone()));
    let failed = || Error::arrow("write differences");
    let source = Source::made(options.temp_dir.as_deref(), "the differences", |file| {
        let mut writer = ArrowWriter::try_new(file, schema.clone(), None).map_err(|e| failed()(e.into()))?;
        for rows in rows.chunks(1 << 16) {
            let of = UInt32Array::from_iter_values(rows.iter().map(|row| row.group));
            let mut arrays: Vec<ArrayRef> = columns
                .iter()
                .map(|column| take(column, &of, None))
                .collect::<Result<_, _>>()
                .map_err(failed())?;
            let (mut owners, mut amounts) = (StringBuilder::new(), StringBuilder::new());
            for row in rows {
                owners.append_option(row.owner.as_deref().map(owner::show));
                amounts.append_option(row.amount.as_ref());
            }
            arrays.extend([Arc::new(owners.finish()) as ArrayRef, Arc::new(amounts.finish())]);
            let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(failed())?;
            writer.write(&batch).map_err(|e| failed()(e.into()))?;
        }
        writer.close().map(drop).map_err(|e| failed()(e.into()))
    })?;
    Ok(Differences { source, fields, notes })
}

/// What came to everybody since an earlier snapshot of the asset; of who was there at either.
fn since(
    before: Option<usize>,
    group: usize,
    players: &[Vec<Player>],
    groups: &Groups,
    ingest: &Ingest,
) -> Result<Vec<Row>> {
    let unit = groups.units[group];
    let earlier = before.map_or(unit, |before| groups.units[before]);
    // Who has nothing has no unit either.
    let finest = match before.filter(|&before| !players[before].is_empty() && !players[group].is_empty()) {
        None if players[group].is_empty() => earlier,
        None => unit,
        Some(_) => unit.finer(earlier).ok_or_else(|| Error::Group {
            group: ingest.schema.show(&groups.keys[group]),
            problem:
                "its amounts are doubles and those of the snapshot before are not, or the other way around"
                    .into(),
            remedy: "write all as text or numbers".into(),
        })?,
    };
    let mut own: BTreeMap<Option<&[u8]>, BigInt> = BTreeMap::new();
    for (group, sign) in before.map(|before| (before, Sign::Minus)).into_iter().chain([(group, Sign::Plus)]) {
        let scale = groups.units[group].times(finest);
        for player in &players[group] {
            let amount = BigUint::from_bytes_le(player.amount.as_le_slice()) * &scale;
            *own.entry(player.owner.as_deref()).or_default() += BigInt::from_biguint(sign, amount);
        }
    }
    let row = |(owner, amount): (Option<&[u8]>, BigInt)| {
        let (sign, size) = amount.into_parts();
        let text = finest.text(&size, 0);
        let amount = if sign == Sign::Minus { format!("-{text}") } else { text };
        Row { group: group as u32, owner: owner.map(Into::into), amount: Some(amount) }
    };
    if own.is_empty() {
        return Ok(vec![Row { group: group as u32, owner: None, amount: None }]);
    }
    Ok(own.into_iter().map(row).collect())
}
