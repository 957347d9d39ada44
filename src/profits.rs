//! Rewards against capital, group by group: sorted where everything else is sorted, summed exactly.

use rayon::prelude::*;
use ruint::aliases::U256;

use crate::choose::{Compute, Work};
use crate::error::Result;
use crate::groups::Groups;
use crate::ingest::{Context, Earner, Earners};
use crate::metrics::profits::{
    asked, concentration_curve, kakwani, reward_concentration, top_share, yield_decile,
};
use crate::metrics::{Metric, Value};
use crate::moments::rewards::Rewards;
use crate::moments::{Moments, Needs, Total};
use crate::numbers::key::{self, Key};
use crate::numbers::signed::Sum;
use crate::numbers::unit::Unit;
use crate::numbers::wide::ratio;
use crate::results::profits::Profits;

/// Groups are put together until they have so many holders.
const BATCH: usize = 1 << 22;

/// What rewards come to in each group, `gini` being the metric of that name; tells where a device failed.
pub fn profits(
    mut earners: Vec<Earners>,
    groups: &Groups,
    gini: &Metric,
    compute: &Compute,
    require_gpu: bool,
    context: &Context<'_>,
) -> Result<(Vec<Profits>, Option<String>)> {
    let (mut all, mut failed) = (Vec::with_capacity(earners.len()), None);
    let mut first = 0;
    while first < earners.len() {
        let mut holders = 0;
        let mut end = first;
        while end < earners.len() && (end == first || holders + earners[end].holders.len() <= BATCH) {
            holders += earners[end].holders.len();
            end += 1;
        }
        let batch = &mut earners[first..end];
        let capital = |earner: &Earner| Some(earner.capital);
        let positive = |earner: &Earner| {
            earner.reward.is_positive().then(|| U256::from_limbs_slice(&earner.reward.size.as_limbs()[..4]))
        };
        let ginis = |of: &(dyn Fn(&Earner) -> Option<U256> + Sync), batch: &[Earners]| {
            moments(batch, of, compute, require_gpu, context)
        };
        let (capitals, note) = ginis(&capital, batch)?;
        failed = failed.or(note);
        let (positives, note) = ginis(&positive, batch)?;
        failed = failed.or(note);
        let note = sort(batch, compute, require_gpu, context)?;
        failed = failed.or(note);
        let of_groups: Vec<Profits> = batch
            .par_iter()
            .zip(capitals.par_iter().zip(&positives))
            .enumerate()
            .map(|(i, (earners, (capital, positive)))| {
                let gini = |moments: &Option<Moments>| match moments.as_ref().map(|m| (gini.value)(m)) {
                    Some(Value::Number(gini)) => gini,
                    _ => None,
                };
                of_group(earners, groups.units[first + i], capital, gini(capital), gini(positive))
            })
            .collect();
        all.extend(of_groups);
        first = end;
    }
    Ok((all, failed))
}

/// The moments of some amounts of each group.
fn moments(
    batch: &[Earners],
    of: &(dyn Fn(&Earner) -> Option<U256> + Sync),
    compute: &Compute,
    require_gpu: bool,
    context: &Context<'_>,
) -> Result<(Vec<Option<Moments>>, Option<String>)> {
    let (mut keys, offsets) = keys(batch, of);
    let total = |group: &[usize]| Total { amount: key::sum(&keys[group[0]..group[1]]), exact: true };
    let totals: Vec<Total> = offsets.windows(2).map(total).collect();
    let work = Work { index: 0, first: 0, keys: &mut keys, offsets, totals: &totals, needs: Needs::NONE };
    let (measured, made) = compute.measure(work, &[], context.recorder, require_gpu)?;
    Ok((measured.into_iter().map(|measured| measured.moments).collect(), made.note))
}

