//! Pages of what happened, by a bounded amount of work.
//!
//! ```text
//!  rows of the filter's index ─▶ a page, or the end, or half of the work is done
//!                                                          │
//!  the parties of a scope, where they are known by name ◀──┘ ─▶ a page, or the end, or all of the work is done
//! ```
//!
//! Two conditions, each of which has many rows and both of which none, are met by no index: somebody has to look. So a page
//! ends after so much work, wherever it has come to. What it has is all that there is up to there, and it says from where to go
//! on: nothing is left out, and nobody waits for what is far.

use sqlx::{Row as _, postgres::PgRow};

use super::{List, Order, Page, PageError, Query, Reader, Wanted, cover::Cover, page::Position};
use crate::SqlError;

/// Heights that are looked at first where parties are known by name.
const WINDOW: i64 = 16;

/// How many times more heights are looked at next, at most.
const WIDER: i64 = 64;

/// How many times fewer, where there is too much within them.
const NARROWER: i64 = 8;

/// Rows that are looked at of a window, however little work is left: without it none might ever be looked through.
const LEAST: i64 = 500;

/// How many times more are looked at next, at most.
const MORE: i64 = 8;

/// How much is done for a page: rows that are looked at, and places of indexes that are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Of a journal.
    pub page: i64,
    /// What it costs to find out whose an account is, where accounts are not known by name.
    pub account: i64,
}

impl Default for Work {
    fn default() -> Self {
        Self { page: 2_500, account: 4 }
    }
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// The page is full.
    Full,
    /// There are no more rows.
    End,
    /// The work is done.
    Bound,
}

/// What a statement has looked at.
struct Looked {
    rows: Vec<PgRow>,
    count: i64,
    edge: Option<i64>,
}

/// A page that is being looked for.
struct Search<'a> {
    reader: &'a Reader,
    list: &'static List,
    cover: &'a Cover,
    /// What is still wanted: so many rows, after this place.
    wanted: Wanted,
    left: i64,
    page: Page,
}

impl List {
    /// Whether each row that a request goes along is one that it wants, or there are few of them: of one block, of one hash.
    pub(super) fn is_direct(&self, wanted: &Wanted) -> bool {
        let (lowest, highest) = wanted.heights();
        let few = lowest >= highest || wanted.filters.iter().any(|chosen| chosen.filter.name == "hash");
        let restricted = self.reach.is_restricted(&wanted.scope);
        match self.key() {
            _ if few => true,
            // What holds is found by its key.
            Some(_) if !wanted.history => true,
            Some(key) => {
                let by_key = wanted.filters.iter().any(|chosen| chosen.filter.column() == Some(key));
                by_key || (!restricted && wanted.filters.is_empty())
            }
            None => !restricted && wanted.filters.len() == self.leads_of(wanted).take(1).count(),
        }
    }

    /// The first column of the key by which rows replace one another; none: of a journal, and where all of a height do.
    pub(super) fn key(&self) -> Option<&'static str> {
        match self.order {
            Order::Register(key) | Order::Deep(key, _) => key.first().copied(),
            Order::Journal(_) | Order::Whole => None,
        }
    }
}

impl Reader {
    /// A page of a journal by a bounded amount of work.
    pub(super) async fn bounded_page(
        &self,
        list: &'static List,
        wanted: Wanted,
        cover: &Cover,
    ) -> Result<Page, PageError> {
        // Of what replaces one another there is no index by parties and heights.
        let by_parties = list.is_journal() && list.has_parties(&wanted, cover);
        if by_parties && list.lookups(&wanted, cover) == 0 {
            return Ok(Page::default());
        }
        let mut search =
            Search { reader: self, list, cover, wanted, left: self.work.page, page: Page::default() };
        search.begin_with_the_rarest().await?;
        let led = list.leads_of(&search.wanted).next().is_some();
        let mut reached = Reached::Bound;
        if led || !by_parties {
            let share =
                if by_parties { self.work.page.checked_div(2).unwrap_or_default() } else { self.work.page };
            reached = search.along_the_index(share).await?;
        }
        if by_parties && reached == Reached::Bound && !search.is_filled() {
            reached = search.by_parties(!led).await?;
        }
        Ok(search.end(reached))
    }
}

