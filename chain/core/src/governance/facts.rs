//! What decisions read of the state, charged for before it is read.

use std::collections::{BTreeMap, BTreeSet};

use concordat_governance::{
    Committee, Facts, Kind, Rule,
    action::{BarTarget, Basis, ListKind, NewValidator, Parameters},
    facts::{
        Ability, AccountFacts, Attested, Bound, ContractFacts, Frozen, Halted, Implementation, KeyFacts,
        LimitFacts, Membership, OrganisationFacts, PolicyFacts, ProtocolFacts, ValidatorFacts,
    },
    order::Order,
    regulator::{Consent, RegulatorFacts},
};
use concordat_permissions::{PolicyId, Principal};
use concordat_pki_verify::Purpose;
use concordat_types::{
    Address, B256, Bytes, OrgId, Role, U256, receipt::Outcome, validator::ConsensusAddress,
};
use sha2::{Digest as _, Sha256};

use super::{parameters, tables};
use crate::{
    account::corrupt,
    contracts::{
        ContractHalt, ContractState, implementation,
        tables::{self as contracts, EXISTING_ROWS, List},
        whole_code,
    },
    identity::{
        self, ActError, Candidate, Organisation, ValidatorRecord, bars, check_member_path, check_root,
        naming::Naming, validator_record,
    },
    orders,
    permissions::{Policies, changed, tables as policies},
    rules::{self, LimitError, LimitId, tables as limits},
    standing::{Action, Backing, Enrolled, STANDING_ROWS, Standing, decide_sender},
    system::{GasMeter, Rows, SystemCall, SystemError, gas, is_system},
};

/// The state at a call's place in the block, and the call's gas.
pub(crate) struct ChainFacts<'a, R> {
    pub(crate) rows: &'a mut R,
    pub(crate) meter: &'a mut GasMeter,
    pub(crate) height: u64,
    pub(crate) time_secs: u64,
}

impl<'a, R: Rows> ChainFacts<'a, R> {
    pub(crate) fn of(call: &SystemCall, rows: &'a mut R, meter: &'a mut GasMeter) -> Self {
        Self { rows, meter, height: call.height, time_secs: call.time_secs }
    }

    pub(crate) fn charge_rows(&mut self, count: usize) -> Result<(), SystemError> {
        self.meter.charge_each(count, gas::ROW_READ)
    }

    pub(super) fn charge_certificates(&mut self, count: usize) -> Result<(), SystemError> {
        self.meter.charge_each(count, gas::CERTIFICATE.saturating_add(gas::ROW_READ))
    }

    /// The validator of two certification paths, or why they do not hold.
    fn checked(&mut self, new: &NewValidator) -> Result<ValidatorRecord, ActError> {
        let NewValidator { node_chain, consensus_chain, node_address, power } = new;
        let node = check_member_path(self.rows, node_chain, Purpose::Node, self.time_secs)?;
        let consensus = check_member_path(self.rows, consensus_chain, Purpose::ConsensusKey, self.time_secs)?;
        identity::require_org(&node.org, &consensus)?;
        let candidate = Candidate { node_chain, consensus_chain, node_address, power: *power };
        Ok(validator_record(self.height, &candidate, &node, &consensus)?)
    }

    /// The first of these accounts that is a later key of some identity, and that identity. Whoever signs is told by it,
    /// so that what names the key would bind nobody.
    fn later_key(
        &mut self,
        accounts: impl IntoIterator<Item = Address>,
    ) -> Result<Option<(Address, Address)>, SystemError> {
        for account in accounts {
            self.charge_rows(1)?;
            let identity = identity::tables::identity_of(self.rows, account)?;
            if identity != account {
                return Ok(Some((account, identity)));
            }
        }
        Ok(None)
    }
}

/// A verdict of the registry apart from a state that cannot be read.
fn verdict<T>(result: Result<T, ActError>) -> Result<Result<T, String>, SystemError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(ActError::Refused(refusal)) => Ok(Err(refusal.to_string())),
        Err(ActError::State(error)) => Err(error.into()),
    }
}

/// An organisation in governance's terms.
pub(super) fn organisation_facts(organisation: &Organisation) -> OrganisationFacts {
    OrganisationFacts {
        name: organisation.name.clone(),
        membership: membership(organisation),
        roles: organisation.roles.clone(),
        roots: organisation.ca_certificates.iter().map(|der| fingerprint(der)).collect(),
    }
}

const fn membership(organisation: &Organisation) -> Membership {
    match (organisation.active, organisation.expelled) {
        (_, true) => Membership::Expelled,
        (true, false) => Membership::Active,
        (false, false) => Membership::Suspended,
    }
}

fn fingerprint(der: &[u8]) -> B256 {
    B256::from_slice(&Sha256::digest(der))
}

