//! Queries of the supervisors' service, and cursors in them: what is read is written as it was, and serves its own request
//! alone. The first line is the path, what follows the query.
#![no_main]

use concordat_regulator_api::internals::read_query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (path, query) = text.split_once('\n').unwrap_or(("/v1/blocks", text));
    let read = read_query(path, query);
    assert_eq!(read, read_query(path, query));
    let Ok(Some(cursor)) = read else { return };
    let others: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("cursor=")).collect();
    let again = [others.join("&"), format!("cursor={cursor}")].join("&");
    let again = again.trim_start_matches('&');
    assert_eq!(read_query(path, again), Ok(Some(cursor.clone())), "{again}");
    assert!(read_query(&format!("{path}/other"), again).is_err(), "a cursor of another path");
});
