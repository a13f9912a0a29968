//! Transfers that are made up: the same for the same seed.

use concordat_surveillance::{Asset, BlockEvents, Event, Party, Position, Transfer, What};
use concordat_types::{Address, Role, U256};

/// Of a thousand transfers so many are small and so many large; what is between is neither.
const SMALL: u64 = 900;
const LARGE: u64 = 10;

/// The amount of the transfer with this number: nine of ten below 1,000, one of a hundred up to 100,000.
pub fn amount(number: u64) -> u64 {
    let mixed = mix(number);
    let within = |from: u64, to: u64| from + (mixed / 1_000) % (to - from);
    match mixed % 1_000 {
        place if place < SMALL => within(1, 1_000),
        place if place < 1_000 - LARGE => within(1_000, 10_000),
        _ => within(10_000, 100_000),
    }
}

/// A number that looks like none in particular (splitmix64).
const fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Who makes them up.
pub struct Generated {
    tokens: Vec<Address>,
    people: Vec<(Address, Party)>,
    state: u64,
    height: u64,
    time_ms: u64,
}

impl Generated {
    /// Transfers of tokens among so many accounts of four banks.
    pub fn new(accounts: u64, tokens: &[Address], seed: u64) -> Self {
        let banks: Vec<_> =
            ["bank-a", "bank-b", "bank-c", "bank-d"].iter().filter_map(|id| id.parse().ok()).collect();
        let person = |(n, organisation)| {
            let party =
                Party { organisation, role: Role::Operator, common_name: format!("Holder of account {n}") };
            let mut bytes = [0; 20];
            for (part, number) in bytes.chunks_mut(8).zip(0..) {
                let mixed = mix(mix(n).wrapping_add(number)).to_be_bytes();
                part.iter_mut().zip(mixed).for_each(|(to, from)| *to = from);
            }
            (Address::from(bytes), party)
        };
        let people = (0..accounts).zip(banks.into_iter().cycle()).map(person).collect();
        Self { tokens: tokens.to_vec(), people, state: seed, height: 0, time_ms: 1_700_000_000_000 }
    }

    /// How many accounts there are.
    pub fn accounts(&self) -> u64 {
        u64::try_from(self.people.len()).unwrap_or(u64::MAX)
    }

    /// The next block: so many transactions with a transfer each, so long after the one before.
    pub fn block(&mut self, transfers: u64, later_ms: u64) -> BlockEvents {
        (self.height, self.time_ms) = (self.height + 1, self.time_ms + later_ms);
        let mut block = BlockEvents { height: self.height, time_ms: self.time_ms, ..BlockEvents::default() };
        for tx_index in 0..u32::try_from(transfers).unwrap_or(u32::MAX) {
            let (Some((from, giver)), Some((to, taker))) = (self.person(), self.person()) else { continue };
            let (token, amount) = (self.token(), U256::from(amount(self.next())));
            let asset = Asset { token, id: U256::ZERO };
            for (log_index, what) in [
                (None, What::Transaction { sender: from }),
                (Some(0), What::Transfer(Transfer { asset, from, to, amount })),
            ] {
                let at = Position { height: self.height, tx_index: Some(tx_index), log_index, item: 0 };
                block.events.push(Event { at, what });
            }
            block.parties.insert(from, giver);
            block.parties.insert(to, taker);
        }
        block
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(1);
        mix(self.state)
    }

    fn person(&mut self) -> Option<(Address, Party)> {
        let place = usize::try_from(self.next()).unwrap_or_default().checked_rem(self.people.len())?;
        self.people.get(place).cloned()
    }

    fn token(&mut self) -> Address {
        let place = usize::try_from(self.next()).unwrap_or_default().checked_rem(self.tokens.len());
        place.and_then(|place| self.tokens.get(place)).copied().unwrap_or_default()
    }
}
