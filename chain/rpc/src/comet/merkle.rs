//! Proofs that a transaction is in a block (CometBFT `crypto/merkle`, after RFC 6962).

use sha2::{Digest, Sha256};
use tendermint::{Hash, merkle::Proof};

/// The proof for the leaf at `index`; `None` where there is none.
pub(crate) fn prove(leaves: &[[u8; 32]], index: usize) -> Option<Proof> {
    let leaf = leaves.get(index)?;
    let mut aunts = Vec::new();
    collect_aunts(leaves, index, &mut aunts);
    Some(Proof {
        total: leaves.len() as u64,
        index: index as u64,
        leaf_hash: Hash::Sha256(leaf_hash(leaf)),
        aunts: aunts.into_iter().map(Hash::Sha256).collect(),
    })
}

/// The siblings on the way from the leaf to the root, nearest first.
fn collect_aunts(leaves: &[[u8; 32]], index: usize, aunts: &mut Vec<[u8; 32]>) {
    if leaves.len() <= 1 {
        return;
    }
    let (left, right) = leaves.split_at(split_point(leaves.len()));
    if index < left.len() {
        collect_aunts(left, index, aunts);
        aunts.push(root(right));
    } else {
        collect_aunts(right, index.saturating_sub(left.len()), aunts);
        aunts.push(root(left));
    }
}

fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => leaf_hash(leaf),
        many => {
            let (left, right) = many.split_at(split_point(many.len()));
            inner_hash(&root(left), &root(right))
        }
    }
}

/// The largest power of two below `length`, which is at least 2.
fn split_point(length: usize) -> usize {
    length.saturating_sub(1).checked_ilog2().map_or(0, |bits| 1 << bits)
}

fn leaf_hash(leaf: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

fn inner_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use concordat_types::{Bytes, block::data_hash};

    use super::*;

    /// The root that a proof leads to, by the rules of CometBFT's verifier.
    fn climb(proof: &Proof) -> [u8; 32] {
        fn climb(index: u64, total: u64, leaf: [u8; 32], aunts: &[Hash]) -> [u8; 32] {
            let Some((Hash::Sha256(aunt), rest)) = aunts.split_last() else { return leaf };
            let left = split_point(total as usize) as u64;
            match index < left {
                true => inner_hash(&climb(index, left, leaf, rest), aunt),
                false => inner_hash(aunt, &climb(index - left, total - left, leaf, rest)),
            }
        }
        let Hash::Sha256(leaf) = proof.leaf_hash else { panic!("no leaf hash") };
        climb(proof.index, proof.total, leaf, &proof.aunts)
    }

    #[test]
    fn every_transaction_of_blocks_of_every_size_is_proven_against_the_data_hash() {
        for count in 1..=33u8 {
            let txs: Vec<Bytes> = (0..count).map(|n| Bytes::from(vec![n; 3])).collect();
            let leaves: Vec<[u8; 32]> = txs.iter().map(|tx| Sha256::digest(tx).into()).collect();
            for index in 0..usize::from(count) {
                let proof = prove(&leaves, index).unwrap();
                assert_eq!(Hash::Sha256(climb(&proof)), data_hash(&txs), "{index} of {count}");
            }
        }
        assert!(prove(&[], 0).is_none());
    }
}
