//! Contracts are frozen, retired and administered, and the list of who may deploy is kept, by vote.

use alloy_primitives::Address;
use concordat_governance::{
    Action, Kind, Refusal, Rule, Status,
    action::{ListKind, Scope},
    effect::{Change, End, Halt, Listed},
    facts::Halted,
};
use concordat_types::Role;

use crate::kit::*;

#[test]
fn a_contract_is_frozen_confirmed_and_unfrozen() {
    let mut world = World::of_banks(4);
    let it = contract(0);
    let until = world.height + 1_000;
    let frozen = |end| Some(Halt::Frozen { basis: basis(), end, emergency: false });
    for (action, before, after) in [
        (freeze_contract(it), None, frozen(End::Never)),
        (
            Action::FreezeContract { contract: it, basis: basis(), until },
            frozen(End::Never),
            frozen(End::At(until)),
        ),
        (unfreeze_contract(it), frozen(End::At(until)), None),
    ] {
        let effect = world.resolve(&action).unwrap();
        assert_eq!((effect.kind, effect.quorum), (action.kind(), None));
        assert_eq!(effect.changes, [Change::ContractHalt { contract: it, before, after: after.clone() }]);
        passes(&mut world, &action);
        assert_eq!(world.halted(&it).is_some(), after.is_some());
    }
}

#[test]
fn a_freeze_ends_by_itself_and_the_next_starts_from_nothing() {
    let mut world = World::of_banks(4);
    let (contract, until) = (contract(0), world.height + 5);
    passes(&mut world, &Action::FreezeContract { contract, basis: basis(), until });
    world.height = until;
    assert!(world.halted(&contract).is_some());
    world.height = until + 1;
    assert!(world.halted(&contract).is_none());
    assert_eq!(refused(&mut world, &unfreeze_contract(contract)).0, 83);
    let effect = world.resolve(&freeze_contract(contract)).unwrap();
    assert!(matches!(effect.changes[0], Change::ContractHalt { before: None, .. }));
    let over = Action::FreezeContract { contract, basis: basis(), until: world.height };
    assert_eq!(refused(&mut world, &over).0, 63);
}

#[test]
fn the_same_freeze_changes_nothing() {
    let mut world = World::of_banks(4);
    passes(&mut world, &freeze_contract(contract(0)));
    assert_eq!(refused(&mut world, &freeze_contract(contract(0))), (35, "nothing would change".into()));
}

#[test]
fn what_is_no_contract_or_a_part_of_the_chain_is_left_alone() {
    let mut world = World::of_banks(4);
    let (nobody, chain) = (contract(2), system_contract());
    for make in [freeze_contract, unfreeze_contract, retire_contract, emergency_contract] {
        let (code, words) = refused(&mut world, &make(nobody));
        assert_eq!((code, words.contains(&format!("no contract at {nobody}"))), (80, true), "{words}");
        let (code, words) = refused(&mut world, &make(chain));
        assert_eq!((code, words.contains("a contract of the chain itself")), (81, true), "{words}");
    }
    assert_eq!(refused(&mut world, &administrator(nobody, operator(0))).0, 80);
    assert_eq!(refused(&mut world, &administrator(chain, operator(0))).0, 81);
}

#[test]
fn retirement_is_for_good() {
    let mut world = World::of_banks(4);
    let it = contract(0);
    passes(&mut world, &freeze_contract(it));
    let effect = world.resolve(&retire_contract(it)).unwrap();
    let before = Some(Halt::Frozen { basis: basis(), end: End::Never, emergency: false });
    let after = Some(Halt::Retired { basis: basis() });
    assert_eq!(effect.changes, [Change::ContractHalt { contract: it, before, after }]);
    passes(&mut world, &retire_contract(it));
    assert_eq!(world.halted(&it), Some(&Halted::Retired { basis: basis() }));
    world.height += 1_000_000;
    for make in [freeze_contract, unfreeze_contract, retire_contract, emergency_contract] {
        let (code, words) = refused(&mut world, &make(it));
        assert_eq!((code, words), (82, format!("contract {it} is retired, which is for good")));
    }
    assert_eq!(refused(&mut world, &administrator(it, operator(0))).0, 82);
}

