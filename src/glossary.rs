//! What each column of a result means: `concentra metrics`, from the data that documents the Parquet fields.

use std::fmt::Write;

use crate::error::{Error, Result, nearest};
use crate::metrics::{Doc, Extras, catalog};
use crate::results::cohorts;
use crate::results::columns::FIXED;
use crate::results::profits::COLUMNS;

/// A column and its documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The column's name.
    pub name: String,
    /// Whether it is a metric that can be chosen; others stand beside the metrics, or are there with rewards.
    pub metric: bool,
    /// What it means.
    pub doc: Doc,
}

/// Every column of a result, in its order.
pub fn entries() -> Vec<Entry> {
    let fixed = FIXED.iter().map(|c| Entry { name: c.name.into(), metric: false, doc: c.doc });
    let metrics = catalog(&Extras::default()).into_iter();
    let metrics = metrics.map(|m| Entry { name: m.name, metric: true, doc: *m.doc });
    let profits = COLUMNS.iter().chain(cohorts::COLUMNS).map(|c| Entry {
        name: c.name.into(),
        metric: false,
        doc: c.doc,
    });
    fixed.chain(metrics).chain(profits).collect()
}

/// The entry of this name, or of the family that it belongs to (`top_20_share`, `nakamoto_0_66`).
pub fn entry(name: &str) -> Result<Entry> {
    let entries = entries();
    let family = |name: &str| name.replace(|c: char| c.is_ascii_digit(), "").replace("__", "_");
    let exact = entries.iter().find(|e| e.name == name);
    let alike = || {
        entries
            .iter()
            .find(|e| e.metric && name.contains(char::is_numeric) && family(&e.name) == family(name))
    };
    if let Some(entry) = exact.or_else(alike) {
        return Ok(Entry { name: name.into(), ..entry.clone() });
    }
    let near = nearest(name, entries.iter().map(|e| e.name.as_str()));
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(Error::Usage(format!("there is no metric `{name}`{hint} (`concentra metrics` lists them)")))
}

/// One entry to read.
pub fn page(entry: &Entry) -> String {
    let mut text = format!("{}: {}\n\n", entry.name, entry.doc.title);
    for (label, value) in labelled(&entry.doc) {
        let wrapped = wrap(value, 80 - 12).join(&format!("\n{:12}", ""));
        let _ = writeln!(text, "{label:<12}{wrapped}");
    }
    text
}

/// All entries, a line each.
pub fn list() -> String {
    let entries = entries();
    let width = entries.iter().map(|e| e.name.len()).max().unwrap_or(0);
    let line = |e: &Entry| format!("{:<width$}  {}\n", e.name, e.doc.title);
    entries.iter().map(line).collect()
}

/// All entries as JSON.
pub fn json(entries: &[Entry]) -> String {
    let object = |e: &Entry| {
        let mut object = serde_json::json!({ "name": e.name, "metric": e.metric, "title": e.doc.title });
        for (label, value) in labelled(&e.doc) {
            object[label] = value.into();
        }
        object
    };
    let all: Vec<_> = entries.iter().map(object).collect();
    format!("{:#}\n", serde_json::Value::from(all))
}

/// All entries as a Markdown table.
pub fn markdown(entries: &[Entry]) -> String {
    let mut text = "| column | formula | unit | range | how to read it |\n|---|---|---|---|---|\n".to_owned();
    for Entry { name, doc, .. } in entries {
        let cell = |text: &str| text.replace('|', "\\|");
        let formula = if doc.formula.is_empty() { doc.title } else { doc.formula };
        let cells = [formula, doc.unit, doc.range, doc.reading].map(cell).join(" | ");
        let _ = writeln!(text, "| `{name}` | {cells} |");
    }
    text
}

fn labelled(doc: &Doc) -> impl Iterator<Item = (&'static str, &'static str)> {
    [
        ("formula", doc.formula),
        ("unit", doc.unit),
        ("range", doc.range),
        ("reading", doc.reading),
        ("elsewhere", doc.elsewhere),
        ("source", doc.source),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
}

/// Words in lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("never empty");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_a_page_that_fits_a_terminal() {
        for e in entries() {
            let page = page(&entry(&e.name).unwrap());
            assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        }
    }

    #[test]
    fn families_and_slips() {
        assert_eq!(entry("top_20_share").unwrap().doc.title, entry("top_10_share").unwrap().doc.title);
        assert!(entry("nakamoto_0_66").unwrap().doc.title.contains("akamoto"));
        assert!(entry("ginni").unwrap_err().to_string().contains("`gini`"));
        assert!(entry("top_share").is_err());
    }
}
