//! What is told of a reconciliation: to people as text, to machines as JSON, to spreadsheets as CSV.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{Amount, BookRecord, ChainRecord, Matched, Outcome, Settings, format_amount};

/// A balance of the statement against the chain's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// `opening` or `closing`.
    pub at: &'static str,
    /// The statement's, in the smallest unit.
    pub books: Option<String>,
    /// The chain's.
    pub chain: Option<String>,
    /// Whether both are there and differ.
    pub differs: bool,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records of the books that were left out: of other tokens, or not booked.
    pub left_out: usize,
    /// The balances.
    pub balances: Vec<Balance>,
    /// What became of each record.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Balance {
    /// Compares.
    pub fn of(at: &'static str, books: Option<Amount>, chain: Option<Amount>) -> Self {
        let differs = books.zip(chain).is_some_and(|(books, chain)| books != chain);
        let text = |amount: Option<Amount>| amount.map(|amount| amount.to_string());
        Self { at, books: text(books), chain: text(chain), differs }
    }
}

impl Report {
    /// Whether both sides say the same.
    pub fn agrees(&self) -> bool {
        let Outcome { differing, only_in_books, only_on_chain, .. } = &self.outcome;
        let balances = self.balances.iter().all(|balance| !balance.differs);
        balances && differing.is_empty() && only_in_books.is_empty() && only_on_chain.is_empty()
    }

    /// A table for people: what agrees is counted, everything else stands in it.
    pub fn text(&self, settings: &Settings) -> String {
        let Outcome { matched, differing, only_in_books, only_on_chain } = &self.outcome;
        let mut out = format!(
            "{} matched, {} differing, {} only in the books, {} only on the chain; {} left out\n",
            matched.len(),
            differing.len(),
            only_in_books.len(),
            only_on_chain.len(),
            self.left_out
        );
        for Balance { at, books, chain, differs } in &self.balances {
            let said = |amount: &Option<String>| amount.clone().unwrap_or_else(|| "nothing".to_owned());
            let verdict = if *differs { "differs" } else { "" };
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{at} balance: books {}, chain {} {verdict}", said(books), said(chain));
        }
        for pair in differing {
            let _ = writeln!(out, "differs: {} and {}", book_line(&pair.book, settings), pair.chain.hash);
            for difference in &pair.differences {
                let (field, books, chain) = (difference.field, &difference.books, &difference.chain);
                let _ = writeln!(out, "  {field}: books {books}, chain {chain}");
            }
        }
        for book in only_in_books {
            let _ = writeln!(out, "only in the books: {}", book_line(book, settings));
        }
        for chain in only_on_chain {
            let _ = writeln!(out, "only on the chain: {}", chain_line(chain, settings));
        }
        out
    }

    /// A line for each record of either side.
    pub fn csv(&self) -> String {
        let mut out = String::from(
            "class,level,place,references,book_amount,book_counterparty,hash,height,time,chain_amount,chain_counterparty,\
             token,differences\n",
        );
        let Outcome { matched, differing, only_in_books, only_on_chain } = &self.outcome;
        let pair = |pair: &Matched, class: &str| {
            let differ = pair.differences.iter();
            let differ: Vec<String> =
                differ.map(|one| format!("{}: {} / {}", one.field, one.books, one.chain)).collect();
            let level = format!("{:?}", pair.level).to_lowercase();
            line(class, &level, Some(&pair.book), Some(&pair.chain), &differ.join("; "))
        };
        matched.iter().for_each(|one| out.push_str(&pair(one, "matched")));
        differing.iter().for_each(|one| out.push_str(&pair(one, "differing")));
        only_in_books.iter().for_each(|one| out.push_str(&line("only-in-books", "", Some(one), None, "")));
        only_on_chain.iter().for_each(|one| out.push_str(&line("only-on-chain", "", None, Some(one), "")));
        out
    }
}

