//! Governed proxies: made with a first implementation, upgraded and rolled back by vote.

use alloy_primitives::{Address, B256, Bytes, U256, b256};
use alloy_sol_types::{SolCall, SolError as _, SolEvent as _, SolValue as _, sol};
use concordat_core::{
    CONTRACTS, CallRequest, CallStatus, GOVERNANCE, account_state, call,
    contracts::abi::IContracts as contracts,
    gas,
    governance::abi::{IGovernance as governance, IGovernedProxy},
    storage, trace_call,
};
use concordat_governance::{
    Action, Effect,
    action::{Attributes, Basis, Rollback, SlotChange},
};
use concordat_types::{Receipt, Role, StateKey, receipt::Outcome};

use crate::{
    governance::{Committee, Governed, execute},
    kit::{Actor, Say, bytecode},
    permissions::deploy,
};

sol! {
    event Upgraded(address indexed implementation);
    error NoCode(address implementation);
    contract Counter {
        error Refused(string why);
        function setUp(address owner, uint256 start) external;
        function step() external;
        function count() external view returns (uint256);
        function version() external view returns (uint256);
        function overwrite(bytes32 slot, bytes32 word) external;
    }
    contract CounterFactory {
        event Made(address proxy, uint256 count);
        function make(bytes initCode) external;
    }
}

/// Where tools look for the implementation (ERC-1967).
const SLOT: B256 = b256!("0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");

pub(crate) fn proxy_code(first: Address, data: &[u8]) -> Bytes {
    let arguments = (first, Bytes::copy_from_slice(data)).abi_encode_params();
    [bytecode("GovernedProxy"), arguments].concat().into()
}

pub(crate) fn upgrade(contract: Address, implementation: Address) -> Action {
    Action::UpgradeContract { contract, implementation, migration: Bytes::new() }
}

fn basis() -> Basis {
    Basis { document: B256::repeat_byte(1), reference: "Finding 7".into() }
}

fn rated(contract: Address, rating: u8) -> Action {
    let attributes =
        Attributes { auditor: "Lab".into(), rating, compiler: "solc".into(), ..Attributes::default() };
    Action::SetAttributes { contract, attributes }
}

/// A governed chain with two versions of a counter, and a proxy of the first that starts at 5.
pub(crate) struct World {
    pub(crate) committee: Committee,
    pub(crate) developer: Actor,
    pub(crate) operator: Actor,
    pub(crate) versions: [Address; 2],
    pub(crate) proxy: Address,
    made: Receipt,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut committee = Committee::new();
        let developer = committee.net.actor("bank-a", Role::Developer);
        let operator = committee.net.actor("bank-b", Role::Operator);
        let versions = ["CounterV1", "CounterV2"]
            .map(|name| deploy(&mut committee.net, &developer, bytecode(name).into()));
        let set_up = Counter::setUpCall { owner: operator.address, start: U256::from(5) }.abi_encode();
        let say = Say::deploy(proxy_code(versions[0], &set_up));
        let made = committee.net.one(&developer.sign(&say));
        let proxy = made.contract_address.unwrap();
        Self { committee, developer, operator, versions, proxy, made }
    }

    pub(crate) fn calls(&mut self, call: &impl SolCall) -> Receipt {
        let tx = self.operator.sign(&Say::call(self.proxy, call));
        self.net().try_one(&tx)
    }

    fn steps(&mut self) -> u64 {
        assert_eq!(self.calls(&Counter::stepCall {}).outcome, Outcome::Success);
        self.count()
    }

    pub(crate) fn count(&self) -> u64 {
        self.committee.net.ask(self.proxy, &Counter::countCall {}).to()
    }

    pub(crate) fn version(&self) -> u64 {
        self.committee.net.ask(self.proxy, &Counter::versionCall {}).to()
    }

    fn rating(&self) -> u8 {
        self.committee.net.ask(CONTRACTS, &contracts::ratingCall { contractAddress: self.proxy })
    }

    pub(crate) fn slot(&self) -> Address {
        Address::from_word(storage(&self.committee.net.state, self.proxy, SLOT).unwrap())
    }

    fn told(&self, from: u64, limit: u64) -> Vec<(u64, Address, u64)> {
        let asked = contracts::versionsCall { contractAddress: self.proxy, from, limit };
        let told = self.committee.net.ask(CONTRACTS, &asked);
        for version in &told {
            let account = account_state(&self.committee.net.state, version.implementation).unwrap();
            assert_eq!(Some(version.codeHash), account.code_hash);
        }
        told.into_iter().map(|told| (told.number, told.implementation, told.proposalId)).collect()
    }
}

