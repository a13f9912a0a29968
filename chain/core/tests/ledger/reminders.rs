//! Reminders of certificates that are about to end: once per step, by block time, by whoever brings them.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolError as _, SolEvent as _};
use concordat_core::{IDENTITY_REGISTRY, Registry, abi::IIdentityRegistry as registry};
use concordat_pki_authority::KeyType;
use concordat_types::{Receipt, Role, receipt::Outcome};
use proptest::prelude::*;

use crate::{
    kit::{Actor, Consortium, DAY, Say, certify},
    refusals::crl_against,
};

/// An operator whose certificate lasts for so many days, and the last second of its validity.
fn lasting(net: &mut Consortium, name: &str, days: u32) -> (Actor, u64) {
    let actor = net.stranger_with(KeyType::Secp256k1, "bank-a", Role::Operator, name, days);
    net.enrol(&actor);
    let account = Registry::new(&net.state).account(actor.address).unwrap().unwrap();
    (actor, account.not_after)
}

/// Somebody whose own certificate lasts, as an operator's cron does.
fn cron(net: &mut Consortium) -> Actor {
    lasting(net, "cron", 365).0
}

fn remind(accounts: &[Address]) -> Say {
    Say::registry(&registry::remindCall { accounts: accounts.to_vec() }).gas(8_000_000)
}

fn raised(receipt: &Receipt) -> Vec<(Address, u64, u64)> {
    let event = |log| registry::RenewalDue::decode_log(log).unwrap().data;
    let events = receipt.logs.iter().map(event);
    events.map(|event| (event.account, event.notAfter, event.daysLeft)).collect()
}

fn assert_nothing_due(net: &mut Consortium, by: &Actor, accounts: &[Address]) {
    let receipt = net.try_one(&by.sign(&remind(accounts)));
    assert_eq!(receipt.outcome, Outcome::Reverted);
    assert!(registry::NothingDue::abi_decode(&receipt.output).is_ok() && receipt.logs.is_empty());
}

#[test]
fn reminders_are_raised_30_7_and_1_days_before_the_end_and_each_once() {
    let mut net = Consortium::new();
    let cron = cron(&mut net);
    let (operator, end) = lasting(&mut net, "op", 90);
    let account = operator.address;
    let renewal = |net: &Consortium| net.ask(IDENTITY_REGISTRY, &registry::renewalCall { account });
    net.time_secs = end - 30 * DAY - 1;
    assert_nothing_due(&mut net, &cron, &[account]);
    for (step, left, days) in [(30, 30 * DAY, 30), (7, 7 * DAY, 7), (1, DAY, 1)] {
        net.time_secs = end - left - 2;
        if step < 30 {
            assert_nothing_due(&mut net, &cron, &[account]);
        }
        net.time_secs = end - left;
        assert!(renewal(&net).due);
        let receipt = net.one(&cron.sign(&remind(&[account])));
        assert_eq!(raised(&receipt), [(account, end, days)]);
        let told = renewal(&net);
        assert_eq!((told.notAfter, told.reminded, told.due), (end, step, false));
        assert_nothing_due(&mut net, &cron, &[account]);
    }
    net.time_secs = end + 1;
    assert_nothing_due(&mut net, &cron, &[account]);
}

#[test]
fn a_step_that_was_missed_is_not_made_up_for() {
    let mut net = Consortium::new();
    let cron = cron(&mut net);
    let (operator, end) = lasting(&mut net, "op", 90);
    net.time_secs = end - 3 * DAY + 5;
    let receipt = net.one(&cron.sign(&remind(&[operator.address])));
    assert_eq!(
        raised(&receipt),
        [(operator.address, end, 3)],
        "the days that are left, a part counted as one"
    );
    let told = net.ask(IDENTITY_REGISTRY, &registry::renewalCall { account: operator.address });
    assert_eq!(told.reminded, 7);
    assert_nothing_due(&mut net, &cron, &[operator.address]);
}

#[test]
fn a_renewed_certificate_is_reminded_of_anew() {
    let mut net = Consortium::new();
    let cron = cron(&mut net);
    let (operator, end) = lasting(&mut net, "op", 90);
    net.time_secs = end - DAY;
    net.one(&cron.sign(&remind(&[operator.address])));
    let now = net.time_secs;
    let renewed = certify(net.authority("bank-a"), &operator.key, Role::Operator, "op", 20, now);
    net.one(&operator.sign(&Say::registry(&registry::renewCall { chain: renewed.chain })));
    let told = net.ask(IDENTITY_REGISTRY, &registry::renewalCall { account: operator.address });
    assert!(told.notAfter > end && told.reminded == 0 && told.due, "20 days are within 30");
    let receipt = net.one(&cron.sign(&remind(&[operator.address])));
    assert_eq!(raised(&receipt), [(operator.address, told.notAfter, 20)]);
}

