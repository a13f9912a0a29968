//! Who administers a contract, and who does not.

use super::*;

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
