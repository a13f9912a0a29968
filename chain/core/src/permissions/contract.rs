//! Permissions as a Solidity contract: it only answers.

use std::sync::Arc;

use alloy_primitives::Address;
use alloy_sol_types::{SolCall as _, SolError as _, SolValue as _};
use concordat_permissions::{Action, PolicyId};
use concordat_types::B256;

use super::{
    abi::IPermissions::{self as abi, IPermissionsCalls as Calls},
    ask::{Asker, Deed, Sender, told},
    force::Policies,
    tables,
};
use crate::{
    contracts::{Place, known},
    standing::{Backing, Enrolled, STANDING_ROWS},
    system::{self, GasMeter, PERMISSIONS, Reply, Rows, SystemCall, SystemContract, SystemError, gas},
};

/// The most call data of any function, in bytes.
const MAX_CALL_BYTES: usize = 1024;

/// Version of the interface.
const VERSION: u64 = 1;

/// The contract that tells who may do what.
#[derive(Clone, Copy, Debug)]
pub struct Permissions;

impl SystemContract for Permissions {
    const ADDRESS: Address = PERMISSIONS;

    fn call(call: &SystemCall, rows: &mut impl Rows, meter: &mut GasMeter) -> Result<Reply, SystemError> {
        let asked = system::decode(call, meter, |_| false, MAX_CALL_BYTES)?;
        let output = answer(asked, call, rows, meter)?;
        Ok(Reply { output: output.into(), effects: None })
    }
}

type Answer = Result<Vec<u8>, SystemError>;

fn answer(asked: Calls, call: &SystemCall, rows: &mut impl Rows, meter: &mut GasMeter) -> Answer {
    match asked {
        Calls::policies(_) => policies(rows, meter),
        Calls::policy(asked) => policy(&asked.id, rows, meter),
        Calls::explain(asked) => {
            let method = (!asked.method.is_zero()).then_some(asked.method.0);
            let question = (asked.action, asked.contractAddress, method, Address::ZERO);
            explain(asked.account, question, call, rows, meter)
        }
        Calls::explainInput(asked) => {
            let method = asked.input.first_chunk::<4>().copied();
            let question = (asked.action, asked.contractAddress, method, asked.caller);
            explain(asked.account, question, call, rows, meter)
        }
        Calls::digest(_) => {
            meter.charge(gas::ROW_READ)?;
            Ok(tables::enacted_digest(rows)?.unwrap_or(B256::ZERO).abi_encode())
        }
        Calls::version(_) => Ok(VERSION.abi_encode()),
    }
}

fn policies(rows: &mut impl Rows, meter: &mut GasMeter) -> Answer {
    meter.charge(gas::ROW_READ)?;
    let policies = Policies::in_force(rows)?;
    meter.charge_each(policies.set().policies().count(), gas::LISTED)?;
    let ids: Vec<String> = policies.set().policies().map(|(policy, _)| policy.id.to_string()).collect();
    Ok(ids.abi_encode())
}

fn policy(id: &str, rows: &mut impl Rows, meter: &mut GasMeter) -> Answer {
    meter.charge_each(2, gas::ROW_READ)?;
    let unknown = || SystemError::Revert(abi::UnknownPolicy { id: id.to_owned() }.abi_encode().into());
    let known: PolicyId = id.parse().map_err(|_| unknown())?;
    let policies = Policies::in_force(rows)?;
    let (policy, text) =
        policies.set().policies().find(|(policy, _)| policy.id == known).ok_or_else(unknown)?;
    Ok((text.to_owned(), policy.proposal.unwrap_or_default()).abi_encode_params())
}

/// The decision that execution would make: by the same function, of the same facts.
fn explain(
    account: Address,
    (action, contract, method, caller): (u8, Address, Option<[u8; 4]>, Address),
    call: &SystemCall,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Answer {
    meter.charge_each(STANDING_ROWS.saturating_add(1), gas::ROW_READ)?;
    meter.charge(gas::DECISION)?;
    let action = Action::from_code(action)
        .ok_or_else(|| SystemError::Revert(abi::UnknownAction { action }.abi_encode().into()))?;
    let Some(Enrolled { standing, identity, organisation, .. }) =
        Enrolled::read(rows, account, Backing::read)?
    else {
        return Err(SystemError::Revert(abi::NotEnrolled { account }.abi_encode().into()));
    };
    let policies: Arc<Policies> = Policies::in_force(rows)?;
    let sender = Sender { account: identity, organisation, role: standing.role };
    let on_ledger = match action {
        Action::Deploy | Action::Create | Action::Govern | Action::Regulate => true,
        Action::Read => contract.is_zero(),
        _ => false,
    };
    let deed = Deed {
        action,
        contract: (!on_ledger).then_some(contract),
        // An administrator's act names none.
        method: if on_ledger || action == Action::Administer { None } else { method },
        caller: (!caller.is_zero()).then_some(caller),
    };
    let known = known(rows, meter, Place { account: identity, height: call.height }, &deed)?;
    let asker = Asker { policies, sender, time_secs: call.time_secs, binds: true, shut: Default::default() };
    meter.charge(asker.price(&deed, &known))?;
    let decision = asker.decide(&deed, &known);
    let (policy, proposal) = told(decision.policies.first());
    let answer = abi::explainReturn {
        allowed: decision.allowed,
        code: decision.code.code(),
        policyId: policy,
        proposal,
    };
    Ok(abi::explainCall::abi_encode_returns(&answer))
}
