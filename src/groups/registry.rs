//! The group keys of all tasks, so that a row's group has one number wherever the row lies.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;

/// Numbers row-encoded keys in the order in which tasks meet them. That order is chance, and never shows: groups are
/// put in the order of their keys.
#[derive(Debug)]
pub struct Registry {
    known: Mutex<HashMap<Box<[u8]>, u32>>,
    most: usize,
}

impl Registry {
    /// For so many keys at most.
    pub fn new(most: usize) -> Self {
        Self { known: Mutex::default(), most }
    }

    /// How many keys there may be.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Whether there are more keys than there may be.
    pub fn is_full(&self) -> bool {
        self.keys() > self.most
    }

    /// How many keys there are.
    pub fn keys(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The numbers of some keys; those that are new get the next ones.
    pub(super) fn numbers<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> Vec<u32> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        keys.map(|key| {
            if let Some(&number) = known.get(key) {
                return number;
            }
            let next = known.len() as u32;
            known.insert(key.into(), next);
            next
        })
        .collect()
    }

    /// All keys, ascending, and the place of each number's key among them.
    pub fn ranked(&self) -> (Vec<Box<[u8]>>, Vec<u32>) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys: Vec<(&[u8], u32)> = known.iter().map(|(key, &number)| (&**key, number)).collect();
        keys.sort_unstable();
        let mut ranks = vec![0; keys.len()];
        for (rank, &(_, number)) in keys.iter().enumerate() {
            ranks[number as usize] = rank as u32;
        }
        (keys.into_iter().map(|(key, _)| key.into()).collect(), ranks)
    }
}
