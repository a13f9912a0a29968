//! Organisations and validators that come and go.

use super::*;

#[test]
fn a_fifth_bank_is_admitted_and_its_validator_and_people_follow() {
    let mut committee = Committee::new();
    let action = admission(&mut committee.net, "bank-e");
    assert_eq!(committee.pass(&action), 1);
    let admitted = Registry::new(&committee.net.state).organisation(&org("bank-e")).unwrap().unwrap();
    assert!(admitted.active && admitted.admitted_height > 0 && admitted.power_budget == 0);
    let ids = committee.net.ask(IDENTITY_REGISTRY, &registry::organisationsCall {});
    assert_eq!(ids.last().unwrap(), "bank-e");
    let operator = committee.net.actor("bank-e", Role::Operator);
    committee.net.one(&operator.sign(&business()));

    let new = validator(&mut committee.net, "bank-e", "validator-5", 10);
    let id = committee.propose(&Action::AdmitValidator(new));
    committee.carry(id);
    let block = committee.net.block(&[committee.members[3].sign(&execute(id))]);
    let set = block.validators.expect("the block announces the new set");
    assert_eq!((set.validators().len(), set.total_power()), (5, 50));
    assert!(matches!(&block.identity_events[..], [IdentityEvent::ValidatorAdmitted { .. }]));
    let changed = governance::ValidatorChanged::decode_log(&block.receipts[0].logs[1]).unwrap();
    assert_eq!((changed.organisation.as_str(), changed.power, changed.proposalId), ("bank-e", 10, id));
}

#[test]
fn changes_of_validators_are_refused_while_the_chain_might_stop() {
    let mut committee = Committee::new();
    let new = Action::AdmitValidator(validator(&mut committee.net, "bank-a", "v", 10));
    let id = committee.propose(&new);
    committee.carry(id);
    let address = down(&mut committee.net, "bank-d");
    assert_eq!(committee.refused(0, &propose(&new)), 44);
    assert_eq!(committee.execute(id), 2);
    assert!(committee.proposal(id).reason.contains("bank-d"), "{}", committee.proposal(id).reason);
    let registrar = committee.net.actor("bank-a", Role::Registrar);
    let retire = registry::retireValidatorCall { consensusKey: consensus_key(&committee.net, "bank-a") };
    let receipt = committee.net.try_one(&registrar.sign(&Say::registry(&retire)));
    assert!(registry::QuorumUnsafe::abi_decode(&receipt.output).is_ok(), "{}", reason(&receipt.output));
    committee.net.down.remove(&address);
    committee.net.one(&registrar.sign(&Say::registry(&retire)));
}

#[test]
fn a_node_that_does_not_know_who_signed_has_no_verdict_on_a_change_of_validators() {
    let mut committee = Committee::new();
    let new = Action::AdmitValidator(validator(&mut committee.net, "bank-a", "v", 10));
    let mut env = committee.net.env();
    env.recent_signers = None;
    let mut executor = concordat_core::BlockExecutor::new(&committee.net.state, env).unwrap();
    let error = executor.execute(&committee.members[0].sign(&propose(&new))).unwrap_err();
    assert!(matches!(error, ExecError::State(_)), "{error}");
    assert!(error.to_string().contains("signers of the last blocks"), "{error}");
}

#[test]
fn registrars_admit_no_validators_where_there_is_a_committee() {
    let mut committee = Committee::new();
    let registrar = committee.net.actor("bank-a", Role::Registrar);
    let NewValidator { node_chain, consensus_chain, node_address, power } =
        validator(&mut committee.net, "bank-a", "v", 1);
    let admit = registry::admitValidatorCall {
        nodeChain: node_chain,
        consensusChain: consensus_chain,
        nodeAddress: node_address,
        power,
    };
    let receipt = committee.net.try_one(&registrar.sign(&Say::registry(&admit)));
    assert!(registry::DecidedByCommittee::abi_decode(&receipt.output).is_ok());
}

#[test]
fn a_suspended_organisation_is_refused_with_its_accounts_nodes_and_validators() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-d", Role::Operator);
    let node = committee.net.stranger_with(KeyType::P256, "bank-d", Role::Validator, "n", 30);
    let may_connect = |net: &Consortium| {
        Registry::new(&net.state).authorize_node(&node.chain, net.time_secs).map_err(|e| e.to_string())
    };
    assert!(may_connect(&committee.net).is_ok());
    let id = committee.propose(&Action::SuspendOrganisation(org("bank-d")));
    committee.carry(id);
    let block = committee.net.block(&[committee.members[0].sign(&execute(id)), operator.sign(&business())]);
    assert_eq!(block.receipts[1].outcome, Outcome::Suspended);
    assert_eq!(block.validators.unwrap().validators().len(), 3);
    assert!(block.identity_events.contains(&IdentityEvent::OrganisationChanged { org: org("bank-d") }));
    assert!(may_connect(&committee.net).unwrap_err().contains("suspended"));
    assert_eq!(committee.vote(3, id).outcome, Outcome::Suspended);

    assert_eq!(committee.pass_without(3, &Action::ReinstateOrganisation(org("bank-d"))), 1);
    committee.net.one(&operator.sign(&business()));
    assert!(may_connect(&committee.net).is_ok());
    assert_eq!(Registry::new(&committee.net.state).validators().unwrap().validators().len(), 3);
}

#[test]
fn an_expelled_organisation_is_gone_for_good() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-d", Role::Operator);
    assert_eq!(committee.pass(&Action::ExpelOrganisation(org("bank-d"))), 1);
    assert_eq!(committee.net.ask(GOVERNANCE, &governance::committeeCall {}).len(), 3);
    assert_eq!(committee.net.try_one(&operator.sign(&business())).outcome, Outcome::Suspended);
    let back = propose(&Action::ReinstateOrganisation(org("bank-d")));
    assert_eq!(committee.refused(0, &back), 32);
    let organisation = Registry::new(&committee.net.state).organisation(&org("bank-d")).unwrap().unwrap();
    assert!(organisation.expelled && !organisation.active);
}

#[test]
fn authorities_roll_over() {
    let mut committee = Committee::new();
    let current = Registry::new(&committee.net.state).organisation(&org("bank-a")).unwrap().unwrap();
    let next = Authority::create(&org("bank-a"), &AuthorityOptions::default(), GENESIS_TIME - 60).unwrap();
    let der = concordat_pki_authority::pem::decode("CERTIFICATE", next.root_pem().as_bytes()).unwrap();
    let roots: Vec<Bytes> = current.ca_certificates.into_iter().chain([Bytes::from(der)]).collect();
    let both = Action::SetAuthorities { id: org("bank-a"), roots: roots.clone() };
    assert_eq!(committee.pass(&both), 1);
    let old = committee.net.actor("bank-a", Role::Operator);
    *committee.net.authority("bank-a") = next;
    let new = committee.net.stranger("bank-a", Role::Developer, "under the new root");
    committee.net.enrol(&new);
    committee.net.one(&old.sign(&business()));
    let foreign = Action::SetAuthorities { id: org("bank-b"), roots };
    assert_eq!(committee.refused(0, &propose(&foreign)), 34);
}
