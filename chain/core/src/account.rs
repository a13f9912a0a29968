//! How accounts, storage slots and code stand in the authenticated state.
//!
//! | Key | Value |
//! |---|---|
//! | `account(address)` | nonce and height of the last activity, 8 bytes big-endian each; contracts append the keccak256 of
//! their code |
//! | `storage(address, slot)` | the word, big-endian without leading zeros; zero is absence |
//! | `code(hash)` | the byte code |
//!
//! There is no native token, so no balance. An account with nonce zero and no code is empty (EIP-161): for the EVM it is
//! absent, whether it has a row or not. It has one if it was ever active, as an account is to which something was sent.

use concordat_types::{Address, B256, Bytes, ReadError, StateKey, StateReader, U256};

/// An account as the state holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// How many transactions it has sent, or contracts made.
    pub nonce: u64,
    /// The height of the block in which it was active last; zero if in none. The chain of its activity begins there
    /// ([`concordat_types::activity`]).
    pub last_active: u64,
    /// keccak256 of its code; `None` for accounts without code.
    pub code_hash: Option<B256>,
}

impl AccountState {
    /// Whether EIP-161 counts it as empty, so that there is none for the EVM.
    pub const fn is_empty(&self) -> bool {
        self.nonce == 0 && self.code_hash.is_none()
    }

    /// Whether it has no row.
    pub const fn is_absent(&self) -> bool {
        self.is_empty() && self.last_active == 0
    }

    /// The state's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = [self.nonce.to_be_bytes(), self.last_active.to_be_bytes()].concat();
        bytes.extend(self.code_hash.iter().flatten());
        bytes
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (nonce, bytes) = bytes.split_first_chunk::<8>()?;
        let (last_active, hash) = bytes.split_first_chunk::<8>()?;
        let code_hash = match hash {
            [] => None,
            hash => Some(B256::new(hash.try_into().ok()?)),
        };
        let (nonce, last_active) = (u64::from_be_bytes(*nonce), u64::from_be_bytes(*last_active));
        Some(Self { nonce, last_active, code_hash })
    }
}

/// The state's bytes of a storage word; `None` for zero, which is absence.
pub(crate) fn encode_word(word: U256) -> Option<Vec<u8>> {
    (!word.is_zero()).then(|| word.to_be_bytes_trimmed_vec())
}

/// Reads [`encode_word`]'s bytes; `None` for anything else.
pub(crate) fn decode_word(bytes: &[u8]) -> Option<U256> {
    match bytes.first() {
        None | Some(0) => None,
        Some(_) => U256::try_from_be_slice(bytes),
    }
}

/// The store returned bytes that nobody wrote.
pub(crate) fn corrupt(what: impl Into<String>) -> ReadError {
    ReadError::Store { what: what.into(), reason: "the stored bytes are not in their encoding".into() }
}

/// The account at an address; nonce zero without code where there is none.
pub fn account_state(reader: &impl StateReader, address: Address) -> Result<AccountState, ReadError> {
    match reader.get(&StateKey::account(address))? {
        None => Ok(AccountState::default()),
        Some(bytes) => AccountState::decode(&bytes).ok_or_else(|| corrupt(format!("account {address}"))),
    }
}

/// The code at an address; empty where there is none.
pub fn code(reader: &impl StateReader, address: Address) -> Result<Bytes, ReadError> {
    match account_state(reader, address)?.code_hash {
        None => Ok(Bytes::new()),
        Some(hash) => code_by_hash(reader, hash),
    }
}

/// The code with a hash, which the state must hold.
pub(crate) fn code_by_hash(reader: &impl StateReader, hash: B256) -> Result<Bytes, ReadError> {
    let bytes = reader.get(&StateKey::code(hash))?;
    bytes.map(Bytes::from).ok_or_else(|| corrupt(format!("code {hash}")))
}

/// The word in a contract's storage slot; zero where there is none.
pub fn storage(reader: &impl StateReader, address: Address, slot: B256) -> Result<B256, ReadError> {
    Ok(B256::from(storage_word(reader, address, slot)?))
}

pub(crate) fn storage_word(
    reader: &impl StateReader,
    address: Address,
    slot: B256,
) -> Result<U256, ReadError> {
    match reader.get(&StateKey::storage(address, slot))? {
        None => Ok(U256::ZERO),
        Some(bytes) => decode_word(&bytes).ok_or_else(|| corrupt(format!("slot {slot} of {address}"))),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn account_encodings_are_golden() {
        let plain = AccountState { nonce: 5, last_active: 7, code_hash: None };
        assert_eq!(hex::encode(plain.encode()), "00000000000000050000000000000007");
        let contract = AccountState { nonce: 1, last_active: 7, code_hash: Some(B256::repeat_byte(0xab)) };
        let golden = format!("00000000000000010000000000000007{}", "ab".repeat(32));
        assert_eq!(hex::encode(contract.encode()), golden);
        for account in [plain, contract] {
            assert_eq!(AccountState::decode(&account.encode()), Some(account));
        }
    }

    #[test]
    fn other_bytes_are_no_account_and_no_word() {
        for length in [0, 7, 8, 15, 17, 40, 47, 49] {
            assert_eq!(AccountState::decode(&vec![1; length]), None, "{length} bytes");
        }
        assert_eq!(decode_word(&[]), None);
        assert_eq!(decode_word(&[0, 1]), None);
        assert_eq!(decode_word(&[1; 33]), None);
    }

    proptest! {
        #[test]
        fn words_survive_their_encoding(limbs in any::<[u64; 4]>()) {
            let word = U256::from_limbs(limbs);
            match encode_word(word) {
                None => prop_assert!(word.is_zero()),
                Some(bytes) => prop_assert_eq!(decode_word(&bytes), Some(word)),
            }
        }
    }
}
