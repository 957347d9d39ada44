//! Who holds: nearly all are addresses of 20 bytes, which are taken as they are.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;

use crate::columns::owner::{self, is_zero};

/// Bytes of a name that is no address, beside its own.
const OF_NAME: u64 = 120;

/// A holder's name: an address of 20 bytes, or the number of any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) words: [u32; 5],
    /// One where it is no address.
    pub(super) other: u32,
}

/// Names that are no addresses of 20 bytes.
#[derive(Debug, Default)]
pub(super) struct OtherNames {
    known: Mutex<Known>,
    bytes: AtomicU64,
}

/// The same by their numbers, once all are known.
#[derive(Debug)]
pub(super) struct Names(Vec<Box<[u8]>>);

/// Their numbers, and they by their numbers.
#[derive(Debug, Default)]
struct Known {
    numbers: HashMap<Vec<u8>, u32>,
    names: Vec<Box<[u8]>>,
}

impl Name {
    /// The zero address, from which tokens come and to which they go.
    pub(super) const NOBODY: Self = Self { words: [0; 5], other: 0 };

    /// Of an address.
    #[inline]
    pub(super) fn of_address(address: &[u8; 20]) -> Self {
        Self { words: bytemuck::cast(*address), other: 0 }
    }

    /// Of an owner as a column has it, into a buffer that is used again.
    pub(super) fn of(cell: &[u8], is_text: bool, buffer: &mut Vec<u8>, others: &OtherNames) -> Self {
        owner::canonical(cell, is_text, buffer);
        match owner::bytes(buffer).and_then(|bytes| bytes.try_into().ok()) {
            Some(address) => Self::of_address(address),
            None if is_zero(buffer) => Self::NOBODY,
            None => Self { words: [others.number(buffer), 0, 0, 0, 0], other: 1 },
        }
    }

    /// The address, where it is one of 20 bytes.
    pub(super) fn address(&self) -> Option<[u8; 20]> {
        (self.other == 0).then(|| bytemuck::cast(self.words))
    }

    /// The owner's bytes.
    pub(super) fn owner<'a>(&self, names: &'a Names) -> Cow<'a, [u8]> {
        match self.address() {
            Some(address) => Cow::Owned(owner::of_bytes(&address).into()),
            None => Cow::Borrowed(&names.0[self.words[0] as usize]),
        }
    }

    /// In the order of the owners' bytes.
    pub(super) fn compare(&self, other: &Self, names: &Names) -> std::cmp::Ordering {
        match (self.address(), other.address()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => self.owner(names).cmp(&other.owner(names)),
        }
    }
}

impl OtherNames {
    /// What they take.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn number(&self, name: &[u8]) -> u32 {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { numbers, names } = &mut *known;
        *numbers.entry_ref(name).or_insert_with(|| {
            names.push(name.into());
            self.bytes.fetch_add(2 * name.len() as u64 + OF_NAME, Ordering::Relaxed);
            names.len() as u32 - 1
        })
    }

    /// All of them, once there are no more.
    pub(super) fn known(self) -> Names {
        Names(self.known.into_inner().unwrap_or_else(PoisonError::into_inner).names)
    }
}
