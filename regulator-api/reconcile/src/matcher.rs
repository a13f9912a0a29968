//! The matcher: which record of the books is which transfer on the chain.
//!
//! First by the hash of the transaction, wherever the books name one; what is left, by token, amount, other side and time.
//! Each record of either side is in exactly one class of the outcome. Records are put in an order of their own content
//! first, so that the order of the books does not count.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use serde::Serialize;

use crate::{Amount, BookRecord, ChainRecord, Moment, record::short};

/// By what two records were found to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The books name the transaction.
    Hash,
    /// The amount, the other side and the time.
    Counterparty,
    /// The amount and the time: the books do not say who the other side is.
    Time,
}

/// A field in which two records differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// Which.
    pub field: &'static str,
    /// What the books say.
    pub books: String,
    /// What the chain says.
    pub chain: String,
}

/// Two records that are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Matched {
    /// Of the books.
    pub book: BookRecord,
    /// Of the chain.
    pub chain: ChainRecord,
    /// By what they were found.
    pub level: Level,
    /// In what they differ; nothing where they are the same.
    pub differences: Vec<Difference>,
}

/// What became of each record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Records that agree.
    pub matched: Vec<Matched>,
    /// Records that the books' reference makes one, and that differ.
    pub differing: Vec<Matched>,
    /// Records that the chain does not have.
    pub only_in_books: Vec<BookRecord>,
    /// Transfers that the books do not have.
    pub only_on_chain: Vec<ChainRecord>,
}

/// Holds books against the chain; a record may be so many seconds away from its transaction.
pub fn reconcile(books: Vec<BookRecord>, chain: Vec<ChainRecord>, window_secs: i64) -> Outcome {
    let (mut books, mut chain) = (books, chain);
    books.sort();
    chain.sort();
    let mut outcome = Outcome::default();
    let (books, chain) = by_hash(books, chain, window_secs, &mut outcome);
    let (books, chain) = by_content(books, chain, Level::Counterparty, window_secs, &mut outcome);
    let (books, chain) = by_content(books, chain, Level::Time, window_secs, &mut outcome);
    outcome.only_in_books = books;
    outcome.only_on_chain = chain;
    outcome.matched.sort();
    outcome.differing.sort();
    outcome
}

/// Pairs records whose transaction the books name. Of several transfers of one transaction those that agree are paired
/// first.
fn by_hash(
    books: Vec<BookRecord>,
    chain: Vec<ChainRecord>,
    window: i64,
    outcome: &mut Outcome,
) -> (Vec<BookRecord>, Vec<ChainRecord>) {
    let mut of_hash: BTreeMap<String, Vec<ChainRecord>> = BTreeMap::new();
    for record in chain {
        let digits = alloy_primitives::hex::encode(record.hash);
        of_hash.entry(short(&digits).to_owned()).or_default().push(record);
    }
    let (mut rest, mut named): (Vec<BookRecord>, Vec<BookRecord>) = (Vec::new(), Vec::new());
    for book in books {
        let found = book.hashes().any(|digits| of_hash.contains_key(short(&digits)));
        if found { named.push(book) } else { rest.push(book) }
    }
    // What agrees comes first, so that one that differs takes nobody's place.
    let (mut open, passes) = (named, [true, false]);
    for agreeing in passes {
        let mut left = Vec::new();
        for book in open {
            match take(&book, &mut of_hash, agreeing, window) {
                None => left.push(book),
                Some(chain) => {
                    let differences = differences(&book, &chain, window);
                    let matched = Matched { book, chain, level: Level::Hash, differences };
                    match matched.differences.is_empty() {
                        true => outcome.matched.push(matched),
                        false => outcome.differing.push(matched),
                    }
                }
            }
        }
        open = left;
    }
    rest.extend(open);
    rest.sort();
    let mut chain: Vec<ChainRecord> = of_hash.into_values().flatten().collect();
    chain.sort();
    (rest, chain)
}

/// Takes the first transfer of the transaction that the books name; only one that agrees, if that is asked for.
fn take(
    book: &BookRecord,
    of_hash: &mut BTreeMap<String, Vec<ChainRecord>>,
    agreeing: bool,
    window: i64,
) -> Option<ChainRecord> {
    for digits in book.hashes() {
        let Some(transfers) = of_hash.get_mut(short(&digits)) else { continue };
        let fits = |chain: &ChainRecord| {
            book.names(&chain.hash) && (!agreeing || differences(book, chain, window).is_empty())
        };
        if let Some(at) = transfers.iter().position(fits) {
            return Some(transfers.remove(at));
        }
    }
    None
}

