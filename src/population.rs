//! Who is counted: owners that are left out, and owners that are one.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;

use crate::error::{Error, Result};
use crate::numbers::digest::digest;
use crate::options::{Exclusion, Options};

pub mod cohorts;
pub mod labels;
pub mod list;

use labels::Labels;

/// An owner's canonical bytes, as [`crate::columns::owner::decode`] makes them.
pub type Owner = Box<[u8]>;

/// Addresses that nobody holds the key of, tokens sent there are gone: the zero address of EVM chains and what is
/// written in its place, then those of Bitcoin and Solana.
pub const BURN: [&str; 9] = [
    "0x0000000000000000000000000000000000000000",
    "0x0000000000000000000000000000000000000001",
    "0x000000000000000000000000000000000000dead",
    "0xdead000000000000000042069420694206942069",
    "0xdeaddeaddeaddeaddeaddeaddeaddeaddeaddead",
    "0xffffffffffffffffffffffffffffffffffffffff",
    "1BitcoinEaterAddressDontSendf59kuE",
    "1nc1nerator11111111111111111111111111111111",
    "11111111111111111111111111111111",
];

/// Which owners are left out of every group, and which are merged.
#[derive(Debug, Default)]
pub struct Population {
    exclusions: Vec<Excluded>,
    /// Of each owner that is left out: by which exclusions.
    excluded: HashMap<Owner, Vec<u16>>,
    /// Of each owner that an entity has: the entity in an owner's place.
    entities: HashMap<Owner, Owner>,
    /// Whether entities were asked for, and any was met.
    by_entity: bool,
    met: AtomicBool,
    labels: Vec<(String, u64)>,
    /// What the labels gave reason to say.
    warnings: Vec<String>,
}

/// One exclusion.
#[derive(Debug)]
struct Excluded {
    shown: String,
    owners: usize,
    digest: u64,
    matched: AtomicBool,
}

/// The first byte of an entity in an owner's place: no owner has it.
const ENTITY: u8 = 2;

/// Lists of owners and labels as they were read, once: they may come from a pipe.
pub struct Sources {
    labels: Labels,
    /// Of each file of labels: its name and bytes.
    names: Vec<(String, u64)>,
    lists: HashMap<PathBuf, Vec<Owner>>,
}

impl Sources {
    /// Reads what the options name.
    pub fn read(options: &Options) -> Result<Self> {
        let mut lists = HashMap::new();
        for exclusion in &options.exclude {
            if let Exclusion::List(path) = exclusion
                && !lists.contains_key(path)
            {
                lists.insert(path.clone(), list::read(path)?);
            }
        }
        let name = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, std::fs::metadata(path).map_or(0, |file| file.len()))
        };
        let names = options.labels.iter().map(name).collect();
        Ok(Self { labels: Labels::load(&options.labels)?, names, lists })
    }
}

impl Population {
    /// Reads lists and labels.
    pub fn load(options: &Options) -> Result<Self> {
        Self::of(&Sources::read(options)?, options)
    }

    /// From lists and labels that were read for these options, among others.
    pub fn of(sources: &Sources, options: &Options) -> Result<Self> {
        let labels = &sources.labels;
        let mut population = Self { warnings: labels.warnings(), ..Self::default() };
        for exclusion in &options.exclude {
            let mut owners = match exclusion {
                Exclusion::Burn => list::canonical(&BURN),
                Exclusion::Contracts => labels.contracts()?,
                Exclusion::Label(label) => labels.of_label(label)?,
                Exclusion::Entity(name) => labels.of_entity(name)?,
                Exclusion::List(path) => sources.lists[path].clone(),
            };
            let number = u16::try_from(population.exclusions.len())
                .map_err(|_| Error::Usage("--exclude: at most 65536 of them".into()))?;
            owners.sort_unstable();
            owners.dedup();
            let digest = digest(owners.iter().map(|owner| &owner[..]));
            let (shown, matched) = (exclusion.to_string(), AtomicBool::new(false));
            population.exclusions.push(Excluded { shown, owners: owners.len(), digest, matched });
            for owner in owners {
                population.excluded.entry(owner).or_default().push(number);
            }
        }
        if options.entities {
            population.entities = labels.entities()?;
            population.by_entity = true;
        }
        population.labels.clone_from(&sources.names);
        Ok(population)
    }

