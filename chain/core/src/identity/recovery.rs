//! Recovery: an identity gets another key, by two registrars of its organisation or by vote.
//!
//! An identity is the address of its first key, for good; which account acts for it changes with its keys. What names
//! the identity stays: balances that tokens keep by it, policies, lists, freezes, bars, a seat on the committee. The
//! certificate of the key before counts as revoked, so that its account is refused like any other whose certificate
//! is, for ever: at each time exactly one account can act for an identity.
//!
//! Two registrars change the key and nothing else: the person stays, by organisation, role and common name. And they wait,
//! so that whoever holds the old key hears of it and can object ([`decide_cancellation`]), as any registrar of the
//! organisation can. A freeze needs no say here: it goes over to the new key, and holds whatever comes of the request.

use alloy_primitives::Address;
use alloy_rlp::RlpEncodable;
use alloy_sol_types::SolEvent as _;
use concordat_governance::Kind;
use concordat_pki_verify::{Purpose, RevocationReason};
use concordat_types::{B256, Bytes, Role};
use sha2::{Digest as _, Sha256};

use super::{
    ActError, IdentityEvent, RegistryError,
    abi::IIdentityRegistry as abi,
    bars,
    certificates::CheckedPath,
    membership::{Act, account_of, account_writes, check_member_path},
    naming::Naming,
    records::{Account, CertificateId, Record as _, Recovery, Revocation},
    tables,
    validators::require_org,
};
use crate::{
    governance::tables as governance,
    standing::{Action, Backing, Enrolled, STANDING_ROWS, decide_sender},
    system::{Effects, Rows, Write},
};

/// For how many blocks it may be confirmed once it may be.
pub(crate) const RECOVERY_BLOCKS: u64 = 10_000;

/// For how many blocks at least a request can be objected to before it may be confirmed.
pub(crate) const RECOVERY_NOTICE_BLOCKS: u64 = 100;

/// Rows that reading a request takes: itself, and the rule of recoveries by vote.
pub(crate) const PENDING_ROWS: usize = 2;

/// Rows that [`rebind`] reads: the account, its identity, revocation and request, and the new key's authority.
pub(crate) const REBIND_ROWS: usize = 10;

/// Rows that a request reads: sender and account, the identity, the request, the rule, the committee, the new key.
pub(crate) const REQUEST_ROWS: usize = 13;

/// Rows that a confirmation reads besides: the requester, how it stands, and what [`rebind`] reads.
pub(crate) const CONFIRMATION_ROWS: usize = REQUEST_ROWS + 3 + STANDING_ROWS + REBIND_ROWS;

/// Rows that a cancellation reads.
pub(crate) const CANCELLATION_ROWS: usize = 8;

/// When a key is replaced, and by whose decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided {
    /// Block height.
    pub(crate) height: u64,
    /// Block time, Unix seconds.
    pub(crate) time_secs: u64,
    /// The proposal; zero where the organisation decides.
    pub(crate) proposal: u64,
}

/// Decides a registrar's request to replace an account.
pub(crate) fn decide_request(
    rows: &mut impl Rows,
    act: Act,
    old: Address,
    chain: &[Bytes],
    naming: &Naming,
) -> Result<Effects, ActError> {
    let account = check_old(rows, act, old)?;
    let (pending, notice) = (pending(rows, old, act.height)?, notice(rows)?);
    if let Some(Pending { window, .. }) = pending {
        return Err(RegistryError::RecoveryPending { account: old, expires: window.expires }.into());
    }
    let path = check_new(rows, act, &account, chain, naming)?;
    let request = Recovery {
        digest: digest(old, chain),
        new_account: address(&path)?,
        requester: act.sender,
        requested: act.height,
    };
    let log = abi::RecoveryRequested {
        oldAccount: old,
        newAccount: request.new_account,
        requester: act.sender,
        digest: request.digest,
        expires: Window::of(&request, notice).expires,
    };
    Ok(Effects {
        writes: vec![(tables::recovery_key(old), Some(request.to_row()))],
        logs: vec![log.encode_log_data()],
        ..Effects::default()
    })
}

/// Decides another registrar's confirmation, by which the account is replaced.
pub(crate) fn decide_confirmation(
    rows: &mut impl Rows,
    act: Act,
    old: Address,
    chain: &[Bytes],
    naming: &Naming,
) -> Result<Effects, ActError> {
    let account = check_old(rows, act, old)?;
    let pending = pending(rows, old, act.height)?.ok_or(RegistryError::NoRecovery { account: old })?;
    let Pending { request, window } = pending;
    let (requested, confirmed) = (request.digest, digest(old, chain));
    if requested != confirmed {
        return Err(RegistryError::OtherRecovery { requested, confirmed }.into());
    }
    check_other_person(rows, act.sender, request.requester)?;
    if act.height < window.earliest {
        return Err(RegistryError::RecoveryTooEarly { account: old, earliest: window.earliest }.into());
    }
    check_requester(rows, act, request.requester)?;
    let path = check_new(rows, act, &account, chain, naming)?;
    let decided = Decided { height: act.height, time_secs: act.time_secs, proposal: 0 };
    rebind(rows, old, &path, decided)
}

