//! `power`: who decides, a game in every group.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use num_bigint::BigUint;
use rayon::prelude::*;
use ruint::aliases::U256;

use crate::choose::{Choice, choose};
use crate::cli::MethodArg;
use crate::error::{Error, Result};
use crate::games::sample::{Counts, estimate};
use crate::games::{Game, Indices, Power};
use crate::groups::Groups;
use crate::groups::cuts::{in_unit, least_amount};
use crate::ingest::{Context, Ingest, Player};
use crate::memory::Memory;
use crate::numbers::unit::Unit;
use crate::numbers::wide::{U320, ratio};
use crate::options::Owners;
use crate::options::play::{Play, Quota, Until};
use crate::population;
use crate::results::Results;

/// What was found.
pub struct Powers {
    /// A row per group and voter.
    pub voters: Results,
    /// A row per group.
    pub games: Results,
    /// What the user should know, in full sentences.
    pub warnings: Vec<String>,
    /// What computed and why, where devices were looked at.
    pub device: Option<String>,
}

/// One group.
struct Played {
    players: Vec<Player>,
    /// None without voters.
    game: Option<Game>,
    /// In the group's unit; none without voters.
    quota: Option<U320>,
    indices: Option<Indices>,
    counts: Option<Counts>,
    /// Of all voters together, in samples of the first kind.
    turns: u64,
    /// Who took the samples: backend, adapter, why not another.
    by: (&'static str, Option<String>, Option<String>),
}

/// Samples that are taken before errors are looked at again.
const LOT: u64 = 1 << 16;
/// Samples at most, whatever the error asked for.
const MOST: u64 = 1 << 40;

/// Plays the games of all groups.
pub fn power(play: &Play, context: &Context<'_>) -> Result<Powers> {
    let options = &play.options;
    let ingest = Ingest::open(options, context)?;
    if let Some(clash) = ingest
        .schema
        .fields
        .iter()
        .find(|field| VOTERS.iter().chain(GAMES).any(|(name, _, _)| name == field.name()))
    {
        return Err(Error::Usage(format!(
            "the group column `{}` has the name of a result column; rename it in the input or leave it out of --by",
            clash.name()
        )));
    }
    ingest.describe().iter().for_each(|line| tracing::info!("{line}"));
    let counted = ingest.count(usize::MAX, options, context)?;
    let groups = &counted.groups;
    let memory = Memory::of(None).beside(ingest.population.bytes());
    let players = ingest.players(&counted, &memory, options, context)?;
    let mut played: Vec<Played> = players
        .into_iter()
        .enumerate()
        .map(|(group, players)| begin(players, group, groups, &ingest, play))
        .collect::<Result<_>>()?;

    let voters: usize = played.iter().map(|played| played.players.len()).sum();
    context.progress.start("playing", voters as u64);
    if play.method != MethodArg::Sample {
        played.par_iter_mut().try_for_each(|played| {
            if (context.interrupted)() {
                return Err(Error::Interrupted);
            }
            played.indices = played.game.as_ref().and_then(|game| game.exact(play.both));
            if played.indices.is_some() {
                context.progress.add(played.players.len() as u64);
            }
            Ok(())
        })?;
    }
    let open = |played: &Played| played.game.is_some() && played.indices.is_none();
    if let Some(first) = played.iter().position(open).filter(|_| play.method == MethodArg::Exact) {
        return Err(Error::Group {
            group: ingest.schema.show(&groups.keys[first]),
            problem: format!("its game of {} voters is too large to be exact", played[first].players.len()),
            remedy: "take samples where that is so with --method auto".into(),
        });
    }
    let mut warnings = ingest.warnings(options);
    let several = |played: &Played| {
        let mut owners: Vec<&[u8]> = played.players.iter().filter_map(|p| p.owner.as_deref()).collect();
        owners.sort_unstable();
        owners.windows(2).any(|pair| pair[0] == pair[1])
    };
    let n = played.iter().filter(|played| options.owners == Owners::Trust && several(played)).count();
    if n > 0 {
        let games = if n == 1 { "1 game has".into() } else { format!("{n} games have") };
        warnings.push(format!(
            "{games} voters who play several times: name what is voted on in --by, or give each voter one row with \
             --owners merge"
        ));
    }
    let n = played.iter().filter(|played| played.game.as_ref().is_some_and(|g| g.quota > g.total)).count();
    if n > 0 {
        let games = if n == 1 { "1 game".into() } else { format!("{n} games") };
        warnings.push(format!("in {games} nobody can win: the quota is above all weights together"));
    }
    let mut chosen = None;
    for played in played.iter_mut().filter(|played| open(played)) {
        let choice = match &chosen {
            Some(choice) => choice,
            None => chosen.insert(choose(&options.device, &[0], vec![])?),
        };
        draw(played, play, choice, context)?;
        context.progress.add(played.players.len() as u64);
    }
    if let Some((_, _, Some(note))) =
        played.iter().map(|played| &played.by).find(|(_, _, note)| note.is_some())
    {
        warnings.push(format!("{note}; those samples were taken on the CPU instead"));
    }

    let mut provenance = ingest.provenance(options);
    let said = serde_json::json!({
        "quota": play.shown,
        "method": format!("{:?}", play.method).to_lowercase(),
        "seed": play.seed,
        "index": if play.both { "both" } else { "banzhaf" },
        "until": match play.until {
            Until::Samples(samples) => serde_json::json!({ "samples": samples }),
            Until::Error(error) => serde_json::json!({ "standard_error": error }),
        },
    });
    provenance.insert("concentra.power".into(), said.to_string());
    let device = chosen.filter(|choice| choice.looked);
    let device = device.map(|choice| format!("samples taken on {}: {}", choice.name(), choice.why));
    Ok(Powers {
        voters: table(&ingest, groups, &played, VOTERS, provenance.clone(), |i, played| {
            voters_of(i, played, groups, play)
        })?,
        games: table(&ingest, groups, &played, GAMES, provenance, |i, played| {
            game_of(played, groups.units[i], play.both)
        })?,
        warnings,
        device,
    })
}

/// A group's game.
fn begin(
    players: Vec<Player>,
    group: usize,
    groups: &Groups,
    ingest: &Ingest,
    play: &Play,
) -> Result<Played> {
    let unit = groups.units[group];
    let wrong = |problem: &str, remedy: &str| Error::Group {
        group: ingest.schema.show(&groups.keys[group]),
        problem: problem.into(),
        remedy: remedy.into(),
    };
    let by = ("cpu", None, None);
    if players.is_empty() {
        let (game, quota, indices, counts) = (None, None, None, None);
        return Ok(Played { players, game, quota, indices, counts, turns: 0, by });
    }
    let weights: Vec<U256> = players.iter().map(|player| player.amount).collect();
    let total = weights.iter().fold(U320::ZERO, |sum, &weight| sum + U320::from(weight));
    let beyond = || wrong("its quota is beyond 256 bits", "give it in the unit in which weights are written");
    let quota = match (play.quota, &play.options.quota_of) {
        (Quota::Weight(weight), _) => U320::from(in_unit(least_amount(weight, 0), unit).ok_or_else(beyond)?),
        (Quota::Above(fraction), None) => {
            crate::numbers::tie::fraction(&total, fraction.numerator, fraction.denominator) + U320::from(1u8)
        }
        (Quota::Above(fraction), Some(column)) => {
            let of = groups.prices.of(group as u32).map_err(|values| {
                wrong(&format!("its values in `{column}` differ: {values}"), "give each group one value")
            })?;
            let of = of.ok_or_else(|| {
                wrong(&format!("it has no value in `{column}`"), "fill it in, or leave the group out")
            })?;
            above((of.0 * fraction.numerator, of.1 * fraction.denominator), unit).ok_or_else(beyond)?
        }
    };
    let (game, quota) = (Some(Game::new(&weights, &quota)), Some(quota));
    Ok(Played { players, game, quota, indices: None, counts: None, turns: 0, by })
}

/// The least integer in a unit that is more than a fraction of one.
fn above((numerator, denominator): (BigUint, BigUint), unit: Unit) -> Option<U320> {
    let (numerator, denominator) = match unit {
        Unit::Decimal(decimals) => (numerator * BigUint::from(10u8).pow(decimals.into()), denominator),
        Unit::Binary(exponent) if exponent < 0 => (numerator << exponent.unsigned_abs(), denominator),
        Unit::Binary(exponent) => (numerator, denominator << exponent.unsigned_abs()),
    };
    let floor = numerator / denominator;
    (floor.bits() <= 300).then(|| U320::from_le_slice(&floor.to_bytes_le()) + U320::from(1u8))
}

/// Takes samples of a game until there are enough.
fn draw(played: &mut Played, play: &Play, choice: &Choice, context: &Context<'_>) -> Result<()> {
    let require_gpu = play.options.require_gpu;
    let Some(game) = &played.game else { return Ok(()) };
    let mut counts = Counts::new(game);
    loop {
        if (context.interrupted)() {
            return Err(Error::Interrupted);
        }
        let most = match play.until {
            Until::Samples(samples) => samples,
            Until::Error(_) => MOST,
        };
        let numbers = counts.samples..(counts.samples + LOT).min(most);
        let (more, by) = choice.compute.sample(game, play.seed, numbers, context.recorder, require_gpu)?;
        counts.add(&more);
        // The first failure is the one to tell of.
        if played.by.2.is_none() {
            played.by = by;
        }
        let enough = match play.until {
            Until::Samples(samples) => counts.samples >= samples,
            Until::Error(error) => {
                let others = counts.shapley_shubik.iter().filter(|_| play.both);
                let all = counts.banzhaf.iter().chain(others).chain([&counts.winning]);
                let largest = all.map(|&hits| estimate(hits, counts.samples).1).fold(0.0, f64::max);
                largest <= error || counts.samples >= MOST
            }
        };
        if enough {
            break;
        }
    }
    played.turns = counts.banzhaf.iter().sum();
    played.counts = Some(counts);
    Ok(())
}

impl Played {
    /// The weights of all voters.
    fn total(&self) -> U320 {
        self.players.iter().fold(U320::ZERO, |sum, player| sum + U320::from(player.amount))
    }