impl Governed for World {
    fn committee(&mut self) -> &mut Committee {
        &mut self.committee
    }
}

#[test]
fn a_proxy_is_made_with_its_first_version_and_set_up_by_one_transaction() {
    let mut world = World::new();
    let [first, _] = world.versions;
    assert_eq!((world.version(), world.count()), (1, 5));
    assert_eq!(world.steps(), 6);
    assert_eq!(Upgraded::decode_log(&world.made.logs[0]).unwrap().implementation, first);
    assert_eq!(world.slot(), first);
    assert_eq!(world.told(1, 64), [(1, first, 0)]);
    let proxy = world.proxy;
    let decided = world.net().ask(CONTRACTS, &contracts::implementationCall { contractAddress: proxy });
    assert_eq!(decided, Address::ZERO);
    assert!(!world.net().state.values.contains_key(&StateKey::system(0x48, proxy.as_slice())));
}

#[test]
fn a_proxy_is_upgraded_and_rolled_back_and_its_storage_stays() {
    let mut world = World::new();
    let ([first, second], proxy) = (world.versions, world.proxy);
    assert_eq!(world.steps(), 6);
    let id = world.committee.propose(&upgrade(proxy, second));
    world.committee.carry(id);
    let (operator, member) = (&world.operator, &world.committee.members[1]);
    let step = Say::call(proxy, &Counter::stepCall {});
    let txs = [operator.sign(&step), member.sign(&execute(id)), operator.sign(&step)];
    let receipts = world.committee.net.block(&txs).receipts;
    assert!(receipts.iter().all(|receipt| receipt.outcome.succeeded()), "{receipts:?}");
    assert_eq!((world.version(), world.count()), (2, 17), "from the next transaction of the block on");
    let upgraded = governance::ContractUpgraded::decode_log(&receipts[1].logs[1]).unwrap();
    assert_eq!((upgraded.proxy, upgraded.implementation, upgraded.proposalId), (proxy, second, id));
    let told = &receipts[1].logs[2];
    assert_eq!((told.address, Upgraded::decode_log(told).unwrap().implementation), (proxy, second));
    assert_eq!((world.slot(), world.told(1, 64)), (second, vec![(1, first, 0), (2, second, id)]));

    world.passes(&upgrade(proxy, first));
    assert_eq!((world.version(), world.steps()), (1, 18));
    let all = vec![(1, first, 0), (2, second, id), (3, first, id + 1)];
    assert_eq!((world.slot(), world.told(0, u64::MAX)), (first, all.clone()));
    assert_eq!((world.told(2, 1), world.told(4, 9), world.told(1, 0)), (all[1..2].to_vec(), vec![], vec![]));
    let last = format!("03{}", alloy_primitives::hex::encode([&[0x94], first.as_slice()].concat()));
    let row = &world.net().state.values[&StateKey::system(0x48, proxy.as_slice())];
    assert!(alloy_primitives::hex::encode(row).contains(&last), "{row:?}");
}

#[test]
fn no_implementation_can_make_itself_another_one() {
    let mut world = World::new();
    let ([first, second], proxy) = (world.versions, world.proxy);
    world.passes(&upgrade(proxy, second));
    let overwrite = Counter::overwriteCall { slot: SLOT, word: first.into_word() };
    assert_eq!(world.calls(&overwrite).outcome, Outcome::Success);
    assert_eq!((world.slot(), world.version()), (first, 2), "only tools are deceived");
    // What the committee alone may say is for everybody else a call of the implementation.
    let receipt = world.calls(&IGovernedProxy::governedUpgradeCall { implementation: first });
    assert_eq!((receipt.outcome, world.version()), (Outcome::Reverted, 2));
}

#[test]
fn a_factory_makes_a_proxy_and_uses_it_at_once() {
    let mut world = World::new();
    let factory = deploy(&mut world.committee.net, &world.developer, bytecode("CounterFactory").into());
    let init = proxy_code(world.versions[0], &[]);
    let say = Say::call(factory, &CounterFactory::makeCall { initCode: init });
    let receipt = world.committee.net.one(&world.developer.sign(&say));
    let made = CounterFactory::Made::decode_log(receipt.logs.last().unwrap()).unwrap();
    assert_eq!(made.count, U256::from(1));
    world.passes(&upgrade(made.proxy, world.versions[1]));
}

