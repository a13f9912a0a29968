//! Transactions: Ethereum's EIP-2718 types 0, 1 and 2 signed with secp256k1, and our own type `0x50`
//! signed with P-256, for institutions whose HSMs and certificates speak that curve.
//!
//! [`SignedTx::parse`] checks the form, [`SignedTx::verify`] everything that needs no state. What passes
//! both can only be refused for reasons that lie in the state.

mod batch;
mod gossip;
mod institutional;

use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_eips::{
    eip2718::{Decodable2718 as _, Typed2718 as _},
    eip2930::AccessList,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use secp256k1::{
    Message, PublicKey, SECP256K1,
    ecdsa::{RecoverableSignature, RecoveryId},
};

pub use batch::{SenderKey, verify_all};
pub use gossip::{GOSSIP_BATCH, decode_gossip, encode_gossip};
pub use institutional::{INSTITUTIONAL_TX_TYPE, InstitutionalTx, P256PublicKey, p256_address};

/// The largest transaction, in bytes: a contract of EIP-3860's size limit and its arguments fit.
pub const MAX_TX_BYTES: usize = 128 * 1024;

/// Why bytes are no transaction of this chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxError {
    /// Too large to look at.
    #[error("oversized data: transaction size {size}, limit {MAX_TX_BYTES}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Not RLP, not canonical, or bytes left over.
    #[error("rlp: {0}")]
    Malformed(String),
    /// A transaction type that this chain does not take.
    #[error("transaction type not supported: type {0:#04x}; this chain takes 0x00, 0x01, 0x02 and 0x50")]
    UnsupportedType(u8),
    /// A legacy transaction without EIP-155 replay protection.
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    NotReplayProtected,
    /// Signed for another chain.
    #[error("invalid chain id for signer: have {have} want {want}")]
    WrongChain {
        /// The transaction's.
        have: u64,
        /// This chain's.
        want: u64,
    },
    /// There is no native token to send.
    #[error("value must be zero: this chain has no native token")]
    ValueNotZero,
    /// The signature does not verify, or its `s` is in the upper half (EIP-2).
    #[error("invalid sender: {0}")]
    BadSignature(&'static str),
    /// EIP-1559: the tip exceeds the fee cap.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFeeCap,
    /// The validity window of a type-`0x50` transaction ends before it starts.
    #[error("validity window is empty: first height {first}, last height {last}")]
    EmptyWindow {
        /// First height at which it may be included.
        first: u64,
        /// Last height at which it may be included.
        last: u64,
    },
}

impl TxError {
    /// A stable label for metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Malformed(_) => "malformed",
            Self::UnsupportedType(_) => "unsupported_type",
            Self::NotReplayProtected => "not_replay_protected",
            Self::WrongChain { .. } => "wrong_chain",
            Self::ValueNotZero => "value_not_zero",
            Self::BadSignature(_) => "bad_signature",
            Self::TipAboveFeeCap => "tip_above_fee_cap",
            Self::EmptyWindow { .. } => "empty_window",
        }
    }
}

/// What was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxPayload {
    /// EIP-2718 types 0, 1 and 2.
    Ethereum(TxEnvelope),
    /// Type `0x50`.
    Institutional(InstitutionalTx),
}

/// A transaction in its signed form. Its signature has not been looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTx {
    raw: Bytes,
    hash: B256,
    payload: TxPayload,
}

impl SignedTx {
    /// Parses EIP-2718 bytes. Everything about the form is checked here.
    pub fn parse(raw: Bytes) -> Result<Self, TxError> {
        if raw.len() > MAX_TX_BYTES {
            return Err(TxError::TooLarge { size: raw.len() });
        }
        let payload = match raw.first().copied() {
            None => return Err(TxError::Malformed("empty transaction".into())),
            Some(INSTITUTIONAL_TX_TYPE) => TxPayload::Institutional(InstitutionalTx::decode_envelope(&raw)?),
            Some(kind @ (0x00 | 0x03..=0x7f)) => return Err(TxError::UnsupportedType(kind)),
            Some(_) => TxPayload::Ethereum(decode_ethereum(&raw)?),
        };
        Ok(Self { hash: keccak256(&raw), raw, payload })
    }

    /// Checks all that needs no state (chain, value, fees' order, signature) and finds the sender.
    /// The costly part is the signature: about 28 µs.
    pub fn verify(self, chain_id: u64) -> Result<VerifiedTx, TxError> {
        self.check_form(chain_id)?;
        let (sender, _) = self.signer()?;
        Ok(VerifiedTx { tx: self, sender })
    }

    /// Who signed it, with the key that had to be looked for.
    fn signer(&self) -> Result<(Address, Option<PublicKey>), TxError> {
        match &self.payload {
            TxPayload::Ethereum(envelope) => {
                let key = recover_key(envelope)?;
                Ok((address_of(&key), Some(key)))
            }
            TxPayload::Institutional(tx) => Ok((tx.verify()?, None)),
        }
    }

