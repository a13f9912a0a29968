//! How calls of system contracts begin: what is asked of every one before its arguments are looked at.

use alloy_sol_types::{SolError as _, SolInterface, sol};

use super::{GasMeter, SystemCall, SystemError, gas};

sol! {
    // Every interface declares them; the same name and arguments give the same bytes.
    error MalformedCall();
    error OnlyDirectTransaction();
}

/// Charges for answering at all, and decodes the call.
///
/// # Errors
/// Where a function that changes something, as `changes` tells by its selector, is called from within another contract;
/// and where the call data is longer than `most` bytes, or no function of the interface `C`.
pub(crate) fn decode<C: SolInterface>(
    call: &SystemCall,
    meter: &mut GasMeter,
    changes: impl Fn([u8; 4]) -> bool,
    most: usize,
) -> Result<C, SystemError> {
    meter.charge(gas::BASE)?;
    let selector = *call.input.first_chunk::<4>().ok_or_else(malformed)?;
    if changes(selector) && !call.direct {
        return Err(SystemError::Revert(OnlyDirectTransaction {}.abi_encode().into()));
    }
    if call.input.len() > most {
        return Err(malformed());
    }
    C::abi_decode(&call.input).map_err(|_| malformed())
}

/// Refuses a call that none of the interface is.
pub(crate) fn malformed() -> SystemError {
    SystemError::Revert(MalformedCall {}.abi_encode().into())
}
