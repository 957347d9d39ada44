//! Are a token's amounts ids? The transfers of an ERC-721 token look like those of an ERC-20 one.
//!
//! Each id is made once, moves as a whole, and may be destroyed. Amounts are divided: sooner or later somebody sends
//! another amount than one that was made, or the same amount is made twice.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use ruint::aliases::U256;

use super::fold::LATE;
use super::read::Reader;
use crate::columns::owner::is_zero;
use crate::error::Result;

/// What was seen of an amount.
#[derive(Default)]
struct Seen {
    /// How often more it was made than destroyed.
    made: i64,
    /// Whether it ever was made.
    was_made: bool,
}

/// Which of these tokens, by their places, have ids for amounts. Reads the log again.
pub(super) fn of(reader: &Reader<'_>, places: &[u32], suspects: HashSet<u32>) -> Result<HashSet<u32>> {
    let seen: Mutex<HashMap<(u32, U256), Seen>> = Mutex::default();
    reader.each(|transfers| {
        let moves = &transfers.moves;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        moves.tokens.each(moves.epochs.len(), |row, token| {
            let (place, amount) = (places[token as usize], moves.amounts[row]);
            if moves.epochs[row] == LATE || amount.is_zero() || !suspects.contains(&place) {
                return;
            }
            let (made, destroyed) = (is_zero(moves.from.value(row)), is_zero(moves.to.value(row)));
            let own = seen.entry((place, amount)).or_default();
            own.made += i64::from(made) - i64::from(destroyed);
            own.was_made |= made;
        });
        Ok(())
    })?;
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut ids = suspects;
    for ((token, _), seen) in seen {
        if !seen.was_made || !(0..=1).contains(&seen.made) {
            ids.remove(&token);
        }
    }
    Ok(ids)
}