fn book_line(book: &BookRecord, settings: &Settings) -> String {
    let other = book.counterparty_text.as_deref().unwrap_or("nobody named");
    let amount = format_amount(book.amount, settings.decimals_of(&book.token));
    format!("{}: {amount}, {other} {}", book.place, book.references.join(" "))
}

fn chain_line(chain: &ChainRecord, settings: &Settings) -> String {
    let amount = format_amount(chain.amount, settings.decimals_of(&chain.token));
    format!("block {}: {amount}, {} {}", chain.height, chain.counterparty, chain.hash)
}

fn line(
    class: &str,
    level: &str,
    book: Option<&BookRecord>,
    chain: Option<&ChainRecord>,
    differences: &str,
) -> String {
    let text = |text: Option<String>| text.unwrap_or_default();
    let fields = [
        class.to_owned(),
        level.to_owned(),
        text(book.map(|book| book.place.clone())),
        text(book.map(|book| book.references.join(" "))),
        text(book.map(|book| book.amount.to_string())),
        text(book.and_then(|book| book.counterparty_text.clone())),
        text(chain.map(|chain| chain.hash.to_string())),
        text(chain.map(|chain| chain.height.to_string())),
        text(chain.map(|chain| chain.at_secs.to_string())),
        text(chain.map(|chain| chain.amount.to_string())),
        text(chain.map(|chain| chain.counterparty.to_string())),
        text(chain.map(|chain| chain.token).or(book.map(|book| book.token)).map(|token| token.to_string())),
        differences.to_owned(),
    ];
    fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",") + "\n"
}

/// A field of CSV. What a spreadsheet would take for a formula gets an apostrophe: it comes out of others' books.
fn quoted(field: &str) -> String {
    let number = field.strip_prefix('-').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']) && !number;
    let field = if formula { format!("'{field}") } else { field.to_owned() };
    match field.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256};

    use super::*;
    use crate::{Moment, reconcile};

    fn report() -> Report {
        let token = Address::repeat_byte(0xee);
        let amount = |number: i64| Amount::try_from(number).unwrap();
        let book = |number: i64, reference: String| BookRecord {
            at: Some(Moment::at(100)),
            amount: amount(number),
            token,
            counterparty: None,
            counterparty_text: Some("=cmd()".into()),
            references: vec![reference],
            place: "line 2".into(),
        };
        let chain = |number: i64, hash: u8| ChainRecord {
            at_secs: 100,
            height: 7,
            place: [0; 3],
            hash: B256::repeat_byte(hash),
            amount: amount(number),
            token,
            counterparty: Address::repeat_byte(2),
        };
        let books = vec![book(-500, B256::repeat_byte(1).to_string()), book(3, "a,b".into())];
        let outcome = reconcile(books, vec![chain(-501, 1), chain(9, 2)], 0);
        let balances = vec![Balance::of("opening", Some(amount(1)), Some(amount(2)))];
        Report { left_out: 1, balances, outcome }
    }

    #[test]
    fn everything_that_does_not_agree_is_told() {
        let settings = Settings { decimals: 2, ..Settings::default() };
        let text = report().text(&settings);
        for part in [
            "0 matched, 1 differing, 1 only in the books, 1 only on the chain; 1 left out",
            "opening balance: books 1, chain 2 differs",
            "differs: line 2: -5.00",
            "  amount: books -500, chain -501",
            "only in the books: line 2: 0.03",
            "only on the chain: block 7: 0.09",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!report().agrees());
    }

    #[test]
    fn lines_for_spreadsheets_are_quoted_and_hold_no_formula() {
        let csv = report().csv();
        assert_eq!(csv.lines().count(), 4);
        assert!(csv.contains("only-in-books,,line 2,\"a,b\",3,'=cmd(),"), "{csv}");
        assert!(csv.contains("differing,hash,line 2") && csv.contains("amount: -500 / -501"), "{csv}");
    }
}
