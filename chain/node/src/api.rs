//! The running node as its interfaces see it.

use std::sync::Arc;

use async_trait::async_trait;
use concordat_consensus::ConsensusHandle;
use concordat_rpc::{
    CommittedBlock, ConsensusView, NodeApi, NodeInfo, PeerInfo, PoolStatus, PoolTx, SubmitError, SyncStatus,
};
use concordat_types::{Address, B256, Bytes, Genesis, VerifiedTx};
use tokio::sync::broadcast;

use crate::{admission::TxPool, ledger::Ledger, metrics::node_id};

/// A node that is this far behind what its peers tell is catching up, not merely between two blocks.
const CATCHING_UP_BLOCKS: u64 = 3;

/// [`NodeApi`] over the parts of this node.
pub struct Api {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) pool: Arc<TxPool>,
    pub(crate) consensus: Arc<ConsensusHandle>,
    pub(crate) info: NodeInfo,
    pub(crate) starting_height: u64,
}

#[async_trait]
impl NodeApi for Api {
    async fn submit(&self, raw: Bytes) -> Result<B256, SubmitError> {
        self.pool.submit(raw)
    }

    async fn submit_all(&self, raws: Vec<Bytes>) -> Vec<Result<B256, SubmitError>> {
        let (pool, count) = (Arc::clone(&self.pool), raws.len());
        let work = tokio::task::spawn_blocking(move || pool.submit_all(raws));
        work.await.unwrap_or_else(|failure| {
            (0..count).map(|_| Err(SubmitError::Unavailable(failure.to_string()))).collect()
        })
    }

    fn pool_tx(&self, hash: &B256) -> Option<PoolTx> {
        self.pool.view(hash)
    }

    fn pool_txs_of(&self, sender: &Address) -> Vec<PoolTx> {
        self.pool.of_sender(sender)
    }

    fn pool_content(&self, limit: usize) -> Vec<PoolTx> {
        self.pool.content(limit)
    }

    fn pool_status(&self) -> PoolStatus {
        self.pool.status()
    }

    fn pending_nonce(&self, sender: &Address) -> Option<u64> {
        self.pool.pending_nonce(sender)
    }

    fn subscribe_blocks(&self) -> broadcast::Receiver<Arc<CommittedBlock>> {
        self.ledger.subscribe()
    }

    fn subscribe_pending(&self) -> broadcast::Receiver<Arc<VerifiedTx>> {
        self.pool.subscribe()
    }

    fn sync_status(&self) -> SyncStatus {
        let height = self.ledger.tip().height;
        let highest = self.consensus.status().network_tip.max(height);
        SyncStatus {
            catching_up: highest >= height + CATCHING_UP_BLOCKS,
            starting_height: self.starting_height,
            highest_height: highest,
        }
    }

    fn peers(&self) -> Vec<PeerInfo> {
        let peers = self.consensus.status().peers;
        let info = |peer: &Arc<concordat_consensus::PeerIdentity>| PeerInfo {
            // A peer id is the multihash 0x12 0x20 ‖ SHA-256 of the key.
            node_id: node_id(&B256::from_slice(&peer.peer_id.to_bytes()[2..34])),
            organisation: peer.org.clone(),
            moniker: peer.common_name.clone(),
            address: None,
            outbound: false,
        };
        peers.iter().map(info).collect()
    }

    fn node_info(&self) -> NodeInfo {
        self.info.clone()
    }

    fn consensus(&self) -> ConsensusView {
        let status = self.consensus.status();
        ConsensusView {
            height: status.height,
            round: status.round,
            proposer: status.proposer.map(|address| address.0),
        }
    }

    fn genesis(&self) -> Arc<Genesis> {
        self.ledger.genesis().clone()
    }
}
