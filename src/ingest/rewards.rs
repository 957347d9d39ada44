//! What holders earned beside what they hold: read after groups are known, exactly, and held in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field};
use rayon::prelude::*;
use ruint::aliases::U256;

use super::passes::{Pass, same_groups};
use super::{Context, Counted, Ingest};
use crate::columns::Amounts;
use crate::error::{Error, Result};
use crate::groups::chunk::{Ids, Origin, Part};
use crate::groups::cuts::Cuts;
use crate::groups::owners;
use crate::groups::sample::Raw;
use crate::groups::schema::{GroupSchema, convert};
use crate::groups::worker::Workers;
use crate::groups::{Exact, amount_of, place_error};
use crate::memory::{self, Memory};
use crate::numbers::signed::Sum;
use crate::numbers::unit::{Span, Unit, bits_of_double};
use crate::numbers::wide::U320;
use crate::options::{Negatives, Options, Owners};
use crate::record::{Stage, Volume};

/// Bytes that a row takes here: its owner, what it holds and what it earned.
const OF_ROW: u64 = 240;

/// A holder's capital and reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earner {
    /// In the group's unit, above zero.
    pub capital: U256,
    /// In the unit of the group's rewards, below 2^256.
    pub reward: Sum,
}

/// A group's holders with what they earned.
#[derive(Debug, Default)]
pub struct Earners {
    /// What rewards are counted in.
    pub unit: Option<Unit>,
    /// In no order.
    pub holders: Vec<Earner>,
    /// Owners who earned something and hold nothing.
    pub n_no_capital: u64,
    /// What they earned.
    pub no_capital: Sum,
    /// Holders of whom no reward is known.
    pub unknown: u64,
}

/// What was earned in all groups.
pub struct Earnings {
    /// Of each group.
    pub of_groups: Vec<Earners>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// A row of either file.
struct Row {
    group: u32,
    owner: Box<[u8]>,
    capital: U256,
    reward: Option<(Raw, bool)>,
}

impl Ingest {
    /// The capital and the reward of every holder.
    pub fn earnings(
        &self,
        counted: &Counted,
        memory: &Memory,
        options: &Options,
        context: &Context<'_>,
    ) -> Result<Earnings> {
        let other = options.rewards.as_ref().map(|_| self.reward_file(options, context)).transpose()?;
        let rows = self.rows() + other.as_ref().map_or(0, |(other, _)| other.rows());
        let needed = rows.saturating_mul(OF_ROW);
        if needed > memory.room(counted.groups.keys.len()) {
            return Err(Error::Memory(format!(
                "--reward holds all rows in memory, about {}; allow more with --memory-limit, or analyze fewer snapshots \
                 at a time",
                memory::show(needed)
            )));
        }
        let cuts = Cuts::of(options, &counted.groups, &self.schema)?;
        let mut warnings = vec![];
        let mut rows = self.reward_rows(counted, false, &|group| Some(group), options, context)?;
        if let Some((other, theirs)) = &other {
            let places = self.places(counted, other, theirs)?;
            let lost: Vec<usize> = (0..places.len()).filter(|&group| places[group].is_none()).collect();
            if !places.is_empty() && lost.len() == places.len() && !counted.groups.keys.is_empty() {
                return Err(Error::Usage(format!(
                    "--rewards: none of its groups is one of the capital's: it has {}, they are like {}",
                    other.schema.show(&theirs.groups.keys[0]),
                    self.schema.show(&counted.groups.keys[0])
                )));
            }
            if let Some(&first) = lost.first() {
                let name = other.schema.show(&theirs.groups.keys[first]);
                let rows: u64 = lost.iter().map(|&group| theirs.groups.counts[group].rows).sum();
                warnings.push(format!(
                    "--rewards: {rows} rows are of groups without any capital, like {name}; they are in no result"
                ));
            }
            let reward = Options { negatives: Negatives::Drop, ..options.clone() };
            rows.extend(other.reward_rows(
                theirs,
                true,
                &|group| places[group as usize],
                &reward,
                context,
            )?);
        }
        let volume = Volume::rows(rows.len() as u64);
        let of_groups = context
            .recorder
            .time(Stage::Merge, "rewards", volume, || self.join(rows, counted, &cuts, options))?;
        let unknown: u64 = of_groups.iter().map(|group| group.unknown).sum();
        if unknown > 0 {
            let holders = if unknown == 1 { "1 holder".into() } else { format!("{unknown} holders") };
            let of = if other.is_some() { "not in the file of rewards" } else { "without a reward" };
            warnings.push(format!("{holders} {of}: they count as having earned 0"));
        }
        Ok(Earnings { of_groups, warnings })
    }

