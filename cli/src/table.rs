//! What lists of many entries are read by: the keys of a table of the chain's own contracts, page by page, and views of
//! those contracts asked in batches, all of them as of one height.

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolCall;
use concordat_core::ListedTable;
use eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::{Value, json};

use crate::client::{Client, quantity};

/// How many keys one call asks for.
const PAGE_KEYS: u64 = 100;

/// How many calls one batch holds at most: what nodes take by default.
const BATCH_CALLS: usize = 100;

/// What a table's key is.
pub trait Key: Copy + AsRef<[u8]> + for<'a> TryFrom<&'a [u8]> {
    /// For people.
    const NAME: &'static str;
}

impl Key for Address {
    const NAME: &'static str = "address";
}

impl Key for B256 {
    const NAME: &'static str = "hash";
}

/// A key that a node tells.
fn key<K: Key>(told: &Bytes) -> Result<K> {
    K::try_from(told.as_ref()).map_err(|_| eyre!("the node tells {told}, which is no {}", K::NAME))
}

/// A node's answers as of one height.
pub struct AsOf<'a> {
    client: &'a Client,
    height: u64,
}

impl<'a> AsOf<'a> {
    /// As of a height, or of the newest one.
    pub fn new(client: &'a Client, height: Option<u64>) -> Result<Self> {
        let height = height.map_or_else(|| client.height(), Ok)?;
        Ok(Self { client, height })
    }

    /// The time of its block, in Unix seconds.
    pub fn time(&self) -> Result<u64> {
        let block = self.client.call("eth_getBlockByNumber", json!([self.tag(), false]))?;
        quantity(&block["timestamp"]).wrap_err_with(|| format!("the node knows no block {}", self.height))
    }

    /// Gives `take` each entry of a table from the first after another one on, with what a view of a contract tells of it,
    /// until it has enough and says false.
    pub fn each<K: Key, C: SolCall>(
        &self,
        (table, of): (ListedTable, Address),
        after: Option<K>,
        call: impl Fn(K) -> C,
        mut take: impl FnMut(K, C::Return) -> bool,
    ) -> Result<()> {
        self.keys(table, after, |keys: &[K]| {
            let calls: Vec<C> = keys.iter().copied().map(&call).collect();
            let mut told = keys.iter().copied().zip(self.ask(of, &calls)?);
            Ok(told.all(|(key, answer)| take(key, answer)))
        })
    }

    /// Gives `take` the keys of a table from the first after another one on, piece by piece, until it has enough and says
    /// false.
    pub fn keys<K: Key>(
        &self,
        table: ListedTable,
        after: Option<K>,
        mut take: impl FnMut(&[K]) -> Result<bool>,
    ) -> Result<()> {
        let mut after = after.map(|after| Bytes::copy_from_slice(after.as_ref()));
        loop {
            let table = format!("{:#x}", table.number());
            let limit = format!("{PAGE_KEYS:#x}");
            let answer =
                self.client.call("concordat_getRowKeys", json!([table, after, limit, self.tag()]))?;
            let keys: Vec<Bytes> = serde_json::from_value(answer["keys"].clone())
                .wrap_err("the node does not answer with the keys of a table")?;
            let read: Vec<K> = keys.iter().map(key).collect::<Result<_>>()?;
            let wanted = read.is_empty() || take(&read)?;
            if !wanted || answer["more"] != true {
                return Ok(());
            }
            // A node that told the same page for ever would keep this going.
            let last = keys.last().cloned();
            if last <= after {
                bail!("the node tells keys that are not in order");
            }
            after = last;
        }
    }

    /// Asks a view of a contract many times.
    pub fn ask<C: SolCall>(&self, to: Address, calls: &[C]) -> Result<Vec<C::Return>> {
        let mut answers = Vec::with_capacity(calls.len());
        for part in calls.chunks(BATCH_CALLS) {
            let part: Vec<Value> = part
                .iter()
                .map(|call| json!([{ "to": to, "input": Bytes::from(call.abi_encode()) }, self.tag()]))
                .collect();
            for answer in self.client.batch("eth_call", &part)? {
                let answer: Bytes = serde_json::from_value(answer)?;
                let answer = C::abi_decode_returns(&answer);
                answers.push(answer.wrap_err("the node does not answer as the chain's contracts do")?);
            }
        }
        Ok(answers)
    }

    /// Asks a view of a contract.
    pub fn ask_one<C: SolCall>(&self, to: Address, call: C) -> Result<C::Return> {
        self.ask(to, &[call])?.pop().ok_or_else(|| eyre!("the node gives no answer"))
    }

    /// Whether there is a contract at an address.
    pub fn has_code(&self, address: Address) -> Result<bool> {
        let code: Bytes =
            serde_json::from_value(self.client.call("eth_getCode", json!([address, self.tag()]))?)?;
        Ok(!code.is_empty())
    }

    fn tag(&self) -> String {
        format!("{:#x}", self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_none_of_its_table_is_named() {
        let told = Bytes::from(vec![7; 20]);
        assert_eq!(key::<Address>(&told).unwrap(), Address::repeat_byte(7));
        let refused = key::<B256>(&told).unwrap_err().to_string();
        assert!(refused.contains("is no hash"), "{refused}");
    }
}
