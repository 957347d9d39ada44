//! `snapshot`: balances of transfer logs, exact, at any blocks; what a log cannot tell is told.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Decimal128Array, Float64Array, NullArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::shell::{Shell, numbers, read, text};

const ZERO: &str = "0x0000000000000000000000000000000000000000";

/// Block, token, sender, recipient, amount.
type Row<'a> = (u64, &'a str, &'a str, &'a str, &'a str);

/// A log as BigQuery exports it.
fn log(shell: &Shell, name: &str, rows: &[Row<'_>]) {
    shell.parquet(
        name,
        vec![
            ("token_address", text(rows.iter().map(|row| row.1))),
            ("from_address", text(rows.iter().map(|row| row.2))),
            ("to_address", text(rows.iter().map(|row| row.3))),
            ("value", text(rows.iter().map(|row| row.4))),
            ("log_index", numbers(0..rows.len() as u64)),
            ("block_number", numbers(rows.iter().map(|row| row.0))),
        ],
    );
}

/// The rows of a result: block, token, holder, balance.
fn balances(rows: &[serde_json::Value], token: &str) -> Vec<(u64, String, String, String)> {
    let word = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or("–").to_owned();
    rows.iter()
        .map(|row| {
            let block = row["block_number"].as_u64().unwrap();
            (block, word(row, token), word(row, "address"), word(row, "balance"))
        })
        .collect()
}

#[test]
fn by_hand() {
    let shell = Shell::new();
    let big = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    log(
        &shell,
        "log.parquet",
        &[
            (5, "x", ZERO, "0xAa", "100"),
            (5, "x", "0xaA", "0xbb", "30"),
            // To itself, and of nothing.
            (6, "x", "0xbb", "0xBB", "7"),
            (6, "x", "0xcc", "0xdd", "0"),
            (8, "x", "0xbb", ZERO, "10"),
            (8, "y", "0x0", "cosmos1abc", big),
            (9, "x", "0xaa", "0xcc", "70"),
            (9, "y", "cosmos1abc", "a-name-that-is-longer-than-any-address-of-twenty-bytes", "1"),
        ],
    );
    let rows = shell.run("snapshot log.parquet --at 9,5,6,9,10 --format json").ok().json();
    let expected = [
        (6, "x", "0xaa", "70"),
        (6, "x", "0xbb", "30"),
        (9, "x", "0xaa", "70"),
        (9, "x", "0xbb", "20"),
        (9, "y", "cosmos1abc", big),
        (10, "x", "0xcc", "70"),
        (10, "x", "0xbb", "20"),
        (10, "y", "cosmos1abc", &format!("{}4", &big[..big.len() - 1])),
        (10, "y", "a-name-that-is-longer-than-any-address-of-twenty-bytes", "1"),
    ];
    let expected = expected
        .map(|(block, token, owner, amount)| (block, token.to_owned(), owner.to_owned(), amount.to_owned()));
    assert_eq!(balances(&rows, "token_address"), expected);
    // What happens after the last block is of no interest, and the snapshot before the first transfer is empty.
    shell.run("snapshot log.parquet --at 5").ok().says(&["no transfers before block 5"]);
    shell.run("snapshot log.parquet --at 12").ok().says(&["the last transfer is in block 9"]);
    let only = shell.run("snapshot log.parquet --at 10 --only y,z --format json").ok();
    let only = only.says(&["--only z", "no transfers"]);
    assert_eq!(only.json().len(), 2);
}

/// More holders than are sorted at a time, many of them with the same, in order.
#[test]
fn many_holders() {
    let shell = Shell::new();
    let owner = |i: u64| {
        if i.is_multiple_of(3) {
            format!("name-{i:06}")
        } else {
            format!("0x{:040x}", ((i * 7919 % 1009) << 20) | i)
        }
    };
    let transfers: Vec<(u64, String, String)> = (0..120_000u64)
        .map(|i| {
            let amount = if i.is_multiple_of(2) { 1000 } else { i * 104_729 % 10_007 };
            (1 + i % 3, owner(i % 70_000), format!("{amount}"))
        })
        .collect();
    let rows: Vec<Row<'_>> =
        transfers.iter().map(|(block, owner, amount)| (*block, "x", ZERO, &owner[..], &amount[..])).collect();
    log(&shell, "log.parquet", &rows);
    let mut expected = vec![];
    for at in 2..=4 {
        let mut held: BTreeMap<(bool, &str), u64> = BTreeMap::new();
        for (_, owner, amount) in transfers.iter().filter(|(block, ..)| *block < at) {
            *held.entry((owner.starts_with("0x"), owner)).or_default() += amount.parse::<u64>().unwrap();
        }
        let mut own: Vec<((bool, &str), u64)> =
            held.into_iter().filter(|(_, balance)| *balance > 0).collect();
        // Names come before bytes, and the sort keeps what is equal as it is.
        own.sort_by_key(|(_, balance)| std::cmp::Reverse(*balance));
        let row =
            |((_, owner), balance): ((bool, &str), u64)| (at, "x".into(), owner.into(), balance.to_string());
        expected.extend(own.into_iter().map(row));
    }
    let rows = shell.run("snapshot log.parquet --at 2,3,4 --format json").ok().json();
    assert!(balances(&rows, "token_address") == expected, "{} rows, not {}", rows.len(), expected.len());
}

/// The sample's balances are made of its transfers.
#[test]
fn the_sample_folds_to_its_snapshots() {
    let shell = Shell::new();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
    let blocks: Vec<u64> = (0..12).map(|week| 21_564_000 + week * 50_400).collect();
    let at = blocks.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    shell.run(&format!("snapshot {data}/transfers --at {at} -o built.parquet")).ok();
    let theirs = shell.run(&format!("analyze {data}/holders/lark --format json -q")).ok().json();
    let ours = shell.run("analyze built.parquet --format json -q").ok().json();
    assert_eq!((ours.len(), theirs.len()), (12, 12));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        for (name, value) in theirs.as_object().unwrap() {
            if !["n_rows", "n_zero", "erc20"].contains(&name.as_str()) {
                assert_eq!(ours[name], *value, "{name}");
            }
        }
    }
    let inspected = shell.run("inspect built.parquet").ok().stdout;
    assert!(inspected.contains("analyze measures 12 groups"), "{inspected}");
}