#[test]
fn an_emergency_takes_a_quarter_lapses_and_is_not_repeated_without_the_others() {
    let mut world = World::of_banks(4);
    let it = contract(0);
    assert_eq!(world.pass(&emergency_contract(it), &[member(0)]), Ok("executed"));
    let lapse = world.rules[&Kind::EmergencyFreezeContract].lapse_blocks;
    let until = world.height + lapse;
    assert_eq!(world.halted(&it), Some(&Halted::Frozen { basis: basis(), until, emergency: true }));
    assert_eq!(refused(&mut world, &emergency_contract(it)).0, 84);
    world.height = until + 1;
    assert!(world.halted(&it).is_none());
    let from = until + lapse + 1;
    let (code, words) = refused(&mut world, &emergency_contract(it));
    assert_eq!((code, words.ends_with(&format!("at height {from}"))), (85, true), "{words}");
    world.height = from - 1;
    assert_eq!(refused(&mut world, &emergency_contract(it)).0, 85);
    world.height = from;
    assert!(world.resolve(&emergency_contract(it)).is_ok());
}

#[test]
fn a_freeze_confirms_an_emergency_and_lifting_it_forgets_the_emergency() {
    let mut world = World::of_banks(4);
    let it = contract(0);
    world.pass(&emergency_contract(it), &[member(0)]).unwrap();
    passes(&mut world, &freeze_contract(it));
    assert!(matches!(world.halted(&it), Some(Halted::Frozen { until: 0, emergency: false, .. })));
    passes(&mut world, &unfreeze_contract(it));
    assert!(world.resolve(&emergency_contract(it)).is_ok(), "the others have decided in between");
}

#[test]
fn an_administrator_is_appointed_replaced_and_taken() {
    let mut world = World::of_banks(4);
    let it = contract(0);
    for (who, before, after) in [
        (operator(0), None, Some(operator(0))),
        (operator(1), Some(operator(0)), Some(operator(1))),
        (Address::ZERO, Some(operator(1)), None),
    ] {
        let effect = world.resolve(&administrator(it, who)).unwrap();
        assert_eq!(effect.changes, [Change::ContractAdministrator { contract: it, before, after }]);
        passes(&mut world, &administrator(it, who));
        assert_eq!(world.contracts[&it].administrator, after);
        assert_eq!(refused(&mut world, &administrator(it, who)).0, 35);
    }
}

#[test]
fn who_does_no_business_or_is_not_in_good_standing_keeps_no_lists() {
    let mut world = World::of_banks(4);
    let it = contract(0);
    assert_eq!(refused(&mut world, &administrator(it, Address::repeat_byte(0xee))).0, 50);
    for other in [member(0), regulator()] {
        let (code, words) = refused(&mut world, &administrator(it, other));
        assert_eq!((code, words.ends_with("is an operator or a developer")), (86, true), "{words}");
    }
    world.accounts.get_mut(&operator(0)).unwrap().expired = true;
    assert_eq!(refused(&mut world, &administrator(it, operator(0))).0, 3);
    let frozen =
        Action::FreezeAccount { account: operator(1), scope: Scope::Outgoing, basis: basis(), until: 0 };
    passes(&mut world, &frozen);
    assert_eq!(refused(&mut world, &administrator(it, operator(1))).0, 3, "business alone is frozen");
    world.enrol(2, Role::Developer);
    passes(&mut world, &administrator(it, account(2, Role::Developer)));
}

