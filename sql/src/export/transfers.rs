//! Transfers of fungible tokens to and from an account, with what it had before and after: what its books are held against.

use alloy_primitives::I256;
use concordat_types::{Address, B256};
use futures::TryStreamExt as _;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _, postgres::PgRow};

use super::ExportError;
use crate::{Database, SqlError, database::check_schema, write::read_cursor};

/// The most transfers that are read.
const MAX_TRANSFERS: usize = 2_000_000;

/// A transfer, as one account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The block.
    pub height: u64,
    /// The time of the block, in milliseconds since 1970.
    pub time_ms: i64,
    /// The transaction's place in the block, the event's in the transaction, the item's in the event.
    pub place: [u64; 3],
    /// The transaction.
    pub hash: B256,
    /// The token.
    pub token: Address,
    /// The other side.
    pub counterparty: Address,
    /// How much, positive where it came in.
    pub amount: I256,
}

/// What the chain says of an account.
#[derive(Clone, Debug)]
pub struct Transfers {
    /// The chain.
    pub chain_id: String,
    /// The heights that were read.
    pub range: (u64, u64),
    /// The transfers, in their order. What an account pays to itself is none.
    pub transfers: Vec<Transfer>,
    /// What it had before and after, of the one token that was asked for.
    pub balances: Option<(I256, I256)>,
}

/// Reads transfers of ERC-20 between two heights, of all tokens or of one.
///
/// # Errors
/// [`ExportError::Behind`], [`ExportError::TooMany`], and whatever the database says.
pub async fn transfers(
    database: &Database,
    account: Address,
    token: Option<Address>,
    (from, to): (Option<u64>, Option<u64>),
) -> Result<Transfers, ExportError> {
    let mut connection = database.connect().await?;
    check_schema(&mut connection).await?;
    let mut transaction = connection.begin().await.map_err(SqlError::at("begin"))?;
    let still = transaction.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").await;
    still.map_err(SqlError::at("begin"))?;
    let cursor = read_cursor(&mut transaction).await?;
    let newest = u64::try_from(cursor.height).unwrap_or_default();
    let (from, to) = (from.unwrap_or_default(), to.unwrap_or(newest));
    if cursor.height < 0 || to > newest {
        return Err(ExportError::Behind { to, height: cursor.height });
    }
    if from > to {
        return Err(ExportError::NoRange { from, to, height: cursor.height });
    }
    let transfers = read(&mut transaction, account, token, (from, to)).await?;
    let balances = match token {
        None => None,
        Some(token) => Some((
            balance(&mut transaction, account, token, from.checked_sub(1)).await?,
            balance(&mut transaction, account, token, Some(to)).await?,
        )),
    };
    Ok(Transfers { chain_id: cursor.chain_id, range: (from, to), transfers, balances })
}

const SELECT: &str =
    "SELECT t.height, b.time_ms, t.tx_index, t.log_index, t.item, x.hash, t.token, t.sender, t.recipient, t.amount::text
    FROM ledger.token_transfers t
    JOIN ledger.blocks b ON b.height = t.height
    JOIN ledger.transactions x ON x.height = t.height AND x.tx_index = t.tx_index
    WHERE t.height >= $2 AND t.height <= $3 AND t.standard = 'erc20' AND (t.sender = $1 OR t.recipient = $1)
      AND t.sender <> t.recipient AND ($4::bytea IS NULL OR t.token = $4)
    ORDER BY t.height, t.tx_index, t.log_index, t.item";

async fn read(
    connection: &mut PgConnection,
    account: Address,
    token: Option<Address>,
    (from, to): (u64, u64),
) -> Result<Vec<Transfer>, ExportError> {
    let number = |height: u64| i64::try_from(height).unwrap_or(i64::MAX);
    let mut stream = sqlx::query(SELECT)
        .bind(account.to_vec())
        .bind(number(from))
        .bind(number(to))
        .bind(token.map(|token| token.to_vec()))
        .fetch(connection);
    let mut transfers = Vec::new();
    while let Some(row) = stream.try_next().await.map_err(SqlError::at("read transfers"))? {
        if transfers.len() >= MAX_TRANSFERS {
            return Err(ExportError::TooMany(MAX_TRANSFERS));
        }
        transfers.push(transfer(&row, account)?);
    }
    Ok(transfers)
}

fn transfer(row: &PgRow, account: Address) -> Result<Transfer, SqlError> {
    let edited = || SqlError::Edited { what: "a transfer is none".into() };
    let failed = || SqlError::at("read a transfer");
    let number = |at: usize| -> Result<u64, SqlError> {
        u64::try_from(row.try_get::<i64, _>(at).map_err(failed())?).map_err(|_| edited())
    };
    let bytes = |at: usize| row.try_get::<&[u8], _>(at).map_err(failed());
    let address = |at: usize| Address::try_from(bytes(at)?).map_err(|_| edited());
    let (sender, recipient) = (address(7)?, address(8)?);
    let amount: &str = row.try_get(9).map_err(failed())?;
    let amount = I256::from_dec_str(amount).map_err(|_| edited())?;
    let incoming = recipient == account;
    Ok(Transfer {
        height: number(0)?,
        time_ms: row.try_get(1).map_err(failed())?,
        place: [number(2)?, number(3)?, number(4)?],
        hash: B256::try_from(bytes(5)?).map_err(|_| edited())?,
        token: address(6)?,
        counterparty: if incoming { sender } else { recipient },
        amount: if incoming { amount } else { amount.saturating_neg() },
    })
}

/// What an account had of a token after a block; nothing before the first one.
async fn balance(
    connection: &mut PgConnection,
    account: Address,
    token: Address,
    height: Option<u64>,
) -> Result<I256, SqlError> {
    let Some(height) = height else { return Ok(I256::ZERO) };
    let newest: Option<String> = sqlx::query_scalar(
        "SELECT balance::text FROM ledger.token_balances WHERE holder = $1 AND token = $2 AND token_id = 0 AND height <= $3
         ORDER BY height DESC LIMIT 1",
    )
    .bind(account.to_vec())
    .bind(token.to_vec())
    .bind(i64::try_from(height).unwrap_or(i64::MAX))
    .fetch_optional(connection)
    .await
    .map_err(SqlError::at("read a balance"))?;
    let Some(newest) = newest else { return Ok(I256::ZERO) };
    I256::from_dec_str(&newest).map_err(|_| SqlError::Edited { what: "a balance is no number".into() })
}
