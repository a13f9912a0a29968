//! The connection to PostgreSQL, and the schema in it.
//!
//! Migrations are in diesel's form and their bookkeeping is diesel's, so that its tool works on the database too; they
//! are run from within the program (docs/adr/0052).

use std::{collections::BTreeSet, str::FromStr as _};

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgRow},
};

use crate::SqlError;

/// A migration: its version and name, what makes it, what undoes it.
struct Migration {
    name: &'static str,
    up: &'static str,
    down: &'static str,
}

macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        /// All of them, in their order.
        const MIGRATIONS: &[Migration] = &[$( Migration {
            name: $name,
            up: include_str!(concat!("../migrations/", $name, "/up.sql")),
            down: include_str!(concat!("../migrations/", $name, "/down.sql")),
        }, )*];
    };
}

migrations!(
    "2026-11-26-000001_blocks",
    "2026-11-26-000002_tokens",
    "2026-11-26-000003_system",
    "2026-11-26-000004_reader",
    "2026-11-26-000007_watch",
);

/// Diesel's table of migrations that have run.
const BOOKKEEPING: &str = "CREATE TABLE IF NOT EXISTS public.__diesel_schema_migrations (
    version VARCHAR(50) PRIMARY KEY NOT NULL,
    run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
)";

impl Migration {
    /// As diesel has it: what stands before the first `_`, without dashes.
    fn version(&self) -> String {
        self.name.split('_').next().unwrap_or_default().replace('-', "")
    }
}

/// How to reach the database. Its password never comes into a log or an error.
#[derive(Clone)]
pub struct Database {
    options: PgConnectOptions,
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
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(SqlError::Url("it does not begin with postgres://".into()));
        }
        let options =
            PgConnectOptions::from_str(url).map_err(|_| SqlError::Url("it does not parse".into()))?;
        Ok(Self { options: options.application_name("concordat").disable_statement_logging() })
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
        let mut connection = self.connect().await?;
        connection.execute(BOOKKEEPING).await.map_err(SqlError::at("make diesel's table"))?;
        let applied = applied(&mut connection).await?;
        check_known(&applied)?;
        let mut done = Vec::new();
        for migration in MIGRATIONS.iter().filter(|migration| !applied.contains(&migration.version())) {
            let record = "INSERT INTO public.__diesel_schema_migrations (version) VALUES ($1)";
            step(&mut connection, migration, migration.up, record).await?;
            done.push(migration.name.to_owned());
        }
        Ok(done)
    }

    /// Undoes all migrations: every row is lost. Their names.
    ///
    /// # Errors
    /// [`SqlError::SchemaNewer`], and whatever the database says.
    pub async fn revert(&self) -> Result<Vec<String>, SqlError> {
        let mut connection = self.connect().await?;
        let applied = applied(&mut connection).await?;
        check_known(&applied)?;
        let mut done = Vec::new();
        for migration in MIGRATIONS.iter().rev().filter(|migration| applied.contains(&migration.version())) {
            let record = "DELETE FROM public.__diesel_schema_migrations WHERE version = $1";
            step(&mut connection, migration, migration.down, record).await?;
            done.push(migration.name.to_owned());
        }
        Ok(done)
    }
}

/// Runs one way of a migration and keeps account of it, both or none.
async fn step(
    connection: &mut PgConnection,
    migration: &Migration,
    sql: &'static str,
    record: &'static str,
) -> Result<(), SqlError> {
    let doing = || format!("run migration {}", migration.name);
    let mut transaction = connection.begin().await.map_err(SqlError::at(doing()))?;
    sqlx::raw_sql(sql).execute(&mut *transaction).await.map_err(SqlError::at(doing()))?;
    let recorded = sqlx::query(record).bind(migration.version()).execute(&mut *transaction).await;
    recorded.map_err(SqlError::at(doing()))?;
    transaction.commit().await.map_err(SqlError::at(doing()))
}

/// Refuses a schema that is not exactly this program's.
pub(crate) async fn check_schema(connection: &mut PgConnection) -> Result<(), SqlError> {
    let applied = applied(connection).await?;
    check_known(&applied)?;
    let missing: Vec<String> = MIGRATIONS
        .iter()
        .filter(|migration| !applied.contains(&migration.version()))
        .map(|migration| migration.name.to_owned())
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(SqlError::SchemaOlder { missing }) }
}

fn check_known(applied: &BTreeSet<String>) -> Result<(), SqlError> {
    let known: BTreeSet<String> = MIGRATIONS.iter().map(Migration::version).collect();
    let unknown: Vec<String> = applied.difference(&known).cloned().collect();
    if unknown.is_empty() { Ok(()) } else { Err(SqlError::SchemaNewer { unknown }) }
}

/// The versions of the migrations that have run; none where none ever has.
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
    use crate::tables::{Table, Type};

    #[test]
    fn migrations_are_in_order_and_each_can_be_undone() {
        let versions: Vec<String> = MIGRATIONS.iter().map(Migration::version).collect();
        assert!(versions.is_sorted() && versions.iter().all(|version| version.len() == 14), "{versions:?}");
        assert!(MIGRATIONS.iter().all(|migration| !migration.down.trim().is_empty()));
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_being_told() {
        for url in ["mysql://u:secret@h/d", "postgres://u:secret@h:notaport/d", ""] {
            let error = Database::at(url).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let database = Database::at("postgres://u:secret@h/d").unwrap();
        assert!(!format!("{database:?}").contains("secret"));
    }

    /// What a migration's text says of a table's columns, those aside that the database makes itself.
    fn declared(table: Table) -> Vec<String> {
        let head = format!("CREATE TABLE {table} (\n");
        let text = MIGRATIONS.iter().find_map(|migration| migration.up.split_once(&head)).unwrap().1;
        let body = text.split_once("\n)").unwrap().0;
        let columns = body.lines().map(|line| line.trim().trim_end_matches(','));
        columns
            .filter(|line| !line.starts_with("PRIMARY") && !line.contains("GENERATED"))
            .map(Into::into)
            .collect()
    }

    #[test]
    fn every_table_is_made_as_the_program_fills_it() {
        for table in Table::ALL {
            let declared = declared(*table);
            assert_eq!(declared.len(), table.columns().len(), "{table}");
            for (column, declared) in table.columns().iter().zip(&declared) {
                let holds = match column.holds {
                    Type::Int => "BIGINT",
                    Type::Number => "NUMERIC",
                    Type::Text => "TEXT",
                    Type::Bytes => "BYTEA",
                    Type::Bool => "BOOLEAN",
                    Type::Json => "JSONB",
                };
                let begins = format!("{} {holds}", column.name);
                assert!(declared.starts_with(&begins), "{table}: {declared}, the program has {begins}");
            }
            let key = format!("PRIMARY KEY ({})", table.position().join(", "));
            let up =
                MIGRATIONS.iter().find(|m| m.up.contains(&format!("CREATE TABLE {table} ("))).unwrap().up;
            let body =
                up.split_once(&format!("CREATE TABLE {table} (")).unwrap().1.split_once(";\n").unwrap().0;
            assert!(body.contains(&key), "{table} has no {key}");
            assert_eq!(body.contains("PARTITION BY RANGE (height)"), table.is_partitioned(), "{table}");
        }
    }
}