/// A cell of any type as text.
fn words(column: &ArrayRef) -> Vec<String> {
    match column.data_type() {
        DataType::Binary => column
            .as_binary::<i32>()
            .iter()
            .map(|bytes| bytes.unwrap().iter().map(|byte| format!("{byte:02x}")).collect())
            .collect(),
        _ => {
            let text = cast(column, &DataType::Utf8).unwrap();
            text.as_string::<i32>().iter().map(|text| text.unwrap().to_owned()).collect()
        }
    }
}

fn table(path: &std::path::Path, amount: &str) -> BTreeMap<Vec<String>, String> {
    let table = read(path);
    let column = |name: &str| words(table.column_by_name(name).unwrap());
    let keys = ["block_number", "erc20", "address"].map(column);
    let amounts = column(amount);
    (0..table.num_rows())
        .map(|row| (keys.iter().map(|key| key[row].clone()).collect(), amounts[row].clone()))
        .filter(|(_, amount)| amount != "0")
        .collect()
}

#[test]
fn generated_logs_fold_to_the_generators_truth() {
    let shell = Shell::new();
    shell.run("generate --transfers 30000 --row-group-rows 3000 -o made").ok();
    let names: Vec<String> = shell
        .everything()
        .into_iter()
        .filter(|name| name.ends_with("parquet") && name.contains("balances__"))
        .collect();
    let block = |name: &String| name.rsplit_once("__").unwrap().1.trim_end_matches(".parquet").to_owned();
    let at = names.iter().map(block).collect::<Vec<_>>().join(",");
    assert_eq!(names.len(), 4, "{names:?}");
    shell.run(&format!("snapshot made/transfers --at {at} -o one.parquet -j 1")).ok();
    let mut truth = BTreeMap::new();
    names.iter().for_each(|name| truth.extend(table(&shell.path(name), "balance_string")));
    assert!(truth.len() > 10_000 && truth.values().any(|amount| amount.len() > 50), "beyond 128 bits");
    assert!(table(&shell.path("one.parquet"), "balance") == truth, "the balances differ");
    // Files in another order, on more threads.
    shell
        .run(&format!("snapshot made/transfers/*_to_2000019* made/transfers --at {at} -o two.parquet -j 4"))
        .ok();
    assert!(fs::read(shell.path("one.parquet")).unwrap() == fs::read(shell.path("two.parquet")).unwrap());
    // One block alone is a part of it.
    let first = at.split(',').next().unwrap();
    shell.run(&format!("snapshot made/transfers --at {first} -o part.parquet")).ok();
    let of_first = truth.iter().filter(|(key, _)| key[0] == first).count();
    assert_eq!(read(&shell.path("part.parquet")).num_rows(), of_first);
    // A quarter of the log is no log: somebody would have less than nothing.
    fs::remove_file(shell.path("made/transfers").join(
        fs::read_dir(shell.path("made/transfers")).unwrap().map(|f| f.unwrap().file_name()).min().unwrap(),
    ))
    .unwrap();
    let last = at.rsplit(',').next().unwrap();
    shell
        .run(&format!("snapshot made/transfers --at {last}"))
        .fails(1, &["erc20=0x", "has -", "at block", "--negatives"]);
    let dropped = shell.run(&format!("snapshot made/transfers --at {last} --negatives drop --format csv"));
    let dropped = dropped.ok().says(&["holders left out", "transfers are missing"]);
    assert!(!dropped.stdout.contains(",-"), "nobody has less than nothing");
}

