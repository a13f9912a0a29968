//! A consortium in memory: authorities, actors with keys and certificates, blocks one after the other.
#![allow(dead_code, reason = "the tests and the bench each use a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

use std::{cell::Cell, collections::BTreeSet, sync::Arc};

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::{eip2718::Encodable2718 as _, eip2930::AccessList};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall, sol};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use concordat_core::{
    BlockEnv, BlockExecutor, BlockOutcome, GOVERNANCE, IDENTITY_REGISTRY, ReadAt, Registry, TxInvalid,
    abi::IIdentityRegistry as registry,
    genesis_state,
    governance::{abi::IGovernance as governance, in_force},
};
use concordat_pki_authority::{
    Authority, AuthorityOptions, CertificateRequest, KeyType, PrivateKey, Profile, San,
};
use concordat_types::{
    ChainParams, Genesis, OrgId, Receipt, Role, SignedTx, StateKey, VerifiedTx,
    activity::{Activity, Peaks, roles},
    genesis::{GenesisCommitteeMember, GenesisPart, GenesisValidator},
    state::MemoryState,
    tx::InstitutionalTx,
    validator::ConsensusAddress,
};
use secp256k1::{Message, SECP256K1, SecretKey};
use sha2::{Digest as _, Sha256};

pub const CHAIN_ID: u64 = 4242;
pub const GENESIS_TIME: i64 = 1_800_000_000;
pub const BLOCK_GAS: u64 = 300_000_000;
pub const DAY: u64 = 86_400;

sol! {
    contract Token {
        event Transfer(address indexed from, address indexed to, uint256 value);
        error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
        function transfer(address to, uint256 value) external returns (bool);
        function balanceOf(address owner) external view returns (uint256);
    }
    contract Probe {
        function make(uint256 value) external returns (address child);
        function make2(uint256 value) external returns (address child);
        function mayfly() external returns (address child);
        function onlyEnrolled() external;
        function nested() external;
        function enrolFromHere(bytes[] chain) external;
        function fail(string why) external;
        function burn() external;
        function clear() external;
        function counter() external view returns (uint256);
        function lastRole() external view returns (string);
        function environment() external view returns (uint256 height, uint256 time, uint256 chain, uint256 fee, uint256 price, uint256 random, address coinbase, uint256 balance, bytes32 parent);
    }
    contract Child {
        function value() external view returns (uint256);
    }
}

/// The init code of a contract of tests/data/contracts.
pub fn bytecode(name: &str) -> Vec<u8> {
    let artefacts: serde_json::Value =
        serde_json::from_str(include_str!("../data/contracts/artefacts.json")).unwrap();
    hex::decode(artefacts["bytecode"][name].as_str().expect("the artefact exists")).unwrap()
}

/// The token's init code with its constructor arguments.
pub fn token_init_code(supply: u64) -> Bytes {
    use alloy_sol_types::SolValue as _;
    [bytecode("Token"), ("Test Euro".to_owned(), U256::from(supply)).abi_encode_params()].concat().into()
}

/// Someone with a key and a certificate.
pub struct Actor {
    pub key: PrivateKey,
    pub address: Address,
    pub chain: Vec<Bytes>,
    pub serial: Bytes,
    pub nonce: Cell<u64>,
}

/// What a transaction says; the actor adds nonce and signature.
#[derive(Clone)]
pub struct Say {
    pub to: TxKind,
    pub input: Bytes,
    pub gas: u64,
}

impl Say {
    pub fn call(to: Address, call: &impl SolCall) -> Self {
        Self { to: TxKind::Call(to), input: call.abi_encode().into(), gas: 3_000_000 }
    }

    pub fn registry(call: &impl SolCall) -> Self {
        Self::call(IDENTITY_REGISTRY, call)
    }

    pub fn governance(call: &impl SolCall) -> Self {
        Self::call(GOVERNANCE, call).gas(12_000_000)
    }

    pub fn deploy(init_code: Bytes) -> Self {
        Self { to: TxKind::Create, input: init_code, gas: 5_000_000 }
    }

