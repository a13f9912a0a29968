//! Proofs that a key has a value, or has none, in the shape of ICS 23.

use alloy_primitives::B256;
use concordat_types::StateKey;
use ics23::{
    CommitmentProof, ExistenceProof, HashOp, InnerOp, LeafOp, LengthOp, NonExistenceProof,
    commitment_proof::Proof as Kind,
};
use prost_ics23::Message;

use crate::smt::{Side, Step};

/// A proof about one key at one height.
///
/// `state_root` is the `app_hash` of the header at `height + 1`: a proof is worth as much as the commit
/// that signed that header.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// The height after whose block this holds.
    pub height: u64,
    /// The root of the state after that block.
    pub state_root: B256,
    /// The key.
    pub key: StateKey,
    /// Its value, `None` where the proof is one of absence.
    pub value: Option<Vec<u8>>,
    /// The ICS 23 proof, for [`ics23::smt_spec`]. In an empty state it names no neighbour: there the zero
    /// root itself says that nothing exists.
    pub commitment: CommitmentProof,
}

impl Proof {
    /// The protobuf bytes of `cosmos.ics23.v1.CommitmentProof`.
    pub fn encode(&self) -> Vec<u8> {
        self.commitment.encode_to_vec()
    }

    /// Verifies the proof against its own root with the independent `ics23` crate.
    pub fn verify(&self) -> bool {
        let (spec, root) = (ics23::smt_spec(), self.state_root.to_vec());
        let key = self.key.as_bytes();
        match &self.value {
            Some(value) => ics23::verify_membership::<ics23::HostFunctionsManager>(
                &self.commitment,
                &spec,
                &root,
                key,
                value,
            ),
            None if self.state_root == B256::ZERO => true,
            None => ics23::verify_non_membership::<ics23::HostFunctionsManager>(
                &self.commitment,
                &spec,
                &root,
                key,
            ),
        }
    }
}

pub(crate) fn existence(key: &[u8], value: &[u8], steps: &[Step]) -> ExistenceProof {
    ExistenceProof {
        key: key.to_vec(),
        value: value.to_vec(),
        leaf: Some(LeafOp {
            hash: HashOp::Sha256.into(),
            prehash_key: HashOp::Sha256.into(),
            prehash_value: HashOp::Sha256.into(),
            length: LengthOp::NoPrefix.into(),
            prefix: vec![0],
        }),
        path: steps.iter().map(inner_op).collect(),
    }
}

pub(crate) fn present(proof: ExistenceProof) -> CommitmentProof {
    CommitmentProof { proof: Some(Kind::Exist(proof)) }
}

pub(crate) fn absent(
    key: &[u8],
    left: Option<ExistenceProof>,
    right: Option<ExistenceProof>,
) -> CommitmentProof {
    CommitmentProof { proof: Some(Kind::Nonexist(NonExistenceProof { key: key.to_vec(), left, right })) }
}

fn inner_op(step: &Step) -> InnerOp {
    let hash = HashOp::Sha256.into();
    match step.side {
        Side::Left => InnerOp { hash, prefix: [&[1], &step.sibling[..]].concat(), suffix: vec![] },
        Side::Right => InnerOp { hash, prefix: vec![1], suffix: step.sibling.to_vec() },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::smt::{Lookup, Tree, Update, key_hash};

    type Map = BTreeMap<Vec<u8>, Vec<u8>>;

    fn tree_of(map: &Map) -> Tree {
        let mut tree = Tree::new();
        tree.update(map.iter().map(|(key, value)| Update::new(key, Some(value))).collect());
        tree
    }

    fn prove(map: &Map, key: &[u8]) -> Proof {
        let tree = tree_of(map);
        let neighbour = |hash| {
            let (key, value) = map.iter().find(|(key, _)| key_hash(key) == hash).expect("it is in the map");
            let Lookup::Present(steps) = tree.lookup(&hash) else { panic!("neighbours exist") };
            existence(key, value, &steps)
        };
        let (value, commitment) = match tree.lookup(&key_hash(key)) {
            Lookup::Present(steps) => (Some(map[key].clone()), present(existence(key, &map[key], &steps))),
            Lookup::Absent { left, right } => (None, absent(key, left.map(neighbour), right.map(neighbour))),
        };
        Proof {
            height: 1,
            state_root: tree.root().into(),
            key: StateKey::from_stored(key),
            value,
            commitment,
        }
    }

    fn numbered(count: u32) -> Map {
        (0..count).map(|n| (n.to_be_bytes().to_vec(), vec![1, 2, 3])).collect()
    }

    #[test]
    fn every_key_of_small_trees_is_proven_and_so_is_the_absence_of_every_other() {
        for count in 1..40 {
            let map = numbered(count);
            for n in 0..80u32 {
                let proof = prove(&map, &n.to_be_bytes());
                assert_eq!(proof.value.is_some(), n < count);
                assert!(proof.verify(), "key {n} of {count}");
            }
        }
    }

    #[test]
    fn absence_at_both_ends_has_one_neighbour_only() {
        let map = numbered(50);
        let mut ends = (0, 0);
        for n in 1000..3000u32 {
            let proof = prove(&map, &n.to_be_bytes());
            let Some(Kind::Nonexist(proof_of_absence)) = &proof.commitment.proof else { panic!("absent") };
            assert!(proof.verify());
            ends.0 += u32::from(proof_of_absence.left.is_none());
            ends.1 += u32::from(proof_of_absence.right.is_none());
        }
        assert!(ends.0 > 0 && ends.1 > 0, "the sample misses an end: {ends:?}");
    }

    #[test]
    fn the_empty_state_proves_absence_by_its_root() {
        let proof = prove(&Map::new(), b"k");
        assert_eq!((proof.state_root, proof.verify()), (B256::ZERO, true));
    }

    #[test]
    fn proofs_do_not_hold_for_another_value_key_or_root() {
        let proof = prove(&numbered(20), &7u32.to_be_bytes());
        assert!(!Proof { value: Some(vec![9]), ..proof.clone() }.verify());
        assert!(!Proof { value: None, ..proof.clone() }.verify());
        assert!(!Proof { key: StateKey::from_stored(&8u32.to_be_bytes()), ..proof.clone() }.verify());
        assert!(!Proof { state_root: B256::repeat_byte(1), ..proof }.verify());
    }

    #[test]
    fn proof_bytes_are_golden() {
        let proof = prove(&numbered(3), &1u32.to_be_bytes());
        assert_eq!(
            alloy_primitives::keccak256(proof.encode()).to_string(),
            "0x6783a195e0adbb56aef0806bd34a16edcc0185787a9139274bc69cb2a7154ae1"
        );
    }

    proptest! {
        #[test]
        fn random_states_prove_presence_and_absence(
            map in prop::collection::btree_map(
                prop::collection::vec(any::<u8>(), 1..20), prop::collection::vec(any::<u8>(), 1..20), 1..150),
            probes in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..4), 8),
        ) {
            for key in map.keys().take(8).chain(&probes) {
                let proof = prove(&map, key);
                prop_assert_eq!(proof.value.as_ref(), map.get(key));
                prop_assert!(proof.verify());
            }
        }
    }
}
