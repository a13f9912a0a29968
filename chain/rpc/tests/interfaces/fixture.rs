//! A chain of three blocks with real headers, signatures and commits, and a pretended node around it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, FixedBytes, Log, Signature, TxKind, keccak256};
use async_trait::async_trait;
use concordat_core::{AccountState, TxInvalid};
use concordat_rpc::*;
use concordat_state::{CommitBatch, GenesisBatch, OnDisk, Store, StoreOptions, ValidatorsFrom};
use concordat_types::{
    Block, ChainParams, ChangeSet, Genesis, Receipt, Role, SignedTx, StateKey, Validator, ValidatorSet,
    VerifiedTx,
    activity::{Activity, BlockActivity, BlockHistory, BlockRecord, Part, Peaks, Subject, roles},
    block::{HeaderContext, block_id, data_hash, empty_hash, to_b256},
    genesis::{GenesisPart, GenesisValidator},
    receipt::{Outcome, results_hash},
    tx::InstitutionalTx,
};
use prost::Message as _;
use secp256k1::{Message, SECP256K1, SecretKey};
use tempfile::TempDir;
use tendermint::{
    Time,
    block::{Commit, CommitSig},
    chain, vote,
};
use tokio::sync::broadcast;

use crate::client::counts;

pub const EVM_CHAIN: u64 = 1337;
pub const CHAIN: &str = "concordat-test";
/// Returns its slot 0.
pub const READER: Address = Address::repeat_byte(0xa1);
/// Reverts with its call data.
pub const REVERTER: Address = Address::repeat_byte(0xa2);
/// An invalid instruction.
pub const BROKEN: Address = Address::repeat_byte(0xa3);
/// Never ends by itself.
pub const LOOPER: Address = Address::repeat_byte(0xa4);
/// Returns a mebibyte of zeros.
pub const LARGE: Address = Address::repeat_byte(0xa5);
pub const TOPIC: B256 = B256::repeat_byte(0x77);

/// The servers, and what stands behind them.
pub struct Fixture {
    pub node: Arc<FakeNode>,
    pub store: Store,
    pub servers: RpcServers,
    pub eth: std::net::SocketAddr,
    pub comet: std::net::SocketAddr,
    pub registry: prometheus::Registry,
    chain: Mutex<Chain>,
    _directory: TempDir,
}

impl Fixture {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut RpcConfig)) -> Self {
        let directory = TempDir::new().unwrap();
        let store = Store::open(directory.path(), &StoreOptions::default()).unwrap();
        // Most tests end with their servers running. The database must then not be closed by a server's thread
        // while the process is already taking its globals down: RocksDB aborts on that.
        std::mem::forget(store.clone());
        let (chain, node) = (Chain::begin(&store), Arc::new(FakeNode::new()));
        let registry = prometheus::Registry::new();
        let parts = RpcParts {
            api: Arc::<FakeNode>::clone(&node),
            store: store.clone(),
            metrics: Arc::new(RpcMetrics::register(&registry).unwrap()),
            tls: None,
        };
        let mut config = RpcConfig {
            ethereum: Some(ListenerConfig::loopback(0)),
            cometbft: Some(ListenerConfig::loopback(0)),
            workers: 1,
            ..RpcConfig::default()
        };
        change(&mut config);
        let servers = serve(config, parts).await.unwrap();
        let (eth, comet) = (servers.ethereum().unwrap(), servers.cometbft().unwrap());
        let fixture = Self {
            node,
            store,
            servers,
            eth,
            comet,
            registry,
            chain: Mutex::new(chain),
            _directory: directory,
        };
        fixture.commit(vec![transfer(0), legacy(1), institutional()]);
        fixture.commit(vec![]);
        fixture.commit(vec![transfer(2)]);
        fixture
    }

    /// Waits until the Ethereum interface has counted so many refusals for a reason.
    pub async fn refused(&self, reason: &str, times: u64) {
        self.refused_by("ethereum", reason, times).await;
    }

    /// The same of either interface.
    pub async fn refused_by(&self, interface: &str, reason: &str, times: u64) {
        let series = format!("rpc_refused_total{{interface=\"{interface}\",reason=\"{reason}\"}}");
        counts(&self.registry, &format!("{series} {times}")).await;
    }

    /// Commits a block of these transactions and tells the subscribers.
    pub fn commit(&self, txs: Vec<Bytes>) -> Arc<CommittedBlock> {
        self.commit_setting(txs, None)
    }

    /// Commits a block that makes rows under these keys of a system contract's table.
    pub fn commit_rows(&self, table: u8, keys: &[&[u8]]) {
        let rows = keys.iter().map(|key| StateKey::system(table, key)).collect();
        self.chain.lock().unwrap().rows = rows;
        self.commit(vec![]);
    }

    /// As [`Self::commit`], with a block that sets the parameters of those after it, told as in the state's row.
    pub fn commit_setting(&self, txs: Vec<Bytes>, set: Option<(ChainParams, Bytes)>) -> Arc<CommittedBlock> {
        let block = Arc::new(self.chain.lock().unwrap().commit(&self.store, txs, set));
        // Nobody may be listening.
        let _ = self.node.blocks.send(Arc::clone(&block));
        block
    }
}

