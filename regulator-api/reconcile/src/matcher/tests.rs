use alloy_primitives::B256;
use proptest::prelude::*;

use super::*;

const DAY: i64 = 86_400;

fn amount(number: i64) -> Amount {
    Amount::try_from(number).unwrap()
}

fn book(at: i64, number: i64, counterparty: Option<u8>, reference: Option<u8>) -> BookRecord {
    let references = reference.map(|byte| B256::repeat_byte(byte).to_string());
    BookRecord {
        at: Some(Moment::at(at)),
        amount: amount(number),
        token: Address::repeat_byte(0xee),
        counterparty: counterparty.map(Address::repeat_byte),
        counterparty_text: None,
        references: references.into_iter().collect(),
        place: String::new(),
    }
}

fn transfer(at: i64, number: i64, counterparty: u8, hash: u8) -> ChainRecord {
    ChainRecord {
        at_secs: at,
        height: u64::try_from(at).unwrap(),
        place: [0, 0, 0],
        hash: B256::repeat_byte(hash),
        amount: amount(number),
        token: Address::repeat_byte(0xee),
        counterparty: Address::repeat_byte(counterparty),
    }
}

fn fields(matched: &Matched) -> Vec<&'static str> {
    matched.differences.iter().map(|difference| difference.field).collect()
}

#[test]
fn a_record_that_names_its_transaction_is_matched_whatever_its_time() {
    let outcome = reconcile(vec![book(100, 5, None, Some(1))], vec![transfer(100 + DAY, 5, 2, 1)], DAY);
    assert_eq!((outcome.matched.len(), outcome.matched[0].level), (1, Level::Hash));
}

#[test]
fn what_differs_is_told_by_field_with_both_values() {
    let chain = transfer(100 + 3 * DAY, 6, 2, 1);
    let outcome = reconcile(vec![book(100, 5, Some(9), Some(1))], vec![chain], DAY);
    assert_eq!(fields(&outcome.differing[0]), ["amount", "counterparty", "time"]);
    let first = &outcome.differing[0].differences[0];
    assert_eq!((&*first.books, &*first.chain), ("5", "6"));
    assert!(
        outcome.matched.is_empty() && outcome.only_in_books.is_empty() && outcome.only_on_chain.is_empty()
    );
}

#[test]
fn several_transfers_of_one_transaction_go_to_the_records_that_agree() {
    let books = vec![book(1, 5, None, Some(1)), book(1, 7, None, Some(1))];
    let mut second = transfer(1, 5, 2, 1);
    second.place = [0, 1, 0];
    let outcome = reconcile(books, vec![transfer(1, 7, 2, 1), second], DAY);
    assert_eq!((outcome.matched.len(), outcome.differing.len()), (2, 0));
}

#[test]
fn without_a_reference_amount_other_side_and_time_decide() {
    let chain = vec![transfer(100, 5, 2, 1), transfer(200, 5, 3, 2)];
    let outcome = reconcile(vec![book(150, 5, Some(3), None)], chain.clone(), DAY);
    assert_eq!(outcome.matched[0].chain.hash, B256::repeat_byte(2));
    assert_eq!(outcome.matched[0].level, Level::Counterparty);
    let outcome = reconcile(vec![book(100 + 2 * DAY, 5, Some(2), None)], chain.clone(), DAY);
    assert_eq!((outcome.only_in_books.len(), outcome.only_on_chain.len()), (1, 2));
    let outcome = reconcile(vec![book(150, 5, None, None)], chain, DAY);
    assert_eq!(outcome.matched[0].level, Level::Time);
}

#[test]
fn a_record_with_the_other_side_is_served_before_one_without() {
    let books = vec![book(100, 5, None, None), book(100, 5, Some(2), None)];
    let outcome = reconcile(books, vec![transfer(100, 5, 2, 1)], DAY);
    assert_eq!(outcome.matched[0].level, Level::Counterparty);
    assert_eq!(outcome.only_in_books[0].counterparty, None);
}

#[test]
fn as_many_as_possible_are_paired() {
    // The early record could take either transfer, the late one the second alone.
    let books = vec![book(DAY, 5, Some(2), None), book(2 * DAY + 10, 5, Some(2), None)];
    let chain = vec![transfer(5, 5, 2, 1), transfer(DAY + 20, 5, 2, 2)];
    let outcome = reconcile(books, chain, DAY);
    assert_eq!((outcome.matched.len(), outcome.only_in_books.len()), (2, 0));
}

