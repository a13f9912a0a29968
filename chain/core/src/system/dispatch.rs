//! From revm's calls to system contracts.

use alloy_primitives::{Log, map::AddressSet};
use concordat_governance::Refusal;
use concordat_types::{Address, StateReader};
use revm::{
    context::{Block as _, ContextTr as _, JournalTr as _},
    handler::{EthPrecompiles, PrecompileProvider},
    interpreter::{CallInputs, CallScheme, Gas, InstructionResult, InterpreterResult},
    primitives::hardfork::SpecId,
};

use super::{
    GasMeter, Reply, SYSTEM_CONTRACTS, SystemCall, SystemContract, SystemError, is_system, then::runs_program,
};
use crate::{
    contracts::Contracts,
    evm::EvmContext,
    governance::{Governance, revert},
    identity::IdentityRegistry,
    orders::Orders,
    permissions::Permissions,
    rules::Rules,
};

/// Ethereum's precompiles and the system contracts.
#[derive(Clone, Debug)]
pub(crate) struct SystemPrecompiles {
    ethereum: EthPrecompiles,
    warm: AddressSet,
}

impl SystemPrecompiles {
    pub(crate) fn new(rules: SpecId) -> Self {
        let ethereum = EthPrecompiles::new(rules);
        let warm = ethereum.warm_addresses().iter().copied().chain(SYSTEM_CONTRACTS).collect();
        Self { ethereum, warm }
    }

    /// Whether an address is warm from the start of every transaction (EIP-2929).
    pub(crate) fn is_warm(&self, address: &Address) -> bool {
        self.warm.contains(address)
    }
}

impl<R: StateReader> PrecompileProvider<EvmContext<R>> for SystemPrecompiles {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: SpecId) -> bool {
        // The rules never change within a block: they are those given at the start.
        debug_assert_eq!(spec, self.ethereum.spec, "the rules of a block never change");
        false
    }

    fn run(
        &mut self,
        context: &mut EvmContext<R>,
        inputs: &CallInputs,
    ) -> Result<Option<InterpreterResult>, String> {
        if !is_system(&inputs.bytecode_address) {
            return self.ethereum.run(context, inputs);
        }
        if runs_program(inputs) {
            return Ok(None);
        }
        let mut gas = GasMeter::new(inputs.gas_limit);
        let answer = answer(context, inputs, &mut gas)
            .and_then(|reply| check_then(context, &gas, &reply).map(|()| reply));
        settle(context, inputs, &gas, answer).map(Some)
    }

    fn warm_addresses(&self) -> &AddressSet {
        &self.warm
    }
}

fn answer<R: StateReader>(
    context: &mut EvmContext<R>,
    inputs: &CallInputs,
    gas: &mut GasMeter,
) -> Result<Reply, SystemError> {
    let call = SystemCall {
        caller: inputs.caller,
        direct: context.journal().depth() == 1 && inputs.scheme == CallScheme::Call && !inputs.is_static,
        height: context.block().number().saturating_to(),
        time_secs: context.block().timestamp().saturating_to(),
        input: inputs.input.bytes(context),
    };
    let rows = context.db_mut();
    match inputs.bytecode_address {
        IdentityRegistry::ADDRESS => IdentityRegistry::call(&call, rows, gas),
        Governance::ADDRESS => Governance::call(&call, rows, gas),
        Permissions::ADDRESS => Permissions::call(&call, rows, gas),
        Contracts::ADDRESS => Contracts::call(&call, rows, gas),
        Rules::ADDRESS => Rules::call(&call, rows, gas),
        Orders::ADDRESS => Orders::call(&call, rows, gas),
        // `is_system` let nothing else through.
        _ => Ok(Reply::default()),
    }
}

/// Refuses what would change how calls that follow run: gas that does not suffice for them, or an access list, which makes
/// some of their steps cheaper. So they have the same outcome whoever asks for them.
fn check_then<R: StateReader>(
    context: &EvmContext<R>,
    gas: &GasMeter,
    reply: &Reply,
) -> Result<(), SystemError> {
    let Some(then) = reply.effects.as_ref().and_then(|effects| effects.then.as_ref()) else { return Ok(()) };
    let (have, need) = (gas.left(), then.need());
    if have < need {
        return Err(revert(&Refusal::CallGas { have, need }));
    }
    if !context.tx().access_list.is_empty() {
        return Err(revert(&Refusal::CallAccessList));
    }
    Ok(())
}

/// Puts a contract's answer in revm's terms, and its effects where the executor finds them.
fn settle<R: StateReader>(
    context: &mut EvmContext<R>,
    inputs: &CallInputs,
    meter: &GasMeter,
    answer: Result<Reply, SystemError>,
) -> Result<InterpreterResult, String> {
    let mut gas = Gas::new_with_regular_gas_and_reservoir(inputs.gas_limit, inputs.reservoir);
    gas.set_remaining(meter.left());
    let (result, output) = match answer {
        Ok(Reply { output, effects }) => {
            if let Some(mut effects) = effects {
                for data in std::mem::take(&mut effects.logs) {
                    log(context, inputs.bytecode_address, data);
                }
                context.db_mut().stage(effects);
            }
            (InstructionResult::Return, output)
        }
        Err(SystemError::Revert(data)) => (InstructionResult::Revert, data),
        Err(SystemError::OutOfGas) => {
            gas.spend_all();
            (InstructionResult::PrecompileOOG, Default::default())
        }
        Err(SystemError::State(error)) => {
            let text = error.to_string();
            context.db_mut().fail(error);
            return Err(text);
        }
    };
    Ok(InterpreterResult::new(result, output, gas))
}

fn log<R: StateReader>(context: &mut EvmContext<R>, address: Address, data: alloy_primitives::LogData) {
    context.journal_mut().log(Log { address, data });
}
