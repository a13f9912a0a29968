//! The genesis document: what all members agree on before the first block.
//!
//! Each organisation writes its own [`GenesisPart`], anyone assembles them into a [`Genesis`], and all
//! compare one hash. Certificates stand in PEM, so that everybody can read them with their own tools.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tendermint_proto::v0_38::types::HashedParams;

use crate::{OrgId, Role};

/// The largest genesis document that is read, in bytes.
pub const MAX_GENESIS_BYTES: usize = 16 * 1024 * 1024;

/// The most gas that one transaction may ask for (EIP-7825). No block may have less: what fits into none could never
/// be executed, and among it might be what the committee needs to change the limit back.
pub const MAX_TX_GAS: u64 = 1 << 24;

/// Limits and rules that every node must share. Those of the genesis document hold until the committee decides otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChainParams {
    /// Version of the execution rules: which EVM, which system contracts.
    pub protocol_version: u64,
    /// Largest encoded block, in bytes.
    pub block_max_bytes: u64,
    /// Gas of all transactions of a block together.
    pub block_gas_limit: u64,
    /// With nothing to do, a block is made this often, in milliseconds.
    pub empty_block_interval_ms: u64,
    /// How far the clocks of two correct nodes may differ, in milliseconds (CometBFT PBTS `precision`).
    pub clock_precision_ms: u64,
    /// How long a proposal may travel, in milliseconds (CometBFT PBTS `message_delay`).
    pub message_delay_ms: u64,
}

impl Default for ChainParams {
    fn default() -> Self {
        Self {
            protocol_version: 1,
            block_max_bytes: 4 * 1024 * 1024,
            block_gas_limit: 300_000_000,
            empty_block_interval_ms: 10_000,
            clock_precision_ms: 500,
            message_delay_ms: 5_000,
        }
    }
}

impl ChainParams {
    /// `consensus_hash` of headers (CometBFT `ConsensusParams.Hash`).
    pub fn consensus_hash(&self) -> tendermint::Hash {
        let hashed = HashedParams {
            block_max_bytes: i64::try_from(self.block_max_bytes).unwrap_or(i64::MAX),
            block_max_gas: i64::try_from(self.block_gas_limit).unwrap_or(i64::MAX),
        };
        tendermint::Hash::Sha256(Sha256::digest(hashed.encode_to_vec()).into())
    }

    /// Whether each lies in its range: in a genesis document, and in what a committee votes for. Within them blocks can
    /// be made, so that no vote takes the means to undo it: any transaction fits into a block, which a validator judges
    /// within the longest round, and a proposal whose time is that of a clock set by NTP arrives in time over any line that
    /// consensus works on.
    pub fn check(&self) -> Result<(), ParamError> {
        let max = u64::try_from(crate::block::MAX_BLOCK_BYTES).unwrap_or(u64::MAX);
        let ranges = [
            // Which versions there are, execution knows.
            ("protocol_version", self.protocol_version, 1, u64::MAX),
            ("block_max_bytes", self.block_max_bytes, 256 * 1024, max),
            ("block_gas_limit", self.block_gas_limit, MAX_TX_GAS, 3_000_000_000),
            ("empty_block_interval_ms", self.empty_block_interval_ms, 100, 3_600_000),
            ("clock_precision_ms", self.clock_precision_ms, 100, 10_000),
            ("message_delay_ms", self.message_delay_ms, 1_000, 600_000),
        ];
        for (name, have, least, most) in ranges {
            if !(least..=most).contains(&have) {
                return Err(ParamError { name, have, least, most });
            }
        }
        Ok(())
    }
}

/// A parameter out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parameter {name} is {have} but must lie between {least} and {most}")]
pub struct ParamError {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub have: u64,
    /// The least allowed.
    pub least: u64,
    /// The most allowed.
    pub most: u64,
}

/// A validator as its organisation enters it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisValidator {
    /// PEM chain of the node's TLS certificate (role `validator`), leaf first, root left out.
    pub node_certificate: String,
    /// PEM chain of the certificate of its consensus key (role `consensus`, Ed25519).
    pub consensus_certificate: String,
    /// Where other nodes reach it, `host:port`.
    pub address: String,
    /// Voting power.
    pub power: u64,
}

