//! One batch on a device and the CPU at once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::{Compute, Made, Work};
use crate::cpu::CpuWithScratch;
use crate::engine::Measured;
use crate::error::Result;
use crate::moments::Ask;
use crate::record::Recorder;

/// How many lots a batch is cut into, or fewer where groups are large: enough that nobody waits long for the other.
const LOTS: usize = 32;

/// Consecutive groups that one of both measured.
#[derive(Debug)]
pub struct Lot {
    /// The first group's number among all.
    pub first: usize,
    /// Of each group.
    pub measured: Vec<Measured>,
    /// Who did it.
    pub made: Made,
}

/// How a lot is measured.
type Measure<'a> = dyn Fn(Work<'_>) -> Result<(Vec<Measured>, Made)> + Sync + 'a;

/// A batch as lots, the ones with most keys first.
fn cut(work: Work<'_>) -> VecDeque<Work<'_>> {
    let Work { index, first, keys, offsets, totals, needs } = work;
    let full = keys.len().div_ceil(LOTS).max(1);
    let (mut lots, mut rest, mut start) = (vec![], keys, 0);
    for end in 1..offsets.len() {
        let is_last = end + 1 == offsets.len();
        if offsets[end] - offsets[start] >= full || is_last {
            let borders = &offsets[start..=end];
            let offsets: Vec<usize> = borders.iter().map(|border| border - borders[0]).collect();
            let (keys, tail) = std::mem::take(&mut rest).split_at_mut(offsets[end - start]);
            rest = tail;
            let totals = &totals[start..end];
            lots.push(Work { index, first: first + start, keys, offsets, totals, needs });
            start = end;
        }
    }
    lots.sort_by_key(|lot| std::cmp::Reverse(lot.keys.len()));
    lots.into()
}

/// Measures a batch: the device takes the largest lots and the CPU the smallest, until they meet. Who takes what depends
/// on their speeds; what they find does not.
pub(super) fn measure(
    device: &Compute,
    cpu: &CpuWithScratch,
    work: Work<'_>,
    asks: &[&Ask],
    recorder: &Recorder,
    require_gpu: bool,
) -> Result<Vec<Lot>> {
    let lots = Mutex::new(cut(work));
    let take = |largest: bool| {
        let mut lots = lots.lock().unwrap_or_else(PoisonError::into_inner);
        if largest { lots.pop_front() } else { lots.pop_back() }
    };
    let lane = |largest: bool, measure: &Measure<'_>| {
        let mut done = vec![];
        while let Some(lot) = take(largest) {
            let first = lot.first;
            let (measured, made) = measure(lot)?;
            done.push(Lot { first, measured, made });
        }
        Ok(done)
    };
    let on_device = |lot: Work<'_>| device.measure(lot, asks, recorder, require_gpu);
    let on_cpu = |lot: Work<'_>| super::measure_on_cpu(cpu, lot, asks, recorder);
    let (ours, theirs): (Result<Vec<Lot>>, Result<Vec<Lot>>) =
        rayon::join(|| lane(true, &on_device), || lane(false, &on_cpu));
    let mut done = ours?;
    done.extend(theirs?);
    done.sort_by_key(|lot| lot.first);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moments::{Needs, Total};

    #[test]
    fn lots_cover_all_groups_once() {
        for lengths in [vec![], vec![0], vec![5], vec![1; 1000], vec![900, 1, 1, 0, 0, 3], vec![0; 9]] {
            let mut offsets = vec![0];
            lengths.iter().for_each(|length| offsets.push(offsets[offsets.len() - 1] + length));
            let mut keys: Vec<u64> = (1..=offsets[lengths.len()] as u64).collect();
            let totals = vec![Total::default(); lengths.len()];
            let work = Work {
                index: 0,
                first: 7,
                keys: &mut keys,
                offsets: offsets.clone(),
                totals: &totals,
                needs: Needs::ALL,
            };
            let mut lots: Vec<Work<'_>> = cut(work).into();
            assert!(lots.len() <= LOTS + 1);
            assert!(lots.is_sorted_by_key(|lot| std::cmp::Reverse(lot.keys.len())));
            lots.sort_by_key(|lot| lot.first);
            let mut next = 7;
            for lot in &lots {
                assert_eq!((lot.first, lot.offsets.len()), (next, lot.totals.len() + 1));
                let start = offsets[next - 7];
                let own: Vec<u64> = (start as u64 + 1..).take(lot.keys.len()).collect();
                assert_eq!(lot.keys, own);
                next += lot.totals.len();
            }
            assert_eq!(next, 7 + lengths.len());
        }
    }
}
