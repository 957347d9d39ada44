//! Cohorts: the published decomposition, sums on random data, and the table of what each cohort has.

use std::collections::BTreeMap;

use concentra::options::{Options, Owners};
use proptest::prelude::*;

use crate::shell::{Shell, numbers, text};
use crate::support::{Folder, Table, analyze, analyze_everywhere, options, texts, try_analyze, u64s};

/// Per-capita product of the states of Mexico in 1940, and their regions (PySAL, inequality).
const MEXICO: [u64; 32] = [
    10384, 22361, 9573, 3758, 2934, 8578, 8537, 6909, 17816, 12132, 4359, 2181, 4414, 5309, 3408, 3327, 6936,
    4836, 9073, 1892, 3569, 11016, 21965, 4372, 4840, 6399, 2459, 7508, 3605, 5203, 7990, 3734,
];
const REGIONS: [u64; 32] =
    [2, 1, 2, 5, 5, 1, 1, 3, 4, 2, 3, 5, 3, 3, 4, 3, 3, 2, 1, 5, 3, 3, 5, 2, 2, 1, 5, 1, 3, 3, 5, 2];

#[test]
fn mexico_1940() {
    let folder = Folder::new();
    let states: Vec<String> = (0..32).map(|state| format!("state{state}")).collect();
    let held = folder.write("states.parquet", &[("owner", texts(&states)), ("balance", u64s(&MEXICO))]);
    let cohorts = folder.write("regions.parquet", &[("owner", texts(&states)), ("region", u64s(&REGIONS))]);
    let table = analyze_everywhere(&Options { cohorts: Some((cohorts, "region".into())), ..options(&held) });
    // Logarithms are promised to 1e-9; what lies between needs only five of them.
    let near = |name: &str, published: f64, within: f64| {
        let found = table.number(name, 0).unwrap();
        assert!((found - published).abs() < within, "{name}: {found}, not {published}");
    };
    near("theil_t_between", 0.034_588_900_046_704_08, 1e-14);
    near("theil_t_within", 0.174_354_542_256_881_88, 1e-9);
    near("theil_t", 0.208_943_442_303_585_97, 1e-9);
    assert_eq!(table.count("n_cohorts", 0), Some(5));
}

