//! Recoveries by two registrars.

use super::*;

#[test]
fn two_registrars_replace_a_lost_key_and_the_old_account_acts_never_again() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    assert_eq!((identity_of(&net, old.address), account_of(&net, old.address)), (old.address, old.address));
    assert!(!pending(&net, &old).pending);

    let height = net.height;
    let receipt = net.one(&registrars[0].sign(&request(&old, &new)));
    let requested = registry::RecoveryRequested::decode_log(&receipt.logs[0]).unwrap();
    let told = pending(&net, &old);
    assert!(told.pending && told.requested == height);
    assert_eq!((told.earliest, told.expires), (height + NOTICE, height + NOTICE + WINDOW));
    assert_eq!((told.newAccount, told.requester), (new.address, registrars[0].address));
    assert_eq!((told.digest, told.expires), (requested.digest, requested.expires));
    net.one(&old.sign(&business()));
    net.height = told.earliest;

    let txs = [registrars[1].sign(&confirm(&old, &new)), old.sign(&business()), new.sign(&business())];
    let block = net.block(&txs);
    let outcomes: Vec<_> = block.receipts.iter().map(|receipt| receipt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::CertificateRevoked, Outcome::Success]);
    let rebound = registry::IdentityRebound::decode_log(&block.receipts[0].logs[0]).unwrap();
    assert_eq!((rebound.identity, rebound.oldAccount, rebound.newAccount, rebound.proposalId), {
        (old.address, old.address, new.address, 0)
    });
    let (identity, before, after) = (old.address, old.address, new.address);
    assert!(block.identity_events.contains(&IdentityEvent::IdentityRebound { identity, before, after }));
    assert!(matches!(block.identity_events[0], IdentityEvent::CertificateRevoked { .. }));

    assert_eq!((identity_of(&net, new.address), account_of(&net, old.address)), (old.address, new.address));
    assert_eq!(account_of(&net, new.address), new.address);
    assert!(!pending(&net, &old).pending);
    let renewed = holder(&mut net, "bank-a", Role::Operator, "Olga", "bank-a operator Olga");
    let renewal = Say::registry(&registry::renewCall { chain: renewed.chain.clone() });
    assert_eq!(net.try_one(&old.sign(&renewal)).outcome, Outcome::CertificateRevoked);
    let may_connect = Registry::new(&net.state).authorize_client(&renewed.chain, net.now());
    assert!(
        may_connect.unwrap_err().to_string().contains("was replaced by"),
        "another certificate of the key"
    );
    assert!(Registry::new(&net.state).authorize_client(&new.chain, net.now()).is_ok());
    let entry = Registry::new(&net.state).account(new.address).unwrap().unwrap();
    assert!(entry.rebound && entry.active && entry.role == Role::Operator);
}

#[test]
fn an_identity_is_that_of_the_first_key_however_often_keys_are_replaced() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let first = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let keys = ["second", "third", "fourth"];
    let others = keys.map(|seed| holder(&mut net, "bank-a", Role::Operator, "Olga", seed));
    let mut last = &first;
    for new in &others {
        replace(&mut net, &registrars, last, new);
        last = new;
    }
    for account in [&first, &others[0], &others[1], &others[2]] {
        assert_eq!(identity_of(&net, account.address), first.address);
        assert_eq!(account_of(&net, account.address), last.address);
        let acts = net.try_one(&account.sign(&business())).outcome.succeeded();
        assert_eq!(acts, account.address == last.address);
    }
    let spare = holder(&mut net, "bank-a", Role::Operator, "Olga", "fifth");
    let error: registry::AccountReplaced = refused(&mut net, &registrars[0], &request(&first, &spare));
    assert_eq!((error.account, error.by), (first.address, last.address));
}

#[test]
fn a_new_key_renews_and_stays_the_same_identity() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    replace(&mut net, &registrars, &old, &new);
    let now = net.time_secs;
    let renewed = certify(net.authority("bank-a"), &new.key, Role::Operator, "Olga", 60, now);
    net.one(&new.sign(&Say::registry(&registry::renewCall { chain: renewed.chain })));
    assert!(Registry::new(&net.state).account(new.address).unwrap().unwrap().rebound);
    assert_eq!(Registry::new(&net.state).identity_of(new.address).unwrap(), old.address);
    assert_eq!(Registry::new(&net.state).account_of(old.address).unwrap(), new.address);
}

