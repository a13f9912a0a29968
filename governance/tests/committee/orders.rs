//! Orders of regulators: who imposes, confirms, releases and answers which, and when they end by themselves.

mod model;

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};
use concordat_governance::{
    Action, Kind, Refusal,
    action::{Basis, Scope},
    order::{Measure, Status, Target, Terms, decide_anchor},
    regulator::{Mandate, Power, RegulatorFacts},
};
use concordat_types::Role;

use crate::kit::*;

/// How long an order binds by itself in these worlds.
const LAPSE: u64 = 100;

/// All powers that orders take.
const POWERS: [Power; 3] = [Power::FreezeAccounts, Power::FreezeContracts, Power::DemandCorrection];

/// Four banks; the first three vouch for a registered regulator each, the first for a second one as well.
pub(super) fn world() -> World {
    let mut world = World::of_banks(4);
    world.rules.get_mut(&Kind::ConfirmOrder).unwrap().lapse_blocks = LAPSE;
    for index in 0..3 {
        world.enrol(index, Role::Regulator);
        register(&mut world, regulator_of(index), index, mandate(&POWERS, 0));
    }
    let colleague = Account { organisation: org(0), role: Role::Regulator, expired: false, revoked: false };
    world.accounts.insert(colleague_of_first(), colleague);
    register(&mut world, colleague_of_first(), 0, mandate(&POWERS, 0));
    world
}

fn register(world: &mut World, account: Address, index: u8, mandate: Mandate) {
    world.regulators.insert(account, RegulatorFacts { organisation: org(index), mandate });
}

pub(super) fn regulator_of(index: u8) -> Address {
    account(index, Role::Regulator)
}

pub(super) fn colleague_of_first() -> Address {
    spare(0, Role::Regulator, 0x55)
}

pub(super) fn terms(measure: Measure, account: Address) -> Terms {
    Terms { measure, target: Target::Account(account), basis: basis(), until: 0 }
}

fn freeze() -> Terms {
    terms(Measure::FreezeAll, operator(3))
}

fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> u16 {
    result.unwrap_err().code()
}

fn status(world: &mut World, id: u64) -> Status {
    let height = world.height;
    world.known_order(id).status(height)
}

#[test]
fn an_order_binds_at_once_and_lapses_by_itself() {
    let mut world = world();
    let id = world.order(regulator(), freeze()).unwrap();
    assert_eq!(status(&mut world, id), Status::Provisional);
    assert!(world.is_shut_out(&operator(3)));
    world.height += LAPSE;
    assert!(world.is_shut_out(&operator(3)), "through the last block");
    world.height += 1;
    assert_eq!(status(&mut world, id), Status::Lapsed);
    assert!(!world.is_shut_out(&operator(3)));
    assert_eq!(code(world.confirm_order(regulator_of(1), id)), 137, "too late");
    assert_eq!(code(world.release_order(regulator(), id)), 137, "nothing to release");
}

#[test]
fn a_second_regulator_of_another_organisation_confirms_and_nobody_its_own() {
    let mut world = world();
    let id = world.order(regulator(), freeze()).unwrap();
    assert_eq!(code(world.confirm_order(regulator(), id)), 138);
    assert_eq!(code(world.confirm_order(colleague_of_first(), id)), 139);
    assert_eq!(code(world.confirm_order(operator(1), id)), 17);
    assert_eq!(code(world.confirm_order_as(regulator_of(1), id, B256::ZERO)), 140);
    world.height += LAPSE;
    world.confirm_order(regulator_of(1), id).unwrap();
    assert_eq!(code(world.confirm_order(regulator_of(2), id)), 137, "confirmed already");
    world.height += 1_000_000;
    assert_eq!(status(&mut world, id), Status::Confirmed);
}

