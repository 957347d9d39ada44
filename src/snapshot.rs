//! `snapshot`: who had what at some blocks, by the transfers before them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    ArrayRef, BinaryBuilder, RecordBatch, StringArray, StringBuilder, UInt32Array, UInt64Array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema};
use rayon::prelude::*;
use ruint::aliases::U256;

use crate::cli::NftsArg;
use crate::columns::owner;
use crate::error::{Error, Result};
use crate::groups::registry::Registry;
use crate::groups::schema::GroupSchema;
use crate::ingest::Context;
use crate::input::file::InputFile;
use crate::input::log::{self, Log};
use crate::input::roles::{KeyColumn, is_asset, is_snapshot};
use crate::input::{Source, discover};
use crate::memory::{self, Memory};
use crate::options::Negatives;
use crate::options::snapshot::Asked;
use crate::record::{Stage, Task, Volume};
use crate::results::Results;

mod fold;
mod ids;
mod read;

use fold::{Entry, LongNames, OF_ENTRY, Tables};
use read::{Facts, Reader, Transfers};

/// What was built.
pub struct Snapshots {
    /// A row per block, token and holder.
    pub results: Results,
    /// What the user should know, in full sentences.
    pub warnings: Vec<String>,
}

/// The opened files of a log and what their columns are.
pub(crate) struct Logs {
    files: Vec<InputFile>,
    roles: Vec<Log>,
    /// Chain and token.
    schema: GroupSchema,
    warnings: Vec<String>,
}

/// Builds the snapshots.
pub fn snapshot(asked: &Asked, context: &Context<'_>) -> Result<Snapshots> {
    let logs = Logs::open(asked, context)?;
    let memory = Memory::of(asked.memory_limit);
    let (tables, registry) = (Tables::new(), Registry::new(memory.groups(0)));
    let facts = Mutex::new(Facts::default());
    let reader =
        Reader { logs: &logs, asked, registry: &registry, only: read::canonical(&asked.only), context };
    context.progress.start("reading", logs.files.iter().map(InputFile::rows).sum());
    reader.each(|transfers| {
        facts.lock().unwrap_or_else(PoisonError::into_inner).take(&transfers);
        let Transfers { moves, .. } = transfers;
        tables.add(&moves);
        let (room, held) = (memory.room(registry.keys()), tables.entries() * OF_ENTRY);
        if held > room {
            return Err(Error::Memory(format!(
                "the holders so far take about {} and all must be in memory; allow more with --memory-limit, or take \
                 some tokens at a time with --only",
                memory::show(held)
            )));
        }
        Ok(())
    })?;
    let facts = facts.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (keys, places) = registry.ranked();
    let mut holdings = Holdings::of(tables, &places, keys.len());
    let names: Vec<String> = keys.iter().map(|key| logs.schema.show(key)).collect();

    let mut warnings = logs.warnings.clone();
    warnings.extend(facts.warnings(asked));
    let suspects = holdings.suspects(&facts, &places);
    if asked.nfts != NftsArg::Keep && !suspects.is_empty() {
        context.progress.start("looking at ids", logs.files.iter().map(InputFile::rows).sum());
        let ids = ids::of(&reader, &places, suspects)?;
        if let (NftsArg::Error, Some(&first)) = (asked.nfts, ids.iter().min()) {
            let others =
                if ids.len() > 1 { format!(" (and {} others)", ids.len() - 1) } else { String::new() };
            return Err(Error::Group {
                group: format!("{}{others}", names[first as usize]),
                problem: "each amount is minted once and moves as a whole, as the ids of an ERC-721 token do"
                    .into(),
                remedy:
                    "leave such tokens out with --nfts drop, or take the ids for amounts with --nfts keep"
                        .into(),
            });
        }
        warnings.extend(named(&ids, &names, "left out, as its transfers are those of ERC-721 ids"));
        holdings.drop(&ids);
    }
    warnings.extend(holdings.check(asked, &names)?);
    context.progress.start("writing snapshots", asked.at.len() as u64);
    let mut results = logs.results(asked, &memory, registry.keys())?;
    let columns = logs.schema.columns_of(&keys)?;
    for (epoch, &block) in asked.at.iter().enumerate() {
        if (context.interrupted)() {
            return Err(Error::Interrupted);
        }
        let rows = holdings.rows(epoch as u32);
        let batches: Vec<RecordBatch> = rows
            .par_chunks(BATCH)
            .map(|rows| logs.batch(block, rows, &columns, &holdings, &results.schema))
            .collect::<Result<_>>()?;
        batches.iter().try_for_each(|batch| results.push(batch))?;
        context.progress.add(1);
    }
    Ok(Snapshots { results, warnings })
}

