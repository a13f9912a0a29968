//! Taking over a snapshot: first everything is verified, then it is stored.

use std::{fs::File, io::Read, path::Path};

use alloy_primitives::{B256, Bytes, hex};
use alloy_rlp::Decodable;
use concordat_types::{StateKey, ValidatorSet, block::to_b256};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use tendermint::block::Header;
use tendermint_proto::{Protobuf, v0_38::types::Header as PbHeader};

use super::{
    ANCHOR_FILE, ANCHOR_HEADERS, Anchor, FILE_BYTES_MAX, FORMAT, MANIFEST_FILE, Manifest, Piece,
    SnapshotError, Trust, chunk_path, decode_entry,
};
use crate::{
    Store, StoreError, Tip,
    commit::{check_entry, put_floors, time_ms},
    db::{Batch, Durability},
    schema::{HeightRecord, Table, meta},
    smt::{Growing, Tree, Update, key_hash},
    store::{Writer, abandon_unfinished_import},
};

/// Fills the empty store `into` from the snapshot in `directory`, and returns where the store stands then.
///
/// Everything is verified against `trust` before anything is stored: the state, the chain of headers and
/// the validator sets. The one exception is the commit of the snapshot's block, which the store hands out
/// as [`Store::seen_commit`]: who uses it as a commit verifies it as any other.
///
/// # Errors
/// [`SnapshotError::Untrusted`] where the snapshot is not the one `trust` speaks of,
/// [`SnapshotError::Damaged`] where a file is not what the manifest says. The store is empty afterwards.
pub fn import(directory: &Path, into: &Store, trust: &Trust) -> Result<Tip, SnapshotError> {
    let mut writer = into.writer()?;
    if let Some(tip) = into.latest() {
        return Err(StoreError::AlreadyInitialised { height: tip.height }.into());
    }
    let manifest = read_manifest(directory, trust)?;
    let anchor = VerifiedAnchor::read(directory, &manifest, trust)?;
    let tree = verify_state(directory, &manifest, trust)?;
    let stored = store(directory, into, &mut writer, &manifest, &anchor, trust);
    let tip = match stored {
        Ok(tip) => tip,
        Err(e) => {
            abandon_unfinished_import(into.db())?;
            return Err(e);
        }
    };
    into.show_floors(tip.height, tip.height.saturating_add(1));
    into.inner.values.clear();
    let mut authenticated = into.authenticated_mut();
    authenticated.tree = tree;
    authenticated.tip = Some(tip);
    drop(authenticated);
    into.show_tip(tip);
    into.whole_state_changed();
    Ok(tip)
}

fn read_manifest(directory: &Path, trust: &Trust) -> Result<Manifest, SnapshotError> {
    let path = directory.join(MANIFEST_FILE);
    let bytes = read_file(&path)?;
    let damaged = |e: serde_json::Error| SnapshotError::Damaged { path: path.clone(), reason: e.to_string() };
    // The format first: another one may have other fields.
    let head: FormatOnly = serde_json::from_slice(&bytes).map_err(damaged)?;
    if head.format != FORMAT {
        return Err(SnapshotError::Format { found: head.format });
    }
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(damaged)?;
    same("chain id", &manifest.chain_id, &trust.chain_id)?;
    same("height", manifest.height, trust.height)?;
    same("block hash", manifest.block_hash, trust.block_hash)?;
    same("state root", manifest.state_root, trust.state_root)?;
    Ok(manifest)
}

#[derive(serde::Deserialize)]
struct FormatOnly {
    format: u32,
}

fn same<T: PartialEq + ToString>(field: &'static str, have: T, want: T) -> Result<(), SnapshotError> {
    if have == want {
        return Ok(());
    }
    Err(SnapshotError::Untrusted { field, have: have.to_string(), want: want.to_string() })
}

/// An anchor whose headers and validator sets lead to the trusted facts.
struct VerifiedAnchor {
    /// Oldest first, with the bytes they came in.
    headers: Vec<(Header, Bytes)>,
    seen_commit: Bytes,
    validators: Vec<Bytes>,
}