#[test]
fn where_no_other_organisation_supervises_the_same_a_colleague_confirms() {
    let mut world = world();
    let elsewhere = Mandate { organisations: Some(BTreeSet::from([org(0)])), ..mandate(&POWERS, 0) };
    register(&mut world, regulator_of(1), 1, elsewhere);
    register(&mut world, regulator_of(2), 2, mandate(&[Power::Observe], 0));
    let id = world.order(regulator(), freeze()).unwrap();
    assert_eq!(code(world.confirm_order(regulator_of(1), id)), 132, "another supervisor's");
    assert_eq!(code(world.confirm_order(regulator_of(2), id)), 49, "without the power");
    assert_eq!(code(world.confirm_order(regulator(), id)), 138);
    world.confirm_order(colleague_of_first(), id).unwrap();
}

#[test]
fn only_a_registered_regulator_in_good_standing_with_the_power_orders() {
    let mut world = world();
    for sender in [operator(0), member(0), account(0, Role::Registrar)] {
        assert_eq!(code(world.order(sender, freeze())), 17);
    }
    world.enrol(3, Role::Regulator);
    assert_eq!(code(world.order(regulator_of(3), freeze())), 45, "the role alone orders nothing");
    register(&mut world, regulator_of(1), 1, mandate(&[Power::FreezeContracts], 0));
    assert_eq!(code(world.order(regulator_of(1), freeze())), 49);
    register(&mut world, regulator_of(1), 1, mandate(&POWERS, 5));
    world.height = 6;
    assert_eq!(code(world.order(regulator_of(1), freeze())), 49, "its mandate is over");
    world.accounts.get_mut(&regulator_of(2)).unwrap().revoked = true;
    assert_eq!(code(world.order(regulator_of(2), freeze())), 3);
}

#[test]
fn a_mandate_covers_accounts_by_their_organisation_and_dealings_also_by_the_contract() {
    let mut world = world();
    let of_contract = Mandate {
        organisations: Some(BTreeSet::new()),
        contracts: Some(BTreeSet::from([contract(0)])),
        ..mandate(&POWERS, 0)
    };
    register(&mut world, regulator_of(1), 1, of_contract);
    let by = regulator_of(1);
    assert_eq!(code(world.order(by, freeze())), 132);
    assert_eq!(code(world.order(by, terms(Measure::FreezeToken(contract(1)), operator(3)))), 132);
    world.order(by, terms(Measure::FreezeToken(contract(0)), operator(3))).unwrap();
    let halt = |address| Terms { target: Target::Contract(address), ..terms(Measure::Halt, address) };
    assert_eq!(code(world.order(by, halt(contract(1)))), 132);
    world.order(by, halt(contract(0))).unwrap();
    let demand = Terms { target: Target::Organisation(org(3)), until: 50, ..terms(Measure::Demand, by) };
    assert_eq!(code(world.order(by, demand)), 132);
}

#[test]
fn no_order_is_about_the_issuer_a_regulator_a_vote_the_chain_itself_or_nobody() {
    let mut world = world();
    let by = regulator();
    assert_eq!(code(world.order(by, terms(Measure::FreezeOutgoing, by))), 133);
    assert_eq!(code(world.order(by, terms(Measure::FreezeOutgoing, regulator_of(1)))), 133);
    for measure in [Measure::FreezeAll, Measure::Blacklist] {
        assert_eq!(code(world.order(by, terms(measure, member(1)))), 64, "{measure}");
    }
    world.order(by, terms(Measure::FreezeOutgoing, member(1))).unwrap();
    assert_eq!(code(world.order(by, terms(Measure::FreezeAll, Address::ZERO))), 50);
    let chain = system_contract();
    assert_eq!(code(world.order(by, terms(Measure::FreezeContract(chain), operator(3)))), 81);
    assert_eq!(code(world.order(by, terms(Measure::FreezeToken(Address::ZERO), operator(3)))), 80);
    let halt = Terms { target: Target::Contract(chain), ..terms(Measure::Halt, by) };
    assert_eq!(code(world.order(by, halt)), 81);
    let over = Terms { until: world.height, ..freeze() };
    assert_eq!(code(world.order(by, over)), 131);
    let nameless = Terms { basis: Basis { reference: String::new(), ..basis() }, ..freeze() };
    assert_eq!(code(world.order(by, nameless)), 6);
}