    /// All of that but the signature.
    fn check_form(&self, chain_id: u64) -> Result<(), TxError> {
        let have = self.chain_id().ok_or(TxError::NotReplayProtected)?;
        if have != chain_id {
            return Err(TxError::WrongChain { have, want: chain_id });
        }
        let TxPayload::Ethereum(envelope) = &self.payload else { return Ok(()) };
        if !envelope.value().is_zero() {
            return Err(TxError::ValueNotZero);
        }
        if envelope.max_priority_fee_per_gas().is_some_and(|tip| tip > envelope.max_fee_per_gas()) {
            return Err(TxError::TipAboveFeeCap);
        }
        Ok(())
    }

    /// The EIP-2718 bytes.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// keccak256 of [`Self::raw`].
    pub fn hash(&self) -> B256 {
        self.hash
    }

    /// What was signed.
    pub fn payload(&self) -> &TxPayload {
        &self.payload
    }

    /// The EIP-2718 type byte; 0 for legacy.
    pub fn tx_type(&self) -> u8 {
        match &self.payload {
            TxPayload::Ethereum(envelope) => envelope.ty(),
            TxPayload::Institutional(_) => INSTITUTIONAL_TX_TYPE,
        }
    }

    /// The chain it was signed for; `None` for a legacy one without EIP-155.
    pub fn chain_id(&self) -> Option<u64> {
        match &self.payload {
            TxPayload::Ethereum(envelope) => envelope.chain_id(),
            TxPayload::Institutional(tx) => Some(tx.chain_id),
        }
    }

    /// The sender's transaction count that it needs.
    pub fn nonce(&self) -> u64 {
        match &self.payload {
            TxPayload::Ethereum(envelope) => envelope.nonce(),
            TxPayload::Institutional(tx) => tx.nonce,
        }
    }

    /// Gas that it may use.
    pub fn gas_limit(&self) -> u64 {
        match &self.payload {
            TxPayload::Ethereum(envelope) => envelope.gas_limit(),
            TxPayload::Institutional(tx) => tx.gas_limit,
        }
    }

    /// The callee, or the creation of a contract.
    pub fn kind(&self) -> TxKind {
        match &self.payload {
            TxPayload::Ethereum(envelope) => envelope.kind(),
            TxPayload::Institutional(tx) => tx.to,
        }
    }

    /// Call data or init code.
    pub fn input(&self) -> &Bytes {
        match &self.payload {
            TxPayload::Ethereum(envelope) => envelope.input(),
            TxPayload::Institutional(tx) => &tx.input,
        }
    }

    /// Native value: always zero once verified.
    pub fn value(&self) -> U256 {
        match &self.payload {
            TxPayload::Ethereum(envelope) => envelope.value(),
            TxPayload::Institutional(_) => U256::ZERO,
        }
    }

    /// EIP-2930 access list, where the type has one.
    pub fn access_list(&self) -> Option<&AccessList> {
        match &self.payload {
            TxPayload::Ethereum(envelope) => envelope.access_list(),
            TxPayload::Institutional(_) => None,
        }
    }

    /// The heights at which it may be included, both inclusive.
    pub fn validity(&self) -> (u64, u64) {
        match &self.payload {
            TxPayload::Ethereum(_) => (0, u64::MAX),
            TxPayload::Institutional(tx) => (tx.first_height, tx.last_height),
        }
    }
}

/// A transaction whose signature is good, with its sender. Made by [`SignedTx::verify`] and [`verify_all`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTx {
    tx: SignedTx,
    sender: Address,
}

impl VerifiedTx {
    /// Who signed it.
    pub fn sender(&self) -> Address {
        self.sender
    }

    /// The transaction.
    pub fn tx(&self) -> &SignedTx {
        &self.tx
    }
}

impl std::ops::Deref for VerifiedTx {
    type Target = SignedTx;

    fn deref(&self) -> &SignedTx {
        &self.tx
    }
}

/// Recovers the signer with libsecp256k1 (SEC 1, section 4.1.6), refusing an `s` in the upper half (EIP-2).
fn recover_key(envelope: &TxEnvelope) -> Result<PublicKey, TxError> {
    let signature = envelope.signature();
    if signature.normalize_s().is_some() {
        return Err(TxError::BadSignature("s is in the upper half of the order"));
    }
    let bad = |_| TxError::BadSignature("signature does not recover");
    let mut compact = [0u8; 64];
    let words = signature.r().to_be_bytes::<32>().into_iter().chain(signature.s().to_be_bytes::<32>());
    for (to, from) in compact.iter_mut().zip(words) {
        *to = from;
    }
    let id = if signature.v() { RecoveryId::One } else { RecoveryId::Zero };
    let recoverable = RecoverableSignature::from_compact(&compact, id).map_err(bad)?;
    let digest = Message::from_digest(envelope.signature_hash().0);
    SECP256K1.recover_ecdsa(digest, &recoverable).map_err(bad)
}

/// The account that a key signs for: the end of the hash of its coordinates.
fn address_of(key: &PublicKey) -> Address {
    let [_, coordinates @ ..] = key.serialize_uncompressed();
    Address::from_word(keccak256(coordinates))
}

fn decode_ethereum(raw: &[u8]) -> Result<TxEnvelope, TxError> {
    let mut rest = raw;
    let envelope = TxEnvelope::decode_2718(&mut rest).map_err(|e| TxError::Malformed(e.to_string()))?;
    if rest.is_empty() {
        Ok(envelope)
    } else {
        Err(TxError::Malformed("bytes follow the transaction".into()))
    }
}

#[cfg(test)]
mod tests;