impl VerifiedAnchor {
    fn read(directory: &Path, manifest: &Manifest, trust: &Trust) -> Result<Self, SnapshotError> {
        let path = directory.join(ANCHOR_FILE);
        let bytes = read_piece(&path, &manifest.anchor)?;
        let damaged = |reason: String| SnapshotError::Damaged { path: path.clone(), reason };
        let anchor = Anchor::decode(&mut bytes.as_slice()).map_err(|e| damaged(e.to_string()))?;
        let headers = anchor
            .headers
            .into_iter()
            .map(|bytes| {
                let header = <Header as Protobuf<PbHeader>>::decode_vec(&bytes);
                Ok((header.map_err(|e| damaged(e.to_string()))?, bytes))
            })
            .collect::<Result<Vec<_>, SnapshotError>>()?;
        let verified = Self { headers, seen_commit: anchor.seen_commit, validators: anchor.validators };
        verified.check_headers(trust)?;
        verified.check_validators(trust, damaged)?;
        Ok(verified)
    }

    /// From the trusted hash backwards, each header names the one before it.
    fn check_headers(&self, trust: &Trust) -> Result<(), SnapshotError> {
        let blocks = trust.height.saturating_sub(trust.initial_height).saturating_add(1);
        same("number of headers", self.headers.len() as u64, blocks.min(ANCHOR_HEADERS))?;
        let (mut want_hash, mut want_height) = (trust.block_hash, trust.height);
        for (header, _) in self.headers.iter().rev() {
            same("header's height", header.height.value(), want_height)?;
            same("header's hash", to_b256(header.hash()), want_hash)?;
            same("header's chain id", header.chain_id.as_str(), &trust.chain_id)?;
            want_hash = header.last_block_id.map_or(B256::ZERO, |id| to_b256(id.hash));
            want_height = want_height.saturating_sub(1);
        }
        Ok(())
    }

    fn check_validators(
        &self,
        trust: &Trust,
        damaged: impl Fn(String) -> SnapshotError,
    ) -> Result<(), SnapshotError> {
        let current = self.headers.last().map_or(B256::ZERO, |(header, _)| to_b256(header.validators_hash));
        let hashes = [current, trust.validators_hash, trust.next_validators_hash];
        same("number of validator sets", self.validators.len(), hashes.len())?;
        for (encoded, want) in self.validators.iter().zip(hashes) {
            let set = ValidatorSet::decode(encoded).map_err(|e| damaged(e.to_string()))?;
            same("validator set's hash", to_b256(set.hash()), want)?;
        }
        Ok(())
    }

    /// The records of all headers. The root after each block stands in the header after it.
    fn records(&self, trust: &Trust) -> Result<Vec<(u64, HeightRecord)>, SnapshotError> {
        let roots = self.headers.iter().skip(1).map(|(next, _)| next.app_hash.as_bytes().to_vec());
        let roots = roots.chain([trust.state_root.to_vec()]);
        let record = |((header, _), root): (&(Header, Bytes), Vec<u8>)| {
            let state_root = B256::try_from(root.as_slice()).map_err(|_| SnapshotError::Untrusted {
                field: "header's app_hash",
                have: hex::encode(&root),
                want: "32 bytes".into(),
            })?;
            let block_hash = to_b256(header.hash());
            Ok((
                header.height.value(),
                HeightRecord { block_hash, state_root, time_ms: time_ms(header)?, txs: 0 },
            ))
        };
        self.headers.iter().zip(roots).map(record).collect()
    }
}

/// The tree over all chunks, if its root is the trusted one.
fn verify_state(directory: &Path, manifest: &Manifest, trust: &Trust) -> Result<Tree, SnapshotError> {
    let mut growing = Growing::default();
    for_each_chunk(directory, manifest, |entries| {
        let updates = entries.par_iter().map(|(key, value)| Update::new(key.as_bytes(), Some(value)));
        growing.add(updates.collect());
        Ok(())
    })?;
    let tree = growing.finish();
    same("number of keys", tree.len() as u64, manifest.keys)?;
    same("state root", B256::from(tree.root()), trust.state_root)?;
    Ok(tree)
}