    /// The file of rewards, its rows counted.
    fn reward_file(&self, options: &Options, context: &Context<'_>) -> Result<(Self, Counted)> {
        let path = options.rewards.as_ref().map(|path| path.to_string_lossy().into_owned());
        // Its amounts are the rewards, which may be negative.
        let found = Options {
            paths: path.into_iter().collect(),
            amount: options.reward.clone(),
            reward: None,
            negatives: Negatives::Drop,
            min_amount: None,
            min_value: None,
            // All groups need it.
            keep_going: false,
            ..options.clone()
        };
        // A column of owners that is named for the capital may have another name here.
        let again = |error| match &found.owner {
            Some(_) => {
                let found = Options { owner: None, ..found.clone() };
                Self::open(&found, context).map_err(|_| error)
            }
            None => Err(error),
        };
        let mut other = Self::open(&found, context).or_else(again)?;
        other.population = Arc::clone(&self.population);
        other.roles.iter_mut().for_each(|roles| roles.reward = Some(roles.amount));
        let counted = other.count(usize::MAX, &found, context)?;
        Ok((other, counted))
    }

    /// Of each group there, which one it is here.
    fn places(&self, counted: &Counted, there: &Self, groups: &Counted) -> Result<Vec<Option<u32>>> {
        let names = |schema: &GroupSchema| -> Vec<String> {
            schema.fields.iter().map(|field| field.name().clone()).collect()
        };
        let (ours, theirs) = (names(&self.schema), names(&there.schema));
        if ours != theirs {
            return Err(Error::Usage(format!(
                "--rewards: its groups are by {}, those of the capital by {}; name common columns with --by",
                list(&ours),
                list(&theirs)
            )));
        }
        // In the types of the capital's columns, where theirs can be so.
        let texts = |schema: &GroupSchema, counted: &Counted| -> Result<Vec<Vec<Option<String>>>> {
            let columns = schema.columns_of(&counted.groups.keys)?;
            let text = |(column, field): (&ArrayRef, &Field)| {
                // Unless that changes what they say: 1.5 is not 1.
                let same = |own: &ArrayRef| {
                    convert(own, column.data_type()).is_ok_and(|back| back.as_ref() == column.as_ref())
                };
                let own = convert(column, field.data_type()).ok().filter(same);
                let own = own.unwrap_or_else(|| column.clone());
                convert(&own, &DataType::Utf8)
            };
            let columns: Vec<ArrayRef> =
                columns.iter().zip(&self.schema.fields).map(text).collect::<Result<_>>()?;
            let key = |group: usize| {
                let cell = |column: &ArrayRef| {
                    column.is_valid(group).then(|| column.as_string::<i32>().value(group).to_owned())
                };
                columns.iter().map(cell).collect()
            };
            Ok((0..counted.groups.keys.len()).map(key).collect())
        };
        let ours = texts(&self.schema, counted)?;
        let exact: HashMap<&[Option<String>], u32> = ours.iter().map(Vec::as_slice).zip(0..).collect();
        // Addresses compare whatever their case, where that leaves no doubt.
        let folded = |key: &[Option<String>]| -> Vec<Option<String>> {
            key.iter().map(|cell| cell.as_deref().map(address)).collect()
        };
        let mut alike: HashMap<Vec<Option<String>>, Option<u32>> = HashMap::new();
        for (key, group) in ours.iter().zip(0..) {
            alike.entry(folded(key)).and_modify(|known| *known = None).or_insert(Some(group));
        }
        let place = |key: &Vec<Option<String>>| {
            exact.get(key.as_slice()).copied().or_else(|| alike.get(&folded(key)).copied().flatten())
        };
        Ok(texts(&there.schema, groups)?.iter().map(place).collect())
    }

