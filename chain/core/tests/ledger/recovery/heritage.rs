//! What goes over to the new key.

use super::*;

#[test]
fn balances_that_a_token_keeps_by_identity_stay() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let code = [bytecode("IdentityToken"), U256::from(1_000).abi_encode()].concat();
    let (developer, token) = net.deploy(code.into());
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let pay = |to: &Actor, value: u64| {
        Say::call(token, &IdentityToken::transferCall { to: to.address, value: U256::from(value) })
    };
    net.one(&developer.sign(&pay(&old, 70)));
    replace(&mut net, &registrars, &old, &new);
    let balance =
        |net: &Consortium, of: &Actor| net.ask(token, &IdentityToken::balanceOfCall { owner: of.address });
    assert_eq!((balance(&net, &old), balance(&net, &new)), (U256::from(70), U256::from(70)));
    net.one(&new.sign(&pay(&developer, 30)));
    // Who pays the account that was replaced pays the one that acts now.
    net.one(&developer.sign(&pay(&old, 5)));
    assert_eq!(balance(&net, &new), U256::from(45));
}

#[test]
fn a_policy_that_names_the_first_key_binds_the_one_that_came_after_it() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let other = enrolled(&mut net, "bank-a", Role::Operator, "Otto");
    let text = format!(
        "@id(\"not-olga\")\n@reason(\"a test\")\nforbid (principal == Account::\"0x{}\", action == Action::\"call\", \
         resource);",
        hex::encode(old.address)
    );
    pass(&mut net, &members, &Action::SetPolicy { id: "not-olga".into(), text });
    assert_eq!(net.try_one(&old.sign(&business())).outcome, Outcome::NotPermitted);
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    replace(&mut net, &registrars, &old, &new);
    assert_eq!(net.try_one(&new.sign(&business())).outcome, Outcome::NotPermitted);
    net.one(&other.sign(&business()));
    let asked = permissions::explainCall {
        account: new.address,
        action: concordat_permissions::Action::Call.code(),
        contractAddress: Address::repeat_byte(9),
        method: Default::default(),
    };
    let told = net.ask(PERMISSIONS, &asked);
    assert_eq!((told.allowed, told.policyId.as_str()), (false, "not-olga"));
}

#[test]
fn a_policy_that_names_a_later_key_is_refused_since_it_would_bind_nobody() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let policy = |account: Address| {
        let text = format!(
            "@id(\"not-olga\")\n@reason(\"a test\")\nforbid (principal == Account::\"0x{}\", \
             action == Action::\"call\", resource);",
            hex::encode(account)
        );
        Action::SetPolicy { id: "not-olga".into(), text }
    };
    // Nobody has seen that key when it is voted on.
    let id = carry(&mut net, &members, &policy(new.address));
    replace(&mut net, &registrars, &old, &new);
    net.one(&members[0].sign(&execute(id)));
    let proposal = net.ask(GOVERNANCE, &governance::proposalCall { id });
    assert_eq!((proposal.status, proposal.refusal), (2, 70));
    let told = format!("a later key of identity {}; name the identity", old.address);
    assert!(proposal.reason.ends_with(&told), "{}", proposal.reason);
    assert_eq!(proposal_refused(&mut net, &members[0], &policy(new.address)), 70);
    pass(&mut net, &members, &policy(old.address));
    assert_eq!(net.try_one(&new.sign(&business())).outcome, Outcome::NotPermitted);
}

/// A policy that forbids an account to call.
fn not_olga(account: Address) -> Action {
    let text = format!(
        "@id(\"not-olga\")\n@reason(\"a test\")\nforbid (principal, action == Action::\"call\", resource) \
         when {{ principal == Account::\"\\u{{30}}x{}\" }};",
        hex::encode(account)
    );
    Action::SetPolicy { id: "not-olga".into(), text }
}

#[test]
fn a_key_that_a_policy_names_in_advance_becomes_nobodys_later_key_until_it_is_taken_out() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    net.one(&registrars[0].sign(&request(&old, &new)));
    // However the policy spells it.
    pass(&mut net, &members, &not_olga(new.address));
    net.height += NOTICE;
    let named: registry::KeyNamed = refused(&mut net, &registrars[1], &confirm(&old, &new));
    assert_eq!((named.account, named.by.as_str()), (new.address, "policy not-olga"));
    assert_eq!(proposal_refused(&mut net, &members[0], &recover(&old, &new)), 37);
    net.one(&registrars[1].sign(&cancel(&old)));
    let _: registry::KeyNamed = refused(&mut net, &registrars[0], &request(&old, &new));
    // Another key will do, or the same once no policy names it.
    let other = holder(&mut net, "bank-a", Role::Operator, "Olga", "another key");
    net.one(&registrars[0].sign(&request(&old, &other)));
    net.one(&registrars[0].sign(&cancel(&old)));
    pass(&mut net, &members, &Action::RepealPolicy { id: "not-olga".into() });
    replace(&mut net, &registrars, &old, &new);
    // And from then on no policy names it any more.
    assert_eq!(proposal_refused(&mut net, &members[0], &not_olga(new.address)), 70);
}

#[test]
fn a_freeze_while_a_request_waits_holds_the_new_key() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    net.one(&registrars[0].sign(&request(&old, &new)));
    let (account, scope) = (old.address, Scope::All);
    pass(&mut net, &members, &Action::EmergencyFreeze { account, scope, basis: basis() });
    // Whoever stole the key can object no more, and who gets the new one cannot act before the committee lets it.
    assert_eq!(net.try_one(&old.sign(&cancel(&old))).outcome, Outcome::Frozen);
    net.height = pending(&net, &old).earliest;
    net.one(&registrars[1].sign(&confirm(&old, &new)));
    assert_eq!(net.try_one(&new.sign(&business())).outcome, Outcome::Frozen);
}

