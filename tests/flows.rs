//! `flows`: what owners left and what they entered, reconciled with the changes of totals.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use serde_json::Value;

use crate::shell::{Shell, numbers, read, text};
use crate::support::real_data;

/// What each owner has of each token at two blocks, and what a token is worth there.
fn shell(prices: [[&str; 2]; 2]) -> Shell {
    let shell = Shell::new();
    // Owner a turns nine x into five y; b comes with four y; c leaves with one x.
    for (block, rows) in
        [(1, vec![("x", "a", 9), ("x", "c", 1), ("y", "a", 1)]), (2, vec![("y", "a", 6), ("y", "b", 4)])]
    {
        let mut rows = rows;
        if block == 2 {
            // A holder of nothing gives the token its price.
            rows.push(("x", "z", 0));
        }
        let price = rows.iter().map(|(token, _, _)| prices[block - 1][usize::from(*token == "y")]);
        shell.parquet(
            &format!("in/{block}.parquet"),
            vec![
                ("block_number", numbers(rows.iter().map(|_| block as u64))),
                ("token", text(rows.iter().map(|row| row.0))),
                ("owner", text(rows.iter().map(|row| row.1))),
                ("balance", numbers(rows.iter().map(|row| row.2))),
                ("usd", text(price)),
            ],
        );
    }
    shell
}

fn cells(rows: &[Value]) -> Vec<(Option<&str>, Option<&str>, &str, u64)> {
    rows.iter()
        .map(|row| {
            let (amount, owners) = (row["amount"].as_str().unwrap(), row["n_owners"].as_u64().unwrap());
            (row["from_token"].as_str(), row["to_token"].as_str(), amount, owners)
        })
        .collect()
}

#[test]
fn by_hand() {
    let shell = shell([["1", "1"], ["1", "1"]]);
    let rows = shell.run("flows in --format json").json();
    let expected = [(Some("x"), Some("y"), "5", 1), (Some("x"), None, "5", 2), (None, Some("y"), "4", 1)];
    assert_eq!(cells(&rows), expected);
    assert_eq!((rows[0]["snapshot_from"].as_u64(), rows[0]["snapshot_to"].as_u64()), (Some(1), Some(2)));
    // At the later prices: nine x are worth 4.5, five y 12.5.
    let shell = self::shell([["7", "7"], ["0.5", "2.5"]]);
    let rows = shell.run("flows in --price usd --format json").json();
    let expected =
        [(Some("x"), Some("y"), "4.5", 1), (Some("x"), None, "0.5", 1), (None, Some("y"), "18", 2)];
    assert_eq!(cells(&rows), expected);
    let shown = shell.run("flows in --price usd").ok().stdout;
    assert!(shown.contains("from_token") && shown.contains("4.5"), "{shown}");
}

#[test]
fn what_is_refused() {
    let shell = shell([["1", "1"], ["1", "1"]]);
    for (line, status, parts) in [
        ("flows in --price 3", 2, &["--price", "column"][..]),
        ("flows in --price eur", 1, &["eur"]),
        ("flows in --by block_number", 2, &["asset"]),
        ("flows in --by none", 2, &["snapshots"]),
        ("flows in --between 1,9", 2, &["1 to 2"]),
        ("flows in --look-through", 2, &["--look-through"]),
    ] {
        let ran = shell.run(line);
        assert_eq!(ran.status, Some(status), "{line}: {}", ran.stderr);
        ran.says(parts);
    }
    // A token without a price at the later time, and one that is gone then.
    shell.parquet(
        "in/2.parquet",
        vec![
            ("block_number", numbers([2])),
            ("token", text(["y"])),
            ("owner", text(["a"])),
            ("balance", numbers([6])),
            ("usd", text(["1"])),
        ],
    );
    shell.run("flows in --price usd").fails(1, &["token=x", "no price"]);
    shell.run("flows in").ok().says(&["1 time an asset is in one of two snapshots alone"]);
}

