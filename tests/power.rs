//! Voting power: the published games exactly, estimates around them, real votes, and the command from the outside.

use clap::Parser;
use concentra::cli::{Cli, Command};
use concentra::games::Game;
use concentra::games::sample::{Counts, estimate, sample};
use concentra::ingest::Context;
use concentra::numbers::wide::U320;
use concentra::power::{Powers, power};
use concentra::progress::Progress;
use concentra::record::Recorder;
use ruint::aliases::U256;

use crate::shell::{Shell, numbers, text};
use crate::support::{Table, real_data};

fn game(quota: u64, weights: &[u64]) -> Game {
    let mut weights: Vec<U256> = weights.iter().map(|&weight| U256::from(weight)).collect();
    weights.sort_unstable_by(|a, b| b.cmp(a));
    Game::new(&weights, &U320::from(quota))
}

fn eu27() -> Game {
    let groups = [(29, 4), (27, 2), (14, 1), (13, 1), (12, 5), (10, 3), (7, 5), (4, 5), (3, 1)];
    let weights: Vec<u64> = groups.iter().flat_map(|&(weight, n)| std::iter::repeat_n(weight, n)).collect();
    assert_eq!((weights.len(), weights.iter().sum::<u64>()), (27, 345));
    game(255, &weights)
}

