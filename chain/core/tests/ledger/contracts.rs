//! Contracts: who made and administers them, whom their lists bind, and that the frozen and retired ones do not answer.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::{SolCall, SolError, SolEvent as _};
use concordat_core::{
    CONTRACTS, CallStatus, ExecError, GOVERNANCE, IDENTITY_REGISTRY, PERMISSIONS, TxInvalid, Wish,
    contracts::abi::IContracts as contracts, explain, gas, governance::abi::IGovernance as governance,
    permissions::abi::IPermissions as permissions, trace_transaction,
};
use concordat_governance::{
    Action, Kind, Rule,
    action::{Basis, ListKind, Scope},
};
use concordat_permissions::Action as Wanted;
use concordat_types::{ReadError, Receipt, Role, StateKey, receipt::Outcome};
use proptest::{prelude::*, strategy::ValueTree as _};

use crate::{
    governance::{Committee, execute, propose},
    kit::{Actor, Child, Consortium, Probe, Say, Token, bytecode, refused_gas, token_init_code},
    permissions::{asked, caller, creator, deploy, enact, hex_address, policy, to, told},
};

const NONE: u8 = 0;
const ALLOW: u8 = 1;
const DENY: u8 = 2;

fn say(call: &impl SolCall) -> Say {
    Say::call(CONTRACTS, call)
}

fn set_list(address: Address, kind: u8) -> Say {
    say(&contracts::setContractListCall { contractAddress: address, kind })
}

fn set_method_list(address: Address, method: [u8; 4], kind: u8) -> Say {
    say(&contracts::setMethodListCall { contractAddress: address, method: method.into(), kind })
}

fn add(address: Address, accounts: &[Address]) -> Say {
    say(&contracts::addToContractListCall { contractAddress: address, accounts: accounts.to_vec() })
}

fn remove(address: Address, accounts: &[Address]) -> Say {
    say(&contracts::removeFromContractListCall { contractAddress: address, accounts: accounts.to_vec() })
}

fn hand_over(address: Address, administrator: Address) -> Say {
    say(&contracts::setAdministratorCall { contractAddress: address, administrator })
}

fn info(net: &Consortium, address: Address) -> contracts::ContractInfo {
    net.ask(CONTRACTS, &contracts::contractInfoCall { contractAddress: address })
}

/// The counter of a probe, which is a call that anybody may make.
fn count(probe: Address) -> Say {
    Say::call(probe, &Probe::counterCall {})
}

/// A transaction that is refused by the registry of contracts, with this error.
fn refuses<E: SolError>(net: &mut Consortium, actor: &Actor, say: &Say) -> E {
    let receipt = net.try_one(&actor.sign(say));
    assert_eq!(receipt.outcome, Outcome::Reverted, "{receipt:?}");
    E::abi_decode(&receipt.output).unwrap_or_else(|_| panic!("{receipt:?}"))
}

fn basis() -> Basis {
    Basis { document: B256::repeat_byte(1), reference: "Order 7".into() }
}

fn freeze(contract: Address) -> Action {
    Action::FreezeContract { contract, basis: basis(), until: 0 }
}

fn unfreeze(contract: Address) -> Action {
    Action::UnfreezeContract { contract, basis: basis() }
}

fn retire(contract: Address) -> Action {
    Action::RetireContract { contract, basis: basis() }
}

fn deploy_list(kind: ListKind, add: &[Address], remove: &[Address]) -> Action {
    let ordered = |accounts: &[Address]| {
        let mut accounts = accounts.to_vec();
        accounts.sort();
        accounts
    };
    Action::SetDeployList { kind, add: ordered(add), remove: ordered(remove) }
}

/// A governed chain with a developer of bank-a, an operator of bank-b, and a probe of the developer.
struct World {
    committee: Committee,
    developer: Actor,
    operator: Actor,
    probe: Address,
}

impl World {
    fn new() -> Self {
        let mut committee = Committee::new();
        let (developer, probe) = committee.net.deploy(bytecode("Probe").into());
        let operator = committee.net.actor("bank-b", Role::Operator);
        Self { committee, developer, operator, probe }
    }

    fn net(&mut self) -> &mut Consortium {
        &mut self.committee.net
    }

    fn passes(&mut self, action: &Action) {
        assert_eq!(self.committee.pass(action), 1, "{action:?}");
    }

    /// The code with which the first member's proposal is refused.
    fn refused(&mut self, action: &Action) -> u16 {
        self.committee.refused(0, &propose(action))
    }

    fn calls(&mut self) -> Receipt {
        let tx = self.operator.sign(&count(self.probe));
        self.net().try_one(&tx)
    }
}

#[test]
fn the_one_who_signed_stands_behind_what_it_makes_by_a_transaction_and_by_a_factory() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let made_at = net.height;
    let outcome = net.block(&[
        developer.sign(&Say::call(probe, &Probe::makeCall { value: U256::from(5) })),
        developer.sign(&Say::call(probe, &Probe::make2Call { value: U256::from(6) })),
    ]);
    let rows = outcome.changes.iter().filter(|(key, _)| key.as_bytes().starts_with(&[0x10, 0x40]));
    let rows: Vec<_> = rows.map(|(_, row)| row.clone().unwrap()).collect();
    let account = format!("94{}", hex::encode(developer.address));
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(hex::encode(row), format!("f6{account}8662616e6b2d61{account}{made_at:02x}80808080"));
    }
    for address in [probe, probe.create(1)] {
        let told = info(&net, address);
        assert!(told.exists && told.creator == developer.address && told.administrator == developer.address);
        assert_eq!(
            (told.organisation.as_str(), told.status, told.list, told.methodLists),
            ("bank-a", 0, 0, 0)
        );
    }
    assert_eq!(info(&net, probe.create(1)).created, made_at);
    assert_eq!(net.ask(probe.create(1), &Child::valueCall {}), U256::from(5));
}

#[test]
fn what_dies_fails_or_has_no_code_has_no_row() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let empty = deploy(&mut net, &developer, creator(0xf0));
    let rows = |outcome: &concordat_core::BlockOutcome| {
        outcome.changes.keys().filter(|key| key.as_bytes().starts_with(&[0x10, 0x40])).count()
    };
    for tx in [
        developer.sign(&Say::call(probe, &Probe::mayflyCall {})),
        developer.sign(&to(empty)),
        developer.sign(&Say::call(probe, &Probe::makeCall { value: U256::from(1) }).gas(120_000)),
        developer.sign(&Say::deploy(Bytes::new())),
        developer.sign(&Say::deploy(Bytes::from_static(&[0xfe]))),
    ] {
        assert_eq!(rows(&net.block(&[tx])), 0);
    }
    for address in [developer.address, CONTRACTS, Address::with_last_byte(4), Address::repeat_byte(9)] {
        let told = info(&net, address);
        assert!(!told.exists && told.creator.is_zero());
    }
}

