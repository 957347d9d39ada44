//! A group whose value ranges are measured one after the other, each looked at once: what lies where is known from
//! their outlines, before any of them is sorted.

use std::collections::HashMap;

use super::{Group, Measured};
use crate::backend::{Backend, Prefix, Search};
use crate::error::Result;
use crate::moments::{Ask, Below, Needs, Sums, Total, locate_rank};
use crate::numbers::key::{self, Key};
use crate::record::{Recorder, Stage, Task, Volume};

/// What is asked of one value range.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    searches: Vec<Search>,
    /// Of each search: its number among all of the group's.
    numbers: Vec<usize>,
    /// The search whose answer is the rank of the mean: the sums up to it are asked for too.
    mean: Option<usize>,
    prefixes: Vec<Prefix>,
}

impl Visit {
    /// Whether only the sums are asked for.
    pub fn is_empty(&self) -> bool {
        self.searches.is_empty() && self.prefixes.is_empty()
    }
}

/// What a value range answers.
#[derive(Debug, Clone)]
pub struct Answers {
    /// Its sums.
    pub sums: Sums,
    found: Vec<u64>,
    /// Of each prefix, then of the mean where it lies here.
    below: Vec<Below>,
}

impl Answers {
    /// Of a range that is asked for nothing else than its sums.
    pub fn known(sums: Sums) -> Self {
        Self { sums, found: vec![], below: vec![] }
    }
}

/// Which ranges are asked for more than their sums.
pub fn asked_of(outlines: &[Sums], total: Total, asks: &[&Ask]) -> Vec<bool> {
    if outlines.is_empty() {
        return vec![];
    }
    let plan = Asked::of(&Group::new(outlines, total), outlines, asks);
    plan.visits.iter().map(|visit| !visit.is_empty()).collect()
}

/// What is asked of each range of a group.
struct Asked {
    visits: Vec<Visit>,
    /// Of each search: keys below its range.
    lower: Vec<u64>,
    /// How many searches each ask became.
    of_ask: Vec<u8>,
}

impl Asked {
    fn of(outline: &Group<'_>, outlines: &[Sums], asks: &[&Ask]) -> Self {
        let mut visits = vec![Visit::default(); outlines.len()];
        let (mut lower, mut of_ask) = (vec![], vec![]);
        for ask in asks {
            let before = lower.len();
            outline.search(ask, &mut |located, bound| {
                let visit = &mut visits[located.range];
                if matches!(ask, Ask::Mean) {
                    visit.mean = Some(visit.searches.len());
                }
                visit.searches.push(Search { segment: 0, bound });
                visit.numbers.push(lower.len());
                lower.push(located.lower.n);
            });
            of_ask.push((lower.len() - before) as u8);
        }
        for (rank, logs) in outline.ranks(asks, None) {
            let at = locate_rank(outlines, rank);
            visits[at.range].prefixes.push(Prefix { segment: 0, rank: rank - at.lower.n, logs });
        }
        Self { visits, lower, of_ask }
    }
}

/// Measures a group by its value ranges, ascending and none empty. An outline is a range's sums as far as they are
/// known without sorting: count, extremes and `Σv`.
pub fn measure_ranges(
    outlines: &[Sums],
    total: Total,
    asks: &[&Ask],
    mut visit: impl FnMut(usize, &Visit) -> Result<Answers>,
) -> Result<Measured> {
    let Asked { visits, lower, of_ask } = Asked::of(&Group::new(outlines, total), outlines, asks);

    let (mut ranges, mut found) = (Vec::with_capacity(outlines.len()), vec![0; lower.len()]);
    let mut below: HashMap<u64, Below> = HashMap::new();
    let mut start = 0;
    for (range, asked) in visits.iter().enumerate() {
        let answers = visit(range, asked)?;
        for (&number, rank) in asked.numbers.iter().zip(answers.found) {
            found[number] = lower[number] + rank;
        }
        // The mean comes last and may be another's rank: that one has its logarithms.
        for answer in answers.below.into_iter().rev() {
            below.insert(start + answer.rank, answer);
        }
        start += answers.sums.n;
        ranges.push(answers.sums);
    }

    let group = Group::new(&ranges, total);
    let (mut moments, open) = group.counts(asks, &of_ask, &mut found.into_iter());
    moments.below = group
        .ranks(asks, moments.mean_rank)
        .into_iter()
        .map(|(rank, logs)| {
            let lower = locate_rank(&ranges, rank).lower;
            let own = below[&rank];
            let logs = if logs { own.logs + lower.logs } else { 0 };
            Below { rank, amount: own.amount + lower.amount, logs, next: own.next }
        })
        .collect();
    Ok(Measured { moments: Some(moments), open })
}

/// Sorts one value range and answers what is asked of it.
pub fn visit<B: Backend>(
    backend: &B,
    task: &str,
    keys: &mut [Key],
    needs: Needs,
    asked: &Visit,
    recorder: &Recorder,
) -> Result<Answers> {
    let (n, bytes) = (keys.len() as u64, size_of_val(keys) as u64);
    let offsets = [0, keys.len()];
    let task = Task::from(task).by(backend.name(), backend.adapter());
    let volume = Volume::new(n, bytes, bytes);
    let sorted = recorder.time(Stage::Sort, &task, volume, || backend.sort(keys, &offsets, needs))?;
    let volume = Volume::new(n, bytes, 0);
    let sums = recorder.time(Stage::Reduce, &task, volume, || backend.reduce(&sorted, needs))?[0];
    let volume = Volume::rows(asked.searches.len() as u64);
    let found = recorder.time(Stage::Search, &task, volume, || backend.search(&sorted, &asked.searches))?;
    let mut prefixes = asked.prefixes.clone();
    prefixes.extend(asked.mean.map(|mean| Prefix { segment: 0, rank: found[mean], logs: false }));
    let volume = Volume::rows(prefixes.len() as u64);
    let below = recorder.time(Stage::Prefix, &task, volume, || backend.prefix(&sorted, &prefixes))?;
    Ok(Answers { sums, found, below })
}

/// What is known of keys unsorted.
pub fn outline(keys: &[Key]) -> Sums {
    Sums {
        n: keys.len() as u64,
        first: keys.iter().copied().min().unwrap_or(0),
        last: keys.iter().copied().max().unwrap_or(0),
        amount: key::sum(keys),
        ..Sums::default()
    }
}

/// The outline of two lots of keys together.
pub fn join(a: &Sums, b: &Sums) -> Sums {
    if a.n == 0 || b.n == 0 {
        return if a.n == 0 { *b } else { *a };
    }
    Sums {
        n: a.n + b.n,
        first: a.first.min(b.first),
        last: a.last.max(b.last),
        amount: a.amount + b.amount,
        ..Sums::default()
    }
}
