//! What cohorts have, and the columns of the decompositions by them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, UInt64Array};

use super::Row;
use super::profits::Column;
use crate::metrics::Doc;
use crate::numbers::wide::U320;

/// A group by its cohorts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Split {
    /// The cohorts that have holders in it, in order; those of none come last.
    pub parts: Vec<Part>,
    /// Theil's T between them and within.
    pub theil_t: Option<(f64, f64)>,
    /// Theil's L likewise.
    pub theil_l: Option<(f64, f64)>,
}

/// A cohort's holders in a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its number; none for holders without a cohort.
    pub cohort: Option<u32>,
    /// How many.
    pub n_holders: u64,
    /// What they hold, exactly.
    pub total: U320,
    /// Of the group's total.
    pub share: f64,
    /// Among them.
    pub gini: Option<f64>,
    /// Among them.
    pub theil_t: Option<f64>,
}

fn numbers(rows: &[Row], of: impl Fn(&Split) -> Option<f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter(rows.iter().map(|row| of(row.split.as_deref()?))))
}

const fn doc(title: &'static str, formula: &'static str, unit: &'static str, reading: &'static str) -> Doc {
    const SOURCE: &str = "Shorrocks 1980, doi:10.2307/1913126";
    Doc { title, formula, unit, range: "", source: SOURCE, reading, elsewhere: "" }
}

/// The columns of an analysis with cohorts.
pub const COLUMNS: &[Column] = &[
    Column {
        name: "n_cohorts",
        doc: doc(
            "Cohorts",
            "",
            "cohorts",
            "Cohorts with holders in the group; holders without one are one of them.",
        ),
        array: |rows| {
            let count = |row: &Row| Some(row.split.as_deref()?.parts.len() as u64);
            Arc::new(UInt64Array::from_iter(rows.iter().map(count)))
        },
    },
    Column {
        name: "theil_t_between",
        doc: doc(
            "Theil's T between cohorts",
            "Σ_k s_k·ln(μ_k / μ)",
            "nats",
            "What `theil_t` would be if all holders of a cohort had its mean.",
        ),
        array: |rows| numbers(rows, |split| Some(split.theil_t?.0)),
    },
    Column {
        name: "theil_t_within",
        doc: doc(
            "Theil's T within cohorts",
            "Σ_k s_k·T_k",
            "nats",
            "The rest: theil_t_between + theil_t_within = theil_t.",
        ),
        array: |rows| numbers(rows, |split| Some(split.theil_t?.1)),
    },
    Column {
        name: "theil_l_between",
        doc: doc(
            "Theil's L between cohorts",
            "Σ_k (n_k/n)·ln(μ / μ_k)",
            "nats",
            "What `theil_l` would be if all holders of a cohort had its mean.",
        ),
        array: |rows| numbers(rows, |split| Some(split.theil_l?.0)),
    },
    Column {
        name: "theil_l_within",
        doc: doc(
            "Theil's L within cohorts",
            "Σ_k (n_k/n)·L_k",
            "nats",
            "The rest: theil_l_between + theil_l_within = theil_l.",
        ),
        array: |rows| numbers(rows, |split| Some(split.theil_l?.1)),
    },
];
