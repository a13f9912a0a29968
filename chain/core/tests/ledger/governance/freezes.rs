//! Freezes of accounts.

use super::*;

#[test]
fn a_frozen_account_is_refused_from_the_next_transaction_of_the_same_block() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let id = committee.propose(&freeze(operator.address));
    committee.carry(id);
    let txs = [
        operator.sign(&business()),
        committee.members[0].sign(&execute(id)),
        operator.sign(&business()),
        operator.sign(&operator.enrolment()),
    ];
    let outcomes: Vec<_> = committee.net.block(&txs).receipts.iter().map(|r| r.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Success, Outcome::Frozen, Outcome::Frozen]);
    let told = committee.net.ask(GOVERNANCE, &governance::freezeCall { account: operator.address });
    assert!(told.binds && !told.emergency && told.documentReference == "Order 7" && told.proposalId == id);

    let lift = Action::UnfreezeAccount { account: operator.address, basis: basis() };
    assert_eq!(committee.pass(&lift), 1);
    committee.net.one(&operator.sign(&business()));
    assert!(!committee.net.ask(GOVERNANCE, &governance::freezeCall { account: operator.address }).binds);
}

#[test]
fn business_alone_can_be_frozen_and_a_renewal_does_not_lift_it() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let until = committee.net.height + 50;
    let (account, scope) = (operator.address, Scope::Outgoing);
    let id = committee.propose(&Action::FreezeAccount { account, scope, basis: basis(), until });
    committee.carry(id);
    assert_eq!(committee.execute(id), 1);
    let renewed = {
        let now = committee.net.time_secs;
        certify(committee.net.authority("bank-a"), &operator.key, Role::Operator, "someone", 60, now)
    };
    let renewal = Say::registry(&registry::renewCall { chain: renewed.chain });
    committee.net.one(&operator.sign(&renewal));
    assert_eq!(committee.net.try_one(&operator.sign(&business())).outcome, Outcome::Frozen);
    committee.net.height = until;
    assert_eq!(committee.net.try_one(&operator.sign(&business())).outcome, Outcome::Frozen);
    committee.net.one(&operator.sign(&business()));
}

#[test]
fn an_emergency_freeze_takes_one_of_four_and_lapses_by_itself() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let action = Action::EmergencyFreeze { account: operator.address, scope: Scope::All, basis: basis() };
    let id = committee.propose(&action);
    assert!(committee.vote(0, id).outcome.succeeded());
    assert_eq!(committee.execute(id), 1);
    assert_eq!(committee.net.try_one(&operator.sign(&business())).outcome, Outcome::Frozen);
    let told = committee.net.ask(GOVERNANCE, &governance::freezeCall { account: operator.address });
    let lapse = Rule::initial(Kind::EmergencyFreeze, 4).lapse_blocks;
    assert!(told.emergency && told.until == told.since + lapse);
    committee.net.height = told.until + 1;
    committee.net.one(&operator.sign(&business()));
    assert_eq!(committee.refused(0, &propose(&action)), 62, "it is not renewed without the others");
}

#[test]
fn an_emergency_that_was_lifted_binds_no_more_and_is_not_repeated_at_once() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let action = Action::EmergencyFreeze { account: operator.address, scope: Scope::All, basis: basis() };
    assert_eq!(committee.pass(&action), 1);
    let lift = Action::UnfreezeAccount { account: operator.address, basis: basis() };
    let id = committee.propose(&lift);
    committee.carry(id);
    // From the next transaction of the same block on.
    let txs = [committee.members[1].sign(&execute(id)), operator.sign(&business())];
    let receipts = committee.net.block(&txs).receipts;
    assert!(receipts.iter().all(|receipt| receipt.outcome.succeeded()), "{receipts:?}");
    assert!(governance::AccountUnfrozen::decode_log(&receipts[0].logs[1]).is_ok());
    let told = committee.net.ask(GOVERNANCE, &governance::freezeCall { account: operator.address });
    assert!(!told.binds && told.emergency && told.until < committee.net.height);
    assert_eq!(committee.refused(0, &propose(&action)), 62);
    committee.net.height = told.until + Rule::initial(Kind::EmergencyFreeze, 4).lapse_blocks + 1;
    assert_eq!(committee.pass(&action), 1);
}

#[test]
fn an_emergency_takes_no_members_vote() {
    let mut committee = Committee::new();
    let account = committee.members[1].address;
    let action = Action::EmergencyFreeze { account, scope: Scope::All, basis: basis() };
    assert_eq!(committee.refused(0, &propose(&action)), 64);
}
