//! Deployments are reviewed by named persons and approved by vote.

use alloy_primitives::Address;
use concordat_governance::{Action, Choice, Kind, Refusal, Rule, Status, action::Deployment, effect::Change};
use concordat_types::Role;

use crate::kit::*;

fn by(reviewers: &[Address]) -> Action {
    Action::DeployContract(deployment(reviewers, 1_000_000))
}

/// A proposal that everybody has voted for, at the height of its execution.
fn carried(world: &mut World, action: &Action) -> u64 {
    let id = world.propose(member(0), action).unwrap();
    everybody().iter().for_each(|voter| world.vote(*voter, id, Choice::Yes).unwrap());
    world.height = world.proposal(id).earliest;
    id
}

#[test]
fn a_deployment_that_all_reviewers_approve_is_approved() {
    let mut world = World::of_banks(4);
    let action = by(&[operator(0), operator(1)]);
    let Action::DeployContract(Deployment { code, deployer, until, .. }) = action else { panic!() };
    let effect = world.resolve(&action).unwrap();
    assert_eq!(effect.changes, [Change::Approval { code, deployer, before: None, after: Some(until) }]);
    let id = carried(&mut world, &action);
    world.reviews.extend([0, 1].map(|bank| ((id, operator(bank)), true)));
    assert_eq!(world.execute(id), Ok("executed"));
    assert_eq!(world.approvals.get(&(code, deployer)), Some(&until));
    assert_eq!(refused(&mut world, &action).0, 35);
    let longer = Action::DeployContract(deployment(&[operator(1)], until + 1));
    assert!(world.resolve(&longer).is_ok());
}

#[test]
fn without_a_review_nothing_is_decided_and_who_is_missing_is_named() {
    let mut world = World::of_banks(4);
    let id = carried(&mut world, &by(&[operator(0), operator(1), operator(2)]));
    world.reviews.insert((id, operator(1)), true);
    let mut missing = vec![operator(0), operator(2)];
    missing.sort();
    let refusal = Refusal::ReviewsMissing { id, missing: missing.clone() };
    assert_eq!(world.execute(id), Err(refusal.clone()));
    let words = format!("proposal 1 waits for reviews by {}, {}", missing[0], missing[1]);
    assert_eq!((refusal.code(), refusal.to_string()), (95, words));
    world.height += 1;
    missing.iter().for_each(|reviewer| assert_eq!(world.reviews.insert((id, *reviewer), true), None));
    assert_eq!(world.execute(id), Ok("executed"));
}

#[test]
fn one_objection_ends_the_proposal_also_where_others_have_not_said() {
    let mut world = World::of_banks(4);
    let id = carried(&mut world, &by(&[operator(0), operator(1), operator(2)]));
    world.reviews.insert((id, operator(1)), false);
    assert_eq!(world.execute(id), Ok("failed"));
    let Status::Failed { code, reason } = &world.proposal(id).status else { panic!() };
    assert_eq!(*code, 96);
    assert!(reason.starts_with(&format!("{} objects to proposal 1", operator(1))), "{reason}");
    assert!(world.approvals.is_empty());
}

#[test]
fn a_rejected_proposal_is_rejected_whatever_its_reviewers_say() {
    let mut world = World::of_banks(4);
    let id = world.propose(member(0), &by(&[operator(1)])).unwrap();
    world.height = world.proposal(id).earliest;
    assert_eq!(world.execute(id), Ok("rejected"));
}

#[test]
fn the_review_of_an_identity_stays_when_its_key_is_recovered() {
    let mut world = World::of_banks(4);
    let id = carried(&mut world, &by(&[operator(1)]));
    world.reviews.insert((id, operator(1)), true);
    let new = spare(1, Role::Operator, 100);
    world.identities.insert(new, operator(1));
    world.holders.insert(operator(1), new);
    let old = world.accounts.get_mut(&operator(1)).unwrap();
    old.revoked = true;
    let account = Account { revoked: false, ..old.clone() };
    world.accounts.insert(new, account);
    assert_eq!(world.execute(id), Ok("executed"));
}

#[test]
fn nobody_reviews_its_own_work_and_somebody_looks_from_outside() {
    let mut world = World::of_banks(4);
    let (code, words) = refused(&mut world, &by(&[operator(0)]));
    assert_eq!((code, words.contains("all reviewers are of bank-a")), (92, true), "{words}");
    let (code, words) = refused(&mut world, &by(&[developer(0), operator(1)]));
    assert_eq!((code, words.contains("name another reviewer")), (93, true), "{words}");
    let proposer = by(&[member(0), operator(1)]);
    assert!(world.resolve(&proposer).is_ok(), "who proposes it is not known then");
    assert_eq!(world.propose(member(0), &proposer), Err(Refusal::ReviewerConcerned { account: member(0) }));
    assert!(world.propose(member(1), &proposer).is_ok());
    // Two accounts of one identity are one reviewer.
    let new = spare(1, Role::Operator, 100);
    world.identities.insert(new, operator(1));
    world.holders.insert(operator(1), new);
    let account = world.accounts[&operator(1)].clone();
    world.accounts.insert(new, account);
    assert_eq!(refused(&mut world, &by(&[new, operator(1)])).0, 93);
}

#[test]
fn who_is_no_developer_in_good_standing_or_unknown_is_approved_for_nothing() {
    let mut world = World::of_banks(4);
    let deployer =
        |deployer| Action::DeployContract(Deployment { deployer, ..deployment(&[operator(2)], 1_000_000) });
    let (code, words) = refused(&mut world, &deployer(operator(0)));
    assert_eq!((code, words.ends_with("a deployment needs a developer")), (94, true), "{words}");
    let nobody = Address::repeat_byte(0xee);
    assert_eq!(refused(&mut world, &deployer(nobody)).0, 50);
    assert_eq!(refused(&mut world, &by(&[nobody, operator(1)])).0, 50);
    world.accounts.get_mut(&developer(0)).unwrap().expired = true;
    assert_eq!(refused(&mut world, &deployer(developer(0))).0, 3);
}

#[test]
fn an_approval_that_would_be_over_is_refused() {
    let mut world = World::of_banks(4);
    let until = |until| Action::DeployContract(deployment(&[operator(1)], until));
    let height = world.height;
    assert_eq!(refused(&mut world, &until(height)).0, 97);
    let id = carried(&mut world, &until(height + 1));
    world.reviews.insert((id, operator(1)), true);
    world.height = height + 1;
    assert_eq!(world.execute(id), Ok("failed"), "it was over before it was decided");
}

#[test]
fn approvals_are_required_and_no_longer_required_by_vote() {
    let mut world = World::of_banks(4);
    let require = |required| Action::RequireApproval { required };
    assert_eq!(refused(&mut world, &require(false)).0, 35);
    for required in [true, false] {
        let effect = world.resolve(&require(required)).unwrap();
        assert_eq!(effect.changes, [Change::ApprovalRule { before: !required, after: required }]);
        assert_eq!(world.pass(&require(required), &everybody()), Ok("executed"));
        assert_eq!(world.approval_required, required);
    }
    assert_eq!(Rule::initial(Kind::RequireApproval, 4), Rule::initial(Kind::SetDeployList, 4));
    assert_eq!(Rule::initial(Kind::DeployContract, 4), Rule::initial(Kind::AdmitValidator, 4));
}
