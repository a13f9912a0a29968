//! Statements in camt.053: whatever they hold, they are read whole or refused with an element.
#![no_main]

use concordat_reconcile::{Settings, read_camt};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let settings = Settings { token: Some([0xee; 20].into()), decimals: 2, ..Settings::default() };
    if let Err(error) = read_camt(bytes, &settings) {
        assert!(!error.to_string().is_empty());
    }
});
