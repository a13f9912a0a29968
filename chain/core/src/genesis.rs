//! The state before the first block, from the document that all members have agreed on.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use concordat_governance::{Committee, Kind, Member, Rule, committee::CommitteeError, rule::RuleError};
use concordat_pki_verify::{Certificate, Purpose};
use concordat_types::{
    Bytes, ChangeSet, Genesis, OrgId, Role, StateKey, ValidatorSet,
    genesis::{GenesisCommitteeMember, GenesisPart, GenesisValidator},
    validator::ValidatorSetError,
};
use revm::primitives::keccak256;

use crate::{
    account::AccountState,
    env::{EnvError, evm_rules},
    governance,
    identity::{
        Candidate, CheckedPath, Organisation, OrganisationIndex, Record, RegistryError, ValidatorRecord,
        bars, check_path, check_root, parse_chain, tables, validator_record,
    },
    system::{GOVERNANCE, MARKER_CODE, RowKey, SYSTEM_CONTRACTS},
};

/// The longest list of certificates in one PEM text.
const MAX_PEM_CERTIFICATES: usize = 8;

/// The state before the first block.
#[derive(Clone, Debug, PartialEq)]
pub struct GenesisState {
    /// All its values.
    pub changes: ChangeSet,
    /// The founding validators, who decide the first block.
    pub validators: ValidatorSet,
}

/// Why a genesis document makes no state. Says whose part is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisStateError {
    /// The genesis time lies before 1970.
    #[error("genesis_time {0} must not be negative")]
    Time(i64),
    /// Unknown rules.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// A certificate, or what it stands for, is not in order.
    #[error("organisation {org}, {field}: {reason}")]
    Certificate {
        /// Whose part.
        org: OrgId,
        /// Which field of it.
        field: String,
        /// What the verifier or the registry says.
        reason: RegistryError,
    },
    /// Text that is no PEM.
    #[error("organisation {org}, {field}: {reason}")]
    Pem {
        /// Whose part.
        org: OrgId,
        /// Which field of it.
        field: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An organisation that nobody could belong to.
    #[error("organisation {org} brings no root CA certificate")]
    NoRoot {
        /// Whose part.
        org: OrgId,
    },
    /// A key in two places.
    #[error("organisation {org}, {field}: the same key is in the part of {other}")]
    SharedKey {
        /// Whose part.
        org: OrgId,
        /// Which field of it.
        field: String,
        /// In whose part it stands too.
        other: OrgId,
    },
    /// The validators make no set.
    #[error("the founding validators make no set: {0}")]
    Validators(#[from] ValidatorSetError),
    /// The members make no committee.
    #[error("the founding members of the committee make none: {0}")]
    Committee(#[from] CommitteeError),
    /// The committee could not follow a rule that it starts with.
    #[error("the founding committee could never vote through {kind}: {reason}")]
    Rule {
        /// Which kind of proposal.
        kind: Kind,
        /// What is missing.
        reason: RuleError,
    },
}

/// Makes the state before the first block. Every certificate is checked against its organisation's own
/// roots at genesis time.
pub fn genesis_state(genesis: &Genesis) -> Result<GenesisState, GenesisStateError> {
    evm_rules(genesis.params.protocol_version)?;
    let at =
        u64::try_from(genesis.genesis_time).map_err(|_| GenesisStateError::Time(genesis.genesis_time))?;
    let mut state = Builder { at, rows: BTreeMap::new(), validators: Vec::new(), members: Vec::new() };
    for part in &genesis.organisations {
        state.add(part)?;
    }
    state.finish(genesis)
}

struct Builder {
    at: u64,
    rows: BTreeMap<RowKey, Bytes>,
    validators: Vec<ValidatorRecord>,
    members: Vec<Member>,
}

/// A place in the document, for messages.
struct Place<'a> {
    org: &'a OrgId,
    field: String,
}

impl Place<'_> {
    fn refuse(&self, reason: RegistryError) -> GenesisStateError {
        GenesisStateError::Certificate { org: self.org.clone(), field: self.field.clone(), reason }
    }

    fn pem(&self, text: &str) -> Result<Vec<Bytes>, GenesisStateError> {
        parse_pem(text).map_err(|reason| GenesisStateError::Pem {
            org: self.org.clone(),
            field: self.field.clone(),
            reason,
        })
    }
}

