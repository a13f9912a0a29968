use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Signature, TxKind};
use concordat_types::SignedTx;
use proptest::prelude::*;
use secp256k1::{Message, SECP256K1, SecretKey};

use super::*;

const BUDGET: Budget = Budget { bytes: 1 << 20, gas: 300_000_000, transactions: 5_000 };

fn tx_to(to: Address, sender: u8, nonce: u64) -> Arc<VerifiedTx> {
    let tx = TxEip1559 { chain_id: 1, nonce, gas_limit: 60_000, to: TxKind::Call(to), ..Default::default() };
    let key = SecretKey::from_byte_array([sender; 32]).unwrap();
    let digest = Message::from_digest(tx.signature_hash().0);
    let (id, rs) = SECP256K1.sign_ecdsa_recoverable(digest, &key).serialize_compact();
    let signature = Signature::from_bytes_and_parity(&rs, i32::from(id) != 0);
    let raw = TxEnvelope::from(tx.into_signed(signature)).encoded_2718();
    Arc::new(SignedTx::parse(raw.into()).unwrap().verify(1).unwrap())
}

pub(crate) fn tx(sender: u8, nonce: u64) -> Arc<VerifiedTx> {
    tx_to(Address::repeat_byte(0xee), sender, nonce)
}

fn pool() -> Pool {
    Pool::new(PoolLimits { transactions: 100, bytes: 1 << 20, per_sender: 10, lifetime_ms: 1_000 })
}

fn filled(txs: &[(u8, u64)]) -> Pool {
    let mut pool = pool();
    for (sender, nonce) in txs {
        pool.insert(tx(*sender, *nonce), 0, Instant::now()).unwrap();
    }
    pool
}

fn order(txs: &[Arc<VerifiedTx>], senders: &[u8]) -> Vec<(u8, u64)> {
    let name = |a: Address| *senders.iter().find(|s| tx(**s, 0).sender() == a).unwrap();
    txs.iter().map(|tx| (name(tx.sender()), tx.nonce())).collect()
}

#[test]
fn senders_take_turns_and_nonces_keep_their_order() {
    let mut pool = filled(&[(1, 1), (1, 0), (1, 2), (2, 0), (3, 0), (3, 1)]);
    let chosen = order(&pool.select(BUDGET), &[1, 2, 3]);
    assert_eq!(chosen, [(1, 0), (2, 0), (3, 0), (1, 1), (3, 1), (1, 2)]);
}

#[test]
fn who_was_served_comes_last_in_the_next_block() {
    let mut pool = filled(&[(1, 0), (1, 1), (2, 0)]);
    let one = Budget { transactions: 1, ..BUDGET };
    assert_eq!(order(&pool.select(one), &[1, 2]), [(1, 0)]);
    assert_eq!(order(&pool.select(one), &[1, 2]), [(2, 0)]);
}

#[test]
fn calls_of_system_contracts_overtake_a_flood() {
    let mut pool = filled(&[(1, 0), (1, 1), (2, 0)]);
    pool.insert(tx_to(concordat_core::IDENTITY_REGISTRY, 3, 0), 0, Instant::now()).unwrap();
    assert_eq!(order(&pool.select(BUDGET), &[1, 2, 3])[0], (3, 0));
}

#[test]
fn a_regulators_orders_overtake_all_other_calls_and_are_bounded() {
    let mut pool = filled(&[(1, 0), (2, 0)]);
    let insert = |pool: &mut Pool, to, sender, nonce| {
        pool.insert(tx_to(to, sender, nonce), 0, Instant::now()).unwrap();
    };
    insert(&mut pool, concordat_core::GOVERNANCE, 3, 0);
    insert(&mut pool, concordat_core::ORDERS, 4, 0);
    insert(&mut pool, concordat_core::ORDERS, 5, 0);
    pool.note_regulator(tx(5, 0).sender());
    let chosen = order(&pool.select(BUDGET), &[1, 2, 3, 4, 5]);
    assert_eq!(chosen, [(5, 0), (3, 0), (4, 0), (1, 0), (2, 0)], "who is no regulator orders nothing");

    let mut pool = self::pool();
    let flood: Vec<u8> = (1..=20).collect();
    for sender in &flood {
        insert(&mut pool, concordat_core::ORDERS, *sender, 0);
        pool.note_regulator(tx(*sender, 0).sender());
    }
    insert(&mut pool, concordat_core::GOVERNANCE, 30, 0);
    let chosen = order(&pool.select(BUDGET), &[&flood[..], &[30]].concat());
    let place = chosen.iter().position(|(sender, _)| *sender == 30);
    assert!(chosen.len() == 21 && place.is_some(), "{chosen:?}");
    assert_eq!(chosen[..16], flood[..16].iter().map(|sender| (*sender, 0)).collect::<Vec<_>>());
}

