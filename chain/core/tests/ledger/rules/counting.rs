//! What rules count, and when they count anew.

use super::*;

#[test]
fn a_transfer_above_its_limit_leaves_a_nonce_a_receipt_and_an_alert() {
    let mut world = World::with(json!({ "max_amount": "500" }));
    let tx = world.developer.sign(&pay(world.token, 501));
    let outcome = world.net.block(&[tx]);
    let receipt = &outcome.receipts[0];
    assert_eq!(violation(receipt), Code::AmountAboveMax);
    let error = rules::RuleViolated::abi_decode(&receipt.output).unwrap();
    assert_eq!((error.id.as_str(), error.proposal, error.subject), ("limit", 41, world.token));
    assert_eq!(rules::Alert::decode_log(&receipt.logs[0]).unwrap().organisation, "bank-a");
    assert_eq!(effects(&outcome), [&StateKey::account(world.developer.address)]);
    assert!(receipt.gas_used > 30_000, "it ran: {}", receipt.gas_used);
    assert_eq!(Receipt::decode(&receipt.encode()).unwrap(), *receipt);
    assert_eq!(balance(&world.net, world.token, SHOP), 0);
    // The nonce is used up, and the next transfer stands.
    world.net.one(&world.developer.sign(&pay(world.token, 500)));
    assert_eq!(balance(&world.net, world.token, SHOP), 500);
}

#[test]
fn the_receipt_of_a_violation_is_golden() {
    assert_eq!(Outcome::RuleViolated.code(), 24);
    let mut world = World::with(json!({ "max_amount": "0" }));
    let receipt = world.net.try_one(&world.developer.sign(&pay(world.token, 1)));
    let words = |text: &str| format!("{text:0>64}");
    let id = format!("{}{}", words("5"), "6c696d6974".to_owned() + &"0".repeat(54));
    let subject = words(&hex::encode(world.token));
    let selector = hex::encode(&keccak256("RuleViolated(string,uint64,uint8,address)")[..4]);
    let output = [selector, words("80"), words("29"), words("5"), subject, id].concat();
    assert_eq!(hex::encode(&receipt.output), output);
    let signature = "Alert(string,address,string,string,address,uint8,uint64)";
    let topics = [keccak256(signature), keccak256("limit"), world.developer.address.into_word()];
    assert_eq!(receipt.logs[0].topics(), topics);
}

#[test]
fn a_total_counts_an_organisations_people_together_within_a_block_and_across_blocks() {
    let total = json!({ "max": "1000", "window_secs": 86_400, "per": "organisation" });
    let World { mut net, developer, colleague, stranger, token } = World::with(json!({ "total": total }));
    let txs = [
        developer.sign(&pay(token, 600)),
        colleague.sign(&pay(token, 401)),
        colleague.sign(&pay(token, 300)),
        stranger.sign(&pay(token, 1_000)),
    ];
    let receipts = net.block(&txs).receipts;
    let succeeded: Vec<bool> = receipts.iter().map(|receipt| receipt.outcome.succeeded()).collect();
    assert_eq!(succeeded, [true, false, true, true]);
    assert_eq!(violation(&receipts[1]), Code::TotalAboveMax);
    assert_eq!(violation(&net.try_one(&developer.sign(&pay(token, 101)))), Code::TotalAboveMax);
    net.one(&developer.sign(&pay(token, 100)));
    let usage = |net: &Consortium, account| net.ask(RULES, &rules::usageCall { id: "limit".into(), account });
    let used = usage(&net, colleague.address);
    assert_eq!((used.amount, used.count, used.countFreesAt), (U256::from(1_000), 0, 0));
    assert_eq!(usage(&net, stranger.address).amount, U256::from(1_000));
    // A day and an hour later nothing of it counts any more.
    let frees = used.amountFreesAt;
    assert!(frees > net.time_secs + 82_000 && frees < net.time_secs + 86_400 + 3_600);
    net.time_secs = frees - 1;
    assert_eq!(violation(&net.try_one(&developer.sign(&pay(token, 1)))), Code::TotalAboveMax);
    net.time_secs = frees;
    net.one(&developer.sign(&pay(token, 1_000)));
}