/// A validator in governance's terms.
pub(crate) fn validator_facts(record: &ValidatorRecord) -> ValidatorFacts {
    ValidatorFacts {
        organisation: record.org.clone(),
        consensus_key: record.consensus_key.into(),
        power: record.power,
        node_key: record.node_spki,
        node_address: record.node_address.clone(),
    }
}

/// What stops a contract, in governance's terms.
fn halted(halt: ContractHalt, state: ContractState) -> Halted {
    let ContractHalt { basis, until, emergency, .. } = halt;
    match state {
        ContractState::Retired => Halted::Retired { basis },
        _ => Halted::Frozen { basis, until, emergency },
    }
}

/// Whether an account may vote: as a transaction of it would be judged here.
fn ability(standing: &Standing, height: u64, time_secs: u64) -> Ability {
    match decide_sender(standing, height, time_secs, Action::CallSystem) {
        Ok(()) => Ability::Now,
        Err(Outcome::CertificateExpired) => Ability::Later,
        Err(_) => Ability::Not,
    }
}

impl<R: Rows> Facts for ChainFacts<'_, R> {
    type Error = SystemError;

    fn height(&self) -> u64 {
        self.height
    }

    fn time_secs(&self) -> u64 {
        self.time_secs
    }

    fn committee(&mut self) -> Result<Committee, SystemError> {
        self.charge_rows(1)?;
        Ok(tables::committee(self.rows)?)
    }

    fn rule(&mut self, kind: Kind) -> Result<Rule, SystemError> {
        self.charge_rows(1)?;
        Ok(tables::rule(self.rows, kind)?)
    }

    fn organisation(&mut self, id: &OrgId) -> Result<Option<OrganisationFacts>, SystemError> {
        self.charge_rows(1)?;
        let organisation = identity::tables::organisation(self.rows, id)?;
        Ok(organisation.as_ref().map(organisation_facts))
    }

    fn memberships(&mut self) -> Result<BTreeMap<OrgId, Membership>, SystemError> {
        self.charge_rows(1)?;
        let ids = identity::tables::organisation_ids(self.rows)?;
        self.charge_rows(ids.len())?;
        let mut memberships = BTreeMap::new();
        for id in ids {
            if let Some(organisation) = identity::tables::organisation(self.rows, &id)? {
                memberships.insert(id, membership(&organisation));
            }
        }
        Ok(memberships)
    }

    fn validators(&mut self) -> Result<Vec<ValidatorFacts>, SystemError> {
        self.charge_rows(1)?;
        let count = identity::tables::validator_count(self.rows)?;
        self.charge_rows(count)?;
        Ok(identity::tables::validators(self.rows)?.iter().map(validator_facts).collect())
    }

    fn account(&mut self, address: Address) -> Result<Option<AccountFacts>, SystemError> {
        self.charge_rows(STANDING_ROWS)?;
        let Some(Enrolled { standing, organisation, .. }) =
            Enrolled::read(self.rows, address, Backing::read)?
        else {
            return Ok(None);
        };
        let ability = ability(&standing, self.height, self.time_secs);
        let organisation = organisation.as_ref().clone();
        Ok(Some(AccountFacts { organisation, role: standing.role, ability }))
    }

    fn bound(&mut self, address: Address) -> Result<Bound, SystemError> {
        self.charge_rows(2)?;
        Ok(identity::tables::bound(self.rows, address)?)
    }

    fn check_key(&mut self, chain: &[Bytes]) -> Result<Result<KeyFacts, String>, SystemError> {
        self.charge_certificates(chain.len())?;
        self.charge_rows(3)?;
        let path = check_member_path(self.rows, chain, Purpose::Account, self.time_secs);
        let path = path.and_then(|path| bars::check_orders(self.rows, &path, self.height).map(|()| path));
        Ok(verdict(path)?.and_then(|path| {
            let account = path.address().ok_or("the key controls no account")?;
            Ok(KeyFacts {
                account,
                organisation: path.org,
                role: path.role,
                common_name: path.common_name,
                fingerprint: path.fingerprint,
            })
        }))
    }

    fn barred(&mut self, target: &BarTarget) -> Result<Option<Basis>, SystemError> {
        // The bar, and what imposing or lifting it reads besides: account, authority, details, subject.
        self.charge_rows(5)?;
        let bar = match target {
            BarTarget::Account(identity) => identity::tables::bar(self.rows, *identity)?,
            BarTarget::Node(key) => identity::tables::barred_node(self.rows, *key)?,
        };
        Ok(bar.map(|bar| Basis { document: bar.document, reference: bar.reference }))
    }

    fn frozen(&mut self, address: Address) -> Result<Option<Frozen>, SystemError> {
        self.charge_rows(2)?;
        let identity = identity::tables::identity_of(self.rows, address)?;
        Ok(tables::freeze(self.rows, identity)?.map(|freeze| freeze.frozen))
    }

    fn recent_signers(&mut self) -> Result<BTreeSet<ConsensusAddress>, SystemError> {
        self.charge_rows(1)?;
        Ok(self.rows.recent_signers()?)
    }

    fn check_roots(&mut self, id: &OrgId, roots: &[Bytes]) -> Result<Result<Vec<B256>, String>, SystemError> {
        self.charge_certificates(roots.len())?;
        for der in roots {
            if let Err(refusal) = check_root(der, id, self.time_secs) {
                return Ok(Err(refusal.to_string()));
            }
        }
        Ok(Ok(roots.iter().map(|der| fingerprint(der)).collect()))
    }

    fn check_validator(&mut self, new: &NewValidator) -> Result<Result<ValidatorFacts, String>, SystemError> {
        self.charge_certificates(new.node_chain.len().saturating_add(new.consensus_chain.len()))?;
        self.charge_rows(5)?;
        let record = self.checked(new);
        Ok(verdict(record)?.map(|record| validator_facts(&record)))
    }

    fn policy(&mut self, id: &str) -> Result<Option<PolicyFacts>, SystemError> {
        self.charge_rows(1)?;
        let Ok(id) = id.parse::<PolicyId>() else { return Ok(None) };
        let policy = policies::policy(self.rows, &id)?;
        Ok(policy.map(|policy| PolicyFacts { text: policy.text, proposal: policy.proposal }))
    }

    fn check_policies(&mut self, id: &str, text: Option<&str>) -> Result<Result<(), String>, SystemError> {
        // As if all were read, also where this process knows the set.
        self.charge_rows(2)?;
        let count = policies::ids(self.rows)?.len();
        self.charge_rows(count)?;
        self.meter.charge_each(text.map_or(0, str::len), gas::POLICY_BYTE)?;
        let id: PolicyId = match id.parse() {
            Ok(id) => id,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let now = Policies::in_force(self.rows)?;
        let kept = now.enacted().iter().map(|policy| policy.text.len()).fold(0, usize::saturating_add);
        self.meter.charge_each(kept, gas::POLICY_KEPT_BYTE)?;
        // The number of its proposal bears on no verdict.
        let set = match now.with(&changed(now.enacted(), &id, text, 0)) {
            Ok(set) => set,
            // What is told stands in receipts: it must not rest on Cedar's words.
            Err(error) => return Ok(Err(error.told())),
        };
        if let Some((account, identity)) = self.later_key(text.iter().flat_map(|_| set.accounts(&id)))? {
            let reason =
                format!("policy {id} names {account}, a later key of identity {identity}; name the identity");
            return Ok(Err(reason));
        }
        let committee = self.committee()?;
        self.charge_rows(committee.members().len())?;
        let mut members: Vec<Principal<'_>> = Vec::new();
        for member in committee.members() {
            let account = identity::tables::identity_of(self.rows, member.address)?;
            let organisation = &member.organisation;
            members.push(Principal { account, organisation, role: Role::CommitteeMember });
        }
        self.meter.charge_each(members.len(), gas::DECISION)?;
        Ok(set.locks_out(&members).map_or(Ok(()), |lockout| Err(lockout.to_string())))
    }

    fn deploy_list(&mut self) -> Result<ListKind, SystemError> {
        self.charge_rows(1)?;
        let code = contracts::deploy_list(self.rows)?.code();
        Ok(ListKind::from_code(code).ok_or_else(|| corrupt("the kind of the list of who may deploy"))?)
    }

    fn on_deploy_list(&mut self, account: Address) -> Result<bool, SystemError> {
        self.charge_rows(1)?;
        Ok(List::Deploy.has(self.rows, account)?)
    }

    fn contract(&mut self, address: Address) -> Result<Option<ContractFacts>, SystemError> {
        if is_system(&address) {
            return Ok(Some(ContractFacts { system: true, ..ContractFacts::default() }));
        }
        self.charge_rows(EXISTING_ROWS)?;
        let Some(contract) = contracts::existing(self.rows, address)? else { return Ok(None) };
        let halted = match contract.state {
            ContractState::Active => None,
            state => {
                self.charge_rows(1)?;
                Some(halted(contracts::halt(self.rows, address)?, state))
            }
        };
        let own = self.rows.code_hash(address)?.unwrap_or_default();
        let code = whole_code(address, own, self.rows, self.meter)?;
        Ok(Some(ContractFacts { system: false, code, administrator: contract.administrator, halted }))
    }

    fn attributes(&mut self, contract: Address) -> Result<Option<Attested>, SystemError> {
        self.charge_rows(1)?;
        Ok(contracts::attributes(self.rows, contract)?.map(|known| known.attested))
    }

    fn approval(&mut self, code: B256, deployer: Address) -> Result<Option<u64>, SystemError> {
        self.charge_rows(1)?;
        Ok(contracts::approval(self.rows, code, deployer)?.map(|approval| approval.until))
    }

    fn approval_required(&mut self) -> Result<bool, SystemError> {
        self.charge_rows(1)?;
        Ok(contracts::approval_required(self.rows)?)
    }

    fn review(&mut self, proposal: u64, reviewer: Address) -> Result<Option<bool>, SystemError> {
        self.charge_rows(1)?;
        Ok(contracts::review(self.rows, proposal, reviewer)?.map(|review| review.approves))
    }

    fn limit(&mut self, id: &str) -> Result<Option<LimitFacts>, SystemError> {
        self.charge_rows(1)?;
        let Ok(id) = id.parse::<LimitId>() else { return Ok(None) };
        let enacted = limits::limit(self.rows, &id)?;
        Ok(enacted
            .map(|enacted| LimitFacts { limit: enacted.limit.encode().into(), proposal: enacted.proposal }))
    }

    fn check_limits(&mut self, id: &str, limit: Option<&[u8]>) -> Result<Result<(), String>, SystemError> {
        // What applies the change reads and hashes all of them.
        self.charge_rows(2)?;
        let mut ids = limits::ids(self.rows)?;
        self.charge_rows(ids.len())?;
        let Some(bytes) = limit else { return Ok(Ok(())) };
        self.meter.charge_each(bytes.len(), gas::LIMIT_BYTE)?;
        let limit = match rules::read_as(id, bytes) {
            Ok(limit) => limit,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if let Some((account, identity)) = self.later_key(limit.accounts())? {
            return Ok(Err(LimitError::LaterKey { id: limit.id, account, identity }.to_string()));
        }
        ids.insert(limit.id);
        Ok(rules::check_count(ids.len()).map_err(|error| error.to_string()))
    }

    fn regulators(&mut self) -> Result<BTreeMap<Address, RegulatorFacts>, SystemError> {
        self.charge_rows(1)?;
        let index = tables::regulator_index(self.rows)?;
        self.charge_rows(index.0.len())?;
        let all = tables::regulators(self.rows, index)?;
        Ok(all.into_iter().map(|(identity, record)| (identity, record.facts)).collect())
    }

    fn consent(&mut self, proposal: u64) -> Result<Option<Consent>, SystemError> {
        self.charge_rows(1)?;
        Ok(tables::consent(self.rows, proposal)?)
    }

    fn parameters(&mut self) -> Result<Parameters, SystemError> {
        self.charge_rows(1)?;
        let otherwise = self.rows.params()?;
        Ok(parameters::parameters(self.rows, &otherwise)?)
    }

    fn protocol(&mut self) -> Result<ProtocolFacts, SystemError> {
        self.charge_rows(1)?;
        let otherwise = self.rows.params()?;
        Ok(parameters::protocol(self.rows, &otherwise, self.height)?)
    }

    fn announced(&mut self, organisation: &OrgId) -> Result<u64, SystemError> {
        self.charge_rows(1)?;
        Ok(parameters::announced(self.rows, organisation)?)
    }

    fn storage(&mut self, contract: Address, slot: U256) -> Result<U256, SystemError> {
        // A slot costs what a row does: a cold `SLOAD`.
        self.charge_rows(1)?;
        Ok(self.rows.word(contract, slot)?)
    }

    fn implementation(&mut self, contract: Address) -> Result<Option<Implementation>, SystemError> {
        implementation(contract, self.rows, self.meter)
    }

    fn key(&mut self, account: Address) -> Result<Option<KeyFacts>, SystemError> {
        self.charge_rows(3)?;
        let known = identity::tables::account(self.rows, account)?;
        Ok(known.map(|known| KeyFacts {
            account,
            organisation: known.org,
            role: known.role,
            common_name: known.common_name,
            fingerprint: known.fingerprint,
        }))
    }

    fn naming(&mut self, account: Address) -> Result<Option<String>, SystemError> {
        Ok(Naming::read(self.rows, self.meter)?.place(account))
    }

    fn founder_barred(&mut self, member: Address) -> Result<bool, SystemError> {
        self.charge_rows(2)?;
        match identity::tables::founder(self.rows, member)? {
            Some(subject) => Ok(identity::tables::barred_subject(self.rows, subject)? > 0),
            None => Ok(false),
        }
    }

    fn order(&mut self, id: u64) -> Result<Option<Order>, SystemError> {
        self.charge_rows(1)?;
        Ok(orders::tables::order(self.rows, id)?)
    }
}
