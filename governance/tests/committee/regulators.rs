//! The registry of regulators by vote, and what needs their consent.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};
use concordat_governance::{
    Action, Choice, Kind, Refusal, Rule, Status,
    effect::Change,
    refusal::Unfit,
    regulator::{MAX_REGULATORS, Mandate, Power, RegulatorFacts},
};
use concordat_types::Role;

use crate::kit::*;

const YES: Choice = Choice::Yes;
const VETO: &[Power] = &[Power::Veto];

fn everybody() -> Vec<Address> {
    (0..4).map(member).collect()
}

/// The regulator of a bank.
fn supervisor(index: u8) -> Address {
    account(index, Role::Regulator)
}

/// Four banks with a regulator each, none of them registered.
fn world() -> World {
    let mut world = World::of_banks(4);
    (1..4).for_each(|index| world.enrol(index, Role::Regulator));
    world
}

/// A proposal that everybody has voted for, at the height from which it can be executed.
fn carried(world: &mut World, action: &Action) -> u64 {
    let id = world.propose(member(0), action).unwrap();
    everybody().iter().for_each(|voter| {
        if world.proposal(id).closes >= world.height {
            world.vote(*voter, id, YES).unwrap();
        }
    });
    world.height = world.proposal(id).earliest.max(world.height);
    id
}

/// Registers a bank's regulator, with its consent.
fn register(world: &mut World, index: u8, powers: &[Power], until: u64) {
    let id = carried(world, &admit_regulator(supervisor(index), powers, until));
    world.consent(supervisor(index), id).unwrap();
    assert_eq!(world.execute(id), Ok("executed"));
}

fn changed_mandate(action: &Action, change: impl FnOnce(&mut Mandate)) -> Action {
    let Action::AdmitRegulator { account, mandate } = action else { panic!() };
    let mut mandate = mandate.clone();
    change(&mut mandate);
    Action::AdmitRegulator { account: *account, mandate }
}

#[test]
fn a_regulator_is_registered_with_its_consent_and_not_before() {
    let mut world = world();
    let action = admit_regulator(supervisor(0), VETO, 0);
    let effect = world.resolve(&action).unwrap();
    let Action::AdmitRegulator { mandate, .. } = action.clone() else { panic!() };
    let after = Some(RegulatorFacts { organisation: org(0), mandate });
    assert_eq!(
        effect.changes,
        [Change::Regulator { identity: supervisor(0), before: None, after: after.clone() }]
    );
    let id = carried(&mut world, &action);
    let (regulator, digest) = (supervisor(0), effect.digest());
    let refused = world.execute(id).unwrap_err();
    assert_eq!((refused.code(), &refused), (47, &Refusal::NoConsent { id, regulator, digest }));
    assert!(
        refused.to_string().contains(&format!("which calls consent({id}, {digest}) before")),
        "{refused}"
    );
    assert_eq!(world.proposal(id).status, Status::Open, "whoever executes too early decides nothing");
    world.consent(regulator, id).unwrap();
    assert_eq!(world.execute(id), Ok("executed"));
    assert_eq!(world.regulators.get(&regulator), after.as_ref());
}

#[test]
fn without_consent_a_mandate_expires() {
    let mut world = world();
    let id = carried(&mut world, &admit_regulator(supervisor(0), VETO, 0));
    world.height = world.proposal(id).latest;
    assert_eq!(world.execute(id).unwrap_err().code(), 47);
    world.height += 1;
    assert_eq!(world.execute(id), Ok("expired"));
    assert!(world.regulators.is_empty());
}

#[test]
fn only_the_regulator_itself_consents_once_to_this_effect_while_the_proposal_is_open() {
    let mut world = world();
    let id = world.propose(member(0), &admit_regulator(supervisor(0), VETO, 0)).unwrap();
    for sender in [member(0), operator(0), supervisor(1)] {
        assert_eq!(world.consent(sender, id), Err(Refusal::ConsentNotAsked { id, sender }));
    }
    let (have, presented) = (world.proposal(id).digest, B256::ZERO);
    let other = Err(Refusal::OtherEffect { id, have, presented });
    assert_eq!(world.consent_to(supervisor(0), id, presented), other);
    world.consent(supervisor(0), id).unwrap();
    assert_eq!(world.consent(supervisor(0), id), Err(Refusal::NothingChanges));
    world.revoke(member(0), id).unwrap();
    assert_eq!(world.consent(supervisor(0), id).unwrap_err().code(), 11);

    let id = world.propose(member(0), &freeze(operator(0))).unwrap();
    let refused = world.consent(supervisor(0), id).unwrap_err();
    assert_eq!((refused.code(), &refused), (48, &Refusal::ConsentNotAsked { id, sender: supervisor(0) }));
    assert!(refused.to_string().contains("only the regulator that it is about consents"));
}

