//! Rows of governance that its own crate does not define.

use alloy_primitives::B256;
use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_governance::{
    Committee, Proposal, Rule,
    action::{Basis, Scope},
    facts::Frozen,
};
use concordat_types::Bytes;

use crate::identity::Record;

/// A freeze of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFreeze {
    /// What it refuses, why and until when.
    pub frozen: Frozen,
    /// The height at which it was imposed.
    pub since: u64,
    /// The proposal that imposed it.
    pub proposal: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct FreezeRow {
    scope: u8,
    document: B256,
    reference: String,
    until: u64,
    emergency: bool,
    since: u64,
    proposal: u64,
}

impl Record for AccountFreeze {
    fn to_row(&self) -> Bytes {
        let Frozen { scope, basis, until, emergency } = &self.frozen;
        alloy_rlp::encode(FreezeRow {
            scope: scope.code(),
            document: basis.document,
            reference: basis.reference.clone(),
            until: *until,
            emergency: *emergency,
            since: self.since,
            proposal: self.proposal,
        })
        .into()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let row: FreezeRow = alloy_rlp::decode_exact(bytes).ok()?;
        let FreezeRow { scope, document, reference, until, emergency, since, proposal } = row;
        let basis = Basis { document, reference };
        let frozen = Frozen { scope: Scope::from_code(scope)?, basis, until, emergency };
        Some(Self { frozen, since, proposal })
    }
}

macro_rules! own_records {
    ($($record:ty),*) => { $(
        impl Record for $record {
            fn to_row(&self) -> Bytes {
                self.encode().into()
            }

            fn from_row(bytes: &[u8]) -> Option<Self> {
                Self::decode(bytes)
            }
        }
    )* };
}

own_records!(Committee, Rule, Proposal);

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    #[test]
    fn freezes_are_golden() {
        let basis = Basis { document: B256::repeat_byte(9), reference: "Order 7".into() };
        let frozen = Frozen { scope: Scope::Outgoing, basis, until: 500, emergency: true };
        let freeze = AccountFreeze { frozen, since: 3, proposal: 2 };
        let golden = format!("f002a0{}874f7264657220378201f4010302", "09".repeat(32));
        assert_eq!(hex::encode(freeze.to_row()), golden);
        assert_eq!(AccountFreeze::from_row(&freeze.to_row()), Some(freeze));
        assert_eq!(AccountFreeze::from_row(&[0xc0]), None);
    }
}
