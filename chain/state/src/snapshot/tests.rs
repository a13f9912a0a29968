//! Snapshots taken, imported, and refused.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    CheckLevel, Store, StoreError,
    db::Durability,
    schema::{Table, meta},
    tests::{Chain, block_on, changes, dump, open},
};

struct Exported {
    chain: Chain,
    manifest: Manifest,
    files: TempDir,
    trust: Trust,
}

fn exported(blocks: u64, keys: u32) -> Exported {
    let chain = Chain::new();
    for height in 1..=blocks {
        let names: Vec<String> = (0..keys).map(|n| format!("{height} {n}")).collect();
        let entries: Vec<_> = names.iter().map(|name| (name.as_str(), Some("value"))).collect();
        chain.commit_with_logs(&changes(&entries), vec![vec![]]);
    }
    let files = TempDir::new().unwrap();
    let manifest = chain.store.export_snapshot(files.path()).unwrap();
    let trust = Trust::from_next_header(&block_on(&chain.tip(), vec![]).header, 1).unwrap();
    Exported { chain, manifest, files, trust }
}

fn empty() -> (TempDir, Store) {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).unwrap();
    (directory, store)
}

fn refused(snapshot: &Exported, trust: &Trust) -> SnapshotError {
    let (_directory, store) = empty();
    let error = import(snapshot.files.path(), &store, trust).unwrap_err();
    assert_eq!(store.latest(), None);
    assert_eq!(store.db().rows(Table::State, &[], None).count(), 0);
    error
}

#[test]
fn a_node_that_starts_from_a_snapshot_goes_on_like_the_one_that_made_it() {
    let snapshot = exported(5, 20);
    assert_eq!(snapshot.manifest.keys, 101);
    let (directory, store) = empty();
    let tip = import(snapshot.files.path(), &store, &snapshot.trust).unwrap();
    let origin = &snapshot.chain;
    assert_eq!(tip, origin.tip());
    assert_eq!(dump(&store), dump(&origin.store));

    let joined = Chain { directory, store };
    let one = origin.commit(&[("a", Some("1"))]);
    let two = joined.commit(&[("a", Some("1"))]);
    assert_eq!((one, origin.tip()), (two, joined.tip()));

    let joined = joined.reopen().unwrap();
    for height in 1..=6 {
        assert_eq!(joined.store.block_hash(height).unwrap(), origin.store.block_hash(height).unwrap());
        assert_eq!(joined.store.state_root(height).unwrap(), origin.store.state_root(height).unwrap());
        assert_eq!(joined.store.header(height).unwrap(), origin.store.header(height).unwrap());
    }
    for height in 5..=8 {
        assert_eq!(joined.store.validators(height).unwrap(), origin.store.validators(height).unwrap());
    }
    assert_eq!(joined.store.seen_commit(5).unwrap(), origin.store.seen_commit(5).unwrap());
    assert!(matches!(joined.store.block(5), Err(StoreError::Pruned { floor: 6, .. })));
    assert!(matches!(joined.store.state_at(4), Err(StoreError::Pruned { floor: 5, .. })));
    assert!(joined.store.prove(&crate::tests::key("3 7")).unwrap().verify());
    let report = joined.store.check(CheckLevel::Full).unwrap();
    assert_eq!((report.blocks, report.roots), (1, 1));
}

#[test]
fn only_the_newest_256_headers_come_along() {
    let snapshot = exported(260, 0);
    let (_directory, store) = empty();
    import(snapshot.files.path(), &store, &snapshot.trust).unwrap();
    assert_eq!(store.block_hash(4).unwrap(), None);
    assert_eq!(store.block_hash(5).unwrap(), snapshot.chain.store.block_hash(5).unwrap());
}

