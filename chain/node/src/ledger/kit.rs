//! A ledger of four validators in a temporary folder, with the keys to decide its blocks and to act in them.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Signature, TxKind, U256};
use alloy_sol_types::SolCall as _;
use bytes::Bytes as BlockBytes;
use concordat_consensus::{
    Application as _, ConsensusBlock, DecidedBlock, Origin, ProposerOrder, ValidatorSet, Verdict,
};
use concordat_core::{IDENTITY_REGISTRY, abi::IIdentityRegistry};
use concordat_pki_authority::{Authority, AuthorityOptions, CertificateRequest, KeyType, PrivateKey, San};
use concordat_state::{Store, StoreOptions};
use concordat_types::{
    Address, Block, Bytes, ChainParams, Genesis, Role, Validator,
    block::{block_id, commit_hash, data_hash, part_set_header},
    genesis::{GenesisPart, GenesisValidator},
    validator::ConsensusAddress,
};
use ed25519_zebra::{SigningKey, VerificationKey};
use secp256k1::{Message, SECP256K1, SecretKey};
use tempfile::TempDir;
use tendermint::{
    Time, account,
    block::{Commit, CommitSig, Id},
    vote,
};

use super::{Ledger, application::LedgerApplication};
use crate::{admission::TxPool, metrics::NodeMetrics, pool::PoolLimits};

pub(super) const CHAIN: &str = "concordat-test";
pub(super) const EVM_CHAIN: u64 = 4242;
const GENESIS_TIME: i64 = 1_800_000_000;

/// The limits of this chain: as low as may be, so that a test reaches them soon.
pub(super) fn params() -> ChainParams {
    ChainParams {
        block_max_bytes: 256 * 1024,
        block_gas_limit: concordat_types::genesis::MAX_TX_GAS,
        ..ChainParams::default()
    }
}

/// So many milliseconds after the genesis time.
pub(super) fn at(millis: i64) -> Time {
    let time = Time::from_unix_timestamp(GENESIS_TIME, 0).unwrap();
    time.checked_add(Duration::from_millis(millis.try_into().unwrap())).unwrap()
}

/// Someone with a key, and the certificate that enrols it.
pub(super) struct Account {
    secret: SecretKey,
    chain: Vec<Bytes>,
}

impl Account {
    fn new(authority: &mut Authority, seed: u8) -> Self {
        let key = PrivateKey::from_raw_secret(KeyType::Secp256k1, &[seed; 32]).unwrap();
        let issued = issue(authority, &key, Role::Operator, &[]);
        let der = |certificate: &concordat_pki_verify::Certificate| Bytes::copy_from_slice(certificate.der());
        let chain = issued.chain.iter().map(der).collect();
        Self { secret: SecretKey::from_byte_array([seed; 32]).unwrap(), chain }
    }

    /// A call of nobody in particular.
    pub(super) fn draft(nonce: u64) -> TxEip1559 {
        let to = TxKind::Call(Address::repeat_byte(0xee));
        TxEip1559 { chain_id: EVM_CHAIN, nonce, gas_limit: 60_000, to, ..TxEip1559::default() }
    }

    fn enrolment(&self) -> TxEip1559 {
        let input = IIdentityRegistry::enrolCall { chain: self.chain.clone() }.abi_encode().into();
        let to = TxKind::Call(IDENTITY_REGISTRY);
        TxEip1559 { to, input, gas_limit: 3_000_000, ..Self::draft(0) }
    }

    pub(super) fn sign(&self, tx: TxEip1559) -> Bytes {
        let signature = self.signature(&tx);
        TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
    }

    /// With the signature's other form, whose `s` lies in the upper half of the curve's order (EIP-2).
    pub(super) fn sign_with_high_s(&self, tx: TxEip1559) -> Bytes {
        let low = self.signature(&tx);
        let order = U256::from_be_bytes(secp256k1::constants::CURVE_ORDER);
        let high = Signature::new(low.r(), order - low.s(), !low.v());
        TxEnvelope::from(tx.into_signed(high)).encoded_2718().into()
    }

    fn signature(&self, tx: &TxEip1559) -> Signature {
        let digest = Message::from_digest(tx.signature_hash().0);
        let (id, compact) = SECP256K1.sign_ecdsa_recoverable(digest, &self.secret).serialize_compact();
        Signature::from_bytes_and_parity(&compact, i32::from(id) == 1)
    }
}

fn issue(
    authority: &mut Authority,
    key: &PrivateKey,
    role: Role,
    sans: &[San],
) -> concordat_pki_authority::IssuedCertificate {
    let org = authority.org().clone();
    let request = CertificateRequest::create(key, &org, role, "someone", sans).unwrap();
    authority.issue(&request, &request.profile(30), GENESIS_TIME).unwrap()
}

/// The keys of the validators' votes.
fn votes() -> Vec<SigningKey> {
    (1..=4u8).map(|seed| SigningKey::from([seed; 32])).collect()
}

fn genesis(authority: &mut Authority) -> Genesis {
    let seeds = 1..=4u8;
    let validators = seeds.map(|seed| {
        let node = PrivateKey::from_raw_secret(KeyType::P256, &[seed; 32]).unwrap();
        let vote = PrivateKey::from_raw_secret(KeyType::Ed25519, &[seed; 32]).unwrap();
        let sans = [San::Dns("node.example".into())];
        GenesisValidator {
            node_certificate: issue(authority, &node, Role::Validator, &sans).chain_pem(),
            consensus_certificate: issue(authority, &vote, Role::Consensus, &[]).chain_pem(),
            address: format!("node.example:{seed}"),
            power: 10,
        }
    });
    let validators = validators.collect();
    let part = GenesisPart {
        organisation: authority.org().clone(),
        name: "Bank A".into(),
        ca_certificates: vec![authority.root_pem()],
        roles: Role::ALL.iter().copied().collect::<BTreeSet<_>>(),
        validators,
        committee: vec![],
    };
    Genesis::assemble(CHAIN, EVM_CHAIN, GENESIS_TIME, params(), vec![part]).unwrap()
}

