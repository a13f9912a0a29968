//! Corrections of tokens that have made the committee their agent, by vote.

use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall as _, SolError as _, SolEvent as _, sol};
use concordat_core::{
    CONTRACTS, CallRequest, CallStatus, EstimateError, GOVERNANCE, call,
    contracts::abi::IContracts as contracts, estimate_gas, gas, governance::abi::IGovernance as governance,
    permissions::abi::IPermissions as permissions, trace_transaction,
};
use concordat_governance::{
    Action,
    action::{Basis, Correction},
};
use concordat_types::{Receipt, Role, StateKey, receipt::Outcome};
use serde_json::json;

use crate::{
    governance::{Committee, execute, propose},
    kit::{Actor, Consortium, Say, Token, bytecode, digest, is_activity},
    permissions::{deploy, enact, policy},
    rules::{on_transfers, set},
    upgrades::{proxy_code, upgrade},
};

sol! {
    contract CorrectableToken {
        event TokensUnfrozen(address indexed userAddress, uint256 amount);
        error NotAgent(address account);
        error Frozen(address account);
        function addAgent(address agent) external;
        function removeAgent(address agent) external;
        function isFrozen(address account) external view returns (bool);
        function getFrozenTokens(address account) external view returns (uint256);
        function totalSupply() external view returns (uint256);
    }
}

sol! {
    contract HookedToken {
        function setHook(address to, bytes calldata with) external;
    }
    contract GreedyToken {
        event Left(uint256 gas);
        function minted() external view returns (uint256);
        function noted(uint256 slot) external view returns (uint256);
        function setCompliance(address other) external;
    }
}

const SUPPLY: u64 = 1_000;
const LARGE: usize = 1 << 20;

fn basis() -> Basis {
    Basis { document: B256::repeat_byte(1), reference: "Judgment 7".into() }
}

/// A governed chain with a token, whose owner has all of it and a customer nothing.
struct World {
    committee: Committee,
    owner: Actor,
    customer: Actor,
    token: Address,
}

impl World {
    /// The token has not made the committee its agent.
    fn closed() -> Self {
        let mut committee = Committee::new();
        let owner = committee.net.actor("bank-a", Role::Developer);
        let customer = committee.net.actor("bank-b", Role::Operator);
        let token = deploy(&mut committee.net, &owner, token_code(SUPPLY).into());
        Self { committee, owner, customer, token }
    }

    fn new() -> Self {
        let mut world = Self::closed();
        world.opts_in();
        world
    }

    fn opts_in(&mut self) {
        let say = Say::call(self.token, &CorrectableToken::addAgentCall { agent: GOVERNANCE });
        self.committee.net.one(&self.owner.sign(&say));
    }

    fn net(&mut self) -> &mut Consortium {
        &mut self.committee.net
    }

    fn correct(&self, correction: Correction) -> Action {
        Action::Correct { contract: self.token, call: correction.encode(), basis: basis() }
    }

    /// A correction is proposed and voted for; its number.
    fn carries(&mut self, correction: Correction) -> u64 {
        let id = self.committee.propose(&self.correct(correction));
        self.committee.carry(id);
        id
    }

    fn executes(&mut self, id: u64) -> Receipt {
        let tx = self.committee.members[1].sign(&execute(id));
        self.net().try_one(&tx)
    }

    fn passes(&mut self, correction: Correction) -> Receipt {
        let id = self.carries(correction);
        let receipt = self.executes(id);
        assert_eq!(receipt.outcome, Outcome::Success, "{receipt:?}");
        assert_eq!(self.committee.proposal(id).status, 1);
        receipt
    }

    fn seizure(&self, amount: u64) -> Correction {
        let (from, to) = (self.owner.address, self.customer.address);
        Correction::ForcedTransfer { from, to, amount: U256::from(amount) }
    }

    fn balances(&self) -> [u64; 2] {
        [&self.owner, &self.customer].map(|actor| balance(&self.committee.net, self.token, actor.address))
    }
}

fn token_code(supply: u64) -> Vec<u8> {
    use alloy_sol_types::SolValue as _;
    let arguments = ("Test Euro".to_owned(), U256::from(supply)).abi_encode_params();
    [bytecode("CorrectableToken"), arguments].concat()
}

fn balance(net: &Consortium, token: Address, owner: Address) -> u64 {
    net.ask(token, &Token::balanceOfCall { owner }).to()
}

