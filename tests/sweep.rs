//! Sweeps: every row is what a separate analysis gives, and what is left of groups is as if nothing else had been there.

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use clap::Parser;
use concentra::backend::Backend;
use concentra::cli::{Cli, Command};
use concentra::cpu::Cpu;
use concentra::engine::{self, Batch, Floor, Kept, Tails};
use concentra::ingest::Context;
use concentra::metrics;
use concentra::moments::{Ask, Needs, Total};
use concentra::numbers::key::{self, Key};
use concentra::options::Options;
use concentra::options::grid::Grid;
use concentra::progress::Progress;
use concentra::record::Recorder;
use concentra::sweep::{self, SETTINGS, Sweep};
use proptest::prelude::*;

use crate::random::Random;
use crate::shell::Shell;
use crate::support::{Folder, Table, analyze, f64s, real_data, texts, u64s};

fn command(line: &[&str]) -> Command {
    let words = ["concentra"].iter().chain(line).copied();
    Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line:?}: {error}")).command
}

fn grid(line: &[&str]) -> Grid {
    let Command::Sweep(args) = command(&[&["sweep"], line].concat()) else { unreachable!() };
    args.grid().unwrap()
}

fn options(line: &[&str]) -> Options {
    let Command::Analyze(args) = command(&[&["analyze"], line].concat()) else { unreachable!() };
    args.options().unwrap()
}

fn sweep(grid: &Grid) -> Sweep {
    let (recorder, progress) = (Recorder::default(), Progress::hidden());
    let context = Context { recorder: &recorder, interrupted: &|| false, progress: &progress };
    sweep::sweep(grid, &context).unwrap_or_else(|error| panic!("{error}"))
}

/// Rows of a table, without the columns of settings.
fn of_setting(table: &RecordBatch, setting: usize, settings: usize) -> Table {
    let rows: UInt64Array =
        (setting..table.num_rows()).step_by(settings).map(|row| row as u64).collect::<Vec<_>>().into();
    let rows = take_record_batch(table, &rows).unwrap();
    let kept: Vec<usize> = (0..rows.num_columns())
        .filter(|&i| !SETTINGS.contains(&&rows.schema().field(i).name()[..]))
        .collect();
    let provenance = rows.project(&kept).unwrap();
    Table(provenance)
}

/// What `analyze` is told for the setting of a row.
fn flags(table: &Table, row: usize) -> Vec<String> {
    let text = |name: &str| table.text(name, row).unwrap();
    let mut flags = vec![];
    let mut say = |flag: &str, value: String, unless: &str| {
        if value != unless {
            flags.extend([flag.to_owned(), value]);
        }
    };
    say("--exclude", text("exclude").replace('+', ","), "none");
    say("--min-amount", text("min_amount"), "0");
    say("--min-value", text("min_value"), "0");
    say("--top-holders", text("top_holders"), "all");
    if text("min_value") != "0" {
        flags.extend(["--price".into(), "price".into()]);
    }
    flags.extend((text("entities") == "true").then(|| "--entities".to_owned()));
    flags.extend((text("look_through") == "true").then(|| "--look-through".to_owned()));
    flags
}

/// Every row of a sweep equals the separate run; tells how many settings there were.
fn assert_is_separate_runs(path: &str, common: &[&str], axes: &[&str], devices: &[&str]) -> usize {
    let mut first: Option<Table> = None;
    for device in devices {
        let on = ["--device", device];
        let swept = sweep(&grid(&[&[path], common, axes, &on[..]].concat()));
        let table = Table(swept.results.table().unwrap());
        let settings = swept.settings;
        if let Some(first) = &first {
            first.assert_same(&table, &["backend", "adapter", "backend_note"], device);
            continue;
        }
        for setting in 0..settings {
            let flags = flags(&table, setting);
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let without_price: Vec<&str> =
                common.iter().copied().filter(|&w| !["--price", "price"].contains(&w)).collect();
            let expected = analyze(&options(&[&[path][..], &without_price, &flags].concat()));
            let found = of_setting(&table.0, setting, settings);
            expected.assert_same(&found, &["backend", "adapter", "backend_note"], &flags.join(" "));
        }
        first = Some(table);
    }
    first.unwrap().rows()
}