/// Blocks in one file and weeks in another are no pair; what takes no part is no obstacle.
#[test]
fn timelines_and_bystanders() {
    let shell = Shell::new();
    let write = |name: &str, time: &str, at: [u64; 4], amounts: [f64; 4]| {
        shell.parquet(
            name,
            vec![
                (time, numbers(at)),
                ("token", text(["x", "y", "x", "y"])),
                ("owner", text(["a"; 4])),
                ("balance", std::sync::Arc::new(arrow::array::Float64Array::from(amounts.to_vec()))),
            ],
        );
    };
    write("in/blocks.parquet", "block_number", [1, 1, 57, 57], [10.0, 0.0, 9.5, 0.5]);
    write("in/weeks.parquet", "week", [57, 57, 58, 58], [100.0, 200.0, 300.0, 0.0]);
    let rows = shell.run("flows in --format json").json();
    assert_eq!(cells(&rows), [(Some("x"), Some("y"), "0.5", 1), (Some("y"), Some("x"), "200", 1),]);
    assert_eq!(shell.run("flows in --between 57,58 --format json").json().len(), 1);
    shell.run("flows in/weeks.parquet --between 57,57").fails(2, &["FROM,TO"]);
    shell.parquet(
        "null.parquet",
        vec![
            ("week", numbers([1, 2])),
            ("token", std::sync::Arc::new(arrow::array::StringArray::from(vec![None, Some("y")]))),
            ("owner", text(["a", "a"])),
            ("balance", numbers([1, 1])),
        ],
    );
    shell.run("flows null.parquet").fails(1, &["asset is null"]);
    shell.parquet(
        "one.parquet",
        vec![
            ("week", numbers([1])),
            ("token", text(["x"])),
            ("owner", text(["a"])),
            ("balance", numbers([1])),
        ],
    );
    shell.run("flows one.parquet").ok().says(&["no two snapshots"]);
}

/// LP rewards by token and week: what enters a token less what leaves it is the change of its total, to the last digit.
#[test]
fn weeks_of_real_rewards_reconcile() {
    let Some(folder) = real_data("flows::weeks_of_real_rewards_reconcile") else { return };
    let path = folder.join("lp/balancer_by_token.parquet");
    let shell = Shell::new();
    let line = ["flows", path.to_str().unwrap(), "--format", "json", "-q"];
    let rows = shell.run_words(&line).json();
    let table = read(&path);
    let texts = |name: &str| -> Vec<String> {
        use arrow::array::AsArray;
        let column = table.column_by_name(name).expect(name);
        let text = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).unwrap();
        text.as_string::<i32>().iter().map(|cell| cell.unwrap().to_owned()).collect()
    };
    // Whole numbers of 10^-40.
    let exact = |text: &str| -> BigInt {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{fraction:0<40}").parse().unwrap()
    };
    let mut totals: BTreeMap<(i64, String, String), BigInt> = BTreeMap::new();
    let (weeks, chains, tokens, rewards) = (texts("week"), texts("chain"), texts("token"), texts("reward"));
    for (((week, chain), token), reward) in weeks.into_iter().zip(chains).zip(tokens).zip(rewards) {
        *totals.entry((week.parse().unwrap(), chain, token)).or_default() += exact(&reward);
    }
    let mut net: BTreeMap<(i64, i64, String, String), BigInt> = BTreeMap::new();
    let mut rotated = 0;
    for row in &rows {
        let amount = exact(row["amount"].as_str().unwrap());
        assert!(amount > BigInt::ZERO);
        let (from, to) = (row["snapshot_from"].as_i64().unwrap(), row["snapshot_to"].as_i64().unwrap());
        let asset = |side: &str| {
            let of = |name: &str| row[format!("{side}_{name}")].as_str().map(str::to_owned);
            of("token").map(|token| (from, to, of("chain").unwrap(), token))
        };
        let (left, entered) = (asset("from"), asset("to"));
        rotated += usize::from(left.is_some() && entered.is_some());
        left.into_iter().for_each(|asset| *net.entry(asset).or_default() -= &amount);
        entered.into_iter().for_each(|asset| *net.entry(asset).or_default() += &amount);
    }
    assert!(rotated > 100, "{rotated} flows between two assets");
    let weeks: Vec<i64> =
        totals.keys().map(|key| key.0).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let assets: std::collections::BTreeSet<(String, String)> =
        totals.keys().map(|(_, chain, token)| (chain.clone(), token.clone())).collect();
    let mut checked = 0;
    for pair in weeks.windows(2) {
        for (chain, token) in &assets {
            let total =
                |week: i64| totals.get(&(week, chain.clone(), token.clone())).cloned().unwrap_or_default();
            let found =
                net.get(&(pair[0], pair[1], chain.clone(), token.clone())).cloned().unwrap_or_default();
            assert_eq!(found, total(pair[1]) - total(pair[0]), "{token} from {} to {}", pair[0], pair[1]);
            checked += 1;
        }
    }
    assert!(checked > 100);
    // The same digits for a pair, whichever pairs are asked for.
    let pair = |row: &&Value| row["snapshot_from"] == 57 && row["snapshot_to"] == 58;
    let own: Vec<Value> = rows.iter().filter(pair).cloned().collect();
    assert!(!own.is_empty());
    assert_eq!(shell.run_words(&[&line[..], &["--between", "57,58"]].concat()).json(), own);
    // Whatever the threads.
    assert_eq!(shell.run_words(&[&line[..], &["-j", "1"]].concat()).json(), rows);
}

