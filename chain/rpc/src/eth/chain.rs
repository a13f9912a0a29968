//! Reading the chain: from block parameters to heights, blocks and states.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use alloy_primitives::B256;
use concordat_core::{BlockEnv, CallRequest, asks_who_signed};
use concordat_state::{State, StoreError, Tip, TxLocation};
use concordat_types::{Block, ChainParams, Receipt, block as types, validator::ConsensusAddress};
use serde_json::Value;

use super::{
    Eth,
    args::{BlockRef, BlockTag},
    json::{self, BlockView, Bodies},
};
use crate::{
    jsonrpc::RpcError,
    origin::Origin,
    params::{self, ParamsError},
};

/// How many blocks' commits tell who signed lately: as many as a node looks at.
const SIGNERS_WINDOW: u64 = 3;

/// A committed block with all that its JSON forms need.
pub(crate) struct Loaded {
    pub block: Block,
    pub hash: B256,
    pub receipts: Vec<Receipt>,
    parent_hash: B256,
    state_root: B256,
    gas_limit: u64,
}

impl Loaded {
    pub fn view(&self) -> BlockView<'_> {
        BlockView {
            block: &self.block,
            hash: self.hash,
            parent_hash: self.parent_hash,
            receipts: &self.receipts,
            state_root: self.state_root,
            gas_limit: self.gas_limit,
        }
    }

    fn bytes(&self) -> usize {
        self.block.txs.iter().map(|tx| tx.len()).sum()
    }
}

/// Recently read blocks. Clients ask for many receipts of one block, and a block is dear to decode.
#[derive(Default)]
pub(crate) struct Recent(Mutex<VecDeque<Arc<Loaded>>>);

impl Recent {
    /// Most transactions' bytes that are held.
    const MAX_BYTES: usize = 16 * 1024 * 1024;
    /// Most blocks that are held.
    const MAX_BLOCKS: usize = 256;

    fn get(&self, height: u64) -> Option<Arc<Loaded>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().find(|loaded| loaded.block.height() == height).cloned()
    }

    fn put(&self, loaded: Arc<Loaded>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.push_back(loaded);
        let mut bytes: usize = held.iter().map(|loaded| loaded.bytes()).sum();
        while bytes > Self::MAX_BYTES || held.len() > Self::MAX_BLOCKS {
            let Some(oldest) = held.pop_front() else { break };
            bytes = bytes.saturating_sub(oldest.bytes());
        }
    }
}

/// A state with the surroundings that code running on it sees.
pub(crate) struct Surroundings {
    pub state: State,
    pub env: BlockEnv,
}

/// A failure of the store as clients are told of it.
pub(crate) fn store_error(error: StoreError) -> RpcError {
    match error {
        StoreError::Pruned { .. } => {
            RpcError::new(RpcError::PRUNED, format!("pruned history unavailable: {error}"))
        }
        StoreError::Future { .. } => RpcError::server("header not found"),
        StoreError::TooManyLogs { cap, .. } => {
            RpcError::limit_exceeded(format!("query returned more than {cap} results: {error}"))
        }
        StoreError::LogsTooLarge { cap_bytes, .. } => RpcError::response_too_large(cap_bytes),
        StoreError::TooManyChanges { .. } => RpcError::limit_exceeded(error.to_string()),
        other => RpcError::internal(other),
    }
}

impl Eth {
    /// The newest committed block.
    pub fn tip(&self) -> Result<Tip, RpcError> {
        self.store
            .latest()
            .ok_or_else(|| RpcError::server("this node holds no state yet; it is still starting"))
    }

    /// The height that a block parameter names; `None` where there is no such block.
    pub fn resolve(&self, block: BlockRef) -> Result<Option<u64>, RpcError> {
        match block {
            BlockRef::Tag(tag) => self.resolve_tag(tag),
            BlockRef::Hash(hash) if hash == self.genesis_hash => Ok(Some(self.genesis_height)),
            BlockRef::Hash(hash) => self.store.height_by_hash(&hash).map_err(store_error),
        }
    }

    /// The same for a tag.
    pub fn resolve_tag(&self, tag: BlockTag) -> Result<Option<u64>, RpcError> {
        let (tip, first) = (self.tip()?.height, self.genesis_height);
        Ok(match tag {
            BlockTag::Latest | BlockTag::Pending => Some(tip),
            BlockTag::Earliest => Some(first),
            BlockTag::Height(height) => Some(height).filter(|height| (first..=tip).contains(height)),
        })
    }

    /// The block at a height, `None` at the genesis and beyond the newest.
    pub fn load(&self, height: u64) -> Result<Option<Arc<Loaded>>, RpcError> {
        if let Some(recent) = self.recent.get(height) {
            return Ok(Some(recent));
        }
        let Some(block) = self.store.block(height).map_err(store_error)? else { return Ok(None) };
        let receipts = self.store.receipts(height).map_err(store_error)?;
        let hash = self.store.block_hash(height).map_err(store_error)?;
        let (Some(receipts), Some(hash)) = (receipts, hash) else {
            return Err(RpcError::internal(format!("block {height} lacks its receipts or hash")));
        };
        let state_root = self.store.state_root(height).map_err(store_error)?.unwrap_or_default();
        let gas_limit = self.params(height)?.block_gas_limit;
        let loaded = Arc::new(self.assemble(block, hash, receipts, (state_root, gas_limit)));
        self.recent.put(Arc::clone(&loaded));
        Ok(Some(loaded))
    }

