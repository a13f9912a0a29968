//! The overlay as system contracts read it, and as revm does.

use std::{collections::BTreeSet, sync::Arc};

use concordat_types::{
    Address, B256, Bytes, ChainParams, ReadError, StateReader, U256, validator::ConsensusAddress,
};
use revm::{Database, bytecode::Bytecode, primitives::KECCAK_EMPTY, state::AccountInfo};

use super::{Overlay, StateFailure, Tracked};
use crate::{
    account,
    contracts::{self, Contract},
    system::{RowKey, Rows, params_unknown, signers_unknown},
};

impl<R: StateReader> Rows for Overlay<R> {
    fn row(&mut self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        if let Some(row) = self.decided_row(key) {
            return Ok(row.clone());
        }
        if let Some(row) = self.rows.get(key) {
            return Ok(row.now.clone());
        }
        // Only what is written is kept: what each transaction reads of the registry is cached decoded.
        Ok(self.reader.get(&key.state_key())?.map(Bytes::from))
    }

    fn code_hash(&mut self, address: Address) -> Result<Option<B256>, ReadError> {
        Ok(self.account(address)?.code_hash)
    }

    fn word(&mut self, address: Address, slot: U256) -> Result<U256, ReadError> {
        self.storage(address, slot).map_err(|StateFailure(error)| error)
    }

    fn code(&mut self, address: Address) -> Result<Bytes, ReadError> {
        let Some(hash) = self.account(address)?.code_hash else { return Ok(Bytes::new()) };
        let code = self.code_by_hash(hash).map_err(|StateFailure(error)| error)?;
        Ok(code.original_bytes())
    }

    fn contract(&mut self, address: Address) -> Result<Option<Arc<Contract>>, ReadError> {
        if let Some(contract) = self.contracts.get(&address) {
            return Ok(contract.clone());
        }
        let contract = contracts::tables::contract(self, address)?.map(Arc::new);
        self.contracts.insert(address, contract.clone());
        Ok(contract)
    }

    fn params(&self) -> Result<ChainParams, ReadError> {
        self.params.ok_or_else(params_unknown)
    }

    fn decides(&self) -> bool {
        self.decides
    }

    fn recent_signers(&self) -> Result<BTreeSet<ConsensusAddress>, ReadError> {
        let known = self.recent_signers.as_ref().ok_or_else(signers_unknown)?;
        Ok(known.iter().copied().collect())
    }
}

impl<R: StateReader> Database for Overlay<R> {
    type Error = StateFailure;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, StateFailure> {
        let state = self.cached(address)?.state.now;
        if state.is_empty() {
            return Ok(None);
        }
        let code_hash = state.code_hash.unwrap_or(KECCAK_EMPTY);
        let code = match state.code_hash {
            None => Some(Bytecode::default()),
            Some(hash) => self.code.get(&hash).cloned(),
        };
        Ok(Some(AccountInfo { nonce: state.nonce, code_hash, code, ..AccountInfo::default() }))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, StateFailure> {
        if let Some(code) = self.code.get(&code_hash) {
            return Ok(code.clone());
        }
        let code = Bytecode::new_legacy(account::code_by_hash(&self.reader, code_hash)?);
        self.code.insert(code_hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, StateFailure> {
        let account = self.cached(address)?;
        if let Some(word) = account.storage.get(&slot) {
            return Ok(word.now);
        }
        if account.storage_replaced {
            return Ok(U256::ZERO);
        }
        let word = account::storage_word(&self.reader, address, B256::from(slot))?;
        self.cached(address)?.storage.insert(slot, Tracked::unchanged(word));
        Ok(word)
    }

    fn block_hash(&mut self, height: u64) -> Result<B256, StateFailure> {
        if let Some(hash) = self.block_hashes.get(&height) {
            return Ok(*hash);
        }
        let hash = self.reader.block_hash(height)?.unwrap_or_default();
        self.block_hashes.insert(height, hash);
        Ok(hash)
    }
}
