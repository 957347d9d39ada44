//! Moments of disjoint value ranges of one group combine exactly: a group cut into ranges measures as one piece.

use concentra::cpu::Cpu;
use concentra::engine::{Batch, Measured, Settling, measure};
use concentra::metrics::{Metric, catalog};
use concentra::moments::{Ask, Needs, Total};
use concentra::numbers::key::{self, Key};
use concentra::numbers::wide::U320;
use concentra::record::Recorder;
use concentra::results::median_asks;
use proptest::prelude::*;
use ruint::aliases::U256;

use crate::support::extras;

/// One group: exact amounts ascending, and where its value ranges end.
#[derive(Debug, Clone)]
struct Group {
    amounts: Vec<U256>,
    cuts: Vec<usize>,
}

impl Group {
    fn new(mut amounts: Vec<U256>, cuts: &[prop::sample::Index]) -> Self {
        amounts.sort_unstable();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(amounts.len() + 1)).collect();
        cuts.sort_unstable();
        Self { amounts, cuts }
    }

    fn total(&self) -> Total {
        let amount = self.amounts.iter().fold(U320::ZERO, |sum, &a| sum + U320::from(a));
        Total { amount, exact: self.amounts.iter().all(|&a| key::of(a).1) }
    }
}

fn run(groups: &[Group], cut: bool, needs: Needs, asks: &[&Ask], shuffle: u64) -> Vec<Measured> {
    let (mut keys, mut offsets, mut ranges) = (Vec::new(), vec![0], vec![0]);
    for group in groups {
        let borders: &[usize] = if cut { &group.cuts } else { &[] };
        let mut start = 0;
        for &end in borders.iter().chain([&group.amounts.len()]) {
            let mut segment: Vec<Key> =
                group.amounts[start..end].iter().map(|&amount| key::of(amount).0).collect();
            // Within a segment the order is free.
            let by = shuffle as usize % segment.len().max(1);
            segment.rotate_left(by);
            keys.extend(segment);
            offsets.push(keys.len());
            start = end;
        }
        ranges.push(offsets.len() - 1);
    }
    let totals: Vec<Total> = groups.iter().map(Group::total).collect();
    let batch =
        Batch { index: 0, first: 0, keys: &mut keys, offsets: &offsets, ranges: &ranges, totals: &totals };
    measure(&Cpu, batch, needs, asks, &Recorder::default()).unwrap()
}

/// As one piece, as ranges, and as ranges settled from exact amounts.
fn check(groups: &[Group], metrics: &[Metric], shuffle: u64) {
    let median = median_asks();
    let asks: Vec<&Ask> = metrics.iter().flat_map(|metric| &metric.asks).chain(&median).collect();
    let needs = metrics.iter().fold(Needs::NONE, |needs, metric| needs.union(metric.needs));
    let whole = run(groups, false, needs, &asks, 0);
    let mut parts = run(groups, true, needs, &asks, shuffle);
    assert_eq!(whole, parts);
    for (group, measured) in groups.iter().zip(&mut parts) {
        let Some(moments) = &measured.moments else {
            assert!(group.amounts.is_empty() && !measured.open);
            continue;
        };
        assert_eq!(moments.n(), group.amounts.len() as u64);
        assert_eq!(moments.below.len() as u64, {
            let n = moments.n();
            let mut ranks: Vec<u64> = asks
                .iter()
                .filter_map(|ask| match ask {
                    Ask::Below(rank) | Ask::LogsBelow(rank) => Some(rank(n)),
                    Ask::Mean => moments.mean_rank,
                    Ask::Exceeding(_) | Ask::AtLeast(_) => None,
                })
                .collect();
            ranks.sort_unstable();
            ranks.dedup();
            ranks.len() as u64
        });
        let closed = !measured.open;
        let before = measured.clone();
        let mut settling = Settling::new(measured);
        // In lots, the largest first.
        for lot in group.amounts.rchunks(3) {
            settling.take(&mut lot.to_vec());
        }
        assert_eq!(settling.finish(), group.total().amount);
        assert!(!closed || before == *measured, "a decided count is that of the exact amounts");
        let moments = measured.moments.as_ref().unwrap();
        for &(fraction, count) in &moments.exceeding {
            assert_eq!(count, exceeding(group, fraction.numerator, fraction.denominator), "{fraction:?}");
        }
    }
}