/// The CPU, then every adapter.
fn devices() -> Vec<String> {
    #[cfg_attr(not(feature = "gpu"), expect(unused_mut, reason = "this build knows no adapters"))]
    let mut devices = vec!["cpu".to_owned()];
    #[cfg(feature = "gpu")]
    devices.extend(crate::devices::tested().iter().map(|adapter| adapter.name().to_owned()));
    devices
}

/// Rows of tokens that hold each other, of people, of an exchange's wallets and of a burn address.
fn write(folder: &Folder, kind: u8, rows: &[(u8, u8, u64)]) -> String {
    let address = |owner: u8| match owner {
        11 => "0x0000000000000000000000000000000000000000".to_owned(),
        _ => format!("0x{owner:02x}"),
    };
    let tokens: Vec<String> = rows.iter().map(|row| address(row.0)).collect();
    let owners: Vec<String> = rows.iter().map(|row| address(row.1)).collect();
    let values = || rows.iter().map(|row| row.2);
    let balance = match kind {
        0 => u64s(&values().collect::<Vec<_>>()),
        1 => texts(&values().map(|v| format!("{}.{}", v / 8, v % 8)).collect::<Vec<_>>()),
        2 => f64s(&values().map(|v| v as f64 * 0.3).collect::<Vec<_>>()),
        // Doubles that span more than 255 bits: what is below their unit is cut off.
        5 => f64s(
            &values().map(|v| v as f64 * if v % 5 == 0 { 2f64.powi(205) } else { 0.3 }).collect::<Vec<_>>(),
        ),
        3 => texts(&values().map(|v| format!("{v}000000000000000000001")).collect::<Vec<_>>()),
        _ => texts(
            &values()
                .map(|v| format!("{}{v:04}00000000000000000000000000000000000000003", v % 3))
                .collect::<Vec<_>>(),
        ),
    };
    let price = f64s(&rows.iter().map(|row| 0.5 + f64::from(row.0)).collect::<Vec<_>>());
    let week = u64s(&rows.iter().map(|_| 7).collect::<Vec<_>>());
    let columns = [
        ("week", week),
        ("token", texts(&tokens)),
        ("owner", texts(&owners)),
        ("balance", balance),
        ("price", price),
    ];
    let path = folder.write_row_groups("rows.parquet", &columns, 13);
    std::fs::write(
        folder.path().join("labels.csv"),
        "address,entity,labels\n0x04,Binance,exchange\n0x05,Binance,exchange\n0x06,Kraken,exchange\n0x07,,team\n",
    )
    .unwrap();
    path.to_str().unwrap().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_row_is_the_separate_run(
        kind in 0u8..6,
        rows in prop::collection::vec((0u8..3, 0u8..12, 0u64..3000), 1..80),
        merge in any::<bool>(),
    ) {
        let folder = Folder::new();
        let path = write(&folder, kind, &rows);
        let labels = folder.path().join("labels.csv");
        let owners = if merge { "merge" } else { "trust" };
        let common = ["--labels", labels.to_str().unwrap(), "--owners", owners, "--price", "price"];
        let axes = [
            "--exclude", "none,burn+label:exchange,entity:Kraken", "--entities", "off,on", "--look-through", "off,on",
            "--min-amount", "0,100", "--min-value", "0,150.5", "--top-holders", "all,3,50%,1000",
        ];
        if kind == 5 {
            // One owner's sum of such doubles may be beyond 256 bits: nobody is merged.
            let common = ["--price", "price"];
            assert_is_separate_runs(&path, &common, &[&["--exclude", "none,burn"], &axes[6..]].concat(), &["cpu"]);
        } else {
            assert_is_separate_runs(&path, &common, &axes, &["cpu"]);
        }
    }
}

#[test]
fn every_device_gives_the_same_rows() {
    let folder = Folder::new();
    let mut random = Random(7);
    for kind in [0, 3, 4] {
        let rows: Vec<(u8, u8, u64)> = (0..3000)
            .map(|_| ((random.next() % 3) as u8, (random.next() % 12) as u8, random.next() % 1000))
            .collect();
        let path = write(&folder, kind, &rows);
        let devices = devices();
        let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
        let axes = ["--exclude", "none,burn", "--min-amount", "0,250", "--top-holders", "all,1,1000,10%"];
        assert_is_separate_runs(&path, &[], &axes, &devices);
    }
}

