//! Journals within a scope whose parties are known by name: looked up party by party, not row by row.
//!
//! ```text
//!  newest heights ─▶ enough rows of the parties? ─▶ the page
//!                       │ no
//!                       ▼
//!  newest rows of each party, by its index alone ─▶ the height above which there are enough ─▶ the page
//! ```
//!
//! An organisation that does much is served by the first step, one that does little by the second: that costs what it has
//! accounts, whatever all others do meanwhile.

use std::collections::BTreeSet;

use sqlx::Row as _;

use super::{
    Bind, List, Page, PageError, Query, Reader, RequestError, Wanted,
    cover::Cover,
    query::{along, ordered},
};
use crate::SqlError;

/// Heights that are looked at first.
const WINDOW: i64 = 64;

/// How many times more rows are looked for where some of them were no rows of the list, or the same ones.
const MORE: i64 = 8;

/// A column of a list by whose index rows of parties are found.
#[derive(Clone, Copy)]
enum Route {
    /// Of the list itself.
    Column(&'static str),
    /// The sender of the transaction.
    Sender,
}

/// Routes with the parameter that names their parties.
type Routes = Vec<(Route, String)>;

impl List {
    /// Whether a request is answered party by party: not one that a filter makes short, nor of a single block.
    pub(super) fn is_sparse(&self, wanted: &Wanted, cover: &Cover) -> bool {
        let known = cover.accounts.is_some() && cover.contracts.is_some();
        let narrow = |name: &str| matches!(name, "hash" | "sender" | "account");
        let (lowest, highest) = wanted.heights();
        self.is_journal()
            && known
            && self.reach.is_restricted(&wanted.scope)
            && !wanted.filters.iter().any(|chosen| narrow(chosen.filter.name))
            && lowest < highest
    }

    /// Whether a filter by itself leaves only rows that a cover shows.
    pub(super) fn is_covered(&self, wanted: &Wanted, cover: &Cover) -> bool {
        let holds = |columns: &[&str], parties: Option<&BTreeSet<Vec<u8>>>| {
            wanted.filters.iter().any(|chosen| {
                let known = chosen.filter.column().is_some_and(|column| columns.contains(&column));
                let Bind::Bytes(value) = &chosen.value else { return false };
                known && parties.is_some_and(|parties| parties.contains(value))
            })
        };
        holds(self.reach.accounts, cover.accounts.as_ref())
            || holds(self.reach.contracts, cover.contracts.as_ref())
    }

    fn routes(&self, wanted: &Wanted, cover: &Cover, query: &mut Query) -> Routes {
        let mut routes = Routes::new();
        let mut add = |some: Vec<Route>, parties: Bind| {
            if !some.is_empty() {
                let parameter = query.bind(parties);
                routes.extend(some.into_iter().map(|route| (route, parameter.clone())));
            }
        };
        let columns = |names: &'static [&'static str]| names.iter().copied().map(Route::Column);
        let accounts = columns(self.reach.accounts).chain(self.reach.by_sender.then_some(Route::Sender));
        let many =
            |some: Option<&BTreeSet<Vec<u8>>>| Bind::ManyBytes(some.into_iter().flatten().cloned().collect());
        add(accounts.collect(), many(cover.accounts.as_ref()));
        let names = wanted.scope.organisations.iter().flatten().map(ToString::to_string);
        add(columns(self.reach.organisations).collect(), Bind::Texts(names.collect()));
        add(columns(self.reach.contracts).collect(), many(cover.contracts.as_ref()));
        routes
    }

