//! `concentra compare`: that it finds what differs, and what it says of what does not.

use std::fs;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Float64Type;
use concentra::compare::{Compared, Comparison, first_difference, report};
use concentra::engine::Measured;
use concentra::moments::{Below, Fraction, Moments, Sums};
use concentra::numbers::wide::{U192, U320, U384, U576};

use crate::shell::{Shell, read};

const HALF: Fraction = Fraction::new(1, 2);

/// Moments of which no two numbers are equal.
fn moments() -> Moments {
    Moments {
        sums: Sums {
            n: 1,
            first: 2,
            last: 3,
            amount: U320::from(4),
            ranked: U384::from(5),
            squares: U576::from(6),
            logs: 7,
            products: U384::from(8),
            roots: U192::from(9),
        },
        total: U320::from(10),
        below: vec![Below { rank: 11, amount: U320::from(12), logs: 13, next: 14 }],
        mean_rank: Some(15),
        exceeding: vec![(HALF, 16)],
        at_least: vec![(HALF, 17)],
    }
}

fn measured(moments: Moments) -> Measured {
    Measured { moments: Some(moments), open: false }
}

/// Every number, changed one at a time, is found in the group where it is, and named with both values.
#[test]
fn the_first_number_that_differs_is_named() {
    type Change = fn(&mut Moments);
    let changes: [(Change, &str); 17] = [
        (|m| m.sums.n = 99, "n: 1 and 99"),
        (|m| m.sums.first = 99, "first key: 2 and 99"),
        (|m| m.sums.last = 99, "last key: 3 and 99"),
        (|m| m.sums.amount = U320::from(99), "Σv: 4 and 99"),
        (|m| m.sums.ranked = U384::from(99), "Σ i·v: 5 and 99"),
        (|m| m.sums.squares = U576::from(99), "Σv²: 6 and 99"),
        (|m| m.sums.logs = 99, "ΣL: 7 and 99"),
        (|m| m.sums.products = U384::from(99), "Σ v·L: 8 and 99"),
        (|m| m.sums.roots = U192::from(99), "Σ√v: 9 and 99"),
        (|m| m.total = U320::from(99), "A: 10 and 99"),
        (
            |m| m.below[0].rank = 99,
            "Σv of the 11 smallest was asked of one, Σv of the 99 smallest of the other",
        ),
        (|m| m.below[0].amount = U320::from(99), "Σv of the 11 smallest: 12 and 99"),
        (|m| m.below[0].logs = 99, "ΣL of the 11 smallest: 13 and 99"),
        (|m| m.below[0].next = 99, "key after the 11 smallest: 14 and 99"),
        (|m| m.mean_rank = Some(99), "holders at most at the mean: 15 and 99"),
        (|m| m.exceeding[0].1 = 99, "holders exceeding 1/2: 16 and 99"),
        (|m| m.at_least[0].1 = 99, "holders of at least 1/2: 17 and 99"),
    ];
    let same = measured(moments());
    let expected = [same.clone(), same.clone(), same.clone()];
    assert_eq!(first_difference(&expected, &expected), None);
    for (change, what) in changes {
        let mut changed = moments();
        change(&mut changed);
        let found =
            first_difference(&expected, &[same.clone(), measured(changed.clone()), measured(changed)]);
        assert_eq!(found, Some((1, what.to_owned())));
    }
    let nobody = Measured { moments: None, open: false };
    let open = Measured { open: true, ..same.clone() };
    for (other, what) in [(nobody, "holders and none"), (open, "whether a comparison is open")] {
        assert_eq!(first_difference(std::slice::from_ref(&same), &[other]), Some((0, what.to_owned())));
    }
}

/// A comparison of two devices, the second of which is wrong.
fn unequal() -> Comparison {
    let device = |name: &str, difference: Option<&str>| Compared {
        device: name.into(),
        adapter: (name != "cpu").then(|| format!("{name} 5090")),
        driver: (name != "cpu").then(|| "Vulkan".into()),
        stages: concentra::compare::stages::figures(&[], vec![Duration::from_millis(2)], 8),
        host_keys: 0,
        difference: difference.map(str::to_owned),
    };
    Comparison {
        keys: 8,
        groups: 3,
        runs: 1,
        threads: 2,
        bandwidth: None,
        devices: vec![device("cpu", None), device("radeon", Some("group week 7: Σv: 4 and 99"))],
        warnings: vec![],
        provenance: [].into(),
    }
}

#[test]
fn a_difference_is_an_error_in_every_form() {
    let comparison = unequal();
    let error = comparison.verdict().unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert_eq!(error.to_string(), "cpu and radeon 5090 differ: group week 7: Σv: 4 and 99");
    let text = report::text(&comparison);
    assert!(text.ends_with("\nDIFFERENT: cpu and radeon 5090: group week 7: Σv: 4 and 99\n"), "{text}");
    let table = report::table(&comparison).unwrap().table().unwrap();
    let column = |name: &str| table.column_by_name(name).unwrap().clone();
    assert_eq!(column("equal").as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false)]);
    assert_eq!(column("difference").as_string::<i32>().value(1), "group week 7: Σv: 4 and 99");
}

