//! A small ledger in memory and nodes around it, over real TCP and TLS on loopback.

#![allow(dead_code, missing_docs, reason = "shared by several test programs")]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use concordat_consensus::{
    AppError, Application, AuthorizedNode, BlockId, BlockTime, Clock, ConsensusBlock, ConsensusConfig,
    ConsensusHandle, ConsensusSigner, DecidedBlock, Evidence, Gossip, LocalSigner, NextHeight, NodeIdentity,
    Origin, PeerAuthorizer, ProposalRequest, ProposedBlock, ProposerOrder, StoredBlock, SyncedBlock,
    ValidatorSet, Verdict, default_timeouts, signing::SignGuard, start,
};
use concordat_types::{
    B256, Block, ChainParams, OrgId, Role,
    block::{HeaderContext, block_id, data_hash, empty_hash},
    commit::verify_commit,
};
use openssl::{
    asn1::Asn1Time,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::PKey,
    x509::{X509, X509Name},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tendermint::block::Commit;
use tokio::sync::{mpsc, watch};

pub const CHAIN: &str = "test-chain";
pub const GENESIS: [u8; 32] = [7; 32];

/// Waits for a condition; panics when it does not come true in a minute.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let patient = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        while !condition() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), patient).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A self-signed P-256 certificate; who it belongs to is known by its bytes.
pub fn certificate(name: &str) -> NodeIdentity {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(&subject).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(10).unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let der = CertificateDer::from(builder.build().to_der().unwrap());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.private_key_to_pkcs8().unwrap()));
    NodeIdentity { chain: vec![der], key }
}

/// Knows certificates by their bytes; can forget them.
#[derive(Default)]
pub struct Registry(Mutex<BTreeMap<Vec<u8>, AuthorizedNode>>);

impl Registry {
    pub fn admit(&self, identity: &NodeIdentity, org: &str, role: Role) {
        let org: OrgId = org.parse().unwrap();
        let node = AuthorizedNode { common_name: format!("node.{org}"), org, role, not_after: u64::MAX };
        self.0.lock().unwrap().insert(identity.chain[0].to_vec(), node);
    }

    pub fn revoke(&self, identity: &NodeIdentity) {
        self.0.lock().unwrap().remove(identity.chain[0].as_ref());
    }
}

impl PeerAuthorizer for Registry {
    fn authorize(&self, chain_der: &[&[u8]]) -> Result<AuthorizedNode, String> {
        let leaf = chain_der.first().ok_or("no certificate")?;
        self.0.lock().unwrap().get(*leaf).cloned().ok_or_else(|| "the certificate is not admitted".into())
    }

    /// Always new: every commit judges every peer again.
    fn generation(&self) -> u64 {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::SeqCst)
    }
}

/// What a committed height left behind.
#[derive(Clone)]
pub struct Committed {
    pub block: Block,
    pub id: tendermint::block::Id,
    pub commit: Commit,
    pub stored: StoredBlock,
}

/// Who is said to have sent a block's transactions: one sender, named by its height.
pub fn said_of(height: u64) -> Bytes {
    [&[0; 12][..], &height.to_be_bytes()].concat().into()
}

/// A ledger in memory. It outlives its node, like a disk.
pub struct Ledger {
    pub validators: concordat_types::ValidatorSet,
    pub chain: Mutex<BTreeMap<u64, Committed>>,
    undecided: Mutex<Vec<ConsensusBlock>>,
    pub evidence: Mutex<Vec<Evidence>>,
    pub block_bytes: usize,
    /// How far this node's clock is ahead, in seconds.
    pub skew: AtomicI64,
    /// While true, no block can be judged, as on a disk that cannot be read.
    pub unreadable: AtomicBool,
    /// Blocks that peers sent as decided, by height.
    pub expected: Mutex<BTreeMap<u64, SyncedBlock>>,
    /// How many blocks of peers have arrived.
    pub arrived: AtomicUsize,
    /// While true, reads of decided blocks wait.
    pub slow: watch::Sender<bool>,
    /// How many reads of decided blocks are under way.
    pub reading: AtomicUsize,
    /// The most that ever were at once.
    pub most_reading: AtomicUsize,
    /// Heights above this are not started on our own account.
    limit: watch::Sender<u64>,
    tip: watch::Sender<u64>,
}

