//! Why an export does not take place.

use crate::SqlError;

/// Why an export does not take place.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// A file.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Parquet.
    #[error("{path}: {source}")]
    Parquet {
        /// Which file.
        path: String,
        /// What is wrong.
        source: parquet::errors::ParquetError,
    },
    /// Something is there already.
    #[error("{0} is there already: name another one, or go on with it by --resume")]
    Exists(String),
    /// There is no export to go on with.
    #[error("no export has begun at {0}: leave --resume out")]
    NotBegun(String),
    /// What is there is another export, or was changed.
    #[error("{path}: {what}; export anew to another place")]
    Differs {
        /// Which file.
        path: String,
        /// What differs.
        what: String,
    },
    /// More rows than may be read.
    #[error("there are more than {rows} rows")]
    TooManyRows {
        /// How many may be.
        rows: usize,
    },
    /// A range without anything in it.
    #[error("nothing to export from {from} to {to}: the database holds blocks up to {height}")]
    NoRange {
        /// From here.
        from: u64,
        /// To here.
        to: u64,
        /// Where the database stands.
        height: i64,
    },
    /// The database is not as far as what is asked for.
    #[error(
        "the database stands at block {height}, the range ends at block {to}: run `concordat audit project`"
    )]
    Behind {
        /// The end of the range.
        to: u64,
        /// Where the database stands.
        height: i64,
    },
    /// More than is read at a time.
    #[error("there are more than {0} transfers: narrow the range")]
    TooMany(usize),
}

impl ExportError {
    /// A closure that names the file.
    pub(super) fn at(path: &std::path::Path) -> impl Fn(std::io::Error) -> Self + use<> {
        let path = path.display().to_string();
        move |source| Self::File { path: path.clone(), source }
    }

    /// The same for Parquet.
    pub(super) fn parquet(path: &std::path::Path) -> impl Fn(parquet::errors::ParquetError) -> Self + use<> {
        let path = path.display().to_string();
        move |source| Self::Parquet { path: path.clone(), source }
    }

    /// Something that is not as it was left.
    pub(super) fn differs(path: &std::path::Path, what: impl Into<String>) -> Self {
        Self::Differs { path: path.display().to_string(), what: what.into() }
    }
}
