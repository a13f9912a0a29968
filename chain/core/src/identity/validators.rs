//! Admission and retirement of validators, by their organisation's own registrar.

use alloy_sol_types::SolEvent as _;
use concordat_governance::quorum;
use concordat_pki_verify::{Purpose, SubjectKey};
use concordat_types::{B256, Bytes, OrgId, Role};

use super::{
    ActError, IdentityEvent, RegistryError,
    abi::IIdentityRegistry as abi,
    certificates::CheckedPath,
    membership::{Act, check_member_path},
    records::{Record, ValidatorRecord},
    tables,
};
use crate::{
    governance::{tables as governance, validator_facts},
    system::{Effects, Rows},
};

/// The longest `host:port`.
const MAX_ADDRESS_BYTES: usize = 260;

/// A validator as its registrar presents it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) node_chain: &'a [Bytes],
    pub(crate) consensus_chain: &'a [Bytes],
    pub(crate) node_address: &'a str,
    pub(crate) power: u64,
}

/// Decides an admission.
pub(crate) fn decide_admission(
    rows: &mut impl Rows,
    act: Act,
    candidate: &Candidate<'_>,
) -> Result<Effects, ActError> {
    let org = registrar_org(rows, act)?;
    if !governance::committee(rows)?.is_empty() {
        return Err(RegistryError::DecidedByCommittee.into());
    }
    let node = check_member_path(rows, candidate.node_chain, Purpose::Node, act.time_secs)?;
    let consensus = check_member_path(rows, candidate.consensus_chain, Purpose::ConsensusKey, act.time_secs)?;
    for path in [&node, &consensus] {
        require_org(&org, path)?;
    }
    let record = record(act.height, candidate, &node, &consensus)?;
    let mut validators = tables::validators(rows)?;
    if validators.iter().any(|v| v.consensus_key == record.consensus_key) {
        return Err(RegistryError::ValidatorExists { consensus_key: record.consensus_key.into() }.into());
    }
    check_budget(rows, &validators, &record)?;
    validators.push(record.clone());
    let log = abi::ValidatorAdmitted {
        consensusKey: record.consensus_key.into(),
        organisation: org.to_string(),
        power: record.power,
        nodeAddress: record.node_address.clone(),
    };
    let event = IdentityEvent::ValidatorAdmitted { org, consensus_key: record.consensus_key.into() };
    let row = (record.consensus_key.into(), Some(record.to_row()));
    change_set(&validators, row, log.encode_log_data(), event)
}

/// Decides a retirement.
pub(crate) fn decide_retirement(
    rows: &mut impl Rows,
    act: Act,
    consensus_key: B256,
) -> Result<Effects, ActError> {
    let record =
        tables::validator(rows, consensus_key)?.ok_or(RegistryError::ValidatorUnknown { consensus_key })?;
    let org = registrar_org(rows, act)?;
    if org != record.org {
        return Err(RegistryError::NotRegistrar { sender: act.sender, organisation: record.org }.into());
    }
    let mut validators = tables::validators(rows)?;
    validators.retain(|v| v.consensus_key != record.consensus_key);
    check_safe(rows, &validators)?;
    let log = abi::ValidatorRetired { consensusKey: consensus_key, organisation: org.to_string() };
    let event = IdentityEvent::ValidatorRetired { org, consensus_key };
    change_set(&validators, (consensus_key, None), log.encode_log_data(), event)
}

/// The organisation whose registrar the sender is.
fn registrar_org(rows: &mut impl Rows, act: Act) -> Result<OrgId, ActError> {
    let account =
        tables::account(rows, act.sender)?.ok_or(RegistryError::NotEnrolled { account: act.sender })?;
    match account.role {
        Role::Registrar => Ok(account.org),
        _ => Err(RegistryError::NotRegistrar { sender: act.sender, organisation: account.org }.into()),
    }
}

/// Whether a path belongs to an organisation.
pub(crate) fn require_org(expected: &OrgId, path: &CheckedPath) -> Result<(), RegistryError> {
    if path.org == *expected {
        return Ok(());
    }
    let (expected, presented) = (expected.to_string(), path.org.to_string());
    Err(RegistryError::OrganisationMismatch { expected, presented })
}

