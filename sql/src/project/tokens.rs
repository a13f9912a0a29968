//! Transfers of tokens, by the events of ERC-20, 721 and 1155, and what they leave their holders with.
//!
//! A balance is the sum of what a contract has told of, and of what rollbacks have undone. A contract that moves without
//! telling, or tells of what it did not move, has other balances than these: docs/regulator.md says so.

use std::collections::BTreeMap;

use alloy_primitives::{Log, Signed, U256};
use alloy_sol_types::{SolEvent as _, sol};
use concordat_types::Address;

use super::{BlockData, logs, position, somebody};
use crate::{
    cell::{Cell, Row},
    digest::Rows,
    tables::Table,
};

sol! {
    event Transfer(address indexed from, address indexed to, uint256 amount);
    event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value);
    event TransferBatch(address indexed operator, address indexed from, address indexed to, uint256[] ids, uint256[] values);
}

/// How much a holder has: as wide as 2^64 events of the largest amount add up to.
pub type Amount = Signed<320, 5>;

/// What somebody may have some of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holding {
    /// The token's contract.
    pub token: Address,
    /// Which of its tokens; zero for ERC-20.
    pub id: U256,
    /// Who.
    pub holder: Address,
}

/// What holders have.
pub type Holdings = BTreeMap<Holding, Amount>;

/// By how much a block changes holdings.
pub(super) type Moves = BTreeMap<Holding, Amount>;

struct Told {
    standard: &'static str,
    from: Address,
    to: Address,
    id: U256,
    amount: U256,
}

/// Adds the rows of transfers; by how much they, and rollbacks, change holdings.
pub(super) fn project(data: &BlockData, rows: &mut Rows) -> Moves {
    let (mut transfers, mut moves) = (Vec::new(), Moves::new());
    for (tx, place, log) in logs(data) {
        for (item, transfer) in told(log).into_iter().enumerate() {
            transfers.push(transfer.row(log.address, position(data.height, tx, place), item));
            transfer.apply(log.address, &mut moves, false);
        }
    }
    for log in data.reversed.iter().flat_map(|receipt| &receipt.logs) {
        told(log).iter().for_each(|transfer| transfer.apply(log.address, &mut moves, true));
    }
    if !transfers.is_empty() {
        rows.insert(Table::TokenTransfers, transfers);
    }
    moves.retain(|_, change| !change.is_zero());
    moves
}

/// The rows of what holders have after their holdings changed.
pub(super) fn settle(height: u64, moves: Moves, holdings: &mut Holdings) -> Vec<Row> {
    let row = |(place, (holding, change)): (usize, (Holding, Amount))| {
        let balance = holdings.entry(holding).or_insert(Amount::ZERO);
        *balance = balance.saturating_add(change);
        vec![
            Cell::int(height),
            Cell::int(place),
            Cell::bytes(holding.token),
            Cell::number(holding.id),
            Cell::bytes(holding.holder),
            Cell::Number(change.to_string()),
            Cell::Number(balance.to_string()),
        ]
    };
    moves.into_iter().enumerate().map(row).collect()
}

impl Told {
    fn row(&self, token: Address, position: [Cell; 3], item: usize) -> Row {
        let mut row = position.to_vec();
        row.extend([Cell::int(item), Cell::bytes(token), Cell::text(self.standard)]);
        row.extend([
            Cell::bytes(self.from),
            Cell::bytes(self.to),
            Cell::number(self.id),
            Cell::number(self.amount),
        ]);
        row
    }

    /// What comes from nobody is made, what goes to nobody ends.
    fn apply(&self, token: Address, moves: &mut Moves, undo: bool) {
        let amount = Amount::from_raw(self.amount.to());
        let (taker, giver) = if undo { (self.from, self.to) } else { (self.to, self.from) };
        let mut add = |holder: Address, change: Amount| {
            let total = moves.entry(Holding { token, id: self.id, holder }).or_insert(Amount::ZERO);
            *total = total.saturating_add(change);
        };
        if let Some(holder) = somebody(giver) {
            add(holder, amount.saturating_neg());
        }
        if let Some(holder) = somebody(taker) {
            add(holder, amount);
        }
    }
}

/// The transfers that a log tells of; none for all other logs, and for those that are not as the standards have them.
fn told(log: &Log) -> Vec<Told> {
    let Some(event) = log.topics().first() else { return Vec::new() };
    match *event {
        Transfer::SIGNATURE_HASH => transfer(log).into_iter().collect(),
        TransferSingle::SIGNATURE_HASH => single(log).into_iter().collect(),
        TransferBatch::SIGNATURE_HASH => batch(log),
        _ => Vec::new(),
    }
}

/// ERC-20 and ERC-721 have one event in common, whose last argument is in its data or in its topics.
fn transfer(log: &Log) -> Option<Told> {
    let (standard, id, amount) = match (log.topics(), log.data.data.len()) {
        ([_, _, _], 32) => ("erc20", U256::ZERO, U256::try_from_be_slice(&log.data.data)?),
        ([_, _, _, id], 0) => ("erc721", U256::from_be_bytes(id.0), U256::ONE),
        _ => return None,
    };
    let party = |at: usize| log.topics().get(at).map(|topic| Address::from_word(*topic));
    Some(Told { standard, from: party(1)?, to: party(2)?, id, amount })
}

fn single(log: &Log) -> Option<Told> {
    let TransferSingle { from, to, id, value, .. } = TransferSingle::decode_log(log).ok()?.data;
    Some(Told { standard: "erc1155", from, to, id, amount: value })
}

