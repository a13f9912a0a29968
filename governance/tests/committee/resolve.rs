//! What must never happen, whoever votes for it.

use concordat_governance::{
    Action, Kind, Refusal, Rule,
    action::{Basis, Scope},
    facts::Membership,
};
use concordat_types::Role;

use crate::{kit::*, lifecycle::admission};

fn code(world: &mut World, action: &Action) -> u16 {
    world.resolve(action).unwrap_err().code()
}

#[test]
fn known_and_expelled_organisations_are_not_admitted_again() {
    let mut world = World::of_banks(4);
    assert_eq!(code(&mut world, &admission(0, "first")), 30);
    assert_eq!(code(&mut world, &admission(4, "bad root")), 34);
    let everybody: Vec<_> = (0..4).map(member).collect();
    assert_eq!(world.pass(&Action::ExpelOrganisation(org(3)), &everybody), Ok("executed"));
    assert_eq!(code(&mut world, &admission(3, "first")), 30);
    assert_eq!(code(&mut world, &Action::ReinstateOrganisation(org(3))), 32);
    assert_eq!(code(&mut world, &Action::SuspendOrganisation(org(9))), 31);
}

#[test]
fn an_organisation_that_is_suspended_loses_its_validators_and_comes_back_without() {
    let mut world = World::of_banks(4);
    let everybody: Vec<_> = (0..4).map(member).collect();
    let effect = world.resolve(&Action::SuspendOrganisation(org(3))).unwrap();
    assert_eq!(effect.changes.len(), 2);
    assert_eq!(effect.quorum.unwrap().map(|quorum| quorum.total), [40, 30]);
    assert_eq!(world.pass(&Action::SuspendOrganisation(org(3)), &everybody), Ok("executed"));
    assert_eq!(world.validators.len(), 3);
    assert_eq!(world.propose(member(3), &freeze(operator(0))).unwrap_err().code(), 3);
    assert_eq!(world.pass(&Action::ReinstateOrganisation(org(3)), &everybody[..3]), Ok("executed"));
    assert_eq!(world.organisations[&org(3)].membership, Membership::Active);
    assert_eq!(world.validators.len(), 3);
    assert!(world.propose(member(3), &freeze(operator(0))).is_ok());
}

#[test]
fn an_organisation_that_is_expelled_loses_its_seats_too() {
    let mut world = World::of_banks(4);
    let everybody: Vec<_> = (0..4).map(member).collect();
    assert_eq!(world.pass(&Action::ExpelOrganisation(org(3)), &everybody), Ok("executed"));
    assert_eq!(world.committee.members().len(), 3);
    assert_eq!(world.validators.len(), 3);
}

#[test]
fn the_last_organisation_and_the_last_validator_stay() {
    let mut world = World::of_banks(1);
    assert_eq!(code(&mut world, &Action::ExpelOrganisation(org(0))), 33);
    assert_eq!(code(&mut world, &Action::SuspendOrganisation(org(0))), 33);
    assert_eq!(code(&mut world, &Action::RetireValidator { consensus_key: consensus_key(0) }), 43);
    assert_eq!(code(&mut world, &Action::RetireValidator { consensus_key: consensus_key(7) }), 42);
}

#[test]
fn the_committee_is_never_empty_and_can_always_change_its_rules() {
    let mut world = World::of_banks(1);
    assert_eq!(world.resolve(&seat(member(0), 0)), Err(Refusal::CommitteeEmpty));
    let mut world = World::of_banks(2);
    assert_eq!(code(&mut world, &seat(member(1), 0)), 54, "set-rule needs two organisations");
    assert_eq!(code(&mut world, &freeze(member(1))), 54);
    assert_eq!(code(&mut world, &emergency(member(1))), 64);
    assert_eq!(code(&mut world, &Action::SuspendOrganisation(org(1))), 54);
    assert_eq!(code(&mut world, &Action::ExpelOrganisation(org(1))), 54);
    let outgoing =
        Action::FreezeAccount { account: member(1), scope: Scope::Outgoing, basis: basis(), until: 0 };
    assert!(world.resolve(&outgoing).is_ok(), "it may still vote");
    let rule = Rule { organisations: 3, ..world.rules[&Kind::SetRule] };
    assert_eq!(code(&mut world, &Action::SetRule { kind: Kind::SetRule, rule }), 54);
    let rule = world.rules[&Kind::SetRule];
    assert_eq!(code(&mut world, &Action::SetRule { kind: Kind::SetRule, rule }), 35);
}

