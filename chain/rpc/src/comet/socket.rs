//! Subscriptions of a WebSocket connection: `NewBlock`, `NewBlockHeader`, `Tx`.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    Comet,
    args::Args,
    json::{self as convert, base64, integer},
    methods,
    query::Query,
};
use crate::{
    CommittedBlock,
    edge::{Edge, Pieces, Session, SubscribableService, Told, pieces},
    jsonrpc::{Call, RpcError, RpcResult},
};

/// What a subscription is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    NewBlock,
    NewBlockHeader,
    Tx,
}

/// A subscription. Its events carry the id of the call that began it.
#[derive(Clone, Debug)]
struct Subscription {
    id: Value,
    text: String,
    query: Query,
    topic: Topic,
}

/// The subscriptions of one connection.
pub(crate) struct CometSession {
    edge: Arc<Edge<Comet>>,
    subscriptions: Vec<Subscription>,
    blocks: Option<Receiver<Arc<CommittedBlock>>>,
    told: Told,
}

impl SubscribableService for Comet {
    type Session = CometSession;

    fn session(edge: &Arc<Edge<Self>>) -> CometSession {
        let (subscriptions, told) = (Vec::new(), Told::default());
        CometSession { edge: Arc::clone(edge), subscriptions, blocks: None, told }
    }
}

impl Session for CometSession {
    type Event = Result<Arc<CommittedBlock>, RecvError>;

    fn subscribe(&mut self, call: &Call) -> Option<RpcResult> {
        let act = match call.method.as_str() {
            "subscribe" => Self::add,
            "unsubscribe" => Self::remove,
            "unsubscribe_all" => Self::remove_all,
            _ => return None,
        };
        let names = methods::find(&call.method).map_or(&[][..], |method| method.params);
        let id = call.id.clone().unwrap_or(Value::Null);
        Some(Args::from_json(call.params.clone(), names).and_then(|args| act(self, id, &args)))
    }

    async fn receive(&mut self) -> Self::Event {
        match &mut self.blocks {
            Some(blocks) => blocks.recv().await,
            None => std::future::pending().await,
        }
    }

    fn push(&mut self, event: Self::Event) -> Pieces {
        match event {
            Ok(block) => self.frames(block),
            // The next block shows how much was missed.
            Err(RecvError::Lagged(_)) => stream::empty().boxed(),
            Err(RecvError::Closed) => {
                self.blocks = None;
                stream::empty().boxed()
            }
        }
    }
}

impl CometSession {
    fn add(&mut self, id: Value, args: &Args) -> RpcResult {
        let limit = self.edge.limits.subscriptions;
        if self.subscriptions.len() >= limit {
            return Err(RpcError::server(format!("max_subscriptions_per_client {limit} reached")));
        }
        let text = args.text("query")?;
        let query = Query::parse(&text).map_err(RpcError::server)?;
        let topic = match query.event.as_deref() {
            Some("NewBlock") => Topic::NewBlock,
            Some("NewBlockHeader") => Topic::NewBlockHeader,
            Some("Tx") => Topic::Tx,
            _ => {
                return Err(RpcError::server(
                    "the query must name tm.event = 'NewBlock', 'NewBlockHeader' or 'Tx'",
                ));
            }
        };
        if self.subscriptions.iter().any(|subscription| subscription.text == text) {
            return Err(RpcError::server("already subscribed"));
        }
        self.subscriptions.push(Subscription { id, text, query, topic });
        let api = &self.edge.service.api;
        self.blocks.get_or_insert_with(|| api.subscribe_blocks());
        Ok(json!({}))
    }

    fn remove(&mut self, _: Value, args: &Args) -> RpcResult {
        let (text, before) = (args.text("query")?, self.subscriptions.len());
        self.subscriptions.retain(|subscription| subscription.text != text);
        self.rest_if_idle();
        match self.subscriptions.len() < before {
            true => Ok(json!({})),
            false => Err(RpcError::server("subscription not found")),
        }
    }

    fn remove_all(&mut self, _: Value, _: &Args) -> RpcResult {
        self.subscriptions.clear();
        self.rest_if_idle();
        Ok(json!({}))
    }

    fn rest_if_idle(&mut self) {
        if self.subscriptions.is_empty() {
            self.blocks = None;
            self.told.forget();
        }
    }

