//! Every order of events around decisions about the chain itself, searched to the end: parameters and rollbacks that
//! contradict each other or come too late, and a protocol version that must wait for those who validate.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

#[path = "committee/kit/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other tests use the rest")]
mod kit;

use std::sync::OnceLock;

use alloy_primitives::{B256, U256};
use concordat_governance::{
    Action, Choice, Kind, Proposal, Rule,
    action::{Parameters, Rollback, SlotChange},
    facts::Upgrade,
    upgrade::decide_announcement,
};
use concordat_types::Role;
use stateright::{Checker as _, Model, Property};

use kit::{World, account, contract, member, org};

const SLOT: U256 = U256::from_limbs([5, 0, 0, 0]);

/// The word that the slot holds when the rollback is planned.
const PLANNED: u64 = 1;

/// The one that the rollback gives back.
const RESTORED: u64 = 2;

/// The one that the contract writes meanwhile.
const WRITTEN: u64 = 3;

/// The height at which the next version begins.
const BEGINS: u64 = 110;

fn short(world: &mut World, kind: Kind) {
    let rule = world.rules[&kind];
    // Two of three suffice, so that the third need not be searched.
    let short = Rule { participation: 5_001, voting_blocks: 2, timelock_blocks: 1, window_blocks: 1, ..rule };
    world.rules.insert(kind, short);
}

/// A record without the order and the heights of its ballots, which make no difference.
fn timeless(proposal: &Proposal) -> Vec<u8> {
    let mut proposal = proposal.clone();
    proposal.ballots.sort_by_key(|ballot| ballot.member);
    proposal.ballots.iter_mut().for_each(|ballot| ballot.height = 0);
    proposal.encode()
}

fn status(bytes: &[u8]) -> &'static str {
    Proposal::decode(bytes).unwrap().status.name()
}

/// A committee of three with two proposals about parameters and one to roll a slot back, which may move meanwhile.
struct Contradictions;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seen {
    height: u64,
    proposals: Vec<Vec<u8>>,
    gas: u64,
    delay: u64,
    word: u64,
    /// The word that was there when the rollback was executed.
    replaced: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Act {
    Vote { member: u8, proposal: u64 },
    Execute { proposal: u64 },
    Write,
    Wait,
}

fn contradictions() -> World {
    static START: OnceLock<World> = OnceLock::new();
    START.get_or_init(make_contradictions).clone()
}

fn make_contradictions() -> World {
    let mut world = World::of_banks(3);
    world.height = 3;
    [Kind::SetParameters, Kind::RollBack].into_iter().for_each(|kind| short(&mut world, kind));
    world.storage.insert((contract(0), SLOT), U256::from(PLANNED));
    let now = world.parameters;
    let slot = SlotChange {
        contract: contract(0),
        slot: SLOT,
        before: U256::from(PLANNED),
        after: U256::from(RESTORED),
    };
    let (root, slots) = (B256::repeat_byte(3), vec![slot]);
    let rollback = Rollback { basis: kit::basis(), height: 1, root, transactions: Vec::new(), slots };
    for action in [
        Action::SetParameters(Parameters { block_gas_limit: now.block_gas_limit + 1, ..now }),
        Action::SetParameters(Parameters { message_delay_ms: now.message_delay_ms + 1, ..now }),
        Action::RollBack(rollback),
    ] {
        world.propose(member(0), &action).unwrap();
    }
    world
}

impl Seen {
    fn of(world: &World, replaced: Option<u64>) -> Self {
        Self {
            height: world.height,
            proposals: world.proposals.iter().map(|(proposal, _)| timeless(proposal)).collect(),
            gas: world.parameters.block_gas_limit,
            delay: world.parameters.message_delay_ms,
            word: world.storage[&(contract(0), SLOT)].to(),
            replaced,
        }
    }

    fn world(&self) -> World {
        let mut world = contradictions();
        world.height = self.height;
        (world.parameters.block_gas_limit, world.parameters.message_delay_ms) = (self.gas, self.delay);
        world.storage.insert((contract(0), SLOT), U256::from(self.word));
        for ((proposal, _), bytes) in world.proposals.iter_mut().zip(&self.proposals) {
            *proposal = Proposal::decode(bytes).unwrap();
        }
        world
    }

