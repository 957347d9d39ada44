//! Who is counted: owners that are left out, and owners that are one.

use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;

use crate::error::{Error, Result};
use crate::options::{Exclusion, Options};

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
    /// What the labels gave reason to say.
    warnings: Vec<String>,
}

/// One exclusion.
#[derive(Debug)]
struct Excluded {
    shown: String,
    owners: usize,
    matched: AtomicBool,
}

/// The first byte of an entity in an owner's place: no owner has it.
const ENTITY: u8 = 2;

impl Population {
    /// Reads lists and labels.
    pub fn load(options: &Options) -> Result<Self> {
        let labels = Labels::load(&options.labels)?;
        let mut population = Self { warnings: labels.warnings(), ..Self::default() };
        for exclusion in &options.exclude {
            let owners = match exclusion {
                Exclusion::Burn => list::canonical(&BURN),
                Exclusion::Contracts => labels.contracts()?,
                Exclusion::Label(label) => labels.of_label(label)?,
                Exclusion::List(path) => list::read(path)?,
            };
            let number = u16::try_from(population.exclusions.len())
                .map_err(|_| Error::Usage("--exclude: at most 65536 of them".into()))?;
            let (shown, matched) = (exclusion.to_string(), AtomicBool::new(false));
            population.exclusions.push(Excluded { shown, owners: owners.len(), matched });
            for owner in owners {
                population.excluded.entry(owner).or_default().push(number);
            }
        }
        if options.entities {
            population.entities = labels.entities()?;
        }
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
        self.entities.get(owner).map_or(owner, |entity| entity)
    }

    /// What the user should know once all rows were read.
    pub fn warnings(&self) -> Vec<String> {
        let unmatched = self.exclusions.iter().filter(|exclusion| !exclusion.matched.load(Ordering::Relaxed));
        let unmatched = unmatched.map(|exclusion| {
            format!("--exclude {}: none of its {} owners is in the input", exclusion.shown, exclusion.owners)
        });
        self.warnings.iter().cloned().chain(unmatched).collect()
    }

    /// How many owners each exclusion names and how many have an entity, for the provenance.
    pub fn sizes(&self) -> (Vec<(String, usize)>, usize) {
        let exclusions = self.exclusions.iter().map(|e| (e.shown.clone(), e.owners)).collect();
        (exclusions, self.entities.len())
    }
}

/// Whether a holder is an entity.
pub fn is_entity(holder: &[u8]) -> bool {
    holder.first() == Some(&ENTITY)
}

/// An entity in an owner's place.
fn entity(name: &str) -> Owner {
    std::iter::once(ENTITY).chain(name.bytes()).collect()
}
