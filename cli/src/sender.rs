//! Who acts on one of the chain's own contracts, through which node: a call that is sent, or signed for another machine.

use alloy_primitives::{Address, TxKind};
use alloy_sol_types::SolCall;
use clap::Args;
use eyre::Result;
use serde_json::Value;

use crate::{
    client::{Client, NodeArgs},
    keys::{self, KeyArgs},
    output,
    transaction::{self, Act, OfflineArgs},
};

/// Who acts, through which node.
#[derive(Args, Clone)]
pub struct SenderArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    #[command(flatten)]
    pub node: NodeArgs,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// How much gas an act gets.
#[derive(Clone, Copy, Debug)]
pub enum Gas {
    /// What it is estimated to need, and no less than this: others' acts that come first may make it dearer.
    AtLeast(u64),
    /// So much.
    Exactly(u64),
}

/// What became of an act.
pub enum Done {
    /// It was signed, not sent.
    Signed(Value),
    /// It is in a block: the receipt.
    Executed(Value),
}

impl SenderArgs {
    /// Sends a call and says what it did, or prints it signed with `--offline`.
    pub fn send(
        &self,
        (to, gas): (Address, Gas),
        call: &impl SolCall,
        json: bool,
        human: impl FnOnce(&Value) -> String,
    ) -> Result<()> {
        match self.act(&self.node.connect()?, (to, gas), call)? {
            Done::Signed(signed) => show_signed(&signed, json),
            Done::Executed(receipt) => output::show(json, &receipt, human),
        }
    }

    /// Sends a call, or signs the transaction only. What would be refused is refused before.
    pub fn act(&self, client: &Client, (to, gas): (Address, Gas), call: &impl SolCall) -> Result<Done> {
        let key = self.key.open()?;
        let given = match gas {
            Gas::Exactly(gas) => Some(gas),
            Gas::AtLeast(_) => None,
        };
        let mut act = Act { to: TxKind::Call(to), input: call.abi_encode().into(), gas: given };
        if let Some(signed) = self.offline.signed(client, &key, &act)? {
            return Ok(Done::Signed(signed));
        }
        if let Gas::AtLeast(least) = gas {
            act.gas = Some(transaction::estimate(client, keys::address(&key)?, &act)?.max(least));
        }
        Ok(Done::Executed(transaction::execute(client, &key, &act)?))
    }
}

/// Prints a transaction that was signed and not sent.
pub fn show_signed(signed: &Value, json: bool) -> Result<()> {
    output::show(json, signed, |signed| format!("{signed:#}"))
}
