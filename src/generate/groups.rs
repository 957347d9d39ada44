//! How many rows each group has.

use super::args::GroupSizes;

/// The groups of a file, as intervals of the positions `0..rows`.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    /// The first position of each group, and the number of rows.
    starts: Vec<u64>,
}

impl Groups {
    /// `groups` groups of at least one row each (unless there are no rows at all).
    pub(super) fn new(rows: u64, groups: u64, sizes: GroupSizes) -> Self {
        let starts = (0..=groups).map(|g| start(g, rows, groups, sizes)).collect();
        Self { starts }
    }

    /// The group of a position, the position within the group, and the group's size.
    pub(super) fn at(&self, position: u64) -> (u64, u64, u64) {
        let group = self.starts.partition_point(|&start| start <= position) - 1;
        let start = self.starts[group];
        (group as u64, position - start, self.starts[group + 1] - start)
    }
}

fn start(group: u64, rows: u64, groups: u64, sizes: GroupSizes) -> u64 {
    if rows == 0 {
        return 0;
    }
    let spare = rows - groups;
    match sizes {
        _ if group == groups => rows,
        GroupSizes::Even => part(rows, group, groups),
        // The harmonic sum's integral, which needs no running total; one row each is given beforehand.
        GroupSizes::Zipf => {
            let share = libm::log1p(group as f64) / libm::log1p(groups as f64);
            group + ((spare as f64 * share) as u64).min(spare)
        }
        GroupSizes::Huge if group == 0 => 0,
        GroupSizes::Huge => {
            let huge = rows.div_ceil(2).min(rows - (groups - 1));
            huge + part(rows - huge, group - 1, groups - 1)
        }
    }
}

/// `⌊total · k / of⌋`.
fn part(total: u64, k: u64, of: u64) -> u64 {
    (u128::from(total) * u128::from(k) / u128::from(of)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(rows: u64, groups: u64, sizes: GroupSizes) -> Vec<u64> {
        Groups::new(rows, groups, sizes).starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    #[test]
    fn every_group_has_a_row_and_all_rows_are_given_out() {
        for kind in [GroupSizes::Even, GroupSizes::Zipf, GroupSizes::Huge] {
            for (rows, groups) in [(1, 1), (10, 10), (1000, 7), (100_000, 999)] {
                let sizes = sizes(rows, groups, kind);
                assert_eq!(sizes.len() as u64, groups);
                assert_eq!(sizes.iter().sum::<u64>(), rows, "{kind:?}");
                assert!(sizes.iter().all(|&size| size > 0), "{kind:?} {rows} {groups}");
            }
        }
    }

    #[test]
    fn sizes_are_of_the_kind_asked_for() {
        assert_eq!(sizes(10, 3, GroupSizes::Even), [3, 3, 4]);
        assert_eq!(sizes(100, 6, GroupSizes::Huge), [50, 10, 10, 10, 10, 10]);
        let zipf = sizes(100_000, 100, GroupSizes::Zipf);
        assert!(zipf[0] > 10_000 && zipf[99] < 400, "{zipf:?}");
        assert_eq!(sizes(0, 2, GroupSizes::Zipf), [0, 0]);
    }

    #[test]
    fn positions_find_their_group() {
        let groups = Groups::new(10, 3, GroupSizes::Even);
        assert_eq!(groups.at(0), (0, 0, 3));
        assert_eq!(groups.at(5), (1, 2, 3));
        assert_eq!(groups.at(9), (2, 3, 4));
    }
}