/// A published game: voters and their absolute, normalised and Shapley–Shubik indices.
type Published = (Game, &'static [(usize, [f64; 3])], f64);

fn published() -> Vec<Published> {
    let half = 0.5;
    let third = 1.0 / 3.0;
    vec![
        (
            game(12, &[4, 4, 4, 2, 2, 1]),
            &[
                (0, [5.0 / 16.0, 5.0 / 21.0, 7.0 / 30.0]),
                (3, [3.0 / 16.0, 1.0 / 7.0, 3.0 / 20.0]),
                (5, [0.0; 3]),
            ],
            1e-15,
        ),
        (
            game(39, &[7, 7, 7, 7, 7, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
            &[
                (0, [53.0 / 1024.0, 106.0 / 635.0, 421.0 / 2145.0]),
                (14, [21.0 / 4096.0, 21.0 / 1270.0, 4.0 / 2145.0]),
            ],
            1e-15,
        ),
        (
            game(6, &[4, 3, 2, 1]),
            &[
                (0, [5.0 / 8.0, 5.0 / 12.0, 5.0 / 12.0]),
                (2, [3.0 / 8.0, 0.25, 0.25]),
                (3, [0.125, 1.0 / 12.0, 1.0 / 12.0]),
            ],
            1e-15,
        ),
        (game(4, &[3, 2, 1]), &[(0, [0.75, 0.6, 2.0 / 3.0]), (2, [0.25, 0.2, 1.0 / 6.0])], 1e-15),
        (game(51, &[50, 49, 1]), &[(0, [0.75, 0.6, 2.0 / 3.0]), (2, [0.25, 0.2, 1.0 / 6.0])], 1e-15),
        (
            game(16, &[9, 9, 7, 3, 1, 1]),
            Box::leak(Box::new([(0, [half, third, third]), (2, [half, third, third]), (3, [0.0; 3])])),
            1e-15,
        ),
        (
            eu27(),
            &[
                (0, [0.0326881409, 0.0778269598, 0.0867377481]),
                (4, [0.0311639905, 0.0741981212, 0.0799745846]),
                (6, [0.0178889036, 0.0425915622, 0.0399366434]),
                (7, [0.0166913569, 0.0397403318, 0.0368250460]),
                (26, [0.0039572716, 0.0094218395, 0.0081776857]),
            ],
            1e-10,
        ),
        (
            game(36, &[1; 70]),
            Box::leak(Box::new([
                (0, [0.0950254735, 1.0 / 70.0, 1.0 / 70.0]),
                (69, [0.0950254735, 1.0 / 70.0, 1.0 / 70.0]),
            ])),
            1e-6,
        ),
    ]
}

#[test]
fn published_games_are_exact() {
    for (game, voters, tolerance) in published() {
        let indices = game.exact(true).unwrap();
        for &(voter, [banzhaf, normalized, shapley_shubik]) in voters {
            let power = indices.powers[voter];
            for (found, exact) in [
                (power.banzhaf, banzhaf),
                (power.banzhaf_normalized.unwrap(), normalized),
                (power.shapley_shubik, shapley_shubik),
            ] {
                assert!((found - exact).abs() <= tolerance, "{game:?}: voter {voter}: {found}, not {exact}");
            }
        }
        let sum = |of: fn(&concentra::games::Power) -> f64| indices.powers.iter().map(of).sum::<f64>();
        assert!((sum(|p| p.banzhaf_normalized.unwrap()) - 1.0).abs() < 1e-14);
        assert!((sum(|p| p.shapley_shubik) - 1.0).abs() < 1e-14);
        // Who has more weight has no less power.
        assert!(
            indices
                .powers
                .windows(2)
                .all(|p| p[0].banzhaf >= p[1].banzhaf && p[0].shapley_shubik >= p[1].shapley_shubik)
        );
    }
}

#[test]
fn estimates_of_published_games_lie_around_them() {
    const SEEDS: u64 = 20;
    for (game, voters, _) in published() {
        let exact = game.exact(true).unwrap();
        let counts: Vec<Counts> = (0..SEEDS).map(|seed| sample(&game, seed, 0..20_000)).collect();
        for &(voter, _) in voters {
            let power = exact.powers[voter];
            for (hits, exact) in [
                (
                    (|counts: &Counts, voter: usize| counts.banzhaf[voter]) as fn(&Counts, usize) -> u64,
                    power.banzhaf,
                ),
                (|counts: &Counts, voter: usize| counts.shapley_shubik[voter], power.shapley_shubik),
            ] {
                let z = |counts: &Counts| {
                    let (estimate, error) = estimate(hits(counts, voter), counts.samples);
                    (estimate - exact) / error
                };
                let all: Vec<f64> = counts.iter().map(z).collect();
                assert!(all.iter().all(|z| z.abs() <= 5.0), "{all:?}");
                // A voter who turns nothing is never drawn turning anything.
                let mean = all.iter().sum::<f64>() / SEEDS as f64;
                assert!(mean.abs() <= 4.0 / (SEEDS as f64).sqrt(), "{mean} of {all:?}");
            }
        }
        // Estimates ascend with weight, as far as their errors tell.
        let joint = |of: &[u64], a: usize, b: usize| {
            let ((a, ea), (b, eb)) = (estimate(of[a], 20_000), estimate(of[b], 20_000));
            a - b >= -4.0 * ea.hypot(eb)
        };
        for counts in &counts {
            for voter in 1..game.weights.len() {
                assert!(
                    joint(&counts.banzhaf, voter - 1, voter)
                        && joint(&counts.shapley_shubik, voter - 1, voter)
                );
            }
        }
    }
}

#[cfg(feature = "gpu")]
#[test]
fn devices_draw_what_threads_draw() {
    for game in [eu27(), game(16, &[9, 9, 7, 3, 1, 1]), game(5_000, &(1..130).collect::<Vec<u64>>())] {
        let expected = sample(&game, 7, 100..5_000);
        for adapter in crate::devices::tested() {
            let gpu = concentra::gpu::Gpu::open(&adapter, Default::default()).unwrap();
            assert_eq!(gpu.sample(&game, 7, 100..5_000).unwrap(), expected, "{}", adapter.name());
        }
    }
}

fn play(line: &[&str]) -> Powers {
    let words = ["concentra", "power"].iter().chain(line).copied();
    let Command::Power(args) = Cli::try_parse_from(words).unwrap().command else { unreachable!() };
    let (recorder, progress) = (Recorder::default(), Progress::hidden());
    let context = Context { recorder: &recorder, interrupted: &|| false, progress: &progress };
    power(&args.play().unwrap(), &context).unwrap()
}

#[test]
fn real_votes() {
    let Some(folder) = real_data("real_votes") else { return };
    let path = folder.join("governance/snapshot_votes_2022.parquet");
    let powers = play(&[path.to_str().unwrap(), "--by", "dao,proposal_id", "--samples", "64"]);
    let games = Table(powers.games.table().unwrap());
    assert_eq!(games.rows(), 1102);
    let exact = (0..games.rows()).filter(|&game| games.text("method", game).unwrap() == "exact").count();
    assert!(exact >= 650, "{exact} of 1,102 games are exact");
    let dictators = (0..games.rows()).filter(|&game| games.text("dictator", game).is_some()).count();
    assert_eq!(dictators, 470);
    let voters = Table(powers.voters.table().unwrap());
    assert_eq!(voters.rows(), 132_829 - 17);
}

#[test]
fn estimates_of_real_votes_are_as_good_as_promised() {
    let Some(folder) = real_data("estimates_of_real_votes_are_as_good_as_promised") else { return };
    let path = folder.join("governance/snapshot_votes_2022.parquet");
    let line = [
        path.to_str().unwrap(),
        "--by",
        "dao",
        "--owners",
        "merge",
        "--until-se",
        "0.004",
        "--method",
        "sample",
    ];
    let expected = play(&[&line[..], &["--players", "40", "--device", "cpu"]].concat());
    let table = Table(expected.voters.table().unwrap());
    for row in 0..table.rows() {
        for error in ["banzhaf_se", "shapley_shubik_se"] {
            assert!(table.number(error, row).unwrap() <= 0.004);
        }
    }
}

#[test]
fn a_group_is_a_game() {
    let shell = Shell::new();
    shell.parquet(
        "v.parquet",
        vec![
            ("dao", text(["a", "a", "a", "a", "b", "b", "c"])),
            ("voter", text(["x", "y", "z", "x", "y", "z", "q"])),
            ("votes", numbers([30, 49, 1, 20, 60, 40, 0])),
            ("supply", numbers([200, 200, 200, 200, 100, 100, 5])),
        ],
    );
    let line = "power v.parquet --by dao --amount votes --owners merge --format json";
    let rows = shell.run(line).ok().json();
    let of = |row: usize, column: &str| rows[row][column].clone();
    assert_eq!(rows.len(), 5);
    assert_eq!((of(0, "owner"), of(0, "weight"), of(0, "share")), ("x".into(), "50".into(), 0.5.into()));
    assert_eq!((of(0, "banzhaf"), of(0, "banzhaf_normalized")), (0.75.into(), 0.6.into()));
    assert_eq!((of(0, "method"), of(0, "banzhaf_se")), ("exact".into(), serde_json::Value::Null));
    // Sixty of a hundred decide alone.
    assert_eq!((of(3, "shapley_shubik"), of(4, "shapley_shubik")), (1.0.into(), 0.0.into()));
    let players = shell.run(&format!("{line} --players 1 --games g.json")).ok();
    assert_eq!(players.says(&["3 rows written to g.json"]).json().len(), 2);
    let games: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(shell.path("g.json")).unwrap()).unwrap();
    assert_eq!(games[0]["quota"], "51");
    assert_eq!((&games[0]["min_coalition"], &games[0]["power_to_act"]), (&2.into(), &0.375.into()));
    assert_eq!((&games[1]["dictator"], &games[1]["n_vetoes"]), (&"y".into(), &1.into()));
    assert_eq!((&games[2]["n_voters"], &games[2]["power_to_act"]), (&0.into(), &serde_json::Value::Null));
    assert_eq!(games[2]["quota"], serde_json::Value::Null);
    // More than half of a supply that is twice the votes: everybody is needed, and not enough.
    let games = |flags: &str| -> serde_json::Value {
        shell.run(&format!("{line} {flags} --games h.json --overwrite")).ok();
        serde_json::from_str(&std::fs::read_to_string(shell.path("h.json")).unwrap()).unwrap()
    };
    let supply = games("--quota-of supply");
    let ran = shell.run(&format!("{line} --quota-of supply")).ok();
    ran.says(&["in 1 game nobody can win"]);
    let several = shell.run("power v.parquet --by dao --amount votes --format json").ok();
    several.says(&["1 game has voters who play several times", "--owners merge"]);
    assert_eq!((&supply[0]["quota"], &supply[0]["min_coalition"]), (&"101".into(), &serde_json::Value::Null));
    assert_eq!((&supply[0]["banzhaf_gap"], &supply[0]["n_vetoes"]), (&serde_json::Value::Null, &0.into()));
    // Beyond all words that a device has, also by samples.
    let never = games("--quota-weight 340282366920938463463374607431768211461 --method sample --samples 100");
    assert_eq!(
        (&never[0]["power_to_act"], &never[0]["banzhaf_gap"]),
        (&0.0.into(), &serde_json::Value::Null)
    );
    assert_eq!(games("--quota-of supply --quota 0.49")[0]["quota"], "99");
    assert_eq!(games("--quota-weight 80.5")[0]["quota"], "81");
    assert_eq!(games("--quota 2/3")[0]["quota"], "67");
    let sampled = games("--method sample --samples 1000 --seed 5");
    assert_eq!((&sampled[0]["method"], &sampled[0]["samples"]), (&"sampled".into(), &1000.into()));
    assert_eq!(sampled, games("--method sample --samples 1000 --seed 5 -j 1"));
}

#[test]
fn what_is_no_game_is_refused() {
    let shell = Shell::with_holders();
    let refused: [(&str, &[&str]); 8] = [
        ("--quota 1", &["--quota 1", "2/3"]),
        ("--quota-weight 0", &["--quota-weight 0"]),
        ("--quota 1/2 --quota-weight 5", &["--quota"]),
        ("--quota-of nothing", &["--quota-of", "nothing"]),
        ("--until-se 0", &["--until-se"]),
        ("--top-holders 2", &["--top-holders", "--players"]),
        ("--look-through", &["--look-through"]),
        ("--samples 5 --until-se 0.1", &["--samples"]),
    ];
    for (flags, parts) in refused {
        let ran = shell.run(&format!("power h.parquet {flags}"));
        let status = if flags.contains("nothing") { 1 } else { 2 };
        ran.fails(status, parts);
    }
    shell.run("power h.parquet --quota-of balance").fails(1, &["`balance`", "differ"]);
    shell.parquet("q.parquet", vec![("balance", numbers([3, 2])), ("supply", numbers([0, 0]))]);
    shell
        .run("power q.parquet --amount balance --quota-of supply")
        .fails(1, &["`supply`", "row 1", "total of a quota is 0"]);
    // Without owners, and without groups.
    assert_eq!(shell.run("power q.parquet --amount balance --format json").ok().json().len(), 2);
    shell.parquet("n.parquet", vec![("p", text([])), ("balance", numbers([]))]);
    let none = shell.run("power n.parquet --by p --amount balance --format csv").ok();
    assert!(none.stdout.starts_with("p,owner,weight,share,banzhaf"), "{}", none.stdout);
    shell.run("power h.parquet --owners check").fails(1, &["0xaa", "--owners merge"]);
}
