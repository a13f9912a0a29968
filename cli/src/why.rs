//! `concordat why`: may this account do that, and why; decided on this machine by the functions that blocks are
//! executed with.
//!
//! The entries of the state that the decision rests on come from a node: by its word, at any height that it keeps, or
//! each with a proof under headers that a quorum signed.

use alloy_primitives::{Address, FixedBytes};
use clap::Args;
use concordat_light::Question;
use eyre::Result;

use crate::{contract, output, remote::StateArgs};

/// Arguments of `concordat why`.
#[derive(Args)]
pub struct WhyArgs {
    /// Who would sign.
    account: Address,
    /// The contract that it would call.
    #[arg(required_unless_present = "deploy", conflicts_with = "deploy")]
    contract: Option<Address>,
    /// The method, `transfer(address,uint256)` or `0xa9059cbb`; a call without data if absent.
    #[arg(value_parser = contract::parse_method)]
    method: Option<FixedBytes<4>>,
    /// To make a contract, instead of calling one.
    #[arg(long)]
    deploy: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// Runs `concordat why`. Exit code 3: what the node says is not what was signed.
pub fn run(args: &WhyArgs, json: bool) -> Result<()> {
    let question = Question { account: args.account, contract: args.contract, method: args.method };
    let (state, grounds) = args.state.read(|state| concordat_light::explanation(state, &question))?;
    let said = concordat_light::told(&question, &state, grounds.as_ref())?;
    output::show(json, &said, |_| {
        format!("{}\n{}", concordat_light::describe(&question, grounds.as_ref()), state.describe())
    })
}