    /// All rows that hold or earned something, of groups that have a place.
    fn reward_rows(
        &self,
        counted: &Counted,
        is_reward_file: bool,
        place: &(dyn Fn(u32) -> Option<u32> + Sync),
        options: &Options,
        context: &Context<'_>,
    ) -> Result<Vec<Row>> {
        let Counted { groups, tasks, registry, .. } = counted;
        let (workers, all) = (Workers::default(), Mutex::new(vec![]));
        let owners = if options.owners == Owners::Merge { Owners::Merge } else { Owners::Trust };
        let pass = Pass { tasks, registry, workers: &workers, owners, sampler: None, rewards: true };
        context.progress.start("reading rewards", self.rows());
        self.visit(&pass, Stage::Read, options, context, |origin, part, amounts, _| {
            same_groups(registry, groups)?;
            let mut rows = vec![];
            self.each_earned(origin, part, amounts, is_reward_file, owners, counted, |row| {
                if let Some(group) = place(row.group) {
                    rows.push(Row { group, ..row });
                }
            })?;
            all.lock().unwrap_or_else(PoisonError::into_inner).append(&mut rows);
            Ok(())
        })?;
        Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    #[expect(clippy::too_many_arguments, reason = "a part, and what is known of it")]
    fn each_earned(
        &self,
        origin: &Origin,
        part: &Part,
        amounts: &Amounts,
        is_reward_file: bool,
        merging: Owners,
        counted: &Counted,
        mut each: impl FnMut(Row),
    ) -> Result<()> {
        let groups = &counted.groups;
        let earned = part.earned.as_ref();
        let ids = earned.map_or(&part.ids, |earned| &earned.ids);
        let excluded = earned.map_or(&[][..], |earned| &earned.excluded);
        for row in 0..part.rows {
            let number = match ids {
                Ids::All(number) => *number,
                Ids::Each(numbers) => numbers[row],
            };
            let at = row as u32;
            if number == crate::groups::chunk::DROPPED || excluded.binary_search(&at).is_ok() {
                continue;
            }
            let group = groups.ranks[number as usize];
            let is_null = |of: &Amounts| of.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            let capital = if is_reward_file || is_null(amounts) || amounts.values.is_zero(row) {
                U256::ZERO
            } else {
                let amount = amount_of(amounts, row, groups.units[group as usize])
                    .map_err(|problem| place_error(origin, part, row, &self.files, problem))?;
                amount.0.wide()
            };
            let rewards = earned.map(|earned| &earned.rewards).filter(|rewards| !is_null(rewards));
            let is_negative = |rewards: &Amounts| rewards.negative.binary_search(&at).is_ok();
            let reward = rewards.map(|rewards| (Raw::of(rewards, row), is_negative(rewards)));
            let earns = rewards.is_some_and(|rewards| !rewards.values.is_zero(row));
            if capital.is_zero() && !earns {
                continue;
            }
            let owner: Box<[u8]> = match &part.owners {
                Some(owners) if merging == Owners::Merge => {
                    if owners.is_null(row) {
                        let row = part.first_row + row as u64 + 1;
                        return Err(owners::null_owner(origin, row, &self.files));
                    }
                    self.population.holder(owners.value(row)).into()
                }
                _ => Box::default(),
            };
            each(Row { group, owner, capital, reward });
        }
        Ok(())
    }

    /// Rows to holders.
    fn join(
        &self,
        mut rows: Vec<Row>,
        counted: &Counted,
        cuts: &Cuts,
        options: &Options,
    ) -> Result<Vec<Earners>> {
        let groups = &counted.groups;
        let merges = options.owners == Owners::Merge;
        rows.par_sort_unstable_by(|a, b| (a.group, &a.owner).cmp(&(b.group, &b.owner)));
        let of_groups: Vec<&[Row]> = rows.chunk_by(|a, b| a.group == b.group).collect();
        let joined: Vec<Result<(usize, Earners)>> = of_groups
            .into_par_iter()
            .map(|rows| {
                let group = rows[0].group as usize;
                let wrong = |problem: &str, remedy: &str| Error::Group {
                    group: self.schema.show(&groups.keys[group]),
                    problem: problem.into(),
                    remedy: remedy.into(),
                };
                let mut span = Span::default();
                rows.iter().filter_map(|row| row.reward).for_each(|(raw, _)| span.merge(of_raw(raw)));
                let unit = span.unit().ok_or_else(|| {
                    wrong(
                        "its rewards are doubles in one file and exact amounts in another, which share no unit",
                        "choose columns of one kind with --reward",
                    )
                })?;
                let mut earners = Earners { unit: Some(unit), ..Earners::default() };
                let owners: Vec<&[Row]> = if merges {
                    rows.chunk_by(|a, b| a.owner == b.owner).collect()
                } else {
                    rows.chunks(1).collect()
                };
                for rows in owners {
                    let (mut capital, mut reward, mut known) = (U256::ZERO, Sum::default(), false);
                    for row in rows {
                        capital = capital
                            .checked_add(row.capital)
                            .ok_or_else(|| Error::changed("of an owner with too much".into()))?;
                        let Some((raw, negative)) = row.reward else { continue };
                        known = true;
                        let size = raw.amount(unit).ok_or_else(|| match unit {
                            Unit::Decimal(_) => wrong(
                                "a reward is beyond 256 bits at the number of decimals that its group needs",
                                "leave the row out",
                            ),
                            Unit::Binary(_) => wrong(
                                "a reward is more than 2^255 times smaller than the group's largest",
                                "leave the row out, or keep rewards of such different sizes in groups of their own",
                            ),
                        })?;
                        reward += Sum::new(U320::from(size.wide()), negative);
                    }
                    if reward.size.bit_len() > 256 {
                        return Err(wrong(
                            "the rewards of one owner sum to more than 256 bits hold",
                            "rewards are below 2^256; are they rewards, not ids?",
                        ));
                    }
                    if capital.is_zero() {
                        earners.n_no_capital += u64::from(!reward.size.is_zero());
                        earners.no_capital += reward;
                    } else if cuts.keeps(group as u32, Exact::Wide(capital)) {
                        earners.unknown += u64::from(!known);
                        earners.holders.push(Earner { capital, reward });
                    }
                }
                if earners.holders.len() as u64 != groups.counts[group].holders {
                    return Err(Error::changed(self.schema.show(&groups.keys[group])));
                }
                Ok((group, earners))
            })
            .collect();
        let mut all: Vec<Earners> = (0..groups.keys.len()).map(|_| Earners::default()).collect();
        for joined in joined {
            let (group, earners) = joined?;
            all[group] = earners;
        }
        Ok(all)
    }
}

/// Addresses compare whatever their case.
fn address(text: &str) -> String {
    if text.len() > 2 && (text.starts_with("0x") || text.starts_with("0X")) {
        text.to_ascii_lowercase()
    } else {
        text.to_owned()
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

/// What a reward asks of its group's unit: zero nothing.
fn of_raw(raw: Raw) -> Span {
    match raw {
        Raw::Exact(amount, _) if amount.is_zero() => Span::default(),
        Raw::Exact(_, scale) => Span::of_decimals(scale),
        Raw::Double(0.0) => Span::default(),
        Raw::Double(amount) => Span { decimals: None, bits: Some(bits_of_double(amount)) },
    }
}
