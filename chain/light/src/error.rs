//! Why something is not verified.

use std::error::Error;

/// Why something is not verified.
#[derive(Debug, thiserror::Error)]
pub enum LightError {
    /// What was told is not what was signed: somebody has altered it.
    #[error("{0}")]
    Wrong(String),
    /// It cannot be told.
    #[error("{0}")]
    Unable(String),
    /// It cannot be told, for what lies beneath.
    #[error("{what}")]
    Because {
        /// What cannot be told.
        what: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A node gives no answer, or refuses.
    #[error(transparent)]
    Node(Box<dyn Error + Send + Sync>),
}

impl LightError {
    /// Whether somebody has altered something, rather than that nothing can be told.
    pub const fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong(_))
    }

    /// Adds what cannot be told to its reason.
    pub fn because<E: Into<Box<dyn Error + Send + Sync>>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Because { what, source: source.into() }
    }
}

/// What was told is not what was signed.
pub fn wrong(text: impl Into<String>) -> LightError {
    LightError::Wrong(text.into())
}