    /// A page of the rows of a cover's parties between two heights.
    pub(super) fn page_of(
        &self,
        wanted: &Wanted,
        cover: &Cover,
        (lowest, highest): (i64, i64),
    ) -> Result<Query, RequestError> {
        let mut query = Query::default();
        let (lowest, highest) = (query.bind(Bind::Int(lowest)), query.bind(Bind::Int(highest)));
        let bounds = |table: &str| format!("{table}.height >= {lowest} AND {table}.height <= {highest}");
        query.condition(&bounds("t"));
        query.choose(wanted.filters.iter());
        let place = self.place(false);
        if let Some(after) = &wanted.after {
            self.begin_after(&place, after, wanted.newest_first, &mut query)?;
        }
        let (table, conditions) = (self.table, query.joined());
        let names = || place.iter().map(|(name, _)| *name);
        let columns: Vec<String> = names().map(|name| format!("t.{name}")).collect();
        let columns = columns.join(", ");
        let found: Vec<String> = self
            .routes(wanted, cover, &mut query)
            .iter()
            .map(|(route, parties)| match route {
                Route::Column(column) => {
                    format!("SELECT {columns} FROM {table} t WHERE t.{column} = ANY({parties}) AND {conditions}")
                }
                Route::Sender => format!(
                    "SELECT {columns} FROM ledger.transactions x JOIN {table} t ON t.height = x.height AND t.tx_index = x.tx_index \
                     WHERE x.sender = ANY({parties}) AND {} AND {conditions}",
                    bounds("x")
                ),
            })
            .collect();
        let limit = query.bind(Bind::Int(wanted.rows()));
        let as_of = query.bind(Bind::Int(wanted.as_of));
        let same: Vec<String> = names().map(|name| format!("t.{name} = k.{name}")).collect();
        query.sql = format!(
            "WITH found AS ({}), k AS MATERIALIZED (SELECT * FROM found ORDER BY {} LIMIT {limit}) \
             SELECT {} FROM k JOIN {table} t ON {} WHERE {} ORDER BY {}",
            found.join(" UNION "),
            ordered("found", names(), wanted.newest_first),
            self.selected(&place, &as_of),
            same.join(" AND "),
            bounds("t"),
            ordered("t", names(), wanted.newest_first),
        );
        Ok(query)
    }

    /// The height of the last of so many rows of a cover's parties, and how many there are of them.
    pub(super) fn edge(&self, wanted: &Wanted, cover: &Cover, count: i64) -> Query {
        let mut query = Query::default();
        let (lowest, highest) = wanted.heights();
        let bounds = (query.bind(Bind::Int(lowest)), query.bind(Bind::Int(highest)));
        query.condition(&format!("t.height >= {} AND t.height <= {}", bounds.0, bounds.1));
        let plain = query.joined();
        query.choose(wanted.filters.iter());
        let filtered = query.joined();
        let limit = query.bind(Bind::Int(count));
        let newest: Vec<String> = self
            .routes(wanted, cover, &mut query)
            .iter()
            .map(|(route, parties)| {
                let (column, table, conditions) = match route {
                    Route::Column(column) => (*column, self.table.to_string(), &filtered),
                    // Filters are the list's, not the transaction's.
                    Route::Sender => ("sender", "ledger.transactions".to_owned(), &plain),
                };
                format!(
                    "SELECT r.height FROM unnest({parties}) p CROSS JOIN LATERAL (SELECT t.height FROM {table} t \
                     WHERE {conditions} AND {} ORDER BY {} LIMIT {limit}) r",
                    along(column, "p", (&bounds.0, &bounds.1)),
                    ordered("t", [column, "height"].into_iter(), wanted.newest_first),
                )
            })
            .collect();
        let (last, order) = if wanted.newest_first { ("min", " DESC") } else { ("max", "") };
        query.sql = format!(
            "SELECT {last}(height), count(*) FROM (SELECT height FROM ({}) every ORDER BY height{order} LIMIT {limit}) newest",
            newest.join(" UNION ALL ")
        );
        query
    }
}

impl Reader {
    /// A page of a journal within a scope whose parties are known.
    pub(super) async fn sparse_page(
        &self,
        list: &'static List,
        wanted: &Wanted,
        cover: &Cover,
    ) -> Result<Page, PageError> {
        let all = wanted.heights();
        let near = wanted.window();
        let page = self.page_by(list, wanted, &list.page_of(wanted, cover, near)?).await?;
        if page.more || near == all {
            return Ok(page);
        }
        let mut count = wanted.rows();
        loop {
            let (edge, found) = self.edge(list, &list.edge(wanted, cover, count)).await?;
            let is_all = found < count;
            let range = match edge {
                _ if is_all => all,
                Some(edge) if wanted.newest_first => (edge, all.1),
                Some(edge) => (all.0, edge),
                None => all,
            };
            let page = self.page_by(list, wanted, &list.page_of(wanted, cover, range)?).await?;
            if page.more || is_all || edge.is_none() {
                return Ok(page);
            }
            // Rows of two parties were counted twice, or transactions have no rows in this list.
            count = count.saturating_mul(MORE);
        }
    }

