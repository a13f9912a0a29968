//! Policies by vote.

use alloy_primitives::B256;
use concordat_governance::{
    Action, Choice, Kind, Proposal, Refusal, Rule, Status, effect::Change, facts::PolicyFacts,
    proposal::MAX_REASON_BYTES,
};

use crate::kit::*;

const YES: Choice = Choice::Yes;

fn invalid(id: &str, reason: &str) -> Refusal {
    Refusal::PolicyInvalid { id: id.into(), reason: reason.into() }
}

#[test]
fn a_policy_is_enacted_changed_and_repealed() {
    let mut world = World::of_banks(4);
    let change = |before: Option<&str>, after: Option<&str>| Change::Policy {
        id: "office-hours".into(),
        before: before.map(Into::into),
        after: after.map(Into::into),
    };
    for (number, (action, before, after)) in (1..).zip([
        (set_policy("office-hours", "one"), None, Some("one")),
        (set_policy("office-hours", "two"), Some("one"), Some("two")),
        (repeal_policy("office-hours"), Some("two"), None),
        (set_policy("office-hours", "two"), None, Some("two")),
    ]) {
        let effect = world.resolve(&action).unwrap();
        assert_eq!((effect.kind, effect.quorum), (action.kind(), None));
        assert_eq!(effect.changes, [change(before, after)]);
        assert_eq!(world.pass(&action, &everybody()), Ok("executed"));
        let enacted = after.map(|text| PolicyFacts { text: text.into(), proposal: number });
        assert_eq!(world.policies.get("office-hours"), enacted.as_ref());
    }
}

#[test]
fn what_the_engine_refuses_is_refused_with_its_reason() {
    let mut world = World::of_banks(4);
    let reason = "policy office-hours, line 1: unexpected token: write a good one";
    let refused = world.propose(member(0), &set_policy("office-hours", "bad")).unwrap_err();
    assert_eq!((refused.code(), &refused), (70, &invalid("office-hours", reason)));
    assert_eq!(
        refused.to_string(),
        format!("the policies that would result with office-hours changed do not hold: {reason}")
    );
    assert!(world.proposals.is_empty());
    assert_eq!(
        world.resolve(&set_policy("office-hours", "on the keystone")),
        Err(invalid("office-hours", "the keystone is missing"))
    );
}

#[test]
fn a_repeal_is_judged_by_the_engine_too() {
    let mut world = World::of_banks(4);
    for action in [set_policy("keystone", "one"), set_policy("office-hours", "on the keystone")] {
        assert_eq!(world.pass(&action, &everybody()), Ok("executed"));
    }
    let refused = world.propose(member(0), &repeal_policy("keystone"));
    assert_eq!(refused, Err(invalid("keystone", "the keystone is missing")));
    assert_eq!(world.pass(&repeal_policy("office-hours"), &everybody()), Ok("executed"));
    assert_eq!(world.pass(&repeal_policy("keystone"), &everybody()), Ok("executed"));
    assert!(world.policies.is_empty());
}

#[test]
fn what_no_proposal_enacted_cannot_be_repealed() {
    let mut world = World::of_banks(4);
    let refused = world.propose(member(0), &repeal_policy("exclusive-roles")).unwrap_err();
    assert_eq!((refused.code(), &refused), (71, &Refusal::PolicyUnknown { id: "exclusive-roles".into() }));
    assert_eq!(
        refused.to_string(),
        "no policy exclusive-roles is enacted; those of the catalogue cannot be repealed"
    );
}

#[test]
fn the_same_text_changes_nothing() {
    let mut world = World::of_banks(4);
    world.pass(&set_policy("office-hours", "one"), &everybody()).unwrap();
    assert_eq!(world.resolve(&set_policy("office-hours", "one")), Err(Refusal::NothingChanges));
    assert!(world.resolve(&set_policy("office-hours", "one ")).is_ok(), "every byte counts");
    assert!(world.resolve(&set_policy("treasury", "one")).is_ok(), "under its own id");
}

#[test]
fn ids_and_texts_that_are_none_open_nothing() {
    let mut world = World::of_banks(4);
    for action in [set_policy("Office", "one"), set_policy("office", ""), repeal_policy("x")] {
        assert_eq!(world.propose(member(0), &action).unwrap_err().code(), 6);
        assert_eq!(world.resolve(&action).unwrap_err().code(), 6);
    }
}

