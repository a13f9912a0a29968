//! Proposals, ballots and what becomes of them.

use super::*;

#[test]
fn a_preview_is_the_effect_that_ballots_bind() {
    let mut committee = Committee::new();
    let action = admission(&mut committee.net, "bank-e");
    let asked = governance::previewActionCall { kind: action.kind().code(), payload_: action.encode() };
    let before = committee.net.ask(GOVERNANCE, &asked);
    let id = committee.propose(&action);
    let after = committee.net.ask(GOVERNANCE, &governance::previewCall { id });
    assert_eq!((before.digest, &before.effect), (after.digest, &after.effect));
    assert_eq!(after.digest, committee.proposal(id).digest);
    let effect = Effect::decode(&after.effect).unwrap();
    assert_eq!(effect.digest(), after.digest);
    assert!(effect.to_string().contains("organisation bank-e"), "{effect}");
    assert_eq!(committee.net.ask(GOVERNANCE, &governance::payloadCall { id }), action.encode());
}

#[test]
fn ballots_of_strangers_twice_late_and_for_another_effect_are_refused() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let regulator = committee.net.actor("bank-a", Role::Regulator);
    let id = committee.propose(&freeze(operator.address));
    let digest = committee.proposal(id).digest;
    let ballot = |choice, digest| Say::governance(&governance::voteCall { id, choice, digest });
    for stranger in [&operator, &regulator] {
        assert_eq!(refused(&mut committee.net, stranger, &ballot(YES, digest)), 2);
        assert_eq!(refused(&mut committee.net, stranger, &propose(&freeze(operator.address))), 2);
    }
    assert_eq!(committee.refused(0, &ballot(YES, B256::repeat_byte(1))), 14);
    assert_eq!(committee.refused(0, &ballot(9, digest)), 5);
    committee.net.one(&committee.members[0].sign(&ballot(2, digest)));
    assert_eq!(committee.refused(0, &ballot(YES, digest)), 13);
    committee.net.height = committee.proposal(id).closes + 1;
    assert_eq!(committee.refused(1, &ballot(YES, digest)), 12);
    committee.net.height = committee.proposal(id).latest + 1;
    assert_eq!(committee.refused(1, &ballot(YES, digest)), 11);
    assert_eq!(committee.proposal(id).status, 4, "expired without anybody doing anything");
    assert_eq!(committee.execute(id), 4);
    assert_eq!(committee.refused(1, &execute(id)), 11);
    assert_eq!(committee.refused(1, &execute(99)), 10);
}

#[test]
fn a_member_with_a_revoked_certificate_votes_no_more_and_its_ballot_does_not_count() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let id = committee.propose(&freeze(operator.address));
    for member in [0, 1, 2] {
        committee.vote(member, id);
    }
    for (member, bank) in [(2, "bank-c"), (1, "bank-b")] {
        let list = crate::refusals::crl_against(&mut committee.net, bank, &committee.members[member]);
        committee.net.one(&operator.sign(&Say::registry(&list)));
    }
    let vote = governance::voteCall { id, choice: YES, digest: committee.proposal(id).digest };
    let receipt = committee.net.try_one(&committee.members[2].sign(&Say::governance(&vote)));
    assert_eq!(receipt.outcome, Outcome::CertificateRevoked);
    committee.net.height = committee.proposal(id).earliest;
    let receipt = committee.net.one(&operator.sign(&execute(id)));
    let decided = governance::ProposalDecided::decode_log(&receipt.logs[0]).unwrap();
    assert_eq!(decided.status, 3, "one counted ballot of four is no half");
}

#[test]
fn a_changed_effect_voids_and_an_impossible_one_fails_with_its_reason() {
    let mut committee = Committee::new();
    let [first, second] = ["v-1", "v-2"].map(|name| validator(&mut committee.net, "bank-a", name, 1));
    let (first, second) = (Action::AdmitValidator(first), Action::AdmitValidator(second));
    let ids = [committee.propose(&first), committee.propose(&second), committee.propose(&first)];
    ids.iter().for_each(|id| committee.carry(*id));
    assert_eq!(committee.execute(ids[0]), 1);
    assert_eq!(committee.execute(ids[1]), 7);
    assert_eq!(committee.execute(ids[2]), 2);
    let failed = committee.proposal(ids[2]);
    assert_eq!((failed.refusal, failed.reason.contains("validator already")), (40, true));
    assert_ne!(committee.proposal(ids[1]).note, B256::ZERO);
    assert_eq!(Registry::new(&committee.net.state).validators().unwrap().validators().len(), 5);
}