/// Prices in a file of their own, joined by the group columns that it has.
#[test]
fn prices_of_a_file() {
    let shell = shell([["1", "1"], ["1", "1"]]);
    // Another column of the snapshots is no price; the file tells also what x is worth where it is gone.
    shell.file("p.csv", "token,block_number,price\nx,1,7\ny,1,7\nx,2,0.5\ny,2,2.5\nz,2,9\n");
    let rows = shell.run("flows in --price p.csv --format json").json();
    let expected =
        [(Some("x"), Some("y"), "4.5", 1), (Some("x"), None, "0.5", 1), (None, Some("y"), "18", 2)];
    assert_eq!(cells(&rows), expected);
    shell.parquet(
        "in/2.parquet",
        vec![
            ("block_number", numbers([2, 2])),
            ("token", text(["y", "y"])),
            ("owner", text(["a", "b"])),
            ("balance", numbers([6, 4])),
        ],
    );
    assert_eq!(cells(&shell.run("flows in --price p.csv --format json").json()), expected);
    // Prices of what nobody has change nothing.
    shell.file("p.csv", "token,block_number,price\nx,1,7\ny,1,7\nx,2,0.5\ny,2,2.5\nother,2,0.000000001\n");
    assert_eq!(cells(&shell.run("flows in --price p.csv --format json").json()), expected);
    // One price for all times, and addresses in any case.
    shell.file("q.csv", "TOKEN,price\nx,0.5\ny,2.5\n");
    assert_eq!(cells(&shell.run("flows in --price q.csv --format json").json()), expected);
    for (text, parts) in [
        ("token,price\nx,0.5\n", &["token=y", "no price"][..]),
        ("token,price\nx,1\ny,2\ny,3\n", &["token=y", "two prices"]),
        ("token,price\nx,1\ny,-2\n", &["row 2", "negative"]),
        ("token,price\nx,1\ny,0\n", &["row 2", "the price is 0"]),
        ("token,usd\nx,1\n", &["price", "usd"]),
        ("coin,price\nx,1\n", &["joined by group columns", "token"]),
    ] {
        shell.file("bad.csv", text);
        shell.run("flows in --price bad.csv").fails(1, parts);
    }
    shell.run("flows in --price none.csv").fails(1, &["none.csv"]);
    shell.run("flows in --price q.csv --min-value 3").fails(2, &["--min-value"]);
    shell.run("flows in --price q.csv -o q.csv --overwrite").fails(2, &["is an input"]);
}
