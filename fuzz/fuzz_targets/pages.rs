//! Queries of pages, CometBFT's methods by GET, and what searches and subscriptions ask for. The first line is the name of
//! an argument, what follows the query.
#![no_main]

use concordat_rpc::internals::{read_query, read_search};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (name, query) = text.split_once('\n').unwrap_or(("height", text));
    assert_eq!(read_query(query, name), read_query(query, name));
    assert!(read_search(query).err().is_none_or(|reason| !reason.is_empty()));
});
