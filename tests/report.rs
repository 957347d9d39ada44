//! `concentra report`: the page and its pictures; in a browser where there is one.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::shell::{Shell, numbers, text};
use crate::support::real_data;

/// A shell in whose folder `data` is the sample.
fn shell() -> Shell {
    let shell = Shell::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    std::os::unix::fs::symlink(data, shell.path("data")).unwrap();
    shell
}

#[track_caller]
fn made(shell: &Shell, line: &str) {
    let ran = shell.run(line);
    assert_eq!(ran.status, Some(0), "{line}: {}", ran.stderr);
}

/// Every kind of result, of the sample.
const RESULTS: &str = "holders.parquet profits.parquet cohorts.parquet power.parquet games.parquet change.parquet \
                       vintages.parquet";

fn with_results() -> Shell {
    let shell = shell();
    for line in [
        "analyze data/holders -o holders.parquet",
        "analyze data/lp/positions.parquet --amount capital --reward reward -o profits.parquet",
        "analyze data/holders/lark --exclude contracts --labels data/labels.parquet --cohorts data/cohorts.parquet \
         --cohort-table cohorts.parquet -o counted.parquet",
        "power data/governance --by dao,proposal_id -o power.parquet --games games.parquet",
        "change data/holders/lark -o change.parquet --vintages vintages.parquet",
    ] {
        made(&shell, line);
    }
    shell
}

fn page(shell: &Shell, name: &str, results: &str) -> String {
    made(shell, &format!("report {results} -o {name} -q"));
    fs::read_to_string(shell.path(name)).unwrap()
}

#[test]
fn a_page_has_every_picture_and_loads_nothing() {
    let page = page(&with_results(), "all.html", RESULTS);
    for title in [
        "Lorenz curves",
        "equality: all hold the same",
        "Gini coefficient, by week",
        "What the largest holders have",
        "Rewards against capital",
        "Kakwani index",
        "Power against share",
        "Shares of cohorts",
        "Shares by first appearance",
        "Share that moved over time",
        "Growth by tenth",
        "25 files, 12,001 rows",
        "cpu (48 rows)",
        "exclude contracts",
    ] {
        assert!(page.contains(title), "{title}");
    }
    for outside in ["http://", "https://", "url(", "src=", "@import", "<link"] {
        let without = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!without.contains(outside), "{outside}");
    }
    for nonsense in ["NaN", "inf\"", "-0.0\""] {
        assert!(!page.contains(nonsense), "{nonsense}");
    }
}

