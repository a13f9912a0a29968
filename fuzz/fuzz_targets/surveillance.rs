//! Files of surveillance rules as supervisors hand them on: read whole or refused with file and field, and then at work on
//! whatever happens.
#![no_main]

use std::collections::BTreeMap;

use concordat_surveillance::{
    About, Asset, BlockEvents, Engine, Event, Limits, List, Party, Position, Recalled, Transfer, What, parse,
};
use concordat_types::{Address, Role, U256};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let rules = match parse([("rules.toml", text)]) {
        Ok(rules) => rules,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let digests: Vec<_> = rules.iter().map(|rule| rule.digest()).collect();
    let again = parse([("other.toml", text)]).expect("what was read is read again");
    assert_eq!(digests, again.iter().map(|rule| rule.digest()).collect::<Vec<_>>(), "a rule with two digests");
    let limits = Limits { entries: 64, steps: 32, remembered: 16 };
    let judge = |rules| {
        let mut engine = Engine::new(rules, Some(List::default()), limits).expect("there is a list");
        let mut found = Vec::new();
        for height in 1..20 {
            let block = block(height);
            let unknown = engine.unknown(std::slice::from_ref(&block));
            let known = |n: u64| (0..n).map(U256::from).collect();
            engine.recall(Recalled {
                active: unknown.active.iter().map(|account| (*account, None)).collect(),
                amounts: unknown.amounts.iter().map(|key| (*key, known(height))).collect(),
            });
            found.extend(engine.block(&block));
        }
        found
    };
    let found = judge(rules);
    assert_eq!(found, judge(again), "the same blocks, other findings");
    assert!(found.iter().all(|finding| !finding.evidence.is_empty() && !finding.explanation.is_empty()));
});

/// Everything that there is, by a few accounts.
fn block(height: u64) -> BlockEvents {
    let account = |n: u64| Address::repeat_byte(u8::try_from(n % 4 + 1).expect("one to four"));
    let organisation = || "bank-a".parse().expect("an id");
    let amount = |n: u64| if n == 0 { U256::MAX } else { U256::from(n * 100) };
    let mut events: Vec<What> = (0..8)
        .flat_map(|n| {
            let (from, to) = (account(n), account(n + height));
            let asset = Asset { token: Address::repeat_byte(0xee), id: U256::from(n % 2) };
            let transfer = Transfer { asset, from, to, amount: amount(n) };
            [What::Transaction { sender: from }, What::Transfer(transfer)]
        })
        .collect();
    let member = account(height);
    events.extend([
        What::Enrolled { account: member, organisation: organisation() },
        What::Proposed { proposal: height, member },
        What::Ballot {
            proposal: height,
            member,
            closes: height + 1,
            about: vec![About::Account(member), About::Organisation(organisation())],
        },
        What::Executed { proposal: height, proposer: member, earliest: height },
        What::Freeze { target: member, lifted: height % 2 == 0 },
    ]);
    let party =
        |_| Party { organisation: organisation(), role: Role::Operator, common_name: "Holder".to_owned() };
    let parties: BTreeMap<Address, Party> = (0..3).map(|n| (account(n), party(n))).collect();
    let at = |tx_index| Position { height, tx_index: Some(tx_index), log_index: Some(0), item: 0 };
    let events = (0..).zip(events).map(|(place, what)| Event { at: at(place), what }).collect();
    BlockEvents { height, time_ms: height * 1_000, events, parties }
}