/// A founding member of the committee as its organisation enters it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisCommitteeMember {
    /// PEM chain of the certificate of its account (role `committee-member`), leaf first, root left out.
    pub certificate: String,
    /// Weight of its ballot.
    pub weight: u64,
}

/// What one organisation contributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisPart {
    /// The organisation.
    pub organisation: OrgId,
    /// Its name for people.
    pub name: String,
    /// PEM of its root CA certificates.
    pub ca_certificates: Vec<String>,
    /// The roles that its CA may grant.
    pub roles: BTreeSet<Role>,
    /// Its validators; an organisation may have none.
    #[serde(default)]
    pub validators: Vec<GenesisValidator>,
    /// Its members of the committee. A chain that starts without any has no committee, and never gets one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub committee: Vec<GenesisCommitteeMember>,
}

/// The genesis document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// CometBFT chain id, at most 50 characters; distinguishes this chain from all others.
    pub chain_id: String,
    /// EIP-155 chain id that transactions are signed for.
    pub evm_chain_id: u64,
    /// Time of the first block's predecessor, in Unix seconds.
    pub genesis_time: i64,
    /// Limits and rules.
    pub params: ChainParams,
    /// The organisations, in the order of their ids.
    pub organisations: Vec<GenesisPart>,
}

/// Why a document is no genesis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Not JSON of this shape.
    #[error("not a genesis document: {0}")]
    Malformed(String),
    /// The chain id is none.
    #[error("chain id {0:?} must be 1 to 50 characters of a-z, A-Z, 0-9, '-', '_' and '.'")]
    ChainId(String),
    /// Zero would be taken by tools as "any chain".
    #[error("evm_chain_id must be between 1 and 9007199254740991, which JavaScript clients can hold")]
    EvmChainId,
    /// A parameter out of its range.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// Two parts of one organisation.
    #[error("organisation {0} has two parts; keep the one that it confirms")]
    Duplicate(OrgId),
    /// Nobody could agree on anything.
    #[error("no organisation brings a validator")]
    NoValidators,
    /// The parts are not in order, so another order would give another hash.
    #[error("organisations must stand in the order of their ids; {0} does not")]
    Order(OrgId),
}

impl Genesis {
    /// Puts the parts in order and checks the whole. Certificates are checked where the state is made.
    pub fn assemble(
        chain_id: &str,
        evm_chain_id: u64,
        genesis_time: i64,
        params: ChainParams,
        mut parts: Vec<GenesisPart>,
    ) -> Result<Self, GenesisError> {
        parts.sort_by(|a, b| a.organisation.cmp(&b.organisation));
        let genesis =
            Self { chain_id: chain_id.to_owned(), evm_chain_id, genesis_time, params, organisations: parts };
        genesis.check()?;
        Ok(genesis)
    }

    /// Reads a document.
    pub fn from_json(json: &str) -> Result<Self, GenesisError> {
        if json.len() > MAX_GENESIS_BYTES {
            return Err(GenesisError::Malformed(format!("larger than {MAX_GENESIS_BYTES} bytes")));
        }
        let genesis: Self = serde_json::from_str(json).map_err(|e| GenesisError::Malformed(e.to_string()))?;
        genesis.check()?;
        Ok(genesis)
    }