#[test]
fn a_proxy_without_an_implementation_or_with_a_set_up_that_fails_is_not_made() {
    let mut world = World::new();
    let nobody = Address::repeat_byte(9);
    let fails = |world: &mut World, init: Bytes| {
        let receipt = world.committee.net.try_one(&world.developer.sign(&Say::deploy(init)));
        assert_eq!(receipt.outcome, Outcome::Reverted);
        receipt.output
    };
    let output = fails(&mut world, proxy_code(nobody, &[]));
    assert_eq!(NoCode::abi_decode(&output).unwrap().implementation, nobody);
    let set_up = Counter::setUpCall { owner: Address::ZERO, start: U256::ZERO }.abi_encode();
    let first = world.versions[0];
    let output = fails(&mut world, proxy_code(first, &set_up));
    assert_eq!(Counter::Refused::abi_decode(&output).unwrap().why, "no owner");
}

#[test]
fn what_is_no_governed_proxy_is_not_upgraded_and_nothing_unfit_upgraded_to() {
    let mut world = World::new();
    let ([first, second], proxy) = (world.versions, world.proxy);
    assert_eq!(world.refused(&upgrade(first, second)), 120);
    assert_eq!(world.refused(&upgrade(Address::repeat_byte(9), second)), 80);
    assert_eq!(world.refused(&upgrade(CONTRACTS, second)), 81);
    assert_eq!(world.refused(&upgrade(proxy, first)), 35);
    for unfit in [Address::repeat_byte(9), CONTRACTS, proxy] {
        assert_eq!(world.refused(&upgrade(proxy, unfit)), 121);
    }
    // Code that only looks like a proxy's.
    let mut other = proxy_code(first, &[]).to_vec();
    let place = other.windows(4).position(|bytes| bytes == [0x6b, 0x88, 0x07, 0x18]);
    let place =
        place.unwrap_or_else(|| other.windows(3).position(|bytes| bytes == [0x0d, 0x71, 0x00]).unwrap());
    other[place] ^= 1;
    let other = deploy(&mut world.committee.net, &world.developer, other.into());
    assert_eq!(world.refused(&upgrade(other, second)), 120);
    let asked = contracts::versionsCall { contractAddress: other, from: 1, limit: 64 };
    assert!(world.net().ask(CONTRACTS, &asked).is_empty());
    world.passes(&Action::FreezeContract { contract: second, basis: basis(), until: 0 });
    assert_eq!(world.refused(&upgrade(proxy, second)), 121);
}

#[test]
fn what_is_attested_of_one_implementation_never_holds_for_another() {
    let mut world = World::new();
    let ([first, second], proxy) = (world.versions, world.proxy);
    world.passes(&rated(proxy, 90));
    assert_eq!(world.rating(), 90);
    world.passes(&upgrade(proxy, second));
    assert_eq!(world.rating(), 0);
    world.passes(&rated(proxy, 80));
    assert_eq!(world.rating(), 80);
    let told = world.net().ask(CONTRACTS, &contracts::attributesCall { contractAddress: proxy });
    let code = |world: &World, it| account_state(&world.committee.net.state, it).unwrap().code_hash.unwrap();
    let both = [code(&world, proxy), code(&world, second)].concat();
    assert_eq!((told.holds, told.codeHash), (true, alloy_primitives::keccak256(both)));
    world.passes(&upgrade(proxy, first));
    assert_eq!(world.rating(), 0, "an earlier version is another one than that which was rated");
    world.passes(&upgrade(proxy, second));
    assert_eq!(world.rating(), 80, "the same code is rated as it was");
    // A rating that was proposed for the code of another version is void.
    let id = world.committee.propose(&rated(proxy, 70));
    world.committee.carry(id);
    world.passes(&upgrade(proxy, first));
    assert_eq!(world.committee.execute(id), 7);
}

#[test]
fn a_rating_is_void_as_well_where_a_question_pretends_other_code_of_the_implementation() {
    let mut world = World::new();
    let ([_, second], proxy) = (world.versions, world.proxy);
    world.passes(&upgrade(proxy, second));
    world.passes(&rated(proxy, 90));
    let input = contracts::ratingCall { contractAddress: proxy }.abi_encode().into();
    let mut request = CallRequest { to: Some(CONTRACTS), input, ..Default::default() };
    let code = Some(Bytes::from_static(&[0x00]));
    request.overrides.insert(second, concordat_core::AccountOverride { code, ..Default::default() });
    let outcome = call(&world.committee.net.state, &world.committee.net.env(), &request).unwrap();
    assert_eq!(U256::from_be_slice(&outcome.output), U256::ZERO);
}

