//! What accounts did before: read by index, for those that a rule asks after.

use std::collections::{BTreeMap, BTreeSet};

use concordat_surveillance::{Asset, Recalled, Stamp, Unknown};
use concordat_types::Address;
use sqlx::PgConnection;

use super::{
    read::{address, get, height, number},
    signed, unsigned,
};
use crate::SqlError;

/// Accounts asked for at a time.
const AT_A_TIME: usize = 5_000;

const LAST_ACTIVE: &str = "SELECT k.account, t.height, b.time_ms FROM unnest($1::bytea[]) AS k (account)
    CROSS JOIN LATERAL (
        SELECT height FROM ledger.transactions t
        WHERE (t.sender, t.height) >= (k.account, 0) AND (t.sender, t.height) < (k.account, $2) AND t.height < $2
        ORDER BY t.sender DESC, t.height DESC LIMIT 1
    ) t
    JOIN ledger.blocks b ON b.height = t.height";

/// Transfers of a token that are looked through for a sender's; of one that has more, all that the sender gave is.
const OF_A_TOKEN: i64 = 1_000;

/// Tokens with fewer transfers than that before a height.
const RARE: &str = "SELECT k.token FROM unnest($1::bytea[]) AS k (token)
    CROSS JOIN LATERAL (
        SELECT count(*) AS transfers FROM (
            SELECT FROM ledger.token_transfers t
            WHERE (t.token, t.height) >= (k.token, 0) AND (t.token, t.height) < (k.token, $2) AND t.height < $2
            ORDER BY t.token, t.height LIMIT $3
        ) of_one
    ) counted WHERE counted.transfers < $3";

/// The last amounts of keys, by the index of senders or by that of tokens. A range of the index and its order leave no other
/// plan; whole heights are taken, so that no row has to be sorted before the last of them is known.
fn last_amounts_by(column: &str) -> String {
    let other = if column == "token" { "sender" } else { "token" };
    format!(
        "SELECT k.place, t.amount::text
        FROM unnest($1::bytea[], $2::text[], $3::bytea[]) WITH ORDINALITY AS k (token, token_id, sender, place)
        CROSS JOIN LATERAL (
            SELECT newest.* FROM (
                SELECT amount, height, tx_index, log_index, item FROM ledger.token_transfers t
                WHERE (t.{column}, t.height) >= (k.{column}, 0) AND (t.{column}, t.height) < (k.{column}, $4) AND t.height < $4
                  AND t.{other} = k.{other} AND t.token_id = k.token_id::numeric AND t.amount > 0
                ORDER BY t.{column} DESC, t.height DESC FETCH FIRST $5 ROWS WITH TIES
            ) newest
            ORDER BY newest.height DESC, newest.tx_index DESC, newest.log_index DESC, newest.item DESC LIMIT $5
        ) t
        ORDER BY k.place, t.height, t.tx_index, t.log_index, t.item"
    )
}

/// What an engine asks for, as it was before the block at a height.
pub(super) async fn recall(
    connection: &mut PgConnection,
    unknown: Unknown,
    before: u64,
) -> Result<Recalled, SqlError> {
    let Unknown { active, amounts, sample } = unknown;
    let mut recalled = Recalled::default();
    let accounts: Vec<Address> = active.into_iter().collect();
    for some in accounts.chunks(AT_A_TIME) {
        last_active(connection, some, before, &mut recalled.active).await?;
    }
    let tokens: BTreeSet<Address> = amounts.iter().map(|(asset, _)| asset.token).collect();
    let rare = rare(connection, &tokens, before).await?;
    // Who has given much asks for little of it where the token is new: whoever makes tokens is not to make anybody search.
    let (by_token, by_sender): (Vec<_>, Vec<_>) =
        amounts.into_iter().partition(|(asset, _)| rare.contains(&asset.token));
    for (column, keys) in [("token", by_token), ("sender", by_sender)] {
        for some in keys.chunks(AT_A_TIME) {
            last_amounts(connection, column, some, (before, sample), &mut recalled).await?;
        }
    }
    Ok(recalled)
}

/// Those of some tokens that have few transfers.
async fn rare(
    connection: &mut PgConnection,
    tokens: &BTreeSet<Address>,
    before: u64,
) -> Result<BTreeSet<Address>, SqlError> {
    let tokens: Vec<&[u8]> = tokens.iter().map(|token| token.as_slice()).collect();
    let mut rare = BTreeSet::new();
    for some in tokens.chunks(AT_A_TIME) {
        let query = sqlx::query(RARE).bind(some).bind(signed(before)).bind(OF_A_TOKEN);
        let rows = query
            .fetch_all(&mut *connection)
            .await
            .map_err(SqlError::at("read how many transfers there are"))?;
        for row in &rows {
            rare.insert(address(row, 0)?);
        }
    }
    Ok(rare)
}

async fn last_active(
    connection: &mut PgConnection,
    accounts: &[Address],
    before: u64,
    active: &mut BTreeMap<Address, Option<Stamp>>,
) -> Result<(), SqlError> {
    active.extend(accounts.iter().map(|account| (*account, None)));
    let accounts: Vec<&[u8]> = accounts.iter().map(|account| account.as_slice()).collect();
    let query = sqlx::query(LAST_ACTIVE).bind(accounts).bind(signed(before));
    let rows = query.fetch_all(connection).await.map_err(SqlError::at("read what accounts did"))?;
    for row in &rows {
        let stamp = Stamp { height: height(row, 1)?, time_ms: unsigned(get(row, 2)?) };
        active.insert(address(row, 0)?, Some(stamp));
    }
    Ok(())
}

async fn last_amounts(
    connection: &mut PgConnection,
    column: &str,
    keys: &[(Asset, Address)],
    (before, sample): (u64, usize),
    recalled: &mut Recalled,
) -> Result<(), SqlError> {
    let tokens: Vec<&[u8]> = keys.iter().map(|(asset, _)| asset.token.as_slice()).collect();
    let ids: Vec<String> = keys.iter().map(|(asset, _)| asset.id.to_string()).collect();
    let senders: Vec<&[u8]> = keys.iter().map(|(_, sender)| sender.as_slice()).collect();
    let sample = i64::try_from(sample).unwrap_or(i64::MAX);
    let statement = last_amounts_by(column);
    let query =
        sqlx::query(&statement).bind(tokens).bind(ids).bind(senders).bind(signed(before)).bind(sample);
    let rows = query.fetch_all(connection).await.map_err(SqlError::at("read what accounts gave"))?;
    let mut gave = vec![Vec::new(); keys.len()];
    for row in &rows {
        // Places are counted from 1 on.
        let place = usize::try_from(get::<i64>(row, 0)?).unwrap_or_default().saturating_sub(1);
        if let Some(gave) = gave.get_mut(place) {
            gave.push(number(row, 1)?);
        }
    }
    recalled.amounts.extend(keys.iter().copied().zip(gave));
    Ok(())
}
