//! Which pictures a result has.

use super::plot::{Axis, Bar, INKS, Ink, Line, Plot, Shape, sparse};
use super::sheet::{Kind, Moment, Series, Sheet};
use crate::output::table::{glance, thousands};

/// Bars below each other that one picture has at most.
const BARS: usize = 24;
/// Lines for comparison that one picture has at most.
const OTHERS: usize = 60;
/// Points that tell a pointer what they are, in one picture at most.
const TOUCHED: usize = 700;
/// Parts of a whole, the largest first; each column holds those before it too.
const PARTS: [(&str, &str); 4] = [
    ("max_share", "the largest holder"),
    ("top_10_share", "2nd to 10th"),
    ("top_100_share", "11th to 100th"),
    ("top_1000_share", "101st to 1,000th"),
];

/// The pictures of a result, those that say most first.
pub fn charts(sheet: &Sheet) -> Vec<Plot> {
    let series = sheet.series();
    if series.is_empty() {
        return vec![];
    }
    match sheet.kind {
        Kind::Groups => {
            let mut plots: Vec<Plot> = lorenz(sheet, &series).into_iter().collect();
            plots.extend(over_time(sheet, &series, &["gini", "nakamoto_1_2", "top_10_share", "n_holders"]));
            plots.extend(shares(sheet, &series));
            plots.extend(profits(sheet, &series));
            plots
        }
        Kind::Changes => {
            let mut plots =
                over_time(sheet, &series, &["moved_share", "n_entered", "n_exited", "rank_correlation"]);
            plots.extend(growth(sheet, &series));
            plots
        }
        Kind::Cohorts => stacked(sheet, "cohort", "cohorts", "Shares of cohorts"),
        Kind::Vintages => stacked(sheet, "vintage", "vintages", "Shares by first appearance"),
        Kind::Voters => power(sheet, &series),
        Kind::Games => vec![],
    }
}

/// What a series is called where there is only one.
fn called(asset: &str) -> String {
    if asset.is_empty() { "all holders".into() } else { asset.into() }
}

/// A row as a legend names it.
fn told(sheet: &Sheet, row: usize) -> String {
    let group = sheet.group(row);
    if group.is_empty() { "all holders".into() } else { group }
}

/// A value with as many digits as one reads.
fn value(sheet: &Sheet, column: &str, row: usize) -> String {
    match sheet.number(column, row) {
        None => "–".into(),
        Some(x) if x.fract() == 0.0 && x.abs() < 1e15 && sheet.is_count(column) => thousands(&format!("{x}")),
        Some(x) => glance(x),
    }
}

/// Lorenz curves: of one asset its first, middle and last snapshot, of several the last of each.
fn lorenz(sheet: &Sheet, series: &[Series]) -> Option<Plot> {
    let has = |row: &usize| sheet.list("lorenz", *row).is_some();
    let (main, others): (Vec<usize>, Vec<usize>) = if let [only] = series {
        let rows: Vec<usize> = only.rows.iter().copied().filter(has).collect();
        let mut main =
            [0, rows.len() / 2, rows.len().saturating_sub(1)].map(|i| rows.get(i).copied()).to_vec();
        main.dedup();
        let main: Vec<usize> = main.into_iter().flatten().collect();
        let others = rows.into_iter().filter(|row| !main.contains(row)).collect();
        (main, others)
    } else {
        let last: Vec<usize> = series.iter().filter_map(|s| s.rows.iter().copied().rfind(has)).collect();
        (last.iter().copied().take(INKS).collect(), last.into_iter().skip(INKS).collect())
    };
    let curve = |row: usize, ink: Ink| {
        let list = sheet.list("lorenz", row).unwrap_or_default();
        let last = list.len().saturating_sub(1).max(1) as f64;
        let points = list.iter().enumerate().map(|(i, y)| y.map(|y| (i as f64 / last, y))).collect();
        Line { ink, points, told: vec![], dots: false }
    };
    main.first()?;
    let step = others.len().div_ceil(OTHERS).max(1);
    let mut lines: Vec<Line> = others.iter().step_by(step).map(|&row| curve(row, Ink::Other)).collect();
    let mut legend = vec![];
    for (i, &row) in main.iter().enumerate().rev() {
        lines.push(curve(row, Ink::Series(i + 1)));
    }
    for (i, &row) in main.iter().enumerate() {
        legend.push((Ink::Series(i + 1), told(sheet, row)));
    }
    if !lines.is_empty() && !others.is_empty() {
        let what = if series.len() == 1 { "snapshots" } else { "groups" };
        legend.push((Ink::Other, format!("other {what}")));
    }
    let half = |row: usize| {
        let list = sheet.list("lorenz", row)?;
        Some(format!("{} %", glance(100.0 * (*list.get(list.len() / 2)?)?)))
    };
    let said: Vec<String> = main
        .iter()
        .filter_map(|&row| Some(format!("{}: the poorer half holds {}", told(sheet, row), half(row)?)))
        .collect();
    Some(Plot {
        name: "lorenz".into(),
        title: "Lorenz curves".into(),
        summary: format!(
            "Share of the total that the poorest part of the holders has; the further below the diagonal, the more unequal. {}.",
            said.join("; ")
        ),
        shape: Shape::Lines {
            x: Axis::shares("holders, the poorest first"),
            y: Axis::shares("share of the total"),
            lines,
            diagonal: Some("equality: all hold the same"),
        },
        legend,
    })
}

