//! Proposals, ballots and outcomes.

use alloy_primitives::B256;
use concordat_governance::{Choice, Kind, Refusal, Rule, Status, action::Basis};
use concordat_types::Role;

use crate::kit::*;

const YES: Choice = Choice::Yes;

#[test]
fn three_of_four_admit_a_bank() {
    let mut world = World::of_banks(4);
    let action = admission(4, "first");
    assert_eq!(world.pass(&action, &[member(0), member(1), member(2)]), Ok("executed"));
    assert!(world.organisations.contains_key(&org(4)));
    assert_eq!(world.proposal(1).decided, world.height);
}

pub fn admission(index: u8, root: &'static str) -> concordat_governance::Action {
    concordat_governance::Action::AdmitOrganisation(concordat_governance::action::Admission {
        id: org(index),
        name: format!("Bank {index}"),
        roots: roots(root),
        roles: Role::ALL.iter().copied().collect(),
    })
}

#[test]
fn two_of_four_do_not_and_the_proposal_is_rejected_for_good() {
    let mut world = World::of_banks(4);
    let action = admission(4, "first");
    assert_eq!(world.pass(&action, &[member(0), member(1)]), Ok("rejected"));
    assert!(matches!(world.execute(1), Err(Refusal::NotOpen { id: 1, status: Status::Rejected })));
    assert!(matches!(world.vote(member(2), 1, YES), Err(Refusal::NotOpen { .. })));
    assert!(matches!(world.revoke(member(0), 1), Err(Refusal::NotOpen { .. })));
    assert!(matches!(world.veto(regulator(), 1), Err(Refusal::NotOpen { .. })));
}

#[test]
fn only_members_in_good_standing_propose_and_vote() {
    let mut world = World::of_banks(4);
    let action = freeze(operator(3));
    for stranger in [operator(0), regulator(), alloy_primitives::Address::ZERO] {
        let refused = Err(Refusal::NotMember { sender: stranger });
        assert_eq!(world.propose(stranger, &action), refused);
    }
    let id = world.propose(member(0), &action).unwrap();
    assert_eq!(world.vote(operator(1), id, YES), Err(Refusal::NotMember { sender: operator(1) }));
    world.accounts.get_mut(&member(1)).unwrap().expired = true;
    let refused = Err(Refusal::NotInGoodStanding { sender: member(1) });
    assert_eq!(world.vote(member(1), id, YES), refused);
    world.committee = Default::default();
    assert_eq!(world.propose(member(0), &action), Err(Refusal::NoCommittee));
}

#[test]
fn a_ballot_is_final_and_binds_one_effect() {
    let mut world = World::of_banks(4);
    let id = world.propose(member(0), &freeze(operator(3))).unwrap();
    let (have, presented) = (world.proposal(id).digest, B256::repeat_byte(6));
    let refused = Err(Refusal::OtherEffect { id, have, presented });
    assert_eq!(world.vote_for(member(1), id, YES, presented), refused);
    world.vote(member(1), id, Choice::No).unwrap();
    assert_eq!(world.vote(member(1), id, YES), Err(Refusal::AlreadyVoted { id, sender: member(1) }));
}

#[test]
fn a_changed_effect_voids_the_ballots() {
    let mut world = World::of_banks(4);
    let first = world.propose(member(0), &new_validator(0, 10, 1)).unwrap();
    let second = world.propose(member(1), &new_validator(1, 11, 1)).unwrap();
    for id in [first, second] {
        (0..4).for_each(|index| world.vote(member(index), id, YES).unwrap());
    }
    world.height = world.proposal(second).earliest;
    assert_eq!(world.execute(first), Ok("executed"));
    assert_eq!(world.execute(second), Ok("void"), "the quorum that was voted on is another one now");
    assert_eq!(world.validators.len(), 5);
    assert!(world.execute(second).is_err());
}

#[test]
fn an_action_that_has_become_impossible_fails_with_its_reason() {
    let mut world = World::of_banks(4);
    let ids: Vec<u64> =
        (0..2).map(|index| world.propose(member(index), &freeze_once(operator(3))).unwrap()).collect();
    for id in &ids {
        (0..4).for_each(|index| world.vote(member(index), *id, YES).unwrap());
    }
    assert_eq!(world.execute(ids[0]), Ok("executed"));
    assert_eq!(world.execute(ids[1]), Ok("failed"));
    let Status::Failed { code, reason } = &world.proposal(ids[1]).status else { panic!() };
    assert_eq!((*code, reason.contains("nothing would change")), (35, true), "{reason}");
}

