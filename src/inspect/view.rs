//! A report as text and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Content, FileReport, Report, Verdict};

/// Up to so many files are shown in full.
const IN_FULL: usize = 3;

/// To read: a few files in full, many a line each.
pub fn text(report: &Report) -> String {
    let mut text = if report.files.len() > IN_FULL {
        lines(report)
    } else {
        report.files.iter().map(full).collect::<Vec<_>>().join("\n")
    };
    if let Some(verdict) = &report.together {
        text += &format!("\nall together: analyze {}\n", told(verdict));
    }
    text
}

fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Measures { groups, by } => format!("measures {}, {by}", plural(*groups, "group")),
        Verdict::Refuses(why) => format!("refuses: {why}"),
    }
}

fn plural(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn full(file: &FileReport) -> String {
    let mut text = format!("{}\n", file.file);
    let _ = writeln!(
        text,
        "  {} in {}, {} bytes, written by {}",
        plural(file.rows, "row"),
        plural(file.row_groups, "row group"),
        file.bytes,
        file.written_by
    );
    text += "  columns\n";
    let width = file.columns.iter().map(|c| c.name.chars().count()).max().unwrap_or(0);
    for column in &file.columns {
        let _ = writeln!(text, "    {:<width$}  {}", column.name, column.data_type);
    }
    text += "  roles\n";
    for role in &file.roles {
        let _ =
            writeln!(text, "    {:<9} {}: {}", role.role, role.column.as_deref().unwrap_or("–"), role.why);
    }
    if let Some(content) = &file.content {
        text += "  amounts\n";
        for (name, value) in numbers(content) {
            let _ = writeln!(text, "    {name:<17} {}", value.map_or("–".to_owned(), |n| n.to_string()));
        }
        if let Some((low, high)) = &content.range.extremes {
            let _ = writeln!(text, "    {:<17} {low}\n    {:<17} {high}", "smallest", "largest");
        }
    }
    text + &format!("  analyze {}\n", told(&file.verdict))
}

fn lines(report: &Report) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    table.set_header(["rows", "groups", "null", "zero", "neg.", "bad", "dup.", "analyze", "file"]);
    let mut refusals: Vec<(&str, Vec<&str>)> = Vec::new();
    for file in &report.files {
        let count = |of: fn(&Content) -> Option<u64>| {
            file.content.as_ref().and_then(of).map_or("–".to_owned(), |n| n.to_string())
        };
        let verdict = match &file.verdict {
            Verdict::Measures { .. } => "measures",
            Verdict::Refuses(why) => {
                match refusals.iter_mut().find(|(reason, _)| reason == why) {
                    Some((_, files)) => files.push(&file.name),
                    None => refusals.push((why, vec![&file.name])),
                }
                "refuses"
            }
        };
        table.add_row([
            file.rows.to_string(),
            count(|c| Some(c.groups)),
            count(|c| Some(c.null)),
            count(|c| Some(c.zero)),
            count(|c| Some(c.negative)),
            count(|c| Some(c.bad)),
            count(|c| c.duplicate_owners),
            verdict.to_owned(),
            file.name.clone(),
        ]);
    }
    for column in 0..7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    let line = |line: String| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end());
    let mut text: String = table.lines().map(line).collect();
    for (why, files) in refusals {
        let others = if files.len() > 1 { format!(" and {} more", files.len() - 1) } else { String::new() };
        let _ = write!(text, "\nrefuses {}{others}:\n  {why}\n", files[0]);
    }
    text
}

fn numbers(content: &Content) -> [(&'static str, Option<u64>); 7] {
    [
        ("groups", Some(content.groups)),
        ("null", Some(content.null)),
        ("zero", Some(content.zero)),
        ("negative", Some(content.negative)),
        ("bad", Some(content.bad)),
        ("duplicate owners", content.duplicate_owners),
        ("null owners", content.null_owners),
    ]
}

/// One document; amounts are text, for they do not fit JSON's numbers.
pub fn json(report: &Report) -> String {
    let file = |file: &FileReport| -> Value {
        let columns: Vec<Value> =
            file.columns.iter().map(|c| json!({ "name": c.name, "type": c.data_type })).collect();
        let roles: Vec<Value> =
            file.roles.iter().map(|r| json!({ "role": r.role, "column": r.column, "why": r.why })).collect();
        let content = file.content.as_ref().map(|content| {
            let mut object = json!({});
            for (name, value) in numbers(content) {
                object[name.replace(' ', "_")] = value.into();
            }
            let (low, high) =
                content.range.extremes.map_or((None, None), |(low, high)| (Some(low), Some(high)));
            object["smallest"] = low.map(|a| a.to_string()).into();
            object["largest"] = high.map(|a| a.to_string()).into();
            object["first_negative_row"] = content.first_negative.into();
            object["first_bad"] = content.first_bad.as_ref().map_or(
                Value::Null,
                |bad| json!({ "row": bad.row, "problem": bad.problem, "remedy": bad.remedy }),
            );
            object
        });
        json!({
            "file": file.file, "name": file.name, "bytes": file.bytes, "rows": file.rows, "row_groups": file.row_groups,
            "written_by": file.written_by, "columns": columns, "roles": roles, "amounts": content,
            "analyze": verdict(&file.verdict),
        })
    };
    let files: Vec<Value> = report.files.iter().map(file).collect();
    let unreadable: Vec<String> = report.unreadable.iter().map(ToString::to_string).collect();
    let together = report.together.as_ref().map(verdict);
    format!("{:#}\n", json!({ "files": files, "unreadable": unreadable, "together": together }))
}

fn verdict(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Measures { groups, by } => json!({ "measures": true, "groups": groups, "says": by }),
        Verdict::Refuses(why) => json!({ "measures": false, "groups": null, "says": why }),
    }
}