/// A line per asset for each of these columns; one picture per column that names snapshots. Where no asset has several
/// snapshots, bars.
fn over_time(sheet: &Sheet, series: &[Series], wanted: &[&str]) -> Vec<Plot> {
    let columns: Vec<&str> = wanted.iter().copied().filter(|column| sheet.has(column)).collect();
    if series.iter().all(|s| s.rows.len() < 2) {
        let of = |column: &&str| standing(sheet, series, column);
        return columns.iter().take(1).filter_map(of).collect();
    }
    let mut clocks: Vec<usize> = series.iter().filter_map(|s| s.clock).collect();
    clocks.sort_unstable();
    clocks.dedup();
    let mut plots = vec![];
    for &clock in &clocks {
        let own: Vec<(usize, &Series)> =
            series.iter().enumerate().filter(|(_, s)| s.clock == Some(clock) && s.rows.len() > 1).collect();
        // A colour means the same asset in each picture, where there are colours for all.
        let ink = |(i, (number, _)): (usize, &(usize, &Series))| {
            Ink::Series(1 + if series.len() <= INKS { *number } else { i })
        };
        let inks: Vec<Ink> = own.iter().enumerate().map(ink).collect();
        let own: Vec<&Series> = own.into_iter().map(|(_, s)| s).collect();
        let moments = sheet.moments(clock);
        for column in &columns {
            plots.extend(history(sheet, &own, &inks, column, clock, clocks.len() > 1, &moments));
        }
    }
    plots
}

fn history(
    sheet: &Sheet,
    series: &[&Series],
    inks: &[Ink],
    column: &str,
    clock: usize,
    named: bool,
    moments: &[Option<Moment>],
) -> Option<Plot> {
    let touched = series.iter().take(INKS).map(|s| s.rows.len()).sum::<usize>() <= TOUCHED;
    let line = |s: &Series, ink: Ink| {
        let at = |&row: &usize| Some((moments[row].as_ref()?.at, sheet.number(column, row)?));
        let told = |&row: &usize| format!("{}: {}", told(sheet, row), value(sheet, column, row));
        let own = touched && ink != Ink::Other;
        Line {
            ink,
            points: s.rows.iter().map(at).collect(),
            told: if own { s.rows.iter().map(told).collect() } else { vec![] },
            dots: false,
        }
    };
    let mut lines: Vec<Line> = series.iter().skip(INKS).take(OTHERS).map(|s| line(s, Ink::Other)).collect();
    let others = lines.len();
    let main: Vec<&&Series> = series.iter().take(INKS).collect();
    lines.extend(main.iter().zip(inks).map(|(s, ink)| line(s, *ink)));
    let points: Vec<(f64, f64)> =
        lines.iter().flat_map(|line| line.points.iter().flatten().copied()).collect();
    if points.is_empty() {
        return None;
    }
    let mut times: Vec<(f64, String)> = series
        .iter()
        .flat_map(|s| &s.rows)
        .filter_map(|&row| moments[row].as_ref().map(|moment| (moment.at, moment.shown.clone())))
        .collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    times.dedup_by(|a, b| a.0 == b.0);
    let (from, to) = (times.first()?.0, times.last()?.0);
    let clock = sheet.column_name(clock);
    let x = Axis {
        label: clock.replace("snapshot_to", "snapshot"),
        from,
        to: if to > from { to } else { from + 1.0 },
        ticks: sparse(&times),
    };
    let mut legend: Vec<(Ink, String)> = vec![];
    if !(series.len() == 1 && series[0].asset.is_empty()) {
        legend = main.iter().zip(inks).map(|(s, ink)| (*ink, called(&s.asset))).collect();
    }
    if others > 0 {
        legend.push((Ink::Other, format!("{others} more")));
    }
    let ends = |s: &Series| {
        let (first, last) = (s.rows.first()?, s.rows.last()?);
        let name = if s.asset.is_empty() { String::new() } else { format!("{}: ", s.asset) };
        Some(format!("{name}from {} to {}", value(sheet, column, *first), value(sheet, column, *last)))
    };
    let said: Vec<String> = main.iter().filter_map(|s| ends(s)).collect();
    let title = title(sheet, column);
    let y = Axis::along(axis(sheet, column), points.iter().map(|p| p.1), sheet.is_count(column));
    Some(Plot {
        name: if named { format!("{column}-{clock}") } else { column.to_owned() },
        title: if named { format!("{title}, by {clock}") } else { format!("{title} over time") },
        summary: format!("{title} at each {}. {}.", x.label, said.join("; ")),
        shape: Shape::Lines { x, y, lines, diagonal: None },
        legend,
    })
}