#[test]
fn nobody_confirms_a_request_before_whoever_holds_the_old_key_could_object() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let block =
        net.block(&[registrars[0].sign(&request(&old, &new)), registrars[1].sign(&confirm(&old, &new))]);
    assert_eq!(block.receipts[1].outcome, Outcome::Reverted);
    let early = registry::RecoveryTooEarly::abi_decode(&block.receipts[1].output).unwrap();
    let earliest = pending(&net, &old).earliest;
    assert_eq!((early.account, early.earliest), (old.address, earliest));
    net.height = earliest - 1;
    let _: registry::RecoveryTooEarly = refused(&mut net, &registrars[1], &confirm(&old, &new));
    assert_eq!(net.height, earliest);
    // Until it is confirmed the owner objects, in the very block of the confirmation.
    let block = net.block(&[old.sign(&cancel(&old)), registrars[1].sign(&confirm(&old, &new))]);
    assert!(block.receipts[0].outcome.succeeded());
    assert!(registry::NoRecovery::abi_decode(&block.receipts[1].output).is_ok());
    // Where the committee waits longer itself, registrars do as well.
    let rule = Rule { timelock_blocks: 5_000, ..Rule::initial(Kind::RecoverKey, 4) };
    pass(&mut net, &members, &Action::SetRule { kind: Kind::RecoverKey, rule });
    net.one(&registrars[0].sign(&request(&old, &new)));
    let told = pending(&net, &old);
    assert_eq!((told.earliest, told.expires), (told.requested + 5_000, told.requested + 5_000 + WINDOW));
    net.height = told.earliest;
    net.one(&registrars[1].sign(&confirm(&old, &new)));
}

#[test]
fn registrars_replace_neither_members_nor_regulators_nor_themselves() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    for role in [Role::CommitteeMember, Role::Regulator] {
        let old = enrolled(&mut net, "bank-a", role, "Mona");
        let new = holder(&mut net, "bank-a", role, "Mona", &format!("new {role}"));
        let error: registry::RecoveryByVote = refused(&mut net, &registrars[0], &request(&old, &new));
        assert_eq!((error.account, error.role), (old.address, role.to_string()));
    }
    let new = holder(&mut net, "bank-a", Role::Registrar, "Rita", "Rita's new key");
    let error: registry::NotAnotherRegistrar =
        refused(&mut net, &registrars[0], &request(&registrars[0], &new));
    assert_eq!(error.account, registrars[0].address);
    // A third one asks, and Rita may not confirm; Rolf may.
    let third = enrolled(&mut net, "bank-a", Role::Registrar, "Ruth");
    net.one(&third.sign(&request(&registrars[0], &new)));
    net.height += NOTICE;
    let _: registry::NotAnotherRegistrar = refused(&mut net, &registrars[0], &confirm(&registrars[0], &new));
    net.one(&registrars[1].sign(&confirm(&registrars[0], &new)));
    assert_eq!(account_of(&net, registrars[0].address), new.address);
}

#[test]
fn only_registrars_of_the_organisation_ask_confirm_and_cancel() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let foreign = enrolled(&mut net, "bank-b", Role::Registrar, "Fred");
    let operator = enrolled(&mut net, "bank-a", Role::Operator, "Otto");
    for stranger in [&foreign, &operator] {
        let _: registry::NotRegistrar = refused(&mut net, stranger, &request(&old, &new));
    }
    let _: registry::NotRegistrar = refused(&mut net, &old, &request(&old, &new));
    net.one(&registrars[0].sign(&request(&old, &new)));
    for stranger in [&foreign, &operator] {
        let _: registry::NotRegistrar = refused(&mut net, stranger, &confirm(&old, &new));
        let _: registry::NotRegistrar = refused(&mut net, stranger, &cancel(&old));
    }
    let _: registry::NotRegistrar = refused(&mut net, &old, &confirm(&old, &new));
    assert!(pending(&net, &old).pending);
}

#[test]
fn a_confirmation_is_by_another_person_for_the_same_key() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let [new, other] =
        ["new key", "other"].map(|seed| holder(&mut net, "bank-a", Role::Operator, "Olga", seed));
    let _: registry::NoRecovery = refused(&mut net, &registrars[1], &confirm(&old, &new));
    net.one(&registrars[0].sign(&request(&old, &new)));
    let _: registry::NotAnotherRegistrar = refused(&mut net, &registrars[0], &confirm(&old, &new));
    // Another key of the same person is no other person.
    let second = holder(&mut net, "bank-a", Role::Registrar, "RITA", "Rita's second key");
    net.enrol(&second);
    let _: registry::NotAnotherRegistrar = refused(&mut net, &second, &confirm(&old, &new));
    let error: registry::OtherRecovery = refused(&mut net, &registrars[1], &confirm(&old, &other));
    assert_ne!(error.requested, error.confirmed);
    let _: registry::RecoveryPending = refused(&mut net, &registrars[1], &request(&old, &other));
    net.height += NOTICE;
    net.one(&registrars[1].sign(&confirm(&old, &new)));
}

