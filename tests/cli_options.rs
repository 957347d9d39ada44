//! Every option of `concentra analyze`, with a value that changes the result.

use serde_json::{Value, json};

use crate::shell::{Shell, numbers, text};

/// Two tokens on two days, one of them on two chains.
fn lake() -> Shell {
    let shell = Shell::new();
    shell.parquet(
        "lake.parquet",
        vec![
            ("day", text(["d1", "d1", "d1", "d2", "d2", "d2"])),
            ("chain", text(["eth", "eth", "base", "eth", "base", "base"])),
            ("token", text(["A", "B", "A", "A", "A", "A"])),
            ("address", text(["x", "y", "z", "x", "z", "y"])),
            ("balance", numbers([1, 2, 4, 8, 16, 32])),
            ("price", numbers([10, 10, 10, 10, 10, 11])),
        ],
    );
    shell
}

fn totals(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["total"].as_str().expect("totals are text")).collect()
}

#[test]
fn groups_are_snapshot_chain_and_asset_by_default() {
    let rows = lake().groups("lake.parquet");
    assert_eq!(totals(&rows), ["4", "1", "2", "48", "8"]);
    let keys: Vec<Value> = rows.iter().map(|row| json!([row["day"], row["chain"], row["token"]])).collect();
    let expected = [["d1", "base", "A"], ["d1", "eth", "A"], ["d1", "eth", "B"]];
    assert_eq!(keys[..3], expected.map(|key| json!(key)));
}

#[test]
fn by_replaces_the_group_columns_and_their_order() {
    let shell = lake();
    for (line, expected, columns) in [
        ("--by token", vec!["61", "2"], vec!["token"]),
        ("--by=TOKEN", vec!["61", "2"], vec!["token"]),
        ("--by token,token", vec!["61", "2"], vec!["token"]),
        ("--by token,day", vec!["5", "56", "2"], vec!["token", "day"]),
        ("--by day,token", vec!["5", "2", "56"], vec!["day", "token"]),
        ("--by day --by token", vec!["5", "2", "56"], vec!["day", "token"]),
        ("--by address", vec!["9", "34", "20"], vec!["address"]),
        ("--by none", vec!["63"], vec![]),
        ("--by price", vec!["31", "32"], vec!["price"]),
        ("--by snapshot", vec!["63"], vec!["snapshot"]),
        ("--by snapshot --snapshot day", vec!["7", "56"], vec!["day"]),
    ] {
        let rows = shell.groups(&format!("lake.parquet {line}"));
        assert_eq!(totals(&rows), expected, "{line}");
        // `serde_json` sorts the keys of objects, so the order is that of the CSV header.
        let csv = shell.run(&format!("analyze lake.parquet --format csv {line}")).ok().stdout;
        let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
        assert_eq!(header[..columns.len()], columns, "{line}");
        assert_eq!(header[columns.len()], "n_rows", "{line}");
    }
}

#[test]
fn the_amount_column_is_chosen() {
    let shell = lake();
    for line in ["--amount price", "--amount=price", "--amount PRICE"] {
        assert_eq!(shell.group(&format!("lake.parquet --by none {line}"))["total"], "61", "{line}");
    }
    assert_eq!(shell.group("lake.parquet --by none")["total"], "63");
}

#[test]
fn the_owner_column_is_chosen() {
    let shell = lake();
    let holders = |line: &str| shell.group(&format!("lake.parquet --by none {line}"))["n_holders"].clone();
    assert_eq!(holders("--owners merge"), 3);
    assert_eq!(holders("--owners merge --owner chain"), 2);
    assert_eq!(holders("--owners=merge --owner=price"), 2, "numbers compare by their text");
    assert_eq!(holders("--owner chain"), 6, "each row is a holder where owners are trusted");
}

#[test]
fn snapshots_are_a_column_the_file_name_or_none() {
    let shell = lake();
    let rows = shell.groups("lake.parquet --snapshot price --metrics gini");
    assert_eq!(totals(&rows), ["20", "9", "2", "32"]);
    assert_eq!(rows[3]["price"], 11);
    let rows = shell.groups("lake.parquet --snapshot=filename");
    assert_eq!(totals(&rows), ["52", "9", "2"]);
    assert!(rows.iter().all(|row| row["snapshot"] == "lake"));
    let rows = shell.groups("lake.parquet --snapshot none");
    assert_eq!(totals(&rows), ["52", "9", "2"]);
    assert!(rows.iter().all(|row| row.get("snapshot").is_none() && row.get("day").is_none()));
    shell
        .run("analyze lake.parquet --snapshot dayy")
        .fails(1, &["`dayy` for --snapshot", "did you mean `day`"]);
}