    pub fn gas(self, gas: u64) -> Self {
        Self { gas, ..self }
    }
}

impl Actor {
    /// Signs as this actor's kind of key does, with the next nonce.
    pub fn sign(&self, say: &Say) -> VerifiedTx {
        let nonce = self.nonce.get();
        self.nonce.set(nonce + 1);
        self.sign_at(say, nonce)
    }

    /// Signs with any nonce.
    pub fn sign_at(&self, say: &Say, nonce: u64) -> VerifiedTx {
        match self.key.key_type() {
            KeyType::P256 => self.sign_institutional(say, nonce, (0, u64::MAX)),
            _ => self.sign_eip1559(say, nonce, AccessList::default()),
        }
    }

    /// Signs with the next nonce and an access list.
    pub fn sign_listed(&self, say: &Say, list: AccessList) -> VerifiedTx {
        let nonce = self.nonce.get();
        self.nonce.set(nonce + 1);
        self.sign_eip1559(say, nonce, list)
    }

    fn sign_eip1559(&self, say: &Say, nonce: u64, access_list: AccessList) -> VerifiedTx {
        let tx = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: say.gas,
            max_fee_per_gas: 30_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to: say.to,
            value: U256::ZERO,
            access_list,
            input: say.input.clone(),
        };
        let secret = SecretKey::from_byte_array(*self.key.raw_secret().unwrap()).unwrap();
        let digest = Message::from_digest(tx.signature_hash().0);
        let (id, compact) = SECP256K1.sign_ecdsa_recoverable(digest, &secret).serialize_compact();
        let signature = Signature::from_bytes_and_parity(&compact, i32::from(id) == 1);
        verify(TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into())
    }

    /// Signs a type-0x50 transaction with a validity window.
    pub fn sign_institutional(&self, say: &Say, nonce: u64, window: (u64, u64)) -> VerifiedTx {
        let public_key = alloy_primitives::FixedBytes::from_slice(self.key.public().as_bytes());
        let tx = InstitutionalTx {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: say.gas,
            to: say.to,
            input: say.input.clone(),
            first_height: window.0,
            last_height: window.1,
            public_key,
            signature: Default::default(),
        };
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.key.to_pkcs8_der().unwrap());
        let signature = pair.unwrap().sign(&SystemRandom::new(), &tx.signing_bytes()).unwrap();
        verify(tx.with_signature(signature.as_ref().try_into().unwrap()).encode_envelope())
    }

    /// The transaction that enrols this actor.
    pub fn enrolment(&self) -> Say {
        Say::registry(&registry::enrolCall { chain: self.chain.clone() })
    }
}

pub fn verify(raw: Bytes) -> VerifiedTx {
    SignedTx::parse(raw).unwrap().verify(CHAIN_ID).unwrap()
}

/// What a refused call of a contract uses for its input, and for the policies that were asked about it.
pub fn refused_gas(input: &[u8], asking: u64) -> u64 {
    let zeros = input.iter().filter(|byte| **byte == 0).count() as u64;
    let others = input.len() as u64 - zeros;
    (21_000 + 4 * zeros + 16 * others + asking).max(21_000 + 10 * zeros + 40 * others)
}

/// A reproducible key.
pub fn key(kind: KeyType, seed: &str) -> PrivateKey {
    PrivateKey::from_raw_secret(kind, &Sha256::digest(seed).into()).unwrap()
}

/// A consortium and its chain.
pub struct Consortium {
    pub authorities: Vec<Authority>,
    pub genesis: Genesis,
    pub state: MemoryState,
    pub height: u64,
    pub time_secs: u64,
    pub down: BTreeSet<ConsensusAddress>,
}

pub fn ders(chain: &[concordat_pki_verify::Certificate]) -> Vec<Bytes> {
    chain.iter().map(|certificate| Bytes::copy_from_slice(certificate.der())).collect()
}

