//! A table to read: few groups stand side by side with every metric, many groups one below the other.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Float64Type, UInt64Type};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

use super::text::plain;
use crate::error::{Error, Result};
use crate::groups::schema::printable;
use crate::metrics::{Extras, catalog};
use crate::results::Results;
use crate::results::columns::FIXED;
use crate::results::profits::COLUMNS;

/// How a table looks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Bold headings.
    pub color: bool,
    /// Whether the user chose the metrics: then all of them are shown.
    pub chosen: bool,
    /// The terminal's width, where there is one: addresses are shortened and the last columns left out to fit it.
    pub width: Option<usize>,
}

/// Up to so many groups stand side by side.
const SIDE_BY_SIDE: usize = 3;

/// What many groups show of themselves beside the group columns, the most telling first.
const HEADLINE: &[&str] = &[
    "n_holders",
    "excluded_share",
    "looked_through_share",
    "below_share",
    "total_f64",
    "gini",
    "nakamoto_1_2",
    "top_10_share",
    "max_share",
    "hhi",
    "top_1pct_share",
];

/// What many groups show of rewards.
const EARNED: &[&str] =
    &["reward_no_capital_share", "reward_concentration", "kakwani", "reward_top_10pct_share"];

/// Changes of metrics that are shown unasked.
const CHANGED: &[&str] = &["d_gini", "d_hhi", "d_nakamoto_1_2"];

/// What nobody reads in a table: lists, and what stands there more exactly.
const HIDDEN: &[&str] = &[
    "d_lorenz",
    "growth_decile",
    "lorenz",
    "total_f64",
    "concentration_curve",
    "yield_decile",
    "reward_total_f64",
];

/// Renders a table with a final line break.
pub fn render(results: &Results, look: &Look) -> Result<String> {
    let mut view = View { batch: plain(&results.table()?, false)?, keys: results.group_columns, look: *look };
    if view.batch.num_rows() == 0 {
        return Ok("no groups\n".to_owned());
    }
    if view.batch.num_rows() <= SIDE_BY_SIDE {
        let lines = [false, true].map(|short| view.side_by_side(short));
        if let Some(lines) = lines.into_iter().find(|lines| view.fits(lines)) {
            return Ok(view.finish(&lines, view.keys));
        }
    }
    let mut columns = view.headline();
    let all = columns.len();
    let mut lines = view.one_below_the_other(&columns, false);
    if !view.fits(&lines) {
        lines = view.one_below_the_other(&columns, true);
    }
    // A table of keys alone says nothing: make them one column where they leave no room for a few metrics.
    if view.keys > 1
        && !view.fits(&view.one_below_the_other(&columns[..columns.len().min(view.keys + 4)], true))
    {
        view = view.stacked()?;
        columns = view.headline();
        lines = view.one_below_the_other(&columns, true);
    }
    while !view.fits(&lines) && columns.len() > view.keys + 1 {
        columns.pop();
        lines = view.one_below_the_other(&columns, true);
    }
    let mut text = view.finish(&lines, 1);
    if columns.len() < all {
        text += &format!(
            "({} more columns in a wider terminal; all of them with -o FILE)\n",
            all - columns.len()
        );
    }
    Ok(text)
}

/// The same table in Markdown, unshortened.
pub fn markdown(results: &Results, look: &Look) -> Result<String> {
    let view = View { batch: plain(&results.table()?, false)?, keys: results.group_columns, look: *look };
    let columns = view.headline();
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = row(columns.iter().map(|&i| view.name(i).replace('|', "\\|")).collect());
    text +=
        &row(columns.iter().map(|&i| if view.is_number(i) { "---:".into() } else { "---".into() }).collect());
    for g in 0..view.batch.num_rows() {
        text += &row(columns.iter().map(|&i| view.cell(i, g, false).replace('|', "\\|")).collect());
    }
    Ok(text)
}

struct View {
    batch: RecordBatch,
    keys: usize,
    look: Look,
}

impl View {
    fn name(&self, column: usize) -> &str {
        self.batch.schema_ref().field(column).name()
    }

    /// Where metrics begin: after the columns that every analysis has, if it is one.
    fn fixed(&self) -> usize {
        let is_analysis = self.keys < self.batch.num_columns() && self.name(self.keys) == FIXED[0].name;
        self.keys + if is_analysis { FIXED.len() } else { 0 }
    }

