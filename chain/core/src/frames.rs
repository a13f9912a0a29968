//! The EVM that asks the policies before a contract calls or creates another one.
//!
//! revm makes each frame by [`EvmTr::frame_init`], with and without an inspector: hence that is where they are asked,
//! and a trace sees what execution does. A transaction's own call or creation is asked about before it runs
//! (`validity`). Nothing is asked for Ethereum's precompiles, and for system contracts, which only answer contracts.
//!
//! Each frame pays for its question ([`gas::PERMISSION`]). Calls that only read are not asked about, and pay as well.
//!
//! Where a run-time rule watches calls, those that get a frame are marked in the journal's logs, inside of that frame
//! (`rules::enforce`); they pay [`gas::RULE`] for each rule. Calls of other code as one's own are calls of no method.

use std::collections::BTreeMap;

use concordat_permissions::Action;
use concordat_types::{Address, Bytes, StateReader};
use revm::{
    Inspector,
    context::{ContextSetters as _, ContextTr as _, FrameStack, JournalTr as _, LocalContextTr as _, TxEnv},
    handler::{
        EthFrame, EvmTr, FrameInitOrResult, FrameResult, Handler as _, ItemOrResult, MainnetHandler,
        evm::{ContextDbError, FrameInitResult},
        instructions::EthInstructions,
    },
    inspector::{InspectorEvmTr, InspectorHandler as _},
    interpreter::{
        CallInput, CallInputs, CallOutcome, CallScheme, CreateOutcome, FrameInput, Gas, InstructionResult,
        InterpreterResult, interpreter::EthInterpreter, interpreter_action::FrameInit,
    },
    state::EvmState,
};

use crate::{
    evm::{EvmContext, EvmResult, Machine},
    overlay::Overlay,
    permissions::{Asker, Deed},
    rules::{Bound, SeenCall},
    system::{SystemPrecompiles, gas},
};

type Frame = EthFrame<EthInterpreter>;
type Instructions<R> = EthInstructions<EthInterpreter, EvmContext<R>>;

/// The machine, and who asks for what contracts do in the running transaction.
pub(crate) struct ChainEvm<R: StateReader, I = ()> {
    machine: Machine<R, I>,
    /// `None` where all is open: for calls that only read, and for enrolments, which call no contract.
    asker: Option<Asker>,
    /// What was asked in this transaction, and the data of refusals.
    asked: BTreeMap<Deed, Option<Bytes>>,
    /// The run-time rules that bind the running transaction; `None` where none is watched.
    bound: Option<Bound>,
}

impl<R: StateReader, I> ChainEvm<R, I> {
    pub(crate) const fn new(machine: Machine<R, I>) -> Self {
        Self { machine, asker: None, asked: BTreeMap::new(), bound: None }
    }

    /// Runs a transaction. Its changes wait in the journal for [`Self::finalize`].
    pub(crate) fn run(&mut self, tx: TxEnv, asker: Option<Asker>, bound: Option<Bound>) -> EvmResult {
        self.prepare(tx, asker, bound);
        MainnetHandler::default().run(self)
    }

    /// The same, watched.
    pub(crate) fn run_inspected(&mut self, tx: TxEnv, asker: Option<Asker>, bound: Option<Bound>) -> EvmResult
    where
        I: Inspector<EvmContext<R>>,
    {
        self.prepare(tx, asker, bound);
        MainnetHandler::default().inspect_run(self)
    }

    fn prepare(&mut self, tx: TxEnv, asker: Option<Asker>, bound: Option<Bound>) {
        self.machine.ctx.set_tx(tx);
        self.asker = asker;
        self.bound = bound;
        self.asked.clear();
    }

    /// Empties the journal.
    pub(crate) fn finalize(&mut self) -> EvmState {
        self.machine.ctx.journal_mut().finalize()
    }

    pub(crate) fn overlay(&mut self) -> &mut Overlay<R> {
        self.machine.ctx.db_mut()
    }

    pub(crate) fn into_overlay(self) -> Overlay<R> {
        self.machine.ctx.journaled_state.database
    }

