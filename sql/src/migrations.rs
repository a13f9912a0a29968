//! The schema: diesel's migrations, part of the program, run by diesel over libpq (docs/adr/0052).
//!
//! Diesel's connections block: whoever calls this from a runtime does so on a thread for that.

use std::collections::BTreeMap;

use diesel::{
    Connection as _, PgConnection,
    connection::SimpleConnection as _,
    migration::{Migration, MigrationSource},
    pg::Pg,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use crate::{SqlError, url};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// The advisory lock of who migrates: "migrates" in ASCII.
const LOCK: i64 = 0x6d69_6772_6174_6573;

/// The names of all migrations by their versions.
pub(crate) fn known() -> Result<BTreeMap<String, String>, SqlError> {
    let all = all()?;
    Ok(all.iter().map(|migration| (version(migration.as_ref()), migration.name().to_string())).collect())
}

/// Runs the migrations that are missing, each in a transaction with its record; their names.
pub(crate) fn run(url: &str) -> Result<Vec<String>, SqlError> {
    let mut connection = connect(url)?;
    let failed = |reason: Reason| SqlError::migration("look which migrations have run", &reason);
    let pending = connection.pending_migrations(MIGRATIONS).map_err(failed)?;
    let mut done = Vec::new();
    for migration in pending {
        let name = migration.name().to_string();
        let ran = connection.run_migration(migration.as_ref()).map(|_| ());
        ran.map_err(|reason| SqlError::migration(format!("run migration {name}"), &reason))?;
        done.push(name);
    }
    Ok(done)
}

/// Undoes all that have run, the newest first; their names.
pub(crate) fn revert(url: &str) -> Result<Vec<String>, SqlError> {
    let mut connection = connect(url)?;
    let failed = |reason: Reason| SqlError::migration("look which migrations have run", &reason);
    let applied = connection.applied_migrations().map_err(failed)?;
    let mut done = Vec::new();
    for migration in all()?.iter().rev() {
        if !applied.contains(&migration.name().version()) {
            continue;
        }
        let name = migration.name().to_string();
        let reverted = connection.revert_migration(migration.as_ref()).map(|_| ());
        reverted.map_err(|reason| SqlError::migration(format!("undo migration {name}"), &reason))?;
        done.push(name);
    }
    Ok(done)
}

/// Why diesel fails at a migration.
type Reason = Box<dyn std::error::Error + Send + Sync>;

fn all() -> Result<Vec<Box<dyn Migration<Pg>>>, SqlError> {
    let all = MigrationSource::<Pg>::migrations(&MIGRATIONS);
    let mut all = all.map_err(|reason| SqlError::migration("list its migrations", &reason))?;
    all.sort_by_key(|migration| version(migration.as_ref()));
    Ok(all)
}

fn version(migration: &dyn Migration<Pg>) -> String {
    migration.name().version().to_string()
}

/// A connection that alone migrates, and whose bookkeeping stands in `public` whatever schema is named like its role.
fn connect(url: &str) -> Result<PgConnection, SqlError> {
    let connected = PgConnection::establish(url);
    let mut connection =
        connected.map_err(|said| SqlError::Libpq(url::without_secrets(url, &said.to_string())))?;
    let prepared = format!(
        "SET search_path TO public; SET application_name TO 'concordat'; SELECT pg_advisory_lock({LOCK})"
    );
    let failed = |reason| SqlError::migration("take the lock of who migrates", &reason);
    connection.batch_execute(&prepared).map_err(failed)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::tables::{Table, Type};

    #[test]
    fn the_program_carries_every_migration_of_the_folder_in_order() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned()).collect();
        names.sort();
        let known = known().unwrap();
        assert_eq!(known.values().cloned().collect::<Vec<_>>(), names);
        assert!(known.keys().all(|version| version.len() == 14), "{known:?}");
    }

    /// The text of all migrations, one way.
    fn text(way: &str) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let read = |name: &String| std::fs::read_to_string(folder.join(name).join(way)).unwrap();
        known().unwrap().values().map(read).collect()
    }

    #[test]
    fn each_migration_can_be_undone() {
        assert!(text("down.sql").iter().all(|text| !text.trim().is_empty()));
    }

    /// What makes a table, from its columns on.
    fn made(table: Table) -> String {
        let head = format!("CREATE TABLE {table} (\n");
        let texts = text("up.sql");
        let (_, body) = texts.iter().find_map(|text| text.split_once(&head)).unwrap();
        body.split_once(";\n").unwrap().0.to_owned()
    }

    /// The columns that a migration declares, those aside that the database makes itself.
    fn declared(table: Table) -> Vec<String> {
        let made = made(table);
        let columns = made.split_once("\n)").unwrap().0.lines();
        let columns = columns.map(|line| line.trim().trim_end_matches(','));
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
            let (made, key) = (made(*table), format!("PRIMARY KEY ({})", table.position().join(", ")));
            assert!(made.contains(&key), "{table} has no {key}");
            assert_eq!(made.contains("PARTITION BY RANGE (height)"), table.is_partitioned(), "{table}");
        }
    }
}