#[test]
fn a_velocity_counts_each_account_by_itself() {
    let count = json!({ "max": 2, "window_secs": 3_600, "per": "account" });
    let World { mut net, developer, colleague, token, .. } = World::with(json!({ "count": count }));
    for _ in 0..2 {
        net.one(&developer.sign(&pay(token, 1)));
    }
    assert_eq!(violation(&net.try_one(&developer.sign(&pay(token, 1)))), Code::TooOften);
    net.one(&colleague.sign(&pay(token, 1)));
    let used = net.ask(RULES, &rules::usageCall { id: "limit".into(), account: developer.address });
    assert_eq!((used.amount, used.count), (U256::ZERO, 2));
    net.time_secs = used.countFreesAt;
    net.one(&developer.sign(&pay(token, 1)));
}

#[test]
fn a_changed_rule_counts_anew() {
    let count = json!({ "max": 1, "window_secs": 3_600, "per": "account" });
    let World { mut net, developer, token, .. } = World::with(json!({ "count": count }));
    net.one(&developer.sign(&pay(token, 1)));
    assert_eq!(violation(&net.try_one(&developer.sign(&pay(token, 1)))), Code::TooOften);
    set(&mut net, &[(on_transfers(token, "limit", json!({ "count": count })), 42)]);
    net.one(&developer.sign(&pay(token, 1)));
}

#[test]
fn all_transfers_of_a_transaction_count_and_one_too_many_undoes_them_all() {
    let mut world = World::new();
    let batch = world.deploy_rich(&hands_on(world.token, &[0xf1, 0xf1, 0xf1]));
    let total = |max: &str| json!({ "total": { "max": max, "window_secs": 60, "per": "account" } });
    let say = |world: &World| Say { to: TxKind::Call(batch), ..pay(world.token, 100) };
    set(&mut world.net, &[(on_transfers(world.token, "limit", total("299")), 1)]);
    let receipt = world.net.try_one(&world.developer.sign(&say(&world)));
    assert_eq!(violation(&receipt), Code::TotalAboveMax);
    assert_eq!(balance(&world.net, world.token, SHOP), 0);
    set(&mut world.net, &[(on_transfers(world.token, "limit", total("300")), 2)]);
    let receipt = world.net.one(&world.developer.sign(&say(&world)));
    assert_eq!((receipt.logs.len(), balance(&world.net, world.token, SHOP)), (3, 300));
}

#[test]
fn an_alert_lets_the_transaction_stand_and_is_raised_once() {
    let fields = json!({ "max_amount": "99", "effect": "alert",
        "total": { "max": "100", "window_secs": 60, "per": "account" } });
    let mut world = World::new();
    let batch = world.deploy_rich(&hands_on(world.token, &[0xf1, 0xf1]));
    set(&mut world.net, &[(on_transfers(world.token, "watch", fields), 7)]);
    let say = Say { to: TxKind::Call(batch), ..pay(world.token, 100) };
    let receipt = world.net.one(&world.developer.sign(&say));
    let [first, second, alert] = &receipt.logs[..] else { panic!("{receipt:?}") };
    assert!([first, second].iter().all(|log| log.address == world.token));
    let alert = rules::Alert::decode_log(alert).unwrap();
    assert_eq!((alert.rule.as_str(), alert.code, alert.proposal), ("watch", Code::AmountAboveMax.code(), 7));
    let usage = rules::usageCall { id: "watch".into(), account: world.developer.address };
    assert_eq!(world.net.ask(RULES, &usage).amount, U256::from(200), "what stands is counted");
    let quiet = world.net.one(&world.stranger.sign(&pay(world.token, 1)));
    assert_eq!(quiet.logs.len(), 1);
}
