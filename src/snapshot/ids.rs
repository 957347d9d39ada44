//! Are a token's amounts ids? The transfers of an ERC-721 token look like those of an ERC-20 one.
//!
//! Each id is made once, moves as a whole, and may be destroyed; so who has it has it once. Amounts are divided: sooner or
//! later somebody sends another amount than those it received, or has received the same twice. Ids are small numbers, counted up, or
//! hashes; amounts of most tokens are neither, which spares most of the work.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;
use ruint::aliases::U256;

use super::fold::Moves;
use super::names::Name;
use super::read::Reader;
use crate::error::{Error, Result};
use crate::memory;

/// What is known of a token's amounts.
#[derive(Debug, Clone, Copy, Default)]
struct Token {
    /// How many transfers make tokens.
    mints: u64,
    /// Whether some amount is above small ids.
    above_small: bool,
    /// Whether some amount is as large as a hash.
    large: bool,
}

/// Fewer mints do not tell what a token is.
const MINTS: u64 = 4;
/// Small ids are below this power of two, and hashes above that.
const SMALL_BITS: usize = 32;
const LARGE_BITS: usize = 160;
/// Bytes of an amount that a holder had.
const OF_AMOUNT: u64 = 200;
/// Of so many amounts, one is looked at closely while the log is read; a power of two.
const SAMPLED: u64 = 64;

impl Token {
    fn join(&mut self, other: &Self) {
        self.mints += other.mints;
        self.above_small |= other.above_small;
        self.large |= other.large;
    }

    fn may_be_ids(&self) -> bool {
        !self.above_small || self.large
    }
}

/// Of an amount of a token, how often more each holder received than sent it.
#[derive(Debug, Default)]
struct Seen(HashMap<(u32, U256, Name), i64>);

impl Seen {
    fn add(&mut self, token: u32, amount: U256, from: Name, to: Name) {
        *self.0.entry((token, amount, from)).or_default() -= 1;
        *self.0.entry((token, amount, to)).or_default() += 1;
    }

    /// The tokens some of whose amounts are no ids: somebody had one twice, or sent one away that it had not.
    fn amounts(&self) -> impl Iterator<Item = u32> + '_ {
        let is_none = |((_, _, holder), count): &(&(u32, U256, Name), &i64)| match *holder {
            // Who makes all owes each that is there.
            Name::NOBODY => !(-1..=0).contains(*count),
            _ => !(0..=1).contains(*count),
        };
        self.0.iter().filter(is_none).map(|((token, ..), _)| *token)
    }
}

/// What a log tells while it is read.
#[derive(Default)]
pub(super) struct Signs {
    /// What some batches told, as many as there were threads at a time.
    found: Mutex<Vec<Found>>,
}

/// Whether an amount is one of those that are looked at closely.
#[inline]
fn is_sampled(amount: &U256) -> bool {
    let [first, second, third, fourth] = *amount.as_limbs();
    let all = first ^ second.rotate_left(16) ^ third.rotate_left(32) ^ fourth.rotate_left(48);
    all.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & (SAMPLED - 1) == 0
}

#[derive(Default)]
struct Found {
    /// By the number of its group.
    tokens: Vec<Token>,
    /// Some amounts of tokens that may have ids.
    seen: Seen,
}

impl Found {
    fn join(mut self, other: Self) -> Self {
        if self.tokens.len() < other.tokens.len() {
            self.tokens.resize(other.tokens.len(), Token::default());
        }
        self.tokens.iter_mut().zip(&other.tokens).for_each(|(token, other)| token.join(other));
        // All transfers of these amounts or none: a count without some of them would say what is not so.
        other.seen.0.into_iter().for_each(|(key, count)| *self.seen.0.entry(key).or_default() += count);
        self
    }
}

impl Signs {
    /// Takes note of a batch.
    pub(super) fn take(&self, moves: &Moves) {
        let idle = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = idle().pop().unwrap_or_default();
        moves.each(|token, _, from, to, amount| {
            if own.tokens.len() <= token as usize {
                own.tokens.resize(token as usize + 1, Token::default());
            }
            let [first, second, third, fourth] = *amount.as_limbs();
            let above_small = first >> SMALL_BITS | second | third | fourth != 0;
            let large = third >> (LARGE_BITS - 128) | fourth != 0;
            own.tokens[token as usize].join(&Token {
                mints: (*from == Name::NOBODY).into(),
                above_small,
                large,
            });
            // One branch that is seldom taken.
            if (!above_small | large) & is_sampled(&amount) {
                own.seen.add(token, amount, *from, *to);
            }
        });
        idle().push(own);
    }

    /// The numbers of tokens whose amounts may be ids, by all that is known.
    fn suspects(self) -> HashSet<u32> {
        let found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Found { tokens, seen } = found.into_iter().reduce(Found::join).unwrap_or_default();
        let may_be = |(_, token): &(u32, &Token)| token.mints >= MINTS && token.may_be_ids();
        let mut suspects: HashSet<u32> =
            (0..).zip(&tokens).filter(may_be).map(|(number, _)| number).collect();
        seen.amounts().for_each(|token| {
            suspects.remove(&token);
        });
        suspects
    }
}

/// The numbers of the tokens whose amounts are ids. Reads the log again where some may be.
pub(super) fn of(signs: Signs, reader: &Reader<'_>, room: u64) -> Result<HashSet<u32>> {
    let mut ids = signs.suspects();
    if ids.is_empty() {
        return Ok(ids);
    }
    let seen: Mutex<Seen> = Mutex::default();
    reader.each("looking at ids", |transfers| {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        transfers.moves.each(|token, _, from, to, amount| {
            if ids.contains(&token) {
                seen.add(token, amount, *from, *to);
            }
        });
        let held = seen.0.len() as u64 * OF_AMOUNT;
        if held > room {
            return Err(Error::Memory(format!(
                "whether tokens have ids for amounts takes about {} to find out; allow more with --memory-limit, say so \
                 with --nfts keep, or take some tokens at a time with --only",
                memory::show(held)
            )));
        }
        Ok(())
    })?;
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    seen.amounts().for_each(|token| {
        ids.remove(&token);
    });
    Ok(ids)
}
