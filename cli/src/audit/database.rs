//! The regulator's database: where it is, its schema, where it stands.

use std::path::PathBuf;

use clap::Args;
use concordat_sql::Database;
use eyre::{Result, WrapErr as _, eyre};
use serde_json::json;
use zeroize::Zeroizing;

use crate::output;

/// Where the database is.
#[derive(Args)]
pub struct DatabaseArgs {
    /// A file with the database's URL, such as `postgres://projector:password@host/ledger?sslmode=verify-full`. Absent: the
    /// environment's DATABASE_URL. An argument would show the password to everybody on the machine.
    #[arg(long, value_name = "FILE")]
    database_url_file: Option<PathBuf>,
}

impl DatabaseArgs {
    /// The database.
    pub fn database(&self) -> Result<Database> {
        let url = match &self.database_url_file {
            Some(file) => {
                let text = std::fs::read_to_string(file);
                Zeroizing::new(text.wrap_err_with(|| format!("the database's URL in {}", file.display()))?)
            }
            None => Zeroizing::new(std::env::var("DATABASE_URL").map_err(|_| {
                eyre!("no database is named; use --database-url-file or the environment's DATABASE_URL")
            })?),
        };
        Ok(Database::at(&url)?)
    }
}

/// Arguments of `concordat audit migrate`.
#[derive(Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    at: DatabaseArgs,
    /// Remove the schema instead. Every row is lost; they can be made again from the chain.
    #[arg(long)]
    revert: bool,
}

/// Arguments of `concordat audit status`.
#[derive(Args)]
pub struct StatusArgs {
    #[command(flatten)]
    at: DatabaseArgs,
}

/// A runtime for the database's connection.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Runs `concordat audit migrate`.
pub fn migrate(args: &MigrateArgs, json: bool) -> Result<()> {
    let database = args.at.database()?;
    let (done, names) = match args.revert {
        false => ("migrated", runtime()?.block_on(database.migrate())?),
        true => ("reverted", runtime()?.block_on(database.revert())?),
    };
    output::show(json, &json!({ done: names }), |_| match names.is_empty() {
        true => "there was nothing to do".to_owned(),
        false => format!("{done} {}", names.join(", ")),
    })
}

/// Runs `concordat audit status`.
pub fn status(args: &StatusArgs, json: bool) -> Result<()> {
    let status = runtime()?.block_on(concordat_sql::status(&args.at.database()?))?;
    output::show(json, &status, |status| match (&status.chain_id, status.height) {
        (Some(chain), Some(height)) => {
            let digest = status.digest.as_deref().unwrap_or_default();
            format!("{chain}, block {height}, digest {digest}")
        }
        _ => "nothing is written yet; run `concordat audit project`".to_owned(),
    })
}
