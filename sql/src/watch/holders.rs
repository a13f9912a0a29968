//! Who has something and is on a list that is new.

use std::collections::BTreeSet;

use concordat_surveillance::{Asset, BlockEvents, Event, List, Position, What};
use concordat_types::{Address, U256};
use sqlx::PgConnection;

use super::{
    people::as_of,
    read::{address, get, height, number, place},
    signed,
};
use crate::SqlError;

/// Accounts looked at at a time.
const AT_A_TIME: i64 = 10_000;

const BALANCES: &str = "SELECT DISTINCT ON (holder, token, token_id)
        height, place, holder, token, token_id::text, balance::text, balance > 0, balance < 2::numeric ^ 255
    FROM ledger.token_balances WHERE holder = ANY($1) AND height <= $2
    ORDER BY holder, token, token_id, height DESC";

/// Puts before all else that happened in a block who on the list had something before it.
pub(super) async fn add_holders(
    connection: &mut PgConnection,
    list: &List,
    block: &mut BlockEvents,
) -> Result<(), SqlError> {
    let before = block.height.saturating_sub(1);
    let mut holders: BTreeSet<Address> = list.addresses().copied().collect();
    if list.names().next().is_some() || list.organisations().next().is_some() {
        enrolled(connection, list, before, &mut holders).await?;
    }
    let bytes: Vec<&[u8]> = holders.iter().map(|holder| holder.as_slice()).collect();
    let query = sqlx::query(BALANCES).bind(bytes).bind(signed(before));
    let rows = query.fetch_all(&mut *connection).await.map_err(SqlError::at("read balances"))?;
    let (mut events, mut holding) = (Vec::new(), BTreeSet::new());
    for row in &rows {
        let (some, ordinary): (bool, bool) = (get(row, 6)?, get(row, 7)?);
        if !some {
            continue;
        }
        let at = Position { height: height(row, 0)?, tx_index: None, log_index: None, item: place(row, 1)? };
        let (holder, asset) = (address(row, 2)?, Asset { token: address(row, 3)?, id: number(row, 4)? });
        // Contracts may tell of more than there can be.
        let balance = if ordinary { number(row, 5)? } else { U256::MAX };
        events.push(Event { at, what: What::Holding { holder, asset, balance } });
        holding.insert(holder);
    }
    let parties = as_of(connection, holding.into_iter().map(|holder| (holder, before))).await?;
    for ((holder, _), party) in parties {
        block.parties.entry(holder).or_insert(party);
    }
    events.append(&mut block.events);
    block.events = events;
    Ok(())
}

/// Adds the accounts that are on the list by their holder's name or their organisation. All accounts are looked at: how
/// names are compared is the list's matter, not the database's.
async fn enrolled(
    connection: &mut PgConnection,
    list: &List,
    height: u64,
    holders: &mut BTreeSet<Address>,
) -> Result<(), SqlError> {
    let mut after: Vec<u8> = Vec::new();
    loop {
        let query = sqlx::query(
            "SELECT DISTINCT account FROM ledger.account_details WHERE account > $1 AND height <= $2
             ORDER BY account LIMIT $3",
        );
        let query = query.bind(&after).bind(signed(height)).bind(AT_A_TIME);
        let rows = query.fetch_all(&mut *connection).await.map_err(SqlError::at("read accounts"))?;
        let accounts: Result<Vec<Address>, SqlError> = rows.iter().map(|row| address(row, 0)).collect();
        let accounts = accounts?;
        let Some(last) = accounts.last() else { return Ok(()) };
        after = last.to_vec();
        let parties = as_of(connection, accounts.into_iter().map(|account| (account, height))).await?;
        let listed =
            parties.iter().filter(|((account, _), party)| list.find(*account, Some(party)).is_some());
        holders.extend(listed.map(|((account, _), _)| *account));
    }
}