#[test]
fn a_consent_counts_only_while_its_account_could_give_it() {
    let mut world = world();
    let retire = |world: &mut World| {
        let id = carried(world, &retire_regulator(supervisor(0)));
        world.consent(supervisor(0), id).unwrap();
        id
    };
    register(&mut world, 0, VETO, 0);
    let id = retire(&mut world);
    world.accounts.get_mut(&supervisor(0)).unwrap().expired = true;
    assert_eq!(world.execute(id).unwrap_err().code(), 47, "expired");
    assert_eq!(world.consent(supervisor(0), id).unwrap_err().code(), 3);
    world.accounts.get_mut(&supervisor(0)).unwrap().expired = false;
    world.pass(&recover(supervisor(0), (0, Role::Regulator, 9)), &everybody()).unwrap();
    assert_eq!(world.execute(id).unwrap_err().code(), 47, "a stolen key says nothing any more");
    assert_eq!(world.consent(supervisor(0), id).unwrap_err().code(), 48);
    world.consent(spare(0, Role::Regulator, 9), id).unwrap();
    assert_eq!(world.execute(id), Ok("executed"), "the entry is the identity's");
    assert!(world.regulators.is_empty());
}

#[test]
fn the_last_regulator_does_not_go_without_its_consent() {
    let mut world = world();
    register(&mut world, 0, VETO, 0);
    register(&mut world, 1, VETO, 0);
    let ids = [0, 1].map(|index| carried(&mut world, &retire_regulator(supervisor(index))));
    assert_eq!(world.execute(ids[0]), Ok("executed"), "another one is left");
    assert_eq!(world.execute(ids[1]).unwrap_err().code(), 47);
    world.consent(supervisor(1), ids[1]).unwrap();
    assert_eq!(world.execute(ids[1]), Ok("executed"));
    assert!(world.regulators.is_empty());
}

#[test]
fn a_regulator_whose_mandate_is_over_is_no_other_one() {
    let mut world = world();
    register(&mut world, 0, VETO, 0);
    register(&mut world, 1, VETO, 1_000);
    let last = carried(&mut world, &retire_regulator(supervisor(0)));
    world.height = 1_001;
    assert_eq!(world.execute(last).unwrap_err().code(), 47);
    let over = carried(&mut world, &retire_regulator(supervisor(1)));
    assert_eq!(world.execute(over), Ok("executed"), "its consent is not needed");
    assert_eq!(world.regulators.keys().collect::<Vec<_>>(), [&supervisor(0)]);
}

#[test]
fn a_mandate_changes_only_with_the_regulators_consent() {
    let mut world = world();
    register(&mut world, 0, VETO, 0);
    let less = admit_regulator(supervisor(0), &[Power::Observe], 0);
    let id = carried(&mut world, &less);
    assert_eq!(world.execute(id).unwrap_err().code(), 47);
    world.consent(supervisor(0), id).unwrap();
    assert_eq!(world.execute(id), Ok("executed"));
    assert_eq!(world.resolve(&less), Err(Refusal::NothingChanges));
    assert_eq!(world.regulators[&supervisor(0)].mandate.powers, BTreeSet::from([Power::Observe]));
}

#[test]
fn of_two_mandates_for_one_regulator_the_second_is_void() {
    let mut world = world();
    let actions = [VETO, &[Power::Observe][..]].map(|powers| admit_regulator(supervisor(0), powers, 0));
    let ids = actions.map(|action| carried(&mut world, &action));
    ids.iter().for_each(|id| world.consent(supervisor(0), *id).unwrap());
    assert_eq!(world.execute(ids[0]), Ok("executed"));
    assert_eq!(world.execute(ids[1]), Ok("void"));
}

#[test]
fn once_regulators_are_registered_only_those_with_the_power_veto() {
    let mut world = world();
    let vetoable =
        |world: &mut World| world.propose(member(0), &crate::lifecycle::admission(5, "first")).unwrap();
    let id = vetoable(&mut world);
    assert_eq!(world.veto(supervisor(3), id), Ok(()), "nobody is registered yet");
    register(&mut world, 0, &[Power::Observe, Power::Veto], 100_000);
    register(&mut world, 1, &[Power::Observe], 0);
    let id = vetoable(&mut world);
    for sender in [supervisor(1), supervisor(2)] {
        let refused = world.veto(sender, id).unwrap_err();
        assert_eq!((refused.code(), &refused), (49, &Refusal::NotEmpowered { sender, power: Power::Veto }));
        assert!(refused.to_string().contains("the power veto; an admit-regulator proposal gives it"));
    }
    assert_eq!(world.veto(member(0), id), Err(Refusal::NotRegulator { sender: member(0) }));
    assert_eq!(world.veto(supervisor(0), id), Ok(()));
    let frozen = world.propose(member(0), &freeze(operator(0))).unwrap();
    let no_veto = Err(Refusal::NoVeto { kind: Kind::FreezeAccount });
    assert_eq!(world.veto(supervisor(0), frozen), no_veto, "the rule of the kind still decides");
    world.height = 100_001;
    let id = vetoable(&mut world);
    assert_eq!(world.veto(supervisor(0), id).unwrap_err().code(), 49, "its mandate is over");
}

