//! What is known of addresses: whose they are, what they are called, what they are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hashbrown::HashMap;

use super::list::{column, many, no_column, of_column, table, texts, truths};
use super::{Owner, entity};
use crate::columns::owner;
use crate::error::{Error, Result, nearest};
use crate::input::roles::OWNER;

/// One address.
#[derive(Debug, Default)]
struct Label {
    entity: Option<String>,
    name: Option<String>,
    /// In lower case.
    labels: Vec<String>,
    is_contract: Option<bool>,
}

/// All files of labels together.
#[derive(Debug, Default)]
pub struct Labels {
    of: HashMap<Owner, Label>,
    /// As the user named them.
    files: Vec<PathBuf>,
    /// Which columns the files have, of `entity`, `labels`, `is_contract`.
    has: [bool; 3],
    /// What rows of one address say differently, with an example of each.
    conflicts: Vec<(&'static str, usize, String)>,
}

/// Columns beside the address; the first two are known by more than one name.
const ENTITY: [&str; 1] = ["entity"];
const NAME: [&str; 2] = ["name", "nametag"];
const LABELS: [&str; 2] = ["labels", "label"];
const CONTRACT: [&str; 1] = ["is_contract"];

impl Labels {
    /// Reads files, the first of which wins where they differ.
    pub fn load(paths: &[PathBuf]) -> Result<Self> {
        let mut labels = Self { files: paths.to_vec(), ..Self::default() };
        for path in paths {
            labels.add(path)?;
        }
        Ok(labels)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let Some(batches) = table(path)? else {
            let problem = "labels are read from .parquet or .csv".into();
            return Err(Error::Schema { file: path.display().to_string(), problem });
        };
        let mut before = 0;
        for batch in batches {
            let addresses = column(&batch, OWNER).ok_or_else(|| no_column(path, OWNER, &batch))?.1;
            let find = |names: &[&str]| column(&batch, names).map(|(_, column)| column);
            let (entities, names) = (find(&ENTITY), find(&NAME));
            let (labels, contracts) = (find(&LABELS), find(&CONTRACT));
            if entities.is_none() && names.is_none() && labels.is_none() && contracts.is_none() {
                return Err(no_column(path, &["entity", "name", "labels", "is_contract"], &batch));
            }
            let present = [entities.is_some(), labels.is_some(), contracts.is_some()];
            self.has.iter_mut().zip(present).for_each(|(has, present)| *has |= present);
            let rows = batch.num_rows();
            let mut entities = entities.map_or(Ok(vec![None; rows]), |column| texts(&column))?;
            let mut names = names.map_or(Ok(vec![None; rows]), |column| texts(&column))?;
            let mut labels = labels.map_or(Ok(vec![vec![]; rows]), |column| many(&column))?;
            let contracts = contracts
                .map_or(Ok(vec![None; rows]), |column| truths(path, CONTRACT[0], &column, before))?;
            before += rows;
            for (row, address) in of_column(&addresses)?.into_iter().enumerate() {
                let Some(address) = address else { continue };
                let label = Label {
                    entity: entities[row].take(),
                    name: names[row].take(),
                    labels: labels[row].drain(..).map(|label| label.to_lowercase()).collect(),
                    is_contract: contracts[row],
                };
                self.merge(address, label);
            }
        }
        Ok(())
    }

    /// Rows of one address: the first word counts, labels are added up.
    fn merge(&mut self, address: Owner, label: Label) {
        let shown = owner::show(&address);
        let known = self.of.entry(address).or_default();
        let mut differ = |what: &'static str, first: String, second: String| {
            let example = format!("{shown} is {first} and {second}");
            match self.conflicts.iter_mut().find(|(other, _, _)| *other == what) {
                Some((_, count, _)) => *count += 1,
                None => self.conflicts.push((what, 1, example)),
            }
        };
        match (&known.entity, label.entity) {
            (Some(first), Some(second)) if *first != second => {
                differ("entities", format!("`{first}`"), format!("`{second}`"));
            }
            (None, second) => known.entity = second,
            _ => {}
        }
        match (&known.name, label.name) {
            (Some(first), Some(second)) if *first != second => {
                differ("names", format!("`{first}`"), format!("`{second}`"));
            }
            (None, second) => known.name = second,
            _ => {}
        }
        match (known.is_contract, label.is_contract) {
            (Some(first), Some(second)) if first != second => {
                let kind = |is| if is { "a contract" } else { "no contract" }.to_owned();
                differ("kinds", kind(first), kind(second));
            }
            (None, second) => known.is_contract = second,
            _ => {}
        }
        for label in label.labels {
            if !known.labels.contains(&label) {
                known.labels.push(label);
            }
        }
    }

