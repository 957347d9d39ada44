//! The page: pictures, tables and where it all comes from, in one file that loads nothing.

use std::fmt::Write;

use serde_json::Value;

use super::plot::{Plot, escape};
use super::sheet::{Kind, Sheet};
use crate::output::table::{glance, shortened, thousands};

const STYLE: &str = include_str!("style.css");
/// What stands in pictures, for the page and for pictures of their own.
pub const MARKS: &str = include_str!("marks.css");
const SCRIPT: &str = include_str!("script.js");

/// Rows that a table on the page has at most: the file has them all.
const ROWS: usize = 500;

/// What a table of groups shows, the most telling first; other columns where the user asked for them.
const TELLING: &[&str] = &[
    "n_holders",
    "total_f64",
    "gini",
    "nakamoto_1_3",
    "nakamoto_1_2",
    "nakamoto_2_3",
    "max_share",
    "top_10_share",
    "top_1pct_share",
    "bottom_50pct_share",
    "hhi",
    "effective_holders",
    "entropy_normalized",
    "theil_t",
    "palma",
    "hill_alpha",
    "excluded_share",
    "looked_through_share",
    "below_share",
    "reward_total_f64",
    "kakwani",
    "reward_concentration",
    "reward_top_10pct_share",
    "n_cohorts",
    "theil_t_between",
    "theil_t_within",
    "backend",
];

/// Rows of groups that went somewhere, in the order in which they go.
const COUNTED: [(&str, &str); 8] = [
    ("n_rows", "rows read"),
    ("n_null", "without an amount"),
    ("n_excluded", "of excluded owners"),
    ("n_negative", "negative, dropped"),
    ("n_merged", "merged into others of their owner"),
    ("n_below", "below a cut"),
    ("n_zero", "of nothing"),
    ("n_holders", "holders"),
];