    fn has(&self, proposal: usize, name: &str) -> bool {
        status(&self.proposals[proposal - 1]) == name
    }
}

impl Model for Contradictions {
    type State = Seen;
    type Action = Act;

    fn init_states(&self) -> Vec<Seen> {
        vec![Seen::of(&contradictions(), None)]
    }

    fn actions(&self, _: &Seen, acts: &mut Vec<Act>) {
        for proposal in 1..=3 {
            acts.extend([1, 2].map(|member| Act::Vote { member, proposal }));
            acts.push(Act::Execute { proposal });
        }
        acts.extend([Act::Write, Act::Wait]);
    }

    fn next_state(&self, before: &Seen, act: Act) -> Option<Seen> {
        let mut world = before.world();
        let done = match act {
            Act::Vote { member, proposal } => world.vote(kit::member(member), proposal, Choice::Yes).is_ok(),
            Act::Execute { proposal } => world.execute(proposal).is_ok(),
            Act::Write => {
                let written = U256::from(WRITTEN);
                world.storage.insert((contract(0), SLOT), written) != Some(written)
            }
            Act::Wait => {
                world.height += 1;
                world.height <= 9
            }
        };
        let rolled_back =
            act == Act::Execute { proposal: 3 } && world.proposal(3).status.name() == "executed";
        done.then(|| Seen::of(&world, if rolled_back { Some(before.word) } else { before.replaced }))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("of two sets of parameters one holds at most", |_, seen: &Seen| {
                !(seen.has(1, "executed") && seen.has(2, "executed"))
            }),
            Property::always("parameters are those that were executed", |_, seen: &Seen| {
                let start = contradictions().parameters;
                let gas = start.block_gas_limit + u64::from(seen.has(1, "executed"));
                let delay = start.message_delay_ms + u64::from(seen.has(2, "executed"));
                (seen.gas, seen.delay) == (gas, delay)
            }),
            Property::always("only the planned word is ever replaced, and once", |_, seen: &Seen| {
                seen.replaced.is_none_or(|word| word == PLANNED)
                    && seen.replaced.is_some() == seen.has(3, "executed")
            }),
            Property::always("what was written stays until somebody writes", |_, seen: &Seen| {
                seen.word != RESTORED || seen.has(3, "executed")
            }),
            Property::sometimes("the second set is void", |_, seen: &Seen| {
                seen.has(1, "executed") && seen.has(2, "void")
            }),
            Property::sometimes("a slot is rolled back", |_, seen: &Seen| seen.word == RESTORED),
            Property::sometimes("a rollback that comes too late fails", |_, seen: &Seen| {
                seen.word == WRITTEN && seen.has(3, "failed")
            }),
            Property::sometimes("a rollback expires", |_, seen: &Seen| seen.has(3, "expired")),
        ]
    }
}

