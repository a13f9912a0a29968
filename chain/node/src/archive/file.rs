//! One file of an archive.
//!
//! ```text
//! magic (8) ‖ length of the chain's id (1) ‖ chain's id ‖ genesis hash (32) ‖ first height (8) ‖ number of blocks (4)
//! for each block: length (4) ‖ block ‖ length (4) ‖ commit       CometBFT's protobuf, as validators signed it
//! SHA-256 of all of that (32)
//! ```
//!
//! Numbers are big-endian. The digest finds what was cut or damaged on its way; nothing is believed because of it.

use concordat_types::B256;
use sha2::{Digest as _, Sha256};

use super::ChainOf;

const MAGIC: &[u8; 8] = b"cctblks1";

/// The largest file that is read.
pub const MAX_FILE_BYTES: u64 = 256 << 20;

const DIGEST_BYTES: usize = 32;

/// A block, and the commit that decided it, in the bytes in which the network has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedBlock {
    /// The encoded block.
    pub block: Vec<u8>,
    /// The encoded commit.
    pub commit: Vec<u8>,
}

impl ArchivedBlock {
    /// How many bytes it takes.
    pub const fn size(&self) -> usize {
        self.block.len().saturating_add(self.commit.len())
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Of which chain.
    pub chain: ChainOf,
    /// The height of the first.
    pub first: u64,
    /// Blocks of heights that follow on one another.
    pub blocks: Vec<ArchivedBlock>,
}

impl Blocks {
    /// The height of the last.
    pub fn last(&self) -> u64 {
        self.first.saturating_add(self.blocks.len() as u64).saturating_sub(1)
    }

    /// The file's bytes; `None` where something is longer than its length can say.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let size = self
            .blocks
            .iter()
            .fold(128, |sum: usize, block| sum.saturating_add(block.size()).saturating_add(8));
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(MAGIC);
        out.push(u8::try_from(self.chain.chain_id.len()).ok()?);
        out.extend_from_slice(self.chain.chain_id.as_bytes());
        out.extend_from_slice(self.chain.genesis.as_slice());
        out.extend_from_slice(&self.first.to_be_bytes());
        out.extend_from_slice(&u32::try_from(self.blocks.len()).ok()?.to_be_bytes());
        for piece in self.blocks.iter().flat_map(|block| [&block.block, &block.commit]) {
            out.extend_from_slice(&u32::try_from(piece.len()).ok()?.to_be_bytes());
            out.extend_from_slice(piece);
        }
        let digest = Sha256::digest(&out);
        out.extend_from_slice(&digest);
        Some(out)
    }

    /// Reads [`Self::encode`]'s bytes.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let rest = bytes.strip_prefix(MAGIC).ok_or("it is no file of an archive")?;
        let body = rest.len().checked_sub(DIGEST_BYTES).ok_or("it is cut off")?;
        let (rest, digest) = rest.split_at_checked(body).ok_or("it is cut off")?;
        let hashed = bytes.len().saturating_sub(DIGEST_BYTES);
        if Sha256::digest(bytes.get(..hashed).unwrap_or_default()).as_slice() != digest {
            return Err("its digest is another one: it was cut off or altered");
        }
        Self::read(&mut Reader(rest)).ok_or("its lengths do not add up")
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let [length] = *from.array()?;
        let chain_id = std::str::from_utf8(from.take(usize::from(length))?).ok()?.to_owned();
        let genesis = B256::from(*from.array::<32>()?);
        let first = u64::from_be_bytes(*from.array()?);
        let count = u32::from_be_bytes(*from.array()?);
        let block = |_| Some(ArchivedBlock { block: from.piece()?.to_vec(), commit: from.piece()?.to_vec() });
        // Each takes eight bytes at least: no count makes this longer than the file.
        let blocks = (0..count).map(block).collect::<Option<Vec<_>>>()?;
        let whole =
            from.0.is_empty() && !blocks.is_empty() && first.checked_add(blocks.len() as u64).is_some();
        whole.then_some(Self { chain: ChainOf { chain_id, genesis }, first, blocks })
    }
}

/// What is still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(head)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn piece(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_be_bytes(*self.array()?);
        self.take(usize::try_from(length).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks() -> Blocks {
        let block = |byte: u8| ArchivedBlock { block: vec![byte; 3], commit: vec![byte; 2] };
        let chain = ChainOf { chain_id: "consortium-1".into(), genesis: B256::repeat_byte(7) };
        Blocks { chain, first: 41, blocks: vec![block(1), block(2)] }
    }

    #[test]
    fn files_are_golden() {
        let bytes = blocks().encode().unwrap();
        assert_eq!(hex::encode(&bytes), GOLDEN);
        assert_eq!(Blocks::decode(&bytes), Ok(blocks()));
        assert_eq!(blocks().last(), 42);
    }

    const GOLDEN: &str = concat!(
        "636374626c6b73310c636f6e736f727469756d2d31",
        "0707070707070707070707070707070707070707070707070707070707070707",
        "00000000000000290000000200000003010101000000020101",
        "00000003020202000000020202",
        "757e60307f9202b6a9d859130851317e818af9715d1ff1b424ea3269def831a7",
    );

    #[test]
    fn whatever_is_altered_or_cut_is_found() {
        let bytes = blocks().encode().unwrap();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert!(Blocks::decode(&altered).is_err(), "byte {at}");
            assert!(Blocks::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_file_with_a_right_digest_and_lengths_that_do_not_add_up_is_refused() {
        for (cut, reason) in
            [(blocks().encode().unwrap().len() - DIGEST_BYTES - 1, "a byte less"), (8, "magic alone")]
        {
            let mut bytes = blocks().encode().unwrap();
            bytes.truncate(cut);
            let digest = Sha256::digest(&bytes);
            bytes.extend_from_slice(&digest);
            assert_eq!(Blocks::decode(&bytes), Err("its lengths do not add up"), "{reason}");
        }
        let none = Blocks { blocks: vec![], ..blocks() };
        assert_eq!(Blocks::decode(&none.encode().unwrap()), Err("its lengths do not add up"), "no blocks");
        let late = Blocks { first: u64::MAX, ..blocks() };
        assert!(Blocks::decode(&late.encode().unwrap()).is_err(), "heights beyond the last there can be");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Blocks::decode(&bytes);
            let mut led = MAGIC.to_vec();
            led.extend_from_slice(&bytes);
            let digest = Sha256::digest(&led);
            led.extend_from_slice(&digest);
            let _ = Blocks::decode(&led);
        }
    }
}
