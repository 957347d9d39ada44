//! Groups by cohorts: what each of them has, and how much of the inequality lies between them and within.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{Field, Schema};
use rayon::prelude::*;

use crate::choose::{Compute, Work};
use crate::error::{Error, Result};
use crate::groups::Groups;
use crate::groups::schema::GroupSchema;
use crate::ingest::{Context, Player};
use crate::metrics::{self, Extras, Metric, Value};
use crate::moments::{Moments, Needs, Sums, Total};
use crate::numbers::key::{self, Key};
use crate::numbers::wide::{U320, U384, ratio};
use crate::population::cohorts::Cohorts;
use crate::results::Results;
use crate::results::cohorts::{Part, Split};

/// Groups are put together until they have so many holders.
const BATCH: usize = 1 << 22;

/// Splits the holders of every group; tells where a device failed.
pub fn split(
    players: Vec<Vec<Player>>,
    cohorts: &Cohorts,
    compute: &Compute,
    require_gpu: bool,
    context: &Context<'_>,
) -> Result<(Vec<Split>, Option<String>)> {
    let names = ["gini", "theil_t", "theil_l"].map(str::to_owned);
    let wanted = metrics::select(metrics::catalog(&Extras::default()), &names)?;
    // Of each group: its cohorts, those without one last, and the numbers of their holders.
    let of_groups: Vec<Vec<(Option<u32>, Vec<usize>)>> = players
        .par_iter()
        .map(|players| {
            let mut parts: Vec<(Option<u32>, Vec<usize>)> = vec![];
            let mut sorted: Vec<(u32, usize)> = players
                .iter()
                .enumerate()
                .map(|(i, player)| (cohorts.of(player.owner.as_deref()).unwrap_or(u32::MAX), i))
                .collect();
            sorted.sort_unstable();
            for part in sorted.chunk_by(|a, b| a.0 == b.0) {
                let cohort = Some(part[0].0).filter(|&cohort| cohort != u32::MAX);
                parts.push((cohort, part.iter().map(|player| player.1).collect()));
            }
            parts
        })
        .collect();
    let (mut splits, mut failed) = (Vec::with_capacity(players.len()), None);
    let mut first = 0;
    while first < players.len() {
        let (mut end, mut holders) = (first, 0);
        while end < players.len() && (end == first || holders + players[end].len() <= BATCH) {
            holders += players[end].len();
            end += 1;
        }
        let (mut keys, mut offsets): (Vec<Key>, Vec<usize>) = (Vec::with_capacity(holders), vec![0]);
        for group in first..end {
            for (_, part) in &of_groups[group] {
                keys.extend(part.iter().map(|&i| key::of(players[group][i].amount).0));
                offsets.push(keys.len());
            }
        }
        let total = |part: &[usize]| Total { amount: key::sum(&keys[part[0]..part[1]]), exact: true };
        let totals: Vec<Total> = offsets.windows(2).map(total).collect();
        let work = Work { index: 0, first: 0, keys: &mut keys, offsets, totals: &totals, needs: Needs::LOGS };
        let (measured, made) = compute.measure(work, &[], context.recorder, require_gpu)?;
        failed = failed.or(made.note);
        let mut measured = measured.into_iter();
        for group in first..end {
            let parts: Vec<(Option<u32>, U320, Moments)> = of_groups[group]
                .iter()
                .filter_map(|(cohort, part)| {
                    let exact =
                        part.iter().fold(U320::ZERO, |sum, &i| sum + U320::from(players[group][i].amount));
                    Some((*cohort, exact, measured.next()?.moments?))
                })
                .collect();
            splits.push(of_group(&parts, &wanted));
        }
        first = end;
    }
    Ok((splits, failed))
}