impl Ledger {
    pub fn new(validators: concordat_types::ValidatorSet, block_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            validators,
            chain: Mutex::default(),
            undecided: Mutex::default(),
            evidence: Mutex::default(),
            expected: Mutex::default(),
            block_bytes,
            skew: AtomicI64::new(0),
            unreadable: AtomicBool::new(false),
            arrived: AtomicUsize::new(0),
            slow: watch::Sender::new(false),
            reading: AtomicUsize::new(0),
            most_reading: AtomicUsize::new(0),
            limit: watch::Sender::new(0),
            tip: watch::Sender::new(0),
        })
    }

    /// This node's clock.
    pub fn now(&self) -> SystemTime {
        let skew = self.skew.load(Ordering::SeqCst);
        let by = Duration::from_secs(skew.unsigned_abs());
        if skew < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }

    pub fn run_until(&self, height: u64) {
        self.limit.send_replace(height);
    }

    pub fn tip(&self) -> u64 {
        *self.tip.borrow()
    }

    pub async fn reaches(&self, height: u64) {
        let mut tip = self.tip.subscribe();
        let waiting = tip.wait_for(|tip| *tip >= height);
        let reached = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        assert!(reached.is_ok(), "height {height} was not reached, only {}", self.tip());
    }

    pub fn at(&self, height: u64) -> Committed {
        self.chain.lock().unwrap()[&height].clone()
    }

    /// The consensus key of who proposes in a round, as long as everybody takes part.
    pub fn proposer(&self, height: u64, round: u32) -> [u8; 32] {
        let set = self.next(height).validators;
        *set.proposer(concordat_consensus::context::Height(height), round).public_key().as_bytes()
    }

    /// The blocks of a height that are on disk and not decided.
    pub fn undecided(&self, height: u64) -> Vec<ConsensusBlock> {
        let undecided = self.undecided.lock().unwrap();
        undecided.iter().filter(|block| block.height == height).cloned().collect()
    }

    fn next(&self, height: u64) -> NextHeight {
        let active =
            self.validators.validators().iter().map(|v| concordat_consensus::Address(v.address())).collect();
        let validators = ValidatorSet::of(&self.validators, &ProposerOrder { active }).unwrap();
        NextHeight {
            height,
            upcoming: validators.clone(),
            validators,
            timeouts: default_timeouts(),
            clock_precision: None,
            blocked: None,
        }
    }

    fn check(&self, block: &ConsensusBlock) -> Result<(), String> {
        let decoded = Block::decode(&block.bytes).map_err(|error| error.to_string())?;
        if decoded.height() != block.height {
            return Err("wrong height".into());
        }
        let Some(last) = self.chain.lock().unwrap().get(&(block.height - 1)).cloned() else { return Ok(()) };
        if decoded.header.last_block_id != Some(last.id) {
            return Err("does not follow the last block".into());
        }
        let commit = decoded.last_commit.ok_or("no commit")?;
        verify_commit(&commit, CHAIN, block.height - 1, &last.id, &self.validators)
            .map(|_| ())
            .map_err(|error| error.to_string())
    }
}

fn identity_of(bytes: &[u8]) -> Result<(Block, tendermint::block::Id, BlockId), AppError> {
    let block = Block::decode(bytes).map_err(AppError::new)?;
    let id = block_id(&block, bytes).map_err(AppError::new)?;
    let time = block.header.time;
    let ours = BlockId {
        hash: id.hash.as_bytes().try_into().unwrap(),
        parts_total: id.part_set_header.total,
        parts_hash: id.part_set_header.hash.as_bytes().try_into().unwrap(),
        time: BlockTime {
            seconds: time.unix_timestamp(),
            nanos: (time.unix_timestamp_nanos() % 1_000_000_000) as u32,
        },
    };
    Ok((block, id, ours))
}

fn time_of(clock: SystemTime) -> tendermint::Time {
    let BlockTime { seconds, nanos } = clock.into();
    tendermint::Time::from_unix_timestamp(seconds, nanos).unwrap()
}

/// Proposer-based time with half a second of precision; messages may take a minute on a busy test machine.
fn check_time(block: &ConsensusBlock, origin: Origin) -> Result<(), String> {
    let Origin::Proposal { received_at } = origin else { return Ok(()) };
    let age = BlockTime::from(received_at).millis_since(block.id.time);
    if (-500..60_500).contains(&age) { Ok(()) } else { Err(format!("its time is {age} ms ago")) }
}

