//! Where results go, in which format, and that they appear whole or not at all.

use std::fs;
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, UInt64Type};
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value, json};

use crate::shell::{FORMATS, Shell, counts_of, numbers, read, text};

/// A few groups of every kind: without holders, with one, with amounts beyond 64 bits.
fn with_groups() -> Shell {
    let shell = Shell::new();
    let huge = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    shell.parquet(
        "g.parquet",
        vec![
            ("token", text(["a", "b", "b", "b", "c", "d", "d"])),
            ("week", numbers([1, u64::MAX, u64::MAX, u64::MAX, 3, 4, 4])),
            ("balance", text(["0", "1.5", "2.25", "3", "7", huge, huge])),
        ],
    );
    shell
}

#[test]
fn a_table_on_standard_output() {
    let shell = Shell::with_holders();
    let table = shell.run("analyze h.parquet").silent().stdout;
    let cells = |name: &str| -> Vec<String> {
        let line = table.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("{name} in {table}")).split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(cells("total"), ["total", "100"]);
    assert_eq!(cells("gini")[1].parse::<f64>().unwrap(), 0.2);
    assert!(!table.contains("lorenz") && !table.contains("n_null"), "{table}");
    assert_eq!(shell.run("analyze h.parquet --format table").silent().stdout, table);
    // Many groups stand one below the other.
    let many = Shell::with_many_groups().run("analyze many.parquet --snapshot none -q").silent().stdout;
    assert_eq!(many.lines().count(), 2001);
    assert!(many.lines().next().unwrap().starts_with("token"), "{many}");
}

#[test]
fn the_extension_names_the_format() {
    let shell = with_groups();
    for (name, format) in [
        ("r.parquet", "parquet"),
        ("r.PQ", "parquet"),
        ("r.csv", "csv"),
        ("r.json", "json"),
        ("r.txt", "table"),
    ] {
        let piped = shell.run(&format!("analyze g.parquet --format {format} -q")).silent();
        shell.run(&format!("analyze g.parquet -q -o {name}")).silent();
        assert_eq!(fs::read(shell.path(name)).unwrap(), piped.bytes, "{name}");
        // `--format` wins over the extension.
        shell.run(&format!("analyze g.parquet -q --output=x.{format}.csv --format={format}")).silent();
        assert_eq!(fs::read(shell.path(&format!("x.{format}.csv"))).unwrap(), piped.bytes, "{name}");
        fs::remove_file(shell.path(&format!("x.{format}.csv"))).unwrap();
    }
    let ran = shell.run("analyze g.parquet -o r.xlsx");
    ran.fails(2, &["r.xlsx", ".parquet", ".csv", ".json", ".txt", "--format"]);
}