/// Rows that are written at a time.
const BATCH: usize = 1 << 16;

impl Logs {
    fn open(asked: &Asked, context: &Context<'_>) -> Result<Self> {
        let (sources, mut warnings) = discover(&asked.paths, asked.temp_dir.as_deref(), context.interrupted)?;
        let open = |source: Source| {
            let open = |source| {
                let file = InputFile::open(source)?;
                let roles = log::find(&file.source, file.schema(), &asked.named)?;
                Ok((file, roles))
            };
            let task = Task::of_file(&source.shown, None);
            context.recorder.time(Stage::Open, task, Volume::default(), || open(source))
        };
        let opened: Vec<(InputFile, Log)> = sources.into_par_iter().map(open).collect::<Result<_>>()?;
        let (files, roles): (Vec<InputFile>, Vec<Log>) = opened.into_iter().unzip();
        let keys: Vec<(&InputFile, &[KeyColumn])> =
            files.iter().zip(&roles).map(|(file, roles)| (file, &roles.keys[..])).collect();
        let schema = GroupSchema::unite(&keys);
        if !schema.fields.iter().any(|field| is_token(asked, field.name())) {
            warnings.push("there is no column of tokens: all transfers are taken for those of one".into());
        }
        Ok(Self { files, roles, schema, warnings })
    }

    /// Whether all owners are bytes.
    fn has_bytes(&self) -> bool {
        let is_binary = |file: &InputFile, column: usize| {
            let of = match file.schema().field(column).data_type() {
                DataType::Dictionary(_, values) => values.as_ref(),
                other => other,
            };
            of.is_binary() || matches!(of, DataType::FixedSizeBinary(_))
        };
        self.files
            .iter()
            .zip(&self.roles)
            .all(|(f, roles)| is_binary(f, roles.from) && is_binary(f, roles.to))
    }

    /// The results, without rows yet.
    fn results(&self, asked: &Asked, memory: &Memory, groups: usize) -> Result<Results> {
        let field = |name: &str, of: DataType, reading: &str| {
            let reading = HashMap::from([("reading".to_owned(), reading.to_owned())]);
            Field::new(name, of, true).with_metadata(reading)
        };
        let block = &self.files[0].schema().field(self.roles[0].block).name().clone();
        let block = if is_snapshot(block) { block } else { "block_number" };
        let mut fields =
            vec![field(block, DataType::UInt64, "The block before whose transactions it is so.")];
        // What the next command takes for a token by its name.
        let keys =
            self.schema.fields.iter().map(|key| match is_token(asked, key.name()) && !is_asset(key.name()) {
                true => key.clone().with_name("token"),
                false => key.clone(),
            });
        fields.extend(keys);
        let owners = if self.has_bytes() { DataType::Binary } else { DataType::Utf8 };
        fields.push(field("address", owners, "The holder."));
        fields.push(field(
            "balance",
            DataType::Utf8,
            "What it has, in the token's smallest unit, exactly, in text.",
        ));
        for (at, field) in fields.iter().enumerate() {
            if fields[..at].iter().any(|other| other.name() == field.name()) {
                return Err(Error::Usage(format!(
                    "the column `{}` has the name of another in the result; rename it in the input",
                    field.name()
                )));
            }
        }
        let inputs = self.files.iter().zip(&self.roles).map(|(file, roles)| {
            let name = |column: usize| file.schema().field(column).name();
            let keys: Vec<&str> = roles.keys.iter().map(|key| &key.name[..]).collect();
            serde_json::json!({
                "name": file.source.name, "rows": file.rows(), "bytes": file.bytes, "block": name(roles.block),
                "from": name(roles.from), "to": name(roles.to), "amount": name(roles.amount), "group": keys,
            })
        });
        let options = serde_json::json!({
            "at": asked.at, "only": asked.only,
            "negatives": if asked.negatives == Negatives::Drop { "drop" } else { "error" },
            "nfts": match asked.nfts { NftsArg::Error => "error", NftsArg::Drop => "drop", NftsArg::Keep => "keep" },
        });
        let provenance = HashMap::from([
            ("concentra.version".into(), env!("CARGO_PKG_VERSION").into()),
            ("concentra.snapshot".into(), options.to_string()),
            ("concentra.inputs".into(), serde_json::Value::Array(inputs.collect()).to_string()),
        ]);
        let room = memory.room(groups) / 8;
        let keys = fields.len() - 1;
        Ok(Results::new(&Schema::new(fields), keys, provenance, room, asked.temp_dir.as_deref()))
    }

