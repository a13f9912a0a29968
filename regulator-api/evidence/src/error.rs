//! Why there is no evidence.

use std::path::PathBuf;

use concordat_light::LightError;
use concordat_pki_authority::AuthorityError;
use openssl::error::ErrorStack;

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Something is not what was signed or proven: somebody has altered it.
    #[error("{0}")]
    Wrong(String),
    /// It cannot be told.
    #[error("{0}")]
    Unable(String),
    /// The signer's certificate is not one that vouches for a package now.
    #[error("{0}")]
    Signer(String),
    /// More than may be.
    #[error("{0}")]
    TooLarge(String),
    /// A node does not answer, or what it says does not hold.
    #[error(transparent)]
    Light(#[from] LightError),
    /// A file.
    #[error("{what} {}", path.display())]
    File {
        /// What it is.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is not understood.
    #[error("{what}")]
    Malformed {
        /// Which.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A text has no JSON form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The archive.
    #[error(transparent)]
    Zip(#[from] zip::result::ZipError),
    /// The signature.
    #[error(transparent)]
    OpenSsl(#[from] ErrorStack),
    /// The signer's key.
    #[error(transparent)]
    Key(#[from] AuthorityError),
    /// A transaction that makes no rows.
    #[error(transparent)]
    Project(#[from] concordat_sql::project::ProjectError),
    /// The state's row of an activity.
    #[error("the row of the subject is malformed")]
    Row(#[source] concordat_types::ReadError),
}

impl EvidenceError {
    /// Whether somebody has altered something, rather than that nothing can be told.
    pub fn is_wrong(&self) -> bool {
        match self {
            Self::Wrong(_) => true,
            Self::Light(error) => error.is_wrong(),
            _ => false,
        }
    }
}

/// Something is not what was signed or proven.
pub(crate) fn wrong(text: impl Into<String>) -> EvidenceError {
    EvidenceError::Wrong(text.into())
}
