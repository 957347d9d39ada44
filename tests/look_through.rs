//! Contracts looked through: pools, vaults and wrappers, with cycles, against a plain reference of the same rule.

use std::collections::BTreeMap;
use std::path::PathBuf;

use concentra::options::{Exclusion, Options, Owners, Top};
use num_bigint::BigUint;
use proptest::prelude::*;

use crate::shell::Shell;
use crate::support::{Folder, Table, analyze, options, texts, try_analyze, u64s};

/// What owners hold of an asset.
type Holders = BTreeMap<Vec<u8>, BigUint>;

/// An address as it is compared: tokens are 0x00 to 0x03, all others people.
fn address(owner: u8) -> String {
    format!("0x{owner:02x}")
}

/// The rule as it is written: all contracts at once in each round, floors, then one unit each to the largest fractions,
/// ties by owner; weights are those of the snapshot.
fn look_through(
    assets: &BTreeMap<u8, Holders>,
    snapshot: &BTreeMap<u8, Holders>,
    depth: u32,
) -> BTreeMap<u8, Holders> {
    let token = |owner: &[u8]| -> Option<&Holders> {
        let held = snapshot.get(&owner[0])?;
        (held.values().sum::<BigUint>() > BigUint::ZERO).then_some(held)
    };
    let mut out = BTreeMap::new();
    for (&asset, holders) in assets {
        let mut now = holders.clone();
        for _ in 0..depth {
            let mut next: Holders = BTreeMap::new();
            for (owner, amount) in &now {
                let Some(weights) = token(owner) else {
                    *next.entry(owner.clone()).or_default() += amount;
                    continue;
                };
                let total: BigUint = weights.values().sum();
                let mut left = amount.clone();
                let mut fractions = vec![];
                for (holder, weight) in weights {
                    let (share, fraction) = (amount * weight / &total, amount * weight % &total);
                    left -= &share;
                    *next.entry(holder.clone()).or_default() += share;
                    fractions.push((fraction, holder));
                }
                // The largest first; a stable sort keeps the order of owners among equal ones.
                fractions.sort_by(|a, b| b.0.cmp(&a.0));
                let units: usize = left.to_string().parse().unwrap();
                for (_, holder) in &fractions[..units] {
                    *next.get_mut(*holder).unwrap() += 1u8;
                }
            }
            now = next;
        }
        out.insert(asset, now);
    }
    out
}

fn write(folder: &Folder, name: &str, rows: &[(String, String, BigUint)]) -> PathBuf {
    let tokens: Vec<&String> = rows.iter().map(|row| &row.0).collect();
    let owners: Vec<&String> = rows.iter().map(|row| &row.1).collect();
    let amounts: Vec<String> = rows.iter().map(|row| row.2.to_string()).collect();
    let weeks: Vec<u64> = rows.iter().map(|_| 1).collect();
    let columns = [
        ("week", u64s(&weeks)),
        ("token", texts(&tokens)),
        ("owner", texts(&owners)),
        ("balance", texts(&amounts)),
    ];
    folder.write_row_groups(&format!("{name}.parquet"), &columns, 9)
}