#[test]
fn of_many_accounts_those_are_reminded_whose_time_has_come_and_each_once() {
    let mut net = Consortium::new();
    let cron = cron(&mut net);
    let (one, end) = lasting(&mut net, "one", 60);
    let (two, _) = lasting(&mut net, "two", 60);
    let (late, _) = lasting(&mut net, "late", 200);
    net.time_secs = end - 29 * DAY;
    let receipt = net.one(&cron.sign(&remind(&[two.address, one.address, late.address, one.address])));
    let mut expected = [one.address, two.address];
    expected.sort();
    let accounts: Vec<Address> = raised(&receipt).into_iter().map(|(account, ..)| account).collect();
    assert_eq!(accounts, expected, "in the order of addresses");
    // Two who bring the same: the one who comes later brings nothing new.
    assert_nothing_due(&mut net, &cron, &[one.address, two.address]);
}

#[test]
fn who_could_not_renew_is_passed_over() {
    let mut net = Consortium::new();
    let cron = cron(&mut net);
    let (fallen, _) = lasting(&mut net, "fallen", 60);
    let (operator, end) = lasting(&mut net, "op", 60);
    let crl = crl_against(&mut net, "bank-a", &fallen);
    net.one(&cron.sign(&Say::registry(&crl)));
    net.time_secs = end - 29 * DAY;
    assert_nothing_due(&mut net, &cron, &[fallen.address]);
    let receipt = net.one(&cron.sign(&remind(&[fallen.address, operator.address])));
    assert_eq!(raised(&receipt).len(), 1);
}

#[test]
fn strangers_unknown_accounts_too_many_and_none_are_refused() {
    let mut net = Consortium::new();
    let cron = cron(&mut net);
    let stranger = net.stranger("bank-a", Role::Operator, "stranger");
    let receipt = net.try_one(&cron.sign(&remind(&[cron.address, stranger.address])));
    let unknown = registry::NotEnrolled::abi_decode(&receipt.output).unwrap();
    assert_eq!(unknown.account, stranger.address);
    let many: Vec<Address> = (0..101).map(Address::repeat_byte).collect();
    let receipt = net.try_one(&cron.sign(&remind(&many)));
    let refused = registry::TooManyAccounts::abi_decode(&receipt.output).unwrap();
    assert_eq!((refused.accounts, refused.limit), (U256::from(101), U256::from(100)));
    assert_nothing_due(&mut net, &cron, &[]);
    let outcome = net.ask_raw(IDENTITY_REGISTRY, &registry::renewalCall { account: stranger.address });
    assert!(registry::NotEnrolled::abi_decode(&outcome.output).is_ok());
}

#[test]
fn each_account_is_paid_for_before_it_is_read() {
    let mut net = Consortium::new();
    let cron = cron(&mut net);
    let (operator, end) = lasting(&mut net, "op", 60);
    net.time_secs = end - 29 * DAY;
    let (reads, write_and_event) = (8 * 2_100, 22_100 + 4_000);
    let short = net.try_one(&cron.sign(&remind(&[operator.address]).gas(21_000 + 2_000 + reads)));
    assert_eq!(short.outcome, Outcome::Halted);
    let one = net.one(&cron.sign(&remind(&[operator.address]))).gas_used;
    let least = 21_000 + 2_000 + reads + write_and_event;
    assert!((least..least + 2_000).contains(&one), "{one}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Whoever brings the account, however often and whenever: each step is raised at most once, within its days.
    #[test]
    fn no_step_is_raised_twice_whatever_time_does(hours in prop::collection::vec(0u64..240, 1..16)) {
        let mut net = Consortium::new();
        let cron = cron(&mut net);
        let (operator, end) = lasting(&mut net, "op", 45);
        let mut last = u64::MAX;
        for jump in hours {
            net.time_secs += jump * 3_600;
            let left = end.checked_sub(net.time_secs);
            let receipt = net.try_one(&cron.sign(&remind(&[operator.address])));
            let step = left.and_then(|left| [1, 7, 30].into_iter().find(|days| left <= days * DAY));
            let expected = step.filter(|step| *step < last);
            prop_assert_eq!(receipt.outcome.succeeded(), expected.is_some());
            prop_assert_eq!(raised(&receipt).len(), usize::from(expected.is_some()));
            last = expected.unwrap_or(last);
        }
    }
}
