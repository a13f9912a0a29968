//! The code of governed proxies, by which they are known.
//!
//! `contracts/GovernedProxy.sol` leaves the same code everywhere, but for the first implementation: that is a part of
//! it, so that no storage, and no code that runs over it, can change it. Nothing else is a governed proxy.

use alloy_primitives::hex;
use concordat_types::Address;

/// The code before the word of the first implementation.
const BEFORE: [u8; 278] = hex!(
    "608060405234801561000f575f5ffd5b503361c00214801561003257505f356001600160e01b0319166329458acf60e11b145b15"
    "610045576004356100438161006d565b005b5f61004e6100c7565b9050365f5f375f5f365f845af43d5f5f3e80610068573d5ffd"
    "5b503d5ff35b7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc8190556040516001600160a01b"
    "038216907fbc7cd75a20ee27fd9adebab32041f755214dbc6bffa90cc0225b39da2e5c2d3b905f90a250565b5f5f630d7100e360"
    "e31b5f523060045260205f60245f61c0045afa90505f5191508061010657604051630561770560e31b8152600401604051809103"
    "90fd5b6001600160a01b038216610138577f"
);

/// The code behind it.
const BEHIND: [u8; 6] = hex!("91505b509056");

/// The first implementation of the governed proxy that has this code; `None` if it is other code.
pub(super) fn first_implementation(code: &[u8]) -> Option<Address> {
    let word = code.strip_prefix(&BEFORE)?.strip_suffix(&BEHIND)?;
    let (zeros, address) = word.split_at_checked(12)?;
    let address = Address::try_from(address).ok()?;
    zeros.iter().all(|byte| *byte == 0).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The artefact that is published.
    fn deployed() -> Vec<u8> {
        let artefact: serde_json::Value =
            serde_json::from_str(include_str!("../../contracts/GovernedProxy.json")).unwrap();
        hex::decode(artefact["deployedBytecode"].as_str().unwrap()).unwrap()
    }

    fn of(first: Address) -> Vec<u8> {
        [&BEFORE[..], first.into_word().as_slice(), &BEHIND].concat()
    }

    #[test]
    fn the_code_is_that_of_the_published_artefact() {
        assert_eq!(of(Address::ZERO), deployed());
        assert_eq!(first_implementation(&deployed()), Some(Address::ZERO));
        let first = Address::repeat_byte(7);
        assert_eq!(first_implementation(&of(first)), Some(first));
    }

    #[test]
    fn no_other_code_is_a_proxys() {
        let proxy = of(Address::repeat_byte(7));
        for place in 0..proxy.len() {
            let mut other = proxy.clone();
            other[place] ^= 1;
            let first = first_implementation(&other);
            let inside = (BEFORE.len() + 12..BEFORE.len() + 32).contains(&place);
            assert_eq!(first.is_some(), inside, "byte {place}");
        }
        for other in [&proxy[1..], &proxy[..proxy.len() - 1], &[proxy.clone(), vec![0]].concat(), &[]] {
            assert_eq!(first_implementation(other), None);
        }
    }
}