#[test]
fn a_creation_pays_for_its_row_where_it_begins() {
    let mut net = Consortium::new();
    let developer = net.actor("bank-a", Role::Developer);
    // The intrinsic gas of a creation, and the row.
    let want = 53_000 + gas::CONTRACT_MADE;
    let poor = developer.sign_at(&Say::deploy(Bytes::new()).gas(want - 1), developer.nonce.get());
    assert_eq!(net.invalid(&poor), TxInvalid::IntrinsicGas { have: want - 1, want });
    let receipt = net.one(&developer.sign(&Say::deploy(Bytes::new()).gas(want)));
    assert_eq!(receipt.gas_used, want);
    let cost = |net: &mut Consortium, times: usize| {
        // create(0, 0, 0) and forget it, so many times.
        let mut code = [0x5f, 0x5f, 0x5f, 0xf0, 0x50].repeat(times);
        code.push(0x00);
        code.extend_from_slice(&crate::permissions::RETURN_OR_REVERT);
        let factory = deploy(net, &developer, crate::permissions::deployment(&code));
        net.one(&developer.sign(&to(factory))).gas_used
    };
    let [none, once, twice] = [0, 1, 2].map(|times| cost(&mut net, times));
    let create = 3 * 2 + 2 + 32_000 + gas::CONTRACT_MADE;
    // The list of who may deploy binds nobody: its kind is one row.
    assert_eq!(once - none, create + gas::PERMISSION + gas::ROW_READ);
    assert_eq!(twice - once, create + gas::PERMISSION_AGAIN);
}

#[test]
fn estimates_suffice_for_deployments_factories_and_listed_contracts() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let router = deploy(&mut net, &developer, caller(0xf1, probe));
    let method = Probe::makeCall::SELECTOR;
    net.block(&[
        developer.sign(&set_list(probe, ALLOW)),
        developer.sign(&add(probe, &[developer.address])),
        developer.sign(&set_method_list(probe, method, DENY)),
    ]);
    let make = Bytes::from(Probe::makeCall { value: U256::from(1) }.abi_encode());
    let asked =
        [(None, token_init_code(5)), (None, Bytes::new()), (Some(probe), make.clone()), (Some(router), make)];
    for (to, input) in asked {
        let request = concordat_core::CallRequest {
            from: developer.address,
            to,
            input: input.clone(),
            ..Default::default()
        };
        let gas = concordat_core::estimate_gas(&net.state, &net.env(), &request).unwrap();
        net.one(&developer.sign(&Say { to: to.map_or(TxKind::Create, TxKind::Call), input, gas }));
    }
}

#[test]
fn a_frozen_contract_refuses_calls_of_everybody_from_the_next_transaction_of_the_same_block() {
    let mut world = World::new();
    let (probe, other) = (world.probe, Address::repeat_byte(9));
    let id = world.committee.propose(&freeze(probe));
    world.committee.carry(id);
    let World { committee, developer, operator, .. } = &mut world;
    let txs = [
        operator.sign(&count(probe)),
        committee.members[0].sign(&execute(id)),
        operator.sign(&count(probe)),
        developer.sign(&count(probe)),
        operator.sign(&to(other)),
    ];
    let block = committee.net.block(&txs);
    let outcomes: Vec<_> = block.receipts.iter().map(|receipt| receipt.outcome).collect();
    let frozen = Outcome::ContractFrozen;
    assert_eq!(outcomes, [Outcome::Success, Outcome::Success, frozen, frozen, Outcome::Success]);
    let receipt = &block.receipts[2];
    let error = contracts::ContractFrozen::abi_decode(&receipt.output).unwrap();
    assert_eq!((error.contractAddress, error.until), (probe, 0));
    assert_eq!(receipt.gas_used, refused_gas(&count(probe).input, 0));
    assert_eq!(Receipt::decode(&receipt.encode()).unwrap(), *receipt);
    let log = governance::ContractFrozen::decode_log(&block.receipts[1].logs[1]).unwrap();
    assert_eq!((log.contractAddress, log.documentReference.as_str(), log.proposalId), (probe, "Order 7", id));
    let told = world.net().ask(CONTRACTS, &contracts::haltCall { contractAddress: probe });
    assert!(told.binds && !told.retired && !told.emergency && told.proposalId == id);
    assert_eq!(info(world.net(), probe).status, 1);
}

#[test]
fn the_pool_turns_away_what_a_frozen_contract_would_refuse_and_says_why() {
    let mut world = World::new();
    let probe = world.probe;
    world.passes(&freeze(probe));
    let tx = world.operator.sign(&count(probe));
    let Err(ExecError::Invalid(invalid)) = asked(world.net(), &tx) else { panic!("the pool took it") };
    assert_eq!(invalid.kind(), "contract_frozen");
    assert_eq!(
        invalid.to_string(),
        format!(
            "refused: the contract is frozen or retired: contract {probe} is frozen until that is lifted"
        )
    );
}

#[test]
fn an_unfrozen_contract_answers_again_and_a_freeze_ends_by_its_height() {
    let mut world = World::new();
    let probe = world.probe;
    world.passes(&freeze(probe));
    assert_eq!(world.calls().outcome, Outcome::ContractFrozen);
    world.passes(&unfreeze(probe));
    assert_eq!(world.calls().outcome, Outcome::Success);
    assert!(!world.net().ask(CONTRACTS, &contracts::haltCall { contractAddress: probe }).binds);
    let until = world.net().height + 100;
    world.passes(&Action::FreezeContract { contract: probe, basis: basis(), until });
    world.net().height = until;
    assert_eq!(world.calls().outcome, Outcome::ContractFrozen);
    assert_eq!(info(world.net(), probe).status, 0, "the height after that");
    assert_eq!(world.calls().outcome, Outcome::Success);
    assert_eq!(world.refused(&unfreeze(probe)), 83);
}

#[test]
fn who_made_a_contract_and_who_keeps_its_lists_outlive_a_freeze() {
    let mut world = World::new();
    let (probe, before) = (world.probe, info(&world.committee.net, world.probe));
    world.passes(&freeze(probe));
    world.passes(&unfreeze(probe));
    let after = info(world.net(), probe);
    assert_eq!((after.creator, after.administrator), (before.creator, before.administrator));
    assert_eq!((after.organisation, after.created), (before.organisation, before.created));
}

