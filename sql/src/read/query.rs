//! Statements: made from a declared list and what somebody wants of it. Pure.

use concordat_types::Address;

use super::{
    Scope,
    catalogue::{Filter, Kind, List, Order, STANDS},
    cover::Cover,
};
use crate::{cell::read_expression, tables::Type};

/// The most rows of a page.
pub(crate) const MOST: i64 = 1000;

/// The column of which there is an index of failures alone.
const FAILURES: &str = "outcome";

/// A bound parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// A number of 64 bits.
    Int(i64),
    /// A number of any size, in digits.
    Number(String),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Several texts.
    Texts(Vec<String>),
    /// Several byte strings.
    ManyBytes(Vec<Vec<u8>>),
}

/// Why a request makes no statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No such filter.
    #[error("{name:?} is no parameter of {list}; it takes {}", .takes.join(", "))]
    NoSuchFilter {
        /// What was named.
        name: String,
        /// The list.
        list: &'static str,
        /// What it takes.
        takes: Vec<String>,
    },
    /// A value that is none of its kind.
    #[error("{name} is not understood; it is {kind}")]
    Malformed {
        /// The parameter.
        name: String,
        /// What it should be.
        kind: &'static str,
    },
    /// A parameter twice.
    #[error("{name} stands there twice")]
    Twice {
        /// The parameter.
        name: String,
    },
    /// A page that begins elsewhere than its list has places.
    #[error("the cursor is not of this list")]
    Place,
}

/// A filter with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub(crate) filter: &'static Filter,
    pub(crate) value: Bind,
}

/// What somebody wants of a list.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// As of this block.
    pub as_of: i64,
    /// From this height.
    pub from: Option<i64>,
    /// To this height.
    pub to: Option<i64>,
    /// Of this transaction of its block.
    pub transaction: Option<i64>,
    /// Rows that are in all of these.
    pub filters: Vec<Chosen>,
    /// What may be shown.
    pub scope: Scope,
    /// The newest first.
    pub newest_first: bool,
    /// Every row of a register that ever was, not what holds.
    pub history: bool,
    /// After the row at this place.
    pub after: Option<Vec<String>>,
    /// So many rows.
    pub limit: i64,
}

/// A statement with its parameters.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Its text.
    pub sql: String,
    /// Its parameters, `$1` first.
    pub binds: Vec<Bind>,
    conditions: Vec<String>,
}

impl Kind {
    /// Reads a value.
    pub fn read(self, name: &str, text: &str) -> Result<Bind, RequestError> {
        let wrong = || RequestError::Malformed { name: name.to_owned(), kind: self.describe() };
        Ok(match self {
            Self::Address => Bind::Bytes(address(text).ok_or_else(wrong)?.to_vec()),
            Self::Hash => Bind::Bytes(bytes(text).filter(|bytes| bytes.len() == 32).ok_or_else(wrong)?),
            Self::Bytes => Bind::Bytes(bytes(text).filter(|bytes| bytes.len() <= 64).ok_or_else(wrong)?),
            Self::Int => Bind::Int(text.parse().ok().filter(|number| *number >= 0).ok_or_else(wrong)?),
            Self::Text | Self::Member => {
                let fits = (1..=128).contains(&text.chars().count()) && !text.contains('\0');
                Bind::Text(fits.then(|| text.to_owned()).ok_or_else(wrong)?)
            }
            Self::Stands => Bind::Text(STANDS.contains(&text).then(|| text.to_owned()).ok_or_else(wrong)?),
            Self::Number => {
                let fits = (1..=78).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
                Bind::Number(fits.then(|| text.to_owned()).ok_or_else(wrong)?)
            }
        })
    }

    /// What a value is, for people.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Address => "an address: 0x and 40 hexadecimal digits",
            Self::Hash => "a hash: 0x and 64 hexadecimal digits",
            Self::Bytes => "bytes: 0x and hexadecimal digits, 64 bytes at most",
            Self::Int => "a whole number of at most 63 bits",
            Self::Text => "text of 1 to 128 characters",
            Self::Number => "a whole number of at most 78 digits",
            Self::Member => "the id of an organisation",
            Self::Stands => "one of provisional, confirmed, released, lapsed, superseded, answered, over",
        }
    }
}

