//! A chain in one process: the nodes' own crates on real blocks, with no consensus, network or interface.

use std::path::Path;

use alloy_primitives::{B256, Bytes};
use concordat_core::{BlockEnv, BlockExecutor, BlockOutcome};
use concordat_node::ledger::note_genesis;
use concordat_state::{CommitBatch, GenesisBatch, OnDisk, Store, StoreOptions, ValidatorsFrom};
use concordat_types::{
    Block, ChangeSet, Genesis, SignedTx, ValidatorSet, VerifiedTx,
    block::{HeaderContext, block_id, data_hash, empty_hash},
};
use ed25519_zebra::SigningKey;
use eyre::{Result, bail, eyre};
use prost::Message as _;
use tendermint::{
    Hash, Time, account,
    block::{Commit, CommitSig, Id},
    vote::{self, SignedVote, ValidatorIndex, Vote},
};
use tendermint_proto::v0_38::types as pb;

use super::{accounts::Signed, measure::own_cpu_ns};

/// What the commit of four validators takes in the store.
const BLANK_COMMIT: [u8; 640] = [0; 640];

/// What stands in place of consensus.
pub enum Seal {
    /// Zeros: no node goes on from such a chain.
    Blank,
    /// The key of the one validator, whose commits any node accepts.
    Key(Box<SigningKey>),
}

/// A chain without consensus.
pub struct Chain<'a> {
    genesis: &'a Genesis,
    store: Store,
    validators: ValidatorSet,
    seal: Seal,
    last_block_id: Option<Id>,
    last_commit: Option<Commit>,
    last_results_hash: Hash,
    time_secs: u64,
    /// Nanoseconds of processor time: signatures, execution, commits.
    pub spent: [u64; 3],
}

/// What a chain starts from besides its genesis document.
pub struct Start<'a> {
    /// The whole state.
    pub state: &'a ChangeSet,
    /// The first validators.
    pub validators: ValidatorSet,
    /// Time of the first block, Unix seconds.
    pub time_secs: u64,
}

