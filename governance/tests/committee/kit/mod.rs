//! A consortium in memory: facts, and a caller that keeps what is decided.

mod actions;
mod apply;
mod facts;
mod orders;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

pub use actions::*;
use alloy_primitives::{Address, B256, Bytes, U256};
use concordat_governance::{
    Action, Choice, Committee, Kind, Proposal, Refusal, ResolveError, Rule,
    action::{Attributes, BarTarget, Basis, Correction, Deployment, ListKind, Parameters},
    facts::{
        Attested, ContractFacts, Frozen, Implementation, LimitFacts, OrganisationFacts, PolicyFacts, Upgrade,
        ValidatorFacts,
    },
    order::Order,
    regulator::{Consent, Mandate, Power, RegulatorFacts},
};
use concordat_types::{OrgId, Role, validator::ConsensusAddress};
use sha2::{Digest as _, Sha256};

/// An account as the state keeps it.
#[derive(Clone)]
pub struct Account {
    pub organisation: OrgId,
    pub role: Role,
    pub expired: bool,
    pub revoked: bool,
}

/// The state.
#[derive(Clone, Default)]
pub struct World {
    pub height: u64,
    pub committee: Committee,
    pub rules: BTreeMap<Kind, Rule>,
    pub organisations: BTreeMap<OrgId, OrganisationFacts>,
    pub validators: Vec<ValidatorFacts>,
    pub accounts: BTreeMap<Address, Account>,
    pub freezes: BTreeMap<Address, Frozen>,
    /// The identity of each account that is not its own.
    pub identities: BTreeMap<Address, Address>,
    /// The account of each identity that has another than itself.
    pub holders: BTreeMap<Address, Address>,
    pub bars: BTreeMap<BarTarget, Basis>,
    pub recent: BTreeSet<ConsensusAddress>,
    pub policies: BTreeMap<String, PolicyFacts>,
    pub deploy_list: (ListKind, BTreeSet<Address>),
    pub contracts: BTreeMap<Address, ContractFacts>,
    pub time_secs: u64,
    pub attributes: BTreeMap<Address, Attested>,
    pub approvals: BTreeMap<(B256, Address), u64>,
    pub approval_required: bool,
    pub reviews: BTreeMap<(u64, Address), bool>,
    /// What the policy engine says of whatever it is asked.
    pub engine_says: Option<String>,
    pub limits: BTreeMap<String, LimitFacts>,
    /// The registry, by identities.
    pub regulators: BTreeMap<Address, RegulatorFacts>,
    pub consents: BTreeMap<u64, Consent>,
    pub parameters: Parameters,
    pub running: u64,
    pub upgrade: Option<Upgrade>,
    pub announced: BTreeMap<OrgId, u64>,
    /// The words of contracts' slots that are not zero.
    pub storage: BTreeMap<(Address, U256), U256>,
    /// To which heights contracts went back.
    pub rollbacks: Vec<u64>,
    /// What names an account that is nobody's yet.
    pub named: BTreeMap<Address, String>,
    /// Members that have not enrolled and whose subject is barred.
    pub barred_founders: BTreeSet<Address>,
    pub proposals: Vec<(Proposal, Action)>,
    /// What governed proxies hand their calls on to.
    pub implementations: BTreeMap<Address, Implementation>,
    /// Corrections that were made.
    pub corrections: Vec<(Address, Correction)>,
    /// Orders of regulators, by their numbers.
    pub orders: Vec<Order>,
    /// How many reads organisations have anchored.
    pub anchors: BTreeMap<OrgId, u64>,
}

/// The most policies that the engine of these tests accepts.
pub const MAX_POLICIES: usize = 2;

/// The most run-time rules of these tests.
pub const MAX_LIMITS: usize = 2;

pub fn org(index: u8) -> OrgId {
    format!("bank-{}", char::from(b'a' + index)).parse().unwrap()
}

/// The account of an organisation with a role.
pub fn account(index: u8, role: Role) -> Address {
    let mut bytes = [index + 1; 20];
    bytes[0] = role.code();
    Address::from(bytes)
}

pub fn member(index: u8) -> Address {
    account(index, Role::CommitteeMember)
}

pub fn operator(index: u8) -> Address {
    account(index, Role::Operator)
}

