//! Transaction type `0x50`: signed with P-256 over SHA-256, as HSMs and X.509 keys do it.
//!
//! ```text
//! envelope = 0x50 ‖ rlp([chain_id, nonce, gas_limit, to, input, first_height, last_height,
//!                        public_key (64), signature (64)])
//! signed   = 0x50 ‖ rlp([chain_id, nonce, gas_limit, to, input, first_height, last_height, public_key])
//! ```
//!
//! The signature is ECDSA (FIPS 186-5) over SHA-256 of `signed`, `r ‖ s`, `s` in the lower half so that
//! nobody can make a second hash of the same transaction. `first_height` and `last_height` bound, both
//! inclusive, the heights that may include it: an institution never has a payment of last week executed.

use alloy_primitives::{Address, Bytes, FixedBytes, TxKind, keccak256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use super::TxError;

/// The EIP-2718 type byte of our own transactions: `P`, for P-256.
pub const INSTITUTIONAL_TX_TYPE: u8 = 0x50;

/// An uncompressed P-256 point without its leading `04`: `x ‖ y`.
pub type P256PublicKey = FixedBytes<64>;

/// Half of the order of P-256, rounded down (SEC 2, section 2.4.2), big-endian.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde,
    0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// A signed type-`0x50` transaction.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct InstitutionalTx {
    /// The chain it is for.
    pub chain_id: u64,
    /// The sender's transaction count that it needs.
    pub nonce: u64,
    /// Gas that it may use.
    pub gas_limit: u64,
    /// The callee, or the creation of a contract.
    pub to: TxKind,
    /// Call data or init code.
    pub input: Bytes,
    /// First height that may include it.
    pub first_height: u64,
    /// Last height that may include it.
    pub last_height: u64,
    /// The signer's key.
    pub public_key: P256PublicKey,
    /// `r ‖ s`; zero while unsigned.
    pub signature: FixedBytes<64>,
}

#[derive(RlpEncodable)]
struct SignedPart<'a> {
    chain_id: u64,
    nonce: u64,
    gas_limit: u64,
    to: &'a TxKind,
    input: &'a Bytes,
    first_height: u64,
    last_height: u64,
    public_key: &'a P256PublicKey,
}

impl InstitutionalTx {
    /// The bytes that the signer hashes with SHA-256 and signs.
    pub fn signing_bytes(&self) -> Vec<u8> {
        let part = SignedPart {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit,
            to: &self.to,
            input: &self.input,
            first_height: self.first_height,
            last_height: self.last_height,
            public_key: &self.public_key,
        };
        envelope(&part)
    }

    /// The EIP-2718 bytes.
    pub fn encode_envelope(&self) -> Bytes {
        envelope(self).into()
    }

    /// Puts a signature (`r ‖ s`) in place, with `s` moved to the lower half as [`Self::verify`] wants it.
    pub fn with_signature(mut self, signature: [u8; 64]) -> Self {
        self.signature = FixedBytes(low_s(signature));
        self
    }

    pub(super) fn decode_envelope(raw: &[u8]) -> Result<Self, TxError> {
        let malformed = |e: alloy_rlp::Error| TxError::Malformed(e.to_string());
        let mut rest = raw.get(1..).unwrap_or_default();
        let tx = Self::decode(&mut rest).map_err(malformed)?;
        if !rest.is_empty() {
            return Err(TxError::Malformed("bytes follow the transaction".into()));
        }
        Ok(tx)
    }

    /// Checks window and signature, and gives the sender.
    pub(super) fn verify(&self) -> Result<Address, TxError> {
        if self.first_height > self.last_height {
            return Err(TxError::EmptyWindow { first: self.first_height, last: self.last_height });
        }
        if !is_low_s(&self.signature.0) {
            return Err(TxError::BadSignature("s is in the upper half of the order"));
        }
        let mut point = [0x04u8; 65];
        for (to, from) in point.iter_mut().skip(1).zip(self.public_key) {
            *to = from;
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(&self.signing_bytes(), self.signature.as_slice())
            .map_err(|_| TxError::BadSignature("P-256 signature does not verify"))?;
        Ok(p256_address(&self.public_key))
    }
}

/// The account of a P-256 key: the last 20 bytes of the keccak256 of `x ‖ y`, as Ethereum does for
/// secp256k1.
pub fn p256_address(public_key: &P256PublicKey) -> Address {
    Address::from_word(keccak256(public_key))
}

fn envelope(payload: &impl Encodable) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.length().saturating_add(1));
    out.push(INSTITUTIONAL_TX_TYPE);
    payload.encode(&mut out);
    out
}

fn is_low_s(signature: &[u8; 64]) -> bool {
    signature.get(32..).is_some_and(|s| s <= HALF_ORDER.as_slice())
}

/// `n - s` where `s` is in the upper half.
fn low_s(signature: [u8; 64]) -> [u8; 64] {
    use alloy_primitives::U256;
    if is_low_s(&signature) {
        return signature;
    }
    let half = U256::from_be_bytes(HALF_ORDER);
    let order = half.saturating_add(half).saturating_add(U256::from(1));
    let (r, s) = signature.split_at(32);
    let s = order.saturating_sub(U256::from_be_slice(s));
    let mut out = [0u8; 64];
    for (to, from) in out.iter_mut().zip(r.iter().copied().chain(s.to_be_bytes::<32>())) {
        *to = from;
    }
    out
}
