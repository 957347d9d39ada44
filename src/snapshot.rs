//! `snapshot`: who had what at some blocks, by the transfers before them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, BinaryBuilder, RecordBatch, StringBuilder, UInt32Array, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema};
use rayon::prelude::*;

use crate::cli::NftsArg;
use crate::columns::owner;
use crate::error::{Error, Result};
use crate::groups::registry::Registry;
use crate::groups::schema::GroupSchema;
use crate::ingest::Context;
use crate::input::file::InputFile;
use crate::input::log::{self, Log};
use crate::input::roles::{KeyColumn, is_asset, is_snapshot};
use crate::input::{self, discover};
use crate::memory::{self, Memory};
use crate::numbers::decimal;
use crate::options::Negatives;
use crate::options::snapshot::Asked;
use crate::record::{Stage, Task, Volume};
use crate::results::{Results, Source};

mod entries;
mod fold;
mod holdings;
mod ids;
mod names;
mod read;

use entries::Entry;
use fold::Tables;
use holdings::{Holding, Holdings};
use ids::Signs;
use read::{Facts, Reader};

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
    let (others, only, signs) = (&tables.others, read::canonical(&asked.only), Signs::default());
    let reader = Reader { logs: &logs, asked, registry: &registry, only, others, context };
    reader.each("reading", |transfers| {
        facts.lock().unwrap_or_else(PoisonError::into_inner).take(&transfers);
        tables.add(&transfers.moves);
        if asked.nfts != NftsArg::Keep {
            signs.take(&transfers.moves);
        }
        let (room, held) = (memory.room(registry.keys()), tables.bytes());
        if tables.entries() > Tables::MOST {
            return Err(Error::Memory(format!(
                "there are more than {} holders at all blocks together; take some tokens at a time with --only, or fewer \
                 blocks",
                Tables::MOST
            )));
        }
        if held > room {
            return Err(Error::Memory(format!(
                "the holders so far take about {} and all must be in memory; allow more with --memory-limit, or take \
                 some tokens at a time with --only",
                memory::show(held)
            )));
        }
        Ok(())
    })?;
    tables.settle();
    let facts = facts.into_inner().unwrap_or_else(PoisonError::into_inner);
    let held = tables.bytes();
    let ids = ids::of(signs, &reader, memory.room(registry.keys()).saturating_sub(held))?;
    let (keys, places) = registry.ranked();
    let names: Vec<String> = keys.iter().map(|key| logs.schema.show(key)).collect();
    let columns = logs.schema.columns_of(&keys)?;
    if let Some(place) = (0..keys.len()).find(|&place| columns.iter().any(|column| column.is_null(place))) {
        return Err(Error::Group {
            group: names[place].clone(),
            problem: "the token or the chain of some transfers is null".into(),
            remedy: "write it, or leave such rows out".into(),
        });
    }
    let ids: HashSet<u32> = ids.into_iter().map(|token| places[token as usize]).collect();
    let mut warnings = logs.warnings.clone();
    warnings.extend(facts.warnings(asked));
    let mut holdings = Holdings::of(tables, &places);
    if let (NftsArg::Error, Some(&first)) = (asked.nfts, ids.iter().min()) {
        let others = match ids.len() - 1 {
            0 => String::new(),
            1 => " (and another)".into(),
            n => format!(" (and {n} others)"),
        };
        return Err(Error::Group {
            group: format!("{}{others}", names[first as usize]),
            problem: "each amount is made once and moves as a whole, as the ids of an ERC-721 token do"
                .into(),
            remedy: "leave such tokens out with --nfts drop, or take the ids for amounts with --nfts keep"
                .into(),
        });
    }
    warnings.extend(named(&ids, &names, "left out: its transfers are those of ERC-721 ids"));
    holdings.drop(&ids);
    warnings.extend(holdings.check(asked, &names)?);
    let schema = Arc::new(logs.schema(asked)?);
    let has_bytes = logs.has_bytes();
    let mut source =
        Made { at: asked.at.clone(), columns, holdings, has_bytes, schema: schema.clone(), rows: 0 };
    source.rows = source.holdings.rows_of(asked.at.len() as u32);
    let groups = schema.fields().len() - 1;
    Ok(Snapshots { results: Results::made(schema, groups, Box::new(source)), warnings })
}