#[test]
fn inner_calls_of_all_four_schemes_to_a_frozen_contract_revert_and_name_it() {
    let mut world = World::new();
    let probe = world.probe;
    let routers = [0xf1, 0xf2, 0xf4, 0xfa]
        .map(|opcode| deploy(&mut world.committee.net, &world.developer, caller(opcode, probe)));
    let through = |router: Address| Say { to: TxKind::Call(router), ..count(probe) };
    for router in routers {
        let tx = world.operator.sign(&through(router));
        world.net().one(&tx);
    }
    world.passes(&freeze(probe));
    for router in routers {
        let tx = world.operator.sign(&through(router));
        let receipt = world.net().try_one(&tx);
        assert_eq!(receipt.outcome, Outcome::Reverted);
        let error = contracts::ContractFrozen::abi_decode(&receipt.output).unwrap();
        assert_eq!(error.contractAddress, probe);
        assert!(receipt.gas_used < 40_000, "the frame's gas came back: {}", receipt.gas_used);
        // Reading goes on: what a frozen contract holds stays known.
        let asked = world.net().ask(router, &Probe::counterCall {});
        assert_eq!(asked, U256::ZERO);
    }
    assert_eq!(world.net().ask(probe, &Probe::counterCall {}), U256::ZERO);
}

#[test]
fn a_frozen_factory_makes_nothing_and_what_it_made_before_answers() {
    let mut world = World::new();
    let probe = world.probe;
    let make = Say::call(probe, &Probe::makeCall { value: U256::from(5) });
    let tx = world.developer.sign(&make);
    world.net().one(&tx);
    world.passes(&freeze(probe));
    let tx = world.developer.sign(&make);
    assert_eq!(world.net().try_one(&tx).outcome, Outcome::ContractFrozen);
    let tx = world.operator.sign(&Say::call(probe.create(1), &Child::valueCall {}));
    world.net().one(&tx);
}

#[test]
fn a_trace_shows_how_a_frozen_contract_refused() {
    let mut world = World::new();
    let probe = world.probe;
    let router = deploy(&mut world.committee.net, &world.developer, caller(0xf1, probe));
    world.passes(&freeze(probe));
    let World { committee, operator, .. } = &mut world;
    let inner = operator.sign(&Say { to: TxKind::Call(router), ..count(probe) });
    let direct = operator.sign(&count(probe));
    let (state, env) = (&committee.net.state, committee.net.env());
    let first = trace_transaction(state, env.clone(), &[], &inner, 1 << 20).unwrap();
    let second = trace_transaction(state, env, std::slice::from_ref(&inner), &direct, 1 << 20).unwrap();
    let receipts = committee.net.block(&[inner, direct]).receipts;
    assert_eq!(first.calls[0].output, receipts[0].output);
    assert_eq!(first.calls[0].gas_used.to::<u64>(), gas::PERMISSION + gas::ROW_READ);
    assert_eq!((&second.output, second.gas_used.to::<u64>()), (&receipts[1].output, receipts[1].gas_used));
    assert_eq!(receipts[1].gas_used, refused_gas(&count(probe).input, 0));
    assert_eq!(second.error.as_deref(), Some("refused: the contract is frozen or retired"));
}

#[test]
fn retirement_is_for_good() {
    let mut world = World::new();
    let probe = world.probe;
    world.passes(&freeze(probe));
    world.passes(&retire(probe));
    world.net().height += 1_000_000;
    let receipt = world.calls();
    assert_eq!(receipt.outcome, Outcome::ContractFrozen);
    let error = contracts::ContractRetired::abi_decode(&receipt.output).unwrap();
    assert_eq!(error.contractAddress, probe);
    for action in [freeze(probe), unfreeze(probe), retire(probe)] {
        assert_eq!(world.refused(&action), 82);
    }
    let World { committee: Committee { net, .. }, developer, operator, .. } = &mut world;
    for say in [set_list(probe, ALLOW), add(probe, &[Address::ZERO]), hand_over(probe, operator.address)] {
        let error: contracts::ContractRetired = refuses(net, developer, &say);
        assert_eq!(error.contractAddress, probe);
    }
    assert_eq!(info(net, probe).status, 2);
    let told = net.ask(CONTRACTS, &contracts::haltCall { contractAddress: probe });
    assert!(told.binds && told.retired && told.until == 0 && told.documentReference == "Order 7");
}

#[test]
fn an_emergency_takes_one_of_four_and_lapses_by_itself() {
    let mut world = World::new();
    let probe = world.probe;
    let action = Action::EmergencyFreezeContract { contract: probe, basis: basis() };
    let id = world.committee.propose(&action);
    assert!(world.committee.vote(0, id).outcome.succeeded());
    assert_eq!(world.committee.execute(id), 1);
    let receipt = world.calls();
    let told = world.net().ask(CONTRACTS, &contracts::haltCall { contractAddress: probe });
    let lapse = Rule::initial(Kind::EmergencyFreezeContract, 4).lapse_blocks;
    assert!(told.emergency && told.until == told.since + lapse);
    let error = contracts::ContractFrozen::abi_decode(&receipt.output).unwrap();
    assert_eq!((receipt.outcome, error.until), (Outcome::ContractFrozen, told.until));
    assert_eq!(world.refused(&action), 84);
    world.net().height = told.until + 1;
    assert_eq!(world.calls().outcome, Outcome::Success);
    assert_eq!(world.refused(&action), 85, "it is not renewed without the others");
}

#[test]
fn an_emergency_that_was_lifted_binds_no_more_and_is_not_repeated_at_once() {
    let mut world = World::new();
    let probe = world.probe;
    let action = Action::EmergencyFreezeContract { contract: probe, basis: basis() };
    assert_eq!(world.committee.pass(&action), 1);
    assert_eq!(world.committee.pass(&Action::UnfreezeContract { contract: probe, basis: basis() }), 1);
    assert_eq!(world.calls().outcome, Outcome::Success);
    assert_eq!(info(world.net(), probe).status, 0);
    let told = world.net().ask(CONTRACTS, &contracts::haltCall { contractAddress: probe });
    assert!(!told.binds && told.emergency && told.until > 0);
    assert_eq!(world.refused(&action), 85);
    world.net().height = told.until + Rule::initial(Kind::EmergencyFreezeContract, 4).lapse_blocks + 1;
    assert_eq!(world.committee.pass(&action), 1);
    assert_eq!(world.calls().outcome, Outcome::ContractFrozen);
}

