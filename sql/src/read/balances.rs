//! What somebody has of every token.

use concordat_types::Address;
use serde::Serialize;

use super::{Bind, Query, Reader, Scope, catalogue::List, query::MOST};
use crate::SqlError;

/// What a holder has of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holdings {
    /// The token.
    pub token: String,
    /// Which one of it; zero where all are alike.
    pub token_id: String,
    /// So many.
    pub balance: String,
    /// Since the block at this height.
    pub height: i64,
}

impl Reader {
    /// What a holder has after the block at a height, by token; at most 1000. What comes to nothing is left out.
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn holdings(
        &self,
        holder: Address,
        height: i64,
        scope: &Scope,
    ) -> Result<Vec<Holdings>, SqlError> {
        let mut query = Query::default();
        let (holder, height) = (query.bind(Bind::Bytes(holder.to_vec())), query.bind(Bind::Int(height)));
        query.condition(&format!("t.holder = {holder} AND t.height <= {height}"));
        if let Some(list) = List::named("balances") {
            list.reach.restrict(scope, &mut query);
        }
        query.sql = format!(
            "SELECT encode(token, 'hex'), token_id::text, balance::text, height FROM (
                SELECT DISTINCT ON (t.token, t.token_id) t.* FROM ledger.token_balances t WHERE {}
                ORDER BY t.token, t.token_id, t.height DESC
            ) newest WHERE balance <> 0 LIMIT {MOST}",
            query.joined()
        );
        let rows = self.fetch(&query, "balances").await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let (token, token_id, balance, height): (String, String, String, i64) =
                sqlx::FromRow::from_row(row).map_err(SqlError::at("read balances"))?;
            found.push(Holdings { token: format!("0x{token}"), token_id, balance, height });
        }
        Ok(found)
    }
}
