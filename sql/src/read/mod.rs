//! What the service of supervisors reads, and the log of what was read.
//!
//! ```text
//!  list (declared) + filters + scope + cursor ─▶ query (pure) ─▶ one statement ─▶ rows as JSON
//! ```
//!
//! Invariants: no value that a caller brings becomes part of a statement's text, only a bound parameter; names of tables and
//! columns come from [`LISTS`] alone. Everything is read as of a block that the projection has, so that an answer is one
//! picture. A scope leaves rows out within the statement, never after it. A page is all that there is up to where the next one
//! begins, and takes a bounded amount of work.

mod attendance;
mod balances;
mod catalogue;
mod cover;
mod findings;
mod flows;
mod journal;
mod log;
mod log_verify;
mod page;
mod picture;
mod query;
mod registry;
mod scope;
mod sparse;
mod walk;

use std::time::Duration;

use sqlx::{
    Connection as _, Executor as _, PgPool, Row as _,
    postgres::{PgPoolOptions, PgRow},
};

pub use attendance::{Absent, Attendance};
pub use balances::Holdings;
pub use catalogue::{Filter, Kind, LISTS, List, Order, STANDS};
pub use findings::{FINDING_COLUMNS, FindingsPage, FindingsWanted};
pub use flows::{Direction, FlowError, FlowQuery, Flows, MOST_HOPS, Start};
pub use journal::Work;
pub use log::{Entry, Head, Held, ReadLog};
pub use log_verify::{Flaw, LogVerified, verify_reads};
pub use page::{Page, PageError, Position, moment};
pub use query::{Bind, Chosen, Query, RequestError, Wanted, address};
pub use registry::{Account, MandateFacts};
pub use scope::Scope;

use crate::{Database, SqlError, database::check_schema};

/// How long a statement may take.
const STATEMENT: Duration = Duration::from_secs(5);

/// How long a request waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(3);

/// The block as of which is read: the newest that the projection has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The chain.
    pub chain_id: String,
    /// Its height.
    pub height: i64,
    /// Its hash.
    pub hash: Vec<u8>,
    /// Its time, in milliseconds since 1970.
    pub time_ms: i64,
    /// The digest over all rows.
    pub digest: Vec<u8>,
}

/// Reads the ledger from the database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    pool: PgPool,
    covers: cover::Covers,
    work: Work,
}

impl Reader {
    /// Connections of so many at most. The schema is held against the program's with each one that is made, so that a
    /// database that was migrated meanwhile is refused.
    ///
    /// # Errors
    /// [`SqlError::Connect`], [`SqlError::SchemaOlder`], [`SqlError::SchemaNewer`].
    pub async fn open(database: &Database, connections: u32) -> Result<Self, SqlError> {
        let mut first = database.connect().await?;
        check_schema(&mut first).await?;
        first.close().await.map_err(SqlError::Connect)?;
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            .max_lifetime(Duration::from_secs(60))
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // Other processes would be taken from others who ask; and a bitmap is of all rows before the first one is
                    // read, so that no LIMIT bounds it.
                    let settings = format!(
                        "SET statement_timeout = {}; SET default_transaction_read_only = on; SET jit = off; \
                         SET plan_cache_mode = force_custom_plan; SET max_parallel_workers_per_gather = 0; \
                         SET enable_bitmapscan = off",
                        STATEMENT.as_millis()
                    );
                    connection.execute(settings.as_str()).await?;
                    // What is wrong with it is told by `schema`, which whoever gets no connection asks.
                    check_schema(connection).await.map_err(|error| sqlx::Error::Protocol(error.to_string()))
                })
            })
            .connect_lazy_with(database.options().clone());
        Ok(Self { pool, covers: cover::Covers::default(), work: Work::default() })
    }

    /// The same, with another bound to what is done for a page.
    pub fn with_work(self, work: Work) -> Self {
        Self { work, ..self }
    }

    /// Whether the schema is the program's.
    ///
    /// # Errors
    /// [`SqlError::Connect`], [`SqlError::SchemaOlder`], [`SqlError::SchemaNewer`].
    pub async fn schema(&self, database: &Database) -> Result<(), SqlError> {
        let mut connection = database.connect().await?;
        check_schema(&mut connection).await
    }

    /// The newest block; none while the projection has not begun.
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn tip(&self) -> Result<Option<Tip>, SqlError> {
        let query = "SELECT c.chain_id, c.height, c.block_hash, b.time_ms, c.digest
            FROM ledger.projection_cursor c JOIN ledger.blocks b ON b.height = c.height";
        let row: Option<PgRow> = sqlx::query(query)
            .fetch_optional(&self.pool)
            .await
            .map_err(SqlError::at("read the newest block"))?;
        let Some(row) = row else { return Ok(None) };
        let failed = || SqlError::at("read the newest block");
        Ok(Some(Tip {
            chain_id: row.try_get(0).map_err(failed())?,
            height: row.try_get(1).map_err(failed())?,
            hash: row.try_get(2).map_err(failed())?,
            time_ms: row.try_get(3).map_err(failed())?,
            digest: row.try_get(4).map_err(failed())?,
        }))
    }

    /// The first height at or after a time, or the last one before it.
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn height_at(&self, time_ms: i64, edge: Edge) -> Result<Option<i64>, SqlError> {
        let query = match edge {
            Edge::FirstFrom => {
                "SELECT height FROM ledger.blocks WHERE time >= to_timestamp($1::bigint / 1000.0) ORDER BY time, height LIMIT 1"
            }
            Edge::LastUntil => {
                "SELECT height FROM ledger.blocks WHERE time <= to_timestamp($1::bigint / 1000.0) ORDER BY time DESC, height DESC LIMIT 1"
            }
        };
        let height = sqlx::query_scalar(query).bind(time_ms).fetch_optional(&self.pool).await;
        height.map_err(SqlError::at("find the block at a time"))
    }
}

/// Which block a time means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The first one at that time or later.
    FirstFrom,
    /// The last one at that time or earlier.
    LastUntil,
}