impl Search<'_> {
    /// Of several filters with an index, that one is gone along which has the fewest rows.
    async fn begin_with_the_rarest(&mut self) -> Result<(), PageError> {
        let leads: Vec<_> = self.list.leads_of(&self.wanted).cloned().collect();
        if leads.len() < 2 {
            return Ok(());
        }
        let mut counted = Vec::with_capacity(leads.len());
        for lead in leads {
            let alone = Wanted { filters: vec![lead.clone()], ..self.wanted.clone() };
            let most = self.reader.work.page.checked_div(NARROWER).unwrap_or_default();
            let count = self.number(&self.list.count_along(&alone, most)).await?.unwrap_or_default();
            self.left = self.left.saturating_sub(count);
            counted.push((count, lead));
        }
        counted.sort_by_key(|(count, _)| *count);
        if let Some((_, rarest)) = counted.into_iter().next() {
            self.wanted.filters.sort_by_key(|chosen| *chosen != rarest);
        }
        Ok(())
    }

    /// Goes along an index for a share of the work.
    async fn along_the_index(&mut self, share: i64) -> Result<Reached, PageError> {
        let cost = match (&self.cover.accounts, self.list.reach.is_restricted(&self.wanted.scope)) {
            (_, false) => 1,
            // It lies on a page of its own, and may be none of those that are shown; if its sender tells, that is elsewhere.
            (Some(_), true) => self.list.cost_of_a_row().saturating_add(1),
            (None, true) => self.reader.work.account,
        };
        let mut left = share.checked_div(cost).unwrap_or_default();
        // As many as are wanted, first: each may be on a page of its own, and be shown.
        let mut next = self.wanted.rows();
        loop {
            let most = next.min(left).max(1);
            let looked = self.look(&self.list.walk(&self.wanted, self.cover, most)?).await?;
            left = left.saturating_sub(looked.count);
            self.left = self.left.saturating_sub(looked.count.saturating_mul(cost));
            let (count, edge, before) = (looked.count, looked.edge, self.page.rows.len());
            if self.take(looked)? {
                return Ok(Reached::Full);
            }
            let Some(edge) = edge.filter(|_| count >= most) else { return Ok(Reached::End) };
            if self.go_on_from(edge) {
                return Ok(Reached::End);
            }
            if left <= 0 || self.is_filled() {
                return Ok(Reached::Bound);
            }
            next = next.saturating_mul(self.further(before, MORE));
        }
    }

    /// Looks up parties, window by window, for what is left of the work. A window that has more is made narrower; down to one
    /// height, which is looked through whatever it has.
    async fn by_parties(&mut self, is_first: bool) -> Result<Reached, PageError> {
        // To look up a place of an index takes half of what it takes to look at a row.
        let lookups = self.list.lookups(&self.wanted, self.cover).checked_div(2).unwrap_or_default();
        let cost = self.list.cost_of_a_row();
        let (mut width, mut stands) = (WINDOW, is_first);
        loop {
            let window = self.wanted.window(width);
            let is_one = window.0 == window.1;
            let fitting = self.left.checked_div(cost).unwrap_or_default();
            let most = if is_one { i64::MAX } else { fitting.max(LEAST) };
            let query = self.list.page_of(&self.wanted, self.cover, window, most)?;
            let looked = self.look(&query).await?;
            let (count, heights) = (looked.count, window.1.saturating_sub(window.0).saturating_add(1));
            self.left = self.left.saturating_sub(lookups).saturating_sub(count.saturating_mul(cost));
            if count >= most {
                if self.left <= 0 && !stands {
                    return Ok(Reached::Bound);
                }
                width = heights.checked_div(NARROWER).unwrap_or_default().max(1);
                continue;
            }
            let before = self.page.rows.len();
            if self.take(looked)? {
                return Ok(Reached::Full);
            }
            stands = false;
            if self.go_on_from(self.wanted.far_end(window)) {
                return Ok(Reached::End);
            }
            if count == 0 && !self.go_to_the_nearest().await? {
                return Ok(Reached::End);
            }
            if self.left <= 0 || self.is_filled() {
                return Ok(Reached::Bound);
            }
            let twice = count.saturating_mul(cost).saturating_mul(2);
            let fit = self.left.checked_div(twice).unwrap_or_default().clamp(2, WIDER);
            width = if count == 0 { WINDOW } else { heights.saturating_mul(self.further(before, fit)) };
        }
    }

    /// Goes on from the next height at which a party has a row; whether there is one.
    async fn go_to_the_nearest(&mut self) -> Result<bool, SqlError> {
        self.left = self.left.saturating_sub(self.list.lookups(&self.wanted, self.cover));
        let nearest = self.list.nearest(&self.wanted, self.cover);
        let Some(nearest) = self.number(&nearest).await? else { return Ok(false) };
        let before = if self.wanted.newest_first { 1 } else { -1 };
        Ok(!self.go_on_from(nearest.saturating_add(before)))
    }

    async fn look(&self, query: &Query) -> Result<Looked, SqlError> {
        let rows = self.reader.fetch(query, self.list.name).await?;
        let failed = || SqlError::at(format!("read {}", self.list.name));
        let Some(first) = rows.first() else { return Ok(Looked { rows, count: 0, edge: None }) };
        let (count, edge) =
            (first.try_get("looked").map_err(failed())?, first.try_get("edge").map_err(failed())?);
        Ok(Looked { rows, count, edge })
    }

    async fn number(&self, query: &Query) -> Result<Option<i64>, SqlError> {
        let rows = self.reader.fetch(query, self.list.name).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        row.try_get(0).map_err(SqlError::at(format!("read {}", self.list.name)))
    }

    /// Takes rows into the page; whether there are more than fit.
    fn take(&mut self, looked: Looked) -> Result<bool, SqlError> {
        for row in &looked.rows {
            let is_row: bool =
                row.try_get("is_row").map_err(SqlError::at(format!("read {}", self.list.name)))?;
            if !is_row {
                continue;
            }
            if self.is_filled() {
                return Ok(true);
            }
            let (shown, place) = self.list.read(row, self.wanted.history)?;
            self.page.rows.push(shown);
            self.page.places.push(place);
            self.wanted.limit = self.wanted.limit.saturating_sub(1);
        }
        Ok(false)
    }

    /// How many times more to look at next, at most so many, where there were so many rows before the last look: a quarter more
    /// than what is still wanted would take. To look at a row may be to wait for the disk.
    fn further(&self, before: usize, most: i64) -> i64 {
        let found = i64::try_from(self.page.rows.len().saturating_sub(before)).unwrap_or(i64::MAX);
        times(self.wanted.rows(), found, most)
    }

    /// Whether it has as many rows as are wanted.
    fn is_filled(&self) -> bool {
        self.wanted.limit <= 0
    }

    /// Goes on after all rows of a height; whether that is the end.
    fn go_on_from(&mut self, height: i64) -> bool {
        self.wanted.after = Some(self.wanted.beyond(height, self.list.place_length(self.wanted.history)));
        let (lowest, highest) = self.wanted.heights();
        lowest > highest
    }

    /// The page, with where the next one begins.
    fn end(mut self, reached: Reached) -> Page {
        self.page.next = match reached {
            Reached::Full => self.page.places.last().cloned(),
            Reached::Bound => self.wanted.after,
            Reached::End => None,
        };
        self.page
    }
}