#[test]
fn tokens_are_seized_and_replenished_by_vote() {
    let mut world = World::new();
    let receipt = world.passes(world.seizure(400));
    assert_eq!(world.balances(), [600, 400]);
    assert_eq!(governance::ProposalDecided::decode_log(&receipt.logs[0]).unwrap().status, 1);
    let told = governance::Corrected::decode_log(&receipt.logs[1]).unwrap();
    assert_eq!((told.contractAddress, &told.call), (world.token, &world.seizure(400).encode()));
    assert_eq!((told.document, told.documentReference.as_str()), (B256::repeat_byte(1), "Judgment 7"));
    let moved = Token::Transfer::decode_log(&receipt.logs[2]).unwrap();
    assert_eq!((receipt.logs[2].address, moved.value, receipt.logs.len()), (world.token, U256::from(400), 3));
    world.passes(Correction::Mint { to: world.owner.address, amount: U256::from(400) });
    assert_eq!(world.balances(), [1_000, 400]);
}

#[test]
fn every_call_of_the_list_is_made() {
    let mut world = World::new();
    let (owner, customer, token) = (world.owner.address, world.customer.address, world.token);
    let amount = U256::from(300);
    world.passes(Correction::FreezePartialTokens { account: owner, amount });
    world.passes(Correction::UnfreezePartialTokens { account: owner, amount: U256::from(100) });
    let frozen = |world: &World, account| {
        world.committee.net.ask(token, &CorrectableToken::getFrozenTokensCall { account }).to::<u64>()
    };
    assert_eq!(frozen(&world, owner), 200);
    world.passes(Correction::SetAddressFrozen { account: owner, frozen: true });
    let pay = Say::call(token, &Token::transferCall { to: customer, value: U256::from(1) });
    let receipt = world.committee.net.try_one(&world.owner.sign(&pay));
    assert_eq!(CorrectableToken::Frozen::abi_decode(&receipt.output).unwrap().account, owner);
    world.passes(Correction::SetAddressFrozen { account: owner, frozen: false });
    world.passes(Correction::Burn { from: owner, amount });
    assert_eq!(world.balances(), [700, 0]);
    let (lost, new) = (owner, customer);
    world.passes(Correction::RecoveryAddress { lost, new, identity: Address::repeat_byte(7) });
    assert_eq!((world.balances(), frozen(&world, customer)), ([0, 700], 200));
}

