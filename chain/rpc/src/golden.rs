//! Files that hold what was agreed. `UPDATE_GOLDEN` writes them anew.

use std::{fs, path::Path};

/// Compares a text with a file of this package.
pub(crate) fn check(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let agreed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(agreed, text, "{}", path.display());
}
