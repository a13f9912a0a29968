//! Subscriptions of a WebSocket connection: `newHeads`, `logs`, `newPendingTransactions`.

use std::{collections::HashMap, sync::Arc};

use concordat_types::VerifiedTx;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    Eth,
    args::Args,
    chain::Loaded,
    filters::new_id,
    hex::data,
    json::{self as convert, LogPlace},
    methods,
    query::LogQuery,
};
use crate::{
    CommittedBlock, Limits,
    edge::{Edge, Pieces, Session, SubscribableService, Told, pieces},
    jsonrpc::{Call, RpcError, RpcResult},
};

/// What a subscription is told of.
#[derive(Clone, Debug)]
enum Kind {
    NewHeads,
    Logs(LogQuery),
    Pending { full: bool },
}

/// The subscriptions of one connection. A channel is listened to only while somebody subscribes to it.
pub(crate) struct EthSession {
    edge: Arc<Edge<Eth>>,
    subscriptions: HashMap<String, Kind>,
    blocks: Option<Receiver<Arc<CommittedBlock>>>,
    pending: Option<Receiver<Arc<VerifiedTx>>>,
    told: Told,
}

/// Something to tell subscribers of.
pub(crate) enum Event {
    Block(Arc<CommittedBlock>),
    Pending(Arc<VerifiedTx>),
    /// The channel dropped what we were too slow to take; the next block shows how much.
    Lagged,
    /// The node is stopping.
    Closed,
}

impl SubscribableService for Eth {
    type Session = EthSession;

    fn session(edge: &Arc<Edge<Self>>) -> EthSession {
        EthSession {
            edge: Arc::clone(edge),
            subscriptions: HashMap::new(),
            blocks: None,
            pending: None,
            told: Told::default(),
        }
    }
}

impl Session for EthSession {
    type Event = Event;

    fn subscribe(&mut self, call: &Call) -> Option<RpcResult> {
        let act = match call.method.as_str() {
            "eth_subscribe" => Self::add,
            "eth_unsubscribe" => Self::remove,
            _ => return None,
        };
        let most = methods::find(&call.method).map_or(0, |method| method.params.len());
        Some(Args::new(call.params.clone(), most).and_then(|args| act(self, &args)))
    }

    async fn receive(&mut self) -> Event {
        tokio::select! {
            block = next(&mut self.blocks) => event(block, Event::Block),
            tx = next(&mut self.pending) => event(tx, Event::Pending),
        }
    }

    fn push(&mut self, event: Event) -> Pieces {
        match event {
            Event::Pending(tx) => stream::iter([self.pending_frames(&tx)]).boxed(),
            Event::Block(block) => self.block_frames(block.block.height()),
            Event::Lagged => stream::empty().boxed(),
            Event::Closed => {
                (self.blocks, self.pending) = (None, None);
                stream::empty().boxed()
            }
        }
    }
}

async fn next<T: Clone>(receiver: &mut Option<Receiver<T>>) -> Result<T, RecvError> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

fn event<T>(received: Result<T, RecvError>, wrap: fn(T) -> Event) -> Event {
    match received {
        Ok(value) => wrap(value),
        Err(RecvError::Lagged(_)) => Event::Lagged,
        Err(RecvError::Closed) => Event::Closed,
    }
}

impl EthSession {
    fn add(&mut self, args: &Args) -> RpcResult {
        let limit = self.edge.limits.subscriptions;
        if self.subscriptions.len() >= limit {
            return Err(RpcError::limit_exceeded(format!(
                "too many subscriptions on this connection, limit {limit}"
            )));
        }
        let kind = match args.required::<String>(0)?.as_str() {
            "newHeads" => Kind::NewHeads,
            "logs" => Kind::Logs(args.or_default(1)?),
            "newPendingTransactions" => Kind::Pending { full: args.or_default(1)? },
            other => {
                let shown: String = other.chars().take(64).collect();
                let text = format!("no {shown:?} subscription in eth namespace");
                return Err(RpcError::new(RpcError::METHOD_NOT_FOUND, text));
            }
        };
        let id = new_id();
        self.subscriptions.insert(id.clone(), kind);
        self.listen();
        Ok(Value::String(id))
    }

    fn remove(&mut self, args: &Args) -> RpcResult {
        let known = self.subscriptions.remove(&args.required::<String>(0)?).is_some();
        self.listen();
        match known {
            true => Ok(Value::Bool(true)),
            false => Err(RpcError::server("subscription not found")),
        }
    }

    /// Listens to the channels that subscriptions need, and to no others.
    fn listen(&mut self) {
        let needs = |wanted: fn(&Kind) -> bool| self.subscriptions.values().any(wanted);
        let api = &self.edge.service.api;
        let pending = needs(|kind| matches!(kind, Kind::Pending { .. }));
        let blocks = needs(|kind| !matches!(kind, Kind::Pending { .. }));
        self.pending = pending.then(|| self.pending.take().unwrap_or_else(|| api.subscribe_pending()));
        self.blocks = blocks.then(|| self.blocks.take().unwrap_or_else(|| api.subscribe_blocks()));
        if !blocks {
            self.told.forget();
        }
    }

    fn pending_frames(&self, tx: &VerifiedTx) -> Vec<String> {
        let shown = |full| match full {
            true => convert::transaction(tx, tx.sender(), None),
            false => data(tx.hash()),
        };
        let kinds = self.subscriptions.iter();
        kinds
            .filter_map(|(id, kind)| match kind {
                Kind::Pending { full } => Some(frame(id, &shown(*full))),
                _ => None,
            })
            .collect()
    }

    /// Frames for a block and for those before it that the channel dropped.
    fn block_frames(&mut self, height: u64) -> Pieces {
        let heights = self.told.upto(height);
        let eth = Arc::clone(&self.edge.service);
        let log_limits = self.edge.limits.clone();
        let subscriptions = self.subscriptions.clone().into_iter().collect();
        let frames = move |(id, kind): &(String, Kind), loaded: &Loaded| match kind {
            Kind::NewHeads => vec![frame(id, &convert::header(&loaded.view()))],
            Kind::Logs(query) => {
                matching(query, &loaded.view(), &log_limits).iter().map(|log| frame(id, log)).collect()
            }
            Kind::Pending { .. } => Vec::new(),
        };
        pieces(heights, subscriptions, move |height| load(&eth, height), frames)
    }
}

fn load(eth: &Eth, height: u64) -> Option<Arc<Loaded>> {
    let loaded = eth.load(height).inspect_err(|error| {
        tracing::warn!(height, error = error.message, "subscribers were not told of a block");
    });
    loaded.ok().flatten()
}

/// The block's logs that a subscription asks for.
fn matching(query: &LogQuery, view: &convert::BlockView<'_>, limits: &Limits) -> Vec<Value> {
    let height = view.block.height();
    let filter = query.over(height, height, limits);
    let mut log_index = 0u64;
    let mut found = Vec::new();
    for (tx_index, receipt) in (0u64..).zip(view.receipts) {
        for log in &receipt.logs {
            if filter.matches(log) {
                let (block_hash, tx_hash) = (view.hash, receipt.tx_hash);
                let place = LogPlace { block_hash, height, tx_hash, tx_index, log_index };
                found.push(convert::log(log, &place));
            }
            log_index = log_index.saturating_add(1);
        }
    }
    found
}

fn frame(id: &str, result: &Value) -> String {
    json!({
        "jsonrpc": "2.0",
        "method": "eth_subscription",
        "params": { "subscription": id, "result": result },
    })
    .to_string()
}
