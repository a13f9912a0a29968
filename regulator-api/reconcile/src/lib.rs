//! Reconciliation: a member's own books held against what the chain says, record by record.
//!
//! Pure: it reads bytes and compares; nothing here opens a file, asks a database or reads a clock. The same books in another
//! order give the same result. Amounts are whole numbers of the smallest unit, never floats.
//!
//! ```text
//!  CSV, Parquet, camt.053 ─▶ books ──┐
//!                                    ├─▶ matcher ─▶ report
//!  transfers of the chain ───────────┘
//! ```
#![deny(clippy::indexing_slicing)]

mod amount;
mod books;
mod camt;
mod csv_books;
mod mapping;
mod matcher;
mod parquet_books;
mod record;
mod report;
mod xml;

pub use amount::{Amount, AmountError, format_amount, parse_amount};
pub use books::{Books, BooksError, MAX_BOOKS_BYTES, MAX_RECORDS};
pub use camt::read_camt;
pub use csv_books::read_csv;
pub use mapping::{Columns, Mapping, Settings, TokenOf};
pub use matcher::{Difference, Level, Matched, Outcome, reconcile};
pub use parquet_books::read_parquet;
pub use record::{BookRecord, ChainRecord, Moment};
pub use report::{Balance, Report};