#[test]
fn owners_are_trusted_merged_or_checked() {
    let shell = Shell::with_holders();
    let trust = shell.group("h.parquet --owners trust");
    assert_eq!((&trust["n_holders"], &trust["n_merged"]), (&json!(3), &json!(0)));
    assert_eq!(trust["max_share"], 0.5);
    assert_eq!(shell.group("h.parquet"), trust, "trust is the default");
    let merged = shell.group("h.parquet --owners merge");
    assert_eq!((&merged["n_holders"], &merged["n_merged"]), (&json!(2), &json!(1)));
    assert_eq!((&merged["n_rows"], &merged["max_share"]), (&json!(3), &json!(0.7)));
    let parts = ["h.parquet", "column `address`, row 3", "0xaa", "row 1", "--owners merge", "--owners trust"];
    shell.run("analyze h.parquet --owners check").fails(1, &parts);
}

#[test]
fn a_merge_needs_an_owner_for_each_row() {
    let shell = Shell::new();
    let owners = std::sync::Arc::new(arrow::array::StringArray::from(vec![Some("a"), None, Some("b"), None]));
    shell.parquet("n.parquet", vec![("owner", owners), ("amount", numbers([1, 0, 2, 3]))]);
    let row = shell.group("n.parquet");
    assert_eq!((&row["n_holders"], &row["n_zero"], &row["total"]), (&json!(3), &json!(1), &json!("6")));
    for how in ["merge", "check"] {
        let ran = shell.run(&format!("analyze n.parquet --owners {how}"));
        ran.fails(1, &["n.parquet", "column `owner`, row 2", "null", "--owners trust"]);
    }
    shell.parquet("o.parquet", vec![("amount", numbers([1, 2]))]);
    let ran = shell.run("analyze o.parquet --owners merge");
    ran.fails(1, &["o.parquet", "no owner column", "--owner"]);
}

#[test]
fn negative_amounts_are_refused_or_dropped() {
    let shell = Shell::new();
    let pnl =
        std::sync::Arc::new(arrow::array::Int64Array::from(vec![Some(5), Some(-3), None, Some(0), Some(7)]));
    shell.parquet("pnl.parquet", vec![("amount", pnl)]);
    let refused = ["pnl.parquet: column `amount`, row 2", "-3", "--negatives drop"];
    shell.run("analyze pnl.parquet").fails(1, &refused);
    shell.run("analyze pnl.parquet --negatives error").fails(1, &refused);
    let row = shell.group("pnl.parquet --negatives drop");
    let counts = ["n_rows", "n_holders", "n_zero", "n_null", "n_negative"].map(|name| row[name].clone());
    assert_eq!(counts, [5, 2, 1, 1, 1].map(Value::from));
    assert_eq!(row["total"], "12");
}

#[test]
fn decimals_divide_four_columns_and_nothing_else() {
    let shell = Shell::with_holders();
    let (whole, cents) = (shell.group("h.parquet"), shell.group("h.parquet --decimals 2"));
    assert_eq!((&whole["total"], &whole["median"]), (&json!("100"), &json!(30.0)));
    assert_eq!((&cents["total"], &cents["total_f64"]), (&json!("1"), &json!(1.0)));
    assert_eq!(cents["median"], 0.3);
    let third = 3.0 * cents["mean"].as_f64().unwrap();
    assert!((third - 1.0).abs() < 1e-14, "{third}");
    assert_eq!(shell.group("h.parquet --decimals=3")["total"], "0.1");
    let rest = |row: &Value| {
        let mut row = row.as_object().unwrap().clone();
        ["total", "total_f64", "mean", "median"].iter().for_each(|name| drop(row.remove(*name)));
        row
    };
    assert_eq!(rest(&whole), rest(&cents));
}

