//! Books in CSV: whatever they hold, they are read whole or refused with a place, and each record of them is in one class.
#![no_main]

use concordat_reconcile::{Settings, read_csv, reconcile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let settings = Settings { token: Some([0xee; 20].into()), decimals: 2, ..Settings::default() };
    let Ok(books) = read_csv(bytes, &settings) else { return };
    let records = books.records.len();
    let outcome = reconcile(books.records, Vec::new(), settings.window_secs());
    assert_eq!(outcome.only_in_books.len(), records);
});