    pub(crate) fn into_inspector(self) -> I {
        self.machine.inspector
    }

    /// Whether an address is warm from the start of every transaction (EIP-2929).
    pub(crate) fn is_warm(&self, address: &Address) -> bool {
        self.machine.precompiles.is_warm(address)
    }

    /// What a new frame does on the sender's behalf, if it has to be asked about.
    fn deed(&self, init: &FrameInit) -> Option<Deed> {
        if init.depth == 0 {
            return None;
        }
        match &init.frame_input {
            // Precompiles and system contracts are those addresses that are always warm.
            FrameInput::Call(inputs) if self.is_warm(&inputs.bytecode_address) => None,
            FrameInput::Call(inputs) => Some(self.call_deed(inputs)),
            FrameInput::Create(inputs) => {
                let caller = Some(inputs.caller());
                Some(Deed { action: Action::Create, contract: None, method: None, caller })
            }
            FrameInput::Empty => None,
        }
    }

    fn call_deed(&self, inputs: &CallInputs) -> Deed {
        let (action, caller) = match inputs.scheme {
            CallScheme::Call => (Action::Call, inputs.caller),
            CallScheme::StaticCall => (Action::StaticCall, inputs.caller),
            // Foreign code that runs as the caller's own: the target is the caller itself.
            CallScheme::DelegateCall | CallScheme::CallCode => (Action::DelegateCall, inputs.target_address),
        };
        let method = self.method(&inputs.input);
        Deed { action, contract: Some(inputs.bytecode_address), method, caller: Some(caller) }
    }

    fn method(&self, input: &CallInput) -> Option<[u8; 4]> {
        match input {
            CallInput::Bytes(bytes) => bytes.first_chunk().copied(),
            CallInput::SharedBuffer(range) => {
                self.machine.ctx.local().shared_memory_buffer_slice(range.clone())?.first_chunk().copied()
            }
        }
    }

    /// The call that a new frame is, if a run-time rule watches it.
    fn seen(&self, init: &FrameInit) -> Option<SeenCall> {
        let bound = self.bound.as_ref()?;
        let FrameInput::Call(inputs) = &init.frame_input else { return None };
        let calls = matches!(inputs.scheme, CallScheme::Call | CallScheme::StaticCall);
        if !calls || self.is_warm(&inputs.bytecode_address) {
            return None;
        }
        match &inputs.input {
            CallInput::Bytes(bytes) => bound.see(inputs.target_address, bytes),
            CallInput::SharedBuffer(range) => {
                let memory = self.machine.ctx.local().shared_memory_buffer_slice(range.clone())?;
                bound.see(inputs.target_address, &memory)
            }
        }
    }

    /// What a new frame costs beyond what revm charges, and the data of its refusal. `None` if it cannot pay.
    fn due(
        &mut self,
        deed: Option<Deed>,
        seen: Option<&SeenCall>,
        limit: u64,
    ) -> Option<(u64, Option<Bytes>)> {
        let (price, refusal) = match deed {
            Some(deed) => self.judge(deed, limit)?,
            None => (0, None),
        };
        // A call that is refused is never made, so that no rule is asked about it.
        let watched = seen.filter(|_| refusal.is_none()).map_or(0, |seen| seen.price);
        let price = price.saturating_add(watched);
        (price <= limit).then_some((price, refusal))
    }

    /// What a deed costs here, and the data of its refusal. `None` if the frame cannot pay.
    fn judge(&mut self, deed: Deed, gas_limit: u64) -> Option<(u64, Option<Bytes>)> {
        let known = self.asked.get(&deed);
        let price = if known.is_some() { gas::PERMISSION_AGAIN } else { gas::PERMISSION };
        if gas_limit < price {
            return None;
        }
        if let Some(refusal) = known {
            return Some((price, refusal.clone()));
        }
        let denial = self.asker.as_ref().and_then(|asker| asker.ask(&deed).err());
        let refusal = denial.map(|denial| denial.abi_encode());
        self.asked.insert(deed, refusal.clone());
        Some((price, refusal))
    }
}