#[test]
fn the_owner_protests_and_either_registrar_takes_a_request_back() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let _: registry::NoRecovery = refused(&mut net, &old, &cancel(&old));
    for by in [&old, &registrars[0], &registrars[1]] {
        net.one(&registrars[0].sign(&request(&old, &new)));
        let receipt = net.one(&by.sign(&cancel(&old)));
        let cancelled = registry::RecoveryCancelled::decode_log(&receipt.logs[0]).unwrap();
        assert_eq!((cancelled.oldAccount, cancelled.by), (old.address, by.address));
        let _: registry::NoRecovery = refused(&mut net, &registrars[1], &confirm(&old, &new));
    }
    let stranger = holder(&mut net, "bank-a", Role::Operator, "Nobody", "nobody");
    let _: registry::NotEnrolled = refused(&mut net, &registrars[0], &cancel(&stranger));
    let _: registry::NotEnrolled = refused(&mut net, &registrars[0], &request(&stranger, &new));
}

#[test]
fn a_request_lapses_after_ten_thousand_blocks() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    net.one(&registrars[0].sign(&request(&old, &new)));
    let expires = pending(&net, &old).expires;
    net.height = expires + 1;
    assert!(!pending(&net, &old).pending);
    let _: registry::NoRecovery = refused(&mut net, &registrars[1], &confirm(&old, &new));
    let _: registry::NoRecovery = refused(&mut net, &registrars[1], &cancel(&old));
    // Whoever still wants it asks again, the other one as well.
    net.one(&registrars[1].sign(&request(&old, &new)));
    net.height = pending(&net, &old).expires;
    net.one(&registrars[0].sign(&confirm(&old, &new)));
}

#[test]
fn a_request_is_refused_for_the_wrong_certificate() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let foreign = holder(&mut net, "bank-b", Role::Operator, "Olga", "one");
    let _: registry::OrganisationMismatch = refused(&mut net, &registrars[0], &request(&old, &foreign));
    let other = holder(&mut net, "bank-a", Role::Developer, "Olga", "two");
    let _: registry::RecoveryChangesRole = refused(&mut net, &registrars[0], &request(&old, &other));
    let known = holder(&mut net, "bank-a", Role::Operator, "Olga", "in use");
    net.enrol(&known);
    for used in [&old, &known] {
        let _: registry::KeyInUse = refused(&mut net, &registrars[0], &request(&old, used));
    }
    let broken = Actor {
        chain: vec![Bytes::from_static(b"x")],
        ..holder(&mut net, "bank-a", Role::Operator, "x", "x")
    };
    let _: registry::CertificateInvalid = refused(&mut net, &registrars[0], &request(&old, &broken));
}

#[test]
fn what_has_changed_since_the_request_is_judged_at_its_confirmation() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let [new, next] =
        ["new key", "next"].map(|seed| holder(&mut net, "bank-a", Role::Operator, "Olga", seed));
    net.one(&registrars[0].sign(&request(&old, &new)));
    net.enrol(&new);
    net.height += NOTICE;
    let _: registry::KeyInUse = refused(&mut net, &registrars[1], &confirm(&old, &new));
    net.one(&registrars[1].sign(&cancel(&old)));
    net.one(&registrars[0].sign(&request(&old, &next)));
    net.height += NOTICE;
    let list = crl_against(&mut net, "bank-a", &registrars[0]);
    net.one(&registrars[1].sign(&Say::registry(&list)));
    let fell: registry::RequesterFell = refused(&mut net, &registrars[1], &confirm(&old, &next));
    assert_eq!(fell.account, registrars[0].address);
    // Whose key was stolen is found out in time, too.
    let third = enrolled(&mut net, "bank-a", Role::Registrar, "Ruth");
    net.one(&third.sign(&cancel(&old)));
    net.one(&third.sign(&request(&old, &next)));
    net.height += NOTICE;
    let list = crl_against(&mut net, "bank-a", &next);
    net.one(&third.sign(&Say::registry(&list)));
    let _: registry::PathRevoked = refused(&mut net, &registrars[1], &confirm(&old, &next));
}
