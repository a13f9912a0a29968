//! Running calls, and reading the chain for them.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use concordat_core::Readable;
use concordat_state::{Store, StoreError, Tip};
use concordat_types::{ChainParams, Genesis, ValidatorSet};
use prost::Message as _;
use serde_json::{Value, json};
use tendermint::block::{Commit, Id};
use tendermint_proto::v0_38::types as pb;

use super::{
    args::Args,
    methods::{self, Handler, Reads},
};
use crate::{
    Limits, NodeApi,
    edge::{Places, Service},
    jsonrpc::{Call, RpcError, RpcResult},
    origin::Origin,
    params::{self, ParamsError},
};

/// The CometBFT interface.
pub(crate) struct Comet {
    pub(super) api: Arc<dyn NodeApi>,
    pub(super) store: Store,
    pub(super) limits: Limits,
    pub(super) genesis: Arc<Genesis>,
    /// Height of the first block.
    pub(super) initial_height: u64,
    /// The genesis document in CometBFT's form, made once.
    pub(super) genesis_json: OnceLock<String>,
    /// What it describes, read once.
    origin: OnceLock<Origin>,
    reads: Places,
}

/// A failure of the store as clients are told of it.
pub(super) fn store_error(error: StoreError) -> RpcError {
    match error {
        StoreError::Pruned { .. } | StoreError::Future { .. } => RpcError::server(error.to_string()),
        other => RpcError::internal(other),
    }
}

impl Comet {
    pub fn new(api: Arc<dyn NodeApi>, store: Store, limits: Limits) -> Self {
        let initial_height = store.initial_height().ok().flatten().unwrap_or(1);
        Self {
            genesis: api.genesis(),
            reads: Places::new(limits.concurrent_reads),
            api,
            store,
            limits,
            initial_height,
            genesis_json: OnceLock::new(),
            origin: OnceLock::new(),
        }
    }

    /// Runs a method with parameters that are read already.
    pub async fn run(self: Arc<Self>, method: &'static methods::Method, args: Args) -> RpcResult {
        let limit = self.limits.request_timeout_ms.max(self.limits.broadcast_commit_timeout_ms);
        let work = async {
            match method.handler {
                Handler::Memory(handler) => handler(&self, &args),
                Handler::Blocking(handler) => {
                    let this = Arc::clone(&self);
                    self.reads.run(move || handler(&this, &args)).await
                }
                Handler::Submit(handler) => handler(Arc::clone(&self), args).await,
                Handler::Subscription => {
                    Err(RpcError::server("subscriptions need a WebSocket connection: use /websocket"))
                }
            }
        };
        match tokio::time::timeout(Duration::from_millis(limit), work).await {
            Ok(result) => result,
            Err(_) => Err(RpcError::timeout(limit)),
        }
    }

    /// The newest committed block.
    pub fn tip(&self) -> Result<Tip, RpcError> {
        let tip = self.store.latest().filter(|tip| tip.height >= self.initial_height);
        tip.ok_or_else(|| RpcError::server("there is no block yet"))
    }

    /// The lowest height whose block is kept; right after joining from a snapshot, the newest.
    pub fn base(&self, tip: &Tip) -> u64 {
        self.store.body_floor().max(self.initial_height).min(tip.height)
    }

    /// What the genesis document describes.
    pub fn origin(&self) -> Result<&Origin, RpcError> {
        if let Some(origin) = self.origin.get() {
            return Ok(origin);
        }
        let origin = Origin::read(&self.store, &self.genesis)?;
        Ok(self.origin.get_or_init(|| origin))
    }

    /// The height that a `height` parameter names; without one the newest, up to `ahead` above it.
    pub fn height(&self, args: &Args, ahead: u64) -> Result<u64, RpcError> {
        let tip = self.tip()?.height;
        let Some(height) = args.integer("height")?.filter(|height| *height != 0) else { return Ok(tip) };
        let height = u64::try_from(height)
            .map_err(|_| RpcError::server(format!("height must be greater than 0, but got {height}")))?;
        let highest = tip.saturating_add(ahead);
        if height > highest {
            return Err(RpcError::server(format!(
                "height {height} must be less than or equal to the current blockchain height {highest}"
            )));
        }
        if height < self.initial_height {
            let lowest = self.initial_height;
            return Err(RpcError::server(format!(
                "height {height} is not available, lowest height is {lowest}"
            )));
        }
        Ok(height)
    }

