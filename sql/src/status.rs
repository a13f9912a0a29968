//! Where a database stands.

use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    Database, SqlError,
    database::check_schema,
    write::{Cursor, read_cursor},
};

/// Where a database stands.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The chain; none while nothing was ever written.
    pub chain_id: Option<String>,
    /// The newest block.
    pub height: Option<i64>,
    /// Its hash.
    pub block_hash: Option<String>,
    /// The digest over all blocks.
    pub digest: Option<String>,
    /// The version of what rows are made of what.
    pub format: Option<i32>,
}

/// A connection that is asked again and again where a database stands.
#[derive(Debug)]
pub struct Probe {
    connection: PgConnection,
}

impl Probe {
    /// Connects.
    ///
    /// # Errors
    /// [`SqlError::Connect`], [`SqlError::SchemaOlder`], [`SqlError::SchemaNewer`].
    pub async fn open(database: &Database) -> Result<Self, SqlError> {
        let mut connection = database.connect().await?;
        check_schema(&mut connection).await?;
        Ok(Self { connection })
    }

    /// The newest block; below every block while nothing is written.
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn height(&mut self) -> Result<i64, SqlError> {
        sqlx::query_scalar("SELECT coalesce(max(height), -1) FROM ledger.projection_cursor")
            .fetch_one(&mut self.connection)
            .await
            .map_err(SqlError::at("read the cursor"))
    }
}

/// Where a database stands.
///
/// # Errors
/// [`SqlError::Connect`], [`SqlError::SchemaOlder`], [`SqlError::SchemaNewer`].
pub async fn status(database: &Database) -> Result<Status, SqlError> {
    let mut connection = database.connect().await?;
    check_schema(&mut connection).await?;
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM ledger.projection_cursor)")
        .fetch_one(&mut connection)
        .await
        .map_err(SqlError::at("look for its cursor"))?;
    if !there {
        return Ok(Status { chain_id: None, height: None, block_hash: None, digest: None, format: None });
    }
    let Cursor { chain_id, format, height, block_hash, digest } = read_cursor(&mut connection).await?;
    Ok(Status {
        chain_id: Some(chain_id),
        height: Some(height),
        block_hash: Some(hex::encode(block_hash)),
        digest: Some(hex::encode(digest)),
        format: Some(format),
    })
}