struct Chain {
    height: u64,
    /// Rows of system contracts that the next block makes.
    rows: Vec<StateKey>,
    /// Of the next block.
    params: ChainParams,
    last: Option<(Commit, tendermint::block::Id)>,
    app_hash: B256,
    results: tendermint::Hash,
    peaks: Peaks,
    last_active: u64,
}

fn validator_key() -> ed25519_zebra::SigningKey {
    ed25519_zebra::SigningKey::from([7; 32])
}

pub fn validators() -> ValidatorSet {
    let public_key = ed25519_zebra::VerificationKey::from(&validator_key()).into();
    ValidatorSet::new(vec![Validator { org: "bank-a".parse().unwrap(), public_key, power: 10 }]).unwrap()
}

fn genesis_changes() -> ChangeSet {
    let contracts: [(Address, &[u8]); 5] = [
        (READER, &[0x5f, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]),
        (REVERTER, &[0x36, 0x5f, 0x5f, 0x37, 0x36, 0x5f, 0xfd]),
        (BROKEN, &[0xfe]),
        (LOOPER, &[0x5b, 0x5f, 0x56]),
        (LARGE, &[0x62, 0x10, 0x00, 0x00, 0x5f, 0xf3]),
    ];
    let mut changes = ChangeSet::new();
    for (address, code) in contracts {
        let account = AccountState { nonce: 1, last_active: 0, code_hash: Some(keccak256(code)) };
        changes.insert(StateKey::account(address), Some(account.encode()));
        changes.insert(StateKey::code(keccak256(code)), Some(code.to_vec()));
    }
    changes.insert(StateKey::storage(READER, B256::ZERO), Some(vec![5]));
    changes
}

impl Chain {
    fn begin(store: &Store) -> Self {
        let sets = [ValidatorsFrom { height: 1, encoded: validators().encode() }];
        let genesis = GenesisBatch {
            chain_id: CHAIN,
            initial_height: 1,
            time_ms: 1_700_000_000_000,
            changes: &genesis_changes(),
            validators: &sets,
        };
        let app_hash = store.init_genesis(&genesis).unwrap().state_root;
        Self {
            height: 0,
            rows: Vec::new(),
            params: ChainParams::default(),
            last: None,
            app_hash,
            results: empty_hash(),
            peaks: Peaks::default(),
            last_active: 0,
        }
    }

