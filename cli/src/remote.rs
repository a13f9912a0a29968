//! Which state of a chain is read, from which node, and whom to believe.

use std::path::PathBuf;

use clap::Args;
use concordat_light::RemoteState;
use concordat_types::Genesis;
use eyre::{Report, Result, WrapErr as _};

use crate::client::TlsArgs;

/// How often entries are proved anew if blocks that come meanwhile change some of them.
const ATTEMPTS: usize = 3;

/// Which state, from which node, and whom to believe.
#[derive(Args)]
pub struct StateArgs {
    /// As the state stood after this block; the newest if absent.
    #[arg(long)]
    pub height: Option<u64>,
    /// Prove each entry that is read, from this genesis document on; at the newest height only.
    #[arg(long, value_name = "FILE", conflicts_with = "height")]
    genesis: Option<PathBuf>,
    /// CometBFT RPC of any node.
    #[arg(long, value_name = "URL", env = "CONCORDAT_COMET", default_value = "http://127.0.0.1:26657")]
    comet: String,
    #[command(flatten)]
    tls: TlsArgs,
}

impl StateArgs {
    /// What can be told from the state, and the state behind it.
    pub fn read<T, E: Into<Report>>(
        &self,
        tell: impl Fn(&RemoteState) -> Result<T, E>,
    ) -> Result<(RemoteState, T)> {
        let mut attempts = 1;
        loop {
            let state = self.open()?;
            match tell(&state) {
                Ok(told) => return Ok((state, told)),
                // Entries of different blocks may contradict each other.
                Err(_) if attempts < ATTEMPTS && state.spans_blocks() => attempts += 1,
                Err(error) => return Err(state.take_failure().map_or_else(|| error.into(), Report::from)),
            }
        }
    }

    fn open(&self) -> Result<RemoteState> {
        let client = self.tls.connect(&self.comet)?;
        let Some(file) = &self.genesis else { return Ok(RemoteState::told(client, self.height)?) };
        let text = std::fs::read_to_string(file).wrap_err_with(|| format!("genesis {}", file.display()))?;
        Ok(RemoteState::proved(client, &Genesis::from_json(&text)?)?)
    }
}
