//! Making a package: the files, the signature over them, and the same check as whoever verifies makes.

use concordat_sql::export::Records;
use concordat_types::Genesis;

use crate::{
    activity::{ActivityFile, Checked},
    archive::{self, Files},
    case::{self, Case},
    check::{Found, check},
    error::EvidenceError,
    signature::{self, Roots, Seal},
};

type Result<T> = std::result::Result<T, EvidenceError>;

/// The longest reference of a case.
const MAX_REFERENCE: usize = 200;

/// A package that would be accepted.
#[derive(Debug)]
pub struct Package {
    files: Files,
    /// What was found right in it.
    pub found: Found,
}

impl Package {
    /// Packs what a proof proves and what the database says of it, under the reference of a case, and signs it.
    ///
    /// # Errors
    /// [`EvidenceError::Wrong`] where the database does not say what is proven, [`EvidenceError::Signer`] where the
    /// certificate does not vouch for it at the time of the newest block.
    pub fn make(
        reference: &str,
        genesis: &Genesis,
        (proof, checked): (&ActivityFile, &Checked),
        told: Records,
        (seal, roots): (&Seal, &Roots),
    ) -> Result<Self> {
        check_reference(reference)?;
        if told.chain_id != genesis.chain_id {
            let (have, want) = (&told.chain_id, &genesis.chain_id);
            return Err(EvidenceError::Unable(format!(
                "the database holds chain {have}, the genesis document is of {want}"
            )));
        }
        let case = Case::new(reference, genesis, proof, checked, told.digest.clone())?;
        let mut files = case::files(&case, genesis, proof, checked, told)?;
        signature::sign(&mut files, seal)?;
        signature::check(&files, roots, case.signed_by.time_secs)
            .map_err(|error| EvidenceError::Signer(error.to_string()))?;
        // Nothing is handed out that would be refused.
        let found = check(&files, genesis, roots)?;
        Ok(Self { files, found })
    }

    /// As one file.
    ///
    /// # Errors
    /// [`EvidenceError::Zip`].
    pub fn to_zip(&self) -> Result<Vec<u8>> {
        archive::write(&self.files, self.found.case.signed_by.time_secs)
    }
}

/// Checks that a text can be the reference of a case.
///
/// # Errors
/// [`EvidenceError::Unable`].
pub fn check_reference(text: &str) -> Result<()> {
    if text.is_empty() || text.chars().count() > MAX_REFERENCE || text.contains(char::is_control) {
        let what = format!("the reference of a case is one line of 1 to {MAX_REFERENCE} characters");
        return Err(EvidenceError::Unable(what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_one_line_of_text() {
        assert!(check_reference("AZ 7/2026 <b>").is_ok());
        for text in ["", "two\nlines", "\u{7}", &"x".repeat(201)] {
            assert!(check_reference(text).is_err(), "{text:?}");
        }
    }
}