    async fn edge(&self, list: &List, query: &Query) -> Result<(Option<i64>, i64), SqlError> {
        let rows = self.fetch(query, list.name).await?;
        let failed = || SqlError::at(format!("read {}", list.name));
        let Some(row) = rows.first() else { return Ok((None, 0)) };
        Ok((row.try_get(0).map_err(failed())?, row.try_get(1).map_err(failed())?))
    }
}

impl Wanted {
    /// The heights that are looked at first.
    pub(super) fn window(&self) -> (i64, i64) {
        let (lowest, highest) = self.heights();
        match self.newest_first {
            true => (lowest.max(highest.saturating_sub(WINDOW)), highest),
            false => (lowest, highest.min(lowest.saturating_add(WINDOW))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Scope, *};

    fn cover() -> Cover {
        Cover { accounts: Some([vec![7; 20]].into()), contracts: Some([vec![9; 20]].into()) }
    }

    fn wanted() -> Wanted {
        let organisations = Some(["bank-a".parse().unwrap()].into());
        Wanted {
            as_of: 900,
            from: None,
            to: None,
            transaction: None,
            filters: vec![],
            scope: Scope { organisations, contracts: Some([].into()) },
            newest_first: true,
            history: false,
            after: None,
            limit: 10,
        }
    }

    fn list(name: &str) -> &'static List {
        List::named(name).unwrap()
    }

    fn chosen(list: &'static List, name: &str, byte: u8) -> Wanted {
        let value = format!("0x{}", hex::encode([byte; 20]));
        Wanted { filters: vec![list.choose(name, &value).unwrap()], ..wanted() }
    }

    #[test]
    fn a_page_is_what_each_column_that_names_a_party_leads_to() {
        let sql = list("transactions").page_of(&wanted(), &cover(), (5, 9)).unwrap().sql;
        for column in [
            "t.sender = ANY($3)",
            "t.recipient = ANY($3)",
            "t.recipient = ANY($4)",
            "t.contract_address = ANY($4)",
        ] {
            assert!(sql.contains(column), "{column}: {sql}");
        }
        let sql = list("logs").page_of(&wanted(), &cover(), (5, 9)).unwrap().sql;
        assert!(sql.contains("x.sender = ANY($3) AND x.height >= $1"), "{sql}");
        assert!(sql.contains("t.address = ANY($4)"), "{sql}");
    }

    #[test]
    fn requests_that_a_filter_makes_short_or_of_one_block_are_answered_row_by_row() {
        let list = list("transfers");
        assert!(list.is_sparse(&wanted(), &cover()));
        assert!(list.is_sparse(&chosen(list, "token", 1), &cover()));
        assert!(!list.is_sparse(&chosen(list, "sender", 1), &cover()));
        let block = Wanted { from: Some(9), to: Some(9), ..wanted() };
        assert!(!list.is_sparse(&block, &cover()));
        assert!(!list.is_sparse(&wanted(), &Cover::default()), "nobody knows whom it covers");
        assert!(!list.is_sparse(&Wanted { scope: Scope::default(), ..wanted() }, &cover()));
    }

    #[test]
    fn what_a_covered_party_had_a_part_in_is_shown_whole() {
        let list = list("transfers");
        assert!(list.is_covered(&chosen(list, "sender", 7), &cover()));
        assert!(list.is_covered(&chosen(list, "token", 9), &cover()));
        assert!(!list.is_covered(&chosen(list, "token", 7), &cover()), "an account is no token");
        assert!(!list.is_covered(&chosen(list, "sender", 8), &cover()));
    }

    #[test]
    fn the_first_heights_are_those_with_which_the_list_begins() {
        assert_eq!(wanted().window(), (836, 900));
        assert_eq!(Wanted { newest_first: false, from: Some(3), ..wanted() }.window(), (3, 67));
        let after = Some(vec!["20".to_owned(), "0".to_owned()]);
        assert_eq!(Wanted { after, ..wanted() }.window(), (0, 20));
    }
}
