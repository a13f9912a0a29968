//! `concordat order`: what regulators order, confirm and release, and the heads of their logs of reads.

mod list;

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::{SolCall, SolEvent as _};
use clap::{Args, Subcommand, ValueEnum};
use concordat_core::{ORDERS, orders::abi::IOrders};
use concordat_types::OrgId;
use eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::{Value, json};

use crate::{
    client::{Client, NodeArgs},
    gov::propose::BasisArgs,
    output,
    sender::{Done, Gas, SenderArgs, show_signed},
};

/// The least gas of an act on orders: what was ordered before on the same target makes it dearer to judge.
pub const LEAST_GAS: u64 = 2_000_000;

/// An act on orders.
const ORDER: (Address, Gas) = (ORDERS, Gas::AtLeast(LEAST_GAS));

/// Subcommands of `concordat order`.
#[derive(Subcommand)]
pub enum OrderCommand {
    /// Freeze an account, as a regulator: at once, and until it lapses unless somebody confirms it.
    Freeze(FreezeArgs),
    /// Shut an identity out, with the subject of its certificate.
    Blacklist(BlacklistArgs),
    /// Refuse all calls of a contract.
    Halt(HaltArgs),
    /// Demand that an organisation, or whoever administers a contract, corrects something.
    Demand(DemandArgs),
    /// Confirm another regulator's order, which is printed, so that it does not lapse.
    Confirm(ConfirmArgs),
    /// Release your own order.
    Release(EndArgs),
    /// Answer a demand, as a registrar of the organisation that it is addressed to.
    Answer(EndArgs),
    /// All orders, newest last.
    List(list::OrdersArgs),
    /// An order, and what has become of it.
    Show {
        /// The order's number.
        id: u64,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Put the head of your organisation's log of reads on chain; `concordat audit anchor-reads` does so by itself.
    AnchorReads(AnchorArgs),
}

/// What an account is kept from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// Whatever it sends, renewals included.
    All,
    /// Its business: deployments and calls of contracts.
    Outgoing,
    /// Its calls of one contract.
    Contract,
    /// Its tokens of one contract stay where they are, whoever moves them.
    Token,
}

impl Scope {
    const fn code(self) -> u8 {
        match self {
            Self::All => 1,
            Self::Outgoing => 2,
            Self::Contract => 3,
            Self::Token => 4,
        }
    }
}