#[test]
fn a_policy_that_no_longer_fits_when_its_time_comes_fails() {
    let mut world = World::of_banks(4);
    let ids: Vec<u64> = ["ab", "cd", "ef"].map(|id| carried(&mut world, &set_policy(id, "one"))).into();
    world.height = world.proposal(ids[0]).earliest;
    assert_eq!(world.execute(ids[0]), Ok("executed"));
    assert_eq!(world.execute(ids[1]), Ok("executed"));
    assert_eq!(world.execute(ids[2]), Ok("failed"));
    let Status::Failed { code: 70, reason } = &world.proposal(ids[2]).status else { panic!() };
    assert!(reason.ends_with("3 policies would be enacted"), "{reason}");
}

#[test]
fn of_two_that_change_one_policy_the_second_is_void() {
    let mut world = World::of_banks(4);
    let ids: Vec<u64> = ["one", "two"].map(|text| carried(&mut world, &set_policy("ab", text))).into();
    world.height = world.proposal(ids[0]).earliest;
    assert_eq!(world.execute(ids[0]), Ok("executed"));
    assert_eq!(world.execute(ids[1]), Ok("void"), "the text that goes is another one");
    assert_eq!(world.policies["ab"].text, "one");
}

#[test]
fn of_two_repeals_the_second_fails() {
    let mut world = World::of_banks(4);
    world.pass(&set_policy("ab", "one"), &everybody()).unwrap();
    let ids: Vec<u64> = (0..2).map(|_| carried(&mut world, &repeal_policy("ab"))).collect();
    world.height = world.proposal(ids[0]).earliest;
    assert_eq!(world.execute(ids[0]), Ok("executed"));
    assert_eq!(world.execute(ids[1]), Ok("failed"));
    assert!(matches!(world.proposal(ids[1]).status, Status::Failed { code: 71, .. }));
}

#[test]
fn policies_follow_the_rule_of_rules() {
    for kind in [Kind::SetPolicy, Kind::RepealPolicy] {
        for organisations in [1, 2, 4] {
            assert_eq!(Rule::initial(kind, organisations), Rule::initial(Kind::SetRule, organisations));
        }
    }
    let mut world = World::of_banks(4);
    let action = set_policy("ab", "one");
    assert_eq!(world.pass(&action, &[member(0), member(1)]), Ok("rejected"));
    let id = carried(&mut world, &action);
    let earliest = world.height + world.rules[&Kind::SetPolicy].timelock_blocks;
    assert_eq!(world.execute(id), Err(Refusal::TooEarly { id, earliest, height: world.height }));
    assert_eq!(world.veto(regulator(), id), Err(Refusal::NoVeto { kind: Kind::SetPolicy }));
    assert_eq!(world.revoke(member(0), id), Ok(()));
    // Where the committee has given regulators a veto, they have one.
    let rule = Rule { veto: true, ..world.rules[&Kind::SetPolicy] };
    world.pass(&Action::SetRule { kind: Kind::SetPolicy, rule }, &everybody()).unwrap();
    let id = carried(&mut world, &action);
    assert_eq!(world.veto(regulator(), id), Ok(()));
}

#[test]
fn a_ballot_binds_every_byte_of_a_policy() {
    let mut world = World::of_banks(4);
    let id = world.propose(member(0), &set_policy("ab", "one")).unwrap();
    let other = world.resolve(&set_policy("ab", "one ")).unwrap().digest();
    let (have, presented): (B256, B256) = (world.proposal(id).digest, other);
    assert_eq!(
        world.vote_for(member(1), id, YES, presented),
        Err(Refusal::OtherEffect { id, have, presented })
    );
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let mut world = World::of_banks(4);
    let id = carried(&mut world, &set_policy("ab", "one"));
    world.height = world.proposal(id).earliest;
    world.engine_says = Some("é".repeat(10_000));
    assert_eq!(world.execute(id), Ok("failed"));
    let reason = world.proposal(id).status.reason().to_owned();
    assert!((MAX_REASON_BYTES - 1..=MAX_REASON_BYTES).contains(&reason.len()), "{}", reason.len());
    assert_eq!(Proposal::decode(&world.proposal(id).encode()).as_ref(), Some(world.proposal(id)));
}
