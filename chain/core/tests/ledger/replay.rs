//! The same block gives the same outcome, always and everywhere.

use std::sync::OnceLock;

use alloy_primitives::{Address, Bytes, U256};
use concordat_core::{
    BlockExecutor, BlockOutcome, CONTRACTS, abi::IIdentityRegistry as registry,
    contracts::abi::IContracts as contracts, genesis_state,
};
use concordat_types::{Genesis, Role, VerifiedTx, activity::Peaks, state::MemoryState};
use proptest::prelude::*;

use crate::kit::{Actor, CHAIN_ID, Consortium, Probe, Say, Token, bytecode, digest, token_init_code, verify};

fn replay(net: &Consortium, txs: &[VerifiedTx]) -> BlockOutcome {
    let mut executor = net.executor();
    for tx in txs {
        let _ = executor.execute(tx);
    }
    executor.finish().unwrap()
}

struct World {
    net: Consortium,
    actors: Vec<Actor>,
    token: Address,
    probe: Address,
}

fn world() -> World {
    let mut net = Consortium::new();
    let (developer, token) = net.deploy(token_init_code(1_000_000));
    let receipt = net.one(&developer.sign(&Say::deploy(bytecode("Probe").into())));
    let probe = receipt.contract_address.unwrap();
    let actors = vec![
        developer,
        net.actor("bank-b", Role::Operator),
        net.actor("bank-a", Role::Auditor),
        net.stranger("bank-b", Role::Registrar, "stranger"),
    ];
    World { net, actors, token, probe }
}

