//! Who takes part: insiders, whales, exchanges, contracts, a sybil cluster and the community.

use super::super::random::Stream;
use super::dice::Dice;
use super::{BASE, ETHEREUM};

/// 20 bytes.
pub(super) type Address = [u8; 20];

/// Where mints come from, and where Uniswap v2 locks its first shares.
pub(super) const ZERO: Address = [0; 20];
/// The customary burn address, 0x…dEaD.
pub(super) const BURN: Address = {
    let mut address = [0; 20];
    address[18] = 0xde;
    address[19] = 0xad;
    address
};

/// What is known about an address.
pub(super) struct Actor {
    pub(super) address: Address,
    pub(super) cohort: &'static str,
    pub(super) entity: &'static str,
    pub(super) name: String,
    pub(super) labels: &'static [&'static str],
    pub(super) is_contract: bool,
}

/// A pool and its place.
pub(super) struct Pool {
    pub(super) address: Address,
    pub(super) name: &'static str,
    pub(super) chain: u64,
}

/// Everybody.
pub(super) struct Cast {
    addresses: Stream,
    /// Those who are labelled; everybody else is community.
    pub(super) actors: Vec<Actor>,
    pub(super) lark: Address,
    pub(super) cndr: Address,
    pub(super) mica: Address,
    pub(super) lark_team: Vec<Address>,
    pub(super) cndr_team: Vec<Address>,
    pub(super) mica_team: Vec<Address>,
    pub(super) investors: Vec<Address>,
    pub(super) whales: Vec<Address>,
    pub(super) sybils: Vec<Address>,
    pub(super) retail: Vec<Address>,
    pub(super) exchanges: Vec<Address>,
    pub(super) team_vesting: Address,
    pub(super) investor_vesting: Address,
    pub(super) treasury: Address,
    pub(super) cndr_treasury: Address,
    pub(super) rewards: Address,
    pub(super) airdrop: Address,
    pub(super) bridge: Address,
    pub(super) pools: Vec<Pool>,
}

const RETAIL: u64 = 520;

impl Cast {
    /// The same people for the same seed.
    pub(super) fn new(seed: u64) -> Self {
        let addresses = Stream::new(seed, "defi address");
        let mut cast = Self {
            addresses,
            actors: Vec::new(),
            lark: addresses.bytes(1),
            cndr: addresses.bytes(2),
            mica: addresses.bytes(3),
            lark_team: Vec::new(),
            cndr_team: Vec::new(),
            mica_team: Vec::new(),
            investors: Vec::new(),
            whales: Vec::new(),
            sybils: Vec::new(),
            retail: (0..RETAIL).map(|i| addresses.bytes(1_000 + i)).collect(),
            exchanges: Vec::new(),
            team_vesting: ZERO,
            investor_vesting: ZERO,
            treasury: ZERO,
            cndr_treasury: ZERO,
            rewards: ZERO,
            airdrop: ZERO,
            bridge: ZERO,
            pools: Vec::new(),
        };
        cast.add_insiders();
        cast.add_contracts();
        cast.add_others();
        cast
    }

    /// An unlabelled member of the community.
    pub(super) fn someone(&self, dice: &mut Dice) -> Address {
        dice.pick(&self.retail)
    }

    fn add_insiders(&mut self) {
        self.lark_team = self.wallets("team", "Larkspur Labs", "LARK core contributor", 8, &["team"]);
        self.cndr_team = self.wallets("team", "Cinder Collective", "CNDR founder", 5, &["team"]);
        self.mica_team = self.wallets("team", "Mica Works", "MICA deployer", 4, &["team", "deployer"]);
        // Two wallets of one fund: holders by address look less concentrated than holders by entity.
        for (fund, wallets) in
            [("Northbank Capital", 2), ("Tern Ventures", 1), ("Ostrava Partners", 2), ("Quay Street", 1)]
        {
            let added = self.wallets("investors", fund, fund, wallets, &["fund"]);
            self.investors.extend(added);
        }
    }

    fn add_contracts(&mut self) {
        let team = "Larkspur Labs";
        self.team_vesting = self.contract("team", team, "LARK team vesting", &["vesting", "locked"]);
        self.investor_vesting =
            self.contract("investors", team, "LARK investor vesting", &["vesting", "locked"]);
        self.treasury = self.contract("treasury", "Larkspur DAO", "LARK treasury", &["treasury", "multisig"]);
        self.cndr_treasury =
            self.contract("treasury", "Cinder DAO", "CNDR treasury", &["treasury", "multisig"]);
        self.rewards = self.contract("treasury", "Larkspur DAO", "LARK emissions", &["rewards"]);
        self.airdrop = self.contract("treasury", "Larkspur DAO", "LARK airdrop", &["airdrop"]);
        self.bridge = self.contract("bridge", "Causeway", "LARK bridge escrow", &["bridge", "escrow"]);
        for (name, chain) in
            [("LARK/WETH", ETHEREUM), ("CNDR/USDC", ETHEREUM), ("MICA/USDC", BASE), ("LARK/USDC", BASE)]
        {
            let address = self.contract("pool", "Heron Swap", name, &["amm", "pool"]);
            self.pools.push(Pool { address, name, chain });
        }
    }

    fn add_others(&mut self) {
        for (exchange, wallets) in [("Halyard Exchange", 3), ("Corvid Exchange", 1)] {
            let added = self.wallets("exchange", exchange, exchange, wallets, &["exchange", "hot wallet"]);
            self.exchanges.extend(added);
        }
        for (address, name) in [(ZERO, "zero address"), (BURN, "burn address")] {
            self.actor(address, "burn", "burn", name.into(), &["burn"], false);
        }
        for i in 0..6 {
            let address = self.next_address();
            self.actor(address, "whale", "", format!("whale {}", i + 1), &["whale"], false);
            self.whales.push(address);
        }
        for _ in 0..40 {
            let address = self.next_address();
            self.actor(address, "community", "sybil cluster 1", String::new(), &["sybil"], false);
            self.sybils.push(address);
        }
    }

    fn wallets(
        &mut self,
        cohort: &'static str,
        entity: &'static str,
        name: &str,
        count: usize,
        labels: &'static [&'static str],
    ) -> Vec<Address> {
        let wallet = |i: usize| {
            let address = self.next_address();
            self.actor(address, cohort, entity, format!("{name} {}", i + 1), labels, false);
            address
        };
        (0..count).map(wallet).collect()
    }

    fn contract(
        &mut self,
        cohort: &'static str,
        entity: &'static str,
        name: &str,
        labels: &'static [&'static str],
    ) -> Address {
        let address = self.next_address();
        self.actor(address, cohort, entity, name.into(), labels, true);
        address
    }

    fn next_address(&self) -> Address {
        self.addresses.bytes(100 + self.actors.len() as u64)
    }

    fn actor(
        &mut self,
        address: Address,
        cohort: &'static str,
        entity: &'static str,
        name: String,
        labels: &'static [&'static str],
        is_contract: bool,
    ) {
        self.actors.push(Actor { address, cohort, entity, name, labels, is_contract });
    }
}
