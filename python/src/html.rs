//! A table as HTML, for notebooks.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// Letters of a cell that are shown.
const LONGEST: usize = 44;

/// The first rows.
pub(crate) fn table(schema: &Schema, batches: &[RecordBatch], rows: usize) -> Result<String, ArrowError> {
    let all: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let options = FormatOptions::default().with_null("–");
    let is_number = |of: &DataType| of.is_numeric();
    let mut html = String::from("<div style=\"overflow-x:auto\"><table><thead><tr>");
    for field in schema.fields() {
        let title = field.metadata().get("reading").map_or("", String::as_str);
        html += &format!("<th title=\"{}\">{}</th>", escape(title), escape(field.name()));
    }
    html += "</tr></thead><tbody>";
    let mut left = rows;
    for batch in batches {
        let shown = left.min(batch.num_rows());
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<_, _>>()?;
        for row in 0..shown {
            html += "<tr>";
            for (field, column) in schema.fields().iter().zip(&columns) {
                let align = if is_number(field.data_type()) { "right" } else { "left" };
                let cell = escape(&short(&column.value(row).to_string()));
                html += &format!("<td style=\"text-align:{align}\">{cell}</td>");
            }
            html += "</tr>";
        }
        left -= shown;
    }
    let what = if all == 1 { "row" } else { "rows" };
    let more = if all > rows { format!(", the first {rows} shown") } else { String::new() };
    html += &format!("</tbody></table></div><small>{all} {what}{more}</small>");
    Ok(html)
}

fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
