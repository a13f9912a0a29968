//! Parameters of a request: each once, each known, each of its kind.

use actix_web::web;
use concordat_sql::read::{Edge, List, Reader, RequestError, Scope, Tip, Wanted, address};
use concordat_types::Address;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    cursor::{self, Cursor},
    problem::{Kind, Problem},
};

/// Rows of a page where nothing is said.
const ROWS: i64 = 100;

/// The most rows of a page.
pub(crate) const MOST_ROWS: i64 = 1000;

/// The parameters of a path's query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads them; twice the same is a mistake.
    pub(crate) fn read(query: &str) -> Result<Self, Problem> {
        let wrong = |_| Problem::new(Kind::Malformed, "the query is not understood");
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query).map_err(wrong)?.into_inner();
        for (at, (name, _)) in pairs.iter().enumerate() {
            if pairs.iter().take(at).any(|(before, _)| before == name) {
                return Err(RequestError::Twice { name: name.clone() }.into());
            }
        }
        Ok(Self(pairs))
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[(String, String)] {
        &self.0
    }

    /// Takes one out.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// Takes a number out.
    pub(crate) fn number(&mut self, name: &str, least: i64, most: i64) -> Result<Option<i64>, Problem> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let number: Option<i64> = text.parse().ok().filter(|number| (least..=most).contains(number));
        let wrong = || Problem::new(Kind::Malformed, format!("{name} is a whole number, {least} to {most}"));
        number.map(Some).ok_or_else(wrong)
    }

    /// Takes one out of a few words.
    pub(crate) fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Problem> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        let named: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let wrong = || Problem::new(Kind::Malformed, format!("{name} is one of {}", named.join(", ")));
        found.map(Some).ok_or_else(wrong)
    }

    /// Takes out a value of a type that reads itself.
    pub(crate) fn parsed<T: std::str::FromStr>(
        &mut self,
        name: &str,
        kind: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let wrong = |_| Problem::new(Kind::Malformed, format!("{name} is {kind}"));
        text.parse().map(Some).map_err(wrong)
    }

    /// Takes an address out.
    pub(crate) fn address(&mut self, name: &str) -> Result<Option<Address>, Problem> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let wrong =
            || Problem::new(Kind::Malformed, format!("{name} is an address: 0x and 40 hexadecimal digits"));
        address(&text).map(Some).ok_or_else(wrong)
    }

    /// Takes a number of any size out, in digits alone.
    pub(crate) fn digits<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let wrong = || Problem::new(Kind::Malformed, format!("{name} is a whole number"));
        digits.then(|| text.parse().ok()).flatten().map(Some).ok_or_else(wrong)
    }

    /// Refuses what is left.
    pub(crate) fn end(&self, takes: &[&str]) -> Result<(), Problem> {
        let Some((name, _)) = self.0.first() else { return Ok(()) };
        let takes = if takes.is_empty() { "none".to_owned() } else { takes.join(", ") };
        let detail = format!("{name:?} is no parameter of this path; it takes {takes}");
        Err(Problem::new(Kind::Malformed, detail))
    }

    /// Takes out the heights of a period: `from` and `to` in heights, or `since` and `until` in times.
    pub(crate) async fn period(
        &mut self,
        reader: &Reader,
        tip: &Tip,
    ) -> Result<(Option<i64>, Option<i64>), Problem> {
        let mut from = self.number("from", 0, i64::MAX)?;
        let mut to = self.number("to", 0, i64::MAX)?;
        if let Some(time) = self.time("since")? {
            let first = reader.height_at(time, Edge::FirstFrom).await?.unwrap_or(i64::MAX);
            from = Some(from.map_or(first, |height| height.max(first)));
        }
        if let Some(time) = self.time("until")? {
            let last = reader.height_at(time, Edge::LastUntil).await?.unwrap_or(0).min(tip.height);
            to = Some(to.map_or(last, |height| height.min(last)));
        }
        Ok((from, to))
    }

    /// Takes out the height as of which is read: `at`, a height or a time.
    pub(crate) async fn as_of(&mut self, reader: &Reader, tip: &Tip) -> Result<i64, Problem> {
        let Some(text) = self.take("at") else { return Ok(tip.height) };
        let height = match text.parse::<i64>() {
            Ok(height) if height >= 0 => height,
            Ok(_) => {
                return Err(Problem::new(Kind::Malformed, "at is a height, or a time as RFC 3339 has it"));
            }
            Err(_) => {
                let time = moment("at", &text)?;
                if time > tip.time_ms {
                    return Err(Problem::new(Kind::Ahead, format!("the newest block is {}", tip.height)));
                }
                reader.height_at(time, Edge::LastUntil).await?.unwrap_or(0)
            }
        };
        if height > tip.height {
            return Err(Problem::new(Kind::Ahead, format!("the newest block is {}", tip.height)));
        }
        Ok(height)
    }

    fn time(&mut self, name: &str) -> Result<Option<i64>, Problem> {
        self.take(name).map(|text| moment(name, &text)).transpose()
    }

    /// What is wanted of a list, with the digest that cursors carry; the rest are its filters.
    pub(crate) async fn wanted(
        mut self,
        path: &str,
        list: &'static List,
        reader: &Reader,
        tip: &Tip,
    ) -> Result<(Wanted, String), Problem> {
        let digest = cursor::digest(path, &self.0);
        let cursor = self.take("cursor").map(|text| Cursor::decode(&text, &digest)).transpose()?;
        let limit = self.number("limit", 1, MOST_ROWS)?.unwrap_or(ROWS);
        let takes = |name: &str| list.common().contains(&name);
        let history = match takes("history") {
            true => self.word("history", &[("true", true), ("false", false)])?.unwrap_or(false),
            false => false,
        };
        let journal = list.is_journal() || history;
        let newest_first = match takes("order") {
            true => self.word("order", &[("asc", false), ("desc", true)])?.unwrap_or(journal),
            false => false,
        };
        let (from, to) = if takes("from") { self.period(reader, tip).await? } else { (None, None) };
        let mut as_of = if takes("at") { self.as_of(reader, tip).await? } else { tip.height };
        if let Some(cursor) = &cursor {
            // Pages after the first are of the same block; none is newer than the newest.
            as_of = cursor.h.min(tip.height);
        }
        let filters = self.0.iter().map(|(name, text)| list.choose(name, text)).collect::<Result<_, _>>()?;
        let after = cursor.map(|cursor| cursor.k);
        let all = everything(as_of, &Scope::default(), limit);
        Ok((Wanted { from, to, filters, newest_first, history, after, ..all }, digest))
    }
}

