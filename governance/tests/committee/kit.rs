//! A consortium in memory: facts, and a caller that keeps what is decided.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use alloy_primitives::{Address, B256, Bytes, U256};
use concordat_governance::{
    Action, Choice, Committee, Decision, Effect, Facts, Kind, Member, Proposal, Refusal, ResolveError, Rule,
    action::{
        Attributes, BarTarget, Basis, Correction, Deployment, ListKind, NewValidator, Parameters, Scope,
    },
    consent,
    effect::{Change, End, Halt},
    facts::{
        Ability, AccountFacts, Attested, Bound, ContractFacts, Frozen, Halted, Implementation, KeyFacts,
        LimitFacts, Membership, OrganisationFacts, PolicyFacts, ProtocolFacts, Upgrade, ValidatorFacts,
    },
    lifecycle,
    regulator::{Consent, Mandate, Power, RegulatorFacts},
};
use concordat_types::{
    ChainParams, OrgId, Role,
    validator::{ConsensusAddress, consensus_address},
};
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

pub fn new_validator(index: u8, seed: u8, power: u64) -> Action {
    let text = |text: String| vec![Bytes::from(text.into_bytes())];
    Action::AdmitValidator(NewValidator {
        node_chain: text(org(index).to_string()),
        consensus_chain: vec![Bytes::copy_from_slice(&[seed])],
        node_address: format!("node-{seed}.example:26656"),
        power,
    })
}

pub fn freeze(account: Address) -> Action {
    Action::FreezeAccount { account, scope: Scope::All, basis: basis(), until: 0 }
}

pub fn emergency(account: Address) -> Action {
    Action::EmergencyFreeze { account, scope: Scope::All, basis: basis() }
}

