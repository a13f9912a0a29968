//! Receipts: what became of each transaction of a block, and what headers commit to of it.

use alloy_primitives::{Address, B256, Bloom, BloomInput, Bytes, Log, keccak256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use tendermint_proto::v0_38::abci::ExecTxResult;

use crate::activity::merkle;

/// The most bytes of return or revert data that a receipt keeps.
pub const MAX_OUTPUT_BYTES: usize = 4096;

/// How a transaction of a block ended. The numbers are the `code` of CometBFT results and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Outcome {
    /// Executed, and its changes stand.
    Success = 0,
    /// Executed and undone by the contract itself; `output` says why.
    Reverted = 1,
    /// Executed and undone by the machine: out of gas, bad opcode and the like.
    Halted = 2,
    /// Not executed: the sender's certificate was no longer valid at the block's time.
    CertificateExpired = 16,
    /// Not executed: the sender's certificate is revoked.
    CertificateRevoked = 17,
    /// Not executed: the sender's organisation is suspended.
    Suspended = 18,
    /// Not executed: the sender's role is none of an account.
    RoleForbidden = 19,
    /// Not executed: the sender's account is frozen.
    Frozen = 20,
    /// Not executed: no policy permits it, or one forbids it; `output` says which.
    NotPermitted = 21,
    /// Not executed: the contract is frozen or retired; `output` says which of both.
    ContractFrozen = 22,
    /// Not executed: nobody has approved of the deployment; `output` says which.
    ApprovalMissing = 23,
    /// Executed, and undone by a run-time rule; `output` says which, and the one event is its alert.
    RuleViolated = 24,
    /// Not executed: an order of a regulator refuses it; `output` says which.
    Ordered = 25,
    /// Executed, and undone because it moved tokens that an order of a regulator freezes; `output` says which.
    OrderUndid = 26,
    /// Not executed: the sender's identity is barred.
    Barred = 31,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 15] = [
        Outcome::Success,
        Outcome::Reverted,
        Outcome::Halted,
        Outcome::CertificateExpired,
        Outcome::CertificateRevoked,
        Outcome::Suspended,
        Outcome::RoleForbidden,
        Outcome::Frozen,
        Outcome::NotPermitted,
        Outcome::ContractFrozen,
        Outcome::ApprovalMissing,
        Outcome::RuleViolated,
        Outcome::Ordered,
        Outcome::OrderUndid,
        Outcome::Barred,
    ];

    /// The stable number of this outcome.
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// The outcome with this number.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }

    /// Whether the changes of the transaction stand.
    pub const fn succeeded(self) -> bool {
        matches!(self, Outcome::Success)
    }

    /// Whether the transaction stands in the block but was refused before execution. It used up its
    /// nonce, so it can never run later.
    pub const fn refused(self) -> bool {
        self.code() >= 16 && !matches!(self, Outcome::RuleViolated | Outcome::OrderUndid)
    }

    /// A sentence for people.
    pub const fn describe(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Reverted => "execution reverted",
            Outcome::Halted => "execution halted",
            Outcome::CertificateExpired => "refused: the sender's certificate has expired; renew it",
            Outcome::CertificateRevoked => "refused: the sender's certificate is revoked",
            Outcome::Suspended => "refused: the sender's organisation is suspended",
            Outcome::RoleForbidden => "refused: the sender's role is not one of an account",
            Outcome::Frozen => "refused: the sender's account is frozen",
            Outcome::NotPermitted => "refused: not permitted",
            Outcome::ContractFrozen => "refused: the contract is frozen or retired",
            Outcome::ApprovalMissing => "refused: the deployment needs an approval by vote",
            Outcome::RuleViolated => "undone: a run-time rule is violated",
            Outcome::Ordered => "refused: by order of a regulator",
            Outcome::OrderUndid => "undone: by order of a regulator",
            Outcome::Barred => "refused: the sender is barred; only a vote of the committee lifts that",
        }
    }
}

/// What became of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction's hash.
    pub tx_hash: B256,
    /// EIP-2718 type byte.
    pub tx_type: u8,
    /// Who sent it.
    pub sender: Address,
    /// How it ended.
    pub outcome: Outcome,
    /// Gas that the sender allowed.
    pub gas_limit: u64,
    /// Gas used.
    pub gas_used: u64,
    /// The contract that a creation made.
    pub contract_address: Option<Address>,
    /// Events, in order; empty unless it succeeded, but for the alert of a rule that undid it.
    pub logs: Vec<Log>,
    /// Revert data of a reverted one, at most [`MAX_OUTPUT_BYTES`]; of one that is not permitted, violates a rule, is to
    /// a frozen contract or against an order, the error that says why; empty otherwise.
    pub output: Bytes,
}

#[derive(RlpDecodable)]
#[rlp(trailing)]
struct Row {
    tx_hash: B256,
    tx_type: u8,
    sender: Address,
    outcome: u32,
    gas_limit: u64,
    gas_used: u64,
    logs: Vec<Log>,
    output: Bytes,
    contract_address: Option<Address>,
}

/// [`Row`], to be written: every node writes each receipt twice, so that nothing is copied for it.
#[derive(RlpEncodable)]
#[rlp(trailing)]
struct RowOf<'a> {
    tx_hash: &'a B256,
    tx_type: u8,
    sender: &'a Address,
    outcome: u32,
    gas_limit: u64,
    gas_used: u64,
    logs: &'a Vec<Log>,
    output: &'a Bytes,
    contract_address: Option<Address>,
}