/// A column's title.
fn title(sheet: &Sheet, column: &str) -> String {
    match column {
        "top_10_share" => "Share of the 10 largest holders".into(),
        "nakamoto_1_2" => "Nakamoto coefficient (majority)".into(),
        "moved_share" => "Share that moved".into(),
        "n_entered" => "Owners who came".into(),
        "n_exited" => "Owners who went".into(),
        "rank_correlation" => "Rank correlation".into(),
        _ => sheet.doc(column, "title").map_or_else(|| column.replace('_', " "), str::to_owned),
    }
}

/// What stands at the axis of a column, with its unit.
fn axis(sheet: &Sheet, column: &str) -> String {
    match column {
        "gini" => "Gini (0: all equal, 1: one holds all)".into(),
        "nakamoto_1_2" => "holders that exceed half together".into(),
        "n_holders" => "holders".into(),
        "n_entered" | "n_exited" => "owners".into(),
        "top_10_share" | "moved_share" => "share of the total (1: all)".into(),
        "rank_correlation" => "of those who stayed (1: same order)".into(),
        "kakwani" => "above 0: rewards are more concentrated".into(),
        _ => match sheet.doc(column, "unit") {
            Some(unit) if unit != "1" => format!("{} ({unit})", title(sheet, column)),
            _ => title(sheet, column),
        },
    }
}

/// A bar per group, the longest first.
fn standing(sheet: &Sheet, series: &[Series], column: &str) -> Option<Plot> {
    let mut rows: Vec<(usize, f64)> = series
        .iter()
        .filter_map(|s| s.rows.last().and_then(|&row| Some((row, sheet.number(column, row)?))))
        .collect();
    if rows.is_empty() {
        return None;
    }
    rows.sort_by(|a, b| b.1.total_cmp(&a.1));
    let (all, title) = (rows.len(), title(sheet, column));
    rows.truncate(BARS);
    let bars: Vec<Bar> = rows
        .iter()
        .map(|&(row, x)| {
            let text = format!("{}: {}", told(sheet, row), value(sheet, column, row));
            let asset = sheet.asset(row);
            let label = if asset.is_empty() { told(sheet, row) } else { asset.to_owned() };
            Bar { label, parts: vec![(x, Ink::Series(1), text)] }
        })
        .collect();
    let most = if all > BARS { format!(", the {BARS} highest of {all} groups") } else { String::new() };
    let said: Vec<String> = bars.iter().take(6).map(|bar| bar.parts[0].2.clone()).collect();
    Some(Plot {
        name: column.to_owned(),
        title: format!("{title}{most}"),
        summary: format!("{title} of each group. {}.", said.join("; ")),
        shape: Shape::Bars { x: Axis::of(axis(sheet, column), rows.iter().map(|row| row.1)), bars },
        legend: vec![],
    })
}

