//! Who somebody is and what may be shown: decided from the registry's rows, as of one block. Pure.

use concordat_sql::read::{Account, Scope, Tip};
use concordat_types::Address;

use crate::{
    problem::{Kind, Problem},
    tls::Shown,
};

/// What somebody does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Office {
    /// Reads the ledger, as far as the mandate goes.
    Regulator,
    /// Reads what was read, and nothing of the ledger's business.
    Auditor,
}

/// Somebody who may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) account: Address,
    pub(crate) organisation: String,
    pub(crate) office: Office,
    /// Whose law the mandate is under. It narrows nothing: organisations and contracts do. An auditor has none.
    pub(crate) jurisdiction: Option<String>,
    /// What the mandate covers. An auditor has none.
    pub(crate) scope: Scope,
}

/// Decides about a certificate whose key is proven, by the row of its account as of the newest block, at a time in Unix
/// seconds. Whatever is missing is a refusal.
pub(crate) fn judge(
    shown: &Shown,
    account: Option<&Account>,
    tip: &Tip,
    now: u64,
) -> Result<Caller, Problem> {
    let refuse = |kind: Kind, detail: &str| Err(Problem::new(kind, detail));
    let (Some(address), Some(found)) = (shown.account, account) else {
        return refuse(Kind::NotEnrolled, "enrol the account first; certificates shown here have P-256 keys");
    };
    if found.removed {
        return refuse(Kind::NotEnrolled, "the account was removed");
    }
    if found.fingerprint.as_deref() != Some(shown.certificate.as_slice()) {
        return refuse(Kind::OtherCertificate, "show the newest one that was enrolled or renewed");
    }
    if found.revoked {
        return refuse(Kind::CertificateRevoked, "enrol with another certificate");
    }
    // The later of both clocks: neither a slow one nor a chain that stands still makes a certificate live longer.
    let block_time = u64::try_from(tip.time_ms.checked_div(1000).unwrap_or_default()).unwrap_or_default();
    if !u64::try_from(found.not_after).is_ok_and(|last| now.max(block_time) <= last) {
        return refuse(Kind::CertificateExpired, "renew it");
    }
    if found.status != "active" && found.status != "frozen" {
        return refuse(Kind::Barred, "ask the committee");
    }
    let organisation = match &found.organisation {
        Some(organisation) if found.organisation_active => organisation.clone(),
        _ => return refuse(Kind::Suspended, "ask the committee"),
    };
    if is_shut_out(found, tip.height) {
        return refuse(Kind::Frozen, "a freeze of scope `all` binds it");
    }
    if let Some(order) = found.order {
        return refuse(Kind::Frozen, &format!("order {order} of a regulator shuts it out"));
    }
    let (office, scope) = office(found, tip.height)?;
    let mandate = found.mandate.as_ref().filter(|_| office == Office::Regulator);
    let jurisdiction = mandate.map(|mandate| mandate.jurisdiction.clone());
    Ok(Caller { account: address, organisation, office, jurisdiction, scope })
}

/// Whether a freeze bears on reading: of scope `all`, not one that stops business alone. A mark without a freeze that
/// explains it binds.
fn is_shut_out(found: &Account, height: i64) -> bool {
    match &found.freeze {
        _ if found.status != "frozen" => false,
        Some((scope, until)) => scope != "outgoing" && (*until == 0 || height <= *until),
        None => true,
    }
}

fn office(found: &Account, height: i64) -> Result<(Office, Scope), Problem> {
    match (found.role.as_str(), &found.mandate) {
        ("auditor", _) => Ok((Office::Auditor, Scope::default())),
        ("regulator", Some(mandate)) => {
            let holds = mandate.until == 0 || height <= mandate.until;
            if holds && mandate.observes {
                return Ok((Office::Regulator, mandate.scope.clone()));
            }
            Err(Problem::new(Kind::NoMandate, "the mandate has ended, or lacks the power `observe`"))
        }
        ("regulator", None) => Err(Problem::new(Kind::NoMandate, "the committee registers regulators")),
        _ => Err(Problem::new(Kind::Role, "regulators and auditors come here")),
    }
}

#[cfg(test)]
mod tests {
    use concordat_sql::read::MandateFacts;

    use super::*;
    use crate::token::tests::shown;

    fn account() -> Account {
        Account {
            removed: false,
            status: "active".into(),
            role: "regulator".into(),
            not_after: 2_000,
            fingerprint: Some(vec![1; 32]),
            organisation: Some("regulator-a".into()),
            organisation_active: true,
            revoked: false,
            freeze: None,
            order: None,
            mandate: Some(mandate()),
        }
    }

