//! Whom a scope covers: the accounts and contracts of its organisations, by name where they are few enough.
//!
//! An organisation that does little has its rows far apart. Whoever looks for them row by row reads all that others did; whoever
//! knows its accounts looks each of them up. Most organisations have so few accounts that they can be named in a statement.
//! One that has more does so much that its rows are soon met with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use concordat_types::OrgId;
use sqlx::PgPool;

use super::Scope;
use crate::SqlError;

/// The most accounts, and the most contracts, that are named in a statement.
pub(super) const MOST: usize = 1_000;

/// Rows of the registry that are looked at: an account has several over time.
const LOOKED_AT: i64 = 3_000;

/// Scopes that are remembered.
const REMEMBERED: usize = 64;

/// Whom a scope covers. None: more than can be named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cover {
    /// Accounts of its organisations.
    pub(crate) accounts: Option<BTreeSet<Vec<u8>>>,
    /// Contracts of its organisations, and those that it names.
    pub(crate) contracts: Option<BTreeSet<Vec<u8>>>,
}

/// What is known of a scope, and the height as of which it was read at least.
type Known = (i64, Arc<Cover>);

/// Covers by scope. Later ones are read anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Covers(Arc<Mutex<BTreeMap<Scope, Known>>>);

impl Covers {
    /// Whom a scope covers, for a look as of a height.
    pub(super) async fn of(&self, pool: &PgPool, scope: &Scope, as_of: i64) -> Result<Arc<Cover>, SqlError> {
        if let Some(known) = self.known(scope, as_of) {
            return Ok(known);
        }
        let cover = Arc::new(read(pool, scope).await?);
        let mut covers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if covers.len() >= REMEMBERED {
            covers.clear();
        }
        covers.insert(scope.clone(), (as_of, Arc::clone(&cover)));
        Ok(cover)
    }

    /// What was read at that height or later: a row of the registry says of whom an account is for all heights.
    fn known(&self, scope: &Scope, as_of: i64) -> Option<Arc<Cover>> {
        let covers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        covers.get(scope).filter(|(height, _)| *height >= as_of).map(|(_, cover)| Arc::clone(cover))
    }
}

async fn read(pool: &PgPool, scope: &Scope) -> Result<Cover, SqlError> {
    let Some(organisations) = &scope.organisations else { return Ok(Cover::default()) };
    let accounts = accounts(pool, organisations).await?;
    let owned = contracts(pool, organisations).await?;
    let named = scope.contracts.iter().flatten().map(|contract| contract.to_vec());
    let contracts = owned.map(|owned| owned.into_iter().chain(named).collect());
    let few = |some: &BTreeSet<Vec<u8>>| some.len() <= MOST;
    Ok(Cover { accounts: accounts.filter(few), contracts: contracts.filter(few) })
}

fn names(organisations: &BTreeSet<OrgId>) -> Vec<String> {
    organisations.iter().map(ToString::to_string).collect()
}

/// Accounts of some organisations; none: too many. Authorities never change hands, so that any row tells.
pub(super) async fn accounts(
    pool: &PgPool,
    organisations: &BTreeSet<OrgId>,
) -> Result<Option<BTreeSet<Vec<u8>>>, SqlError> {
    let query = "SELECT s.account FROM ledger.authorities a JOIN ledger.account_standings s ON s.authority = a.authority
        WHERE a.organisation = ANY($1) LIMIT $2";
    some(pool, query, organisations).await
}

/// Contracts that are some organisations'; none: too many.
async fn contracts(
    pool: &PgPool,
    organisations: &BTreeSet<OrgId>,
) -> Result<Option<BTreeSet<Vec<u8>>>, SqlError> {
    let query = "SELECT c.contract FROM ledger.contracts c WHERE c.organisation = ANY($1) AND NOT EXISTS (
        SELECT FROM ledger.contracts n WHERE n.contract = c.contract AND n.height > c.height) LIMIT $2";
    some(pool, query, organisations).await
}

async fn some(
    pool: &PgPool,
    query: &str,
    organisations: &BTreeSet<OrgId>,
) -> Result<Option<BTreeSet<Vec<u8>>>, SqlError> {
    let query = sqlx::query_scalar(query).bind(names(organisations)).bind(LOOKED_AT);
    let found: Vec<Vec<u8>> =
        query.fetch_all(pool).await.map_err(SqlError::at("read whom a mandate covers"))?;
    let all = i64::try_from(found.len()).is_ok_and(|found| found < LOOKED_AT);
    Ok(all.then(|| found.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cover_is_read_anew_with_each_block_and_serves_every_earlier_height() {
        let (covers, scope) = (Covers::default(), Scope::default());
        covers.0.lock().unwrap().insert(scope.clone(), (7, Arc::default()));
        assert!(covers.known(&scope, 7).is_some() && covers.known(&scope, 3).is_some());
        assert!(covers.known(&scope, 8).is_none());
        let other = Scope { organisations: Some([].into()), contracts: None };
        assert!(covers.known(&other, 7).is_none());
    }
}
