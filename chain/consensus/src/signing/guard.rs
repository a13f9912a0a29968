//! The double-sign guard: what this validator signed last, durably.
//!
//! Before a signature leaves the process, its height, round, step and message hash are on disk. So even
//! with the write-ahead log lost, damaged or rolled back, and whatever the engine asks, no two conflicting
//! messages are ever signed (as CometBFT's `FilePV`).
//!
//! The file is one record of [`RECORD_BYTES`] bytes, smaller than a disk sector, rewritten in place and
//! synced; a record whose checksum fails stops the start.
//!
//! Invariant: only [`SignGuard::create`] makes the file, whole or not at all. A file that appeared by itself
//! would say "nothing signed yet" about a key that has signed.

use std::{
    cmp::Ordering,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

const MAGIC: [u8; 8] = *b"CCDLSS01";
const BODY_BYTES: usize = 8 + 8 + 4 + 1 + 32 + 64;
/// The size of the record, in bytes.
pub const RECORD_BYTES: usize = BODY_BYTES + 32;

/// The step of a round in which a message is signed, in the order of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SignStep {
    /// A proposal.
    Propose = 1,
    /// A prevote.
    Prevote = 2,
    /// A precommit.
    Precommit = 3,
}

/// What was signed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSigned {
    /// The height.
    pub height: u64,
    /// The round.
    pub round: u32,
    /// The step.
    pub step: SignStep,
    /// SHA-256 of the bytes that were signed.
    pub message_hash: [u8; 32],
    /// The signature.
    pub signature: [u8; 64],
}

impl LastSigned {
    /// The record of a key that has signed nothing above `height`: after every round there can be at it.
    fn nothing_above(height: u64) -> Self {
        let (round, step) = (u32::MAX, SignStep::Precommit);
        Self { height, round, step, message_hash: [0; 32], signature: [0; 64] }
    }

    fn position(&self) -> (u64, u32, SignStep) {
        (self.height, self.round, self.step)
    }

    /// Whether a message may be signed after this one. Gives the signature to use again if it is the same
    /// message at the same step.
    ///
    /// # Errors
    /// If the message conflicts with what was signed.
    pub fn permits(
        &self,
        (height, round, step): (u64, u32, SignStep),
        message_hash: &[u8; 32],
    ) -> Result<Option<[u8; 64]>, GuardError> {
        match (height, round, step).cmp(&self.position()) {
            Ordering::Greater => Ok(None),
            Ordering::Equal if *message_hash == self.message_hash => Ok(Some(self.signature)),
            Ordering::Equal => Err(GuardError::Conflict { height, round, step }),
            Ordering::Less => Err(GuardError::Regression { height, round, step, last: self.position() }),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(RECORD_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.height.to_be_bytes());
        bytes.extend_from_slice(&self.round.to_be_bytes());
        bytes.push(self.step as u8);
        bytes.extend_from_slice(&self.message_hash);
        bytes.extend_from_slice(&self.signature);
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_at_checked(BODY_BYTES)?;
        if Sha256::digest(body).as_slice() != checksum {
            return None;
        }
        let (magic, rest) = body.split_first_chunk::<8>()?;
        let (height, rest) = rest.split_first_chunk::<8>()?;
        let (round, rest) = rest.split_first_chunk::<4>()?;
        let (step, rest) = rest.split_first()?;
        let (message_hash, rest) = rest.split_first_chunk::<32>()?;
        let (signature, _) = rest.split_first_chunk::<64>()?;
        let step = match step {
            1 => SignStep::Propose,
            2 => SignStep::Prevote,
            3 => SignStep::Precommit,
            _ => return None,
        };
        (*magic == MAGIC).then(|| LastSigned {
            height: u64::from_be_bytes(*height),
            round: u32::from_be_bytes(*round),
            step,
            message_hash: *message_hash,
            signature: *signature,
        })
    }
}

/// Why the guard refuses to start or to let a message be signed.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The file cannot be read or written.
    #[error("double-sign guard {path}: {source}")]
    Io {
        /// The guard's file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The file's contents fail their checksum.
    #[error(
        "double-sign guard {path} is damaged ({got} bytes): signing could equivocate. Move the file away and \
         start again: the validator then abstains until the network has decided a block made after its start"
    )]
    Damaged {
        /// The guard's file.
        path: PathBuf,
        /// Its size, in bytes.
        got: usize,
    },
    /// Another process holds the file.
    #[error(
        "double-sign guard {path} is in use by another process: two nodes must never share a consensus key"
    )]
    InUse {
        /// The guard's file.
        path: PathBuf,
    },
    /// There is a guard already.
    #[error("double-sign guard {path} exists already; nothing was changed")]
    Exists {
        /// The guard's file.
        path: PathBuf,
    },
    /// Another message was signed at this very step.
    #[error("refused to sign a second, different {step:?} at height {height} round {round}")]
    Conflict {
        /// The height.
        height: u64,
        /// The round.
        round: u32,
        /// The step.
        step: SignStep,
    },
    /// Something later was signed already.
    #[error("refused to sign {step:?} at height {height} round {round}: {last:?} was signed already")]
    Regression {
        /// The height.
        height: u64,
        /// The round.
        round: u32,
        /// The step.
        step: SignStep,
        /// The latest position signed: height, round, step.
        last: (u64, u32, SignStep),
    },
}