#[test]
fn figures_in_every_format() {
    let shell = Shell::new();
    shell.run("generate --rows 3000 --groups 4 -o h.parquet").ok();
    let compare = "compare h.parquet --devices cpu,CPU --runs 2";
    let text = shell.run(compare).ok().stdout;
    assert!(text.starts_with("2,940 holders in 4 groups; 2 runs on each device"), "{text}");
    assert!(text.ends_with("\nequal: cpu and cpu: every moment of 4 groups\n"), "{text}");

    let told = shell.run(&format!("{compare} -o f.parquet")).ok();
    assert!(
        told.stdout.contains("equal: cpu and cpu") && told.stderr.contains("figures written to f.parquet")
    );
    let figures = read(&shell.path("f.parquet"));
    let stages: Vec<_> =
        figures.column_by_name("stage").unwrap().as_string::<i32>().iter().flatten().collect();
    assert_eq!(stages, ["sort", "reduce", "search", "prefix", "finish", "all"].repeat(2));
    let speed_up = figures.column_by_name("speed_up").unwrap().as_primitive::<Float64Type>().clone();
    assert_eq!((speed_up.value(5), speed_up.null_count()), (1.0, 10));
    assert!(figures.schema().fields().iter().all(|field| field.metadata().contains_key("reading")));
    assert!(
        figures.schema().metadata().contains_key("concentra.version"),
        "{:?}",
        figures.schema().metadata()
    );

    let rows = shell.run(&format!("{compare} --format json")).ok().json();
    assert_eq!(rows.len(), 12);
    for row in &rows {
        assert_eq!((&row["equal"], &row["device"], &row["runs"]), (&true.into(), &"cpu".into(), &2.into()));
        assert!(row["wall_min_ns"].as_u64() <= row["wall_median_ns"].as_u64(), "{row}");
        assert!(row["adapter"].is_null() && row["dispatches"].is_null(), "{row}");
    }
    assert_eq!(shell.run(&format!("{compare} -q -o f.csv")).ok().stderr, "");
    assert_eq!(fs::read_to_string(shell.path("f.csv")).unwrap().lines().count(), 13);
}

/// A driver that is not found must not look like success.
#[test]
fn one_device_is_compared_with_nothing() {
    let shell = Shell::with_holders();
    let compare = "compare h.parquet --devices cpu --runs 1";
    let text = shell.run(compare).ok().stdout;
    assert!(text.ends_with("\nnothing compared: cpu is the only device\n"), "{text}");
    for row in shell.run(&format!("{compare} --format json")).ok().json() {
        assert!(row["equal"].is_null(), "{row}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let shell = Shell::with_holders();
    for devices in ["auto", "cpu,auto", "cpu,,cpu", ","] {
        let line = format!("compare h.parquet --devices {devices}");
        shell.run(&line).fails(2, &["--devices", "concentra devices"]);
    }
    for bandwidth in ["0", "-1", "NaN", "inf"] {
        shell
            .run(&format!("compare h.parquet --bandwidth={bandwidth}"))
            .fails(2, &["--bandwidth", "above 0"]);
    }
    shell.run("compare h.parquet --runs 0").fails(2, &["--runs"]);
    shell.run("compare h.parquet --threads 0").fails(2, &["--threads", "not a number from 1 on"]);
    shell.run("compare h.parquet --devices cpu -o h.parquet --overwrite").fails(2, &["is an input"]);
    shell.run("compare h.parquet --devices cpu -o f.txt").fails(2, &["parquet, csv, json or ndjson"]);
    shell.run("compare h.parquet --devices cpu,no-such-device").fails(4, &["no-such-device"]);
    shell.run("compare missing.parquet --devices cpu").fails(1, &["missing.parquet"]);
    assert_eq!(shell.everything(), ["h.parquet"]);
}

/// Every adapter found is named with what it did, and equal.
#[cfg(feature = "gpu")]
#[test]
fn adapters_tell_what_they_moved() {
    let shell = Shell::new();
    shell.run("generate --rows 4000 --groups 60 -o small.parquet").ok();
    shell.run("generate --rows 30000 --groups 1 -o large.parquet").ok();
    for adapter in crate::devices::tested() {
        let devices = format!("cpu,{}", adapter.name());
        for (file, stage) in [("small.parquet", "moments"), ("large.parquet", "sort")] {
            let compare = ["compare", file, "--runs", "1", "--devices", &devices, "--format", "json"];
            let rows = shell.run_words(&[&compare[..], &["--bandwidth", "100"]].concat()).json();
            let own = |row: &&serde_json::Value| row["adapter"] == adapter.name();
            assert!(rows.iter().all(|row| row["equal"] == true), "{rows:?}");
            let row = rows.iter().filter(own).find(|row| row["stage"] == stage).unwrap();
            assert!(row["bytes_per_key"].as_f64().unwrap() > 8.0, "{row}");
            assert!(row["bandwidth_share"].as_f64().unwrap() > 0.0, "{row}");
            assert!(row["dispatches"].as_u64().unwrap() >= 1, "{row}");
            let upload = rows.iter().filter(own).find(|row| row["stage"] == "upload").unwrap();
            assert!(upload["bandwidth_share"].is_null(), "the bus is not the device's memory");
        }
    }
}

/// Real snapshots: one group, one a file, 467 of one file.
#[cfg(feature = "gpu")]
#[test]
fn real_snapshots_are_equal_on_every_adapter() {
    let Some(data) = crate::support::real_data("compare") else { return };
    let adapters = crate::devices::tested();
    // Whole names may have commas.
    let names: Vec<&str> = adapters.iter().filter_map(|adapter| adapter.name().split(' ').next()).collect();
    if names.is_empty() {
        return;
    }
    let devices = format!("cpu,{}", names.join(","));
    let mut inputs: Vec<_> =
        fs::read_dir(data.join("holders")).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    assert_eq!(inputs.len(), 4);
    inputs.extend([data.join("lp/balancer_weekly"), data.join("lp/balancer_by_token.parquet")]);
    let shell = Shell::new();
    for input in inputs {
        let path = input.to_str().unwrap();
        let told = shell.run_words(&["compare", path, "--runs", "1", "--devices", &devices]).ok().stdout;
        let equal = told.lines().filter(|line| line.starts_with("equal: ")).count();
        assert_eq!(equal, names.len(), "{path}: {told}");
    }
}
