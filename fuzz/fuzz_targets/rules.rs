//! Bytes of run-time rules as proposals bring them: one form each, and an answer to whatever happens.
#![no_main]

use concordat_core::rules::{Act, Counters, Limit, counterparty, decide};
use concordat_types::{Address, B256, Bytes, Log};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says how long the rule is; what comes after it is what it is held against.
    let Some((length, bytes)) = bytes.split_first() else { return };
    let (rule, rest) = bytes.split_at(bytes.len().min(usize::from(*length)));
    for candidate in [bytes, rule] {
        let Ok(limit) = Limit::decode(candidate) else { continue };
        assert_eq!(limit.encode(), candidate, "a second form of a rule");
        let _told = limit.check().map_err(|error| error.to_string());
        let topics: Vec<B256> = rest.chunks_exact(32).take(4).map(B256::from_slice).collect();
        let data = Bytes::copy_from_slice(rest.get(topics.len() * 32..).unwrap_or_default());
        let log = Log::new_unchecked(Address::repeat_byte(9), topics, data);
        let call = Act::Call { contract: Address::repeat_byte(9), input: rest };
        for act in [Act::Event(&log), call] {
            let mut counters = Counters::default();
            for at_secs in [0, 1, 1_800_000_000, u64::MAX] {
                let identity = counterparty(&limit, &act);
                let decision = decide(&limit, &act, identity, at_secs, counters.clone());
                assert_eq!(decision, decide(&limit, &act, identity, at_secs, counters));
                counters = decision.counters;
            }
        }
    }
});
