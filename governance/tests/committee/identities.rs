//! Identities outlive keys; bars shut out.

use alloy_primitives::B256;
use concordat_governance::{
    Action, Choice, Kind, Member, Refusal, action::BarTarget, effect::Change, facts::Ability,
};
use concordat_types::Role;

use crate::kit::*;

const OPERATOR: Role = Role::Operator;
const MEMBER: Role = Role::CommitteeMember;

fn code(world: &mut World, action: &Action) -> u16 {
    world.resolve(action).unwrap_err().code()
}

#[test]
fn a_recovered_key_acts_for_the_first_identity_whatever_came_between() {
    let mut world = World::of_banks(4);
    let mut last = operator(0);
    for seed in 100..103 {
        assert_eq!(world.pass(&recover(last, (0, OPERATOR, seed)), &everybody()), Ok("executed"));
        assert_eq!(world.ability(&last), Ability::Not);
        last = spare(0, OPERATOR, seed);
        assert_eq!((world.identity(&last), world.holder(&operator(0))), (operator(0), last));
        assert_eq!(world.ability(&last), Ability::Now);
    }
}

#[test]
fn a_recovery_changes_the_key_alone_and_needs_one_that_is_new() {
    let mut world = World::of_banks(4);
    let unknown = account(7, OPERATOR);
    assert_eq!(code(&mut world, &recover(unknown, (0, OPERATOR, 100))), 50);
    assert_eq!(code(&mut world, &recover(operator(0), (9, OPERATOR, 100))), 34, "no member vouches for it");
    assert_eq!(code(&mut world, &recover(operator(0), (1, OPERATOR, 100))), 57, "another organisation");
    assert_eq!(code(&mut world, &recover(operator(0), (0, Role::Developer, 100))), 57, "another role");
    let own = |account| Action::RecoverKey {
        account: operator(0),
        chain: path(0, OPERATOR, account),
        basis: basis(),
    };
    assert_eq!(code(&mut world, &own(operator(0))), 58, "the same key");
    assert_eq!(code(&mut world, &own(operator(1))), 58, "somebody's key");
    assert_eq!(world.pass(&recover(operator(0), (0, OPERATOR, 100)), &everybody()), Ok("executed"));
    let again = recover(operator(0), (0, OPERATOR, 101));
    let by = spare(0, OPERATOR, 100);
    assert_eq!(world.resolve(&again), Err(Refusal::AccountReplaced { account: operator(0), by }));
    assert_eq!(code(&mut world, &recover(by, (0, OPERATOR, 100))), 58);
    assert_eq!(code(&mut world, &again), 55);
}

#[test]
fn a_key_that_a_policy_or_rule_names_replaces_nobody_until_it_is_taken_out_there() {
    let mut world = World::of_banks(4);
    let account = spare(0, OPERATOR, 100);
    world.named.insert(account, "policy not-olga".into());
    let action = recover(operator(0), (0, OPERATOR, 100));
    let by = "policy not-olga".to_owned();
    assert_eq!(world.resolve(&action), Err(Refusal::KeyNamed { account, by }));
    assert_eq!(code(&mut world, &action), 37);
    world.named.clear();
    assert_eq!(world.pass(&action, &everybody()), Ok("executed"));
    // Of a proposal that was made before, the outcome tells it.
    let late = recover(account, (0, OPERATOR, 101));
    let id = world.propose(member(0), &late).unwrap();
    everybody().into_iter().for_each(|voter| world.vote(voter, id, Choice::Yes).unwrap_or_default());
    world.named.insert(spare(0, OPERATOR, 101), "rule payments".into());
    world.height = world.height.max(world.proposal(id).earliest);
    assert_eq!(world.execute(id), Ok("failed"));
    assert_eq!(world.proposal(id).status.refusal_code(), 37);
}

#[test]
fn voters_are_shown_the_name_before_and_after_a_recovery() {
    let mut world = World::of_banks(4);
    let effect = world.resolve(&recover(operator(0), (0, OPERATOR, 100))).unwrap();
    let Change::Identity { before, after, .. } = &effect.changes[0] else { panic!() };
    assert_eq!((before.account, before.common_name.as_str()), (operator(0), "somebody"));
    assert_eq!((after.account, after.common_name.as_str()), (spare(0, OPERATOR, 100), "someone"));
    let text = effect.to_string();
    assert!(text.contains("- account") && text.contains("\"somebody\"") && text.contains("\"someone\""));
}