#[test]
fn what_is_no_contract_yet_or_a_part_of_the_chain_cannot_be_frozen() {
    let mut world = World::new();
    let next = world.probe.create(1);
    for nothing in [next, world.operator.address, Address::with_last_byte(4), Address::repeat_byte(9)] {
        assert_eq!(world.refused(&freeze(nothing)), 80);
    }
    for chain in [IDENTITY_REGISTRY, GOVERNANCE, PERMISSIONS, CONTRACTS] {
        assert_eq!(world.refused(&freeze(chain)), 81);
        assert_eq!(world.refused(&retire(chain)), 81);
    }
    let make = Say::call(world.probe, &Probe::makeCall { value: U256::from(1) });
    let tx = world.developer.sign(&make);
    world.net().one(&tx);
    world.passes(&freeze(next));
}

/// Takes away a contract's row, as of one that was there before the first block.
fn forget(net: &mut Consortium, address: Address) {
    assert!(net.state.values.remove(&StateKey::system(0x40, address.as_slice())).is_some());
}

#[test]
fn what_was_there_from_the_start_belongs_to_nobody_until_the_committee_says_so() {
    let mut world = World::new();
    let (probe, developer) = (world.probe, world.developer.address);
    forget(world.net(), probe);
    let told = info(world.net(), probe);
    assert!(told.exists && told.creator.is_zero() && told.administrator.is_zero() && told.created == 0);
    assert_eq!(world.calls().outcome, Outcome::Success);
    let World { committee: Committee { net, .. }, developer: actor, .. } = &mut world;
    let error: contracts::NotPermitted = refuses(net, actor, &set_list(probe, ALLOW));
    assert_eq!((error.action, error.code, error.policy.as_str()), (9, 1, ""));
    let appoint = Action::SetContractAdministrator { contract: probe, administrator: developer };
    let id = world.committee.propose(&appoint);
    world.committee.carry(id);
    let receipt = world.committee.net.one(&world.committee.members[1].sign(&execute(id)));
    let log = governance::ContractAdministratorChanged::decode_log(&receipt.logs[1]).unwrap();
    assert_eq!((log.contractAddress, log.administrator, log.proposalId), (probe, developer, id));
    let World { committee: Committee { net, .. }, developer: actor, .. } = &mut world;
    net.one(&actor.sign(&set_list(probe, ALLOW)));
    assert_eq!(world.calls().outcome, Outcome::NotPermitted);
    // It stays nobody's work, and can be frozen; nobody keeps its lists after the committee has taken that back.
    world.passes(&freeze(probe));
    assert_eq!(world.calls().outcome, Outcome::ContractFrozen);
    let told = info(world.net(), probe);
    assert!(told.organisation.is_empty() && told.administrator == developer && told.list == ALLOW);
    world.passes(&Action::SetContractAdministrator { contract: probe, administrator: Address::ZERO });
    let World { committee: Committee { net, .. }, developer: actor, .. } = &mut world;
    let _: contracts::NotPermitted = refuses(net, actor, &set_list(probe, NONE));
}

#[test]
fn a_contract_that_was_there_from_the_start_can_be_frozen() {
    let mut world = World::new();
    let probe = world.probe;
    forget(world.net(), probe);
    world.passes(&freeze(probe));
    assert_eq!(world.calls().outcome, Outcome::ContractFrozen);
}

#[test]
fn only_operators_and_developers_in_good_standing_are_appointed() {
    let mut world = World::new();
    let appoint = |world: &World, administrator| Action::SetContractAdministrator {
        contract: world.probe,
        administrator,
    };
    let auditor = world.net().actor("bank-a", Role::Auditor).address;
    let action = appoint(&world, auditor);
    assert_eq!(world.refused(&action), 86);
    let action = appoint(&world, Address::repeat_byte(9));
    assert_eq!(world.refused(&action), 50);
    let (account, scope) = (world.operator.address, Scope::Outgoing);
    world.passes(&Action::FreezeAccount { account, scope, basis: basis(), until: 0 });
    let action = appoint(&world, account);
    assert_eq!(world.refused(&action), 3);
}

#[test]
fn a_list_that_allows_admits_who_is_on_it_from_the_next_transaction_on() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let operator = net.actor("bank-b", Role::Operator);
    let block = net.block(&[
        operator.sign(&count(probe)),
        developer.sign(&set_list(probe, ALLOW)),
        operator.sign(&count(probe)),
        developer.sign(&add(probe, &[operator.address])),
        operator.sign(&count(probe)),
        developer.sign(&count(probe)),
        developer.sign(&set_list(probe, DENY)),
        operator.sign(&count(probe)),
        developer.sign(&count(probe)),
        developer.sign(&remove(probe, &[operator.address])),
        operator.sign(&count(probe)),
        developer.sign(&set_list(probe, NONE)),
        operator.sign(&count(probe)),
    ]);
    let outcomes: Vec<u32> = block.receipts.iter().map(|receipt| receipt.outcome.code()).collect();
    assert_eq!(outcomes, [0, 0, 21, 0, 0, 21, 0, 21, 0, 0, 0, 0, 0]);
    for place in [2, 5, 7] {
        let (action, code, policy, proposal) = told(&block.receipts[place].output);
        assert_eq!((action, code, policy.as_str(), proposal), (3, 2, "contract-list", 0));
    }
    let log = contracts::ContractListSet::decode_log(&block.receipts[1].logs[0]).unwrap();
    assert_eq!((log.contractAddress, log.kind, log.by), (probe, ALLOW, developer.address));
    let log = contracts::ContractListChanged::decode_log(&block.receipts[3].logs[0]).unwrap();
    assert_eq!((log.contractAddress, log.listed, &log.accounts[..]), (probe, true, &[operator.address][..]));
    let log = contracts::ContractListChanged::decode_log(&block.receipts[9].logs[0]).unwrap();
    assert!(!log.listed);
}

