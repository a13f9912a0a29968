//! The projection: what a block was, and what it brought about, as rows.
//!
//! Invariant: rows depend on the block, its receipts, its changes of system rows and the holdings before it, on nothing
//! else. Whoever has the chain can make them again.

mod acts;
mod blocks;
mod events;
mod system;
mod tokens;

use alloy_primitives::Bytes;
use concordat_state::Change;
use concordat_types::{Address, B256, Block, Receipt};
use serde_json::{Map, Value};

pub(crate) use events::{arguments, is_decoded};
pub use tokens::{Amount, Holding, Holdings};

use crate::{
    cell::{Cell, Row},
    digest::{BlockDigest, Digest, Rows, running},
    tables::Table,
};

/// The version of what rows are made of what. A change of rows raises it: a database is filled by one version.
pub const FORMAT: i32 = 1;

/// What a projection is made of.
#[derive(Clone, Debug)]
pub struct BlockData {
    /// The height.
    pub height: u64,
    /// The block's hash; zero at the genesis.
    pub hash: B256,
    /// The block; none at the genesis.
    pub block: Option<Block>,
    /// Its receipts.
    pub receipts: Vec<Receipt>,
    /// Its changes of rows of the system contracts, in the order of keys.
    pub changes: Vec<Change>,
    /// The receipts of the transactions that rollbacks of this block reverse.
    pub reversed: Vec<Receipt>,
}

/// Why a block cannot be projected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProjectError {
    /// A transaction that does not parse stands in the chain.
    #[error(
        "transaction {index} of block {height} does not parse: {reason}; this program is older than the chain"
    )]
    Transaction {
        /// The block.
        height: u64,
        /// Its place in the block.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A row of a system contract is not known.
    #[error("block {height}: {reason}")]
    Row {
        /// The block.
        height: u64,
        /// Which row.
        reason: concordat_core::rows::MalformedRow,
    },
}

/// A block's rows, but for what holders have after it.
#[derive(Clone, Debug)]
pub struct Projection {
    height: u64,
    rows: Rows,
    moves: tokens::Moves,
}

/// A block's rows, and their digests.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The rows.
    pub rows: Rows,
    /// Their digests.
    pub digest: BlockDigest,
}

impl Projection {
    /// Makes the rows.
    pub fn of(data: &BlockData) -> Result<Self, ProjectError> {
        let mut rows = Rows::new();
        blocks::project(data, &mut rows)?;
        events::project(data, &mut rows);
        let moves = tokens::project(data, &mut rows);
        system::project(data, &mut rows)?;
        Ok(Self { height: data.height, rows, moves })
    }

    /// The holdings that it changes: what they were before must be known to settle it.
    pub fn touched(&self) -> impl Iterator<Item = &Holding> {
        self.moves.keys()
    }

    /// Adds what holders have after it. Holdings that are not there are empty.
    pub fn settle(self, holdings: &mut Holdings) -> Settled {
        let Self { height, mut rows, moves } = self;
        let balances = tokens::settle(height, moves, holdings);
        if !balances.is_empty() {
            rows.insert(Table::TokenBalances, balances);
        }
        Settled { digest: BlockDigest::of(height, &rows), rows }
    }
}

impl Settled {
    /// The digest over all blocks up to this one, and the cells of the row that keeps digests.
    pub fn digest_row(&self, height: u64, before: &Digest) -> (Digest, Row) {
        let running = running(before, &self.digest.block);
        let digests = self.digest.tables.iter();
        let tables: Map<String, Value> =
            digests.map(|(table, digest)| (table.name().to_owned(), hex::encode(digest).into())).collect();
        let row = vec![
            Cell::int(height),
            Cell::bytes(self.digest.block),
            Cell::bytes(running),
            Cell::Json(Value::Object(tables)),
        ];
        (running, row)
    }
}

/// What the projection says of one transaction alone: its row, and the rows of what its logs tell.
///
/// # Errors
/// [`ProjectError::Transaction`].
pub fn transaction_rows(
    height: u64,
    index: u32,
    raw: &Bytes,
    receipt: &Receipt,
) -> Result<Rows, ProjectError> {
    let receipts = vec![receipt.clone()];
    let data =
        BlockData { height, hash: B256::ZERO, block: None, receipts, changes: vec![], reversed: vec![] };
    let mut rows = Rows::new();
    rows.insert(Table::Transactions, vec![blocks::transaction(&data, 0, raw)?]);
    rows.insert(Table::Logs, blocks::log_rows(&data));
    events::project(&data, &mut rows);
    tokens::project(&data, &mut rows);
    // It was alone in its block: its place is the second cell of every row of a transaction.
    for place in rows.values_mut().flatten().filter_map(|row| row.get_mut(1)) {
        *place = Cell::int(index);
    }
    Ok(rows)
}

/// Where a log stands: its transaction, its place within it, and itself.
pub(crate) fn logs(data: &BlockData) -> impl Iterator<Item = (usize, usize, &alloy_primitives::Log)> {
    data.receipts
        .iter()
        .enumerate()
        .flat_map(|(tx, receipt)| receipt.logs.iter().enumerate().map(move |(place, log)| (tx, place, log)))
}

/// A position in the order of logs.
pub(crate) fn position(height: u64, tx: usize, log: usize) -> [Cell; 3] {
    [Cell::int(height), Cell::int(tx), Cell::int(log)]
}

/// An address that is not zero.
fn somebody(address: Address) -> Option<Address> {
    (address != Address::ZERO).then_some(address)
}
