//! Nakamoto coefficients.

use super::{Doc, Kind, Metric, Value};
use crate::moments::{Ask, Fraction, Needs};

const DOC: Doc = Doc {
    title: "Nakamoto coefficient",
    formula: "min k: S_k > t·A",
    unit: "holders",
    range: "1 to n",
    source: "Srinivasan & Lee 2017, \"Quantifying Decentralization\"",
    reading: "The fewest holders that together exceed the threshold, strictly: the smaller, the easier to take \
              control.",
    elsewhere: "Many tools write >= instead of >, which is one less where the largest hold exactly the threshold.",
};

/// `nakamoto_1_3`, `nakamoto_1_2`, `nakamoto_2_3`, then those the user adds, in the user's order, each name once.
pub(super) fn of_thresholds(extra: &[(String, Fraction)]) -> Vec<Metric> {
    let mut thresholds: Vec<(&str, Fraction)> =
        vec![("1_3", Fraction::new(1, 3)), ("1_2", Fraction::new(1, 2)), ("2_3", Fraction::new(2, 3))];
    for (ending, fraction) in extra {
        if !thresholds.iter().any(|(known, _)| known == ending) {
            thresholds.push((ending, *fraction));
        }
    }
    thresholds.into_iter().map(|(ending, fraction)| metric(ending, fraction)).collect()
}

fn metric(ending: &str, fraction: Fraction) -> Metric {
    Metric {
        name: format!("nakamoto_{ending}"),
        doc: &DOC,
        kind: Kind::Count,
        needs: Needs::NONE,
        asks: vec![Ask::Exceeding(fraction)],
        value: Box::new(move |m| Value::Count(m.exceeding(fraction))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::{count, examples, value};
    use crate::metrics::{Extras, catalog};

    /// The smallest k with `S_k · denominator > numerator · A`.
    fn textbook(x: &[u64], numerator: u128, denominator: u128) -> u64 {
        let mut x = x.to_vec();
        x.sort_unstable_by(|a, b| b.cmp(a));
        let total: u128 = x.iter().map(|&a| u128::from(a)).sum();
        let (mut sum, mut k) = (0u128, 0);
        while sum * denominator <= numerator * total {
            sum += u128::from(x[k]);
            k += 1;
        }
        k as u64
    }

    #[test]
    fn are_the_textbook_definitions() {
        for x in examples() {
            assert_eq!(count("nakamoto_1_3", &x), Some(textbook(&x, 1, 3)));
            assert_eq!(count("nakamoto_1_2", &x), Some(textbook(&x, 1, 2)));
            assert_eq!(count("nakamoto_2_3", &x), Some(textbook(&x, 2, 3)));
        }
    }

    #[test]
    fn exactly_the_threshold_does_not_exceed_it() {
        // Tools that write >= answer 1.
        assert_eq!(count("nakamoto_1_2", &[3, 2, 1]), Some(2));
        assert_eq!(count("nakamoto_1_2", &[50, 30, 20]), Some(2));
        assert_eq!(count("nakamoto_1_3", &[7; 9]), Some(4));
        assert_eq!(count("nakamoto_2_3", &[7; 9]), Some(7));
        assert_eq!(count("nakamoto_2_3", &[7]), Some(1));
    }

    #[test]
    fn added_thresholds_follow_the_known_ones() {
        let added =
            |ending: &str, numerator, denominator| (ending.to_owned(), Fraction::new(numerator, denominator));
        let extras = Extras {
            thresholds: vec![
                added("0_66", 66, 100),
                added("0_51", 51, 100),
                added("0_66", 66, 100),
                added("1_2", 1, 2),
            ],
            ..Extras::default()
        };
        let names: Vec<String> = catalog(&extras)
            .into_iter()
            .map(|m| m.name)
            .filter(|name| name.starts_with("nakamoto"))
            .collect();
        assert_eq!(names, ["nakamoto_1_3", "nakamoto_1_2", "nakamoto_2_3", "nakamoto_0_66", "nakamoto_0_51"]);
        for x in examples() {
            assert_eq!(value("nakamoto_0_66", &extras, &x), Value::Count(Some(textbook(&x, 66, 100))));
        }
        assert_eq!(value("nakamoto_0_66", &extras, &[66, 34]), Value::Count(Some(2)));
    }
}