    /// Commits a block of these transactions that sets these parameters, if any.
    fn commit(
        &mut self,
        store: &Store,
        txs: Vec<Bytes>,
        set: Option<(ChainParams, Bytes)>,
    ) -> CommittedBlock {
        self.height += 1;
        let (next, row) = set.unzip();
        let params = self.params;
        self.params = next.unwrap_or(params);
        let set = validators();
        let context = HeaderContext {
            chain_id: CHAIN,
            height: self.height,
            last_block_id: self.last.as_ref().map(|(_, id)| *id),
            validators: &set,
            next_validators: &set,
            params: &params,
            app_hash: self.app_hash,
            last_results_hash: self.results,
        };
        let last_commit = self.last.take().map(|(commit, _)| commit);
        let time = Time::from_unix_timestamp(1_700_000_000 + i64::try_from(self.height).unwrap(), 5).unwrap();
        let header = context
            .header(time, set.validators()[0].address(), data_hash(&txs), last_commit.as_ref())
            .unwrap();
        let receipts: Vec<Receipt> = txs.iter().map(receipt).collect();
        let block = Block { header, txs, last_commit };
        let id = block_id(&block, &block.encode()).unwrap();
        let commit = sign_commit(&block, id);
        let mut changes = ChangeSet::new();
        let history = (!receipts.is_empty()).then(|| self.active(&block, &receipts));
        changes.insert(Peaks::state_key(), Some(self.peaks.encode()));
        let count = AccountState { nonce: self.height, last_active: self.last_active, code_hash: None };
        changes.insert(StateKey::account(sender()), Some(count.encode()));
        changes.extend(std::mem::take(&mut self.rows).into_iter().map(|key| (key, Some(vec![1]))));
        changes.extend(row.map(|row| (StateKey::system(0x28, &[]), Some(row.to_vec()))));
        let seen = tendermint_proto::v0_38::types::Commit::from(commit.clone()).encode_to_vec();
        let committed = store.commit(&CommitBatch {
            block: &block,
            block_hash: block.hash(),
            receipts: &receipts,
            changes: &changes,
            seen_commit: &seen,
            validators: &[],
            notes: &[],
            history: history.as_ref(),
            on_disk: OnDisk::Now,
        });
        self.app_hash = committed.unwrap().state_root;
        self.results = results_hash(&receipts);
        self.last = Some((commit, id));
        CommittedBlock { hash: block.hash(), block, receipts }
    }
}

impl Chain {
    /// One account has sent everything; nobody else is told of.
    fn active(&mut self, block: &Block, receipts: &[Receipt]) -> BlockHistory {
        let parts = (0..).take(receipts.len()).map(|index| Part { index, roles: roles::SENDER }).collect();
        let previous = std::mem::replace(&mut self.last_active, self.height);
        let activity = Activity { subject: Subject::Address(sender()), previous, parts };
        let record = BlockRecord {
            height: self.height,
            time_secs: block.header.time.unix_timestamp().try_into().unwrap(),
            transactions: receipts.len().try_into().unwrap(),
            results_hash: to_b256(results_hash(receipts)),
            subjects: 1,
            activity_root: activity.leaf(),
        };
        let place = self.peaks.count();
        let nodes = self.peaks.append(record.leaf());
        BlockHistory { activity: BlockActivity { place, record, activities: vec![activity] }, nodes }
    }
}

fn sign_commit(block: &Block, id: tendermint::block::Id) -> Commit {
    let address = tendermint::account::Id::new(validators().validators()[0].address());
    let vote = vote::Vote {
        vote_type: vote::Type::Precommit,
        height: block.header.height,
        round: 0u16.into(),
        block_id: Some(id),
        timestamp: Some(block.header.time),
        validator_address: address,
        validator_index: 0u32.try_into().unwrap(),
        signature: None,
        extension: vec![],
        extension_signature: None,
    };
    let bytes = vote.clone().into_signable_vec(CHAIN.parse::<chain::Id>().unwrap());
    let signature: [u8; 64] = validator_key().sign(&bytes).into();
    let signed = CommitSig::BlockIdFlagCommit {
        validator_address: address,
        timestamp: block.header.time,
        signature: Some(signature.as_slice().try_into().unwrap()),
    };
    Commit { height: block.header.height, round: 0u16.into(), block_id: id, signatures: vec![signed] }
}

