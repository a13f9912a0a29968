//! Why the database of the regulator is not written or read.

use concordat_core::GenesisStateError;
use concordat_state::StoreError;
use concordat_types::B256;

use crate::project::ProjectError;

/// Why the database is not written or read. Nothing in it names a password.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The node's store failed.
    #[error("the node's store: {0}")]
    Store(#[from] StoreError),
    /// A block cannot be made into rows.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The genesis document makes no state.
    #[error(transparent)]
    Genesis(#[from] GenesisStateError),
    /// The genesis document is another chain's than the store.
    #[error(
        "the genesis document is not this chain's: {field} is {have}, the store has {want}; name the chain's own"
    )]
    OtherGenesis {
        /// What differs.
        field: &'static str,
        /// What the document has.
        have: String,
        /// What the store has.
        want: String,
    },
    /// The store has no block, not even the genesis.
    #[error("the node's store is empty; start the node first")]
    EmptyStore,
    /// No URL of a database that could be used.
    #[error("the database's URL is not usable: {0}; it is like postgres://user@host/database")]
    Url(String),
    /// The database does not answer.
    #[error("cannot connect to the database: {0}")]
    Connect(sqlx::Error),
    /// The database does not answer libpq, which migrates it.
    #[error("cannot connect to the database to migrate it: {0}")]
    Libpq(String),
    /// A migration failed.
    #[error("the database failed to {doing}: {reason}")]
    Migration {
        /// What was being done.
        doing: String,
        /// What diesel said.
        reason: String,
    },
    /// The database failed at something.
    #[error("the database failed to {doing}: {source}")]
    Database {
        /// What was being done.
        doing: String,
        /// What it said.
        source: sqlx::Error,
    },
    /// There is no schema yet, or it lacks migrations.
    #[error(
        "the database's schema is older than this program, it lacks {}; run `concordat audit migrate`",
        .missing.join(", ")
    )]
    SchemaOlder {
        /// The migrations that have not run.
        missing: Vec<String>,
    },
    /// A newer program has migrated it.
    #[error(
        "the database's schema is newer than this program, which does not know {}; upgrade the program",
        .unknown.join(", ")
    )]
    SchemaNewer {
        /// The migrations that this program does not know.
        unknown: Vec<String>,
    },
    /// Another projector writes.
    #[error("another projector is writing to this database; there can be one at a time")]
    Busy,
    /// The rows are of another chain.
    #[error("the database holds chain {have}, the node's is {want}; name another database")]
    OtherChain {
        /// The database's.
        have: String,
        /// The node's.
        want: String,
    },
    /// The rows were made by other rules.
    #[error(
        "the database was filled in format {have}, this program writes format {want}; fill an empty one with it"
    )]
    OtherFormat {
        /// The database's.
        have: i32,
        /// The program's.
        want: i32,
    },
    /// The database is ahead of the node.
    #[error(
        "the database stands at block {database}, the node at {node}: name the store of a node that is as far"
    )]
    Ahead {
        /// The database's height.
        database: i64,
        /// The node's.
        node: u64,
    },
    /// The database's newest block is not the node's.
    #[error("block {height} of the database is {database}, the node's is {node}: they are not of one chain")]
    Forked {
        /// The height.
        height: u64,
        /// The hash in the database.
        database: String,
        /// The node's.
        node: B256,
    },
    /// Somebody has changed the database.
    #[error(
        "somebody other than the projector has changed the database: {what}; `concordat audit verify-projection` says \
         where, then restore it from a backup or fill an empty one"
    )]
    Edited {
        /// What gives it away.
        what: String,
    },
    /// The node does not have what is to be written next.
    #[error(
        "the node holds nothing below block {floor}, and block {next} comes next: name the store of a node that never pruned"
    )]
    Pruned {
        /// The lowest height that the node has.
        floor: u64,
        /// The next height.
        next: u64,
    },
    /// No more ABIs can be registered.
    #[error(
        "the database has {have} registered ABIs, which is all that it may have; remove some that are not needed"
    )]
    TooManyAbis {
        /// How many it has.
        have: i64,
    },
    /// Whose log of reads it is, cannot be told.
    #[error(
        "{} have anchored logs of reads on this chain: name the organisation whose log this is (`--organisation`)",
        .organisations.join(", ")
    )]
    SeveralLogs {
        /// The organisations.
        organisations: Vec<String>,
    },
    /// A range without anything in it.
    #[error("nothing to verify from {from} to {to}: the database holds blocks up to {height}")]
    NoRange {
        /// From here.
        from: u64,
        /// To here.
        to: u64,
        /// Where the database stands.
        height: i64,
    },
}

impl SqlError {
    /// A closure that says what was being done.
    pub(crate) fn at(doing: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Database { doing, source }
    }

    /// What diesel failed at, and why.
    pub(crate) fn migration(doing: impl Into<String>, reason: &impl ToString) -> Self {
        Self::Migration { doing: doing.into(), reason: reason.to_string() }
    }

    /// Whether it may pass by itself: a database that is away, is starting, or has not noticed yet that the projector
    /// before this one is gone.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Connect(source) | Self::Database { source, .. } => is_away(source),
            Self::Busy => true,
            _ => false,
        }
    }

    /// Whether the database gave up a statement that took too long.
    pub fn took_too_long(&self) -> bool {
        match self {
            Self::Database { source: sqlx::Error::Database(said), .. } => {
                said.code().as_deref() == Some("57014")
            }
            _ => false,
        }
    }
}

/// Connection failures (class 08), a server that shuts down, crashes or starts (57P01 to 57P03), too many clients.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(said) => said.code().is_some_and(|code| {
            code.starts_with("08") || matches!(&*code, "57P01" | "57P02" | "57P03" | "53300")
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_waited_for_and_one_that_refuses_is_not() {
        let gone = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(SqlError::Connect(sqlx::Error::Io(gone)).may_pass());
        assert!(SqlError::Busy.may_pass());
        assert!(!SqlError::at("write")(sqlx::Error::RowNotFound).may_pass());
        assert!(!SqlError::SchemaOlder { missing: vec!["1".into()] }.may_pass());
    }
}
