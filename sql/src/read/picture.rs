//! Everything that the ledger tells of an account, in one answer.

use concordat_types::Address;
use serde_json::{Map, Value, json};
use sqlx::Row as _;

use super::{
    Bind, List, Query, Reader, Scope, Wanted,
    page::PageError,
    query::{RequestError, along},
};
use crate::SqlError;

/// Rows that each section shows; the section's list has the rest.
const ROWS: i64 = 20;

/// Where counting ends.
const COUNTED: i64 = 10_000;

/// Sections: their name, list, filter, and whether they show all that ever was.
const SECTIONS: &[(&str, &str, &str, bool)] = &[
    ("standings", "accounts", "account", true),
    ("certificates", "certificates", "account", true),
    ("identity", "identities", "account", true),
    ("recoveries", "recoveries", "account", true),
    ("freezes", "freezes", "identity", true),
    ("bars", "bars", "barred", true),
    ("regulator", "regulators", "identity", true),
    ("sent", "transactions", "sender", false),
    ("received", "transactions", "recipient", false),
    ("paid", "transfers", "sender", false),
    ("got", "transfers", "recipient", false),
    ("alerts", "alerts", "account", false),
    ("ballots", "ballots", "member", false),
    ("proposals", "proposals", "proposer", false),
    ("contracts", "contracts", "creator", false),
];

impl Reader {
    /// The picture of an account after the block at a height; none where the scope does not cover it.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn picture(
        &self,
        account: Address,
        as_of: i64,
        scope: &Scope,
    ) -> Result<Option<Value>, PageError> {
        let mut picture = Map::new();
        let now = self.section("accounts", "account", account, false, as_of, scope).await?;
        let Some(now) = now.into_iter().next() else { return Ok(None) };
        picture.insert("account".into(), now);
        // Whoever may see the account sees what it is a party to: that needs no look at each row.
        let all = Scope::default();
        for (name, list, filter, history) in SECTIONS {
            let is_party = List::named(list).is_some_and(|list| list.reach.accounts.contains(filter));
            let scope = if is_party { &all } else { scope };
            let rows = self.section(list, filter, account, *history, as_of, scope).await?;
            picture.insert((*name).into(), Value::Array(rows));
        }
        let balances = self.holdings(account, as_of, &all).await?;
        picture.insert("balances".into(), json!(balances));
        picture.insert("counts".into(), self.counts(account, as_of).await?);
        Ok(Some(Value::Object(picture)))
    }

    async fn section(
        &self,
        list: &str,
        filter: &str,
        account: Address,
        history: bool,
        as_of: i64,
        scope: &Scope,
    ) -> Result<Vec<Value>, PageError> {
        let Some(list) = List::named(list) else { return Err(RequestError::Place.into()) };
        let filters = vec![list.choose(filter, &account.to_string())?];
        let wanted = Wanted { filters, history, limit: ROWS, ..Wanted::newest(as_of, scope.clone()) };
        self.first(list, &wanted).await
    }

    /// How much there is: to an end that is told, so that counting takes no longer than looking.
    async fn counts(&self, account: Address, as_of: i64) -> Result<Value, SqlError> {
        let mut counts = Map::new();
        let told = [
            ("sent", "transactions", "sender"),
            ("received", "transactions", "recipient"),
            ("paid", "transfers", "sender"),
            ("got", "transfers", "recipient"),
            ("alerts", "alerts", "account"),
        ];
        for (name, list, column) in told {
            let Some(list) = List::named(list) else { continue };
            let mut query = Query::default();
            let (who, height) = (query.bind(Bind::Bytes(account.to_vec())), query.bind(Bind::Int(as_of)));
            query.sql = format!(
                "SELECT count(*) FROM (SELECT FROM {} t WHERE t.height <= {height} AND {} ORDER BY t.{column}, t.height LIMIT {}) \
                 counted",
                list.table,
                along(column, &who, ("0", &height)),
                COUNTED.saturating_add(1)
            );
            let rows = self.fetch(&query, name).await?;
            let count: i64 = match rows.first() {
                Some(row) => row.try_get(0).map_err(SqlError::at("count"))?,
                None => 0,
            };
            counts.insert(name.into(), json!({ "count": count.min(COUNTED), "more": count > COUNTED }));
        }
        Ok(Value::Object(counts))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Kind, *};

    #[test]
    fn every_section_is_a_list_that_can_be_asked_for_by_an_account() {
        for (name, list, filter, _) in SECTIONS {
            let list = List::named(list).unwrap_or_else(|| panic!("{name} has no list"));
            let filter = list.filters.iter().find(|known| known.name == *filter);
            assert!(
                filter.is_some_and(|filter| matches!(filter.kind, Kind::Address | Kind::Bytes)),
                "{name}"
            );
        }
    }
}
