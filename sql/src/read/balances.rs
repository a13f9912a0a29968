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
    /// What a holder has after the block at a height, by token; at most 1000. What comes to nothing is left out. Tokens are
    /// found by the rows with which it began to have them, since it may have very many.
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn holdings(
        &self,
        holder: Address,
        height: i64,
        scope: &Scope,
    ) -> Result<Vec<Holdings>, SqlError> {
        let Some(list) = List::named("balances") else { return Ok(Vec::new()) };
        let cover = self.cover_of(list, scope, height).await?;
        let mut query = Query::default();
        let (holder, height) = (query.bind(Bind::Bytes(holder.to_vec())), query.bind(Bind::Int(height)));
        query.condition(&format!("t.holder = {holder} AND t.height <= {height} AND t.balance = t.change"));
        list.reach.restrict(scope, &cover, &mut query);
        query.sql = format!(
            "SELECT encode(k.token, 'hex'), k.token_id::text, n.balance::text, n.height FROM (
                SELECT DISTINCT t.token, t.token_id FROM ledger.token_balances t WHERE {}
            ) k CROSS JOIN LATERAL (
                SELECT n.balance, n.height FROM ledger.token_balances n
                WHERE n.holder = {holder} AND n.token = k.token AND n.token_id = k.token_id AND n.height <= {height}
                ORDER BY n.height DESC LIMIT 1
            ) n WHERE n.balance <> 0 ORDER BY k.token, k.token_id LIMIT {MOST}",
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