impl<'a> Chain<'a> {
    /// Makes the chain in an empty folder, where a node with this genesis document would go on from it.
    pub fn start(genesis: &'a Genesis, folder: &Path, start: Start<'_>, seal: Seal) -> Result<Self> {
        // A chain that is made anew at each run need not survive a power cut block by block.
        let sync = matches!(seal, Seal::Blank);
        let store = Store::open(folder, &StoreOptions { sync, ..StoreOptions::default() })?;
        note_genesis(&store, genesis)?;
        store.init_genesis(&GenesisBatch {
            chain_id: &genesis.chain_id,
            initial_height: 1,
            time_ms: u64::try_from(genesis.genesis_time)?.saturating_mul(1_000),
            changes: start.state,
            validators: &[ValidatorsFrom { height: 1, encoded: start.validators.encode() }],
        })?;
        Ok(Self {
            genesis,
            store,
            validators: start.validators,
            seal,
            last_block_id: None,
            last_commit: None,
            last_results_hash: empty_hash(),
            time_secs: start.time_secs,
            spent: [0; 3],
        })
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Makes a block and commits it. Every transaction must succeed.
    pub fn block(&mut self, txs: &[&Signed]) -> Result<()> {
        let raws: Vec<Bytes> = txs.iter().map(|tx| tx.raw.clone()).collect();
        let chain_id = self.genesis.evm_chain_id;
        let verified = self.timed(0, |_| {
            let verify = |raw: &Bytes| SignedTx::parse(raw.clone())?.verify(chain_id);
            Ok(raws.iter().map(verify).collect::<Result<Vec<VerifiedTx>, _>>()?)
        })?;
        let (height, state_root) = {
            let tip = self.store.latest().ok_or_else(|| eyre!("the store is empty"))?;
            (tip.height + 1, tip.state_root)
        };
        let outcome = self.timed(1, |chain| chain.execute(height, &verified))?;
        if let Some(failed) = outcome.receipts.iter().find(|receipt| !receipt.outcome.succeeded()) {
            bail!("a transaction of the bound failed: {}", failed.outcome.describe());
        }
        let block = self.assemble(height, state_root, raws)?;
        let id = block_id(&block, &block.encode())?;
        let commit = self.seal(&block, id)?;
        let seen_commit = match &commit {
            Some(commit) => pb::Commit::from(commit.clone()).encode_to_vec(),
            None => BLANK_COMMIT.to_vec(),
        };
        self.timed(2, |chain| {
            let batch = CommitBatch {
                block: &block,
                block_hash: block.hash(),
                receipts: &outcome.receipts,
                changes: &outcome.changes,
                seen_commit: &seen_commit,
                validators: &[],
                notes: &[],
                history: outcome.history.as_ref(),
                on_disk: OnDisk::Now,
            };
            Ok(chain.store.commit(&batch)?)
        })?;
        self.last_results_hash = Hash::Sha256(outcome.results_hash.0);
        self.last_block_id = Some(id);
        self.last_commit = commit;
        Ok(())
    }

    fn execute(&self, height: u64, txs: &[VerifiedTx]) -> Result<BlockOutcome> {
        let env = BlockEnv {
            chain_id: self.genesis.evm_chain_id,
            height,
            time_secs: self.time_secs,
            params: self.genesis.params,
            recent_signers: None,
        };
        let mut executor = BlockExecutor::new(self.store.state()?, env)?;
        for tx in txs {
            executor.execute(tx)?;
        }
        Ok(executor.finish()?)
    }

    fn assemble(&self, height: u64, app_hash: B256, txs: Vec<Bytes>) -> Result<Block> {
        let context = HeaderContext {
            chain_id: &self.genesis.chain_id,
            height,
            last_block_id: self.last_block_id,
            validators: &self.validators,
            next_validators: &self.validators,
            params: &self.genesis.params,
            app_hash,
            last_results_hash: self.last_results_hash,
        };
        let millis = u32::try_from(height % 1_000)?;
        let time =
            Time::from_unix_timestamp(i64::try_from(self.time_secs + height / 1_000)?, millis * 1_000_000)?;
        let proposer = self.proposer()?;
        let header = context.header(time, proposer, data_hash(&txs), self.last_commit.as_ref())?;
        Ok(Block { header, txs, last_commit: self.last_commit.clone() })
    }

    fn proposer(&self) -> Result<[u8; 20]> {
        Ok(self.validators.validators().first().ok_or_else(|| eyre!("no validators"))?.address())
    }

    /// The one validator's precommit, as a commit.
    fn seal(&self, block: &Block, block_id: Id) -> Result<Option<Commit>> {
        let Seal::Key(key) = &self.seal else { return Ok(None) };
        let (timestamp, height) = (block.header.time, block.header.height);
        let validator_address = account::Id::new(self.proposer()?);
        let vote = Vote {
            vote_type: vote::Type::Precommit,
            height,
            round: 0u16.into(),
            block_id: Some(block_id),
            timestamp: Some(timestamp),
            validator_address,
            validator_index: ValidatorIndex::try_from(0usize)?,
            // Any: what is signed leaves it out.
            signature: tendermint::Signature::new([1; 64])?,
            extension: Vec::new(),
            extension_signature: None,
        };
        let chain_id = self.genesis.chain_id.parse()?;
        let signed = SignedVote::from_vote(vote, chain_id).ok_or_else(|| eyre!("a vote is not signed"))?;
        let signature = tendermint::Signature::new(key.sign(&signed.sign_bytes()).to_bytes())?;
        let signature = CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature };
        Ok(Some(Commit { height, round: 0u16.into(), block_id, signatures: vec![signature] }))
    }

    fn timed<T>(&mut self, step: usize, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = own_cpu_ns();
        let done = work(self);
        let after = own_cpu_ns();
        if let Some(spent) = self.spent.get_mut(step) {
            *spent += after.saturating_sub(before);
        }
        done
    }
}
