//! Calls of the contract of regulators' orders, and the rows that it keeps: an answer to whatever is asked, in bounded gas,
//! and one form of each order.
#![no_main]

use std::sync::LazyLock;

use concordat_core::{BlockEnv, CallRequest, ORDERS, call, genesis_state};
use concordat_governance::order::Order;
use concordat_types::{Address, Bytes, ChainParams, Genesis, state::MemoryState};
use libfuzzer_sys::fuzz_target;

const GENESIS: &str = include_str!("../seeds/genesis/two-banks");

/// What a call may use.
const GAS: u64 = 5_000_000;

static STATE: LazyLock<MemoryState> = LazyLock::new(|| {
    let genesis = Genesis::from_json(GENESIS).expect("the seed is a genesis document");
    let mut state = MemoryState::default();
    state.apply(&genesis_state(&genesis).expect("it makes a state").changes);
    state
});

fuzz_target!(|bytes: &[u8]| {
    if let Some(order) = Order::decode(bytes) {
        assert_eq!(order.encode(), bytes, "a second form of an order");
        assert!(!order.terms.to_string().is_empty());
    }
    let env = BlockEnv {
        chain_id: 20_260,
        height: 7,
        time_secs: 1_800_000_000,
        params: ChainParams::default(),
        recent_signers: None,
    };
    let request = CallRequest {
        from: Address::repeat_byte(1),
        to: Some(ORDERS),
        gas: Some(GAS),
        input: Bytes::copy_from_slice(bytes),
        ..CallRequest::default()
    };
    let outcome = call(&*STATE, &env, &request).expect("the state is whole");
    assert!(outcome.gas_used <= GAS);
    assert_eq!(outcome, call(&*STATE, &env, &request).expect("the state is whole"));
});
