//! The tables of orders over the rows of the state.

use concordat_governance::order::{Lineage, Order, Target};
use concordat_types::{Address, B256, OrgId, ReadError};

use super::records::{Entry, ReadAnchor, SubjectEntry, TokenEntry};
use crate::{
    identity::tables::{read, required},
    system::{RowKey, Rows},
};

// The numbers are part of the state's keys and never change meaning.
const ORDERS: u8 = 0x70;
const ORDER_COUNT: u8 = 0x71;
const BINDING: u8 = 0x72;
const TOKENS: u8 = 0x73;
const LINEAGES: u8 = 0x74;
const TARGETS: u8 = 0x75;
const SUBJECTS: u8 = 0x76;
const ANCHORS: u8 = 0x77;

// What a lineage or a target is, before its addresses.
const ACCOUNT: u8 = 1;
const CONTRACT: u8 = 2;
const ORGANISATION: u8 = 3;

/// Key of an order's row.
pub(crate) fn order_key(id: u64) -> RowKey {
    RowKey::new(ORDERS, &id.to_be_bytes())
}

/// Key of the row that counts orders.
pub(crate) fn order_count_key() -> RowKey {
    RowKey::new(ORDER_COUNT, &[])
}

/// Key of the row of what binds an identity.
pub(crate) fn binding_key(identity: Address) -> RowKey {
    RowKey::new(BINDING, identity.as_slice())
}

/// Key of the row of what keeps tokens where they are.
pub(crate) fn tokens_key() -> RowKey {
    RowKey::new(TOKENS, &[])
}

/// Key of the row that names the newest order of a lineage.
pub(crate) fn lineage_key(lineage: Lineage) -> RowKey {
    let key = match lineage {
        Lineage::Account(account) => [&[ACCOUNT][..], account.as_slice()].concat(),
        Lineage::Dealings(account, contract) => {
            [&[ACCOUNT][..], account.as_slice(), contract.as_slice()].concat()
        }
        Lineage::Contract(contract) => [&[CONTRACT][..], contract.as_slice()].concat(),
    };
    RowKey::new(LINEAGES, &key)
}

/// Key of the row that names the newest order on a target.
pub(crate) fn target_key(target: &Target) -> RowKey {
    let key = match target {
        Target::Account(account) => [&[ACCOUNT][..], account.as_slice()].concat(),
        Target::Contract(contract) => [&[CONTRACT][..], contract.as_slice()].concat(),
        Target::Organisation(id) => [&[ORGANISATION][..], id.as_str().as_bytes()].concat(),
    };
    RowKey::new(TARGETS, &key)
}

/// Key of the row of what shuts a subject out.
pub(crate) fn subject_key(subject: B256) -> RowKey {
    RowKey::new(SUBJECTS, subject.as_slice())
}

/// Key of the row of an organisation's newest anchor.
pub(crate) fn anchor_key(organisation: &OrgId) -> RowKey {
    RowKey::new(ANCHORS, organisation.as_str().as_bytes())
}

pub(crate) fn order(rows: &mut impl Rows, id: u64) -> Result<Option<Order>, ReadError> {
    read(rows, &order_key(id))
}

/// An order that another row names.
pub(crate) fn named(rows: &mut impl Rows, id: u64) -> Result<Order, ReadError> {
    required(rows, &order_key(id))
}

/// How many orders there have been.
pub(crate) fn order_count(rows: &mut impl Rows) -> Result<u64, ReadError> {
    Ok(read(rows, &order_count_key())?.unwrap_or_default())
}

/// What binds an identity, lapsed orders included.
pub(crate) fn binding(rows: &mut impl Rows, identity: Address) -> Result<Vec<Entry>, ReadError> {
    Ok(read(rows, &binding_key(identity))?.unwrap_or_default())
}

/// What keeps tokens where they are, lapsed orders included.
pub(crate) fn tokens(rows: &mut impl Rows) -> Result<Vec<TokenEntry>, ReadError> {
    Ok(read(rows, &tokens_key())?.unwrap_or_default())
}

/// The newest order of a lineage; zero if there is none.
pub(crate) fn newest(rows: &mut impl Rows, lineage: Lineage) -> Result<u64, ReadError> {
    Ok(read(rows, &lineage_key(lineage))?.unwrap_or_default())
}

/// The newest order on a target; zero if there is none.
pub(crate) fn newest_on(rows: &mut impl Rows, target: &Target) -> Result<u64, ReadError> {
    Ok(read(rows, &target_key(target))?.unwrap_or_default())
}

/// What shuts a subject out, lapsed orders included.
pub(crate) fn subject(rows: &mut impl Rows, subject: B256) -> Result<Vec<SubjectEntry>, ReadError> {
    Ok(read(rows, &subject_key(subject))?.unwrap_or_default())
}

/// Whether an order shuts a subject out at a height.
pub(crate) fn shuts_out(rows: &mut impl Rows, named: B256, height: u64) -> Result<bool, ReadError> {
    Ok(subject(rows, named)?.iter().any(|entry| entry.binds(height)))
}

/// The newest anchor of an organisation's log of reads.
pub(crate) fn anchor(rows: &mut impl Rows, organisation: &OrgId) -> Result<Option<ReadAnchor>, ReadError> {
    read(rows, &anchor_key(organisation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_golden_and_never_the_same() {
        let (one, two) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let (a, b) = ("01".repeat(20), "02".repeat(20));
        let bank: OrgId = "bank-a".parse().unwrap();
        let keys = [
            (order_key(258), "70/0000000000000102".to_owned()),
            (order_count_key(), "71/".to_owned()),
            (binding_key(one), format!("72/{a}")),
            (tokens_key(), "73/".to_owned()),
            (lineage_key(Lineage::Account(one)), format!("74/01{a}")),
            (lineage_key(Lineage::Dealings(one, two)), format!("74/01{a}{b}")),
            (lineage_key(Lineage::Contract(one)), format!("74/02{a}")),
            (target_key(&Target::Account(one)), format!("75/01{a}")),
            (target_key(&Target::Contract(one)), format!("75/02{a}")),
            (target_key(&Target::Organisation(bank.clone())), "75/0362616e6b2d61".to_owned()),
            (subject_key(B256::repeat_byte(3)), format!("76/{}", "03".repeat(32))),
            (anchor_key(&bank), "77/62616e6b2d61".to_owned()),
        ];
        for (key, golden) in keys {
            assert_eq!(key.to_string(), golden);
        }
    }
}