    /// Some rows of a snapshot.
    fn batch(
        &self,
        block: u64,
        rows: &[Holding],
        columns: &[ArrayRef],
        holdings: &Holdings,
        schema: &Arc<Schema>,
    ) -> Result<RecordBatch> {
        let failed = || Error::arrow("build a snapshot");
        let tokens = UInt32Array::from_iter_values(rows.iter().map(|row| row.token));
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from_value(block, rows.len()))];
        for column in columns {
            arrays.push(take(column, &tokens, None).map_err(failed())?);
        }
        let owners = rows.iter().map(|row| holdings.owner(row));
        if self.has_bytes() {
            let mut bytes = BinaryBuilder::with_capacity(rows.len(), rows.len() * 20);
            owners.for_each(|owner| bytes.append_option(owner::bytes(&owner)));
            arrays.push(Arc::new(bytes.finish()));
        } else {
            let mut text = StringBuilder::with_capacity(rows.len(), rows.len() * 42);
            owners.for_each(|owner| text.append_value(owner::show(&owner)));
            arrays.push(Arc::new(text.finish()));
        }
        arrays.push(Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.balance.to_string()))));
        RecordBatch::try_new(schema.clone(), arrays).map_err(failed())
    }
}

/// Whether a group column is that of tokens.
fn is_token(asked: &Asked, name: &str) -> bool {
    match &asked.named.token {
        Some(token) => token.eq_ignore_ascii_case(name),
        None => is_asset(name),
    }
}

/// What all holders have, from each epoch on in which that changes.
struct Holdings {
    lists: Vec<Vec<Entry>>,
    long: LongNames,
    /// Of each token, whether somebody sent more often than it received, which nobody can with single ids.
    divided: Vec<AtomicBool>,
}

/// A holder in a snapshot.
struct Holding {
    token: u32,
    balance: U256,
    /// Where its entry is.
    place: (u32, u32),
}

impl Holdings {
    /// Of so many tokens, which get these places.
    fn of(tables: Tables, places: &[u32], tokens: usize) -> Self {
        let (lists, long) = tables.finish(places);
        let divided: Vec<AtomicBool> = (0..tokens).map(|_| AtomicBool::new(false)).collect();
        lists.par_iter().flatten_iter().filter(|entry| entry.received < 0).for_each(|entry| {
            divided[entry.token as usize].store(true, Ordering::Relaxed);
        });
        Self { lists, long, divided }
    }

    fn owner(&self, row: &Holding) -> Box<[u8]> {
        self.lists[row.place.0 as usize][row.place.1 as usize].name.bytes(&self.long)
    }

    /// Tokens whose transfers may be those of ids.
    fn suspects(&self, facts: &Facts, places: &[u32]) -> HashSet<u32> {
        let divided = |place: u32| self.divided[place as usize].load(Ordering::Relaxed);
        let suspects = facts.may_be_ids().map(|token| places[token as usize]);
        suspects.filter(|&place| !divided(place)).collect()
    }

    /// Leaves out all holders of some tokens.
    fn drop(&mut self, tokens: &HashSet<u32>) {
        self.lists.par_iter_mut().for_each(|list| list.retain(|entry| !tokens.contains(&entry.token)));
    }

