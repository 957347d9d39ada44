//! The columns that every result has beside its metrics, with their documentation.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};

use super::{Row, counts, integers, numbers, texts, truths};
use crate::metrics::Doc;
use crate::numbers::wide::U320;

/// A column of every result.
pub struct Fixed {
    /// Its name.
    pub name: &'static str,
    /// Its documentation.
    pub doc: Doc,
    /// Its values; the second argument is `--decimals`.
    pub array: fn(&[Row], u8) -> ArrayRef,
}

const fn doc(title: &'static str, formula: &'static str, unit: &'static str, reading: &'static str) -> Doc {
    Doc { title, formula, unit, range: "", source: "", reading, elsewhere: "" }
}

/// All of them, in order.
pub const FIXED: &[Fixed] = &[
    Fixed {
        name: "n_rows",
        doc: doc(
            "Rows of the group",
            "n_null + n_excluded + n_negative + n_merged + n_below + n_zero + n_holders",
            "rows",
            "Every row of the input is counted in exactly one of the summands, unless contracts are looked through.",
        ),
        array: |rows, _| counts(rows, |c| c.rows),
    },
    Fixed {
        name: "n_holders",
        doc: Doc {
            elsewhere: "Tools that count zero balances as holders report more of them.",
            ..doc("Holders", "n", "holders", "The population: what is left of the rows, each above zero.")
        },
        array: |rows, _| counts(rows, |c| c.holders),
    },
    Fixed {
        name: "n_zero",
        doc: doc("Holders of nothing", "", "rows", "Zero amounts are dropped: they are no holders."),
        array: |rows, _| counts(rows, |c| c.zero),
    },
    Fixed {
        name: "n_null",
        doc: doc("Null amounts", "", "rows", "Unknown amounts are dropped."),
        array: |rows, _| counts(rows, |c| c.null),
    },
    Fixed {
        name: "n_excluded",
        doc: doc(
            "Rows of excluded owners",
            "",
            "rows",
            "0 where nobody is excluded (--exclude); owners, not rows, with --look-through.",
        ),
        array: |rows, _| counts(rows, |c| c.excluded),
    },
    Fixed {
        name: "n_negative",
        doc: doc("Negative amounts", "", "rows", "Dropped on request (--negatives drop), else an error."),
        array: |rows, _| counts(rows, |c| c.negative),
    },
    Fixed {
        name: "n_merged",
        doc: doc(
            "Merged rows",
            "",
            "rows",
            "Rows that vanished into another of the same owner (--owners merge).",
        ),
        array: |rows, _| counts(rows, |c| c.merged),
    },
    Fixed {
        name: "n_below",
        doc: doc(
            "Holders below a cut",
            "",
            "holders",
            "Cut off by --min-amount, --min-value or --top-holders; 0 where nothing is.",
        ),
        array: |rows, _| counts(rows, |c| c.below),
    },
    Fixed {
        name: "total",
        doc: doc(
            "Total",
            "A = Σ x_i",
            "as written",
            "Exact, as plain decimal text; divided by 10^decimals if asked.",
        ),
        array: |rows, decimals| {
            texts(rows, |row| {
                Some(row.measured.as_ref().map_or("0".into(), |m| row.unit.plain(&m.total, decimals)))
            })
        },
    },
    Fixed {
        name: "total_f64",
        doc: doc("Total as a double", "A", "as written", "The double nearest to the total, for plots."),
        array: |rows, decimals| {
            numbers(rows, |row, m| {
                // Text to double is correctly rounded by the standard library.
                row.unit.plain(&m.total, decimals).parse().ok().filter(|x: &f64| x.is_finite())
            })
        },
    },
    Fixed {
        name: "mean",
        doc: doc("Mean", "μ = A / n", "as written", "What each holder would have if all had the same."),
        array: |rows, decimals| {
            numbers(rows, |row, m| row.unit.quotient(&m.total, row.counts.holders, decimals))
        },
    },
    Fixed {
        name: "median",
        doc: doc(
            "Median",
            "mean of the middle one or two",
            "as written",
            "Half of the holders have at most this.",
        ),
        array: |rows, decimals| numbers(rows, |row, m| row.unit.quotient(&m.median_twice, 2, decimals)),
    },
    Fixed {
        name: "unit_log2",
        doc: doc(
            "Unit of doubles",
            "2^unit_log2",
            "1",
            "Doubles are whole numbers of this power of two; 0 for all other encodings.",
        ),
        array: |rows, _| integers(rows, |row| row.measured.as_ref().map(|_| row.unit.log2())),
    },
    Fixed {
        name: "exact",
        doc: doc(
            "Working amounts are exact",
            "v_i = a_i for every i",
            "",
            "Whether 56 significant bits hold every amount; where not, each is within one part in 2^55.",
        ),
        array: |rows, _| truths(rows, |row| row.measured.as_ref().map(|m| m.exact)),
    },
    Fixed {
        name: "excluded_share",
        doc: Doc {
            range: "0 to 1",
            ..doc(
                "Share of excluded owners",
                "E / (E + B + A)",
                "",
                "What excluded owners hold of all that the group has; 0 where nobody is excluded.",
            )
        },
        array: |rows, _| Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.excluded_share))),
    },
    Fixed {
        name: "below_share",
        doc: Doc {
            range: "0 to 1",
            ..doc(
                "Share below a cut",
                "B / (B + A)",
                "",
                "What holders hold that are cut off, of all that holders have; 0 where nothing is.",
            )
        },
        array: |rows, _| Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.below_share))),
    },
    Fixed {
        name: "looked_through_share",
        doc: Doc {
            range: "0 to 1",
            ..doc(
                "Share of contracts looked through",
                "",
                "",
                "What contracts held at first, less what they hold after looking through them (--look-through), of all that the group has.",
            )
        },
        array: |rows, _| {
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.looked_through_share)))
        },
    },
    Fixed {
        name: "n_looked_through",
        doc: doc(
            "Contracts looked through",
            "",
            "owners",
            "Owners whose balances were passed on; with them n_rows is no sum of the other counts.",
        ),
        array: |rows, _| counts(rows, |c| c.looked_through),
    },
    Fixed {
        name: "n_entities",
        doc: doc(
            "Entities among the holders",
            "",
            "holders",
            "Holders that stand for an entity, of one owner or many (--entities); 0 without it.",
        ),
        array: |rows, _| counts(rows, |c| c.entities),
    },
    Fixed {
        name: "backend",
        doc: doc("Backend", "", "", "What really computed this row: cpu or gpu. Both give the same bits."),
        array: |rows, _| texts(rows, |row| row.measured.as_ref().map(|m| m.backend.to_owned())),
    },
    Fixed {
        name: "adapter",
        doc: doc("Adapter", "", "", "The name of the GPU; null for the cpu."),
        array: |rows, _| texts(rows, |row| row.measured.as_ref()?.adapter.clone()),
    },
    Fixed {
        name: "backend_note",
        doc: doc(
            "Backend note",
            "",
            "",
            "Why the row was not computed where it should have been; else null.",
        ),
        array: |rows, _| texts(rows, |row| row.measured.as_ref()?.note.clone()),
    },
];

/// The sum of the middle two holders, or twice the middle one.
pub fn median_twice(moments: &crate::moments::Moments) -> U320 {
    use crate::numbers::key::value;
    let n = moments.n();
    let at = |rank| U320::from(value(moments.below(rank).next));
    at((n - 1) / 2) + at(n / 2)
}