    fn is_number(&self, column: usize) -> bool {
        self.batch.column(column).data_type().is_numeric()
    }

    /// Every metric of a few groups, exactly.
    fn side_by_side(&self, short: bool) -> Vec<String> {
        let mut table = bare();
        let groups = self.batch.num_rows();
        for (i, column) in self.batch.columns().iter().enumerate() {
            let key = i < self.keys;
            let name = self.name(i);
            let fixed = self.fixed();
            let metric = i >= fixed && name != "reward_note";
            let absent = column.null_count() == groups && !(metric && self.look.chosen);
            if !key && (HIDDEN.contains(&name) || absent || is_zero(column, name)) {
                continue;
            }
            let value = |g| if key { key_text(column, g, short) } else { exact(column, g) };
            let values = (0..groups).map(|g| Cell::new(value(g)).set_alignment(CellAlignment::Right));
            table.add_row([Cell::new(name)].into_iter().chain(values));
        }
        lines(&table)
    }

    /// The columns that many groups show: the chosen metrics, or the telling ones and those that the user added.
    fn headline(&self) -> Vec<usize> {
        let fixed = self.fixed();
        let named = |name: &&str| (self.keys..self.batch.num_columns()).find(|&i| self.name(i) == *name);
        let standard: Vec<String> = catalog(&Extras::default()).into_iter().map(|m| m.name).collect();
        let is_standard = |name: &str| {
            let of = name.strip_prefix("d_").filter(|_| !CHANGED.contains(&name)).unwrap_or(name);
            standard.iter().any(|standard| standard == of)
        };
        let asked = |i: usize| self.look.chosen || !is_standard(self.name(i));
        // What was asked for is the last to be left out where the terminal is narrow.
        let profits: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
        let lists = ["lorenz", "d_lorenz", "growth_decile"];
        let shown =
            |name: &str| !lists.contains(&name) && (!profits.contains(&name) || EARNED.contains(&name));
        let chosen = (fixed..self.batch.num_columns()).filter(|&i| asked(i) && shown(self.name(i)));
        let chosen = chosen.filter(|&i| !is_zero(self.batch.column(i), self.name(i)));
        let telling = HEADLINE.iter().filter_map(named).filter(|&i| !self.look.chosen || i < fixed);
        let telling = telling.filter(|&i| !is_zero(self.batch.column(i), self.name(i)));
        let first = |i: &usize| {
            ["n_holders", "excluded_share", "looked_through_share", "below_share"].contains(&self.name(*i))
        };
        let (first, rest): (Vec<usize>, Vec<usize>) = telling.partition(first);
        // Long digits and errors are the first to be left out where there is no room.
        let late = |i: &usize| !(self.name(*i) == "weight" || self.name(*i).ends_with("_se"));
        let (chosen, late): (Vec<usize>, Vec<usize>) = chosen.partition(late);
        (0..self.keys).chain(first).chain(chosen).chain(late).chain(rest).collect()
    }

    /// The group columns as one, for narrow terminals: what a group has of them, side by side.
    fn stacked(self) -> Result<Self> {
        let keys = self.keys;
        let column = self.batch.columns()[..keys].to_vec();
        let text = (0..self.batch.num_rows()).map(|g| {
            let present = column.iter().filter(|c| c.is_valid(g)).map(|c| key_text(c, g, true));
            Some(present.collect::<Vec<_>>().join(" "))
        });
        let text: ArrayRef = std::sync::Arc::new(StringArray::from_iter(text));
        let columns = [text].into_iter().chain(self.batch.columns()[keys..].iter().cloned());
        let names = ["group"].into_iter().chain((keys..self.batch.num_columns()).map(|i| self.name(i)));
        let batch =
            RecordBatch::try_from_iter(names.zip(columns)).map_err(Error::arrow("show the result"))?;
        Ok(Self { batch, keys: 1, look: self.look })
    }

    fn one_below_the_other(&self, columns: &[usize], short: bool) -> Vec<String> {
        let align = |i: usize| if self.is_number(i) { CellAlignment::Right } else { CellAlignment::Left };
        let mut table = bare();
        table.set_header(columns.iter().map(|&i| Cell::new(self.name(i)).set_alignment(align(i))));
        for g in 0..self.batch.num_rows() {
            table.add_row(columns.iter().map(|&i| Cell::new(self.cell(i, g, short)).set_alignment(align(i))));
        }
        lines(&table)
    }

