//! What the interfaces need of the node that they stand in.
//!
//! Committed data is read from the store; only what lives outside it (the pool, the mesh, the engine)
//! goes through [`NodeApi`].

use std::{net::SocketAddr, sync::Arc};

use alloy_primitives::{Address, B256, Bytes};
use async_trait::async_trait;
use concordat_core::TxInvalid;
use concordat_types::{Block, Genesis, OrgId, Receipt, VerifiedTx, tx::TxError, validator::ConsensusAddress};
use tokio::sync::broadcast;

/// The running node, as its interfaces see it.
///
/// All methods but [`Self::submit`] and [`Self::submit_all`] answer from memory at once.
#[async_trait]
pub trait NodeApi: Send + Sync + 'static {
    /// Puts a transaction into the pool. Answers its hash once the pool holds it.
    async fn submit(&self, raw: Bytes) -> Result<B256, SubmitError>;

    /// Puts transactions into the pool in this order, and answers each in its place. Their signatures are
    /// checked at the same time, which is what one batch gains over many calls.
    async fn submit_all(&self, raws: Vec<Bytes>) -> Vec<Result<B256, SubmitError>>;

    /// A transaction that waits in the pool.
    fn pool_tx(&self, hash: &B256) -> Option<PoolTx>;

    /// The waiting transactions of one sender, by nonce.
    fn pool_txs_of(&self, sender: &Address) -> Vec<PoolTx>;

    /// At most `limit` waiting transactions, in any order.
    fn pool_content(&self, limit: usize) -> Vec<PoolTx>;

    /// How full the pool is.
    fn pool_status(&self) -> PoolStatus;

    /// The next nonce of a sender once its executable pool transactions are included; `None` without
    /// any, when the state's own count holds.
    fn pending_nonce(&self, sender: &Address) -> Option<u64>;

    /// Blocks, each sent after its durable commit.
    fn subscribe_blocks(&self) -> broadcast::Receiver<Arc<CommittedBlock>>;

    /// Transactions as they enter the pool.
    fn subscribe_pending(&self) -> broadcast::Receiver<Arc<VerifiedTx>>;

    /// How far this node is behind.
    fn sync_status(&self) -> SyncStatus;

    /// The connected peers.
    fn peers(&self) -> Vec<PeerInfo>;

    /// Who this node is.
    fn node_info(&self) -> NodeInfo;

    /// Where the engine is.
    fn consensus(&self) -> ConsensusView;

    /// The genesis document.
    fn genesis(&self) -> Arc<Genesis>;
}

/// A block that is durably committed.
#[derive(Clone, Debug)]
pub struct CommittedBlock {
    /// The block.
    pub block: Block,
    /// Its header's hash.
    pub hash: B256,
    /// One receipt per transaction, in order.
    pub receipts: Vec<Receipt>,
}

/// A transaction in the pool.
#[derive(Clone, Debug)]
pub struct PoolTx {
    /// The transaction and its sender.
    pub tx: Arc<VerifiedTx>,
    /// Whether the next block can take it; otherwise a lower nonce is missing.
    pub executable: bool,
}

/// How full the pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Transactions that the next block can take.
    pub pending: u64,
    /// Transactions that wait for a lower nonce.
    pub queued: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Why the pool does not take a transaction. The messages start with the words that Ethereum clients look
/// for (go-ethereum `core/txpool/errors.go`, `core/error.go`).
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Malformed, wrongly signed or for another chain, whatever the state.
    #[error(transparent)]
    Transaction(#[from] TxError),
    /// The state does not allow it.
    #[error("{0}")]
    Invalid(TxInvalid),
    /// The pool or the chain has it.
    #[error("already known")]
    AlreadyKnown,
    /// Further ahead than the pool keeps.
    #[error("nonce too high: next nonce {next}, tx nonce {have}; the pool keeps up to {window} ahead")]
    NonceTooFar {
        /// The transaction's.
        have: u64,
        /// The sender's next.
        next: u64,
        /// How far ahead the pool keeps.
        window: u64,
    },
    /// Another transaction of the sender holds the nonce. With no fees there is nothing to outbid it.
    #[error("replacement transaction underpriced: nonce {nonce} is held by pending transaction {by}")]
    NonceHeld {
        /// The nonce.
        nonce: u64,
        /// Who holds it.
        by: B256,
    },
    /// No room in the pool.
    #[error("txpool is full: {have} transactions, limit {limit}; send it again later")]
    PoolFull {
        /// Transactions in it.
        have: u64,
        /// Its limit.
        limit: u64,
    },
    /// No room for more of this sender.
    #[error("txpool is full for sender {sender}: {have} transactions, limit {limit}; send it again later")]
    SenderFull {
        /// The sender.
        sender: Address,
        /// Its transactions in the pool.
        have: u64,
        /// The limit of each sender.
        limit: u64,
    },
    /// The node takes none now.
    #[error("the node takes no transactions now: {0}")]
    Unavailable(String),
}

impl From<TxInvalid> for SubmitError {
    fn from(invalid: TxInvalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// How far the node is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncStatus {
    /// Whether it is catching up.
    pub catching_up: bool,
    /// Its height when it started.
    pub starting_height: u64,
    /// The highest height that a peer told of.
    pub highest_height: u64,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// First 20 bytes of the SHA-256 of its certificate's public key.
    pub node_id: [u8; 20],
    /// Its organisation.
    pub organisation: OrgId,
    /// The common name of its certificate.
    pub moniker: String,
    /// Where it connected from, if known.
    pub address: Option<SocketAddr>,
    /// Whether we connected to it.
    pub outbound: bool,
}

/// Who the node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// First 20 bytes of the SHA-256 of its certificate's public key.
    pub node_id: [u8; 20],
    /// Its organisation.
    pub organisation: OrgId,
    /// The common name of its certificate.
    pub moniker: String,
    /// Where its mesh listens, `host:port`.
    pub listen_address: String,
    /// The node program and its version, `concordat/v0.1.0`.
    pub client_version: String,
    /// Ed25519 key of its votes; `None` for observers and audit nodes, which never vote.
    pub consensus_key: Option<[u8; 32]>,
}

/// Where the engine is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsensusView {
    /// The height under decision.
    pub height: u64,
    /// The round.
    pub round: u32,
    /// Whose turn it is to propose.
    pub proposer: Option<ConsensusAddress>,
}