/// Decides an objection, or that a request is taken back: by any registrar of the organisation, or by the account itself,
/// which still has its key. Whoever stole that objects as well, until its certificate is revoked or it is frozen.
pub(crate) fn decide_cancellation(rows: &mut impl Rows, act: Act, old: Address) -> Result<Effects, ActError> {
    let account = tables::account(rows, old)?.ok_or(RegistryError::NotEnrolled { account: old })?;
    if act.sender != old {
        check_registrar(rows, act, &account)?;
    }
    pending(rows, old, act.height)?.ok_or(RegistryError::NoRecovery { account: old })?;
    let log = abi::RecoveryCancelled { oldAccount: old, by: act.sender };
    Ok(Effects {
        writes: vec![(tables::recovery_key(old), None)],
        logs: vec![log.encode_log_data()],
        ..Effects::default()
    })
}

/// The heights at which a request may be confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first.
    pub(crate) earliest: u64,
    /// The last.
    pub(crate) expires: u64,
}

impl Window {
    const fn of(request: &Recovery, notice: u64) -> Self {
        let earliest = request.requested.saturating_add(notice);
        Self { earliest, expires: earliest.saturating_add(RECOVERY_BLOCKS) }
    }
}

/// A request that has not lapsed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    pub(crate) request: Recovery,
    pub(crate) window: Window,
}

/// How long a request can be objected to: no shorter than what the committee grants where it recovers a key itself.
fn notice(rows: &mut impl Rows) -> Result<u64, ActError> {
    Ok(governance::rule(rows, Kind::RecoverKey)?.timelock_blocks.max(RECOVERY_NOTICE_BLOCKS))
}

/// The request to replace an account, if it has not lapsed.
pub(crate) fn pending(rows: &mut impl Rows, old: Address, height: u64) -> Result<Option<Pending>, ActError> {
    let Some(request) = tables::recovery(rows, old)? else { return Ok(None) };
    let window = Window::of(&request, notice(rows)?);
    Ok((height <= window.expires).then_some(Pending { request, window }))
}

#[derive(RlpEncodable)]
struct Asked {
    old: Address,
    chain: Vec<Bytes>,
}

/// What a request is for, so that its confirmation is for the same.
fn digest(old: Address, chain: &[Bytes]) -> B256 {
    B256::from_slice(&Sha256::digest(alloy_rlp::encode(Asked { old, chain: chain.to_vec() })))
}

/// The account to be replaced, if the sender may ask for that.
fn check_old(rows: &mut impl Rows, act: Act, old: Address) -> Result<Account, ActError> {
    let account = tables::account(rows, old)?.ok_or(RegistryError::NotEnrolled { account: old })?;
    check_registrar(rows, act, &account)?;
    if act.sender == old {
        return Err(RegistryError::NotAnotherRegistrar { account: old }.into());
    }
    // Whoever governs or supervises is not left to its own organisation.
    if matches!(account.role, Role::CommitteeMember | Role::Regulator) {
        return Err(RegistryError::RecoveryByVote { account: old, role: account.role }.into());
    }
    let by = tables::bound(rows, old)?.account;
    if by != old {
        return Err(RegistryError::AccountReplaced { account: old, by }.into());
    }
    if account.active { Ok(account) } else { Err(RegistryError::Barred { account: old }.into()) }
}

fn check_registrar(rows: &mut impl Rows, act: Act, account: &Account) -> Result<(), ActError> {
    let sender = tables::account(rows, act.sender)?;
    match sender.filter(|sender| sender.role == Role::Registrar && sender.org == account.org) {
        Some(_) => Ok(()),
        None => {
            let (sender, organisation) = (act.sender, account.org.clone());
            Err(RegistryError::NotRegistrar { sender, organisation }.into())
        }
    }
}

/// Two accounts of one subject are one person with two keys.
fn check_other_person(rows: &mut impl Rows, sender: Address, requester: Address) -> Result<(), ActError> {
    let person = |rows: &mut _, address| -> Result<_, ActError> {
        let account =
            tables::account(rows, address)?.ok_or(RegistryError::NotEnrolled { account: address })?;
        Ok(bars::subject(&account.org, &account.common_name))
    };
    let same_identity = tables::bound(rows, requester)?.account == sender;
    if same_identity || person(rows, sender)? == person(rows, requester)? {
        return Err(RegistryError::NotAnotherRegistrar { account: sender }.into());
    }
    Ok(())
}

/// Whoever asked must still be able to: who has fallen since leaves nothing behind to be confirmed.
fn check_requester(rows: &mut impl Rows, act: Act, requester: Address) -> Result<(), ActError> {
    let enrolled = Enrolled::read(rows, requester, Backing::read)?;
    let able = enrolled.filter(|Enrolled { standing, .. }| {
        decide_sender(standing, act.height, act.time_secs, Action::CallSystem).is_ok()
    });
    match able {
        Some(_) => Ok(()),
        None => Err(RegistryError::RequesterFell { account: requester }.into()),
    }
}

