//! Frozen and retired contracts.

use super::*;

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

#[test]
fn a_contract_that_was_there_from_the_start_can_be_frozen() {
    let mut world = World::new();
    let probe = world.probe;
    forget(world.net(), probe);
    world.passes(&freeze(probe));
    assert_eq!(world.calls().outcome, Outcome::ContractFrozen);
}
