//! What accounts did before: read by index, for those that a rule asks after.

use std::collections::BTreeMap;

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
        SELECT height FROM ledger.transactions t WHERE t.sender = k.account AND t.height < $2
        ORDER BY t.height DESC LIMIT 1
    ) t
    JOIN ledger.blocks b ON b.height = t.height";

const LAST_AMOUNTS: &str = "SELECT k.place, t.amount::text
    FROM unnest($1::bytea[], $2::text[], $3::bytea[]) WITH ORDINALITY AS k (token, token_id, sender, place)
    CROSS JOIN LATERAL (
        SELECT amount, height, tx_index, log_index, item FROM ledger.token_transfers t
        WHERE t.sender = k.sender AND t.token = k.token AND t.token_id = k.token_id::numeric
          AND t.amount > 0 AND t.height < $4
        ORDER BY t.height DESC, t.tx_index DESC, t.log_index DESC, t.item DESC LIMIT $5
    ) t
    ORDER BY k.place, t.height, t.tx_index, t.log_index, t.item";

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
    let keys: Vec<(Asset, Address)> = amounts.into_iter().collect();
    for some in keys.chunks(AT_A_TIME) {
        last_amounts(connection, some, (before, sample), &mut recalled).await?;
    }
    Ok(recalled)
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
    keys: &[(Asset, Address)],
    (before, sample): (u64, usize),
    recalled: &mut Recalled,
) -> Result<(), SqlError> {
    let tokens: Vec<&[u8]> = keys.iter().map(|(asset, _)| asset.token.as_slice()).collect();
    let ids: Vec<String> = keys.iter().map(|(asset, _)| asset.id.to_string()).collect();
    let senders: Vec<&[u8]> = keys.iter().map(|(_, sender)| sender.as_slice()).collect();
    let sample = i64::try_from(sample).unwrap_or(i64::MAX);
    let query =
        sqlx::query(LAST_AMOUNTS).bind(tokens).bind(ids).bind(senders).bind(signed(before)).bind(sample);
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