/// Remembers durably what was signed last, and refuses anything that conflicts.
#[derive(Debug)]
pub struct SignGuard {
    path: PathBuf,
    file: File,
    last: LastSigned,
}

impl SignGuard {
    /// Opens the guard's file. `None` if there is none: then nobody knows what the key has signed.
    ///
    /// # Errors
    /// If the file is damaged, held by another process, or cannot be read.
    pub fn open(path: &Path) -> Result<Option<Self>, GuardError> {
        let io = |source| GuardError::Io { path: path.to_owned(), source };
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        lock(&file, path)?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(RECORD_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
        let damaged = || GuardError::Damaged { path: path.to_owned(), got: bytes.len() };
        let last = LastSigned::decode(&bytes).ok_or_else(damaged)?;
        Ok(Some(Self { path: path.to_owned(), file, last }))
    }

    /// Makes the guard of a key that has signed nothing above `height`: 0 for a new key.
    ///
    /// # Errors
    /// [`GuardError::Exists`] if there is one, else if it cannot be written.
    pub fn create(path: &Path, height: u64) -> Result<Self, GuardError> {
        let io = |source| GuardError::Io { path: path.to_owned(), source };
        let whole = path.with_extension("new");
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(true).open(&whole).map_err(io)?;
        lock(&file, path)?;
        let last = LastSigned::nothing_above(height);
        file.write_all(&last.encode()).and_then(|()| file.sync_all()).map_err(io)?;
        // Unlike a renaming, a link never replaces a guard that somebody else has made meanwhile.
        std::fs::hard_link(&whole, path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => GuardError::Exists { path: path.to_owned() },
            _ => io(source),
        })?;
        std::fs::remove_file(&whole).and_then(|()| sync_directory(path)).map_err(io)?;
        Ok(Self { path: path.to_owned(), file, last })
    }

    /// What was signed last.
    pub fn last(&self) -> &LastSigned {
        &self.last
    }

    /// Signs with `sign` unless that conflicts with what was signed before; the record is on disk before
    /// the signature is returned. The same message at the same step gets the same signature again.
    ///
    /// # Errors
    /// If the message conflicts, or the record cannot be written.
    pub fn sign(
        &mut self,
        (height, round, step): (u64, u32, SignStep),
        message: &[u8],
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Result<[u8; 64], GuardError> {
        let message_hash: [u8; 32] = Sha256::digest(message).into();
        if let Some(again) = self.last.permits((height, round, step), &message_hash)? {
            return Ok(again);
        }
        let record = LastSigned { height, round, step, message_hash, signature: sign(message) };
        self.write(&record).map_err(|source| GuardError::Io { path: self.path.clone(), source })?;
        self.last = record;
        Ok(record.signature)
    }

    fn write(&mut self, record: &LastSigned) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&record.encode())?;
        self.file.sync_data()
    }
}

fn lock(file: &File, path: &Path) -> Result<(), GuardError> {
    file.try_lock().map_err(|_| GuardError::InUse { path: path.to_owned() })
}

