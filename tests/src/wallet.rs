//! Transactions signed by code that is not the program's, so that tests can sign what the program would not.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, hex};
use alloy_sol_types::{SolCall as _, sol};
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};

use crate::Network;

sol! {
    /// What tests use of an ERC-20.
    interface IERC20 {
        /// Moves tokens.
        function transfer(address to, uint256 amount) external returns (bool);
        /// Tokens of a holder.
        function balanceOf(address holder) external view returns (uint256);
    }
}

/// Gas for a token transfer, with room.
const TRANSFER_GAS: u64 = 200_000;

/// A secp256k1 key outside of the program.
#[derive(Clone)]
pub struct Wallet {
    secret: SecretKey,
    chain_id: u64,
}

impl Wallet {
    /// The key of one of a network's accounts.
    pub fn of(network: &Network, account: &str) -> Self {
        let file = network.account(account)["secret"].as_str().expect("a secp256k1 account");
        let text = std::fs::read_to_string(file).unwrap();
        let secret: [u8; 32] = hex::decode_to_array(text.trim()).unwrap();
        let chain_id = network.info["evm_chain_id"].as_u64().unwrap();
        Self { secret: SecretKey::from_byte_array(secret).unwrap(), chain_id }
    }

    /// Its address.
    pub fn address(&self) -> Address {
        let point = PublicKey::from_secret_key(SECP256K1, &self.secret).serialize_uncompressed();
        Address::from_raw_public_key(&point[1..])
    }

    /// A transaction that nothing is wrong with, to change and sign.
    pub fn draft(&self, nonce: u64, to: TxKind, input: impl Into<Bytes>) -> TxEip1559 {
        let (chain_id, input) = (self.chain_id, input.into());
        TxEip1559 { chain_id, nonce, gas_limit: TRANSFER_GAS, to, input, ..TxEip1559::default() }
    }

    /// An ERC-20 transfer, signed.
    pub fn transfer(&self, nonce: u64, token: Address, to: Address, amount: u64) -> Bytes {
        let call = IERC20::transferCall { to, amount: amount.try_into().unwrap() };
        self.sign(self.draft(nonce, token.into(), call.abi_encode()))
    }

    /// The signed bytes of a transaction of any type.
    pub fn sign<T: SignableTransaction<Signature>>(&self, tx: T) -> Bytes
    where
        TxEnvelope: From<alloy_consensus::Signed<T>>,
    {
        let signature = self.signature(&tx);
        TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
    }

    /// As [`Self::sign`], with the other of the two signatures that ECDSA has for a message, which EIP-2 forbids.
    pub fn sign_with_high_s<T: SignableTransaction<Signature>>(&self, tx: T) -> Bytes
    where
        TxEnvelope: From<alloy_consensus::Signed<T>>,
    {
        let low = self.signature(&tx);
        let order = U256::from_be_bytes(secp256k1::constants::CURVE_ORDER);
        let high = Signature::new(low.r(), order - low.s(), !low.v());
        TxEnvelope::from(tx.into_signed(high)).encoded_2718().into()
    }

    fn signature<T: SignableTransaction<Signature>>(&self, tx: &T) -> Signature {
        let digest = Message::from_digest(tx.signature_hash().0);
        let (parity, words) = SECP256K1.sign_ecdsa_recoverable(digest, &self.secret).serialize_compact();
        Signature::from_bytes_and_parity(&words, i32::from(parity) != 0)
    }
}
