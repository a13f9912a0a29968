//! Books in Parquet: whatever they hold, they are read whole or refused with a place.
#![no_main]

use bytes::Bytes;
use concordat_reconcile::{Settings, read_parquet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let settings = Settings { token: Some([0xee; 20].into()), decimals: 2, ..Settings::default() };
    if let Err(error) = read_parquet(Bytes::copy_from_slice(bytes), &settings) {
        assert!(!error.to_string().is_empty());
    }
});
