//! Enrolment and renewal: how a certificate becomes an account's standing.

use alloy_sol_types::SolEvent as _;
use concordat_pki_verify::Purpose;
use concordat_types::{Address, Bytes, identity::Holder};

use super::{
    ActError, IdentityEvent, RegistryError,
    abi::IIdentityRegistry as abi,
    bars,
    certificates::{self, CheckedPath},
    records::{Account, Authority, Organisation, Record},
    tables,
};
use crate::{
    account::corrupt,
    system::{Effects, RowKey, Rows, Write},
};

/// Where and when an act takes place, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act {
    /// Who acts.
    pub(crate) sender: Address,
    /// Block height.
    pub(crate) height: u64,
    /// Block time, Unix seconds.
    pub(crate) time_secs: u64,
}

/// Decides an enrolment.
pub(crate) fn decide_enrolment(rows: &mut impl Rows, act: Act, chain: &[Bytes]) -> Result<Effects, ActError> {
    if tables::standing(rows, act.sender)?.is_some() {
        return Err(RegistryError::AlreadyEnrolled { account: act.sender }.into());
    }
    let path = check_own_path(rows, act, chain)?;
    let account = account_of(act.sender, &path, act.height);
    let log = abi::AccountEnrolled {
        account: act.sender,
        organisation: path.org.to_string(),
        role: path.role.to_string(),
        fingerprint: path.fingerprint,
        notAfter: path.not_after,
    };
    let event = IdentityEvent::AccountEnrolled { address: act.sender, org: path.org };
    effects(rows, &account, log.encode_log_data(), event)
}

/// Decides a renewal. An expired certificate is no obstacle; a revoked one is, since its standing was
/// decided before: [`crate::standing::decide_sender`].
pub(crate) fn decide_renewal(rows: &mut impl Rows, act: Act, chain: &[Bytes]) -> Result<Effects, ActError> {
    let current =
        tables::account(rows, act.sender)?.ok_or(RegistryError::NotEnrolled { account: act.sender })?;
    let path = check_own_path(rows, act, chain)?;
    check_renewal(&current, &path)?;
    let Account { active, frozen, ordered, rebound, enrolled_height, .. } = current;
    let renewed =
        Account { active, frozen, ordered, rebound, ..account_of(act.sender, &path, enrolled_height) };
    let log = abi::CertificateRenewed {
        account: act.sender,
        fingerprint: path.fingerprint,
        notAfter: path.not_after,
    };
    let event = IdentityEvent::CertificateRenewed { address: act.sender, org: path.org };
    effects(rows, &renewed, log.encode_log_data(), event)
}

fn check_renewal(current: &Account, path: &CheckedPath) -> Result<(), RegistryError> {
    let same = [
        ("organisation", current.org.to_string(), path.org.to_string()),
        ("role", current.role.to_string(), path.role.to_string()),
    ];
    for (what, enrolled, presented) in same {
        if enrolled != presented {
            return Err(RegistryError::RenewalChanges { what, enrolled, presented });
        }
    }
    if path.not_after <= current.not_after {
        let (current, presented) = (current.not_after, path.not_after);
        return Err(RegistryError::RenewalNotLater { current, presented });
    }
    Ok(())
}

/// Checks that a chain vouches for the sender's own key.
fn check_own_path(rows: &mut impl Rows, act: Act, chain: &[Bytes]) -> Result<CheckedPath, ActError> {
    let path = check_member_path(rows, chain, Purpose::Account, act.time_secs)?;
    bars::check_orders(rows, &path, act.height)?;
    let certified = path.address().unwrap_or_default();
    if certified != act.sender {
        return Err(RegistryError::KeyMismatch { certified, sender: act.sender }.into());
    }
    Ok(path)
}

