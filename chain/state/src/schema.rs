//! What is stored where: tables, keys and fixed-size records. `docs/state.md` shows it as a table.
//!
//! Numbers in keys are big-endian, so that the order of bytes is the order of numbers.

use alloy_primitives::{Address, B256};
use concordat_types::StateKey;

use crate::{StoreError, TxLocation};

/// The version of everything in this file. A change that old stores do not have raises it.
pub(crate) const SCHEMA: u32 = 1;

/// The longest state key, in bytes.
pub(crate) const MAX_KEY_BYTES: usize = 1024;

macro_rules! tables {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal; )*) => {
        /// A column family of the database.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Table {
            $( $(#[$doc])* $variant, )*
        }

        impl Table {
            /// Every table.
            pub(crate) const ALL: &'static [Table] = &[$( Table::$variant, )*];

            /// The column family's name.
            pub(crate) const fn name(self) -> &'static str {
                match self { $( Table::$variant => $name, )* }
            }
        }
    };
}

tables! {
    /// Facts about the store itself: [`meta`].
    Meta = "default";
    /// State key → current value.
    State = "state";
    /// SHA-256 of a state key → the key. Grows only; proofs of absence name their neighbours with it.
    Preimages = "preimages";
    /// [`history_key`] → the value before that height's block ([`encode_before`]).
    History = "history";
    /// Height → the state keys that its block changed.
    Changes = "changes";
    /// Height → [`HeightRecord`].
    Heights = "heights";
    /// Height → CometBFT protobuf header.
    Headers = "headers";
    /// Height → CometBFT protobuf block.
    Blocks = "blocks";
    /// Height → the commit that this node saw for it.
    Commits = "commits";
    /// First height → the validator set that decides from there on.
    Validators = "validators";
    /// Height ‖ index → receipt.
    Receipts = "receipts";
    /// Transaction hash → height ‖ index.
    Txs = "txs";
    /// Block hash → height.
    Hashes = "hashes";
    /// Height → filter over the block's log addresses and topics; none for blocks without logs.
    LogFilters = "log_filters";
    /// Address ‖ height → nothing, for every block with a log of the address.
    LogAddresses = "log_addresses";
    /// Height → who had a part in the block; none for blocks without transactions.
    Activity = "activity";
    /// Place → node of the history of blocks.
    Mountains = "mountains";
    /// Height ‖ block hash → a proposed block that is not decided yet.
    Undecided = "undecided";
    /// Name → value: the node's own small facts.
    Notes = "notes";
}

/// Keys of [`Table::Meta`].
pub(crate) mod meta {
    /// The chain's id.
    pub(crate) const CHAIN_ID: &[u8] = b"chain_id";
    /// Height of the first block.
    pub(crate) const INITIAL_HEIGHT: &[u8] = b"initial_height";
    /// Height of the newest committed block.
    pub(crate) const TIP: &[u8] = b"tip";
    /// The lowest height at which the state can be read.
    pub(crate) const HISTORY_FLOOR: &[u8] = b"history_floor";
    /// The lowest height whose block body and receipts are kept.
    pub(crate) const BODY_FLOOR: &[u8] = b"body_floor";
    /// Present while a snapshot is being imported: what is stored is incomplete.
    pub(crate) const IMPORTING: &[u8] = b"importing";
}

/// What every height has, whatever else of it is pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeightRecord {
    pub(crate) block_hash: B256,
    /// The root of the state after the block.
    pub(crate) state_root: B256,
    /// The block's time, in milliseconds since 1970.
    pub(crate) time_ms: u64,
    /// How many transactions the block has.
    pub(crate) txs: u32,
}

impl HeightRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [
            self.block_hash.as_slice(),
            self.state_root.as_slice(),
            &self.time_ms.to_be_bytes(),
            &self.txs.to_be_bytes(),
        ]
        .concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (block_hash, rest) = bytes.split_first_chunk::<32>()?;
        let (state_root, rest) = rest.split_first_chunk::<32>()?;
        let (time_ms, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            block_hash: block_hash.into(),
            state_root: state_root.into(),
            time_ms: u64::from_be_bytes(*time_ms),
            txs: u32::from_be_bytes(rest.try_into().ok()?),
        })
    }
}

/// `length of key (u16) ‖ key ‖ height`. The length in front keeps the versions of one key together, even
/// where a key is the beginning of another.
pub(crate) fn history_key(key: &StateKey, height: u64) -> Vec<u8> {
    let key = key.as_bytes();
    let length = u16::try_from(key.len()).expect("keys are limited to MAX_KEY_BYTES on their way in");
    [&length.to_be_bytes(), key, &height.to_be_bytes()].concat()
}

/// All of a history key but the height: what the history's bloom filters are made of.
pub(crate) fn history_prefix(key: &[u8]) -> &[u8] {
    key.split_last_chunk::<8>().map_or(key, |(prefix, _)| prefix)
}

