//! The connection to PostgreSQL, and whether its schema is this program's.

use std::{collections::BTreeSet, str::FromStr as _, sync::Arc};

use sqlx::{
    ConnectOptions as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgRow},
};

use crate::{SqlError, migrations, url};

/// How to reach the database. Its password never comes into a log or an error.
#[derive(Clone)]
pub struct Database {
    options: PgConnectOptions,
    /// The same for libpq.
    url: Arc<str>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

impl Database {
    /// The database at a URL.
    ///
    /// # Errors
    /// [`SqlError::Url`].
    pub fn at(url: &str) -> Result<Self, SqlError> {
        let url = url.trim();
        url::check(url).map_err(SqlError::Url)?;
        let options =
            PgConnectOptions::from_str(url).map_err(|_| SqlError::Url("it does not parse".into()))?;
        let options = options.application_name("concordat").disable_statement_logging();
        Ok(Self { options, url: url.into() })
    }

    /// The newest migration that the program knows.
    pub fn newest_migration() -> Option<String> {
        migrations::known().ok()?.into_values().next_back()
    }

    /// How to connect, for a pool.
    pub(crate) const fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> Result<PgConnection, SqlError> {
        self.options.connect().await.map_err(SqlError::Connect)
    }

    /// Runs the migrations that are missing; their names.
    ///
    /// # Errors
    /// [`SqlError::SchemaNewer`], and whatever the database says.
    pub async fn migrate(&self) -> Result<Vec<String>, SqlError> {
        self.by_diesel(migrations::run).await
    }

    /// Undoes all migrations: every row is lost. Their names.
    ///
    /// # Errors
    /// [`SqlError::SchemaNewer`], and whatever the database says.
    pub async fn revert(&self) -> Result<Vec<String>, SqlError> {
        self.by_diesel(migrations::revert).await
    }

    /// Migrates on a thread that may block, unless a newer program has migrated before.
    async fn by_diesel(
        &self,
        step: fn(&str) -> Result<Vec<String>, SqlError>,
    ) -> Result<Vec<String>, SqlError> {
        let applied = applied(&mut self.connect().await?).await?;
        check_known(&applied)?;
        let url = Arc::clone(&self.url);
        let done = tokio::task::spawn_blocking(move || step(&url)).await;
        done.map_err(|reason| SqlError::migration("migrate", &reason))?
    }
}

/// Refuses a schema that is not exactly this program's.
pub(crate) async fn check_schema(connection: &mut PgConnection) -> Result<(), SqlError> {
    let applied = applied(connection).await?;
    check_known(&applied)?;
    let known = migrations::known()?;
    let missing = known.into_iter().filter(|(version, _)| !applied.contains(version));
    let missing: Vec<String> = missing.map(|(_, name)| name).collect();
    if missing.is_empty() { Ok(()) } else { Err(SqlError::SchemaOlder { missing }) }
}

fn check_known(applied: &BTreeSet<String>) -> Result<(), SqlError> {
    let known = migrations::known()?;
    let unknown = applied.iter().filter(|version| !known.contains_key(*version));
    let unknown: Vec<String> = unknown.cloned().collect();
    if unknown.is_empty() { Ok(()) } else { Err(SqlError::SchemaNewer { unknown }) }
}

/// The versions of the migrations that have run; none where none ever has. By a query alone: who may only read asks too,
/// and diesel would make its table.
async fn applied(connection: &mut PgConnection) -> Result<BTreeSet<String>, SqlError> {
    let there = "SELECT to_regclass('public.__diesel_schema_migrations') IS NOT NULL";
    let there: bool = sqlx::query_scalar(there)
        .fetch_one(&mut *connection)
        .await
        .map_err(SqlError::at("look for its schema"))?;
    if !there {
        return Ok(BTreeSet::new());
    }
    let rows: Vec<PgRow> = sqlx::query("SELECT version FROM public.__diesel_schema_migrations")
        .fetch_all(connection)
        .await
        .map_err(SqlError::at("read which migrations have run"))?;
    let version = |row: &PgRow| row.try_get(0).map_err(SqlError::at("read which migrations have run"));
    rows.iter().map(version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_none_is_refused_without_being_told() {
        for url in ["mysql://u:secret@h/d", "postgres://u:secret@h:notaport/d", ""] {
            let error = Database::at(url).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let database = Database::at("postgres://u:secret@h/d").unwrap();
        assert!(!format!("{database:?}").contains("secret"));
    }
}
