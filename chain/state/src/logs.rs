//! Finding logs: a filter per block over addresses and topics, and an index by address.
//!
//! The filters are Bloom filters of our own size, about twelve bits for each distinct address or topic of
//! the block, so that they stay sharp in full blocks, where Ethereum's 2048 bits say "maybe" to everything.
//! Blocks without logs have none and cost a search nothing.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Log};
use concordat_types::Receipt;
use sha2::{Digest, Sha256};

use crate::{
    Store, StoreError,
    schema::{Table, decode_u64, height_suffix, log_address_key},
};

/// Bits per term and hashes per term: about 0.5 % of wrong "maybe"s.
const BITS_PER_TERM: usize = 12;
const HASHES: u64 = 8;

/// Which logs to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter {
    /// The lowest height.
    pub from: u64,
    /// The greatest height; heights above the tip have no logs.
    pub to: u64,
    /// The address is one of these; any where there is none.
    pub addresses: Vec<Address>,
    /// For each position, the topic is one of these; any where there is none.
    pub topics: Vec<Vec<B256>>,
    /// How many logs to find before giving up with [`StoreError::TooManyLogs`].
    pub cap: usize,
    /// How many bytes of data they may carry together before giving up with [`StoreError::LogsTooLarge`].
    pub cap_bytes: usize,
}

/// A log that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHit {
    /// The block's height.
    pub height: u64,
    /// The block's hash.
    pub block_hash: B256,
    /// The transaction's place in the block.
    pub tx_index: u32,
    /// The transaction's hash.
    pub tx_hash: B256,
    /// The log's place among all logs of the block.
    pub log_index: u32,
    /// The log.
    pub log: Log,
}

impl LogFilter {
    /// Whether the filter lets this log through.
    pub fn matches(&self, log: &Log) -> bool {
        let address = self.addresses.is_empty() || self.addresses.contains(&log.address);
        let topic = |(at, any_of): (usize, &Vec<B256>)| {
            any_of.is_empty() || log.topics().get(at).is_some_and(|topic| any_of.contains(topic))
        };
        // As in every Ethereum node, a position without a condition still asks for a topic to be there.
        address && log.topics().len() >= self.topics.len() && self.topics.iter().enumerate().all(topic)
    }

    fn asks_for_topics(&self) -> bool {
        self.topics.iter().any(|any_of| !any_of.is_empty())
    }

    #[cfg(test)]
    pub(crate) fn may_match(&self, block_filter: &[u8]) -> bool {
        may_match(block_filter, &self.conditions())
    }

    /// The terms of each condition: a block has a match only if it has one term of each.
    fn conditions(&self) -> Vec<Vec<Term>> {
        let addresses = self.addresses.iter().map(address_term).collect();
        let topics = (0u8..)
            .zip(&self.topics)
            .map(|(at, any_of)| any_of.iter().map(|topic| topic_term(at, topic)).collect());
        std::iter::once(addresses).chain(topics).filter(|terms: &Vec<Term>| !terms.is_empty()).collect()
    }
}

impl Store {
    /// The logs that match, in the order of the chain.
    ///
    /// # Errors
    /// [`StoreError::TooManyLogs`] and [`StoreError::LogsTooLarge`] beyond the filter's caps,
    /// [`StoreError::Pruned`] where the range reaches below the kept blocks.
    pub fn logs(&self, filter: &LogFilter) -> Result<Vec<LogHit>, StoreError> {
        let floor = self.body_floor();
        if filter.from < floor && self.initial_height()?.is_some_and(|initial| floor > initial) {
            return Err(StoreError::Pruned { what: "the logs", height: filter.from, floor });
        }
        let to = filter.to.min(self.tip()?.height);
        let mut hits = Hits::default();
        if filter.addresses.is_empty() || filter.asks_for_topics() {
            let with_address = match filter.addresses.is_empty() {
                true => None,
                false => Some(self.heights_with_logs_of(filter, to)?),
            };
            let conditions = filter.conditions();
            for row in self.db().rows(Table::LogFilters, &filter.from.to_be_bytes(), Some(&above(to))) {
                let (key, bits) = row?;
                let height =
                    decode_u64(&key).ok_or_else(|| StoreError::corrupt("a log filter", "malformed key"))?;
                let by_address = with_address.as_ref().is_none_or(|heights| heights.contains(&height));
                if by_address && may_match(&bits, &conditions) {
                    self.collect_logs(filter, height, &mut hits)?;
                }
            }
        } else {
            for height in self.heights_with_logs_of(filter, to)? {
                self.collect_logs(filter, height, &mut hits)?;
            }
        }
        Ok(hits.found)
    }