    /// `exact` or `sampled`.
    fn method(&self) -> &'static str {
        if self.counts.is_some() { "sampled" } else { "exact" }
    }

    /// Of a voter: its indices, and the standard errors of the first and the last of them where they are estimates.
    fn power(&self, voter: usize) -> (Power, Option<(f64, f64)>) {
        match (&self.indices, &self.counts) {
            (Some(indices), _) => (indices.powers[voter], None),
            (None, Some(counts)) => {
                let all = self.turns;
                let (banzhaf, banzhaf_error) = estimate(counts.banzhaf[voter], counts.samples);
                let (shapley_shubik, error) = estimate(counts.shapley_shubik[voter], counts.samples);
                let part = counts.banzhaf[voter] as f64 / all as f64;
                let banzhaf_normalized = (all > 0).then_some(part);
                (Power { banzhaf, banzhaf_normalized, shapley_shubik }, Some((banzhaf_error, error)))
            }
            (None, None) => Default::default(),
        }
    }

    /// The largest distance between the shares of voters and one of their indices.
    fn gap(&self, index: fn(&Power) -> Option<f64>) -> Option<f64> {
        let total = self.total();
        let gap = |voter: usize| {
            let share = ratio(&self.players[voter].amount, &total);
            Some((index(&self.power(voter).0)? - share).abs())
        };
        (0..self.players.len()).filter_map(gap).reduce(f64::max)
    }
}

