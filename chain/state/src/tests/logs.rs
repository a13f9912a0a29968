//! Searching logs.

use proptest::prelude::*;

use super::*;
use crate::{LogFilter, LogHit};

fn log(address: u8, topics: &[u8]) -> Log {
    let topics = topics.iter().map(|topic| B256::repeat_byte(*topic)).collect();
    Log::new_unchecked(Address::repeat_byte(address), topics, Bytes::from_static(b"data"))
}

fn everything() -> LogFilter {
    LogFilter { from: 0, to: u64::MAX, addresses: vec![], topics: vec![], cap: 10_000, cap_bytes: usize::MAX }
}

fn found(chain: &Chain, filter: &LogFilter) -> Vec<(u64, u32, u32)> {
    let hits = chain.store.logs(filter).unwrap();
    hits.iter().map(|hit| (hit.height, hit.tx_index, hit.log_index)).collect()
}

fn sample() -> Chain {
    let chain = Chain::new();
    let none = ChangeSet::new();
    chain.commit_with_logs(&none, vec![vec![log(1, &[10, 20])], vec![], vec![log(2, &[10]), log(1, &[])]]);
    chain.commit_with_logs(&none, vec![vec![]]);
    chain.commit_with_logs(&none, vec![vec![log(1, &[11, 20])]]);
    chain
}

#[test]
fn logs_are_found_by_address_topic_and_range_and_carry_their_place() {
    let chain = sample();
    let address = |n| vec![Address::repeat_byte(n)];
    let topic = |n| vec![B256::repeat_byte(n)];
    assert_eq!(found(&chain, &everything()), [(1, 0, 0), (1, 2, 1), (1, 2, 2), (3, 0, 0)]);
    assert_eq!(
        found(&chain, &LogFilter { addresses: address(1), ..everything() }),
        [(1, 0, 0), (1, 2, 2), (3, 0, 0)]
    );
    assert_eq!(found(&chain, &LogFilter { topics: vec![topic(10)], ..everything() }), [(1, 0, 0), (1, 2, 1)]);
    assert_eq!(
        found(&chain, &LogFilter { topics: vec![vec![], topic(20)], ..everything() }),
        [(1, 0, 0), (3, 0, 0)]
    );
    assert_eq!(
        found(&chain, &LogFilter { addresses: address(1), topics: vec![topic(11)], ..everything() }),
        [(3, 0, 0)]
    );
    assert_eq!(found(&chain, &LogFilter { from: 2, to: 2, ..everything() }), []);
    assert_eq!(found(&chain, &LogFilter { addresses: address(3), ..everything() }), []);

    let hit = &chain.store.logs(&LogFilter { from: 3, ..everything() }).unwrap()[0];
    assert_eq!(Some(hit.block_hash), chain.store.block_hash(3).unwrap());
    assert_eq!(hit.tx_hash, keccak256("transaction 0 of height 3"));
}

#[test]
fn a_position_without_a_condition_still_asks_for_a_topic() {
    let chain = sample();
    assert_eq!(
        found(&chain, &LogFilter { topics: vec![vec![], vec![]], ..everything() }),
        [(1, 0, 0), (3, 0, 0)]
    );
    assert_eq!(found(&chain, &LogFilter { topics: vec![vec![]; 5], ..everything() }), []);
}

#[test]
fn more_logs_than_the_cap_are_refused_with_the_height_reached() {
    let chain = sample();
    assert_eq!(found(&chain, &LogFilter { cap: 4, ..everything() }).len(), 4);
    let error = chain.store.logs(&LogFilter { cap: 3, ..everything() }).unwrap_err();
    assert!(matches!(error, StoreError::TooManyLogs { cap: 3, reached: 3 }), "{error}");
}

#[test]
fn logs_with_more_data_than_the_cap_are_refused_with_the_height_reached() {
    let chain = sample();
    let all = chain.store.logs(&everything()).unwrap();
    let cap_bytes: usize = all.iter().map(|hit| hit.log.data.data.len()).sum();
    assert_eq!(found(&chain, &LogFilter { cap_bytes, ..everything() }).len(), all.len());
    let error = chain.store.logs(&LogFilter { cap_bytes: cap_bytes - 1, ..everything() }).unwrap_err();
    assert!(matches!(error, StoreError::LogsTooLarge { reached: 3, .. }), "{error}");
}

#[test]
fn filters_of_full_blocks_stay_sharp() {
    let receipts: Vec<Receipt> = (0..400u32)
        .map(|n| {
            let topics = vec![keccak256("Transfer"), keccak256(n.to_be_bytes())];
            receipt(b"tx", vec![Log::new_unchecked(Address::repeat_byte(1), topics, Bytes::new())])
        })
        .collect();
    let filter = crate::logs::block_filter(&receipts).unwrap();
    assert_eq!(filter.len(), 402 * 12 / 8);
    let passes = |n: u32| {
        let topics = vec![vec![], vec![keccak256(n.to_be_bytes())]];
        LogFilter { topics, ..everything() }.may_match(&filter)
    };
    assert!((0..400).all(passes));
    let wrong = (1000..11_000).filter(|n| passes(*n)).count();
    assert!(wrong < 100, "{wrong} of 10000 absent topics pass");
}

fn logs() -> impl Strategy<Value = Log> {
    (0u8..4, prop::collection::vec(0u8..4, 0..4)).prop_map(|(address, topics)| log(address, &topics))
}

fn filters() -> impl Strategy<Value = LogFilter> {
    let topics =
        prop::collection::vec(prop::collection::vec((0u8..5).prop_map(B256::repeat_byte), 0..3), 0..4);
    let addresses = prop::collection::vec((0u8..5).prop_map(Address::repeat_byte), 0..3);
    (0u64..8, 0u64..8, addresses, topics).prop_map(|(from, to, addresses, topics)| LogFilter {
        from,
        to,
        addresses,
        topics,
        cap: 1000,
        cap_bytes: usize::MAX,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn searches_find_exactly_what_a_scan_of_all_receipts_finds(
        blocks in prop::collection::vec(prop::collection::vec(prop::collection::vec(logs(), 0..3), 0..4), 1..7),
        filters in prop::collection::vec(filters(), 12),
    ) {
        let chain = Chain::new();
        for block in blocks {
            chain.commit_with_logs(&ChangeSet::new(), block);
        }
        for filter in filters {
            let mut expected: Vec<LogHit> = Vec::new();
            for height in filter.from.max(1)..=filter.to.min(chain.tip().height) {
                let mut log_index = 0;
                let receipts = chain.store.receipts(height).unwrap().unwrap();
                for (tx_index, receipt) in (0u32..).zip(receipts) {
                    for log in receipt.logs {
                        if filter.matches(&log) {
                            let block_hash = chain.store.block_hash(height).unwrap().unwrap();
                            let tx_hash = receipt.tx_hash;
                            expected.push(LogHit { height, block_hash, tx_index, tx_hash, log_index, log });
                        }
                        log_index += 1;
                    }
                }
            }
            prop_assert_eq!(chain.store.logs(&filter).unwrap(), expected);
        }
    }
}
