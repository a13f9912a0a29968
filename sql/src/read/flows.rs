//! Flows of tokens: from an account or an organisation, through whoever passes them on.
//!
//! Hop by hop, each a statement over the index of senders or recipients. What a hop reads has a bound, and whoever it goes on from
//! is read whole or not at all: so each flow that is told is the sum of all its transfers, and what a bound cuts off are parties,
//! which `truncated` tells. What is too much already of those at whom flows begin is refused.
//! Nothing is followed through the zero address, where tokens are made and end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::U256;
use concordat_types::{Address, OrgId};
use serde::Serialize;
use sqlx::Row as _;

use super::{Bind, Query, Reader, Scope, catalogue::List, cover::Cover, query::along, sparse::one_of};
use crate::SqlError;

/// The most hops.
pub const MOST_HOPS: u8 = 5;

/// Parties that a hop goes on from.
const FRONTIER: usize = 200;

/// Transfers of those at which flows begin, at most.
const AT_THE_START: i64 = 100_000;

/// Transfers that a further hop reads, of whom the greatest flows reach.
const FURTHER: i64 = 2_000;

/// Flows that a hop finds.
const PER_HOP: usize = 500;

/// Accounts of an organisation from which the first hop goes.
const ACCOUNTS: i64 = 1000;

/// Where flows begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At an account.
    Account(Address),
    /// At all accounts of an organisation.
    Organisation(OrgId),
}

/// Which way they are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To whom tokens go.
    Out,
    /// Where they come from.
    In,
}

/// Which flows.
#[derive(Clone, Debug)]
pub struct FlowQuery {
    /// Where they begin.
    pub start: Start,
    /// Which way.
    pub direction: Direction,
    /// How far, 1 to [`MOST_HOPS`].
    pub hops: u8,
    /// From this height.
    pub from: i64,
    /// To this height.
    pub to: i64,
    /// Of this token.
    pub token: Option<Address>,
    /// Of no less than this in all.
    pub least: Option<U256>,
    /// What may be shown.
    pub scope: Scope,
}

/// What went from one party to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// The hop at which it was found, 1 first.
    pub hop: u8,
    /// From whom.
    pub sender: String,
    /// To whom.
    pub recipient: String,
    /// Of which token.
    pub token: String,
    /// So many in all.
    pub amount: String,
    /// By so many transfers.
    pub transfers: i64,
    /// The first at this height.
    pub first: i64,
    /// The last at this one.
    pub last: i64,
}

/// What went from one organisation to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrganisationFlow {
    /// From which; none: from whoever belongs to none.
    pub sender: Option<String>,
    /// To which.
    pub recipient: Option<String>,
    /// Of which token.
    pub token: String,
    /// So many in all.
    pub amount: String,
    /// By so many transfers.
    pub transfers: i64,
}

/// Flows, hop by hop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Flows {
    /// Between parties.
    pub flows: Vec<Flow>,
    /// The same, between organisations.
    pub organisations: Vec<OrganisationFlow>,
    /// The organisation of each party that belongs to one.
    pub parties: BTreeMap<String, String>,
    /// Whether a bound has cut something off.
    pub truncated: bool,
}

/// Why flows are not told.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// Those at which they begin have too many transfers.
    #[error(
        "those at whom flows begin have more than {AT_THE_START} transfers in that period; ask for a shorter one, by `from` and \
         `to` or by `since` and `until`"
    )]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

impl Reader {
    /// Follows tokens.
    ///
    /// # Errors
    /// [`FlowError`].
    pub async fn flows(&self, wanted: &FlowQuery) -> Result<Flows, FlowError> {
        let mut found = Flows::default();
        let mut frontier = self.start(&wanted.start, &mut found.truncated).await?;
        let mut seen: BTreeSet<Vec<u8>> = frontier.iter().cloned().collect();
        for hop in 1..=wanted.hops.clamp(1, MOST_HOPS) {
            if frontier.is_empty() {
                break;
            }
            let reached = self.hop(wanted, hop, frontier, &mut found).await?;
            let new: Vec<Vec<u8>> = reached.into_iter().filter(|party| seen.insert(party.clone())).collect();
            found.truncated |= new.len() > FRONTIER && hop < wanted.hops;
            frontier = new.into_iter().take(FRONTIER).collect();
        }
        found.parties = self.organisations_of(&seen).await?;
        found.organisations = between_organisations(&found);
        Ok(found)
    }