/// What the largest holders have: of one asset at some snapshots, of several at the last of each.
fn shares(sheet: &Sheet, series: &[Series]) -> Option<Plot> {
    let columns: Vec<(&str, &str)> = PARTS.into_iter().filter(|(column, _)| sheet.has(column)).collect();
    if columns.len() < 2 {
        return None;
    }
    let has = |row: &usize| columns.iter().any(|(column, _)| sheet.number(column, *row).is_some());
    let rows: Vec<usize> = if let [only] = series {
        spread(&only.rows.iter().copied().filter(has).collect::<Vec<_>>())
    } else {
        series.iter().filter_map(|s| s.rows.iter().copied().rfind(has)).take(BARS).collect()
    };
    if rows.is_empty() {
        return None;
    }
    // Of several assets each has one bar, and a name says which.
    let label = |row: usize| {
        let asset = sheet.asset(row);
        if series.len() > 1 && !asset.is_empty() { asset.to_owned() } else { told(sheet, row) }
    };
    let bar = |&row: &usize| {
        let (mut parts, mut before) = (vec![], 0.0);
        for (i, (column, meaning)) in columns.iter().enumerate() {
            let share = sheet.number(column, row).unwrap_or(before).max(before);
            let text = format!("{}, {meaning}: {} %", told(sheet, row), percent(share - before));
            parts.push((share - before, Ink::Step(i + 1), text));
            before = share;
        }
        parts.push((
            (1.0 - before).max(0.0),
            Ink::Other,
            format!("{}, the others: {} %", told(sheet, row), percent(1.0 - before)),
        ));
        Bar { label: label(row), parts }
    };
    let said = |&row: &usize| {
        let each = columns
            .iter()
            .map(|(column, _)| format!("{} {}", column.replace('_', " "), value(sheet, column, row)));
        format!("{}: {}", told(sheet, row), each.collect::<Vec<_>>().join(", "))
    };
    let summary: Vec<String> = rows.iter().rev().take(3).rev().map(said).collect();
    let bars: Vec<Bar> = rows.iter().map(bar).collect();
    let meanings = columns.iter().enumerate().map(|(i, (_, meaning))| (Ink::Step(i + 1), *meaning));
    let drawn = |ink: Ink| bars.iter().flat_map(|bar| &bar.parts).any(|part| part.1 == ink && part.0 > 0.0);
    let legend = meanings.chain([(Ink::Other, "all others")]).filter(|(ink, _)| drawn(*ink));
    let legend = legend.map(|(ink, meaning)| (ink, meaning.to_owned())).collect();
    Some(Plot {
        name: "shares".into(),
        title: "What the largest holders have".into(),
        summary: format!("Shares of the total. {}.", summary.join("; ")),
        shape: Shape::Bars { x: Axis::shares("share of the total"), bars },
        legend,
    })
}

/// A share in hundredths, to be read.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent >= 0.1 || percent == 0.0 { format!("{percent:.1}") } else { format!("{percent:.1e}") }
}

/// At most so many rows as there are bars, from the first to the last.
fn spread(rows: &[usize]) -> Vec<usize> {
    let few = rows.len().min(BARS / 2);
    (0..few).map(|i| rows[i * (rows.len() - 1) / few.saturating_sub(1).max(1)]).collect()
}

/// Rewards against capital: both curves of the groups with most holders, and the Kakwani index of each.
fn profits(sheet: &Sheet, series: &[Series]) -> Vec<Plot> {
    let last: Vec<usize> = series.iter().filter_map(|s| s.rows.last().copied()).collect();
    let mut plots = vec![];
    let with: Vec<usize> =
        last.iter().copied().filter(|&row| sheet.list("concentration_curve", row).is_some()).collect();
    for (i, &row) in with.iter().take(4).enumerate() {
        let curve = |column: &str, ink: Ink| {
            let list = sheet.list(column, row).unwrap_or_default();
            let end = list.len().saturating_sub(1).max(1) as f64;
            let points = list.iter().enumerate().map(|(i, y)| y.map(|y| (i as f64 / end, y))).collect();
            Line { ink, points, told: vec![], dots: false }
        };
        let (capital, rewards) =
            (curve("lorenz", Ink::Dashed(1)), curve("concentration_curve", Ink::Series(2)));
        let values = || capital.points.iter().chain(&rewards.points).flatten().map(|p| p.1);
        let y = if values().all(|y| (0.0..=1.0).contains(&y)) {
            Axis::shares("share of capital, of rewards")
        } else {
            Axis::of("share of capital, of rewards (1: all)".into(), values())
        };
        let kakwani = value(sheet, "kakwani", row);
        let mut lines = vec![rewards];
        let mut legend = vec![(Ink::Series(2), "rewards".to_owned())];
        if capital.points.len() > 1 {
            lines.insert(0, capital);
            legend.insert(0, (Ink::Dashed(1), "capital".into()));
        }
        plots.push(Plot {
            name: if with.len() == 1 { "profits".into() } else { format!("profits-{}", i + 1) },
            title: format!("Rewards against capital: {}", told(sheet, row)),
            summary: format!(
                "Shares of capital and of rewards that the holders of least capital have. Kakwani index {kakwani}: above 0, rewards are more concentrated than capital."
            ),
            shape: Shape::Lines {
                x: Axis::shares("holders, least capital first"),
                y,
                lines,
                diagonal: Some("equality"),
            },
            legend,
        });
    }
    if sheet.has("kakwani") {
        let kakwani: Vec<Series> = with
            .iter()
            .map(|&row| Series { asset: sheet.asset(row).to_owned(), clock: None, rows: vec![row] })
            .collect();
        plots.extend(standing(sheet, &kakwani, "kakwani"));
    }
    plots
}