/// How many times more, at most so many, has to be looked at for what is wanted, and a quarter more, where so much was found.
fn times(wanted: i64, found: i64, most: i64) -> i64 {
    let times = wanted.saturating_mul(5).checked_div(found.saturating_mul(4));
    times.map_or(most, |times| times.saturating_add(1).min(most))
}

impl Wanted {
    /// So many of its heights, with which it begins.
    fn window(&self, width: i64) -> (i64, i64) {
        let (lowest, highest) = self.heights();
        let further = width.saturating_sub(1).max(0);
        match self.newest_first {
            true => (lowest.max(highest.saturating_sub(further)), highest),
            false => (lowest, highest.min(lowest.saturating_add(further))),
        }
    }

    /// The last of some heights.
    const fn far_end(&self, (lowest, highest): (i64, i64)) -> i64 {
        if self.newest_first { lowest } else { highest }
    }

    /// The place after all rows of a height.
    fn beyond(&self, height: i64, parts: usize) -> Position {
        let rest = if self.newest_first { 0 } else { i64::MAX };
        let all = std::iter::once(height).chain(std::iter::repeat(rest));
        all.take(parts).map(|part| part.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Scope, *};

    fn wanted() -> Wanted {
        Wanted::newest(900, Scope::default())
    }

    fn list(name: &str) -> &'static List {
        List::named(name).unwrap()
    }

