//! The whole chain of activities against a naive model, and what tampering with a proof does.

use alloy_primitives::{Bytes, Log, keccak256};
use proptest::prelude::*;

use super::*;
use crate::{Receipt, receipt::Outcome};

fn account(seed: u8) -> Subject {
    Subject::Address(Address::repeat_byte(seed))
}

fn golden() -> Activity {
    let parts = vec![Part { index: 1, roles: roles::SENDER }, Part { index: 258, roles: roles::ALL }];
    Activity { subject: account(0xaa), previous: 7, parts }
}

#[test]
fn encodings_are_golden() {
    let activity = golden();
    let text = format!("0114{}00000000000000070000000101000001021f", "aa".repeat(20));
    assert_eq!(hex::encode(activity.encode()), text);
    assert_eq!(Activity::decode(&activity.encode()), Some(activity.clone()));
    let organisation = Activity { subject: "bank-a".parse().unwrap(), ..activity.clone() };
    let text = format!("0206{}00000000000000070000000101000001021f", hex::encode("bank-a"));
    assert_eq!(hex::encode(organisation.encode()), text);
    let record = record(3, std::slice::from_ref(&activity), &[]);
    assert_eq!(hex::encode(&record.encode()[..17]), hex::encode("concordat/block/1"));
    assert_eq!(BlockRecord::decode(&record.encode()), Some(record));
    assert_eq!(record.encode().len(), history::RECORD_BYTES);
    assert_eq!(
        record.leaf().to_string(),
        "0xbe0ec42310de5bac310996b8913c9ce96fd93baf8067d8e4ad0410568fd69014"
    );
    let block = BlockActivity { place: 2, record, activities: vec![activity, organisation] };
    assert_eq!(BlockActivity::decode(&block.encode()), Some(block));
}

#[test]
fn keys_of_the_state_are_golden() {
    assert_eq!(hex::encode(account(0xaa).state_key()), format!("01{}", "aa".repeat(20)));
    let organisation: Subject = "bank-a".parse().unwrap();
    assert_eq!(hex::encode(organisation.state_key()), format!("1060{}", hex::encode("bank-a")));
    assert_eq!(hex::encode(Peaks::state_key()), "1060");
}

#[test]
fn subjects_are_read_from_what_they_are_shown_as() {
    for subject in [account(0x0b), "bank-a".parse().unwrap()] {
        assert_eq!(subject.to_string().parse::<Subject>().unwrap(), subject);
    }
    for text in ["", "0x12", "Bank A", "0xZZ"] {
        assert!(text.parse::<Subject>().unwrap_err().to_string().contains("neither an address"), "{text}");
    }
}

#[test]
fn other_bytes_are_no_activity() {
    let bytes = golden().encode();
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        bytes
    };
    let parts = bytes.len() - 10;
    let cases = [
        ("unknown kind", with(0, 3)),
        ("length of an address", with(1, 19)),
        ("no role", with(parts + 4, 0)),
        ("unknown role", with(parts + 4, 32)),
        ("descending", with(parts, 9)),
        ("half a part", bytes[..bytes.len() - 1].to_vec()),
        ("no part", bytes[..parts].to_vec()),
        ("nothing", Vec::new()),
    ];
    for (what, bytes) in cases {
        assert_eq!(Activity::decode(&bytes), None, "{what}");
    }
    let twice = BlockActivity { place: 0, record: record(1, &[], &[]), activities: vec![golden(), golden()] };
    assert_eq!(BlockActivity::decode(&twice.encode()), None, "a subject stands in a block once");
}

#[test]
fn peaks_that_do_not_fit_their_number_are_none() {
    let mut peaks = Peaks::default();
    (0..5u8).for_each(|n| drop(peaks.append(B256::repeat_byte(n))));
    assert_eq!(Peaks::decode(&peaks.encode()), Some(peaks.clone()));
    assert_eq!(
        peaks.nodes().iter().map(|(at, _)| (at.level, at.index)).collect::<Vec<_>>(),
        [(2, 0), (0, 4)]
    );
    for length in [0, 7, 8, 9, 40, 71] {
        assert_eq!(Peaks::decode(&peaks.encode()[..length]), None, "{length} bytes");
    }
    assert_eq!(Peaks::decode(&[peaks.encode(), vec![0; 32]].concat()), None);
    assert_eq!(Peaks::default().path(0), None);
    assert!(!Peaks::default().hold(0, B256::ZERO, &[]));
}

