//! Entries in their stored form.

use std::collections::BTreeSet;

use alloy_primitives::hex;
use concordat_types::{Address, B256, Bytes, Role};
use proptest::prelude::*;

use super::{
    Account, CertificateId, CrlState, Organisation, OrganisationIndex, Record, Revocation, ValidatorRecord,
};

pub(crate) fn account_record() -> Account {
    Account {
        address: Address::repeat_byte(0xaa),
        org: "bank-a".parse().unwrap(),
        role: Role::Operator,
        common_name: "Alice".into(),
        path: vec![CertificateId { issuer: B256::repeat_byte(1), serial: Bytes::from_static(&[7]) }],
        fingerprint: B256::repeat_byte(2),
        not_before: 100,
        not_after: 1_000,
        enrolled_height: 3,
        active: true,
    }
}

fn organisation_record() -> Organisation {
    Organisation {
        id: "bank-a".parse().unwrap(),
        name: "Bank A".into(),
        ca_certificates: vec![Bytes::from_static(b"der")],
        roles: BTreeSet::from([Role::Operator, Role::Validator]),
        active: true,
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
    assert_row(
        &account_record(),
        &format!(
            "f86e94{}8662616e6b2d610485416c696365e3e2a0{ones}07a0{}648203e80301",
            "aa".repeat(20),
            "02".repeat(32)
        ),
    );
    assert_row(&organisation_record(), "d98662616e6b2d618642616e6b2041c48364657282041001800a");
    assert_row(
        &validator_record(),
        &format!("f84f8662616e6b2d61a0{}0aa0{}83613a3105", "03".repeat(32), "04".repeat(32)),
    );
    assert_row(&Revocation { reason: 1, revoked_at: 1_000, height: 2 }, "c5018203e802");
    assert_row(&CrlState { number: 1, this_update: 1_000, height: 2 }, "c5018203e802");
    assert_row(&OrganisationIndex(BTreeSet::from(["bank-a".parse().unwrap()])), "c78662616e6b2d61");
    assert_row(&OrganisationIndex::default(), "c0");
}

fn read_all(bytes: &[u8]) {
    let _ = Account::from_row(bytes);
    let _ = Organisation::from_row(bytes);
    let _ = ValidatorRecord::from_row(bytes);
    let _ = Revocation::from_row(bytes);
    let _ = OrganisationIndex::from_row(bytes);
}

proptest! {
    #[test]
    fn mutated_rows_are_other_records_or_none(at in any::<prop::sample::Index>(), with in 1u8..) {
        let mut row = account_record().to_row().to_vec();
        let at = at.index(row.len());
        row[at] ^= with;
        if let Some(read) = Account::from_row(&row) {
            prop_assert_ne!(&read, &account_record());
            prop_assert_eq!(read.to_row().to_vec(), row);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }
}