#[test]
fn logs_with_gaps_name_the_token_the_holder_and_the_block() {
    let shell = Shell::new();
    log(
        &shell,
        "log.parquet",
        &[
            (1, "x", ZERO, "0xaa", "5"),
            (2, "x", "0xaa", "0xbb", "9"),
            (3, "x", ZERO, "0xaa", "4"),
            (4, "z", "q", "r", "1"),
        ],
    );
    shell
        .run("snapshot log.parquet --at 3,4")
        .fails(1, &["token_address=x", "0xaa has -4 at block 3", "missing from the log", "--negatives drop"]);
    // What is made good until the block is no gap.
    assert_eq!(shell.run("snapshot log.parquet --at 4 --format json").ok().json().len(), 1);
    shell
        .run("snapshot log.parquet --at 3,5")
        .fails(1, &["0xaa has -4 at block 3", "another holder has less than nothing"]);
    let rows = shell.run("snapshot log.parquet --at 3,5 --negatives drop --format json");
    let rows = rows.ok().says(&[
        "token_address=x: 1 holder left out",
        "token_address=z: 1 holder left out",
        "(q has -1 at block 5)",
    ]);
    let left: Vec<_> =
        balances(&rows.json(), "token_address").into_iter().map(|row| (row.0, row.2, row.3)).collect();
    let expected = [(3, "0xbb", "9"), (5, "0xbb", "9"), (5, "r", "1")];
    assert_eq!(left, expected.map(|(block, owner, amount)| (block, owner.to_owned(), amount.to_owned())));
    // More than a token can have.
    let most = "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    log(&shell, "most.parquet", &[(1, "x", ZERO, "a", most), (2, "x", ZERO, "a", "0x1")]);
    shell.run("snapshot most.parquet --at 2").ok();
    shell.run("snapshot most.parquet --at 3").fails(1, &["a has 1157920892", "more than 256 bits"]);
}

