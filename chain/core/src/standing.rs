//! Whether a sender may act at all, as its certificate, its organisation and its account stand at this place in the
//! block. What it may do is for the policies to say.

use std::sync::Arc;

use alloy_primitives::TxKind;
use concordat_governance::action::Scope;
use concordat_types::{Address, B256, Holder, OrgId, ReadError, Role, receipt::Outcome};

use crate::{
    governance::tables as governance,
    identity::{CertificateId, StandingRow, is_renewal, tables},
    orders::{Binding, Shut, Stops},
    system::{Rows, is_system},
};

/// What a transaction wants of the chain, as far as standing goes.
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
    /// Whether it is in good standing itself; false while its identity is barred.
    pub active: bool,
    /// The last second at which its certificates are valid, Unix seconds.
    pub not_after: u64,
    /// Whether its organisation is in good standing.
    pub organisation_active: bool,
    /// Whether a certificate on its path is revoked.
    pub revoked: bool,
    /// The freeze that was last imposed on it and not lifted.
    pub freeze: Option<Freeze>,
    /// The orders of regulators that bear on all that it sends.
    pub stops: Stops,
}

/// A freeze, as far as it bears on transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// What is refused.
    pub scope: Scope,
    /// The last height at which it binds; zero: until it is lifted.
    pub until: u64,
}

impl Freeze {
    /// Reads the freeze of an identity whose account is marked as frozen.
    fn read(rows: &mut impl Rows, identity: Address) -> Result<Self, ReadError> {
        let frozen = governance::marked_freeze(rows, identity)?.frozen;
        Ok(Self { scope: frozen.scope, until: frozen.until })
    }

    /// Whether it refuses an action at a height.
    pub(crate) const fn refuses(&self, height: u64, action: Action) -> bool {
        let binds = self.until == 0 || height <= self.until;
        let covered = match self.scope {
            Scope::All => true,
            Scope::Outgoing => matches!(action, Action::Deploy | Action::CallContract),
        };
        binds && covered
    }
}

/// Rows that reading a standing takes: the account's, its authority, the organisation, revocations of a path, and the
/// identity of an account that is marked as rebound.
pub(crate) const STANDING_ROWS: usize = 7;

/// What an authority lends to the standing of all that it vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backing {
    /// SHA-256 of its SubjectPublicKeyInfo.
    key: B256,
    organisation: Arc<OrgId>,
    organisation_active: bool,
    revoked: bool,
}

impl Backing {
    /// Whose authority it is.
    pub(crate) const fn organisation(&self) -> &Arc<OrgId> {
        &self.organisation
    }

    /// Reads it, by the authority's number.
    pub(crate) fn read(rows: &mut impl Rows, number: u32) -> Result<Self, ReadError> {
        let authority = tables::authority(rows, number)?;
        let member = tables::organisation(rows, &authority.org)?;
        let revoked = tables::first_revoked(rows, &authority.path)?.is_some();
        let organisation_active = member.is_some_and(|organisation| organisation.active);
        let organisation = Arc::new(authority.org);
        Ok(Self { key: authority.key, organisation, organisation_active, revoked })
    }
}

/// An enrolled account: how it stands, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enrolled {
    pub(crate) standing: Standing,
    /// The address of its identity's first key: what policies, lists and freezes name.
    pub(crate) identity: Address,
    pub(crate) organisation: Arc<OrgId>,
    /// The contracts that orders keep it from.
    pub(crate) shut: Shut,
}

impl Enrolled {
    /// Reads it; `None` for accounts that were never enrolled. `backing` knows authorities by their numbers.
    pub(crate) fn read<R: Rows>(
        rows: &mut R,
        sender: Address,
        backing: impl FnOnce(&mut R, u32) -> Result<Backing, ReadError>,
    ) -> Result<Option<Self>, ReadError> {
        let Some(row) = tables::standing(rows, sender)? else { return Ok(None) };
        let StandingRow { active, frozen, ordered, rebound, role, not_after, authority, serial } = row;
        let Backing { key, organisation, organisation_active, revoked } = backing(rows, authority)?;
        let revoked = revoked || tables::revocation(rows, &CertificateId { issuer: key, serial })?.is_some();
        // Nobody else's transactions cost these reads.
        let identity = if rebound { tables::required(rows, &tables::identity_key(sender))? } else { sender };
        let freeze = frozen.then(|| Freeze::read(rows, identity)).transpose()?;
        let ordered = ordered.then(|| Binding::read(rows, identity)).transpose()?;
        let Binding { stops, shut } = ordered.unwrap_or_default();
        let standing = Standing { role, active, not_after, organisation_active, revoked, freeze, stops };
        Ok(Some(Self { standing, identity, organisation, shut }))
    }
}

