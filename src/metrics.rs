//! The metrics: each one file with its documentation as data and a pure function of [`Moments`].
//!
//! To add one: write `metrics/name.rs`, and add its line to [`catalog`].

use crate::error::{Error, Result, nearest};
use crate::moments::{Ask, Fraction, Moments, Needs};

pub mod gini;
pub mod top_share;

/// What a metric is, for help texts, the footer of Parquet results and the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doc {
    /// A few words: "Gini coefficient".
    pub title: &'static str,
    /// In the symbols of the documentation: `x_(i)` ascending, `x_[i]` descending, `A` total, `μ` mean.
    pub formula: &'static str,
    /// "1" for pure numbers, "bits", "nats", "holders".
    pub unit: &'static str,
    /// The values it can take.
    pub range: &'static str,
    /// Who defined it; a DOI where there is one.
    pub source: &'static str,
    /// How to read it.
    pub reading: &'static str,
    /// How other tools define the same name differently; empty where they agree.
    pub elsewhere: &'static str,
}

/// The type of a metric's column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A double.
    Number,
    /// An unsigned integer.
    Count,
    /// A list of doubles of this length.
    List(usize),
}

/// A metric's value for one group; `None` where it is not defined.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A finite double.
    Number(Option<f64>),
    /// An unsigned integer.
    Count(Option<u64>),
    /// Finite doubles.
    List(Option<Vec<f64>>),
}

impl Value {
    /// A double; none where it is not finite, for results never hold NaN or infinity.
    pub fn number(x: f64) -> Self {
        Self::Number(x.is_finite().then_some(x))
    }

    /// A double that can only leave its range by rounding.
    pub fn clamped(x: f64, low: f64, high: f64) -> Self {
        // `clamp` would panic on a NaN bound and keep a NaN value.
        Self::number(if x.is_nan() { x } else { x.max(low).min(high) })
    }
}

/// One column of the result.
pub struct Metric {
    /// The column's name.
    pub name: String,
    /// Its documentation.
    pub doc: &'static Doc,
    /// Its type.
    pub kind: Kind,
    /// The sums it reads beyond `n`, `Σv` and `Σ i·v`.
    pub needs: Needs,
    /// The positions it reads.
    pub asks: Vec<Ask>,
    /// The metric itself. It is never called for a group without holders: every metric of one is null.
    pub value: Box<dyn Fn(&Moments) -> Value + Send + Sync>,
}

/// What the user may add to the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extras {
    /// `--top`: numbers of largest holders.
    pub top: Vec<u64>,
    /// `--threshold`: fractions of the total, with their column names' endings (`0_66`).
    pub thresholds: Vec<(String, Fraction)>,
}

/// Every metric, in the order of the result's columns.
pub fn catalog(extras: &Extras) -> Vec<Metric> {
    [vec![gini::metric()], top_share::of_holders(&extras.top), top_share::of_percentiles()]
        .into_iter()
        .flatten()
        .collect()
}

/// The metrics of these names, all where there are none, in the order of the catalog.
pub fn select(catalog: Vec<Metric>, names: &[String]) -> Result<Vec<Metric>> {
    for name in names {
        if !catalog.iter().any(|m| m.name == *name) {
            let near = nearest(name, catalog.iter().map(|m| m.name.as_str()));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(Error::Usage(format!("there is no metric `{name}`{hint}")));
        }
    }
    let wanted = |m: &Metric| names.is_empty() || names.contains(&m.name);
    Ok(catalog.into_iter().filter(wanted).collect())
}

#[cfg(test)]
pub(crate) mod testing;
