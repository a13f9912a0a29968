//! Every order of events of small committees and small validator sets, searched to the end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

#[path = "committee/kit/mod.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod kit;

use std::sync::OnceLock;

use alloy_primitives::B256;
use concordat_governance::{Choice, Kind, Proposal, Rule};
use stateright::{Checker as _, Model, Property};

use kit::{World, consensus_key, member, new_validator, operator};

/// Heights that a model looks at.
const LAST_HEIGHT: u64 = 7;

/// A committee of three with two proposals: one to freeze an account, one to unseat a member.
struct SmallCommittee;

/// What the state of a model is, in a form that can be hashed: the bytes of every record. In which order and when
/// members voted makes no difference, so that it is left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seen {
    height: u64,
    seats: Vec<u8>,
    proposals: Vec<Vec<u8>>,
    frozen: bool,
    /// Outcomes so far: a second one would show here.
    outcomes: [u8; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Act {
    Vote { member: u8, proposal: u64, yes: bool },
    Revoke { proposal: u64 },
    Execute { proposal: u64 },
    Wait,
}

fn start() -> World {
    static START: OnceLock<World> = OnceLock::new();
    START.get_or_init(make).clone()
}

fn make() -> World {
    let mut world = World::of_banks(3);
    for kind in [Kind::FreezeAccount, Kind::SetCommitteeMember, Kind::SetRule] {
        let rule = world.rules[&kind];
        let short =
            Rule { participation: 5_001, voting_blocks: 2, timelock_blocks: 1, window_blocks: 1, ..rule };
        world.rules.insert(kind, short);
    }
    world.propose(member(0), &kit::freeze(operator(2))).unwrap();
    world.propose(member(1), &kit::seat(member(2), 0)).unwrap();
    world
}

/// A proposal without the order and the heights of its ballots.
fn timeless(proposal: &Proposal) -> Proposal {
    let mut proposal = proposal.clone();
    proposal.ballots.sort_by_key(|ballot| ballot.member);
    proposal.ballots.iter_mut().for_each(|ballot| ballot.height = 0);
    proposal
}

impl Seen {
    fn of(world: &World, outcomes: [u8; 2]) -> Self {
        Self {
            height: world.height,
            seats: world.committee.encode(),
            proposals: world.proposals.iter().map(|(proposal, _)| timeless(proposal).encode()).collect(),
            frozen: !world.freezes.is_empty(),
            outcomes,
        }
    }

    /// The world that this was seen of.
    fn world(&self) -> World {
        let mut world = start();
        world.height = self.height;
        world.committee = concordat_governance::Committee::decode(&self.seats).unwrap();
        for ((proposal, _), bytes) in world.proposals.iter_mut().zip(&self.proposals) {
            *proposal = Proposal::decode(bytes).unwrap();
        }
        if self.frozen {
            let frozen = concordat_governance::facts::Frozen {
                scope: concordat_governance::action::Scope::All,
                basis: kit::basis(),
                until: 0,
                emergency: false,
            };
            world.freezes.insert(operator(2), frozen);
        }
        world
    }
}

/// How many have said yes to a proposal.
fn voted_for(seen: &Seen, id: u64) -> usize {
    let world = seen.world();
    let ballots = world.proposal(id).ballots.iter();
    ballots.filter(|ballot| ballot.choice == Choice::Yes).count()
}

impl Model for SmallCommittee {
    type State = Seen;
    type Action = Act;

    fn init_states(&self) -> Vec<Seen> {
        vec![Seen::of(&start(), [0, 0])]
    }

    fn actions(&self, _: &Seen, acts: &mut Vec<Act>) {
        for proposal in [1, 2] {
            for member in 0..3 {
                acts.extend([true, false].map(|yes| Act::Vote { member, proposal, yes }));
            }
            acts.push(Act::Execute { proposal });
        }
        acts.push(Act::Revoke { proposal: 1 });
        acts.push(Act::Wait);
    }

    fn next_state(&self, before: &Seen, act: Act) -> Option<Seen> {
        let mut world = before.world();
        let done = match act {
            Act::Vote { member, proposal, yes } => {
                let choice = if yes { Choice::Yes } else { Choice::No };
                world.vote(kit::member(member), proposal, choice).is_ok()
            }
            Act::Revoke { proposal } => {
                let proposer = world.proposal(proposal).proposer;
                world.revoke(proposer, proposal).is_ok()
            }
            Act::Execute { proposal } => world.execute(proposal).is_ok(),
            Act::Wait => {
                world.height += 1;
                world.height <= LAST_HEIGHT
            }
        };
        let mut outcomes = before.outcomes;
        for (count, ((proposal, _), before)) in
            outcomes.iter_mut().zip(world.proposals.iter().zip(&before.proposals))
        {
            let before = Proposal::decode(before).unwrap();
            *count += u8::from(before.status != proposal.status);
        }
        done.then(|| Seen::of(&world, outcomes))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a proposal has one outcome", |_, seen: &Seen| {
                seen.outcomes.iter().all(|count| *count <= 1)
            }),
            Property::always("nothing takes effect without two of three", |_, seen: &Seen| {
                let unseated = seen.world().committee.members().len() < 3;
                (!seen.frozen || voted_for(seen, 1) >= 2) && (!unseated || voted_for(seen, 2) >= 2)
            }),
            Property::always("two of three remain to change it back", |_, seen: &Seen| {
                seen.world().committee.members().len() >= 2
            }),
            Property::always("an account is frozen exactly when that was executed", |_, seen: &Seen| {
                seen.frozen == (seen.world().proposal(1).status.name() == "executed")
            }),
            Property::sometimes("an account can be frozen", |_, seen: &Seen| seen.frozen),
            Property::sometimes("a member can be unseated", |_, seen: &Seen| {
                seen.world().committee.members().len() == 2
            }),
            Property::sometimes("a proposal can be rejected", |_, seen: &Seen| {
                seen.world().proposal(1).status.name() == "rejected"
            }),
            Property::sometimes("a proposal can expire", |_, seen: &Seen| {
                seen.world().proposal(1).status.name() == "expired"
            }),
        ]
    }
}