/// A transaction's bytes and its receipt.
fn transaction(height: u64, index: usize) -> (Bytes, Receipt) {
    let raw = Bytes::from(format!("transaction {index} of block {height}").into_bytes());
    let receipt = Receipt {
        tx_hash: keccak256(&raw),
        tx_type: 2,
        sender: Address::repeat_byte(1),
        outcome: Outcome::Success,
        gas_limit: 60_000,
        gas_used: 21_000,
        contract_address: None,
        logs: vec![Log::new_unchecked(Address::repeat_byte(9), vec![], Bytes::new())],
        output: Bytes::new(),
    };
    (raw, receipt)
}

fn record(height: u64, activities: &[Activity], receipts: &[Receipt]) -> BlockRecord {
    BlockRecord {
        height,
        time_secs: 1_000 + height,
        transactions: receipts.len() as u32,
        results_hash: merkle::root(receipts.iter().map(Receipt::result_leaf).collect()),
        subjects: activities.len() as u32,
        activity_root: merkle::root(activities.iter().map(Activity::leaf).collect()),
    }
}

/// A chain in memory: what nodes keep, and what the newest state says.
#[derive(Default)]
struct Model {
    peaks: Peaks,
    nodes: std::collections::BTreeMap<NodeAt, B256>,
    blocks: std::collections::BTreeMap<u64, (BlockActivity, Vec<(Bytes, Receipt)>)>,
    last: std::collections::BTreeMap<Subject, u64>,
}

impl Model {
    /// A block whose transactions are sent by accounts with these numbers.
    fn block(&mut self, height: u64, senders: &[u8]) {
        let mut parts = std::collections::BTreeMap::<Subject, Vec<Part>>::new();
        for (index, sender) in (0..).zip(senders) {
            parts.entry(account(*sender)).or_default().push(Part { index, roles: roles::SENDER });
            parts.entry("bank-a".parse().unwrap()).or_default().push(Part { index, roles: roles::SENDER });
        }
        let activities: Vec<Activity> = parts
            .into_iter()
            .map(|(subject, parts)| {
                let previous = self.last.insert(subject.clone(), height).unwrap_or(0);
                Activity { subject, previous, parts }
            })
            .collect();
        let txs: Vec<_> = (0..senders.len()).map(|index| transaction(height, index)).collect();
        let receipts: Vec<_> = txs.iter().map(|(_, receipt)| receipt.clone()).collect();
        let record = record(height, &activities, &receipts);
        let place = self.peaks.count();
        self.nodes.extend(self.peaks.append(record.leaf()));
        self.blocks.insert(height, (BlockActivity { place, record, activities }, txs));
    }

    fn claim(&self, subject: &Subject, from: u64, to: u64) -> Claim {
        let last = self.last.get(subject).copied().unwrap_or(0);
        Claim { subject: subject.clone(), from, to, last, peaks: self.peaks.clone() }
    }

    fn prove(&self, claim: &Claim) -> Vec<ProvenBlock> {
        let (mut blocks, mut height) = (Vec::new(), claim.last);
        while height >= claim.from {
            let (block, txs) = &self.blocks[&height];
            let (activity, activity_place, activity_path) = block.prove(&claim.subject).unwrap();
            let leaves: Vec<B256> = txs.iter().map(|(_, receipt)| receipt.result_leaf()).collect();
            let prove = |part: &Part| {
                let (raw, receipt) = &txs[part.index as usize];
                let path = merkle::path(leaves.clone(), part.index as usize);
                ProvenTransaction { raw: raw.clone(), receipt: receipt.encode().into(), path }
            };
            let inside = height <= claim.to;
            let transactions = activity.parts.iter().filter(|_| inside).map(prove).collect();
            let path = claim.peaks.path(block.place).unwrap();
            let path = path.iter().map(|at| self.nodes[at]).collect();
            height = activity.previous;
            blocks.push(ProvenBlock {
                record: block.record,
                place: block.place,
                path,
                activity,
                activity_place,
                activity_path,
                transactions,
            });
        }
        blocks
    }
}