/// The result of a frame that never runs.
fn unstarted(input: &FrameInput, result: InterpreterResult) -> FrameResult {
    match input {
        FrameInput::Create(inputs) => FrameResult::Create(CreateOutcome {
            charged_create_state_gas: inputs.charged_create_state_gas(),
            ..CreateOutcome::new(result, None)
        }),
        FrameInput::Call(inputs) => FrameResult::Call(CallOutcome {
            charged_new_account_state_gas: inputs.charged_new_account_state_gas,
            ..CallOutcome::new(result, inputs.return_memory_offset.clone())
        }),
        FrameInput::Empty => FrameResult::Call(CallOutcome::new(result, 0..0)),
    }
}

fn gas_limit(input: &FrameInput) -> u64 {
    match input {
        FrameInput::Call(inputs) => inputs.gas_limit,
        FrameInput::Create(inputs) => inputs.gas_limit(),
        FrameInput::Empty => 0,
    }
}

impl<R: StateReader, I> EvmTr for ChainEvm<R, I> {
    type Context = EvmContext<R>;
    type Instructions = Instructions<R>;
    type Precompiles = SystemPrecompiles;
    type Frame = Frame;

    fn all(&self) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<Frame>) {
        self.machine.all()
    }

    fn all_mut(
        &mut self,
    ) -> (&mut Self::Context, &mut Self::Instructions, &mut Self::Precompiles, &mut FrameStack<Frame>) {
        self.machine.all_mut()
    }

    fn frame_init(
        &mut self,
        init: FrameInit,
    ) -> Result<FrameInitResult<'_, Frame>, ContextDbError<Self::Context>> {
        let (deed, seen) = (self.deed(&init), self.seen(&init));
        if deed.is_none() && seen.is_none() {
            return self.machine.frame_init(init);
        }
        let (limit, reservoir) = (gas_limit(&init.frame_input), init.frame_input.reservoir());
        let Some((price, refusal)) = self.due(deed, seen.as_ref(), limit) else {
            let gas = Gas::new_spent_with_reservoir(limit, reservoir);
            let result = InterpreterResult::new(InstructionResult::OutOfGas, Bytes::new(), gas);
            return Ok(ItemOrResult::Result(unstarted(&init.frame_input, result)));
        };
        if let Some(data) = refusal {
            let mut gas = Gas::new_with_regular_gas_and_reservoir(limit, reservoir);
            gas.set_remaining(limit.saturating_sub(price));
            let result = InterpreterResult::new(InstructionResult::Revert, data, gas);
            return Ok(ItemOrResult::Result(unstarted(&init.frame_input, result)));
        }
        if let ItemOrResult::Result(mut result) = self.machine.frame_init(init)? {
            let gas = result.gas_mut();
            gas.set_remaining(gas.remaining().saturating_sub(price));
            return Ok(ItemOrResult::Result(result));
        }
        // Inside of the frame: where it reverts, it was never made.
        if let Some(seen) = seen {
            self.machine.ctx.journal_mut().log(seen.into_mark());
        }
        let frame = self.machine.frame_stack.get();
        let gas = &mut frame.interpreter.gas;
        gas.set_remaining(gas.remaining().saturating_sub(price));
        Ok(ItemOrResult::Item(frame))
    }

    fn frame_run(&mut self) -> Result<FrameInitOrResult<Frame>, ContextDbError<Self::Context>> {
        self.machine.frame_run()
    }

    fn frame_return_result(
        &mut self,
        result: FrameResult,
    ) -> Result<Option<FrameResult>, ContextDbError<Self::Context>> {
        self.machine.frame_return_result(result)
    }
}

impl<R: StateReader, I: Inspector<EvmContext<R>>> InspectorEvmTr for ChainEvm<R, I> {
    type Inspector = I;

    fn all_inspector(
        &self,
    ) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<Frame>, &I) {
        self.machine.all_inspector()
    }

    fn all_mut_inspector(
        &mut self,
    ) -> (&mut Self::Context, &mut Self::Instructions, &mut Self::Precompiles, &mut FrameStack<Frame>, &mut I)
    {
        self.machine.all_mut_inspector()
    }
}
