//! Taking a snapshot.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use alloy_rlp::Encodable;
use sha2::{Digest, Sha256};

use super::{
    ANCHOR_FILE, ANCHOR_HEADERS, Anchor, CHUNK_BYTES, FORMAT, MANIFEST_FILE, Manifest, Piece, SnapshotError,
    chunk_path, encode_entry,
};
use crate::{Store, StoreError, Tip, schema::Table};

impl Store {
    /// Writes a snapshot of the state at the tip into `directory`, which is made, or is empty. Blocks can
    /// be committed meanwhile; they are not in it.
    ///
    /// # Errors
    /// [`SnapshotError::NoBlock`] at the genesis, [`SnapshotError::DirectoryInUse`],
    /// [`SnapshotError::File`], or a failure of the store.
    pub fn export_snapshot(&self, directory: &Path) -> Result<Manifest, SnapshotError> {
        claim(directory)?;
        // The iterator keeps the state as it is at this instant, between two blocks.
        let writer = self.writer()?;
        let tip = self.tip()?;
        let rows = self.db().rows(Table::State, &[], None);
        drop(writer);
        let anchor = write_piece(&directory.join(ANCHOR_FILE), &self.anchor(&tip)?)?;
        let (mut chunks, mut chunk, mut keys) = (Vec::new(), Vec::with_capacity(CHUNK_BYTES), 0u64);
        for row in rows {
            let (key, value) = row?;
            encode_entry(&key, &value, &mut chunk)
                .ok_or_else(|| StoreError::corrupt("the state", "a value is larger than 4 GiB"))?;
            keys = keys.saturating_add(1);
            if chunk.len() >= CHUNK_BYTES {
                chunks.push(write_piece(&chunk_path(directory, chunks.len()), &chunk)?);
                chunk.clear();
            }
        }
        if !chunk.is_empty() {
            chunks.push(write_piece(&chunk_path(directory, chunks.len()), &chunk)?);
        }
        let manifest = Manifest {
            format: FORMAT,
            chain_id: self.chain_id()?.unwrap_or_default(),
            height: tip.height,
            block_hash: tip.block_hash,
            state_root: tip.state_root,
            keys,
            chunks,
            anchor,
        };
        write_manifest(directory, &manifest)?;
        Ok(manifest)
    }

    fn anchor(&self, tip: &Tip) -> Result<Vec<u8>, SnapshotError> {
        let initial = self.initial_height()?.unwrap_or_default();
        if tip.height < initial {
            return Err(SnapshotError::NoBlock);
        }
        let missing = |what: &str| StoreError::corrupt(format!("{what} of height {}", tip.height), "missing");
        let first = tip.height.saturating_sub(ANCHOR_HEADERS.saturating_sub(1)).max(initial);
        let header = |height| -> Result<_, StoreError> {
            let bytes = self.at_height(Table::Headers, height)?;
            bytes.map(Into::into).ok_or_else(|| missing("the headers up to the one"))
        };
        let set = |ahead| -> Result<_, StoreError> {
            let set = self.validators(tip.height.saturating_add(ahead))?;
            set.map(Into::into).ok_or_else(|| missing("the validators"))
        };
        let anchor = Anchor {
            headers: (first..=tip.height).map(header).collect::<Result<_, _>>()?,
            seen_commit: self.seen_commit(tip.height)?.ok_or_else(|| missing("the commit"))?.into(),
            validators: (0..=2).map(set).collect::<Result<_, _>>()?,
        };
        let mut bytes = Vec::new();
        anchor.encode(&mut bytes);
        Ok(bytes)
    }
}

fn claim(directory: &Path) -> Result<(), SnapshotError> {
    let failed = |doing| move |source| SnapshotError::File { doing, path: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(failed("create"))?;
    match fs::read_dir(directory).map_err(failed("list"))?.next() {
        None => Ok(()),
        Some(_) => Err(SnapshotError::DirectoryInUse { path: directory.to_owned() }),
    }
}

fn write_piece(path: &Path, bytes: &[u8]) -> Result<Piece, SnapshotError> {
    File::create_new(path)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(|source| SnapshotError::File { doing: "write", path: path.to_owned(), source })?;
    let sha256: [u8; 32] = Sha256::digest(bytes).into();
    Ok(Piece { sha256: sha256.into(), bytes: bytes.len() as u64 })
}

/// The manifest appears whole, and after everything else is on disk.
fn write_manifest(directory: &Path, manifest: &Manifest) -> Result<(), SnapshotError> {
    let path = directory.join(MANIFEST_FILE);
    let failed = |source| SnapshotError::File { doing: "write", path: path.clone(), source };
    let unfinished = directory.join("manifest.unfinished");
    let text = serde_json::to_vec_pretty(manifest).map_err(|e| failed(e.into()))?;
    write_piece(&unfinished, &text)?;
    fs::rename(&unfinished, &path).map_err(failed)?;
    // The names are on disk only with the directory.
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}
