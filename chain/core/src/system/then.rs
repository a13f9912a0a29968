//! What a system contract's decision still has to do once it is made: calls of one contract, in its own name.
//!
//! They run as EVM code in the frame of the transaction itself, after what the contract did there. So gas, journal and
//! traces are those of any call of a contract; and where one fails, the transaction reverts and nothing of the decision
//! stands. Such a frame runs [`PROGRAM`], which no account of the state has.
//!
//! How much gas each call gets is a part of the decision. Who executes brings that much or is refused, and can change
//! nothing else of what the calls may use (docs/adr/0050).

use std::sync::LazyLock;

use alloy_primitives::{U256, b256};
use concordat_types::{Address, B256, Bytes};
use revm::{
    bytecode::Bytecode,
    interpreter::{CallInput, CallInputs, CallScheme, CallValue, Gas},
};

/// Calls the contract that its input names, once for each call behind that: 20 bytes; then, for each call, 4 bytes of gas, 4
/// bytes of length, and so many of data. If a call reverts, it reverts with the same data, and with `AnsweredFalse()` of
/// `IGovernance` if the answer begins with a word of zeros. Otherwise it returns the word 1: an execution's status,
/// executed.
const PROGRAM: &[u8] = &[
    0x5f, 0x35, 0x60, 0x60, 0x1c, // t = input[..20]
    0x60, 0x14, // i = 20
    0x5b, // 07, stack: t i
    0x36, 0x81, 0x10, 0x60, 0x16, 0x57, // if i is within the input, go on at 16
    0x60, 0x01, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, // else return 1
    0x5b, // 16
    0x80, 0x35, 0x60, 0xc0, 0x1c, // w = input[i..i + 8]
    0x90, 0x60, 0x08, 0x01, // d = i + 8, stack: t w d
    0x81, 0x63, 0xff, 0xff, 0xff, 0xff, 0x16, // n = the low half of w
    0x80, 0x82, 0x5f, 0x37, // memory[0..n] = input[d..d + n]
    0x80, 0x91, 0x01, 0x91, // stack: t i n w, where i = d + n
    0x60, 0x20, 0x1c, // g = the high half of w
    0x5f, 0x5f, 0x83, 0x5f, 0x5f, 0x88, 0x86, 0xf1, // call t: gas g, no value, memory[0..n], no output
    0x91, 0x50, 0x50, // stack: t i, and whether it succeeded
    0x60, 0x47, 0x57, // if so, go on at 47
    0x3d, 0x5f, 0x5f, 0x3e, 0x3d, 0x5f, 0xfd, // else revert with what it says
    0x5b, // 47
    0x3d, 0x15, 0x60, 0x07, 0x57, // no answer is a good one: 07
    0x60, 0x20, 0x5f, 0x5f, 0x3e, 0x5f, 0x51, 0x60, 0x07, 0x57, // so is any word but zero
    0x63, 0x65, 0xa1, 0xf5, 0xb2, 0x5f, 0x52, 0x60, 0x04, 0x60, 0x1c,
    0xfd, // else revert with AnsweredFalse()
];

/// Keccak-256 of [`PROGRAM`].
const PROGRAM_HASH: B256 = b256!("0x7c9eb5c16ad3a5c97f73bfcde644aff5061a260f9f9a50ae9a7daa8475ddf5b5");

static BYTECODE: LazyLock<Bytecode> = LazyLock::new(|| Bytecode::new_legacy(Bytes::from_static(PROGRAM)));

/// What the program needs for a call besides the call's own gas: the target's account, and data of 4 KiB to copy.
const AROUND_CALL: u64 = 5_000;

/// Calls that follow a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Then {
    /// The system contract that calls.
    pub(crate) caller: Address,
    /// Whom.
    pub(crate) target: Address,
    /// With how much gas and which data.
    pub(crate) calls: Vec<(u32, Bytes)>,
}

impl Then {
    /// The frame in which they run: a transaction's own call of the system contract, with the gas that is left.
    pub(crate) fn frame(&self, sender: Address, left: &Gas) -> CallInputs {
        CallInputs {
            input: CallInput::Bytes(self.input().into()),
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

    /// What has to be left where it begins. A call gets at most all but a 64th of that (EIP-150).
    pub(crate) fn need(&self) -> u64 {
        let one = |gas: u64| gas.saturating_add(gas.div_ceil(63)).saturating_add(AROUND_CALL);
        self.calls.iter().map(|(gas, _)| one(u64::from(*gas))).fold(0, u64::saturating_add)
    }

    fn input(&self) -> Vec<u8> {
        let mut input = self.target.to_vec();
        for (gas, data) in &self.calls {
            input.extend(gas.to_be_bytes());
            // Payloads are shorter by far.
            input.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
            input.extend(data);
        }
        input
    }
}

/// Whether a frame at a system contract runs such a call, rather than asking the contract.
pub(super) fn runs_program(inputs: &CallInputs) -> bool {
    inputs.known_bytecode.0 == PROGRAM_HASH
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{hex, keccak256};
    use alloy_sol_types::SolError as _;

    use super::*;
    use crate::{governance::abi::IGovernance, system::GOVERNANCE};

    #[test]
    fn the_program_is_golden_and_its_jumps_meet_their_marks() {
        assert_eq!(keccak256(PROGRAM), PROGRAM_HASH);
        assert_eq!([PROGRAM[0x07], PROGRAM[0x16], PROGRAM[0x47]], [0x5b; 3]);
        assert_eq!(PROGRAM[0x58..0x5c], IGovernance::AnsweredFalse::SELECTOR);
    }

    #[test]
    fn the_input_and_the_need_of_two_calls_are_golden() {
        let calls = vec![(63_000, Bytes::from_static(&[1, 2])), (1, Bytes::new())];
        let then = Then { caller: GOVERNANCE, target: Address::repeat_byte(7), calls };
        let golden = format!("{}0000f618{}0102{}{}", "07".repeat(20), "00000002", "00000001", "00000000");
        assert_eq!(hex::encode(then.input()), golden);
        assert_eq!(then.need(), 64_000 + 2 + 2 * AROUND_CALL);
    }
}
