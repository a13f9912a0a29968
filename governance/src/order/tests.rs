//! Golden bytes of orders, and how they stand over time.

use alloy_primitives::{Address, B256};

use super::*;

fn order(measure: Measure, target: Target) -> Order {
    let basis = Basis { document: B256::repeat_byte(9), reference: "Order 7".into() };
    Order {
        id: 7,
        terms: Terms { measure, target, basis, until: 900 },
        issuer: Address::repeat_byte(2),
        organisation: "regulator-a".parse().unwrap(),
        issued: 3,
        lapses: 500,
        before: 4,
        confirmed: None,
        ended: None,
    }
}

fn freeze() -> Order {
    order(Measure::FreezeToken(Address::repeat_byte(5)), Target::Account(Address::repeat_byte(1)))
}

#[test]
fn orders_and_their_digests_are_golden() {
    let order = freeze();
    let (one, two, five) = (
        format!("94{}", "01".repeat(20)),
        format!("94{}", "02".repeat(20)),
        format!("94{}", "05".repeat(20)),
    );
    let basis = format!("e9a0{}874f726465722037", "09".repeat(32));
    let terms = format!("f85a04{five}d601{one}{basis}820384");
    let golden = format!("f88507{terms}{two}8b726567756c61746f722d61038201f404c0c0");
    assert_eq!(hex::encode(order.encode()), golden);
    assert_eq!(Order::decode(&order.encode()), Some(order.clone()));
    let by = Mark { by: By::Identity(Address::repeat_byte(3)), height: 20 };
    let confirmed = order.confirmed(by);
    assert_eq!(confirmed.digest(), order.digest(), "a digest is of what was imposed");
    assert_ne!(Order { issued: 4, ..order.clone() }.digest(), order.digest());
}

#[test]
fn every_form_of_an_order_survives_its_bytes_and_has_one_form() {
    let account = Target::Account(Address::repeat_byte(1));
    let contract = Target::Contract(Address::repeat_byte(1));
    let organisation = Target::Organisation("bank-a".parse().unwrap());
    let forms = [
        order(Measure::FreezeAll, account.clone()),
        order(Measure::FreezeOutgoing, account.clone()),
        order(Measure::FreezeContract(Address::repeat_byte(5)), account.clone()),
        order(Measure::Blacklist, account),
        order(Measure::Halt, contract.clone()),
        order(Measure::Demand, contract),
        order(Measure::Demand, organisation),
    ];
    let basis = freeze().terms.basis;
    for order in forms {
        for by in [By::Identity(Address::repeat_byte(3)), By::Proposal(4), By::Order(5)] {
            let mark = Mark { by, height: 20 };
            for how in [How::Released, How::Superseded, How::Answered] {
                let order = order.confirmed(mark).ended(how, mark, &basis);
                assert_eq!(Order::decode(&order.encode()), Some(order));
            }
        }
        let bytes = order.encode();
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut other = bytes.clone();
            other[at] ^= 1 << bit;
            if let Some(read) = Order::decode(&other) {
                assert_ne!(read, order);
                assert_eq!(read.encode(), other);
            }
        }
    }
    let odd = order(Measure::Halt, Target::Account(Address::ZERO));
    assert_eq!(Order::decode(&odd.encode()), None, "a measure has its kind of target");
}

#[test]
fn an_order_binds_until_it_lapses_ends_or_is_released() {
    let mark = Mark { by: By::Proposal(4), height: 20 };
    let provisional = freeze();
    assert!(provisional.binds(500) && !provisional.binds(501));
    let short = Order { terms: Terms { until: 10, ..freeze().terms }, ..freeze() };
    assert_eq!((short.status(10), short.status(11)), (Status::Provisional, Status::Lapsed));
    let confirmed = provisional.confirmed(mark);
    assert_eq!((confirmed.status(900), confirmed.status(901)), (Status::Confirmed, Status::Over));
    let released = confirmed.ended(How::Released, mark, &provisional.terms.basis);
    assert_eq!((released.status(21), released.binds(21)), (Status::Released, false));
    let good = Order { terms: Terms { until: 0, ..freeze().terms }, ..confirmed };
    assert_eq!((good.last_height(), good.binds(u64::MAX)), (None, true));
}

#[test]
fn codes_of_measures_and_statuses_never_change_meaning() {
    let contract = Some(Address::repeat_byte(5));
    let read = |code| Measure::from_code(code, None).or(Measure::from_code(code, contract));
    let names: Vec<&str> = (1..=7).map(|code| read(code).unwrap().name()).collect();
    assert_eq!(
        names.join(", "),
        "freeze-all, freeze-outgoing, freeze-contract, freeze-token, blacklist, halt, demand"
    );
    assert_eq!((read(0), read(8), Measure::from_code(1, contract)), (None, None, None));
    let names: Vec<&str> = (0..=6).map(|code| Status::from_code(code).unwrap().name()).collect();
    assert_eq!(names.join(", "), "provisional, confirmed, released, lapsed, superseded, answered, over");
}
