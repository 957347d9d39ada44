//! Input files in packs whose groups are their own: what one part of a dataset is made from.

use std::ops::Range;

use crate::groups::extent::Extent;
use crate::numbers::digest::digest;

/// A pack is full at so many rows or files.
const ROWS: u64 = 1 << 22;
const FILES: usize = 256;

/// On average, a pack ends after so many sets of files that can share groups.
const SETS: u64 = 32;

/// Where the ranges of files overlap, along the column that tells most of them apart.
pub(super) struct Overlaps {
    column: Option<usize>,
    /// Files by the least value of their range; those of which nothing is known come first.
    order: Vec<usize>,
    /// The greatest value of all ranges so far, in that order, from the first known one on.
    reach: Vec<Box<[u8]>>,
}

impl Overlaps {
    pub(super) fn new(extents: &[Extent]) -> Self {
        let column = (0..extents.first().map_or(0, Extent::columns)).max_by_key(|&column| {
            let mut starts: Vec<&[u8]> = extents.iter().filter_map(|e| Some(e.range(column)?.0)).collect();
            starts.sort_unstable();
            starts.dedup();
            starts.len()
        });
        let range = |file: usize| column.and_then(|column| extents[file].range(column));
        let mut order: Vec<usize> = (0..extents.len()).collect();
        order.sort_by_key(|&file| range(file).map(|(least, _)| least));
        let mut reach: Vec<Box<[u8]>> = vec![];
        for (_, most) in order.iter().filter_map(|&file| range(file)) {
            let farthest = reach.last().map_or(most, |last| most.max(last));
            reach.push(farthest.into());
        }
        Self { column, order, reach }
    }

    /// The sets of files that can share groups, each ascending, in the order of their first files.
    pub(super) fn sets(&self, extents: &[Extent]) -> Vec<Vec<usize>> {
        let mut roots: Vec<usize> = (0..extents.len()).collect();
        let range = |file: usize| self.column.and_then(|column| extents[file].range(column));
        let mut open: Vec<usize> = vec![];
        for &file in &self.order {
            let start = range(file).map(|(least, _)| least);
            // Files of which nothing is known begin before all others and never end.
            open.retain(|&other| {
                range(other).is_none_or(|(_, most)| start.is_none_or(|start| most >= start))
            });
            for &other in &open {
                if extents[file].meets(&extents[other]) {
                    let (a, b) = (root(&mut roots, file), root(&mut roots, other));
                    roots[a.max(b)] = a.min(b);
                }
            }
            open.push(file);
        }
        let mut sets: Vec<Vec<usize>> = vec![];
        let mut set_of = vec![usize::MAX; extents.len()];
        for file in 0..extents.len() {
            let root = root(&mut roots, file);
            if set_of[root] == usize::MAX {
                set_of[root] = sets.len();
                sets.push(vec![]);
            }
            sets[set_of[root]].push(file);
        }
        sets
    }

    /// The files that can have rows of a group, by its encoded value of each column.
    pub(super) fn files<'a>(
        &'a self,
        extents: &'a [Extent],
        value: &'a impl Fn(usize) -> &'a [u8],
    ) -> impl Iterator<Item = usize> + 'a {
        let unknown = self.order.len() - self.reach.len();
        let known = &self.order[unknown..];
        let least = |&file: &usize| self.column.and_then(|column| Some(extents[file].range(column)?.0));
        let own = self.column.map(value);
        let end = known.partition_point(|file| least(file) <= own);
        let near = (0..end).rev().take_while(move |&at| own.is_some_and(|own| *self.reach[at] >= *own));
        let candidates = near.map(|at| known[at]).chain(self.order[..unknown].iter().copied());
        candidates.filter(move |&file| extents[file].holds(value))
    }
}

fn root(roots: &mut [usize], mut file: usize) -> usize {
    while roots[file] != file {
        roots[file] = roots[roots[file]];
        file = roots[file];
    }
    file
}

