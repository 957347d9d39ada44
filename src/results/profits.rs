//! The columns of rewards against capital, where rewards were asked for.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Float64Builder, ListBuilder, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field};

use super::Row;
use crate::metrics::Doc;

/// What the rewards of a group come to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profits {
    /// Owners who earned something and hold nothing.
    pub n_no_capital: u64,
    /// What they earned, as plain decimal text.
    pub no_capital: String,
    /// Of all that was earned.
    pub no_capital_share: Option<f64>,
    /// What holders earned, as plain decimal text.
    pub total: String,
    /// The same as a double.
    pub total_f64: Option<f64>,
    /// Of the capital.
    pub capital_gini: Option<f64>,
    /// Of the positive rewards.
    pub reward_gini: Option<f64>,
    /// Of rewards in the order of capital.
    pub concentration: Option<f64>,
    /// The difference of the two.
    pub kakwani: Option<f64>,
    /// Of the hundredth part that holds most.
    pub top_1pct_share: Option<f64>,
    /// Of the tenth part that holds most.
    pub top_10pct_share: Option<f64>,
    /// At 0, 1, …, 100 %.
    pub curve: Option<Vec<f64>>,
    /// Of each tenth.
    pub yields: Option<Vec<Option<f64>>>,
    /// Why there are no indices, where there are none.
    pub note: Option<String>,
}

/// A column.
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its documentation.
    pub doc: Doc,
    /// Its values.
    pub array: fn(&[Row]) -> ArrayRef,
}

fn numbers(rows: &[Row], of: impl Fn(&Profits) -> Option<f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter(rows.iter().map(|row| of(row.profits.as_deref()?))))
}

fn texts(rows: &[Row], of: impl Fn(&Profits) -> Option<&str>) -> ArrayRef {
    Arc::new(StringArray::from_iter(rows.iter().map(|row| of(row.profits.as_deref()?))))
}

/// Lists; `nullable` where single values may be missing.
fn lists(rows: &[Row], nullable: bool, of: impl Fn(&Profits) -> Option<Vec<Option<f64>>>) -> ArrayRef {
    let item = Arc::new(Field::new("element", DataType::Float64, nullable));
    let mut lists = ListBuilder::new(Float64Builder::new()).with_field(item);
    for row in rows {
        let list = row.profits.as_deref().and_then(&of);
        list.iter().flatten().for_each(|value| lists.values().append_option(*value));
        lists.append(list.is_some());
    }
    Arc::new(lists.finish())
}

const fn doc(title: &'static str, formula: &'static str, range: &'static str, reading: &'static str) -> Doc {
    Doc { title, formula, unit: "1", range, source: "", reading, elsewhere: "" }
}

/// All of them, in order.
pub const COLUMNS: &[Column] = &[
    Column {
        name: "n_no_capital",
        doc: Doc {
            unit: "owners",
            ..doc(
                "Earners without capital",
                "",
                "",
                "Owners (rows, where owners are not merged) with a reward other than zero who hold nothing: they are no holders.",
            )
        },
        array: |rows| {
            Arc::new(UInt64Array::from_iter(
                rows.iter().map(|row| Some(row.profits.as_deref()?.n_no_capital)),
            ))
        },
    },
    Column {
        name: "reward_no_capital",
        doc: Doc {
            unit: "as written",
            ..doc("Rewards without capital", "R₀", "", "What they earned, exact, as plain decimal text.")
        },
        array: |rows| texts(rows, |p| Some(&p.no_capital)),
    },
    Column {
        name: "reward_no_capital_share",
        doc: doc(
            "Share of rewards without capital",
            "R₀ / (R₀ + R)",
            "",
            "Far from 0 the columns below tell little: most was earned by those who are in none of them. Null where all rewards together are not positive.",
        ),
        array: |rows| numbers(rows, |p| p.no_capital_share),
    },
    Column {
        name: "reward_total",
        doc: Doc {
            unit: "as written",
            ..doc("Rewards", "R = Σ r_i", "", "What holders earned, exact, as plain decimal text.")
        },
        array: |rows| texts(rows, |p| Some(&p.total)),
    },
    Column {
        name: "reward_total_f64",
        doc: Doc { unit: "as written", ..doc("Rewards as a double", "R", "", "The double nearest to them.") },
        array: |rows| numbers(rows, |p| p.total_f64),
    },
    Column {
        name: "capital_gini",
        doc: doc(
            "Gini coefficient of the capital",
            "2 Σ i·c_(i) / (n A) − (n+1)/n",
            "0 to 1 − 1/n",
            "The `gini` of what holders hold.",
        ),
        array: |rows| numbers(rows, |p| p.capital_gini),
    },
    Column {
        name: "reward_gini",
        doc: doc(
            "Gini coefficient of the positive rewards",
            "",
            "0 to 1 − 1/n",
            "How unequal rewards are, whoever earned them; who earned nothing or lost is left out.",
        ),
        array: |rows| numbers(rows, |p| p.reward_gini),
    },
    Column {
        name: "reward_concentration",
        doc: Doc {
            source: "Kakwani, Wagstaff & van Doorslaer 1997, doi:10.1016/S0304-4076(96)01807-6",
            ..doc(
                "Concentration index of rewards",
                "2 Σ rank_i·r_i / (n R) − (n+1)/n",
                "−1 to 1 where no reward is negative",
                "Above 0: those who hold more earn more. Ranks are by capital, equal capitals share theirs. Null unless R is above 0.",
            )
        },
        array: |rows| numbers(rows, |p| p.concentration),
    },
    Column {
        name: "kakwani",
        doc: Doc {
            source: "Kakwani 1977, doi:10.2307/2231833",
            ..doc(
                "Kakwani index",
                "reward_concentration − capital_gini",
                "−2 to 1 where no reward is negative",
                "Above 0: profits are more concentrated than the capital that earned them; 0: everybody earns in proportion; below 0: small holders earn more than their part.",
            )
        },
        array: |rows| numbers(rows, |p| p.kakwani),
    },
    Column {
        name: "reward_top_1pct_share",
        doc: doc(
            "Rewards of the largest 1 %",
            "",
            "",
            "What the ⌈n/100⌉ who hold most earned of R. Of equal holders at the border each has the same part.",
        ),
        array: |rows| numbers(rows, |p| p.top_1pct_share),
    },
    Column {
        name: "reward_top_10pct_share",
        doc: doc("Rewards of the largest 10 %", "", "", "What the ⌈n/10⌉ who hold most earned of R."),
        array: |rows| numbers(rows, |p| p.top_10pct_share),
    },
    Column {
        name: "concentration_curve",
        doc: Doc {
            source: "Kakwani 1977, doi:10.2307/2231833",
            ..doc(
                "Concentration curve",
                "",
                "",
                "What the poorest p % by capital earned of R, for p = 0, 1, …, 100: beside `lorenz`, which is what they hold.",
            )
        },
        array: |rows| lists(rows, false, |p| Some(p.curve.as_ref()?.iter().map(|&x| Some(x)).collect())),
    },
    Column {
        name: "yield_decile",
        doc: doc(
            "Yield by tenths",
            "Σr / Σc",
            "",
            "Reward by capital in each tenth of the holders, from those who hold least, both as written; null in the list where a tenth has nobody.",
        ),
        array: |rows| lists(rows, true, |p| p.yields.clone()),
    },
    Column {
        name: "reward_note",
        doc: Doc { unit: "", ..doc("Note on rewards", "", "", "Why indices are null, where they are.") },
        array: |rows| texts(rows, |p| p.note.as_deref()),
    },
];
