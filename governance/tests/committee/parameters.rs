//! Parameters and protocol versions by vote.

use alloy_primitives::Address;
use concordat_governance::{
    Action, Choice, Refusal,
    action::Parameters,
    effect::Change,
    facts::Upgrade,
    upgrade::{MIN_NOTICE_BLOCKS, decide_announcement},
};
use concordat_types::Role;

use crate::kit::*;

fn registrar(index: u8) -> Address {
    account(index, Role::Registrar)
}

fn upgrade(version: u64, height: u64) -> Action {
    Action::SetProtocolVersion { version, height }
}

pub fn announce(world: &mut World, sender: Address, version: u64) -> Result<(), Refusal> {
    let said = decide_announcement(world, sender, version).map_err(refusal)?;
    world.announced.insert(said.organisation, said.version);
    Ok(())
}

/// Three of four banks know version 2.
fn ready() -> World {
    let mut world = World::of_banks(4);
    (0..3).for_each(|index| announce(&mut world, registrar(index), 2).unwrap());
    world
}

/// A proposal that everybody has voted for, and that can be executed.
fn carried(world: &mut World, action: &Action) -> u64 {
    let id = world.propose(member(0), action).unwrap();
    for voter in everybody() {
        if world.proposal(id).closes >= world.height {
            world.vote(voter, id, Choice::Yes).unwrap();
        }
    }
    world.height = world.proposal(id).earliest;
    id
}

#[test]
fn parameters_are_set_as_a_whole_and_only_if_one_changes() {
    let mut world = World::of_banks(4);
    let before = world.parameters;
    let after = Parameters { block_gas_limit: 60_000_000, ..before };
    let effect = world.resolve(&Action::SetParameters(after)).unwrap();
    assert_eq!(effect.changes, [Change::Parameters { before, after }]);
    assert_eq!(world.pass(&Action::SetParameters(after), &everybody()), Ok("executed"));
    assert_eq!(world.parameters, after);
    let refused = world.resolve(&Action::SetParameters(after)).unwrap_err();
    assert_eq!((refused.code(), refused), (35, Refusal::NothingChanges));
    let wrong = Parameters { block_gas_limit: 1, ..before };
    assert_eq!(world.resolve(&Action::SetParameters(wrong)).unwrap_err().code(), 6);
}

#[test]
fn of_two_changes_of_parameters_the_second_is_void() {
    let mut world = World::of_banks(4);
    let now = world.parameters;
    let one = Action::SetParameters(Parameters { block_gas_limit: 60_000_000, ..now });
    let other = Action::SetParameters(Parameters { message_delay_ms: 6_000, ..now });
    let (one, other) = (carried(&mut world, &one), carried(&mut world, &other));
    assert_eq!(world.execute(one), Ok("executed"));
    assert_eq!(world.execute(other), Ok("void"), "it would take back what the first one did");
}

#[test]
fn an_upgrade_is_scheduled_once_two_thirds_know_it_and_runs_from_its_height_on() {
    let mut world = ready();
    let id = carried(&mut world, &upgrade(2, 500));
    assert_eq!(world.execute(id), Ok("executed"));
    let scheduled = Some(Upgrade { version: 2, height: 500 });
    assert_eq!((world.running, world.upgrade), (1, scheduled));
    world.height = 499;
    let refused = world.resolve(&upgrade(3, 1_000)).unwrap_err();
    assert_eq!(refused, Refusal::VersionNotNext { version: 3, running: 1 });
    world.height = 500;
    let effect = world.resolve(&upgrade(3, 1_000)).unwrap();
    let after = Some(Upgrade { version: 3, height: 1_000 });
    assert_eq!(effect.changes, [Change::Protocol { running: 2, before: None, after }]);
}