#[test]
fn a_method_has_a_list_of_its_own() {
    let mut net = Consortium::new();
    let (developer, token) = net.deploy(token_init_code(10));
    let operator = net.actor("bank-b", Role::Operator);
    let (transfer, balance) = (
        Say::call(token, &Token::transferCall { to: token, value: U256::ZERO }),
        Say::call(token, &Token::balanceOfCall { owner: token }),
    );
    let method = Token::transferCall::SELECTOR;
    let (address, accounts) = (token, vec![operator.address]);
    let add = contracts::addToMethodListCall { contractAddress: address, method: method.into(), accounts };
    let remove = contracts::removeFromMethodListCall {
        contractAddress: address,
        method: method.into(),
        accounts: vec![operator.address],
    };
    let block = net.block(&[
        developer.sign(&set_method_list(token, method, ALLOW)),
        operator.sign(&transfer),
        operator.sign(&balance),
        operator.sign(&to(token)),
        developer.sign(&say(&add)),
        operator.sign(&transfer),
        developer.sign(&set_method_list(token, method, DENY)),
        operator.sign(&transfer),
        developer.sign(&say(&remove)),
        operator.sign(&transfer),
    ]);
    let outcomes: Vec<u32> = block.receipts.iter().map(|receipt| receipt.outcome.code()).collect();
    // The token answers no call without a method: that is its own refusal.
    assert_eq!(outcomes, [0, 21, 0, 1, 0, 0, 0, 21, 0, 0]);
    assert_eq!(told(&block.receipts[1].output).2, "method-list");
    let log = contracts::MethodListSet::decode_log(&block.receipts[0].logs[0]).unwrap();
    assert_eq!((log.method.0, log.kind, log.by), (method, ALLOW, developer.address));
    let log = contracts::MethodListChanged::decode_log(&block.receipts[4].logs[0]).unwrap();
    assert_eq!((log.method.0, log.listed, log.accounts.len()), (method, true, 1));
    assert_eq!(info(&net, token).methodLists, 1);
    let kind =
        net.ask(CONTRACTS, &contracts::methodListCall { contractAddress: token, method: method.into() });
    assert_eq!(kind, DENY);
    net.one(&developer.sign(&set_method_list(token, method, NONE)));
    assert_eq!(info(&net, token).methodLists, 0);
    assert!(!net.state.values.keys().any(|key| key.as_bytes().starts_with(&[0x10, 0x41])));
}

#[test]
fn lists_bind_who_signed_also_by_way_of_other_contracts_and_delegatecalls() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let operator = net.actor("bank-b", Role::Operator);
    let schemes = [(0xf1, 3), (0xf2, 4), (0xf4, 4), (0xfa, 5)];
    let routers =
        schemes.map(|(opcode, action)| (deploy(&mut net, &developer, caller(opcode, probe)), action));
    net.one(&developer.sign(&set_list(probe, ALLOW)));
    net.one(&developer.sign(&add(probe, &[developer.address])));
    for (router, action) in routers {
        let through = Say { to: TxKind::Call(router), ..count(probe) };
        net.one(&developer.sign(&through));
        let receipt = net.try_one(&operator.sign(&through));
        assert_eq!(receipt.outcome, Outcome::Reverted);
        assert_eq!(told(&receipt.output), (action, 2, "contract-list".into(), 0));
        // Who is on the list of the router is of no matter for that of the probe.
        assert!(net.ask_raw(router, &Probe::counterCall {}).status == CallStatus::Success, "reads are open");
    }
}

#[test]
fn the_rows_of_lists_that_bind_are_paid_for() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let router = deploy(&mut net, &developer, caller(0xfa, probe));
    let through = Say { to: TxKind::Call(router), ..count(probe) };
    let cost = |net: &mut Consortium| net.one(&developer.sign(&through)).gas_used;
    let none = cost(&mut net);
    net.one(&developer.sign(&set_list(probe, DENY)));
    let one = cost(&mut net);
    net.one(&developer.sign(&set_method_list(probe, Probe::burnCall::SELECTOR, DENY)));
    let kind = cost(&mut net);
    net.one(&developer.sign(&set_method_list(probe, Probe::counterCall::SELECTOR, DENY)));
    let both = cost(&mut net);
    assert_eq!([one - none, kind - one, both - kind], [gas::ROW_READ; 3]);
}

#[test]
fn the_committee_keeps_the_list_of_who_may_deploy() {
    let mut world = World::new();
    let second = world.net().actor("bank-b", Role::Developer);
    let (first, init) = (world.developer.address, Say::deploy(bytecode("Child").into()));
    let id = world.committee.propose(&deploy_list(ListKind::Allow, &[first], &[]));
    world.committee.carry(id);
    let factory = deploy(&mut world.committee.net, &second, creator(0xf0));
    let World { committee, developer, .. } = &mut world;
    let block = committee.net.block(&[
        second.sign(&Say::deploy(token_init_code(5))),
        committee.members[0].sign(&execute(id)),
        second.sign(&Say::deploy(token_init_code(5))),
        second.sign(&to(factory)),
        developer.sign(&Say::deploy(token_init_code(5))),
        developer.sign(&to(factory)),
    ]);
    let outcomes: Vec<u32> = block.receipts.iter().map(|receipt| receipt.outcome.code()).collect();
    assert_eq!(outcomes[..3], [0, 0, 21]);
    assert_eq!(told(&block.receipts[2].output), (1, 2, "deploy-list".into(), 0));
    assert_eq!(told(&block.receipts[3].output), (2, 2, "deploy-list".into(), 0), "by a factory");
    assert_eq!(outcomes[4..], [0, 0]);
    let log = governance::DeployListChanged::decode_log(&block.receipts[1].logs[1]).unwrap();
    assert_eq!((log.kind, &log.added[..], log.removed.len(), log.proposalId), (1, &[first][..], 0, id));
    let net = &committee.net;
    assert_eq!(net.ask(CONTRACTS, &contracts::deployListCall {}), ALLOW);
    assert!(net.ask(CONTRACTS, &contracts::isOnDeployListCall { account: first }));
    assert!(!net.ask(CONTRACTS, &contracts::isOnDeployListCall { account: second.address }));
    world.passes(&deploy_list(ListKind::Deny, &[second.address], &[first]));
    let tx = second.sign(&init);
    assert_eq!(world.net().try_one(&tx).outcome, Outcome::NotPermitted);
    world.passes(&deploy_list(ListKind::None, &[], &[second.address]));
    assert!(!world.net().state.values.keys().any(|key| matches!(key.as_bytes(), [0x10, 0x42 | 0x43, ..])));
    assert_eq!(world.refused(&deploy_list(ListKind::None, &[], &[first])), 35);
}

#[test]
fn an_administrator_hands_over_and_can_do_no_more() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let operator = net.actor("bank-b", Role::Operator);
    let receipt = net.one(&developer.sign(&hand_over(probe, operator.address)));
    let log = contracts::AdministratorSet::decode_log(&receipt.logs[0]).unwrap();
    assert_eq!(
        (log.contractAddress, log.administrator, log.by),
        (probe, operator.address, developer.address)
    );
    let told = info(&net, probe);
    assert_eq!((told.creator, told.administrator), (developer.address, operator.address));
    assert_eq!(told.organisation, "bank-a", "who stands behind it stays");
    for say in [set_list(probe, DENY), hand_over(probe, developer.address)] {
        let error: contracts::NotPermitted = refuses(&mut net, &developer, &say);
        assert_eq!((error.action, error.code, error.policy.as_str(), error.proposal), (9, 1, "", 0));
    }
    net.one(&operator.sign(&set_list(probe, DENY)));
    net.one(&operator.sign(&add(probe, &[developer.address])));
    assert_eq!(net.try_one(&developer.sign(&count(probe))).outcome, Outcome::NotPermitted);
    let _: contracts::NothingChanges = refuses(&mut net, &operator, &hand_over(probe, operator.address));
    let auditor = net.actor("bank-b", Role::Auditor);
    let stranger = net.stranger("bank-b", Role::Operator, "not enrolled");
    for unfit in [auditor.address, stranger.address, Address::ZERO] {
        let error: contracts::NotAdministrator = refuses(&mut net, &operator, &hand_over(probe, unfit));
        assert_eq!(error.account, unfit);
    }
}