/// Columns by their names.
type Columns = Vec<ArrayRef>;

/// The columns of voters, and how to read them.
pub const VOTERS: &[(&str, DataType, &str)] = &[
    ("owner", DataType::Utf8, "The voter, or the entity with --entities; null where the file has none."),
    ("weight", DataType::Utf8, "Exact, as plain decimal text, as written."),
    ("share", DataType::Float64, "Of the weights of all voters."),
    (
        "banzhaf",
        DataType::Float64,
        "The share of the coalitions of the others that the voter turns from losing to winning.",
    ),
    (
        "banzhaf_se",
        DataType::Float64,
        "Its standard error where it is an estimate, smoothed as of (k+1)/(N+2).",
    ),
    ("banzhaf_normalized", DataType::Float64, "Its share of all turns of all voters."),
    (
        "shapley_shubik",
        DataType::Float64,
        "The share of all orders of joining in which the voter is the one who turns.",
    ),
    ("shapley_shubik_se", DataType::Float64, "Its standard error where it is an estimate."),
    ("method", DataType::Utf8, "exact, or sampled."),
];

/// The columns of games.
pub const GAMES: &[(&str, DataType, &str)] = &[
    ("quota", DataType::Utf8, "The weight that wins, as written."),
    ("n_voters", DataType::UInt64, "Voters with a weight above zero."),
    ("total", DataType::Utf8, "Their weights together, as written."),
    ("power_to_act", DataType::Float64, "The share of all coalitions that win (Coleman 1971)."),
    ("power_to_act_se", DataType::Float64, "Its standard error where it is an estimate."),
    ("min_coalition", DataType::UInt64, "The fewest voters that can win together; null where nobody can."),
    (
        "dictator",
        DataType::Utf8,
        "Who wins alone and without whom nobody wins; null too where owners have no names: there min_coalition and n_vetoes are 1.",
    ),
    ("n_vetoes", DataType::UInt64, "Voters without whom nobody wins."),
    (
        "banzhaf_gap",
        DataType::Float64,
        "The largest distance between a voter's share and its normalised Banzhaf index.",
    ),
    (
        "shapley_shubik_gap",
        DataType::Float64,
        "The largest distance between a voter's share and its Shapley–Shubik index.",
    ),
    ("method", DataType::Utf8, "exact, or sampled."),
    ("samples", DataType::UInt64, "Of each of both kinds; null where the indices are exact."),
    ("backend", DataType::Utf8, "What found the indices: cpu or gpu. Both give the same bits."),
    ("adapter", DataType::Utf8, "The name of the GPU; null for the cpu."),
    ("backend_note", DataType::Utf8, "Why another one did not; else null."),
];

