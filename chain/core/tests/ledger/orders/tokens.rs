//! Tokens that orders keep where they are.

use alloy_sol_types::sol;
use concordat_core::{CallRequest, CallStatus, GOVERNANCE, call, trace_transaction};
use concordat_governance::action::Correction;

use super::*;
use crate::kit::bytecode;

sol! {
    contract Correctable {
        function addAgent(address agent) external;
        function forcedTransfer(address from, address to, uint256 amount) external returns (bool);
    }
}

/// A token of a developer that is its agent, as is the committee; the customer has some.
fn correctable(world: &mut World) -> (Actor, Address) {
    use alloy_sol_types::SolValue as _;
    let net = &mut world.committee.net;
    let owner = net.stranger("bank-a", Role::Developer, "issuer");
    net.enrol(&owner);
    let arguments = ("Bond".to_owned(), U256::from(1_000)).abi_encode_params();
    let code = [bytecode("CorrectableToken"), arguments].concat();
    let token = net.one(&owner.sign(&Say::deploy(code.into()))).contract_address.unwrap();
    for agent in [GOVERNANCE, owner.address] {
        net.one(&owner.sign(&Say::call(token, &Correctable::addAgentCall { agent })));
    }
    net.one(&owner.sign(&transfer(token, world.customer.address)));
    (owner, token)
}

#[test]
fn frozen_tokens_stay_with_their_holder_who_does_other_business_and_receives() {
    let mut world = World::new();
    let customer = world.customer.address;
    let id = world.order(0, &freeze_at(customer, 4, world.token));
    let receipt = world.pays();
    assert_eq!((receipt.outcome, receipt.logs.len()), (Outcome::OrderUndid, 0));
    assert_eq!((notice(&receipt).id, notice(&receipt).contractAddress), (id, world.token));
    assert_eq!(Receipt::decode(&receipt.encode()).unwrap(), receipt);
    let (owner, other) = correctable(&mut world);
    let net = &mut world.committee.net;
    net.one(&world.customer.sign(&transfer(other, owner.address)));
    let held = |net: &crate::kit::Consortium| net.ask(world.token, &Token::balanceOfCall { owner: customer });
    assert_eq!(held(net), U256::from(10));
    net.one(&world.regulators[0].sign(&say(&release(id))));
    assert_eq!(world.pays().outcome, Outcome::Success);
}

#[test]
fn whoever_moves_frozen_tokens_is_undone_but_for_a_correction_by_vote() {
    let mut world = World::new();
    let (owner, token) = correctable(&mut world);
    let customer = world.customer.address;
    let id = world.order(0, &freeze_at(customer, 4, token));
    let forced = Correctable::forcedTransferCall { from: customer, to: owner.address, amount: U256::from(1) };
    let receipt = world.committee.net.try_one(&owner.sign(&Say::call(token, &forced)));
    assert_eq!((receipt.outcome, notice(&receipt).id), (Outcome::OrderUndid, id));
    let correction = Correction::ForcedTransfer { from: customer, to: owner.address, amount: U256::from(4) };
    world.passes(&Action::Correct { contract: token, call: correction.encode(), basis: basis() });
    let left = world.committee.net.ask(token, &Token::balanceOfCall { owner: customer });
    assert_eq!(left, U256::from(6));
}

#[test]
fn a_call_that_is_only_asked_and_a_trace_see_what_execution_does() {
    let mut world = World::new();
    let id = world.order(0, &freeze_at(world.customer.address, 4, world.token));
    let net = &world.committee.net;
    let payment = transfer(world.token, Address::repeat_byte(9));
    let request = CallRequest {
        from: world.customer.address,
        to: Some(world.token),
        input: payment.input.clone(),
        ..CallRequest::default()
    };
    let outcome = call(&net.state, &net.env(), &request).unwrap();
    assert_eq!(outcome.status, CallStatus::Reverted);
    assert_eq!(orders::OrderInForce::abi_decode(&outcome.output).unwrap().id, id);
    let tx = world.customer.sign_at(&payment, world.customer.nonce.get());
    let frame = trace_transaction(&net.state, net.env(), &[], &tx, 1 << 20).unwrap();
    let json = serde_json::to_value(&frame).unwrap();
    assert_eq!(json["error"], "undone: by order of a regulator");
}

#[test]
fn an_order_on_tokens_ends_by_its_height_and_others_of_that_token_move() {
    let mut world = World::new();
    let id = world.order(0, &freeze_at(world.customer.address, 4, world.token));
    let other = world.committee.net.actor("bank-d", Role::Operator);
    let nothing = Say::call(world.token, &Token::transferCall { to: other.address, value: U256::ZERO });
    world.committee.net.one(&other.sign(&nothing));
    world.committee.net.height = world.told(id).lapses + 1;
    assert_eq!(world.pays().outcome, Outcome::Success);
}