impl Builder {
    fn add(&mut self, part: &GenesisPart) -> Result<(), GenesisStateError> {
        let roots = self.roots(part)?;
        let anchors: Vec<Certificate> = roots.iter().map(|(_, root)| root.clone()).collect();
        let mut power_budget: u64 = 0;
        for (index, validator) in part.validators.iter().enumerate() {
            let record = self.validator(part, &anchors, index, validator)?;
            power_budget = power_budget.saturating_add(record.power);
            self.validators.push(record);
        }
        for (index, member) in part.committee.iter().enumerate() {
            let member = self.member(part, &anchors, index, member)?;
            self.members.push(member);
        }
        let organisation = Organisation {
            id: part.organisation.clone(),
            name: part.name.clone(),
            ca_certificates: roots.into_iter().map(|(der, _)| der).collect(),
            roles: part.roles.clone(),
            active: true,
            expelled: false,
            admitted_height: 0,
            power_budget,
        };
        self.rows.insert(tables::organisation_key(&part.organisation), organisation.to_row());
        Ok(())
    }

    fn roots(&self, part: &GenesisPart) -> Result<Vec<(Bytes, Certificate)>, GenesisStateError> {
        let mut roots = Vec::new();
        for (index, text) in part.ca_certificates.iter().enumerate() {
            let place = Place { org: &part.organisation, field: format!("ca_certificates[{index}]") };
            for der in place.pem(text)? {
                let root =
                    check_root(&der, &part.organisation, self.at).map_err(|reason| place.refuse(reason))?;
                roots.push((der, root));
            }
        }
        if roots.is_empty() {
            return Err(GenesisStateError::NoRoot { org: part.organisation.clone() });
        }
        Ok(roots)
    }

    fn validator(
        &self,
        part: &GenesisPart,
        anchors: &[Certificate],
        index: usize,
        validator: &GenesisValidator,
    ) -> Result<ValidatorRecord, GenesisStateError> {
        let place =
            |field: &str| Place { org: &part.organisation, field: format!("validators[{index}].{field}") };
        let node_place = place("node_certificate");
        if !part.roles.contains(&Role::Validator) {
            let (organisation, role) = (part.organisation.clone(), Role::Validator);
            return Err(node_place.refuse(RegistryError::RoleNotGrantable { organisation, role }));
        }
        let node = self.path(&node_place, &validator.node_certificate, anchors, Purpose::Node)?;
        let key_place = place("consensus_certificate");
        let key = self.path(&key_place, &validator.consensus_certificate, anchors, Purpose::ConsensusKey)?;
        let candidate = Candidate {
            node_chain: &[],
            consensus_chain: &[],
            node_address: &validator.address,
            power: validator.power,
        };
        let record = validator_record(0, &candidate, &node, &key).map_err(|e| place("address").refuse(e))?;
        self.check_unshared(&record, &node_place, &key_place)?;
        Ok(record)
    }

    /// A founding member of the committee: the account of a certificate of that role.
    fn member(
        &mut self,
        part: &GenesisPart,
        anchors: &[Certificate],
        index: usize,
        member: &GenesisCommitteeMember,
    ) -> Result<Member, GenesisStateError> {
        let organisation = part.organisation.clone();
        let place = Place { org: &organisation, field: format!("committee[{index}].certificate") };
        if !part.roles.contains(&Role::CommitteeMember) {
            let (organisation, role) = (organisation.clone(), Role::CommitteeMember);
            return Err(place.refuse(RegistryError::RoleNotGrantable { organisation, role }));
        }
        let path = self.path(&place, &member.certificate, anchors, Purpose::Account)?;
        if path.role != Role::CommitteeMember {
            let (expected, presented) = (Role::CommitteeMember.to_string(), path.role);
            return Err(place.refuse(RegistryError::RoleNotFit { expected, presented }));
        }
        let address = path.address().unwrap_or_default();
        // Until it enrols nothing else tells whether it is barred.
        let subject = bars::subject(&organisation, &path.common_name);
        self.rows.insert(tables::founder_key(address), subject.to_row());
        Ok(Member { address, organisation, weight: member.weight })
    }