#[test]
fn large_states_are_cut_into_chunks() {
    let chain = Chain::new();
    let changes = (0..11u8).map(|n| (crate::tests::key(&n.to_string()), Some(vec![n; 1 << 20]))).collect();
    chain.commit_with_logs(&changes, vec![]);
    let files = TempDir::new().unwrap();
    let manifest = chain.store.export_snapshot(files.path()).unwrap();
    assert_eq!((manifest.chunks.len(), manifest.keys), (3, 12));
    let trust = Trust::from_next_header(&block_on(&chain.tip(), vec![]).header, 1).unwrap();
    let (_directory, store) = empty();
    import(files.path(), &store, &trust).unwrap();
    assert_eq!(dump(&store), dump(&chain.store));
}

#[test]
fn a_snapshot_of_other_facts_than_the_trusted_ones_is_refused() {
    let snapshot = exported(3, 5);
    let other = B256::repeat_byte(9);
    type Alter = fn(&mut Trust, B256);
    let cases: [(&str, Alter); 7] = [
        ("chain id", |trust, _| trust.chain_id = "other".into()),
        ("height", |trust, _| trust.height = 4),
        ("block hash", |trust, other| trust.block_hash = other),
        ("state root", |trust, other| trust.state_root = other),
        ("number of headers", |trust, _| trust.initial_height = 2),
        ("validator set's hash", |trust, other| trust.validators_hash = other),
        ("validator set's hash", |trust, other| trust.next_validators_hash = other),
    ];
    for (name, alter) in cases {
        let mut trust = snapshot.trust.clone();
        alter(&mut trust, other);
        match refused(&snapshot, &trust) {
            SnapshotError::Untrusted { field, .. } => assert_eq!(field, name),
            other => panic!("{name}: {other}"),
        }
    }
}

/// The manifest is not signed: a forger makes it fit the forged files.
fn forge(snapshot: &Exported, file: PathBuf, bytes: &[u8], slot: impl Fn(&mut Manifest) -> &mut Piece) {
    fs::write(file, bytes).unwrap();
    let mut manifest = snapshot.manifest.clone();
    let digest: [u8; 32] =
        sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), bytes))
            .into();
    *slot(&mut manifest) = Piece { sha256: digest.into(), bytes: bytes.len() as u64 };
    let text = serde_json::to_vec(&manifest).unwrap();
    fs::write(snapshot.files.path().join(MANIFEST_FILE), text).unwrap();
}