/// Makes the new file's name durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signature_of(message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&Sha256::digest(message));
        signature
    }

    /// The guard in this folder; that of a new key if there is none.
    fn guard(dir: &tempfile::TempDir) -> SignGuard {
        let path = dir.path().join("guard");
        SignGuard::open(&path).unwrap().unwrap_or_else(|| SignGuard::create(&path, 0).unwrap())
    }

    #[test]
    fn missing_guard_is_none_and_opening_makes_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        assert!(SignGuard::open(&path).unwrap().is_none());
        assert!(!path.exists(), "a guard that appears by itself would know nothing of the past");
    }

    #[test]
    fn guard_made_at_a_height_permits_nothing_at_or_below_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        drop(SignGuard::create(&path, 7).unwrap());
        let mut guard = SignGuard::open(&path).unwrap().unwrap();
        for at in [(7, u32::MAX, SignStep::Precommit), (7, 0, SignStep::Propose), (1, 3, SignStep::Prevote)] {
            assert!(guard.sign(at, b"m", |_| panic!("must not sign")).is_err(), "{at:?}");
        }
        guard.sign((8, 0, SignStep::Propose), b"m", signature_of).unwrap();
    }

    #[test]
    fn guard_is_never_replaced_by_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        guard(&dir).sign((5, 0, SignStep::Prevote), b"m", signature_of).unwrap();
        assert!(matches!(SignGuard::create(&path, 0), Err(GuardError::Exists { .. })));
        assert_eq!(SignGuard::open(&path).unwrap().unwrap().last().height, 5);
    }

    #[test]
    fn making_a_guard_goes_on_where_a_crash_ended_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        std::fs::write(path.with_extension("new"), b"half a rec").unwrap();
        drop(SignGuard::create(&path, 3).unwrap());
        assert_eq!(SignGuard::open(&path).unwrap().unwrap().last().height, 3);
        assert!(!path.with_extension("new").exists());
    }

    #[test]
    fn same_message_gets_the_same_signature_even_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let at = (5, 1, SignStep::Prevote);
        let first = guard(&dir).sign(at, b"block a", signature_of).unwrap();
        let again = guard(&dir).sign(at, b"block a", |_| panic!("must not sign again")).unwrap();
        assert_eq!(first, again);
    }

    #[test]
    fn conflicting_message_is_refused_even_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let at = (5, 1, SignStep::Precommit);
        guard(&dir).sign(at, b"block a", signature_of).unwrap();
        let refused = guard(&dir).sign(at, b"block b", |_| panic!("must not sign"));
        assert!(matches!(refused, Err(GuardError::Conflict { height: 5, round: 1, .. })));
    }

    #[test]
    fn going_back_in_height_round_or_step_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut guard = guard(&dir);
        guard.sign((5, 2, SignStep::Prevote), b"m", signature_of).unwrap();
        for at in [(4, 9, SignStep::Precommit), (5, 1, SignStep::Precommit), (5, 2, SignStep::Propose)] {
            let refused = guard.sign(at, b"m", |_| panic!("must not sign"));
            assert!(matches!(refused, Err(GuardError::Regression { .. })), "{at:?}");
        }
        guard.sign((5, 2, SignStep::Precommit), b"m", signature_of).unwrap();
        guard.sign((6, 0, SignStep::Propose), b"m", signature_of).unwrap();
    }

    #[test]
    fn damaged_file_stops_the_start_and_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        guard(&dir).sign((1, 0, SignStep::Propose), b"m", signature_of).unwrap();
        let good = std::fs::read(&path).unwrap();
        assert_eq!(good.len(), RECORD_BYTES);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(SignGuard::open(&path), Err(GuardError::Damaged { .. })), "byte {at}");
        }
        for torn in [0, 20, good.len() - 1] {
            std::fs::write(&path, &good[..torn]).unwrap();
            let error = SignGuard::open(&path).unwrap_err().to_string();
            assert!(error.contains("Move the file away and start again"), "{error}");
        }
        std::fs::write(&path, [good.clone(), vec![0]].concat()).unwrap();
        assert!(SignGuard::open(&path).is_err(), "trailing bytes");
    }

    #[test]
    fn second_process_with_the_same_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _held = guard(&dir);
        assert!(matches!(SignGuard::open(&dir.path().join("guard")), Err(GuardError::InUse { .. })));
    }

    #[test]
    fn record_is_on_disk_before_the_signature_is_released() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        let mut guard = guard(&dir);
        let signature = guard.sign((1, 0, SignStep::Prevote), b"m", signature_of).unwrap();
        let on_disk = LastSigned::decode(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(on_disk.signature, signature);
        assert_eq!(&on_disk, guard.last());
    }

    proptest! {
        /// Whatever is asked in whatever order, no step is ever signed with two messages.
        #[test]
        fn no_two_messages_share_a_step(requests in prop::collection::vec((0..3u64, 0..3u32, 1..=3u8, 0..2u8), 1..40)) {
            let dir = tempfile::tempdir().unwrap();
            let mut guard = guard(&dir);
            let mut signed = std::collections::BTreeMap::new();
            for (height, round, step, message) in requests {
                let step = [SignStep::Propose, SignStep::Prevote, SignStep::Precommit][step as usize - 1];
                if guard.sign((height, round, step), &[message], signature_of).is_ok() {
                    prop_assert_eq!(*signed.entry((height, round, step)).or_insert(message), message);
                }
            }
        }
    }
}
