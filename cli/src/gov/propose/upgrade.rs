//! Proposals of another implementation for a governed proxy, and of the call that migrates its storage.

use alloy_primitives::{Address, Bytes};
use clap::Args;
use concordat_governance::Action;
use eyre::Result;

use super::{SenderArgs, args::Proposable};
use crate::contract;

#[derive(Args)]
pub struct UpgradeArgs {
    /// The proxy.
    contract: Address,
    /// What its calls are to be handed on to; an earlier implementation to roll back.
    implementation: Address,
    /// A function of the new implementation, `migrate(uint256)`, that the proxy is called with in the same execution; its
    /// arguments behind.
    #[arg(long, value_name = "FUNCTION")]
    migrate: Option<String>,
    /// The arguments of that function.
    #[arg(value_name = "ARGUMENT", requires = "migrate")]
    arguments: Vec<String>,
    /// The same call as bytes in hex, or a file that holds them.
    #[arg(long, value_name = "HEX", conflicts_with_all = ["migrate", "arguments"])]
    migrate_data: Option<String>,
}

impl UpgradeArgs {
    fn migration(&self) -> Result<Option<Bytes>> {
        match (&self.migrate, &self.migrate_data) {
            (Some(function), _) => Ok(Some(contract::encode_call(function, &self.arguments)?.1)),
            (None, Some(data)) => contract::read_hex(data).map(Some),
            (None, None) => Ok(None),
        }
    }
}

impl Proposable for UpgradeArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let (contract, implementation, migration) = (self.contract, self.implementation, self.migration()?);
        Ok(Action::UpgradeContract { contract, implementation, migration })
    }
}