#[test]
fn an_expired_certificate_takes_no_committee_away_because_renewal_needs_nobody() {
    let mut world = World::of_banks(2);
    world.accounts.get_mut(&member(1)).unwrap().expired = true;
    let rule = Rule { voting_blocks: 5, ..world.rules[&Kind::SetRule] };
    assert!(world.resolve(&Action::SetRule { kind: Kind::SetRule, rule }).is_ok());
    world.accounts.get_mut(&member(1)).unwrap().revoked = true;
    assert_eq!(code(&mut world, &Action::SetRule { kind: Kind::SetRule, rule }), 54);
}

#[test]
fn nobody_is_both_referee_and_player() {
    let mut world = World::of_banks(4);
    for role in Role::ALL.iter().filter(|role| **role != Role::CommitteeMember) {
        world.enrol(0, *role);
        assert_eq!(code(&mut world, &seat(account(0, *role), 1)), 51, "{role}");
    }
    assert_eq!(code(&mut world, &seat(account(8, Role::CommitteeMember), 1)), 50);
    world.accounts.get_mut(&member(3)).unwrap().revoked = true;
    assert_eq!(code(&mut world, &seat(member(3), 2)), 3);
    assert!(world.resolve(&seat(member(3), 0)).is_ok());
}

#[test]
fn changes_of_validators_are_quorum_safe() {
    let mut world = World::of_banks(4);
    assert!(world.resolve(&new_validator(0, 10, 10)).is_ok());
    world.down(3);
    let Err(Refusal::QuorumUnsafe { missing, .. }) = world.resolve(&new_validator(0, 10, 10)) else {
        panic!()
    };
    let named: Vec<_> = missing.iter().map(|missing| missing.consensus_key).collect();
    assert_eq!(named, [consensus_key(3), consensus_key(10)], "the one that is down, and the new one");
    let power = |seed, power| Action::SetValidatorPower { consensus_key: consensus_key(seed), power };
    assert_eq!(code(&mut world, &power(3, 20)), 44, "the one that is down would weigh more");
    assert!(world.resolve(&power(3, 1)).is_ok(), "less is safe");
    assert!(world.resolve(&Action::RetireValidator { consensus_key: consensus_key(3) }).is_ok());
    assert_eq!(code(&mut world, &Action::RetireValidator { consensus_key: consensus_key(0) }), 44);
    assert_eq!(code(&mut world, &Action::SuspendOrganisation(org(0))), 44);
    assert!(world.resolve(&Action::SuspendOrganisation(org(3))).is_ok());
    world.recent.clear();
    assert_eq!(code(&mut world, &power(3, 1)), 44, "unknown signers: no change");
    assert_eq!(code(&mut world, &power(0, u64::MAX)), 43);
    assert_eq!(code(&mut world, &power(0, 10)), 35);
}

#[test]
fn a_third_of_the_power_is_not_cut_off_at_once_but_can_retire_first() {
    let mut world = World::of_banks(3);
    let everybody: Vec<_> = (0..3).map(member).collect();
    assert_eq!(code(&mut world, &Action::SuspendOrganisation(org(2))), 54, "set-rule needs all three");
    let rule = Rule { participation: 5_001, ..world.rules[&Kind::SetRule] };
    for kind in [Kind::SetRule, Kind::SetCommitteeMember] {
        assert_eq!(world.pass(&Action::SetRule { kind, rule }, &everybody), Ok("executed"));
    }
    assert_eq!(code(&mut world, &Action::SuspendOrganisation(org(2))), 44);
    let retire = Action::RetireValidator { consensus_key: consensus_key(2) };
    assert_eq!(world.pass(&retire, &everybody), Ok("executed"));
    assert!(world.resolve(&Action::SuspendOrganisation(org(2))).is_ok());
}

#[test]
fn authorities_roll_over_by_adding_before_removing() {
    let mut world = World::of_banks(3);
    let set = |texts: &[&'static str]| Action::SetAuthorities {
        id: org(0),
        roots: texts.iter().flat_map(|text| roots(text)).collect(),
    };
    assert_eq!(code(&mut world, &set(&["first"])), 35);
    assert_eq!(code(&mut world, &set(&["bad"])), 34);
    assert!(world.resolve(&set(&["first", "second"])).is_ok());
    assert_eq!(code(&mut world, &set(&["second"])), 44, "a third of the validators may be cut off");
    let mut world = World::of_banks(4);
    assert!(world.resolve(&set(&["second"])).is_ok());
}