#[test]
fn what_lapsed_or_was_released_is_not_imposed_again_at_once_by_anybody() {
    let mut world = world();
    world.order(regulator(), freeze()).unwrap();
    assert_eq!(code(world.order(regulator_of(1), freeze())), 134, "it binds already");
    world.height += LAPSE + 1;
    for measure in [Measure::FreezeAll, Measure::FreezeOutgoing, Measure::Blacklist] {
        assert_eq!(code(world.order(regulator_of(1), terms(measure, operator(3)))), 135, "{measure}");
    }
    let token = terms(Measure::FreezeToken(contract(0)), operator(3));
    assert_eq!(code(world.order(regulator_of(1), token)), 135, "nor one contract after the other");
    world.height += LAPSE;
    let id = world.order(regulator_of(1), freeze()).unwrap();
    world.release_order(regulator_of(1), id).unwrap();
    assert_eq!(code(world.order(regulator(), freeze())), 135);
    world.height += LAPSE + 1;
    world.order(regulator(), freeze()).unwrap();
}

#[test]
fn a_correction_by_its_issuer_supersedes_a_provisional_order_and_gains_no_time() {
    let mut world = world();
    let first = world.order(regulator(), freeze()).unwrap();
    let lapses = world.known_order(first).lapses;
    world.height += 10;
    assert_eq!(code(world.order(regulator_of(1), terms(Measure::FreezeOutgoing, operator(3)))), 134);
    let second = world.order(regulator(), terms(Measure::FreezeOutgoing, operator(3))).unwrap();
    assert_eq!(status(&mut world, first), Status::Superseded);
    assert_eq!((world.known_order(second).lapses, world.known_order(second).before), (lapses, first));
    assert!(!world.is_shut_out(&operator(3)));
    assert_eq!(code(world.order(regulator(), terms(Measure::FreezeOutgoing, operator(3)))), 134, "the same");
    world.confirm_order(regulator_of(1), second).unwrap();
    let third = world.order(regulator(), freeze()).unwrap();
    assert_eq!(status(&mut world, second), Status::Confirmed, "what was confirmed stays beside it");
    assert!(world.known_order(third).lapses > lapses);
}

#[test]
fn who_imposed_releases_and_another_only_once_its_mandate_is_over() {
    let mut world = world();
    let id = world.order(regulator(), freeze()).unwrap();
    world.confirm_order(regulator_of(1), id).unwrap();
    for other in [regulator_of(1), colleague_of_first()] {
        assert_eq!(code(world.release_order(other, id)), 141);
    }
    assert_eq!(code(world.release_order(operator(3), id)), 17);
    register(&mut world, regulator(), 0, mandate(&POWERS, 1));
    world.height = 2;
    let mut abandoned = world.clone();
    abandoned.release_order(regulator_of(1), id).unwrap();
    world.release_order(regulator(), id).unwrap();
    assert_eq!(status(&mut world, id), Status::Released);
    assert!(!world.is_shut_out(&operator(3)));
}

#[test]
fn the_committee_confirms_and_lifts_and_its_own_freeze_stays() {
    let mut world = world();
    let id = world.order(regulator(), freeze()).unwrap();
    let frozen = Action::FreezeAccount { account: operator(3), scope: Scope::All, basis: basis(), until: 0 };
    passes(&mut world, &frozen);
    passes(&mut world, &Action::ConfirmOrder { order: id, basis: basis() });
    world.height += 10 * LAPSE;
    assert_eq!(status(&mut world, id), Status::Confirmed);
    assert_eq!(refused(&mut world, &Action::ConfirmOrder { order: id, basis: basis() }).0, 137);
    passes(&mut world, &Action::LiftOrder { order: id, basis: basis() });
    assert_eq!(status(&mut world, id), Status::Released);
    assert!(world.freezes.contains_key(&operator(3)), "each lifts what it imposed");
    assert_eq!(refused(&mut world, &Action::LiftOrder { order: id, basis: basis() }).0, 137);
    let (code, words) = refused(&mut world, &Action::LiftOrder { order: 9, basis: basis() });
    assert_eq!((code, words.as_str()), (130, "there is no order 9"));
}