#[async_trait]
impl Application for Ledger {
    async fn start(&self) -> Result<NextHeight, AppError> {
        Ok(self.next(self.tip() + 1))
    }

    async fn wait_to_start(&self, height: u64) {
        let _ = self.limit.subscribe().wait_for(|limit| *limit >= height).await;
    }

    async fn propose(&self, request: ProposalRequest) -> Result<ProposedBlock, AppError> {
        let last = self.chain.lock().unwrap().get(&(request.height - 1)).cloned();
        let now = time_of(self.now());
        if last.as_ref().is_some_and(|last| now <= last.block.header.time) {
            return Err(AppError::say("the clock is behind the last block"));
        }
        let last_commit = request.last_commit.or(last.as_ref().map(|last| last.commit.clone()));
        let mut tx = format!("block {} of {}", request.height, request.proposer).into_bytes();
        tx.resize(self.block_bytes.max(tx.len()), 1);
        let txs = vec![concordat_types::Bytes::from(tx)];
        let context = HeaderContext {
            chain_id: CHAIN,
            height: request.height,
            last_block_id: last.map(|last| last.id),
            validators: &self.validators,
            next_validators: &self.validators,
            params: &ChainParams::default(),
            app_hash: B256::ZERO,
            last_results_hash: empty_hash(),
        };
        let last_commit = last_commit.filter(|_| request.height > 1);
        let header = context
            .header(now, request.proposer.0, data_hash(&txs), last_commit.as_ref())
            .map_err(AppError::new)?;
        let bytes = Bytes::from(Block { header, txs, last_commit }.encode());
        Ok(ProposedBlock { id: identity_of(&bytes)?.2, bytes })
    }

    fn identify(&self, bytes: &Bytes) -> Result<BlockId, AppError> {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        identity_of(bytes).map(|(_, _, id)| id)
    }

    async fn validate(&self, block: Arc<ConsensusBlock>, origin: Origin) -> Verdict {
        if self.unreadable.load(Ordering::SeqCst) {
            return Verdict::Undecidable { reason: "the state cannot be read".into() };
        }
        match self.check(&block).and_then(|()| check_time(&block, origin)) {
            Ok(()) => Verdict::Valid,
            Err(reason) => Verdict::Invalid { reason },
        }
    }

    async fn commit(&self, decided: DecidedBlock) -> Result<NextHeight, AppError> {
        let height = decided.block.height;
        assert_eq!(height, self.tip() + 1, "commits come in order, once");
        let (block, id, _) = identity_of(&decided.block.bytes)?;
        let stored = SyncedBlock { bytes: decided.block.bytes.clone(), senders: said_of(height) };
        let stored = StoredBlock { block: stored, commit: decided.commit.clone() };
        let committed = Committed { block, id, commit: decided.commit, stored };
        self.chain.lock().unwrap().insert(height, committed);
        self.undecided.lock().unwrap().retain(|block| block.height > height);
        self.tip.send_replace(height);
        Ok(self.next(height + 1))
    }

    async fn store_undecided(&self, block: Arc<ConsensusBlock>) -> Result<(), AppError> {
        self.undecided.lock().unwrap().push((*block).clone());
        Ok(())
    }

    async fn load_undecided(&self, height: u64) -> Result<Vec<ConsensusBlock>, AppError> {
        Ok(self.undecided(height))
    }

    async fn decided(&self, height: u64) -> Result<Option<StoredBlock>, AppError> {
        let reading = self.reading.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_reading.fetch_max(reading, Ordering::SeqCst);
        let _ = self.slow.subscribe().wait_for(|slow| !*slow).await;
        self.reading.fetch_sub(1, Ordering::SeqCst);
        Ok(self.chain.lock().unwrap().get(&height).map(|committed| committed.stored.clone()))
    }

    fn expect(&self, blocks: Vec<(u64, SyncedBlock)>) {
        self.expected.lock().unwrap().extend(blocks);
    }

    async fn earliest_height(&self) -> u64 {
        1
    }

    fn on_evidence(&self, evidence: Evidence) {
        self.evidence.lock().unwrap().push(evidence);
    }
}