/// Blocks 1 to 12, of which 4 and 8 are empty; account 1 is active in 2, 5, 6 and 11.
fn model() -> Model {
    let mut model = Model::default();
    for height in (1..=12).filter(|height| height % 4 != 0 || *height == 12) {
        let senders: &[u8] = match height {
            2 | 5 | 11 => &[1, 2, 1],
            6 => &[3, 1],
            _ => &[2, 3],
        };
        model.block(height, senders);
    }
    model
}

#[test]
fn a_range_is_proven_whole_and_one_without_activity_by_the_hop_over_it() {
    let model = model();
    let claim = model.claim(&account(1), 3, 10);
    let proof = model.prove(&claim);
    assert_eq!(proof.iter().map(|block| block.record.height).collect::<Vec<_>>(), [11, 6, 5]);
    let seen = claim.verify(&proof).unwrap();
    let places: Vec<_> = seen.iter().map(|seen| (seen.block.0, seen.part.index)).collect();
    assert_eq!(places, [(6, 1), (5, 0), (5, 2)]);

    let idle = model.claim(&account(1), 7, 10);
    assert_eq!(idle.verify(&model.prove(&idle)), Ok(vec![]));
    let never = model.claim(&account(7), 1, 12);
    assert_eq!((never.last, never.verify(&[])), (0, Ok(vec![])));
}

#[test]
fn proofs_survive_json_and_no_other_field_is_taken() {
    let model = model();
    let claim = model.claim(&account(1), 1, 12);
    let proof = model.prove(&claim);
    let text = serde_json::to_string(&proof).unwrap();
    assert_eq!(serde_json::from_str::<Vec<ProvenBlock>>(&text).unwrap(), proof);
    let other = text.replacen("\"place\"", "\"plaice\"", 1);
    assert!(serde_json::from_str::<Vec<ProvenBlock>>(&other).is_err());
}

/// What a forger does to a proof, and what the verifier says.
fn refusal(change: impl FnOnce(&mut Claim, &mut Vec<ProvenBlock>)) -> ProofError {
    let model = model();
    let mut claim = model.claim(&account(1), 3, 11);
    let mut proof = model.prove(&claim);
    assert!(claim.verify(&proof).is_ok());
    change(&mut claim, &mut proof);
    claim.verify(&proof).unwrap_err()
}

#[test]
fn whatever_is_left_out_altered_or_reordered_is_named() {
    let cases = [
        (refusal(|_, proof| drop(proof.remove(1))), ProofError::Skipped { have: 5, want: 6 }),
        (refusal(|_, proof| proof.swap(0, 1)), ProofError::Skipped { have: 6, want: 11 }),
        (refusal(|_, proof| drop(proof.pop())), ProofError::Cut { want: 5 }),
        (refusal(|_, proof| proof.clear()), ProofError::Cut { want: 11 }),
        (refusal(|_, proof| proof.push(proof[0].clone())), ProofError::Surplus { have: 11 }),
        (refusal(|claim, _| claim.from = 1), ProofError::Cut { want: 2 }),
        (refusal(|claim, _| (claim.from, claim.to) = (9, 8)), ProofError::Range { from: 9, to: 8 }),
        (refusal(|claim, _| claim.from = 0), ProofError::Range { from: 0, to: 11 }),
        (refusal(|claim, _| claim.last = 9), ProofError::Skipped { have: 11, want: 9 }),
        (refusal(|claim, _| claim.last = 2), ProofError::Surplus { have: 11 }),
        (refusal(|_, proof| proof[0].activity.previous = 5), ProofError::Activity { height: 11 }),
        (refusal(|_, proof| proof[0].activity.parts.truncate(1)), ProofError::Activity { height: 11 }),
        (refusal(|_, proof| proof[0].record.time_secs = 1), ProofError::Record { height: 11 }),
        (refusal(|_, proof| proof[0].place = 1), ProofError::Record { height: 11 }),
        (
            refusal(|_, proof| drop(proof[2].transactions.pop())),
            ProofError::Transactions { height: 5, have: 1, want: 2 },
        ),
        (refusal(|_, proof| proof[2].transactions.swap(0, 1)), ProofError::Receipt { height: 5, index: 0 }),
        (
            refusal(|_, proof| proof[2].transactions[1].raw = Bytes::from_static(b"another")),
            ProofError::Transaction { height: 5, index: 2 },
        ),
        (
            refusal(|_, proof| {
                let mut receipt = Receipt::decode(&proof[2].transactions[0].receipt).unwrap();
                receipt.logs.clear();
                proof[2].transactions[0].receipt = receipt.encode().into();
            }),
            ProofError::Receipt { height: 5, index: 0 },
        ),
        (refusal(|claim, _| claim.to = 10), ProofError::Transactions { height: 11, have: 2, want: 0 }),
    ];
    for (have, want) in cases {
        assert_eq!(have, want);
    }
}