#[test]
fn a_vote_on_lifting_stands_whether_the_order_is_confirmed_meanwhile_or_not() {
    let mut world = world();
    let id = world.order(regulator(), freeze()).unwrap();
    let proposal = carried(&mut world, &Action::LiftOrder { order: id, basis: basis() });
    world.confirm_order(regulator_of(1), id).unwrap();
    world.height = world.proposal(proposal).earliest;
    assert_eq!(world.execute(proposal), Ok("executed"));
}

#[test]
fn a_demand_is_answered_by_whom_it_is_addressed_to_also_when_it_is_overdue() {
    let mut world = world();
    let to = |target, until| Terms { target, until, ..terms(Measure::Demand, Address::ZERO) };
    assert_eq!(code(world.order(regulator(), to(Target::Organisation(org(1)), 0))), 131, "due by then");
    let id = world.order(regulator(), to(Target::Organisation(org(1)), 50)).unwrap();
    let beside = world.order(regulator(), to(Target::Organisation(org(1)), 50)).unwrap();
    world.confirm_order(regulator_of(1), id).unwrap();
    assert_eq!(code(world.answer_order(account(2, Role::Registrar), id)), 143);
    assert_eq!(code(world.answer_order(operator(1), id)), 143);
    world.height = 51;
    assert_eq!(status(&mut world, id), Status::Over);
    world.answer_order(account(1, Role::Registrar), id).unwrap();
    assert_eq!(status(&mut world, id), Status::Answered);
    assert_eq!(code(world.answer_order(account(1, Role::Registrar), beside)), 137, "it lapsed");
    world.contracts.get_mut(&contract(0)).unwrap().administrator = Some(operator(2));
    let of = world.order(regulator(), to(Target::Contract(contract(0)), 500)).unwrap();
    assert_eq!(code(world.answer_order(account(1, Role::Registrar), of)), 143);
    world.answer_order(account(2, Role::Registrar), of).unwrap();
    let freezing = world.order(regulator(), freeze()).unwrap();
    assert_eq!(code(world.answer_order(account(3, Role::Registrar), freezing)), 142);
}

#[test]
fn an_order_on_a_key_that_was_recovered_binds_the_identity() {
    let mut world = world();
    let new = spare(3, Role::Operator, 0x77);
    let recover =
        Action::RecoverKey { account: operator(3), chain: path(3, Role::Operator, new), basis: basis() };
    passes(&mut world, &recover);
    let id = world.order(regulator(), terms(Measure::FreezeAll, new)).unwrap();
    assert_eq!(world.known_order(id).terms.target, Target::Account(operator(3)));
    assert_eq!(code(world.order(regulator_of(1), freeze())), 134, "by either name");
}

#[test]
fn only_so_many_orders_bind_an_account() {
    let mut world = world();
    for index in 0..16 {
        let token = Address::repeat_byte(index + 1);
        world.contracts.insert(token, Default::default());
        world.order(regulator(), terms(Measure::FreezeToken(token), operator(3))).unwrap();
    }
    assert_eq!(code(world.order(regulator(), freeze())), 136);
    world.release_order(regulator(), 1).unwrap();
    world.order(regulator(), freeze()).unwrap();
}

#[test]
fn who_reads_for_a_supervisor_anchors_its_log_which_only_grows() {
    let mut world = world();
    world.enrol(0, Role::Auditor);
    world.enrol(3, Role::Auditor);
    let mut anchor = |sender, count| decide_anchor(&mut world, sender, count).map_err(refusal);
    assert_eq!(anchor(regulator_of(1), 5), Ok(org(1)));
    assert_eq!(anchor(account(0, Role::Auditor), 5), Ok(org(0)));
    assert_eq!(code(anchor(account(3, Role::Auditor), 5)), 148, "no regulator is of its organisation");
    assert_eq!(code(anchor(operator(0), 5)), 148);
    world.anchors.insert(org(0), 5);
    assert_eq!(code(decide_anchor(&mut world, regulator(), 5).map_err(refusal)), 147);
    assert_eq!(decide_anchor(&mut world, regulator(), 6).map_err(refusal), Ok(org(0)));
}
