//! What holders had, read from the database.

use alloy_primitives::U256;
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use crate::{
    SqlError,
    project::{Amount, Holding, Holdings},
};

/// Holdings asked for at a time.
const AT_A_TIME: usize = 10_000;

const NEWEST: &str = "SELECT k.token, k.token_id, k.holder, b.balance::text
    FROM unnest($1::bytea[], $2::text[], $3::bytea[]) AS k (token, token_id, holder)
    CROSS JOIN LATERAL (
        SELECT balance FROM ledger.token_balances t
        WHERE t.holder = k.holder AND t.token = k.token AND t.token_id = k.token_id::numeric AND t.height < $4
        ORDER BY t.height DESC LIMIT 1
    ) b";

/// Adds to `holdings` those that are missing of `wanted`, as they were before the block at `height`. Those that nobody ever
/// had are added as empty.
pub(crate) async fn load(
    connection: &mut PgConnection,
    wanted: impl Iterator<Item = &Holding>,
    height: i64,
    holdings: &mut Holdings,
) -> Result<(), SqlError> {
    let missing: Vec<Holding> = wanted.filter(|holding| !holdings.contains_key(holding)).copied().collect();
    for some in missing.chunks(AT_A_TIME) {
        holdings.extend(some.iter().map(|holding| (*holding, Amount::ZERO)));
        let tokens: Vec<&[u8]> = some.iter().map(|holding| holding.token.as_slice()).collect();
        let ids: Vec<String> = some.iter().map(|holding| holding.id.to_string()).collect();
        let holders: Vec<&[u8]> = some.iter().map(|holding| holding.holder.as_slice()).collect();
        let query = sqlx::query(NEWEST).bind(tokens).bind(ids).bind(holders).bind(height);
        let rows = query.fetch_all(&mut *connection).await.map_err(SqlError::at("read balances"))?;
        for row in &rows {
            let (holding, amount) = read(row)?;
            holdings.insert(holding, amount);
        }
    }
    Ok(())
}

fn read(row: &PgRow) -> Result<(Holding, Amount), SqlError> {
    let failed = || SqlError::at("read a balance");
    let token: &[u8] = row.try_get(0).map_err(failed())?;
    let id: &str = row.try_get(1).map_err(failed())?;
    let holder: &[u8] = row.try_get(2).map_err(failed())?;
    let balance: &str = row.try_get(3).map_err(failed())?;
    let decoded = || {
        let (token, holder) = (token.try_into().ok()?, holder.try_into().ok()?);
        Some((Holding { token, id: id.parse::<U256>().ok()?, holder }, balance.parse::<Amount>().ok()?))
    };
    decoded().ok_or_else(|| SqlError::Edited { what: "a balance is no number".into() })
}
