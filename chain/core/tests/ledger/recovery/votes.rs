//! Recoveries by vote.

use super::*;

#[test]
fn two_registrars_keep_the_common_name_and_a_vote_shows_that_it_changes() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let other = holder(&mut net, "bank-a", Role::Operator, "Otto", "new key");
    let error: registry::RecoveryChangesName = refused(&mut net, &registrars[0], &request(&old, &other));
    assert_eq!((error.held.as_str(), error.presented.as_str()), ("Olga", "Otto"));
    // What bars take for the same name is the same here.
    let same = holder(&mut net, "bank-a", Role::Operator, " olga", "another key");
    replace(&mut net, &registrars, &old, &same);
    let id = carry(&mut net, &members, &recover(&same, &other));
    let preview = net.ask(GOVERNANCE, &governance::previewCall { id });
    let effect = concordat_governance::Effect::decode(&preview.effect).unwrap();
    let Change::Identity { before, after, .. } = &effect.changes[0] else { panic!() };
    assert_eq!((before.common_name.as_str(), before.account), (" olga", same.address));
    assert_eq!((after.common_name.as_str(), after.account), ("Otto", other.address));
    net.one(&members[0].sign(&execute(id)));
    assert_eq!(account_of(&net, old.address), other.address);
}

#[test]
fn a_vote_replaces_a_members_key_and_its_seat_follows() {
    let (mut net, mut members) = Consortium::governed();
    let stolen = members.pop().unwrap();
    let new = holder(&mut net, "bank-d", Role::CommitteeMember, "member", "new key");
    let receipt = pass(&mut net, &members, &recover(&stolen, &new));
    let rebound =
        receipt.logs.iter().find_map(|log| governance::IdentityRebound::decode_log(log).ok()).unwrap();
    assert_eq!((rebound.identity, rebound.newAccount), (stolen.address, new.address));
    assert!(rebound.proposalId > 0);
    let seats = receipt.logs.iter().filter_map(|log| governance::SeatChanged::decode_log(log).ok());
    let seats: Vec<_> = seats.map(|seat| (seat.member, seat.weight)).collect();
    assert_eq!(seats, [(stolen.address, 0), (new.address, 1)]);
    let told: BTreeSet<_> =
        net.ask(GOVERNANCE, &governance::committeeCall {}).iter().map(|seat| seat.member).collect();
    assert!(told.contains(&new.address) && !told.contains(&stolen.address) && told.len() == 4);

    let operator = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let account = operator.address;
    let freeze = Action::FreezeAccount { account, scope: Scope::All, basis: basis(), until: 0 };
    let propose = governance::proposeCall { kind: freeze.kind().code(), payload: freeze.encode() };
    assert_eq!(net.try_one(&stolen.sign(&Say::governance(&propose))).outcome, Outcome::CertificateRevoked);
    net.one(&new.sign(&Say::governance(&propose)));
    // Policies are checked for locking out the committee by its members' identities.
    members.push(new);
    let text =
        "@id(\"closed\")\n@reason(\"a test\")\nforbid (principal, action == Action::\"call\", resource);";
    pass(&mut net, &members, &Action::SetPolicy { id: "closed".into(), text: text.into() });
}

#[test]
fn a_vote_recovers_any_key_and_ends_what_its_registrars_had_begun() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let [new, wrong] =
        ["new key", "wrong"].map(|seed| holder(&mut net, "bank-a", Role::Operator, "Olga", seed));
    net.one(&registrars[0].sign(&request(&old, &wrong)));
    pass(&mut net, &members, &recover(&old, &new));
    assert_eq!(account_of(&net, old.address), new.address);
    assert!(!pending(&net, &old).pending);
    let _: registry::AccountReplaced = refused(&mut net, &registrars[1], &confirm(&old, &wrong));
    let regulator = enrolled(&mut net, "bank-b", Role::Regulator, "Regine");
    let next = holder(&mut net, "bank-b", Role::Regulator, "Regine", "regulator's new key");
    pass(&mut net, &members, &recover(&regulator, &next));
    net.one(&next.sign(&Say::registry(&registry::versionCall {})));
}

#[test]
fn a_proposal_to_recover_is_refused_for_the_wrong_certificate_and_fails_once_it_is_too_late() {
    let (mut net, members) = Consortium::governed();
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let refusals = [
        (holder(&mut net, "bank-b", Role::Operator, "Olga", "one"), 57),
        (holder(&mut net, "bank-a", Role::Auditor, "Olga", "two"), 57),
        (enrolled(&mut net, "bank-a", Role::Operator, "Otto"), 58),
        (
            Actor {
                chain: vec![Bytes::from_static(b"no certificate")],
                ..holder(&mut net, "bank-a", Role::Operator, "x", "x")
            },
            34,
        ),
    ];
    for (new, code) in &refusals {
        assert_eq!(proposal_refused(&mut net, &members[0], &recover(&old, new)), *code);
    }
    let stranger = holder(&mut net, "bank-a", Role::Operator, "Nobody", "nobody");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    assert_eq!(proposal_refused(&mut net, &members[0], &recover(&stranger, &new)), 50);
    let id = carry(&mut net, &members, &recover(&old, &new));
    net.enrol(&new);
    net.one(&members[0].sign(&execute(id)));
    let proposal = net.ask(GOVERNANCE, &governance::proposalCall { id });
    assert_eq!((proposal.status, proposal.refusal), (2, 58), "{}", proposal.reason);
    let rule = net.ask(GOVERNANCE, &governance::ruleCall { kind: Kind::RecoverKey.code() });
    assert!(rule.veto && rule.timelockBlocks == 10);
}
