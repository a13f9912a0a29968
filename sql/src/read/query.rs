//! Statements: made from a declared list and what somebody wants of it. Pure.

use concordat_types::Address;

use super::{
    Scope,
    catalogue::{Filter, Kind, List, Order},
};
use crate::{cell::read_expression, tables::Type};

/// The most rows of a page.
pub(crate) const MOST: i64 = 1000;

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
            Self::Address => Bind::Bytes(text.parse::<Address>().map_err(|_| wrong())?.to_vec()),
            Self::Hash => Bind::Bytes(bytes(text).filter(|bytes| bytes.len() == 32).ok_or_else(wrong)?),
            Self::Bytes => Bind::Bytes(bytes(text).filter(|bytes| bytes.len() <= 64).ok_or_else(wrong)?),
            Self::Int => Bind::Int(text.parse().ok().filter(|number| *number >= 0).ok_or_else(wrong)?),
            Self::Text => {
                let fits = !text.is_empty() && text.len() <= 128 && !text.contains('\0');
                Bind::Text(fits.then(|| text.to_owned()).ok_or_else(wrong)?)
            }
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
            Self::Text => "text of 1 to 128 bytes",
            Self::Number => "a whole number of at most 78 digits",
        }
    }
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
            Order::Register(_) => {
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
        let mut query = Query::default();
        let as_of = query.bind(Bind::Int(wanted.as_of));
        query.condition(&format!("t.height <= {as_of}"));
        for (bound, sign) in [(wanted.from, ">="), (wanted.to, "<=")] {
            if let Some(height) = bound {
                let parameter = query.bind(Bind::Int(height));
                query.condition(&format!("t.height {sign} {parameter}"));
            }
        }
        for Chosen { filter, value } in &wanted.filters {
            let parameter = query.bind(value.clone());
            query.condition(&filter.condition.replace("{}", &parameter));
        }
        self.hold(wanted, &as_of, &mut query);
        self.reach.restrict(&wanted.scope, &mut query);
        let place = self.place(wanted.history);
        if let Some(after) = &wanted.after {
            self.begin_after(&place, after, wanted.newest_first, &mut query)?;
        }
        let limit = query.bind(Bind::Int(wanted.limit.clamp(1, MOST).saturating_add(1)));
        let (selected, from) = (self.selected(&place, &as_of), self.table);
        let conditions = query.joined();
        let direction = if wanted.newest_first { " DESC" } else { "" };
        let order: Vec<String> = place.iter().map(|(name, _)| format!("t.{name}{direction}")).collect();
        query.sql = format!(
            "SELECT {selected} FROM {from} t WHERE {conditions} ORDER BY {} LIMIT {limit}",
            order.join(", ")
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
            Order::Register(names) if !history => names,
            Order::Register(_) | Order::Whole => &["height", "place"],
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
            Order::Register(_) | Order::Whole | Order::Journal(_) => {}
        }
    }

    fn has(&self, column: &str) -> bool {
        self.table.columns().iter().any(|known| known.name == column)
    }

    fn begin_after(
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

    fn selected(&self, place: &[(&'static str, Type)], as_of: &str) -> String {
        let columns = self.shown().map(|column| read_expression(&format!("t.{}", column.name), column.holds));
        let time = "(SELECT b.time_ms FROM ledger.blocks b WHERE b.height = t.height)::text".to_owned();
        let extras = self.extras.iter().map(|extra| extra.expression.replace("{}", as_of));
        let place = place.iter().map(|(name, holds)| read_expression(&format!("t.{name}"), *holds));
        columns.chain([time]).chain(extras).chain(place).collect::<Vec<_>>().join(", ")
    }
}

impl Query {
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
        Wanted {
            as_of: 9,
            from: None,
            to: None,
            filters: vec![],
            scope: Scope::default(),
            newest_first: true,
            history: false,
            after: None,
            limit: 10,
        }
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
                    Kind::Text => "one".into(),
                };
                let filters = vec![list.choose(filter.name, &text).unwrap()];
                let query = list.query(&Wanted { filters, ..wanted() }).unwrap();
                assert!(query.sql.contains("$2"), "{}", query.sql);
            }
        }
    }
}