impl Receipt {
    /// The bloom filter of this receipt's logs (Ethereum yellow paper, section 4.3.1).
    pub fn bloom(&self) -> Bloom {
        let mut bloom = Bloom::ZERO;
        for log in &self.logs {
            bloom.accrue(BloomInput::Raw(log.address.as_slice()));
            for topic in log.topics() {
                bloom.accrue(BloomInput::Raw(topic.as_slice()));
            }
        }
        bloom
    }

    /// The canonical bytes: what the store keeps and what [`Self::digest`] hashes.
    pub fn encode(&self) -> Vec<u8> {
        let row = RowOf {
            tx_hash: &self.tx_hash,
            tx_type: self.tx_type,
            sender: &self.sender,
            outcome: self.outcome.code(),
            gas_limit: self.gas_limit,
            gas_used: self.gas_used,
            logs: &self.logs,
            output: &self.output,
            contract_address: self.contract_address,
        };
        let mut out = Vec::with_capacity(row.length());
        row.encode(&mut out);
        out
    }

    /// Reads [`Self::encode`]'s bytes.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, alloy_rlp::Error> {
        let row = Row::decode(&mut bytes)?;
        if !bytes.is_empty() {
            return Err(alloy_rlp::Error::UnexpectedLength);
        }
        let outcome = Outcome::from_code(row.outcome).ok_or(alloy_rlp::Error::Custom("unknown outcome"))?;
        Ok(Self {
            tx_hash: row.tx_hash,
            tx_type: row.tx_type,
            sender: row.sender,
            outcome,
            gas_limit: row.gas_limit,
            gas_used: row.gas_used,
            contract_address: row.contract_address,
            logs: row.logs,
            output: row.output,
        })
    }

    /// keccak256 of the canonical bytes. It is the `data` of the CometBFT result, so that a light client
    /// can prove a receipt, logs included, from the next header.
    pub fn digest(&self) -> B256 {
        keccak256(self.encode())
    }

    /// The deterministic part of the CometBFT result of this transaction.
    pub fn comet_result(&self) -> ExecTxResult {
        ExecTxResult {
            code: self.outcome.code(),
            data: bytes::Bytes::copy_from_slice(self.digest().as_slice()),
            gas_wanted: i64::try_from(self.gas_limit).unwrap_or(i64::MAX),
            gas_used: i64::try_from(self.gas_used).unwrap_or(i64::MAX),
            ..ExecTxResult::default()
        }
    }
}

impl Receipt {
    /// The leaf that stands for this transaction's result under the block's results hash.
    pub fn result_leaf(&self) -> B256 {
        merkle::leaf(&prost::Message::encode_to_vec(&self.comet_result()))
    }
}

/// `last_results_hash` of the next header: the Merkle root of the block's results (CometBFT
/// `types/results.go`).
pub fn results_hash(receipts: &[Receipt]) -> tendermint::Hash {
    tendermint::Hash::Sha256(merkle::root(receipts.iter().map(Receipt::result_leaf).collect()).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            tx_hash: B256::repeat_byte(1),
            tx_type: 2,
            sender: Address::repeat_byte(2),
            outcome: Outcome::Success,
            gas_limit: 60_000,
            gas_used: 34_215,
            contract_address: None,
            logs: vec![Log::new_unchecked(
                Address::repeat_byte(3),
                vec![B256::repeat_byte(4)],
                Bytes::from_static(b"data"),
            )],
            output: Bytes::new(),
        }
    }

    #[test]
    fn receipts_survive_their_encoding_with_and_without_a_contract_address() {
        for contract_address in [None, Some(Address::repeat_byte(9))] {
            let receipt = Receipt { contract_address, ..receipt() };
            assert_eq!(Receipt::decode(&receipt.encode()).unwrap(), receipt);
        }
    }

    #[test]
    fn receipt_digest_is_golden() {
        assert_eq!(
            receipt().digest().to_string(),
            "0x548eb5667decd7df4e985dae829efb42e0f63a6940b32d489a4c42f4b8500d69"
        );
    }

    #[test]
    fn the_receipt_of_a_call_of_a_frozen_contract_is_golden() {
        let output = Bytes::from_static(b"why");
        let receipt =
            Receipt { outcome: Outcome::ContractFrozen, gas_used: 0, logs: vec![], output, ..receipt() };
        assert_eq!(receipt.comet_result().code, 22);
        assert_eq!(
            alloy_primitives::hex::encode(receipt.encode()),
            format!("f841a0{}0294{}1682ea6080c083776879", "01".repeat(32), "02".repeat(20))
        );
        assert_eq!(Receipt::decode(&receipt.encode()).unwrap(), receipt);
    }

    #[test]
    fn outcomes_survive_their_codes_and_refusals_are_known() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_code(outcome.code()), Some(outcome));
        }
        assert_eq!(Outcome::from_code(99), None);
        assert!(Outcome::Suspended.refused() && !Outcome::Halted.refused());
        // It ran, and has an alert.
        assert!(!Outcome::RuleViolated.refused() && !Outcome::RuleViolated.succeeded());
    }

    #[test]
    fn an_empty_block_has_the_hash_of_nothing_as_its_results() {
        assert_eq!(
            results_hash(&[]).to_string(),
            "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"
        );
    }
}