    fn assemble(
        &self,
        block: Block,
        hash: B256,
        receipts: Vec<Receipt>,
        (state_root, gas_limit): (B256, u64),
    ) -> Loaded {
        let parent = block.header.last_block_id.map(|id| types::to_b256(id.hash));
        let parent_hash = parent.unwrap_or(self.genesis_hash);
        Loaded { block, hash, receipts, parent_hash, state_root, gas_limit }
    }

    /// The JSON of the block at a height; null where there is none.
    pub fn block_json(&self, height: Option<u64>, bodies: Bodies) -> Result<Value, RpcError> {
        let Some(height) = height else { return Ok(Value::Null) };
        if height == self.genesis_height {
            return Ok(json::genesis_block(&self.genesis, height, self.genesis_root()?));
        }
        Ok(self.load(height)?.map_or(Value::Null, |loaded| json::block(&loaded.view(), bodies)))
    }

    /// The state root of block 0. On a node that joined later it takes a while to make.
    fn genesis_root(&self) -> Result<B256, RpcError> {
        if let Some(root) = self.genesis_root.get() {
            return Ok(*root);
        }
        let origin = Origin::read(&self.store, &self.genesis)?;
        Ok(*self.genesis_root.get_or_init(|| origin.state_root))
    }

    /// The hash of the block at a height; `None` where there is none.
    pub fn hash_at(&self, height: u64) -> Result<Option<B256>, RpcError> {
        if height == self.genesis_height {
            return Ok(Some(self.genesis_hash));
        }
        self.store.block_hash(height).map_err(store_error)
    }

    /// Where a transaction is, with its block.
    pub fn locate(&self, hash: &B256) -> Result<Option<(TxLocation, Arc<Loaded>)>, RpcError> {
        let Some(at) = self.store.tx(hash).map_err(store_error)? else { return Ok(None) };
        Ok(self.load(at.height)?.map(|loaded| (at, loaded)))
    }

    /// The state that a block parameter names.
    pub fn state(&self, block: BlockRef) -> Result<State, RpcError> {
        match block {
            BlockRef::Tag(BlockTag::Latest | BlockTag::Pending) => self.store.state().map_err(store_error),
            other => {
                let height = self.resolve(other)?.ok_or_else(|| RpcError::server("header not found"))?;
                self.store.state_at(height).map_err(store_error)
            }
        }
    }

    /// The state after a block, and what a call there sees of the block.
    pub fn surroundings(&self, block: BlockRef, call: &CallRequest) -> Result<Surroundings, RpcError> {
        let state = self.state(block)?;
        let height = state.height();
        let env = match asks_who_signed(call.to, &call.input) {
            true => self.env_with_signers(height, height)?,
            false => self.env(height)?,
        };
        Ok(Surroundings { state, env })
    }

    /// What code running in the block at `height` sees of it.
    pub fn env(&self, height: u64) -> Result<BlockEnv, RpcError> {
        let header = self.store.header(height).map_err(store_error)?;
        let time = header.map_or(self.genesis.genesis_time, |header| header.time.unix_timestamp());
        Ok(BlockEnv {
            chain_id: self.genesis.evm_chain_id,
            height,
            time_secs: u64::try_from(time).unwrap_or(0),
            params: self.params(height)?,
            recent_signers: None,
        })
    }

    /// The parameters of the block at a height.
    pub fn params(&self, height: u64) -> Result<ChainParams, RpcError> {
        params::at(&self.store, &self.genesis, height).map_err(|error| match error {
            ParamsError::Store(error) => store_error(error),
            ParamsError::Read(error) => RpcError::internal(error),
        })
    }

    /// The same with those who signed lately, as blocks after `tip` see it: what changes of validators depend on.
    /// Reading the blocks of the window costs more than most calls do, so only those that need it ask.
    pub fn env_with_signers(&self, height: u64, tip: u64) -> Result<BlockEnv, RpcError> {
        Ok(BlockEnv { recent_signers: self.recent_signers(tip)?, ..self.env(height)? })
    }

    /// `None` where blocks of the window are not kept.
    fn recent_signers(&self, tip: u64) -> Result<Option<Arc<[ConsensusAddress]>>, RpcError> {
        let first =
            tip.saturating_add(1).saturating_sub(SIGNERS_WINDOW).max(self.genesis_height.saturating_add(1));
        let mut signers = BTreeSet::new();
        for height in first..=tip {
            let block = match self.store.block(height) {
                Ok(Some(block)) => block,
                Ok(None) | Err(StoreError::Pruned { .. }) => return Ok(None),
                Err(error) => return Err(store_error(error)),
            };
            let signatures = block.last_commit.iter().flat_map(|commit| &commit.signatures);
            let addresses = signatures.filter(|s| s.is_commit()).filter_map(|s| s.validator_address());
            signers.extend(addresses.filter_map(|a| <ConsensusAddress>::try_from(a.as_bytes()).ok()));
        }
        Ok(Some(signers.into_iter().collect()))
    }
}
