//! Who accounts are: their organisation, their role, the name in their certificate, as of a block.

use std::collections::{BTreeMap, BTreeSet};

use concordat_surveillance::{BlockEvents, Party};
use concordat_types::{Address, Role};
use sqlx::{PgConnection, postgres::PgRow};

use super::{
    read::{address, edited, get, height},
    signed,
};
use crate::SqlError;

/// Accounts remembered; beyond, all are forgotten and read again as they are needed.
const REMEMBERED: usize = 500_000;

/// Accounts asked for at a time.
const AT_A_TIME: usize = 10_000;

const AS_OF: &str = "SELECT k.account, k.height, s.role, a.organisation, d.common_name
    FROM unnest($1::bytea[], $2::bigint[]) AS k (account, height)
    CROSS JOIN LATERAL (
        SELECT role, authority, removed FROM ledger.account_standings t
        WHERE t.account = k.account AND t.height <= k.height ORDER BY t.height DESC, t.place DESC LIMIT 1
    ) s
    CROSS JOIN LATERAL (
        SELECT organisation FROM ledger.authorities t
        WHERE t.authority = s.authority AND t.height <= k.height ORDER BY t.height DESC, t.place DESC LIMIT 1
    ) a
    CROSS JOIN LATERAL (
        SELECT common_name FROM ledger.account_details t
        WHERE t.account = k.account AND t.height <= k.height ORDER BY t.height DESC, t.place DESC LIMIT 1
    ) d
    WHERE NOT s.removed";

const CHANGES: &str = "SELECT height, account FROM ledger.account_standings WHERE height BETWEEN $1 AND $2
    UNION SELECT height, account FROM ledger.account_details WHERE height BETWEEN $1 AND $2";

/// Who accounts are that were asked for, as of the last block that was read.
#[derive(Default)]
pub(super) struct People {
    known: BTreeMap<Address, Option<Party>>,
}

impl People {
    /// Adds to blocks, which follow those of the call before, who the accounts are that their events name.
    pub(super) async fn add_parties(
        &mut self,
        connection: &mut PgConnection,
        blocks: &mut [BlockEvents],
    ) -> Result<(), SqlError> {
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return Ok(()) };
        let (first, last) = (first.height, last.height);
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
        let events = blocks.iter().flat_map(|block| &block.events);
        let named: BTreeSet<Address> = events.flat_map(|event| event.what.accounts()).flatten().collect();
        let new: Vec<Address> =
            named.into_iter().filter(|account| !self.known.contains_key(account)).collect();
        let before = first.saturating_sub(1);
        let found = as_of(connection, new.iter().map(|account| (*account, before))).await?;
        self.known.extend(new.into_iter().map(|account| (account, None)));
        self.known.extend(found.into_iter().map(|((account, _), party)| (account, Some(party))));
        let mut changes = changes(connection, first, last).await?;
        for block in blocks {
            let changed = changes.remove(&block.height).unwrap_or_default();
            self.known.extend(changed.into_iter().map(|(account, party)| (account, Some(party))));
            let named = block.events.iter().flat_map(|event| event.what.accounts()).flatten();
            let parties = named.filter_map(|account| Some((account, self.known.get(&account)?.clone()?)));
            block.parties.extend(parties);
        }
        Ok(())
    }
}

/// Whose standing changed in which block, and to what.
async fn changes(
    connection: &mut PgConnection,
    first: u64,
    last: u64,
) -> Result<BTreeMap<u64, Vec<(Address, Party)>>, SqlError> {
    let query = sqlx::query(CHANGES).bind(signed(first)).bind(signed(last));
    let rows = query.fetch_all(&mut *connection).await.map_err(SqlError::at("read accounts"))?;
    let changed: Result<Vec<(Address, u64)>, SqlError> =
        rows.iter().map(|row| Ok((address(row, 1)?, height(row, 0)?))).collect();
    let mut changes = BTreeMap::<u64, Vec<(Address, Party)>>::new();
    for ((account, height), party) in as_of(connection, changed?.into_iter()).await? {
        changes.entry(height).or_default().push((account, party));
    }
    Ok(changes)
}

/// Who accounts were after blocks of these heights; those that were enrolled then.
pub(super) async fn as_of(
    connection: &mut PgConnection,
    wanted: impl Iterator<Item = (Address, u64)>,
) -> Result<Vec<((Address, u64), Party)>, SqlError> {
    let (wanted, mut found) = (wanted.collect::<Vec<_>>(), Vec::new());
    for some in wanted.chunks(AT_A_TIME) {
        let accounts: Vec<&[u8]> = some.iter().map(|(account, _)| account.as_slice()).collect();
        let heights: Vec<i64> = some.iter().map(|(_, height)| signed(*height)).collect();
        let query = sqlx::query(AS_OF).bind(accounts).bind(heights);
        let rows = query.fetch_all(&mut *connection).await.map_err(SqlError::at("read accounts"))?;
        for row in &rows {
            found.push(((address(row, 0)?, height(row, 1)?), party(row)?));
        }
    }
    Ok(found)
}

fn party(row: &PgRow) -> Result<Party, SqlError> {
    let (role, organisation): (&str, &str) = (get(row, 2)?, get(row, 3)?);
    let role = Role::ALL.iter().find(|known| known.name() == role);
    Ok(Party {
        role: *role.ok_or_else(|| edited("a role is none"))?,
        organisation: organisation.parse().map_err(|_| edited("an organisation's id is none"))?,
        common_name: get(row, 4)?,
    })
}
