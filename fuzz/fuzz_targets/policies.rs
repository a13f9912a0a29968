//! Texts of policies as proposals bring them: read and checked, and then asked about everything that anybody can do.
#![no_main]

use std::sync::LazyLock;

use concordat_permissions::{
    Action, Context, ContractFacts, EnactedPolicy, PolicySet, Principal, Request, Resource,
};
use concordat_types::{Address, OrgId, Role};
use libfuzzer_sys::fuzz_target;

static CATALOGUE: LazyLock<PolicySet> = LazyLock::new(|| PolicySet::new(&[]).expect("the catalogue is one"));
static BANK: LazyLock<OrgId> = LazyLock::new(|| "bank-a".parse().expect("an id"));

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let id = "fuzzed".parse().expect("an id");
    let policies = [EnactedPolicy { id, text: text.to_owned(), proposal: 7 }];
    // What is read beside others is what is read alone, on this node and on every other.
    let Ok(set) = CATALOGUE.with(&policies) else {
        assert!(PolicySet::new(&policies).is_err());
        return;
    };
    let other = PolicySet::new(&policies).expect("the same policies make a set again");
    assert_eq!(set.digest(), other.digest());
    for (role, action) in
        Role::ALL.iter().flat_map(|role| Action::ALL.iter().map(move |action| (*role, *action)))
    {
        let contract = ContractFacts {
            address: Address::repeat_byte(2),
            organisation: Some(&BANK),
            administrator: Some(Address::repeat_byte(1)),
            system: false,
        };
        for resource in [Resource::Ledger, Resource::Contract(contract)] {
            let request = Request {
                principal: Principal { account: Address::repeat_byte(1), organisation: &BANK, role },
                action,
                resource,
                context: Context {
                    method: Some([1, 2, 3, 4]),
                    time_secs: 1_800_000_000,
                    ..Context::default()
                },
            };
            let decision = set.decide(&request);
            assert_eq!(decision, other.decide(&request));
            assert_eq!(set.load(&request), other.load(&request));
            assert!(set.load(&request).policies <= 1);
            assert_eq!(
                decision.allowed,
                decision.errors.is_empty() && !decision.policies.is_empty() && decision.code.code() == 0
            );
        }
    }
});