/// Ids that are counted up or hashes, each made once and moved as a whole.
#[test]
fn tokens_of_ids_are_refused() {
    let shell = Shell::new();
    let mut rows: Vec<Row<'_>> = vec![];
    let ids: Vec<String> = (1..=300).map(|id| id.to_string()).collect();
    let hashes: Vec<String> =
        (1..=300u64).map(|id| format!("0xfe{:062x}", id.wrapping_mul(0x9e37_79b9))).collect();
    for (id, hash) in ids.iter().zip(&hashes) {
        rows.push((1, "apes", ZERO, "0xaa", id));
        rows.push((2, "apes", "0xaa", "0xbb", id));
        rows.push((1, "names", ZERO, "0xcc", hash));
        // Small amounts, made and divided.
        rows.push((1, "points", ZERO, "0xaa", id));
        rows.push((2, "points", "0xaa", "0xdd", "1"));
        // The same amounts again and again.
        rows.push((1, "coupons", ZERO, "0xaa", "10"));
    }
    rows.push((3, "apes", "0xbb", ZERO, "7"));
    log(&shell, "log.parquet", &rows);
    shell.run("snapshot log.parquet --at 9").fails(
        1,
        &["token_address=apes (and another)", "ids of an ERC-721 token", "--nfts drop", "--nfts keep"],
    );
    let tokens = |ran: crate::shell::Ran| {
        let mut tokens: Vec<String> =
            balances(&ran.json(), "token_address").into_iter().map(|row| row.1).collect();
        tokens.dedup();
        tokens
    };
    let dropped = shell.run("snapshot log.parquet --at 9 --nfts drop --format json");
    let dropped = dropped.ok().says(&["token_address=apes: left out", "token_address=names: left out"]);
    assert_eq!(tokens(dropped), ["coupons", "points"]);
    let kept = shell.run("snapshot log.parquet --at 9 --nfts keep --only apes,coupons,points --format json");
    assert_eq!(tokens(kept), ["apes", "coupons", "points"]);
    // cryo names the column of ids, in files that are otherwise the same.
    shell.parquet(
        "erc721.parquet",
        vec![
            ("block_number", numbers([1])),
            ("erc20", text(["apes"])),
            ("from_address", text([ZERO])),
            ("to_address", text(["0xaa"])),
            ("token_id_string", text(["7"])),
        ],
    );
    shell.run("snapshot erc721.parquet --at 9").fails(1, &["erc721.parquet", "`token_id_string`", "ERC-721"]);
    shell.run("snapshot erc721.parquet --at 9 --amount token_id_string").fails(1, &["ERC-721"]);
}