    fn mandate() -> MandateFacts {
        MandateFacts { jurisdiction: "EU".into(), scope: Scope::default(), observes: true, until: 0 }
    }

    fn tip(height: i64, seconds: i64) -> Tip {
        Tip { chain_id: "c".into(), height, hash: vec![], time_ms: seconds * 1000, digest: vec![] }
    }

    fn kind(account: Option<Account>) -> Option<Kind> {
        judge(&shown(1), account.as_ref(), &tip(9, 1_000), 1_000).err().map(|problem| problem.kind)
    }

    #[test]
    fn a_regulator_with_a_mandate_and_an_auditor_come_in() {
        assert_eq!(kind(Some(account())), None);
        let auditor = Account { role: "auditor".into(), mandate: None, ..account() };
        let caller = judge(&shown(1), Some(&auditor), &tip(9, 1_000), 1_000).unwrap();
        assert_eq!(caller.office, Office::Auditor);
    }

    #[test]
    fn every_fact_that_is_wrong_or_missing_refuses() {
        let mandate = |mandate: MandateFacts| Account { mandate: Some(mandate), ..account() };
        let refused = [
            (Account { removed: true, ..account() }, Kind::NotEnrolled),
            (Account { fingerprint: Some(vec![2; 32]), ..account() }, Kind::OtherCertificate),
            (Account { fingerprint: None, ..account() }, Kind::OtherCertificate),
            (Account { revoked: true, ..account() }, Kind::CertificateRevoked),
            (Account { not_after: 999, ..account() }, Kind::CertificateExpired),
            (Account { not_after: -1, ..account() }, Kind::CertificateExpired),
            (Account { status: "inactive".into(), ..account() }, Kind::Barred),
            (Account { status: "whatever".into(), ..account() }, Kind::Barred),
            (Account { organisation: None, ..account() }, Kind::Suspended),
            (Account { organisation_active: false, ..account() }, Kind::Suspended),
            (Account { role: "operator".into(), ..account() }, Kind::Role),
            (Account { mandate: None, ..account() }, Kind::NoMandate),
            (mandate(MandateFacts { until: 8, ..self::mandate() }), Kind::NoMandate),
            (mandate(MandateFacts { observes: false, ..self::mandate() }), Kind::NoMandate),
        ];
        for (account, expected) in refused {
            assert_eq!(kind(Some(account.clone())), Some(expected), "{account:?}");
        }
        assert_eq!(kind(None), Some(Kind::NotEnrolled));
    }

    #[test]
    fn a_freeze_of_all_shuts_out_until_it_lapses_and_one_of_business_does_not() {
        let frozen = |freeze: Option<(&str, i64)>| {
            let freeze = freeze.map(|(scope, until)| (scope.to_owned(), until));
            kind(Some(Account { status: "frozen".into(), freeze, ..account() }))
        };
        assert_eq!(frozen(Some(("all", 0))), Some(Kind::Frozen));
        assert_eq!(frozen(Some(("all", 9))), Some(Kind::Frozen));
        assert_eq!(frozen(Some(("all", 8))), None);
        assert_eq!(frozen(Some(("outgoing", 0))), None);
        assert_eq!(frozen(None), Some(Kind::Frozen), "whatever froze it");
    }

    #[test]
    fn an_order_shuts_auditors_and_regulators_out_and_is_told_by_its_number() {
        for role in ["auditor", "regulator"] {
            let ordered = Account { role: role.into(), order: Some(7), ..account() };
            let refused = judge(&shown(1), Some(&ordered), &tip(9, 1_000), 1_000).unwrap_err();
            assert_eq!(refused.kind, Kind::Frozen, "{role}");
            assert!(refused.detail.contains("order 7"), "{}", refused.detail);
        }
    }

    #[test]
    fn the_later_of_both_clocks_tells_whether_a_certificate_has_expired() {
        for (block, wall, refused) in [(2_000, 1, false), (2_001, 1, true), (1, 2_001, true)] {
            let judged = judge(&shown(1), Some(&account()), &tip(9, block), wall);
            assert_eq!(judged.is_err(), refused, "block {block}, wall {wall}");
        }
    }

    #[test]
    fn a_key_that_accounts_do_not_have_is_not_enrolled() {
        let stranger = Shown { account: None, ..shown(1) };
        let refused = judge(&stranger, Some(&account()), &tip(9, 1), 1).unwrap_err();
        assert_eq!(refused.kind, Kind::NotEnrolled);
    }
}