#[test]
fn real_holders_are_swept_as_they_are_analyzed() {
    let Some(folder) = real_data("real_holders_are_swept_as_they_are_analyzed") else { return };
    let path = folder.join("holders");
    let axes = ["--top-holders", "all,1000,100,10%", "--min-amount", "0,1000000000000000000"];
    let devices = devices();
    let devices: Vec<&str> =
        devices.iter().map(String::as_str).filter(|name| !name.contains("SwiftShader")).collect();
    let rows = assert_is_separate_runs(path.to_str().unwrap(), &[], &axes, &devices);
    assert_eq!(rows, 4 * 8);
}

/// Measures what is left of groups at these floors, the larger groups in value ranges.
fn measure<B: Backend>(backend: &B, groups: &[Vec<Key>], floors: &[Floor], largest: usize) -> Vec<Kept> {
    let catalog = metrics::catalog(&Default::default());
    let asks: Vec<&Ask> = catalog.iter().flat_map(|m| &m.asks).collect();
    let totals = vec![Total::default(); groups.len()];
    let mut keys = groups.concat();
    let mut offsets = vec![0];
    offsets.extend(groups.iter().scan(0, |sum, keys| {
        *sum += keys.len();
        Some(*sum)
    }));
    let (offsets, ranges) = engine::cut(&mut keys, &offsets, largest);
    let batch =
        Batch { index: 0, first: 0, keys: &mut keys, offsets: &offsets, ranges: &ranges, totals: &totals };
    let tails = Tails {
        settings: floors.len(),
        floor: &|group, setting| match floors[setting] {
            Floor::Rank(rank) => Floor::Rank(rank.min(groups[group].len() as u64)),
            key @ Floor::Key(_) => key,
        },
        // Every other setting keeps a part of those above its key.
        kept: &|setting, n| if setting % 2 == 0 { n } else { n.div_ceil(3) },
        total: &|_, _, amount| Total { amount, exact: true },
    };
    engine::measure_tails(backend, batch, Needs::ALL, &asks, &tails, &Recorder::default()).unwrap()
}

/// The same from the keys that are left, each a group of its own.
fn expected(groups: &[Vec<Key>], kept: &[Kept], settings: usize) -> Vec<Kept> {
    let catalog = metrics::catalog(&Default::default());
    let asks: Vec<&Ask> = catalog.iter().flat_map(|m| &m.asks).collect();
    kept.iter()
        .enumerate()
        .map(|(i, kept)| {
            let mut keys = groups[i / settings].clone();
            keys.sort_unstable();
            let mut keys = keys.split_off(kept.cut as usize);
            let total = Total { amount: key::sum(&keys), exact: true };
            let offsets = [0, keys.len()];
            let batch = Batch {
                index: 0,
                first: 0,
                keys: &mut keys,
                offsets: &offsets,
                ranges: &[0, 1],
                totals: &[total],
            };
            let measured = engine::measure(&Cpu, batch, Needs::ALL, &asks, &Recorder::default()).unwrap();
            Kept { cut: kept.cut, total, measured: measured.into_iter().next().unwrap() }
        })
        .collect()
}