#[test]
fn figures_are_those_of_the_result() {
    let shell = shell();
    made(&shell, "analyze data/holders/cndr --decimals 18 -o r.parquet");
    let page = page(&shell, "r.html", "r.parquet");
    // Those of the README's first table.
    assert!(page.contains("From 2025-01-06 to 2025-03-24: holders 92 → 257, Gini 0.8677 → 0.7545"));
    assert!(page.contains(r#"<td data-value="0.8676715129144661">0.8677</td>"#));
    // The curve at 100 %, and every point of it on the paper.
    let curve = page.split(r#"<path class="series1 line" d=""#).nth(1).unwrap().split('"').next().unwrap();
    let points: Vec<(f64, f64)> = curve
        .split(['M', 'L'])
        .filter(|point| !point.is_empty())
        .map(|point| point.split_once(' ').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap())
        .collect();
    assert_eq!(points.len(), 101);
    assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 >= pair[1].1), "it ascends");
    assert!(points.iter().all(|(x, y)| (0.0..=400.0).contains(x) && (0.0..=400.0).contains(y)));
}

#[test]
fn a_folder_of_parts_is_one_result() {
    let shell = shell();
    made(&shell, "analyze data/holders/cndr -o parts/");
    made(&shell, "analyze data/holders/cndr -o whole.parquet");
    let (parts, whole) = (page(&shell, "parts.html", "parts"), page(&shell, "whole.html", "whole.parquet"));
    let pictures = |page: &str| {
        page.split("<div class=\"cards\">").nth(1).unwrap().split("<h3>Figures").next().unwrap().to_owned()
    };
    assert_eq!(pictures(&parts), pictures(&whole));
    assert!(parts.contains("12 files"), "all inputs are named");
}

#[test]
fn names_are_text_and_never_markup() {
    let shell = Shell::new();
    let names = text(["<script>alert(1)</script>", "\" onload=\"x", "a&b"]);
    shell.parquet("x.parquet", vec![("token", names), ("balance", numbers([1, 2, 3]))]);
    made(&shell, "analyze x.parquet --by token -o r.parquet");
    let page = page(&shell, "r.html", "r.parquet");
    assert!(!page.contains("<script>alert") && !page.contains(r#"" onload="#));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn assets_that_look_alike_are_not_one() {
    let shell = Shell::new();
    let (a, b) = (format!("0x1234{}abcd", "0".repeat(32)), format!("0x1234{}abcd", "f".repeat(32)));
    let tokens = text([&a[..], &a, &a, &b, &b, &b].into_iter().chain([&a[..], &b]));
    let weeks = numbers([1, 1, 2, 1, 1, 2, 2, 2]);
    let columns = vec![("token", tokens), ("week", weeks), ("balance", numbers([5, 1, 3, 9, 1, 4, 2, 2]))];
    shell.parquet("x.parquet", columns);
    // Columns named with --by are snapshots too where their names say so.
    made(&shell, "analyze x.parquet --by week,token -o r.parquet");
    let page = page(&shell, "r.html", "r.parquet");
    assert!(
        page.contains("4 groups, of 2 distributions") && page.contains("Gini coefficient over time"),
        "{page}"
    );
    assert!(page.contains(&a) && page.contains(&b));
}

#[test]
fn groups_without_holders_leave_gaps() {
    let shell = Shell::new();
    let (tokens, weeks) = (text(["a", "a", "b", "b"]), numbers([1, 2, 1, 2]));
    let columns = vec![("token", tokens), ("week", weeks), ("balance", numbers([5, 0, 0, 0]))];
    shell.parquet("x.parquet", columns);
    made(&shell, "analyze x.parquet -o r.parquet");
    let page = page(&shell, "r.html", "r.parquet");
    assert!(!page.contains("NaN") && page.contains("<svg"), "a token nobody holds is no number");
    made(&shell, "analyze x.parquet --by none --metrics gini -o one.parquet");
    made(&shell, "report one.parquet -o one.html");
}

#[test]
fn one_picture_is_a_document() {
    let shell = shell();
    made(&shell, "analyze data/holders/cndr -o r.parquet");
    let svg = page(&shell, "gini.svg", "r.parquet --plot gini");
    assert!(svg.starts_with("<svg xmlns") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("Gini coefficient over time") && svg.contains("<style>"));
    for open in ["g", "text", "title", "desc", "style"] {
        let count = |tag: &str| svg.matches(tag).count();
        let opened = count(&format!("<{open}>")) + count(&format!("<{open} "));
        assert_eq!(opened, count(&format!("</{open}>")), "{open}");
    }
}

#[test]
fn refuses_what_it_cannot_show() {
    let shell = shell();
    made(&shell, "analyze data/holders/cndr/week=2025-01-06 -o r.parquet");
    made(&shell, "sweep data/holders/cndr/week=2025-01-06 --top-holders all,10 --metrics gini -o s.parquet");
    made(&shell, "flows data/holders/base.parquet --price token_decimals -o f.parquet -q");
    for (line, status, says) in [
        ("data/holders/cndr/week=2025-01-06/balances.parquet -o a.html", 1, "no result of concentra"),
        ("f.parquet -o a.html", 1, "there are no pictures of this result"),
        ("none.parquet -o a.html", 1, "none.parquet"),
        ("s.parquet -o a.html", 1, "there are no pictures of this result"),
        ("r.parquet -o a.csv", 2, "a file of .csv is no html"),
        ("r.parquet -o r.parquet --overwrite", 2, "is an input"),
        ("r.parquet -o a.svg", 2, "name it with --plot, one of lorenz"),
        ("r.parquet --plot lorens -o a.svg", 2, "did you mean `lorenz`?"),
        ("r.parquet --plot lorenz --format html -o a.html", 2, "--plot"),
    ] {
        let ran = shell.run(&format!("report {line}"));
        assert_eq!((ran.status, ran.stderr.contains(says)), (Some(status), true), "{line}: {}", ran.stderr);
        assert!(!shell.path("a.html").exists() && !shell.path("a.svg").exists(), "{line}");
    }
    page(&shell, "a.html", "r.parquet");
    let ran = shell.run("report r.parquet -o a.html");
    assert_eq!((ran.status, ran.stderr.contains("--overwrite")), (Some(2), true), "{}", ran.stderr);
}

/// Looks at pages in headless Chromium: `CONCENTRA_TEST_BROWSER` names the folder in which npm installed puppeteer-core
/// and axe-core. `CONCENTRA_KEEP_PAGES` names a folder for the screenshots.
#[test]
fn pages_look_right_in_a_browser() {
    let Ok(modules) = std::env::var("CONCENTRA_TEST_BROWSER") else {
        drop(writeln!(std::io::stderr(), "SKIPPED: pages in a browser: set CONCENTRA_TEST_BROWSER"));
        return;
    };
    let shell = with_results();
    let mut pages = vec!["all"];
    page(&shell, "all.html", RESULTS);
    if let Some(real) = real_data("pages of real data") {
        for (name, path) in [("weekly", "lp/balancer_weekly"), ("by-token", "lp/balancer_by_token.parquet")] {
            made(&shell, &format!("analyze {} -o {name}.parquet", real.join(path).display()));
            page(&shell, &format!("{name}.html"), &format!("{name}.parquet"));
            pages.push(name);
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/look.mjs");
    for name in pages {
        let mut command = Command::new("node");
        command.arg(&script).arg(shell.path(&format!("{name}.html"))).env("CONCENTRA_TEST_BROWSER", &modules);
        if let Some(keep) = std::env::var_os("CONCENTRA_KEEP_PAGES") {
            let keep = Path::new(&keep).join(name);
            fs::create_dir_all(&keep).unwrap();
            command.arg(keep);
        }
        let out = command.output().expect("node is installed");
        assert!(out.status.success(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
    }
}