#[test]
fn a_committee_of_three_with_two_proposals_searched_to_the_end() {
    let checker = SmallCommittee.checker().threads(2).spawn_dfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// Four validators that go down, come back, and are changed by anyone whom nothing stops.
struct SmallSet;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Set {
    /// Power by key.
    powers: Vec<(u8, u64)>,
    /// Who has signed lately.
    signing: Vec<u8>,
    /// Whether the last step was a change of the set.
    changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Turn {
    Down(u8),
    Up(u8),
    Admit(u8),
    Retire(u8),
    Weigh(u8, u64),
    Suspend(u8),
}

impl Set {
    fn world(&self) -> World {
        let mut world = World::of_banks(4);
        let facts = world.validators[0].clone();
        let one = |(seed, power): &(u8, u64)| concordat_governance::facts::ValidatorFacts {
            organisation: kit::org(*seed % 4),
            consensus_key: consensus_key(*seed),
            power: *power,
            node_key: B256::repeat_byte(*seed),
            ..facts.clone()
        };
        world.validators = self.powers.iter().map(one).collect();
        world.everybody_signs();
        let down = self.powers.iter().filter(|(seed, _)| !self.signing.contains(seed));
        down.for_each(|(seed, _)| world.down(*seed));
        world
    }

    fn after(&self, world: &World) -> Self {
        let seed = |key: &B256| (0..6).find(|seed| consensus_key(*seed) == *key).unwrap();
        let mut powers: Vec<_> = world.validators.iter().map(|v| (seed(&v.consensus_key), v.power)).collect();
        powers.sort_unstable();
        let mut signing = self.signing.clone();
        signing.retain(|seed| powers.iter().any(|(other, _)| other == seed));
        let changed = powers != self.powers;
        Self { powers, signing, changed }
    }
}

impl Model for SmallSet {
    type State = Set;
    type Action = Turn;

    fn init_states(&self) -> Vec<Set> {
        let powers = (0..4).map(|seed| (seed, 1)).collect();
        vec![Set { powers, signing: (0..4).collect(), changed: false }]
    }

    fn actions(&self, set: &Set, turns: &mut Vec<Turn>) {
        for (seed, _) in &set.powers {
            turns.push(if set.signing.contains(seed) { Turn::Down(*seed) } else { Turn::Up(*seed) });
            turns.extend([Turn::Retire(*seed), Turn::Weigh(*seed, 1), Turn::Weigh(*seed, 2)]);
        }
        turns.extend([Turn::Admit(4), Turn::Admit(0), Turn::Suspend(0), Turn::Suspend(1)]);
    }

    fn next_state(&self, before: &Set, turn: Turn) -> Option<Set> {
        use concordat_governance::{Action, Facts as _, effect::Change, resolve};
        let mut set = before.clone();
        set.changed = false;
        let action = match turn {
            Turn::Down(seed) => {
                set.signing.retain(|other| *other != seed);
                return Some(set);
            }
            Turn::Up(seed) => {
                set.signing.push(seed);
                set.signing.sort_unstable();
                return Some(set);
            }
            Turn::Admit(seed) => new_validator(seed % 4, seed, 1),
            Turn::Retire(seed) => Action::RetireValidator { consensus_key: consensus_key(seed) },
            Turn::Weigh(seed, power) => {
                Action::SetValidatorPower { consensus_key: consensus_key(seed), power }
            }
            Turn::Suspend(index) => Action::SuspendOrganisation(kit::org(index)),
        };
        let mut world = before.world();
        let effect = resolve(&action, &mut world).ok()?;
        for change in effect.changes {
            if let Change::Validator { consensus_key, after, .. } = change {
                world.validators.retain(|v| v.consensus_key != consensus_key);
                world.validators.extend(after);
            }
        }
        assert_eq!(world.height(), 1);
        Some(set.after(&world))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a change leaves more than two thirds signing", |_, set: &Set| {
                let power = |seeds: &dyn Fn(u8) -> bool| -> u64 {
                    set.powers.iter().filter(|(seed, _)| seeds(*seed)).map(|(_, power)| power).sum()
                };
                !set.changed || 3 * power(&|seed| set.signing.contains(&seed)) > 2 * power(&|_| true)
            }),
            Property::always("the set is never empty", |_, set: &Set| !set.powers.is_empty()),
            Property::sometimes("a validator can be admitted", |_, set: &Set| set.powers.len() == 5),
            Property::sometimes("all but one can retire", |_, set: &Set| set.powers.len() == 1),
        ]
    }
}

#[test]
fn four_validators_stay_able_to_decide_whatever_is_decided() {
    let checker = SmallSet.checker().threads(2).spawn_dfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}