/// Consecutive sets for one part each. Where a pack ends is told by its names, so that a new file changes the pack that it
/// comes into, and not all those after it.
pub(super) fn packs(sets: &[Vec<usize>], name: impl Fn(usize) -> String, rows: &[u64]) -> Vec<Range<usize>> {
    let mut packs: Vec<Range<usize>> = vec![];
    let (mut files, mut held) = (0, 0);
    for (at, set) in sets.iter().enumerate() {
        let first = name(set[0]);
        let ends = digest([first.as_bytes()].into_iter()) % SETS == 0;
        let own: u64 = set.iter().map(|&file| rows[file]).sum();
        let fits = files + set.len() <= FILES && held + own <= ROWS;
        match packs.last_mut() {
            Some(pack) if !ends && fits => pack.end = at + 1,
            _ => {
                packs.push(at..at + 1);
                (files, held) = (0, 0);
            }
        }
        (files, held) = (files + set.len(), held + own);
    }
    packs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::extent::Side;

    fn sets_of(extents: &[Extent]) -> Vec<Vec<usize>> {
        Overlaps::new(extents).sets(extents)
    }

    fn within(a: u8, b: u8) -> Side {
        Side::Within([a].into(), [b].into())
    }

    #[test]
    fn files_that_can_share_groups_are_one_set() {
        let extents = [
            Extent::new(vec![within(5, 9), within(1, 1)]),
            Extent::new(vec![within(1, 2), within(1, 1)]),
            // The same blocks of another chain.
            Extent::new(vec![within(5, 9), within(2, 2)]),
            Extent::new(vec![within(9, 12), within(1, 1)]),
            Extent::new(vec![Side::Nothing, within(1, 1)]),
            Extent::new(vec![within(12, 12), within(1, 3)]),
        ];
        assert_eq!(sets_of(&extents), [vec![0, 3, 5], vec![1], vec![2], vec![4]]);
        let unknown = [&extents[..], &[Extent::new(vec![Side::Any, within(2, 2)])]].concat();
        assert_eq!(sets_of(&unknown), [vec![0, 2, 3, 5, 6], vec![1], vec![4]]);
        assert!(sets_of(&[]).is_empty());
        // Without group columns all rows are one group.
        assert_eq!(sets_of(&[Extent::new(vec![]), Extent::new(vec![])]), [[0, 1]]);
    }

    #[test]
    fn every_pair_that_meets_is_found() {
        let mut seed = 1u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % below
        };
        for _ in 0..200 {
            let points: Vec<[u8; 2]> = (0..20).map(|_| [random(200) as u8, random(200) as u8]).collect();
            let mut side = || match random(9) {
                0 => Side::Any,
                1 => Side::Nothing,
                _ => {
                    let start = random(200) as u8;
                    within(start, start + random(9) as u8)
                }
            };
            let extents: Vec<Extent> = (0..30).map(|_| Extent::new(vec![side(), side()])).collect();
            let found = sets_of(&extents);
            let of = |file| found.iter().position(|set| set.contains(&file)).unwrap();
            for a in 0..30 {
                for b in 0..a {
                    assert!(!extents[a].meets(&extents[b]) || of(a) == of(b));
                }
            }
            let overlaps = Overlaps::new(&extents);
            for point in &points {
                let value = |column: usize| &point[column..=column];
                let mut found: Vec<usize> = overlaps.files(&extents, &value).collect();
                found.sort_unstable();
                let all: Vec<usize> = (0..30).filter(|&file| extents[file].holds(value)).collect();
                assert_eq!(found, all);
            }
        }
    }

    #[test]
    fn a_new_file_changes_few_packs() {
        let pack = |names: &[String]| -> Vec<Vec<String>> {
            let sets: Vec<Vec<usize>> = (0..names.len()).map(|file| vec![file]).collect();
            let packs = packs(&sets, |file| names[file].clone(), &vec![1000; names.len()]);
            packs.into_iter().map(|pack| names[pack].to_vec()).collect()
        };
        let mut names: Vec<String> = (0..1000).map(|i| format!("block-{:06}.parquet", 10 * i)).collect();
        let before = pack(&names);
        assert!((20..60).contains(&before.len()), "{}", before.len());
        assert_eq!(before.concat(), names);
        names.insert(77, "block-000765.parquet".into());
        let after = pack(&names);
        let changed = after.iter().filter(|pack| !before.contains(pack)).count();
        assert!((1..=2).contains(&changed), "{changed}");
        // Large files are packs of their own.
        let sets: Vec<Vec<usize>> = (0..4).map(|file| vec![file]).collect();
        assert_eq!(packs(&sets, |file| names[file].clone(), &[ROWS; 4]).len(), 4);
    }
}