/// Arguments of `concordat order freeze`.
#[derive(Args)]
pub struct FreezeArgs {
    /// The account.
    account: Address,
    #[command(flatten)]
    basis: BasisArgs,
    /// What is refused.
    #[arg(long, value_enum, default_value = "all")]
    scope: Scope,
    /// The contract or the token of the scopes of one.
    #[arg(long, value_name = "ADDRESS")]
    contract: Option<Address>,
    /// The last height at which it binds; without, until it is released.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    until: u64,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Arguments of `concordat order blacklist`.
#[derive(Args)]
pub struct BlacklistArgs {
    /// An account of the identity.
    account: Address,
    #[command(flatten)]
    basis: BasisArgs,
    /// The last height at which it binds; without, until it is released.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    until: u64,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Arguments of `concordat order halt`.
#[derive(Args)]
pub struct HaltArgs {
    /// The contract.
    contract: Address,
    #[command(flatten)]
    basis: BasisArgs,
    /// The last height at which it binds; without, until it is released.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    until: u64,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Arguments of `concordat order demand`.
#[derive(Args)]
pub struct DemandArgs {
    /// The organisation that is to correct something.
    #[arg(
        long,
        value_name = "ORGANISATION",
        required_unless_present = "contract",
        conflicts_with = "contract"
    )]
    organisation: Option<OrgId>,
    /// The contract of which something is to be corrected.
    #[arg(long, value_name = "ADDRESS")]
    contract: Option<Address>,
    #[command(flatten)]
    basis: BasisArgs,
    /// The height by which it is to be answered.
    #[arg(long, value_name = "HEIGHT")]
    due: u64,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Arguments of `concordat order confirm`.
#[derive(Args)]
pub struct ConfirmArgs {
    /// The order's number.
    id: u64,
    /// Confirm only if the order has this digest, and do not ask the node for it.
    #[arg(long, value_name = "DIGEST")]
    expect_digest: Option<B256>,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Arguments of `concordat order release` and `answer`.
#[derive(Args)]
pub struct EndArgs {
    /// The order's number.
    id: u64,
    #[command(flatten)]
    basis: BasisArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Arguments of `concordat order anchor-reads`.
#[derive(Args)]
pub struct AnchorArgs {
    /// The head of the log's hash chain.
    head: B256,
    /// How many reads it counts.
    count: u64,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Runs `concordat order`.
pub fn run(command: OrderCommand, json: bool) -> Result<()> {
    match command {
        OrderCommand::Freeze(args) => freeze(&args, json),
        OrderCommand::Blacklist(BlacklistArgs { account, basis, until, sender }) => {
            let basis = basis.read()?;
            let (document, reference) = (basis.document, basis.reference);
            let call = IOrders::blacklistCall { account, document, documentReference: reference, until };
            impose(&sender, &call, json)
        }
        OrderCommand::Halt(HaltArgs { contract, basis, until, sender }) => {
            let basis = basis.read()?;
            let (document, reference) = (basis.document, basis.reference);
            let call = IOrders::haltCall {
                contractAddress: contract,
                document,
                documentReference: reference,
                until,
            };
            impose(&sender, &call, json)
        }
        OrderCommand::Demand(args) => demand(&args, json),
        OrderCommand::Confirm(args) => confirm(&args, json),
        OrderCommand::Release(EndArgs { id, basis, sender }) => {
            let basis = basis.read()?;
            let (document, reference) = (basis.document, basis.reference);
            let call = IOrders::releaseCall { id, document, documentReference: reference };
            sender.send(ORDER, &call, json, |_| format!("order {id} is released"))
        }
        OrderCommand::Answer(EndArgs { id, basis, sender }) => {
            let basis = basis.read()?;
            let (document, reference) = (basis.document, basis.reference);
            let call = IOrders::answerCall { id, document, documentReference: reference };
            sender.send(ORDER, &call, json, |_| format!("demand {id} is answered"))
        }
        OrderCommand::List(args) => list::orders(&args, json),
        OrderCommand::Show { id, node } => show(&node.connect()?, id, json),
        OrderCommand::AnchorReads(AnchorArgs { head, count, sender }) => {
            let call = IOrders::anchorReadsCall { head, count };
            sender.send(ORDER, &call, json, |_| format!("anchored {count} reads, head {head}"))
        }
    }
}

fn freeze(args: &FreezeArgs, json: bool) -> Result<()> {
    let named = matches!(args.scope, Scope::Contract | Scope::Token);
    if named != args.contract.is_some() {
        bail!("the scopes contract and token need --contract, and the others take none");
    }
    let basis = args.basis.read()?;
    let call = IOrders::freezeCall {
        account: args.account,
        scope: args.scope.code(),
        contractAddress: args.contract.unwrap_or_default(),
        document: basis.document,
        documentReference: basis.reference,
        until: args.until,
    };
    impose(&args.sender, &call, json)
}

fn demand(args: &DemandArgs, json: bool) -> Result<()> {
    let basis = args.basis.read()?;
    let call = IOrders::demandCall {
        organisation: args.organisation.as_ref().map(ToString::to_string).unwrap_or_default(),
        contractAddress: args.contract.unwrap_or_default(),
        document: basis.document,
        documentReference: basis.reference,
        due: args.due,
    };
    impose(&args.sender, &call, json)
}

/// A confirmation binds the order that was seen elsewhere, or the one that is printed here.
fn confirm(args: &ConfirmArgs, json: bool) -> Result<()> {
    let id = args.id;
    let digest = match args.expect_digest {
        Some(digest) => digest,
        None => {
            let order = ask(&args.sender.node.connect()?, &IOrders::orderCall { id })?;
            output::progress(json, list::describe(&order));
            order.digest
        }
    };
    args.sender
        .send(ORDER, &IOrders::confirmCall { id, digest }, json, |_| format!("order {id} is confirmed"))
}

fn show(client: &Client, id: u64, json: bool) -> Result<()> {
    let order = ask(client, &IOrders::orderCall { id })?;
    output::show(json, &list::said(&order), |_| list::describe(&order))
}

/// Asks the contract of orders, at the newest height.
pub fn ask<C: SolCall>(client: &Client, call: &C) -> Result<C::Return> {
    let request = json!({ "to": ORDERS, "input": Bytes::from(call.abi_encode()) });
    let answer: Bytes = serde_json::from_value(client.call("eth_call", json!([request, "latest"]))?)?;
    C::abi_decode_returns(&answer).wrap_err("the node does not answer as the contract of orders does")
}

/// Sends an order and says its number, or prints it signed with `--offline`.
fn impose(sender: &SenderArgs, call: &impl SolCall, json: bool) -> Result<()> {
    let receipt = match sender.act(&sender.node.connect()?, ORDER, call)? {
        Done::Signed(signed) => return show_signed(&signed, json),
        Done::Executed(receipt) => receipt,
    };
    let imposed = imposed(&receipt)?;
    let said = json!({
        "id": imposed.id,
        "target": imposed.target,
        "issuer": imposed.issuer,
        "digest": imposed.digest,
        "lapses": imposed.lapses,
        "block": receipt["blockNumber"],
        "transaction": receipt["transactionHash"],
    });
    output::show(json, &said, |_| {
        format!(
            "order {} binds; it lapses after height {} unless another regulator or the committee confirms it",
            imposed.id, imposed.lapses
        )
    })
}

/// The event of an order's receipt.
fn imposed(receipt: &Value) -> Result<IOrders::OrderImposed> {
    let logs: Vec<alloy_primitives::Log> = serde_json::from_value(receipt["logs"].clone())?;
    let mut events = logs.iter().filter_map(|log| IOrders::OrderImposed::decode_log(log).ok());
    let event = events.next().ok_or_else(|| eyre!("the receipt has no OrderImposed event"))?;
    Ok(event.data)
}