    /// Frames for a block and for those before it that the channel dropped.
    fn frames(&mut self, block: Arc<CommittedBlock>) -> Pieces {
        let heights = self.told.upto(block.block.height());
        let (comet, reader) = (Arc::clone(&self.edge.service), Arc::clone(&self.edge.service));
        let load = move |height| match height == block.block.height() {
            true => Some(Arc::clone(&block)),
            false => missed(&reader, height),
        };
        let frames = move |subscription: &_, block: &_| frames_of(&comet, subscription, block);
        pieces(heights, self.subscriptions.clone(), load, frames)
    }
}

/// A block that the channel dropped, from the store.
fn missed(comet: &Comet, height: u64) -> Option<Arc<CommittedBlock>> {
    let read = || {
        let (block, receipts) = (comet.store.block(height)?, comet.store.receipts(height)?);
        let hash = comet.store.block_hash(height)?;
        Ok(block.zip(receipts).zip(hash).map(|((block, receipts), hash)| CommittedBlock {
            block,
            hash,
            receipts,
        }))
    };
    let found: Result<_, concordat_state::StoreError> = read();
    let found =
        found.inspect_err(|error| tracing::warn!(height, %error, "subscribers were not told of a block"));
    found.ok().flatten().map(Arc::new)
}

fn frames_of(comet: &Comet, subscription: &Subscription, block: &CommittedBlock) -> Vec<String> {
    let height = block.block.height();
    let events = match subscription.topic {
        Topic::Tx => tx_events(subscription, block),
        _ if !subscription.query.block_height.contains(height) => Ok(Vec::new()),
        Topic::NewBlock => new_block(comet, block).map(|event| vec![event]),
        Topic::NewBlockHeader => new_header(block).map(|event| vec![event]),
    };
    match events {
        Ok(events) => events.into_iter().map(|event| frame(subscription, event)).collect(),
        Err(error) => {
            tracing::warn!(height, error = error.message, "subscribers were not told of a block");
            Vec::new()
        }
    }
}

/// An event: its data and the attributes by which it was found.
struct Event {
    data: Value,
    attributes: Value,
}

fn new_block(comet: &Comet, block: &CommittedBlock) -> Result<Event, RpcError> {
    let height = block.block.height();
    let root = comet.store.state_root(height).map_err(super::service::store_error)?.unwrap_or_default();
    let value = json!({
        "block": convert::block(&block.block)?,
        "block_id": convert::block_id(&comet.block_id(height)?)?,
        "result_finalize_block": {
            "tx_results": block.receipts.iter().map(convert::tx_result).collect::<Vec<_>>(),
            "validator_updates": [],
            "app_hash": base64(root),
        },
    });
    Ok(Event {
        data: json!({ "type": "tendermint/event/NewBlock", "value": value }),
        attributes: json!({ "tm.event": ["NewBlock"] }),
    })
}

fn new_header(block: &CommittedBlock) -> Result<Event, RpcError> {
    let value = json!({ "header": convert::header(&block.block.header)? });
    Ok(Event {
        data: json!({ "type": "tendermint/event/NewBlockHeader", "value": value }),
        attributes: json!({ "tm.event": ["NewBlockHeader"] }),
    })
}

fn tx_events(subscription: &Subscription, block: &CommittedBlock) -> Result<Vec<Event>, RpcError> {
    let height = block.block.height();
    let query = &subscription.query;
    let wanted = |receipt: &concordat_types::Receipt| {
        query.tx_height.contains(height) && query.tx_hash.is_none_or(|hash| hash == receipt.tx_hash)
    };
    let numbered = block.block.txs.iter().zip(&block.receipts).enumerate();
    let events = numbered.filter(|(_, (_, receipt))| wanted(receipt)).map(|(index, (tx, receipt))| {
        let value = json!({
            "height": integer(height),
            "index": index,
            "tx": base64(tx),
            "result": convert::tx_result(receipt),
        });
        Event {
            data: json!({ "type": "tendermint/event/Tx", "value": { "TxResult": value } }),
            attributes: json!({
                "tm.event": ["Tx"],
                "tx.hash": [convert::hex_upper(receipt.tx_hash)],
                "tx.height": [integer(height)],
            }),
        }
    });
    Ok(events.collect())
}

fn frame(subscription: &Subscription, event: Event) -> String {
    json!({
        "jsonrpc": "2.0",
        "id": subscription.id,
        "result": { "query": subscription.text, "data": event.data, "events": event.attributes },
    })
    .to_string()
}