#[test]
fn a_gap_holds_back_what_follows_it_until_it_is_filled() {
    let mut pool = filled(&[(1, 0), (1, 2)]);
    assert_eq!(order(&pool.select(BUDGET), &[1]), [(1, 0)]);
    assert_eq!(pool.pending_nonce(&tx(1, 0).sender()), Some(1));
    assert_eq!(pool.status(), PoolStatus { pending: 1, queued: 1, bytes: pool.bytes as u64 });
    pool.insert(tx(1, 1), 0, Instant::now()).unwrap();
    assert_eq!(pool.pending_nonce(&tx(1, 0).sender()), Some(3));
}

#[test]
fn a_block_takes_no_more_than_its_budget() {
    let mut pool = filled(&[(1, 0), (1, 1), (2, 0)]);
    let size = tx(1, 0).raw().len();
    assert_eq!(pool.select(Budget { bytes: size, ..BUDGET }).len(), 1);
    assert_eq!(pool.select(Budget { gas: 120_000, ..BUDGET }).len(), 2);
}

#[test]
fn what_a_block_holds_and_what_became_stale_leaves_the_pool() {
    let mut pool = filled(&[(1, 0), (1, 1), (1, 2), (2, 0)]);
    pool.committed([(tx(1, 0).sender(), 2)], 8);
    assert!(pool.get(&tx(1, 1).hash()).is_none());
    assert!(pool.get(&tx(1, 2).hash()).is_some());
    pool.committed([(tx(1, 0).sender(), 3), (tx(2, 0).sender(), 1)], 9);
    assert_eq!(pool.status(), PoolStatus::default());
    assert!(pool.senders.is_empty() && pool.ready.is_empty() && !pool.has_executable());
}

#[test]
fn every_bound_refuses_by_name() {
    let now = Instant::now();
    let mut pool = filled(&[(1, 0)]);
    assert!(matches!(pool.insert(tx(1, 0), 0, now), Err(SubmitError::AlreadyKnown)));
    let other = tx_to(Address::ZERO, 1, 0);
    assert!(matches!(pool.insert(other, 0, now), Err(SubmitError::NonceHeld { nonce: 0, .. })));
    assert!(matches!(pool.insert(tx(1, 10), 0, now), Err(SubmitError::NonceTooFar { .. })));
    assert!(matches!(pool.insert(tx(2, 3), 4, now), Err(SubmitError::Invalid(_))));
    pool.limits.transactions = 1;
    assert!(matches!(pool.insert(tx(2, 0), 0, now), Err(SubmitError::PoolFull { have: 1, limit: 1 })));
    pool.limits.transactions = 100;
    pool.limits.bytes = pool.bytes;
    assert!(matches!(pool.insert(tx(2, 0), 0, now), Err(SubmitError::PoolFull { .. })));
}

#[test]
fn a_full_sender_does_not_keep_others_out() {
    let now = Instant::now();
    let mut pool = filled(&(0..10).map(|nonce| (1, nonce)).collect::<Vec<_>>());
    assert!(pool.insert(tx(1, 10), 0, now).is_err());
    pool.insert(tx(2, 0), 0, now).unwrap();
}

#[test]
fn what_waits_too_long_is_dropped() {
    let mut pool = filled(&[(1, 0), (1, 5)]);
    assert_eq!(pool.expire(Instant::now()), 0);
    assert_eq!(pool.expire(Instant::now() + Duration::from_secs(2)), 2);
    assert_eq!(pool.status(), PoolStatus::default());
}

#[test]
fn all_that_waits_is_told_again_in_turns_executable_ones_first() {
    let mut pool = filled(&[(1, 0), (1, 1), (2, 5), (3, 0)]);
    let later = Instant::now() + Duration::from_secs(10);
    let first = order(&pool.to_repeat(later, later + Duration::from_secs(1), 3), &[1, 2, 3]);
    assert!(!first.contains(&(2, 5)), "{first:?}");
    let rest = order(&pool.to_repeat(later, later + Duration::from_secs(1), 3), &[1, 2, 3]);
    assert_eq!(rest, [(2, 5)]);
    assert!(pool.to_repeat(later, later, 3).is_empty());
}

#[test]
fn a_block_that_is_full_is_not_offered_to_everyone() {
    let all: Vec<(u8, u64)> = (1..=100).map(|sender| (sender, 0)).collect();
    let mut pool = filled(&all);
    // Enough gas for one, and then for none: the block counts as full long before all were asked.
    assert_eq!(pool.select(Budget { gas: 60_000, ..BUDGET }).len(), 1);
    assert!(pool.select(Budget { transactions: 0, ..BUDGET }).is_empty());
    // Who was not served keeps the turn.
    assert_eq!(pool.select(Budget { transactions: 99, ..BUDGET }).len(), 99);
    assert_eq!(order(&pool.select(Budget { transactions: 1, ..BUDGET }), &[1]), [(1, 0)]);
}

