//! What happens on the chain of the tests: each pattern once, and beside it what comes near.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use alloy_sol_types::SolEvent as _;
use concordat_core::{
    GOVERNANCE, IDENTITY_REGISTRY, ORDERS, governance::abi::IGovernance, identity::abi::IIdentityRegistry,
    orders::abi::IOrders,
};
use concordat_governance::{
    Action, Kind, Proposal, Status,
    action::{Basis, Scope},
    order::{Measure, Order, Target, Terms},
};
use concordat_types::{ChangeSet, StateKey};

use crate::common::{Planted, TOKEN, payload_key, pays, person, raises};

/// Payments: each pattern once, and beside it what comes near.
pub fn payments() -> BTreeMap<u64, Vec<Planted>> {
    let mut planted = BTreeMap::<u64, Vec<Planted>>::new();
    let mut plant = |height: u64, what: Planted| planted.entry(height).or_default().push(what);
    (0..5).for_each(|_| plant(10, pays(1, 40, 1)));
    [10, 10, 11, 12, 13].into_iter().for_each(|height| plant(height, pays(2, 40, 1)));
    for height in 20..25 {
        plant(height, pays(3, 4, 90));
        plant(height, pays(5, 4, if height == 24 { 79 } else { 90 }));
    }
    for (height, from, to, amount) in
        [(30, 6, 7, 10_000), (30, 9, 10, 10_000), (31, 7, 8, 9_500), (31, 10, 9, 8_999), (32, 8, 6, 9_000)]
    {
        plant(height, pays(from, to, amount));
    }
    for height in 40..45 {
        plant(height, pays(17, 40, 10));
        plant(height, pays(18, 40, 10));
    }
    plant(45, pays(17, 40, 100));
    plant(45, pays(18, 40, 99));
    plant(1, pays(15, 40, 1));
    plant(20, pays(16, 40, 1));
    plant(110, pays(15, 40, 5_000));
    plant(110, pays(16, 40, 5_000));
    plant(50, pays(20, 19, 5));
    plant(51, pays(12, 40, 5));
    plant(52, pays(20, 21, 5));
    planted
}

/// A proposal by a member, created at block 60.
fn proposal(id: u64, kind: Kind, member: u8, status: Status, decided: u64) -> Proposal {
    Proposal {
        id,
        kind,
        digest: B256::ZERO,
        proposer: person(member),
        created: 60,
        closes: 70,
        earliest: 72,
        latest: 90,
        status,
        decided,
        ballots: Vec::new(),
    }
}

fn row(proposal: &Proposal) -> (StateKey, Option<Vec<u8>>) {
    (StateKey::system(0x22, &proposal.id.to_be_bytes()), Some(proposal.encode()))
}

fn basis() -> Basis {
    Basis { document: B256::repeat_byte(1), reference: "Order 1".into() }
}

/// What the committee decides: the freeze of an account of bank-a by proposal 1, something else by proposal 2; it votes
/// on orders by proposals 6 and 7.
pub fn decisions() -> BTreeMap<u64, ChangeSet> {
    let freeze = Action::FreezeAccount { account: person(13), scope: Scope::All, basis: basis(), until: 0 };
    let lift = Action::LiftOrder { order: 1, basis: basis() };
    let confirm = Action::ConfirmOrder { order: 2, basis: basis() };
    let kind = Kind::FreezeAccount;
    let mut made = ChangeSet::new();
    for (id, action) in [(1, freeze), (6, lift), (7, confirm)] {
        made.extend([row(&proposal(id, action.kind(), 11, Status::Open, 0))]);
        made.extend([(payload_key(id), Some(action.encode().to_vec()))]);
    }
    made.extend([row(&proposal(2, kind, 14, Status::Open, 0))]);
    made.extend([order(1, Measure::FreezeAll), order(2, Measure::Demand), order(3, Measure::Halt)]);
    BTreeMap::from([
        (60, made),
        (72, ChangeSet::from([row(&proposal(1, kind, 11, Status::Executed, 72))])),
        (75, ChangeSet::from([row(&proposal(2, kind, 14, Status::Executed, 75))])),
    ])
}

/// An order of a supervisor; the freeze is about an identity of bank-a that has another key by now, the demand about
/// bank-b.
fn order(id: u64, measure: Measure) -> (StateKey, Option<Vec<u8>>) {
    let target = match measure {
        Measure::Demand => Target::Organisation("bank-b".parse().unwrap()),
        Measure::Halt => Target::Contract(TOKEN),
        _ => Target::Account(person(10)),
    };
    let order = Order {
        id,
        terms: Terms { measure, target, basis: basis(), until: 0 },
        issuer: person(30),
        organisation: "supervisor".parse().unwrap(),
        issued: 60,
        lapses: 20_060,
        before: 0,
        confirmed: None,
        ended: None,
    };
    (StateKey::system(0x70, &id.to_be_bytes()), Some(order.encode()))
}

