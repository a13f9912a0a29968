//! The state of a chain, entry by entry from a node: by its word, at any height that it keeps, or each with a proof
//! under headers that a quorum signed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy_primitives::B256;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use concordat_core::BlockEnv;
use concordat_types::{ChainParams, Genesis, ReadError, StateKey, StateReader};
use serde_json::json;
use tendermint::block::Header;

use crate::{
    LightClient, LightError, Rpc,
    client::integer,
    proof::{NO_BASE64, state},
};

type Result<T> = std::result::Result<T, LightError>;

/// Reads of a chain's state by way of a node.
pub struct RemoteState {
    source: Source,
    /// The newest header when the reading began.
    header: Header,
    read: Mutex<Read>,
}

/// Whom to believe.
enum Source {
    /// The node.
    Told(Box<dyn Rpc>),
    /// Signatures of validators alone.
    Proved(Box<Mutex<LightClient>>),
}

/// What was read.
#[derive(Default)]
struct Read {
    entries: u64,
    /// The lowest and the greatest height of an entry.
    heights: Option<(u64, u64)>,
    /// Why reading failed, with its causes.
    failure: Option<LightError>,
}

impl RemoteState {
    /// By the word of a node, after the block at a height, or after the newest one; its CometBFT RPC is asked.
    ///
    /// # Errors
    /// [`LightError`] where the node does not have that block.
    pub fn told(comet: impl Rpc + 'static, height: Option<u64>) -> Result<Self> {
        let asked = height.map_or_else(|| json!({}), |height| json!({ "height": height.to_string() }));
        let header = comet.call("header", asked)?["header"].clone();
        let malformed = LightError::because("the node's header is malformed");
        let header: Header = serde_json::from_value(header).map_err(malformed)?;
        let told = header.height.value();
        if let Some(height) = height.filter(|height| *height != told) {
            let what = format!("the node told block {told} when asked for block {height}");
            return Err(LightError::Unable(what));
        }
        Ok(Self { source: Source::Told(Box::new(comet)), header, read: Mutex::default() })
    }

    /// By proofs at the newest height; a node's CometBFT RPC is asked.
    ///
    /// # Errors
    /// [`LightError`].
    pub fn proved(comet: impl Rpc + 'static, genesis: &Genesis) -> Result<Self> {
        let mut light = LightClient::start(genesis, comet)?;
        let newest = light.newest_height()?;
        let header = light.header_at(newest)?.header;
        Ok(Self { source: Source::Proved(Box::new(Mutex::new(light))), header, read: Mutex::default() })
    }

    /// The surroundings of the block after the header, at the header's time.
    ///
    /// # Errors
    /// [`LightError`] for a time before 1970.
    pub fn next_block(&self) -> Result<BlockEnv> {
        let time = self.header.time.unix_timestamp();
        Ok(BlockEnv {
            chain_id: 0,
            height: self.header.height.value().saturating_add(1),
            time_secs: u64::try_from(time).map_err(LightError::because("the header's time is none"))?,
            params: ChainParams {
                protocol_version: self.header.version.app,
                block_gas_limit: u64::MAX,
                ..ChainParams::default()
            },
            recent_signers: None,
        })
    }

    /// The chain whose state it is.
    pub fn chain_id(&self) -> &str {
        self.header.chain_id.as_str()
    }

    /// The heights after which the entries were so.
    pub fn heights(&self) -> (u64, u64) {
        let height = self.header.height.value();
        lock(&self.read).heights.unwrap_or((height, height))
    }

    /// Whether entries of more than one block were read: these may contradict each other.
    pub fn spans_blocks(&self) -> bool {
        let (from, upto) = self.heights();
        from < upto
    }

    /// How many entries were read.
    pub fn entries(&self) -> u64 {
        lock(&self.read).entries
    }

    /// Whether each of them was proved.
    pub const fn is_proved(&self) -> bool {
        matches!(self.source, Source::Proved(_))
    }

    /// Why reading failed, if it did.
    pub fn take_failure(&self) -> Option<LightError> {
        lock(&self.read).failure.take()
    }

    /// A line for people.
    pub fn describe(&self) -> String {
        let (from, upto) = self.heights();
        let when = if from < upto { format!("blocks {from} to {upto}") } else { format!("block {upto}") };
        let entries = self.entries();
        match self.source {
            Source::Told(_) => {
                format!("as of {when}, by {entries} entries of the state as the node tells them")
            }
            Source::Proved(_) => format!("as of {when}, by {entries} entries of the state, each proved"),
        }
    }

    fn fetch(&self, key: &StateKey) -> Result<(Option<Vec<u8>>, u64)> {
        match &self.source {
            Source::Told(comet) => self.ask(&**comet, key),
            Source::Proved(light) => {
                let proof = state(&mut lock(light), key)?;
                let value = proof.value.map(hex::decode).transpose();
                Ok((value.map_err(LightError::because("the proof's value is malformed"))?, proof.height))
            }
        }
    }

    fn ask(&self, comet: &dyn Rpc, key: &StateKey) -> Result<(Option<Vec<u8>>, u64)> {
        let height = self.header.height.to_string();
        let asked = json!({ "path": "/store", "data": hex::encode(key), "height": height });
        let answer = comet.call("abci_query", asked)?["response"].clone();
        if answer["code"].as_u64().unwrap_or_default() != 0 {
            let log = answer["log"].as_str().unwrap_or("the node gives no reason");
            return Err(LightError::Unable(log.to_owned()));
        }
        let value = STANDARD.decode(answer["value"].as_str().unwrap_or_default());
        let value = value.map_err(LightError::because(NO_BASE64))?;
        // No value in the state is ever empty.
        Ok((Some(value).filter(|value| !value.is_empty()), integer(&answer["height"])?))
    }
}

impl StateReader for RemoteState {
    fn get(&self, key: &StateKey) -> std::result::Result<Option<Vec<u8>>, ReadError> {
        let fetched = self.fetch(key);
        let mut read = lock(&self.read);
        match fetched {
            Ok((value, height)) => {
                let (from, upto) = read.heights.unwrap_or((height, height));
                read.heights = Some((from.min(height), upto.max(height)));
                read.entries = read.entries.saturating_add(1);
                Ok(value)
            }
            Err(failure) => {
                let (what, reason) = (format!("entry {}", hex::encode(key)), failure.to_string());
                // What is wrong stays so: it is told apart from what cannot be read.
                read.failure = Some(if failure.is_wrong() {
                    LightError::Wrong(format!("{what}: {failure}"))
                } else {
                    LightError::Because { what: what.clone(), source: failure.into() }
                });
                Err(ReadError::Store { what, reason })
            }
        }
    }

    fn block_hash(&self, height: u64) -> std::result::Result<Option<B256>, ReadError> {
        let reason = "no decision on a sender asks for it".into();
        Err(ReadError::Store { what: format!("the hash of block {height}"), reason })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