    fn cell(&self, column: usize, group: usize, short: bool) -> String {
        let values = self.batch.column(column);
        if column < self.keys { key_text(values, group, short) } else { rounded(values, group) }
    }

    fn fits(&self, lines: &[String]) -> bool {
        self.look.width.is_none_or(|width| lines.iter().all(|line| line.chars().count() <= width))
    }

    /// Lines to text, the first ones bold.
    fn finish(&self, lines: &[String], headings: usize) -> String {
        let bold = anstyle::Style::new().bold();
        let line = |(i, line): (usize, &String)| {
            if self.look.color && i < headings {
                format!("{bold}{line}{bold:#}\n")
            } else {
                format!("{line}\n")
            }
        };
        lines.iter().enumerate().map(line).collect()
    }
}

/// A table without lines.
pub(crate) fn bare() -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// A table's lines without the margins of its preset.
pub(crate) fn lines(table: &Table) -> Vec<String> {
    table.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect()
}

/// Counts that are zero for every group say nothing, but for the holders; nor does the share of nobody.
fn is_zero(column: &ArrayRef, name: &str) -> bool {
    if ["excluded_share", "looked_through_share", "below_share"].contains(&name) {
        return column.as_primitive::<Float64Type>().values().iter().all(|&share| share == 0.0);
    }
    let counts = column.as_primitive_opt::<UInt64Type>();
    name.starts_with("n_")
        && name != "n_holders"
        && counts.is_some_and(|c| c.values().iter().all(|&n| n == 0))
}

/// A group column's value as it is (8453 names a chain, it counts nothing), long hex shortened where asked.
fn key_text(column: &ArrayRef, row: usize, short: bool) -> String {
    let text = shown(column, row);
    if short { shortened(&text) } else { text }
}

/// `0xc745874f9b52107ad81dad00027aaad9cc14d848` as `0xc745…d848`.
pub(crate) fn shortened(text: &str) -> String {
    match (text.get(..6), text.get(text.len().wrapping_sub(4)..)) {
        (Some(head), Some(tail)) if text.starts_with("0x") && text.len() > 14 => format!("{head}…{tail}"),
        _ => text.to_owned(),
    }
}

fn shown(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "–".to_owned();
    }
    printable(&arrow::util::display::array_value_to_string(column, row).unwrap_or_default())
}

/// A value with all its digits, thousands apart in counts.
fn exact(column: &ArrayRef, row: usize) -> String {
    match column.data_type() {
        _ if column.is_null(row) => shown(column, row),
        DataType::UInt64 => thousands(&column.as_primitive::<UInt64Type>().value(row).to_string()),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        _ => shown(column, row),
    }
}

/// A value to read at a glance.
fn rounded(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) || column.data_type() != &DataType::Float64 {
        return exact(column, row);
    }
    glance(column.as_primitive::<Float64Type>().value(row))
}

/// `0.9706`, `1.2 M`, `3.1e-5`.
pub(crate) fn glance(x: f64) -> String {
    let magnitude = x.abs();
    if magnitude != 0.0 && !(1e-3..1e15).contains(&magnitude) {
        return format!("{x:.3e}");
    }
    let scaled =
        [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")].iter().find(|(unit, _)| magnitude >= *unit);
    match scaled {
        Some((unit, suffix)) => format!("{:.1}{suffix}", x / unit),
        None => format!("{x:.4}"),
    }
}

/// `252803` as `252,803`.
pub(crate) fn thousands(digits: &str) -> String {
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_threes() {
        for (digits, grouped) in [("7", "7"), ("999", "999"), ("1000", "1,000"), ("252803", "252,803")] {
            assert_eq!(thousands(digits), grouped);
        }
    }

    #[test]
    fn numbers_at_a_glance() {
        for (x, text) in [
            (0.0, "0.0000"),
            (0.97056, "0.9706"),
            (1.2e6, "1.2 M"),
            (3.14e-5, "3.140e-5"),
            (1e26, "1.000e26"),
        ] {
            assert_eq!(glance(x), text);
        }
    }
}