fn of_group(parts: &[(Option<u32>, U320, Moments)], wanted: &[Metric]) -> Split {
    let n: u64 = parts.iter().map(|(_, _, moments)| moments.n()).sum();
    let sum = |of: fn(&(Option<u32>, U320, Moments)) -> U320| {
        parts.iter().fold(U320::ZERO, |sum, part| sum + of(part))
    };
    let (exact, working) = (sum(|part| part.1), sum(|part| part.2.amount()));
    let value = |metric: usize, moments: &Moments| match (wanted[metric].value)(moments) {
        Value::Number(value) => value,
        _ => None,
    };
    let mut split = Split::default();
    // Logarithms are fixed-point sums: what they round adds up as they do, so that what lies within is the whole less what
    // lies between, which needs none of them.
    let mut whole = Sums::default();
    let (mut t_between, mut l_between) = (0.0, 0.0);
    for (cohort, amount, moments) in parts {
        let sums = &moments.sums;
        whole = Sums {
            n: whole.n + sums.n,
            first: if whole.n == 0 { sums.first } else { whole.first.min(sums.first) },
            last: whole.last.max(sums.last),
            amount: whole.amount + sums.amount,
            logs: whole.logs + sums.logs,
            products: whole.products + sums.products,
            ..Sums::default()
        };
        // The cohort's share, its part of the holders, and its mean by that of all.
        let share = ratio(&sums.amount, &working);
        let part = ratio(&U320::from(sums.n), &U320::from(n));
        let relative =
            ratio(&(U384::from(sums.amount) * U384::from(n)), &(U384::from(working) * U384::from(sums.n)));
        let log = libm::log(relative);
        t_between += share * log;
        l_between -= part * log;
        split.parts.push(Part {
            cohort: *cohort,
            n_holders: sums.n,
            total: *amount,
            share: ratio(amount, &exact),
            gini: value(0, moments),
            theil_t: value(1, moments),
        });
    }
    let Some((_, _, moments)) = parts.first() else { return split };
    let all = Moments { sums: whole, ..moments.clone() };
    let even = parts.iter().all(|(_, _, moments)| moments.all_equal());
    let apart = |whole: f64, between: f64| {
        if even {
            return (whole, 0.0);
        }
        // Rounding may leave a trace of less than nothing.
        let between = between.max(0.0).min(whole);
        (between, whole - between)
    };
    split.theil_t = value(1, &all).map(|theil| apart(theil, t_between));
    split.theil_l = value(2, &all).map(|theil| apart(theil, l_between));
    split
}

/// A row per group and cohort.
pub fn table(
    splits: &[Split],
    cohorts: &Cohorts,
    groups: &Groups,
    schema: &GroupSchema,
    provenance: HashMap<String, String>,
    decimals: u8,
) -> Result<Results> {
    let of_group = |(group, split): (usize, &Split)| -> Vec<(usize, Part)> {
        split.parts.iter().map(|part| (group, part.clone())).collect()
    };
    let parts: Vec<(usize, Part)> = splits.iter().enumerate().flat_map(of_group).collect();
    let keys: Vec<Box<[u8]>> = parts.iter().map(|(group, _)| groups.keys[*group].clone()).collect();
    let texts = |of: &dyn Fn(usize, &Part) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(parts.iter().map(|(group, part)| of(*group, part))))
    };
    let numbers = |of: fn(&Part) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(parts.iter().map(|(_, part)| of(part))))
    };
    let holders = UInt64Array::from_iter_values(parts.iter().map(|(_, part)| part.n_holders));
    let columns: [(&str, ArrayRef); 6] = [
        ("cohort", texts(&|_, part| Some(cohorts.names[part.cohort? as usize].clone()))),
        ("n_holders", Arc::new(holders)),
        ("total", texts(&|group, part| Some(groups.units[group].plain(&part.total, decimals)))),
        ("share", numbers(|part| Some(part.share))),
        ("gini", numbers(|part| part.gini)),
        ("theil_t", numbers(|part| part.theil_t)),
    ];
    let (mut fields, mut arrays) = (schema.fields.clone(), schema.columns_of(&keys)?);
    for (name, array) in columns {
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let table = RecordBatch::try_new(Arc::new(Schema::new(fields).with_metadata(provenance)), arrays);
    Ok(Results::of(table.map_err(Error::arrow("build the table of cohorts"))?, schema.fields.len() + 1))
}
