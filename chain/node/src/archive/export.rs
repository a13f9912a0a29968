//! Writing an archive from the store of a node, which may be running.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use concordat_state::Follower;
use concordat_types::{B256, Genesis};

use super::{ArchiveError, ArchivedBlock, Blocks, ChainOf, Folder, Range};
use crate::ledger::GENESIS_NOTE;

/// When a file is full.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// So many blocks.
    pub blocks: usize,
    /// So many bytes of them.
    pub bytes: usize,
    /// Its first block has waited for so long.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { blocks: 1_000, bytes: 32 << 20, age: Duration::from_secs(10) }
    }
}

/// A file that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its heights.
    pub range: Range,
    /// Where it lies.
    pub path: PathBuf,
}

/// Writes blocks into files.
pub struct Exporter {
    follower: Follower,
    folder: Folder,
    limits: Limits,
    /// What the next file holds so far.
    pending: Blocks,
    bytes: usize,
    since: Instant,
}

impl Exporter {
    /// Goes on after the folder's last file; in an empty folder, from the node's first block on.
    ///
    /// # Errors
    /// [`ArchiveError::OtherChain`] if store, document or folder are of different chains, [`ArchiveError::Pruned`] if the node
    /// no longer has what comes next.
    pub fn open(
        mut follower: Follower,
        folder: Folder,
        genesis: &Genesis,
        limits: Limits,
    ) -> Result<Self, ArchiveError> {
        follower.catch_up()?.ok_or(ArchiveError::EmptyStore)?;
        let chain = ChainOf { chain_id: genesis.chain_id.clone(), genesis: genesis.hash() };
        check_chain(&follower, &chain, &folder)?;
        let floor = follower.floor()?;
        let last = folder.ranges_or_none()?.into_iter().next_back();
        if let Some(last) = &last {
            folder.read(last, &chain)?;
        }
        let first = last.map_or(floor, |last| last.last.saturating_add(1));
        if first < floor {
            return Err(ArchiveError::Pruned { floor, next: first });
        }
        let pending = Blocks { chain, first, blocks: Vec::new() };
        Ok(Self { follower, folder, limits, pending, bytes: 0, since: Instant::now() })
    }

    /// The next height that it takes.
    pub fn next(&self) -> u64 {
        self.pending.first.saturating_add(self.pending.blocks.len() as u64)
    }

    /// Takes what the node has by now, up to the end of a file, and writes it if it is full, or old. `None`: nothing was
    /// written, and the node has nothing more.
    pub fn step(&mut self) -> Result<Option<Written>, ArchiveError> {
        let tip = self.follower.catch_up()?.ok_or(ArchiveError::EmptyStore)?.height;
        while self.next() <= tip && !self.is_full() {
            self.take(self.next())?;
        }
        let is_old = !self.pending.blocks.is_empty() && self.since.elapsed() >= self.limits.age;
        if self.is_full() || is_old { self.flush() } else { Ok(None) }
    }

    /// Writes what has been taken, if anything.
    pub fn flush(&mut self) -> Result<Option<Written>, ArchiveError> {
        if self.pending.blocks.is_empty() {
            return Ok(None);
        }
        let path = self.folder.write(&self.pending)?;
        let range = Range { first: self.pending.first, last: self.pending.last() };
        self.pending.first = self.next();
        self.pending.blocks.clear();
        self.bytes = 0;
        Ok(Some(Written { range, path }))
    }

    fn is_full(&self) -> bool {
        self.pending.blocks.len() >= self.limits.blocks || self.bytes >= self.limits.bytes
    }

    fn take(&mut self, height: u64) -> Result<(), ArchiveError> {
        let block = self.follower.encoded_block(height)?;
        let block = ArchivedBlock { block, commit: self.follower.seen_commit(height)? };
        if self.pending.blocks.is_empty() {
            self.since = Instant::now();
        }
        self.bytes = self.bytes.saturating_add(block.size());
        self.pending.blocks.push(block);
        Ok(())
    }
}

/// The store's chain is the document's.
fn check_chain(follower: &Follower, chain: &ChainOf, folder: &Folder) -> Result<(), ArchiveError> {
    let id = follower.chain_id()?.unwrap_or_default();
    let genesis = follower.note(GENESIS_NOTE)?.unwrap_or_default();
    if id == chain.chain_id && genesis == chain.genesis.as_slice() {
        return Ok(());
    }
    let genesis = B256::try_from(genesis.as_slice()).unwrap_or_default();
    Err(ArchiveError::OtherChain {
        path: folder.path().to_owned(),
        have: format!("{id} with genesis {genesis}"),
        want: format!("{} with genesis {}", chain.chain_id, chain.genesis),
    })
}
