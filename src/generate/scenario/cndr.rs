//! CNDR, a lending token on Ethereum: emissions to borrowers and lenders spread it week by week.

use super::WEEKS;
use super::cast::Cast;
use super::dice::Dice;
use super::ledger::Ledger;

const M: u128 = 1_000_000 * super::lark::LARK;

/// Twelve weeks of CNDR.
pub(super) fn simulate(cast: &Cast, seed: u64) -> Ledger {
    let mut dice = Dice::new(seed, "CNDR");
    let mut ledger = Ledger::new();
    for &founder in &cast.cndr_team {
        ledger.mint(founder, M);
    }
    for &fund in &cast.investors[..4] {
        ledger.mint(fund, 3 * M / 2);
    }
    ledger.mint(cast.cndr_treasury, 4 * M);
    ledger.mint(cast.pools[1].address, M);
    ledger.mint(cast.exchanges[0], M / 2);
    for week in 0..WEEKS.len() {
        // More users every week, and rewards by activity, which varies less than wealth.
        let users = &cast.retail[..80 + 15 * week];
        let weights: Vec<_> = users.iter().map(|_| dice.lognormal(1.0, 0.8)).collect();
        ledger.mint(cast.cndr_treasury, M);
        ledger.pay(cast.cndr_treasury, M, users, &weights);
        for _ in 0..20 {
            let user = dice.pick(users);
            ledger.send_share(user, cast.pools[1].address, dice.between(100.0, 600.0) as u128);
        }
        ledger.close_week();
    }
    ledger
}