#[test]
fn a_forged_balance_is_refused_although_the_manifest_was_made_to_fit() {
    let snapshot = exported(2, 5);
    let path = chunk_path(snapshot.files.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    forge(&snapshot, path, &bytes, |manifest| &mut manifest.chunks[0]);
    let error = refused(&snapshot, &snapshot.trust);
    assert!(matches!(error, SnapshotError::Untrusted { field: "state root", .. }), "{error}");
}

#[test]
fn a_forged_past_is_refused_although_the_manifest_was_made_to_fit() {
    let snapshot = exported(3, 1);
    let path = snapshot.files.path().join(ANCHOR_FILE);
    let bytes = fs::read(&path).unwrap();
    let mut anchor = <Anchor as alloy_rlp::Decodable>::decode(&mut bytes.as_slice()).unwrap();
    let stranger = Chain::new().commit_with_logs(&changes(&[]), vec![]).header;
    let stranger = tendermint_proto::Protobuf::<tendermint_proto::v0_38::types::Header>::encode_vec(stranger);
    anchor.headers[0] = stranger.into();
    forge(&snapshot, path, &alloy_rlp::encode(&anchor), |manifest| &mut manifest.anchor);
    let error = refused(&snapshot, &snapshot.trust);
    assert!(matches!(error, SnapshotError::Untrusted { field: "header's hash", .. }), "{error}");
}

#[test]
fn keys_that_come_twice_or_out_of_order_are_refused() {
    let snapshot = exported(1, 1);
    let mut bytes = Vec::new();
    for key in [b"b", b"a"] {
        encode_entry(key, b"value", &mut bytes).unwrap();
    }
    let path = chunk_path(snapshot.files.path(), 0);
    forge(&snapshot, path, &bytes, |manifest| &mut manifest.chunks[0]);
    let error = refused(&snapshot, &snapshot.trust);
    assert!(error.to_string().contains("not in order"), "{error}");
}

#[test]
fn truncated_mutated_and_missing_files_are_named() {
    let snapshot = exported(2, 5);
    for path in [chunk_path(snapshot.files.path(), 0), snapshot.files.path().join(ANCHOR_FILE)] {
        let intact = fs::read(&path).unwrap();
        let mut mutated = intact.clone();
        mutated[intact.len() / 2] ^= 1;
        for bytes in [&intact[..intact.len() - 1], &mutated, &[]] {
            fs::write(&path, bytes).unwrap();
            match refused(&snapshot, &snapshot.trust) {
                SnapshotError::Damaged { path: named, .. } => assert_eq!(named, path),
                other => panic!("{other}"),
            }
        }
        fs::remove_file(&path).unwrap();
        let error = refused(&snapshot, &snapshot.trust);
        assert!(matches!(error, SnapshotError::File { doing: "read", .. }), "{error}");
        fs::write(&path, intact).unwrap();
    }
}

#[test]
fn manifests_of_other_formats_or_with_unknown_fields_are_refused() {
    let snapshot = exported(1, 1);
    let path = snapshot.files.path().join(MANIFEST_FILE);
    fs::write(&path, r#"{"format": 9, "new": "field"}"#).unwrap();
    assert!(matches!(refused(&snapshot, &snapshot.trust), SnapshotError::Format { found: 9 }));
    for text in ["", "{}", r#"{"format": 1, "chain_id": "x"}"#] {
        fs::write(&path, text).unwrap();
        assert!(matches!(refused(&snapshot, &snapshot.trust), SnapshotError::Damaged { .. }), "{text}");
    }
}

#[test]
fn a_genesis_without_blocks_and_a_used_directory_make_no_snapshot() {
    let chain = Chain::new();
    let directory = TempDir::new().unwrap();
    let error = chain.store.export_snapshot(directory.path()).unwrap_err();
    assert!(matches!(error, SnapshotError::NoBlock));
    fs::write(directory.path().join("file"), "").unwrap();
    chain.commit(&[]);
    let error = chain.store.export_snapshot(directory.path()).unwrap_err();
    assert!(matches!(error, SnapshotError::DirectoryInUse { .. }));
}

#[test]
fn a_store_that_is_not_empty_takes_no_snapshot() {
    let snapshot = exported(1, 1);
    let error = import(snapshot.files.path(), &Chain::new().store, &snapshot.trust).unwrap_err();
    assert!(matches!(error, SnapshotError::Store(StoreError::AlreadyInitialised { height: 0 })));
}

#[test]
fn an_import_that_was_cut_off_leaves_an_empty_store_that_can_be_filled() {
    let snapshot = exported(2, 5);
    let (directory, store) = empty();
    let mut partial = store.db().batch();
    partial.put(Table::Meta, meta::IMPORTING, 2u64.to_be_bytes());
    partial.put(Table::State, "half", "a state");
    store.db().write(partial, Durability::Synced).unwrap();
    drop(store);

    let store = open(directory.path()).unwrap();
    assert_eq!(store.latest(), None);
    let tip = import(snapshot.files.path(), &store, &snapshot.trust).unwrap();
    assert_eq!(tip, snapshot.chain.tip());
}

proptest! {
    #[test]
    fn entries_survive_their_encoding_and_noise_never_panics(
        key in prop::collection::vec(any::<u8>(), 0..50),
        value in prop::collection::vec(any::<u8>(), 0..50),
        noise in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut bytes = Vec::new();
        encode_entry(&key, &value, &mut bytes).unwrap();
        prop_assert_eq!(decode_entry(&bytes), Some((&key[..], &value[..], &[][..])));
        let _ = decode_entry(&noise);
        let _ = <Anchor as alloy_rlp::Decodable>::decode(&mut noise.as_slice());
    }
}