#[test]
fn a_freeze_goes_over_to_the_new_key_with_its_end_and_is_lifted_by_any_of_its_accounts() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let account = old.address;
    let freeze = Action::FreezeAccount { account, scope: Scope::All, basis: basis(), until: 0 };
    pass(&mut net, &members, &freeze);
    replace(&mut net, &registrars, &old, &new);
    assert_eq!(net.try_one(&new.sign(&business())).outcome, Outcome::Frozen);
    assert_eq!(net.try_one(&old.sign(&business())).outcome, Outcome::CertificateRevoked);
    for asked in [&old, &new] {
        assert!(net.ask(GOVERNANCE, &governance::freezeCall { account: asked.address }).binds);
    }
    pass(&mut net, &members, &Action::UnfreezeAccount { account, basis: basis() });
    net.one(&new.sign(&business()));
    assert!(!net.ask(GOVERNANCE, &governance::freezeCall { account: new.address }).binds);
    // Nothing of the freeze is left behind at the old account, which is read like any other.
    assert_eq!(net.try_one(&old.sign(&business())).outcome, Outcome::CertificateRevoked);
    let entry = Registry::new(&net.state).account(old.address).unwrap().unwrap();
    assert!(!entry.frozen);
}

#[test]
fn a_freeze_that_was_voted_on_before_a_recovery_binds_after_it() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let (account, until) = (old.address, net.height + 500);
    let freeze = Action::FreezeAccount { account, scope: Scope::Outgoing, basis: basis(), until };
    let id = carry(&mut net, &members, &freeze);
    replace(&mut net, &registrars, &old, &new);
    let receipt = net.one(&members[0].sign(&execute(id)));
    let frozen = receipt.logs.iter().find_map(|log| governance::AccountFrozen::decode_log(log).ok()).unwrap();
    assert_eq!(frozen.account, new.address, "the one that is refused");
    assert_eq!(net.try_one(&new.sign(&business())).outcome, Outcome::Frozen);
    net.height = until + 1;
    net.one(&new.sign(&business()));
}

#[test]
fn a_key_whose_certificate_is_revoked_already_is_replaced_and_its_revocation_stays_as_it_was() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let list = crl_against(&mut net, "bank-a", &old);
    net.one(&registrars[0].sign(&Say::registry(&list)));
    let path = Registry::new(&net.state).account(old.address).unwrap().unwrap().path;
    let revocation = |net: &Consortium| {
        Registry::new(&net.state).revocation(path[0].issuer, &path[0].serial).unwrap().unwrap()
    };
    let before = revocation(&net);
    replace(&mut net, &registrars, &old, &new);
    assert_eq!(revocation(&net), before);
    net.one(&new.sign(&business()));
    let other = enrolled(&mut net, "bank-a", Role::Operator, "Otto");
    let next = holder(&mut net, "bank-a", Role::Operator, "Otto", "Otto's new key");
    replace(&mut net, &registrars, &other, &next);
    let path = Registry::new(&net.state).account(other.address).unwrap().unwrap().path;
    let row = Registry::new(&net.state).revocation(path[0].issuer, &path[0].serial).unwrap().unwrap();
    assert_eq!((row.reason, row.height), (4, net.height - 1), "superseded");
}

#[test]
fn lists_and_administration_go_over_to_the_new_key() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let listed = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let count =
        Say { to: TxKind::Call(probe), input: Probe::counterCall {}.abi_encode().into(), gas: 100_000 };
    let contract_say =
        |input: Vec<u8>| Say { to: TxKind::Call(CONTRACTS), input: input.into(), gas: 1_000_000 };
    let allow = contracts::setContractListCall { contractAddress: probe, kind: 1 }.abi_encode();
    net.one(&developer.sign(&contract_say(allow)));
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "Olga's second");
    replace(&mut net, &registrars, &listed, &new);
    // By either of its addresses an identity is meant.
    let accounts = vec![new.address, listed.address];
    let add = contracts::addToContractListCall { contractAddress: probe, accounts }.abi_encode();
    net.one(&developer.sign(&contract_say(add)));
    assert_eq!(net.try_one(&new.sign(&count)).outcome, Outcome::Success);
    for account in [new.address, listed.address] {
        assert!(net.ask(CONTRACTS, &contracts::isOnContractListCall { contractAddress: probe, account }));
    }

    let heir = holder(&mut net, "bank-a", Role::Developer, "someone", "the developer's second");
    replace(&mut net, &registrars, &developer, &heir);
    let deny = contracts::setContractListCall { contractAddress: probe, kind: 2 }.abi_encode();
    net.one(&heir.sign(&contract_say(deny)));
    assert_eq!(net.try_one(&new.sign(&count)).outcome, Outcome::NotPermitted);
    // Whoever is handed a contract by the address of a new key has it by its identity.
    let hand_over =
        contracts::setAdministratorCall { contractAddress: probe, administrator: new.address }.abi_encode();
    net.one(&heir.sign(&contract_say(hand_over)));
    let info = net.ask(CONTRACTS, &contracts::contractInfoCall { contractAddress: probe });
    assert_eq!(info.administrator, listed.address);
    let none = contracts::setContractListCall { contractAddress: probe, kind: 0 }.abi_encode();
    net.one(&new.sign(&contract_say(none)));
}
