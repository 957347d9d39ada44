//! A result as it was written: its rows, what kind they are, and which of its columns say where and when.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::kernels::cast_utils::Parser;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type, Int64Type};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::groups::schema::convert;
use crate::input::Source;
use crate::input::file::InputFile;
use crate::input::roles::is_snapshot;
use crate::output::table::shortened;

/// What the rows of a result are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Groups, of `analyze`.
    Groups,
    /// Cohorts of groups, of `analyze --cohort-table`.
    Cohorts,
    /// Voters, of `power`.
    Voters,
    /// Games, of `power --games`.
    Games,
    /// Pairs of snapshots, of `change`.
    Changes,
    /// Vintages in snapshots, of `change --vintages`.
    Vintages,
}

impl Kind {
    /// By columns that no other result has.
    fn of(rows: &RecordBatch) -> Option<Self> {
        let has = |names: &[&str]| names.iter().all(|name| rows.column_by_name(name).is_some());
        let kinds: [(&[&str], Self); 6] = [
            (&["n_rows", "n_holders", "total", "backend"], Self::Groups),
            (&["cohort", "n_holders", "share"], Self::Cohorts),
            (&["owner", "weight", "share", "banzhaf"], Self::Voters),
            (&["quota", "n_voters", "min_coalition"], Self::Games),
            (&["snapshot_from", "snapshot_to", "moved_share"], Self::Changes),
            (&["snapshot", "vintage", "share"], Self::Vintages),
        ];
        kinds.into_iter().find(|(names, _)| has(names)).map(|(_, kind)| kind)
    }
}

/// A result.
#[derive(Debug)]
pub struct Sheet {
    /// The file's name.
    pub name: String,
    /// What its rows are.
    pub kind: Kind,
    /// All of them.
    pub table: RecordBatch,
    /// What the footer tells of it: the program's version, inputs, options.
    pub told: BTreeMap<String, Value>,
    /// Which columns name the snapshot; a row has one of them.
    times: Vec<usize>,
    /// Which other columns name the group.
    assets: Vec<usize>,
    /// Whether there are several snapshots.
    is_dated: bool,
    /// What each row's asset is called.
    labels: Vec<String>,
}

/// The rows of one asset in the order of their snapshots.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The asset, shortened; empty where there is only one.
    pub asset: String,
    /// The column that names the snapshots, if any does.
    pub clock: Option<usize>,
    /// Its rows.
    pub rows: Vec<usize>,
}

/// When a row is.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// As it is written.
    pub shown: String,
    /// Its place on an axis: a number, a day, or its rank among texts.
    pub at: f64,
}

impl Sheet {
    /// Reads the results behind a path; the parts of a folder that have the same columns are one.
    ///
    /// # Errors
    /// [`Error::Schema`] where the file is no result of concentra that has pictures.
    pub fn of(sources: Vec<Source>, path: &str) -> Result<Vec<Self>> {
        let mut sheets: Vec<Self> = vec![];
        for source in sources {
            let part = Self::read(source)?;
            let same =
                |sheet: &&mut Self| sheet.kind == part.kind && sheet.table.schema() == part.table.schema();
            let Some(sheet) = sheets.iter_mut().find(same) else {
                sheets.push(part);
                continue;
            };
            let both = [&sheet.table, &part.table];
            sheet.table =
                concat_batches(&part.table.schema(), both).map_err(Error::arrow("join the parts"))?;
            sheet.name = path.trim_end_matches('/').to_owned();
            sheet.name_assets();
            sheet.is_dated = sheet.has_several_snapshots();
            if let (Some(Value::Array(ours)), Some(Value::Array(theirs))) =
                (sheet.told.get_mut("concentra.inputs"), part.told.get("concentra.inputs"))
            {
                ours.extend(theirs.iter().cloned());
            }
        }
        Ok(sheets)
    }