#[test]
fn what_is_left_is_a_group_of_its_own() {
    let mut random = Random(3);
    for (lengths, bits) in [(&[1usize, 0, 5, 300][..], 12), (&[20_000, 4096, 4097], 40), (&[9000, 70], 60)] {
        let groups: Vec<Vec<Key>> =
            lengths.iter().map(|&n| (0..n).map(|_| random.key(bits)).collect()).collect();
        let mut all = groups.concat();
        all.sort_unstable();
        let key = |at: usize| all.get(at).copied().unwrap_or(1);
        let floors = [
            Floor::Key(0),
            Floor::Key(1),
            Floor::Key(key(all.len() / 2)),
            Floor::Key(key(all.len() / 2) + 1),
            Floor::Key(key(all.len() - 1)),
            Floor::Key(Key::MAX),
            Floor::Rank(0),
            Floor::Rank(1),
            Floor::Rank(4096),
            Floor::Rank(8191),
            Floor::Rank(u64::MAX),
        ];
        let found = measure(&Cpu, &groups, &floors, usize::MAX);
        assert_eq!(found, expected(&groups, &found, floors.len()), "{lengths:?}");
        let above = |at: usize, least: Key| groups[at].iter().filter(|&&key| key >= least).count() as u64;
        for (i, kept) in found.iter().enumerate() {
            let (group, setting) = (i / floors.len(), i % floors.len());
            if let Floor::Key(least) = floors[setting] {
                let above = above(group, least);
                let left = if setting % 2 == 0 { above } else { above.div_ceil(3) };
                assert_eq!(kept.cut, groups[group].len() as u64 - left);
            }
        }
        for largest in [7000, 1000, 64] {
            assert_eq!(measure(&Cpu, &groups, &floors, largest), found, "{lengths:?} in ranges of {largest}");
        }
        #[cfg(feature = "gpu")]
        for adapter in crate::devices::tested() {
            let gpu = concentra::gpu::Gpu::open(&adapter, Default::default()).unwrap();
            for largest in [gpu.largest_segment(), 5000] {
                let on_device = measure(&gpu, &groups, &floors, largest);
                assert_eq!(on_device, found, "{lengths:?} on {} in ranges of {largest}", adapter.name());
            }
        }
    }
}

#[cfg(feature = "gpu")]
#[test]
fn cuts_leave_keys_on_the_device() {
    let mut random = Random(5);
    let groups = vec![(0..20_000).map(|_| random.key(40)).collect::<Vec<Key>>()];
    let floors: Vec<Floor> = (0..100).map(|i| Floor::Rank(i * 190)).collect();
    for adapter in crate::devices::tested() {
        let gpu = concentra::gpu::Gpu::open(&adapter, Default::default()).unwrap();
        let uploaded = |floors: &[Floor]| {
            gpu.take_counters();
            measure(&gpu, &groups, floors, gpu.largest_segment());
            let counters = gpu.take_counters();
            (counters.loads, counters.key_passes, counters.large_keys, counters.uploaded)
        };
        let (one, all) = (uploaded(&floors[..1]), uploaded(&floors));
        assert_eq!((one.0, one.1, one.2), (all.0, all.1, all.2), "sorted once on {}", adapter.name());
        // What a hundred cuts ask is less than their keys, which go up once.
        assert!(all.3 - one.3 < 8 * 20_000, "{} and {} bytes", one.3, all.3);
    }
}

#[test]
fn the_summary_tells_how_far_metrics_move() {
    let shell = Shell::new();
    let owners: Vec<String> = (1..=6).map(|i| format!("0x{i:02x}")).collect();
    shell.parquet(
        "a.parquet",
        vec![
            ("token", crate::shell::text(["x", "x", "x", "x", "y", "y"])),
            ("owner", crate::shell::text(owners.iter().map(String::as_str))),
            ("balance", crate::shell::numbers([1, 1, 2, 4, 7, 7])),
        ],
    );
    let line =
        "sweep a.parquet --top-holders all,2 --min-amount 0,2,5 --metrics max_share,nakamoto_1_2,lorenz";
    let ran = shell.run(&format!("{line} --summary s.json -o all.json")).ok();
    ran.says(&["4 rows written to s.json", "12 rows written to all.json"]);
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(shell.path(name)).unwrap()).unwrap()
    };
    let summary = read("s.json");
    let row = |at: usize| summary.as_array().unwrap()[at].clone();
    let expected = serde_json::json!({
        "snapshot": "a", "token": "x", "metric": "max_share", "n_settings": 4,
        "min": 0.5, "max": 4.0 / 6.0, "range": 4.0 / 6.0 - 0.5,
        "min_at": "no option", "max_at": "--top-holders 2",
    });
    assert_eq!(row(0), expected);
    assert_eq!(
        (&row(3)["metric"], &row(3)["n_settings"], &row(3)["range"]),
        (&"nakamoto_1_2".into(), &6.into(), &0.0.into())
    );
    // In the last two settings of x nobody is left.
    let all = read("all.json");
    let last = &all.as_array().unwrap()[5];
    assert_eq!(
        (&last["n_holders"], &last["n_below"], &last["max_share"]),
        (&0.into(), &4.into(), &serde_json::Value::Null)
    );
    assert_eq!(
        (&last["min_amount"], &last["top_holders"], &last["entities"]),
        (&"5".into(), &"2".into(), &false.into())
    );
}

