//! Lists of contracts, of methods, and of who may deploy.

use super::*;

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
