//! What a thread keeps from one task to the next, so that it neither makes it anew nor shares it.

use std::sync::{Mutex, PoisonError};

use hashbrown::{HashMap, HashSet};

use super::Exact;
use super::chunk::Ids;
use super::keys::FileKeys;
use super::prices::Prices;
use super::tally::Tallies;
use crate::numbers::key::{self, Key};
use crate::numbers::wide::U320;

/// As many workers as there ever were at once; whoever has a task takes one.
#[derive(Debug, Default)]
pub struct Workers(Mutex<Vec<Worker>>);

/// One of them.
#[derive(Debug, Default)]
pub struct Worker {
    /// What it knows of the groups it met.
    pub known: Known,
    /// What keys left out of amounts.
    pub left: Left,
    /// Of each group, all zero between tasks.
    pub(super) cursors: Vec<Cursor>,
}

/// What a thread knows of the groups it met.
#[derive(Debug, Default)]
pub struct Known {
    /// The keys of one file, which it probably goes on with.
    pub(super) keys: FileKeys,
    pub(super) tallies: Tallies,
    pub(super) prices: Prices<u32>,
    pub(super) seen: Seen,
}

/// Where a group's next key goes.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Cursor {
    pub(super) next: usize,
    pub(super) unit: i32,
}

/// The groups that a task has rows of, each once; none where they are too many to be worth listing.
pub type Distinct = Option<Box<[u32]>>;

/// Groups that one task has rows of.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By group, the last task that has it.
    tasks: Vec<u32>,
    task: u32,
    groups: Vec<u32>,
}

impl Seen {
    pub(super) fn begin(&mut self) {
        self.groups.clear();
        self.task += 1;
    }

    pub(super) fn add(&mut self, ids: &Ids, groups: usize) {
        self.tasks.resize(groups, 0);
        let mut add = |id: u32| {
            if std::mem::replace(&mut self.tasks[id as usize], self.task) != self.task {
                self.groups.push(id);
            }
        };
        match ids {
            Ids::All(id) => add(*id),
            Ids::Each(ids) => ids.iter().for_each(|&id| add(id)),
        }
    }

    /// What was added since the task began.
    pub(super) fn distinct(&self, rows: u64) -> Distinct {
        // A list that is long beside the rows would take memory and spare nobody reading them again.
        (self.groups.len() as u64 <= rows / 64 + 1).then(|| self.groups.as_slice().into())
    }
}

impl Workers {
    /// Does something with a worker, one that knows the file where there is one.
    pub fn with<T>(&self, file: usize, work: impl FnOnce(&mut Worker) -> T) -> T {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut idle = lock();
        let knows = idle.iter().position(|worker| worker.known.keys.is_of(file));
        let taken = knows.map(|at| idle.swap_remove(at)).or_else(|| idle.pop());
        drop(idle);
        let mut worker = taken.unwrap_or_default();
        let done = work(&mut worker);
        lock().push(worker);
        done
    }

    /// All of them, once all tasks are done.
    pub fn all(&mut self) -> &mut [Worker] {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What keys leave out of amounts, by group.
#[derive(Debug, Default)]
pub struct Left {
    /// Of amounts below 2^128: less than 2^72 each, and of fewer than 2^32 rows.
    narrow: Vec<u128>,
    /// Of larger ones. An entry, even of zero, also says that something was left out of a double.
    wide: HashMap<u32, U320>,
    untold: HashSet<u32>,
}

impl Left {
    /// The key of an amount in its group's unit. Nothing was cut off it before where it is `whole`.
    #[inline]
    pub fn key(&mut self, id: u32, amount: Exact, whole: bool) -> Key {
        let (key, exact) = amount.key();
        if !exact {
            match amount {
                Exact::Narrow(amount) => {
                    if self.narrow.len() <= id as usize {
                        self.narrow.resize(id as usize + 1, 0);
                    }
                    self.narrow[id as usize] += amount - key::value_narrow(key);
                }
                Exact::Wide(amount) => {
                    *self.wide.entry(id).or_insert(U320::ZERO) += U320::from(amount - key::value(key));
                }
            }
        }
        if !whole {
            self.cut(id);
        }
        key
    }

    /// The same, and what the key leaves out; where that is beyond a word, or something was cut off before, it is not
    /// told, and the group is noted.
    pub fn key_and_rest(&mut self, id: u32, amount: Exact, whole: bool) -> (Key, u64) {
        let key = self.key(id, amount, whole);
        let rest = match amount {
            Exact::Narrow(amount) => u64::try_from(amount - key::value_narrow(key)).ok(),
            Exact::Wide(amount) => u64::try_from(amount - key::value(key)).ok(),
        };
        match rest.filter(|_| whole) {
            Some(rest) => (key, rest),
            None => {
                self.untold.insert(id);
                (key, 0)
            }
        }
    }

    /// Groups of which not all is told that keys leave out.
    pub fn untold(&self) -> impl Iterator<Item = u32> + '_ {
        self.untold.iter().copied()
    }

    /// Takes note that something was cut off an amount before.
    pub fn cut(&mut self, id: u32) {
        self.wide.entry(id).or_insert(U320::ZERO);
    }

    /// What was left out of each group's amounts.
    pub fn all(&self) -> impl Iterator<Item = (u32, U320)> + '_ {
        let narrow = self.narrow.iter().enumerate().filter(|(_, left)| **left != 0);
        let narrow = narrow.map(|(id, &left)| (id as u32, U320::from(left)));
        narrow.chain(self.wide.iter().map(|(&id, &left)| (id, left)))
    }
}