/// The order of ADR 0005, written down with no thought for speed: all senders in their turns, again and again.
fn naive_selection(pool: &Pool, transactions: usize) -> Vec<B256> {
    let mut senders: Vec<&Sender> = pool.senders.values().collect();
    senders.sort_by_key(|sender| sender.turn);
    let (mut chosen, mut taken) = (Vec::new(), vec![0; senders.len()]);
    for urgent in [true, false] {
        let mut active: VecDeque<usize> = (0..senders.len()).collect();
        while let Some(at) = active.pop_front() {
            let Some(entry) = senders[at].waiting.get(&(senders[at].next + taken[at])) else { continue };
            if chosen.len() < transactions && (!urgent || is_urgent(&entry.tx)) {
                chosen.push(entry.tx.hash());
                taken[at] += 1;
                active.push_back(at);
            }
        }
    }
    chosen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn books_always_balance(
        acts in proptest::collection::vec((0u8..6, 1u8..6, 0u64..6), 1..60), most in 0usize..12,
    ) {
        let mut pool = pool();
        for (act, sender, nonce) in acts {
            match act {
                0 | 1 => drop(pool.insert(tx(sender, nonce), 0, Instant::now())),
                4 => {
                    let system = tx_to(concordat_core::IDENTITY_REGISTRY, sender, nonce);
                    drop(pool.insert(system, 0, Instant::now()));
                }
                // The state is ahead of what the pool was told.
                5 => drop(pool.insert(tx(sender, nonce.saturating_add(1)), nonce, Instant::now())),
                2 => pool.committed([(tx(sender, 0).sender(), nonce)], 1),
                _ => pool.remove(&tx(sender, nonce).hash()),
            }
            let heads = |urgent: bool| {
                let senders = pool.senders.iter().filter(move |(_, sender)| {
                    sender.head().is_some_and(|entry| !urgent || is_urgent(&entry.tx))
                });
                senders.map(|(address, sender)| (sender.turn, *address)).collect::<BTreeMap<_, _>>()
            };
            prop_assert_eq!(heads(false), pool.ready.clone());
            prop_assert_eq!(heads(true), pool.urgent.clone());
            let waiting: Vec<_> = pool.senders.values().flat_map(|s| s.waiting.values()).collect();
            prop_assert_eq!(waiting.len(), pool.hashes.len());
            prop_assert_eq!(waiting.iter().map(|e| e.tx.raw().len()).sum::<usize>(), pool.bytes);
            prop_assert!(pool.senders.values().all(|sender| !sender.waiting.is_empty()));
            let lowest = pool.senders.values().filter_map(|sender| Some((sender, sender.waiting.keys().next()?)));
            prop_assert!(lowest.clone().all(|(sender, nonce)| sender.next <= *nonce), "what is stale is gone");
            let far = Instant::now() + Duration::from_secs(60);
            prop_assert_eq!(pool.to_repeat(far, far, usize::MAX).len(), pool.hashes.len());
            let naive = naive_selection(&pool, most);
            let chosen = pool.select(Budget { transactions: most, ..BUDGET });
            prop_assert_eq!(chosen.iter().map(|tx| tx.hash()).collect::<Vec<_>>(), naive);
            prop_assert_eq!(pool.select(BUDGET).len() as u64, pool.status().pending);
        }
    }
}

/// The state moves on a moment before the pool is told of the block. Who sends in between must not leave
/// transactions behind that the chain has passed.
#[test]
fn nonce_that_is_read_before_the_pool_is_told_of_the_block_drops_what_became_stale() {
    let mut pool = filled(&[(1, 0), (1, 1), (1, 2)]);
    pool.insert(tx(1, 3), 2, Instant::now()).unwrap();
    assert_eq!(order(&pool.select(BUDGET), &[1]), [(1, 2), (1, 3)]);
    let later = Instant::now() + Duration::from_secs(10);
    assert_eq!(order(&pool.to_repeat(later, later, 9), &[1]), [(1, 2), (1, 3)]);
    assert_eq!(pool.status().pending, 2);
}

/// What an application sends while a block is being committed: its nonce was read before, the pool was told
/// of the block meanwhile. The transaction would wait for a nonce that has passed.
#[test]
fn nonce_that_was_read_before_the_last_block_is_known_to_be_stale() {
    let mut pool = filled(&[(1, 5)]);
    assert!(!pool.knows_later_than(7), "nothing was committed yet");
    pool.committed([(tx(1, 0).sender(), 6)], 8);
    assert!(pool.knows_later_than(7));
    assert!(!pool.knows_later_than(8));
}