/// All rows of a list that hold after a block, the oldest first: what every request then narrows.
pub(crate) fn everything(as_of: i64, scope: &Scope, limit: i64) -> Wanted {
    Wanted {
        as_of,
        from: None,
        to: None,
        transaction: None,
        filters: Vec::new(),
        scope: scope.clone(),
        newest_first: false,
        history: false,
        after: None,
        limit,
    }
}

/// A time as RFC 3339 has it, in milliseconds since 1970.
fn moment(name: &str, text: &str) -> Result<i64, Problem> {
    let wrong = || Problem::new(Kind::Malformed, format!("{name} is a time such as 2026-11-26T12:00:00Z"));
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
    i64::try_from(time.unix_timestamp_nanos().checked_div(1_000_000).unwrap_or_default()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_twice_unknown_or_out_of_its_range_is_refused_by_name() {
        assert!(Parameters::read("a=1&a=2").unwrap_err().detail.contains("a stands there twice"));
        let mut parameters = Parameters::read("limit=1001&order=up&x=1").unwrap();
        assert!(parameters.number("limit", 1, 1000).unwrap_err().detail.contains("1 to 1000"));
        assert!(
            parameters.word("order", &[("asc", 1), ("desc", 2)]).unwrap_err().detail.contains("asc, desc")
        );
        assert!(parameters.end(&["hops"]).unwrap_err().detail.contains("\"x\""));
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(moment("since", "1970-01-01T00:00:01.5Z"), Ok(1500));
        assert_eq!(moment("since", "yesterday").unwrap_err().kind, Kind::Malformed);
    }
}
