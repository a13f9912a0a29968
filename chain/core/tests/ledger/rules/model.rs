//! Executors agree with each other, and with a model.

use super::*;

#[test]
fn two_executors_come_to_the_same_state_and_so_do_many_blocks_of_one() {
    let mut world = World::new();
    let batch = world.deploy_rich(&hands_on(world.token, &[0xf1, 0xf1]));
    let both = json!({ "total": { "max": "700", "window_secs": 3_600, "per": "organisation" },
        "count": { "max": 4, "window_secs": 600, "per": "account" } });
    let limits = [
        (on_transfers(world.token, "limit", both), 1),
        (on_transfers(world.token, "watch", json!({ "max_amount": "150", "effect": "alert" })), 2),
    ];
    set(&mut world.net, &limits);
    let through = |value| Say { to: TxKind::Call(batch), ..pay(world.token, value) };
    let txs = [
        world.developer.sign(&pay(world.token, 200)),
        world.colleague.sign(&through(100)),
        world.stranger.sign(&pay(world.token, 701)),
        world.developer.sign(&through(200)),
        world.colleague.sign(&pay(world.token, 300)),
        world.stranger.sign(&pay(world.token, 700)),
    ];
    let one = execute(&world.net, &txs);
    let outcomes: Vec<u32> = one.receipts.iter().map(|receipt| receipt.outcome.code()).collect();
    assert_eq!(outcomes, [0, 0, 24, 24, 0, 0]);
    // Other sets in between drive this one out of what the process remembers.
    for number in 10..20 {
        let mut other = Consortium::start(vec![], world.net.genesis.clone());
        other.state = world.net.state.clone();
        (other.height, other.time_secs) = (world.net.height, world.net.time_secs);
        set(&mut other, &[(on_transfers(SHOP, "other", json!({ "max_amount": "1" })), number)]);
        execute(&other, &txs);
    }
    let other = execute(&world.net, &txs);
    assert_eq!(one, other);
    assert_eq!(digest(&one.changes), digest(&other.changes));
    let mut single = world.net.state.clone();
    for tx in &txs {
        let mut executor = BlockExecutor::new(&single, world.net.env()).unwrap();
        executor.execute(tx).unwrap();
        let changes = executor.finish().unwrap().changes;
        single.apply(&changes);
    }
    world.net.state.apply(&one.changes);
    // But for the history, in which each block has its record.
    for values in [&mut single.values, &mut world.net.state.values] {
        values.retain(|key, _| !is_activity(key));
    }
    assert_eq!(single.values, world.net.state.values);
}

/// The rules of the random blocks below, whose model is [`Model`].
fn five_rules(token: Address) -> Vec<(Limit, u64)> {
    let method = json!({ "amount": { "word": 1 }, "max_amount": "90" });
    let total = json!({ "total": { "max": "600", "window_secs": 86_400, "per": "organisation" } });
    let count = json!({ "count": { "max": 5, "window_secs": 3_600, "per": "account" } });
    vec![
        (on_transfers(token, "total", total), 1),
        (on_transfers(token, "count", count), 2),
        (on_transfers(token, "denied", json!({ "counterparties": { "deny": [SANCTIONED] } })), 3),
        (on_transfers(token, "watch", json!({ "max_amount": "50", "effect": "alert" })), 4),
        (on_method(&token.to_string(), "transfer(address,uint256)", "method", method), 5),
    ]
}

/// Keeps every transfer that stands: when, by whom, for which organisation, how much.
#[derive(Default)]
struct Model {
    kept: Vec<(u64, Address, u8, u64)>,
}

impl Model {
    /// Whether something counts: whether the 24th of the window that it lies in reaches into the window.
    fn counts(then: u64, at: u64, secs: u64) -> bool {
        let part = secs / 24;
        (then / part + 1) * part > at + 1 - secs
    }

    fn moved(&self, at: u64, bank: u8) -> u64 {
        let own = self.kept.iter().filter(|(then, _, of, _)| *of == bank && Self::counts(*then, at, 86_400));
        own.map(|(.., value)| value).sum()
    }

    fn times(&self, at: u64, account: Address) -> usize {
        self.kept.iter().filter(|(then, by, ..)| *by == account && Self::counts(*then, at, 3_600)).count()
    }

    /// Whether transfers of a transaction may all stand; if so they are kept.
    fn admits(&mut self, at: u64, account: Address, bank: u8, transfers: &[(Address, u64)]) -> bool {
        let before = self.kept.len();
        for (to, value) in transfers {
            let fits = self.moved(at, bank) + value <= 600 && self.times(at, account) < 5;
            if !fits || *to == SANCTIONED || *value > 90 {
                self.kept.truncate(before);
                return false;
            }
            self.kept.push((at, account, bank, *value));
        }
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_blocks_have_the_outcomes_of_a_model_that_keeps_every_transfer(
        blocks in prop::collection::vec(
            (0_u64..6_000, prop::collection::vec((0_usize..3, 0_u8..4, 1_u64..100, 0_u8..12), 1..5)),
            1..24,
        ),
    ) {
        let mut world = World::new();
        let batch = world.deploy_rich(&hands_on(world.token, &[0xf1, 0xf1]));
        world.net.one(&world.developer.sign(&transfer(world.token, batch, 50_000)));
        let reverting = world.deploy(&hands_on_and_reverts(world.token));
        let swallowing = world.deploy(&hands_on(reverting, &[0xf1]));
        let limits = five_rules(world.token);
        set(&mut world.net, &limits);
        let World { mut net, developer, colleague, stranger, token } = world;
        let (actors, mut model) = ([(&developer, 0), (&colleague, 0), (&stranger, 1)], Model::default());
        for (step, block) in blocks {
            net.time_secs += step;
            let (mut txs, mut expected) = (Vec::new(), Vec::new());
            for (who, how, value, to) in block {
                let to = if to == 0 { SANCTIONED } else { SHOP };
                let (through, times) = [(token, 1), (batch, 2), (swallowing, 0), (token, 1)][usize::from(how)];
                let (actor, bank) = actors[who];
                txs.push(actor.sign(&Say { to: TxKind::Call(through), ..transfer(token, to, value) }));
                let transfers = vec![(to, value); times];
                let stands = model.admits(net.time_secs, actor.address, bank, &transfers);
                let logs = if stands { times + usize::from(value > 50 && times > 0) } else { 1 };
                expected.push((stands, logs));
            }
            let outcome = execute(&net, &txs);
            prop_assert_eq!(&execute(&net, &txs), &outcome);
            let said = outcome.receipts.iter().map(|receipt| (receipt.outcome.succeeded(), receipt.logs.len()));
            prop_assert_eq!(said.collect::<Vec<_>>(), expected);
            net.accept(&outcome);
        }
        let at = net.time_secs;
        prop_assert_eq!(balance(&net, token, SHOP), model.kept.iter().map(|(.., value)| value).sum::<u64>());
        for (actor, bank) in actors {
            let usage = |id: &str| net.ask(RULES, &rules::usageCall { id: id.into(), account: actor.address });
            prop_assert_eq!(usage("total").amount, U256::from(model.moved(at, bank)));
            prop_assert_eq!(usage("count").count, model.times(at, actor.address) as u64);
        }
    }
}