    fn read(source: Source) -> Result<Self> {
        let file = InputFile::open(source)?;
        let refuse =
            |problem: &str| Error::Schema { file: file.source.shown.clone(), problem: problem.to_owned() };
        if !file.is_result() {
            return Err(refuse(
                "is no result of concentra; name what `concentra analyze -o FILE.parquet` wrote",
            ));
        }
        let roots: Vec<usize> = (0..file.schema().fields().len()).collect();
        let mut batches = vec![];
        for row_group in 0..file.row_groups().len() {
            for batch in file.read(row_group, &roots)? {
                batches.push(batch?);
            }
        }
        let rows = concat_batches(file.schema(), &batches).map_err(Error::arrow("read the result"))?;
        // A sweep has the columns of an analysis, and many rows for each of its groups.
        let is_sweep = file.told().iter().any(|(key, _)| key == "concentra.sweep");
        let kind = Kind::of(&rows).filter(|_| !is_sweep).ok_or_else(|| {
            refuse("there are no pictures of this result; of analyze, power and change there are")
        })?;
        let told: BTreeMap<String, Value> = file
            .told()
            .into_iter()
            .map(|(key, text)| (key, serde_json::from_str(&text).unwrap_or(Value::String(text))))
            .collect();
        let (times, assets) = keys(&rows, kind, &told);
        let mut sheet = Self {
            name: file.source.name.clone(),
            kind,
            table: rows,
            told,
            times,
            assets,
            is_dated: false,
            labels: vec![],
        };
        sheet.name_assets();
        sheet.is_dated = sheet.has_several_snapshots();
        Ok(sheet)
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.table.num_rows()
    }

    /// Whether it has a column.
    pub fn has(&self, column: &str) -> bool {
        self.table.column_by_name(column).is_some()
    }

    /// The names of the columns that name a group.
    pub fn keys(&self) -> Vec<&str> {
        let schema = self.table.schema_ref();
        let mut columns: Vec<usize> = self.times.iter().chain(&self.assets).copied().collect();
        columns.sort_unstable();
        columns.into_iter().map(|column| schema.field(column).name().as_str()).collect()
    }

    /// What the documentation of a column says: `title`, `unit`, `reading`.
    pub fn doc(&self, column: &str, what: &str) -> Option<&str> {
        let field = self.table.schema_ref().field_with_name(column).ok()?;
        field.metadata().get(what).map(String::as_str)
    }

    /// A number of a row; none where it is null or no number.
    pub fn number(&self, column: &str, row: usize) -> Option<f64> {
        number(self.table.column_by_name(column)?, row)
    }

    /// A list of a row.
    pub fn list(&self, column: &str, row: usize) -> Option<Vec<Option<f64>>> {
        let lists = self.table.column_by_name(column)?.as_list_opt::<i32>()?;
        let values = lists.is_valid(row).then(|| lists.value(row))?;
        Some(values.as_primitive_opt::<Float64Type>()?.iter().map(|x| x.filter(|x| x.is_finite())).collect())
    }

    /// A value of a row in words; none where it is null.
    pub fn text(&self, column: &str, row: usize) -> Option<String> {
        text(self.table.column_by_name(column)?, row)
    }

    /// The row's group without its snapshot: long addresses shortened, unless others look the same then.
    pub fn asset(&self, row: usize) -> &str {
        &self.labels[row]
    }