/// The path of the new key, if it is another key of the same person: for the same organisation, role and common name, which
/// are compared as bars compare them. By vote the name may become another one, as the voters are shown.
fn check_new(
    rows: &mut impl Rows,
    act: Act,
    account: &Account,
    chain: &[Bytes],
    naming: &Naming,
) -> Result<CheckedPath, ActError> {
    let path = check_member_path(rows, chain, Purpose::Account, act.time_secs)?;
    bars::check_orders(rows, &path, act.height)?;
    require_org(&account.org, &path)?;
    if path.role != account.role {
        let (held, presented) = (account.role, path.role);
        return Err(RegistryError::RecoveryChangesRole { held, presented }.into());
    }
    if bars::subject(&path.org, &path.common_name) != bars::subject(&account.org, &account.common_name) {
        let (held, presented) = (account.common_name.clone(), path.common_name);
        return Err(RegistryError::RecoveryChangesName { held, presented }.into());
    }
    let new = address(&path)?;
    let enrolled = tables::standing(rows, new)?.is_some();
    if enrolled || governance::committee(rows)?.member(&new).is_some() {
        return Err(RegistryError::KeyInUse { account: new }.into());
    }
    naming.check(new)?;
    Ok(path)
}

fn address(path: &CheckedPath) -> Result<Address, RegistryError> {
    let no_account = || RegistryError::CertificateInvalid { reason: "the key controls no account".into() };
    path.address().ok_or_else(no_account)
}

/// Gives an account's identity another key. The caller has checked that it may.
pub(crate) fn rebind(
    rows: &mut impl Rows,
    old: Address,
    path: &CheckedPath,
    decided: Decided,
) -> Result<Effects, ActError> {
    let replaced = tables::account(rows, old)?.ok_or(RegistryError::NotEnrolled { account: old })?;
    let (identity, new) = (tables::identity_of(rows, old)?, address(path)?);
    let Account { active, frozen, ordered, .. } = replaced;
    let account = Account { active, frozen, ordered, rebound: true, ..account_of(new, path, decided.height) };
    let mut writes = account_writes(rows, &account)?;
    writes.push((tables::identity_key(new), Some(identity.to_row())));
    writes.push((tables::identity_account_key(identity), Some(new.to_row())));
    if tables::recovery(rows, old)?.is_some() {
        writes.push((tables::recovery_key(old), None));
    }
    let mut events = retire(rows, &replaced, decided, &mut writes)?;
    events.push(IdentityEvent::IdentityRebound { identity, before: old, after: new });
    let log =
        abi::IdentityRebound { identity, oldAccount: old, newAccount: new, proposalId: decided.proposal };
    Ok(Effects { writes, logs: vec![log.encode_log_data()], events, ..Effects::default() })
}

/// The certificate of a replaced key counts as revoked; the marks of a freeze and of orders go over to the new account.
fn retire(
    rows: &mut impl Rows,
    replaced: &Account,
    decided: Decided,
    writes: &mut Vec<Write>,
) -> Result<Vec<IdentityEvent>, ActError> {
    if replaced.frozen || replaced.ordered {
        let key = tables::standing_key(replaced.address);
        let standing = tables::standing(rows, replaced.address)?;
        let unmarked = |standing| super::StandingRow { frozen: false, ordered: false, ..standing }.to_row();
        let unmarked = standing.map(unmarked);
        writes.push((key, unmarked));
    }
    let Some(id) = replaced.path.first() else { return Ok(Vec::new()) };
    if tables::revocation(rows, id)?.is_some() {
        return Ok(Vec::new());
    }
    let reason = RevocationReason::Superseded.code();
    let row = Revocation { reason, revoked_at: decided.time_secs, height: decided.height };
    writes.push((tables::revocation_key(id), Some(row.to_row())));
    let CertificateId { issuer, serial } = id.clone();
    Ok(vec![IdentityEvent::CertificateRevoked { issuer, serial }])
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    #[test]
    fn the_digest_of_a_request_is_golden_and_binds_account_and_path() {
        let (old, chain) = (Address::repeat_byte(7), [Bytes::from_static(b"der")]);
        let golden = "c5198ab42813d73a98a9054445dddd0a924631b39bfd0a215c841c654837b340";
        assert_eq!(hex::encode(digest(old, &chain)), golden);
        assert_ne!(digest(Address::repeat_byte(8), &chain), digest(old, &chain));
        assert_ne!(digest(old, &[chain[0].clone(), chain[0].clone()]), digest(old, &chain));
    }

    #[test]
    fn a_request_is_confirmed_within_ten_thousand_blocks_after_its_notice_and_no_height_overflows() {
        let window = |requested, notice| {
            let Window { earliest, expires } =
                Window::of(&Recovery { requested, ..Recovery::default() }, notice);
            (earliest, expires)
        };
        assert_eq!(window(5, 100), (105, 10_105));
        assert_eq!(window(u64::MAX - 1, 100), (u64::MAX, u64::MAX));
    }
}
