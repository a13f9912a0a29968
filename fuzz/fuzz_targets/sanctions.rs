//! Lists of the sanctioned as authorities publish them: read whole or refused with an entry, and then asked about people.
#![no_main]

use concordat_surveillance::{List, Party};
use concordat_types::{Address, Role};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let list = match List::parse(text) {
        Ok(list) => list,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert_eq!(List::parse(text).expect("what was read is read again").hash, list.hash);
    for address in list.addresses() {
        assert!(list.find(*address, None).is_some(), "an address that is on the list is not found");
    }
    for name in list.names() {
        let party = |common_name: String| Party {
            organisation: "bank-a".parse().expect("an id"),
            role: Role::Operator,
            common_name,
        };
        let spaced = format!("  {}  ", name.replace(' ', "   "));
        assert!(list.find(Address::ZERO, Some(&party(spaced))).is_some(), "spaces hide {name:?}");
    }
});