#[test]
fn metrics_are_chosen_by_name() {
    let shell = Shell::with_holders();
    let csv = shell.run("analyze h.parquet --format csv --metrics whales_1pct,gini").ok().stdout;
    let header = csv.lines().next().unwrap();
    assert!(header.ends_with("backend_note,gini,whales_1pct"), "in the catalog's order: {header}");
    let again = shell.run("analyze h.parquet --format=csv --metrics=gini --metrics=whales_1pct").ok().stdout;
    assert_eq!(csv, again);
    let ran = shell.run("analyze h.parquet --metrics ginni");
    ran.fails(2, &["no metric `ginni`", "did you mean `gini`"]);
    // A metric beyond the catalog's is one as soon as it is asked for.
    shell.run("analyze h.parquet --metrics top_2_share").fails(2, &["`top_2_share`"]);
    let row = shell.group("h.parquet --top 2 --metrics top_2_share");
    assert_eq!((row["top_2_share"].clone(), row.get("gini")), (json!(0.8), None));
}

#[test]
fn more_top_shares_and_thresholds() {
    let shell = Shell::with_holders();
    let row = shell.group("h.parquet --top 2,3 --threshold 0.5,0.79,4/5,0.81");
    assert_eq!((&row["top_2_share"], &row["top_3_share"]), (&json!(0.8), &json!(1.0)));
    // Exactly one half and exactly four fifths are not exceeded.
    let counts = ["0_5", "0_79", "4_5", "0_81"].map(|name| row[format!("nakamoto_{name}")].clone());
    assert_eq!(counts, [2, 2, 3, 3].map(Value::from));
    // What the catalog has already is not there twice.
    let csv = shell.run("analyze h.parquet --format csv --top=10,2,2 --threshold=1/2,0.66,0.66").ok().stdout;
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    for name in ["top_2_share", "top_10_share", "nakamoto_1_2", "nakamoto_0_66"] {
        assert_eq!(header.iter().filter(|&&column| column == name).count(), 1, "{name}");
    }
}

#[test]
fn devices_and_threads_decide_no_number() {
    let shell = lake();
    let expected = shell.run("analyze lake.parquet --format csv").ok().stdout;
    assert_eq!(expected.lines().count(), 6);
    for line in ["--device cpu", "--device=auto", "-j 1", "-j7", "--threads 2", "--threads=3"] {
        let ran = shell.run(&format!("analyze lake.parquet --format csv {line}")).ok();
        assert_eq!(ran.stdout, expected, "{line}");
    }
    let explained = shell.run("analyze lake.parquet --device cpu --explain").ok();
    explained.says(&["asked for with --device cpu"]);
}

#[test]
fn quiet_silences_everything_but_errors() {
    let shell = Shell::new();
    shell.parquet("w.parquet", vec![("balance", numbers([1000, 1, 2]))]);
    let warned = shell.run("analyze w.parquet").ok();
    assert!(warned.stderr.starts_with("warning: "), "{}", warned.stderr);
    for flag in ["-q", "--quiet"] {
        let quiet = shell.run(&format!("analyze w.parquet {flag}")).silent();
        assert_eq!(quiet.stdout, warned.stdout);
        shell.run(&format!("{flag} analyze w.parquet -o r{flag}.csv")).silent();
        shell.run(&format!("analyze missing.parquet {flag}")).fails(1, &["missing.parquet"]);
    }
    shell.run("analyze w.parquet -o r.csv").ok().says(&["1 group written to r.csv"]);
}

#[test]
fn verbose_and_explain_speak_on_stderr() {
    let shell = lake();
    let plain = shell.run("analyze lake.parquet").ok();
    for flag in ["-v", "--verbose"] {
        let ran = shell.run(&format!("analyze lake.parquet {flag}")).ok();
        assert_eq!(ran.stdout, plain.stdout);
        let roles =
            ["lake.parquet: 6 rows", "amount `balance`", "owner `address`", "`day`, `chain`, `token`"];
        ran.says(&roles);
    }
    let explained = shell.run("analyze lake.parquet --explain").ok();
    assert_eq!(explained.stdout, plain.stdout);
    explained.says(&["backend   cpu", "groups    5, the largest of 2 holders", "read", "gini"]);
    assert!(!plain.stderr.contains("backend"), "{}", plain.stderr);
}