/// Growth by tenth of the earlier snapshot: do the rich get richer?
fn growth(sheet: &Sheet, series: &[Series]) -> Option<Plot> {
    let row = series
        .iter()
        .filter_map(|s| s.rows.last())
        .copied()
        .find(|&row| sheet.list("growth_decile", row).is_some())?;
    let list = sheet.list("growth_decile", row)?;
    let bars: Vec<Bar> = list
        .iter()
        .enumerate()
        .map(|(i, growth)| {
            let label = match i {
                0 => "poorest tenth".to_owned(),
                9 => "richest tenth".to_owned(),
                _ => format!("{}.", i + 1),
            };
            let text = format!("{label}: {}", growth.map_or("–".into(), glance));
            Bar { label, parts: vec![(growth.unwrap_or(0.0), Ink::Series(1), text)] }
        })
        .collect();
    let said: Vec<String> = bars.iter().map(|bar| bar.parts[0].2.clone()).collect();
    Some(Plot {
        name: "growth".into(),
        title: format!("Growth by tenth: {}", told(sheet, row)),
        summary: format!(
            "What each tenth of the earlier holders has in the later snapshot, by what it had. {}.",
            said.join("; ")
        ),
        shape: Shape::Bars {
            x: Axis::of("after ÷ before (1: unchanged)".into(), list.iter().flatten().copied()),
            bars,
        },
        legend: vec![],
    })
}

