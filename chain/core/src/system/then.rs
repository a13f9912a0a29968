//! What a system contract's decision still has to do once it is made: one call, in the contract's own name.
//!
//! The call runs as EVM code in the frame of the transaction itself, after what the contract did there. So gas,
//! journal and traces are those of any call of a contract; and where it fails, the transaction reverts and nothing of the
//! decision stands. Such a frame runs [`PROGRAM`], which no account of the state has.

use std::sync::LazyLock;

use alloy_primitives::{U256, b256};
use concordat_types::{Address, B256, Bytes};
use revm::{
    bytecode::Bytecode,
    interpreter::{CallInput, CallInputs, CallScheme, CallValue, Gas},
};

/// Calls the contract that its input names with the data behind that (20 bytes, then the data). If that call reverts, it
/// reverts with the same data, and with `AnsweredFalse()` of `IGovernance` if the answer begins with a word of zeros.
/// Otherwise it returns the word 1: an execution's status, executed.
const PROGRAM: &[u8] = &[
    0x60, 0x14, 0x36, 0x03, // n = size of the input - 20
    0x80, 0x60, 0x14, 0x5f, 0x37, // memory[0..n] = input[20..]
    0x5f, 0x5f, 0x82, 0x5f, 0x5f, 0x5f, 0x35, 0x60, 0x60,
    0x1c, // no output; memory[0..n]; no value; input[..20]
    0x5a, 0xf1, 0x60, 0x1f, 0x57, // call it with all gas but a 64th; if it succeeds, go on at 1f
    0x3d, 0x5f, 0x5f, 0x3e, 0x3d, 0x5f, 0xfd, // else revert with what it says
    0x5b, 0x3d, 0x15, 0x60, 0x3b, 0x57, // 1f: no answer is a good one: 3b
    0x60, 0x20, 0x5f, 0x5f, 0x3e, 0x5f, 0x51, 0x60, 0x3b, 0x57, // so is any word but zero
    0x63, 0x65, 0xa1, 0xf5, 0xb2, 0x5f, 0x52, 0x60, 0x04, 0x60, 0x1c,
    0xfd, // else revert with AnsweredFalse()
    0x5b, 0x60, 0x01, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, // 3b: return 1
];

/// Keccak-256 of [`PROGRAM`].
const PROGRAM_HASH: B256 = b256!("0x766b332a3bbf3cf07403f4432f743078fac1cc76c60f41fb7fed7f91e3e7ac86");

static BYTECODE: LazyLock<Bytecode> = LazyLock::new(|| Bytecode::new_legacy(Bytes::from_static(PROGRAM)));

/// A call that follows a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Then {
    /// The system contract that calls.
    pub(crate) caller: Address,
    /// Whom.
    pub(crate) target: Address,
    /// With which data.
    pub(crate) input: Bytes,
}

impl Then {
    /// The frame in which it runs: a transaction's own call of the system contract, with the gas that is left.
    pub(crate) fn frame(&self, sender: Address, left: &Gas) -> CallInputs {
        let input = [self.target.as_slice(), &self.input].concat();
        CallInputs {
            input: CallInput::Bytes(input.into()),
            return_memory_offset: 0..0,
            gas_limit: left.remaining(),
            reservoir: left.reservoir(),
            bytecode_address: self.caller,
            known_bytecode: (PROGRAM_HASH, BYTECODE.clone()),
            target_address: self.caller,
            caller: sender,
            value: CallValue::Transfer(U256::ZERO),
            scheme: CallScheme::Call,
            is_static: false,
            charged_new_account_state_gas: false,
        }
    }
}

/// Whether a frame at a system contract runs such a call, rather than asking the contract.
pub(super) fn runs_program(inputs: &CallInputs) -> bool {
    inputs.known_bytecode.0 == PROGRAM_HASH
}

#[cfg(test)]
mod tests {
    use alloy_primitives::keccak256;
    use alloy_sol_types::SolError as _;

    use super::*;
    use crate::governance::abi::IGovernance;

    #[test]
    fn the_program_is_golden_and_its_jumps_meet_their_marks() {
        assert_eq!(keccak256(PROGRAM), PROGRAM_HASH);
        assert_eq!([PROGRAM[0x1f], PROGRAM[0x3b]], [0x5b; 2]);
        assert_eq!(PROGRAM[0x30..0x34], IGovernance::AnsweredFalse::SELECTOR);
    }
}
