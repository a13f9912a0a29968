//! Revocation by CRL.
//!
//! A revocation is for good: a later CRL that no longer lists a certificate does not bring it back, since
//! what was refused in between cannot be undone. Renew with a new certificate before revoking the old one.

use alloy_sol_types::SolEvent as _;
use concordat_types::{B256, Bytes, OrgId};

use super::{
    ActError, IdentityEvent, RegistryError,
    abi::IIdentityRegistry as abi,
    certificates::{self, CheckedCrl},
    membership::Act,
    records::{CertificateId, CrlState, Record, Revocation},
    tables,
};
use crate::system::{Effects, GasMeter, Rows, SystemError, gas};

/// The most entries of a CRL that one call takes.
pub(crate) const MAX_CRL_ENTRIES: usize = 2_000;

/// Decides a CRL. Entries are charged for as they are met.
pub(crate) fn decide_crl(
    rows: &mut impl Rows,
    meter: &mut GasMeter,
    act: Act,
    crl: &[u8],
    issuer_chain: &[Bytes],
) -> Result<Effects, SystemError> {
    if tables::standing(rows, act.sender)?.is_none() {
        return Err(ActError::from(RegistryError::NotEnrolled { account: act.sender }).into());
    }
    let (org, list) = check_crl(rows, crl, issuer_chain, act.time_secs)?;
    if list.entries.len() > MAX_CRL_ENTRIES {
        let (entries, limit) = (list.entries.len(), MAX_CRL_ENTRIES);
        return Err(ActError::from(RegistryError::CrlTooLong { entries, limit }).into());
    }
    meter.charge_each(list.entries.len(), gas::CRL_ENTRY.saturating_add(gas::ROW_READ))?;
    Ok(take_in(rows, act, &org, &list)?)
}

fn check_crl(
    rows: &mut impl Rows,
    crl: &[u8],
    issuer_chain: &[Bytes],
    at: u64,
) -> Result<(OrgId, CheckedCrl), ActError> {
    let (crl, org) = certificates::parse_crl(crl)?;
    let organisation = tables::organisation(rows, &org)?
        .ok_or_else(|| RegistryError::UnknownOrganisation { organisation: org.to_string() })?;
    let issuer_chain = certificates::parse_chain(issuer_chain)?;
    let anchors = certificates::anchors(&organisation.ca_certificates)?;
    let list = certificates::check_list(&crl, &issuer_chain, &anchors, at)?;
    if let Some(id) = tables::first_revoked(rows, &list.issuer_path)? {
        return Err(RegistryError::PathRevoked { id: id.clone() }.into());
    }
    match tables::crl(rows, list.issuer)? {
        Some(last) if list.number <= last.number => {
            let (issuer, current, presented) = (list.issuer, last.number, list.number);
            Err(RegistryError::CrlNotNewer { issuer, current, presented }.into())
        }
        _ => Ok((org, list)),
    }
}

/// The effects of a CRL that holds: what it newly revokes, and its number.
fn take_in(rows: &mut impl Rows, act: Act, org: &OrgId, list: &CheckedCrl) -> Result<Effects, ActError> {
    let mut effects = Effects::default();
    let mut newly_revoked: u64 = 0;
    for entry in &list.entries {
        let id = CertificateId { issuer: list.issuer, serial: entry.serial.clone() };
        if tables::revocation(rows, &id)?.is_none() {
            newly_revoked = newly_revoked.saturating_add(1);
            let row = Revocation { reason: entry.reason, revoked_at: entry.revoked_at, height: act.height };
            revoke(&mut effects, &id, &row);
        }
    }
    let state = CrlState { number: list.number, this_update: list.this_update, height: act.height };
    effects.writes.push((tables::crl_key(list.issuer), Some(state.to_row())));
    effects.logs.push(accepted(list.issuer, org, list.number, newly_revoked).encode_log_data());
    effects.events.push(IdentityEvent::CrlAccepted {
        org: org.clone(),
        issuer: list.issuer,
        number: list.number,
    });
    Ok(effects)
}

fn revoke(effects: &mut Effects, id: &CertificateId, row: &Revocation) {
    let log = abi::CertificateRevoked {
        issuer: id.issuer,
        serial: id.serial.clone(),
        reason: row.reason,
        revokedAt: row.revoked_at,
    };
    effects.writes.push((tables::revocation_key(id), Some(row.to_row())));
    effects.logs.push(log.encode_log_data());
    effects.events.push(IdentityEvent::CertificateRevoked { issuer: id.issuer, serial: id.serial.clone() });
}

fn accepted(issuer: B256, org: &OrgId, number: u64, newly_revoked: u64) -> abi::CrlAccepted {
    abi::CrlAccepted { issuer, organisation: org.to_string(), number, newlyRevoked: newly_revoked }
}
