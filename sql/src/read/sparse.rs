//! Journals within a scope whose parties are known by name: looked up party by party, not row by row.
//!
//! ```text
//!  the next heights ─▶ the rows of each party within them ─▶ enough? the page
//!        ▲                                     │ no
//!        └── wider ones, or from the next height on at which any party has a row
//! ```
//!
//! An organisation that does much is served by few heights, one that does little by its parties: that costs what it has accounts,
//! whatever all others do meanwhile.

use std::collections::BTreeSet;

use super::{
    Bind, List, Query, RequestError, Wanted,
    cover::Cover,
    query::{along, ordered},
};

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

impl Route {
    /// The column, and the table that it is of.
    fn of(self, list: &List) -> (&'static str, String) {
        match self {
            Self::Column(column) => (column, list.table.to_string()),
            Self::Sender => ("sender", "ledger.transactions".to_owned()),
        }
    }
}

impl List {
    /// Whether it can be looked up by the parties of a cover.
    pub(super) fn has_parties(&self, wanted: &Wanted, cover: &Cover) -> bool {
        let known = cover.accounts.is_some() && cover.contracts.is_some();
        known && self.reach.is_restricted(&wanted.scope)
    }

    /// How many places of indexes each statement looks up.
    pub(super) fn lookups(&self, wanted: &Wanted, cover: &Cover) -> i64 {
        let parties = |parties: &Bind| match parties {
            Bind::ManyBytes(many) => many.len(),
            Bind::Texts(texts) => texts.len(),
            _ => 0,
        };
        let routes = self.routes(wanted, cover);
        let all = routes.iter().map(|(_, some)| parties(some)).fold(0, usize::saturating_add);
        i64::try_from(all).unwrap_or(i64::MAX)
    }

    /// How much work a row is that a party leads to, or that is held against parties: of a list whose rows are shown for who sent
    /// their transactions, these have to be looked up, too.
    pub(super) const fn cost_of_a_row(&self) -> i64 {
        if self.reach.by_sender { 3 } else { 1 }
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

    /// The columns by which rows of parties are found, with the parties.
    fn routes(&self, wanted: &Wanted, cover: &Cover) -> Vec<(Route, Bind)> {
        let columns = |names: &'static [&'static str]| names.iter().copied().map(Route::Column);
        let accounts = columns(self.reach.accounts).chain(self.reach.by_sender.then_some(Route::Sender));
        let many =
            |some: Option<&BTreeSet<Vec<u8>>>| Bind::ManyBytes(some.into_iter().flatten().cloned().collect());
        let names = wanted.scope.organisations.iter().flatten().map(ToString::to_string);
        let names = Bind::Texts(names.collect());
        let routes = accounts
            .map(|route| (route, many(cover.accounts.as_ref())))
            .chain(columns(self.reach.organisations).map(|route| (route, names.clone())))
            .chain(columns(self.reach.contracts).map(|route| (route, many(cover.contracts.as_ref()))));
        // A filter that names a party is no reason for a cover (`is_covered`): another one's rows are none of it.
        let named = |column: &str| {
            let party = !self.reach.organisations.contains(&column);
            party && wanted.filters.iter().any(|chosen| chosen.filter.column() == Some(column))
        };
        let by_filter = |(route, _): &(Route, Bind)| matches!(route, Route::Column(column) if named(column));
        let (dropped, kept): (Vec<_>, Vec<_>) = routes.partition(by_filter);
        if kept.is_empty() { dropped } else { kept }
    }