#[test]
fn wrong_grids_are_refused() {
    let shell = Shell::with_holders();
    let refused: [(&str, &[&str]); 13] = [
        ("--top-holders all,10%,10.0%", &["--top-holders", "10.0% says the same as 10%"]),
        ("--min-amount 0,1,1.0", &["--min-amount", "1.0 says the same as 1"]),
        ("--top-holders 10,some", &["--top-holders some", "1000"]),
        ("--min-amount 0,-1", &["--min-amount -1"]),
        ("--min-value 0,5", &["--min-value needs --price"]),
        ("--price 2", &["--price is for --min-value"]),
        ("--entities off,on --owners check", &["--entities merges owners"]),
        ("--exclude none,burn+contracts,contracts+burn", &["--exclude", "says the same"]),
        ("--exclude none+burn", &["--exclude none+burn", "none alone"]),
        ("--top-holders 10,ALL", &["--top-holders ALL", "all"]),
        ("--format csv --summary -", &["--summary", "another file"]),
        ("--exclude none,label:x", &["label:x", "--labels"]),
        ("-o a.parquet --summary ./a.parquet", &["--summary", "another file"]),
    ];
    for (flags, parts) in refused {
        shell.run(&format!("sweep h.parquet {flags}")).fails(2, parts);
    }
    shell.run("sweep h.parquet --exclude none,missing.txt").fails(1, &["missing.txt"]);
    shell.run("sweep h.parquet -o h.parquet --overwrite").fails(2, &["is an input"]);
    shell.run("sweep h.parquet --summary h.parquet --overwrite").fails(2, &["is an input"]);
    let many = (1..=200).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    let many = format!("sweep h.parquet --min-amount {many} --top-holders {many}");
    shell.run(&many).fails(2, &["40000 settings", "10000"]);
    let columns = vec![("range", crate::shell::text(["a"])), ("balance", crate::shell::numbers([1]))];
    let clashing = shell.parquet("r.parquet", columns);
    shell.run("sweep r.parquet --by range --summary s.csv").fails(2, &["`range`", "--by"]);
    std::fs::remove_file(clashing).unwrap();
    // Nothing of two files where one cannot be written.
    shell.run("sweep h.parquet -o /dev/full --format csv --summary s.csv").fails(1, &["No space left"]);
    assert_eq!(shell.everything(), ["h.parquet"]);
}

#[test]
fn lists_of_owners_may_come_from_a_pipe_and_provenance_says_who_was_counted() {
    let shell = Shell::with_holders();
    let script = format!(
        "{} sweep h.parquet --exclude none,/dev/stdin -q --format csv --metrics gini",
        env!("CARGO_BIN_EXE_concentra")
    );
    let mut command = std::process::Command::new("sh");
    command.current_dir(shell.path("")).args(["-c", &format!("echo 0xBB | {script}")]);
    let out = command.output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let excluded = |row: usize| text.lines().nth(row).unwrap().split(',').nth(11).unwrap().to_owned();
    assert_eq!(
        (excluded(0), excluded(1), excluded(2)),
        ("n_excluded".into(), "0".into(), "1".into()),
        "{text}"
    );

    let said = |flags: &str| {
        shell.run(&format!("sweep h.parquet --overwrite -o s.parquet {flags}")).ok();
        let file = std::fs::File::open(shell.path("s.parquet")).unwrap();
        let reader = parquet::file::reader::SerializedFileReader::new(file).unwrap();
        let footer = parquet::file::reader::FileReader::metadata(&reader).file_metadata();
        let entries = footer.key_value_metadata().unwrap();
        let entry = entries.iter().find(|entry| entry.key == "concentra.sweep").unwrap();
        serde_json::from_str::<serde_json::Value>(entry.value.as_ref().unwrap()).unwrap()
    };
    let merged = said("--owners merge --min-value 0,3 --price 2 --exclude none,burn");
    assert_eq!(merged["axes"]["price"], "2e-0");
    assert_eq!(merged["axes"]["exclude"], serde_json::json!(["none", "burn"]));
    assert_eq!(merged["populations"][1]["exclude"], "burn");
    assert_eq!(merged["populations"][1]["owners"], "merge");
    assert_eq!(merged["populations"][1]["exclude-known"][0]["owners"], 9);
}
