//! Files that survive crashes, and private keys that others cannot read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::error::AuthorityError;

/// The mode of files that hold secrets.
pub const SECRET_MODE: u32 = 0o600;
/// The mode of files that anyone may read.
pub const PUBLIC_MODE: u32 = 0o644;
/// The mode of directories that hold secrets.
const SECRET_DIR_MODE: u32 = 0o700;

pub(crate) fn error(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> AuthorityError {
    let path = path.to_owned();
    move |source| AuthorityError::File { path, doing, source }
}

/// Reads a file.
pub fn read(path: &Path) -> Result<Vec<u8>, AuthorityError> {
    fs::read(path).map_err(error(path, "read"))
}

/// Reads a private key's file; refuses one that its group or the world may access.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, AuthorityError> {
    let mode = fs::metadata(path).map_err(error(path, "read"))?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(AuthorityError::KeyFileMode { path: path.to_owned(), mode });
    }
    Ok(Zeroizing::new(read(path)?))
}

/// Creates a directory, and those above it, accessible to its owner only.
pub fn create_dir(path: &Path) -> Result<(), AuthorityError> {
    fs::DirBuilder::new().recursive(true).mode(SECRET_DIR_MODE).create(path).map_err(error(path, "create"))
}

/// Writes a file durably: after a crash it holds all of `bytes` or what it held before.
///
/// The file has `mode` from the moment it exists. An existing file is replaced only with `force`.
pub fn write(path: &Path, bytes: &[u8], mode: u32, force: bool) -> Result<(), AuthorityError> {
    let temporary = temporary_beside(path);
    let written = write_new(&temporary, bytes, mode).and_then(|()| {
        if force {
            fs::rename(&temporary, path).map_err(error(path, "replace"))
        } else {
            // A link, unlike a rename, never replaces.
            let linked = fs::hard_link(&temporary, path).map_err(|source| match source.kind() {
                io::ErrorKind::AlreadyExists => AuthorityError::Exists(path.to_owned()),
                _ => error(path, "create")(source),
            });
            linked.and(fs::remove_file(&temporary).map_err(error(&temporary, "remove")))
        }
    });
    if written.is_err() {
        // Best effort: the first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_dir(path))
}

fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AuthorityError> {
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(mode).open(path).map_err(error(path, "create"))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(error(path, "write"))
}

/// Makes the directory entry of `path` durable.
fn sync_dir(path: &Path) -> Result<(), AuthorityError> {
    let dir = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(error(dir, "sync"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_created_with_their_mode_and_never_overwritten_by_accident() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        write(&path, b"one", SECRET_MODE, false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(write(&path, b"two", SECRET_MODE, false), Err(AuthorityError::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write(&path, b"two", SECRET_MODE, true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        for mode in [0o640, 0o604, 0o660] {
            fs::write(&path, b"secret").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = read_secret(&path).unwrap_err();
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(read_secret(&path).unwrap().as_slice(), b"secret");
    }
}