/// Certifies a key for a role.
pub fn certify(
    authority: &mut Authority,
    key: &PrivateKey,
    role: Role,
    name: &str,
    days: u32,
    now: u64,
) -> Actor {
    let sans = match role {
        Role::Validator | Role::Observer | Role::AuditNode | Role::Server => {
            vec![San::Dns("node.example".into())]
        }
        _ => vec![],
    };
    let request = CertificateRequest::create(key, authority.org(), role, name, &sans).unwrap();
    let profile = Profile { role, common_name: name.into(), sans, days };
    let issued = authority.issue(&request, &profile, now.try_into().unwrap()).unwrap();
    Actor {
        key: key.clone(),
        address: key.public().account_address().map(Address::from).unwrap_or_default(),
        serial: Bytes::copy_from_slice(issued.certificate().serial().as_bytes()),
        chain: ders(&issued.chain),
        nonce: Cell::new(0),
    }
}

pub fn pem(chain: &[Bytes]) -> String {
    chain.iter().map(|der| concordat_pki_authority::pem::encode("CERTIFICATE", der)).collect()
}

/// What an organisation brings: all roles, and one validator of power 10 if it runs any.
fn part(authority: &mut Authority, roles: &[Role], validators: usize) -> GenesisPart {
    let org = authority.org().clone();
    let now = GENESIS_TIME.try_into().unwrap();
    let validators = (0..validators).map(|index| {
        let seed = |what: &str| format!("{org} {what} {index}");
        let node = key(KeyType::P256, &seed("node"));
        let vote = key(KeyType::Ed25519, &seed("vote"));
        GenesisValidator {
            node_certificate: pem(&certify(authority, &node, Role::Validator, "node", 365, now).chain),
            consensus_certificate: pem(&certify(authority, &vote, Role::Consensus, "vote", 365, now).chain),
            address: format!("{org}.example:{}", 26656 + index),
            power: 10,
        }
    });
    let validators = validators.collect();
    GenesisPart {
        name: format!("The {org}"),
        ca_certificates: vec![authority.root_pem()],
        roles: roles.iter().copied().collect::<BTreeSet<_>>(),
        validators,
        committee: vec![],
        organisation: org,
    }
}

pub fn org(id: &str) -> OrgId {
    id.parse().unwrap()
}

impl Consortium {
    /// Two banks with all roles and a validator each, and a small one whose people may only operate.
    pub fn new() -> Self {
        let options = AuthorityOptions::default();
        let mut authorities: Vec<Authority> = ["bank-a", "bank-b", "small-bank"]
            .iter()
            .map(|id| Authority::create(&org(id), &options, GENESIS_TIME - 60).unwrap())
            .collect();
        let plans: [(&[Role], usize); 3] = [(Role::ALL, 2), (Role::ALL, 1), (&[Role::Operator], 0)];
        let parts = authorities
            .iter_mut()
            .zip(plans)
            .map(|(authority, (roles, count))| part(authority, roles, count));
        let parts = parts.collect();
        let genesis =
            Genesis::assemble("concordat-test", CHAIN_ID, GENESIS_TIME, ChainParams::default(), parts)
                .unwrap();
        Self::start(authorities, genesis)
    }

    /// Four banks with a validator of power 10 and a member of weight 1 each; the members have enrolled.
    pub fn governed() -> (Self, Vec<Actor>) {
        Self::governed_by(&["bank-a", "bank-b", "bank-c", "bank-d"])
    }

