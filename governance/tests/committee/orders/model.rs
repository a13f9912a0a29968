//! Random sequences of orders, confirmations, releases and votes over time, against what must hold whatever happens.

use std::collections::BTreeMap;

use concordat_governance::{
    Action,
    action::Scope,
    order::{By, How, Lineage, Measure, Order, Status},
};

use super::{colleague_of_first, regulator_of, terms, world};
use crate::kit::*;

const SEQUENCES: u64 = 2_000;
const ACTS: u64 = 40;

/// Reproducible numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % count
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// One act of somebody, whatever comes of it.
fn act(world: &mut World, random: &mut Random) {
    let regulators = [regulator(), regulator_of(1), regulator_of(2), colleague_of_first()];
    let by = random.pick(&regulators);
    let id = random.below(world.orders.len() as u64 + 1).max(1);
    let known = id <= world.orders.len() as u64;
    match random.below(10) {
        0..=2 => {
            let measures = [
                Measure::FreezeAll,
                Measure::FreezeOutgoing,
                Measure::Blacklist,
                Measure::FreezeToken(contract(0)),
                Measure::FreezeContract(contract(0)),
            ];
            let until = random.pick(&[0, 0, world.height + 5, world.height + 300]);
            let account = operator(u8::try_from(random.below(2)).unwrap());
            let mut terms = terms(random.pick(&measures), account);
            terms.until = until;
            drop(world.order(by, terms));
        }
        3 | 4 if known => drop(world.confirm_order(by, id)),
        5 if known => drop(world.release_order(by, id)),
        6 if known => drop(world.pass(&Action::ConfirmOrder { order: id, basis: basis() }, &everybody())),
        7 if known => drop(world.pass(&Action::LiftOrder { order: id, basis: basis() }, &everybody())),
        8 => {
            let (account, scope) = (operator(0), Scope::All);
            let freeze = Action::FreezeAccount { account, scope, basis: basis(), until: 0 };
            drop(world.pass(&freeze, &everybody()));
        }
        _ => world.height += random.pick(&[1, 7, 99, 100, 101]),
    }
}

/// What holds of each order, however it came to be what it is.
fn check(order: &Order, seed: u64) {
    let confirmed = order.confirmed;
    if let Some(mark) = confirmed {
        assert_ne!(mark.by, By::Identity(order.issuer), "seed {seed}: order {} by itself", order.id);
        assert!(mark.height <= order.lapses, "seed {seed}: order {} was confirmed too late", order.id);
    } else {
        let past = order.lapses + 1;
        assert!(!order.binds(past), "seed {seed}: order {} binds without a confirmation", order.id);
    }
    let released_by_other = order.ended.as_ref().is_some_and(|ended| {
        ended.how == How::Released && matches!(ended.mark.by, By::Identity(by) if by != order.issuer)
    });
    assert!(!released_by_other, "seed {seed}: order {} was released by another regulator", order.id);
}

/// Two different judges never decide about one order twice: once an end is there, it stays.
fn check_ends(before: &[Order], after: &[Order], seed: u64) {
    for (old, new) in before.iter().zip(after) {
        assert_eq!(old.terms, new.terms, "seed {seed}: what was ordered never changes");
        assert_eq!((old.issuer, old.lapses), (new.issuer, new.lapses), "seed {seed}");
        assert!(old.confirmed.is_none() || old.confirmed == new.confirmed, "seed {seed}: two confirmations");
        assert!(old.ended.is_none() || old.ended == new.ended, "seed {seed}: two ends");
    }
}

/// No two orders that nobody has confirmed bind within one lineage; and after one that lapsed, none binds for as long.
fn check_lineages(world: &World, seed: u64) {
    let mut provisional: BTreeMap<Lineage, u64> = BTreeMap::new();
    let open = world.orders.iter().filter(|order| order.status(world.height) == Status::Provisional);
    for order in open {
        let lineage = order.terms.lineage().unwrap();
        let other = provisional.insert(lineage, order.id);
        assert_eq!(other, None, "seed {seed}: two provisional orders on {lineage:?}");
    }
    for (place, order) in world.orders.iter().enumerate() {
        let lineage = order.terms.lineage();
        let before = world.orders[..place].iter().rev().find(|other| other.terms.lineage() == lineage);
        let Some(lapsed) = before.filter(|other| other.status(order.issued) == Status::Lapsed) else {
            continue;
        };
        let ended = lapsed.last_height().unwrap();
        assert!(order.issued > ended + super::LAPSE, "seed {seed}: order {} came too soon", order.id);
    }
}

#[test]
fn whatever_two_regulators_and_the_committee_do_nobody_judges_its_own_case_or_twice() {
    for seed in 0..SEQUENCES {
        let (mut world, mut random) = (world(), Random(seed));
        let mut frozen = false;
        for _ in 0..ACTS {
            let before = world.orders.clone();
            act(&mut world, &mut random);
            world.orders.iter().for_each(|order| check(order, seed));
            check_ends(&before, &world.orders, seed);
            check_lineages(&world, seed);
            let stays = world.freezes.contains_key(&operator(0));
            assert!(stays || !frozen, "seed {seed}: an order took the committee's freeze away");
            frozen = stays;
        }
    }
}
