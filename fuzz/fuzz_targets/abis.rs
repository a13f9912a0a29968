//! JSON ABIs as developers register them, and logs as their contracts emit them: read whole or refused with an entry, and
//! no log takes more than its bounds. What comes after the first zero byte is the log.
#![no_main]

use concordat_sql::{Abi, internals::decoded};
use concordat_types::{Address, B256, Bytes, Log};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (text, log) = match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => bytes.split_at(end),
        None => (bytes, &[][..]),
    };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let abi = match Abi::parse(text) {
        Ok(abi) => abi,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert_eq!(Abi::parse(abi.text()).expect("what was read is read again").sha256(), abi.sha256());
    for topics in 1..=4 {
        let words = log.chunks_exact(32).take(topics).map(B256::from_slice).collect::<Vec<_>>();
        let data = Bytes::copy_from_slice(log.get(words.len() * 32..).unwrap_or_default());
        let log = Log::new_unchecked(Address::repeat_byte(9), words, data);
        assert_eq!(decoded(&abi, &log), decoded(&abi, &log));
    }
});
