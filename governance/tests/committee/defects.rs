//! The defects of FISCO BCOS' committee, each shown not to be here.

use concordat_governance::{Action, Choice, Kind, Refusal, Rule, Status, committee::MAX_WEIGHT};
use concordat_types::Role;

use crate::{kit::*, lifecycle::admission};

const YES: Choice = Choice::Yes;

#[test]
fn fisco_expiry_is_enforced_on_voting_and_on_execution() {
    let mut world = World::of_banks(4);
    let late = world.propose(member(0), &freeze(operator(0))).unwrap();
    let passed = world.propose(member(0), &freeze(operator(1))).unwrap();
    (0..2).for_each(|index| world.vote(member(index), late, YES).unwrap());
    (0..4).for_each(|index| world.vote(member(index), passed, YES).unwrap());
    let closes = world.proposal(late).closes;
    world.height = closes + 10;
    let refused = Refusal::VotingClosed { id: late, closed: closes, height: closes + 10 };
    assert_eq!(world.vote(member(2), late, YES), Err(refused));
    world.height = world.proposal(passed).latest + 1;
    assert_eq!(world.execute(passed), Ok("expired"));
    assert_eq!(
        world.execute(late),
        Ok("rejected"),
        "it could still be judged, and its ballots do not suffice"
    );
    assert!(world.freezes.is_empty());
}

#[test]
fn fisco_rates_of_zero_let_nobody_rule_alone() {
    let mut world = World::of_banks(3);
    for (participation, approval) in [(0, 0), (0, 6_667), (6_667, 0), (1, 5_000), (10_001, 6_667)] {
        let rule = Rule { participation, approval, ..world.rules[&Kind::SetCommitteeMember] };
        let action = Action::SetRule { kind: Kind::SetCommitteeMember, rule };
        assert_eq!(world.propose(member(0), &action).unwrap_err().code(), 6);
    }
    // Even with the lowest rates, one of three cannot remove the others.
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::EmergencyFreeze) {
        let lowest = Rule { participation: 1, approval: 5_001, organisations: 1, ..world.rules[kind] };
        world.rules.insert(*kind, lowest);
    }
    assert_eq!(world.pass(&seat(member(1), 0), &[member(0)]), Ok("rejected"));
    assert_eq!(world.committee.members().len(), 3);
}

#[test]
fn fisco_weights_at_their_maxima_overflow_nothing() {
    let mut world = World::of_weights(&[MAX_WEIGHT; 4]);
    assert_eq!(world.pass(&admission(4, "first"), &[member(0), member(1), member(2)]), Ok("executed"));
    let error = world.propose(member(0), &seat(member(1), MAX_WEIGHT + 1)).unwrap_err();
    assert_eq!(error.code(), 6);
    let mut heaviest = World::of_banks(2);
    assert_eq!(heaviest.pass(&seat(member(0), MAX_WEIGHT), &[member(0), member(1)]), Ok("executed"));
}

#[test]
fn fisco_any_number_of_proposals_is_open_for_one_resource() {
    let mut world = World::of_banks(4);
    let ids: Vec<u64> = (0..50)
        .map(|until| {
            let action = Action::FreezeAccount {
                account: operator(0),
                scope: concordat_governance::action::Scope::All,
                basis: basis(),
                until: 1_000_000 + until,
            };
            world.propose(member(0), &action).unwrap()
        })
        .collect();
    let last = *ids.last().unwrap();
    (0..4).for_each(|index| world.vote(member(index), last, YES).unwrap());
    assert_eq!(world.execute(last), Ok("executed"), "those before it block nothing");
    assert_eq!(world.proposal(ids[0]).status, Status::Open);
}

#[test]
fn fisco_no_first_caller_makes_itself_the_committee() {
    let mut world = World::of_banks(2);
    world.committee = Default::default();
    for action in [seat(member(0), 1), freeze(operator(0))] {
        assert_eq!(world.propose(member(0), &action), Err(Refusal::NoCommittee));
    }
}

#[test]
fn fisco_a_failed_execution_is_a_failed_proposal() {
    let mut world = World::of_banks(4);
    let id = world.propose(member(0), &new_validator(0, 10, 10)).unwrap();
    (0..4).for_each(|index| world.vote(member(index), id, YES).unwrap());
    world.down(3);
    assert_eq!(world.execute(id), Ok("failed"));
    let Status::Failed { code: 44, reason } = &world.proposal(id).status else { panic!() };
    assert!(reason.contains("bank-d"), "it names who is missing: {reason}");
    assert_eq!(world.validators.len(), 4);
}

#[test]
fn fisco_what_is_decided_waits_for_its_timelock() {
    let mut world = World::of_banks(4);
    let id = world.propose(member(0), &seat(member(0), 2)).unwrap();
    (0..4).for_each(|index| world.vote(member(index), id, YES).unwrap());
    let earliest = world.height + world.rules[&Kind::SetCommitteeMember].timelock_blocks;
    world.height = earliest - 1;
    let refused = Refusal::TooEarly { id, earliest, height: earliest - 1 };
    assert_eq!(world.execute(id), Err(refused));
    world.height = earliest;
    assert_eq!(world.execute(id), Ok("executed"));
}

#[test]
fn fisco_an_emergency_freezes_at_once_lapses_and_is_not_repeated() {
    let mut world = World::of_banks(4);
    assert_eq!(world.pass(&emergency(operator(3)), &[member(0)]), Ok("executed"));
    assert_eq!(world.height, 1, "in the same block");
    let until = world.freezes[&operator(3)].until;
    assert_eq!(until, 1 + world.rules[&Kind::EmergencyFreeze].lapse_blocks);
    world.height = until + 1;
    assert!(!world.freezes[&operator(3)].binds(world.height));
    let refused = world.resolve(&emergency(operator(3))).unwrap_err();
    assert!(matches!(refused, Refusal::EmergencyRepeated { .. }), "{refused}");
    // A quarter freezes; it never lifts a freeze.
    let mut world = World::of_banks(4);
    world.pass(&freeze(operator(3)), &[member(0), member(1), member(2)]).unwrap();
    let lift = Action::UnfreezeAccount { account: operator(3), basis: basis() };
    assert_eq!(world.pass(&lift, &[member(0)]), Ok("rejected"));
}

#[test]
fn fisco_an_emergency_can_be_confirmed_while_it_lasts() {
    let mut world = World::of_banks(4);
    world.pass(&emergency(operator(3)), &[member(0)]).unwrap();
    assert_eq!(world.pass(&freeze(operator(3)), &[member(0), member(1), member(2)]), Ok("executed"));
    assert_eq!(world.freezes[&operator(3)].until, 0);
}

#[test]
fn fisco_freezing_takes_a_vote_and_members_can_be_frozen_too() {
    let mut world = World::of_banks(4);
    assert_eq!(world.pass(&freeze(operator(3)), &[member(0)]), Ok("rejected"));
    assert_eq!(world.pass(&freeze(member(3)), &[member(0), member(1), member(2)]), Ok("executed"));
    let refused = Err(Refusal::NotInGoodStanding { sender: member(3) });
    assert_eq!(world.propose(member(3), &freeze(operator(0))), refused);
    assert_eq!(world.accounts[&member(3)].role, Role::CommitteeMember);
}