#[test]
fn the_committee_changes_itself_and_its_rules() {
    let mut committee = Committee::new();
    let now = committee.net.time_secs;
    let second = key(KeyType::Secp256k1, "second member");
    let second =
        certify(committee.net.authority("bank-a"), &second, Role::CommitteeMember, "second", 30, now);
    let seat = Action::SetCommitteeMember { member: second.address, weight: 2 };
    assert_eq!(committee.refused(0, &propose(&seat)), 50, "a seat needs an enrolled account");
    committee.net.enrol(&second);
    let operator = committee.net.actor("bank-a", Role::Operator);
    let player = Action::SetCommitteeMember { member: operator.address, weight: 1 };
    assert_eq!(committee.refused(0, &propose(&player)), 51, "nobody is both referee and player");
    assert_eq!(committee.pass(&seat), 1);
    let seats = committee.net.ask(GOVERNANCE, &governance::committeeCall {});
    assert_eq!((seats.len(), seats.iter().map(|seat| seat.weight).sum::<u64>()), (5, 6));
    let rule = Rule { voting_blocks: 7, ..Rule::initial(Kind::FreezeAccount, 4) };
    committee.members.push(second);
    assert_eq!(committee.pass(&Action::SetRule { kind: Kind::FreezeAccount, rule }), 1);
    let asked = governance::ruleCall { kind: Kind::FreezeAccount.code() };
    assert_eq!(committee.net.ask(GOVERNANCE, &asked).votingBlocks, 7);
    let id = committee.propose(&freeze(operator.address));
    let proposal = committee.proposal(id);
    assert_eq!(proposal.closes - proposal.created, 7);
}

#[test]
fn regulators_veto_where_the_rule_allows_it_and_proposers_revoke() {
    let mut committee = Committee::new();
    let regulator = committee.net.actor("bank-a", Role::Regulator);
    let operator = committee.net.actor("bank-a", Role::Operator);
    let action = admission(&mut committee.net, "bank-e");
    let (admitted, frozen) = (committee.propose(&action), committee.propose(&freeze(operator.address)));
    let veto = |id| Say::governance(&governance::vetoCall { id, basis: B256::repeat_byte(5) });
    assert_eq!(committee.refused(0, &veto(admitted)), 17);
    assert_eq!(refused(&mut committee.net, &regulator, &veto(frozen)), 16);
    committee.net.one(&regulator.sign(&veto(admitted)));
    assert_eq!(
        (committee.proposal(admitted).status, committee.proposal(admitted).note),
        (6, B256::repeat_byte(5))
    );
    let revoke = Say::governance(&governance::revokeCall { id: frozen });
    assert_eq!(committee.refused(1, &revoke), 15);
    committee.net.one(&committee.members[0].sign(&revoke));
    assert_eq!(committee.proposal(frozen).status, 5);
    let tally = committee.net.ask(GOVERNANCE, &governance::tallyCall { id: frozen });
    assert_eq!((tally.total, tally.voted, tally.met), (4, 0, false));
}

#[test]
fn proposals_are_listed_in_order_and_in_pieces() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    (0..3).for_each(|_| assert!(committee.propose(&freeze(operator.address)) > 0));
    assert_eq!(committee.net.ask(GOVERNANCE, &governance::proposalCountCall {}), 3);
    let list = |from, limit| {
        let listed = committee.net.ask(GOVERNANCE, &governance::proposalsCall { from, limit });
        listed.iter().map(|proposal| proposal.id).collect::<Vec<_>>()
    };
    assert_eq!(list(0, 50), [1, 2, 3]);
    assert_eq!(list(2, 1), [2]);
    assert!(list(4, 50).is_empty() && list(1, 0).is_empty() && list(u64::MAX, u64::MAX).is_empty());
}