    /// Where the files contradict themselves.
    pub fn warnings(&self) -> Vec<String> {
        let warning = |(what, count, example): &(&str, usize, String)| {
            let rows = if *count == 1 { "1 row has".into() } else { format!("{count} rows have") };
            format!("{}: {rows} other {what} than an earlier one ({example}); the first counts", self.shown())
        };
        self.conflicts.iter().map(warning).collect()
    }

    fn shown(&self) -> String {
        let files: Vec<String> = self.files.iter().map(|path| path.display().to_string()).collect();
        if files.is_empty() { "--labels".into() } else { files.join(", ") }
    }

    fn needed(&self, column: usize, name: &str, what: &str) -> Result<()> {
        match self.has[column] {
            true => Ok(()),
            false if self.files.is_empty() => Err(Error::Usage(format!("{what} needs --labels FILE"))),
            false => Err(Error::Usage(format!("{what}: {} has no column `{name}`", self.shown()))),
        }
    }

    fn owners(&self, wanted: impl Fn(&Label) -> bool) -> Vec<Owner> {
        self.of.iter().filter(|(_, label)| wanted(label)).map(|(owner, _)| owner.clone()).collect()
    }

    /// Owners that are contracts.
    pub fn contracts(&self) -> Result<Vec<Owner>> {
        self.needed(2, "is_contract", "--exclude contracts")?;
        Ok(self.owners(|label| label.is_contract == Some(true)))
    }

    /// Owners with a label, whatever its case.
    pub fn of_label(&self, wanted: &str) -> Result<Vec<Owner>> {
        let shown = format!("--exclude label:{wanted}");
        self.needed(1, "labels", &shown)?;
        let wanted = wanted.to_lowercase();
        let owners = self.owners(|label| label.labels.contains(&wanted));
        let all = self.of.values().flat_map(|label| &label.labels).cloned().collect();
        self.found(owners, &shown, "label", &wanted, &all)
    }

    /// Owners of an entity, whatever its case.
    pub fn of_entity(&self, wanted: &str) -> Result<Vec<Owner>> {
        let shown = format!("--exclude entity:{wanted}");
        self.needed(0, "entity", &shown)?;
        let wanted = wanted.to_lowercase();
        let name = |label: &Label| label.entity.as_deref().map(str::to_lowercase);
        let owners = self.owners(|label| name(label).as_deref() == Some(&wanted));
        let all = self.of.values().filter_map(name).collect();
        self.found(owners, &shown, "entity", &wanted, &all)
    }

    /// Owners that were looked for, or an error that says what there is instead.
    fn found(
        &self,
        owners: Vec<Owner>,
        shown: &str,
        kind: &str,
        wanted: &str,
        all: &BTreeSet<String>,
    ) -> Result<Vec<Owner>> {
        if owners.is_empty() {
            let like = nearest(wanted, all.iter().map(String::as_str));
            let like = like.map(|like| format!("; did you mean {kind}:{like}?"));
            let all = all.len();
            return Err(Error::Usage(format!(
                "{shown}: no owner has it among the {all} that {} names{}",
                self.shown(),
                like.unwrap_or_default()
            )));
        }
        Ok(owners)
    }

    /// The entity of each owner that has one, in an owner's place.
    pub fn entities(&self) -> Result<HashMap<Owner, Owner>> {
        self.needed(0, "entity", "--entities")?;
        let named = self.of.iter().filter_map(|(owner, label)| Some((owner, label.entity.as_deref()?)));
        Ok(named.map(|(owner, name)| (owner.clone(), entity(name))).collect())
    }
}