#[test]
fn an_upgrade_waits_until_more_than_two_thirds_of_the_power_know_it() {
    let mut world = World::of_banks(4);
    let id = carried(&mut world, &upgrade(2, 500));
    let missing = |from: u8, ready| {
        let missing = (from..4).map(org).collect();
        Err(Refusal::NotReady { version: 2, ready, total: 40, missing })
    };
    assert_eq!(world.execute(id), missing(0, 0));
    announce(&mut world, registrar(0), 1).unwrap();
    assert_eq!(world.execute(id), missing(0, 0), "it knows no more than runs");
    announce(&mut world, registrar(0), 2).unwrap();
    announce(&mut world, registrar(1), 7).unwrap();
    let refused = world.execute(id).unwrap_err();
    assert_eq!((refused.code(), Err(refused.clone())), (113, missing(2, 20)));
    assert_eq!(
        refused.to_string(),
        "organisations with power 20 of 40 have announced protocol version 2, and more than two thirds must; a \
         registrar of each of these calls announceVersion(2) once its nodes run a program that knows it: bank-c, bank-d"
    );
    announce(&mut world, registrar(2), 2).unwrap();
    announce(&mut world, registrar(1), 1).unwrap();
    assert!(world.execute(id).is_err(), "who has gone back to an older program is not ready any more");
    announce(&mut world, registrar(3), 2).unwrap();
    assert_eq!(world.execute(id), Ok("executed"));
}

#[test]
fn versions_come_one_after_the_other_and_not_at_once() {
    let mut world = ready();
    for (version, height) in [(0, 500), (1, 500), (3, 500), (u64::MAX, 500), (2, 0)] {
        let refused = world.resolve(&upgrade(version, height)).unwrap_err();
        assert_eq!((refused.code(), refused), (111, Refusal::VersionNotNext { version, running: 1 }));
    }
    let from = world.height + MIN_NOTICE_BLOCKS;
    let refused = world.resolve(&upgrade(2, from - 1)).unwrap_err();
    assert_eq!((refused.code(), refused), (112, Refusal::UpgradeTooSoon { height: from - 1, from }));
    assert!(world.resolve(&upgrade(2, from)).is_ok());
}

#[test]
fn an_upgrade_that_is_executed_too_late_fails() {
    let mut world = ready();
    let height = world.height + MIN_NOTICE_BLOCKS;
    let id = carried(&mut world, &upgrade(2, height));
    assert_eq!(world.execute(id), Ok("failed"));
    assert_eq!(world.upgrade, None);
}

#[test]
fn an_upgrade_is_moved_or_taken_back_until_it_begins() {
    let mut world = ready();
    assert_eq!(world.resolve(&upgrade(1, 0)), Err(Refusal::NothingChanges), "nothing is scheduled");
    let id = carried(&mut world, &upgrade(2, 500));
    let late = carried(&mut world, &upgrade(2, 600));
    assert_eq!(world.execute(id), Ok("executed"));
    assert_eq!(world.resolve(&upgrade(2, 500)), Err(Refusal::NothingChanges));
    assert_eq!(world.execute(late), Ok("void"), "it was not voted for as a move");
    assert_eq!(world.pass(&upgrade(2, 600), &everybody()), Ok("executed"));
    assert_eq!(world.upgrade, Some(Upgrade { version: 2, height: 600 }));
    world.announced.clear();
    assert_eq!(world.pass(&upgrade(1, 0), &everybody()), Ok("executed"), "nobody needs to be ready to stay");
    assert_eq!((world.running, world.upgrade), (1, None));
}

#[test]
fn only_registrars_in_good_standing_of_organisations_with_validators_announce() {
    let mut world = World::of_banks(4);
    let code = |world: &mut World, sender, version| announce(world, sender, version).unwrap_err().code();
    assert_eq!(code(&mut world, Address::ZERO, 2), 50);
    assert_eq!(code(&mut world, member(0), 2), 114);
    assert_eq!(code(&mut world, registrar(0), 0), 116);
    assert_eq!(announce(&mut world, registrar(0), 2), Ok(()));
    assert_eq!(code(&mut world, registrar(0), 2), 35);
    world.validators.retain(|validator| validator.organisation != org(1));
    assert_eq!(code(&mut world, registrar(1), 2), 115);
    world.accounts.get_mut(&registrar(2)).unwrap().revoked = true;
    assert_eq!(code(&mut world, registrar(2), 2), 3);
}