    /// The committee's rows, and the rules that it starts with. Without members there is none of it.
    fn add_committee(&mut self) -> Result<(), GenesisStateError> {
        let committee = Committee::new(std::mem::take(&mut self.members))?;
        if committee.is_empty() {
            return Ok(());
        }
        for kind in Kind::ALL.iter().copied() {
            let rule = Rule::initial(kind, committee.organisations().len());
            rule.check_reachable(&committee, &BTreeSet::new())
                .map_err(|reason| GenesisStateError::Rule { kind, reason })?;
            self.rows.insert(governance::tables::rule_key(kind), rule.to_row());
        }
        self.rows.insert(governance::tables::committee_key(), committee.to_row());
        Ok(())
    }

    /// Two validators never share a node key or a consensus key.
    fn check_unshared(
        &self,
        new: &ValidatorRecord,
        node: &Place<'_>,
        key: &Place<'_>,
    ) -> Result<(), GenesisStateError> {
        let shared = |place: &Place<'_>, other: &ValidatorRecord| GenesisStateError::SharedKey {
            org: place.org.clone(),
            field: place.field.clone(),
            other: other.org.clone(),
        };
        for other in &self.validators {
            if other.node_spki == new.node_spki {
                return Err(shared(node, other));
            }
            if other.consensus_key == new.consensus_key {
                return Err(shared(key, other));
            }
        }
        Ok(())
    }

    fn path(
        &self,
        place: &Place<'_>,
        text: &str,
        anchors: &[Certificate],
        purpose: Purpose,
    ) -> Result<CheckedPath, GenesisStateError> {
        let chain = parse_chain(&place.pem(text)?).map_err(|reason| place.refuse(reason))?;
        check_path(&chain, anchors, self.at, purpose).map_err(|reason| place.refuse(reason))
    }

    fn finish(mut self, genesis: &Genesis) -> Result<GenesisState, GenesisStateError> {
        let validators = tables::validator_set(&self.validators)?;
        self.add_committee()?;
        let ids = genesis.organisations.iter().map(|part| part.organisation.clone()).collect();
        self.rows.insert(tables::organisation_index_key(), OrganisationIndex(ids).to_row());
        self.rows.insert(tables::validator_index_key(), tables::validator_index(self.validators.iter()));
        for record in &self.validators {
            self.rows.insert(tables::validator_key(record.consensus_key.into()), record.to_row());
        }
        let governed = self.rows.contains_key(&governance::tables::committee_key());
        let mut changes: ChangeSet =
            self.rows.into_iter().map(|(key, row)| (key.state_key(), Some(row.to_vec()))).collect();
        changes.extend(system_accounts(governed));
        Ok(GenesisState { changes, validators })
    }
}

/// The accounts of system contracts, with code that tells Solidity that somebody is there. Without a committee there
/// is no governance to be called.
fn system_accounts(governed: bool) -> impl Iterator<Item = (StateKey, Option<Vec<u8>>)> {
    let hash = keccak256(MARKER_CODE);
    let account = AccountState { nonce: 1, last_active: 0, code_hash: Some(hash) }.encode();
    let code = (StateKey::code(hash), Some(MARKER_CODE.to_vec()));
    SYSTEM_CONTRACTS
        .into_iter()
        .filter(move |address| governed || *address != GOVERNANCE)
        .map(move |address| (StateKey::account(address), Some(account.clone())))
        .chain([code])
}

/// The certificates of a PEM text (RFC 7468); text around them is ignored.
fn parse_pem(text: &str) -> Result<Vec<Bytes>, &'static str> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut certificates = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (body, after) = after.split_once(END).ok_or("a PEM certificate does not end")?;
        let base64: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let der = STANDARD.decode(base64).map_err(|_| "a PEM certificate is not base64")?;
        certificates.push(Bytes::from(der));
        rest = after;
    }
    match certificates.len() {
        0 => Err("there is no PEM certificate"),
        1..=MAX_PEM_CERTIFICATES => Ok(certificates),
        _ => Err("there are too many PEM certificates"),
    }
}