    #[test]
    fn windows_are_the_heights_with_which_a_request_begins() {
        assert_eq!(wanted().window(64), (837, 900));
        assert_eq!(Wanted { newest_first: false, from: Some(3), ..wanted() }.window(64), (3, 66));
        let after = Some(vec!["20".to_owned(), "5".to_owned()]);
        assert_eq!(Wanted { after, ..wanted() }.window(64), (0, 20));
        assert_eq!((wanted().far_end((3, 9)), wanted().window(1)), (3, (900, 900)));
    }

    #[test]
    fn no_more_is_looked_at_than_what_is_wanted_will_take() {
        assert_eq!((times(100, 50, 64), times(100, 2, 64)), (3, 63));
        assert_eq!((times(100, 1, 64), times(100, 0, 8), times(1, 100, 8)), (64, 8, 1));
    }

    #[test]
    fn who_goes_on_after_a_height_leaves_out_all_of_it_and_nothing_else() {
        let after = wanted().beyond(20, 3);
        assert_eq!(after, ["20", "0", "0"]);
        assert_eq!(Wanted { after: Some(after), ..wanted() }.heights(), (0, 19));
        let oldest = Wanted { newest_first: false, ..wanted() };
        let after = oldest.beyond(20, 2);
        assert_eq!(after, ["20", "9223372036854775807"]);
        assert_eq!(Wanted { after: Some(after), ..oldest }.heights(), (21, 900));
    }

    #[test]
    fn only_what_each_row_answers_is_read_without_a_bound() {
        let of = |name: &str, filters: &[(&str, &str)]| {
            let filters = filters.iter().map(|(filter, text)| list(name).choose(filter, text).unwrap());
            Wanted { filters: filters.collect(), ..wanted() }
        };
        let (one, other) = (format!("0x{}", "07".repeat(20)), format!("0x{}", "08".repeat(20)));
        assert!(list("transfers").is_direct(&of("transfers", &[("token", &one)])));
        assert!(!list("transfers").is_direct(&of("transfers", &[("token", &one), ("sender", &other)])));
        assert!(list("transactions").is_direct(&of("transactions", &[("outcome", "3")])));
        assert!(!list("transactions").is_direct(&of("transactions", &[("outcome", "0")])), "no index of it");
        assert!(list("accounts").is_direct(&of("accounts", &[("role", "operator")])), "no journal");
        let scope = Scope { organisations: Some([].into()), contracts: Some([].into()) };
        let within = Wanted { scope, ..of("transfers", &[("token", &one)]) };
        assert!(!list("transfers").is_direct(&within));
        assert!(list("transfers").is_direct(&Wanted { from: Some(9), to: Some(9), ..within }), "one block");
    }
}