    /// The same unshortened.
    pub fn whole(&self, row: usize) -> String {
        self.whole_asset(row).into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// The row's group without its snapshot, in words that no other group has.
    fn whole_asset(&self, row: usize) -> Vec<Option<String>> {
        self.assets.iter().map(|&column| text(self.table.column(column), row)).collect()
    }

    /// What each row's asset is called.
    fn name_assets(&mut self) {
        let wholes: Vec<Vec<Option<String>>> = (0..self.rows()).map(|row| self.whole_asset(row)).collect();
        let join = |whole: &[Option<String>], show: fn(&str) -> String| {
            whole.iter().flatten().map(|text| show(text)).collect::<Vec<_>>().join(" ")
        };
        let mut owners: HashMap<String, &[Option<String>]> = HashMap::new();
        let mut shared: HashSet<String> = HashSet::new();
        for whole in &wholes {
            let label = join(whole, shortened);
            if *owners.entry(label.clone()).or_insert(whole) != &whole[..] {
                shared.insert(label);
            }
        }
        let name = |whole: &Vec<Option<String>>| {
            let label = join(whole, shortened);
            if shared.contains(&label) { join(whole, str::to_owned) } else { label }
        };
        self.labels = wholes.iter().map(name).collect();
    }

    /// The row's snapshot in words; empty where it has none.
    pub fn snapshot(&self, row: usize) -> String {
        let named = |&column: &usize| {
            let text = shortened(&text(self.table.column(column), row)?);
            // A small number alone says nothing.
            let small = text.len() < 5 && text.parse::<u32>().is_ok();
            Some(if small { format!("{} {text}", self.column_name(column)) } else { text })
        };
        self.times.iter().find_map(named).unwrap_or_default()
    }

    /// Whether each row has all the columns that name groups.
    pub fn is_uniform(&self) -> bool {
        self.times.iter().chain(&self.assets).all(|&column| self.table.column(column).null_count() == 0)
    }

    fn has_several_snapshots(&self) -> bool {
        let first = (self.rows() > 0).then(|| self.snapshot(0));
        (1..self.rows()).any(|row| Some(self.snapshot(row)) != first)
    }

    /// The row's whole group in words, with its snapshot where there are several.
    pub fn group(&self, row: usize) -> String {
        let snapshot = if self.is_dated { self.snapshot(row) } else { String::new() };
        let parts = [self.asset(row).to_owned(), snapshot];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Whether a column counts something.
    pub fn is_count(&self, column: &str) -> bool {
        self.table.column_by_name(column).is_some_and(|values| values.data_type().is_integer())
    }

    /// The name of a column by its number.
    pub fn column_name(&self, column: usize) -> &str {
        self.table.schema_ref().field(column).name()
    }

    /// The rows of each asset; assets with more holders first, snapshots in their order. Snapshots that are named by
    /// different columns are not set on one axis.
    pub fn series(&self) -> Vec<Series> {
        let mut series: Vec<Series> = vec![];
        let mut known: HashMap<(Vec<Option<String>>, Option<usize>), usize> = HashMap::new();
        for row in 0..self.rows() {
            let clock = self.times.iter().copied().find(|&column| self.table.column(column).is_valid(row));
            let at = *known.entry((self.whole_asset(row), clock)).or_insert(series.len());
            if at == series.len() {
                series.push(Series { asset: self.asset(row).to_owned(), clock, rows: vec![] });
            }
            series[at].rows.push(row);
        }
        for &clock in &self.times {
            let moments = self.moments(clock);
            let at = |row: &usize| moments[*row].as_ref().map_or(f64::NAN, |moment| moment.at);
            for series in series.iter_mut().filter(|series| series.clock == Some(clock)) {
                series.rows.sort_by(|a, b| at(a).total_cmp(&at(b)));
            }
        }
        let size = |series: &Series| {
            let last = series.rows.last().copied().unwrap_or(0);
            ["n_holders", "n_voters", "n_stayed"].iter().find_map(|column| self.number(column, last))
        };
        series.sort_by(|a, b| size(b).partial_cmp(&size(a)).unwrap_or(Ordering::Equal));
        series
    }

    /// When each row is, by one column.
    pub fn moments(&self, column: usize) -> Vec<Option<Moment>> {
        let values = self.table.column(column);
        let shown: Vec<Option<String>> = (0..self.rows()).map(|row| text(values, row)).collect();
        let numbers: Vec<Option<f64>> = match values.data_type() {
            t if t.is_numeric() || t.is_temporal() => {
                (0..self.rows()).map(|row| number(values, row)).collect()
            }
            _ => {
                let whole = |text: &str| text.parse::<i64>().ok().map(|x| x as f64);
                let number = |text: &Option<String>| whole(text.as_ref()?).or_else(|| day(text.as_ref()?));
                shown.iter().map(number).collect()
            }
        };
        let are_numbers = numbers.iter().zip(&shown).all(|(number, text)| number.is_some() == text.is_some());
        let mut texts: Vec<&String> = shown.iter().flatten().collect();
        texts.sort_unstable();
        texts.dedup();
        let at = |row: usize| {
            let text = shown[row].as_ref()?;
            let rank = || texts.binary_search(&text).ok().map(|rank| rank as f64);
            let at = if are_numbers { numbers[row] } else { rank() };
            at.map(|at| Moment { shown: shortened(text), at })
        };
        (0..self.rows()).map(at).collect()
    }
}

/// Which columns name snapshots, and which the rest of a group.
fn keys(rows: &RecordBatch, kind: Kind, told: &BTreeMap<String, Value>) -> (Vec<usize>, Vec<usize>) {
    let mut roles: BTreeMap<&str, &str> = BTreeMap::new();
    let inputs = told.get("concentra.inputs").and_then(Value::as_array);
    for input in inputs.into_iter().flatten() {
        for key in input.get("group").and_then(Value::as_array).into_iter().flatten() {
            let of = |what: &str| key.get(what).and_then(Value::as_str);
            if let (Some(name), Some(role)) = (of("name"), of("role")) {
                roles.insert(name, role);
            }
        }
    }
    // Columns that were named with --by are groups; names and options tell which of them is a snapshot.
    let named =
        told.get("concentra.options").and_then(|options| options.get("snapshot")).and_then(Value::as_str);
    for (name, role) in &mut roles {
        let is_time = named.map_or_else(|| is_snapshot(name), |named| name.eq_ignore_ascii_case(named));
        if *role == "group" && is_time {
            *role = "snapshot";
        }
    }
    match kind {
        Kind::Changes => {
            roles.insert("snapshot_to", "snapshot");
        }
        Kind::Vintages => {
            roles.insert("snapshot", "snapshot");
        }
        _ => {}
    }
    let schema = rows.schema_ref();
    // The group's columns are the first ones.
    let of = |column: &usize| roles.get(schema.field(*column).name().as_str()).copied();
    let own = (0..schema.fields().len()).filter(|column| of(column).is_some());
    own.partition(|column| of(column) == Some("snapshot"))
}

fn number(values: &ArrayRef, row: usize) -> Option<f64> {
    if values.is_null(row) {
        return None;
    }
    let one = values.slice(row, 1);
    let one = match one.data_type() {
        DataType::Date32 => cast(&one, &DataType::Int32).ok()?,
        t if t.is_temporal() => cast(&one, &DataType::Int64).ok()?,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean => return None,
        _ => one,
    };
    let exact = one.as_primitive_opt::<Int64Type>().map(|x| x.value(0) as f64);
    let small = one.as_primitive_opt::<Int32Type>().map(|x| f64::from(x.value(0)));
    let double = || Some(cast(&one, &DataType::Float64).ok()?.as_primitive::<Float64Type>().value(0));
    exact.or(small).or_else(double).filter(|x| x.is_finite())
}

fn text(values: &ArrayRef, row: usize) -> Option<String> {
    if values.is_null(row) {
        return None;
    }
    let text = convert(&values.slice(row, 1), &DataType::Utf8).ok()?;
    Some(text.as_string_opt::<i32>()?.value(0).to_owned())
}

/// The day of a date as text, counted from 1970.
fn day(text: &str) -> Option<f64> {
    Date32Type::parse(text).map(f64::from)
}
