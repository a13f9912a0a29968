//! Journals within a scope whose parties are known by name: looked up party by party, not row by row.
//!
//! ```text
//!  newest rows of the filter's value, if there is one ─▶ enough of the parties, or all? ─▶ the page
//!                       │ no
//!  newest heights ─▶ enough rows of the parties? ─▶ the page
//!                       │ no
//!  newest rows of each party, by its index alone ─▶ the height above which there are enough ─▶ the page
//! ```
//!
//! An organisation that does much is served by the newest heights, one that does little by its parties: that costs what it has
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

/// Rows of a filter's value that are looked at whosever they are.
const OF_FILTER: i64 = 5_000;

/// How many times more rows are looked for where some of them were no rows of the list, or not of the filter's.
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
    /// Whether a request is answered party by party: not one of a single row, nor of a single block.
    pub(super) fn is_sparse(&self, wanted: &Wanted, cover: &Cover) -> bool {
        let known = cover.accounts.is_some() && cover.contracts.is_some();
        let (lowest, highest) = wanted.heights();
        self.is_journal()
            && known
            && self.reach.is_restricted(&wanted.scope)
            && !wanted.filters.iter().any(|chosen| chosen.filter.name == "hash")
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
        // A filter that names a party is no reason for a cover (`is_covered`): another one's rows are none of it.
        let named = |column: &str| {
            let party = !self.reach.organisations.contains(&column);
            party && wanted.filters.iter().any(|chosen| chosen.filter.column() == Some(column))
        };
        let by_filter = |route: &Route| matches!(route, Route::Column(column) if named(column));
        let (dropped, kept): (Routes, Routes) = routes.into_iter().partition(|(route, _)| by_filter(route));
        if kept.is_empty() { dropped } else { kept }
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
        // What is fenced off by OFFSET is looked up as it stands there: by statistics, whoever has been busy for long would be
        // looked for among all that others did since.
        let found: Vec<String> = self
            .routes(wanted, cover, &mut query)
            .iter()
            .map(|(route, parties)| {
                let (column, of) = match route {
                    Route::Column(column) => (*column, table.to_string()),
                    Route::Sender => ("sender", "ledger.transactions".to_owned()),
                };
                let rows = format!(
                    "unnest({parties}) p CROSS JOIN LATERAL (SELECT t.* FROM {of} t WHERE t.{column} = p AND {} OFFSET 0)",
                    bounds("t")
                );
                match route {
                    Route::Column(_) => format!("SELECT {columns} FROM {rows} t WHERE {conditions}"),
                    Route::Sender => format!(
                        "SELECT {columns} FROM {rows} x CROSS JOIN LATERAL (SELECT t.* FROM {table} t \
                         WHERE t.height = x.height AND t.tx_index = x.tx_index OFFSET 0) t WHERE {conditions}"
                    ),
                }
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

    /// The height of the last of so many rows of a cover's parties, and how many there are of them. Filters do not count: so the
    /// indexes of parties tell it alone.
    pub(super) fn edge(&self, wanted: &Wanted, cover: &Cover, count: i64) -> Query {
        let mut query = Query::default();
        let (lowest, highest) = wanted.heights();
        let bounds = (query.bind(Bind::Int(lowest)), query.bind(Bind::Int(highest)));
        let limit = query.bind(Bind::Int(count));
        let newest: Vec<String> = self
            .routes(wanted, cover, &mut query)
            .iter()
            .map(|(route, parties)| {
                let (column, table) = match route {
                    Route::Column(column) => (*column, self.table.to_string()),
                    Route::Sender => ("sender", "ledger.transactions".to_owned()),
                };
                format!(
                    "SELECT r.height FROM unnest({parties}) p CROSS JOIN LATERAL (SELECT t.height FROM {table} t \
                     WHERE t.height >= {} AND t.height <= {} AND {} ORDER BY {} LIMIT {limit}) r",
                    bounds.0,
                    bounds.1,
                    along(column, "p", (&bounds.0, &bounds.1)),
                    ordered("t", [column, "height"].into_iter(), wanted.newest_first),
                )
            })
            .collect();
        query.sql = last_of(&newest.join(" UNION ALL "), &limit, wanted.newest_first);
        query
    }

    /// The height of the last of [`OF_FILTER`] rows of a filter's value, and how many there are of them; none without such a
    /// filter.
    pub(super) fn edge_of_filter(&self, wanted: &Wanted) -> Option<Query> {
        let mut query = Query::default();
        let (lowest, highest) = wanted.heights();
        let bounds = (query.bind(Bind::Int(lowest)), query.bind(Bind::Int(highest)));
        query.condition(&format!("t.height >= {} AND t.height <= {}", bounds.0, bounds.1));
        let column = self.lead(wanted, &mut query)?.column()?;
        let limit = query.bind(Bind::Int(OF_FILTER));
        let (table, conditions) = (self.table, query.joined());
        let order = ordered("t", [column, "height"].into_iter(), wanted.newest_first);
        let newest =
            format!("(SELECT t.height FROM {table} t WHERE {conditions} ORDER BY {order} LIMIT {limit})");
        query.sql = last_of(&newest, &limit, wanted.newest_first);
        Some(query)
    }

    /// A page of those rows between two heights that have a filter's value, no more than [`OF_FILTER`] of them.
    pub(super) fn page_of_filter(
        &self,
        wanted: &Wanted,
        cover: &Cover,
        (lowest, highest): (i64, i64),
    ) -> Result<Option<Query>, RequestError> {
        let mut query = Query::default();
        let near = Wanted { from: Some(lowest), to: Some(highest), ..wanted.clone() };
        let bounds = (query.bind(Bind::Int(lowest)), query.bind(Bind::Int(highest)));
        query.condition(&format!("t.height >= {} AND t.height <= {}", bounds.0, bounds.1));
        let Some(lead) = self.lead(&near, &mut query) else { return Ok(None) };
        let Some(column) = lead.column() else { return Ok(None) };
        let of_value = query.take_joined();
        query.condition("true");
        query.choose(wanted.filters.iter().filter(|chosen| chosen.filter != lead));
        self.reach.restrict(&wanted.scope, cover, &mut query);
        let place = self.place(false);
        if let Some(after) = &wanted.after {
            self.begin_after(&place, after, wanted.newest_first, &mut query)?;
        }
        let (most, limit) = (query.bind(Bind::Int(OF_FILTER)), query.bind(Bind::Int(wanted.rows())));
        let as_of = query.bind(Bind::Int(wanted.as_of));
        query.sql = format!(
            "SELECT {} FROM (SELECT t.* FROM {} t WHERE {of_value} ORDER BY {} LIMIT {most}) t WHERE {} ORDER BY {} LIMIT {limit}",
            self.selected(&place, &as_of),
            self.table,
            ordered("t", [column, "height"].into_iter(), wanted.newest_first),
            query.joined(),
            ordered("t", place.iter().map(|(name, _)| *name), wanted.newest_first),
        );
        Ok(Some(query))
    }
}

/// The last height of the first ones that a statement tells.
fn last_of(statement: &str, limit: &str, newest_first: bool) -> String {
    let (last, order) = if newest_first { ("min", " DESC") } else { ("max", "") };
    format!(
        "SELECT {last}(height), count(*) FROM (SELECT height FROM ({statement}) every ORDER BY height{order} LIMIT {limit}) newest"
    )
}

impl Reader {
    /// A page of a journal within a scope whose parties are known.
    pub(super) async fn sparse_page(
        &self,
        list: &'static List,
        wanted: &Wanted,
        cover: &Cover,
    ) -> Result<Page, PageError> {
        if let Some(page) = self.page_by_filter(list, wanted, cover).await? {
            return Ok(page);
        }
        let all = wanted.heights();
        let near = wanted.window();
        let page = self.page_by(list, wanted, &list.page_of(wanted, cover, near)?).await?;
        if page.more || near == all {
            return Ok(page);
        }
        let mut count = wanted.rows();
        loop {
            let (edge, found) = self.edge(list, &list.edge(wanted, cover, count)).await?;
            let range = wanted.up_to(edge.filter(|_| found >= count));
            let page = self.page_by(list, wanted, &list.page_of(wanted, cover, range)?).await?;
            if page.more || range == all {
                return Ok(page);
            }
            count = count.saturating_mul(MORE);
        }
    }

    /// The page, if the first rows of a filter's value make it, or there are no more of them.
    async fn page_by_filter(
        &self,
        list: &'static List,
        wanted: &Wanted,
        cover: &Cover,
    ) -> Result<Option<Page>, PageError> {
        let Some(query) = list.edge_of_filter(wanted) else { return Ok(None) };
        let (edge, found) = self.edge(list, &query).await?;
        // At the edge there may be more rows than were counted.
        let beyond = |edge: i64| edge.saturating_add(if wanted.newest_first { 1 } else { -1 });
        let range = wanted.up_to(edge.filter(|_| found >= OF_FILTER).map(beyond));
        let Some(query) = list.page_of_filter(wanted, cover, range)? else { return Ok(None) };
        let page = self.page_by(list, wanted, &query).await?;
        Ok((page.more || range == wanted.heights()).then_some(page))
    }

    async fn edge(&self, list: &List, query: &Query) -> Result<(Option<i64>, i64), SqlError> {
        let rows = self.fetch(query, list.name).await?;
        let failed = || SqlError::at(format!("read {}", list.name));
        let Some(row) = rows.first() else { return Ok((None, 0)) };
        Ok((row.try_get(0).map_err(failed())?, row.try_get(1).map_err(failed())?))
    }
}

impl Wanted {
    /// The heights up to an edge, or all.
    fn up_to(&self, edge: Option<i64>) -> (i64, i64) {
        let (lowest, highest) = self.heights();
        match edge {
            None => (lowest, highest),
            Some(edge) if self.newest_first => (edge, highest),
            Some(edge) => (lowest, edge),
        }
    }

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
        for (parties, column) in
            [("$3", "sender"), ("$3", "recipient"), ("$4", "recipient"), ("$4", "contract_address")]
        {
            let looked_up = format!("t.{column} = p AND t.height >= $1");
            let parts = sql.split(" UNION ");
            let found = parts
                .filter(|part| part.contains(&format!("unnest({parties}) p")) && part.contains(&looked_up));
            assert_eq!(found.count(), 1, "{parties}, {column}: {sql}");
        }
        let sql = list("logs").page_of(&wanted(), &cover(), (5, 9)).unwrap().sql;
        assert!(sql.contains("x CROSS JOIN LATERAL (SELECT t.* FROM ledger.logs t"), "{sql}");
        assert!(sql.contains("t.address = p AND t.height >= $1"), "{sql}");
    }

    #[test]
    fn parties_that_a_filter_leaves_out_are_not_looked_up() {
        let list = list("transfers");
        let sql = list.page_of(&chosen(list, "token", 1), &cover(), (5, 9)).unwrap().sql;
        assert!(sql.contains("t.sender = p") && !sql.contains("t.token = p"), "{sql}");
        let alerts = List::named("alerts").unwrap();
        let filters = vec![alerts.choose("organisation", "bank-a").unwrap()];
        let sql = alerts.page_of(&Wanted { filters, ..wanted() }, &cover(), (5, 9)).unwrap().sql;
        assert!(sql.contains("t.organisation = p"), "an organisation may be the scope's own: {sql}");
    }

    #[test]
    fn requests_of_one_row_or_of_one_block_are_answered_row_by_row() {
        let list = list("transfers");
        assert!(list.is_sparse(&wanted(), &cover()));
        assert!(list.is_sparse(&chosen(list, "token", 1), &cover()));
        let block = Wanted { from: Some(9), to: Some(9), ..wanted() };
        assert!(!list.is_sparse(&block, &cover()));
        assert!(!list.is_sparse(&wanted(), &Cover::default()), "nobody knows whom it covers");
        assert!(!list.is_sparse(&Wanted { scope: Scope::default(), ..wanted() }, &cover()));
    }

    #[test]
    fn the_newest_rows_of_a_filters_value_are_looked_at_first_but_for_successes() {
        let transactions = list("transactions");
        let outcome =
            |code: &str| Wanted { filters: vec![transactions.choose("outcome", code).unwrap()], ..wanted() };
        assert!(transactions.edge_of_filter(&outcome("0")).is_none());
        let sql = transactions.edge_of_filter(&outcome("3")).unwrap().sql;
        assert!(sql.contains("(t.outcome, t.height) >= ($3, $4)") && sql.contains("t.outcome <> 0"), "{sql}");
        assert!(transactions.edge_of_filter(&wanted()).is_none());
        assert_eq!(wanted().up_to(Some(7)), (7, 900));
        assert_eq!(Wanted { newest_first: false, ..wanted() }.up_to(Some(7)), (0, 7));
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
