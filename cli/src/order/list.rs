//! `concordat order list` and `show`: orders, and what has become of them.

use alloy_primitives::Address;
use clap::{Args, ValueEnum};
use concordat_core::orders::abi::IOrders::{self as abi, Order};
use concordat_governance::order::{Measure, Status as Stands};
use eyre::Result;
use serde_json::{Value, json};

use super::ask;
use crate::{
    client::NodeArgs,
    list::{Entry, Page, PageArgs},
};

/// How many orders one call asks for.
const PAGE: u64 = 50;

/// Arguments of `concordat order list`.
#[derive(Args)]
pub struct OrdersArgs {
    /// Only those of this status.
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Only those about this account or contract.
    #[arg(long, value_name = "ADDRESS")]
    target: Option<Address>,
    /// Only those of this regulator.
    #[arg(long, value_name = "ADDRESS")]
    issuer: Option<Address>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// How an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Status {
    /// It binds, and lapses unless it is confirmed.
    Provisional,
    /// It binds.
    Confirmed,
    /// It was released or lifted.
    Released,
    /// Nobody confirmed it in time.
    Lapsed,
    /// Its issuer has put another in its place.
    Superseded,
    /// A demand that was answered.
    Answered,
    /// It was confirmed, and its last height is past.
    Over,
}

pub(super) fn orders(args: &OrdersArgs, json: bool) -> Result<()> {
    let client = args.node.connect()?;
    let mut after = args.page.after::<u64>()?.unwrap_or(0);
    let mut page = Page::default();
    loop {
        let orders = ask(&client, &abi::ordersCall { afterId: after, limit: PAGE })?;
        let Some(last) = orders.last() else { break };
        after = last.id;
        let mut wanted = orders.iter().filter(|order| args.wants(order));
        if !wanted.all(|order| page.push(entry(order), &args.page)) {
            break;
        }
    }
    page.show(json, "no order")
}

impl OrdersArgs {
    fn wants(&self, order: &Order) -> bool {
        let named = |status: Status| status.to_possible_value().map(|value| value.get_name().to_owned());
        let of = self.target.is_none_or(|it| it == order.account || it == order.contractAddress);
        let by = self.issuer.is_none_or(|it| it == order.issuer);
        of && by && self.status.is_none_or(|it| named(it).is_some_and(|name| name == status(order)))
    }
}

fn status(order: &Order) -> &'static str {
    Stands::from_code(order.status).map_or("unknown", Stands::name)
}

fn measure(order: &Order) -> String {
    let named =
        (!order.account.is_zero() && !order.contractAddress.is_zero()).then_some(order.contractAddress);
    let known = Measure::from_code(order.measure, named);
    known.map_or_else(|| format!("measure {}", order.measure), |known| known.name().to_owned())
}

fn target(order: &Order) -> String {
    match (order.account.is_zero(), order.contractAddress.is_zero()) {
        (false, true) => format!("account {}", order.account),
        (false, false) => format!("account {} at contract {}", order.account, order.contractAddress),
        (true, false) => format!("contract {}", order.contractAddress),
        (true, true) => format!("organisation {}", order.organisation),
    }
}

fn entry(order: &Order) -> Entry {
    let line = format!("{:>6}  {:<16} {:<11} {}", order.id, measure(order), status(order), target(order));
    Entry { key: order.id.to_string(), said: said(order), line }
}

/// An order for machines.
pub(super) fn said(order: &Order) -> Value {
    json!({
        "id": order.id,
        "measure": measure(order),
        "status": status(order),
        "account": (!order.account.is_zero()).then_some(order.account),
        "contract": (!order.contractAddress.is_zero()).then_some(order.contractAddress),
        "organisation": (!order.organisation.is_empty()).then_some(&order.organisation),
        "document": order.document,
        "reference": order.documentReference,
        "until": order.until,
        "issuer": order.issuer,
        "issuerOrganisation": order.issuerOrganisation,
        "issued": order.issued,
        "lapses": order.lapses,
        "digest": order.digest,
        "confirmed": (order.confirmed != 0).then(|| json!({
            "height": order.confirmed,
            "by": order.confirmedBy,
            "proposal": order.confirmedByProposal,
        })),
        "ended": (order.ended != 0).then(|| json!({
            "height": order.ended,
            "by": order.endedBy,
            "proposal": order.endedByProposal,
            "supersededBy": order.supersededBy,
            "document": order.endDocument,
            "reference": order.endReference,
        })),
        "before": order.before,
    })
}

/// An order for people.
pub(super) fn describe(order: &Order) -> String {
    let until = match order.until {
        0 => "until it is released".to_owned(),
        until => format!("through height {until}"),
    };
    let by = |identity: Address, proposal: u64| match proposal {
        0 => identity.to_string(),
        proposal => format!("proposal {proposal}"),
    };
    let mut lines = vec![
        format!("order {} ({}) on {} is {}", order.id, measure(order), target(order), status(order)),
        format!(
            "imposed at {} by {} of {}, {until}; lapses after {} unless it is confirmed",
            order.issued, order.issuer, order.issuerOrganisation, order.lapses
        ),
        format!("basis {:?} {}", order.documentReference, order.document),
        format!("digest {}", order.digest),
    ];
    if order.confirmed != 0 {
        let confirmer = by(order.confirmedBy, order.confirmedByProposal);
        lines.push(format!("confirmed at {} by {confirmer}", order.confirmed));
    }
    if order.ended != 0 && order.supersededBy != 0 {
        lines.push(format!("superseded at {} by order {}", order.ended, order.supersededBy));
    } else if order.ended != 0 {
        let who = by(order.endedBy, order.endedByProposal);
        lines.push(format!("ended at {} by {who}; basis {:?}", order.ended, order.endReference));
    }
    lines.join("\n")
}