/// Columns that only the one or the other has.
const COUNTED: [&str; 7] = [
    "n_rows",
    "n_merged",
    "n_zero",
    "n_excluded",
    "excluded_share",
    "looked_through_share",
    "n_looked_through",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn it_is_the_plain_rule(
        rows in prop::collection::vec((0u8..4, 0u8..10, 0u64..30), 1..50),
        scale in prop_oneof![Just(BigUint::from(1u8)), Just(BigUint::from(10u8).pow(25) + 7u8)],
        depth in 1u32..5,
        out in prop::collection::btree_set(0u8..10, 0..4),
    ) {
        let folder = Folder::new();
        let mut assets: BTreeMap<u8, Holders> = BTreeMap::new();
        for (asset, owner, value) in &rows {
            *assets.entry(*asset).or_default().entry(vec![*owner]).or_default() += &scale * *value;
        }
        let cells = |asset: u8, owner: &str, amount: BigUint| (address(asset), owner.to_owned(), amount);
        let all: Vec<_> = rows
            .iter()
            .map(|(asset, owner, value)| cells(*asset, &address(*owner).to_uppercase().replace('X', "x"), &scale * *value))
            .collect();
        // Who is left out and is no asset goes first, who is one after its balance was passed on.
        let before: BTreeMap<u8, Holders> = assets
            .iter()
            .map(|(&asset, holders)| {
                let stays = |owner: &u8| !out.contains(owner) || assets.contains_key(owner);
                let holders = holders.iter().filter(|(owner, _)| stays(&owner[0]));
                (asset, holders.map(|(owner, amount)| (owner.clone(), amount.clone())).collect())
            })
            .collect();
        let after = look_through(&before, &assets, depth);
        let mut rest = vec![];
        for (&asset, holders) in &after {
            let held = holders.iter().filter(|(owner, amount)| !out.contains(&owner[0]) && **amount > BigUint::ZERO);
            rest.extend(held.map(|(owner, amount)| cells(asset, &address(owner[0]), amount.clone())));
            // A group without holders has a row, too.
            rest.push(cells(asset, "nobody", BigUint::ZERO));
        }
        let names: String = out.iter().map(|owner| address(*owner) + "\n").collect();
        let list = folder.path().join("out.txt");
        std::fs::write(&list, names).unwrap();
        let at = |path: PathBuf| Options { paths: vec![path.to_str().unwrap().to_owned()], ..Options::default() };
        let looked = Options {
            owners: Owners::Merge,
            look_through: Some(depth),
            exclude: vec![Exclusion::List(list)],
            ..at(write(&folder, "all", &all))
        };
        let found = analyze(&looked);
        let expected = analyze(&at(write(&folder, "rest", &rest)));
        expected.assert_same(&found, &COUNTED, "looked through");
        // Cuts come after it.
        let top = Some(Top::Count(2));
        let cut = analyze(&Options { top_holders: top, ..looked.clone() });
        let counted = COUNTED.iter().chain(&["n_below"]).copied().collect::<Vec<_>>();
        let expected = analyze(&Options { top_holders: top, ..at(write(&folder, "rest", &rest)) });
        expected.assert_same(&cut, &counted, "looked through, then cut");
        // Every total is conserved to the unit.
        let total = |table: &Table, row: usize| table.text("total", row).unwrap();
        let (whole, kept) = (
            analyze(&Options { look_through: None, exclude: vec![], ..looked.clone() }),
            analyze(&Options { exclude: vec![], ..looked }),
        );
        for row in 0..whole.rows() {
            prop_assert_eq!(total(&whole, row), total(&kept, row));
        }
    }
}

/// A governance token held by a pool and by a vault that holds the pool's tokens, and two people beside them.
fn protocol(folder: &Folder) -> PathBuf {
    let rows = [
        ("0xaa", "0xp001", 600u64),
        ("0xaa", "0xbb", 300),
        ("0xaa", "ann", 100),
        ("0xbb", "0xcc", 50),
        ("0xbb", "ann", 25),
        ("0xbb", "bob", 25),
        ("0xcc", "bob", 9),
        ("0xcc", "cid", 1),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(token, owner, n)| ((*token).to_owned(), (*owner).to_owned(), (*n).into()))
        .collect();
    write(folder, "protocol", &rows)
}

#[test]
fn a_vault_of_pool_tokens() {
    let folder = Folder::new();
    let merged = Options { owners: Owners::Merge, ..options(&protocol(&folder)) };
    let plain = analyze(&merged);
    assert_eq!((plain.count("n_holders", 0), plain.number("max_share", 0)), (Some(3), Some(0.6)));
    let table = analyze(&Options { look_through: Some(8), ..merged.clone() });
    // Of the pool's 300, half go to the vault, of which nine tenths are bob's: 75 + 135; ann has 100 + 75, cid 15.
    assert_eq!(table.count("n_holders", 0), Some(4));
    assert_eq!(
        (table.number("top_1_share", 0), table.number("looked_through_share", 0)),
        (Some(0.6), Some(0.3))
    );
    assert_eq!((table.count("n_looked_through", 0), table.count("n_looked_through", 2)), (Some(2), Some(0)));
    // After one round the vault still has its half.
    let once = analyze(&Options { look_through: Some(1), ..merged });
    assert_eq!((once.count("n_holders", 0), once.number("looked_through_share", 0)), (Some(4), Some(0.15)));
}

/// Who is left out has its part of what the vault holds all the same: nobody else gets it.
#[test]
fn who_is_left_out_takes_its_part_along() {
    let folder = Folder::new();
    let list = folder.path().join("bob.txt");
    std::fs::write(&list, "bob\n").unwrap();
    let looked = Options {
        owners: Owners::Merge,
        look_through: Some(8),
        exclude: vec![Exclusion::List(list)],
        ..options(&protocol(&folder))
    };
    let table = analyze(&looked);
    // 210 of 1,000 are bob's by way of pool and vault.
    assert_eq!(
        (table.text("total", 0).as_deref(), table.number("excluded_share", 0)),
        (Some("790"), Some(0.21))
    );
    assert_eq!((table.count("n_excluded", 0), table.count("n_holders", 0)), (Some(1), Some(3)));
    // Ann has some of her own and some by way of the vault, and is one owner.
    let list = folder.path().join("ann.txt");
    std::fs::write(&list, "ann\n").unwrap();
    let table = analyze(&Options { exclude: vec![Exclusion::List(list)], ..looked.clone() });
    assert_eq!((table.count("n_excluded", 0), table.number("excluded_share", 0)), (Some(1), Some(0.175)));
    assert_eq!(table.number("looked_through_share", 0), Some(0.3));
    // A contract that is passed on is in the input, though it is not left out.
    let list = folder.path().join("vault.txt");
    std::fs::write(&list, "0xbb\n").unwrap();
    let warnings = try_analyze(&Options { exclude: vec![Exclusion::List(list)], ..looked }).unwrap().of_files;
    assert!(!warnings.iter().any(|warning| warning.contains("none of its")), "{warnings:?}");
}