#[test]
fn another_subject_and_another_chain_are_named() {
    let other = refusal(|claim, _| claim.subject = account(2));
    let (have, want) = (account(1), account(2));
    assert_eq!(other, ProofError::Subject { height: 11, have, want });
    let renamed = refusal(|claim, proof| {
        claim.subject = account(2);
        proof.iter_mut().for_each(|block| block.activity.subject = account(2));
    });
    assert_eq!(renamed, ProofError::Activity { height: 11 });
    let elsewhere = refusal(|claim, _| {
        let mut peaks = Peaks::default();
        (0..claim.peaks.count()).for_each(|_| drop(peaks.append(B256::ZERO)));
        claim.peaks = peaks;
    });
    assert_eq!(elsewhere, ProofError::Record { height: 11 });
}

proptest! {
    #[test]
    fn every_range_of_random_chains_is_proven_as_a_naive_look_through_all_blocks_finds_it(
        blocks in prop::collection::vec(prop::collection::vec(1u8..5, 0..5), 1..40),
        who in 1u8..6, from in 1u64..40, length in 0u64..40,
    ) {
        let mut model = Model::default();
        for (height, senders) in (1..).zip(&blocks) {
            // A block without transactions leaves no trace.
            if !senders.is_empty() {
                model.block(height, senders);
            }
        }
        let claim = model.claim(&account(who), from, from + length);
        let seen = claim.verify(&model.prove(&claim)).unwrap();
        let have: Vec<_> = seen.iter().map(|seen| (seen.block.0, seen.part.index)).collect();
        let mut want = Vec::new();
        for (number, senders) in blocks.iter().enumerate().rev() {
            let height = number as u64 + 1;
            let own = (0u32..).zip(senders).filter(|(_, sender)| **sender == who);
            want.extend(own.map(|(index, _)| (height, index)).filter(|_| (from..=from + length).contains(&height)));
        }
        prop_assert_eq!(have, want);
    }

    #[test]
    fn every_record_of_every_history_is_held_in_its_place_and_in_no_other(count in 1u64..70, at in any::<u64>()) {
        let (mut peaks, mut nodes) = (Peaks::default(), std::collections::BTreeMap::new());
        let leaf = |n: u64| merkle::leaf(&n.to_be_bytes());
        for n in 0..count {
            nodes.extend(peaks.append(leaf(n)));
        }
        // Who begins here knows the peaks, and makes all later nodes from them.
        prop_assert!(peaks.nodes().iter().all(|(at, peak)| nodes.get(at) == Some(peak)));
        let place = at % count;
        let path: Vec<B256> = peaks.path(place).unwrap().iter().map(|at| nodes[at]).collect();
        prop_assert!(peaks.hold(place, leaf(place), &path));
        for other in (0..count + 2).filter(|other| *other != place) {
            prop_assert!(!peaks.hold(other, leaf(place), &path));
        }
        prop_assert!(!peaks.hold(place, leaf(place + 1), &path));
        prop_assert_eq!(Peaks::decode(&peaks.encode()), Some(peaks));
    }

    #[test]
    fn decoders_never_panic_and_give_back_what_they_took(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(activity) = Activity::decode(&bytes) {
            prop_assert_eq!(activity.encode(), bytes.clone());
        }
        if let Some(block) = BlockActivity::decode(&bytes) {
            prop_assert_eq!(block.encode(), bytes.clone());
        }
        if let Some(peaks) = Peaks::decode(&bytes) {
            prop_assert_eq!(peaks.encode(), bytes.clone());
        }
    }
}
