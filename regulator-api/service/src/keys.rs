//! Keys in files: the server's, and those that tokens are signed with.

use std::{
    collections::BTreeMap,
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use openssl::{
    error::ErrorStack,
    pkey::{PKey, Private},
    sha::sha256,
};
use serde_json::{Value, json};

use crate::tls::coordinates;

/// The most signing keys.
const MOST: usize = 16;

/// Why keys are not usable.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read.
    #[error("{}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key that others can read.
    #[error("others can read the key {}; chmod 600 it, and replace it if somebody else uses this machine", .path.display())]
    Shared {
        /// The file.
        path: PathBuf,
    },
    /// No key.
    #[error("{} is no private key in PKCS #8, or has another passphrase", .path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A key of another kind.
    #[error("{} is no P-256 key: tokens are signed with ES256", .path.display())]
    NotP256 {
        /// The file.
        path: PathBuf,
    },
    /// No certificate.
    #[error("{} has no certificate in PEM", .path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// No signing key, or too many.
    #[error("{} has {have} keys; it takes 1 to {MOST}, files that end with .key or .pem", .path.display())]
    Count {
        /// The folder.
        path: PathBuf,
        /// How many.
        have: usize,
    },
    /// OpenSSL does not take certificate and key.
    #[error("certificate and key do not go together: {source}")]
    Tls {
        /// What it said.
        source: ErrorStack,
    },
}

/// Reads a private key that only its owner can read.
pub(crate) fn read_key(path: &Path, passphrase: &[u8]) -> Result<PKey<Private>, KeyError> {
    let failed = |source| KeyError::Read { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(KeyError::Shared { path: path.to_owned() });
    }
    let pem = std::fs::read(path).map_err(failed)?;
    PKey::private_key_from_pem_passphrase(&pem, passphrase)
        .map_err(|_| KeyError::NoKey { path: path.to_owned() })
}

/// The keys of tokens by their names: one signs, all of them verify.
pub(crate) struct KeyRing {
    signing: (String, EncodingKey),
    verifying: BTreeMap<String, (DecodingKey, Value)>,
    files: Files,
}

/// Files of keys, and when each was made.
type Files = BTreeMap<PathBuf, SystemTime>;

/// A key as its file has it.
struct Loaded {
    made: SystemTime,
    path: PathBuf,
    key: PKey<Private>,
}

impl KeyRing {
    /// Reads a folder.
    pub(crate) fn read(folder: &Path, passphrase: &[u8]) -> Result<Self, KeyError> {
        let files = list(folder)?;
        if files.is_empty() || files.len() > MOST {
            return Err(KeyError::Count { path: folder.to_owned(), have: files.len() });
        }
        let mut loaded = Vec::with_capacity(files.len());
        for (path, made) in &files {
            loaded.push(Loaded { made: *made, key: read_key(path, passphrase)?, path: path.clone() });
        }
        loaded.sort_by(|one, other| (one.made, &one.path).cmp(&(other.made, &other.path)));
        Self::of(loaded, files, folder)
    }

    /// Whether the folder holds other files than those that were read.
    pub(crate) fn is_old(&self, folder: &Path) -> Result<bool, KeyError> {
        Ok(list(folder)? != self.files)
    }

    fn of(loaded: Vec<Loaded>, files: Files, folder: &Path) -> Result<Self, KeyError> {
        let mut verifying = BTreeMap::new();
        let mut signing = None;
        for Loaded { path, key, .. } in loaded {
            let other = || KeyError::NotP256 { path: path.clone() };
            let (x, y) = key.ec_key().ok().and_then(|key| coordinates(&key)).ok_or_else(other)?;
            let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
            let name = thumbprint(&x, &y);
            let decoding = DecodingKey::from_ec_components(&x, &y).map_err(|_| other())?;
            let document = json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": name, "x": x, "y": y });
            let der = key.private_key_to_pkcs8().map_err(|_| other())?;
            signing = Some((name.clone(), EncodingKey::from_ec_der(&der)));
            verifying.insert(name, (decoding, document));
        }
        let signing = signing.ok_or_else(|| KeyError::Count { path: folder.to_owned(), have: 0 })?;
        Ok(Self { signing, verifying, files })
    }

    /// The key that signs, and its name.
    pub(crate) const fn signing(&self) -> (&String, &EncodingKey) {
        (&self.signing.0, &self.signing.1)
    }

    /// The key of a name.
    pub(crate) fn verifying(&self, name: &str) -> Option<&DecodingKey> {
        self.verifying.get(name).map(|(key, _)| key)
    }

    /// All public keys, as a JWK set.
    pub(crate) fn document(&self) -> Value {
        json!({ "keys": self.verifying.values().map(|(_, document)| document).collect::<Vec<_>>() })
    }
}

fn list(folder: &Path) -> Result<Files, KeyError> {
    let failed = |source| KeyError::Read { path: folder.to_owned(), source };
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "key" || extension == "pem") {
            let made = std::fs::metadata(&path).and_then(|file| file.modified()).map_err(failed)?;
            files.insert(path, made);
        }
    }
    Ok(files)
}

/// The name of a key: its thumbprint (RFC 7638).
fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes()))
}

#[cfg(test)]
pub(crate) mod tests {
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;

    use super::*;

    /// Writes a new P-256 key.
    pub(crate) fn write_key(path: &Path) {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        std::fs::write(path, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn the_newest_key_signs_and_the_others_verify_until_their_files_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        write_key(&folder.path().join("1.key"));
        let first = KeyRing::read(folder.path(), b"").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        write_key(&folder.path().join("0.key"));
        let both = KeyRing::read(folder.path(), b"").unwrap();
        assert_ne!(both.signing().0, first.signing().0, "by time, not by name");
        assert!(both.verifying(first.signing().0).is_some());
        assert_eq!(both.document()["keys"].as_array().unwrap().len(), 2);
        assert!(!both.document().to_string().contains("\"d\""), "no private part");
        std::fs::remove_file(folder.path().join("1.key")).unwrap();
        assert!(KeyRing::read(folder.path(), b"").unwrap().verifying(first.signing().0).is_none());
    }

    #[test]
    fn no_key_a_key_that_others_read_and_what_is_none_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = || KeyRing::read(folder.path(), b"").err().unwrap().to_string();
        assert!(refused().contains("has 0 keys"));
        let path = folder.path().join("1.key");
        write_key(&path);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(refused().contains("others can read"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "nothing").unwrap();
        assert!(refused().contains("no private key"));
    }
}
