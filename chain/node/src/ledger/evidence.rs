//! Evidence of validators that contradicted themselves, kept on disk for the committee.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Mutex,
};

use bytes::Bytes;
use concordat_consensus::{BlockId, Evidence, signing::SignStep};
use concordat_state::Store;
use concordat_types::ValidatorSet;
use serde_json::{Value, json};

use super::{LedgerError, lock};

/// The store's notes that hold evidence begin with this.
const PREFIX: &str = "evidence/";

/// One piece says all that is to be said about a validator; some more show how long it went on. A validator that
/// makes more of it cannot fill the disk, nor take the place of evidence against others.
const KEPT_PER_VALIDATOR: usize = 16;

/// All evidence that this node has seen, across restarts.
pub(super) struct EvidenceBook {
    store: Store,
    /// By name: height, validator, round and step.
    kept: Mutex<BTreeMap<String, Evidence>>,
}

/// What became of a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is on disk.
    New,
    /// It was there before.
    Known,
    /// There is enough against this validator.
    Enough,
}

impl EvidenceBook {
    /// Reads what was kept.
    pub fn load(store: Store) -> Result<Self, LedgerError> {
        let mut kept = BTreeMap::new();
        for (name, bytes) in store.notes(PREFIX)? {
            match Evidence::decode(Bytes::from(bytes)) {
                Ok(evidence) => drop(kept.insert(name, evidence)),
                // Worth a line, but no reason to stand still.
                Err(error) => tracing::error!(name, %error, "a stored piece of evidence is damaged"),
            }
        }
        Ok(Self { store, kept: Mutex::new(kept) })
    }

    /// Keeps evidence durably: once for each height, validator, round and step.
    pub fn keep(&self, evidence: Evidence) -> Result<Kept, LedgerError> {
        let name = name(&evidence);
        // Held while the disk works, so that the same evidence is not counted twice.
        let mut kept = lock(&self.kept);
        let against = kept.values().filter(|other| other.validator() == evidence.validator()).count();
        let Entry::Vacant(place) = kept.entry(name) else { return Ok(Kept::Known) };
        if against >= KEPT_PER_VALIDATOR {
            return Ok(Kept::Enough);
        }
        let bytes = evidence.encode().map_err(|error| LedgerError::Task(error.to_string()))?;
        self.store.put_note(place.key(), &bytes)?;
        place.insert(evidence);
        Ok(Kept::New)
    }

    /// How many pieces are kept.
    pub fn count(&self) -> usize {
        lock(&self.kept).len()
    }

    /// Everything, for the committee: who, where, and both signed messages. `validators` name organisations.
    pub fn report(&self, validators: &ValidatorSet) -> Vec<Value> {
        lock(&self.kept).values().map(|evidence| describe(evidence, validators)).collect()
    }
}

fn name(evidence: &Evidence) -> String {
    let (height, round) = (evidence.height(), evidence.round().as_i64());
    format!("{PREFIX}{:020}/{}/{round:010}/{}", height.0, evidence.validator(), step(evidence))
}

fn step(evidence: &Evidence) -> &'static str {
    match evidence.step() {
        SignStep::Propose => "proposal",
        SignStep::Prevote => "prevote",
        SignStep::Precommit => "precommit",
    }
}

fn describe(evidence: &Evidence, validators: &ValidatorSet) -> Value {
    let validator = evidence.validator();
    let member = validators.by_address(&validator.0);
    let message = |(encoded, block): (Bytes, Option<BlockId>)| {
        let block = block.map(|id| id.to_string());
        json!({ "block": block, "signed_message": alloy_primitives::hex::encode(encoded) })
    };
    json!({
        "validator": validator.to_string(),
        "organisation": member.map(|(_, member)| member.org.as_str()),
        "height": evidence.height().0,
        "round": evidence.round().as_i64(),
        "step": step(evidence),
        "messages": evidence.messages().unwrap_or_default().into_iter().map(message).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use concordat_consensus::{
        Address,
        context::{Height, NilOrVal, Round, Signature, SignedMessage, SignedVote, Vote, VoteType},
    };
    use concordat_state::StoreOptions;
    use concordat_types::Validator;

    use super::*;

    fn vote(validator: u8, height: u64, value: NilOrVal<BlockId>) -> SignedVote {
        let message = Vote {
            vote_type: VoteType::Precommit,
            height: Height(height),
            round: Round::new(2),
            value,
            validator: Address([validator; 20]),
        };
        SignedMessage::new(message, Signature::from_bytes([7; 64]))
    }

    fn evidence(validator: u8, height: u64) -> Evidence {
        let id = BlockId { hash: [1; 32], parts_total: 1, parts_hash: [2; 32], time: Default::default() };
        let first = vote(validator, height, NilOrVal::Nil);
        Evidence::Votes { first, second: vote(validator, height, NilOrVal::Val(id)) }
    }

    fn book(folder: &tempfile::TempDir) -> EvidenceBook {
        EvidenceBook::load(Store::open(folder.path(), &StoreOptions::default()).unwrap()).unwrap()
    }

    #[test]
    fn evidence_is_there_after_a_restart_and_never_twice() {
        let folder = tempfile::tempdir().unwrap();
        let first = book(&folder);
        assert_eq!(first.keep(evidence(1, 5)).unwrap(), Kept::New);
        assert_eq!(first.keep(evidence(1, 5)).unwrap(), Kept::Known);
        drop(first);
        let again = book(&folder);
        assert_eq!(again.keep(evidence(1, 5)).unwrap(), Kept::Known);
        assert_eq!(again.count(), 1);
        let key = ed25519_zebra::SigningKey::from([1; 32]);
        let public_key = ed25519_zebra::VerificationKey::from(&key).into();
        let member = Validator { org: "bank-a".parse().unwrap(), public_key, power: 1 };
        let report = again.report(&ValidatorSet::new(vec![member]).unwrap());
        assert_eq!((&report[0]["height"], &report[0]["step"]), (&json!(5), &json!("precommit")));
        assert_eq!(report[0]["organisation"], Value::Null, "no validator any more");
        assert_eq!(report[0]["messages"][0]["block"], Value::Null);
    }

    #[test]
    fn one_validator_s_evidence_is_bounded_and_leaves_room_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(&folder);
        for height in 0..KEPT_PER_VALIDATOR as u64 {
            assert_eq!(book.keep(evidence(1, height)).unwrap(), Kept::New);
        }
        assert_eq!(book.keep(evidence(1, 1_000)).unwrap(), Kept::Enough);
        assert_eq!(book.keep(evidence(2, 1_000)).unwrap(), Kept::New);
    }

    #[test]
    fn damaged_note_hides_no_other_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &StoreOptions::default()).unwrap();
        store.put_note("evidence/damaged", b"nonsense").unwrap();
        let book = EvidenceBook::load(store).unwrap();
        assert_eq!(book.count(), 0);
        assert_eq!(book.keep(evidence(3, 3)).unwrap(), Kept::New);
    }
}