    /// A page of the rows of a cover's parties between two heights, where no more than so many of each of its routes are looked
    /// at: which says nothing where as many are.
    pub(super) fn page_of(
        &self,
        wanted: &Wanted,
        cover: &Cover,
        (lowest, highest): (i64, i64),
        most: i64,
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
        let filtered = wanted.filters.iter().filter_map(|chosen| chosen.filter.column());
        let needed: BTreeSet<&str> = names().chain(filtered).collect();
        let (needed, columns) = (listed("t", needed.into_iter()), listed("t", names()));
        let most = query.bind(Bind::Int(most));
        let (mut looked, mut found, mut counted) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (route, parties)) in bound(self.routes(wanted, cover), &mut query).iter().enumerate() {
            let (column, of) = route.of(self);
            let needed =
                if matches!(route, Route::Sender) { "t.height, t.tx_index" } else { needed.as_str() };
            // The order of the index leaves no other plan but to read all of a window, which is taken only where that is little:
            // by statistics, whoever has been busy for long would be looked for among all that others did.
            looked.push(format!(
                "looked_{at} AS MATERIALIZED (SELECT {needed} FROM {of} t WHERE {} AND {} ORDER BY {} LIMIT {most})",
                one_of(column, parties),
                bounds("t"),
                ordered("t", [column, "height"].into_iter(), wanted.newest_first),
            ));
            counted.push(format!("(SELECT count(*) FROM looked_{at})"));
            found.push(match route {
                Route::Column(_) => format!("SELECT {columns} FROM looked_{at} t WHERE {conditions}"),
                Route::Sender => format!(
                    "SELECT {columns} FROM looked_{at} x CROSS JOIN LATERAL (SELECT t.* FROM {table} t \
                     WHERE t.height = x.height AND t.tx_index = x.tx_index OFFSET 0) t WHERE {conditions}"
                ),
            });
        }
        let limit = query.bind(Bind::Int(wanted.rows()));
        let as_of = query.bind(Bind::Int(wanted.as_of));
        let same: Vec<String> = names().map(|name| format!("t.{name} = k.{name}")).collect();
        query.sql = format!(
            "WITH {}, found AS ({}), k AS MATERIALIZED (SELECT * FROM found ORDER BY {} LIMIT {limit}) \
             SELECT {}, t.height IS NOT NULL AS is_row, e.looked, NULL::bigint AS edge \
             FROM (SELECT {} AS looked) e LEFT JOIN (SELECT t.* FROM k CROSS JOIN LATERAL (\
             SELECT t.* FROM {table} t WHERE {} AND {} OFFSET 0) t) t ON true ORDER BY {}",
            looked.join(", "),
            found.join(" UNION "),
            ordered("found", names(), wanted.newest_first),
            self.selected(&place, &as_of),
            // The fullest of them tells whether one was cut off.
            format_args!("greatest({})", counted.join(", ")),
            same.join(" AND "),
            bounds("t"),
            ordered("t", names(), wanted.newest_first),
        );
        Ok(query)
    }

    /// The keys, of these columns, with which parties of a cover begin, by each of its routes. As many as are wanted are read, where
    /// they do not stand in the order of the list so many of each party; unless something is asked of their newest rows, too.
    pub(super) fn keys_of(
        &self,
        (columns, conditions): (&str, &str),
        order: &str,
        wanted: &Wanted,
        cover: &Cover,
        query: &mut Query,
    ) -> String {
        let is_narrow = wanted.from.is_some() || wanted.to.is_some() || wanted.transaction.is_some();
        let limit = if is_narrow { "ALL".to_owned() } else { query.bind(Bind::Int(wanted.rows())) };
        let keys = bound(self.routes(wanted, cover), query).into_iter().map(|(route, parties)| {
            let (column, table) = route.of(self);
            if self.key() == Some(column) {
                return format!(
                    "(SELECT DISTINCT {columns} FROM {table} t WHERE {conditions} AND {} ORDER BY {order} LIMIT {limit})",
                    one_of(column, &parties)
                );
            }
            format!(
                "SELECT k.* FROM unnest({parties}) p CROSS JOIN LATERAL (SELECT DISTINCT {columns} FROM {table} t \
                 WHERE {conditions} AND t.{column} = p ORDER BY {order} LIMIT {limit}) k"
            )
        });
        keys.collect::<Vec<_>>().join(" UNION ALL ")
    }

    /// The first height of a request at which any party of a cover has a row. Filters do not count: so the indexes of parties
    /// tell it alone.
    pub(super) fn nearest(&self, wanted: &Wanted, cover: &Cover) -> Query {
        let mut query = Query::default();
        let (lowest, highest) = wanted.heights();
        let bounds = (query.bind(Bind::Int(lowest)), query.bind(Bind::Int(highest)));
        let nearest: Vec<String> = bound(self.routes(wanted, cover), &mut query)
            .iter()
            .map(|(route, parties)| {
                let (column, table) = route.of(self);
                format!(
                    "SELECT r.height FROM unnest({parties}) p CROSS JOIN LATERAL (SELECT t.height FROM {table} t \
                     WHERE t.height >= {} AND t.height <= {} AND {} ORDER BY {} LIMIT 1) r",
                    bounds.0,
                    bounds.1,
                    along(column, "p", (&bounds.0, &bounds.1)),
                    ordered("t", [column, "height"].into_iter(), wanted.newest_first),
                )
            })
            .collect();
        let first = if wanted.newest_first { "max" } else { "min" };
        query.sql = format!("SELECT {first}(height) FROM ({}) every", nearest.join(" UNION ALL "));
        query
    }
}

