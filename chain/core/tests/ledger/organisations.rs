//! Organisations at a glance: membership, validators, seats, page by page.

use alloy_sol_types::SolError as _;
use concordat_core::{IDENTITY_REGISTRY, abi::IIdentityRegistry as registry};
use concordat_governance::Action;

use crate::{
    governance::Committee,
    kit::{Consortium, org},
};

fn page(net: &Consortium, from: u64, limit: u64) -> (u64, Vec<registry::OrganisationSummary>) {
    let answer = net.ask(IDENTITY_REGISTRY, &registry::organisationPageCall { from, limit });
    (answer.total, answer.page)
}

fn ids(page: &[registry::OrganisationSummary]) -> Vec<&str> {
    page.iter().map(|summary| summary.id.as_str()).collect()
}

#[test]
fn organisations_are_told_with_validators_and_seats() {
    let (net, _) = Consortium::governed();
    let (total, all) = page(&net, 0, 50);
    assert_eq!((total, ids(&all)), (4, vec!["bank-a", "bank-b", "bank-c", "bank-d"]));
    for summary in &all {
        assert_eq!((summary.membership, summary.admittedHeight), (1, 0));
        assert_eq!((summary.validators, summary.power), (1, 10));
        assert_eq!((summary.seats, summary.weight), (1, 1));
        assert_eq!(summary.name, format!("The {}", summary.id));
        let one = registry::organisationSummaryCall { id: summary.id.clone() };
        assert_eq!(net.ask(IDENTITY_REGISTRY, &one).power, summary.power);
    }
    let (_, ungoverned) = page(&Consortium::new(), 0, 50);
    assert_eq!((ungoverned[0].validators, ungoverned[0].power, ungoverned[0].seats), (2, 20, 0));
    assert_eq!(ungoverned[2].roles, ["operator"]);
}

#[test]
fn pages_follow_one_another_and_end() {
    let net = Consortium::new();
    assert_eq!(ids(&page(&net, 0, 2).1), ["bank-a", "bank-b"]);
    assert_eq!(ids(&page(&net, 2, 2).1), ["small-bank"]);
    for (from, limit) in [(3, 2), (0, 0), (u64::MAX, u64::MAX)] {
        let (total, none) = page(&net, from, limit);
        assert!(total == 3 && none.is_empty());
    }
    assert_eq!(page(&net, 0, u64::MAX).1.len(), 3);
}

#[test]
fn who_is_suspended_or_expelled_is_told_apart() {
    let mut committee = Committee::new();
    let bank = || org("bank-b");
    assert_eq!(committee.pass(&Action::SuspendOrganisation(bank())), 1);
    let memberships = |net: &Consortium| {
        page(net, 0, 50).1.iter().map(|summary| (summary.membership, summary.validators)).collect::<Vec<_>>()
    };
    assert_eq!(memberships(&committee.net), [(1, 1), (0, 0), (1, 1), (1, 1)]);
    let id = committee.propose(&Action::ReinstateOrganisation(bank()));
    for member in [0, 2, 3] {
        if committee.proposal(id).closes >= committee.net.height {
            assert!(committee.vote(member, id).outcome.succeeded());
        }
    }
    committee.net.height = committee.net.height.max(committee.proposal(id).earliest);
    committee.net.one(&committee.members[0].sign(&crate::governance::execute(id)));
    assert_eq!(memberships(&committee.net)[1], (1, 0), "its validators are to be admitted anew");
    let id = committee.propose(&Action::ExpelOrganisation(bank()));
    committee.carry(id);
    committee.net.one(&committee.members[0].sign(&crate::governance::execute(id)));
    assert_eq!(memberships(&committee.net)[1], (2, 0));
    let (_, all) = page(&committee.net, 1, 1);
    assert_eq!((all[0].id.as_str(), all[0].seats, all[0].weight), ("bank-b", 0, 0));
}

#[test]
fn an_unknown_organisation_is_refused() {
    let net = Consortium::new();
    for id in ["bank-x", "", "No Id", &"x".repeat(200)] {
        let outcome =
            net.ask_raw(IDENTITY_REGISTRY, &registry::organisationSummaryCall { id: id.to_owned() });
        let refused = registry::UnknownOrganisation::abi_decode(&outcome.output).unwrap();
        assert_eq!(refused.organisation, id.chars().take(64).collect::<String>());
    }
}
