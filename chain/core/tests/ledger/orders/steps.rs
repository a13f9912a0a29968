//! How orders are confirmed, released, answered and anchored, and who may do none of that.

use concordat_core::{CallRequest, GOVERNANCE, governance::abi::IGovernance as governance};
use concordat_governance::Kind;

use super::*;

#[test]
fn a_second_regulator_confirms_what_it_was_shown_and_the_issuer_releases() {
    let mut world = World::new();
    let id = world.order(0, &freeze(world.customer.address, 1));
    let confirming = confirm(&world, id);
    assert_eq!(world.refused(0, &confirming), 138);
    assert_eq!(world.refused(2, &confirming), 139, "a colleague, where another bank's is there");
    assert_eq!(world.refused(1, &orders::confirmCall { id, digest: B256::ZERO }), 140);
    let receipt = world.committee.net.one(&world.regulators[1].sign(&say(&confirming)));
    let event = orders::OrderConfirmed::decode_log(&receipt.logs[0]).unwrap();
    assert_eq!((event.id, event.by), (id, world.regulators[1].address));
    world.committee.net.height += 3 * LAPSE;
    let told = world.told(id);
    assert_eq!((told.status, told.confirmedBy), (1, world.regulators[1].address));
    assert_eq!(notice(&world.pays()).until, 0);
    assert_eq!(world.refused(1, &release(id)), 141);
    let receipt = world.committee.net.one(&world.regulators[0].sign(&say(&release(id))));
    let event = orders::OrderReleased::decode_log(&receipt.logs[0]).unwrap();
    assert_eq!((event.id, event.documentReference.as_str()), (id, "BaFin 8/2026"));
    assert_eq!(world.pays().outcome, Outcome::Success);
    let told = world.told(id);
    assert_eq!((told.status, told.endReference.as_str()), (2, "BaFin 8/2026"));
}

#[test]
fn the_committee_confirms_and_lifts_and_tells_the_issuer() {
    let mut world = World::new();
    let id = world.order(0, &freeze(world.customer.address, 1));
    world.passes(&Action::ConfirmOrder { order: id, basis: basis() });
    assert!(world.told(id).confirmedByProposal > 0);
    world.committee.net.height += 3 * LAPSE;
    assert_eq!(world.pays().outcome, Outcome::Ordered);
    let proposal = world.committee.propose(&Action::LiftOrder { order: id, basis: basis() });
    world.committee.carry(proposal);
    let execute = crate::governance::execute(proposal);
    let receipt = world.committee.net.one(&world.committee.members[1].sign(&execute));
    let decided = receipt.logs.iter().find_map(|log| governance::OrderDecided::decode_log(log).ok()).unwrap();
    assert_eq!(
        (decided.orderId, decided.issuer, decided.confirmed),
        (id, world.regulators[0].address, false)
    );
    assert_eq!(decided.documentReference, "Minutes 9");
    assert_eq!(world.pays().outcome, Outcome::Success);
    assert_eq!(world.told(id).endedByProposal, proposal);
}

#[test]
fn a_vote_on_an_order_shows_its_terms_and_who_imposed_it() {
    let mut world = World::new();
    let id = world.order(0, &freeze(world.customer.address, 1));
    let proposal = world.committee.propose(&Action::ConfirmOrder { order: id, basis: basis() });
    let preview = world.committee.net.ask(GOVERNANCE, &governance::previewCall { id: proposal });
    let text = concordat_governance::Effect::decode(&preview.effect).unwrap().to_string();
    let customer = world.customer.address;
    let terms = format!("freeze-all of account {customer}, until it is released; basis \"BaFin 7/2026\"");
    assert!(text.contains(&format!("  order {id}\n    - provisional: {terms}")), "{text}");
    assert!(text.contains(&format!("by regulator {}", world.regulators[0].address)), "{text}");
}

#[test]
fn a_regulator_neither_votes_nor_does_business() {
    let mut world = World::new();
    let id = world.committee.propose(&Action::SuspendOrganisation(org("bank-d")));
    let digest = world.committee.proposal(id).digest;
    let vote = governance::voteCall { id, choice: 1, digest };
    let payload = Action::SuspendOrganisation(org("bank-d")).encode();
    let propose = governance::proposeCall { kind: Kind::SuspendOrganisation.code(), payload };
    let regulator = &world.regulators[0];
    for call in [Say::governance(&vote), Say::governance(&propose)] {
        assert_eq!(refused(&mut world.committee.net, regulator, &call), 2);
    }
    let business = [Say::deploy(token_init_code(1)), transfer(world.token, Address::ZERO)];
    for say in business {
        let receipt = world.committee.net.try_one(&regulator.sign(&say));
        assert_eq!(receipt.outcome, Outcome::NotPermitted);
    }
}

#[test]
fn nobody_else_orders_and_no_contract_does() {
    let mut world = World::new();
    let call = freeze(world.customer.address, 1);
    let member = &world.committee.members[0];
    assert_eq!(refused(&mut world.committee.net, member, &say(&call)), 17);
    let unregistered = world.committee.net.actor("bank-d", Role::Regulator);
    assert_eq!(refused(&mut world.committee.net, &unregistered, &say(&call)), 45);
    for scope in [0, 5] {
        assert_eq!(world.refused(0, &freeze(world.customer.address, scope)), 144);
    }
    assert_eq!(world.refused(0, &freeze(world.customer.address, 3)), 145);
    assert_eq!(world.refused(0, &freeze_at(world.customer.address, 1, world.token)), 145);
    assert_eq!(world.refused(0, &release(9)), 130);
    let short = Say { input: vec![1, 2, 3].into(), ..say(&call) };
    let receipt = world.committee.net.try_one(&world.regulators[0].sign(&short));
    assert_eq!(receipt.output[..], orders::MalformedCall::SELECTOR);
}