/// Rows that are made at a time.
const BATCH: usize = 1 << 16;

impl Logs {
    fn open(asked: &Asked, context: &Context<'_>) -> Result<Self> {
        let (sources, mut warnings) =
            discover(&asked.paths, &asked.tables, asked.temp_dir.as_deref(), context.interrupted)?;
        let open = |source: input::Source| {
            let open = |source| {
                let mut file = InputFile::open(source)?;
                let roles = log::find(&file.source, file.schema(), &asked.named)?;
                file.view(&[roles.from, roles.to, roles.amount])?;
                Ok((file, roles))
            };
            let task = Task::of_file(&source.shown, None);
            context.recorder.time(Stage::Open, task, Volume::default(), || open(source))
        };
        let opened: Vec<(InputFile, Log)> = sources.into_par_iter().map(open).collect::<Result<_>>()?;
        let (files, roles): (Vec<InputFile>, Vec<Log>) = opened.into_iter().unzip();
        let roles = alike(&files, roles)?;
        let keys: Vec<(&InputFile, &[KeyColumn])> =
            files.iter().zip(&roles).map(|(file, roles)| (file, &roles.keys[..])).collect();
        let schema = GroupSchema::unite(&keys).lowering();
        if let Some(file) =
            files.iter().zip(&roles).find(|(_, roles)| !asked.only.is_empty() && !has(roles, TOKEN))
        {
            return Err(Error::Schema {
                file: file.0.source.shown.clone(),
                problem: "--only is about tokens, and no column of them is recognised; name it with --token"
                    .into(),
            });
        }
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
            of.is_binary()
        };
        self.files
            .iter()
            .zip(&self.roles)
            .all(|(f, roles)| is_binary(f, roles.from) && is_binary(f, roles.to))
    }

    /// The result's columns, and where it comes from.
    fn schema(&self, asked: &Asked) -> Result<Schema> {
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
        Ok(Schema::new(fields).with_metadata(provenance))
    }
}

/// The rows of all snapshots, made of what holders have when they are written: there may be many more than holders.
struct Made {
    at: Vec<u64>,
    /// Of each token.
    columns: Vec<ArrayRef>,
    holdings: Holdings,
    /// Whether all owners are bytes.
    has_bytes: bool,
    schema: Arc<Schema>,
    rows: usize,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("at", &self.at).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Source for Made {
    fn rows(&self) -> usize {
        self.rows
    }

    fn distinct(&self) -> &[&'static str] {
        &["address", "balance"]
    }

    fn batches(&self) -> Box<dyn Iterator<Item = Result<RecordBatch>> + '_> {
        let threads = rayon::current_num_threads();
        let of_rows = move |block: u64, rows: Vec<Holding>| {
            let starts = (0..rows.len()).step_by(threads * BATCH);
            starts.flat_map(move |start| {
                let rows = &rows[start..rows.len().min(start + threads * BATCH)];
                rows.par_chunks(BATCH).map(|rows| self.batch(block, rows)).collect::<Vec<_>>()
            })
        };
        let of_snapshot = move |(epoch, &block): (u32, &u64)| {
            let mut ranges = self.holdings.ranges(epoch).into_iter().peekable();
            let mut rest = vec![];
            // As many as make whole batches, from some ranges that are sorted side by side.
            let next = move || {
                ranges.peek()?;
                let mut rows = std::mem::take(&mut rest);
                let (mut some, mut more) = (vec![], (threads * BATCH).saturating_sub(rows.len()));
                while let Some(range) = ranges.next_if(|_| more > 0) {
                    more = more.saturating_sub(range.rows());
                    some.push(range);
                }
                let sorted: Vec<Vec<Holding>> =
                    some.into_par_iter().map(|range| self.holdings.sort(range)).collect();
                sorted.iter().for_each(|sorted| rows.extend_from_slice(sorted));
                if ranges.peek().is_some() {
                    rest = rows.split_off(rows.len() / BATCH * BATCH);
                }
                Some(rows)
            };
            std::iter::from_fn(next).flat_map(move |rows| of_rows(block, rows))
        };
        Box::new((0..).zip(&self.at).flat_map(of_snapshot))
    }
}

