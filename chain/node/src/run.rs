//! Starting and stopping a node.

use std::{collections::HashMap, fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use concordat_consensus::{
    ConsensusConfig, ConsensusHandle, ConsensusSigner, EngineFailure, Gossip, LocalSigner, Misbehaviour,
    NodeIdentity, signing::SignGuard,
};
use concordat_pki_verify::Certificate;
use concordat_rpc::{NodeInfo, RpcMetrics, RpcParts, RpcServers, ServerIdentity, TlsEdge};
use concordat_state::{Store, StoreOptions};
use concordat_types::{Genesis, OrgId, Role, block::MAX_BLOCK_BYTES};
use prometheus::Registry;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
};

use crate::{
    NodeConfig,
    admission::{self, TxPool},
    api::Api,
    authorizer::RegistryAuthorizer,
    last_end::{LastEnd, STOPPED},
    ledger::{Ledger, LedgerError, application::LedgerApplication},
    metrics::{NodeMetrics, node_id},
    operations::{self, Operations, OperationsServer},
    workers,
};

/// The vote guard's file in the data folder: the record of what the consensus key has signed.
const GUARD_FILE: &str = "last-signed";

/// Gossip messages that one task takes.
const GOSSIP_AT_ONCE: usize = 32;

/// The keys and certificates of a node, read and decrypted by the caller.
pub struct NodeKeys {
    /// The node's TLS certificate chain (DER, leaf first) and its key (PKCS#8 DER).
    pub node_chain: Vec<Vec<u8>>,
    /// Its key.
    pub node_key: PrivateKeyDer<'static>,
    /// Seed of the Ed25519 key that signs votes; validators only.
    pub consensus_seed: Option<[u8; 32]>,
    /// What TLS interfaces show to applications.
    pub server: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

/// Where a running node listens.
#[derive(Clone, Debug, Serialize)]
pub struct Endpoints {
    /// The mesh.
    pub p2p: SocketAddr,
    /// Ethereum JSON-RPC.
    pub ethereum: Option<SocketAddr>,
    /// CometBFT RPC.
    pub cometbft: Option<SocketAddr>,
    /// Health and metrics.
    pub operations: SocketAddr,
}

/// Why a node does not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The certificate is none, or not that of a node.
    #[error("{what}: {reason}")]
    Identity {
        /// Which file or key.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The store.
    #[error(transparent)]
    Store(#[from] concordat_state::StoreError),
    /// The double-sign guard.
    #[error(transparent)]
    Guard(#[from] concordat_consensus::signing::GuardError),
    /// Consensus does not start.
    #[error(transparent)]
    Consensus(#[from] concordat_consensus::StartError),
    /// An interface does not start.
    #[error(transparent)]
    Rpc(#[from] concordat_rpc::ServeError),
    /// The operations interface does not start.
    #[error("cannot listen on {address} for operations: {source}; choose another operations.listen")]
    Operations {
        /// Where it should.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data folder cannot be made.
    #[error("cannot create {path}: {source}")]
    Data {
        /// The folder.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gives no threads.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Metrics could not be registered: a mistake of ours.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// Consensus ended: the node must not pretend to work.
    #[error("consensus stopped: {0}")]
    Failed(EngineFailure),
    /// A listener ended: nobody could ask the node any more, or see how it is.
    #[error("an interface ended by itself: {0}; start the node again, and report it")]
    Interface(std::io::Error),
}

impl NodeError {
    /// What ended the node, in a word for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Store(error) => error.kind(),
            Self::Ledger(error) => error.kind().unwrap_or("ledger"),
            Self::Failed(failure) => failure.kind(),
            Self::Interface(_) => "interface",
            _ => "refused",
        }
    }
}

/// A node that runs.
pub struct RunningNode {
    endpoints: Endpoints,
    consensus: Arc<ConsensusHandle>,
    ledger: Arc<Ledger>,
    rpc: RpcServers,
    operations: OperationsServer,
    tasks: [AbortHandle; 2],
    last_end: Arc<LastEnd>,
}

/// Who this node is, as its certificate says.
struct Identity {
    certificate: Certificate,
    org: OrgId,
    role: Role,
}

/// Begins the vote guard of a consensus key that has signed nothing above `height`, in a node's data folder.
///
/// Without a guard a validator abstains until it can be sure by itself; this is for keys that are known to be
/// new (`height` 0), and for operators who take the risk.
pub fn begin_guard(data: &Path, height: u64) -> Result<(), NodeError> {
    fs::create_dir_all(data).map_err(|source| NodeError::Data { path: data.to_owned(), source })?;
    SignGuard::create(&data.join(GUARD_FILE), height)?;
    Ok(())
}

/// Starts a node. Call it inside a multi-threaded tokio runtime.
pub async fn start(config: &NodeConfig, genesis: Genesis, keys: NodeKeys) -> Result<RunningNode, NodeError> {
    let data = &config.data;
    fs::create_dir_all(data).map_err(|source| NodeError::Data { path: data.clone(), source })?;
    let last_end = Arc::new(LastEnd::begin(data));
    let started = start_parts(config, genesis, keys, last_end.clone()).await;
    started.inspect_err(|error| last_end.note(error.kind()))
}

async fn start_parts(
    config: &NodeConfig,
    genesis: Genesis,
    keys: NodeKeys,
    last_end: Arc<LastEnd>,
) -> Result<RunningNode, NodeError> {
    name_threads();
    let identity = Identity::read(&keys)?;
    let genesis = Arc::new(genesis);
    let registry = concordat_monitoring::registry(HashMap::new())?;
    let metrics = Arc::new(NodeMetrics::register(&registry)?);
    last_end.before().into_iter().for_each(|reason| metrics.last_end(reason));
    let expiries = expiries(&keys)?;

    let (ledger, pool, told) = open_ledger(config, &genesis, &metrics).await?;
    let authorizer = Arc::new(RegistryAuthorizer::new(ledger.clone()));
    let signer = open_signer(config, &identity, &keys)?;
    if let Some(signed_to) = signer.as_ref().and_then(|signer| signer.signed_to()) {
        tell_what_the_store_lost(signed_to, ledger.tip().height, &metrics);
    }
    let consensus_key = signer.as_ref().map(|signer| signer.public_key());

    let (consensus, gossip) =
        start_consensus(config, &genesis, &identity, &keys, &authorizer, &ledger, signer).await?;
    let consensus = Arc::new(consensus);
    let tasks = spawn_tasks(&pool, &consensus, gossip, told, workers::prompt("gossip")?);

    let info = NodeInfo {
        node_id: node_id(&identity.certificate.spki_sha256().into()),
        organisation: identity.org,
        moniker: identity.certificate.common_name().to_owned(),
        listen_address: consensus.listen_addr().to_string(),
        client_version: concat!("concordat/v", env!("CARGO_PKG_VERSION")).to_owned(),
        consensus_key,
    };
    let starting_height = ledger.tip().height;
    let api =
        Arc::new(Api { ledger: ledger.clone(), pool, consensus: consensus.clone(), info, starting_height });
    let (rpc, operations) = serve(config, keys, api, (&registry, metrics), authorizer, expiries).await?;
    let endpoints = Endpoints {
        p2p: consensus.listen_addr(),
        ethereum: rpc.ethereum(),
        cometbft: rpc.cometbft(),
        operations: operations.address,
    };
    Ok(RunningNode { endpoints, consensus, ledger, rpc, operations, tasks, last_end })
}

impl RunningNode {
    /// Where it listens.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The height of the newest committed block.
    pub fn height(&self) -> u64 {
        self.ledger.tip().height
    }

    /// Resolves when consensus or an interface has ended for good: the process must end too, since no node is
    /// half a node (docs/adr/0020).
    pub async fn failed(&mut self) -> NodeError {
        let error = tokio::select! {
            failure = self.consensus.failed() => NodeError::Failed(failure),
            error = self.rpc.failed() => NodeError::Interface(error),
            error = self.operations.failed() => NodeError::Interface(error),
        };
        self.last_end.note(error.kind());
        error
    }

    /// Stops in order: interfaces first, so that no receipt is promised, then consensus, which finishes a
    /// commit under way.
    pub async fn stop(self) {
        self.rpc.stop().await;
        self.operations.stop().await;
        self.consensus.shutdown().await;
        for task in &self.tasks {
            task.abort();
        }
        self.last_end.note(STOPPED);
        tracing::info!(height = self.ledger.tip().height, "stopped");
    }
}

impl Identity {
    fn read(keys: &NodeKeys) -> Result<Self, NodeError> {
        let what = "identity.certificate";
        let wrong = |reason: String| NodeError::Identity { what, reason };
        let leaf = keys.node_chain.first().ok_or_else(|| wrong("the file holds no certificate".into()))?;
        let certificate = Certificate::parse(leaf).map_err(|e| wrong(e.to_string()))?;
        let role = certificate.role().ok_or_else(|| wrong("it is a CA's certificate".into()))?;
        let org = certificate.org().clone();
        if role.holder() != concordat_types::Holder::Node {
            return Err(wrong(format!("its role is {role}; a node needs validator, observer or audit-node")));
        }
        Ok(Self { certificate, org, role })
    }
}

/// Names the threads that check signatures and hash trees, so that a profile says what they are.
fn name_threads() {
    let named = rayon::ThreadPoolBuilder::new().thread_name(|index| format!("parallel-{index}"));
    // An error says that they run already: a second node in this process.
    let _ = named.build_global();
}

async fn open_ledger(
    config: &NodeConfig,
    genesis: &Arc<Genesis>,
    metrics: &Arc<NodeMetrics>,
) -> Result<(Arc<Ledger>, Arc<TxPool>, mpsc::Receiver<Arc<concordat_types::VerifiedTx>>), NodeError> {
    let path = config.data.join("ledger");
    fs::create_dir_all(&path).map_err(|source| NodeError::Data { path: path.clone(), source })?;
    let options = StoreOptions {
        block_cache_bytes: config.store.block_cache_mib << 20,
        write_buffer_bytes: config.store.write_buffer_mib << 20,
        ..StoreOptions::default()
    };
    let (genesis, metrics, limits) = (genesis.clone(), metrics.clone(), config.pool.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let store = Store::open(&path, &options)?;
        let (pool, told) = TxPool::new(limits, store.clone(), &genesis, metrics.clone());
        let ledger = Ledger::open(store, genesis, pool.clone(), metrics)?;
        let tip = ledger.tip();
        let seconds = u64::try_from(tip.time.unix_timestamp()).unwrap_or(0);
        pool.set_next(tip.next_height(), seconds, tip.next.params);
        Ok((Arc::new(ledger), pool, told))
    });
    opened.await.unwrap_or(Err(NodeError::Ledger(LedgerError::Task("opening the ledger".into()))))
}

fn open_signer(
    config: &NodeConfig,
    identity: &Identity,
    keys: &NodeKeys,
) -> Result<Option<Arc<dyn ConsensusSigner>>, NodeError> {
    let what = "identity.consensus_key";
    match (identity.role, keys.consensus_seed) {
        (Role::Validator, Some(seed)) => {
            let signer = LocalSigner::open(seed, &config.data.join(GUARD_FILE))?;
            Ok(Some(Arc::new(signer)))
        }
        (Role::Validator, None) => {
            Err(NodeError::Identity { what, reason: "a validator needs one; none is configured".into() })
        }
        (role, Some(_)) => Err(NodeError::Identity {
            what,
            reason: format!("this node's certificate says {role}, which never votes; remove the key"),
        }),
        (_, None) => Ok(None),
    }
}

/// A block is on disk before anything is signed for the height after it, so a store that ends earlier has lost its end.
fn tell_what_the_store_lost(signed_to: u64, height: u64, metrics: &NodeMetrics) {
    let lost = signed_to.saturating_sub(height.saturating_add(1));
    metrics.store_lost_blocks.set(i64::try_from(lost).unwrap_or(i64::MAX));
    if lost > 0 {
        tracing::warn!(
            signed_to,
            height,
            "The store ends before what this node has signed for: the blocks that it lost are fetched from peers. Unless a \
             snapshot or an older copy was put there on purpose, distrust the disk"
        );
    }
}

async fn start_consensus(
    config: &NodeConfig,
    genesis: &Genesis,
    identity: &Identity,
    keys: &NodeKeys,
    authorizer: &Arc<RegistryAuthorizer>,
    ledger: &Arc<Ledger>,
    signer: Option<Arc<dyn ConsensusSigner>>,
) -> Result<(ConsensusHandle, mpsc::Receiver<Gossip>), NodeError> {
    let wal = config.data.join("wal");
    fs::create_dir_all(&wal).map_err(|source| NodeError::Data { path: wal.clone(), source })?;
    let mut settings = ConsensusConfig::new(
        genesis.chain_id.clone(),
        genesis.hash().0,
        config.p2p.listen,
        identity.role,
        wal,
    );
    settings.peers = config.p2p.peers.clone();
    // What the committee sets beyond that, each height brings along. A limit of the mesh cannot follow a vote: the
    // ledger refuses what exceeds the chain's.
    settings.clock_precision = Duration::from_millis(ledger.tip().next.params.clock_precision_ms);
    settings.max_block_bytes = MAX_BLOCK_BYTES;
    let node = NodeIdentity {
        chain: keys.node_chain.iter().cloned().map(CertificateDer::from).collect(),
        key: keys.node_key.clone_key(),
    };
    let application = Arc::new(LedgerApplication(ledger.clone()));
    Ok(concordat_consensus::start(settings, node, authorizer.clone(), application, signer).await?)
}

/// What runs beside consensus: gossip out and gossip in.
fn spawn_tasks(
    pool: &Arc<TxPool>,
    consensus: &Arc<ConsensusHandle>,
    mut gossip: mpsc::Receiver<Gossip>,
    told: mpsc::Receiver<Arc<concordat_types::VerifiedTx>>,
    workers: rayon::ThreadPool,
) -> [AbortHandle; 2] {
    let (handle, judge) = (consensus.clone(), consensus.clone());
    let out = admission::tell_peers(pool.clone(), told, move |message| handle.broadcast_gossip(&message));
    let receiver = pool.clone();
    let inward = async move {
        let mut messages = Vec::new();
        // All that waits goes into one task: a task for each would cost more than its signatures.
        while gossip.recv_many(&mut messages, GOSSIP_AT_ONCE).await > 0 {
            let (pool, batch) = (receiver.clone(), std::mem::take(&mut messages));
            let mesh = judge.clone();
            let (done, finished) = oneshot::channel();
            workers.spawn(move || {
                for gossip in batch {
                    if let Some(fault) = gossip_fault(pool.receive(&gossip.message)) {
                        mesh.blame(&gossip.from, &fault);
                    }
                }
                let _ = done.send(());
            });
            if finished.await.is_err() {
                tracing::error!("gossip could not be taken");
            }
        }
    };
    [
        consensus.spawn_critical("telling peers of transactions", out),
        consensus.spawn_critical("taking transactions from peers", inward),
    ]
}

/// What is wrong with a peer's message of transactions, if only the peer itself can be to blame.
fn gossip_fault(received: Result<usize, alloy_rlp::Error>) -> Option<Misbehaviour> {
    match received {
        Ok(0) => None,
        Ok(forged) => {
            let detail = format!("gossip with {forged} badly signed transactions");
            Some(Misbehaviour::offence("bad_transaction", detail))
        }
        Err(error) => Some(Misbehaviour::offence("malformed_gossip", error)),
    }
}

async fn serve(
    config: &NodeConfig,
    keys: NodeKeys,
    api: Arc<Api>,
    (registry, metrics): (&Registry, Arc<NodeMetrics>),
    authorizer: Arc<RegistryAuthorizer>,
    expiries: Vec<(&'static str, i64)>,
) -> Result<(RpcServers, OperationsServer), NodeError> {
    let tls = match keys.server {
        None => None,
        Some((chain, key)) => {
            let what = "identity.server_certificate";
            let identity = ServerIdentity::new(chain, key)
                .map_err(|e| NodeError::Identity { what, reason: e.to_string() })?;
            Some(TlsEdge { identity: Arc::new(identity), authorizer })
        }
    };
    let parts = RpcParts {
        api: api.clone(),
        store: api.ledger.store().clone(),
        metrics: Arc::new(RpcMetrics::register(registry)?),
        tls,
    };
    let rpc = concordat_rpc::serve(config.rpc.to_rpc(), parts).await?;
    let address = config.operations.listen;
    let shown = Operations { api, registry: registry.clone(), metrics, expiries, data: config.data.clone() };
    let operations =
        operations::serve(address, shown).map_err(|source| NodeError::Operations { address, source })?;
    Ok((rpc, operations))
}

/// When the node's certificates expire: the earliest of each path, in Unix seconds. Warns in time.
fn expiries(keys: &NodeKeys) -> Result<Vec<(&'static str, i64)>, NodeError> {
    let server: Vec<Vec<u8>> =
        keys.server.iter().flat_map(|(chain, _)| chain).map(|der| der.as_ref().to_vec()).collect();
    let mut found = Vec::new();
    for (what, chain) in [("node", &keys.node_chain), ("server", &server)] {
        let wrong = |reason: String| NodeError::Identity { what, reason };
        let path = chain.iter().map(|der| Certificate::parse(der).map(|c| c.not_after()));
        let path = path.collect::<Result<Vec<_>, _>>().map_err(|e| wrong(e.to_string()))?;
        found.extend(path.into_iter().min().map(|not_after| (what, not_after)));
    }
    for (certificate, not_after) in &found {
        let days = not_after.saturating_sub(operations::unix_now()).div_euclid(86_400);
        if days < 30 {
            tracing::warn!(
                certificate,
                days,
                "a certificate expires soon; renew it with `concordat pki renew`"
            );
        }
    }
    Ok(found)
}
