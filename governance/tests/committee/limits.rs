//! Run-time rules by vote.

use alloy_primitives::{B256, Bytes};
use concordat_governance::{Choice, Kind, Refusal, Rule, Status, effect::Change, facts::LimitFacts};

use crate::kit::*;

const YES: Choice = Choice::Yes;

fn invalid(id: &str, reason: &str) -> Refusal {
    Refusal::LimitInvalid { id: id.into(), reason: reason.into() }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[test]
fn a_rule_is_set_changed_and_repealed() {
    let mut world = World::of_banks(4);
    let change = |before: Option<&str>, after: Option<&str>| Change::Limit {
        id: "daily".into(),
        before: before.map(bytes),
        after: after.map(bytes),
    };
    for (number, (action, before, after)) in (1..).zip([
        (set_limit("daily", "one"), None, Some("one")),
        (set_limit("daily", "two"), Some("one"), Some("two")),
        (repeal_limit("daily"), Some("two"), None),
        (set_limit("daily", "two"), None, Some("two")),
    ]) {
        let effect = world.resolve(&action).unwrap();
        assert_eq!((effect.kind, effect.quorum), (action.kind(), None));
        assert_eq!(effect.changes, [change(before, after)]);
        assert_eq!(world.pass(&action, &everybody()), Ok("executed"));
        let set = after.map(|text| LimitFacts { limit: bytes(text), proposal: number });
        assert_eq!(world.limits.get("daily"), set.as_ref());
    }
}

#[test]
fn what_is_no_rule_is_refused_with_the_reason() {
    let mut world = World::of_banks(4);
    let refused = world.propose(member(0), &set_limit("daily", "bad")).unwrap_err();
    assert_eq!((refused.code(), &refused), (76, &invalid("daily", "rule daily is bad; write a good one")));
    assert_eq!(
        refused.to_string(),
        "the rules that would result with daily changed do not hold: rule daily is bad; write a good one"
    );
    assert!(world.proposals.is_empty());
}

#[test]
fn what_is_not_in_force_cannot_be_repealed() {
    let mut world = World::of_banks(4);
    let refused = world.propose(member(0), &repeal_limit("daily")).unwrap_err();
    assert_eq!((refused.code(), &refused), (77, &Refusal::LimitUnknown { id: "daily".into() }));
    assert_eq!(refused.to_string(), "there is no rule daily in force");
}

#[test]
fn the_same_rule_changes_nothing() {
    let mut world = World::of_banks(4);
    world.pass(&set_limit("daily", "one"), &everybody()).unwrap();
    assert_eq!(world.resolve(&set_limit("daily", "one")), Err(Refusal::NothingChanges));
    assert!(world.resolve(&set_limit("daily", "one ")).is_ok(), "every byte counts");
    assert!(world.resolve(&set_limit("hourly", "one")).is_ok(), "under its own id");
}

#[test]
fn ids_and_rules_that_are_none_open_nothing() {
    let mut world = World::of_banks(4);
    for action in [set_limit("Daily", "one"), set_limit("daily", ""), repeal_limit("x")] {
        assert_eq!(world.propose(member(0), &action).unwrap_err().code(), 6);
        assert_eq!(world.resolve(&action).unwrap_err().code(), 6);
    }
}

#[test]
fn a_rule_too_many_fails_when_its_time_comes() {
    let mut world = World::of_banks(4);
    let ids: Vec<u64> = ["ab", "cd", "ef"].map(|id| carried(&mut world, &set_limit(id, "one"))).into();
    world.height = world.proposal(ids[0]).earliest;
    assert_eq!(world.execute(ids[0]), Ok("executed"));
    assert_eq!(world.execute(ids[1]), Ok("executed"));
    assert_eq!(world.execute(ids[2]), Ok("failed"));
    let Status::Failed { code: 76, reason } = &world.proposal(ids[2]).status else { panic!() };
    assert!(reason.ends_with("3 rules would be in force"), "{reason}");
}

#[test]
fn of_two_that_change_one_rule_the_second_is_void_and_of_two_repeals_it_fails() {
    let mut world = World::of_banks(4);
    let ids: Vec<u64> = ["one", "two"].map(|text| carried(&mut world, &set_limit("ab", text))).into();
    world.height = world.proposal(ids[0]).earliest;
    assert_eq!(world.execute(ids[0]), Ok("executed"));
    assert_eq!(world.execute(ids[1]), Ok("void"), "the rule that goes is another one");
    let ids: Vec<u64> = (0..2).map(|_| carried(&mut world, &repeal_limit("ab"))).collect();
    world.height = world.proposal(ids[0]).earliest;
    assert_eq!(world.execute(ids[0]), Ok("executed"));
    assert_eq!(world.execute(ids[1]), Ok("failed"));
    assert!(matches!(world.proposal(ids[1]).status, Status::Failed { code: 77, .. }));
}

#[test]
fn rules_at_run_time_follow_the_rule_of_rules() {
    for kind in [Kind::SetLimit, Kind::RepealLimit] {
        for organisations in [1, 2, 4] {
            assert_eq!(Rule::initial(kind, organisations), Rule::initial(Kind::SetRule, organisations));
        }
    }
    let mut world = World::of_banks(4);
    let action = set_limit("ab", "one");
    assert_eq!(world.pass(&action, &[member(0), member(1)]), Ok("rejected"));
    let id = carried(&mut world, &action);
    let earliest = world.height + world.rules[&Kind::SetLimit].timelock_blocks;
    assert_eq!(world.execute(id), Err(Refusal::TooEarly { id, earliest, height: world.height }));
    assert_eq!(world.veto(regulator(), id), Err(Refusal::NoVeto { kind: Kind::SetLimit }));
}

#[test]
fn a_ballot_binds_every_byte_of_a_rule() {
    let mut world = World::of_banks(4);
    let id = world.propose(member(0), &set_limit("ab", "one")).unwrap();
    let other = world.resolve(&set_limit("ab", "one ")).unwrap().digest();
    let (have, presented): (B256, B256) = (world.proposal(id).digest, other);
    assert_eq!(
        world.vote_for(member(1), id, YES, presented),
        Err(Refusal::OtherEffect { id, have, presented })
    );
}
