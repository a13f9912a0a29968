//! Orders of regulators, as rules look at them: whether one freezes something, whom it is about, who issued it.

use concordat_governance::order::Measure;
use concordat_types::Address;
use sqlx::{PgConnection, postgres::PgRow};

use super::{
    acts::{Named, organisation},
    read::{address, edited, get},
    signed,
};
use crate::SqlError;

/// An order as it stood at a height. What it does, about whom, and who issued it never changes.
const ORDER: &str =
    "SELECT measure, account, contract, organisation, issuer, issuer_organisation FROM ledger.orders
    WHERE id = $1 AND height <= $2 ORDER BY height DESC, place DESC LIMIT 1";

/// The accounts that an identity has had up to a height, but for its first one.
const ACCOUNTS: &str = "SELECT DISTINCT account FROM ledger.identities WHERE identity = $1 AND height <= $2
    ORDER BY account";

/// Whether a measure, by its code in events, freezes something: all do but a demand.
pub(super) fn freezes(code: u64) -> bool {
    code != u64::from(Measure::Demand.code())
}

/// Whether an order that has ended has frozen something.
pub(super) async fn has_frozen(
    connection: &mut PgConnection,
    id: u64,
    height: u64,
) -> Result<bool, SqlError> {
    let row = read(connection, id, height).await?;
    let row = row.ok_or_else(|| edited("an order has ended that was never imposed"))?;
    Ok(get::<&str>(&row, 0)? != Measure::Demand.name())
}

/// Adds whom an order is about, and who issued it. The contract from which it keeps an account is not what it is about.
pub(super) async fn add_named(
    connection: &mut PgConnection,
    id: u64,
    height: u64,
    named: &mut Named,
) -> Result<(), SqlError> {
    // Somebody may propose to confirm what is not there; then nobody is named.
    let Some(row) = read(connection, id, height).await? else { return Ok(()) };
    let mut identities = vec![address(&row, 4)?];
    named.organisations.push(organisation(get(&row, 5)?)?);
    if let Some(text) = get::<Option<&str>>(&row, 3)? {
        named.organisations.push(organisation(text)?);
    }
    if get::<Option<&[u8]>>(&row, 1)?.is_some() {
        identities.push(address(&row, 1)?);
    } else if get::<Option<&[u8]>>(&row, 2)?.is_some() {
        named.contracts.push(address(&row, 2)?);
    }
    for identity in identities {
        named.accounts.push(identity);
        named.accounts.extend(later_accounts(connection, identity, height).await?);
    }
    Ok(())
}

async fn read(connection: &mut PgConnection, id: u64, height: u64) -> Result<Option<PgRow>, SqlError> {
    let query = sqlx::query(ORDER).bind(signed(id)).bind(signed(height));
    query.fetch_optional(connection).await.map_err(SqlError::at("read an order"))
}

/// Orders bind whoever has the identity's newest key.
async fn later_accounts(
    connection: &mut PgConnection,
    identity: Address,
    height: u64,
) -> Result<Vec<Address>, SqlError> {
    let query = sqlx::query(ACCOUNTS).bind(identity.to_vec()).bind(signed(height));
    let rows = query.fetch_all(connection).await.map_err(SqlError::at("read identities"))?;
    rows.iter().map(|row| address(row, 0)).collect()
}