/// Who had nothing may have something once contracts are looked through; and a minter's debt is no error where it is
/// left out.
#[test]
fn zeros_and_debts() {
    let folder = Folder::new();
    let columns = |amounts: &[&str]| {
        [
            ("token", texts(&["0xaa", "0xaa", "0xaa", "0xbb", "0xaa"])),
            ("owner", texts(&["bob", "0xbb", "cid", "bob", "0x00"])),
            ("balance", texts(amounts)),
        ]
    };
    let list = folder.path().join("mint.txt");
    std::fs::write(&list, "0x00\n").unwrap();
    let exclude = vec![Exclusion::List(list)];
    let path = folder.write("z.parquet", &columns(&["0", "100", "0", "1", "-1000"]));
    let looked = Options { owners: Owners::Merge, look_through: Some(8), exclude, ..options(&path) };
    let table = analyze(&looked);
    let count = |name: &str| table.count(name, 0).unwrap();
    assert_eq!([count("n_holders"), count("n_zero"), count("n_excluded"), count("n_negative")], [1, 1, 1, 0]);
    assert!(try_analyze(&Options { exclude: vec![], ..looked }).is_err(), "a debt of somebody who counts");
}

/// Doubles are shared out finer than they are written.
#[test]
fn doubles_are_divided() {
    let folder = Folder::new();
    let mut rows = vec![("T", "0xbb".to_owned(), 1000.0), ("T", "alice".to_owned(), 1000.0)];
    rows.extend((0..200).map(|i| ("0xbb", format!("lp{i}"), 1.0)));
    let columns = [
        ("token", texts(&rows.iter().map(|row| row.0).collect::<Vec<_>>())),
        ("owner", texts(&rows.iter().map(|row| row.1.clone()).collect::<Vec<_>>())),
        ("balance", crate::support::f64s(&rows.iter().map(|row| row.2).collect::<Vec<_>>())),
    ];
    let path = folder.write("d.parquet", &columns);
    let table = analyze(&Options { owners: Owners::Merge, look_through: Some(8), ..options(&path) });
    let row = table.find(&[("token", "T")]);
    assert_eq!((table.count("n_holders", row), table.number("median", row)), (Some(201), Some(5.0)));
    assert_eq!(
        (table.text("total", row).as_deref(), table.number("max_share", row)),
        (Some("2000"), Some(0.5))
    );
    let alone = folder.write(
        "alone.parquet",
        &[("token", texts(&["T"])), ("owner", texts(&["x"])), ("balance", u64s(&[1]))],
    );
    let options = Options { owners: Owners::Merge, look_through: Some(8), ..options(&alone) };
    assert!(try_analyze(&options).unwrap().warnings[0].contains("no owner is the asset of another group"));
}

#[test]
fn it_needs_assets_and_merges() {
    let shell = Shell::new();
    shell.parquet("h.parquet", vec![("owner", texts(&["a", "b"])), ("balance", u64s(&[1, 2]))]);
    shell.run("analyze h.parquet --look-through").fails(2, &["--look-through needs groups by asset"]);
    shell.run("analyze h.parquet --look-through --owners check").fails(2, &["--look-through merges owners"]);
    shell.run("analyze h.parquet --look-through --look-through-depth 0").fails(2, &["--look-through-depth"]);
    shell.parquet(
        "t.parquet",
        vec![
            ("token", texts(&["0xAA", "0xaa", "0xbb"])),
            ("owner", texts(&["x", "y", "0xaa"])),
            ("balance", u64s(&[1, 2, 3])),
        ],
    );
    shell.run("analyze t.parquet --look-through").fails(1, &["it is the same asset as group", "token=0xAA"]);
}

/// Ties are decided from what holders have after looking through.
#[test]
fn ties_after_looking_through() {
    let folder = Folder::new();
    let half: BigUint = "500000000000000000000000001".parse().unwrap();
    let cells =
        |token: &str, owner: &str, amount: &BigUint| (token.to_owned(), owner.to_owned(), amount.clone());
    let rows = [cells("0xaa", "0xbb", &half), cells("0xaa", "ann", &half), cells("0xbb", "bob", &7u8.into())];
    let options =
        Options { owners: Owners::Merge, look_through: Some(3), ..options(&write(&folder, "t", &rows)) };
    let table = analyze(&options);
    assert_eq!((table.count("n_holders", 0), table.count("nakamoto_1_2", 0)), (Some(2), Some(2)));
    assert!(try_analyze(&options).unwrap().ties > 0);
}