#[test]
fn what_is_refused() {
    let shell = Shell::new();
    let columns = |value: ArrayRef| {
        vec![
            ("block_number", numbers([1, 2])),
            ("token", text(["x", "x"])),
            ("from_address", text([ZERO, "0xaa"])),
            ("to_address", text(["0xaa", "0xbb"])),
            ("value", value),
        ]
    };
    shell.parquet("double.parquet", columns(Arc::new(Float64Array::from(vec![2.0, 1.0]))));
    shell.run("snapshot double.parquet --at 9").fails(1, &["double.parquet", "`value`", "53 bits"]);
    shell.parquet("fraction.parquet", columns(text(["2.50", "1.5"])));
    shell
        .run("snapshot fraction.parquet --at 9")
        .fails(1, &["`value`, row 1", "no whole number", "--amount"]);
    shell.parquet("negative.parquet", columns(text(["2", "-1"])));
    shell.run("snapshot negative.parquet --at 9").fails(1, &["`value`, row 2", "negative"]);
    shell.parquet("null.parquet", columns(Arc::new(UInt64Array::from(vec![Some(2), None]))));
    shell.run("snapshot null.parquet --at 9").fails(1, &["`value`, row 2", "no amount"]);
    shell.parquet("nulls.parquet", columns(Arc::new(NullArray::new(2))));
    shell.run("snapshot nulls.parquet --at 9").fails(1, &["`value` holds nothing but nulls", "--amount"]);
    // What comes later is not looked at.
    shell.run("snapshot null.parquet --at 2").ok();
    let numeric = Decimal128Array::from(vec![2_000_000_000, 1_000_000_000]).with_precision_and_scale(38, 9);
    shell.parquet("numeric.parquet", columns(Arc::new(numeric.unwrap())));
    let rows = shell.run("snapshot numeric.parquet --at 9 --format json").ok().json();
    assert_eq!(balances(&rows, "token").iter().map(|row| &row.3[..]).collect::<Vec<_>>(), ["1", "1"]);
    let mut nobody = columns(numbers([2, 1]));
    nobody[2].1 = Arc::new(arrow::array::StringArray::from(vec![None, Some("0xaa")]));
    shell.parquet("nobody.parquet", nobody);
    shell
        .run("snapshot nobody.parquet --at 9")
        .fails(1, &["`from_address`, row 1", "no owner", "zero address"]);
    let mut timed = columns(numbers([2, 1]));
    timed[0] = ("block_number", Arc::new(Float64Array::from(vec![1.0, 2.0])));
    shell.parquet("timed.parquet", timed);
    shell.run("snapshot timed.parquet --at 9").fails(1, &["`block_number`", "--block"]);
    shell.parquet("holders.parquet", vec![("address", text(["a"])), ("balance", numbers([1]))]);
    shell
        .run("snapshot holders.parquet --at 9")
        .fails(1, &["no transfer log", "--block", "address, balance"]);
    for (line, parts) in [
        ("snapshot numeric.parquet", &["--at"][..]),
        ("snapshot numeric.parquet --at soon", &["soon"]),
        ("snapshot numeric.parquet --at -1", &["-1"]),
        ("snapshot numeric.parquet --at 9 --only ,", &["--only"]),
        ("snapshot numeric.parquet --at 9 -o numeric.parquet --overwrite", &["is an input"]),
        ("generate --transfers 100 --rows 10 -o made", &["--rows"]),
    ] {
        shell.run(line).fails(2, parts);
    }
    // Columns by any name, and a log of one token.
    shell.parquet(
        "odd.parquet",
        vec![
            ("height", numbers([1, 2])),
            ("giver", Arc::new(BinaryArray::from_vec(vec![&[0; 20], &[7; 20]])) as ArrayRef),
            ("taker", Arc::new(BinaryArray::from_vec(vec![&[7; 20], &[8; 20]]))),
            ("quantity", numbers([9, 4])),
        ],
    );
    let line = "snapshot odd.parquet --at 3 --block height --from giver --to taker --amount quantity";
    let odd = shell.run(&format!("{line} -o built.parquet"));
    odd.ok().says(&["no column of tokens"]);
    let built = read(&shell.path("built.parquet"));
    assert_eq!(built.column_by_name("address").unwrap().as_binary::<i32>().value(0), [7; 20]);
    assert_eq!(shell.groups("built.parquet")[0]["total"], "9");
}

/// Two numbers packed into one id: small, middling and near 2^256. Whatever the files, none is taken for an amount.
#[test]
fn ids_of_every_size() {
    let shell = Shell::new();
    let mut rows: Vec<(u64, &str, String, String, String)> = vec![];
    for x in -5i64..5 {
        for y in 0..40u64 {
            let high =
                if x < 0 { format!("{}{:016x}", "f".repeat(16), x as u64) } else { format!("{x:032x}") };
            let (id, owner) = (format!("0x{high}{:032x}", y + 1), format!("0x{:040x}", y + 1));
            rows.push((1, "land", ZERO.into(), owner.clone(), id.clone()));
            rows.push((2, "land", owner, format!("0x{:040x}", 99), id));
        }
    }
    let rows: Vec<Row<'_>> = rows.iter().map(|r| (r.0, r.1, &r.2[..], &r.3[..], &r.4[..])).collect();
    for parts in [1, 2, 7] {
        for (part, rows) in rows.chunks(rows.len().div_ceil(parts)).enumerate() {
            log(&shell, &format!("{parts}/{part}.parquet"), rows);
        }
        for threads in [1, 4] {
            shell
                .run(&format!("snapshot {parts} --at 9 -j {threads}"))
                .fails(1, &["token_address=land", "ERC-721"]);
        }
    }
}

