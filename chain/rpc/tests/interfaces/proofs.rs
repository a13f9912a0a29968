//! `eth_getProof`, judged by ICS 23's own implementation.

use alloy_primitives::{Address, B256, Bytes};
use concordat_core::last_active;
use concordat_types::activity::{Claim, Peaks, ProvenBlock, Subject};
use ics23::HostFunctionsManager;
use prost_ics23::Message as _;
use serde_json::{Value, json};

use crate::{
    client::{error, result},
    fixture::{Fixture, READER, sender, transfer},
};

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::from_value::<Bytes>(value.clone()).unwrap_or_else(|e| panic!("{e}: {value}")).to_vec()
}

/// Whether `proof` shows that the tree of this root holds `value` at `key`, or nothing where it is null.
fn holds(root: &Value, key: &Value, value: &Value, proof: &Value) -> bool {
    let proof = ics23::CommitmentProof::decode(bytes(proof).as_slice()).unwrap();
    let (root, key, spec) = (bytes(root), bytes(key), ics23::smt_spec());
    match value {
        Value::Null => ics23::verify_non_membership::<HostFunctionsManager>(&proof, &spec, &root, &key),
        value => ics23::verify_membership::<HostFunctionsManager>(&proof, &spec, &root, &key, &bytes(value)),
    }
}

#[tokio::test]
async fn an_independent_verifier_accepts_presence_and_absence_of_accounts_and_slots() {
    let fixture = Fixture::start().await;
    let nobody = Address::repeat_byte(0xee);
    for (address, slots, present) in [(READER, ["0x0", "0x1"], true), (nobody, ["0x0", "0x1"], false)] {
        let answer = result(fixture.eth, "eth_getProof", json!([address, slots, "latest"])).await;
        let account = &answer["concordatProof"];
        let root = &account["stateRoot"];
        assert_eq!(account["value"].is_null(), !present);
        assert!(holds(root, &account["key"], &account["value"], &answer["accountProof"][0]), "{answer}");
        for (slot, stored) in answer["storageProof"].as_array().unwrap().iter().zip([present, false]) {
            assert_eq!(slot["concordatValue"].is_null(), !stored);
            assert!(holds(root, &slot["concordatKey"], &slot["concordatValue"], &slot["proof"][0]), "{slot}");
            // What is there is not shown to be missing, nor another value in its place.
            let lie = if stored { Value::Null } else { json!("0x05") };
            assert!(!holds(root, &slot["concordatKey"], &lie, &slot["proof"][0]));
            assert!(!holds(
                &json!(B256::ZERO),
                &slot["concordatKey"],
                &slot["concordatValue"],
                &slot["proof"][0]
            ));
        }
        assert_eq!(answer["storageProof"][0]["value"], if present { "0x5" } else { "0x0" });
    }
}

#[tokio::test]
async fn the_next_header_carries_the_root_of_a_proof() {
    let fixture = Fixture::start().await;
    let answer = result(fixture.eth, "eth_getProof", json!([READER, [], "0x3"])).await;
    let next = fixture.commit(vec![]);
    assert_eq!(answer["concordatProof"]["headerHeight"], json!(format!("{:#x}", next.block.height())));
    assert_eq!(bytes(&answer["concordatProof"]["stateRoot"]), next.block.header.app_hash.as_bytes());
    let earlier = result(fixture.eth, "eth_getProof", json!([READER, [], "0x3"])).await;
    assert_eq!(earlier, answer, "what was proven stays proven");
    let (code, message) = error(fixture.eth, "eth_getProof", json!([READER, [], "0x9"])).await;
    assert_eq!((code, message.as_str()), (-32000, "header not found"));
}

#[tokio::test]
async fn states_of_the_past_are_proven_with_what_was_there_and_what_was_not() {
    let fixture = Fixture::start().await;
    for height in 0..=3 {
        let block = format!("{height:#x}");
        let answer = result(fixture.eth, "eth_getProof", json!([READER, ["0x0", "0x1"], block])).await;
        let root = &answer["concordatProof"]["stateRoot"];
        assert_eq!(bytes(root), fixture.store.state_root(height).unwrap().unwrap().as_slice());
        let account = &answer["concordatProof"];
        assert!(holds(root, &account["key"], &account["value"], &answer["accountProof"][0]), "{answer}");
        for slot in answer["storageProof"].as_array().unwrap() {
            assert!(holds(root, &slot["concordatKey"], &slot["concordatValue"], &slot["proof"][0]), "{slot}");
        }
    }
}

#[tokio::test]
async fn activity_is_proven_page_by_page_under_one_state_that_later_blocks_do_not_change() {
    let fixture = Fixture::start().await;
    let subject = Subject::Address(sender());
    let answer = result(fixture.eth, "concordat_getActivity", json!([sender(), "0x1", "0x3"])).await;
    let (state, root) = (&answer["state"], &answer["state"]["stateRoot"]);
    for row in ["subject", "history"] {
        let row = &state[row];
        assert!(holds(root, &row["key"], &row["value"], &row["proof"]), "{answer}");
    }
    let next = fixture.commit(vec![transfer(4)]);
    assert_eq!(bytes(root), next.block.header.app_hash.as_bytes());
    let claim = Claim {
        last: last_active(&subject, Some(&bytes(&state["subject"]["value"]))).unwrap(),
        peaks: Peaks::decode(&bytes(&state["history"]["value"])).unwrap(),
        subject,
        from: 1,
        to: 3,
    };
    let blocks: Vec<ProvenBlock> = serde_json::from_value(answer["blocks"].clone()).unwrap();
    let seen = claim.verify(&blocks).unwrap();
    let places: Vec<_> = seen.iter().map(|seen| (seen.block.0, seen.part.index)).collect();
    assert_eq!(places, [(3, 0), (1, 0), (1, 1), (1, 2)]);
    // The rest, as a client would ask for it that has the first block already.
    let rest =
        result(fixture.eth, "concordat_getActivity", json!([sender(), "0x1", "0x3", "0x3", "0x1"])).await;
    assert_eq!((&rest["state"], &rest["next"]), (&Value::Null, &Value::Null));
    assert_eq!(serde_json::from_value::<Vec<ProvenBlock>>(rest["blocks"].clone()).unwrap(), blocks[1..]);
}