#[test]
fn colors_only_where_they_are_wanted() {
    let shell = Shell::with_holders();
    let escapes = |line: &str, variables: &[(&str, &str)]| {
        let mut command = shell.command();
        command.args(line.split_whitespace()).envs(variables.iter().copied());
        let ran = crate::shell::finish(command, vec![]);
        (ran.stdout.contains('\x1b'), ran.stderr.contains('\x1b'))
    };
    let (good, bad) = ("analyze h.parquet", "analyze missing.parquet");
    assert_eq!(escapes(good, &[]), (false, false), "a pipe is no terminal");
    assert_eq!(escapes(bad, &[]), (false, false));
    for always in ["--color always", "--color=always"] {
        assert_eq!(escapes(&format!("{always} {good}"), &[]), (true, false));
        assert_eq!(escapes(&format!("{bad} {always}"), &[]), (false, true));
    }
    assert_eq!(
        escapes(&format!("{good} --color always"), &[("NO_COLOR", "1")]),
        (true, false),
        "a flag wins"
    );
    assert_eq!(escapes(&format!("{good} --color never"), &[("CLICOLOR_FORCE", "1")]), (false, false));
    assert_eq!(escapes(&format!("{bad} --color never"), &[("CLICOLOR_FORCE", "1")]), (false, false));
    assert_eq!(escapes(bad, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), (false, false));
    // Only tables have headings.
    assert_eq!(escapes(&format!("{good} --format csv --color always"), &[]), (false, false));
}

#[test]
fn usage_errors_have_status_2() {
    let shell = Shell::with_holders();
    for line in [
        "",
        "analyse h.parquet",
        "analyze",
        "analyze h.parquet --unknown",
        "analyze h.parquet --owners some",
        "analyze h.parquet --negatives keep",
        "analyze h.parquet --decimals -1",
        "analyze h.parquet --decimals 256",
        "analyze h.parquet --decimals x",
        "analyze h.parquet --metrics nothing",
        "analyze h.parquet --top 0",
        "analyze h.parquet --top 1,x",
        "analyze h.parquet --threshold 1",
        "analyze h.parquet --threshold 2/1",
        "analyze h.parquet --threshold 0",
        "analyze h.parquet --device cpu --require-gpu",
        "analyze h.parquet -j 0",
        "analyze h.parquet -j many",
        "analyze h.parquet --format xml",
        "analyze h.parquet --color sometimes",
        "analyze h.parquet -q -v",
        "analyze h.parquet --by token --snapshot day",
        "analyze h.parquet -o result.xlsx",
        "analyze h.parquet -o result",
        "analyze h.parquet -o .",
        "analyze h.parquet -o h.parquet",
        "analyze none*.parquet",
        "generate --rows many -o g.parquet",
    ] {
        let ran = shell.run(line);
        assert_eq!(ran.status, Some(2), "{line}: {}", ran.stderr);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{line}");
    }
    assert_eq!(shell.everything(), ["h.parquet"]);
}

#[test]
fn help_and_version_are_data() {
    let shell = Shell::new();
    for line in ["--help", "-h", "help", "analyze --help", "analyze -h", "help analyze", "generate --help"] {
        let ran = shell.run(line).silent();
        assert!(ran.stdout.contains("Usage: concentra"), "{line}");
    }
    let help = shell.run("analyze --help").silent().stdout;
    for option in [
        "--by",
        "--amount",
        "--owner ",
        "--snapshot",
        "--owners",
        "--negatives",
        "--decimals",
        "--metrics",
        "--top",
        "--threshold",
        "--device",
        "-j, --threads",
        "--format",
        "--overwrite",
        "--explain",
        "-q, --quiet",
        "-v, --verbose",
        "--color",
        "-o, --output",
    ] {
        assert!(help.contains(option), "{option}");
    }
    for line in ["--version", "-V"] {
        let version = format!("concentra {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(shell.run(line).silent().stdout, version);
    }
}

#[test]
fn help_fits_80_columns() {
    let shell = Shell::new();
    for line in ["--help", "-h", "analyze --help", "analyze -h", "generate --help", "generate -h"] {
        let help = shell.run(line).silent().stdout;
        let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(long.is_empty(), "{line}: {long:#?}");
    }
}