/// An address, which begins with `0x`.
pub fn address(text: &str) -> Option<Address> {
    text.starts_with("0x").then(|| text.parse().ok()).flatten()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x")?).ok()
}

impl List {
    /// Reads a filter of this list.
    ///
    /// # Errors
    /// [`RequestError::NoSuchFilter`], [`RequestError::Malformed`].
    pub fn choose(&'static self, name: &str, text: &str) -> Result<Chosen, RequestError> {
        let filter = self.filters.iter().find(|filter| filter.name == name);
        let filter = filter.ok_or_else(|| RequestError::NoSuchFilter {
            name: name.to_owned(),
            list: self.name,
            takes: self.parameters(),
        })?;
        Ok(Chosen { filter, value: filter.kind.read(name, text)? })
    }

    /// The names of all parameters.
    pub fn parameters(&self) -> Vec<String> {
        let filters = self.filters.iter().map(|filter| filter.name.to_owned());
        filters.chain(self.common().iter().map(|name| (*name).to_owned())).collect()
    }

    /// The names of parameters that go with its order.
    pub const fn common(&self) -> &'static [&'static str] {
        match self.order {
            Order::Journal(_) => &["from", "to", "since", "until", "order", "limit", "cursor"],
            Order::Register(_) | Order::Deep(..) => {
                &["at", "history", "from", "to", "since", "until", "order", "limit", "cursor"]
            }
            Order::Whole => &["at", "limit", "cursor"],
        }
    }

    /// The statement. Each row has the columns, then the block's time, then the extra columns, then its place as text.
    ///
    /// # Errors
    /// [`RequestError::Place`].
    pub fn query(&self, wanted: &Wanted) -> Result<Query, RequestError> {
        self.query_within(wanted, &Cover::default())
    }

    /// The same, where it is known whom the scope covers.
    pub(crate) fn query_within(&self, wanted: &Wanted, cover: &Cover) -> Result<Query, RequestError> {
        if let Order::Deep(key, first) = self.order {
            let of_one = wanted.filters.iter().any(|chosen| chosen.filter.column() == self.key());
            match wanted.history {
                false => return self.deep(key, first, wanted, cover),
                true if of_one => return self.deep_history(key, first, wanted, cover),
                true => {}
            }
        }
        let mut query = Query::default();
        let as_of = query.bind(Bind::Int(wanted.as_of));
        query.condition(&format!("t.height <= {as_of}"));
        self.narrow(wanted, &mut query);
        let lead = self.lead(wanted, &mut query);
        query.choose(wanted.filters.iter().filter(|chosen| lead.is_none_or(|lead| chosen.filter != lead)));
        self.hold(wanted, &as_of, &mut query);
        self.reach.restrict(&wanted.scope, cover, &mut query);
        let place = self.place(wanted.history);
        if let Some(after) = &wanted.after {
            self.begin_after(&place, after, wanted.newest_first, &mut query)?;
        }
        let limit = query.bind(Bind::Int(wanted.rows()));
        let (selected, from) = (self.selected(&place, &as_of), self.table);
        let conditions = query.joined();
        let led = lead.and_then(Filter::column).into_iter();
        let order = ordered("t", led.chain(place.iter().map(|(name, _)| *name)), wanted.newest_first);
        query.sql =
            format!("SELECT {selected} FROM {from} t WHERE {conditions} ORDER BY {order} LIMIT {limit}");
        Ok(query)
    }

    /// The bounds of heights, and of the transaction.
    fn narrow(&self, wanted: &Wanted, query: &mut Query) {
        for (bound, sign) in [(wanted.from, ">="), (wanted.to, "<=")] {
            if let Some(height) = bound {
                let parameter = query.bind(Bind::Int(height));
                query.condition(&format!("t.height {sign} {parameter}"));
            }
        }
        if let Some(place) = wanted.transaction {
            let parameter = query.bind(Bind::Int(place));
            query.condition(&format!("t.tx_index = {parameter}"));
        }
    }

    /// The filter whose index is gone along, in the order of heights; its condition is added.
    ///
    /// Said as a range of the index, not as an equality: of a value that many rows have the planner would rather go along the
    /// list until enough rows have it, and find none where they are all old.
    pub(super) fn lead(&self, wanted: &Wanted, query: &mut Query) -> Option<&'static Filter> {
        let chosen = wanted.filters.iter().find(|chosen| self.leads(chosen))?;
        let column = chosen.filter.column()?;
        let (lowest, highest) = wanted.heights();
        let (value, lowest, highest) =
            (query.bind(chosen.value.clone()), query.bind(Bind::Int(lowest)), query.bind(Bind::Int(highest)));
        query.condition(&along(column, &value, (&lowest, &highest)));
        if column == FAILURES {
            query.condition("t.outcome <> 0");
        }
        Some(chosen.filter)
    }

    /// Whether there is an index of a filter's column and heights. A hash is one row's; of outcomes only failures are indexed.
    pub(super) fn leads(&self, chosen: &Chosen) -> bool {
        let Some(column) = chosen.filter.column() else { return false };
        let is_success = column == FAILURES && chosen.value == Bind::Int(0);
        self.is_journal() && column != "hash" && !is_success
    }

    /// Begins a statement with the conditions of the rows with which the wanted keys begin; and the height as of which it reads.
    fn keys(&self, first: &str, wanted: &Wanted, (scope, cover): (&Scope, &Cover)) -> (Query, String) {
        let mut query = Query::default();
        let as_of = query.bind(Bind::Int(wanted.as_of));
        query.condition(&format!("{first} AND t.height <= {as_of}"));
        query.choose(wanted.filters.iter());
        self.reach.restrict(scope, cover, &mut query);
        (query, as_of)
    }

    /// What holds, of keys that may have very many rows: the keys are found by the rows with which they begin, and the newest
    /// row of each by the index of the key.
    fn deep(
        &self,
        key: &'static [&'static str],
        first: &str,
        wanted: &Wanted,
        cover: &Cover,
    ) -> Result<Query, RequestError> {
        let by_parties = self.has_parties(wanted, cover);
        let all = Scope::default();
        let scope = if by_parties { &all } else { &wanted.scope };
        let (mut query, as_of) = self.keys(first, wanted, (scope, cover));
        let place = self.place(false);
        if let Some(after) = &wanted.after {
            self.begin_after(&place, after, wanted.newest_first, &mut query)?;
        }
        let keys = query.take_joined();
        let columns = key.iter().map(|name| format!("t.{name}")).collect::<Vec<_>>().join(", ");
        let inner = ordered("t", key.iter().copied(), wanted.newest_first);
        let begun = match by_parties {
            true => format!("({}) t", self.keys_of((&columns, &keys), &inner, wanted, cover, &mut query)),
            false => format!("{} t WHERE {keys}", self.table),
        };
        query.condition("true");
        self.narrow(wanted, &mut query);
        let limit = query.bind(Bind::Int(wanted.rows()));
        let (selected, from, conditions) = (self.selected(&place, &as_of), self.table, query.joined());
        let same: Vec<String> = key.iter().map(|name| format!("n.{name} = k.{name}")).collect();
        let (same, outer) = (same.join(" AND "), ordered("k", key.iter().copied(), wanted.newest_first));
        query.sql = format!(
            "SELECT {selected} FROM (SELECT DISTINCT {columns} FROM {begun} ORDER BY {inner}) k \
             CROSS JOIN LATERAL (SELECT n.* FROM {from} n WHERE {same} AND n.height <= {as_of} \
             ORDER BY n.height DESC LIMIT 1) t WHERE {conditions} ORDER BY {outer} LIMIT {limit}"
        );
        Ok(query)
    }

    /// Every row of the keys that begin with one value, of which there may be very many in one order and in another one no index:
    /// of each key the first rows that may be wanted.
    fn deep_history(
        &self,
        key: &'static [&'static str],
        first: &str,
        wanted: &Wanted,
        cover: &Cover,
    ) -> Result<Query, RequestError> {
        let (mut query, as_of) = self.keys(first, wanted, (&wanted.scope, cover));
        let keys = query.take_joined();
        let (lowest, highest) = wanted.heights();
        let (lowest, highest) = (query.bind(Bind::Int(lowest)), query.bind(Bind::Int(highest)));
        query.condition(&format!("t.height >= {lowest} AND t.height <= {highest}"));
        let place = self.place(true);
        if let Some(after) = &wanted.after {
            self.begin_after(&place, after, wanted.newest_first, &mut query)?;
        }
        let limit = query.bind(Bind::Int(wanted.rows()));
        let (selected, from, conditions) = (self.selected(&place, &as_of), self.table, query.joined());
        let names = |of: &str| key.iter().map(|name| format!("{of}.{name}")).collect::<Vec<_>>().join(", ");
        let same: Vec<String> = key.iter().map(|name| format!("t.{name} = k.{name}")).collect();
        let of_key = ordered("t", ["height"].into_iter(), wanted.newest_first);
        let order = ordered("t", place.iter().map(|(name, _)| *name), wanted.newest_first);
        query.sql = format!(
            "SELECT {selected} FROM (SELECT DISTINCT {} FROM {from} t WHERE {keys}) k \
             CROSS JOIN LATERAL (SELECT t.* FROM {from} t WHERE {} AND {conditions} ORDER BY {of_key} LIMIT {limit}) t \
             ORDER BY {order} LIMIT {limit}",
            names("t"),
            same.join(" AND "),
        );
        Ok(query)
    }

    /// How many parts a place has.
    pub fn place_length(&self, history: bool) -> usize {
        self.place(history).len()
    }

    /// The columns that order its rows.
    pub(crate) fn place(&self, history: bool) -> Vec<(&'static str, Type)> {
        let names: &[&'static str] = match self.order {
            Order::Journal(names) => names,
            Order::Register(names) | Order::Deep(names, _) if !history => names,
            Order::Register(_) | Order::Deep(..) | Order::Whole => &["height", "place"],
        };
        let holds = |name: &str| self.table.columns().iter().find(|column| column.name == name);
        names.iter().filter_map(|name| holds(name).map(|column| (*name, column.holds))).collect()
    }

    /// Adds that a row of a register is the newest of its key, and was not removed.
    fn hold(&self, wanted: &Wanted, as_of: &str, query: &mut Query) {
        match self.order {
            Order::Register(key) if !wanted.history => {
                if self.has("removed") {
                    query.condition("NOT t.removed");
                }
                let same: Vec<String> = key.iter().map(|name| format!("n.{name} = t.{name}")).collect();
                query.condition(&format!(
                    "NOT EXISTS (SELECT FROM {} n WHERE {} AND n.height > t.height AND n.height <= {as_of})",
                    self.table,
                    same.join(" AND ")
                ));
            }
            Order::Whole if !wanted.history => query.condition(&format!(
                "NOT t.removed AND t.height = (SELECT max(n.height) FROM {} n WHERE n.height <= {as_of})",
                self.table
            )),
            Order::Register(_) | Order::Deep(..) | Order::Whole | Order::Journal(_) => {}
        }
    }

    fn has(&self, column: &str) -> bool {
        self.table.columns().iter().any(|known| known.name == column)
    }

    pub(super) fn begin_after(
        &self,
        place: &[(&'static str, Type)],
        after: &[String],
        newest_first: bool,
        query: &mut Query,
    ) -> Result<(), RequestError> {
        if place.len() != after.len() {
            return Err(RequestError::Place);
        }
        let mut parameters = Vec::new();
        for ((_, holds), text) in place.iter().zip(after) {
            let bind = match holds {
                Type::Int => Bind::Int(text.parse().map_err(|_| RequestError::Place)?),
                Type::Bytes => Bind::Bytes(hex::decode(text).map_err(|_| RequestError::Place)?),
                Type::Number => Kind::Number.read("cursor", text).map_err(|_| RequestError::Place)?,
                Type::Text => Bind::Text(text.clone()),
                Type::Bool | Type::Json => return Err(RequestError::Place),
            };
            parameters.push(query.bind(bind));
        }
        let columns: Vec<String> = place.iter().map(|(name, _)| format!("t.{name}")).collect();
        let sign = if newest_first { "<" } else { ">" };
        query.condition(&format!("({}) {sign} ({})", columns.join(", "), parameters.join(", ")));
        Ok(())
    }

    pub(super) fn selected(&self, place: &[(&'static str, Type)], as_of: &str) -> String {
        let columns = self.shown().map(|column| read_expression(&format!("t.{}", column.name), column.holds));
        let time = "(SELECT b.time_ms FROM ledger.blocks b WHERE b.height = t.height)::text".to_owned();
        let extras = self.extras.iter().map(|extra| extra.expression.replace("{}", as_of));
        let place = place.iter().map(|(name, holds)| read_expression(&format!("t.{name}"), *holds));
        columns.chain([time]).chain(extras).chain(place).collect::<Vec<_>>().join(", ")
    }
}

impl Wanted {
    /// All of a list as of a block, the newest first, by pages of the usual length.
    pub const fn newest(as_of: i64, scope: Scope) -> Self {
        Self {
            as_of,
            from: None,
            to: None,
            transaction: None,
            filters: Vec::new(),
            scope,
            newest_first: true,
            history: false,
            after: None,
            limit: 100,
        }
    }

    /// The rows that are read: one more than a page has tells whether there is another page.
    pub(super) fn rows(&self) -> i64 {
        self.limit.clamp(1, MOST).saturating_add(1)
    }

    /// The lowest and the highest height at which rows may be.
    pub(super) fn heights(&self) -> (i64, i64) {
        let parts = self.after.iter().flatten().map(|part| part.parse::<i64>().ok());
        let mut parts = parts.collect::<Option<Vec<i64>>>().unwrap_or_default().into_iter();
        let (after, last) = (parts.next(), if self.newest_first { 0 } else { i64::MAX });
        // After the last place of a height there is none at it.
        let passed = i64::from(parts.all(|part| part == last));
        let above = after.filter(|_| !self.newest_first).map(|after| after.saturating_add(passed));
        let below = after.filter(|_| self.newest_first).map(|after| after.saturating_sub(passed));
        let lowest = [self.from, above].into_iter().flatten().max().unwrap_or_default();
        let highest = [self.to, below].into_iter().flatten().fold(self.as_of, i64::min);
        (lowest, highest)
    }
}

/// The condition that a column has a value between two heights, said twice: as an equality, by which the planner knows how few
/// rows there are; and as a range of the index of the column and heights, of which it takes every bound to leave a third, so
/// that no other index ever looks cheaper. By the equality alone it would go along all that others did, where a value had many
/// rows once; by the range alone, along all rows of a short period, for each value anew.
pub(super) fn along(column: &str, value: &str, (lowest, highest): (&str, &str)) -> String {
    format!(
        "t.{column} = {value} AND (t.{column}, t.height) >= ({value}, {lowest}) \
         AND (t.{column}, t.height) <= ({value}, {highest})"
    )
}

/// Columns to order by.
pub(super) fn ordered(of: &str, columns: impl Iterator<Item = &'static str>, newest_first: bool) -> String {
    let direction = if newest_first { " DESC" } else { "" };
    columns.map(|name| format!("{of}.{name}{direction}")).collect::<Vec<_>>().join(", ")
}

impl Query {
    /// Adds filters.
    pub(super) fn choose<'a>(&mut self, chosen: impl Iterator<Item = &'a Chosen>) {
        for Chosen { filter, value } in chosen {
            let parameter = self.bind(value.clone());
            self.condition(&filter.condition.replace("{}", &parameter));
        }
    }

    /// All conditions so far, which are conditions no more.
    pub(super) fn take_joined(&mut self) -> String {
        let joined = self.joined();
        self.conditions.clear();
        joined
    }

    /// Adds a parameter; how the text refers to it.
    pub(crate) fn bind(&mut self, bind: Bind) -> String {
        let cast = if matches!(bind, Bind::Number(_)) { "::text::numeric" } else { "" };
        self.binds.push(bind);
        format!("${}{cast}", self.binds.len())
    }

    /// Adds a condition.
    pub(crate) fn condition(&mut self, text: &str) {
        self.conditions.push(text.to_owned());
    }

    /// All conditions.
    pub(crate) fn joined(&self) -> String {
        self.conditions.join(" AND ")
    }

    #[cfg(test)]
    pub(crate) fn conditions(&self) -> &[String] {
        &self.conditions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(name: &str) -> &'static List {
        List::named(name).unwrap()
    }

    fn wanted() -> Wanted {
        Wanted { limit: 10, ..Wanted::newest(9, Scope::default()) }
    }

    #[test]
    fn values_become_parameters_whatever_they_are() {
        let list = list("organisations");
        let nasty = "x' OR 1=1; DROP TABLE ledger.blocks --";
        let filters = vec![list.choose("organisation", nasty).unwrap()];
        let query = list.query(&Wanted { filters, after: Some(vec![nasty.into()]), ..wanted() }).unwrap();
        assert!(!query.sql.contains("DROP"), "{}", query.sql);
        assert_eq!(query.binds.iter().filter(|bind| **bind == Bind::Text(nasty.into())).count(), 2);
    }

    #[test]
    fn values_of_another_kind_and_unknown_filters_are_refused() {
        let list = list("transactions");
        for (name, text) in [("sender", "0x12"), ("hash", "zz"), ("outcome", "-1"), ("outcome", "1e3")] {
            assert!(matches!(list.choose(name, text), Err(RequestError::Malformed { .. })), "{name}");
        }
        let said = list.choose("nonsense", "1").unwrap_err().to_string();
        assert!(said.contains("transactions") && said.contains("sender"), "{said}");
    }

    #[test]
    fn a_register_tells_the_newest_row_of_each_key_and_its_history_every_row() {
        let list = list("accounts");
        let newest = list.query(&wanted()).unwrap().sql;
        assert!(newest.contains("NOT t.removed") && newest.contains("n.account = t.account"), "{newest}");
        assert!(newest.contains("ORDER BY t.account DESC"), "{newest}");
        let history = list.query(&Wanted { history: true, ..wanted() }).unwrap().sql;
        assert!(!history.contains("NOT EXISTS") && history.contains("ORDER BY t.height DESC, t.place DESC"));
    }

    #[test]
    fn a_filter_of_a_journal_goes_along_its_index_in_the_order_of_heights() {
        let list = list("transfers");
        let chosen = |name: &str| list.choose(name, &Address::repeat_byte(7).to_string()).unwrap();
        let filters = vec![chosen("token"), chosen("sender")];
        let after = Some(vec!["6".into(), "2".into(), "0".into(), "0".into()]);
        let query = list.query(&Wanted { filters, from: Some(3), after, ..wanted() }).unwrap();
        assert!(query.sql.contains("(t.token, t.height) >= ($3, $4)"), "{}", query.sql);
        assert!(query.sql.contains("t.sender = $6"), "the other one is a condition: {}", query.sql);
        assert!(query.sql.contains("ORDER BY t.token DESC, t.height DESC, t.tx_index DESC"), "{}", query.sql);
        assert_eq!(query.binds[3..5], [Bind::Int(3), Bind::Int(6)], "from `from` to where the page begins");
    }

    #[test]
    fn balances_are_found_by_the_rows_with_which_keys_begin() {
        let list = list("balances");
        let filters = vec![list.choose("holder", &Address::repeat_byte(7).to_string()).unwrap()];
        let sql = list.query(&Wanted { filters, to: Some(5), ..wanted() }).unwrap().sql;
        let (keys, newest) = sql.split_once("CROSS JOIN LATERAL").unwrap();
        assert!(keys.contains("t.balance = t.change AND t.height <= $1 AND t.holder = $2"), "{sql}");
        assert!(
            newest.contains("n.holder = k.holder AND n.token = k.token AND n.token_id = k.token_id"),
            "{sql}"
        );
        assert!(newest.contains("t.height <= $3"), "the period is that of the newest row: {sql}");
    }

    #[test]
    fn balances_within_a_scope_are_those_of_its_parties() {
        let organisations = Some(["bank-a".parse().unwrap()].into());
        let scope = Scope { organisations, contracts: Some([].into()) };
        let cover = Cover { accounts: Some([vec![7; 20]].into()), contracts: Some([vec![9; 20]].into()) };
        let within = Wanted { scope, ..wanted() };
        let sql = list("balances").query_within(&within, &cover).unwrap().sql;
        let (keys, newest) = sql.split_once(") k CROSS JOIN LATERAL (SELECT n.*").unwrap();
        let (holders, tokens) = keys.split_once(" UNION ALL ").unwrap();
        assert!(holders.contains("t.holder = ANY(ARRAY(SELECT unnest($3))) ORDER BY"), "{holders}");
        assert!(tokens.contains("unnest($4) p") && tokens.contains("t.token = p ORDER BY"), "{tokens}");
        assert!(keys.matches("LIMIT $2").count() == 2 && !newest.contains("ANY("), "{sql}");
        let narrow = list("balances").query_within(&Wanted { to: Some(5), ..within }, &cover).unwrap().sql;
        assert_eq!(narrow.matches("LIMIT ALL").count(), 2, "the period is that of the newest row: {narrow}");
    }

    #[test]
    fn the_history_of_a_holder_is_looked_up_by_what_it_holds() {
        let list = list("balances");
        let filters = vec![list.choose("holder", &Address::repeat_byte(7).to_string()).unwrap()];
        let after = Some(vec!["6".into(), "2".into()]);
        let query = list.query(&Wanted { filters, after, history: true, ..wanted() }).unwrap();
        let (keys, rows) = query.sql.split_once("CROSS JOIN LATERAL").unwrap();
        assert!(keys.contains("t.balance = t.change AND t.height <= $1 AND t.holder = $2"), "{keys}");
        assert!(rows.contains("(t.height, t.place) < ($5, $6) ORDER BY t.height DESC LIMIT $7) t"), "{rows}");
        assert!(rows.ends_with("ORDER BY t.height DESC, t.place DESC LIMIT $7"), "{rows}");
    }

    #[test]
    fn a_place_of_another_list_is_refused() {
        let refused = |name: &str, after: &[&str]| {
            let after = Some(after.iter().map(|text| (*text).to_owned()).collect());
            list(name).query(&Wanted { after, ..wanted() }).unwrap_err()
        };
        assert_eq!(refused("transactions", &["1"]), RequestError::Place);
        assert_eq!(refused("blocks", &["one"]), RequestError::Place);
        assert_eq!(refused("accounts", &["zz"]), RequestError::Place);
    }

    #[test]
    fn limits_are_bounded_and_one_more_row_tells_whether_there_is_another_page() {
        let query = list("blocks").query(&Wanted { limit: i64::MAX, ..wanted() }).unwrap();
        assert_eq!(query.binds.last(), Some(&Bind::Int(MOST + 1)));
    }

    #[test]
    fn every_list_makes_a_statement_with_every_filter() {
        for list in super::super::LISTS {
            assert!(!list.place(false).is_empty() && !list.about.is_empty(), "{}", list.name);
            for filter in list.filters {
                let text = match filter.kind {
                    Kind::Address => "0x0101010101010101010101010101010101010101".to_owned(),
                    Kind::Hash => format!("0x{}", "01".repeat(32)),
                    Kind::Bytes => "0x01".into(),
                    Kind::Int | Kind::Number => "1".into(),
                    Kind::Text | Kind::Member => "one".into(),
                    Kind::Stands => "lapsed".into(),
                };
                let filters = vec![list.choose(filter.name, &text).unwrap()];
                let query = list.query(&Wanted { filters, ..wanted() }).unwrap();
                assert!(query.sql.contains("$2"), "{}", query.sql);
                assert_eq!(query.binds.first(), Some(&Bind::Int(9)), "filters may name the height as $1");
            }
        }
    }

    #[test]
    fn how_an_order_stands_is_one_of_the_words_that_its_description_names() {
        let orders = list("orders");
        for word in STANDS {
            assert!(
                orders.choose("stands", word).is_ok() && Kind::Stands.describe().contains(word),
                "{word}"
            );
        }
        let refused = orders.choose("stands", "binding").unwrap_err().to_string();
        assert!(refused.contains("provisional, confirmed"), "{refused}");
    }
}