/// The first of a block succeeds with a log, legacy ones revert, institutional ones are refused.
fn receipt(raw: &Bytes) -> Receipt {
    let tx = SignedTx::parse(raw.clone()).unwrap();
    let outcome = match tx.tx_type() {
        2 => Outcome::Success,
        0 => Outcome::Reverted,
        _ => Outcome::CertificateExpired,
    };
    let log = Log::new_unchecked(READER, vec![TOPIC], Bytes::from_static(b"data"));
    Receipt {
        tx_hash: tx.hash(),
        tx_type: tx.tx_type(),
        sender: sender(),
        outcome,
        gas_limit: tx.gas_limit(),
        gas_used: if outcome.refused() { 0 } else { 30_000 },
        contract_address: None,
        logs: if outcome.succeeded() { vec![log] } else { vec![] },
        output: if outcome == Outcome::Reverted { Bytes::from_static(&[1, 2]) } else { Bytes::new() },
    }
}

fn sign_hash(hash: B256) -> Signature {
    let key = SecretKey::from_byte_array([0x42; 32]).unwrap();
    let (id, rs) = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &key).serialize_compact();
    Signature::from_bytes_and_parity(&rs, i32::from(id) != 0)
}

/// The account of all transactions here.
pub fn sender() -> Address {
    SignedTx::parse(transfer(0)).unwrap().verify(EVM_CHAIN).unwrap().sender()
}