/// The most pairs that any assignment has, by trying all.
fn most(books: &[(i64, i64)], chain: &[i64]) -> usize {
    let Some((first, rest)) = chain.split_first() else { return 0 };
    let without = most(books, rest);
    let with = books.iter().enumerate().filter(|(_, (begin, end))| begin <= first && first <= end);
    let with = with.map(|(at, _)| {
        let mut others = books.to_vec();
        others.remove(at);
        1 + most(&others, rest)
    });
    with.max().unwrap_or_default().max(without)
}

fn books_and_chain() -> impl Strategy<Value = (Vec<BookRecord>, Vec<ChainRecord>)> {
    let one = (0..6_i64, -2..3_i64, prop::option::of(1..3_u8), prop::option::of(1..5_u8));
    let books = prop::collection::vec(one, 0..12).prop_map(|all| {
        all.into_iter().map(|(at, number, side, hash)| book(at * DAY, number, side, hash)).collect()
    });
    let chain = prop::collection::vec((0..6_i64, -2..3_i64, 1..3_u8, 1..6_u8), 0..12).prop_map(|all| {
        let place = |(n, (at, number, side, hash)): (usize, (i64, i64, u8, u8))| {
            let mut record = transfer(at * DAY, number, side, hash);
            record.place = [u64::try_from(n).unwrap(), 0, 0];
            record
        };
        all.into_iter().enumerate().map(place).collect()
    });
    (books, chain)
}

proptest! {
    #[test]
    fn the_order_of_neither_side_counts((books, chain) in books_and_chain(), seed in any::<u64>()) {
        let outcome = reconcile(books.clone(), chain.clone(), DAY);
        let shuffled = |len: usize| {
            let mut order: Vec<usize> = (0..len).collect();
            order.sort_by_key(|at| (seed ^ *at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            order
        };
        let other_books = shuffled(books.len()).into_iter().map(|at| books[at].clone()).collect();
        let other_chain = shuffled(chain.len()).into_iter().map(|at| chain[at].clone()).collect();
        prop_assert_eq!(reconcile(other_books, other_chain, DAY), outcome);
    }

    #[test]
    fn each_record_is_in_exactly_one_class((books, chain) in books_and_chain()) {
        let outcome = reconcile(books.clone(), chain.clone(), DAY);
        let pairs = || outcome.matched.iter().chain(&outcome.differing);
        let mut told: Vec<BookRecord> = pairs().map(|pair| pair.book.clone()).collect();
        told.extend(outcome.only_in_books.iter().cloned());
        told.sort();
        let mut all = books;
        all.sort();
        prop_assert_eq!(told, all);
        let mut told: Vec<ChainRecord> = pairs().map(|pair| pair.chain.clone()).collect();
        told.extend(outcome.only_on_chain.iter().cloned());
        told.sort();
        let mut all = chain;
        all.sort();
        prop_assert_eq!(told, all);
    }

    #[test]
    fn matched_records_agree_and_differing_ones_do_not((books, chain) in books_and_chain()) {
        let outcome = reconcile(books, chain, DAY);
        for pair in &outcome.matched {
            prop_assert!(differences(&pair.book, &pair.chain, DAY).is_empty());
        }
        for pair in &outcome.differing {
            prop_assert!(pair.level == Level::Hash && !pair.differences.is_empty());
        }
    }

    #[test]
    fn no_assignment_pairs_more(books in prop::collection::vec(0..8_i64, 0..6), chain in prop::collection::vec(0..8_i64, 0..6)) {
        let spans: Vec<(i64, i64)> = books.iter().map(|day| ((day - 1) * DAY, (day + 1) * DAY)).collect();
        let times: Vec<i64> = chain.iter().map(|day| day * DAY).collect();
        let books = books.iter().map(|day| book(day * DAY, 5, Some(2), None)).collect();
        let chain = chain.iter().map(|day| transfer(day * DAY, 5, 2, 1)).collect();
        prop_assert_eq!(reconcile(books, chain, DAY).matched.len(), most(&spans, &times));
    }
}