#[test]
fn csv_and_json_say_what_parquet_says() {
    let shell = with_groups();
    for format in ["parquet", "csv", "json"] {
        shell.run(&format!("analyze g.parquet --top 5 -o r.{format}")).ok();
    }
    let batch = read(&shell.path("r.parquet"));
    let rows: Vec<Value> = serde_json::from_slice(&fs::read(shell.path("r.json")).unwrap()).unwrap();
    let csv = csv(&fs::read_to_string(shell.path("r.csv")).unwrap());
    assert_eq!((batch.num_rows(), rows.len(), csv.len()), (4, 4, 5));
    let schema = batch.schema();
    assert_eq!(csv[0], schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>());
    for (i, (field, column)) in schema.fields().iter().zip(batch.columns()).enumerate() {
        for row in 0..4 {
            let (cell, value) = (&csv[row + 1][i], &rows[row][field.name()]);
            let place = format!("{} of row {row}", field.name());
            if column.is_null(row) {
                assert_eq!((cell.as_str(), value), ("", &Value::Null), "{place}");
                continue;
            }
            match column.data_type() {
                DataType::Float64 => {
                    let x = column.as_primitive::<Float64Type>().value(row);
                    assert!(x.is_finite(), "{place}");
                    assert_eq!((cell.parse(), value.as_f64()), (Ok(x), Some(x)), "{place}");
                }
                DataType::UInt64 => {
                    let n = column.as_primitive::<UInt64Type>().value(row);
                    assert_eq!((cell.parse(), value.as_u64()), (Ok(n), Some(n)), "{place}");
                }
                DataType::List(_) => {
                    let list = column.as_list::<i32>().value(row);
                    let list = json!(list.as_primitive::<Float64Type>().values().to_vec());
                    assert_eq!(list.as_array().unwrap().len(), 101);
                    assert_eq!((serde_json::from_str::<Value>(cell).unwrap(), value), (list.clone(), &list));
                }
                DataType::Boolean => {
                    let truth = column.as_boolean().value(row);
                    assert_eq!((cell.parse(), value.as_bool()), (Ok(truth), Some(truth)), "{place}");
                }
                DataType::Int32 => assert_eq!((cell.as_str(), value), ("0", &json!(0)), "{place}"),
                _ => {
                    let text = column.as_string::<i32>().value(row);
                    assert_eq!((cell.as_str(), value.as_str()), (text, Some(text)), "{place}");
                }
            }
        }
    }
    // What is exact as text stays text, and integers are written without a point or an exponent.
    assert_eq!(rows[2]["total"].as_str().unwrap().len(), 78);
    assert!(fs::read_to_string(shell.path("r.json")).unwrap().contains("\"week\":18446744073709551615"));
    assert_eq!((&rows[0]["total"], &rows[0]["gini"]), (&json!("0"), &Value::Null));
    assert_eq!(counts_of(&batch, "week"), [1, 3, 4, u64::MAX]);
    assert_eq!(rows[3]["total"], "6.75");
}

/// Cells of a CSV file with quoted commas.
fn csv(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        let mut cells = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(String::new()),
                c => cells.last_mut().unwrap().push(c),
            }
        }
        cells
    };
    text.lines().map(cells).collect()
}

#[test]
fn nothing_to_say_is_valid_in_every_format() {
    let shell = Shell::new();
    shell.parquet("e.parquet", vec![("token", text([])), ("balance", numbers([]))]);
    let run = |format: &str| shell.run(&format!("analyze e.parquet --by token --format {format}"));
    assert_eq!(run("json").json(), Vec::<Value>::new());
    assert!(run("json").stderr.contains("warning: the input has no rows"));
    let csv = run("csv").ok().stdout;
    assert!(csv.lines().count() == 1 && csv.starts_with("token,n_rows,"), "{csv}");
    assert_eq!(run("table").ok().stdout, "no groups\n");
    shell.run("analyze e.parquet --by token -o e.pq").ok();
    let batch = read(&shell.path("e.pq"));
    assert_eq!((batch.num_rows(), batch.schema().field(0).name().as_str()), (0, "token"));
}

/// What a file of results says of its making.
pub(crate) fn footer(path: &Path) -> Vec<(String, Value)> {
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let entries = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
    let ours = entries.into_iter().filter(|entry| entry.key.starts_with("concentra."));
    ours.map(|entry| {
        let value = entry.value.unwrap();
        (entry.key, serde_json::from_str(&value).unwrap_or(Value::String(value)))
    })
    .collect()
}

