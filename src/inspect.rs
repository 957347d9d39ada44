//! What files hold, and what `analyze` would make of them.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use hashbrown::DefaultHashBuilder;

use crate::columns::{self, Amounts, BadCell, owner};
use crate::error::{Error, Result};
use crate::groups::schema::{GroupSchema, projected};
use crate::ingest::{Context, Ingest};
use crate::input::file::InputFile;
use crate::input::roles::{self, Encoding, Found, KeyColumn, KeySource, Roles};
use crate::input::{Source, discover};
use crate::metrics::{Extras, catalog};
use crate::options::{Negatives, Options};
use crate::population::Population;
use crate::results::refuse_clashes;

mod range;
mod view;

pub use range::Range;
pub use view::{json, text};

/// All files.
#[derive(Debug)]
pub struct Report {
    /// By name.
    pub files: Vec<FileReport>,
    /// What `analyze` would do with all of them, where they are several.
    pub together: Option<Verdict>,
    /// Files that cannot be read.
    pub unreadable: Vec<Error>,
}

/// One file.
#[derive(Debug)]
pub struct FileReport {
    /// As the user named it.
    pub file: String,
    /// Below the path that the user gave.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// By its footer.
    pub rows: u64,
    /// How many row groups.
    pub row_groups: u64,
    /// What wrote it, as it says itself.
    pub written_by: String,
    /// Its columns.
    pub columns: Vec<ColumnReport>,
    /// What was found for each role.
    pub roles: Vec<RoleReport>,
    /// What the rows hold; none where no amount column is known.
    pub content: Option<Content>,
    /// What `analyze` would do, or why it would refuse.
    pub verdict: Verdict,
}

/// One column.
#[derive(Debug)]
pub struct ColumnReport {
    /// Its name.
    pub name: String,
    /// Its Arrow type.
    pub data_type: String,
}

/// What plays a role.
#[derive(Debug)]
pub struct RoleReport {
    /// snapshot, chain, asset, group, owner or amount.
    pub role: &'static str,
    /// The column's name; none where nothing plays it.
    pub column: Option<String>,
    /// Why this one.
    pub why: String,
}

/// What the rows hold.
#[derive(Debug, Default)]
pub struct Content {
    /// How many groups.
    pub groups: u64,
    /// Null amounts.
    pub null: u64,
    /// Zero amounts.
    pub zero: u64,
    /// Negative amounts.
    pub negative: u64,
    /// The first negative amount's row, the file's first row being 1.
    pub first_negative: Option<u64>,
    /// Cells that are no amount.
    pub bad: u64,
    /// The first of them.
    pub first_bad: Option<BadReport>,
    /// The smallest and the largest positive amount.
    pub range: Range,
    /// Rows whose owner has a row already in their group; none without an owner column.
    pub duplicate_owners: Option<u64>,
    /// Rows without an owner; none without an owner column.
    pub null_owners: Option<u64>,
}

