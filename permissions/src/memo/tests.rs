use concordat_types::OrgId;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::*;
use crate::{
    Context, ContractFacts, Principal,
    kit::{ATOMS, FACTS, Question, accepted, address, enacted, policy, question},
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    // 20,000 requests to each of three memos, one of which is far too small. Each request differs from the one before in
    // one fact, and comes twice, so that what is kept is found unless a policy sees that fact.
    #[test]
    fn a_memo_answers_as_its_set_does_also_after_the_set_changed(
        bodies in [prop::collection::vec(policy(), 0..6), prop::collection::vec(policy(), 0..6)],
        first in question(),
        steps in prop::collection::vec((question(), 0..FACTS, prop::bool::weighted(0.05)), 80),
    ) {
        let sets = bodies.map(|bodies| accepted(&bodies));
        let mut memos = [1, 16, 4_096].map(Memo::new);
        let (mut which, mut now) = (0, first);
        for (other, fact, change) in &steps {
            which ^= usize::from(*change);
            now.step(other, *fact);
            let request = now.request();
            let fresh = sets[which].decide(&request);
            for memo in &mut memos {
                prop_assert_eq!(&*memo.decide(&sets[which], &request), &fresh);
                prop_assert_eq!(&*memo.decide(&sets[which], &request), &fresh);
            }
        }
    }
}

/// Asks a memo of one policy about questions that differ from one another in one fact each.
fn walk(scope: &str, condition: &str, steps: &[(Question, usize)]) {
    let body = format!("forbid ({scope}) when {{ {condition} }};");
    let set = accepted(&[body]);
    for action in [Action::Call, Action::Read] {
        let mut memo = Memo::new(4_096);
        let mut now = steps[0].0.clone().on_contract(action);
        for (other, fact) in steps {
            now.step(&other.clone().on_contract(action), *fact);
            let request = now.request();
            assert_eq!(*memo.decide(&set, &request), set.decide(&request), "{scope} {condition} {request:?}");
        }
    }
}

#[test]
fn every_fact_that_a_policy_sees_is_told_apart() {
    let mut runner = TestRunner::deterministic();
    let step = (question(), 0..FACTS);
    let steps: Vec<_> = (0..1_500).map(|_| step.new_tree(&mut runner).unwrap().current()).collect();
    let scopes = [
        "principal, action in [Action::\"call\", Action::\"read\"], resource",
        "principal, action == Action::\"call\", resource",
        "principal == Account::\"0x0101010101010101010101010101010101010101\", action == Action::\"call\", resource",
        "principal in Organisation::\"bank-a\", action == Action::\"call\", resource",
        "principal in Role::\"auditor\", action == Action::\"read\", resource",
        "principal, action == Action::\"call\", resource in Organisation::\"bank-a\"",
        "principal, action == Action::\"call\", resource == Contract::\"0x0202020202020202020202020202020202020202\"",
    ];
    for scope in scopes {
        walk(scope, "context.internal || !context.internal", &steps);
    }
    for condition in ATOMS {
        walk(scopes[0], condition, &steps);
        walk(scopes[1], condition, &steps);
    }
}

fn kept(memo: &Memo) -> usize {
    memo.places.iter().flatten().flatten().count()
}

fn call(organisation: &OrgId, account: u8, time_secs: u64) -> Request<'_> {
    Request {
        principal: Principal { account: address(account), organisation, role: Role::Operator },
        action: Action::Call,
        resource: Resource::Contract(ContractFacts {
            address: address(account.wrapping_add(1)),
            organisation: Some(organisation),
            administrator: None,
            system: false,
        }),
        context: Context { time_secs, ..Context::default() },
    }
}

#[test]
fn facts_that_no_policy_sees_make_no_difference() {
    let set = PolicySet::new(&[]).unwrap();
    let (a, b): (OrgId, OrgId) = ("bank-a".parse().unwrap(), "bank-b".parse().unwrap());
    let mut memo = Memo::new(64);
    for account in 0..=255 {
        assert!(memo.decide(&set, &call(&a, account, u64::from(account))).allowed);
        assert!(memo.decide(&set, &call(&b, account, u64::from(account))).allowed);
    }
    assert_eq!(kept(&memo), 1, "the catalogue sees the role of an account that calls, and lists");
}

#[test]
fn what_depends_on_the_time_is_not_kept() {
    let body = "forbid (principal, action == Action::\"call\", resource == Contract::\
                \"0x0202020202020202020202020202020202020202\") when { context.time > datetime(\"2020-01-01\") };";
    let set = PolicySet::new(&[enacted("not-after", body)]).unwrap();
    let bank: OrgId = "bank-a".parse().unwrap();
    let mut memo = Memo::new(64);
    assert!(memo.decide(&set, &call(&bank, 1, 0)).allowed);
    assert_eq!(kept(&memo), 0);
    assert!(!memo.decide(&set, &call(&bank, 1, 1_800_000_000)).allowed);
    // The policy on the time is about another contract.
    assert!(memo.decide(&set, &call(&bank, 2, 1_800_000_000)).allowed);
    assert_eq!(kept(&memo), 1);
}

#[test]
fn a_memo_never_grows_and_its_size_is_a_power_of_two() {
    for (asked, has) in [(0, 4), (1, 4), (20, 32), (64, 64), (usize::MAX, MAX_SLOTS)] {
        assert_eq!(Memo::new(asked).places.as_flattened().len(), has);
    }
}

#[test]
fn another_set_forgets_everything() {
    let set = PolicySet::new(&[]).unwrap();
    let body = "forbid (principal, action == Action::\"call\", resource);";
    let closed = set.with(&[enacted("closed", body)]).unwrap();
    let bank: OrgId = "bank-a".parse().unwrap();
    let mut memo = Memo::new(64);
    assert!(memo.decide(&set, &call(&bank, 1, 0)).allowed);
    assert!(!memo.decide(&closed, &call(&bank, 1, 0)).allowed);
    assert!(memo.decide(&set, &call(&bank, 1, 0)).allowed);
    assert_eq!(kept(&memo), 1);
}