/// A ledger whose first block, made a second after its genesis, has enrolled [`Self::member`].
pub(super) struct Chain {
    pub(super) ledger: Arc<Ledger>,
    pub(super) member: Account,
    /// Has a certificate, but has not enrolled.
    pub(super) stranger: Account,
    _folder: TempDir,
}

impl Chain {
    pub(super) fn new() -> Self {
        let bank = "bank-a".parse().unwrap();
        let mut authority =
            Authority::create(&bank, &AuthorityOptions::default(), GENESIS_TIME - 60).unwrap();
        let genesis = Arc::new(genesis(&mut authority));
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &StoreOptions::default()).unwrap();
        let metrics = Arc::new(NodeMetrics::register(&prometheus::Registry::new()).unwrap());
        let (pool, _told) = TxPool::new(PoolLimits::default(), store.clone(), &genesis, metrics.clone());
        let ledger = Arc::new(Ledger::open(store, genesis, pool, metrics).unwrap());
        let [member, stranger] = [11, 12].map(|seed| Account::new(&mut authority, seed));
        let chain = Self { ledger, member, stranger, _folder: folder };
        let enrolment = chain.member.sign(chain.member.enrolment());
        chain.settle(&chain.block(at(1_000), vec![enrolment]));
        chain
    }

    /// The validators' consensus addresses, in the order of their set.
    pub(super) fn validators(&self) -> Vec<ConsensusAddress> {
        self.ledger.tip().validators.validators().iter().map(Validator::address).collect()
    }

    /// Who proposes.
    pub(super) fn proposer(&self) -> ConsensusAddress {
        self.validators()[0]
    }

    /// What a correct proposer makes of these transactions.
    pub(super) fn block(&self, time: Time, txs: Vec<Bytes>) -> Block {
        let tip = self.ledger.tip();
        let context = tip.context(&self.ledger.genesis);
        let last_commit = tip.commit.clone();
        let header = context.header(time, self.proposer(), data_hash(&txs), last_commit.as_ref()).unwrap();
        Block { header, txs, last_commit }
    }

    /// The validators' commit of a block, with the signatures of the first `signers` of them.
    pub(super) fn commit(&self, height: u64, id: Id, signers: usize) -> Commit {
        let tip = self.ledger.tip();
        let set =
            if height == tip.height { tip.last_validators.clone() } else { Some(tip.validators.clone()) };
        let mut commit = Commit {
            height: height.try_into().unwrap(),
            round: 0u16.into(),
            block_id: id,
            signatures: vec![],
        };
        let set = set.expect("the first block is settled");
        let places = set.validators().iter().enumerate().map(|(place, validator)| match place < signers {
            true => sign(&commit, place, validator),
            false => CommitSig::BlockIdFlagAbsent,
        });
        commit.signatures = places.collect();
        commit
    }

    /// Decides a block, with everybody's signature.
    pub(super) fn settle(&self, block: &Block) {
        let tip = self.ledger.tip();
        let bytes = block.encode();
        let commit = self.commit(block.height(), block_id(block, &bytes).unwrap(), 4);
        let validators = ValidatorSet::of(&tip.validators, &ProposerOrder::default()).unwrap();
        let block = Arc::new(self.consensus_block(block, bytes.into()));
        self.ledger.settle(&DecidedBlock { block, commit, validators }).unwrap();
    }

    fn consensus_block(&self, block: &Block, bytes: BlockBytes) -> ConsensusBlock {
        ConsensusBlock {
            height: self.ledger.tip().next_height(),
            round: 0,
            proposer: concordat_consensus::Address(self.proposer()),
            id: super::application::block_id(block, part_set_header(&bytes).unwrap()),
            bytes,
        }
    }

    /// What consensus is told about a block that arrives at `now` as this round's proposal.
    pub(super) fn validate(&self, block: &Block, bytes: &BlockBytes, now: Time) -> Verdict {
        let since = Duration::from_nanos(now.unix_timestamp_nanos().try_into().unwrap());
        let origin = Origin::Proposal { received_at: SystemTime::UNIX_EPOCH + since };
        let block = Arc::new(self.consensus_block(block, bytes.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(LedgerApplication(self.ledger.clone()).validate(block, origin))
    }
}

/// The header commits to the content again, whatever was done to that.
pub(super) fn rehash(block: &mut Block) {
    block.header.data_hash = Some(data_hash(&block.txs));
    block.header.last_commit_hash = Some(commit_hash(block.last_commit.as_ref()));
}

fn sign(commit: &Commit, place: usize, validator: &Validator) -> CommitSig {
    let (timestamp, validator_address) = (at(1_000), account::Id::new(validator.address()));
    let vote = vote::Vote {
        vote_type: vote::Type::Precommit,
        height: commit.height,
        round: commit.round,
        block_id: Some(commit.block_id),
        timestamp: Some(timestamp),
        validator_address,
        validator_index: place.try_into().unwrap(),
        signature: None,
        extension: Vec::new(),
        extension_signature: None,
    };
    let bytes = vote.into_signable_vec(CHAIN.parse().unwrap());
    let is_theirs = |key: &SigningKey| <[u8; 32]>::from(VerificationKey::from(key)) == validator.public_key;
    let signature = <[u8; 64]>::from(votes().into_iter().find(is_theirs).unwrap().sign(&bytes));
    CommitSig::BlockIdFlagCommit {
        validator_address,
        timestamp,
        signature: tendermint::Signature::new(signature).unwrap(),
    }
}
