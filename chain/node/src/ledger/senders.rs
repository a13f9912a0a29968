//! Who is said to have sent a block's transactions, and the keys of those who sent something before.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use concordat_types::{
    Address, Block, Bytes, SignedTx, VerifiedTx,
    tx::{SenderKey, verify_all},
};

use super::lock;

/// The most keys that are kept, about 8 MB. When there are more, all are found anew: who sends much is soon among
/// them again.
const MOST_KEYS: usize = 1 << 16;

/// Keys that were found in signatures of the blocks that this node catches up with.
pub(super) struct Senders {
    keys: Mutex<HashMap<Address, SenderKey>>,
    most: usize,
}

impl Default for Senders {
    fn default() -> Self {
        Self::of_at_most(MOST_KEYS)
    }
}

impl Senders {
    fn of_at_most(most: usize) -> Self {
        Self { keys: Mutex::default(), most }
    }

    /// Checks the signatures of a block's transactions; nothing if anything is wrong. What is said of their senders
    /// makes it faster where it is true.
    pub(super) fn check(&self, block: &Block, said: &[u8], chain_id: u64) -> Option<Vec<Arc<VerifiedTx>>> {
        let parse = |raw: &Bytes| SignedTx::parse(raw.clone()).ok();
        let txs = block.txs.iter().map(parse).collect::<Option<Vec<_>>>()?;
        let told = self.keys(said);
        let (txs, found): (Vec<_>, Vec<_>) = verify_all(txs, &told, chain_id).ok()?.into_iter().unzip();
        self.remember(found.into_iter().flatten());
        Some(txs.into_iter().map(Arc::new).collect())
    }

    fn keys(&self, said: &[u8]) -> Vec<Option<SenderKey>> {
        let keys = lock(&self.keys);
        let (addresses, _) = said.as_chunks::<20>();
        addresses.iter().map(|address| keys.get(&Address::from(*address)).copied()).collect()
    }

    fn remember(&self, found: impl Iterator<Item = SenderKey>) {
        let mut keys = lock(&self.keys);
        for key in found {
            if keys.len() >= self.most {
                keys.clear();
            }
            keys.insert(key.address(), key);
        }
    }
}

/// What a peer is told of who sent a block's transactions.
pub(super) fn told(senders: impl Iterator<Item = Address>) -> bytes::Bytes {
    senders.flat_map(|sender| sender.0.0).collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use concordat_consensus::{Application as _, SyncedBlock};
    use secp256k1::{PublicKey, SECP256K1, SecretKey};

    use super::*;
    use crate::ledger::{
        application::LedgerApplication,
        kit::{Account, Chain, EVM_CHAIN, at},
    };

    /// A settled block of many transactions of one account.
    fn settled() -> (Chain, Block) {
        let chain = Chain::new();
        let txs = (1..=99).map(|nonce| chain.member.sign(Account::draft(nonce))).collect();
        let block = chain.block(at(2_000), txs);
        chain.settle(&block);
        (chain, block)
    }

    fn key(seed: u8) -> SenderKey {
        let secret = SecretKey::from_byte_array([seed; 32]).unwrap();
        SenderKey::from(&PublicKey::from_secret_key(SECP256K1, &secret))
    }

    fn one_by_one(block: &Block) -> Option<Vec<Arc<VerifiedTx>>> {
        let verify = |raw: &Bytes| SignedTx::parse(raw.clone()).ok()?.verify(EVM_CHAIN).ok().map(Arc::new);
        block.txs.iter().map(verify).collect()
    }

    #[test]
    fn peers_are_told_who_sent_a_blocks_transactions_and_know_the_keys_from_then_on() {
        let (chain, block) = settled();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let stored = runtime.block_on(LedgerApplication(chain.ledger.clone()).decided(2)).unwrap().unwrap();
        let SyncedBlock { bytes, senders: said } = stored.block;
        assert_eq!((&bytes[..], said.len()), (&block.encode()[..], 99 * 20));
        let senders = Senders::default();
        assert!(senders.keys(&said).iter().all(Option::is_none));
        for _ in 0..2 {
            assert_eq!(senders.check(&block, &said, EVM_CHAIN), one_by_one(&block));
            assert!(senders.keys(&said).iter().all(Option::is_some));
        }
    }

    #[test]
    fn lies_about_senders_change_nothing() {
        let (_chain, mut block) = settled();
        let own = one_by_one(&block).unwrap()[0].sender();
        let senders = Senders::default();
        let true_ones = told(std::iter::repeat_n(own, 99));
        senders.check(&block, &true_ones, EVM_CHAIN).unwrap();
        // Somebody else, whose key is known, too.
        let other = crate::pool::tests::tx(9, 0).sender();
        senders.remember([key(9)].into_iter());
        assert_eq!(senders.keys(&told([other].into_iter())), [Some(key(9))]);
        let lies = [
            told(std::iter::repeat_n(other, 99)),
            told(std::iter::repeat_n(own, 500)),
            told([other; 7].into_iter()),
            true_ones.slice(..33),
        ];
        for lie in &lies {
            assert_eq!(senders.check(&block, lie, EVM_CHAIN), one_by_one(&block));
        }
        let last = block.txs.last_mut().unwrap();
        *last = Bytes::from([&last[..last.len() - 1], &[last[last.len() - 1] ^ 1]].concat());
        assert_ne!(one_by_one(&block).map(|txs| txs[98].sender()), Some(own));
        for lie in lies.iter().chain([&true_ones]) {
            assert_eq!(senders.check(&block, lie, EVM_CHAIN), one_by_one(&block));
        }
    }

    #[test]
    fn keys_that_are_kept_are_bounded() {
        let senders = Senders::of_at_most(3);
        for seed in 1..=8 {
            senders.remember([key(seed)].into_iter());
            assert!(lock(&senders.keys).len() <= 3);
        }
        assert_eq!(senders.keys(&told([key(8).address()].into_iter())), [Some(key(8))]);
    }
}
