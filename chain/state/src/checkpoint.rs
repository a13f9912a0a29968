//! The tree's leaves in a file beside the database, so that a start need not read the whole state.
//!
//! The tree follows from the state; the file only saves the time to make it again. It is written now and
//! then, while blocks are committed, and once more when the store is closed. A start reads it, applies what
//! later blocks changed, and compares the root with the one that the newest block committed. Whatever is
//! wrong with the file shows there, and then the tree is made from the state.
//!
//! ```text
//! magic (8) ‖ height (8) ‖ 256 segments of: length in bytes (4) ‖ leaves as [`Tree::segment`] gives them
//! ```
//!
//! Segments are copied one by one and may hold blocks above `height`: what is applied on top are the newest
//! values of all keys that changed above it, which gives the same leaves whether they were there or not.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    hash::{BuildHasher as _, RandomState},
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread::JoinHandle,
};

use alloy_primitives::B256;
use concordat_types::StateKey;

use crate::{
    StoreError, Tip,
    db::Db,
    schema::{Table, decode_keys, decode_u64, meta},
    smt::{SEGMENTS, Tree, Update},
    store::Authenticated,
};

/// The file's name in the store's directory.
const FILE: &str = "tree";

/// Where the next file is made.
const UNFINISHED: &str = "tree.unfinished";

const MAGIC: &[u8; 8] = b"cctree-2";

/// Changed keys that are applied at a time.
const BATCH_KEYS: usize = 65_536;

/// A start reads the lists of what blocks changed, and the value of each key once. So many changes of the same keys
/// take it as long as one of another key.
const CHANGES_PER_KEY: u64 = 8;

/// What opening the store took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Opening {
    /// Whether the tree came from its file; otherwise the whole state was read.
    pub from_file: bool,
    /// Blocks whose changes were applied on top.
    pub blocks: u64,
    /// Keys that those blocks changed.
    pub keys: u64,
}

/// Writes the file in the background once enough has changed.
pub(crate) struct Checkpoints {
    directory: PathBuf,
    /// Different changed keys, and blocks, between two files: what a start may have to apply.
    interval: u64,
    progress: Mutex<Progress>,
}

struct Progress {
    /// What came since the last file was begun.
    pending: Pending,
    writing: Option<JoinHandle<()>>,
}

/// What a start would have to apply.
struct Pending {
    /// Keys from before this run, and blocks.
    known: u64,
    keys: Seen,
    changes: u64,
}

impl Pending {
    fn new(known: u64, interval: u64) -> Self {
        Self { known, keys: Seen::of_about(interval), changes: 0 }
    }

    fn is_empty(&self) -> bool {
        self.known == 0 && self.changes == 0
    }

    fn exceeds(&self, interval: u64) -> bool {
        self.known.saturating_add(self.keys.count) >= interval
            || self.changes >= interval.saturating_mul(CHANGES_PER_KEY)
    }
}

/// About how many different keys there were, in a bit for each sixteenth part of one: some are taken for the same,
/// three in a hundred when it is full.
struct Seen {
    bits: Box<[u64]>,
    count: u64,
    hasher: RandomState,
}

impl Seen {
    const BITS_PER_KEY: u64 = 16;

    fn of_about(keys: u64) -> Self {
        let words = keys.saturating_mul(Self::BITS_PER_KEY).div_ceil(64).max(1);
        let bits = vec![0; usize::try_from(words).unwrap_or(usize::MAX)].into();
        Self { bits, count: 0, hasher: RandomState::new() }
    }

    fn note(&mut self, key: &StateKey) {
        let hash = self.hasher.hash_one(key) as usize;
        let place = hash / 64 % self.bits.len().max(1);
        let Some(word) = self.bits.get_mut(place) else { return };
        let bit = 1u64 << (hash % 64);
        self.count = self.count.saturating_add(u64::from(*word & bit == 0));
        *word |= bit;
    }
}

