//! A block's changes over the state before it, and a cache of what the block has read.
//!
//! revm reads and writes accounts, storage and code through here; system contracts read and write their
//! rows. Only committed transactions reach the overlay, so it needs no undo.
//!
//! Invariant: the hash maps here are only looked up; whatever leaves in an order leaves in that of a
//! `BTreeMap`.

mod kept;
mod simulated;
mod staged;
mod views;

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::map::{AddressMap, B256Map, U256Map};
use concordat_types::{
    Address, B256, Bytes, ChainParams, ChangeSet, ReadError, StateKey, StateReader, U256,
    validator::ConsensusAddress,
};
use revm::{
    bytecode::Bytecode,
    database_interface::DBErrorMarker,
    primitives::KECCAK_EMPTY,
    state::{Account, EvmState, EvmStorage},
};

use crate::{
    account::{self, AccountState},
    contracts::Contract,
    env::BlockEnv,
    identity::IdentityEvent,
    orders::TokenOrders,
    permissions::Policies,
    rules::LimitSet,
    standing::{Backing, Enrolled},
    system::{Effects, RowKey},
};

/// A [`ReadError`] in revm's terms.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct StateFailure(#[from] pub ReadError);

impl DBErrorMarker for StateFailure {}

/// A value before the block and now.
#[derive(Clone, Copy, Debug)]
struct Tracked<T> {
    before: T,
    now: T,
}

impl<T: Copy + PartialEq> Tracked<T> {
    const fn unchanged(value: T) -> Self {
        Self { before: value, now: value }
    }

    fn changed(&self) -> bool {
        self.before != self.now
    }
}

#[derive(Clone, Debug)]
struct CachedAccount {
    state: Tracked<AccountState>,
    storage: U256Map<Tracked<U256>>,
    /// A simulated call has replaced all storage: what is not in the cache is zero.
    storage_replaced: bool,
}

#[derive(Clone, Debug)]
struct CachedRow {
    before: Option<Bytes>,
    now: Option<Bytes>,
}

/// The state before a block, with the block's changes so far on top.
pub(crate) struct Overlay<R> {
    reader: R,
    accounts: AddressMap<CachedAccount>,
    code: B256Map<Bytecode>,
    new_code: BTreeMap<B256, Bytes>,
    block_hashes: BTreeMap<u64, B256>,
    rows: BTreeMap<RowKey, CachedRow>,
    standings: AddressMap<Option<Enrolled>>,
    /// What the senders' authorities lend them, by number.
    backings: BTreeMap<u32, Backing>,
    /// The rows of contracts that were called.
    contracts: AddressMap<Option<Arc<Contract>>>,
    /// The policies in force, once somebody has asked.
    policies: Option<Arc<Policies>>,
    /// The run-time rules in force, once somebody has asked.
    limits: Option<Arc<LimitSet>>,
    /// The orders that keep tokens where they are, once somebody has asked.
    token_orders: Option<Option<Arc<TokenOrders>>>,
    /// Whether deployments need an approval, once somebody has asked.
    approval_required: Option<bool>,
    events: Vec<IdentityEvent>,
    recent_signers: Option<Arc<[ConsensusAddress]>>,
    params: Option<ChainParams>,
    /// Whether a block is decided by it.
    decides: bool,
    /// What the running transaction's system call will change if the transaction succeeds.
    staged: Option<Effects>,
    /// The read error behind a system call that revm reports as a mere text.
    failure: Option<ReadError>,
}