/// Reads the chunks in order. Their keys must ascend, so that none comes twice.
fn for_each_chunk(
    directory: &Path,
    manifest: &Manifest,
    mut act: impl FnMut(Vec<(StateKey, &[u8])>) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let mut last: Option<StateKey> = None;
    for (number, piece) in manifest.chunks.iter().enumerate() {
        let path = chunk_path(directory, number);
        let bytes = read_piece(&path, piece)?;
        let damaged = |reason: &str| SnapshotError::Damaged { path: path.clone(), reason: reason.to_owned() };
        let (mut entries, mut rest) = (Vec::new(), bytes.as_slice());
        while !rest.is_empty() {
            let (key, value, after) = decode_entry(rest).ok_or_else(|| damaged("an entry is cut off"))?;
            let key = StateKey::from_stored(key);
            check_entry(&key, Some(value)).map_err(|e| damaged(&e.to_string()))?;
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(damaged("its keys are not in order"));
            }
            last = Some(key.clone());
            entries.push((key, value));
            rest = after;
        }
        act(entries)?;
    }
    Ok(())
}

fn store(
    directory: &Path,
    into: &Store,
    writer: &mut Writer<'_>,
    manifest: &Manifest,
    anchor: &VerifiedAnchor,
    trust: &Trust,
) -> Result<Tip, SnapshotError> {
    let mut begin = into.db().batch();
    begin.put(Table::Meta, meta::IMPORTING, trust.height.to_be_bytes());
    writer.write(begin, Durability::Synced)?;
    // The files are checked again while they are read again: they may have changed since.
    for_each_chunk(directory, manifest, |entries| {
        let mut batch = into.db().batch();
        for (key, value) in entries {
            batch.put(Table::Preimages, key_hash(key.as_bytes()), &key);
            batch.put(Table::State, &key, value);
        }
        Ok(writer.write(batch, Durability::Buffered)?)
    })?;
    let mut finish = into.db().batch();
    let tip = put_anchor(&mut finish, anchor, trust)?;
    finish.delete(Table::Meta, meta::IMPORTING);
    writer.announce(trust.height, Vec::new());
    // Syncing the last write syncs all before it: they are in one log.
    writer.write(finish, Durability::Synced)?;
    Ok(tip)
}

fn put_anchor(batch: &mut Batch<'_>, anchor: &VerifiedAnchor, trust: &Trust) -> Result<Tip, SnapshotError> {
    let records = anchor.records(trust)?;
    for ((height, record), (_, header)) in records.iter().zip(&anchor.headers) {
        batch.put(Table::Heights, height.to_be_bytes(), record.encode());
        batch.put(Table::Headers, height.to_be_bytes(), header);
        batch.put(Table::Hashes, record.block_hash, height.to_be_bytes());
    }
    let (height, newest) = records.last().ok_or(SnapshotError::NoBlock)?;
    batch.put(Table::Commits, height.to_be_bytes(), &anchor.seen_commit);
    for (ahead, encoded) in (0u64..).zip(&anchor.validators) {
        batch.put(Table::Validators, height.saturating_add(ahead).to_be_bytes(), encoded);
    }
    batch.put(Table::Meta, meta::CHAIN_ID, &trust.chain_id);
    batch.put(Table::Meta, meta::INITIAL_HEIGHT, trust.initial_height.to_be_bytes());
    batch.put(Table::Meta, meta::TIP, height.to_be_bytes());
    put_floors(batch, *height, height.saturating_add(1));
    Ok(newest.tip(*height))
}

fn read_piece(path: &Path, piece: &Piece) -> Result<Vec<u8>, SnapshotError> {
    let bytes = read_file(path)?;
    let damaged = |reason: String| SnapshotError::Damaged { path: path.to_owned(), reason };
    if bytes.len() as u64 != piece.bytes {
        return Err(damaged(format!("it has {} bytes, the manifest says {}", bytes.len(), piece.bytes)));
    }
    let computed: [u8; 32] = Sha256::digest(&bytes).into();
    match B256::from(computed) == piece.sha256 {
        true => Ok(bytes),
        false => Err(damaged(format!("its SHA-256 is not {}", piece.sha256))),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, SnapshotError> {
    let failed = |source| SnapshotError::File { doing: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    match read as u64 > FILE_BYTES_MAX {
        true => Err(SnapshotError::Damaged {
            path: path.to_owned(),
            reason: format!("it is larger than {FILE_BYTES_MAX} bytes"),
        }),
        false => Ok(bytes),
    }
}