fn parts_add_up(table: &Table) {
    for row in 0..table.rows() {
        for theil in ["theil_t", "theil_l"] {
            let part = |name: String| table.number(&name, row);
            let sum =
                part(format!("{theil}_between")).zip(part(format!("{theil}_within"))).map(|(a, b)| a + b);
            let whole = table.number(theil, row);
            assert_eq!(sum.is_some(), whole.is_some());
            if let (Some(sum), Some(whole)) = (sum, whole) {
                assert!((sum - whole).abs() <= 1e-12, "{theil}: {sum} and {whole}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn decompositions_add_up(
        rows in prop::collection::vec((0u8..3, 0u8..15, 0u64..1_000_000_000), 1..80),
        of in prop::collection::vec(prop::option::of(0u8..4), 15),
        merge in any::<bool>(),
        scale in prop_oneof![Just(""), Just("000000000000000001")],
    ) {
        let folder = Folder::new();
        let tokens: Vec<String> = rows.iter().map(|row| format!("t{}", row.0)).collect();
        let owners: Vec<String> = rows.iter().map(|row| format!("0xA{:x}", row.1)).collect();
        let amounts: Vec<String> = rows.iter().map(|row| if row.2 == 0 { "0".into() } else { format!("{}{scale}", row.2) }).collect();
        let path = folder.write_row_groups("h.parquet", &[
            ("token", texts(&tokens)), ("owner", texts(&owners)), ("balance", texts(&amounts)),
        ], 11);
        let list: String = of
            .iter()
            .enumerate()
            .filter_map(|(owner, cohort)| Some(format!("0Xa{owner:X},c{}\n", (*cohort)?)))
            .collect();
        let cohorts = folder.path().join("cohorts.csv");
        std::fs::write(&cohorts, format!("address,cohort\n{list}")).unwrap();
        let owners = if merge { Owners::Merge } else { Owners::Trust };
        let wanted = Options { cohorts: Some((cohorts, "cohort".into())), owners, ..options(&path) };
        let table = analyze(&wanted);
        parts_add_up(&table);

        // What each cohort has is what a file of its owners alone has.
        let of_cohorts = Table(try_analyze(&wanted).unwrap().cohorts.unwrap().table().unwrap());
        let mut holders: BTreeMap<(String, Option<String>), u64> = BTreeMap::new();
        for row in 0..of_cohorts.rows() {
            let key = (of_cohorts.text("token", row).unwrap(), of_cohorts.text("cohort", row));
            assert!(holders.insert(key, of_cohorts.count("n_holders", row).unwrap()).is_none());
        }
        for row in 0..table.rows() {
            let token = table.text("token", row).unwrap();
            let own: Vec<_> = holders.iter().filter(|(key, _)| key.0 == token).collect();
            prop_assert_eq!(own.iter().map(|(_, n)| **n).sum::<u64>(), table.count("n_holders", row).unwrap());
            prop_assert_eq!(table.count("n_cohorts", row).unwrap_or(0), own.len() as u64);
        }
    }
}

#[test]
fn a_table_of_what_cohorts_have() {
    let shell = Shell::new();
    let owners = ["0xaa", "0xbb", "0xcc", "0xdd"];
    shell.parquet("h.parquet", vec![("owner", text(owners)), ("balance", numbers([60, 20, 15, 5]))]);
    shell.file("c.csv", "address,cohort,other\n0xAA,team,x\n0xBB,investors,y\n0xCC,investors,\n");
    let line = "analyze h.parquet --snapshot none --metrics theil_t --cohorts c.csv --format json";
    let ran = shell.run(&format!("{line} --cohort-table t.json")).ok();
    let row = &ran.says(&["3 cohorts written to t.json"]).json()[0];
    assert_eq!(row["n_cohorts"], 3);
    let table: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(shell.path("t.json")).unwrap()).unwrap();
    let expected =
        serde_json::json!([["investors", 2, "35", 0.35], ["team", 1, "60", 0.6], [null, 1, "5", 0.05],]);
    let found: Vec<_> = table
        .as_array()
        .unwrap()
        .iter()
        .map(|row| serde_json::json!([row["cohort"], row["n_holders"], row["total"], row["share"]]))
        .collect();
    assert_eq!(serde_json::Value::from(found), expected);
    let other = shell.run(&format!("{line} --cohort-column other")).ok().json();
    assert_eq!(other[0]["n_cohorts"], 3);

    shell.run(&format!("{line} --cohort-column nothing")).fails(1, &["c.csv", "nothing"]);
    shell.run(&format!("{line} --entities")).fails(2, &["--entities", "--cohorts"]);
    shell.run("analyze h.parquet --cohort-table t.csv").fails(2, &["--cohort-table needs --cohorts"]);
    shell.run(&format!("{line} --cohort-table c.csv --overwrite")).fails(2, &["is an input"]);
    shell.parquet("none.parquet", vec![("balance", numbers([3, 2]))]);
    shell.run("analyze none.parquet --cohorts c.csv").fails(1, &["none.parquet", "--cohorts", "--owner"]);
    shell.parquet(
        "taken.parquet",
        vec![("cohort", text(["a"])), ("owner", text(["0xaa"])), ("balance", numbers([3]))],
    );
    shell.run("analyze taken.parquet --by cohort --cohorts c.csv").fails(2, &["`cohort`", "--by"]);
    shell.run("analyze h.parquet --cohort-column other").fails(2, &["--cohort-column needs --cohorts"]);
    shell.file("d.csv", "address,cohort\n0xAA,team\n0xaa,investors\n");
    shell.run("analyze h.parquet --cohorts d.csv").fails(1, &["d.csv", "0xaa", "two cohorts", "`team`"]);
    shell.file("e.csv", "address,cohort\n0x99,team\n");
    shell.run("analyze h.parquet --cohorts e.csv").ok().says(&["no holder is in the file of cohorts"]);
}