fn differences(book: &BookRecord, chain: &ChainRecord, window: i64) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut differ = |field, books: String, chain: String| all.push(Difference { field, books, chain });
    if book.amount != chain.amount {
        differ("amount", book.amount.to_string(), chain.amount.to_string());
    }
    if book.token != chain.token {
        differ("token", book.token.to_string(), chain.token.to_string());
    }
    if let Some(counterparty) = book.counterparty.filter(|counterparty| *counterparty != chain.counterparty) {
        differ("counterparty", counterparty.to_string(), chain.counterparty.to_string());
    }
    if let Some(at) = book.at.filter(|at| at.distance(chain.at_secs) > window) {
        let books = if at.from_secs == at.to_secs {
            at.from_secs.to_string()
        } else {
            format!("{} to {}", at.from_secs, at.to_secs)
        };
        differ("time", books, chain.at_secs.to_string());
    }
    all
}

/// What records of one group have in common.
type Key = (Address, Amount, Option<Address>);

/// Pairs records of one token and amount, and of one other side where the level asks for it.
fn by_content(
    books: Vec<BookRecord>,
    chain: Vec<ChainRecord>,
    level: Level,
    window: i64,
    outcome: &mut Outcome,
) -> (Vec<BookRecord>, Vec<ChainRecord>) {
    let with_other_side = level == Level::Counterparty;
    let (mut groups, mut rest): (BTreeMap<Key, Vec<BookRecord>>, Vec<BookRecord>) = Default::default();
    for book in books {
        match book.counterparty.is_some() == with_other_side {
            true => groups.entry((book.token, book.amount, book.counterparty)).or_default().push(book),
            false => rest.push(book),
        }
    }
    let (mut transfers, mut left): (BTreeMap<Key, Vec<ChainRecord>>, Vec<ChainRecord>) = Default::default();
    for record in chain {
        let key = (record.token, record.amount, with_other_side.then_some(record.counterparty));
        match groups.contains_key(&key) {
            true => transfers.entry(key).or_default().push(record),
            false => left.push(record),
        }
    }
    for (key, group) in groups {
        let pairs = assign(group, transfers.remove(&key).unwrap_or_default(), window);
        let matched = pairs.matched.into_iter();
        outcome.matched.extend(matched.map(|(book, chain)| Matched {
            book,
            chain,
            level,
            differences: Vec::new(),
        }));
        rest.extend(pairs.books);
        left.extend(pairs.chain);
    }
    rest.sort();
    left.sort();
    (rest, left)
}

/// What became of a group.
#[derive(Default)]
struct Pairs {
    matched: Vec<(BookRecord, ChainRecord)>,
    books: Vec<BookRecord>,
    chain: Vec<ChainRecord>,
}

/// Pairs as many as possible: each transfer, from the earliest on, goes to the open record whose time ends first.
fn assign(books: Vec<BookRecord>, chain: Vec<ChainRecord>, window: i64) -> Pairs {
    // Whoever has no time may have any.
    let any = Moment { from_secs: i64::MIN, to_secs: i64::MAX };
    let span = |book: &BookRecord| {
        let at = book.at.unwrap_or(any);
        (at.from_secs.saturating_sub(window), at.to_secs.saturating_add(window))
    };
    let mut waiting: Vec<(i64, i64, BookRecord)> =
        books.into_iter().map(|book| (span(&book).0, span(&book).1, book)).collect();
    waiting.sort();
    let mut waiting = waiting.into_iter().peekable();
    let mut open: BTreeSet<(i64, usize)> = BTreeSet::new();
    let mut begun: BTreeMap<usize, BookRecord> = BTreeMap::new();
    let (mut pairs, mut number) = (Pairs::default(), 0_usize);
    for transfer in chain {
        let at = transfer.at_secs;
        while let Some((_, end, book)) = waiting.next_if(|(begin, ..)| *begin <= at) {
            open.insert((end, number));
            begun.insert(number, book);
            number = number.saturating_add(1);
        }
        // Those that ended before are nobody's any more.
        let first = open.range((at, 0)..).next().copied();
        let taken = first.and_then(|first| {
            open.remove(&first);
            begun.remove(&first.1)
        });
        match taken {
            Some(book) => pairs.matched.push((book, transfer)),
            None => pairs.chain.push(transfer),
        }
    }
    pairs.books = begun.into_values().chain(waiting.map(|(.., book)| book)).collect();
    pairs
}

#[cfg(test)]
mod tests;