/// A table of these columns, made group by group.
fn table<'p>(
    ingest: &Ingest,
    groups: &Groups,
    played: &'p [Played],
    documented: &[(&str, DataType, &str)],
    provenance: HashMap<String, String>,
    columns: impl Fn(usize, &'p Played) -> Columns,
) -> Result<Results> {
    let mut fields = ingest.schema.fields.clone();
    fields.extend(documented.iter().map(|(name, data_type, reading)| {
        let reading = HashMap::from([("reading".to_owned(), (*reading).to_owned())]);
        Field::new(*name, data_type.clone(), true).with_metadata(reading)
    }));
    let schema = Arc::new(Schema::new(fields));
    let failed = || Error::arrow("build the result");
    let of_group = |(group, played): (usize, &'p Played)| {
        let columns = columns(group, played);
        let keys = vec![groups.keys[group].clone(); columns[0].len()];
        let arrays = ingest.schema.columns_of(&keys)?.into_iter().chain(columns).collect();
        RecordBatch::try_new(schema.clone(), arrays).map_err(failed())
    };
    let batches: Vec<RecordBatch> = played.iter().enumerate().map(of_group).collect::<Result<_>>()?;
    let all = concat_batches(&schema, &batches).map_err(failed())?;
    // Who plays is a key as the group is.
    let keys = ingest.schema.fields.len() + usize::from(documented[0].0 == VOTERS[0].0);
    let mut results = Results::new(&schema, keys, provenance, u64::MAX, None);
    for start in (0..all.num_rows()).step_by(ROWS) {
        results.push(&all.slice(start, ROWS.min(all.num_rows() - start)))?;
    }
    Ok(results)
}

/// Rows of a row group of the result.
const ROWS: usize = 1 << 13;

fn numbers(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(Float64Array::from_iter(values))
}

fn voters_of(group: usize, played: &Played, groups: &Groups, play: &Play) -> Columns {
    let n = played.players.len();
    let shown = 0..play.players.map_or(n, |players| n.min(usize::try_from(players).unwrap_or(n)));
    let unit = groups.units[group];
    let total = played.total();
    let powers: Vec<(Power, Option<(f64, f64)>)> = shown.clone().map(|voter| played.power(voter)).collect();
    let owners = shown.clone().map(|voter| played.players[voter].owner.as_deref().map(population::show));
    let weights = shown.clone().map(|voter| unit.plain(&U320::from(played.players[voter].amount), 0));
    let shares = shown.clone().map(|voter| Some(ratio(&played.players[voter].amount, &total)));
    let methods = shown.map(|_| played.method());
    vec![
        Arc::new(StringArray::from_iter(owners)),
        Arc::new(StringArray::from_iter_values(weights)),
        numbers(shares),
        numbers(powers.iter().map(|power| Some(power.0.banzhaf))),
        numbers(powers.iter().map(|power| Some(power.1?.0))),
        numbers(powers.iter().map(|power| power.0.banzhaf_normalized)),
        numbers(powers.iter().map(|power| Some(power.0.shapley_shubik).filter(|_| play.both))),
        numbers(powers.iter().map(|power| Some(power.1?.1).filter(|_| play.both))),
        Arc::new(StringArray::from_iter_values(methods)),
    ]
}

fn game_of(played: &Played, unit: Unit, both: bool) -> Columns {
    let text = |value: Option<String>| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let count = |value: Option<u64>| -> ArrayRef { Arc::new(UInt64Array::from(vec![value])) };
    let number = |value: Option<f64>| numbers(std::iter::once(value));
    let game = played.game.as_ref();
    let total = played.total();
    let (act, error) = match (&played.indices, &played.counts) {
        (Some(indices), _) => (Some(indices.power_to_act), None),
        (None, Some(counts)) => {
            let (act, error) = estimate(counts.winning, counts.samples);
            (Some(act), Some(error))
        }
        (None, None) => (None, None),
    };
    let dictator = game.filter(|game| game.has_dictator()).and_then(|_| played.players[0].owner.as_deref());
    let gap = |index: fn(&Power) -> Option<f64>| number(game.and_then(|_| played.gap(index)));
    let (backend, adapter, note) = played.by.clone();
    vec![
        text(played.quota.as_ref().map(|quota| unit.plain(quota, 0))),
        count(Some(played.players.len() as u64)),
        text(Some(unit.plain(&total, 0))),
        number(act),
        number(error),
        count(game.and_then(Game::min_coalition)),
        text(dictator.map(population::show)),
        count(game.map(|game| game.vetoes() as u64)),
        gap(|power| power.banzhaf_normalized),
        if both { gap(|power| Some(power.shapley_shubik)) } else { number(None) },
        text(game.map(|_| played.method().to_owned())),
        count(played.counts.as_ref().map(|counts| counts.samples)),
        text(game.map(|_| backend.to_owned())),
        text(adapter),
        text(note),
    ]
}
