//! Entries in their stored form.

use std::collections::BTreeSet;

use alloy_primitives::hex;
use concordat_types::{Address, B256, Bytes, Role};
use proptest::prelude::*;

use super::{
    Account, Bar, CertificateId, CrlState, Organisation, OrganisationIndex, Record, Recovery, Revocation,
    StandingRow, ValidatorRecord,
    records::{Authority, Details, Reminder},
};

fn account_record() -> Account {
    Account {
        address: Address::repeat_byte(0xaa),
        org: "bank-a".parse().unwrap(),
        role: Role::Operator,
        common_name: "Alice".into(),
        path: vec![
            CertificateId { issuer: B256::repeat_byte(1), serial: Bytes::from_static(&[7]) },
            CertificateId { issuer: B256::repeat_byte(5), serial: Bytes::from_static(&[8, 9]) },
        ],
        fingerprint: B256::repeat_byte(2),
        not_before: 100,
        not_after: 1_000,
        enrolled_height: 3,
        active: true,
        frozen: false,
        ordered: false,
        rebound: false,
    }
}

fn organisation_record() -> Organisation {
    Organisation {
        id: "bank-a".parse().unwrap(),
        name: "Bank A".into(),
        ca_certificates: vec![Bytes::from_static(b"der")],
        roles: BTreeSet::from([Role::Operator, Role::Validator]),
        active: true,
        expelled: false,
        admitted_height: 0,
        power_budget: 10,
    }
}

fn validator_record() -> ValidatorRecord {
    ValidatorRecord {
        org: "bank-a".parse().unwrap(),
        consensus_key: [3; 32],
        power: 10,
        node_spki: B256::repeat_byte(4),
        node_address: "a:1".into(),
        admitted_height: 5,
    }
}

#[track_caller]
fn assert_row<T: Record + PartialEq + std::fmt::Debug>(record: &T, golden: &str) {
    assert_eq!(hex::encode(record.to_row()), golden);
    assert_eq!(T::from_row(&record.to_row()).as_ref(), Some(record));
}

#[test]
fn rows_are_golden() {
    let ones = "01".repeat(32);
    let account = account_record();
    assert_row(&account.standing(258), "8400000003e80000010207");
    let frozen = Account { frozen: true, ..account.clone() };
    assert_row(&frozen.standing(258), "c400000003e80000010207");
    let rebound = Account { rebound: true, ..account.clone() };
    assert_row(&rebound.standing(258), "8480000003e80000010207");
    assert_row(&account.details(), &format!("e985416c696365a0{}6403", "02".repeat(32)));
    let above = format!("a0{}820809", "05".repeat(32));
    assert_row(&account.authority().unwrap(), &format!("f84e8662616e6b2d61a0{ones}e5e4{above}"));
    assert_row(&organisation_record(), "d98662616e6b2d618642616e6b2041c48364657282041001800a");
    let suspended = Organisation { active: false, ..organisation_record() };
    assert_row(&suspended, "d98662616e6b2d618642616e6b2041c48364657282041080800a");
    let expelled = Organisation { expelled: true, ..suspended };
    assert_row(&expelled, "d98662616e6b2d618642616e6b2041c48364657282041002800a");
    assert_row(
        &validator_record(),
        &format!("f84f8662616e6b2d61a0{}0aa0{}83613a3105", "03".repeat(32), "04".repeat(32)),
    );
    assert_row(&Revocation { reason: 1, revoked_at: 1_000, height: 2 }, "c5018203e802");
    assert_row(&CrlState { number: 1, this_update: 1_000, height: 2 }, "c5018203e802");
    let recovery = Recovery {
        digest: B256::repeat_byte(1),
        new_account: Address::repeat_byte(2),
        requester: Address::repeat_byte(3),
        requested: 258,
    };
    let addresses = format!("94{}94{}", "02".repeat(20), "03".repeat(20));
    assert_row(&recovery, &format!("f84ea0{ones}{addresses}820102"));
    let (document, reference, subject) = (B256::repeat_byte(1), "Order 7".into(), B256::repeat_byte(4));
    let bar = Bar { document, reference, since: 3, proposal: 2, subject };
    assert_row(&bar, &format!("f84ca0{ones}874f7264657220370302a0{}", "04".repeat(32)));
    assert_row(&OrganisationIndex(BTreeSet::from(["bank-a".parse().unwrap()])), "c78662616e6b2d61");
    assert_row(&Reminder { not_after: 1_000, days: 30 }, "c48203e81e");
    assert_row(&OrganisationIndex::default(), "c0");
}

#[test]
fn the_key_of_a_reminder_is_golden() {
    let key = super::tables::reminder_key(Address::repeat_byte(1));
    assert_eq!(key.to_string(), format!("13/{}", "01".repeat(20)));
}

#[test]
fn account_is_put_together_from_what_is_kept_apart() {
    let account = account_record();
    let (authority, details) = (account.authority().unwrap(), account.details());
    assert_eq!(Account::of(account.address, account.standing(7), authority, details), account);
}

#[test]
fn standing_is_short_enough_for_the_tree_with_any_serial_number() {
    let longest = StandingRow {
        active: true,
        frozen: true,
        ordered: true,
        rebound: true,
        role: Role::Operator,
        // The last second of the year 9999, where X.509 ends.
        not_after: 253_402_300_799,
        authority: u32::MAX,
        serial: Bytes::from_static(&[0x7f; 20]),
    };
    assert!(longest.to_row().len() <= 31);
    assert_eq!(StandingRow::from_row(&longest.to_row()), Some(longest));
}

fn read_all(bytes: &[u8]) {
    let _ = StandingRow::from_row(bytes);
    let _ = Details::from_row(bytes);
    let _ = Authority::from_row(bytes);
    let _ = Organisation::from_row(bytes);
    let _ = ValidatorRecord::from_row(bytes);
    let _ = Revocation::from_row(bytes);
    let _ = Recovery::from_row(bytes);
    let _ = Bar::from_row(bytes);
    let _ = Reminder::from_row(bytes);
    let _ = OrganisationIndex::from_row(bytes);
}

fn other_or_none<T: Record + PartialEq + std::fmt::Debug>(
    record: &T,
    at: prop::sample::Index,
    with: u8,
) -> Result<(), TestCaseError> {
    let mut row = record.to_row().to_vec();
    let at = at.index(row.len());
    row[at] ^= with;
    if let Some(read) = T::from_row(&row) {
        prop_assert_ne!(&read, record);
        prop_assert_eq!(read.to_row().to_vec(), row);
    }
    Ok(())
}

proptest! {
    #[test]
    fn mutated_rows_are_other_records_or_none(at in any::<prop::sample::Index>(), with in 1u8..) {
        let account = account_record();
        other_or_none(&account.standing(1), at, with)?;
        other_or_none(&account.details(), at, with)?;
        other_or_none(&account.authority().unwrap(), at, with)?;
        other_or_none(&organisation_record(), at, with)?;
        let both = BTreeSet::from(["bank-a".parse().unwrap(), "bank-b".parse().unwrap()]);
        other_or_none(&OrganisationIndex(both), at, with)?;
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }
}
