//! Precommits signed with a consensus key that somebody has stolen, written down without the nodes' code: what
//! is signed as in CometBFT v0.38's `canonical.proto`, and the message that carries it.

use std::path::Path;

use openssl::{
    pkey::{PKey, Private},
    sha::sha256,
    sign::Signer,
};

use crate::{Network, peer::passphrase};

/// A consensus key and the chain that it signs for.
pub struct VoteKey {
    key: PKey<Private>,
    chain_id: String,
}

impl VoteKey {
    /// That of one of a network's validators.
    pub fn of_node(network: &Network, node: usize) -> Self {
        let key = std::fs::read(Path::new(&network.node_folder(node)).join("consensus.key")).unwrap();
        Self {
            key: PKey::private_key_from_pem_passphrase(&key, passphrase(network).trim_ascii_end()).unwrap(),
            chain_id: network.info["chain_id"].as_str().unwrap().to_owned(),
        }
    }

    /// The validator's address.
    pub fn address(&self) -> Vec<u8> {
        sha256(&self.key.raw_public_key().unwrap())[..20].to_vec()
    }

    /// A message with a precommit of round 0: for nil, or for a made-up block.
    pub fn precommit(&self, height: u64, block: Option<u8>) -> Vec<u8> {
        let hash = block.map(|byte| [byte; 32]);
        let mut signer = Signer::new_without_digest(&self.key).unwrap();
        let signature = signer.sign_oneshot_to_vec(&self.signed(height, hash)).unwrap();
        let mut vote = [number(1, 2), number(2, height)].concat();
        // The hash, one part, the hash of the parts; no time, which is 1970.
        let id = hash.map(|hash| [bytes(1, &hash), number(2, 1), bytes(3, &hash)].concat());
        vote.extend(id.iter().flat_map(|id| bytes(4, id)));
        vote.extend([bytes(5, &self.address()), bytes(6, &signature)].concat());
        bytes(1, &vote)
    }

    /// The bytes that the signature covers, with their length before them.
    fn signed(&self, height: u64, hash: Option<[u8; 32]>) -> Vec<u8> {
        // A precommit; the height as a number of fixed size; round 0 is left out.
        let mut vote = [&number(1, 2)[..], &[0x11], &height.to_le_bytes()].concat();
        let parts = |hash: &[u8]| [number(1, 1), bytes(2, hash)].concat();
        let id = hash.map(|hash| [bytes(1, &hash), bytes(2, &parts(&hash))].concat());
        vote.extend(id.iter().flat_map(|id| bytes(4, id)));
        vote.extend([bytes(5, &[]), bytes(6, self.chain_id.as_bytes())].concat());
        [varint(vote.len() as u64), vote].concat()
    }
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn number(field: u8, value: u64) -> Vec<u8> {
    [vec![field << 3], varint(value)].concat()
}

fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    [vec![field << 3 | 2], varint(value.len() as u64), value.to_vec()].concat()
}