/// The keys of some amounts of each group, and where each group's begin.
fn keys(batch: &[Earners], of: &(dyn Fn(&Earner) -> Option<U256> + Sync)) -> (Vec<Key>, Vec<usize>) {
    let of_group = |earners: &Earners| -> Vec<Key> {
        earners.holders.par_iter().filter_map(of).map(|amount| key::of(amount).0).collect()
    };
    let of_groups: Vec<Vec<Key>> = batch.par_iter().map(of_group).collect();
    let mut offsets = vec![0];
    offsets.extend(of_groups.iter().scan(0, |end, keys| {
        *end += keys.len();
        Some(*end)
    }));
    (of_groups.concat(), offsets)
}

/// Puts every group's holders in the order of their capital: by keys, and by exact amounts where keys are equal.
fn sort(
    batch: &mut [Earners],
    compute: &Compute,
    require_gpu: bool,
    context: &Context<'_>,
) -> Result<Option<String>> {
    let (keys, offsets) = keys(batch, &|earner| Some(earner.capital));
    let (order, note) = compute.order(&keys, &offsets, context.recorder, require_gpu)?;
    batch.par_iter_mut().zip(offsets.par_windows(2)).for_each(|(earners, group)| {
        let order = &order[group[0]..group[1]];
        let mut sorted: Vec<Earner> = order.iter().map(|&at| earners.holders[at as usize]).collect();
        let same_key = |a: &Earner, b: &Earner| key::of(a.capital).0 == key::of(b.capital).0;
        sorted.chunk_by_mut(same_key).for_each(|block| block.sort_unstable_by_key(|earner| earner.capital));
        earners.holders = sorted;
    });
    Ok(note)
}

fn of_group(
    earners: &Earners,
    capital_unit: Unit,
    capital: &Option<Moments>,
    capital_gini: Option<f64>,
    reward_gini: Option<f64>,
) -> Profits {
    let unit = earners.unit.unwrap_or(Unit::Decimal(0));
    let text = |sum: &Sum| {
        let plain = unit.plain(&sum.size, 0);
        if sum.negative { format!("-{plain}") } else { plain }
    };
    let holders: Vec<(U256, Sum)> =
        earners.holders.iter().map(|earner| (earner.capital, earner.reward)).collect();
    let rewards = Rewards::of(&holders, asked(holders.len() as u64));
    let mut all = rewards.total;
    all += earners.no_capital;
    let share = || {
        let (part, whole) = (earners.no_capital, all);
        let share = ratio(&part.size, &whole.size);
        whole.is_positive().then_some(if part.negative { -share } else { share })
    };
    let total = text(&rewards.total);
    let profits = Profits {
        n_no_capital: earners.n_no_capital,
        no_capital: text(&earners.no_capital),
        no_capital_share: share(),
        total_f64: total.parse().ok().filter(|x: &f64| x.is_finite()),
        total,
        ..Profits::default()
    };
    let Some(capital) = capital else { return Profits { total_f64: None, ..profits } };
    let note = (!rewards.total.is_positive())
        .then(|| format!("the rewards of holders sum to {}; indices need a sum above 0", profits.total));
    Profits {
        capital_gini,
        reward_gini,
        concentration: reward_concentration(&rewards),
        kakwani: kakwani(&rewards, capital),
        top_1pct_share: top_share(&rewards, 1),
        top_10pct_share: top_share(&rewards, 10),
        curve: concentration_curve(&rewards),
        yields: Some(yield_decile(&rewards, unit, capital_unit)),
        note,
        ..profits
    }
}

/// The largest share that is nobody's capital's, for a warning: of which group, where it is beyond one per cent either way
/// or no share at all.
pub fn worst(profits: &[Profits]) -> Option<(usize, f64)> {
    let share = |profits: &Profits| match profits.no_capital_share {
        Some(share) => share.abs(),
        None if profits.n_no_capital > 0 => f64::INFINITY,
        None => 0.0,
    };
    let (group, share) = profits.iter().map(share).enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (share > 0.01).then_some((group, share))
}