#[test]
fn a_rollback_of_a_proxy_is_void_once_other_code_makes_sense_of_its_slots() {
    let mut world = World::new();
    let ([first, second], proxy) = (world.versions, world.proxy);
    world.passes(&upgrade(proxy, second));
    let count = || U256::from(world.count());
    let slot = SlotChange { contract: proxy, slot: U256::ZERO, before: count(), after: U256::from(2) };
    let (height, root) = (world.committee.net.height - 1, B256::repeat_byte(3));
    let back = Rollback { basis: basis(), height, root, transactions: vec![], slots: vec![slot] };
    let back = Action::RollBack(back);
    let preview = governance::previewActionCall { kind: back.kind().code(), payload_: back.encode() };
    let effect = world.net().ask(GOVERNANCE, &preview).effect;
    let text = Effect::decode(&effect).unwrap().to_string();
    assert!(text.contains(&format!("contract {proxy} runs code")), "{text}");
    assert!(text.contains(&format!("implementation {second}, code")), "{text}");
    let id = world.committee.propose(&back);
    world.committee.carry(id);
    world.passes(&upgrade(proxy, first));
    assert_eq!(world.committee.execute(id), 7, "void: the words would be read by other code");
    assert_eq!(world.count(), 5);
    world.passes(&upgrade(proxy, second));
    world.passes(&back);
    assert_eq!(world.count(), 2);
}

#[test]
fn a_frozen_implementation_halts_the_proxy_and_a_frozen_proxy_is_mended_by_an_upgrade() {
    let mut world = World::new();
    let ([first, second], proxy) = (world.versions, world.proxy);
    world.passes(&Action::FreezeContract { contract: first, basis: basis(), until: 0 });
    let receipt = world.calls(&Counter::stepCall {});
    let error = contracts::ContractFrozen::abi_decode(&receipt.output).unwrap();
    assert_eq!((receipt.outcome, error.contractAddress), (Outcome::Reverted, first));
    world.passes(&Action::FreezeContract { contract: proxy, basis: basis(), until: 0 });
    world.passes(&upgrade(proxy, second));
    assert_eq!(world.slot(), second);
    assert_eq!(world.calls(&Counter::stepCall {}).outcome, Outcome::ContractFrozen);
    world.passes(&Action::UnfreezeContract { contract: proxy, basis: basis() });
    assert_eq!((world.steps(), world.version()), (15, 2));
}

#[test]
fn asking_for_the_implementation_costs_a_row_and_a_rating_of_an_upgraded_proxy_four() {
    let mut world = World::new();
    let ([_, second], contract_address) = (world.versions, world.proxy);
    let cost = |world: &World, call: &[u8]| {
        let (to, input) = (Some(CONTRACTS), Bytes::copy_from_slice(call));
        let request = CallRequest { to, input, ..Default::default() };
        let outcome = call_of(world, &request);
        // Four bytes of the method and twenty of the address at 16, twelve of zeros at 4.
        outcome - 21_000 - 24 * 16 - 12 * 4
    };
    let implementation = contracts::implementationCall { contractAddress: contract_address }.abi_encode();
    let rating = contracts::ratingCall { contractAddress: contract_address }.abi_encode();
    world.passes(&rated(contract_address, 90));
    assert_eq!(cost(&world, &implementation), gas::BASE + gas::ROW_READ);
    assert_eq!(cost(&world, &rating), gas::BASE + 3 * gas::ROW_READ);
    world.passes(&upgrade(contract_address, second));
    assert_eq!(cost(&world, &implementation), gas::BASE + gas::ROW_READ);
    assert_eq!(cost(&world, &rating), gas::BASE + 4 * gas::ROW_READ);
}

fn call_of(world: &World, request: &CallRequest) -> u64 {
    let outcome = call(&world.committee.net.state, &world.committee.net.env(), request).unwrap();
    assert_eq!(outcome.status, CallStatus::Success);
    outcome.gas_used
}

#[test]
fn a_trace_shows_that_the_proxy_asks_and_hands_on() {
    let world = World::new();
    let net = &world.committee.net;
    let input = Counter::versionCall {}.abi_encode().into();
    let request = CallRequest { to: Some(world.proxy), input, ..Default::default() };
    let frame = trace_call(&net.state, &net.env(), &request, 1 << 20).unwrap();
    let calls: Vec<_> = frame.calls.iter().map(|inner| (inner.kind, inner.to.unwrap())).collect();
    assert_eq!(calls, [("STATICCALL", CONTRACTS), ("DELEGATECALL", world.versions[0])]);
}
