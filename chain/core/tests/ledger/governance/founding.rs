//! The committee of the genesis document.

use super::*;

#[test]
fn a_chain_without_a_committee_has_no_governance() {
    let mut net = Consortium::new();
    assert!(concordat_core::code(&net.state, GOVERNANCE).unwrap().is_empty());
    let member = net.actor("bank-a", Role::CommitteeMember);
    let seat = Action::SetCommitteeMember { member: member.address, weight: 1 };
    assert_eq!(refused(&mut net, &member, &propose(&seat)), 1);
    assert!(net.ask(GOVERNANCE, &governance::committeeCall {}).is_empty());
    let outcome = net.ask_raw(GOVERNANCE, &governance::previewCall { id: 1 });
    assert_eq!(outcome.status, CallStatus::Reverted);
}

#[test]
fn the_genesis_committee_needs_certificates_of_members() {
    let (net, members) = Consortium::governed();
    assert!(!concordat_core::code(&net.state, GOVERNANCE).unwrap().is_empty());
    let refusal = |change: &dyn Fn(&mut Vec<GenesisCommitteeMember>)| {
        let mut genesis = net.genesis.clone();
        change(&mut genesis.organisations[0].committee);
        genesis_state(&genesis).unwrap_err()
    };
    let twice = |seats: &mut Vec<GenesisCommitteeMember>| seats.push(seats[0].clone());
    assert!(matches!(refusal(&twice), GenesisStateError::Committee(_)));
    let weightless = refusal(&|seats| seats[0].weight = 0);
    assert!(matches!(weightless, GenesisStateError::Committee(_)));
    let foreign = refusal(&|seats| seats[0].certificate = pem(&members[1].chain));
    assert!(foreign.to_string().starts_with("organisation bank-a, committee[0].certificate: "), "{foreign}");
    let mut genesis = net.genesis.clone();
    genesis.organisations[0].roles.remove(&Role::CommitteeMember);
    assert!(genesis_state(&genesis).unwrap_err().to_string().contains("committee-member"));
}

#[test]
fn a_genesis_seat_is_for_the_role_of_a_member_alone() {
    let (mut net, _) = Consortium::governed();
    let operator = net.stranger("bank-a", Role::Operator, "o");
    net.genesis.genesis_time = net.time_secs.try_into().unwrap();
    net.genesis.organisations[0].committee[0].certificate = pem(&operator.chain);
    let error = genesis_state(&net.genesis).unwrap_err().to_string();
    assert!(error.contains("operator"), "{error}");
}
