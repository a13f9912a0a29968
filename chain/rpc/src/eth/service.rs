//! Running calls: which method, on which kind of thread, for how long.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use concordat_core::Readable;
use concordat_state::Store;
use concordat_types::Genesis;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::{
    args::Args,
    chain::Recent,
    filters::Filters,
    methods::{self, Handler, Work},
};
use crate::{
    Limits, NodeApi,
    edge::{Outcome, Outcomes, Places, Service, call_each},
    jsonrpc::{Call, RpcError, RpcResult},
};

/// The method that submits a transaction.
const SUBMIT: &str = "eth_sendRawTransaction";

/// The Ethereum interface.
pub(crate) struct Eth {
    pub(super) store: Store,
    pub(super) api: Arc<dyn NodeApi>,
    pub(super) limits: Limits,
    pub(super) genesis: Arc<Genesis>,
    /// The genesis document's hash, which stands for block 0.
    pub(super) genesis_hash: B256,
    /// Height of the genesis state, one below the first block.
    pub(super) genesis_height: u64,
    /// The state root of block 0, once somebody has asked.
    pub(super) genesis_root: OnceLock<B256>,
    pub(super) filters: Mutex<Filters>,
    pub(super) recent: Recent,
    disabled: Vec<String>,
    executions: Places,
    reads: Places,
}

impl Eth {
    pub fn new(api: Arc<dyn NodeApi>, store: Store, limits: Limits, disabled: Vec<String>) -> Self {
        let genesis = api.genesis();
        let initial_height = store.initial_height().ok().flatten().unwrap_or(1);
        Self {
            genesis_hash: genesis.hash(),
            genesis_height: initial_height.saturating_sub(1),
            genesis_root: OnceLock::new(),
            filters: Mutex::new(Filters::new(limits.filters, Duration::from_millis(limits.filter_idle_ms))),
            executions: Places::new(limits.concurrent_calls),
            reads: Places::new(limits.concurrent_reads),
            store,
            api,
            limits,
            genesis,
            recent: Recent::default(),
            disabled,
        }
    }

    /// Whether a method is offered here.
    fn offers(&self, name: &str) -> bool {
        methods::find(name).is_some()
            && !self.disabled.iter().any(|pattern| methods::pattern_matches(pattern, name))
    }

    async fn submit_all(&self, calls: Vec<Call>) -> Vec<Outcome> {
        let (began, count, limit) = (Instant::now(), calls.len(), self.limits.request_timeout_ms);
        let params = calls.into_iter().map(|call| call.params).collect();
        let work = methods::send_raw_all(self, params);
        let results = match tokio::time::timeout(Duration::from_millis(limit), work).await {
            Ok(results) => results,
            Err(_) => (0..count).map(|_| Err(RpcError::timeout(limit))).collect(),
        };
        results.into_iter().map(|result| Outcome { result, took: began.elapsed() }).collect()
    }

    async fn run(self: &Arc<Self>, call: Call) -> RpcResult {
        let Some(method) = methods::find(&call.method).filter(|_| self.offers(&call.method)) else {
            return Err(RpcError::method_not_found(&call.method));
        };
        let args = Args::new(call.params, method.params.len())?;
        let limit = self.limits.request_timeout_ms;
        let work = async {
            match method.handler {
                Handler::Memory(handler) => handler(self, &args),
                Handler::Blocking(work, handler) => self.run_blocking(work, handler, args).await,
                Handler::Submit(handler) => handler(Arc::clone(self), args).await,
                Handler::Subscription => Err(RpcError::new(
                    RpcError::METHOD_NOT_FOUND,
                    "notifications not supported: subscriptions need a WebSocket connection",
                )),
            }
        };
        match tokio::time::timeout(Duration::from_millis(limit), work).await {
            Ok(result) => result,
            Err(_) => Err(RpcError::timeout(limit)),
        }
    }

    async fn run_blocking(self: &Arc<Self>, work: Work, handler: methods::Sync, args: Args) -> RpcResult {
        let places = match work {
            Work::Read => &self.reads,
            Work::Execute => &self.executions,
        };
        let this = Arc::clone(self);
        places.run(move || handler(&this, &args)).await
    }
}

impl Service for Eth {
    const INTERFACE: &'static str = "ethereum";

    async fn call(self: Arc<Self>, call: Call) -> RpcResult {
        self.run(call).await
    }

    /// Transactions of one batch go to the pool together, before anything else of the batch is answered.
    async fn call_all(self: Arc<Self>, calls: Vec<Call>) -> Outcomes {
        let submits = |call: &Call| call.method == SUBMIT;
        if calls.iter().filter(|call| submits(call)).count() < 2 || !self.offers(SUBMIT) {
            return call_each(self, calls);
        }
        let places: Vec<bool> = calls.iter().map(submits).collect();
        let (submissions, others): (Vec<Call>, Vec<Call>) = calls.into_iter().partition(submits);
        let submitted = self.submit_all(submissions).await.into_iter();
        let sources = (places.into_iter(), submitted, call_each(self, others));
        let next = |(mut places, mut submitted, mut rest): (_, _, Outcomes)| async move {
            let submission = Iterator::next(&mut places)?;
            let outcome = if submission { Iterator::next(&mut submitted) } else { rest.next().await };
            Some((outcome?, (places, submitted, rest)))
        };
        stream::unfold(sources, next).boxed()
    }

    fn reads(&self, call: &Call) -> Vec<Readable> {
        self.reads_of(call)
    }

    fn label(&self, method: &str) -> &'static str {
        methods::find(method).map_or("unknown", |method| method.name)
    }

    fn index(&self) -> Value {
        let offered = methods::METHODS.iter().filter(|method| self.offers(method.name));
        let show = |method: &methods::Method| json!({ "method": method.name, "params": method.params, "summary": method.summary });
        offered.map(show).collect()
    }
}
