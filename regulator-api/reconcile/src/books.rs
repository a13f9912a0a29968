//! A member's books, whatever file they come from, and how a row of named fields becomes a record.

use alloy_primitives::Address;

use crate::{Amount, BookRecord, Moment, Settings, amount::parse_amount};

/// The largest file of books that is read.
pub const MAX_BOOKS_BYTES: u64 = 256 << 20;

/// The most records.
pub const MAX_RECORDS: usize = 2_000_000;

/// The longest field.
pub(crate) const MAX_FIELD: usize = 4_096;

/// What the books say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// The records, in their order.
    pub records: Vec<BookRecord>,
    /// Records that were left out: of other tokens, or not booked.
    pub left_out: usize,
    /// What the statement begins with, where it says so.
    pub opening: Option<Amount>,
    /// What it ends with.
    pub closing: Option<Amount>,
}

/// Why books cannot be read: where, what is wrong, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}, {field}: {what}")]
pub struct BooksError {
    /// The line or the element.
    pub place: String,
    /// The field.
    pub field: String,
    /// What is wrong with it, and the mend.
    pub what: String,
}

impl BooksError {
    pub(crate) fn new(place: impl Into<String>, field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), field: field.into(), what: what.into() }
    }
}

impl Books {
    /// Adds a record, unless it is of another token than the one that is meant.
    pub(crate) fn add(&mut self, record: BookRecord, settings: &Settings) -> Result<(), BooksError> {
        if settings.token.is_some_and(|token| token != record.token) {
            self.left_out = self.left_out.saturating_add(1);
            return Ok(());
        }
        if self.records.len() >= MAX_RECORDS {
            let what = format!("there are more than {MAX_RECORDS} records: split the books by time");
            return Err(BooksError::new(record.place, "file", what));
        }
        self.records.push(record);
        Ok(())
    }
}

/// Makes a record of a row: `field` gives what stands in a column, `None` where there is no such column or nothing in it.
pub(crate) fn record(
    place: String,
    settings: &Settings,
    field: impl Fn(&str) -> Option<String>,
) -> Result<BookRecord, BooksError> {
    let mapping = &settings.mapping;
    let columns = &mapping.columns;
    let wrong = |column: &str, what: String| BooksError::new(place.clone(), column, what);
    let currency = field(&columns.currency);
    let (token, decimals) =
        settings.token(currency.as_deref()).map_err(|what| wrong(&columns.currency, what))?;
    let text = field(&columns.amount);
    let text = text.ok_or_else(|| wrong(&columns.amount, "there is no amount: fill it in".to_owned()))?;
    let amount = parse_amount(text.trim(), decimals, mapping.decimal_mark)
        .map_err(|error| wrong(&columns.amount, error.to_string()))?;
    let out = field(&columns.sign).is_some_and(|sign| mapping.debit.contains(&sign));
    let at = match field(&columns.time) {
        None => None,
        Some(text) => Some(Moment::parse(text.trim()).ok_or_else(|| {
            wrong(
                &columns.time,
                format!("{text:?} is no day or time: write 2026-11-26 or 2026-11-26T14:30:00Z"),
            )
        })?),
    };
    let counterparty_text = field(&columns.counterparty);
    let counterparty: Option<Address> =
        counterparty_text.as_deref().and_then(|name| settings.counterparty(name));
    let references = [field(&columns.hash), field(&columns.reference)];
    Ok(BookRecord {
        at,
        amount: if out { amount.saturating_neg() } else { amount },
        token,
        counterparty,
        counterparty_text,
        references: references.into_iter().flatten().collect(),
        place: place.clone(),
    })
}