#[test]
fn who_is_no_administrator_is_refused_with_the_policy_that_decides() {
    let mut net = Consortium::new();
    let (_, probe) = net.deploy(bytecode("Probe").into());
    let operator = net.actor("bank-b", Role::Operator);
    let auditor = net.actor("bank-b", Role::Auditor);
    let method = [1; 4];
    let accounts = vec![operator.address];
    for say in [
        set_list(probe, ALLOW),
        set_method_list(probe, method, ALLOW),
        add(probe, &accounts),
        remove(probe, &accounts),
        say(&contracts::addToMethodListCall {
            contractAddress: probe,
            method: method.into(),
            accounts: accounts.clone(),
        }),
        say(&contracts::removeFromMethodListCall {
            contractAddress: probe,
            method: method.into(),
            accounts: accounts.clone(),
        }),
        hand_over(probe, operator.address),
    ] {
        let error: contracts::NotPermitted = refuses(&mut net, &operator, &say);
        assert_eq!((error.code, error.policy.as_str()), (1, ""));
        let error: contracts::NotPermitted = refuses(&mut net, &auditor, &say);
        assert_eq!((error.code, error.policy.as_str()), (2, "exclusive-roles"));
    }
    let rule = format!(
        "permit (principal in Organisation::\"bank-b\", action == Action::\"administer\", resource == \
         Contract::\"{}\");",
        hex_address(probe)
    );
    enact(&mut net, &[policy("bank-b-administers", &rule, 7)]);
    net.one(&operator.sign(&set_list(probe, DENY)));
    let _: contracts::NotPermitted = refuses(&mut net, &auditor, &set_list(probe, NONE));
    let off = "forbid (principal, action == Action::\"administer\", resource);";
    enact(&mut net, &[policy("nobody-administers", off, 8)]);
    let error: contracts::NotPermitted = refuses(&mut net, &operator, &set_list(probe, NONE));
    assert_eq!((error.policy.as_str(), error.proposal), ("nobody-administers", 8));
}

#[test]
fn whose_business_is_frozen_administers_nothing() {
    let mut world = World::new();
    let (probe, account) = (world.probe, world.developer.address);
    world.passes(&Action::FreezeAccount { account, scope: Scope::Outgoing, basis: basis(), until: 0 });
    let World { committee: Committee { net, .. }, developer, .. } = &mut world;
    let error: contracts::SenderFrozen = refuses(net, developer, &set_list(probe, ALLOW));
    assert_eq!(error.account, account);
}

#[test]
fn what_is_no_list_no_contract_or_no_change_is_refused() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    for nothing in [developer.address, CONTRACTS, Address::with_last_byte(4), Address::repeat_byte(9)] {
        let error: contracts::UnknownContract = refuses(&mut net, &developer, &set_list(nothing, ALLOW));
        assert_eq!(error.contractAddress, nothing);
    }
    let error: contracts::UnknownListKind = refuses(&mut net, &developer, &set_list(probe, 3));
    assert_eq!(error.kind, 3);
    let error: contracts::UnknownListKind = refuses(&mut net, &developer, &set_method_list(probe, [1; 4], 3));
    assert_eq!(error.kind, 3);
    let many: Vec<Address> = (0..101_u8).map(Address::repeat_byte).collect();
    for accounts in [&[][..], &many] {
        let error: contracts::TooManyAccounts = refuses(&mut net, &developer, &add(probe, accounts));
        assert_eq!((error.have, error.most), (U256::from(accounts.len()), U256::from(100)));
    }
    for nothing in
        [set_list(probe, NONE), set_method_list(probe, [1; 4], NONE), remove(probe, &[Address::ZERO])]
    {
        let _: contracts::NothingChanges = refuses(&mut net, &developer, &nothing);
    }
    let _: contracts::MalformedCall = refuses(
        &mut net,
        &developer,
        &Say { input: Bytes::from_static(&[1, 2, 3, 4]), ..set_list(probe, 0) },
    );
    let _: contracts::MalformedCall =
        refuses(&mut net, &developer, &Say { input: Bytes::new(), ..set_list(probe, 0) });
    let long = Bytes::from([add(probe, &many[..1]).input.to_vec(), vec![0; 4_000]].concat());
    let _: contracts::MalformedCall =
        refuses(&mut net, &developer, &Say { input: long, ..set_list(probe, 0) });
}

#[test]
fn a_hundred_accounts_are_listed_at_once_and_those_on_the_list_stay() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let people: Vec<Actor> =
        (0..100).map(|number| net.stranger("bank-b", Role::Operator, &format!("number {number}"))).collect();
    let enrolments: Vec<_> = people.iter().map(|person| person.sign(&person.enrolment())).collect();
    net.block(&enrolments);
    let mut many: Vec<Address> = people.iter().map(|person| person.address).collect();
    many.sort_unstable();
    net.one(&developer.sign(&add(probe, &many[..2])));
    let receipt = net.one(&developer.sign(&add(probe, &many).gas(4_000_000)));
    let log = contracts::ContractListChanged::decode_log(&receipt.logs[0]).unwrap();
    assert_eq!(log.accounts, many[2..], "those that come");
    assert!(receipt.gas_used > 98 * gas::ROW_WRITE);
    for account in [many[0], many[99]] {
        let asked = contracts::isOnContractListCall { contractAddress: probe, account };
        assert!(net.ask(CONTRACTS, &asked));
    }
    let receipt = net.try_one(&developer.sign(&remove(probe, &many).gas(1_000_000)));
    assert_eq!(receipt.outcome, Outcome::Halted, "a hundred rows are not written for that");
}