    /// Writes the document for people: indented JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a genesis holds only strings and numbers")
    }

    /// The hash that all members compare: SHA-256 of the document as compact JSON, fields in the order of
    /// this definition. White space and the order of fields in a file do not count.
    pub fn hash(&self) -> B256 {
        let canonical = serde_json::to_vec(self).expect("a genesis holds only strings and numbers");
        B256::from(<[u8; 32]>::from(Sha256::digest(canonical)))
    }

    fn check(&self) -> Result<(), GenesisError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.chain_id.is_empty() || self.chain_id.len() > 50 || !self.chain_id.chars().all(allowed) {
            return Err(GenesisError::ChainId(self.chain_id.chars().take(64).collect()));
        }
        if !(1..=9_007_199_254_740_991).contains(&self.evm_chain_id) {
            return Err(GenesisError::EvmChainId);
        }
        self.params.check()?;
        let mut previous: Option<&OrgId> = None;
        for part in &self.organisations {
            match previous {
                Some(before) if *before == part.organisation => {
                    return Err(GenesisError::Duplicate(part.organisation.clone()));
                }
                Some(before) if *before > part.organisation => {
                    return Err(GenesisError::Order(part.organisation.clone()));
                }
                _ => previous = Some(&part.organisation),
            }
        }
        if self.organisations.iter().all(|part| part.validators.is_empty()) {
            return Err(GenesisError::NoValidators);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(id: &str) -> GenesisPart {
        GenesisPart {
            organisation: id.parse().unwrap(),
            name: id.to_uppercase(),
            ca_certificates: vec!["PEM".into()],
            roles: BTreeSet::from([Role::Operator, Role::Validator]),
            validators: vec![GenesisValidator {
                node_certificate: "PEM".into(),
                consensus_certificate: "PEM".into(),
                address: "127.0.0.1:1".into(),
                power: 10,
            }],
            committee: vec![],
        }
    }

    fn genesis(parts: Vec<GenesisPart>) -> Result<Genesis, GenesisError> {
        Genesis::assemble("concordat-test", 1337, 1_700_000_000, ChainParams::default(), parts)
    }

    #[test]
    fn the_order_in_which_parts_arrive_does_not_change_the_hash() {
        let one = genesis(vec![part("bank-a"), part("bank-b")]).unwrap();
        let other = genesis(vec![part("bank-b"), part("bank-a")]).unwrap();
        assert_eq!(one.hash(), other.hash());
        assert_eq!(Genesis::from_json(&one.to_json()).unwrap(), one);
    }

    #[test]
    fn the_genesis_hash_is_golden() {
        assert_eq!(
            genesis(vec![part("bank-a")]).unwrap().hash().to_string(),
            "0x302f8c1ff9d59386e9a16cfd41466ab9cad0543d9719584a6905b709d18d4337"
        );
    }

    #[test]
    fn a_committee_changes_the_hash_and_no_committee_does_not() {
        let mut governed = part("bank-a");
        governed.committee = vec![GenesisCommitteeMember { certificate: "PEM".into(), weight: 1 }];
        let (governed, bare) = (genesis(vec![governed]).unwrap(), genesis(vec![part("bank-a")]).unwrap());
        assert_ne!(governed.hash(), bare.hash());
        assert!(!bare.to_json().contains("committee"));
        assert_eq!(Genesis::from_json(&governed.to_json()).unwrap(), governed);
    }

    proptest! {
        #[test]
        fn damaged_documents_are_refused_or_are_documents(at in any::<prop::sample::Index>(), by in any::<u8>()) {
            let whole = genesis(vec![part("bank-a"), part("bank-b")]).unwrap().to_json();
            let mut bytes = whole.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = by;
            for text in [String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&bytes[..at])] {
                if let Ok(read) = Genesis::from_json(&text) {
                    prop_assert_eq!(Genesis::from_json(&read.to_json()).map(|again| again.hash()), Ok(read.hash()));
                }
            }
        }
    }

    #[test]
    fn documents_that_cannot_start_a_chain_are_refused() {
        let two = genesis(vec![part("bank-a"), part("bank-a")]);
        assert_eq!(two, Err(GenesisError::Duplicate("bank-a".parse().unwrap())));
        assert_eq!(genesis(vec![]), Err(GenesisError::NoValidators));
        let mut good = genesis(vec![part("bank-a"), part("bank-b")]).unwrap();
        good.organisations.reverse();
        assert!(matches!(Genesis::from_json(&good.to_json()), Err(GenesisError::Order(_))));
        good.organisations.reverse();
        good.evm_chain_id = 0;
        assert_eq!(Genesis::from_json(&good.to_json()), Err(GenesisError::EvmChainId));
        good.evm_chain_id = 1;
        good.params.block_gas_limit = 1;
        assert!(matches!(
            Genesis::from_json(&good.to_json()),
            Err(GenesisError::Param(ParamError { name: "block_gas_limit", .. }))
        ));
        good.chain_id = "a b".into();
        assert!(matches!(Genesis::from_json(&good.to_json()), Err(GenesisError::ChainId(_))));
    }

    #[test]
    fn unknown_fields_are_refused_by_name() {
        let json = genesis(vec![part("bank-a")]).unwrap().to_json().replacen('{', "{\"colour\": 1,", 1);
        let Err(GenesisError::Malformed(reason)) = Genesis::from_json(&json) else { panic!("accepted") };
        assert!(reason.contains("colour"), "{reason}");
    }
}