fn batch(log: &Log) -> Vec<Told> {
    let Ok(event) = TransferBatch::decode_log(log) else { return Vec::new() };
    let TransferBatch { from, to, ids, values, .. } = event.data;
    if ids.len() != values.len() {
        return Vec::new();
    }
    let one = |(id, amount)| Told { standard: "erc1155", from, to, id, amount };
    ids.into_iter().zip(values).map(one).collect()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{B256, Bytes, LogData};
    use concordat_types::{Receipt, receipt::Outcome};
    use proptest::prelude::*;

    use super::*;

    const TOKEN: Address = Address::repeat_byte(0xee);

    fn person(n: u8) -> Address {
        if n == 0 { Address::ZERO } else { Address::repeat_byte(n) }
    }

    fn erc20(from: u8, to: u8, amount: u64) -> Log {
        let data = Transfer { from: person(from), to: person(to), amount: U256::from(amount) };
        Log { address: TOKEN, data: data.encode_log_data() }
    }

    fn data(logs: Vec<Log>, reversed: Vec<Log>) -> BlockData {
        let receipt = |logs| Receipt {
            tx_hash: B256::ZERO,
            tx_type: 2,
            sender: Address::ZERO,
            outcome: Outcome::Success,
            gas_limit: 0,
            gas_used: 0,
            contract_address: None,
            logs,
            output: Bytes::new(),
        };
        let (receipts, reversed) = (vec![receipt(logs)], vec![receipt(reversed)]);
        BlockData { height: 5, hash: B256::ZERO, block: None, receipts, changes: vec![], reversed }
    }

    fn after(holdings: &mut Holdings, data: &BlockData) -> Vec<Row> {
        let mut rows = Rows::new();
        settle(5, project(data, &mut rows), holdings)
    }

    fn holding(n: u8) -> Holding {
        Holding { token: TOKEN, id: U256::ZERO, holder: person(n) }
    }

    #[test]
    fn a_mint_a_payment_and_a_burn_leave_what_they_should() {
        let mut holdings = Holdings::new();
        let rows =
            after(&mut holdings, &data(vec![erc20(0, 1, 100), erc20(1, 2, 30), erc20(2, 0, 5)], vec![]));
        let have = [1, 2].map(|n| holdings[&holding(n)].to_string());
        assert_eq!(have, ["70", "25"]);
        assert_eq!(holdings.len(), 2, "nobody holds nothing");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0][5..], [Cell::Number("70".into()), Cell::Number("70".into())]);
    }

    #[test]
    fn what_a_rollback_reverses_is_undone() {
        let mut holdings = Holdings::new();
        after(&mut holdings, &data(vec![erc20(0, 1, 100)], vec![]));
        after(&mut holdings, &data(vec![erc20(1, 2, 30)], vec![]));
        after(&mut holdings, &data(vec![], vec![erc20(1, 2, 30)]));
        assert_eq!([1, 2].map(|n| holdings[&holding(n)].to_string()), ["100", "0"]);
    }

    #[test]
    fn other_standards_are_told_apart_and_what_is_none_is_left_out() {
        let words = |n: u8| B256::left_padding_from(person(n).as_slice());
        let topics = vec![Transfer::SIGNATURE_HASH, words(1), words(2), B256::with_last_byte(9)];
        let nft = Log { address: TOKEN, data: LogData::new_unchecked(topics.clone(), Bytes::new()) };
        let found = told(&nft);
        assert_eq!((found[0].standard, found[0].id, found[0].amount), ("erc721", U256::from(9), U256::ONE));
        let odd = Log { address: TOKEN, data: LogData::new_unchecked(topics, Bytes::from_static(&[1])) };
        assert!(told(&odd).is_empty());
        let (ids, values) = (vec![U256::from(1), U256::from(2)], vec![U256::from(10), U256::from(20)]);
        let (operator, from, to) = (person(3), person(1), person(2));
        let batch = TransferBatch { operator, from, to, ids: ids.clone(), values };
        let found = told(&Log { address: TOKEN, data: batch.encode_log_data() });
        assert_eq!(
            found.iter().map(|t| (t.standard, t.amount.to::<u64>())).collect::<Vec<_>>(),
            [("erc1155", 10), ("erc1155", 20)]
        );
        let uneven = TransferBatch { operator, from, to, ids, values: vec![] };
        assert!(told(&Log { address: TOKEN, data: uneven.encode_log_data() }).is_empty());
    }

    #[test]
    fn a_contract_that_lies_about_amounts_stops_nothing() {
        let mut holdings = Holdings::new();
        let lie = Transfer { from: person(1), to: person(2), amount: U256::MAX };
        let log = Log { address: TOKEN, data: lie.encode_log_data() };
        for _ in 0..3 {
            after(&mut holdings, &data(vec![log.clone()], vec![]));
        }
        let three = (Amount::from_raw(U256::MAX.to()) * Amount::try_from(3).unwrap()).to_string();
        assert_eq!(holdings[&holding(2)].to_string(), three);
        assert_eq!(holdings[&holding(1)].to_string(), format!("-{three}"));
    }

    proptest! {
        #[test]
        fn no_transfer_makes_or_ends_anything(moves in prop::collection::vec((1_u8..6, 1_u8..6, any::<u64>()), 0..40)) {
            let logs = moves.iter().map(|(from, to, amount)| erc20(*from, *to, *amount)).collect();
            let mut holdings = Holdings::new();
            let rows = after(&mut holdings, &data(logs, vec![]));
            let sum = holdings.values().fold(Amount::ZERO, |sum, amount| sum + *amount);
            prop_assert_eq!(sum, Amount::ZERO);
            prop_assert_eq!(rows.len(), holdings.len());
        }
    }
}
