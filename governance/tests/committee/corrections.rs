//! Corrections of tokens, by vote.

use alloy_primitives::{B256, U256};
use concordat_governance::{
    Action, Choice, Refusal,
    action::{ActionError, Correction},
    effect::Change,
    facts::Halted,
};

use crate::kit::*;

fn seizure() -> Correction {
    Correction::ForcedTransfer { from: operator(0), to: operator(1), amount: U256::from(100) }
}

#[test]
fn a_correction_names_the_token_its_code_and_the_call() {
    let mut world = World::of_banks(4);
    let (it, code) = (contract(0), B256::repeat_byte(5));
    world.contracts.get_mut(&it).unwrap().code = code;
    let action = correct(it, seizure());
    let effect = world.resolve(&action).unwrap();
    assert_eq!(effect.changes, [Change::Correction { contract: it, code, correction: seizure() }]);
    assert_eq!(world.pass(&action, &everybody()), Ok("executed"));
    assert_eq!(world.corrections, [(it, seizure())]);
    // The same can be done again: each is a decision of its own.
    assert_eq!(world.pass(&action, &everybody()), Ok("executed"));
    assert_eq!(world.corrections.len(), 2);
}

#[test]
fn no_contract_of_the_chain_frozen_or_retired_one_is_corrected() {
    let mut world = World::of_banks(4);
    let refused = |world: &mut World, it| world.resolve(&correct(it, seizure())).unwrap_err().code();
    assert_eq!(refused(&mut world, contract(9)), 80);
    assert_eq!(refused(&mut world, system_contract()), 81);
    let until = world.height;
    let frozen = Halted::Frozen { basis: basis(), until, emergency: false };
    world.contracts.get_mut(&contract(0)).unwrap().halted = Some(frozen);
    assert_eq!(refused(&mut world, contract(0)), 125);
    world.height += 1;
    assert!(world.resolve(&correct(contract(0), seizure())).is_ok(), "a freeze that is over is none");
    world.contracts.get_mut(&contract(0)).unwrap().halted = Some(Halted::Retired { basis: basis() });
    assert_eq!(refused(&mut world, contract(0)), 82);
}

#[test]
fn a_call_that_is_no_correction_is_not_proposed() {
    let mut world = World::of_banks(4);
    let call = vec![0xa9, 0x05, 0x9c, 0xbb];
    let action = Action::Correct { contract: contract(0), call: call.clone().into(), basis: basis() };
    let refusal = world.propose(member(0), &action).unwrap_err();
    assert_eq!(refusal, Refusal::Action(ActionError::NoCorrection(call.into())));
    assert_eq!(refusal.code(), 6);
}

#[test]
fn a_correction_of_code_that_nobody_has_voted_for_is_void() {
    let mut world = World::of_banks(4);
    let id = world.propose(member(0), &correct(contract(0), seizure())).unwrap();
    everybody().iter().for_each(|voter| world.vote(*voter, id, Choice::Yes).unwrap());
    world.height = world.proposal(id).earliest;
    world.contracts.get_mut(&contract(0)).unwrap().code = B256::repeat_byte(9);
    assert_eq!(world.execute(id), Ok("void"));
    assert!(world.corrections.is_empty());
}
