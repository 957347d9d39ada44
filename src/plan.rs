//! What will be computed where: metrics × groups × limits. Its `Display` is `--explain`.

use std::fmt;
use std::ops::Range;

use crate::choose::Work;
use crate::metrics::Metric;
use crate::moments::{Ask, Needs, Total};
use crate::numbers::key::Key;

/// Queries of one batch at most: their answers are held at once.
pub const QUERIES: u64 = 1 << 18;

/// The work of an analysis after its groups are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Groups that are computed together.
    pub batches: Vec<Range<usize>>,
    /// The number of groups.
    pub groups: usize,
    /// The number of holders.
    pub keys: usize,
    /// Holders of the largest group.
    pub largest: usize,
    /// Names of the metrics.
    pub metrics: Vec<String>,
    /// The sums they need.
    pub needs: Needs,
    /// The backend, and its device.
    pub backend: String,
    /// Why this one.
    pub why: String,
    /// Where the rows are meanwhile.
    pub memory: String,
}

impl Plan {
    /// Plans the groups whose keys lie at `offsets`, all in memory at once.
    pub fn new(offsets: &[usize], metrics: &[Metric], asks: &[&Ask], backend: &str, why: &str) -> Self {
        let whole = 0..offsets.len() - 1;
        Self::of_parts(&[whole], QUERIES, offsets, metrics, asks, backend, why)
    }

    /// Plans groups that are in memory part by part, in batches of so many queries.
    pub fn of_parts(
        parts: &[Range<usize>],
        most: u64,
        offsets: &[usize],
        metrics: &[Metric],
        asks: &[&Ask],
        backend: &str,
        why: &str,
    ) -> Self {
        let sizes = offsets.windows(2).map(|o| o[1] - o[0]);
        let mut batches: Vec<Range<usize>> = Vec::new();
        for part in parts {
            let (first, mut queries) = (batches.len(), 0);
            for group in part.clone() {
                // Small groups have fewer ranks to ask for than metrics ask.
                let keys = (offsets[group + 1] - offsets[group]) as u64;
                let asked = (keys + 1).min(asks.len() as u64) + 8;
                match batches[first..].last_mut() {
                    Some(batch) if queries + asked <= most => {
                        batch.end = group + 1;
                        queries += asked;
                    }
                    _ => {
                        batches.push(group..group + 1);
                        queries = asked;
                    }
                }
            }
        }
        Self {
            batches,
            groups: sizes.len(),
            keys: offsets.last().copied().unwrap_or(0),
            largest: sizes.max().unwrap_or(0),
            metrics: metrics.iter().map(|m| m.name.clone()).collect(),
            needs: metrics.iter().fold(Needs::NONE, |needs, m| needs.union(m.needs)),
            backend: backend.to_owned(),
            why: why.to_owned(),
            memory: String::new(),
        }
    }

    /// The batches of all groups one by one: all keys, where each group's start, and the end, and the groups' totals.
    pub fn works<'k>(
        &self,
        keys: &'k mut [Key],
        offsets: &'k [usize],
        totals: &'k [Total],
    ) -> impl Iterator<Item = Work<'k>> {
        self.works_of(0..self.groups, keys, offsets, totals)
    }

    /// The same of some groups, whose keys and totals these are; `offsets` are those of all groups.
    pub fn works_of<'k>(
        &self,
        part: Range<usize>,
        keys: &'k mut [Key],
        offsets: &'k [usize],
        totals: &'k [Total],
    ) -> impl Iterator<Item = Work<'k>> {
        let mut rest = keys;
        let batches = self.batches.iter().enumerate();
        let own = batches.filter(move |(_, batch)| part.start <= batch.start && batch.end <= part.end);
        let first = part.start;
        own.map(move |(index, batch)| {
            let borders = &offsets[batch.start..=batch.end];
            let offsets: Vec<usize> = borders.iter().map(|border| border - borders[0]).collect();
            let (keys, tail) = std::mem::take(&mut rest).split_at_mut(offsets[batch.len()]);
            rest = tail;
            let totals = &totals[batch.start - first..batch.end - first];
            Work { index, first: batch.start, keys, offsets, totals, needs: self.needs }
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batches, groups, keys, largest, metrics, needs, backend, why, memory } = self;
        writeln!(f, "backend   {backend}: {why}")?;
        if !memory.is_empty() {
            writeln!(f, "memory    {memory}")?;
        }
        writeln!(f, "groups    {groups}, the largest of {largest} holders")?;
        writeln!(f, "keys      {keys} of 8 bytes in {} batches", batches.len())?;
        let sums = [("Σv²", needs.squares), ("ΣL Σv·L", needs.logs), ("Σ√v", needs.roots)];
        let sums: Vec<&str> = sums.iter().filter(|(_, needed)| *needed).map(|(name, _)| *name).collect();
        writeln!(f, "{}", format!("sums      n Σv Σi·v {}", sums.join(" ")).trim_end())?;
        write!(f, "metrics   {}", metrics.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_all_groups_once() {
        let offsets: Vec<usize> = (0..100_001).map(|g| g * 10).collect();
        let metrics = crate::metrics::catalog(&Default::default());
        let asks: Vec<&Ask> = metrics.iter().flat_map(|m| &m.asks).collect();
        let plan = Plan::new(&offsets, &metrics, &asks, "cpu", "a test");
        assert!(plan.batches.len() > 1);
        assert_eq!((plan.batches[0].start, plan.batches[plan.batches.len() - 1].end), (0, 100_000));
        assert!(plan.batches.windows(2).all(|b| b[0].end == b[1].start));
        assert!(Plan::new(&[0], &metrics, &asks, "cpu", "a test").batches.is_empty());
    }
}