pub fn transfer(nonce: u64) -> Bytes {
    let tx = TxEip1559 {
        chain_id: EVM_CHAIN,
        nonce,
        gas_limit: 60_000,
        max_fee_per_gas: 2,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(READER),
        input: Bytes::from_static(&[0xa9, 0x05, 0x9c, 0xbb]),
        ..Default::default()
    };
    let signature = sign_hash(tx.signature_hash());
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

pub fn legacy(nonce: u64) -> Bytes {
    let tx = TxLegacy {
        chain_id: Some(EVM_CHAIN),
        nonce,
        gas_price: 3,
        gas_limit: 70_000,
        to: TxKind::Call(REVERTER),
        ..Default::default()
    };
    let signature = sign_hash(tx.signature_hash());
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

fn institutional() -> Bytes {
    let tx = InstitutionalTx {
        chain_id: EVM_CHAIN,
        nonce: 0,
        gas_limit: 80_000,
        to: TxKind::Create,
        input: Bytes::from_static(&[0xfe]),
        first_height: 1,
        last_height: 9,
        public_key: FixedBytes::repeat_byte(3),
        signature: FixedBytes::repeat_byte(4),
    };
    tx.encode_envelope()
}

/// A door that holds up the threads that come to it.
#[derive(Default)]
pub struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub fn set_shut(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let shut = self.shut.lock().unwrap();
        drop(self.opened.wait_while(shut, |shut| *shut).unwrap());
    }
}

/// A node with a pool and without consensus.
pub struct FakeNode {
    pub blocks: broadcast::Sender<Arc<CommittedBlock>>,
    pub pending: broadcast::Sender<Arc<VerifiedTx>>,
    pub pool: Mutex<Vec<PoolTx>>,
    pub catching_up: AtomicBool,
    /// Submissions are never answered.
    pub stalled: AtomicBool,
    /// What the next submissions are refused with.
    pub refusals: Mutex<VecDeque<SubmitError>>,
    /// Whoever asks for peers or pending nonces waits here while it is shut.
    pub gate: Gate,
    genesis: Arc<Genesis>,
}

impl FakeNode {
    fn new() -> Self {
        let part = GenesisPart {
            committee: vec![],
            organisation: "bank-a".parse().unwrap(),
            name: "Bank A".into(),
            ca_certificates: vec!["PEM".into()],
            roles: [Role::Operator, Role::Validator].into(),
            validators: vec![GenesisValidator {
                node_certificate: "PEM".into(),
                consensus_certificate: "PEM".into(),
                address: "127.0.0.1:1".into(),
                power: 10,
            }],
        };
        let genesis =
            Genesis::assemble(CHAIN, EVM_CHAIN, 1_700_000_000, ChainParams::default(), vec![part]).unwrap();
        Self {
            blocks: broadcast::channel(16).0,
            pending: broadcast::channel(16).0,
            pool: Mutex::default(),
            catching_up: false.into(),
            stalled: false.into(),
            refusals: Mutex::default(),
            gate: Gate::default(),
            genesis: Arc::new(genesis),
        }
    }
}

#[async_trait]
impl NodeApi for FakeNode {
    async fn submit(&self, raw: Bytes) -> Result<B256, SubmitError> {
        if self.stalled.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if let Some(refusal) = self.refusals.lock().unwrap().pop_front() {
            return Err(refusal);
        }
        let tx = Arc::new(SignedTx::parse(raw)?.verify(EVM_CHAIN)?);
        if self.pool_tx(&tx.hash()).is_some() {
            return Err(SubmitError::AlreadyKnown);
        }
        if tx.nonce() < 3 {
            return Err(TxInvalid::NonceTooLow { next: 3, tx: tx.nonce() }.into());
        }
        self.pool.lock().unwrap().push(PoolTx { tx: Arc::clone(&tx), executable: tx.nonce() < 10 });
        let _ = self.pending.send(Arc::clone(&tx));
        Ok(tx.hash())
    }

    async fn submit_all(&self, raws: Vec<Bytes>) -> Vec<Result<B256, SubmitError>> {
        let mut answers = Vec::new();
        for raw in raws {
            answers.push(self.submit(raw).await);
        }
        answers
    }

    fn pool_tx(&self, hash: &B256) -> Option<PoolTx> {
        self.pool.lock().unwrap().iter().find(|waiting| waiting.tx.hash() == *hash).cloned()
    }

    fn pool_txs_of(&self, sender: &Address) -> Vec<PoolTx> {
        self.pool.lock().unwrap().iter().filter(|waiting| waiting.tx.sender() == *sender).cloned().collect()
    }

    fn pool_content(&self, limit: usize) -> Vec<PoolTx> {
        self.pool.lock().unwrap().iter().take(limit).cloned().collect()
    }

    fn pool_status(&self) -> PoolStatus {
        let pool = self.pool.lock().unwrap();
        let pending = pool.iter().filter(|waiting| waiting.executable).count() as u64;
        PoolStatus { pending, queued: pool.len() as u64 - pending, bytes: 1 }
    }

    fn pending_nonce(&self, sender: &Address) -> Option<u64> {
        self.gate.pass();
        self.pool_txs_of(sender)
            .iter()
            .filter(|waiting| waiting.executable)
            .map(|waiting| waiting.tx.nonce() + 1)
            .max()
    }

    fn subscribe_blocks(&self) -> broadcast::Receiver<Arc<CommittedBlock>> {
        self.blocks.subscribe()
    }

    fn subscribe_pending(&self) -> broadcast::Receiver<Arc<VerifiedTx>> {
        self.pending.subscribe()
    }

    fn sync_status(&self) -> SyncStatus {
        let catching_up = self.catching_up.load(Ordering::Relaxed);
        SyncStatus { catching_up, starting_height: 1, highest_height: 9 }
    }

    fn peers(&self) -> Vec<PeerInfo> {
        self.gate.pass();
        vec![PeerInfo {
            node_id: [2; 20],
            organisation: "bank-b".parse().unwrap(),
            moniker: "bank-b-1".into(),
            address: Some("127.0.0.1:26656".parse().unwrap()),
            outbound: true,
        }]
    }

    fn node_info(&self) -> NodeInfo {
        NodeInfo {
            node_id: [1; 20],
            organisation: "bank-a".parse().unwrap(),
            moniker: "bank-a-1".into(),
            listen_address: "127.0.0.1:26656".into(),
            client_version: "concordat/v0.1.0".into(),
            consensus_key: Some(ed25519_zebra::VerificationKey::from(&validator_key()).into()),
        }
    }

    fn consensus(&self) -> ConsensusView {
        ConsensusView { height: 4, round: 0, proposer: Some(validators().validators()[0].address()) }
    }

    fn genesis(&self) -> Arc<Genesis> {
        Arc::clone(&self.genesis)
    }
}