    /// Whether anybody is left out.
    pub fn excludes(&self) -> bool {
        !self.exclusions.is_empty()
    }

    /// Whether an owner is left out; takes note of the exclusions that say so.
    pub fn is_excluded(&self, owner: &[u8]) -> bool {
        let Some(exclusions) = self.excluded.get(owner) else { return false };
        for &exclusion in exclusions {
            self.exclusions[exclusion as usize].matched.store(true, Ordering::Relaxed);
        }
        true
    }

    /// The holder that an owner's amounts are counted for: the owner itself, or its entity.
    pub fn holder<'o>(&'o self, owner: &'o [u8]) -> &'o [u8] {
        let Some(entity) = self.entities.get(owner) else { return owner };
        self.met.store(true, Ordering::Relaxed);
        entity
    }

    /// What the user should know once all rows were read.
    pub fn warnings(&self) -> Vec<String> {
        let unmatched = self.exclusions.iter().filter(|exclusion| !exclusion.matched.load(Ordering::Relaxed));
        let unmatched = unmatched.map(|exclusion| {
            format!("--exclude {}: none of its {} owners is in the input", exclusion.shown, exclusion.owners)
        });
        let nobody = self.by_entity && !self.met.load(Ordering::Relaxed);
        let nobody = nobody.then(|| "--entities: no owner in the input has one".to_owned());
        self.warnings.iter().cloned().chain(unmatched).chain(nobody).collect()
    }

    /// Bytes of memory that it takes, about.
    pub fn bytes(&self) -> u64 {
        240 * self.excluded.len() as u64 + 300 * self.entities.len() as u64
    }

    /// What a result says of it: who was left out and who is one, so that results can be compared by what they counted.
    pub fn provenance(&self) -> Vec<(&'static str, serde_json::Value)> {
        let mut said = vec![];
        if !self.labels.is_empty() {
            let label = |(name, bytes): &(String, u64)| serde_json::json!({ "name": name, "bytes": bytes });
            said.push(("labels", self.labels.iter().map(label).collect()));
        }
        if self.excludes() {
            let exclusion = |Excluded { shown, owners, digest, .. }: &Excluded| {
                // Where a list lies decides no number.
                let name = shown.rsplit(['/', '\\']).next().unwrap_or(shown);
                serde_json::json!({ "exclude": name, "owners": owners, "digest": format!("{digest:016x}") })
            };
            said.push(("exclude", self.exclusions.iter().map(exclusion).collect()));
        }
        if self.by_entity {
            let mut pairs: Vec<(&Owner, &Owner)> = self.entities.iter().collect();
            pairs.sort_unstable();
            let digest = digest(pairs.iter().flat_map(|(owner, entity)| [&owner[..], &entity[..]]));
            let owners = self.entities.len();
            said.push((
                "entities",
                serde_json::json!({ "owners": owners, "digest": format!("{digest:016x}") }),
            ));
        }
        said
    }
}

/// Whether a holder is an entity.
pub fn is_entity(holder: &[u8]) -> bool {
    holder.first() == Some(&ENTITY)
}

/// A holder as it is written: an owner, or an entity's name.
pub fn show(holder: &[u8]) -> String {
    match holder {
        [ENTITY, name @ ..] => String::from_utf8_lossy(name).into_owned(),
        owner => crate::columns::owner::show(owner),
    }
}

/// An entity in an owner's place.
fn entity(name: &str) -> Owner {
    std::iter::once(ENTITY).chain(name.bytes()).collect()
}
