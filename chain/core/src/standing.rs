//! Whether a sender may do what its transaction asks for, as its certificate, its organisation and its
//! role stand at this place in the block.

use alloy_primitives::TxKind;
use concordat_types::{Address, B256, Holder, ReadError, Role, receipt::Outcome};

use crate::{
    identity::{CertificateId, StandingRow, is_renewal, tables},
    system::{Rows, is_system},
};

/// What a transaction wants of the chain, as far as roles go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To make a contract at top level.
    Deploy,
    /// To call anything but a system contract.
    CallContract,
    /// To call a system contract, which has rules of its own.
    CallSystem,
    /// To renew the sender's own certificate.
    Renew,
}

impl Action {
    /// Every action.
    pub const ALL: [Action; 4] = [Action::Deploy, Action::CallContract, Action::CallSystem, Action::Renew];

    /// What a transaction with this callee and input wants.
    pub fn of(kind: TxKind, input: &[u8]) -> Self {
        match kind {
            TxKind::Create => Action::Deploy,
            TxKind::Call(to) if is_renewal(&to, input) => Action::Renew,
            TxKind::Call(to) if is_system(&to) => Action::CallSystem,
            TxKind::Call(_) => Action::CallContract,
        }
    }
}

/// All facts about a sender that bear on its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its role.
    pub role: Role,
    /// Whether it is in good standing itself.
    pub active: bool,
    /// The last second at which its certificates are valid, Unix seconds.
    pub not_after: u64,
    /// Whether its organisation is in good standing.
    pub organisation_active: bool,
    /// Whether a certificate on its path is revoked.
    pub revoked: bool,
}

/// What an authority lends to the standing of all that it vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backing {
    /// SHA-256 of its SubjectPublicKeyInfo.
    key: B256,
    organisation_active: bool,
    revoked: bool,
}

impl Backing {
    /// Reads it, by the authority's number.
    pub(crate) fn read(rows: &mut impl Rows, number: u32) -> Result<Self, ReadError> {
        let authority = tables::authority(rows, number)?;
        let organisation = tables::organisation(rows, &authority.org)?;
        let revoked = tables::first_revoked(rows, &authority.path)?.is_some();
        let organisation_active = organisation.is_some_and(|organisation| organisation.active);
        Ok(Self { key: authority.key, organisation_active, revoked })
    }
}

impl Standing {
    /// Reads a sender's standing; `None` for accounts that were never enrolled. `backing` knows authorities by
    /// their numbers.
    pub(crate) fn read<R: Rows>(
        rows: &mut R,
        sender: Address,
        backing: impl FnOnce(&mut R, u32) -> Result<Backing, ReadError>,
    ) -> Result<Option<Self>, ReadError> {
        let Some(row) = tables::standing(rows, sender)? else { return Ok(None) };
        let StandingRow { active, role, not_after, authority, serial } = row;
        let Backing { key, organisation_active, revoked } = backing(rows, authority)?;
        let revoked = revoked || tables::revocation(rows, &CertificateId { issuer: key, serial })?.is_some();
        Ok(Some(Self { role, active, not_after, organisation_active, revoked }))
    }
}

/// Decides whether a sender may act now; the outcome of its transaction if not.
///
/// A renewal is what an expired certificate still allows, since nothing else could mend it.
pub fn decide_sender(standing: &Standing, block_time_secs: u64, action: Action) -> Result<(), Outcome> {
    if !standing.active || !standing.organisation_active {
        return Err(Outcome::Suspended);
    }
    if standing.revoked {
        return Err(Outcome::CertificateRevoked);
    }
    if action != Action::Renew && block_time_secs > standing.not_after {
        return Err(Outcome::CertificateExpired);
    }
    if !role_may(standing.role, action) {
        return Err(Outcome::RoleForbidden);
    }
    Ok(())
}

/// The role × action matrix. Who governs or supervises never does business.
const fn role_may(role: Role, action: Action) -> bool {
    match action {
        Action::CallSystem | Action::Renew => matches!(role.holder(), Holder::Account),
        Action::CallContract => matches!(role, Role::Operator | Role::Developer),
        Action::Deploy => matches!(role, Role::Developer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000;

    fn standing(role: Role) -> Standing {
        Standing { role, active: true, not_after: NOW, organisation_active: true, revoked: false }
    }

    fn word(decision: Result<(), Outcome>) -> String {
        decision.map_or_else(|outcome| format!("{outcome:?}"), |()| "yes".to_owned())
    }

    /// One line per role and action: in good standing, expired, revoked, account suspended, organisation suspended.
    fn matrix() -> String {
        let mut lines = String::from("role action valid expired revoked suspended organisation-suspended\n");
        for role in Role::ALL {
            for action in Action::ALL {
                let good = standing(*role);
                let revoked = Standing { revoked: true, ..good };
                let suspended = Standing { active: false, ..good };
                let expelled = Standing { organisation_active: false, ..good };
                let cases =
                    [(&good, NOW), (&good, NOW + 1), (&revoked, NOW), (&suspended, NOW), (&expelled, NOW)];
                let words = cases.map(|(standing, at)| word(decide_sender(standing, at, action)));
                lines.push_str(&format!("{role} {action:?} {}\n", words.join(" ")));
            }
        }
        lines
    }

    #[test]
    fn the_matrix_of_roles_and_actions_is_the_reviewed_one() {
        assert_eq!(matrix(), include_str!("../tests/data/role_matrix.txt"));
    }

    #[test]
    fn a_certificate_holds_through_the_last_second_of_its_validity() {
        let operator = standing(Role::Operator);
        assert_eq!(decide_sender(&operator, NOW, Action::CallContract), Ok(()));
        assert_eq!(decide_sender(&operator, NOW + 1, Action::CallContract), Err(Outcome::CertificateExpired));
    }

    #[test]
    fn revocation_outweighs_expiry_and_suspension_outweighs_both() {
        let mut fallen = standing(Role::Operator);
        fallen.revoked = true;
        assert_eq!(decide_sender(&fallen, NOW + 1, Action::Renew), Err(Outcome::CertificateRevoked));
        fallen.organisation_active = false;
        assert_eq!(decide_sender(&fallen, NOW + 1, Action::Renew), Err(Outcome::Suspended));
    }
}