/// A cell that is no amount.
#[derive(Debug)]
pub struct BadReport {
    /// Its row within the file, the first being 1.
    pub row: u64,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// What `analyze` would do.
#[derive(Debug)]
pub enum Verdict {
    /// It measures.
    Measures {
        /// So many groups.
        groups: u64,
        /// By these columns, in words.
        by: String,
    },
    /// It refuses.
    Refuses(String),
}

/// Looks at every file, and tries what `analyze` would do, with each alone and with all together.
pub fn inspect(options: &Options, context: &Context<'_>) -> Result<Report> {
    let (sources, _) =
        discover(&options.paths, &options.tables, options.temp_dir.as_deref(), context.interrupted)?;
    let population = Arc::new(Population::load(options)?);
    let mut report = Report { files: vec![], together: None, unreadable: vec![] };
    for source in &sources {
        match InputFile::open(source.clone()).and_then(|file| look(&file, &population, options, context)) {
            Ok(file) => report.files.push(file),
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(error) => report.unreadable.push(error),
        }
    }
    if sources.len() > 1 {
        report.together = Some(rehearse(sources, &population, options, context)?);
    }
    Ok(report)
}

fn look(
    file: &InputFile,
    population: &Arc<Population>,
    options: &Options,
    context: &Context<'_>,
) -> Result<FileReport> {
    let schema = file.schema();
    let column = |f: &arrow::datatypes::FieldRef| ColumnReport {
        name: f.name().clone(),
        data_type: f.data_type().to_string(),
    };
    let found = roles::find(&file.source, schema, options);
    let roles = role_reports(file, &found, options);
    let mut content = match roles::assign(&file.source, schema, options) {
        Ok(roles) => Some(content(file, roles, options, context)?),
        Err(_) => None,
    };
    let verdict = rehearse(vec![file.source.clone()], population, options, context)?;
    if let (Some(content), Verdict::Measures { groups, .. }) = (&mut content, &verdict) {
        content.groups = *groups;
    }
    Ok(FileReport {
        file: file.source.shown.clone(),
        name: file.source.name.clone(),
        bytes: file.bytes,
        rows: file.rows(),
        row_groups: file.row_groups().len() as u64,
        written_by: file.written_by(),
        columns: schema.fields().iter().map(column).collect(),
        roles,
        content,
        verdict,
    })
}

/// Does what `analyze` does before it computes.
fn rehearse(
    sources: Vec<Source>,
    population: &Arc<Population>,
    options: &Options,
    context: &Context<'_>,
) -> Result<Verdict> {
    let prefix = if sources.len() == 1 { format!("{}: ", sources[0].shown) } else { Default::default() };
    let rehearsal = Ingest::of(sources, population.clone(), options, context).and_then(|ingest| {
        refuse_clashes(&ingest.schema.fields, &catalog(&Extras::default()))?;
        let groups = ingest.gather(usize::MAX, options, context)?.0.groups.keys.len() as u64;
        let names: Vec<String> = ingest.schema.fields.iter().map(|f| f.name().clone()).collect();
        let by =
            if names.is_empty() { "all rows together".into() } else { format!("by {}", names.join(", ")) };
        Ok(Verdict::Measures { groups, by })
    });
    match rehearsal {
        Ok(verdict) => Ok(verdict),
        Err(Error::Interrupted) => Err(Error::Interrupted),
        Err(error) => {
            let said = error.to_string();
            Ok(Verdict::Refuses(said.strip_prefix(&prefix).unwrap_or(&said).to_owned()))
        }
    }
}

fn role_reports(file: &InputFile, found: &Found, options: &Options) -> Vec<RoleReport> {
    let name = |column: usize| file.schema().field(column).name().clone();
    let key = |key: &KeyColumn| RoleReport {
        role: key.role(options),
        column: Some(key.name.clone()),
        why: match key.source {
            KeySource::Column(_) => "a column of this name".into(),
            KeySource::Hive(_) => "a key=value folder".into(),
            KeySource::Stem => "the file's name, for no column is a snapshot".into(),
        },
    };
    let mut reports: Vec<RoleReport> = match &found.keys {
        Ok(keys) => keys.iter().map(key).collect(),
        Err(error) => vec![RoleReport { role: "group", column: None, why: told(error) }],
    };
    reports.push(match &found.owner {
        Ok(Some(owner)) => {
            let why = if options.owner.is_some() { "--owner" } else { "a column of this name" };
            RoleReport { role: "owner", column: Some(name(*owner)), why: why.into() }
        }
        Ok(None) => RoleReport { role: "owner", column: None, why: "no column has an owner's name".into() },
        Err(error) => RoleReport { role: "owner", column: None, why: told(error) },
    });
    reports.push(match &found.amount {
        Ok((amount, encoding)) => {
            let kind = match encoding {
                Encoding::Binary => "exact, 32 bytes",
                Encoding::Text => "exact, text",
                Encoding::Number => "exact, numbers",
                Encoding::Double => "doubles, 53 bits",
            };
            let passed: Vec<String> = found
                .amounts
                .iter()
                .filter(|(other, _)| other != amount)
                .map(|&(other, _)| name(other))
                .collect();
            let why = match (options.amount.is_some(), found.amounts.is_empty(), passed.is_empty()) {
                (true, _, _) => "--amount".into(),
                (_, true, _) => "the only number that can be an amount".to_owned(),
                (_, _, true) => "a column of this name".into(),
                _ => format!("before {}", passed.join(", ")),
            };
            RoleReport { role: "amount", column: Some(name(*amount)), why: format!("{why}; {kind}") }
        }
        Err(error) => RoleReport { role: "amount", column: None, why: told(error) },
    });
    reports
}

/// An error without the file's name, which stands above it.
fn told(error: &Error) -> String {
    match error {
        Error::Schema { problem, .. } => problem.clone(),
        other => other.to_string(),
    }
}

fn content(file: &InputFile, roles: Roles, options: &Options, context: &Context<'_>) -> Result<Content> {
    let schema = GroupSchema::unite(&[(file, &roles.keys)]);
    let (amount, owner) = (roles.amount, roles.owner);
    let mut roots: Vec<usize> = schema.columns(0).chain([amount]).chain(owner).collect();
    roots.sort_unstable();
    roots.dedup();
    let converter = schema.converter()?;
    let mut content = Content::default();
    // 128 bits of hash stand for group and owner: two owners taken for one are less likely than a broken disk.
    let hashers = [DefaultHashBuilder::default(), DefaultHashBuilder::default()];
    let mut owners: HashSet<[u64; 2]> = HashSet::new();
    if owner.is_some() {
        (content.duplicate_owners, content.null_owners) = (Some(0), Some(0));
    }
    let mut groups: HashSet<[u64; 2]> = HashSet::new();
    let mut first_row = 0;
    for row_group in 0..file.row_groups().len() {
        for batch in file.read(row_group, &roots)? {
            if (context.interrupted)() {
                return Err(Error::Interrupted);
            }
            let batch = batch?;
            let find = |column| projected(&batch, &roots, column);
            let keyed = !schema.fields.is_empty();
            let keys = keyed
                .then(|| schema.rows(&converter, 0, file, batch.num_rows(), |c| Ok(find(c))))
                .transpose()?;
            let column = find(amount);
            let dropped = content.take_amounts(&column, first_row, options.negatives == Negatives::Drop);
            // An owner column of a type that no owner has is no owner column.
            let batch_owners = owner.and_then(|column| owner::decode(&find(column)).ok());
            for (row, dropped) in dropped.into_iter().enumerate() {
                let key = keys.as_ref().map_or(&[][..], |keys| keys.row(row).data());
                groups.insert([hashers[0].hash_one(key), hashers[1].hash_one(key)]);
                let Some(batch_owners) = batch_owners.as_ref().filter(|_| !dropped) else { continue };
                if batch_owners.is_null(row) {
                    *content.null_owners.get_or_insert(0) += 1;
                } else {
                    let pair = (key, batch_owners.value(row));
                    if !owners.insert([hashers[0].hash_one(pair), hashers[1].hash_one(pair)]) {
                        *content.duplicate_owners.get_or_insert(0) += 1;
                    }
                }
            }
            first_row += batch.num_rows() as u64;
        }
    }
    content.groups = groups.len() as u64;
    Ok(content)
}

impl Content {
    /// Counts a batch; where a cell is no amount, row by row. Returns which rows `analyze` drops before it looks at
    /// owners.
    fn take_amounts(&mut self, column: &ArrayRef, first_row: u64, drop_negatives: bool) -> Vec<bool> {
        let nulls = column.logical_nulls();
        let mut dropped: Vec<bool> =
            (0..column.len()).map(|row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))).collect();
        let mut take = |content: &mut Self, amounts: &Amounts, first: usize| {
            content.take(amounts, first_row + first as u64);
            if drop_negatives {
                amounts.negative.iter().for_each(|&row| dropped[first + row as usize] = true);
            }
        };
        match columns::decode(column, true) {
            Ok(amounts) => take(self, &amounts, 0),
            Err(_) => {
                for row in 0..column.len() {
                    match columns::decode(&column.slice(row, 1), true) {
                        Ok(amounts) => take(self, &amounts, row),
                        Err(BadCell { problem, remedy, .. }) => {
                            self.bad += 1;
                            let row = first_row + row as u64 + 1;
                            self.first_bad.get_or_insert(BadReport { row, problem, remedy });
                        }
                    }
                }
            }
        }
        dropped
    }

    fn take(&mut self, amounts: &Amounts, first_row: u64) {
        let nulls = amounts.nulls.as_ref().map_or(0, arrow::buffer::NullBuffer::null_count) as u64;
        self.null += nulls;
        self.negative += amounts.negative.len() as u64;
        if let Some(&row) = amounts.negative.first() {
            self.first_negative.get_or_insert(first_row + u64::from(row) + 1);
        }
        // Null and negative rows hold zero.
        self.zero += self.range.take(amounts) - nulls - amounts.negative.len() as u64;
    }
}
