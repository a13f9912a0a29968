//! The state of a chain, entry by entry from a node: by its word, at any height that it keeps, or each with a proof
//! under headers that a quorum signed.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::B256;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use concordat_core::BlockEnv;
use concordat_types::{ChainParams, Genesis, ReadError, StateKey, StateReader};
use eyre::{Report, Result, WrapErr as _, bail};
use serde_json::json;
use tendermint::block::Header;

use crate::{
    client::{Client, TlsArgs},
    verify::{LightClient, integer, prove_state},
};

/// How often entries are proved anew if blocks that come meanwhile change some of them.
const ATTEMPTS: usize = 3;

/// Which state, from which node, and whom to believe.
#[derive(Args)]
pub struct StateArgs {
    /// As the state stood after this block; the newest if absent.
    #[arg(long)]
    pub height: Option<u64>,
    /// Prove each entry that is read, from this genesis document on; at the newest height only.
    #[arg(long, value_name = "FILE", conflicts_with = "height")]
    genesis: Option<PathBuf>,
    /// CometBFT RPC of any node.
    #[arg(long, value_name = "URL", env = "CONCORDAT_COMET", default_value = "http://127.0.0.1:26657")]
    comet: String,
    #[command(flatten)]
    tls: TlsArgs,
}

impl StateArgs {
    /// What can be told from the state, and the state behind it.
    pub fn read<T, E: Into<Report>>(
        &self,
        tell: impl Fn(&RemoteState) -> Result<T, E>,
    ) -> Result<(RemoteState, T)> {
        let mut attempts = 1;
        loop {
            let state = self.open()?;
            match tell(&state) {
                Ok(told) => return Ok((state, told)),
                // Entries of different blocks may contradict each other.
                Err(_) if attempts < ATTEMPTS && state.spans_blocks() => attempts += 1,
                Err(error) => return Err(state.take_failure().unwrap_or_else(|| error.into())),
            }
        }
    }

    fn open(&self) -> Result<RemoteState> {
        let client = self.tls.connect(&self.comet)?;
        let Some(file) = &self.genesis else { return RemoteState::told(client, self.height) };
        let text = std::fs::read_to_string(file).wrap_err_with(|| format!("genesis {}", file.display()))?;
        RemoteState::proved(client, &Genesis::from_json(&text)?)
    }
}

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
    Told(Client),
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
    failure: Option<Report>,
}

impl RemoteState {
    /// By the word of a node, after the block at a height, or after the newest one.
    fn told(client: Client, height: Option<u64>) -> Result<Self> {
        let asked = height.map_or_else(|| json!({}), |height| json!({ "height": height.to_string() }));
        let header = client.call("header", asked)?["header"].clone();
        let header = serde_json::from_value(header).wrap_err("the node's header is malformed")?;
        Ok(Self { source: Source::Told(client), header, read: Mutex::default() })
    }

    /// By proofs at the newest height.
    fn proved(client: Client, genesis: &Genesis) -> Result<Self> {
        let mut light = LightClient::start(genesis, client)?;
        let newest = light.newest_height()?;
        let header = light.header_at(newest)?.header;
        Ok(Self { source: Source::Proved(Box::new(Mutex::new(light))), header, read: Mutex::default() })
    }

    /// The surroundings of the block after the header, at the header's time.
    pub fn next_block(&self) -> Result<BlockEnv> {
        Ok(BlockEnv {
            chain_id: 0,
            height: self.header.height.value().saturating_add(1),
            time_secs: u64::try_from(self.header.time.unix_timestamp())?,
            params: ChainParams {
                protocol_version: self.header.version.app,
                block_gas_limit: u64::MAX,
                ..ChainParams::default()
            },
            recent_signers: None,
        })
    }

    /// The heights after which the entries were so.
    pub fn heights(&self) -> (u64, u64) {
        let height = self.header.height.value();
        lock(&self.read).heights.unwrap_or((height, height))
    }

    /// Whether entries of more than one block were read.
    fn spans_blocks(&self) -> bool {
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
    fn take_failure(&self) -> Option<Report> {
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
            Source::Told(client) => self.ask(client, key),
            Source::Proved(light) => {
                let proof = prove_state(&mut lock(light), key)?;
                let value = proof.value.map(hex::decode).transpose()?;
                Ok((value, proof.height))
            }
        }
    }

    fn ask(&self, client: &Client, key: &StateKey) -> Result<(Option<Vec<u8>>, u64)> {
        let height = self.header.height.to_string();
        let asked = json!({ "path": "/store", "data": hex::encode(key), "height": height });
        let answer = client.call("abci_query", asked)?["response"].clone();
        if answer["code"].as_u64().unwrap_or_default() != 0 {
            bail!("{}", answer["log"].as_str().unwrap_or("the node gives no reason"));
        }
        let value = STANDARD.decode(answer["value"].as_str().unwrap_or_default()).wrap_err("not base64")?;
        // No value in the state is ever empty.
        Ok((Some(value).filter(|value| !value.is_empty()), integer(&answer["height"])?))
    }
}

impl StateReader for RemoteState {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ReadError> {
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
                read.failure = Some(failure.wrap_err(what.clone()));
                Err(ReadError::Store { what, reason })
            }
        }
    }

    fn block_hash(&self, height: u64) -> Result<Option<B256>, ReadError> {
        let reason = "no decision on a sender asks for it".into();
        Err(ReadError::Store { what: format!("the hash of block {height}"), reason })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