#[test]
fn a_founder_that_cannot_enrol_without_the_others_is_not_counted_as_able() {
    let mut world = World::of_banks(4);
    let founder = spare(3, MEMBER, 100);
    world.committee = world.committee.without(&member(3));
    world.committee =
        world.committee.with(Member { address: founder, organisation: org(3), weight: 1 }).unwrap();
    assert!(
        world.resolve(&bar(member(2))).is_ok(),
        "three of four can act, one of them as soon as it enrols"
    );
    world.barred_founders.insert(founder);
    assert_eq!(code(&mut world, &bar(member(2))), 54, "two of four cannot");
    world.barred_founders.clear();
    world.organisations.get_mut(&org(3)).unwrap().membership =
        concordat_governance::facts::Membership::Suspended;
    assert_eq!(code(&mut world, &bar(member(2))), 54, "nor while its organisation is suspended");
}

#[test]
fn a_key_with_a_seat_that_has_not_enrolled_replaces_nobody() {
    let mut world = World::of_banks(4);
    let founder = spare(0, MEMBER, 100);
    let seat = Member { address: founder, organisation: org(0), weight: 1 };
    world.committee = world.committee.with(seat).unwrap();
    assert_eq!(code(&mut world, &recover(member(0), (0, MEMBER, 100))), 58);
}

#[test]
fn a_seat_goes_to_the_new_key_and_old_ballots_stay_as_cast_and_count_no_more() {
    let mut world = World::of_banks(4);
    world.rules.get_mut(&Kind::RecoverKey).unwrap().voting_blocks = 5;
    let open = world.propose(member(0), &freeze(operator(3))).unwrap();
    world.vote(member(1), open, Choice::Yes).unwrap();
    let action = recover(member(1), (1, MEMBER, 100));
    let effect = world.resolve(&action).unwrap();
    let new = spare(1, MEMBER, 100);
    let seats = effect.changes.iter().filter_map(|change| match change {
        Change::Seat { member, before, after } => Some((*member, before.is_some(), after.is_some())),
        _ => None,
    });
    let seats: Vec<_> = seats.collect();
    assert_eq!(seats, [(member(1), true, false), (new, false, true)]);
    assert_eq!(world.pass(&action, &[member(0), member(2), member(3)]), Ok("executed"));
    assert_eq!(world.committee.member(&new).unwrap().weight, 1);
    assert_eq!(world.committee.members().len(), 4);
    assert_eq!(world.vote(member(1), open, Choice::No), Err(Refusal::NotMember { sender: member(1) }));
    assert_eq!(world.proposal(open).ballots.len(), 1);
    world.vote(new, open, Choice::No).unwrap();
    assert_eq!(world.proposal(open).ballots.len(), 2);
    world.height = world.proposal(open).earliest;
    assert_eq!(world.execute(open), Ok("rejected"), "nobody with a seat has said yes");
}

#[test]
fn a_new_key_makes_no_proposer_judge_of_its_own_case_and_revokes_what_it_proposed() {
    let mut world = World::of_banks(4);
    world.rules.get_mut(&Kind::RecoverKey).unwrap().voting_blocks = 5;
    let ids = [0, 1].map(|_| world.propose(member(0), &freeze(operator(3))).unwrap());
    let recovery = recover(member(0), (0, MEMBER, 100));
    assert_eq!(world.pass(&recovery, &[member(1), member(2), member(3)]), Ok("executed"));
    let new = spare(0, MEMBER, 100);
    world.vote(new, ids[0], Choice::Yes).unwrap();
    world.vote(member(1), ids[0], Choice::No).unwrap();
    world.vote(member(2), ids[0], Choice::Yes).unwrap();
    world.height = world.proposal(ids[0]).earliest;
    assert_eq!(world.execute(ids[0]), Ok("rejected"), "one of two who judge approves");
    assert_eq!(world.revoke(member(1), ids[1]).unwrap_err().code(), 15);
    assert_eq!(world.revoke(new, ids[1]), Ok(()));
}

#[test]
fn a_recovery_is_no_way_out_of_a_freeze_neither_of_one_that_binds_nor_of_one_on_its_way() {
    let mut world = World::of_banks(4);
    let frozen = world.propose(member(0), &freeze(operator(0))).unwrap();
    assert_eq!(world.pass(&recover(operator(0), (0, OPERATOR, 100)), &everybody()), Ok("executed"));
    for voter in everybody() {
        if world.proposal(frozen).closes >= world.height {
            world.vote(voter, frozen, Choice::Yes).unwrap();
        }
    }
    assert_eq!(world.execute(frozen), Ok("executed"));
    let first = spare(0, OPERATOR, 100);
    assert_eq!(world.ability(&first), Ability::Not);
    assert_eq!(world.pass(&recover(first, (0, OPERATOR, 101)), &everybody()), Ok("executed"));
    let second = spare(0, OPERATOR, 101);
    assert_eq!(world.ability(&second), Ability::Not);
    assert_eq!(code(&mut world, &emergency(second)), 61);
    let unfreeze = Action::UnfreezeAccount { account: second, basis: basis() };
    assert_eq!(world.pass(&unfreeze, &everybody()), Ok("executed"));
    assert_eq!(world.ability(&second), Ability::Now);
}