impl Checkpoints {
    pub(crate) fn new(directory: &Path, interval: u64, opening: &Opening) -> Self {
        let behind = if opening.from_file { opening.blocks.saturating_add(opening.keys) } else { interval };
        let progress = Progress { pending: Pending::new(behind, interval), writing: None };
        Self { directory: directory.to_owned(), interval, progress: Mutex::new(progress) }
    }

    /// Counts a block that changed these keys, and begins a file when it is time.
    pub(crate) fn committed<'k>(
        &self,
        keys: impl Iterator<Item = &'k StateKey>,
        authenticated: &Arc<RwLock<Authenticated>>,
    ) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = &mut progress.pending;
        pending.known = pending.known.saturating_add(1);
        for key in keys {
            pending.keys.note(key);
            pending.changes = pending.changes.saturating_add(1);
        }
        let busy = progress.writing.as_ref().is_some_and(|writing| !writing.is_finished());
        // A file that takes so long is waited for: it bounds what a start may have to apply.
        let patience = if busy { 2 } else { 1 };
        if progress.pending.exceeds(self.interval.saturating_mul(patience)) {
            self.begin(&mut progress, authenticated);
        }
    }

    /// The whole state is new.
    pub(crate) fn imported(&self, authenticated: &Arc<RwLock<Authenticated>>) {
        self.begin(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner), authenticated);
    }

    fn begin(&self, progress: &mut Progress, authenticated: &Arc<RwLock<Authenticated>>) {
        if let Some(writing) = progress.writing.take()
            && writing.join().is_err()
        {
            tracing::warn!("writing the tree panicked; the next start takes longer");
        }
        let (directory, authenticated) = (self.directory.clone(), authenticated.clone());
        let write = move || write_or_warn(&directory, &authenticated);
        match std::thread::Builder::new().name("tree".into()).spawn(write) {
            Ok(writing) => {
                *progress = Progress { pending: Pending::new(0, self.interval), writing: Some(writing) };
            }
            Err(error) => tracing::warn!(%error, "cannot write the tree; the next start takes longer"),
        }
    }

    /// Waits for a file that is being written, and writes the last one.
    pub(crate) fn close(&mut self, authenticated: &RwLock<Authenticated>) {
        let progress = self.progress.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(writing) = progress.writing.take()
            && writing.join().is_err()
        {
            progress.pending.known = progress.pending.known.max(1);
        }
        if !progress.pending.is_empty() {
            write_or_warn(&self.directory, authenticated);
        }
    }
}

fn write_or_warn(directory: &Path, authenticated: &RwLock<Authenticated>) {
    if let Err(error) = write(directory, authenticated) {
        let path = directory.join(FILE);
        // What was written of it only takes room, perhaps the last there was.
        let _ = fs::remove_file(directory.join(UNFINISHED));
        tracing::warn!(%error, path = %path.display(), "cannot write the tree; the next start takes longer");
    }
}

fn write(directory: &Path, authenticated: &RwLock<Authenticated>) -> io::Result<()> {
    let read = || authenticated.read().unwrap_or_else(PoisonError::into_inner);
    let Some(tip) = read().tip else { return Ok(()) };
    let unfinished = directory.join(UNFINISHED);
    let mut out = File::create(&unfinished)?;
    out.write_all(MAGIC)?;
    out.write_all(&tip.height.to_be_bytes())?;
    let mut segment = Vec::new();
    for first_byte in 0..=u8::MAX {
        segment.clear();
        // The lock is held for one segment at a time: commits wait for a copy of a 256th of the leaves.
        read().tree.segment(first_byte, &mut segment);
        let length = u32::try_from(segment.len()).map_err(io::Error::other)?;
        out.write_all(&length.to_be_bytes())?;
        out.write_all(&segment)?;
    }
    out.sync_all()?;
    fs::rename(unfinished, directory.join(FILE))
}