    /// The same, where the members of these banks alone have.
    pub fn governed_by(enrolled: &[&str]) -> (Self, Vec<Actor>) {
        let options = AuthorityOptions::default();
        let (mut authorities, mut parts, mut members) = (Vec::new(), Vec::new(), Vec::new());
        for id in ["bank-a", "bank-b", "bank-c", "bank-d"] {
            let mut authority = Authority::create(&org(id), &options, GENESIS_TIME - 60).unwrap();
            let now = GENESIS_TIME.try_into().unwrap();
            let key = key(KeyType::Secp256k1, &format!("{id} member"));
            let member = certify(&mut authority, &key, Role::CommitteeMember, "member", 365, now);
            let seat = GenesisCommitteeMember { certificate: pem(&member.chain), weight: 1 };
            parts.push(GenesisPart { committee: vec![seat], ..part(&mut authority, Role::ALL, 1) });
            authorities.push(authority);
            members.push(member);
        }
        let params = ChainParams::default();
        let genesis = Genesis::assemble("concordat-test", CHAIN_ID, GENESIS_TIME, params, parts).unwrap();
        let mut net = Self::start(authorities, genesis);
        let present = |authority: &Authority| enrolled.contains(&authority.org().as_str());
        let present: Vec<bool> = net.authorities.iter().map(present).collect();
        members.iter().zip(present).filter(|(_, present)| *present).for_each(|(member, _)| net.enrol(member));
        (net, members)
    }

    /// The chain of a genesis document.
    pub fn start(authorities: Vec<Authority>, genesis: Genesis) -> Self {
        let mut state = MemoryState::default();
        state.apply(&genesis_state(&genesis).unwrap().changes);
        let time_secs = u64::try_from(genesis.genesis_time).unwrap() + 1;
        Self { authorities, genesis, state, height: 1, time_secs, down: BTreeSet::new() }
    }

    /// When something is read at the tip.
    pub const fn now(&self) -> ReadAt {
        ReadAt { height: self.height, time_secs: self.time_secs }
    }

    pub fn env(&self) -> BlockEnv {
        BlockEnv {
            chain_id: CHAIN_ID,
            height: self.height,
            time_secs: self.time_secs,
            params: in_force(&self.state, &self.genesis.params, self.height).unwrap().params,
            recent_signers: Some(self.signers()),
        }
    }

    /// Everybody but those who are down.
    fn signers(&self) -> Arc<[ConsensusAddress]> {
        let validators = Registry::new(&self.state).validators().unwrap();
        let addresses = validators.validators().iter().map(|v| v.address());
        addresses
            .filter(|address| !self.down.contains(address))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    pub fn authority(&mut self, id: &str) -> &mut Authority {
        self.authorities.iter_mut().find(|authority| authority.org().as_str() == id).unwrap()
    }

    /// Someone with a certificate of 30 days who has not enrolled.
    pub fn stranger(&mut self, id: &str, role: Role, name: &str) -> Actor {
        self.stranger_with(KeyType::Secp256k1, id, role, name, 30)
    }

    pub fn stranger_with(&mut self, kind: KeyType, id: &str, role: Role, name: &str, days: u32) -> Actor {
        let now = self.time_secs;
        let key = key(kind, &format!("{id} {role} {name}"));
        certify(self.authority(id), &key, role, name, days, now)
    }

    /// Someone who has enrolled.
    pub fn actor(&mut self, id: &str, role: Role) -> Actor {
        let actor = self.stranger(id, role, "someone");
        self.enrol(&actor);
        actor
    }

    pub fn enrol(&mut self, actor: &Actor) {
        self.one(&actor.sign(&actor.enrolment()));
    }

    /// A block in the making.
    pub fn executor(&self) -> BlockExecutor<&MemoryState> {
        BlockExecutor::new(&self.state, self.env()).unwrap()
    }

    /// Makes a block of transactions that must all be valid.
    pub fn block(&mut self, txs: &[VerifiedTx]) -> BlockOutcome {
        let mut executor = self.executor();
        for tx in txs {
            executor.execute(tx).unwrap();
        }
        let outcome = executor.finish().unwrap();
        self.accept(&outcome);
        outcome
    }

    pub fn accept(&mut self, outcome: &BlockOutcome) {
        self.state.apply(&outcome.changes);
        self.state.block_hashes.insert(self.height, keccak256(self.height.to_be_bytes()));
        self.height += 1;
        self.time_secs += 1;
    }

    /// Makes a block of one transaction, which must succeed.
    pub fn one(&mut self, tx: &VerifiedTx) -> Receipt {
        let receipt = self.try_one(tx);
        assert!(receipt.outcome.succeeded(), "{receipt:?} {}", reason(&receipt.output));
        receipt
    }

    /// Makes a block of one transaction, which must be valid.
    pub fn try_one(&mut self, tx: &VerifiedTx) -> Receipt {
        self.block(std::slice::from_ref(tx)).receipts.remove(0)
    }

    /// Why a transaction may not stand in the next block; checks that trying it has changed nothing.
    pub fn invalid(&self, tx: &VerifiedTx) -> TxInvalid {
        let mut executor = self.executor();
        let error = executor.execute(tx).expect_err("the transaction is invalid");
        let outcome = executor.finish().unwrap();
        assert_eq!((outcome.gas_used, outcome.receipts.len(), outcome.changes.len()), (0, 0, 0));
        match error {
            concordat_core::ExecError::Invalid(invalid) => invalid,
            other => panic!("{other}"),
        }
    }

    /// The answer of a view, asked by nobody in particular.
    pub fn ask<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        let outcome = self.ask_raw(to, call);
        assert_eq!(outcome.status, concordat_core::CallStatus::Success, "{}", reason(&outcome.output));
        C::abi_decode_returns(&outcome.output).unwrap()
    }