pub fn regulator() -> Address {
    account(0, Role::Regulator)
}

/// A consensus key that is a point of the curve.
pub fn consensus_key(seed: u8) -> B256 {
    thread_local! {
        static KEYS: std::cell::RefCell<BTreeMap<u8, B256>> = const { std::cell::RefCell::new(BTreeMap::new()) };
    }
    let make = || {
        let key = ed25519_zebra::SigningKey::from([seed; 32]);
        B256::from(<[u8; 32]>::from(ed25519_zebra::VerificationKey::from(&key)))
    };
    KEYS.with_borrow_mut(|keys| *keys.entry(seed).or_insert_with(make))
}

pub fn basis() -> Basis {
    Basis { document: B256::repeat_byte(1), reference: "Order 1".into() }
}

pub fn roots(text: &'static str) -> Vec<Bytes> {
    vec![Bytes::from_static(text.as_bytes())]
}

/// Another account of an organisation with a role, as its certificate says: never enrolled before it recovers a key.
pub fn spare(index: u8, role: Role, seed: u8) -> Address {
    let mut bytes = [seed; 20];
    (bytes[0], bytes[1]) = (role.code(), index);
    Address::from(bytes)
}

/// The certification path of an account's key.
pub fn path(index: u8, role: Role, account: Address) -> Vec<Bytes> {
    vec![Bytes::from([&[index, role.code()], account.as_slice()].concat())]
}

/// A contract of the worlds here.
pub fn contract(index: u8) -> Address {
    Address::repeat_byte(0xc0 + index)
}

/// A part of the chain itself.
pub fn system_contract() -> Address {
    Address::repeat_byte(0xfe)
}

/// Attributes of this rating, for good.
pub fn attributes(rating: u8) -> Attributes {
    Attributes { auditor: "Lab".into(), rating, compiler: "solc".into(), ..Attributes::default() }
}

pub fn developer(index: u8) -> Address {
    account(index, Role::Developer)
}

/// A deployment by a developer of the first bank, which these review.
pub fn deployment(reviewers: &[Address], until: u64) -> Deployment {
    Deployment {
        code: B256::repeat_byte(5),
        source: B256::repeat_byte(6),
        compiler: "solc".into(),
        reports: vec![B256::repeat_byte(7)],
        deployer: developer(0),
        reviewers: BTreeSet::from_iter(reviewers.iter().copied()).into_iter().collect(),
        until,
    }
}

/// A mandate with these powers, over all.
pub fn mandate(powers: &[Power], until: u64) -> Mandate {
    let (organisations, contracts, powers) = (None, None, powers.iter().copied().collect());
    Mandate { jurisdiction: "DE".into(), organisations, contracts, powers, until }
}

fn validator(index: u8, seed: u8, power: u64) -> ValidatorFacts {
    ValidatorFacts {
        organisation: org(index),
        consensus_key: consensus_key(seed),
        power,
        node_key: B256::repeat_byte(seed),
        node_address: format!("node-{seed}.example:26656"),
    }
}

fn fingerprints(roots: &[Bytes]) -> Vec<B256> {
    roots.iter().map(|der| B256::from_slice(&Sha256::digest(der))).collect()
}

pub fn refusal(error: ResolveError<Infallible>) -> Refusal {
    match error {
        ResolveError::Refused(refusal) => refusal,
        ResolveError::Facts(never) => match never {},
    }
}

/// The members of the first four banks.
pub fn everybody() -> Vec<Address> {
    (0..4).map(member).collect()
}

/// The code and the words with which a proposal of the first member is refused.
pub fn refused(world: &mut World, action: &Action) -> (u16, String) {
    let refusal = world.propose(member(0), action).unwrap_err();
    assert_eq!(world.resolve(action), Err(refusal.clone()));
    (refusal.code(), refusal.to_string())
}

pub fn passes(world: &mut World, action: &Action) {
    assert_eq!(world.pass(action, &everybody()), Ok("executed"), "{action:?}");
}

/// A proposal that everybody has voted for, and that can be executed as soon as its timelock is over.
pub fn carried(world: &mut World, action: &Action) -> u64 {
    let id = world.propose(member(0), action).unwrap();
    everybody().iter().for_each(|voter| world.vote(*voter, id, Choice::Yes).unwrap());
    id
}