#[test]
fn parameters_and_rollbacks_that_contradict_each_other_searched_to_the_end() {
    let checker = Contradictions.checker().threads(2).spawn_dfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// Four banks, whose registrars say what their programs know, and a version that is scheduled and taken back.
struct NextVersion;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Schedule {
    height: u64,
    proposals: Vec<Vec<u8>>,
    /// What each bank has announced last.
    announced: [u64; 4],
    running: u64,
    upgrade: Option<u64>,
    /// How many knew the version when it was scheduled.
    ready: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Turn {
    Announce { bank: u8, version: u64 },
    Carry { proposal: u64 },
    Execute { proposal: u64 },
    TakeBack,
    Wait,
    Begin,
}

fn scheduling() -> World {
    static START: OnceLock<World> = OnceLock::new();
    let make = || {
        let mut world = World::of_banks(4);
        short(&mut world, Kind::SetProtocolVersion);
        world.propose(member(0), &Action::SetProtocolVersion { version: 2, height: BEGINS }).unwrap();
        world
    };
    START.get_or_init(make).clone()
}

/// The proposal that takes back what is scheduled.
const TAKE_BACK: Action = Action::SetProtocolVersion { version: 1, height: 0 };

impl Schedule {
    fn of(world: &World, ready: Option<usize>) -> Self {
        let known = |bank| world.announced.get(&org(bank)).copied().unwrap_or_default();
        let (running, upgrade) = match world.upgrade {
            Some(upgrade) if upgrade.height <= world.height => (upgrade.version, None),
            upgrade => (world.running, upgrade.map(|upgrade| upgrade.height)),
        };
        let announced = [0, 1, 2, 3].map(known);
        let proposals = world.proposals.iter().map(|(proposal, _)| timeless(proposal)).collect();
        Self { height: world.height, proposals, announced, running, upgrade, ready }
    }

    fn world(&self) -> World {
        let mut world = scheduling();
        world.height = self.height;
        world.running = self.running;
        world.upgrade = self.upgrade.map(|height| Upgrade { version: 2, height });
        world.announced = (0..).map(org).zip(self.announced).filter(|(_, known)| *known > 0).collect();
        let actions = [world.proposals[0].1.clone(), TAKE_BACK];
        let records = self.proposals.iter().map(|bytes| Proposal::decode(bytes).unwrap());
        world.proposals = records.zip(actions).collect();
        world
    }

    fn know(&self) -> usize {
        self.announced.iter().filter(|known| **known >= 2).count()
    }
}

impl Model for NextVersion {
    type State = Schedule;
    type Action = Turn;

    fn init_states(&self) -> Vec<Schedule> {
        vec![Schedule::of(&scheduling(), None)]
    }

    fn actions(&self, seen: &Schedule, turns: &mut Vec<Turn>) {
        for bank in 0..4 {
            turns.extend([1, 2].map(|version| Turn::Announce { bank, version }));
        }
        for proposal in 1..=seen.proposals.len() as u64 {
            turns.extend([Turn::Carry { proposal }, Turn::Execute { proposal }]);
        }
        turns.extend([Turn::TakeBack, Turn::Wait, Turn::Begin]);
    }

    fn next_state(&self, before: &Schedule, turn: Turn) -> Option<Schedule> {
        let mut world = before.world();
        let mut ready = before.ready;
        let done = match turn {
            Turn::Announce { bank, version } => {
                let said = decide_announcement(&mut world, account(bank, Role::Registrar), version).ok()?;
                world.announced.insert(said.organisation, said.version);
                true
            }
            Turn::Carry { proposal } => {
                let voters = (1..4).map(member);
                voters.filter(|voter| world.vote(*voter, proposal, Choice::Yes).is_ok()).count() > 0
            }
            Turn::Execute { proposal } => {
                let status = world.execute(proposal).ok()?;
                ready = if (proposal, status) == (1, "executed") { Some(before.know()) } else { ready };
                true
            }
            Turn::TakeBack => before.proposals.len() == 1 && world.propose(member(0), &TAKE_BACK).is_ok(),
            Turn::Wait => {
                world.height += 1;
                world.height <= 9
            }
            Turn::Begin => {
                let begins = before.upgrade.is_some_and(|height| height > world.height);
                world.height = BEGINS;
                begins
            }
        };
        done.then(|| Schedule::of(&world, ready))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing is scheduled before three of four know it", |_, seen: &Schedule| {
                seen.ready.is_none_or(|ready| ready >= 3)
            }),
            Property::always("nothing is scheduled or begins without the vote", |_, seen: &Schedule| {
                let voted = status(&seen.proposals[0]) == "executed";
                voted || (seen.running, seen.upgrade) == (1, None)
            }),
            Property::always(
                "a version begins at its height, and what was taken back never",
                |_, seen: &Schedule| {
                    let taken_back = seen.proposals.get(1).is_some_and(|bytes| status(bytes) == "executed");
                    seen.running == 1 || (seen.height >= BEGINS && !taken_back)
                },
            ),
            Property::sometimes("the next version begins", |_, seen: &Schedule| seen.running == 2),
            Property::sometimes("it is taken back", |_, seen: &Schedule| {
                seen.ready.is_some() && seen.upgrade.is_none() && seen.running == 1
            }),
            Property::sometimes("it expires while it waits", |_, seen: &Schedule| {
                let record = Proposal::decode(&seen.proposals[0]).unwrap();
                record.ballots.len() > 1 && record.status.name() == "expired"
            }),
            Property::sometimes("it begins although some have gone back since", |_, seen: &Schedule| {
                seen.running == 2 && seen.know() < 3
            }),
        ]
    }
}

#[test]
fn the_next_version_of_four_banks_searched_to_the_end() {
    let checker = NextVersion.checker().threads(2).spawn_dfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}
