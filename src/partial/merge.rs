//! Parts of one analysis to its result: runs in the order of their values, their sums appended, and a look into the few
//! runs in which answers lie.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::Field;
use num_bigint::BigUint;
use rayon::prelude::*;
use ruint::aliases::U256;

use super::cut;
use super::runs::{self, Run};
use crate::analyze::{Suspicious, check, row};
use crate::choose::Made;
use crate::cpu::Cpu;
use crate::engine::visits::{Answers, asked_of, join, measure_ranges, visit};
use crate::engine::{Measured, Settling, least};
use crate::error::{Error, Result};
use crate::groups::schema::GroupSchema;
use crate::groups::{Counts, Groups};
use crate::input::Source;
use crate::input::file::InputFile;
use crate::metrics::{self, Metric};
use crate::moments::{Ask, Needs, Sums, Total};
use crate::numbers::key::{self, Key};
use crate::numbers::tie;
use crate::numbers::unit::Unit;
use crate::numbers::wide::U320;
use crate::options::Options;
use crate::record::Recorder;
use crate::results::{self, Asked, Results, Row};

/// Groups whose rows are finished at a time.
const LOT: usize = 4096;

/// Parts, their runs known by their sums.
#[derive(Debug)]
pub struct Parts {
    files: Vec<InputFile>,
    schema: GroupSchema,
    /// Of each group, ascending.
    keys: Vec<Box<[u8]>>,
    /// The runs of each group.
    of_groups: Vec<Vec<usize>>,
    /// In the order of files and rows.
    runs: Vec<Run>,
    places: Vec<Place>,
    /// Amounts that were looked up.
    loaded: HashMap<usize, Vec<U256>>,
    provenance: HashMap<String, String>,
    /// What the parts give reason to say.
    warnings: Vec<String>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    file: usize,
    row_group: usize,
    row: usize,
}

/// What is known of runs that are adjacent in value.
enum Piece {
    /// One that no other reaches into.
    Known(usize),
    /// Several that lie within each other, or are not counted in one unit: their amounts are put in order together.
    Mixed(Vec<usize>),
}

/// The merged result.
#[derive(Debug)]
pub struct Merged {
    /// One row per group, as an analysis of all parts together has it.
    pub results: Results,
    /// What the user should know, in full sentences.
    pub warnings: Vec<String>,
}

/// Ascending holders of a group: their sums, and their amounts where they were looked up.
struct Range<'a> {
    sums: Sums,
    total: U320,
    exact: bool,
    amounts: Option<std::borrow::Cow<'a, [U256]>>,
}

