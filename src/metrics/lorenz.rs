//! The Lorenz curve.

use super::{Doc, Kind, Metric, Value};
use crate::moments::{Ask, Moments, Needs};
use crate::numbers::key;
use crate::numbers::wide::{U320, ratio};

const DOC: Doc = Doc {
    title: "Lorenz curve",
    formula: "L(p) = (x_(1)+..+x_(i) + (n p − i)·x_(i+1)) / A, i = ⌊n p⌋, p = 0, 1, …, 100 %",
    unit: "1",
    range: "0 to p",
    source: "Lorenz 1905, doi:10.2307/2276207",
    reading: "The share of the poorest p % of the holders, for each whole p: the further below the diagonal, the more \
              concentrated.",
    elsewhere: "Some tools give a step function, or one point per holder, instead of interpolating at whole per cents.",
};

/// Points at 0, 1, …, 100 %.
const POINTS: usize = 101;

/// `lorenz`.
pub(super) fn metric() -> Metric {
    Metric {
        name: "lorenz".into(),
        doc: &DOC,
        kind: Kind::List(POINTS),
        needs: Needs::NONE,
        // None and all of the holders need no asking.
        asks: (1..100).map(|p| Ask::Below(Box::new(move |n| n * p / 100))).collect(),
        value: Box::new(value),
    }
}

fn value(m: &Moments) -> Value {
    Value::List(Some((0..POINTS as u64).map(|p| point(m, p)).collect()))
}

/// `(100 P_i + (n p mod 100)·x_(i+1)) / (100 A)`: exact integers over one denominator, so the curve never falls.
fn point(m: &Moments, p: u64) -> f64 {
    let hundred = U320::from(100u8); // 100 A stays below 2^295
    let poor = m.below(m.n() * p / 100);
    let next = U320::from(m.n() * p % 100) * U320::from(key::value(poor.next));
    ratio(&(hundred * poor.amount + next), &(hundred * m.amount()))
}

#[cfg(test)]
mod tests {
    use super::POINTS;
    use crate::metrics::testing::{assert_close, examples, list, number};

    /// Linear between `(i/n, P_i/A)`.
    fn textbook(x: &[u64], percent: usize) -> f64 {
        let mut x = x.to_vec();
        x.sort_unstable();
        let total: f64 = x.iter().map(|&a| a as f64).sum();
        let (i, rest) = (x.len() * percent / 100, x.len() * percent % 100);
        let prefix: f64 = x[..i].iter().map(|&a| a as f64).sum();
        let next = x.get(i).map_or(0.0, |&a| a as f64);
        (prefix + rest as f64 / 100.0 * next) / total
    }

    #[test]
    fn is_the_textbook_definition() {
        for x in examples() {
            let curve = list("lorenz", &x);
            assert_eq!(curve.len(), POINTS);
            for (percent, &share) in curve.iter().enumerate() {
                assert_close(Some(share), textbook(&x, percent), 1e-14);
            }
        }
    }

    #[test]
    fn rises_from_zero_to_one_below_the_diagonal() {
        for x in examples() {
            let curve = list("lorenz", &x);
            assert_eq!((curve[0], curve[100]), (0.0, 1.0));
            assert!(curve.windows(2).all(|w| w[0] <= w[1]));
            assert!(curve.iter().enumerate().all(|(p, &share)| share <= p as f64 / 100.0 + 1e-15));
            if x.len() % 2 == 0 {
                assert_close(number("bottom_50pct_share", &x), curve[50], 1e-15);
            }
        }
    }

    #[test]
    fn exact_values() {
        assert_eq!(list("lorenz", &[1, 3])[25], 0.125);
        assert_eq!(list("lorenz", &[1, 3])[75], 0.625);
        for x in [vec![7], vec![7; 9]] {
            for (p, share) in list("lorenz", &x).into_iter().enumerate() {
                assert_close(Some(share), p as f64 / 100.0, 1e-15);
            }
        }
    }
}