/// Bars of parts: of one asset at some snapshots, of several at the last of each; one picture per asset, four at most.
fn stacked(sheet: &Sheet, part: &str, name: &str, title: &str) -> Vec<Plot> {
    let series: Vec<Series> = sheet.series().into_iter().take(4).collect();
    let many = series.len() > 1;
    let mut plots = vec![];
    for (number, s) in series.iter().enumerate() {
        // Rows of one snapshot stand together.
        let mut snapshots: Vec<(String, Vec<usize>)> = vec![];
        for &row in &s.rows {
            let group = sheet.snapshot(row);
            match snapshots.last_mut().filter(|(known, _)| *known == group) {
                Some((_, rows)) => rows.push(row),
                None => snapshots.push((group, vec![row])),
            }
        }
        let mut names: Vec<(String, f64)> = vec![];
        // Of all assets, so that a colour means the same in each picture.
        for row in 0..sheet.rows() {
            let label = sheet.text(part, row).unwrap_or_else(|| "–".into());
            let share = sheet.number("share", row).unwrap_or(0.0);
            match names.iter_mut().find(|(known, _)| *known == label) {
                Some((_, sum)) => *sum += share,
                None => names.push((label, share)),
            }
        }
        // Cohorts stand in the order of their size, vintages in that of time; the largest have colours.
        if sheet.kind == Kind::Cohorts {
            names.sort_by(|a, b| b.1.total_cmp(&a.1));
        }
        let mut largest: Vec<f64> = names.iter().map(|name| name.1).collect();
        largest.sort_by(|a, b| b.total_cmp(a));
        let least = largest.get(INKS - 1).copied().unwrap_or(0.0);
        let mut inks = (1..=INKS).map(Ink::Series);
        let inks: Vec<Ink> = names
            .iter()
            .map(|name| {
                Some(name.1 >= least).filter(|own| *own).and_then(|_| inks.next()).unwrap_or(Ink::Other)
            })
            .collect();
        let place = |label: &str| names.iter().position(|(known, _)| known == label).unwrap_or(0);
        let every = snapshots.len().div_ceil(BARS / 2).max(1);
        let last = snapshots.len() - 1;
        let mut bars = vec![];
        let mut said = vec![];
        for (i, (group, rows)) in snapshots.iter().enumerate() {
            if i % every != 0 && i != last {
                continue;
            }
            let mut parts: Vec<(usize, f64, String)> = rows
                .iter()
                .map(|&row| {
                    let label = sheet.text(part, row).unwrap_or_else(|| "–".into());
                    let share = sheet.number("share", row).unwrap_or(0.0);
                    (place(&label), share, format!("{group} {label}: {} %", percent(share)))
                })
                .collect();
            parts.sort_by_key(|part| part.0);
            if i == last {
                said = parts.iter().map(|part| part.2.trim().to_owned()).collect();
            }
            let parts = parts.into_iter().map(|(place, share, text)| (share, inks[place], text)).collect();
            let label = if group.is_empty() { called(&s.asset) } else { group.clone() };
            bars.push(Bar { label, parts });
        }
        let own =
            |name: &str| s.rows.iter().any(|&row| sheet.text(part, row).as_deref().unwrap_or("–") == name);
        let coloured = names.iter().zip(&inks).filter(|(name, ink)| **ink != Ink::Other && own(&name.0));
        let mut legend: Vec<(Ink, String)> = coloured.map(|(name, ink)| (*ink, name.0.clone())).collect();
        if names.len() > INKS {
            legend.push((Ink::Other, format!("{} more", names.len() - INKS)));
        }
        let of = if s.asset.is_empty() || !many { String::new() } else { format!(": {}", s.asset) };
        plots.push(Plot {
            name: if many { format!("{name}-{}", number + 1) } else { name.into() },
            title: format!("{title}{of}"),
            summary: format!("Shares of the total at each snapshot. The last one: {}.", said.join("; ")),
            shape: Shape::Bars { x: Axis::shares("share of the total"), bars },
            legend,
        });
    }
    plots
}

/// Power of each voter against the share of the weight.
fn power(sheet: &Sheet, series: &[Series]) -> Vec<Plot> {
    let index = ["shapley_shubik", "banzhaf_normalized"].into_iter().find(|column| sheet.has(column));
    let Some(index) = index else { return vec![] };
    let main: Vec<&Series> = series.iter().take(INKS).collect();
    let mut most = 0f64;
    let touched = main.iter().map(|s| s.rows.len()).sum::<usize>() <= 2 * TOUCHED;
    let line = |(i, s): (usize, &&Series)| {
        let of = |&row: &usize| Some((sheet.number("share", row)?, sheet.number(index, row)?));
        let told = |&row: &usize| {
            let owner = sheet.text("owner", row).unwrap_or_default();
            let (share, power) = (value(sheet, "share", row), value(sheet, index, row));
            format!(
                "{} {}: share {share}, power {power}",
                called(&s.asset),
                crate::output::table::shortened(&owner)
            )
        };
        Line {
            ink: Ink::Series(i + 1),
            points: s.rows.iter().take(TOUCHED).map(of).collect(),
            told: if touched { s.rows.iter().take(TOUCHED).map(told).collect() } else { vec![] },
            dots: true,
        }
    };
    let lines: Vec<Line> = main.iter().enumerate().map(line).collect();
    for (x, y) in lines.iter().flat_map(|line| line.points.iter().flatten()) {
        most = most.max(*x).max(*y);
    }
    let axis = |label: &str| Axis::of(label.into(), std::iter::once(most));
    let strongest = lines.iter().filter_map(|line| line.told.first()).cloned().collect::<Vec<_>>().join("; ");
    let called_index = if index == "shapley_shubik" { "Shapley–Shubik" } else { "Banzhaf" };
    vec![Plot {
        name: "power".into(),
        title: "Power against share".into(),
        summary: format!(
            "Each voter's {called_index} index against the share of the weight; above the line, more power than weight. {strongest}."
        ),
        shape: Shape::Lines {
            x: axis("share of the weight (1: all)"),
            y: axis(&format!("{called_index} index (1: dictator)")),
            lines,
            diagonal: Some("power in proportion to weight"),
        },
        legend: main.iter().enumerate().map(|(i, s)| (Ink::Series(i + 1), called(&s.asset))).collect(),
    }]
}