#[test]
fn the_list_of_who_may_deploy_changes_by_what_really_differs() {
    let mut world = World::of_banks(4);
    let mut both = [operator(0), operator(1)];
    both.sort();
    let listed = |kind, accounts: &[Address]| Listed { kind, accounts: accounts.to_vec() };
    passes(&mut world, &deploy_list(ListKind::Allow, &both[..1], &[]));
    let effect = world.resolve(&deploy_list(ListKind::Deny, &both, &[operator(2)])).unwrap();
    let change = Change::DeployList {
        before: listed(ListKind::Allow, &[]),
        after: listed(ListKind::Deny, &both[1..]),
    };
    assert_eq!(effect.changes, [change]);
    passes(&mut world, &deploy_list(ListKind::Deny, &both[1..], &both[..1]));
    assert_eq!(world.deploy_list, (ListKind::Deny, both[1..].iter().copied().collect()));
    for nothing in [
        deploy_list(ListKind::Deny, &[], &[]),
        deploy_list(ListKind::Deny, &both[1..], &[]),
        deploy_list(ListKind::Deny, &[], &both[..1]),
    ] {
        assert_eq!(refused(&mut world, &nothing).0, 35);
    }
    // A list that binds nobody keeps who is on it.
    passes(&mut world, &deploy_list(ListKind::None, &[], &[]));
    assert_eq!(world.deploy_list.1.len(), 1);
}

#[test]
fn of_two_changes_of_the_list_the_second_is_void_and_of_two_retirements_it_fails() {
    let mut world = World::of_banks(4);
    let carried = |world: &mut World, action: &Action| {
        let id = world.propose(member(0), action).unwrap();
        let yes = concordat_governance::Choice::Yes;
        everybody().iter().for_each(|voter| world.vote(*voter, id, yes).unwrap());
        id
    };
    let lists = [
        deploy_list(ListKind::Allow, &[operator(0)], &[]),
        deploy_list(ListKind::Allow, &[operator(0), operator(1)], &[]),
    ];
    let ids = lists.map(|action| carried(&mut world, &action));
    let retired = [0, 1].map(|_| carried(&mut world, &retire_contract(contract(0))));
    world.height = world.proposal(ids[0]).earliest;
    assert_eq!(ids.map(|id| world.execute(id).unwrap()), ["executed", "void"]);
    assert_eq!(retired.map(|id| world.execute(id).unwrap()), ["executed", "failed"]);
    assert!(matches!(world.proposal(retired[1]).status, Status::Failed { code: 82, .. }));
}

#[test]
fn contracts_follow_the_rules_of_their_like() {
    let like = [
        (Kind::SetDeployList, Kind::SetPolicy),
        (Kind::FreezeContract, Kind::FreezeAccount),
        (Kind::UnfreezeContract, Kind::UnfreezeAccount),
        (Kind::RetireContract, Kind::ExpelOrganisation),
        (Kind::SetContractAdministrator, Kind::SetCommitteeMember),
        (Kind::EmergencyFreezeContract, Kind::EmergencyFreeze),
    ];
    for (kind, other) in like {
        assert_eq!(Rule::initial(kind, 4), Rule::initial(other, 4));
    }
    let rule = Rule::initial(Kind::EmergencyFreezeContract, 4);
    assert!(Rule { lapse_blocks: 0, ..rule }.validate(Kind::EmergencyFreezeContract).is_err());
    assert!(
        Rule { lapse_blocks: 9, ..Rule::initial(Kind::FreezeContract, 4) }
            .validate(Kind::FreezeContract)
            .is_err()
    );
    let mut world = World::of_banks(4);
    let veto = |world: &mut World, action: &Action| {
        let id = world.propose(member(0), action).unwrap();
        world.veto(regulator(), id)
    };
    let refused = veto(&mut world, &freeze_contract(contract(0)));
    assert_eq!(refused, Err(Refusal::NoVeto { kind: Kind::FreezeContract }));
    passes(&mut world, &freeze_contract(contract(0)));
    assert_eq!(veto(&mut world, &unfreeze_contract(contract(0))), Ok(()));
}