/// One token is one, however files name its column and write its address.
#[test]
fn one_token_by_several_names() {
    let shell = Shell::new();
    let (upper, lower) = ("0xABCD", "0xabcd");
    log(&shell, "in/a.parquet", &[(1, upper, ZERO, "0xaa", "47"), (1, lower, "0xaa", "0xbb", "7")]);
    shell.parquet(
        "in/b.parquet",
        vec![
            ("block_number", numbers([2])),
            ("erc20", Arc::new(BinaryArray::from_vec(vec![&[0xab, 0xcd]])) as ArrayRef),
            ("from_address", text(["0xaa"])),
            ("to_address", text(["0xbb"])),
            // An amount comes before a balance, and an exact column before a double.
            ("balance", numbers([500])),
            ("value_f64", Arc::new(Float64Array::from(vec![0.5]))),
            ("value", numbers([3])),
        ],
    );
    let rows = shell.run("snapshot in --at 9 --format json").ok().json();
    let expected = [("0xabcd", "0xaa", "37"), ("0xabcd", "0xbb", "10")];
    let found: Vec<_> = balances(&rows, "erc20").into_iter().map(|row| (row.1, row.2, row.3)).collect();
    let expected =
        expected.map(|(token, owner, amount)| (token.to_owned(), owner.to_owned(), amount.to_owned()));
    assert_eq!(found, expected);
    assert_eq!(shell.run("snapshot in --at 9 --only 0xAbCd --format json").ok().json().len(), 2);
    // A file that does not say which token it is of.
    shell.parquet(
        "in/c.parquet",
        vec![
            ("block_number", numbers([2])),
            ("from_address", text(["0xaa"])),
            ("to_address", text(["0xbb"])),
            ("value", numbers([3])),
        ],
    );
    shell.run("snapshot in --at 9").fails(1, &["c.parquet", "no column of tokens", "--token"]);
    shell.run("snapshot in/c.parquet --at 9 --only 0xabcd").fails(1, &["--only", "--token"]);
    // What does not count is not looked at.
    log(
        &shell,
        "late.parquet",
        &[(1, "x", ZERO, "0xaa", "5"), (9, "x", "0xaa", "0xbb", "lots"), (2, "y", "", "", "1e-9")],
    );
    let rows = shell.run("snapshot late.parquet --at 9 --only x --format json").ok().json();
    assert_eq!(rows.len(), 1);
    shell.run("snapshot late.parquet --at 10 --only x").fails(1, &["row 2", "lots"]);
}

/// A file whose footer says that all its blocks are later is not read: its pages may be anything.
#[test]
fn later_files_are_not_read() {
    let shell = Shell::new();
    log(&shell, "in/early.parquet", &[(1, "x", ZERO, "0xaa", "5")]);
    log(&shell, "in/late.parquet", &[(7, "x", "0xaa", "0xbb", "2"), (8, "x", "0xaa", "0xbb", "1")]);
    let path = shell.path("in/late.parquet");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4..60].fill(0xff);
    fs::write(&path, bytes).unwrap();
    assert_eq!(shell.run("snapshot in --at 7 --format json").ok().json().len(), 1);
    shell.run("snapshot in --at 8").fails(1, &["late.parquet", "damaged"]);
}