/// What the members do.
pub fn acts(planted: &mut BTreeMap<u64, Vec<Planted>>) {
    let mut plant = |height: u64, what: Planted| planted.entry(height).or_default().push(what);
    let opened = |member: u8, id: u64| {
        let (kind, proposer) = (Kind::FreezeAccount.code(), person(member));
        let event = IGovernance::ProposalOpened { id, kind, proposer, digest: B256::ZERO, closes: 70 };
        raises(member, GOVERNANCE, event.encode_log_data())
    };
    for (height, member, id) in [(60, 11, 1), (60, 14, 2), (61, 11, 3), (61, 14, 5), (62, 11, 4)] {
        plant(height, opened(member, id));
    }
    let ballots = [
        (65, 11, 1),
        (66, 14, 1),
        (67, 11, 6),
        (67, 14, 6),
        (67, 11, 7),
        (67, 14, 7),
        (67, 30, 7),
        (69, 14, 1),
    ];
    for (height, member, id) in ballots {
        let event = IGovernance::BallotCast { id, member: person(member), choice: 1, digest: B256::ZERO };
        plant(height, raises(member, GOVERNANCE, event.encode_log_data()));
    }
    for (height, id) in [(72, 1), (75, 2)] {
        let event = IGovernance::ProposalDecided {
            id,
            status: 1,
            refusal: 0,
            reason: String::new(),
            note: B256::ZERO,
        };
        plant(height, raises(14, GOVERNANCE, event.encode_log_data()));
    }
    for (height, lifted) in [(72, false), (73, true), (80, false), (85, true)] {
        let data = match lifted {
            true => IGovernance::AccountUnfrozen { account: person(13), proposalId: 1 }.encode_log_data(),
            false => IGovernance::AccountFrozen {
                account: person(13),
                scope: 1,
                document: B256::ZERO,
                documentReference: "Order 1".into(),
                until: 0,
                proposalId: 1,
            }
            .encode_log_data(),
        };
        plant(height, raises(14, GOVERNANCE, data));
    }
    for (n, organisation) in [(50, "bank-a"), (51, "bank-a"), (52, "bank-b"), (53, "bank-b"), (54, "bank-a")]
    {
        let event = IIdentityRegistry::AccountEnrolled {
            account: person(n),
            organisation: organisation.into(),
            role: "operator".into(),
            fingerprint: B256::ZERO,
            notAfter: 0,
        };
        plant(90, raises(n, IDENTITY_REGISTRY, event.encode_log_data()));
    }
}

/// What a regulator orders: freezes and releases count together, also those that the committee lifts; demands, what takes
/// an order's place, and what is confirmed do not.
pub fn orders(planted: &mut BTreeMap<u64, Vec<Planted>>) {
    let (target, issuer, by, document) = (person(10), person(30), person(30), B256::ZERO);
    let imposed = |id: u64, measure: Measure| {
        let event = IOrders::OrderImposed {
            id,
            target,
            issuer,
            measure: measure.code(),
            contractAddress: person(0),
            organisation: String::new(),
            document,
            documentReference: "Order 1".into(),
            until: 0,
            lapses: 20_060,
            digest: B256::ZERO,
        };
        event.encode_log_data()
    };
    let released = |id: u64| {
        let reference = String::new();
        let event = IOrders::OrderReleased { id, target, issuer, by, document, documentReference: reference };
        event.encode_log_data()
    };
    let superseded = IOrders::OrderSuperseded { id: 1, target, issuer, by: 3 }.encode_log_data();
    let confirmed = IOrders::OrderConfirmed { id: 3, target, issuer, by }.encode_log_data();
    let decided = |id: u64, confirmed: bool| {
        let event = IGovernance::OrderDecided {
            orderId: id,
            target,
            issuer,
            confirmed,
            document,
            documentReference: String::new(),
            proposalId: 6,
        };
        event.encode_log_data()
    };
    let events = [
        (94, ORDERS, imposed(2, Measure::Demand)),
        (94, ORDERS, imposed(1, Measure::FreezeAll)),
        (94, ORDERS, superseded),
        (94, ORDERS, confirmed),
        (95, ORDERS, released(2)),
        (95, GOVERNANCE, decided(3, true)),
        (95, GOVERNANCE, decided(2, false)),
        (99, ORDERS, imposed(3, Measure::Halt)),
        (100, ORDERS, released(1)),
        (104, ORDERS, imposed(1, Measure::Blacklist)),
        (105, GOVERNANCE, decided(3, false)),
    ];
    // Nobody sends so many that this would be found as well.
    for (sender, (height, contract, data)) in (31..).zip(events) {
        planted.entry(height).or_default().push(raises(sender, contract, data));
    }
}