#[test]
fn a_barred_identity_is_shut_out_until_a_vote_lifts_that() {
    let mut world = World::of_banks(4);
    let target = BarTarget::Account(operator(0));
    assert_eq!(code(&mut world, &bar(account(7, OPERATOR))), 50);
    assert_eq!(code(&mut world, &lift(target)), 59);
    assert_eq!(world.pass(&bar(operator(0)), &everybody()), Ok("executed"));
    assert_eq!(world.ability(&operator(0)), Ability::Not);
    assert_eq!(world.resolve(&bar(operator(0))), Err(Refusal::Barred { target }));
    assert_eq!(code(&mut world, &bar(operator(0))), 56);
    assert_eq!(code(&mut world, &recover(operator(0), (0, OPERATOR, 100))), 56);
    assert_eq!(world.pass(&lift(target), &everybody()), Ok("executed"));
    assert_eq!(world.ability(&operator(0)), Ability::Now);
}

#[test]
fn a_bar_binds_the_identity_whichever_of_its_accounts_is_named() {
    let mut world = World::of_banks(4);
    let barred = world.propose(member(0), &bar(operator(0))).unwrap();
    assert_eq!(world.pass(&recover(operator(0), (0, OPERATOR, 100)), &everybody()), Ok("executed"));
    for voter in everybody() {
        if world.proposal(barred).closes >= world.height {
            world.vote(voter, barred, Choice::Yes).unwrap();
        }
    }
    assert_eq!(world.execute(barred), Ok("executed"), "the effect is the same for the new key");
    let new = spare(0, OPERATOR, 100);
    assert_eq!(world.ability(&new), Ability::Not);
    assert_eq!(code(&mut world, &bar(new)), 56);
    assert_eq!(world.pass(&lift(BarTarget::Account(new)), &everybody()), Ok("executed"));
    assert!(world.bars.is_empty());
}

#[test]
fn members_are_barred_only_as_long_as_the_committee_can_act() {
    let mut world = World::of_banks(2);
    assert_eq!(code(&mut world, &bar(member(1))), 54);
    let mut world = World::of_banks(4);
    assert_eq!(world.pass(&bar(member(3)), &everybody()), Ok("executed"));
    assert_eq!(world.propose(member(3), &freeze(operator(0))).unwrap_err().code(), 3);
    assert_eq!(code(&mut world, &bar(member(2))), 54, "two of four are no two thirds");
}

#[test]
fn a_validators_node_is_barred_only_after_the_validator_is_retired_and_is_none_again() {
    let mut world = World::of_banks(4);
    let node = |seed| BarTarget::Node(B256::repeat_byte(seed));
    let Err(Refusal::NodeOfValidator { consensus_key: named, .. }) = world.resolve(&bar_node(3)) else {
        panic!()
    };
    assert_eq!(named, consensus_key(3));
    assert_eq!(code(&mut world, &bar_node(3)), 36);
    let retire = Action::RetireValidator { consensus_key: consensus_key(3) };
    assert_eq!(world.pass(&retire, &everybody()), Ok("executed"));
    assert_eq!(world.pass(&bar_node(3), &everybody()), Ok("executed"));
    assert_eq!(code(&mut world, &bar_node(3)), 56);
    assert_eq!(code(&mut world, &new_validator(3, 3, 10)), 34);
    assert_eq!(code(&mut world, &lift(node(4))), 59);
    assert_eq!(world.pass(&lift(node(3)), &everybody()), Ok("executed"));
    assert!(world.resolve(&new_validator(3, 3, 10)).is_ok());
}

#[test]
fn a_node_that_is_admitted_meanwhile_is_not_barred() {
    let mut world = World::of_banks(4);
    let barred = world.propose(member(0), &bar_node(20)).unwrap();
    everybody().into_iter().take(3).for_each(|voter| world.vote(voter, barred, Choice::Yes).unwrap());
    assert_eq!(world.pass(&new_validator(0, 20, 1), &everybody()), Ok("executed"));
    world.height = world.height.max(world.proposal(barred).earliest);
    assert_eq!(world.execute(barred), Ok("failed"));
    assert_eq!(world.proposal(barred).status.refusal_code(), 36);
}

#[test]
fn recoveries_wait_for_a_regulator_and_lifted_bars_can_be_vetoed() {
    let world = World::of_banks(4);
    let rule = |kind: Kind| (world.rules[&kind].timelock_blocks, world.rules[&kind].veto);
    assert_eq!(rule(Kind::RecoverKey), (10, true));
    assert_eq!(rule(Kind::LiftBar), (0, true));
    for kind in [Kind::BarAccount, Kind::BarNode] {
        assert_eq!(rule(kind), (0, false));
    }
}