    async fn start(&self, start: &Start, truncated: &mut bool) -> Result<Vec<Vec<u8>>, SqlError> {
        let organisation = match start {
            Start::Account(account) => return Ok(vec![account.to_vec()]),
            Start::Organisation(organisation) => organisation,
        };
        // Each authority is asked for so many: there may be very many rows of each account.
        let query = "SELECT s.account FROM (SELECT DISTINCT authority FROM ledger.authorities WHERE organisation = $1) a \
                     CROSS JOIN LATERAL (SELECT DISTINCT s.account FROM ledger.account_standings s \
                     WHERE s.authority = a.authority ORDER BY s.account LIMIT $2) s GROUP BY s.account ORDER BY s.account LIMIT $2";
        let query = sqlx::query_scalar(query).bind(organisation.to_string()).bind(ACCOUNTS.saturating_add(1));
        let mut accounts: Vec<Vec<u8>> =
            query.fetch_all(&self.pool).await.map_err(SqlError::at("read an organisation's accounts"))?;
        let most = usize::try_from(ACCOUNTS).unwrap_or_default();
        *truncated |= accounts.len() > most;
        accounts.truncate(most);
        Ok(accounts)
    }

    /// One hop; whom it reaches, those with the greatest flows first.
    async fn hop(
        &self,
        wanted: &FlowQuery,
        hop: u8,
        frontier: Vec<Vec<u8>>,
        found: &mut Flows,
    ) -> Result<Vec<Vec<u8>>, FlowError> {
        let cover = match List::named("transfers") {
            Some(list) => self.cover_of(list, &wanted.scope, wanted.to).await?,
            None => Arc::default(),
        };
        let parties = frontier.len();
        let rows = self.fetch(&statement(wanted, hop, frontier, &cover), "flows").await?;
        let failed = || SqlError::at("read flows");
        let mut reached = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            let whole: i64 = row.try_get("whole").map_err(failed())?;
            if usize::try_from(whole).unwrap_or_default() < parties {
                if hop == 1 {
                    return Err(FlowError::TooMany);
                }
                found.truncated = true;
            }
            found.truncated |= number >= PER_HOP;
            let found_one: Option<i64> = row.try_get("transfers").map_err(failed())?;
            if number >= PER_HOP || found_one.is_none() {
                break;
            }
            let (sender, recipient, token, amount, transfers, first, last): FlowRow =
                sqlx::FromRow::from_row(row).map_err(failed())?;
            let next = if wanted.direction == Direction::Out { &recipient } else { &sender };
            if next.iter().any(|byte| *byte != 0) {
                reached.push(next.clone());
            }
            let (sender, recipient, token) = (shown(&sender), shown(&recipient), shown(&token));
            let flow = Flow { hop, sender, recipient, token, amount, transfers, first, last };
            found.flows.push(flow);
        }
        Ok(reached)
    }

    /// The organisation of each party: of accounts, and of contracts that hold tokens.
    async fn organisations_of(
        &self,
        parties: &BTreeSet<Vec<u8>>,
    ) -> Result<BTreeMap<String, String>, SqlError> {
        let query = "SELECT s.account, a.organisation FROM ledger.account_standings s \
                     JOIN ledger.authorities a ON a.authority = s.authority WHERE s.account = ANY($1) \
                     UNION SELECT c.contract, c.organisation FROM ledger.contracts c \
                     WHERE c.contract = ANY($1) AND c.organisation IS NOT NULL";
        let parties: Vec<&[u8]> = parties.iter().map(Vec::as_slice).collect();
        let rows = sqlx::query(query).bind(parties).fetch_all(&self.pool).await;
        let mut found = BTreeMap::new();
        for row in rows.map_err(SqlError::at("read the organisations of parties"))? {
            let failed = || SqlError::at("read the organisations of parties");
            let party: Vec<u8> = row.try_get(0).map_err(failed())?;
            found.insert(shown(&party), row.try_get(1).map_err(failed())?);
        }
        Ok(found)
    }
}

type FlowRow = (Vec<u8>, Vec<u8>, Vec<u8>, String, i64, i64, i64);

fn shown(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// The column by which transfers are followed.
fn followed(wanted: &FlowQuery) -> &'static str {
    if wanted.direction == Direction::Out { "sender" } else { "recipient" }
}