impl Parts {
    /// Reads everything but the amounts.
    ///
    /// # Errors
    /// [`Error::Schema`] where a file is no partial result, or one of another analysis.
    pub fn read(sources: Vec<Source>) -> Result<Self> {
        let files = sources.into_iter().map(InputFile::open).collect::<Result<Vec<_>>>()?;
        let refuse =
            |file: &InputFile, problem: String| Error::Schema { file: file.source.shown.clone(), problem };
        let mut fields: Option<Vec<Field>> = None;
        let mut told: Option<HashMap<String, String>> = None;
        let mut inputs: Vec<serde_json::Value> = vec![];
        for file in &files {
            let own = group_fields(file).ok_or_else(|| {
                refuse(file, "is no partial result; name what `concentra analyze --partial` wrote".into())
            })?;
            if fields.get_or_insert_with(|| own.clone()) != &own {
                let names = |fields: &[Field]| {
                    fields
                        .iter()
                        .map(|field| format!("{} {}", field.name(), field.data_type()))
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                let first = fields.as_deref().map(names).unwrap_or_default();
                let problem = format!(
                    "its groups have other columns ({}) than those of {} ({first}); make the parts again with the same --by",
                    names(&own),
                    files[0].source.shown,
                );
                return Err(refuse(file, problem));
            }
            let mut own: HashMap<String, String> = file.told().into_iter().collect();
            if own.remove("concentra.partial").is_some_and(|version| version != runs::VERSION) {
                return Err(refuse(file, "was made by another version of concentra; make it again".into()));
            }
            if let Some(serde_json::Value::Array(of_file)) =
                own.remove("concentra.inputs").and_then(|text| serde_json::from_str(&text).ok())
            {
                inputs.extend(of_file);
            }
            if told.get_or_insert_with(|| own.clone()) != &own {
                let problem = format!(
                    "was made with other options or by another version than {}",
                    files[0].source.shown
                );
                return Err(refuse(file, problem));
            }
        }
        let mut provenance = told.unwrap_or_default();
        let twice = |input: &serde_json::Value| inputs.iter().filter(|other| *other == input).count() > 1;
        let warning = inputs.iter().find(|input| twice(input)).map(|input| {
            let name = input["name"].as_str().unwrap_or_default();
            format!("{name}: several parts were made of a file of this name and size; is one of them a copy?")
        });
        if !inputs.is_empty() {
            inputs.sort_by_key(|input| input["name"].to_string());
            provenance.insert("concentra.inputs".into(), serde_json::Value::Array(inputs).to_string());
        }
        let mut parts = Self {
            schema: GroupSchema::of(fields.unwrap_or_default()),
            files,
            keys: vec![],
            of_groups: vec![],
            runs: vec![],
            places: vec![],
            loaded: HashMap::new(),
            provenance,
            warnings: warning.into_iter().collect(),
        };
        parts.read_runs()?;
        Ok(parts)
    }

    fn read_runs(&mut self) -> Result<()> {
        let converter = self.schema.converter()?;
        let mut groups: BTreeMap<Box<[u8]>, Vec<usize>> = BTreeMap::new();
        for (number, file) in self.files.iter().enumerate() {
            let amounts = file.schema().index_of("amounts").ok();
            let roots: Vec<usize> =
                (0..file.schema().fields().len()).filter(|column| Some(*column) != amounts).collect();
            for row_group in 0..file.row_groups().len() {
                let mut before = 0;
                for batch in file.read(row_group, &roots)? {
                    let batch = runs::plain(&batch?)?;
                    let keys = keys_of(&self.schema, &converter, &batch)?;
                    for (row, key) in keys.into_iter().enumerate() {
                        let run = runs::read(&batch, row).ok_or_else(|| damaged(file, before + row))?;
                        groups.entry(key).or_default().push(self.runs.len());
                        self.runs.push(run);
                        self.places.push(Place { file: number, row_group, row: before + row });
                    }
                    before += batch.num_rows();
                }
            }
        }
        (self.keys, self.of_groups) = groups.into_iter().unzip();
        Ok(())
    }

    /// The runs, by their number in the order of files and rows, whose amounts these metrics need.
    pub fn wanted(&self, options: &Options) -> Result<Vec<usize>> {
        let metrics = select(options)?;
        let median = results::median_asks();
        let asks: Vec<&Ask> = metrics.iter().flat_map(|m| &m.asks).chain(&median).collect();
        let of_group = |group: usize| {
            let pieces = self.pieces(group);
            let outlines: Vec<Sums> = pieces.iter().map(|piece| self.outline(piece)).collect();
            let own = pieces.iter().map(|piece| match piece {
                Piece::Known(run) => (self.runs[*run].total, self.runs[*run].exact),
                Piece::Mixed(runs) => {
                    let total = runs.iter().fold(U320::ZERO, |sum, &run| sum + self.runs[run].total);
                    (total, runs.iter().all(|&run| self.runs[run].exact))
                }
            });
            let own: Vec<(U320, bool)> = own.collect();
            let total = Total {
                amount: own.iter().fold(U320::ZERO, |sum, own| sum + own.0),
                exact: own.iter().all(|own| own.1),
            };
            let mut asked = asked_of(&outlines, total, &asks);
            if !total.exact {
                let totals: Vec<U320> = own.iter().map(|own| own.0).collect();
                decisive(&outlines, &totals, &total.amount, &asks, &mut asked);
            }
            let mut wanted = vec![];
            for (piece, asked) in pieces.into_iter().zip(asked) {
                match piece {
                    Piece::Known(run) if asked => wanted.push(run),
                    Piece::Known(_) => {}
                    Piece::Mixed(runs) => wanted.extend(runs),
                }
            }
            wanted
        };
        let mut wanted: Vec<usize> = (0..self.keys.len()).into_par_iter().flat_map_iter(of_group).collect();
        wanted.sort_unstable();
        Ok(wanted)
    }

    /// Looks up the amounts of runs, ascending.
    fn load(&mut self, wanted: &[usize]) -> Result<()> {
        let mut rest = wanted;
        while let Some(&first) = rest.first() {
            let Place { file, row_group, .. } = self.places[first];
            let same =
                |run: &&usize| (self.places[**run].file, self.places[**run].row_group) == (file, row_group);
            let own = rest.iter().take_while(same).count();
            let (these, others) = rest.split_at(own);
            rest = others;
            let file = &self.files[file];
            let column = file.schema().index_of("amounts").map_err(Error::arrow("find the amounts"))?;
            let (mut before, mut next) = (0, these.iter().peekable());
            for batch in file.read(row_group, &[column])? {
                let batch = batch?;
                while let Some(&run) = next.next_if(|run| self.places[**run].row < before + batch.num_rows())
                {
                    let row = self.places[run].row;
                    if batch.column(0).is_null(row - before) {
                        // Whoever needs them says that they were left behind.
                        continue;
                    }
                    let amounts = runs::amounts(&batch, row - before)
                        .filter(|amounts| self.runs[run].is_of(amounts))
                        .ok_or_else(|| damaged(file, row))?;
                    self.loaded.insert(run, amounts);
                }
                before += batch.num_rows();
            }
        }
        Ok(())
    }

    /// The result, as an analysis of all parts together has it.
    pub fn merge(mut self, options: &Options, interrupted: &(dyn Fn() -> bool + Sync)) -> Result<Merged> {
        let metrics = select(options)?;
        results::refuse_clashes(&self.schema.fields, &metrics)?;
        let wanted = self.wanted(options)?;
        self.load(&wanted)?;
        let median = results::median_asks();
        let asks: Vec<&Ask> = metrics.iter().flat_map(|m| &m.asks).chain(&median).collect();
        let groups = self.groups()?;
        let keys = self.schema.columns_of(&[])?;
        let none =
            results::batch(&self.schema.fields, keys, &[], &metrics, options.decimals, Asked::default())?;
        let provenance = self.provenance_of(options);
        let mut found = Results::new(&none.schema(), self.schema.fields.len(), provenance, u64::MAX, None);
        let mut suspicious = Suspicious::default();
        for first in (0..self.keys.len()).step_by(LOT) {
            if interrupted() {
                return Err(Error::Interrupted);
            }
            let own = first..(first + LOT).min(self.keys.len());
            let row = |group| self.row(group, &groups, &metrics, &asks);
            let rows: Vec<Row> = own.clone().into_par_iter().map(row).collect::<Result<_>>()?;
            suspicious.add(first, &rows);
            let columns = self.schema.columns_of(&self.keys[own])?;
            let fields = &self.schema.fields;
            found.push(&results::batch(
                fields,
                columns,
                &rows,
                &metrics,
                options.decimals,
                Asked::default(),
            )?)?;
        }
        let warnings = [self.warnings, suspicious.warnings(&groups, &self.schema)].concat();
        Ok(Merged { results: found, warnings })
    }

    /// What the result says of its making: what its parts say, and what was asked for now.
    fn provenance_of(&self, options: &Options) -> HashMap<String, String> {
        let mut provenance = self.provenance.clone();
        let told = provenance.get("concentra.options").and_then(|text| serde_json::from_str(text).ok());
        let mut told: serde_json::Map<String, serde_json::Value> = told.unwrap_or_default();
        told.extend(options.provenance().into_iter().map(|(name, value)| (name.to_owned(), value.into())));
        provenance.insert("concentra.options".into(), serde_json::Value::Object(told).to_string());
        provenance.insert("concentra.schema_version".into(), results::SCHEMA_VERSION.into());
        provenance.insert("concentra.version".into(), env!("CARGO_PKG_VERSION").into());
        provenance
    }

    /// The groups with their counts and units.
    fn groups(&self) -> Result<Groups> {
        let mut groups = Groups {
            keys: self.keys.clone(),
            counts: vec![],
            units: vec![],
            cut: vec![],
            ranks: vec![],
            of_task: vec![],
            excluded: Default::default(),
            looked_through: Default::default(),
            prices: Default::default(),
            below: Default::default(),
        };
        for (group, runs) in self.of_groups.iter().enumerate() {
            let mut counts = Counts::default();
            for &run in runs {
                let Run { own, sums, .. } = &self.runs[run];
                // Each is below 2^41: a sum of any number of runs that a memory holds fits.
                counts.rows += own.counts.rows;
                counts.zero += own.counts.zero;
                counts.null += own.counts.null;
                counts.excluded += own.counts.excluded;
                counts.negative += own.counts.negative;
                counts.holders += sums.n;
                for &(unit, sum) in &own.excluded {
                    groups.excluded.add_sum(group as u32, unit, sum);
                }
            }
            if counts.holders > 1 << 32 {
                return Err(self.wrong(group, "it has more than 2^32 holders", "split it"));
            }
            groups.counts.push(counts);
            groups.units.push(self.unit(group)?);
        }
        Ok(groups)
    }

    fn wrong(&self, group: usize, problem: &str, remedy: &str) -> Error {
        Error::Group {
            group: self.schema.show(&self.keys[group]),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// The finest unit of the runs that have holders.
    fn unit(&self, group: usize) -> Result<Unit> {
        let runs = self.of_groups[group].iter().map(|&run| &self.runs[run]);
        let runs: Vec<&Run> = runs.filter(|run| run.sums.n > 0).collect();
        let Some(first) = runs.first() else { return Ok(Unit::Decimal(0)) };
        let unit = runs.iter().try_fold(first.unit, |unit, run| unit.finer(run.unit)).ok_or_else(|| {
            self.wrong(
                group,
                "its amounts are doubles in one part and exact in another, which share no unit",
                "choose columns of one kind with --amount",
            )
        })?;
        let Unit::Binary(exponent) = unit else { return Ok(unit) };
        // What an analysis counts doubles in where they span more than 256 bits; bits below are cut off.
        let highest = runs.iter().filter_map(|run| run.highest()).max().unwrap_or(exponent);
        let widest = highest - 255;
        let is_cut = runs.iter().any(|run| !run.exact);
        if exponent < widest || (is_cut && exponent > widest) {
            return Err(self.wrong(
                group,
                "its parts are not counted in one unit, or in one that cuts bits of doubles off",
                &format!("make them again with --unit 2^{}", widest.max(-1074)),
            ));
        }
        Ok(unit)
    }

    /// A group's runs in the order of their values.
    fn pieces(&self, group: usize) -> Vec<Piece> {
        let mut runs: Vec<usize> =
            self.of_groups[group].iter().copied().filter(|&run| self.runs[run].sums.n > 0).collect();
        let Some(&first) = runs.first() else { return vec![] };
        if runs.iter().any(|&run| self.runs[run].unit != self.runs[first].unit) {
            return vec![Piece::Mixed(runs)];
        }
        runs.sort_by_key(|&run| (self.runs[run].sums.first, self.runs[run].sums.last, run));
        let mut pieces: Vec<Vec<usize>> = vec![];
        let mut reach = 0;
        for run in runs {
            let Sums { first, last, .. } = self.runs[run].sums;
            let joins = first < reach || (first == reach && !self.is_border(group, first));
            match pieces.last_mut().filter(|_| joins) {
                Some(piece) => piece.push(run),
                None => pieces.push(vec![run]),
            }
            reach = last.max(reach);
        }
        let piece = |mut runs: Vec<usize>| {
            if runs.len() == 1 { Piece::Known(runs.remove(0)) } else { Piece::Mixed(runs) }
        };
        pieces.into_iter().map(piece).collect()
    }

    /// Whether runs of a group that meet in a key stand in the order of their amounts: equal ones, or those of one part.
    fn is_border(&self, group: usize, key: Key) -> bool {
        let of_group = self.of_groups[group].iter().copied();
        let mut meet = of_group.filter(|&run| {
            let Sums { n, first, last, .. } = self.runs[run].sums;
            n > 0 && (first..=last).contains(&key)
        });
        let Some(first) = meet.clone().next() else { return true };
        meet.clone().all(|run| self.runs[run].exact)
            || meet.all(|run| self.places[run].file == self.places[first].file)
    }

    fn outline(&self, piece: &Piece) -> Sums {
        match piece {
            Piece::Known(run) => self.runs[*run].sums,
            Piece::Mixed(runs) => {
                runs.iter().fold(Sums::default(), |all, &run| join(&all, &self.runs[run].sums))
            }
        }
    }

    /// A group's holders in the order of their values.
    fn ranges(&self, group: usize, unit: Unit) -> Result<Vec<Range<'_>>> {
        let mut ranges = vec![];
        for piece in self.pieces(group) {
            match piece {
                Piece::Known(run) => {
                    let Run { sums, total, exact, .. } = &self.runs[run];
                    let amounts = self.loaded.get(&run).map(|amounts| amounts[..].into());
                    ranges.push(Range { sums: *sums, total: *total, exact: *exact, amounts });
                }
                Piece::Mixed(runs) => {
                    let whole = runs.iter().all(|&run| self.is_whole(run));
                    let mut all = vec![];
                    for run in runs {
                        all.extend(self.amounts(group, run, unit)?);
                    }
                    all.par_sort_unstable();
                    let cut = cut(&all, unit, whole)?;
                    ranges.extend(cut.into_iter().map(|(Run { sums, total, exact, .. }, amounts)| Range {
                        sums,
                        total,
                        exact,
                        amounts: Some(amounts.into()),
                    }));
                }
            }
        }
        Ok(ranges)
    }

    /// Whether a run that is not exact is so for its keys alone.
    fn is_whole(&self, run: usize) -> bool {
        let inexact = |amounts: &Vec<U256>| amounts.iter().any(|&amount| !key::of(amount).1);
        self.runs[run].exact || self.loaded.get(&run).is_some_and(inexact)
    }

    /// The amounts of a run in a unit.
    fn amounts(&self, group: usize, run: usize, unit: Unit) -> Result<Vec<U256>> {
        let amounts = self.loaded.get(&run).ok_or_else(|| self.left_behind(group))?;
        let times = self.runs[run].unit.times(unit);
        if times == BigUint::from(1u8) {
            return Ok(amounts.clone());
        }
        let times = U256::try_from_le_slice(&times.to_bytes_le());
        let scaled = |amount: &U256| times.and_then(|times| amount.checked_mul(times));
        amounts.iter().map(scaled).collect::<Option<_>>().ok_or_else(|| {
            self.wrong(
                group,
                "its parts together need more than 256 bits",
                "keep amounts of such different sizes in groups of their own",
            )
        })
    }

    fn left_behind(&self, group: usize) -> Error {
        self.wrong(group, "the amounts of a run are missing in its part", "make the part again")
    }

    fn row(&self, group: usize, groups: &Groups, metrics: &[Metric], asks: &[&Ask]) -> Result<Row> {
        let unit = groups.units[group];
        let ranges = self.ranges(group, unit)?;
        let total = Total {
            amount: ranges.iter().fold(U320::ZERO, |sum, range| sum + range.total),
            exact: ranges.iter().all(|range| range.exact),
        };
        let mut measured = Measured { moments: None, open: false };
        if !ranges.is_empty() {
            let outlines: Vec<Sums> = ranges.iter().map(|range| range.sums).collect();
            let recorder = Recorder::default();
            measured = measure_ranges(&outlines, total, asks, |at, asked| {
                if asked.is_empty() {
                    return Ok(Answers::known(outlines[at]));
                }
                let amounts = ranges[at].amounts.as_ref().ok_or_else(|| self.left_behind(group))?;
                let mut keys: Vec<Key> = amounts.iter().map(|&amount| key::of(amount).0).collect();
                let answers = visit(&Cpu, "run", &mut keys, Needs::ALL, asked, &recorder)?;
                if answers.sums != outlines[at] {
                    return Err(self.wrong(
                        group,
                        "a run's sums are not those of its amounts",
                        "make the parts again",
                    ));
                }
                Ok(answers)
            })?;
        }
        if measured.open {
            let mut settling = Settling::new(&mut measured);
            for range in ranges.iter().rev() {
                if !settling.pass(&range.sums, &range.total) {
                    let amounts = range.amounts.as_ref().ok_or_else(|| self.left_behind(group))?;
                    settling.take(&mut amounts.to_vec());
                }
            }
            settling.finish();
        }
        let (counts, below) = (groups.counts[group], U320::ZERO);
        Ok(row(groups, group, counts, &below, &total, &measured, metrics, &Made::on_cpu()))
    }
}

/// Marks the ranges whose exact amounts may decide a count.
fn decisive(outlines: &[Sums], totals: &[U320], total: &U320, asks: &[&Ask], marked: &mut [bool]) {
    for ask in asks {
        match ask {
            Ask::Exceeding(fraction) => {
                let bound = tie::fraction(total, fraction.numerator, fraction.denominator);
                let mut sum = U320::ZERO;
                for at in (0..outlines.len()).rev() {
                    sum += totals[at];
                    if sum > bound {
                        marked[at] = true;
                        break;
                    }
                }
            }
            Ask::AtLeast(fraction) => {
                let Some((certain, possible)) = tie::at_least(&least(total, *fraction)) else { continue };
                for (at, outline) in outlines.iter().enumerate() {
                    marked[at] |= outline.first < certain && outline.last >= possible;
                }
            }
            _ => {}
        }
    }
}

fn select(options: &Options) -> Result<Vec<Metric>> {
    check(options)?;
    metrics::select(metrics::catalog(&options.extras), &options.metrics)
}

/// The columns before those of runs; none where the file has no runs.
fn group_fields(file: &InputFile) -> Option<Vec<Field>> {
    let fields = file.schema().fields();
    let first = fields.iter().position(|field| field.name() == runs::COLUMNS[0].0)?;
    let own = fields.iter().skip(first).map(|field| field.name().as_str());
    let is_partial = own.eq(runs::COLUMNS.iter().map(|(name, _)| *name));
    let plain = |field: &std::sync::Arc<Field>| Field::new(field.name(), field.data_type().clone(), true);
    is_partial.then(|| fields[..first].iter().map(plain).collect())
}

/// The keys of a batch's rows.
fn keys_of(
    schema: &GroupSchema,
    converter: &arrow::row::RowConverter,
    batch: &RecordBatch,
) -> Result<Vec<Box<[u8]>>> {
    if schema.fields.is_empty() {
        return Ok(vec![Box::default(); batch.num_rows()]);
    }
    let columns: Vec<ArrayRef> = batch.columns()[..schema.fields.len()].to_vec();
    let rows = converter.convert_columns(&columns).map_err(Error::arrow("compare group columns"))?;
    Ok(rows.iter().map(|row| row.as_ref().into()).collect())
}

fn damaged(file: &InputFile, row: usize) -> Error {
    Error::Schema {
        file: file.source.shown.clone(),
        problem: format!(
            "row {} is no run of holders, or its sums are not those of its amounts; make the part again",
            row + 1
        ),
    }
}