    /// The id of a committed block: the next header carries it, or at the tip its commit.
    pub fn block_id(&self, height: u64) -> Result<Id, RpcError> {
        let next = self.store.header(height.saturating_add(1)).map_err(store_error)?;
        match next.and_then(|header| header.last_block_id) {
            Some(id) => Ok(id),
            None => self.seen_commit(height).map(|commit| commit.block_id),
        }
    }

    /// The commit by which this node saw the block decided.
    pub fn seen_commit(&self, height: u64) -> Result<Commit, RpcError> {
        let bytes = self.store.seen_commit(height).map_err(store_error)?;
        let bytes =
            bytes.ok_or_else(|| RpcError::server(format!("the commit of height {height} is not kept")))?;
        let decoded = pb::Commit::decode(bytes.as_slice()).map_err(RpcError::internal)?;
        Commit::try_from(decoded).map_err(RpcError::internal)
    }

    /// The validators in force at a height.
    pub fn validators_at(&self, height: u64) -> Result<ValidatorSet, RpcError> {
        let bytes = self.store.validators(height).map_err(store_error)?;
        let bytes = bytes
            .ok_or_else(|| RpcError::server(format!("no validator set is known for height {height}")))?;
        ValidatorSet::decode(&bytes).map_err(RpcError::internal)
    }

    /// The parameters of the block at a height, at most one above the newest.
    pub fn params(&self, height: u64) -> Result<ChainParams, RpcError> {
        params::at(&self.store, &self.genesis, height).map_err(|error| match error {
            ParamsError::Store(error) => store_error(error),
            ParamsError::Read(error) => RpcError::internal(error),
        })
    }

    /// The parameters from the block after `height` on, if that block changed what headers say of them.
    pub fn updated_params(&self, height: u64) -> Result<Option<ChainParams>, RpcError> {
        let said = |height| {
            Ok(self.store.header(height).map_err(store_error)?.map(|h| (h.consensus_hash, h.version.app)))
        };
        let next = height.saturating_add(1);
        let (before, after) = (said(height)?, said(next)?);
        if before.is_some() && before == after {
            return Ok(None);
        }
        let params = self.params(next)?;
        Ok(Some(params).filter(|params| before != Some((params.consensus_hash(), params.protocol_version))))
    }

    /// The protocol version of the newest block.
    pub fn app_version(&self) -> u64 {
        let tip = self.store.latest().map_or(0, |tip| tip.height);
        let header = self.store.header(tip).ok().flatten();
        header.map_or(self.genesis.params.protocol_version, |header| header.version.app)
    }
}

/// What a call reads.
pub(super) fn reads(method: &methods::Method, args: &Args) -> Vec<Readable> {
    match method.reads {
        Reads::Nothing => Vec::new(),
        Reads::Ledger => vec![Readable::Ledger],
        Reads::Entry => vec![methods::entry(&args.hex_bytes("data").unwrap_or_default())],
    }
}

impl Service for Comet {
    const INTERFACE: &'static str = "cometbft";

    async fn call(self: Arc<Self>, call: Call) -> RpcResult {
        let Some(method) = methods::find(&call.method) else {
            return Err(RpcError::method_not_found(&call.method));
        };
        let args = Args::from_json(call.params, method.params)?;
        self.run(method, args).await
    }

    fn reads(&self, call: &Call) -> Vec<Readable> {
        let Some(method) = methods::find(&call.method) else { return Vec::new() };
        let args = Args::from_json(call.params.clone(), method.params).unwrap_or_default();
        reads(method, &args)
    }

    fn label(&self, method: &str) -> &'static str {
        methods::find(method).map_or("unknown", |method| method.name)
    }

    fn index(&self) -> Value {
        let show = |method: &methods::Method| json!({ "method": method.name, "params": method.params, "summary": method.summary });
        methods::METHODS.iter().map(show).collect()
    }

    /// CometBFT names the kind of an error in `message` and its cause in `data`.
    fn dress(error: RpcError) -> RpcError {
        let (code, kind) = match error.code {
            RpcError::PARSE => (RpcError::PARSE, "Parse error. Invalid JSON"),
            RpcError::INVALID_REQUEST => (RpcError::INVALID_REQUEST, "Invalid Request"),
            RpcError::METHOD_NOT_FOUND => (RpcError::METHOD_NOT_FOUND, "Method not found"),
            RpcError::INVALID_PARAMS => (RpcError::INVALID_PARAMS, "Invalid params"),
            // Answers that are found too large only when they are written get the same error; who may not read has one
            // error on both interfaces.
            RpcError::RESPONSE_TOO_LARGE | RpcError::READ_REFUSED => return error,
            _ => (RpcError::INTERNAL, "Internal error"),
        };
        RpcError::new(code, kind).with_data(Value::String(error.message))
    }
}