    fn heights_with_logs_of(&self, filter: &LogFilter, to: u64) -> Result<BTreeSet<u64>, StoreError> {
        let mut heights = BTreeSet::new();
        for address in &filter.addresses {
            let from = log_address_key(address, filter.from);
            let below = log_address_key(address, to.saturating_add(1));
            for row in self.db().rows(Table::LogAddresses, &from, Some(&below)) {
                heights.extend(height_suffix(&row?.0));
            }
        }
        Ok(heights)
    }

    fn collect_logs(&self, filter: &LogFilter, height: u64, hits: &mut Hits) -> Result<(), StoreError> {
        let missing = || StoreError::corrupt(format!("block {height}"), "it has logs but no receipts");
        let block_hash = self.block_hash(height)?.ok_or_else(missing)?;
        let receipts = self.receipts(height)?.ok_or_else(missing)?;
        let mut log_indexes = 0u32..;
        for (tx_index, receipt) in (0u32..).zip(receipts) {
            for (log, log_index) in receipt.logs.into_iter().zip(log_indexes.by_ref()) {
                if !filter.matches(&log) {
                    continue;
                }
                let hit = LogHit { height, block_hash, tx_index, tx_hash: receipt.tx_hash, log_index, log };
                hits.add(filter, hit)?;
            }
        }
        Ok(())
    }
}

/// What was found so far.
#[derive(Default)]
struct Hits {
    found: Vec<LogHit>,
    data_bytes: usize,
}

impl Hits {
    fn add(&mut self, filter: &LogFilter, hit: LogHit) -> Result<(), StoreError> {
        let (cap, cap_bytes, reached) = (filter.cap, filter.cap_bytes, hit.height);
        if self.found.len() >= cap {
            return Err(StoreError::TooManyLogs { cap, reached });
        }
        self.data_bytes = self.data_bytes.saturating_add(hit.log.data.data.len());
        if self.data_bytes > cap_bytes {
            return Err(StoreError::LogsTooLarge { cap_bytes, reached });
        }
        self.found.push(hit);
        Ok(())
    }
}

fn above(height: u64) -> [u8; 8] {
    height.saturating_add(1).to_be_bytes()
}

/// Two halves of a hash, from which all bit positions are drawn (Kirsch and Mitzenmacher, 2006).
type Term = (u64, u64);

fn term(kind: u8, bytes: &[u8]) -> Term {
    let digest: [u8; 32] = Sha256::new().chain_update([kind]).chain_update(bytes).finalize().into();
    let half = |at: usize| {
        digest
            .get(at..)
            .and_then(|tail| tail.first_chunk::<8>())
            .map_or(0, |bytes| u64::from_be_bytes(*bytes))
    };
    (half(0), half(8))
}

fn address_term(address: &Address) -> Term {
    term(0, address.as_slice())
}

fn topic_term(position: u8, topic: &B256) -> Term {
    term(position.saturating_add(1), topic.as_slice())
}

fn positions((first, second): Term, bits: u64) -> impl Iterator<Item = u64> {
    (0..HASHES).map(move |n| first.wrapping_add(n.wrapping_mul(second)).checked_rem(bits).unwrap_or_default())
}

/// The distinct addresses that log in these receipts.
pub(crate) fn addresses(receipts: &[Receipt]) -> BTreeSet<Address> {
    receipts.iter().flat_map(|receipt| &receipt.logs).map(|log| log.address).collect()
}

/// The filter of a block, `None` where it has no logs.
pub(crate) fn block_filter(receipts: &[Receipt]) -> Option<Vec<u8>> {
    let terms_of = |log: &Log| {
        let topics: Vec<Term> = (0u8..).zip(log.topics()).map(|(at, topic)| topic_term(at, topic)).collect();
        std::iter::once(address_term(&log.address)).chain(topics)
    };
    let terms: BTreeSet<Term> =
        receipts.iter().flat_map(|receipt| &receipt.logs).flat_map(terms_of).collect();
    if terms.is_empty() {
        return None;
    }
    let mut filter = vec![0u8; terms.len().saturating_mul(BITS_PER_TERM).div_ceil(8)];
    let bits = (filter.len() as u64).saturating_mul(8);
    for position in terms.into_iter().flat_map(|term| positions(term, bits)) {
        if let Some(byte) = filter.get_mut((position / 8) as usize) {
            *byte |= 1 << (position % 8);
        }
    }
    Some(filter)
}

fn may_match(filter: &[u8], conditions: &[Vec<Term>]) -> bool {
    let bits = (filter.len() as u64).saturating_mul(8);
    let is_set = |position: u64| {
        filter.get((position / 8) as usize).is_some_and(|byte| byte & (1 << (position % 8)) != 0)
    };
    conditions.iter().all(|any_of| any_of.iter().any(|term| positions(*term, bits).all(is_set)))
}
