//! Keeps tokens where they are that an order freezes, whoever moves them.
//!
//! What moved shows in the events of the standards: `Transfer` of ERC-20 and ERC-721, `TransferSingle` and
//! `TransferBatch` of ERC-1155. A transaction that ran and took such tokens from their holder is undone as a whole. A
//! token that tells nobody what it moves cannot be kept from it: its contract can be halted.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::b256;
use concordat_types::{Address, B256, Log, ReadError, StateReader};

use super::{notice, records::TokenEntry, tables};
use crate::{
    evm::{Run, RunStatus},
    identity::tables::identity_of,
    overlay::Overlay,
    system::{GasMeter, Rows, SystemError, gas},
};

/// `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
/// `TransferSingle(address,address,address,uint256,uint256)`.
const TRANSFER_SINGLE: B256 = b256!("0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62");
/// `TransferBatch(address,address,address,uint256[],uint256[])`.
const TRANSFER_BATCH: B256 = b256!("0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb");

/// The orders that keep tokens where they are.
#[derive(Clone, Debug)]
pub(crate) struct TokenOrders(Vec<TokenEntry>);

impl TokenOrders {
    /// Those of the state; `None` where there are none, so that nothing is looked at.
    pub(crate) fn in_force(rows: &mut impl Rows) -> Result<Option<Arc<Self>>, ReadError> {
        let entries = tables::tokens(rows)?;
        Ok((!entries.is_empty()).then(|| Arc::new(Self(entries))))
    }

    /// Those on a token that bind at a height.
    fn on(&self, token: Address, height: u64) -> impl Iterator<Item = &TokenEntry> {
        self.0.iter().filter(move |entry| entry.token == token && entry.binds(height))
    }
}

/// From whom a log says that tokens went; `Some(None)` where it says that some did and not from whom.
fn giver(log: &Log) -> Option<Option<Address>> {
    let topics = log.topics();
    let place = match *topics.first()? {
        TRANSFER => 1,
        TRANSFER_SINGLE | TRANSFER_BATCH => 2,
        _ => return None,
    };
    let indexed = topics.get(place).copied();
    // A token that indexes nothing has its arguments in the data, in their order.
    let word = |at: usize| {
        let start = at.checked_mul(32)?;
        log.data.data.get(start..start.checked_add(32)?).map(B256::from_slice)
    };
    let told = if topics.len() == 1 { word(place.saturating_sub(1)) } else { indexed };
    Some(told.map(Address::from_word))
}

/// Why a transaction does not stand.
enum Stopped {
    By(u64),
    Starved,
    State(ReadError),
}

impl From<SystemError> for Stopped {
    fn from(error: SystemError) -> Self {
        match error {
            SystemError::State(error) => Self::State(error),
            _ => Self::Starved,
        }
    }
}

/// Holds what ran against the orders on tokens, if there are any.
pub(crate) fn keep_tokens<R: StateReader>(
    overlay: &mut Overlay<R>,
    height: u64,
    gas_limit: u64,
    run: &mut Run,
) -> Result<(), ReadError> {
    let Some(orders) = overlay.token_orders()? else { return Ok(()) };
    let spared = overlay.then().map(|then| then.target);
    enforce(&orders, (height, spared), overlay, gas_limit, run)
}

/// Judges a run that may have succeeded, with what its gas limit has left: `run` becomes one of which nothing stands if it
/// took tokens that an order freezes. `spared` is a token that the committee has decided to correct.
fn enforce(
    orders: &TokenOrders,
    (height, spared): (u64, Option<Address>),
    rows: &mut impl Rows,
    gas_limit: u64,
    run: &mut Run,
) -> Result<(), ReadError> {
    if run.status != RunStatus::Success {
        return Ok(());
    }
    let meter = &mut GasMeter::new(gas_limit.saturating_sub(run.gas_used));
    let judged = judge(orders, (height, spared), rows, meter, &run.logs);
    match judged {
        Ok(()) => run.gas_used = gas_limit.saturating_sub(meter.left()),
        Err(Stopped::By(order)) => {
            let (output, gas_used) =
                (notice(rows, order)?.abi_encode(), gas_limit.saturating_sub(meter.left()));
            *run = Run { status: RunStatus::Ordered, gas_used, output, logs: Vec::new(), created: None };
        }
        Err(Stopped::Starved) => run.starve(gas_limit),
        Err(Stopped::State(error)) => return Err(error),
    }
    Ok(())
}

fn judge(
    orders: &TokenOrders,
    (height, spared): (u64, Option<Address>),
    rows: &mut impl Rows,
    meter: &mut GasMeter,
    logs: &[Log],
) -> Result<(), Stopped> {
    let mut identities: BTreeMap<Address, Address> = BTreeMap::new();
    for log in logs.iter().filter(|log| Some(log.address) != spared) {
        let Some(first) = orders.on(log.address, height).next() else { continue };
        let Some(giver) = giver(log) else { continue };
        let Some(giver) = giver else { return Err(stopped(first.order, meter)) };
        let identity = match identities.get(&giver) {
            Some(identity) => *identity,
            None => {
                meter.charge(gas::ROW_READ)?;
                identity_of(rows, giver).map_err(Stopped::State)?
            }
        };
        identities.insert(giver, identity);
        if let Some(entry) = orders.on(log.address, height).find(|entry| entry.holder == identity) {
            return Err(stopped(entry.order, meter));
        }
    }
    Ok(())
}

/// What is told of the order is read as well.
fn stopped(order: u64, meter: &mut GasMeter) -> Stopped {
    match meter.charge(gas::ROW_READ) {
        Ok(()) => Stopped::By(order),
        Err(_) => Stopped::Starved,
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{LogData, keccak256};

    use super::*;

    fn log(topics: Vec<B256>, data: Vec<u8>) -> Log {
        Log { address: Address::ZERO, data: LogData::new_unchecked(topics, data.into()) }
    }

    #[test]
    fn the_events_are_those_of_the_standards() {
        assert_eq!(TRANSFER, keccak256("Transfer(address,address,uint256)"));
        assert_eq!(TRANSFER_SINGLE, keccak256("TransferSingle(address,address,address,uint256,uint256)"));
        assert_eq!(TRANSFER_BATCH, keccak256("TransferBatch(address,address,address,uint256[],uint256[])"));
    }

    #[test]
    fn whom_tokens_leave_is_read_from_topics_or_data_and_else_unknown() {
        let (one, two) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let words = [one.into_word(), two.into_word(), B256::ZERO];
        let data: Vec<u8> = words.iter().flat_map(|word| word.0).collect();
        assert_eq!(giver(&log(vec![TRANSFER, words[0], words[1]], vec![])), Some(Some(one)));
        assert_eq!(giver(&log(vec![TRANSFER_SINGLE, words[0], words[1], words[0]], vec![])), Some(Some(two)));
        assert_eq!(giver(&log(vec![TRANSFER], data.clone())), Some(Some(one)));
        assert_eq!(giver(&log(vec![TRANSFER_BATCH], data)), Some(Some(two)));
        assert_eq!(giver(&log(vec![TRANSFER], vec![])), Some(None));
        assert_eq!(giver(&log(vec![B256::ZERO], vec![])), None);
        assert_eq!(giver(&log(vec![], vec![])), None);
    }
}