    pub fn ask_raw(&self, to: Address, call: &impl SolCall) -> concordat_core::CallOutcome {
        let request = concordat_core::CallRequest {
            to: Some(to),
            input: call.abi_encode().into(),
            ..Default::default()
        };
        concordat_core::call(&self.state, &self.env(), &request).unwrap()
    }

    /// Deploys a contract as a new developer of bank-a.
    pub fn deploy(&mut self, init_code: Bytes) -> (Actor, Address) {
        let developer = self.actor("bank-a", Role::Developer);
        let receipt = self.one(&developer.sign(&Say::deploy(init_code)));
        (developer, receipt.contract_address.expect("a creation names its contract"))
    }
}

/// A system contract's error in words, as far as it is one.
pub fn reason(output: &Bytes) -> String {
    use alloy_sol_types::{SolError as _, SolInterface as _};
    if let Ok(refused) = governance::Refused::abi_decode(output) {
        return format!("{}: {}", refused.code, refused.reason);
    }
    registry::IIdentityRegistryErrors::abi_decode(output)
        .map_or_else(|_| output.to_string(), |error| format!("{:?}", ErrorName(&error)))
}

struct ErrorName<'a>(&'a registry::IIdentityRegistryErrors);

impl std::fmt::Debug for ErrorName<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use alloy_sol_types::SolInterface as _;
        let selector = self.0.selector();
        f.write_str(registry::IIdentityRegistryErrors::name_by_selector(selector).unwrap_or("?"))
    }
}

/// What a block changed, but for who was active in it.
pub fn effects(outcome: &BlockOutcome) -> Vec<&StateKey> {
    let activities = outcome.history.iter().flat_map(|history| &history.activity.activities);
    let idle = |activity: &&Activity| activity.parts.iter().all(|part| part.roles & roles::SENDER == 0);
    let told: BTreeSet<StateKey> =
        activities.filter(idle).map(|activity| activity.subject.state_key()).collect();
    let own = |key: &&StateKey| !is_activity(key) && !told.contains(key);
    outcome.changes.keys().filter(own).collect()
}

/// Whether a key is one of the history's rows.
pub fn is_activity(key: &StateKey) -> bool {
    key.as_bytes().starts_with(Peaks::state_key().as_bytes())
}

/// A digest of a change set: SHA-256 over its keys and values with their lengths.
pub fn digest(changes: &concordat_types::ChangeSet) -> B256 {
    let mut hasher = Sha256::new();
    for (key, value) in changes {
        for part in [key.as_bytes(), value.as_deref().unwrap_or_default()] {
            hasher.update(u64::try_from(part.len()).unwrap().to_be_bytes());
            hasher.update(part);
        }
    }
    B256::from(<[u8; 32]>::from(hasher.finalize()))
}
