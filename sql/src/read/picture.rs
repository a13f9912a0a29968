//! Everything that the ledger tells of an account, in one answer.

use concordat_governance::order::Status;
use concordat_types::Address;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value, json};
use sqlx::Row as _;

use super::{
    Bind, List, Query, Reader, Scope, Wanted, address,
    page::PageError,
    query::{RequestError, along},
};
use crate::SqlError;

/// Rows that each section shows; the section's list has the rest.
const ROWS: i64 = 20;

/// Where counting ends.
const MOST: i64 = 1_000;

/// Statements that run at once: most of a picture's time goes into asking one after the other, and others ask, too.
const AT_ONCE: usize = 4;

/// By what rows are sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// The account itself.
    Account,
    /// Its identity, which is the account of its first key: what binds it outlives keys.
    Identity,
}

use Whose::{Account, Identity};

/// Sections: their name, list, filter, by what they are sought, and whether they show all that ever was.
const SECTIONS: &[(&str, &str, &str, Whose, bool)] = &[
    ("standings", "accounts", "account", Account, true),
    ("certificates", "certificates", "account", Account, true),
    ("identity", "identities", "account", Account, true),
    ("recoveries", "recoveries", "account", Account, true),
    ("freezes", "freezes", "identity", Identity, true),
    ("orders", "orders", "account", Identity, false),
    ("bars", "bars", "barred", Identity, true),
    ("regulator", "regulators", "identity", Identity, true),
    ("sent", "transactions", "sender", Account, false),
    ("received", "transactions", "recipient", Account, false),
    ("paid", "transfers", "sender", Account, false),
    ("got", "transfers", "recipient", Account, false),
    ("alerts", "alerts", "account", Identity, false),
    ("ballots", "ballots", "member", Account, false),
    ("proposals", "proposals", "proposer", Account, false),
    ("contracts", "contracts", "creator", Account, false),
];

/// Sections that are counted as well.
const COUNTED: [&str; 5] = ["sent", "received", "paid", "got", "alerts"];

/// How orders stand that bind.
const BINDING: [Status; 2] = [Status::Provisional, Status::Confirmed];

/// Who a picture is of.
#[derive(Clone, Copy)]
struct Person {
    account: Address,
    identity: Address,
}

impl Person {
    const fn by(&self, whose: Whose) -> Address {
        match whose {
            Account => self.account,
            Identity => self.identity,
        }
    }
}

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
        let now = self.section("accounts", &[("account", account.to_string())], false, as_of, scope).await?;
        let Some(now) = now.into_iter().next() else { return Ok(None) };
        picture.insert("account".into(), now);
        // Whoever may see the account sees what it is a party to: that needs no look at each row.
        let all = Scope::default();
        let person = Person { account, identity: self.identity(account, as_of).await? };
        picture.insert("binding".into(), self.binding(person.identity, as_of).await?);
        let sections = SECTIONS.iter().map(async |(name, list, filter, whose, history)| {
            let is_party = List::named(list).is_some_and(|list| list.reach.accounts.contains(filter));
            let scope = if is_party { &all } else { scope };
            let chosen = [(*filter, person.by(*whose).to_string())];
            let rows = self.section(list, &chosen, *history, as_of, scope).await?;
            Ok::<_, PageError>(((*name).to_owned(), Value::Array(rows)))
        });
        picture.extend(stream::iter(sections).buffered(AT_ONCE).try_collect::<Vec<_>>().await?);
        let balances = self.holdings(account, as_of, &all).await?;
        picture.insert("balances".into(), json!(balances));
        picture.insert("counts".into(), self.counts(person, as_of).await?);
        Ok(Some(Value::Object(picture)))
    }

    /// The identity that an account acts for.
    async fn identity(&self, account: Address, as_of: i64) -> Result<Address, PageError> {
        let chosen = [("account", account.to_string())];
        let rows = self.section("identities", &chosen, false, as_of, &Scope::default()).await?;
        let named = rows.first().and_then(|row| row["identity"].as_str()).and_then(address);
        Ok(named.unwrap_or(account))
    }

    /// The orders that bind an identity. They are few: the chain refuses a seventeenth.
    async fn binding(&self, identity: Address, as_of: i64) -> Result<Value, PageError> {
        let mut binding = Vec::new();
        for status in BINDING {
            let chosen = [("account", identity.to_string()), ("stands", status.name().to_owned())];
            binding.extend(self.section("orders", &chosen, false, as_of, &Scope::default()).await?);
        }
        Ok(Value::Array(binding))
    }

    async fn section(
        &self,
        list: &str,
        chosen: &[(&str, String)],
        history: bool,
        as_of: i64,
        scope: &Scope,
    ) -> Result<Vec<Value>, PageError> {
        let Some(list) = List::named(list) else { return Err(RequestError::Place.into()) };
        let filters =
            chosen.iter().map(|(filter, value)| list.choose(filter, value)).collect::<Result<_, _>>()?;
        let wanted = Wanted { filters, history, limit: ROWS, ..Wanted::newest(as_of, scope.clone()) };
        self.first(list, &wanted).await
    }

    /// How much there is of what grows with all that an account does.
    async fn counts(&self, person: Person, as_of: i64) -> Result<Value, SqlError> {
        let counted = SECTIONS.iter().filter(|(name, ..)| COUNTED.contains(name));
        let counts = counted.map(async |(name, list, column, whose, _)| {
            let count = match List::named(list) {
                Some(list) => self.count(list, column, person.by(*whose), as_of).await?,
                None => 0,
            };
            Ok::<_, SqlError>(((*name).to_owned(), json!({ "count": count.min(MOST), "more": count > MOST })))
        });
        let counts: Vec<_> = stream::iter(counts).buffered(AT_ONCE).try_collect().await?;
        Ok(Value::Object(counts.into_iter().collect()))
    }

    /// Counts the rows of somebody, to an end, so that counting takes no longer than looking.
    async fn count(&self, list: &List, column: &str, who: Address, as_of: i64) -> Result<i64, SqlError> {
        let mut query = Query::default();
        let who = query.bind(Bind::Bytes(who.to_vec()));
        let height = query.bind(Bind::Int(as_of));
        query.sql = format!(
            "SELECT count(*) FROM (SELECT FROM {} t WHERE t.height <= {height} AND {} ORDER BY t.{column}, t.height LIMIT {}) \
             counted",
            list.table,
            along(column, &who, ("0", &height)),
            MOST.saturating_add(1)
        );
        let rows = self.fetch(&query, list.name).await?;
        rows.first().map_or(Ok(0), |row| row.try_get(0).map_err(SqlError::at("count")))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Kind, *};

    #[test]
    fn every_section_is_a_list_that_can_be_asked_for_by_an_account() {
        for (name, list, filter, ..) in SECTIONS {
            let list = List::named(list).unwrap_or_else(|| panic!("{name} has no list"));
            let filter = list.filters.iter().find(|known| known.name == *filter);
            assert!(
                filter.is_some_and(|filter| matches!(filter.kind, Kind::Address | Kind::Bytes)),
                "{name}"
            );
        }
    }
}