    /// Refuses holders of what no holder can have, or tells of them.
    fn check(&self, asked: &Asked, names: &[String]) -> Result<Vec<String>> {
        let beyond = |entry: &&Entry| entry.sum.amount().is_none();
        let mut beyond: Vec<&Entry> = self.lists.par_iter().flatten_iter().filter(beyond).collect();
        beyond.par_sort_unstable_by(|a, b| {
            (a.epoch, a.token).cmp(&(b.epoch, b.token)).then_with(|| a.name.compare(&b.name, &self.long))
        });
        let show = |entry: &Entry| {
            let (owner, block) = (owner::show(&entry.name.bytes(&self.long)), asked.at[entry.epoch as usize]);
            format!("{owner} has {} at block {block}", entry.sum.show())
        };
        if let Some(entry) = beyond.iter().find(|entry| !entry.sum.is_negative()) {
            return Err(Error::Group {
                group: names[entry.token as usize].clone(),
                problem: format!("{}, more than 256 bits hold", show(entry)),
                remedy: "no token can have so much: is the column of amounts one of ids?".into(),
            });
        }
        let Some(first) = beyond.first() else { return Ok(vec![]) };
        let mut of_tokens = BTreeMap::new();
        for entry in &beyond {
            let (owners, _) = of_tokens.entry(entry.token).or_insert((HashSet::new(), *entry));
            owners.insert(entry.name.bytes(&self.long));
        }
        let holders: usize = of_tokens.values().map(|(owners, _)| owners.len()).sum();
        if asked.negatives == Negatives::Error {
            let others = match (holders - 1, of_tokens.len()) {
                (0, _) => String::new(),
                (1, _) => ", and another holder has less than nothing".into(),
                (n, 1) => format!(", and {n} other holders have less than nothing"),
                (n, tokens) => format!(", and {n} other holders of {tokens} tokens have less than nothing"),
            };
            return Err(Error::Group {
                group: names[first.token as usize].clone(),
                problem: format!("{}{others}: transfers are missing from the log", show(first)),
                remedy:
                    "add the files of all blocks from the token's first on, or leave such holders out with \
                         --negatives drop"
                        .into(),
            });
        }
        let mut told: Vec<String> = of_tokens
            .iter()
            .take(SHOWN)
            .map(|(&token, (owners, first))| {
                let holders =
                    if owners.len() == 1 { "1 holder".into() } else { format!("{} holders", owners.len()) };
                format!(
                    "{}: {holders} left out who would have less than nothing ({}): transfers are missing from the log",
                    names[token as usize],
                    show(first)
                )
            })
            .collect();
        told.extend(
            (of_tokens.len() > SHOWN).then(|| format!("… and of {} other tokens", of_tokens.len() - SHOWN)),
        );
        Ok(told)
    }

    /// Who holds something at a snapshot: by token, the largest first.
    fn rows(&self, epoch: u32) -> Vec<Holding> {
        let of_list = |(list, entries): (usize, &Vec<Entry>)| -> Vec<Holding> {
            let ends = |at: usize| {
                let (entry, next) = (&entries[at], entries.get(at + 1));
                let is_next = next.is_some_and(|next| {
                    next.token == entry.token && next.name == entry.name && next.epoch <= epoch
                });
                entry.epoch <= epoch && !is_next
            };
            let last = (0..entries.len()).filter(|&at| ends(at));
            let held = last.filter_map(|at| Some((at, entries[at].sum.amount().filter(|b| !b.is_zero())?)));
            held.map(|(at, balance)| Holding {
                token: entries[at].token,
                balance,
                place: (list as u32, at as u32),
            })
            .collect()
        };
        let mut rows: Vec<Holding> = self.lists.par_iter().enumerate().map(of_list).flatten_iter().collect();
        let name = |row: &Holding| &self.lists[row.place.0 as usize][row.place.1 as usize].name;
        rows.par_sort_unstable_by(|a, b| {
            a.token
                .cmp(&b.token)
                .then(b.balance.cmp(&a.balance))
                .then_with(|| name(a).compare(name(b), &self.long))
        });
        rows
    }
}

/// Tokens that are told of one by one.
const SHOWN: usize = 3;

/// What happened to some tokens.
fn named(tokens: &HashSet<u32>, names: &[String], what: &str) -> Vec<String> {
    let mut tokens: Vec<u32> = tokens.iter().copied().collect();
    tokens.sort_unstable();
    let mut told: Vec<String> =
        tokens.iter().take(SHOWN).map(|&token| format!("{}: {what}", names[token as usize])).collect();
    told.extend((tokens.len() > SHOWN).then(|| format!("… and {} other tokens", tokens.len() - SHOWN)));
    told
}