/// What a random number asks for.
fn say(world: &World, actor: &Actor, what: u8, value: u64) -> Say {
    let value = U256::from(value);
    match what % 13 {
        0 => Say::call(world.token, &Token::transferCall { to: world.probe, value }),
        1 => Say::call(world.probe, &Probe::makeCall { value }),
        2 => Say::call(world.probe, &Probe::make2Call { value }),
        3 => Say::call(world.probe, &Probe::mayflyCall {}),
        4 => Say::call(world.probe, &Probe::nestedCall {}),
        5 => Say::call(world.probe, &Probe::burnCall {}).gas(60_000),
        6 => actor.enrolment(),
        7 => Say::registry(&registry::organisationsCall {}),
        8 => {
            let kind = value.to::<u64>().try_into().unwrap();
            Say::call(CONTRACTS, &contracts::setContractListCall { contractAddress: world.probe, kind })
        }
        9 => {
            let accounts = vec![actor.address, world.actors[0].address];
            Say::call(CONTRACTS, &contracts::addToContractListCall { contractAddress: world.probe, accounts })
        }
        10 => {
            let administrator = world.actors[value.to::<usize>()].address;
            Say::call(
                CONTRACTS,
                &contracts::setAdministratorCall { contractAddress: world.token, administrator },
            )
        }
        11 => Say::call(CONTRACTS, &contracts::contractInfoCall { contractAddress: world.probe.create(1) }),
        _ => Say::deploy(bytecode("Child").into()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_blocks_replay_to_the_same_outcome(
        asked in prop::collection::vec((0usize..4, any::<u8>(), 0u64..3, 0u64..5), 1..40),
    ) {
        let world = world();
        let mut executor = world.net.executor();
        let mut taken = Vec::new();
        for (who, what, value, skip) in asked {
            let actor = &world.actors[who];
            let tx = actor.sign_at(&say(&world, actor, what, value), actor.nonce.get() + skip / 4);
            if executor.execute(&tx).is_ok() {
                actor.nonce.set(tx.nonce() + 1);
                taken.push(tx);
            }
        }
        let outcome = executor.finish().unwrap();
        prop_assert_eq!(outcome.receipts.len(), taken.len());
        prop_assert_eq!(&replay(&world.net, &taken), &outcome);
        prop_assert!(outcome.changes.values().flatten().all(|value| !value.is_empty()));
        // One block of many and many blocks of one leave the same values.
        let mut single = world.net.state.clone();
        for tx in &taken {
            let mut executor = BlockExecutor::new(&single, world.net.env()).unwrap();
            executor.execute(tx).unwrap();
            let changes = executor.finish().unwrap().changes;
            single.apply(&changes);
        }
        let mut whole = world.net.state.clone();
        whole.apply(&outcome.changes);
        // But for the history, in which each block has its record.
        for values in [&mut single.values, &mut whole.values] {
            values.remove(&Peaks::state_key());
        }
        prop_assert_eq!(single.values, whole.values);
    }
}

/// A genesis document and a first block, written once by `write_the_golden_block`.
#[derive(serde::Serialize, serde::Deserialize)]
struct Golden {
    genesis: Genesis,
    txs: Vec<Bytes>,
    genesis_digest: String,
    changes_digest: String,
    results_hash: String,
    gas_used: u64,
    record_leaf: Option<String>,
}

fn golden() -> &'static Golden {
    static GOLDEN: OnceLock<Golden> = OnceLock::new();
    GOLDEN.get_or_init(|| serde_json::from_str(include_str!("../data/golden_block.json")).unwrap())
}

fn execute_golden(genesis: &Genesis, txs: &[Bytes]) -> (String, BlockOutcome) {
    assert_eq!(genesis.evm_chain_id, CHAIN_ID);
    let changes = genesis_state(genesis).unwrap().changes;
    let mut state = MemoryState::default();
    state.apply(&changes);
    let mut net = Consortium::start(vec![], genesis.clone());
    net.state = state;
    let txs: Vec<_> = txs.iter().cloned().map(verify).collect();
    (digest(&changes).to_string(), net.block(&txs))
}

#[test]
fn the_golden_block_leads_to_the_golden_state() {
    let golden = golden();
    let (genesis_digest, outcome) = execute_golden(&golden.genesis, &golden.txs);
    assert_eq!(genesis_digest, golden.genesis_digest);
    assert_eq!(digest(&outcome.changes).to_string(), golden.changes_digest);
    assert_eq!(concordat_types::receipt::results_hash(&outcome.receipts).to_string(), golden.results_hash);
    assert_eq!(outcome.gas_used, golden.gas_used);
    assert_eq!(Some(outcome.history.unwrap().activity.record.leaf().to_string()), golden.record_leaf);
}

/// Writes the golden file anew. A difference in the digests of the old file is a fork of the chain: raise
/// the protocol version.
#[test]
#[ignore = "writes the golden file: cargo test -p concordat-core -- --ignored write_the_golden_block"]
fn write_the_golden_block() {
    let mut net = Consortium::new();
    let genesis = net.genesis.clone();
    let developer = net.stranger("bank-a", Role::Developer, "dev");
    let operator = net.stranger("bank-b", Role::Operator, "op");
    let token = developer.address.create(1);
    let transfer = Say::call(token, &Token::transferCall { to: operator.address, value: U256::from(5) });
    let txs: Vec<Bytes> = [
        developer.sign(&developer.enrolment()),
        developer.sign(&Say::deploy(token_init_code(1_000))),
        operator.sign(&operator.enrolment()),
        developer.sign(&transfer),
        operator.sign(&transfer),
        operator.sign(&transfer),
        operator.sign(&Say::deploy(token_init_code(1))),
    ]
    .iter()
    .map(|tx| tx.raw().clone())
    .collect();
    let (genesis_digest, outcome) = execute_golden(&genesis, &txs);
    let golden = Golden {
        genesis,
        txs,
        genesis_digest,
        changes_digest: digest(&outcome.changes).to_string(),
        results_hash: concordat_types::receipt::results_hash(&outcome.receipts).to_string(),
        gas_used: outcome.gas_used,
        record_leaf: outcome.history.map(|history| history.activity.record.leaf().to_string()),
    };
    // Tests run in their package's folder.
    let path = "tests/data/golden_block.json";
    std::fs::write(path, serde_json::to_string_pretty(&golden).unwrap() + "\n").unwrap();
}