#[test]
fn who_has_not_enrolled_comes_on_no_list() {
    let mut world = World::new();
    let (stranger, probe) = (world.net().stranger("bank-b", Role::Developer, "new key"), world.probe);
    let accounts = vec![world.operator.address, stranger.address];
    let method = [1; 4];
    let on_method = contracts::addToMethodListCall {
        contractAddress: probe,
        method: method.into(),
        accounts: accounts.clone(),
    };
    let World { committee: Committee { net, .. }, developer, .. } = &mut world;
    for say in [add(probe, &accounts), say(&on_method)] {
        let error: contracts::NotEnrolled = refuses(net, developer, &say);
        assert_eq!(error.account, stranger.address);
    }
    // Who is not there can be looked for all the same.
    let _: contracts::NothingChanges = refuses(net, developer, &remove(probe, &accounts));
    assert_eq!(world.refused(&deploy_list(ListKind::Allow, &[stranger.address], &[])), 50);
    world.net().enrol(&stranger);
    assert_eq!(world.committee.pass(&deploy_list(ListKind::Allow, &[stranger.address], &[])), 1);
    let World { committee: Committee { net, .. }, developer, .. } = &mut world;
    net.one(&developer.sign(&add(probe, &accounts)));
}

#[test]
fn a_contract_changes_no_list_and_reads_them_all() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let router = deploy(&mut net, &developer, caller(0xf1, CONTRACTS));
    let through = |say: Say| Say { to: TxKind::Call(router), ..say };
    let _: contracts::OnlyDirectTransaction = refuses(&mut net, &developer, &through(set_list(probe, ALLOW)));
    net.one(&developer.sign(&through(say(&contracts::contractInfoCall { contractAddress: probe }))));
    let (method, account) = ([1; 4].into(), developer.address);
    assert_eq!(net.ask(CONTRACTS, &contracts::contractListCall { contractAddress: probe }), NONE);
    let asked = contracts::isOnMethodListCall { contractAddress: probe, method, account };
    assert!(!net.ask(CONTRACTS, &asked));
    assert_eq!(net.ask(CONTRACTS, &contracts::versionCall {}), 1);
    assert!(!net.ask(CONTRACTS, &contracts::haltCall { contractAddress: probe }).binds);
}

#[test]
fn policies_see_who_stands_behind_a_contract_and_who_administers_it() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let operator = net.actor("bank-b", Role::Operator);
    let router = deploy(&mut net, &developer, caller(0xf4, probe));
    let rules = [
        "forbid (principal in Organisation::\"bank-b\", action in [Action::\"call\", Action::\"delegatecall\"], \
         resource in Organisation::\"bank-a\");"
            .to_owned(),
        "forbid (principal, action == Action::\"delegatecall\", resource) unless { resource has administrator && \
         resource.administrator == principal };"
            .to_owned(),
    ];
    enact(&mut net, &[policy("not-with-bank-a", &rules[0], 3)]);
    assert_eq!(told(&net.try_one(&operator.sign(&count(probe))).output).2, "not-with-bank-a");
    net.one(&developer.sign(&count(probe)));
    enact(&mut net, &[policy("own-libraries", &rules[1], 4)]);
    let through = Say { to: TxKind::Call(router), ..count(probe) };
    assert_eq!(told(&net.try_one(&operator.sign(&through)).output).2, "own-libraries");
    net.one(&developer.sign(&through));
    // The memo of decisions tells administrators apart.
    net.one(&developer.sign(&hand_over(probe, operator.address)));
    net.one(&operator.sign(&through));
    assert_eq!(told(&net.try_one(&developer.sign(&through)).output).2, "own-libraries");
}

#[test]
fn what_is_told_of_administering_is_what_happens() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let operator = net.actor("bank-b", Role::Operator);
    let auditor = net.actor("bank-b", Role::Auditor);
    let rule = "permit (principal in Organisation::\"bank-b\", action == Action::\"administer\", resource) when { \
                context.contractList == List::\"deny\" && context.method == \"\" };";
    for (enacted, list) in [(false, NONE), (true, NONE), (true, DENY)] {
        enact(&mut net, &[]);
        if list != NONE {
            net.one(&developer.sign(&set_list(probe, list)));
        }
        enact(&mut net, &if enacted { vec![policy("bank-b-administers", rule, 7)] } else { vec![] });
        for actor in [&developer, &operator, &auditor] {
            let told = net.ask(
                PERMISSIONS,
                &permissions::explainCall {
                    account: actor.address,
                    action: Wanted::Administer.code(),
                    contractAddress: probe,
                    method: contracts::setContractListCall::SELECTOR.into(),
                },
            );
            let receipt = net.try_one(&actor.sign_at(&set_list(probe, ALLOW), actor.nonce.get()));
            actor.nonce.set(actor.nonce.get() + 1);
            assert_eq!(told.allowed, receipt.outcome == Outcome::Success);
            if told.allowed {
                net.one(&developer.sign(&set_list(probe, list)));
            } else {
                let error = contracts::NotPermitted::abi_decode(&receipt.output).unwrap();
                assert_eq!((error.action, error.code, error.policy), (9, told.code, told.policyId));
            }
        }
    }
}

#[test]
fn a_creation_that_cannot_pay_for_its_row_makes_nothing() {
    let mut net = Consortium::new();
    let developer = net.actor("bank-a", Role::Developer);
    let factory = deploy(&mut net, &developer, creator(0xf0));
    let needs = gas::PERMISSION + gas::ROW_READ + gas::CONTRACT_MADE;
    // What the creation can have is all but a 64th of what is left.
    let spare = |gas: u64| 21_000 + 32_000 + 20 + (gas * 64).div_ceil(63);
    let poor = net.try_one(&developer.sign(&to(factory).gas(spare(needs - 100))));
    assert_eq!((poor.outcome, poor.output.len()), (Outcome::Reverted, 0), "{poor:?}");
    net.one(&developer.sign(&to(factory).gas(spare(needs + 100))));
}

#[test]
fn a_registry_that_cannot_be_read_is_no_verdict() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let router = deploy(&mut net, &developer, caller(0xf1, probe));
    net.one(&developer.sign(&set_list(probe, DENY)));
    let member = [probe.as_slice(), developer.address.as_slice()].concat();
    for (key, say) in [
        (StateKey::system(0x40, probe.as_slice()), count(probe)),
        (StateKey::system(0x40, probe.as_slice()), Say { to: TxKind::Call(router), ..count(probe) }),
        (StateKey::system(0x42, &member), count(probe)),
        (StateKey::system(0x43, &[]), Say::deploy(Bytes::new())),
    ] {
        let mut broken = net.state.clone();
        broken.values.insert(key, vec![0xff]);
        let mut executor = concordat_core::BlockExecutor::new(&broken, net.env()).unwrap();
        let error = executor.execute(&developer.sign_at(&say, developer.nonce.get())).unwrap_err();
        assert!(matches!(error, ExecError::State(ReadError::Store { .. })), "{error:?}");
    }
}

/// A contract's row, as it stands in the state.
#[derive(alloy_rlp::RlpEncodable)]
struct Row {
    creator: Bytes,
    organisation: String,
    administrator: Bytes,
    created: u64,
    state: u8,
    until: u64,
    list: u8,
    method_lists: u32,
}

