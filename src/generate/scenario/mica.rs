//! MICA, a token of 6 decimals on Base: deployers keep most, one whale buys the rest, sybils look like a
//! community.

use super::WEEKS;
use super::cast::Cast;
use super::dice::Dice;
use super::ledger::Ledger;

/// One token in raw units.
const MICA: u128 = 1_000_000;
const M: u128 = 1_000_000 * MICA;

/// Twelve weeks of MICA.
pub(super) fn simulate(cast: &Cast, seed: u64) -> Ledger {
    let mut dice = Dice::new(seed, "MICA");
    let mut ledger = Ledger::new();
    let pool = cast.pools[2].address;
    for (&wallet, millions) in cast.mica_team.iter().zip([180, 90, 60, 20]) {
        ledger.mint(wallet, millions * M);
    }
    ledger.mint(pool, 250 * M);
    for &wallet in &cast.sybils {
        ledger.mint(wallet, 5 * M / 2);
    }
    let users = &cast.retail[200..450];
    let weights: Vec<_> = users.iter().map(|_| dice.pareto(1.1)).collect();
    ledger.mint(cast.mica_team[0], 300 * M);
    ledger.pay(cast.mica_team[0], 300 * M, users, &weights);
    for _ in 0..WEEKS.len() {
        for &user in users {
            if dice.chance(0.08) {
                ledger.send_share(user, pool, dice.between(200.0, 1000.0) as u128);
            }
        }
        let value = dice.lognormal(15e6, 0.2);
        ledger.send(pool, cast.whales[2], dice.raw(value, 6));
        for _ in 0..12 {
            let value = dice.lognormal(20_000.0, 1.5);
            ledger.send(pool, dice.pick(users), dice.raw(value, 6));
        }
        ledger.close_week();
    }
    ledger
}
