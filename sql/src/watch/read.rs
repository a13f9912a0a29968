//! Blocks of the projection, as rules see them.

use std::collections::BTreeMap;

use concordat_surveillance::{Asset, BlockEvents, Event, Position, Transfer, What, engine::Interests};
use concordat_types::{Address, B256, U256};
use sqlx::{Decode, PgConnection, Postgres, Row as _, Type, postgres::PgRow};

use super::{WatchError, acts::Acts, people::People, signed, unsigned};
use crate::SqlError;

/// Blocks and transactions that are judged at a time.
const BATCH_BLOCKS: i64 = 500;
const BATCH_TRANSACTIONS: i64 = 20_000;

/// A cell of a row.
pub(super) fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(
    row: &'r PgRow,
    at: usize,
) -> Result<T, SqlError> {
    row.try_get(at).map_err(SqlError::at("read the ledger"))
}

/// Something that no projector writes.
pub(super) fn edited(what: &str) -> SqlError {
    SqlError::Edited { what: what.to_owned() }
}

pub(super) fn address(row: &PgRow, at: usize) -> Result<Address, SqlError> {
    let bytes: &[u8] = get(row, at)?;
    Address::try_from(bytes).map_err(|_| edited("an address is none"))
}

pub(super) fn hash(row: &PgRow, at: usize) -> Result<B256, SqlError> {
    let bytes: &[u8] = get(row, at)?;
    B256::try_from(bytes).map_err(|_| edited("a hash is none"))
}

pub(super) fn number(row: &PgRow, at: usize) -> Result<U256, SqlError> {
    let text: &str = get(row, at)?;
    text.parse().map_err(|_| edited("an amount is no number"))
}

pub(super) fn height(row: &PgRow, at: usize) -> Result<u64, SqlError> {
    Ok(unsigned(get(row, at)?))
}

/// A place in a block.
pub(super) fn place(row: &PgRow, at: usize) -> Result<u32, SqlError> {
    let place: i64 = get(row, at)?;
    u32::try_from(place).map_err(|_| edited("a place in a block is none"))
}

/// Who reads blocks, and remembers who people are.
pub(super) struct Reader {
    interests: Interests,
    people: People,
    acts: Acts,
}

impl Reader {
    pub(super) fn new(interests: Interests) -> Self {
        Self { interests, people: People::default(), acts: Acts::default() }
    }

    /// The next blocks from a height on, up to another one, as many as are judged at a time.
    pub(super) async fn next(
        &mut self,
        connection: &mut PgConnection,
        from: u64,
        to: u64,
    ) -> Result<Vec<BlockEvents>, WatchError> {
        let mut blocks = headers(connection, from, to).await?;
        let Some(last) = blocks.keys().next_back().copied() else {
            return Err(WatchError::Missing { height: from });
        };
        if self.interests.transactions {
            self.transactions(connection, from, last, &mut blocks).await?;
        }
        if self.interests.transfers {
            self.transfers(connection, from, last, &mut blocks).await?;
        }
        if self.interests.acts {
            self.acts.read(connection, (from, last), &mut blocks).await?;
        }
        let mut blocks: Vec<BlockEvents> = blocks.into_values().collect();
        for block in &mut blocks {
            block.events.sort_by_key(|event| event.at);
        }
        if self.interests.parties {
            self.people.add_parties(connection, &mut blocks).await?;
        }
        Ok(blocks)
    }

    async fn transactions(
        &self,
        connection: &mut PgConnection,
        from: u64,
        last: u64,
        blocks: &mut BTreeMap<u64, BlockEvents>,
    ) -> Result<(), SqlError> {
        let query = "SELECT height, tx_index, sender FROM ledger.transactions WHERE height BETWEEN $1 AND $2";
        for row in rows(connection, query, from, last).await? {
            let at = Position {
                height: height(&row, 0)?,
                tx_index: Some(place(&row, 1)?),
                log_index: None,
                item: 0,
            };
            push(blocks, at, What::Transaction { sender: address(&row, 2)? })?;
        }
        Ok(())
    }

    async fn transfers(
        &self,
        connection: &mut PgConnection,
        from: u64,
        last: u64,
        blocks: &mut BTreeMap<u64, BlockEvents>,
    ) -> Result<(), SqlError> {
        let query =
            "SELECT height, tx_index, log_index, item, token, token_id::text, sender, recipient, amount::text
            FROM ledger.token_transfers WHERE height BETWEEN $1 AND $2";
        for row in rows(connection, query, from, last).await? {
            let at = Position {
                height: height(&row, 0)?,
                tx_index: Some(place(&row, 1)?),
                log_index: Some(place(&row, 2)?),
                item: place(&row, 3)?,
            };
            let asset = Asset { token: address(&row, 4)?, id: number(&row, 5)? };
            let (from, to) = (address(&row, 6)?, address(&row, 7)?);
            push(blocks, at, What::Transfer(Transfer { asset, from, to, amount: number(&row, 8)? }))?;
        }
        Ok(())
    }
}

/// Rows of heights from one to another.
async fn rows(
    connection: &mut PgConnection,
    query: &str,
    from: u64,
    last: u64,
) -> Result<Vec<PgRow>, SqlError> {
    let query = sqlx::query(query).bind(signed(from)).bind(signed(last));
    query.fetch_all(connection).await.map_err(SqlError::at("read blocks"))
}

pub(super) fn push(
    blocks: &mut BTreeMap<u64, BlockEvents>,
    at: Position,
    what: What,
) -> Result<(), SqlError> {
    let block = blocks.get_mut(&at.height).ok_or_else(|| edited("something happened in no block"))?;
    block.events.push(Event { at, what });
    Ok(())
}

/// The next blocks, without what happened in them: one after the other, none missing.
async fn headers(
    connection: &mut PgConnection,
    from: u64,
    to: u64,
) -> Result<BTreeMap<u64, BlockEvents>, WatchError> {
    let query = sqlx::query(
        "SELECT height, time_ms, transactions FROM ledger.blocks WHERE height BETWEEN $1 AND $2
         ORDER BY height LIMIT $3",
    );
    let query = query.bind(signed(from)).bind(signed(to)).bind(BATCH_BLOCKS);
    let rows = query.fetch_all(connection).await.map_err(SqlError::at("read blocks"))?;
    let (mut blocks, mut transactions, mut next) = (BTreeMap::new(), 0_i64, from);
    for row in &rows {
        let (height, time_ms) = (height(row, 0)?, unsigned(get(row, 1)?));
        if height != next {
            return Err(WatchError::Missing { height: next });
        }
        blocks.insert(height, BlockEvents { height, time_ms, ..BlockEvents::default() });
        next = next.saturating_add(1);
        transactions = transactions.saturating_add(get::<i64>(row, 2)?);
        if transactions >= BATCH_TRANSACTIONS {
            break;
        }
    }
    Ok(blocks)
}
