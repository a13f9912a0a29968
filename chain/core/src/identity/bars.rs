//! Bars: who is shut out until the committee lifts that.
//!
//! A bar of an account binds its identity, with the key that acts for it, and the subject of its certificate: its
//! authority may issue others for that name, and none of them enrols, is renewed or recovers a key. A bar of a node
//! binds its key. What a transaction reads of all this is the account's standing alone.

use alloy_primitives::keccak256;
use concordat_governance::facts::Bound;
use concordat_pki_verify::Purpose;
use concordat_types::{Address, B256, OrgId, ReadError};

use super::{
    ActError, IdentityEvent, RegistryError,
    certificates::CheckedPath,
    records::{Bar, Record as _},
    tables,
};
use crate::{
    account::corrupt,
    orders,
    system::{Effects, Rows},
};

/// The key of a subject: an organisation and a common name, as RFC 5280 compares names: without regard to case and
/// to how many spaces there are. ASCII alone is folded, so that no table of Unicode becomes a rule of consensus.
pub(crate) fn subject(org: &OrgId, common_name: &str) -> B256 {
    let words: Vec<&str> = common_name.split_ascii_whitespace().collect();
    let name = words.join(" ").to_ascii_lowercase();
    keccak256([org.as_str().as_bytes(), &[0], name.as_bytes()].concat())
}

/// Checks that nobody whom a path vouches for is barred.
pub(super) fn check_path(rows: &mut impl Rows, path: &CheckedPath, purpose: Purpose) -> Result<(), ActError> {
    match purpose {
        Purpose::Account if tables::barred_subject(rows, subject(&path.org, &path.common_name))? > 0 => {
            let (organisation, common_name) = (path.org.clone(), path.common_name.clone());
            Err(RegistryError::SubjectBarred { organisation, common_name }.into())
        }
        Purpose::Node if tables::barred_node(rows, path.spki)?.is_some() => {
            Err(RegistryError::NodeBarred { node_key: path.spki }.into())
        }
        _ => Ok(()),
    }
}

/// Checks that no order shuts out whom a path vouches for.
pub(crate) fn check_orders(rows: &mut impl Rows, path: &CheckedPath, height: u64) -> Result<(), ActError> {
    if !orders::tables::shuts_out(rows, subject(&path.org, &path.common_name), height)? {
        return Ok(());
    }
    let (organisation, common_name) = (path.org.clone(), path.common_name.clone());
    Err(RegistryError::SubjectBarred { organisation, common_name }.into())
}

/// Checks that the account of a key is neither barred nor replaced, if it has enrolled at all.
pub(super) fn check_holder(rows: &mut impl Rows, account: Address) -> Result<(), ActError> {
    let Some(standing) = tables::standing(rows, account)? else { return Ok(()) };
    let by = tables::bound(rows, account)?.account;
    if by != account {
        return Err(RegistryError::AccountReplaced { account, by }.into());
    }
    if standing.active { Ok(()) } else { Err(RegistryError::Barred { account }.into()) }
}

/// Bars an identity, or lifts its bar. The caller has checked that this changes something.
pub(crate) fn set_account(
    rows: &mut impl Rows,
    identity: Address,
    bar: Option<Bar>,
) -> Result<Effects, ReadError> {
    let Bound { account, .. } = tables::bound(rows, identity)?;
    let known = tables::account(rows, account)?;
    let known = known.ok_or_else(|| corrupt(format!("the account {account} of a barred identity")))?;
    let standing = tables::standing(rows, account)?;
    let mut standing = standing.ok_or_else(|| corrupt(format!("the standing of {account}")))?;
    standing.active = bar.is_none();
    let before = tables::bar(rows, identity)?;
    // A bar is lifted from the subject on which it was imposed.
    let subject = before.map_or_else(|| subject(&known.org, &known.common_name), |before| before.subject);
    let count = tables::barred_subject(rows, subject)?;
    let count = if bar.is_some() { count.saturating_add(1) } else { count.saturating_sub(1) };
    let barred = bar.is_some();
    let row = bar.map(|bar| Bar { subject, ..bar }.to_row());
    Ok(Effects {
        writes: vec![
            (tables::standing_key(account), Some(standing.to_row())),
            (tables::bar_key(identity), row),
            (tables::barred_subject_key(subject), (count > 0).then(|| count.to_row())),
        ],
        events: vec![IdentityEvent::AccountBarred { identity, barred }],
        ..Effects::default()
    })
}

/// Bars a node, or lifts its bar.
pub(crate) fn set_node(node_key: B256, bar: Option<Bar>) -> Effects {
    let event = IdentityEvent::NodeBarred { node_key, barred: bar.is_some() };
    let row = bar.map(|bar| bar.to_row());
    let writes = vec![(tables::barred_node_key(node_key), row)];
    Effects { writes, events: vec![event], ..Effects::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_take_for_the_same_are_one_subject() {
        let org = |id: &str| id.parse::<OrgId>().unwrap();
        let alice = subject(&org("bank-a"), "Alice Miller");
        assert_eq!(alice.to_string(), "0x26304c2f836699b0d9d6bac3ef634d78861bc211e18b51b9c8c8c0bdfa081225");
        for name in ["alice miller", " Alice  Miller ", "ALICE\tMILLER"] {
            assert_eq!(subject(&org("bank-a"), name), alice, "{name:?}");
        }
        for (id, name) in [("bank-b", "Alice Miller"), ("bank-a", "AliceMiller"), ("bank-a", "")] {
            assert_ne!(subject(&org(id), name), alice, "{id} {name:?}");
        }
    }
}
