//! What the chain so far says about the next block.

use std::time::Instant;

use concordat_core::{
    ExecError,
    governance::{InForce, in_force},
};
use concordat_state::Store;
use concordat_types::{B256, Block, Genesis, ValidatorSet, block::HeaderContext, receipt::results_hash};
use prost::Message as _;
use tendermint::{Hash, Time, block::Commit};
use tendermint_proto::v0_38::types as pb;

use super::{LedgerError, activity::Activity};

/// The newest committed block, and everything that the next header must say.
#[derive(Clone)]
pub struct Tip {
    /// Its height; one below the first height before the first block.
    pub height: u64,
    /// Its hash; zero before the first block.
    pub hash: B256,
    /// Its time; the genesis time before the first block.
    pub time: Time,
    /// The commit that decided it, `None` before the first block.
    pub commit: Option<Commit>,
    /// State root after it.
    pub state_root: B256,
    /// Hash of its results.
    pub results_hash: Hash,
    /// The validators that decided it, `None` before the first block.
    pub last_validators: Option<ValidatorSet>,
    /// The validators of the next height.
    pub validators: ValidatorSet,
    /// The validators of the height after that.
    pub next_validators: ValidatorSet,
    /// Whether it changed the state, so that the next header has something new to prove.
    pub changed_state: bool,
    /// What holds in the next block.
    pub next: InForce,
    /// When this node committed it.
    pub committed_at: Instant,
    pub(super) activity: Activity,
}

impl Tip {
    /// Reads the tip from the store.
    pub(super) fn load(store: &Store, genesis: &Genesis) -> Result<Self, LedgerError> {
        let stored = store.latest().ok_or_else(|| damaged("tip", 0, "the store has no genesis state"))?;
        let height = stored.height;
        let header = if height == 0 { None } else { store.header(height)? };
        let previous_root = height.checked_sub(1).map(|h| store.state_root(h)).transpose()?.flatten();
        let time = match &header {
            Some(header) => header.time,
            None => Time::from_unix_timestamp(genesis.genesis_time, 0)
                .map_err(|e| damaged("genesis time", height, e))?,
        };
        Ok(Self {
            height,
            hash: stored.block_hash,
            time,
            commit: read_commit(store, height)?,
            state_root: stored.state_root,
            results_hash: read_results_hash(store, height)?,
            last_validators: header.is_some().then(|| read_validators(store, height)).transpose()?,
            validators: read_validators(store, height + 1)?,
            next_validators: read_validators(store, height + 2)?,
            changed_state: previous_root.is_none_or(|root| root != stored.state_root),
            next: in_force(store.state()?, &genesis.params, height + 1).map_err(ExecError::from)?,
            committed_at: Instant::now(),
            activity: Activity::load(store, height)?,
        })
    }

    /// The height of the next block.
    pub fn next_height(&self) -> u64 {
        self.height + 1
    }

    /// What the next header must say.
    pub(super) fn context<'a>(&'a self, genesis: &'a Genesis) -> HeaderContext<'a> {
        HeaderContext {
            chain_id: &genesis.chain_id,
            height: self.next_height(),
            last_block_id: self.commit.as_ref().map(|commit| commit.block_id),
            validators: &self.validators,
            next_validators: &self.next_validators,
            params: &self.next.params,
            app_hash: self.state_root,
            last_results_hash: self.results_hash,
        }
    }

    /// The tip after `block`, which `commit` decided.
    pub(super) fn advance(
        &self,
        block: &Block,
        hash: B256,
        commit: Commit,
        state_root: B256,
        results_hash: Hash,
        (announced, next): (Option<ValidatorSet>, InForce),
    ) -> Self {
        let mut activity = self.activity.clone();
        activity.record(block.last_commit.as_ref());
        Self {
            height: block.height(),
            hash,
            time: block.header.time,
            commit: Some(commit),
            state_root,
            results_hash,
            last_validators: Some(self.validators.clone()),
            validators: self.next_validators.clone(),
            next_validators: announced.unwrap_or_else(|| self.next_validators.clone()),
            changed_state: state_root != self.state_root,
            next,
            committed_at: Instant::now(),
            activity,
        }
    }
}

pub(super) fn damaged(what: &'static str, height: u64, reason: impl std::fmt::Display) -> LedgerError {
    LedgerError::Damaged { what, height, reason: reason.to_string() }
}

/// The bytes of a commit in the store.
pub(super) fn encode_commit(commit: &Commit) -> Vec<u8> {
    pb::Commit::from(commit.clone()).encode_to_vec()
}

pub(super) fn read_commit(store: &Store, height: u64) -> Result<Option<Commit>, LedgerError> {
    let Some(bytes) = store.seen_commit(height)? else { return Ok(None) };
    let raw = pb::Commit::decode(bytes.as_slice()).map_err(|e| damaged("commit", height, e))?;
    Commit::try_from(raw).map(Some).map_err(|e| damaged("commit", height, e))
}

/// The store's note that holds the results' hash of the block that a snapshot was taken after.
pub(super) fn results_note(height: u64) -> String {
    format!("results/{height:020}")
}

/// From the receipts; a node that joined from a snapshot has none of that block, but was told the hash.
fn read_results_hash(store: &Store, height: u64) -> Result<Hash, LedgerError> {
    if let Some(told) = store.note(&results_note(height))? {
        let hash = told.try_into().map_err(|_| damaged("results hash", height, "not 32 bytes"))?;
        return Ok(Hash::Sha256(hash));
    }
    Ok(results_hash(&store.receipts(height)?.unwrap_or_default()))
}

pub(super) fn read_validators(store: &Store, height: u64) -> Result<ValidatorSet, LedgerError> {
    let bytes = store.validators(height)?.ok_or_else(|| damaged("validator set", height, "missing"))?;
    ValidatorSet::decode(&bytes).map_err(|e| damaged("validator set", height, e))
}
