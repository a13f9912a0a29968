//! Passphrases, kept out of logs and wiped from memory.

use std::{fmt, path::Path};

use zeroize::Zeroizing;

use crate::{error::AuthorityError, files};

const MIN_BYTES: usize = 8;

/// A passphrase that protects private keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// A passphrase of at least 8 bytes, without NUL (which ends strings inside OpenSSL).
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, AuthorityError> {
        let bytes = Zeroizing::new(bytes.into());
        if bytes.len() < MIN_BYTES || bytes.contains(&0) {
            return Err(AuthorityError::Passphrase);
        }
        Ok(Self(bytes))
    }

    /// The first line of a file, without its line end.
    pub fn from_file(path: &Path) -> Result<Self, AuthorityError> {
        let text = Zeroizing::new(files::read(path)?);
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Self::new(line.strip_suffix(b"\r").unwrap_or(line))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_never_printed() {
        let passphrase = Passphrase::new("correct horse").unwrap();
        assert_eq!(format!("{passphrase:?}"), "Passphrase(redacted)");
    }

    #[test]
    fn short_passphrases_and_nul_bytes_are_refused() {
        assert!(Passphrase::new("seven77").is_err());
        assert!(Passphrase::new(*b"with\0nul bytes").is_err());
    }

    #[test]
    fn a_file_gives_its_first_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pass");
        std::fs::write(&path, "correct horse\r\nignored\n").unwrap();
        assert_eq!(Passphrase::from_file(&path).unwrap().as_bytes(), b"correct horse");
    }
}