#[test]
fn validators_are_admitted_once_and_each_has_a_node_of_its_own() {
    let mut world = World::of_banks(4);
    assert_eq!(code(&mut world, &new_validator(0, 0, 1)), 40);
    assert_eq!(code(&mut world, &new_validator(9, 11, 1)), 34);
    world.validators[0].node_key = alloy_primitives::B256::repeat_byte(12);
    assert_eq!(code(&mut world, &new_validator(0, 12, 1)), 41);
}

#[test]
fn freezes_bind_lapse_and_are_lifted() {
    let mut world = World::of_banks(4);
    let all: Vec<_> = (0..4).map(member).collect();
    let unfreeze = Action::UnfreezeAccount { account: operator(0), basis: basis() };
    assert_eq!(code(&mut world, &unfreeze), 60);
    assert_eq!(code(&mut world, &freeze(account(9, Role::Operator))), 50);
    assert_eq!(world.pass(&freeze(operator(0)), &all), Ok("executed"));
    assert_eq!(code(&mut world, &freeze(operator(0))), 35);
    assert_eq!(code(&mut world, &emergency(operator(0))), 61);
    assert_eq!(world.pass(&unfreeze, &all), Ok("executed"));
    let over = Action::FreezeAccount {
        account: operator(0),
        scope: Scope::All,
        basis: basis(),
        until: world.height,
    };
    assert_eq!(code(&mut world, &over), 63);
}

#[test]
fn a_ballot_binds_every_word_of_the_action() {
    let mut world = World::of_banks(4);
    let unfreeze = |reference: &str| Action::UnfreezeAccount {
        account: operator(0),
        basis: Basis { reference: reference.into(), ..basis() },
    };
    let all: Vec<_> = (0..4).map(member).collect();
    world.pass(&freeze(operator(0)), &all).unwrap();
    let digests = ["Order 1", "Order 2"].map(|text| world.resolve(&unfreeze(text)).unwrap().digest());
    assert_ne!(digests[0], digests[1]);
}

#[test]
fn a_quarter_takes_nobodys_vote_by_emergencies() {
    let mut world = World::of_banks(4);
    let outgoing = Action::EmergencyFreeze { account: member(1), scope: Scope::Outgoing, basis: basis() };
    let refused = world.resolve(&emergency(member(1))).unwrap_err();
    assert_eq!(refused, Refusal::EmergencyAgainstMember { account: member(1) });
    assert_eq!(refused.code(), 64);
    assert!(world.resolve(&outgoing).is_ok(), "it may still vote");
    // Had it been able to, half of the committee would be left, which can lift nothing.
    assert_eq!(world.pass(&freeze(operator(0)), &[member(2), member(3)]), Ok("rejected"));
    // Whichever of its accounts is named.
    let everybody: Vec<_> = (0..4).map(member).collect();
    let action = recover(member(1), (1, Role::CommitteeMember, 7));
    assert_eq!(world.pass(&action, &everybody), Ok("executed"));
    for account in [member(1), spare(1, Role::CommitteeMember, 7)] {
        assert_eq!(world.resolve(&emergency(account)).unwrap_err().code(), 64);
    }
}

#[test]
fn an_emergency_that_was_lifted_is_not_repeated_at_once() {
    let mut world = World::of_banks(4);
    world.height = 50;
    let others = [member(1), member(2), member(3)];
    let lift = Action::UnfreezeAccount { account: operator(3), basis: basis() };
    for (act, lift) in
        [(emergency(operator(3)), lift), (emergency_contract(contract(0)), unfreeze_contract(contract(0)))]
    {
        assert_eq!(world.pass(&act, &[member(0)]), Ok("executed"));
        assert_eq!(world.pass(&lift, &others), Ok("executed"));
        let refused = world.resolve(&act).unwrap_err();
        assert!(matches!(refused.code(), 62 | 85), "{refused}");
        world.height += world.rules[&act.kind()].lapse_blocks;
        assert_eq!(world.pass(&act, &[member(0)]), Ok("executed"), "there may be another reason by then");
    }
}