#[test]
fn who_cannot_supervise_is_not_registered() {
    let mut world = world();
    let refused = |world: &mut World, action: &Action| world.propose(member(0), action).unwrap_err();
    let stranger = Address::repeat_byte(0xee);
    let unknown = refused(&mut world, &admit_regulator(stranger, VETO, 0));
    assert_eq!(unknown, Refusal::AccountUnknown { account: stranger });
    let role = refused(&mut world, &admit_regulator(operator(0), VETO, 0));
    assert_eq!(role.code(), 46);
    assert!(
        role.to_string().ends_with("it is a operator; only an account of the role regulator can be"),
        "{role}"
    );
    world.height = 9;
    let over = refused(&mut world, &admit_regulator(supervisor(0), VETO, 9));
    let reason = Unfit::Over { until: 9, height: 9 };
    assert_eq!(over, Refusal::RegulatorUnfit { account: supervisor(0), reason });
    world.accounts.get_mut(&supervisor(0)).unwrap().expired = true;
    let expired = refused(&mut world, &admit_regulator(supervisor(0), VETO, 0));
    assert_eq!(expired, Refusal::NotInGoodStanding { sender: supervisor(0) });
    world.accounts.get_mut(&supervisor(0)).unwrap().expired = false;
    let gone = refused(&mut world, &retire_regulator(supervisor(0)));
    assert_eq!((gone.code(), &gone), (45, &Refusal::RegulatorUnknown { account: supervisor(0) }));
    world.pass(&recover(supervisor(0), (0, Role::Regulator, 9)), &everybody()).unwrap();
    let replaced = refused(&mut world, &admit_regulator(supervisor(0), VETO, 0));
    assert_eq!(replaced.code(), 3, "its certificate counts as revoked");
}

#[test]
fn a_mandate_names_what_there_is() {
    let mut world = world();
    let all = admit_regulator(supervisor(0), VETO, 0);
    let over = |ids: &[u8]| Some(ids.iter().map(|index| org(*index)).collect());
    let unknown = changed_mandate(&all, |mandate| mandate.organisations = over(&[0, 9]));
    assert_eq!(world.resolve(&unknown), Err(Refusal::OrganisationUnknown { id: org(9) }));
    let nowhere = Address::repeat_byte(1);
    let unknown = changed_mandate(&all, |mandate| mandate.contracts = Some([contract(0), nowhere].into()));
    assert_eq!(world.resolve(&unknown), Err(Refusal::ContractUnknown { contract: nowhere }));
    let known = changed_mandate(&all, |mandate| {
        mandate.organisations = over(&[0, 3]);
        mandate.contracts = Some([contract(0), system_contract()].into());
    });
    assert!(world.resolve(&known).is_ok());
    world.pass(&Action::ExpelOrganisation(org(3)), &everybody()[..3]).unwrap();
    assert_eq!(world.resolve(&known).unwrap_err().code(), 32);
}

#[test]
fn there_are_no_more_regulators_than_a_veto_can_read() {
    let mut world = world();
    register(&mut world, 0, VETO, 0);
    let entry = world.regulators[&supervisor(0)].clone();
    let others = (1..MAX_REGULATORS).map(|seed| (Address::repeat_byte(100 + seed as u8), entry.clone()));
    world.regulators.extend(others);
    let reason = Unfit::TooMany { have: MAX_REGULATORS };
    let refused = Err(Refusal::RegulatorUnfit { account: supervisor(1), reason });
    assert_eq!(world.resolve(&admit_regulator(supervisor(1), VETO, 0)), refused);
    assert!(world.resolve(&admit_regulator(supervisor(0), &[Power::Observe], 0)).is_ok(), "no new one");
}

#[test]
fn the_registry_follows_the_rule_of_rules() {
    for kind in [Kind::AdmitRegulator, Kind::RetireRegulator] {
        for organisations in [1, 2, 4] {
            assert_eq!(Rule::initial(kind, organisations), Rule::initial(Kind::SetRule, organisations));
        }
    }
}
