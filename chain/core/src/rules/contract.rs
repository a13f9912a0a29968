//! Run-time rules as a Solidity contract: it only answers.

use alloy_primitives::Address;
use alloy_sol_types::{SolCall as _, SolError as _, SolValue as _};
use concordat_types::Bytes;

use super::{
    abi::IRules::{self as abi, IRulesCalls as Calls},
    enforce::party,
    force::LimitSet,
    limit::{LimitId, Per},
    tables::{self, Counted, EnactedLimit},
    window::Window,
};
use crate::{
    standing::{Backing, Enrolled, STANDING_ROWS},
    system::{self, GasMeter, RULES, Reply, Rows, SystemCall, SystemContract, SystemError, gas},
};

/// The most call data of any function, in bytes.
const MAX_CALL_BYTES: usize = 1024;

/// Version of the interface.
const VERSION: u64 = 1;

/// The contract that tells which rules there are, and what they have counted.
#[derive(Clone, Copy, Debug)]
pub struct Rules;

impl SystemContract for Rules {
    const ADDRESS: Address = RULES;

    fn call(call: &SystemCall, rows: &mut impl Rows, meter: &mut GasMeter) -> Result<Reply, SystemError> {
        let asked = system::decode(call, meter, |_| false, MAX_CALL_BYTES)?;
        let output = match asked {
            Calls::limits(_) => limits(rows, meter),
            Calls::limit(asked) => limit(&asked.id, rows, meter),
            Calls::usage(asked) => usage(&asked.id, asked.account, call.time_secs, rows, meter),
            Calls::digest(_) => {
                meter.charge(gas::ROW_READ)?;
                Ok(tables::digest(rows)?.unwrap_or_default().abi_encode())
            }
            Calls::version(_) => Ok(VERSION.abi_encode()),
        }?;
        Ok(Reply { output: output.into(), effects: None })
    }
}

type Answer = Result<Vec<u8>, SystemError>;

fn limits(rows: &mut impl Rows, meter: &mut GasMeter) -> Answer {
    meter.charge(gas::ROW_READ)?;
    let limits = LimitSet::in_force(rows)?;
    meter.charge_each(limits.enacted().len(), gas::LISTED)?;
    let ids: Vec<String> = limits.enacted().iter().map(|enacted| enacted.limit.id.to_string()).collect();
    Ok(ids.abi_encode())
}

fn limit(id: &str, rows: &mut impl Rows, meter: &mut GasMeter) -> Answer {
    let EnactedLimit { limit, proposal } = find(id, rows, meter)?;
    Ok((Bytes::from(limit.encode()), limit.reason, proposal).abi_encode_params())
}

fn find(id: &str, rows: &mut impl Rows, meter: &mut GasMeter) -> Result<EnactedLimit, SystemError> {
    meter.charge_each(2, gas::ROW_READ)?;
    let unknown = || SystemError::Revert(abi::UnknownRule { id: id.to_owned() }.abi_encode().into());
    let known: LimitId = id.parse().map_err(|_| unknown())?;
    LimitSet::in_force(rows)?.get(&known).cloned().ok_or_else(unknown)
}

/// What a rule has counted of an account, or of its organisation, whichever it counts.
fn usage(id: &str, account: Address, at_secs: u64, rows: &mut impl Rows, meter: &mut GasMeter) -> Answer {
    let EnactedLimit { limit, proposal } = find(id, rows, meter)?;
    meter.charge_each(STANDING_ROWS.saturating_add(2), gas::ROW_READ)?;
    let Some(Enrolled { identity, organisation, .. }) = Enrolled::read(rows, account, Backing::read)? else {
        return Err(SystemError::Revert(abi::NotEnrolled { account }.abi_encode().into()));
    };
    let mut counter = |counted, per: Option<Per>| -> Result<Window, SystemError> {
        let Some(per) = per else { return Ok(Window::default()) };
        let key = tables::counter_key(proposal, counted, party(per, &identity, &organisation));
        Ok(tables::counter(rows, &key)?)
    };
    let total = counter(Counted::Total, limit.total.map(|total| total.per))?;
    let count = counter(Counted::Count, limit.count.map(|count| count.per))?;
    let total_secs = limit.total.map_or(0, |total| total.window_secs);
    let count_secs = limit.count.map_or(0, |count| count.window_secs);
    let often = count.sum(at_secs, count_secs).and_then(|often| u64::try_from(often).ok());
    let answer = abi::usageReturn {
        amount: total.sum(at_secs, total_secs).unwrap_or(alloy_primitives::U256::MAX),
        count: often.unwrap_or(u64::MAX),
        amountFreesAt: total.frees_at(at_secs, total_secs),
        countFreesAt: count.frees_at(at_secs, count_secs),
    };
    Ok(abi::usageCall::abi_encode_returns(&answer))
}