#[test]
fn parquet_tells_where_its_numbers_come_from() {
    let shell = Shell::new();
    let columns = || vec![("Address", text(["x", "y"])), ("value", numbers([1, 2]))];
    let one = shell.parquet("lake/week=1/p.parquet", columns());
    shell.parquet("lake/week=2/p.parquet", columns());
    shell.run("analyze lake -o plain.parquet").ok();
    let entry = |path: &str, key: &str| {
        let footer = footer(&shell.path(path));
        footer.iter().find(|(k, _)| k == key).unwrap_or_else(|| panic!("{key} in {footer:?}")).1.clone()
    };
    assert_eq!(entry("plain.parquet", "concentra.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(entry("plain.parquet", "concentra.schema_version"), 1);
    assert_eq!(entry("plain.parquet", "concentra.options"), json!({}), "defaults are not repeated");
    let input = |week: u64| {
        json!({
            "name": format!("week={week}/p.parquet"), "rows": 2, "bytes": fs::metadata(&one).unwrap().len(),
            "amount": "value", "owner": "Address",
            "group": [{ "role": "snapshot", "name": "week", "from": "folder" }],
        })
    };
    assert_eq!(entry("plain.parquet", "concentra.inputs"), json!([input(1), input(2)]));
    assert_eq!(footer(&shell.path("plain.parquet")).len(), 4);

    shell
        .run(
            "analyze lake -o all.parquet --by week --amount value --owner address --owners merge --negatives drop \
             --decimals 3 --metrics gini,nakamoto_3_4 --top 7 --threshold 3/4 -j 2 --device cpu --explain -v \
             --color never --format parquet --overwrite",
        )
        .ok();
    let options = json!({
        "by": "week", "amount": "value", "owner": "address", "owners": "merge", "negatives": "drop", "decimals": "3",
        "metrics": "gini,nakamoto_3_4", "top": "7", "threshold": "3/4",
    });
    assert_eq!(entry("all.parquet", "concentra.options"), options);
    shell.run("analyze lake -o none.parquet --by none -q").silent();
    assert_eq!(entry("none.parquet", "concentra.options"), json!({"by": "none"}));
    shell
        .run("analyze lake -o stem.parquet --snapshot filename --by week,snapshot --owners check -q")
        .silent();
    let options = json!({"by": "week,snapshot", "snapshot": "filename", "owners": "check"});
    assert_eq!(entry("stem.parquet", "concentra.options"), options);
}

#[test]
fn parquet_documents_its_columns() {
    let shell = Shell::with_holders();
    shell.run("analyze h.parquet -o r.parquet --top 5 --threshold 0.66").ok();
    let batch = read(&shell.path("r.parquet"));
    let schema = batch.schema();
    for field in schema.fields().iter().filter(|field| field.name() != "snapshot") {
        let title = field.metadata().get("title").unwrap_or_else(|| panic!("{} has no title", field.name()));
        assert!(!title.is_empty());
        assert!(field.metadata().contains_key("reading"), "{}", field.name());
    }
    let gini = schema.field_with_name("gini").unwrap().metadata();
    assert!(gini["formula"].contains("(n+1)/n"), "{}", gini["formula"]);
    assert!(gini["source"].contains("Gini 1912") && gini.contains_key("range") && gini.contains_key("unit"));
    assert!(schema.field_with_name("nakamoto_0_66").unwrap().metadata()["reading"].contains("strictly"));
    assert!(schema.field_with_name("snapshot").unwrap().metadata().get("title").is_none());
}

#[test]
fn two_runs_give_the_same_bytes_wherever_the_files_are() {
    let shell = Shell::with_many_groups();
    for folder in ["lake/week=1", "lake/week=2", "elsewhere/deep/lake/week=1", "elsewhere/deep/lake/week=2"] {
        fs::create_dir_all(shell.path(folder)).unwrap();
        fs::copy(shell.path("many.parquet"), shell.path(folder).join("part-0.parquet")).unwrap();
    }
    let absolute = shell.path("elsewhere/deep/lake");
    for format in FORMATS {
        let run = |words: &str, at: &str| {
            let ran = shell.run(&format!("analyze -q --format {format} --owners trust {words} {at}"));
            ran.silent().bytes
        };
        let expected = run("", "lake");
        assert!(expected.len() > 10_000, "{format}");
        assert!(run("-j 1", "lake") == expected, "{format}");
        assert!(run("-j 7 --device cpu", "lake") == expected, "{format}");
        assert!(run("", "./lake/") == expected, "{format}");
        assert!(run("-j 1", absolute.to_str().unwrap()) == expected, "{format}");
        assert!(run("", "lake/week=*/*.parquet") == expected, "{format}");
        assert!(run("", "elsewhere/deep/lake") == expected, "{format}");
        let ran = shell.run(&format!("analyze -q lake -o out.{format} --format {format}"));
        ran.silent();
        assert!(fs::read(shell.path(&format!("out.{format}"))).unwrap() == expected, "{format}");
    }
}

#[test]
fn existing_files_are_kept_unless_they_may_be_replaced() {
    let shell = Shell::with_holders();
    shell.file("r.csv", "precious");
    // The path is checked first: the missing input is never looked for.
    for input in ["h.parquet", "missing.parquet"] {
        shell.run(&format!("analyze {input} -o r.csv")).fails(2, &["r.csv", "exists already", "--overwrite"]);
    }
    assert_eq!(fs::read(shell.path("r.csv")).unwrap(), b"precious");
    // A failure leaves the old file, even where it might be replaced.
    shell.run("analyze missing.parquet -o r.csv --overwrite").fails(1, &["missing.parquet"]);
    shell.file("bad.parquet", "no parquet at all");
    shell.run("analyze bad.parquet -o r.csv --overwrite").fails(1, &["bad.parquet"]);
    assert_eq!(fs::read(shell.path("r.csv")).unwrap(), b"precious");
    shell.run("analyze h.parquet -o r.csv --overwrite").ok().says(&["1 group written to r.csv"]);
    assert!(fs::read_to_string(shell.path("r.csv")).unwrap().starts_with("snapshot,n_rows"));
    assert_eq!(shell.everything(), ["bad.parquet", "h.parquet", "r.csv"]);
}

#[test]
fn results_are_written_whole_or_not_at_all() {
    let shell = Shell::with_holders();
    fs::create_dir(shell.path("results")).unwrap();
    shell.parquet("late.parquet", vec![("balance", text(["1", "2", "x"]))]);
    for line in [
        "analyze late.parquet -o results/r.csv",
        "analyze h.parquet late.parquet -o results/r.parquet",
        "analyze missing.parquet -o results/r.json",
        "analyze h.parquet --owners check -o results/r.txt",
        "analyze h.parquet --metrics nothing -o results/r.csv",
        "analyze h.parquet --by nothing -o results/r.csv",
        "analyze h.parquet -o results/r.unknown",
        "analyze none*.parquet -o results/r.csv",
    ] {
        let ran = shell.run(line);
        assert!(ran.status == Some(1) || ran.status == Some(2), "{line}: {:?}", ran.status);
        assert!(fs::read_dir(shell.path("results")).unwrap().next().is_none(), "{line}");
    }
    shell.run("analyze h.parquet -o results/r.csv").ok();
    assert_eq!(shell.everything(), ["h.parquet", "late.parquet", "results", "results/r.csv"]);
}

#[test]
fn places_that_cannot_be_written_are_refused_before_the_work() {
    let shell = Shell::with_holders();
    fs::create_dir(shell.path("folder.csv")).unwrap();
    // The input is missing, too; the output is named.
    shell
        .run("analyze missing.parquet -o no/such/r.csv")
        .fails(1, &["no/such", "cannot write into the folder"]);
    shell.run("analyze missing.parquet -o h.parquet/r.csv").fails(1, &["h.parquet: cannot write into"]);
    for folder in ["folder.csv", "folder.csv/", "new.csv/"] {
        shell.run(&format!("power missing.parquet -o {folder}")).fails(2, &[folder, "is a folder"]);
        shell.run(&format!("power missing.parquet --overwrite -o {folder}")).fails(2, &[folder]);
        // One for a dataset is made once the input is known.
        shell.run(&format!("analyze missing.parquet -o {folder}")).fails(1, &["missing.parquet"]);
    }
    assert_eq!(shell.everything(), ["folder.csv", "h.parquet"]);
}

#[cfg(unix)]
#[test]
fn results_are_ordinary_files() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let shell = Shell::with_holders();
    shell.run("analyze h.parquet -o r.csv").ok();
    let mode = |name: &str| fs::metadata(shell.path(name)).unwrap().permissions().mode();
    shell.file("like.csv", "");
    assert_eq!(mode("r.csv"), mode("like.csv"));
    // A link that leads nowhere is in the way as well.
    symlink("nowhere.csv", shell.path("link.csv")).unwrap();
    shell.run("analyze h.parquet -o link.csv").fails(2, &["link.csv", "exists already"]);
}