/// By the definition: the fewest largest amounts whose sum exceeds the fraction of the total.
fn exceeding(group: &Group, numerator: u64, denominator: u64) -> u64 {
    let bound = group.total().amount * U320::from(numerator);
    let mut sum = U320::ZERO;
    let mut count = 0;
    for &amount in group.amounts.iter().rev() {
        sum += U320::from(amount);
        count += 1;
        if sum * U320::from(denominator) > bound {
            break;
        }
    }
    count
}

/// Every magnitude; few distinct values, so that borders fall between equal ones; tie-critical parts of a supply.
fn amounts() -> impl Strategy<Value = Vec<U256>> {
    let any_width = (any::<[u64; 4]>(), 0usize..256)
        .prop_map(|(limbs, shift)| (U256::from_limbs(limbs) >> shift).max(U256::from(1u8)));
    let near =
        (0usize..250, 0u64..4).prop_map(|(bits, more)| (U256::from(1u8) << bits) + U256::from(more + 1));
    let part = (1u64..60).prop_map(|part| U256::from(10u8).pow(U256::from(25u8)) * U256::from(part));
    prop_oneof![
        prop::collection::vec(any_width, 0..60),
        prop::collection::vec(1u64..6, 0..60).prop_map(|small| small.into_iter().map(U256::from).collect()),
        prop::collection::vec(near, 0..40),
        prop::collection::vec(part, 1..30),
        prop::collection::vec(1u64..1 << 56, 0..60).prop_map(|x| x.into_iter().map(U256::from).collect()),
    ]
}

fn group() -> impl Strategy<Value = Group> {
    (amounts(), prop::collection::vec(any::<prop::sample::Index>(), 0..7))
        .prop_map(|(amounts, cuts)| Group::new(amounts, &cuts))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ranges_measure_as_one_piece(
        groups in prop::collection::vec(group(), 1..5), shuffle in any::<u64>(),
    ) {
        check(&groups, &catalog(&extras()), shuffle);
    }

    #[test]
    fn whichever_metrics_are_asked_for(group in group(), wanted in any::<u64>()) {
        let catalog = catalog(&extras());
        let wanted = catalog.into_iter().enumerate().filter(|(i, _)| wanted >> i & 1 == 1);
        check(&[group], &wanted.map(|(_, metric)| metric).collect::<Vec<_>>(), 1);
    }
}

/// Ranges of several tiles, of one key and of none, cut between equal keys.
#[test]
fn long_ranges() {
    let mut seed = 3u64;
    let mut amounts: Vec<U256> = (0..20_000)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let digits = U256::from(seed >> 20) * U256::from(10u8).pow(U256::from(20u8));
            digits >> (seed % 97) as usize
        })
        .map(|amount| amount.max(U256::from(1u8)))
        .chain([U256::from(12_345u32); 5_000])
        .collect();
    amounts.sort_unstable();
    let equal = amounts.partition_point(|&a| a < U256::from(12_345u32));
    let cuts = vec![0, 0, 1, 4096, 4096 + 17, equal + 2000, equal + 2000, equal + 4999, 24_999, 25_000];
    let mut cuts = cuts;
    cuts.sort_unstable();
    let long = Group { amounts, cuts };
    let empty = Group { amounts: vec![], cuts: vec![0, 0] };
    check(&[empty.clone(), long.clone(), empty, long], &catalog(&extras()), 12_345);
}

/// A range without keys at the end of a group shares no answer with the group behind it.
#[test]
fn an_empty_range_before_another_group() {
    let one = |amount: u64, cuts: &[usize]| Group { amounts: vec![U256::from(amount)], cuts: cuts.to_vec() };
    check(&[one(9, &[1]), one(4, &[0, 0]), one(1, &[])], &catalog(&extras()), 0);
}