/// The tree at `tip`, from its file and what was changed since; `None` where the file is missing or of no use.
///
/// # Errors
/// Those of the database only.
pub(crate) fn restore(db: &Db, directory: &Path, tip: &Tip) -> Result<Option<(Tree, Opening)>, StoreError> {
    let (height, mut tree) = match read(&directory.join(FILE)) {
        Ok(Some(found)) => found,
        Ok(None) => {
            tracing::warn!("the file of the tree is damaged; the tree is made from the state");
            return Ok(None);
        }
        Err(error) => {
            tracing::info!(%error, "there is no file of the tree; the tree is made from the state");
            return Ok(None);
        }
    };
    let floor = db.get(Table::Meta, meta::HISTORY_FLOOR)?.as_deref().and_then(decode_u64).unwrap_or_default();
    if height > tip.height || height < floor {
        tracing::info!(height, tip = tip.height, floor, "the file of the tree does not reach to the tip");
        return Ok(None);
    }
    let changed = changed_above(db, height)?;
    apply_current(db, &mut tree, &changed)?;
    if B256::from(tree.root()) != tip.state_root {
        tracing::warn!(height, "the file of the tree is not of this state; the tree is made from the state");
        return Ok(None);
    }
    let blocks = tip.height.saturating_sub(height);
    Ok(Some((tree, Opening { from_file: true, blocks, keys: changed.len() as u64 })))
}

/// The keys that blocks above `height` changed.
fn changed_above(db: &Db, height: u64) -> Result<BTreeSet<StateKey>, StoreError> {
    let mut changed = BTreeSet::new();
    for row in db.rows(Table::Changes, &height.saturating_add(1).to_be_bytes(), None) {
        let keys =
            decode_keys(&row?.1).ok_or_else(|| StoreError::corrupt("a list of changes", "malformed"))?;
        changed.extend(keys);
    }
    Ok(changed)
}

fn apply_current(db: &Db, tree: &mut Tree, keys: &BTreeSet<StateKey>) -> Result<(), StoreError> {
    let mut keys = keys.iter().peekable();
    while keys.peek().is_some() {
        let batch: Vec<&StateKey> = keys.by_ref().take(BATCH_KEYS).collect();
        let values = db.get_sorted(Table::State, batch.iter().copied())?;
        let updates = batch.iter().zip(&values);
        let updates = updates.map(|(key, value)| Update::new(key.as_bytes(), value.as_deref()));
        tree.update(updates.collect());
    }
    Ok(())
}

/// The file's height and tree; `None` where it is no such file.
fn read(path: &Path) -> io::Result<Option<(u64, Tree)>> {
    let file = File::open(path)?;
    // What a damaged length may claim is bounded by what there is.
    let most = file.metadata()?.len();
    let mut input = BufReader::with_capacity(1 << 20, file);
    let (mut magic, mut height) = ([0; 8], [0; 8]);
    input.read_exact(&mut magic)?;
    input.read_exact(&mut height)?;
    if magic != *MAGIC {
        return Ok(None);
    }
    let segments = (0..SEGMENTS).map(|_| read_segment(&mut input, most));
    match Tree::from_segments(segments) {
        Ok(tree) => Ok(tree.map(|tree| (u64::from_be_bytes(height), tree))),
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn read_segment(input: &mut impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if u64::from(length) > most {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut segment = vec![0; length as usize];
    input.read_exact(&mut segment)?;
    Ok(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_keys_are_counted_once_and_others_nearly_all() {
        let mut seen = Seen::of_about(10_000);
        let key = |n: u64| StateKey::from_stored(&n.to_be_bytes());
        for _ in 0..5 {
            (0..1_000).for_each(|n| seen.note(&key(n)));
        }
        assert!((900..=1_000).contains(&seen.count), "{}", seen.count);
        (0..10_000).for_each(|n| seen.note(&key(n)));
        assert!((9_300..=10_000).contains(&seen.count), "{}", seen.count);
    }

    #[test]
    fn many_changes_of_few_keys_count_in_the_end() {
        let mut pending = Pending::new(0, 100);
        let key = StateKey::from_stored(b"a");
        pending.keys.note(&key);
        pending.changes = 799;
        assert!(!pending.exceeds(100));
        pending.changes = 800;
        assert!(pending.exceeds(100) && !pending.exceeds(200));
    }
}
