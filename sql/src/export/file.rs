//! Files that are hashed while they are written, and hashed again where an export goes on.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, BufWriter, Read as _, Write},
    path::Path,
};

use sha2::{Digest as _, Sha256};

use super::ExportError;

/// Bytes that are written at a time.
const BUFFER: usize = 1 << 20;

/// A file being written.
pub(super) struct Hashed {
    file: BufWriter<File>,
    hasher: Sha256,
    bytes: u64,
}

impl Hashed {
    /// A file that was not there.
    pub(super) fn create(path: &Path) -> Result<Self, ExportError> {
        let file = File::options().write(true).create_new(true).open(path).map_err(ExportError::at(path))?;
        Ok(Self { file: BufWriter::with_capacity(BUFFER, file), hasher: Sha256::new(), bytes: 0 })
    }

    /// Writes the rest and makes it durable: bytes and SHA-256.
    pub(super) fn finish(self, path: &Path) -> Result<(u64, String), ExportError> {
        let failed = ExportError::at(path);
        let file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        Ok((self.bytes, hex::encode(self.hasher.finalize())))
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        let (done, _) = bytes.split_at_checked(written).unwrap_or((bytes, &[]));
        self.hasher.update(done);
        self.bytes = self.bytes.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// A file of lines of which the end may be torn.
pub(super) struct Torn {
    /// The file, which ends with its last whole line and goes on from there.
    pub(super) file: Hashed,
    /// Whole lines in it.
    pub(super) lines: u64,
    /// The last of them.
    pub(super) last: Vec<u8>,
}

/// Reads a file again and cuts off what stands after the last whole line.
pub(super) fn reopen(path: &Path) -> Result<Torn, ExportError> {
    let failed = ExportError::at(path);
    let file = File::options().read(true).append(true).open(path).map_err(&failed)?;
    let (mut reader, mut hasher) = (BufReader::with_capacity(BUFFER, &file), Sha256::new());
    let (mut bytes, mut lines, mut last, mut line) = (0_u64, 0_u64, Vec::new(), Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(&failed)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        hasher.update(&line);
        bytes = bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        lines = lines.saturating_add(1);
        std::mem::swap(&mut last, &mut line);
    }
    drop(reader);
    file.set_len(bytes).map_err(&failed)?;
    let file = Hashed { file: BufWriter::with_capacity(BUFFER, file), hasher, bytes };
    Ok(Torn { file, lines, last })
}

/// Bytes and SHA-256 of a file.
pub(super) fn hash(path: &Path) -> Result<(u64, String), ExportError> {
    let failed = ExportError::at(path);
    let mut file = File::open(path).map_err(&failed)?;
    let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0_u64, vec![0; BUFFER]);
    loop {
        let read = file.read(&mut buffer).map_err(&failed)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
        hasher.update(piece);
        bytes = bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    Ok((bytes, hex::encode(hasher.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_end_is_cut_off_and_what_is_written_on_is_hashed_with_what_stood() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        std::fs::write(&path, "one\ntwo\nthr").unwrap();
        let Torn { mut file, lines, last } = reopen(&path).unwrap();
        assert_eq!((lines, &*last), (2, &b"two\n"[..]));
        file.write_all(b"three\n").unwrap();
        let finished = file.finish(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        assert_eq!(hash(&path).unwrap(), finished);
        assert_eq!(finished.0, 14);
    }

    #[test]
    fn what_is_there_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("there");
        std::fs::write(&path, "something").unwrap();
        assert!(Hashed::create(&path).is_err());
    }
}