pub fn seat(member: Address, weight: u64) -> Action {
    Action::SetCommitteeMember { member, weight }
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

pub fn recover(account: Address, (index, role, seed): (u8, Role, u8)) -> Action {
    let chain = path(index, role, spare(index, role, seed));
    Action::RecoverKey { account, chain, basis: basis() }
}

pub fn bar(account: Address) -> Action {
    Action::BarAccount { account, basis: basis() }
}

pub fn bar_node(seed: u8) -> Action {
    Action::BarNode { node_key: B256::repeat_byte(seed), basis: basis() }
}

pub fn lift(target: BarTarget) -> Action {
    Action::LiftBar { target, basis: basis() }
}

pub fn set_policy(id: &str, text: &str) -> Action {
    Action::SetPolicy { id: id.into(), text: text.into() }
}

pub fn repeal_policy(id: &str) -> Action {
    Action::RepealPolicy { id: id.into() }
}

/// A contract of the worlds here.
pub fn contract(index: u8) -> Address {
    Address::repeat_byte(0xc0 + index)
}

/// A part of the chain itself.
pub fn system_contract() -> Address {
    Address::repeat_byte(0xfe)
}

pub fn freeze_contract(contract: Address) -> Action {
    Action::FreezeContract { contract, basis: basis(), until: 0 }
}

pub fn emergency_contract(contract: Address) -> Action {
    Action::EmergencyFreezeContract { contract, basis: basis() }
}

pub fn unfreeze_contract(contract: Address) -> Action {
    Action::UnfreezeContract { contract, basis: basis() }
}

pub fn retire_contract(contract: Address) -> Action {
    Action::RetireContract { contract, basis: basis() }
}

/// Attributes of this rating, for good.
pub fn attributes(rating: u8) -> Attributes {
    Attributes { auditor: "Lab".into(), rating, compiler: "solc".into(), ..Attributes::default() }
}

pub fn set_attributes(contract: Address, rating: u8) -> Action {
    Action::SetAttributes { contract, attributes: attributes(rating) }
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

pub fn revoke_attributes(contract: Address) -> Action {
    Action::RevokeAttributes { contract, basis: basis() }
}

pub fn upgrade(contract: Address, implementation: Address) -> Action {
    Action::UpgradeContract { contract, implementation, migration: Bytes::new() }
}

pub fn correct(contract: Address, correction: Correction) -> Action {
    Action::Correct { contract, call: correction.encode(), basis: basis() }
}

pub fn administrator(contract: Address, administrator: Address) -> Action {
    Action::SetContractAdministrator { contract, administrator }
}

/// Puts accounts on the list of who may deploy, and takes others off it.
pub fn deploy_list(kind: ListKind, add: &[Address], remove: &[Address]) -> Action {
    let ordered = |accounts: &[Address]| BTreeSet::from_iter(accounts.iter().copied()).into_iter().collect();
    Action::SetDeployList { kind, add: ordered(add), remove: ordered(remove) }
}

pub fn set_limit(id: &str, text: &str) -> Action {
    Action::SetLimit { id: id.into(), limit: Bytes::copy_from_slice(text.as_bytes()) }
}

/// A mandate with these powers, over all.
pub fn mandate(powers: &[Power], until: u64) -> Mandate {
    let (organisations, contracts, powers) = (None, None, powers.iter().copied().collect());
    Mandate { jurisdiction: "DE".into(), organisations, contracts, powers, until }
}

pub fn admit_regulator(account: Address, powers: &[Power], until: u64) -> Action {
    Action::AdmitRegulator { account, mandate: mandate(powers, until) }
}

pub fn retire_regulator(account: Address) -> Action {
    Action::RetireRegulator { account }
}

pub fn repeal_limit(id: &str) -> Action {
    Action::RepealLimit { id: id.into() }
}

/// What the engine of these tests says of a set: nothing may be bad, more than enough, or without its keystone.
fn engine_verdict(policies: &BTreeMap<String, PolicyFacts>) -> Result<(), String> {
    if let Some((id, _)) = policies.iter().find(|(_, policy)| policy.text.contains("bad")) {
        return Err(format!("policy {id}, line 1: unexpected token: write a good one"));
    }
    if policies.len() > MAX_POLICIES {
        return Err(format!("{} policies would be enacted", policies.len()));
    }
    let leans = policies.values().any(|policy| policy.text.contains("keystone"));
    if leans && !policies.contains_key("keystone") { Err("the keystone is missing".into()) } else { Ok(()) }
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

impl World {
    /// Banks with a validator of power 10, an operator and a member of weight 1 each; the first has a regulator.
    pub fn of_banks(count: u8) -> Self {
        Self::of_weights(&vec![1; count.into()])
    }

    pub fn of_weights(weights: &[u64]) -> Self {
        let parameters = Parameters::of(&ChainParams::default());
        let mut world = Self { height: 1, running: 1, parameters, ..Self::default() };
        let mut members = Vec::new();
        for (index, weight) in (0..).zip(weights) {
            let facts = OrganisationFacts {
                name: org(index).to_string(),
                membership: Membership::Active,
                roles: Role::ALL.iter().copied().collect(),
                roots: fingerprints(&roots("first")),
            };
            world.organisations.insert(org(index), facts);
            for role in [Role::CommitteeMember, Role::Operator, Role::Developer, Role::Registrar] {
                world.enrol(index, role);
            }
            members.push(Member { address: member(index), organisation: org(index), weight: *weight });
            world.validators.push(validator(index, index, 10));
        }
        world.enrol(0, Role::Regulator);
        for index in 0..2 {
            world.contracts.insert(contract(index), ContractFacts::default());
        }
        let system = ContractFacts { system: true, ..ContractFacts::default() };
        world.contracts.insert(system_contract(), system);
        world.validators.sort_by_key(|v| v.consensus_key);
        world.committee = Committee::new(members).unwrap();
        let rule = |kind: &Kind| (*kind, Rule::initial(*kind, weights.len()));
        world.rules = Kind::ALL.iter().map(rule).collect();
        world.everybody_signs();
        world
    }

    pub fn enrol(&mut self, index: u8, role: Role) {
        let account = Account { organisation: org(index), role, expired: false, revoked: false };
        self.accounts.insert(self::account(index, role), account);
    }

    pub fn everybody_signs(&mut self) {
        self.recent = self.validators.iter().map(|v| consensus_address(&v.consensus_key.0)).collect();
    }

    /// Nobody signs with this key any more.
    pub fn down(&mut self, seed: u8) {
        self.recent.remove(&consensus_address(&consensus_key(seed).0));
    }

    pub fn proposal(&self, id: u64) -> &Proposal {
        &self.proposals[usize::try_from(id).unwrap() - 1].0
    }

    fn action(&self, id: u64) -> Action {
        self.proposals[usize::try_from(id).unwrap() - 1].1.clone()
    }

    /// Makes a proposal; its number.
    pub fn propose(&mut self, sender: Address, action: &Action) -> Result<u64, Refusal> {
        let id = self.proposals.len() as u64 + 1;
        let made = lifecycle::decide_proposal(self, id, sender, action.kind().code(), &action.encode());
        let Decision { proposal, .. } = made.map_err(refusal)?;
        self.proposals.push((proposal, action.clone()));
        Ok(id)
    }

    pub fn vote(&mut self, sender: Address, id: u64, choice: Choice) -> Result<(), Refusal> {
        let digest = self.proposal(id).digest;
        self.vote_for(sender, id, choice, digest)
    }

    pub fn vote_for(
        &mut self,
        sender: Address,
        id: u64,
        choice: Choice,
        digest: B256,
    ) -> Result<(), Refusal> {
        let proposal = self.proposal(id).clone();
        let decision = lifecycle::decide_ballot(self, &proposal, sender, choice, digest).map_err(refusal)?;
        self.keep(decision);
        Ok(())
    }

    pub fn revoke(&mut self, sender: Address, id: u64) -> Result<(), Refusal> {
        let proposal = self.proposal(id).clone();
        let decision = lifecycle::decide_revocation(self, &proposal, sender).map_err(refusal)?;
        self.keep(decision);
        Ok(())
    }

    pub fn veto(&mut self, sender: Address, id: u64) -> Result<(), Refusal> {
        let proposal = self.proposal(id).clone();
        let decision =
            lifecycle::decide_veto(self, &proposal, sender, B256::repeat_byte(7)).map_err(refusal)?;
        self.keep(decision);
        Ok(())
    }

    pub fn consent(&mut self, sender: Address, id: u64) -> Result<(), Refusal> {
        let digest = self.proposal(id).digest;
        self.consent_to(sender, id, digest)
    }

    pub fn consent_to(&mut self, sender: Address, id: u64, digest: B256) -> Result<(), Refusal> {
        let (proposal, action) = (self.proposal(id).clone(), self.action(id));
        let given = consent::decide_consent(self, &proposal, &action, sender, digest).map_err(refusal)?;
        self.consents.insert(id, given);
        Ok(())
    }

    /// Executes; the status that follows.
    pub fn execute(&mut self, id: u64) -> Result<&'static str, Refusal> {
        let (proposal, action) = (self.proposal(id).clone(), self.action(id));
        let decision = lifecycle::decide_execution(self, &proposal, &action).map_err(refusal)?;
        if let Some(effect) = &decision.effect {
            self.apply(effect, id);
        }
        let status = decision.proposal.status.name();
        self.keep(decision);
        Ok(status)
    }

    /// A proposal that these members vote for, executed as soon as it can be.
    pub fn pass(&mut self, action: &Action, voters: &[Address]) -> Result<&'static str, Refusal> {
        let id = self.propose(voters[0], action)?;
        for voter in voters {
            if self.proposal(id).closes >= self.height {
                self.vote(*voter, id, Choice::Yes)?;
            }
        }
        self.height = self.proposal(id).earliest.max(self.height);
        self.execute(id)
    }

    pub fn resolve(&mut self, action: &Action) -> Result<Effect, Refusal> {
        concordat_governance::resolve(action, self).map_err(refusal)
    }

    fn keep(&mut self, decision: Decision) {
        let place = usize::try_from(decision.proposal.id).unwrap() - 1;
        self.proposals[place].0 = decision.proposal;
    }

    fn apply(&mut self, effect: &Effect, proposal: u64) {
        for change in &effect.changes {
            match change.clone() {
                Change::Organisation { id, after, .. } => {
                    self.organisations.insert(id, after.unwrap());
                }
                Change::Validator { consensus_key, after, .. } => {
                    self.validators.retain(|v| v.consensus_key != consensus_key);
                    self.validators.extend(after);
                    self.validators.sort_by_key(|v| v.consensus_key);
                }
                Change::Seat { member, after, .. } => {
                    let rest = self.committee.without(&member);
                    self.committee = after.map_or(rest.clone(), |seat| {
                        let (organisation, weight) = (seat.organisation, seat.weight);
                        rest.with(Member { address: member, organisation, weight }).unwrap()
                    });
                }
                Change::Rule { kind, after, .. } => {
                    self.rules.insert(kind, after);
                }
                Change::Freeze { account, after, .. } => self.apply_freeze(account, after),
                Change::Identity { identity, before, after } => self.rebind(identity, before.account, after),
                Change::Bar { target, after, .. } => {
                    self.bars.remove(&target);
                    self.bars.extend(after.map(|basis| (target, basis)));
                }
                Change::Policy { id, after, .. } => {
                    self.policies.remove(&id);
                    self.policies.extend(after.map(|text| (id, PolicyFacts { text, proposal })));
                }
                Change::DeployList { before, after } => {
                    self.deploy_list.0 = after.kind;
                    before.accounts.iter().for_each(|account| assert!(self.deploy_list.1.remove(account)));
                    after.accounts.iter().for_each(|account| assert!(self.deploy_list.1.insert(*account)));
                }
                Change::ContractHalt { contract, after, .. } => {
                    let height = self.height;
                    let halt = &mut self.contracts.get_mut(&contract).unwrap().halted;
                    *halt = match (after, halt.take()) {
                        (Some(after), _) => Some(halted(after, height)),
                        (None, Some(Halted::Frozen { basis, emergency: true, .. })) if height > 1 => {
                            Some(Halted::Frozen { basis, until: height - 1, emergency: true })
                        }
                        (None, _) => None,
                    };
                }
                Change::ContractAdministrator { contract, after, .. } => {
                    self.contracts.get_mut(&contract).unwrap().administrator = after;
                }
                Change::Attributes { contract, after, .. } => {
                    self.attributes.remove(&contract);
                    self.attributes.extend(after.map(|attested| (contract, attested)));
                }
                Change::Approval { code, deployer, after, .. } => {
                    self.approvals.remove(&(code, deployer));
                    self.approvals.extend(after.map(|until| ((code, deployer), until)));
                }
                Change::ApprovalRule { after, .. } => self.approval_required = after,
                Change::Regulator { identity, after, .. } => {
                    self.regulators.remove(&identity);
                    self.regulators.extend(after.map(|facts| (identity, facts)));
                }
                Change::Limit { id, after, .. } => {
                    self.limits.remove(&id);
                    self.limits.extend(after.map(|limit| (id, LimitFacts { limit, proposal })));
                }
                Change::Parameters { after, .. } => self.parameters = after,
                Change::Protocol { running, after, .. } => {
                    (self.running, self.upgrade) = (running, after);
                }
                Change::Slot { contract, slot, after, .. } => {
                    self.storage.insert((contract, slot), after);
                }
                Change::RollBack { height, .. } => self.rollbacks.push(height),
                Change::Implementation { contract, after, .. } => {
                    self.contracts.get_mut(&contract).unwrap().code = after.code;
                    self.implementations.insert(contract, after);
                }
                Change::Correction { contract, correction, .. } => {
                    self.corrections.push((contract, correction));
                }
                Change::Code { .. } | Change::Migration { .. } => {}
            }
        }
    }

    /// What stops a contract now.
    pub fn halted(&self, contract: &Address) -> Option<&Halted> {
        self.contracts[contract].halted.as_ref().filter(|halted| halted.binds(self.height))
    }

    fn rebind(&mut self, identity: Address, before: Address, after: KeyFacts) {
        let KeyFacts { account, organisation, role, .. } = after;
        self.accounts.get_mut(&before).unwrap().revoked = true;
        self.accounts.insert(account, Account { organisation, role, expired: false, revoked: false });
        self.identities.insert(account, identity);
        self.holders.insert(identity, account);
    }

    pub fn identity(&self, address: &Address) -> Address {
        self.identities.get(address).copied().unwrap_or(*address)
    }

    /// The account that acts for the identity of an account.
    pub fn holder(&self, address: &Address) -> Address {
        let identity = self.identity(address);
        self.holders.get(&identity).copied().unwrap_or(identity)
    }

    fn apply_freeze(&mut self, account: Address, after: Option<concordat_governance::effect::Freeze>) {
        let identity = self.identity(&account);
        let Some(freeze) = after else {
            // An emergency that was lifted is remembered as one that lapsed with the last block.
            let lifted = self.freezes.remove(&identity).filter(|freeze| freeze.emergency && self.height > 1);
            let lifted = lifted.map(|freeze| Frozen { until: self.height - 1, ..freeze });
            self.freezes.extend(lifted.map(|freeze| (identity, freeze)));
            return;
        };
        let until = last_height(freeze.end, self.height);
        let frozen = Frozen { scope: freeze.scope, basis: freeze.basis, until, emergency: freeze.emergency };
        self.freezes.insert(identity, frozen);
    }

    pub fn ability(&self, address: &Address) -> Ability {
        let account = &self.accounts[address];
        let identity = self.identity(address);
        let barred = self.bars.contains_key(&BarTarget::Account(identity));
        let frozen = self.freezes.get(&identity);
        let frozen = frozen.is_some_and(|f| f.binds(self.height) && f.scope == Scope::All);
        let active = self.organisations[&account.organisation].membership == Membership::Active;
        match (account.revoked || frozen || barred || !active, account.expired) {
            (true, _) => Ability::Not,
            (false, true) => Ability::Later,
            (false, false) => Ability::Now,
        }
    }
}

/// The last height of what is imposed now.
fn last_height(end: End, height: u64) -> u64 {
    match end {
        End::Never => 0,
        End::At(height) => height,
        End::After(blocks) => height + blocks,
    }
}

fn halted(halt: Halt, height: u64) -> Halted {
    match halt {
        Halt::Frozen { basis, end, emergency } => {
            Halted::Frozen { basis, until: last_height(end, height), emergency }
        }
        Halt::Retired { basis } => Halted::Retired { basis },
    }
}

pub fn refusal(error: ResolveError<Infallible>) -> Refusal {
    match error {
        ResolveError::Refused(refusal) => refusal,
        ResolveError::Facts(never) => match never {},
    }
}

impl Facts for World {
    type Error = Infallible;

    fn height(&self) -> u64 {
        self.height
    }

    fn time_secs(&self) -> u64 {
        self.time_secs
    }

    fn committee(&mut self) -> Result<Committee, Infallible> {
        Ok(self.committee.clone())
    }

    fn rule(&mut self, kind: Kind) -> Result<Rule, Infallible> {
        Ok(self.rules[&kind])
    }

    fn organisation(&mut self, id: &OrgId) -> Result<Option<OrganisationFacts>, Infallible> {
        Ok(self.organisations.get(id).cloned())
    }

    fn memberships(&mut self) -> Result<BTreeMap<OrgId, Membership>, Infallible> {
        Ok(self.organisations.iter().map(|(id, facts)| (id.clone(), facts.membership)).collect())
    }

    fn validators(&mut self) -> Result<Vec<ValidatorFacts>, Infallible> {
        Ok(self.validators.clone())
    }

    fn account(&mut self, address: Address) -> Result<Option<AccountFacts>, Infallible> {
        Ok(self.accounts.get(&address).map(|account| AccountFacts {
            organisation: account.organisation.clone(),
            role: account.role,
            ability: self.ability(&address),
        }))
    }

    fn bound(&mut self, address: Address) -> Result<Bound, Infallible> {
        Ok(Bound { identity: self.identity(&address), account: self.holder(&address) })
    }

    fn check_key(&mut self, chain: &[Bytes]) -> Result<Result<KeyFacts, String>, Infallible> {
        let [index, role, account @ ..] = &chain[0][..] else { return Ok(Err("no certificate".into())) };
        let Ok(account) = Address::try_from(account) else { return Ok(Err("no key".into())) };
        let organisation = org(*index);
        let active =
            self.organisations.get(&organisation).is_some_and(|o| o.membership == Membership::Active);
        if !active {
            return Ok(Err(format!("organisation {organisation} is no member in good standing")));
        }
        let (role, common_name) = (Role::from_code(*role).unwrap(), "someone".to_owned());
        let fingerprint = B256::from_slice(&Sha256::digest(&chain[0]));
        Ok(Ok(KeyFacts { account, organisation, role, common_name, fingerprint }))
    }

    fn barred(&mut self, target: &BarTarget) -> Result<Option<Basis>, Infallible> {
        Ok(self.bars.get(target).cloned())
    }

    fn frozen(&mut self, address: Address) -> Result<Option<Frozen>, Infallible> {
        Ok(self.freezes.get(&self.identity(&address)).cloned())
    }

    fn recent_signers(&mut self) -> Result<BTreeSet<ConsensusAddress>, Infallible> {
        Ok(self.recent.clone())
    }

    fn check_roots(&mut self, _: &OrgId, roots: &[Bytes]) -> Result<Result<Vec<B256>, String>, Infallible> {
        let bad = roots.iter().any(|der| der.starts_with(b"bad"));
        Ok(if bad { Err("not the organisation's own".into()) } else { Ok(fingerprints(roots)) })
    }

    fn check_validator(&mut self, new: &NewValidator) -> Result<Result<ValidatorFacts, String>, Infallible> {
        let id: OrgId = std::str::from_utf8(&new.node_chain[0]).unwrap().parse().unwrap();
        let seed = new.consensus_chain[0][0];
        let active = self.organisations.get(&id).is_some_and(|o| o.membership == Membership::Active);
        if !active {
            return Ok(Err(format!("organisation {id} is no member in good standing")));
        }
        if self.bars.contains_key(&BarTarget::Node(B256::repeat_byte(seed))) {
            return Ok(Err(format!("node key of {seed} is barred")));
        }
        let index = id.as_str().bytes().last().unwrap() - b'a';
        Ok(Ok(ValidatorFacts { node_address: new.node_address.clone(), ..validator(index, seed, new.power) }))
    }

    fn policy(&mut self, id: &str) -> Result<Option<PolicyFacts>, Infallible> {
        Ok(self.policies.get(id).cloned())
    }

    fn check_policies(&mut self, id: &str, text: Option<&str>) -> Result<Result<(), String>, Infallible> {
        let mut policies = self.policies.clone();
        policies.remove(id);
        policies.extend(text.map(|text| (id.into(), PolicyFacts { text: text.into(), proposal: 0 })));
        Ok(self.engine_says.clone().map_or_else(|| engine_verdict(&policies), Err))
    }

    fn deploy_list(&mut self) -> Result<ListKind, Infallible> {
        Ok(self.deploy_list.0)
    }

    fn on_deploy_list(&mut self, account: Address) -> Result<bool, Infallible> {
        Ok(self.deploy_list.1.contains(&account))
    }

    fn contract(&mut self, address: Address) -> Result<Option<ContractFacts>, Infallible> {
        Ok(self.contracts.get(&address).cloned())
    }

    fn attributes(&mut self, contract: Address) -> Result<Option<Attested>, Infallible> {
        Ok(self.attributes.get(&contract).cloned())
    }

    fn approval(&mut self, code: B256, deployer: Address) -> Result<Option<u64>, Infallible> {
        Ok(self.approvals.get(&(code, deployer)).copied())
    }

    fn approval_required(&mut self) -> Result<bool, Infallible> {
        Ok(self.approval_required)
    }

    fn review(&mut self, proposal: u64, reviewer: Address) -> Result<Option<bool>, Infallible> {
        Ok(self.reviews.get(&(proposal, reviewer)).copied())
    }

    fn limit(&mut self, id: &str) -> Result<Option<LimitFacts>, Infallible> {
        Ok(self.limits.get(id).cloned())
    }

    fn check_limits(&mut self, id: &str, limit: Option<&[u8]>) -> Result<Result<(), String>, Infallible> {
        if limit == Some(b"bad") {
            return Ok(Err(format!("rule {id} is bad; write a good one")));
        }
        let others = self.limits.keys().filter(|other| *other != id).count();
        let count = others + usize::from(limit.is_some());
        Ok(if count > MAX_LIMITS { Err(format!("{count} rules would be in force")) } else { Ok(()) })
    }

    fn regulators(&mut self) -> Result<BTreeMap<Address, RegulatorFacts>, Infallible> {
        Ok(self.regulators.clone())
    }

    fn consent(&mut self, proposal: u64) -> Result<Option<Consent>, Infallible> {
        Ok(self.consents.get(&proposal).copied())
    }

    fn parameters(&mut self) -> Result<Parameters, Infallible> {
        Ok(self.parameters)
    }

    fn protocol(&mut self) -> Result<ProtocolFacts, Infallible> {
        Ok(match self.upgrade {
            Some(Upgrade { version, height }) if height <= self.height => {
                ProtocolFacts { running: version, upgrade: None }
            }
            upgrade => ProtocolFacts { running: self.running, upgrade },
        })
    }

    fn announced(&mut self, organisation: &OrgId) -> Result<u64, Infallible> {
        Ok(self.announced.get(organisation).copied().unwrap_or_default())
    }

    fn storage(&mut self, contract: Address, slot: U256) -> Result<U256, Infallible> {
        Ok(self.storage.get(&(contract, slot)).copied().unwrap_or_default())
    }

    fn implementation(&mut self, contract: Address) -> Result<Option<Implementation>, Infallible> {
        Ok(self.implementations.get(&contract).copied())
    }

    fn key(&mut self, account: Address) -> Result<Option<KeyFacts>, Infallible> {
        Ok(self.accounts.get(&account).map(|known| KeyFacts {
            account,
            organisation: known.organisation.clone(),
            role: known.role,
            common_name: "somebody".to_owned(),
            fingerprint: B256::left_padding_from(account.as_slice()),
        }))
    }

    fn naming(&mut self, account: Address) -> Result<Option<String>, Infallible> {
        Ok(self.named.get(&account).cloned())
    }

    fn founder_barred(&mut self, member: Address) -> Result<bool, Infallible> {
        Ok(self.barred_founders.contains(&member))
    }
}
