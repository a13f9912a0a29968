//! revm, set up for this chain: no fees, no balances, system contracts beside the precompiles.

use concordat_types::{Address, Bytes, StateReader, VerifiedTx};
use revm::{
    Context, Journal,
    context::{BlockEnv as EvmBlock, CfgEnv, Evm, FrameStack, TxEnv},
    context_interface::{
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction, OutOfGasError, Output},
        transaction::{AccessList, TransactionType},
    },
    handler::{EthFrame, instructions::EthInstructions},
    interpreter::interpreter::EthInterpreter,
};

pub(crate) use crate::frames::ChainEvm;
use crate::{
    error::ExecError,
    overlay::{Overlay, StateFailure},
    system::SystemPrecompiles,
};

/// Frames that the EVM keeps ready.
const FRAMES: usize = 8;

pub(crate) type EvmContext<R> = Context<EvmBlock, TxEnv, CfgEnv, Overlay<R>, Journal<Overlay<R>>, ()>;

/// revm's machine with our parts.
pub(crate) type Machine<R, I> = Evm<
    EvmContext<R>,
    I,
    EthInstructions<EthInterpreter, EvmContext<R>>,
    SystemPrecompiles,
    EthFrame<EthInterpreter>,
>;

pub(crate) type EvmResult = Result<ExecutionResult<HaltReason>, EVMError<StateFailure, InvalidTransaction>>;

/// An EVM over a state.
pub(crate) fn build<R: StateReader, I>(
    overlay: Overlay<R>,
    config: CfgEnv,
    block: EvmBlock,
    inspector: I,
) -> ChainEvm<R, I> {
    let rules = config.spec;
    let context = EvmContext::new(overlay, rules).with_block(block).with_cfg(config);
    ChainEvm::new(Evm {
        ctx: context,
        inspector,
        instruction: EthInstructions::new_mainnet_with_spec(rules),
        precompiles: SystemPrecompiles::new(rules),
        frame_stack: FrameStack::new_prealloc(FRAMES),
    })
}

/// What one transaction asks of the EVM.
///
/// Whatever fee the sender offers, none is charged: the price is always zero. Type 2 and `0x50` run as
/// types 1 and 0, from which they differ only in what they offer to pay and in how they are signed.
pub(crate) fn tx_env(tx: &VerifiedTx) -> TxEnv {
    let access_list = tx.access_list().cloned().unwrap_or_default();
    TxEnv {
        tx_type: evm_type(&access_list),
        caller: tx.sender(),
        gas_limit: tx.gas_limit(),
        gas_price: 0,
        kind: tx.kind(),
        data: tx.input().clone(),
        nonce: tx.nonce(),
        chain_id: tx.chain_id(),
        access_list,
        ..TxEnv::default()
    }
}

pub(crate) fn evm_type(access_list: &AccessList) -> u8 {
    let kind = if access_list.is_empty() { TransactionType::Legacy } else { TransactionType::Eip2930 };
    kind as u8
}

/// What became of a run, in our terms.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) status: RunStatus,
    pub(crate) gas_used: u64,
    pub(crate) output: Bytes,
    pub(crate) logs: Vec<alloy_primitives::Log>,
    pub(crate) created: Option<Address>,
}

impl Run {
    /// Makes of it one of which nothing stands, for its gas limit does not cover what is due after it.
    pub(crate) fn starve(&mut self, gas_limit: u64) {
        let status = RunStatus::Halted(HaltReason::OutOfGas(OutOfGasError::Basic));
        *self = Self { status, gas_used: gas_limit, output: Bytes::new(), logs: Vec::new(), created: None };
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunStatus {
    Success,
    Reverted,
    Halted(HaltReason),
    /// It ran, and a run-time rule undid it; the output says which.
    Violated,
    /// It ran, and an order of a regulator undid it; the output says which.
    Ordered,
}

impl From<ExecutionResult<HaltReason>> for Run {
    fn from(result: ExecutionResult<HaltReason>) -> Self {
        match result {
            ExecutionResult::Success { gas, logs, output, .. } => {
                let created = match &output {
                    Output::Create(_, address) => *address,
                    Output::Call(_) => None,
                };
                let gas_used = gas.tx_gas_used();
                Self { status: RunStatus::Success, gas_used, output: output.into_data(), logs, created }
            }
            ExecutionResult::Revert { gas, output, .. } => {
                let gas_used = gas.tx_gas_used();
                Self { status: RunStatus::Reverted, gas_used, output, logs: Vec::new(), created: None }
            }
            ExecutionResult::Halt { reason, gas, .. } => Self {
                status: RunStatus::Halted(reason),
                gas_used: gas.tx_gas_used(),
                output: Bytes::new(),
                logs: Vec::new(),
                created: None,
            },
        }
    }
}

/// A failure of the machine, which our own checks should have ruled out unless the state cannot be read.
pub(crate) fn machine_error<R: StateReader>(
    overlay: &mut Overlay<R>,
    error: EVMError<StateFailure, InvalidTransaction>,
) -> ExecError {
    if let Some(failure) = overlay.take_failure() {
        return ExecError::State(failure);
    }
    match error {
        EVMError::Database(StateFailure(failure)) => ExecError::State(failure),
        other => ExecError::Internal(other.to_string()),
    }
}

/// go-ethereum's words for a halt, which clients look for.
pub(crate) fn halt_text(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas".to_owned(),
        HaltReason::OpcodeNotFound => "invalid opcode".to_owned(),
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID".to_owned(),
        HaltReason::InvalidJump => "invalid jump destination".to_owned(),
        HaltReason::StackUnderflow => "stack underflow".to_owned(),
        HaltReason::StackOverflow => "stack limit reached 1024".to_owned(),
        HaltReason::OutOfOffset => "return data out of bounds".to_owned(),
        HaltReason::CreateCollision => "contract address collision".to_owned(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".to_owned(),
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef".to_owned(),
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded".to_owned(),
        HaltReason::NonceOverflow => "nonce uint64 overflow".to_owned(),
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection".to_owned()
        }
        HaltReason::OutOfFunds => "insufficient balance for transfer".to_owned(),
        HaltReason::CallTooDeep => "max call depth exceeded".to_owned(),
        other => other.to_string(),
    }
}
