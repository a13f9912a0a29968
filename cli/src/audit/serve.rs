//! `concordat audit serve`: the service of supervisors.

use std::path::{Path, PathBuf};

use clap::Args;
use concordat_monitoring::LogFormat;
use concordat_regulator_api::Config;
use eyre::{Result, WrapErr as _};
use serde_json::json;

use super::database::{DatabaseArgs, runtime};
use crate::{output, stop};

/// Arguments of `concordat audit serve`.
#[derive(Args)]
pub struct ServeArgs {
    /// The configuration file (docs/regulator-api.md).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    at: DatabaseArgs,
    /// What is logged to standard error: a level, or target=level pairs.
    #[arg(long, default_value = "info")]
    log: String,
}

/// Runs `concordat audit serve` until SIGTERM or Ctrl-C.
pub fn run(args: &ServeArgs, json: bool) -> Result<()> {
    let database = args.at.database()?;
    let config = read(&args.config)?;
    let passphrase = match &config.passphrase_file {
        Some(file) => first_line(file)?,
        None => Vec::new(),
    };
    let format = if json { LogFormat::Json } else { LogFormat::Text };
    concordat_monitoring::init_log(&args.log, format)?;
    let address = config.listen;
    output::progress(json, format!("supervisors connect to {address}"));
    let serving = concordat_regulator_api::serve(config, passphrase, database, stop::asked());
    runtime()?.block_on(serving)?;
    output::show(json, &json!({ "stopped": true }), |_| "stopped".to_owned())
}

/// Reads the configuration. Files that it names are sought from its folder.
fn read(path: &Path) -> Result<Config> {
    let text = std::fs::read_to_string(path).wrap_err_with(|| format!("configuration {}", path.display()))?;
    let mut config: Config =
        toml::from_str(&text).wrap_err_with(|| format!("configuration {}", path.display()))?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    for file in [&mut config.certificate, &mut config.key, &mut config.token_keys] {
        *file = folder.join(&file);
    }
    config.passphrase_file = config.passphrase_file.map(|file| folder.join(file));
    if let Some(node) = &mut config.node {
        node.genesis = folder.join(&node.genesis);
    }
    if let Some(seal) = &mut config.seal {
        seal.key = folder.join(&seal.key);
        seal.certificate = folder.join(&seal.certificate);
        seal.roots = seal.roots.take().map(|roots| folder.join(roots));
    }
    Ok(config)
}

fn first_line(file: &Path) -> Result<Vec<u8>> {
    let text =
        std::fs::read_to_string(file).wrap_err_with(|| format!("passphrase file {}", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().as_bytes().to_vec())
}
