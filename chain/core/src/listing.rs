//! Tables whose keys lists are made of. Execution never lists them; nodes tell their keys to whoever asks.

use crate::{contracts, governance, identity};

/// Such a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedTable {
    /// Accounts, by address.
    Accounts,
    /// Barred identities, by address.
    IdentityBars,
    /// Barred nodes, by the SHA-256 of their certificate's SubjectPublicKeyInfo.
    NodeBars,
    /// Identities on which a freeze was imposed that was not lifted.
    Freezes,
    /// Contracts, by address; those that were there before the first block once something is decided about them.
    Contracts,
    /// Contracts on which a freeze or a retirement was imposed that was not lifted.
    Halts,
}

impl ListedTable {
    /// Its number, which is part of the state's keys.
    pub const fn number(self) -> u8 {
        match self {
            ListedTable::Accounts => identity::tables::STANDINGS,
            ListedTable::IdentityBars => identity::tables::BARS,
            ListedTable::NodeBars => identity::tables::BARRED_NODES,
            ListedTable::Freezes => governance::tables::FREEZES,
            ListedTable::Contracts => contracts::tables::CONTRACTS,
            ListedTable::Halts => contracts::tables::HALTS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ListedTable::*;

    #[test]
    fn the_numbers_of_listed_tables_are_those_of_the_documents() {
        let numbers =
            [Accounts, IdentityBars, NodeBars, Freezes, Contracts, Halts].map(|table| table.number());
        assert_eq!(numbers, [0x03, 0x10, 0x12, 0x25, 0x40, 0x44]);
        for number in numbers {
            let row = format!("| `{number:02x}` | ");
            assert!(include_str!("../../../docs/execution.md").contains(&row), "{row}");
        }
    }
}