/// The value before a change: `00` where there was none, `01 ‖ value` otherwise.
pub(crate) fn encode_before(value: Option<&[u8]>) -> Vec<u8> {
    match value {
        None => vec![0],
        Some(value) => [&[1], value].concat(),
    }
}

/// Reads [`encode_before`]'s bytes.
pub(crate) fn decode_before(bytes: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    match bytes {
        [0] => Ok(None),
        [1, value @ ..] => Ok(Some(value.to_vec())),
        _ => Err(StoreError::corrupt("a history entry", "unknown marker")),
    }
}

/// A list of state keys, each with its length (u16) in front.
pub(crate) fn encode_keys<'a>(keys: impl Iterator<Item = &'a StateKey>) -> Vec<u8> {
    let mut out = Vec::new();
    for key in keys.map(StateKey::as_bytes) {
        let length = u16::try_from(key.len()).expect("keys are limited to MAX_KEY_BYTES on their way in");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(key);
    }
    out
}

/// Reads [`encode_keys`]'s bytes.
pub(crate) fn decode_keys(mut bytes: &[u8]) -> Option<Vec<StateKey>> {
    let mut keys = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        keys.push(StateKey::from_stored(key));
        bytes = rest;
    }
    Some(keys)
}

/// `height ‖ index`.
pub(crate) fn tx_key(at: TxLocation) -> Vec<u8> {
    [&at.height.to_be_bytes()[..], &at.index.to_be_bytes()].concat()
}

/// Reads [`tx_key`]'s bytes.
pub(crate) fn decode_tx_key(bytes: &[u8]) -> Option<TxLocation> {
    let (height, index) = bytes.split_first_chunk::<8>()?;
    Some(TxLocation {
        height: u64::from_be_bytes(*height),
        index: u32::from_be_bytes(index.try_into().ok()?),
    })
}

/// `address ‖ height`.
pub(crate) fn log_address_key(address: &Address, height: u64) -> Vec<u8> {
    [address.as_slice(), &height.to_be_bytes()].concat()
}

/// `height ‖ block hash`.
pub(crate) fn undecided_key(height: u64, hash: &B256) -> Vec<u8> {
    [&height.to_be_bytes()[..], hash.as_slice()].concat()
}

/// A number stored as eight bytes.
pub(crate) fn decode_u64(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// The height at the end of a key.
pub(crate) fn height_suffix(key: &[u8]) -> Option<u64> {
    key.split_last_chunk::<8>().map(|(_, height)| u64::from_be_bytes(*height))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;
    use proptest::prelude::*;

    use super::*;

    fn key(bytes: &[u8]) -> StateKey {
        StateKey::from_stored(bytes)
    }

    #[test]
    fn encodings_are_golden() {
        let record = HeightRecord {
            block_hash: B256::repeat_byte(1),
            state_root: B256::repeat_byte(2),
            time_ms: 3,
            txs: 4,
        };
        let golden = format!("{}{}{}{}", "01".repeat(32), "02".repeat(32), "0000000000000003", "00000004");
        assert_eq!(hex::encode(record.encode()), golden);
        assert_eq!(HeightRecord::decode(&record.encode()), Some(record));
        assert_eq!(hex::encode(history_key(&key(b"ab"), 7)), "000261620000000000000007");
        assert_eq!(hex::encode(tx_key(TxLocation { height: 1, index: 2 })), "000000000000000100000002");
        assert_eq!(hex::encode(encode_keys([key(b"a"), key(b"bc")].iter())), "00016100026263");
        assert_eq!(hex::encode(encode_before(Some(b"v"))), "0176");
        assert_eq!(hex::encode(encode_before(None)), "00");
    }

    #[test]
    fn history_of_a_key_is_never_interleaved_with_that_of_a_longer_one() {
        let short = history_key(&key(b"a"), u64::MAX);
        let long = history_key(&key(b"a\x00\x00\x00\x00\x00\x00\x00\x00"), 0);
        assert!(short < long);
        assert_eq!(history_prefix(&short), [0, 1, b'a']);
    }

    proptest! {
        #[test]
        fn decoders_take_back_what_was_encoded_and_never_panic(
            keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
            noise in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let keys: Vec<StateKey> = keys.iter().map(|bytes| key(bytes)).collect();
            prop_assert_eq!(decode_keys(&encode_keys(keys.iter())), Some(keys));
            prop_assert_eq!(decode_before(&encode_before(Some(&noise))).unwrap(), Some(noise.clone()));
            let _ = (decode_keys(&noise), decode_before(&noise), HeightRecord::decode(&noise));
            let _ = (decode_tx_key(&noise), decode_u64(&noise), height_suffix(&noise));
        }
    }
}
