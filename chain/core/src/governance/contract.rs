//! Governance as a Solidity contract: decodes calls, charges, and hands them to acts and views.

use alloy_primitives::Address;
use alloy_sol_types::{SolCall, SolValue as _};
use concordat_governance::action::MAX_PAYLOAD_BYTES;
use concordat_types::Bytes;

use super::{
    abi::IGovernance::{self as abi, IGovernanceCalls as Calls},
    acts,
    facts::ChainFacts,
    parameters, views,
};
use crate::system::{
    self, GOVERNANCE, GasMeter, Reply, Rows, SystemCall, SystemContract, SystemError, malformed,
};

/// The most call data of any function, in bytes: the longest payload, and what the ABI puts around it.
const MAX_CALL_BYTES: usize = MAX_PAYLOAD_BYTES + 256;

/// Version of the interface.
const VERSION: u64 = 1;

/// The committee's contract.
#[derive(Clone, Copy, Debug)]
pub struct Governance;

/// Functions that change something.
const fn changes(selector: [u8; 4]) -> bool {
    matches!(
        selector,
        abi::proposeCall::SELECTOR
            | abi::voteCall::SELECTOR
            | abi::revokeCall::SELECTOR
            | abi::vetoCall::SELECTOR
            | abi::consentCall::SELECTOR
            | abi::executeCall::SELECTOR
            | abi::announceVersionCall::SELECTOR
    )
}

impl SystemContract for Governance {
    const ADDRESS: Address = GOVERNANCE;

    fn call(call: &SystemCall, rows: &mut impl Rows, meter: &mut GasMeter) -> Result<Reply, SystemError> {
        let asked = system::decode(call, meter, changes, MAX_CALL_BYTES)?;
        let facts = &mut ChainFacts::of(call, rows, meter);
        let reply = answer(call, asked, facts)?;
        if let Some(effects) = &reply.effects {
            meter.charge(effects.gas())?;
        }
        Ok(reply)
    }
}

fn answer<R: Rows>(
    call: &SystemCall,
    asked: Calls,
    facts: &mut ChainFacts<'_, R>,
) -> Result<Reply, SystemError> {
    let sender = call.caller;
    match asked {
        Calls::propose(asked) => acts::propose(facts, sender, asked.kind, &asked.payload),
        Calls::vote(asked) => acts::vote(facts, sender, (asked.id, asked.choice, asked.digest)),
        Calls::revoke(asked) => acts::revoke(facts, sender, asked.id),
        Calls::veto(asked) => acts::veto(facts, sender, asked.id, asked.basis),
        Calls::consent(asked) => acts::consent(facts, sender, asked.id, asked.digest),
        Calls::execute(asked) => acts::execute(facts, asked.id),
        Calls::announceVersion(asked) => parameters::announce(facts, sender, asked.version_),
        asked => view(asked, facts).map(|output| Reply { output: Bytes::from(output), effects: None }),
    }
}

fn view<R: Rows>(asked: Calls, facts: &mut ChainFacts<'_, R>) -> Result<Vec<u8>, SystemError> {
    match asked {
        Calls::proposal(asked) => views::proposal(facts, asked.id),
        Calls::proposals(asked) => views::proposals(facts, asked.from, asked.limit),
        Calls::proposalCount(_) => views::proposal_count(facts),
        Calls::payload(asked) => views::payload(facts, asked.id),
        Calls::tally(asked) => views::tally(facts, asked.id),
        Calls::preview(asked) => views::preview(facts, asked.id),
        Calls::previewAction(asked) => views::preview_action(facts, asked.kind, &asked.payload_),
        Calls::committee(_) => views::committee(facts),
        Calls::regulator(asked) => views::regulator(facts, asked.account),
        Calls::regulators(_) => views::regulators(facts),
        Calls::consentOf(asked) => views::consent(facts, asked.id),
        Calls::rule(asked) => views::rule(facts, asked.kind),
        Calls::freeze(asked) => views::freeze(facts, asked.account),
        Calls::parameters(_) => views::parameters(facts),
        Calls::protocol(_) => views::protocol(facts),
        Calls::announcedVersion(asked) => views::announced_version(facts, &asked.organisation),
        Calls::rollback(asked) => views::rollback(facts, asked.id),
        Calls::version(_) => Ok(VERSION.abi_encode()),
        _ => Err(malformed()),
    }
}