/// The condition that a column has one of a parameter's values. The planner sees how many there are of the array, and nothing in
/// it: for that it would look each of them up in its statistics, and again for each index. The index is gone through once for all
/// of them, which takes an eighth of what a join of each with its rows does.
pub(super) fn one_of(column: &str, parameter: &str) -> String {
    format!("t.{column} = ANY(ARRAY(SELECT unnest({parameter})))")
}

/// Columns of a table.
fn listed<'a>(of: &str, columns: impl Iterator<Item = &'a str>) -> String {
    columns.map(|name| format!("{of}.{name}")).collect::<Vec<_>>().join(", ")
}

/// Routes with the parameter that names their parties; those of the same ones have one.
fn bound(routes: Vec<(Route, Bind)>, query: &mut Query) -> Routes {
    let mut known: Option<(Bind, String)> = None;
    let mut all = Routes::new();
    for (route, parties) in routes {
        let parameter = match &known {
            Some((same, parameter)) if *same == parties => parameter.clone(),
            _ => query.bind(parties.clone()),
        };
        known = Some((parties, parameter.clone()));
        all.push((route, parameter));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{super::Scope, *};

    fn cover() -> Cover {
        Cover { accounts: Some([vec![7; 20]].into()), contracts: Some([vec![9; 20]].into()) }
    }

    fn wanted() -> Wanted {
        let organisations = Some(["bank-a".parse().unwrap()].into());
        Wanted { limit: 10, ..Wanted::newest(900, Scope { organisations, contracts: Some([].into()) }) }
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
        let sql = list("transactions").page_of(&wanted(), &cover(), (5, 9), 100).unwrap().sql;
        for (parties, column) in
            [("$4", "sender"), ("$4", "recipient"), ("$5", "recipient"), ("$5", "contract_address")]
        {
            let looked_up = one_of(column, parties);
            let found = sql.split("MATERIALIZED").filter(|part| part.contains(&looked_up));
            assert_eq!(found.count(), 1, "{parties}, {column}: {sql}");
        }
        let sql = list("logs").page_of(&wanted(), &cover(), (5, 9), 100).unwrap().sql;
        assert!(sql.contains("x CROSS JOIN LATERAL (SELECT t.* FROM ledger.logs t"), "{sql}");
        assert!(sql.contains(&one_of("address", "$5")), "{sql}");
        assert_eq!(list("transactions").lookups(&wanted(), &cover()), 4);
    }

    #[test]
    fn parties_that_a_filter_leaves_out_are_not_looked_up() {
        let list = list("transfers");
        let sql = list.page_of(&chosen(list, "token", 1), &cover(), (5, 9), 100).unwrap().sql;
        assert!(sql.contains("t.sender = ANY(ARRAY") && !sql.contains("t.token = ANY"), "{sql}");
        let alerts = List::named("alerts").unwrap();
        let filters = vec![alerts.choose("organisation", "bank-a").unwrap()];
        let sql = alerts.page_of(&Wanted { filters, ..wanted() }, &cover(), (5, 9), 100).unwrap().sql;
        assert!(sql.contains("t.organisation = ANY(ARRAY"), "an organisation may be the scope's own: {sql}");
    }

    #[test]
    fn parties_are_looked_up_where_they_are_known_and_the_scope_leaves_something_out() {
        let list = list("transfers");
        assert!(list.has_parties(&wanted(), &cover()));
        assert!(!list.has_parties(&wanted(), &Cover::default()), "nobody knows whom it covers");
        assert!(!list.has_parties(&Wanted { scope: Scope::default(), ..wanted() }, &cover()));
    }

    #[test]
    fn what_a_covered_party_had_a_part_in_is_shown_whole() {
        let list = list("transfers");
        assert!(list.is_covered(&chosen(list, "sender", 7), &cover()));
        assert!(list.is_covered(&chosen(list, "token", 9), &cover()));
        assert!(!list.is_covered(&chosen(list, "token", 7), &cover()), "an account is no token");
        assert!(!list.is_covered(&chosen(list, "sender", 8), &cover()));
    }
}