impl Made {
    /// Some rows of a snapshot.
    fn batch(&self, block: u64, rows: &[Holding]) -> Result<RecordBatch> {
        let failed = || Error::arrow("build a snapshot");
        // First all entries, which lie anywhere: so their memory is waited for at once.
        let entries: Vec<Entry> = rows.iter().map(|row| *self.holdings.entry(row)).collect();
        let tokens = UInt32Array::from_iter_values(entries.iter().map(Entry::token));
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from_value(block, rows.len()))];
        for column in &self.columns {
            arrays.push(take(column, &tokens, None).map_err(failed())?);
        }
        let names = entries.iter().map(Entry::name);
        if self.has_bytes {
            let mut bytes = BinaryBuilder::with_capacity(rows.len(), rows.len() * 20);
            names.for_each(|name| match name.address() {
                Some(address) => bytes.append_value(address),
                None => bytes.append_option(owner::bytes(&name.owner(&self.holdings.names))),
            });
            arrays.push(Arc::new(bytes.finish()));
        } else {
            let mut text = StringBuilder::with_capacity(rows.len(), rows.len() * 42);
            names.for_each(|name| text.append_value(owner::show(&name.owner(&self.holdings.names))));
            arrays.push(Arc::new(text.finish()));
        }
        let mut balances = StringBuilder::with_capacity(rows.len(), rows.len() * 28);
        let mut buffer = [0; decimal::BYTES];
        for balance in entries.iter().filter_map(|entry| entry.sum().amount()) {
            balances.append_value(decimal::digits(balance, &mut buffer));
        }
        arrays.push(Arc::new(balances.finish()));
        RecordBatch::try_new(self.schema.clone(), arrays).map_err(failed())
    }
}

/// The role of a group column that is a chain's, or a token's.
const CHAIN: usize = 1;
const TOKEN: usize = 2;

fn has(log: &Log, role: usize) -> bool {
    log.keys.iter().any(|key| key.order.0 == role)
}

/// The same with one name for each role, as one token must not be two; an error where some files have it and others not.
fn alike(files: &[InputFile], mut logs: Vec<Log>) -> Result<Vec<Log>> {
    for (role, what, flag) in [(CHAIN, "chains", ""), (TOKEN, "tokens", "; name it with --token")] {
        let names = logs.iter().flat_map(|log| &log.keys).filter(|key| key.order.0 == role);
        let Some(name) = names.map(|key| key.name.clone()).min() else { continue };
        if let Some((file, _)) = files.iter().zip(&logs).find(|(_, log)| !has(log, role)) {
            return Err(Error::Schema {
                file: file.source.shown.clone(),
                problem: format!(
                    "it has no column of {what}, and others have: its transfers would be those of another token{flag}"
                ),
            });
        }
        let keys = logs.iter_mut().flat_map(|log| &mut log.keys).filter(|key| key.order.0 == role);
        keys.for_each(|key| (key.name, key.order) = (name.clone(), (role, 0)));
    }
    Ok(logs)
}

/// Whether a group column is that of tokens.
fn is_token(asked: &Asked, name: &str) -> bool {
    match &asked.named.token {
        Some(token) => token.eq_ignore_ascii_case(name),
        None => is_asset(name),
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
