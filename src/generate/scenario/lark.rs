//! LARK, a governance token on Ethereum: insiders' unlocks undo what an airdrop spread.

use super::WEEKS;
use super::cast::{Address, Cast};
use super::dice::Dice;
use super::ledger::Ledger;
use super::liquidity::Position;

/// One token in raw units.
pub(super) const LARK: u128 = 1_000_000_000_000_000_000;
const M: u128 = 1_000_000 * LARK;
/// Paid to the providers of the first pool every week.
pub(super) const EMISSION: u128 = 30_000 * LARK;
/// Week (from 0) of the airdrop.
const AIRDROP: usize = 3;
/// First week of the team's unlock.
const UNLOCK: usize = 5;
/// Week of the investors' cliff.
const CLIFF: usize = 8;

/// Twelve weeks of LARK.
pub(super) fn simulate(cast: &Cast, positions: &[Position], seed: u64) -> Ledger {
    let mut dice = Dice::new(seed, "LARK");
    let mut ledger = Ledger::new();
    genesis(cast, &mut ledger, &mut dice);
    for week in 0..WEEKS.len() {
        let (owners, weights): (Vec<_>, Vec<_>) = providers(positions, week).into_iter().unzip();
        ledger.pay(cast.rewards, EMISSION, &owners, &weights);
        match week {
            AIRDROP => claim(cast, &mut ledger, &mut dice),
            4..=6 => sell_claims(cast, &mut ledger, &mut dice),
            CLIFF => {
                let weights: Vec<_> = (1..=cast.investors.len()).map(|i| 1.0 / i as f64).collect();
                ledger.pay(cast.investor_vesting, 12 * M, &cast.investors, &weights);
            }
            _ => {}
        }
        if week >= UNLOCK {
            unlock(cast, &mut ledger, &mut dice);
        }
        if week >= 2 {
            ledger.burn(cast.treasury, 50_000 * LARK);
        }
        trade(cast, &mut ledger, &mut dice);
        ledger.close_week();
    }
    ledger
}

/// Owners of the first pool's positions so far and their weights, several positions of one owner added up.
fn providers(positions: &[Position], week: usize) -> Vec<(Address, f64)> {
    let mut providers: Vec<(Address, f64)> = Vec::new();
    for position in positions.iter().filter(|position| position.pool == 0 && position.since <= week) {
        match providers.iter_mut().find(|(owner, _)| *owner == position.provider) {
            Some((_, weight)) => *weight += position.weight,
            None => providers.push((position.provider, position.weight)),
        }
    }
    providers
}

fn genesis(cast: &Cast, ledger: &mut Ledger, dice: &mut Dice) {
    for (owner, millions) in [
        (cast.team_vesting, 18),
        (cast.investor_vesting, 12),
        (cast.treasury, 44),
        (cast.rewards, 5),
        (cast.airdrop, 3),
        (cast.exchanges[0], 4),
        (cast.exchanges[1], 2),
        (cast.exchanges[2], 1),
        (cast.exchanges[3], 1),
        (cast.pools[0].address, 5),
        (cast.investors[0], 5),
    ] {
        ledger.mint(owner, millions * M);
    }
    // The fund that led the round passes on what is not its own.
    let weights: Vec<_> = (1..=cast.investors.len()).map(|i| 1.0 / i as f64).collect();
    ledger.pay(cast.investors[0], 5 * M, &cast.investors, &weights);
    // The public sale is paid from the treasury, as were the later rounds.
    let buyers = [&cast.whales[..], &cast.retail[..170]].concat();
    let weights: Vec<_> = buyers.iter().map(|_| dice.pareto(1.2)).collect();
    ledger.pay(cast.treasury, 9 * M, &buyers, &weights);
}

/// Three tiers, hence many ties; one entity claims the highest forty times.
fn claim(cast: &Cast, ledger: &mut Ledger, dice: &mut Dice) {
    for &owner in &cast.retail[100..400] {
        let tier = if dice.chance(0.65) { 400 } else { dice.pick(&[1200, 1200, 4000]) };
        ledger.send(cast.airdrop, owner, tier * LARK);
    }
    for &owner in &cast.sybils {
        ledger.send(cast.airdrop, owner, 4000 * LARK);
    }
}

fn sell_claims(cast: &Cast, ledger: &mut Ledger, dice: &mut Dice) {
    let markets = [cast.pools[0].address, cast.exchanges[0], cast.exchanges[3]];
    for &owner in &cast.retail[100..400] {
        if dice.chance(0.15) {
            ledger.send_share(owner, dice.pick(&markets), 1000);
        }
    }
}

/// A twelfth of the team's tokens, and some of it to an exchange at once.
fn unlock(cast: &Cast, ledger: &mut Ledger, dice: &mut Dice) {
    let weights = [30.0, 22.0, 15.0, 12.0, 8.0, 6.0, 4.0, 3.0];
    ledger.pay(cast.team_vesting, 18 * M / 12, &cast.lark_team, &weights);
    for &member in &cast.lark_team {
        if dice.chance(0.2) {
            ledger.send_share(member, cast.exchanges[0], 100);
        }
    }
}

fn trade(cast: &Cast, ledger: &mut Ledger, dice: &mut Dice) {
    let markets = [cast.pools[0].address, cast.pools[0].address, cast.exchanges[0], cast.exchanges[3]];
    for &whale in &cast.whales {
        let value = dice.lognormal(40_000.0, 0.5);
        ledger.send(cast.exchanges[0], whale, dice.raw(value, 18));
    }
    for _ in 0..40 {
        let (owner, market) = (cast.someone(dice), dice.pick(&markets));
        if dice.chance(0.5) {
            let value = dice.lognormal(300.0, 1.5);
            ledger.send(market, owner, dice.raw(value, 18));
        } else {
            ledger.send_share(owner, market, dice.between(100.0, 1000.0) as u128);
        }
    }
    for _ in 0..25 {
        let owner = cast.someone(dice);
        ledger.send_share(owner, cast.bridge, dice.between(300.0, 900.0) as u128);
    }
}
