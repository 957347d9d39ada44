//! A table to read: few groups stand side by side with every metric, many groups one below the other.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, UInt64Type};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

use super::text::plain;
use crate::error::Result;
use crate::results::Results;

/// How a table looks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Bold headings.
    pub color: bool,
    /// Whether the user chose the metrics: then all of them are shown.
    pub chosen: bool,
}

/// Up to so many groups stand side by side.
const SIDE_BY_SIDE: usize = 3;

/// What many groups show of themselves, beside the group columns.
const HEADLINE: &[&str] =
    &["n_holders", "total_f64", "gini", "hhi", "max_share", "top_10_share", "top_1pct_share", "nakamoto_1_2"];

/// What nobody reads in a table: lists, constants of a run, zeros.
const HIDDEN: &[&str] = &["lorenz", "total_f64"];

/// Renders a table with a final line break.
pub fn render(results: &Results, look: &Look) -> Result<String> {
    let batch = plain(results, false)?;
    let names: Vec<&str> = batch.schema_ref().fields().iter().map(|f| f.name().as_str()).collect();
    let groups = batch.num_rows();
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if groups == 0 {
        return Ok("no groups\n".to_owned());
    }
    if groups <= SIDE_BY_SIDE {
        for (i, (name, column)) in names.iter().zip(batch.columns()).enumerate() {
            let key = i < results.group_columns;
            if !key && (HIDDEN.contains(name) || column.null_count() == groups || is_zero(column, name)) {
                continue;
            }
            let mut row = vec![Cell::new(name)];
            row.extend(
                (0..groups).map(|g| right(if key { plain_text(column, g) } else { exact(column, g) })),
            );
            table.add_row(row);
        }
    } else {
        let shown: Vec<usize> = (0..names.len())
            .filter(|&i| {
                let metric = i >= results.group_columns + crate::results::columns::FIXED.len();
                let headline = HEADLINE.contains(&names[i]) && (!look.chosen || !metric);
                i < results.group_columns || headline || (look.chosen && metric && names[i] != "lorenz")
            })
            .collect();
        table
            .set_header(shown.iter().map(|&i| Cell::new(names[i]).set_alignment(alignment(batch.column(i)))));
        for g in 0..groups {
            table.add_row(shown.iter().map(|&i| {
                let column = batch.column(i);
                let text = if i < results.group_columns { plain_text(column, g) } else { rounded(column, g) };
                Cell::new(text).set_alignment(alignment(column))
            }));
        }
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    // The preset pads every line by one space.
    let margin = lines.iter().all(|line| line.starts_with(' ') || line.is_empty());
    let headings = if groups <= SIDE_BY_SIDE { results.group_columns } else { 1 };
    let bold = anstyle::Style::new().bold();
    let line = |(i, line): (usize, &String)| {
        let line = if margin { line.get(1..).unwrap_or("") } else { line };
        if look.color && i < headings { format!("{bold}{line}{bold:#}\n") } else { format!("{line}\n") }
    };
    Ok(lines.iter().enumerate().map(line).collect())
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn alignment(column: &ArrayRef) -> CellAlignment {
    if column.data_type().is_numeric() { CellAlignment::Right } else { CellAlignment::Left }
}

/// Counts that are zero for every group say nothing, but for the holders.
fn is_zero(column: &ArrayRef, name: &str) -> bool {
    let counts = column.as_primitive_opt::<UInt64Type>();
    name.starts_with("n_")
        && name != "n_holders"
        && counts.is_some_and(|c| c.values().iter().all(|&n| n == 0))
}

/// A group column's value as it is: 8453 names a chain, it counts nothing.
fn plain_text(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "–".to_owned();
    }
    arrow::util::display::array_value_to_string(column, row).unwrap_or_default()
}

/// A value with all its digits, thousands apart in counts.
fn exact(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "–".to_owned();
    }
    match column.data_type() {
        DataType::UInt64 => thousands(&column.as_primitive::<UInt64Type>().value(row).to_string()),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        _ => plain_text(column, row),
    }
}

/// A value to read at a glance.
fn rounded(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) || column.data_type() != &DataType::Float64 {
        return exact(column, row);
    }
    let x = column.as_primitive::<Float64Type>().value(row);
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
fn thousands(digits: &str) -> String {
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
}