#[test]
fn contracts_may_read_and_never_change() {
    let mut committee = Committee::new();
    let (developer, probe) = committee.net.deploy(bytecode("Probe").into());
    let _ = (developer, probe, Probe::counterCall {});
    // PUSH20 governance, call with this contract's call data, return what it returned: a forwarder.
    let mut code =
        hex::decode("3660006000376000600036600060007300000000000000000000000000000000000000005af1").unwrap();
    let place = code.len() - 22;
    code[place..place + 20].copy_from_slice(GOVERNANCE.as_slice());
    code.extend(hex::decode("3d6000803e3d6000f3").unwrap());
    let forwarder = Address::repeat_byte(0x77);
    let pretended = concordat_core::AccountOverride { code: Some(code.into()), ..Default::default() };
    let ask = |input: Vec<u8>| {
        let request = concordat_core::CallRequest {
            from: committee.members[0].address,
            to: Some(forwarder),
            input: input.into(),
            overrides: [(forwarder, pretended.clone())].into(),
            ..Default::default()
        };
        concordat_core::call(&committee.net.state, &committee.net.env(), &request).unwrap().output
    };
    let seats = ask(governance::committeeCall {}.abi_encode());
    assert_eq!(governance::committeeCall::abi_decode_returns(&seats).unwrap().len(), 4);
    let action = freeze(Address::ZERO);
    let call = governance::proposeCall { kind: action.kind().code(), payload: action.encode() };
    assert!(governance::OnlyDirectTransaction::abi_decode(&ask(call.abi_encode())).is_ok());
}

#[test]
fn malformed_calls_and_too_little_gas_change_nothing() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    for input in [vec![], vec![1, 2, 3], vec![0xff; 4], governance::voteCall::SELECTOR.to_vec()] {
        let say = Say { to: TxKind::Call(GOVERNANCE), input: input.into(), gas: 100_000 };
        let receipt = committee.net.try_one(&operator.sign(&say));
        assert_eq!(receipt.outcome, Outcome::Reverted);
        assert!(governance::MalformedCall::abi_decode(&receipt.output).is_ok());
    }
    let poor = propose(&freeze(operator.address)).gas(120_000);
    assert_eq!(committee.net.try_one(&committee.members[0].sign(&poor)).outcome, Outcome::Halted);
    assert_eq!(committee.net.ask(GOVERNANCE, &governance::proposalCountCall {}), 0);
    let kind = Kind::SetRule.code();
    let bad = Say::governance(&governance::proposeCall { kind, payload: Bytes::from_static(b"x") });
    assert_eq!(committee.refused(0, &bad), 6);
    let unknown = Say::governance(&governance::proposeCall { kind: 200, payload: Bytes::new() });
    assert_eq!(committee.refused(0, &unknown), 4);
}

#[test]
fn three_years_on_the_committee_renews_and_decides() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    committee.net.time_secs += 400 * DAY;
    let receipt = committee.net.try_one(&committee.members[0].sign(&propose(&freeze(operator.address))));
    assert_eq!(receipt.outcome, Outcome::CertificateExpired);
    let now = committee.net.time_secs;
    for (index, id) in ["bank-a", "bank-b", "bank-c", "bank-d"].iter().enumerate() {
        let member = &committee.members[index];
        let renewed =
            certify(committee.net.authority(id), &member.key, Role::CommitteeMember, "member", 365, now);
        let renewal = Say::registry(&registry::renewCall { chain: renewed.chain });
        committee.net.one(&member.sign(&renewal));
    }
    assert_eq!(committee.pass(&freeze(operator.address)), 1);
}

#[test]
fn what_decisions_cost_is_bounded() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let id = committee.propose(&freeze(operator.address));
    let gas = committee.vote(0, id).gas_used;
    assert!((50_000..400_000).contains(&gas), "{gas}");
    assert!(gas < BLOCK_GAS);
    let distinct: BTreeSet<_> = committee.members.iter().map(|member| member.address).collect();
    assert_eq!(distinct.len(), 4);
}