/// The entry of a validator whose two paths hold.
pub(crate) fn record(
    height: u64,
    candidate: &Candidate<'_>,
    node: &CheckedPath,
    consensus: &CheckedPath,
) -> Result<ValidatorRecord, RegistryError> {
    if node.role != Role::Validator {
        let expected = Role::Validator.to_string();
        return Err(RegistryError::RoleNotFit { expected, presented: node.role });
    }
    let SubjectKey::Ed25519(consensus_key) = consensus.key else {
        let (expected, presented) = ("Ed25519".to_owned(), consensus.key.key_type().to_string());
        return Err(RegistryError::KeyTypeNotFit { expected, presented });
    };
    let node_address = candidate.node_address;
    if !is_node_address(node_address) {
        let reason =
            format!("node address {:?} is not host:port", node_address.chars().take(64).collect::<String>());
        return Err(RegistryError::ValidatorSetInvalid { reason });
    }
    Ok(ValidatorRecord {
        org: node.org.clone(),
        consensus_key,
        power: candidate.power,
        node_spki: node.spki,
        node_address: node_address.to_owned(),
        admitted_height: height,
    })
}

/// `host:port`, where the host is a name or a bracketed IPv6 address. Whether it exists is not asked.
fn is_node_address(text: &str) -> bool {
    let host_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    text.len() <= MAX_ADDRESS_BYTES
        && text.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && host.chars().all(host_char) && port.parse::<u16>().is_ok_and(|port| port != 0)
        })
}

/// Checks that the validators that are left, and signed lately, can decide.
fn check_safe(rows: &mut impl Rows, left: &[ValidatorRecord]) -> Result<(), ActError> {
    let facts: Vec<_> = left.iter().map(validator_facts).collect();
    match quorum::check_safe(&facts, None, &rows.recent_signers()?) {
        Ok(()) => Ok(()),
        // Without validators there is no quorum either; the set says so in its own words.
        Err(_) if left.is_empty() => Ok(()),
        Err(refusal) => Err(RegistryError::QuorumUnsafe { reason: refusal.to_string() }.into()),
    }
}

fn check_budget(
    rows: &mut impl Rows,
    validators: &[ValidatorRecord],
    new: &ValidatorRecord,
) -> Result<(), ActError> {
    let organisation = tables::organisation(rows, &new.org)?
        .ok_or_else(|| RegistryError::UnknownOrganisation { organisation: new.org.to_string() })?;
    let own = validators.iter().filter(|v| v.org == new.org).map(|v| v.power);
    let wanted = own.fold(new.power, u64::saturating_add);
    if wanted > organisation.power_budget {
        let budget = organisation.power_budget;
        return Err(
            RegistryError::PowerBudgetExceeded { organisation: organisation.id, budget, wanted }.into()
        );
    }
    Ok(())
}

/// The effects of a change that leaves these validators, if they make a set.
fn change_set(
    validators: &[ValidatorRecord],
    (key, row): (B256, Option<Bytes>),
    log: alloy_primitives::LogData,
    event: IdentityEvent,
) -> Result<Effects, ActError> {
    tables::validator_set(validators)
        .map_err(|error| RegistryError::ValidatorSetInvalid { reason: error.to_string() })?;
    let index = tables::validator_index(validators.iter());
    let writes = vec![(tables::validator_key(key), row), (tables::validator_index_key(), Some(index))];
    Ok(Effects { writes, logs: vec![log], events: vec![event], ..Effects::default() })
}

#[cfg(test)]
mod tests {
    use super::is_node_address;

    #[test]
    fn node_addresses_are_a_host_and_a_port() {
        for good in ["127.0.0.1:26656", "node-1.bank-a.example:1", "[::1]:26656"] {
            assert!(is_node_address(good), "{good}");
        }
        for bad in
            ["", "host", "host:", ":1", "host:0", "host:65536", "ho st:1", &format!("{}:1", "a".repeat(300))]
        {
            assert!(!is_node_address(bad), "{bad}");
        }
    }
}