/// Lists and freezes of one random case.
#[derive(Clone, Debug)]
struct Case {
    state: (u8, u64),
    list: (u8, bool),
    method: (u8, bool),
    deploy: (u8, bool),
    administrator: Option<usize>,
}

fn cases() -> impl Strategy<Value = Case> {
    let state = prop_oneof![4 => Just((0, 0)), 1 => Just((1, 0)), 1 => Just((1, 1)), 1 => Just((2, 0))];
    let list = || (0..3_u8, any::<bool>());
    (state, list(), list(), list(), prop::option::of(0..4_usize)).prop_map(
        |(state, list, method, deploy, administrator)| Case { state, list, method, deploy, administrator },
    )
}

/// Puts a case in the state as if it had been decided. The bytes are those of the state: golden.
fn arrange(net: &mut Consortium, contract: Address, actors: &[Actor], who: &Actor, case: &Case) {
    net.state.values.retain(|key, _| !matches!(key.as_bytes(), [0x10, 0x41..=0x43, ..]));
    let administrator =
        case.administrator.map(|place| Bytes::copy_from_slice(actors[place].address.as_slice()));
    let row = Row {
        creator: Bytes::new(),
        organisation: "bank-a".into(),
        administrator: administrator.unwrap_or_default(),
        created: 0,
        state: case.state.0,
        // A freeze that has lapsed is none.
        until: case.state.1,
        list: case.list.0,
        method_lists: u32::from(case.method.0 > 0),
    };
    let method = [contract.as_slice(), &Probe::counterCall::SELECTOR].concat();
    let member = |list: &[u8]| StateKey::system(0x42, &[list, who.address.as_slice()].concat());
    let mut put = |key: StateKey, row: Vec<u8>| drop(net.state.values.insert(key, row));
    put(StateKey::system(0x40, contract.as_slice()), alloy_rlp::encode(row));
    if case.method.0 > 0 {
        put(StateKey::system(0x41, &method), vec![case.method.0]);
    }
    if case.deploy.0 > 0 {
        put(StateKey::system(0x43, &[]), vec![case.deploy.0]);
    }
    for (listed, key) in [
        (case.list.1, member(contract.as_slice())),
        (case.method.1, member(&method)),
        (case.deploy.1, member(&[])),
    ] {
        if listed {
            put(key, vec![1]);
        }
    }
}

/// Random cases in which explanations are compared with execution.
const CASES: usize = 100_000;

#[test]
fn explanations_agree_with_execution_whatever_is_listed_and_frozen() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let routers = [(0xf1, Wanted::Call), (0xf4, Wanted::DelegateCall), (0xfa, Wanted::StaticCall)]
        .map(|(opcode, action)| (deploy(&mut net, &developer, caller(opcode, probe)), action));
    let factory = deploy(&mut net, &developer, creator(0xf5));
    let second = net.actor("bank-b", Role::Developer);
    let actors =
        [developer, second, net.actor("bank-a", Role::Operator), net.actor("bank-b", Role::Operator)];
    let rules = [
        policy(
            "own-people",
            "forbid (principal, action == Action::\"staticcall\", resource) when { resource has administrator && resource.administrator != principal };",
            1,
        ),
        policy(
            "no-business-with-bank-a",
            "forbid (principal in Organisation::\"bank-b\", action == Action::\"delegatecall\", resource in Organisation::\"bank-a\") when { context.contractList == List::\"none\" };",
            2,
        ),
    ];
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let cases = (cases(), 0..4_usize, 0..6_usize, any::<bool>(), any::<bool>());
    let mut seen = std::collections::BTreeMap::<&str, u32>::new();
    for _ in 0..CASES {
        let (case, who, what, with_method, enacted) = cases.new_tree(&mut runner).unwrap().current();
        enact(&mut net, if enacted { &rules } else { &[] });
        let actor = &actors[who];
        arrange(&mut net, probe, &actors, actor, &case);
        let input = if with_method { Bytes::from(Probe::counterCall {}.abi_encode()) } else { Bytes::new() };
        let call = |address| Say { to: TxKind::Call(address), input: input.clone(), gas: 300_000 };
        let zero = Address::ZERO;
        let (say, questions) = match what {
            0 => (call(probe), vec![(Wanted::Call, probe, zero)]),
            1 => (Say::deploy(Bytes::new()), vec![(Wanted::Deploy, zero, zero)]),
            2 => (call(factory), vec![(Wanted::Call, factory, zero), (Wanted::Create, zero, factory)]),
            place => {
                let (router, action) = routers[place - 3];
                (call(router), vec![(Wanted::Call, router, zero), (action, probe, router)])
            }
        };
        let first_no = questions.iter().find_map(|(action, address, caller)| {
            if *address == probe && info(&net, probe).status > 0 {
                return Some(None);
            }
            let explained = net.ask(
                PERMISSIONS,
                &permissions::explainInputCall {
                    account: actor.address,
                    action: action.code(),
                    contractAddress: *address,
                    input: say.input.clone(),
                    caller: *caller,
                },
            );
            let no = (action.code(), explained.code, explained.policyId, explained.proposal);
            (!explained.allowed).then_some(Some(no))
        });
        let mut executor = net.executor();
        let nonce = concordat_core::account_state(&net.state, actor.address).unwrap().nonce;
        let receipt = executor.execute(&actor.sign_at(&say, nonce)).unwrap().clone();
        let wish = Wish { account: actor.address, kind: say.to, input: &say.input };
        let grounds = explain(&net.state, &net.env(), &wish).unwrap().unwrap();
        assert_eq!(grounds.refused, Some(receipt.outcome).filter(|outcome| outcome.refused()), "{case:?}");
        let halted = contracts::ContractFrozen::abi_decode(&receipt.output).is_ok()
            || contracts::ContractRetired::abi_decode(&receipt.output).is_ok();
        let denied = permissions::NotPermitted::abi_decode(&receipt.output).is_ok();
        let case =
            format!("{who} does {what} with method {with_method}, rules {enacted}: {case:?} {receipt:?}");
        let ended = match first_no {
            Some(None) => {
                assert!(halted, "{case}");
                assert_eq!(receipt.outcome == Outcome::ContractFrozen, what == 0, "{case}");
                "frozen"
            }
            Some(Some(no)) => {
                assert_eq!((denied, told(&receipt.output)), (true, no), "{case}");
                "refused"
            }
            None => {
                assert!(!halted && !denied && !receipt.outcome.refused(), "{case}");
                "permitted"
            }
        };
        *seen.entry(ended).or_default() += 1;
    }
    assert!(seen.values().all(|count| *count > 80) && seen.len() == 3, "{seen:?}");
}