/// The page.
pub fn html(title: &str, sheets: &[(Sheet, Vec<Plot>)]) -> String {
    let mut page = format!(
        r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="concentra {}"><title>{}</title><style>
{STYLE}{MARKS}</style></head>
<body><header><h1>{}</h1>"#,
        env!("CARGO_PKG_VERSION"),
        escape(title),
        escape(title),
    );
    if sheets.len() > 1 {
        let link = |(i, (sheet, _)): (usize, &(Sheet, _))| {
            format!(r##"<li><a href="#result-{i}">{}</a></li>"##, escape(&heading(sheet)))
        };
        let links: String = sheets.iter().enumerate().map(link).collect();
        let _ = write!(page, r#"<nav aria-label="Results"><ul>{links}</ul></nav>"#);
    }
    page.push_str("</header>\n<main>\n");
    for (i, (sheet, plots)) in sheets.iter().enumerate() {
        section(&mut page, i, sheet, plots);
    }
    page.push_str("</main>\n<footer><p>Made by concentra ");
    page.push_str(env!("CARGO_PKG_VERSION"));
    page.push_str(
        ". The headings of the tables tell what they mean to a pointer that rests on them; all digits are in the files of the results.</p></footer>\n",
    );
    let _ = write!(page, "<script>\n{SCRIPT}</script></body></html>\n");
    page
}

/// What a result is called.
fn heading(sheet: &Sheet) -> String {
    let what = match sheet.kind {
        Kind::Groups if sheet.has("kakwani") => "Who holds, and who earns",
        Kind::Groups => "Who holds",
        Kind::Cohorts => "Cohorts",
        Kind::Voters => "Who decides",
        Kind::Games => "Games",
        Kind::Changes => "What changes",
        Kind::Vintages => "Who came first",
    };
    format!("{what}: {}", sheet.name)
}

fn section(page: &mut String, number: usize, sheet: &Sheet, plots: &[Plot]) {
    let _ = write!(
        page,
        r#"<section aria-labelledby="result-{number}"><h2 id="result-{number}">{}</h2><p>{}</p>"#,
        escape(&heading(sheet)),
        escape(&glimpse(sheet)),
    );
    if !plots.is_empty() {
        page.push_str(r#"<div class="cards">"#);
        for plot in plots {
            let _ = writeln!(
                page,
                "<figure><figcaption><h3>{}</h3></figcaption>{}</figure>",
                escape(&plot.title),
                plot.svg(None),
            );
        }
        page.push_str("</div>\n");
    }
    table(page, number, sheet);
    provenance(page, sheet);
    page.push_str("</section>\n");
}

/// How many groups, and how the one that there is has changed.
fn glimpse(sheet: &Sheet) -> String {
    let series = sheet.series();
    let assets = series.len();
    let rows = thousands(&sheet.rows().to_string());
    let mut text = match sheet.kind {
        Kind::Groups => format!("{rows} {}", if sheet.rows() == 1 { "group" } else { "groups" }),
        Kind::Cohorts => format!("{rows} cohorts of groups"),
        Kind::Voters => format!("{rows} voters"),
        Kind::Games => format!("{rows} {}", if sheet.rows() == 1 { "game" } else { "games" }),
        Kind::Changes => format!("{rows} pairs of snapshots"),
        Kind::Vintages => format!("{rows} vintages in snapshots"),
    };
    if assets > 1 && assets < sheet.rows() {
        text += &format!(", of {} distributions", thousands(&assets.to_string()));
    }
    text.push('.');
    let Some(only) = series.first().filter(|_| assets == 1 && sheet.kind == Kind::Groups) else {
        return text;
    };
    let (Some(&first), Some(&last)) = (only.rows.first(), only.rows.last()) else { return text };
    let named = |column: &str, name: &str| {
        let of = |row| {
            sheet
                .number(column, row)
                .map(|x| if sheet.is_count(column) { thousands(&format!("{x}")) } else { glance(x) })
        };
        let (a, b) = (of(first)?, of(last)?);
        Some(if first == last { format!("{name} {a}") } else { format!("{name} {a} → {b}") })
    };
    let figures = [
        named("n_holders", "holders"),
        named("gini", "Gini"),
        named("nakamoto_1_2", "holders to exceed half"),
        named("top_10_share", "share of the ten largest"),
    ];
    let figures: Vec<String> = figures.into_iter().flatten().collect();
    if !figures.is_empty() {
        let from = if first == last {
            "In figures: ".to_owned()
        } else {
            format!("From {} to {}: ", sheet.snapshot(first), sheet.snapshot(last))
        };
        text += &format!(" {from}{}.", figures.join(", "));
    }
    text
}

/// The columns that the table shows: the group's, then numbers and short words that say something.
fn columns(sheet: &Sheet) -> Vec<String> {
    let keys: Vec<String> = sheet.keys().into_iter().map(str::to_owned).collect();
    let schema = sheet.table.schema_ref();
    let others = schema.fields().iter().map(|field| field.name().as_str());
    let shown: Vec<&str> = match sheet.kind {
        Kind::Groups => TELLING.iter().copied().filter(|column| sheet.has(column)).collect(),
        // What a metric changed by says the picture's story once more; those that were asked for stand in the file.
        Kind::Changes => others
            .filter(|name| !name.starts_with("d_") || ["d_gini", "d_nakamoto_1_2", "d_hhi"].contains(name))
            .collect(),
        _ => others.collect(),
    };
    let says = |name: &&str| {
        let column = sheet.table.column_by_name(name);
        let empty =
            column.is_none_or(|values| values.null_count() == values.len() || values.data_type().is_nested());
        let nobody = name.ends_with("_share")
            && sheet.kind == Kind::Groups
            && ["excluded_share", "looked_through_share", "below_share"].contains(name)
            && (0..sheet.rows()).all(|row| sheet.number(name, row).is_none_or(|x| x == 0.0));
        !empty && !nobody && !keys.iter().any(|key| key == name)
    };
    let shown: Vec<String> = shown.into_iter().filter(says).map(str::to_owned).collect();
    keys.into_iter().chain(shown).collect()
}

fn table(page: &mut String, number: usize, sheet: &Sheet) {
    let columns = columns(sheet);
    let shown = sheet.rows().min(ROWS);
    let what = if shown < sheet.rows() {
        format!(
            "The first {shown} of {} rows; all are in {}",
            thousands(&sheet.rows().to_string()),
            sheet.name
        )
    } else {
        "All rows".to_owned()
    };
    let _ = write!(
        page,
        r#"<h3>Figures</h3>
<div class="filter" id="filter-{number}" hidden><label for="search-{number}">Filter</label><input type="search" id="search-{number}" placeholder="any text" autocomplete="off"><output aria-live="polite"></output></div>
<div class="scroll tall" tabindex="0" role="region" aria-label="{}"><table class="sortable" data-filter="filter-{number}"><caption>{} <span class="printed">(here the first columns)</span></caption><thead><tr>"#,
        escape(&format!("Figures, {}", heading(sheet))),
        escape(&what),
    );
    // Keys that groups of other files do not have would be empty columns.
    let (uniform, keys) = (sheet.is_uniform(), sheet.keys().len());
    let columns = if uniform { &columns[..] } else { &columns[keys..] };
    if !uniform {
        page.push_str(r#"<th scope="col" class="key">group</th><th scope="col" class="key">snapshot</th>"#);
    }
    for (i, column) in columns.iter().enumerate() {
        let told: Vec<&str> =
            ["title", "reading"].iter().filter_map(|what| sheet.doc(column, what)).collect();
        let class = if is_word(sheet, column, uniform && i < keys) { r#" class="key""# } else { "" };
        let title =
            if told.is_empty() { String::new() } else { format!(r#" title="{}""#, escape(&told.join(". "))) };
        let _ = write!(page, r#"<th scope="col"{class}{title}>{}</th>"#, escape(column));
    }
    page.push_str("</tr></thead><tbody>\n");
    for row in 0..shown {
        page.push_str("<tr>");
        if !uniform {
            cell(page, sheet.asset(row), &sheet.whole(row));
            word(page, &sheet.snapshot(row));
        }
        for (i, column) in columns.iter().enumerate() {
            if is_word(sheet, column, uniform && i < keys) {
                word(page, &sheet.text(column, row).unwrap_or_default());
                continue;
            }
            let x = sheet.number(column, row);
            let shown =
                x.map(|x| if sheet.is_count(column) { thousands(&format!("{x}")) } else { glance(x) });
            let exact = x.map(|x| x.to_string()).unwrap_or_default();
            let _ = write!(page, r#"<td data-value="{exact}">{}</td>"#, shown.unwrap_or_default());
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}

/// A cell of words, a long address shortened.
fn word(page: &mut String, whole: &str) {
    cell(page, &shortened(whole), whole);
}

/// A cell of words that stand for others, by which it is sorted and found.
fn cell(page: &mut String, short: &str, whole: &str) {
    let title = if short == whole {
        String::new()
    } else {
        format!(r#" title="{0}" data-value="{0}""#, escape(whole))
    };
    let _ = write!(page, r#"<td class="key"{title}>{}</td>"#, escape(short));
}

/// Whether a column is words, as names of groups are though they be numbers.
fn is_word(sheet: &Sheet, column: &str, key: bool) -> bool {
    // Snapshots are named by numbers too, and count nothing.
    let key = key || ["snapshot_from", "vintage"].contains(&column);
    key || !sheet.table.column_by_name(column).is_some_and(|values| values.data_type().is_numeric())
}

/// What was counted, and where it ran.
fn provenance(page: &mut String, sheet: &Sheet) {
    let mut facts: Vec<(&str, String)> = vec![];
    let sum = |column: &str| -> Option<f64> {
        sheet.has(column).then(|| (0..sheet.rows()).filter_map(|row| sheet.number(column, row)).sum())
    };
    let counted: Vec<String> = COUNTED
        .iter()
        .filter_map(|(column, what)| Some((sum(column)?, what)))
        .filter(|(n, _)| *n > 0.0)
        .map(|(n, what)| format!("{} {what}", thousands(&format!("{n}"))))
        .collect();
    if sheet.kind == Kind::Groups && !counted.is_empty() {
        facts.push((if sheet.rows() == 1 { "Counted" } else { "Counted in all" }, counted.join(", ")));
    }
    if sheet.has("backend") {
        let mut places: Vec<(String, usize)> = vec![];
        for row in 0..sheet.rows() {
            let parts = ["backend", "adapter", "backend_note"].map(|column| sheet.text(column, row));
            let place = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
            if place.is_empty() {
                continue;
            }
            match places.iter_mut().find(|(known, _)| *known == place) {
                Some((_, n)) => *n += 1,
                None => places.push((place, 1)),
            }
        }
        let shown = places.iter().map(|(place, n)| {
            format!("{place} ({} {})", thousands(&n.to_string()), if *n == 1 { "row" } else { "rows" })
        });
        facts.push(("Computed on", shown.collect::<Vec<_>>().join("; ")));
    }
    if let Some(inputs) = sheet.told.get("concentra.inputs").and_then(Value::as_array) {
        let of = |input: &Value, what: &str| input.get(what).map(plain);
        let sum = |what: &str| {
            inputs.iter().filter_map(|input| input.get(what)?.as_u64()).fold(0u64, u64::saturating_add)
        };
        let (rows, bytes) = (sum("rows"), sum("bytes"));
        let names: Vec<String> = inputs.iter().filter_map(|input| of(input, "name")).collect();
        let shown = match names.as_slice() {
            [first, .., last] if names.len() > 4 => format!("{first} … {last}"),
            names => names.join(", "),
        };
        let files = if names.len() == 1 { "1 file".into() } else { format!("{} files", names.len()) };
        facts.push((
            "Read",
            format!(
                "{files}, {} rows, {} bytes: {shown}",
                thousands(&rows.to_string()),
                thousands(&bytes.to_string())
            ),
        ));
        let mut roles: Vec<String> = vec![];
        for input in inputs {
            let role = |what: &str| Some(format!("{what} = {}", of(input, what)?));
            let groups = input.get("group").and_then(Value::as_array).into_iter().flatten();
            let groups =
                groups.filter_map(|key| Some(format!("{} = {}", of(key, "role")?, of(key, "name")?)));
            let text =
                role("amount").into_iter().chain(role("owner")).chain(groups).collect::<Vec<_>>().join(", ");
            if !roles.contains(&text) {
                roles.push(text);
            }
        }
        facts.push(("Columns", roles.join("; ")));
    }
    let options = sheet.told.iter().filter(|(key, _)| {
        !["concentra.inputs", "concentra.version", "concentra.schema_version"].contains(&key.as_str())
    });
    for (key, value) in options {
        let text = match value {
            Value::Object(object) if object.is_empty() => "none: all defaults".to_owned(),
            Value::Object(object) => {
                let pairs = object.iter().filter(|(_, value)| !value.is_null());
                pairs.map(|(name, value)| format!("{name}: {}", plain(value))).collect::<Vec<_>>().join(", ")
            }
            value => plain(value),
        };
        let name = match key.as_str() {
            "concentra.options" => "Options",
            "concentra.power" => "Game",
            "concentra.change" => "Pairs",
            other => other.strip_prefix("concentra.").unwrap_or(other),
        };
        facts.push((name, text));
    }
    if let Some(version) = sheet.told.get("concentra.version") {
        facts.push(("Program", format!("concentra {}", plain(version))));
    }
    page.push_str("<h3>What was counted, and where</h3>\n<dl class=\"card\">");
    for (name, text) in facts {
        let _ = write!(page, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(&text));
    }
    page.push_str("</dl>\n");
}

/// JSON in words; digests are for programs.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(object) => {
            let pairs = object.iter().filter(|(name, value)| !value.is_null() && *name != "digest");
            pairs.map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}