#[test]
fn demands_are_answered_by_whom_they_are_addressed_to() {
    let mut world = World::new();
    let due = world.committee.net.height + 100;
    let demand = |organisation: &str, contract| orders::demandCall {
        organisation: organisation.into(),
        contractAddress: contract,
        document: B256::repeat_byte(1),
        documentReference: "BaFin 9/2026".into(),
        due,
    };
    for (organisation, contract) in [("", Address::ZERO), ("bank-c", world.token), ("Bank C", Address::ZERO)]
    {
        assert_eq!(world.refused(0, &demand(organisation, contract)), 146);
    }
    let id = world.order(0, &demand("bank-c", Address::ZERO));
    assert_eq!(world.pays().outcome, Outcome::Success, "a demand refuses nothing");
    let answer =
        orders::answerCall { id, document: B256::repeat_byte(4), documentReference: "Letter 1".into() };
    let other = world.committee.net.actor("bank-d", Role::Registrar);
    assert_eq!(refused(&mut world.committee.net, &other, &say(&answer)), 143);
    let registrar = world.committee.net.actor("bank-c", Role::Registrar);
    let receipt = world.committee.net.one(&registrar.sign(&say(&answer)));
    let event = orders::DemandAnswered::decode_log(&receipt.logs[0]).unwrap();
    assert_eq!((event.id, event.by), (id, registrar.address));
    assert_eq!(world.told(id).status, 5);
    let organisation = "bank-c".to_owned();
    let listed = orders::ordersOfOrganisationCall { organisation, limit: 10 };
    let listed = world.committee.net.ask(ORDERS, &listed);
    assert_eq!(listed.iter().map(|order| order.id).collect::<Vec<_>>(), [id]);
}

#[test]
fn orders_are_listed_by_number_and_by_target() {
    let mut world = World::new();
    let customer = world.customer.address;
    let first = world.order(0, &freeze(customer, 2));
    let second = world.order(0, &freeze(customer, 1));
    let third = world.order(1, &freeze_at(customer, 4, world.token));
    let net = &world.committee.net;
    let ids = |listed: Vec<orders::Order>| listed.iter().map(|order| order.id).collect::<Vec<_>>();
    assert_eq!(net.ask(ORDERS, &orders::orderCountCall {}), 3);
    let after = |after_id, limit| orders::ordersCall { afterId: after_id, limit };
    assert_eq!(ids(net.ask(ORDERS, &after(0, 2))), [first, second]);
    assert_eq!(ids(net.ask(ORDERS, &after(2, u64::MAX))), [third]);
    assert!(net.ask(ORDERS, &after(u64::MAX, u64::MAX)).is_empty());
    let of = |target| orders::ordersOfCall { target, limit: 10 };
    assert_eq!(ids(net.ask(ORDERS, &of(customer))), [third, second, first]);
    assert!(net.ask(ORDERS, &of(world.token)).is_empty());
    assert_eq!(in_force(&world), [second, third]);
}

#[test]
fn the_head_of_a_log_of_reads_is_anchored_and_only_grows() {
    let mut world = World::new();
    let auditor = world.committee.net.actor("bank-a", Role::Auditor);
    let stranger = world.committee.net.actor("bank-d", Role::Auditor);
    let anchor = |count| orders::anchorReadsCall { head: B256::repeat_byte(7), count };
    assert_eq!(refused(&mut world.committee.net, &stranger, &say(&anchor(1))), 148);
    let receipt = world.committee.net.one(&auditor.sign(&say(&anchor(5))));
    let event = orders::ReadsAnchored::decode_log(&receipt.logs[0]).unwrap();
    assert_eq!((event.organisation.as_str(), event.count), ("bank-a", 5));
    assert_eq!(world.refused(0, &anchor(5)), 147);
    world.committee.net.one(&world.regulators[0].sign(&say(&anchor(6))));
    let organisation = "bank-a".to_owned();
    let told = world.committee.net.ask(ORDERS, &orders::readAnchorCall { organisation });
    assert_eq!((told.count, told.account), (6, world.regulators[0].address));
    let none = orders::readAnchorCall { organisation: "bank-d".into() };
    assert_eq!(world.committee.net.ask(ORDERS, &none).count, 0);
}

#[test]
fn what_an_order_needs_is_what_it_is_estimated_to_need() {
    let world = World::new();
    let net = &world.committee.net;
    let request = CallRequest {
        from: world.regulators[0].address,
        to: Some(ORDERS),
        input: freeze(world.customer.address, 1).abi_encode().into(),
        ..CallRequest::default()
    };
    let gas = concordat_core::estimate_gas(&net.state, &net.env(), &request).unwrap();
    let order = say(&freeze(world.customer.address, 1));
    let run = |gas| {
        let mut executor = net.executor();
        executor
            .execute(&world.regulators[0].sign_at(&order.clone().gas(gas), world.regulators[0].nonce.get()))
            .unwrap()
            .outcome
    };
    assert_eq!(run(gas), Outcome::Success);
    assert_eq!(run(gas / 2), Outcome::Halted);
}