impl<R: StateReader> Overlay<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            accounts: AddressMap::default(),
            code: B256Map::default(),
            new_code: BTreeMap::new(),
            block_hashes: BTreeMap::new(),
            rows: BTreeMap::new(),
            standings: AddressMap::default(),
            backings: BTreeMap::new(),
            contracts: AddressMap::default(),
            policies: None,
            limits: None,
            token_orders: None,
            approval_required: None,
            events: Vec::new(),
            recent_signers: None,
            params: None,
            decides: false,
            staged: None,
            failure: None,
        }
    }

    /// The same, in a block.
    pub(crate) fn within(self, env: &BlockEnv) -> Self {
        Self { recent_signers: env.recent_signers.clone(), params: Some(env.params), ..self }
    }

    /// The same for a block that is decided now.
    pub(crate) fn deciding(self) -> Self {
        Self { decides: true, ..self }
    }

    /// The account at an address.
    pub(crate) fn account(&mut self, address: Address) -> Result<AccountState, ReadError> {
        Ok(self.cached(address)?.state.now)
    }

    /// Counts up the nonce of an account whose transaction is refused.
    pub(crate) fn use_nonce(&mut self, address: Address) -> Result<(), ReadError> {
        let account = self.cached(address)?;
        account.state.now.nonce = account.state.now.nonce.saturating_add(1);
        Ok(())
    }

    /// Says of an account or a contract that it was active at a height; when it was before.
    pub(crate) fn mark_active(&mut self, address: Address, height: u64) -> Result<u64, ReadError> {
        let account = &mut self.cached(address)?.state.now;
        Ok(std::mem::replace(&mut account.last_active, height))
    }

    /// Applies the state that revm returns for one transaction.
    pub(crate) fn commit(&mut self, state: EvmState) -> Result<(), ReadError> {
        state.into_iter().filter(|(_, account)| account.is_touched()).try_for_each(|(address, account)| {
            if account.is_selfdestructed() { self.destroy(address) } else { self.update(address, account) }
        })
    }

    /// The events of the block's system contracts so far.
    pub(crate) fn events(&self) -> &[IdentityEvent] {
        &self.events
    }

    /// The block's changes and the events of its system contracts.
    pub(crate) fn into_changes(self) -> (ChangeSet, Vec<IdentityEvent>) {
        let mut changes = ChangeSet::new();
        for (address, account) in self.accounts {
            if account.state.changed() {
                let now = account.state.now;
                changes.insert(StateKey::account(address), (!now.is_absent()).then(|| now.encode()));
            }
            for (slot, word) in account.storage.into_iter().filter(|(_, word)| word.changed()) {
                changes.insert(StateKey::storage(address, B256::from(slot)), account::encode_word(word.now));
            }
        }
        for (hash, code) in self.new_code {
            changes.insert(StateKey::code(hash), Some(code.to_vec()));
        }
        for (key, row) in self.rows.into_iter().filter(|(_, row)| row.before != row.now) {
            changes.insert(key.state_key(), row.now.map(|value| value.to_vec()));
        }
        (changes, self.events)
    }

    fn cached(&mut self, address: Address) -> Result<&mut CachedAccount, ReadError> {
        use std::collections::hash_map::Entry;
        match self.accounts.entry(address) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let state = Tracked::unchanged(account::account_state(&self.reader, address)?);
                Ok(entry.insert(CachedAccount {
                    state,
                    storage: U256Map::default(),
                    storage_replaced: false,
                }))
            }
        }
    }

    /// EIP-6780: only a contract made in the same transaction can go, so all its slots are in the cache.
    fn destroy(&mut self, address: Address) -> Result<(), ReadError> {
        let account = self.cached(address)?;
        account.state.now =
            AccountState { last_active: account.state.now.last_active, ..AccountState::default() };
        account.storage.values_mut().for_each(|word| word.now = U256::ZERO);
        Ok(())
    }

    fn update(&mut self, address: Address, account: Account) -> Result<(), ReadError> {
        let Account { info, storage, .. } = account;
        let code_hash =
            (info.code_hash != KECCAK_EMPTY && !info.code_hash.is_zero()).then_some(info.code_hash);
        let cached = self.cached(address)?;
        let AccountState { code_hash: had, last_active, .. } = cached.state.now;
        cached.state.now = AccountState { nonce: info.nonce, last_active, code_hash };
        write_slots(&mut cached.storage, storage);
        if let (Some(hash), Some(code)) = (code_hash.filter(|_| had != code_hash), info.code) {
            if self.reader.get(&StateKey::code(hash))?.is_none() {
                self.new_code.insert(hash, code.original_bytes());
            }
            self.code.insert(hash, code);
        }
        Ok(())
    }
}

fn write_slots(cached: &mut U256Map<Tracked<U256>>, slots: EvmStorage) {
    for (slot, value) in slots.into_iter().filter(|(_, value)| value.is_changed()) {
        // A slot that was never read belongs to a contract made in this transaction: it was zero.
        cached.entry(slot).or_insert(Tracked::unchanged(value.original_value)).now = value.present_value;
    }
}