/// All transfers from or to some parties, added up, the greatest sums first; of these, what a scope shows. It is asked of sums, for
/// as many as are wanted: all that it judges by is what they are grouped by.
///
/// Transfers are read once, and no more than the bound; of a further hop party by party, and the last one is left out if the bound
/// cuts it off. Of how many parties all were read is told in each row (`whole`), and by one that tells nothing else where there are
/// no flows.
fn statement(wanted: &FlowQuery, hop: u8, frontier: Vec<Vec<u8>>, cover: &Cover) -> Query {
    let mut query = Query::default();
    let column = followed(wanted);
    let parties = query.bind(Bind::ManyBytes(frontier));
    let (from, to) = (query.bind(Bind::Int(wanted.from)), query.bind(Bind::Int(wanted.to)));
    let most = if hop == 1 { AT_THE_START } else { FURTHER };
    let too_many = query.bind(Bind::Int(most.saturating_add(1)));
    query.condition("t.place <= w.whole");
    if let Some(token) = wanted.token {
        let token = query.bind(Bind::Bytes(token.to_vec()));
        query.condition(&format!("t.token = {token}"));
    }
    let transfers = query.take_joined();
    let least = query.bind(Bind::Number(wanted.least.unwrap_or_default().to_string()));
    query.condition("true");
    if let Some(list) = List::named("transfers") {
        list.reach.restrict(&wanted.scope, cover, &mut query);
    }
    let order = "t.amount DESC, t.sender, t.recipient, t.token";
    let of_sums = "sum(t.amount) DESC, t.sender, t.recipient, t.token";
    let (columns, within) = (
        "t.sender, t.recipient, t.token, t.amount, t.height FROM ledger.token_transfers t",
        format!("t.height >= {from} AND t.height <= {to}"),
    );
    let looked = match hop {
        // All parties or none.
        1 => format!(
            "SELECT 1::bigint AS place, {columns} WHERE {} AND {within} ORDER BY t.{column}, t.height LIMIT {too_many}",
            one_of(column, &parties)
        ),
        // Parties are put in order before they are looked up, so that nothing has to be put in order afterwards: which would
        // need all of it.
        _ => format!(
            "SELECT p.place, t.*
             FROM (SELECT party, place FROM unnest({parties}::bytea[]) WITH ORDINALITY u (party, place) ORDER BY place) p
             CROSS JOIN LATERAL (SELECT {columns} WHERE {within} AND {} ORDER BY t.{column}, t.height LIMIT {too_many}) t
             ORDER BY p.place LIMIT {too_many}",
            along(column, "p.party", (&from, &to))
        ),
    };
    query.sql = format!(
        "WITH looked AS MATERIALIZED ({looked}),
         w AS (SELECT CASE WHEN count(*) < {too_many} THEN cardinality({parties}::bytea[]) ELSE max(place) - 1 END AS whole FROM looked)
         SELECT t.sender, t.recipient, t.token, t.amount::text, t.transfers, t.first, t.last, w.whole FROM w LEFT JOIN (
             SELECT t.* FROM (
                 SELECT t.sender, t.recipient, t.token, sum(t.amount) AS amount, count(*) AS transfers, min(t.height) AS first,
                     max(t.height) AS last
                 FROM looked t, w WHERE {transfers} GROUP BY t.sender, t.recipient, t.token
                 HAVING sum(t.amount) >= {least} ORDER BY {of_sums}) t
             WHERE {} ORDER BY {order} LIMIT {}) t ON true ORDER BY {order}",
        query.joined(),
        PER_HOP.saturating_add(1)
    );
    query
}

/// The organisations of both sides, and the token.
type Sides<'a> = (Option<&'a String>, Option<&'a String>, &'a str);

/// Adds up flows by the organisations of their parties.
fn between_organisations(found: &Flows) -> Vec<OrganisationFlow> {
    let mut sums: BTreeMap<Sides<'_>, (U256, i64)> = BTreeMap::new();
    for flow in &found.flows {
        let key = (found.parties.get(&flow.sender), found.parties.get(&flow.recipient), flow.token.as_str());
        let (amount, transfers) = sums.entry(key).or_default();
        *amount = amount.saturating_add(flow.amount.parse().unwrap_or(U256::MAX));
        *transfers = transfers.saturating_add(flow.transfers);
    }
    let mut flows = Vec::with_capacity(sums.len());
    for ((sender, recipient, token), (amount, transfers)) in sums {
        flows.push(OrganisationFlow {
            sender: sender.cloned(),
            recipient: recipient.cloned(),
            token: token.to_owned(),
            amount: amount.to_string(),
            transfers,
        });
    }
    flows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(sender: &str, recipient: &str, amount: &str) -> Flow {
        let text = str::to_owned;
        let (sender, recipient, token, amount) = (text(sender), text(recipient), text("t"), text(amount));
        Flow { hop: 1, sender, recipient, token, amount, transfers: 2, first: 1, last: 3 }
    }

    #[test]
    fn flows_between_accounts_add_up_to_flows_between_organisations() {
        let parties = [("a1", "bank-a"), ("a2", "bank-a"), ("b1", "bank-b")];
        let found = Flows {
            flows: vec![flow("a1", "b1", "5"), flow("a2", "b1", "7"), flow("b1", "x", "1")],
            parties: parties.map(|(party, org)| (party.to_owned(), org.to_owned())).into(),
            ..Flows::default()
        };
        let sums = between_organisations(&found);
        let told: Vec<_> = sums
            .iter()
            .map(|one| (one.sender.as_deref(), one.recipient.as_deref(), &*one.amount, one.transfers))
            .collect();
        assert_eq!(told, [(Some("bank-a"), Some("bank-b"), "12", 4), (Some("bank-b"), None, "1", 2)]);
    }
}