#[test]
fn a_token_that_did_not_opt_in_refuses_with_its_own_reason_and_nothing_changes() {
    let mut world = World::closed();
    let id = world.carries(world.seizure(400));
    let before = world.net().state.values.clone();
    let receipt = world.executes(id);
    let error = CorrectableToken::NotAgent::abi_decode(&receipt.output).unwrap();
    assert_eq!((receipt.outcome, error.account), (Outcome::Reverted, GOVERNANCE));
    assert!(receipt.logs.is_empty() && receipt.gas_used < receipt.gas_limit);
    let nonce = StateKey::account(world.committee.members[1].address);
    let called = StateKey::account(GOVERNANCE);
    let others = |values: &std::collections::BTreeMap<StateKey, Vec<u8>>| {
        values
            .iter()
            .filter(|(key, _)| **key != nonce && **key != called && !is_activity(key))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(others(&before), others(&world.net().state.values), "the nonce is all that changes");
    assert_eq!(world.committee.proposal(id).status, 0, "it is open as before");
    world.opts_in();
    assert_eq!(world.executes(id).outcome, Outcome::Success);
    assert_eq!(world.balances(), [600, 400]);
}

#[test]
fn a_correction_that_the_token_answers_with_false_is_none() {
    let mut world = World::new();
    let (lost, new) = (world.customer.address, world.owner.address);
    let id = world.carries(Correction::RecoveryAddress { lost, new, identity: Address::ZERO });
    let receipt = world.executes(id);
    assert_eq!(receipt.outcome, Outcome::Reverted);
    assert!(governance::AnsweredFalse::abi_decode(&receipt.output).is_ok());
    assert_eq!(world.committee.proposal(id).status, 0);
}

#[test]
fn a_correction_short_of_gas_leaves_the_proposal_open() {
    let mut world = World::new();
    let id = world.carries(world.seizure(400));
    let request = CallRequest {
        from: world.committee.members[1].address,
        to: Some(GOVERNANCE),
        input: governance::executeCall { id }.abi_encode().into(),
        ..Default::default()
    };
    let enough = estimate_gas(&world.committee.net.state, &world.committee.net.env(), &request).unwrap();
    for short in [enough / 2, enough - enough / 32] {
        assert_eq!(world.committee.refused(1, &execute(id).gas(short)), 126);
        assert_eq!((world.committee.proposal(id).status, world.balances()), (0, [1_000, 0]));
    }
    let receipt = world.committee.net.try_one(&world.committee.members[1].sign(&execute(id).gas(100_000)));
    assert_eq!(receipt.outcome, Outcome::Halted, "too little for the decision itself");
    let receipt = world.committee.net.one(&world.committee.members[1].sign(&execute(id).gas(enough)));
    assert!(receipt.gas_used < enough / 16, "what the call does not use comes back: {receipt:?}");
}

#[test]
fn who_asks_is_told_what_an_execution_would_do() {
    let mut world = World::closed();
    let id = world.carries(world.seizure(400));
    let request = |world: &World| CallRequest {
        from: world.committee.members[1].address,
        to: Some(GOVERNANCE),
        input: governance::executeCall { id }.abi_encode().into(),
        ..Default::default()
    };
    let asked = call(&world.committee.net.state, &world.committee.net.env(), &request(&world)).unwrap();
    assert_eq!(asked.status, CallStatus::Reverted);
    assert!(CorrectableToken::NotAgent::abi_decode(&asked.output).is_ok());
    let error =
        estimate_gas(&world.committee.net.state, &world.committee.net.env(), &request(&world)).unwrap_err();
    assert!(matches!(error, EstimateError::Reverted { .. }), "{error}");
    world.opts_in();
    let asked = call(&world.committee.net.state, &world.committee.net.env(), &request(&world)).unwrap();
    assert_eq!((asked.status, U256::from_be_slice(&asked.output)), (CallStatus::Success, U256::from(1)));
    assert_eq!(asked.logs.len(), 3);
}

#[test]
fn a_trace_shows_the_call_of_the_committee_inside_of_the_execution() {
    let mut world = World::new();
    let id = world.carries(world.seizure(400));
    let tx = world.committee.members[1].sign(&execute(id));
    let frame =
        trace_transaction(&world.committee.net.state, world.committee.net.env(), &[], &tx, LARGE).unwrap();
    let receipt = world.net().one(&tx);
    assert_eq!((frame.to, frame.gas_used.to::<u64>()), (Some(GOVERNANCE), receipt.gas_used));
    assert_eq!((frame.logs.len(), U256::from_be_slice(&frame.output)), (2, U256::from(1)));
    let [inner] = &frame.calls[..] else { panic!("{frame:?}") };
    assert_eq!((inner.kind, inner.from, inner.to), ("CALL", GOVERNANCE, Some(world.token)));
    assert_eq!((&inner.input, inner.logs.len()), (&world.seizure(400).encode(), 1));
}

#[test]
fn a_token_behind_a_governed_proxy_is_corrected_in_the_code_that_was_voted_for() {
    let mut world = World::closed();
    // The owner is a part of the implementation's code.
    world.token = deploy(&mut world.committee.net, &world.owner, proxy_code(world.token, &[]));
    world.opts_in();
    let mint = Correction::Mint { to: world.owner.address, amount: U256::from(50) };
    world.passes(mint);
    assert_eq!(world.balances(), [50, 0]);
    let id = world.carries(world.seizure(20));
    let other = deploy(&mut world.committee.net, &world.owner, token_code(7).into());
    assert_eq!(world.committee.pass(&upgrade(world.token, other)), 1);
    assert_eq!(world.committee.execute(id), 7, "void: other code would run");
    assert_eq!(world.balances(), [50, 0]);
    world.passes(world.seizure(20));
    assert_eq!(world.balances(), [30, 20]);
    let freeze = Action::FreezeContract { contract: other, basis: basis(), until: 0 };
    let id = world.carries(world.seizure(20));
    assert_eq!(world.committee.pass(&freeze), 1);
    let receipt = world.executes(id);
    let error = contracts::ContractFrozen::abi_decode(&receipt.output).unwrap();
    assert_eq!((error.contractAddress, world.balances()), (other, [30, 20]));
}

#[test]
fn neither_policies_nor_rules_stop_what_the_committee_has_decided() {
    let mut world = World::closed();
    let implementation = world.token;
    world.token = deploy(&mut world.committee.net, &world.owner, proxy_code(implementation, &[]));
    world.opts_in();
    world.passes(Correction::Mint { to: world.owner.address, amount: U256::from(1_000) });
    let (token, member) = (world.token, &world.committee.members[1]);
    let limit = on_transfers(
        token,
        "limit",
        json!({ "max_amount": "10", "total": { "max": "10", "window_secs": 60, "per": "account" } }),
    );
    set(&mut world.committee.net, &[(limit, 41)]);
    let pay = Say::call(token, &Token::transferCall { to: world.customer.address, value: U256::from(11) });
    let receipt = world.committee.net.try_one(&world.owner.sign(&pay));
    assert_eq!(receipt.outcome, Outcome::RuleViolated, "the rule binds others");
    let rule = "forbid (principal, action == Action::\"delegatecall\", resource);";
    enact(&mut world.committee.net, &[policy("no-delegates", rule, 41)]);
    let receipt = world.committee.net.try_one(&world.owner.sign(&pay));
    assert_eq!(receipt.outcome, Outcome::Reverted, "so does the policy");
    assert_eq!(member.address, world.committee.members[1].address);
    world.passes(world.seizure(400));
    assert_eq!(world.balances(), [600, 400]);
    let counted = world.net().state.values.keys().filter(|key| matches!(key.as_bytes(), [0x10, 0x53, ..]));
    assert_eq!(counted.count(), 0, "what the committee moves counts for nobody's limit");
}

#[test]
fn what_a_corrected_token_has_others_do_is_asked_about_as_always() {
    let mut world = World::closed();
    let other = world.token;
    world.token = deploy(&mut world.committee.net, &world.owner, bytecode("HookedToken").into());
    let balance = Token::balanceOfCall { owner: world.owner.address }.abi_encode().into();
    let hook = Say::call(world.token, &HookedToken::setHookCall { to: other, with: balance });
    world.committee.net.one(&world.owner.sign(&hook));
    let id = world.carries(Correction::Mint { to: world.customer.address, amount: U256::from(1) });
    // The hook can be set to anything after the vote. Members do no business, by way of a correction neither.
    let receipt = world.executes(id);
    assert_eq!(receipt.outcome, Outcome::Reverted);
    assert!(permissions::NotPermitted::abi_decode(&receipt.output).is_ok(), "{:?}", receipt.output);
    assert_eq!(world.committee.proposal(id).status, 0, "it stays open");
    let tx = world.customer.sign(&execute(id));
    assert_eq!(world.net().try_one(&tx).outcome, Outcome::Success, "an operator may call that contract");
}

#[test]
fn a_frozen_or_retired_token_and_the_chain_itself_are_not_corrected() {
    let mut world = World::new();
    let refused = |world: &mut World, contract| {
        let action = Action::Correct { contract, call: world.seizure(1).encode(), basis: basis() };
        world.committee.refused(0, &propose(&action))
    };
    assert_eq!(refused(&mut world, Address::repeat_byte(9)), 80);
    assert_eq!(refused(&mut world, CONTRACTS), 81);
    let (id, token) = (world.carries(world.seizure(400)), world.token);
    let freeze = Action::FreezeContract { contract: token, basis: basis(), until: 0 };
    assert_eq!(world.committee.pass(&freeze), 1);
    assert_eq!(refused(&mut world, token), 125);
    assert_eq!((world.committee.execute(id), world.committee.proposal(id).refusal), (2, 125));
    assert_eq!(world.committee.pass(&Action::RetireContract { contract: token, basis: basis() }), 1);
    assert_eq!(refused(&mut world, token), 82);
}

#[test]
fn a_call_that_is_not_on_the_list_is_not_proposed() {
    let mut world = World::new();
    let call = CorrectableToken::removeAgentCall { agent: GOVERNANCE }.abi_encode().into();
    let action = Action::Correct { contract: world.token, call, basis: basis() };
    assert_eq!(world.committee.refused(0, &propose(&action)), 6);
}

#[test]
fn an_execution_in_a_block_and_alone_have_the_same_changes() {
    let mut world = World::new();
    let id = world.carries(world.seizure(400));
    let tx = world.committee.members[1].sign(&execute(id));
    let mut digests = Vec::new();
    for _ in 0..2 {
        let mut executor = world.net().executor();
        executor.execute(&tx).unwrap();
        digests.push(digest(&executor.finish().unwrap().changes));
    }
    assert_eq!(digests[0], digests[1]);
}

/// A world with the token that goes on where others fail.
fn greedy() -> World {
    let mut world = World::closed();
    world.token = deploy(&mut world.committee.net, &world.owner, bytecode("GreedyToken").into());
    world
}

fn minted(world: &World) -> [u64; 2] {
    let net = &world.committee.net;
    [
        net.ask(world.token, &GreedyToken::mintedCall {}).to(),
        net.ask(world.token, &GreedyToken::notedCall { slot: U256::ZERO }).to(),
    ]
}

#[test]
fn the_call_has_the_same_gas_whoever_executes_with_whatever_limit() {
    let mut world = greedy();
    let mint = Correction::Mint { to: world.customer.address, amount: U256::from(1) };
    let mut left = Vec::new();
    for limit in [9_000_000, 12_000_000, 16_777_216] {
        let id = world.carries(mint);
        let executors = [&world.committee.members[1], &world.customer];
        let tx = executors[left.len() % 2].sign(&execute(id).gas(limit));
        let receipt = world.committee.net.one(&tx);
        left.push(GreedyToken::Left::decode_log(&receipt.logs[2]).unwrap().gas);
    }
    let all = U256::from(gas::DECIDED_CALL);
    assert!(left[0] < all && left[0] > all - U256::from(1_000), "{left:?}");
    assert_eq!([left[1], left[2]], [left[0]; 2]);
}

#[test]
fn nobody_makes_the_call_cheaper_by_an_access_list() {
    let mut world = World::new();
    let id = world.carries(world.seizure(400));
    let list = AccessList(vec![AccessListItem { address: world.token, storage_keys: vec![B256::ZERO] }]);
    let member = &world.committee.members[1];
    let receipt = world.committee.net.try_one(&member.sign_listed(&execute(id), list));
    assert_eq!(governance::Refused::abi_decode(&receipt.output).unwrap().code, 127);
    assert_eq!((world.committee.proposal(id).status, world.balances()), (0, [1_000, 0]));
    assert_eq!(world.executes(id).outcome, Outcome::Success);
}

#[test]
fn a_token_that_hides_that_gas_ran_out_inside_is_not_corrected_by_half() {
    let mut world = greedy();
    let mint = |world: &World, amount| Correction::Mint { to: world.customer.address, amount };
    world.passes(mint(&world, U256::from(3)));
    assert_eq!(minted(&world), [3, 1]);
    let id = world.carries(mint(&world, U256::from(1_000)));
    for limit in [9_000_000, 16_777_216] {
        assert_eq!(world.committee.refused(1, &execute(id).gas(limit)), 128);
        assert_eq!((world.committee.proposal(id).status, minted(&world)), (0, [3, 1]));
    }
    let reason = world.executes(id).output;
    let reason = governance::Refused::abi_decode(&reason).unwrap().reason;
    assert!(reason.contains("It has 8388608 for all that it does: decide less at once"), "{reason}");
}

#[test]
fn a_token_that_hides_that_others_may_not_be_called_is_not_corrected_by_half() {
    let mut world = World::closed();
    let compliance = world.token;
    world.token = deploy(&mut world.committee.net, &world.owner, bytecode("GreedyToken").into());
    let say = Say::call(world.token, &GreedyToken::setComplianceCall { other: compliance });
    world.committee.net.one(&world.owner.sign(&say));
    let id = world.carries(Correction::Mint { to: world.customer.address, amount: U256::from(1) });
    let receipt = world.executes(id);
    assert_eq!(receipt.outcome, Outcome::Reverted);
    assert!(permissions::NotPermitted::abi_decode(&receipt.output).is_ok(), "{:?}", receipt.output);
    assert_eq!((world.committee.proposal(id).status, minted(&world)), (0, [0, 0]));
    let tx = world.customer.sign(&execute(id));
    assert_eq!(world.net().try_one(&tx).outcome, Outcome::Success, "who may call it executes all of it");
    assert_eq!(minted(&world), [1, 1]);
}
