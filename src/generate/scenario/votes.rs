//! Votes of two organisations, delegations included.

use super::super::amount::write_integer;
use super::super::encoding::texts;
use super::cast::{Address, Cast};
use super::dice::Dice;
use super::files::{Table, hex, text, wide};
use super::ledger::{Balances, Ledger};
use crate::Result;

/// One vote cast.
struct Vote {
    dao: &'static str,
    proposal: String,
    voter: Address,
    choice: &'static str,
    power: u128,
    supply: u128,
}

/// A proposal, and how likely the community is for it.
struct Proposal {
    dao: &'static str,
    number: usize,
    support: f64,
}

const LARK: [(usize, f64); 3] = [(2, 0.8), (6, 0.5), (10, 0.15)];
const CNDR: [(usize, f64); 2] = [(4, 0.7), (9, 0.4)];

/// All votes: by token balance at the snapshot of the proposal's week.
pub(super) fn table(cast: &Cast, lark: &Ledger, cndr: &Ledger, seed: u64) -> Result<Table> {
    let mut dice = Dice::new(seed, "votes");
    let mut votes = Vec::new();
    let daos = [("larkspur", lark, &cast.lark_team, &LARK[..]), ("cinder", cndr, &cast.cndr_team, &CNDR[..])];
    for (dao, ledger, team, proposals) in daos {
        for (&(week, support), number) in proposals.iter().zip(1..) {
            let proposal = Proposal { dao, number, support };
            cast_votes(cast, &ledger.weeks[week], team, &proposal, &mut dice, &mut votes);
        }
    }
    Table::new(
        "governance/votes.parquet".into(),
        vec![
            ("dao", text(votes.iter().map(|vote| vote.dao))),
            ("proposal_id", text(votes.iter().map(|vote| &vote.proposal))),
            ("voter", hex(votes.iter().map(|vote| vote.voter))),
            ("choice", text(votes.iter().map(|vote| vote.choice))),
            ("voting_power", texts(&wide(votes.iter().map(|vote| vote.power)), write_integer)),
            ("token_supply", texts(&wide(votes.iter().map(|vote| vote.supply)), write_integer)),
        ],
    )
}

/// Insiders and whales nearly always vote, the community seldom; a quarter of it delegates.
fn cast_votes(
    cast: &Cast,
    balances: &Balances,
    team: &[Address],
    proposal: &Proposal,
    dice: &mut Dice,
    votes: &mut Vec<Vote>,
) {
    let delegates = [cast.retail[5], cast.retail[17], cast.whales[1]];
    let mut power = Balances::new();
    let mut support: Vec<(Address, f64)> = Vec::new();
    for (&owner, &balance) in balances.iter().filter(|&(_, &balance)| balance > 0) {
        let (turnout, in_favour) = match owner {
            _ if team.contains(&owner) => (1.0, 1.0),
            _ if cast.investors.contains(&owner) => (0.9, 0.9),
            _ if delegates.contains(&owner) => (1.0, proposal.support),
            _ if cast.whales.contains(&owner) => (0.8, 0.6),
            _ if cast.retail.contains(&owner) => (0.2, proposal.support),
            // Treasuries, exchanges, pools and locked tokens do not vote; sybils did not come to vote.
            _ => continue,
        };
        if turnout == 0.2 && dice.chance(0.25) {
            *power.entry(dice.pick(&delegates)).or_default() += balance;
        } else if dice.chance(turnout) {
            *power.entry(owner).or_default() += balance;
            support.push((owner, in_favour));
        }
    }
    for delegate in delegates.into_iter().filter(|delegate| balances.get(delegate).is_none_or(|&b| b == 0)) {
        support.push((delegate, proposal.support));
    }
    let supply = balances.values().sum();
    for (voter, in_favour) in support {
        let choice = match dice.between(0.0, 1.0) {
            u if u < in_favour => "for",
            u if u < in_favour + 0.9 * (1.0 - in_favour) => "against",
            _ => "abstain",
        };
        let power = power.get(&voter).copied().unwrap_or(0);
        let id = format!("{}-{}", proposal.dao, proposal.number);
        if power > 0 {
            votes.push(Vote { dao: proposal.dao, proposal: id, voter, choice, power, supply });
        }
    }
}
