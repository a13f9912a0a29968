//! Rows as they stand in one index, a bounded number at a time: those of a filter's value, or those of the whole list.
//!
//! What is bounded is what is looked at, not what is found: a scope or a second filter may leave nothing of a thousand rows.

use super::{
    Bind, List, Query, RequestError, Wanted,
    catalogue::Filter,
    cover::Cover,
    query::{Chosen, ordered},
};

impl List {
    /// The next rows of the index that a request goes along, with those of them that it wants: as many as are asked for, and
    /// then all of the last one's height, so that it goes on from a height and never from within one.
    pub(super) fn walk(&self, wanted: &Wanted, cover: &Cover, most: i64) -> Result<Query, RequestError> {
        let mut query = Query::default();
        let as_of = query.bind(Bind::Int(wanted.as_of));
        let lead = self.stand_in_index(wanted, &mut query);
        let of_index = query.take_joined();
        query.condition("true");
        query.choose(wanted.filters.iter().filter(|chosen| lead.is_none_or(|lead| chosen.filter != lead)));
        self.reach.restrict(&wanted.scope, cover, &mut query);
        let place = self.place(wanted.history);
        if let Some(after) = &wanted.after {
            self.begin_after(&place, after, wanted.newest_first, &mut query)?;
        }
        let (most, limit) = (query.bind(Bind::Int(most)), query.bind(Bind::Int(wanted.rows())));
        let (table, conditions) = (self.table, query.joined());
        let names = || place.iter().map(|(name, _)| *name);
        let (index, order) =
            (index_order(lead, wanted.newest_first), ordered("t", names(), wanted.newest_first));
        let last = if wanted.newest_first { "min" } else { "max" };
        query.sql = format!(
            "WITH looked AS MATERIALIZED (\
                 SELECT t.* FROM {table} t WHERE {of_index} ORDER BY {index} FETCH FIRST {most} ROWS WITH TIES) \
             SELECT {}, t.height IS NOT NULL AS is_row, e.looked, e.edge \
             FROM (SELECT count(*) AS looked, {last}(height) AS edge FROM looked) e \
             LEFT JOIN (SELECT t.* FROM looked t WHERE {conditions} ORDER BY {order} LIMIT {limit}) t ON true ORDER BY {order}",
            self.selected(&place, &as_of),
        );
        Ok(query)
    }

    /// How many rows there are of the index that a request goes along, counted up to a bound.
    pub(super) fn count_along(&self, wanted: &Wanted, most: i64) -> Query {
        let mut query = Query::default();
        let lead = self.stand_in_index(wanted, &mut query);
        let most = query.bind(Bind::Int(most));
        query.sql = format!(
            "SELECT count(*) FROM (SELECT FROM {} t WHERE {} ORDER BY {} LIMIT {most}) counted",
            self.table,
            query.joined(),
            index_order(lead, wanted.newest_first)
        );
        query
    }

    /// The filters by whose index a request may go.
    pub(super) fn leads_of<'a>(&'a self, wanted: &'a Wanted) -> impl Iterator<Item = &'a Chosen> {
        wanted.filters.iter().filter(|chosen| self.leads(chosen))
    }

    /// Adds that rows are of the heights of a request and of its leading filter, which is told.
    fn stand_in_index(&self, wanted: &Wanted, query: &mut Query) -> Option<&'static Filter> {
        let (lowest, highest) = wanted.heights();
        let (lowest, highest) = (query.bind(Bind::Int(lowest)), query.bind(Bind::Int(highest)));
        query.condition(&format!("t.height >= {lowest} AND t.height <= {highest}"));
        self.lead(wanted, query)
    }
}

/// The order of an index: of the filter's column, if there is one, and of heights.
fn index_order(lead: Option<&'static Filter>, newest_first: bool) -> String {
    let column = lead.and_then(Filter::column).into_iter();
    ordered("t", column.chain(["height"]), newest_first)
}

#[cfg(test)]
mod tests {
    use super::{super::Scope, *};

    fn wanted(list: &'static List, filters: &[(&str, &str)]) -> Wanted {
        let filters = filters.iter().map(|(name, text)| list.choose(name, text).unwrap()).collect();
        Wanted { filters, limit: 10, ..Wanted::newest(900, Scope::default()) }
    }

    #[test]
    fn whole_heights_of_an_index_are_looked_at_and_the_rest_is_a_condition() {
        let list = List::named("transfers").unwrap();
        let (token, sender) = (format!("0x{}", "07".repeat(20)), format!("0x{}", "08".repeat(20)));
        let wanted = wanted(list, &[("token", &token), ("sender", &sender)]);
        let sql = list.walk(&wanted, &Cover::default(), 500).unwrap().sql;
        let (looked, shown) = sql.split_once("WITH TIES").unwrap();
        assert!(looked.contains("(t.token, t.height) >= ($4, $5)") && !looked.contains("t.sender"), "{sql}");
        assert!(looked.ends_with("ORDER BY t.token DESC, t.height DESC FETCH FIRST $8 ROWS "), "{sql}");
        assert!(shown.contains("t.sender = $7") && shown.contains("min(height) AS edge"), "{sql}");
    }

    #[test]
    fn how_an_order_stands_is_asked_as_of_the_height_as_of_which_is_read() {
        let list = List::named("orders").unwrap();
        let wanted = Wanted { history: true, from: Some(7), ..wanted(list, &[("stands", "lapsed")]) };
        assert!(!list.is_direct(&wanted));
        let query = list.walk(&wanted, &Cover::default(), 500).unwrap();
        assert!(
            query.sql.contains("o.height <= $1") && query.sql.contains("t.height >= $2"),
            "{}",
            query.sql
        );
        assert_eq!(query.binds[..2], [Bind::Int(900), Bind::Int(7)]);
    }

    #[test]
    fn where_no_filter_has_an_index_the_list_itself_is_gone_along() {
        let list = List::named("transactions").unwrap();
        let wanted = wanted(list, &[("outcome", "0")]);
        let sql = list.walk(&wanted, &Cover::default(), 500).unwrap().sql;
        assert!(
            sql.contains("ORDER BY t.height DESC FETCH FIRST") && sql.contains("t.outcome = $4"),
            "{sql}"
        );
        assert_eq!(list.leads_of(&wanted).count(), 0);
    }
}