fn freeze_once(account: alloy_primitives::Address) -> concordat_governance::Action {
    freeze(account)
}

#[test]
fn only_the_proposer_revokes_and_only_a_regulator_vetoes_where_the_rule_allows_it() {
    let mut world = World::of_banks(4);
    let frozen = world.propose(member(0), &freeze(operator(3))).unwrap();
    let refused = Refusal::NotProposer { id: frozen, proposer: member(0) };
    assert_eq!(world.revoke(member(1), frozen), Err(refused));
    assert_eq!(world.veto(regulator(), frozen), Err(Refusal::NoVeto { kind: Kind::FreezeAccount }));
    assert_eq!(world.revoke(member(0), frozen), Ok(()));

    let admission = world.propose(member(0), &admission(4, "first")).unwrap();
    assert_eq!(world.veto(member(0), admission), Err(Refusal::NotRegulator { sender: member(0) }));
    assert_eq!(world.veto(operator(0), admission), Err(Refusal::NotRegulator { sender: operator(0) }));
    (0..4).for_each(|index| world.vote(member(index), admission, YES).unwrap());
    assert_eq!(world.veto(regulator(), admission), Ok(()), "until it is executed");
    assert_eq!(world.proposal(admission).status, Status::Vetoed { basis: B256::repeat_byte(7) });
    assert!(world.execute(admission).is_err());
}

#[test]
fn voting_ends_early_only_when_the_outcome_is_certain() {
    let mut world = World::of_banks(4);
    let id = world.propose(member(0), &admission(4, "first")).unwrap();
    let closes = world.proposal(id).closes;
    world.height = 5;
    for index in 0..3 {
        world.vote(member(index), id, YES).unwrap();
    }
    assert_eq!(world.proposal(id).closes, closes, "one of three who approve could still say no");
    assert!(matches!(world.execute(id), Err(Refusal::TooEarly { .. })));
    world.vote(member(3), id, YES).unwrap();
    let proposal = world.proposal(id);
    assert_eq!((proposal.closes, proposal.earliest), (5, 5));
    assert_eq!(world.execute(id), Ok("executed"));
}

#[test]
fn weight_and_seats_are_judged_when_they_are_judged() {
    let mut world = World::of_banks(5);
    let id = world.propose(member(0), &admission(5, "first")).unwrap();
    (0..4).for_each(|index| world.vote(member(index), id, YES).unwrap());
    // A member that has voted loses its seat; with it the vote would have passed.
    world.committee = world.committee.without(&member(3)).without(&member(2));
    world.height = world.proposal(id).earliest;
    assert_eq!(world.execute(id), Ok("rejected"));
}

#[test]
fn proposals_of_a_committee_of_one_are_its_own_to_pass() {
    let mut world = World::of_banks(1);
    let rule = Rule { timelock_blocks: 3, ..world.rules[&Kind::FreezeAccount] };
    let action = concordat_governance::Action::SetRule { kind: Kind::FreezeAccount, rule };
    assert_eq!(world.pass(&action, &[member(0)]), Ok("executed"));
}

#[test]
fn unknown_kinds_and_broken_payloads_open_nothing() {
    let mut world = World::of_banks(2);
    let decide = |world: &mut World, kind, payload: &[u8]| {
        concordat_governance::lifecycle::decide_proposal(world, 1, member(0), kind, payload).unwrap_err()
    };
    let error = decide(&mut world, 99, &[]);
    assert_eq!(error, Refusal::UnknownKind { code: 99 }.into());
    let error = decide(&mut world, Kind::SetRule.code(), b"rubbish");
    let concordat_governance::ResolveError::Refused(refusal) = error;
    assert_eq!(refusal.code(), 6);
    let reference = String::new();
    let basis = Basis { document: B256::ZERO, reference };
    let action = concordat_governance::Action::UnfreezeAccount { account: operator(0), basis };
    assert_eq!(world.propose(member(0), &action).unwrap_err().code(), 6);
}

#[test]
fn heights_at_their_end_open_nothing() {
    let mut world = World::of_banks(2);
    world.height = u64::MAX - 1;
    assert_eq!(world.propose(member(0), &freeze(operator(0))), Err(Refusal::HeightOverflow));
}