/// What a node leaves when it stops, and is started from again.
pub struct Home {
    pub name: String,
    pub seed: [u8; 32],
    pub identity: NodeIdentity,
    pub role: Role,
    pub ledger: Arc<Ledger>,
    pub dir: tempfile::TempDir,
}

/// A running node.
pub struct Running {
    pub handle: ConsensusHandle,
    pub gossip: mpsc::Receiver<Gossip>,
}

impl Home {
    pub fn config(&self, peers: Vec<String>) -> ConsensusConfig {
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut config = ConsensusConfig::new(CHAIN, GENESIS, listen, self.role, self.wal_dir());
        config.peers = peers;
        config.connect_wait = Duration::from_millis(500);
        config.clock_precision = Duration::from_millis(50);
        let ledger = Arc::clone(&self.ledger);
        config.clock = Clock::new(move || ledger.now());
        config
    }

    pub fn guard(&self) -> PathBuf {
        self.dir.path().join("guard")
    }

    pub fn wal_dir(&self) -> PathBuf {
        self.dir.path().join("wal")
    }

    pub async fn start(&self, registry: &Arc<Registry>, peers: Vec<String>) -> Running {
        self.start_with(registry, peers, |_| {}).await
    }

    pub async fn start_with(
        &self,
        registry: &Arc<Registry>,
        peers: Vec<String>,
        adjust: impl FnOnce(&mut ConsensusConfig),
    ) -> Running {
        let mut config = self.config(peers);
        adjust(&mut config);
        let signer = (self.role == Role::Validator).then(|| {
            Arc::new(LocalSigner::open(self.seed, &self.guard()).unwrap()) as Arc<dyn ConsensusSigner>
        });
        let registry: Arc<dyn PeerAuthorizer> = Arc::clone(registry) as _;
        let app: Arc<dyn Application> = Arc::clone(&self.ledger) as _;
        let (handle, gossip) = start(config, self.identity.clone(), registry, app, signer).await.unwrap();
        Running { handle, gossip }
    }
}

/// Homes of validators of equal power, one per organisation, and the registry that admits them.
pub fn validators(count: u8, block_bytes: usize) -> (Arc<Registry>, Vec<Home>) {
    let registry = Arc::new(Registry::default());
    let seeds: Vec<[u8; 32]> = (1..=count).map(|n| [n; 32]).collect();
    let members = seeds
        .iter()
        .enumerate()
        .map(|(index, seed)| concordat_types::Validator {
            org: org(index).parse().unwrap(),
            public_key: public_key(seed),
            power: 1,
        })
        .collect();
    let set = concordat_types::ValidatorSet::new(members).unwrap();
    let homes = seeds
        .iter()
        .enumerate()
        .map(|(index, seed)| {
            let identity = certificate(&org(index));
            registry.admit(&identity, &org(index), Role::Validator);
            let ledger = Ledger::new(set.clone(), block_bytes);
            let dir = tempfile::tempdir().unwrap();
            drop(SignGuard::create(&dir.path().join("guard"), 0).unwrap());
            Home { name: org(index), seed: *seed, identity, role: Role::Validator, ledger, dir }
        })
        .collect();
    (registry, homes)
}

pub fn observer(registry: &Registry, like: &Home) -> Home {
    let identity = certificate("observer");
    registry.admit(&identity, "regulator", Role::Observer);
    let ledger = Ledger::new(like.ledger.validators.clone(), 0);
    let dir = tempfile::tempdir().unwrap();
    Home { name: "observer".into(), seed: [0; 32], identity, role: Role::Observer, ledger, dir }
}

pub fn org(index: usize) -> String {
    format!("bank-{index}")
}

pub fn public_key(seed: &[u8; 32]) -> [u8; 32] {
    ed25519_zebra::VerificationKey::from(&ed25519_zebra::SigningKey::from(*seed)).into()
}

/// Starts nodes one after the other; each dials those before it.
pub async fn start_all(registry: &Arc<Registry>, homes: &[Home]) -> Vec<Running> {
    let mut running: Vec<Running> = Vec::new();
    for home in homes {
        let node = home.start(registry, addresses(&running)).await;
        running.push(node);
    }
    running
}

pub fn addresses(running: &[Running]) -> Vec<String> {
    running.iter().map(|node| node.handle.listen_addr().to_string()).collect()
}

pub fn log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}