/// Decides whether a sender may act now; the outcome of its transaction if not.
///
/// A renewal is what an expired certificate still allows, since nothing else could mend it.
pub fn decide_sender(
    standing: &Standing,
    height: u64,
    block_time_secs: u64,
    action: Action,
) -> Result<(), Outcome> {
    if !standing.active {
        return Err(Outcome::Barred);
    }
    if !standing.organisation_active {
        return Err(Outcome::Suspended);
    }
    if standing.revoked {
        return Err(Outcome::CertificateRevoked);
    }
    if standing.freeze.is_some_and(|freeze| freeze.refuses(height, action)) {
        return Err(Outcome::Frozen);
    }
    if standing.stops.refusing(height, action).is_some() {
        return Err(Outcome::Ordered);
    }
    if action != Action::Renew && block_time_secs > standing.not_after {
        return Err(Outcome::CertificateExpired);
    }
    // What accounts of which role may do, the policies say.
    match standing.role.holder() {
        Holder::Account => Ok(()),
        _ => Err(Outcome::RoleForbidden),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::Stop;

    const NOW: u64 = 1_000;
    const HEIGHT: u64 = 7;

    fn standing(role: Role) -> Standing {
        let (active, organisation_active, revoked) = (true, true, false);
        let (freeze, stops) = (None, Stops::default());
        Standing { role, active, not_after: NOW, organisation_active, revoked, freeze, stops }
    }

    fn word(decision: Result<(), Outcome>) -> String {
        decision.map_or_else(|outcome| format!("{outcome:?}"), |()| "yes".to_owned())
    }

    /// One line per role and action: in good standing, expired, revoked, barred, organisation suspended,
    /// frozen, frozen as far as business goes.
    fn matrix() -> String {
        let columns = "valid expired revoked barred organisation-suspended frozen frozen-outgoing";
        let mut lines = format!("role action {columns}\n");
        for role in Role::ALL {
            for action in Action::ALL {
                let good = standing(*role);
                let revoked = Standing { revoked: true, ..good };
                let barred = Standing { active: false, ..good };
                let expelled = Standing { organisation_active: false, ..good };
                let freeze = |scope| Some(Freeze { scope, until: HEIGHT });
                let frozen =
                    [Scope::All, Scope::Outgoing].map(|scope| Standing { freeze: freeze(scope), ..good });
                let cases = [
                    (&good, NOW),
                    (&good, NOW + 1),
                    (&revoked, NOW),
                    (&barred, NOW),
                    (&expelled, NOW),
                    (&frozen[0], NOW),
                    (&frozen[1], NOW),
                ];
                let words = cases.map(|(standing, at)| word(decide_sender(standing, HEIGHT, at, action)));
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
        assert_eq!(decide_sender(&operator, HEIGHT, NOW, Action::CallContract), Ok(()));
        assert_eq!(
            decide_sender(&operator, HEIGHT, NOW + 1, Action::CallContract),
            Err(Outcome::CertificateExpired)
        );
    }

    #[test]
    fn a_freeze_lapses_by_height_and_outweighs_expiry() {
        let freeze = Some(Freeze { scope: Scope::All, until: HEIGHT });
        let frozen = Standing { freeze, ..standing(Role::Operator) };
        let decide = |height, at| decide_sender(&frozen, height, at, Action::CallContract);
        assert_eq!(decide(HEIGHT, NOW + 1), Err(Outcome::Frozen));
        assert_eq!(decide(HEIGHT + 1, NOW), Ok(()));
        let freeze = Some(Freeze { scope: Scope::All, until: 0 });
        let frozen = Standing { freeze, ..frozen };
        assert_eq!(decide_sender(&frozen, u64::MAX, NOW, Action::Renew), Err(Outcome::Frozen));
    }

    #[test]
    fn an_order_lapses_by_height_and_outweighs_expiry_and_a_freeze_of_the_committee_is_told_first() {
        let all = Some(Stop { order: 7, until: HEIGHT });
        let ordered = Standing { stops: Stops { all, outgoing: None }, ..standing(Role::Operator) };
        let decide = |standing: &Standing, height| decide_sender(standing, height, NOW + 1, Action::Renew);
        assert_eq!(decide(&ordered, HEIGHT), Err(Outcome::Ordered));
        assert_eq!(decide(&ordered, HEIGHT + 1), Ok(()));
        let frozen = Standing { freeze: Some(Freeze { scope: Scope::All, until: 0 }), ..ordered };
        assert_eq!(decide(&frozen, HEIGHT), Err(Outcome::Frozen));
    }

    #[test]
    fn revocation_outweighs_expiry_suspension_outweighs_both_and_a_bar_all() {
        let mut fallen = standing(Role::Operator);
        fallen.revoked = true;
        assert_eq!(decide_sender(&fallen, HEIGHT, NOW + 1, Action::Renew), Err(Outcome::CertificateRevoked));
        fallen.organisation_active = false;
        assert_eq!(decide_sender(&fallen, HEIGHT, NOW + 1, Action::Renew), Err(Outcome::Suspended));
        fallen.active = false;
        assert_eq!(decide_sender(&fallen, HEIGHT, NOW + 1, Action::Renew), Err(Outcome::Barred));
    }
}
