//! What files hold, and what `analyze` would make of them.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef};
use rayon::prelude::*;

use crate::columns::{self, Amounts, BadCell, owner};
use crate::error::{Error, Result};
use crate::groups::schema::{GroupSchema, projected};
use crate::input::discover;
use crate::input::file::InputFile;
use crate::input::guard::guard;
use crate::input::roles::{self, Encoding, Found, KeyColumn, KeySource, Roles};
use crate::options::{Negatives, Options, Owners};

mod range;
mod view;

pub use range::Range;
pub use view::{json, text};

/// All files.
#[derive(Debug)]
pub struct Report {
    /// By name.
    pub files: Vec<FileReport>,
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
    Measures(String),
    /// It refuses.
    Refuses(String),
}

/// Looks at every file. Only a file that cannot be read is an error.
pub fn inspect(options: &Options, interrupted: &(dyn Fn() -> bool + Sync)) -> Result<Report> {
    let (sources, _) = discover(&options.paths, interrupted)?;
    let files: Vec<Result<FileReport>> = sources
        .into_par_iter()
        .map(|source| {
            let file = InputFile::open(source)?;
            guard(&file.source, || report(&file, options, interrupted))
        })
        .collect();
    Ok(Report { files: files.into_iter().collect::<Result<_>>()? })
}

fn report(file: &InputFile, options: &Options, interrupted: &dyn Fn() -> bool) -> Result<FileReport> {
    let schema = file.schema();
    let column = |f: &arrow::datatypes::FieldRef| ColumnReport {
        name: f.name().clone(),
        data_type: f.data_type().to_string(),
    };
    let found = roles::find(&file.source, schema, options);
    let roles = role_reports(file, &found, options);
    let (content, verdict) = match roles::assign(&file.source, schema, options) {
        Ok(roles) => {
            let content = content(file, roles.clone(), interrupted)?;
            let verdict = verdict(file, &roles, &content, options);
            (Some(content), verdict)
        }
        Err(Error::Schema { problem, .. }) => (None, Verdict::Refuses(problem)),
        Err(other) => (None, Verdict::Refuses(other.to_string())),
    };
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

/// Bytes that compare as a group or an owner does.
type Key = Box<[u8]>;

fn content(file: &InputFile, mut roles: Roles, interrupted: &dyn Fn() -> bool) -> Result<Content> {
    let schema = GroupSchema::unite(std::slice::from_ref(file), std::slice::from_ref(&roles));
    let amount = roles.amount;
    let owner = roles.owner.take();
    let mut roots: Vec<usize> = schema.columns(0).chain([amount]).chain(owner).collect();
    roots.sort_unstable();
    roots.dedup();
    let converter = schema.converter()?;
    let mut content = Content::default();
    let mut groups: HashSet<Key> = HashSet::new();
    let mut owners: HashSet<(Key, Key)> = HashSet::new();
    if owner.is_some() {
        (content.duplicate_owners, content.null_owners) = (Some(0), Some(0));
    }
    let mut first_row = 0;
    for row_group in 0..file.row_groups().len() {
        for batch in file.read(row_group, &roots)? {
            if interrupted() {
                return Err(Error::Interrupted);
            }
            let batch = batch?;
            let find = |column| projected(&batch, &roots, column);
            let keys = schema.rows(&converter, 0, file, batch.num_rows(), find)?;
            content.take_amounts(&find(amount), first_row);
            let batch_owners = owner.map(|column| owner::decode(&find(column))).transpose();
            let batch_owners = batch_owners.map_err(Error::arrow("read the owner column"))?;
            for row in 0..batch.num_rows() {
                let key = keys.row(row).data();
                if !groups.contains(key) {
                    groups.insert(key.into());
                }
                if let Some(batch_owners) = &batch_owners {
                    if batch_owners.is_null(row) {
                        *content.null_owners.get_or_insert(0) += 1;
                    } else if !owners.insert((key.into(), batch_owners.value(row).into())) {
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
    /// Counts a batch; where a cell is no amount, row by row.
    fn take_amounts(&mut self, column: &ArrayRef, first_row: u64) {
        match columns::decode(column, true) {
            Ok(amounts) => self.take(&amounts, first_row),
            Err(_) => {
                for row in 0..column.len() {
                    let place = first_row + row as u64;
                    match columns::decode(&column.slice(row, 1), true) {
                        Ok(amounts) => self.take(&amounts, place),
                        Err(BadCell { problem, remedy, .. }) => {
                            self.bad += 1;
                            self.first_bad.get_or_insert(BadReport { row: place + 1, problem, remedy });
                        }
                    }
                }
            }
        }
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

fn verdict(file: &InputFile, roles: &Roles, content: &Content, options: &Options) -> Verdict {
    let column = file.schema().field(roles.amount).name();
    if let Some(bad) = &content.first_bad {
        let BadReport { row, problem, remedy } = bad;
        return Verdict::Refuses(format!("column `{column}`, row {row}: {problem}; {remedy}"));
    }
    if let Some(row) = content.first_negative.filter(|_| options.negatives == Negatives::Error) {
        return Verdict::Refuses(format!(
            "column `{column}`, row {row}: the amount is negative; drop such rows with --negatives drop"
        ));
    }
    let compares = options.owners != Owners::Trust;
    if compares && content.null_owners.unwrap_or(0) > 0 {
        return Verdict::Refuses("some owners are null; count each row with --owners trust".into());
    }
    if options.owners == Owners::Check && content.duplicate_owners.unwrap_or(0) > 0 {
        return Verdict::Refuses(
            "an owner has several rows in a group; add them up with --owners merge".into(),
        );
    }
    let names: Vec<&str> = roles.keys.iter().map(|key| key.name.as_str()).collect();
    let by = if names.is_empty() { "all rows together".into() } else { format!("by {}", names.join(", ")) };
    let groups = content.groups;
    Verdict::Measures(format!("{groups} {}, {by}", if groups == 1 { "group" } else { "groups" }))
}
