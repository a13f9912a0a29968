//! Orders as a Solidity contract: decodes calls, charges, and hands them to acts and views.

use alloy_primitives::Address;
use alloy_sol_types::{SolCall as _, SolValue as _};
use concordat_governance::{
    action::Basis,
    order::{Measure, OrderRefusal, Target, Terms},
};
use concordat_types::{B256, Bytes};

use super::{
    abi::IOrders::{self as abi, IOrdersCalls as Calls},
    acts, anchors, views,
};
use crate::{
    governance::{ChainFacts, revert},
    system::{self, GasMeter, ORDERS, Reply, Rows, SystemCall, SystemContract, SystemError, malformed},
};

/// The most call data of any function, in bytes.
const MAX_CALL_BYTES: usize = 2 * 1024;

/// Version of the interface.
const VERSION: u64 = 1;

/// The contract of regulators' orders.
#[derive(Clone, Copy, Debug)]
pub struct Orders;

/// Functions that change something.
const fn changes(selector: [u8; 4]) -> bool {
    matches!(
        selector,
        abi::freezeCall::SELECTOR
            | abi::blacklistCall::SELECTOR
            | abi::haltCall::SELECTOR
            | abi::demandCall::SELECTOR
            | abi::confirmCall::SELECTOR
            | abi::releaseCall::SELECTOR
            | abi::answerCall::SELECTOR
            | abi::anchorReadsCall::SELECTOR
    )
}

impl SystemContract for Orders {
    const ADDRESS: Address = ORDERS;

    fn call(call: &SystemCall, rows: &mut impl Rows, meter: &mut GasMeter) -> Result<Reply, SystemError> {
        let asked = system::decode(call, meter, changes, MAX_CALL_BYTES)?;
        let facts = &mut ChainFacts::of(call, rows, meter);
        let reply = reply(call.caller, asked, facts)?;
        if let Some(effects) = &reply.effects {
            meter.charge(effects.gas())?;
        }
        Ok(reply)
    }
}

fn reply<R: Rows>(
    sender: Address,
    asked: Calls,
    facts: &mut ChainFacts<'_, R>,
) -> Result<Reply, SystemError> {
    match asked {
        Calls::freeze(asked) => {
            let measure = scope(asked.scope, asked.contractAddress)?;
            let basis = basis(asked.document, asked.documentReference);
            let target = Target::Account(asked.account);
            acts::impose(facts, sender, Terms { measure, target, basis, until: asked.until })
        }
        Calls::blacklist(asked) => {
            let (measure, target) = (Measure::Blacklist, Target::Account(asked.account));
            let basis = basis(asked.document, asked.documentReference);
            acts::impose(facts, sender, Terms { measure, target, basis, until: asked.until })
        }
        Calls::halt(asked) => {
            let (measure, target) = (Measure::Halt, Target::Contract(asked.contractAddress));
            let basis = basis(asked.document, asked.documentReference);
            acts::impose(facts, sender, Terms { measure, target, basis, until: asked.until })
        }
        Calls::demand(asked) => {
            let target = addressee(&asked.organisation, asked.contractAddress)?;
            let basis = basis(asked.document, asked.documentReference);
            acts::impose(facts, sender, Terms { measure: Measure::Demand, target, basis, until: asked.due })
        }
        Calls::confirm(asked) => acts::confirm(facts, sender, asked.id, asked.digest),
        Calls::release(asked) => {
            acts::release(facts, sender, asked.id, basis(asked.document, asked.documentReference))
        }
        Calls::answer(asked) => {
            acts::answer(facts, sender, asked.id, basis(asked.document, asked.documentReference))
        }
        Calls::anchorReads(asked) => anchors::anchor(facts, sender, asked.head, asked.count),
        asked => view(asked, facts).map(|output| Reply { output: Bytes::from(output), effects: None }),
    }
}

fn view<R: Rows>(asked: Calls, facts: &mut ChainFacts<'_, R>) -> Result<Vec<u8>, SystemError> {
    match asked {
        Calls::order(asked) => views::order(facts, asked.id),
        Calls::orders(asked) => views::orders(facts, asked.afterId, asked.limit),
        Calls::ordersOf(asked) => views::orders_of(facts, asked.target, asked.limit),
        Calls::ordersOfOrganisation(asked) => {
            views::orders_of_organisation(facts, &asked.organisation, asked.limit)
        }
        Calls::inForce(asked) => views::in_force(facts, asked.account),
        Calls::orderCount(_) => views::order_count(facts),
        Calls::readAnchor(asked) => views::read_anchor(facts, &asked.organisation),
        Calls::version(_) => Ok(VERSION.abi_encode()),
        _ => Err(malformed()),
    }
}

/// What a freeze of this scope does. Those of one contract or token name it, the others name none.
fn scope(code: u8, contract: Address) -> Result<Measure, SystemError> {
    let given = !contract.is_zero();
    let refusal = match (code, given) {
        (1, false) => return Ok(Measure::FreezeAll),
        (2, false) => return Ok(Measure::FreezeOutgoing),
        (3, true) => return Ok(Measure::FreezeContract(contract)),
        (4, true) => return Ok(Measure::FreezeToken(contract)),
        (1..=4, _) => OrderRefusal::ScopeOfContract { code, given },
        _ => OrderRefusal::UnknownScope { code },
    };
    Err(revert(&refusal.into()))
}

/// Whom a demand is about: an organisation or a contract, not both.
fn addressee(organisation: &str, contract: Address) -> Result<Target, SystemError> {
    match (organisation.parse(), contract.is_zero()) {
        (Ok(id), true) => Ok(Target::Organisation(id)),
        (Err(_), false) if organisation.is_empty() => Ok(Target::Contract(contract)),
        _ => Err(revert(&OrderRefusal::NoAddressee.into())),
    }
}

const fn basis(document: B256, reference: String) -> Basis {
    Basis { document, reference }
}
