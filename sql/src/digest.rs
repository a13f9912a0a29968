//! Digests of what a block became: of each table's rows, of the block, and over all blocks so far.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::{cell::Row, tables::Table};

/// A digest.
pub type Digest = [u8; 32];

// What is hashed begins with what it is, so that no digest can be taken for another one.
const ROWS: &[u8] = b"concordat projection 1: rows of a table\0";
const BLOCK: &[u8] = b"concordat projection 1: block\0";
const RUNNING: &[u8] = b"concordat projection 1: all blocks\0";

/// The rows of a block by their tables.
pub type Rows = BTreeMap<Table, Vec<Row>>;

/// The digests of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDigest {
    /// Of each table that has rows of it.
    pub tables: BTreeMap<Table, Digest>,
    /// Of all of these.
    pub block: Digest,
}

impl BlockDigest {
    /// The digests of a block's rows, which are in the order of their positions.
    pub fn of(height: u64, rows: &Rows) -> Self {
        let some = rows.iter().filter(|(_, rows)| !rows.is_empty());
        let tables: BTreeMap<Table, Digest> =
            some.map(|(table, rows)| (*table, of_rows(*table, rows))).collect();
        let mut hasher = Sha256::new();
        hasher.update(BLOCK);
        hasher.update(height.to_be_bytes());
        for (table, digest) in &tables {
            add_name(&mut hasher, *table);
            hasher.update(digest);
        }
        Self { block: hasher.finalize().into(), tables }
    }
}

/// The digest over all blocks, given that of all blocks before; zeros before the first.
pub fn running(before: &Digest, block: &Digest) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(RUNNING);
    hasher.update(before);
    hasher.update(block);
    hasher.finalize().into()
}

fn of_rows(table: Table, rows: &[Row]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(ROWS);
    add_name(&mut hasher, table);
    let mut bytes = Vec::new();
    for row in rows {
        bytes.clear();
        row.iter().for_each(|cell| cell.encode(&mut bytes));
        hasher.update(&bytes);
    }
    hasher.finalize().into()
}

fn add_name(hasher: &mut Sha256, table: Table) {
    hasher.update(table.name());
    hasher.update([0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;

    fn rows(number: i64) -> Rows {
        Rows::from([(Table::Blocks, vec![vec![Cell::Int(number), Cell::Null]]), (Table::Logs, vec![])])
    }

    #[test]
    fn digests_are_golden() {
        let digest = BlockDigest::of(7, &rows(1));
        assert_eq!(digest.tables.len(), 1, "tables without rows have none");
        let all = running(&[0; 32], &digest.block);
        let told = [digest.tables[&Table::Blocks], digest.block, all].map(hex::encode);
        assert_eq!(told, GOLDEN);
    }

    const GOLDEN: [&str; 3] = [
        "ec06546179229f98569b0c5e773dfca486aed55bfe2954a9c565481831f285d1",
        "f3678766403336ba5a8c96edcea125513e08e75f29fbb8b9de23d74c36e14708",
        "10bb6e6f5cc58219a9e9b43ffd1e27be839cafcb4977d04ed539e3dcacbfdaa0",
    ];

    #[test]
    fn another_cell_another_height_or_another_past_is_another_digest() {
        let digest = BlockDigest::of(7, &rows(1));
        assert_ne!(digest.block, BlockDigest::of(7, &rows(2)).block);
        assert_ne!(digest.block, BlockDigest::of(8, &rows(1)).block);
        assert_ne!(running(&[0; 32], &digest.block), running(&[1; 32], &digest.block));
    }
}
