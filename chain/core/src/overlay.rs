//! A block's changes over the state before it, and a cache of what the block has read.
//!
//! revm reads and writes accounts, storage and code through here; system contracts read and write their
//! rows. Only committed transactions reach the overlay, so it needs no undo.
//!
//! Invariant: the hash maps here are only looked up; whatever leaves in an order leaves in that of a
//! `BTreeMap`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::map::{AddressMap, B256Map, U256Map};
use concordat_types::{
    Address, B256, Bytes, ChainParams, ChangeSet, OrgId, ReadError, StateKey, StateReader, U256,
    validator::ConsensusAddress,
};
use revm::{
    Database,
    bytecode::Bytecode,
    database_interface::DBErrorMarker,
    primitives::KECCAK_EMPTY,
    state::{Account, AccountInfo, EvmState, EvmStorage},
};

use crate::{
    access::SlotAccess,
    account::{self, AccountState},
    contracts::{self, Contract},
    env::BlockEnv,
    identity::{IdentityEvent, tables},
    permissions::Policies,
    rules::LimitSet,
    standing::{Backing, Enrolled},
    system::{Effects, RowKey, Rows, SlotWrite, Then, Write, params_unknown, signers_unknown},
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

    /// The sender's standing, read and decoded once per block.
    pub(crate) fn standing(&mut self, address: Address) -> Result<Option<Enrolled>, ReadError> {
        if let Some(standing) = self.standings.get(&address) {
            return Ok(standing.clone());
        }
        let standing = Enrolled::read(self, address, Self::backing)?;
        self.standings.insert(address, standing.clone());
        Ok(standing)
    }

    /// The policies in force at this place in the block.
    pub(crate) fn policies(&mut self) -> Result<Arc<Policies>, ReadError> {
        if let Some(policies) = &self.policies {
            return Ok(policies.clone());
        }
        let policies = Policies::in_force(self)?;
        self.policies = Some(policies.clone());
        Ok(policies)
    }

    /// The run-time rules in force at this place in the block.
    pub(crate) fn limits(&mut self) -> Result<Arc<LimitSet>, ReadError> {
        if let Some(limits) = &self.limits {
            return Ok(limits.clone());
        }
        let limits = LimitSet::in_force(self)?;
        self.limits = Some(limits.clone());
        Ok(limits)
    }

    /// Whether deployments need an approval at this place in the block.
    pub(crate) fn approval_required(&mut self) -> Result<bool, ReadError> {
        if let Some(required) = self.approval_required {
            return Ok(required);
        }
        let required = contracts::tables::approval_required(self)?;
        self.approval_required = Some(required);
        Ok(required)
    }

    fn backing(&mut self, authority: u32) -> Result<Backing, ReadError> {
        if let Some(backing) = self.backings.get(&authority) {
            return Ok(backing.clone());
        }
        let backing = Backing::read(self, authority)?;
        self.backings.insert(authority, backing.clone());
        Ok(backing)
    }

    /// The organisation of an account that has enrolled, whatever became of its standing since.
    pub(crate) fn organisation_of(&mut self, address: Address) -> Result<Option<Arc<OrgId>>, ReadError> {
        // Senders are known, and of others no more is read than this takes.
        if let Some(enrolled) = self.standings.get(&address) {
            return Ok(enrolled.as_ref().map(|enrolled| enrolled.organisation.clone()));
        }
        let Some(standing) = tables::standing(self, address)? else { return Ok(None) };
        Ok(Some(self.backing(standing.authority)?.organisation().clone()))
    }

    /// Says of an account or a contract that it was active at a height; when it was before.
    pub(crate) fn mark_active(&mut self, address: Address, height: u64) -> Result<u64, ReadError> {
        let account = &mut self.cached(address)?.state.now;
        Ok(std::mem::replace(&mut account.last_active, height))
    }

    /// Holds a system call's changes until its transaction is over.
    pub(crate) fn stage(&mut self, effects: Effects) {
        self.staged = Some(effects);
    }

    /// Remembers why a system call could not read.
    pub(crate) fn fail(&mut self, failure: ReadError) {
        self.failure = Some(failure);
    }

    /// The read error of the transaction that just failed.
    pub(crate) fn take_failure(&mut self) -> Option<ReadError> {
        self.failure.take()
    }

    /// Forgets what the running transaction would have changed in system contracts.
    pub(crate) fn discard_staged(&mut self) {
        self.staged = None;
    }

    /// The call that has to follow what the running transaction has staged.
    pub(crate) fn then(&self) -> Option<&Then> {
        self.staged.as_ref()?.then.as_ref()
    }

    /// Applies what the running transaction has staged; the slots of contracts that it changes.
    pub(crate) fn apply_staged(&mut self) -> Result<Vec<SlotAccess>, ReadError> {
        let Some(effects) = self.staged.take() else { return Ok(Vec::new()) };
        self.write_rows(effects.writes)?;
        let restored =
            effects.slots.into_iter().map(|write| self.write_slot(write)).collect::<Result<_, _>>()?;
        self.events.extend(effects.events);
        // Any row may bear on anyone's standing, on the policies and on the rules, and such transactions are rare.
        self.standings.clear();
        self.backings.clear();
        self.contracts.clear();
        self.policies = None;
        self.limits = None;
        self.approval_required = None;
        Ok(restored)
    }

    /// Writes a slot as a contract would have, so that the state, its root and its history hold it.
    fn write_slot(&mut self, (contract, slot, after): SlotWrite) -> Result<SlotAccess, ReadError> {
        let before = self.word(contract, slot)?;
        let storage = &mut self.cached(contract)?.storage;
        storage.entry(slot).or_insert(Tracked::unchanged(before)).now = after;
        Ok(SlotAccess { contract, slot, before, after })
    }

    /// Writes the rows of contracts that the transaction which just succeeded has made.
    pub(crate) fn write_made(&mut self, writes: Vec<Write>) -> Result<(), ReadError> {
        if !writes.is_empty() {
            self.write_rows(writes)?;
            // Whoever called an address before a contract came there saw none.
            self.contracts.clear();
        }
        Ok(())
    }

    /// Writes rows. Nothing that is kept decoded may rest on them, as nothing does on what rules count.
    pub(crate) fn write_rows(&mut self, writes: Vec<Write>) -> Result<(), ReadError> {
        for (key, value) in writes {
            let before = self.row(&key)?;
            let row = self.rows.entry(key).or_insert(CachedRow { before: before.clone(), now: before });
            row.now = value;
        }
        Ok(())
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

impl<R: StateReader> Rows for Overlay<R> {
    fn row(&mut self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
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
