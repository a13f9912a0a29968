//! Contracts that orders halt, or keep an account from.

use concordat_core::{CONTRACTS, contracts::abi::IContracts};

use super::*;
use crate::kit::bytecode;

alloy_sol_types::sol! {
    contract HookedToken {
        function setHook(address to, bytes calldata with) external;
        function mint(address to, uint256 amount) external;
    }
}

fn halt(contract: Address) -> orders::haltCall {
    orders::haltCall {
        contractAddress: contract,
        document: B256::repeat_byte(1),
        documentReference: "BaFin 7/2026".into(),
        until: 0,
    }
}

#[test]
fn a_halted_contract_answers_nobody_until_the_order_lapses_and_a_vote_halts_it_apart() {
    let mut world = World::new();
    let token = world.token;
    let id = world.order(0, &halt(token));
    let receipt = world.pays();
    assert_eq!((receipt.outcome, notice(&receipt).id), (Outcome::ContractFrozen, id));
    assert_eq!(notice(&receipt).contractAddress, token);
    assert_eq!(world.refused(1, &halt(token)), 134);
    world.passes(&Action::FreezeContract { contract: token, basis: basis(), until: 0 });
    world.passes(&Action::UnfreezeContract { contract: token, basis: basis() });
    assert_eq!(notice(&world.pays()).id, id, "what the committee lifts is its own");
    world.passes(&Action::FreezeContract { contract: token, basis: basis(), until: 0 });
    world.committee.net.height = world.told(id).lapses + 1;
    let frozen = IContracts::ContractFrozen::abi_decode(&world.pays().output).unwrap();
    assert_eq!(frozen.contractAddress, token);
    world.passes(&Action::UnfreezeContract { contract: token, basis: basis() });
    assert_eq!(world.pays().outcome, Outcome::Success);
    assert_eq!(world.refused(1, &halt(token)), 135);
    assert_eq!(world.refused(1, &halt(CONTRACTS)), 81);
}

#[test]
fn a_released_halt_lets_the_contract_answer_again() {
    let mut world = World::new();
    let id = world.order(0, &halt(world.token));
    world.committee.net.one(&world.regulators[0].sign(&say(&release(id))));
    assert_eq!(world.pays().outcome, Outcome::Success);
}

/// A contract that passes a call on whenever it is called.
fn passing_on(world: &mut World, to: Address, call: &Say) -> Address {
    let net = &mut world.committee.net;
    let developer = net.stranger("bank-a", Role::Developer, "maker");
    net.enrol(&developer);
    let hooked = net.one(&developer.sign(&Say::deploy(bytecode("HookedToken").into())));
    let hooked = hooked.contract_address.unwrap();
    let with = call.input.clone();
    net.one(&developer.sign(&Say::call(hooked, &HookedToken::setHookCall { to, with })));
    hooked
}

#[test]
fn an_account_is_kept_from_one_contract_directly_and_through_another_and_others_are_not() {
    let mut world = World::new();
    let (customer, token) = (world.customer.address, world.token);
    let nothing = Say::call(token, &Token::transferCall { to: customer, value: Default::default() });
    let hooked = passing_on(&mut world, token, &nothing);
    let through = Say::call(hooked, &HookedToken::mintCall { to: customer, amount: Default::default() });
    world.committee.net.one(&world.customer.sign(&through));
    let id = world.order(0, &freeze_at(customer, 3, token));
    let receipt = world.pays();
    assert_eq!((receipt.outcome, notice(&receipt).id), (Outcome::Ordered, id));
    assert_eq!(notice(&receipt).contractAddress, token);
    let receipt = world.committee.net.try_one(&world.customer.sign(&through));
    assert_eq!((receipt.outcome, notice(&receipt).id), (Outcome::Reverted, id));
    let other = world.committee.net.actor("bank-d", Role::Operator);
    world.committee.net.one(&other.sign(&through));
    assert_eq!(world.refused(0, &freeze_at(customer, 3, ORDERS)), 81);
    assert_eq!(world.refused(0, &freeze_at(customer, 3, Address::repeat_byte(9))), 80);
    world.committee.net.height = world.told(id).lapses + 1;
    world.committee.net.one(&world.customer.sign(&through));
}