/// Checks a chain against the organisation that it names: path, grantable role, revocations, bars.
pub(crate) fn check_member_path(
    rows: &mut impl Rows,
    chain: &[impl AsRef<[u8]>],
    purpose: Purpose,
    at: u64,
) -> Result<CheckedPath, ActError> {
    let chain = certificates::parse_chain(chain)?;
    let org = certificates::claimed_org(&chain)?;
    let organisation = tables::organisation(rows, org)?
        .ok_or_else(|| RegistryError::UnknownOrganisation { organisation: org.to_string() })?;
    let path = check_against(&organisation, &chain, purpose, at)?;
    if let Some(id) = tables::first_revoked(rows, &path.ids)? {
        return Err(RegistryError::PathRevoked { id: id.clone() }.into());
    }
    bars::check_path(rows, &path, purpose)?;
    Ok(path)
}

fn check_against(
    organisation: &Organisation,
    chain: &[concordat_pki_verify::Certificate],
    purpose: Purpose,
    at: u64,
) -> Result<CheckedPath, RegistryError> {
    if !organisation.active {
        return Err(RegistryError::OrganisationSuspended { organisation: organisation.id.clone() });
    }
    let anchors = certificates::anchors(&organisation.ca_certificates)?;
    let path = certificates::check(chain, &anchors, at, purpose)?;
    // An organisation that may run validators also issues the keys of their votes and servers.
    let implied = matches!(path.role.holder(), Holder::ConsensusKey | Holder::Server);
    if !implied && !organisation.roles.contains(&path.role) {
        return Err(RegistryError::RoleNotGrantable {
            organisation: organisation.id.clone(),
            role: path.role,
        });
    }
    Ok(path)
}

/// The account of a key that a path vouches for.
pub(super) fn account_of(address: Address, path: &CheckedPath, enrolled_height: u64) -> Account {
    Account {
        address,
        org: path.org.clone(),
        role: path.role,
        common_name: path.common_name.clone(),
        path: path.ids.clone(),
        fingerprint: path.fingerprint,
        not_before: path.not_before,
        not_after: path.not_after,
        enrolled_height,
        active: true,
        frozen: false,
        ordered: false,
        rebound: false,
    }
}

fn effects(
    rows: &mut impl Rows,
    account: &Account,
    log: alloy_primitives::LogData,
    event: IdentityEvent,
) -> Result<Effects, ActError> {
    let writes = account_writes(rows, account)?;
    Ok(Effects { writes, logs: vec![log], events: vec![event], ..Effects::default() })
}

/// What must be written to keep an account, its authority's number included.
pub(super) fn account_writes(rows: &mut impl Rows, account: &Account) -> Result<Vec<Write>, ActError> {
    let no_path = || RegistryError::CertificateInvalid { reason: "no certificate".into() };
    let (authority, mut writes) = number(rows, &account.authority().ok_or_else(no_path)?)?;
    writes.extend(account_rows(account, authority).map(|(key, row)| (key, Some(row))));
    Ok(writes)
}

/// The rows that hold an account.
pub(crate) fn account_rows(account: &Account, authority: u32) -> [(RowKey, Bytes); 3] {
    [
        (tables::standing_key(account.address), account.standing(authority).to_row()),
        (tables::details_key(account.address), account.details().to_row()),
        (tables::certificate_key(account.fingerprint), account.address.to_row()),
    ]
}

/// An authority's number, and what must be written to give it one if it has none.
fn number(rows: &mut impl Rows, authority: &Authority) -> Result<(u32, Vec<Write>), ActError> {
    if let Some(number) = tables::authority_number(rows, authority)? {
        return Ok((number, Vec::new()));
    }
    let number = tables::authority_count(rows)?;
    let count = number.checked_add(1).ok_or_else(|| corrupt("the count of authorities"))?;
    let writes = vec![
        (tables::authority_key(number), Some(authority.to_row())),
        (tables::authority_number_key(authority), Some(number.to_row())),
        (tables::authority_count_key(), Some(count.to_row())),
    ];
    Ok((number, writes))
}
