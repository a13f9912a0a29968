//! What simulated calls put in place of the state.

use concordat_types::{Address, B256, Bytes, ReadError, StateReader, U256};
use revm::bytecode::Bytecode;

use super::{Overlay, Tracked};

impl<R: StateReader> Overlay<R> {
    /// Puts a value in place of the state's, for simulated calls.
    pub(crate) fn override_account(
        &mut self,
        address: Address,
        nonce: Option<u64>,
        code: Option<&Bytes>,
    ) -> Result<(), ReadError> {
        let code_hash = code.map(|code| self.insert_code(code));
        let account = self.cached(address)?;
        account.state.now.nonce = nonce.unwrap_or(account.state.now.nonce);
        if let Some(code_hash) = code_hash {
            account.state.now.code_hash = code_hash;
        }
        Ok(())
    }

    /// Puts a word in place of the state's, for simulated calls.
    pub(crate) fn override_slot(
        &mut self,
        address: Address,
        slot: B256,
        word: B256,
    ) -> Result<(), ReadError> {
        let word = Tracked::unchanged(U256::from_be_bytes(word.0));
        self.cached(address)?.storage.insert(slot.into(), word);
        Ok(())
    }

    /// Empties an account's storage, for simulated calls.
    pub(crate) fn replace_storage(&mut self, address: Address) -> Result<(), ReadError> {
        self.cached(address)?.storage_replaced = true;
        Ok(())
    }

    fn insert_code(&mut self, code: &Bytes) -> Option<B256> {
        if code.is_empty() {
            return None;
        }
        let bytecode = Bytecode::new_legacy(code.clone());
        let hash = bytecode.hash_slow();
        self.code.insert(hash, bytecode);
        Some(hash)
    }
}
